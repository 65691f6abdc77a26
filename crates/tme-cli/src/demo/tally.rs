//! What one side of the demo has counted, shared with the thread that shows it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tme::ConnectionStatistics;

use super::traffic::{RELIABLE, Stamp, Stopwatch};
use crate::latency::Latency;

/// Messages of one kind, as one side sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    /// Taken by the engine on this side.
    pub sent: u64,
    /// Not taken: the queue was full.
    pub refused: u64,
    /// Handed to this side's application.
    pub received: u64,
    /// From the send call on the other side to the event on this side.
    pub latency: Latency,
    /// The same since the view looked last.
    pub latency_recent: Latency,
}

/// Sums over the connections of one side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Connections {
    pub count: u64,
    pub packets_sent: u64,
    pub packets_lost: u64,
    pub retransmitted: u64,
    pub probe_timeouts: u64,
    pub rtt_sum: Duration,
}

impl Connections {
    pub fn add(&mut self, statistics: &ConnectionStatistics) {
        self.count += 1;
        self.packets_sent += statistics.packets_sent;
        self.packets_lost += statistics.packets_lost.saturating_sub(statistics.packets_spuriously_lost);
        self.retransmitted += statistics.retransmitted;
        self.probe_timeouts += statistics.probe_timeouts;
        self.rtt_sum += statistics.rtt_smoothed;
    }

    pub fn rtt_mean(&self) -> Duration {
        u32::try_from(self.count).ok().and_then(|count| self.rtt_sum.checked_div(count)).unwrap_or_default()
    }
}

/// What one side has counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub connected: u64,
    pub unreliable: Flow,
    pub reliable: Flow,
    /// Reliable messages that came twice, not at all, or in the wrong order.
    pub disorderly: u64,
    /// Connections that ended before the demo did, and how the last of them did.
    pub lost_connections: u64,
    pub last_end: Option<String>,
    pub connections: Connections,
    /// Payload of UDP and TCP through this side's sockets.
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Ticks left out because this side could not keep up.
    pub ticks_skipped: u64,
    /// Processor time of this side's thread.
    pub cpu: Option<Duration>,
}

impl Tally {
    /// Counts a message that arrived. `expected` is the sequence number of the next reliable one.
    pub fn receive(&mut self, now_micros: u64, is_reliable: bool, payload: &[u8], expected: &mut u64) {
        let Some(stamp) = Stamp::of(payload) else {
            self.disorderly += 1;
            return;
        };
        let flow = if is_reliable { &mut self.reliable } else { &mut self.unreliable };
        let latency = now_micros.saturating_sub(stamp.sent_at_micros);
        flow.received += 1;
        flow.latency.add_micros(latency);
        flow.latency_recent.add_micros(latency);
        if is_reliable {
            if stamp.sequence != *expected {
                self.disorderly += 1;
            }
            *expected = stamp.sequence + 1;
        }
    }

    /// Whether everything that this side sent reliably has arrived at the other.
    pub fn has_delivered_to(&self, other: &Self) -> bool {
        other.reliable.received >= self.reliable.sent
    }

    /// Counts what a send came to.
    pub fn count_send(&mut self, channel: tme::ChannelId, is_taken: bool) {
        let flow = if channel == RELIABLE { &mut self.reliable } else { &mut self.unreliable };
        if is_taken {
            flow.sent += 1;
        } else {
            flow.refused += 1;
        }
    }
}

/// What the demo is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    /// Bots connect; nobody sends.
    Connecting,
    /// Traffic flows.
    Running,
    /// Nobody sends any more; what is under way arrives.
    Draining,
    /// Bots leave.
    Leaving,
    /// The server stops.
    Over,
}

/// What the threads of a demo have in common.
#[derive(Debug)]
pub(super) struct Stage {
    pub stopwatch: Stopwatch,
    phase: AtomicU8,
    pub server: Mutex<Tally>,
    pub bots: Mutex<Tally>,
}

impl Stage {
    pub fn new() -> Self {
        Self {
            stopwatch: Stopwatch::start(),
            phase: AtomicU8::new(Phase::Connecting as u8),
            server: Mutex::default(),
            bots: Mutex::default(),
        }
    }

    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Connecting,
            1 => Phase::Running,
            2 => Phase::Draining,
            3 => Phase::Leaving,
            _ => Phase::Over,
        }
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_repetitions_of_reliable_messages_are_noticed() {
        let mut tally = Tally::default();
        let mut expected = 0;
        let mut receive = |sequence| {
            let message = Stamp { sent_at_micros: 5, sequence }.message::<32>();
            tally.receive(25, true, &message, &mut expected);
            tally.disorderly
        };
        assert_eq!([0, 1, 2].map(&mut receive), [0, 0, 0]);
        assert_eq!([2, 4].map(&mut receive), [1, 2], "a repetition, then a gap");
        assert_eq!((tally.reliable.received, tally.reliable.latency.max().as_micros()), (5, 20));
    }
}
