//! What the engine's thread and the game's threads have in common, and how they wake each other.

use std::collections::VecDeque;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tme_core::channel::ChannelId;
use tme_core::connection::{CloseMode, Event, Farewell, PeerId};
use tme_core::discovery::ResponderStatistics;
use tme_core::endpoint::{EndpointStatistics, PartingStatistics, Shard};
use tme_core::time::Instant;

use super::EngineError;
use super::crew::Bell;
use super::outbox::Outbox;
use super::post::PostStatistics;
use super::rebind::Rebinding;
use crate::clock::Clock;
use crate::link::LinkStats;
use crate::link::stream::StreamStatistics;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Condvar, Mutex, store_before_load};
use crate::wake::WakeHandle;
use crate::workers::{JobStatistics, Tally};

/// No command waits.
const NEVER: u64 = u64::MAX;

/// Figures of the whole engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineStatistics {
    /// The protocol's side.
    pub endpoint: EndpointStatistics,
    /// The socket's side.
    pub link: LinkStats,
    /// Streams, at a server that accepts them and a client that needs them.
    pub streams: StreamStatistics,
    /// Those who look for servers, at a server that wants to be found.
    pub discovery: ResponderStatistics,
    /// Messages accepted by a send whose peer was gone before they reached its connection.
    pub sends_dropped: u64,
    /// What was given to worker threads, or to the host's executor: look-ups of names.
    pub jobs: JobStatistics,
    /// What network threads have passed on to each other, where there are several.
    pub post: PostStatistics,
}

impl Add for EngineStatistics {
    type Output = Self;

    /// Two network threads together.
    fn add(self, other: Self) -> Self {
        let Self { endpoint, link, streams, discovery, sends_dropped, jobs, post } = other;
        Self {
            endpoint: self.endpoint + endpoint,
            link: self.link + link,
            streams: self.streams + streams,
            discovery: self.discovery + discovery,
            sends_dropped: self.sends_dropped + sends_dropped,
            jobs: self.jobs + jobs,
            post: self.post + post,
        }
    }
}

/// What the end of an engine has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClosingReport {
    /// So far; as far as it went if it is over.
    pub statistics: PartingStatistics,
    /// Nothing more comes of it.
    pub is_over: bool,
}

/// What a driver counts itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DriverFigures {
    pub link: LinkStats,
    pub streams: StreamStatistics,
    pub discovery: ResponderStatistics,
    pub post: PostStatistics,
}

/// How the engine is to stop.
#[derive(Clone, Debug)]
pub(super) struct StopRequest {
    pub mode: CloseMode,
    pub farewell: Farewell,
    pub deadline: Instant,
}

#[derive(Default)]
struct Inbox {
    events: VecDeque<Event>,
    /// Somebody wants a waiting `update` to return.
    is_interrupted: bool,
    end: Option<EngineError>,
    has_ended: bool,
}

/// What an update has made available to the game.
#[derive(Default)]
struct Ready {
    events: VecDeque<Event>,
    /// Messages taken since the engine last asked.
    consumed: Vec<Consumed>,
    /// Empty buffers for the next [`Taken`].
    spare: Taken,
}

/// What the game took from the event queue, for flow control.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consumed {
    pub peer: PeerId,
    pub channel: ChannelId,
    pub bytes: u64,
    pub messages: u64,
    /// Word of what became of sent messages.
    pub receipts: u64,
}

/// Events in the hands of the game, and which of them it has taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    events: VecDeque<Event>,
    consumed: Vec<Consumed>,
}

impl Taken {
    pub fn next(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        let (peer, channel, bytes, messages) = match &event {
            Event::Message { peer, channel, payload, .. } => (*peer, *channel, payload.len() as u64, 1),
            Event::Delivered { peer, channel, .. } | Event::Expired { peer, channel, .. } => {
                (*peer, *channel, 0, 0)
            }
            _ => return Some(event),
        };
        let receipts = 1 - messages;
        match self.consumed.last_mut() {
            Some(last) if last.peer == peer && last.channel == channel => {
                last.bytes += bytes;
                last.messages += messages;
                last.receipts += receipts;
            }
            _ => self.consumed.push(Consumed { peer, channel, bytes, messages, receipts }),
        }
        Some(event)
    }

    pub fn count(&self) -> usize {
        self.events.len()
    }
}

/// See the module. Locks are held for swaps and single copies only; who takes two, takes `inbox` before `ready`.
pub(super) struct Shared {
    pub outbox: Mutex<Outbox>,
    pub rebinding: Rebinding,
    /// When the oldest waiting command was given, in microseconds.
    commands_since: AtomicU64,
    is_flush_asked: AtomicBool,
    ready: Mutex<Ready>,
    has_consumed: AtomicBool,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
    /// Rung beside, where the game waits for several threads.
    bell: Option<Arc<Bell>>,
    inbox_count: AtomicUsize,
    statistics: Mutex<EngineStatistics>,
    sends_dropped: AtomicU64,
    jobs: Arc<Tally>,
    stop: Mutex<Option<StopRequest>>,
    closing: Mutex<Option<ClosingReport>>,
    is_stopping: AtomicBool,
    /// The engine is asleep or about to be: a command must wake it.
    is_asleep: AtomicBool,
    wake: WakeHandle,
    clock: Clock,
}

impl Shared {
    pub fn new(clock: Clock, wake: WakeHandle, rebinding: Rebinding, jobs: Arc<Tally>) -> Self {
        Self {
            rebinding,
            outbox: Mutex::new(Outbox::default()),
            commands_since: AtomicU64::new(NEVER),
            is_flush_asked: AtomicBool::new(false),
            ready: Mutex::new(Ready::default()),
            has_consumed: AtomicBool::new(false),
            inbox: Mutex::new(Inbox::default()),
            arrived: Condvar::new(),
            bell: None,
            inbox_count: AtomicUsize::new(0),
            statistics: Mutex::new(EngineStatistics::default()),
            sends_dropped: AtomicU64::new(0),
            jobs,
            stop: Mutex::new(None),
            closing: Mutex::new(None),
            is_stopping: AtomicBool::new(false),
            is_asleep: AtomicBool::new(false),
            wake,
            clock,
        }
    }

    /// As one of several network threads of a server: this one is that shard, and rings that bell.
    pub fn for_shard(mut self, shard: Shard, bell: Arc<Bell>) -> Self {
        self.outbox = Mutex::new(Outbox::of(shard));
        self.bell = Some(bell);
        self
    }

    // ---- game's side ----

    /// A command was put into the outbox.
    pub fn handle_command(&self) {
        if self.commands_since.load(Ordering::SeqCst) == NEVER {
            self.commands_since.store(self.clock.now().as_micros(), Ordering::SeqCst);
            self.wake_engine();
        }
    }

    /// Commands are to leave without gathering more.
    pub fn ask_flush(&self) {
        self.is_flush_asked.store(true, Ordering::SeqCst);
        self.wake_engine();
    }

    /// Hands all events that are ready to the game.
    pub fn take_ready(&self) -> Taken {
        let mut ready = self.ready.lock();
        let mut taken = std::mem::take(&mut ready.spare);
        std::mem::swap(&mut taken.events, &mut ready.events);
        taken
    }

    /// Takes back what the game has left, before whatever has come since.
    pub fn return_ready(&self, mut taken: Taken) {
        let has_consumed = !taken.consumed.is_empty();
        // A sender may be waiting for the credit of reliable messages; the rest can wait for the engine's next turn.
        let is_urgent = has_consumed && {
            let outbox = self.outbox.lock();
            outbox.is_any_reliable(&taken.consumed) || outbox.is_any_awaited(&taken.consumed)
        };
        let mut ready = self.ready.lock();
        if !taken.events.is_empty() {
            taken.events.append(&mut ready.events);
            std::mem::swap(&mut taken.events, &mut ready.events);
        }
        ready.consumed.append(&mut taken.consumed);
        ready.spare = taken;
        drop(ready);
        if has_consumed {
            self.has_consumed.store(true, Ordering::SeqCst);
        }
        if is_urgent {
            self.wake_engine();
        }
    }

    /// Makes events available to the game, behind those that are. Gives whether there are any now.
    pub fn make_ready(&self, events: &mut VecDeque<Event>) -> bool {
        let ready = &mut self.ready.lock().events;
        move_behind(events, ready);
        !ready.is_empty()
    }

    pub fn has_ready(&self) -> bool {
        self.ready_count() > 0
    }

    pub fn ready_count(&self) -> usize {
        self.ready.lock().events.len()
    }

    pub fn find_ready<T>(&self, find: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        self.ready.lock().events.iter().find_map(find)
    }

    /// The flag is raised before the engine looks whether there is something to do and lowered after it slept, and
    /// commands are announced before the flag is read: one of the two sides always sees the other.
    fn wake_engine(&self) {
        store_before_load();
        if self.is_asleep.load(Ordering::SeqCst) {
            self.wake.wake();
        }
    }

    /// Waits for events, an interruption or the end, and makes the events ready.
    pub fn wait_for_events(&self, timeout: Duration) -> Result<(), EngineError> {
        let mut inbox = self.inbox.lock();
        let has_news = |inbox: &Inbox| !inbox.events.is_empty() || inbox.is_interrupted || inbox.has_ended;
        if !has_news(&inbox) && !timeout.is_zero() {
            self.arrived.wait_while_for(&mut inbox, |inbox| !has_news(inbox), timeout);
        }
        inbox.is_interrupted = false;
        let has_events = self.make_ready(&mut inbox.events);
        self.inbox_count.store(0, Ordering::Relaxed);
        match (&inbox.end, inbox.has_ended && !has_events) {
            (Some(error), true) => Err(error.clone()),
            (None, true) => Err(EngineError::Closed),
            _ => Ok(()),
        }
    }

    pub fn has_ended(&self) -> bool {
        self.inbox.lock().has_ended
    }

    /// Makes a waiting `update` return.
    pub fn interrupt(&self) {
        self.inbox.lock().is_interrupted = true;
        self.arrived.notify_all();
        self.wake.wake();
    }

    /// Whether somebody asked for an interruption (inline drive).
    pub fn take_interruption(&self) -> bool {
        std::mem::take(&mut self.inbox.lock().is_interrupted)
    }

    pub fn request_stop(&self, request: StopRequest) {
        self.stop_sending();
        self.closing.lock().get_or_insert_default();
        let mut stop = self.stop.lock();
        match &mut *stop {
            // The first words count, and the greatest hurry.
            Some(first) => {
                first.deadline = first.deadline.min(request.deadline);
                if request.mode == CloseMode::Now {
                    first.mode = CloseMode::Now;
                }
            }
            None => *stop = Some(request),
        }
        drop(stop);
        self.is_stopping.store(true, Ordering::SeqCst);
        self.wake.wake();
    }

    /// What is sent from now on is refused: it would not go through.
    pub fn stop_sending(&self) {
        self.outbox.lock().dismiss_peers();
    }

    pub fn closing_report(&self) -> Option<ClosingReport> {
        *self.closing.lock()
    }

    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    pub fn statistics(&self) -> EngineStatistics {
        let mut statistics = *self.statistics.lock();
        statistics.sends_dropped = self.sends_dropped.load(Ordering::Relaxed);
        statistics.jobs = self.jobs.statistics();
        statistics
    }

    // ---- engine's side ----

    pub fn fall_asleep(&self) {
        self.is_asleep.store(true, Ordering::SeqCst);
        store_before_load();
    }

    pub fn wake_up(&self) {
        self.is_asleep.store(false, Ordering::SeqCst);
    }

    /// When the waiting commands are to be taken, if any wait.
    pub fn commands_due_at(&self, gathering: Duration) -> Option<Instant> {
        if self.has_consumed.load(Ordering::SeqCst) {
            return Some(Instant::ZERO);
        }
        let since = self.commands_since.load(Ordering::SeqCst);
        let is_hurried = gathering.is_zero() || self.is_flush_asked.load(Ordering::SeqCst);
        match since {
            NEVER => None,
            _ if is_hurried => Some(Instant::ZERO),
            since => Some(Instant::from_micros(since) + gathering),
        }
    }

    /// The outbox is about to be emptied, under its lock.
    pub fn handle_taken(&self) {
        self.commands_since.store(NEVER, Ordering::SeqCst);
        self.is_flush_asked.store(false, Ordering::SeqCst);
    }

    pub fn take_consumed(&self, consumed: &mut Vec<Consumed>) {
        // Lowered before the queue is emptied, raised after it was filled: whoever comes in between is taken now or later.
        if self.has_consumed.load(Ordering::SeqCst) {
            self.has_consumed.store(false, Ordering::SeqCst);
            std::mem::swap(consumed, &mut self.ready.lock().consumed);
        }
    }

    /// Hands events to the game's thread.
    pub fn deliver(&self, events: &mut VecDeque<Event>) {
        if events.is_empty() {
            return;
        }
        let mut inbox = self.inbox.lock();
        move_behind(events, &mut inbox.events);
        self.inbox_count.store(inbox.events.len(), Ordering::Relaxed);
        drop(inbox);
        self.arrived.notify_one();
        self.ring();
    }

    fn ring(&self) {
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }

    /// Events that the game has not taken: in the inbox, and made ready by updates after which it did not read them.
    pub fn events_waiting(&self) -> usize {
        self.inbox_count.load(Ordering::Relaxed) + self.ready_count()
    }

    /// Replaces the figures of the whole engine; those of a peer are the outbox's.
    pub fn publish(&self, endpoint: EndpointStatistics, of_driver: DriverFigures) {
        let DriverFigures { link, streams, discovery, post } = of_driver;
        let mut statistics = self.statistics.lock();
        statistics.endpoint = endpoint;
        statistics.link = link;
        statistics.streams = streams;
        statistics.discovery = discovery;
        statistics.post = post;
    }

    pub fn count_dropped_send(&self) {
        self.sends_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub fn take_stop_request(&self) -> Option<StopRequest> {
        if !self.is_stopping.load(Ordering::SeqCst) {
            return None;
        }
        // As with what was consumed.
        self.is_stopping.store(false, Ordering::SeqCst);
        self.stop.lock().take()
    }

    pub fn report_closing(&self, report: ClosingReport) {
        *self.closing.lock() = Some(report);
    }

    /// The engine has ended; `error` says why if it was not asked to.
    pub fn end(&self, error: Option<EngineError>) {
        let mut inbox = self.inbox.lock();
        inbox.has_ended = true;
        inbox.end = error;
        drop(inbox);
        if let Some(report) = &mut *self.closing.lock() {
            report.is_over = true;
        }
        self.outbox.lock().clear_peers();
        self.arrived.notify_all();
        self.ring();
    }
}

/// Appends `from` to `to`; where that is empty the buffers change places, so that both are used again.
fn move_behind(from: &mut VecDeque<Event>, to: &mut VecDeque<Event>) {
    if to.is_empty() {
        std::mem::swap(to, from);
    } else {
        to.append(from);
    }
}

#[cfg(all(loom, test))]
mod model;

#[cfg(all(test, not(loom)))]
mod tests {
    use tme_core::connection::PeerId;

    use super::*;

    #[test]
    fn events_count_as_waiting_until_the_game_takes_them() {
        let shared = Shared::new(
            Clock::start(),
            WakeHandle::from_fn(|| {}),
            Rebinding::new(([127, 0, 0, 1], 1).into(), Err("")),
            Arc::default(),
        );
        let mut events = VecDeque::from(vec![Event::Resumed { peer: PeerId::from_u64(1) }; 3]);
        shared.deliver(&mut events);
        assert_eq!(shared.events_waiting(), 3);
        shared.wait_for_events(Duration::ZERO).unwrap();
        assert_eq!(shared.events_waiting(), 3, "an update alone takes nothing");
        let mut taken = shared.take_ready();
        assert!(taken.next().is_some());
        shared.return_ready(taken);
        assert_eq!(shared.events_waiting(), 2);
    }
}
