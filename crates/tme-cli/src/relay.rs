//! `tme relay`: a bad network between any two UDP programs.

mod options;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tme::{Bottleneck, Jitter, LinkConditions, PathConditions};
use tme_transport::relay::{DirectionStatistics, Relay, RelayConfig, RelayError, RelayStatistics};

use crate::input::{Input, read_lines};
use crate::{ExitReason, Failure, Output, format, interrupt};
pub use options::RelayOptions;

/// Longest wait, so that Ctrl-C is seen.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// What a full queue takes to send, where a rate is given without a preset.
const QUEUE_TIME: Duration = Duration::from_millis(100);

const HELP: &str = "/stats    what went through so far
/rebind   give every client another address towards the server, as a NAT that forgets
/cut      let nothing through
/heal     let it through again
/quit     end";

/// Relays until `/quit`, Ctrl-C, the time given, or a failure.
///
/// # Errors
/// [`Failure`]: an address cannot be had, the conditions contradict themselves, or the system refuses to go on.
pub fn run(options: &RelayOptions) -> Result<(), Failure> {
    interrupt::listen();
    let output = Output::beside_json(options.json);
    let server = resolve(&options.server)?;
    let mut relay = Relay::bind(RelayConfig {
        listen: options.listen,
        server,
        conditions: conditions(options),
        seed: options.seed,
        rebind_every: options.rebind,
    })?;
    output.line(&format!("relaying {} to {server}", relay.local_address()));
    output.line("/help for commands");
    let wake = relay.wake_handle();
    let input = read_lines(move || wake.wake());
    let result = relay_until_told(options, &mut relay, input, output);
    if options.json {
        Output::Stdout.line(&to_json(&relay.statistics()).to_string());
    } else {
        output.line(&table(&relay.statistics()));
    }
    result
}

fn relay_until_told(
    options: &RelayOptions,
    relay: &mut Relay,
    input: Receiver<Input>,
    output: Output,
) -> Result<(), Failure> {
    let start = Instant::now();
    // Without standard input it goes on until it is told to end.
    let mut input = Some(input);
    while !interrupt::is_asked() {
        let left = match options.seconds {
            Some(seconds) => Duration::from_secs(u64::from(seconds)).saturating_sub(start.elapsed()),
            None => WAIT_MAX,
        };
        if left.is_zero() {
            break;
        }
        relay.run(left.min(WAIT_MAX))?;
        while let Some(lines) = &input {
            match lines.try_recv() {
                Ok(Input::Line(line)) => match line.trim() {
                    "/quit" => return Ok(()),
                    "/stats" => output.line(&table(&relay.statistics())),
                    "/rebind" => relay.rebind(),
                    "/cut" => relay.set_cut(true),
                    "/heal" => relay.set_cut(false),
                    _ => output.line(HELP),
                },
                Ok(Input::End) | Err(TryRecvError::Disconnected) => input = None,
                Err(TryRecvError::Empty) => break,
            }
        }
    }
    Ok(())
}

fn resolve(server: &str) -> Result<SocketAddr, Failure> {
    let unresolved = |why: &dyn std::fmt::Display| {
        Failure::new(ExitReason::Unreachable, format_args!("{server} leads to no address: {why}"))
    };
    let mut addresses = server.to_socket_addrs().map_err(|error| unresolved(&error))?;
    addresses.next().ok_or_else(|| unresolved(&"the name is known, but has none"))
}

/// The preset, with what else was asked for in both directions.
fn conditions(options: &RelayOptions) -> PathConditions {
    let perfect = PathConditions { up: LinkConditions::default(), down: LinkConditions::default() };
    let preset = options.net.map_or(perfect, tme::Preset::conditions);
    let adjust = |mut link: LinkConditions| {
        if let Some(percent) = options.loss {
            (link.loss, link.burst) = (percent / 100.0, None);
        }
        if let Some(delay) = options.delay {
            link.delay = delay;
        }
        if let Some(half_width) = options.jitter {
            (link.jitter, link.jitter_reorders) = (Jitter::Uniform { half_width }, true);
        }
        if let Some(percent) = options.duplicate {
            link.duplicate = percent / 100.0;
        }
        if let Some(kilobits) = options.rate {
            link.bottleneck = Some(Bottleneck::with_queue_time(kilobits * 1_000 / 8, QUEUE_TIME));
        }
        if let Some(bytes) = options.mtu {
            link.mtu_bytes = Some(bytes);
        }
        link
    };
    PathConditions { up: adjust(preset.up), down: adjust(preset.down) }
}

fn table(statistics: &RelayStatistics) -> String {
    let row = |name: &str, direction: &DirectionStatistics| {
        let DirectionStatistics { datagrams, bytes, dropped, delivered, unsent } = *direction;
        format!(
            " {name:<8} {:>12} {:>14} {:>12} {:>12} {:>8}",
            format::count(datagrams),
            format::count(bytes),
            format::count(dropped),
            format::count(delivered),
            format::count(unsent)
        )
    };
    format!(
        " {:<8} {:>12} {:>14} {:>12} {:>12} {:>8}\n{}\n{}\nclients {}, refused datagrams {}, addresses changed {}",
        "",
        "datagrams",
        "payload bytes",
        "dropped",
        "delivered",
        "unsent",
        row("up", &statistics.up),
        row("down", &statistics.down),
        statistics.clients,
        statistics.refused,
        statistics.rebound
    )
}

fn to_json(statistics: &RelayStatistics) -> Value {
    let direction = |direction: &DirectionStatistics| {
        json!({
            "datagrams": direction.datagrams,
            "bytes": direction.bytes,
            "dropped": direction.dropped,
            "delivered": direction.delivered,
            "unsent": direction.unsent,
        })
    };
    json!({
        "command": "relay",
        "version": env!("CARGO_PKG_VERSION"),
        "clients": statistics.clients,
        "up": direction(&statistics.up),
        "down": direction(&statistics.down),
        "refused": statistics.refused,
        "rebound": statistics.rebound,
    })
}

impl From<RelayError> for Failure {
    fn from(error: RelayError) -> Self {
        let reason = match &error {
            RelayError::Conditions(_) => ExitReason::Usage,
            RelayError::Bind(_) => ExitReason::Listen,
            _ => ExitReason::Other,
        };
        Self::new(reason, error)
    }
}
