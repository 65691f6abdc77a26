//! What the game's threads read: peers, their figures, their clocks.

use std::sync::Arc;

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::clock::ServerTime;
use tme_core::connection::{
    Applicant, Backlog, ChannelStatistics, ConnectionStatistics, PeerId, SendBudget, TokenInfo,
};
use tme_core::link::LinkStatistics;
use tme_core::time::Instant;

use super::peer::PeerEntry;
use super::requests::Direction;
use super::{Outbox, PeerInfo};

impl Outbox {
    /// A client's server.
    pub fn sole_peer(&self) -> Option<PeerId> {
        self.peers.iter().flatten().map(|entry| entry.peer).next()
    }

    /// A peer's time at `now`, which must have been read under this lock: of one reading after the other none is earlier.
    pub fn server_time(&mut self, now: Instant, peer: PeerId) -> Option<ServerTime> {
        Some(self.entry_mut(peer)?.clock.as_mut()?.read(now))
    }

    pub fn peers(&self) -> impl Iterator<Item = PeerInfo> {
        self.peers.iter().flatten().map(PeerEntry::info)
    }

    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.entry(peer).map(PeerEntry::info)
    }

    pub fn applicant(&self, peer: PeerId) -> Option<Arc<Applicant>> {
        self.applicants.get(&peer).cloned()
    }

    pub fn peer_token(&self, peer: PeerId) -> Option<Arc<TokenInfo>> {
        self.entry(peer)?.token.clone()
    }

    pub fn peer_by_number(&self, number: u32) -> Option<PeerInfo> {
        self.by_number.get(&number).and_then(|&peer| self.peer(peer))
    }

    pub fn statistics(&self, peer: PeerId) -> Option<ConnectionStatistics> {
        self.entry(peer).map(|entry| entry.statistics)
    }

    /// What may be sent to a peer: as the engine has last reported it, less what is on its way there.
    pub fn send_budget(&self, peer: PeerId) -> Option<SendBudget> {
        let entry = self.entry(peer)?;
        let backlogs = entry.channels.iter().filter_map(|depth| {
            let Backlog { bytes, .. } = depth.backlog?;
            let under_way = (depth.pending_bytes + depth.transit_bytes) as u64;
            Some(Backlog { bytes: bytes.map(|bytes| bytes + under_way), ..depth.backlog? })
        });
        Some(SendBudget::new(entry.allowance, backlogs))
    }

    pub fn channel_statistics(&self, peer: PeerId, channel: ChannelId) -> Option<ChannelStatistics> {
        let entry = self.entry(peer)?;
        entry.channels.get(entry.table.position(channel)?)?.statistics
    }

    pub fn condition_statistics(&self, peer: PeerId, direction: Direction) -> Option<LinkStatistics> {
        let figures = self.entry(peer)?.conditions.as_ref()?;
        match direction {
            Direction::Incoming => figures.incoming,
            Direction::Outgoing => figures.outgoing,
        }
    }

    pub fn channels(&self, peer: PeerId) -> Option<Arc<ChannelTable>> {
        self.entry(peer).map(|entry| Arc::clone(&entry.table))
    }
}
