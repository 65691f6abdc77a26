//! Random bytes from the operating system, drawn in blocks.

use std::fmt;
use std::hint::black_box;

use ring::hmac;
use ring::rand::SecureRandom;
use tme_core::random::Random;

/// Bytes drawn from the system at a time. 64 numbers of eight bytes, one system call.
const BLOCK_BYTES: usize = 512;
/// Size of the key that stretches the last good block if the system's generator fails.
const KEY_BYTES: usize = 32;

/// Fills a buffer from the system's generator, or reports that it cannot.
type Source = fn(&mut [u8]) -> Result<(), ring::error::Unspecified>;

/// The operating system's cryptographic generator, behind a buffer that makes small draws cheap.
///
/// Bytes are zeroed as they are handed out, and whatever is left when the value is dropped. Each thread has
/// its own value; a process that forks must not go on using one on both sides.
///
/// # When the system's generator fails
/// [`Random::fill`] cannot fail, and a game must not be aborted, so failing at all is confined to
/// [`new`](Self::new): no generator, no engine. The systems we run on do not fail afterwards; should one, the
/// value goes on with HMAC-SHA-256 under a key that came from the system with the last good block, was never
/// handed out, and is replaced with every block. Those bytes are as unpredictable as the key. The first
/// failure is logged as an error, all are counted in [`system_failures`](Self::system_failures), and every
/// following block asks the system again.
pub struct SystemRandom {
    source: Source,
    block: [u8; BLOCK_BYTES],
    /// Bytes of `block` handed out; those are zero.
    used_bytes: usize,
    key: [u8; KEY_BYTES],
    system_failures: u64,
}

impl SystemRandom {
    /// Opens the system's generator and draws the first block.
    ///
    /// # Errors
    /// [`RandomError`] if the system gives no random bytes; there is no safe way to go on without.
    pub fn new() -> Result<Self, RandomError> {
        Self::with_source(|bytes| ring::rand::SystemRandom::new().fill(bytes))
    }

    fn with_source(source: Source) -> Result<Self, RandomError> {
        let mut random = Self {
            source,
            block: [0; BLOCK_BYTES],
            used_bytes: BLOCK_BYTES,
            key: [0; KEY_BYTES],
            system_failures: 0,
        };
        if random.draw_from_system() { Ok(random) } else { Err(RandomError) }
    }

    /// How often the system failed to give a block. Not zero means: something is wrong with this machine.
    #[must_use]
    pub fn system_failures(&self) -> u64 {
        self.system_failures
    }

    fn refill(&mut self) {
        if self.draw_from_system() {
            return;
        }
        self.system_failures += 1;
        if self.system_failures == 1 {
            log::error!(
                "the system's random generator failed; stretching the last good block until it is back"
            );
        }
        self.stretch();
    }

    /// Replaces block and key by fresh bytes; leaves both alone if the system fails halfway.
    fn draw_from_system(&mut self) -> bool {
        let mut fresh = [0; BLOCK_BYTES + KEY_BYTES];
        let drawn = (self.source)(&mut fresh).is_ok();
        if drawn {
            self.block.copy_from_slice(&fresh[..BLOCK_BYTES]);
            self.key.copy_from_slice(&fresh[BLOCK_BYTES..]);
            self.used_bytes = 0;
        }
        wipe(&mut fresh);
        drawn
    }

    /// Makes the next block out of the key, and a new key, so that neither block nor key leads back.
    fn stretch(&mut self) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        for (number, piece) in (1u8..).zip(self.block.chunks_exact_mut(KEY_BYTES)) {
            piece.copy_from_slice(hmac::sign(&key, &[number]).as_ref());
        }
        self.key.copy_from_slice(hmac::sign(&key, &[0]).as_ref());
        self.used_bytes = 0;
    }
}

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.used_bytes == BLOCK_BYTES {
                self.refill();
            }
            let count = rest.len().min(BLOCK_BYTES - self.used_bytes);
            let (now, later) = rest.split_at_mut(count);
            let taken = &mut self.block[self.used_bytes..][..count];
            now.copy_from_slice(taken);
            taken.fill(0);
            self.used_bytes += count;
            rest = later;
        }
    }
}

impl Drop for SystemRandom {
    fn drop(&mut self) {
        wipe(&mut self.block);
        wipe(&mut self.key);
    }
}

impl fmt::Debug for SystemRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemRandom").field("system_failures", &self.system_failures).finish_non_exhaustive()
    }
}

/// Zeroes bytes that are about to die; the compiler may not argue that nobody reads them again.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    black_box(bytes);
}

/// The operating system gave no random bytes at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomError;

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gives no random bytes; keys cannot be made without them")
    }
}

impl std::error::Error for RandomError {}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static CALLS_LEFT: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }

    /// Works `CALLS_LEFT` times, then leaves garbage behind and fails.
    fn dying_source(bytes: &mut [u8]) -> Result<(), ring::error::Unspecified> {
        bytes.fill(0xA5);
        let left = CALLS_LEFT.get();
        CALLS_LEFT.set(left.saturating_sub(1));
        if left == 0 { Err(ring::error::Unspecified) } else { Ok(()) }
    }

    #[test]
    fn draws_of_any_size_differ_from_each_other() {
        let mut random = SystemRandom::new().unwrap();
        for size in [16, 511, 512, 513, 5_000] {
            let (mut a, mut b) = (vec![0; size], vec![0; size]);
            random.fill(&mut a);
            random.fill(&mut b);
            assert_ne!(a, b, "two draws of {size} bytes");
            assert!(a[size - 8..].iter().any(|&byte| byte != 0), "the last bytes of {size} were filled");
        }
    }

    #[test]
    fn bytes_handed_out_leave_the_buffer() {
        let mut random = SystemRandom::new().unwrap();
        random.fill(&mut [0; 100]);
        assert_eq!(random.block[..100], [0; 100]);
        assert_ne!(random.block[100..], [0; BLOCK_BYTES - 100]);
    }

    #[test]
    fn a_generator_that_fails_at_start_is_an_error() {
        CALLS_LEFT.set(0);
        assert!(SystemRandom::with_source(dying_source).is_err());
    }

    #[test]
    fn a_generator_that_fails_later_is_counted_and_its_last_block_stretched() {
        CALLS_LEFT.set(1);
        let mut random = SystemRandom::with_source(dying_source).unwrap();
        let mut blocks = [[0u8; BLOCK_BYTES]; 3];
        for block in &mut blocks {
            random.fill(block);
        }
        assert_eq!(random.system_failures(), 2);
        assert_eq!(blocks[0], [0xA5; BLOCK_BYTES]);
        assert_ne!(blocks[1], blocks[2]);
        let mut pieces: Vec<&[u8]> = blocks[1..].iter().flat_map(|block| block.chunks(KEY_BYTES)).collect();
        pieces.push(&random.key);
        let count = pieces.len();
        pieces.sort_unstable();
        pieces.dedup();
        assert_eq!(pieces.len(), count, "no piece of output repeats, none is the next key");
    }

    #[test]
    fn a_generator_that_comes_back_is_used_again() {
        CALLS_LEFT.set(1);
        let mut random = SystemRandom::with_source(dying_source).unwrap();
        random.fill(&mut [0; BLOCK_BYTES]);
        random.fill(&mut [0; BLOCK_BYTES]);
        CALLS_LEFT.set(1);
        let mut block = [0; BLOCK_BYTES];
        random.fill(&mut block);
        assert_eq!(block, [0xA5; BLOCK_BYTES]);
        assert_eq!(random.system_failures(), 1);
    }
}
