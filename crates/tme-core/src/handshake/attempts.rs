//! What a server remembers of connection attempts, bounded and expiring by itself.
//!
//! Sorted maps rather than hashed ones: nothing here may ask the operating system for a hash seed, and a
//! stranger chooses most of the key.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::datagram::{ACCEPT_HEAD_BYTES, Accept, Opened, PART_BYTES_MAX, PARTS_MAX, Part};
use crate::crypto::address_bytes;
use crate::crypto::keys::PublicKey;
use crate::time::{Duration, Instant};

/// An attempt that has got nowhere for so long may be forgotten for anybody's: some round trips of a slow path.
const PATIENCE: Duration = Duration::from_secs(1);

/// Identifies one attempt to connect, and the connection that came of it: address, port and client ephemeral.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId {
    address: [u8; 16],
    port: u16,
    client_ephemeral: PublicKey,
}

impl AttemptId {
    pub(super) fn new(client: SocketAddr, client_ephemeral: PublicKey) -> Self {
        Self { address: address_bytes(client.ip()), port: client.port(), client_ephemeral }
    }

    pub(super) const fn client_ephemeral(&self) -> PublicKey {
        self.client_ephemeral
    }

    /// The network somebody with one line has to himself: an IPv4 address, or an IPv6 /64.
    fn network(&self) -> [u8; 16] {
        let mut network = self.address;
        let is_ipv4 = network.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]);
        if !is_ipv4 {
            network[8..].fill(0);
        }
        network
    }
}

/// The ACCEPT datagrams of one answer. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerDatagrams {
    bytes: Arc<[u8]>,
    /// Of each but the last.
    datagram_bytes: usize,
}

impl AnswerDatagrams {
    /// Cuts a Noise message into ACCEPT datagrams, which stand one behind the other: all but the last have
    /// the same length.
    pub(super) fn new(client_nonce: u64, message: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(message.len() + PARTS_MAX * ACCEPT_HEAD_BYTES);
        Part::split(message).for_each(|part| Accept { client_nonce, part }.encode(&mut bytes));
        Self { bytes: bytes.into(), datagram_bytes: ACCEPT_HEAD_BYTES + PART_BYTES_MAX }
    }

    /// OPENED with this payload.
    pub(super) fn opened(client_nonce: u64, version: u16, payload: &[u8]) -> Self {
        let mut bytes = Vec::new();
        Opened { client_nonce, version, payload }.encode(&mut bytes);
        Self { datagram_bytes: bytes.len(), bytes: bytes.into() }
    }

    /// The datagrams, to be sent in this order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.bytes.chunks(self.datagram_bytes)
    }
}

/// Parts of a Noise message that came in several datagrams.
#[derive(Debug, Default)]
pub(super) struct Parts {
    count: usize,
    parts: [Option<Box<[u8]>>; PARTS_MAX],
}

impl Parts {
    /// Adds a part; returns the message once all are there. A part with another count begins anew.
    pub(super) fn add(&mut self, part: &Part<'_>) -> Collected {
        if self.count != part.count() {
            *self = Self { count: part.count(), parts: Default::default() };
        }
        let slot = &mut self.parts[part.index()];
        if slot.is_some() {
            return Collected::Repeated;
        }
        *slot = Some(part.bytes().into());
        if self.parts.iter().flatten().count() < self.count {
            return Collected::Incomplete;
        }
        let message = self.parts.iter().flatten().flat_map(|bytes| bytes.iter().copied()).collect();
        *self = Self::default();
        Collected::Complete(message)
    }
}

pub(super) enum Collected {
    Repeated,
    Incomplete,
    Complete(Vec<u8>),
}

/// How far an attempt got that is no connection (yet, or any more).
#[derive(Debug)]
pub(super) enum Attempt {
    /// Message 1 is not complete, or did not verify so many times.
    Opening { parts: Parts, failures: u32 },
    /// The owner decides; the serial number tells this request from a later one with the same id.
    Waiting { serial: u64 },
    /// Refused, or a connection that ended; the answer is repeated while there is one.
    Answered(Option<AnswerDatagrams>),
}

impl Attempt {
    /// Whether it can be forgotten before its time: then a repetition costs another key exchange, and no more. Whoever
    /// waits for the owner's decision is not forgotten.
    const fn is_forgettable(&self) -> bool {
        matches!(self, Self::Opening { .. } | Self::Answered(_))
    }
}

struct Entry {
    attempt: Attempt,
    expires: Instant,
    since: Instant,
}

type Age = (Instant, AttemptId);

/// What there is of one network.
#[derive(Default)]
struct Line {
    count: usize,
    /// Attempts that can be forgotten, oldest first.
    forgettable: BTreeSet<Age>,
}

/// Attempts that are no connections, each until it expires.
#[derive(Default)]
pub(super) struct AttemptStore {
    entries: BTreeMap<AttemptId, Entry>,
    expiries: BTreeSet<(Instant, AttemptId)>,
    forgettable: BTreeSet<Age>,
    networks: BTreeMap<[u8; 16], Line>,
    /// Networks by how many forgettable attempts they have.
    ranking: BTreeSet<(usize, [u8; 16])>,
}

impl AttemptStore {
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn count_of_network(&self, id: &AttemptId) -> usize {
        self.networks.get(&id.network()).map_or(0, |line| line.count)
    }

    pub(super) fn find(&self, id: &AttemptId) -> Option<&Attempt> {
        self.entries.get(id).map(|entry| &entry.attempt)
    }

    pub(super) fn find_mut(&mut self, id: &AttemptId) -> Option<&mut Attempt> {
        self.entries.get_mut(id).map(|entry| &mut entry.attempt)
    }

    /// Stores an attempt in place of what was known of it.
    pub(super) fn put(&mut self, now: Instant, id: AttemptId, attempt: Attempt, expires: Instant) {
        self.remove(&id);
        let is_forgettable = attempt.is_forgettable();
        self.entries.insert(id, Entry { attempt, expires, since: now });
        self.expiries.insert((expires, id));
        self.change_line(&id, |line| {
            line.count += 1;
            if is_forgettable {
                line.forgettable.insert((now, id));
            }
        });
        if is_forgettable {
            self.forgettable.insert((now, id));
        }
    }

    pub(super) fn remove(&mut self, id: &AttemptId) -> Option<Attempt> {
        let Entry { attempt, expires, since } = self.entries.remove(id)?;
        self.expiries.remove(&(expires, *id));
        self.forgettable.remove(&(since, *id));
        self.change_line(id, |line| {
            line.count -= 1;
            line.forgettable.remove(&(since, *id));
        });
        Some(attempt)
    }

    fn change_line(&mut self, id: &AttemptId, change: impl FnOnce(&mut Line)) {
        let network = id.network();
        let line = self.networks.entry(network).or_default();
        let before = line.forgettable.len();
        change(line);
        let (count, after) = (line.count, line.forgettable.len());
        self.ranking.remove(&(before, network));
        if after > 0 {
            self.ranking.insert((after, network));
        }
        if count == 0 {
            self.networks.remove(&network);
        }
    }

    /// Which attempt to forget for that of a newcomer, if there is no room: of the network that has the most, if that has more
    /// than the newcomer's, or else one that has got nowhere for a second. So a few that ask and do not go on cannot keep
    /// everybody else out.
    pub(super) fn victim(&self, now: Instant, newcomer: &AttemptId) -> Option<AttemptId> {
        if let Some(&(most, network)) = self.ranking.last()
            && self.count_of_network(newcomer) + 1 < most
        {
            return self.networks.get(&network)?.forgettable.first().map(|&(_, id)| id);
        }
        let oldest = self.forgettable.first().filter(|(since, _)| now.saturating_since(*since) >= PATIENCE);
        oldest.map(|&(_, id)| id)
    }

    /// The same within the newcomer's own network.
    pub(super) fn victim_of_network(&self, now: Instant, newcomer: &AttemptId) -> Option<AttemptId> {
        let oldest = self.networks.get(&newcomer.network())?.forgettable.first();
        oldest.filter(|(since, _)| now.saturating_since(*since) >= PATIENCE).map(|&(_, id)| id)
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|&(at, _)| at)
    }

    /// Forgets what has expired.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.expiries.first() {
            if at > now {
                break;
            }
            self.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(client: &str, ephemeral: u8) -> AttemptId {
        AttemptId::new(client.parse().unwrap(), PublicKey::from_bytes([ephemeral; 32]))
    }

    #[test]
    fn attempts_expire_and_leave_no_counts_behind() {
        let mut store = AttemptStore::default();
        let at = Instant::from_micros;
        store.put(at(0), id("192.0.2.1:1", 1), Attempt::Waiting { serial: 1 }, at(10));
        store.put(at(0), id("192.0.2.1:2", 1), Attempt::Waiting { serial: 2 }, at(20));
        store.put(at(0), id("192.0.2.1:1", 1), Attempt::Answered(None), at(30));
        assert_eq!((store.count(), store.count_of_network(&id("192.0.2.1:9", 9))), (2, 2));
        assert_eq!(store.next_expiry(), Some(at(20)));
        store.expire(at(29));
        assert!(store.find(&id("192.0.2.1:2", 1)).is_none());
        assert!(matches!(store.find(&id("192.0.2.1:1", 1)), Some(Attempt::Answered(None))));
        store.expire(at(30));
        assert_eq!((store.count(), store.next_expiry(), store.networks.len()), (0, None, 0));
        assert_eq!((store.forgettable.len(), store.ranking.len()), (0, 0));
    }

    #[test]
    fn the_network_with_the_most_attempts_gives_way_first() {
        let mut store = AttemptStore::default();
        let at = |millis: u64| Instant::from_micros(millis * 1_000);
        let newcomer = id("192.0.2.9:1", 9);
        store.put(at(0), id("192.0.2.1:1", 1), Attempt::Waiting { serial: 1 }, at(90_000));
        store.put(at(0), id("192.0.2.1:2", 1), Attempt::Waiting { serial: 2 }, at(90_000));
        assert_eq!(store.victim(at(60_000), &newcomer), None, "whoever waits for a decision goes on waiting");
        store.put(at(1), id("192.0.2.2:1", 1), Attempt::Answered(None), at(90_000));
        assert_eq!(store.victim(at(900), &newcomer), None, "nobody has more");
        store.put(at(2), id("192.0.2.3:1", 1), Attempt::Answered(None), at(90_000));
        store.put(at(3), id("192.0.2.3:2", 1), Attempt::Answered(None), at(90_000));
        let first = id("192.0.2.3:1", 1);
        assert_eq!(store.victim(at(4), &newcomer), Some(first));
        assert_eq!(store.victim(at(4), &id("192.0.2.3:3", 9)), None);
        store.remove(&first);
        assert_eq!(store.victim(at(1_000), &newcomer), None);
        assert_eq!(store.victim(at(1_001), &newcomer), Some(id("192.0.2.2:1", 1)), "it has had its second");
        assert_eq!(store.victim_of_network(at(1_002), &id("192.0.2.3:3", 9)), None);
        assert_eq!(store.victim_of_network(at(1_003), &id("192.0.2.3:3", 9)), Some(id("192.0.2.3:2", 1)));
    }

    #[test]
    fn an_ipv6_line_is_one_network_and_each_ipv4_address_is_one() {
        let network = |client| id(client, 1).network();
        assert_eq!(network("[2001:db8::1]:1"), network("[2001:db8::2]:2"));
        assert_ne!(network("[2001:db8::1]:1"), network("[2001:db8:0:1::1]:1"));
        assert_ne!(network("192.0.2.1:1"), network("192.0.2.2:1"));
        assert_eq!(network("192.0.2.1:1"), network("[::ffff:192.0.2.1]:1"));
    }
}
