//! The engine: an endpoint on a link, driven by the game's thread or by one of its own.
//!
//! [`Engine::update`] does the input and output itself (*inline*), or collects what a network thread has done
//! (*threaded*); everything else is the same. Sends go through [`Handle`], from any thread, and answer at once.

mod announcer;
mod arena;
mod conditions;
mod config;
mod connector;
mod crew;
mod driver;
mod echo;
mod error;
mod events;
mod handle;
mod links;
mod message;
#[cfg(all(loom, test))]
mod model;
mod network_thread;
mod outbox;
mod post;
mod rebind;
mod roaming;
mod shared;
mod start;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tme_core::connection::{CloseMode, Event, Farewell};
use tme_core::crypto::keys::PublicKey;
use tme_core::handshake::reason::Reason;

pub use announcer::{DiscoverySetup, WhenUnavailable};
pub use config::{Drive, EngineConfig, GATHERING_DEFAULT};
pub use connector::LinkChoice;
use driver::Driver;
pub use echo::Echo;
pub use error::EngineError;
pub use events::Events;
pub use handle::Handle;
pub use message::MessageBytes;
pub use outbox::{Broadcast, Direction, OUTBOX_BYTES_MAX, PeerInfo};
pub use post::PostStatistics;
use shared::StopRequest;
pub use shared::{ClosingReport, EngineStatistics};

/// Turns that one inline update makes while datagrams wait: 16,384 datagrams.
const TURNS_PER_UPDATE_MAX: u32 = 64;

enum Runner {
    Inline(Box<Driver>),
    Threaded(Vec<JoinHandle<()>>),
    Ended,
}

/// An endpoint on a link. See the module.
pub struct Engine {
    runner: Runner,
    drive: Drive,
    handle: Handle,
    public_key: Option<PublicKey>,
    stream_address: Option<SocketAddr>,
    discovery_port: Option<u16>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("local_address", &self.local_address()).finish_non_exhaustive()
    }
}

impl Engine {
    /// The address others reach this engine at, with the real port if port 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.handle.local_address()
    }

    /// The address at which streams are accepted, if they are.
    #[must_use]
    pub const fn stream_address(&self) -> Option<SocketAddr> {
        self.stream_address
    }

    /// The port at which this engine answers those who look for servers, if it does.
    #[must_use]
    pub const fn discovery_port(&self) -> Option<u16> {
        self.discovery_port
    }

    /// The server's public key, if this engine accepts connections.
    #[must_use]
    pub const fn public_key(&self) -> Option<PublicKey> {
        self.public_key
    }

    /// Who does the input and output, as it was set.
    #[must_use]
    pub const fn drive(&self) -> Drive {
        self.drive
    }

    /// Network threads: those that were asked for, or one where the system cannot share a port; 0 inline.
    #[must_use]
    pub fn network_threads(&self) -> usize {
        match self.drive {
            Drive::Inline => 0,
            Drive::Threaded => self.handle.crew.all().len(),
        }
    }

    /// What other threads use.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits at most `timeout` for events and makes them available to [`events`](Self::events). Inline, all input and
    /// output happens here.
    ///
    /// Returns early when there are events, or when [`Handle::wake`] was called. Events not taken yet stay, and then
    /// it does not wait.
    ///
    /// # Errors
    /// [`EngineError::Closed`], or why the engine stopped; the engine is of no further use.
    pub fn update(&mut self, timeout: Duration) -> Result<(), EngineError> {
        let crew = &self.handle.crew;
        let shared = crew.first();
        let timeout = if crew.has_ready() { Duration::ZERO } else { timeout };
        match &mut self.runner {
            Runner::Ended => Err(EngineError::Closed),
            Runner::Threaded(_) => crew.wait_for_events(timeout),
            Runner::Inline(driver) => {
                let deadline = driver.now() + timeout;
                let mut turns = 0;
                loop {
                    turns += 1;
                    let left = deadline.saturating_since(driver.now());
                    let result = driver.turn(Some(left));
                    let has_parted = result.is_ok() && driver.has_parted();
                    let result = if has_parted { driver.finish_parting() } else { result };
                    let has_events = shared.make_ready(driver.events_mut());
                    if let Err(error) = result {
                        shared.end(Some(error.clone()));
                        self.runner = Runner::Ended;
                        return Err(error);
                    }
                    if has_parted {
                        shared.end(None);
                        self.runner = Runner::Ended;
                        return Ok(());
                    }
                    // A host that updates once a frame gets the whole frame's datagrams, within reason.
                    let has_more = driver.has_more_to_receive() && turns < TURNS_PER_UPDATE_MAX;
                    let is_over = !has_more && (has_events || driver.now() >= deadline);
                    if shared.take_interruption() || is_over {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes the events that have come. What the iterator does not take stays.
    ///
    /// The iterator borrows nothing, so that whoever handles an event may call every method of the engine.
    pub fn events(&mut self) -> Events {
        let crew = Arc::clone(&self.handle.crew);
        Events { taken: crew.first().take_ready(), others: crew.take_others(), crew }
    }

    /// Looks through the events that [`events`](Self::events) will give, and leaves them where they are. `find` is
    /// called under a lock: it must not call this engine.
    pub fn find_event<T>(&self, find: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        self.handle.crew.find_ready(find)
    }

    /// Sends what is queued without waiting for the next update.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn flush(&mut self) -> Result<(), EngineError> {
        match &mut self.runner {
            Runner::Inline(driver) => driver.flush_now(),
            Runner::Threaded(_) => {
                self.handle.flush();
                Ok(())
            }
            Runner::Ended => Err(EngineError::Closed),
        }
    }

    /// Begins to end every connection: with [`CloseMode::Flush`] after queued reliable messages went through, within `limit`.
    /// Nothing waits for that here: go on updating until an update gives [`EngineError::Closed`]. Nobody is let in any more, and
    /// sends are refused.
    ///
    /// # Errors
    /// [`EngineError`]: the engine has ended, or ends now because its socket does not work any more.
    pub fn begin_close(
        &mut self,
        mode: CloseMode,
        farewell: Farewell,
        limit: Duration,
    ) -> Result<(), EngineError> {
        let crew = &self.handle.crew;
        let request = StopRequest { mode, farewell, deadline: crew.first().now() + limit };
        match &mut self.runner {
            Runner::Ended => Err(EngineError::Closed),
            Runner::Inline(driver) => driver.begin_parting(&request),
            Runner::Threaded(_) if crew.has_ended() => Err(EngineError::Closed),
            Runner::Threaded(_) => {
                crew.request_stop(&request);
                Ok(())
            }
        }
    }

    /// Ends every connection and stops: with [`CloseMode::Flush`] after queued reliable messages went through, at most
    /// `patience`. Events of the time in between can still be taken.
    pub fn close(&mut self, mode: CloseMode, farewell: Farewell, patience: Duration) {
        match std::mem::replace(&mut self.runner, Runner::Ended) {
            Runner::Ended => {}
            Runner::Inline(mut driver) => {
                let request = StopRequest { mode, farewell, deadline: driver.now() + patience };
                if let Err(error) = driver.wind_down(&request) {
                    log::warn!("closing: {error}");
                }
                self.handle.crew.first().make_ready(driver.events_mut());
                self.handle.crew.first().end(None);
            }
            Runner::Threaded(threads) => {
                let crew = &self.handle.crew;
                let deadline = crew.first().now() + patience;
                crew.request_stop(&StopRequest { mode, farewell, deadline });
                for thread in threads {
                    // The thread catches its panics; there is nothing to learn from the result.
                    let _ = thread.join();
                }
                let _ = crew.wait_for_events(Duration::ZERO);
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let farewell = Farewell::new(Reason::Closed);
        self.close(CloseMode::Now, farewell, Duration::ZERO);
    }
}
