//! What answered requests say about the other side's clock: by how much it is ahead, and how fast that changes.
//!
//! Time on the wire is never negative, so every exchange proves two things about the *offset*, the other side's clock
//! minus ours: a request sent at T1 and received at T2 proves `offset ≤ T2 − T1`, an answer sent at T3 and received at T4
//! proves `offset ≥ T3 − T4` (RFC 5905, section 8, has the times; Marzullo and Owicki 1983 the intersection of such
//! intervals). Delay only loosens a proof. So of all the requests the fastest one counts and of all the answers the fastest
//! one, each for itself: with *n* exchanges the excess of both falls with 1/n, while the best exchange as a whole, which
//! RFC 5905's clock filter picks, needs a request and an answer that happen to be fast together and falls with 1/√n. After
//! 30 exchanges over 25 ± 10 ms each way the p99 of the error is 1.6 ms instead of 3.5
//! (`cargo test --release -p tme-sim --test clock -- --nocapture`, first table).
//!
//! In the plane of time and offset the proofs are two clouds of points with a corridor between them in which the truth
//! runs. Its slope, the drift, is that of the *widest straight* corridor: Moon, Skelly and Towsley's linear programme (1999)
//! for one cloud, solved for both together. It is believed as far as it is wider than noise explains; otherwise the drift
//! of the last minutes is, which begins as 0. Without that, drift would be seen in the noise of the first seconds.

use crate::time::{Duration, Instant};

/// Two clocks never drift apart faster than this, in parts per million: ten times what crystals are sold with.
pub const DRIFT_MAX: f64 = 1_000.0;

/// Exchanges remembered: the first 3 s at 10 Hz and half a minute at 1 Hz, later a minute.
const SAMPLES_MAX: usize = 64;
/// How crystals differ, when nothing else is known.
const DRIFT_TYPICAL: f64 = 100e-6;
/// From a span of so many microseconds on a drift is worth remembering, and then follows new ones by this share each.
const DRIFT_SPAN_MIN: f64 = 40e6;
const DRIFT_SHARE_MIN: f64 = 1.0 / 128.0;
/// How the drift changes within minutes, as machines get warm.
const DRIFT_CHANGE: f64 = 10e-6;
/// A drift is never known better than this: it changes with the temperature.
const DRIFT_UNSURE_MIN: f64 = 2e-6;
const DRIFT_BOUND: f64 = DRIFT_MAX * 1e-6;
/// Halvings of the drifts that are possible; the last one is below 0.001 ppm.
const BISECTIONS: u32 = 21;
/// Best points by whose distances the noise is told.
const LEAST: usize = 5;
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

    fn points(&self, now: Instant) -> Option<Points<'_>> {
        let newest = self.samples.get((self.next + SAMPLES_MAX - 1) % SAMPLES_MAX)?;
        let samples = self.samples.get(..self.count).filter(|samples| !samples.is_empty())?;
        // Differences between offsets are small, whatever the offsets are.
        Some(Points { samples, now: now.as_micros().max(newest.at), base: newest.lower })
    }

    fn fit(&self, points: &Points<'_>) -> Fit {
        let span = points.iter().map(|point| point.age).fold(1e6, f64::max);
        let widest = points.widest_corridor(self.drift_long, 0.0);
        let noise = points.spread(widest, 0.0).noise;
        Fit {
            widest,
            drift: points.widest_corridor(self.drift_long, noise / self.drift_surprising()),
            unsure: (noise / span).clamp(DRIFT_UNSURE_MIN, DRIFT_TYPICAL),
            span,
        }
    }

    /// A drift that is so far from the known one needs an excuse.
    fn drift_surprising(&self) -> f64 {
        (DRIFT_TYPICAL * self.drift_share.sqrt()).max(DRIFT_CHANGE)
    }

    /// Remembers the drift beyond the samples that show it.
    fn learn(&mut self) {
        let now = Instant::from_micros(self.samples().map(|sample| sample.at).max().unwrap_or(0));
        let Some(fit) = self.points(now).map(|points| self.fit(&points)) else { return };
        if fit.span >= DRIFT_SPAN_MIN {
            self.drift_long += (fit.widest - self.drift_long) * self.drift_share;
            self.drift_share = (self.drift_share / (1.0 + self.drift_share / 4.0)).max(DRIFT_SHARE_MIN);
        }
    }

    /// What is known at `now`. `None` before the first exchange.
    #[must_use]
    pub fn estimate(&self, now: Instant) -> Option<ClockEstimate> {
        let points = self.points(now)?;
        let base = points.base;
        let Fit { drift, unsure, .. } = self.fit(&points);
        let spread = points.spread(drift, unsure);
        let middle = (spread.lower + spread.upper) / 2.0;
        let proven = points.spread(0.0, DRIFT_BOUND);
        Some(ClockEstimate {
            offset: base + middle as i64,
            offset_max: base + proven.upper as i64 + 1,
            offset_min: base + proven.lower as i64 - 1,
            error_likely: micros(spread.noise),
            drift,
            drift_unsure: unsure,
            delay_high: micros(self.delay_high(&points, drift, middle)),
            samples: self.count,
        })
    }

    /// The second-longest delay among the newest requests, by the estimated clock.
    fn delay_high(&self, points: &Points<'_>, drift: f64, middle: f64) -> f64 {
        let newest =
            (1..=self.count.min(LEAD_SAMPLES)).map(|back| (self.next + SAMPLES_MAX - back) % SAMPLES_MAX);
        let (mut longest, mut second) = (0.0f64, 0.0f64);
        for point in newest.filter_map(|index| points.at(index)) {
            let delay = point.upper + drift * point.age - middle;
            second = second.max(delay.min(longest));
            longest = longest.max(delay);
        }
        if self.count < 4 { longest } else { second }
    }
}

/// Whether there is an offset and a drift with which both can be true.
fn agree(one: &Sample, other: &Sample) -> bool {
    let apart = one.at.abs_diff(other.at).div_ceil(1_000_000 / DRIFT_MAX as u64) as i64 + 1;
    one.lower.saturating_sub(apart) <= other.upper && other.lower.saturating_sub(apart) <= one.upper
}

/// What the samples say about the drift.
struct Fit {
    /// That of the widest corridor.
    widest: f64,
    /// What is believed.
    drift: f64,
    /// How far that is off, usually.
    unsure: f64,
    /// Microseconds from the oldest to the newest sample.
    span: f64,
}

/// Samples as seen from one moment, relative to one offset.
struct Points<'a> {
    samples: &'a [Sample],
    now: u64,
    base: i64,
}

/// One of them, in microseconds.
struct Point {
    age: f64,
    lower: f64,
    upper: f64,
}

/// The corridor at one drift.
struct Spread {
    lower: f64,
    upper: f64,
    /// By how much the two sides together are usually too far out.
    noise: f64,
}

impl Points<'_> {
    fn at(&self, index: usize) -> Option<Point> {
        let sample = self.samples.get(index)?;
        Some(Point {
            age: self.now.saturating_sub(sample.at) as f64,
            lower: (sample.lower - self.base) as f64,
            upper: (sample.upper - self.base) as f64,
        })
    }

    fn iter(&self) -> impl Iterator<Item = Point> {
        (0..self.samples.len()).filter_map(|index| self.at(index))
    }

    /// The drift with the widest corridor, less `strictness` microseconds for each part of one that it is away from
    /// `known`. The width is concave in the drift, and its slope is how much older the point is that touches the corridor
    /// from above than the one from below.
    fn widest_corridor(&self, known: f64, strictness: f64) -> f64 {
        let (mut low, mut high) = (-DRIFT_BOUND, DRIFT_BOUND);
        for _ in 0..BISECTIONS {
            let drift = (low + high) / 2.0;
            let (mut lower, mut upper) = ((f64::MIN, 0.0), (f64::MAX, 0.0));
            for point in self.iter() {
                let drifted = drift * point.age;
                if point.upper + drifted < upper.0 {
                    upper = (point.upper + drifted, point.age);
                }
                if point.lower + drifted > lower.0 {
                    lower = (point.lower + drifted, point.age);
                }
            }
            let pull = if drift > known { -strictness } else { strictness };
            if upper.1 - lower.1 + pull > 0.0 { low = drift } else { high = drift }
        }
        (low + high) / 2.0
    }

    /// The corridor now, with this drift, where older points count for less by how unsure the drift is.
    fn spread(&self, drift: f64, unsure: f64) -> Spread {
        let (mut lowers, mut uppers) = ([f64::MAX; LEAST], [f64::MAX; LEAST]);
        for point in self.iter() {
            insert(&mut uppers, point.upper + (drift + unsure) * point.age);
            insert(&mut lowers, -(point.lower + (drift - unsure) * point.age));
        }
        let ([lower, .., last_lower], [upper, .., last_upper]) = (lowers, uppers);
        let noise = if self.samples.len() < LEAST {
            (upper + lower) / 2.0
        } else {
            // The best of many is as far from the truth, usually, as it is from the next best; several steps are tamer.
            ((last_lower - lower) + (last_upper - upper)) / (LEAST - 1) as f64
        };
        Spread { lower: -lower, upper, noise: noise.max(0.0) }
    }
}

/// Keeps the least, in order.
fn insert(least: &mut [f64; LEAST], mut value: f64) {
    for place in least {
        if value < *place {
            std::mem::swap(place, &mut value);
        }
    }
}

fn micros(value: f64) -> Duration {
    Duration::from_micros(value.max(0.0) as u64)
}
