//! Ctrl-C: asks the running command to end early, with its summary. A second one ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};

static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// From here on Ctrl-C (and a request to terminate) sets the flag that [`is_asked`] reads.
pub(crate) fn listen() {
    let result = ctrlc::set_handler(|| {
        if IS_ASKED.swap(true, Ordering::SeqCst) {
            // 128 + SIGINT, what a shell reports for a program that Ctrl-C ended.
            std::process::exit(130);
        }
    });
    if let Err(error) = result {
        log::debug!("Ctrl-C ends the program at once: {error}");
    }
}

/// Whether the user wants to end.
pub(crate) fn is_asked() -> bool {
    IS_ASKED.load(Ordering::SeqCst)
}
