//! Random variation of the delay.

use super::conditions::check_time;
use super::error::ConditionsError;
use crate::time::Duration;

/// How the delay varies from datagram to datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Every datagram takes the same time.
    #[default]
    None,
    /// The delay is uniform in `delay ± half_width`.
    Uniform {
        /// At most the delay itself.
        half_width: Duration,
    },
    /// An extra delay, mostly small and sometimes large, is added to `delay`: the shape that radio links and
    /// busy routers show.
    ///
    /// Half of the datagrams get an extra that is uniform in 0 to `median`; the other half has an exponential
    /// tail beyond the median, which one in a hundred follows beyond `p99`. What exceeds `max` becomes `max`.
    Skewed {
        /// Half of the datagrams get less extra delay than this.
        median: Duration,
        /// 99 of 100 datagrams get less than this; at least `median`.
        p99: Duration,
        /// No datagram gets more than this; at least `p99`.
        max: Duration,
    },
}

/// log2(50) with 16 fractional bits. The tail begins at the median, where half of the datagrams remain; at p99
/// one of 50 of these remains.
const LOG2_50_Q16: u128 = 369_876;

impl Jitter {
    pub(super) fn validate(&self, delay: Duration) -> Result<(), ConditionsError> {
        match *self {
            Self::None => Ok(()),
            Self::Uniform { half_width } if half_width > delay => {
                Err(ConditionsError::JitterBeyondDelay { half_width, delay })
            }
            Self::Uniform { .. } => Ok(()),
            Self::Skewed { median, p99, max } if median > p99 || p99 > max => {
                Err(ConditionsError::JitterOrder { median, p99, max })
            }
            Self::Skewed { max, .. } => check_time("jitter.max", max),
        }
    }

    /// The whole delay for one quantile of the distribution: 0 is the least, `u64::MAX` the most. Given
    /// uniformly random quantiles, the results follow the distribution. Integers only, so every platform agrees.
    pub(super) fn delay_at(&self, delay: Duration, quantile: u64) -> Duration {
        match *self {
            Self::None => delay,
            Self::Uniform { half_width } => {
                let width = 2 * half_width.as_micros();
                delay - half_width + micros(scale(width + 1, quantile))
            }
            Self::Skewed { median, p99, max } => delay + skewed(median, p99, quantile).min(max),
        }
    }
}

/// The quantile function of [`Jitter::Skewed`] without its cap.
fn skewed(median: Duration, p99: Duration, quantile: u64) -> Duration {
    const HALF: u64 = 1 << 63;
    if quantile < HALF {
        return micros(scale(median.as_micros(), quantile << 1));
    }
    let halvings_q16 = minus_log2_q16(u64::MAX - quantile);
    let span = (p99 - median).as_micros();
    median + micros((span * u128::from(halvings_q16) + LOG2_50_Q16 / 2) / LOG2_50_Q16)
}

/// `-log2((n + 1) / 2^63)` for `n` below 2^63, with 16 fractional bits.
fn minus_log2_q16(n: u64) -> u64 {
    let n = n + 1;
    let whole = n.ilog2();
    // The mantissa is in 1 to below 2, with 63 fractional bits. Squaring it doubles its logarithm; whether the
    // square reaches 2 is the logarithm's next binary digit.
    let mut mantissa = n << (63 - whole);
    let mut fraction = 0;
    for _ in 0..16 {
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        let digit = (square >> 64) as u64;
        mantissa = (square >> digit) as u64;
        fraction = fraction << 1 | digit;
    }
    (63 << 16) - (u64::from(whole) << 16 | fraction)
}

/// `value · quantile / 2^64`, rounded down. Values come from validated times, so the product fits.
fn scale(value: u128, quantile: u64) -> u128 {
    (value * u128::from(quantile)) >> 64
}

/// Microseconds as a duration. The caller's value stems from [`Duration`]s below a minute times at most 12.
fn micros(value: u128) -> Duration {
    Duration::from_micros(u64::try_from(value).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn quantile(share: f64) -> u64 {
        (share * 2f64.powi(64)) as u64
    }

    fn close(actual: Duration, expected: Duration) -> bool {
        actual.abs_diff(expected) <= Duration::from_micros(2) + expected / 2_000
    }

    #[test]
    fn uniform_jitter_is_centred_and_reaches_both_ends() {
        let jitter = Jitter::Uniform { half_width: MS(5) };
        for (share, expected) in [(0.0, MS(20)), (0.25, Duration::from_micros(22_500)), (0.5, MS(25))] {
            assert!(close(jitter.delay_at(MS(25), quantile(share)), expected));
        }
        assert_eq!(jitter.delay_at(MS(25), u64::MAX), MS(30));
    }

    #[test]
    fn skewed_jitter_has_the_median_the_p99_and_the_cap_it_was_given() {
        let jitter = Jitter::Skewed { median: MS(4), p99: MS(40), max: MS(100) };
        let table = [
            (0.0, MS(10)),
            (0.25, MS(12)),
            (0.5, MS(14)),
            // Half of the tail's datagrams remain after 36 ms / log2(50).
            (0.75, MS(14) + Duration::from_micros(6_379)),
            (0.99, MS(50)),
            (0.9999, MS(50) + Duration::from_micros(42_379)),
        ];
        for (share, expected) in table {
            let actual = jitter.delay_at(MS(10), quantile(share));
            assert!(close(actual, expected), "{share}: {actual:?}, not {expected:?}");
        }
        assert_eq!(jitter.delay_at(MS(10), u64::MAX), MS(110));
    }

    #[test]
    fn a_higher_quantile_never_means_less_delay() {
        let jitters = [
            Jitter::None,
            Jitter::Uniform { half_width: MS(3) },
            Jitter::Skewed { median: MS(1), p99: MS(20), max: MS(60) },
            Jitter::Skewed { median: MS(0), p99: MS(60_000), max: MS(60_000) },
        ];
        for jitter in jitters {
            let delays: Vec<_> =
                (0..=1 << 12).map(|n: u64| jitter.delay_at(MS(5), n.saturating_mul(1 << 52))).collect();
            assert!(delays.is_sorted(), "{jitter:?}");
        }
    }

    #[test]
    fn the_logarithm_is_right_to_sixteen_bits() {
        for n in [0, 1, 2, 6, 99, 12_345, 1 << 40, (1 << 62) - 1, (1 << 63) - 1] {
            let exact = 63.0 - ((n + 1) as f64).log2();
            let ours = minus_log2_q16(n) as f64 / 65_536.0;
            assert!((ours - exact).abs() < 2.0 / 65_536.0, "{n}: {ours}, not {exact}");
        }
    }
}
