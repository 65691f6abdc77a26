//! How a client finds its server: a name becomes addresses, addresses are tried in turn until one answers, by datagrams
//! first and then by streams.

use std::net::SocketAddr;
use std::time::Duration;

use tme_core::connection::{CloseMode, Disconnected, Event, Farewell, Origin, PeerId};
use tme_core::datagram::{Path, StreamId};
use tme_core::endpoint::Endpoint;
use tme_core::handshake::client::ClientHandshakeConfig;
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;
use tme_core::random::Random;
use tme_core::time::Instant;

use super::links::Links;
use super::roaming::Roaming;
use crate::link::stream::{StreamFailure, Streams};
use crate::poller::Poller;
use crate::resolve::{Resolution, ResolveId};

/// Time between the attempts at two addresses of a name (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How long datagrams have been tried when streams are tried, too.
const STREAMS_AFTER: Duration = Duration::from_secs(1);

/// By what a client may reach its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkChoice {
    /// UDP; where that does not get through, TCP, until UDP does.
    #[default]
    Any,
    /// UDP only.
    Udp,
    /// TCP only. A stream that breaks is replaced by another.
    Tcp,
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
    attempts: Vec<PeerId>,
    /// Streams that have not reached the other side.
    opening: Vec<(StreamId, SocketAddr)>,
    /// Attempts that go through streams.
    streamed: Vec<(StreamId, PeerId)>,
    /// Why the last stream could not be had.
    failure: Option<String>,
    /// Of the attempts that have failed, the end that says most.
    end: Option<Event>,
    /// No stream is waited for beyond this: the game has said how long it may take.
    streams_until: Instant,
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
                let never = Turn { next: addresses.len(), next_at: now };
                let at = |next_at| Turn { next: 0, next_at };
                let (datagrams, streams) = match self.choice {
                    LinkChoice::Any => (at(now), at(now + STREAMS_AFTER)),
                    LinkChoice::Udp => (at(now), never),
                    LinkChoice::Tcp => (never, at(now)),
                };
                self.state = State::Trying(Trying {
                    addresses,
                    datagrams,
                    streams,
                    attempts: Vec::new(),
                    opening: Vec::new(),
                    streamed: Vec::new(),
                    failure: None,
                    end: None,
                    streams_until: now + self.config.give_up_after,
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
                roaming.handle_timeout(now, ways);
                return None;
            }
            State::Resolving(_) | State::Done => return None,
        };
        if let Err(text) = trying.begin_datagrams(now, ways, &self.config) {
            self.state = State::Done;
            return Some(failed(Reason::Aborted, &text));
        }
        if trying.streams_until <= now {
            trying.stop_streams();
        }
        trying.begin_streams(now, ways);
        self.give_up_if_hopeless()
    }

    fn give_up_if_hopeless(&mut self) -> Option<Event> {
        let State::Trying(trying) = &mut self.state else { return None };
        if trying.has_more() || !trying.attempts.is_empty() {
            return None;
        }
        if let Some(end) = trying.end.take() {
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
    pub fn filter(&mut self, now: Instant, event: Event, endpoint: &Endpoint) -> Option<Event> {
        match &mut self.state {
            State::Trying(trying) => match &event {
                Event::Connected { peer, .. } => {
                    debug_assert!(trying.attempts.contains(peer), "nobody else connects this endpoint");
                    let choice = self.choice;
                    let connection = endpoint.connection(*peer).filter(|_| choice != LinkChoice::Udp);
                    self.state = connection.map_or(State::Done, |connection| {
                        State::Connected(Roaming::new(now, *peer, connection.path(), choice))
                    });
                    Some(event)
                }
                Event::Disconnected { .. } => {
                    trying.handle_failed(now, event);
                    self.give_up_if_hopeless()
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

const WEIGHT_OF_ANSWER: u8 = 3;

/// How much an end says about the server: an answer more than silence, and silence more than a stream that went away.
fn weight(end: &Event) -> u8 {
    match end {
        Event::Disconnected { reason, .. } => match reason.reason {
            Reason::Aborted => 1,
            Reason::ConnectTimedOut => 2,
            _ => WEIGHT_OF_ANSWER,
        },
        _ => 0,
    }
}

impl Trying {
    /// Whether there are ways that were not tried, or of which nothing is known.
    fn has_more(&self) -> bool {
        let count = self.addresses.len();
        self.datagrams.next < count || self.streams.next < count || !self.opening.is_empty()
    }

    /// An attempt has failed. The end that says most is told if all do.
    fn handle_failed(&mut self, now: Instant, end: Event) {
        let peer = end.peer();
        self.attempts.retain(|attempt| *attempt != peer);
        let was_streamed = self.streamed.extract_if(.., |(_, attempt)| *attempt == peer).next().is_some();
        if weight(&end) >= WEIGHT_OF_ANSWER && !was_streamed {
            // Datagrams get through, and streams to the same server would hear the same.
            self.stop_streams();
        }
        if self.end.as_ref().is_none_or(|former| weight(former) < weight(&end)) {
            self.end = Some(end);
        }
        if self.has_more() {
            self.hurry(now);
        }
    }

    /// No stream is opened or waited for any more. Those under way are closed as soon as they are open.
    fn stop_streams(&mut self) {
        self.streams.next = self.addresses.len();
        self.opening.clear();
    }

    /// An attempt has failed: the next one need not wait.
    fn hurry(&mut self, now: Instant) {
        let count = self.addresses.len();
        for turn in [&mut self.datagrams, &mut self.streams] {
            if turn.next < count {
                turn.next_at = turn.next_at.min(now);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let turns = [self.datagrams, self.streams];
        let next =
            turns.iter().filter(|turn| turn.next < self.addresses.len()).map(|turn| turn.next_at).min();
        let until = (!self.opening.is_empty()).then_some(self.streams_until);
        [next, until].into_iter().flatten().min()
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
            self.begin(now, Path::to(address), ways.endpoint, ways.random, config)?;
        }
        Ok(())
    }

    fn begin_streams(&mut self, now: Instant, ways: &mut Ways<'_>) {
        while let Some(address) = self.streams.take(now, &self.addresses) {
            match ways.streams.open(now, address, ways.poller) {
                Ok(stream) => {
                    self.streams.next_at = now + ATTEMPT_DELAY;
                    self.opening.push((stream, address));
                }
                Err(error) => self.failure = Some(format!("{address} over TCP: {error}")),
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
        config: &ClientHandshakeConfig,
    ) -> Result<PeerId, String> {
        let rival = self.attempts.first().copied();
        let attempt = endpoint.connect_racing(now, path, config.clone(), random, rival);
        let attempt = attempt.map_err(|error| error.to_string())?;
        self.attempts.push(attempt);
        Ok(attempt)
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
        // Opening it has taken some of the time.
        let give_up_after = self.streams_until.saturating_since(now);
        let config = ClientHandshakeConfig { give_up_after, ..config.clone() };
        match self.begin(now, Path::through(stream, remote), endpoint, random, &config) {
            Ok(attempt) => self.streamed.push((stream, attempt)),
            Err(text) => self.failure = Some(text),
        }
        true
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
            self.failure = Some(format!("{address} over TCP: {failure}"));
            self.hurry_streams(now);
        }
        if let Some(index) = self.streamed.iter().position(|(streamed, _)| *streamed == stream) {
            let (_, attempt) = self.streamed.swap_remove(index);
            let detail = Payload::from(format!("the TCP connection was {failure}"));
            let farewell = Farewell { reason: Reason::Aborted, code: 0, detail };
            // The event of its end comes by the filter.
            endpoint.disconnect(now, attempt, CloseMode::Now, farewell);
        }
    }

    fn hurry_streams(&mut self, now: Instant) {
        if self.streams.next > 0 {
            self.streams.next_at = self.streams.next_at.min(now);
        }
    }
}

impl Turn {
    /// The address whose turn it is.
    fn take(&mut self, now: Instant, addresses: &[SocketAddr]) -> Option<SocketAddr> {
        let address = addresses.get(self.next).copied().filter(|_| self.next_at <= now)?;
        self.next += 1;
        Some(address)
    }
}

/// A failure before there was a peer: its id is 0.
pub(super) fn failed(reason: Reason, detail: &str) -> Event {
    let reason = Disconnected { reason, origin: Origin::Local, code: 0, detail: Payload::from(detail) };
    Event::Disconnected { peer: PeerId::from_u64(0), reason: Box::new(reason) }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use tme_core::datagram::LinkKind;

    use super::*;

    fn trying(now: Instant) -> Trying {
        let address = SocketAddr::from(([127, 0, 0, 1], 7));
        let stream = StreamId { number: NonZeroU32::MIN, kind: LinkKind::Tcp };
        Trying {
            addresses: vec![address],
            datagrams: Turn { next: 1, next_at: now },
            streams: Turn { next: 1, next_at: now },
            attempts: vec![PeerId::from_u64(7)],
            opening: vec![(stream, address)],
            streamed: Vec::new(),
            failure: None,
            end: None,
            streams_until: now + Duration::from_secs(5),
        }
    }

    fn end(reason: Reason) -> Event {
        let reason = Disconnected { reason, origin: Origin::Remote, code: 0, detail: Payload::default() };
        Event::Disconnected { peer: PeerId::from_u64(7), reason: Box::new(reason) }
    }

    fn told(trying: &Trying) -> Option<Reason> {
        match trying.end.as_ref()? {
            Event::Disconnected { reason, .. } => Some(reason.reason),
            _ => None,
        }
    }

    #[test]
    fn what_a_server_answers_to_datagrams_it_would_answer_to_streams() {
        let now = Instant::from_micros(5);
        for (reason, goes_on) in
            [(Reason::Full, false), (Reason::UntrustedKey, false), (Reason::ConnectTimedOut, true)]
        {
            let mut trying = trying(now);
            trying.handle_failed(now, end(reason));
            assert_eq!(trying.has_more(), goes_on, "{reason}");
            assert_eq!(told(&trying), Some(reason));
        }
    }

    #[test]
    fn of_several_ends_the_one_that_says_most_is_told() {
        let now = Instant::from_micros(5);
        let mut trying = trying(now);
        for reason in [Reason::Aborted, Reason::ConnectTimedOut, Reason::Full, Reason::ConnectTimedOut] {
            trying.handle_failed(now, end(reason));
        }
        assert_eq!(told(&trying), Some(Reason::Full));
    }

    #[test]
    fn streams_are_waited_for_no_longer_than_the_game_said() {
        let now = Instant::from_micros(5);
        let mut trying = trying(now);
        assert_eq!(trying.poll_timeout(), Some(now + Duration::from_secs(5)));
        trying.stop_streams();
        assert_eq!((trying.poll_timeout(), trying.has_more()), (None, false));
    }
}
