//! The timers of a connection: an enumeration and an array.

use crate::time::Instant;

/// Each timer is documented by the question it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Timer {
    /// Must an acknowledgement go out by itself?
    Ack,
    /// Has a packet been overtaken for so long that it is lost?
    Loss,
    /// Has the other side been silent for so long that it should be asked?
    Probe,
    /// May the pacer let another packet go?
    Pacer,
    /// Would the connection look dead if nothing were sent now?
    KeepAlive,
    /// Has an answer been overdue for so long that the game should know?
    Interrupted,
    /// Is the other side gone?
    Idle,
    /// Is the wait for queued messages, for the acknowledgement of CLOSE, or for stragglers over?
    Close,
    /// Can old keys be erased?
    Keys,
    /// Has the deadline of a message passed, or its time in the queue, and somebody wants to know?
    Expiry,
}

const COUNT: usize = Timer::Expiry as usize + 1;

/// When each timer goes off, if it is set.
#[derive(Clone, Debug, Default)]
pub struct Timers([Option<Instant>; COUNT]);

impl Timers {
    /// Sets or stops a timer.
    #[inline]
    pub fn set(&mut self, timer: Timer, at: Option<Instant>) {
        self.0[timer as usize] = at;
    }

    /// When this timer goes off.
    #[must_use]
    #[inline]
    pub fn get(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }

    /// Whether this timer has gone off; if so it is stopped.
    pub fn take_expired(&mut self, timer: Timer, now: Instant) -> bool {
        let is_expired = self.get(timer).is_some_and(|at| at <= now);
        if is_expired {
            self.set(timer, None);
        }
        is_expired
    }

    /// When the first timer goes off.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Stops all timers.
    pub fn clear(&mut self) {
        self.0 = [None; COUNT];
    }
}
