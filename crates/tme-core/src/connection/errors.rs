//! What one send may ask for, and what it can answer.

use std::fmt;

use crate::channel::ChannelId;

/// How a single message is to be treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Key of a reliable-latest channel; `None` means key 0 there. An error on other channels.
    pub key: Option<u32>,
}

impl SendOptions {
    /// Options with a key, for reliable-latest channels.
    #[must_use]
    pub const fn with_key(key: u32) -> Self {
        Self { key: Some(key) }
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
    /// The reliable-latest channel has used as many different keys as it may; only those can be sent from now on.
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
                write!(f, "channel {channel} has used up its {limit} keys")
            }
            Self::KeyNotAllowed { channel } => write!(f, "channel {channel} takes no keys"),
            Self::NotConnected => f.write_str("the peer is not connected"),
        }
    }
}

impl std::error::Error for SendError {}
