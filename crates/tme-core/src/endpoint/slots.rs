//! Where an endpoint keeps its peers, and how connection ids and peer ids find them.

use std::collections::VecDeque;

use super::shard::{LOCAL_BITS, Shard};
use crate::connection::PeerId;

/// Numbered places for values; a place that is freed gets a new generation before it is used again.
#[derive(Debug)]
pub struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: VecDeque<u32>,
    slots_max: usize,
    /// Slot and generation share the bits of a connection id below the shard.
    slot_bits: u32,
    shard: Shard,
    occupied: usize,
    /// Added to the generation in connection ids, so that ids of an earlier run are unlikely to fit this one.
    generation_offset: u32,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    generation: u32,
}

/// The names of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the slot.
    pub index: usize,
    /// Name towards the application.
    pub peer: PeerId,
    /// Name on the wire; never 0.
    pub connection_id: u32,
}

impl<T> Slots<T> {
    /// Room for `slots_max` values (at most [`Shard::slots_max`]).
    #[must_use]
    pub fn new(slots_max: usize, shard: Shard, generation_offset: u32) -> Self {
        let slots_max = slots_max.clamp(1, shard.slots_max());
        let slot_bits = usize::BITS - slots_max.leading_zeros();
        // A client has one connection; beside it stands slot 0, which is never used.
        let mut slots = Vec::with_capacity(2);
        slots.push(Slot { value: None, generation: 0 });
        Self { slots, free: VecDeque::new(), slots_max, slot_bits, shard, occupied: 0, generation_offset }
    }

    /// Values present.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.occupied
    }

    /// The place that [`insert`](Self::insert) would fill next; `None` if all are taken. It is the one that was unused
    /// for longest, so that stale ids stay recognisable for as long as possible.
    #[must_use]
    pub fn vacancy(&self) -> Option<Place> {
        let index =
            if self.slots.len() <= self.slots_max { self.slots.len() } else { *self.free.front()? as usize };
        Some(self.place(index))
    }

    /// Puts a value into the vacant place. `None` (and the value is dropped) if there is none.
    pub fn insert(&mut self, value: T) -> Option<Place> {
        let place = self.vacancy()?;
        if place.index == self.slots.len() {
            self.slots.push(Slot { value: None, generation: 1 });
        } else {
            self.free.pop_front();
        }
        self.slots.get_mut(place.index)?.value = Some(value);
        self.occupied += 1;
        Some(place)
    }

    fn place(&self, index: usize) -> Place {
        let generation = self.slots.get(index).map_or(1, |slot| slot.generation);
        Place {
            index,
            peer: self.shard.peer_id(index, generation),
            connection_id: self.connection_id(index, generation),
        }
    }

    fn connection_id(&self, index: usize, generation: u32) -> u32 {
        let generations = 1u32 << (LOCAL_BITS - self.slot_bits);
        let generation = generation.wrapping_add(self.generation_offset) % generations;
        let local = (generation << self.slot_bits) | index as u32;
        // Slot 0 is never used, so neither this nor a peer id is ever 0.
        self.shard.connection_id_bits() | local
    }

    /// The names of an occupied place.
    #[must_use]
    pub fn place_of(&self, index: usize) -> Option<Place> {
        self.get(index).map(|_| self.place(index))
    }

    /// Takes a value out and retires its names.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        let slot = self.slots.get_mut(index)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1).max(1);
        self.occupied -= 1;
        self.free.push_back(index as u32);
        Some(value)
    }

    /// The value in this slot.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.slots.get(index)?.value.as_ref()
    }

    /// The value in this slot.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.slots.get_mut(index)?.value.as_mut()
    }

    /// Slot of the peer with this id, unless it has left.
    #[must_use]
    #[inline]
    pub fn index_of_peer(&self, peer: PeerId) -> Option<usize> {
        let index = self.shard.slot_of_peer(peer);
        let slot = self.slots.get(index)?;
        (slot.value.is_some() && self.shard.peer_id(index, slot.generation) == peer).then_some(index)
    }

    /// Slot of the connection with this id.
    #[must_use]
    #[inline]
    pub fn index_of_connection(&self, id: u32) -> Option<usize> {
        let index = (id & ((1u32 << self.slot_bits) - 1)) as usize;
        let slot = self.slots.get(index)?;
        (slot.value.is_some() && self.connection_id(index, slot.generation) == id).then_some(index)
    }

    /// All values with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| Some((index, slot.value.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_of_removed_values_name_nobody() {
        let mut slots = Slots::new(2, Shard::all(8).nth(7).unwrap(), 123);
        let first = slots.insert("a").unwrap();
        assert_eq!(first.connection_id >> 24, 7);
        slots.insert("b").unwrap();
        assert!(slots.insert("c").is_none());
        slots.remove(first.index);
        let third = slots.insert("c").unwrap();
        assert_eq!(third.index, first.index);
        assert_eq!(slots.index_of_peer(first.peer), None);
        assert_eq!(slots.index_of_connection(first.connection_id), None);
        assert_eq!(slots.index_of_connection(third.connection_id), Some(third.index));
    }

    #[test]
    fn ids_are_never_zero_and_peer_ids_fit_53_bits() {
        let mut slots = Slots::new(1, Shard::ALONE, 0);
        let mut peers = HashSet::new();
        for _ in 0..1_000 {
            let place = slots.insert(()).unwrap();
            assert_ne!(place.connection_id, 0);
            assert!(place.peer.as_u64() > 0 && place.peer.as_u64() < 1 << 53);
            assert!(peers.insert(place.peer), "a peer id came back");
            slots.remove(place.index);
        }
        assert!(PeerId::new(PeerId::SLOTS_MAX - 1, u32::MAX).as_u64() < 1 << 53);
    }

    #[test]
    fn any_number_can_be_asked_for() {
        let mut slots = Slots::new(10, Shard::ALONE, 9);
        slots.insert(()).unwrap();
        for id in [0, 1, u64::MAX, 1 << 53] {
            let _ = slots.index_of_peer(PeerId::from_u64(id));
            let _ = slots.index_of_connection(id as u32);
        }
        assert_eq!(slots.index_of_peer(PeerId::from_u64(0)), None);
    }
}
