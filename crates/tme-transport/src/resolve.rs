//! Name resolution that never blocks its caller.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tme_core::time::{Duration, Instant};

use crate::sync::Mutex;
use crate::wake::WakeHandle;
use crate::workers::{ExecuteError, Wanted, Workers};

mod order;
mod target;

use target::Target;

/// Checks that a text is `host:port`, without asking anybody whether the host exists.
///
/// # Errors
/// [`ResolveError`] says what is wrong with it.
pub fn check(host_port: &str) -> Result<(), ResolveError> {
    Target::parse(host_port).map(drop)
}

/// Names asked for and not yet reported, at most; literal addresses count until they are reported.
pub const PENDING_MAX: usize = 32;

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

/// Turns `host:port` into addresses. Literal addresses are answered without delay; names by the system's resolver, as jobs of
/// the [workers](crate::workers).
///
/// # When it is dropped
/// A look-up that is under way goes on, for a thread inside the system's `getaddrinfo` cannot be interrupted, and its answer is
/// dropped; see [`WorkerPool`](crate::workers::WorkerPool) for what that means to a host that quits. With literal addresses there
/// are no jobs.
pub struct Resolver {
    workers: Arc<Workers>,
    look_up: Arc<LookUp>,
    answers: Arc<Answers>,
    timeout: Duration,
    waiting: Vec<Waiting>,
    ready: VecDeque<Resolution>,
    last_id: u64,
}

struct Waiting {
    id: ResolveId,
    name: Box<str>,
    deadline: Instant,
    /// A look-up that nobody has begun with need not be once this is dropped.
    _wanted: Wanted,
}

/// What look-ups have come to.
struct Answers {
    /// At most one per question: questions are limited.
    found: Mutex<VecDeque<(ResolveId, io::Result<Vec<SocketAddr>>)>>,
    wake: Option<WakeHandle>,
}

/// The place of one answer. One comes in any case: also of a job that panics, or is dropped without being run.
struct AnswerPlace {
    id: ResolveId,
    answers: Arc<Answers>,
    is_filled: bool,
}

impl AnswerPlace {
    fn fill(&mut self, found: io::Result<Vec<SocketAddr>>) {
        self.is_filled = true;
        self.answers.found.lock().push_back((self.id, found));
        if let Some(wake) = &self.answers.wake {
            wake.wake();
        }
    }
}

impl Drop for AnswerPlace {
    fn drop(&mut self) {
        if !self.is_filled {
            self.fill(Err(io::Error::other("the look-up was given up by whoever was to run it")));
        }
    }
}

impl Resolver {
    /// A resolver that allows each name `timeout` and uses `wake` when an answer is there to be polled.
    #[must_use]
    pub fn new(timeout: Duration, wake: Option<WakeHandle>, workers: Arc<Workers>) -> Self {
        Self::with_look_up(timeout, wake, workers, Arc::new(ask_system))
    }

    fn with_look_up(
        timeout: Duration,
        wake: Option<WakeHandle>,
        workers: Arc<Workers>,
        look_up: Arc<LookUp>,
    ) -> Self {
        let answers = Arc::new(Answers { found: Mutex::default(), wake });
        let (waiting, ready) = Default::default();
        Self { workers, look_up, answers, timeout, waiting, ready, last_id: 0 }
    }

    /// Asks for the addresses of `host:port`: `game.example:7777`, `192.0.2.1:7777` or `[2001:db8::1]:7777`.
    ///
    /// The answer comes from [`poll`](Self::poll), for a literal address with the next call.
    ///
    /// # Errors
    /// [`ResolveError`] at once if it does not parse, if [`PENDING_MAX`] questions are open, or if the workers take no more.
    pub fn resolve(&mut self, host_port: &str, now: Instant) -> Result<ResolveId, ResolveError> {
        let target = Target::parse(host_port)?;
        if self.waiting.len() + self.ready.len() >= PENDING_MAX {
            return Err(ResolveError::QueueFull { pending_max: PENDING_MAX });
        }
        // Also if it is refused below: word of that comes under this id, too, and must not be taken for another's.
        self.last_id += 1;
        let id = ResolveId(self.last_id);
        match target {
            Target::Address(address) => self.ready.push_back(Resolution { id, result: Ok(vec![address]) }),
            Target::Name { host, port } => {
                let name: Box<str> = Box::from(host);
                let mut place = AnswerPlace { id, answers: Arc::clone(&self.answers), is_filled: false };
                let (look_up, host) = (Arc::clone(&self.look_up), name.clone());
                let job = move || {
                    let found = look_up(&host, port);
                    place.fill(found);
                };
                let wanted = self.workers.submit(job).map_err(ResolveError::Workers)?;
                self.waiting.push(Waiting { id, name, deadline: now + self.timeout, _wanted: wanted });
            }
        }
        Ok(id)
    }

    /// The next answer, if there is one. Timeouts are noticed here.
    pub fn poll(&mut self, now: Instant) -> Option<Resolution> {
        while let Some((id, found)) = self.next_answer() {
            // Too late if nobody waits for it any more.
            if let Some(index) = self.waiting.iter().position(|waiting| waiting.id == id) {
                let name = self.waiting.swap_remove(index).name;
                let result = conclude(name, found);
                self.ready.push_back(Resolution { id, result });
            }
        }
        while let Some(index) = self.waiting.iter().position(|waiting| waiting.deadline <= now) {
            let Waiting { id, name, .. } = self.waiting.swap_remove(index);
            let result = Err(ResolveError::Timeout { name, after: self.timeout });
            self.ready.push_back(Resolution { id, result });
        }
        self.ready.pop_front()
    }

    fn next_answer(&self) -> Option<(ResolveId, io::Result<Vec<SocketAddr>>)> {
        self.answers.found.lock().pop_front()
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
    /// Nobody looks the name up: the workers are busy, or the system starts no thread.
    Workers(ExecuteError),
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
            Self::Workers(_) => 6,
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
            Self::Workers(cause) => write!(f, "nobody looks names up: {cause}"),
        }
    }
}

impl std::error::Error for ResolveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotFound { cause: Some(cause), .. } => Some(cause),
            Self::Workers(cause) => Some(cause),
            _ => None,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
