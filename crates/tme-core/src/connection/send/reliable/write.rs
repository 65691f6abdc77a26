//! What of a reliable queue goes into the next packet: SKIPs, what was lost, what is new, and copies.

use std::time::Duration;

use super::ReliableQueue;
use super::slot::{Slot, State};
use crate::connection::send::{PacketRoom, QueueCounters, SendCredit};
use crate::connection::sent::SentFrame;
use crate::time::Instant;
use crate::wire::frame::{CELL_BYTES, Fragment, MessageFrame, SequenceField};

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

impl ReliableQueue {
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

    /// How many copies messages get from now on, and after which time without an acknowledgement the one that goes in doubt.
    pub fn set_copies(&mut self, copies: u8, patience: Duration) {
        self.copies.set_count(copies, patience);
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
}
