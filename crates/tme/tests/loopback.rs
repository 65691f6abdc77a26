//! Servers and clients over real sockets: what a game does with them.
#![allow(missing_docs)]

mod common;

use std::time::Duration;

use common::{World, client_of, end_of, messages, server};
use tme::{
    Channel, Client, Direction, Error, Event, KeyPair, Limits, LinkConditions, Origin, Payload, Reason,
    Security, SendError, SendOptions, Server,
};

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
fn the_send_budget_shrinks_with_what_is_queued() {
    let channels = || [Channel::reliable_ordered("first"), Channel::reliable_ordered("last").priority(1)];
    let server = server().channels(channels()).start().unwrap();
    let client = client_of(&server).channels(channels()).start().unwrap();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| world.connected_peers().len() == 1 && world.clients[0].is_connected());
    let peer = world.connected_peers()[0];
    let client_budget = world.clients[0].send_budget().unwrap();
    assert!(client_budget.bytes_per_second > 0 && client_budget.bytes_now > 0, "{client_budget:?}");
    assert_eq!(client_budget.wait(0), Some(Duration::ZERO));

    // More than goes at once, on the channel that goes last; the engine has not even seen it.
    let before = world.server.send_budget(peer).unwrap();
    for _ in 0..4 {
        world.server.send(peer, 1, vec![0xA5; 1 << 20]).unwrap();
    }
    let budget = world.server.send_budget(peer).unwrap();
    assert!(before.bytes_now > 0 && before.wait(1) < budget.wait(1), "{before:?}, {budget:?}");
    assert_eq!((budget.bytes_now, budget.wait(0), budget.wait(7)), (0, before.wait(0), None));
    world.run_until(|world| messages(&world.client_events[0]).len() == 4);
    world.server.disconnect(peer);
    world.run_until(|world| world.server.send_budget(peer).is_none());
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
fn every_refusal_names_its_reason() {
    let server = server().application("chess").max_peers(1).start().unwrap();
    let address = server.local_addr().to_string();
    let other_game = Client::builder().connect(&address).application("poker").start().unwrap();
    let other_table =
        Client::builder().connect(&address).application("chess").channel(Channel::unreliable("x"));
    let plain = Client::builder().connect(&address).application("chess").security(Security::Plaintext);
    let clients = vec![other_game, other_table.start().unwrap(), plain.start().unwrap()];
    let mut world = World::new(server, clients);
    world.run_until(|world| world.client_events.iter().all(|events| end_of(events).is_some()));
    let reasons: Vec<_> = world.client_events.iter().filter_map(|events| end_of(events)).collect();
    assert_eq!(reasons[0].reason, Reason::Application);
    assert_eq!(reasons[0].origin, Origin::Unauthenticated);
    assert_eq!((reasons[1].reason, reasons[1].origin), (Reason::ChannelTable, Origin::Remote));
    assert_eq!(reasons[2].reason, Reason::Suites);
}

#[test]
fn both_sides_find_each_other_by_number_and_key() {
    let server = server().start().unwrap();
    let identity = tme::generate_key().unwrap();
    let known = client_of(&server).identity(identity.clone()).start().unwrap();
    let unknown = client_of(&server).start().unwrap();
    let mut world = World::new(server, vec![known, unknown]);
    assert_eq!(world.clients[0].server_info(), None);
    world
        .run_until(|world| world.server.peers().len() == 2 && world.clients.iter().all(Client::is_connected));

    let expected_keys = [Some(KeyPair::from(identity).public()), None];
    for (client, expected_key) in world.clients.iter().zip(expected_keys) {
        let seen_by_client = client.server_info().unwrap();
        assert_eq!(Some(seen_by_client.peer), client.server());
        assert_eq!(seen_by_client.remote, world.server.local_addr());
        assert_eq!(seen_by_client.key, Some(world.server.public_key()));
        let seen_by_server = world.server.peer_by_number(seen_by_client.number).unwrap();
        assert_eq!(seen_by_server.remote.port(), client.local_addr().port());
        assert_eq!(seen_by_server.key, expected_key);
        assert_eq!(world.server.peer(seen_by_server.peer), Some(seen_by_server));
    }

    let gone = world.clients[1].server_info().unwrap().number;
    world.clients[1].disconnect(0, "");
    world.run_until(|world| end_of(&world.server_events).is_some());
    assert_eq!(world.server.peer_by_number(gone), None);
    assert_eq!(world.server.peer_by_number(1), None, "1 is the server itself");
}

#[test]
fn the_wrong_server_key_is_named() {
    let server = server().start().unwrap();
    let wrong = Server::builder().listen("127.0.0.1:0").start().unwrap().public_key();
    let client = Client::builder()
        .connect(server.local_addr().to_string())
        .server_key(wrong)
        .connect_timeout(Duration::from_millis(600))
        .start()
        .unwrap();
    let right = server.public_key().to_string();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| end_of(&world.client_events[0]).is_some());
    let end = end_of(&world.client_events[0]).unwrap();
    assert_eq!(end.reason, Reason::UntrustedKey);
    assert!(end.to_string().contains(&right), "{end}");
}

#[test]
fn plaintext_works_where_both_ask_for_it() {
    let server = server().security(Security::Plaintext).start().unwrap();
    let client = client_of(&server).security(Security::Plaintext).start().unwrap();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| world.clients[0].is_connected());
    world.clients[0].send(0, "plain").unwrap();
    world.run_until(|world| !messages(&world.server_events).is_empty());
}

#[test]
fn configuration_errors_come_before_anything_starts() {
    let taken = server().start().unwrap();
    let cases: Vec<(Result<Server, Error>, String)> = vec![
        (Server::builder().listen("nonsense").start(), "\"nonsense\" does not parse".into()),
        (Server::builder().listen(taken.local_addr().to_string()).start(), taken.local_addr().to_string()),
        (server().max_peers(0).start(), "0 peers are outside".into()),
        (server().datagram_bytes(100).start(), "100 bytes".into()),
        (server().datagram_bytes_max(70_000).start(), "70000 bytes".into()),
        (server().channel(Channel::unreliable("x".repeat(100))).start(), "100 bytes".into()),
        (server().key_file("/nonexistent/key").start(), "/nonexistent/key".into()),
    ];
    for (result, expected) in cases {
        let error = result.expect_err(&expected).to_string();
        assert!(error.contains(&expected), "{error} lacks {expected}");
    }
    let no_port = Client::builder().connect("localhost").start().unwrap_err();
    assert!(matches!(no_port, Error::Address { .. }), "{no_port:?}");
    assert!(no_port.to_string().contains("\"localhost\" has no port"), "{no_port}");
}

#[test]
fn a_name_that_leads_nowhere_is_an_event() {
    let client = Client::builder().connect("no-such-host.invalid:7777").start().unwrap();
    let mut world = World::new(server().start().unwrap(), vec![client]);
    world.run_until(|world| end_of(&world.client_events[0]).is_some());
    let end = end_of(&world.client_events[0]).unwrap();
    assert_eq!(end.reason, Reason::Unresolved);
    assert!(end.to_string().contains("no-such-host.invalid"), "{end}");
}

#[test]
fn localhost_by_name_connects() {
    let server = server().start().unwrap();
    let port = server.local_addr().port();
    let client = Client::builder().connect(format!("localhost:{port}")).server_key(server.public_key());
    let mut world = World::new(server, vec![client.start().unwrap()]);
    world.run_until(|world| world.clients[0].is_connected());
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
fn large_messages_arrive_whole() {
    let mut world = World::connected(server().start().unwrap(), 1);
    let large: Vec<u8> = (0..1_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
    world.clients[0].send(0, &large).unwrap();
    world.run_until(|world| !messages(&world.server_events).is_empty());
    assert_eq!(messages(&world.server_events)[0], large);
}

#[test]
fn network_conditions_switch_on_and_off_at_run_time() {
    let mut world = World::connected(server().start().unwrap(), 1);
    let slow = LinkConditions { delay: Duration::from_millis(40), ..LinkConditions::default() };
    for direction in [Direction::Incoming, Direction::Outgoing] {
        world.clients[0].set_conditions(direction, Some(slow)).unwrap();
    }
    let ping = |world: &mut World, expected: usize| {
        let start = std::time::Instant::now();
        world.clients[0].send(0, "ping").unwrap();
        world.run_until(|world| messages(&world.server_events).len() >= expected);
        start.elapsed()
    };
    assert!(ping(&mut world, 1) >= Duration::from_millis(40));
    let lossy = LinkConditions { loss: 2.0, ..LinkConditions::default() };
    assert!(world.clients[0].set_conditions(Direction::Outgoing, Some(lossy)).is_err());
    world.clients[0].set_conditions(Direction::Outgoing, None).unwrap();
    ping(&mut world, 2);
}

#[test]
fn modelled_links_tell_what_they_did() {
    let mut world = World::connected(server().start().unwrap(), 2);
    let [first, second] = world.connected_peers()[..] else { panic!("two clients") };
    let outgoing = |world: &World, peer| world.server.condition_statistics(peer, Direction::Outgoing);
    assert_eq!(outgoing(&world, first), None);

    let deaf = LinkConditions { loss: 1.0, ..LinkConditions::default() };
    world.server.set_conditions(first, Direction::Outgoing, Some(deaf)).unwrap();
    world.server.send(first, 0, "into the void").unwrap();
    world.run_until(|world| outgoing(world, first).is_some_and(|figures| figures.lost > 0));
    let figures = outgoing(&world, first).unwrap();
    assert_eq!((figures.delivered, figures.accounted()), (0, figures.offered));
    assert_eq!(world.server.condition_statistics(first, Direction::Incoming), None);
    assert_eq!(outgoing(&world, second), None, "the other peer's way is not modelled");

    world.server.set_conditions(first, Direction::Outgoing, None).unwrap();
    world.run_until(|world| outgoing(world, first).is_none());

    // A client tells of its own links.
    world.clients[0].set_conditions(Direction::Incoming, Some(deaf)).unwrap();
    world.run_until(|world| world.clients[0].condition_statistics(Direction::Incoming).is_some());
    world.server.broadcast(0, "into the void").unwrap();
    world.run_until(|world| {
        let figures = world.clients[0].condition_statistics(Direction::Incoming);
        figures.is_some_and(|figures| figures.lost > 0)
    });
}

#[test]
fn a_kicked_player_learns_why() {
    let mut world = World::connected(server().start().unwrap(), 1);
    let peer = world.connected_peers()[0];
    assert!(world.server.kick(peer, 42, "no cheating"));
    world.run_until(|world| end_of(&world.client_events[0]).is_some());
    let end = end_of(&world.client_events[0]).unwrap();
    assert_eq!((end.reason, end.code, &*end.detail), (Reason::Kicked, 42, &b"no cheating"[..]));
    world.run_until(|world| end_of(&world.server_events).is_some());
    assert!(!world.server.kick(peer, 0, ""));
    assert_eq!(world.server.send(peer, 0, "x"), Err(SendError::NotConnected));
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
fn figures_are_those_of_the_last_datagram_soon_after_it() {
    // No keep-alive comes to the rescue within the test's patience.
    let quiet = Duration::from_secs(300);
    let server = server().idle_timeout(quiet).keep_alive(quiet).start().unwrap();
    let client = client_of(&server).idle_timeout(quiet).keep_alive(quiet).start().unwrap();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| world.clients[0].is_connected());
    world.clients[0].send(0, "only this").unwrap();
    world.run_until(|world| !messages(&world.server_events).is_empty());
    world.run_until(|world| {
        world.clients[0].statistics().is_some_and(|figures| {
            figures.bytes_in_flight == 0
                && figures.queued_bytes == 0
                && figures.rtt_smoothed < Duration::from_millis(200)
        })
    });
}

#[test]
fn nothing_is_taken_for_a_peer_that_was_told_to_leave() {
    let mut world = World::connected(server().start().unwrap(), 1);
    let peer = world.connected_peers()[0];
    world.server.send(peer, 0, "last words").unwrap();
    assert!(world.server.disconnect(peer));
    assert!(world.server.disconnect(peer), "asking twice is no error");
    assert_eq!(world.server.send(peer, 0, "too late"), Err(SendError::NotConnected));
    world.run_until(|world| end_of(&world.client_events[0]).is_some());
    assert_eq!(messages(&world.client_events[0]), [b"last words"]);
}

#[test]
fn a_polite_end_carries_the_games_own_words() {
    let mut world = World::connected(server().start().unwrap(), 1);
    let peer = world.connected_peers()[0];
    world.server.send(peer, 0, "last words").unwrap();
    assert!(world.server.disconnect_with(peer, 42, "the round is over"));
    world.run_until(|world| end_of(&world.client_events[0]).is_some());
    let end = end_of(&world.client_events[0]).unwrap();
    assert_eq!((end.reason, end.origin, end.code), (Reason::Closed, Origin::Remote, 42));
    assert_eq!(&*end.detail, b"the round is over");
    assert_eq!(messages(&world.client_events[0]), [b"last words"]);
    world.run_until(|world| end_of(&world.server_events).is_some());
    assert!(!world.server.disconnect_with(peer, 0, ""));
}

#[test]
fn a_client_that_closes_tells_its_code_inline_and_threaded() {
    for is_threaded in [false, true] {
        let mut server = server().start_threaded().unwrap();
        let builder = client_of(&server);
        let mut client = if is_threaded { builder.start_threaded() } else { builder.start() }.unwrap();
        assert_eq!((client.is_threaded(), server.is_threaded()), (is_threaded, true));
        let start = std::time::Instant::now();
        while !client.is_connected() && start.elapsed() < Duration::from_secs(20) {
            client.update(Duration::from_millis(5)).unwrap();
        }
        client.send(0, "bye").unwrap();
        client.close_with(Duration::from_secs(10), 7, "to bed");
        assert_eq!(client.is_threaded(), is_threaded, "an ended client still knows");
        let mut events = Vec::new();
        while end_of(&events).is_none() && start.elapsed() < Duration::from_secs(20) {
            server.update(Duration::from_millis(5)).unwrap();
            events.extend(server.events());
        }
        let end = end_of(&events).unwrap();
        assert_eq!((end.reason, end.code, &*end.detail), (Reason::Closed, 7, &b"to bed"[..]));
        assert_eq!(messages(&events), [b"bye"]);
    }
}

/// How a threaded server hears of its client's end.
fn end_at_server(server: &mut Server) -> Option<(Reason, Origin, u32)> {
    let start = std::time::Instant::now();
    let mut end = None;
    while end.is_none() && start.elapsed() < Duration::from_secs(2) {
        server.update(Duration::from_millis(5)).unwrap();
        let events: Vec<_> = server.events().collect();
        end = end_of(&events).map(|end| (end.reason, end.origin, end.code));
    }
    end
}

#[test]
fn an_end_that_nobody_waits_for_is_told_too() {
    type End = fn(Client);
    let ends: [End; 3] = [
        |mut client| client.close_with(Duration::ZERO, 7, ""),
        // What was to go through first is given up when the client is dropped.
        |client| assert!(client.handle().disconnect(7, "")),
        |mut client| {
            assert!(client.handle().disconnect(7, ""));
            client.flush().unwrap();
        },
    ];
    for (is_threaded, end) in [false, true].into_iter().flat_map(|drive| ends.map(|end| (drive, end))) {
        let mut server = server().start_threaded().unwrap();
        let builder = client_of(&server);
        let mut client = if is_threaded { builder.start_threaded() } else { builder.start() }.unwrap();
        let start = std::time::Instant::now();
        while !client.is_connected() && start.elapsed() < Duration::from_secs(20) {
            client.update(Duration::from_millis(5)).unwrap();
        }
        // Nobody has acknowledged it yet.
        client.send(0, "unheard").unwrap();
        end(client);
        assert_eq!(end_at_server(&mut server), Some((Reason::Closed, Origin::Remote, 7)), "{is_threaded}");
    }
}

#[test]
fn shutting_down_tells_everybody() {
    for is_threaded in [false, true] {
        let builder = server();
        let mut server = if is_threaded { builder.start_threaded() } else { builder.start() }.unwrap();
        let mut client = client_of(&server).start_threaded().unwrap();
        let start = std::time::Instant::now();
        while server.peers().is_empty() && start.elapsed() < Duration::from_secs(10) {
            server.update(Duration::from_millis(5)).unwrap();
        }
        server.shutdown(Duration::from_secs(2));
        assert!(server.update(Duration::ZERO).is_err());
        let mut reason = None;
        while reason.is_none() && start.elapsed() < Duration::from_secs(10) {
            client.update(Duration::from_millis(5)).unwrap();
            let events: Vec<_> = client.events().collect();
            reason = end_of(&events).map(|end| end.reason);
        }
        assert_eq!(reason, Some(Reason::Shutdown));
    }
}

#[test]
fn shutting_down_ends_also_those_who_do_not_answer() {
    for (is_threaded, patience) in [(false, 200), (false, 0), (true, 200), (true, 0)] {
        let builder = server();
        let mut server = if is_threaded { builder.start_threaded() } else { builder.start() }.unwrap();
        let mut client = client_of(&server).start().unwrap();
        let start = std::time::Instant::now();
        while server.peers().is_empty() && start.elapsed() < Duration::from_secs(10) {
            server.update(Duration::from_millis(5)).unwrap();
            client.update(Duration::from_millis(5)).unwrap();
        }
        // From here on the client's game hangs.
        server.shutdown(Duration::from_millis(patience));
        let events: Vec<_> = server.events().collect();
        let end = end_of(&events).map(|end| (end.reason, end.origin));
        assert_eq!(end, Some((Reason::Shutdown, Origin::Local)), "{is_threaded}, {patience} ms");
    }
}

#[test]
fn statistics_are_filled() {
    let mut world = World::connected(server().start().unwrap(), 1);
    for _ in 0..50 {
        world.clients[0].send(0, &[0; 100]).unwrap();
        world.step();
    }
    world.run_until(|world| messages(&world.server_events).len() == 50);
    let peer = world.connected_peers()[0];
    let deadline = std::time::Instant::now() + Duration::from_millis(300);
    while std::time::Instant::now() < deadline {
        world.step();
        world.clients[0].send(0, "x").unwrap();
    }
    let at_client = world.clients[0].statistics().unwrap();
    let at_server = world.server.peer_statistics(peer).unwrap();
    assert!(at_client.bytes_sent > 5_000 && at_client.rtt_smoothed > Duration::ZERO, "{at_client:?}");
    assert!(at_server.messages_received >= 50, "{at_server:?}");
    let channel = world.clients[0].channel_statistics(0).unwrap();
    assert!(channel.messages_sent >= 50, "{channel:?}");
    assert_eq!(world.clients[0].channel_statistics(99), None);
    let whole = world.server.statistics();
    assert!(whole.link.datagrams_in > 0 && whole.endpoint.peers == 1, "{whole:?}");
    assert_eq!(world.server.peers()[0].remote.port(), world.clients[0].local_addr().port());
}

#[test]
fn known_hosts_remember_a_server_and_refuse_a_changed_one() {
    let path = std::env::temp_dir().join(format!("tme-hosts-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let first = server().start().unwrap();
    let address = first.local_addr();
    let client = || {
        Client::builder()
            .connect(address.to_string())
            .known_hosts(&path)
            .connect_timeout(Duration::from_millis(700))
            .start()
            .unwrap()
    };
    let mut world = World::new(first, vec![client()]);
    world.run_until(|world| world.clients[0].is_connected() && path.exists());
    drop(world);
    // Another server takes the same port with another key.
    let second = Server::builder().listen(address.to_string()).start().unwrap();
    let mut world = World::new(second, vec![client()]);
    world.run_until(|world| end_of(&world.client_events[0]).is_some());
    let end = end_of(&world.client_events[0]).unwrap().to_string();
    assert!(end.contains("is remembered for it"), "{end}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_server_and_a_client_talk_inside_one_process_without_sockets() {
    let (a, b) = tme::memory::pair();
    let address = a.local_address();
    let server = Server::builder().start_in_memory(a).unwrap();
    let client = Client::builder().connect(address.to_string()).start_in_memory(b).unwrap();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| world.clients[0].is_connected());
    world.clients[0].send(0, "hello").unwrap();
    world.run_until(|world| messages(&world.server_events) == [b"hello"]);
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

/// Numbers that came on channel 0.
fn numbers(events: &[Event]) -> Vec<u32> {
    messages(events).iter().map(|message| u32::from_le_bytes(message[..4].try_into().unwrap())).collect()
}

#[test]
fn a_client_that_binds_another_socket_in_mid_game_keeps_its_session() {
    for is_threaded in [false, true] {
        let server = server().start().unwrap();
        let client = client_of(&server);
        let client = if is_threaded { client.start_threaded() } else { client.start() }.unwrap();
        let mut world = World::new(server, vec![client]);
        world.run_until(|world| world.clients[0].is_connected() && !world.connected_peers().is_empty());
        let peer = world.connected_peers()[0];
        let mut ports = vec![world.clients[0].local_addr().port()];
        for number in 0..200u32 {
            if number % 50 == 25 {
                let address = world.clients[0].rebind().unwrap();
                assert_eq!(world.clients[0].local_addr(), address);
                ports.push(address.port());
            }
            world.clients[0].send(0, &number.to_le_bytes()).unwrap();
            world.server.send(peer, 0, &number.to_le_bytes()).unwrap();
            world.step();
        }
        let port = *ports.last().unwrap();
        world.run_until(|world| {
            let is_whole = |events: &[Event]| numbers(events).len() >= 200;
            let remote = world.server.peers()[0].remote;
            is_whole(&world.server_events) && is_whole(&world.client_events[0]) && remote.port() == port
        });
        let expected: Vec<u32> = (0..200).collect();
        assert_eq!(numbers(&world.server_events), expected, "threaded: {is_threaded}");
        assert_eq!(numbers(&world.client_events[0]), expected, "threaded: {is_threaded}");
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 5, "each time another port");
        let moves = world.server_events.iter().filter(|event| matches!(event, Event::AddressChanged { .. }));
        assert!((1..=4).contains(&moves.count()), "the last one at least was completed");
        assert!(world.server.peer_statistics(peer).is_some());
    }
}

#[test]
fn where_an_address_cannot_change_the_call_says_why() {
    let server = server().security(Security::Plaintext).start().unwrap();
    let client = client_of(&server).security(Security::Plaintext).start().unwrap();
    assert!(matches!(client.rebind(), Err(Error::Send(SendError::NotConnected))));
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| world.clients[0].is_connected());
    let address = world.clients[0].local_addr();
    let error = world.clients[0].rebind().unwrap_err().to_string();
    assert!(error.contains("plaintext"), "{error}");
    let mut world = World::connected(common::server().start().unwrap(), 1);
    let taken = world.server.local_addr();
    let error = world.clients[0].rebind_to(taken).unwrap_err().to_string();
    assert!(error.contains(&taken.to_string()), "{error}");
    assert_ne!(world.clients[0].local_addr(), address);
    world.clients[0].send(0, "still here").unwrap();
    world.run_until(|world| !messages(&world.server_events).is_empty());
}

#[test]
fn datagrams_grow_to_what_the_path_carries() {
    for (server_max, client_max, security) in [
        (1_452, 1_452, Security::Encrypted),
        (1_452, 1_200, Security::Plaintext),
        (9_000, 9_000, Security::Encrypted),
    ] {
        let limits = Limits { datagram_bytes_max: 9_000, ..Limits::default() };
        let server =
            server().limits(limits).datagram_bytes_max(server_max).security(security).start().unwrap();
        let client = client_of(&server).limits(limits).datagram_bytes_max(client_max).security(security);
        let mut world = World::new(server, vec![client.start().unwrap()]);
        world.run_until(|world| world.clients[0].is_connected() && !world.connected_peers().is_empty());
        let peer = world.connected_peers()[0];
        world.run_until(|world| {
            let at_server = world.server.peer_statistics(peer).map(|statistics| statistics.datagram_bytes);
            let at_client = world.clients[0].statistics().map(|statistics| statistics.datagram_bytes);
            (at_server, at_client) == (Some(server_max), Some(client_max))
        });
    }
}
