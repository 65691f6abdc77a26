//! Why conditions are refused.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why [`LinkConditions`](super::LinkConditions) (or a part of them) cannot be used.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConditionsError {
    /// A probability is not in 0 to 1.
    Probability {
        /// The field.
        knob: &'static str,
        /// Its value.
        value: f64,
    },
    /// A time is longer than [`DELAY_MAX`](super::DELAY_MAX).
    TooLong {
        /// The field.
        knob: &'static str,
        /// Its value.
        value: Duration,
    },
    /// Uniform jitter would let datagrams arrive before they were sent.
    JitterBeyondDelay {
        /// Half the width of the jitter.
        half_width: Duration,
        /// The base delay.
        delay: Duration,
    },
    /// Skewed jitter needs median ≤ p99 ≤ max.
    JitterOrder {
        /// The median.
        median: Duration,
        /// The 99th percentile.
        p99: Duration,
        /// The cap.
        max: Duration,
    },
    /// A rate is 0 (a partition says that better) or above [`RATE_MAX`](super::RATE_MAX).
    Rate {
        /// The rate in bytes per second.
        bytes_per_second: u64,
    },
    /// The headers alone fill the MTU.
    Mtu {
        /// The MTU in bytes.
        mtu_bytes: u32,
        /// Header bytes per datagram.
        header_bytes: u32,
    },
    /// The number of bits to flip is not in 1 to [`CORRUPT_BITS_MAX`](super::CORRUPT_BITS_MAX).
    CorruptBits {
        /// The number of bits.
        bits: u32,
    },
    /// A mean burst length is below 1, not a number, or too short for so much loss.
    BurstLength {
        /// Mean burst length in datagrams.
        datagrams: f64,
        /// Mean loss.
        mean_loss: f64,
    },
}

impl ConditionsError {
    /// A number for the kind of error that never changes its meaning.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::Probability { .. } => 1,
            Self::TooLong { .. } => 2,
            Self::JitterBeyondDelay { .. } => 3,
            Self::JitterOrder { .. } => 4,
            Self::Rate { .. } => 5,
            Self::Mtu { .. } => 6,
            Self::CorruptBits { .. } => 7,
            Self::BurstLength { .. } => 8,
        }
    }
}

impl fmt::Display for ConditionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probability { knob, value } => {
                write!(f, "{knob} of {value} is not a probability from 0 to 1")
            }
            Self::TooLong { knob, value } => {
                write!(f, "{knob} of {value:?} exceeds the limit of {:?}", super::DELAY_MAX)
            }
            Self::JitterBeyondDelay { half_width, delay } => {
                write!(f, "uniform jitter of ±{half_width:?} exceeds the delay of {delay:?}")
            }
            Self::JitterOrder { median, p99, max } => {
                write!(f, "skewed jitter needs median ≤ p99 ≤ max, not {median:?}, {p99:?}, {max:?}")
            }
            Self::Rate { bytes_per_second } => {
                write!(f, "rate of {bytes_per_second} bytes/s is not in 1 to {}", super::RATE_MAX)
            }
            Self::Mtu { mtu_bytes, header_bytes } => {
                write!(f, "mtu of {mtu_bytes} bytes leaves no room after {header_bytes} bytes of headers")
            }
            Self::CorruptBits { bits } => {
                write!(f, "corruption of {bits} bits is not in 1 to {}", super::CORRUPT_BITS_MAX)
            }
            Self::BurstLength { datagrams, mean_loss } => {
                write!(f, "bursts of {datagrams} datagrams cannot make a mean loss of {mean_loss}")
            }
        }
    }
}

impl Error for ConditionsError {}
