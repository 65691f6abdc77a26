//! Real sockets under attack: from strangers, and from somebody who stands in the way.
#![allow(missing_docs)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use common::{client_of, server};
use tme::{Client, EndpointStatistics, Event, Origin, PeerId, Reason, Server};
use tme_core::channel::ChannelMode;
use tme_core::crypto::packet::{KeyLimits, PacketProtection};
use tme_core::handshake::client::{ClientEvent, ClientHandshake, ClientHandshakeConfig, Trust};
use tme_core::handshake::datagram::{HandshakeDatagram, Refuse, Versions};
use tme_core::handshake::parameters::ConnectionId;
use tme_core::random::{Random, SeededRandom};
use tme_core::wire::ack::{Ack, AckDelay, AckRanges};
use tme_core::wire::frame::{Frame, Frames};
use tme_core::wire::header::{Header, KeyPhase, TruncatedNumber, is_data_packet};

const PATIENCE: Duration = Duration::from_secs(20);

/// Both sides have network threads; what the server gets it sends back.
struct Echo {
    server: Server,
    client: Client,
    sent: u32,
    received: u32,
}

impl Echo {
    fn update(&mut self) {
        self.server.update(Duration::ZERO).unwrap();
        for event in self.server.events() {
            if let Event::Message { peer, channel, payload, .. } = event {
                self.server.send(peer, channel, payload).unwrap();
            }
        }
        self.client.update(Duration::ZERO).unwrap();
        for event in self.client.events() {
            match event {
                Event::Message { payload, .. } => {
                    assert_eq!(*payload, self.received.to_le_bytes(), "in order, each once");
                    self.received += 1;
                }
                Event::Disconnected { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    }

    fn send(&mut self) {
        self.client.send(0, &self.sent.to_le_bytes()).unwrap();
        self.sent += 1;
    }

    fn run_until(&mut self, mut is_done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !is_done(self) {
            assert!(start.elapsed() < PATIENCE, "{} of {} came back", self.received, self.sent);
            self.update();
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn accounted(statistics: &EndpointStatistics) -> u64 {
    let EndpointStatistics { drops, handshake, .. } = statistics;
    drops.total() + handshake.drops.total() + handshake.cookies + handshake.refused_total()
}

fn strangers_datagram(n: u64, random: &mut SeededRandom) -> Vec<u8> {
    let mut bytes = vec![0; random.below(1_400) as usize];
    random.fill(&mut bytes);
    match n % 4 {
        0 => {
            let id = ConnectionId::new(1).unwrap();
            let config = ClientHandshakeConfig::new(Trust::Unverified, id);
            let now = tme_core::time::Instant::ZERO;
            let mut handshake = ClientHandshake::new(config, now, random).unwrap();
            assert!(handshake.poll_transmit(now, &mut bytes));
        }
        1 => {
            bytes.splice(0..0, *b"TMED");
        }
        2 => bytes.insert(0, 0x80),
        _ => {}
    }
    bytes
}

#[test]
fn strangers_disturb_nobody_and_are_counted() {
    let server = server().start_threaded().unwrap();
    let client = client_of(&server).start_threaded().unwrap();
    let target = server.local_addr();
    let mut echo = Echo { server, client, sent: 0, received: 0 };
    echo.run_until(|echo| echo.client.is_connected() && !echo.server.peers().is_empty());
    let before = accounted(&echo.server.statistics().endpoint);
    let mut random = SeededRandom::new(3);
    let sockets: Vec<UdpSocket> = (0..8).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for n in 0..4_000u64 {
        let bytes = strangers_datagram(n, &mut random);
        sockets[n as usize % sockets.len()].send_to(&bytes, target).unwrap();
        if n % 20 == 0 {
            // In the end there are only strangers.
            if n < 3_800 {
                echo.send();
            }
            // No more than a socket's buffer holds may be under way, or the system drops what we want counted.
            echo.run_until(|echo| echo.received == echo.sent);
        }
    }
    echo.run_until(|echo| accounted(&echo.server.statistics().endpoint) - before >= 4_000);
    let statistics = echo.server.statistics().endpoint;
    assert_eq!(accounted(&statistics) - before, 4_000, "{statistics:?}");
    assert_eq!(
        (statistics.peers, statistics.handshake.attempts, statistics.handshake.connections),
        (1, 0, 1)
    );
    assert_eq!(echo.received, 190);
}

/// Passes datagrams on between a client and a server, and for each sends more that it made of it: cut short, damaged,
/// and the same again.
struct Meddler {
    to_client: UdpSocket,
    to_server: UdpSocket,
    server: SocketAddr,
    client: Option<SocketAddr>,
    random: SeededRandom,
    forged: u64,
}

impl Meddler {
    fn new(server: SocketAddr) -> Self {
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let (to_client, to_server) = (bind(), bind());
        Self { to_client, to_server, server, client: None, random: SeededRandom::new(4), forged: 0 }
    }

    fn pass_on(&mut self) {
        let mut buffer = [0; 2_000];
        while let Ok((count, from)) = self.to_client.recv_from(&mut buffer) {
            self.client = Some(from);
            self.meddle(&buffer[..count], true);
        }
        while let Ok((count, _)) = self.to_server.recv_from(&mut buffer) {
            self.meddle(&buffer[..count], false);
        }
    }

    fn meddle(&mut self, genuine: &[u8], is_to_server: bool) {
        let mut forged = vec![genuine.to_vec(); 4];
        forged[0].truncate(self.random.below(genuine.len() as u64) as usize);
        let damaged = self.random.below(genuine.len() as u64) as usize;
        forged[1][damaged] ^= 1 << self.random.below(8);
        let tail = genuine.len() - 1;
        forged[2][tail] ^= 1;
        let genuine = genuine.to_vec();
        let [cut, damaged, unauthentic, copy] = &forged[..] else { return };
        // Whoever can hold the handshake back can prevent it; here the meddler is only a little late.
        let is_handshake = genuine.starts_with(b"TMED");
        let order = if is_handshake {
            [&genuine, cut, damaged, unauthentic, copy]
        } else {
            [cut, damaged, unauthentic, &genuine, copy]
        };
        for bytes in order {
            let _ = match (is_to_server, self.client) {
                (true, _) => self.to_server.send_to(bytes, self.server),
                (false, Some(client)) => self.to_client.send_to(bytes, client),
                (false, None) => Ok(0),
            };
        }
        self.forged += 4;
    }
}

/// A client made by hand, which says in its packets whatever a test wants.
struct Raw {
    socket: UdpSocket,
    server: SocketAddr,
    modes: Vec<ChannelMode>,
    protection: PacketProtection,
    remote_id: u32,
    next_number: u64,
    largest_received: Option<u64>,
}

const START: tme_core::time::Instant = tme_core::time::Instant::ZERO;

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    socket
}

/// What comes within a moment.
fn received(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut buffer = [0; 2_000];
    std::iter::from_fn(|| socket.recv_from(&mut buffer).ok().map(|(bytes, _)| buffer[..bytes].to_vec()))
        .collect()
}

impl Raw {
    /// Connects to a server in a thread of its own.
    fn connect(server: SocketAddr) -> Self {
        let socket = socket();
        let mut random = SeededRandom::new(77);
        let config = ClientHandshakeConfig::new(Trust::Unverified, ConnectionId::new(1).unwrap());
        let mut handshake = ClientHandshake::new(config, START, &mut random).unwrap();
        let mut datagram = Vec::new();
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "no connection");
            while handshake.poll_transmit(START, &mut datagram) {
                socket.send_to(&datagram, server).unwrap();
            }
            for answer in received(&socket) {
                handshake.handle_datagram(START, &answer, &mut random);
            }
            let Some(event) = handshake.poll_event() else { continue };
            let ClientEvent::Established(established) = event else { panic!("{event:?}") };
            let (suite, secrets) = (established.suite, &established.secrets);
            let mut raw = Self {
                socket,
                server,
                modes: established.channels.entries().iter().map(|entry| entry.mode).collect(),
                protection: PacketProtection::new(suite, secrets, KeyLimits::default(), START),
                remote_id: established.remote_connection_id.get(),
                next_number: 0,
                largest_received: None,
            };
            raw.send(&Frame::Ping);
            return raw;
        }
    }

    fn seal(&mut self, frames: &[u8]) -> Vec<u8> {
        let number = TruncatedNumber::Long(self.next_number as u32);
        let header = Header { connection_id: self.remote_id, number, phase: KeyPhase(false) };
        let mut datagram = Vec::new();
        header.encode(&mut datagram);
        datagram.extend_from_slice(frames);
        datagram.resize(datagram.len() + self.protection.tag_bytes(), 0);
        self.protection.seal_in_place(START, self.next_number, &mut datagram, header.bytes());
        self.next_number += 1;
        datagram
    }

    fn send(&mut self, frame: &Frame<'_>) {
        let mut frames = Vec::new();
        frame.encode(&self.modes, &mut frames);
        let datagram = self.seal(&frames);
        self.socket.send_to(&datagram, self.server).unwrap();
    }

    fn acknowledge(&mut self, newest: u64) {
        let ranges = AckRanges::default();
        self.send(&Frame::Ack(Ack { newest: newest as u32, delay: AckDelay(0), field: u64::MAX, ranges }));
    }

    /// The payloads of packets that come within a moment.
    fn payloads(&mut self) -> Vec<Vec<u8>> {
        let datagrams = received(&self.socket);
        datagrams.into_iter().filter_map(|datagram| self.open(datagram)).collect()
    }

    fn open(&mut self, mut datagram: Vec<u8>) -> Option<Vec<u8>> {
        let header = Header::decode(&datagram).filter(|_| is_data_packet(&datagram))?;
        let number = header.number.expand(self.largest_received);
        let bytes = self.protection.open_in_place(START, number, &mut datagram, header.bytes()).ok()?;
        self.largest_received = self.largest_received.max(Some(number));
        Some(datagram[header.bytes()..][..bytes].to_vec())
    }

    fn has_close(&self, payload: &[u8], expected: Reason) -> bool {
        Frames::new(payload, &self.modes)
            .any(|frame| matches!(frame, Ok(Frame::Close { reason, .. }) if reason == expected.code()))
    }

    /// Numbers in the messages of a payload.
    fn numbers(&self, payload: &[u8]) -> Vec<u32> {
        let messages = Frames::new(payload, &self.modes).filter_map(|frame| match frame {
            Ok(Frame::Message(message)) => Some(u32::from_le_bytes(message.data.try_into().unwrap())),
            _ => None,
        });
        messages.collect()
    }
}

/// A server in a thread, an honest client and one made by hand; the ids of both at the server.
fn with_raw() -> (Server, Client, Raw, [PeerId; 2]) {
    let mut server = server().start_threaded().unwrap();
    let mut client = client_of(&server).start_threaded().unwrap();
    let mut peers = Vec::new();
    let mut raw = None;
    let begun = Instant::now();
    while peers.len() < 2 {
        assert!(begun.elapsed() < PATIENCE, "{peers:?}");
        server.update(Duration::from_millis(5)).unwrap();
        client.update(Duration::ZERO).unwrap();
        peers.extend(server.events().filter_map(|event| match event {
            Event::Connected { peer, .. } => Some(peer),
            _ => None,
        }));
        if peers.len() == 1 && raw.is_none() {
            raw = Some(Raw::connect(server.local_addr()));
        }
    }
    (server, client, raw.unwrap(), [peers[0], peers[1]])
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_ends_its_own_connection_and_no_other() {
    let (mut server, client, mut raw, [honest, liar]) = with_raw();
    raw.acknowledge(1_000_000);
    let begun = Instant::now();
    let (mut end, mut is_told) = (None, false);
    while end.is_none() || !is_told {
        assert!(begun.elapsed() < PATIENCE, "{end:?}, told: {is_told}");
        for payload in raw.payloads() {
            is_told |= raw.has_close(&payload, Reason::ProtocolViolation);
        }
        if is_told {
            // Now it is told what it waits for: that its CLOSE has arrived.
            raw.acknowledge(raw.largest_received.unwrap());
        }
        server.update(Duration::from_millis(5)).unwrap();
        for event in server.events() {
            if let Event::Disconnected { peer, reason, .. } = event {
                end = Some((peer, reason.reason, reason.origin));
            }
        }
    }
    assert_eq!(end, Some((liar, Reason::ProtocolViolation, Origin::Local)));
    assert_eq!(server.peers().iter().map(|peer| peer.peer).collect::<Vec<_>>(), [honest]);
    let mut echo = Echo { server, client, sent: 0, received: 0 };
    echo.send();
    echo.run_until(|echo| echo.received == echo.sent);
}

#[test]
fn a_peer_that_claims_an_address_which_does_not_answer_stays_where_it_was_and_loses_nothing() {
    const MESSAGES: u32 = 200;
    let (mut server, _client, mut raw, [_, peer]) = with_raw();
    let victim = socket();
    let (home, target) = (raw.socket.local_addr().unwrap(), raw.server);
    let begun = Instant::now();
    let (mut numbers, mut sent, mut claimed, mut at_victim) = (Vec::new(), 0u32, 0, 0);
    let refused = |server: &Server| server.peer_statistics(peer).map_or(0, |of| of.address_changes_refused);
    while numbers.len() < MESSAGES as usize || refused(&server) == 0 {
        assert!(begun.elapsed() < PATIENCE, "{} came, {} refused", numbers.len(), refused(&server));
        if sent < MESSAGES {
            for number in sent..sent + 20 {
                server.send(peer, 0, &number.to_le_bytes()).unwrap();
            }
            sent += 20;
        }
        // The newest packets, and no answer to what is asked there. One of them is too short for the question.
        for _ in 0..2 {
            let claim = raw.seal(&[1]);
            victim.send_to(&claim, target).unwrap();
            claimed += claim.len();
        }
        for datagram in received(&victim) {
            at_victim += datagram.len();
            assert!(datagram.len() < 60, "a question and nothing else: {} bytes", datagram.len());
        }
        for payload in raw.payloads() {
            numbers.extend(raw.numbers(&payload));
        }
        if let Some(newest) = raw.largest_received {
            raw.acknowledge(newest);
        }
        server.update(Duration::from_millis(1)).unwrap();
        for event in server.events() {
            assert!(!matches!(event, Event::AddressChanged { .. } | Event::Disconnected { .. }), "{event:?}");
        }
    }
    assert_eq!(server.peer(peer).unwrap().remote, home);
    // Copies of small messages may ride again; the receiver's library tells them by their sequence.
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..MESSAGES).collect::<Vec<_>>());
    assert!(at_victim > 0 && at_victim <= claimed, "{at_victim} for {claimed}");
}

#[test]
fn versions_that_do_not_go_together_are_told_to_the_side_that_can_act() {
    // A client of the future at this server.
    let (server, stranger) = (server().start_threaded().unwrap(), socket());
    let versions = Versions::new(&[9]).unwrap();
    let id = ConnectionId::new(1).unwrap();
    let config = ClientHandshakeConfig { versions, ..ClientHandshakeConfig::new(Trust::Unverified, id) };
    let mut random = SeededRandom::new(5);
    let mut newer = ClientHandshake::new(config, START, &mut random).unwrap();
    let mut hello = Vec::new();
    let begun = Instant::now();
    let error = loop {
        assert!(begun.elapsed() < PATIENCE, "no answer");
        while newer.poll_transmit(START, &mut hello) {
            stranger.send_to(&hello, server.local_addr()).unwrap();
        }
        for answer in received(&stranger) {
            newer.handle_datagram(START, &answer, &mut random);
        }
        if let Some(ClientEvent::Failed(error)) = newer.poll_event() {
            break error.to_string();
        }
    };
    assert!(error.contains("the server speaks [1], this client [9]"), "{error}");
    assert!(server.statistics().endpoint.handshake.refused(Reason::Version) > 0);

    // This client at a server of the future, in whose place somebody else has answered nonsense before.
    let address = stranger.local_addr().unwrap().to_string();
    let mut client = Client::builder().connect(address).start_threaded().unwrap();
    let begun = Instant::now();
    let mut questions = 0;
    let end = loop {
        assert!(begun.elapsed() < PATIENCE, "it was not told");
        let mut buffer = [0; 2_000];
        if let Ok((bytes, from)) = stranger.recv_from(&mut buffer) {
            let Ok(HandshakeDatagram::Hello(hello)) = HandshakeDatagram::parse(&buffer[..bytes]) else {
                panic!()
            };
            let spoken = if questions == 0 { 1 } else { 9 };
            questions += 1;
            let versions = Versions::new(&[spoken]).unwrap();
            let client_nonce = hello.offer.client_nonce;
            let mut refusal = Vec::new();
            HandshakeDatagram::Refuse(Refuse { client_nonce, reason: Reason::Version, versions })
                .encode(&mut refusal);
            stranger.send_to(&refusal, from).unwrap();
        }
        let _ = client.update(Duration::ZERO);
        let end = client.events().find_map(|event| match event {
            Event::Disconnected { reason, .. } => Some(reason),
            _ => None,
        });
        if let Some(end) = end {
            break end;
        }
    };
    assert_eq!((end.reason, end.origin), (Reason::Version, Origin::Unauthenticated));
    assert_eq!(questions, 3, "one that nobody believed, and two that agreed");
    assert!(end.to_string().contains("[9]"), "{end}");
}

#[test]
fn a_meddler_on_the_path_cannot_disturb_a_conversation() {
    let server = server().start_threaded().unwrap();
    let mut meddler = Meddler::new(server.local_addr());
    let relay = meddler.to_client.local_addr().unwrap().to_string();
    let client = Client::builder().connect(relay).server_key(server.public_key()).start_threaded().unwrap();
    let mut echo = Echo { server, client, sent: 0, received: 0 };
    echo.run_until(|echo| {
        meddler.pass_on();
        echo.client.is_connected() && !echo.server.peers().is_empty()
    });
    while echo.sent < 500 {
        echo.send();
        echo.run_until(|echo| {
            meddler.pass_on();
            echo.received == echo.sent
        });
    }
    let server = echo.server.statistics().endpoint;
    assert!(meddler.forged > 2_000 && server.drops.total() > 500, "{} forged, {server:?}", meddler.forged);
    assert_eq!((server.peers, server.handshake.shared_secrets), (1, 2));
}
