//! A peer's time as the game's threads read it.

use std::time::Duration;

use tme_core::clock::{ClockModel, ServerTime};
use tme_core::time::Instant;

/// Of two readings the later gives no earlier time, on whichever threads they are made.
#[derive(Debug)]
pub(super) struct PeerClock {
    model: ClockModel,
    /// What was read last: threads read at other moments than the model is bent.
    read_micros: u64,
}

impl PeerClock {
    pub const fn new(model: ClockModel) -> Self {
        Self { model, read_micros: 0 }
    }

    pub fn follow(&mut self, model: ClockModel) {
        if model.epoch() != self.model.epoch() {
            self.read_micros = 0;
        }
        self.model = model;
    }

    pub fn read(&mut self, now: Instant) -> ServerTime {
        let mut time = self.model.at(now);
        if time.is_synchronised {
            let back = self.read_micros.saturating_sub(time.micros);
            time.micros += back;
            time.error += Duration::from_micros(back);
            self.read_micros = time.micros;
        }
        time
    }
}
