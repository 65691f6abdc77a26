//! One program: an endpoint and the game around it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use tme_core::channel::ChannelId;
use tme_core::connection::PeerId;
use tme_core::crypto::keys::KeyPair;
use tme_core::endpoint::{Endpoint, EndpointConfig, ServerSetup};
use tme_core::handshake::server::ServerHandshakeConfig;
use tme_core::random::SeededRandom;
use tme_core::time::Instant;

use super::network::Meta;
use crate::config::{Host, Pace, Reading, WorldConfig};
use crate::mix::mix;
use crate::oracle::{Breach, Oracle};
use tme_core::crypto::suite::SuitePreference;

/// The last packet of a connection that was taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) at: Instant,
    pub(super) largest: u64,
    /// How often its keys had been renewed, and since when that is known.
    pub(super) generation: u64,
    pub(super) generation_since: Instant,
}

/// An endpoint, its address and the habits of its program.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) endpoint: Endpoint,
    pub(super) address: SocketAddr,
    pub(super) random: SeededRandom,
    pub(super) host: Host,
    pub(super) reading: Reading,
    /// It does nothing before this.
    pub(super) asleep_until: Instant,
    pub(super) next_frame: Instant,
    /// The game has done something that may have to go out.
    pub(super) is_dirty: bool,
    /// When it last stalled or began anew.
    pub(super) trouble_at: Option<Instant>,
    /// Session of each peer id.
    pub(super) sessions: BTreeMap<u64, usize>,
    /// By connection id.
    pub(super) heard: BTreeMap<u32, Heard>,
    /// Messages taken and not yet consumed.
    pub(super) hoard: Vec<(PeerId, ChannelId, u64)>,
    /// Receipts read and not reported as taken.
    pub(super) receipt_hoard: Vec<(PeerId, ChannelId)>,
    /// Datagrams that somebody slipped in.
    pub(super) injected: VecDeque<(Meta, SocketAddr, Vec<u8>)>,
    /// Flows whose next burst is due.
    pub(super) due_flows: Vec<usize>,
    /// Programs started under this node's name so far.
    pub(super) epoch: u64,
}

impl Node {
    pub(super) fn new(
        config: &WorldConfig,
        node: usize,
        epoch: u64,
        address: SocketAddr,
        now: Instant,
    ) -> Result<Self, Breach> {
        let mut random = SeededRandom::new(mix(mix(mix(config.seed, 0x0DE), node as u64), epoch));
        let setup_error = |error: &dyn std::fmt::Display| {
            Breach::new(Oracle::Setup, "a configuration that works", error.to_string())
        };
        let server = match node {
            super::SERVER => Some(server_setup(config).map_err(|error| setup_error(&error))?),
            _ => None,
        };
        let host = if node == super::SERVER { config.server.host } else { config.clients[node - 1].host };
        let endpoint_config = EndpointConfig { connection: config.connection, server };
        let endpoint = Endpoint::new(endpoint_config, &mut random).map_err(|error| setup_error(&error))?;
        Ok(Self {
            endpoint,
            address,
            random,
            host,
            reading: Reading::Prompt,
            asleep_until: now,
            next_frame: now,
            is_dirty: true,
            trouble_at: None,
            sessions: BTreeMap::new(),
            heard: BTreeMap::new(),
            hoard: Vec::new(),
            receipt_hoard: Vec::new(),
            injected: VecDeque::new(),
            due_flows: Vec::new(),
            epoch,
        })
    }

    /// Whether the program would look after its endpoint now; `arrival` is when the next datagram comes.
    pub(super) fn is_due(&self, now: Instant, arrival: Option<Instant>) -> bool {
        self.next_wake(now, arrival).is_some_and(|at| at <= now)
    }

    /// When the program looks after its endpoint next.
    pub(super) fn next_wake(&self, now: Instant, arrival: Option<Instant>) -> Option<Instant> {
        let has_work = self.is_dirty || !self.injected.is_empty() || !self.due_flows.is_empty();
        let wake = match self.host.pace {
            Pace::Frames(_) => Some(self.next_frame),
            Pace::Prompt if has_work => Some(now),
            Pace::Prompt => [arrival, self.endpoint.poll_timeout()].into_iter().flatten().min(),
        };
        wake.map(|at| at.max(self.asleep_until))
    }
}

fn server_setup(config: &WorldConfig) -> Result<ServerSetup, &'static str> {
    // A restarted server has its old key.
    let key = KeyPair::generate(&mut SeededRandom::new(mix(config.seed, 0x5E44)));
    let mut handshake = ServerHandshakeConfig::new(key, config.channels.clone());
    handshake.limits = config.server.limits;
    handshake.suites = SuitePreference::new(&[config.suite]).ok_or("a server needs a suite")?;
    Ok(ServerSetup { peers_max: config.server.peers_max, ..ServerSetup::new(handshake) })
}
