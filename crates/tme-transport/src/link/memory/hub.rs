//! The network inside the process that memory links belong to.

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;

use super::MemoryLink;
use super::station::Station;
use crate::link::DATAGRAM_BYTES_MAX;

/// Every memory link has this port; their addresses differ.
const PORT: u16 = 1;

/// How large the queues of a [`MemoryHub`] are, and what happens when one is full.
///
/// A queue exists twice (one is filled while the other is read), so a link holds at most
/// 2 × `queue_bytes_max` plus 2 × `queue_datagrams_max` × 40 bytes.
#[derive(Clone, Copy, Debug)]
pub struct MemoryConfig {
    /// Most datagrams waiting for one link.
    pub queue_datagrams_max: usize,
    /// Most payload bytes waiting for one link, at least one datagram of
    /// [`DATAGRAM_BYTES_MAX`].
    pub queue_bytes_max: usize,
    /// Most links at a time.
    pub links_max: usize,
    /// What happens to a datagram for a full queue.
    pub when_full: WhenFull,
}

/// What happens to a datagram for a full queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The sender is told to wait, and woken when there is room. Nothing is lost between two links; in a hub,
    /// one link that is not read would stop whoever sends to it from sending to the others.
    Block,
    /// It is thrown away and counted by the sender, as a network would.
    Drop,
}

impl MemoryConfig {
    /// Settings for two links that talk to each other: 1,024 datagrams, 1 MiB, and waiting when full.
    #[must_use]
    pub const fn pair() -> Self {
        Self {
            queue_datagrams_max: 1_024,
            queue_bytes_max: 1 << 20,
            links_max: 2,
            when_full: WhenFull::Block,
        }
    }

    /// Settings for a server and its clients: up to 64 links, and dropping when full.
    #[must_use]
    pub const fn hub() -> Self {
        Self { links_max: 64, when_full: WhenFull::Drop, ..Self::pair() }
    }
}

/// Makes two links that reach each other (and nobody else).
#[must_use]
pub fn pair() -> (MemoryLink, MemoryLink) {
    let hub = MemoryHub::new(MemoryConfig::pair());
    let mut stations = hub.0.stations.lock();
    (hub.add_link(&mut stations), hub.add_link(&mut stations))
}

/// A network inside the process, on which links reach each other by address.
///
/// Addresses come from `100::/64`, which no network forwards (RFC 6666), and are never used twice in a hub. A
/// hub lives as long as a clone of it or one of its links.
#[derive(Clone)]
pub struct MemoryHub(Arc<Hub>);

pub(super) struct Hub {
    pub config: MemoryConfig,
    pub stations: Mutex<Stations>,
}

pub(super) struct Stations {
    pub by_address: HashMap<SocketAddr, Arc<Station>>,
    pub links_made: u64,
}

impl MemoryHub {
    /// A hub without links. Limits of zero are raised to one.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        let config = MemoryConfig {
            queue_datagrams_max: config.queue_datagrams_max.max(1),
            queue_bytes_max: config.queue_bytes_max.max(DATAGRAM_BYTES_MAX),
            links_max: config.links_max.max(1),
            when_full: config.when_full,
        };
        let stations = Mutex::new(Stations { by_address: HashMap::new(), links_made: 0 });
        Self(Arc::new(Hub { config, stations }))
    }

    /// Makes a link with an address of its own.
    ///
    /// # Errors
    /// [`HubFullError`] if the hub has [`links_max`](MemoryConfig::links_max) links.
    pub fn bind(&self) -> Result<MemoryLink, HubFullError> {
        let links_max = self.0.config.links_max;
        let mut stations = self.0.stations.lock();
        if stations.by_address.len() >= links_max {
            return Err(HubFullError { links_max });
        }
        Ok(self.add_link(&mut stations))
    }

    fn add_link(&self, stations: &mut Stations) -> MemoryLink {
        stations.links_made += 1;
        let address = address_of(stations.links_made);
        let station = Arc::new(Station::new(address));
        stations.by_address.insert(address, Arc::clone(&station));
        MemoryLink::new(Arc::clone(&self.0), station)
    }
}

impl fmt::Debug for MemoryHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.0.stations.lock().by_address.len();
        f.debug_struct("MemoryHub").field("config", &self.0.config).field("links", &links).finish()
    }
}

/// The address of the n-th link.
fn address_of(number: u64) -> SocketAddr {
    let ip = Ipv6Addr::from_bits((0x0100 << 112) | u128::from(number));
    SocketAddr::from((ip, PORT))
}

/// The hub has as many links as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubFullError {
    /// Most links at a time.
    pub links_max: usize,
}

impl fmt::Display for HubFullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the memory hub has {} links, its limit", self.links_max)
    }
}

impl std::error::Error for HubFullError {}
