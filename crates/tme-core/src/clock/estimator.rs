//! What answered requests say about the other side's clock: by how much it is ahead, and how fast that changes.
//!
//! Time on the wire is never negative, so every exchange proves two things about the *offset*, the other side's clock
//! minus ours: a request sent at T1 and received at T2 proves `offset ≤ T2 − T1`, an answer sent at T3 and received at T4
//! proves `offset ≥ T3 − T4` (RFC 5905, section 8, has the times; Marzullo and Owicki 1983 the intersection of such
//! intervals). Delay only loosens a proof. So of all the requests the fastest one counts and of all the answers the fastest
//! one, each for itself: with *n* exchanges the excess of both falls with 1/n, while the best exchange as a whole, which
//! RFC 5905's clock filter picks, needs a request and an answer that happen to be fast together and falls with 1/√n. After
//! 30 exchanges over 25 ± 10 ms each way the p99 of the error is 1.8 ms instead of 3.5
//! (`cargo test --release -p tme-sim --test clock -- --nocapture`, first table).
//!
//! What they say together is the corridor's business (`corridor.rs`); here stands what is remembered: the exchanges, and the
//! drift of the last minutes, which begins as 0. Without that, drift would be seen in the noise of the first seconds.

use super::corridor::{Belief, Corridor, Expected, Point};
use crate::time::{Duration, Instant};

/// Two clocks never drift apart faster than this, in parts per million: ten times what crystals are sold with.
pub const DRIFT_MAX: f64 = 1_000.0;

/// Exchanges remembered: those of the first ten seconds or so, and a minute and a half at one a second.
pub(super) const SAMPLES_MAX: usize = 96;
/// How crystals differ, when nothing else is known.
const DRIFT_TYPICAL: f64 = 150e-6;
/// From a span of so many microseconds on a drift is worth remembering, and then follows new ones by this share each.
const DRIFT_SPAN_MIN: f64 = 40e6;
const DRIFT_SHARE_MIN: f64 = 1.0 / 128.0;
/// How the drift changes within minutes, as machines get warm.
const DRIFT_CHANGE: f64 = 10e-6;
/// Requests by whose delay the next ones' is foreseen.
const LEAD_SAMPLES: usize = 32;
/// Times of a clock lie below this: 146,000 years.
const TIME_MAX: u64 = 1 << 62;

/// A request and its answer: two times of our clock, two of the other side's in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When the request left, T1.
    pub asked_at: Instant,
    /// When the other side received it, T2.
    pub received: u64,
    /// When the other side sent the answer, T3.
    pub sent: u64,
    /// When the answer arrived, T4.
    pub answered_at: Instant,
}

/// What one exchange proves, when the answer arrives: the offset in microseconds lies between these.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at: u64,
    lower: i64,
    upper: i64,
}

impl Exchange {
    /// `None`: the other side was somewhere it cannot have been.
    fn sample(&self) -> Option<Sample> {
        let (asked, answered) = (self.asked_at.as_micros(), self.answered_at.as_micros());
        if self.sent < self.received || self.sent > TIME_MAX || answered > TIME_MAX {
            return None;
        }
        // Both clocks tell whole microseconds, and may drift apart while the exchange lasts.
        let slack = 1 + answered.checked_sub(asked)?.div_ceil(1_000_000 / DRIFT_MAX as u64) as i64;
        let upper = self.received as i64 - asked as i64 + slack;
        let lower = self.sent as i64 - answered as i64 - slack;
        (lower <= upper).then_some(Sample { at: answered, lower, upper })
    }
}

/// What became of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// Its times cannot be.
    Absurd,
    /// It contradicts all others, and is put aside until another one does.
    Doubted,
    /// It is the second in a row that contradicts all others: one of the clocks has jumped. The others were forgotten.
    Restarted,
}

/// What is known at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockEstimate {
    /// The other side's clock minus ours, in microseconds; right if the path takes as long in both directions.
    pub offset: i64,
    /// The truth is not above this, whatever the path.
    pub offset_max: i64,
    /// The truth is not below this, whatever the path.
    pub offset_min: i64,
    /// How far `offset` is off, usually, on a path that takes as long in both directions.
    pub error_likely: Duration,
    /// By how much the other side's clock is faster, in parts of one.
    pub drift: f64,
    /// How far that is off, usually.
    pub drift_unsure: f64,
    /// How long hardly any request takes longer than, by the estimated clock.
    pub delay_high: Duration,
    /// Exchanges behind all that.
    pub samples: usize,
}

/// Remembers exchanges and tells what they say.
#[derive(Clone, Debug)]
pub struct ClockEstimator {
    /// Oldest first from `next` on, once it is full.
    samples: [Sample; SAMPLES_MAX],
    count: usize,
    next: usize,
    doubted: Option<Sample>,
    /// The drift of the last minutes, and the share by which it followed last.
    drift_long: f64,
    drift_share: f64,
}

impl Default for ClockEstimator {
    fn default() -> Self {
        Self {
            samples: [Sample::default(); SAMPLES_MAX],
            count: 0,
            next: 0,
            doubted: None,
            drift_long: 0.0,
            drift_share: 1.0,
        }
    }
}

impl ClockEstimator {
    /// Takes an exchange into account.
    pub fn handle_exchange(&mut self, exchange: &Exchange) -> Verdict {
        let Some(sample) = exchange.sample() else { return Verdict::Absurd };
        if !self.is_contradiction(&sample) {
            self.doubted = None;
            self.push(sample);
            self.learn();
            return Verdict::Taken;
        }
        // No delay can do this, only a clock that jumped or lies. A single answer must not forget the others.
        let Some(doubted) = self.doubted.replace(sample) else { return Verdict::Doubted };
        *self = Self::default();
        if agree(&doubted, &sample) {
            self.push(doubted);
        }
        self.push(sample);
        Verdict::Restarted
    }

    fn is_contradiction(&self, sample: &Sample) -> bool {
        self.samples().any(|known| !agree(known, sample))
    }

    fn push(&mut self, sample: Sample) {
        if let Some(place) = self.samples.get_mut(self.next) {
            *place = sample;
        }
        self.next = (self.next + 1) % SAMPLES_MAX;
        self.count = (self.count + 1).min(SAMPLES_MAX);
    }

    fn samples(&self) -> impl Iterator<Item = &Sample> + Clone {
        self.samples.iter().take(self.count)
    }

    /// All samples as seen from `now`, or from when the newest came if that is later. Differences between offsets are
    /// small, whatever the offsets are.
    fn view(&self, now: Instant) -> Option<View> {
        let newest = self.samples.get((self.next + SAMPLES_MAX - 1) % SAMPLES_MAX)?;
        (self.count > 0).then(|| View { now: now.as_micros().max(newest.at), base: newest.lower })
    }

    fn corridor(&self, view: &View) -> Corridor {
        Corridor::new(self.samples().map(|sample| view.point(sample)))
    }

    /// What is known of the drift without looking at the samples.
    fn expected(&self) -> Expected {
        let unsure = (DRIFT_TYPICAL * self.drift_share.sqrt()).max(DRIFT_CHANGE);
        Expected { drift: self.drift_long, unsure }
    }

    /// Remembers the drift beyond the samples that show it, as far as they do.
    fn learn(&mut self) {
        let Some(view) = self.view(Instant::ZERO) else { return };
        let corridor = self.corridor(&view);
        if corridor.span() < DRIFT_SPAN_MIN {
            return;
        }
        let seen = corridor.belief(None);
        let (known, shown) = (self.expected().unsure.powi(2), seen.drift_unsure.powi(2));
        let trust = known / (known + shown);
        self.drift_long += (seen.drift - self.drift_long) * self.drift_share * trust;
        self.drift_share = (self.drift_share / (1.0 + self.drift_share * trust / 4.0)).max(DRIFT_SHARE_MIN);
    }

    /// What is known at `now`. `None` before the first exchange.
    #[must_use]
    pub fn estimate(&self, now: Instant) -> Option<ClockEstimate> {
        let view = self.view(now)?;
        let corridor = self.corridor(&view);
        let belief = corridor.belief(Some(self.expected()));
        let (lower, upper) = corridor.proven();
        Some(ClockEstimate {
            offset: view.base + belief.offset.round() as i64,
            offset_max: view.base + upper as i64 + 1,
            offset_min: view.base + lower as i64 - 1,
            error_likely: micros(2.0 * belief.offset_unsure),
            drift: belief.drift,
            drift_unsure: belief.drift_unsure,
            delay_high: micros(self.delay_high(&view, &belief)),
            samples: self.count,
        })
    }

    /// The second-longest delay among the newest requests, by the estimated clock.
    fn delay_high(&self, view: &View, belief: &Belief) -> f64 {
        let newest =
            (1..=self.count.min(LEAD_SAMPLES)).map(|back| (self.next + SAMPLES_MAX - back) % SAMPLES_MAX);
        let (mut longest, mut second) = (0.0f64, 0.0f64);
        for point in newest.filter_map(|index| self.samples.get(index)).map(|sample| view.point(sample)) {
            let delay = point.upper + belief.drift * point.age - belief.offset;
            second = second.max(delay.min(longest));
            longest = longest.max(delay);
        }
        if self.count < 4 { longest } else { second }
    }
}

/// From where and relative to what samples are looked at.
struct View {
    now: u64,
    base: i64,
}

impl View {
    fn point(&self, sample: &Sample) -> Point {
        Point {
            age: self.now.saturating_sub(sample.at) as f64,
            lower: (sample.lower - self.base) as f64,
            upper: (sample.upper - self.base) as f64,
        }
    }
}

/// Whether there is an offset and a drift with which both can be true.
fn agree(one: &Sample, other: &Sample) -> bool {
    let apart = one.at.abs_diff(other.at).div_ceil(1_000_000 / DRIFT_MAX as u64) as i64 + 1;
    one.lower.saturating_sub(apart) <= other.upper && other.lower.saturating_sub(apart) <= one.upper
}

fn micros(value: f64) -> Duration {
    Duration::from_micros(value.max(0.0) as u64)
}
