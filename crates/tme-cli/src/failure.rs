//! Why a command failed, as a person reads it and as a script does.

use std::fmt;

use tme::{EngineError, Error, Reason};

/// What the exit code says. Documented in `docs/CLI.md` and in `tme --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// The command ran, and what it checked is not as it should be: a message lost, a simulated promise broken.
    CheckFailed,
    /// The command line asks for something that cannot be.
    Usage,
    /// The address to listen on cannot be had: in use, not this machine's, not permitted.
    Listen,
    /// The server did not answer, or its name leads nowhere.
    Unreachable,
    /// The server answered and refused.
    Refused,
    /// The connection was lost or ended by the other side.
    Disconnected,
    /// A file could not be read or written.
    File,
    /// Something else, such as a system that is out of file descriptors.
    Other,
}

impl ExitReason {
    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::CheckFailed => 1,
            Self::Usage => 2,
            Self::Listen => 3,
            Self::Unreachable => 4,
            Self::Refused => 5,
            Self::Disconnected => 6,
            Self::File => 7,
            Self::Other => 8,
        }
    }
}

/// A failed command: one line for people, an exit code for scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    reason: ExitReason,
    message: String,
}

impl Failure {
    /// A failure with its exit code and text.
    pub fn new(reason: ExitReason, message: impl fmt::Display) -> Self {
        Self { reason, message: message.to_string() }
    }

    /// A file that cannot be used.
    pub fn file(path: &std::path::Path, why: impl fmt::Display) -> Self {
        Self::new(ExitReason::File, format_args!("{}: {why}", path.display()))
    }

    /// What the exit code will say.
    #[must_use]
    pub const fn reason(&self) -> ExitReason {
        self.reason
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let reason = match &error {
            Error::Engine(EngineError::Bind { .. } | EngineError::Discovery(_)) => ExitReason::Listen,
            Error::File { .. } => ExitReason::File,
            Error::Address { .. }
            | Error::Config(_)
            | Error::Key(_)
            | Error::Channels(_)
            | Error::Token(_)
            | Error::TokenText(_) => ExitReason::Usage,
            Error::Query(_) | Error::NoNetwork(_) => ExitReason::Unreachable,
            _ => ExitReason::Other,
        };
        Self::new(reason, error)
    }
}

/// What the end of a connection means for the exit code.
#[must_use]
pub(crate) const fn reason_of_end(reason: Reason) -> ExitReason {
    match reason {
        Reason::ConnectTimedOut | Reason::Unresolved => ExitReason::Unreachable,
        // The register keeps refusals below 100 and endings from 100 on (`docs/PROTOCOL.md` §4.3).
        Reason::Version
        | Reason::Application
        | Reason::Busy
        | Reason::Suites
        | Reason::IdentityRequired
        | Reason::ChannelTable
        | Reason::Full
        | Reason::Banned
        | Reason::Denied
        | Reason::Token
        | Reason::Extension
        | Reason::Parameters
        | Reason::Schema => ExitReason::Refused,
        _ => ExitReason::Disconnected,
    }
}
