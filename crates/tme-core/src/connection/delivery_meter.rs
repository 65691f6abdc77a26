//! How fast packets are delivered: a sample with every acknowledgement (draft-cheng-iccrg-delivery-rate-estimation).

use std::time::Duration;

use crate::time::Instant;

/// How many bytes were delivered in which time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateSample {
    /// Bytes delivered between the acknowledgement that was newest when the packet was sent, and its own.
    pub bytes: u64,
    /// That time, or the time in which they were sent, whichever is longer: acknowledgements that wait for each other
    /// must not look like a fast path.
    pub interval: Duration,
    /// Bytes delivered before the packet was sent: names the round it belongs to.
    pub delivered_before: u64,
    /// Whether the application had less to send than was allowed; then the path may carry more than this.
    pub is_app_limited: bool,
}

impl RateSample {
    /// Bytes per second; 0 without an interval.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        let micros = self.interval.as_micros() as u64;
        self.bytes.saturating_mul(1_000_000).checked_div(micros).unwrap_or(0)
    }
}

/// What a packet remembers of the time when it was sent. Times are microseconds before its own, at most 71 minutes.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentMark {
    delivered: u64,
    delivered_before_us: u32,
    first_sent_before_us: u32,
}

/// Counts what is delivered.
#[derive(Clone, Debug)]
pub(super) struct DeliveryMeter {
    delivered: u64,
    delivered_at: Instant,
    /// When the packet was sent whose acknowledgement is the newest; the flight since then is what a sample measures.
    first_sent_at: Instant,
    /// Packets sent until so much is delivered belong to a time with too little to send.
    app_limited_until: u64,
}

impl DeliveryMeter {
    pub(super) const fn new() -> Self {
        Self { delivered: 0, delivered_at: Instant::ZERO, first_sent_at: Instant::ZERO, app_limited_until: 0 }
    }

    /// Bytes delivered so far.
    pub(super) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether packets that are sent now count as limited by the application.
    pub(super) const fn is_app_limited(&self) -> bool {
        self.delivered < self.app_limited_until
    }

    /// The application has nothing more to send although it might.
    pub(super) fn limit_by_application(&mut self, in_flight_bytes: u64) {
        self.app_limited_until = self.delivered + in_flight_bytes.max(1);
    }

    /// A packet leaves, with so much in flight before it.
    pub(super) fn mark_sent(&mut self, now: Instant, in_flight_bytes: u64) -> SentMark {
        if in_flight_bytes == 0 {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        let micros_since = |at: Instant| now.saturating_since(at).as_micros().try_into().unwrap_or(u32::MAX);
        SentMark {
            delivered: self.delivered,
            delivered_before_us: micros_since(self.delivered_at),
            first_sent_before_us: micros_since(self.first_sent_at),
        }
    }

    /// A packet was acknowledged; the newest of an acknowledgement comes last.
    pub(super) fn count(&mut self, now: Instant, sent_at: Instant, bytes: u64) {
        self.delivered += bytes;
        self.delivered_at = now;
        self.first_sent_at = self.first_sent_at.max(sent_at);
    }

    /// What the newest packet of an acknowledgement says, after all of its packets were counted.
    pub(super) fn sample(
        &self,
        now: Instant,
        sent_at: Instant,
        mark: SentMark,
        is_app_limited: bool,
    ) -> RateSample {
        let micros = |micros: u32| Duration::from_micros(micros.into());
        let since_ack = now.saturating_since(sent_at) + micros(mark.delivered_before_us);
        RateSample {
            bytes: self.delivered - mark.delivered,
            interval: since_ack.max(micros(mark.first_sent_before_us)),
            delivered_before: mark.delivered,
            is_app_limited,
        }
    }
}
