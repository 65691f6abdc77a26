//! The place of a precise timer on systems where the poll call's whole milliseconds must do.

use std::time::Duration;

use mio::{Registry, Token};

#[derive(Debug)]
pub(super) struct WaitTimer;

impl WaitTimer {
    pub(super) fn new(_registry: &Registry, _token: Token) -> Self {
        Self
    }

    pub(super) fn is_precise(&self) -> bool {
        false
    }

    pub(super) fn prepare(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        timeout
    }

    pub(super) fn fired(&mut self) {}
}
