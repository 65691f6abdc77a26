//! Which phase the controller is in, and what ends it.

use std::time::Duration;

use super::super::{AckedSample, SEGMENT, bytes_in, rate_of};
use super::estimates::Round;
use super::{DeliveryRate, GAIN_ONE};
use crate::time::Instant;

/// Start-up ends when the estimate has not grown by a quarter for three rounds, which last at least so long in all: on a
/// local link rounds are shorter than the pauses of the scheduler.
const PLATEAU_ROUNDS: u32 = 3;
const PLATEAU_TIME: Duration = Duration::from_millis(20);
/// A shortest round trip that was not seen again for so long is looked for.
const RTT_MIN_AGE_MAX: Duration = Duration::from_secs(10);
/// Rounds between one probe and the next: this many, and up to as many more.
pub(super) const CRUISE_ROUNDS: u64 = 3;
const CRUISE_TIME: Duration = Duration::from_millis(20);
/// What a flow may keep in a queue when it yields, and the least part of its rate that it keeps.
const OWN_QUEUE: u64 = 4 * SEGMENT;
const YIELD_MAX: u64 = 850;
/// The same when losses say that a queue overflows.
const LOSS_YIELD_MAX: u64 = 700;
/// Who has yielded waits so many cycles before it takes more with probe after probe.
const PATIENCE_CYCLES: u32 = 3;
/// A relief that has not helped by then does not help.
const RELIEF_ROUNDS_MAX: u64 = 4;
/// Reliefs are given up for 2ⁿ - 1 cycles after the n-th in a row that did not help; n grows up to this.
const FAILURES_MAX: u32 = 4;

/// 2/ln 2 is the least that doubles the rate every round (draft-cardwell-iccrg-bbr, section 4.3.1).
const GAIN_START_UP: u64 = 2_885;
/// Its inverse.
const GAIN_DRAIN: u64 = 350;
const GAIN_UP: u64 = 1_150;
const GAIN_DOWN: u64 = 850;
/// A little below the estimate, which is a maximum and so rather too high.
const GAIN_CRUISE: u64 = 990;
const GAIN_RELIEF: u64 = 750;
const GAIN_RTT_PROBE: u64 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// As fast as the path allows, until it does not.
    StartUp,
    /// The queue that start-up has left behind is let go.
    Drain,
    /// A little faster than estimated: does more arrive?
    Up,
    /// A little slower, for the queue in case it did not.
    Down,
    /// As fast as estimated.
    Cruise,
    /// Slower, for there is a queue.
    Relief,
    /// At half the rate, to see the shortest round trip.
    RttProbe,
}

impl Phase {
    /// How much faster than estimated packets leave, in parts of a thousand.
    pub(super) const fn gain(self) -> u64 {
        match self {
            Self::StartUp => GAIN_START_UP,
            Self::Drain => GAIN_DRAIN,
            Self::Up => GAIN_UP,
            Self::Down => GAIN_DOWN,
            Self::Cruise => GAIN_CRUISE,
            Self::RttProbe => GAIN_RTT_PROBE,
            Self::Relief => GAIN_RELIEF,
        }
    }
}

impl DeliveryRate {
    pub(super) fn enter(&mut self, now: Instant, phase: Phase) {
        if self.phase == Phase::Down {
            self.losses.to = now;
        }
        if phase == Phase::Down {
            (self.losses.from, self.losses.to) = (now, Instant::from_micros(u64::MAX));
        }
        self.phase = phase;
        self.phase_at = now;
        self.phase_round = self.round.count;
    }

    /// Goes at the estimated rate; for how long varies, so that rivals do not probe in step.
    pub(super) fn cruise(&mut self, now: Instant) {
        self.luck = self.luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.cruise_rounds = CRUISE_ROUNDS + (self.luck >> 33) % (CRUISE_ROUNDS + 1);
        self.enter(now, Phase::Cruise);
    }

    pub(super) fn handle_round_end(&mut self, now: Instant) {
        let round = self.round;
        self.round = Round {
            count: round.count + 1,
            ends_at: round.ends_at,
            rtt_latest: round.rtt_latest,
            ..Round::default()
        };
        match self.phase {
            Phase::StartUp => self.check_start_up(now, &round),
            Phase::Cruise | Phase::Up | Phase::Down if !round.is_app_limited => self.check_load(now, &round),
            Phase::Relief => {
                let is_gone = !self.has_queue(round.rtt_min, 1);
                if is_gone || self.round.count >= self.phase_round + RELIEF_ROUNDS_MAX {
                    self.queue.failures =
                        if is_gone { 0 } else { (self.queue.failures + 1).min(FAILURES_MAX) };
                    self.queue.pause = (1 << self.queue.failures) - 1;
                    self.cruise(now);
                }
            }
            _ => {}
        }
    }

    /// Looks whether a round has met more losses than chance explains, or a queue that stays.
    fn check_load(&mut self, now: Instant, round: &Round) {
        let mean = round.rate_sum.checked_div(round.rate_count).unwrap_or(0);
        // What was sent in the phase before is not this one's fault.
        let is_settled = self.phase != Phase::Cruise || round.count > self.phase_round + 1;
        if is_settled && self.losses.are_exceeded_by(round) {
            let bandwidth = self.bandwidth.max();
            let mean = mean.clamp(bandwidth * LOSS_YIELD_MAX / GAIN_ONE, bandwidth);
            self.bandwidth.reset(now, self.round.count, mean);
            self.enter(now, Phase::Down);
            return;
        }
        let may_relieve = self.phase == Phase::Cruise && !self.queue.was_relieved && self.queue.pause == 0;
        if may_relieve && round.rtt_count >= 3 && self.has_queue(round.rtt_min, 1) {
            self.queue.was_relieved = true;
            self.queue.cycles = 0;
            let fair = self.fair_rate(mean, round.rtt_min);
            self.bandwidth.reset(now, self.round.count, fair);
            self.enter(now, Phase::Relief);
        }
    }

    fn check_start_up(&mut self, now: Instant, round: &Round) {
        let bandwidth = self.bandwidth.max();
        if bandwidth >= self.full_bandwidth + self.full_bandwidth / 4 {
            (self.full_bandwidth, self.full_at, self.full_rounds) = (bandwidth, now, 0);
            if !self.has_queue_now() {
                self.losses.count(round.acked_bytes, round.lost_bytes);
            }
        } else if !round.is_app_limited {
            self.full_rounds += 1;
        }
        let is_plateau =
            self.full_rounds >= PLATEAU_ROUNDS && now.saturating_since(self.full_at) >= PLATEAU_TIME;
        // Far more losses than before are a queue that overflows.
        let all = round.acked_bytes + round.lost_bytes;
        let is_overflow =
            round.lost_bytes >= 10 * SEGMENT && round.lost_bytes * 1_024 > all * (self.losses.share() + 256);
        if is_plateau || is_overflow {
            self.enter(now, Phase::Drain);
        }
    }

    pub(super) fn advance(&mut self, sample: &AckedSample) {
        let now = sample.now;
        let is_round_over = self.round.count > self.phase_round;
        let in_flight = sample.in_flight_bytes;
        match self.phase {
            Phase::StartUp => {
                let shortest = self.round.rtt_latest.iter().min().copied();
                if !self.round.is_app_limited && self.has_queue(shortest, 2) {
                    self.enter(now, Phase::Drain);
                }
            }
            Phase::Drain => {
                if in_flight <= self.path_bytes() + 4 * SEGMENT || self.round.count > self.phase_round + 4 {
                    // Packets sent while draining say nothing about what the path carries.
                    self.queue.was_relieved = true;
                    self.cruise(now);
                }
            }
            Phase::Up => {
                if is_round_over || self.has_queue_now() {
                    self.enter(now, Phase::Down);
                }
            }
            Phase::Down => {
                if is_round_over {
                    self.cruise(now);
                    // What the probe has found may be only the beginning.
                    let bandwidth = self.bandwidth.max();
                    let has_grown = bandwidth >= self.probed_bandwidth + self.probed_bandwidth / 14;
                    if has_grown && self.queue.cycles >= PATIENCE_CYCLES {
                        self.cruise_rounds = 1;
                    }
                }
            }
            Phase::Cruise => {
                let is_due = self.round.count >= self.phase_round + self.cruise_rounds
                    && now.saturating_since(self.phase_at) >= CRUISE_TIME;
                let is_rtt_old = now.saturating_since(self.rtt.seen_at) >= RTT_MIN_AGE_MAX;
                if is_rtt_old && self.round.is_app_limited {
                    self.rtt.forget(now);
                } else if is_rtt_old {
                    self.rtt.since = Duration::MAX;
                    self.enter(now, Phase::RttProbe);
                } else if is_due {
                    self.queue.was_relieved = false;
                    self.queue.cycles = self.queue.cycles.saturating_add(1);
                    self.queue.pause = self.queue.pause.saturating_sub(1);
                    self.probed_bandwidth = self.bandwidth.max();
                    self.enter(now, Phase::Up);
                }
            }
            Phase::Relief => {}
            Phase::RttProbe => {
                if self.round.count > self.phase_round + 1 {
                    self.rtt.forget(now);
                    self.cruise(now);
                }
            }
        }
    }

    /// Where a flow that keeps a few packets of its own in the queue would come to rest (as in TCP Vegas): the more
    /// somebody sends, the more of the queue is theirs to give up.
    fn fair_rate(&self, mean: u64, shortest: Option<Duration>) -> u64 {
        let (Some(minimum), Some(shortest)) = (self.rtt.minimum, shortest) else { return mean };
        let kept = bytes_in(mean, minimum) + OWN_QUEUE;
        rate_of(kept, shortest).clamp(mean * YIELD_MAX / GAIN_ONE, mean)
    }
}
