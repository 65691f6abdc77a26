//! Reassembly of unreliable messages: few at a time, and not for long.

use std::time::Duration;

use super::{Partial, Piece, Violation};
use crate::payload::Payload;
use crate::time::Instant;

/// Incomplete unreliable messages kept per connection; the oldest gives way to a ninth.
pub const UNRELIABLE_PARTIALS_MAX: usize = 8;
/// An incomplete unreliable message is given up after this time.
pub const UNRELIABLE_PARTIAL_AGE_MAX: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct Entry {
    position: u8,
    sequence: u64,
    started_at: Instant,
    partial: Partial,
}

/// Incomplete messages of all unreliable channels of a connection, oldest first.
#[derive(Debug, Default)]
pub struct UnreliableReassembly {
    entries: Vec<Entry>,
    given_up: u64,
}

impl UnreliableReassembly {
    /// Adds cells of a message; gives the message once it is complete, a violation if the cells contradict earlier ones.
    pub fn insert(
        &mut self,
        now: Instant,
        position: u8,
        piece: &Piece<'_>,
    ) -> Result<Option<Payload>, Violation> {
        self.expire(now);
        let known = self
            .entries
            .iter()
            .position(|entry| entry.position == position && entry.sequence == piece.sequence);
        let index = known.unwrap_or_else(|| {
            if self.entries.len() >= UNRELIABLE_PARTIALS_MAX {
                self.entries.remove(0);
                self.given_up += 1;
            }
            let partial = Partial::new(piece.total, piece.key);
            self.entries.push(Entry { position, sequence: piece.sequence, started_at: now, partial });
            self.entries.len() - 1
        });
        let Some(entry) = self.entries.get_mut(index) else { return Ok(None) };
        match entry.partial.insert(piece) {
            None => Err(Violation::Protocol),
            Some(false) => Ok(None),
            Some(true) => Ok(Some(self.entries.remove(index).partial.into_payload())),
        }
    }

    /// Gives up messages of a channel below `sequence`: a newer one was delivered.
    pub fn forget_older(&mut self, position: u8, sequence: u64) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.position != position || entry.sequence >= sequence);
        self.given_up += (before - self.entries.len()) as u64;
    }

    /// Gives up what has waited too long.
    pub fn expire(&mut self, now: Instant) {
        let before = self.entries.len();
        self.entries.retain(|entry| now.saturating_since(entry.started_at) <= UNRELIABLE_PARTIAL_AGE_MAX);
        self.given_up += (before - self.entries.len()) as u64;
    }

    /// Gives memory back that was needed at a busier time.
    pub fn release_spare(&mut self) {
        self.entries.shrink_to_fit();
    }

    /// Whether no message is incomplete.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Messages given up incomplete.
    #[must_use]
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::CELL_BYTES;

    fn piece(sequence: u64, index: usize, data: &[u8]) -> Piece<'_> {
        Piece { sequence, key: 0, index, total: 2 * CELL_BYTES, data }
    }

    #[test]
    fn cells_in_any_order_make_the_message() {
        let (first, second) = ([1; CELL_BYTES], [2; CELL_BYTES]);
        let mut reassembly = UnreliableReassembly::default();
        assert_eq!(reassembly.insert(Instant::ZERO, 0, &piece(5, 1, &second)), Ok(None));
        assert_eq!(reassembly.insert(Instant::ZERO, 1, &piece(5, 0, &first)), Ok(None), "another channel");
        let whole = reassembly.insert(Instant::ZERO, 0, &piece(5, 0, &first)).unwrap().unwrap();
        assert_eq!(*whole, [[1; CELL_BYTES], [2; CELL_BYTES]].concat());
    }

    #[test]
    fn the_ninth_incomplete_message_displaces_the_oldest() {
        let cell = [0; CELL_BYTES];
        let mut reassembly = UnreliableReassembly::default();
        for sequence in 0..9 {
            assert_eq!(reassembly.insert(Instant::ZERO, 0, &piece(sequence, 0, &cell)), Ok(None));
        }
        assert_eq!(reassembly.given_up(), 1);
        assert!(reassembly.insert(Instant::ZERO, 0, &piece(1, 1, &cell)).unwrap().is_some());
        assert_eq!(reassembly.insert(Instant::ZERO, 0, &piece(0, 1, &cell)), Ok(None));
    }

    #[test]
    fn incomplete_messages_are_given_up_after_three_seconds() {
        let mut reassembly = UnreliableReassembly::default();
        assert_eq!(reassembly.insert(Instant::ZERO, 0, &piece(0, 0, &[0; CELL_BYTES])), Ok(None));
        let expiry = Instant::ZERO + UNRELIABLE_PARTIAL_AGE_MAX;
        reassembly.expire(expiry);
        assert_eq!(reassembly.given_up(), 0);
        reassembly.expire(expiry + Duration::from_micros(1));
        assert_eq!(reassembly.given_up(), 1);
    }

    #[test]
    fn contradicting_cells_are_refused() {
        let mut reassembly = UnreliableReassembly::default();
        assert_eq!(reassembly.insert(Instant::ZERO, 0, &piece(0, 0, &[0; CELL_BYTES])), Ok(None));
        let longer = Piece { total: 3 * CELL_BYTES, ..piece(0, 1, &[0; CELL_BYTES]) };
        assert_eq!(reassembly.insert(Instant::ZERO, 0, &longer), Err(Violation::Protocol));
    }
}
