//! All network threads of one engine, as the game sees them: one as a rule, several of a server that has them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tme_core::connection::{CloseMode, Event, Farewell, PeerId};
use tme_core::endpoint::Shard;
use tme_core::handshake::reason::Reason;

use super::EngineError;
use super::outbox::Outbox;
use super::shared::{ClosingReport, Shared, StopRequest, Taken};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Wakes a game that waits for the events of several network threads.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct BellState {
    /// There is something to look at.
    is_rung: bool,
    /// Somebody wants a waiting `update` to return.
    is_interrupted: bool,
}

impl Bell {
    pub fn ring(&self) {
        self.state.lock().is_rung = true;
        self.rung.notify_one();
    }

    fn interrupt(&self) {
        self.state.lock().is_interrupted = true;
        self.rung.notify_all();
    }

    /// Whatever rings from now on ends the next wait.
    fn hush(&self) {
        self.state.lock().is_rung = false;
    }

    fn take_interruption(&self) -> bool {
        std::mem::take(&mut self.state.lock().is_interrupted)
    }

    fn wait(&self, timeout: Duration) {
        let mut state = self.state.lock();
        let is_quiet = |state: &mut BellState| !state.is_rung && !state.is_interrupted;
        self.rung.wait_while_for(&mut state, is_quiet, timeout);
    }
}

/// Events of one thread in the hands of the game.
pub(super) struct Part {
    pub taken: Taken,
    pub shared: Arc<Shared>,
}

/// See the module.
pub(super) struct Crew {
    first: Arc<Shared>,
    /// All, the first included.
    all: Box<[Arc<Shared>]>,
    shard: Shard,
    /// Where there are several.
    bell: Option<Arc<Bell>>,
    /// A buffer for the next [`take_others`](Self::take_others).
    spare: Mutex<Vec<Part>>,
    /// A buffer for the next list of peers that is to be sorted by threads.
    spare_peers: Mutex<Vec<PeerId>>,
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("threads", &self.all.len()).finish_non_exhaustive()
    }
}

impl Crew {
    /// Of one, or of several whose bell this is.
    pub fn of(first: Arc<Shared>, others: Vec<Arc<Shared>>, bell: Option<Arc<Bell>>) -> Self {
        let all: Box<[_]> = std::iter::once(Arc::clone(&first)).chain(others).collect();
        let shard = Shard::all(u8::try_from(all.len()).unwrap_or(Shard::COUNT_MAX)).next();
        Self {
            first,
            all,
            shard: shard.unwrap_or(Shard::ALONE),
            bell,
            spare: Mutex::default(),
            spare_peers: Mutex::default(),
        }
    }

    /// The only one, or one of several where it does not matter which.
    #[inline]
    pub fn first(&self) -> &Arc<Shared> {
        &self.first
    }

    pub fn all(&self) -> &[Arc<Shared>] {
        &self.all
    }

    pub fn is_single(&self) -> bool {
        self.all.len() == 1
    }

    /// The one that a peer belongs to. An id that names nobody may give any: they do not know it either.
    #[inline]
    pub fn of_peer(&self, peer: PeerId) -> &Arc<Shared> {
        self.all.get(self.shard.index_of_peer(peer)).unwrap_or(&self.first)
    }

    /// The index of the one that a peer belongs to.
    pub fn index_of_peer(&self, peer: PeerId) -> usize {
        self.shard.index_of_peer(peer)
    }

    /// The outbox that has a peer.
    #[inline]
    pub fn outbox_of(&self, peer: PeerId) -> MutexGuard<'_, Outbox> {
        self.of_peer(peer).outbox.lock()
    }

    /// Calls `send` for each thread with those of the peers that are its.
    pub fn by_thread<E>(
        &self,
        peers: impl IntoIterator<Item = PeerId>,
        mut send: impl FnMut(&Shared, &mut dyn Iterator<Item = PeerId>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_single() {
            return send(&self.first, &mut peers.into_iter());
        }
        let mut list = std::mem::take(&mut *self.spare_peers.lock());
        list.extend(peers);
        let mut result = Ok(());
        for (index, shared) in self.all.iter().enumerate() {
            let is_its = |peer: &PeerId| {
                let owner = self.shard.index_of_peer(*peer);
                owner == index || (index == 0 && owner >= self.all.len())
            };
            if list.iter().any(is_its) {
                result = send(shared, &mut list.iter().copied().filter(is_its));
            }
            if result.is_err() {
                break;
            }
        }
        list.clear();
        *self.spare_peers.lock() = list;
        result
    }

    // ---- events ----

    /// Waits for events of any thread, an interruption or the end, and makes the events ready.
    pub fn wait_for_events(&self, timeout: Duration) -> Result<(), EngineError> {
        let Some(bell) = &self.bell else { return self.first.wait_for_events(timeout) };
        let deadline = self.first.now() + timeout;
        loop {
            bell.hush();
            // Those that were stopped because one has failed only say that they are closed; so do those whose peers have all
            // gone when a server shuts down, while others wait for theirs.
            let (mut failure, mut closed) = (None, 0);
            for shared in &self.all {
                match shared.wait_for_events(Duration::ZERO) {
                    Ok(()) => {}
                    Err(EngineError::Closed) => closed += 1,
                    Err(error) => failure = Some(error),
                }
            }
            let end = failure.or_else(|| (closed == self.all.len()).then_some(EngineError::Closed));
            if bell.take_interruption() || self.has_ready() {
                return Ok(());
            }
            if let Some(error) = end {
                return Err(error);
            }
            let left = deadline.saturating_since(self.first.now());
            if left.is_zero() {
                return Ok(());
            }
            bell.wait(left);
        }
    }

    pub fn interrupt(&self) {
        match &self.bell {
            Some(bell) => bell.interrupt(),
            None => self.first.interrupt(),
        }
    }

    pub fn has_ready(&self) -> bool {
        self.all.iter().any(|shared| shared.has_ready())
    }

    pub fn find_ready<T>(&self, mut find: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        self.all.iter().find_map(|shared| shared.find_ready(&mut find))
    }

    /// The ready events of all threads but the first.
    pub fn take_others(&self) -> Vec<Part> {
        let Some((_, others)) = self.all.split_first().filter(|(_, others)| !others.is_empty()) else {
            return Vec::new();
        };
        let mut parts = std::mem::take(&mut *self.spare.lock());
        parts.extend(
            others.iter().map(|shared| Part { taken: shared.take_ready(), shared: Arc::clone(shared) }),
        );
        parts
    }

    /// Takes back what [`take_others`](Self::take_others) gave.
    pub fn return_others(&self, mut parts: Vec<Part>) {
        if parts.is_empty() {
            return;
        }
        for Part { taken, shared } in parts.drain(..) {
            shared.return_ready(taken);
        }
        *self.spare.lock() = parts;
    }

    // ---- the end ----

    /// All are to end so.
    pub fn request_stop(&self, request: &StopRequest) {
        self.all.iter().for_each(|shared| shared.request_stop(request.clone()));
    }

    pub fn has_ended(&self) -> bool {
        self.all.iter().all(|shared| shared.has_ended())
    }

    /// What the end of all has come to. `None`: it has not begun.
    pub fn closing_report(&self) -> Option<ClosingReport> {
        self.all.iter().filter_map(|shared| shared.closing_report()).reduce(|sum, one| ClosingReport {
            statistics: sum.statistics + one.statistics,
            is_over: sum.is_over && one.is_over,
        })
    }

    /// One has failed: the others tell their peers and end, too.
    pub fn stop_all(&self) {
        for shared in &self.all {
            let farewell = Farewell::new(Reason::Internal);
            let deadline = shared.now();
            shared.request_stop(StopRequest { mode: CloseMode::Now, farewell, deadline });
        }
    }
}

#[cfg(all(loom, test))]
mod model;
