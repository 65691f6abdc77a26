//! Asking for the other side's time: when, which answers to believe, and what becomes of them.

use super::ClockStatistics;
use super::estimator::{ClockEstimator, Exchange, Verdict};
use super::model::ClockModel;
use crate::time::{Duration, Instant};

/// How long it takes to be synchronised, at first and after a clock has jumped.
const EAGER_TIME: Duration = Duration::from_secs(3);
/// It asks the more seldom the longer it has asked: the next request waits for this part of the time, but never less than
/// the one and never more than the other. Drift shows over time, and until it has, new exchanges must outweigh old ones.
const INTERVAL_DIVISOR: u32 = 45;
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(1);
/// Requests that may be under way: 3.2 s at the higher rate, half a minute at the lower.
const OUTSTANDING_MAX: usize = 32;
/// With fewer answers no estimate counts as synchronised.
const ANSWERS_MIN: usize = 8;
/// With so many it does: the last answers of the eager time may be lost, and the next ones come a second apart.
const ANSWERS_ENOUGH: usize = 20;
/// An estimate this good counts before the eager time is over.
const ERROR_SMALL: Duration = Duration::from_micros(500);
/// No request left at this time.
const NEVER: u64 = u64::MAX;

/// News about the other side's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// Enough answers came, for the first time.
    Synchronised,
    /// The time shown was further off than is slewed, and was set.
    Stepped {
        /// By how much, in microseconds; negative: back.
        micros: i64,
    },
}

/// Asks, and shows what the answers say.
#[derive(Clone, Debug)]
pub struct ClockAsker {
    /// When it began to ask, or to ask often again.
    begun_at: Instant,
    next_at: Instant,
    /// When the newest requests left, in microseconds; those that wait for an answer.
    outstanding: [u64; OUTSTANDING_MAX],
    place: usize,
    estimator: ClockEstimator,
    model: Option<ClockModel>,
    counters: ClockStatistics,
}

impl ClockAsker {
    /// Begins to ask at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            begun_at: now,
            next_at: now,
            outstanding: [NEVER; OUTSTANDING_MAX],
            place: 0,
            estimator: ClockEstimator::default(),
            model: None,
            counters: ClockStatistics::default(),
        }
    }

    /// Asks often again from `now` on.
    pub fn hurry(&mut self, now: Instant) {
        self.begun_at = now;
        self.next_at = self.next_at.min(now);
    }

    /// When the next request is due.
    #[must_use]
    pub const fn next_at(&self) -> Instant {
        self.next_at
    }

    fn interval(&self) -> Duration {
        let asked_for = self.next_at.saturating_since(self.begun_at);
        (asked_for / INTERVAL_DIVISOR).clamp(INTERVAL_MIN, INTERVAL_MAX)
    }

    /// Whether a packet that leaves at `now` anyway should take a request along: one that is due soon need not make a
    /// packet of its own.
    #[must_use]
    pub fn may_ride_along(&self, now: Instant) -> bool {
        now + self.interval() / 4 >= self.next_at
    }

    /// A request leaves at `now`.
    pub fn handle_sent(&mut self, now: Instant) {
        let interval = self.interval();
        self.next_at = (self.next_at + interval).max(now + interval * 3 / 4);
        if let Some(place) = self.outstanding.get_mut(self.place) {
            *place = now.as_micros();
        }
        self.place = (self.place + 1) % OUTSTANDING_MAX;
        self.counters.requests += 1;
    }

    /// An answer came in: the request's own time, when that was received, and when the answer was sent. `arrived_at` is
    /// when it reached this machine, as far as that is known.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        arrived_at: Instant,
        (client_time, received, sent): (u64, u64, u64),
    ) -> Option<ClockChange> {
        let asked = self.outstanding.iter_mut().find(|time| **time == client_time && client_time != NEVER);
        let Some(asked) = asked else {
            self.counters.unasked += 1;
            return None;
        };
        *asked = NEVER;
        let asked_at = Instant::from_micros(client_time);
        let exchange = Exchange { asked_at, received, sent, answered_at: arrived_at };
        match self.estimator.handle_exchange(&exchange) {
            Verdict::Taken => self.counters.answers += 1,
            Verdict::Absurd => {
                self.counters.absurd += 1;
                return None;
            }
            Verdict::Doubted => {
                self.counters.contradictions += 1;
                return None;
            }
            Verdict::Restarted => {
                self.counters.contradictions += 1;
                self.hurry(now);
            }
        }
        self.follow(now)
    }

    /// Bends or sets the time shown.
    fn follow(&mut self, now: Instant) -> Option<ClockChange> {
        let estimate = self.estimator.estimate(now)?;
        let epoch = self.model.map_or(0, |model| model.epoch().wrapping_add(1));
        let set = ClockModel::set(now, &estimate, epoch);
        let Some(shown) = self.model.filter(ClockModel::is_synchronised) else {
            let is_good =
                estimate.error_likely <= ERROR_SMALL || now + INTERVAL_MIN >= self.begun_at + EAGER_TIME;
            let model = self.model.insert(set);
            if estimate.samples >= ANSWERS_ENOUGH || (estimate.samples >= ANSWERS_MIN && is_good) {
                model.set_synchronised();
                return Some(ClockChange::Synchronised);
            }
            return None;
        };
        if let Some(slewed) = shown.slewed(now, &estimate) {
            self.model = Some(slewed);
            return None;
        }
        let micros = set.micros_ahead_of(&shown, now);
        self.model.insert(set).set_synchronised();
        self.counters.steps += 1;
        Some(ClockChange::Stepped { micros })
    }

    /// What times are read from; `None` before the first answer.
    #[must_use]
    pub const fn model(&self) -> Option<&ClockModel> {
        self.model.as_ref()
    }

    /// What was counted.
    #[must_use]
    pub const fn statistics(&self) -> ClockStatistics {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, SeededRandom};

    const AHEAD: u64 = 77_000_000;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn answer(asker: &mut ClockAsker, now: Instant, times: (u64, u64, u64)) -> Option<ClockChange> {
        asker.handle_answer(now, now, times)
    }

    /// Asks at `millis` and is answered 50 ms later by a clock that is `ahead` µs ahead.
    fn exchange(asker: &mut ClockAsker, millis: u64, ahead: u64) -> Option<ClockChange> {
        asker.handle_sent(at(millis));
        let client_time = at(millis).as_micros();
        let received = client_time + 25_000 + ahead;
        answer(asker, at(millis + 50), (client_time, received, received))
    }

    fn synchronised() -> ClockAsker {
        let mut asker = ClockAsker::new(at(0));
        let changes: Vec<_> = (0..30).filter_map(|n| exchange(&mut asker, n * 100, AHEAD)).collect();
        assert_eq!(changes, [ClockChange::Synchronised]);
        asker
    }

    fn shown(asker: &ClockAsker, millis: u64) -> i64 {
        asker.model().unwrap().at(at(millis)).micros as i64
    }

    #[test]
    fn it_asks_ten_times_a_second_at_first_and_then_more_and_more_seldom() {
        let mut asker = ClockAsker::new(at(500));
        let mut sent = Vec::new();
        for millis in 500..120_000 {
            if asker.next_at() <= at(millis) {
                asker.handle_sent(at(millis));
                sent.push(millis);
            }
        }
        let eager: Vec<u64> = (0..45).map(|n| 500 + n * 100).collect();
        assert_eq!(sent[..45], eager);
        let gaps: Vec<u64> = sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // The gaps are whole milliseconds here, so one may be shorter than the one before by that.
        assert!(gaps.windows(2).all(|pair| pair[0] <= pair[1] + 1), "{gaps:?}");
        let asked_by = |second: u64| sent.iter().filter(|&&millis| millis < 500 + second * 1_000).count();
        assert_eq!([3, 10, 20, 45].map(asked_by), [30, 82, 113, 150]);
        assert_eq!(asked_by(100) - asked_by(50), 50, "once a second in the long run");
    }

    #[test]
    fn answers_that_nobody_asked_for_or_that_cannot_be_are_counted_and_change_nothing() {
        let mut asker = synchronised();
        let before = asker.model().copied();
        let good = AHEAD + 3_025_000;
        asker.handle_sent(at(3_000));
        for client_time in [0, 2_900_000, 3_000_001, u64::MAX] {
            assert_eq!(answer(&mut asker, at(3_050), (client_time, good, good)), None, "{client_time}");
        }
        assert_eq!(asker.statistics().unasked, 4);
        let absurd = [
            (good, good - 1),
            (0, u64::MAX),
            (u64::MAX, u64::MAX),
            (good, 1 << 63),
            // More time spent there than has passed here.
            (good, good + 100_000),
        ];
        for (index, (received, sent)) in (0..).zip(absurd) {
            let asked = at(3_001 + index);
            asker.handle_sent(asked);
            assert_eq!(answer(&mut asker, at(3_050), (asked.as_micros(), received, sent)), None);
        }
        assert_eq!(asker.statistics().absurd, 5);
        // One answer that contradicts all others is doubted.
        assert_eq!(exchange(&mut asker, 3_100, AHEAD + 5_000_000), None);
        assert_eq!(asker.statistics().contradictions, 1);
        assert_eq!(asker.model().copied(), before);
        // And forgotten with the next that does not.
        exchange(&mut asker, 3_200, AHEAD);
        assert_eq!(exchange(&mut asker, 3_300, AHEAD + 5_000_000), None);
        assert_eq!(asker.statistics().steps, 0);
    }

    #[test]
    fn an_answer_arriving_before_its_request_left_is_absurd() {
        let mut asker = ClockAsker::new(at(0));
        asker.handle_sent(at(100));
        answer(&mut asker, at(99), (100_000, 5, 5));
        assert_eq!((asker.statistics().absurd, asker.model()), (1, None));
    }

    #[test]
    fn a_clock_that_jumped_far_is_followed_by_a_step_and_asked_often_again() {
        for jump in [-40_000_000i64, -130_000, 130_000, 40_000_000] {
            let mut asker = synchronised();
            let ahead = AHEAD.checked_add_signed(jump).unwrap();
            assert_eq!(exchange(&mut asker, 4_000, ahead), None);
            let change = exchange(&mut asker, 5_000, ahead);
            assert_eq!(change, Some(ClockChange::Stepped { micros: jump }));
            assert_eq!(shown(&asker, 5_050), 5_050_000 + ahead as i64);
            assert_eq!(asker.interval(), INTERVAL_MIN);
            assert_eq!(asker.statistics().steps, 1);
        }
    }

    #[test]
    fn a_clock_that_jumped_a_little_is_slewed_to_and_never_goes_back() {
        for jump in [-100_000i64, 100_000] {
            let mut asker = synchronised();
            let ahead = AHEAD.checked_add_signed(jump).unwrap();
            let mut last = shown(&asker, 3_100);
            for second in 4..60 {
                let from = second * 1_000;
                assert_eq!(exchange(&mut asker, from, ahead), None);
                for millis in from + 50..from + 1_050 {
                    let now = shown(&asker, millis);
                    assert!(
                        (980..=1_020).contains(&(now - last)) || millis == 4_050,
                        "{last} {now} at {millis}"
                    );
                    last = now;
                }
            }
            assert_eq!(asker.statistics().steps, 0);
            assert!((last - 60_049_000 - ahead as i64).abs() <= 5, "{last}");
        }
    }

    #[test]
    fn a_lying_server_can_give_a_wrong_clock_and_nothing_else() {
        for seed in 0..200 {
            let mut random = SeededRandom::new(seed);
            let mut asker = ClockAsker::new(at(0));
            let mut now = 0;
            for _ in 0..500 {
                now += random.below(2_000_000);
                asker.handle_sent(Instant::from_micros(now));
                let mut wild = || match random.below(5) {
                    0 => random.next_u64(),
                    1 => random.next_u64() >> random.below(64),
                    2 => (1 << 62) - random.below(3),
                    3 => now + random.below(1_000),
                    _ => random.below(3),
                };
                let (received, sent) = (wild(), wild());
                let client_time = if wild() % 9 == 0 { wild() } else { now };
                answer(
                    &mut asker,
                    Instant::from_micros(now + received % 70_000),
                    (client_time, received, sent),
                );
                if let Some(model) = asker.model() {
                    for later in [0, now, now + 1_000_000, u64::MAX / 2, u64::MAX] {
                        let time = model.at(Instant::from_micros(later));
                        assert!(time.error_likely <= time.error && time.drift_ppm.abs() <= 1_000.0);
                    }
                }
            }
        }
    }
}
