//! The networks that this machine is in.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use if_addrs::{IfAddr, IfOperStatus};
use tme_core::discovery::Network;

/// Addresses that count; a machine with more has these of them.
const INTERFACES_MAX: usize = 256;

/// An address of this machine and what is around it. An interface with several addresses is several of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What the system calls it: `eth0`.
    pub name: String,
    /// The system's number for it, as in `fe80::1%2`; 0 if it has none.
    pub index: u32,
    /// The address, and the network it is in.
    pub network: Network,
    /// Where a datagram reaches all of that network; IPv4 only, and not where there are only two.
    pub broadcast: Option<Ipv4Addr>,
}

impl Interface {
    /// Whether it leads to this machine and nowhere else.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.network.address.is_loopback()
    }
}

/// The addresses of this machine's interfaces that are not down.
///
/// # Errors
/// Whatever the system says.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let all = if_addrs::get_if_addrs()?;
    let usable = all.into_iter().filter(|interface| {
        use IfOperStatus::{Down, LowerLayerDown, NotPresent};
        interface.is_loopback() || !matches!(interface.oper_status, Down | LowerLayerDown | NotPresent)
    });
    Ok(usable.map(interface).take(INTERFACES_MAX).collect())
}

fn interface(from: if_addrs::Interface) -> Interface {
    let (address, prefix_bits, broadcast) = match &from.addr {
        IfAddr::V4(v4) => {
            (IpAddr::V4(v4.ip), v4.prefixlen, v4.broadcast.or_else(|| broadcast(v4.ip, v4.prefixlen)))
        }
        IfAddr::V6(v6) => (IpAddr::V6(v6.ip), v6.prefixlen, None),
    };
    Interface {
        index: from.index.unwrap_or(0),
        name: from.name,
        network: Network { address, prefix_bits },
        broadcast,
    }
}

/// The last address of a network. Some systems name none for the loopback interface, where it works all the same.
fn broadcast(ip: Ipv4Addr, prefix_bits: u8) -> Option<Ipv4Addr> {
    match prefix_bits {
        1..=30 => Some(Ipv4Addr::from_bits(ip.to_bits() | u32::MAX >> prefix_bits)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_of_a_network_reaches_all_of_it() {
        let cases = [
            ("127.0.0.1", 8, Some("127.255.255.255")),
            ("192.168.1.5", 24, Some("192.168.1.255")),
            ("10.1.2.3", 30, Some("10.1.2.3")),
            ("10.1.2.3", 31, None),
            ("10.1.2.3", 32, None),
            ("10.1.2.3", 0, None),
        ];
        for (ip, bits, expected) in cases {
            let expected = expected.map(|text| text.parse::<Ipv4Addr>().unwrap());
            assert_eq!(broadcast(ip.parse().unwrap(), bits), expected, "{ip}/{bits}");
        }
    }

    #[test]
    fn every_machine_has_itself() {
        let all = interfaces().unwrap();
        let own = all.iter().find(|interface| interface.network.address == IpAddr::V4(Ipv4Addr::LOCALHOST));
        let own = own.unwrap();
        assert!(own.is_loopback());
        assert_eq!(own.broadcast, Some(Ipv4Addr::new(127, 255, 255, 255)));
    }
}
