//! The memory link: datagrams between endpoints of one process, through bounded queues.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tme_core::datagram::{Ecn, Path, Transmit};

use crate::link::{
    DATAGRAM_BYTES_MAX, Hint, HintKind, LinkStats, ReceiveError, Received, Segments, SendError, SendOutcome,
};
use crate::wake::WakeHandle;

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

struct Hub {
    config: MemoryConfig,
    stations: Mutex<Stations>,
}

struct Stations {
    by_address: HashMap<SocketAddr, Arc<Station>>,
    links_made: u64,
}

/// What others need to know of a link.
struct Station {
    address: SocketAddr,
    inbox: Mutex<Inbox>,
    /// Whether the inbox holds something.
    waiting: AtomicBool,
    /// Whether a queue that made this link wait has room again.
    writable: AtomicBool,
    wake: Mutex<Option<WakeHandle>>,
}

struct Inbox {
    queue: Queue,
    /// Links that wait for room.
    blocked: Vec<Weak<Station>>,
    closed: bool,
}

/// Datagrams in the order they came, packed.
#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

struct Entry {
    from: SocketAddr,
    ecn: Ecn,
    bytes: usize,
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
        let station = Arc::new(Station {
            address,
            inbox: Mutex::new(Inbox { queue: Queue::default(), blocked: Vec::new(), closed: false }),
            waiting: AtomicBool::new(false),
            writable: AtomicBool::new(false),
            wake: Mutex::new(None),
        });
        stations.by_address.insert(address, Arc::clone(&station));
        MemoryLink {
            hub: Arc::clone(&self.0),
            station,
            batch: Queue::default(),
            delivered: Cursor::default(),
            unblocked: Vec::new(),
            last_destination: None,
            stats: LinkStats::default(),
        }
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

/// One endpoint of a [`MemoryHub`].
///
/// Links of one hub may be used from different threads, each by one at a time. The methods shared with other
/// links are described at [`Link`](crate::link::Link).
pub struct MemoryLink {
    hub: Arc<Hub>,
    station: Arc<Station>,
    /// What was taken out of the inbox and is being handed on.
    batch: Queue,
    delivered: Cursor,
    /// Empty between calls; kept for its memory.
    unblocked: Vec<Weak<Station>>,
    /// Whom this link sent to last. Most links only ever send to one other.
    last_destination: Option<Arc<Station>>,
    stats: LinkStats,
}

/// How much of the batch has been handed on.
#[derive(Default)]
struct Cursor {
    entries: usize,
    bytes: usize,
}

impl MemoryLink {
    /// This link's address.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.station.address
    }

    /// See [`Link::can_reach`](crate::link::Link::can_reach): anything in `100::/64`.
    #[must_use]
    pub fn can_reach(&self, remote: SocketAddr) -> bool {
        matches!(remote.ip(), IpAddr::V6(ip) if ip.segments()[..4] == [0x100, 0, 0, 0])
    }

    /// See [`Link::max_gso_segments`](crate::link::Link::max_gso_segments): 64, as many as one lock is worth.
    #[must_use]
    pub fn max_gso_segments(&self) -> usize {
        64
    }

    /// See [`Link::stats`](crate::link::Link::stats).
    #[must_use]
    pub fn stats(&self) -> &LinkStats {
        &self.stats
    }

    /// Whom to wake when datagrams arrive, or when a queue that was full has room; at once if something waits.
    pub fn set_wake(&mut self, wake: Option<WakeHandle>) {
        self.station.wake.lock().clone_from(&wake);
        if let Some(wake) = wake
            && (self.has_waiting() || self.station.writable.load(Ordering::Acquire))
        {
            wake.wake();
        }
    }

    /// See [`Link::has_waiting`](crate::link::Link::has_waiting).
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        self.delivered.entries < self.batch.entries.len() || self.station.waiting.load(Ordering::Acquire)
    }

    /// See [`Link::take_writable`](crate::link::Link::take_writable).
    pub fn take_writable(&mut self) -> bool {
        self.station.writable.swap(false, Ordering::AcqRel)
    }

    /// See [`Link::receive`](crate::link::Link::receive).
    ///
    /// # Errors
    /// As [`receive_timed`](Self::receive_timed).
    pub fn receive(
        &mut self,
        datagrams_max: usize,
        mut handle: impl FnMut(&mut [u8], Path, Ecn),
    ) -> Result<Received, ReceiveError> {
        self.receive_timed(datagrams_max, |bytes, path, ecn, _| handle(bytes, path, ecn))
    }

    /// See [`Link::receive_timed`](crate::link::Link::receive_timed). Nobody notes when datagrams arrive here.
    ///
    /// # Errors
    /// None; the type is that of the other links.
    pub fn receive_timed(
        &mut self,
        datagrams_max: usize,
        mut handle: impl FnMut(&mut [u8], Path, Ecn, Duration),
    ) -> Result<Received, ReceiveError> {
        let local = Some(self.station.address.ip());
        let mut datagrams = 0;
        while datagrams < datagrams_max {
            let Some(entry) = self.batch.entries.get(self.delivered.entries) else {
                if self.take_inbox() {
                    continue;
                }
                return Ok(Received { datagrams, more: false });
            };
            let bytes = &mut self.batch.bytes[self.delivered.bytes..][..entry.bytes];
            self.delivered.entries += 1;
            self.delivered.bytes += entry.bytes;
            self.stats.datagrams_in += 1;
            self.stats.bytes_in += entry.bytes as u64;
            datagrams += 1;
            handle(bytes, Path { remote: entry.from, local }, entry.ecn, Duration::ZERO);
        }
        Ok(Received { datagrams, more: self.has_waiting() })
    }

    /// Exchanges the batch, all handed on, for the inbox, and wakes those who waited for that.
    fn take_inbox(&mut self) -> bool {
        self.batch.clear();
        self.delivered = Cursor::default();
        if !self.station.waiting.load(Ordering::Acquire) {
            return false;
        }
        {
            let mut inbox = self.station.inbox.lock();
            mem::swap(&mut inbox.queue, &mut self.batch);
            mem::swap(&mut inbox.blocked, &mut self.unblocked);
            self.station.waiting.store(false, Ordering::Release);
        }
        unblock(&mut self.unblocked);
        !self.batch.entries.is_empty()
    }

    /// See [`Link::send`](crate::link::Link::send).
    ///
    /// # Errors
    /// [`SendError`] if the caller contradicts itself.
    pub fn send(&mut self, transmit: &Transmit, buffer: &[u8]) -> Result<SendOutcome, SendError> {
        let segments = Segments::of(transmit, buffer)?;
        let remote = transmit.path.remote;
        if !self.can_reach(remote) {
            return Err(SendError::WrongFamily { remote });
        }
        let Some(destination) = self.destination(remote) else { return Ok(self.refused()) };
        match destination.take_in(&self.hub.config, &self.station, transmit.ecn, segments) {
            Taken::Closed => {
                self.last_destination = None;
                Ok(self.refused())
            }
            Taken::Bytes(taken_bytes) => {
                let Segments { bytes, segment_bytes } = segments;
                self.stats.datagrams_out += taken_bytes.div_ceil(segment_bytes) as u64;
                self.stats.bytes_out += taken_bytes as u64;
                if taken_bytes == bytes.len() {
                    return Ok(SendOutcome::Sent);
                }
                match self.hub.config.when_full {
                    WhenFull::Block => {
                        self.stats.would_block += 1;
                        Ok(SendOutcome::WouldBlock { sent_bytes: taken_bytes })
                    }
                    WhenFull::Drop => {
                        self.stats.queue_full += (bytes.len() - taken_bytes).div_ceil(segment_bytes) as u64;
                        Ok(SendOutcome::Sent)
                    }
                }
            }
        }
    }

    fn destination(&mut self, remote: SocketAddr) -> Option<Arc<Station>> {
        if let Some(last) = &self.last_destination
            && last.address == remote
        {
            return Some(Arc::clone(last));
        }
        self.last_destination = self.hub.stations.lock().by_address.get(&remote).cloned();
        self.last_destination.clone()
    }

    /// Nobody has that address (any more). Inside a process this is known at once.
    fn refused(&mut self) -> SendOutcome {
        self.stats.hints.count(HintKind::Refused);
        SendOutcome::Dropped(Hint::new(HintKind::Refused))
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        self.hub.stations.lock().by_address.remove(&self.station.address);
        {
            let mut inbox = self.station.inbox.lock();
            inbox.closed = true;
            inbox.queue = Queue::default();
            mem::swap(&mut inbox.blocked, &mut self.unblocked);
        }
        self.station.wake.lock().take();
        unblock(&mut self.unblocked);
    }
}

impl fmt::Debug for MemoryLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLink")
            .field("address", &self.station.address)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// What a station did with datagrams for it.
enum Taken {
    /// It took these, whole datagrams, from the front.
    Bytes(usize),
    /// Its link is gone.
    Closed,
}

impl Station {
    fn take_in(&self, config: &MemoryConfig, sender: &Arc<Self>, ecn: Ecn, segments: Segments<'_>) -> Taken {
        let mut taken_bytes = 0;
        let was_empty;
        {
            let mut inbox = self.inbox.lock();
            if inbox.closed {
                return Taken::Closed;
            }
            was_empty = inbox.queue.entries.is_empty();
            for datagram in segments.bytes.chunks(segments.segment_bytes) {
                if !inbox.queue.has_room(config, datagram.len()) {
                    break;
                }
                inbox.queue.push(config, sender.address, ecn, datagram);
                taken_bytes += datagram.len();
            }
            if taken_bytes < segments.bytes.len() && config.when_full == WhenFull::Block {
                inbox.block(sender);
            }
            if taken_bytes > 0 {
                self.waiting.store(true, Ordering::Release);
            }
        }
        // Whoever filled the empty queue woke the reader; those after find it awake, or on its way.
        if was_empty && taken_bytes > 0 {
            self.wake();
        }
        Taken::Bytes(taken_bytes)
    }

    fn wake(&self) {
        // Cloned so that the host's function runs without the lock.
        let wake = self.wake.lock().clone();
        if let Some(wake) = wake {
            wake.wake();
        }
    }
}

impl Inbox {
    fn block(&mut self, sender: &Arc<Station>) {
        let known = self.blocked.iter().any(|blocked| Weak::as_ptr(blocked) == Arc::as_ptr(sender));
        if !known {
            self.blocked.push(Arc::downgrade(sender));
        }
    }
}

/// Tells links that waited for room that there is some (or that there is nothing to wait for any more).
fn unblock(blocked: &mut Vec<Weak<Station>>) {
    for station in blocked.drain(..).filter_map(|blocked| blocked.upgrade()) {
        station.writable.store(true, Ordering::Release);
        station.wake();
    }
}

impl Queue {
    fn has_room(&self, config: &MemoryConfig, datagram_bytes: usize) -> bool {
        self.entries.len() < config.queue_datagrams_max
            && self.bytes.len() + datagram_bytes <= config.queue_bytes_max
    }

    /// Takes in a datagram there is room for.
    fn push(&mut self, config: &MemoryConfig, from: SocketAddr, ecn: Ecn, datagram: &[u8]) {
        reserve_within(&mut self.bytes, datagram.len(), config.queue_bytes_max);
        reserve_within(&mut self.entries, 1, config.queue_datagrams_max);
        self.bytes.extend_from_slice(datagram);
        self.entries.push(Entry { from, ecn, bytes: datagram.len() });
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

/// Makes room for `additional` items, doubling as usual but never beyond `limit`, which they fit into.
fn reserve_within<T>(items: &mut Vec<T>, additional: usize, limit: usize) {
    let needed = items.len() + additional;
    if needed > items.capacity() {
        let capacity = needed.max(items.capacity() * 2).min(limit);
        items.reserve_exact(capacity - items.len());
    }
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

#[cfg(test)]
mod tests;
