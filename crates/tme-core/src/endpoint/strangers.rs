//! Datagrams of those who are no peers: handshakes at a server, resets, and what is answered to them.

use std::time::Duration;

use super::{Endpoint, Peer, PeerState, Shard};
use crate::connection::{PacketDrop, TransmitLimits};
use crate::crypto::reset::ResetToken;
use crate::datagram::{Ecn, Path, Transmit};
use crate::handshake::datagram::{HandshakeDatagram, RESET_BYTES, Reset, is_info_query};
use crate::handshake::server::{AnswerDatagrams, Outcome};
use crate::random::Random;
use crate::time::Instant;

/// Handshake datagrams waiting to leave, those in streams apart; more are dropped and counted, their clients ask again.
pub(super) const REPLIES_MAX: usize = 1_024;

/// Room of a fresh reply: COOKIE has 67 bytes, ACCEPT without a channel table 109.
const REPLY_BYTES: usize = 128;

/// RESET answers per second of a server.
const RESETS_PER_SECOND: u32 = 100;

pub(super) struct Reply {
    pub(super) path: Path,
    pub(super) bytes: Vec<u8>,
}

/// At most so many RESETs per second leave.
#[derive(Debug)]
pub(super) struct ResetBudget {
    per_second: u32,
    second_start: Instant,
    left: u32,
}

impl ResetBudget {
    /// This endpoint's part.
    pub(super) fn new(shard: Shard) -> Self {
        let per_second = RESETS_PER_SECOND.div_ceil(shard.count() as u32);
        Self { per_second, second_start: Instant::ZERO, left: per_second }
    }

    pub(super) fn take(&mut self, now: Instant) -> bool {
        if now.saturating_since(self.second_start) >= Duration::from_secs(1) {
            (self.second_start, self.left) = (now, self.per_second);
        }
        let has_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has_left
    }
}

/// An empty buffer with room for any answer but a long ACCEPT: a stranger's question must not make it grow in steps.
pub(super) fn spare_buffer(spare: &mut Vec<Vec<u8>>) -> Vec<u8> {
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
        let replies = &mut self.replies[usize::from(path.is_stream())];
        if replies.len() >= REPLIES_MAX {
            self.statistics.replies_dropped += 1;
            self.spare_buffers.push(bytes);
            return;
        }
        replies.push_back(Reply { path, bytes });
    }

    pub(super) fn handle_handshake(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
        random: &mut dyn Random,
    ) {
        if is_info_query(datagram) && self.server.is_some() {
            return self.handle_info_query(now, path, datagram);
        }
        // All the others are parsed where they are handled; a flood of HELLOs should not cost it twice.
        if datagram.len() == RESET_BYTES
            && let Ok(HandshakeDatagram::Reset(reset)) = HandshakeDatagram::parse(datagram)
        {
            self.handle_reset(path, &reset.token);
            return;
        }
        let attempt = self.connecting.iter().copied().find(|&index| {
            matches!(&self.slots.get(index).map(|peer| &peer.state),
                Some(PeerState::Connecting(connecting)) if connecting.path.leads_as(&path)
                    && connecting.handshake.is_addressed(datagram))
        });
        match (attempt, &mut self.server) {
            (Some(index), _) => self.handle_answer(now, index, path, datagram, random),
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
        if self.carried.is_taken(&path, None) {
            return self.statistics.drops.add(PacketDrop::ForeignAddress);
        }
        let mut reply = spare_buffer(&mut self.spare_buffers);
        let origin = (path.remote, path.carrier());
        let outcome = server.handshake.handle_datagram(now, origin, datagram, random, &mut reply);
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

    pub(super) fn poll_reply(&mut self, limits: TransmitLimits, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let permitted = |reply: &Reply| limits.permit(&reply.path);
        let replies = self.replies.iter_mut().find(|replies| replies.front().is_some_and(permitted))?;
        let Reply { path, bytes } = replies.pop_front()?;
        // Copied, not swapped: the caller's buffer has room for dozens of datagrams, which a reply never needs again.
        buffer.extend_from_slice(&bytes);
        if self.spare_buffers.len() < REPLIES_MAX {
            self.spare_buffers.push(bytes);
        }
        Some(Transmit { path, ecn: Ecn::NotCapable, bytes: buffer.len(), segment_bytes: None })
    }
}
