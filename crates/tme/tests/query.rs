//! Servers are asked what they are, without connecting.
#![allow(missing_docs)]

mod common;

use std::time::{Duration, Instant};

use common::{World, client_of, server};
use tme::query::{self, Answer, Querier, QueryError, name_hash};
use tme::{Error, Server};

const PATIENCE: Duration = Duration::from_secs(20);

fn answers(querier: &mut Querier) -> Vec<Answer> {
    let (start, mut answers) = (Instant::now(), Vec::new());
    while querier.open_count() > 0 {
        assert!(start.elapsed() < PATIENCE, "{} are open", querier.open_count());
        querier.update(Duration::from_millis(50)).unwrap();
        answers.extend(std::iter::from_fn(|| querier.poll_answer()));
    }
    answers
}

#[test]
fn a_server_tells_anybody_what_it_is_and_what_the_game_adds() {
    let builder = server().application("query-test").max_peers(9).information("map=dust2");
    let server = builder.start_threaded().unwrap();
    let address = server.local_addr();
    let (from, info) = query::ask(&address.to_string(), PATIENCE).unwrap();
    assert_eq!((from, info.application_id), (address, name_hash("query-test")));
    assert_eq!((info.peers, info.peers_max, info.information.as_bytes()), (0, 9, &b"map=dust2"[..]));
    assert!(info.rtt < PATIENCE);

    server.set_information("map=aztec").unwrap();
    assert!(matches!(server.set_information([0; 513]), Err(Error::Config(_))));
    let start = Instant::now();
    while query::ask(&address.to_string(), PATIENCE).unwrap().1.information.as_bytes() != b"map=aztec" {
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(server.statistics().endpoint.peers == 0, "nobody has connected");
}

#[test]
fn many_servers_are_asked_at_a_time() {
    let servers: Vec<Server> =
        (0..40).map(|n| server().information(format!("{n}")).start_threaded().unwrap()).collect();
    let mut querier = Querier::start(PATIENCE).unwrap();
    let ids: Vec<_> =
        servers.iter().map(|server| querier.ask(&server.local_addr().to_string()).unwrap()).collect();
    let answers = answers(&mut querier);
    assert_eq!(answers.len(), 40);
    for (n, id) in ids.iter().enumerate() {
        let answer = answers.iter().find(|answer| answer.id == *id).unwrap();
        let (_, info) = answer.result.as_ref().unwrap();
        assert_eq!(info.information.as_bytes(), n.to_string().as_bytes());
    }
}

#[test]
fn a_game_that_looks_once_a_frame_and_never_waits_gets_its_answers() {
    let server = server().start_threaded().unwrap();
    let mut querier = Querier::start(PATIENCE).unwrap();
    querier.ask(&server.local_addr().to_string()).unwrap();
    let answer = loop {
        querier.update(Duration::ZERO).unwrap();
        if let Some(answer) = querier.poll_answer() {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(answer.result.unwrap().0, server.local_addr());
}

#[test]
fn who_does_not_answer_or_is_nowhere_is_said_so() {
    let silent = server().queries_per_second(0).start_threaded().unwrap();
    let mut querier = Querier::start(Duration::from_millis(300)).unwrap();
    querier.ask(&silent.local_addr().to_string()).unwrap();
    querier.ask("no-such-host.invalid:7").unwrap();
    assert!(matches!(querier.ask("nonsense"), Err(QueryError::Address(_))));
    let answers = answers(&mut querier);
    let kinds: Vec<_> = answers.iter().map(|answer| answer.result.as_ref().unwrap_err().kind()).collect();
    assert!(kinds.contains(&3) && kinds.contains(&2), "{answers:?}");
    assert!(matches!(query::ask("nonsense", PATIENCE), Err(Error::Query(QueryError::Address(_)))));
}

#[test]
fn a_name_with_several_addresses_is_asked_at_all_of_them() {
    let server = server().start_threaded().unwrap();
    let target = format!("localhost:{}", server.local_addr().port());
    let (from, _) = query::ask(&target, PATIENCE).unwrap();
    assert_eq!(from, server.local_addr());
}

#[test]
fn a_rate_cap_holds_a_connection_back_and_lets_it_go() {
    let server = server().start().unwrap();
    let client = client_of(&server).rate_cap(100_000).start().unwrap();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| world.connected_peers().len() == 1 && world.clients[0].is_connected());
    let start = Instant::now();
    world.clients[0].send(0, vec![0xA5; 50_000]).unwrap();
    world.run_until(|world| !common::messages(&world.server_events).is_empty());
    // Slower than the cap on a busy machine, never faster: 1 ms of it goes at once.
    assert!(start.elapsed() > Duration::from_millis(400), "{:?}", start.elapsed());
    assert!(world.clients[0].set_rate_cap(None));
    let peer = world.connected_peers()[0];
    assert!(world.server.set_rate_cap(peer, Some(1 << 20)));
    assert!(!world.server.set_rate_cap(tme::PeerId::from_u64(0), None));
    world.clients[0].send(0, vec![0xA5; 500_000]).unwrap();
    world.run_until(|world| common::messages(&world.server_events).len() == 2);
}
