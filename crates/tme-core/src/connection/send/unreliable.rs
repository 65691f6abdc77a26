//! The send queue of an Unreliable or Sequenced channel: messages that are forgotten once they left.

use std::collections::VecDeque;
use std::time::Duration;

use super::receipts::{Awaited, Fate, Receipt, Wish};
use super::{PacketRoom, QueueCounters};
use crate::channel::ChannelMode;
use crate::connection::Expiry;
use crate::connection::sent::SentFrame;
use crate::payload::Payload;
use crate::time::Instant;
use crate::wire::frame::{CELL_BYTES, Fragment, MessageFrame, SequenceField};

#[derive(Debug)]
struct Waiting {
    payload: Payload,
    queued_at: Instant,
    /// From then on it is dropped.
    expires_at: Instant,
    /// Given when the first piece leaves.
    sequence: Option<u64>,
    cells_sent: usize,
    receipt: Wanted,
}

/// Whether the sender wants to know what becomes of a message.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// No.
    No,
    /// Yes, under this token, and nothing has left yet.
    Unsent(u64),
    /// Yes, and what has left is known by this ordinal.
    Sent(u64),
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
    /// Before this instant only the oldest message can have waited too long. `None`: nobody has asked for more.
    next_deadline: Option<Instant>,
    awaited: Awaited,
}

impl UnreliableQueue {
    /// An empty queue for the channel at `position`; `first` is its first sequence.
    #[must_use]
    pub fn new(position: u8, mode: ChannelMode, first: u64, age_max: Duration) -> Self {
        Self {
            position,
            mode,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            next_sequence: first,
            age_max,
            next_deadline: None,
            awaited: Awaited::default(),
        }
    }

    /// Queues a message. In a Sequenced channel it takes the place of one that has not begun to leave.
    pub fn push(
        &mut self,
        now: Instant,
        payload: Payload,
        wish: Wish,
        counters: &mut QueueCounters,
        receipts: &mut Vec<Receipt>,
    ) {
        if self.mode == ChannelMode::Sequenced
            && self.waiting.back().is_some_and(|last| last.cells_sent == 0)
            && let Some(replaced) = self.waiting.pop_back()
        {
            self.waiting_bytes -= replaced.payload.len();
            counters.superseded += 1;
            receipts.extend(self.give_up(replaced.receipt, Expiry::Superseded));
        }
        self.waiting_bytes += payload.len();
        // One of exactly the age is not too old.
        let too_old_at = now + self.age_max + Duration::from_micros(1);
        let expires_at = wish.expires_at.map_or(too_old_at, |at| at.min(too_old_at));
        if !wish.is_none() {
            self.next_deadline = Some(self.next_deadline.map_or(expires_at, |at| at.min(expires_at)));
        }
        let receipt = wish.token.map_or(Wanted::No, Wanted::Unsent);
        let waiting = Waiting { payload, queued_at: now, expires_at, sequence: None, cells_sent: 0, receipt };
        self.waiting.push_back(waiting);
    }

    /// When a message waits too long of which somebody wants to know, or that has a deadline of its own. It may turn out
    /// to have left before.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    /// Messages that have left and whose fate somebody waits for.
    #[must_use]
    pub const fn awaited_messages(&self) -> usize {
        self.awaited.count()
    }

    /// Word of a message that is given up, if somebody waits for it and has not got it.
    fn give_up(&mut self, receipt: Wanted, reason: Expiry) -> Option<Receipt> {
        let (token, never_sent) = match receipt {
            Wanted::No => return None,
            Wanted::Unsent(token) => (token, true),
            Wanted::Sent(ordinal) => (self.awaited.settle(ordinal)?, false),
        };
        Some(Receipt { position: self.position, token, fate: Fate::Expired { reason, never_sent } })
    }

    /// A packet that carried a piece of this message has arrived.
    pub fn handle_acked(&mut self, ordinal: u64) -> Option<Receipt> {
        let token = self.awaited.handle_acked(ordinal)?;
        Some(Receipt { position: self.position, token, fate: Fate::Delivered })
    }

    /// A packet that carried a piece of this message is lost.
    pub fn handle_lost(&mut self, ordinal: u64) -> Option<Receipt> {
        self.give_up(Wanted::Sent(ordinal), Expiry::Lost)
    }

    /// Gives up on everything that somebody waits for.
    pub fn abandon(&mut self, receipts: &mut Vec<Receipt>) {
        while let Some(waiting) = self.waiting.pop_front() {
            receipts.extend(self.give_up(waiting.receipt, Expiry::Disconnected));
        }
        self.waiting_bytes = 0;
        let fate = Fate::Expired { reason: Expiry::Disconnected, never_sent: false };
        while let Some(token) = self.awaited.settle_oldest() {
            receipts.push(Receipt { position: self.position, token, fate });
        }
        self.next_deadline = None;
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
        self.awaited.release_spare();
    }

    /// Drops what has waited too long. The rest of a message that half left is of no use either.
    pub fn expire(&mut self, now: Instant, counters: &mut QueueCounters, receipts: &mut Vec<Receipt>) {
        while self.waiting.front().is_some_and(|oldest| oldest.expires_at <= now) {
            let Some(expired) = self.pop_front() else { break };
            counters.expired += 1;
            receipts.extend(self.give_up(expired.receipt, Expiry::Deadline));
        }
        if self.next_deadline.is_some_and(|at| at <= now) {
            self.expire_everywhere(now, counters, receipts);
        }
    }

    /// Deadlines of their own may pass behind messages that have time left.
    fn expire_everywhere(&mut self, now: Instant, counters: &mut QueueCounters, receipts: &mut Vec<Receipt>) {
        self.next_deadline = None;
        for _ in 0..self.waiting.len() {
            let Some(waiting) = self.pop_front() else { break };
            if waiting.expires_at <= now {
                counters.expired += 1;
                receipts.extend(self.give_up(waiting.receipt, Expiry::Deadline));
                continue;
            }
            let is_asked = !matches!(waiting.receipt, Wanted::No)
                || waiting.expires_at <= waiting.queued_at + self.age_max;
            if is_asked {
                let next = self.next_deadline.map_or(waiting.expires_at, |at| at.min(waiting.expires_at));
                self.next_deadline = Some(next);
            }
            self.waiting_bytes += waiting.payload.len();
            self.waiting.push_back(waiting);
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
        let is_complete = is_whole || waiting.cells_sent * CELL_BYTES >= bytes;
        if let Wanted::Unsent(token) = waiting.receipt {
            waiting.receipt = Wanted::Sent(self.awaited.start(token));
        }
        if let Wanted::Sent(ordinal) = waiting.receipt {
            self.awaited.handle_sent(ordinal, is_complete);
            room.record_quietly(SentFrame::Awaited { position: self.position, ordinal });
        }
        if is_complete {
            self.pop_front();
            counters.messages_sent += 1;
        }
        Some(written)
    }

    fn pop_front(&mut self) -> Option<Waiting> {
        let gone = self.waiting.pop_front()?;
        self.waiting_bytes -= gone.payload.len();
        Some(gone)
    }
}
