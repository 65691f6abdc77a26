//! The UDP link: datagrams over one socket, many per system call where the system can.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use mio::{Interest, Registry, Token};
use quinn_udp::UdpSocketState;

use crate::link::{HINTS_MAX, Hint, HintKind, LinkStats, SendOutcome, Watch};

pub(super) mod address;
mod bind;
mod failure;
mod icmp;
mod receive;
mod send;
mod steering;

use address::Family;
pub use bind::BindError;
use bind::Bound;
use receive::Batch;
use send::GoneSources;
pub use steering::Steering;

/// Most receive slots a link can have; more would not be used by one system call.
pub const RECEIVE_SLOTS_MAX: usize = quinn_udp::BATCH_SIZE;

/// Bytes of one receive slot: room for what the system merges into one delivery, or for the largest datagram.
const SLOT_BYTES: usize = 65_536;

/// Errors fetched from the socket's error queue at a time. The system keeps the others until the next time.
const ERRORS_PER_DRAIN: usize = 64;

/// How a [`UdpLink`] is set up.
#[derive(Clone, Debug)]
pub struct UdpConfig {
    /// Where to bind. Port 0 lets the system choose. `[::]` takes IPv4 as well where the system allows it.
    pub address: SocketAddr,
    /// Size to ask for of the socket's receive buffer. The system may give less, silently.
    pub receive_buffer_bytes: usize,
    /// Size to ask for of the socket's send buffer. The system may give less, silently.
    pub send_buffer_bytes: usize,
    /// Deliveries fetched per system call, 1 to [`RECEIVE_SLOTS_MAX`]. Each holds 64 KiB of memory, which the
    /// system provides once it is used.
    pub receive_slots: usize,
    /// What to do with errors other hosts report.
    pub icmp: IcmpHints,
    /// Whether to let the system cut buffers into datagrams.
    pub segmentation: Segmentation,
    /// Whether the system notes when datagrams arrive.
    pub arrivals: Arrivals,
    /// Where several sockets have one port: which of them a datagram reaches.
    pub steering: Steering,
}

/// What to do with errors that other hosts report about our datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpHints {
    /// Hand them out as hints. A client learns at once that nobody listens.
    Report,
    /// Do not ask for them. A server needs none, and its sends are not disturbed by those of its clients.
    /// (Windows reports some all the same.)
    Ignore,
}

/// Whether to let the system cut buffers into datagrams (GSO).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segmentation {
    /// Where it works.
    Auto,
    /// Never: one system call per datagram.
    Off,
}

/// Whether the system notes when datagrams arrive, for [`Link::receive_timed`](crate::link::Link::receive_timed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Arrivals {
    /// It does not.
    #[default]
    Unnoted,
    /// It does, on Linux, and then does not merge datagrams on their way in: there is room for one of the two.
    Noted,
}

impl UdpConfig {
    /// Settings for a server: 4 MiB buffers (about 3,000 datagrams, the burst of 1,000 peers at 60 Hz during
    /// a stall of 50 ms), 32 receive slots (2 MiB), no hints from ICMP.
    #[must_use]
    pub fn server(address: SocketAddr) -> Self {
        Self {
            address,
            receive_buffer_bytes: 4 << 20,
            send_buffer_bytes: 4 << 20,
            receive_slots: 32,
            icmp: IcmpHints::Ignore,
            segmentation: Segmentation::Auto,
            arrivals: Arrivals::default(),
            steering: Steering::default(),
        }
    }

    /// Settings for a client: 1 MiB buffers, 8 receive slots (512 KiB), hints from ICMP.
    #[must_use]
    pub fn client(address: SocketAddr) -> Self {
        Self {
            address,
            receive_buffer_bytes: 1 << 20,
            send_buffer_bytes: 1 << 20,
            receive_slots: 8,
            icmp: IcmpHints::Report,
            segmentation: Segmentation::Auto,
            arrivals: Arrivals::default(),
            steering: Steering::default(),
        }
    }
}

/// What the system gave, as it reports it. Linux reports twice what it was asked for, its own overhead
/// included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketBuffers {
    /// Size of the receive buffer.
    pub receive_bytes: usize,
    /// Size of the send buffer.
    pub send_bytes: usize,
}

/// A UDP socket with batched receiving (`recvmmsg`, GRO), batched sending (GSO) and don't-fragment set.
///
/// IPv4 addresses are IPv4 in everything this type takes and gives, also on a dual-stack socket. The methods
/// shared with other links are described at [`Link`](crate::link::Link).
#[derive(Debug)]
pub struct UdpLink {
    socket: mio::net::UdpSocket,
    state: UdpSocketState,
    family: Family,
    local: SocketAddr,
    buffers: SocketBuffers,
    icmp: IcmpHints,
    arrivals: Arrivals,
    batch: Batch,
    /// Most datagrams per send call; 1 once segmentation proved not to work.
    gso_segments: usize,
    gone: GoneSources,
    hints: VecDeque<Hint>,
    stats: LinkStats,
    registered: Option<(Token, Watch)>,
}

impl UdpLink {
    /// Binds a socket.
    ///
    /// # Errors
    /// [`BindError`], which names the address and what to do.
    pub fn bind(config: &UdpConfig) -> Result<Self, BindError> {
        Self::bind_with_slots_of(SLOT_BYTES, config)
    }

    fn bind_with_slots_of(slot_bytes: usize, config: &UdpConfig) -> Result<Self, BindError> {
        Ok(Self::with_slots(slot_bytes, bind::open(config)?, config))
    }

    fn with(bound: Bound, config: &UdpConfig) -> Self {
        Self::with_slots(SLOT_BYTES, bound, config)
    }

    fn with_slots(slot_bytes: usize, bound: Bound, config: &UdpConfig) -> Self {
        let slots = config.receive_slots.clamp(1, RECEIVE_SLOTS_MAX);
        let gso_segments = match config.segmentation {
            Segmentation::Auto => bound.state.max_gso_segments().max(1),
            Segmentation::Off => 1,
        };
        log::debug!(
            "udp {}: receive buffer {} of {} bytes, send buffer {} of {} bytes, {gso_segments} segments out, \
             {} segments in",
            bound.local,
            bound.buffers.receive_bytes,
            config.receive_buffer_bytes,
            bound.buffers.send_bytes,
            config.send_buffer_bytes,
            bound.state.gro_segments(),
        );
        Self {
            socket: bound.socket,
            state: bound.state,
            family: bound.family,
            local: bound.local,
            buffers: bound.buffers,
            icmp: config.icmp,
            arrivals: config.arrivals,
            batch: Batch::new(slots, slot_bytes),
            gso_segments,
            gone: GoneSources::default(),
            hints: VecDeque::with_capacity(HINTS_MAX),
            stats: LinkStats::default(),
            registered: None,
        }
    }

    /// The address the socket is bound to, with the port the system chose if 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Whether an IPv6 socket takes IPv4 as well.
    #[must_use]
    pub fn is_dual_stack(&self) -> bool {
        self.family == Family::DualStack
    }

    /// See [`Link::can_reach`](crate::link::Link::can_reach).
    #[must_use]
    pub fn can_reach(&self, remote: SocketAddr) -> bool {
        self.family.outgoing(remote).is_some()
    }

    /// See [`Link::max_gso_segments`](crate::link::Link::max_gso_segments).
    #[must_use]
    pub fn max_gso_segments(&self) -> usize {
        self.gso_segments
    }

    /// The buffer sizes the system gave.
    #[must_use]
    pub fn buffers(&self) -> SocketBuffers {
        self.buffers
    }

    /// See [`Link::stats`](crate::link::Link::stats).
    #[must_use]
    pub fn stats(&self) -> &LinkStats {
        &self.stats
    }

    /// See [`Link::has_waiting`](crate::link::Link::has_waiting).
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.batch.is_empty()
    }

    /// See [`Link::poll_hint`](crate::link::Link::poll_hint).
    pub fn poll_hint(&mut self) -> Option<Hint> {
        self.hints.pop_front()
    }

    /// Has events with `token` reported to `registry`'s poll; again with another token if it was registered.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self.registered {
            None => registry.register(&mut self.socket, token, Interest::READABLE)?,
            Some(_) => registry.reregister(&mut self.socket, token, Interest::READABLE)?,
        }
        self.registered = Some((token, Watch::Off));
        Ok(())
    }

    /// See [`Link::watch_writable`](crate::link::Link::watch_writable). Does nothing if not registered, or if
    /// nothing changes.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn watch_writable(&mut self, registry: &Registry, watch: Watch) -> io::Result<()> {
        let Some((token, current)) = self.registered else { return Ok(()) };
        if current == watch {
            return Ok(());
        }
        let interest = match watch {
            Watch::On => Interest::READABLE | Interest::WRITABLE,
            Watch::Off => Interest::READABLE,
        };
        registry.reregister(&mut self.socket, token, interest)?;
        self.registered = Some((token, watch));
        Ok(())
    }

    /// Ends what [`register`](Self::register) began. Dropping the link does the same.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        if self.registered.take().is_some() {
            registry.deregister(&mut self.socket)?;
        }
        Ok(())
    }

    /// Counts what stopped a datagram and tells the sender.
    fn dropped(&mut self, kind: HintKind) -> SendOutcome {
        self.stats.hints.count(kind);
        SendOutcome::Dropped(Hint::new(kind))
    }

    /// Counts a hint about some earlier datagram and keeps it for `poll_hint`.
    fn queue_hint(&mut self, hint: Hint) {
        self.stats.hints.count(hint.kind);
        if self.hints.len() < HINTS_MAX {
            self.hints.push_back(hint);
        } else {
            self.stats.hints_lost += 1;
        }
    }

    /// Fetches what other hosts reported; tells how much that was.
    fn drain_errors(&mut self) -> usize {
        if self.icmp == IcmpHints::Ignore {
            return 0;
        }
        let mut reported = 0;
        for _ in 0..ERRORS_PER_DRAIN {
            let Some(hint) = icmp::next(&self.state, &self.socket) else { break };
            if hint.from.is_some() {
                self.queue_hint(hint);
                reported += 1;
            }
        }
        reported
    }
}

#[cfg(test)]
mod tests;
