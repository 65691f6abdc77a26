//! One of several network threads has a bug: the game is told, the players are, and nothing hangs. A program of its own, because
//! the bug sits in the logger.
#![allow(missing_docs)]
#![cfg(target_os = "linux")]

mod common;

use std::time::{Duration, Instant};

use common::{World, client_of, end_of, server};
use tme::{EngineError, Error, Reason};

/// Panics in one of the network threads, when somebody has connected there.
struct Bug;

impl log::Log for Bug {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let is_there = std::thread::current().name() == Some("tme-net-2");
        assert!(!(is_there && record.args().to_string().contains(" connected from ")), "a bug on purpose");
    }

    fn flush(&self) {}
}

#[test]
fn a_bug_in_one_network_thread_ends_the_server_and_nobody_waits_for_it() {
    log::set_logger(&Bug).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let server = server().network_threads(4).start_threaded().unwrap();
    let mut world = World::new(server, Vec::new());
    let patience = Instant::now() + Duration::from_secs(30);
    // Until one of them shakes hands with the third thread.
    let error = loop {
        assert!(Instant::now() < patience, "no client reached the thread");
        if world.clients.len() < 60 {
            world.clients.push(client_of(&world.server).start().unwrap());
            world.client_events.push(Vec::new());
        }
        for (client, events) in world.clients.iter_mut().zip(&mut world.client_events) {
            let _ = client.update(Duration::ZERO);
            events.extend(client.events());
        }
        if let Err(error) = world.server.update(Duration::from_millis(5)) {
            break error;
        }
        world.server_events.extend(world.server.events());
    };
    assert!(matches!(error, Error::Engine(EngineError::Poisoned)), "{error}");
    assert!(matches!(
        world.server.update(Duration::from_secs(60)),
        Err(Error::Engine(EngineError::Poisoned))
    ));
    // Players of the other threads are told at once; those of this one find out.
    let told = |world: &World| {
        let ends = world.client_events.iter().filter_map(|events| end_of(events));
        ends.filter(|end| end.reason == Reason::Internal).count()
    };
    let others = world.connected_peers().len();
    while told(&world) < others {
        assert!(Instant::now() < patience, "{} of {others} were told", told(&world));
        for (client, events) in world.clients.iter_mut().zip(&mut world.client_events) {
            let _ = client.update(Duration::from_millis(1));
            events.extend(client.events());
        }
    }
    assert!(world.server.send(tme::PeerId::from_u64(1), 0, "nobody").is_err());
    world.server.shutdown(Duration::from_secs(60));
}
