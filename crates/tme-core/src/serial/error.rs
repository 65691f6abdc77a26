//! What keeps a value from being written, and bytes from being read.

use std::fmt;

use super::limits::{DEPTH_MAX, MEMORY_BYTES_FREE};

/// Why a value has no encoding.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum EncodeError {
    /// An integer outside its range.
    OutOfRange {
        /// Which field.
        field: &'static str,
        /// What it was.
        value: i128,
        /// The least it may be.
        low: i128,
        /// The most it may be.
        high: i128,
    },
    /// A number that its form cannot express: not a number, infinite, a quaternion of length 0, or too many steps.
    NotExpressible {
        /// Which field.
        field: &'static str,
        /// What it was; of a quaternion its length.
        value: f64,
    },
    /// More elements or bytes than the field may have.
    TooLong {
        /// Which field.
        field: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// Lists, maps, sets and boxes too deep in each other.
    TooDeep,
    /// More bytes than the writer takes.
    TooLarge {
        /// How many it takes.
        max: usize,
    },
}

impl EncodeError {
    /// Stable number of the kind, the same in every language; those that a reader has too have its numbers.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::OutOfRange { .. } => 3,
            Self::TooLong { .. } => 6,
            Self::TooDeep => 9,
            Self::NotExpressible { .. } => 14,
            Self::TooLarge { .. } => 15,
        }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { field, value, low, high } => {
                write!(f, "{}{value} is outside {low}..={high}", Named(field))
            }
            Self::NotExpressible { field, value } => {
                write!(f, "{}{value} cannot be expressed in its form", Named(field))
            }
            Self::TooLong { field, count, max } => {
                write!(f, "{}{count} elements exceed the limit of {max}", Named(field))
            }
            Self::TooDeep => write!(f, "values more than {DEPTH_MAX} deep in each other"),
            Self::TooLarge { max } => write!(f, "the encoding exceeds {max} bytes"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// The name of a field in front of what is wrong with it, if there is one.
struct Named<'a>(&'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

/// Why bytes are not the encoding of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformation {
    /// The message ends in the middle of a value.
    End,
    /// A varint that is longer than necessary, or more than its integer holds.
    Varint,
    /// A value outside its range, or a character that is none.
    Range,
    /// Text that is not UTF-8.
    Utf8,
    /// A count or a length that what is left cannot hold.
    Count,
    /// More elements or bytes than the program takes.
    TooLong,
    /// Keys of a map or a set that do not ascend.
    Order,
    /// A variant that the program does not know.
    Variant,
    /// Lists, maps, sets and boxes too deep in each other.
    Depth,
    /// Values that would take more memory than their bytes justify.
    Memory,
    /// Bytes behind the end that are no additions of a later version.
    LeftOver,
    /// An unused bit that is not zero.
    Padding,
    /// A message that the program does not know.
    UnknownMessage {
        /// Its id.
        id: u32,
    },
}

/// Bytes that cannot be read: what is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub what: Malformation,
    /// How many bytes had been read by then.
    pub at: usize,
}

impl DecodeError {
    /// Stable number of the kind, the same in every language: `docs/SERIALIZATION.md` §8.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self.what {
            Malformation::End => 1,
            Malformation::Varint => 2,
            Malformation::Range => 3,
            Malformation::Utf8 => 4,
            Malformation::Count => 5,
            Malformation::TooLong => 6,
            Malformation::Order => 7,
            Malformation::Variant => 8,
            Malformation::Depth => 9,
            Malformation::Memory => 10,
            Malformation::LeftOver => 11,
            Malformation::Padding => 12,
            Malformation::UnknownMessage { .. } => 13,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        match self.what {
            Malformation::End => write!(f, "the message ends in the middle of a value, after {at} bytes"),
            Malformation::Varint => write!(f, "a varint before byte {at} is overlong or too large"),
            Malformation::Range => write!(f, "a value before byte {at} is outside its range"),
            Malformation::Utf8 => write!(f, "a text before byte {at} is not UTF-8"),
            Malformation::Count => write!(f, "a count before byte {at} is more than the message holds"),
            Malformation::TooLong => write!(f, "a count before byte {at} is more than the program takes"),
            Malformation::Order => write!(f, "keys before byte {at} do not ascend"),
            Malformation::Variant => write!(f, "an unknown variant before byte {at}"),
            Malformation::Depth => write!(f, "values before byte {at} are more than {DEPTH_MAX} deep"),
            Malformation::Memory => {
                let free = MEMORY_BYTES_FREE / 1_024;
                write!(
                    f,
                    "values before byte {at} take more memory than {free} KiB and 64 bytes for each byte"
                )
            }
            Malformation::LeftOver => write!(f, "bytes are left over from byte {at} on"),
            Malformation::Padding => write!(f, "an unused bit before byte {at} is not zero"),
            Malformation::UnknownMessage { id } => write!(f, "there is no message with id {id}"),
        }
    }
}

impl std::error::Error for DecodeError {}
