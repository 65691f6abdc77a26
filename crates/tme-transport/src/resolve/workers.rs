//! The threads that wait for the system's resolver.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::{LookUp, ResolveId, WORKERS_MAX};
use crate::wake::WakeHandle;

/// A few threads, started when there is work for one more, and the queues to and from them.
///
/// The queues are bounded by whoever asks: one answer per question, and questions are limited there.
pub(super) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    look_up: Arc<LookUp>,
    wake: Option<WakeHandle>,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    questions: VecDeque<Question>,
    answers: VecDeque<(ResolveId, io::Result<Vec<SocketAddr>>)>,
    /// By thread: whether it is away from the lock for longer, looking up or waking.
    busy: [bool; WORKERS_MAX],
    closed: bool,
}

struct Question {
    id: ResolveId,
    host: Box<str>,
    port: u16,
}

impl Workers {
    pub(super) fn new(look_up: Arc<LookUp>, wake: Option<WakeHandle>) -> Self {
        let shared = Shared { look_up, wake, state: Mutex::default(), work: Condvar::new() };
        Self { shared: Arc::new(shared), threads: Vec::new() }
    }

    /// Queues a question. Fails if there is no thread at all that could take it.
    pub(super) fn ask(&mut self, id: ResolveId, host: &str, port: u16) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        let idle = self.threads.len() - state.busy.iter().filter(|&&busy| busy).count();
        if idle <= state.questions.len() && self.threads.len() < WORKERS_MAX {
            match start(&self.shared, self.threads.len()) {
                Ok(thread) => self.threads.push(thread),
                Err(error) if self.threads.is_empty() => return Err(error),
                Err(error) => log::debug!("no further thread to look names up: {error}"),
            }
        }
        state.questions.push_back(Question { id, host: host.into(), port });
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    pub(super) fn poll(&mut self) -> Option<(ResolveId, io::Result<Vec<SocketAddr>>)> {
        self.shared.state.lock().answers.pop_front()
    }

    /// Takes a question back if nobody has begun with it.
    pub(super) fn withdraw(&mut self, id: ResolveId) {
        self.shared.state.lock().questions.retain(|question| question.id != id);
    }
}

#[cfg(test)]
impl Workers {
    pub(super) fn thread_count(&self) -> usize {
        self.threads.len()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let busy = {
            let mut state = self.shared.state.lock();
            state.closed = true;
            state.questions.clear();
            state.busy
        };
        self.shared.work.notify_all();
        for (thread, busy) in self.threads.drain(..).zip(busy) {
            // A busy one may be busy for long; see the resolver's documentation. The others are on their way
            // out. None of them can become busy again: that takes a question, under the lock.
            if !busy {
                let _ = thread.join();
            }
        }
    }
}

fn start(shared: &Arc<Shared>, index: usize) -> io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    thread::Builder::new().name(format!("tme-resolve-{index}")).spawn(move || work(&shared, index))
}

fn work(shared: &Shared, index: usize) {
    let mut state = shared.state.lock();
    loop {
        if state.closed {
            return;
        }
        let Some(question) = state.questions.pop_front() else {
            shared.work.wait(&mut state);
            continue;
        };
        state.busy[index] = true;
        drop(state);
        let found = (shared.look_up)(&question.host, question.port);
        state = shared.state.lock();
        if state.closed {
            return;
        }
        state.answers.push_back((question.id, found));
        drop(state);
        if let Some(wake) = &shared.wake {
            wake.wake();
        }
        state = shared.state.lock();
        state.busy[index] = false;
    }
}
