//! What chance decides about one datagram.

use super::burst::{BurstLoss, BurstState};
use super::conditions::LinkConditions;
use crate::random::{Random, SeededRandom};
use crate::time::Duration;

/// The source of a generator per datagram.
#[derive(Clone, Debug)]
pub(super) struct Luck {
    key: u64,
}

impl Luck {
    pub(super) fn new(seed: u64) -> Self {
        // Links are often seeded with neighbouring numbers. Keys far apart keep the datagrams of one from
        // having the luck of the other's, one place shifted.
        Self { key: SeededRandom::new(seed).next_u64() }
    }

    /// The generator for the datagram with this number: always the same one, whatever other datagrams drew.
    pub(super) fn of(&self, number: u64) -> SeededRandom {
        SeededRandom::new(self.key.wrapping_add(number))
    }
}

/// Which model lost a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Independent,
    Burst,
}

/// What happens to one datagram on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) loss: Option<Loss>,
    /// Delay with jitter.
    pub(super) delay: Duration,
    /// Extra delay during which others may overtake it.
    pub(super) held_back: Duration,
    /// How long after it a copy arrives, if there is one.
    pub(super) copy_after: Option<Duration>,
    /// Bits to flip.
    pub(super) flipped_bits: u32,
}

impl Fate {
    /// Draws the fate of the next datagram. Each knob draws its own numbers, whether the knob is on or not and
    /// whether the datagram is lost or not, so that no knob shifts the numbers of another.
    pub(super) fn draw(
        conditions: &LinkConditions,
        burst_state: &mut BurstState,
        random: &mut SeededRandom,
    ) -> Self {
        let jitter = random.next_u64();
        let lost = random.chance(conditions.loss);
        let held_back = random.chance(conditions.reorder);
        let duplicated = random.chance(conditions.duplicate);
        let copy_delay = Duration::from_micros(random.below(micros(conditions.duplicate_delay_max) + 1));
        let corrupted = random.chance(conditions.corrupt);
        let bits = 1 + random.below(u64::from(conditions.corrupt_bits_max)) as u32;
        let burst_lost = burst_state.loses_next(&conditions.burst.unwrap_or(BurstLoss::NONE), random);
        Self {
            loss: if lost {
                Some(Loss::Independent)
            } else if burst_lost {
                Some(Loss::Burst)
            } else {
                None
            },
            delay: conditions.jitter.delay_at(conditions.delay, jitter),
            held_back: if held_back { conditions.reorder_delay } else { Duration::ZERO },
            copy_after: duplicated.then_some(copy_delay),
            flipped_bits: if corrupted { bits } else { 0 },
        }
    }
}

/// Flips `count` different bits at random, or all there are if that is fewer. `false` if there are none.
pub(super) fn flip_bits(bytes: &mut [u8], count: u32, random: &mut SeededRandom) -> bool {
    let bits = bytes.len() as u64 * 8;
    let count = u64::from(count).min(bits);
    // One bit in each of `count` equal stretches: never the same one twice, which would undo the damage.
    for n in 0..count {
        let (start, end) = (bits * n / count, bits * (n + 1) / count);
        let bit = start + random.below(end - start);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
    count > 0
}

/// A validated time, which is at most [`DELAY_MAX`](super::DELAY_MAX), in microseconds.
fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_so_many_bits_are_flipped() {
        let mut random = SeededRandom::new(3);
        for (bytes, count, flipped) in
            [(1_200, 1, 1), (1_200, 64, 64), (8, 64, 64), (1, 64, 8), (1, 3, 3), (0, 3, 0)]
        {
            let mut damaged = vec![0xA5u8; bytes];
            assert_eq!(flip_bits(&mut damaged, count, &mut random), bytes > 0);
            let differing: u32 = damaged.iter().map(|byte| (byte ^ 0xA5).count_ones()).sum();
            assert_eq!(differing, flipped, "{count} of {bytes} bytes");
        }
    }

    #[test]
    fn neighbouring_seeds_and_datagrams_have_nothing_in_common() {
        let mut firsts: Vec<u64> = (0..64)
            .flat_map(|seed| (0..64).map(move |number| Luck::new(seed).of(number).next_u64()))
            .collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 64 * 64);
    }
}
