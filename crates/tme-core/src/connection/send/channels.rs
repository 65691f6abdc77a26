//! The send queues of a connection by channel: what is queued, and whom an acknowledgement or a loss concerns.

mod schedule;

use std::time::Duration;

use super::{CopyPolicy, QueueCounters, Receipt, ReliableQueue, SendCredit, UnreliableQueue, Wish};
use crate::channel::{ChannelId, ChannelMode, ChannelSettings, ChannelTable};
use crate::connection::budget::Backlog;
use crate::connection::sent::SentFrame;
use crate::connection::{SendError, SendOptions};
use crate::payload::Payload;
use crate::time::Instant;
use crate::wire::frame::UNRELIABLE_BYTES_MAX;

#[derive(Debug)]
enum Queue {
    Unreliable(UnreliableQueue),
    Reliable(ReliableQueue),
}

#[derive(Debug)]
struct SendChannel {
    queue: Queue,
    id: ChannelId,
    mode: ChannelMode,
    settings: ChannelSettings,
    counters: QueueCounters,
    /// Receipts that were handed out and that the application has not taken.
    untaken_receipts: u32,
    /// Bytes sent divided by weight: the channel that is furthest behind goes next.
    virtual_time: u64,
}

/// The send side of all channels.
#[derive(Debug)]
pub struct SendChannels {
    channels: Vec<SendChannel>,
    credit: SendCredit,
    message_bytes_max: usize,
    /// Bit per position: something may be sendable.
    active: u32,
    /// Bit per position: `push` has answered `WouldBlock` since the last `Writable`.
    refused: u32,
    /// Bit per position: it was for the key.
    out_of_keys: u32,
    /// When the first message expires of which somebody wants to know, or earlier.
    next_deadline: Option<Instant>,
    /// What has become of messages since somebody asked last.
    receipts: Vec<Receipt>,
    copy_policy: CopyPolicy,
    /// Full packets since copies last went before what is new.
    full_packets: u32,
}

/// What the peer is willing to receive.
#[derive(Clone, Copy, Debug)]
pub struct PeerAllowance {
    /// Largest reliable message.
    pub message_bytes_max: usize,
    /// Bytes on all reliable channels together.
    pub connection_bytes: u64,
    /// Bytes per reliable channel.
    pub channel_bytes: u64,
    /// Messages per reliable channel.
    pub channel_messages: u64,
}

impl SendChannels {
    /// Empty queues for every channel of the table; `first` is the first sequence of each.
    #[must_use]
    pub fn new(table: &ChannelTable, first: u64, allowance: PeerAllowance) -> Self {
        let credit = SendCredit::new(allowance.channel_bytes, allowance.channel_messages);
        let channels = table.entries().iter().zip(0u8..).map(|(entry, position)| SendChannel {
            queue: if entry.mode.is_reliable() {
                Queue::Reliable(ReliableQueue::new(position, entry.mode, first, credit))
            } else {
                Queue::Unreliable(UnreliableQueue::new(
                    position,
                    entry.mode,
                    first,
                    entry.settings.queue_age_max,
                ))
            },
            id: entry.id,
            mode: entry.mode,
            settings: entry.settings,
            counters: QueueCounters::default(),
            untaken_receipts: 0,
            virtual_time: 0,
        });
        Self {
            channels: channels.collect(),
            credit: SendCredit::new(allowance.connection_bytes, u64::MAX),
            message_bytes_max: allowance.message_bytes_max,
            active: 0,
            refused: 0,
            out_of_keys: 0,
            next_deadline: None,
            receipts: Vec::new(),
            copy_policy: CopyPolicy::default(),
            full_packets: 0,
        }
    }

    /// Takes a new figure of loss in, in thousandths: it decides how many copies small messages get.
    pub fn handle_loss_figure(&mut self, now: Instant, loss_permille: u32, rtt: Duration) {
        self.copy_policy.handle_loss(now, loss_permille, rtt);
    }

    /// Tells that packets go another way from now on, in a stream or not.
    pub fn handle_path(&mut self, is_stream: bool) {
        self.copy_policy.handle_path(is_stream);
    }

    /// Queues a message or says why not; then nothing was queued.
    pub fn push(
        &mut self,
        now: Instant,
        position: usize,
        payload: Payload,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let limit = self.message_bytes_max(position);
        let Some(channel) = self.channels.get_mut(position) else { return Err(SendError::UnknownChannel) };
        let bytes = payload.len();
        if bytes > limit {
            return Err(SendError::TooLarge { channel: channel.id, bytes, limit });
        }
        if options.key.is_some() && !channel.mode.is_keyed() {
            return Err(SendError::KeyNotAllowed { channel: channel.id });
        }
        let key = options.key.unwrap_or(0);
        if let Queue::Unreliable(queue) = &mut channel.queue {
            queue.expire(now, &mut channel.counters, &mut self.receipts);
        }
        let (queued_bytes, queued_messages) = channel.queued();
        let is_full = queued_bytes + bytes > channel.settings.queue_bytes_max
            || queued_messages >= channel.settings.queue_messages_max;
        // An empty queue takes one message of any allowed size, else it could never be sent.
        if is_full && queued_messages > 0 {
            self.refused |= 1 << position;
            return Err(SendError::WouldBlock { channel: channel.id });
        }
        let wish =
            Wish { token: options.receipt, expires_at: options.deadline.map(|deadline| now + deadline) };
        let next_deadline = match &mut channel.queue {
            Queue::Unreliable(queue) => {
                queue.push(now, payload, wish, &mut channel.counters, &mut self.receipts);
                queue.next_deadline()
            }
            Queue::Reliable(queue) => {
                let limit = channel.settings.keys_max;
                if !queue.has_room_for_key(key, limit) {
                    self.refused |= 1 << position;
                    self.out_of_keys |= 1 << position;
                    return Err(SendError::TooManyKeys { channel: channel.id, limit });
                }
                queue.push(now, payload, key, wish, &mut channel.counters, &mut self.receipts);
                queue.next_deadline()
            }
        };
        if !wish.is_none() {
            self.next_deadline = earlier(self.next_deadline, next_deadline);
        }
        self.activate(position);
        Ok(())
    }

    /// When [`expire`](Self::expire) has something to do that somebody waits for.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    /// Takes word of what has become of messages, oldest first, with the channel of each. It counts in the queues until
    /// [`consume_receipts`](Self::consume_receipts).
    pub fn drain_receipts(&mut self) -> impl Iterator<Item = (ChannelId, Receipt)> {
        let channels = &mut self.channels;
        self.receipts.drain(..).filter_map(|receipt| {
            let channel = channels.get_mut(usize::from(receipt.position))?;
            channel.untaken_receipts += 1;
            Some((channel.id, receipt))
        })
    }

    /// Whether there is word of what has become of messages.
    #[must_use]
    #[inline]
    pub const fn has_receipts(&self) -> bool {
        !self.receipts.is_empty()
    }

    /// The application has taken so many receipts.
    pub fn consume_receipts(&mut self, position: usize, count: u64) {
        if let Some(channel) = self.channels.get_mut(position) {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            channel.untaken_receipts = channel.untaken_receipts.saturating_sub(count);
        }
    }

    /// Gives up on everything that somebody waits for: the connection is over.
    pub fn abandon(&mut self) {
        for channel in &mut self.channels {
            match &mut channel.queue {
                Queue::Unreliable(queue) => queue.abandon(&mut self.receipts),
                Queue::Reliable(queue) => queue.abandon(&mut self.receipts),
            }
        }
        self.next_deadline = None;
    }

    /// Keys of which something is remembered on the channel at `position`.
    #[cfg(test)]
    pub(in crate::connection) fn keys_remembered(&self, position: usize) -> usize {
        match &self.channels[position].queue {
            Queue::Reliable(queue) => queue.keys_remembered(),
            Queue::Unreliable(_) => 0,
        }
    }

    /// Whether a value of this key on the channel at `position` is not settled.
    #[must_use]
    pub fn is_key_in_use(&self, position: usize, key: u32) -> bool {
        match self.channels.get(position).map(|channel| &channel.queue) {
            Some(Queue::Reliable(queue)) => queue.is_key_in_use(key),
            _ => false,
        }
    }

    /// Gives memory back that was needed at a busier time.
    pub fn release_spare(&mut self) {
        for channel in &mut self.channels {
            match &mut channel.queue {
                Queue::Unreliable(queue) => queue.release_spare(),
                Queue::Reliable(queue) => queue.release_spare(),
            }
        }
    }

    /// Largest message the channel at `position` takes; 0 if there is none.
    #[must_use]
    pub fn message_bytes_max(&self, position: usize) -> usize {
        self.channels.get(position).map_or(0, |channel| {
            let by_mode =
                if channel.mode.is_reliable() { self.message_bytes_max } else { UNRELIABLE_BYTES_MAX };
            channel.settings.message_bytes_max.min(by_mode)
        })
    }

    /// Whether everything reliable was acknowledged.
    #[must_use]
    pub fn is_reliable_empty(&self) -> bool {
        self.channels.iter().all(|channel| match &channel.queue {
            Queue::Reliable(queue) => queue.is_settled(),
            Queue::Unreliable(_) => true,
        })
    }

    /// Reliable messages that were not acknowledged, and their bytes.
    #[must_use]
    pub fn reliable_backlog(&self) -> (u64, u64) {
        self.channels.iter().fold((0, 0), |(messages, bytes), channel| match &channel.queue {
            Queue::Reliable(queue) => {
                (messages + queue.queued_messages() as u64, bytes + queue.queued_bytes() as u64)
            }
            Queue::Unreliable(_) => (messages, bytes),
        })
    }

    /// Drops unreliable messages that have waited too long, and gives up what has a deadline that has passed.
    pub fn expire(&mut self, now: Instant) {
        for position in bits(self.active) {
            let Some(channel) = self.channels.get_mut(position) else { continue };
            if let Queue::Unreliable(queue) = &mut channel.queue {
                queue.expire(now, &mut channel.counters, &mut self.receipts);
            }
        }
        if self.next_deadline.is_some_and(|at| at <= now) {
            self.expire_wishes(now);
        }
    }

    fn expire_wishes(&mut self, now: Instant) {
        self.next_deadline = None;
        for position in 0..self.channels.len() {
            let Some(channel) = self.channels.get_mut(position) else { continue };
            let (has_expired, next_deadline) = match &mut channel.queue {
                Queue::Unreliable(queue) => {
                    queue.expire(now, &mut channel.counters, &mut self.receipts);
                    (false, queue.next_deadline())
                }
                Queue::Reliable(queue) => {
                    let has_expired = queue.expire(now, &mut channel.counters, &mut self.receipts);
                    (has_expired, queue.next_deadline())
                }
            };
            self.next_deadline = earlier(self.next_deadline, next_deadline);
            if has_expired {
                // What was given up is to be skipped.
                self.activate(position);
            }
        }
    }

    /// What a packet carried has arrived.
    pub fn handle_acked(&mut self, frame: SentFrame) {
        if let SentFrame::Awaited { position, ordinal } = frame {
            let receipt = self.unreliable_at(position).and_then(|queue| queue.handle_acked(ordinal));
            self.receipts.extend(receipt);
            return;
        }
        let Some(position) = position_of(frame).map(usize::from) else { return };
        let Some(SendChannel { queue: Queue::Reliable(queue), .. }) = self.channels.get_mut(position) else {
            return;
        };
        let was_blocked = queue.is_blocked_by_span();
        queue.handle_acked(frame, &mut self.receipts);
        if was_blocked && !queue.is_blocked_by_span() {
            self.activate(position);
        }
    }

    /// What a packet carried is lost.
    pub fn handle_lost(&mut self, frame: SentFrame) {
        if let SentFrame::Awaited { position, ordinal } = frame {
            let receipt = self.unreliable_at(position).and_then(|queue| queue.handle_lost(ordinal));
            self.receipts.extend(receipt);
            return;
        }
        if let Some(queue) = self.reliable_of(frame) {
            queue.handle_lost(frame);
            if let Some(position) = position_of(frame) {
                self.activate(usize::from(position));
            }
        }
    }

    /// What a packet carried is to go again with a probe.
    pub fn send_again(&mut self, frame: SentFrame) {
        if let Some(queue) = self.reliable_of(frame) {
            queue.send_again(frame);
            if let Some(position) = position_of(frame) {
                self.activate(usize::from(position));
            }
        }
    }

    fn unreliable_at(&mut self, position: u8) -> Option<&mut UnreliableQueue> {
        match &mut self.channels.get_mut(usize::from(position))?.queue {
            Queue::Unreliable(queue) => Some(queue),
            Queue::Reliable(_) => None,
        }
    }

    fn reliable_of(&mut self, frame: SentFrame) -> Option<&mut ReliableQueue> {
        let channel = self.channels.get_mut(usize::from(position_of(frame)?))?;
        match &mut channel.queue {
            Queue::Reliable(queue) => Some(queue),
            Queue::Unreliable(_) => None,
        }
    }

    /// The peer granted more on one channel.
    pub fn handle_channel_credit(&mut self, position: u8, bytes: u64, messages: u64) {
        if let Some(SendChannel { queue: Queue::Reliable(queue), .. }) =
            self.channels.get_mut(usize::from(position))
        {
            queue.handle_credit(bytes, messages);
            self.activate(usize::from(position));
        }
    }

    /// The peer granted more on the connection.
    pub fn handle_connection_credit(&mut self, bytes: u64) {
        self.credit.raise(bytes, u64::MAX);
        for position in 0..self.channels.len() {
            self.activate(position);
        }
    }

    /// A channel that has refused a message and whose queue is now at most half full (and at most half its keys under way, if
    /// it was for the key); each is reported once.
    pub fn poll_writable(&mut self) -> Option<ChannelId> {
        for position in bits(self.refused) {
            let Some(channel) = self.channels.get_mut(position) else { continue };
            let (bytes, messages) = channel.queued();
            if bytes <= channel.settings.queue_bytes_max / 2
                && messages <= channel.settings.queue_messages_max / 2
                && (self.out_of_keys & 1 << position == 0 || channel.has_half_its_keys())
            {
                self.refused &= !(1 << position);
                self.out_of_keys &= !(1 << position);
                return Some(channel.id);
            }
        }
        None
    }

    /// Counts of the channel at `position`, with (bytes, messages) queued. A message whose receipt was not taken counts as
    /// queued, without its bytes.
    #[must_use]
    pub fn counters(&self, position: usize) -> Option<(QueueCounters, usize, usize)> {
        let channel = self.channels.get(position)?;
        let (bytes, messages) = channel.queued();
        Some((channel.counters, bytes, messages))
    }

    /// What waits on the channel at `position` to be sent.
    #[must_use]
    pub fn backlog(&self, position: usize) -> Option<Backlog> {
        let channel = self.channels.get(position)?;
        let bytes = match &channel.queue {
            Queue::Unreliable(queue) => Some(queue.unsent_bytes()),
            Queue::Reliable(queue) => queue.waiting_bytes(&self.credit),
        };
        let ChannelSettings { priority, weight, .. } = channel.settings;
        Some(Backlog { channel: channel.id, priority, weight, bytes: bytes.map(|bytes| bytes as u64) })
    }

    /// Bytes queued on all channels.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.channels.iter().map(|channel| channel.queued().0).sum()
    }
}

impl SendChannel {
    fn queued(&self) -> (usize, usize) {
        match &self.queue {
            Queue::Unreliable(queue) => {
                let messages = queue.queued_messages() + queue.awaited_messages();
                (queue.queued_bytes(), messages + self.untaken_receipts as usize)
            }
            Queue::Reliable(queue) => {
                (queue.queued_bytes(), queue.queued_messages() + self.untaken_receipts as usize)
            }
        }
    }

    fn has_half_its_keys(&mut self) -> bool {
        match &mut self.queue {
            Queue::Reliable(queue) if self.mode.is_keyed() => {
                queue.keys_in_use() <= self.settings.keys_max as usize / 2
            }
            _ => true,
        }
    }

    fn has_sendable(&self, credit: &SendCredit) -> bool {
        match &self.queue {
            Queue::Unreliable(queue) => queue.queued_messages() > 0,
            Queue::Reliable(queue) => queue.has_sendable(credit),
        }
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

const fn position_of(frame: SentFrame) -> Option<u8> {
    match frame {
        SentFrame::Messages { position, .. }
        | SentFrame::Cells { position, .. }
        | SentFrame::Skip { position, .. } => Some(position),
        _ => None,
    }
}

/// Positions of the set bits, lowest first.
fn bits(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let position = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            position
        })
    })
}
