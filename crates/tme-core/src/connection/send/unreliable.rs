//! The send queue of an Unreliable or Sequenced channel: messages that are forgotten once they left.

use std::collections::VecDeque;
use std::time::Duration;

use super::{PacketRoom, QueueCounters};
use crate::channel::ChannelMode;
use crate::payload::Payload;
use crate::time::Instant;
use crate::wire::frame::{CELL_BYTES, Fragment, MessageFrame, SequenceField};

#[derive(Debug)]
struct Waiting {
    payload: Payload,
    queued_at: Instant,
    /// Given when the first piece leaves.
    sequence: Option<u64>,
    cells_sent: usize,
}

/// Messages waiting to be sent once.
#[derive(Debug)]
pub struct UnreliableQueue {
    position: u8,
    mode: ChannelMode,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    next_sequence: u64,
    age_max: Duration,
}

impl UnreliableQueue {
    /// An empty queue for the channel at `position`; `first` is its first sequence.
    #[must_use]
    pub const fn new(position: u8, mode: ChannelMode, first: u64, age_max: Duration) -> Self {
        Self { position, mode, waiting: VecDeque::new(), waiting_bytes: 0, next_sequence: first, age_max }
    }

    /// Queues a message. In a Sequenced channel it takes the place of one that has not begun to leave.
    pub fn push(&mut self, now: Instant, payload: Payload, counters: &mut QueueCounters) {
        if self.mode == ChannelMode::Sequenced
            && self.waiting.back().is_some_and(|last| last.cells_sent == 0)
            && let Some(replaced) = self.waiting.pop_back()
        {
            self.waiting_bytes -= replaced.payload.len();
            counters.superseded += 1;
        }
        self.waiting_bytes += payload.len();
        self.waiting.push_back(Waiting { payload, queued_at: now, sequence: None, cells_sent: 0 });
    }

    /// Bytes waiting.
    #[must_use]
    pub const fn queued_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Bytes waiting that have not left with the first part of their message.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        let sent = self.waiting.front().map_or(0, |oldest| oldest.cells_sent * CELL_BYTES);
        self.waiting_bytes.saturating_sub(sent)
    }

    /// Messages waiting.
    #[must_use]
    pub fn queued_messages(&self) -> usize {
        self.waiting.len()
    }

    /// Gives memory back that was needed at a busier time.
    pub fn release_spare(&mut self) {
        self.waiting.shrink_to_fit();
    }

    /// Drops what has waited too long. The rest of a message that half left is of no use either.
    pub fn expire(&mut self, now: Instant, counters: &mut QueueCounters) {
        while self.waiting.front().is_some_and(|oldest| oldest.queued_at + self.age_max < now) {
            self.pop_front();
            counters.expired += 1;
        }
    }

    /// Writes one frame. `None`: nothing waits, or it does not fit.
    pub fn write_next(
        &mut self,
        now: Instant,
        room: &mut PacketRoom<'_>,
        counters: &mut QueueCounters,
    ) -> Option<usize> {
        let waiting = self.waiting.front_mut()?;
        let bytes = waiting.payload.len();
        let is_whole = bytes <= CELL_BYTES;
        // Whole messages of an Unreliable channel carry no sequence and use none up.
        let sequence = waiting.sequence.unwrap_or(self.next_sequence);
        let numbered = !is_whole || self.mode == ChannelMode::Sequenced;
        let field = if numbered { SequenceField::low(sequence) } else { SequenceField::Absent };
        let mut frame =
            MessageFrame { position: self.position, sequence: field, key: 0, fragment: None, data: &[] };
        let written = if is_whole {
            frame.data = &waiting.payload;
            room.write_message(&frame, self.mode)?
        } else {
            frame.fragment = Some(Fragment { index: waiting.cells_sent as u32, total: bytes as u32 });
            let (cells, written) = room.write_cells(&frame, self.mode, &waiting.payload, usize::MAX)?;
            waiting.cells_sent += cells;
            written
        };
        if waiting.sequence.is_none() {
            counters.handle_first_sent(now, waiting.queued_at);
            waiting.sequence = Some(sequence);
            self.next_sequence += u64::from(numbered);
        }
        if is_whole || waiting.cells_sent * CELL_BYTES >= bytes {
            self.pop_front();
            counters.messages_sent += 1;
        }
        Some(written)
    }

    fn pop_front(&mut self) {
        if let Some(gone) = self.waiting.pop_front() {
            self.waiting_bytes -= gone.payload.len();
        }
    }
}
