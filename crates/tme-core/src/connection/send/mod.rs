//! What waits to be sent: one queue per channel, and the order in which they are served.

mod channels;
mod copies;
mod packet_room;
mod receipts;
mod reliable;
mod unreliable;

use std::time::Duration;

pub use channels::{PeerAllowance, SendChannels};
pub use copies::CopyPolicy;
pub use packet_room::PacketRoom;
pub use receipts::{Fate, Receipt, Wish};
pub use reliable::ReliableQueue;
pub use unreliable::UnreliableQueue;

use crate::time::Instant;

/// Credit that the receiver has granted, in absolute numbers since the start, and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendCredit {
    bytes: u64,
    messages: u64,
    bytes_used: u64,
    messages_used: u64,
}

impl SendCredit {
    /// Initial credit.
    #[must_use]
    pub const fn new(bytes: u64, messages: u64) -> Self {
        Self { bytes, messages, bytes_used: 0, messages_used: 0 }
    }

    /// Messages granted so far.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Whether a message of this size may start.
    #[must_use]
    #[inline]
    pub const fn allows(&self, bytes: u64) -> bool {
        self.messages_used < self.messages && self.bytes_used.saturating_add(bytes) <= self.bytes
    }

    /// A message of this size has started.
    pub const fn spend(&mut self, bytes: u64) {
        self.bytes_used += bytes;
        self.messages_used += 1;
    }

    /// Takes over larger limits; smaller ones are old news.
    pub fn raise(&mut self, bytes: u64, messages: u64) {
        self.bytes = self.bytes.max(bytes);
        self.messages = self.messages.max(messages);
    }
}

/// Counts per channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Messages whose first byte was sent.
    pub messages_sent: u64,
    /// Frames sent again because they were lost or a probe was due.
    pub resent: u64,
    /// Copies that rode along before anything was lost.
    pub copied: u64,
    /// Messages that waited too long, or whose deadline passed before they were acknowledged.
    pub expired: u64,
    /// Messages replaced by a newer one.
    pub superseded: u64,
    /// How long messages wait before they leave, smoothed with 1/8.
    pub queue_time: Duration,
}

impl QueueCounters {
    /// A message leaves for the first time.
    fn handle_first_sent(&mut self, now: Instant, queued_at: Instant) {
        let waited = now.saturating_since(queued_at);
        self.queue_time = (self.queue_time * 7 + waited) / 8;
    }
}
