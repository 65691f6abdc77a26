//! With a host's executor no worker thread is started. Alone in its process, whose threads it counts.
#![allow(missing_docs, reason = "a test program")]

mod common;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::server;
use tme::Client;
use tme::workers::{ExecuteError, Executor, Job};

const STEP: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(20);

/// Hands jobs to the test.
struct Hand(mpsc::Sender<Job>);

impl Executor for Hand {
    fn execute(&self, job: Job) -> Result<(), ExecuteError> {
        self.0.send(job).map_err(|_| ExecuteError::Refused)
    }
}

#[test]
fn a_hosts_executor_looks_names_up_and_no_pool_is_started() {
    for is_threaded in [false, true] {
        let mut server = server().start().unwrap();
        let (hand, jobs) = mpsc::channel();
        let target = format!("localhost:{}", server.local_addr().port());
        let client = Client::builder().connect(target).server_key(server.public_key()).executor(Hand(hand));
        let mut client = if is_threaded { client.start_threaded() } else { client.start() }.unwrap();
        let job = jobs.try_recv().expect("the name was given to the host");
        assert!(job.is_wanted());
        assert_eq!(worker_threads(), Vec::<String>::new());
        std::thread::spawn(move || job.run()).join().unwrap();
        let start = Instant::now();
        while !client.is_connected() {
            assert!(start.elapsed() < PATIENCE, "not connected");
            server.update(STEP).unwrap();
            client.update(STEP).unwrap();
        }
        assert_eq!(worker_threads(), Vec::<String>::new());
    }
}

/// The names of this process' threads that look like those of a pool.
fn worker_threads() -> Vec<String> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("tme-work")).collect()
}
