//! How an endpoint is set up.

use crate::connection::ConnectionConfig;
use crate::handshake::server::ServerHandshakeConfig;

/// Settings of an [`Endpoint`](super::Endpoint).
#[derive(Clone, Debug, Default)]
pub struct EndpointConfig {
    /// What all connections share.
    pub connection: ConnectionConfig,
    /// With it, strangers may connect; without, this endpoint only connects to others.
    pub server: Option<ServerSetup>,
    /// Stands in the top byte of connection ids, so that datagrams find the right one of several endpoints behind
    /// one port. Default 0.
    pub shard: u8,
}

/// What an endpoint needs to accept connections.
#[derive(Clone, Debug)]
pub struct ServerSetup {
    /// Key, channels, limits, suites.
    pub handshake: ServerHandshakeConfig,
    /// Most peers at a time, 1–524,287; further ones are refused as `Full`. Default 64.
    pub peers_max: usize,
}

impl ServerSetup {
    /// A server for 64 peers.
    #[must_use]
    pub const fn new(handshake: ServerHandshakeConfig) -> Self {
        Self { handshake, peers_max: 64 }
    }
}
