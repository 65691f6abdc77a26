//! What a connection tells about itself.

use std::fmt;
use std::time::Duration;

use super::{Connection, LossMeter, RateMeter};
use crate::channel::ChannelId;
use crate::clock::ClockStatistics;
use crate::time::Instant;

/// Why a data packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketDrop {
    /// Header cut short or reserved bits set.
    Malformed,
    /// This packet number was received before.
    Replayed,
    /// Its number lies below the replay window.
    TooOld,
    /// The tag does not verify.
    Unauthentic,
    /// Sealed with keys that are erased by now.
    KeyErased,
    /// Came from another address than the connection's.
    ForeignAddress,
    /// The connection is closed already.
    Closed,
    /// No connection has this id.
    UnknownConnection,
    /// The first bytes are neither a data packet's nor a handshake's.
    NotTme,
}

impl PacketDrop {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Replayed,
        Self::TooOld,
        Self::Unauthentic,
        Self::KeyErased,
        Self::ForeignAddress,
        Self::Closed,
        Self::UnknownConnection,
        Self::NotTme,
    ];
}

impl fmt::Display for PacketDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::Replayed => "replayed",
            Self::TooOld => "too old",
            Self::Unauthentic => "unauthentic",
            Self::KeyErased => "key erased",
            Self::ForeignAddress => "foreign address",
            Self::Closed => "closed",
            Self::UnknownConnection => "unknown connection",
            Self::NotTme => "not TME",
        })
    }
}

/// Dropped data packets, counted by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketDrops([u64; PacketDrop::ALL.len()]);

impl PacketDrops {
    /// How many were dropped for this reason.
    #[must_use]
    pub const fn of(&self, reason: PacketDrop) -> u64 {
        self.0[reason as usize]
    }

    /// How many were dropped in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Counts one.
    pub const fn add(&mut self, reason: PacketDrop) {
        self.0[reason as usize] += 1;
    }

    /// Adds the counts of somebody else.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }
}

/// A snapshot of a connection's figures. Counters run since the connection was established.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConnectionStatistics {
    /// Newest round-trip time, without the other side's acknowledgement delay.
    pub rtt_latest: Duration,
    /// Smoothed round-trip time (7/8).
    pub rtt_smoothed: Duration,
    /// Mean deviation of the round-trip time (3/4).
    pub rtt_variation: Duration,
    /// Smallest round-trip time.
    pub rtt_minimum: Duration,
    /// Mean difference between successive round-trip times (1/16).
    pub jitter: Duration,
    /// Packets sent.
    pub packets_sent: u64,
    /// Authentic packets received.
    pub packets_received: u64,
    /// UDP payload bytes sent.
    pub bytes_sent: u64,
    /// UDP payload bytes received in authentic packets.
    pub bytes_received: u64,
    /// Packets we sent that count as lost.
    pub packets_lost: u64,
    /// Packets that were counted as lost and then acknowledged after all.
    pub packets_spuriously_lost: u64,
    /// Packets of the other side that did not arrive (by the gaps in their numbers).
    pub packets_missing: u64,
    /// Share of our packets lost, over the last seconds, 0.0–1.0.
    pub loss_sent: f32,
    /// Share of the other side's packets missing, over the last seconds, 0.0–1.0.
    pub loss_received: f32,
    /// UDP payload bytes per second sent, over the last second.
    pub rate_sent: u64,
    /// UDP payload bytes per second received, over the last second.
    pub rate_received: u64,
    /// Messages handed to the application.
    pub messages_received: u64,
    /// Messages received a second time and dropped.
    pub messages_duplicate: u64,
    /// Unreliable messages dropped because the application did not take events away.
    pub messages_overflowed: u64,
    /// Unreliable messages of several pieces given up because a piece did not come.
    pub messages_incomplete: u64,
    /// Frames sent again because they were lost or a probe was due.
    pub retransmitted: u64,
    /// Probe time-outs so far.
    pub probe_timeouts: u64,
    /// Bytes that may be in flight.
    pub congestion_window: u64,
    /// Bytes in flight.
    pub bytes_in_flight: u64,
    /// Bytes per second the pacer allows.
    pub pacing_rate: u64,
    /// Largest datagram sent, in bytes of UDP payload: what the path is known to carry.
    pub datagram_bytes: usize,
    /// Bytes queued on all channels.
    pub queued_bytes: usize,
    /// Requests for the time and their answers.
    pub clock: ClockStatistics,
    /// How often the other side's address has changed.
    pub address_changes: u64,
    /// How often another address seemed to be the other side's and did not prove it.
    pub address_changes_refused: u64,
    /// Packets dropped, by reason.
    pub drops: PacketDrops,
}

/// A snapshot of one channel's figures on the sending side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelStatistics {
    /// The channel.
    pub channel: ChannelId,
    /// Bytes waiting, and for reliable channels unacknowledged.
    pub queued_bytes: usize,
    /// Messages waiting, and for reliable channels unacknowledged; those with a receipt until it was taken.
    pub queued_messages: usize,
    /// How long messages wait before they leave, smoothed.
    pub queue_time: Duration,
    /// Messages whose first byte was sent.
    pub messages_sent: u64,
    /// Frames sent again.
    pub retransmitted: u64,
    /// Copies that rode along before anything was known to be lost.
    pub copied: u64,
    /// Messages given up because they waited too long or their deadline passed.
    pub expired: u64,
    /// Messages replaced by a newer one.
    pub superseded: u64,
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) packets_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) packets_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) packets_lost: u64,
    pub(super) packets_spuriously_lost: u64,
    pub(super) messages_received: u64,
    pub(super) messages_duplicate: u64,
    pub(super) messages_overflowed: u64,
    pub(super) probe_timeouts: u64,
    pub(super) rate_sent: RateMeter,
    pub(super) rate_received: RateMeter,
    pub(super) loss_sent: LossMeter,
    pub(super) loss_received: LossMeter,
    pub(super) drops: PacketDrops,
}

impl Connection {
    /// All figures at `now`.
    #[must_use]
    pub fn statistics(&self, now: Instant) -> ConnectionStatistics {
        let counters = &self.counters;
        let expected = self.received.largest().map_or(0, |largest| largest + 1 - self.config.start.packet);
        ConnectionStatistics {
            rtt_latest: self.rtt.latest(),
            rtt_smoothed: self.rtt.smoothed(),
            rtt_variation: self.rtt.variation(),
            rtt_minimum: self.rtt.minimum(),
            jitter: self.rtt.jitter(),
            packets_sent: counters.packets_sent,
            packets_received: counters.packets_received,
            bytes_sent: counters.bytes_sent,
            bytes_received: counters.bytes_received,
            packets_lost: counters.packets_lost,
            packets_spuriously_lost: counters.packets_spuriously_lost,
            packets_missing: expected.saturating_sub(counters.packets_received),
            loss_sent: counters.loss_sent.share(),
            loss_received: counters.loss_received.share(),
            rate_sent: counters.rate_sent.rate(now),
            rate_received: counters.rate_received.rate(now),
            messages_received: counters.messages_received,
            messages_duplicate: counters.messages_duplicate,
            messages_overflowed: counters.messages_overflowed,
            messages_incomplete: self.reassembly.given_up(),
            retransmitted: (0..self.table.count())
                .filter_map(|position| self.channels.counters(position))
                .map(|(counters, ..)| counters.resent)
                .sum(),
            probe_timeouts: counters.probe_timeouts,
            congestion_window: self.congestion.window_bytes(),
            bytes_in_flight: self.sent.bytes_in_flight(),
            pacing_rate: self.pacing_rate(),
            datagram_bytes: self.mtu.current(),
            queued_bytes: self.channels.queued_bytes(),
            clock: self.clock_statistics(),
            address_changes: self.paths.changes.into(),
            address_changes_refused: self.paths.changes_refused.into(),
            drops: counters.drops,
        }
    }

    /// Figures of one channel; `None` if the table has no such channel.
    #[must_use]
    pub fn channel_statistics(&self, channel: ChannelId) -> Option<ChannelStatistics> {
        let (counters, queued_bytes, queued_messages) =
            self.channels.counters(self.table.position(channel)?)?;
        Some(ChannelStatistics {
            channel,
            queued_bytes,
            queued_messages,
            queue_time: counters.queue_time,
            messages_sent: counters.messages_sent,
            retransmitted: counters.resent,
            copied: counters.copied,
            expired: counters.expired,
            superseded: counters.superseded,
        })
    }
}
