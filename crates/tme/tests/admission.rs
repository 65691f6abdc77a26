//! Who is let in, over real sockets: connect tokens, the game's decision, players who come back.
#![allow(missing_docs)]

mod common;

use std::time::Duration;

use common::{World, client_of, end_of, server};
use tme::token::{
    self, Audience, SealedToken, ServerName, Token, TokenKey, TokenProblem, TokenUserData, UnixTime, UserId,
};
use tme::{
    Applicant, Client, ClientBuilder, Connected, Error, Event, Newcomers, Origin, PeerId, Reason, RefuseAs,
    Server,
};

fn sealed(key: &TokenKey, user: u64) -> SealedToken {
    let mut token = Token::new(UserId::from(user), token::now(), Duration::from_secs(60));
    token.user_data = TokenUserData::new("guest").unwrap();
    token::seal(key, &token).unwrap()
}

fn applicant(events: &[Event]) -> Option<(PeerId, &Applicant)> {
    events.iter().find_map(|event| match event {
        Event::Admission { peer, info } => Some((*peer, &**info)),
        _ => None,
    })
}

fn connected(events: &[Event]) -> Option<&Connected> {
    events.iter().find_map(|event| match event {
        Event::Connected { info, .. } => Some(&**info),
        _ => None,
    })
}

#[test]
fn a_token_lets_its_player_in_whoever_drives() {
    let key = token::generate_key().unwrap();
    for is_threaded in [false, true] {
        let builder = server().token_key(key.clone()).require_token();
        let server = if is_threaded { builder.start_threaded() } else { builder.start() }.unwrap();
        let text = sealed(&key, 42).to_string();
        let client = client_of(&server).token(text.parse().unwrap());
        let client = if is_threaded { client.start_threaded() } else { client.start() }.unwrap();
        let mut world = World::new(server, vec![client]);
        world.run_until(|world| connected(&world.server_events).is_some());
        let info = connected(&world.server_events).unwrap().token.as_ref().unwrap();
        assert_eq!((info.user.as_u64(), info.user_data.as_bytes()), (Some(42), &b"guest"[..]));
        let peer = world.connected_peers()[0];
        assert_eq!(world.server.peer_token(peer).as_deref(), Some(&**info), "found again by id");
        assert_eq!(world.server.peer_token(PeerId::from_u64(0)), None);
    }
}

#[test]
fn whoever_has_no_good_token_hears_what_is_wrong_with_it_and_is_counted() {
    let key = token::generate_key().unwrap();
    let server = server().token_key(key.clone()).require_token().start().unwrap();
    let (now, minute) = (token::now(), Duration::from_secs(60));
    let of = |issued: UnixTime| Token::new(UserId::from(1), issued, minute);
    let elsewhere = Token { audience: Audience::Name(ServerName::new("us-1").unwrap()), ..of(now) };
    let seal = |token: &Token| token::seal(&key, token).unwrap();
    let used = sealed(&key, 1);
    let expected = [
        (TokenProblem::Missing, None),
        (TokenProblem::Invalid, Some(sealed(&token::generate_key().unwrap(), 1))),
        (TokenProblem::WrongAudience, Some(seal(&elsewhere))),
        (TokenProblem::NotYetValid, Some(seal(&of(now + 10 * minute)))),
        (TokenProblem::Expired, Some(seal(&of(now - 10 * minute)))),
        (TokenProblem::Used, Some(used.clone())),
    ];
    let first = client_of(&server).token(used).start().unwrap();
    let mut world = World::new(server, vec![first]);
    world.run_until(|world| !world.connected_peers().is_empty());
    for (problem, token) in expected {
        let builder = client_of(&world.server);
        let builder = token.into_iter().fold(builder, ClientBuilder::token);
        world.clients.push(builder.start().unwrap());
        world.client_events.push(Vec::new());
        world.run_until(|world| end_of(world.client_events.last().unwrap()).is_some());
        let end = end_of(world.client_events.last().unwrap()).unwrap().clone();
        assert_eq!((end.reason, end.token_problem()), (Reason::Token, Some(problem)), "{end}");
        assert_eq!(end.origin, Origin::Remote);
        world.run_until(|world| world.server.statistics().endpoint.handshake.token_problems(problem) == 1);
    }
    assert_eq!(world.server.statistics().endpoint.handshake.refused(Reason::Token), 6);
    assert!(end_of(&world.server_events).is_none(), "who is there stays");
}

#[test]
fn a_game_that_is_asked_decides_with_words_of_its_own() {
    let server = server().ask_before_admitting().start().unwrap();
    let clients = ["let me in", "or me"].map(|text| client_of(&server).user_data(text).start().unwrap());
    let mut world = World::new(server, clients.into());
    let asked = |world: &World| {
        world.server_events.iter().filter(|event| matches!(event, Event::Admission { .. })).count()
    };
    world.run_until(|world| asked(world) == 2);
    let (mut accepted, mut refused) = (None, None);
    for event in &world.server_events {
        if let Event::Admission { peer, info } = event {
            *(if &info.user_data[..] == b"let me in" { &mut accepted } else { &mut refused }) = Some(*peer);
        }
    }
    let (accepted, refused) = (accepted.unwrap(), refused.unwrap());
    assert_eq!(&world.server.applicant(refused).unwrap().user_data[..], b"or me");
    assert!(matches!(world.server.accept_with(accepted, [0; 513]), Err(Error::Config(_))));
    assert!(world.server.accept_with(accepted, "welcome").unwrap());
    assert!(world.server.handle().refuse(refused, RefuseAs::Banned, "until Monday"));
    assert!(!world.server.accept(refused) && world.server.applicant(refused).is_none(), "it is decided");
    world.run_until(|world| {
        connected(&world.client_events[0]).is_some() && end_of(&world.client_events[1]).is_some()
    });
    assert_eq!(&connected(&world.client_events[0]).unwrap().user_data[..], b"welcome");
    let end = end_of(&world.client_events[1]).unwrap();
    assert_eq!((end.reason, &end.detail[..]), (Reason::Banned, &b"until Monday"[..]));
    world.run_until(|world| world.connected_peers() == [accepted] && end_of(&world.server_events).is_some());
    assert!(!world.server.accept(accepted) && !world.server.accept(PeerId::from_u64(0)));
}

#[test]
fn a_server_that_shuts_down_keeps_nobody_waiting_for_a_decision() {
    let server = server().ask_before_admitting().start().unwrap();
    let client = client_of(&server).start_threaded().unwrap();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| applicant(&world.server_events).is_some());
    world.server.shutdown(Duration::from_secs(5));
    let start = std::time::Instant::now();
    while end_of(&world.client_events[0]).is_none() {
        assert!(start.elapsed() < Duration::from_secs(5), "the client was not told");
        let _ = world.clients[0].update(Duration::from_millis(5));
        let events = world.clients[0].events();
        world.client_events[0].extend(events);
    }
    assert_eq!(end_of(&world.client_events[0]).unwrap().reason, Reason::Shutdown);
}

fn two_of_one_player(server: Server) -> World {
    let identity = tme::generate_key().unwrap();
    let older = client_of(&server).identity(identity.clone()).start().unwrap();
    let newer = client_of(&server).identity(identity);
    let mut world = World::new(server, vec![older]);
    world.run_until(|world| world.connected_peers().len() == 1 && world.clients[0].is_connected());
    world.clients.push(newer.start().unwrap());
    world.client_events.push(Vec::new());
    world
}

#[test]
fn the_newest_connection_of_a_player_wins() {
    let mut world = two_of_one_player(server().max_peers(1).start().unwrap());
    world.run_until(|world| world.connected_peers().len() == 2 && end_of(&world.client_events[0]).is_some());
    assert_eq!(end_of(&world.client_events[0]).unwrap().reason, Reason::Replaced);
    assert_eq!(end_of(&world.server_events).unwrap().reason, Reason::Replaced);
    let peers: Vec<PeerId> = world.server.peers().iter().map(|peer| peer.peer).collect();
    assert_eq!(peers, [world.connected_peers()[1]]);
    assert!(world.clients[1].is_connected());
}

#[test]
fn a_player_who_is_there_is_not_let_in_twice_where_that_is_set() {
    let mut world = two_of_one_player(server().newcomers(Newcomers::Refuse).start().unwrap());
    world.run_until(|world| end_of(&world.client_events[1]).is_some());
    let end = end_of(&world.client_events[1]).unwrap();
    assert_eq!((end.reason, &end.detail[..]), (Reason::Denied, &b"already connected"[..]));
    assert!(world.clients[0].is_connected());
}

#[test]
fn settings_that_cannot_be_are_refused_at_the_start() {
    let config = |result: Result<Server, Error>| matches!(result, Err(Error::Config(_)));
    assert!(config(server().require_token().start()));
    let key = token::generate_key().unwrap();
    assert!(config(server().token_keys(vec![key.clone(); 17]).start()));
    assert!(config(server().token_key(key.clone()).security(tme::Security::Plaintext).start()));
    // Whether a client's settings can be is found out when its name has led to an address.
    let server = server().start().unwrap();
    let plaintext = client_of(&server).token(sealed(&key, 1)).security(tme::Security::Plaintext);
    let mut world = World::new(server, vec![plaintext.start().unwrap()]);
    world.run_until(|world| end_of(&world.client_events[0]).is_some());
    assert_eq!(end_of(&world.client_events[0]).unwrap().reason, Reason::Aborted);
}

#[test]
fn a_client_that_echoes_needs_no_token() {
    let key = token::generate_key().unwrap();
    let mut client = Client::builder().token(sealed(&key, 1)).start_echo().unwrap();
    let start = std::time::Instant::now();
    while !client.is_connected() {
        assert!(start.elapsed() < Duration::from_secs(20));
        client.update(Duration::from_millis(5)).unwrap();
    }
}
