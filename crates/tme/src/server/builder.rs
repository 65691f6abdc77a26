//! What a server is told before it starts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tme_core::channel::ChannelTable;
use tme_core::connection::PeerId;
use tme_core::crypto::keys::{KeyPair, SecretKey};
use tme_core::crypto::suite::{Suite, SuitePreference};
use tme_core::discovery::DISCOVERY_PORT;
use tme_core::endpoint::{AdmissionPolicy, Decision, EndpointConfig, Newcomers, ServerSetup, Shard};
use tme_core::handshake::datagram::{DisplayName, Information};
use tme_core::handshake::server::{
    Browsers, IdentityPolicy, ServerHandshakeConfig, TokenPolicy, TokenRequirement,
};
use tme_core::stream::proxy::{ProxyHeader, TrustedProxies};
use tme_core::token::{ServerName, TokenKey};
use tme_transport::engine::{DiscoverySetup, Drive, Engine, EngineConfig, LinkChoice, WhenUnavailable};
use tme_transport::link::LinkSetup;
use tme_transport::link::memory::MemoryLink;
use tme_transport::link::stream::{StreamsConfig, TlsCertificate};
use tme_transport::link::udp::UdpConfig;

use super::Server;
use crate::settings::{Settings, shared_setters};
use crate::{Error, Security};

#[derive(Clone, Debug)]
struct TlsFiles {
    chain: PathBuf,
    key: PathBuf,
}

/// Collects what a server needs. Made by [`Server::builder`].
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    pub(crate) settings: Settings,
    listen: String,
    tcp: Option<Tcp>,
    peers_max: usize,
    key: KeySource,
    identity: IdentityPolicy,
    tokens: TokenPolicy,
    admission: AdmissionPolicy,
    queries_per_second: u32,
    information: Vec<u8>,
    network_threads: usize,
    browsers: Browsers,
    tls: Option<TlsFiles>,
    proxies: Vec<(String, ProxyHeader)>,
    discoverable: Option<String>,
    discovery_port: u16,
    when_undiscoverable: WhenUnavailable,
}

/// Most network threads of a server.
pub const NETWORK_THREADS_MAX: usize = Shard::COUNT_MAX as usize;

/// Streams beyond two for each peer: for those of whom nobody knows yet whether they become one.
const SPARE_STREAMS: usize = 1_024;

/// Where a server listens for TCP.
#[derive(Clone, Debug)]
enum Tcp {
    SamePort,
    At(String),
}

#[derive(Clone, Debug)]
enum KeySource {
    Ephemeral,
    Given(SecretKey),
    File(PathBuf),
}

impl ServerBuilder {
    /// Every setting at its default.
    pub(super) fn new() -> Self {
        Self {
            settings: Settings::default(),
            listen: "0.0.0.0:7777".to_owned(),
            tcp: None,
            peers_max: 64,
            key: KeySource::Ephemeral,
            identity: IdentityPolicy::Optional,
            tokens: TokenPolicy::default(),
            admission: AdmissionPolicy::default(),
            queries_per_second: 1_000,
            information: Vec::new(),
            network_threads: 1,
            browsers: Browsers::default(),
            tls: None,
            proxies: Vec::new(),
            discoverable: None,
            discovery_port: DISCOVERY_PORT,
            when_undiscoverable: WhenUnavailable::Fail,
        }
    }

    shared_setters!();

    /// Sets the address to listen on, `address:port`; port 0 lets the system choose. Default `0.0.0.0:7777`;
    /// `[::]:7777` takes IPv6 and IPv4.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// Listens for TCP, too, on the same address and port number: for players whose network lets no UDP through. Their clients
    /// find it by themselves. Everything is the same there but the delays: what TCP loses holds up all that is behind it.
    /// Default: UDP only.
    #[must_use]
    pub fn listen_tcp(mut self) -> Self {
        self.tcp = Some(Tcp::SamePort);
        self
    }

    /// As [`listen_tcp`](Self::listen_tcp), at an address and port of its own. Clients look for TCP at the port they are given,
    /// so those that are to come here must be told it.
    #[must_use]
    pub fn listen_tcp_on(mut self, address: impl Into<String>) -> Self {
        self.tcp = Some(Tcp::At(address.into()));
        self
    }

    /// Sets the certificate by which the server speaks TLS on its TCP port, beside everything else there: PEM files with the
    /// chain, the server's own certificate first, and with its private key. Browsers connect by `wss://` then, from anywhere and
    /// with connect tokens, and networks that let only TLS through let clients through that are told
    /// [`tls`](crate::ClientBuilder::tls). Needs [`listen_tcp`](Self::listen_tcp). The files are read once. Default: none.
    #[must_use]
    pub fn tls(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some(TlsFiles { chain: chain.into(), key: key.into() });
        self
    }

    /// Believes proxies in this network about the clients that they speak for: balancers, web servers, content delivery networks
    /// between players and the [TCP port](Self::listen_tcp). `network` is `10.0.0.0/8`, `2001:db8::/32` or one address; of several
    /// that hold an address the smallest counts. Such a proxy **must** say for whom it speaks, in the way that `header` tells;
    /// streams from there which do not are closed and counted
    /// ([`StreamFailure::ProxyHeader`](crate::StreamFailure::ProxyHeader), [`ForwardedFor`](crate::StreamFailure::ForwardedFor)). Then the
    /// client's address is the peer's: for the game, for limits, and in the log; only [`browsers`](Self::browsers) asks where the proxy
    /// is. What others say of that kind is not believed. At most 1,024 networks. Default: none.
    ///
    /// ```
    /// # fn main() -> Result<(), tme::Error> {
    /// use tme::{ProxyHeader, Server};
    ///
    /// let server = Server::builder()
    ///     .listen("127.0.0.1:0")
    ///     .listen_tcp()
    ///     .trusted_proxy("10.0.0.0/8", ProxyHeader::ProxyProtocol) // HAProxy with send-proxy-v2
    ///     .trusted_proxy("127.0.0.1", ProxyHeader::XForwardedFor) // nginx on this machine
    ///     .start()?;
    /// # drop(server);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn trusted_proxy(mut self, network: impl Into<String>, header: ProxyHeader) -> Self {
        self.proxies.push((network.into(), header));
        self
    }

    /// Sets from where browsers may connect without TLS, which needs [`listen_tcp`](Self::listen_tcp): they come in a WebSocket and have no
    /// keys of their own, so that nothing encrypts what they say but the TLS of a proxy. Default: from this machine only.
    /// Elsewhere they are refused with [`Reason::Suites`](crate::Reason::Suites). They have no identity, bring no token, and
    /// leave with their stream. With [`Browsers::Never`] they may not come by [`tls`](Self::tls) either.
    #[must_use]
    pub const fn browsers(mut self, browsers: Browsers) -> Self {
        self.browsers = browsers;
        self
    }

    /// Sets how many peers there can be at a time; further ones are refused as full. 1–524,287, default 64.
    #[must_use]
    pub fn max_peers(mut self, peers: usize) -> Self {
        self.peers_max = peers;
        self
    }

    /// Sets the server's secret key, by whose public half clients recognise it. Without one (or
    /// [`key_file`](Self::key_file)) a key is made for this run only, with a warning in the log.
    #[must_use]
    pub fn key(mut self, key: SecretKey) -> Self {
        self.key = KeySource::Given(key);
        self
    }

    /// Reads the server's secret key from a file: 64 hexadecimal digits, as `tme keygen` writes them.
    #[must_use]
    pub fn key_file(mut self, path: impl AsRef<Path>) -> Self {
        self.key = KeySource::File(path.as_ref().to_owned());
        self
    }

    /// Admits only clients that prove an identity key.
    #[must_use]
    pub fn require_identity(mut self) -> Self {
        self.identity = IdentityPolicy::Required;
        self
    }

    /// Adds a key by which connect tokens are opened (at most 16). While a key is being replaced a server has two. Without
    /// any, clients with a token are refused. See [`token`](crate::token).
    #[must_use]
    pub fn token_key(mut self, key: TokenKey) -> Self {
        self.tokens.keys.push(key);
        self
    }

    /// Adds several such keys.
    #[must_use]
    pub fn token_keys(mut self, keys: impl IntoIterator<Item = TokenKey>) -> Self {
        self.tokens.keys.extend(keys);
        self
    }

    /// Admits only clients with a connect token.
    #[must_use]
    pub fn require_token(mut self) -> Self {
        self.tokens.requirement = TokenRequirement::Required;
        self
    }

    /// Sets what this server is called in tokens that are for it alone. Default: nothing.
    #[must_use]
    pub fn server_name(mut self, name: ServerName) -> Self {
        self.tokens.server_name = Some(name);
        self
    }

    /// Sets how much later than this machine's clock a token may say that it was issued. Default 5 s.
    #[must_use]
    pub fn token_clock_tolerance(mut self, tolerance: Duration) -> Self {
        self.tokens.clock_tolerance = tolerance;
        self
    }

    /// Takes tokens issued up to so long before the server starts, too. By default it takes none, for it does not know
    /// which of them were used in an earlier run; more is safe if the earlier run ended before that time, and for tokens
    /// that name this server and were never shown to another.
    #[must_use]
    pub fn tokens_issued_before_start(mut self, time: Duration) -> Self {
        self.tokens.issued_before_start = time;
        self
    }

    /// Asks the game about every client that is otherwise entitled: [`Event::Admission`](crate::Event::Admission) comes,
    /// and is answered by [`Server::accept`] or [`Server::refuse`].
    #[must_use]
    pub fn ask_before_admitting(mut self) -> Self {
        self.admission.decision = Decision::Ask;
        self
    }

    /// Sets how long the game may take to decide about a client, which is then refused as busy. Default 5 s; clients wait
    /// for 10 s.
    #[must_use]
    pub fn decision_time(mut self, time: Duration) -> Self {
        self.admission.decision_time = time;
        self
    }

    /// Sets about how many clients the game is asked at a time, a quarter of them from one network (IPv4 /24, IPv6 /56)
    /// other than this machine; further ones are refused as busy. Default 256.
    #[must_use]
    pub fn max_applicants(mut self, applicants: usize) -> Self {
        self.admission.applicants_max = applicants;
        self
    }

    /// Sets what becomes of a client that proves the same identity key, or the same user by a connect token, as a peer that
    /// is connected. Default [`Newcomers::Replace`]: the newest wins.
    #[must_use]
    pub fn newcomers(mut self, newcomers: Newcomers) -> Self {
        self.admission.newcomers = newcomers;
        self
    }

    /// Sets what the game tells those who only ask what this server is, at most 512 bytes: a name, a map, a mode. Anybody can
    /// read it. [`Server::set_information`] changes it later. See [`query`](crate::query).
    #[must_use]
    pub fn information(mut self, information: impl Into<Vec<u8>>) -> Self {
        self.information = information.into();
        self
    }

    /// Sets how many such questions are answered in a second; 0 answers none. Default 1,000.
    #[must_use]
    pub fn queries_per_second(mut self, queries: u32) -> Self {
        self.queries_per_second = queries;
        self
    }

    /// Sets how many network threads [`start_threaded`](Self::start_threaded) starts, 1 to [`NETWORK_THREADS_MAX`], default 1: for
    /// servers whose traffic is more than one processor core can take. Everything is the same with several, and all limits are
    /// those of the server as a whole; only events of different peers come in no particular order. In Linux they share the port, and the kernel
    /// gives each datagram to the thread that has its connection; elsewhere there is one thread, whatever is asked for
    /// ([`Server::network_threads`] tells). Inline it has no effect.
    #[must_use]
    pub fn network_threads(mut self, threads: usize) -> Self {
        self.network_threads = threads;
        self
    }

    /// Lets players on the same network find this server, under this name: at most 64 bytes without control characters. They look
    /// for it by [`discovery`](crate::discovery) and are told name, port, peers, and the [`information`](Self::information) that
    /// queries are answered with. Only neighbours are answered, and only where [`listen`](Self::listen) lets them in: who listens on
    /// 127.0.0.1 is found on this machine alone. [`Server::set_display_name`] changes the name. Default: nobody is answered.
    #[must_use]
    pub fn discoverable(mut self, name: impl Into<String>) -> Self {
        self.discoverable = Some(name.into());
        self
    }

    /// Sets the UDP port at which those who look for servers ask; both sides must have the same. All TME servers on a machine
    /// share it. 0 lets the system choose ([`Server::discovery_port`] tells), which is of use in tests. Default 7776.
    #[must_use]
    pub fn discovery_port(mut self, port: u16) -> Self {
        self.discovery_port = port;
        self
    }

    /// Starts the server also if the discovery port cannot be had, because a foreign program keeps it for itself: with a warning in
    /// the log, and then it is not found. By default that is an error.
    #[must_use]
    pub fn discoverable_if_possible(mut self) -> Self {
        self.when_undiscoverable = WhenUnavailable::Warn;
        self
    }

    /// Starts a server whose input and output happen in [`Server::update`].
    ///
    /// # Errors
    /// [`Error`]: an address does not parse, or that to listen on is in use; a file cannot be read; a setting is out of range.
    pub fn start(self) -> Result<Server, Error> {
        self.start_as(Drive::Inline, None)
    }

    /// Starts a server with a network thread, or [several](Self::network_threads): connections are kept alive while the game
    /// is busy.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_threaded(self) -> Result<Server, Error> {
        self.start_as(Drive::Threaded, None)
    }

    /// Starts a server on a link inside this process instead of a socket.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_in_memory(self, link: MemoryLink) -> Result<Server, Error> {
        self.start_as(Drive::Inline, Some(link))
    }

    fn start_as(self, drive: Drive, memory: Option<MemoryLink>) -> Result<Server, Error> {
        let endpoint = self.endpoint()?;
        let channels = Arc::new(self.table()?);
        let network_threads = u8::try_from(self.network_threads).unwrap_or(u8::MAX);
        if !(1..=NETWORK_THREADS_MAX).contains(&usize::from(network_threads)) {
            let threads = self.network_threads;
            let text = format!("{threads} network threads are outside 1–{NETWORK_THREADS_MAX}");
            return Err(Error::Config(text));
        }
        let link = match memory {
            Some(memory) => LinkSetup::Memory(Box::new(memory)),
            None => LinkSetup::Udp(UdpConfig {
                arrivals: self.settings.arrivals,
                ..UdpConfig::server(self.listen_address()?)
            }),
        };
        let gathering = self.settings.gathering;
        let listen_streams = match &self.tcp {
            None => None,
            Some(Tcp::SamePort) => Some(SocketAddr::new(self.listen_address()?.ip(), 0)),
            Some(Tcp::At(address)) => Some(parse_address(address)?),
        };
        // Each peer may be about to change from one stream to another.
        let streams = StreamsConfig {
            streams_max: 2 * self.peers_max + SPARE_STREAMS,
            claim_time: StreamsConfig::default().claim_time + self.admission.decision_time,
            certificate: self.load_certificate()?,
            proxies: self.trusted_proxies()?,
            ..StreamsConfig::default()
        };
        let engine = Engine::start(EngineConfig {
            endpoint,
            link,
            drive,
            network_threads,
            gathering,
            listen_streams,
            streams,
            discovery: self.discovery()?,
            choice: LinkChoice::default(),
            connect: None,
            // It has no long work to give.
            executor: None,
        })?;
        Ok(Server { engine, channels })
    }

    /// The channels declared, or those that there are by default.
    fn table(&self) -> Result<ChannelTable, Error> {
        if let Some(table) = self.settings.table()? {
            return Ok(table);
        }
        let table = ChannelTable::default();
        self.settings.check_message_channels(&table)?;
        Ok(table)
    }

    /// What the protocol has to know.
    pub(crate) fn endpoint(&self) -> Result<EndpointConfig, Error> {
        self.settings.check()?;
        if !(1..=PeerId::SLOTS_MAX / 2).contains(&self.peers_max) {
            let limit = PeerId::SLOTS_MAX / 2;
            return Err(Error::Config(format!("{} peers are outside 1–{limit}", self.peers_max)));
        }
        let mut handshake = ServerHandshakeConfig::new(self.load_key()?, self.table()?);
        handshake.schema_hashes = self.settings.schema_hashes();
        handshake.application_id = self.settings.application_id;
        handshake.limits = self.settings.limits;
        handshake.identity = self.identity;
        handshake.tokens = self.tokens.clone();
        handshake.browsers = self.browsers;
        if self.settings.security == Security::Plaintext {
            handshake.suites = SuitePreference::new(&[Suite::Plaintext]).unwrap_or_default();
        }
        let mut setup = ServerSetup::new(handshake);
        setup.peers_max = self.peers_max;
        setup.admission = self.admission;
        setup.queries_per_second = self.queries_per_second;
        setup.information = information(self.information.clone())?;
        Ok(EndpointConfig { connection: self.settings.connection, server: Some(setup) })
    }

    fn load_certificate(&self) -> Result<Option<TlsCertificate>, Error> {
        let Some(TlsFiles { chain, key }) = &self.tls else { return Ok(None) };
        if self.tcp.is_none() {
            return Err(Error::Config(
                "a certificate is for TCP, which the server does not listen for".to_owned(),
            ));
        }
        TlsCertificate::from_files(chain, key).map(Some).map_err(|error| Error::tls(&error))
    }

    fn trusted_proxies(&self) -> Result<TrustedProxies, Error> {
        if self.tcp.is_none() && !self.proxies.is_empty() {
            return Err(Error::Config(
                "a trusted proxy is for TCP, which the server does not listen for".to_owned(),
            ));
        }
        let networks: Result<Vec<_>, Error> = self
            .proxies
            .iter()
            .map(|(text, header)| {
                let network = text.parse().map_err(|error| Error::Address {
                    text: text.clone(),
                    problem: format!("trusted proxy {text:?}: {error}"),
                })?;
                Ok((network, *header))
            })
            .collect();
        TrustedProxies::new(networks?).map_err(|error| Error::Config(format!("trusted proxies: {error}")))
    }

    fn discovery(&self) -> Result<Option<DiscoverySetup>, Error> {
        let Some(name) = &self.discoverable else { return Ok(None) };
        let (port, when_unavailable) = (self.discovery_port, self.when_undiscoverable);
        Ok(Some(DiscoverySetup { name: display_name(name.clone())?, port, when_unavailable }))
    }

    fn listen_address(&self) -> Result<SocketAddr, Error> {
        parse_address(&self.listen)
    }

    fn load_key(&self) -> Result<KeyPair, Error> {
        match &self.key {
            KeySource::Given(key) => Ok(KeyPair::from(key.clone())),
            KeySource::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
                let key = SecretKey::from_hex(text.trim()).map_err(|error| Error::file(path, error))?;
                Ok(KeyPair::from(key))
            }
            KeySource::Ephemeral => {
                log::warn!(
                    "the server has no key of its own; one was made for this run, clients cannot pin it"
                );
                Ok(KeyPair::from(crate::generate_key()?))
            }
        }
    }
}

/// What a server says of itself, if it is not too much.
pub(super) fn information(bytes: Vec<u8>) -> Result<Information, Error> {
    Information::new(bytes).map_err(|error| Error::Config(format!("information: {error}")))
}

/// A name under which a server is found, if it can be one.
pub(super) fn display_name(name: String) -> Result<DisplayName, Error> {
    DisplayName::new(name).map_err(|error| Error::Config(format!("discovery: {error}")))
}

fn parse_address(text: &str) -> Result<SocketAddr, Error> {
    text.parse().map_err(|_| Error::Address {
        text: text.to_owned(),
        problem: format!(
            "address {text:?} does not parse; expected an address and a port such as 0.0.0.0:7777 or [::]:7777"
        ),
    })
}
