//! Mixing numbers: seeds for sub-generators, message contents, and the hash of a trace.

/// Two numbers to one, such that close inputs give unrelated outputs (the finisher of SplitMix64).
#[must_use]
#[inline]
pub fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(b ^ 0x1234_5678_9ABC_DEF1);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A 64-bit hash of a sequence of numbers and byte strings. Not cryptographic; the same on every platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceHash(u64);

impl Default for TraceHash {
    fn default() -> Self {
        Self(0x243F_6A88_85A3_08D3)
    }
}

impl TraceHash {
    /// Adds a number.
    #[inline]
    pub fn add(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9FB2_1C65_1E98_DF25);
        self.0 ^= self.0 >> 32;
    }

    /// Adds a byte string, its length included.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.add(bytes.len() as u64);
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.add(word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)));
        }
        let rest = words.remainder().iter().rev().fold(0, |rest, &byte| rest << 8 | u64::from(byte));
        self.add(rest);
    }

    /// The hash so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        mix(self.0, 0)
    }

    /// The hash of one byte string.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u64 {
        let mut hash = Self::default();
        hash.add_bytes(bytes);
        hash.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_length_and_every_bit_matter() {
        let bytes = [7u8; 37];
        let hash = TraceHash::of(&bytes);
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes;
                changed[index] ^= 1 << bit;
                assert_ne!(TraceHash::of(&changed), hash, "byte {index}, bit {bit}");
            }
        }
        assert_ne!(TraceHash::of(&bytes[..36]), hash);
        assert_ne!(TraceHash::of(&[0; 8]), TraceHash::of(&[0; 9]));
        let (mut a, mut b) = (TraceHash::default(), TraceHash::default());
        [1, 2].into_iter().for_each(|n| a.add(n));
        [2, 1].into_iter().for_each(|n| b.add(n));
        assert_ne!(a.value(), b.value());
    }
}
