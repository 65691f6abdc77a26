//! The memory link: datagrams between endpoints of one process, through bounded queues.

use std::fmt;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tme_core::datagram::{Ecn, Path, Transmit};

use crate::link::{Hint, HintKind, LinkStats, ReceiveError, Received, Segments, SendError, SendOutcome};
use crate::wake::WakeHandle;

mod hub;
mod station;

use hub::Hub;
pub use hub::{HubFullError, MemoryConfig, MemoryHub, WhenFull, pair};
use station::{Queue, Station, Taken, unblock};

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
    fn new(hub: Arc<Hub>, station: Arc<Station>) -> Self {
        Self {
            hub,
            station,
            batch: Queue::default(),
            delivered: Cursor::default(),
            unblocked: Vec::new(),
            last_destination: None,
            stats: LinkStats::default(),
        }
    }

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
            handle(bytes, Path { local, ..Path::to(entry.from) }, entry.ecn, Duration::ZERO);
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

#[cfg(test)]
mod tests;
