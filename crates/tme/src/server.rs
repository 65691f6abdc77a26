//! A server: listens, admits peers, talks to them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::clock::ServerTime;
use tme_core::connection::{
    Applicant, ChannelStatistics, CloseMode, ConnectionStatistics, Farewell, PeerId, SendBudget, SendError,
    SendOptions, TokenInfo,
};
use tme_core::crypto::keys::{KeyPair, PublicKey, SecretKey};
use tme_core::crypto::suite::{Suite, SuitePreference};
use tme_core::endpoint::{AdmissionPolicy, Decision, EndpointConfig, Newcomers, ServerSetup};
use tme_core::handshake::datagram::Information;
use tme_core::handshake::parameters::{DETAIL_BYTES_MAX, Detail, Refusal, UserData};
use tme_core::handshake::reason::Reason;
use tme_core::handshake::server::{IdentityPolicy, ServerHandshakeConfig, TokenPolicy, TokenRequirement};
use tme_core::link::{LinkConditions, LinkStatistics};
use tme_core::payload::Payload;
use tme_core::token::{ServerName, TokenKey};
use tme_transport::engine::{
    Broadcast, Direction, Drive, Engine, EngineConfig, EngineStatistics, Events, Handle, MessageBytes,
    PeerInfo,
};
use tme_transport::link::LinkSetup;
use tme_transport::link::memory::MemoryLink;
use tme_transport::link::udp::UdpConfig;

use crate::settings::{Settings, shared_setters};
use crate::{Error, Security};

/// Collects what a server needs. Made by [`Server::builder`].
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    pub(crate) settings: Settings,
    listen: String,
    peers_max: usize,
    key: KeySource,
    identity: IdentityPolicy,
    tokens: TokenPolicy,
    admission: AdmissionPolicy,
    queries_per_second: u32,
    information: Vec<u8>,
}

#[derive(Clone, Debug)]
enum KeySource {
    Ephemeral,
    Given(SecretKey),
    File(PathBuf),
}

impl ServerBuilder {
    shared_setters!();

    /// Sets the address to listen on, `address:port`; port 0 lets the system choose. Default `0.0.0.0:7777`;
    /// `[::]:7777` takes IPv6 and IPv4.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
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

    /// Starts a server whose input and output happen in [`Server::update`].
    ///
    /// # Errors
    /// [`Error`]: the address does not parse or is in use, the key file cannot be read, a setting is out of range.
    pub fn start(self) -> Result<Server, Error> {
        self.start_as(Drive::Inline, None)
    }

    /// Starts a server with a network thread: connections are kept alive while the game is busy.
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
        let link = match memory {
            Some(memory) => LinkSetup::Memory(Box::new(memory)),
            None => LinkSetup::Udp(UdpConfig {
                arrivals: self.settings.arrivals,
                ..UdpConfig::server(self.listen_address()?)
            }),
        };
        let gathering = self.settings.gathering;
        let engine = Engine::start(EngineConfig { endpoint, link, drive, gathering, connect: None })?;
        Ok(Server { engine })
    }

    /// What the protocol has to know.
    pub(crate) fn endpoint(&self) -> Result<EndpointConfig, Error> {
        self.settings.check()?;
        if !(1..=PeerId::SLOTS_MAX / 2).contains(&self.peers_max) {
            let limit = PeerId::SLOTS_MAX / 2;
            return Err(Error::Config(format!("{} peers are outside 1–{limit}", self.peers_max)));
        }
        let table = self.settings.table()?.unwrap_or_default();
        let mut handshake = ServerHandshakeConfig::new(self.load_key()?, table);
        handshake.application_id = self.settings.application_id;
        handshake.limits = self.settings.limits;
        handshake.identity = self.identity;
        handshake.tokens = self.tokens.clone();
        if self.settings.security == Security::Plaintext {
            handshake.suites = SuitePreference::new(&[Suite::Plaintext]).unwrap_or_default();
        }
        let mut setup = ServerSetup::new(handshake);
        setup.peers_max = self.peers_max;
        setup.admission = self.admission;
        setup.queries_per_second = self.queries_per_second;
        setup.information = information(self.information.clone())?;
        Ok(EndpointConfig { connection: self.settings.connection, server: Some(setup), shard: 0 })
    }

    fn listen_address(&self) -> Result<SocketAddr, Error> {
        self.listen.parse().map_err(|_| Error::Address {
            text: self.listen.clone(),
            problem: format!(
                "address {:?} does not parse; expected an address and a port such as 0.0.0.0:7777 or [::]:7777",
                self.listen
            ),
        })
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

fn information(bytes: Vec<u8>) -> Result<Information, Error> {
    Information::new(bytes).map_err(|error| Error::Config(format!("information: {error}")))
}

/// What a client is told that the game does not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RefuseAs {
    /// The game refused ([`Reason::Denied`]).
    #[default]
    Denied,
    /// The player is banned ([`Reason::Banned`]).
    Banned,
    /// There is no room ([`Reason::Full`]).
    Full,
}

impl RefuseAs {
    const fn reason(self) -> Reason {
        match self {
            Self::Denied => Reason::Denied,
            Self::Banned => Reason::Banned,
            Self::Full => Reason::Full,
        }
    }
}

/// A server. `update` and `events` belong to one thread at a time; everything else also goes through
/// [`ServerHandle`] from any thread.
///
/// Dropping it ends every connection at once; [`shutdown`](Self::shutdown) does so politely.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
}

impl Server {
    /// Begins to set up a server. Every setting has a default.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            settings: Settings::default(),
            listen: "0.0.0.0:7777".to_owned(),
            peers_max: 64,
            key: KeySource::Ephemeral,
            identity: IdentityPolicy::Optional,
            tokens: TokenPolicy::default(),
            admission: AdmissionPolicy::default(),
            queries_per_second: 1_000,
            information: Vec::new(),
        }
    }

    /// The address the server listens on, with the real port if port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.engine.local_address()
    }

    /// The key that clients pin.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.engine.public_key().unwrap_or_else(|| unreachable!("a server always has a key"))
    }

    /// Whether a network thread does the input and output, rather than [`update`](Self::update).
    #[must_use]
    pub fn is_threaded(&self) -> bool {
        self.engine.drive() == Drive::Threaded
    }

    /// Waits at most `timeout` for news; zero does not wait. Call it regularly: inline, all input and output happens
    /// here. Returns early with events, or after [`ServerHandle::wake`].
    ///
    /// # Errors
    /// [`Error::Engine`] once the server has stopped for good.
    pub fn update(&mut self, timeout: Duration) -> Result<(), Error> {
        Ok(self.engine.update(timeout)?)
    }

    /// Takes the events that have come, oldest first. Those not taken stay.
    ///
    /// The iterator borrows nothing: the loop over it may send, disconnect and update.
    pub fn events(&mut self) -> Events {
        self.engine.events()
    }

    /// What other threads use; it is cheap to clone.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { handle: self.engine.handle().clone() }
    }

    /// Sends what is queued now instead of with the next update.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(self.engine.flush()?)
    }

    /// Tells every client that the server shuts down, after what is queued reliably went through, for at most
    /// `patience`. Events of the last moments can still be taken.
    pub fn shutdown(&mut self, patience: Duration) {
        self.engine.close(CloseMode::Flush, Farewell::new(Reason::Shutdown), patience);
    }
}

/// Methods that [`Server`] and [`ServerHandle`] share.
macro_rules! server_methods {
    () => {
        /// Queues a message for a peer. A slice is copied; a [`Payload`] is passed on.
        ///
        /// # Errors
        /// [`SendError`]: nothing was queued.
        pub fn send<'a>(
            &self,
            peer: PeerId,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
        ) -> Result<(), SendError> {
            self.raw().send(peer, channel, message, SendOptions::default())
        }

        /// Queues a message with options: a deadline, a receipt, the key of a reliable-latest channel, a flush.
        ///
        /// # Errors
        /// [`SendError`]: nothing was queued.
        pub fn send_with<'a>(
            &self,
            peer: PeerId,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
            options: SendOptions,
        ) -> Result<(), SendError> {
            self.raw().send(peer, channel, message, options)
        }

        /// Queues a message for every peer; it is stored once. The result says how many could not take it, now or ever.
        ///
        /// # Errors
        /// [`SendError`] if nobody could take it: larger than the channel takes, no such channel. What single peers
        /// cannot take is no error.
        pub fn broadcast<'a>(
            &self,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
        ) -> Result<Broadcast, SendError> {
            self.raw().broadcast(None, channel, message, SendOptions::default())
        }

        /// Queues a message for every peer but one.
        ///
        /// # Errors
        /// As [`broadcast`](Self::broadcast).
        pub fn broadcast_except<'a>(
            &self,
            except: PeerId,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
        ) -> Result<Broadcast, SendError> {
            self.raw().broadcast(Some(except), channel, message, SendOptions::default())
        }

        /// Queues a message for every peer (but one) with options. A receipt is given by every peer that took it.
        ///
        /// # Errors
        /// As [`broadcast`](Self::broadcast).
        pub fn broadcast_with<'a>(
            &self,
            except: Option<PeerId>,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
            options: SendOptions,
        ) -> Result<Broadcast, SendError> {
            self.raw().broadcast(except, channel, message, options)
        }

        /// Queues a message for the peers named; it is stored once.
        ///
        /// # Errors
        /// As [`broadcast`](Self::broadcast).
        pub fn multicast<'a>(
            &self,
            peers: impl IntoIterator<Item = PeerId>,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
        ) -> Result<Broadcast, SendError> {
            self.raw().multicast(peers, channel, message, SendOptions::default())
        }

        /// Queues a message for the peers named with options. A receipt is given by every peer that took it.
        ///
        /// # Errors
        /// As [`broadcast`](Self::broadcast).
        pub fn multicast_with<'a>(
            &self,
            peers: impl IntoIterator<Item = PeerId>,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
            options: SendOptions,
        ) -> Result<Broadcast, SendError> {
            self.raw().multicast(peers, channel, message, options)
        }

        /// Ends the connection to a peer after its queued reliable messages went through, for at most 3 s.
        /// `Disconnected` follows. `false`: nobody has this id (any more).
        pub fn disconnect(&self, peer: PeerId) -> bool {
            self.raw().disconnect(peer, CloseMode::Flush, Farewell::new(Reason::Closed))
        }

        /// Ends the connection to a peer as [`disconnect`](Self::disconnect) does, with a code and up to 512 bytes of
        /// explanation of the game's own. `false`: nobody has this id (any more).
        pub fn disconnect_with(&self, peer: PeerId, code: u32, detail: impl Into<Payload>) -> bool {
            let farewell = Farewell { reason: Reason::Closed, code, detail: detail.into() };
            self.raw().disconnect(peer, CloseMode::Flush, farewell)
        }

        /// Throws a peer out at once, with a code and up to 512 bytes of explanation of the game's own. `false`: nobody
        /// has this id (any more).
        pub fn kick(&self, peer: PeerId, code: u32, detail: impl Into<Payload>) -> bool {
            let farewell = Farewell { reason: Reason::Kicked, code, detail: detail.into() };
            self.raw().disconnect(peer, CloseMode::Now, farewell)
        }

        /// Lets a client in that [`Event::Admission`](crate::Event::Admission) has asked about. `Connected` follows, or
        /// `Disconnected` if it has gone or the server is full. `false`: nobody asks under this id (any more).
        pub fn accept(&self, peer: PeerId) -> bool {
            self.raw().accept(peer, UserData::default())
        }

        /// As [`accept`](Self::accept), with up to 512 bytes that the client finds in its `Connected`.
        ///
        /// # Errors
        /// [`Error::Config`]: they are more; nothing is decided.
        pub fn accept_with(&self, peer: PeerId, user_data: impl Into<Vec<u8>>) -> Result<bool, Error> {
            let user_data = UserData::new(user_data);
            let user_data = user_data.map_err(|error| Error::Config(format!("user data: {error}")))?;
            Ok(self.raw().accept(peer, user_data))
        }

        /// Turns a client away that [`Event::Admission`](crate::Event::Admission) has asked about. It is told at once, with
        /// up to 512 bytes of explanation; `Disconnected` follows here, too. `false`: nobody asks under this id (any more).
        pub fn refuse(&self, peer: PeerId, reason: RefuseAs, detail: impl AsRef<[u8]>) -> bool {
            let detail = detail.as_ref();
            let detail = detail.get(..DETAIL_BYTES_MAX).unwrap_or(detail);
            let detail = Detail::new(detail).unwrap_or_default();
            self.raw().refuse(peer, Refusal { reason: reason.reason(), detail })
        }

        /// Who asks to be let in under this id, until that is decided: what [`Event::Admission`](crate::Event::Admission)
        /// told.
        #[must_use]
        pub fn applicant(&self, peer: PeerId) -> Option<Arc<Applicant>> {
            self.raw().applicant(peer)
        }

        /// What the game's backend says of a connected player: what [`Connected`](crate::Connected) told. `None` if he came
        /// without a connect token, or nobody has this id.
        #[must_use]
        pub fn peer_token(&self, peer: PeerId) -> Option<Arc<TokenInfo>> {
            self.raw().peer_token(peer)
        }

        /// Changes what the game tells those who only ask what this server is, at most 512 bytes.
        ///
        /// # Errors
        /// [`Error::Config`]: there are more; nothing is changed.
        pub fn set_information(&self, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
            self.raw().set_information(information(bytes.into())?);
            Ok(())
        }

        /// Sets how many bytes of UDP payload may leave for a peer in a second, at least 1,200; `None` leaves it to the path.
        /// `false`: nobody has this id (any more).
        pub fn set_rate_cap(&self, peer: PeerId, bytes_per_second: Option<u64>) -> bool {
            self.raw().set_rate_cap(peer, bytes_per_second)
        }

        /// The server's own clock, which read 0 when the server started: what clients estimate by
        /// [`Client::server_time`](crate::Client::server_time). It goes on evenly, and its error is zero.
        ///
        /// A game whose ticks follow [`ServerTime::tick`] simulates the ticks that its clients count.
        #[must_use]
        pub fn time(&self) -> ServerTime {
            self.raw().time()
        }

        /// Peers that are connected.
        #[must_use]
        pub fn peers(&self) -> Vec<PeerInfo> {
            self.raw().peers()
        }

        /// One peer's address, number and identity key, if it is connected.
        #[must_use]
        pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
            self.raw().peer(peer)
        }

        /// The peer with this number, which `Connected` told both sides and which no other peer of this server ever
        /// gets. `None` if it is not connected (any more).
        #[must_use]
        pub fn peer_by_number(&self, number: u32) -> Option<PeerInfo> {
            self.raw().peer_by_number(number)
        }

        /// The channels towards a peer, if it is connected.
        #[must_use]
        pub fn channels(&self, peer: PeerId) -> Option<Arc<ChannelTable>> {
            self.raw().channels(peer)
        }

        /// Figures of one peer, at most 100 ms older than its last datagram.
        #[must_use]
        pub fn peer_statistics(&self, peer: PeerId) -> Option<ConnectionStatistics> {
            self.raw().peer_statistics(peer)
        }

        /// What may be sent to a peer now, and how long a message would wait on each channel: what this server has given
        /// to [`send`](Self::send) counts, whether it has left or not. `None` if nobody has this id.
        #[must_use]
        pub fn send_budget(&self, peer: PeerId) -> Option<SendBudget> {
            self.raw().send_budget(peer)
        }

        /// Figures of one channel towards a peer: queue depth, queue time, resent, expired. `None` if nobody has this
        /// id or the table has no such channel.
        #[must_use]
        pub fn channel_statistics(
            &self,
            peer: PeerId,
            channel: impl Into<ChannelId>,
        ) -> Option<ChannelStatistics> {
            self.raw().channel_statistics(peer, channel)
        }

        /// Figures of the whole server.
        #[must_use]
        pub fn statistics(&self) -> EngineStatistics {
            self.raw().statistics()
        }

        /// Switches modelled network conditions towards a peer on, changes them, or (`None`) off. They end with the
        /// connection. A peer that is gone is no error.
        ///
        /// # Errors
        /// [`Error::Conditions`] if they cannot be.
        pub fn set_conditions(
            &self,
            peer: PeerId,
            direction: Direction,
            conditions: Option<LinkConditions>,
        ) -> Result<(), Error> {
            Ok(self.raw().set_conditions(peer, direction, conditions)?)
        }

        /// What the modelled network towards a peer has counted since it was switched on, at most 100 ms old. `None` if
        /// that way is not modelled, or nobody has this id.
        #[must_use]
        pub fn condition_statistics(&self, peer: PeerId, direction: Direction) -> Option<LinkStatistics> {
            self.raw().condition_statistics(peer, direction)
        }
    };
}

impl Server {
    server_methods!();

    fn raw(&self) -> &Handle {
        self.engine.handle()
    }
}

/// A server as other threads see it. Cheap to clone; no method waits for the network.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    handle: Handle,
}

impl ServerHandle {
    server_methods!();

    fn raw(&self) -> &Handle {
        &self.handle
    }

    /// Makes a waiting [`Server::update`] return.
    pub fn wake(&self) {
        self.handle.wake();
    }

    /// Lets queued messages leave now instead of after the gathering time.
    pub fn flush(&self) {
        self.handle.flush();
    }
}
