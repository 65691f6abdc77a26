//! A server's endpoint and clients' endpoints, wired by hand on a virtual clock.

mod admission;
mod carried;
mod information;
mod parting;
mod siblings;

use std::time::Duration;

use super::*;
use crate::channel::{Channel, ChannelTable};
use crate::connection::{CloseMode, Farewell, SendError, SendOptions, TransmitLimits};
use crate::crypto::keys::KeyPair;
use crate::crypto::reset::ResetToken;
use crate::datagram::{Ecn, Path};
use crate::handshake::client::{ClientHandshakeConfig, Trust};
use crate::handshake::datagram::{HandshakeDatagram, Reset};
use crate::handshake::drops::DropReason;
use crate::handshake::parameters::{ConnectionId, Refusal};
use crate::handshake::reason::Reason;
use crate::handshake::server::ServerHandshakeConfig;
use crate::payload::Payload;
use crate::random::SeededRandom;
use crate::time::UnixTime;

const SERVER_ADDRESS: &str = "10.0.0.1:7777";

struct Node {
    endpoint: Endpoint,
    address: SocketAddr,
    random: SeededRandom,
    events: Vec<Event>,
    is_cut_off: bool,
    /// Sent to strangers and received from them, in bytes.
    bytes_sent: usize,
    bytes_received: usize,
}

impl Node {
    fn new(address: &str, config: EndpointConfig, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        Self {
            endpoint: Endpoint::new(config, &mut random).unwrap(),
            address: address.parse().unwrap(),
            random,
            events: Vec::new(),
            is_cut_off: false,
            bytes_sent: 0,
            bytes_received: 0,
        }
    }

    fn messages(&self) -> Vec<(PeerId, Vec<u8>)> {
        let messages = self.events.iter().filter_map(|event| match event {
            Event::Message { peer, payload, .. } => Some((*peer, payload.to_vec())),
            _ => None,
        });
        messages.collect()
    }

    fn connected(&self) -> Vec<PeerId> {
        let peers = self.events.iter().filter_map(|event| match event {
            Event::Connected { peer, .. } => Some(*peer),
            _ => None,
        });
        peers.collect()
    }

    fn disconnected(&self) -> Vec<Reason> {
        let reasons = self.events.iter().filter_map(|event| match event {
            Event::Disconnected { reason, .. } => Some(reason.reason),
            _ => None,
        });
        reasons.collect()
    }
}

/// Nodes on a network that delivers after five milliseconds.
struct Net {
    now: Instant,
    nodes: Vec<Node>,
    flying: VecDeque<(Instant, SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Net {
    fn new(nodes: Vec<Node>) -> Self {
        Self { now: Instant::from_micros(1_000_000), nodes, flying: VecDeque::new() }
    }

    fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            let unix_time = self.unix_time();
            self.nodes.iter_mut().for_each(|node| node.endpoint.handle_unix_time(unix_time));
            self.deliver();
            for node in &mut self.nodes {
                node.endpoint.handle_orders(self.now);
                if node.endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                    node.endpoint.handle_timeout(self.now);
                }
                let mut buffer = Vec::new();
                let limits = TransmitLimits { segments: 4, bytes: 65_000 };
                while let Some(transmit) = node.endpoint.poll_transmit(self.now, limits, &mut buffer) {
                    for datagram in buffer.chunks(transmit.segment_bytes.unwrap_or(transmit.bytes)) {
                        node.bytes_sent += datagram.len();
                        if !node.is_cut_off {
                            let arrival = self.now + Duration::from_millis(5);
                            self.flying.push_back((
                                arrival,
                                node.address,
                                transmit.path.remote,
                                datagram.to_vec(),
                            ));
                        }
                    }
                }
                while let Some(event) = node.endpoint.poll_event() {
                    if let Event::Message { peer, channel, payload, .. } = &event {
                        node.endpoint.consume(*peer, *channel, payload.len() as u64, 1);
                    }
                    node.events.push(event);
                }
            }
            let next = self.nodes.iter().filter_map(|node| node.endpoint.poll_timeout());
            let next = next.chain(self.flying.front().map(|flying| flying.0)).min().unwrap_or(until);
            self.now = next.clamp(self.now + Duration::from_micros(1), until);
        }
    }

    /// What the wall clocks of all nodes say.
    fn unix_time(&self) -> UnixTime {
        UnixTime::from_secs(1_700_000_000) + self.now.saturating_since(Instant::ZERO)
    }

    /// Lets a client send something with its first packet.
    fn send_when_connected(&mut self, client: usize) {
        while self.nodes[client].connected().is_empty() && self.nodes[client].disconnected().is_empty() {
            self.run_for(Duration::from_micros(500));
        }
        for peer in self.nodes[client].connected() {
            // The other one may have been closed meanwhile.
            let _ = self.send(client, peer, "hello");
        }
    }

    fn deliver(&mut self) {
        while self.flying.front().is_some_and(|flying| flying.0 <= self.now) {
            let Some((_, from, to, mut bytes)) = self.flying.pop_front() else { return };
            let index = self.steer(from, to, &bytes);
            if let Some(node) =
                self.nodes.get_mut(index).filter(|node| node.address == to && !node.is_cut_off)
            {
                node.bytes_received += bytes.len();
                let path = Path::to(from);
                node.endpoint.handle_datagram(self.now, path, Ecn::NotCapable, &mut bytes, &mut node.random);
            }
        }
    }

    /// Which node a datagram reaches. Siblings stand one behind the other: packets go to the one they name, whatever else by
    /// the last byte of the sender's address.
    fn steer(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> usize {
        let first = self.nodes.iter().position(|node| node.address == to).unwrap_or(usize::MAX);
        let shard = self.nodes.get(first).map_or(Shard::ALONE, |node| node.endpoint.shard());
        let SocketAddr::V4(from) = from else { panic!("IPv4 only") };
        let hash = usize::from(from.ip().octets()[3]) % shard.count();
        let own = if is_data_packet(bytes) { 0 } else { hash };
        first.saturating_add(shard.owner_elsewhere(bytes).unwrap_or(own))
    }

    fn connect(&mut self, client: usize) -> PeerId {
        self.connect_with(client, |_| ())
    }

    fn connect_with(&mut self, client: usize, change: impl FnOnce(&mut ClientHandshakeConfig)) -> PeerId {
        let mut config = ClientHandshakeConfig::new(Trust::Unverified, ConnectionId::new(1).unwrap());
        change(&mut config);
        let now = self.now;
        let node = &mut self.nodes[client];
        node.endpoint.connect(now, SERVER_ADDRESS.parse().unwrap(), config, &mut node.random).unwrap()
    }

    fn send(&mut self, node: usize, peer: PeerId, text: &str) -> Result<(), SendError> {
        let now = self.now;
        self.nodes[node].endpoint.send(now, peer, ChannelId(0), Payload::from(text), SendOptions::default())
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn server_with(seed: u64, peers_max: usize) -> Node {
    let key = KeyPair::generate(&mut SeededRandom::new(99));
    let mut setup = ServerSetup::new(ServerHandshakeConfig::new(key, ChannelTable::default()));
    setup.peers_max = peers_max;
    Node::new(SERVER_ADDRESS, EndpointConfig { server: Some(setup), ..EndpointConfig::default() }, seed)
}

fn client(n: usize) -> Node {
    Node::new(&format!("10.0.1.{n}:5000"), EndpointConfig::default(), 1_000 + n as u64)
}

#[test]
fn clients_connect_and_talk() {
    let mut net = Net::new(vec![server_with(1, 8), client(1), client(2)]);
    let peers = [net.connect(1), net.connect(2)];
    net.run_for(ms(100));
    assert_eq!(net.nodes[0].connected().len(), 2);
    for (node, peer) in peers.iter().enumerate() {
        assert_eq!(net.nodes[node + 1].connected(), [*peer]);
        net.send(node + 1, *peer, &format!("from {node}")).unwrap();
    }
    net.run_for(ms(100));
    let mut texts: Vec<_> = net.nodes[0].messages();
    texts.sort();
    assert_eq!(texts[0].1, b"from 0");
    assert_eq!(texts[1].1, b"from 1");
    let to = texts[0].0;
    net.send(0, to, "back").unwrap();
    net.run_for(ms(100));
    assert_eq!(net.nodes[1].messages()[0].1, b"back");
    assert!(net.nodes[2].messages().is_empty());
}

#[test]
fn numbers_are_never_used_twice_and_start_at_two() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let peer = net.connect(1);
        net.run_for(ms(100));
        net.nodes[1].endpoint.disconnect(net.now, peer, CloseMode::Now, Farewell::new(Reason::Closed));
        net.run_for(ms(2_000));
    }
    for event in &net.nodes[0].events {
        if let Event::Connected { info, .. } = event {
            numbers.push(info.number);
        }
    }
    assert_eq!(numbers, [2, 3, 4]);
    assert_eq!(net.nodes[0].endpoint.peers().count(), 0);
    assert_eq!(net.nodes[0].disconnected(), [Reason::Closed; 3]);
}

#[test]
fn a_full_server_says_so_at_once_and_has_room_when_somebody_leaves() {
    let mut net = Net::new(vec![server_with(1, 1), client(1), client(2)]);
    let first = net.connect(1);
    net.run_for(ms(100));
    net.connect(2);
    net.run_for(ms(100));
    assert_eq!(net.nodes[2].disconnected(), [Reason::Full]);
    net.nodes[1].endpoint.disconnect(net.now, first, CloseMode::Now, Farewell::new(Reason::Closed));
    net.run_for(ms(1_000));
    net.connect(2);
    net.run_for(ms(100));
    assert_eq!(net.nodes[2].connected().len(), 1);
}

#[test]
fn another_game_or_channel_table_is_refused_with_its_reason() {
    let mut net = Net::new(vec![server_with(1, 8), client(1), client(2)]);
    net.connect_with(1, |config| config.application_id = 5);
    net.connect_with(2, |config| {
        config.channels = Some(ChannelTable::new([Channel::unreliable("x")]).unwrap());
    });
    net.run_for(ms(100));
    assert_eq!(net.nodes[1].disconnected(), [Reason::Application]);
    assert_eq!(net.nodes[2].disconnected(), [Reason::ChannelTable]);
    assert!(net.nodes[0].events.is_empty());
}

#[test]
fn nobody_there_is_a_timely_disconnect() {
    let mut net = Net::new(vec![client(1)]);
    net.connect(0);
    net.run_for(Duration::from_secs(11));
    assert_eq!(net.nodes[0].disconnected(), [Reason::ConnectTimedOut]);
    assert_eq!(net.nodes[0].endpoint.slots.count(), 0);
}

#[test]
fn an_attempt_given_up_ends_once_whatever_answer_is_under_way() {
    // The answer to CONNECT is under way from 15 to 20 ms.
    for wait in [0, 3, 8, 10, 17, 20] {
        let mut net = Net::new(vec![server_with(1, 8), client(1)]);
        let peer = net.connect(1);
        net.run_for(ms(wait));
        let endpoint = &mut net.nodes[1].endpoint;
        assert!(endpoint.disconnect(net.now, peer, CloseMode::Now, Farewell::new(Reason::Closed)));
        assert!(!endpoint.disconnect(net.now, peer, CloseMode::Now, Farewell::new(Reason::Closed)));
        net.run_for(Duration::from_secs(15));
        assert_eq!(net.nodes[1].disconnected(), [Reason::Aborted], "after {wait} ms");
        assert_eq!(net.nodes[1].connected(), []);
        assert_eq!(net.nodes[0].endpoint.slots.count(), 0);
    }
}

#[test]
fn a_restarted_server_is_noticed_at_once() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    let peer = net.connect(1);
    net.run_for(ms(100));
    net.nodes[0] = server_with(2, 8); // the same key, everything else forgotten
    net.send(1, peer, "are you there?").unwrap();
    net.run_for(ms(50));
    assert_eq!(net.nodes[1].disconnected(), [Reason::Reset]);
}

#[test]
fn whoever_leaves_a_restarted_server_has_left() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    let peer = net.connect(1);
    net.run_for(ms(100));
    net.nodes[0] = server_with(2, 8);
    net.nodes[1].endpoint.disconnect(net.now, peer, CloseMode::Now, Farewell::new(Reason::Closed));
    net.run_for(ms(50));
    assert_eq!(net.nodes[1].disconnected(), [Reason::Closed]);
}

#[test]
fn answers_that_an_attempt_drops_are_counted() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    net.connect(1);
    // The COOKIE is under way from 5 to 10 ms, and its copy comes behind it.
    net.run_for(ms(6));
    let copy = net.flying[0].clone();
    net.flying.push_back(copy);
    let drops = |net: &Net| net.nodes[1].endpoint.statistics().handshake.drops.of(DropReason::Repeated);
    net.run_for(ms(8));
    assert_eq!((drops(&net), net.nodes[1].connected().len()), (1, 0));
    net.run_for(ms(50));
    assert_eq!((drops(&net), net.nodes[1].connected().len()), (1, 1));
}

#[test]
fn a_forged_reset_does_nothing() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    net.connect(1);
    net.run_for(ms(100));
    let mut forged = Vec::new();
    HandshakeDatagram::Reset(Reset { token: ResetToken::from_bytes([7; 16]) }).encode(&mut forged);
    let (server, client) = (net.nodes[0].address, net.nodes[1].address);
    net.flying.push_back((net.now, server, client, forged));
    net.run_for(ms(50));
    assert!(net.nodes[1].disconnected().is_empty());
}

#[test]
fn strangers_get_no_more_than_they_send() {
    let mut net = Net::new(vec![server_with(1, 8)]);
    let mut random = SeededRandom::new(5);
    let stranger: SocketAddr = "10.9.9.9:1".parse().unwrap();
    for n in 0..2_000u64 {
        let mut bytes = vec![0; random.below(1_300) as usize];
        random.fill(&mut bytes);
        if let Some(first) = bytes.first_mut() {
            // Half of them look like data packets, half like handshakes.
            *first |= 0x80;
        }
        if n % 2 == 0 && bytes.len() > 5 {
            bytes[..4].copy_from_slice(b"TMED");
            bytes[4] %= 12;
        }
        let address = net.nodes[0].address;
        net.flying.push_back((net.now, stranger, address, bytes));
        net.run_for(ms(1));
        assert!(net.nodes[0].bytes_sent <= net.nodes[0].bytes_received);
    }
    assert!(net.nodes[0].events.is_empty());
    assert_eq!(net.nodes[0].endpoint.slots.count(), 0);
    let statistics = net.nodes[0].endpoint.statistics();
    let counted = statistics.drops.total() + statistics.handshake.drops.total();
    assert_eq!(counted, 2_000, "{statistics:?}");
}

#[test]
fn stale_ids_are_errors_and_never_somebody_else() {
    let mut net = Net::new(vec![server_with(1, 1), client(1)]);
    let peer = net.connect(1);
    net.run_for(ms(100));
    net.nodes[1].endpoint.disconnect(net.now, peer, CloseMode::Now, Farewell::new(Reason::Closed));
    net.run_for(ms(2_000));
    let again = net.connect(1);
    net.run_for(ms(100));
    assert_ne!(peer, again);
    assert_eq!(net.send(1, peer, "hello"), Err(SendError::NotConnected));
    assert!(!net.nodes[1].endpoint.disconnect(net.now, peer, CloseMode::Now, Farewell::new(Reason::Closed)));
    assert_eq!(net.send(1, PeerId::from_u64(0), "hello"), Err(SendError::NotConnected));
}

#[test]
fn a_peer_gets_no_more_in_a_second_than_was_set() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    net.connect(1);
    net.run_for(ms(100));
    let peer = net.nodes[0].connected()[0];
    let big = Payload::from(vec![0xA5; 1 << 20]);
    let now = net.now;
    net.nodes[0].endpoint.send(now, peer, ChannelId(0), big, SendOptions::default()).unwrap();
    let sent = |rate: u64, net: &mut Net| {
        assert!(net.nodes[0].endpoint.set_rate_max(peer, Some(rate)));
        let before = net.nodes[0].bytes_sent;
        net.run_for(ms(2_000));
        (net.nodes[0].bytes_sent - before) as u64
    };
    for rate in [50_000, 150_000] {
        let bytes = sent(rate, &mut net);
        assert!((rate * 18 / 10..rate * 22 / 10).contains(&bytes), "{bytes} bytes in 2 s at {rate} a second");
    }
    assert!(sent(0, &mut net) > 0, "a datagram a second is the least");
    assert!(net.nodes[0].endpoint.set_rate_max(peer, None));
    net.run_for(ms(3_000));
    assert_eq!(net.nodes[1].messages().len(), 1);
    assert!(!net.nodes[0].endpoint.set_rate_max(PeerId::from_u64(0), None));
}

#[test]
fn a_cap_holds_from_the_moment_it_is_set() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    net.connect(1);
    net.run_for(ms(100));
    let peer = net.nodes[0].connected()[0];
    let send = |net: &mut Net| {
        let (now, payload) = (net.now, Payload::from(vec![0xA5; 100_000]));
        net.nodes[0].endpoint.send(now, peer, ChannelId(0), payload, SendOptions::default()).unwrap();
    };
    // The path proves fast, and the pacer may be full.
    send(&mut net);
    net.run_for(ms(1_000));
    assert_eq!(net.nodes[1].messages().len(), 1);

    let before = net.nodes[0].bytes_sent;
    assert!(net.nodes[0].endpoint.set_rate_max(peer, Some(50_000)));
    send(&mut net);
    net.run_for(ms(200));
    let bytes = net.nodes[0].bytes_sent - before;
    assert!((8_000..15_000).contains(&bytes), "{bytes} bytes in 200 ms at 50,000 a second");
}

#[test]
fn of_attempts_that_race_one_arrives_and_replaces_nobody() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    let identity = KeyPair::generate(&mut SeededRandom::new(7));
    let mut first = None;
    for _ in 0..3 {
        let mut config = ClientHandshakeConfig::new(Trust::Unverified, ConnectionId::new(1).unwrap());
        config.identity = Some(identity.clone());
        let now = net.now;
        let node = &mut net.nodes[1];
        let server = Path::to(SERVER_ADDRESS.parse().unwrap());
        let attempt = node.endpoint.connect_racing(now, server, config, &mut node.random, first).unwrap();
        first = first.or(Some(attempt));
    }
    net.run_for(Duration::from_secs(12));
    assert_eq!((net.nodes[1].connected().len(), net.nodes[0].connected().len()), (1, 1));
    assert!(net.nodes[0].disconnected().is_empty() && net.nodes[1].disconnected().is_empty());
    assert_eq!((net.nodes[1].endpoint.slots.count(), net.nodes[0].endpoint.slots.count()), (1, 1));
}
