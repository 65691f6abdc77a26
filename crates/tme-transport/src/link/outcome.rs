//! What becomes of a call to send or to receive.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::{DATAGRAM_BYTES_MAX, Hint};

/// How a call to receive ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Datagrams handed to the callback.
    pub datagrams: usize,
    /// Whether the limit ended the call and not the lack of datagrams. No event will announce the rest: call
    /// again, after giving others their turn.
    pub more: bool,
}

/// What became of datagrams that were handed over.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The system took all of them.
    Sent,
    /// The system's queue is full. The first `sent_bytes` bytes of the buffer (whole datagrams) are on their
    /// way; keep the rest, and try again when the link is writable.
    WouldBlock {
        /// Bytes of the buffer not to be sent again.
        sent_bytes: usize,
    },
    /// Some or all of them will not arrive, for this reason. As good as lost on the way: nothing to repeat
    /// at once, nothing to close.
    Dropped(Hint),
}

/// Why nothing was sent, for a reason that is not the network's.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The transmit claims more bytes than the buffer has.
    BufferTooShort {
        /// Bytes the transmit claims.
        claimed_bytes: usize,
        /// Bytes in the buffer.
        buffer_bytes: usize,
    },
    /// A segment of no bytes, or a datagram of more than [`DATAGRAM_BYTES_MAX`].
    DatagramSize {
        /// The size of one datagram.
        bytes: usize,
    },
    /// This link cannot send to addresses of that family; see [`Link::can_reach`](super::Link::can_reach).
    WrongFamily {
        /// The address asked for.
        remote: SocketAddr,
    },
    /// The socket no longer works. Bind another one.
    Socket(io::Error),
}

impl SendError {
    /// A number for this kind of error that never changes.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        match self {
            Self::BufferTooShort { .. } => 1,
            Self::DatagramSize { .. } => 2,
            Self::WrongFamily { .. } => 3,
            Self::Socket(_) => 4,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooShort { claimed_bytes, buffer_bytes } => {
                write!(f, "transmit of {claimed_bytes} bytes from a buffer of {buffer_bytes}")
            }
            Self::DatagramSize { bytes } => {
                write!(f, "datagram of {bytes} bytes is outside 1 to {DATAGRAM_BYTES_MAX}")
            }
            Self::WrongFamily { remote } => {
                write!(f, "{remote} cannot be reached from this socket; bind one of its address family")
            }
            Self::Socket(error) => write!(f, "cannot send: {error}"),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket(error) => Some(error),
            _ => None,
        }
    }
}

/// The socket no longer works. Bind another one.
#[derive(Debug)]
pub struct ReceiveError(pub(crate) io::Error);

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot receive: {}", self.0)
    }
}

impl std::error::Error for ReceiveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
