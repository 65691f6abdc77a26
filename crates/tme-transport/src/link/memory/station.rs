//! What others need to know of a memory link: its address, the queue to it, and how it is woken.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tme_core::datagram::Ecn;

use super::hub::{MemoryConfig, WhenFull};
use crate::link::Segments;
use crate::wake::WakeHandle;

/// What others need to know of a link.
pub(super) struct Station {
    pub address: SocketAddr,
    pub inbox: Mutex<Inbox>,
    /// Whether the inbox holds something.
    pub waiting: AtomicBool,
    /// Whether a queue that made this link wait has room again.
    pub writable: AtomicBool,
    pub wake: Mutex<Option<WakeHandle>>,
}

pub(super) struct Inbox {
    pub queue: Queue,
    /// Links that wait for room.
    pub blocked: Vec<Weak<Station>>,
    pub closed: bool,
}

/// Datagrams in the order they came, packed.
#[derive(Default)]
pub(super) struct Queue {
    pub bytes: Vec<u8>,
    pub entries: Vec<Entry>,
}

pub(super) struct Entry {
    pub from: SocketAddr,
    pub ecn: Ecn,
    pub bytes: usize,
}

/// What a station did with datagrams for it.
pub(super) enum Taken {
    /// It took these, whole datagrams, from the front.
    Bytes(usize),
    /// Its link is gone.
    Closed,
}

impl Station {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            inbox: Mutex::new(Inbox { queue: Queue::default(), blocked: Vec::new(), closed: false }),
            waiting: AtomicBool::new(false),
            writable: AtomicBool::new(false),
            wake: Mutex::new(None),
        }
    }

    pub fn take_in(
        &self,
        config: &MemoryConfig,
        sender: &Arc<Self>,
        ecn: Ecn,
        segments: Segments<'_>,
    ) -> Taken {
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

    pub fn wake(&self) {
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
pub(super) fn unblock(blocked: &mut Vec<Weak<Station>>) {
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

    pub fn clear(&mut self) {
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
