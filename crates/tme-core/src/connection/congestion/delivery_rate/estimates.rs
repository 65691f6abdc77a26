//! What acknowledgements and losses tell about the path: rounds, the shortest trip, queues, chance losses, bursts.

use std::time::Duration;

use super::super::{SEGMENT, bytes_in};
use super::filter::MaxFilter;
use crate::time::Instant;

/// Losses are taken for chance up to this share (of 1,024).
const RANDOM_LOSS_MAX: u64 = 307;
/// Chance losses up to this share are borne without sending more.
const LOSS_BORNE: u64 = 51;
/// Bytes over which the share of chance losses is reckoned.
const LOSS_BYTES: u64 = 1_000 * SEGMENT;

/// The present round: from a packet's departure to its acknowledgement.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    pub(super) count: u64,
    /// The next one begins with a packet that was sent when so much was delivered.
    pub(super) ends_at: u64,
    pub(super) rtt_min: Option<Duration>,
    pub(super) rtt_count: u32,
    /// The last four samples.
    pub(super) rtt_latest: [Duration; 4],
    pub(super) is_app_limited: bool,
    /// Rates of delivery: their sum and number.
    pub(super) rate_sum: u64,
    pub(super) rate_count: u64,
    pub(super) acked_bytes: u64,
    pub(super) lost_bytes: u64,
}

impl Round {
    pub(super) fn handle_rtt(&mut self, rtt: Duration) {
        self.rtt_min = Some(self.rtt_min.map_or(rtt, |minimum| minimum.min(rtt)));
        self.rtt_latest[self.rtt_count as usize % 4] = rtt;
        self.rtt_count += 1;
    }
}

/// The shortest round trip.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortestRtt {
    pub(super) minimum: Option<Duration>,
    pub(super) seen_at: Instant,
    /// The shortest since it was seen.
    pub(super) since: Duration,
}

impl ShortestRtt {
    pub(super) fn handle_sample(&mut self, now: Instant, rtt: Duration) {
        self.since = self.since.min(rtt);
        // Seen again is also what comes close.
        let tolerance = |minimum: Duration| minimum / 16 + Duration::from_micros(500);
        match self.minimum {
            Some(minimum) if rtt > minimum + tolerance(minimum) => {}
            minimum => {
                self.minimum = Some(minimum.map_or(rtt, |minimum| minimum.min(rtt)));
                self.seen_at = now;
                self.since = Duration::MAX;
            }
        }
    }

    /// Takes what was seen since, and forgets what was before.
    pub(super) fn forget(&mut self, now: Instant) {
        if self.since != Duration::MAX {
            self.minimum = Some(self.since);
        }
        self.seen_at = now;
        self.since = Duration::MAX;
    }
}

/// Queues, and what was done about them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QueueWatch {
    /// Since when every round trip has shown one, and whether that is so long that it must be somebody else's.
    pub(super) since: Option<Instant>,
    pub(super) stays: bool,
    /// Whether this cycle has had its relief.
    pub(super) was_relieved: bool,
    /// Cycles since the last relief.
    pub(super) cycles: u32,
    /// Reliefs in a row that did not help: somebody else fills the queue.
    pub(super) failures: u32,
    /// Cycles to sit out.
    pub(super) pause: u32,
}

/// Losses while less was sent than the path carries: they are chance.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RandomLoss {
    pub(super) acked_bytes: u64,
    pub(super) lost_bytes: u64,
    /// Packets sent in this time are looked at.
    pub(super) from: Instant,
    pub(super) to: Instant,
}

impl RandomLoss {
    pub(super) fn covers(&self, sent_at: Instant) -> bool {
        self.from < sent_at && sent_at <= self.to
    }

    pub(super) fn count(&mut self, acked_bytes: u64, lost_bytes: u64) {
        self.acked_bytes += acked_bytes;
        self.lost_bytes += lost_bytes;
        if self.acked_bytes + self.lost_bytes > LOSS_BYTES {
            self.acked_bytes /= 2;
            self.lost_bytes /= 2;
        }
    }

    /// Whether a round has lost more packets than chance explains.
    pub(super) fn are_exceeded_by(&self, round: &Round) -> bool {
        let (lost, all) = (round.lost_bytes / SEGMENT, (round.lost_bytes + round.acked_bytes) / SEGMENT);
        let expected = all * self.share() / 1_024;
        // Three standard deviations, and a few packets that mean nothing.
        lost > expected + 3 * (expected + 1).isqrt() + 2
    }

    /// Of 1,024.
    pub(super) fn share(&self) -> u64 {
        let all = self.acked_bytes + self.lost_bytes;
        if all < 30 * SEGMENT { 0 } else { (self.lost_bytes * 1_024 / all).min(RANDOM_LOSS_MAX) }
    }

    /// The rate to send at so that so much arrives.
    pub(super) fn compensate(&self, rate: u64) -> u64 {
        // Few losses need no help: the probes outweigh them. So what is wrongly taken for chance does no harm as long as
        // it is little.
        rate.saturating_mul(1_024) / (1_024 - self.share().saturating_sub(LOSS_BORNE))
    }
}

/// How many more bytes are acknowledged at once than the rate explains.
#[derive(Clone, Copy, Debug)]
pub(super) struct AckBursts {
    pub(super) excess: MaxFilter,
    pub(super) started_at: Instant,
    pub(super) bytes: u64,
}

impl AckBursts {
    pub(super) fn handle_acked(&mut self, now: Instant, round: u64, bytes: u64, rate: u64, window: u64) {
        let mut expected = bytes_in(rate, now.saturating_since(self.started_at));
        if self.bytes <= expected {
            (self.started_at, self.bytes, expected) = (now, 0, 0);
        }
        self.bytes += bytes;
        self.excess.add(now, round, (self.bytes - expected).min(window));
    }
}
