//! What an endpoint keeps to accept connections.

use std::sync::Arc;

use super::common::Common;
use super::config::{AdmissionPolicy, ServerSetup};
use super::information::{self, InformationDesk};
use super::shard::Shard;
use crate::channel::ChannelTable;
use crate::connection::PeerId;
use crate::crypto::suite::SuiteSet;
use crate::handshake::datagram::ServerDemands;
use crate::handshake::server::{IdentityPolicy, ServerConfigError, ServerHandshake, TokenRequirement};
use crate::random::Random;
use crate::time::Duration;

/// Slots beyond the peers that are allowed: for connections that are closing.
const SPARE_SLOTS: usize = 32;

pub(super) struct ServerSide {
    pub(super) handshake: ServerHandshake,
    pub(super) table: Arc<ChannelTable>,
    pub(super) peers_max: usize,
    pub(super) desk: InformationDesk,
    pub(super) admission: AdmissionPolicy,
    /// The server as a whole, of which this endpoint may be a part.
    pub(super) common: Arc<Common>,
    /// This endpoint's part, for its figures: peers accepted and not closing, of these unconfirmed ones, and applicants.
    pub(super) peers: usize,
    pub(super) unconfirmed: usize,
    pub(super) applicants: usize,
}

impl ServerSide {
    /// The server's part in the first of `shards` endpoints.
    pub(super) fn new(
        setup: &ServerSetup,
        shards: usize,
        random: &mut dyn Random,
    ) -> Result<Self, ServerConfigError> {
        let mut handshake = setup.handshake.clone();
        handshake.busy = handshake.busy.share(shards);
        // The handshake must not forget a request before the game's time is up.
        let decision_time = setup.admission.decision_time + Duration::from_secs(1);
        handshake.busy.decision_time_max = handshake.busy.decision_time_max.max(decision_time);
        let demands = ServerDemands {
            identity: handshake.identity == IdentityPolicy::Required,
            token: handshake.tokens.requirement == TokenRequirement::Required,
            plaintext: handshake.suites.choose(SuiteSet::ENCRYPTED).is_none(),
        };
        let desk = InformationDesk {
            information: setup.information.clone(),
            versions: handshake.versions,
            application_id: handshake.application_id,
            demands,
        };
        let peers_max = setup.peers_max.clamp(1, PeerId::SLOTS_MAX / 2);
        let queries = information::rate_of(setup.queries_per_second);
        Ok(Self {
            common: Arc::new(Common::new(shards, peers_max, queries)),
            desk,
            table: Arc::new(handshake.channels.clone()),
            handshake: ServerHandshake::new(handshake, random)?,
            peers_max,
            admission: setup.admission,
            peers: 0,
            unconfirmed: 0,
            applicants: 0,
        })
    }

    /// The same server's part in another endpoint.
    pub(super) fn beside(&self) -> Self {
        Self {
            handshake: self.handshake.beside(),
            table: Arc::clone(&self.table),
            peers_max: self.peers_max,
            desk: self.desk.clone(),
            admission: self.admission,
            common: Arc::clone(&self.common),
            peers: 0,
            unconfirmed: 0,
            applicants: 0,
        }
    }

    /// Most slots one of `shard`'s siblings can use: any of them may have to take in all peers.
    pub(super) fn slots_max(&self, shard: Shard) -> usize {
        let slots = 2 * self.peers_max + SPARE_SLOTS + self.admission.applicant_slots();
        slots.min(shard.slots_max())
    }
}
