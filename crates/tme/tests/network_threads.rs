//! A server over several network threads: the same server as any, whichever thread a player is with.
#![allow(missing_docs)]
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::{World, client_of, end_of, messages, server};
use tme::token::{self, Token, UserId};
use tme::{
    Client, Direction, Event, LinkChoice, LinkConditions, LinkKind, Newcomers, PeerId, Reason, SendOptions,
    Server,
};

const THREADS: usize = 4;

fn threaded() -> Server {
    server().max_peers(256).network_threads(THREADS).start_threaded().unwrap()
}

/// Which threads have peers.
fn threads_of(server: &Server, peers: &[PeerId]) -> BTreeSet<usize> {
    peers.iter().map(|&peer| server.thread_of(peer).unwrap()).collect()
}

#[test]
fn sixty_four_clients_hear_their_echo_and_every_broadcast() {
    const CLIENTS: usize = 64;
    let server = threaded();
    assert_eq!((server.network_threads(), server.thread_statistics().len()), (THREADS, THREADS));
    let mut world = World::connected(server, CLIENTS);
    let peers = world.connected_peers();
    assert!(threads_of(&world.server, &peers).len() > 1, "sixty-four addresses are not all alike");
    assert_eq!(world.server.peers().iter().map(|info| info.peer).collect::<BTreeSet<_>>().len(), CLIENTS);
    let numbers: BTreeSet<u32> = world.server.peers().iter().map(|info| info.number).collect();
    assert_eq!(numbers, (2..2 + CLIENTS as u32).collect());
    for number in numbers {
        assert!(world.server.peer_by_number(number).is_some());
    }

    for (index, client) in world.clients.iter().enumerate() {
        client.send(0, &(index as u32).to_le_bytes()).unwrap();
    }
    world.run_until(|world| messages(&world.server_events).len() == CLIENTS);
    for event in &world.server_events {
        if let Event::Message { peer, channel, payload, .. } = event {
            world.server.send(*peer, *channel, payload).unwrap();
        }
    }
    let outcome = world.server.broadcast(0, "for all").unwrap();
    assert_eq!((outcome.sent, outcome.gone), (CLIENTS, 0));
    let outcome = world.server.broadcast_except(peers[0], 0, "for all but one").unwrap();
    assert_eq!(outcome.sent, CLIENTS - 1);
    let nobody = PeerId::from_u64(peers[0].as_u64() + (7 << 20));
    let chosen: Vec<PeerId> = peers[..10].iter().copied().chain([nobody]).collect();
    let outcome = world.server.multicast(chosen, 0, "for some").unwrap();
    assert_eq!((outcome.sent, outcome.gone), (10, 1));
    world.run_until(|world| {
        let count: usize = world.client_events.iter().map(|events| messages(events).len()).sum();
        count == CLIENTS + CLIENTS + (CLIENTS - 1) + 10
    });
    for (index, events) in world.client_events.iter().enumerate() {
        let messages = messages(events);
        assert!(messages.contains(&(index as u32).to_le_bytes().to_vec()), "its own echo");
        assert!(messages.contains(&b"for all".to_vec()));
    }

    let whole = world.server.statistics();
    let each = world.server.thread_statistics();
    assert_eq!(whole.endpoint.peers, CLIENTS);
    let sum: usize = each.iter().map(|one| one.endpoint.peers).sum();
    assert_eq!(sum, CLIENTS);
    for (thread, one) in each.iter().enumerate() {
        let its = peers.iter().filter(|&&peer| world.server.thread_of(peer) == Some(thread)).count();
        assert_eq!(one.endpoint.peers, its, "thread {thread}");
    }
}

#[test]
fn what_concerns_one_peer_reaches_its_thread() {
    let mut world = World::connected(threaded(), 16);
    let peers = world.connected_peers();
    for &peer in &peers {
        let options = SendOptions { receipt: Some(peer.as_u64()), ..SendOptions::default() };
        world.server.send_with(peer, 0, "with a receipt", options).unwrap();
        assert!(world.server.send_budget(peer).is_some());
        assert!(world.server.channels(peer).is_some());
        assert!(world.server.set_rate_cap(peer, Some(1_000_000)));
        let conditions = "lan".parse::<tme::Preset>().unwrap().conditions();
        world.server.set_conditions(peer, Direction::Outgoing, Some(conditions.down)).unwrap();
    }
    world.run_until(|world| {
        let delivered = world
            .server_events
            .iter()
            .filter(|event| matches!(event, Event::Delivered { peer, token, .. } if peer.as_u64() == *token));
        let is_modelled =
            |peer: &PeerId| world.server.condition_statistics(*peer, Direction::Outgoing).is_some();
        let has_figures =
            |peer: &PeerId| world.server.peer_statistics(*peer).is_some_and(|one| one.packets_sent > 0);
        delivered.count() == 16 && peers.iter().all(is_modelled) && peers.iter().all(has_figures)
    });
    for &peer in &peers[..8] {
        assert!(world.server.disconnect(peer));
    }
    world.run_until(|world| world.server.peers().len() == 8);
    for &peer in &peers[..8] {
        assert!(world.server.send(peer, 0, "gone").is_err());
        assert_eq!(world.server.thread_of(peer), None);
    }
}

#[test]
fn whoever_moves_to_another_address_stays_with_its_thread() {
    let mut world = World::connected(threaded(), 8);
    let peers = world.connected_peers();
    let before: Vec<_> = peers.iter().map(|&peer| world.server.thread_of(peer)).collect();
    for round in 1..=4 {
        for client in &world.clients {
            client.rebind().unwrap();
            client.send(0, "after the move").unwrap();
        }
        world.run_until(|world| messages(&world.server_events).len() == 8 * round);
    }
    let after: Vec<_> = peers.iter().map(|&peer| world.server.thread_of(peer)).collect();
    assert_eq!(before, after);
    assert!(world.clients.iter().all(Client::is_connected));
    let statistics = world.server.statistics();
    assert_eq!(statistics.endpoint.peers, 8);
    assert_eq!(statistics.post.datagrams_lost, 0);
    assert_eq!(statistics.endpoint.resets_sent, 0);
}

#[test]
fn there_are_as_many_players_as_the_whole_server_may_have() {
    let server = server().max_peers(10).network_threads(THREADS).start_threaded().unwrap();
    let clients = (0..40).map(|_| client_of(&server).start().unwrap()).collect();
    let mut world = World::new(server, clients);
    world.run_until(|world| {
        let ended = world.client_events.iter().filter(|events| end_of(events).is_some()).count();
        ended == 30 && world.connected_peers().len() == 10
    });
    for events in &world.client_events {
        assert!(end_of(events).is_none_or(|end| end.reason == Reason::Full), "{events:?}");
    }
    assert_eq!(world.server.peers().len(), 10);
}

#[test]
fn the_newest_connection_of_a_player_wins_in_whichever_thread_it_is() {
    const CONNECTIONS: usize = 12;
    let key = tme::generate_key().unwrap();
    let server = threaded();
    let mut world = World::new(server, Vec::new());
    let mut threads = BTreeSet::new();
    for count in 1..=CONNECTIONS {
        world.clients.push(client_of(&world.server).identity(key.clone()).start().unwrap());
        world.client_events.push(Vec::new());
        world.run_until(|world| {
            let ended =
                world.server_events.iter().filter(|event| matches!(event, Event::Disconnected { .. }));
            world.connected_peers().len() == count && ended.count() == count - 1
        });
        let [only] = world.server.peers()[..] else { panic!("one player: {:?}", world.server.peers()) };
        threads.insert(world.server.thread_of(only.peer));
    }
    world.run_until(|world| {
        world.client_events.iter().filter(|events| end_of(events).is_some()).count() == CONNECTIONS - 1
    });
    for events in &world.client_events[..CONNECTIONS - 1] {
        assert_eq!(end_of(events).unwrap().reason, Reason::Replaced);
    }
    assert!(threads.len() > 1, "twelve addresses are not all alike");
    assert_eq!(world.server.statistics().endpoint.peers_replaced, CONNECTIONS as u64 - 1);
}

#[test]
fn the_older_connection_stays_where_that_is_wanted() {
    let key = tme::generate_key().unwrap();
    let builder = server().newcomers(Newcomers::Refuse).network_threads(THREADS);
    let server = builder.start_threaded().unwrap();
    let mut world = World::new(server, Vec::new());
    for count in 0..8 {
        world.clients.push(client_of(&world.server).identity(key.clone()).start().unwrap());
        world.client_events.push(Vec::new());
        world.run_until(|world| match count {
            0 => world.connected_peers().len() == 1,
            _ => end_of(&world.client_events[count]).is_some(),
        });
    }
    for events in &world.client_events[1..] {
        assert_eq!(end_of(events).unwrap().reason, Reason::Denied);
    }
}

#[test]
fn a_token_is_used_up_for_all_threads() {
    let key = token::generate_key().unwrap();
    let builder = server().token_key(key.clone()).require_token().network_threads(THREADS);
    let server = builder.start_threaded().unwrap();
    let sealed =
        token::seal(&key, &Token::new(UserId::from(7), token::now(), Duration::from_secs(60))).unwrap();
    let clients = (0..12).map(|_| client_of(&server).token(sealed.clone()).start().unwrap()).collect();
    let mut world = World::new(server, clients);
    world.run_until(|world| {
        let refused = world.client_events.iter().filter(|events| end_of(events).is_some()).count();
        refused == 11 && world.connected_peers().len() == 1
    });
    for end in world.client_events.iter().filter_map(|events| end_of(events)) {
        assert_eq!(end.reason, Reason::Token);
    }
    assert_eq!(world.server.statistics().endpoint.handshake.tokens_remembered, 1);
}

#[test]
fn the_game_is_asked_and_answers_for_clients_of_every_thread() {
    let server = server().ask_before_admitting().network_threads(THREADS).start_threaded().unwrap();
    let clients = (0..12).map(|_| client_of(&server).start().unwrap()).collect();
    let mut world = World::new(server, clients);
    let mut answered = BTreeSet::new();
    world.run_until(|world| {
        world.server_events.iter().filter(|event| matches!(event, Event::Admission { .. })).count() == 12
    });
    for event in &world.server_events {
        let Event::Admission { peer, .. } = event else { continue };
        assert!(world.server.applicant(*peer).is_some());
        match answered.len() % 2 {
            0 => assert!(world.server.accept_with(*peer, "welcome").unwrap()),
            _ => assert!(world.server.refuse(*peer, tme::RefuseAs::Banned, "")),
        }
        answered.insert(*peer);
    }
    world.run_until(|world| {
        let banned = world.client_events.iter().filter(|events| end_of(events).is_some()).count();
        banned == 6 && world.connected_peers().len() == 6
    });
}

#[test]
fn clients_over_tcp_are_spread_over_the_threads() {
    let server = server().listen_tcp().network_threads(THREADS).start_threaded().unwrap();
    let clients = (0..16).map(|_| client_of(&server).links(LinkChoice::Tcp).start().unwrap()).collect();
    let mut world = World::new(server, clients);
    world.run_until(|world| {
        world.connected_peers().len() == 16 && world.clients.iter().all(Client::is_connected)
    });
    let each: Vec<usize> = world.server.thread_statistics().iter().map(|one| one.endpoint.peers).collect();
    assert!(
        each.iter().all(|&count| count >= 2),
        "the thread with the least to do gets the next one: {each:?}"
    );
    assert!(world.server.peers().iter().all(|info| info.link == LinkKind::Tcp));
    world.server.broadcast(0, "over TCP").unwrap();
    for client in &world.clients {
        client.send(0, "over TCP").unwrap();
    }
    world.run_until(|world| {
        messages(&world.server_events).len() == 16
            && world.client_events.iter().all(|events| messages(events).len() == 1)
    });
    let elsewhere: usize = each[1..].iter().sum();
    assert!(world.server.statistics().post.streams_passed_on >= elsewhere as u64);
    assert_eq!(world.server.statistics().streams.open, 16);
}

#[test]
fn whoever_goes_on_over_tcp_stays_with_its_thread_and_comes_back_to_it() {
    let server = server().listen_tcp().network_threads(THREADS).start_threaded().unwrap();
    let mut world = World::connected(server, 12);
    let peers = world.connected_peers();
    let before: Vec<_> = peers.iter().map(|&peer| world.server.thread_of(peer).unwrap()).collect();
    let set_loss = |world: &World, loss: Option<f64>| {
        for client in &world.clients {
            for direction in [Direction::Incoming, Direction::Outgoing] {
                let conditions = loss.map(|loss| LinkConditions { loss, ..LinkConditions::default() });
                client.set_conditions(direction, conditions).unwrap();
            }
        }
    };
    let all_are_over = |world: &World, link| world.server.peers().iter().all(|info| info.link == link);
    // Whatever way they go, what they say arrives.
    let (mut rounds, mut way) = (0, LinkKind::Udp);
    for (loss, link) in [(Some(1.0), LinkKind::Tcp), (None, LinkKind::Udp)] {
        assert!(all_are_over(&world, way));
        set_loss(&world, loss);
        rounds += 1;
        world.clients.iter().for_each(|client| client.send(0, "still here").unwrap());
        world.server.broadcast(0, "still here").unwrap();
        world.run_until(|world| all_are_over(world, link));
        way = link;
        world.run_until(|world| {
            messages(&world.server_events).len() == 12 * rounds
                && world.client_events.iter().all(|events| messages(events).len() == rounds)
        });
        let now: Vec<_> = peers.iter().map(|&peer| world.server.thread_of(peer).unwrap()).collect();
        assert_eq!(now, before);
    }
    let elsewhere = before.iter().filter(|&&thread| thread != 0).count() as u64;
    assert!(elsewhere > 0, "twelve addresses are not all alike");
    assert!(world.server.statistics().post.streams_passed_on >= elsewhere);
}

#[test]
fn whoever_asks_hears_of_the_players_of_all_threads() {
    let server = server().information("map=dust2").network_threads(THREADS).start_threaded().unwrap();
    let address = server.local_addr();
    let world = World::connected(server, 9);
    for _ in 0..8 {
        let (_, info) = tme::query::ask(&address.to_string(), Duration::from_secs(20)).unwrap();
        assert_eq!((info.peers, info.information.as_bytes()), (9, &b"map=dust2"[..]));
    }
    drop(world);
}

#[test]
fn a_question_to_everybody_in_the_network_is_answered_once() {
    use tme_core::handshake::datagram::{HandshakeDatagram, InfoQuery};
    let builder = Server::builder().listen("0.0.0.0:0").network_threads(THREADS);
    let server = builder.start_threaded().unwrap();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_broadcast(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut datagram = Vec::new();
    InfoQuery { nonce: 1 }.encode(&mut datagram);
    // The system gives each of the server's sockets a copy.
    socket.send_to(&datagram, ("127.255.255.255", server.local_addr().port())).unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while server.statistics().endpoint.handshake.drops.total() < THREADS as u64 - 1 {
        assert!(Instant::now() < patience, "{:?}", server.statistics().endpoint);
        std::thread::sleep(Duration::from_millis(1));
    }
    // What comes after it is the first answer that is not this one's.
    datagram.clear();
    InfoQuery { nonce: 2 }.encode(&mut datagram);
    socket.send_to(&datagram, ("127.0.0.1", server.local_addr().port())).unwrap();
    let mut buffer = [0; 2_048];
    let mut nonce = || {
        let bytes = socket.recv(&mut buffer).unwrap();
        match HandshakeDatagram::parse(&buffer[..bytes]).unwrap() {
            HandshakeDatagram::InfoAnswer(answer) => answer.nonce,
            other => panic!("no answer: {other:?}"),
        }
    };
    let mut nonces = [nonce(), nonce()];
    nonces.sort_unstable();
    assert_eq!(nonces, [1, 2]);
    // Figures are told after the answer has left.
    while server.statistics().endpoint.info_queries < 2 {
        assert!(Instant::now() < patience, "{:?}", server.statistics().endpoint);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(server.statistics().endpoint.info_queries, 2);
}

#[test]
fn a_shutdown_reaches_everybody_and_every_thread_ends() {
    const CLIENTS: usize = 12;
    let server = threaded();
    // They go on by themselves while the server waits for them.
    let clients = (0..CLIENTS).map(|_| client_of(&server).start_threaded().unwrap()).collect();
    let mut world = World::new(server, clients);
    world.run_until(|world| world.connected_peers().len() == CLIENTS);
    world.server.broadcast(0, "the last words").unwrap();
    world.server.shutdown(Duration::from_secs(20));
    world.server_events.extend(world.server.events());
    let ended = world.server_events.iter().filter(|event| matches!(event, Event::Disconnected { .. }));
    assert_eq!(ended.count(), CLIENTS, "the game hears of each");
    assert!(world.server.update(Duration::ZERO).is_err());
    for (client, events) in world.clients.iter_mut().zip(&mut world.client_events) {
        while end_of(events).is_none() {
            let _ = client.update(Duration::from_secs(20));
            events.extend(client.events());
        }
        assert_eq!(end_of(events).unwrap().reason, Reason::Shutdown);
        assert_eq!(messages(events), [b"the last words"]);
    }
}

#[test]
fn an_update_that_waits_is_woken_by_any_thread_and_by_the_handle() {
    let mut world = World::connected(threaded(), 8);
    for index in 0..8 {
        world.clients[index].send(0, "news").unwrap();
        world.clients[index].flush().unwrap();
        // Were it not woken, this would take longer than the test has patience.
        while messages(&world.server_events).len() <= index {
            world.server.update(Duration::from_secs(600)).unwrap();
            world.server_events.extend(world.server.events());
        }
    }
    let handle = world.server.handle();
    let thread = std::thread::spawn(move || handle.wake());
    world.server.update(Duration::from_secs(600)).unwrap();
    thread.join().unwrap();
}

#[test]
fn other_numbers_of_threads_are_refused_or_are_as_before() {
    for threads in [0, 65, 300] {
        let error = server().network_threads(threads).start_threaded().unwrap_err();
        assert!(error.to_string().contains("network threads"), "{error}");
    }
    assert_eq!(server().network_threads(1).start_threaded().unwrap().network_threads(), 1);
    assert_eq!(server().network_threads(4).start().unwrap().network_threads(), 0, "inline there is none");
    assert_eq!(server().network_threads(64).start_threaded().unwrap().network_threads(), 64);
}

#[test]
fn a_second_server_at_the_port_is_refused() {
    let first = threaded();
    let again = Server::builder().listen(first.local_addr().to_string()).network_threads(2).start_threaded();
    assert!(again.unwrap_err().to_string().contains("in use"));
}
