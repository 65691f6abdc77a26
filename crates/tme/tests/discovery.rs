//! Servers are found on the network, here that of this machine alone.
#![allow(missing_docs)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use common::{client_of, server};
use tme::discovery::{Discovery, DiscoveryConfig, DiscoveryDrop, DiscoveryEvent, FoundServer, discover};
use tme::{EngineError, Error, Server, ServerBuilder};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that others can be found beside: at a discovery port that is free.
fn findable(name: &str, port: u16) -> ServerBuilder {
    server().application("discovery-test").discoverable(name).discovery_port(port)
}

fn config(server: &Server) -> DiscoveryConfig {
    DiscoveryConfig::of("discovery-test").port(server.discovery_port().unwrap()).this_machine()
}

/// Looks until so many servers are known.
fn find(discovery: &mut Discovery, count: usize) -> Vec<FoundServer> {
    look_until(discovery, |servers| servers.len() >= count)
}

fn look_until(discovery: &mut Discovery, is_enough: impl Fn(&[FoundServer]) -> bool) -> Vec<FoundServer> {
    let start = Instant::now();
    loop {
        let servers: Vec<_> = discovery.servers().cloned().collect();
        if is_enough(&servers) {
            return servers;
        }
        assert!(start.elapsed() < PATIENCE, "{servers:?}, {:?}", discovery.problems());
        discovery.update(Duration::from_millis(50)).unwrap();
        while discovery.poll_event().is_some() {}
    }
}

fn drops(server: &Server, reason: DiscoveryDrop) -> u64 {
    server.statistics().discovery.drops.of(reason)
}

#[test]
fn a_server_is_found_with_all_that_it_says_and_can_be_connected_to() {
    let server = findable("Bärbels Höhle", 0).max_peers(9).information("map=dust2").start_threaded().unwrap();
    let mut discovery = Discovery::start(config(&server)).unwrap();
    let found = find(&mut discovery, 1).remove(0);
    assert_eq!((found.name.as_str(), found.address()), ("Bärbels Höhle", server.local_addr()));
    assert_eq!((found.info.peers, found.info.peers_max), (0, 9));
    assert_eq!(found.info.information.as_bytes(), b"map=dust2");
    assert!(found.info.is_compatible());

    let mut client = client_of(&server).application("discovery-test").start_threaded().unwrap();
    let start = Instant::now();
    while !client.is_connected() {
        assert!(start.elapsed() < PATIENCE);
        client.update(Duration::from_millis(10)).unwrap();
    }
    server.set_display_name("another name").unwrap();
    assert!(matches!(server.set_display_name("\x1b[2J"), Err(Error::Config(_))));
    let changed = look_until(&mut discovery, |servers| {
        servers.iter().any(|server| server.info.peers == 1 && server.name.as_str() == "another name")
    });
    assert_eq!((changed.len(), changed[0].id), (1, found.id));
}

#[test]
fn several_servers_share_the_port_and_all_are_found() {
    let first = findable("first", 0).start_threaded().unwrap();
    let port = first.discovery_port().unwrap();
    let others: Vec<_> = (1..5).map(|n| findable(&format!("{n}"), port).start_threaded().unwrap()).collect();
    let foreign = server().application("another").discoverable("foreign").discovery_port(port);
    let foreign = foreign.start_threaded().unwrap();
    let mut discovery = Discovery::start(config(&first)).unwrap();
    let found = find(&mut discovery, 5);
    let mut ports: Vec<_> = found.iter().map(|server| server.address().port()).collect();
    let mut expected: Vec<_> =
        others.iter().chain([&first]).map(|server| server.local_addr().port()).collect();
    ports.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ports, expected);

    let start = Instant::now();
    while drops(&foreign, DiscoveryDrop::OtherApplication) == 0 {
        assert!(start.elapsed() < PATIENCE);
        discovery.update(Duration::from_millis(50)).unwrap();
    }
    let all = DiscoveryConfig { application_id: None, ..config(&first) };
    assert_eq!(find(&mut Discovery::start(all).unwrap(), 6).len(), 6);
}

#[test]
fn a_game_that_looks_once_a_frame_and_never_waits_finds_an_inline_server() {
    let mut server = findable("inline", 0).start().unwrap();
    let mut discovery = Discovery::start(config(&server)).unwrap();
    let start = Instant::now();
    let event = loop {
        server.update(Duration::ZERO).unwrap();
        discovery.update(Duration::ZERO).unwrap();
        if let Some(event) = discovery.poll_event() {
            break event;
        }
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    };
    assert!(matches!(event, DiscoveryEvent::Found(found) if found.name.as_str() == "inline"));
}

#[test]
fn the_call_that_blocks_gives_what_it_has_found_and_nothing_where_nothing_is() {
    let server = findable("there", 0).start_threaded().unwrap();
    let start = Instant::now();
    let found = loop {
        let found = discover(config(&server), Duration::from_millis(600)).unwrap();
        if !found.is_empty() {
            break found;
        }
        assert!(start.elapsed() < PATIENCE);
    };
    assert_eq!(found.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["there"]);
    let hidden = common::server().start().unwrap();
    assert_eq!(hidden.discovery_port(), None);
    let nowhere = DiscoveryConfig { application_id: Some(1), ..config(&server) };
    assert_eq!(discover(nowhere, Duration::from_millis(300)).unwrap(), []);
    assert!(matches!(Discovery::start(config(&server).port(0)), Err(EngineError::Config(_))));
}

#[test]
fn what_is_no_good_question_is_counted_and_nobody_is_answered() {
    let mut server = findable("hard to please", 0).start_threaded().unwrap();
    let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = SocketAddr::from(([127, 0, 0, 1], server.discovery_port().unwrap()));
    let mut good = vec![0; 700];
    good[..5].copy_from_slice(b"TMED\x09");
    good[13] = 1;
    let mut padded = good.clone();
    padded[699] = 1;
    for bad in [
        &good[..699],
        &[&good[..], &[0]].concat(),
        &[good.clone(), vec![0; 3_000]].concat(),
        &padded,
        b"",
        b"x",
    ] {
        asker.send_to(bad, target).unwrap();
    }
    let mut query = vec![0; 600];
    query[..5].copy_from_slice(b"TMED\x07");
    asker.send_to(&query, target).unwrap();
    let start = Instant::now();
    // Where the system calls a datagram that is too long an error, it counts nowhere.
    let malformed = if cfg!(windows) { 4 } else { 6 };
    while (drops(&server, DiscoveryDrop::Malformed), drops(&server, DiscoveryDrop::Unexpected))
        != (malformed, 1)
    {
        assert!(start.elapsed() < PATIENCE, "{:?}", server.statistics().discovery);
        server.update(Duration::from_millis(5)).unwrap();
    }
    // The next datagram that comes back is the answer to the first good one.
    asker.set_read_timeout(Some(PATIENCE)).unwrap();
    asker.send_to(&good, target).unwrap();
    let mut buffer = [0; 2_000];
    let (bytes, from) = asker.recv_from(&mut buffer).unwrap();
    assert!(bytes <= good.len() && from == target);
    assert_eq!((buffer[4], server.local_addr().port()), (10, u16::from_le_bytes([buffer[29], buffer[30]])));
    // At the port for players it is nothing.
    let drops_before = server.statistics().endpoint.handshake.drops.total();
    asker.send_to(&good, server.local_addr()).unwrap();
    let start = Instant::now();
    while server.statistics().endpoint.handshake.drops.total() == drops_before {
        assert!(start.elapsed() < PATIENCE);
        server.update(Duration::from_millis(5)).unwrap();
    }
}

#[test]
fn a_flood_is_limited_and_players_do_not_notice() {
    let server = findable("busy", 0).start_threaded().unwrap();
    let mut client = client_of(&server).application("discovery-test").start_threaded().unwrap();
    let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = SocketAddr::from(([127, 0, 0, 1], server.discovery_port().unwrap()));
    let mut good = vec![0; 700];
    good[..5].copy_from_slice(b"TMED\x09");
    good[13] = 1;
    let mut nonce = 0u64;
    let start = Instant::now();
    while !client.is_connected() || drops(&server, DiscoveryDrop::SourceLimited) < 500 {
        for _ in 0..100 {
            nonce += 1;
            good[5..13].copy_from_slice(&nonce.to_le_bytes());
            // A full socket is no matter here.
            let _ = asker.send_to(&good, target);
        }
        assert!(start.elapsed() < PATIENCE, "{:?}", server.statistics().discovery);
        client.update(Duration::from_millis(1)).unwrap();
    }
    let answered = server.statistics().discovery.answered;
    // What leaves at once, and one every 200 ms since.
    let elapsed = start.elapsed();
    assert!(u128::from(answered) <= 10 + elapsed.as_millis() / 200 + 1, "{answered} in {elapsed:?}");
    // When it is over, the server is found again.
    assert_eq!(find(&mut Discovery::start(config(&server)).unwrap(), 1).len(), 1);
}

#[test]
fn a_port_that_a_foreign_program_keeps_is_an_error_unless_it_is_said_not_to_matter() {
    // Without the option by which ports are shared.
    let foreign = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = foreign.local_addr().unwrap().port();
    if cfg!(windows) {
        println!("skipped: here the option takes a port from whoever does not share it");
        return;
    }
    let error = findable("late", port).start().unwrap_err();
    assert_eq!(error.kind(), 108, "{error}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    let server = findable("late", port).discoverable_if_possible().start().unwrap();
    assert_eq!(server.discovery_port(), None);
}

#[test]
fn settings_that_cannot_be_are_told_at_the_start() {
    for name in ["n".repeat(65), "two\nlines".to_owned()] {
        assert!(matches!(findable(&name, 0).start(), Err(Error::Config(_))));
    }
    let (link, _other) = tme::memory::pair();
    assert!(matches!(findable("in memory", 0).start_in_memory(link), Err(Error::Config(_))));
}
