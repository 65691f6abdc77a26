//! Real sockets under attack: from strangers, and from somebody who stands in the way.
#![allow(missing_docs)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use common::{client_of, server};
use tme::{Client, EndpointStatistics, Event, Server};
use tme_core::handshake::client::{ClientHandshake, ClientHandshakeConfig, Trust};
use tme_core::handshake::parameters::ConnectionId;
use tme_core::random::{Random, SeededRandom};

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
