//! Which proxies are believed, and how each of them speaks of clients.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// How a proxy says for whom it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ProxyHeader {
    /// By a header of the PROXY protocol, version 1 or 2, at the very start of each stream.
    ProxyProtocol = 1,
    /// By `X-Forwarded-For` in the request for a WebSocket.
    XForwardedFor = 2,
}

impl ProxyHeader {
    /// Every way, in the order of its number.
    pub const ALL: [Self; 2] = [Self::ProxyProtocol, Self::XForwardedFor];
}

impl fmt::Display for ProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProxyProtocol => "proxy-protocol",
            Self::XForwardedFor => "x-forwarded-for",
        })
    }
}

/// A text that names no [`ProxyHeader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeaderError;

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = ProxyHeader::ALL;
        write!(f, "expected {first} or {second}")
    }
}

impl std::error::Error for ProxyHeaderError {}

impl FromStr for ProxyHeader {
    type Err = ProxyHeaderError;

    /// As it is displayed.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|header| header.to_string() == text).ok_or(ProxyHeaderError)
    }
}

/// The addresses of proxies: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProxyNetwork {
    address: IpAddr,
    prefix_bits: u8,
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyNetworkError {
    /// It is neither an address nor an address, a slash and the bits of a prefix.
    Malformed,
    /// More bits than an address of its family has.
    PrefixBits {
        /// How many it has.
        bits_max: u8,
    },
    /// The address has bits beyond the prefix: one of the two is not what was meant.
    BeyondPrefix {
        /// What it would be without them.
        network: ProxyNetwork,
    },
}

impl fmt::Display for ProxyNetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => {
                f.write_str("expected an address or a network such as 10.0.0.0/8 or 2001:db8::/32")
            }
            Self::PrefixBits { bits_max } => write!(f, "a prefix has at most {bits_max} bits here"),
            Self::BeyondPrefix { network } => {
                write!(f, "the address has bits beyond the prefix; is {network} meant?")
            }
        }
    }
}

impl std::error::Error for ProxyNetworkError {}

impl ProxyNetwork {
    /// Whether an address lies in it. IPv4 addresses mapped into IPv6 are IPv4 addresses.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.address.is_ipv4() && masked(ip, self.prefix_bits) == self.address
    }
}

/// The address without what lies beyond the prefix.
fn masked(ip: IpAddr, prefix_bits: u8) -> IpAddr {
    let bits = u32::from(prefix_bits);
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V4((ip.to_bits() & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V6((ip.to_bits() & mask).into())
        }
    }
}

impl FromStr for ProxyNetwork {
    type Err = ProxyNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ProxyNetworkError::Malformed)?;
        let bits_max: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            None => bits_max,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| ProxyNetworkError::Malformed)?
            }
            Some(_) => return Err(ProxyNetworkError::Malformed),
        };
        if prefix_bits > bits_max {
            return Err(ProxyNetworkError::PrefixBits { bits_max });
        }
        let network = Self { address: masked(address, prefix_bits), prefix_bits };
        if network.address != address {
            return Err(ProxyNetworkError::BeyondPrefix { network });
        }
        // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
        match (address.to_canonical(), prefix_bits) {
            (canonical @ IpAddr::V4(_), 96..) if address.is_ipv6() => {
                Ok(Self { address: canonical, prefix_bits: prefix_bits - 96 })
            }
            _ => Ok(network),
        }
    }
}

impl fmt::Display for ProxyNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// Proxies that cannot be listed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxiesError {
    /// The same network is to speak in two ways.
    Contradiction {
        /// Which.
        network: ProxyNetwork,
    },
    /// More than [`TrustedProxies::NETWORKS_MAX`].
    TooMany {
        /// How many there were.
        count: usize,
    },
}

impl fmt::Display for TrustedProxiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contradiction { network } => {
                write!(f, "{network} cannot speak of its clients in two ways")
            }
            Self::TooMany { count } => {
                write!(f, "{count} networks of proxies are more than {}", TrustedProxies::NETWORKS_MAX)
            }
        }
    }
}

impl std::error::Error for TrustedProxiesError {}

/// The proxies that a server believes. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    /// The smallest networks first.
    networks: Arc<[(ProxyNetwork, ProxyHeader)]>,
}

impl TrustedProxies {
    /// Most networks in a list: each new stream is compared with all of them.
    pub const NETWORKS_MAX: usize = 1_024;

    /// A list of networks, and how their proxies speak. Where several hold an address, the smallest counts.
    ///
    /// # Errors
    /// [`TrustedProxiesError`]: one network in two ways, or too many. The same twice is none.
    pub fn new(
        networks: impl IntoIterator<Item = (ProxyNetwork, ProxyHeader)>,
    ) -> Result<Self, TrustedProxiesError> {
        let mut networks: Vec<_> = networks.into_iter().collect();
        if networks.len() > Self::NETWORKS_MAX {
            return Err(TrustedProxiesError::TooMany { count: networks.len() });
        }
        networks.sort_by_key(|(network, _)| (std::cmp::Reverse(network.prefix_bits), network.address));
        networks.dedup();
        for pair in networks.windows(2) {
            if let [(network, _), (next, _)] = pair
                && network == next
            {
                return Err(TrustedProxiesError::Contradiction { network: *network });
            }
        }
        Ok(Self { networks: networks.into() })
    }

    /// How a proxy with this address speaks; `None`: it is no proxy, or not one that is believed.
    #[must_use]
    pub fn header_of(&self, ip: IpAddr) -> Option<ProxyHeader> {
        self.networks.iter().find(|(network, _)| network.contains(ip)).map(|(_, header)| *header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_should() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "::10.1.2.3", false),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.6/31", "192.0.2.7", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::1", "::1", true),
            ("::1", "127.0.0.1", false),
        ];
        for (network, ip, expected) in cases {
            let parsed: ProxyNetwork = network.parse().unwrap();
            assert_eq!(parsed.contains(ip.parse().unwrap()), expected, "{ip} in {network}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{network}");
        }
    }

    #[test]
    fn a_way_to_say_it_is_named_as_it_is_displayed() {
        for header in ProxyHeader::ALL {
            assert_eq!(header.to_string().parse(), Ok(header));
        }
        for text in ["", "Proxy-Protocol", "forwarded", "proxy-protocol "] {
            assert_eq!(text.parse::<ProxyHeader>(), Err(ProxyHeaderError), "{text:?}");
        }
        assert_eq!(ProxyHeaderError.to_string(), "expected proxy-protocol or x-forwarded-for");
    }

    #[test]
    fn what_is_no_network_is_told() {
        for text in [
            "",
            "10.0.0.0/",
            "/8",
            "10.0.0.0/8/8",
            "10.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/ 8",
            "a",
            "10.0.0.0/999",
        ] {
            assert_eq!(text.parse::<ProxyNetwork>(), Err(ProxyNetworkError::Malformed), "{text:?}");
        }
        assert_eq!(
            "10.0.0.0/33".parse::<ProxyNetwork>(),
            Err(ProxyNetworkError::PrefixBits { bits_max: 32 })
        );
        assert_eq!("::/129".parse::<ProxyNetwork>(), Err(ProxyNetworkError::PrefixBits { bits_max: 128 }));
        let error = "10.1.2.3/8".parse::<ProxyNetwork>().unwrap_err();
        assert!(error.to_string().contains("10.0.0.0/8 meant"), "{error}");
    }

    #[test]
    fn the_smallest_network_counts_and_contradictions_are_told() {
        use ProxyHeader::{ProxyProtocol, XForwardedFor};
        let list = |all: &[(&str, ProxyHeader)]| {
            TrustedProxies::new(all.iter().map(|(network, header)| (network.parse().unwrap(), *header)))
        };
        let proxies = list(&[
            ("10.0.0.0/8", ProxyProtocol),
            ("10.1.0.0/16", XForwardedFor),
            ("10.1.2.3", ProxyProtocol),
            ("10.0.0.0/8", ProxyProtocol),
        ])
        .unwrap();
        let header = |ip: &str| proxies.header_of(ip.parse().unwrap());
        assert_eq!(header("10.9.9.9"), Some(ProxyProtocol));
        assert_eq!(header("10.1.9.9"), Some(XForwardedFor));
        assert_eq!(header("::ffff:10.1.2.3"), Some(ProxyProtocol));
        assert_eq!(header("192.0.2.1"), None);
        assert_eq!(TrustedProxies::default().header_of("10.1.2.3".parse().unwrap()), None);

        let error = list(&[("10.0.0.0/8", ProxyProtocol), ("10.0.0.0/8", XForwardedFor)]).unwrap_err();
        assert_eq!(error.to_string(), "10.0.0.0/8 cannot speak of its clients in two ways");
        let error = list(&[("10.0.0.0/8", ProxyProtocol); 1_025]).unwrap_err();
        assert_eq!(error, TrustedProxiesError::TooMany { count: 1_025 });
    }
}
