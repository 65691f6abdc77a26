//! Messages between a server and its clients, and what holds them back.

use std::time::Duration;

use tme::{Channel, Client, Event, Limits, Payload, SendError, SendOptions};

use crate::common::{World, client_of, messages, server};

#[test]
fn an_echo_comes_back_encrypted() {
    let mut world = World::connected(server().start().unwrap(), 1);
    world.clients[0].send(0, b"hello").unwrap();
    world.run_until(|world| !messages(&world.server_events).is_empty());
    let peer = world.connected_peers()[0];
    world.server.send(peer, 0, &messages(&world.server_events)[0]).unwrap();
    world.run_until(|world| !messages(&world.client_events[0]).is_empty());
    assert_eq!(messages(&world.client_events[0]), [b"hello"]);
}

#[test]
fn a_broadcast_reaches_everybody_but_the_one_left_out() {
    let mut world = World::connected(server().start().unwrap(), 3);
    let out = world.connected_peers()[1];
    let outcome = world.server.broadcast_except(out, 0, "news").unwrap();
    assert_eq!((outcome.sent, outcome.would_block, outcome.gone), (2, 0, 0));
    world.server.broadcast(0, "end").unwrap();
    world.run_until(|world| {
        world.client_events.iter().all(|events| messages(events).contains(&b"end".to_vec()))
    });
    let got_news = world.client_events.iter().filter(|events| messages(events).contains(&b"news".to_vec()));
    assert_eq!(got_news.count(), 2);
}

#[test]
fn keys_travel_with_messages_to_many() {
    let channel = || Channel::reliable_latest("doors");
    let server = server().channel(channel()).start().unwrap();
    let clients = (0..2).map(|_| client_of(&server).channel(channel()).start().unwrap()).collect();
    let mut world = World::new(server, clients);
    world
        .run_until(|world| world.server.peers().len() == 2 && world.clients.iter().all(Client::is_connected));
    let [first, second] = world.connected_peers()[..] else { panic!("two clients") };

    let everybody = world.server.broadcast_with(None, 0, "open", SendOptions::with_key(7)).unwrap();
    let but_one = world.server.broadcast_with(Some(first), 0, "shut", SendOptions::with_key(8)).unwrap();
    let named = world.server.multicast_with([first, second], 0, "ajar", SendOptions::with_key(9)).unwrap();
    assert_eq!((everybody.sent, but_one.sent, named.sent), (2, 1, 2));
    world.run_until(|world| world.client_events.iter().flat_map(|events| messages(events)).count() == 5);
    let keys = |events: &[Event]| {
        let keys = events.iter().filter_map(|event| match event {
            Event::Message { key, .. } => Some(*key),
            _ => None,
        });
        let mut keys: Vec<u32> = keys.collect();
        keys.sort_unstable();
        keys
    };
    let mut received: Vec<_> = world.client_events.iter().map(|events| keys(events)).collect();
    received.sort();
    assert_eq!(received, [vec![7, 8, 9], vec![7, 9]]);
}

#[test]
fn threaded_sides_talk_while_their_games_sleep() {
    let mut server = server().start_threaded().unwrap();
    let mut client = client_of(&server).start_threaded().unwrap();
    let mut received = Vec::new();
    let mut is_connected = false;
    let start = std::time::Instant::now();
    while received.len() < 100 && start.elapsed() < Duration::from_secs(20) {
        client.update(Duration::from_millis(10)).unwrap();
        for event in client.events() {
            is_connected |= matches!(event, Event::Connected { .. });
        }
        if is_connected && received.is_empty() {
            is_connected = false;
            let handle = client.handle();
            let sender = std::thread::spawn(move || {
                for n in 0..100u32 {
                    handle.send(0, &n.to_le_bytes()).unwrap();
                }
            });
            sender.join().unwrap();
        }
        server.update(Duration::from_millis(10)).unwrap();
        received.extend(server.events().filter_map(|event| match event {
            Event::Message { payload, .. } => Some(payload.to_vec()),
            _ => None,
        }));
    }
    let expected: Vec<Vec<u8>> = (0..100u32).map(|n| n.to_le_bytes().to_vec()).collect();
    assert_eq!(received, expected);
}

#[test]
fn the_loop_over_events_may_send_update_and_shut_down() {
    let mut server = server().start().unwrap();
    let mut client = client_of(&server).start_threaded().unwrap();
    let start = std::time::Instant::now();
    let (mut is_asked, mut answer) = (false, None);
    while answer.is_none() && start.elapsed() < Duration::from_secs(20) {
        let _ = server.update(Duration::from_millis(1));
        for event in server.events() {
            match event {
                Event::Connected { peer, .. } => server.send(peer, 0, "welcome").unwrap(),
                Event::Message { peer, channel, payload, .. } => {
                    server.send(peer, channel, payload).unwrap();
                    server.update(Duration::ZERO).unwrap();
                    server.shutdown(Duration::from_secs(5));
                }
                _ => {}
            }
        }
        let _ = client.update(Duration::from_millis(1));
        for event in client.events() {
            match event {
                Event::Message { .. } if !is_asked => {
                    client.send(0, "goodbye").unwrap();
                    is_asked = true;
                }
                Event::Message { payload, .. } => answer = Some(payload),
                _ => {}
            }
        }
    }
    assert_eq!(answer.as_deref(), Some(&b"goodbye"[..]));
}

#[test]
fn one_update_takes_all_that_has_come_since_the_last() {
    let mut world = World::connected(server().start().unwrap(), 1);
    // Until the round trip is known, the pacer lets little go at once.
    for _ in 0..50 {
        world.clients[0].send(0, "warm").unwrap();
        world.step();
    }
    world.server.events().for_each(drop);
    // More datagrams than one reading of the socket takes: each message leaves by itself.
    for n in 0..400u32 {
        world.clients[0].send(1, &n.to_le_bytes()).unwrap();
        world.clients[0].flush().unwrap();
    }
    world.server.update(Duration::from_millis(100)).unwrap();
    let count = world.server.events().count();
    assert!(count > 256, "{count}");
}

#[test]
fn events_not_taken_stay_and_hold_the_sender_back() {
    // 20 x 500 kB is far more than the 2 MiB that a channel may have under way before the game takes messages.
    let channel = || Channel::reliable_ordered("bulk").queue_max(20_000_000, 100);
    let message = Payload::from(vec![7; 500_000]);
    for is_threaded in [false, true] {
        let builder = server().channel(channel());
        let mut server = if is_threaded { builder.start_threaded() } else { builder.start() }.unwrap();
        let mut client = client_of(&server).channel(channel()).start_threaded().unwrap();
        let start = std::time::Instant::now();
        while !client.is_connected() {
            assert!(start.elapsed() < Duration::from_secs(20));
            server.update(Duration::from_millis(1)).unwrap();
            client.update(Duration::ZERO).unwrap();
        }
        for _ in 0..20 {
            client.send(0, &message).unwrap();
        }
        // Nothing is taken: what can come has come after a while, and waits.
        let mut waiting = 0;
        let mut last_news = std::time::Instant::now();
        while last_news.elapsed() < Duration::from_millis(300) {
            server.update(Duration::from_millis(1)).unwrap();
            let count = server.events().size_hint().0;
            if count > waiting {
                (waiting, last_news) = (count, std::time::Instant::now());
            }
            if waiting > 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        // `Connected` is one of them.
        assert!((2..=5).contains(&waiting), "{waiting} events");
        let mut count = 0;
        while count < 20 {
            assert!(start.elapsed() < Duration::from_secs(20), "{count} messages, threaded {is_threaded}");
            server.update(Duration::from_millis(1)).unwrap();
            let taken = server.events().take(1).filter(|event| matches!(event, Event::Message { .. }));
            count += taken.count();
        }
    }
}

#[test]
fn a_message_too_large_is_an_error_with_the_numbers() {
    let world = World::connected(server().start().unwrap(), 1);
    let error = world.clients[0].send(1, vec![0; 20_000]).unwrap_err();
    assert!(error.to_string().contains("20000 bytes exceeds the limit of 17600"), "{error}");
    assert_eq!(world.clients[0].send(77, "x"), Err(SendError::UnknownChannel));
    let keyed = world.clients[0].send_with(0, "x", SendOptions::with_key(3));
    assert!(matches!(keyed, Err(SendError::KeyNotAllowed { .. })));
}

#[test]
fn a_full_queue_blocks_and_becomes_writable() {
    let channel = || Channel::reliable_ordered("bulk").queue_max(100_000, 1_000);
    let server = server().channel(channel()).start().unwrap();
    let client = client_of(&server).channel(channel()).start().unwrap();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| world.clients[0].is_connected());
    let message = Payload::from(vec![7; 10_000]);
    let mut sent = 0;
    while world.clients[0].send(0, &message).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 10);
    world.run_until(|world| {
        world.client_events[0].iter().any(|event| matches!(event, Event::Writable { .. }))
    });
    world.clients[0].send(0, &message).unwrap();
    world.run_until(|world| messages(&world.server_events).len() == 11);
}

#[test]
fn a_full_outbox_is_writable_again_once_it_is_emptied() {
    let channel = Channel::reliable_ordered("bulk").queue_max(100 << 20, 1_000);
    let mut world = World::connected(server().channel(channel).start().unwrap(), 2);
    let [busy, idle] = world.connected_peers()[..] else { panic!("two clients") };
    let message = Payload::from(vec![7; 1 << 20]);
    while world.server.send(busy, 0, &message).is_ok() {}
    assert!(matches!(world.server.send(idle, 0, "small"), Err(SendError::WouldBlock { .. })));
    // No datagram of the idle client comes in between: its connection has no reason to report anything.
    world.server.update(Duration::ZERO).unwrap();
    let mut writable = world.server.events().filter(|event| matches!(event, Event::Writable { .. }));
    assert!(writable.any(|event| event.peer() == idle));
    world.server.send(idle, 0, "small").unwrap();
}

#[test]
fn a_peer_that_takes_only_small_messages_does_not_spoil_a_broadcast() {
    let mut world = World::connected(server().start().unwrap(), 1);
    let limits = Limits { reliable_message_bytes_max: 1_100, ..Limits::default() };
    world.clients.push(client_of(&world.server).limits(limits).start().unwrap());
    world.client_events.push(Vec::new());
    world.run_until(|world| world.connected_peers().len() == 2);
    let outcome = world.server.broadcast(0, vec![7; 5_000]).unwrap();
    assert_eq!((outcome.sent, outcome.refused), (1, 1));
    world.run_until(|world| !messages(&world.client_events[0]).is_empty());
    // What the channel itself does not take is the caller's mistake.
    assert!(matches!(
        world.server.broadcast(1, vec![7; 20_000]),
        Err(SendError::TooLarge { limit: 17_600, .. })
    ));
}

#[test]
fn large_messages_arrive_whole() {
    let mut world = World::connected(server().start().unwrap(), 1);
    let large: Vec<u8> = (0..1_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
    world.clients[0].send(0, &large).unwrap();
    world.run_until(|world| !messages(&world.server_events).is_empty());
    assert_eq!(messages(&world.server_events)[0], large);
}

#[test]
fn datagrams_of_the_largest_size_carry_messages() {
    let limits = Limits { datagram_bytes_max: 65_507, ..Limits::default() };
    let server = server().limits(limits).datagram_bytes(65_507).start().unwrap();
    let client = client_of(&server).limits(limits).datagram_bytes(65_507).start().unwrap();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| world.clients[0].is_connected());
    world.clients[0].send(0, vec![7; 200_000]).unwrap();
    world.run_until(|world| !messages(&world.server_events).is_empty());
    assert_eq!(messages(&world.server_events), [vec![7; 200_000]]);
}
