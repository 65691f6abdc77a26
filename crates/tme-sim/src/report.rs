//! What a world came to: a report, or a failure that can be replayed.

use std::collections::BTreeMap;
use std::fmt;

use tme_core::channel::ChannelMode;
use tme_core::link::Preset;
use tme_core::time::{Duration, Instant};

use crate::oracle::Breach;

/// A promise was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The world's seed.
    pub seed: u64,
    /// The world's preset.
    pub preset: Preset,
    /// Virtual time.
    pub at: Instant,
    /// Whose promise, in words.
    pub who: String,
    /// What was expected and what was found.
    pub breach: Breach,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, preset, at, who, breach } = self;
        writeln!(f, "world {seed} ({preset}) failed at {at:?}, {who}: {breach}")?;
        write!(
            f,
            "replay: cargo run --release -p tme-cli -- sim --seeds 1 --start-seed {seed} --net {preset}"
        )
    }
}

impl std::error::Error for Failure {}

/// Times from the send call to the event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencySamples {
    micros: Vec<u32>,
}

impl LatencySamples {
    /// Adds one.
    pub fn add(&mut self, latency: Duration) {
        self.micros.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds those of another world.
    pub fn merge(&mut self, other: &Self) {
        self.micros.extend_from_slice(&other.micros);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.micros.len()
    }

    /// The sample that this share (0.0–1.0) of all do not exceed; zero if there is none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let index = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
        Duration::from_micros(sorted.get(index).copied().unwrap_or(0).into())
    }
}

/// Messages of one mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeTally {
    /// Taken by the engine.
    pub sent: u64,
    /// Handed to the other application.
    pub delivered: u64,
    /// Bytes taken by the engine.
    pub sent_bytes: u64,
}

/// A world in which every promise was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldReport {
    /// The world's seed.
    pub seed: u64,
    /// The world's preset.
    pub preset: Preset,
    /// Hash over all datagrams and events with their times.
    pub trace_hash: u64,
    /// How long the world lasted.
    pub virtual_time: Duration,
    /// How long everything took to arrive after the healing.
    pub converged_after: Duration,
    /// Connections that were open at both ends.
    pub connections: u64,
    /// Ends of attempts and connections that were reported.
    pub endings: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Their bytes of UDP payload.
    pub bytes: u64,
    /// Bytes of data packets sent while faults were on, both directions, before loss.
    pub faulty_packet_bytes: u64,
    /// Message bytes taken by the engine while faults were on.
    pub faulty_message_bytes: u64,
    /// Datagrams that the network lost or refused.
    pub lost: u64,
    /// Datagrams that the endpoints dropped and counted.
    pub drops: u64,
    /// Frames sent again.
    pub retransmissions: u64,
    /// Probe time-outs.
    pub probe_timeouts: u64,
    /// Messages by mode, in the order of [`ChannelMode::ALL`].
    pub messages: [ModeTally; ChannelMode::ALL.len()],
    /// Latency of reliable-ordered messages that arrived while faults were on.
    pub ordered_latency: LatencySamples,
    /// How often things happened that not every world sees: events, endings, drops and faults by name.
    pub sights: BTreeMap<String, u64>,
}

impl WorldReport {
    /// Messages of one mode.
    #[must_use]
    pub const fn of(&self, mode: ChannelMode) -> ModeTally {
        self.messages[mode as usize]
    }

    /// Share of the messages of unreliable channels that arrived; 1 if there were none.
    #[must_use]
    pub fn unreliable_share(&self) -> f64 {
        let ModeTally { sent, delivered, .. } = self.of(ChannelMode::Unreliable);
        if sent == 0 { 1.0 } else { delivered as f64 / sent as f64 }
    }
}

impl fmt::Display for WorldReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delivered: u64 = self.messages.iter().map(|tally| tally.delivered).sum();
        write!(
            f,
            "world {} ({}): {:.1?}, {} connections, {} datagrams ({} lost, {} dropped), {} messages, {:.1} % of \
             unreliable, {} resent, ordered p50 {:.1?} p99 {:.1?}, converged after {:.1?}, trace {:016x}",
            self.seed,
            self.preset,
            self.virtual_time,
            self.connections,
            self.datagrams,
            self.lost,
            self.drops,
            delivered,
            self.unreliable_share() * 100.0,
            self.retransmissions,
            self.ordered_latency.quantile(0.5),
            self.ordered_latency.quantile(0.99),
            self.converged_after,
            self.trace_hash,
        )
    }
}
