//! Why handshake datagrams were dropped, and how often.

use std::fmt;

/// Why a handshake datagram had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// It does not follow the layout.
    Malformed,
    /// A datagram that only the other role may send.
    WrongDirection,
    /// Its nonce is not that of this attempt.
    WrongNonce,
    /// Its cookie was never made for this address and offer.
    InvalidCookie,
    /// A COOKIE whose server key is not trusted, or whose version was not offered.
    Untrusted,
    /// It came when nothing of its kind was awaited.
    Unexpected,
    /// A repetition of what is known already.
    Repeated,
    /// The Noise message in it does not verify.
    Unauthentic,
    /// Too many Noise messages of this attempt did not verify; no further one is tried.
    TooManyFailures,
    /// A query for server information beyond those that are answered in a second.
    Limited,
}

impl DropReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::WrongDirection,
        Self::WrongNonce,
        Self::InvalidCookie,
        Self::Untrusted,
        Self::Unexpected,
        Self::Repeated,
        Self::Unauthentic,
        Self::TooManyFailures,
        Self::Limited,
    ];
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::WrongDirection => "wrong direction",
            Self::WrongNonce => "wrong nonce",
            Self::InvalidCookie => "invalid cookie",
            Self::Untrusted => "untrusted cookie",
            Self::Unexpected => "unexpected",
            Self::Repeated => "repeated",
            Self::Unauthentic => "unauthentic",
            Self::TooManyFailures => "too many failures",
            Self::Limited => "above the limit",
        })
    }
}

/// How many handshake datagrams were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropCounts([u64; DropReason::ALL.len()]);

impl DropCounts {
    /// Datagrams dropped for this reason.
    #[must_use]
    pub const fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Datagrams dropped for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn add(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// Adds the counts of somebody else.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }
}
