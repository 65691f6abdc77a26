//! How an endpoint is set up.

use crate::connection::ConnectionConfig;
use crate::handshake::datagram::Information;
use crate::handshake::server::ServerHandshakeConfig;
use crate::time::Duration;

/// Settings of an [`Endpoint`](super::Endpoint).
#[derive(Clone, Debug, Default)]
pub struct EndpointConfig {
    /// What all connections share.
    pub connection: ConnectionConfig,
    /// With it, strangers may connect; without, this endpoint only connects to others.
    pub server: Option<ServerSetup>,
}

/// What an endpoint needs to accept connections.
#[derive(Clone, Debug)]
pub struct ServerSetup {
    /// Key, channels, limits, suites.
    pub handshake: ServerHandshakeConfig,
    /// Most peers at a time, 1–524,287; further ones are refused as `Full`. Default 64.
    pub peers_max: usize,
    /// Who is let in, and who decides it.
    pub admission: AdmissionPolicy,
    /// Queries for server information that are answered in a second; 0 answers none. Default 1,000.
    pub queries_per_second: u32,
    /// The game's part of those answers, until [`Endpoint::set_information`](super::Endpoint::set_information) changes it.
    pub information: Information,
}

/// Who decides whether a client is let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// Whoever is entitled by key, token and settings is let in while there is room.
    #[default]
    Automatic,
    /// The game is asked by [`Event::Admission`](crate::connection::Event::Admission), after all of that.
    Ask,
}

/// What becomes of a client that has proven the same identity as a peer: the same key, or the same user by a connect
/// token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newcomers {
    /// The newest wins: the older connection is closed as [`Replaced`](crate::handshake::reason::Reason::Replaced) once
    /// the newer is confirmed, even if the server is full.
    #[default]
    Replace,
    /// The older one stays, unless it is interrupted; the newer is refused as
    /// [`Denied`](crate::handshake::reason::Reason::Denied).
    Refuse,
    /// The game is asked; if it accepts, the newest wins.
    Ask,
    /// Both stay.
    Allow,
}

/// How clients are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionPolicy {
    /// Who decides. Default automatic.
    pub decision: Decision,
    /// How long the game may take for a decision; then the client is refused as busy. Default 5 s, half of what a client
    /// waits.
    pub decision_time: Duration,
    /// Clients about whom the game is asked at a time, a quarter of them from one network (IPv4 /24, IPv6 /56) other than
    /// this machine; further ones are refused as busy. Default 256.
    pub applicants_max: usize,
    /// What becomes of newcomers that are peers already. Default: they replace themselves.
    pub newcomers: Newcomers,
}

impl AdmissionPolicy {
    /// Nobody is asked; the newest of an identity wins.
    pub const DEFAULT: Self = Self {
        decision: Decision::Automatic,
        decision_time: Duration::from_secs(5),
        applicants_max: 256,
        newcomers: Newcomers::Replace,
    };

    /// Slots for those about whom the game is asked.
    pub(super) const fn applicant_slots(&self) -> usize {
        match (self.decision, self.newcomers) {
            (Decision::Ask, _) | (_, Newcomers::Ask) => self.applicants_max,
            _ => 0,
        }
    }
}

impl Default for AdmissionPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl ServerSetup {
    /// A server for 64 peers.
    #[must_use]
    pub fn new(handshake: ServerHandshakeConfig) -> Self {
        Self {
            handshake,
            peers_max: 64,
            admission: AdmissionPolicy::DEFAULT,
            queries_per_second: 1_000,
            information: Information::default(),
        }
    }
}
