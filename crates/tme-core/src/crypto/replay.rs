//! The replay window: which of the newest packet numbers were already received.

/// Packet numbers a window remembers; older ones are refused unseen.
pub const REPLAY_WINDOW: u64 = 2_048;

const WORD_BITS: u64 = 64;
const WORDS: usize = (REPLAY_WINDOW / WORD_BITS) as usize;

/// Why a packet number must not be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// It was accepted before.
    Duplicate,
    /// It lies 2,048 or more below the largest, where nothing is remembered any more.
    TooOld,
}

/// Remembers which of the newest 2,048 packet numbers were accepted, in 272 bytes.
///
/// [`check`](Self::check) before opening a packet saves the work; [`accept`](Self::accept) belongs after the
/// tag verified, or a forged number would push the window past the genuine ones.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    largest: Option<u64>,
    /// Number `n` has the bit `n % 2048`; bits of numbers above the largest are zero.
    bits: [u64; WORDS],
}

impl ReplayWindow {
    /// A window that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { largest: None, bits: [0; WORDS] }
    }

    /// The largest number accepted so far.
    #[must_use]
    pub const fn largest(&self) -> Option<u64> {
        self.largest
    }

    /// Whether this number could be accepted now.
    #[inline]
    pub const fn check(&self, number: u64) -> Result<(), ReplayError> {
        let Some(largest) = self.largest else { return Ok(()) };
        // Subtraction-side: `number + 2048` could wrap, `largest - number` cannot.
        if number > largest {
            Ok(())
        } else if largest - number >= REPLAY_WINDOW {
            Err(ReplayError::TooOld)
        } else if self.bit(number) {
            Err(ReplayError::Duplicate)
        } else {
            Ok(())
        }
    }

    /// Records the number, moving the window up if it is the largest; refuses what [`check`](Self::check)
    /// refuses.
    #[inline]
    pub const fn accept(&mut self, number: u64) -> Result<(), ReplayError> {
        if let Err(error) = self.check(number) {
            return Err(error);
        }
        match self.largest {
            Some(largest) if number > largest => self.advance(largest, number),
            Some(_) => {}
            None => self.largest = Some(number),
        }
        self.bits[Self::word(number)] |= 1 << (number % WORD_BITS);
        Ok(())
    }

    /// Whether the number was accepted, as far as the window remembers.
    #[must_use]
    pub const fn contains(&self, number: u64) -> bool {
        match self.largest {
            Some(largest) => number <= largest && largest - number < REPLAY_WINDOW && self.bit(number),
            None => false,
        }
    }

    const fn advance(&mut self, from: u64, to: u64) {
        let distance = to - from;
        if distance >= REPLAY_WINDOW {
            self.bits = [0; WORDS];
        } else {
            // Numbers skipped by the move were not received: their bits still say what was 2,048 earlier.
            let mut offset = 1;
            while offset <= distance {
                let number = from + offset;
                self.bits[Self::word(number)] &= !(1 << (number % WORD_BITS));
                offset += 1;
            }
        }
        self.largest = Some(to);
    }

    const fn bit(&self, number: u64) -> bool {
        self.bits[Self::word(number)] & 1 << (number % WORD_BITS) != 0
    }

    const fn word(number: u64) -> usize {
        (number % REPLAY_WINDOW / WORD_BITS) as usize
    }
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::SeededRandom;

    /// What the window promises, in the plainest words.
    #[derive(Default)]
    struct Naive(BTreeSet<u64>);

    impl Naive {
        fn accept(&mut self, number: u64) -> Result<(), ReplayError> {
            if self.0.last().is_some_and(|&largest| number <= largest && largest - number >= 2_048) {
                Err(ReplayError::TooOld)
            } else if self.0.insert(number) {
                Ok(())
            } else {
                Err(ReplayError::Duplicate)
            }
        }
    }

    #[test]
    fn the_window_agrees_with_a_plain_set_everywhere_in_the_number_space() {
        for start in [0, 1, 2_047, 2_048, u64::from(u32::MAX) - 100, u64::MAX / 2, u64::MAX - 9_000] {
            for seed in 0..20 {
                let mut random = SeededRandom::new(seed);
                let (mut window, mut naive) = (ReplayWindow::new(), Naive::default());
                let mut head = start;
                for _ in 0..3_000 {
                    let step = if random.chance(0.01) { random.below(5_000) } else { random.below(3) };
                    head = head.saturating_add(step);
                    let number = head.saturating_sub(random.below(2_100)).max(start);
                    let number = if random.chance(0.5) { head } else { number };
                    assert_eq!(window.check(number).is_ok(), !contains_or_old(&naive, number));
                    assert_eq!(window.accept(number), naive.accept(number), "{number} from {start}");
                    assert_eq!(window.largest(), naive.0.last().copied());
                    assert!(window.check(number).is_err());
                }
                assert!(
                    (head.saturating_sub(2_047)..=head).all(|n| window.contains(n) == naive.0.contains(&n))
                );
            }
        }
    }

    fn contains_or_old(naive: &Naive, number: u64) -> bool {
        naive.0.contains(&number) || naive.0.last().is_some_and(|&l| l >= number && l - number >= 2_048)
    }

    #[test]
    fn every_pair_of_numbers_around_the_edges_is_judged_by_distance() {
        for base in [0, u64::MAX - 4_200] {
            for first in (base..base + 4_200).step_by(7) {
                for second in [
                    first,
                    first.saturating_sub(2_047),
                    first.saturating_sub(2_048),
                    first.saturating_add(2_048),
                ] {
                    let mut window = ReplayWindow::new();
                    window.accept(first).unwrap();
                    let expected = if second == first {
                        Err(ReplayError::Duplicate)
                    } else if second < first && first - second >= 2_048 {
                        Err(ReplayError::TooOld)
                    } else {
                        Ok(())
                    };
                    assert_eq!(window.accept(second), expected, "{first} then {second}");
                    assert!(!window.contains(first) || window.largest().unwrap() - first < 2_048);
                }
            }
        }
    }

    #[test]
    fn a_new_window_has_seen_nothing() {
        let window = ReplayWindow::new();
        assert_eq!(window.largest(), None);
        assert!([0, 1, u64::MAX].iter().all(|&n| !window.contains(n) && window.check(n).is_ok()));
    }
}
