//! Integers and byte strings as they stand on the wire: little-endian, and LEB128 for varints.
//!
//! [`Reader`] takes from a slice and never panics; [`Put`] appends to a `Vec<u8>`. The rules are those of
//! `docs/PROTOCOL.md`, "Conventions": a varint that could be shorter is malformed, so every value has exactly
//! one encoding.

use std::fmt;

/// Longest encoding of a varint: ten bytes carry 64 bits.
pub const VARINT_BYTES_MAX: usize = 10;

/// Why bytes could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The input ended inside a field.
    UnexpectedEnd,
    /// A varint had more bytes than its value needs, or more than 64 bits.
    OverlongVarint,
    /// A value lies outside what its field allows.
    OutOfRange,
    /// Reserved bits were not zero, or bytes follow where the structure ends.
    Reserved,
    /// A type byte that this version does not define.
    UnknownType,
    /// A frame where none of its kind may stand.
    Misplaced,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnexpectedEnd => "input ends inside a field",
            Self::OverlongVarint => "varint is longer than its value needs",
            Self::OutOfRange => "value outside the range of its field",
            Self::Reserved => "reserved bits set or bytes left over",
            Self::UnknownType => "unknown type",
            Self::Misplaced => "frame of a kind that must not stand there",
        })
    }
}

impl std::error::Error for DecodeError {}

/// Takes fields from the front of a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not yet taken.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything was taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes `count` bytes.
    #[inline]
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes `N` bytes as an array.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Takes one byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Takes a 16-bit integer.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Takes a 24-bit integer.
    #[inline]
    pub fn u24(&mut self) -> Result<u32, DecodeError> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }

    /// Takes a 32-bit integer.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Takes a 64-bit integer.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Takes a varint.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7F);
        for index in 1..VARINT_BYTES_MAX {
            let byte = self.u8()?;
            let shift = 7 * index as u32;
            // The tenth byte holds bit 63 alone.
            if shift == 63 && byte > 1 {
                return Err(DecodeError::OverlongVarint);
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return if byte == 0 { Err(DecodeError::OverlongVarint) } else { Ok(value) };
            }
        }
        Err(DecodeError::OverlongVarint)
    }

    /// Takes a varint that must lie in `range`.
    #[inline]
    pub fn varint_in(&mut self, range: std::ops::RangeInclusive<u64>) -> Result<u64, DecodeError> {
        let value = self.varint()?;
        if range.contains(&value) { Ok(value) } else { Err(DecodeError::OutOfRange) }
    }

    /// Succeeds only if everything was taken.
    pub const fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Reserved) }
    }
}

/// Appends fields to a growing buffer.
pub trait Put {
    /// Appends raw bytes.
    fn put_bytes(&mut self, bytes: &[u8]);

    /// Appends one byte.
    fn put_u8(&mut self, value: u8) {
        self.put_bytes(&[value]);
    }

    /// Appends a 16-bit integer.
    fn put_u16(&mut self, value: u16) {
        self.put_bytes(&value.to_le_bytes());
    }

    /// Appends the low 24 bits.
    fn put_u24(&mut self, value: u32) {
        let [a, b, c, _] = value.to_le_bytes();
        self.put_bytes(&[a, b, c]);
    }

    /// Appends a 32-bit integer.
    fn put_u32(&mut self, value: u32) {
        self.put_bytes(&value.to_le_bytes());
    }

    /// Appends a 64-bit integer.
    fn put_u64(&mut self, value: u64) {
        self.put_bytes(&value.to_le_bytes());
    }

    /// Appends a varint in its shortest form.
    #[inline]
    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.put_u8(value as u8);
    }
}

impl Put for Vec<u8> {
    #[inline]
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
}

/// Bytes that [`Put::put_varint`] takes for `value`.
#[must_use]
#[inline]
pub const fn varint_bytes(value: u64) -> usize {
    let bits = 64 - value.leading_zeros() as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

/// Expands the low `bits` bits of a number to the full number nearest to `reference`.
///
/// This is RFC 9000, appendix A.3, for any width from 1 to 32 bits. Near both ends of the 64-bit range the
/// candidate that does not leave it is taken.
#[must_use]
#[inline]
pub const fn expand_truncated(truncated: u64, bits: u32, reference: u64) -> u64 {
    let window = 1u64 << bits;
    let half = window / 2;
    let candidate = (reference & !(window - 1)) | truncated;
    if candidate < reference && reference - candidate >= half {
        match candidate.checked_add(window) {
            Some(higher) => higher,
            None => candidate,
        }
    } else if candidate > reference && candidate - reference > half && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_varint_length_round_trips_at_its_edges() {
        for bits in 0..64 {
            for value in [1u64 << bits, (1u64 << bits) - 1, u64::MAX >> (63 - bits)] {
                let mut bytes = Vec::new();
                bytes.put_varint(value);
                assert_eq!(bytes.len(), varint_bytes(value), "{value}");
                let mut reader = Reader::new(&bytes);
                assert_eq!(reader.varint(), Ok(value));
                assert!(reader.is_empty());
            }
        }
    }

    #[test]
    fn overlong_and_oversized_varints_are_refused() {
        for bytes in [
            &[0x80, 0x00][..],
            &[0xFF, 0x80, 0x00],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        ] {
            assert_eq!(Reader::new(bytes).varint(), Err(DecodeError::OverlongVarint), "{bytes:02x?}");
        }
        assert_eq!(Reader::new(&[0x80]).varint(), Err(DecodeError::UnexpectedEnd));
    }

    #[test]
    fn integers_are_little_endian() {
        let mut bytes = Vec::new();
        bytes.put_u8(1);
        bytes.put_u16(0x0302);
        bytes.put_u24(0x06_0504);
        bytes.put_u32(0x0A09_0807);
        bytes.put_u64(0x1211_100F_0E0D_0C0B);
        assert_eq!(bytes, (1..=0x12).collect::<Vec<u8>>());
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(0x0302));
        assert_eq!(reader.u24(), Ok(0x06_0504));
        assert_eq!(reader.u32(), Ok(0x0A09_0807));
        assert_eq!(reader.u64(), Ok(0x1211_100F_0E0D_0C0B));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn truncated_numbers_expand_to_the_nearest_one() {
        // A small width makes the whole neighbourhood checkable by definition.
        for reference in (0..600u64).chain(u64::MAX - 600..=u64::MAX) {
            for distance in -7i64..=8 {
                let Some(number) = reference.checked_add_signed(distance) else { continue };
                assert_eq!(expand_truncated(number & 0xF, 4, reference), number, "{reference} {distance}");
            }
        }
    }
}
