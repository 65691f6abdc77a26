//! Round-trip time from acknowledgements (RFC 9002, section 5).

use std::time::Duration;

/// Assumed before the first sample.
pub const INITIAL_RTT: Duration = Duration::from_millis(200);
/// Clock granularity: no threshold is shorter than this.
pub const GRANULARITY: Duration = Duration::from_millis(1);
/// Longest delay of a prompt acknowledgement.
pub const ACK_DELAY_MAX: Duration = Duration::from_millis(25);
/// No path is faster than what the delay's unit of 16 µs can blur.
const SAMPLE_MIN: Duration = Duration::from_micros(16);
const PROBE_TIMEOUT_MIN: Duration = Duration::from_millis(30);

/// Estimates the round-trip time of a path.
#[derive(Clone, Debug)]
pub struct RttEstimator {
    latest: Duration,
    smoothed: Duration,
    variation: Duration,
    minimum: Duration,
    jitter: Duration,
    has_sample: bool,
}

impl Default for RttEstimator {
    fn default() -> Self {
        Self {
            latest: INITIAL_RTT,
            smoothed: INITIAL_RTT,
            variation: INITIAL_RTT / 2,
            minimum: INITIAL_RTT,
            jitter: Duration::ZERO,
            has_sample: false,
        }
    }
}

impl RttEstimator {
    /// Takes a sample: time from sending to acknowledgement, and how long the peer says it held the packet.
    pub fn handle_sample(&mut self, sample: Duration, ack_delay: Duration) {
        // RFC 9002 keeps the delay in the minimum, against peers that claim too much. Here most acknowledgements wait
        // for the next game tick, so that minimum would be a tick too high for ever; and a peer that lies makes only
        // its own packets come twice.
        let adjusted = sample.saturating_sub(ack_delay).max(SAMPLE_MIN);
        if !self.has_sample {
            *self = Self {
                latest: adjusted,
                smoothed: adjusted,
                variation: adjusted / 2,
                minimum: adjusted,
                jitter: Duration::ZERO,
                has_sample: true,
            };
            return;
        }
        self.minimum = self.minimum.min(adjusted);
        self.jitter = (self.jitter * 15 + adjusted.abs_diff(self.latest)) / 16;
        self.latest = adjusted;
        self.variation = (self.variation * 3 + self.smoothed.abs_diff(adjusted)) / 4;
        self.smoothed = (self.smoothed * 7 + adjusted) / 8;
    }

    /// The newest sample, without the peer's delay.
    #[must_use]
    pub const fn latest(&self) -> Duration {
        self.latest
    }

    /// Exponentially weighted mean (7/8).
    #[must_use]
    pub const fn smoothed(&self) -> Duration {
        self.smoothed
    }

    /// Exponentially weighted mean deviation (3/4).
    #[must_use]
    pub const fn variation(&self) -> Duration {
        self.variation
    }

    /// The smallest sample.
    #[must_use]
    pub const fn minimum(&self) -> Duration {
        self.minimum
    }

    /// Mean difference between successive samples, smoothed with 1/16 as in RFC 3550.
    #[must_use]
    pub const fn jitter(&self) -> Duration {
        self.jitter
    }

    /// Whether there was a sample at all.
    #[must_use]
    pub const fn has_sample(&self) -> bool {
        self.has_sample
    }

    /// How long to wait for an acknowledgement before probing.
    #[must_use]
    pub fn probe_timeout(&self) -> Duration {
        (self.smoothed + (self.variation * 4).max(GRANULARITY) + ACK_DELAY_MAX).max(PROBE_TIMEOUT_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_first_sample_replaces_the_assumption() {
        let mut rtt = RttEstimator::default();
        assert_eq!(rtt.probe_timeout(), ms(200 + 400 + 25));
        rtt.handle_sample(ms(45), ms(5));
        assert_eq!((rtt.smoothed(), rtt.minimum(), rtt.variation()), (ms(40), ms(40), ms(20)));
    }

    #[test]
    fn the_peers_delay_is_subtracted_from_the_first_sample_on() {
        let mut rtt = RttEstimator::default();
        rtt.handle_sample(ms(65), ms(25));
        assert_eq!((rtt.latest(), rtt.minimum()), (ms(40), ms(40)));
        rtt.handle_sample(ms(45), ms(100));
        assert_eq!(rtt.minimum(), SAMPLE_MIN);
    }

    #[test]
    fn a_steady_path_converges_to_a_short_probe_timeout() {
        let mut rtt = RttEstimator::default();
        for _ in 0..100 {
            rtt.handle_sample(ms(2), ms(0));
        }
        assert_eq!(rtt.probe_timeout(), ms(30));
        assert_eq!(rtt.jitter(), ms(0));
    }
}
