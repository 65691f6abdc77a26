//! The order in which a client tries addresses.

use std::net::SocketAddr;

use super::ADDRESSES_MAX;

/// IPv6 and IPv4 in turn, beginning with the family the system puts first, each family in the system's order
/// (RFC 8305, section 4; the system sorts by RFC 6724), without repetitions, at most [`ADDRESSES_MAX`].
pub(super) fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut distinct: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
    for address in addresses.iter().map(|&address| unmapped(address)) {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    let Some(first) = distinct.first() else { return distinct };
    let leads = first.is_ipv6();
    let (mut ours, mut others): (Vec<_>, Vec<_>) =
        distinct.into_iter().partition(|address| address.is_ipv6() == leads);
    // Both are taken from the front.
    ours.reverse();
    others.reverse();
    let mut ordered = Vec::with_capacity(ours.len() + others.len());
    while ordered.len() < ADDRESSES_MAX && (!ours.is_empty() || !others.is_empty()) {
        ordered.extend(ours.pop());
        ordered.extend(others.pop());
    }
    ordered.truncate(ADDRESSES_MAX);
    ordered
}

fn unmapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_from_the_one_the_system_prefers() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&[], &[]),
            (&["192.0.2.1:7"], &["192.0.2.1:7"]),
            (
                &["[2001:db8::1]:7", "[2001:db8::2]:7", "[2001:db8::3]:7", "192.0.2.1:7", "192.0.2.2:7"],
                &["[2001:db8::1]:7", "192.0.2.1:7", "[2001:db8::2]:7", "192.0.2.2:7", "[2001:db8::3]:7"],
            ),
            (
                &["192.0.2.1:7", "192.0.2.2:7", "[2001:db8::1]:7"],
                &["192.0.2.1:7", "[2001:db8::1]:7", "192.0.2.2:7"],
            ),
            (&["192.0.2.1:7", "192.0.2.1:7", "[::ffff:192.0.2.1]:7"], &["192.0.2.1:7"]),
            (&["[fe80::1%3]:7", "[fe80::1%4]:7"], &["[fe80::1%3]:7", "[fe80::1%4]:7"]),
        ];
        let parse =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        for (given, expected) in cases {
            assert_eq!(interleaved(&parse(given)), parse(expected), "{given:?}");
        }
    }

    #[test]
    fn a_name_with_very_many_addresses_yields_the_first_of_each_family() {
        let v4 = (1..=50).map(|last| SocketAddr::from(([192, 0, 2, last], 7)));
        let v6 = (1..=50).map(|last| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 7)));
        let ordered = interleaved(&v4.chain(v6).collect::<Vec<_>>());
        assert_eq!(ordered.len(), ADDRESSES_MAX);
        assert_eq!(ordered.iter().filter(|address| address.is_ipv4()).count(), ADDRESSES_MAX / 2);
    }
}
