//! Several network threads where the kernel does not steer datagrams by connection: they pass on what is not theirs.
#![allow(missing_docs)]
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::connection::{Event, SendOptions};
use tme_core::crypto::keys::{KeyPair, SecretKey};
use tme_core::endpoint::{EndpointConfig, ServerSetup};
use tme_core::handshake::client::{ClientHandshakeConfig, Trust};
use tme_core::handshake::parameters::ConnectionId;
use tme_core::handshake::server::ServerHandshakeConfig;
use tme_transport::engine::{Drive, Engine, EngineConfig, LinkChoice};
use tme_transport::link::LinkSetup;
use tme_transport::link::stream::StreamsConfig;
use tme_transport::link::udp::{Steering, UdpConfig};
use tme_transport::random::SystemRandom;

const PATIENCE: Duration = Duration::from_secs(30);

fn config(endpoint: EndpointConfig, udp: UdpConfig) -> EngineConfig {
    EngineConfig {
        endpoint,
        link: LinkSetup::Udp(udp),
        drive: Drive::Inline,
        network_threads: 1,
        gathering: Duration::ZERO,
        listen_streams: None,
        streams: StreamsConfig::default(),
        choice: LinkChoice::Udp,
        connect: None,
        executor: None,
        discovery: None,
    }
}

fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn server(steering: Steering) -> Engine {
    let key = KeyPair::from(SecretKey::generate(&mut SystemRandom::new().unwrap()));
    let setup = ServerSetup::new(ServerHandshakeConfig::new(key, ChannelTable::default()));
    let endpoint = EndpointConfig { server: Some(setup), ..EndpointConfig::default() };
    let udp = UdpConfig { steering, ..UdpConfig::server(any()) };
    let engine =
        Engine::start(EngineConfig { drive: Drive::Threaded, network_threads: 4, ..config(endpoint, udp) });
    engine.unwrap()
}

fn client(server: &Engine) -> Engine {
    let handshake = ClientHandshakeConfig::new(Trust::Unverified, ConnectionId::new(1).unwrap());
    let connect = Some((server.local_address().to_string(), handshake));
    let config = config(EndpointConfig::default(), UdpConfig::client(any()));
    Engine::start(EngineConfig { connect, ..config }).unwrap()
}

/// Gives how many datagrams were passed on while clients moved from one address to another, and lost none.
fn passed_on_while_moving(steering: Steering) -> u64 {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 4;
    let mut server = server(steering);
    assert_eq!(server.network_threads(), 4);
    let mut clients: Vec<Engine> = (0..CLIENTS).map(|_| client(&server)).collect();
    let patience = Instant::now() + PATIENCE;
    let mut messages = 0;
    let mut moves = 0;
    let mut step = |server: &mut Engine, clients: &mut [Engine]| {
        assert!(Instant::now() < patience, "{:?}", server.handle().statistics());
        server.update(Duration::from_millis(1)).unwrap();
        for event in server.events() {
            messages += usize::from(matches!(event, Event::Message { .. }));
            moves += usize::from(matches!(event, Event::AddressChanged { .. }));
            assert!(!matches!(event, Event::Disconnected { .. }), "{event:?}");
        }
        for client in clients {
            client.update(Duration::ZERO).unwrap();
            drop(client.events());
        }
        (messages, moves)
    };
    while clients.iter().any(|client| client.handle().server().is_none()) {
        step(&mut server, &mut clients);
    }
    for round in 1..=ROUNDS {
        for client in &clients {
            client.handle().rebind(None).unwrap();
            client.handle().send_to_server(ChannelId(0), "moved", SendOptions::default()).unwrap();
        }
        while step(&mut server, &mut clients) < (round * CLIENTS, round * CLIENTS) {}
    }
    let statistics = server.handle().statistics();
    assert_eq!((statistics.endpoint.peers, statistics.post.datagrams_lost), (CLIENTS, 0));
    assert_eq!(statistics.endpoint.resets_sent, 0);
    statistics.post.datagrams_passed_on
}

#[test]
fn what_the_kernel_does_not_steer_is_passed_on_to_its_thread() {
    assert!(passed_on_while_moving(Steering::ByAddress) > 0, "sixteen addresses are not all alike");
}

#[test]
fn what_the_kernel_steers_need_not_be_passed_on() {
    assert_eq!(passed_on_while_moving(Steering::ByConnection), 0);
}
