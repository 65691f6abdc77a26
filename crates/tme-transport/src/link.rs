//! The link: one shape for whatever carries datagrams, and the words both kinds share.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::Token;
use tme_core::datagram::{Ecn, Path, Transmit};

use crate::memory::MemoryLink;
use crate::poller::Poller;
use crate::udp::UdpLink;

mod stats;

pub use stats::{HintCounts, LinkStats};

/// Most bytes one datagram can carry: what IPv4 leaves of 65,535 after its header and UDP's.
pub const DATAGRAM_BYTES_MAX: usize = 65_535 - 20 - 8;

/// Hints kept until [`Link::poll_hint`] fetches them. Further ones are counted and forgotten.
pub const HINTS_MAX: usize = 16;

/// Carries datagrams, over UDP or inside the process.
///
/// An enumeration and not a trait: [`receive`](Self::receive) takes a closure that is to be inlined into the
/// loop over datagrams, which a trait object cannot do, and engines that are generic over their link would
/// pass that parameter on to every type that holds one. One predictable branch per call is cheaper than both.
///
/// A link belongs to one thread at a time and can be moved between threads.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "an engine has a handful of links; a box would cost each call")]
pub enum Link {
    /// Datagrams over a UDP socket.
    Udp(UdpLink),
    /// Datagrams through queues inside this process.
    Memory(MemoryLink),
}

/// Applies the same method to whichever link it is.
macro_rules! either {
    ($link:expr, $inner:ident => $call:expr) => {
        match $link {
            Link::Udp($inner) => $call,
            Link::Memory($inner) => $call,
        }
    };
}

impl Link {
    /// The address datagrams to this link go to; with the real port if port 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        either!(self, link => link.local_address())
    }

    /// Whether this link can send to `remote` at all: an IPv4 socket does not reach an IPv6 address.
    #[must_use]
    pub fn can_reach(&self, remote: SocketAddr) -> bool {
        either!(self, link => link.can_reach(remote))
    }

    /// Datagrams of one size that are worth handing over in one [`send`](Self::send). At least 1, and it may
    /// drop to 1 at run time.
    #[must_use]
    pub fn max_gso_segments(&self) -> usize {
        either!(self, link => link.max_gso_segments())
    }

    /// Receives up to `datagrams_max` datagrams and hands each to `handle`, with the path it took.
    ///
    /// The bytes may be changed in place (decrypted, say) and are gone afterwards. Call it when the poller
    /// reports the link readable *or in error*, and again without waiting while it says there is
    /// [`more`](Received::more).
    ///
    /// # Errors
    /// [`ReceiveError`] if the socket itself no longer works. What the network does is never an error here.
    pub fn receive(
        &mut self,
        datagrams_max: usize,
        handle: impl FnMut(&mut [u8], Path, Ecn),
    ) -> Result<Received, ReceiveError> {
        either!(self, link => link.receive(datagrams_max, handle))
    }

    /// As [`receive`](Self::receive), and tells `handle` how long each datagram had been waiting on this machine, where
    /// the system notes when it came; else zero. The system's wall clock tells, which may step: do not believe in more
    /// than the time since the link was last found empty.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_timed(
        &mut self,
        datagrams_max: usize,
        handle: impl FnMut(&mut [u8], Path, Ecn, Duration),
    ) -> Result<Received, ReceiveError> {
        either!(self, link => link.receive_timed(datagrams_max, handle))
    }

    /// Sends the first `transmit.bytes` bytes of `buffer`: one datagram, or several of
    /// `transmit.segment_bytes` bytes each (any number; they are split as the system needs it).
    ///
    /// # Errors
    /// [`SendError`] if the caller contradicts itself or the socket no longer works.
    pub fn send(&mut self, transmit: &Transmit, buffer: &[u8]) -> Result<SendOutcome, SendError> {
        either!(self, link => link.send(transmit, buffer))
    }

    /// Lets `poller` report when datagrams arrive: for UDP as an event with `token`, for a memory link by
    /// waking. After a wake, ask [`has_waiting`](Self::has_waiting) and [`take_writable`](Self::take_writable).
    ///
    /// # Errors
    /// Whatever the system says, for instance that the socket is registered elsewhere.
    pub fn register(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        match self {
            Self::Udp(link) => link.register(poller.registry(), token),
            Self::Memory(link) => {
                link.set_wake(Some(poller.wake_handle()));
                Ok(())
            }
        }
    }

    /// Says whether the poller should report writability: after a [`SendOutcome::WouldBlock`], until the
    /// rest is sent. Off otherwise, or each datagram that leaves the network card would end a wait.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn watch_writable(&mut self, poller: &Poller, watch: Watch) -> io::Result<()> {
        match self {
            Self::Udp(link) => link.watch_writable(poller.registry(), watch),
            Self::Memory(_) => Ok(()),
        }
    }

    /// Whether datagrams wait that no event of the poller will announce (any more).
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        either!(self, link => link.has_waiting())
    }

    /// Whether a memory link that would have blocked can send again; answers `true` once. UDP links have
    /// the poller's writable event instead and always answer `false`.
    pub fn take_writable(&mut self) -> bool {
        match self {
            Self::Udp(_) => false,
            Self::Memory(link) => link.take_writable(),
        }
    }

    /// The next thing the network said about earlier datagrams, if any. At most [`HINTS_MAX`] wait.
    pub fn poll_hint(&mut self) -> Option<Hint> {
        match self {
            Self::Udp(link) => link.poll_hint(),
            Self::Memory(_) => None,
        }
    }

    /// What this link has done so far.
    #[must_use]
    pub fn stats(&self) -> &LinkStats {
        either!(self, link => link.stats())
    }
}

impl From<UdpLink> for Link {
    fn from(link: UdpLink) -> Self {
        Self::Udp(link)
    }
}

impl From<MemoryLink> for Link {
    fn from(link: MemoryLink) -> Self {
        Self::Memory(link)
    }
}

/// Whether to watch for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Report it.
    On,
    /// Do not.
    Off,
}

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
    /// This link cannot send to addresses of that family; see [`Link::can_reach`].
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

/// The sizes inside one transmit, checked against each other and the buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments<'a> {
    pub(crate) bytes: &'a [u8],
    /// Size of each datagram but the last.
    pub(crate) segment_bytes: usize,
}

impl<'a> Segments<'a> {
    pub(crate) fn of(transmit: &Transmit, buffer: &'a [u8]) -> Result<Self, SendError> {
        let Some(bytes) = buffer.get(..transmit.bytes) else {
            return Err(SendError::BufferTooShort {
                claimed_bytes: transmit.bytes,
                buffer_bytes: buffer.len(),
            });
        };
        let segment_bytes = transmit.segment_bytes.unwrap_or(bytes.len()).min(bytes.len());
        if !(1..=DATAGRAM_BYTES_MAX).contains(&segment_bytes) {
            return Err(SendError::DatagramSize { bytes: segment_bytes });
        }
        Ok(Self { bytes, segment_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictory_transmits_are_refused_with_their_numbers() {
        let remote = SocketAddr::from(([127, 0, 0, 1], 9));
        let buffer = vec![0xA5; DATAGRAM_BYTES_MAX + 1];
        let cases = [
            (10, None, 9, Some("transmit of 10 bytes from a buffer of 9")),
            (10, Some(0), 10, Some("datagram of 0 bytes is outside 1 to 65507")),
            (0, None, 10, Some("datagram of 0 bytes is outside 1 to 65507")),
            (65_508, None, 65_508, Some("datagram of 65508 bytes is outside 1 to 65507")),
            (65_508, Some(65_507), 65_508, None),
            (10, Some(usize::MAX), 10, None),
        ];
        for (bytes, segment_bytes, buffer_bytes, message) in cases {
            let path = Path::to(remote);
            let transmit = Transmit { path, ecn: Ecn::NotCapable, bytes, segment_bytes };
            let error = Segments::of(&transmit, &buffer[..buffer_bytes]).err();
            assert_eq!(error.map(|error| error.to_string()).as_deref(), message, "{transmit:?}");
        }
    }

    #[test]
    fn links_move_between_threads() {
        fn moves<T: Send>() {}
        moves::<Link>();
    }

    #[test]
    fn hint_kinds_are_listed_in_order() {
        for (index, kind) in HintKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }
}
