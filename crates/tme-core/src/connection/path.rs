//! Which way leads to the other side: a new one is asked before anything else goes there (`docs/PROTOCOL.md`, sections 8.2
//! and 12.4).

use std::time::Duration;

use super::rtt::RttEstimator;
use super::{Connection, Event, Farewell, Origin, Side, State, Timer, TransmitLimits, Workspace};
use crate::crypto::reset::ResetToken;
use crate::datagram::{Ecn, Path, StreamId, Transmit};
use crate::handshake::reason::Reason;
use crate::time::Instant;
use crate::wire::frame::{Frame, PADDING, PATH_DATA_BYTES};

/// How long the new address has to answer.
const PROOF_TIME_MAX: Duration = Duration::from_secs(3);
/// Moves are not started more often: whoever sees many of a client's packets could keep a server asking.
const MOVE_INTERVAL_MIN: Duration = Duration::from_millis(250);
/// A challenge is not repeated sooner, however short the round trip.
const CHALLENGE_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// PADDING beside the PING of a client that knows of its change, so that the server may answer with a challenge, which is
/// up to 10 bytes longer than the PING.
pub(super) const ANNOUNCEMENT_PADDING: usize = 24;
/// PADDING beside a client's challenge: the answer, which must not be longer, may have a longer packet number.
const CHALLENGE_PADDING: usize = 8;

/// A way to the other side that is not proven yet.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    path: Path,
    /// Bytes of authentic packets from there; a client may send to its server as much as it likes.
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

/// An answer that goes back the way the question came, which is not the connection's.
#[derive(Clone, Copy, Debug)]
struct Detour {
    path: Path,
    data: [u8; PATH_DATA_BYTES],
    /// The answer is no longer than the question.
    bytes_max: usize,
}

/// Whether anything can be sent along the path. Datagrams always can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Passage {
    #[default]
    Open,
    /// The stream takes nothing at the moment.
    Blocked,
    /// The stream has ended.
    Ended,
}

/// What is known about the ways to the other side.
#[derive(Debug, Default)]
pub(super) struct Paths {
    passage: Passage,
    /// A client's path before the present one: the server still sends there for a moment.
    former: Option<Box<Path>>,
    detour: Option<Box<Detour>>,
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
    pub(super) challenge: Option<[u8; PATH_DATA_BYTES]>,
    pub(super) response: Option<[u8; PATH_DATA_BYTES]>,
}

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// It was closed or broke. The other side may come back by another way.
    Closed,
    /// The other side did not take what was sent.
    TooSlow,
}

impl Connection {
    /// Whether the connection can go on another way. In plaintext nobody can prove to be the same. Whoever is being told of the
    /// end is followed, too: he would wait for his idle time-out, for the reset token that he has is his former address's.
    fn may_change_path(&self) -> bool {
        let is_alive = match self.state {
            State::Open | State::Flushing(_) => true,
            State::Closing { .. } => self.side == Side::Server,
            State::Unconfirmed | State::Draining | State::Closed => false,
        };
        is_alive && self.suite.is_encrypted()
    }

    /// Whether packets from another address are looked at.
    fn may_move(&self) -> bool {
        self.side == Side::Server && self.may_change_path()
    }

    /// Whether a packet that came along `path` is looked at.
    pub(super) fn is_welcome_from(&self, path: &Path) -> bool {
        if path.leads_as(&self.path) || self.may_move() {
            return true;
        }
        let candidate = self.paths.candidate.as_ref().map(|candidate| candidate.path);
        let former = self.paths.former.as_deref().copied();
        [candidate, former].into_iter().flatten().any(|known| path.leads_as(&known))
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
        if let Some(data) = news.challenge.filter(|_| !self.has_said_farewell()) {
            if path.leads_as(&self.path) {
                self.paths.response_due = Some(data);
            } else {
                self.paths.detour = Some(Box::new(Detour { path, data, bytes_max: bytes }));
            }
        }
        if path.leads_as(&self.path) {
            self.path.local = path.local.or(self.path.local);
            if starts && self.paths.candidate.is_some() {
                // Whoever sent from elsewhere was not the one who moved.
                self.refuse_move();
            }
            return;
        }
        match &mut self.paths.candidate {
            Some(candidate) if candidate.path.leads_as(&path) => {
                candidate.received = candidate.received.saturating_add(bytes as u64);
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

    /// Asks whether `path` leads to the server, too; if it does, the connection goes on there, and
    /// [`Event::LinkChanged`] tells. `data` is 8 random bytes. `false`: not now, or there already.
    pub fn try_path(&mut self, now: Instant, path: Path, data: [u8; PATH_DATA_BYTES]) -> bool {
        if self.side != Side::Client || !self.may_change_path() || path.leads_as(&self.path) {
            return false;
        }
        let expires_at = now + PROOF_TIME_MAX;
        let challenge = Challenge::Due(data);
        let candidate = Candidate { path, received: u64::MAX, sent: 0, challenge, expires_at };
        self.paths.candidate = Some(Box::new(candidate));
        self.timers.set(Timer::Path, Some(expires_at));
        true
    }

    fn refuse_move(&mut self) {
        if let Some(candidate) = self.paths.candidate.take() {
            log::debug!("{}: no proof came from {}", self.peer, candidate.path.remote);
            self.paths.changes_refused += u32::from(self.side == Side::Server);
        }
        self.timers.set(Timer::Path, None);
    }

    fn finish_move(&mut self, now: Instant, workspace: &mut Workspace) {
        let Some(path) = self.paths.candidate.take().map(|candidate| candidate.path) else { return };
        self.timers.set(Timer::Path, None);
        let former = std::mem::replace(&mut self.path, path);
        let is_other_link = former.stream != path.stream;
        self.paths.changes += 1;
        self.paths.passage = Passage::Open;
        if is_other_link || former.remote.ip() != path.remote.ip() {
            self.begin_path(now);
        }
        if is_other_link {
            self.leave_behind(now, workspace);
        }
        // What was sent to the former address is lost, and the answer to this tells so.
        self.probe_count = 0;
        match &mut self.state {
            State::Closing { is_due, .. } => *is_due = true,
            _ => self.is_ping_due = true,
        }
        if self.side == Side::Client {
            self.paths.former = Some(Box::new(former));
            self.paths.is_announcing = true;
        }
        if self.is_heard_of() {
            let peer = self.peer;
            workspace.events.push_back(match is_other_link {
                true => Event::LinkChanged { peer, link: path.link(), remote: path.remote },
                false => Event::AddressChanged { peer, remote: path.remote },
            });
        }
    }

    /// Tells that the stream of this connection takes nothing more for now, or takes something again.
    pub fn set_stream_blocked(&mut self, is_blocked: bool) {
        self.paths.passage = match (self.paths.passage, is_blocked) {
            (Passage::Ended, _) => Passage::Ended,
            (_, true) => Passage::Blocked,
            (_, false) => Passage::Open,
        };
    }

    /// Whether some of what it has to say travels as datagrams by themselves.
    #[must_use]
    pub fn uses_datagrams(&self) -> bool {
        let Paths { candidate, detour, .. } = &self.paths;
        let asked = candidate.as_ref().map(|candidate| &candidate.path);
        let answered = detour.as_ref().map(|detour| &detour.path);
        [Some(&self.path), asked, answered].into_iter().flatten().any(|path| !path.is_stream())
    }

    /// Whether packets can leave along the path. Where a stream takes none, the waiting is its business, not a timer's.
    pub(super) fn is_passable(&mut self, workspace: &mut Workspace) -> bool {
        if self.paths.passage == Passage::Ended {
            self.finish_closing(workspace);
        }
        self.paths.passage == Passage::Open
    }

    /// A stream has ended: a connection that it carried waits for the other side to come by another way.
    pub fn handle_stream_end(
        &mut self,
        now: Instant,
        stream: StreamId,
        end: StreamEnd,
        workspace: &mut Workspace,
    ) {
        let stream = Some(stream);
        if self.paths.candidate.as_ref().is_some_and(|candidate| candidate.path.stream == stream) {
            self.refuse_move();
        }
        self.paths.former.take_if(|former| former.stream == stream);
        self.paths.detour.take_if(|detour| detour.path.stream == stream);
        if self.path.stream != stream || self.is_closed() {
            return;
        }
        self.paths.passage = Passage::Ended;
        match (&self.state, end) {
            (State::Closing { .. }, _) => self.finish_closing(workspace),
            (State::Unconfirmed | State::Draining, _) => self.end_silently(),
            (_, StreamEnd::TooSlow) => self.end(Origin::Local, Farewell::new(Reason::TooSlow), workspace),
            _ if !self.may_change_path() => {
                self.end(Origin::Local, Farewell::new(Reason::LinkLost), workspace);
            }
            _ => {
                self.leave_behind(now, workspace);
                if !std::mem::replace(&mut self.is_interrupted, true) {
                    workspace.events.push_back(Event::Interrupted { peer: self.peer });
                }
            }
        }
    }

    /// Forgets what was learnt about the former path.
    fn begin_path(&mut self, now: Instant) {
        self.rtt = RttEstimator::default();
        self.congestion = self.config.congestion.controller(now, self.mtu.ceiling());
        self.pacer = super::Pacer::new(now, self.mtu.current() as u64);
        self.begin_search(now);
        self.paths.begun_at = now;
        self.sent.begin_path();
    }

    /// Finds out how large datagrams may be, and how much to do against losses. A stream cuts as it likes and loses nothing.
    pub(super) fn begin_search(&mut self, now: Instant) {
        self.channels.handle_path(self.path.is_stream());
        self.mtu.begin(now, self.local_id);
        let search_at = self.mtu.poll_timeout().filter(|_| !self.path.is_stream());
        self.timers.set(Timer::Mtu, search_at);
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
        // What a stream carries has no use for a socket.
        if self.path.is_stream() || !matches!(self.state, State::Open | State::Flushing(_)) {
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
        let may_go_on = self.may_change_path();
        let Some(candidate) = &mut self.paths.candidate else { return };
        if candidate.expires_at <= now || !may_go_on {
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
        limits: TransmitLimits,
        buffer: &mut Vec<u8>,
        workspace: &mut Workspace,
    ) -> Option<Transmit> {
        let Candidate { path, received, sent, challenge: Challenge::Due(data), expires_at } =
            **self.paths.candidate.as_ref().filter(|_| self.may_change_path())?
        else {
            return None;
        };
        if !limits.permit(&path) {
            return None;
        }
        let start = buffer.len();
        workspace.frames.clear();
        let payload_start = self.write_header(buffer);
        Frame::PathChallenge { data }.encode(&[], buffer);
        if self.side == Side::Client {
            buffer.resize(buffer.len() + CHALLENGE_PADDING, PADDING);
        }
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

impl Connection {
    /// Builds the answer to a challenge that came another way than the connection's.
    pub(super) fn poll_detour(
        &mut self,
        now: Instant,
        limits: TransmitLimits,
        buffer: &mut Vec<u8>,
        workspace: &mut Workspace,
    ) -> Option<Transmit> {
        let permitted = self.paths.detour.take_if(|detour| limits.permit(&detour.path));
        let Detour { path, data, bytes_max } = *permitted?;
        let start = buffer.len();
        workspace.frames.clear();
        let payload_start = self.write_header(buffer);
        Frame::PathResponse { data }.encode(&[], buffer);
        let bytes = buffer.len() - start + self.protection.tag_bytes();
        if bytes > bytes_max || self.has_said_farewell() {
            buffer.truncate(start);
            return None;
        }
        self.seal(now, start, payload_start, super::Provokes::Nothing, buffer, workspace)?;
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
