//! What a client is told before it starts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tme_core::clock::ClockSync;
use tme_core::crypto::keys::{KeyPair, PublicKey, SecretKey};
use tme_core::crypto::suite::{Suite, SuiteSet};
use tme_core::endpoint::EndpointConfig;
use tme_core::handshake::client::{ClientHandshakeConfig, Trust as HandshakeTrust};
use tme_core::handshake::parameters::{ConnectionId, UserData};
use tme_core::token::SealedToken;
use tme_transport::engine::{Drive, Echo, Engine, EngineConfig, LinkChoice};
use tme_transport::link::LinkSetup;
use tme_transport::link::memory::MemoryLink;
use tme_transport::link::stream::{StreamsConfig, TlsClient, TlsTrust};
use tme_transport::link::udp::{UdpConfig, UdpLink};
use tme_transport::workers::{Executor, SharedExecutor};

use super::{Client, KnownHosts};
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
    links: LinkChoice,
    tls: Option<TlsTrust>,
    tls_name: Option<String>,
    executor: Option<SharedExecutor>,
}

impl ClientBuilder {
    /// Every setting at its default.
    pub(super) fn new() -> Self {
        Self {
            settings: Settings::default(),
            target: "localhost:7777".to_owned(),
            trust: Trust::Unverified,
            identity: None,
            token: None,
            connect_timeout: Duration::from_secs(10),
            bind: None,
            links: LinkChoice::Any,
            tls: None,
            tls_name: None,
            executor: None,
        }
    }

    shared_setters!();

    /// Sets the server's address, `host:port`; names are looked up without blocking. Default `localhost:7777`.
    #[must_use]
    pub fn connect(mut self, address: impl Into<String>) -> Self {
        self.target = address.into();
        self
    }

    /// Puts TLS around TCP and WebSockets, for networks that let nothing else through: the server needs a certificate
    /// ([`ServerBuilder::tls`](crate::ServerBuilder::tls)) that is trusted so. The session within is as encrypted as ever, so that
    /// it can go on by UDP, and [`trust`](Self::trust) still says which server is the right one. A certificate that does not
    /// match ends the attempt by that link, and `Disconnected` says why. UDP has no part in it. Default: no TLS.
    #[must_use]
    pub fn tls(mut self, trust: TlsTrust) -> Self {
        self.tls = Some(trust);
        self
    }

    /// Sets the name or address that the server's certificate must be for, which needs [`tls`](Self::tls). Default: the host that
    /// is connected to.
    #[must_use]
    pub fn tls_name(mut self, name: impl Into<String>) -> Self {
        self.tls_name = Some(name.into());
        self
    }

    /// Sets by what the server may be reached. Default [`LinkChoice::Any`]: UDP; after a second without an answer TCP is tried
    /// at the same address, too, and whichever answers first carries the session. Over TCP, UDP is asked for every few seconds,
    /// and the session goes on there as soon as it answers; when UDP falls silent for 3 s, TCP takes over. Nothing is lost and
    /// nothing comes twice by that; [`Event::LinkChanged`](crate::Event::LinkChanged) tells.
    #[must_use]
    pub fn links(mut self, choice: LinkChoice) -> Self {
        self.links = choice;
        self
    }

    /// Sets who looks the server's name up, which may take half a minute: the game's own job system, or a
    /// [`WorkerPool`](crate::workers::WorkerPool) that it shares among clients. Default: a pool of this client's own, whose threads
    /// start when there is a name to look up, and end after 10 s without. With an executor the client starts no such threads.
    #[must_use]
    pub fn executor(mut self, executor: impl Executor + 'static) -> Self {
        self.executor = Some(SharedExecutor::new(executor));
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
    /// Addresses, [`Trust`], a connect token and TLS are ignored.
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
        (self.tls, self.tls_name) = (None, None);
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
        handshake.schema_hashes = self.settings.schema_hashes();
        handshake.limits = self.settings.limits;
        handshake.give_up_after = self.connect_timeout;
        handshake.user_data = UserData::new(self.settings.user_data.clone())
            .map_err(|error| Error::Config(format!("user data: {error}")))?;
        if self.settings.security == Security::Plaintext {
            handshake.suites = SuiteSet::only(Suite::Plaintext);
        }
        let is_in_memory = memory.is_some();
        let link = match memory {
            Some(memory) => LinkSetup::Memory(Box::new(memory)),
            None => LinkSetup::Udp(UdpConfig {
                arrivals: self.settings.arrivals,
                ..UdpConfig::client(self.local_address())
            }),
        };
        let engine = Engine::start(EngineConfig {
            endpoint: EndpointConfig { connection: self.settings.connection, server: None },
            link,
            drive,
            network_threads: 1,
            gathering: self.settings.gathering,
            listen_streams: None,
            streams: StreamsConfig { tls: self.load_tls()?, ..StreamsConfig::default() },
            discovery: None,
            choice: if is_in_memory { LinkChoice::Udp } else { self.links },
            connect: Some((self.target.clone(), handshake)),
            executor: self.executor.clone(),
        })?;
        Ok(Client { engine, known_hosts, echo: None })
    }

    fn load_tls(&self) -> Result<Option<TlsClient>, Error> {
        match (&self.tls, &self.tls_name) {
            (None, None) => Ok(None),
            // Whoever names a certificate must not find out later that nobody has asked for one.
            (None, Some(name)) => {
                Err(Error::Config(format!("a certificate for {name:?} needs TLS, which is not set")))
            }
            (Some(trust), name) => {
                TlsClient::new(trust, name.as_deref()).map(Some).map_err(|error| Error::tls(&error))
            }
        }
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
