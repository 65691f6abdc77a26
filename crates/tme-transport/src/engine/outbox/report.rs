//! What the engine reports of its peers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tme_core::channel::ChannelId;
use tme_core::connection::{Applicant, Connected, Connection, Event, PeerId};
use tme_core::datagram::LinkKind;
use tme_core::time::Instant;

use super::Outbox;
use super::peer::PeerEntry;
use crate::engine::conditions::ConditionFigures;

impl Outbox {
    /// A peer has connected.
    pub fn insert_peer(&mut self, now: Instant, connection: &Connection, info: &Connected) {
        let peer = connection.peer();
        let slot = self.shard.slot_of_peer(peer);
        if self.peers.len() <= slot {
            self.peers.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.peers.get_mut(slot) {
            *place = Some(PeerEntry::new(now, connection, info));
            self.by_number.insert(info.number, peer);
        }
    }

    /// The game is being asked about a client.
    pub fn insert_applicant(&mut self, peer: PeerId, info: &Applicant) {
        self.applicants.insert(peer, Arc::new(info.clone()));
    }

    /// Forgets a peer. Whoever waits for word of messages that have not reached the engine gets it.
    pub fn remove_peer(&mut self, peer: PeerId, events: &mut impl Extend<Event>) -> Option<SocketAddr> {
        self.pending.abandon_receipts(peer, events);
        self.applicants.remove(&peer);
        let entry = self.peers.get_mut(self.shard.slot_of_peer(peer))?.take_if(|entry| entry.peer == peer)?;
        self.by_number.remove(&entry.number);
        Some(entry.remote)
    }

    pub fn remote_of(&self, peer: PeerId) -> Option<SocketAddr> {
        self.entry(peer).map(|entry| entry.remote)
    }

    /// A peer goes on from another address. Gives the former one.
    pub fn set_remote(&mut self, peer: PeerId, remote: SocketAddr) -> Option<SocketAddr> {
        self.entry_mut(peer).map(|entry| std::mem::replace(&mut entry.remote, remote))
    }

    /// A peer goes on by another link. Gives its former address.
    pub fn set_link(&mut self, peer: PeerId, link: LinkKind, remote: SocketAddr) -> Option<SocketAddr> {
        self.entry_mut(peer).map(|entry| {
            entry.link = link;
            std::mem::replace(&mut entry.remote, remote)
        })
    }

    pub fn set_condition_figures(&mut self, peer: PeerId, figures: ConditionFigures) {
        if let Some(entry) = self.entry_mut(peer) {
            **entry.conditions.get_or_insert_default() = figures;
        }
    }

    /// The connection has got all that was taken for it: from here on it counts there.
    pub fn handle_arrived(&mut self, connection: &Connection) {
        if let Some(entry) = self.entry_mut(connection.peer()) {
            entry.handle_arrived(connection);
        }
    }

    /// Takes over how full a peer's queues are now. Calls `writable` for every channel that had refused a message and
    /// is at most half full.
    /// Gives whether the figures are too young to be taken anew, for the first time since they were taken: come back
    /// when they are older.
    pub fn update_peer(
        &mut self,
        now: Instant,
        connection: &Connection,
        statistics_age_max: Duration,
        writable: impl FnMut(ChannelId),
    ) -> bool {
        let peer = connection.peer();
        let Self { peers, pending, shard, .. } = self;
        let entry = peers
            .get_mut(shard.slot_of_peer(peer))
            .and_then(Option::as_mut)
            .filter(|entry| entry.peer == peer);
        let Some(entry) = entry else { return false };
        entry.allowance = connection.allowance(now);
        entry.update_queues(connection, pending, writable);
        entry.update_clock(connection);
        entry.update_statistics(now, connection, statistics_age_max)
    }
}
