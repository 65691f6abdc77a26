//! The header of the PROXY protocol, versions 1 and 2, that a stream begins with.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::can_be_client;

/// Bytes of the longest header that is taken; TLVs are what makes them long.
pub const PROXY_HEADER_BYTES_MAX: usize = 4_096;

/// What a header of version 1 begins with.
const TEXT_MAGIC: &[u8] = b"PROXY ";
/// Longest line of version 1, with its end.
const TEXT_BYTES_MAX: usize = 107;
/// What a header of version 2 begins with.
const BINARY_MAGIC: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a header of version 2 before what it says the length of.
const BINARY_FIXED_BYTES: usize = 16;
/// Bytes that suffice to take a header for one, where none is due.
const PROBE_BYTES: usize = 4;

/// A stream from a proxy that speaks the PROXY protocol does not begin with a header, or with one that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadProxyHeader;

impl fmt::Display for BadProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no PROXY header, or a malformed one")
    }
}

impl std::error::Error for BadProxyHeader {}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxiedFrom {
    /// The client. `None`: the proxy speaks for itself, or does not know.
    pub client: Option<SocketAddr>,
    /// Bytes of the header; the stream proper begins behind it.
    pub header_bytes: usize,
}

impl ProxiedFrom {
    /// Reads the header at the start of a stream. `Ok(None)`: it is not all there; it will be within
    /// [`PROXY_HEADER_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`BadProxyHeader`], as soon as it is certain.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, BadProxyHeader> {
        if begins_as(bytes, TEXT_MAGIC) {
            return parse_text(bytes);
        }
        if begins_as(bytes, BINARY_MAGIC) {
            return parse_binary(bytes);
        }
        Err(BadProxyHeader)
    }
}

/// Whether somebody who should not begin with a PROXY header does so, as far as the first bytes tell: what TME begins with
/// never looks like that.
#[must_use]
pub fn looks_like_proxy_header(bytes: &[u8]) -> bool {
    bytes.len() >= PROBE_BYTES && (begins_as(bytes, TEXT_MAGIC) || begins_as(bytes, BINARY_MAGIC))
}

/// Whether these bytes are the magic's first, or all of it and more.
fn begins_as(bytes: &[u8], magic: &[u8]) -> bool {
    bytes.iter().zip(magic).all(|(byte, expected)| byte == expected)
}

fn parse_text(bytes: &[u8]) -> Result<Option<ProxiedFrom>, BadProxyHeader> {
    let seen = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        return if seen.len() < TEXT_BYTES_MAX { Ok(None) } else { Err(BadProxyHeader) };
    };
    let line = seen.get(TEXT_MAGIC.len()..end).ok_or(BadProxyHeader)?;
    let line = std::str::from_utf8(line).map_err(|_| BadProxyHeader)?;
    let client = match line.split_once(' ').unwrap_or((line, "")) {
        ("UNKNOWN", _) => None,
        ("TCP4", rest) => Some(text_source::<Ipv4Addr>(rest)?),
        ("TCP6", rest) => Some(text_source::<Ipv6Addr>(rest)?),
        _ => return Err(BadProxyHeader),
    };
    Ok(Some(ProxiedFrom { client, header_bytes: end + 2 }))
}

/// The source of `source destination source-port destination-port`.
fn text_source<A: FromStr + Into<IpAddr>>(text: &str) -> Result<SocketAddr, BadProxyHeader> {
    let mut words = text.split(' ');
    let mut next = || words.next().ok_or(BadProxyHeader);
    let [source, destination, source_port, destination_port] = [next()?, next()?, next()?, next()?];
    if words.next().is_some() {
        return Err(BadProxyHeader);
    }
    let address = |text: &str| text.parse::<A>().map(Into::into).map_err(|_| BadProxyHeader);
    let (source, _) = (address(source)?, address(destination)?);
    let (port, _) = (port(source_port)?, port(destination_port)?);
    client(source, port)
}

/// A port as one writes it: no sign, no leading zeros.
fn port(text: &str) -> Result<u16, BadProxyHeader> {
    let is_usual = text == "0" || text.starts_with(|first: char| first.is_ascii_digit() && first != '0');
    text.parse().ok().filter(|_| is_usual).ok_or(BadProxyHeader)
}

fn client(ip: IpAddr, port: u16) -> Result<SocketAddr, BadProxyHeader> {
    let ip = ip.to_canonical();
    if can_be_client(ip) { Ok(SocketAddr::new(ip, port)) } else { Err(BadProxyHeader) }
}

fn parse_binary(bytes: &[u8]) -> Result<Option<ProxiedFrom>, BadProxyHeader> {
    // What is there is looked at, so that nobody waits for the rest of what cannot be.
    let is_local = match bytes.get(BINARY_MAGIC.len()) {
        None => return Ok(None),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(BadProxyHeader),
    };
    let family = match bytes.get(13) {
        None => return Ok(None),
        Some(0x00) => Family::Unspecified,
        Some(0x11) => Family::V4,
        Some(0x21) => Family::V6,
        // A proxy that asks how the server is may put there what it likes.
        Some(_) if is_local => Family::Unspecified,
        Some(_) => return Err(BadProxyHeader),
    };
    let Some(&[high, low]) = bytes.get(14..BINARY_FIXED_BYTES) else { return Ok(None) };
    let header_bytes = BINARY_FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    let addresses_bytes = if is_local { 0 } else { family.addresses_bytes() };
    if header_bytes > PROXY_HEADER_BYTES_MAX || header_bytes < BINARY_FIXED_BYTES + addresses_bytes {
        return Err(BadProxyHeader);
    }
    let Some(rest) = bytes.get(BINARY_FIXED_BYTES..header_bytes) else { return Ok(None) };
    let client = match family {
        _ if is_local => None,
        Family::Unspecified => None,
        Family::V4 => Some(binary_source::<4>(rest)?),
        Family::V6 => Some(binary_source::<16>(rest)?),
    };
    Ok(Some(ProxiedFrom { client, header_bytes }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Unspecified,
    V4,
    V6,
}

impl Family {
    /// Two addresses and two ports.
    const fn addresses_bytes(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::V4 => 12,
            Self::V6 => 36,
        }
    }
}

/// The source of two addresses of so many bytes, and two ports.
fn binary_source<const BYTES: usize>(rest: &[u8]) -> Result<SocketAddr, BadProxyHeader>
where
    IpAddr: From<[u8; BYTES]>,
{
    let source = rest.first_chunk::<BYTES>().ok_or(BadProxyHeader)?;
    let port = rest.get(2 * BYTES..).and_then(<[u8]>::first_chunk).ok_or(BadProxyHeader)?;
    client(IpAddr::from(*source), u16::from_be_bytes(*port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header of version 2.
    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [BINARY_MAGIC, &[command, family], &length, rest].concat()
    }

    fn addresses(source: &str, destination: &str) -> Vec<u8> {
        let [source, destination] = [source, destination].map(|text| text.parse::<SocketAddr>().unwrap());
        let bytes = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
        [bytes(source.ip()), bytes(destination.ip()), ports].concat()
    }

    fn v4() -> Vec<u8> {
        addresses("192.0.2.1:40000", "198.51.100.1:7777")
    }

    fn v6() -> Vec<u8> {
        addresses("[2001:db8::1]:40000", "[2001:db8::2]:7777")
    }

    /// Headers that are well, and whom they name.
    fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let text = |line: &str| [line.as_bytes(), b"\r\n"].concat();
        let tlvs = [v4(), vec![0xEE; 4_068]].concat();
        let longest = format!("PROXY UNKNOWN {}", "f".repeat(TEXT_BYTES_MAX - 16));
        let longest_v6 = format!("PROXY TCP6 {0} {0} 65535 65535", "ffff:".repeat(7) + "fffe");
        vec![
            (text("PROXY TCP4 192.0.2.1 198.51.100.1 40000 7777"), Some("192.0.2.1:40000")),
            (text("PROXY TCP4 192.0.2.1 0.0.0.0 0 65535"), Some("192.0.2.1:0")),
            (text("PROXY TCP6 2001:db8::1 2001:db8::2 1 2"), Some("[2001:db8::1]:1")),
            (text("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2"), Some("192.0.2.1:1")),
            (
                text(&longest_v6.replacen("ffff", "2001", 1)),
                Some("[2001:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:65535"),
            ),
            (text("PROXY UNKNOWN"), None),
            (text("PROXY UNKNOWN ::1 ::2 whatever 1"), None),
            (text(&longest), None),
            (binary(0x21, 0x11, &v4()), Some("192.0.2.1:40000")),
            (binary(0x21, 0x21, &v6()), Some("[2001:db8::1]:40000")),
            (binary(0x21, 0x21, &addresses("[::ffff:192.0.2.1]:9", "[::1]:1")), Some("192.0.2.1:9")),
            (binary(0x21, 0x11, &tlvs), Some("192.0.2.1:40000")),
            (binary(0x21, 0x00, &[]), None),
            (binary(0x21, 0x00, &[1, 2, 3]), None),
            (binary(0x20, 0x00, &[]), None),
            (binary(0x20, 0x11, &v4()), None),
            (binary(0x20, 0x31, &[0; 216]), None),
        ]
    }

    #[test]
    fn good_headers_name_their_client_and_every_beginning_of_them_asks_for_more() {
        for (header, client) in good() {
            let what = String::from_utf8_lossy(&header).into_owned();
            assert!(header.len() <= PROXY_HEADER_BYTES_MAX);
            for length in 0..header.len() {
                assert_eq!(ProxiedFrom::parse(&header[..length]), Ok(None), "{length} of {what:?}");
            }
            let client = client.map(|text| text.parse().unwrap());
            let expected = Ok(Some(ProxiedFrom { client, header_bytes: header.len() }));
            assert_eq!(ProxiedFrom::parse(&header), expected, "{what:?}");
            let followed = [&header[..], b"TME1\r\n"].concat();
            assert_eq!(ProxiedFrom::parse(&followed), expected, "{what:?}");
            assert!(looks_like_proxy_header(&header));
        }
    }

    #[test]
    fn whatever_is_no_header_is_told_and_waits_for_nothing() {
        let mut bad: Vec<Vec<u8>> = [
            "TME1",
            "GET / HTTP/1.1\r\n",
            "\x16\x03\x01",
            "proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY\tTCP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY \r\n",
            "PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.1\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n",
            "PROXY TCP4 192.0.2.1  198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 -2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n\r\n",
            "PROXY TCP4 0.0.0.0 198.51.100.1 1 2\r\n",
            "PROXY TCP4 224.0.0.1 198.51.100.1 1 2\r\n",
            "PROXY TCP6 :: ::1 1 2\r\n",
            "PROXY TCP6 ff02::1 ::1 1 2\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
        bad.push([b"PROXY UNKNOWN ", &[b'f'; TEXT_BYTES_MAX - 14][..]].concat());
        bad.push(b"PROXY TCP4 \xFF\xFE\r\n".to_vec());
        for (command, family, rest) in [
            (0x11, 0x11, v4()),
            (0x22, 0x11, v4()),
            (0x21, 0x12, v4()),
            (0x21, 0x22, v6()),
            (0x21, 0x31, vec![0; 216]),
            (0x21, 0x01, v4()),
            (0x21, 0x11, v4()[..11].to_vec()),
            (0x21, 0x21, v6()[..35].to_vec()),
            (0x21, 0x11, addresses("0.0.0.0:1", "198.51.100.1:2")),
            (0x21, 0x21, addresses("[ff02::1]:1", "[::1]:2")),
            (0x21, 0x11, vec![0; PROXY_HEADER_BYTES_MAX - BINARY_FIXED_BYTES + 1]),
            (0x20, 0x00, vec![0; PROXY_HEADER_BYTES_MAX - BINARY_FIXED_BYTES + 1]),
        ] {
            bad.push(binary(command, family, &rest));
        }
        for header in bad {
            let what = String::from_utf8_lossy(&header).into_owned();
            assert_eq!(ProxiedFrom::parse(&header), Err(BadProxyHeader), "{what:?}");
            // Once it is bad, more does not make it good; and before, it never was.
            let first =
                (0..=header.len()).find(|&length| ProxiedFrom::parse(&header[..length]).is_err()).unwrap();
            for length in 0..=header.len() {
                let expected = if length < first { Ok(None) } else { Err(BadProxyHeader) };
                assert_eq!(ProxiedFrom::parse(&header[..length]), expected, "{length} of {what:?}");
            }
        }
        // A length that is too large is not waited for.
        let endless = [BINARY_MAGIC, &[0x21, 0x11, 0xFF, 0xFF]].concat();
        assert_eq!(ProxiedFrom::parse(&endless), Err(BadProxyHeader));
    }

    #[test]
    fn what_tme_begins_with_looks_like_no_header() {
        for bytes in [&b"TME1"[..], b"GET /", b"\x16\x03\x01\x02", b"PRO", b"PROX\0", b"\r\n\r", b"POST"] {
            assert!(!looks_like_proxy_header(bytes), "{bytes:?}");
        }
        assert!(looks_like_proxy_header(b"PROX"));
        assert!(looks_like_proxy_header(b"\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_header_is_longer_than_what_is_there(
            magic in prop_oneof![Just(&b""[..]), Just(TEXT_MAGIC), Just(BINARY_MAGIC), Just(&b"PROXY TCP4 "[..]), Just(&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"[..])],
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = [magic, &rest[..]].concat();
            let whole = ProxiedFrom::parse(&bytes);
            if let Ok(Some(told)) = whole {
                prop_assert!(told.header_bytes <= bytes.len());
                prop_assert!(told.client.is_none_or(|client| can_be_client(client.ip())));
                prop_assert_eq!(ProxiedFrom::parse(&bytes[..told.header_bytes]), whole);
            }
            for length in 0..bytes.len() {
                match ProxiedFrom::parse(&bytes[..length]) {
                    Ok(None) => {}
                    settled => prop_assert_eq!(settled, whole, "what is settled stays so"),
                }
            }
        }
    }
}
