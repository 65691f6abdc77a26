//! Many connections behind one or several sockets: telling datagrams apart, admitting strangers, waking whom it is
//! time to wake.
//!
//! An endpoint owns its connections. Datagrams go in by [`Endpoint::handle_datagram`], come out by
//! [`Endpoint::poll_transmit`]; time by [`Endpoint::handle_timeout`]; news by [`Endpoint::poll_event`].

mod admission;
mod attempts;
mod commands;
mod common;
mod config;
mod deadlines;
mod identities;
mod incoming;
mod information;
mod outgoing;
mod parting;
mod peer;
mod server_side;
mod shard;
mod siblings;
mod slots;
mod statistics;
mod strangers;
mod streams;
#[cfg(test)]
mod tests;
mod unconfirmed;

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

pub use attempts::StartError;
pub use config::{AdmissionPolicy, Decision, EndpointConfig, Newcomers, ServerSetup};
use deadlines::Deadlines;
use parting::Parting;
pub use parting::PartingStatistics;
use peer::{Peer, PeerState};
use server_side::ServerSide;
pub use shard::Shard;
use slots::Slots;
pub use statistics::EndpointStatistics;
use strangers::{Reply, ResetBudget};
use streams::Carried;

use crate::channel::ChannelId;
use crate::clock::ServerTime;
use crate::connection::{
    ChannelStatistics, Connection, ConnectionConfig, ConnectionStatistics, Event, PeerId, Workspace,
};
use crate::crypto::keys::PublicKey;
use crate::handshake::server::ServerConfigError;
use crate::random::Random;
use crate::time::Instant;
use crate::wire::header::{connection_id_of, is_data_packet};

/// Connections a pure client endpoint can have.
const CLIENT_SLOTS: usize = 1_024;

/// Connections, and the strangers who would like to have one.
pub struct Endpoint {
    connection_config: Arc<ConnectionConfig>,
    server: Option<ServerSide>,
    shard: Shard,
    /// Shards that orders were left for.
    called: Vec<usize>,
    slots: Slots<Peer>,
    deadlines: Deadlines,
    /// Slots that may have something to send, each once.
    ready: VecDeque<u32>,
    /// Slots that may have datagrams to send, for which there was no room, each once.
    withheld: Vec<u32>,
    /// Slots whose queues or figures may have changed, each once.
    changed: Vec<u32>,
    /// Whether strangers may become peers at the moment.
    is_admitting: bool,
    /// The end of everything has begun.
    parting: Option<Parting>,
    /// Slots of connection attempts, few at a time.
    connecting: Vec<usize>,
    carried: Carried,
    /// Answers to strangers: in datagrams, and in streams.
    replies: [VecDeque<Reply>; 2],
    spare_buffers: Vec<Vec<u8>>,
    workspace: Workspace,
    resets: ResetBudget,
    statistics: EndpointStatistics,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("peers", &self.slots.count()).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint without connections.
    pub fn new(config: EndpointConfig, random: &mut dyn Random) -> Result<Self, ServerConfigError> {
        let server = config.server.as_ref().map(|setup| ServerSide::new(setup, 1, random)).transpose()?;
        Ok(Self::with(Arc::new(config.connection), server, Shard::ALONE, random))
    }

    fn with(
        connection_config: Arc<ConnectionConfig>,
        server: Option<ServerSide>,
        shard: Shard,
        random: &mut dyn Random,
    ) -> Self {
        let slots_max = server.as_ref().map_or(CLIENT_SLOTS, |server| server.slots_max(shard));
        let generation_offset = random.next_u64() as u32;
        Self {
            slots: Slots::new(slots_max, shard, generation_offset),
            connection_config,
            server,
            shard,
            called: Vec::new(),
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            withheld: Vec::new(),
            changed: Vec::new(),
            is_admitting: true,
            parting: None,
            connecting: Vec::new(),
            carried: Carried::default(),
            replies: Default::default(),
            spare_buffers: Vec::new(),
            workspace: Workspace::default(),
            resets: ResetBudget::new(shard),
            statistics: EndpointStatistics::default(),
        }
    }

    // ---- getters ----

    /// The server's public key, if this endpoint accepts connections.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        self.server.as_ref().map(|server| server.handshake.public_key())
    }

    /// Peers that are connected.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.slots.iter().filter_map(|(_, peer)| match &peer.state {
            PeerState::Connected(connection) if connection.is_open() => Some(connection.peer()),
            _ => None,
        })
    }

    /// Connections in any state, attempts included.
    #[must_use]
    pub const fn connection_count(&self) -> usize {
        self.slots.count()
    }

    /// The connection to a peer.
    #[must_use]
    pub fn connection(&self, peer: PeerId) -> Option<&Connection> {
        match &self.slots.get(self.slots.index_of_peer(peer)?)?.state {
            PeerState::Connected(connection) => Some(connection),
            PeerState::Connecting(_) | PeerState::Applying(_) => None,
        }
    }

    /// The address of the connection that a data packet says it belongs to. Nothing is proven by that.
    #[must_use]
    pub fn remote_of_packet(&self, datagram: &[u8]) -> Option<SocketAddr> {
        let id = connection_id_of(datagram).filter(|_| is_data_packet(datagram))?;
        match &self.slots.get(self.slots.index_of_connection(id)?)?.state {
            PeerState::Connected(connection) => Some(connection.path().remote),
            PeerState::Connecting(_) | PeerState::Applying(_) => None,
        }
    }

    /// Figures of one peer.
    #[must_use]
    pub fn peer_statistics(&self, now: Instant, peer: PeerId) -> Option<ConnectionStatistics> {
        self.connection(peer).map(|connection| connection.statistics(now))
    }

    /// Figures of one channel towards a peer.
    #[must_use]
    pub fn channel_statistics(&self, peer: PeerId, channel: ChannelId) -> Option<ChannelStatistics> {
        self.connection(peer)?.channel_statistics(channel)
    }

    /// A peer's time at `now`, if its clock was asked for. `None` before the first answer.
    #[must_use]
    pub fn server_time(&self, now: Instant, peer: PeerId) -> Option<ServerTime> {
        self.connection(peer)?.server_time(now)
    }

    /// Figures of the endpoint as a whole.
    #[must_use]
    pub fn statistics(&self) -> EndpointStatistics {
        let mut statistics = self.statistics;
        if let Some(server) = &self.server {
            statistics.handshake = server.handshake.statistics();
            statistics.handshake.drops.merge(&self.statistics.handshake.drops);
            statistics.peers = server.peers;
            statistics.unconfirmed = server.unconfirmed;
            statistics.applicants = server.applicants;
        } else {
            statistics.peers = self.slots.count() - self.connecting.len();
        }
        for peer in self.connecting.iter().filter_map(|&index| self.slots.get(index)) {
            if let PeerState::Connecting(connecting) = &peer.state {
                statistics.handshake.drops.merge(connecting.handshake.drops());
            }
        }
        statistics
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let handshake = self.server.as_ref().and_then(|server| server.handshake.poll_timeout());
        [self.deadlines.next(), handshake].into_iter().flatten().min()
    }

    /// Whether [`handle_unix_time`](Self::handle_unix_time) is of any use here: this is a server that takes connect tokens.
    #[must_use]
    pub fn wants_unix_time(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.handshake.wants_unix_time())
    }

    // ---- time ----

    /// Does what has become due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(server) = &mut self.server {
            server.handshake.handle_timeout(now);
        }
        self.workspace.handle_timeout(now);
        while let Some(index) = self.deadlines.pop_expired(now) {
            match self.slots.get_mut(index).map(|peer| &mut peer.state) {
                Some(PeerState::Connected(connection)) => connection.handle_timeout(now, &mut self.workspace),
                Some(PeerState::Connecting(connecting)) => {
                    connecting.handshake.handle_timeout(now);
                    self.advance_attempt(now, index);
                }
                Some(PeerState::Applying(_)) => {
                    self.handle_undecided(now, index);
                    continue;
                }
                None => continue,
            }
            self.make_ready(index);
        }
    }

    // ---- what must go out ----

    /// Takes the oldest event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.workspace.poll_event()
    }

    /// Takes a connected peer whose queues or figures may have changed since it was last taken.
    pub fn poll_changed(&mut self) -> Option<PeerId> {
        loop {
            let index = self.changed.pop()? as usize;
            let Some(peer) = self.slots.get_mut(index) else { continue };
            peer.is_changed = false;
            if let PeerState::Connected(connection) = &peer.state {
                return Some(connection.peer());
            }
        }
    }

    /// Events that wait to be taken.
    #[must_use]
    pub fn events_waiting(&self) -> usize {
        self.workspace.events.len()
    }

    fn connection_mut(&mut self, index: usize) -> Option<&mut Connection> {
        match &mut self.slots.get_mut(index)?.state {
            PeerState::Connected(connection) => Some(connection),
            PeerState::Connecting(_) | PeerState::Applying(_) => None,
        }
    }

    fn make_ready(&mut self, index: usize) {
        if let Some(peer) = self.slots.get_mut(index)
            && !std::mem::replace(&mut peer.is_ready, true)
        {
            self.ready.push_back(index as u32);
        }
    }
}
