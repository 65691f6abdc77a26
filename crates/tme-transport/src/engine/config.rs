//! How an engine is started.

use std::net::SocketAddr;
use std::time::Duration;

use tme_core::endpoint::EndpointConfig;
#[cfg(doc)]
use tme_core::endpoint::Shard;
use tme_core::handshake::client::ClientHandshakeConfig;

use super::announcer::DiscoverySetup;
use super::connector::LinkChoice;
use crate::link::LinkSetup;
use crate::link::stream::StreamsConfig;
use crate::workers::SharedExecutor;

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
    /// How many network threads a threaded server has on a UDP socket, at most [`Shard::COUNT_MAX`]. More than one take
    /// effect on Linux; elsewhere, and where the system does not share ports, there is one.
    pub network_threads: u8,
    /// How long a network thread gathers sends before they leave. Ignored inline.
    pub gathering: Duration,
    /// With it, streams are accepted, too, at this address. Port 0 stands for the link's own port.
    pub listen_streams: Option<SocketAddr>,
    /// Streams at a time, and how long one may live without a connection.
    pub streams: StreamsConfig,
    /// With it, a server is found by those who look for servers on its networks.
    pub discovery: Option<DiscoverySetup>,
    /// By what a client reaches its server.
    pub choice: LinkChoice,
    /// With it, a connection is made: `host:port` and the client's settings.
    pub connect: Option<(String, ClientHandshakeConfig)>,
    /// Who does what takes long. `None`: a pool of its own, which starts no thread before there is something to do.
    pub executor: Option<SharedExecutor>,
}
