//! The end of a driver: everybody is told, and waited for as long as the game has patience.

use std::collections::VecDeque;

use tme_core::connection::PeerId;
use tme_core::handshake::reason::Reason;

use super::Driver;
use crate::engine::EngineError;
use crate::engine::shared::StopRequest;

impl Driver {
    /// Takes what is queued, says goodbye, and goes on until everybody is gone or time is up.
    pub fn wind_down(&mut self, request: &StopRequest) -> Result<(), EngineError> {
        self.flush_now()?;
        self.say_goodbye(request)?;
        let mut events = VecDeque::new();
        while !self.is_deserted() {
            let left = request.deadline.saturating_since(self.now());
            if left.is_zero() {
                break;
            }
            self.turn(Some(left))?;
            // Taken aside, so that their presence does not keep the driver from sleeping.
            events.append(&mut self.events);
        }
        self.cut_flushes_short()?;
        self.abandon_closing();
        events.append(&mut self.events);
        self.events = events;
        Ok(())
    }

    /// Says goodbye to everybody, as far as that goes without waiting.
    fn say_goodbye(&mut self, request: &StopRequest) -> Result<(), EngineError> {
        let StopRequest { mode, farewell, deadline } = request;
        let now = self.clock.now();
        let peers: Vec<PeerId> = self.endpoint.peers().collect();
        for peer in peers {
            self.endpoint.disconnect(now, peer, *mode, farewell.clone());
        }
        self.endpoint.extend_flushes(*deadline);
        self.endpoint.refuse_applicants(now, Reason::Shutdown);
        self.endpoint.abandon_unconfirmed(now);
        self.endpoint.set_admitting(false);
        self.flush(now)
    }

    /// Tells those peers of their end at once that were to hear of it when all messages had gone through: one that never
    /// hears of it waits for its idle time-out.
    fn cut_flushes_short(&mut self) -> Result<(), EngineError> {
        self.endpoint.cut_flushes_short();
        self.flush(self.clock.now())
    }

    /// Ends the connections whose other side has not answered the goodbye: the game hears of the end of each.
    fn abandon_closing(&mut self) {
        self.endpoint.abandon_closing();
        self.collect_events(self.clock.now());
    }

    /// Whether every connection has ended.
    fn is_deserted(&self) -> bool {
        self.endpoint.connection_count() == 0
    }
}
