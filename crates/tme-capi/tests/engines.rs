//! What servers and clients do that is easier to see from Rust than from C.
#![allow(missing_docs)]

mod common;

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{PATIENCE, Pair, no_event};
use tme_capi::{
    TME_CONFIG_THREADED, TME_ERROR_FILE, TME_EVENT_CONNECTED, TME_OK, TmeServer, tme_client_is_connected,
    tme_client_poll, tme_server_flush, tme_server_poll, tme_server_update,
};

#[test]
fn a_key_that_cannot_be_remembered_is_told_once_and_costs_no_event() {
    let nowhere = std::env::temp_dir().join(format!("tme-nowhere-{}/known_hosts", std::process::id()));
    let nowhere = CString::new(nowhere.to_str().unwrap()).unwrap();
    let pair = Pair::start(TME_CONFIG_THREADED, &[], |config| config.known_hosts = nowhere.as_ptr());
    let began = Instant::now();
    let mut results = Vec::new();
    let event = loop {
        assert!(began.elapsed() < PATIENCE, "not connected: {results:?}");
        let (mut event, mut count) = (no_event(), 7);
        // SAFETY: the handle lives as long as the pair.
        let result = unsafe { tme_client_poll(pair.client, &raw mut event, 1, &raw mut count) };
        if result != TME_OK {
            assert_eq!(count, 0);
            results.push(result);
        } else if count == 1 {
            break event;
        }
    };
    assert_eq!(results, [TME_ERROR_FILE]);
    assert_eq!(event.r#type, TME_EVENT_CONNECTED);
    // SAFETY: as above.
    assert_eq!(unsafe { tme_client_is_connected(pair.client) }, 1);
}

#[test]
fn a_flush_turns_no_update_and_no_poll_away() {
    /// A server for several threads.
    struct Shared(*mut TmeServer);
    // SAFETY: any thread may use it, one at a time for updates and polls.
    unsafe impl Sync for Shared {}

    for flags in [0, TME_CONFIG_THREADED] {
        let pair = Pair::connected(flags, &[]);
        let (server, is_over) = (Shared(pair.server), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (server, is_over) = (&server, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    // SAFETY: the handle lives as long as the pair.
                    assert_eq!(unsafe { tme_server_flush(server.0) }, TME_OK);
                }
            });
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(300) {
                let (mut event, mut count) = (no_event(), 0);
                // SAFETY: as above.
                let results = unsafe {
                    let update = tme_server_update(server.0, 0);
                    [update, tme_server_poll(server.0, &raw mut event, 1, &raw mut count)]
                };
                if results != [TME_OK; 2] {
                    is_over.store(true, Ordering::Relaxed);
                }
                assert_eq!(results, [TME_OK; 2]);
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}
