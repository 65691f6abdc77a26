//! The pacer: spreads packets over time instead of sending a window in one burst.

use std::time::Duration;

use crate::time::Instant;

/// A burst is at most this long at the current rate, or two packets, whichever is more.
const BURST: Duration = Duration::from_millis(1);
const BURST_PACKETS: u64 = 2;
/// Once the bucket is empty, what this time fills is sent together, at most so many packets.
const HANDFUL: Duration = Duration::from_micros(250);
const HANDFUL_PACKETS: u64 = 64;
/// A host that calls seldom (once a frame) may send what the rate allowed since its last call, up to this long.
const CATCH_UP_MAX: Duration = Duration::from_millis(50);

/// A token bucket filled at the controller's rate.
#[derive(Clone, Debug)]
pub struct Pacer {
    /// Bytes that may go now; negative after a packet went on the last of them.
    tokens: i64,
    filled_at: Instant,
}

impl Pacer {
    /// A full bucket.
    #[must_use]
    pub fn new(now: Instant, datagram_bytes: u64) -> Self {
        Self { tokens: (BURST_PACKETS * datagram_bytes) as i64, filled_at: now }
    }

    /// When the next packet may go: `now` or later.
    ///
    /// The bucket holds what the rate gave since the last call (at most 50 ms of it), never less than 1 ms or two
    /// packets of it: a host that drives the engine at every pacer deadline sends smoothly, one that calls once a
    /// frame sends a frame's worth.
    pub fn poll(&mut self, now: Instant, rate: u64, datagram_bytes: u64) -> Instant {
        self.tokens = self.available(now, rate, datagram_bytes);
        self.filled_at = self.filled_at.max(now);
        if self.tokens > 0 || rate == 0 {
            return now;
        }
        // A fast sender waits for a handful of packets: system calls for single ones would cost more than they are.
        let handful = bytes_in(rate, HANDFUL);
        let wanted =
            if handful >= 2 * datagram_bytes { handful.min(HANDFUL_PACKETS * datagram_bytes) } else { 1 };
        let missing = u128::from(self.tokens.unsigned_abs() + wanted);
        let wait = missing * 1_000_000 / u128::from(rate) + 1;
        now + Duration::from_micros(wait as u64)
    }

    /// Bytes that may go at `now`; negative after a packet went on the last of them.
    #[must_use]
    pub fn available(&self, now: Instant, rate: u64, datagram_bytes: u64) -> i64 {
        let elapsed = now.saturating_since(self.filled_at);
        let burst =
            bytes_in(rate, elapsed.clamp(BURST, CATCH_UP_MAX)).max(BURST_PACKETS * datagram_bytes) as i64;
        let earned = bytes_in(rate, elapsed) as i64;
        // What is already in the bucket stays, even if a slower rate would not let it in any more.
        self.tokens.saturating_add(earned).min(burst.max(self.tokens))
    }

    /// Takes out what a bucket of this rate would not hold: for a rate that somebody sets, who counts on it from now on.
    /// The bucket may have been filled for 50 ms at a rate a thousand times higher.
    pub fn limit(&mut self, rate: u64, datagram_bytes: u64) {
        let full = bytes_in(rate, BURST).max(BURST_PACKETS * datagram_bytes) as i64;
        self.tokens = self.tokens.min(full);
    }

    /// A packet left.
    pub fn handle_sent(&mut self, bytes: u64) {
        self.tokens = self.tokens.saturating_sub(bytes as i64);
    }
}

fn bytes_in(rate: u64, duration: Duration) -> u64 {
    (u128::from(rate) * duration.as_micros() / 1_000_000).min(u128::from(u32::MAX)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends whenever allowed for a second and returns (bytes, largest burst at one instant).
    fn run(rate: u64, step: Duration) -> (u64, u64) {
        let mut pacer = Pacer::new(Instant::ZERO, 1_200);
        let (mut now, mut total, mut largest) = (Instant::ZERO, 0, 0);
        while now < Instant::from_micros(1_000_000) {
            let mut burst = 0;
            while pacer.poll(now, rate, 1_200) <= now {
                pacer.handle_sent(1_200);
                burst += 1_200;
            }
            total += burst;
            largest = largest.max(burst);
            now += step;
        }
        (total, largest)
    }

    #[test]
    fn the_rate_is_kept_and_bursts_stay_short() {
        let (total, largest) = run(1_200_000, Duration::from_micros(100));
        assert!((1_195_000..1_210_000).contains(&total), "{total}");
        assert!(largest <= 3 * 1_200, "{largest}");
    }

    #[test]
    fn a_host_that_calls_once_a_frame_gets_the_whole_rate() {
        let (total, _) = run(1_200_000, Duration::from_millis(33));
        assert!((1_150_000..1_250_000).contains(&total), "{total}");
    }

    #[test]
    fn a_limit_takes_away_what_a_faster_rate_had_given() {
        let mut pacer = Pacer::new(Instant::ZERO, 1_200);
        let later = Instant::from_micros(50_000);
        assert_eq!(pacer.poll(later, 10_000_000, 1_200), later);
        assert_eq!(pacer.available(later, 10_000_000, 1_200), 500_000);
        pacer.limit(50_000, 1_200);
        assert_eq!(pacer.available(later, 50_000, 1_200), 2_400);
        // What is owed is owed at any rate.
        pacer.handle_sent(12_400);
        pacer.limit(50_000, 1_200);
        assert_eq!(pacer.available(later, 50_000, 1_200), -10_000);
    }

    #[test]
    fn the_wait_is_as_long_as_the_debt() {
        let mut pacer = Pacer::new(Instant::ZERO, 1_200);
        pacer.handle_sent(2_400 + 12_000);
        let next = pacer.poll(Instant::ZERO, 1_200_000, 1_200);
        assert!(next.as_micros().abs_diff(10_000) < 10, "{next:?}");
    }
}
