//! One turn of the engine: commands in, datagrams out, waiting, datagrams in, events out. Inline and threaded drive
//! are this same code.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tme_core::channel::ChannelId;
use tme_core::connection::{CloseMode, Event, Farewell, PeerId, SendOptions, TransmitLimits};
use tme_core::datagram::{Path, Transmit};
use tme_core::endpoint::Endpoint;
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;
use tme_core::random::Random;
use tme_core::time::Instant;

use super::EngineError;
use super::arena::Place;
use super::conditions::{Conditions, Meta};
use super::connector::Connector;
use super::outbox::{
    Batch, Body, Change, Command, Direction, Ending, Judged, NOBODY, RateCap, Verdict, expired_unsent,
};
use super::rebind::Trouble;
use super::shared::{Shared, StopRequest};
use crate::clock::Clock;
use crate::link::udp::UdpLink;
use crate::link::{DATAGRAM_BYTES_MAX, Link, LinkStats, SendError, SendOutcome, Watch};
use crate::poller::{Poller, Token};
use crate::random::SystemRandom;
use crate::resolve::Resolver;

const SOCKET: Token = Token(0);
/// Datagrams taken from the socket before timers and sending get their turn.
const RECEIVE_BATCH: usize = 256;
/// Datagrams of one peer in one system call, where segmentation offload takes them.
const SEGMENTS_MAX: usize = 64;
/// Bytes in one system call: the largest UDP payload. With less, a connection set to the largest datagrams could never
/// build one.
const TRANSMIT_BYTES_MAX: usize = DATAGRAM_BYTES_MAX;
/// Events waiting for the game beyond which no new peers are admitted: a game that does not read gains no players.
const EVENTS_MAX: usize = 1 << 20;
/// How old published statistics may be.
const STATISTICS_AGE_MAX: Duration = Duration::from_millis(100);

/// What the game took from the event queue, for flow control.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consumed {
    pub peer: PeerId,
    pub channel: ChannelId,
    pub bytes: u64,
    pub messages: u64,
    /// Word of what became of sent messages.
    pub receipts: u64,
}

/// Whatever one thread needs to run an endpoint on a link.
pub(super) struct Driver {
    pub endpoint: Endpoint,
    link: Link,
    poller: Poller,
    clock: Clock,
    random: SystemRandom,
    resolver: Option<Resolver>,
    connector: Option<Connector>,
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
    /// What the socket could not take yet.
    blocked: Option<Blocked>,
    events: VecDeque<Event>,
    is_receivable: bool,
    /// When the socket was last found empty.
    emptied_at: Instant,
    trouble: Trouble,
    gathering: Duration,
    /// What the engine's figures were published for last.
    published: (LinkStats, usize),
}

struct Blocked {
    transmit: Transmit,
    sent_bytes: usize,
}

/// What a driver is made of.
pub(super) struct DriverParts {
    pub endpoint: Endpoint,
    pub link: Link,
    pub poller: Poller,
    pub clock: Clock,
    pub random: SystemRandom,
    pub resolver: Option<Resolver>,
    pub connector: Option<Connector>,
    pub shared: Arc<Shared>,
    pub gathering: Duration,
}

impl Driver {
    pub fn new(parts: DriverParts) -> std::io::Result<Self> {
        let DriverParts { endpoint, mut link, poller, clock, random, resolver, connector, shared, gathering } =
            parts;
        link.register(&poller, SOCKET)?;
        let mut driver = Self {
            endpoint,
            link,
            poller,
            clock,
            random,
            resolver,
            connector,
            conditions: Conditions::default(),
            conditions_published_at: None,
            shared,
            batch: Batch::default(),
            touched: Vec::new(),
            stale: Vec::new(),
            refresh_at: None,
            consumed: Vec::new(),
            transmit_buffer: Vec::with_capacity(TRANSMIT_BYTES_MAX),
            blocked: None,
            events: VecDeque::new(),
            is_receivable: true,
            emptied_at: Instant::ZERO,
            trouble: Trouble::default(),
            gathering,
            published: Default::default(),
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

    /// Whether datagrams were left in the socket when the last turn ended.
    pub const fn has_more_to_receive(&self) -> bool {
        self.is_receivable
    }

    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Events of the turns so far.
    pub fn events_mut(&mut self) -> &mut VecDeque<Event> {
        &mut self.events
    }

    /// Does everything that can be done, waiting at most `timeout` for news first. Gives whether a wake handle ended
    /// the wait.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<bool, EngineError> {
        let now = self.clock.now();
        // Timers wait until the socket was read: after a pause of the host the answers they wait for lie there.
        self.take_commands(now);
        self.flush(now)?;
        self.collect_events(now);

        self.shared.fall_asleep();
        let wait = self.time_to_wait(now, timeout);
        let woken = self.poller.wait(wait);
        self.shared.wake_up();
        let woken = woken.map_err(|error| EngineError::Wait(error.to_string()))?;
        if woken.ready_count > 0 || self.link.has_waiting() {
            self.is_receivable = true;
        }
        let is_writable = self.link.take_writable()
            || self.poller.events().any(|event| event.token() == SOCKET && event.is_writable());
        let now = self.clock.now();
        if is_writable && self.blocked.is_some() {
            self.retry_blocked()?;
        }
        self.tell_unix_time();
        self.receive(now)?;
        self.take_commands(now);
        self.handle_due(now)?;
        self.flush(now)?;
        self.collect_events(now);
        Ok(woken.by_handle)
    }

    /// Sends what is queued, without waiting for anything.
    pub fn flush_now(&mut self) -> Result<(), EngineError> {
        let now = self.clock.now();
        self.shared.ask_flush();
        self.take_commands(now);
        self.flush(now)
    }

    fn time_to_wait(&mut self, now: Instant, timeout: Option<Duration>) -> Option<Duration> {
        if self.is_receivable || !self.events.is_empty() {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.endpoint.poll_timeout(),
            self.conditions.poll_timeout(),
            self.resolver.as_ref().and_then(Resolver::poll_timeout),
            self.connector.as_ref().and_then(Connector::poll_timeout),
            self.shared.commands_due_at(self.gathering),
            self.refresh_at,
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

    // ---- commands ----

    fn take_commands(&mut self, now: Instant) {
        if self.shared.commands_due_at(self.gathering).is_none_or(|at| at > now) {
            return;
        }
        if let Some(link) = self.shared.socket.take() {
            self.change_link(now, *link);
        }
        {
            let mut outbox = self.shared.outbox.lock();
            outbox.take(&mut self.batch);
            self.shared.handle_taken();
        }
        self.shared.take_consumed(&mut self.consumed);
        for consumed in self.consumed.drain(..) {
            let Consumed { peer, channel, bytes, messages, receipts } = consumed;
            if messages > 0 {
                self.endpoint.consume(peer, channel, bytes, messages);
            }
            if receipts > 0 {
                self.endpoint.consume_receipts(peer, channel, receipts);
            }
        }
        let mut batch = std::mem::take(&mut self.batch);
        self.touched.clear();
        for change in batch.changes.drain(..) {
            self.change_conditions(now, change);
        }
        if let Some(information) = batch.information.take() {
            self.endpoint.set_information(information);
        }
        for RateCap { peer, rate } in batch.caps.drain(..) {
            self.endpoint.set_rate_max(peer, rate);
        }
        for Judged { peer, verdict } in batch.judged.drain(..) {
            // Its time may be up in the meantime; then `Disconnected` is on its way to the game.
            let _ = match verdict {
                Verdict::Accept(user_data) => self.endpoint.accept(now, peer, user_data),
                Verdict::Refuse(refusal) => self.endpoint.refuse(now, peer, refusal),
            };
        }
        let mut commands = std::mem::take(&mut batch.commands);
        for command in commands.drain(..) {
            self.obey(now, command, &batch);
        }
        batch.commands = commands;
        for peer in batch.clocks.drain(..) {
            self.endpoint.synchronise_clock(now, peer);
        }
        for Ending { peer, mode, farewell } in batch.endings.drain(..) {
            self.endpoint.disconnect(now, peer, mode, farewell);
        }
        batch.targets.clear();
        batch.wishes.clear();
        batch.bytes = 0;
        let mut outbox = self.shared.outbox.lock();
        outbox.give_arenas(batch.arenas.drain(..));
        for &peer in &self.touched {
            if let Some(connection) = self.endpoint.connection(peer) {
                outbox.handle_arrived(connection);
            }
        }
        while let Some(peer) = outbox.poll_starved() {
            if let Some(connection) = self.endpoint.connection(peer) {
                let events = &mut self.events;
                let is_too_young = outbox.update_peer(now, connection, STATISTICS_AGE_MAX, |channel| {
                    events.push_back(Event::Writable { peer, channel });
                });
                if is_too_young {
                    self.stale.push(peer);
                    self.refresh_at.get_or_insert(now + STATISTICS_AGE_MAX);
                }
            }
        }
        drop(outbox);
        self.batch = batch;
    }

    fn obey(&mut self, now: Instant, command: Command, batch: &Batch) {
        match command {
            Command::Send { peer, channel, terms, body } => {
                if let Some(payload) = payload_of(body, &batch.arenas) {
                    self.send(now, peer, channel, payload, batch.options(terms, now));
                }
            }
            Command::Multicast { targets: range, channel, terms, body } => {
                let Some(payload) = payload_of(body, &batch.arenas) else { return };
                let options = batch.options(terms, now);
                for &peer in batch.targets.get(range.start as usize..range.end as usize).unwrap_or_default() {
                    self.send(now, peer, channel, payload.clone(), options);
                }
            }
        }
    }

    /// Goes on through another socket.
    fn change_link(&mut self, now: Instant, link: UdpLink) {
        let mut link = Link::from(link);
        if let Err(error) = link.register(&self.poller, SOCKET) {
            return log::warn!("{}: cannot wait for this socket: {error}", link.local_address());
        }
        log::info!("sending from {} instead of {}", link.local_address(), self.link.local_address());
        self.link = link;
        // What the old socket did not take is lost with it.
        self.blocked = None;
        self.is_receivable = true;
        self.endpoint.handle_rebind(now);
    }

    /// Replaces a socket that is of no use any more; `false`: there is no other to be had, or it may not be.
    fn replace_link(&mut self, now: Instant) -> bool {
        let Some(connection) = self.endpoint.peers().next().and_then(|peer| self.endpoint.connection(peer))
        else {
            return false;
        };
        if let Err(error) = self.shared.socket.bind(None, connection.path().remote) {
            log::debug!("no other socket: {error}");
            return false;
        }
        if let Some(link) = self.shared.socket.take() {
            self.change_link(now, *link);
        }
        true
    }

    fn change_conditions(&mut self, now: Instant, change: Change) {
        let peer = change.peer;
        let seed = self.random.next_u64();
        let mut outbox = self.shared.outbox.lock();
        let Some(remote) = outbox.remote_of(peer) else { return };
        let result = self.conditions.set(now, remote, change, seed);
        outbox.set_condition_figures(peer, self.conditions.figures(remote));
        drop(outbox);
        if let Err(error) = result {
            log::warn!("{peer}: network conditions not changed: {error}");
        }
    }

    fn send(
        &mut self,
        now: Instant,
        peer: PeerId,
        channel: ChannelId,
        payload: Payload,
        options: SendOptions,
    ) {
        if self.touched.last() != Some(&peer) {
            self.touched.push(peer);
        }
        // The outbox has checked everything; what fails here lost its peer in between.
        if let Err(error) = self.endpoint.send(now, peer, channel, payload, options) {
            log::debug!("{peer}: message dropped on its way to the connection: {error}");
            self.shared.count_dropped_send();
            // The peer is leaving, and not gone for the game: that is told later. Of those gone the outbox has told.
            let receipt = options.receipt.filter(|_| peer != NOBODY);
            self.events.extend(receipt.map(|token| expired_unsent(peer, channel, token)));
        }
    }

    // ---- time ----

    fn handle_due(&mut self, now: Instant) -> Result<(), EngineError> {
        self.refresh_stale(now);
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
        }
        if !self.conditions.is_empty() {
            self.deliver_modelled(now)?;
        }
        if let (Some(resolver), Some(connector)) = (&mut self.resolver, &mut self.connector) {
            while let Some(resolution) = resolver.poll(now) {
                self.events.extend(connector.handle_resolution(now, resolution));
            }
        }
        if let Some(connector) = &mut self.connector {
            let link = &self.link;
            let event =
                connector.handle_timeout(now, &mut self.endpoint, &mut self.random, |to| link.can_reach(to));
            self.events.extend(event);
        }
        Ok(())
    }

    fn deliver_modelled(&mut self, now: Instant) -> Result<(), EngineError> {
        let Self { conditions, endpoint, link, random, .. } = self;
        let mut result = Ok(());
        conditions.deliver(now, |direction, bytes, meta| match direction {
            Direction::Incoming => endpoint.handle_datagram(now, meta.path, meta.ecn, bytes, random),
            Direction::Outgoing => {
                let transmit =
                    Transmit { path: meta.path, ecn: meta.ecn, bytes: bytes.len(), segment_bytes: None };
                // A full socket buffer is one more queue that drops on a modelled path.
                if let Err(error) = link.send(&transmit, bytes) {
                    result = Err(EngineError::Socket(error.to_string()));
                }
            }
        });
        result
    }

    // ---- datagrams ----

    fn receive(&mut self, now: Instant) -> Result<(), EngineError> {
        if !self.is_receivable {
            return Ok(());
        }
        let Self { endpoint, link, random, conditions, emptied_at, clock, .. } = self;
        let received = link.receive_timed(RECEIVE_BATCH, |bytes, path: Path, ecn, waited| {
            let is_modelled = !conditions.is_empty() && {
                // Whoever comes from another address than before is still the same on a modelled path.
                let known = endpoint.remote_of_packet(bytes).unwrap_or(path.remote);
                conditions.handle(now, (Direction::Incoming, known), bytes, Meta { path, ecn })
            };
            if !is_modelled {
                // It was not there yet when the socket was last empty, whatever the wall clock says. `now` may be earlier
                // than its arrival, which would make the bounds of clocks untrue; later they are only wider.
                let arrived_at = (clock.now() - waited).max(*emptied_at);
                endpoint.handle_late_datagram(now, arrived_at, path, ecn, bytes, random);
            }
        });
        let received = match received {
            Ok(received) => received,
            Err(error) if self.survives(&error) => return Ok(()),
            Err(error) => return Err(EngineError::Socket(error.to_string())),
        };
        self.is_receivable = received.more;
        if !received.more {
            self.emptied_at = now;
        }
        while let Some(hint) = self.link.poll_hint() {
            log::debug!("network says: {hint:?}");
        }
        Ok(())
    }

    fn flush(&mut self, now: Instant) -> Result<(), EngineError> {
        if self.blocked.is_some() {
            return Ok(());
        }
        loop {
            let limits = TransmitLimits {
                segments: self.link.max_gso_segments().min(SEGMENTS_MAX),
                bytes: TRANSMIT_BYTES_MAX,
            };
            let Some(transmit) = self.endpoint.poll_transmit(now, limits, &mut self.transmit_buffer) else {
                return Ok(());
            };
            if !self.conditions.is_empty() && self.model_outgoing(now, &transmit) {
                continue;
            }
            if !self.send_from(transmit, 0)? {
                return Ok(());
            }
        }
    }

    fn model_outgoing(&mut self, now: Instant, transmit: &Transmit) -> bool {
        let meta = Meta { path: transmit.path, ecn: transmit.ecn };
        let segment = transmit.segment_bytes.unwrap_or(transmit.bytes).max(1);
        let mut datagrams = self.transmit_buffer.chunks(segment);
        datagrams
            .all(|bytes| self.conditions.handle(now, (Direction::Outgoing, meta.path.remote), bytes, meta))
    }

    /// Hands the buffer from `start` on to the socket; `false` if it has to wait.
    fn send_from(&mut self, transmit: Transmit, start: usize) -> Result<bool, EngineError> {
        let rest = self.transmit_buffer.get(start..transmit.bytes).unwrap_or_default();
        let part = Transmit { bytes: rest.len(), ..transmit };
        match self.link.send(&part, rest) {
            Ok(SendOutcome::Sent) => {
                self.trouble.handle_sent();
                Ok(true)
            }
            Ok(SendOutcome::Dropped(hint)) => {
                let now = self.clock.now();
                if self.trouble.handle_refused(now, hint) {
                    self.replace_link(now);
                }
                Ok(true)
            }
            Ok(SendOutcome::WouldBlock { sent_bytes }) => {
                self.blocked = Some(Blocked { transmit, sent_bytes: start + sent_bytes });
                let watched = self.link.watch_writable(&self.poller, Watch::On);
                watched.map_err(|error| EngineError::Socket(error.to_string()))?;
                Ok(false)
            }
            Err(SendError::Socket(error)) if self.survives(&error) => Ok(true),
            Err(error) => Err(EngineError::Socket(error.to_string())),
        }
    }

    /// Whether the engine goes on, through another socket, after this one has broken.
    fn survives(&mut self, error: &dyn std::fmt::Display) -> bool {
        let now = self.clock.now();
        let is_replaced = self.trouble.may_rebind(now) && self.replace_link(now);
        if is_replaced {
            log::warn!("the socket no longer works: {error}");
        }
        is_replaced
    }

    fn retry_blocked(&mut self) -> Result<(), EngineError> {
        let Some(Blocked { transmit, sent_bytes }) = self.blocked.take() else { return Ok(()) };
        if self.send_from(transmit, sent_bytes)? {
            let watched = self.link.watch_writable(&self.poller, Watch::Off);
            watched.map_err(|error| EngineError::Socket(error.to_string()))?;
        }
        Ok(())
    }

    // ---- events ----

    /// Moves the endpoint's events to where the game finds them, and tells the outbox what has changed.
    fn collect_events(&mut self, now: Instant) {
        let outbox: &Mutex<_> = &self.shared.outbox;
        while let Some(event) = self.endpoint.poll_event() {
            if let Some(connector) = &mut self.connector
                && !connector.filter(now, &event)
            {
                continue;
            }
            match &event {
                Event::Admission { peer, info } => outbox.lock().insert_applicant(*peer, info),
                Event::Connected { peer, info } => {
                    log::info!("{peer} connected from {} as number {}", info.remote, info.number);
                    if let Some(connection) = self.endpoint.connection(*peer) {
                        outbox.lock().insert_peer(now, connection, info);
                    }
                }
                Event::Disconnected { peer, reason } => {
                    log::info!("{peer} disconnected: {reason}");
                    if let Some(remote) = outbox.lock().remove_peer(*peer, &mut self.events) {
                        self.conditions.remove(remote);
                    }
                }
                Event::AddressChanged { peer, remote } => {
                    let former = outbox.lock().set_remote(*peer, *remote);
                    log::info!("{peer} goes on from {remote}");
                    if let Some(former) = former {
                        self.conditions.handle_moved(former, *remote);
                    }
                }
                // The outbox knows better: its own queue comes before the connection's.
                Event::Writable { .. } => continue,
                _ => {}
            }
            self.events.push_back(event);
        }
        self.publish(now);
        self.endpoint.set_admitting(self.events.len() + self.shared.events_waiting() < EVENTS_MAX);
    }

    fn publish(&mut self, now: Instant) {
        let first = self.endpoint.poll_changed();
        // Strangers change no peer, and yet the figures of the whole.
        let state = (*self.link.stats(), self.endpoint.connection_count());
        if first.is_some() || state != self.published {
            self.shared.publish(self.endpoint.statistics(), state.0);
            self.published = state;
        }
        self.publish_conditions(now);
        let Some(mut peer) = first else { return };
        let mut outbox = self.shared.outbox.lock();
        loop {
            if let Some(connection) = self.endpoint.connection(peer) {
                let events = &mut self.events;
                let is_too_young = outbox.update_peer(now, connection, STATISTICS_AGE_MAX, |channel| {
                    events.push_back(Event::Writable { peer, channel });
                });
                if is_too_young {
                    self.stale.push(peer);
                    self.refresh_at.get_or_insert(now + STATISTICS_AGE_MAX);
                }
            }
            match self.endpoint.poll_changed() {
                Some(next) => peer = next,
                None => break,
            }
        }
    }

    /// What modelled links count changes also when nothing reaches the connection, which is the point of some.
    fn publish_conditions(&mut self, now: Instant) {
        if !self.conditions.is_counting() {
            return;
        }
        let due_at = self.conditions_published_at.map(|at| at + STATISTICS_AGE_MAX);
        if let Some(due_at) = due_at.filter(|&due_at| due_at > now) {
            self.refresh_at.get_or_insert(due_at);
            return;
        }
        self.conditions_published_at = Some(now);
        let mut outbox = self.shared.outbox.lock();
        for (peer, figures) in self.conditions.take_figures() {
            outbox.set_condition_figures(peer, figures);
        }
    }

    /// Takes the last figures of peers that have fallen silent.
    fn refresh_stale(&mut self, now: Instant) {
        if self.refresh_at.is_none_or(|at| at > now) {
            return;
        }
        self.refresh_at = None;
        let mut outbox = self.shared.outbox.lock();
        for peer in self.stale.drain(..) {
            if let Some(connection) = self.endpoint.connection(peer) {
                let events = &mut self.events;
                outbox.update_peer(now, connection, Duration::ZERO, |channel| {
                    events.push_back(Event::Writable { peer, channel });
                });
            }
        }
    }

    /// Takes what is queued, says goodbye, and goes on until everybody is gone or time is up.
    pub fn wind_down(&mut self, request: &StopRequest) -> Result<(), EngineError> {
        self.flush_now()?;
        self.say_goodbye(request.mode, &request.farewell)?;
        let mut events = VecDeque::new();
        while !self.is_deserted() {
            let left = request.deadline.saturating_since(self.now());
            if left.is_zero() {
                break;
            }
            self.turn(Some(left))?;
            // Taken aside, so that their presence does not keep the driver from sleeping.
            events.append(&mut self.events);
        }
        self.cut_flushes_short()?;
        self.abandon_closing();
        events.append(&mut self.events);
        self.events = events;
        Ok(())
    }

    /// Says goodbye to everybody, as far as that goes without waiting.
    fn say_goodbye(&mut self, mode: CloseMode, farewell: &Farewell) -> Result<(), EngineError> {
        let now = self.clock.now();
        let peers: Vec<PeerId> = self.endpoint.peers().collect();
        for peer in peers {
            self.endpoint.disconnect(now, peer, mode, farewell.clone());
        }
        self.endpoint.refuse_applicants(now, Reason::Shutdown);
        self.endpoint.abandon_unconfirmed(now);
        self.endpoint.set_admitting(false);
        self.flush(now)
    }

    /// Tells those peers of their end at once that were to hear of it when all messages had gone through: one that never
    /// hears of it waits for its idle time-out.
    fn cut_flushes_short(&mut self) -> Result<(), EngineError> {
        self.endpoint.cut_flushes_short();
        self.flush(self.clock.now())
    }

    /// Ends the connections whose other side has not answered the goodbye: the game hears of the end of each.
    fn abandon_closing(&mut self) {
        self.endpoint.abandon_closing();
        self.collect_events(self.clock.now());
    }

    /// Whether every connection has ended.
    fn is_deserted(&self) -> bool {
        self.endpoint.connection_count() == 0
    }
}

fn payload_of(body: Body, arenas: &[Arc<Vec<u8>>]) -> Option<Payload> {
    match body {
        Body::Shared(payload) => Some(payload),
        Body::Copied(Place { arena, start, length }) => {
            let start = start as usize;
            Payload::from_shared(arenas.get(arena as usize)?, start..start + length as usize)
        }
    }
}
