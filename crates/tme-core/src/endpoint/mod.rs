//! Many connections behind one or several sockets: telling datagrams apart, admitting strangers, waking whom it is
//! time to wake.
//!
//! An endpoint owns its connections. Datagrams go in by [`Endpoint::handle_datagram`], come out by
//! [`Endpoint::poll_transmit`]; time by [`Endpoint::handle_timeout`]; news by [`Endpoint::poll_event`].

mod attempts;
mod config;
mod deadlines;
mod slots;
mod statistics;
mod strangers;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use attempts::Connecting;
pub use attempts::StartError;
pub use config::{EndpointConfig, ServerSetup};
use deadlines::Deadlines;
use slots::Slots;
pub use statistics::EndpointStatistics;
use strangers::{Reply, ResetBudget, ServerSide};

use crate::channel::ChannelId;
use crate::connection::{
    ChannelStatistics, CloseMode, Connection, ConnectionStatistics, Event, Farewell, Origin, PacketDrop,
    PeerId, SendError, SendOptions, TransmitLimits, Workspace,
};
use crate::crypto::keys::PublicKey;
use crate::datagram::{Ecn, Path, Transmit};
use crate::handshake::datagram::MAGIC;
use crate::handshake::reason::Reason;
use crate::handshake::server::{AttemptId, ServerConfigError, ServerHandshake};
use crate::payload::Payload;
use crate::random::Random;
use crate::time::Instant;
use crate::wire::header::{connection_id_of, is_data_packet};

/// Slots beyond the peers that are allowed: for connections that are closing.
const SPARE_SLOTS: usize = 32;
/// Connections a pure client endpoint can have.
const CLIENT_SLOTS: usize = 1_024;

/// Connections, and the strangers who would like to have one.
pub struct Endpoint {
    config: EndpointConfig,
    server: Option<ServerSide>,
    slots: Slots<Peer>,
    deadlines: Deadlines,
    /// Slots that may have something to send, each once.
    ready: VecDeque<u32>,
    /// Slots whose queues or figures may have changed, each once.
    changed: Vec<u32>,
    /// Whether strangers may become peers at the moment.
    is_admitting: bool,
    /// Slots of connection attempts, few at a time.
    connecting: Vec<usize>,
    replies: VecDeque<Reply>,
    spare_buffers: Vec<Vec<u8>>,
    workspace: Workspace,
    resets: ResetBudget,
    statistics: EndpointStatistics,
}

struct Peer {
    state: PeerState,
    is_ready: bool,
    /// Stands in `changed`.
    is_changed: bool,
    /// Counts against the server's limit.
    is_counted: bool,
    attempt: Option<AttemptId>,
}

// Boxed, so that a slot is small while it is vacant.
enum PeerState {
    Connecting(Box<Connecting>),
    Connected(Box<Connection>),
}

impl Endpoint {
    /// An endpoint without connections.
    pub fn new(config: EndpointConfig, random: &mut dyn Random) -> Result<Self, ServerConfigError> {
        let server = match &config.server {
            Some(setup) => Some(ServerSide {
                table: Arc::new(setup.handshake.channels.clone()),
                handshake: ServerHandshake::new(setup.handshake.clone(), random)?,
                peers_max: setup.peers_max.clamp(1, PeerId::SLOTS_MAX / 2),
                peers: 0,
                next_number: strangers::FIRST_PEER_NUMBER,
            }),
            None => None,
        };
        let slots_max = server.as_ref().map_or(CLIENT_SLOTS, |server| 2 * server.peers_max + SPARE_SLOTS);
        let generation_offset = random.next_u64() as u32;
        Ok(Self {
            slots: Slots::new(slots_max, config.shard, generation_offset),
            config,
            server,
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            changed: Vec::new(),
            is_admitting: true,
            connecting: Vec::new(),
            replies: VecDeque::new(),
            spare_buffers: Vec::new(),
            workspace: Workspace::default(),
            resets: ResetBudget { second_start: Instant::ZERO, left: strangers::RESETS_PER_SECOND },
            statistics: EndpointStatistics::default(),
        })
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
            PeerState::Connecting(_) => None,
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

    /// Figures of the endpoint as a whole.
    #[must_use]
    pub fn statistics(&self) -> EndpointStatistics {
        let mut statistics = self.statistics;
        if let Some(server) = &self.server {
            statistics.handshake = server.handshake.statistics();
            statistics.handshake.drops.merge(&self.statistics.handshake.drops);
            statistics.peers = server.peers;
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

    // ---- what the application wants ----

    /// Queues a message for a peer. It leaves with the next [`poll_transmit`](Self::poll_transmit).
    pub fn send(
        &mut self,
        now: Instant,
        peer: PeerId,
        channel: ChannelId,
        payload: Payload,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let index = self.slots.index_of_peer(peer).ok_or(SendError::NotConnected)?;
        let connection = self.connection_mut(index).ok_or(SendError::NotConnected)?;
        connection.send(now, channel, payload, options)?;
        self.make_ready(index);
        Ok(())
    }

    /// Tells that the application took messages of a peer away, so that the peer may send more. Every message event
    /// has to be reported this way, one by one or summed up.
    pub fn consume(&mut self, peer: PeerId, channel: ChannelId, bytes: u64, messages: u64) {
        let Some(index) = self.slots.index_of_peer(peer) else { return };
        if let Some(connection) = self.connection_mut(index)
            && connection.consume(channel, bytes, messages)
        {
            self.make_ready(index);
        }
    }

    /// Tells that the application took `Delivered` and `Expired` events of a peer away: until then their messages count as
    /// queued on their channel, so that events nobody takes are bounded.
    pub fn consume_receipts(&mut self, peer: PeerId, channel: ChannelId, count: u64) {
        let Some(index) = self.slots.index_of_peer(peer) else { return };
        if let Some(PeerState::Connected(connection)) = self.slots.get_mut(index).map(|peer| &mut peer.state)
        {
            connection.consume_receipts(channel, count, &mut self.workspace);
            self.make_ready(index);
        }
    }

    /// Ends a connection or gives up an attempt; `Disconnected` follows. `false`: nobody has this id.
    pub fn disconnect(&mut self, now: Instant, peer: PeerId, mode: CloseMode, farewell: Farewell) -> bool {
        let Some(index) = self.slots.index_of_peer(peer) else { return false };
        match self.slots.get_mut(index).map(|peer| &mut peer.state) {
            Some(PeerState::Connected(connection)) => {
                connection.close(now, mode, farewell);
                self.uncount(index);
            }
            Some(PeerState::Connecting(_)) => {
                let farewell = Farewell { reason: Reason::Aborted, ..farewell };
                self.end_attempt(index, peer, Origin::Local, farewell);
            }
            None => return false,
        }
        self.make_ready(index);
        true
    }

    /// Says goodbye, with the words they were given, to all peers that still wait for reliable messages to go through
    /// first: for an end that can wait no longer.
    pub fn cut_flushes_short(&mut self) {
        let indices: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
        for index in indices {
            if self.connection_mut(index).is_some_and(Connection::cut_flush_short) {
                self.make_ready(index);
            }
        }
    }

    /// Waits no longer for the other sides of connections that are closing: each that was announced ends with its
    /// `Disconnected`. What was to be said must have been sent.
    pub fn abandon_closing(&mut self) {
        let indices: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
        for index in indices {
            if let Some(PeerState::Connected(connection)) =
                self.slots.get_mut(index).map(|peer| &mut peer.state)
            {
                connection.abandon_closing(&mut self.workspace);
                self.make_ready(index);
            }
        }
    }

    /// Opens or closes the door for new peers: while closed they are refused as `Full`.
    pub fn set_admitting(&mut self, is_admitting: bool) {
        self.is_admitting = is_admitting;
    }

    // ---- what came from outside ----

    /// Takes one datagram. It is decrypted in place.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        path: Path,
        ecn: Ecn,
        datagram: &mut [u8],
        random: &mut dyn Random,
    ) {
        self.statistics.datagrams_received += 1;
        self.statistics.bytes_received += datagram.len() as u64;
        if is_data_packet(datagram) {
            self.handle_packet(now, path, ecn, datagram);
        } else if datagram.starts_with(&MAGIC) {
            self.handle_handshake(now, path, datagram, random);
        } else {
            self.statistics.drops.add(PacketDrop::NotTme);
        }
    }

    fn handle_packet(&mut self, now: Instant, path: Path, ecn: Ecn, datagram: &mut [u8]) {
        let Some(id) = connection_id_of(datagram) else {
            self.statistics.drops.add(PacketDrop::Malformed);
            return;
        };
        let index = self.slots.index_of_connection(id);
        let connection = index.and_then(|index| match &mut self.slots.get_mut(index)?.state {
            PeerState::Connected(connection) => Some(connection),
            PeerState::Connecting(_) => None,
        });
        let (Some(index), Some(connection)) = (index, connection) else {
            self.statistics.drops.add(PacketDrop::UnknownConnection);
            self.answer_unknown(now, path, id, datagram.len());
            return;
        };
        let was_unconfirmed = connection.is_unconfirmed();
        let result = connection.handle_datagram(now, path, ecn, datagram, &mut self.workspace);
        let is_confirmed = was_unconfirmed && !connection.is_unconfirmed();
        let is_closing = connection.is_closing();
        if let Err(drop) = result {
            self.statistics.drops.add(drop);
            // One forgery too many for a key makes the connection say goodbye.
            if is_closing {
                self.make_ready(index);
            }
            return;
        }
        if is_confirmed {
            self.confirm(index);
        }
        self.make_ready(index);
    }

    /// The client's first packet has opened: its ACCEPT need not be repeated any more.
    fn confirm(&mut self, index: usize) {
        let attempt = self.slots.get(index).and_then(|peer| peer.attempt);
        if let (Some(server), Some(attempt)) = (&mut self.server, attempt) {
            server.handshake.confirm(&attempt);
        }
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

    /// Puts the next datagrams for one peer into `buffer` (which is cleared). `None`: nothing more to send now. Peers
    /// take turns, each with at most as much as `limits` allows.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        limits: TransmitLimits,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        buffer.clear();
        let transmit = self.poll_reply(buffer).or_else(|| self.poll_peers(now, limits, buffer))?;
        let datagrams = transmit.segment_bytes.map_or(1, |segment| transmit.bytes.div_ceil(segment.max(1)));
        self.statistics.datagrams_sent += datagrams as u64;
        self.statistics.bytes_sent += transmit.bytes as u64;
        Some(transmit)
    }

    fn poll_peers(&mut self, now: Instant, limits: TransmitLimits, buffer: &mut Vec<u8>) -> Option<Transmit> {
        while let Some(index) = self.ready.pop_front() {
            let index = index as usize;
            let Some(peer) = self.slots.get_mut(index) else { continue };
            let transmit = match &mut peer.state {
                PeerState::Connected(connection) => {
                    connection.poll_transmit(now, limits, buffer, &mut self.workspace)
                }
                PeerState::Connecting(connecting) => connecting.poll_transmit(now, buffer),
            };
            if transmit.is_some() {
                self.ready.push_back(index as u32);
                return transmit;
            }
            peer.is_ready = false;
            self.settle(now, index);
        }
        None
    }

    /// After a peer had its say: files its deadline, or clears its place away.
    fn settle(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.slots.get(index) else { return };
        let (is_over, is_leaving, deadline) = match &peer.state {
            PeerState::Connected(connection) => {
                (connection.is_closed(), connection.is_closing(), connection.poll_timeout())
            }
            PeerState::Connecting(connecting) => (false, false, connecting.handshake.poll_timeout()),
        };
        if is_leaving {
            self.uncount(index);
        }
        if !is_over {
            self.deadlines.set(index, deadline);
            if let Some(peer) = self.slots.get_mut(index).filter(|peer| !peer.is_changed) {
                peer.is_changed = true;
                self.changed.push(index as u32);
            }
            return;
        }
        self.deadlines.set(index, None);
        let attempt = self.slots.remove(index).and_then(|peer| peer.attempt);
        if let (Some(server), Some(attempt)) = (&mut self.server, attempt) {
            server.handshake.forget(now, &attempt);
        }
    }

    /// A connection that is closing makes room for another player at once.
    fn uncount(&mut self, index: usize) {
        let Some(peer) = self.slots.get_mut(index) else { return };
        if std::mem::take(&mut peer.is_counted)
            && let Some(server) = &mut self.server
        {
            server.peers -= 1;
        }
    }

    fn connection_mut(&mut self, index: usize) -> Option<&mut Connection> {
        match &mut self.slots.get_mut(index)?.state {
            PeerState::Connected(connection) => Some(connection),
            PeerState::Connecting(_) => None,
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
