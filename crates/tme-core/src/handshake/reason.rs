//! Why a connection was refused or ended: one register for the whole protocol (`docs/PROTOCOL.md` §4.3).

use core::ffi::CStr;
use std::fmt;

/// Why a connection was refused or ended. Numbers are part of the protocol and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No protocol version in common (1).
    Version,
    /// The server runs another game (2).
    Application,
    /// Too many handshakes at the moment (3).
    Busy,
    /// No cipher in common, or only one side allows plaintext (4).
    Suites,
    /// The server takes only clients with an identity key (5).
    IdentityRequired,
    /// The channel tables differ (6).
    ChannelTable,
    /// The server is full (7).
    Full,
    /// The player is banned (8).
    Banned,
    /// The game refused (9).
    Denied,
    /// The connect token is missing, invalid, expired or used (10).
    Token,
    /// The server did not understand a critical extension (11).
    Extension,
    /// A parameter is outside its range (12).
    Parameters,
    /// A schema both sides have differs (13).
    Schema,
    /// The application closed the connection (100).
    Closed,
    /// The server shut down (101).
    Shutdown,
    /// The player was kicked (102).
    Kicked,
    /// A newer connection of the same identity took over (103).
    Replaced,
    /// The other side broke the protocol (104).
    ProtocolViolation,
    /// The other side sent more than it was granted (105).
    FlowControl,
    /// Too many forged packets for one key (106).
    KeyExhausted,
    /// The other side lost the connection's state, for instance by a restart (107).
    Reset,
    /// Nothing was heard for the idle time-out (108).
    TimedOut,
    /// An internal error (109).
    Internal,
    /// No answer while connecting (110).
    ConnectTimedOut,
    /// Given up on this side before the connection was established (111).
    Aborted,
    /// The server's name could not be turned into an address (112).
    Unresolved,
    /// Only a server answered whose key is not trusted (113).
    UntrustedKey,
    /// A stream took nothing for 30 s although something waited (114).
    TooSlow,
    /// The stream ended that carried the connection, which cannot go on another way (115).
    LinkLost,
    /// A number this version does not know.
    Other(u16),
}

/// Number and text of every known reason; the text says what the reader can do. The texts end in NUL so that the C
/// interface hands them out as they are.
const REGISTER: [(Reason, u16, &CStr); 29] = [
    (Reason::Version, 1, c"no common protocol version; update the older of game and server"),
    (Reason::Application, 2, c"the server runs another game; check the address"),
    (
        Reason::Busy,
        3,
        c"the server has too many connection attempts at the moment; try again in a few seconds",
    ),
    (Reason::Suites, 4, c"no common cipher, or only one side allows plaintext; set both sides alike"),
    (Reason::IdentityRequired, 5, c"the server takes only clients with an identity key; set one up"),
    (Reason::ChannelTable, 6, c"the channel tables differ; client and server are of different game versions"),
    (Reason::Full, 7, c"the server is full; try again later"),
    (Reason::Banned, 8, c"banned from this server; ask its operator"),
    (Reason::Denied, 9, c"the game on the server refused the connection"),
    (Reason::Token, 10, c"the connect token is missing, invalid, expired or used; sign in again"),
    (Reason::Extension, 11, c"the server does not understand a required extension; update the server"),
    (
        Reason::Parameters,
        12,
        c"a connection parameter is out of range; check the limits in the configuration",
    ),
    (Reason::Schema, 13, c"the message schemas differ; client and server are of different game versions"),
    (Reason::Closed, 100, c"closed by the application"),
    (Reason::Shutdown, 101, c"the server shut down"),
    (Reason::Kicked, 102, c"kicked from the server"),
    (Reason::Replaced, 103, c"replaced by a newer connection of the same player"),
    (
        Reason::ProtocolViolation,
        104,
        c"the other side broke the protocol; one of the two has a bug, please report it",
    ),
    (
        Reason::FlowControl,
        105,
        c"the other side sent more than it was granted; one of the two has a bug, please report it",
    ),
    (Reason::KeyExhausted, 106, c"too many forged packets for one key; connect again"),
    (Reason::Reset, 107, c"the server was restarted or lost the connection; connect again"),
    (Reason::TimedOut, 108, c"nothing was heard from the other side; check the network and connect again"),
    (Reason::Internal, 109, c"internal error on the other side; its log says more"),
    (Reason::ConnectTimedOut, 110, c"the server did not answer; check address, port and firewall"),
    (Reason::Aborted, 111, c"given up before the connection was established"),
    (
        Reason::Unresolved,
        112,
        c"the server's name leads to no address; check its spelling and the name server",
    ),
    (
        Reason::UntrustedKey,
        113,
        c"the server's key is not the one expected; pin the right key, or somebody answers in its place",
    ),
    (
        Reason::TooSlow,
        114,
        c"the other side did not take what was sent to it; it hangs, or its network is too slow",
    ),
    (Reason::LinkLost, 115, c"the connection's stream was cut off; connect again"),
];

/// What is said of a number that is not in the register.
const TEXT_OF_OTHERS: &CStr = c"a reason that this version does not know; update it";

impl Reason {
    /// The reason's number on the wire.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Other(code) => code,
            known => REGISTER.iter().find(|entry| entry.0 == known).map_or(0, |entry| entry.1),
        }
    }

    /// The reason with this number; unknown numbers are kept.
    #[must_use]
    pub fn from_code(code: u16) -> Self {
        REGISTER.iter().find(|entry| entry.1 == code).map_or(Self::Other(code), |entry| entry.0)
    }

    /// The reason in words, without its number: what happened and what to do about it. English, in UTF-8; numbers this
    /// version does not know share one text.
    #[must_use]
    pub fn text(self) -> &'static CStr {
        REGISTER.iter().find(|entry| entry.0 == self).map_or(TEXT_OF_OTHERS, |entry| entry.2)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(code) => write!(f, "reason {code}, which this version does not know; update it"),
            // The texts are literals of this file; a test proves that they are UTF-8.
            known => write!(f, "{} (reason {})", known.text().to_str().unwrap_or_default(), known.code()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_the_way_through_the_enum() {
        for code in 0..=u16::MAX {
            assert_eq!(Reason::from_code(code).code(), code);
        }
        let known = (0..=u16::MAX).filter(|&code| !matches!(Reason::from_code(code), Reason::Other(_)));
        assert_eq!(known.count(), REGISTER.len());
    }

    #[test]
    fn texts_name_the_number() {
        assert!(Reason::Full.to_string().contains("reason 7"));
        assert!(Reason::from_code(999).to_string().contains("reason 999"));
    }

    #[test]
    fn every_reason_has_a_text_of_its_own_and_unknown_ones_share_one() {
        let mut texts = Vec::new();
        for (reason, code, _) in REGISTER {
            let text = reason.text().to_str().unwrap();
            assert_eq!(reason.to_string(), format!("{text} (reason {code})"));
            assert!(!text.is_empty() && !texts.contains(&text), "{code}");
            texts.push(text);
        }
        assert_eq!(Reason::from_code(999).text(), Reason::from_code(60_000).text());
        assert!(!texts.contains(&Reason::from_code(999).text().to_str().unwrap()));
    }
}
