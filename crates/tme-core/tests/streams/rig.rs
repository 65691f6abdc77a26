//! A server and a client, with datagrams between them that can be cut, and streams that are as fast as they are told.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use tme_core::channel::{Channel, ChannelId, ChannelTable};
use tme_core::connection::{Event, PeerId, SendError, SendOptions, StreamEnd, TransmitLimits};
use tme_core::crypto::keys::KeyPair;
use tme_core::crypto::suite::{Suite, SuitePreference, SuiteSet};
use tme_core::datagram::{Ecn, LinkKind, Path, StreamId};
use tme_core::endpoint::{Endpoint, EndpointConfig, ServerSetup};
use tme_core::handshake::client::{ClientHandshakeConfig, Trust};
use tme_core::handshake::parameters::ConnectionId;
use tme_core::handshake::server::ServerHandshakeConfig;
use tme_core::link::{Link, LinkConditions};
use tme_core::payload::Payload;
use tme_core::random::SeededRandom;
use tme_core::time::Instant;

pub const SERVER: usize = 0;
pub const CLIENT: usize = 1;
const LIMITS: TransmitLimits = TransmitLimits { segments: 8, bytes: 65_000 };
/// A driver stops a stream's connection when so much waits in the stream, and lets it go on at a quarter.
const BLOCKED_BYTES: usize = 64 << 10;

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct Node {
    endpoint: Endpoint,
    random: SeededRandom,
    /// Its socket takes no datagrams at the moment.
    is_full: bool,
}

/// One direction of a stream.
#[derive(Default)]
struct Pipe {
    /// When it arrives, and what.
    under_way: VecDeque<(Instant, Vec<u8>)>,
    /// When the last byte given to it will have left.
    busy_until: Instant,
    is_blocked: bool,
}

struct Stream {
    pipes: [Pipe; 2],
    bytes_per_second: u64,
}

pub struct Rig {
    pub now: Instant,
    nodes: [Node; 2],
    datagrams: Link<usize>,
    streams: BTreeMap<StreamId, Stream>,
    next_stream: u32,
    buffer: Vec<u8>,
    /// Packets by stream that left, larger than any datagram.
    pub large_packets: usize,
}

fn address_of(node: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, node as u8 + 1], 7_777))
}

/// One channel of each mode, in the order of their numbers, and one for bulk.
pub fn table() -> ChannelTable {
    let channels = [
        Channel::unreliable("unreliable"),
        Channel::sequenced("sequenced"),
        Channel::reliable_unordered("unordered"),
        Channel::reliable_ordered("ordered"),
        Channel::reliable_latest("latest"),
        Channel::reliable_ordered("bulk").priority(200),
    ];
    ChannelTable::new(channels).unwrap()
}

impl Rig {
    pub fn new(suites: SuiteSet, conditions: LinkConditions, seed: u64) -> Self {
        let key = KeyPair::generate(&mut SeededRandom::new(99));
        let mut handshake = ServerHandshakeConfig::new(key, table());
        if suites == SuiteSet::PLAINTEXT {
            handshake.suites = SuitePreference::new(&[Suite::Plaintext]).unwrap();
        }
        let server =
            EndpointConfig { server: Some(ServerSetup::new(handshake)), ..EndpointConfig::default() };
        let nodes = [server, EndpointConfig::default()].map(|config| {
            let mut random = SeededRandom::new(seed);
            Node { endpoint: Endpoint::new(config, &mut random).unwrap(), random, is_full: false }
        });
        Self {
            now: Instant::from_micros(1_000_000),
            nodes,
            datagrams: Link::new(conditions, seed).unwrap(),
            streams: BTreeMap::new(),
            next_stream: 1,
            buffer: Vec::new(),
            large_packets: 0,
        }
    }

    pub fn endpoint(&mut self, node: usize) -> &mut Endpoint {
        &mut self.nodes[node].endpoint
    }

    /// Opens a stream; both sides know it by the same number here.
    pub fn open_stream(&mut self, bytes_per_second: u64) -> StreamId {
        let id = StreamId {
            number: NonZeroU32::new(self.next_stream).unwrap(),
            kind: LinkKind::Tcp,
            is_secure: false,
            is_local: false,
        };
        self.next_stream += 1;
        self.streams.insert(id, Stream { pipes: Default::default(), bytes_per_second });
        id
    }

    /// What was under way is lost; both sides are told.
    pub fn end_stream(&mut self, id: StreamId, end: StreamEnd) {
        self.streams.remove(&id);
        let now = self.now;
        self.nodes.iter_mut().for_each(|node| node.endpoint.handle_stream_end(now, id, end));
    }

    pub fn cut_datagrams(&mut self, is_cut: bool) {
        self.datagrams.set_partitioned(is_cut);
    }

    /// The socket for datagrams of a node is full, or no longer.
    pub fn fill_socket(&mut self, node: usize, is_full: bool) {
        self.nodes[node].is_full = is_full;
    }

    pub fn path(stream: Option<StreamId>) -> Path {
        Path { stream, ..Path::to(address_of(SERVER)) }
    }

    /// Connects by datagrams or a stream; the ids of the server's and the client's end.
    pub fn connect(&mut self, stream: Option<StreamId>, suites: SuiteSet) -> [PeerId; 2] {
        let mut config = ClientHandshakeConfig::new(Trust::Unverified, ConnectionId::new(1).unwrap());
        config.suites = suites;
        let (now, path) = (self.now, Self::path(stream));
        let Node { endpoint, random, .. } = &mut self.nodes[CLIENT];
        let at_client = endpoint.connect_racing(now, path, config, random, None).unwrap();
        let mut at_server = None;
        for _ in 0..5_000 {
            self.advance(|node, event| match event {
                Event::Connected { peer, .. } if node == SERVER => at_server = Some(peer),
                Event::Disconnected { reason, .. } => panic!("{reason}"),
                _ => {}
            });
            if let Some(at_server) = at_server {
                return [at_server, at_client];
            }
        }
        panic!("not connected after 5 s");
    }

    pub fn try_path(&mut self, peer: PeerId, stream: Option<StreamId>) -> bool {
        let (now, path) = (self.now, Self::path(stream));
        let Node { endpoint, random, .. } = &mut self.nodes[CLIENT];
        endpoint.try_path(now, peer, path, random)
    }

    pub fn send(
        &mut self,
        node: usize,
        peer: PeerId,
        channel: u8,
        payload: &[u8],
        options: SendOptions,
    ) -> Result<(), SendError> {
        let now = self.now;
        self.nodes[node].endpoint.send(now, peer, ChannelId(channel), Payload::from(payload), options)
    }

    /// A millisecond passes; `handle` gets every event and the node that reports it.
    pub fn advance(&mut self, mut handle: impl FnMut(usize, Event)) {
        self.now += ms(1);
        let now = self.now;
        while let Some(delivery) = self.datagrams.poll_delivery(now) {
            let to = delivery.meta;
            let Node { endpoint, random, .. } = &mut self.nodes[to];
            let path = Path::to(address_of(1 - to));
            endpoint.handle_datagram(now, path, Ecn::NotCapable, delivery.bytes, random);
        }
        self.deliver_streams();
        for node in 0..2 {
            let endpoint = &mut self.nodes[node].endpoint;
            if endpoint.poll_timeout().is_some_and(|at| at <= now) {
                endpoint.handle_timeout(now);
            }
            while let Some(event) = endpoint.poll_event() {
                if let Event::Message { peer, channel, payload, .. } = &event {
                    endpoint.consume(*peer, *channel, payload.len() as u64, 1);
                }
                if let Event::Delivered { peer, channel, .. } | Event::Expired { peer, channel, .. } = &event
                {
                    endpoint.consume_receipts(*peer, *channel, 1);
                }
                handle(node, event);
            }
            self.transmit(node);
            let next = self.nodes[node].endpoint.poll_timeout();
            assert!(next.is_none_or(|at| at > now), "nothing is due that was not done");
        }
    }

    pub fn advance_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.advance(|_, _| ());
        }
    }

    fn deliver_streams(&mut self) {
        let now = self.now;
        for (&id, stream) in &mut self.streams {
            let rate = stream.bytes_per_second;
            for (to, pipe) in stream.pipes.iter_mut().enumerate() {
                let Node { endpoint, random, .. } = &mut self.nodes[to];
                let path = Path::through(id, address_of(1 - to));
                while pipe.under_way.front().is_some_and(|(at, _)| *at <= now) {
                    let (_, mut bytes) = pipe.under_way.pop_front().unwrap();
                    endpoint.handle_datagram(now, path, Ecn::NotCapable, &mut bytes, random);
                }
                let waiting = pipe.busy_until.saturating_since(now).as_micros() as u64 * rate / 1_000_000;
                if pipe.is_blocked && waiting < BLOCKED_BYTES as u64 / 4 {
                    pipe.is_blocked = false;
                    self.nodes[1 - to].endpoint.set_stream_blocked(id, false);
                }
            }
        }
    }

    fn transmit(&mut self, node: usize) {
        let now = self.now;
        let Self { nodes, streams, datagrams, buffer, large_packets, .. } = self;
        let Node { endpoint, is_full, .. } = &mut nodes[node];
        let limits = if *is_full { TransmitLimits { segments: 0, ..LIMITS } } else { LIMITS };
        while let Some(transmit) = endpoint.poll_transmit(now, limits, buffer) {
            let Some(id) = transmit.path.stream else {
                assert!(!*is_full, "there is no room for {transmit:?}");
                let segment = transmit.segment_bytes.unwrap_or(transmit.bytes);
                buffer.chunks(segment).for_each(|bytes| datagrams.handle_datagram(now, bytes, 1 - node));
                continue;
            };
            // What is given to a stream that has ended is lost.
            let Some(stream) = streams.get_mut(&id) else { continue };
            assert_eq!(transmit.segment_bytes, None, "a record holds one packet");
            *large_packets += usize::from(buffer.len() > 1_500);
            let pipe = &mut stream.pipes[1 - node];
            let time = Duration::from_micros(buffer.len() as u64 * 1_000_000 / stream.bytes_per_second);
            pipe.busy_until = pipe.busy_until.max(now) + time;
            pipe.under_way.push_back((pipe.busy_until + ms(20), buffer.clone()));
            let wait = pipe.busy_until.saturating_since(now);
            if wait.as_micros() as u64 * stream.bytes_per_second / 1_000_000 > BLOCKED_BYTES as u64 {
                pipe.is_blocked = true;
                endpoint.set_stream_blocked(id, true);
            }
        }
    }
}
