//! Which channel is served next: strict priority, then weights, and a share for copies.

use super::{Queue, SendChannel, SendChannels, bits};
use crate::connection::send::copies::COPIES_PER_PACKET_BYTES_MAX;
use crate::connection::send::{PacketRoom, SendCredit};
use crate::time::Instant;

/// Bytes a channel may send before another one of the same priority is looked at.
const QUANTUM_BYTES: usize = 1_200;
/// While there is more to send than packets hold, copies go first in at most one packet of so many.
const FULL_PACKETS_PER_COPIES: u32 = 10;
/// Scale of the virtual time, so that weights up to 1,000 divide finely.
const VIRTUAL_SCALE: u64 = 1_024;

impl SendChannels {
    /// Puts a channel among those to be served; one that was idle does not get the time it did not use.
    pub(super) fn activate(&mut self, position: usize) {
        let bit = 1u32 << position;
        if self.active & bit != 0 {
            return;
        }
        let Some(priority) = self.channels.get(position).map(|channel| channel.settings.priority) else {
            return;
        };
        let rivals = self.channels.iter().enumerate().filter(|(rival, channel)| {
            self.active & (1 << rival) != 0 && channel.settings.priority == priority
        });
        let behind = rivals.map(|(_, channel)| channel.virtual_time).min();
        if let (Some(behind), Some(channel)) = (behind, self.channels.get_mut(position)) {
            channel.virtual_time = channel.virtual_time.max(behind);
        }
        self.active |= bit;
    }

    /// Whether anything may be sent, as far as credit goes.
    #[must_use]
    pub fn has_sendable(&mut self) -> bool {
        for position in bits(self.active) {
            if self.channels.get(position).is_some_and(|channel| channel.has_sendable(&self.credit)) {
                return true;
            }
            self.active &= !(1 << position);
        }
        false
    }

    /// Fills the packet from the queues, with copies of what left before.
    pub fn fill(&mut self, now: Instant, room: &mut PacketRoom<'_>) {
        // In front of what is new, copies are shorter: the new message's sequence is then the successor.
        if self.has_room_for_copies(room.bytes()) {
            self.write_copies(now, room, COPIES_PER_PACKET_BYTES_MAX);
            return self.fill_from_queues(now, room);
        }
        // Long messages leave no room in any packet: then one of several gives way. It costs at most a piece.
        self.full_packets = self.full_packets.saturating_add(1);
        let mut budget = COPIES_PER_PACKET_BYTES_MAX;
        if self.full_packets >= FULL_PACKETS_PER_COPIES {
            let written = self.write_copies(now, room, budget);
            if written > 0 {
                self.full_packets = 0;
            }
            budget -= written.min(budget);
        }
        self.fill_from_queues(now, room);
        self.write_copies(now, room, budget);
    }

    fn has_room_for_copies(&self, room_bytes: usize) -> bool {
        let enough = room_bytes.saturating_sub(COPIES_PER_PACKET_BYTES_MAX);
        let mut unsent = 0;
        for channel in bits(self.active).filter_map(|position| self.channels.get(position)) {
            unsent += match &channel.queue {
                Queue::Unreliable(queue) => queue.queued_bytes() + queue.queued_messages() * 8,
                Queue::Reliable(queue) => queue.unsent_bytes(enough),
            };
            if unsent >= enough {
                return false;
            }
        }
        enough > 0
    }

    /// Lets small reliable messages of earlier packets ride again, as far as `budget` goes. Gives the bytes written.
    fn write_copies(&mut self, now: Instant, room: &mut PacketRoom<'_>, budget: usize) -> usize {
        let mut all = 0;
        for channel in &mut self.channels {
            if let Queue::Reliable(queue) = &mut channel.queue {
                let copies = self.copy_policy.copies(channel.settings.redundancy);
                queue.set_copies(copies, self.copy_policy.patience());
                all += queue.write_copies(now, room, budget - all.min(budget), &mut channel.counters);
            }
        }
        all
    }

    fn fill_from_queues(&mut self, now: Instant, room: &mut PacketRoom<'_>) {
        let mut does_not_fit = 0u32;
        while let Some(position) = self.next_to_serve(does_not_fit) {
            let Some(channel) = self.channels.get_mut(position) else { return };
            let mut written_bytes = 0;
            let is_stuck = loop {
                match channel.write_next(now, room, &mut self.credit) {
                    Some(written) => written_bytes += written,
                    None => break true,
                }
                if written_bytes >= QUANTUM_BYTES {
                    break false;
                }
            };
            channel.virtual_time +=
                written_bytes as u64 * VIRTUAL_SCALE / u64::from(channel.settings.weight.max(1));
            if is_stuck {
                if channel.has_sendable(&self.credit) {
                    does_not_fit |= 1 << position;
                } else {
                    self.active &= !(1 << position);
                }
            }
        }
    }

    fn next_to_serve(&self, except: u32) -> Option<usize> {
        let candidates = self.active & !except;
        if candidates.is_power_of_two() {
            return Some(candidates.trailing_zeros() as usize);
        }
        bits(candidates).min_by_key(|&position| {
            self.channels.get(position).map(|channel| (channel.settings.priority, channel.virtual_time))
        })
    }
}

impl SendChannel {
    #[inline]
    fn write_next(
        &mut self,
        now: Instant,
        room: &mut PacketRoom<'_>,
        credit: &mut SendCredit,
    ) -> Option<usize> {
        match &mut self.queue {
            Queue::Unreliable(queue) => queue.write_next(now, room, &mut self.counters),
            Queue::Reliable(queue) => queue.write_next(now, room, credit, &mut self.counters),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::PeerAllowance;
    use super::*;
    use crate::channel::{Channel, ChannelTable, Redundancy};
    use crate::connection::SendOptions;
    use crate::connection::sent::SentFrame;
    use crate::payload::Payload;

    #[test]
    fn copies_beside_long_messages_cost_one_packet_in_ten_at_most() {
        let small = Channel::reliable_ordered("small").redundancy(Redundancy::Copies(3));
        let table = ChannelTable::new([small, Channel::reliable_ordered("long").priority(1)]).unwrap();
        let allowance = PeerAllowance {
            message_bytes_max: 1 << 20,
            connection_bytes: 1 << 30,
            channel_bytes: 1 << 30,
            channel_messages: 1 << 20,
        };
        let mut channels = SendChannels::new(&table, 0, allowance);
        let payload = |bytes| Payload::from(vec![0xA5; bytes]);
        channels.push(Instant::ZERO, 1, payload(1 << 20), SendOptions::default()).unwrap();
        let (mut packet, mut frames, mut without_piece) = (Vec::new(), Vec::new(), 0);
        // Sixteen messages keep copies due for as long as anybody looks.
        for _ in 0..16 {
            channels.push(Instant::ZERO, 0, payload(200), SendOptions::default()).unwrap();
        }
        for number in 0..100 {
            let now = Instant::from_micros(number * 20_000);
            packet.clear();
            frames.clear();
            channels.fill(now, &mut PacketRoom::new(number, &mut packet, 1_170, &mut frames));
            let has_piece = frames.iter().any(|frame| matches!(frame, SentFrame::Cells { .. }));
            without_piece += u32::from(number >= 4 && !has_piece);
        }
        let (small, ..) = channels.counters(0).unwrap();
        assert_eq!(small.messages_sent, 16);
        assert!(small.copied >= 16 && without_piece <= 10, "{} copies, {without_piece}", small.copied);
    }
}
