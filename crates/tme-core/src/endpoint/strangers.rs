//! Datagrams of those who are no peers: handshakes at a server, resets, and what is answered to them.

use std::sync::Arc;
use std::time::Duration;

use super::{Endpoint, Peer, PeerState};
use crate::channel::ChannelTable;
use crate::connection::{Connected, Connection, Negotiated, PacketDrop, Side};
use crate::crypto::reset::ResetToken;
use crate::datagram::{Ecn, Path, Transmit};
use crate::handshake::datagram::{HandshakeDatagram, RESET_BYTES, Reset};
use crate::handshake::parameters::{ConnectionId, Detail, PeerNumber, Refusal, UserData};
use crate::handshake::reason::Reason;
use crate::handshake::server::{AcceptInfo, AnswerDatagrams, ConnectRequest, Outcome, ServerHandshake};
use crate::payload::Payload;
use crate::random::Random;
use crate::time::Instant;

/// Handshake datagrams waiting to leave; more are dropped and counted, their clients ask again.
pub(super) const REPLIES_MAX: usize = 1_024;

/// Room of a fresh reply: COOKIE has 67 bytes, ACCEPT without a channel table 109.
const REPLY_BYTES: usize = 128;

/// RESET answers per second.
pub(super) const RESETS_PER_SECOND: u32 = 100;

/// First number given to a client; 1 is the server.
pub(super) const FIRST_PEER_NUMBER: u32 = 2;

pub(super) struct ServerSide {
    pub(super) handshake: ServerHandshake,
    pub(super) table: Arc<ChannelTable>,
    pub(super) peers_max: usize,
    /// Peers that count against the limit: accepted and not closing.
    pub(super) peers: usize,
    pub(super) next_number: u32,
}

pub(super) struct Reply {
    pub(super) path: Path,
    pub(super) bytes: Vec<u8>,
}

/// At most so many RESETs per second leave.
#[derive(Debug)]
pub(super) struct ResetBudget {
    pub(super) second_start: Instant,
    pub(super) left: u32,
}

impl ResetBudget {
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if now.saturating_since(self.second_start) >= Duration::from_secs(1) {
            (self.second_start, self.left) = (now, RESETS_PER_SECOND);
        }
        let has_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has_left
    }
}

/// An empty buffer with room for any answer but a long ACCEPT: a stranger's question must not make it grow in steps.
fn spare_buffer(spare: &mut Vec<Vec<u8>>) -> Vec<u8> {
    let mut buffer = spare.pop().unwrap_or_else(|| Vec::with_capacity(REPLY_BYTES));
    buffer.clear();
    buffer
}

impl Endpoint {
    /// Tells the sender of a packet for an unknown connection that its connection is gone.
    pub(super) fn answer_unknown(&mut self, now: Instant, path: Path, id: u32, bytes: usize) {
        let Some(server) = &self.server else { return };
        let token = server.handshake.reset_token(id, path.remote.ip());
        let mut reply = spare_buffer(&mut self.spare_buffers);
        HandshakeDatagram::Reset(Reset { token }).encode(&mut reply);
        // Never more than was received, so that nobody can be flooded through us.
        if reply.len() > bytes || !self.resets.take(now) {
            self.spare_buffers.push(reply);
            return;
        }
        self.statistics.resets_sent += 1;
        self.queue_reply(path, reply);
    }

    pub(super) fn queue_reply(&mut self, path: Path, bytes: Vec<u8>) {
        if self.replies.len() >= REPLIES_MAX {
            self.statistics.replies_dropped += 1;
            self.spare_buffers.push(bytes);
            return;
        }
        self.replies.push_back(Reply { path, bytes });
    }

    pub(super) fn handle_handshake(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
        random: &mut dyn Random,
    ) {
        // All the others are parsed where they are handled; a flood of HELLOs should not cost it twice.
        if datagram.len() == RESET_BYTES
            && let Ok(HandshakeDatagram::Reset(reset)) = HandshakeDatagram::parse(datagram)
        {
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

    pub(super) fn handle_reset(&mut self, path: Path, token: &ResetToken) {
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

    pub(super) fn handle_stranger(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
        random: &mut dyn Random,
    ) {
        let Some(server) = &mut self.server else { return };
        let mut reply = spare_buffer(&mut self.spare_buffers);
        let outcome = server.handshake.handle_datagram(now, path.remote, datagram, random, &mut reply);
        match outcome {
            Outcome::Reply => return self.queue_reply(path, reply),
            Outcome::ReplyCached(answer) => self.queue_answer(path, &answer),
            Outcome::Request(request) => self.admit(now, path, request),
            Outcome::Drop(_) | Outcome::Incomplete => {}
        }
        self.spare_buffers.push(reply);
    }

    pub(super) fn queue_answer(&mut self, path: Path, answer: &AnswerDatagrams) {
        for datagram in answer.iter() {
            let mut bytes = spare_buffer(&mut self.spare_buffers);
            bytes.extend_from_slice(datagram);
            self.queue_reply(path, bytes);
        }
    }

    /// Accepts a client whose address is proven, or says why not.
    pub(super) fn admit(&mut self, now: Instant, path: Path, request: Box<ConnectRequest>) {
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
            rtt: None,
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

    pub(super) fn poll_reply(&mut self, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let Reply { path, bytes } = self.replies.pop_front()?;
        // Copied, not swapped: the caller's buffer has room for dozens of datagrams, which a reply never needs again.
        buffer.extend_from_slice(&bytes);
        if self.spare_buffers.len() < REPLIES_MAX {
            self.spare_buffers.push(bytes);
        }
        Some(Transmit { path, ecn: Ecn::NotCapable, bytes: buffer.len(), segment_bytes: None })
    }
}
