//! A server that shuts down: nobody is let in, what is queued goes through, everybody is told why, and the game learns what
//! came of it.
#![allow(missing_docs, reason = "a test program")]

mod common;

use std::time::{Duration, Instant};

use common::{client_of, end_of, messages, server};
use tme::{
    Client, Direction, EngineError, Error, Event, Limits, LinkChoice, LinkConditions, Origin, Reason,
    SendError, Server, ServerBuilder, ShutdownReport,
};

const STEP: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(20);
/// Who comes while a server shuts down.
const LATECOMERS: u64 = 8;
const CODE: u32 = 7;
const WORDS: &[u8] = b"maintenance until noon";

/// On which threads the server runs.
#[derive(Clone, Copy, Debug)]
enum Drive {
    Inline,
    OneThread,
    #[cfg(target_os = "linux")]
    ThreeThreads,
}

const DRIVES: &[Drive] = &[
    Drive::Inline,
    Drive::OneThread,
    #[cfg(target_os = "linux")]
    Drive::ThreeThreads,
];

fn start(builder: ServerBuilder, drive: Drive) -> Server {
    let started = match drive {
        Drive::Inline => builder.start(),
        Drive::OneThread => builder.start_threaded(),
        #[cfg(target_os = "linux")]
        Drive::ThreeThreads => builder.network_threads(3).start_threaded(),
    };
    started.unwrap()
}

/// Clients with network threads of their own, so that a test need only drive the server.
fn connect(server: &mut Server, links: &[LinkChoice]) -> Vec<Client> {
    let clients: Vec<_> =
        links.iter().map(|&link| client_of(server).links(link).start_threaded().unwrap()).collect();
    wait_for_peers(server, clients.len());
    clients
}

fn wait_for_peers(server: &mut Server, count: usize) {
    let start = Instant::now();
    while server.peers().len() < count {
        assert!(start.elapsed() < PATIENCE, "not connected");
        server.update(STEP).unwrap();
    }
    server.events().for_each(drop);
}

/// What a client has heard until its end.
fn heard(client: &mut Client) -> Vec<Event> {
    let start = Instant::now();
    let mut events = Vec::new();
    while end_of(&events).is_none() {
        assert!(start.elapsed() < PATIENCE, "not told: {events:?}");
        let _ = client.update(STEP);
        events.extend(client.events());
    }
    events
}

/// Updates as a game does that goes on drawing, until the server has ended.
fn go_on(server: &mut Server) -> Vec<Event> {
    let start = Instant::now();
    let mut events = Vec::new();
    loop {
        assert!(start.elapsed() < PATIENCE, "not over");
        match server.update(STEP) {
            Ok(()) => events.extend(server.events()),
            Err(Error::Engine(EngineError::Closed)) => return events,
            Err(error) => panic!("{error}"),
        }
    }
}

fn assert_told(events: &[Event]) {
    let end = end_of(events).unwrap();
    assert_eq!(
        (end.reason, end.origin, end.code, &end.detail[..]),
        (Reason::Shutdown, Origin::Remote, CODE, WORDS)
    );
}

#[test]
fn everybody_gets_what_is_queued_and_is_told_why() {
    for &drive in DRIVES {
        let mut server = start(server().listen_tcp(), drive);
        let mut clients = connect(&mut server, &[LinkChoice::Udp, LinkChoice::Tcp, LinkChoice::Udp]);
        let message = vec![7; 200_000];
        assert_eq!(server.broadcast(0, &message).unwrap().sent, 3);
        let report = server.shutdown_with(LONG, CODE, WORDS.to_vec());
        let expected = ShutdownReport { peers: 3, told: 3, is_over: true, ..ShutdownReport::default() };
        assert_eq!(report, expected, "{drive:?}");
        for client in &mut clients {
            let events = heard(client);
            assert_told(&events);
            assert!(messages(&events) == [&message[..]], "the message came whole");
        }
        assert_eq!(server.shutdown(LONG), expected, "the second time nothing is left to do");
    }
}

#[test]
fn a_game_that_goes_on_drawing_polls_for_the_end() {
    for &drive in DRIVES {
        // At this rate it takes a second and more.
        let mut server = start(server().listen_tcp().rate_cap(50_000), drive);
        let mut clients = connect(&mut server, &[LinkChoice::Udp]);
        let peer = server.peers()[0].peer;
        let message = vec![7; 60_000];
        server.send(peer, 0, &message).unwrap();
        assert_eq!(server.shutdown_report(), None);
        server.begin_shutdown(LONG, CODE, WORDS.to_vec()).unwrap();
        assert!(server.shutdown_report().is_some_and(|report| !report.is_over));
        assert_eq!(server.send(peer, 0, "too late"), Err(SendError::NotConnected));

        // Some come while that goes on, whichever network thread they come to.
        let latecomer = |link| client_of(&server).links(link).start_threaded().unwrap();
        let mut latecomers: Vec<_> = [LinkChoice::Udp, LinkChoice::Tcp]
            .iter()
            .flat_map(|&link| (0..LATECOMERS / 2).map(move |_| link))
            .map(latecomer)
            .collect();
        let events = go_on(&mut server);
        assert_eq!(end_of(&events).map(|end| end.reason), Some(Reason::Shutdown));
        assert!(!events.iter().any(|event| matches!(event, Event::Connected { .. })), "nobody is let in");
        let report = server.shutdown_report().unwrap();
        let expected = ShutdownReport { peers: 1, told: 1, refused: LATECOMERS, is_over: true, ..report };
        assert_eq!((report, report.waiting, report.messages_undelivered), (expected, 0, 0));
        assert_eq!(server.statistics().endpoint.refused_parting, LATECOMERS);

        let events = heard(&mut clients[0]);
        assert_told(&events);
        assert!(messages(&events) == [&message[..]]);
        for latecomer in &mut latecomers {
            let events = heard(latecomer);
            let end = end_of(&events).unwrap();
            assert_eq!((end.reason, end.origin, &end.detail[..]), (Reason::Shutdown, Origin::Remote, WORDS));
        }
        assert!(server.begin_shutdown(LONG, 0, "").is_err(), "it has ended");
    }
}

#[test]
fn on_a_bad_network_everybody_hears_of_it_too() {
    for &drive in DRIVES {
        let mut server = start(server().listen_tcp(), drive);
        let mut clients =
            connect(&mut server, &[LinkChoice::Udp, LinkChoice::Udp, LinkChoice::Udp, LinkChoice::Tcp]);
        let bad = LinkConditions { delay: Duration::from_millis(30), loss: 0.3, ..LinkConditions::default() };
        for info in server.peers() {
            for direction in [Direction::Incoming, Direction::Outgoing] {
                server.set_conditions(info.peer, direction, Some(bad)).unwrap();
            }
        }
        for number in 0..20 {
            assert_eq!(server.broadcast(0, format!("{number}")).unwrap().sent, 4);
        }
        server.begin_shutdown(LONG, CODE, WORDS.to_vec()).unwrap();
        go_on(&mut server);
        let report = server.shutdown_report().unwrap();
        assert_eq!((report.peers, report.messages_undelivered, report.is_over), (4, 0, true), "{report:?}");
        for client in &mut clients {
            let events = heard(client);
            assert_told(&events);
            assert_eq!(messages(&events).len(), 20);
        }
    }
}

#[test]
fn who_does_not_read_is_told_and_its_messages_are_reported_undelivered() {
    for &drive in DRIVES {
        let mut server = start(server(), drive);
        let limits = Limits {
            reliable_message_bytes_max: 8_192,
            channel_credit_bytes: 16_384,
            connection_credit_bytes: 16_384,
            ..Limits::default()
        };
        let mut reader = client_of(&server).start_threaded().unwrap();
        let mut idler = client_of(&server).limits(limits).start_threaded().unwrap();
        wait_for_peers(&mut server, 2);
        for number in 0..10u8 {
            assert_eq!(server.broadcast(0, &[number; 8_000]).unwrap().sent, 2);
        }
        // The idler's game takes nothing, so that its credit stops the server.
        let report = server.shutdown_with(Duration::from_millis(1_200), CODE, WORDS.to_vec());
        assert_eq!((report.peers, report.told, report.unanswered), (2, 2, 0), "{report:?}");
        assert!((7..=9).contains(&report.messages_undelivered), "{report:?}");
        assert_eq!(report.bytes_undelivered, 8_000 * report.messages_undelivered);
        let (events, others) = (heard(&mut idler), heard(&mut reader));
        assert_told(&events);
        assert_told(&others);
        assert_eq!(messages(&others).len(), 10);
        assert_eq!(
            messages(&events).len() as u64,
            10 - report.messages_undelivered,
            "in order, without a gap"
        );
    }
}

#[test]
fn who_is_gone_costs_the_limit_and_nobody_else_his_messages() {
    for &drive in DRIVES {
        let mut server = start(server().listen_tcp(), drive);
        // Inline: once they are no longer updated, nobody answers for them.
        let gone: Vec<_> = [LinkChoice::Udp, LinkChoice::Tcp]
            .map(|link| {
                let mut client = client_of(&server).links(link).start().unwrap();
                let start = Instant::now();
                while !client.is_connected() {
                    assert!(start.elapsed() < PATIENCE, "not connected");
                    client.update(STEP).unwrap();
                    server.update(STEP).unwrap();
                }
                client
            })
            .into();
        let mut present = client_of(&server).start_threaded().unwrap();
        wait_for_peers(&mut server, 3);
        assert_eq!(server.broadcast(0, "last words").unwrap().sent, 3);
        let report = server.shutdown_with(Duration::from_millis(800), CODE, WORDS.to_vec());
        assert_eq!((report.peers, report.told, report.unanswered), (3, 1, 2), "{report:?}");
        assert_eq!((report.messages_undelivered, report.bytes_undelivered, report.is_over), (2, 20, true));
        let events = heard(&mut present);
        assert_told(&events);
        assert_eq!(messages(&events), [b"last words"]);
        let ends = server.events().filter(|event| matches!(event, Event::Disconnected { .. }));
        assert_eq!(ends.count(), 3, "the game hears of each");
        drop(gone);
    }
}

#[test]
fn a_shutdown_in_a_greater_hurry_ends_one_that_goes_on() {
    for &drive in DRIVES {
        let mut server = start(server().rate_cap(1_200), drive);
        let mut clients = connect(&mut server, &[LinkChoice::Udp]);
        let peer = server.peers()[0].peer;
        server.send(peer, 0, vec![7; 600_000]).unwrap();
        server.begin_shutdown(Duration::from_secs(3_600), CODE, WORDS.to_vec()).unwrap();
        server.update(STEP).unwrap();
        let report = server.shutdown_with(Duration::from_millis(400), 9, "other words");
        assert_eq!((report.peers, report.messages_undelivered, report.is_over), (1, 1, true));
        assert_told(&heard(&mut clients[0]));
    }
}

#[test]
fn a_server_that_is_dropped_while_it_shuts_down_says_so_at_once() {
    for &drive in DRIVES {
        let mut server = start(server().rate_cap(1_200), drive);
        let mut clients = connect(&mut server, &[LinkChoice::Udp]);
        let peer = server.peers()[0].peer;
        server.send(peer, 0, vec![7; 600_000]).unwrap();
        server.begin_shutdown(Duration::from_secs(3_600), CODE, WORDS.to_vec()).unwrap();
        drop(server);
        assert_told(&heard(&mut clients[0]));
    }
}

#[test]
fn applicants_are_told_too() {
    let mut server = start(server().ask_before_admitting(), Drive::Inline);
    let mut client = client_of(&server).start_threaded().unwrap();
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "nobody asks");
        server.update(STEP).unwrap();
        if server.events().any(|event| matches!(event, Event::Admission { .. })) {
            break;
        }
    }
    let report = server.shutdown_with(Duration::ZERO, CODE, WORDS.to_vec());
    assert_eq!((report.peers, report.refused), (0, 1));
    let events = heard(&mut client);
    let end = end_of(&events).unwrap();
    assert_eq!((end.reason, &end.detail[..]), (Reason::Shutdown, WORDS));
}

#[test]
fn a_client_that_is_closed_while_it_connects_does_not_wait_for_an_answer() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for is_threaded in [false, true] {
        let builder = Client::builder()
            .connect(nobody.local_addr().unwrap().to_string())
            .connect_timeout(Duration::from_secs(3_600));
        let mut client = if is_threaded { builder.start_threaded() } else { builder.start() }.unwrap();
        client.update(STEP).unwrap();
        // Would wait for an hour.
        client.close(Duration::from_secs(3_600));
        let events: Vec<_> = client.events().collect();
        let ends: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Disconnected { reason, .. } => Some((reason.reason, reason.origin)),
                _ => None,
            })
            .collect();
        assert_eq!(ends, [(Reason::Aborted, Origin::Local)], "once, threaded: {is_threaded}");
    }
}
