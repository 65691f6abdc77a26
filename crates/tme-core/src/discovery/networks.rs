//! Who is a neighbour: addresses within the networks of this machine's interfaces.

use std::net::IpAddr;

/// Networks that count; a machine with more has these of them.
const NETWORKS_MAX: usize = 256;

/// An address of this machine, and how much of it all in its network have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// This machine's address there.
    pub address: IpAddr,
    /// Bits of the network's prefix.
    pub prefix_bits: u8,
}

impl Network {
    /// Whether an address lies in it. A prefix of no bits would make the whole world a neighbour, and is none.
    fn contains(&self, ip: IpAddr) -> bool {
        let bits = u32::from(self.prefix_bits);
        match (self.address, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                (1..=32).contains(&bits) && (own.to_bits() ^ ip.to_bits()) >> (32 - bits) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                (1..=128).contains(&bits) && (own.to_bits() ^ ip.to_bits()) >> (128 - bits) == 0
            }
            _ => false,
        }
    }

    /// Whether it is nobody's address but everybody's: the last of the network, or the first, which was used so once. A network
    /// of one or two addresses has none.
    fn broadcasts_to(&self, ip: IpAddr) -> bool {
        let IpAddr::V4(v4) = ip else { return false };
        let host_mask = u32::MAX.checked_shr(u32::from(self.prefix_bits)).unwrap_or(0);
        let host = v4.to_bits() & host_mask;
        host_mask > 1 && self.contains(ip) && (host == 0 || host == host_mask)
    }
}

/// Whose questions a server can be of use to, by the address it listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It listens on all addresses.
    Everywhere,
    /// It listens on this one: only who shares a network with it gets there.
    Only(IpAddr),
}

impl Reach {
    /// Of a server that listens on this address.
    #[must_use]
    pub fn of(listen: IpAddr) -> Self {
        if listen.is_unspecified() { Self::Everywhere } else { Self::Only(listen.to_canonical()) }
    }

    /// Whether an interface with this address leads to the server.
    #[must_use]
    pub fn includes(&self, own: IpAddr) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Only(listen) if listen.is_loopback() => {
                own.is_loopback() && own.is_ipv4() == listen.is_ipv4()
            }
            Self::Only(listen) => *listen == own.to_canonical(),
        }
    }
}

/// The networks of this machine that lead to a server, or from a searcher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// Those of all networks that `reach` includes.
    #[must_use]
    pub fn new(all: impl IntoIterator<Item = Network>, reach: Reach) -> Self {
        Self(all.into_iter().filter(|network| reach.includes(network.address)).take(NETWORKS_MAX).collect())
    }

    /// Whether somebody with this address is a neighbour: no router lies between. Nobody has a broadcast address: an answer to a
    /// forged question from there would reach all, as many times the bytes as there are machines.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        if ip.is_unspecified() || ip.is_multicast() {
            return false;
        }
        self.0.iter().any(|network| network.contains(ip))
            && !self.0.iter().any(|network| network.broadcasts_to(ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(reach: &str) -> Networks {
        let all = [
            ("127.0.0.1", 8),
            ("::1", 128),
            ("192.168.1.5", 24),
            ("10.8.0.2", 32),
            ("10.9.0.2", 31),
            ("10.10.0.5", 16),
            ("10.10.7.5", 24),
            ("fe80::5", 64),
            ("2001:db8::5", 64),
            ("100.64.0.1", 0),
        ];
        let all =
            all.map(|(address, prefix_bits)| Network { address: address.parse().unwrap(), prefix_bits });
        Networks::new(all, Reach::of(reach.parse().unwrap()))
    }

    #[test]
    fn neighbours_are_those_in_a_network_that_leads_to_the_server() {
        let cases = [
            ("0.0.0.0", "127.0.0.9", true),
            ("0.0.0.0", "192.168.1.77", true),
            ("0.0.0.0", "::ffff:192.168.1.77", true),
            ("0.0.0.0", "10.8.0.2", true),
            ("::", "::1", true),
            ("::", "fe80::7", true),
            ("::", "2001:db8::77", true),
            ("0.0.0.0", "10.9.0.3", true),
            ("0.0.0.0", "10.10.8.255", true),
            ("0.0.0.0", "192.168.1.255", false),
            ("0.0.0.0", "::ffff:192.168.1.255", false),
            ("0.0.0.0", "192.168.1.0", false),
            ("0.0.0.0", "127.255.255.255", false),
            ("0.0.0.0", "10.10.255.255", false),
            ("0.0.0.0", "10.10.7.255", false),
            ("0.0.0.0", "192.168.2.5", false),
            ("0.0.0.0", "10.8.0.3", false),
            ("0.0.0.0", "8.8.8.8", false),
            ("0.0.0.0", "100.64.0.1", false),
            ("::", "2001:db8:1::5", false),
            ("::", "fe80:1::5", false),
            ("::", "::", false),
            ("0.0.0.0", "0.0.0.0", false),
            ("0.0.0.0", "239.255.84.77", false),
            ("127.0.0.1", "127.9.9.9", true),
            ("127.0.0.1", "192.168.1.5", false),
            ("127.0.0.1", "::1", false),
            ("192.168.1.5", "192.168.1.254", true),
            ("192.168.1.5", "127.0.0.1", false),
            ("::ffff:192.168.1.5", "192.168.1.5", true),
            ("::1", "::1", true),
            ("::1", "fe80::7", false),
        ];
        for (reach, ip, expected) in cases {
            assert_eq!(networks(reach).contains(ip.parse().unwrap()), expected, "{ip} at {reach}");
        }
    }
}
