//! What a connection does by itself when time passes.

use std::time::Duration;

use super::{Connection, Event, Farewell, Origin, ReceiveChannel, Side, State, Timer, Workspace};
use crate::handshake::reason::Reason;
use crate::time::Instant;

/// How long a server waits for the first packet of a client it has accepted.
const UNCONFIRMED_TIME_MAX: Duration = Duration::from_secs(10);

/// After this time without a message the queues give memory back. Shorter than the keep-alive interval, so that the
/// first sign of life after the last message finds it past.
pub(crate) const SPARE_TIME_MAX: Duration = Duration::from_secs(4);

impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_transmit`](Self::poll_transmit) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what has become due. Call it when [`poll_timeout`](Self::poll_timeout) has passed; calling it more often is
    /// harmless.
    pub fn handle_timeout(&mut self, now: Instant, workspace: &mut Workspace) {
        if self.timers.take_expired(Timer::Keys, now) {
            self.protection.handle_timeout(now);
            self.timers.set(Timer::Keys, self.protection.poll_timeout());
        }
        if self.timers.take_expired(Timer::Loss, now) {
            self.detect_losses(now, workspace);
        }
        if self.timers.take_expired(Timer::Probe, now) {
            self.handle_probe_timeout(now, workspace);
        }
        if self.timers.take_expired(Timer::KeepAlive, now) {
            self.is_ping_due = true;
        }
        if self.timers.take_expired(Timer::Clock, now) {
            self.handle_clock_timeout();
        }
        if self.timers.take_expired(Timer::Interrupted, now) {
            self.is_interrupted = true;
            if self.is_heard_of() {
                workspace.events.push_back(Event::Interrupted { peer: self.peer });
            }
        }
        if self.timers.take_expired(Timer::Path, now) {
            self.handle_path_timeout(now);
        }
        if self.timers.take_expired(Timer::Mtu, now) {
            self.mtu.handle_timeout(now);
        }
        if self.timers.take_expired(Timer::Idle, now) {
            self.end(Origin::Local, Farewell::new(Reason::TimedOut), workspace);
        }
        if self.timers.take_expired(Timer::Close, now) {
            match &self.state {
                State::Flushing(farewell) => {
                    let farewell = farewell.clone();
                    self.begin_closing(farewell);
                }
                State::Closing { .. } => self.finish_closing(workspace),
                State::Draining => self.end_silently(),
                _ => {}
            }
        }
        self.reassembly.expire(now);
        self.channels.expire(now);
        self.timers.set(Timer::Expiry, self.channels.next_deadline());
        self.report_receipts(workspace);
        self.finish_flush();
        self.report_writable(workspace);
        if self.last_message_at.is_some_and(|at| now.saturating_since(at) >= SPARE_TIME_MAX) {
            self.release_spare();
        }
    }

    pub(super) fn restart_idle_timers(&mut self, now: Instant) {
        // A short idle time-out needs more frequent signs of life: three chances for the client, then the server's.
        let (share, extra) = match self.side {
            Side::Client => (self.idle_timeout / 3, Duration::ZERO),
            Side::Server => (self.idle_timeout * 2 / 5, Duration::from_secs(1)),
        };
        self.timers.set(Timer::KeepAlive, Some(now + (self.config.keep_alive + extra).min(share)));
        let patience = if self.is_unconfirmed() { UNCONFIRMED_TIME_MAX } else { self.idle_timeout };
        self.timers.set(Timer::Idle, Some(self.last_received_at + patience.min(self.idle_timeout)));
    }

    /// Gives back the room that queues have grown to: thousands of peers may be idle at a time.
    fn release_spare(&mut self) {
        self.last_message_at = None;
        self.sent.release_spare();
        self.channels.release_spare();
        self.reassembly.release_spare();
        for receiver in &mut self.receivers {
            if let ReceiveChannel::Reliable(receiver) = receiver {
                receiver.release_spare();
            }
        }
    }
}
