//! The threads of echoing clients end with them. One test, for it counts those of the process.
#![allow(missing_docs)]
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use tme::Client;

fn count_of_echo_threads() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "tme-echo").count()
}

/// A thread that was waited for may stand in the table a moment longer.
fn wait_for_count(expected: usize) {
    let start = Instant::now();
    while count_of_echo_threads() != expected {
        assert!(start.elapsed() < Duration::from_secs(20), "{} threads", count_of_echo_threads());
        std::thread::yield_now();
    }
}

#[test]
fn no_thread_is_left_behind() {
    let mut closed = Client::builder().start_echo().unwrap();
    let dropped = Client::builder().start_echo_threaded().unwrap();
    wait_for_count(2);
    closed.close(Duration::ZERO);
    wait_for_count(1);
    drop(dropped);
    wait_for_count(0);
    // A client that does not start takes its echo with it.
    let too_much = vec![0; 513];
    Client::builder().user_data(too_much).start_echo().unwrap_err();
    wait_for_count(0);
}
