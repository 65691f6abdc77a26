//! What the game asks of the engine besides sending: each at most once per peer, so that it needs no other bound.

use tme_core::connection::{CloseMode, Farewell, PeerId};
use tme_core::handshake::datagram::{DisplayName, Information};
use tme_core::handshake::parameters::{Refusal, UserData};
use tme_core::link::LinkConditions;

use super::Outbox;

/// A connection to be ended.
#[derive(Debug)]
pub(in crate::engine) struct Ending {
    pub peer: PeerId,
    pub mode: CloseMode,
    pub farewell: Farewell,
}

/// What the game says of somebody who asks to be let in.
#[derive(Debug)]
pub(in crate::engine) enum Verdict {
    Accept(UserData),
    Refuse(Refusal),
}

/// A decision about an applicant.
#[derive(Debug)]
pub(in crate::engine) struct Judged {
    pub peer: PeerId,
    pub verdict: Verdict,
}

/// How much may leave for a peer in a second.
#[derive(Debug)]
pub(in crate::engine) struct RateCap {
    pub peer: PeerId,
    pub rate: Option<u64>,
}

/// A change of the modelled network towards a peer.
#[derive(Debug)]
pub(in crate::engine) struct Change {
    pub peer: PeerId,
    pub direction: Direction,
    pub conditions: Option<LinkConditions>,
}

/// Which way datagrams go, seen from this engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What this engine receives.
    Incoming,
    /// What this engine sends.
    Outgoing,
}

impl Outbox {
    /// Asks for the end of a connection. The first asking counts, unless a later one is in a greater hurry. `false`:
    /// nobody has this id.
    pub fn disconnect(&mut self, ending: Ending) -> bool {
        let Some(entry) = self.entry_mut(ending.peer) else { return false };
        let was_leaving = std::mem::replace(&mut entry.is_leaving, true);
        if was_leaving && ending.mode == CloseMode::Flush {
            return true;
        }
        let endings = &mut self.pending.endings;
        match endings.iter_mut().find(|pending| pending.peer == ending.peer) {
            Some(pending) => *pending = ending,
            None => endings.push(ending),
        }
        true
    }

    /// Decides about an applicant. `false`: nobody asks under this id (any more).
    pub fn judge(&mut self, judged: Judged) -> bool {
        let is_asked = self.applicants.remove(&judged.peer).is_some();
        if is_asked {
            self.pending.judged.push(judged);
        }
        is_asked
    }

    /// Limits what leaves for a peer; replaces what was asked for before. `false`: nobody has this id.
    pub fn set_rate_cap(&mut self, cap: RateCap) -> bool {
        if self.entry(cap.peer).is_none() {
            return false;
        }
        match self.pending.caps.iter_mut().find(|pending| pending.peer == cap.peer) {
            Some(pending) => *pending = cap,
            None => self.pending.caps.push(cap),
        }
        true
    }

    /// Changes what queries are answered with.
    pub fn set_information(&mut self, information: Information) {
        self.pending.information = Some(information);
    }

    /// Changes under which name the server is found.
    pub fn set_display_name(&mut self, name: DisplayName) {
        self.pending.display_name = Some(name);
    }

    /// Asks for other network conditions; replaces what was asked for before.
    pub fn set_conditions(&mut self, change: Change) {
        if self.entry(change.peer).is_none() {
            return;
        }
        let changes = &mut self.pending.changes;
        let same =
            |pending: &&mut Change| pending.peer == change.peer && pending.direction == change.direction;
        match changes.iter_mut().find(same) {
            Some(pending) => *pending = change,
            None => changes.push(change),
        }
    }

    /// Asks for a peer's time. `false`: nobody has this id.
    pub fn synchronise_clock(&mut self, peer: PeerId) -> bool {
        let is_there = self.entry(peer).is_some();
        if is_there && !self.pending.clocks.contains(&peer) {
            self.pending.clocks.push(peer);
        }
        is_there
    }
}
