//! A controller that estimates the bandwidth by delivery rate and keeps queues short (`docs/CONGESTION.md`).
//!
//! The model is BBR's: the bandwidth is the largest rate of delivery seen lately, the round trip the shortest; their
//! product is what the path holds. Packets leave at the estimated rate, and now and then a little faster to see whether
//! more arrives.

use std::time::Duration;

use super::filter::MaxFilter;
use super::{
    AckedSample, CongestionController, LostSample, SEGMENT, WINDOW_INITIAL, WINDOW_MAX, WINDOW_MIN, bytes_in,
    rate_of,
};
use crate::connection::rtt::INITIAL_RTT;
use crate::time::Instant;

/// Gains are parts of a thousand.
const GAIN_ONE: u64 = 1_000;
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

/// Start-up ends when the estimate has not grown by a quarter for three rounds, which last at least so long in all: on a
/// local link rounds are shorter than the pauses of the scheduler.
const PLATEAU_ROUNDS: u32 = 3;
const PLATEAU_TIME: Duration = Duration::from_millis(20);
/// A shortest round trip that was not seen again for so long is looked for.
const RTT_MIN_AGE_MAX: Duration = Duration::from_secs(10);
/// Rounds between one probe and the next: this many, and up to as many more.
const CRUISE_ROUNDS: u64 = 3;
const CRUISE_TIME: Duration = Duration::from_millis(20);
/// A queue is one that delays by more than this, or an eighth of the round trip.
const QUEUE_TIME: Duration = Duration::from_millis(5);
/// What a flow may keep in a queue when it yields, and the least part of its rate that it keeps.
const OWN_QUEUE: u64 = 4 * SEGMENT;
const YIELD_MAX: u64 = 850;
/// The same when losses say that a queue overflows.
const LOSS_YIELD_MAX: u64 = 700;
/// Who has yielded waits so many cycles before it takes more with probe after probe.
const PATIENCE_CYCLES: u32 = 3;
/// A queue that stays for so long in spite of everything is somebody else's.
const FOREIGN_QUEUE_TIME: Duration = Duration::from_secs(1);
/// A relief that has not helped by then does not help.
const RELIEF_ROUNDS_MAX: u64 = 4;
/// Reliefs are given up for 2ⁿ - 1 cycles after the n-th in a row that did not help; n grows up to this.
const FAILURES_MAX: u32 = 4;
/// Losses are taken for chance up to this share (of 1,024).
const RANDOM_LOSS_MAX: u64 = 307;
/// Chance losses up to this share are borne without sending more.
const LOSS_BORNE: u64 = 51;
/// Bytes over which the share of chance losses is reckoned.
const LOSS_BYTES: u64 = 1_000 * SEGMENT;
/// Packets that may wait for an acknowledgement at the other side (`acknowledge.rs`).
const ACKS_WAITING: u64 = 16 * SEGMENT;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
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

/// The present round: from a packet's departure to its acknowledgement.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    count: u64,
    /// The next one begins with a packet that was sent when so much was delivered.
    ends_at: u64,
    rtt_min: Option<Duration>,
    rtt_count: u32,
    /// The last four samples.
    rtt_latest: [Duration; 4],
    is_app_limited: bool,
    /// Rates of delivery: their sum and number.
    rate_sum: u64,
    rate_count: u64,
    acked_bytes: u64,
    lost_bytes: u64,
}

/// The shortest round trip.
#[derive(Clone, Copy, Debug)]
struct ShortestRtt {
    minimum: Option<Duration>,
    seen_at: Instant,
    /// The shortest since it was seen.
    since: Duration,
}

/// Queues, and what was done about them.
#[derive(Clone, Copy, Debug, Default)]
struct QueueWatch {
    /// Since when every round trip has shown one, and whether that is so long that it must be somebody else's.
    since: Option<Instant>,
    stays: bool,
    /// Whether this cycle has had its relief.
    was_relieved: bool,
    /// Cycles since the last relief.
    cycles: u32,
    /// Reliefs in a row that did not help: somebody else fills the queue.
    failures: u32,
    /// Cycles to sit out.
    pause: u32,
}

/// Losses while less was sent than the path carries: they are chance.
#[derive(Clone, Copy, Debug, Default)]
struct RandomLoss {
    acked_bytes: u64,
    lost_bytes: u64,
    /// Packets sent in this time are looked at.
    from: Instant,
    to: Instant,
}

/// How many more bytes are acknowledged at once than the rate explains.
#[derive(Clone, Copy, Debug)]
struct AckBursts {
    excess: MaxFilter,
    started_at: Instant,
    bytes: u64,
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
            rate: rate_of(window, INITIAL_RTT) * GAIN_START_UP / GAIN_ONE,
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

    fn enter(&mut self, now: Instant, phase: Phase) {
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
    fn cruise(&mut self, now: Instant) {
        self.luck = self.luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.cruise_rounds = CRUISE_ROUNDS + (self.luck >> 33) % (CRUISE_ROUNDS + 1);
        self.enter(now, Phase::Cruise);
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

    /// Where a flow that keeps a few packets of its own in the queue would come to rest (as in TCP Vegas): the more
    /// somebody sends, the more of the queue is theirs to give up.
    fn fair_rate(&self, mean: u64, shortest: Option<Duration>) -> u64 {
        let (Some(minimum), Some(shortest)) = (self.rtt.minimum, shortest) else { return mean };
        let kept = bytes_in(mean, minimum) + OWN_QUEUE;
        rate_of(kept, shortest).clamp(mean * YIELD_MAX / GAIN_ONE, mean)
    }

    fn handle_round_end(&mut self, now: Instant) {
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

    fn advance(&mut self, sample: &AckedSample) {
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

    fn update_outputs(&mut self) {
        let gain = match self.phase {
            Phase::StartUp => GAIN_START_UP,
            Phase::Drain => GAIN_DRAIN,
            Phase::Up => GAIN_UP,
            Phase::Down => GAIN_DOWN,
            Phase::Cruise => GAIN_CRUISE,
            Phase::RttProbe => GAIN_RTT_PROBE,
            Phase::Relief => GAIN_RELIEF,
        };
        let path_rate = self.path_rate();
        let path_bytes = self.path_bytes();
        let mut rate = path_rate.saturating_mul(gain) / GAIN_ONE;
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
            rate = rate.max(rate_of(WINDOW_INITIAL, rtt) * GAIN_START_UP / GAIN_ONE);
            window = (path_bytes * GAIN_START_UP / GAIN_ONE + waiting).max(WINDOW_INITIAL);
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

impl Round {
    fn handle_rtt(&mut self, rtt: Duration) {
        self.rtt_min = Some(self.rtt_min.map_or(rtt, |minimum| minimum.min(rtt)));
        self.rtt_latest[self.rtt_count as usize % 4] = rtt;
        self.rtt_count += 1;
    }
}

impl ShortestRtt {
    fn handle_sample(&mut self, now: Instant, rtt: Duration) {
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
    fn forget(&mut self, now: Instant) {
        if self.since != Duration::MAX {
            self.minimum = Some(self.since);
        }
        self.seen_at = now;
        self.since = Duration::MAX;
    }
}

impl RandomLoss {
    fn covers(&self, sent_at: Instant) -> bool {
        self.from < sent_at && sent_at <= self.to
    }

    fn count(&mut self, acked_bytes: u64, lost_bytes: u64) {
        self.acked_bytes += acked_bytes;
        self.lost_bytes += lost_bytes;
        if self.acked_bytes + self.lost_bytes > LOSS_BYTES {
            self.acked_bytes /= 2;
            self.lost_bytes /= 2;
        }
    }

    /// Whether a round has lost more packets than chance explains.
    fn are_exceeded_by(&self, round: &Round) -> bool {
        let (lost, all) = (round.lost_bytes / SEGMENT, (round.lost_bytes + round.acked_bytes) / SEGMENT);
        let expected = all * self.share() / 1_024;
        // Three standard deviations, and a few packets that mean nothing.
        lost > expected + 3 * (expected + 1).isqrt() + 2
    }

    /// Of 1,024.
    fn share(&self) -> u64 {
        let all = self.acked_bytes + self.lost_bytes;
        if all < 30 * SEGMENT { 0 } else { (self.lost_bytes * 1_024 / all).min(RANDOM_LOSS_MAX) }
    }

    /// The rate to send at so that so much arrives.
    fn compensate(&self, rate: u64) -> u64 {
        // Few losses need no help: the probes outweigh them. So what is wrongly taken for chance does no harm as long as
        // it is little.
        rate.saturating_mul(1_024) / (1_024 - self.share().saturating_sub(LOSS_BORNE))
    }
}

impl AckBursts {
    fn handle_acked(&mut self, now: Instant, round: u64, bytes: u64, rate: u64, window: u64) {
        let mut expected = bytes_in(rate, now.saturating_since(self.started_at));
        if self.bytes <= expected {
            (self.started_at, self.bytes, expected) = (now, 0, 0);
        }
        self.bytes += bytes;
        self.excess.add(now, round, (self.bytes - expected).min(window));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::delivery::RateSample;

    const RTT: Duration = Duration::from_millis(40);

    /// A path that carries so much, loses some of it by chance and has no queue.
    struct Path {
        now: Instant,
        rate: u64,
        /// Of 1,000.
        loss: u64,
        delivered: u64,
        random: u64,
    }

    impl Path {
        fn new(rate: u64, loss: u64) -> Self {
            Self { now: Instant::from_micros(1_000_000), rate, loss, delivered: 0, random: 1 }
        }

        /// A round trip of full packets at the controller's pace, with an acknowledgement for every eighth.
        fn round(&mut self, controller: &mut DeliveryRate, is_app_limited: bool) {
            let sent_at = self.now;
            let pace = controller.pacing_rate(RTT);
            let carried = pace.min(self.rate).min(rate_of(controller.window_bytes(), RTT));
            let packets = bytes_in(carried, RTT) / SEGMENT;
            let delivered_before = self.delivered;
            for group in 0..packets.div_ceil(8) {
                let now = sent_at + RTT + RTT * group as u32 / packets.div_ceil(8) as u32;
                let group_packets = (packets - group * 8).min(8);
                let lost = (0..group_packets).filter(|_| self.is_lost()).count() as u64;
                if lost > 0 {
                    let bytes = lost * SEGMENT;
                    controller.handle_lost(LostSample {
                        now,
                        bytes,
                        oldest_sent_at: now - RTT,
                        newest_sent_at: now - RTT,
                    });
                }
                let bytes = (group_packets - lost) * SEGMENT;
                self.delivered += bytes;
                let arrived = bytes_in(carried, RTT) * (1_000 - self.loss) / 1_000;
                controller.handle_acked(AckedSample {
                    now,
                    bytes,
                    spurious_bytes: 0,
                    in_flight_bytes: bytes_in(carried, RTT),
                    delivered_bytes: self.delivered,
                    newest_sent_at: now - RTT,
                    rtt: Some(RTT),
                    rate: RateSample { bytes: arrived, interval: RTT, delivered_before, is_app_limited },
                });
            }
            self.now = sent_at + RTT;
        }

        fn is_lost(&mut self) -> bool {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.random >> 33) % 1_000 < self.loss
        }
    }

    fn controller() -> DeliveryRate {
        let mut controller = DeliveryRate::new(Instant::from_micros(1_000_000), 1_200);
        controller.handle_first_rtt(Instant::from_micros(1_000_000), RTT);
        controller
    }

    #[test]
    fn start_up_finds_the_rate_and_probes_stay_near_it() {
        let mut path = Path::new(3_000_000, 0);
        let mut controller = controller();
        (0..30).for_each(|_| path.round(&mut controller, false));
        for round in 0..100 {
            path.round(&mut controller, false);
            let pace = controller.pacing_rate(RTT);
            assert!(
                (2_000_000..=3_450_000).contains(&pace),
                "{pace} in round {round}, {:?}",
                controller.phase
            );
            assert!(controller.window_bytes() >= bytes_in(3_000_000, RTT), "{controller:?}");
        }
    }

    #[test]
    fn losses_by_chance_do_not_slow_it_down() {
        for loss in [10, 50, 100, 200] {
            let mut path = Path::new(3_000_000, loss);
            let mut controller = controller();
            (0..300).for_each(|_| path.round(&mut controller, false));
            let mean = (0..100).map(|_| {
                path.round(&mut controller, false);
                controller.pacing_rate(RTT).min(3_000_000) / 100
            });
            let mean = mean.sum::<u64>();
            assert!(mean > 2_500_000, "{mean} bytes/s at a loss of {loss} in 1,000");
        }
    }

    #[test]
    fn a_sender_with_little_to_say_keeps_what_it_knows() {
        let mut path = Path::new(3_000_000, 0);
        let mut controller = controller();
        (0..30).for_each(|_| path.round(&mut controller, false));
        let known = controller.estimated_rate(RTT);
        path.rate = 20_000;
        (0..500).for_each(|_| path.round(&mut controller, true));
        assert!(controller.estimated_rate(RTT) >= known, "{controller:?}");
    }

    #[test]
    fn an_outage_begins_anew_with_little() {
        let mut path = Path::new(3_000_000, 0);
        let mut controller = controller();
        (0..30).for_each(|_| path.round(&mut controller, false));
        controller.handle_outage(path.now);
        assert_eq!(controller.window_bytes(), WINDOW_MIN);
        (0..10).for_each(|_| path.round(&mut controller, false));
        assert!(controller.pacing_rate(RTT) > 2_000_000, "{controller:?}");
    }
}
