//! Buffers and the event queue that all connections of an endpoint share.

use std::collections::VecDeque;

use super::event::Event;
use super::sent::SentFrame;
use crate::payload::PayloadPool;

/// Buffers and the event queue that all connections of an endpoint share, so that an idle one keeps none.
#[derive(Debug)]
pub struct Workspace {
    pub(crate) events: VecDeque<Event>,
    pub(crate) pool: PayloadPool,
    pub(super) acked: Vec<SentFrame>,
    pub(super) lost: Vec<SentFrame>,
    pub(super) frames: Vec<SentFrame>,
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
        }
    }
}

impl Workspace {
    /// Takes the oldest event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
