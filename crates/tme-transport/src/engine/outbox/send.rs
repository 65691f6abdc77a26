//! Sending: a message is checked against what is known of its peer, and queued or refused at once.

use std::ops::Add;

use tme_core::channel::ChannelId;
use tme_core::connection::{PeerId, SendError, SendOptions};
use tme_core::payload::Payload;
use tme_core::time::Instant;
use tme_core::wire::frame::{RELIABLE_BYTES_MAX, UNRELIABLE_BYTES_MAX};

use super::Outbox;
use super::batch::{Body, Command};
use crate::engine::arena::COPY_BYTES_MAX;
use crate::engine::message::MessageBytes;

/// Bytes of queued messages that have not reached the engine yet, over all peers. Beyond it a send would block.
pub const OUTBOX_BYTES_MAX: usize = 64 << 20;

/// What a send asks for, with its deadline as a point in time: it counts from the call on.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Asked {
    pub options: SendOptions,
    pub expires_at: Option<Instant>,
}

/// What a send to several peers came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Peers for which it was queued.
    pub sent: usize,
    /// Peers whose queue is full, or has too many keys under way; `Writable` follows for each.
    pub would_block: usize,
    /// Ids that name nobody (any more).
    pub gone: usize,
    /// Peers that will not take it later either: it is larger than they allow.
    pub refused: usize,
}

impl Add for Broadcast {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let Self { sent, would_block, gone, refused } = other;
        Self {
            sent: self.sent + sent,
            would_block: self.would_block + would_block,
            gone: self.gone + gone,
            refused: self.refused + refused,
        }
    }
}

impl Outbox {
    /// Queues a message for one peer.
    pub fn send(
        &mut self,
        peer: PeerId,
        channel: ChannelId,
        message: MessageBytes<'_>,
        asked: Asked,
    ) -> Result<(), SendError> {
        self.reserve(peer, channel, message.len(), asked.options)?;
        let terms = self.pending.terms(asked);
        let body = self.store(message);
        self.pending.commands.push(Command::Send { peer, channel, terms, body });
        Ok(())
    }

    /// Queues a message once for several peers. An error means that nobody could take it, whoever they are.
    pub fn multicast(
        &mut self,
        targets: impl IntoIterator<Item = PeerId>,
        channel: ChannelId,
        message: MessageBytes<'_>,
        asked: Asked,
    ) -> Result<Broadcast, SendError> {
        let start = self.pending.targets.len();
        self.pending.targets.extend(targets);
        self.send_to_targets(start, channel, message, asked)
    }

    /// Queues a message once for all peers but `except`.
    pub fn broadcast(
        &mut self,
        except: Option<PeerId>,
        channel: ChannelId,
        message: MessageBytes<'_>,
        asked: Asked,
    ) -> Result<Broadcast, SendError> {
        let start = self.pending.targets.len();
        let peers = self.peers.iter().flatten().map(|entry| entry.peer);
        self.pending.targets.extend(peers.filter(|&peer| Some(peer) != except));
        self.send_to_targets(start, channel, message, asked)
    }

    /// Sends to the candidates from `start` on in the batch's target list; keeps those there that can take it.
    fn send_to_targets(
        &mut self,
        start: usize,
        channel: ChannelId,
        message: MessageBytes<'_>,
        asked: Asked,
    ) -> Result<Broadcast, SendError> {
        let bytes = message.len();
        let mut outcome = Broadcast::default();
        let mut kept = start;
        for index in start..self.pending.targets.len() {
            let Some(&peer) = self.pending.targets.get(index) else { break };
            match self.reserve(peer, channel, bytes, asked.options) {
                Ok(()) => {
                    self.pending.targets.swap(kept, index);
                    kept += 1;
                }
                Err(SendError::WouldBlock { .. } | SendError::TooManyKeys { .. }) => outcome.would_block += 1,
                Err(SendError::NotConnected) => outcome.gone += 1,
                // A peer announces how large a message it takes: it must not decide for the others.
                Err(SendError::TooLarge { .. }) if bytes <= self.own_limit(peer, channel) => {
                    outcome.refused += 1;
                }
                Err(error) => {
                    self.pending.targets.truncate(kept);
                    for peer in self.pending.targets.split_off(start) {
                        self.release(peer, channel, bytes);
                    }
                    return Err(error);
                }
            }
        }
        self.pending.targets.truncate(kept);
        outcome.sent = kept - start;
        if outcome.sent > 0 {
            let terms = self.pending.terms(asked);
            let body = self.store(message);
            let targets = start as u32..kept as u32;
            self.pending.commands.push(Command::Multicast { targets, channel, terms, body });
        }
        Ok(outcome)
    }

    /// Checks everything that can be wrong with a send and takes the room for it.
    fn reserve(
        &mut self,
        peer: PeerId,
        channel: ChannelId,
        bytes: usize,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let is_outbox_full = self.pending.bytes + bytes > OUTBOX_BYTES_MAX && self.pending.bytes > 0;
        let entry = self.entry_mut(peer).filter(|entry| !entry.is_leaving).ok_or(SendError::NotConnected)?;
        let position = entry.table.position(channel).ok_or(SendError::UnknownChannel)?;
        let (Some(channel_entry), Some(depth)) =
            (entry.table.entries().get(position), entry.channels.get_mut(position))
        else {
            return Err(SendError::UnknownChannel);
        };
        let limit = depth.message_bytes_max;
        if bytes > limit {
            return Err(SendError::TooLarge { channel, bytes, limit });
        }
        if options.key.is_some() && !channel_entry.mode.is_keyed() {
            return Err(SendError::KeyNotAllowed { channel });
        }
        let settings = &channel_entry.settings;
        let (queued_bytes, queued_messages) = depth.queued();
        let is_full =
            queued_bytes + bytes > settings.queue_bytes_max || queued_messages >= settings.queue_messages_max;
        // An empty queue takes one message of any allowed size, else it could never be sent.
        if is_outbox_full || (is_full && queued_messages > 0) {
            let was_refused = std::mem::replace(&mut depth.is_refused, true);
            if is_outbox_full && !was_refused {
                self.starved.push(peer);
            }
            return Err(SendError::WouldBlock { channel });
        }
        if channel_entry.mode.is_keyed() {
            let (key, limit) = (options.key.unwrap_or(0), settings.keys_max);
            if depth.keys.len() >= limit as usize && !depth.keys.contains(&key) {
                depth.is_refused = true;
                depth.is_out_of_keys = true;
                return Err(SendError::TooManyKeys { channel, limit });
            }
            depth.keys.insert(key);
        }
        depth.pending_bytes += bytes;
        depth.pending_messages += 1;
        Ok(())
    }

    /// Largest message that this side's table allows on a channel, whatever the peer takes.
    fn own_limit(&self, peer: PeerId, channel: ChannelId) -> usize {
        let table = self.entry(peer).map(|entry| &entry.table);
        let entry = table.and_then(|table| table.entries().get(table.position(channel)?));
        entry.map_or(0, |entry| {
            let by_mode = if entry.mode.is_reliable() { RELIABLE_BYTES_MAX } else { UNRELIABLE_BYTES_MAX };
            entry.settings.message_bytes_max.min(by_mode)
        })
    }

    /// Gives room back that [`reserve`](Self::reserve) took.
    fn release(&mut self, peer: PeerId, channel: ChannelId, bytes: usize) {
        if let Some(depth) = self.depth_mut(peer, channel) {
            depth.pending_bytes = depth.pending_bytes.saturating_sub(bytes);
            depth.pending_messages = depth.pending_messages.saturating_sub(1);
        }
    }

    fn store(&mut self, message: MessageBytes<'_>) -> Body {
        self.pending.bytes += message.len();
        let bytes = match message {
            MessageBytes::Shared(payload) => return Body::Shared(payload),
            MessageBytes::Copied(bytes) if bytes.len() > COPY_BYTES_MAX => {
                return Body::Shared(Payload::from(bytes));
            }
            MessageBytes::Copied(bytes) => bytes,
        };
        match self.arenas.copy(bytes, &mut self.pending.arenas) {
            Some(place) => Body::Copied(place),
            None => Body::Shared(Payload::from(bytes)),
        }
    }
}
