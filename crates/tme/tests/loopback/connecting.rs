//! How a client finds its server, and what keeps them apart.

use std::time::Duration;

use tme::{Channel, Client, Error, KeyPair, Origin, Reason, Security, Server};

use crate::common::{World, client_of, end_of, messages, server};

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
