//! Buffers and the event queue that all connections of an endpoint share.

use std::collections::VecDeque;

use super::SPARE_TIME_MAX;
use super::event::Event;
use super::sent::SentFrame;
use crate::payload::PayloadPool;
use crate::time::Instant;

/// Buffers and the event queue that all connections of an endpoint share, so that an idle one keeps none.
#[derive(Debug)]
pub struct Workspace {
    pub(crate) events: VecDeque<Event>,
    pub(crate) pool: PayloadPool,
    pub(super) acked: Vec<SentFrame>,
    pub(super) lost: Vec<SentFrame>,
    pub(super) frames: Vec<SentFrame>,
    /// When the pool was last looked at, and how many buffers had been taken then.
    looked_at: Instant,
    taken_then: u64,
}

impl Default for Workspace {
    fn default() -> Self {
        Self {
            events: VecDeque::new(),
            // 1,024 datagrams' worth of messages may be in the hands of the game before buffers are made anew.
            pool: PayloadPool::new(1_024, 16_384),
            acked: Vec::new(),
            lost: Vec::new(),
            frames: Vec::new(),
            looked_at: Instant::ZERO,
            taken_then: 0,
        }
    }
}

impl Workspace {
    /// Gives memory back if no message has come for some time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now.saturating_since(self.looked_at) < SPARE_TIME_MAX {
            return;
        }
        if self.pool.taken() == self.taken_then {
            self.pool.clear();
            self.events.shrink_to_fit();
        }
        self.looked_at = now;
        self.taken_then = self.pool.taken();
    }

    /// Takes the oldest event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
