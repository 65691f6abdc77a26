//! Figures over the last seconds: a rate, and a share of losses.

use std::time::Duration;

use crate::time::Instant;

/// How long a meter gathers before its figure changes.
const RATE_PERIOD: Duration = Duration::from_secs(1);
const LOSS_PERIOD: Duration = Duration::from_secs(3);
/// From so few packets in a period no share can be told.
const LOSS_PACKETS_FEW: u64 = 20;
/// From so many a share can be told before the period is over.
const LOSS_PACKETS_KNOWN: u64 = 150;

/// Bytes per second over the last full second.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateMeter {
    period_start: Instant,
    bytes: u64,
    rate: u64,
}

impl RateMeter {
    /// Counts bytes.
    #[inline]
    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.roll(now);
        self.bytes += bytes as u64;
    }

    fn roll(&mut self, now: Instant) {
        let elapsed = now.saturating_since(self.period_start);
        if elapsed >= RATE_PERIOD {
            // What came long ago says nothing about the last second.
            let is_recent = elapsed < 2 * RATE_PERIOD;
            let bytes = if is_recent { self.bytes } else { 0 };
            self.rate = (u128::from(bytes) * 1_000_000 / elapsed.as_micros().max(1)) as u64;
            self.bytes = 0;
            self.period_start = now;
        }
    }

    /// Bytes per second. Falls to zero when nothing was counted for two periods.
    #[must_use]
    pub fn rate(&self, now: Instant) -> u64 {
        let mut meter = *self;
        meter.roll(now);
        meter.rate
    }
}

/// Share of events that failed, over the last few seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct LossMeter {
    period_start: Instant,
    all: u64,
    lost: u64,
    /// Of the last period in which there was anything.
    share: Option<f32>,
    /// Of the last period with enough to tell.
    known: Option<f32>,
}

impl LossMeter {
    /// Counts packets and how many of them were lost. Losses may be reported after their packets.
    #[inline]
    pub fn add(&mut self, now: Instant, all: u64, lost: i64) {
        if now.saturating_since(self.period_start) >= LOSS_PERIOD {
            if self.all > 0 {
                self.share = Some(self.present());
            }
            if self.all >= LOSS_PACKETS_FEW {
                self.known = self.share;
            }
            (self.all, self.lost, self.period_start) = (0, 0, now);
        }
        self.all += all;
        self.lost = self.lost.saturating_add_signed(lost);
    }

    /// The share in thousandths, once there were enough packets to tell: a full period, or as many as a game sends in one.
    #[must_use]
    pub fn known_permille(&self) -> Option<u32> {
        let known = self.after_calm(self.known).or((self.all >= LOSS_PACKETS_KNOWN).then(|| self.present()));
        known.map(|share| (share * 1_000.0) as u32)
    }

    /// The share of the last full period, or of the present one before that, or if nothing was lost in the last one.
    #[must_use]
    pub fn share(&self) -> f32 {
        self.after_calm(self.share).unwrap_or_else(|| self.present())
    }

    /// What the last period says, unless that was calm and the present one can already tell more.
    fn after_calm(&self, last: Option<f32>) -> Option<f32> {
        let is_calm = last == Some(0.0);
        if is_calm && self.all >= LOSS_PACKETS_FEW { Some(self.present()) } else { last }
    }

    fn present(&self) -> f32 {
        if self.all == 0 { 0.0 } else { (self.lost as f32 / self.all as f32).min(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    /// `lost` of 60 packets a second for three seconds, the period of the meter.
    fn period(meter: &mut LossMeter, from: u64, lost: u64) {
        for n in 0..180 {
            meter.add(at(from + n * 50 / 3), 1, i64::from(n < lost));
        }
    }

    #[test]
    fn the_first_packets_of_a_period_do_not_make_a_single_loss_look_like_a_storm() {
        let mut meter = LossMeter::default();
        period(&mut meter, 10_000, 0);
        for (packets, millis) in [(1, 13_000), (9, 13_010), (9, 13_020)] {
            meter.add(at(millis), packets, i64::from(packets == 1));
            assert_eq!((meter.known_permille(), meter.share()), (Some(0), 0.0));
        }
        meter.add(at(13_030), 1, 0);
        assert_eq!(meter.known_permille(), Some(50), "of twenty packets one is a share");
    }

    #[test]
    fn what_a_few_packets_say_after_busier_times_is_not_taken_for_known() {
        let mut meter = LossMeter::default();
        period(&mut meter, 10_000, 18);
        meter.add(at(13_100), 1, 1);
        assert_eq!(meter.known_permille(), Some(100));
        // A keep-alive in three seconds is lost, and another one.
        for second in 4..9 {
            meter.add(at(second * 3_100), 1, 1);
        }
        assert_eq!((meter.known_permille(), meter.share()), (Some(100), 1.0));
    }

    #[test]
    fn a_rate_falls_to_zero_after_two_seconds_without_anything() {
        let mut meter = RateMeter::default();
        (0..30u64).for_each(|n| meter.add(at(10_000 + n * 100), 1_000));
        assert_eq!(meter.rate(at(13_000)), 10_000);
        assert_eq!(meter.rate(at(13_900)), 1_000 * 10 * 10 / 19, "the last period, still open");
        assert_eq!(meter.rate(at(14_100)), 0);
    }
}
