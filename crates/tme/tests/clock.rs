//! The server's time at clients, over real sockets: both clocks are of this process, so that the truth is at hand.
#![allow(missing_docs)]

mod common;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{World, client_of, server};
use tme::{Client, ClockChange, Event, LinkConditions, Server, ServerTime, TickRate};

fn is_synchronised(events: &[Event]) -> bool {
    let mut changes = events.iter().filter_map(|event| match event {
        Event::Clock { change, .. } => Some(*change),
        _ => None,
    });
    changes.next() == Some(ClockChange::Synchronised) && changes.next().is_none()
}

/// Reads the client's idea of the time between two readings of the truth, and holds it against them.
fn checked(client: &Client, server: &Server) -> ServerTime {
    let before = server.time().micros;
    let shown = client.server_time().expect("answers came");
    let after = server.time().micros;
    let error = shown.error.as_micros() as u64;
    assert!(before <= shown.micros + error && shown.micros <= after + error, "{before} {shown:?} {after}");
    assert!(shown.error_likely <= shown.error && shown.drift_ppm.abs() <= 1_000.0, "{shown:?}");
    shown
}

#[test]
fn a_client_that_asks_from_the_start_knows_the_servers_time_within_its_bound() {
    let server = server().note_arrivals().start().unwrap();
    let client = client_of(&server).note_arrivals().synchronise_clock().start().unwrap();
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| is_synchronised(&world.client_events[0]));
    let mut last = 0;
    for _ in 0..100 {
        let shown = checked(&world.clients[0], &world.server);
        assert!(shown.is_synchronised && shown.micros >= last, "{last} {shown:?}");
        last = shown.micros;
        world.step();
    }
    let rate = TickRate::new(60).unwrap();
    let shown = checked(&world.clients[0], &world.server);
    assert!(shown.input_tick(rate).tick > shown.tick(rate).tick, "{shown:?}");
    assert_eq!(world.server.time().error, Duration::ZERO);
    world.run_until(|world| world.clients[0].statistics().is_some_and(|figures| figures.clock.answers >= 8));
    let peer = world.connected_peers()[0];
    world.run_until(|world| {
        world.server.peer_statistics(peer).is_some_and(|figures| figures.clock.answered >= 8)
    });
}

#[test]
fn nobody_asks_unless_told_to_and_only_a_connection_can() {
    let server = server().start().unwrap();
    let client = client_of(&server).start().unwrap();
    assert!(!client.synchronise_clock(), "there is no connection yet");
    let mut world = World::new(server, vec![client]);
    world.run_until(|world| world.clients[0].is_connected());
    world.run_until(|world| world.clients[0].statistics().is_some_and(|figures| figures.packets_sent > 0));
    assert!(world.clients[0].server_time().is_none());
    assert_eq!(world.clients[0].statistics().unwrap().clock, tme::ClockStatistics::default());

    assert!(world.clients[0].synchronise_clock());
    world.run_until(|world| is_synchronised(&world.client_events[0]));
    checked(&world.clients[0], &world.server);
    world.clients[0].disconnect(0, "");
    world.run_until(|world| !world.clients[0].is_connected());
    assert!(world.clients[0].server_time().is_none() && !world.clients[0].synchronise_clock());
}

#[test]
fn threads_that_read_the_time_never_see_it_go_back() {
    let server = server().start_threaded().unwrap();
    let mut client = client_of(&server).synchronise_clock().start_threaded().unwrap();
    let mut events = Vec::new();
    while !is_synchronised(&events) {
        client.update(Duration::from_millis(50)).unwrap();
        events.extend(client.events());
    }
    // A path that gets slower in one direction bends the time while it is read.
    let slower = LinkConditions { delay: Duration::from_millis(30), ..LinkConditions::default() };
    client.set_conditions(tme::Direction::Incoming, Some(slower)).unwrap();
    client.synchronise_clock();
    let (last, is_over) = (Mutex::new(0), AtomicBool::new(false));
    let handle = client.handle();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let mut last = last.lock().unwrap();
                    let shown = handle.server_time().expect("synchronised").micros;
                    assert!(shown >= *last, "{} after {}", shown, *last);
                    *last = shown;
                }
            });
        }
        let answers =
            |client: &tme::ClientHandle| client.statistics().map_or(0, |figures| figures.clock.answers);
        let enough = answers(&handle) + 10;
        let deadline = Instant::now() + Duration::from_secs(20);
        while answers(&handle) < enough && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(answers(&handle) >= enough, "too few answers");
    });
    checked(&client, &server);
}
