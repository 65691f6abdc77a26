//! Addresses as the socket wants them, and as everybody else does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

/// What a socket can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6Only,
    /// An IPv6 socket that carries IPv4 under addresses like `::ffff:192.0.2.1`.
    DualStack,
}

impl Family {
    /// `remote` as this socket wants it, or `None` if it cannot get there.
    pub(super) fn outgoing(self, remote: SocketAddr) -> Option<SocketAddr> {
        let remote = canonical(remote);
        match (self, remote) {
            (Self::V4, SocketAddr::V4(_)) | (Self::V6Only | Self::DualStack, SocketAddr::V6(_)) => {
                Some(remote)
            }
            (Self::DualStack, SocketAddr::V4(remote)) => {
                let mapped = remote.ip().to_ipv6_mapped();
                Some(SocketAddrV6::new(mapped, remote.port(), 0, 0).into())
            }
            (Self::V4, SocketAddr::V6(_)) | (Self::V6Only, SocketAddr::V4(_)) => None,
        }
    }

    /// `local` as the control message that chooses the source address wants it.
    pub(super) fn outgoing_source(self, local: IpAddr) -> Option<IpAddr> {
        match (self, local.to_canonical()) {
            (Self::V4, local @ IpAddr::V4(_)) | (Self::V6Only | Self::DualStack, local @ IpAddr::V6(_)) => {
                Some(local)
            }
            // Windows takes IP_PKTINFO for IPv4 on such sockets, everybody else IPV6_PKTINFO with the mapped
            // address; each is also the form in which the system reports where a datagram arrived.
            (Self::DualStack, IpAddr::V4(local)) if cfg!(windows) => Some(local.into()),
            (Self::DualStack, IpAddr::V4(local)) => Some(local.to_ipv6_mapped().into()),
            (Self::V4, IpAddr::V6(_)) | (Self::V6Only, IpAddr::V4(_)) => None,
        }
    }
}

/// One address, one form: IPv4 as IPv4, and no flow label, which does not tell peers apart.
pub(in crate::link) fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
        },
    }
}

/// The address a datagram arrived at, if answers can leave from it: not so with a group's.
pub(super) fn usable_local(destination: Option<IpAddr>) -> Option<IpAddr> {
    destination
        .map(|ip| ip.to_canonical())
        .filter(|ip| !ip.is_multicast() && !ip.is_unspecified() && *ip != IpAddr::V4(Ipv4Addr::BROADCAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_family_reaches_what_it_can_and_in_its_own_form() {
        let cases = [
            (Family::V4, "192.0.2.1:7", Some("192.0.2.1:7")),
            (Family::V4, "[::ffff:192.0.2.1]:7", Some("192.0.2.1:7")),
            (Family::V4, "[2001:db8::1]:7", None),
            (Family::V6Only, "192.0.2.1:7", None),
            (Family::V6Only, "[::ffff:192.0.2.1]:7", None),
            (Family::V6Only, "[2001:db8::1]:7", Some("[2001:db8::1]:7")),
            (Family::DualStack, "192.0.2.1:7", Some("[::ffff:192.0.2.1]:7")),
            (Family::DualStack, "[::ffff:192.0.2.1]:7", Some("[::ffff:192.0.2.1]:7")),
            (Family::DualStack, "[fe80::1%3]:7", Some("[fe80::1%3]:7")),
        ];
        for (family, remote, expected) in cases {
            assert_eq!(family.outgoing(address(remote)), expected.map(address), "{family:?} to {remote}");
        }
    }

    #[test]
    fn a_mapped_address_becomes_ipv4_and_a_flow_label_goes_away() {
        assert_eq!(canonical(address("[::ffff:192.0.2.1]:7")), address("192.0.2.1:7"));
        let with_label = SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 99, 3);
        assert_eq!(canonical(with_label.into()), address("[fe80::1%3]:7"));
    }

    #[test]
    fn a_group_address_is_no_place_to_answer_from() {
        let cases = [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("2001:db8::1", true),
            ("255.255.255.255", false),
            ("::ffff:255.255.255.255", false),
            ("239.1.2.3", false),
            ("ff02::1", false),
            ("0.0.0.0", false),
        ];
        for (text, usable) in cases {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(usable_local(Some(ip)), usable.then_some(ip.to_canonical()), "{text}");
        }
        assert_eq!(usable_local(None), None);
    }
}
