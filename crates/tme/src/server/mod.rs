//! A server: listens, admits peers, talks to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tme_core::channel::ChannelTable;
use tme_core::connection::{CloseMode, Farewell};
use tme_core::crypto::keys::PublicKey;
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;
use tme_transport::engine::{ClosingReport, Drive, Engine, Events};

use crate::Error;

mod builder;
mod handle;

pub use builder::{NETWORK_THREADS_MAX, ServerBuilder};
pub use handle::{RefuseAs, ServerHandle};

/// A server. `update` and `events` belong to one thread at a time; everything else also goes through
/// [`ServerHandle`] from any thread.
///
/// Dropping it ends every connection at once; [`shutdown`](Self::shutdown) does so politely.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    /// The table of every peer: one with another is not let in.
    channels: Arc<ChannelTable>,
}

impl Server {
    /// Begins to set up a server. Every setting has a default.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// The address the server listens on, with the real port if port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.engine.local_address()
    }

    /// The address the server listens on for TCP, if it does.
    #[must_use]
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        self.engine.stream_address()
    }

    /// The UDP port at which this server answers those who look for servers: `None` if it does not, because it was not told to or
    /// because the port could not be had.
    #[must_use]
    pub fn discovery_port(&self) -> Option<u16> {
        self.engine.discovery_port()
    }

    /// The key that clients pin.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.engine.public_key().unwrap_or_else(|| unreachable!("a server always has a key"))
    }

    /// Whether a network thread does the input and output, rather than [`update`](Self::update).
    #[must_use]
    pub fn is_threaded(&self) -> bool {
        self.engine.drive() == Drive::Threaded
    }

    /// How many network threads the server has: 0 inline; else as many as [`ServerBuilder::network_threads`] asked for, or 1 where
    /// the system cannot share a port among several.
    #[must_use]
    pub fn network_threads(&self) -> usize {
        self.engine.network_threads()
    }

    /// Waits at most `timeout` for news; zero does not wait. Call it regularly: inline, all input and output happens
    /// here. Returns early with events, or after [`ServerHandle::wake`].
    ///
    /// # Errors
    /// [`Error::Engine`] once the server has stopped for good.
    pub fn update(&mut self, timeout: Duration) -> Result<(), Error> {
        Ok(self.engine.update(timeout)?)
    }

    /// Takes the events that have come, oldest first. Those not taken stay. With several network threads those of one peer are in
    /// order, and those of different peers as may be.
    ///
    /// The iterator borrows nothing: the loop over it may send, disconnect and update.
    pub fn events(&mut self) -> Events {
        self.engine.events()
    }

    /// What other threads use; it is cheap to clone.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { handle: self.engine.handle().clone(), channels: Arc::clone(&self.channels) }
    }

    /// Sends what is queued now instead of with the next update.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(self.engine.flush()?)
    }

    /// Tells every client that the server shuts down, after what is queued reliably went through, and waits for that, at most
    /// `limit`. Nobody is let in any more: who comes now is refused with [`Reason::Shutdown`]. Events of the last moments can
    /// still be taken.
    ///
    /// Of the limit a quarter, at most a second, is kept for the goodbye itself, which may have to be repeated. With a limit of zero
    /// everybody is told once and nothing is waited for. Gives what came of it.
    pub fn shutdown(&mut self, limit: Duration) -> ShutdownReport {
        self.shutdown_with(limit, 0, Payload::default())
    }

    /// As [`shutdown`](Self::shutdown), with a code and up to 512 bytes of the game's own, which clients find in their
    /// `Disconnected`: where to go, when to come back. Those that are refused meanwhile are told the bytes alone.
    pub fn shutdown_with(
        &mut self,
        limit: Duration,
        code: u32,
        detail: impl Into<Payload>,
    ) -> ShutdownReport {
        self.engine.close(CloseMode::Flush, farewell(code, detail), limit);
        // A server that had ended before has nothing to report.
        self.shutdown_report().unwrap_or(ShutdownReport { is_over: true, ..ShutdownReport::default() })
    }

    /// Begins what [`shutdown_with`](Self::shutdown_with) does and waits for nothing, for a game that goes on drawing: go on
    /// calling [`update`](Self::update) and taking events until an update fails with
    /// [`EngineError::Closed`](crate::EngineError::Closed). Sends are refused from now on, messages still come. Begun again, it can
    /// only be over sooner: the first words count, and the shorter time.
    ///
    /// # Errors
    /// [`Error::Engine`]: the server has ended before.
    pub fn begin_shutdown(
        &mut self,
        limit: Duration,
        code: u32,
        detail: impl Into<Payload>,
    ) -> Result<(), Error> {
        Ok(self.engine.begin_close(CloseMode::Flush, farewell(code, detail), limit)?)
    }
}

fn farewell(code: u32, detail: impl Into<Payload>) -> Farewell {
    Farewell { reason: Reason::Shutdown, code, detail: detail.into() }
}

/// What the end of a server has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Peers that were connected when it began: the sum of the next four.
    pub peers: usize,
    /// That have acknowledged the goodbye: they know why.
    pub told: usize,
    /// That left of their own meanwhile.
    pub left: usize,
    /// That have not answered until time was up, or were lost before. The goodbye was sent to them, and they may have read it.
    pub unanswered: usize,
    /// That are still waited for; none when it is over.
    pub waiting: usize,
    /// Reliable messages that were not acknowledged, of whomever; they may have arrived. While it is going on those are among
    /// them that still may be.
    pub messages_undelivered: u64,
    /// Their bytes.
    pub bytes_undelivered: u64,
    /// Clients that came meanwhile and were refused.
    pub refused: u64,
    /// Whether it is over.
    pub is_over: bool,
}

impl From<ClosingReport> for ShutdownReport {
    fn from(ClosingReport { statistics, is_over }: ClosingReport) -> Self {
        Self {
            peers: statistics.peers,
            told: statistics.told,
            left: statistics.left,
            unanswered: statistics.unanswered,
            waiting: statistics.waiting(),
            messages_undelivered: statistics.messages_undelivered,
            bytes_undelivered: statistics.bytes_undelivered,
            refused: statistics.refused,
            is_over,
        }
    }
}
