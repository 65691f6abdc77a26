//! A controller that estimates the bandwidth by delivery rate and keeps queues short (`docs/CONGESTION.md`).
//!
//! The model is BBR's: the bandwidth is the largest rate of delivery seen lately, the round trip the shortest; their
//! product is what the path holds. Packets leave at the estimated rate, and now and then a little faster to see whether
//! more arrives.

mod estimates;
mod filter;
mod phases;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{
    AckedSample, CongestionController, LostSample, SEGMENT, WINDOW_INITIAL, WINDOW_MAX, WINDOW_MIN, bytes_in,
    rate_of,
};
use crate::connection::rtt::INITIAL_RTT;
use crate::time::Instant;
use estimates::{AckBursts, QueueWatch, RandomLoss, Round, ShortestRtt};
use filter::MaxFilter;
use phases::{CRUISE_ROUNDS, Phase};

/// Gains are parts of a thousand.
const GAIN_ONE: u64 = 1_000;

/// A queue is one that delays by more than this, or an eighth of the round trip.
const QUEUE_TIME: Duration = Duration::from_millis(5);
/// A queue that stays for so long in spite of everything is somebody else's.
const FOREIGN_QUEUE_TIME: Duration = Duration::from_secs(1);
/// Packets that may wait for an acknowledgement at the other side (`acknowledge.rs`).
const ACKS_WAITING: u64 = 16 * SEGMENT;

/// Estimates what the path carries, and sends that much.
#[derive(Clone, Debug)]
pub struct DeliveryRate {
    phase: Phase,
    phase_at: Instant,
    phase_round: u64,
    cruise_rounds: u64,
    /// The estimate when the last probe began.
    probed_bandwidth: u64,
    bandwidth: MaxFilter,
    round: Round,
    rtt: ShortestRtt,
    /// The estimate of start-up that was not exceeded by a quarter since, for how many rounds, and from when on.
    full_bandwidth: u64,
    full_at: Instant,
    full_rounds: u32,
    queue: QueueWatch,
    losses: RandomLoss,
    bursts: AckBursts,
    luck: u64,
    window_min: u64,
    window: u64,
    rate: u64,
}

impl DeliveryRate {
    /// A controller for a connection that starts now and whose largest datagram has this size.
    #[must_use]
    pub fn new(now: Instant, datagram_bytes: usize) -> Self {
        let two_datagrams = 2 * datagram_bytes as u64;
        let window = WINDOW_INITIAL.max(two_datagrams);
        Self {
            phase: Phase::StartUp,
            phase_at: now,
            phase_round: 0,
            cruise_rounds: CRUISE_ROUNDS,
            probed_bandwidth: 0,
            bandwidth: MaxFilter::new(),
            round: Round::default(),
            rtt: ShortestRtt { minimum: None, seen_at: now, since: Duration::MAX },
            full_bandwidth: 0,
            full_at: now,
            full_rounds: 0,
            queue: QueueWatch::default(),
            losses: RandomLoss::default(),
            bursts: AckBursts { excess: MaxFilter::new(), started_at: now, bytes: 0 },
            luck: now.as_micros() | 1,
            window_min: WINDOW_MIN.max(two_datagrams),
            window,
            rate: rate_of(window, INITIAL_RTT) * Phase::StartUp.gain() / GAIN_ONE,
        }
    }

    /// Bytes per second that the path carries: what arrives, and what chance takes on the way.
    fn path_rate(&self) -> u64 {
        self.losses.compensate(self.bandwidth.max())
    }

    /// What the path holds without a queue.
    fn path_bytes(&self) -> u64 {
        bytes_in(self.path_rate(), self.rtt.minimum.unwrap_or(INITIAL_RTT))
    }

    /// Whether these round trips, of which this is the shortest, show a queue so many times the tolerable one.
    fn has_queue(&self, shortest: Option<Duration>, times: u32) -> bool {
        let (Some(minimum), Some(shortest)) = (self.rtt.minimum, shortest) else { return false };
        shortest > minimum + QUEUE_TIME.max(minimum / 8) * times
    }

    /// Whether the last few round trips do.
    fn has_queue_now(&self) -> bool {
        self.has_queue(self.round.rtt_latest.iter().min().copied(), 1)
    }

    fn update_outputs(&mut self) {
        let path_rate = self.path_rate();
        let path_bytes = self.path_bytes();
        let mut rate = path_rate.saturating_mul(self.phase.gain()) / GAIN_ONE;
        let waiting = ACKS_WAITING.max(self.bursts.excess.max());
        let mut window = 2 * path_bytes + waiting;
        if self.queue.stays {
            // Somebody else's queue is part of the path: the pacer yields to it now and then, but the window must not
            // stop small messages over it.
            let shortest = self.round.rtt_latest.iter().min().copied().unwrap_or_default();
            window = window.max(path_bytes + bytes_in(path_rate, shortest) + waiting);
        }
        if self.phase == Phase::StartUp {
            let rtt = self.rtt.minimum.unwrap_or(INITIAL_RTT);
            rate = rate.max(rate_of(WINDOW_INITIAL, rtt) * Phase::StartUp.gain() / GAIN_ONE);
            window = (path_bytes * Phase::StartUp.gain() / GAIN_ONE + waiting).max(WINDOW_INITIAL);
        }
        self.rate = rate;
        self.window = window.clamp(self.window_min, WINDOW_MAX);
    }
}

impl CongestionController for DeliveryRate {
    fn handle_first_rtt(&mut self, now: Instant, rtt: Duration) {
        self.rtt.handle_sample(now, rtt);
        self.update_outputs();
    }

    fn handle_acked(&mut self, sample: AckedSample) {
        let now = sample.now;
        if sample.rate.delivered_before >= self.round.ends_at {
            self.round.ends_at = sample.delivered_bytes;
            self.handle_round_end(now);
        }
        if let Some(rtt) = sample.rtt {
            self.rtt.handle_sample(now, rtt);
            self.round.handle_rtt(rtt);
        }
        let rate = sample.rate.bytes_per_second();
        self.round.is_app_limited |= sample.rate.is_app_limited;
        self.round.acked_bytes += sample.bytes;
        if self.rtt.minimum.is_none_or(|minimum| sample.rate.interval >= minimum) {
            if self.phase == Phase::Relief {
                // What arrives now left before, and would undo what was given up.
            } else if sample.rate.is_app_limited {
                self.bandwidth.raise(rate);
            } else {
                self.bandwidth.add(now, self.round.count, rate);
            }
            self.round.rate_sum += rate;
            self.round.rate_count += 1;
        }
        self.bursts.handle_acked(now, self.round.count, sample.bytes, self.bandwidth.max(), self.window);
        if self.losses.covers(sample.newest_sent_at) {
            self.losses.count(sample.bytes, 0);
        }
        self.losses.lost_bytes = self.losses.lost_bytes.saturating_sub(sample.spurious_bytes);
        self.queue.since = self.has_queue_now().then(|| self.queue.since.unwrap_or(now));
        self.queue.stays =
            self.queue.since.is_some_and(|since| now.saturating_since(since) >= FOREIGN_QUEUE_TIME);
        self.advance(&sample);
        self.update_outputs();
    }

    fn handle_lost(&mut self, sample: LostSample) {
        self.round.lost_bytes += sample.bytes;
        if self.losses.covers(sample.newest_sent_at) && self.losses.covers(sample.oldest_sent_at) {
            // With a queue in sight it may have overflowed: then these count as if they had arrived, so that a share
            // that was taken for chance by mistake dwindles.
            let (acked, lost) = if self.has_queue_now() { (sample.bytes, 0) } else { (0, sample.bytes) };
            self.losses.count(acked, lost);
        }
    }

    fn handle_outage(&mut self, now: Instant) {
        *self = Self {
            round: self.round,
            losses: self.losses,
            luck: self.luck,
            window_min: self.window_min,
            window: self.window_min,
            rate: rate_of(self.window_min, self.rtt.minimum.unwrap_or(INITIAL_RTT)),
            ..Self::new(now, 0)
        };
    }

    fn window_bytes(&self) -> u64 {
        self.window
    }

    fn pacing_rate(&self, smoothed_rtt: Duration) -> u64 {
        // Four datagrams a round trip may always go: the estimate must be able to recover.
        self.rate.max(rate_of(4 * SEGMENT, smoothed_rtt))
    }

    fn estimated_rate(&self, smoothed_rtt: Duration) -> u64 {
        let known = self.bandwidth.max().max(rate_of(4 * SEGMENT, smoothed_rtt));
        match self.phase {
            // Nobody has tried more.
            Phase::StartUp => known.max(rate_of(WINDOW_INITIAL, smoothed_rtt)),
            _ => known,
        }
    }
}
