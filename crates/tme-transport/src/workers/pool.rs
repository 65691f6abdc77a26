//! A few threads, and the bounded queue of jobs before them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ExecuteError, Executor, Job};
use crate::sync::{Condvar, JoinHandle, Mutex, spawn};

/// Threads of a pool, unless told otherwise. More than one, so that a name server that does not answer for one name (which takes
/// the system up to half a minute) does not hold up the next.
pub const THREADS_MAX_DEFAULT: usize = 4;

/// Jobs that wait in a pool, unless told otherwise: eight times the names one resolver asks for.
pub const QUEUE_MAX_DEFAULT: usize = 256;

/// How long a pool that is dropped waits for jobs that are being run. A host that quits must not freeze for a name server.
pub const JOIN_PATIENCE: Duration = Duration::from_millis(100);

/// How long a thread without work stays.
const IDLE_TIME_MAX: Duration = Duration::from_secs(10);

/// A few threads that run jobs, in the order they came. Threads start when there is work for one more, and end after 10 s
/// without; the queue is bounded.
///
/// One pool can serve several engines: hand clones of an `Arc` of it to their builders. It ends when it is closed or dropped.
pub struct WorkerPool {
    shared: Arc<Shared>,
    threads_max: usize,
    queue_max: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: Vec<(u64, JoinHandle<()>)>,
    /// Threads that have nothing left to do but to end.
    ended: Vec<u64>,
    last_thread: u64,
    /// Threads that run, or will in a moment.
    alive: usize,
    /// Of these, those that wait for work.
    idle: usize,
    is_closed: bool,
}

impl Default for WorkerPool {
    fn default() -> Self {
        Self::new(THREADS_MAX_DEFAULT, QUEUE_MAX_DEFAULT)
    }
}

impl WorkerPool {
    /// A pool of at most so many threads (at least 1) and jobs that wait. Starts none of them yet.
    #[must_use]
    pub fn new(threads_max: usize, queue_max: usize) -> Self {
        Self { shared: Arc::default(), threads_max: threads_max.max(1), queue_max }
    }

    /// Threads there are at the moment.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        self.shared.state.lock().alive
    }

    /// Jobs that wait for a thread.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.shared.state.lock().queue.len()
    }

    /// Takes no more jobs, drops those that wait, and waits at most `patience` for those that are being run. Gives how many
    /// threads are left behind.
    ///
    /// A thread inside the system's `getaddrinfo` cannot be interrupted, on any system, and may stay there for half a minute. What
    /// is left behind holds nothing but its job and ends with it.
    pub fn close(&self, patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        let dropped = std::mem::take(&mut state.queue);
        self.shared.work.notify_all();
        while state.alive > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.shared.ended.wait_for(&mut state, left);
        }
        let joinable = state.take_ended();
        let left_behind = state.alive;
        drop(state);
        drop(dropped);
        for thread in joinable {
            // The threads catch panics; there is nothing to learn from the result.
            let _ = thread.join();
        }
        left_behind
    }
}

impl Executor for WorkerPool {
    fn execute(&self, job: Job) -> Result<(), ExecuteError> {
        let mut unwanted = VecDeque::new();
        let mut state = self.shared.state.lock();
        if state.is_closed {
            drop(state);
            return Err(ExecuteError::Closed);
        }
        if state.queue.len() >= self.queue_max {
            // Names that were given up while the name server was silent take no room.
            let (wanted, others) = state.queue.drain(..).partition(Job::is_wanted);
            (state.queue, unwanted) = (wanted, others);
        }
        let result = if state.queue.len() >= self.queue_max {
            Err(ExecuteError::Full { queue_max: self.queue_max })
        } else {
            self.add_thread(&mut state)
        };
        // A job that is not taken is dropped after the lock: whoever hears of that may do anything.
        let mut refused = Some(job);
        if result.is_ok() {
            state.queue.extend(refused.take());
        }
        drop(state);
        drop((unwanted, refused));
        self.shared.work.notify_one();
        result
    }
}

impl WorkerPool {
    /// Starts a thread if there is work for one more. Fails if there is none at all then.
    fn add_thread(&self, state: &mut State) -> Result<(), ExecuteError> {
        if state.idle > state.queue.len() || state.alive >= self.threads_max {
            return Ok(());
        }
        for thread in state.take_ended() {
            let _ = thread.join();
        }
        state.last_thread += 1;
        let id = state.last_thread;
        let shared = Arc::clone(&self.shared);
        match spawn(format!("tme-work-{id}"), move || shared.work_off(id)) {
            Ok(thread) => {
                state.threads.push((id, thread));
                state.alive += 1;
                Ok(())
            }
            Err(error) if state.alive == 0 => Err(ExecuteError::NoThread(error)),
            Err(error) => {
                log::debug!("no further worker thread: {error}");
                Ok(())
            }
        }
    }
}

impl State {
    /// Threads that can be joined without waiting.
    fn take_ended(&mut self) -> Vec<JoinHandle<()>> {
        let mut joinable = Vec::new();
        for id in std::mem::take(&mut self.ended) {
            if let Some(index) = self.threads.iter().position(|(thread, _)| *thread == id) {
                joinable.push(self.threads.swap_remove(index).1);
            }
        }
        joinable
    }
}

impl Shared {
    fn work_off(&self, id: u64) {
        let mut state = self.state.lock();
        while !state.is_closed {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                job.run();
                state = self.state.lock();
                continue;
            }
            state.idle += 1;
            let waited = self.work.wait_for(&mut state, IDLE_TIME_MAX);
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.alive -= 1;
        state.ended.push(id);
        drop(state);
        self.ended.notify_all();
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        let left_behind = self.close(JOIN_PATIENCE);
        if left_behind > 0 {
            log::debug!("{left_behind} worker threads are left behind with their jobs");
        }
    }
}

impl fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool")
            .field("threads", &self.thread_count())
            .field("queue", &self.queue_count())
            .finish_non_exhaustive()
    }
}
