//! What an endpoint keeps to accept connections.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::{AdmissionPolicy, ServerSetup};
use super::identities::Identities;
use super::information::{self, InformationDesk};
use super::unconfirmed::{Network, Unconfirmed};
use crate::channel::ChannelTable;
use crate::connection::PeerId;
use crate::crypto::suite::SuiteSet;
use crate::handshake::datagram::ServerDemands;
use crate::handshake::parameters::PeerNumber;
use crate::handshake::server::{IdentityPolicy, ServerConfigError, ServerHandshake, TokenRequirement};
use crate::random::Random;
use crate::time::Duration;

/// First number given to a client; 1 is the server.
const FIRST_PEER_NUMBER: u32 = 2;

/// Numbers of clients that never came, kept for others; beyond it they are spent.
pub(super) const SPARE_NUMBERS_MAX: usize = 1_024;

pub(super) struct ServerSide {
    pub(super) handshake: ServerHandshake,
    pub(super) table: Arc<ChannelTable>,
    pub(super) peers_max: usize,
    /// Peers that count against the limit: accepted and not closing.
    pub(super) peers: usize,
    pub(super) desk: InformationDesk,
    pub(super) admission: AdmissionPolicy,
    pub(super) unconfirmed: Unconfirmed,
    /// Clients about whom the game is being asked.
    pub(super) applicants: BTreeMap<Network, usize>,
    /// Peers that are connected, by what they have proven.
    pub(super) identities: Identities,
    pub(super) next_number: u32,
    /// Numbers given to clients that never came.
    pub(super) spare_numbers: Vec<PeerNumber>,
}

impl ServerSide {
    pub(super) fn new(setup: &ServerSetup, random: &mut dyn Random) -> Result<Self, ServerConfigError> {
        let mut handshake = setup.handshake.clone();
        // The handshake must not forget a request before the game's time is up.
        let decision_time = setup.admission.decision_time + Duration::from_secs(1);
        handshake.busy.decision_time_max = handshake.busy.decision_time_max.max(decision_time);
        let demands = ServerDemands {
            identity: handshake.identity == IdentityPolicy::Required,
            token: handshake.tokens.requirement == TokenRequirement::Required,
            plaintext: handshake.suites.choose(SuiteSet::ENCRYPTED).is_none(),
        };
        let desk = InformationDesk {
            rate: information::rate_of(setup.queries_per_second),
            information: setup.information.clone(),
            versions: handshake.versions,
            application_id: handshake.application_id,
            demands,
        };
        Ok(Self {
            desk,
            table: Arc::new(handshake.channels.clone()),
            handshake: ServerHandshake::new(handshake, random)?,
            peers_max: setup.peers_max.clamp(1, PeerId::SLOTS_MAX / 2),
            admission: setup.admission,
            peers: 0,
            unconfirmed: Unconfirmed::default(),
            applicants: BTreeMap::new(),
            identities: Identities::default(),
            next_number: FIRST_PEER_NUMBER,
            spare_numbers: Vec::new(),
        })
    }
}
