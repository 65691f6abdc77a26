//! What a connection tells about itself.

use std::fmt;
use std::time::Duration;

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

/// How long a meter gathers before its figure changes.
const RATE_PERIOD: Duration = Duration::from_secs(1);
const LOSS_PERIOD: Duration = Duration::from_secs(3);
/// From so few packets in a period no share can be told.
const LOSS_PACKETS_FEW: u64 = 20;
/// From so many a share can be told before the period is over.
const LOSS_PACKETS_KNOWN: u64 = 150;

/// Bytes per second over the last full second.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateMeter {
    period_start: Instant,
    bytes: u64,
    rate: u64,
}

impl RateMeter {
    /// Counts bytes.
    #[inline]
    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.roll(now);
        self.bytes += bytes as u64;
    }

    fn roll(&mut self, now: Instant) {
        let elapsed = now.saturating_since(self.period_start);
        if elapsed >= RATE_PERIOD {
            self.rate = (u128::from(self.bytes) * 1_000_000 / elapsed.as_micros().max(1)) as u64;
            self.bytes = 0;
            self.period_start = now;
        }
    }

    /// Bytes per second. Falls to zero when nothing was counted for two periods.
    #[must_use]
    pub fn rate(&self, now: Instant) -> u64 {
        let mut meter = *self;
        meter.roll(now);
        meter.rate
    }
}

/// Share of events that failed, over the last few seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct LossMeter {
    period_start: Instant,
    all: u64,
    lost: u64,
    share: f32,
    has_full_period: bool,
}

impl LossMeter {
    /// Counts packets and how many of them were lost. Losses may be reported after their packets.
    #[inline]
    pub fn add(&mut self, now: Instant, all: u64, lost: i64) {
        if now.saturating_since(self.period_start) >= LOSS_PERIOD {
            if self.all > 0 {
                self.share = (self.lost as f32 / self.all as f32).min(1.0);
                self.has_full_period |= self.all >= LOSS_PACKETS_FEW;
            }
            (self.all, self.lost, self.period_start) = (0, 0, now);
        }
        self.all += all;
        self.lost = self.lost.saturating_add_signed(lost);
    }

    /// The share in thousandths, once there were enough packets to tell: a full period, or as many as a game sends in one.
    #[must_use]
    pub fn known_permille(&self) -> Option<u32> {
        let is_known = self.has_full_period || self.all >= LOSS_PACKETS_KNOWN;
        is_known.then(|| (self.share() * 1_000.0) as u32)
    }

    /// The share of the last full period, or of the present one before that.
    #[must_use]
    pub fn share(&self) -> f32 {
        if self.share == 0.0 && self.all > 0 {
            return (self.lost as f32 / self.all as f32).min(1.0);
        }
        self.share
    }
}
