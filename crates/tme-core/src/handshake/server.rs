//! The server's side of every handshake of one endpoint.
//!
//! A stranger costs one HMAC until a valid cookie came from its address. An accepted connection costs one key
//! generation (17 µs) and two shared secrets with pattern NK, four with IK (up to 48 µs each), 97 µs and 178
//! µs in all; see `crypto/noise.rs`. Repeated and replayed datagrams cost no further ones.
//!
//! | memory | bound | at the bound |
//! | --- | --- | --- |
//! | attempts that are no connections (parts, requests, refusals, 6 s after a connection ended) | [`BusyLimits::attempts_max`] of at most 3.6 KB, usually 0.3 KB | the network with the most gives one up, else REFUSE, reason 3 |
//! | the same from one IPv4 address or IPv6 /64 | [`BusyLimits::attempts_per_network_max`] | one that got nowhere for a second is forgotten, else REFUSE, reason 3 |
//! | connections | the owner's; 0.3 KB each until [`ServerHandshake::confirm`], 0.1 KB after | the owner refuses, reason 7 |
//! | used connect tokens | [`TokenPolicy::used_max`] of 0.15 KB | the oldest is forgotten, and none as old taken any more |
//!
//! Connections that end within the 6 s in which a cookie lives count as attempts, so these can exceed their
//! bound by as many connections as the rate of key exchanges allows in that time.

mod config;
mod request;
mod statistics;
mod tokens;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

pub use super::attempts::{AnswerDatagrams, AttemptId};
pub use config::{
    Browsers, BusyLimits, IdentityPolicy, ServerConfigError, ServerHandshakeConfig, TOKEN_KEYS_MAX,
    TokenPolicy, TokenRequirement,
};
use request::KeyExchange;
pub use request::{AcceptError, AcceptInfo, Accepted, ConnectRequest};
pub use statistics::HandshakeStatistics;

use super::attempts::{Attempt, AttemptStore, Collected, Parts};
use super::datagram::{Connect, CookieReply, HandshakeDatagram, Hello, Offer, Open, Refuse};
use super::drops::DropReason;
use super::parameters::{Acceptance, ClientParameters, Detail, Refusal, ServerAnswer};
use super::reason::Reason;
use crate::crypto::Pattern;
use crate::crypto::cookie::{COOKIE_LIFETIME, CookieKey, CookieSubject, CookieVerdict};
use crate::crypto::keys::{PublicKey, SecretKey};
use crate::crypto::noise::{CurveCounter, Noise};
use crate::crypto::reset::{ResetKey, ResetToken};
use crate::crypto::suite::Suite;
use crate::datagram::Carrier;
use crate::random::Random;
use crate::rate::SteadyRate;
use crate::time::{Instant, UnixTime};
use crate::token::TokenProblem;
use tokens::{Objection, Presented, Ticket, TokenGate, Valid};

/// Messages of one attempt that may fail to verify before no further one is tried. One would do for honest
/// clients; more keep somebody who saw the cookie from ruining an attempt with a single datagram.
const FAILURES_MAX: u32 = 3;

/// What became of a handshake datagram.
#[derive(Debug)]
pub enum Outcome {
    /// It had no effect.
    Drop(DropReason),
    /// A part of a request was kept; others are missing.
    Incomplete,
    /// One datagram stands in the reply buffer: send it to where this one came from.
    Reply,
    /// The answer to this request was given before: send its datagrams again.
    ReplyCached(AnswerDatagrams),
    /// Somebody whose address is proven wants to connect: accept or refuse.
    Request(Box<ConnectRequest>),
}

/// Answers the handshake datagrams of one endpoint.
pub struct ServerHandshake {
    config: ServerHandshakeConfig,
    cookie_key: CookieKey,
    reset_key: ResetKey,
    attempts: AttemptStore,
    connections: BTreeMap<AttemptId, Live>,
    tokens: TokenGate,
    exchanges: SteadyRate,
    serial: u64,
    counter: CurveCounter,
    statistics: HandshakeStatistics,
}

/// What is kept of a connection.
#[derive(Debug)]
struct Live {
    /// Until the client's first data packet.
    answer: Option<AnswerDatagrams>,
    /// The token that packet uses up.
    ticket: Option<Ticket>,
}

/// What a client's parameters come to that need no decision of the owner.
enum Judgement {
    Refuse(Refusal),
    /// The client has been a peer with this very request.
    Repetition,
}

impl From<Refusal> for Judgement {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

impl std::fmt::Debug for ServerHandshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerHandshake")
            .field("attempts", &self.attempts.count())
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

/// What both sides agree on before the key exchange.
#[derive(Clone, Copy)]
struct Agreement {
    version: u16,
    suite: Suite,
}

/// A client whose address is proven, before its message 1 is opened.
struct Candidate<'a> {
    id: AttemptId,
    remote: SocketAddr,
    offer: &'a Offer,
    agreement: Agreement,
    /// Whether nobody on the way can read or change what it says.
    is_secret: bool,
}

impl ServerHandshake {
    /// A server with a cookie key of its own.
    pub fn new(config: ServerHandshakeConfig, random: &mut dyn Random) -> Result<Self, ServerConfigError> {
        let cookie_key = CookieKey::generate(random);
        Self::with_cookie_key(config, cookie_key)
    }

    /// A server that shares its cookie key with others on the same port.
    pub fn with_cookie_key(
        config: ServerHandshakeConfig,
        cookie_key: CookieKey,
    ) -> Result<Self, ServerConfigError> {
        config.check()?;
        Ok(Self {
            reset_key: ResetKey::new(config.key.secret()),
            exchanges: SteadyRate::new(config.busy.exchanges_per_second, config.busy.exchanges_burst),
            tokens: TokenGate::new(config.tokens.clone()),
            config,
            cookie_key,
            attempts: AttemptStore::default(),
            connections: BTreeMap::new(),
            serial: 0,
            counter: CurveCounter::default(),
            statistics: HandshakeStatistics::default(),
        })
    }

    /// Another one of the same server: it takes this one's cookies, and what tokens are used up at one are used up at the other.
    /// Limits, attempts and figures are its own.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self {
            config: self.config.clone(),
            cookie_key: self.cookie_key.clone(),
            reset_key: ResetKey::new(self.config.key.secret()),
            attempts: AttemptStore::default(),
            connections: BTreeMap::new(),
            tokens: self.tokens.clone(),
            exchanges: SteadyRate::new(
                self.config.busy.exchanges_per_second,
                self.config.busy.exchanges_burst,
            ),
            serial: 0,
            counter: CurveCounter::default(),
            statistics: HandshakeStatistics::default(),
        }
    }

    /// The server's public key, for clients to pin.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.config.key.public()
    }

    /// Whether a client may connect without keys.
    const fn takes_browser(&self, carrier: Carrier) -> bool {
        match (self.config.browsers, carrier) {
            (Browsers::Never, _) | (_, Carrier::Datagrams) => false,
            (_, Carrier::SecureStream | Carrier::LocalStream) => true,
            (browsers, Carrier::Stream) => matches!(browsers, Browsers::Anywhere),
        }
    }

    /// The token that ends the connection with this id (ours) to this client; for RESET after a restart.
    #[must_use]
    pub fn reset_token(&self, connection_id: u32, client: IpAddr) -> ResetToken {
        self.reset_key.token(connection_id, client)
    }

    /// What happened so far.
    #[must_use]
    pub fn statistics(&self) -> HandshakeStatistics {
        let mut statistics = self.statistics;
        statistics.base_points = self.counter.base_points();
        statistics.shared_secrets = self.counter.shared_secrets();
        statistics.attempts = self.attempts.count();
        statistics.connections = self.connections.len();
        statistics.tokens_remembered = self.tokens.count();
        statistics
    }

    /// Takes in a handshake datagram. `reply` is cleared, and filled if the outcome is [`Outcome::Reply`].
    ///
    /// `random` is asked for 32 bytes per key exchange and for nothing else.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        (remote, carrier): (SocketAddr, Carrier),
        datagram: &[u8],
        random: &mut dyn Random,
        reply: &mut Vec<u8>,
    ) -> Outcome {
        reply.clear();
        self.attempts.expire(now);
        let outcome = match HandshakeDatagram::parse(datagram) {
            Err(_) => Outcome::Drop(DropReason::Malformed),
            Ok(HandshakeDatagram::Hello(hello)) => self.handle_hello(now, remote, &hello, reply),
            Ok(HandshakeDatagram::Connect(connect)) => {
                self.handle_connect(now, remote, &connect, random, reply)
            }
            Ok(HandshakeDatagram::Open(open)) if self.takes_browser(carrier) => {
                self.handle_open(now, (remote, carrier), &open, reply)
            }
            Ok(HandshakeDatagram::Open(open)) => self.refuse_openly(&open.offer, Reason::Suites, reply),
            Ok(_) => Outcome::Drop(DropReason::WrongDirection),
        };
        match &outcome {
            Outcome::Drop(reason) => self.statistics.drops.add(*reason),
            Outcome::ReplyCached(_) => self.statistics.answers_repeated += 1,
            Outcome::Request(_) => self.statistics.requests += 1,
            Outcome::Incomplete | Outcome::Reply => {}
        }
        outcome
    }

    /// Whether [`handle_unix_time`](Self::handle_unix_time) is of any use here.
    #[must_use]
    pub const fn wants_unix_time(&self) -> bool {
        self.tokens.wants_time()
    }

    /// Learns what the wall clock says; for connect tokens, which are refused before the first time. The first time also
    /// tells when the server started.
    pub fn handle_unix_time(&mut self, now: UnixTime) {
        self.tokens.handle_unix_time(now);
    }

    /// Forgets what has expired. Optional: the same happens with every datagram.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.attempts.expire(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.attempts.next_expiry()
    }

    /// Accepts a request: finishes the key exchange and returns the answer's datagrams and the connection's
    /// keys.
    ///
    /// The client counts as connected only once its first data packet opens: until then it may be somebody
    /// who replays the datagrams of another, identity included.
    pub fn accept(
        &mut self,
        request: Box<ConnectRequest>,
        info: AcceptInfo,
    ) -> Result<Accepted, AcceptError> {
        self.take_waiting(&request)?;
        let ConnectRequest {
            id,
            remote,
            offer,
            version,
            suite,
            parameters,
            identity,
            token,
            mut exchange,
            ..
        } = *request;
        let reset_token = self.reset_key.token(info.connection_id.get(), remote.ip());
        let answer = ServerAnswer::Accepted(Box::new(Acceptance {
            connection_id: info.connection_id,
            peer_number: info.peer_number,
            suite,
            reset_token,
            limits: self.config.limits,
            channels: offer.table_hash.is_none().then(|| self.config.channels.clone()),
            user_data: info.user_data,
        }));
        let datagrams = exchange.answer(&offer, &answer).ok_or(AcceptError::Failed)?;
        let secrets = exchange.into_secrets().ok_or(AcceptError::Failed)?;
        let ticket = token.as_ref().map(|valid| valid.ticket);
        self.connections.insert(id, Live { answer: Some(datagrams.clone()), ticket });
        self.statistics.accepted += 1;
        Ok(Accepted {
            id,
            remote,
            datagrams,
            version,
            suite,
            secrets,
            local_connection_id: info.connection_id,
            remote_connection_id: parameters.connection_id,
            peer_number: info.peer_number,
            reset_token,
            local_limits: self.config.limits,
            remote_limits: parameters.limits,
            identity,
            token: token.map(|valid| valid.token),
            user_data: parameters.user_data,
        })
    }

    /// Refuses a request, encrypted: returns the answer's datagrams. They are repeated for some seconds.
    pub fn refuse(
        &mut self,
        now: Instant,
        request: Box<ConnectRequest>,
        refusal: Refusal,
    ) -> Result<AnswerDatagrams, AcceptError> {
        self.take_waiting(&request)?;
        let ConnectRequest { id, offer, mut exchange, .. } = *request;
        self.answer_refusal(now, id, &offer, &mut exchange, refusal).ok_or(AcceptError::Failed)
    }

    /// Learns that the first data packet of a connection's client has opened: its answer need not be repeated any more,
    /// and its token is used up.
    ///
    /// # Errors
    /// Somebody else has used the token up in the meantime: the connection must not be.
    pub fn confirm(&mut self, id: &AttemptId) -> Result<(), TokenProblem> {
        let Some(live) = self.connections.get_mut(id) else { return Ok(()) };
        live.answer = None;
        let Some(ticket) = live.ticket.take() else { return Ok(()) };
        let result = self.tokens.consume(&ticket, id.client_ephemeral());
        if let Err(problem) = result {
            self.statistics.count_token_problem(problem);
        }
        result
    }

    /// Learns that a connection ended. Its attempt is remembered until no cookie for it can be valid any
    /// more.
    pub fn forget(&mut self, now: Instant, id: &AttemptId) {
        if let Some(live) = self.connections.remove(id) {
            self.attempts.put(now, *id, Attempt::Answered(live.answer), now + COOKIE_LIFETIME);
        }
    }

    fn handle_hello(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        hello: &Hello,
        reply: &mut Vec<u8>,
    ) -> Outcome {
        self.statistics.hellos += 1;
        match self.agree(&hello.offer) {
            Ok(_) if !self.has_room(now, &AttemptId::new(remote, hello.offer.client_ephemeral)) => {
                self.refuse_openly(&hello.offer, Reason::Busy, reply)
            }
            Ok(agreement) => self.send_cookie(now, remote, &hello.offer, agreement.version, reply),
            Err(reason) => self.refuse_openly(&hello.offer, reason, reply),
        }
    }

    fn handle_connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        connect: &Connect<'_>,
        random: &mut dyn Random,
        reply: &mut Vec<u8>,
    ) -> Outcome {
        self.statistics.connects += 1;
        let offer = &connect.offer;
        match self.cookie_key.verify(now, &subject(remote, offer), &connect.cookie) {
            CookieVerdict::Invalid => return Outcome::Drop(DropReason::InvalidCookie),
            CookieVerdict::Expired => {
                return match self.agree(offer) {
                    Ok(agreement) => self.send_cookie(now, remote, offer, agreement.version, reply),
                    Err(reason) => self.refuse_openly(offer, reason, reply),
                };
            }
            CookieVerdict::Valid => {}
        }
        // The address is proven: from here on memory and public-key operations may be spent, within bounds.
        let agreement = match self.agree(offer) {
            Ok(agreement) => agreement,
            Err(reason) => return self.refuse_openly(offer, reason, reply),
        };
        let id = AttemptId::new(remote, offer.client_ephemeral);
        if let Some(known) = self.find_known(&id, connect.part.index()) {
            return known;
        }
        if !self.make_room(now, &id) {
            return self.refuse_openly(offer, Reason::Busy, reply);
        }
        let message = match self.collect(now, id, connect) {
            Ok(message) => message,
            Err(outcome) => return outcome,
        };
        if message.get(..32) != Some(offer.client_ephemeral.as_bytes()) {
            return Outcome::Drop(DropReason::Malformed);
        }
        if !self.exchanges.admit(now) {
            return self.refuse_openly(offer, Reason::Busy, reply);
        }
        let is_secret = agreement.suite.is_encrypted();
        self.open_request(
            now,
            &Candidate { id, remote, offer, agreement, is_secret },
            &message,
            random,
            reply,
        )
    }

    /// A stream has proven the address, and there is nothing to exchange.
    fn handle_open(
        &mut self,
        now: Instant,
        (remote, carrier): (SocketAddr, Carrier),
        open: &Open<'_>,
        reply: &mut Vec<u8>,
    ) -> Outcome {
        self.statistics.opens += 1;
        let offer = &open.offer;
        let agreement = match self.agree_with_carried(offer) {
            Ok(agreement) => agreement,
            Err(reason) => return self.refuse_openly(offer, reason, reply),
        };
        let id = AttemptId::new(remote, offer.client_ephemeral);
        if let Some(known) = self.find_known(&id, 0) {
            return known;
        }
        if !self.make_room(now, &id) {
            return self.refuse_openly(offer, Reason::Busy, reply);
        }
        let exchange = KeyExchange::Carried { version: agreement.version };
        let is_secret = carrier == Carrier::SecureStream;
        self.decide(
            now,
            &Candidate { id, remote, offer, agreement, is_secret },
            exchange,
            open.payload,
            reply,
        )
    }

    /// What is to be done with a CONNECT or OPEN of an attempt that needs no further thought.
    fn find_known(&self, id: &AttemptId, part: usize) -> Option<Outcome> {
        let answer = match (self.connections.get(id), self.attempts.find(id)) {
            (Some(Live { answer, .. }), _) | (None, Some(Attempt::Answered(answer))) => answer.as_ref(),
            (None, Some(Attempt::Waiting { .. })) => None,
            (None, Some(Attempt::Opening { failures, .. })) if *failures >= FAILURES_MAX => {
                return Some(Outcome::Drop(DropReason::TooManyFailures));
            }
            (None, None | Some(Attempt::Opening { .. })) => return None,
        };
        // A CONNECT in three parts must not be answered by three times three parts.
        let answer = answer.filter(|_| part == 0).cloned();
        Some(answer.map_or(Outcome::Drop(DropReason::Repeated), Outcome::ReplyCached))
    }

    /// Whether one more attempt can be remembered, perhaps in another one's place.
    fn has_room(&self, now: Instant, id: &AttemptId) -> bool {
        self.attempts.count() < self.config.busy.attempts_max || self.attempts.victim(now, id).is_some()
    }

    /// Forgets what has to be forgotten, and may be, so that this attempt can be remembered.
    fn make_room(&mut self, now: Instant, id: &AttemptId) -> bool {
        let busy = self.config.busy;
        if self.attempts.find(id).is_some() {
            return true;
        }
        let victim = if self.attempts.count_of_network(id) >= busy.attempts_per_network_max {
            self.attempts.victim_of_network(now, id)
        } else if self.attempts.count() >= busy.attempts_max {
            self.attempts.victim(now, id)
        } else {
            return true;
        };
        let Some(victim) = victim else { return false };
        self.attempts.remove(&victim);
        self.statistics.attempts_forgotten += 1;
        true
    }

    /// Noise message 1, if this part completes it.
    fn collect(&mut self, now: Instant, id: AttemptId, connect: &Connect<'_>) -> Result<Vec<u8>, Outcome> {
        if connect.part.count() == 1 {
            return Ok(connect.part.bytes().to_vec());
        }
        let Some((parts, _)) = self.opening(now, id) else {
            return Err(Outcome::Drop(DropReason::Unexpected));
        };
        match parts.add(&connect.part) {
            Collected::Complete(message) => Ok(message),
            Collected::Incomplete => Err(Outcome::Incomplete),
            Collected::Repeated => Err(Outcome::Drop(DropReason::Repeated)),
        }
    }

    /// Opens message 1, and refuses at once what needs no decision of the owner.
    fn open_request(
        &mut self,
        now: Instant,
        candidate: &Candidate<'_>,
        message: &[u8],
        random: &mut dyn Random,
        reply: &mut Vec<u8>,
    ) -> Outcome {
        self.statistics.exchanges += 1;
        let &Candidate { id, offer, agreement, .. } = candidate;
        let Some((noise, payload)) = self.open_message(offer, agreement, message, random) else {
            self.note_failure(now, id);
            return Outcome::Drop(DropReason::Unauthentic);
        };
        self.decide(now, candidate, KeyExchange::Noise(Box::new(noise)), &payload, reply)
    }

    /// Asks the owner about a client, unless its own words are reason enough to refuse it.
    fn decide(
        &mut self,
        now: Instant,
        candidate: &Candidate<'_>,
        mut exchange: KeyExchange,
        payload: &[u8],
        reply: &mut Vec<u8>,
    ) -> Outcome {
        let &Candidate { id, remote, offer, agreement, .. } = candidate;
        let (parameters, token) = match self.judge(candidate, payload) {
            Ok(judged) => judged,
            Err(Judgement::Repetition) => {
                self.attempts.put(now, id, Attempt::Answered(None), now + COOKIE_LIFETIME);
                return Outcome::Drop(DropReason::Repeated);
            }
            Err(Judgement::Refuse(refusal)) => {
                let Some(answer) = self.answer_refusal(now, id, offer, &mut exchange, refusal) else {
                    return Outcome::Drop(DropReason::Unauthentic);
                };
                answer.iter().for_each(|datagram| reply.extend_from_slice(datagram));
                return Outcome::Reply;
            }
        };
        self.serial += 1;
        let waiting = Attempt::Waiting { serial: self.serial };
        self.attempts.put(now, id, waiting, now + self.config.busy.decision_time_max);
        Outcome::Request(Box::new(ConnectRequest {
            id,
            serial: self.serial,
            remote,
            offer: *offer,
            version: agreement.version,
            suite: agreement.suite,
            parameters,
            token,
            identity: exchange.remote_static(),
            exchange,
        }))
    }

    fn open_message(
        &self,
        offer: &Offer,
        agreement: Agreement,
        message: &[u8],
        random: &mut dyn Random,
    ) -> Option<(Noise, Vec<u8>)> {
        let prologue = offer.prologue(agreement.version);
        let ephemeral = SecretKey::generate(random);
        let mut noise =
            Noise::responder(offer.pattern?, &prologue, &self.config.key, ephemeral, &self.counter).ok()?;
        let payload = noise.read(message).ok()?;
        Some((noise, payload))
    }

    fn note_failure(&mut self, now: Instant, id: AttemptId) {
        if let Some((_, failures)) = self.opening(now, id) {
            *failures += 1;
        }
    }

    /// What is known of an attempt that is not opened yet; begins remembering it.
    fn opening(&mut self, now: Instant, id: AttemptId) -> Option<(&mut Parts, &mut u32)> {
        if self.attempts.find(&id).is_none() {
            let opening = Attempt::Opening { parts: Parts::default(), failures: 0 };
            self.attempts.put(now, id, opening, now + COOKIE_LIFETIME);
        }
        match self.attempts.find_mut(&id)? {
            Attempt::Opening { parts, failures } => Some((parts, failures)),
            Attempt::Waiting { .. } | Attempt::Answered(_) => None,
        }
    }

    /// Refusals that are ours to decide, now that they can be encrypted. The token comes last: it is worth nothing to a
    /// client that cannot connect.
    fn judge(
        &mut self,
        candidate: &Candidate<'_>,
        payload: &[u8],
    ) -> Result<(ClientParameters, Option<Box<Valid>>), Judgement> {
        let &Candidate { offer, is_secret, .. } = candidate;
        let refusal = |reason, text: &str| Refusal { reason, detail: Detail::from_text(text) };
        let parameters =
            ClientParameters::decode(payload).map_err(|error| refusal(error.reason(), &error.to_string()))?;
        let ours = self.config.channels.hash();
        if let Some(theirs) = offer.table_hash
            && theirs.get() != ours
        {
            let text = format!("channel table {theirs:016x}, the server's is {ours:016x}");
            return Err(refusal(Reason::ChannelTable, &text).into());
        }
        if let Some(tag) = self.config.schema_hashes.difference(&parameters.schema_hashes) {
            return Err(refusal(Reason::Schema, &format!("schema {tag:#010x} differs")).into());
        }
        let presented = Presented {
            is_secret,
            client_ephemeral: offer.client_ephemeral,
            server_key: self.config.key.public(),
        };
        match self.tokens.judge(parameters.token.as_ref(), &presented) {
            Ok(valid) => Ok((parameters, valid.map(Box::new))),
            Err(Objection::Repetition) => Err(Judgement::Repetition),
            Err(Objection::Refuse(problem, text)) => {
                self.statistics.count_token_problem(problem);
                let colon = if text.is_empty() { "" } else { ": " };
                Err(refusal(Reason::Token, &format!("{problem}{colon}{text}")).into())
            }
        }
    }

    /// What can be decided from the offer alone.
    fn agree(&self, offer: &Offer) -> Result<Agreement, Reason> {
        let version = self.agree_on_version(offer)?;
        let suite = self.config.suites.choose(offer.suites).ok_or(Reason::Suites)?;
        match (offer.pattern, self.config.identity) {
            (Some(Pattern::Ik), _) if !suite.is_encrypted() => Err(Reason::Suites),
            (Some(Pattern::Ik), _) | (Some(Pattern::Nk), IdentityPolicy::Optional) => {
                Ok(Agreement { version, suite })
            }
            (Some(Pattern::Nk), IdentityPolicy::Required) => Err(Reason::IdentityRequired),
            (None, _) => Err(Reason::Suites),
        }
    }

    /// The same for a client without keys.
    fn agree_with_carried(&self, offer: &Offer) -> Result<Agreement, Reason> {
        let version = self.agree_on_version(offer)?;
        match self.config.identity {
            IdentityPolicy::Required => Err(Reason::IdentityRequired),
            IdentityPolicy::Optional => Ok(Agreement { version, suite: Suite::Carried }),
        }
    }

    fn agree_on_version(&self, offer: &Offer) -> Result<u16, Reason> {
        let version = offer.versions.choose(&self.config.versions).ok_or(Reason::Version)?;
        if offer.application_id != self.config.application_id {
            return Err(Reason::Application);
        }
        Ok(version)
    }

    fn send_cookie(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        offer: &Offer,
        version: u16,
        reply: &mut Vec<u8>,
    ) -> Outcome {
        let cookie = self.cookie_key.issue(now, &subject(remote, offer));
        let server_key = self.public_key();
        CookieReply { client_nonce: offer.client_nonce, version, server_key, cookie }.encode(reply);
        self.statistics.cookies += 1;
        Outcome::Reply
    }

    fn refuse_openly(&mut self, offer: &Offer, reason: Reason, reply: &mut Vec<u8>) -> Outcome {
        let versions = self.config.versions;
        Refuse { client_nonce: offer.client_nonce, reason, versions }.encode(reply);
        self.statistics.count_refusal(reason);
        Outcome::Reply
    }

    fn answer_refusal(
        &mut self,
        now: Instant,
        id: AttemptId,
        offer: &Offer,
        exchange: &mut KeyExchange,
        refusal: Refusal,
    ) -> Option<AnswerDatagrams> {
        let reason = refusal.reason;
        let answer = exchange.answer(offer, &ServerAnswer::Refused(refusal))?;
        self.attempts.put(now, id, Attempt::Answered(Some(answer.clone())), now + COOKIE_LIFETIME);
        self.statistics.count_refusal(reason);
        Some(answer)
    }

    /// Ends the waiting of a request, unless it was answered, expired, or superseded meanwhile.
    fn take_waiting(&mut self, request: &ConnectRequest) -> Result<(), AcceptError> {
        match self.attempts.find(&request.id) {
            Some(Attempt::Waiting { serial }) if *serial == request.serial => {
                self.attempts.remove(&request.id);
                Ok(())
            }
            _ => Err(AcceptError::Stale),
        }
    }
}

fn subject(remote: SocketAddr, offer: &Offer) -> CookieSubject {
    CookieSubject {
        client: remote,
        client_nonce: offer.client_nonce,
        client_ephemeral: offer.client_ephemeral,
    }
}
