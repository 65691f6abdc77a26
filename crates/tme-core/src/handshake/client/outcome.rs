//! How a client's handshake ends.

use std::fmt;

use crate::channel::ChannelTable;
use crate::crypto::SessionSecrets;
use crate::crypto::keys::PublicKey;
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::Suite;
use crate::handshake::datagram::Versions;
use crate::handshake::parameters::{ConnectionId, Limits, ParameterError, PeerNumber, Refusal, UserData};
use crate::handshake::reason::Reason;
use crate::time::Duration;

/// The one event of a client's handshake.
#[derive(Debug)]
pub enum ClientEvent {
    /// The server accepted; the first data packet may go out.
    Established(Box<Established>),
    /// There will be no connection.
    Failed(ConnectError),
}

/// What a connection is made of, as the client knows it.
#[derive(Debug)]
pub struct Established {
    /// Protocol version.
    pub version: u16,
    /// Suite the server chose.
    pub suite: Suite,
    /// Where the packet keys come from.
    pub secrets: SessionSecrets,
    /// Stands in packets we receive.
    pub local_connection_id: ConnectionId,
    /// Stands in packets we send.
    pub remote_connection_id: ConnectionId,
    /// Our number on this server.
    pub peer_number: PeerNumber,
    /// A RESET with this token ends the connection.
    pub reset_token: ResetToken,
    /// What we are willing to receive.
    pub local_limits: Limits,
    /// What the server is willing to receive.
    pub remote_limits: Limits,
    /// The channels: our own table, or the server's if we had none.
    pub channels: ChannelTable,
    /// Bytes from the server's game.
    pub user_data: UserData,
    /// The server's static key.
    pub server_key: PublicKey,
    /// The key was taken because none was remembered for this host: the caller should remember it.
    pub is_first_use: bool,
    /// Round-trip time of HELLO and COOKIE, unless HELLO was repeated.
    pub rtt: Option<Duration>,
}

/// What the client was waiting for when it gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectStage {
    /// Nothing usable came at all.
    AwaitingCookie,
    /// The server answered HELLO, then fell silent.
    AwaitingAccept,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The server refused, and proved that it was the server.
    Refused(Refusal),
    /// Somebody who sees our datagrams refused, most likely the server. Never a reason to offer less.
    RefusedUnauthenticated {
        /// Why.
        reason: Reason,
        /// Versions the server speaks.
        server_versions: Versions,
        /// Versions we offered.
        client_versions: Versions,
    },
    /// Nobody answered in time.
    TimedOut {
        /// How long we waited.
        waited: Duration,
        /// What we waited for.
        stage: ConnectStage,
    },
    /// Only servers answered whose key is not among the pinned ones.
    ServerKeyNotPinned {
        /// Number of keys that would have been taken.
        pinned: usize,
        /// The key that was seen last.
        seen: PublicKey,
        /// How long we waited for another one.
        waited: Duration,
    },
    /// The server has another key than the one remembered for it.
    ServerKeyChanged {
        /// The key remembered.
        remembered: PublicKey,
        /// The key that was seen last.
        seen: PublicKey,
        /// How long we waited for the remembered one.
        waited: Duration,
    },
    /// The server's authentic answer makes no sense to us.
    UnacceptableAnswer(AnswerError),
}

impl ConnectError {
    /// A stable number for the kind of error.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::Refused(_) => 1,
            Self::RefusedUnauthenticated { .. } => 2,
            Self::TimedOut { .. } => 3,
            Self::ServerKeyNotPinned { .. } => 4,
            Self::ServerKeyChanged { .. } => 5,
            Self::UnacceptableAnswer(_) => 6,
        }
    }

    /// The reason of the register that comes closest.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Refused(refusal) => refusal.reason,
            Self::RefusedUnauthenticated { reason, .. } => *reason,
            Self::TimedOut { .. } => Reason::ConnectTimedOut,
            Self::ServerKeyNotPinned { .. } | Self::ServerKeyChanged { .. } => Reason::UntrustedKey,
            Self::UnacceptableAnswer(_) => Reason::ProtocolViolation,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) if refusal.detail.as_bytes().is_empty() => {
                write!(f, "the server refused: {}", refusal.reason)
            }
            Self::Refused(refusal) => {
                write!(f, "the server refused: {}: {:?}", refusal.reason, refusal.detail)
            }
            Self::RefusedUnauthenticated { reason: Reason::Version, server_versions, client_versions } => {
                write!(
                    f,
                    "refused (unauthenticated): {}; the server speaks {server_versions:?}, this client \
                 {client_versions:?}",
                    Reason::Version
                )
            }
            Self::RefusedUnauthenticated { reason, .. } => write!(f, "refused (unauthenticated): {reason}"),
            Self::TimedOut { waited, stage: ConnectStage::AwaitingCookie } => {
                write!(f, "no answer within {:?}; check address, port and firewall", roughly(*waited))
            }
            Self::TimedOut { waited, stage: ConnectStage::AwaitingAccept } => write!(
                f,
                "the server answered the first datagram but accepted nothing within {:?}; it may be \
                 overloaded, or something on the way changes datagrams",
                roughly(*waited)
            ),
            Self::ServerKeyNotPinned { pinned, seen, waited } => write!(
                f,
                "only a server with the key {seen} answered within {:?}, which is none of the {pinned} \
                 pinned; update the pinned keys, or somebody answers in the server's place",
                roughly(*waited)
            ),
            Self::ServerKeyChanged { remembered, seen, waited } => write!(
                f,
                "only a server with the key {seen} answered within {:?}, but {remembered} is remembered \
                 for it; forget that key if the server really has a new one, else somebody answers in its place",
                roughly(*waited)
            ),
            Self::UnacceptableAnswer(error) => write!(f, "the server's answer is not acceptable: {error}"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// A time as people read it, in whole milliseconds: not 3.000025s.
fn roughly(time: Duration) -> Duration {
    Duration::from_millis(time.as_millis() as u64)
}

/// Why an authentic answer could not be used: the server has a bug, or is newer than its version number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// Its parameters cannot be used.
    Parameters(ParameterError),
    /// It chose a suite that was not offered.
    SuiteNotOffered {
        /// The suite.
        suite: Suite,
    },
    /// It sent a channel table although we declared one.
    UnexpectedChannelTable,
    /// It sent no channel table although we asked for one.
    NoChannelTable,
    /// The key exchange is not at its end.
    Unfinished,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameters(error) => error.fmt(f),
            Self::SuiteNotOffered { suite } => write!(f, "it chose {suite}, which was not offered"),
            Self::UnexpectedChannelTable => f.write_str("it sent a channel table that was not asked for"),
            Self::NoChannelTable => f.write_str("it sent no channel table"),
            Self::Unfinished => f.write_str("the key exchange did not finish"),
        }
    }
}
