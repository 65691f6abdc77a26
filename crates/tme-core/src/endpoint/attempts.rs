//! Attempts of this endpoint to connect to others.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{Endpoint, Peer, PeerState};
use crate::connection::{Connected, Connection, Event, Farewell, Negotiated, Origin, PeerId, Side};
use crate::datagram::{Ecn, Path, Transmit};
use crate::handshake::client::{
    ClientConfigError, ClientEvent, ClientHandshake, ClientHandshakeConfig, ConnectError, Established,
};
use crate::handshake::parameters::ConnectionId;
use crate::payload::Payload;
use crate::random::Random;
use crate::time::Instant;

pub(super) struct Connecting {
    pub(super) handshake: ClientHandshake,
    pub(super) path: Path,
    /// Attempts with the same one are rivals: when one succeeds, the others are over.
    race: PeerId,
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

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::TooManyConnections { limit } => {
                write!(f, "all {limit} connections of this endpoint are in use")
            }
        }
    }
}

impl std::error::Error for StartError {}

impl Connecting {
    pub(super) fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        if !self.handshake.poll_transmit(now, buffer) {
            return None;
        }
        Some(Transmit { path: self.path, ecn: Ecn::NotCapable, bytes: buffer.len(), segment_bytes: None })
    }
}

impl Endpoint {
    /// Begins to connect. The outcome is an event: `Connected`, or `Disconnected` with the reason. The
    /// `connection_id` of the configuration is chosen here.
    pub fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        config: ClientHandshakeConfig,
        random: &mut dyn Random,
    ) -> Result<PeerId, StartError> {
        self.connect_racing(now, remote, config, random, None)
    }

    /// Begins to connect as a rival of another attempt: to another address of the same server. When one of them succeeds
    /// the others are over at once, without an event: a server must not take a client's second connection for a newer one.
    pub fn connect_racing(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        mut config: ClientHandshakeConfig,
        random: &mut dyn Random,
        rival: Option<PeerId>,
    ) -> Result<PeerId, StartError> {
        // Without a vacancy the slots in use are all there can be.
        let limit = self.slots.count();
        let place = self.slots.vacancy().ok_or(StartError::TooManyConnections { limit })?;
        config.connection_id = ConnectionId::new(place.connection_id).unwrap_or(config.connection_id);
        let handshake = ClientHandshake::new(config, now, random).map_err(StartError::Config)?;
        let path = Path { remote, local: None };
        let race = rival.and_then(|rival| self.race_of(rival)).unwrap_or(place.peer);
        let connecting = Connecting { handshake, path, race };
        self.slots.insert(Peer::new(PeerState::Connecting(Box::new(connecting))));
        self.connecting.push(place.index);
        self.make_ready(place.index);
        Ok(place.peer)
    }

    fn race_of(&self, peer: PeerId) -> Option<PeerId> {
        match &self.slots.get(self.slots.index_of_peer(peer)?)?.state {
            PeerState::Connecting(connecting) => Some(connecting.race),
            _ => None,
        }
    }

    /// One of the attempts of a race has succeeded.
    fn end_race(&mut self, race: PeerId) {
        let is_rival = |index: &usize| {
            matches!(self.slots.get(*index).map(|peer| &peer.state),
                Some(PeerState::Connecting(connecting)) if connecting.race == race)
        };
        let rivals: Vec<usize> = self.connecting.iter().copied().filter(is_rival).collect();
        for index in rivals {
            self.forget_attempt(index);
            self.deadlines.set(index, None);
            self.slots.remove(index);
        }
    }

    /// An answer to one of our own attempts.
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        index: usize,
        path: Path,
        datagram: &[u8],
        random: &mut dyn Random,
    ) {
        if let Some(Peer { state: PeerState::Connecting(connecting), .. }) = self.slots.get_mut(index) {
            connecting.path.local = path.local.or(connecting.path.local);
            if let Some(reason) = connecting.handshake.handle_datagram(now, datagram, random) {
                self.statistics.attempt_drops.add(reason);
            }
        }
        self.advance_attempt(now, index);
        self.make_ready(index);
    }

    /// Turns a finished attempt into a connection or into an end.
    pub(super) fn advance_attempt(&mut self, now: Instant, index: usize) {
        let Some(Peer { state: PeerState::Connecting(connecting), .. }) = self.slots.get_mut(index) else {
            return;
        };
        let Some(event) = connecting.handshake.poll_event() else { return };
        let (path, race) = (connecting.path, connecting.race);
        self.forget_attempt(index);
        match event {
            ClientEvent::Established(established) => {
                self.end_race(race);
                self.establish(now, index, path, *established);
            }
            ClientEvent::Failed(error) => self.fail_attempt(index, &error),
        }
    }

    pub(super) fn establish(&mut self, now: Instant, index: usize, path: Path, established: Established) {
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
            rtt: established.rtt,
            info: Box::new(Connected {
                remote: path.remote,
                number: established.peer_number.get(),
                key: Some(established.server_key),
                is_first_use: established.is_first_use,
                user_data: Payload::from(established.user_data.into_bytes()),
                token: None,
            }),
        };
        let connection = Connection::new(
            now,
            place.peer,
            Arc::clone(&self.connection_config),
            negotiated,
            &mut self.workspace,
        );
        if let Some(peer) = self.slots.get_mut(index) {
            peer.state = PeerState::Connected(Box::new(connection));
        }
        self.make_ready(index);
    }

    pub(super) fn fail_attempt(&mut self, index: usize, error: &ConnectError) {
        let Some(place) = self.slots.place_of(index) else { return };
        let (origin, detail) = match error {
            ConnectError::Refused(refusal) => (Origin::Remote, Payload::from(refusal.detail.as_bytes())),
            ConnectError::RefusedUnauthenticated { .. } => {
                (Origin::Unauthenticated, Payload::from(error.to_string()))
            }
            _ => (Origin::Local, Payload::from(error.to_string())),
        };
        let farewell = Farewell { reason: error.reason(), code: 0, detail };
        self.end_attempt(index, place.peer, origin, farewell);
    }

    /// Takes an attempt off the list and keeps its counts.
    fn forget_attempt(&mut self, index: usize) {
        let before = self.connecting.len();
        self.connecting.retain(|&other| other != index);
        if let Some(Peer { state: PeerState::Connecting(connecting), .. }) = self.slots.get(index)
            && self.connecting.len() < before
        {
            self.statistics.handshake.drops.merge(connecting.handshake.drops());
        }
    }

    /// Ends an attempt at once, so that an answer still under way finds nobody.
    pub(super) fn end_attempt(&mut self, index: usize, peer: PeerId, origin: Origin, farewell: Farewell) {
        self.workspace.events.push_back(Event::disconnected(peer, origin, farewell));
        self.forget_attempt(index);
        self.deadlines.set(index, None);
        self.slots.remove(index);
    }
}
