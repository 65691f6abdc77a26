//! Finding the servers of one's own network, and being found (`docs/PROTOCOL.md` §2.8).
//!
//! [`Responder`] answers for a server, [`Search`] asks and remembers who has answered; [`Networks`] tells both who is a
//! neighbour. All of it is pure: datagrams, time and randomness go in, datagrams and news come out. Nothing that is heard here is
//! authenticated.

mod networks;
mod responder;
mod search;

pub use networks::{Network, Networks, Reach};
pub use responder::{DiscoveryDrop, DiscoveryDrops, Responder, ResponderStatistics};
pub use search::{DiscoveryEvent, FoundId, FoundServer, SERVERS_MAX, Search, SearchStatistics};

use std::net::{Ipv4Addr, Ipv6Addr};

/// The UDP port at which servers listen for those who look for them, unless the game chooses another.
pub const DISCOVERY_PORT: u16 = 7776;
/// Where DISCOVER goes over IPv4, beside broadcast: of the block for uses of one's own within a site.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 84, 77);
/// Where DISCOVER goes over IPv6: link-local, and assigned by nobody (hence `ff12` and not `ff02`). The rest says `TMED`.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xFF12, 0, 0, 0, 0, 0, 0x544D, 0x4544);
