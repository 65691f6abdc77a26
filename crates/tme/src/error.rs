//! What can go wrong when a server or client is made or updated.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tme_core::channel::ChannelTableError;
use tme_core::connection::SendError;
use tme_core::crypto::keys::KeyParseError;
use tme_core::datagram::LinkKind;
use tme_core::link::ConditionsError;
use tme_core::serial::{DecodeError, RegistryError};
use tme_core::token::{TokenError, TokenTextError};
use tme_transport::engine::EngineError;
use tme_transport::link::stream::TlsError;
use tme_transport::query::QueryError;

use crate::SendMessageError;

/// Why a server or client could not start, or stopped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// An address, to listen on, to connect to or of a proxy, does not parse.
    Address {
        /// What was given.
        text: String,
        /// What is wrong with it, and what is expected.
        problem: String,
    },
    /// The channel table cannot be.
    Channels(ChannelTableError),
    /// A key does not parse.
    Key(KeyParseError),
    /// A file could not be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// What the system or its content says.
        why: String,
    },
    /// A setting contradicts another or lies outside its range.
    Config(String),
    /// The engine could not start, or stopped.
    Engine(EngineError),
    /// A message could not be queued.
    Send(SendError),
    /// Network conditions that cannot be.
    Conditions(ConditionsError),
    /// Something that cannot be a connect token.
    Token(TokenError),
    /// A text that is not a sealed token.
    TokenText(TokenTextError),
    /// No interface of this machine took a question to the servers of its network; why each did not.
    NoNetwork(String),
    /// A server that could not be asked what it is, or did not answer.
    Query(QueryError),
    /// A message of the game's own types could not be written or queued.
    SendMessage(SendMessageError),
    /// What came is no message of the game's, or a malformed one.
    Decode(DecodeError),
    /// Messages that cannot be a game's: two with one id.
    Messages(RegistryError),
}

impl Error {
    /// Stable number of the kind, the same in every language; 7 belongs to logging there. The engine's kinds are 100 and
    /// up, those of sending 200 and up, those of serialization 600 and up.
    #[must_use]
    pub fn kind(&self) -> u32 {
        match self {
            Self::Address { .. } => 1,
            Self::Channels(_) => 2,
            Self::Key(_) => 3,
            Self::File { .. } => 4,
            Self::Config(_) => 5,
            Self::Conditions(_) => 6,
            Self::Token(_) => 8,
            Self::TokenText(_) => 9,
            // An address is one, whoever is asked to go there.
            Self::Query(QueryError::Address(_)) => 1,
            Self::Query(QueryError::Unresolved(_)) => 10,
            Self::Query(QueryError::TimedOut) => 11,
            Self::Query(QueryError::TooMany) => 12,
            Self::NoNetwork(_) => 13,
            Self::Engine(error) => 100 + error.kind(),
            Self::Send(error) => 200 + error.kind(),
            Self::SendMessage(error) => error.kind(),
            Self::Decode(error) => 600 + error.kind(),
            // They contradict each other, as settings do.
            Self::Messages(_) => 5,
        }
    }

    pub(crate) fn tls(error: &TlsError) -> Self {
        match &error.path {
            Some(path) => Self::file(path.as_ref(), &error.why),
            None => Self::Config(format!("TLS: {error}")),
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, why: impl fmt::Display) -> Self {
        Self::File { path: path.into(), why: why.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { problem, .. } => f.write_str(problem),
            Self::Channels(error) => error.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Config(text) => f.write_str(text),
            Self::NoNetwork(why) if why.is_empty() => f.write_str("this machine is in no network"),
            Self::NoNetwork(why) => write!(f, "this machine is in no network that can be asked: {why}"),
            Self::Engine(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Conditions(error) => error.fmt(f),
            Self::Token(error) => error.fmt(f),
            Self::TokenText(error) => error.fmt(f),
            Self::Query(error) => error.fmt(f),
            Self::SendMessage(error) => error.fmt(f),
            Self::Decode(error) => error.fmt(f),
            Self::Messages(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Channels(error) => Some(error),
            Self::Key(error) => Some(error),
            Self::Engine(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Conditions(error) => Some(error),
            Self::Token(error) => Some(error),
            Self::TokenText(error) => Some(error),
            Self::Query(error) => Some(error),
            Self::SendMessage(error) => Some(error),
            Self::Decode(error) => Some(error),
            Self::Messages(error) => Some(error),
            Self::Address { .. } | Self::File { .. } | Self::Config(_) | Self::NoNetwork(_) => None,
        }
    }
}

impl From<ChannelTableError> for Error {
    fn from(error: ChannelTableError) -> Self {
        Self::Channels(error)
    }
}

impl From<KeyParseError> for Error {
    fn from(error: KeyParseError) -> Self {
        Self::Key(error)
    }
}

impl From<EngineError> for Error {
    /// A setting that the engine finds wrong is as wrong as one that the facade does.
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Config(text) => Self::Config(text),
            error => Self::Engine(error),
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<SendMessageError> for Error {
    fn from(error: SendMessageError) -> Self {
        Self::SendMessage(error)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        Self::Messages(error)
    }
}

impl From<ConditionsError> for Error {
    fn from(error: ConditionsError) -> Self {
        Self::Conditions(error)
    }
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<TokenTextError> for Error {
    fn from(error: TokenTextError) -> Self {
        Self::TokenText(error)
    }
}

impl From<Arc<tme_transport::link::udp::BindError>> for Error {
    fn from(error: Arc<tme_transport::link::udp::BindError>) -> Self {
        Self::Engine(EngineError::Bind { link: LinkKind::Udp, cause: error })
    }
}
