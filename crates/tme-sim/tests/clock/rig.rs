//! A server and a client with clocks of their own, on a modelled path.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tme_core::clock::{ClockChange, ClockSync, ServerTime};
use tme_core::connection::{ConnectionConfig, ConnectionStatistics, Event, PeerId, TransmitLimits};
use tme_core::crypto::keys::KeyPair;
use tme_core::datagram::{Ecn, Path};
use tme_core::endpoint::{Endpoint, EndpointConfig, ServerSetup};
use tme_core::handshake::client::{ClientHandshakeConfig, Trust};
use tme_core::handshake::parameters::ConnectionId;
use tme_core::handshake::server::ServerHandshakeConfig;
use tme_core::link::{Jitter, Link, LinkConditions};
use tme_core::random::SeededRandom;
use tme_core::time::Instant;

pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A clock that began at some time and runs at its own speed.
#[derive(Clone, Copy, Debug)]
pub struct Crystal {
    pub ahead_us: u64,
    pub ppm: f64,
}

impl Crystal {
    /// What it reads at a moment of true time.
    fn read(&self, truth: Instant) -> Instant {
        let micros = truth.as_micros();
        let fast = (micros as f64 * self.ppm / 1e6) as i64;
        Instant::from_micros((micros + self.ahead_us).saturating_add_signed(fast))
    }

    /// The first moment of true time at which it reads no less.
    fn when(&self, reading: Instant) -> Instant {
        let local = reading.as_micros().saturating_sub(self.ahead_us) as f64;
        let mut truth = Instant::from_micros((local / (1.0 + self.ppm / 1e6)) as u64);
        while self.read(truth) < reading {
            truth += Duration::from_micros(1);
        }
        truth
    }
}

/// When a host reads its socket and lets its endpoint work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Whenever there is something to do.
    Prompt,
    /// Once in this time, and whether it knows when datagrams arrived.
    Framed { frame: Duration, phase: Duration, has_timestamps: bool },
}

pub struct Node {
    pub endpoint: Endpoint,
    pub crystal: Crystal,
    pub host: Host,
    address: SocketAddr,
    random: SeededRandom,
    pub peer: Option<PeerId>,
    /// Towards the other node.
    pub link: Link<()>,
    /// Arrived and not read yet.
    socket: VecDeque<(Instant, Vec<u8>)>,
    pub changes: Vec<ClockChange>,
}

pub struct Rig {
    /// True time.
    pub now: Instant,
    pub nodes: [Node; 2],
}

/// A fixed part of the delay and a random one.
pub fn path(delay: Duration, jitter: Jitter) -> LinkConditions {
    LinkConditions { delay, jitter, jitter_reorders: true, ..LinkConditions::default() }
}

impl Rig {
    pub fn new(seed: u64, crystals: [Crystal; 2], conditions: [LinkConditions; 2]) -> Self {
        let key = KeyPair::generate(&mut SeededRandom::new(99));
        let table = tme_core::channel::ChannelTable::default();
        let setup = ServerSetup::new(ServerHandshakeConfig::new(key, table));
        let connection = ConnectionConfig { clock_sync: ClockSync::FromStart, ..ConnectionConfig::default() };
        let configs = [
            EndpointConfig { connection, ..EndpointConfig::default() },
            EndpointConfig { server: Some(setup), ..EndpointConfig::default() },
        ];
        let mut parts = configs.into_iter().zip(crystals).zip(conditions).zip(0u64..);
        let mut node = || {
            let (((config, crystal), conditions), index) = parts.next().unwrap();
            let mut random = SeededRandom::new(seed * 2 + index);
            Node {
                endpoint: Endpoint::new(config, &mut random).unwrap(),
                crystal,
                host: Host::Prompt,
                address: SocketAddr::from(([10, 0, 0, index as u8], 7_777)),
                random,
                peer: None,
                link: Link::new(conditions, seed * 2 + index).unwrap(),
                socket: VecDeque::new(),
                changes: Vec::new(),
            }
        };
        Self { now: Instant::from_micros(1_000_000), nodes: [node(), node()] }
    }

    pub fn connect(&mut self) {
        let server = self.nodes[SERVER].address;
        let client = &mut self.nodes[CLIENT];
        let config = ClientHandshakeConfig::new(Trust::Unverified, ConnectionId::new(1).unwrap());
        let now = client.crystal.read(self.now);
        client.endpoint.connect(now, server, config, &mut client.random).unwrap();
        while self.nodes[CLIENT].peer.is_none() {
            self.step(self.now + ms(1), |_| ());
        }
    }

    /// Goes on for this long; calls `look` at every moment at which something happened.
    pub fn run(&mut self, time: Duration, mut look: impl FnMut(&Self)) {
        let until = self.now + time;
        while self.now < until {
            self.step(until, &mut look);
        }
    }

    fn step(&mut self, until: Instant, mut look: impl FnMut(&Self)) {
        for index in [CLIENT, SERVER] {
            self.carry(index);
        }
        for index in [CLIENT, SERVER] {
            self.serve(index);
        }
        look(self);
        let next = self.nodes.iter().flat_map(|node| {
            let work = match node.host {
                Host::Prompt => node.endpoint.poll_timeout().map(|at| node.crystal.when(at)),
                Host::Framed { .. } => Some(self.next_frame(node)),
            };
            [work, node.link.poll_timeout()]
        });
        let next = next.flatten().min().unwrap_or(until);
        self.now = next.clamp(self.now + Duration::from_micros(1), until);
    }

    fn next_frame(&self, node: &Node) -> Instant {
        let Host::Framed { frame, phase, .. } = node.host else { return self.now };
        let (frame, phase) = (frame.as_micros() as u64, phase.as_micros() as u64);
        let begun = (self.now.as_micros() - phase) / frame;
        Instant::from_micros((begun + 1) * frame + phase)
    }

    fn is_frame(&self, node: &Node) -> bool {
        match node.host {
            Host::Prompt => true,
            Host::Framed { frame, phase, .. } => {
                (self.now.as_micros() - phase.as_micros() as u64).is_multiple_of(frame.as_micros() as u64)
            }
        }
    }

    /// Takes what the link towards node `index` delivers into its socket.
    fn carry(&mut self, index: usize) {
        let [client, server] = &mut self.nodes;
        let (node, other) = if index == CLIENT { (client, server) } else { (server, client) };
        while let Some(delivery) = other.link.poll_delivery(self.now) {
            node.socket.push_back((self.now, delivery.bytes.to_vec()));
        }
    }

    fn serve(&mut self, index: usize) {
        if !self.is_frame(&self.nodes[index]) {
            return;
        }
        let remote = self.nodes[1 - index].address;
        let node = &mut self.nodes[index];
        let now = node.crystal.read(self.now);
        while let Some((arrived, mut bytes)) = node.socket.pop_front() {
            let arrived_at = match node.host {
                Host::Framed { has_timestamps: false, .. } => now,
                _ => node.crystal.read(arrived),
            };
            let path = Path { remote, local: None };
            let random = &mut node.random;
            node.endpoint.handle_late_datagram(now, arrived_at, path, Ecn::NotCapable, &mut bytes, random);
        }
        if node.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            node.endpoint.handle_timeout(now);
        }
        let mut buffer = Vec::new();
        let limits = TransmitLimits { segments: 4, bytes: 65_000 };
        while let Some(transmit) = node.endpoint.poll_transmit(now, limits, &mut buffer) {
            for datagram in buffer.chunks(transmit.segment_bytes.unwrap_or(transmit.bytes)) {
                node.link.handle_datagram(self.now, datagram, ());
            }
        }
        while let Some(event) = node.endpoint.poll_event() {
            match event {
                Event::Connected { peer, .. } => node.peer = Some(peer),
                Event::Clock { change, .. } => node.changes.push(change),
                Event::Disconnected { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    }

    /// What the client believes.
    pub fn shown(&self) -> Option<ServerTime> {
        let client = &self.nodes[CLIENT];
        client.endpoint.server_time(client.crystal.read(self.now), client.peer?)
    }

    /// What a node's own clock reads.
    pub fn reading(&self, index: usize) -> u64 {
        self.nodes[index].crystal.read(self.now).as_micros()
    }

    /// What the server's clock reads.
    pub fn truth(&self) -> u64 {
        self.reading(SERVER)
    }

    /// By how much the client's belief is off, in microseconds.
    pub fn error(&self) -> Option<i64> {
        Some(self.shown()?.micros as i64 - self.truth() as i64)
    }

    pub fn statistics(&self, index: usize) -> ConnectionStatistics {
        let node = &self.nodes[index];
        node.endpoint.peer_statistics(node.crystal.read(self.now), node.peer.unwrap()).unwrap()
    }
}
