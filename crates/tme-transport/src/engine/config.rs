//! How an engine is started.

use std::time::Duration;

use tme_core::endpoint::EndpointConfig;
use tme_core::handshake::client::ClientHandshakeConfig;

use crate::link::LinkSetup;

/// Commands of a threaded engine leave together after this time, so that one frame's sends share datagrams.
pub const GATHERING_DEFAULT: Duration = Duration::from_micros(200);

/// Who does the input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Drive {
    /// The thread that calls [`Engine::update`](super::Engine::update).
    #[default]
    Inline,
    /// A network thread: connections live on while the game is busy.
    Threaded,
}

/// How to start an engine.
#[derive(Debug)]
pub struct EngineConfig {
    /// Protocol settings; with a server part, others may connect.
    pub endpoint: EndpointConfig,
    /// What carries the datagrams.
    pub link: LinkSetup,
    /// Who drives.
    pub drive: Drive,
    /// How long a network thread gathers sends before they leave. Ignored inline.
    pub gathering: Duration,
    /// With it, a connection is made: `host:port` and the client's settings.
    pub connect: Option<(String, ClientHandshakeConfig)>,
}
