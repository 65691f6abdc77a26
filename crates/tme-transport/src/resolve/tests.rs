use std::sync::mpsc;
use std::thread;

use super::*;
use crate::poller::{EVENTS_DEFAULT, Poller};
use crate::workers::{Executor, Job, SharedExecutor, WorkerPool};

const NOW: Instant = Instant::from_micros(5_000_000);

fn workers() -> Arc<Workers> {
    Arc::new(Workers::new(None))
}

/// Waits for the next answer; the clock stands still meanwhile.
fn wait_for_answer(resolver: &mut Resolver, poller: &mut Poller) -> Resolution {
    let give_up = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(resolution) = resolver.poll(NOW) {
            return resolution;
        }
        assert!(std::time::Instant::now() < give_up, "no answer");
        poller.wait(Some(Duration::from_secs(20))).unwrap();
    }
}

fn resolver_and_poller() -> (Resolver, Poller) {
    let poller = Poller::new(EVENTS_DEFAULT).unwrap();
    (Resolver::new(TIMEOUT_DEFAULT, Some(poller.wake_handle()), workers()), poller)
}

/// A resolver whose lookups wait for a word each, and end with that many addresses.
fn slow_resolver(wake: Option<WakeHandle>) -> (Resolver, mpsc::Sender<u8>, mpsc::Receiver<String>) {
    let (release, released) = mpsc::channel::<u8>();
    let (begun, beginnings) = mpsc::channel();
    let released = Mutex::new(released);
    let look_up = move |host: &str, port: u16| {
        begun.send(host.to_owned()).map_err(io::Error::other)?;
        let count = released.lock().recv().map_err(io::Error::other)?;
        Ok((0..count).map(|last| SocketAddr::from(([192, 0, 2, last], port))).collect())
    };
    let resolver = Resolver::with_look_up(Duration::from_secs(1), wake, workers(), Arc::new(look_up));
    (resolver, release, beginnings)
}

#[test]
fn literal_addresses_are_answered_at_once_without_a_thread() {
    let mut resolver = Resolver::new(TIMEOUT_DEFAULT, None, workers());
    for literal in ["1.2.3.4:7777", "[::1]:7777"] {
        let id = resolver.resolve(literal, NOW).unwrap();
        assert_eq!(resolver.poll_timeout(), Some(Instant::ZERO), "there is something to poll");
        let resolution = resolver.poll(NOW).unwrap();
        assert_eq!(resolution.id, id);
        assert_eq!(resolution.result.unwrap(), [literal.parse().unwrap()]);
    }
    assert_eq!(resolver.workers.statistics().submitted, 0);
    assert!(resolver.poll(NOW).is_none());
}

#[test]
fn localhost_is_found_and_the_poller_woken() {
    let (mut resolver, mut poller) = resolver_and_poller();
    let id = resolver.resolve("localhost:7777", NOW).unwrap();
    let resolution = wait_for_answer(&mut resolver, &mut poller);
    assert_eq!(resolution.id, id);
    let addresses = resolution.result.unwrap();
    assert!(!addresses.is_empty());
    assert!(
        addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 7777),
        "{addresses:?}"
    );
}

#[test]
fn a_name_that_cannot_exist_is_not_found() {
    let (mut resolver, mut poller) = resolver_and_poller();
    // A label of 70 characters: no name server needs to be asked.
    resolver.resolve(&format!("{}.invalid:7777", "a".repeat(70)), NOW).unwrap();
    let error = wait_for_answer(&mut resolver, &mut poller).result.unwrap_err();
    assert_eq!(error.kind(), 3);
    assert!(error.to_string().starts_with("no address found for \"aaaa"), "{error}");
}

#[test]
fn a_name_without_addresses_is_not_found() {
    let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
    let (mut resolver, release, _begun) = slow_resolver(Some(poller.wake_handle()));
    resolver.resolve("empty.example:1", NOW).unwrap();
    release.send(0).unwrap();
    let error = wait_for_answer(&mut resolver, &mut poller).result.unwrap_err();
    assert_eq!(error.to_string(), "no address found for \"empty.example\"");
}

#[test]
fn a_name_that_takes_too_long_times_out_and_its_late_answer_is_dropped() {
    let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
    let (mut resolver, release, begun) = slow_resolver(Some(poller.wake_handle()));
    let id = resolver.resolve("slow.example:1", NOW).unwrap();
    begun.recv().unwrap();
    let deadline = NOW + Duration::from_secs(1);
    assert_eq!(resolver.poll_timeout(), Some(deadline));
    assert!(resolver.poll(deadline - Duration::from_micros(1)).is_none());
    let resolution = resolver.poll(deadline).unwrap();
    assert_eq!(resolution.id, id);
    let error = resolution.result.unwrap_err();
    assert_eq!(error.to_string(), "no answer about \"slow.example\" within 1000 ms");

    release.send(1).unwrap();
    assert!(poller.wait(Some(Duration::from_secs(20))).unwrap().by_handle, "the late answer came");
    assert!(resolver.poll(deadline).is_none());
    assert_eq!(resolver.poll_timeout(), None);
}

#[test]
fn a_stuck_name_does_not_hold_up_the_next() {
    let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
    let (stay, stuck) = mpsc::channel::<()>();
    let stuck = Mutex::new(stuck);
    let look_up = move |host: &str, port: u16| {
        if host == "stuck.example" {
            let _ = stuck.lock().recv();
        }
        Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))])
    };
    let mut resolver =
        Resolver::with_look_up(TIMEOUT_DEFAULT, Some(poller.wake_handle()), workers(), Arc::new(look_up));
    resolver.resolve("stuck.example:1", NOW).unwrap();
    let quick = resolver.resolve("quick.example:1", NOW).unwrap();
    assert_eq!(wait_for_answer(&mut resolver, &mut poller).id, quick);
    drop(stay);
}

#[test]
fn questions_are_limited_and_polling_makes_room() {
    let (mut resolver, _release, _begun) = slow_resolver(None);
    for number in 0..PENDING_MAX {
        let text = if number % 2 == 0 { "slow.example:1" } else { "192.0.2.1:1" };
        resolver.resolve(text, NOW).unwrap();
    }
    let error = resolver.resolve("192.0.2.1:1", NOW).unwrap_err();
    assert_eq!(error.kind(), 5);
    assert!(error.to_string().starts_with("32 names"), "{error}");
    assert!(resolver.poll(NOW).is_some());
    resolver.resolve("192.0.2.1:1", NOW).unwrap();
}

#[test]
fn a_cancelled_question_is_not_answered() {
    let (mut resolver, _release, _begun) = slow_resolver(None);
    let literal = resolver.resolve("192.0.2.1:1", NOW).unwrap();
    let name = resolver.resolve("slow.example:1", NOW).unwrap();
    resolver.cancel(literal);
    resolver.cancel(name);
    assert_eq!(resolver.poll_timeout(), None);
    assert!(resolver.poll(NOW + Duration::from_secs(60)).is_none());
}

#[test]
fn dropping_the_resolver_does_not_wait_for_a_stuck_lookup() {
    let (mut resolver, release, begun) = slow_resolver(None);
    resolver.resolve("stuck.example:1", NOW).unwrap();
    begun.recv().unwrap();
    // Would wait for ever: nothing has been released.
    drop(resolver);
    // The thread left behind ends with its lookup; then nobody can begin another one.
    release.send(1).unwrap();
    assert!(begun.recv().is_err());
}

#[test]
fn dropping_an_idle_resolver_ends_its_threads() {
    let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
    let (begun, beginnings) = mpsc::channel::<thread::ThreadId>();
    let look_up = move |_: &str, port: u16| {
        begun.send(thread::current().id()).map_err(io::Error::other)?;
        Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))])
    };
    let mut resolver =
        Resolver::with_look_up(TIMEOUT_DEFAULT, Some(poller.wake_handle()), workers(), Arc::new(look_up));
    resolver.resolve("a.example:1", NOW).unwrap();
    wait_for_answer(&mut resolver, &mut poller);
    resolver.resolve("b.example:1", NOW).unwrap();
    wait_for_answer(&mut resolver, &mut poller);
    drop(resolver);
    let threads: Vec<_> = beginnings.iter().collect();
    assert_eq!(threads.len(), 2, "and the channel is closed: no thread holds its other end");
}

#[test]
fn a_lookup_that_panics_is_answered_and_so_is_one_that_nobody_runs() {
    struct Careless;
    impl Executor for Careless {
        fn execute(&self, _: Job) -> Result<(), ExecuteError> {
            Ok(())
        }
    }
    let panicking = |_: &str, _: u16| panic!("a panic that this test wants");
    let careless = Arc::new(Workers::new(Some(SharedExecutor::new(Careless))));
    for workers in [workers(), careless] {
        let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
        let wake = Some(poller.wake_handle());
        let mut resolver = Resolver::with_look_up(TIMEOUT_DEFAULT, wake, workers, Arc::new(panicking));
        resolver.resolve("a.example:1", NOW).unwrap();
        let error = wait_for_answer(&mut resolver, &mut poller).result.unwrap_err();
        let expected =
            "no address found for \"a.example\": the look-up was given up by whoever was to run it";
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn workers_that_take_nothing_are_an_error_at_once_and_for_that_name_only() {
    let pool = Arc::new(WorkerPool::new(1, 0));
    let full = Arc::new(Workers::new(Some(SharedExecutor::new(Arc::clone(&pool)))));
    let mut resolver = Resolver::new(TIMEOUT_DEFAULT, None, full);
    let error = resolver.resolve("a.example:1", NOW).unwrap_err();
    assert_eq!(error.kind(), 6);
    assert!(error.to_string().starts_with("nobody looks names up: 0 jobs wait"), "{error}");
    let id = resolver.resolve("192.0.2.1:1", NOW).unwrap();
    let resolution = resolver.poll(NOW).unwrap();
    assert_eq!((resolution.id, resolution.result.unwrap().len()), (id, 1), "no word of the other one");
}
