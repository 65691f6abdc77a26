//! The wake handle: any thread ends another one's sleep.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::sync::AtomicBool;

/// Wakes a sleeping [`Poller`](crate::poller::Poller), or calls a host's function, from any thread.
///
/// Clones wake the same sleeper. Wakes coalesce: from the first one until the sleeper
/// [acknowledges](Self::acknowledge) it, further ones cost an atomic operation and no system call. Whatever a
/// thread wrote before it woke the sleeper is visible after the acknowledgement, also if its wake was one of
/// those that coalesced.
#[derive(Clone)]
pub struct WakeHandle(Arc<Inner>);

struct Inner {
    pending: AtomicBool,
    sleeper: Sleeper,
}

enum Sleeper {
    Poll(mio::Waker),
    Callback(Box<dyn Fn() + Send + Sync>),
}

impl WakeHandle {
    pub(crate) fn for_poll(waker: mio::Waker) -> Self {
        Self::new(Sleeper::Poll(waker))
    }

    /// A handle that calls `wake` once, and not again until [`acknowledge`](Self::acknowledge).
    ///
    /// For hosts that sleep in an event loop of their own. The function runs on whichever thread wakes, so it
    /// must be short, must not block and must not panic.
    pub fn from_fn(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self::new(Sleeper::Callback(Box::new(wake)))
    }

    fn new(sleeper: Sleeper) -> Self {
        Self(Arc::new(Inner { pending: AtomicBool::new(false), sleeper }))
    }

    /// Ends the sleep that goes on, or the next one if the sleeper is awake.
    pub fn wake(&self) {
        if self.0.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        match &self.0.sleeper {
            Sleeper::Poll(waker) => {
                if let Err(error) = waker.wake() {
                    // Not seen on any system; the next wake tries again instead of trusting this one.
                    self.0.pending.store(false, Ordering::Release);
                    log::warn!("could not wake the network thread: {error}");
                }
            }
            Sleeper::Callback(wake) => wake(),
        }
    }

    /// Lets the next wake through, and tells whether there was one since the last call.
    ///
    /// A [`Poller`](crate::poller::Poller) does this by itself when it wakes up. The owner of a callback calls
    /// it *before* looking at the queues it was woken for, or it may sleep through the last wake.
    pub fn acknowledge(&self) -> bool {
        // A swap and not a store: it reads the value that a coalesced wake wrote, and so comes after it.
        self.0.pending.swap(false, Ordering::AcqRel)
    }
}

impl fmt::Debug for WakeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.0.pending.load(Ordering::Relaxed);
        f.debug_struct("WakeHandle").field("pending", &pending).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn repeated_wakes_call_once_until_acknowledged() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let wake = WakeHandle::from_fn(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..3 {
            wake.clone().wake();
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert!(wake.acknowledge());
        assert!(!wake.acknowledge(), "nothing woke since");
        wake.wake();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}
