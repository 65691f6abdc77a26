//! The receiving side of the channels, each by itself: duplicates, order, reassembly, credit granted. `messages.rs`
//! feeds it.

mod keys;
mod reassembly;
mod reliable;

pub use reassembly::UnreliableReassembly;
pub use reliable::{Accepted, ReceiveCredit, ReliableReceiver};

use crate::payload::Payload;

/// Where a piece of a message belongs, after its header was checked and its sequence expanded.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Full sequence of the message.
    pub sequence: u64,
    /// Key (ReliableLatest).
    pub key: u32,
    /// First cell.
    pub index: usize,
    /// Bytes of the whole message.
    pub total: usize,
    /// The cells' bytes.
    pub data: &'a [u8],
}

/// The peer broke a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// More than was granted.
    Credit,
    /// Pieces that contradict each other, or a sequence that cannot be.
    Protocol,
}

/// The bytes of a message under reassembly and which of its cells are there.
#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
    present: Vec<u64>,
    missing: usize,
    key: u32,
}

impl Partial {
    fn new(total: usize, key: u32) -> Self {
        let cells = crate::wire::frame::cells_of(total);
        // Zeroed memory of this size comes lazily from the system, so a claimed total costs little by itself.
        Self { bytes: vec![0; total], present: vec![0; cells.div_ceil(64)], missing: cells, key }
    }

    /// Copies the cells in. `None` if they contradict what is known; else whether the message is complete.
    fn insert(&mut self, piece: &Piece<'_>) -> Option<bool> {
        use crate::wire::frame::{CELL_BYTES, cells_of};
        if piece.total != self.bytes.len() || piece.key != self.key {
            return None;
        }
        let start = piece.index * CELL_BYTES;
        self.bytes.get_mut(start..start + piece.data.len())?.copy_from_slice(piece.data);
        for cell in piece.index..piece.index + cells_of(piece.data.len()) {
            let word = self.present.get_mut(cell / 64)?;
            let bit = 1 << (cell % 64);
            self.missing -= usize::from(*word & bit == 0);
            *word |= bit;
        }
        Some(self.missing == 0)
    }

    fn into_payload(self) -> Payload {
        Payload::from(self.bytes)
    }
}
