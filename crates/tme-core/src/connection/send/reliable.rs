//! The send queue of a reliable channel: messages are kept until acknowledged, superseded or too late.

use std::collections::{BTreeMap, VecDeque};

use super::copies::{COPIED_BYTES_MAX, Copies};
use super::receipts::{Fate, Receipt, Wish, Wishes};
use super::{PacketRoom, QueueCounters, SendCredit};
use crate::channel::ChannelMode;
use crate::connection::Expiry;
use crate::connection::sent::SentFrame;
use crate::payload::Payload;
use crate::time::Instant;
use crate::wire::frame::{CELL_BYTES, Fragment, MessageFrame, SequenceField, cells_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
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
struct Slot {
    /// Given up as soon as it is not needed any more.
    payload: Option<Payload>,
    queued_at: Instant,
    cells: Option<Box<CellSet>>,
    bytes: u32,
    key: u32,
    state: State,
    /// Packets in flight that carry it whole: while there is one, the loss of another matters not.
    carriers: u8,
    /// Its sender asked for something that stands in `wishes`.
    has_wish: bool,
}

/// Which cells of a long message were acknowledged.
#[derive(Debug)]
struct CellSet {
    acked: Vec<u64>,
    missing: usize,
}

impl CellSet {
    fn new(cells: usize) -> Self {
        Self { acked: vec![0; cells.div_ceil(64)], missing: cells }
    }

    fn contains(&self, cell: usize) -> bool {
        self.acked.get(cell / 64).is_some_and(|word| word >> (cell % 64) & 1 == 1)
    }

    fn insert(&mut self, cell: usize) {
        if let Some(word) = self.acked.get_mut(cell / 64) {
            let bit = 1 << (cell % 64);
            self.missing -= usize::from(*word & bit == 0);
            *word |= bit;
        }
    }
}

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
        match &mut self.wishes {
            Some(wishes) if wishes.first().is_some() => wishes.release_spare(),
            wishes => *wishes = None,
        }
    }

    /// Whether a message with this key may be queued while at most `keys_max` keys have values that are not settled.
    #[must_use]
    pub fn has_room_for_key(&mut self, key: u32, keys_max: u32) -> bool {
        !self.mode.is_keyed()
            || self.newest_of_key.len() < keys_max as usize
            || self.newest_of_key.contains_key(&key)
            || self.keys_in_use() < keys_max as usize
    }

    /// Forgets the keys whose newest value is settled, and counts the others.
    pub fn keys_in_use(&mut self) -> usize {
        let (slots, base) = (&self.slots, self.base);
        self.newest_of_key.retain(|&key, &mut sequence| {
            let index = sequence.checked_sub(base).and_then(|index| usize::try_from(index).ok());
            let slot = index.and_then(|index| slots.get(index));
            slot.is_some_and(|slot| slot.key == key && matches!(slot.state, State::Waiting | State::Sent))
        });
        self.newest_of_key.len()
    }

    /// Whether a value of this key is not settled.
    #[must_use]
    pub fn is_key_in_use(&self, key: u32) -> bool {
        let slot = self.newest_of_key.get(&key).and_then(|&sequence| self.slot(sequence));
        slot.is_some_and(|slot| slot.key == key && matches!(slot.state, State::Waiting | State::Sent))
    }

    /// Keys of which something is remembered.
    #[cfg(test)]
    pub(super) fn keys_remembered(&self) -> usize {
        self.newest_of_key.len()
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

    /// Gives up the messages whose deadline has passed. Gives whether there were any.
    pub fn expire(
        &mut self,
        now: Instant,
        counters: &mut QueueCounters,
        receipts: &mut Vec<Receipt>,
    ) -> bool {
        let mut has_any = false;
        while let Some(sequence) = self.wishes.as_mut().and_then(|wishes| wishes.poll_expired(now)) {
            counters.expired += 1;
            has_any = true;
            let never_sent = self.give_up(sequence);
            receipts.extend(self.take_wish(sequence, expired(Expiry::Deadline, never_sent)));
            self.drop_expired_tail();
        }
        has_any
    }

    /// Lets a message be skipped. Gives whether nothing of it was ever sent.
    fn give_up(&mut self, sequence: u64) -> bool {
        let Some(slot) = self.slot_mut(sequence) else { return false };
        let bytes = slot.bytes as usize;
        match slot.state {
            State::Waiting => {
                // The other side never hears how long it was: skipped as an empty one it costs no credit.
                slot.bytes = 0;
                slot.payload = None;
                slot.cells = None;
                slot.state = State::Expired;
                self.queued_bytes -= bytes;
                self.waiting_bytes -= bytes;
                true
            }
            State::Sent => {
                self.skip_sent(sequence, State::Skipping);
                self.skips.push_back(sequence);
                false
            }
            _ => false,
        }
    }

    /// What expired behind everything that goes out needs not even be skipped: its sequence is free for another message.
    fn drop_expired_tail(&mut self) {
        while self.has_new()
            && let Some(&Slot { state: State::Expired, key, .. }) = self.slots.back()
        {
            self.slots.pop_back();
            self.queued_messages -= 1;
            let sequence = self.base + self.slots.len() as u64;
            if self.newest_of_key.get(&key) == Some(&sequence) {
                self.newest_of_key.remove(&key);
            }
        }
    }

    /// Gives up on everything that somebody waits for: the connection is over.
    pub fn abandon(&mut self, receipts: &mut Vec<Receipt>) {
        while let Some(sequence) = self.wishes.as_ref().and_then(|wishes| wishes.first()) {
            let is_waiting = self.slot(sequence).is_some_and(|slot| slot.state == State::Waiting);
            let Some(wish) = self.wishes.as_mut().and_then(|wishes| wishes.take(sequence)) else { break };
            let fate = expired(Expiry::Disconnected, is_waiting);
            let position = self.position;
            receipts.extend(wish.token.map(|token| Receipt { position, token, fate }));
        }
    }

    /// Puts a newer value into the place of one that has not begun to leave.
    fn replace_waiting(&mut self, sequence: u64, payload: &Payload, now: Instant) -> bool {
        let Some(slot) = self.slot_mut(sequence) else { return false };
        if slot.state != State::Waiting {
            return false;
        }
        let old_bytes = slot.bytes as usize;
        slot.bytes = payload.len() as u32;
        slot.cells = (payload.len() > CELL_BYTES).then(|| Box::new(CellSet::new(cells_of(payload.len()))));
        slot.payload = Some(payload.clone());
        slot.queued_at = now;
        self.queued_bytes -= old_bytes;
        self.queued_messages -= 1;
        self.waiting_bytes -= old_bytes;
        true
    }

    fn supersede(&mut self, sequence: u64, counters: &mut QueueCounters) -> Option<Receipt> {
        let slot = self.slot(sequence)?;
        if slot.state != State::Sent {
            return None;
        }
        // A long message may have cells that were never sent, so only a SKIP can settle it.
        let is_long = slot.cells.is_some();
        self.skip_sent(sequence, if is_long { State::Skipping } else { State::Superseded });
        if is_long {
            self.skips.push_back(sequence);
        }
        counters.superseded += 1;
        self.take_wish(sequence, expired(Expiry::Superseded, false))
    }

    /// Takes a message of which something was sent out of what is to be sent.
    fn skip_sent(&mut self, sequence: u64, state: State) {
        let Some(slot) = self.slot_mut(sequence) else { return };
        let bytes = slot.bytes as usize;
        slot.payload = None;
        slot.cells = None;
        slot.state = state;
        self.queued_bytes -= bytes;
        self.queued_messages -= 1;
        if sequence == self.next_new {
            self.waiting_bytes -= bytes.saturating_sub(self.next_new_cell * CELL_BYTES);
            self.next_new += 1;
            self.next_new_cell = 0;
        }
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

    /// Writes one frame: a SKIP, something lost, or something new. `None`: nothing may go, or it does not fit.
    pub fn write_next(
        &mut self,
        now: Instant,
        room: &mut PacketRoom<'_>,
        connection_credit: &mut SendCredit,
        counters: &mut QueueCounters,
    ) -> Option<usize> {
        if !self.skips.is_empty() || !self.again.is_empty() {
            let written = self.write_skip(room).or_else(|| self.write_again(now, room, counters));
            // A lost message that was superseded meanwhile has become a SKIP by now.
            if let Some(written) = written.or_else(|| self.write_skip(room)) {
                return Some(written);
            }
            if !self.skips.is_empty() || !self.again.is_empty() {
                return None;
            }
        }
        self.write_new(now, room, connection_credit, counters)
    }

    fn write_skip(&mut self, room: &mut PacketRoom<'_>) -> Option<usize> {
        while let Some(&sequence) = self.skips.front() {
            let position = self.position;
            let bytes = match self.slot_mut(sequence) {
                Some(slot) if slot.state == State::Skipping => u64::from(slot.bytes),
                _ => {
                    self.skips.pop_front();
                    continue;
                }
            };
            let written = room.write_skip(position, sequence, bytes)?;
            self.skips.pop_front();
            return Some(written);
        }
        None
    }

    fn write_again(
        &mut self,
        now: Instant,
        room: &mut PacketRoom<'_>,
        counters: &mut QueueCounters,
    ) -> Option<usize> {
        while let Some(&piece) = self.again.front() {
            let step = match piece {
                SentFrame::Messages { first, .. } => self.write_message_again(now, first, room)?,
                SentFrame::Cells { sequence, index, count, .. } => {
                    self.write_cells_again(sequence, index, count, room)?
                }
                _ => Step { taken: u16::MAX, written: 0 },
            };
            self.advance_again(step.taken);
            if step.written > 0 {
                counters.resent += 1;
                return Some(step.written);
            }
        }
        None
    }

    /// Takes `taken` messages or cells off the front of what is to be sent again.
    fn advance_again(&mut self, taken: u16) {
        let is_finished = match self.again.front_mut() {
            Some(SentFrame::Messages { first, count, .. }) => {
                *first += u64::from(taken);
                *count = count.saturating_sub(taken);
                *count == 0
            }
            Some(SentFrame::Cells { index, count, .. }) => {
                *index += u32::from(taken);
                *count = count.saturating_sub(taken);
                *count == 0
            }
            _ => true,
        };
        if is_finished {
            self.again.pop_front();
        }
    }

    fn write_message_again(
        &mut self,
        now: Instant,
        sequence: u64,
        room: &mut PacketRoom<'_>,
    ) -> Option<Step> {
        let (position, mode) = (self.position, self.mode);
        let has_copies = self.copies.count() > 0;
        let Some(slot) = self.slot_mut(sequence) else { return Some(Step::NOTHING) };
        match (slot.state, &slot.payload) {
            (State::Superseded, _) => {
                slot.state = State::Skipping;
                self.skips.push_back(sequence);
                Some(Step::NOTHING)
            }
            (State::Sent, Some(payload)) => {
                let written = room.write_numbered(position, mode, sequence, slot.key, payload)?;
                slot.carriers = slot.carriers.saturating_add(1);
                // What was lost once is repeated in two packets.
                if has_copies && slot.is_copied() {
                    self.copies.push(now, sequence, room.number(), 1);
                }
                Some(Step { taken: 1, written })
            }
            _ => Some(Step::NOTHING),
        }
    }

    fn write_cells_again(
        &mut self,
        sequence: u64,
        index: u32,
        count: u16,
        room: &mut PacketRoom<'_>,
    ) -> Option<Step> {
        let (position, mode) = (self.position, self.mode);
        let everything = Step { taken: count, written: 0 };
        let Some(slot) = self.slot_mut(sequence) else { return Some(everything) };
        let (Some(payload), Some(cells)) = (&slot.payload, &slot.cells) else { return Some(everything) };
        let range = index as usize..index as usize + usize::from(count);
        let acked = range.clone().take_while(|&cell| cells.contains(cell)).count();
        if acked > 0 {
            return Some(Step { taken: acked as u16, written: 0 });
        }
        let missing = range.take_while(|&cell| !cells.contains(cell)).count();
        let frame = MessageFrame {
            position,
            sequence: SequenceField::low(sequence),
            key: slot.key,
            fragment: Some(Fragment { index, total: slot.bytes }),
            data: &[],
        };
        let (sent, written) = room.write_cells(&frame, mode, payload, missing)?;
        room.record(SentFrame::Cells { position, sequence, index, count: sent as u16 });
        Some(Step { taken: sent as u16, written })
    }

    fn write_new(
        &mut self,
        now: Instant,
        room: &mut PacketRoom<'_>,
        connection_credit: &mut SendCredit,
        counters: &mut QueueCounters,
    ) -> Option<usize> {
        if !self.may_send_new(connection_credit) {
            return None;
        }
        let (position, mode, sequence, cell) = (self.position, self.mode, self.next_new, self.next_new_cell);
        let slot = self.slot_mut(sequence)?;
        if slot.state == State::Expired {
            let written = room.write_skip(position, sequence, 0)?;
            slot.state = State::Skipping;
            self.next_new += 1;
            self.queued_messages -= 1;
            self.credit.spend(0);
            connection_credit.spend(0);
            return Some(written);
        }
        let payload = slot.payload.as_ref()?;
        let bytes = slot.bytes as usize;
        let written = if slot.cells.is_none() {
            let written = room.write_numbered(position, mode, sequence, slot.key, payload)?;
            self.next_new += 1;
            self.waiting_bytes -= bytes;
            written
        } else {
            let frame = MessageFrame {
                position,
                sequence: SequenceField::low(sequence),
                key: slot.key,
                fragment: Some(Fragment { index: cell as u32, total: bytes as u32 }),
                data: &[],
            };
            let (sent, written) = room.write_cells(&frame, mode, payload, usize::MAX)?;
            room.record(SentFrame::Cells { position, sequence, index: cell as u32, count: sent as u16 });
            self.waiting_bytes -= (sent * CELL_BYTES).min(bytes - cell * CELL_BYTES);
            self.next_new_cell += sent;
            if self.next_new_cell * CELL_BYTES >= bytes {
                self.next_new += 1;
                self.next_new_cell = 0;
            }
            written
        };
        if cell == 0 {
            let slot = self.slot_mut(sequence)?;
            slot.state = State::Sent;
            slot.carriers = 1;
            counters.handle_first_sent(now, slot.queued_at);
            counters.messages_sent += 1;
            let is_copied = slot.is_copied();
            self.credit.spend(bytes as u64);
            connection_credit.spend(bytes as u64);
            if is_copied {
                self.copies.push(now, sequence, room.number(), self.copies.count());
            }
        }
        Some(written)
    }

    /// How many copies messages get from now on.
    pub fn set_copies(&mut self, copies: u8) {
        self.copies.set_count(copies);
    }

    /// Bytes of messages that were never sent, as far as they matter to a packet of `enough` bytes.
    #[must_use]
    pub fn unsent_bytes(&self, enough: usize) -> usize {
        let mut bytes = 0;
        let unsent = (self.next_new - self.base) as usize;
        for slot in self.slots.range(unsent.min(self.slots.len())..) {
            bytes += slot.bytes as usize + FRAME_BYTES_MAX;
            if bytes >= enough {
                break;
            }
        }
        bytes
    }

    /// Writes messages that left in earlier packets once more, as far as `budget` goes. Gives the bytes written.
    pub fn write_copies(
        &mut self,
        now: Instant,
        room: &mut PacketRoom<'_>,
        budget: usize,
        counters: &mut QueueCounters,
    ) -> usize {
        let (position, mode, number) = (self.position, self.mode, room.number());
        let (mut index, mut written) = (0, 0);
        while let Some(copy) = self.copies.get(index) {
            let place = copy.sequence.checked_sub(self.base).map(|place| place as usize);
            let slot = place.and_then(|place| self.slots.get_mut(place));
            let Some(Slot { state: State::Sent, payload: Some(payload), key, carriers, .. }) = slot else {
                self.copies.remove(index);
                continue;
            };
            if !copy.is_due(now, number) {
                index += 1;
                continue;
            }
            if written + payload.len() + FRAME_BYTES_MAX > budget {
                break;
            }
            let Some(bytes) = room.write_numbered(position, mode, copy.sequence, *key, payload) else {
                break;
            };
            *carriers = carriers.saturating_add(1);
            written += bytes;
            counters.copied += 1;
            index += usize::from(self.copies.handle_written(now, index, number));
        }
        written
    }
}

impl Slot {
    /// Whether a copy of it may ride along.
    const fn is_copied(&self) -> bool {
        self.cells.is_none() && self.bytes as usize <= COPIED_BYTES_MAX
    }
}

/// The fate of a message that is given up.
const fn expired(reason: Expiry, never_sent: bool) -> Fate {
    Fate::Expired { reason, never_sent }
}

/// Most bytes of a MESSAGE frame before its data: type, sequence, key and length.
const FRAME_BYTES_MAX: usize = 1 + 3 + 5 + 2;

/// How far one attempt to send something again came.
struct Step {
    /// Messages or cells that need no further attempt.
    taken: u16,
    written: usize,
}

impl Step {
    const NOTHING: Self = Self { taken: 1, written: 0 };
}
