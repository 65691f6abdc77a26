//! How often something may happen: a steady rate with a burst.

use crate::time::{Duration, Instant};

/// Admits events at a steady rate with a burst: the generic cell rate algorithm, which needs one number.
#[derive(Debug)]
pub(crate) struct SteadyRate {
    interval: Duration,
    burst: Duration,
    /// When the events admitted so far would have been due at the steady rate.
    due: Instant,
}

impl SteadyRate {
    /// So many a second (at least one), and so many at once (at least one).
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, burst: interval * burst.max(1), due: Instant::ZERO }
    }

    /// Whether one more may happen now; if so, it counts.
    pub fn admit(&mut self, now: Instant) -> bool {
        let due = self.due.max(now);
        if due.saturating_since(now) + self.interval > self.burst {
            return false;
        }
        self.due = due + self.interval;
        true
    }

    /// When one more may happen: at `now`, or later.
    pub fn next(&self, now: Instant) -> Instant {
        let due = self.due.max(now) + self.interval;
        (due - self.burst).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_comes_at_once_and_then_one_by_one() {
        let mut rate = SteadyRate::new(10, 3);
        let mut now = Instant::from_micros(5_000_000);
        assert_eq!((0..9).filter(|_| rate.admit(now)).count(), 3);
        for _ in 0..5 {
            let next = rate.next(now);
            assert_eq!(next, now + Duration::from_millis(100));
            assert!(!rate.admit(next - Duration::from_micros(1)) && rate.admit(next));
            now = next;
        }
        now += Duration::from_secs(60);
        assert_eq!((0..9).filter(|_| rate.admit(now)).count(), 3, "silence earns no more than a burst");
    }
}
