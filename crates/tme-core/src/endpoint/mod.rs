//! Many connections behind one or several sockets: telling datagrams apart, admitting strangers, waking whom it is
//! time to wake.
//!
//! An endpoint owns its connections. Datagrams go in by [`Endpoint::handle_datagram`], come out by
//! [`Endpoint::poll_transmit`]; time by [`Endpoint::handle_timeout`]; news by [`Endpoint::poll_event`].

mod admission;
mod attempts;
mod config;
mod deadlines;
mod identities;
mod information;
mod slots;
mod statistics;
mod strangers;
#[cfg(test)]
mod tests;
mod unconfirmed;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use admission::{Applying, Awaited};
use attempts::Connecting;
pub use attempts::StartError;
pub use config::{AdmissionPolicy, Decision, EndpointConfig, Newcomers, ServerSetup};
use deadlines::Deadlines;
use identities::{Identities, Identity};
use information::InformationDesk;
use slots::Slots;
pub use statistics::EndpointStatistics;
use strangers::{Reply, ResetBudget, ServerSide};
use unconfirmed::Unconfirmed;

use crate::channel::ChannelId;
use crate::clock::ServerTime;
use crate::connection::{
    ChannelStatistics, CloseMode, Connection, ConnectionConfig, ConnectionStatistics, Event, Farewell,
    Origin, PacketDrop, PeerId, SendError, SendOptions, TransmitLimits, Workspace,
};
use crate::crypto::keys::PublicKey;
use crate::crypto::suite::SuiteSet;
use crate::datagram::{Ecn, Path, Transmit};
use crate::handshake::datagram::{MAGIC, ServerDemands};
use crate::handshake::parameters::{Detail, Refusal};
use crate::handshake::reason::Reason;
use crate::handshake::server::{
    AttemptId, IdentityPolicy, ServerConfigError, ServerHandshake, TokenRequirement,
};
use crate::payload::Payload;
use crate::random::Random;
use crate::time::{Instant, UnixTime};
use crate::wire::header::{connection_id_of, is_data_packet};

/// Slots beyond the peers that are allowed: for connections that are closing.
const SPARE_SLOTS: usize = 32;
/// Connections a pure client endpoint can have.
const CLIENT_SLOTS: usize = 1_024;

/// Connections, and the strangers who would like to have one.
pub struct Endpoint {
    connection_config: Arc<ConnectionConfig>,
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
    /// Until the first packet (server only).
    awaited: Option<Box<Awaited>>,
    /// By which newcomers are known to be this peer (server only).
    identity: Option<Box<Identity>>,
}

impl Peer {
    const fn new(state: PeerState) -> Self {
        Self {
            state,
            is_ready: false,
            is_changed: false,
            is_counted: false,
            attempt: None,
            awaited: None,
            identity: None,
        }
    }
}

// Boxed, so that a slot is small while it is vacant.
enum PeerState {
    Connecting(Box<Connecting>),
    Connected(Box<Connection>),
    Applying(Box<Applying>),
}

impl Endpoint {
    /// An endpoint without connections.
    pub fn new(config: EndpointConfig, random: &mut dyn Random) -> Result<Self, ServerConfigError> {
        let server = match &config.server {
            Some(setup) => {
                let mut handshake = setup.handshake.clone();
                // The handshake must not forget a request before the game's time is up.
                let decision_time = setup.admission.decision_time + Duration::from_secs(1);
                handshake.busy.decision_time_max = handshake.busy.decision_time_max.max(decision_time);
                let demands = ServerDemands {
                    identity: handshake.identity == IdentityPolicy::Required,
                    token: handshake.tokens.requirement == TokenRequirement::Required,
                    plaintext: handshake.suites.choose(SuiteSet::ENCRYPTED).is_none(),
                };
                let desk = InformationDesk {
                    rate: information::rate_of(setup.queries_per_second),
                    information: setup.information.clone(),
                    versions: handshake.versions,
                    application_id: handshake.application_id,
                    demands,
                };
                Some(ServerSide {
                    desk,
                    table: Arc::new(handshake.channels.clone()),
                    handshake: ServerHandshake::new(handshake, random)?,
                    peers_max: setup.peers_max.clamp(1, PeerId::SLOTS_MAX / 2),
                    admission: setup.admission,
                    peers: 0,
                    unconfirmed: Unconfirmed::default(),
                    applicants: BTreeMap::new(),
                    identities: Identities::default(),
                    next_number: strangers::FIRST_PEER_NUMBER,
                    spare_numbers: Vec::new(),
                })
            }
            None => None,
        };
        let slots_max = server.as_ref().map_or(CLIENT_SLOTS, |server| {
            2 * server.peers_max + SPARE_SLOTS + server.admission.applicant_slots()
        });
        let generation_offset = random.next_u64() as u32;
        Ok(Self {
            slots: Slots::new(slots_max, config.shard, generation_offset),
            connection_config: Arc::new(config.connection),
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
            statistics.unconfirmed = server.unconfirmed.count();
            statistics.applicants = server.applicants.values().sum();
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
            Some(PeerState::Applying(_)) => {
                let detail = Detail::new(&farewell.detail[..]).unwrap_or_default();
                return self.refuse(now, peer, Refusal { reason: Reason::Denied, detail });
            }
            None => return false,
        }
        self.make_ready(index);
        true
    }

    /// Begins to ask for a peer's time, or asks often again for 3 s. `false`: nobody is connected under this id.
    pub fn synchronise_clock(&mut self, now: Instant, peer: PeerId) -> bool {
        self.change(peer, |connection| connection.synchronise_clock(now))
    }

    /// Gives peers that wait for reliable messages to go through before the goodbye until `until`, where the configured linger
    /// time is shorter: for an end that has more patience.
    pub fn extend_flushes(&mut self, until: Instant) {
        let indices: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
        for index in indices {
            if self.connection_mut(index).is_some_and(|connection| connection.extend_flush(until)) {
                self.make_ready(index);
            }
        }
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

    /// Sets how many bytes may leave for a peer in a second; see
    /// [`ConnectionConfig::rate_max`](crate::connection::ConnectionConfig::rate_max). `false`: nobody has this id.
    pub fn set_rate_max(&mut self, peer: PeerId, rate: Option<u64>) -> bool {
        self.change(peer, |connection| connection.set_rate_max(rate))
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

    /// Tells that datagrams leave from another socket from now on. Servers find out who sends, so that connections that
    /// are open live on; not in plaintext.
    pub fn handle_rebind(&mut self, now: Instant) {
        let indices: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
        for index in indices {
            if let Some(connection) = self.connection_mut(index) {
                connection.handle_rebind(now);
                self.make_ready(index);
            }
        }
    }

    /// Opens or closes the door for new peers: while closed they are refused as `Full`.
    pub fn set_admitting(&mut self, is_admitting: bool) {
        self.is_admitting = is_admitting;
    }

    // ---- what came from outside ----

    /// Learns what the wall clock says. A server that takes connect tokens wants to know it before each batch of datagrams,
    /// and refuses all tokens until it is told; the first time also tells when the server started.
    pub fn handle_unix_time(&mut self, now: UnixTime) {
        if let Some(server) = &mut self.server {
            server.handshake.handle_unix_time(now);
        }
    }

    /// Takes one datagram. It is decrypted in place.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        path: Path,
        ecn: Ecn,
        datagram: &mut [u8],
        random: &mut dyn Random,
    ) {
        self.handle_late_datagram(now, now, path, ecn, datagram, random);
    }

    /// Takes one datagram that reached this machine at `arrived_at`, some time before it was read. Only estimates of
    /// clocks look at that.
    pub fn handle_late_datagram(
        &mut self,
        now: Instant,
        arrived_at: Instant,
        path: Path,
        ecn: Ecn,
        datagram: &mut [u8],
        random: &mut dyn Random,
    ) {
        self.statistics.datagrams_received += 1;
        self.statistics.bytes_received += datagram.len() as u64;
        if is_data_packet(datagram) {
            self.handle_packet(now, arrived_at, path, ecn, datagram, random);
        } else if datagram.starts_with(&MAGIC) {
            self.handle_handshake(now, path, datagram, random);
        } else {
            self.statistics.drops.add(PacketDrop::NotTme);
        }
    }

    fn handle_packet(
        &mut self,
        now: Instant,
        arrived_at: Instant,
        path: Path,
        ecn: Ecn,
        datagram: &mut [u8],
        random: &mut dyn Random,
    ) {
        let Some(id) = connection_id_of(datagram) else {
            self.statistics.drops.add(PacketDrop::Malformed);
            return;
        };
        let index = self.slots.index_of_connection(id);
        let connection = index.and_then(|index| match &mut self.slots.get_mut(index)?.state {
            PeerState::Connected(connection) => Some(connection),
            PeerState::Connecting(_) | PeerState::Applying(_) => None,
        });
        let (Some(index), Some(connection)) = (index, connection) else {
            self.statistics.drops.add(PacketDrop::UnknownConnection);
            self.answer_unknown(now, path, id, datagram.len());
            return;
        };
        let was_unconfirmed = connection.is_unconfirmed();
        let former = connection.path().remote;
        let first_event = self.workspace.events.len();
        connection.note_arrival(arrived_at);
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
        if connection.needs_challenge() {
            connection.challenge_path(random.next_u64().to_le_bytes());
        }
        let remote = connection.path().remote;
        if remote.ip() != former.ip()
            && let Some(server) = &self.server
        {
            connection.renew_reset_token(server.handshake.reset_token(id, remote.ip()));
        }
        if is_confirmed {
            self.confirm(now, index, first_event);
        }
        self.make_ready(index);
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
                PeerState::Applying(_) => None,
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
            PeerState::Applying(applying) => (false, false, Some(applying.deadline)),
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
        self.clear_away(now, index);
    }

    /// Frees the slot of a connection that is over.
    fn clear_away(&mut self, now: Instant, index: usize) {
        let place = self.slots.place_of(index);
        let (Some(place), Some(peer)) = (place, self.slots.remove(index)) else { return };
        if let (Some(server), Some(attempt)) = (&mut self.server, peer.attempt) {
            server.handshake.forget(now, &attempt);
        }
        if let Some(awaited) = peer.awaited {
            self.forget_awaited(place.peer, &awaited);
        }
    }

    /// A connection that is closing makes room for another player at once.
    fn uncount(&mut self, index: usize) {
        let (Some(peer), Some(server)) = (self.slots.get_mut(index), &mut self.server) else { return };
        if !std::mem::take(&mut peer.is_counted) {
            return;
        }
        server.peers -= 1;
        if let Some(identity) = peer.identity.take() {
            server.identities.remove(&identity, index);
        }
        if let Some(awaited) = &peer.awaited {
            server.unconfirmed.remove(awaited.since, index, awaited.network);
        }
    }

    fn connection_mut(&mut self, index: usize) -> Option<&mut Connection> {
        match &mut self.slots.get_mut(index)?.state {
            PeerState::Connected(connection) => Some(connection),
            PeerState::Connecting(_) | PeerState::Applying(_) => None,
        }
    }

    /// Changes a connection, which may have something to send then. `false`: nobody is connected under this id.
    fn change(&mut self, peer: PeerId, change: impl FnOnce(&mut Connection)) -> bool {
        let Some(index) = self.slots.index_of_peer(peer) else { return false };
        let Some(connection) = self.connection_mut(index) else { return false };
        change(connection);
        self.make_ready(index);
        true
    }

    fn make_ready(&mut self, index: usize) {
        if let Some(peer) = self.slots.get_mut(index)
            && !std::mem::replace(&mut peer.is_ready, true)
        {
            self.ready.push_back(index as u32);
        }
    }
}
