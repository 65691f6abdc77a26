//! Buffers that messages are copied into on their way to the engine, and that are used again.

use std::sync::Arc;

use tme_core::payload::PayloadPool;

/// Messages up to this size are copied into an arena; larger ones get a buffer of their own.
pub(super) const COPY_BYTES_MAX: usize = 16 << 10;

/// Size of a batch's first arena. Small, because however few messages a batch has, the last of them to be
/// acknowledged keeps a whole arena: a thread that sends 5,000 batches a second over 100 ms holds 2 MiB that way.
const SMALL_BYTES: usize = 4 << 10;
/// Size of the further arenas.
const LARGE_BYTES: usize = 64 << 10;
/// Arenas remembered: at most 4 MiB of small and 8 MiB of large ones.
const SMALL_COUNT_MAX: usize = 1_024;
const LARGE_COUNT_MAX: usize = 128;

/// Where the bytes of a copied message are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Index of the arena in its batch.
    pub arena: u32,
    pub start: u32,
    pub length: u32,
}

/// Arenas that wait for their next use. Their sizes are fixed: one that grew would have to move.
#[derive(Debug)]
pub(super) struct Arenas {
    small: PayloadPool,
    large: PayloadPool,
}

impl Default for Arenas {
    fn default() -> Self {
        Self {
            small: PayloadPool::new(SMALL_COUNT_MAX, SMALL_BYTES),
            large: PayloadPool::new(LARGE_COUNT_MAX, LARGE_BYTES),
        }
    }
}

impl Arenas {
    /// Copies a message of at most [`COPY_BYTES_MAX`] behind the others of its batch. `None` if the batch's last
    /// arena is shared already, which it is only once the engine has taken it.
    pub fn copy(&mut self, bytes: &[u8], batch: &mut Vec<Arc<Vec<u8>>>) -> Option<Place> {
        let has_room = batch.last().is_some_and(|arena| arena.len() + bytes.len() <= arena.capacity());
        if !has_room {
            let is_small = batch.is_empty() && bytes.len() <= SMALL_BYTES;
            batch.push(self.take(if is_small { SMALL_BYTES } else { LARGE_BYTES }));
        }
        let index = batch.len() - 1;
        let arena = batch.last_mut().and_then(Arc::get_mut)?;
        let start = arena.len();
        arena.extend_from_slice(bytes);
        Some(Place { arena: index as u32, start: start as u32, length: bytes.len() as u32 })
    }

    /// Remembers arenas that the engine has taken, for when their last message is gone.
    pub fn give(&mut self, arenas: impl Iterator<Item = Arc<Vec<u8>>>) {
        for arena in arenas {
            let pool = if arena.capacity() <= SMALL_BYTES { &mut self.small } else { &mut self.large };
            pool.give(arena);
        }
    }

    fn take(&mut self, bytes: usize) -> Arc<Vec<u8>> {
        let pool = if bytes <= SMALL_BYTES { &mut self.small } else { &mut self.large };
        let mut arena = pool.take();
        if let Some(fresh) = Arc::get_mut(&mut arena) {
            fresh.reserve_exact(bytes);
        }
        arena
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas_come_back_once_their_messages_are_gone_and_never_grow() {
        let mut arenas = Arenas::default();
        let mut batch = Vec::new();
        for _ in 0..100 {
            let place = arenas.copy(&[7; 1_000], &mut batch).unwrap();
            assert_eq!(place.length, 1_000);
        }
        let sizes: Vec<usize> = batch.iter().map(|arena| arena.capacity()).collect();
        assert_eq!(sizes, [SMALL_BYTES, LARGE_BYTES, LARGE_BYTES]);
        let addresses: Vec<_> = batch.iter().map(|arena| arena.as_ptr()).collect();
        let held = Arc::clone(&batch[1]);
        arenas.give(batch.drain(..));
        arenas.copy(&[7; 1_000], &mut batch).unwrap();
        arenas.copy(&[7; 10_000], &mut batch).unwrap();
        assert_eq!(batch[0].as_ptr(), addresses[0]);
        assert_eq!(batch[1].as_ptr(), addresses[2], "the other one is held");
        drop(held);
    }

    #[test]
    fn a_message_of_the_largest_size_fits() {
        let mut batch = Vec::new();
        let place = Arenas::default().copy(&[7; COPY_BYTES_MAX], &mut batch).unwrap();
        assert_eq!((place.arena, place.start, batch[0].capacity()), (0, 0, LARGE_BYTES));
    }
}
