//! A server: listens, admits peers, talks to them.

use std::net::SocketAddr;
use std::time::Duration;

use tme_core::connection::{CloseMode, Farewell};
use tme_core::crypto::keys::PublicKey;
use tme_core::handshake::reason::Reason;
use tme_transport::engine::{Drive, Engine, Events};

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
        ServerHandle { handle: self.engine.handle().clone() }
    }

    /// Sends what is queued now instead of with the next update.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(self.engine.flush()?)
    }

    /// Tells every client that the server shuts down, after what is queued reliably went through, for at most
    /// `patience`. Events of the last moments can still be taken.
    pub fn shutdown(&mut self, patience: Duration) {
        self.engine.close(CloseMode::Flush, Farewell::new(Reason::Shutdown), patience);
    }
}
