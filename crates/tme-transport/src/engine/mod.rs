//! The engine: an endpoint on a link, driven by the game's thread or by one of its own.
//!
//! [`Engine::update`] does the input and output itself (*inline*), or collects what a network thread has done
//! (*threaded*); everything else is the same. Sends go through [`Handle`], from any thread, and answer at once.

mod arena;
mod conditions;
mod connector;
mod driver;
mod echo;
mod message;
mod outbox;
mod rebind;
mod shared;

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::clock::ServerTime;
use tme_core::connection::{
    Applicant, ChannelStatistics, CloseMode, ConnectionStatistics, Event, Farewell, PeerId, SendBudget,
    SendError, SendOptions, TokenInfo,
};
use tme_core::crypto::keys::PublicKey;
use tme_core::crypto::suite::Suite;
use tme_core::endpoint::{Endpoint, EndpointConfig};
use tme_core::handshake::client::ClientHandshakeConfig;
use tme_core::handshake::datagram::Information;
use tme_core::handshake::parameters::{Refusal, UserData};
use tme_core::link::{ConditionsError, LinkConditions, LinkStatistics};

use crate::clock::Clock;
use crate::link::Link;
use crate::memory::MemoryLink;
use crate::poller::{EVENTS_DEFAULT, Poller};
use crate::random::SystemRandom;
use crate::resolve::{Resolver, TIMEOUT_DEFAULT};
use crate::udp::{BindError, UdpConfig, UdpLink};
use connector::Connector;
use driver::{Driver, DriverParts};
pub use echo::Echo;
pub use message::MessageBytes;
use outbox::{Asked, Change, Ending};
pub use outbox::{Broadcast, Direction, OUTBOX_BYTES_MAX, PeerInfo};
use outbox::{Judged, RateCap, Verdict};
use rebind::Socket;
pub use shared::EngineStatistics;
use shared::{Shared, StopRequest, Taken};

/// Commands of a threaded engine leave together after this time, so that one frame's sends share datagrams.
pub const GATHERING_DEFAULT: Duration = Duration::from_micros(200);

/// Turns that one inline update makes while datagrams wait: 16,384 datagrams.
const TURNS_PER_UPDATE_MAX: u32 = 64;

/// Who does the input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Drive {
    /// The thread that calls [`Engine::update`].
    #[default]
    Inline,
    /// A network thread: connections live on while the game is busy.
    Threaded,
}

/// What carries the datagrams.
#[derive(Debug)]
pub enum LinkSetup {
    /// A UDP socket, bound when the engine starts.
    Udp(UdpConfig),
    /// A link inside this process.
    Memory(Box<MemoryLink>),
}

/// How to start an engine.
#[derive(Debug)]
pub struct EngineConfig {
    /// Protocol settings; with a server part, others may connect.
    pub endpoint: EndpointConfig,
    /// What carries the datagrams.
    pub link: LinkSetup,
    /// Who drives.
    pub drive: Drive,
    /// How long a network thread gathers sends before they leave. Ignored inline.
    pub gathering: Duration,
    /// With it, a connection is made: `host:port` and the client's settings.
    pub connect: Option<(String, ClientHandshakeConfig)>,
}

/// Why an engine did not start, or stopped.
#[derive(Clone, Debug)]
pub enum EngineError {
    /// The socket could not be bound.
    Bind(Arc<BindError>),
    /// The configuration cannot work.
    Config(String),
    /// The operating system lacks something an engine needs (randomness, a poll handle, a thread).
    System(String),
    /// Waiting for the socket failed.
    Wait(String),
    /// The socket no longer works.
    Socket(String),
    /// The engine was closed.
    Closed,
    /// The engine has a bug and stopped; the log says where.
    Poisoned,
}

impl EngineError {
    /// Stable number of the kind.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::Bind(_) => 1,
            Self::Config(_) => 2,
            Self::System(_) => 3,
            Self::Wait(_) => 4,
            Self::Socket(_) => 5,
            Self::Closed => 6,
            Self::Poisoned => 7,
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(error) => error.fmt(f),
            Self::Config(text) => write!(f, "configuration: {text}"),
            Self::System(text) => write!(f, "the system refuses what a network engine needs: {text}"),
            Self::Wait(text) => write!(f, "cannot wait for the network: {text}"),
            Self::Socket(text) => write!(f, "the socket no longer works: {text}"),
            Self::Closed => f.write_str("the engine is closed"),
            Self::Poisoned => {
                f.write_str("the engine stopped because of an internal error; please report the log")
            }
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(error) => Some(error),
            _ => None,
        }
    }
}

enum Runner {
    Inline(Box<Driver>),
    Threaded(Option<JoinHandle<()>>),
    Ended,
}

/// An endpoint on a link. See the module.
pub struct Engine {
    runner: Runner,
    drive: Drive,
    handle: Handle,
    public_key: Option<PublicKey>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("local_address", &self.local_address()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Binds the socket and begins.
    ///
    /// # Errors
    /// [`EngineError`] names what is missing. A connection that cannot be made is no error here but an event.
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let system = |error: &dyn fmt::Display| EngineError::System(error.to_string());
        let clock = Clock::start();
        let mut random = SystemRandom::new().map_err(|error| system(&error))?;
        let endpoint = Endpoint::new(config.endpoint, &mut random)
            .map_err(|error| EngineError::Config(error.to_string()))?;
        let (link, setup) = match config.link {
            LinkSetup::Udp(udp) => {
                let link = UdpLink::bind(&udp).map_err(|error| EngineError::Bind(Arc::new(error)))?;
                (Link::from(link), Ok(udp))
            }
            LinkSetup::Memory(memory) => {
                (Link::from(*memory), Err("a link in memory has no socket to be replaced"))
            }
        };
        let setup = match &config.connect {
            None => Err("a server keeps its socket: its clients know no other address"),
            Some((_, handshake)) if handshake.suites.contains(Suite::Plaintext) => {
                Err("in plaintext nobody can prove to be the same at another address")
            }
            Some(_) => setup,
        };
        let poller = Poller::new(EVENTS_DEFAULT).map_err(|error| system(&error))?;
        let wake = poller.wake_handle();
        let (resolver, connector) = match config.connect {
            Some((target, handshake)) => {
                let mut resolver = Resolver::new(TIMEOUT_DEFAULT, Some(wake.clone()));
                let id = resolver
                    .resolve(&target, clock.now())
                    .map_err(|error| EngineError::Config(format!("{target}: {error}")))?;
                (Some(resolver), Some(Connector::resolving(target, id, handshake)))
            }
            None => (None, None),
        };
        let local_address = link.local_address();
        let public_key = endpoint.public_key();
        if public_key.is_some() {
            log::info!("listening on {local_address}");
        }
        let shared = Arc::new(Shared::new(clock, wake, Socket::new(local_address, setup)));
        let gathering = if config.drive == Drive::Threaded { config.gathering } else { Duration::ZERO };
        let driver = Driver::new(DriverParts {
            endpoint,
            link,
            poller,
            clock,
            random,
            resolver,
            connector,
            shared: Arc::clone(&shared),
            gathering,
        })
        .map_err(|error| system(&error))?;
        let runner = match config.drive {
            Drive::Inline => Runner::Inline(Box::new(driver)),
            Drive::Threaded => {
                let shared = Arc::clone(&shared);
                let thread = std::thread::Builder::new().name("tme-net".to_owned());
                let thread =
                    thread.spawn(move || run_thread(driver, &shared)).map_err(|error| system(&error))?;
                Runner::Threaded(Some(thread))
            }
        };
        Ok(Self { runner, drive: config.drive, handle: Handle { shared }, public_key })
    }

    /// The address others reach this engine at, with the real port if port 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.handle.local_address()
    }

    /// The server's public key, if this engine accepts connections.
    #[must_use]
    pub const fn public_key(&self) -> Option<PublicKey> {
        self.public_key
    }

    /// Who does the input and output, as it was set.
    #[must_use]
    pub const fn drive(&self) -> Drive {
        self.drive
    }

    /// What other threads use.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits at most `timeout` for events and makes them available to [`events`](Self::events). Inline, all input and
    /// output happens here.
    ///
    /// Returns early when there are events, or when [`Handle::wake`] was called. Events not taken yet stay, and then
    /// it does not wait.
    ///
    /// # Errors
    /// [`EngineError::Closed`], or why the engine stopped; the engine is of no further use.
    pub fn update(&mut self, timeout: Duration) -> Result<(), EngineError> {
        let shared = &self.handle.shared;
        let timeout = if shared.has_ready() { Duration::ZERO } else { timeout };
        match &mut self.runner {
            Runner::Ended => Err(EngineError::Closed),
            Runner::Threaded(_) => shared.wait_for_events(timeout),
            Runner::Inline(driver) => {
                let deadline = driver.now() + timeout;
                let mut turns = 0;
                loop {
                    turns += 1;
                    let left = deadline.saturating_since(driver.now());
                    let result = driver.turn(Some(left));
                    let has_events = shared.make_ready(driver.events_mut());
                    if let Err(error) = result {
                        shared.end(Some(error.clone()));
                        self.runner = Runner::Ended;
                        return Err(error);
                    }
                    // A host that updates once a frame gets the whole frame's datagrams, within reason.
                    let has_more = driver.has_more_to_receive() && turns < TURNS_PER_UPDATE_MAX;
                    let is_over = !has_more && (has_events || driver.now() >= deadline);
                    if shared.take_interruption() || is_over {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes the events that have come. What the iterator does not take stays.
    ///
    /// The iterator borrows nothing, so that whoever handles an event may call every method of the engine.
    pub fn events(&mut self) -> Events {
        Events { taken: self.handle.shared.take_ready(), shared: Arc::clone(&self.handle.shared) }
    }

    /// Looks through the events that [`events`](Self::events) will give, and leaves them where they are. `find` is
    /// called under a lock: it must not call this engine.
    pub fn find_event<T>(&self, find: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        self.handle.shared.find_ready(find)
    }

    /// Sends what is queued without waiting for the next update.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn flush(&mut self) -> Result<(), EngineError> {
        match &mut self.runner {
            Runner::Inline(driver) => driver.flush_now(),
            Runner::Threaded(_) => {
                self.handle.flush();
                Ok(())
            }
            Runner::Ended => Err(EngineError::Closed),
        }
    }

    /// Ends every connection and stops: with [`CloseMode::Flush`] after queued reliable messages went through, at most
    /// `patience`. Events of the time in between can still be taken.
    pub fn close(&mut self, mode: CloseMode, farewell: Farewell, patience: Duration) {
        match std::mem::replace(&mut self.runner, Runner::Ended) {
            Runner::Ended => {}
            Runner::Inline(mut driver) => {
                let request = StopRequest { mode, farewell, deadline: driver.now() + patience };
                if let Err(error) = wind_down(&mut driver, &request) {
                    log::warn!("closing: {error}");
                }
                self.handle.shared.make_ready(driver.events_mut());
                self.handle.shared.end(None);
            }
            Runner::Threaded(thread) => {
                let shared = &self.handle.shared;
                let deadline = shared.now() + patience;
                shared.request_stop(StopRequest { mode, farewell, deadline });
                if let Some(thread) = thread {
                    // The thread catches its panics; there is nothing to learn from the result.
                    let _ = thread.join();
                }
                let _ = shared.wait_for_events(Duration::ZERO);
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let farewell = Farewell::new(tme_core::handshake::reason::Reason::Closed);
        self.close(CloseMode::Now, farewell, Duration::ZERO);
    }
}

/// Takes events one by one, as many as there were when it was made; dropping it leaves the rest for later.
///
/// What it has taken is consumed for flow control when it is dropped.
pub struct Events {
    taken: Taken,
    shared: Arc<Shared>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.taken.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.taken.count(), Some(self.taken.count()))
    }
}

impl ExactSizeIterator for Events {}

impl Drop for Events {
    fn drop(&mut self) {
        self.shared.return_ready(std::mem::take(&mut self.taken));
    }
}

/// The network thread.
fn run_thread(mut driver: Driver, shared: &Shared) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        loop {
            if let Some(request) = shared.stop_request() {
                let result = wind_down(&mut driver, &request);
                shared.deliver(driver.events_mut());
                return result;
            }
            driver.turn(None)?;
            shared.deliver(driver.events_mut());
        }
    }));
    match outcome {
        Ok(Ok(())) => shared.end(None),
        Ok(Err(error)) => {
            log::error!("network thread: {error}");
            shared.end(Some(error));
        }
        Err(_) => {
            log::error!("network thread: panicked");
            shared.end(Some(EngineError::Poisoned));
        }
    }
}

/// Takes what is queued, says goodbye, and goes on until everybody is gone or time is up.
fn wind_down(driver: &mut Driver, request: &StopRequest) -> Result<(), EngineError> {
    driver.flush_now()?;
    driver.say_goodbye(request.mode, &request.farewell)?;
    let mut events = VecDeque::new();
    while !driver.is_deserted() {
        let left = request.deadline.saturating_since(driver.now());
        if left.is_zero() {
            break;
        }
        driver.turn(Some(left))?;
        // Taken aside, so that their presence does not keep the driver from sleeping.
        events.append(driver.events_mut());
    }
    driver.cut_flushes_short()?;
    driver.abandon_closing();
    events.append(driver.events_mut());
    *driver.events_mut() = events;
    Ok(())
}

/// An engine as other threads see it. Cheap to clone; every method may be called from any thread and none waits for
/// the network.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// Queues a message for a peer.
    ///
    /// # Errors
    /// [`SendError`]; nothing was queued then.
    pub fn send<'a>(
        &self,
        peer: PeerId,
        channel: impl Into<ChannelId>,
        message: impl Into<MessageBytes<'a>>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        self.shared.outbox.lock().send(peer, channel.into(), message.into(), self.asked(options))?;
        self.announce(options);
        Ok(())
    }

    /// Queues a message for the only peer there is: a client's server.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::NotConnected`] while there is none.
    pub fn send_to_server<'a>(
        &self,
        channel: impl Into<ChannelId>,
        message: impl Into<MessageBytes<'a>>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let mut outbox = self.shared.outbox.lock();
        let peer = outbox.sole_peer().ok_or(SendError::NotConnected)?;
        outbox.send(peer, channel.into(), message.into(), self.asked(options))?;
        drop(outbox);
        self.announce(options);
        Ok(())
    }

    /// A deadline counts from the call on; only those who set one pay for a look at the clock.
    #[inline]
    fn asked(&self, options: SendOptions) -> Asked {
        Asked { options, expires_at: options.deadline.map(|deadline| self.shared.now() + deadline) }
    }

    /// Tells the engine that there is something to send.
    #[inline]
    fn announce(&self, options: SendOptions) {
        self.shared.handle_command();
        if options.flush {
            self.shared.ask_flush();
        }
    }

    /// The only peer there is: a client's server.
    #[must_use]
    pub fn server(&self) -> Option<PeerId> {
        self.shared.outbox.lock().sole_peer()
    }

    /// Queues a message for several peers; it is stored once.
    ///
    /// # Errors
    /// [`SendError`] if nobody could take it: no such channel, larger than the channel takes, a key where none belongs.
    /// A single peer that cannot is no error but counted in the result.
    pub fn multicast<'a>(
        &self,
        peers: impl IntoIterator<Item = PeerId>,
        channel: impl Into<ChannelId>,
        message: impl Into<MessageBytes<'a>>,
        options: SendOptions,
    ) -> Result<Broadcast, SendError> {
        let outcome = self.shared.outbox.lock().multicast(
            peers,
            channel.into(),
            message.into(),
            self.asked(options),
        )?;
        self.announce(options);
        Ok(outcome)
    }

    /// Queues a message for all peers but `except`; it is stored once.
    ///
    /// # Errors
    /// As [`multicast`](Self::multicast).
    pub fn broadcast<'a>(
        &self,
        except: Option<PeerId>,
        channel: impl Into<ChannelId>,
        message: impl Into<MessageBytes<'a>>,
        options: SendOptions,
    ) -> Result<Broadcast, SendError> {
        let outcome = self.shared.outbox.lock().broadcast(
            except,
            channel.into(),
            message.into(),
            self.asked(options),
        )?;
        self.announce(options);
        Ok(outcome)
    }

    /// Ends the connection to a peer. `false`: nobody has this id (any more).
    pub fn disconnect(&self, peer: PeerId, mode: CloseMode, farewell: Farewell) -> bool {
        let is_known = self.shared.outbox.lock().disconnect(Ending { peer, mode, farewell });
        if is_known {
            self.shared.handle_command();
        }
        is_known
    }

    /// Sets how many bytes of UDP payload may leave for a peer in a second, at least 1,200; `None` leaves it to the path.
    /// `false`: nobody has this id (any more).
    pub fn set_rate_cap(&self, peer: PeerId, rate: Option<u64>) -> bool {
        let is_known = self.shared.outbox.lock().set_rate_cap(RateCap { peer, rate });
        if is_known {
            self.shared.handle_command();
        }
        is_known
    }

    /// Changes what those are told who only ask what this server is.
    pub fn set_information(&self, information: Information) {
        self.shared.outbox.lock().set_information(information);
        self.shared.handle_command();
    }

    /// Lets a client in that [`Event::Admission`] has asked about; `user_data` reaches its game. `false`: nobody asks under
    /// this id (any more).
    pub fn accept(&self, peer: PeerId, user_data: UserData) -> bool {
        self.judge(peer, Verdict::Accept(user_data))
    }

    /// Turns a client away that [`Event::Admission`] has asked about. `false`: nobody asks under this id (any more).
    pub fn refuse(&self, peer: PeerId, refusal: Refusal) -> bool {
        self.judge(peer, Verdict::Refuse(refusal))
    }

    fn judge(&self, peer: PeerId, verdict: Verdict) -> bool {
        let is_asked = self.shared.outbox.lock().judge(Judged { peer, verdict });
        if is_asked {
            // Somebody waits for it: it does not gather with messages.
            self.shared.handle_command();
            self.shared.ask_flush();
        }
        is_asked
    }

    /// Switches modelled network conditions towards a peer on, changes them, or (`None`) off.
    ///
    /// # Errors
    /// [`ConditionsError`] if they cannot be. A peer that is gone is no error.
    pub fn set_conditions(
        &self,
        peer: PeerId,
        direction: Direction,
        conditions: Option<LinkConditions>,
    ) -> Result<(), ConditionsError> {
        if let Some(conditions) = &conditions {
            conditions.validate()?;
        }
        self.shared.outbox.lock().set_conditions(Change { peer, direction, conditions });
        self.shared.handle_command();
        Ok(())
    }

    /// Somebody about whom the game has been asked and has not answered.
    #[must_use]
    pub fn applicant(&self, peer: PeerId) -> Option<Arc<Applicant>> {
        self.shared.outbox.lock().applicant(peer)
    }

    /// What a connected peer's token says of him, if he came with one.
    #[must_use]
    pub fn peer_token(&self, peer: PeerId) -> Option<Arc<TokenInfo>> {
        self.shared.outbox.lock().peer_token(peer)
    }

    /// This engine's own clock, which reads 0 when the engine starts and goes on evenly.
    #[must_use]
    pub fn time(&self) -> ServerTime {
        ServerTime::exact(self.shared.now())
    }

    /// A peer's clock, if it was asked for and has answered. Whoever reads it later reads no earlier time, on any thread.
    #[must_use]
    pub fn server_time(&self, peer: PeerId) -> Option<ServerTime> {
        let mut outbox = self.shared.outbox.lock();
        outbox.server_time(self.shared.now(), peer)
    }

    /// Begins to ask for a peer's time, or to ask often again. `false`: nobody has this id.
    pub fn synchronise_clock(&self, peer: PeerId) -> bool {
        let is_there = self.shared.outbox.lock().synchronise_clock(peer);
        if is_there {
            self.shared.handle_command();
        }
        is_there
    }

    /// Peers that are connected.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.shared.outbox.lock().peers().collect()
    }

    /// One peer, if it is connected.
    #[must_use]
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.shared.outbox.lock().peer(peer)
    }

    /// The connected peer whose [`PeerInfo::number`] this is.
    #[must_use]
    pub fn peer_by_number(&self, number: u32) -> Option<PeerInfo> {
        self.shared.outbox.lock().peer_by_number(number)
    }

    /// The only peer there is, as [`peers`](Self::peers) lists it: a client's server.
    #[must_use]
    pub fn server_info(&self) -> Option<PeerInfo> {
        self.shared.outbox.lock().peers().next()
    }

    /// The channels towards a peer.
    #[must_use]
    pub fn channels(&self, peer: PeerId) -> Option<Arc<ChannelTable>> {
        self.shared.outbox.lock().channels(peer)
    }

    /// Figures of a peer, at most 100 ms older than its last datagram.
    #[must_use]
    pub fn peer_statistics(&self, peer: PeerId) -> Option<ConnectionStatistics> {
        self.shared.outbox.lock().statistics(peer)
    }

    /// What may be sent to a peer now, and how long messages would wait. `None`: nobody has this id.
    #[must_use]
    pub fn send_budget(&self, peer: PeerId) -> Option<SendBudget> {
        self.shared.outbox.lock().send_budget(peer)
    }

    /// Figures of one channel towards a peer, as old as those of the peer. `None`: nobody has this id, or the channel is
    /// not in the table, or nothing was reported yet.
    #[must_use]
    pub fn channel_statistics(
        &self,
        peer: PeerId,
        channel: impl Into<ChannelId>,
    ) -> Option<ChannelStatistics> {
        self.shared.outbox.lock().channel_statistics(peer, channel.into())
    }

    /// What a modelled link towards a peer has counted since [`set_conditions`](Self::set_conditions) switched it on, at
    /// most 100 ms old. `None`: nobody has this id, or that way is not modelled.
    #[must_use]
    pub fn condition_statistics(&self, peer: PeerId, direction: Direction) -> Option<LinkStatistics> {
        self.shared.outbox.lock().condition_statistics(peer, direction)
    }

    /// Figures of the whole engine.
    #[must_use]
    pub fn statistics(&self) -> EngineStatistics {
        self.shared.statistics()
    }

    /// The address datagrams leave from.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.shared.socket.local()
    }

    /// Binds another socket for a client and goes on through it: at this address, or at any port of the former one's.
    /// Gives the new address; `None` if nobody is connected.
    ///
    /// # Errors
    /// [`EngineError::Bind`]; [`EngineError::Config`] if the other side cannot be reached from there, and where an address
    /// cannot change: at a server, in memory, in plaintext. Nothing has changed then.
    pub fn rebind(&self, address: Option<SocketAddr>) -> Result<Option<SocketAddr>, EngineError> {
        let Some(PeerInfo { remote, .. }) = self.server_info() else { return Ok(None) };
        let local = self.shared.socket.bind(address, remote)?;
        self.shared.handle_command();
        Ok(Some(local))
    }

    /// Lets queued messages leave without gathering more.
    pub fn flush(&self) {
        self.shared.ask_flush();
    }

    /// Makes a waiting [`Engine::update`] return.
    pub fn wake(&self) {
        self.shared.interrupt();
    }
}
