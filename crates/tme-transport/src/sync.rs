//! The primitives by which threads meet, in one place, so that `loom` can take their place in its tests.
//!
//! Outside of these tests this is `parking_lot` and the standard library under other names, and nothing else.

#[cfg(not(all(loom, test)))]
mod real {
    use std::io;
    pub use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
    pub use std::thread::JoinHandle;

    pub use parking_lot::{Condvar, Mutex, MutexGuard};

    /// Stands between a store and a load of another place that must not change their order. The accesses are `SeqCst`, which
    /// says so already; `loom` knows that order of fences only.
    #[inline]
    pub fn store_before_load() {}

    /// Starts a thread with a name.
    pub fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(name).spawn(work)
    }
}

#[cfg(not(all(loom, test)))]
pub(crate) use real::*;

/// The same by `loom`, with the signatures of `parking_lot`. Time does not pass there: nothing times out.
#[cfg(all(loom, test))]
mod modelled {
    use std::io;
    use std::ops::{Deref, DerefMut};
    use std::time::Duration;

    use loom::sync as model;
    pub use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
    pub use loom::thread::JoinHandle;

    #[derive(Debug, Default)]
    pub struct Mutex<T>(model::Mutex<T>);

    pub struct MutexGuard<'a, T>(Option<model::MutexGuard<'a, T>>);

    #[derive(Debug, Default)]
    pub struct Condvar(model::Condvar);

    pub struct WaitTimeoutResult;

    impl WaitTimeoutResult {
        pub fn timed_out(&self) -> bool {
            false
        }
    }

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Self(model::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap()))
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().unwrap()
        }
    }

    impl Condvar {
        pub fn new() -> Self {
            Self(model::Condvar::new())
        }

        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            guard.0 = Some(self.0.wait(guard.0.take().unwrap()).unwrap());
        }

        pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) -> WaitTimeoutResult {
            self.wait(guard);
            WaitTimeoutResult
        }

        pub fn wait_while_for<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            mut condition: impl FnMut(&mut T) -> bool,
            _: Duration,
        ) -> WaitTimeoutResult {
            while condition(&mut **guard) {
                self.wait(guard);
            }
            WaitTimeoutResult
        }

        pub fn notify_one(&self) -> bool {
            self.0.notify_one();
            true
        }

        pub fn notify_all(&self) -> usize {
            self.0.notify_all();
            0
        }
    }

    pub fn store_before_load() {
        loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
    }

    pub fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
        loom::thread::Builder::new().name(name).spawn(work)
    }
}

#[cfg(all(loom, test))]
pub(crate) use modelled::*;
