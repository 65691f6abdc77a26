//! The network threads keep all connections while the games' threads sleep for 20 s, as they do when a level is loaded.
#![allow(missing_docs, reason = "a test program")]

mod common;

use std::time::{Duration, Instant};

use common::{client_of, end_of, messages, server};
use tme::{Client, Event, Limits, LinkChoice, Server};

const STEP: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than the idle time-out of some, so that only a network thread can have kept them.
const ASLEEP: Duration = Duration::from_secs(20);
const SHORT_TIMEOUT: Duration = Duration::from_secs(6);
/// Messages of 1,000 bytes: more than the small credit lets through.
const COUNT: u32 = 600;

fn message(number: u32) -> Vec<u8> {
    let mut bytes = vec![0xA5; 1_000];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn numbers(events: &[Event]) -> Vec<u32> {
    let first_four = |bytes: &Vec<u8>| u32::from_le_bytes(*bytes.first_chunk().unwrap());
    messages(events).iter().map(first_four).collect()
}

/// Half of what a side sends goes out before the sleep, and the rest stands in its queue until the other side reads.
fn small_credit() -> Limits {
    Limits {
        reliable_message_bytes_max: 8_192,
        channel_credit_bytes: 100_000,
        connection_credit_bytes: 100_000,
        ..Limits::default()
    }
}

#[test]
fn games_that_sleep_for_20_s_keep_their_connections_and_their_messages() {
    let mut server = server().listen_tcp().limits(small_credit()).start_threaded().unwrap();
    let mut clients: Vec<Client> = [
        (LinkChoice::Udp, Limits::default().idle_timeout),
        (LinkChoice::Udp, SHORT_TIMEOUT),
        (LinkChoice::Tcp, SHORT_TIMEOUT),
    ]
    .map(|(link, timeout)| {
        let client = client_of(&server).links(link).limits(small_credit()).idle_timeout(timeout);
        client.start_threaded().unwrap()
    })
    .into();
    connect(&mut server, &mut clients);
    for number in 0..COUNT {
        assert_eq!(server.broadcast(0, message(number)).unwrap().sent, clients.len());
        for client in &clients {
            client.send(0, message(number)).unwrap();
        }
    }

    // Nobody calls anything: server and clients at once, so that it is waited for once.
    std::thread::sleep(ASLEEP);

    assert_eq!(server.peers().len(), clients.len());
    let start = Instant::now();
    let mut at_server = Vec::new();
    let mut at_clients: Vec<Vec<Event>> = clients.iter().map(|_| Vec::new()).collect();
    let all = COUNT as usize;
    while messages(&at_server).len() < all * clients.len()
        || at_clients.iter().any(|events| messages(events).len() < all)
    {
        assert!(start.elapsed() < PATIENCE, "not everything came");
        server.update(STEP).unwrap();
        at_server.extend(server.events());
        for (client, events) in clients.iter_mut().zip(&mut at_clients) {
            client.update(STEP).unwrap();
            events.extend(client.events());
        }
    }
    assert!(end_of(&at_server).is_none() && at_clients.iter().all(|events| end_of(events).is_none()));
    let is_interrupted =
        |events: &[Event]| events.iter().any(|event| matches!(event, Event::Interrupted { .. }));
    assert!(!is_interrupted(&at_server) && !at_clients.iter().any(|events| is_interrupted(events)));
    let in_order: Vec<u32> = (0..COUNT).collect();
    for info in server.peers() {
        let of_peer: Vec<Event> = at_server
            .iter()
            .filter(|event| matches!(event, Event::Message { peer, .. } if *peer == info.peer))
            .cloned()
            .collect();
        assert!(numbers(&of_peer) == in_order, "in order, without a gap");
    }
    for events in &at_clients {
        assert!(numbers(events) == in_order, "in order, without a gap");
    }
}

#[test]
fn what_does_not_fit_before_a_sleeping_game_waits_if_it_is_reliable_and_is_counted_if_not() {
    let mut server = server().start_threaded().unwrap();
    let mut clients = vec![client_of(&server).start_threaded().unwrap()];
    connect(&mut server, &mut clients);
    let client = &mut clients[0];
    // The server's game takes nothing from here on. It has room for 8,192 reliable messages and 65,536 unreliable ones.
    let start = Instant::now();
    let (mut reliable, mut unreliable) = (0u64, 0u64);
    let statistics = |server: &Server| server.peer_statistics(server.peers()[0].peer).unwrap();
    while statistics(&server).messages_overflowed < 1_000 {
        assert!(start.elapsed() < PATIENCE, "nothing is dropped: {unreliable} sent");
        for _ in 0..64 {
            reliable += u64::from(client.send(0, b"reliable").is_ok());
            unreliable += u64::from(client.send(1, b"unreliable").is_ok());
        }
        client.update(Duration::from_micros(500)).unwrap();
        client.events().for_each(drop);
    }
    // As many as the other side's credit lets through have come, the others stand in the client's queue, which is full.
    let refused = client.send(0, b"reliable").is_err();
    assert!(refused || reliable < 24_576, "{reliable} reliable ones were taken");

    let mut events = Vec::new();
    let of_channel = |events: &[Event], id: u8| {
        let is_of = |event: &&Event| matches!(event, Event::Message { channel, .. } if channel.0 == id);
        events.iter().filter(is_of).count() as u64
    };
    while of_channel(&events, 0) < reliable {
        assert!(start.elapsed() < PATIENCE, "{} of {reliable} came", of_channel(&events, 0));
        server.update(STEP).unwrap();
        events.extend(server.events());
        client.update(Duration::ZERO).unwrap();
        client.events().for_each(drop);
    }
    assert!(end_of(&events).is_none());
    assert!(of_channel(&events, 1) >= 65_536, "as many as there is room for");
    assert!(of_channel(&events, 1) + statistics(&server).messages_overflowed <= unreliable);
}

fn connect(server: &mut Server, clients: &mut [Client]) {
    let start = Instant::now();
    while server.peers().len() < clients.len() || !clients.iter().all(Client::is_connected) {
        assert!(start.elapsed() < PATIENCE, "not connected");
        server.update(STEP).unwrap();
        for client in clients.iter_mut() {
            client.update(Duration::ZERO).unwrap();
        }
    }
    server.events().for_each(drop);
    clients.iter_mut().for_each(|client| client.events().for_each(drop));
}
