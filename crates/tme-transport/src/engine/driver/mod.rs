//! One turn of the engine: commands in, datagrams out, waiting, datagrams in, events out. Inline and threaded drive
//! are this same code.

mod commands;
mod datagrams;
mod goodbye;
mod mail;
mod publish;
mod streams;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tme_core::connection::{Event, PeerId};
use tme_core::endpoint::Endpoint;
use tme_core::time::Instant;

use self::goodbye::Parting;
use super::EngineError;
use super::announcer::Announcer;
use super::conditions::Conditions;
use super::connector::{Connector, Ways};
use super::links::Links;
use super::outbox::Batch;
use super::post::{Letter, Post, PostStatistics};
use super::shared::{Consumed, DriverFigures, Shared};
use crate::clock::Clock;
use crate::link::stream::Streams;
use crate::link::{DATAGRAM_BYTES_MAX, Link};
use crate::poller::Poller;
use crate::random::SystemRandom;
use crate::resolve::Resolver;

/// Bytes in one system call: the largest UDP payload. With less, a connection set to the largest datagrams could never
/// build one.
const TRANSMIT_BYTES_MAX: usize = DATAGRAM_BYTES_MAX;
/// Whatever one thread needs to run an endpoint on its links.
pub(super) struct Driver {
    endpoint: Endpoint,
    links: Links,
    streams: Streams,
    poller: Poller,
    clock: Clock,
    random: SystemRandom,
    resolver: Option<Resolver>,
    connector: Option<Connector>,
    announcer: Option<Announcer>,
    conditions: Conditions,
    conditions_published_at: Option<Instant>,
    shared: Arc<Shared>,
    /// Commands taken from the outbox; its buffers are used again.
    batch: Batch,
    /// Peers that the commands of this turn sent to.
    touched: Vec<PeerId>,
    /// Peers whose published figures are not their latest, and when that is to be mended.
    stale: Vec<PeerId>,
    refresh_at: Option<Instant>,
    consumed: Vec<Consumed>,
    transmit_buffer: Vec<u8>,
    events: VecDeque<Event>,
    gathering: Duration,
    parting: Option<Parting>,
    /// What the engine's figures were published for last.
    published: (DriverFigures, usize),
    /// Where this is one of several network threads.
    post: Option<Arc<Post>>,
    letters: VecDeque<Letter>,
    posted: PostStatistics,
}

/// What a driver is made of.
pub(super) struct DriverParts {
    pub endpoint: Endpoint,
    pub link: Link,
    pub streams: Streams,
    pub poller: Poller,
    pub clock: Clock,
    pub random: SystemRandom,
    pub resolver: Option<Resolver>,
    pub connector: Option<Connector>,
    pub announcer: Option<Announcer>,
    pub shared: Arc<Shared>,
    pub gathering: Duration,
    /// Where this is one of several network threads.
    pub post: Option<Arc<Post>>,
}

impl Driver {
    pub fn new(parts: DriverParts) -> std::io::Result<Self> {
        let DriverParts {
            endpoint,
            link,
            streams,
            poller,
            clock,
            random,
            resolver,
            connector,
            announcer,
            shared,
            gathering,
            post,
        } = parts;
        let mut links = Links::default();
        links.attach(link, &poller)?;
        let mut driver = Self {
            endpoint,
            links,
            streams,
            poller,
            clock,
            random,
            resolver,
            connector,
            announcer,
            conditions: Conditions::default(),
            conditions_published_at: None,
            shared,
            batch: Batch::default(),
            touched: Vec::new(),
            stale: Vec::new(),
            refresh_at: None,
            consumed: Vec::new(),
            transmit_buffer: Vec::with_capacity(TRANSMIT_BYTES_MAX),
            events: VecDeque::new(),
            gathering,
            parting: None,
            published: Default::default(),
            post,
            letters: VecDeque::new(),
            posted: PostStatistics::default(),
        };
        // A server that takes tokens takes none that were issued before now.
        driver.tell_unix_time();
        Ok(driver)
    }

    fn tell_unix_time(&mut self) {
        if self.endpoint.wants_unix_time() {
            self.endpoint.handle_unix_time(self.clock.unix_time());
        }
    }

    /// Whether datagrams were left in a socket when the last turn ended.
    pub fn has_more_to_receive(&self) -> bool {
        self.links.is_any_receivable() || self.streams.is_any_receivable()
    }

    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Events of the turns so far.
    pub fn events_mut(&mut self) -> &mut VecDeque<Event> {
        &mut self.events
    }

    /// Does everything that can be done, waiting at most `timeout` for news first.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<(), EngineError> {
        let now = self.clock.now();
        // Timers wait until the socket was read: after a pause of the host the answers they wait for lie there.
        self.take_commands(now);
        self.flush(now)?;
        self.collect_events(now);

        self.shared.fall_asleep();
        let wait = self.time_to_wait(now, timeout);
        let woken = self.poller.wait(wait);
        self.shared.wake_up();
        woken.map_err(|error| EngineError::Wait(error.to_string()))?;
        self.links.handle_wait(&self.poller);
        self.streams.handle_wait(&self.poller);
        if let Some(announcer) = &mut self.announcer {
            announcer.handle_wait(&self.poller);
        }
        let now = self.clock.now();
        self.send_kept()?;
        self.tell_unix_time();
        self.receive(now)?;
        self.receive_streams(now);
        self.take_mail(now);
        self.take_commands(now);
        if let Some(announcer) = &mut self.announcer {
            announcer.answer(now, &self.endpoint, &self.poller);
        }
        self.handle_due(now)?;
        self.flush(now)?;
        self.collect_events(now);
        self.advance_parting(now)
    }

    /// Sends what is queued, without waiting for anything.
    pub fn flush_now(&mut self) -> Result<(), EngineError> {
        let now = self.clock.now();
        self.shared.ask_flush();
        self.take_commands(now);
        self.flush(now)
    }

    fn time_to_wait(&mut self, now: Instant, timeout: Option<Duration>) -> Option<Duration> {
        if self.has_more_to_receive() || !self.events.is_empty() || self.has_mail() {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.endpoint.poll_timeout(),
            self.conditions.poll_timeout(),
            self.resolver.as_ref().and_then(Resolver::poll_timeout),
            self.connector.as_ref().and_then(Connector::poll_timeout),
            self.streams.poll_timeout(),
            self.announcer.as_ref().map(Announcer::poll_timeout),
            self.shared.commands_due_at(self.gathering),
            self.refresh_at,
            self.parting_due_at(),
        ];
        // An instant that is not there must not be compared, not even beside its absence: valgrind, which those who link us
        // use, would take every wait for a decision on undefined memory.
        const NEVER: Instant = Instant::from_micros(u64::MAX);
        let next = deadlines.into_iter().fold(NEVER, |next, at| next.min(at.unwrap_or(NEVER)));
        let next = (next != NEVER).then(|| next.saturating_since(now));
        match (next, timeout) {
            (Some(next), Some(timeout)) => Some(next.min(timeout)),
            (next, timeout) => next.or(timeout),
        }
    }

    /// Whatever is due by now.
    fn handle_due(&mut self, now: Instant) -> Result<(), EngineError> {
        self.refresh_stale(now);
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
        }
        self.streams.handle_timeout(now);
        self.handle_stream_news(now);
        if !self.conditions.is_empty() {
            self.deliver_modelled(now)?;
        }
        if let (Some(resolver), Some(connector)) = (&mut self.resolver, &mut self.connector) {
            while let Some(resolution) = resolver.poll(now) {
                self.events.extend(connector.handle_resolution(now, resolution));
            }
        }
        if let Some(connector) = &mut self.connector {
            let Self { endpoint, random, links, streams, poller, .. } = self;
            let mut ways = Ways { endpoint, random, links, streams, poller };
            self.events.extend(connector.handle_timeout(now, &mut ways));
        }
        Ok(())
    }
}
