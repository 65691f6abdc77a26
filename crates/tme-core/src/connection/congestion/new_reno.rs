//! A controller that fills the queue until it overflows.

use std::time::Duration;

use super::{
    AckedSample, CongestionController, LostSample, SEGMENT, WINDOW_INITIAL, WINDOW_MAX, WINDOW_MIN, rate_of,
};
use crate::time::Instant;

/// Additive increase, multiplicative decrease (RFC 5681, RFC 9002 §7) with a reduction to 0.7 as in CUBIC.
#[derive(Clone, Debug)]
pub struct NewReno {
    window: u64,
    window_min: u64,
    slow_start_threshold: u64,
    recovery_start: Option<Instant>,
    acked_in_round: u64,
}

impl NewReno {
    /// The initial window for a connection whose largest datagram has this size.
    #[must_use]
    pub fn new(datagram_bytes: usize) -> Self {
        let two_datagrams = 2 * datagram_bytes as u64;
        Self {
            window: WINDOW_INITIAL.max(two_datagrams),
            window_min: WINDOW_MIN.max(two_datagrams),
            slow_start_threshold: u64::MAX,
            recovery_start: None,
            acked_in_round: 0,
        }
    }
}

impl CongestionController for NewReno {
    fn handle_acked(&mut self, sample: AckedSample) {
        let in_recovery = self.recovery_start.is_some_and(|start| sample.newest_sent_at <= start);
        if in_recovery || sample.rate.is_app_limited {
            return;
        }
        if self.window < self.slow_start_threshold {
            self.window += sample.bytes;
        } else {
            self.acked_in_round += sample.bytes;
            if self.acked_in_round >= self.window {
                self.acked_in_round -= self.window;
                self.window += SEGMENT;
            }
        }
        self.window = self.window.min(WINDOW_MAX);
    }

    fn handle_lost(&mut self, sample: LostSample) {
        if self.recovery_start.is_some_and(|start| sample.newest_sent_at <= start) {
            return;
        }
        self.recovery_start = Some(sample.now);
        self.window = (self.window * 7 / 10).max(self.window_min);
        self.slow_start_threshold = self.window;
        self.acked_in_round = 0;
    }

    fn handle_outage(&mut self, now: Instant) {
        self.recovery_start = Some(now);
        self.slow_start_threshold = (self.window / 2).max(self.window_min);
        self.window = self.window_min;
    }

    fn window_bytes(&self) -> u64 {
        self.window
    }

    fn pacing_rate(&self, smoothed_rtt: Duration) -> u64 {
        // A quarter above the window per round trip, so that pacing itself never holds the window back
        // (RFC 9002, section 7.7).
        rate_of(self.window, smoothed_rtt).saturating_mul(5) / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::delivery_meter::RateSample;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn acked(now: u64, bytes: u64) -> AckedSample {
        AckedSample {
            now: at(now),
            bytes,
            spurious_bytes: 0,
            in_flight_bytes: 0,
            delivered_bytes: bytes,
            newest_sent_at: at(now - 1),
            rtt: None,
            rate: RateSample::default(),
        }
    }

    #[test]
    fn slow_start_doubles_then_one_loss_per_round_reduces_once() {
        let mut reno = NewReno::new(1_200);
        reno.handle_acked(acked(10, WINDOW_INITIAL));
        assert_eq!(reno.window_bytes(), 2 * WINDOW_INITIAL);
        for sent in [11, 12] {
            reno.handle_lost(LostSample {
                now: at(20),
                bytes: 1_200,
                oldest_sent_at: at(sent),
                newest_sent_at: at(sent),
            });
        }
        assert_eq!(reno.window_bytes(), 2 * WINDOW_INITIAL * 7 / 10);
        let before = reno.window_bytes();
        reno.handle_acked(acked(30, before));
        assert_eq!(reno.window_bytes(), before + SEGMENT);
    }

    #[test]
    fn the_window_stays_between_its_bounds() {
        let mut reno = NewReno::new(1_200);
        for round in 1..100 {
            reno.handle_lost(LostSample {
                now: at(round * 10),
                bytes: 1,
                oldest_sent_at: at(round * 10 - 1),
                newest_sent_at: at(round * 10 - 1),
            });
        }
        assert_eq!(reno.window_bytes(), WINDOW_MIN);
        let mut reno = NewReno::new(1_200);
        for round in 1..100 {
            reno.handle_acked(acked(round, reno.window_bytes()));
        }
        assert_eq!(reno.window_bytes(), WINDOW_MAX);
    }

    #[test]
    fn an_idle_sender_does_not_earn_window() {
        let mut reno = NewReno::new(1_200);
        let rate = RateSample { is_app_limited: true, ..RateSample::default() };
        reno.handle_acked(AckedSample { rate, ..acked(10, 100_000) });
        assert_eq!(reno.window_bytes(), WINDOW_INITIAL);
    }
}
