//! Sockets that speak to a whole network, and hear what is said to all.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tme_core::discovery::{GROUP_V4, GROUP_V6};

use crate::interfaces::Interface;
use crate::link::udp::BindError;

/// Neither questions nor answers go beyond the network.
const HOPS: u32 = 1;

/// Which addresses a socket carries. Not both: groups of the two families are joined in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    fn any(self, port: u16) -> SocketAddr {
        match self {
            Self::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            Self::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        }
    }
}

/// A socket for whoever looks for servers: a port that the system chooses, which nobody else has.
pub(crate) fn bind_asker(family: Family) -> Result<UdpSocket, BindError> {
    bind(family, 0, |_| Ok(()))
}

/// A socket for whoever wants to be found: others on this machine may have the port, too, and each hears what is said to all.
pub(crate) fn bind_shared(family: Family, port: u16) -> Result<UdpSocket, BindError> {
    bind(family, port, |socket| {
        socket.set_reuse_address(true)?;
        // There, and only there, the other option is not enough.
        #[cfg(any(
            target_vendor = "apple",
            target_os = "freebsd",
            target_os = "netbsd",
            target_os = "openbsd",
            target_os = "dragonfly"
        ))]
        socket.set_reuse_port(true)?;
        Ok(())
    })
}

/// Always all addresses of the family: a socket at one of them hears no broadcasts.
fn bind(
    family: Family,
    port: u16,
    share: impl FnOnce(&Socket) -> io::Result<()>,
) -> Result<UdpSocket, BindError> {
    let address = family.any(port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
        .map_err(|cause| BindError::FamilyUnavailable { address, cause })?;
    let set_up = || {
        socket.set_nonblocking(true)?;
        share(&socket)?;
        match family {
            Family::V4 => {
                socket.set_broadcast(true)?;
                socket.set_ttl_v4(HOPS)?;
                socket.set_multicast_ttl_v4(HOPS)
            }
            Family::V6 => {
                socket.set_only_v6(true)?;
                socket.set_unicast_hops_v6(HOPS)?;
                socket.set_multicast_hops_v6(HOPS)
            }
        }
    };
    set_up().map_err(|cause| BindError::Other { address, cause })?;
    socket.bind(&address.into()).map_err(|cause| BindError::from_system(address, cause))?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// Says something to everybody whom an interface leads to. Each way that there is counts: `Ok` if one took it.
pub(crate) fn say_to_all(
    socket: &UdpSocket,
    interface: &Interface,
    port: u16,
    datagram: &[u8],
) -> io::Result<()> {
    let ways = match interface.network.address {
        IpAddr::V4(own) => {
            let chosen = SockRef::from(socket).set_multicast_if_v4(&own);
            let to_group = chosen.and_then(|()| socket.send_to(datagram, (GROUP_V4, port).into()));
            [Some(to_group), interface.broadcast.map(|all| socket.send_to(datagram, (all, port).into()))]
        }
        // Groups do not work there; only one server of this machine hears it.
        IpAddr::V6(own) if own.is_loopback() => [Some(socket.send_to(datagram, (own, port).into())), None],
        IpAddr::V6(_) => {
            let group = SocketAddrV6::new(GROUP_V6, port, 0, interface.index);
            [Some(socket.send_to(datagram, group.into())), None]
        }
    };
    let mut failure = None;
    for way in ways.into_iter().flatten() {
        match way {
            Ok(_) => return Ok(()),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| io::ErrorKind::NetworkUnreachable.into()))
}

/// Which groups a socket is in.
#[derive(Debug, Default)]
pub(crate) struct Memberships(BTreeSet<(IpAddr, u32)>);

impl Memberships {
    /// Joins the group on interfaces that are new, and forgets those that are gone, from which the system takes a socket by
    /// itself. What cannot be joined still hears broadcasts.
    pub(crate) fn update<'a>(
        &mut self,
        socket: &UdpSocket,
        family: Family,
        interfaces: impl Iterator<Item = &'a Interface>,
    ) {
        let mut present = BTreeSet::new();
        for Interface { name, index, network, .. } in interfaces {
            let key = match (network.address, family) {
                (IpAddr::V4(_), Family::V4) => (network.address, *index),
                // By interface and not by address, of which it may have several.
                (IpAddr::V6(own), Family::V6) if !own.is_loopback() => (Ipv6Addr::UNSPECIFIED.into(), *index),
                _ => continue,
            };
            if !present.insert(key) || self.0.contains(&key) {
                continue;
            }
            let joined = match network.address {
                IpAddr::V4(own) => socket.join_multicast_v4(&GROUP_V4, &own),
                IpAddr::V6(_) => socket.join_multicast_v6(&GROUP_V6, *index),
            };
            match joined {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    log::debug!("{name}: no multicast for discovery: {error}");
                }
                _ => {}
            }
        }
        self.0 = present;
    }
}
