//! Many connections behind one or several sockets: telling datagrams apart, admitting strangers, waking whom it is
//! time to wake.
//!
//! An endpoint owns its connections. Datagrams go in by [`Endpoint::handle_datagram`], come out by
//! [`Endpoint::poll_transmit`]; time by [`Endpoint::handle_timeout`]; news by [`Endpoint::poll_event`].

mod config;
mod deadlines;
mod slots;
mod statistics;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use config::{EndpointConfig, ServerSetup};
use deadlines::Deadlines;
use slots::Slots;
pub use statistics::EndpointStatistics;

use crate::channel::{ChannelId, ChannelTable};
use crate::connection::{
    ChannelStatistics, CloseMode, Connected, Connection, ConnectionStatistics, Event, Farewell, Negotiated,
    Origin, PacketDrop, PeerId, SendError, SendOptions, Side, TransmitLimits, Workspace,
};
use crate::crypto::keys::PublicKey;
use crate::crypto::reset::ResetToken;
use crate::datagram::{Ecn, Path, Transmit};
use crate::handshake::client::{
    ClientConfigError, ClientEvent, ClientHandshake, ClientHandshakeConfig, ConnectError, Established,
};
use crate::handshake::datagram::{HandshakeDatagram, Reset};
use crate::handshake::parameters::{ConnectionId, Detail, PeerNumber, Refusal, UserData};
use crate::handshake::reason::Reason;
use crate::handshake::server::{
    AcceptInfo, AnswerDatagrams, AttemptId, ConnectRequest, Outcome, ServerConfigError, ServerHandshake,
};
use crate::payload::Payload;
use crate::random::Random;
use crate::time::Instant;
use crate::wire::header::{connection_id_of, is_data_packet};

/// Handshake datagrams waiting to leave; more are dropped and counted, their clients ask again.
const REPLIES_MAX: usize = 1_024;
/// RESET answers per second.
const RESETS_PER_SECOND: u32 = 100;
/// Slots beyond the peers that are allowed: for connections that are closing.
const SPARE_SLOTS: usize = 32;
/// Connections a pure client endpoint can have.
const CLIENT_SLOTS: usize = 1_024;
/// First number given to a client; 1 is the server.
const FIRST_PEER_NUMBER: u32 = 2;

const MAGIC: [u8; 4] = *b"TMED";

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

struct ServerSide {
    handshake: ServerHandshake,
    table: Arc<ChannelTable>,
    peers_max: usize,
    /// Peers that count against the limit: accepted and not closing.
    peers: usize,
    next_number: u32,
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

// The variants are of similar importance; boxing the large one is what keeps vacant and connecting slots small.
enum PeerState {
    Connecting(Box<Connecting>),
    Connected(Box<Connection>),
}

struct Connecting {
    handshake: ClientHandshake,
    path: Path,
    /// The application has given up.
    is_aborted: bool,
}

struct Reply {
    path: Path,
    bytes: Vec<u8>,
}

/// At most so many RESETs per second leave.
#[derive(Debug)]
struct ResetBudget {
    second_start: Instant,
    left: u32,
}

impl ResetBudget {
    fn take(&mut self, now: Instant) -> bool {
        if now.saturating_since(self.second_start) >= Duration::from_secs(1) {
            (self.second_start, self.left) = (now, RESETS_PER_SECOND);
        }
        let has_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has_left
    }
}

/// Why a connection attempt could not even begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The configuration cannot work.
    Config(ClientConfigError),
    /// Every slot is taken.
    TooManyConnections {
        /// How many there can be.
        limit: usize,
    },
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::TooManyConnections { limit } => {
                write!(f, "all {limit} connections of this endpoint are in use")
            }
        }
    }
}

impl std::error::Error for StartError {}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("peers", &self.slots.count()).finish_non_exhaustive()
    }
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
                next_number: FIRST_PEER_NUMBER,
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
            resets: ResetBudget { second_start: Instant::ZERO, left: RESETS_PER_SECOND },
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
            statistics.peers = server.peers;
        } else {
            statistics.peers = self.slots.count() - self.connecting.len();
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

    /// Begins to connect. The outcome is an event: `Connected`, or `Disconnected` with the reason. The
    /// `connection_id` of the configuration is chosen here.
    pub fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        mut config: ClientHandshakeConfig,
        random: &mut dyn Random,
    ) -> Result<PeerId, StartError> {
        let limit = CLIENT_SLOTS.max(self.server.as_ref().map_or(0, |server| server.peers_max));
        let place = self.slots.vacancy().ok_or(StartError::TooManyConnections { limit })?;
        config.connection_id = ConnectionId::new(place.connection_id).unwrap_or(config.connection_id);
        let handshake = ClientHandshake::new(config, now, random).map_err(StartError::Config)?;
        let path = Path { remote, local: None };
        let connecting = Connecting { handshake, path, is_aborted: false };
        self.slots.insert(Peer {
            state: PeerState::Connecting(Box::new(connecting)),
            is_ready: false,
            is_changed: false,
            is_counted: false,
            attempt: None,
        });
        self.connecting.push(place.index);
        self.make_ready(place.index);
        Ok(place.peer)
    }

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

    /// Ends a connection or gives up an attempt; `Disconnected` follows. `false`: nobody has this id.
    pub fn disconnect(&mut self, now: Instant, peer: PeerId, mode: CloseMode, farewell: Farewell) -> bool {
        let Some(index) = self.slots.index_of_peer(peer) else { return false };
        match self.slots.get_mut(index).map(|peer| &mut peer.state) {
            Some(PeerState::Connected(connection)) => {
                connection.close(now, mode, farewell);
                self.uncount(index);
            }
            Some(PeerState::Connecting(connecting)) => {
                connecting.is_aborted = true;
                let farewell = Farewell { reason: Reason::Aborted, ..farewell };
                self.workspace.events.push_back(Event::disconnected(peer, Origin::Local, farewell));
            }
            None => return false,
        }
        self.make_ready(index);
        true
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
        if let Err(drop) = result {
            self.statistics.drops.add(drop);
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

    /// Tells the sender of a packet for an unknown connection that its connection is gone.
    fn answer_unknown(&mut self, now: Instant, path: Path, id: u32, bytes: usize) {
        let Some(server) = &self.server else { return };
        let token = server.handshake.reset_token(id, path.remote.ip());
        let mut reply = self.spare_buffers.pop().unwrap_or_default();
        reply.clear();
        HandshakeDatagram::Reset(Reset { token }).encode(&mut reply);
        // Never more than was received, so that nobody can be flooded through us.
        if reply.len() > bytes || !self.resets.take(now) {
            self.spare_buffers.push(reply);
            return;
        }
        self.statistics.resets_sent += 1;
        self.queue_reply(path, reply);
    }

    fn queue_reply(&mut self, path: Path, bytes: Vec<u8>) {
        if self.replies.len() >= REPLIES_MAX {
            self.statistics.replies_dropped += 1;
            self.spare_buffers.push(bytes);
            return;
        }
        self.replies.push_back(Reply { path, bytes });
    }

    fn handle_handshake(&mut self, now: Instant, path: Path, datagram: &[u8], random: &mut dyn Random) {
        if let Ok(HandshakeDatagram::Reset(reset)) = HandshakeDatagram::parse(datagram) {
            self.handle_reset(path, &reset.token);
            return;
        }
        let attempt = self.connecting.iter().copied().find(|&index| {
            matches!(&self.slots.get(index).map(|peer| &peer.state),
                Some(PeerState::Connecting(connecting)) if connecting.path.remote == path.remote
                    && connecting.handshake.is_addressed(datagram))
        });
        match (attempt, &mut self.server) {
            (Some(index), _) => self.handle_answer(now, index, path, datagram),
            (None, Some(_)) => self.handle_stranger(now, path, datagram, random),
            (None, None) => self.statistics.drops.add(PacketDrop::UnknownConnection),
        }
    }

    fn handle_reset(&mut self, path: Path, token: &ResetToken) {
        let is_addressed = |peer: &Peer| {
            matches!(&peer.state, PeerState::Connected(connection)
                if connection.path().remote == path.remote && connection.reset_token() == Some(token))
        };
        // Servers get no RESET and have thousands of peers; clients have a handful.
        let found = match &self.server {
            Some(_) => None,
            None => self.slots.iter().find(|(_, peer)| is_addressed(peer)).map(|(index, _)| index),
        };
        match found.and_then(|index| Some((index, self.slots.get_mut(index)?))) {
            Some((index, Peer { state: PeerState::Connected(connection), .. })) => {
                connection.handle_reset(token, &mut self.workspace);
                self.make_ready(index);
            }
            _ => self.statistics.drops.add(PacketDrop::UnknownConnection),
        }
    }

    /// An answer to one of our own attempts.
    fn handle_answer(&mut self, now: Instant, index: usize, path: Path, datagram: &[u8]) {
        if let Some(Peer { state: PeerState::Connecting(connecting), .. }) = self.slots.get_mut(index) {
            connecting.path.local = path.local.or(connecting.path.local);
            connecting.handshake.handle_datagram(now, datagram);
        }
        self.advance_attempt(now, index);
        self.make_ready(index);
    }

    /// Turns a finished attempt into a connection or into an end.
    fn advance_attempt(&mut self, now: Instant, index: usize) {
        let Some(Peer { state: PeerState::Connecting(connecting), .. }) = self.slots.get_mut(index) else {
            return;
        };
        let Some(event) = connecting.handshake.poll_event() else { return };
        let path = connecting.path;
        self.connecting.retain(|&other| other != index);
        match event {
            ClientEvent::Established(established) => self.establish(now, index, path, *established),
            ClientEvent::Failed(error) => self.fail_attempt(index, &error),
        }
    }

    fn establish(&mut self, now: Instant, index: usize, path: Path, established: Established) {
        let Some(place) = self.slots.place_of(index) else { return };
        let negotiated = Negotiated {
            side: Side::Client,
            path,
            local_id: place.connection_id,
            remote_id: established.remote_connection_id.get(),
            suite: established.suite,
            secrets: established.secrets,
            local_limits: established.local_limits,
            remote_limits: established.remote_limits,
            table: Arc::new(established.channels),
            reset_token: Some(established.reset_token),
            info: Box::new(Connected {
                remote: path.remote,
                number: established.peer_number.get(),
                key: Some(established.server_key),
                is_first_use: established.is_first_use,
                user_data: Payload::from(established.user_data.into_bytes()),
            }),
        };
        let connection =
            Connection::new(now, place.peer, self.config.connection, negotiated, &mut self.workspace);
        if let Some(peer) = self.slots.get_mut(index) {
            peer.state = PeerState::Connected(Box::new(connection));
        }
        self.make_ready(index);
    }

    fn fail_attempt(&mut self, index: usize, error: &ConnectError) {
        let Some(place) = self.slots.place_of(index) else { return };
        let (origin, detail) = match error {
            ConnectError::Refused(refusal) => (Origin::Remote, Payload::from(refusal.detail.as_bytes())),
            ConnectError::RefusedUnauthenticated { .. } => {
                (Origin::Unauthenticated, Payload::from(error.to_string()))
            }
            _ => (Origin::Local, Payload::from(error.to_string())),
        };
        let farewell = Farewell { reason: error.reason(), code: 0, detail };
        self.workspace.events.push_back(Event::disconnected(place.peer, origin, farewell));
        self.deadlines.set(index, None);
        self.slots.remove(index);
    }

    fn handle_stranger(&mut self, now: Instant, path: Path, datagram: &[u8], random: &mut dyn Random) {
        let Some(server) = &mut self.server else { return };
        let mut reply = self.spare_buffers.pop().unwrap_or_default();
        let outcome = server.handshake.handle_datagram(now, path.remote, datagram, random, &mut reply);
        match outcome {
            Outcome::Reply => return self.queue_reply(path, reply),
            Outcome::ReplyCached(answer) => self.queue_answer(path, &answer),
            Outcome::Request(request) => self.admit(now, path, request),
            Outcome::Drop(_) | Outcome::Incomplete => {}
        }
        self.spare_buffers.push(reply);
    }

    fn queue_answer(&mut self, path: Path, answer: &AnswerDatagrams) {
        for datagram in answer.iter() {
            let mut bytes = self.spare_buffers.pop().unwrap_or_default();
            bytes.clear();
            bytes.extend_from_slice(datagram);
            self.queue_reply(path, bytes);
        }
    }

    /// Accepts a client whose address is proven, or says why not.
    fn admit(&mut self, now: Instant, path: Path, request: Box<ConnectRequest>) {
        let Some(server) = &mut self.server else { return };
        let is_full = server.peers >= server.peers_max || !self.is_admitting;
        let refusal = is_full.then(|| Refusal {
            reason: Reason::Full,
            detail: Detail::from_text(&format!("{} of {} players", server.peers, server.peers_max)),
        });
        let vacancy = self.slots.vacancy();
        let number = PeerNumber::new(server.next_number);
        let (Some(place), Some(number), None) = (vacancy, number, &refusal) else {
            let refusal =
                refusal.unwrap_or_else(|| Refusal { reason: Reason::Full, detail: Detail::default() });
            if let Ok(answer) = server.handshake.refuse(now, request, refusal) {
                self.queue_answer(path, &answer);
            }
            return;
        };
        let Some(connection_id) = ConnectionId::new(place.connection_id) else { return };
        let info = AcceptInfo { connection_id, peer_number: number, user_data: UserData::default() };
        let accepted = match server.handshake.accept(request, info) {
            Ok(accepted) => accepted,
            Err(error) => return log::debug!("{}: {error}", path.remote),
        };
        server.next_number += 1;
        server.peers += 1;
        let negotiated = Negotiated {
            side: Side::Server,
            path,
            local_id: place.connection_id,
            remote_id: accepted.remote_connection_id.get(),
            suite: accepted.suite,
            secrets: accepted.secrets,
            local_limits: accepted.local_limits,
            remote_limits: accepted.remote_limits,
            table: Arc::clone(&server.table),
            reset_token: None,
            info: Box::new(Connected {
                remote: path.remote,
                number: number.get(),
                key: accepted.identity,
                is_first_use: false,
                user_data: Payload::from(accepted.user_data.into_bytes()),
            }),
        };
        let connection =
            Connection::new(now, place.peer, self.config.connection, negotiated, &mut self.workspace);
        self.slots.insert(Peer {
            state: PeerState::Connected(Box::new(connection)),
            is_ready: false,
            is_changed: false,
            is_counted: true,
            attempt: Some(accepted.id),
        });
        self.queue_answer(path, &accepted.datagrams);
        self.make_ready(place.index);
    }

    // ---- time ----

    /// Does what has become due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(server) = &mut self.server {
            server.handshake.handle_timeout(now);
        }
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

    fn poll_reply(&mut self, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let Reply { path, mut bytes } = self.replies.pop_front()?;
        std::mem::swap(buffer, &mut bytes);
        bytes.clear();
        if self.spare_buffers.len() < REPLIES_MAX {
            self.spare_buffers.push(bytes);
        }
        Some(Transmit { path, ecn: Ecn::NotCapable, bytes: buffer.len(), segment_bytes: None })
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
            PeerState::Connecting(connecting) => {
                (connecting.is_aborted, connecting.is_aborted, connecting.handshake.poll_timeout())
            }
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
        self.connecting.retain(|&other| other != index);
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

impl Connecting {
    fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        if self.is_aborted || !self.handshake.poll_transmit(now, buffer) {
            return None;
        }
        Some(Transmit { path: self.path, ecn: Ecn::NotCapable, bytes: buffer.len(), segment_bytes: None })
    }
}
