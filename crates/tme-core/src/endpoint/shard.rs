//! Which of several endpoints behind one port somebody belongs to: what ids and datagrams say of that.

use crate::connection::PeerId;
use crate::wire::header::{connection_id_of, is_data_packet};

/// Bits of a connection id below the shard.
pub(super) const LOCAL_BITS: u32 = 24;

/// One of the endpoints of a server, each of which has a network thread to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u8,
    count: u8,
    /// The lowest bits of a peer id's slot name the shard.
    bits: u8,
}

impl Default for Shard {
    fn default() -> Self {
        Self::ALONE
    }
}

impl Shard {
    /// The only one.
    pub const ALONE: Self = Self { index: 0, count: 1, bits: 0 };
    /// Most endpoints that a server can have.
    pub const COUNT_MAX: u8 = 64;

    /// All shards of a server that has `count` of them, 1 to [`COUNT_MAX`](Self::COUNT_MAX).
    pub fn all(count: u8) -> impl ExactSizeIterator<Item = Self> {
        let count = count.clamp(1, Self::COUNT_MAX);
        let bits = (u8::BITS - (count - 1).leading_zeros()) as u8;
        (0..count).map(move |index| Self { index, count, bits })
    }

    /// Which one it is, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> usize {
        self.count as usize
    }

    /// The shard that a peer belongs to, by index. An id that names nobody may give any number below 256.
    #[must_use]
    #[inline]
    pub const fn index_of_peer(self, peer: PeerId) -> usize {
        peer.slot() & ((1 << self.bits) - 1)
    }

    /// Where a peer stands in the tables of its shard, from 1 on.
    #[must_use]
    #[inline]
    pub const fn slot_of_peer(self, peer: PeerId) -> usize {
        peer.slot() >> self.bits
    }

    /// Another shard that a datagram belongs to, by index; `None`: it is for this one, or anybody's.
    #[must_use]
    #[inline]
    pub fn owner_elsewhere(self, datagram: &[u8]) -> Option<usize> {
        if self.count == 1 || !is_data_packet(datagram) {
            return None;
        }
        let owner = connection_id_of(datagram)? >> LOCAL_BITS;
        (owner != u32::from(self.index) && owner < u32::from(self.count)).then_some(owner as usize)
    }

    /// The id of the `generation`-th peer in a slot of this shard.
    pub(super) const fn peer_id(self, slot: usize, generation: u32) -> PeerId {
        PeerId::new((slot << self.bits) | self.index as usize, generation)
    }

    /// The shard's part of a connection id.
    pub(super) const fn connection_id_bits(self) -> u32 {
        (self.index as u32) << LOCAL_BITS
    }

    /// Most slots a shard can have: peer ids have no room for more.
    pub(super) const fn slots_max(self) -> usize {
        PeerId::SLOTS_MAX >> self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_ids_and_connection_ids_name_their_shard_whatever_their_number() {
        for count in [1, 2, 3, 4, 5, 64] {
            for shard in Shard::all(count) {
                for slot in [1, shard.slots_max()] {
                    let peer = shard.peer_id(slot, u32::MAX);
                    assert!(peer.as_u64() < 1 << 53);
                    assert_eq!(shard.index_of_peer(peer), shard.index(), "{shard:?}");
                    assert_eq!(shard.slot_of_peer(peer), slot, "{shard:?}");
                }
            }
        }
        assert_eq!(Shard::ALONE, Shard::all(1).next().unwrap());
        assert_eq!((Shard::all(0).len(), Shard::all(255).len()), (1, 64));
    }

    #[test]
    fn only_data_packets_of_other_shards_are_for_others() {
        let shard = Shard::all(4).nth(2).unwrap();
        let packet = |first, owner| [first, 1, 2, 3, owner, 0, 0];
        let cases = [
            (packet(0x80, 2), None),
            (packet(0x81, 3), Some(3)),
            (packet(0x82, 0), Some(0)),
            // A shard of an earlier run: whoever gets it says RESET.
            (packet(0x80, 4), None),
            (packet(0x54, 3), None),
        ];
        for (datagram, owner) in cases {
            assert_eq!(shard.owner_elsewhere(&datagram), owner, "{datagram:?}");
        }
        assert_eq!(shard.owner_elsewhere(&[0x80, 1, 2, 3]), None, "too short");
        assert_eq!(Shard::ALONE.owner_elsewhere(&packet(0x80, 1)), None);
    }
}
