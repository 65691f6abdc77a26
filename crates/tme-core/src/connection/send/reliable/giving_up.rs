//! Messages that are not sent (again) although nobody has acknowledged them: superseded, too late, or without a connection.

use super::ReliableQueue;
use super::slot::{CellSet, Slot, State};
use crate::connection::Expiry;
use crate::connection::send::QueueCounters;
use crate::connection::send::receipts::{Fate, Receipt};
use crate::payload::Payload;
use crate::time::Instant;
use crate::wire::frame::{CELL_BYTES, cells_of};

impl ReliableQueue {
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
    pub(super) fn replace_waiting(&mut self, sequence: u64, payload: &Payload, now: Instant) -> bool {
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

    pub(super) fn supersede(&mut self, sequence: u64, counters: &mut QueueCounters) -> Option<Receipt> {
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
    pub(super) fn skip_sent(&mut self, sequence: u64, state: State) {
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
}

/// The fate of a message that is given up.
pub(super) const fn expired(reason: Expiry, never_sent: bool) -> Fate {
    Fate::Expired { reason, never_sent }
}
