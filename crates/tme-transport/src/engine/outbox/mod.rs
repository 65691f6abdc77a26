//! What the game's threads ask of the engine: a bounded queue of commands, with enough known about every peer to
//! answer a send at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use tme_core::channel::ChannelId;
use tme_core::connection::{Applicant, PeerId};
use tme_core::endpoint::Shard;

mod batch;
mod figures;
mod peer;
mod peer_clock;
mod report;
mod requests;
mod send;

pub(super) use batch::{Batch, Body, Command, NOBODY, expired_unsent};
pub use peer::PeerInfo;
use peer::{ChannelDepth, PeerEntry};
pub use requests::Direction;
pub(super) use requests::{Change, Ending, Judged, RateCap, Verdict};
pub(super) use send::Asked;
pub use send::{Broadcast, OUTBOX_BYTES_MAX};

use super::arena::Arenas;
use super::shared::Consumed;

/// The queue itself; lives in a mutex that is held for one copy, or for one pass over the peers (a broadcast, and what
/// the engine publishes once a turn).
#[derive(Debug, Default)]
pub(in crate::engine) struct Outbox {
    /// Which of several network threads this one is for.
    shard: Shard,
    /// By slot in the shard.
    peers: Vec<Option<PeerEntry>>,
    by_number: BTreeMap<u32, PeerId>,
    /// Clients about whom the game has been asked and has not answered.
    applicants: BTreeMap<PeerId, Arc<Applicant>>,
    pub pending: Batch,
    arenas: Arenas,
    /// Peers refused only because the outbox was full: nothing about them need change when it is emptied.
    starved: Vec<PeerId>,
}

impl Outbox {
    /// An outbox that knows one peer, of which there is no connection.
    #[cfg(all(loom, test))]
    pub fn modelled(peer: PeerId) -> Self {
        let mut outbox = Self::default();
        outbox.peers.resize_with(peer.slot() + 1, || None);
        outbox.peers[peer.slot()] = Some(PeerEntry::modelled(peer));
        outbox
    }

    /// For one of several network threads.
    pub fn of(shard: Shard) -> Self {
        Self { shard, ..Self::default() }
    }

    /// Swaps the pending commands with an empty batch, whose buffers are used again.
    pub fn take(&mut self, batch: &mut Batch) {
        std::mem::swap(&mut self.pending, batch);
        for depth in self.peers.iter_mut().flatten().flat_map(|entry| &mut entry.channels) {
            depth.transit_bytes += std::mem::take(&mut depth.pending_bytes);
            depth.transit_messages += std::mem::take(&mut depth.pending_messages);
        }
    }

    /// Gives a batch's arenas back for the next one.
    pub fn give_arenas(&mut self, arenas: impl Iterator<Item = Arc<Vec<u8>>>) {
        self.arenas.give(arenas);
    }

    /// A peer that the full outbox refused and that can be told now.
    pub fn poll_starved(&mut self) -> Option<PeerId> {
        self.starved.pop()
    }

    /// Forgets every peer: the engine has ended.
    pub fn clear_peers(&mut self) {
        self.peers.clear();
        self.by_number.clear();
        self.applicants.clear();
    }

    /// Whether any of these messages came on a reliable channel.
    pub fn is_any_reliable(&self, consumed: &[Consumed]) -> bool {
        consumed.iter().filter(|consumed| consumed.messages > 0).any(|consumed| {
            let entry = self.entry(consumed.peer);
            let channel =
                entry.and_then(|entry| entry.table.entries().get(entry.table.position(consumed.channel)?));
            channel.is_some_and(|channel| channel.mode.is_reliable())
        })
    }

    /// Whether any of these receipts frees a queue that was found full.
    pub fn is_any_awaited(&self, consumed: &[Consumed]) -> bool {
        consumed.iter().filter(|consumed| consumed.receipts > 0).any(|consumed| {
            let entry = self.entry(consumed.peer);
            let depth = entry.and_then(|entry| entry.channels.get(entry.table.position(consumed.channel)?));
            depth.is_some_and(|depth| depth.is_refused)
        })
    }

    fn entry(&self, peer: PeerId) -> Option<&PeerEntry> {
        self.peers.get(self.shard.slot_of_peer(peer))?.as_ref().filter(|entry| entry.peer == peer)
    }

    fn entry_mut(&mut self, peer: PeerId) -> Option<&mut PeerEntry> {
        self.peers.get_mut(self.shard.slot_of_peer(peer))?.as_mut().filter(|entry| entry.peer == peer)
    }

    fn depth_mut(&mut self, peer: PeerId, channel: ChannelId) -> Option<&mut ChannelDepth> {
        let entry = self.entry_mut(peer)?;
        let position = entry.table.position(channel)?;
        entry.channels.get_mut(position)
    }
}
