//! One attempt of a client to connect.
//!
//! The client generates one ephemeral key when it begins (17 µs) and computes two shared secrets with pattern
//! NK, four with IK (up to 48 µs each), half of them when COOKIE comes, half when ACCEPT comes.

mod config;
mod outcome;

use std::ops::Range;

pub use config::{ClientConfigError, ClientHandshakeConfig, RESEND_AFTER, Trust};
pub use outcome::{AnswerError, ClientEvent, ConnectError, ConnectStage, Established};

use super::attempts::{Collected, Parts};
use super::datagram::{
    Accept, Connect, CookieReply, HandshakeDatagram, Hello, NOISE_MESSAGE_BYTES_MAX, Offer, Part, Refuse,
};
use super::drops::{DropCounts, DropReason};
use super::parameters::{Acceptance, ClientParameters, ServerAnswer};
use super::reason::Reason;
use crate::crypto::Pattern;
use crate::crypto::cookie::Cookie;
use crate::crypto::keys::{KeyPair, PublicKey};
use crate::crypto::noise::{CurveCounter, Noise};
use crate::random::Random;
use crate::time::{Duration, Instant};

/// ACCEPTs that may fail to verify before no further one is tried: each costs a public-key operation, and
/// only somebody on the path can send them.
const FAILURES_MAX: u32 = 100;

/// From this repetition of CONNECT on, HELLO goes along: perhaps nobody answers because the COOKIE was damaged on the way
/// or forged, and only another one can tell.
const HELLO_AGAIN_FROM: u32 = 2;

/// A client's handshake: `handle_*` what comes in, `poll_*` what must go out, until an event says how it
/// ended.
///
/// The caller hands in only datagrams from the server's address. Nothing that a network can send ends the
/// attempt but a REFUSE with the right nonce, which has to come twice where a damaged question would explain it, and an
/// authentic answer; everything else is dropped and counted.
#[derive(Debug)]
pub struct ClientHandshake {
    config: ClientHandshakeConfig,
    offer: Offer,
    ephemeral: KeyPair,
    state: State,
    /// Datagrams of the present round that must still go out, by part.
    pending: Range<usize>,
    resend_after: Duration,
    resend_at: Option<Instant>,
    started: Instant,
    hello_sent: HelloSent,
    rtt: Option<Duration>,
    untrusted_key: Option<PublicKey>,
    /// A REFUSE with this reason came, and the question was put again.
    doubted_refusal: Option<Reason>,
    event: Option<ClientEvent>,
    drops: DropCounts,
}

#[derive(Debug)]
enum State {
    AwaitingCookie,
    AwaitingAccept(Box<Exchange>),
    Done,
}

#[derive(Debug)]
struct Exchange {
    noise: Noise,
    message: Vec<u8>,
    version: u16,
    server_key: PublicKey,
    cookie: Cookie,
    cookie_is_renewed: bool,
    parts: Parts,
    failures: u32,
    /// How often CONNECT was repeated because no answer came.
    repetitions: u32,
    /// The repetition whose HELLO was answered by a COOKIE that contradicts the one this began with: one of the two is
    /// damaged or forged.
    contradicted_at: Option<u32>,
}

/// Only an answer to a HELLO that was sent once measures the round trip (Karn's rule).
#[derive(Clone, Copy, Debug)]
enum HelloSent {
    Never,
    Once(Instant),
    Repeatedly,
}

impl ClientHandshake {
    /// Begins an attempt; the first datagram waits in [`poll_transmit`](Self::poll_transmit).
    pub fn new(
        config: ClientHandshakeConfig,
        now: Instant,
        random: &mut dyn Random,
    ) -> Result<Self, ClientConfigError> {
        config.check()?;
        let ephemeral = KeyPair::generate(random);
        let offer = Offer {
            client_nonce: random.next_u64(),
            versions: config.versions,
            application_id: config.application_id,
            table_hash: config.channels.as_ref().and_then(|table| std::num::NonZeroU64::new(table.hash())),
            suites: config.suites,
            pattern: Some(if config.identity.is_some() { Pattern::Ik } else { Pattern::Nk }),
            client_ephemeral: ephemeral.public(),
        };
        Ok(Self {
            resend_after: config.resend_after,
            config,
            offer,
            ephemeral,
            state: State::AwaitingCookie,
            pending: 0..1,
            resend_at: None,
            started: now,
            hello_sent: HelloSent::Never,
            rtt: None,
            untrusted_key: None,
            doubted_refusal: None,
            event: None,
            drops: DropCounts::default(),
        })
    }

    /// Whether the attempt ended, one way or the other.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Datagrams that had no effect.
    #[must_use]
    pub const fn drops(&self) -> &DropCounts {
        &self.drops
    }

    /// Whether a handshake datagram answers this attempt: it echoes our nonce, which stands at the same place in every
    /// answer. Several attempts may go to one address.
    #[must_use]
    pub fn is_addressed(&self, datagram: &[u8]) -> bool {
        datagram.get(5..13).is_some_and(|nonce| nonce == self.offer.client_nonce.to_le_bytes())
    }

    /// Takes in a datagram from the server's address; gives why it had no effect, if it had none.
    ///
    /// `random` is asked for a key and a nonce if the attempt has to start over, and for nothing else.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        random: &mut dyn Random,
    ) -> Option<DropReason> {
        let result = match HandshakeDatagram::parse(datagram) {
            Err(_) => Err(DropReason::Malformed),
            Ok(_) if self.is_done() => Err(DropReason::Unexpected),
            Ok(HandshakeDatagram::Cookie(cookie)) => self.handle_cookie(now, &cookie, random),
            Ok(HandshakeDatagram::Accept(accept)) => self.handle_accept(&accept),
            Ok(HandshakeDatagram::Refuse(refuse)) => self.handle_refuse(&refuse),
            Ok(
                HandshakeDatagram::Reset(_)
                | HandshakeDatagram::InfoAnswer(_)
                | HandshakeDatagram::Here(_)
                // Whoever has keys does not ask for a connection without.
                | HandshakeDatagram::Opened(_),
            ) => Err(DropReason::Unexpected),
            Ok(
                HandshakeDatagram::Hello(_)
                | HandshakeDatagram::Connect(_)
                | HandshakeDatagram::InfoQuery(_)
                | HandshakeDatagram::Discover(_)
                | HandshakeDatagram::Open(_),
            ) => Err(DropReason::WrongDirection),
        };
        let dropped = result.err();
        if let Some(reason) = dropped {
            self.drops.add(reason);
        }
        dropped
    }

    /// Acts on what [`poll_timeout`](Self::poll_timeout) announced: repeats the last datagrams, or gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_done() {
            return;
        }
        if now >= self.give_up_at() {
            self.fail(self.time_out_error(now));
        } else if self.resend_at.is_some_and(|at| at <= now) {
            self.resend_at = None;
            self.resend_after = self.resend_after * 3 / 2;
            if let State::AwaitingAccept(exchange) = &mut self.state {
                exchange.cookie_is_renewed = false;
                exchange.repetitions += 1;
            }
            self.pending = 0..self.round_datagrams();
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_done() {
            return None;
        }
        let give_up_at = self.give_up_at();
        Some(self.resend_at.map_or(give_up_at, |at| at.min(give_up_at)))
    }

    /// Puts the next datagram into `datagram` and returns `true`, or returns `false` if none is due.
    pub fn poll_transmit(&mut self, now: Instant, datagram: &mut Vec<u8>) -> bool {
        datagram.clear();
        let Some(index) = self.pending.next() else { return false };
        match &self.state {
            State::AwaitingCookie => {
                Hello { offer: self.offer }.encode(datagram);
                self.hello_sent = match self.hello_sent {
                    HelloSent::Never => HelloSent::Once(now),
                    HelloSent::Once(_) | HelloSent::Repeatedly => HelloSent::Repeatedly,
                };
            }
            State::AwaitingAccept(exchange) => match Part::split(&exchange.message).nth(index) {
                Some(part) => Connect { offer: self.offer, cookie: exchange.cookie, part }.encode(datagram),
                None => Hello { offer: self.offer }.encode(datagram),
            },
            State::Done => return false,
        }
        self.resend_at.get_or_insert(now + self.resend_after);
        true
    }

    /// Takes the one event of this attempt: how it ended.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.event.take()
    }

    fn give_up_at(&self) -> Instant {
        self.started + self.config.give_up_after
    }

    /// Datagrams of one round: HELLO, or every part of CONNECT, and HELLO after them once they were repeated in vain.
    fn round_datagrams(&self) -> usize {
        match &self.state {
            State::AwaitingCookie => 1,
            State::AwaitingAccept(exchange) => {
                let hello = exchange.repetitions >= HELLO_AGAIN_FROM;
                Part::split(&exchange.message).count() + usize::from(hello)
            }
            State::Done => 0,
        }
    }

    fn handle_cookie(
        &mut self,
        now: Instant,
        reply: &CookieReply,
        random: &mut dyn Random,
    ) -> Result<(), DropReason> {
        if reply.client_nonce != self.offer.client_nonce {
            return Err(DropReason::WrongNonce);
        }
        if !self.config.trust.admits(&reply.server_key) {
            self.untrusted_key = Some(reply.server_key);
            return Err(DropReason::Untrusted);
        }
        if !self.config.versions.as_slice().contains(&reply.version) {
            return Err(DropReason::Untrusted);
        }
        if let State::AwaitingAccept(exchange) = &mut self.state {
            if exchange.is_contradicted_again(reply) {
                self.start_over(random);
                return Ok(());
            }
            exchange.renew_cookie(reply)?;
            // At most once per round, or every forged COOKIE would make us send a CONNECT.
            if !std::mem::replace(&mut exchange.cookie_is_renewed, true) {
                self.pending = 0..self.round_datagrams();
            }
            return Ok(());
        }
        let exchange = self.begin_exchange(reply).ok_or(DropReason::Unauthentic)?;
        self.state = State::AwaitingAccept(Box::new(exchange));
        self.doubted_refusal = None;
        self.pending = 0..self.round_datagrams();
        self.resend_after = self.config.resend_after;
        self.resend_at = None;
        if let HelloSent::Once(at) = self.hello_sent {
            self.rtt = Some(now.saturating_since(at));
        }
        Ok(())
    }

    /// Begins anew, with another ephemeral key and nonce: what the attempt was built on was not what the server said.
    fn start_over(&mut self, random: &mut dyn Random) {
        self.ephemeral = KeyPair::generate(random);
        self.offer.client_ephemeral = self.ephemeral.public();
        self.offer.client_nonce = random.next_u64();
        self.state = State::AwaitingCookie;
        self.pending = 0..1;
        self.resend_after = self.config.resend_after;
        self.resend_at = None;
        self.hello_sent = HelloSent::Never;
        self.doubted_refusal = None;
    }

    /// Makes Noise message 1, once and for all. Made a second time with the same ephemeral key but another
    /// version in the prologue, it would put two tags under one key and nonce, and give the authenticator
    /// away.
    fn begin_exchange(&self, reply: &CookieReply) -> Option<Exchange> {
        let parameters = ClientParameters {
            connection_id: self.config.connection_id,
            limits: self.config.limits,
            token: self.config.token.clone(),
            user_data: self.config.user_data.clone(),
            schema_hashes: self.config.schema_hashes.clone(),
        };
        let mut payload = Vec::new();
        parameters.encode(&mut payload);
        let mut noise = Noise::initiator(
            &self.offer.prologue(reply.version),
            &reply.server_key,
            self.config.identity.as_ref(),
            &self.ephemeral,
            &CurveCounter::default(),
        )
        .ok()?;
        let mut message = Vec::new();
        noise.write(&payload, &mut message).ok()?;
        debug_assert!(message.len() <= NOISE_MESSAGE_BYTES_MAX, "bounded by the types of the parameters");
        Some(Exchange {
            noise,
            message,
            version: reply.version,
            server_key: reply.server_key,
            cookie: reply.cookie,
            cookie_is_renewed: false,
            parts: Parts::default(),
            failures: 0,
            repetitions: 0,
            contradicted_at: None,
        })
    }

    fn handle_accept(&mut self, accept: &Accept<'_>) -> Result<(), DropReason> {
        if accept.client_nonce != self.offer.client_nonce {
            return Err(DropReason::WrongNonce);
        }
        let State::AwaitingAccept(exchange) = &mut self.state else { return Err(DropReason::Unexpected) };
        let Some(payload) = exchange.open_answer(&accept.part)? else { return Ok(()) };
        // From here on the answer is authentic: whatever it says ends the attempt.
        let State::AwaitingAccept(exchange) = std::mem::replace(&mut self.state, State::Done) else {
            return Err(DropReason::Unexpected);
        };
        let result = match ServerAnswer::decode(&payload) {
            Err(error) => Err(ConnectError::UnacceptableAnswer(AnswerError::Parameters(error))),
            Ok(ServerAnswer::Refused(refusal)) => Err(ConnectError::Refused(refusal)),
            Ok(ServerAnswer::Accepted(acceptance)) => self.establish(*exchange, *acceptance),
        };
        self.end(result);
        Ok(())
    }

    fn establish(&mut self, exchange: Exchange, acceptance: Acceptance) -> Result<Established, ConnectError> {
        let unacceptable = |error| Err(ConnectError::UnacceptableAnswer(error));
        if !self.offer.suites.contains(acceptance.suite) {
            return unacceptable(AnswerError::SuiteNotOffered { suite: acceptance.suite });
        }
        let channels = match (self.config.channels.take(), acceptance.channels) {
            (Some(declared), None) => declared,
            (None, Some(adopted)) => adopted,
            (Some(_), Some(_)) => return unacceptable(AnswerError::UnexpectedChannelTable),
            (None, None) => return unacceptable(AnswerError::NoChannelTable),
        };
        let Ok(secrets) = exchange.noise.into_secrets() else {
            return unacceptable(AnswerError::Unfinished);
        };
        Ok(Established {
            version: exchange.version,
            suite: acceptance.suite,
            secrets,
            local_connection_id: self.config.connection_id,
            remote_connection_id: acceptance.connection_id,
            peer_number: acceptance.peer_number,
            reset_token: acceptance.reset_token,
            local_limits: self.config.limits,
            remote_limits: acceptance.limits,
            channels,
            user_data: acceptance.user_data,
            server_key: exchange.server_key,
            is_first_use: matches!(self.config.trust, Trust::KnownHost(None)),
            rtt: self.rtt,
        })
    }

    fn handle_refuse(&mut self, refuse: &Refuse) -> Result<(), DropReason> {
        if refuse.client_nonce != self.offer.client_nonce {
            return Err(DropReason::WrongNonce);
        }
        let ours = self.config.versions.as_slice();
        if refuse.reason == Reason::Version
            && refuse.versions.as_slice().iter().any(|version| ours.contains(version))
        {
            return Err(DropReason::Unexpected);
        }
        // A question that was damaged on the way earns such a refusal, too: it is put again, once, at once.
        let is_of_offer = matches!(
            refuse.reason,
            Reason::Version | Reason::Application | Reason::Suites | Reason::IdentityRequired
        );
        if is_of_offer && self.doubted_refusal.replace(refuse.reason) != Some(refuse.reason) {
            self.pending = 0..self.round_datagrams();
            return Ok(());
        }
        self.fail(ConnectError::RefusedUnauthenticated {
            reason: refuse.reason,
            server_versions: refuse.versions,
            client_versions: self.config.versions,
        });
        Ok(())
    }

    fn time_out_error(&self, now: Instant) -> ConnectError {
        let waited = now.saturating_since(self.started);
        match (&self.state, &self.config.trust, self.untrusted_key) {
            (State::AwaitingCookie, Trust::KnownHost(Some(remembered)), Some(seen)) => {
                ConnectError::ServerKeyChanged { remembered: *remembered, seen, waited }
            }
            (State::AwaitingCookie, Trust::Pinned(pinned), Some(seen)) => {
                ConnectError::ServerKeyNotPinned { pinned: pinned.len(), seen, waited }
            }
            (State::AwaitingAccept(_), _, _) => {
                ConnectError::TimedOut { waited, stage: ConnectStage::AwaitingAccept }
            }
            _ => ConnectError::TimedOut { waited, stage: ConnectStage::AwaitingCookie },
        }
    }

    fn fail(&mut self, error: ConnectError) {
        self.end(Err(error));
    }

    fn end(&mut self, result: Result<Established, ConnectError>) {
        self.state = State::Done;
        self.pending = 0..0;
        self.resend_at = None;
        self.event = Some(match result {
            Ok(established) => ClientEvent::Established(Box::new(established)),
            Err(error) => ClientEvent::Failed(error),
        });
    }
}

impl Exchange {
    /// Takes over a newer cookie for the same message: the server's answer to a CONNECT whose cookie was too
    /// old.
    fn renew_cookie(&mut self, reply: &CookieReply) -> Result<(), DropReason> {
        if reply.version != self.version || reply.server_key != self.server_key {
            return Err(DropReason::Unexpected);
        }
        if reply.cookie == self.cookie {
            return Err(DropReason::Repeated);
        }
        self.cookie = reply.cookie;
        Ok(())
    }

    /// Whether a COOKIE contradicts the first one, and so did one that answered an earlier HELLO: two in a row are no
    /// accident, and nobody has answered what was built on the first.
    fn is_contradicted_again(&mut self, reply: &CookieReply) -> bool {
        if (reply.version, reply.server_key) == (self.version, self.server_key) {
            self.contradicted_at = None;
            return false;
        }
        // Several answers to one HELLO are one opinion.
        let at = self.repetitions;
        at >= HELLO_AGAIN_FROM && *self.contradicted_at.get_or_insert(at) < at
    }

    /// The answer's payload once all its parts are there and it verifies.
    fn open_answer(&mut self, part: &Part<'_>) -> Result<Option<Vec<u8>>, DropReason> {
        if self.failures >= FAILURES_MAX {
            return Err(DropReason::TooManyFailures);
        }
        let message = match self.parts.add(part) {
            Collected::Repeated => return Err(DropReason::Repeated),
            Collected::Incomplete => return Ok(None),
            Collected::Complete(message) => message,
        };
        self.noise.read(&message).map(Some).map_err(|_| {
            self.failures += 1;
            DropReason::Unauthentic
        })
    }
}
