//! The end of a driver: everybody is told, and waited for as long as the game has patience.

use std::collections::VecDeque;
use std::time::Duration;

use tme_core::connection::CloseMode;
use tme_core::time::Instant;

use super::Driver;
use crate::engine::EngineError;
use crate::engine::shared::{ClosingReport, StopRequest};

/// What of the time is kept for the goodbye itself, which may be lost and has to be repeated: a quarter, at most this.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(1);
/// How long those are waited for that were accepted and have not been heard of.
const UNCONFIRMED_TIME_MAX: Duration = Duration::from_secs(1);
/// How old a report of the end may be while it goes on.
const REPORT_AGE_MAX: Duration = Duration::from_millis(20);

/// A driver on its way to its end.
pub(super) struct Parting {
    /// What is queued has until then.
    flush_until: Instant,
    /// Clients that were accepted have until then to be heard of.
    unconfirmed_until: Instant,
    /// All is over then.
    deadline: Instant,
    has_cut: bool,
    report_at: Instant,
}

impl Parting {
    fn new(now: Instant, deadline: Instant) -> Self {
        let goodbye_time = (deadline.saturating_since(now) / 4).min(GOODBYE_TIME_MAX);
        Self {
            flush_until: now + (deadline.saturating_since(now) - goodbye_time),
            unconfirmed_until: deadline.min(now + UNCONFIRMED_TIME_MAX),
            deadline,
            has_cut: false,
            report_at: now,
        }
    }
}

impl Driver {
    /// Takes what is queued and begins to say goodbye. Asked again, it may only be in a greater hurry.
    pub fn begin_parting(&mut self, request: &StopRequest) -> Result<(), EngineError> {
        self.shared.stop_sending();
        self.flush_now()?;
        let now = self.clock.now();
        let StopRequest { mode, farewell, deadline } = request;
        let former = self.parting.as_ref().map(|parting| parting.deadline);
        let parting = Parting::new(now, former.map_or(*deadline, |former| former.min(*deadline)));
        if former.is_none()
            && let Some(connector) = &mut self.connector
        {
            self.events.extend(connector.give_up());
        }
        self.endpoint.begin_parting(now, *mode, farewell);
        if *mode == CloseMode::Flush {
            self.endpoint.extend_flushes(parting.flush_until);
        }
        self.parting = Some(parting);
        self.flush(now)?;
        self.collect_events(now);
        // Once more, for those who have connected in this very moment.
        self.shared.stop_sending();
        self.advance_parting(now)
    }

    /// Whether there is nobody left to wait for, at any of the network threads, or no time.
    pub fn has_parted(&self) -> bool {
        let Some(parting) = &self.parting else { return false };
        let now = self.clock.now();
        let waiting = self.endpoint.connection_count();
        let has_nobody = waiting == 0
            || (waiting == self.endpoint.unconfirmed_count() && now >= parting.unconfirmed_until);
        let have_others_nobody =
            || self.post.as_ref().is_none_or(|post| post.handle_parted(self.endpoint.shard().index()));
        now >= parting.deadline || (has_nobody && have_others_nobody())
    }

    /// Ends what has not ended by itself: each connection that is left is told once more, as far as it goes without waiting, and
    /// the game hears of its end.
    pub fn finish_parting(&mut self) -> Result<(), EngineError> {
        let now = self.clock.now();
        self.endpoint.abandon_unconfirmed(now);
        // One that never hears of the end waits for its idle time-out.
        self.endpoint.cut_flushes_short();
        let result = self.flush(now);
        self.endpoint.abandon_closing();
        self.collect_events(now);
        self.report_parting(true);
        result
    }

    /// All of this at once, for whoever waits for it.
    pub fn wind_down(&mut self, request: &StopRequest) -> Result<(), EngineError> {
        self.begin_parting(request)?;
        let mut events = VecDeque::new();
        while !self.has_parted() {
            // Taken aside, so that their presence does not keep the driver from sleeping.
            events.append(&mut self.events);
            self.turn(None)?;
        }
        let result = self.finish_parting();
        events.append(&mut self.events);
        self.events = events;
        result
    }

    /// Does what is due on the way to the end.
    pub(super) fn advance_parting(&mut self, now: Instant) -> Result<(), EngineError> {
        let Some(parting) = &mut self.parting else { return Ok(()) };
        let is_report_due = parting.report_at <= now;
        if is_report_due {
            parting.report_at = now + REPORT_AGE_MAX;
        }
        if parting.flush_until <= now && !std::mem::replace(&mut parting.has_cut, true) {
            self.endpoint.cut_flushes_short();
            self.flush(now)?;
        }
        if is_report_due {
            self.report_parting(false);
        }
        Ok(())
    }

    /// When that is due.
    pub(super) fn parting_due_at(&self) -> Option<Instant> {
        let Parting { flush_until, unconfirmed_until, deadline, has_cut, .. } = self.parting.as_ref()?;
        let next = if *has_cut { *deadline } else { *flush_until };
        // Afterwards their own timers are enough.
        let is_awaited = self.endpoint.unconfirmed_count() > 0 && self.clock.now() < *unconfirmed_until;
        Some(if is_awaited { next.min(*unconfirmed_until) } else { next })
    }

    fn report_parting(&self, is_over: bool) {
        if let Some(statistics) = self.endpoint.parting_statistics() {
            self.shared.report_closing(ClosingReport { statistics, is_over });
        }
    }
}
