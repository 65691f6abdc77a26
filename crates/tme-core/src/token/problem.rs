//! What can be wrong with a token when it is presented to a server.

use std::fmt;

/// Why a server refused a token. The detail of a refusal with [`Reason::Token`](crate::handshake::reason::Reason::Token)
/// begins with its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenProblem {
    /// The server requires one and there was none.
    Missing,
    /// No key opens it, or it is malformed, or this server takes none.
    Invalid,
    /// It is for another server.
    WrongAudience,
    /// It was issued later than the server's clock says it is now.
    NotYetValid,
    /// It has expired, or is older than what the server remembers.
    Expired,
    /// Somebody has connected with it.
    Used,
}

impl TokenProblem {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Missing, Self::Invalid, Self::WrongAudience, Self::NotYetValid, Self::Expired, Self::Used];

    /// What the detail of a refusal begins with.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::WrongAudience => "wrong audience",
            Self::NotYetValid => "not yet valid",
            Self::Expired => "expired",
            Self::Used => "used",
        }
    }

    /// The problem that a refusal's detail names.
    #[must_use]
    pub fn from_detail(detail: &[u8]) -> Option<Self> {
        let first = detail.split(|&byte| byte == b':').next()?;
        Self::ALL.into_iter().find(|problem| problem.text().as_bytes() == first)
    }
}

impl fmt::Display for TokenProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
