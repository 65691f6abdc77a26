//! Randomness as an argument: the trait the driver implements and a seeded generator for simulations.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A source of random bytes, handed to the protocol by its driver.
///
/// Keys, nonces and cookies are made of these bytes, so outside simulations and tests the source must be the
/// operating system's cryptographic generator.
pub trait Random {
    /// Fills `bytes` with random bytes. Must not fail: a driver that cannot get randomness must not go on.
    fn fill(&mut self, bytes: &mut [u8]);

    /// Eight random bytes as a number.
    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// A deterministic generator (xoshiro256++) for simulations and link models. **Not** for keys.
///
/// The same seed gives the same sequence on every platform and in every version of this crate.
#[derive(Clone, Debug)]
pub struct SeededRandom(Xoshiro256PlusPlus);

impl SeededRandom {
    /// A generator whose whole sequence follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A number in `0..bound` (0 if `bound` is 0), without noticeable bias for bounds below 2^48.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number uniform in `0.0..1.0`, with 53 bits of resolution.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `true` with the given probability (0 never, 1 always).
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

impl Random for SeededRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence() {
        let (mut a, mut b) = (SeededRandom::new(7), SeededRandom::new(7));
        let mut c = SeededRandom::new(8);
        let (from_a, from_b, from_c) = (a.next_u64(), b.next_u64(), c.next_u64());
        assert_eq!(from_a, from_b);
        assert_ne!(from_a, from_c);
    }

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        let mut random = SeededRandom::new(1);
        let seen: Vec<u64> = (0..1_000).map(|_| random.below(4)).collect();
        assert!((0..4).all(|n| seen.contains(&n)));
        assert!(seen.iter().all(|&n| n < 4));
        assert_eq!(random.below(0), 0);
    }
}
