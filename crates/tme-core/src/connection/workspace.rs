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
    /// When a message came in; `None` once memory was given back.
    pub(super) last_message_at: Option<Instant>,
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
            last_message_at: None,
        }
    }
}

impl Workspace {
    /// Gives memory back if no message has come for some time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.last_message_at.is_some_and(|at| now.saturating_since(at) >= SPARE_TIME_MAX) {
            self.last_message_at = None;
            self.pool.clear();
            self.events.shrink_to_fit();
        }
    }

    /// Takes the oldest event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
