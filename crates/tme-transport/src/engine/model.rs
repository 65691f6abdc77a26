//! What the models of the engine's queues have in common.

use std::sync::Arc;
use std::time::Duration;

use crate::sync::{Condvar, Mutex};
use crate::wake::WakeHandle;

pub(super) const FOR_EVER: Duration = Duration::from_secs(3_600);

/// As many switches of threads as can be tried in a few seconds; bugs of this kind show with two.
pub(super) fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

/// Sleeps as the poller does. A wake-up that is lost leaves a thread asleep for ever, which `loom` reports.
#[derive(Default)]
pub(super) struct Sleeper {
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl Sleeper {
    /// With the handle that wakes it.
    pub fn new() -> (Arc<Self>, WakeHandle) {
        let sleeper = Arc::<Self>::default();
        let woken = Arc::clone(&sleeper);
        let wake = WakeHandle::from_fn(move || {
            *woken.is_woken.lock() = true;
            woken.changed.notify_all();
        });
        (sleeper, wake)
    }

    /// Until it is woken; not at all if `has_work`.
    pub fn sleep(&self, has_work: bool, wake: &WakeHandle) {
        let mut is_woken = self.is_woken.lock();
        while !has_work && !*is_woken {
            self.changed.wait(&mut is_woken);
        }
        *is_woken = false;
        drop(is_woken);
        wake.acknowledge();
    }
}
