//! The clock: monotonic instants for the protocol, Unix seconds for token expiry.

use std::time::{SystemTime, UNIX_EPOCH};

use tme_core::time::{Instant, UnixTime};

/// Tells monotonic time since its creation, and Unix time.
///
/// A copy shares the origin, so instants taken from copies on different threads compare. Instants of clocks
/// that were started separately do not. The monotonic clock is [`std::time::Instant`]: on Linux it stands
/// still while the machine is suspended, on Windows it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// Starts a clock; its [`now`](Self::now) begins at [`Instant::ZERO`].
    #[must_use]
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// Monotonic time since this clock (or the one it was copied from) was started.
    #[must_use]
    pub fn now(&self) -> Instant {
        // 2^64 microseconds are 584,000 years.
        Instant::from_micros(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Seconds since 1970-01-01 UTC by the system's wall clock, which may step; 0 if it stands before 1970.
    #[must_use]
    pub fn unix_time(&self) -> UnixTime {
        UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_shares_the_origin() {
        let clock = Clock::start();
        let copy = clock;
        let first = clock.now();
        let second = copy.now();
        let third = clock.now();
        assert!(first <= second && second <= third);
        assert!(third < Instant::from_micros(60_000_000), "a fresh clock starts near zero, got {third:?}");
    }

    #[test]
    fn unix_time_is_of_this_century() {
        assert!((1_700_000_000..4_000_000_000).contains(&Clock::start().unix_time().as_secs()));
    }
}
