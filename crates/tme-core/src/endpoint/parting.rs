//! The end of a whole endpoint: nobody is let in any more, everybody is told, and what that came to is counted.

use std::ops::Add;

use super::{Endpoint, PeerState};
use crate::connection::{CloseMode, Connection, Farewell, Leave, Origin};
use crate::handshake::reason::Reason;
use crate::time::Instant;

/// What the end of an endpoint has come to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartingStatistics {
    /// Peers that were connected when it began.
    pub peers: usize,
    /// Of these, that have acknowledged the goodbye.
    pub told: usize,
    /// That said goodbye themselves, or do not know the connection any more.
    pub left: usize,
    /// That have not answered. The goodbye was sent to them, and they may have read it.
    pub unanswered: usize,
    /// Reliable messages that no peer has acknowledged: of those that are gone for good, of the others so far. Some may have
    /// arrived.
    pub messages_undelivered: u64,
    /// Their bytes.
    pub bytes_undelivered: u64,
    /// Clients that came meanwhile and were refused.
    pub refused: u64,
}

impl PartingStatistics {
    /// Peers of which it is not decided whether they hear of the end.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.peers - self.told - self.left - self.unanswered
    }

    fn add_left_over(&mut self, connection: &Connection) {
        let (messages, bytes) = connection.undelivered();
        self.messages_undelivered += messages;
        self.bytes_undelivered += bytes;
    }

    fn add_ended(&mut self, connection: &Connection) {
        match connection.leave() {
            Leave::Told => self.told += 1,
            Leave::Left => self.left += 1,
            Leave::Unanswered => self.unanswered += 1,
        }
        self.add_left_over(connection);
    }
}

impl Add for PartingStatistics {
    type Output = Self;

    /// Of two endpoints of one server together.
    fn add(mut self, other: Self) -> Self {
        let Self { peers, told, left, unanswered, messages_undelivered, bytes_undelivered, refused } = other;
        self.peers += peers;
        self.told += told;
        self.left += left;
        self.unanswered += unanswered;
        self.messages_undelivered += messages_undelivered;
        self.bytes_undelivered += bytes_undelivered;
        self.refused += refused;
        self
    }
}

/// An endpoint on its way to its end.
pub(super) struct Parting {
    pub(super) farewell: Farewell,
    /// Of connections that are gone, and of those that were refused.
    counted: PartingStatistics,
}

impl Endpoint {
    /// Begins the end of everything: each peer is disconnected with `farewell`, and newcomers are refused with its reason. `Now`
    /// instead of `Flush` may follow. Those accepted and not heard of yet hear of it when they are.
    pub fn begin_parting(&mut self, now: Instant, mode: CloseMode, farewell: &Farewell) {
        let indices: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
        let is_first = self.parting.is_none();
        let parting = self.parting.get_or_insert_with(|| Parting {
            farewell: farewell.clone(),
            counted: PartingStatistics::default(),
        });
        let mut attempts = Vec::new();
        for &index in &indices {
            let Some(peer) = self.slots.get_mut(index) else { continue };
            match &mut peer.state {
                PeerState::Connected(connection) if !connection.is_unconfirmed() => {
                    if is_first && connection.is_present() {
                        peer.is_parting = true;
                        parting.counted.peers += 1;
                    }
                    // Who is leaving already has been given other words.
                    if connection.is_open() {
                        connection.close(now, mode, parting.farewell.clone());
                    } else if mode == CloseMode::Now {
                        connection.cut_flush_short();
                    }
                }
                PeerState::Connecting(_) => attempts.push(index),
                PeerState::Connected(_) | PeerState::Applying(_) => {}
            }
        }
        for index in attempts {
            if let Some(place) = self.slots.place_of(index) {
                let farewell = Farewell { reason: Reason::Aborted, ..farewell.clone() };
                self.end_attempt(index, place.peer, Origin::Local, farewell);
            }
        }
        for index in indices {
            self.uncount_closing(index);
            self.make_ready(index);
        }
        self.refuse_applicants(now, farewell.reason);
    }

    /// What that has come to so far. `None`: it has not begun.
    #[must_use]
    pub fn parting_statistics(&self) -> Option<PartingStatistics> {
        let mut statistics = self.parting.as_ref()?.counted;
        for (_, peer) in self.slots.iter().filter(|(_, peer)| peer.is_parting) {
            match &peer.state {
                PeerState::Connected(connection) if connection.is_present() => {
                    statistics.add_left_over(connection);
                }
                PeerState::Connected(connection) => statistics.add_ended(connection),
                PeerState::Connecting(_) | PeerState::Applying(_) => {}
            }
        }
        Some(statistics)
    }

    /// Peers that were accepted and have not been heard of.
    #[must_use]
    pub fn unconfirmed_count(&self) -> usize {
        self.server.as_ref().map_or(0, |server| server.unconfirmed)
    }

    /// The connection in a slot is gone.
    pub(super) fn count_parted(&mut self, connection: &Connection) {
        if let Some(parting) = &mut self.parting {
            parting.counted.add_ended(connection);
        }
    }

    /// Somebody came too late. Gives what it is to be told.
    pub(super) fn refuse_latecomer(&mut self) -> Option<Farewell> {
        let parting = self.parting.as_mut()?;
        parting.counted.refused += 1;
        self.statistics.refused_parting += 1;
        Some(parting.farewell.clone())
    }

    fn uncount_closing(&mut self, index: usize) {
        let is_closing = matches!(
            self.slots.get(index).map(|peer| &peer.state),
            Some(PeerState::Connected(connection)) if connection.is_closing()
        );
        if is_closing {
            self.uncount(index);
        }
    }
}
