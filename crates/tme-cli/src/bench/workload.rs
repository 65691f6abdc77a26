//! What is measured: floods of one kind of message, and the latency of a light, regular stream.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tme::{Channel, ChannelId, Client, Event, PublicKey, SendError};

use crate::arguments::WorkloadKind;
use crate::latency::Latency;
use crate::process::{CpuOf, cpu_time};
use crate::{ExitReason, Failure, format, interrupt};

/// Keeps a benchmark's client from other games' servers.
pub(super) const APPLICATION: &str = "tme bench";
/// Questions and answers about a workload.
pub(super) const CONTROL: ChannelId = ChannelId(0);
/// Unreliable floods.
pub(super) const UNRELIABLE: ChannelId = ChannelId(1);
/// Reliable floods.
pub(super) const BULK: ChannelId = ChannelId(2);
/// What the server sends back.
pub(super) const ECHO: ChannelId = ChannelId(3);
/// Asks the server to begin counting; it answers the same.
pub(super) const BEGIN: &str = "begin";
/// Asks for what was counted; the answer is a JSON object.
pub(super) const REPORT: &str = "report";

/// Messages handed over before the engine gets its turn.
const BATCH: usize = 256;
/// Ticks per second and size of the messages of the latency workload.
pub(super) const LATENCY_HZ: u32 = 60;
const LATENCY_BYTES: usize = 100;
/// How long everything may take to arrive after the last send.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);
/// How long unreliable messages under way are given.
const SETTLE: Duration = Duration::from_millis(300);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(5);

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Workload {
    pub kind: WorkloadKind,
    /// Size of a message.
    pub bytes: usize,
    /// Messages that may wait or be unacknowledged on the sending side.
    pub window: usize,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self { kind: WorkloadKind::FloodUnreliable, bytes: 64, window: 4_096 },
        Self { kind: WorkloadKind::FloodReliable, bytes: 64, window: 4_096 },
        Self { kind: WorkloadKind::FloodReliable, bytes: 1 << 10, window: 2_048 },
        Self { kind: WorkloadKind::FloodReliable, bytes: 64 << 10, window: 64 },
        Self { kind: WorkloadKind::Latency, bytes: LATENCY_BYTES, window: 1_024 },
    ];

    pub fn name(&self) -> String {
        let size = format::size(self.bytes);
        match self.kind {
            WorkloadKind::FloodUnreliable => format!("flood-unreliable {size}"),
            WorkloadKind::FloodReliable => format!("flood-reliable {size}"),
            WorkloadKind::Latency => format!("latency {size} at {LATENCY_HZ} Hz"),
        }
    }

    const fn channel(&self) -> ChannelId {
        match self.kind {
            WorkloadKind::FloodUnreliable => UNRELIABLE,
            WorkloadKind::FloodReliable => BULK,
            WorkloadKind::Latency => ECHO,
        }
    }
}

/// The table of both sides; the flooding side limits its queues to the window.
pub(super) fn channels(flood: Option<&Workload>) -> [Channel; 4] {
    let limited = |channel: Channel| match flood {
        Some(workload) => channel.queue_max(workload.bytes * workload.window, workload.window),
        None => channel,
    };
    [
        Channel::reliable_ordered("control"),
        limited(Channel::unreliable("unreliable")),
        limited(Channel::reliable_ordered("bulk")),
        Channel::reliable_ordered("echo"),
    ]
}

/// What a workload came to.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub workload: Workload,
    pub sent: u64,
    pub delivered: u64,
    /// From the first to the last message at the receiver.
    pub span: Duration,
    pub sender_cpu: Option<Duration>,
    pub receiver_cpu: Option<Duration>,
    /// Packets counted as lost by the sender, and all it sent.
    pub packets_lost: u64,
    pub packets_sent: u64,
    /// There and back; of the latency workload only.
    pub round_trip: Latency,
}

impl Measured {
    /// Messages per second at the receiver.
    pub fn rate(&self) -> f64 {
        let seconds = self.span.as_secs_f64();
        if seconds > 0.0 { self.delivered.saturating_sub(1) as f64 / seconds } else { 0.0 }
    }

    pub fn bytes_per_second(&self) -> f64 {
        self.rate() * self.workload.bytes as f64
    }

    /// Processor time per message that arrived.
    pub fn cpu_per_message(&self, cpu: Option<Duration>) -> Option<Duration> {
        cpu.filter(|_| self.delivered > 0).map(|cpu| cpu.div_f64(self.delivered as f64))
    }

    /// Whether everything that had to arrive did.
    pub fn is_complete(&self) -> bool {
        self.workload.kind == WorkloadKind::FloodUnreliable || self.sent == self.delivered
    }
}

/// The server to measure against, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub address: SocketAddr,
    pub key: PublicKey,
    pub length: Duration,
    pub is_threaded: bool,
}

/// Runs a workload on a connection of its own. `progress` is told the time elapsed, now and then.
pub(super) fn measure(
    course: &Course,
    workload: Workload,
    mut progress: impl FnMut(Duration),
) -> Result<Measured, Failure> {
    let mut runner = Runner::connect(course, workload)?;
    runner.ask(BEGIN)?;
    let cpu_before = cpu_time(CpuOf::Process);
    match workload.kind {
        WorkloadKind::Latency => runner.tick_for(course.length, &mut progress)?,
        WorkloadKind::FloodReliable | WorkloadKind::FloodUnreliable => {
            runner.flood_for(course.length, &mut progress)?;
        }
    }
    let report = runner.drain()?;
    let sender_cpu = match (cpu_before, cpu_time(CpuOf::Process)) {
        (Some(before), Some(after)) => Some(after.saturating_sub(before)),
        _ => None,
    };
    let number = |name: &str| report.get(name).and_then(Value::as_u64);
    let statistics = runner.client.statistics().unwrap_or_default();
    runner.client.close(Duration::from_millis(500));
    Ok(Measured {
        workload,
        sent: runner.sent,
        delivered: number("messages").unwrap_or(0),
        span: Duration::from_micros(number("span_us").unwrap_or(0)),
        sender_cpu,
        receiver_cpu: number("cpu_us").map(Duration::from_micros),
        packets_lost: statistics.packets_lost.saturating_sub(statistics.packets_spuriously_lost),
        packets_sent: statistics.packets_sent,
        round_trip: runner.round_trip,
    })
}

/// A connection that runs a workload.
struct Runner {
    client: Client,
    workload: Workload,
    clock: Instant,
    sent: u64,
    round_trip: Latency,
    answer: Option<String>,
}

impl Runner {
    fn connect(course: &Course, workload: Workload) -> Result<Self, Failure> {
        let builder = Client::builder()
            .application(APPLICATION)
            .channels(channels(Some(&workload)))
            .connect(course.address.to_string())
            .server_key(course.key);
        let client = if course.is_threaded { builder.start_threaded() } else { builder.start() }?;
        let (clock, round_trip) = (Instant::now(), Latency::default());
        let mut runner = Self { client, workload, clock, sent: 0, round_trip, answer: None };
        while !runner.client.is_connected() {
            if runner.clock.elapsed() > CONNECT_PATIENCE {
                return Err(Failure::new(
                    ExitReason::Unreachable,
                    "the benchmark's own server does not answer",
                ));
            }
            runner.turn(STEP)?;
        }
        Ok(runner)
    }

    /// Lets the engine work, waiting at most `wait`, and takes what has come.
    fn turn(&mut self, wait: Duration) -> Result<(), Failure> {
        self.client.update(wait)?;
        let now = self.clock.elapsed();
        for event in self.client.events() {
            match event {
                Event::Message { channel: ECHO, payload, .. } => {
                    if let Some(bytes) = payload.first_chunk::<8>() {
                        let sent_at = Duration::from_micros(u64::from_le_bytes(*bytes));
                        self.round_trip.add(now.saturating_sub(sent_at));
                    }
                }
                Event::Message { channel: CONTROL, payload, .. } => {
                    self.answer = Some(String::from_utf8_lossy(&payload).into_owned());
                }
                Event::Disconnected { reason, .. } => {
                    return Err(Failure::new(ExitReason::Disconnected, format_args!("benchmark: {reason}")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks the server something and waits for the answer.
    fn ask(&mut self, question: &str) -> Result<String, Failure> {
        let failed = |error: SendError| Failure::new(ExitReason::Other, error);
        self.client.send(CONTROL, question).map_err(failed)?;
        let deadline = Instant::now() + DRAIN_PATIENCE;
        loop {
            if let Some(answer) = self.answer.take() {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                return Err(Failure::new(ExitReason::Disconnected, "the benchmark's server fell silent"));
            }
            self.turn(STEP)?;
        }
    }

    /// Sends as much as the engine takes.
    fn flood_for(&mut self, length: Duration, progress: &mut impl FnMut(Duration)) -> Result<(), Failure> {
        let message = vec![0xA5; self.workload.bytes];
        let start = Instant::now();
        while start.elapsed() < length && !interrupt::is_asked() {
            let is_full = self.send_batch(&message)?;
            self.turn(if is_full { STEP } else { Duration::ZERO })?;
            progress(start.elapsed());
        }
        Ok(())
    }

    /// Sends some messages; `true` if the engine would take no more.
    fn send_batch(&mut self, message: &[u8]) -> Result<bool, Failure> {
        for _ in 0..BATCH {
            match self.client.send(self.workload.channel(), message) {
                Ok(()) => self.sent += 1,
                Err(SendError::WouldBlock { .. }) => return Ok(true),
                Err(error) => return Err(Failure::new(ExitReason::Other, error)),
            }
        }
        Ok(false)
    }

    /// Sends one message per tick.
    fn tick_for(&mut self, length: Duration, progress: &mut impl FnMut(Duration)) -> Result<(), Failure> {
        let period = Duration::from_secs(1) / LATENCY_HZ;
        let start = Instant::now();
        let mut tick_at = start;
        while start.elapsed() < length && !interrupt::is_asked() {
            let now = Instant::now();
            if now >= tick_at {
                tick_at += period;
                let mut message = [0; LATENCY_BYTES];
                let micros = u64::try_from(self.clock.elapsed().as_micros()).unwrap_or(u64::MAX);
                message.iter_mut().zip(micros.to_le_bytes()).for_each(|(byte, value)| *byte = value);
                self.client.send(ECHO, &message).map_err(|error| Failure::new(ExitReason::Other, error))?;
                self.sent += 1;
                self.client.flush()?;
                progress(start.elapsed());
            }
            self.turn(tick_at.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// Waits until what is under way has arrived; gives the server's last report.
    fn drain(&mut self) -> Result<Value, Failure> {
        let is_reliable = self.workload.kind != WorkloadKind::FloodUnreliable;
        let start = Instant::now();
        loop {
            let answer = self.ask(REPORT)?;
            let report: Value = serde_json::from_str(&answer).map_err(|error| {
                Failure::new(ExitReason::Other, format_args!("benchmark report: {error}"))
            })?;
            let delivered = report.get("messages").and_then(Value::as_u64).unwrap_or(0);
            let has_echoes =
                self.workload.kind != WorkloadKind::Latency || self.round_trip.count() >= self.sent;
            let is_done =
                if is_reliable { delivered >= self.sent && has_echoes } else { start.elapsed() >= SETTLE };
            if is_done || start.elapsed() > DRAIN_PATIENCE {
                return Ok(report);
            }
            let pause = Instant::now() + STEP * 4;
            while Instant::now() < pause {
                self.turn(STEP)?;
            }
        }
    }
}
