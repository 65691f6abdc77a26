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
            self.rate = (u128::from(self.bytes) * 1_000_000 / elapsed.as_micros().max(1)) as u64;
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
    share: f32,
    has_full_period: bool,
}

impl LossMeter {
    /// Counts packets and how many of them were lost. Losses may be reported after their packets.
    #[inline]
    pub fn add(&mut self, now: Instant, all: u64, lost: i64) {
        if now.saturating_since(self.period_start) >= LOSS_PERIOD {
            if self.all > 0 {
                self.share = (self.lost as f32 / self.all as f32).min(1.0);
                self.has_full_period |= self.all >= LOSS_PACKETS_FEW;
            }
            (self.all, self.lost, self.period_start) = (0, 0, now);
        }
        self.all += all;
        self.lost = self.lost.saturating_add_signed(lost);
    }

    /// The share in thousandths, once there were enough packets to tell: a full period, or as many as a game sends in one.
    #[must_use]
    pub fn known_permille(&self) -> Option<u32> {
        let is_known = self.has_full_period || self.all >= LOSS_PACKETS_KNOWN;
        is_known.then(|| (self.share() * 1_000.0) as u32)
    }

    /// The share of the last full period, or of the present one before that.
    #[must_use]
    pub fn share(&self) -> f32 {
        if self.share == 0.0 && self.all > 0 {
            return (self.lost as f32 / self.all as f32).min(1.0);
        }
        self.share
    }
}
