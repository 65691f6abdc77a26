//! The bytes of a message, shared without copying, and the pool that their buffers come back to.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// The bytes of a message: cheap to clone, immutable, usable from any thread.
///
/// Several payloads may share one buffer (the messages of a datagram do), so keeping a small one for long keeps
/// its neighbours' bytes too; [`Payload::detach`] copies it out.
#[derive(Clone)]
pub struct Payload {
    buffer: Arc<Vec<u8>>,
    start: u32,
    length: u32,
}

impl Payload {
    /// A payload of no bytes. Allocates nothing beyond a reference count.
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Vec::new())
    }

    /// The part of a shared buffer that `range` names. `None` if the range is not inside, or beyond 4 GiB.
    #[must_use]
    pub fn from_shared(buffer: &Arc<Vec<u8>>, range: Range<usize>) -> Option<Self> {
        buffer.get(range.clone())?;
        Some(Self {
            buffer: Arc::clone(buffer),
            start: u32::try_from(range.start).ok()?,
            length: u32::try_from(range.len()).ok()?,
        })
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        let start = self.start as usize;
        // The constructors have checked the range and the buffer never changes while shared.
        self.buffer.get(start..start + self.length as usize).unwrap_or_default()
    }

    /// A copy in a buffer of its own, for messages that are kept.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self::from(self.as_slice())
    }

    /// The bytes as a `Vec`, without copying if nobody shares them.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        if self.start == 0 && self.length as usize == self.buffer.len() {
            return Arc::try_unwrap(self.buffer).unwrap_or_else(|shared| shared.as_slice().to_vec());
        }
        self.as_slice().to_vec()
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Vec<u8>> for Payload {
    /// Takes the bytes over without copying. Bytes beyond 4 GiB are cut off; no channel takes as many.
    fn from(bytes: Vec<u8>) -> Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { buffer: Arc::new(bytes), start: 0, length }
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl From<&Vec<u8>> for Payload {
    fn from(bytes: &Vec<u8>) -> Self {
        Self::from(bytes.clone())
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&Payload> for Payload {
    fn from(payload: &Payload) -> Self {
        payload.clone()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 32;
        let bytes = self.as_slice();
        match bytes.get(..SHOWN) {
            Some(first) if bytes.len() > SHOWN => {
                write!(f, "\"{}\"… ({} bytes)", first.escape_ascii(), bytes.len())
            }
            _ => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

/// Buffers that are used again once nobody holds a [`Payload`] of them any more.
///
/// Bounded: it remembers at most as many buffers as it was made for and forgets (frees, once released) the oldest
/// beyond that.
#[derive(Debug)]
pub struct PayloadPool {
    buffers: VecDeque<Arc<Vec<u8>>>,
    buffers_max: usize,
    buffer_bytes_max: usize,
    taken: u64,
}

/// Room for the content of a datagram of 1,200 bytes.
const CHUNK_BYTES: usize = 1_200;

/// How many of the oldest buffers are looked at before a new one is made.
const TRIES: usize = 4;

impl PayloadPool {
    /// A pool that remembers at most `buffers_max` buffers, none of them larger than `buffer_bytes_max`.
    #[must_use]
    pub fn new(buffers_max: usize, buffer_bytes_max: usize) -> Self {
        Self { buffers: VecDeque::new(), buffers_max, buffer_bytes_max, taken: 0 }
    }

    /// An empty buffer, a used one if one is free.
    #[must_use]
    pub fn take(&mut self) -> Arc<Vec<u8>> {
        self.taken += 1;
        for _ in 0..TRIES.min(self.buffers.len()) {
            let Some(mut oldest) = self.buffers.pop_front() else { break };
            if let Some(bytes) = Arc::get_mut(&mut oldest) {
                bytes.clear();
                return oldest;
            }
            self.buffers.push_back(oldest);
        }
        Arc::new(Vec::new())
    }

    /// A buffer with these bytes in it, a used one if one is free.
    ///
    /// A new one gets room for any datagram of the usual size, so that it need not grow when it is used again; once
    /// the pool is full of buffers that somebody holds, new ones are as small as they can be: a peer that sends tiny
    /// datagrams to a game that does not read them must not make us keep large ones.
    #[must_use]
    pub fn copy_of(&mut self, bytes: &[u8]) -> Arc<Vec<u8>> {
        let room = match bytes.len() {
            length if self.buffers.len() >= self.buffers_max => length,
            0..=CHUNK_BYTES => CHUNK_BYTES,
            length => length.next_power_of_two(),
        };
        let mut buffer = self.take();
        if let Some(chunk) = Arc::get_mut(&mut buffer) {
            if chunk.capacity() < bytes.len() {
                chunk.reserve_exact(room);
            }
            chunk.extend_from_slice(bytes);
        }
        buffer
    }

    /// How many buffers were taken so far: a pool whose figure stands still is not in use.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Forgets every buffer; those that are free are freed.
    pub fn clear(&mut self) {
        self.buffers = VecDeque::new();
    }

    /// Remembers a buffer, so that [`take`](Self::take) can hand it out again once it is free.
    pub fn give(&mut self, buffer: Arc<Vec<u8>>) {
        if buffer.capacity() > self.buffer_bytes_max {
            return;
        }
        if self.buffers.len() >= self.buffers_max {
            self.buffers.pop_front();
        }
        self.buffers.push_back(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_only_when_nobody_reads_it() {
        let mut pool = PayloadPool::new(8, 4_096);
        let mut buffer = pool.take();
        Arc::get_mut(&mut buffer).unwrap().extend_from_slice(b"hello world");
        let address = buffer.as_ptr();
        let word = Payload::from_shared(&buffer, 6..11).unwrap();
        pool.give(buffer);
        assert_ne!(pool.take().as_ptr(), address);
        assert_eq!(&*word, b"world");
        drop(word);
        assert_eq!(pool.take().as_ptr(), address);
    }

    #[test]
    fn the_pool_remembers_no_more_than_it_was_made_for() {
        let mut pool = PayloadPool::new(2, 100);
        for _ in 0..10 {
            pool.give(Arc::new(Vec::with_capacity(50)));
        }
        assert_eq!(pool.buffers.len(), 2);
        pool.give(Arc::new(Vec::with_capacity(1_000)));
        assert_eq!(pool.buffers.len(), 2);
    }

    #[test]
    fn copies_have_room_for_more_while_the_pool_has() {
        let mut pool = PayloadPool::new(1, 16_384);
        let first = pool.copy_of(b"tiny");
        assert_eq!((first.as_slice(), first.capacity()), (&b"tiny"[..], CHUNK_BYTES));
        pool.give(Arc::clone(&first));
        assert_eq!(pool.copy_of(b"tiny").capacity(), 4, "the only buffer is held");
        drop(first);
        assert_eq!(pool.copy_of(&[7; 1_000]).capacity(), CHUNK_BYTES, "it is used again and did not grow");
        assert_eq!(pool.copy_of(&[7; 1_400]).capacity(), 2_048);
    }

    #[test]
    fn ranges_outside_the_buffer_are_refused() {
        let buffer = Arc::new(vec![1, 2, 3]);
        assert!(Payload::from_shared(&buffer, 1..4).is_none());
        assert_eq!(Payload::from_shared(&buffer, 1..3).unwrap().into_vec(), [2, 3]);
    }

    #[test]
    fn debug_output_is_short() {
        let text = format!("{:?}", Payload::from(vec![b'x'; 5_000]));
        assert!(text.len() < 100 && text.ends_with("(5000 bytes)"));
    }
}
