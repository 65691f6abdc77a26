//! The other side's time as the game sees it: a line that is bent towards the estimate, never back.

use super::estimator::{ClockEstimate, DRIFT_MAX};
use super::tick::{TickPosition, TickRate};
use crate::time::{Duration, Instant};

/// An error from here on is set right at once instead of by and by, and reported (NTP steps from 128 ms on).
pub const STEP_MIN: Duration = Duration::from_millis(125);

/// A correction changes the speed of time by at most this: no eye sees it, and 100 ms take 10 s.
const SLEW_MAX: f64 = 0.01;
/// Small corrections take this long, in microseconds, so that two answers do not pull to and fro.
const SLEW_TIME_MIN: f64 = 1e6;
/// The lead grows at most this fast, in parts of time: an input that comes too late is worse than fast time for a moment.
const LEAD_RISE: f64 = 0.1;
/// And falls at most this fast. With the above the tick for which inputs are sent never goes back.
const LEAD_FALL: f64 = 0.01;

/// The server's time at one moment, and how far that can be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerTime {
    /// Microseconds on the server's clock, which read 0 when the server started.
    pub micros: u64,
    /// `micros` is not off by more, whatever the path does: about half the fastest round trip. At the server zero.
    pub error: Duration,
    /// `micros` is usually not off by more where the path takes as long in both directions.
    pub error_likely: Duration,
    /// By how much the server's clock is faster than ours, in parts per million; already corrected for.
    pub drift_ppm: f64,
    /// Whether enough answers came. Until then `micros` can jump; from then on it only moves forwards, and a
    /// [`ClockChange::Stepped`](super::ClockChange::Stepped) tells of the exception.
    pub is_synchronised: bool,
    /// How long inputs are under way to the server, hardly any longer, by this clock.
    pub input_delay: Duration,
}

impl ServerTime {
    /// The time of a server's own clock.
    #[must_use]
    pub const fn exact(now: Instant) -> Self {
        Self {
            micros: now.as_micros(),
            error: Duration::ZERO,
            error_likely: Duration::ZERO,
            drift_ppm: 0.0,
            is_synchronised: true,
            input_delay: Duration::ZERO,
        }
    }

    /// Which tick the server is in.
    #[must_use]
    pub fn tick(&self, rate: TickRate) -> TickPosition {
        rate.position(self.micros)
    }

    /// How far ahead of the server's time a client plays, so that its inputs for a tick arrive before that tick: the way
    /// to the server, jitter included, and one tick for a server that reads once a tick.
    #[must_use]
    pub fn input_lead(&self, rate: TickRate) -> Duration {
        self.input_delay + rate.tick_time()
    }

    /// The tick for which inputs should be sent now: they arrive just in time.
    #[must_use]
    pub fn input_tick(&self, rate: TickRate) -> TickPosition {
        let lead = self.input_lead(rate).as_micros() as u64;
        rate.position(self.micros.saturating_add(lead))
    }
}

/// What [`ServerTime`]s are read from, between one answer and the next. A copy can be read on another thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockModel {
    /// Since when it holds.
    from: Instant,
    /// The other side's time then, as shown, and the part of a microsecond that is not: cut off with every answer, it would
    /// make time run slow.
    micros: u64,
    fraction: f64,
    /// The other side's time then lies between these, whatever the path.
    micros_min: i64,
    micros_max: i64,
    error_likely: Duration,
    drift: f64,
    drift_unsure: f64,
    /// What is added by and by, and over how many microseconds.
    correction: f64,
    correction_time: f64,
    lead: f64,
    /// By how much the lead changes, and over how many microseconds.
    lead_change: f64,
    lead_change_time: f64,
    is_synchronised: bool,
    /// Counts models that did not go on where the one before was.
    epoch: u32,
}

impl ClockModel {
    /// Shows the estimate as it is.
    #[must_use]
    pub(super) fn set(now: Instant, estimate: &ClockEstimate, epoch: u32) -> Self {
        let ours = signed(now.as_micros());
        let micros = ours.saturating_add(estimate.offset).max(0) as u64;
        Self {
            from: now,
            micros,
            fraction: 0.0,
            micros_min: ours.saturating_add(estimate.offset_min),
            micros_max: ours.saturating_add(estimate.offset_max),
            error_likely: estimate.error_likely,
            drift: estimate.drift,
            drift_unsure: estimate.drift_unsure,
            correction: 0.0,
            correction_time: 1.0,
            lead: estimate.delay_high.as_micros() as f64,
            lead_change: 0.0,
            lead_change_time: 1.0,
            is_synchronised: false,
            epoch,
        }
    }

    /// Goes on where this one is, towards the estimate. `None`: that is too far away.
    #[must_use]
    pub(super) fn slewed(&self, now: Instant, estimate: &ClockEstimate) -> Option<Self> {
        let target = Self::set(now, estimate, self.epoch);
        let (micros, fraction) = self.reading(now);
        let correction = signed(target.micros).saturating_sub(signed(micros));
        if correction.unsigned_abs() >= STEP_MIN.as_micros() as u64 {
            return None;
        }
        let correction = correction as f64;
        let lead = self.lead_at(now);
        let lead_change = target.lead - lead;
        let speed = if lead_change > 0.0 { LEAD_RISE } else { LEAD_FALL };
        Some(Self {
            micros,
            fraction,
            correction,
            correction_time: (correction.abs() / SLEW_MAX).max(SLEW_TIME_MIN),
            lead,
            lead_change,
            lead_change_time: (lead_change.abs() / speed).max(1.0),
            is_synchronised: self.is_synchronised,
            ..target
        })
    }

    pub(super) const fn set_synchronised(&mut self) {
        self.is_synchronised = true;
    }

    /// By how much this one shows a later time at `now` than the other, in microseconds.
    #[must_use]
    pub(super) fn micros_ahead_of(&self, other: &Self, now: Instant) -> i64 {
        signed(self.micros_at(now)).saturating_sub(signed(other.micros_at(now)))
    }

    /// Changes whenever time may have been set instead of slewed.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether enough answers came.
    #[must_use]
    pub const fn is_synchronised(&self) -> bool {
        self.is_synchronised
    }

    /// The other side's time at `now`. Of later moments it is never earlier.
    #[must_use]
    pub fn at(&self, now: Instant) -> ServerTime {
        let elapsed = self.elapsed(now);
        let micros = self.micros_at(now);
        let shown = signed(micros);
        let ours = elapsed as i64;
        let drifted = ((elapsed * DRIFT_MAX * 1e-6) as i64).saturating_add(1);
        let above = self.micros_max.saturating_add(ours).saturating_add(drifted).saturating_sub(shown);
        let below = shown.saturating_sub(self.micros_min.saturating_add(ours).saturating_sub(drifted));
        let error = Duration::from_micros(above.max(below).max(0) as u64);
        let left = self.correction.abs() * (1.0 - self.progress(elapsed));
        let likely = elapsed * self.drift_unsure + left;
        ServerTime {
            micros,
            error,
            error_likely: (self.error_likely + Duration::from_micros(likely as u64)).min(error),
            drift_ppm: self.drift * 1e6,
            is_synchronised: self.is_synchronised,
            input_delay: Duration::from_micros(self.lead_at(now).max(0.0) as u64),
        }
    }

    fn elapsed(&self, now: Instant) -> f64 {
        now.saturating_since(self.from).as_micros() as f64
    }

    fn progress(&self, elapsed: f64) -> f64 {
        (elapsed / self.correction_time).min(1.0)
    }

    fn micros_at(&self, now: Instant) -> u64 {
        self.reading(now).0
    }

    /// What is shown, and the part of a microsecond behind it.
    fn reading(&self, now: Instant) -> (u64, f64) {
        let elapsed = self.elapsed(now);
        let moved = self.fraction + elapsed + elapsed * self.drift + self.correction * self.progress(elapsed);
        (self.micros.saturating_add(moved as u64), moved.max(0.0).fract())
    }

    fn lead_at(&self, now: Instant) -> f64 {
        self.lead + self.lead_change * (self.elapsed(now) / self.lead_change_time).min(1.0)
    }
}

/// Saturates, as all sums here do: a server that lies may drive them anywhere.
fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}
