//! Ticks of a game counted on the server's clock: tick 0 begins when the clock reads 0.

use std::fmt;

use crate::time::Duration;

const MICROS_PER_SECOND: u128 = 1_000_000;

/// Ticks per second: a number that server and clients of a game have agreed on, 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TickRate(u32);

/// A tick rate outside 1–10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTickRate(pub u32);

impl fmt::Display for InvalidTickRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ticks per second are outside 1–{}", self.0, TickRate::MAX)
    }
}

impl std::error::Error for InvalidTickRate {}

/// Where a moment lies among the ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TickPosition {
    /// The tick that has begun.
    pub tick: u64,
    /// How much of it has passed, 0.0 to just below 1.0.
    pub phase: f64,
    /// Time until the next one begins.
    pub until_next: Duration,
}

impl TickRate {
    /// Most ticks per second.
    pub const MAX: u32 = 10_000;

    /// So many ticks per second.
    ///
    /// # Errors
    /// [`InvalidTickRate`] outside 1–10,000.
    pub const fn new(ticks_per_second: u32) -> Result<Self, InvalidTickRate> {
        if ticks_per_second == 0 || ticks_per_second > Self::MAX {
            return Err(InvalidTickRate(ticks_per_second));
        }
        Ok(Self(ticks_per_second))
    }

    /// Ticks per second.
    #[must_use]
    pub const fn per_second(self) -> u32 {
        self.0
    }

    /// How long a tick is, rounded up to whole microseconds.
    #[must_use]
    pub const fn tick_time(self) -> Duration {
        Duration::from_micros(1_000_000u64.div_ceil(self.0 as u64))
    }

    /// Where a time of the server's clock lies. Ticks are counted in fractions, not in rounded microseconds: 60 Hz has 60
    /// ticks in every second for ever.
    #[must_use]
    pub fn position(self, micros: u64) -> TickPosition {
        let parts = u128::from(micros) * u128::from(self.0);
        // A tick rate is at most 10,000 and 2^64 microseconds are 1.8 · 10^13 s.
        let tick = (parts / MICROS_PER_SECOND) as u64;
        let phase = (parts % MICROS_PER_SECOND) as f64 / MICROS_PER_SECOND as f64;
        let until_next = self.begin_of(tick.saturating_add(1)).saturating_sub(micros);
        TickPosition { tick, phase, until_next: Duration::from_micros(until_next) }
    }

    /// When a tick begins, in microseconds of the server's clock: the first whole one that belongs to it.
    #[must_use]
    pub fn begin_of(self, tick: u64) -> u64 {
        let micros = (u128::from(tick) * MICROS_PER_SECOND).div_ceil(u128::from(self.0));
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tick_begins_where_the_one_before_ends() {
        for per_second in [1, 3, 20, 30, 60, 64, 128, 144, 9_973, TickRate::MAX] {
            let rate = TickRate::new(per_second).unwrap();
            for tick in (0..500).chain((1 << 40)..(1 << 40) + 500) {
                let begin = rate.begin_of(tick);
                assert_eq!(rate.position(begin).tick, tick, "{per_second} Hz");
                assert_eq!(
                    begin.checked_sub(1).map(|last| rate.position(last).tick + 1).unwrap_or(tick),
                    tick
                );
                let position = rate.position(begin);
                assert_eq!(begin + position.until_next.as_micros() as u64, rate.begin_of(tick + 1));
                assert!((0.0..0.01 + f64::from(per_second) * 1e-6).contains(&position.phase));
            }
        }
    }

    #[test]
    fn a_second_has_as_many_ticks_as_the_rate_says_for_ever() {
        let rate = TickRate::new(60).unwrap();
        for second in [0u64, 1, 86_400, 10_000_000_000] {
            assert_eq!(rate.position(second * 1_000_000).tick, second * 60);
        }
        assert_eq!(rate.position(25_000).phase, 0.5);
    }

    #[test]
    fn nothing_overflows_and_no_rate_is_zero() {
        assert_eq!(TickRate::new(0), Err(InvalidTickRate(0)));
        assert_eq!(TickRate::new(10_001), Err(InvalidTickRate(10_001)));
        let rate = TickRate::new(TickRate::MAX).unwrap();
        assert!(rate.position(u64::MAX).until_next <= rate.tick_time());
        assert_eq!(rate.begin_of(u64::MAX), u64::MAX);
    }
}
