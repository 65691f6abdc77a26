//! The clear header of a data packet (`docs/PROTOCOL.md`, section 5).

use crate::codec::{Put, expand_truncated};

/// Flag that every data packet has set; no handshake datagram and no STUN message has.
const DATA: u8 = 0b1000_0000;
const RESERVED: u8 = 0b0111_1100;
const KEY_PHASE: u8 = 0b0000_0010;
const LONG_NUMBER: u8 = 0b0000_0001;

/// Shortest header in bytes: flags, connection id, two-byte packet number.
pub const HEADER_BYTES_MIN: usize = 7;
/// Longest header in bytes, with a four-byte packet number.
pub const HEADER_BYTES_MAX: usize = 9;

/// Which datagrams are data packets: the top bit of the first byte decides.
#[must_use]
#[inline]
pub fn is_data_packet(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & DATA != 0)
}

/// Generation of the packet keys modulo two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPhase(pub bool);

/// A packet number as it travels: its low 16 or 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TruncatedNumber {
    /// The low 16 bits.
    Short(u16),
    /// The low 32 bits.
    Long(u32),
}

impl TruncatedNumber {
    /// Chooses the width so that the span since the largest acknowledged number stays under half its range.
    #[must_use]
    #[inline]
    pub fn new(number: u64, largest_acknowledged: Option<u64>) -> Self {
        let span =
            largest_acknowledged.map_or(number.saturating_add(1), |acked| number.saturating_sub(acked));
        if span < 1 << 15 { Self::Short(number as u16) } else { Self::Long(number as u32) }
    }

    /// The full number: the one nearest to the successor of the largest received.
    #[must_use]
    #[inline]
    pub fn expand(self, largest_received: Option<u64>) -> u64 {
        let reference = largest_received.map_or(0, |largest| largest.saturating_add(1));
        match self {
            Self::Short(low) => expand_truncated(u64::from(low), 16, reference),
            Self::Long(low) => expand_truncated(u64::from(low), 32, reference),
        }
    }
}

/// The clear header of a data packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Id that the receiver of the packet chose.
    pub connection_id: u32,
    /// Truncated packet number.
    pub number: TruncatedNumber,
    /// Which keys sealed the packet.
    pub phase: KeyPhase,
}

/// Reads the connection id without looking at the rest; `None` if the datagram is too short.
#[must_use]
#[inline]
pub fn connection_id_of(datagram: &[u8]) -> Option<u32> {
    let (_, rest) = datagram.split_first()?;
    rest.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

impl Header {
    /// Bytes the header takes on the wire.
    #[must_use]
    #[inline]
    pub const fn bytes(&self) -> usize {
        match self.number {
            TruncatedNumber::Short(_) => HEADER_BYTES_MIN,
            TruncatedNumber::Long(_) => HEADER_BYTES_MAX,
        }
    }

    /// Parses the header at the front of a datagram. `None` if it is not a data packet, too short, or has
    /// reserved bits set.
    #[must_use]
    #[inline]
    pub fn decode(datagram: &[u8]) -> Option<Self> {
        let (&[flags, id @ .., low0, low1], rest) = datagram.split_first_chunk::<HEADER_BYTES_MIN>()?;
        if flags & DATA == 0 || flags & RESERVED != 0 {
            return None;
        }
        let number = if flags & LONG_NUMBER == 0 {
            TruncatedNumber::Short(u16::from_le_bytes([low0, low1]))
        } else {
            let &[high0, high1] = rest.first_chunk()?;
            TruncatedNumber::Long(u32::from_le_bytes([low0, low1, high0, high1]))
        };
        Some(Self { connection_id: u32::from_le_bytes(id), number, phase: KeyPhase(flags & KEY_PHASE != 0) })
    }

    /// Appends the header.
    #[inline]
    pub fn encode(&self, datagram: &mut Vec<u8>) {
        let mut flags = DATA;
        if self.phase.0 {
            flags |= KEY_PHASE;
        }
        if matches!(self.number, TruncatedNumber::Long(_)) {
            flags |= LONG_NUMBER;
        }
        datagram.put_u8(flags);
        datagram.put_u32(self.connection_id);
        match self.number {
            TruncatedNumber::Short(low) => datagram.put_u16(low),
            TruncatedNumber::Long(low) => datagram.put_u32(low),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        for number in [TruncatedNumber::Short(0xFFFE), TruncatedNumber::Long(0xFFFF_FFFE)] {
            for phase in [false, true] {
                let header = Header { connection_id: 0xA1B2_C3D4, number, phase: KeyPhase(phase) };
                let mut bytes = Vec::new();
                header.encode(&mut bytes);
                assert_eq!(bytes.len(), header.bytes());
                assert!(is_data_packet(&bytes));
                assert_eq!(connection_id_of(&bytes), Some(0xA1B2_C3D4));
                assert_eq!(Header::decode(&bytes), Some(header));
                for length in 0..bytes.len() {
                    assert_eq!(Header::decode(&bytes[..length]), None);
                }
            }
        }
    }

    #[test]
    fn every_reserved_bit_is_refused() {
        for bit in 2..7 {
            let datagram = [DATA | 1 << bit, 1, 0, 0, 0, 0, 0];
            assert_eq!(Header::decode(&datagram), None, "bit {bit}");
        }
        assert_eq!(Header::decode(&[0, 1, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn numbers_survive_truncation_as_long_as_the_span_is_under_half_the_range() {
        for acked in [None, Some(0), Some(0xFFFF), Some(0xFFFF_FFF0), Some(u64::MAX - 0x1_0000_0000)] {
            let base = acked.map_or(0, |acked| acked + 1);
            for span in [0u64, 1, 0x7FFD, 0x7FFE, 0x7FFF, 0x8000, 0x7FFF_FFF0] {
                let number = base + span;
                let truncated = TruncatedNumber::new(number, acked);
                // The receiver has seen at least what was acknowledged and at most all but this packet.
                for received in [acked, number.checked_sub(1)] {
                    assert_eq!(truncated.expand(received), number, "{acked:?} + {span}");
                }
            }
        }
    }
}
