//! Congestion control: how many bytes may be in the air.

use std::fmt;
use std::time::Duration;

use crate::time::Instant;

/// What an acknowledgement tells a controller.
#[derive(Clone, Copy, Debug)]
pub struct AckedSample {
    /// When the acknowledgement came.
    pub now: Instant,
    /// Bytes newly acknowledged.
    pub bytes: u64,
    /// When the newest of the packets was sent.
    pub newest_sent_at: Instant,
    /// Whether the sender had less to send than it was allowed; then success says nothing about the path.
    pub is_app_limited: bool,
}

/// What a loss tells a controller.
#[derive(Clone, Copy, Debug)]
pub struct LostSample {
    /// When the loss was noticed.
    pub now: Instant,
    /// Bytes newly counted as lost.
    pub bytes: u64,
    /// When the newest of the lost packets was sent.
    pub newest_sent_at: Instant,
}

/// Decides how many bytes may be unacknowledged at a time.
///
/// Called by one connection from one thread. Implementations are deterministic: same calls, same answers.
pub trait CongestionController: Send + fmt::Debug {
    /// Packets were acknowledged.
    fn handle_acked(&mut self, sample: AckedSample);

    /// Packets were lost.
    fn handle_lost(&mut self, sample: LostSample);

    /// Three probe time-outs passed without an answer: start over carefully.
    fn handle_outage(&mut self, now: Instant);

    /// Bytes that may be in flight: never less than two of the largest datagrams, or nothing might go at all.
    fn window_bytes(&self) -> u64;

    /// Bytes per second the pacer spreads sending to, for this smoothed round-trip time.
    fn pacing_rate(&self, smoothed_rtt: Duration) -> u64 {
        let micros = smoothed_rtt.as_micros().max(1) as u64;
        // A quarter above the window per round trip, so that pacing itself never holds the window back
        // (RFC 9002, section 7.7).
        self.window_bytes().saturating_mul(1_250_000) / micros
    }
}

const SEGMENT: u64 = 1_200;
/// Window to start with: 32 datagrams.
pub const WINDOW_INITIAL: u64 = 32 * SEGMENT;
/// The window never falls below 10 datagrams of 1,200 bytes, the initial window of TCP (RFC 6928): game traffic on a
/// path that loses packets at random must not starve. Larger datagrams have room for two.
pub const WINDOW_MIN: u64 = 10 * SEGMENT;
/// The window never grows beyond 64 MiB.
pub const WINDOW_MAX: u64 = 64 << 20;

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
        if in_recovery || sample.is_app_limited {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn acked(now: u64, bytes: u64) -> AckedSample {
        AckedSample { now: at(now), bytes, newest_sent_at: at(now - 1), is_app_limited: false }
    }

    #[test]
    fn slow_start_doubles_then_one_loss_per_round_reduces_once() {
        let mut reno = NewReno::new(1_200);
        reno.handle_acked(acked(10, WINDOW_INITIAL));
        assert_eq!(reno.window_bytes(), 2 * WINDOW_INITIAL);
        for sent in [11, 12] {
            reno.handle_lost(LostSample { now: at(20), bytes: 1_200, newest_sent_at: at(sent) });
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
        reno.handle_acked(AckedSample { is_app_limited: true, ..acked(10, 100_000) });
        assert_eq!(reno.window_bytes(), WINDOW_INITIAL);
    }
}
