//! Streams: datagrams in TCP connections, accepted and opened (`docs/PROTOCOL.md`, section 12).
//!
//! A driver has one [`Streams`], whatever number of sockets that is. It knows nothing of connections: the driver says which
//! streams are [claimed](Streams::claim) by one, and which are [released](Streams::release).

mod failure;
mod framing;
mod pipe;
mod socket;
#[cfg(test)]
mod tests;
mod tls;
mod websocket;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub use failure::{FailureCounts, StreamFailure};
use mio::Token;
use mio::net::TcpListener;
use pipe::Pipe;
pub use tls::{TlsCertificate, TlsClient, TlsError, TlsTrust};
use tme_core::datagram::{LinkKind, Path, StreamId};
use tme_core::stream::proxy::TrustedProxies;
use tme_core::time::Instant;

use super::udp::{BindError, address};
use crate::poller::Poller;

/// Tokens of listeners and streams begin here; those of links that carry datagrams are lower.
const TOKENS_FROM: usize = 1 << 28;
/// Listeners of one driver.
const LISTENERS_MAX: usize = 16;
/// Numbers of streams are used again after so many.
const NUMBERS: u32 = 1 << 28;
/// New streams accepted in a turn: a storm of them must not hold up those who play.
const ACCEPTED_PER_TURN: usize = 16;
/// Streams that nobody has claimed yet; beyond it the oldest gives way.
const UNCLAIMED_MAX: usize = 1_024;
/// How long the first bytes of a stream may take.
const FIRST_BYTES_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a stream may take no byte although some wait.
const STALL_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a released stream may take for its last bytes.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long no stream is accepted after the system was out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Bytes that wait for a stream which nobody has claimed: answers of a handshake. One that takes none of them ends.
const WAITING_UNCLAIMED_MAX: usize = 16 << 10;
/// Bytes read from one stream before the others get their turn.
const READ_BYTES_PER_TURN: usize = 256 << 10;
const SCRATCH_BYTES: usize = 64 << 10;

/// Settings of a driver's streams.
#[derive(Clone, Debug)]
pub struct StreamsConfig {
    /// Streams at a time; further ones are closed as they come.
    pub streams_max: usize,
    /// How long a stream may live without carrying a connection.
    pub claim_time: Duration,
    /// With it, streams that are accepted may be TLS.
    pub certificate: Option<TlsCertificate>,
    /// With it, streams that are opened are TLS.
    pub tls: Option<TlsClient>,
    /// Who passes streams on for others, and has to say for whom.
    pub proxies: TrustedProxies,
}

impl Default for StreamsConfig {
    fn default() -> Self {
        Self {
            streams_max: 4_096,
            claim_time: Duration::from_secs(10),
            certificate: None,
            tls: None,
            proxies: TrustedProxies::default(),
        }
    }
}

/// Where a stream is to lead.
#[derive(Clone, Copy, Debug)]
pub struct StreamTarget<'a> {
    /// Its other end.
    pub remote: SocketAddr,
    /// How datagrams travel in it.
    pub kind: LinkKind,
    /// `host:port` as the server is called: for whoever stands before it, and for its certificate.
    pub authority: &'a str,
}

/// What happened to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// A stream that was opened here has reached the other side.
    Opened(StreamId),
    /// A stream has room again after [`Queued::Full`].
    Room(StreamId),
    /// It is gone.
    Ended(StreamId, StreamFailure),
}

/// What became of a datagram that was given to a stream.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It is on its way.
    Yes,
    /// It is on its way, and there should be no more before [`StreamEvent::Room`].
    Full,
    /// The stream is gone or overfull; the datagram is lost.
    Lost,
}

/// A stream on its way to the driver that it belongs to, with what has come in it.
#[derive(Debug)]
pub struct MovingStream {
    stream: Stream,
    datagrams: Vec<Vec<u8>>,
}

/// Whether it is settled which driver a stream belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// This is the first datagram that was accepted here: it decides.
    Now,
    /// It stays.
    Already,
}

/// Where a stream belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// Here: the datagram was taken.
    Here,
    /// To the driver with this index: the datagram was not taken.
    To(usize),
}

/// What streams have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamStatistics {
    /// Streams accepted.
    pub accepted: u64,
    /// Streams opened from here that reached the other side.
    pub opened: u64,
    /// Streams there are.
    pub open: usize,
    /// Datagrams that came in.
    pub datagrams_in: u64,
    /// Datagrams that went out.
    pub datagrams_out: u64,
    /// Bytes that came in, with all that streams put around datagrams.
    pub bytes_in: u64,
    /// Bytes that went out, likewise.
    pub bytes_out: u64,
    /// Streams that ended, by cause.
    pub ended: FailureCounts,
}

impl Add for StreamStatistics {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        let Self { accepted, opened, open, datagrams_in, datagrams_out, bytes_in, bytes_out, ended } = other;
        self.accepted += accepted;
        self.opened += opened;
        self.open += open;
        self.datagrams_in += datagrams_in;
        self.datagrams_out += datagrams_out;
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
        self.ended.merge(&ended);
        self
    }
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    is_ready: bool,
}

#[derive(Debug)]
struct Stream {
    pipe: Pipe,
    /// Accepted here, and nobody has claimed it yet: since when.
    unclaimed_since: Option<Instant>,
    /// It carries a connection: it lives as long as that, and its deadline tells of one that takes nothing.
    is_claimed: bool,
    /// Opened here.
    is_ours: bool,
    /// Opened here, and the other side has not answered.
    is_connecting: bool,
    /// Opened here, and the TLS handshake is not over.
    is_shaking_hands: bool,
    is_releasing: bool,
    /// The driver was told to wait for room.
    is_full: bool,
    /// Stands in `readable`.
    is_readable: bool,
    /// Stands in `dirty`.
    is_dirty: bool,
    /// It stays in this driver.
    is_placed: bool,
    deadline: Option<Instant>,
}

/// All streams of a driver.
#[derive(Debug)]
pub struct Streams {
    config: StreamsConfig,
    listeners: Vec<Listener>,
    streams: HashMap<u32, Stream>,
    next_number: u32,
    deadlines: BTreeSet<(Instant, u32)>,
    /// Accepted and unclaimed, oldest first.
    unclaimed: BTreeSet<(Instant, u32)>,
    readable: VecDeque<u32>,
    dirty: Vec<u32>,
    events: VecDeque<StreamEvent>,
    accept_again_at: Option<Instant>,
    /// What was told of the last failure to accept; nothing since one succeeded.
    accept_trouble: Option<io::ErrorKind>,
    scratch: Vec<u8>,
    statistics: StreamStatistics,
    /// Streams of all drivers of one engine.
    open_in_all: Arc<AtomicUsize>,
    moving: VecDeque<(usize, MovingStream)>,
    /// Streams that stay here and that nobody has claimed yet.
    newcomers: usize,
}

impl Streams {
    /// None yet.
    #[must_use]
    pub fn new(config: StreamsConfig) -> Self {
        Self {
            config,
            open_in_all: Arc::default(),
            moving: VecDeque::new(),
            newcomers: 0,
            listeners: Vec::new(),
            streams: HashMap::new(),
            next_number: LISTENERS_MAX as u32,
            deadlines: BTreeSet::new(),
            unclaimed: BTreeSet::new(),
            readable: VecDeque::new(),
            dirty: Vec::new(),
            events: VecDeque::new(),
            accept_again_at: None,
            accept_trouble: None,
            scratch: Vec::new(),
            statistics: StreamStatistics::default(),
        }
    }

    /// None yet, of another driver of the same engine: they count together.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { open_in_all: Arc::clone(&self.open_in_all), ..Self::new(self.config.clone()) }
    }

    /// Accepts streams at `address` from now on; gives the address with the real port.
    ///
    /// # Errors
    /// [`BindError`]: the port is in use, or not ours.
    pub fn listen(&mut self, address: SocketAddr, poller: &Poller) -> Result<SocketAddr, BindError> {
        let other = |cause| BindError::from_system(address, cause);
        if self.listeners.len() >= LISTENERS_MAX {
            return Err(other(io::Error::from(io::ErrorKind::QuotaExceeded)));
        }
        let mut socket = socket::listen(address)?;
        let token = Token(TOKENS_FROM + self.listeners.len());
        poller.registry().register(&mut socket, token, mio::Interest::READABLE).map_err(other)?;
        let address = socket.local_addr().map_err(other)?;
        self.listeners.push(Listener { socket, address, is_ready: true });
        Ok(address)
    }

    /// Where streams are accepted.
    pub fn listening(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|listener| listener.address)
    }

    /// Begins a stream to `remote`. [`StreamEvent::Opened`] or [`StreamEvent::Ended`] follows; what is sent before that waits.
    ///
    /// # Errors
    /// The system refuses at once: no route, no file descriptor.
    pub fn open(&mut self, now: Instant, target: &StreamTarget<'_>, poller: &Poller) -> io::Result<StreamId> {
        let mut socket = socket::connect(target.remote)?;
        let number = self.free_number();
        poller.registry().register(&mut socket, token_of(number), interests())?;
        let pipe = Pipe::opened(socket, target, self.config.tls.as_ref()).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "no name that a certificate could be for")
        })?;
        let id = pipe.label().id(number);
        let stream = Stream { is_ours: true, is_connecting: true, is_placed: true, ..Stream::new(pipe) };
        self.streams.insert(number, stream);
        self.open_in_all.fetch_add(1, Ordering::Relaxed);
        self.set_deadline(number, Some(now + self.config.claim_time));
        Ok(id)
    }

    fn free_number(&mut self) -> u32 {
        loop {
            let number = self.next_number;
            self.next_number = if number + 1 < NUMBERS { number + 1 } else { LISTENERS_MAX as u32 };
            if !self.streams.contains_key(&number) {
                return number;
            }
        }
    }

    // ---- what the driver knows of connections ----

    /// A stream carries a connection from now on: it may live as long as that.
    pub fn claim(&mut self, id: StreamId) {
        let number = id.number.get();
        let Some(stream) = self.streams.get_mut(&number) else { return };
        if let Some(since) = stream.unclaimed_since.take() {
            self.unclaimed.remove(&(since, number));
            self.newcomers -= usize::from(stream.is_placed);
        }
        stream.is_claimed = true;
        if !stream.is_releasing {
            self.set_deadline(number, None);
            // What waits gets its deadline there.
            self.mark_dirty(number);
        }
    }

    /// A stream carries nothing any more: it is closed when what it was given has left. One that was opened here and has
    /// carried a connection is left for the other side to close, within 5 s: a server goes on using it until it has followed its
    /// client to another way.
    pub fn release(&mut self, now: Instant, id: StreamId) {
        let number = id.number.get();
        let Some(stream) = self.streams.get_mut(&number) else { return };
        stream.is_releasing = true;
        self.set_deadline(number, Some(now + RELEASE_TIME_MAX));
        self.mark_dirty(number);
    }

    // ---- datagrams ----

    /// Notes what a wait has found.
    pub fn handle_wait(&mut self, poller: &Poller) {
        for event in poller.events() {
            let Some(number) = event.token().0.checked_sub(TOKENS_FROM) else { continue };
            if let Some(listener) = self.listeners.get_mut(number) {
                listener.is_ready = true;
                continue;
            }
            let Some(stream) = self.streams.get_mut(&(number as u32)) else { continue };
            if !std::mem::replace(&mut stream.is_readable, true) {
                self.readable.push_back(number as u32);
            }
            if event.is_writable() {
                self.mark_dirty(number as u32);
            }
        }
    }

    /// Whether something waits that no event will announce.
    #[must_use]
    pub fn is_any_receivable(&self) -> bool {
        let is_accepting = self.accept_again_at.is_none();
        !self.readable.is_empty() || (is_accepting && self.listeners.iter().any(|listener| listener.is_ready))
    }

    /// Accepts what knocks, within reason, and hands each datagram that has come to `handle`, which may change it and says where
    /// its stream belongs. What it says of the first datagram of an accepted stream counts: that stream
    /// [moves](Self::poll_moving).
    pub fn receive(
        &mut self,
        now: Instant,
        poller: &Poller,
        mut handle: impl FnMut(&mut [u8], Path, Placed) -> Belongs,
    ) {
        self.accept(now, poller);
        // Each that is readable now gets one turn.
        for _ in 0..self.readable.len() {
            let Some(number) = self.readable.pop_front() else { return };
            let Some(stream) = self.streams.get_mut(&number) else { continue };
            stream.is_readable = false;
            if std::mem::take(&mut stream.is_connecting) {
                match stream.pipe.connected() {
                    Ok(true) => stream.is_shaking_hands = true,
                    Ok(false) => {
                        stream.is_connecting = true;
                        continue;
                    }
                    Err(error) => {
                        log::debug!("{}: no stream: {error}", stream.remote());
                        self.end(number, StreamFailure::Unreachable);
                        continue;
                    }
                }
                self.mark_dirty(number);
            }
            self.tell_opened(number);
            if let Some((to, datagrams)) = self.read(number, &mut handle) {
                self.send_away(number, to, datagrams, poller);
            }
        }
    }

    /// Tells that a stream has reached the other side, once its handshake is over, if it has one.
    fn tell_opened(&mut self, number: u32) {
        if let Some(stream) = self.streams.get_mut(&number)
            && stream.is_shaking_hands
            && !stream.pipe.is_shaking_hands()
        {
            stream.is_shaking_hands = false;
            self.statistics.opened += 1;
            self.events.push_back(StreamEvent::Opened(stream.id(number)));
        }
    }

    /// Gives what belongs to another driver: which one, and what has come for it.
    fn read(
        &mut self,
        number: u32,
        handle: &mut impl FnMut(&mut [u8], Path, Placed) -> Belongs,
    ) -> Option<(usize, Vec<Vec<u8>>)> {
        let Self { streams, scratch, statistics, readable, dirty, newcomers, .. } = self;
        let stream = streams.get_mut(&number)?;
        scratch.resize(SCRATCH_BYTES, 0);
        let mut is_placed = stream.is_placed;
        let mut moving = None;
        let before = stream.pipe.read_bytes();
        let result = stream.pipe.read(scratch, READ_BYTES_PER_TURN, |datagram, label| {
            statistics.datagrams_in += 1;
            if let Some((_, datagrams)) = &mut moving {
                let datagrams: &mut Vec<Vec<u8>> = datagrams;
                return datagrams.push(datagram.to_vec());
            }
            let placed = if is_placed { Placed::Already } else { Placed::Now };
            match handle(datagram, label.path(number), placed) {
                Belongs::To(driver) if !is_placed => moving = Some((driver, vec![datagram.to_vec()])),
                _ => is_placed = true,
            }
        });
        let is_new = is_placed && !stream.is_placed && stream.unclaimed_since.is_some();
        *newcomers += usize::from(is_new);
        stream.is_placed = is_placed;
        statistics.bytes_in += stream.pipe.read_bytes() - before;
        if stream.pipe.has_unwritten() && !std::mem::replace(&mut stream.is_dirty, true) {
            dirty.push(number);
        }
        match result {
            Ok(true) => {
                stream.is_readable = true;
                readable.push_back(number);
            }
            Ok(false) => {}
            Err(StreamFailure::Closed) if stream.is_releasing => self.end(number, StreamFailure::Released),
            Err(failure) => {
                self.end(number, failure);
                return None;
            }
        }
        self.tell_opened(number);
        moving
    }

    // ---- several drivers ----

    /// Streams that stay with this driver and that nobody has claimed yet.
    #[must_use]
    pub const fn newcomers(&self) -> usize {
        self.newcomers
    }

    /// Takes a stream that belongs to another driver, with that one's index.
    pub fn poll_moving(&mut self) -> Option<(usize, MovingStream)> {
        self.moving.pop_front()
    }

    /// Goes on with a stream that another driver accepted, and hands what has come in it to `handle`.
    pub fn adopt(
        &mut self,
        now: Instant,
        poller: &Poller,
        moving: MovingStream,
        mut handle: impl FnMut(&mut [u8], Path),
    ) {
        let MovingStream { mut stream, datagrams } = moving;
        let number = self.free_number();
        if let Err(error) =
            poller.registry().register(stream.pipe.socket_mut(), token_of(number), interests())
        {
            log::warn!("{}: cannot wait for this stream: {error}", stream.remote());
            self.open_in_all.fetch_sub(1, Ordering::Relaxed);
            return self.statistics.ended.add(StreamFailure::Broken);
        }
        let path = stream.pipe.label().path(number);
        stream.is_placed = true;
        stream.is_readable = true;
        (stream.is_dirty, stream.deadline) = (false, None);
        self.unclaimed.extend(stream.unclaimed_since.map(|since| (since, number)));
        self.newcomers += usize::from(stream.unclaimed_since.is_some());
        self.streams.insert(number, stream);
        // What was read of it is not announced again.
        self.readable.push_back(number);
        self.mark_dirty(number);
        self.set_deadline(number, Some(now + self.config.claim_time));
        if self.unclaimed.len() > UNCLAIMED_MAX {
            self.make_room();
        }
        for mut datagram in datagrams {
            handle(&mut datagram, path);
        }
    }

    fn send_away(&mut self, number: u32, to: usize, datagrams: Vec<Vec<u8>>, poller: &Poller) {
        self.set_deadline(number, None);
        // It may have ended as it was read.
        let Some(mut stream) = self.streams.remove(&number) else { return };
        if let Some(since) = stream.unclaimed_since {
            self.unclaimed.remove(&(since, number));
        }
        if let Err(error) = poller.registry().deregister(stream.pipe.socket_mut()) {
            log::debug!("{}: {error}", stream.remote());
        }
        self.moving.push_back((to, MovingStream { stream, datagrams }));
    }

    fn accept(&mut self, now: Instant, poller: &Poller) {
        if self.accept_again_at.is_some() {
            return;
        }
        let mut left = ACCEPTED_PER_TURN;
        for index in 0..self.listeners.len() {
            while left > 0
                && let Some(listener) = self.listeners.get_mut(index).filter(|listener| listener.is_ready)
            {
                match listener.socket.accept() {
                    Ok((socket, remote)) => {
                        left -= 1;
                        self.accept_trouble = None;
                        self.admit(now, socket, address::canonical(remote), poller);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.is_ready = false,
                    // Whoever knocked is gone again (accept(2) lists what a network can leave behind).
                    Err(error) if socket::concerns_one(&error) => left -= 1,
                    Err(error) => {
                        // Once, and not at every attempt.
                        if self.accept_trouble.replace(error.kind()) != Some(error.kind()) {
                            log::warn!("{}: cannot accept a stream for now: {error}", listener.address);
                        }
                        self.make_room();
                        self.accept_again_at = Some(now + ACCEPT_PAUSE);
                        return;
                    }
                }
            }
        }
    }

    /// Whoever has said nothing of use for longest gives way to those who knock.
    fn make_room(&mut self) {
        if let Some((_, oldest)) = self.unclaimed.first().copied() {
            self.end(oldest, StreamFailure::TooMany);
        }
    }

    fn admit(&mut self, now: Instant, mut socket: mio::net::TcpStream, remote: SocketAddr, poller: &Poller) {
        self.statistics.accepted += 1;
        if self.open_in_all.load(Ordering::Relaxed) >= self.config.streams_max {
            self.statistics.ended.add(StreamFailure::TooMany);
            return;
        }
        let number = self.free_number();
        socket::set_up(&socket);
        if let Err(error) = poller.registry().register(&mut socket, token_of(number), interests()) {
            log::warn!("{remote}: cannot wait for this stream: {error}");
            return self.statistics.ended.add(StreamFailure::Broken);
        }
        let pipe = Pipe::accepted(socket, remote, &self.config);
        let stream = Stream { unclaimed_since: Some(now), ..Stream::new(pipe) };
        self.streams.insert(number, stream);
        self.open_in_all.fetch_add(1, Ordering::Relaxed);
        self.unclaimed.insert((now, number));
        self.set_deadline(number, Some(now + FIRST_BYTES_TIME_MAX.min(self.config.claim_time)));
        if self.unclaimed.len() > UNCLAIMED_MAX {
            self.make_room();
        }
    }

    /// Gives a datagram to a stream. It leaves with the next [`flush`](Self::flush).
    pub fn send(&mut self, id: StreamId, datagram: &[u8]) -> Queued {
        let number = id.number.get();
        let Some(stream) = self.streams.get_mut(&number) else { return Queued::Lost };
        if !stream.is_claimed && stream.pipe.waiting_bytes() > WAITING_UNCLAIMED_MAX {
            // A stranger who asks and asks and reads no answer.
            self.end(number, StreamFailure::TooSlow);
            return Queued::Lost;
        }
        if !stream.pipe.push(datagram) {
            return Queued::Lost;
        }
        self.statistics.datagrams_out += 1;
        stream.is_full |= stream.pipe.is_full();
        let is_full = stream.is_full;
        self.mark_dirty(number);
        if is_full { Queued::Full } else { Queued::Yes }
    }

    /// Writes what waits to the sockets, as far as they take it.
    pub fn flush(&mut self, now: Instant) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for number in dirty.drain(..) {
            self.flush_one(now, number);
        }
        // Ending a stream makes none dirty.
        self.dirty = dirty;
    }

    fn flush_one(&mut self, now: Instant, number: u32) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        stream.is_dirty = false;
        if stream.is_connecting {
            return;
        }
        let written = match stream.pipe.write() {
            Ok(written) => {
                self.statistics.bytes_out += written as u64;
                written
            }
            Err(failure) => return self.end(number, failure),
        };
        let waits = stream.pipe.waiting_bytes() > 0;
        if stream.is_releasing {
            let is_others_to_close = stream.is_ours && stream.is_claimed;
            if !waits && !is_others_to_close {
                self.end(number, StreamFailure::Released);
            }
            return;
        }
        if stream.is_full && stream.pipe.has_room() {
            stream.is_full = false;
            self.events.push_back(StreamEvent::Room(stream.id(number)));
        }
        // One that nobody has claimed keeps the deadline for that, whoever has opened it.
        if stream.is_claimed && (written > 0 || !waits || stream.deadline.is_none()) {
            self.set_deadline(number, waits.then(|| now + STALL_TIME_MAX));
        }
    }

    fn mark_dirty(&mut self, number: u32) {
        if let Some(stream) = self.streams.get_mut(&number)
            && !std::mem::replace(&mut stream.is_dirty, true)
        {
            self.dirty.push(number);
        }
    }

    // ---- time and news ----

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let first = self.deadlines.first().map(|(at, _)| *at);
        [first, self.accept_again_at].into_iter().flatten().min()
    }

    /// Ends streams whose time is up.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.accept_again_at.take_if(|at| *at <= now);
        while let Some((_, number)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            let Some(stream) = self.streams.get_mut(&number) else {
                self.deadlines.pop_first();
                continue;
            };
            if let Some(since) = stream.unclaimed_since
                && stream.pipe.has_begun()
                && now < since + self.config.claim_time
            {
                self.set_deadline(number, Some(since + self.config.claim_time));
                continue;
            }
            let failure = match stream {
                Stream { is_releasing: true, .. } => StreamFailure::Released,
                Stream { is_connecting: true, .. } => StreamFailure::Unreachable,
                Stream { is_shaking_hands: true, .. } => StreamFailure::TlsFailed,
                Stream { unclaimed_since: Some(_), .. } => StreamFailure::Unclaimed,
                _ if stream.pipe.waiting_bytes() > 0 => StreamFailure::TooSlow,
                _ => StreamFailure::Unclaimed,
            };
            self.end(number, failure);
        }
    }

    /// Takes the next thing that happened.
    pub fn poll_event(&mut self) -> Option<StreamEvent> {
        self.events.pop_front()
    }

    /// What streams have done so far.
    #[must_use]
    pub fn statistics(&self) -> StreamStatistics {
        StreamStatistics { open: self.streams.len(), ..self.statistics }
    }

    fn set_deadline(&mut self, number: u32, deadline: Option<Instant>) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        if let Some(former) = std::mem::replace(&mut stream.deadline, deadline) {
            self.deadlines.remove(&(former, number));
        }
        self.deadlines.extend(deadline.map(|at| (at, number)));
    }

    fn end(&mut self, number: u32, failure: StreamFailure) {
        self.set_deadline(number, None);
        let Some(stream) = self.streams.remove(&number) else { return };
        self.open_in_all.fetch_sub(1, Ordering::Relaxed);
        if let Some(since) = stream.unclaimed_since {
            self.unclaimed.remove(&(since, number));
            self.newcomers -= usize::from(stream.is_placed);
        }
        log::debug!("{}: stream ended: {failure}", stream.remote());
        self.statistics.ended.add(failure);
        self.events.push_back(StreamEvent::Ended(stream.id(number), failure));
    }
}

impl Stream {
    const fn new(pipe: Pipe) -> Self {
        Self {
            pipe,
            unclaimed_since: None,
            is_claimed: false,
            is_ours: false,
            is_connecting: false,
            is_shaking_hands: false,
            is_releasing: false,
            is_full: false,
            is_readable: false,
            is_dirty: false,
            is_placed: false,
            deadline: None,
        }
    }
}

impl Stream {
    fn id(&self, number: u32) -> StreamId {
        self.pipe.label().id(number)
    }

    /// Whom it is from, as far as that is known; for the log.
    fn remote(&self) -> SocketAddr {
        self.pipe.label().remote
    }
}

const fn token_of(number: u32) -> Token {
    Token(TOKENS_FROM + number as usize)
}

fn interests() -> mio::Interest {
    mio::Interest::READABLE | mio::Interest::WRITABLE
}
