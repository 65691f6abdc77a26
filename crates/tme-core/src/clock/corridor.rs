//! What many exchanges together say about offset and drift: a corridor between two clouds of proofs.
//!
//! In the plane of time and offset each exchange is a point from above and a point from below. The truth is a straight line
//! between the clouds, and its distance from both is the least delay. Where delays beyond the least one are exponential,
//! every line is the likelier the wider the corridor along it is, by a factor of *e* for each step between one near-fastest
//! datagram and the next (Moon, Skelly and Towsley's linear programme finds the likeliest). The widest corridor alone is a
//! nervous estimate: of few points it follows whichever two happened to be fast. So all drifts are weighed, by width and by
//! what is known of clocks, and the mean of the middles is taken.

use super::estimator::{DRIFT_MAX, SAMPLES_MAX};

pub(super) const DRIFT_BOUND: f64 = DRIFT_MAX * 1e-6;
/// A clock is never steadier than this: its drift changes with the temperature.
pub(super) const DRIFT_UNSURE_MIN: f64 = 2e-6;
/// Halvings of the drifts that are possible; the last one is below 0.001 ppm.
const BISECTIONS: u32 = 21;
/// The same for where a drift begins to be out of the question, which need not be as sharp.
const BISECTIONS_OF_REACH: u32 = 14;
/// Drifts that are weighed.
const DRIFTS: u32 = 48;
/// A drift whose corridor is narrower by so many steps is out of the question.
const STEPS_MAX: f64 = 40.0;
/// Points on each side by whose distances the step is told.
const LEAST: usize = 5;
/// No step is believed to be smaller, in microseconds: hosts are not quicker to notice a datagram.
const STEP_LEAST: f64 = 20.0;

/// What one exchange proves, as seen from one moment and relative to one offset, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point {
    pub age: f64,
    pub lower: f64,
    pub upper: f64,
}

/// What is known of the drift beforehand: its middle, and how far it is off, usually.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub drift: f64,
    pub unsure: f64,
}

/// What is believed; `_unsure` are standard deviations.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Belief {
    pub offset: f64,
    pub offset_unsure: f64,
    pub drift: f64,
    pub drift_unsure: f64,
}

/// The points, and nothing else.
#[derive(Debug)]
pub(super) struct Corridor {
    points: [Point; SAMPLES_MAX],
    count: usize,
}

/// Where the corridor lies now, with some drift, and how old the points are that touch it.
#[derive(Clone, Copy, Debug)]
struct Edges {
    lower: f64,
    upper: f64,
    lower_age: f64,
    upper_age: f64,
}

impl Edges {
    fn width(&self) -> f64 {
        self.upper - self.lower
    }

    fn middle(&self) -> f64 {
        f64::midpoint(self.upper, self.lower)
    }
}

impl Corridor {
    /// A corridor of at least one point.
    pub fn new(points: impl Iterator<Item = Point>) -> Self {
        let mut corridor = Self { points: [Point::default(); SAMPLES_MAX], count: 0 };
        for (place, point) in corridor.points.iter_mut().zip(points) {
            *place = point;
            corridor.count += 1;
        }
        corridor
    }

    fn points(&self) -> &[Point] {
        self.points.get(..self.count).unwrap_or_default()
    }

    /// Age of the oldest point.
    pub fn span(&self) -> f64 {
        self.points().iter().map(|point| point.age).fold(0.0, f64::max)
    }

    /// The bounds that hold now, whatever path and drift.
    pub fn proven(&self) -> (f64, f64) {
        self.points().iter().fold((f64::MIN, f64::MAX), |(lower, upper), point| {
            let drifted = DRIFT_BOUND * point.age;
            (lower.max(point.lower - drifted), upper.min(point.upper + drifted))
        })
    }

    fn edges(&self, drift: f64) -> Edges {
        let mut edges = Edges { lower: f64::MIN, upper: f64::MAX, lower_age: 0.0, upper_age: 0.0 };
        for point in self.points() {
            let upper = point.upper + (drift + DRIFT_UNSURE_MIN) * point.age;
            let lower = point.lower + (drift - DRIFT_UNSURE_MIN) * point.age;
            if upper < edges.upper {
                (edges.upper, edges.upper_age) = (upper, point.age);
            }
            if lower > edges.lower {
                (edges.lower, edges.lower_age) = (lower, point.age);
            }
        }
        edges
    }

    /// The drift with the widest corridor. The width is concave in the drift, and its slope is how much older the point is
    /// that touches the corridor from above than the one from below.
    fn widest(&self) -> f64 {
        let (mut low, mut high) = (-DRIFT_BOUND, DRIFT_BOUND);
        for _ in 0..BISECTIONS {
            let drift = f64::midpoint(low, high);
            let edges = self.edges(drift);
            if edges.upper_age > edges.lower_age { low = drift } else { high = drift }
        }
        f64::midpoint(low, high)
    }

    /// The mean distance between one of the points nearest to the corridor and the next.
    fn step(&self, drift: f64, edges: &Edges) -> f64 {
        if self.count < LEAST {
            return edges.width().max(STEP_LEAST) / 4.0;
        }
        let (mut lowers, mut uppers) = ([f64::MAX; LEAST], [f64::MAX; LEAST]);
        for point in self.points() {
            insert(&mut uppers, point.upper + drift * point.age);
            insert(&mut lowers, -(point.lower + drift * point.age));
        }
        let ([lower, .., last_lower], [upper, .., last_upper]) = (lowers, uppers);
        let steps = (last_lower - lower) + (last_upper - upper);
        (steps / (2 * (LEAST - 1)) as f64).max(STEP_LEAST)
    }

    /// The drift on this side of `from` beyond which everything is out of the question.
    fn reach(&self, from: f64, limit: f64, width_min: f64) -> f64 {
        if self.edges(limit).width() >= width_min {
            return limit;
        }
        let (mut inside, mut outside) = (from, limit);
        for _ in 0..BISECTIONS_OF_REACH {
            let drift = f64::midpoint(inside, outside);
            if self.edges(drift).width() >= width_min { inside = drift } else { outside = drift }
        }
        outside
    }

    /// What is likely, with regard to what is `expected`; without, the points speak for themselves.
    pub fn belief(&self, expected: Option<Expected>) -> Belief {
        let widest = self.widest();
        let edges = self.edges(widest);
        let step = self.step(widest, &edges);
        let width_min = edges.width() - STEPS_MAX * step;
        let (low, high) =
            (self.reach(widest, -DRIFT_BOUND, width_min), self.reach(widest, DRIFT_BOUND, width_min));
        let mut sums = Sums::default();
        for n in 0..DRIFTS {
            let drift = low + (high - low) * (f64::from(n) + 0.5) / f64::from(DRIFTS);
            let here = self.edges(drift);
            // The step is an estimate of eight distances, so this falls more slowly than e to the power of -steps.
            let steps = (edges.width() - here.width()).max(0.0) / step;
            let by_width = (1.0 + steps / 8.0).powi(-9);
            // Heavy tails: a clock that is far off is rare, but then it is believed.
            let by_expectation = expected.map_or(1.0, |expected| {
                let surprise = (drift - expected.drift) / expected.unsure;
                1.0 / (1.0 + surprise * surprise)
            });
            sums.add(by_width * by_expectation, here.middle(), drift);
        }
        sums.belief(step)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    weight: f64,
    offset: f64,
    offset_square: f64,
    drift: f64,
    drift_square: f64,
}

impl Sums {
    fn add(&mut self, weight: f64, offset: f64, drift: f64) {
        self.weight += weight;
        self.offset += weight * offset;
        self.offset_square += weight * offset * offset;
        self.drift += weight * drift;
        self.drift_square += weight * drift * drift;
    }

    /// The means, with `step` as what is unsure even if the drift were known.
    fn belief(&self, step: f64) -> Belief {
        let weight = self.weight.max(f64::MIN_POSITIVE);
        let (offset, drift) = (self.offset / weight, self.drift / weight);
        let deviation = |square: f64, mean: f64| (square / weight - mean * mean).max(0.0);
        Belief {
            offset,
            offset_unsure: (deviation(self.offset_square, offset) + step * step / 2.0).sqrt(),
            drift,
            drift_unsure: deviation(self.drift_square, drift).sqrt().max(DRIFT_UNSURE_MIN),
        }
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
