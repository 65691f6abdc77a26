//! What one send may ask for, and what it can answer.

use std::fmt;
use std::time::Duration;

use crate::channel::ChannelId;

/// How a single message is to be treated. By default: without a deadline, a receipt or a hurry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Key of a reliable-latest channel; `None` means key 0 there. An error on other channels.
    pub key: Option<u32>,
    /// Time from the call, to the microsecond, after which the message is neither sent nor sent again, on reliable
    /// channels too. Messages behind it are not held up. Unreliable and sequenced messages leave the queue after the
    /// channel's [`queue_age_max`](crate::channel::ChannelSettings::queue_age_max), if that is sooner. Default: none.
    pub deadline: Option<Duration>,
    /// Asks what becomes of the message: exactly one [`Delivered`](super::Event::Delivered) or
    /// [`Expired`](super::Event::Expired) with this number follows, one per peer. Any number; several messages may share
    /// one. The message counts in its channel's queue until the event was taken. Default: nothing is reported.
    pub receipt: Option<u64>,
    /// What is queued leaves now instead of after the gathering time. Matters only where a network thread gathers.
    pub flush: bool,
}

impl SendOptions {
    /// Options with a key, for reliable-latest channels.
    #[must_use]
    pub const fn with_key(key: u32) -> Self {
        Self::none().key(key)
    }

    /// Nothing special: the default, for constants.
    #[must_use]
    pub const fn none() -> Self {
        Self { key: None, deadline: None, receipt: None, flush: false }
    }

    /// Sets the key, for reliable-latest channels.
    #[must_use]
    pub const fn key(mut self, key: u32) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the time from the call after which the message is neither sent nor sent again.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Asks for a receipt: an event with this number tells what became of the message.
    #[must_use]
    pub const fn receipt(mut self, token: u64) -> Self {
        self.receipt = Some(token);
        self
    }

    /// Lets what is queued leave now instead of after the gathering time.
    #[must_use]
    pub const fn flush(mut self) -> Self {
        self.flush = true;
        self
    }
}

/// Why a message with a receipt was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Expiry {
    /// Its deadline, or the age that its channel allows in the queue, passed before it was acknowledged.
    Deadline = 1,
    /// A newer message took its place: a newer value of its key, or a newer message of a sequenced channel.
    Superseded = 2,
    /// It was sent unreliably, and a packet that carried it counts as lost.
    Lost = 3,
    /// The connection ended first.
    Disconnected = 4,
}

impl Expiry {
    /// Stable number, the same in every language.
    #[must_use]
    pub const fn kind(self) -> u32 {
        self as u32
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "its time was over",
            Self::Superseded => "a newer one took its place",
            Self::Lost => "lost on the way",
            Self::Disconnected => "the connection ended first",
        })
    }
}

/// Why a message was not queued. Nothing was lost: the caller still has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The channel table has no such channel.
    UnknownChannel,
    /// The message is larger than the channel's mode, its limit or the other side allows. A retry cannot help.
    TooLarge {
        /// The channel.
        channel: ChannelId,
        /// Size of the message.
        bytes: usize,
        /// Largest size that would have been taken.
        limit: usize,
    },
    /// The channel's send queue is full. Try again after a `Writable` event.
    WouldBlock {
        /// The channel.
        channel: ChannelId,
    },
    /// As many keys of the reliable-latest channel as may have values that were not acknowledged; newer values of those
    /// can be sent, another key after a `Writable` event.
    TooManyKeys {
        /// The channel.
        channel: ChannelId,
        /// Its limit.
        limit: u32,
    },
    /// A key was given for a channel that has none.
    KeyNotAllowed {
        /// The channel.
        channel: ChannelId,
    },
    /// The peer is not connected (any more, or yet).
    NotConnected,
}

impl SendError {
    /// Stable number of the kind, the same in every language.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::UnknownChannel => 1,
            Self::TooLarge { .. } => 2,
            Self::WouldBlock { .. } => 3,
            Self::TooManyKeys { .. } => 4,
            Self::KeyNotAllowed { .. } => 5,
            Self::NotConnected => 6,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownChannel => f.write_str("the channel table has no such channel"),
            Self::TooLarge { channel, bytes, limit } => {
                write!(f, "message of {bytes} bytes exceeds the limit of {limit} on channel {channel}")
            }
            Self::WouldBlock { channel } => {
                write!(f, "the send queue of channel {channel} is full; try again after Writable")
            }
            Self::TooManyKeys { channel, limit } => {
                write!(f, "{limit} keys of channel {channel} wait for an answer; try again after Writable")
            }
            Self::KeyNotAllowed { channel } => write!(f, "channel {channel} takes no keys"),
            Self::NotConnected => f.write_str("the peer is not connected"),
        }
    }
}

impl std::error::Error for SendError {}
