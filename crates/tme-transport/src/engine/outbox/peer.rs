//! What the game's threads know about a peer: enough to answer a send at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::connection::{
    Allowance, Backlog, ChannelStatistics, Connected, Connection, ConnectionStatistics, PeerId, TokenInfo,
};
use tme_core::crypto::keys::PublicKey;
use tme_core::datagram::LinkKind;
use tme_core::time::Instant;

use super::batch::Batch;
use super::peer_clock::PeerClock;
use crate::engine::conditions::ConditionFigures;

/// A peer as [`Handle::peers`](crate::engine::Handle::peers) lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its id.
    pub peer: PeerId,
    /// Its address.
    pub remote: SocketAddr,
    /// What carries the connection at the moment.
    pub link: LinkKind,
    /// The number of the client in this connection, at least 2.
    pub number: u32,
    /// Its static key: at a client the server's, at a server the client's identity, `None` if it has none. In plaintext
    /// nobody proves a key: there a client is told one and has to believe it.
    pub key: Option<PublicKey>,
}

/// What the game's threads know about a peer.
#[derive(Debug)]
pub(super) struct PeerEntry {
    pub peer: PeerId,
    pub remote: SocketAddr,
    pub link: LinkKind,
    pub number: u32,
    pub key: Option<PublicKey>,
    pub token: Option<Arc<TokenInfo>>,
    pub table: Arc<ChannelTable>,
    pub channels: Vec<ChannelDepth>,
    pub statistics: ConnectionStatistics,
    pub statistics_at: Option<Instant>,
    pub allowance: Allowance,
    /// Boxed, for hardly any peer has some.
    pub conditions: Option<Box<ConditionFigures>>,
    /// Boxed, for a server's peers have none.
    pub clock: Option<Box<PeerClock>>,
    /// Somebody has asked for the end of the connection: nothing more is taken for it.
    pub is_leaving: bool,
    /// The connection has changed since its figures were taken; somebody has been told to come back.
    pub is_stale: bool,
}

/// How full a channel's send queue is, as far as the game's threads are concerned.
#[derive(Clone, Debug, Default)]
pub(super) struct ChannelDepth {
    /// In the connection, as last reported.
    pub bytes: usize,
    pub messages: usize,
    /// In the outbox.
    pub pending_bytes: usize,
    pub pending_messages: usize,
    /// Taken from the outbox, not yet in the connection.
    pub transit_bytes: usize,
    pub transit_messages: usize,
    pub message_bytes_max: usize,
    /// A send was refused since the last `Writable`.
    pub is_refused: bool,
    /// Keys that have values under way, and such that have had (reliable-latest).
    pub keys: BTreeSet<u32>,
    /// From so many on it is worth while to look for those that have had.
    pub prune_keys_at: usize,
    /// A send was refused for its key since the last `Writable`.
    pub is_out_of_keys: bool,
    pub statistics: Option<ChannelStatistics>,
    /// In the connection and not sent, as last reported.
    pub backlog: Option<Backlog>,
}

impl PeerEntry {
    pub fn new(now: Instant, connection: &Connection, info: &Connected) -> Self {
        let table = Arc::clone(connection.table());
        let channels = (0..table.count()).map(|position| ChannelDepth {
            message_bytes_max: connection.message_bytes_max(position),
            backlog: connection.backlog(position),
            ..ChannelDepth::default()
        });
        Self {
            peer: connection.peer(),
            remote: info.remote,
            link: connection.path().link(),
            number: info.number,
            key: info.key,
            token: info.token.as_deref().cloned().map(Arc::new),
            channels: channels.collect(),
            table,
            statistics: ConnectionStatistics::default(),
            statistics_at: None,
            allowance: connection.allowance(now),
            conditions: None,
            clock: connection.clock_model().map(|&model| Box::new(PeerClock::new(model))),
            is_leaving: false,
            is_stale: false,
        }
    }

    /// A peer without a connection, with the default channels.
    #[cfg(all(loom, test))]
    pub fn modelled(peer: PeerId) -> Self {
        let table = Arc::new(ChannelTable::default());
        let depth = ChannelDepth { message_bytes_max: 1_000, ..ChannelDepth::default() };
        Self {
            peer,
            remote: ([127, 0, 0, 1], 1).into(),
            link: LinkKind::Udp,
            number: 2,
            key: None,
            token: None,
            channels: vec![depth; table.count()],
            table,
            statistics: ConnectionStatistics::default(),
            statistics_at: None,
            allowance: Allowance::default(),
            conditions: None,
            clock: None,
            is_leaving: false,
            is_stale: false,
        }
    }

    /// What [`Handle::peers`](crate::engine::Handle::peers) tells of it.
    pub const fn info(&self) -> PeerInfo {
        PeerInfo { peer: self.peer, remote: self.remote, link: self.link, number: self.number, key: self.key }
    }

    /// What was taken for the connection counts there from here on.
    pub fn handle_arrived(&mut self, connection: &Connection) {
        for (position, depth) in self.channels.iter_mut().enumerate() {
            depth.take_over(connection, position);
            (depth.transit_bytes, depth.transit_messages) = (0, 0);
        }
    }

    /// Takes over how full the queues are now. Calls `writable` for every channel that had refused a message and is at
    /// most half full. `pending`: what the engine has not taken yet.
    pub fn update_queues(
        &mut self,
        connection: &Connection,
        pending: &Batch,
        mut writable: impl FnMut(ChannelId),
    ) {
        for (position, (depth, channel)) in self.channels.iter_mut().zip(self.table.entries()).enumerate() {
            depth.take_over(connection, position);
            let settings = &channel.settings;
            let keys_max = settings.keys_max as usize;
            let has_many_keys = depth.keys.len() >= depth.prune_keys_at.min(keys_max);
            if channel.mode.is_keyed() && (has_many_keys || depth.is_out_of_keys) {
                let pending: BTreeSet<u32> = match depth.pending_messages {
                    0 => BTreeSet::new(),
                    _ => pending.pending_keys(self.peer, channel.id).collect(),
                };
                depth.keys.retain(|&key| connection.is_key_in_use(position, key) || pending.contains(&key));
                depth.prune_keys_at = (depth.keys.len() + keys_max / 8 + 1).max(keys_max / 2);
            }
            let (bytes, messages) = depth.queued();
            let is_writable = bytes <= settings.queue_bytes_max / 2
                && messages <= settings.queue_messages_max / 2
                && (!depth.is_out_of_keys || depth.keys.len() <= keys_max / 2);
            if depth.is_refused && is_writable {
                depth.is_refused = false;
                depth.is_out_of_keys = false;
                writable(channel.id);
            }
        }
    }

    /// Takes over what the connection knows of the other side's clock.
    pub fn update_clock(&mut self, connection: &Connection) {
        let Some(&model) = connection.clock_model() else { return };
        match &mut self.clock {
            Some(clock) => clock.follow(model),
            None => self.clock = Some(Box::new(PeerClock::new(model))),
        }
    }

    /// Takes figures anew that are at least `age_max` old. Gives whether they are too young, for the first time since they
    /// were taken.
    pub fn update_statistics(&mut self, now: Instant, connection: &Connection, age_max: Duration) -> bool {
        if self.statistics_at.is_some_and(|at| now.saturating_since(at) < age_max) {
            return !std::mem::replace(&mut self.is_stale, true);
        }
        self.statistics = connection.statistics(now);
        self.statistics_at = Some(now);
        for (depth, channel) in self.channels.iter_mut().zip(self.table.entries()) {
            depth.statistics = connection.channel_statistics(channel.id);
        }
        self.is_stale = false;
        false
    }
}

impl ChannelDepth {
    /// Bytes and messages, wherever they are.
    pub const fn queued(&self) -> (usize, usize) {
        let bytes = self.bytes + self.pending_bytes + self.transit_bytes;
        (bytes, self.messages + self.pending_messages + self.transit_messages)
    }

    /// Takes over what the connection holds.
    fn take_over(&mut self, connection: &Connection, position: usize) {
        self.backlog = connection.backlog(position);
        (self.bytes, self.messages) = connection.queued(position);
    }
}
