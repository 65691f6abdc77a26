//! All the ways to part.

use std::time::Duration;

use tme::{Client, Origin, Reason, SendError, Server};

use crate::common::{World, client_of, end_of, messages, server};

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

#[test]
fn what_is_queued_has_as_long_as_the_game_has_patience() {
    // At the capped rate it takes longer than the 3 s that a plain disconnect would grant it.
    let message = vec![7; 250_000];
    for is_threaded in [false, true] {
        let mut server = server().start_threaded().unwrap();
        let builder = client_of(&server).rate_cap(50_000);
        let mut client = if is_threaded { builder.start_threaded() } else { builder.start() }.unwrap();
        let start = std::time::Instant::now();
        while !client.is_connected() && start.elapsed() < Duration::from_secs(20) {
            client.update(Duration::from_millis(5)).unwrap();
        }
        client.send(0, &message).unwrap();
        client.close(Duration::from_secs(60));
        let mut events = Vec::new();
        while end_of(&events).is_none() && start.elapsed() < Duration::from_secs(60) {
            server.update(Duration::from_millis(5)).unwrap();
            events.extend(server.events());
        }
        assert_eq!(end_of(&events).map(|end| end.reason), Some(Reason::Closed));
        assert!(messages(&events) == [&message[..]], "the message came whole, threaded: {is_threaded}");
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
