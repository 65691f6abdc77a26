//! What servers and clients do that is easier to see from Rust than from C.
#![allow(missing_docs)]

mod common;

use std::ffi::CString;
use std::time::Instant;

use common::{PATIENCE, Pair, no_event};
use tme_capi::{
    TME_CONFIG_THREADED, TME_ERROR_FILE, TME_EVENT_CONNECTED, TME_OK, tme_client_is_connected,
    tme_client_poll,
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
