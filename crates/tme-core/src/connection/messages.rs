//! What comes in on the channels: sequences, delivery and the credit given back.

use std::ops::Range;
use std::sync::Arc;

use super::receive::{Accepted, Piece, Violation};
use super::{Connection, Event, ReceiveChannel, Workspace};
use crate::channel::{CHANNELS_MAX, ChannelId};
use crate::codec::expand_truncated;
use crate::payload::{Payload, PayloadPool};
use crate::time::Instant;
use crate::wire::frame::{MessageFrame, SEQUENCE_BITS, SequenceField};

/// Bytes of undelivered unreliable messages kept for the application; the most messages that are kept, all of the
/// largest size, would be 1.1 GiB.
const UNRELIABLE_BACKLOG_BYTES_MAX: u64 = 16 << 20;

/// The frames of a packet while they are processed.
pub(super) struct PacketContents<'a> {
    pub bytes: &'a [u8],
    /// A copy that the packet's messages share, made with the first of them.
    pub shared: Option<Arc<Vec<u8>>>,
    /// Sequence of the previous message per channel position.
    pub last_sequence: [Option<u64>; CHANNELS_MAX],
}

impl PacketContents<'_> {
    fn payload(&mut self, range: Range<usize>, pool: &mut PayloadPool) -> Option<Payload> {
        if self.shared.is_none() {
            self.shared = Some(pool.copy_of(self.bytes));
        }
        Payload::from_shared(self.shared.as_ref()?, range)
    }
}

impl Connection {
    /// Tells that the application took messages away, so that the other side may send more. Gives whether there is
    /// something to send because of it.
    pub fn consume(&mut self, channel: ChannelId, bytes: u64, messages: u64) -> bool {
        let Some(position) = self.table.position(channel) else { return false };
        match self.receivers.get_mut(position) {
            Some(ReceiveChannel::Reliable(_)) => self.return_credit(position, bytes, messages),
            Some(_) => {
                self.unreliable_backlog = self.unreliable_backlog.saturating_sub(messages as u32);
                self.unreliable_backlog_bytes = self.unreliable_backlog_bytes.saturating_sub(bytes);
            }
            None => {}
        }
        self.is_credit_due || self.channel_credit_due != 0
    }

    pub(super) fn return_credit(&mut self, position: usize, bytes: u64, messages: u64) {
        if messages == 0 {
            return;
        }
        self.is_credit_due |= self.credit.consume(bytes, 0);
        if let Some(ReceiveChannel::Reliable(receiver)) = self.receivers.get_mut(position)
            && receiver.credit_mut().consume(bytes, messages)
        {
            self.channel_credit_due |= 1 << position;
        }
    }

    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        message: &MessageFrame<'_>,
        end: usize,
        packet: &mut PacketContents<'_>,
        workspace: &mut Workspace,
    ) -> Result<(), Violation> {
        let position = usize::from(message.position);
        let Some(channel) = self.table.entries().get(position).map(|entry| entry.id) else {
            return Err(Violation::Protocol);
        };
        self.last_message_at = Some(now);
        workspace.last_message_at = Some(now);
        let peer = self.peer;
        let sequence = self.expand_sequence(message, packet)?;
        let range = end - message.data.len()..end;
        let key = message.key;
        if let Some(ReceiveChannel::Unreliable { newest }) = self.receivers.get_mut(position) {
            // What truncated sequences are expanded against moves on even if this message is never complete.
            *newest = (*newest).max(sequence);
        }
        match self.receivers.get_mut(position) {
            Some(ReceiveChannel::Reliable(receiver)) => {
                let mut delivered = 0;
                let events = &mut workspace.events;
                let mut deliver = |payload| {
                    delivered += 1;
                    events.push_back(Event::Message { peer, channel, key, payload });
                };
                let accepted = match message.fragment {
                    None => {
                        let payload =
                            packet.payload(range, &mut workspace.pool).ok_or(Violation::Protocol)?;
                        receiver.handle_message(sequence, key, payload, &mut deliver)?
                    }
                    Some(fragment) => receiver.handle_piece(
                        &Piece {
                            sequence,
                            key,
                            index: fragment.index as usize,
                            total: fragment.total as usize,
                            data: message.data,
                        },
                        &mut deliver,
                    )?,
                };
                self.counters.messages_received += delivered;
                self.settle_accepted(position, accepted)
            }
            Some(ReceiveChannel::Sequenced { next }) if sequence < *next => {
                self.counters.messages_duplicate += 1;
                Ok(())
            }
            Some(_) => {
                let payload = match message.fragment {
                    None => Some(packet.payload(range, &mut workspace.pool).ok_or(Violation::Protocol)?),
                    Some(fragment) => {
                        let piece = Piece {
                            sequence,
                            key,
                            index: fragment.index as usize,
                            total: fragment.total as usize,
                            data: message.data,
                        };
                        let whole = self.reassembly.insert(now, message.position, &piece);
                        whole?
                    }
                };
                if let Some(payload) = payload {
                    self.deliver_unreliable(position, sequence, channel, payload, workspace);
                }
                Ok(())
            }
            None => Err(Violation::Protocol),
        }
    }

    pub(super) fn deliver_unreliable(
        &mut self,
        position: usize,
        sequence: u64,
        channel: ChannelId,
        payload: Payload,
        workspace: &mut Workspace,
    ) {
        if let Some(ReceiveChannel::Sequenced { next }) = self.receivers.get_mut(position) {
            *next = sequence + 1;
            self.reassembly.forget_older(position as u8, sequence);
        }
        let backlog_bytes = self.unreliable_backlog_bytes + payload.len() as u64;
        if self.unreliable_backlog >= self.config.unreliable_backlog_max
            || backlog_bytes > UNRELIABLE_BACKLOG_BYTES_MAX
        {
            self.counters.messages_overflowed += 1;
            return;
        }
        self.unreliable_backlog += 1;
        self.unreliable_backlog_bytes = backlog_bytes;
        self.counters.messages_received += 1;
        workspace.events.push_back(Event::Message { peer: self.peer, channel, key: 0, payload });
    }

    /// The full sequence of a message; 0 for those that have none.
    pub(super) fn expand_sequence(
        &self,
        message: &MessageFrame<'_>,
        packet: &mut PacketContents<'_>,
    ) -> Result<u64, Violation> {
        let position = usize::from(message.position);
        let place = packet.last_sequence.get_mut(position).ok_or(Violation::Protocol)?;
        let sequence = match message.sequence {
            SequenceField::Absent => return Ok(0),
            SequenceField::Implied => {
                place.ok_or(Violation::Protocol)?.checked_add(1).ok_or(Violation::Protocol)?
            }
            SequenceField::Low(low) => {
                let reference = match self.receivers.get(position) {
                    Some(ReceiveChannel::Reliable(receiver)) => receiver.reference(),
                    Some(ReceiveChannel::Sequenced { next }) => *next,
                    Some(ReceiveChannel::Unreliable { newest }) => *newest,
                    None => return Err(Violation::Protocol),
                };
                expand_truncated(u64::from(low), SEQUENCE_BITS, reference)
            }
        };
        *place = Some(sequence);
        Ok(sequence)
    }

    pub(super) fn handle_skip(
        &mut self,
        position: u8,
        sequence: u32,
        bytes: u64,
        workspace: &mut Workspace,
    ) -> Result<(), Violation> {
        let peer = self.peer;
        let index = usize::from(position);
        let Some(channel) = self.table.entries().get(index).map(|entry| entry.id) else {
            return Err(Violation::Protocol);
        };
        let Some(ReceiveChannel::Reliable(receiver)) = self.receivers.get_mut(index) else {
            return Err(Violation::Protocol);
        };
        let sequence = expand_truncated(u64::from(sequence), SEQUENCE_BITS, receiver.reference());
        let mut delivered = 0;
        let accepted = receiver.handle_skip(sequence, bytes, &mut |payload| {
            delivered += 1;
            workspace.events.push_back(Event::Message { peer, channel, key: 0, payload });
        })?;
        self.counters.messages_received += delivered;
        self.settle_accepted(index, accepted)
    }

    pub(super) fn settle_accepted(&mut self, position: usize, accepted: Accepted) -> Result<(), Violation> {
        self.counters.messages_duplicate += u64::from(accepted.is_duplicate);
        self.credit.receive(accepted.received_bytes)?;
        self.return_credit(position, accepted.consumed_bytes, accepted.consumed_messages);
        Ok(())
    }
}
