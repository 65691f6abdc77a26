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
    /// Is it time to ask for the other side's clock again?
    Clock,
    /// Can old keys be erased?
    Keys,
    /// Must a new address be asked again, or has it failed to prove itself?
    Path,
    /// Can a larger datagram be tried?
    Mtu,
    /// Has the deadline of a message passed, or its time in the queue, and somebody wants to know?
    Expiry,
}

const COUNT: usize = Timer::Expiry as usize + 1;

/// When each timer goes off, if it is set.
#[derive(Clone, Debug)]
pub struct Timers([Instant; COUNT]);

/// A timer that is not set. Half as large as an `Option`, of which thousands of connections would hold a dozen each.
const NEVER: Instant = Instant::from_micros(u64::MAX);

impl Default for Timers {
    fn default() -> Self {
        Self([NEVER; COUNT])
    }
}

impl Timers {
    /// Sets or stops a timer.
    #[inline]
    pub fn set(&mut self, timer: Timer, at: Option<Instant>) {
        self.0[timer as usize] = at.unwrap_or(NEVER);
    }

    /// When this timer goes off.
    #[must_use]
    #[inline]
    pub fn get(&self, timer: Timer) -> Option<Instant> {
        Some(self.0[timer as usize]).filter(|&at| at != NEVER)
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
        self.0.iter().min().copied().filter(|&at| at != NEVER)
    }

    /// Stops all timers.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
