//! Events in the hands of the game.

use std::fmt;
use std::sync::Arc;

use tme_core::connection::Event;

use super::crew::{Crew, Part};
use super::shared::Taken;

/// Takes events one by one, as many as there were when it was made; dropping it leaves the rest for later.
///
/// What it has taken is consumed for flow control when it is dropped.
pub struct Events {
    pub(super) taken: Taken,
    /// Of further network threads.
    pub(super) others: Vec<Part>,
    pub(super) crew: Arc<Crew>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.taken.next().or_else(|| self.others.iter_mut().find_map(|part| part.taken.next()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let others = self.others.iter().map(|part| part.taken.count());
        let count = self.taken.count() + others.sum::<usize>();
        (count, Some(count))
    }
}

impl ExactSizeIterator for Events {}

impl Drop for Events {
    fn drop(&mut self) {
        self.crew.first().return_ready(std::mem::take(&mut self.taken));
        self.crew.return_others(std::mem::take(&mut self.others));
    }
}
