//! Sending a game's own types: which channel they go by, and the buffer they are written into.

use std::cell::Cell;
use std::fmt;

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::connection::SendError;
use tme_core::serial::{EncodeError, Message, MessageChannel, encode_message};

/// Largest buffer that a thread keeps for its next message.
const KEPT_BYTES_MAX: usize = 64 * 1_024;

thread_local! {
    /// Messages are written here and copied into the engine's arena, so that sending them allocates nothing.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Why a message was not queued.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SendMessageError {
    /// The value has no encoding: a number outside its range, a list that is too long.
    Encode {
        /// Which message.
        message: &'static str,
        /// What is wrong with it.
        error: EncodeError,
    },
    /// The channel that the message names is not in the table.
    UnknownChannel {
        /// Which message.
        message: &'static str,
        /// The name.
        channel: &'static str,
    },
    /// The engine has not taken it.
    Send(SendError),
}

impl SendMessageError {
    /// Stable number of the kind, the same in every language: 200 and up as sending, 600 and up as serialization.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::Encode { error, .. } => 600 + error.kind(),
            Self::UnknownChannel { .. } => 200 + SendError::UnknownChannel.kind(),
            Self::Send(error) => 200 + error.kind(),
        }
    }

    /// Whether the send queue is full: try again after a `Writable` event.
    #[must_use]
    pub const fn is_would_block(&self) -> bool {
        matches!(self, Self::Send(SendError::WouldBlock { .. }))
    }
}

impl fmt::Display for SendMessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode { message, error } => write!(f, "message {message}: {error}"),
            Self::UnknownChannel { message, channel } => {
                write!(f, "message {message} goes by the channel {channel:?}, which the table does not have")
            }
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendMessageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Encode { error, .. } => Some(error),
            Self::UnknownChannel { .. } => None,
            Self::Send(error) => Some(error),
        }
    }
}

impl From<SendError> for SendMessageError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

/// The id of a message's channel. A numbered one needs no table.
pub(crate) fn channel_of<M: Message>(table: Option<&ChannelTable>) -> Result<ChannelId, SendMessageError> {
    let name = match M::CHANNEL {
        MessageChannel::Id(id) => return Ok(id),
        MessageChannel::Named(name) => name,
    };
    let table = table.ok_or(SendMessageError::Send(SendError::NotConnected))?;
    let entry = table.entries().iter().find(|entry| entry.name == name);
    entry.map(|entry| entry.id).ok_or(SendMessageError::UnknownChannel { message: M::NAME, channel: name })
}

/// Writes a message and gives its bytes to `send`.
pub(crate) fn with_bytes<M: Message, T>(
    message: &M,
    send: impl FnOnce(&[u8]) -> Result<T, SendError>,
) -> Result<T, SendMessageError> {
    // Taken out, not borrowed: what is called in between may send a message, too.
    let mut bytes = BUFFER.take();
    bytes.clear();
    let written = encode_message(message, &mut bytes);
    let result = match written {
        Ok(()) => send(&bytes).map_err(SendMessageError::Send),
        Err(error) => Err(SendMessageError::Encode { message: M::NAME, error }),
    };
    if bytes.capacity() <= KEPT_BYTES_MAX {
        BUFFER.set(bytes);
    }
    result
}
