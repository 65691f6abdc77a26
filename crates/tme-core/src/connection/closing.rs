//! How a connection ends: politely, at once, or because of the other side.

use std::time::Duration;

use super::{Connected, Connection, Event, Origin, State, Timer, Workspace};
use crate::crypto::reset::ResetToken;
use crate::handshake::reason::Reason;
use crate::payload::Payload;
use crate::time::Instant;

/// How long CLOSE is repeated, unless that is less than [`CLOSE_TIMEOUTS_MIN`] probe time-outs.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(3);
const CLOSE_TIMEOUTS_MIN: u32 = 4;

/// What CLOSE will say.
#[derive(Clone, Debug)]
pub struct Farewell {
    /// Why.
    pub reason: Reason,
    /// The application's own code.
    pub code: u32,
    /// The application's own bytes; at most 512 travel.
    pub detail: Payload,
}

impl Farewell {
    /// A reason without code and detail.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason, code: 0, detail: Payload::empty() }
    }
}

/// What to do with queued reliable messages when closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    /// They are delivered first, for at most the configured linger time.
    Flush,
    /// They are dropped.
    Now,
}

/// How a connection came to its end, as far as it is known whether the other side knows of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Leave {
    /// The other side has acknowledged CLOSE.
    Told,
    /// The other side said CLOSE itself, or does not know the connection any more.
    Left,
    /// It has not answered (yet).
    #[default]
    Unanswered,
}

impl Connection {
    /// How it came to its end.
    #[must_use]
    pub const fn leave(&self) -> Leave {
        self.leave
    }

    /// Whether the application was told of it, and not yet of its end.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        self.is_heard_of() && !self.has_ended()
    }

    /// Reliable messages that the other side has not acknowledged, and their bytes; after the end those that were left.
    #[must_use]
    pub fn undelivered(&self) -> (u64, u64) {
        self.left_over.unwrap_or_else(|| self.channels.reliable_backlog())
    }

    /// Ends the connection. Calling it again changes nothing, except that `Now` cuts a flush short.
    pub fn close(&mut self, now: Instant, mode: CloseMode, farewell: Farewell) {
        match (&self.state, mode) {
            (State::Open, CloseMode::Flush) if !self.channels.is_reliable_empty() => {
                self.timers.set(Timer::Close, Some(now + self.config.linger));
                self.state = State::Flushing(farewell);
            }
            (State::Flushing(_), CloseMode::Flush) => {}
            (State::Open | State::Unconfirmed | State::Flushing(_), _) => self.begin_closing(farewell),
            _ => {}
        }
    }

    /// Ends the connection because another one takes its place. The application hears of it now and not again: whoever is
    /// replaced has most likely stopped listening. Gives whether it has anything to hear.
    pub fn replace(&mut self, now: Instant, farewell: Farewell, workspace: &mut Workspace) -> bool {
        self.close(now, CloseMode::Now, farewell.clone());
        let is_news = self.is_heard_of() && !self.has_ended();
        if is_news {
            self.announce_end(Origin::Local, farewell, workspace);
            self.is_end_reported = true;
        }
        is_news
    }

    /// Takes `Connected` back, which nobody has seen: nobody will be told of the end either.
    pub fn withdraw(&mut self, info: Option<Box<Connected>>) {
        self.info = info.or(self.info.take());
    }

    /// Gives what is to go through before CLOSE until `until`, if that is later than the configured linger time. Gives whether
    /// anything is.
    pub fn extend_flush(&mut self, until: Instant) -> bool {
        let is_flushing = matches!(self.state, State::Flushing(_));
        if is_flushing && self.timers.get(Timer::Close).is_none_or(|at| at < until) {
            self.timers.set(Timer::Close, Some(until));
        }
        is_flushing
    }

    /// Goes on to CLOSE although what was to go through first has not. Gives whether it was waiting for that.
    pub fn cut_flush_short(&mut self) -> bool {
        let State::Flushing(farewell) = &self.state else { return false };
        let farewell = farewell.clone();
        self.begin_closing(farewell);
        true
    }

    /// Ends without the acknowledgement of CLOSE, if that is what it waits for.
    pub fn abandon_closing(&mut self, workspace: &mut Workspace) {
        self.finish_closing(workspace);
    }

    /// Goes on to CLOSE once everything reliable was acknowledged.
    pub(super) fn finish_flush(&mut self) {
        if let State::Flushing(farewell) = &self.state
            && self.channels.is_reliable_empty()
        {
            let farewell = farewell.clone();
            self.begin_closing(farewell);
        }
    }

    pub(super) fn begin_closing(&mut self, farewell: Farewell) {
        self.timers.set(Timer::Close, None);
        self.state = State::Closing { farewell, is_due: true };
    }

    /// Whether CLOSE was sent or received: what still comes is acknowledged and has no other effect.
    pub(super) const fn has_said_farewell(&self) -> bool {
        matches!(self.state, State::Closing { .. } | State::Draining | State::Closed)
    }

    /// The other side has acknowledged CLOSE.
    pub(super) fn handle_close_acked(&mut self, workspace: &mut Workspace) {
        self.leave = Leave::Told;
        self.finish_closing(workspace);
    }

    /// For how long CLOSE is repeated.
    pub(super) fn closing_time(&self) -> Duration {
        CLOSE_TIME_MAX.max(self.rtt.probe_timeout() * CLOSE_TIMEOUTS_MIN).min(self.idle_timeout)
    }

    /// CLOSE was lost or is unanswered: it goes again.
    pub(super) fn repeat_close(&mut self) {
        if let State::Closing { is_due, .. } = &mut self.state {
            *is_due = true;
        }
    }

    pub(super) fn handle_close(
        &mut self,
        now: Instant,
        reason: u16,
        code: u32,
        detail: &[u8],
        workspace: &mut Workspace,
    ) {
        if matches!(self.state, State::Draining | State::Closed) {
            self.acks.demand(now);
            return;
        }
        let farewell = Farewell { reason: Reason::from_code(reason), code, detail: Payload::from(detail) };
        self.leave = Leave::Left;
        self.announce_end(Origin::Remote, farewell, workspace);
        self.state = State::Draining;
        self.timers.clear();
        // A peer that answers late on purpose makes the probe time-out as long as it likes.
        let wait = (self.rtt.probe_timeout() * 3).min(self.idle_timeout);
        self.timers.set(Timer::Close, Some(now + wait));
        self.acks.demand(now);
    }

    /// The server told, with the right token, that it does not know this connection any more.
    pub fn handle_reset(&mut self, token: &ResetToken, workspace: &mut Workspace) -> bool {
        if self.is_closed() || self.reset_token.as_ref() != Some(token) {
            return false;
        }
        self.leave = Leave::Left;
        // Whoever has said goodbye learns from it that nobody waits for another one.
        self.finish_closing(workspace);
        self.end(Origin::Remote, Farewell::new(Reason::Reset), workspace);
        true
    }

    /// Closes because the other side misbehaved; the application hears about it once CLOSE is through.
    pub(super) fn fail(&mut self, reason: Reason) {
        if matches!(self.state, State::Open | State::Unconfirmed | State::Flushing(_)) {
            log::warn!("{}: closing: {reason}", self.peer);
            self.begin_closing(Farewell::new(reason));
        }
    }

    pub(super) fn finish_closing(&mut self, workspace: &mut Workspace) {
        if let State::Closing { farewell, .. } = &self.state {
            let farewell = farewell.clone();
            self.end(Origin::Local, farewell, workspace);
        }
    }

    pub(super) fn end(&mut self, origin: Origin, farewell: Farewell, workspace: &mut Workspace) {
        // Who has left does not leave twice.
        if !self.has_ended() {
            self.announce_end(origin, farewell, workspace);
        }
        self.end_silently();
    }

    fn announce_end(&mut self, origin: Origin, farewell: Farewell, workspace: &mut Workspace) {
        // Who was never announced does not leave either, and whose end was told has left.
        if self.is_heard_of() {
            self.left_over = Some(self.channels.reliable_backlog());
            self.channels.abandon();
            self.report_receipts(workspace);
            workspace.events.push_back(Event::disconnected(self.peer, origin, farewell));
        }
    }

    pub(super) fn end_silently(&mut self) {
        self.state = State::Closed;
        self.timers.clear();
    }
}
