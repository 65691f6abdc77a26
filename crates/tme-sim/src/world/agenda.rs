//! What is planned to happen, by time; equal times in the order of planning.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tme_core::time::Instant;

/// Something planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    /// A line of the script.
    Script(usize),
    /// A flow's next burst.
    Flow(usize),
    /// A client that wants to be connected tries again.
    Rejoin(usize),
    /// Somebody forges, replays or damages a datagram.
    Intrude,
    /// A look at everything that is not an event.
    Tick,
}

/// Actions waiting for their time.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(Instant, u64, Action)>>,
    order: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Instant, action: Action) {
        self.heap.push(Reverse((at, self.order, action)));
        self.order += 1;
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|next| next.0.0)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Action> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|next| next.0.2)
    }
}
