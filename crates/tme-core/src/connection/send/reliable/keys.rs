//! How many keys of a reliable-latest channel have values under way.

use super::ReliableQueue;
use super::slot::State;

impl ReliableQueue {
    /// Whether a message with this key may be queued while at most `keys_max` keys have values that are not settled.
    #[must_use]
    pub fn has_room_for_key(&mut self, key: u32, keys_max: u32) -> bool {
        !self.mode.is_keyed()
            || self.newest_of_key.len() < keys_max as usize
            || self.newest_of_key.contains_key(&key)
            || self.keys_in_use() < keys_max as usize
    }

    /// Forgets the keys whose newest value is settled, and counts the others.
    pub fn keys_in_use(&mut self) -> usize {
        let (slots, base) = (&self.slots, self.base);
        self.newest_of_key.retain(|&key, &mut sequence| {
            let index = sequence.checked_sub(base).and_then(|index| usize::try_from(index).ok());
            let slot = index.and_then(|index| slots.get(index));
            slot.is_some_and(|slot| slot.key == key && matches!(slot.state, State::Waiting | State::Sent))
        });
        self.newest_of_key.len()
    }

    /// Whether a value of this key is not settled.
    #[must_use]
    pub fn is_key_in_use(&self, key: u32) -> bool {
        let slot = self.newest_of_key.get(&key).and_then(|&sequence| self.slot(sequence));
        slot.is_some_and(|slot| slot.key == key && matches!(slot.state, State::Waiting | State::Sent))
    }

    /// Keys of which something is remembered.
    #[cfg(test)]
    pub(in crate::connection::send) fn keys_remembered(&self) -> usize {
        self.newest_of_key.len()
    }
}
