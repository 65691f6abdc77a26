//! The part of a handle that one thread at a time may be in: updating and polling.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tme::{Client, EngineError, Error, Events, Server};

use crate::boundary::put;
use crate::event::TmeEvent;
use crate::failure::{Failure, Outcome};
use crate::inbox::{Inbox, check_event_room};
use crate::result::{TME_ERROR_BUSY, TME_ERROR_CLOSED, TME_OK};

/// Polls in vain of an inline engine without an update after which the log says so, once.
const POLLS_WITHOUT_UPDATE: u32 = 100;

/// What a server and a client have in common here.
pub trait Drive {
    fn update(&mut self, timeout: Duration) -> Result<(), Error>;
    fn events(&mut self) -> Events;
    fn flush(&mut self) -> Result<(), Error>;
    fn is_threaded(&self) -> bool;
}

macro_rules! drive {
    ($type:ty) => {
        impl Drive for $type {
            fn update(&mut self, timeout: Duration) -> Result<(), Error> {
                <$type>::update(self, timeout)
            }

            fn events(&mut self) -> Events {
                <$type>::events(self)
            }

            fn flush(&mut self) -> Result<(), Error> {
                <$type>::flush(self)
            }

            fn is_threaded(&self) -> bool {
                <$type>::is_threaded(self)
            }
        }
    };
}
drive!(Server);
drive!(Client);

/// See the module.
pub struct Pump<T> {
    /// Held by whoever updates, polls or closes, and never waited for: a second one there is turned away.
    turn: Mutex<()>,
    /// Held meanwhile, and by a flush for its own short time: that is nobody's turn and turns nobody away.
    engine: Mutex<Engine<T>>,
    inbox: Arc<Inbox>,
}

/// The right to update, poll or close.
struct Turn<'a, T> {
    engine: MutexGuard<'a, Engine<T>>,
    _turn: MutexGuard<'a, ()>,
}

struct Engine<T> {
    drive: T,
    /// It has ended: polling says so once there are no more events.
    has_ended: bool,
    polls_since_update: u32,
}

impl<T: Drive> Pump<T> {
    pub fn new(drive: T, retained_max: usize) -> Result<Self, Failure> {
        let inbox = Inbox::register(retained_max)?;
        let engine = Mutex::new(Engine { drive, has_ended: false, polls_since_update: 0 });
        Ok(Self { turn: Mutex::new(()), engine, inbox })
    }

    fn enter(&self) -> Result<Turn<'_, T>, Failure> {
        let turn = self.turn.try_lock().ok_or_else(|| Failure::new(TME_ERROR_BUSY))?;
        Ok(Turn { engine: self.engine.lock(), _turn: turn })
    }

    pub fn update(&self, timeout_ms: u32) -> Outcome {
        let mut turn = self.enter()?;
        let engine = &mut *turn.engine;
        engine.polls_since_update = 0;
        engine.update(Duration::from_millis(u64::from(timeout_ms)))?;
        Ok(TME_OK)
    }

    /// Lets queued messages leave now; if another thread is updating, it does so on its next turn.
    pub fn flush(&self, ask: impl FnOnce()) -> Outcome {
        match self.engine.try_lock() {
            Some(mut engine) => engine.drive.flush()?,
            None => ask(),
        }
        Ok(TME_OK)
    }

    /// Asks something of the engine that is the business of whoever updates it.
    pub fn with(&self, ask: impl FnOnce(&mut T) -> Result<(), Error>) -> Outcome {
        let mut turn = self.enter()?;
        ask(&mut turn.engine.drive)?;
        Ok(TME_OK)
    }

    /// Ends the engine by `close`. Events of its last moments can still be polled.
    pub fn close(&self, close: impl FnOnce(&mut T)) -> Outcome {
        let mut turn = self.enter()?;
        let engine = &mut *turn.engine;
        close(&mut engine.drive);
        engine.has_ended = true;
        Ok(TME_OK)
    }

    pub unsafe fn poll(&self, events: *mut TmeEvent, capacity: u32, count: *mut u32) -> Outcome {
        put(count, 0);
        let capacity = check_event_room(events, capacity, count)?;
        let mut turn = self.enter()?;
        let engine = &mut *turn.engine;
        engine.before_poll()?;
        let mut taken = engine.drive.events();
        let out = match capacity {
            0 => &mut [],
            _ => std::slice::from_raw_parts_mut(events.cast::<MaybeUninit<TmeEvent>>(), capacity),
        };
        let filled = self.inbox.fill(taken.by_ref(), out);
        let is_empty = filled == 0 && taken.len() == 0;
        drop(taken);
        if is_empty && engine.has_ended {
            return Err(Failure::new(TME_ERROR_CLOSED));
        }
        if is_empty {
            engine.note_vain_poll();
        }
        put(count, filled as u32);
        Ok(TME_OK)
    }
}

impl<T: Drive> Engine<T> {
    fn update(&mut self, timeout: Duration) -> Result<(), Error> {
        let result = self.drive.update(timeout);
        // Other errors leave the engine running: a key that could not be remembered.
        self.has_ended |= matches!(result, Err(Error::Engine(_)));
        result
    }

    /// An inline engine that nobody updates has no news, and says why.
    fn note_vain_poll(&mut self) {
        self.polls_since_update = self.polls_since_update.saturating_add(1);
        if self.polls_since_update == POLLS_WITHOUT_UPDATE && !self.drive.is_threaded() {
            log::warn!(
                "polled {POLLS_WITHOUT_UPDATE} times without an update: an inline engine does nothing without it \
                 (or set TME_CONFIG_THREADED)"
            );
        }
    }

    /// A threaded engine has its news brought here; an inline one without updates has none.
    fn before_poll(&mut self) -> Result<(), Failure> {
        if self.drive.is_threaded() {
            return match self.update(Duration::ZERO) {
                Err(Error::Engine(EngineError::Closed)) | Ok(()) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
        Ok(())
    }
}
