//! Work that may take long, away from the threads that must not wait: a small pool of threads, or the host's own.
//!
//! Every engine has its workers. Unless the host gives it an [`Executor`], they are a [`WorkerPool`] of its own, whose threads
//! start when there is something to do: a server that looks no name up has none. At present jobs are look-ups of names.
//!
//! A job holds all that it needs: it may run at any time, on any thread, also after the engine that gave it has ended, and
//! then it does nothing that anybody sees. A panic in one is caught and counted.

mod pool;

use std::fmt;
use std::io;
use std::ops::Add;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
// Counters, not synchronisation: `loom` need not know of them.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use pool::{JOIN_PATIENCE, QUEUE_MAX_DEFAULT, THREADS_MAX_DEFAULT, WorkerPool};

/// Something to be done once, on any thread, by [`run`](Self::run). Dropped instead, it is not done, which whoever waits for
/// it learns at once.
pub struct Job {
    work: Option<Box<dyn FnOnce() + Send>>,
    is_wanted: Arc<AtomicBool>,
    tally: Arc<Tally>,
}

impl Job {
    /// A job of the host's own, for an executor that it shares with engines.
    pub fn new(work: impl FnOnce() + Send + 'static) -> Self {
        Self::counted(work, Arc::default())
    }

    fn counted(work: impl FnOnce() + Send + 'static, tally: Arc<Tally>) -> Self {
        Self { work: Some(Box::new(work)), is_wanted: Arc::new(AtomicBool::new(true)), tally }
    }

    /// Does it, however long that takes: a look-up of a name takes the system up to half a minute. Does not panic.
    pub fn run(mut self) {
        let Some(work) = self.work.take().filter(|_| self.is_wanted()) else {
            Tally::count(&self.tally.dropped);
            return;
        };
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(()) => Tally::count(&self.tally.done),
            Err(panic) => {
                log::error!("a job of the worker threads panicked");
                Tally::count(&self.tally.panicked);
                // What was thrown may panic when it is dropped.
                std::mem::forget(panic);
            }
        }
    }

    /// Whether anybody still waits for what it comes to.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            Tally::count(&self.tally.dropped);
            drop(work);
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("is_wanted", &self.is_wanted()).finish_non_exhaustive()
    }
}

/// Who runs jobs: a [`WorkerPool`], or the job system of a game.
///
/// With a host's own no engine starts pool threads.
pub trait Executor: Send + Sync {
    /// Sees to it that the job is run, once, on a thread that may take its time.
    ///
    /// It is called on the thread that drives the engine: the game's while a client is started and in `update`, else the network
    /// thread. It must return soon, so it must not run the job there, and call no method of that engine. Several threads may call
    /// at once where several engines share it.
    ///
    /// # Errors
    /// [`ExecuteError`]: it will not be run; the job is dropped. A panic counts as such a refusal.
    fn execute(&self, job: Job) -> Result<(), ExecuteError>;
}

impl<T: Executor + ?Sized> Executor for Arc<T> {
    fn execute(&self, job: Job) -> Result<(), ExecuteError> {
        (**self).execute(job)
    }
}

/// An executor in the hands of several, as settings keep it.
#[derive(Clone)]
pub struct SharedExecutor(Arc<dyn Executor>);

impl SharedExecutor {
    /// Shares an executor.
    pub fn new(executor: impl Executor + 'static) -> Self {
        Self(Arc::new(executor))
    }
}

impl fmt::Debug for SharedExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedExecutor")
    }
}

/// Why a job will not be run.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExecuteError {
    /// Too many jobs wait; try again when one is done.
    Full {
        /// Most jobs that wait.
        queue_max: usize,
    },
    /// The pool was closed.
    Closed,
    /// The system starts no thread.
    NoThread(io::Error),
    /// The host's executor does not take it, for a reason of its own.
    Refused,
}

impl ExecuteError {
    /// A number for this kind of error that never changes.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        match self {
            Self::Full { .. } => 1,
            Self::Closed => 2,
            Self::NoThread(_) => 3,
            Self::Refused => 4,
        }
    }
}

impl fmt::Display for ExecuteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { queue_max } => {
                write!(f, "{queue_max} jobs wait for a worker thread, the limit; try again later")
            }
            Self::Closed => f.write_str("the worker threads have ended"),
            Self::NoThread(cause) => write!(f, "cannot start a worker thread: {cause}"),
            Self::Refused => f.write_str("the host's executor takes no job at the moment"),
        }
    }
}

impl std::error::Error for ExecuteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoThread(cause) => Some(cause),
            _ => None,
        }
    }
}

/// What became of jobs since the start. `submitted` less the other four are waiting or running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobStatistics {
    /// Jobs given to the executor.
    pub submitted: u64,
    /// Of these, done.
    pub done: u64,
    /// Panicked; the log says so.
    pub panicked: u64,
    /// Not done, because nobody waited for it any more or whoever was to do it ended.
    pub dropped: u64,
    /// Not taken by the executor: it was full, closed or had no thread.
    pub refused: u64,
}

impl Add for JobStatistics {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        let Self { submitted, done, panicked, dropped, refused } = other;
        self.submitted += submitted;
        self.done += done;
        self.panicked += panicked;
        self.dropped += dropped;
        self.refused += refused;
        self
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    submitted: AtomicU64,
    done: AtomicU64,
    panicked: AtomicU64,
    /// Refused ones are dropped, too.
    dropped: AtomicU64,
    refused: AtomicU64,
}

impl Tally {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn statistics(&self) -> JobStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let refused = read(&self.refused);
        JobStatistics {
            refused,
            dropped: read(&self.dropped).saturating_sub(refused),
            panicked: read(&self.panicked),
            done: read(&self.done),
            // Last, so that no more jobs have ended than were begun.
            submitted: read(&self.submitted),
        }
    }
}

/// An engine's way to whoever runs its jobs.
#[derive(Debug)]
pub struct Workers {
    executor: SharedExecutor,
    tally: Arc<Tally>,
}

impl Workers {
    /// The host's executor, or a pool of its own.
    #[must_use]
    pub fn new(executor: Option<SharedExecutor>) -> Self {
        let executor = executor.unwrap_or_else(|| SharedExecutor::new(WorkerPool::default()));
        Self { executor, tally: Arc::default() }
    }

    /// What became of the jobs given here.
    #[must_use]
    pub fn statistics(&self) -> JobStatistics {
        self.tally.statistics()
    }

    /// What counts its jobs, for whoever shows that.
    pub(crate) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Has something done. Nobody waits for it any more once what this gives is dropped.
    ///
    /// # Errors
    /// [`ExecuteError`]: `work` was dropped and is not run.
    pub fn submit(&self, work: impl FnOnce() + Send + 'static) -> Result<Wanted, ExecuteError> {
        let job = Job::counted(work, Arc::clone(&self.tally));
        let wanted = Wanted(Arc::clone(&job.is_wanted));
        Tally::count(&self.tally.submitted);
        // The executor may be the host's own: its bug is not to end the engine.
        let result = catch_unwind(AssertUnwindSafe(|| self.executor.0.execute(job)));
        let result = result.unwrap_or_else(|panic| {
            log::error!("the host's executor panicked");
            std::mem::forget(panic);
            Err(ExecuteError::Refused)
        });
        match result {
            Ok(()) => Ok(wanted),
            Err(error) => {
                Tally::count(&self.tally.refused);
                Err(error)
            }
        }
    }
}

/// Somebody waits for a job. Dropped when nobody does: the job may then be skipped.
#[derive(Debug)]
pub struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[cfg(all(loom, test))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
