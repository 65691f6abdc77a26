//! What travels beside a datagram's bytes: addresses and the ECN mark.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

/// Explicit congestion notification bits of the IP header (RFC 3168).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Ecn {
    /// The sender does not take part in ECN.
    #[default]
    NotCapable = 0b00,
    /// ECN-capable transport, code point 1.
    Ect1 = 0b01,
    /// ECN-capable transport, code point 0.
    Ect0 = 0b10,
    /// A router on the way was congested.
    CongestionExperienced = 0b11,
}

impl Ecn {
    /// The code point with these two bits; higher bits are ignored.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::NotCapable,
            0b01 => Self::Ect1,
            0b10 => Self::Ect0,
            _ => Self::CongestionExperienced,
        }
    }
}

/// What carries datagrams between two sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum LinkKind {
    /// Each datagram by itself: over UDP, or whatever does the same.
    #[default]
    Udp = 0,
    /// Records in a TCP stream.
    Tcp = 1,
    /// Binary messages in a WebSocket over TCP.
    WebSocket = 2,
}

impl LinkKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::WebSocket];
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::WebSocket => "WebSocket",
        })
    }
}

/// A byte stream that carries datagrams, as its driver calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// No two streams of a driver have the same, unless long after each other.
    pub number: NonZeroU32,
    /// What kind it is.
    pub kind: LinkKind,
    /// Whether it is TLS, with a certificate of the server's own.
    pub is_secure: bool,
    /// Whether its other end is on this machine. That may be a proxy, which speaks for a client elsewhere.
    pub is_local: bool,
}

/// What may happen to a datagram on its way, as far as that matters to a client without keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// It came by itself: its address may be forged.
    Datagrams,
    /// It came in a stream that anybody on the way can read and change.
    Stream,
    /// It came in such a stream from this machine: from a browser here, or from a proxy that ends TLS for others.
    LocalStream,
    /// It came in a stream that nobody can.
    SecureStream,
}

/// The way a datagram takes: the other side's address, the local address it used where that is known, and the stream that
/// carries it if one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The other side's address and port.
    pub remote: SocketAddr,
    /// The local address the datagram came in on (and answers should leave from), if the socket tells.
    pub local: Option<IpAddr>,
    /// `None`: each datagram travels by itself, and may be lost or overtaken. Else nothing is, while the stream lives.
    pub stream: Option<StreamId>,
}

impl Path {
    /// To or from `remote`, each datagram by itself.
    #[must_use]
    pub const fn to(remote: SocketAddr) -> Self {
        Self { remote, local: None, stream: None }
    }

    /// To or from `remote` in a stream.
    #[must_use]
    pub const fn through(stream: StreamId, remote: SocketAddr) -> Self {
        Self { remote, local: None, stream: Some(stream) }
    }

    /// What carries datagrams here.
    #[must_use]
    pub const fn carrier(&self) -> Carrier {
        match self.stream {
            None => Carrier::Datagrams,
            Some(StreamId { is_secure: true, .. }) => Carrier::SecureStream,
            Some(StreamId { is_local: true, .. }) => Carrier::LocalStream,
            Some(StreamId { .. }) => Carrier::Stream,
        }
    }

    /// Whether both lead to the same place by the same carrier; the local address may differ.
    #[must_use]
    pub fn leads_as(&self, other: &Self) -> bool {
        self.stream == other.stream && self.remote == other.remote
    }

    /// What carries it.
    #[must_use]
    pub const fn link(&self) -> LinkKind {
        match self.stream {
            Some(stream) => stream.kind,
            None => LinkKind::Udp,
        }
    }

    /// Whether a stream carries it.
    #[must_use]
    #[inline]
    pub const fn is_stream(&self) -> bool {
        self.stream.is_some()
    }
}

/// Datagrams to hand to the socket: the first `bytes` bytes of the caller's buffer, all on one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to, and from which local address.
    pub path: Path,
    /// ECN mark to put on every datagram.
    pub ecn: Ecn,
    /// Bytes in the buffer.
    pub bytes: usize,
    /// Size of each datagram when the buffer holds several (the last one may be shorter); `None` if it holds
    /// one.
    pub segment_bytes: Option<usize>,
}
