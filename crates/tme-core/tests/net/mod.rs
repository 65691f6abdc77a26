//! A server's endpoint and clients' endpoints on a modelled network and a virtual clock, for tests that count
//! memory: once its busiest moment has passed, the net itself allocates nothing.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its own part")]

pub mod raw;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tme_core::channel::{Channel, ChannelId, ChannelTable};
use tme_core::connection::{Event, PeerId, SendError, SendOptions, TransmitLimits};
use tme_core::crypto::keys::KeyPair;
use tme_core::datagram::{Ecn, Path};
use tme_core::endpoint::{Endpoint, EndpointConfig, ServerSetup};
use tme_core::handshake::client::{ClientHandshakeConfig, Trust};
use tme_core::handshake::parameters::ConnectionId;
use tme_core::handshake::server::ServerHandshakeConfig;
use tme_core::link::{Link, LinkConditions};
use tme_core::payload::Payload;
use tme_core::random::SeededRandom;
use tme_core::time::Instant;

use crate::allocations;

/// The server is node 0.
pub const SERVER: usize = 0;

const LIMITS: TransmitLimits = TransmitLimits { segments: 8, bytes: 65_000 };

pub struct Node {
    pub endpoint: Endpoint,
    pub address: SocketAddr,
    pub random: SeededRandom,
    /// Memory that the endpoint holds.
    pub live_bytes: i64,
}

impl Node {
    /// Calls the endpoint and books what it allocates and frees to the node.
    fn enter<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = allocations::of_this_thread().live_bytes;
        let result = work(self);
        self.live_bytes += allocations::of_this_thread().live_bytes - before;
        result
    }
}

#[derive(Clone, Copy)]
struct Way {
    from: SocketAddr,
    to: usize,
}

/// Nodes that step together, a fixed time at once.
pub struct Net {
    pub now: Instant,
    pub nodes: Vec<Node>,
    pub step: Duration,
    /// Datagrams for addresses that no node has, with those addresses.
    pub outside: Vec<(SocketAddr, Vec<u8>)>,
    /// Every datagram that was handed to the network, while this is there: whence, where to, and its bytes.
    pub tap: Option<Vec<Tapped>>,
    link: Link<Way>,
    buffer: Vec<u8>,
    cut: Option<usize>,
    /// Addresses that nodes have beside their own, or have taken since.
    moved: Vec<(SocketAddr, usize)>,
}

#[derive(Clone, Debug)]
pub struct Tapped {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

pub fn address_of(node: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(0x0A00_0001 + node as u32), 7_777))
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One channel of each mode: 0 unreliable, 1 sequenced, 2 reliable-unordered, 3 reliable-ordered, 4 reliable-latest.
pub fn all_modes() -> ChannelTable {
    let channels = [
        Channel::unreliable("unreliable"),
        Channel::sequenced("sequenced"),
        Channel::reliable_unordered("unordered"),
        Channel::reliable_ordered("ordered"),
        Channel::reliable_latest("latest"),
    ];
    ChannelTable::new(channels).unwrap()
}

pub fn server_config(table: ChannelTable, peers_max: usize) -> EndpointConfig {
    let key = KeyPair::generate(&mut SeededRandom::new(99));
    let mut setup = ServerSetup::new(ServerHandshakeConfig::new(key, table));
    setup.peers_max = peers_max;
    setup.handshake.busy.exchanges_per_second = 100_000;
    setup.handshake.busy.exchanges_burst = 100_000;
    EndpointConfig { server: Some(setup), ..EndpointConfig::default() }
}

pub fn client_config() -> ClientHandshakeConfig {
    ClientHandshakeConfig::new(Trust::Unverified, ConnectionId::new(1).unwrap())
}

pub fn endpoint(config: EndpointConfig, seed: u64) -> (Endpoint, SeededRandom) {
    let mut random = SeededRandom::new(seed);
    (Endpoint::new(config, &mut random).unwrap(), random)
}

impl Net {
    /// A server and `clients` clients that do not know each other yet.
    pub fn new(table: ChannelTable, clients: usize, conditions: LinkConditions) -> Self {
        let server = server_config(table, clients.max(64));
        let configs = std::iter::once(server).chain((0..clients).map(|_| EndpointConfig::default()));
        let nodes = configs.zip(0u64..).map(|(config, seed)| {
            let before = allocations::of_this_thread().live_bytes;
            let (endpoint, random) = endpoint(config, seed);
            let live_bytes = allocations::of_this_thread().live_bytes - before;
            Node { endpoint, address: address_of(seed as usize), random, live_bytes }
        });
        Self {
            now: Instant::from_micros(1_000_000),
            nodes: nodes.collect(),
            step: ms(1),
            outside: Vec::new(),
            tap: None,
            link: Link::new(conditions, 5).unwrap(),
            buffer: Vec::with_capacity(LIMITS.bytes),
            cut: None,
            moved: Vec::new(),
        }
    }

    /// A server and `clients` clients, all connected. Nodes' ids for each other: the server's for client `n` first.
    pub fn connected(table: ChannelTable, clients: usize, conditions: LinkConditions) -> (Self, Vec<Pair>) {
        let mut net = Self::new(table, clients, conditions);
        let pairs = net.connect_all();
        (net, pairs)
    }

    /// Connects every client.
    pub fn connect_all(&mut self) -> Vec<Pair> {
        let clients = self.nodes.len() - 1;
        let mut pairs: Vec<Pair> = (1..=clients).map(|node| Pair::connecting(self, node)).collect();
        let mut connected = 0;
        let deadline = self.now + Duration::from_secs(20);
        while connected < 2 * clients {
            assert!(self.now < deadline, "{connected} of {clients} clients are connected");
            self.advance(|_, node, event| {
                let Event::Connected { peer, info } = event else { return };
                connected += 1;
                if node == SERVER {
                    let client = node_at(info.remote).unwrap();
                    pairs[client - 1].at_server = peer;
                }
            });
        }
        pairs
    }

    pub fn set_conditions(&mut self, conditions: LinkConditions) {
        self.link.set_conditions(self.now, conditions).unwrap();
    }

    pub fn connect(&mut self, node: usize) -> PeerId {
        let now = self.now;
        self.nodes[node].enter(|Node { endpoint, random, .. }| {
            endpoint.connect(now, address_of(SERVER), client_config(), random).unwrap()
        })
    }

    pub fn send(
        &mut self,
        node: usize,
        peer: PeerId,
        channel: u8,
        payload: Payload,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let now = self.now;
        self.nodes[node].enter(|node| node.endpoint.send(now, peer, ChannelId(channel), payload, options))
    }

    /// Does something with a node's endpoint now.
    pub fn change<T>(&mut self, node: usize, change: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        let now = self.now;
        self.nodes[node].enter(|node| change(&mut node.endpoint, now))
    }

    /// Hands a datagram to a node now, as if it came from `from`.
    pub fn inject(&mut self, from: SocketAddr, to: usize, bytes: &mut [u8]) {
        let (now, path) = (self.now, Path::to(from));
        self.nodes[to].enter(|Node { endpoint, random, .. }| {
            endpoint.handle_datagram(now, path, Ecn::NotCapable, bytes, random);
        });
    }

    /// Steps once: what arrives goes in, what is due is done, what is to go goes out, and every event is handed to
    /// `handle` together with the node that it came from.
    pub fn advance(&mut self, mut handle: impl FnMut(&mut Endpoint, usize, Event)) {
        self.now += self.step;
        let (now, count) = (self.now, self.nodes.len());
        while let Some(delivery) = self.link.poll_delivery(now) {
            let Way { from, to } = delivery.meta;
            let path = Path::to(from);
            self.nodes[to].enter(|Node { endpoint, random, .. }| {
                endpoint.handle_datagram(now, path, Ecn::NotCapable, delivery.bytes, random);
            });
        }
        for (index, node) in self.nodes.iter_mut().enumerate() {
            node.enter(|node| {
                if node.endpoint.poll_timeout().is_some_and(|at| at <= now) {
                    node.endpoint.handle_timeout(now);
                }
                while let Some(event) = node.endpoint.poll_event() {
                    if let Event::Message { peer, channel, payload, .. } = &event {
                        node.endpoint.consume(*peer, *channel, payload.len() as u64, 1);
                    }
                    handle(&mut node.endpoint, index, event);
                }
            });
            let buffer = &mut self.buffer;
            while let Some(transmit) = node.enter(|node| node.endpoint.poll_transmit(now, LIMITS, buffer)) {
                let segment = transmit.segment_bytes.unwrap_or(transmit.bytes).max(1);
                let (from, to) = (node.address, transmit.path.remote);
                for datagram in buffer.chunks(segment) {
                    if let Some(tap) = &mut self.tap {
                        tap.push(Tapped { from, to, bytes: datagram.to_vec() });
                    }
                    match route(&self.moved, to).filter(|&node| node < count) {
                        Some(to) if Some(to) == self.cut => {}
                        Some(to) => self.link.handle_datagram(now, datagram, Way { from, to }),
                        None => self.outside.push((to, datagram.to_vec())),
                    }
                }
            }
            node.enter(|node| while node.endpoint.poll_changed().is_some() {});
        }
    }

    /// Lets whatever waits for strangers at the server go nowhere.
    pub fn discard_replies(&mut self) {
        let server = &mut self.nodes[SERVER].endpoint;
        while server.poll_transmit(self.now, LIMITS, &mut self.buffer).is_some() {}
    }

    /// From now on a node's datagrams come from this address, and what is sent to its former one arrives nowhere. Whether
    /// it knows of that is up to the caller.
    pub fn move_node(&mut self, node: usize, address: SocketAddr) {
        let former = std::mem::replace(&mut self.nodes[node].address, address);
        self.moved.retain(|(_, moved)| *moved != node);
        self.moved.push((address, node));
        self.moved.push((former, usize::MAX));
        self.moved.retain(|(other, moved)| *moved != usize::MAX || *other != address);
    }

    /// From now on nothing that is sent to this node arrives.
    pub fn cut(&mut self, node: usize) {
        self.cut = Some(node);
    }

    /// The server's id for a client that is connected.
    pub fn peer_of(&self, node: usize) -> PeerId {
        let server = &self.nodes[SERVER].endpoint;
        let mut peers = server.peers();
        let is_asked = |peer: &PeerId| {
            server.connection(*peer).is_some_and(|connection| connection.path().remote == address_of(node))
        };
        peers.find(is_asked).unwrap()
    }

    pub fn advance_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.advance(|_, _, _| ());
        }
    }
}

/// A client and the two ids of its connection.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub node: usize,
    pub at_client: PeerId,
    pub at_server: PeerId,
}

impl Pair {
    /// A client that begins to connect; the server does not know it yet.
    pub fn connecting(net: &mut Net, node: usize) -> Self {
        let at_client = net.connect(node);
        Self { node, at_client, at_server: PeerId::from_u64(0) }
    }
}

/// The node that what is sent to this address arrives at; one that is not there for a former address.
fn route(moved: &[(SocketAddr, usize)], to: SocketAddr) -> Option<usize> {
    moved.iter().find(|(address, _)| *address == to).map_or_else(|| node_at(to), |&(_, node)| Some(node))
}

/// The node that has, or would have, this address.
fn node_at(address: SocketAddr) -> Option<usize> {
    match address {
        SocketAddr::V4(v4) if v4.port() == 7_777 => {
            v4.ip().to_bits().checked_sub(0x0A00_0001).map(|node| node as usize)
        }
        _ => None,
    }
}
