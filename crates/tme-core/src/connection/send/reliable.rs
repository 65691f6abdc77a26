//! The send queue of a reliable channel: messages are kept until acknowledged, superseded or too late.

mod giving_up;
mod keys;
mod slot;
mod write;

use std::collections::{BTreeMap, VecDeque};

use super::copies::Copies;
use super::receipts::{Fate, Receipt, Wish, Wishes};
use super::{QueueCounters, SendCredit};
use crate::channel::ChannelMode;
use crate::connection::Expiry;
use crate::connection::sent::SentFrame;
use crate::payload::Payload;
use crate::time::Instant;
use crate::wire::frame::{CELL_BYTES, cells_of};
use giving_up::expired;
use slot::{CellSet, Slot, State};

/// Messages from the oldest unacknowledged to the newest queued.
#[derive(Debug)]
pub struct ReliableQueue {
    position: u8,
    mode: ChannelMode,
    slots: VecDeque<Slot>,
    /// Sequence of `slots[0]`.
    base: u64,
    /// The message that is sent next for the first time, and how many of its cells were.
    next_new: u64,
    next_new_cell: usize,
    again: VecDeque<SentFrame>,
    skips: VecDeque<u64>,
    queued_bytes: usize,
    queued_messages: usize,
    /// Bytes that were never sent.
    waiting_bytes: usize,
    credit: SendCredit,
    /// A message this far above the oldest unacknowledged one must wait: the receiver keeps no more apart.
    span_max: u64,
    /// Newest sequence of each key (ReliableLatest). Keys whose newest value is settled are forgotten when there is no room
    /// for another one.
    newest_of_key: BTreeMap<u32, u64>,
    copies: Copies,
    /// Made with the first wish: most channels never hear one.
    wishes: Option<Box<Wishes>>,
}

impl ReliableQueue {
    /// An empty queue for the channel at `position`; `first` is its first sequence, `credit` what the receiver grants to
    /// begin with.
    #[must_use]
    pub fn new(position: u8, mode: ChannelMode, first: u64, credit: SendCredit) -> Self {
        Self {
            span_max: credit.messages(),
            position,
            mode,
            slots: VecDeque::new(),
            base: first,
            next_new: first,
            next_new_cell: 0,
            again: VecDeque::new(),
            skips: VecDeque::new(),
            queued_bytes: 0,
            queued_messages: 0,
            waiting_bytes: 0,
            credit,
            newest_of_key: BTreeMap::new(),
            copies: Copies::default(),
            wishes: None,
        }
    }

    /// Bytes of messages not yet acknowledged.
    #[must_use]
    pub const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Messages not yet acknowledged. One that expired behind others counts until its turn to be skipped has come.
    #[must_use]
    pub const fn queued_messages(&self) -> usize {
        self.queued_messages
    }

    /// Whether the other side has, or will find there, all that it was promised.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        // A SKIP that has not arrived holds up what stands behind it.
        let holds_up = self.mode == ChannelMode::ReliableOrdered;
        self.queued_messages == 0 && (!holds_up || self.slots.is_empty())
    }

    /// Bytes that wait to be sent, those to be sent again included. `None` if nothing may go before the other side
    /// takes messages.
    #[must_use]
    pub fn waiting_bytes(&self, connection_credit: &SendCredit) -> Option<usize> {
        /// Pieces to be sent again that are looked at: more make little difference to what is told.
        const PIECES_MAX: usize = 64;
        if self.has_new() && !self.may_send_new(connection_credit) {
            return None;
        }
        let again = self.again.iter().take(PIECES_MAX).map(|piece| match *piece {
            SentFrame::Cells { count, .. } => usize::from(count) * CELL_BYTES,
            SentFrame::Messages { first, .. } => self.slot(first).map_or(0, |slot| slot.bytes as usize),
            _ => 0,
        });
        Some(self.waiting_bytes + again.sum::<usize>())
    }

    /// Gives memory back that was needed at a busier time.
    pub fn release_spare(&mut self) {
        self.slots.shrink_to_fit();
        self.again.shrink_to_fit();
        self.skips.shrink_to_fit();
        self.copies.release_spare();
        if self.keys_in_use() == 0 {
            // An empty map keeps a node.
            self.newest_of_key = BTreeMap::new();
        }
        match &mut self.wishes {
            Some(wishes) if wishes.first().is_some() => wishes.release_spare(),
            wishes => *wishes = None,
        }
    }

    /// When to look for messages whose deadline has passed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wishes.as_ref()?.next_deadline()
    }

    /// Queues a message. In ReliableLatest it supersedes the previous value of its key.
    pub fn push(
        &mut self,
        now: Instant,
        payload: Payload,
        key: u32,
        wish: Wish,
        counters: &mut QueueCounters,
        receipts: &mut Vec<Receipt>,
    ) {
        let bytes = payload.len();
        self.queued_bytes += bytes;
        self.queued_messages += 1;
        self.waiting_bytes += bytes;
        if self.mode.is_keyed() {
            if let Some(&previous) = self.newest_of_key.get(&key) {
                if self.replace_waiting(previous, &payload, now) {
                    counters.superseded += 1;
                    receipts.extend(self.take_wish(previous, expired(Expiry::Superseded, true)));
                    self.remember(previous, wish);
                    return;
                }
                receipts.extend(self.supersede(previous, counters));
            }
            self.newest_of_key.insert(key, self.base + self.slots.len() as u64);
        }
        let cells = (bytes > CELL_BYTES).then(|| Box::new(CellSet::new(cells_of(bytes))));
        self.slots.push_back(Slot {
            payload: Some(payload),
            queued_at: now,
            cells,
            bytes: bytes as u32,
            key,
            state: State::Waiting,
            carriers: 0,
            has_wish: false,
        });
        self.remember(self.base + self.slots.len() as u64 - 1, wish);
    }

    #[inline]
    fn remember(&mut self, sequence: u64, wish: Wish) {
        if wish.is_none() {
            return;
        }
        if let Some(slot) = self.slot_mut(sequence) {
            slot.has_wish = true;
            self.wishes.get_or_insert_default().insert(sequence, wish);
        }
    }

    /// Takes what was asked for a message whose fate is known; gives the word to pass on, if that was asked.
    #[inline]
    fn take_wish(&mut self, sequence: u64, fate: Fate) -> Option<Receipt> {
        let slot = self.slot_mut(sequence)?;
        if !std::mem::take(&mut slot.has_wish) {
            return None;
        }
        let token = self.wishes.as_mut()?.take(sequence)?.token?;
        Some(Receipt { position: self.position, token, fate })
    }

    fn slot(&self, sequence: u64) -> Option<&Slot> {
        self.slots.get(usize::try_from(sequence.checked_sub(self.base)?).ok()?)
    }

    fn slot_mut(&mut self, sequence: u64) -> Option<&mut Slot> {
        let index = sequence.checked_sub(self.base)?;
        self.slots.get_mut(usize::try_from(index).ok()?)
    }

    /// Raises the channel's credit; lower values are old news.
    pub fn handle_credit(&mut self, bytes: u64, messages: u64) {
        self.credit.raise(bytes, messages);
    }

    /// What this frame carried has arrived.
    pub fn handle_acked(&mut self, frame: SentFrame, receipts: &mut Vec<Receipt>) {
        match frame {
            SentFrame::Messages { first, count, .. } => {
                for sequence in first..first + u64::from(count) {
                    receipts.extend(self.settle(sequence));
                }
            }
            SentFrame::Cells { sequence, index, count, .. } => {
                let Some(slot) = self.slot_mut(sequence) else { return };
                let Some(cells) = slot.cells.as_mut() else { return };
                (index as usize..index as usize + usize::from(count)).for_each(|cell| cells.insert(cell));
                if cells.missing == 0 {
                    receipts.extend(self.settle(sequence));
                }
            }
            SentFrame::Skip { sequence, .. } => receipts.extend(self.settle(sequence)),
            _ => {}
        }
        while self.slots.front().is_some_and(|slot| slot.state == State::Done) {
            self.slots.pop_front();
            self.base += 1;
        }
    }

    #[inline]
    fn settle(&mut self, sequence: u64) -> Option<Receipt> {
        let slot = self.slot_mut(sequence)?;
        let was_queued = slot.state == State::Sent;
        let bytes = slot.bytes as usize;
        slot.state = State::Done;
        slot.payload = None;
        slot.cells = None;
        if was_queued {
            self.queued_bytes -= bytes;
            self.queued_messages -= 1;
        }
        self.take_wish(sequence, Fate::Delivered)
    }

    /// What this frame carried is lost. A message that another packet still carries waits for the fate of that one.
    pub fn handle_lost(&mut self, frame: SentFrame) {
        let SentFrame::Messages { position, first, count } = frame else { return self.send_again(frame) };
        for sequence in first..first + u64::from(count) {
            let Some(slot) = self.slot_mut(sequence) else { continue };
            slot.carriers = slot.carriers.saturating_sub(1);
            if slot.carriers > 0 {
                continue;
            }
            match self.again.back_mut() {
                Some(SentFrame::Messages { first, count, .. })
                    if *first + u64::from(*count) == sequence && *count < u16::MAX =>
                {
                    *count += 1;
                }
                _ => self.again.push_back(SentFrame::Messages { position, first: sequence, count: 1 }),
            }
        }
    }

    /// What this frame carried is to go again, whatever became of it.
    pub fn send_again(&mut self, frame: SentFrame) {
        match frame {
            SentFrame::Messages { .. } | SentFrame::Cells { .. } => self.again.push_back(frame),
            SentFrame::Skip { sequence, .. }
                if self.slot_mut(sequence).is_some_and(|slot| slot.state == State::Skipping) =>
            {
                self.skips.push_back(sequence);
            }
            _ => {}
        }
    }

    /// Whether anything may be sent now, as far as credit goes.
    #[must_use]
    pub fn has_sendable(&self, connection_credit: &SendCredit) -> bool {
        !self.again.is_empty() || !self.skips.is_empty() || self.may_send_new(connection_credit)
    }

    /// Whether messages wait only for the acknowledgement of the oldest one.
    #[must_use]
    pub fn is_blocked_by_span(&self) -> bool {
        self.has_new() && self.next_new - self.base >= self.span_max
    }

    fn has_new(&self) -> bool {
        self.next_new < self.base + self.slots.len() as u64
    }

    fn may_send_new(&self, connection_credit: &SendCredit) -> bool {
        let index = (self.next_new - self.base) as usize;
        self.slots.get(index).is_some_and(|slot| {
            let bytes = u64::from(slot.bytes);
            let may_start = self.credit.allows(bytes)
                && connection_credit.allows(bytes)
                && self.next_new - self.base < self.span_max;
            self.next_new_cell > 0 || may_start
        })
    }
}
