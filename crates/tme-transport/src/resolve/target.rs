//! Parsing `host:port`.

use std::net::{Ipv6Addr, SocketAddr};

use super::ResolveError;

/// Longest host name the DNS allows, in the usual notation.
const NAME_BYTES_MAX: usize = 253;

/// Characters of a malformed text that an error repeats.
const GIVEN_CHARS_MAX: usize = 64;

/// What a text stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    Address(SocketAddr),
    Name { host: &'a str, port: u16 },
}

impl<'a> Target<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, ResolveError> {
        let malformed = |problem| ResolveError::Malformed { given: excerpt(text), problem };
        let missing_port = || ResolveError::MissingPort { given: excerpt(text) };
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 { Err(malformed(PORT_ZERO)) } else { Ok(Self::Address(address)) };
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) =
                    rest.split_once(']').ok_or_else(|| malformed("the bracket is not closed"))?;
                // What is in brackets and did not parse is an address on a named interface, fe80::1%eth0.
                let (ip, _) = host.split_once('%').unwrap_or((host, ""));
                if ip.parse::<Ipv6Addr>().is_err() {
                    return Err(malformed("only an IPv6 address goes in brackets"));
                }
                match rest.strip_prefix(':') {
                    Some(port) => (host, port),
                    None if rest.is_empty() => return Err(missing_port()),
                    None => return Err(malformed("after the bracket comes a colon and the port")),
                }
            }
            None if text.is_empty() => return Err(malformed("it is empty")),
            None => match text.rsplit_once(':') {
                None => return Err(missing_port()),
                Some((host, _)) if host.contains(':') => {
                    return Err(malformed("an IPv6 address goes in brackets"));
                }
                Some(parts) => parts,
            },
        };
        if port.is_empty() {
            return Err(missing_port());
        }
        check_host(host).map_err(malformed)?;
        match parse_port(port) {
            Some(0) => Err(malformed(PORT_ZERO)),
            Some(port) => Ok(Self::Name { host, port }),
            None => Err(malformed("the port is not a number from 1 to 65535")),
        }
    }
}

const PORT_ZERO: &str = "nobody can be reached at port 0";

/// Only digits: `u16`'s parser would also take a plus sign.
fn parse_port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Rejects what no resolver could know, so that typing errors are told at once.
fn check_host(host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Err("the host is missing");
    }
    if host.len() > NAME_BYTES_MAX + 1 {
        return Err("the host name is longer than 253 bytes");
    }
    if host.chars().any(|c| c.is_whitespace() || c.is_control() || "/\\@?#\"<>[]".contains(c)) {
        return Err("a host name has no such characters");
    }
    Ok(())
}

fn excerpt(text: &str) -> Box<str> {
    text.chars().take(GIVEN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_with_a_port_parse() {
        let address = |text: &str| Target::Address(text.parse().unwrap());
        let cases = [
            ("192.0.2.1:7777", address("192.0.2.1:7777")),
            ("[::1]:7777", address("[::1]:7777")),
            ("[fe80::1%3]:1", address("[fe80::1%3]:1")),
            ("[fe80::1%eth0]:1", Target::Name { host: "fe80::1%eth0", port: 1 }),
            ("localhost:65535", Target::Name { host: "localhost", port: 65_535 }),
            ("game.example.:7777", Target::Name { host: "game.example.", port: 7777 }),
            ("spiel_1.bücher.example:7777", Target::Name { host: "spiel_1.bücher.example", port: 7777 }),
        ];
        for (text, expected) in cases {
            assert_eq!(Target::parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_is_told_what_is_wrong() {
        let long = format!("{}:1", "a.".repeat(200));
        let cases = [
            ("", 1, "it is empty"),
            ("localhost", 2, "has no port"),
            ("192.0.2.1", 2, "has no port"),
            ("[::1]", 2, "has no port"),
            ("localhost:", 2, "has no port"),
            (":7777", 1, "the host is missing"),
            ("localhost:0", 1, "port 0"),
            ("192.0.2.1:0", 1, "port 0"),
            ("localhost:65536", 1, "from 1 to 65535"),
            ("localhost:+80", 1, "from 1 to 65535"),
            ("localhost:http", 1, "from 1 to 65535"),
            ("::1:7777", 1, "goes in brackets"),
            ("2001:db8::1", 1, "goes in brackets"),
            ("[::1:7777", 1, "not closed"),
            ("[localhost]:7777", 1, "only an IPv6 address"),
            ("[::1]7777", 1, "comes a colon"),
            ("udp://localhost:7777", 1, "goes in brackets"),
            ("local host:7777", 1, "no such characters"),
            ("local\0host:7777", 1, "no such characters"),
            (&long, 1, "longer than 253"),
        ];
        for (text, kind, message) in cases {
            let error = Target::parse(text).unwrap_err();
            assert_eq!(error.kind(), kind, "{text:?}: {error}");
            assert!(error.to_string().contains(message), "{text:?}: {error}");
            assert!(error.to_string().contains("host:port") && error.to_string().len() < 300, "{error}");
        }
    }
}
