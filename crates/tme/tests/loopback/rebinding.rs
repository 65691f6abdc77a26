//! A client that goes on through another socket.

use tme::{Error, Event, Security, SendError};

use crate::common::{World, client_of, messages, server};

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
fn figures_of_the_socket_go_on_with_the_next_one() {
    let mut world = World::connected(server().start().unwrap(), 1);
    // More datagrams than the next socket will send by itself while this test has patience.
    for _ in 0..100 {
        world.clients[0].send(0, "datagram").unwrap();
        world.clients[0].flush().unwrap();
        world.step();
    }
    world.run_until(|world| messages(&world.server_events).len() == 100);
    let before = world.clients[0].engine_statistics().link;
    world.clients[0].rebind().unwrap();
    world.clients[0].send(0, "from the next one").unwrap();
    world.run_until(|world| messages(&world.server_events).len() == 101);
    world.run_until(|world| {
        let after = world.clients[0].engine_statistics().link;
        after.datagrams_out > before.datagrams_out && after.datagrams_in > before.datagrams_in
    });
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
    let mut world = World::connected(crate::common::server().start().unwrap(), 1);
    let taken = world.server.local_addr();
    let error = world.clients[0].rebind_to(taken).unwrap_err().to_string();
    assert!(error.contains(&taken.to_string()), "{error}");
    assert_ne!(world.clients[0].local_addr(), address);
    world.clients[0].send(0, "still here").unwrap();
    world.run_until(|world| !messages(&world.server_events).is_empty());
}
