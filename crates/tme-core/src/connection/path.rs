//! Which address the other side has: a new one is asked before anything else goes there (`docs/PROTOCOL.md`, section 8.2).

use std::time::Duration;

use super::rtt::RttEstimator;
use super::{Connection, Event, Side, State, Timer, Workspace};
use crate::crypto::reset::ResetToken;
use crate::crypto::suite::Suite;
use crate::datagram::{Ecn, Path, Transmit};
use crate::time::Instant;
use crate::wire::frame::{Frame, PATH_DATA_BYTES};

/// How long the new address has to answer.
const PROOF_TIME_MAX: Duration = Duration::from_secs(3);
/// Moves are not started more often: whoever sees many of a client's packets could keep a server asking.
const MOVE_INTERVAL_MIN: Duration = Duration::from_millis(250);
/// A challenge is not repeated sooner, however short the round trip.
const CHALLENGE_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// PADDING beside the PING of a client that knows of its change, so that the server may answer with a challenge, which is
/// up to 10 bytes longer than the PING.
pub(super) const ANNOUNCEMENT_PADDING: usize = 24;

/// A way to the other side that is not proven yet.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    path: Path,
    /// Bytes of authentic packets from there.
    received: u64,
    /// Bytes sent there; never more.
    sent: u64,
    challenge: Challenge,
    expires_at: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Challenge {
    /// Nobody has thrown dice for it yet.
    Unknown,
    /// To be sent, again or for the first time.
    Due([u8; PATH_DATA_BYTES]),
    /// Sent; to be repeated at this time.
    Sent([u8; PATH_DATA_BYTES], Instant),
}

/// What is known about the other side's addresses.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Boxed, for hardly any connection has one.
    candidate: Option<Box<Candidate>>,
    /// Before this no move is started.
    next_start_at: Instant,
    /// Answer to the other side's challenge.
    pub(super) response_due: Option<[u8; PATH_DATA_BYTES]>,
    /// The token of the present address waits to be sent.
    pub(super) is_token_due: bool,
    /// A client's program has told of a new socket.
    pub(super) is_announcing: bool,
    /// What was sent before says nothing about the present path.
    pub(super) begun_at: Instant,
    pub(super) changes: u32,
    pub(super) changes_refused: u32,
}

/// What a packet has to say about paths.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathNews {
    /// It holds more than PADDING, PATH_CHALLENGE and PATH_RESPONSE.
    pub(super) is_substantial: bool,
    pub(super) response: Option<[u8; PATH_DATA_BYTES]>,
}

impl Connection {
    /// Whether packets from another address are looked at. In plaintext nobody can prove to be the same. Whoever is being told of
    /// the end is followed, too: he would wait for his idle time-out, for the reset token that he has is his former address's.
    pub(super) fn may_move(&self) -> bool {
        self.side == Side::Server
            && self.suite != Suite::Plaintext
            && matches!(self.state, State::Open | State::Flushing(_) | State::Closing { .. })
    }

    /// An authentic packet came along `path`; `is_newest`: its number is above all before it.
    pub(super) fn note_path(
        &mut self,
        now: Instant,
        path: Path,
        bytes: usize,
        is_newest: bool,
        news: PathNews,
        workspace: &mut Workspace,
    ) {
        let starts = is_newest && news.is_substantial && self.may_move();
        if path.remote == self.path.remote {
            self.path.local = path.local.or(self.path.local);
            if starts && self.paths.candidate.is_some() {
                // Whoever sent from elsewhere was not the one who moved.
                self.refuse_move();
            }
            return;
        }
        match &mut self.paths.candidate {
            Some(candidate) if candidate.path.remote == path.remote => {
                candidate.received += bytes as u64;
                candidate.path.local = path.local.or(candidate.path.local);
                if news.response.is_some_and(|data| candidate.is_answer(data)) {
                    self.finish_move(now, workspace);
                }
            }
            _ if starts => self.start_move(now, path, bytes),
            _ => {}
        }
    }

    fn start_move(&mut self, now: Instant, path: Path, bytes: usize) {
        if now < self.paths.next_start_at {
            return;
        }
        if self.paths.candidate.is_some() {
            self.refuse_move();
        }
        self.paths.next_start_at = now + MOVE_INTERVAL_MIN;
        let expires_at = now + PROOF_TIME_MAX;
        let challenge = Challenge::Unknown;
        let candidate = Candidate { path, received: bytes as u64, sent: 0, challenge, expires_at };
        self.paths.candidate = Some(Box::new(candidate));
        self.timers.set(Timer::Path, Some(expires_at));
    }

    fn refuse_move(&mut self) {
        if let Some(candidate) = self.paths.candidate.take() {
            log::debug!("{}: {} has not proven to be it", self.peer, candidate.path.remote);
            self.paths.changes_refused += 1;
        }
        self.timers.set(Timer::Path, None);
    }

    fn finish_move(&mut self, now: Instant, workspace: &mut Workspace) {
        let Some(path) = self.paths.candidate.take().map(|candidate| candidate.path) else { return };
        self.timers.set(Timer::Path, None);
        let former = std::mem::replace(&mut self.path, path);
        self.paths.changes += 1;
        if former.remote.ip() != path.remote.ip() {
            self.begin_path(now);
        }
        // What was sent to the former address is lost, and the answer to this tells so.
        self.probe_count = 0;
        match &mut self.state {
            State::Closing { is_due, .. } => *is_due = true,
            _ => self.is_ping_due = true,
        }
        if self.is_heard_of() {
            workspace.events.push_back(Event::AddressChanged { peer: self.peer, remote: path.remote });
        }
    }

    /// Forgets what was learnt about the former path.
    fn begin_path(&mut self, now: Instant) {
        self.rtt = RttEstimator::default();
        self.congestion = self.config.congestion.controller(now, self.mtu.ceiling());
        self.pacer = super::Pacer::new(now, self.mtu.current() as u64);
        self.mtu.begin(now, self.local_id);
        self.timers.set(Timer::Mtu, self.mtu.poll_timeout());
        self.paths.begun_at = now;
        self.sent.begin_path();
    }

    /// Whether [`challenge_path`](Self::challenge_path) is waited for.
    #[must_use]
    pub fn needs_challenge(&self) -> bool {
        self.paths
            .candidate
            .as_ref()
            .is_some_and(|candidate| matches!(candidate.challenge, Challenge::Unknown))
    }

    /// Gives the random bytes that a new address has to send back.
    pub fn challenge_path(&mut self, data: [u8; PATH_DATA_BYTES]) {
        if self.needs_challenge()
            && let Some(candidate) = &mut self.paths.candidate
        {
            candidate.challenge = Challenge::Due(data);
        }
    }

    /// Gives the token that belongs to the other side's new address; it is told.
    pub fn renew_reset_token(&mut self, token: ResetToken) {
        self.reset_token = Some(token);
        self.paths.is_token_due = true;
    }

    /// The program sends from another socket from now on (a client's).
    pub fn handle_rebind(&mut self, now: Instant) {
        if !matches!(self.state, State::Open | State::Flushing(_)) {
            return;
        }
        self.path.local = None;
        self.begin_path(now);
        self.probe_count = 0;
        self.is_ping_due = true;
        self.paths.is_announcing = true;
    }

    /// The proof is overdue, or the question must be put again.
    pub(super) fn handle_path_timeout(&mut self, now: Instant) {
        let may_move = self.may_move();
        let Some(candidate) = &mut self.paths.candidate else { return };
        if candidate.expires_at <= now || !may_move {
            return self.refuse_move();
        }
        if let Challenge::Sent(data, again_at) = candidate.challenge
            && again_at <= now
        {
            candidate.challenge = Challenge::Due(data);
        }
        self.timers.set(Timer::Path, Some(candidate.expires_at));
    }

    /// Builds the question to a new address, if it may be put.
    pub(super) fn poll_challenge(
        &mut self,
        now: Instant,
        buffer: &mut Vec<u8>,
        workspace: &mut Workspace,
    ) -> Option<Transmit> {
        let Candidate { path, received, sent, challenge: Challenge::Due(data), expires_at } =
            **self.paths.candidate.as_ref().filter(|_| self.may_move())?
        else {
            return None;
        };
        let start = buffer.len();
        workspace.frames.clear();
        let payload_start = self.write_header(buffer);
        Frame::PathChallenge { data }.encode(&[], buffer);
        let bytes = buffer.len() - start + self.protection.tag_bytes();
        if sent + bytes as u64 > received {
            buffer.truncate(start);
            return None;
        }
        self.seal(now, start, payload_start, super::Provokes::Nothing, buffer, workspace)?;
        let again_at = now + self.rtt.probe_timeout().max(CHALLENGE_INTERVAL_MIN);
        if let Some(candidate) = &mut self.paths.candidate {
            candidate.sent += bytes as u64;
            candidate.challenge = Challenge::Sent(data, again_at);
        }
        self.timers.set(Timer::Path, Some(again_at.min(expires_at)));
        Some(Transmit { path, ecn: Ecn::NotCapable, bytes, segment_bytes: None })
    }
}

impl Candidate {
    fn is_answer(&self, data: [u8; PATH_DATA_BYTES]) -> bool {
        match self.challenge {
            Challenge::Unknown => false,
            Challenge::Due(sent) | Challenge::Sent(sent, _) => sent == data && self.sent > 0,
        }
    }
}
