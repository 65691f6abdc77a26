//! Names are looked up by others than the threads that must not wait.
#![allow(missing_docs, reason = "a test program")]

mod common;

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use common::{end_of, server};
use tme::workers::{ExecuteError, Executor, Job, WorkerPool};
use tme::{Client, ClientBuilder, Reason, Server};

const STEP: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(20);

/// A host's executor that keeps what it is given until the test runs it.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Vec<Job>>>);

impl Shelf {
    fn take(&self) -> Option<Job> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Executor for Shelf {
    fn execute(&self, job: Job) -> Result<(), ExecuteError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(job);
        Ok(())
    }
}

/// A pool whose jobs are stuck, as in a name server that does not answer, until the sender is dropped.
struct Stuck {
    pool: WorkerPool,
    begun: Mutex<mpsc::Sender<()>>,
    released: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Stuck {
    fn new() -> (Self, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (begun, beginnings) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let released = Arc::new(Mutex::new(released));
        let stuck = Self { pool: WorkerPool::new(2, 8), begun: Mutex::new(begun), released };
        (stuck, beginnings, release)
    }
}

impl Executor for Stuck {
    fn execute(&self, job: Job) -> Result<(), ExecuteError> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let released = Arc::clone(&self.released);
        self.pool.execute(Job::new(move || {
            let _ = begun.send(());
            let _ = released.lock().unwrap_or_else(PoisonError::into_inner).recv();
            job.run();
        }))
    }
}

fn by_name(server: &Server) -> ClientBuilder {
    let target = format!("localhost:{}", server.local_addr().port());
    Client::builder().connect(target).server_key(server.public_key())
}

fn start(builder: ClientBuilder, is_threaded: bool) -> Client {
    if is_threaded { builder.start_threaded() } else { builder.start() }.unwrap()
}

fn run_until_connected(server: &mut Server, client: &mut Client) {
    let start = Instant::now();
    while !client.is_connected() {
        assert!(start.elapsed() < PATIENCE, "not connected");
        server.update(STEP).unwrap();
        client.update(STEP).unwrap();
    }
}

#[test]
fn a_stuck_resolver_delays_neither_update_nor_the_network_thread() {
    for is_threaded in [false, true] {
        let mut server = server().start().unwrap();
        let (stuck, begun, release) = Stuck::new();
        let mut client = start(by_name(&server).executor(stuck), is_threaded);
        begun.recv().unwrap();
        // If any of these waited for the name, it would wait for ever: nothing has been released.
        for _ in 0..20 {
            client.update(Duration::from_millis(1)).unwrap();
            assert!(!client.is_connected());
        }
        client.flush().unwrap();
        let jobs = client.engine_statistics().jobs;
        assert_eq!((jobs.submitted, jobs.done), (1, 0));
        drop(release);
        run_until_connected(&mut server, &mut client);
        assert_eq!(client.engine_statistics().jobs.done, 1);
    }
}

#[test]
fn a_client_ends_although_its_name_is_still_being_looked_up() {
    for is_threaded in [false, true] {
        let server = server().start().unwrap();
        let (stuck, begun, release) = Stuck::new();
        let mut client = start(by_name(&server).executor(stuck), is_threaded);
        begun.recv().unwrap();
        client.close(Duration::from_secs(3_600));
        drop(client);
        drop(release);
    }
}

#[test]
fn a_job_may_be_run_after_its_client_is_gone() {
    let server = server().start().unwrap();
    let shelf = Shelf::default();
    drop(start(by_name(&server).executor(shelf.clone()), false));
    let job = shelf.take().unwrap();
    assert!(!job.is_wanted());
    job.run();
}

#[test]
fn a_job_that_the_host_drops_is_a_name_not_found() {
    for is_threaded in [false, true] {
        let server = server().start().unwrap();
        let shelf = Shelf::default();
        let mut client = start(by_name(&server).executor(shelf.clone()), is_threaded);
        drop(shelf.take().unwrap());
        let start = Instant::now();
        let mut events = Vec::new();
        while end_of(&events).is_none() {
            assert!(start.elapsed() < PATIENCE, "nobody said so");
            client.update(STEP).unwrap();
            events.extend(client.events());
        }
        assert_eq!(end_of(&events).unwrap().reason, Reason::Unresolved);
        assert_eq!(client.engine_statistics().jobs.dropped, 1);
    }
}

#[test]
fn one_pool_serves_several_clients() {
    let mut server = server().start().unwrap();
    let pool = Arc::new(WorkerPool::new(1, 8));
    let mut clients: Vec<_> =
        (0..3).map(|_| start(by_name(&server).executor(Arc::clone(&pool)), true)).collect();
    for client in &mut clients {
        run_until_connected(&mut server, client);
    }
    assert_eq!(pool.thread_count(), 1);
}
