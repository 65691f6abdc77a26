//! What both sides can read of a connection, and conditions that they model.

use std::time::Duration;

use tme::{Channel, Direction, Limits, LinkConditions, Security};

use crate::common::{World, client_of, messages, server};

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
