//! What the endpoints of one server have in common: whatever is limited, counted or unique for the server as a whole.
//!
//! One lock, held for a few look-ups by those who admit, confirm and lose peers, and by answers to queries; nothing that happens for
//! each packet takes it. An endpoint that wants a peer of another to go leaves an *order*, and the driver wakes that one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::identities::{Identities, Identity};
use super::shard::Shard;
use super::unconfirmed::{Network, Unconfirmed};
use crate::connection::PeerId;
use crate::handshake::parameters::PeerNumber;
use crate::rate::SteadyRate;
use crate::time::{Duration, Instant};

/// First number given to a client; 1 is the server.
const FIRST_PEER_NUMBER: u32 = 2;
/// Numbers of clients that never came, kept for others; beyond it they are spent.
const SPARE_NUMBERS_MAX: usize = 1_024;

/// How long copies of one query may reach several endpoints after each other. Whoever asks again waits longer.
const COPY_TIME: Duration = Duration::from_millis(50);
/// Queries remembered for that.
const COPIES_MAX: usize = 64;

/// What one endpoint asks of another. Each peer is the subject of at most one of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// A newer connection of the same identity has taken over.
    Replace(PeerId),
    /// Its place was given to somebody else before its first packet came.
    Abandon(PeerId),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Common {
    whole: Mutex<Whole>,
    /// By shard: orders wait.
    has_orders: Box<[AtomicBool]>,
}

/// The server as a whole.
#[derive(Debug)]
pub(super) struct Whole {
    peers_max: usize,
    /// Peers that count against the limit: accepted and not closing.
    peers: usize,
    unconfirmed: Unconfirmed,
    /// Clients about whom the game is being asked.
    applicants: BTreeMap<Network, usize>,
    /// Peers that are connected, by what they have proven.
    pub identities: Identities,
    /// Of those with an identity: they have not been heard of for a while.
    interrupted: BTreeSet<PeerId>,
    next_number: u32,
    /// Numbers given to clients that never came.
    spare_numbers: Vec<PeerNumber>,
    /// Queries that are answered; `None`: none is.
    queries: Option<SteadyRate>,
    /// Those answered last, oldest first.
    answered: VecDeque<(Instant, SocketAddr, u64)>,
    /// By shard.
    orders: Box<[Vec<Order>]>,
}

/// Where an unconfirmed peer is filed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filed {
    pub peer: PeerId,
    pub since: Instant,
    pub network: Network,
}

impl Common {
    pub fn new(shards: usize, peers_max: usize, queries: Option<SteadyRate>) -> Self {
        let whole = Whole {
            peers_max,
            peers: 0,
            unconfirmed: Unconfirmed::default(),
            applicants: BTreeMap::new(),
            identities: Identities::default(),
            interrupted: Default::default(),
            next_number: FIRST_PEER_NUMBER,
            spare_numbers: Vec::new(),
            queries,
            answered: VecDeque::new(),
            orders: (0..shards).map(|_| Vec::new()).collect(),
        };
        let has_orders = (0..shards).map(|_| AtomicBool::new(false)).collect();
        Self { whole: Mutex::new(whole), has_orders }
    }

    /// A shard that panicked meanwhile has left nothing half done that matters to those who say goodbye.
    pub fn lock(&self) -> MutexGuard<'_, Whole> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves an order to the shard of its peer, whose index is given back: it is to be woken.
    pub fn order(&self, shard: Shard, order: Order) -> usize {
        let (Order::Replace(peer) | Order::Abandon(peer)) = order;
        let owner = shard.index_of_peer(peer);
        if let Some(orders) = self.lock().orders.get_mut(owner) {
            orders.push(order);
        }
        if let Some(flag) = self.has_orders.get(owner) {
            flag.store(true, Ordering::Release);
        }
        owner
    }

    /// Takes the orders for a shard.
    pub fn take_orders(&self, shard: Shard) -> Vec<Order> {
        match self.has_orders.get(shard.index()) {
            Some(flag) if flag.swap(false, Ordering::AcqRel) => {
                self.lock().orders.get_mut(shard.index()).map(std::mem::take).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

impl Whole {
    pub const fn peers(&self) -> usize {
        self.peers
    }

    pub const fn peers_max(&self) -> usize {
        self.peers_max
    }

    /// Peers that have sent a packet.
    pub fn confirmed(&self) -> usize {
        self.peers.saturating_sub(self.unconfirmed.count())
    }

    /// Whether one more fits in. Whoever replaces a peer needs no more room than that has, once it is confirmed.
    pub const fn has_room(&self, is_replacing: bool) -> bool {
        self.peers < if is_replacing { 2 * self.peers_max } else { self.peers_max }
    }

    /// Takes a place for somebody who is about to be accepted.
    pub const fn reserve(&mut self) {
        self.peers += 1;
    }

    /// Gives back what [`reserve`](Self::reserve) took.
    pub const fn unreserve(&mut self) {
        self.peers = self.peers.saturating_sub(1);
    }

    /// Somebody was accepted, in a place that is reserved.
    pub fn file(&mut self, filed: Filed) {
        self.unconfirmed.insert(filed.since, filed.peer, filed.network);
    }

    /// The first packet of a peer has come. `false`: its place was given to somebody else, and is no more counted as its.
    pub fn confirm(&mut self, filed: &Filed) -> bool {
        self.unconfirmed.remove(filed.since, filed.peer, filed.network)
    }

    /// Whether [`evict`](Self::evict) would find somebody.
    pub fn is_anybody_evictable(&self, now: Instant, network: Network) -> bool {
        self.unconfirmed.victim(now, network).is_some()
    }

    /// Takes a place from somebody unconfirmed for a newcomer from this network.
    pub fn evict(&mut self, now: Instant, network: Network) -> Option<PeerId> {
        let victim = self.unconfirmed.victim(now, network)?;
        let peer = self.unconfirmed.remove_victim(victim);
        self.unreserve();
        Some(peer)
    }

    /// A peer leaves: its place is free, unless that was given to somebody else before (`filed`: it never confirmed).
    pub fn release(&mut self, peer: PeerId, filed: Option<&Filed>, identity: Option<&Identity>) {
        if let Some(identity) = identity {
            self.identities.remove(identity, peer);
            self.interrupted.remove(&peer);
        }
        if filed.is_none_or(|filed| self.confirm(filed)) {
            self.unreserve();
        }
    }

    pub fn set_interrupted(&mut self, peer: PeerId, is_interrupted: bool) {
        if is_interrupted {
            self.interrupted.insert(peer);
        } else {
            self.interrupted.remove(&peer);
        }
    }

    pub fn is_interrupted(&self, peer: PeerId) -> bool {
        self.interrupted.contains(&peer)
    }

    // ---- applicants ----

    pub fn applicants(&self) -> usize {
        self.applicants.values().sum()
    }

    pub fn applicants_from(&self, network: Network) -> usize {
        self.applicants.get(&network).copied().unwrap_or(0)
    }

    pub fn add_applicant(&mut self, network: Network) {
        *self.applicants.entry(network).or_default() += 1;
    }

    pub fn remove_applicant(&mut self, network: Network) {
        if let Some(count) = self.applicants.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.applicants.remove(&network);
            }
        }
    }

    // ---- numbers and queries ----

    /// A number for a client; `None` once all are spent.
    pub fn take_number(&mut self) -> Option<PeerNumber> {
        self.spare_numbers.pop().or_else(|| {
            let number = PeerNumber::new(self.next_number)?;
            self.next_number += 1;
            Some(number)
        })
    }

    /// Takes back the number of a client that never came: nobody but that one knows of it.
    pub fn give_number(&mut self, number: PeerNumber) {
        if self.spare_numbers.len() < SPARE_NUMBERS_MAX {
            self.spare_numbers.push(number);
        }
    }

    /// Whether one more query is answered; if so, it counts.
    pub fn admit_query(&mut self, now: Instant) -> bool {
        self.queries.as_mut().is_some_and(|rate| rate.admit(now))
    }

    /// Whether a query has just been answered by another endpoint: of a broadcast the system gives each of several sockets at one
    /// port a copy. If it has not, it is now.
    pub fn is_query_answered(&mut self, now: Instant, remote: SocketAddr, nonce: u64) -> bool {
        let is_over = |&(at, ..): &(Instant, SocketAddr, u64)| now.saturating_since(at) >= COPY_TIME;
        while self.answered.len() >= COPIES_MAX || self.answered.front().is_some_and(is_over) {
            self.answered.pop_front();
        }
        let is_answered = self.answered.iter().any(|&(_, from, its)| (from, its) == (remote, nonce));
        if !is_answered {
            self.answered.push_back((now, remote, nonce));
        }
        is_answered
    }
}
