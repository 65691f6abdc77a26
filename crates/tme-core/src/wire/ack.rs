//! The three forms of the ACK frame (`docs/PROTOCOL.md`, section 6).

use std::time::Duration;

use super::frame::{ACK, ACK_GAPS, ACK_RANGES};
use crate::codec::{DecodeError, Put, Reader};

/// Most ranges below the bit field that one ACK carries.
pub const ACK_RANGES_MAX: usize = 32;
/// Numbers that the bit field covers.
pub const ACK_FIELD_BITS: u64 = 64;

const DELAY_UNIT_MICROS: u128 = 16;

/// Packets missing, then packets received, going down from where the previous range ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AckRange {
    /// Numbers not received.
    pub gap: u64,
    /// Numbers received below them.
    pub length: u64,
}

/// What one ACK frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// Low 32 bits of the largest number received.
    pub newest: u32,
    /// How long that packet was held, in units of 16 µs.
    pub delay: AckDelay,
    /// Bit *i* tells whether `newest − 1 − i` was received.
    pub field: u64,
    /// Ranges below the field, newest first.
    pub ranges: AckRanges<'a>,
}

/// An acknowledgement delay as it travels: units of 16 µs, saturating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckDelay(pub u16);

impl From<Duration> for AckDelay {
    fn from(delay: Duration) -> Self {
        Self(u16::try_from(delay.as_micros() / DELAY_UNIT_MICROS).unwrap_or(u16::MAX))
    }
}

impl From<AckDelay> for Duration {
    fn from(delay: AckDelay) -> Self {
        Self::from_micros(u64::from(delay.0) * DELAY_UNIT_MICROS as u64)
    }
}

/// Ranges in their encoded form, borrowed from a packet or from an [`AckRangeBuffer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AckRanges<'a> {
    encoded: &'a [u8],
    count: u8,
}

impl<'a> AckRanges<'a> {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The ranges, newest first.
    pub fn iter(&self) -> impl Iterator<Item = AckRange> + use<'a> {
        let mut reader = Reader::new(self.encoded);
        std::iter::from_fn(move || {
            Some(AckRange { gap: reader.varint().ok()?, length: reader.varint().ok()? })
        })
    }

    /// Takes `count` ranges and checks every one.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = reader.u8()?;
        if !(1..=ACK_RANGES_MAX).contains(&usize::from(count)) {
            return Err(DecodeError::OutOfRange);
        }
        let mut ahead = reader.clone();
        for index in 0..count {
            ahead.varint_in(u64::from(index > 0)..=u64::from(u32::MAX))?;
            ahead.varint_in(1..=u64::from(u32::MAX))?;
        }
        let encoded = reader.bytes(reader.remaining() - ahead.remaining())?;
        Ok(Self { encoded, count })
    }
}

/// Collects up to [`ACK_RANGES_MAX`] ranges on the stack.
#[derive(Debug)]
pub struct AckRangeBuffer {
    encoded: [u8; ACK_RANGES_MAX * 8],
    used: usize,
    count: u8,
}

impl Default for AckRangeBuffer {
    fn default() -> Self {
        Self { encoded: [0; ACK_RANGES_MAX * 8], used: 0, count: 0 }
    }
}

impl AckRangeBuffer {
    /// Adds a range; `false` if there is no room left or the range is longer than any replay window.
    pub fn push(&mut self, range: AckRange) -> bool {
        const RANGE_MAX: u64 = 1 << 28; // four bytes each as varints
        if usize::from(self.count) >= ACK_RANGES_MAX || range.gap >= RANGE_MAX || range.length >= RANGE_MAX {
            return false;
        }
        for mut value in [range.gap, range.length] {
            while value >= 0x80 {
                self.put(value as u8 | 0x80);
                value >>= 7;
            }
            self.put(value as u8);
        }
        self.count += 1;
        true
    }

    fn put(&mut self, byte: u8) {
        if let Some(place) = self.encoded.get_mut(self.used) {
            *place = byte;
            self.used += 1;
        }
    }

    /// What was collected.
    #[must_use]
    pub fn ranges(&self) -> AckRanges<'_> {
        AckRanges { encoded: self.encoded.get(..self.used).unwrap_or_default(), count: self.count }
    }
}

impl<'a> Ack<'a> {
    /// Appends the shortest of the three forms.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = match (self.ranges.is_empty(), self.field == u64::MAX) {
            (true, true) => ACK,
            (true, false) => ACK_GAPS,
            (false, _) => ACK_RANGES,
        };
        out.put_u8(kind);
        out.put_u32(self.newest);
        out.put_u16(self.delay.0);
        if kind == ACK {
            return;
        }
        let field = self.field.to_le_bytes();
        let mask =
            field.iter().enumerate().fold(0u8, |mask, (k, &byte)| mask | (u8::from(byte != 0xFF) << k));
        out.put_u8(mask);
        field.iter().filter(|&&byte| byte != 0xFF).for_each(|&byte| out.put_u8(byte));
        if kind == ACK_GAPS {
            return;
        }
        out.put_u8(self.ranges.count);
        out.put_bytes(self.ranges.encoded);
    }

    /// Takes what follows the type byte `kind`.
    pub fn decode(kind: u8, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let newest = reader.u32()?;
        let delay = AckDelay(reader.u16()?);
        let mut ack = Self { newest, delay, field: u64::MAX, ranges: AckRanges::default() };
        if kind == ACK {
            return Ok(ack);
        }
        let mask = reader.u8()?;
        // Every meaning has one form: a full field without ranges is an ACK without gaps, a full byte is left out.
        if kind == ACK_GAPS && mask == 0 {
            return Err(DecodeError::OutOfRange);
        }
        let mut field = [0xFF; 8];
        for (k, byte) in field.iter_mut().enumerate() {
            if mask & (1 << k) != 0 {
                *byte = reader.u8()?;
                if *byte == 0xFF {
                    return Err(DecodeError::OutOfRange);
                }
            }
        }
        ack.field = u64::from_le_bytes(field);
        if kind == ACK_GAPS {
            return Ok(ack);
        }
        ack.ranges = AckRanges::decode(reader)?;
        Ok(ack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(ack: &Ack<'_>) -> usize {
        let mut bytes = Vec::new();
        ack.encode(&mut bytes);
        let mut reader = Reader::new(&bytes);
        let kind = reader.u8().unwrap();
        assert_eq!(Ack::decode(kind, &mut reader).as_ref(), Ok(ack));
        assert!(reader.is_empty());
        for length in 1..bytes.len() {
            assert!(Ack::decode(kind, &mut Reader::new(&bytes[1..length])).is_err(), "cut at {length}");
        }
        bytes.len()
    }

    #[test]
    fn each_form_is_as_short_as_what_it_has_to_say() {
        let mut ack = Ack { newest: 9, delay: AckDelay(3), field: u64::MAX, ranges: AckRanges::default() };
        assert_eq!(round_trip(&ack), 7);
        ack.field = !0b100;
        assert_eq!(round_trip(&ack), 9);
        ack.field = 0;
        assert_eq!(round_trip(&ack), 16);
        let mut buffer = AckRangeBuffer::default();
        let ranges = [AckRange { gap: 0, length: 5 }, AckRange { gap: 300, length: 1 }];
        assert!(ranges.into_iter().all(|range| buffer.push(range)));
        assert_eq!(buffer.ranges().iter().collect::<Vec<_>>(), ranges);
        ack.ranges = buffer.ranges();
        assert_eq!(round_trip(&ack), 16 + 1 + 2 + 3);
    }

    #[test]
    fn ranges_without_a_length_or_a_gap_are_malformed() {
        let prefix = [0, 0, 0, 0, 0, 0, 0];
        for tail in [&[0][..], &[33], &[1, 0, 0], &[2, 0, 1, 0, 1]] {
            let bytes = [&prefix[..], tail].concat();
            assert!(Ack::decode(ACK_RANGES, &mut Reader::new(&bytes)).is_err(), "{tail:?}");
        }
    }

    #[test]
    fn every_meaning_has_one_form() {
        let prefix = [0, 0, 0, 0, 0, 0];
        let cases: [(u8, &[u8], bool); 6] = [
            (ACK_GAPS, &[0b0000_0010, 0xFE], true),
            (ACK_GAPS, &[0b0000_0010, 0xFF], false),
            (ACK_GAPS, &[0b0000_0011, 0x00, 0xFF], false),
            (ACK_GAPS, &[0], false),
            (ACK_RANGES, &[0, 1, 1, 1], true),
            (ACK_RANGES, &[0b1000_0000, 0xFF, 1, 1, 1], false),
        ];
        for (kind, tail, is_fine) in cases {
            let bytes = [&prefix[..], tail].concat();
            assert_eq!(Ack::decode(kind, &mut Reader::new(&bytes)).is_ok(), is_fine, "{kind} {tail:02x?}");
        }
    }

    #[test]
    fn delays_saturate() {
        assert_eq!(AckDelay::from(Duration::from_secs(60)), AckDelay(u16::MAX));
        assert_eq!(AckDelay::from(Duration::from_micros(47)), AckDelay(2));
        assert_eq!(Duration::from(AckDelay(2)), Duration::from_micros(32));
    }
}
