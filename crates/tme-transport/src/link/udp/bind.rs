//! Opening the socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use quinn_udp::UdpSocketState;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::address::Family;
use super::{Arrivals, IcmpHints, SocketBuffers, UdpConfig, icmp};

/// A socket that is ready to use, and what we learned about it.
pub(super) struct Bound {
    pub(super) socket: mio::net::UdpSocket,
    pub(super) state: UdpSocketState,
    pub(super) family: Family,
    pub(super) local: SocketAddr,
    pub(super) buffers: SocketBuffers,
}

pub(super) fn open(config: &UdpConfig) -> Result<Bound, BindError> {
    let address = config.address;
    let other = |cause| BindError::Other { address, cause };
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
        .map_err(|cause| BindError::FamilyUnavailable { address, cause })?;
    let family = set_family(&socket, address);
    socket.set_nonblocking(true).map_err(other)?;
    socket.bind(&address.into()).map_err(|cause| BindError::from_system(address, cause))?;
    make_ready(socket, family, config).map_err(other)
}

/// Sets what can be set once a socket has an address.
pub(super) fn make_ready(socket: Socket, family: Family, config: &UdpConfig) -> io::Result<Bound> {
    let buffers = ask_for_buffers(&socket, config);
    let socket: std::net::UdpSocket = socket.into();
    let local = socket.local_addr()?;
    let socket = mio::net::UdpSocket::from_std(socket);
    let state = set_up(&socket, config.icmp, config.arrivals)?;
    Ok(Bound { socket, state, family, local, buffers })
}

/// Sets what makes a socket ours: don't-fragment, ECN, arrival addresses, GRO, and hints from ICMP.
pub(super) fn set_up(
    socket: &mio::net::UdpSocket,
    icmp_hints: IcmpHints,
    arrivals: Arrivals,
) -> io::Result<UdpSocketState> {
    let state = UdpSocketState::new(socket.into())?;
    // quinn-udp 0.6.2 began to ask for arrival times, and has not the room for them: with a merged delivery
    // the system then leaves out the ECN mark, or over IPv6 even the address it arrived at. Without the times
    // (32 bytes) the others (40 + 24 + 24) fit into its 96, and without the size of what was merged (24) the times do.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use nix::sys::socket::{setsockopt, sockopt};
        let result = match arrivals {
            Arrivals::Unnoted => setsockopt(socket, sockopt::ReceiveTimestampns, &false),
            Arrivals::Noted => setsockopt(socket, sockopt::UdpGroSegment, &false),
        };
        if let Err(error) = result {
            log::debug!("cannot make room for what comes with datagrams: {error}");
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = arrivals;
    if icmp_hints == IcmpHints::Report {
        icmp::enable(&state, socket);
    }
    Ok(state)
}

/// Makes `[::]` dual-stack where the system allows it, and every other IPv6 address IPv6 only.
pub(super) fn set_family(socket: &Socket, address: SocketAddr) -> Family {
    if address.is_ipv4() {
        return Family::V4;
    }
    let only_v6 = !address.ip().is_unspecified();
    if let Err(error) = socket.set_only_v6(only_v6) {
        log::debug!(
            "udp {address}: the system insists on its own choice between IPv6 and dual-stack: {error}"
        );
    }
    // OpenBSD, for one, has no dual-stack sockets: what counts is what we got.
    if socket.only_v6().unwrap_or(true) { Family::V6Only } else { Family::DualStack }
}

/// Asks for the configured sizes; a system that gives less is no error.
fn ask_for_buffers(socket: &Socket, config: &UdpConfig) -> SocketBuffers {
    let socket = SockRef::from(socket);
    let refused = [
        socket.set_recv_buffer_size(config.receive_buffer_bytes).err(),
        socket.set_send_buffer_size(config.send_buffer_bytes).err(),
    ];
    for error in refused.into_iter().flatten() {
        log::debug!("udp {}: the system keeps its own buffer size: {error}", config.address);
    }
    SocketBuffers {
        receive_bytes: socket.recv_buffer_size().unwrap_or(0),
        send_bytes: socket.send_buffer_size().unwrap_or(0),
    }
}

/// Why a socket could not be bound.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// Another socket has this address and port.
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// No network interface of this machine has that address.
    NotLocal {
        /// The address asked for.
        address: SocketAddr,
    },
    /// This user may not use that port, or the system has reserved it.
    NotPermitted {
        /// The address asked for.
        address: SocketAddr,
    },
    /// This system does not have that address family.
    FamilyUnavailable {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// Something else.
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
}

impl BindError {
    pub(crate) fn from_system(address: SocketAddr, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::AddrNotAvailable => Self::NotLocal { address },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { address },
            _ => Self::Other { address, cause },
        }
    }

    /// A number for this kind of error that never changes.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        match self {
            Self::InUse { .. } => 1,
            Self::NotLocal { .. } => 2,
            Self::NotPermitted { .. } => 3,
            Self::FamilyUnavailable { .. } => 4,
            Self::Other { .. } => 5,
        }
    }

    /// The address asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        match self {
            Self::InUse { address }
            | Self::NotLocal { address }
            | Self::NotPermitted { address }
            | Self::FamilyUnavailable { address, .. }
            | Self::Other { address, .. } => *address,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { address } => write!(
                f,
                "address {address} is in use by another program; stop that program, or choose another \
                 port (0 lets the system choose)"
            ),
            Self::NotLocal { address } => write!(
                f,
                "this machine has no address {}; bind to 0.0.0.0 or [::] to listen on all it has",
                address.ip()
            ),
            Self::NotPermitted { address } => write!(
                f,
                "this user may not bind address {address}; choose a port from 1024 on, or one the system \
                 has not reserved"
            ),
            Self::FamilyUnavailable { address, cause } => {
                let (family, instead) =
                    if address.is_ipv6() { ("IPv6", "0.0.0.0") } else { ("IPv4", "[::]") };
                write!(f, "cannot bind address {address}: no {family} here ({cause}); try {instead}")
            }
            Self::Other { address, cause } => write!(f, "cannot bind address {address}: {cause}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::FamilyUnavailable { cause, .. } | Self::Other { cause, .. } => Some(cause),
            _ => None,
        }
    }
}
