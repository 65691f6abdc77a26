//! How a client finds its server: a name becomes addresses, addresses are tried in turn until one answers, by datagrams
//! first and then by streams.

use std::net::SocketAddr;
use std::time::Duration;

use tme_core::connection::{CloseMode, Disconnected, Event, Farewell, Origin, PeerId};
use tme_core::datagram::{LinkKind, Path, StreamId};
use tme_core::endpoint::Endpoint;
use tme_core::handshake::client::ClientHandshakeConfig;
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;
use tme_core::random::Random;
use tme_core::time::Instant;

use super::links::Links;
use super::roaming::Roaming;
use crate::link::stream::{StreamFailure, StreamTarget, Streams};
use crate::poller::Poller;
use crate::resolve::{Resolution, ResolveId};

/// Time between the attempts at two addresses of a name (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How long datagrams have been tried when streams are tried, too.
const STREAMS_AFTER: Duration = Duration::from_secs(1);

/// By what a client may reach its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkChoice {
    /// UDP; where that does not get through, TCP, and where not even that does, a WebSocket over TCP, until UDP does.
    #[default]
    Any,
    /// UDP only.
    Udp,
    /// TCP only.
    Tcp,
    /// WebSockets over TCP only.
    WebSocket,
}

impl LinkChoice {
    /// Kinds of streams, in the order in which they are tried.
    pub(super) const fn streams(self) -> &'static [LinkKind] {
        match self {
            Self::Any => &[LinkKind::Tcp, LinkKind::WebSocket],
            Self::Udp => &[],
            Self::Tcp => &[LinkKind::Tcp],
            Self::WebSocket => &[LinkKind::WebSocket],
        }
    }

    /// Whether datagrams may be used.
    pub(super) const fn has_datagrams(self) -> bool {
        matches!(self, Self::Any | Self::Udp)
    }
}

/// What a client's connector works with.
pub(super) struct Ways<'a> {
    pub endpoint: &'a mut Endpoint,
    pub random: &'a mut dyn Random,
    pub links: &'a Links,
    pub streams: &'a mut Streams,
    pub poller: &'a Poller,
}

/// A client's way to its server.
#[derive(Debug)]
pub(super) struct Connector {
    config: ClientHandshakeConfig,
    choice: LinkChoice,
    state: State,
    target: String,
}

#[derive(Debug)]
enum State {
    Resolving(ResolveId),
    Trying(Trying),
    Connected(Roaming),
    Done,
}

/// Attempts that race, by datagrams and by streams.
#[derive(Debug)]
struct Trying {
    addresses: Vec<SocketAddr>,
    datagrams: Turn,
    streams: Turn,
    /// Where streams may lead, and what kind each is.
    stream_ways: Vec<(SocketAddr, LinkKind)>,
    /// No stream is opened from then on, or waited for.
    give_up_at: Instant,
    attempts: Vec<Attempt>,
    /// Streams that have not reached the other side.
    opening: Vec<(StreamId, SocketAddr)>,
    /// Why the last stream could not be had.
    failure: Option<String>,
    /// Addresses at which a server said no: it says so by every link.
    refused: Vec<SocketAddr>,
    /// What a server said that did not become ours. Silence elsewhere must not hide it.
    answer: Option<Event>,
    /// How an attempt ended without an answer.
    silence: Option<Event>,
}

/// One attempt.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    peer: PeerId,
    remote: SocketAddr,
    /// Through which it goes, if not by datagrams.
    stream: Option<StreamId>,
}

/// Which address is tried next, and when.
#[derive(Clone, Copy, Debug)]
struct Turn {
    next: usize,
    next_at: Instant,
}

impl Connector {
    pub fn resolving(
        target: String,
        id: ResolveId,
        config: ClientHandshakeConfig,
        choice: LinkChoice,
    ) -> Self {
        Self { config, choice, state: State::Resolving(id), target }
    }

    /// Takes the answer of the resolver; an error ends the attempt.
    pub fn handle_resolution(&mut self, now: Instant, resolution: Resolution) -> Option<Event> {
        if !matches!(&self.state, State::Resolving(id) if *id == resolution.id) {
            return None;
        }
        match resolution.result {
            Ok(addresses) => {
                let has_datagrams = self.choice.has_datagrams();
                let datagrams = Turn { next: if has_datagrams { 0 } else { addresses.len() }, next_at: now };
                let streams_at = if has_datagrams { now + STREAMS_AFTER } else { now };
                let streams = Turn { next: 0, next_at: streams_at };
                let kinds = self.choice.streams().iter();
                let stream_ways =
                    kinds.flat_map(|&kind| addresses.iter().map(move |&address| (address, kind))).collect();
                self.state = State::Trying(Trying {
                    addresses,
                    datagrams,
                    streams,
                    stream_ways,
                    give_up_at: now + self.config.give_up_after,
                    attempts: Vec::new(),
                    opening: Vec::new(),
                    failure: None,
                    refused: Vec::new(),
                    answer: None,
                    silence: None,
                });
                None
            }
            Err(error) => {
                self.state = State::Done;
                Some(failed(Reason::Unresolved, &format!("{}: {error}", self.target)))
            }
        }
    }

    /// Begins the attempts that are due.
    pub fn handle_timeout(&mut self, now: Instant, ways: &mut Ways<'_>) -> Option<Event> {
        let trying = match &mut self.state {
            State::Trying(trying) => trying,
            State::Connected(roaming) => {
                roaming.handle_timeout(now, ways, &self.target);
                return None;
            }
            State::Resolving(_) | State::Done => return None,
        };
        if let Err(text) = trying.begin_datagrams(now, ways, &self.config) {
            self.state = State::Done;
            return Some(failed(Reason::Aborted, &text));
        }
        if now < trying.give_up_at {
            trying.begin_streams(now, ways, &self.target);
        } else {
            trying.give_up_streams();
        }
        self.give_up_if_hopeless()
    }

    fn give_up_if_hopeless(&mut self) -> Option<Event> {
        let State::Trying(trying) = &mut self.state else { return None };
        if trying.has_more() || !trying.attempts.is_empty() {
            return None;
        }
        let silence = trying.silence.take().filter(|_| trying.failure.is_none());
        if let Some(end) = trying.answer.take().or(silence) {
            self.state = State::Done;
            return Some(end);
        }
        let (reason, text) = match &trying.failure {
            Some(failure) => (Reason::ConnectTimedOut, failure.clone()),
            None => (
                Reason::Unresolved,
                format!("{}: none of its addresses can be reached from this socket", self.target),
            ),
        };
        self.state = State::Done;
        Some(failed(reason, &text))
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Trying(trying) => trying.poll_timeout(),
            State::Connected(roaming) => roaming.poll_timeout(),
            State::Resolving(_) | State::Done => None,
        }
    }

    /// A stream has reached the other side. `false`: nobody needs it any more.
    pub fn handle_stream_opened(
        &mut self,
        now: Instant,
        stream: StreamId,
        endpoint: &mut Endpoint,
        random: &mut dyn Random,
    ) -> bool {
        match &mut self.state {
            State::Trying(trying) => trying.handle_opened(now, stream, endpoint, random, &self.config),
            State::Connected(roaming) => roaming.handle_opened(now, stream, endpoint, random),
            State::Resolving(_) | State::Done => false,
        }
    }

    /// A stream has ended, or could not be opened.
    pub fn handle_stream_ended(
        &mut self,
        now: Instant,
        stream: StreamId,
        failure: StreamFailure,
        endpoint: &mut Endpoint,
    ) -> Option<Event> {
        match &mut self.state {
            State::Trying(trying) => {
                trying.handle_ended(now, stream, failure, endpoint);
                self.give_up_if_hopeless()
            }
            State::Connected(roaming) => {
                roaming.handle_ended(stream);
                None
            }
            State::Resolving(_) | State::Done => None,
        }
    }

    /// Looks at an event of the endpoint before the game sees it, and gives what the game is to see. `None`: it concerns an
    /// attempt that others may still make good. Of attempts that were overtaken the endpoint says nothing.
    pub fn filter(&mut self, now: Instant, event: Event, endpoint: &mut Endpoint) -> Option<Event> {
        match &mut self.state {
            State::Trying(trying) => match &event {
                Event::Connected { peer, .. } => {
                    debug_assert!(
                        trying.attempts.iter().any(|attempt| attempt.peer == *peer),
                        "nobody else connects this endpoint"
                    );
                    let connection = endpoint.connection(*peer).filter(|_| self.choice != LinkChoice::Udp);
                    self.state = connection.map_or(State::Done, |connection| {
                        State::Connected(Roaming::new(now, *peer, connection.path(), self.choice))
                    });
                    Some(event)
                }
                Event::Disconnected { .. } => {
                    trying.handle_end(now, &event, endpoint);
                    let has_more = trying.has_more();
                    if has_more {
                        trying.hurry(now);
                    }
                    if has_more || !trying.attempts.is_empty() {
                        return None;
                    }
                    let answer = trying.answer.take();
                    self.state = State::Done;
                    Some(answer.unwrap_or(event))
                }
                _ => Some(event),
            },
            State::Connected(roaming) => {
                if matches!(event, Event::Disconnected { .. }) {
                    self.state = State::Done;
                } else {
                    roaming.handle_event(now, &event);
                }
                Some(event)
            }
            State::Resolving(_) | State::Done => Some(event),
        }
    }
}

impl Trying {
    /// Whether there are ways that were not tried, or of which nothing is known.
    fn has_more(&self) -> bool {
        let streams = self.stream_ways.get(self.streams.next..).unwrap_or_default();
        let has_stream = streams.iter().any(|(address, _)| !self.refused.contains(address));
        self.datagrams.next < self.addresses.len() || has_stream || !self.opening.is_empty()
    }

    /// An attempt has ended. Where a server has answered, other links lead to the same one.
    fn handle_end(&mut self, now: Instant, event: &Event, endpoint: &mut Endpoint) {
        let Event::Disconnected { peer, reason } = event else { return };
        let Some(index) = self.attempts.iter().position(|attempt| attempt.peer == *peer) else { return };
        let Attempt { remote, .. } = self.attempts.swap_remove(index);
        let is_refusal = reason.origin != Origin::Local;
        let is_answer = is_refusal || reason.reason == Reason::UntrustedKey;
        let end = if is_answer { &mut self.answer } else { &mut self.silence };
        end.get_or_insert_with(|| event.clone());
        if !is_refusal {
            return;
        }
        self.refused.push(remote);
        self.opening.retain(|(_, address)| *address != remote);
        for attempt in self.attempts.iter().filter(|attempt| attempt.remote == remote) {
            let detail = Payload::from("refused by another link");
            let farewell = Farewell { reason: Reason::Aborted, code: 0, detail };
            // The event of its end comes by the filter.
            endpoint.disconnect(now, attempt.peer, CloseMode::Now, farewell);
        }
    }

    /// The time to connect is over.
    fn give_up_streams(&mut self) {
        if let Some((stream, address)) = self.opening.first() {
            self.failure.get_or_insert_with(|| format!("{address} over {}: no answer in time", stream.kind));
        }
        self.streams.next = self.stream_ways.len();
        self.opening.clear();
    }

    /// An attempt has failed: the next one need not wait.
    fn hurry(&mut self, now: Instant) {
        for turn in [&mut self.datagrams, &mut self.streams] {
            turn.next_at = turn.next_at.min(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let has_stream = self.streams.next < self.stream_ways.len();
        let datagrams = (self.datagrams.next < self.addresses.len()).then_some(self.datagrams.next_at);
        let streams = has_stream.then_some(self.streams.next_at);
        let end = (has_stream || !self.opening.is_empty()).then_some(self.give_up_at);
        [datagrams, streams, end].into_iter().flatten().min()
    }

    fn begin_datagrams(
        &mut self,
        now: Instant,
        ways: &mut Ways<'_>,
        config: &ClientHandshakeConfig,
    ) -> Result<(), String> {
        while let Some(address) = self.datagrams.take(now, &self.addresses) {
            if !ways.links.can_reach(address) {
                continue;
            }
            self.datagrams.next_at = now + ATTEMPT_DELAY;
            self.begin(now, Path::to(address), ways.endpoint, ways.random, config.clone())?;
        }
        Ok(())
    }

    fn begin_streams(&mut self, now: Instant, ways: &mut Ways<'_>, authority: &str) {
        while let Some((address, kind)) = self.streams.take(now, &self.stream_ways) {
            if self.refused.contains(&address) {
                continue;
            }
            let target = StreamTarget { remote: address, kind, authority };
            match ways.streams.open(now, &target, ways.poller) {
                Ok(stream) => {
                    let next = self.stream_ways.get(self.streams.next);
                    let is_last_of_kind = next.is_some_and(|(_, next)| *next != kind);
                    let delay = if is_last_of_kind { STREAMS_AFTER } else { ATTEMPT_DELAY };
                    self.streams.next_at = now + delay;
                    self.opening.push((stream, address));
                }
                Err(error) => self.failure = Some(format!("{address} over {kind}: {error}")),
            }
        }
    }

    /// Begins an attempt. They race inside the endpoint: of two that succeed at once the server must see one alone.
    fn begin(
        &mut self,
        now: Instant,
        path: Path,
        endpoint: &mut Endpoint,
        random: &mut dyn Random,
        config: ClientHandshakeConfig,
    ) -> Result<(), String> {
        let rival = self.attempts.first().map(|attempt| attempt.peer);
        let peer = endpoint.connect_racing(now, path, config, random, rival);
        let peer = peer.map_err(|error| error.to_string())?;
        self.attempts.push(Attempt { peer, remote: path.remote, stream: path.stream });
        Ok(())
    }

    fn handle_opened(
        &mut self,
        now: Instant,
        stream: StreamId,
        endpoint: &mut Endpoint,
        random: &mut dyn Random,
        config: &ClientHandshakeConfig,
    ) -> bool {
        let Some(index) = self.opening.iter().position(|(opening, _)| *opening == stream) else {
            return false;
        };
        let (_, remote) = self.opening.swap_remove(index);
        // What opening the stream took is gone.
        let give_up_after = self.give_up_at.saturating_since(now);
        let config = ClientHandshakeConfig { give_up_after, ..config.clone() };
        match self.begin(now, Path::through(stream, remote), endpoint, random, config) {
            Ok(()) => true,
            Err(text) => {
                self.failure = Some(text);
                false
            }
        }
    }

    fn handle_ended(
        &mut self,
        now: Instant,
        stream: StreamId,
        failure: StreamFailure,
        endpoint: &mut Endpoint,
    ) {
        if let Some(index) = self.opening.iter().position(|(opening, _)| *opening == stream) {
            let (_, address) = self.opening.swap_remove(index);
            self.failure = Some(format!("{address} over {}: {failure}", stream.kind));
            self.hurry_streams(now);
        }
        if let Some(attempt) = self.attempts.iter().find(|attempt| attempt.stream == Some(stream)) {
            let detail = Payload::from(format!("the {} connection was {failure}", stream.kind));
            let farewell = Farewell { reason: Reason::Aborted, code: 0, detail };
            // The event of its end comes by the filter.
            endpoint.disconnect(now, attempt.peer, CloseMode::Now, farewell);
        }
    }

    fn hurry_streams(&mut self, now: Instant) {
        if self.streams.next > 0 {
            self.streams.next_at = self.streams.next_at.min(now);
        }
    }
}

impl Turn {
    /// The one of all whose turn it is.
    fn take<T: Copy>(&mut self, now: Instant, all: &[T]) -> Option<T> {
        let way = all.get(self.next).copied().filter(|_| self.next_at <= now)?;
        self.next += 1;
        Some(way)
    }
}

/// A failure before there was a peer: its id is 0.
pub(super) fn failed(reason: Reason, detail: &str) -> Event {
    let reason = Disconnected { reason, origin: Origin::Local, code: 0, detail: Payload::from(detail) };
    Event::Disconnected { peer: PeerId::from_u64(0), reason: Box::new(reason) }
}
