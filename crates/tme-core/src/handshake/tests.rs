//! Both sides of the handshake against each other, and against whoever stands between them.

mod abuse;
mod datagrams;
mod exchange;
mod payloads;
mod refusals;
mod tokens;

use std::net::SocketAddr;

use super::client::{ClientEvent, ClientHandshake, ClientHandshakeConfig, Established, Trust};
use super::parameters::{ConnectionId, PeerNumber, UserData};
use super::server::{AcceptInfo, Accepted, ConnectRequest, Outcome, ServerHandshake, ServerHandshakeConfig};
use crate::channel::ChannelTable;
use crate::crypto::keys::KeyPair;
use crate::datagram::Carrier;
use crate::random::SeededRandom;
use crate::time::{Duration, Instant};

const START: Instant = Instant::from_micros(1_000_000_000);

fn client_address() -> SocketAddr {
    "192.0.2.7:40000".parse().unwrap()
}

fn server_key() -> KeyPair {
    KeyPair::generate(&mut SeededRandom::new(100))
}

fn identity() -> KeyPair {
    KeyPair::generate(&mut SeededRandom::new(200))
}

fn client_config() -> ClientHandshakeConfig {
    let config = ClientHandshakeConfig::new(
        Trust::Pinned(vec![server_key().public()]),
        ConnectionId::new(0xC11E_0001).unwrap(),
    );
    ClientHandshakeConfig { channels: Some(ChannelTable::default()), ..config }
}

fn server_config() -> ServerHandshakeConfig {
    ServerHandshakeConfig::new(server_key(), ChannelTable::default())
}

fn accept_info() -> AcceptInfo {
    AcceptInfo {
        connection_id: ConnectionId::new(0x5E00_0001).unwrap(),
        peer_number: PeerNumber::new(2).unwrap(),
        user_data: UserData::new(*b"welcome").unwrap(),
    }
}

/// A client and a server with a virtual clock and a link that the test holds in its hands.
struct World {
    now: Instant,
    random: SeededRandom,
    client: ClientHandshake,
    server: ServerHandshake,
    remote: SocketAddr,
    accepted: Vec<Accepted>,
}

impl World {
    fn new(client: ClientHandshakeConfig, server: ServerHandshakeConfig) -> Self {
        let mut random = SeededRandom::new(1);
        Self {
            now: START,
            client: ClientHandshake::new(client, START, &mut random).unwrap(),
            server: ServerHandshake::new(server, &mut random).unwrap(),
            random,
            remote: client_address(),
            accepted: Vec::new(),
        }
    }

    /// Everything the client wants to send now.
    fn sent_by_client(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let mut datagram = vec![0xA5; 10];
        while self.client.poll_transmit(self.now, &mut datagram) {
            datagrams.push(datagram.clone());
        }
        assert!(datagram.is_empty());
        datagrams
    }

    fn offer_to_server(&mut self, datagram: &[u8]) -> (Outcome, Vec<u8>) {
        let mut reply = vec![0xA5; 10];
        let outcome = self.server.handle_datagram(
            self.now,
            (self.remote, Carrier::Datagrams),
            datagram,
            &mut self.random,
            &mut reply,
        );
        (outcome, reply)
    }

    /// What a server answers that accepts everybody.
    fn deliver_to_server(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let (outcome, reply) = self.offer_to_server(datagram);
        match outcome {
            Outcome::Drop(_) | Outcome::Incomplete => vec![],
            Outcome::Reply => vec![reply],
            Outcome::ReplyCached(answer) => answer.iter().map(<[u8]>::to_vec).collect(),
            Outcome::Request(request) => {
                let accepted = self.server.accept(request, accept_info()).unwrap();
                let datagrams = accepted.datagrams.iter().map(<[u8]>::to_vec).collect();
                self.accepted.push(accepted);
                datagrams
            }
        }
    }

    fn deliver_to_client(&mut self, datagrams: &[Vec<u8>]) {
        for datagram in datagrams {
            self.client.handle_datagram(self.now, datagram, &mut self.random);
        }
    }

    /// One exchange over a perfect link.
    fn round(&mut self) {
        for datagram in self.sent_by_client() {
            let answers = self.deliver_to_server(&datagram);
            self.deliver_to_client(&answers);
        }
    }

    fn run(&mut self) -> ClientEvent {
        self.round();
        self.round();
        self.client.poll_event().expect("two round trips decide every handshake over a perfect link")
    }

    /// The CONNECT datagrams of a client that has its cookie.
    fn connect_datagrams(&mut self) -> Vec<Vec<u8>> {
        self.round();
        self.sent_by_client()
    }

    /// The request that these CONNECT datagrams make.
    fn request(&mut self) -> Box<ConnectRequest> {
        for datagram in self.connect_datagrams() {
            if let (Outcome::Request(request), _) = self.offer_to_server(&datagram) {
                return request;
            }
        }
        panic!("a complete CONNECT makes a request");
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }

    fn established(&mut self) -> Established {
        match self.run() {
            ClientEvent::Established(established) => *established,
            ClientEvent::Failed(error) => panic!("{error}"),
        }
    }

    fn failure(&mut self) -> super::client::ConnectError {
        match self.run() {
            ClientEvent::Failed(error) => error,
            ClientEvent::Established(_) => panic!("the handshake should have failed"),
        }
    }
}
