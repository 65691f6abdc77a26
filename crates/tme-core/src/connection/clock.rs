//! The clock frames of a connection: when they go along, and what those that come do.

use super::send::PacketRoom;
use super::{Connection, Event, Provokes, State, Timer, Workspace};
use crate::clock::{ClockAnswerer, ClockAsker, ClockModel, ClockStatistics, ServerTime};
use crate::time::Instant;
use crate::wire::frame::Frame;

/// What a connection keeps for its clocks.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// Boxed, for few of a server's peers are ever asked, and none by default.
    asker: Option<Box<ClockAsker>>,
    answerer: ClockAnswerer,
    is_request_due: bool,
    /// Answers that came although nobody asks here.
    unasked: u64,
    /// When the datagram in hand reached this machine, if that was before it was read.
    arrived_at: Option<Instant>,
}

impl Connection {
    /// Begins to ask for the other side's time, or to ask often again.
    pub fn synchronise_clock(&mut self, now: Instant) {
        match &mut self.clocks.asker {
            Some(asker) => asker.hurry(now),
            None => self.clocks.asker = Some(Box::new(ClockAsker::new(now))),
        }
        self.restart_clock_timer();
    }

    /// The other side's time at `now`. `None` before the first answer, or if nobody asks.
    #[must_use]
    pub fn server_time(&self, now: Instant) -> Option<ServerTime> {
        Some(self.clock_model()?.at(now))
    }

    /// What the other side's time is read from, for threads that have no connection at hand.
    #[must_use]
    pub fn clock_model(&self) -> Option<&ClockModel> {
        self.clocks.asker.as_ref()?.model()
    }

    pub(super) fn clock_statistics(&self) -> ClockStatistics {
        let mut statistics = self.clocks.asker.as_ref().map(|asker| asker.statistics()).unwrap_or_default();
        statistics.unasked += self.clocks.unasked;
        self.clocks.answerer.add_to(&mut statistics);
        statistics
    }

    /// Tells when the datagram that is handed in next reached this machine: a host that reads its socket once a frame
    /// reads it late.
    pub fn note_arrival(&mut self, arrived_at: Instant) {
        self.clocks.arrived_at = Some(arrived_at);
    }

    /// Forgets that again, when the datagram was dealt with.
    pub(super) fn forget_arrival(&mut self) {
        self.clocks.arrived_at = None;
    }

    pub(super) fn handle_clock_request(&mut self, now: Instant, client_time: u64) {
        let arrived_at = self.clocks.arrived_at.unwrap_or(now).min(now);
        self.clocks.answerer.handle_request(arrived_at, client_time);
    }

    pub(super) fn handle_clock_answer(
        &mut self,
        now: Instant,
        times: (u64, u64, u64),
        workspace: &mut Workspace,
    ) {
        let arrived_at = self.clocks.arrived_at.unwrap_or(now).min(now);
        let Some(asker) = &mut self.clocks.asker else {
            self.clocks.unasked += 1;
            return;
        };
        let change = asker.handle_answer(now, arrived_at, times);
        self.restart_clock_timer();
        if let Some(change) = change {
            workspace.events.push_back(Event::Clock { peer: self.peer, change });
        }
    }

    fn restart_clock_timer(&mut self) {
        let next_at = self.clocks.asker.as_ref().map(|asker| asker.next_at());
        let is_asking = !self.clocks.is_request_due && matches!(self.state, State::Open | State::Unconfirmed);
        self.timers.set(Timer::Clock, next_at.filter(|_| is_asking));
    }

    pub(super) fn handle_clock_timeout(&mut self) {
        self.clocks.is_request_due = true;
    }

    /// Whether a request is to leave as soon as a packet may.
    pub(super) const fn is_clock_request_due(&self) -> bool {
        self.clocks.is_request_due
    }

    /// Whether an answer is to leave now, as an acknowledgement would: whatever congestion control says.
    pub(super) const fn is_clock_answer_due(&self) -> bool {
        self.clocks.answerer.is_waiting()
    }

    /// Appends an answer that waits. It provokes nothing, and is not sent again.
    pub(super) fn write_clock_answer(&mut self, now: Instant, room: &mut PacketRoom<'_>) {
        if self.has_said_farewell() {
            return;
        }
        if let Some((client_time, received)) = self.clocks.answerer.poll_answer(now) {
            let answer = Frame::ClockAnswer { client_time, received, sent: now.as_micros() };
            room.write_unrecorded(&answer, Provokes::Nothing);
        }
    }

    /// Appends a request that is due, or soon will be. It is not sent again.
    pub(super) fn write_clock_request(&mut self, now: Instant, room: &mut PacketRoom<'_>) {
        let Some(asker) = &mut self.clocks.asker else { return };
        let request = Frame::ClockRequest { client_time: now.as_micros() };
        if asker.may_ride_along(now) && room.write_unrecorded(&request, Provokes::Lazily) {
            asker.handle_sent(now);
            self.clocks.is_request_due = false;
            self.restart_clock_timer();
        }
    }
}
