//! The poller: one thread sleeps until a socket is ready, a wake handle is used or a time has come.

use std::fmt;
use std::io;
use std::time::Duration;

pub use mio::Token;
use mio::event::Event;
use mio::{Events, Poll, Registry};

use crate::wake::WakeHandle;

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "poller/timer_linux.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "poller/timer_other.rs")]
mod timer;

use timer::WaitTimer;

const WAKE: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

/// Sockets' events fetched at a time by default; what does not fit is fetched by the next wait.
pub const EVENTS_DEFAULT: usize = 256;

/// Waits for sockets, wake handles and time.
///
/// # How exact a wait is
/// The poll call itself counts in milliseconds and rounds up, so a wait of 200 µs would take 1 ms.
/// - **Linux, Android**: waits below 16 ms that are not whole milliseconds are ended by a `timerfd`, for one
///   more system call; they overshoot by tens of microseconds. Longer waits round up to the millisecond.
/// - **Windows**: rounds up to the millisecond, and then to the system timer's tick: 15.6 ms unless somebody
///   in the process called `timeBeginPeriod(1)`, which game engines usually do.
/// - **Elsewhere**: rounds up to the millisecond.
///
/// A wait never spins. [`is_precise`](Self::is_precise) tells which of these one has got.
#[derive(Debug)]
pub struct Poller {
    poll: Poll,
    events: Events,
    wake: WakeHandle,
    timer: WaitTimer,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// Number of [`Poller::events`].
    pub ready_count: usize,
    /// Whether a [`WakeHandle`] was used.
    pub by_handle: bool,
}

impl Poller {
    /// A poller that fetches at most `events_max` events at a time (at least 4; see [`EVENTS_DEFAULT`]).
    ///
    /// # Errors
    /// [`PollError`] if the process is out of file descriptors or memory.
    pub fn new(events_max: usize) -> Result<Self, PollError> {
        let poll = Poll::new().map_err(PollError)?;
        let waker = mio::Waker::new(poll.registry(), WAKE).map_err(PollError)?;
        let timer = WaitTimer::new(poll.registry(), TIMER);
        Ok(Self {
            poll,
            events: Events::with_capacity(events_max.max(4)),
            wake: WakeHandle::for_poll(waker),
            timer,
        })
    }

    /// Where sockets are registered. The two highest tokens are the poller's own.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// The handle that ends this poller's wait from any thread.
    #[must_use]
    pub fn wake_handle(&self) -> WakeHandle {
        self.wake.clone()
    }

    /// Whether waits of less than a millisecond are possible; see the type's documentation.
    #[must_use]
    pub fn is_precise(&self) -> bool {
        self.timer.is_precise()
    }

    /// Sleeps until something is ready, a handle wakes, or `timeout` has passed (`None` waits for ever).
    ///
    /// May return early with nothing to report: the caller looks at its clock. Events are edge-triggered: a
    /// socket is reported when it *becomes* ready, so drain it, or come back without waiting.
    ///
    /// # Errors
    /// [`PollError`] if the system refuses to poll, which means a bug or a broken system.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Woken, PollError> {
        let timeout = self.timer.prepare(timeout);
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            Err(error) => return Err(PollError(error)),
        }
        let mut woken = Woken::default();
        for event in &self.events {
            match event.token() {
                WAKE => woken.by_handle = self.wake.acknowledge(),
                TIMER => self.timer.fired(),
                _ => woken.ready_count += 1,
            }
        }
        Ok(woken)
    }

    /// What the last [`wait`](Self::wait) found ready.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.token() != WAKE && event.token() != TIMER)
    }
}

/// The operating system refuses to poll.
#[derive(Debug)]
pub struct PollError(io::Error);

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot wait for sockets: {}", self.0)
    }
}

impl std::error::Error for PollError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    const LONG: Option<Duration> = Some(Duration::from_secs(20));

    #[test]
    fn a_wake_from_another_thread_ends_the_wait() {
        let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
        let wake = poller.wake_handle();
        let waker = thread::spawn(move || wake.wake());
        let woken = poller.wait(LONG).unwrap();
        waker.join().unwrap();
        assert_eq!(woken, Woken { ready_count: 0, by_handle: true });
        assert_eq!(poller.events().count(), 0);
    }

    #[test]
    fn many_wakes_end_one_wait_and_later_ones_the_next() {
        let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
        let wake = poller.wake_handle();
        for _ in 0..100 {
            wake.wake();
        }
        assert!(poller.wait(LONG).unwrap().by_handle);
        assert!(!poller.wait(Some(Duration::ZERO)).unwrap().by_handle, "all hundred were one");
        wake.wake();
        assert!(poller.wait(LONG).unwrap().by_handle);
    }

    #[test]
    fn a_wait_lasts_at_least_its_timeout_whatever_the_granularity() {
        let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
        for micros in [0, 150, 1_000, 2_500, 150, 17_300] {
            let timeout = Duration::from_micros(micros);
            let start = Instant::now();
            let woken = poller.wait(Some(timeout)).unwrap();
            assert_eq!(woken, Woken::default());
            assert!(start.elapsed() >= timeout, "a wait of {micros} µs took {:?}", start.elapsed());
        }
    }

    #[test]
    fn waits_of_less_than_a_millisecond_are_possible_where_promised() {
        let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
        if !poller.is_precise() {
            println!("skipped: this system waits in whole milliseconds");
            return;
        }
        // The best of many, so that a busy machine does not fail the test.
        let best = (0..200)
            .map(|_| {
                let start = Instant::now();
                poller.wait(Some(Duration::from_micros(200))).unwrap();
                start.elapsed()
            })
            .min()
            .unwrap();
        assert!(best < Duration::from_micros(900), "the shortest wait of 200 µs took {best:?}");
    }

    #[test]
    fn a_timer_that_a_wake_overtook_does_not_shorten_later_waits() {
        let mut poller = Poller::new(EVENTS_DEFAULT).unwrap();
        let wake = poller.wake_handle();
        wake.wake();
        assert!(poller.wait(Some(Duration::from_micros(1_500))).unwrap().by_handle);
        let start = Instant::now();
        poller.wait(Some(Duration::from_millis(30))).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(30));
    }
}
