//! A server that sends every message back, for a client that is to work without one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tme_core::connection::{Event, SendError, SendOptions};
use tme_core::crypto::keys::PublicKey;
use tme_core::endpoint::EndpointConfig;

use super::{Drive, Engine, EngineConfig, EngineError, Events, Handle, LinkChoice};
use crate::link::LinkSetup;
use crate::link::memory::{self, MemoryLink};
use crate::link::stream::StreamsConfig;

/// Longest wait of the thread. Nothing depends on it: datagrams and the end wake it.
const WAIT: Duration = Duration::from_secs(1);

/// An engine in a thread of its own that answers whoever holds the other end of its link. Dropping it ends the thread,
/// and waits for that.
///
/// A message comes back on its channel, with its key. While the channel's send queue is full, none is taken from the
/// engine: flow control holds the other side back, and nothing is lost here.
#[derive(Debug)]
pub struct Echo {
    handle: Handle,
    local_address: SocketAddr,
    public_key: Option<PublicKey>,
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts with these settings, which have to have a server part. Gives the link by which it can be reached, too.
    ///
    /// # Errors
    /// [`EngineError`] as of every engine, or if there is no thread to be had.
    pub fn start(endpoint: EndpointConfig) -> Result<(Self, MemoryLink), EngineError> {
        let (link, others_link) = memory::pair();
        let engine = Engine::start(EngineConfig {
            endpoint,
            link: LinkSetup::Memory(Box::new(link)),
            drive: Drive::Inline,
            network_threads: 1,
            gathering: Duration::ZERO,
            listen_streams: None,
            streams: StreamsConfig::default(),
            discovery: None,
            choice: LinkChoice::Udp,
            connect: None,
            executor: None,
        })?;
        let (handle, local_address, public_key) =
            (engine.handle().clone(), engine.local_address(), engine.public_key());
        let is_stopping = Arc::new(AtomicBool::new(false));
        let seen_by_thread = Arc::clone(&is_stopping);
        let thread = std::thread::Builder::new().name("tme-echo".to_owned());
        let thread = thread
            .spawn(move || run_thread(engine, &seen_by_thread))
            .map_err(|error| EngineError::System(error.to_string()))?;
        Ok((Self { handle, local_address, public_key, is_stopping, thread: Some(thread) }, others_link))
    }

    /// The address to connect to.
    #[must_use]
    pub const fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// The key to pin.
    #[must_use]
    pub const fn public_key(&self) -> Option<PublicKey> {
        self.public_key
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.handle.wake();
        if let Some(thread) = self.thread.take() {
            // The thread catches its panics; there is nothing to learn from the result.
            let _ = thread.join();
        }
    }
}

/// The engine stays outside of what may panic: it says goodbye when it is dropped, and not while unwinding.
fn run_thread(mut engine: Engine, is_stopping: &AtomicBool) {
    match catch_unwind(AssertUnwindSafe(|| run(&mut engine, is_stopping))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::error!("echo thread: {error}"),
        Err(_) => log::error!("echo thread: panicked"),
    }
}

fn run(engine: &mut Engine, is_stopping: &AtomicBool) -> Result<(), EngineError> {
    let mut replies = Replies { handle: engine.handle().clone(), refused: None, waiting: VecDeque::new() };
    while !is_stopping.load(Ordering::SeqCst) {
        engine.update(WAIT)?;
        // Taken even if none can be answered: the engine does not wait while there are events, and the one that says
        // that a channel is writable again stands behind the messages.
        let events = engine.events();
        if events.len() > 0 {
            replies.waiting.push_back(events);
        }
        replies.send();
    }
    Ok(())
}

/// Messages on their way back.
struct Replies {
    handle: Handle,
    /// The message that a full queue refused; all others stand behind it.
    refused: Option<Event>,
    /// Not looked at yet. For flow control they count as consumed when the iterator they stand in is dropped, so that
    /// the credit bounds what waits here.
    waiting: VecDeque<Events>,
}

impl Replies {
    /// Sends back what can be.
    fn send(&mut self) {
        while let Some(event) = self.refused.take().or_else(|| self.next()) {
            if let Err(error) = self.reply(&event)
                && is_temporary(error)
            {
                self.refused = Some(event);
                return;
            }
        }
    }

    fn next(&mut self) -> Option<Event> {
        while let Some(events) = self.waiting.front_mut() {
            let event = events.next();
            if event.is_some() {
                return event;
            }
            self.waiting.pop_front();
        }
        None
    }

    fn reply(&self, event: &Event) -> Result<(), SendError> {
        let Event::Message { peer, channel, key, payload } = event else { return Ok(()) };
        // No key means key 0 where there are keys; elsewhere every message has 0, and none may be given.
        let options = SendOptions { key: Some(*key).filter(|&key| key != 0), ..SendOptions::none() };
        let result = self.handle.send(*peer, *channel, payload, options);
        if let Err(error) = result
            && !is_temporary(error)
        {
            log::debug!("{peer}: message not sent back: {error}");
        }
        result
    }
}

const fn is_temporary(error: SendError) -> bool {
    matches!(error, SendError::WouldBlock { .. } | SendError::TooManyKeys { .. })
}

#[cfg(test)]
mod tests {
    use tme_core::channel::ChannelTable;
    use tme_core::connection::ConnectionConfig;
    use tme_core::crypto::keys::KeyPair;
    use tme_core::endpoint::ServerSetup;
    use tme_core::handshake::server::ServerHandshakeConfig;

    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn no_thread_is_left_behind() {
        let key = KeyPair::generate(&mut SystemRandom::new().unwrap());
        let handshake = ServerHandshakeConfig::new(key, ChannelTable::default());
        let server = Some(ServerSetup::new(handshake));
        let config = EndpointConfig { connection: ConnectionConfig::default(), server };
        let (echo, _link) = Echo::start(config).unwrap();
        let held_by_thread = Arc::clone(&echo.is_stopping);
        assert_eq!(Arc::strong_count(&held_by_thread), 3);
        drop(echo);
        assert_eq!(Arc::strong_count(&held_by_thread), 1);
    }
}
