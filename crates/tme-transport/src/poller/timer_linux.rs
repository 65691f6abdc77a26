//! A timerfd that ends waits the poll call would round up to a whole millisecond.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// From here on the poll call's rounding (under 1 ms) is a few percent and not worth a system call.
const PRECISE_BELOW: Duration = Duration::from_millis(16);

#[derive(Debug)]
pub(super) struct WaitTimer {
    /// `None` where the system refuses (a strict seccomp filter): waits then take whole milliseconds.
    timer: Option<TimerFd>,
    /// Whether the timer runs, or has run out and the poll call has not said so yet.
    armed: bool,
}

impl WaitTimer {
    pub(super) fn new(registry: &Registry, token: Token) -> Self {
        Self { timer: registered_timer(registry, token), armed: false }
    }

    pub(super) fn is_precise(&self) -> bool {
        self.timer.is_some()
    }

    /// Arms the timer if the wait wants it; returns the timeout for the poll call.
    pub(super) fn prepare(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let Some(timer) = &self.timer else { return timeout };
        match timeout.filter(is_finer_than_poll) {
            Some(wait) => {
                // Starting it also clears an expiry that was not read.
                let expiration = Expiration::OneShot(TimeSpec::from_duration(wait));
                self.armed = timer.set(expiration, TimerSetTimeFlags::empty()).is_ok();
                if self.armed { None } else { timeout }
            }
            None => {
                if self.armed {
                    // Something else ended the wait it was meant for.
                    self.armed = timer.unset().is_err();
                }
                timeout
            }
        }
    }

    pub(super) fn fired(&mut self) {
        self.armed = false;
    }
}

fn is_finer_than_poll(wait: &Duration) -> bool {
    !wait.is_zero() && *wait < PRECISE_BELOW && !wait.subsec_nanos().is_multiple_of(1_000_000)
}

fn registered_timer(registry: &Registry, token: Token) -> Option<TimerFd> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).ok()?;
    registry.register(&mut SourceFd(&timer.as_fd().as_raw_fd()), token, Interest::READABLE).ok()?;
    Some(timer)
}
