//! Why an engine did not start, or stopped.

use std::fmt;
use std::sync::Arc;

use tme_core::datagram::LinkKind;

use crate::link::udp::BindError;

/// Why an engine did not start, or stopped.
#[derive(Clone, Debug)]
pub enum EngineError {
    /// A socket could not be bound.
    Bind {
        /// Of which link.
        link: LinkKind,
        /// Why not.
        cause: Arc<BindError>,
    },
    /// The configuration cannot work.
    Config(String),
    /// The operating system lacks something an engine needs (randomness, a poll handle, a thread).
    System(String),
    /// Waiting for the socket failed.
    Wait(String),
    /// The socket no longer works.
    Socket(String),
    /// The engine was closed.
    Closed,
    /// The engine has a bug and stopped; the log says where.
    Poisoned,
    /// The port for those who look for servers could not be bound.
    Discovery(Arc<BindError>),
}

impl EngineError {
    /// A socket of this link could not be bound.
    pub(crate) fn bind(link: LinkKind, cause: BindError) -> Self {
        Self::Bind { link, cause: Arc::new(cause) }
    }

    /// Stable number of the kind.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::Bind { .. } => 1,
            Self::Config(_) => 2,
            Self::System(_) => 3,
            Self::Wait(_) => 4,
            Self::Socket(_) => 5,
            Self::Closed => 6,
            Self::Poisoned => 7,
            Self::Discovery(_) => 8,
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { link, cause } => write!(f, "{link}: {cause}"),
            Self::Config(text) => write!(f, "configuration: {text}"),
            Self::System(text) => write!(f, "the system refuses what a network engine needs: {text}"),
            Self::Wait(text) => write!(f, "cannot wait for the network: {text}"),
            Self::Socket(text) => write!(f, "the socket no longer works: {text}"),
            Self::Closed => f.write_str("the engine is closed"),
            Self::Discovery(error) => write!(f, "discovery port: {error}"),
            Self::Poisoned => {
                f.write_str("the engine stopped because of an internal error; please report the log")
            }
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { cause, .. } | Self::Discovery(cause) => Some(cause),
            _ => None,
        }
    }
}
