//! A client: connects to one server and talks to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::clock::{ClockSync, ServerTime};
use tme_core::connection::{
    ChannelStatistics, CloseMode, ConnectionStatistics, Event, Farewell, PeerId, SendBudget, SendError,
    SendOptions,
};
use tme_core::crypto::keys::{KeyPair, PublicKey, SecretKey};
use tme_core::crypto::suite::{Suite, SuiteSet};
use tme_core::endpoint::EndpointConfig;
use tme_core::handshake::client::{ClientHandshakeConfig, Trust as HandshakeTrust};
use tme_core::handshake::parameters::{ConnectionId, UserData};
use tme_core::handshake::reason::Reason;
use tme_core::link::{LinkConditions, LinkStatistics};
use tme_core::payload::Payload;
use tme_core::token::SealedToken;
use tme_transport::engine::{
    Direction, Drive, Echo, Engine, EngineConfig, EngineStatistics, Events, Handle, LinkSetup, MessageBytes,
    PeerInfo,
};
use tme_transport::memory::MemoryLink;
use tme_transport::udp::{UdpConfig, UdpLink};

use crate::settings::{Settings, shared_setters};
use crate::{Error, Security, Server, known_hosts};

/// Which server a client believes to be the right one.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// One whose key is among these, which came with the game or from its backend.
    Pinned(Vec<PublicKey>),
    /// The one met before: the first key seen for an address is written to this file, a changed one refused.
    KnownHosts(PathBuf),
    /// Any: safe from listeners, not from somebody who stands in the way. Warns in the log.
    #[default]
    Unverified,
}

/// Collects what a client needs. Made by [`Client::builder`].
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    settings: Settings,
    target: String,
    trust: Trust,
    identity: Option<SecretKey>,
    token: Option<SealedToken>,
    connect_timeout: Duration,
    bind: Option<SocketAddr>,
}

impl ClientBuilder {
    shared_setters!();

    /// Sets the server's address, `host:port`; names are looked up without blocking. Default `localhost:7777`.
    #[must_use]
    pub fn connect(mut self, address: impl Into<String>) -> Self {
        self.target = address.into();
        self
    }

    /// Sets which server is believed to be the right one. Default [`Trust::Unverified`].
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Pins the server's public key; called again, one more is accepted. Takes the place of any other [`Trust`] set
    /// before.
    #[must_use]
    pub fn server_key(mut self, key: PublicKey) -> Self {
        match &mut self.trust {
            Trust::Pinned(keys) => keys.push(key),
            trust => *trust = Trust::Pinned(vec![key]),
        }
        self
    }

    /// Remembers servers' keys in this file, by the address as it was given to [`connect`](Self::connect). A file that is
    /// not there yet is made. Takes the place of any other [`Trust`] set before.
    #[must_use]
    pub fn known_hosts(self, path: impl AsRef<Path>) -> Self {
        self.trust(Trust::KnownHosts(path.as_ref().to_owned()))
    }

    /// Proves an identity to the server by a key of the player's own.
    #[must_use]
    pub fn identity(mut self, key: SecretKey) -> Self {
        self.identity = Some(key);
        self
    }

    /// Presents a connect token, which the game's backend gave the player. It admits once; a new connection needs a new one.
    /// See [`token`](crate::token).
    #[must_use]
    pub fn token(mut self, token: SealedToken) -> Self {
        self.token = Some(token);
        self
    }

    /// Sends up to 512 bytes along with the request; the server finds them in `Connected`. Encrypted.
    #[must_use]
    pub fn user_data(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.settings.user_data = bytes.into();
        self
    }

    /// Sets how long to try. Default 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Asks for the server's time from the start, as [`Client::synchronise_clock`] does later. Default: not before that is
    /// called, for it costs some 90 bytes a second.
    #[must_use]
    pub fn synchronise_clock(mut self) -> Self {
        self.settings.connection.clock_sync = ClockSync::FromStart;
        self
    }

    /// Sets the local address to send from. Default: any, any port.
    #[must_use]
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// Starts a client whose input and output happen in [`Client::update`]. Whether the server answers is told by
    /// events: `Connected`, or `Disconnected` with the reason.
    ///
    /// # Errors
    /// [`Error`]: the address does not parse, the known-hosts file cannot be read, a setting is out of range.
    pub fn start(self) -> Result<Client, Error> {
        self.start_as(Drive::Inline, None)
    }

    /// Starts a client with a network thread: the connection is kept alive while the game is busy.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_threaded(self) -> Result<Client, Error> {
        self.start_as(Drive::Threaded, None)
    }

    /// Starts a client on a link inside this process instead of a socket; [`connect`](Self::connect) names the other
    /// link's address.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_in_memory(self, link: MemoryLink) -> Result<Client, Error> {
        self.start_as(Drive::Inline, Some(link))
    }

    /// Starts a client that needs no server: each message it sends comes back on its channel, with its key. For trying
    /// things out, and for tests of the game's own.
    ///
    /// Whatever goes back and forth takes the whole way through the protocol, to a server inside this process that is
    /// set up as this client is and that it trusts; a thread named `tme-echo` drives that, and ends with the client.
    /// Addresses, [`Trust`] and a connect token are ignored.
    ///
    /// # Errors
    /// [`Error`]: a setting is out of range, or there is no thread to be had.
    pub fn start_echo(self) -> Result<Client, Error> {
        self.start_echo_as(Drive::Inline)
    }

    /// As [`start_echo`](Self::start_echo), with a network thread for the client.
    ///
    /// # Errors
    /// As [`start_echo`](Self::start_echo).
    pub fn start_echo_threaded(self) -> Result<Client, Error> {
        self.start_echo_as(Drive::Threaded)
    }

    fn start_echo_as(mut self, drive: Drive) -> Result<Client, Error> {
        let mut server = Server::builder().key(crate::generate_key()?).max_peers(1);
        server.settings = self.settings.clone();
        let (echo, link) = Echo::start(server.endpoint()?)?;
        self.target = echo.local_address().to_string();
        self.token = None;
        self.trust = Trust::Pinned(echo.public_key().into_iter().collect());
        let client = self.start_as(drive, Some(link))?;
        Ok(Client { echo: Some(echo), ..client })
    }

    fn start_as(self, drive: Drive, memory: Option<MemoryLink>) -> Result<Client, Error> {
        self.settings.check()?;
        tme_transport::resolve::check(&self.target)
            .map_err(|error| Error::Address { text: self.target.clone(), problem: error.to_string() })?;
        let (trust, known_hosts) = self.load_trust()?;
        // The endpoint chooses the real id; any will do here.
        let any_id = ConnectionId::new(1).unwrap_or_else(|| unreachable!("1 is not 0"));
        let mut handshake = ClientHandshakeConfig::new(trust, any_id);
        handshake.identity = self.identity.clone().map(KeyPair::from);
        handshake.token = self.token.clone();
        handshake.application_id = self.settings.application_id;
        handshake.channels = self.settings.table()?;
        handshake.limits = self.settings.limits;
        handshake.give_up_after = self.connect_timeout;
        handshake.user_data = UserData::new(self.settings.user_data.clone())
            .map_err(|error| Error::Config(format!("user data: {error}")))?;
        if self.settings.security == Security::Plaintext {
            handshake.suites = SuiteSet::only(Suite::Plaintext);
        }
        let link = match memory {
            Some(memory) => LinkSetup::Memory(Box::new(memory)),
            None => LinkSetup::Udp(UdpConfig {
                arrivals: self.settings.arrivals,
                ..UdpConfig::client(self.local_address())
            }),
        };
        let engine = Engine::start(EngineConfig {
            endpoint: EndpointConfig { connection: self.settings.connection, server: None, shard: 0 },
            link,
            drive,
            gathering: self.settings.gathering,
            connect: Some((self.target.clone(), handshake)),
        })?;
        Ok(Client { engine, known_hosts, echo: None })
    }

    /// A literal address tells the family; for names a socket for both is tried first.
    fn local_address(&self) -> SocketAddr {
        let any_v4 = SocketAddr::from(([0, 0, 0, 0], 0));
        let any_v6 = SocketAddr::from(([0u16; 8], 0));
        if let Some(address) = self.bind {
            return address;
        }
        match self.target.parse::<SocketAddr>() {
            Ok(SocketAddr::V4(_)) => any_v4,
            Ok(SocketAddr::V6(_)) => any_v6,
            Err(_) if UdpLink::bind(&UdpConfig::client(any_v6)).is_ok_and(|link| link.is_dual_stack()) => {
                any_v6
            }
            Err(_) => any_v4,
        }
    }

    fn load_trust(&self) -> Result<(HandshakeTrust, Option<KnownHosts>), Error> {
        match &self.trust {
            Trust::Pinned(keys) => Ok((HandshakeTrust::Pinned(keys.clone()), None)),
            Trust::Unverified => {
                log::warn!("{}: the server's key is not verified", self.target);
                Ok((HandshakeTrust::Unverified, None))
            }
            Trust::KnownHosts(path) => {
                let remembered = known_hosts::lookup(path, &self.target)?;
                let to_remember = KnownHosts { path: path.clone(), host: self.target.clone() };
                Ok((HandshakeTrust::KnownHost(remembered), Some(to_remember)))
            }
        }
    }
}

/// Where to write a key that was seen for the first time.
#[derive(Debug)]
struct KnownHosts {
    path: PathBuf,
    host: String,
}

/// A client. `update` and `events` belong to one thread at a time; everything else also goes through
/// [`ClientHandle`] from any thread.
///
/// Dropping it ends the connection at once; [`close`](Self::close) does so politely.
#[derive(Debug)]
pub struct Client {
    engine: Engine,
    known_hosts: Option<KnownHosts>,
    /// Dropped after the engine, which says goodbye to it.
    echo: Option<Echo>,
}

impl Client {
    /// Begins to set up a client. Every setting has a default.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            settings: Settings::default(),
            target: "localhost:7777".to_owned(),
            trust: Trust::Unverified,
            identity: None,
            token: None,
            connect_timeout: Duration::from_secs(10),
            bind: None,
        }
    }

    /// Whether a network thread does the input and output, rather than [`update`](Self::update).
    #[must_use]
    pub fn is_threaded(&self) -> bool {
        self.engine.drive() == Drive::Threaded
    }

    /// Waits at most `timeout` for news; zero does not wait. Call it regularly: inline, all input and output happens
    /// here. Returns early with events, or after [`ClientHandle::wake`].
    ///
    /// # Errors
    /// [`Error::Engine`] once the client has stopped for good; [`Error::File`] if the server's key could not be
    /// remembered (the connection goes on).
    pub fn update(&mut self, timeout: Duration) -> Result<(), Error> {
        self.engine.update(timeout)?;
        self.remember_server()
    }

    /// Writes down the key of a server met for the first time.
    fn remember_server(&mut self) -> Result<(), Error> {
        let Some(KnownHosts { path, host }) = &self.known_hosts else { return Ok(()) };
        let first_key = self.engine.find_event(|event| match event {
            Event::Connected { info, .. } => Some(info.key.filter(|_| info.is_first_use)),
            _ => None,
        });
        let result = match first_key {
            Some(Some(key)) => known_hosts::remember(path, host, &key),
            Some(None) => Ok(()),
            None => return Ok(()),
        };
        self.known_hosts = None;
        result
    }

    /// Takes the events that have come, oldest first. Those not taken stay.
    ///
    /// The iterator borrows nothing: the loop over it may send, disconnect and update.
    pub fn events(&mut self) -> Events {
        self.engine.events()
    }

    /// What other threads use; it is cheap to clone.
    #[must_use]
    pub fn handle(&self) -> ClientHandle {
        ClientHandle { handle: self.engine.handle().clone() }
    }

    /// Sends what is queued now instead of with the next update.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(self.engine.flush()?)
    }

    /// Ends the connection after what is queued reliably went through, waiting at most `patience`.
    pub fn close(&mut self, patience: Duration) {
        self.close_with(patience, 0, Payload::default());
    }

    /// As [`close`](Self::close), telling the server a code and up to 512 bytes of the game's own.
    pub fn close_with(&mut self, patience: Duration, code: u32, detail: impl Into<Payload>) {
        let farewell = Farewell { reason: Reason::Closed, code, detail: detail.into() };
        self.engine.close(CloseMode::Flush, farewell, patience);
        // Not before: it has acknowledged what was to go through.
        self.echo = None;
    }
}

/// Methods that [`Client`] and [`ClientHandle`] share.
macro_rules! client_methods {
    () => {
        /// Queues a message for the server. A slice is copied; a [`Payload`] is passed on.
        ///
        /// # Errors
        /// [`SendError`]: nothing was queued. [`SendError::NotConnected`] before `Connected`.
        pub fn send<'a>(
            &self,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
        ) -> Result<(), SendError> {
            self.raw().send_to_server(channel, message, SendOptions::default())
        }

        /// Queues a message with options: a deadline, a receipt, the key of a reliable-latest channel, a flush.
        ///
        /// # Errors
        /// As [`send`](Self::send).
        pub fn send_with<'a>(
            &self,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
            options: SendOptions,
        ) -> Result<(), SendError> {
            self.raw().send_to_server(channel, message, options)
        }

        /// Whether the server is connected.
        #[must_use]
        pub fn is_connected(&self) -> bool {
            self.raw().server().is_some()
        }

        /// The server's id in this client, while it is connected.
        #[must_use]
        pub fn server(&self) -> Option<PeerId> {
            self.raw().server()
        }

        /// The server's id, address and key, and the number it gave this client, while it is connected.
        #[must_use]
        pub fn server_info(&self) -> Option<PeerInfo> {
            self.raw().server_info()
        }

        /// The channels of the connection, while there is one: the server's table, if the client declared none.
        #[must_use]
        pub fn channels(&self) -> Option<Arc<ChannelTable>> {
            let handle = self.raw();
            handle.server().and_then(|peer| handle.channels(peer))
        }

        /// Ends the connection after queued reliable messages went through, for at most 3 s; `Disconnected` follows.
        /// `code` and up to 512 bytes of `detail` are the game's own. `false`: there is no connection.
        pub fn disconnect(&self, code: u32, detail: impl Into<Payload>) -> bool {
            let handle = self.raw();
            let farewell = Farewell { reason: Reason::Closed, code, detail: detail.into() };
            handle.server().is_some_and(|peer| handle.disconnect(peer, CloseMode::Flush, farewell))
        }

        /// The address datagrams leave from.
        #[must_use]
        pub fn local_addr(&self) -> SocketAddr {
            self.raw().local_address()
        }

        /// Goes on through another socket, at any port, as after a change of the network: the session lives on, with all
        /// that is queued. Gives the new local address. A client whose socket has broken, or through which nothing could
        /// be sent for a second, does this by itself.
        ///
        /// # Errors
        /// [`SendError::NotConnected`] before `Connected`; [`Error::Engine`] if no socket can be bound from which
        /// the server can be reached, or none may be: in plaintext, where nobody can prove to be the same, and over a link
        /// in memory. Nothing has changed then.
        pub fn rebind(&self) -> Result<SocketAddr, Error> {
            self.rebind_as(None)
        }

        /// As [`rebind`](Self::rebind), with the local address to send from.
        ///
        /// # Errors
        /// As [`rebind`](Self::rebind).
        pub fn rebind_to(&self, address: SocketAddr) -> Result<SocketAddr, Error> {
            self.rebind_as(Some(address))
        }

        fn rebind_as(&self, address: Option<SocketAddr>) -> Result<SocketAddr, Error> {
            Ok(self.raw().rebind(address)?.ok_or(SendError::NotConnected)?)
        }

        /// Sets how many bytes of UDP payload may leave in a second, at least 1,200; `None` leaves it to the path. `false`:
        /// there is no connection.
        pub fn set_rate_cap(&self, bytes_per_second: Option<u64>) -> bool {
            let handle = self.raw();
            handle.server().is_some_and(|peer| handle.set_rate_cap(peer, bytes_per_second))
        }

        /// The server's time, a bound of its error, and the server's ticks counted on it. `None` before the first answer,
        /// without a connection, and if nothing asked for it: [`synchronise_clock`](Self::synchronise_clock).
        ///
        /// Once it [is synchronised](ServerTime::is_synchronised) no reading is earlier than one before, on whichever
        /// thread, until an [`Event::Clock`] tells of a step. Reading costs a lock and no datagram, and works between
        /// updates as well as in them.
        #[must_use]
        pub fn server_time(&self) -> Option<ServerTime> {
            let handle = self.raw();
            handle.server_time(handle.server()?)
        }

        /// Begins to ask for the server's time: ten times a second at first, then more and more seldom, once a second from
        /// 45 s on; some 90 bytes both ways together each time. Called again, it begins anew: after a pause, say. `false`:
        /// there is no connection.
        ///
        /// [`Event::Clock`] tells when the time is known.
        pub fn synchronise_clock(&self) -> bool {
            let handle = self.raw();
            handle.server().is_some_and(|peer| handle.synchronise_clock(peer))
        }

        /// Figures of the connection, at most 100 ms older than its last datagram.
        #[must_use]
        pub fn statistics(&self) -> Option<ConnectionStatistics> {
            let handle = self.raw();
            handle.server().and_then(|peer| handle.peer_statistics(peer))
        }

        /// What may be sent now, and how long a message would wait on each channel: what was given to
        /// [`send`](Self::send) counts, whether it has left or not. `None` if not connected.
        #[must_use]
        pub fn send_budget(&self) -> Option<SendBudget> {
            let handle = self.raw();
            handle.server().and_then(|peer| handle.send_budget(peer))
        }

        /// Figures of one channel: queue depth, queue time, resent, expired. `None` if not connected or the table has no
        /// such channel.
        #[must_use]
        pub fn channel_statistics(&self, channel: impl Into<ChannelId>) -> Option<ChannelStatistics> {
            let handle = self.raw();
            handle.server().and_then(|peer| handle.channel_statistics(peer, channel))
        }

        /// Figures of the client as a whole, socket included.
        #[must_use]
        pub fn engine_statistics(&self) -> EngineStatistics {
            self.raw().statistics()
        }

        /// Switches modelled network conditions on, changes them, or (`None`) off. They end with the connection; while
        /// there is none, the call does nothing.
        ///
        /// # Errors
        /// [`Error::Conditions`] if they cannot be.
        pub fn set_conditions(
            &self,
            direction: Direction,
            conditions: Option<LinkConditions>,
        ) -> Result<(), Error> {
            let handle = self.raw();
            match handle.server() {
                Some(peer) => Ok(handle.set_conditions(peer, direction, conditions)?),
                None => Ok(()),
            }
        }

        /// What the modelled network has counted since it was switched on, at most 100 ms old. `None` if that way is
        /// not modelled, or there is no connection.
        #[must_use]
        pub fn condition_statistics(&self, direction: Direction) -> Option<LinkStatistics> {
            let handle = self.raw();
            handle.server().and_then(|peer| handle.condition_statistics(peer, direction))
        }
    };
}

impl Client {
    client_methods!();

    fn raw(&self) -> &Handle {
        self.engine.handle()
    }
}

/// A client as other threads see it. Cheap to clone; no method waits for the network.
#[derive(Clone, Debug)]
pub struct ClientHandle {
    handle: Handle,
}

impl ClientHandle {
    client_methods!();

    fn raw(&self) -> &Handle {
        &self.handle
    }

    /// Makes a waiting [`Client::update`] return.
    pub fn wake(&self) {
        self.handle.wake();
    }

    /// Lets queued messages leave now instead of after the gathering time.
    pub fn flush(&self) {
        self.handle.flush();
    }
}
