//! What the demo shows: figures while it runs, a summary, a JSON object.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tme::{LinkKind, Preset};

use super::tally::{Flow, Stage, Tally};
use crate::latency::Latency;
use crate::process::{CpuOf, cpu_time};
use crate::{DemoOptions, ExitReason, Failure, format, network, sparkline};

/// Rates and recent latencies are over so many looks: a second.
const LOOKS: usize = 4;
const GRAPH_COLUMNS: usize = 60;

/// The line over everything.
pub(super) fn headline(options: &DemoOptions) -> String {
    let drive = match (options.threads, options.server_threads()) {
        (true, 0 | 1) => " · network threads".to_owned(),
        (true, threads) => format!(" · network threads, {threads} of the server"),
        (false, 0) => String::new(),
        (false, 1) => " · 1 network thread of the server".to_owned(),
        (false, threads) => format!(" · {threads} network threads of the server"),
    };
    let net = network::describe(options.net);
    let link = match options.link.kind() {
        LinkKind::Udp => String::new(),
        link => format!(" over {link}"),
    };
    format!("TME demo · {} bots · {} Hz · {net} · encrypted{link}{drive}", options.bots, options.hz)
}

/// Looks at the tallies from time to time and tells what has changed.
pub(super) struct Screen<'a> {
    stage: &'a Stage,
    looks: VecDeque<Look>,
}

/// What a look found: counters, and latencies since the look before.
struct Look {
    at: Instant,
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    unreliable: Latency,
    reliable: Latency,
}

/// Figures of about the last second.
pub(super) struct Figures {
    peers: u64,
    messages_in: f64,
    messages_out: f64,
    bytes_in: f64,
    bytes_out: f64,
    rtt: Duration,
    loss: f64,
    unreliable: Latency,
    reliable: Latency,
    unreliable_delivered: f64,
    reliable_delivered: f64,
    resent: f64,
    /// Of the last look alone.
    reliable_p99: Duration,
    unreliable_p99: Duration,
}

impl<'a> Screen<'a> {
    /// Lines of [`Figures::lines`].
    pub const LINES: usize = 3;

    pub fn new(stage: &'a Stage) -> Self {
        let mut screen = Self { stage, looks: VecDeque::new() };
        let first = screen.take_look();
        screen.looks.push_back(first.0);
        screen
    }

    fn take_look(&self) -> (Look, Totals) {
        let (mut server, mut bots) = (self.stage.server.lock(), self.stage.bots.lock());
        let totals = Totals::new(&server, &bots);
        let look = Look {
            at: Instant::now(),
            messages_in: server.unreliable.received + server.reliable.received,
            messages_out: server.unreliable.sent + server.reliable.sent,
            bytes_in: server.bytes_in,
            bytes_out: server.bytes_out,
            unreliable: take_recent([&mut server.unreliable, &mut bots.unreliable]),
            reliable: take_recent([&mut server.reliable, &mut bots.reliable]),
        };
        (look, totals)
    }

    pub fn look(&mut self) -> Figures {
        let (look, totals) = self.take_look();
        let reliable_p99 = look.reliable.quantile(0.99);
        let unreliable_p99 = look.unreliable.quantile(0.99);
        self.looks.push_back(look);
        if self.looks.len() > LOOKS + 1 {
            self.looks.pop_front();
        }
        let per_second = |counter: fn(&Look) -> u64| match (self.looks.front(), self.looks.back()) {
            (Some(first), Some(last)) => {
                let seconds = last.at.saturating_duration_since(first.at).as_secs_f64().max(1e-3);
                counter(last).saturating_sub(counter(first)) as f64 / seconds
            }
            _ => 0.0,
        };
        let merged = |latency: fn(&Look) -> &Latency| {
            let mut all = Latency::default();
            self.looks.iter().skip(1).for_each(|look| all.merge(latency(look)));
            all
        };
        Figures {
            peers: totals.peers,
            messages_in: per_second(|look| look.messages_in),
            messages_out: per_second(|look| look.messages_out),
            bytes_in: per_second(|look| look.bytes_in),
            bytes_out: per_second(|look| look.bytes_out),
            rtt: totals.rtt,
            loss: totals.loss,
            unreliable: merged(|look| &look.unreliable),
            reliable: merged(|look| &look.reliable),
            unreliable_delivered: totals.unreliable_delivered,
            reliable_delivered: totals.reliable_delivered,
            resent: totals.resent,
            reliable_p99,
            unreliable_p99,
        }
    }
}

fn take_recent(flows: [&mut Flow; 2]) -> Latency {
    let mut recent = Latency::default();
    for flow in flows {
        recent.merge(&flow.latency_recent);
        flow.latency_recent.clear();
    }
    recent
}

/// Figures over both sides since the beginning.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    peers: u64,
    rtt: Duration,
    loss: f64,
    unreliable_delivered: f64,
    reliable_delivered: f64,
    /// Frames sent again, per reliable message.
    resent: f64,
}

impl Totals {
    fn new(server: &Tally, bots: &Tally) -> Self {
        let delivered = |of: fn(&Tally) -> &Flow| {
            let (sent, received) = (of(server).sent + of(bots).sent, of(server).received + of(bots).received);
            format::share(received, sent)
        };
        let none_of_none = |part: u64, whole: u64| if whole == 0 { 0.0 } else { format::share(part, whole) };
        let both = [&server.connections, &bots.connections];
        let packets_sent: u64 = both.iter().map(|side| side.packets_sent).sum();
        let packets_lost: u64 = both.iter().map(|side| side.packets_lost).sum();
        let retransmitted: u64 = both.iter().map(|side| side.retransmitted).sum();
        Self {
            peers: server.connected,
            rtt: bots.connections.rtt_mean(),
            loss: none_of_none(packets_lost, packets_sent),
            unreliable_delivered: delivered(|tally| &tally.unreliable),
            reliable_delivered: delivered(|tally| &tally.reliable),
            resent: none_of_none(retransmitted, server.reliable.sent + bots.reliable.sent),
        }
    }
}

impl Figures {
    /// For a terminal.
    pub fn lines(&self) -> [String; Screen::LINES] {
        let Self { peers, rtt, .. } = self;
        let latency = |latency: &Latency| {
            format!("p50 {:<7} p99 {:<7}", ms(latency.quantile(0.5)), ms(latency.quantile(0.99)))
        };
        [
            format!(
                "peers {peers}   in {} msg/s  {}   out {} msg/s  {}   rtt {}   loss {}",
                format::rate(self.messages_in),
                format::byte_rate(self.bytes_in),
                format::rate(self.messages_out),
                format::byte_rate(self.bytes_out),
                ms(*rtt),
                format::percent(self.loss),
            ),
            format!(
                "unreliable  {}  delivered {}",
                latency(&self.unreliable),
                format::percent(self.unreliable_delivered.min(1.0)),
            ),
            format!(
                "reliable    {}  delivered {}   resent {}",
                latency(&self.reliable),
                format::percent(self.reliable_delivered.min(1.0)),
                format::percent(self.resent),
            ),
        ]
    }

    /// For anything else.
    pub fn plain(&self, elapsed: Duration) -> String {
        let [first, second, third] = self.lines();
        let text = format!("{:>3} s  {first} | {second} | {third}", elapsed.as_secs());
        // The columns are for the eye; here one space separates.
        text.split("  ").filter(|part| !part.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join("  ")
    }
}

fn ms(duration: Duration) -> String {
    format::time(duration)
}

/// How the demo went over time.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    pub connected_after: Duration,
    pub drained_after: Duration,
    start: Instant,
    length: Option<Duration>,
    cpu_start: Option<Duration>,
    /// Of the process, while traffic flowed.
    cpu: Option<Duration>,
    messages: Vec<f64>,
    unreliable_p99_ms: Vec<f64>,
    reliable_p99_ms: Vec<f64>,
}

impl Timeline {
    pub fn start(connected_after: Duration) -> Self {
        Self {
            connected_after,
            drained_after: Duration::ZERO,
            start: Instant::now(),
            length: None,
            cpu_start: cpu_time(CpuOf::Process),
            cpu: None,
            messages: Vec::new(),
            unreliable_p99_ms: Vec::new(),
            reliable_p99_ms: Vec::new(),
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.length.unwrap_or_else(|| self.start.elapsed())
    }

    pub fn add(&mut self, figures: &Figures) {
        self.messages.push(figures.messages_in + figures.messages_out);
        self.unreliable_p99_ms.push(figures.unreliable_p99.as_secs_f64() * 1e3);
        self.reliable_p99_ms.push(figures.reliable_p99.as_secs_f64() * 1e3);
    }

    pub fn stop(&mut self) {
        self.length = Some(self.start.elapsed());
        self.cpu = match (self.cpu_start, cpu_time(CpuOf::Process)) {
            (Some(start), Some(end)) => Some(end.saturating_sub(start)),
            _ => None,
        };
    }
}

/// What a demo came to.
#[derive(Clone, Debug)]
pub struct DemoReport {
    options: DemoOptions,
    timeline: Timeline,
    server: Tally,
    bots: Tally,
}

impl DemoReport {
    pub(super) const fn new(options: DemoOptions, timeline: Timeline, server: Tally, bots: Tally) -> Self {
        Self { options, timeline, server, bots }
    }

    /// Whether every reliable message was delivered, once and in order, and nobody was lost.
    ///
    /// # Errors
    /// [`Failure`] with the numbers.
    pub fn verdict(&self) -> Result<(), Failure> {
        let (server, bots) = (&self.server, &self.bots);
        let sent = server.reliable.sent + bots.reliable.sent;
        let delivered = server.reliable.received + bots.reliable.received;
        let disorderly = server.disorderly + bots.disorderly;
        let lost = server.lost_connections.max(bots.lost_connections);
        let failed = |text: String| Err(Failure::new(ExitReason::CheckFailed, text));
        match () {
            () if lost > 0 => {
                let why = bots.last_end.as_deref().or(server.last_end.as_deref()).unwrap_or("unknown");
                failed(format!("{lost} connections were lost; the last because: {why}"))
            }
            () if delivered != sent => {
                failed(format!("{delivered} of {sent} reliable messages were delivered"))
            }
            () if disorderly > 0 => {
                failed(format!("{disorderly} reliable messages came twice or in the wrong order"))
            }
            () => Ok(()),
        }
    }

    /// The report for programs. Times are microseconds, shares 0–1.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { options, timeline, server, bots } = self;
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let totals = Totals::new(server, bots);
        let both = |of: fn(&Tally) -> u64| of(server) + of(bots);
        json!({
            "command": "demo",
            "version": env!("CARGO_PKG_VERSION"),
            "options": {
                "bots": options.bots,
                "hz": options.hz,
                "seconds": options.seconds,
                "net": options.net.map(Preset::name),
                "link": options.link.kind().to_string().to_lowercase(),
                "drive": if options.threads { "threads" } else { "inline" },
                "server_threads": options.server_threads(),
            },
            "encrypted": true,
            "connected_after_us": micros(timeline.connected_after),
            "measured_us": micros(timeline.elapsed()),
            "drained_after_us": micros(timeline.drained_after),
            "unreliable": {
                "to_server": flow_json(&bots.unreliable, &server.unreliable),
                "to_bots": flow_json(&server.unreliable, &bots.unreliable),
            },
            "reliable": {
                "to_server": flow_json(&bots.reliable, &server.reliable),
                "to_bots": flow_json(&server.reliable, &bots.reliable),
                "all_delivered": self.verdict().is_ok(),
                "disorderly": both(|tally| tally.disorderly),
            },
            "network": {
                "rtt_us": micros(totals.rtt),
                "loss": totals.loss,
                "packets_sent": both(|tally| tally.connections.packets_sent),
                "packets_lost": both(|tally| tally.connections.packets_lost),
                "frames_resent": both(|tally| tally.connections.retransmitted),
                "probe_timeouts": both(|tally| tally.connections.probe_timeouts),
                "server_bytes_in": server.bytes_in,
                "server_bytes_out": server.bytes_out,
            },
            "lost_connections": both(|tally| tally.lost_connections),
            "ticks_skipped": both(|tally| tally.ticks_skipped),
            "cpu": {
                "process_seconds_measured": seconds(timeline.cpu),
                "process_seconds": seconds(cpu_time(CpuOf::Process)),
                "server_thread_seconds": seconds(server.cpu),
                "bots_thread_seconds": seconds(bots.cpu),
            },
        })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn flow_json(sender: &Flow, receiver: &Flow) -> Value {
    json!({
        "sent": sender.sent,
        "refused": sender.refused,
        "delivered": receiver.received,
        "delivered_share": format::share(receiver.received, sender.sent),
        "latency": receiver.latency.to_json(),
    })
}

impl fmt::Display for DemoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, timeline, server, bots } = self;
        let length = timeline.elapsed();
        let (connected, drained) = (ms(timeline.connected_after), ms(timeline.drained_after));
        writeln!(
            f,
            "ran {:.1} s; all connected after {connected}, everything arrived {drained} after the last send",
            length.as_secs_f64(),
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "                         sent   delivered               p50      p99    99.9 %      max"
        )?;
        write_flow(f, "unreliable to server", &bots.unreliable, &server.unreliable)?;
        write_flow(f, "unreliable to bots", &server.unreliable, &bots.unreliable)?;
        write_flow(f, "reliable to server", &bots.reliable, &server.reliable)?;
        write_flow(f, "reliable to bots", &server.reliable, &bots.reliable)?;
        writeln!(f)?;
        write_graph(f, "unreliable p99", &timeline.unreliable_p99_ms, "ms")?;
        write_graph(f, "reliable p99", &timeline.reliable_p99_ms, "ms")?;
        write_graph(f, "messages/s", &timeline.messages, "")?;
        writeln!(f)?;
        let totals = Totals::new(server, bots);
        let seconds = length.as_secs_f64().max(1e-3);
        writeln!(
            f,
            "server: in {}, out {} ({} payload); rtt {}, {} of packets lost, {} of reliable messages resent",
            format::byte_rate(server.bytes_in as f64 / seconds),
            format::byte_rate(server.bytes_out as f64 / seconds),
            options.link.kind(),
            ms(totals.rtt),
            format::percent(totals.loss),
            format::percent(totals.resent),
        )?;
        if let Some(cpu) = timeline.cpu {
            let thread = |time: Option<Duration>| {
                time.map_or("?".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
            };
            writeln!(
                f,
                "processor: {:.2} s while measured ({} of one core); server's thread {}, bots' thread {} in all",
                cpu.as_secs_f64(),
                format::percent(cpu.as_secs_f64() / seconds),
                thread(server.cpu),
                thread(bots.cpu),
            )?;
        }
        for (what, count) in [
            ("ticks left out because a thread could not keep up", server.ticks_skipped + bots.ticks_skipped),
            ("sends refused because a queue was full", refused(server) + refused(bots)),
        ] {
            if count > 0 {
                writeln!(f, "{}: {}", what, format::count(count))?;
            }
        }
        let sent = server.reliable.sent + bots.reliable.sent;
        match self.verdict() {
            Ok(()) => write!(f, "all {} reliable messages delivered, once and in order", format::count(sent)),
            Err(failure) => write!(f, "not as it should be: {failure}"),
        }
    }
}

const fn refused(tally: &Tally) -> u64 {
    tally.unreliable.refused + tally.reliable.refused
}

fn write_flow(f: &mut fmt::Formatter<'_>, name: &str, sender: &Flow, receiver: &Flow) -> fmt::Result {
    let latency = &receiver.latency;
    let quantile = |share: f64| ms(latency.quantile(share));
    writeln!(
        f,
        " {name:<20} {:>9} {:>11}  {:>8} {:>8} {:>8} {:>9} {:>8}",
        format::count(sender.sent),
        format::count(receiver.received),
        format::percent(format::share(receiver.received, sender.sent).min(1.0)),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        ms(latency.max()),
    )
}

/// A graph with its range; `unit` may be empty.
fn write_graph(f: &mut fmt::Formatter<'_>, name: &str, values: &[f64], unit: &str) -> fmt::Result {
    if values.is_empty() {
        return Ok(());
    }
    let max = values.iter().copied().fold(0.0, f64::max);
    let digits = if max < 100.0 { 1 } else { 0 };
    let space = if unit.is_empty() { "" } else { " " };
    writeln!(f, " {name:<15} {}  0–{max:.digits$}{space}{unit}", sparkline::draw(values, GRAPH_COLUMNS))
}
