//! A message in the queue of a reliable channel, and how far it has come.

use crate::connection::send::copies::COPIED_BYTES_MAX;
use crate::payload::Payload;
use crate::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No byte of it was sent.
    Waiting,
    /// All or some of it was sent and not yet acknowledged.
    Sent,
    /// Given up before any byte of it was sent: a SKIP takes its place.
    Expired,
    /// Whole and in flight, but a newer value exists: if it is lost, a SKIP goes instead.
    Superseded,
    /// A SKIP is queued or in flight.
    Skipping,
    /// Acknowledged, one way or the other.
    Done,
}

#[derive(Debug)]
pub(super) struct Slot {
    /// Given up as soon as it is not needed any more.
    pub(super) payload: Option<Payload>,
    pub(super) queued_at: Instant,
    pub(super) cells: Option<Box<CellSet>>,
    pub(super) bytes: u32,
    pub(super) key: u32,
    pub(super) state: State,
    /// Packets in flight that carry it whole: while there is one, the loss of another matters not.
    pub(super) carriers: u8,
    /// Its sender asked for something that stands in `wishes`.
    pub(super) has_wish: bool,
}

impl Slot {
    /// Whether a copy of it may ride along.
    pub(super) const fn is_copied(&self) -> bool {
        self.cells.is_none() && self.bytes as usize <= COPIED_BYTES_MAX
    }
}

/// Which cells of a long message were acknowledged.
#[derive(Debug)]
pub(super) struct CellSet {
    acked: Vec<u64>,
    pub(super) missing: usize,
}

impl CellSet {
    pub(super) fn new(cells: usize) -> Self {
        Self { acked: vec![0; cells.div_ceil(64)], missing: cells }
    }

    pub(super) fn contains(&self, cell: usize) -> bool {
        self.acked.get(cell / 64).is_some_and(|word| word >> (cell % 64) & 1 == 1)
    }

    pub(super) fn insert(&mut self, cell: usize) {
        if let Some(word) = self.acked.get_mut(cell / 64) {
            let bit = 1 << (cell % 64);
            self.missing -= usize::from(*word & bit == 0);
            *word |= bit;
        }
    }
}
