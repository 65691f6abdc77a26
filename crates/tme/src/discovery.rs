//! Finding the servers on one's own network: for games among friends in one room.
//!
//! A server says that it wants to be found by [`ServerBuilder::discoverable`](crate::ServerBuilder::discoverable). [`discover`] looks
//! around for a while and gives what it has found. A [`Discovery`] goes on looking, never waits longer than it is told, and keeps
//! a list for a screen:
//!
//! ```no_run
//! use std::time::Duration;
//! use tme::discovery::{Discovery, DiscoveryConfig, DiscoveryEvent};
//!
//! # fn main() -> Result<(), tme::Error> {
//! let mut discovery = Discovery::start(DiscoveryConfig::of("my-game"))?;
//! loop {
//!     discovery.update(Duration::from_millis(16))?; // once a frame, with zero, in a game
//!     while let Some(event) = discovery.poll_event() {
//!         match event {
//!             DiscoveryEvent::Found(server) | DiscoveryEvent::Changed(server) => {
//!                 println!("{} at {}: {} of {}", server.name, server.address(), server.info.peers, server.info.peers_max);
//!             }
//!             DiscoveryEvent::Lost(server) => println!("{} has gone", server.name),
//!         }
//!     }
//! }
//! # }
//! ```
//!
//! Servers are asked by broadcast and multicast on every interface, over IPv4 and IPv6, at UDP port 7776 unless the game chooses
//! another; nothing of it passes a router. What a server says here is not authenticated: anybody on the network may have said it
//! instead. The handshake proves who is there; a server that was only found is one to connect to with
//! [`Trust::KnownHosts`](crate::Trust::KnownHosts), if not with a key.

use std::time::Duration;

pub use tme_core::discovery::{
    DISCOVERY_PORT, DiscoveryDrop, DiscoveryDrops, DiscoveryEvent, FoundId, FoundServer, ResponderStatistics,
    SERVERS_MAX, SearchStatistics,
};
pub use tme_core::handshake::datagram::{DISPLAY_NAME_BYTES_MAX, DisplayName, DisplayNameError};
pub use tme_transport::discovery::{Discovery, DiscoveryConfig, InterfaceProblem, Scope};

use crate::Error;

/// Looks for servers for so long, and gives those that have answered, by name. Two seconds find nearly all that there are. Blocks.
///
/// # Errors
/// [`Error::NoNetwork`]: no interface took the question, so nobody was asked. [`Error::Engine`]: there is no socket to be had.
pub fn discover(config: DiscoveryConfig, time: Duration) -> Result<Vec<FoundServer>, Error> {
    let mut discovery = Discovery::start(config)?;
    discovery.search_for(time)?;
    let mut servers: Vec<_> = discovery.servers().cloned().collect();
    if servers.is_empty() && discovery.asked_count() == 0 {
        return Err(no_network(&discovery));
    }
    servers.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    Ok(servers)
}

/// That nobody was asked, and why.
#[must_use]
pub fn no_network(discovery: &Discovery) -> Error {
    let problems: Vec<_> = discovery.problems().iter().map(ToString::to_string).collect();
    Error::NoNetwork(problems.join("; "))
}
