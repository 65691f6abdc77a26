//! The client in a list of addresses, to whose end each proxy has added whom it speaks for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{TrustedProxies, can_be_client};

impl TrustedProxies {
    /// The client whom `X-Forwarded-For` names: the last address that is no listed proxy's, or the first if all are. `lines` are
    /// the values of all headers of this name, in their order. `None`: there is no such header, or something in it cannot be read
    /// before the client is found.
    #[must_use]
    pub fn client_in<'a>(&self, lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> Option<IpAddr> {
        let mut furthest = None;
        for word in lines.rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            let ip = address(word)?;
            furthest = Some(ip);
            if self.header_of(ip).is_none() {
                break;
            }
        }
        furthest
    }
}

/// An address, perhaps with a port, perhaps in brackets.
fn address(word: &[u8]) -> Option<IpAddr> {
    let word = std::str::from_utf8(word).ok()?.trim_matches([' ', '\t']);
    let bracketed = || word.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let ip = word.parse::<Ipv4Addr>().map(IpAddr::V4).ok();
    let ip = ip.or_else(|| word.parse::<Ipv6Addr>().map(IpAddr::V6).ok());
    let ip = ip.or_else(|| bracketed().map(IpAddr::V6));
    let ip = ip.or_else(|| word.parse().map(|address: SocketAddr| address.ip()).ok())?;
    Some(ip.to_canonical()).filter(|ip| can_be_client(*ip))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stream::proxy::ProxyHeader;

    fn proxies() -> TrustedProxies {
        let networks =
            [("10.0.0.0/8", ProxyHeader::XForwardedFor), ("2001:db8:f::/48", ProxyHeader::ProxyProtocol)];
        TrustedProxies::new(networks.map(|(network, header)| (network.parse().unwrap(), header))).unwrap()
    }

    fn client(lines: &[&[u8]]) -> Option<String> {
        proxies().client_in(lines.iter().copied()).map(|ip| ip.to_string())
    }

    #[test]
    fn the_client_is_the_last_who_is_no_proxy() {
        let cases: [(&[&[u8]], &str); 14] = [
            (&[b"192.0.2.1"], "192.0.2.1"),
            (&[b"203.0.113.1, 192.0.2.1"], "192.0.2.1"),
            (&[b"203.0.113.1,192.0.2.1 ,\t10.0.0.1, 10.2.3.4"], "192.0.2.1"),
            (&[b"203.0.113.1", b"192.0.2.1", b"10.0.0.1"], "192.0.2.1"),
            (&[b"192.0.2.1, 2001:db8:f::9"], "192.0.2.1"),
            (&[b"10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            (&[b"2001:db8::1"], "2001:db8::1"),
            (&[b"[2001:db8::1]"], "2001:db8::1"),
            (&[b"[2001:db8::1]:40000"], "2001:db8::1"),
            (&[b"192.0.2.1:40000"], "192.0.2.1"),
            (&[b"::ffff:192.0.2.1"], "192.0.2.1"),
            (&[b"192.0.2.1, ::ffff:10.0.0.1"], "192.0.2.1"),
            // What stands before the client is whatever he said himself.
            (&[b"nonsense, 192.0.2.1"], "192.0.2.1"),
            (&[b"\xFF\xFE", b"127.0.0.1, 192.0.2.1"], "192.0.2.1"),
        ];
        for (lines, expected) in cases {
            assert_eq!(client(lines).as_deref(), Some(expected), "{lines:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_names_nobody() {
        let cases: [&[&[u8]]; 14] = [
            &[],
            &[b""],
            &[b"unknown"],
            &[b"_hidden"],
            &[b"192.0.2.1,"],
            &[b"192.0.2.1, unknown, 10.0.0.1"],
            &[b"192.0.2.1", b""],
            &[b"192.0.2.1 203.0.113.1"],
            &[b"192.0.2.1:"],
            &[b"192.0.2.1:99999"],
            &[b"[192.0.2.1]"],
            &[b"fe80::1%eth0"],
            &[b"0.0.0.0"],
            &[b"\"192.0.2.1\""],
        ];
        for lines in cases {
            assert_eq!(client(lines), None, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics_or_names_a_proxy_before_somebody_else(lines in prop::collection::vec("[0-9a-f.:, \\[\\]\\PC]{0,60}", 0..4)) {
            let named = proxies().client_in(lines.iter().map(String::as_bytes));
            prop_assert!(named.is_none_or(can_be_client));
        }
    }
}
