//! The link: one shape for whatever carries datagrams, and the words all kinds share.
//!
//! Each kind has a folder of its own ([`udp`], [`memory`]) and a variant of [`Link`]; nobody else has to know which it is.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::Token;
use tme_core::datagram::{Ecn, Path, Transmit};

use crate::poller::Poller;

mod hint;
pub mod memory;
mod outcome;
mod segments;
mod setup;
mod stats;
pub mod stream;
pub mod udp;

pub use hint::{Hint, HintKind};
use memory::MemoryLink;
pub use outcome::{ReceiveError, Received, SendError, SendOutcome};
pub(crate) use segments::Segments;
pub use setup::LinkSetup;
pub(crate) use setup::LinkTemplate;
pub use stats::{HintCounts, LinkStats};
use udp::UdpLink;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_move_between_threads() {
        fn moves<T: Send>() {}
        moves::<Link>();
    }
}
