//! When each slot wants to be woken: a binary heap in which every slot stands at most once.

use crate::time::Instant;

const ABSENT: u32 = u32::MAX;

/// Deadlines by slot. Changing one costs the logarithm of their number and, once grown, no memory.
#[derive(Debug, Default)]
pub struct Deadlines {
    /// Slots, earliest deadline first in heap order.
    heap: Vec<u32>,
    /// By slot: its deadline and its place in the heap.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Instant,
    place: u32,
}

impl Deadlines {
    /// Sets, moves or removes the deadline of a slot.
    pub fn set(&mut self, slot: usize, at: Option<Instant>) {
        if self.entries.len() <= slot {
            self.entries.resize(slot + 1, Entry { at: Instant::ZERO, place: ABSENT });
        }
        let Entry { at: old, place } = self.entries[slot];
        match (at, place) {
            (None, ABSENT) => {}
            (None, place) => self.remove(place as usize),
            (Some(at), ABSENT) => {
                self.entries[slot] = Entry { at, place: self.heap.len() as u32 };
                self.heap.push(slot as u32);
                self.sift_up(self.heap.len() - 1);
            }
            (Some(at), place) if at != old => {
                self.entries[slot].at = at;
                if at < old {
                    self.sift_up(place as usize);
                } else {
                    self.sift_down(place as usize);
                }
            }
            _ => {}
        }
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.heap.first().map(|&slot| self.entries[slot as usize].at)
    }

    /// Takes a slot out whose deadline has come.
    pub fn pop_expired(&mut self, now: Instant) -> Option<usize> {
        let slot = *self.heap.first()? as usize;
        if self.entries[slot].at > now {
            return None;
        }
        self.remove(0);
        Some(slot)
    }

    fn remove(&mut self, place: usize) {
        let slot = self.heap.swap_remove(place);
        self.entries[slot as usize].place = ABSENT;
        if let Some(&moved) = self.heap.get(place) {
            self.entries[moved as usize].place = place as u32;
            self.sift_down(place);
            self.sift_up(place);
        }
    }

    fn at(&self, place: usize) -> Instant {
        self.entries[self.heap[place] as usize].at
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.entries[self.heap[a] as usize].place = a as u32;
        self.entries[self.heap[b] as usize].place = b as u32;
    }

    fn sift_up(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.at(parent) <= self.at(place) {
                return;
            }
            self.swap(parent, place);
            place = parent;
        }
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let mut smallest = place;
            for child in [left, right] {
                if child < self.heap.len() && self.at(child) < self.at(smallest) {
                    smallest = child;
                }
            }
            if smallest == place {
                return;
            }
            self.swap(place, smallest);
            place = smallest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;
    use std::collections::BTreeMap;

    #[test]
    fn it_agrees_with_a_sorted_map_over_thousands_of_changes() {
        let mut random = SeededRandom::new(3);
        let mut deadlines = Deadlines::default();
        let mut naive: BTreeMap<usize, Instant> = BTreeMap::new();
        for step in 0..20_000u64 {
            let slot = random.below(50) as usize;
            let at = Instant::from_micros(step + random.below(1_000));
            match random.below(4) {
                0 => {
                    deadlines.set(slot, None);
                    naive.remove(&slot);
                }
                1 => {
                    let now = Instant::from_micros(step);
                    while let Some(expired) = deadlines.pop_expired(now) {
                        assert!(naive.remove(&expired).is_some_and(|at| at <= now));
                    }
                    assert!(naive.values().all(|&at| at > now));
                }
                _ => {
                    deadlines.set(slot, Some(at));
                    naive.insert(slot, at);
                }
            }
            assert_eq!(deadlines.next(), naive.values().min().copied());
        }
    }
}
