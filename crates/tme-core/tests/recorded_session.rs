//! Whole sessions between two endpoints over bad links, recorded datagram by datagram.
//!
//! The recordings lie in `tests/vectors` as `session-recorded-*.json`. This test makes them anew on a virtual clock with
//! seeded randomness and compares: the wire cannot change unnoticed. `tests/vectors/reader.py`, which knows the page and
//! nothing of this crate, opens and checks every datagram of them.
//!
//! A change that the page allows (other timing, other packing) changes them too. Then
//! `TME_WRITE_VECTORS=1 cargo test -p tme-core --test recorded_session` writes them again, and
//! `python3 tests/vectors/reader.py --check tests/vectors` says whether they are still good.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use tme_core::channel::{Channel, ChannelId, ChannelMode, ChannelTable};
use tme_core::clock::ClockSync;
use tme_core::connection::{
    CloseMode, ConnectionConfig, Event, Farewell, PacketDrop, PeerId, SendOptions, TransmitLimits,
};
use tme_core::crypto::keys::{KeyPair, SecretKey};
use tme_core::crypto::packet::{KEY_PHASE_BIT, KeyLimits};
use tme_core::crypto::suite::{Suite, SuitePreference, SuiteSet};
use tme_core::datagram::{Ecn, Path};
use tme_core::endpoint::{Endpoint, EndpointConfig, ServerSetup};
use tme_core::handshake::client::{ClientHandshakeConfig, Trust};
use tme_core::handshake::parameters::{ConnectionId, Limits, UserData};
use tme_core::handshake::reason::Reason;
use tme_core::handshake::server::ServerHandshakeConfig;
use tme_core::link::{Jitter, Link, LinkConditions};
use tme_core::payload::Payload;
use tme_core::random::{Random, SeededRandom};
use tme_core::time::{Duration, Instant};
use tme_core::wire::header::is_data_packet;

const START: Instant = Instant::from_micros(1_000_000);
const CHANNELS: [(&str, ChannelMode); 5] = [
    ("voice", ChannelMode::Unreliable),
    ("pose", ChannelMode::Sequenced),
    ("events", ChannelMode::ReliableUnordered),
    ("chat", ChannelMode::ReliableOrdered),
    ("state", ChannelMode::ReliableLatest),
];
const UNRELIABLE: ChannelId = ChannelId(20);
const SEQUENCED: ChannelId = ChannelId(21);
const UNORDERED: ChannelId = ChannelId(22);
const ORDERED: ChannelId = ChannelId(23);
const LATEST: ChannelId = ChannelId(24);
const APPLICATION_ID: u64 = 0x00C0_FFEE;

const CLIENT: usize = 0;
const SERVER: usize = 1;

/// What distinguishes one recording from another.
struct Scenario {
    name: &'static str,
    description: &'static str,
    seed: u64,
    suite: Suite,
    has_identity: bool,
    declares_table: bool,
}

struct Node {
    endpoint: Endpoint,
    random: SeededRandom,
    address: SocketAddr,
    /// Towards the other node.
    link: Link<()>,
    /// Every datagram sent, to recognise those that arrive damaged.
    sent: BTreeSet<Vec<u8>>,
    peer: Option<PeerId>,
    ended: Option<Reason>,
    /// Messages given to the endpoint, and those it delivered, by channel.
    outbox: [Vec<Vec<u8>>; 5],
    inbox: [Vec<Vec<u8>>; 5],
}

/// One datagram as it arrived.
struct Record {
    t_us: u64,
    from: usize,
    bytes: Vec<u8>,
    /// The receiver must not take it.
    is_refused: bool,
}

struct World {
    now: Instant,
    nodes: [Node; 2],
    records: Vec<Record>,
    client_ephemeral: [u8; 32],
    /// Sizes and contents of messages.
    content: SeededRandom,
}

/// Notes what a generator gives.
struct Noted<'a> {
    random: &'a mut SeededRandom,
    bytes: Vec<u8>,
}

impl Random for Noted<'_> {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.random.fill(bytes);
        self.bytes.extend_from_slice(bytes);
    }
}

fn table() -> ChannelTable {
    let channels = CHANNELS.iter().zip(20u8..).map(|((name, mode), id)| Channel::new(*name, *mode).id(id));
    ChannelTable::new(channels).expect("a good table")
}

fn position(channel: ChannelId) -> usize {
    usize::from(channel.0 - 20)
}

const fn server_key() -> [u8; 32] {
    [0x51; 32]
}

const fn identity_key() -> [u8; 32] {
    [0x1D; 32]
}

/// Limits so low that credit has to be given back now and then.
fn limits() -> Limits {
    Limits {
        reliable_message_bytes_max: 8_192,
        connection_credit_bytes: 24_576,
        channel_credit_bytes: 16_384,
        channel_credit_messages: 24,
        ..Limits::default()
    }
}

fn conditions(corrupt: f64) -> LinkConditions {
    LinkConditions {
        delay: Duration::from_millis(25),
        jitter: Jitter::Uniform { half_width: Duration::from_millis(10) },
        jitter_reorders: true,
        loss: 0.08,
        duplicate: 0.05,
        corrupt,
        ..LinkConditions::default()
    }
}

impl Node {
    fn new(address: &str, config: EndpointConfig, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        Self {
            endpoint: Endpoint::new(config, &mut random).expect("a good configuration"),
            random,
            address: address.parse().expect("an address"),
            link: Link::new(conditions(0.0), seed).expect("good conditions"),
            sent: BTreeSet::new(),
            peer: None,
            ended: None,
            outbox: Default::default(),
            inbox: Default::default(),
        }
    }

    /// Datagrams that had no effect, repetitions apart.
    fn drops(&self) -> u64 {
        let drops = self.endpoint.statistics().drops;
        drops.total() - drops.of(PacketDrop::Replayed)
    }

    fn take_events(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Connected { peer, .. } => self.peer = Some(peer),
                Event::Message { peer, channel, payload, .. } => {
                    self.endpoint.consume(peer, channel, payload.len() as u64, 1);
                    self.inbox[position(channel)].push(payload.into_vec());
                }
                Event::Disconnected { reason, .. } => self.ended = Some(reason.reason),
                _ => {}
            }
        }
    }
}

impl World {
    fn new(scenario: &Scenario) -> Self {
        let key_limits = KeyLimits { packets_max: 20, ..KeyLimits::default() };
        let connection =
            ConnectionConfig { key_limits, clock_sync: ClockSync::FromStart, ..ConnectionConfig::default() };
        let key = KeyPair::from(SecretKey::from_bytes(server_key()));
        let mut handshake = ServerHandshakeConfig::new(key, table());
        handshake.application_id = APPLICATION_ID;
        handshake.limits = limits();
        handshake.suites = SuitePreference::new(&[scenario.suite]).expect("one suite");
        let server = EndpointConfig { connection, server: Some(ServerSetup::new(handshake)) };
        let client = EndpointConfig { connection, ..EndpointConfig::default() };
        let mut world = Self {
            now: START,
            nodes: [
                Node::new("192.0.2.17:40001", client, scenario.seed),
                Node::new("198.51.100.1:7777", server, scenario.seed + 1),
            ],
            records: Vec::new(),
            client_ephemeral: [0; 32],
            content: SeededRandom::new(scenario.seed + 2),
        };
        world.connect(scenario);
        world
    }

    fn connect(&mut self, scenario: &Scenario) {
        let server_address = self.nodes[SERVER].address;
        let mut config = ClientHandshakeConfig::new(
            Trust::Unverified,
            ConnectionId::new(1).expect("chosen by the endpoint"),
        );
        config.application_id = APPLICATION_ID;
        config.limits = limits();
        config.channels = scenario.declares_table.then(table);
        config.suites = match scenario.suite {
            Suite::Plaintext => SuiteSet::PLAINTEXT,
            _ => SuiteSet::ENCRYPTED,
        };
        config.identity = scenario.has_identity.then(|| KeyPair::from(SecretKey::from_bytes(identity_key())));
        config.user_data = UserData::new(*b"alice").expect("short");
        let client = &mut self.nodes[CLIENT];
        let mut random = Noted { random: &mut client.random, bytes: Vec::new() };
        client.endpoint.connect(START, server_address, config, &mut random).expect("there is room");
        // The first thing a handshake draws is its ephemeral key.
        self.client_ephemeral.copy_from_slice(&random.bytes[..32]);
    }

    /// Everything that happens up to this moment.
    fn run_until(&mut self, until: Instant) {
        while self.now < until {
            for index in [CLIENT, SERVER] {
                self.deliver_to(index);
                self.serve(index);
            }
            let wake_ups =
                self.nodes.iter().flat_map(|node| [node.endpoint.poll_timeout(), node.link.poll_timeout()]);
            let next = wake_ups.flatten().min().unwrap_or(until);
            self.now = next.clamp(self.now + Duration::from_micros(1), until);
        }
    }

    fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Hands in what has arrived, and records it until the client's goodbye was answered.
    fn deliver_to(&mut self, index: usize) {
        let [client, server] = &mut self.nodes;
        let (node, other) = if index == CLIENT { (client, server) } else { (server, client) };
        while let Some(delivery) = other.link.poll_delivery(self.now) {
            let bytes = delivery.bytes.to_vec();
            let was_over =
                node.ended.is_some() && index == CLIENT || other.ended.is_some() && index == SERVER;
            let drops = node.drops();
            let path = Path::to(other.address);
            node.endpoint.handle_datagram(self.now, path, Ecn::NotCapable, delivery.bytes, &mut node.random);
            node.take_events();
            // A copy of what was taken before is no news, however it is counted.
            let is_copy = self
                .records
                .iter()
                .any(|record| record.from == 1 - index && !record.is_refused && record.bytes == bytes);
            let is_refused = !other.sent.contains(&bytes) || (node.drops() > drops && !is_copy);
            if !was_over {
                let t_us = self.now.saturating_since(START).as_micros() as u64;
                self.records.push(Record { t_us, from: 1 - index, bytes, is_refused });
            }
        }
    }

    fn serve(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
            node.endpoint.handle_timeout(self.now);
        }
        let mut buffer = Vec::new();
        let limits = TransmitLimits { segments: 4, bytes: 65_000 };
        while let Some(transmit) = node.endpoint.poll_transmit(self.now, limits, &mut buffer) {
            for datagram in buffer.chunks(transmit.segment_bytes.unwrap_or(transmit.bytes)) {
                node.link.handle_datagram(self.now, datagram, ());
                node.sent.insert(datagram.to_vec());
            }
        }
        node.take_events();
    }

    fn send(&mut self, from: usize, channel: ChannelId, key: Option<u32>, bytes: u64) {
        let mut message = vec![0; bytes as usize];
        self.content.fill(&mut message);
        let node = &mut self.nodes[from];
        let peer = node.peer.expect("connected");
        let payload = Payload::from(&message);
        node.endpoint
            .send(
                self.now,
                peer,
                channel,
                payload,
                key.map_or_else(SendOptions::default, SendOptions::with_key),
            )
            .expect("the queues are far from full");
        node.outbox[position(channel)].push(message);
    }

    /// Almost two seconds of a game in which both sides do everything there is to do.
    fn play(&mut self) {
        for tick in 0..90u64 {
            for side in [CLIENT, SERVER] {
                let turn = tick + side as u64;
                let small = self.content.below(40);
                self.send(side, UNRELIABLE, None, if turn % 40 == 10 { 2_300 } else { small });
                if turn.is_multiple_of(2) {
                    self.send(side, SEQUENCED, None, if turn % 40 == 30 { 1_200 } else { 12 });
                }
                // Two at once: the second one's sequence is implied.
                for bytes in [3 * small, small].into_iter().filter(|_| turn.is_multiple_of(5)) {
                    self.send(side, UNORDERED, None, bytes);
                }
                if turn.is_multiple_of(7) {
                    self.send(side, ORDERED, None, if turn == 21 { 7_000 } else { small });
                }
                // Several values of a key in one round trip, so that some are superseded on their way.
                if turn.is_multiple_of(2) {
                    let bytes = if turn % 26 == 8 { 2_500 } else { 8 };
                    self.send(side, LATEST, Some((turn / 8 % 3) as u32 * 100), bytes);
                }
            }
            self.run_for(Duration::from_millis(20));
        }
    }

    fn goodbye(&mut self) {
        self.send(CLIENT, ORDERED, None, 7);
        let client = &mut self.nodes[CLIENT];
        let farewell = Farewell { reason: Reason::Closed, code: 7, detail: Payload::from("bye") };
        let peer = client.peer.expect("connected");
        assert!(client.endpoint.disconnect(self.now, peer, CloseMode::Flush, farewell));
        self.run_for(Duration::from_secs(3));
    }

    /// Reliable messages arrived all, the ordered ones in order.
    fn assert_delivered(&self) {
        for (from, to) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
            assert_eq!(self.nodes[to].inbox[3], self.nodes[from].outbox[3]);
            let sorted = |messages: &[Vec<u8>]| {
                let mut messages = messages.to_vec();
                messages.sort();
                messages
            };
            assert_eq!(sorted(&self.nodes[to].inbox[2]), sorted(&self.nodes[from].outbox[2]));
            assert_eq!(self.nodes[to].ended, Some(Reason::Closed));
        }
    }

    /// A recording that lacks what it is there to show would prove nothing.
    fn assert_rich(&self, scenario: &Scenario) {
        for (from, to) in [(CLIENT, SERVER), (SERVER, CLIENT)] {
            let ours = || self.records.iter().filter(move |record| record.from == from);
            assert!(ours().filter(|record| record.is_refused).count() >= 2, "damaged datagrams");
            let distinct: BTreeSet<&[u8]> = ours().map(|record| &record.bytes[..]).collect();
            assert!(ours().count() > distinct.len() + 2, "copies");
            assert!(distinct.len() + 5 < self.nodes[from].sent.len(), "losses");
            assert!(self.nodes[to].inbox.iter().all(|messages| messages.len() >= 10), "all channels");
            let long =
                |index: usize| self.nodes[to].inbox[index].iter().filter(|message| message.len() > 1_100);
            assert!([0, 1, 3, 4].iter().all(|&index| long(index).count() > 0), "fragments");
            let genuine = ours().filter(|record| !record.is_refused && is_data_packet(&record.bytes));
            let phases: Vec<u8> = genuine.map(|record| record.bytes[0] & KEY_PHASE_BIT).collect();
            // Reordering makes a few changes more; one update is one change at least.
            let changes = phases.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(changes >= 3 || scenario.suite == Suite::Plaintext, "{changes} key updates");
        }
    }

    fn render(&self, scenario: &Scenario) -> String {
        let identity =
            if scenario.has_identity { format!("{:?}", hex(&identity_key())) } else { "null".to_owned() };
        let channels = CHANNELS.iter().zip(20u8..).map(|((name, mode), id)| {
            format!("{{\"id\": {id}, \"mode\": {}, \"name\": \"{name}\"}}", *mode as u8)
        });
        let digests = |from: usize, position: usize| {
            let messages = self.nodes[from].outbox[position].iter();
            list(messages.map(|message| format!("{:?}", sha256(message))))
        };
        let expect = |from: usize| format!("{{\"2\": {}, \"3\": {}}}", digests(from, 2), digests(from, 3));
        let records = self.records.iter().map(|record| {
            let direction = if record.from == CLIENT { "c2s" } else { "s2c" };
            let refused = if record.is_refused { ", \"refused\": true" } else { "" };
            let (t_us, bytes) = (record.t_us, hex(&record.bytes));
            format!("{{\"t_us\": {t_us}, \"direction\": \"{direction}\", \"hex\": \"{bytes}\"{refused}}}")
        });
        let fields = [
            format!("\"description\": \"{}\"", scenario.description),
            format!("\"application_id\": {APPLICATION_ID}"),
            format!("\"server_private_key\": {:?}", hex(&server_key())),
            format!("\"client_ephemeral_private\": {:?}", hex(&self.client_ephemeral)),
            format!("\"client_static_private\": {identity}"),
            format!("\"client_address\": \"{}\"", self.nodes[CLIENT].address.ip()),
            format!("\"channels\": {}", list(channels)),
            format!("\"expect\": {{\"c2s\": {}, \"s2c\": {}}}", expect(CLIENT), expect(SERVER)),
            format!("\"datagrams\": [\n{}\n]", records.collect::<Vec<_>>().join(",\n")),
        ];
        format!("{{{}}}\n", fields.join(",\n"))
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// Plays the scenario and compares it with its recording, or writes that.
fn record(scenario: &Scenario) {
    let mut world = World::new(scenario);
    while world.nodes.iter().any(|node| node.peer.is_none()) {
        world.run_for(Duration::from_millis(10));
        assert!(world.now < START + Duration::from_secs(10), "nobody connects");
    }
    // A damaged handshake datagram can be as good as a genuine one to a reader; damaged packets cannot.
    for node in &mut world.nodes {
        node.link.set_conditions(world.now, conditions(0.04)).expect("good conditions");
    }
    world.play();
    world.run_for(Duration::from_millis(700));
    world.goodbye();
    world.assert_delivered();
    world.assert_rich(scenario);
    let text = world.render(scenario);
    assert!(text.len() < 300_000, "{} bytes are too many for a file in the repository", text.len());

    let file = format!("session-recorded-{}.json", scenario.name);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(&file);
    if std::env::var_os("TME_WRITE_VECTORS").is_some_and(|value| value == "1") {
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let recorded =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if let Some(line) = text.lines().zip(recorded.lines()).position(|(new, old)| new != old) {
        panic!("{file} differs from line {} on: the wire has changed; see the head of this test", line + 1);
    }
    assert_eq!(text.len(), recorded.len(), "{file} has another length: the wire has changed");
}

#[test]
fn an_anonymous_session_over_aes() {
    record(&Scenario {
        name: "nk",
        description: "recorded: NK, AES-256-GCM, the server's table, bad link, key updates",
        seed: 100,
        suite: Suite::Aes256Gcm,
        has_identity: false,
        declares_table: false,
    });
}

#[test]
fn a_session_with_an_identity_over_chacha() {
    record(&Scenario {
        name: "ik",
        description: "recorded: IK, ChaCha20-Poly1305, a declared table, bad link, key updates",
        seed: 210,
        suite: Suite::ChaCha20Poly1305,
        has_identity: true,
        declares_table: true,
    });
}

#[test]
fn a_session_in_plaintext() {
    record(&Scenario {
        name: "plaintext",
        description: "recorded: NK, plaintext suite, a declared table, bad link",
        seed: 300,
        suite: Suite::Plaintext,
        has_identity: false,
        declares_table: true,
    });
}
