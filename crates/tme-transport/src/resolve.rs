//! Name resolution that never blocks its caller.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tme_core::time::{Duration, Instant};

use crate::wake::WakeHandle;

mod order;
mod target;
mod workers;

use target::Target;
use workers::Workers;

/// Checks that a text is `host:port`, without asking anybody whether the host exists.
///
/// # Errors
/// [`ResolveError`] says what is wrong with it.
pub fn check(host_port: &str) -> Result<(), ResolveError> {
    Target::parse(host_port).map(drop)
}

/// Names asked for and not yet reported, at most; literal addresses count until they are reported.
pub const PENDING_MAX: usize = 32;

/// Threads that look names up, at most. More than one so that a name server that does not answer for one name
/// (each such lookup takes the system up to half a minute) does not hold up the next.
pub const WORKERS_MAX: usize = 4;

/// Addresses reported per name, at most. A client tries them 250 ms apart: the last one after 4 s.
pub const ADDRESSES_MAX: usize = 16;

/// How long a name may take unless [`Resolver::new`] is told otherwise: two tries of 5 s, the system's habit.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// Identifies one question to a [`Resolver`]; never used twice by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolveId(u64);

/// The answer to a question.
#[derive(Debug)]
pub struct Resolution {
    /// Which question.
    pub id: ResolveId,
    /// At least one and at most [`ADDRESSES_MAX`] addresses, the best first, IPv6 and IPv4 in turn as long as
    /// there are both (RFC 8305, section 4).
    pub result: Result<Vec<SocketAddr>, ResolveError>,
}

type LookUp = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Turns `host:port` into addresses. Literal addresses are answered without delay; names by the system's
/// resolver, on threads that are started when the first name comes.
///
/// # When it is dropped
/// Idle threads have ended when drop returns. A thread inside the system's `getaddrinfo` cannot be
/// interrupted, on any system, and may stay there for half a minute; waiting for it would freeze the game
/// that quits. It is left behind instead: it holds nothing but the name and the queue, and ends as soon as the
/// system returns. A host that unloads the library at that very moment must know this; with literal addresses
/// there is no such thread.
pub struct Resolver {
    workers: Workers,
    timeout: Duration,
    waiting: Vec<Waiting>,
    ready: VecDeque<Resolution>,
    last_id: u64,
}

struct Waiting {
    id: ResolveId,
    name: Box<str>,
    deadline: Instant,
}

impl Resolver {
    /// A resolver that allows each name `timeout` and uses `wake` when an answer is there to be polled.
    #[must_use]
    pub fn new(timeout: Duration, wake: Option<WakeHandle>) -> Self {
        Self::with_look_up(timeout, wake, Arc::new(ask_system))
    }

    fn with_look_up(timeout: Duration, wake: Option<WakeHandle>, look_up: Arc<LookUp>) -> Self {
        let workers = Workers::new(look_up, wake);
        Self { workers, timeout, waiting: Vec::new(), ready: VecDeque::new(), last_id: 0 }
    }

    /// Asks for the addresses of `host:port`: `game.example:7777`, `192.0.2.1:7777` or `[2001:db8::1]:7777`.
    ///
    /// The answer comes from [`poll`](Self::poll), for a literal address with the next call.
    ///
    /// # Errors
    /// [`ResolveError`] at once if it does not parse or if [`PENDING_MAX`] questions are open.
    pub fn resolve(&mut self, host_port: &str, now: Instant) -> Result<ResolveId, ResolveError> {
        let target = Target::parse(host_port)?;
        if self.waiting.len() + self.ready.len() >= PENDING_MAX {
            return Err(ResolveError::QueueFull { pending_max: PENDING_MAX });
        }
        let id = ResolveId(self.last_id + 1);
        match target {
            Target::Address(address) => self.ready.push_back(Resolution { id, result: Ok(vec![address]) }),
            Target::Name { host, port } => {
                let name = Box::from(host);
                self.workers.ask(id, host, port).map_err(ResolveError::NoThread)?;
                self.waiting.push(Waiting { id, name, deadline: now + self.timeout });
            }
        }
        self.last_id = id.0;
        Ok(id)
    }

    /// The next answer, if there is one. Timeouts are noticed here.
    pub fn poll(&mut self, now: Instant) -> Option<Resolution> {
        while let Some((id, found)) = self.workers.poll() {
            // Too late if nobody waits for it any more.
            if let Some(index) = self.waiting.iter().position(|waiting| waiting.id == id) {
                let name = self.waiting.swap_remove(index).name;
                let result = conclude(name, found);
                self.ready.push_back(Resolution { id, result });
            }
        }
        while let Some(index) = self.waiting.iter().position(|waiting| waiting.deadline <= now) {
            let Waiting { id, name, .. } = self.waiting.swap_remove(index);
            self.workers.withdraw(id);
            let result = Err(ResolveError::Timeout { name, after: self.timeout });
            self.ready.push_back(Resolution { id, result });
        }
        self.ready.pop_front()
    }

    /// When [`poll`](Self::poll) has something to say even if nobody wakes: the next timeout.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.ready.is_empty() {
            self.waiting.iter().map(|waiting| waiting.deadline).min()
        } else {
            Some(Instant::ZERO)
        }
    }

    /// Drops a question: its answer will not be reported.
    pub fn cancel(&mut self, id: ResolveId) {
        self.workers.withdraw(id);
        self.waiting.retain(|waiting| waiting.id != id);
        self.ready.retain(|resolution| resolution.id != id);
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("timeout", &self.timeout)
            .field("waiting", &self.waiting.len())
            .field("ready", &self.ready.len())
            .finish_non_exhaustive()
    }
}

fn ask_system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    (host, port).to_socket_addrs().map(|addresses| addresses.take(4 * ADDRESSES_MAX).collect())
}

fn conclude(name: Box<str>, found: io::Result<Vec<SocketAddr>>) -> Result<Vec<SocketAddr>, ResolveError> {
    let addresses = match found {
        Ok(addresses) => order::interleaved(&addresses),
        Err(cause) => return Err(ResolveError::NotFound { name, cause: Some(cause) }),
    };
    if addresses.is_empty() {
        return Err(ResolveError::NotFound { name, cause: None });
    }
    Ok(addresses)
}

/// Why there are no addresses.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResolveError {
    /// The text is neither an address nor a name with a port.
    Malformed {
        /// The text, at most 64 characters of it.
        given: Box<str>,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The text has no port.
    MissingPort {
        /// The text, at most 64 characters of it.
        given: Box<str>,
    },
    /// The system knows no address for the name, or could not ask (no network).
    NotFound {
        /// The name.
        name: Box<str>,
        /// What the system said, unless it said "none".
        cause: Option<io::Error>,
    },
    /// There was no answer in time.
    Timeout {
        /// The name.
        name: Box<str>,
        /// How long it was waited for.
        after: Duration,
    },
    /// Too many questions are open.
    QueueFull {
        /// Most questions at a time.
        pending_max: usize,
    },
    /// The system starts no thread to look the name up.
    NoThread(io::Error),
}

impl ResolveError {
    /// A number for this kind of error that never changes.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 1,
            Self::MissingPort { .. } => 2,
            Self::NotFound { .. } => 3,
            Self::Timeout { .. } => 4,
            Self::QueueFull { .. } => 5,
            Self::NoThread(_) => 6,
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { given, problem } => write!(
                f,
                "{given:?} is no address: {problem}; write host:port, like game.example:7777, 192.0.2.1:7777 \
                 or [2001:db8::1]:7777"
            ),
            Self::MissingPort { given } => {
                write!(f, "{given:?} has no port; write host:port, like game.example:7777")
            }
            Self::NotFound { name, cause: Some(cause) } => {
                write!(f, "no address found for {name:?}: {cause}")
            }
            Self::NotFound { name, cause: None } => write!(f, "no address found for {name:?}"),
            Self::Timeout { name, after } => {
                write!(f, "no answer about {name:?} within {} ms", after.as_millis())
            }
            Self::QueueFull { pending_max } => {
                write!(f, "{pending_max} names are being looked up, the limit; poll for their answers first")
            }
            Self::NoThread(cause) => write!(f, "cannot start a thread to look names up: {cause}"),
        }
    }
}

impl std::error::Error for ResolveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotFound { cause: Some(cause), .. } | Self::NoThread(cause) => Some(cause),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
