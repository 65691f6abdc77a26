//! What the network, or the local system, says about datagrams: hints, never verdicts.

use std::net::IpAddr;

/// What the network or the local system let us know about a datagram. Anybody on the path can forge it, and
/// it may be outdated, so it may quicken a decision but must not make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What is said.
    pub kind: HintKind,
    /// Who says so (the remote host or a router on the way), if known.
    pub from: Option<IpAddr>,
    /// Largest packet, IP header included, that would have fitted, if [`HintKind::TooLarge`] told.
    pub mtu: Option<u32>,
}

impl Hint {
    /// A hint with nothing but its kind.
    #[must_use]
    pub const fn new(kind: HintKind) -> Self {
        Self { kind, from: None, mtu: None }
    }
}

/// The things a [`Hint`] can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum HintKind {
    /// No program listens on the remote port (`ECONNREFUSED`, on Windows `WSAECONNRESET`).
    Refused = 0,
    /// The remote host does not answer on its network (`EHOSTUNREACH`).
    HostUnreachable = 1,
    /// There is no route (`ENETUNREACH`, `ENETDOWN`), as when the cable is out.
    NetworkUnreachable = 2,
    /// The datagram is larger than a link on the way allows (`EMSGSIZE`).
    TooLarge = 3,
    /// A local firewall forbids it (`EPERM`, `EACCES`).
    Filtered = 4,
    /// The system had no memory or queue room for it (`ENOBUFS`, `ENOMEM`); no event says when it has.
    NoBuffers = 5,
    /// Nothing can be sent to this address: port 0, or a link-local address without a scope.
    BadAddress = 6,
    /// Something else about one datagram.
    Other = 7,
}

impl HintKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::HostUnreachable,
        Self::NetworkUnreachable,
        Self::TooLarge,
        Self::Filtered,
        Self::NoBuffers,
        Self::BadAddress,
        Self::Other,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_kinds_are_listed_in_order() {
        for (index, kind) in HintKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }
}
