//! Looking for servers on this machine's networks, over sockets of its own; and the sockets by which servers are found.

pub(crate) mod socket;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::Interest;
use mio::net::UdpSocket;
use tme_core::crypto::name_hash;
use tme_core::datagram::LinkKind;
use tme_core::discovery::{
    DISCOVERY_PORT, DiscoveryEvent, FoundServer, Networks, Reach, Search, SearchStatistics,
};
use tme_core::handshake::datagram::{DISCOVER_BYTES, HERE_BYTES_MAX};
use tme_core::time::Instant;

use crate::clock::Clock;
use crate::engine::EngineError;
use crate::interfaces::{Interface, interfaces};
use crate::poller::{EVENTS_DEFAULT, Poller, Token};
use crate::random::SystemRandom;
use socket::{Family, bind_asker, say_to_all};

/// Datagrams taken from a socket before the other one, and the game, get their turn.
const RECEIVE_BATCH: usize = 256;

/// By which interfaces servers are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scope {
    /// By all that this machine has, itself included.
    #[default]
    Network,
    /// On this machine alone: nothing leaves it.
    ThisMachine,
}

/// What to look for, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// Servers of which game; `None`: of all. Default all.
    pub application_id: Option<u64>,
    /// The port at which servers listen for those who look for them. Default 7776.
    pub port: u16,
    /// By which interfaces. Default all.
    pub scope: Scope,
}

impl DiscoveryConfig {
    /// Servers of this game, on all networks.
    #[must_use]
    pub fn of(application: &str) -> Self {
        Self { application_id: Some(name_hash(application)), ..Self::default() }
    }

    /// Servers of all games, on all networks.
    #[must_use]
    pub fn of_all() -> Self {
        Self::default()
    }

    /// Sets the port at which servers are asked; they must have the same. Default 7776.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Looks for servers on this machine alone.
    #[must_use]
    pub const fn this_machine(mut self) -> Self {
        self.scope = Scope::ThisMachine;
        self
    }
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self { application_id: None, port: DISCOVERY_PORT, scope: Scope::Network }
    }
}

/// A way by which the newest question could not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceProblem {
    /// The interface and its address: `eth0 (192.168.1.5)`.
    pub interface: String,
    /// What the system says.
    pub problem: String,
}

impl fmt::Display for InterfaceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.interface, self.problem)
    }
}

/// Looks for servers until it is dropped. [`update`](Self::update) does all input and output, and waits at most as long as it is
/// told; nothing else waits.
pub struct Discovery {
    clock: Clock,
    random: SystemRandom,
    poller: Poller,
    config: DiscoveryConfig,
    sockets: Vec<(Family, UdpSocket)>,
    /// Why there is no socket of a family.
    missing: Vec<InterfaceProblem>,
    search: Search,
    problems: Vec<InterfaceProblem>,
    /// Interfaces that took the newest question.
    asked_count: usize,
    question: Vec<u8>,
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Discovery {
    /// Binds the sockets, one for IPv4 and one for IPv6; one of them is enough. The first question leaves with the first update.
    ///
    /// # Errors
    /// [`EngineError`]: there is no socket, randomness or poll handle to be had; [`EngineError::Config`]: port 0.
    pub fn start(config: DiscoveryConfig) -> Result<Self, EngineError> {
        let system = |error: &dyn fmt::Display| EngineError::System(error.to_string());
        if config.port == 0 {
            return Err(EngineError::Config("discovery needs a port; 0 is none".to_owned()));
        }
        let random = SystemRandom::new().map_err(|error| system(&error))?;
        let poller = Poller::new(EVENTS_DEFAULT).map_err(|error| system(&error))?;
        let clock = Clock::start();
        let (mut sockets, mut missing, mut failure) = (Vec::new(), Vec::new(), None);
        for family in [Family::V4, Family::V6] {
            match bind_asker(family) {
                Ok(socket) => sockets.push((family, socket)),
                Err(error) => {
                    missing.push(InterfaceProblem {
                        interface: format!("{family:?}").replace('V', "IPv"),
                        problem: error.to_string(),
                    });
                    failure = failure.or(Some(error));
                }
            }
        }
        if let (true, Some(error)) = (sockets.is_empty(), failure) {
            return Err(EngineError::bind(LinkKind::Udp, error));
        }
        for (number, (_, socket)) in sockets.iter_mut().enumerate() {
            let registry = poller.registry();
            registry.register(socket, Token(number), Interest::READABLE).map_err(|error| system(&error))?;
        }
        Ok(Self {
            search: Search::new(clock.now(), config.application_id),
            clock,
            random,
            poller,
            config,
            sockets,
            missing,
            problems: Vec::new(),
            asked_count: 0,
            question: Vec::with_capacity(DISCOVER_BYTES),
        })
    }

    /// Asks again when it is time, receives, and waits at most `timeout` for news. Returns early with some.
    ///
    /// # Errors
    /// [`EngineError::Wait`]: the system cannot wait. What interfaces refuse is no error but among the
    /// [`problems`](Self::problems).
    pub fn update(&mut self, timeout: Duration) -> Result<(), EngineError> {
        self.run(timeout, Search::has_events)
    }

    /// Looks around for so long, whatever is found meanwhile. Blocks.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn search_for(&mut self, time: Duration) -> Result<(), EngineError> {
        self.run(time, |_| false)
    }

    fn run(&mut self, time: Duration, is_enough: impl Fn(&Search) -> bool) -> Result<(), EngineError> {
        let deadline = self.clock.now() + time;
        loop {
            let now = self.clock.now();
            // Before anything else: a game that does not wait receives here, and what has come is not late.
            let has_more = self.receive(now);
            self.search.handle_timeout(now);
            self.ask(now);
            if is_enough(&self.search) || now >= deadline {
                return Ok(());
            }
            let wake_at = self.search.poll_timeout().min(deadline);
            let wait = if has_more { Duration::ZERO } else { wake_at.saturating_since(now) };
            self.poller.wait(Some(wait)).map_err(|error| EngineError::Wait(error.to_string()))?;
        }
    }

    /// Takes the next piece of news.
    pub fn poll_event(&mut self) -> Option<DiscoveryEvent> {
        self.search.poll_event()
    }

    /// Servers known at the moment: at most 1,024, in no order that means anything.
    pub fn servers(&self) -> impl Iterator<Item = &FoundServer> {
        self.search.servers()
    }

    /// Interfaces by which the newest question has left.
    #[must_use]
    pub const fn asked_count(&self) -> usize {
        self.asked_count
    }

    /// Interfaces by which the newest question could not leave, and why. While some others took it there may be nothing wrong:
    /// a tunnel leads to no network.
    #[must_use]
    pub fn problems(&self) -> &[InterfaceProblem] {
        &self.problems
    }

    /// What it has done.
    #[must_use]
    pub const fn statistics(&self) -> &SearchStatistics {
        self.search.statistics()
    }

    /// Sends the question of a round that is due by every way there is now: networks come and go.
    fn ask(&mut self, now: Instant) {
        if !self.search.poll_question(now, &mut self.random, &mut self.question) {
            return;
        }
        self.asked_count = 0;
        self.problems.clone_from(&self.missing);
        let interfaces = match interfaces() {
            Ok(interfaces) => interfaces,
            Err(error) => return self.add_problem("the list of interfaces", &error),
        };
        let is_wanted =
            |interface: &&Interface| self.config.scope == Scope::Network || interface.is_loopback();
        let wanted: Vec<_> = interfaces.iter().filter(is_wanted).collect();
        let networks = wanted.iter().map(|interface| interface.network);
        self.search.set_networks(Networks::new(networks, Reach::Everywhere));
        // In IPv6 it is the interface that counts, not the address.
        let mut asked = BTreeSet::new();
        for interface in wanted {
            let address = interface.network.address;
            let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
            let Some((_, socket)) = self.sockets.iter().find(|(of, _)| *of == family) else { continue };
            if family == Family::V6 && !interface.is_loopback() && !asked.insert(interface.index) {
                continue;
            }
            match say_to_all(socket, interface, self.config.port, &self.question) {
                Ok(()) => self.asked_count += 1,
                Err(error) => self.add_problem(&format!("{} ({address})", interface.name), &error),
            }
        }
    }

    fn add_problem(&mut self, interface: &str, error: &io::Error) {
        let problem = InterfaceProblem { interface: interface.to_owned(), problem: error.to_string() };
        log::debug!("discovery: {problem}");
        self.problems.push(problem);
    }

    /// Takes what has come; `true` if there is more. Nobody's flood keeps it from coming back.
    fn receive(&mut self, now: Instant) -> bool {
        let Self { sockets, search, .. } = self;
        let mut buffer = [0; HERE_BYTES_MAX + 1];
        let mut has_more = false;
        for (_, socket) in sockets {
            has_more |= drain(socket, &mut buffer, RECEIVE_BATCH, |remote, datagram| {
                search.handle_datagram(now, remote, datagram);
            });
        }
        has_more
    }
}

/// Errors of a socket that are looked past before it has to wait for the next event.
const ERRORS_MAX: usize = 16;

/// Takes at most `count` datagrams, and says whether there may be more. One that is longer than `buffer` is cut (where the system
/// calls that an error, it is passed over), so `buffer` has a byte more than any good one.
pub(crate) fn drain(
    socket: &UdpSocket,
    buffer: &mut [u8],
    count: usize,
    mut handle: impl FnMut(SocketAddr, &[u8]),
) -> bool {
    let mut errors = 0;
    for _ in 0..count {
        match socket.recv_from(buffer) {
            Ok((bytes, remote)) => handle(remote, &buffer[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => {
                // Word of an earlier datagram that did not arrive, or one too long for the buffer: neither is the socket's end.
                log::debug!("discovery: {error}");
                errors += 1;
                if errors >= ERRORS_MAX {
                    return false;
                }
            }
        }
    }
    true
}
