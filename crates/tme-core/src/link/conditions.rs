//! The knobs of a link.

use super::burst::BurstLoss;
use super::error::ConditionsError;
use super::jitter::Jitter;
use crate::time::Duration;

/// Bytes of an IPv4 header without options (20, RFC 791) and a UDP header (8, RFC 768).
pub const IPV4_UDP_HEADER_BYTES: u32 = 28;

/// Bytes of an IPv6 header without extensions (40, RFC 8200) and a UDP header (8, RFC 768).
pub const IPV6_UDP_HEADER_BYTES: u32 = 48;

/// The longest time any knob accepts. Far beyond any Earth-bound path; a typing error in the unit is caught.
pub const DELAY_MAX: Duration = Duration::from_secs(60);

/// The highest rate in bytes per second: 1 Tbit/s.
pub const RATE_MAX: u64 = 125_000_000_000;

/// The most bits that corruption may flip in one datagram.
pub const CORRUPT_BITS_MAX: u32 = 64;

/// What one direction of a path does to datagrams. The default is a perfect link: no delay, no fault.
///
/// Probabilities are 0.0 to 1.0 and per datagram; times are 0 to [`DELAY_MAX`], in effect whole microseconds.
/// [`Link::new`](super::Link::new) and [`Link::set_conditions`](super::Link::set_conditions) validate.
///
/// ```
/// use tme_core::link::{Jitter, LinkConditions};
/// use tme_core::time::Duration;
///
/// // 25 ± 5 ms, each datagram for itself, and 1 % loss.
/// let conditions = LinkConditions {
///     delay: Duration::from_millis(25),
///     jitter: Jitter::Uniform { half_width: Duration::from_millis(5) },
///     jitter_reorders: true,
///     loss: 0.01,
///     ..LinkConditions::default()
/// };
/// assert!(conditions.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConditions {
    /// Probability that a datagram is lost, independently of the others. Default 0.
    pub loss: f64,
    /// Loss in bursts, on top of `loss`. Default none.
    pub burst: Option<BurstLoss>,
    /// One-way delay, after the bottleneck. Default 0.
    pub delay: Duration,
    /// Random delay, by which `delay` varies per datagram. Default none.
    pub jitter: Jitter,
    /// `true`: every datagram has its own jitter, and those with less overtake those with more. `false` (the
    /// default): jitter keeps the order; a datagram that would overtake arrives with the one before it.
    pub jitter_reorders: bool,
    /// Probability that a datagram is held back, so that those behind it can overtake. Default 0.
    pub reorder: f64,
    /// How long such a datagram is held back. Default 10 ms.
    pub reorder_delay: Duration,
    /// Probability that a datagram arrives twice. Default 0.
    pub duplicate: f64,
    /// The copy arrives up to this long after the original, uniformly. Default 10 ms.
    pub duplicate_delay_max: Duration,
    /// Probability that bits of a datagram are flipped. Default 0.
    pub corrupt: f64,
    /// From 1 to this many different bits are flipped, uniformly. At most [`CORRUPT_BITS_MAX`]; default 3.
    pub corrupt_bits_max: u32,
    /// The narrowest place of the path. Default none: any rate goes through.
    pub bottleneck: Option<Bottleneck>,
    /// Header bytes that the rate, the queue and the MTU count per datagram beside its payload. Default
    /// [`IPV4_UDP_HEADER_BYTES`].
    pub header_bytes: u32,
    /// Largest packet, headers included (1,500 for Ethernet); larger ones are dropped. Default none.
    pub mtu_bytes: Option<u32>,
}

impl Default for LinkConditions {
    fn default() -> Self {
        Self {
            loss: 0.0,
            burst: None,
            delay: Duration::ZERO,
            jitter: Jitter::None,
            jitter_reorders: false,
            reorder: 0.0,
            reorder_delay: Duration::from_millis(10),
            duplicate: 0.0,
            duplicate_delay_max: Duration::from_millis(10),
            corrupt: 0.0,
            corrupt_bits_max: 3,
            bottleneck: None,
            header_bytes: IPV4_UDP_HEADER_BYTES,
            mtu_bytes: None,
        }
    }
}

impl LinkConditions {
    /// Checks that every knob is within its limits and that they fit together.
    ///
    /// # Errors
    /// The first knob, in the order of the fields, that is out of its limits.
    pub fn validate(&self) -> Result<(), ConditionsError> {
        check_probability("loss", self.loss)?;
        if let Some(burst) = &self.burst {
            burst.validate()?;
        }
        check_time("delay", self.delay)?;
        self.jitter.validate(self.delay)?;
        check_probability("reorder", self.reorder)?;
        check_time("reorder_delay", self.reorder_delay)?;
        check_probability("duplicate", self.duplicate)?;
        check_time("duplicate_delay_max", self.duplicate_delay_max)?;
        check_probability("corrupt", self.corrupt)?;
        if !(1..=CORRUPT_BITS_MAX).contains(&self.corrupt_bits_max) {
            return Err(ConditionsError::CorruptBits { bits: self.corrupt_bits_max });
        }
        if let Some(bottleneck) = self.bottleneck
            && !(1..=RATE_MAX).contains(&bottleneck.bytes_per_second)
        {
            return Err(ConditionsError::Rate { bytes_per_second: bottleneck.bytes_per_second });
        }
        match self.mtu_bytes {
            Some(mtu_bytes) if mtu_bytes <= self.header_bytes => {
                Err(ConditionsError::Mtu { mtu_bytes, header_bytes: self.header_bytes })
            }
            _ => Ok(()),
        }
    }

    /// The least delay that the wire can add to a datagram.
    pub(super) fn shortest_delay(&self) -> Duration {
        self.jitter.delay_at(self.delay, 0)
    }
}

/// The narrowest place of a path: a rate, and a queue before it that drops what does not fit (drop-tail).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bottleneck {
    /// Rate in bytes per second, headers included; 1 to [`RATE_MAX`].
    pub bytes_per_second: u64,
    /// Most bytes that may wait, headers and the datagram being sent included. An idle link takes one datagram
    /// of any size; so 0 means that nothing ever waits.
    pub queue_bytes: u64,
}

impl Bottleneck {
    /// A bottleneck whose full queue takes `queue_time` to send.
    #[must_use]
    pub fn with_queue_time(bytes_per_second: u64, queue_time: Duration) -> Self {
        let bytes = u128::from(bytes_per_second).saturating_mul(queue_time.as_micros()) / 1_000_000;
        Self { bytes_per_second, queue_bytes: u64::try_from(bytes).unwrap_or(u64::MAX) }
    }
}

pub(super) fn check_probability(knob: &'static str, value: f64) -> Result<(), ConditionsError> {
    // Not a number is in no range.
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(ConditionsError::Probability { knob, value }) }
}

pub(super) fn check_time(knob: &'static str, value: Duration) -> Result<(), ConditionsError> {
    if value <= DELAY_MAX { Ok(()) } else { Err(ConditionsError::TooLong { knob, value }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_out_of_its_limits_is_refused_by_name() {
        let ms = Duration::from_millis;
        let too_long = DELAY_MAX + Duration::from_micros(1);
        let ok = LinkConditions::default();
        let stuck = BurstLoss { enter_bad: 2.0, leave_bad: 0.0, loss_in_good: 0.0, loss_in_bad: 1.0 };
        let median_beyond_p99 = Jitter::Skewed { median: ms(3), p99: ms(2), max: ms(9) };
        let rate = |bytes_per_second| Some(Bottleneck { bytes_per_second, queue_bytes: 0 });
        let refused = [
            (LinkConditions { loss: 1.01, ..ok }, "loss of 1.01 is not a probability from 0 to 1"),
            (LinkConditions { loss: f64::NAN, ..ok }, "loss of NaN is not a probability from 0 to 1"),
            (
                LinkConditions { burst: Some(stuck), ..ok },
                "burst.enter_bad of 2 is not a probability from 0 to 1",
            ),
            (LinkConditions { delay: too_long, ..ok }, "delay of 60.000001s exceeds the limit of 60s"),
            (
                LinkConditions { delay: ms(4), jitter: Jitter::Uniform { half_width: ms(5) }, ..ok },
                "uniform jitter of ±5ms exceeds the delay of 4ms",
            ),
            (
                LinkConditions { jitter: median_beyond_p99, ..ok },
                "skewed jitter needs median ≤ p99 ≤ max, not 3ms, 2ms, 9ms",
            ),
            (LinkConditions { reorder: -0.5, ..ok }, "reorder of -0.5 is not a probability from 0 to 1"),
            (
                LinkConditions { reorder_delay: too_long, ..ok },
                "reorder_delay of 60.000001s exceeds the limit of 60s",
            ),
            (LinkConditions { duplicate: 2.0, ..ok }, "duplicate of 2 is not a probability from 0 to 1"),
            (
                LinkConditions { duplicate_delay_max: too_long, ..ok },
                "duplicate_delay_max of 60.000001s exceeds the limit of 60s",
            ),
            (LinkConditions { corrupt: 7.0, ..ok }, "corrupt of 7 is not a probability from 0 to 1"),
            (LinkConditions { corrupt_bits_max: 0, ..ok }, "corruption of 0 bits is not in 1 to 64"),
            (LinkConditions { corrupt_bits_max: 65, ..ok }, "corruption of 65 bits is not in 1 to 64"),
            (LinkConditions { bottleneck: rate(0), ..ok }, "rate of 0 bytes/s is not in 1 to 125000000000"),
            (
                LinkConditions { bottleneck: rate(RATE_MAX + 1), ..ok },
                "rate of 125000000001 bytes/s is not in 1 to 125000000000",
            ),
            (
                LinkConditions { mtu_bytes: Some(28), ..ok },
                "mtu of 28 bytes leaves no room after 28 bytes of headers",
            ),
        ];
        assert_eq!(ok.validate(), Ok(()));
        for (conditions, message) in refused {
            assert_eq!(conditions.validate().expect_err(message).to_string(), message);
        }
    }

    #[test]
    fn a_queue_can_be_given_as_the_time_it_takes() {
        let bottleneck = Bottleneck::with_queue_time(1_250_000, Duration::from_secs(1));
        assert_eq!(bottleneck, Bottleneck { bytes_per_second: 1_250_000, queue_bytes: 1_250_000 });
        assert_eq!(Bottleneck::with_queue_time(u64::MAX, Duration::MAX).queue_bytes, u64::MAX);
    }
}
