//! A client: connects to one server and talks to it.

use std::path::PathBuf;
use std::time::Duration;

use tme_core::connection::{CloseMode, Event, Farewell};
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;
use tme_transport::engine::{Drive, Echo, Engine, Events};

use crate::{Error, known_hosts};

mod builder;
mod handle;

pub use builder::{ClientBuilder, Trust};
pub use handle::ClientHandle;

/// A client. `update` and `events` belong to one thread at a time; everything else also goes through
/// [`ClientHandle`] from any thread.
///
/// Dropping it ends the connection at once; [`close`](Self::close) does so politely.
#[derive(Debug)]
pub struct Client {
    engine: Engine,
    known_hosts: Option<KnownHosts>,
    /// Dropped after the engine, which says goodbye to it.
    echo: Option<Echo>,
}

impl Client {
    /// Begins to set up a client. Every setting has a default.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Whether a network thread does the input and output, rather than [`update`](Self::update).
    #[must_use]
    pub fn is_threaded(&self) -> bool {
        self.engine.drive() == Drive::Threaded
    }

    /// Waits at most `timeout` for news; zero does not wait. Call it regularly: inline, all input and output happens
    /// here. Returns early with events, or after [`ClientHandle::wake`].
    ///
    /// # Errors
    /// [`Error::Engine`] once the client has stopped for good; [`Error::File`] if the server's key could not be
    /// remembered (the connection goes on).
    pub fn update(&mut self, timeout: Duration) -> Result<(), Error> {
        self.engine.update(timeout)?;
        self.remember_server()
    }

    /// Writes down the key of a server met for the first time.
    fn remember_server(&mut self) -> Result<(), Error> {
        let Some(KnownHosts { path, host }) = &self.known_hosts else { return Ok(()) };
        let first_key = self.engine.find_event(|event| match event {
            Event::Connected { info, .. } => Some(info.key.filter(|_| info.is_first_use)),
            _ => None,
        });
        let result = match first_key {
            Some(Some(key)) => known_hosts::remember(path, host, &key),
            Some(None) => Ok(()),
            None => return Ok(()),
        };
        self.known_hosts = None;
        result
    }

    /// Takes the events that have come, oldest first. Those not taken stay.
    ///
    /// The iterator borrows nothing: the loop over it may send, disconnect and update.
    pub fn events(&mut self) -> Events {
        self.engine.events()
    }

    /// What other threads use; it is cheap to clone.
    #[must_use]
    pub fn handle(&self) -> ClientHandle {
        ClientHandle { handle: self.engine.handle().clone() }
    }

    /// Sends what is queued now instead of with the next update.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(self.engine.flush()?)
    }

    /// Ends the connection after what is queued reliably went through, waiting at most `patience`.
    pub fn close(&mut self, patience: Duration) {
        self.close_with(patience, 0, Payload::default());
    }

    /// As [`close`](Self::close), telling the server a code and up to 512 bytes of the game's own.
    pub fn close_with(&mut self, patience: Duration, code: u32, detail: impl Into<Payload>) {
        let farewell = Farewell { reason: Reason::Closed, code, detail: detail.into() };
        self.engine.close(CloseMode::Flush, farewell, patience);
        // Not before: it has acknowledged what was to go through.
        self.echo = None;
    }
}

/// Where to write a key that was seen for the first time.
#[derive(Debug)]
struct KnownHosts {
    path: PathBuf,
    host: String,
}
