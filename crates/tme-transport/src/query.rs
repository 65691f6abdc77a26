//! Asking servers what they are, over sockets of its own: for server browsers, before anything is connected.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tme_core::datagram::{Ecn, LinkKind, Path, Transmit};
use tme_core::query::{Queries, QueryEvent, QueryId, ServerInfo};
use tme_core::time::Instant;

use crate::clock::Clock;
use crate::engine::EngineError;
use crate::link::Link;
use crate::link::udp::{UdpConfig, UdpLink};
use crate::poller::{EVENTS_DEFAULT, Poller, Token};
use crate::random::SystemRandom;
use crate::resolve::{self, PENDING_MAX, ResolveError, ResolveId, Resolver};
use crate::workers::{ExecuteError, Executor, SharedExecutor, Workers};

/// Servers asked at a time, names not yet looked up included.
pub const TARGETS_MAX: usize = 1_024;
/// How long a server has to answer unless it is set otherwise.
pub const PATIENCE_DEFAULT: Duration = Duration::from_secs(3);

/// Addresses of one name that are asked at the same time; the first answer counts.
const ADDRESSES_MAX: usize = 4;
/// Datagrams taken from a socket before the other one, and the game, get their turn.
const RECEIVE_BATCH: usize = 256;

/// Names a server that was asked; never used twice by one [`Querier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(u64);

impl TargetId {
    /// The number, for other languages; never 0.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// What became of a question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which one.
    pub id: TargetId,
    /// The server, as it was named.
    pub target: String,
    /// Its address, and what it says of itself.
    pub result: Result<(SocketAddr, ServerInfo), QueryError>,
}

/// Why a server could not be asked, or has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// Its address does not parse.
    Address(String),
    /// Its name leads to no address, or to none that can be reached from here.
    Unresolved(String),
    /// It did not answer in time. Servers need not: they limit how many queries they answer.
    TimedOut,
    /// [`TARGETS_MAX`] others are being asked.
    TooMany,
}

impl QueryError {
    /// Stable number of the kind.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::Address(_) => 1,
            Self::Unresolved(_) => 2,
            Self::TimedOut => 3,
            Self::TooMany => 4,
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(text) | Self::Unresolved(text) => f.write_str(text),
            Self::TimedOut => f.write_str("no answer; check address, port and firewall"),
            Self::TooMany => write!(f, "{TARGETS_MAX} servers are being asked already"),
        }
    }
}

impl std::error::Error for QueryError {}

struct Target {
    name: String,
    give_up_at: Instant,
    /// Questions under way, one per address.
    asked: Vec<QueryId>,
}

/// Asks many servers at a time. [`update`](Self::update) does all input and output, and waits at most as long as it is told;
/// nothing else waits.
pub struct Querier {
    clock: Clock,
    random: SystemRandom,
    poller: Poller,
    /// One for both families where that can be had, else one or two.
    links: Vec<Link>,
    resolver: Resolver,
    patience: Duration,
    queries: Queries,
    targets: BTreeMap<TargetId, Target>,
    by_query: BTreeMap<QueryId, TargetId>,
    by_name: BTreeMap<ResolveId, TargetId>,
    /// Names that wait until the resolver has room.
    unresolved: VecDeque<TargetId>,
    answers: VecDeque<Answer>,
    last_id: u64,
    buffer: Vec<u8>,
}

impl fmt::Debug for Querier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Querier").field("targets", &self.targets.len()).finish_non_exhaustive()
    }
}

impl Querier {
    /// Binds the sockets. Each server has `patience` to answer ([`PATIENCE_DEFAULT`] is a good one). Names are looked up by
    /// a pool of threads of its own.
    ///
    /// # Errors
    /// [`EngineError`]: there is no socket, randomness or poll handle to be had.
    pub fn start(patience: Duration) -> Result<Self, EngineError> {
        Self::start_as(patience, None)
    }

    /// As [`start`](Self::start), with somebody else to look names up: the host's own job system, or a pool that is shared.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(patience: Duration, executor: impl Executor + 'static) -> Result<Self, EngineError> {
        Self::start_as(patience, Some(SharedExecutor::new(executor)))
    }

    fn start_as(patience: Duration, executor: Option<SharedExecutor>) -> Result<Self, EngineError> {
        let system = |error: &dyn fmt::Display| EngineError::System(error.to_string());
        let random = SystemRandom::new().map_err(|error| system(&error))?;
        let poller = Poller::new(EVENTS_DEFAULT).map_err(|error| system(&error))?;
        let mut links = bind_links()?;
        for (number, link) in links.iter_mut().enumerate() {
            link.register(&poller, Token(number)).map_err(|error| system(&error))?;
        }
        let workers = Arc::new(Workers::new(executor));
        let resolver = Resolver::new(patience, Some(poller.wake_handle()), workers);
        Ok(Self {
            clock: Clock::start(),
            random,
            poller,
            links,
            resolver,
            patience,
            queries: Queries::default(),
            targets: BTreeMap::new(),
            by_query: BTreeMap::new(),
            by_name: BTreeMap::new(),
            unresolved: VecDeque::new(),
            answers: VecDeque::new(),
            last_id: 0,
            buffer: Vec::new(),
        })
    }

    /// Servers that are being asked.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.targets.len()
    }

    /// Begins to ask a server, `host:port`. An [`Answer`] follows.
    ///
    /// # Errors
    /// [`QueryError::Address`], [`QueryError::TooMany`]: no answer follows.
    pub fn ask(&mut self, target: &str) -> Result<TargetId, QueryError> {
        resolve::check(target).map_err(|error| QueryError::Address(error.to_string()))?;
        if self.targets.len() >= TARGETS_MAX {
            return Err(QueryError::TooMany);
        }
        self.last_id += 1;
        let id = TargetId(self.last_id);
        let give_up_at = self.clock.now() + self.patience;
        self.targets.insert(id, Target { name: target.to_owned(), give_up_at, asked: Vec::new() });
        self.unresolved.push_back(id);
        Ok(id)
    }

    /// Sends, receives, and waits at most `timeout` for an answer to come. Returns early with one, or when none is awaited.
    ///
    /// # Errors
    /// [`EngineError`]: a socket no longer works.
    pub fn update(&mut self, timeout: Duration) -> Result<(), EngineError> {
        let deadline = self.clock.now() + timeout;
        loop {
            let now = self.clock.now();
            // Before anything else: a game that does not wait receives here, and what has come is not late.
            let has_more = self.receive(now)?;
            self.resolve_names(now);
            self.queries.handle_timeout(now);
            self.send(now)?;
            self.collect();
            if !self.answers.is_empty() || self.targets.is_empty() || now >= deadline {
                return Ok(());
            }
            let wake_at = [self.queries.poll_timeout(now), self.resolver.poll_timeout()];
            let wake_at = wake_at.into_iter().flatten().min().map_or(deadline, |at| at.min(deadline));
            let wait = if has_more { Duration::ZERO } else { wake_at.saturating_since(now) };
            self.poller.wait(Some(wait)).map_err(|error| EngineError::Wait(error.to_string()))?;
        }
    }

    /// Takes the next answer.
    pub fn poll_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// Hands names to the resolver, as many as it takes, and asks the addresses that it has found.
    fn resolve_names(&mut self, now: Instant) {
        loop {
            self.look_up(now);
            let waiting = self.by_name.len();
            while let Some(resolution) = self.resolver.poll(now) {
                let Some(id) = self.by_name.remove(&resolution.id) else { continue };
                match resolution.result {
                    Ok(addresses) => self.ask_addresses(now, id, &addresses),
                    Err(error) => self.end(id, Err(QueryError::Unresolved(error.to_string()))),
                }
            }
            // Literal addresses are found at once and make room for others.
            if self.unresolved.is_empty() || self.by_name.len() == waiting {
                return;
            }
        }
    }

    fn look_up(&mut self, now: Instant) {
        while self.by_name.len() < PENDING_MAX
            && let Some(id) = self.unresolved.pop_front()
        {
            let Some(target) = self.targets.get(&id) else { continue };
            if target.give_up_at <= now {
                let text = format!("{}: too many names were looked up before it", target.name);
                self.end(id, Err(QueryError::Unresolved(text)));
                continue;
            }
            match self.resolver.resolve(&target.name, now) {
                Ok(question) => {
                    self.by_name.insert(question, id);
                }
                // A host's executor may be busy with other things: later, or not in time.
                Err(ResolveError::QueueFull { .. } | ResolveError::Workers(ExecuteError::Full { .. })) => {
                    return self.unresolved.push_front(id);
                }
                Err(error) => self.end(id, Err(QueryError::Unresolved(error.to_string()))),
            }
        }
    }

    fn ask_addresses(&mut self, now: Instant, id: TargetId, addresses: &[SocketAddr]) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let links = &self.links;
        let reachable = addresses.iter().filter(|address| links.iter().any(|link| link.can_reach(**address)));
        let patience = target.give_up_at.saturating_since(now);
        for &address in reachable.take(ADDRESSES_MAX) {
            // So many targets with one address each fit; of a name with several the others are not asked then.
            let Ok(query) = self.queries.ask(now, address, patience, &mut self.random) else { break };
            target.asked.push(query);
            self.by_query.insert(query, id);
        }
        if target.asked.is_empty() {
            let text = format!("{}: none of its addresses can be reached from here", target.name);
            self.end(id, Err(QueryError::Unresolved(text)));
        }
    }

    fn send(&mut self, now: Instant) -> Result<(), EngineError> {
        while let Some(remote) = self.queries.poll_transmit(now, &mut self.buffer) {
            let Some(link) = self.links.iter_mut().find(|link| link.can_reach(remote)) else { continue };
            let transmit = Transmit {
                path: Path::to(remote),
                ecn: Ecn::NotCapable,
                bytes: self.buffer.len(),
                segment_bytes: None,
            };
            // What the socket has no room for is as good as lost, and is repeated.
            let _ =
                link.send(&transmit, &self.buffer).map_err(|error| EngineError::Socket(error.to_string()))?;
        }
        Ok(())
    }

    /// Takes what has come; `true` if there is more. Nobody's flood keeps it from coming back.
    fn receive(&mut self, now: Instant) -> Result<bool, EngineError> {
        let Self { links, queries, .. } = self;
        let mut has_more = false;
        for link in links {
            let received = link
                .receive(RECEIVE_BATCH, |bytes, path, _| {
                    queries.handle_datagram(now, path.remote, bytes);
                })
                .map_err(|error| EngineError::Socket(error.to_string()))?;
            has_more |= received.more;
            while link.poll_hint().is_some() {}
        }
        Ok(has_more)
    }

    /// Makes answers of what has ended.
    fn collect(&mut self) {
        while let Some(QueryEvent { id: query, remote, info }) = self.queries.poll_event() {
            let Some(id) = self.by_query.remove(&query) else { continue };
            let Some(target) = self.targets.get_mut(&id) else { continue };
            target.asked.retain(|&asked| asked != query);
            match info {
                Some(info) => self.end(id, Ok((remote, info))),
                None if target.asked.is_empty() => self.end(id, Err(QueryError::TimedOut)),
                None => {}
            }
        }
    }

    fn end(&mut self, id: TargetId, result: Result<(SocketAddr, ServerInfo), QueryError>) {
        let Some(target) = self.targets.remove(&id) else { return };
        for query in target.asked {
            self.queries.cancel(query);
            self.by_query.remove(&query);
        }
        self.answers.push_back(Answer { id, target: target.name, result });
    }
}

/// A socket for both families, or else one for each that there is.
fn bind_links() -> Result<Vec<Link>, EngineError> {
    let any_v4 = SocketAddr::from(([0, 0, 0, 0], 0));
    let any_v6 = SocketAddr::from(([0u16; 8], 0));
    let bind = |address| UdpLink::bind(&UdpConfig::client(address));
    let v6 = bind(any_v6).ok();
    if v6.as_ref().is_some_and(UdpLink::is_dual_stack) {
        return Ok(v6.into_iter().map(Link::from).collect());
    }
    match (bind(any_v4), v6) {
        (Ok(v4), v6) => Ok(std::iter::once(v4).chain(v6).map(Link::from).collect()),
        (Err(_), Some(v6)) => Ok(vec![Link::from(v6)]),
        (Err(error), None) => Err(EngineError::bind(LinkKind::Udp, error)),
    }
}
