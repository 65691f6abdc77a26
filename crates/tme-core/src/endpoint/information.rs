//! What a server tells those who only ask what it is: one datagram for one, from memory, so many a second.

use super::Endpoint;
use super::server_side::ServerSide;
use super::strangers::{REPLIES_MAX, spare_buffer};
use crate::datagram::Path;
use crate::handshake::datagram::{
    Description, HandshakeDatagram, InfoAnswer, Information, ServerDemands, Versions,
};
use crate::handshake::drops::DropReason;
use crate::rate::SteadyRate;
use crate::time::Instant;

/// Queries answered at once, as a part of those answered in a second.
const BURST_DIVISOR: u32 = 10;

/// Everything in an answer that does not change by itself.
#[derive(Clone)]
pub(super) struct InformationDesk {
    pub information: Information,
    pub versions: Versions,
    pub application_id: u64,
    pub demands: ServerDemands,
}

/// So many answers a second; 0 is none at all.
pub(super) fn rate_of(queries_per_second: u32) -> Option<SteadyRate> {
    (queries_per_second > 0)
        .then(|| SteadyRate::new(queries_per_second, queries_per_second.div_ceil(BURST_DIVISOR)))
}

impl ServerSide {
    /// What this server says of itself to anybody.
    fn description(&self) -> Description<'_> {
        let desk = &self.desk;
        Description {
            versions: desk.versions,
            application_id: desk.application_id,
            peers: u32::try_from(self.common.lock().confirmed()).unwrap_or(u32::MAX),
            peers_max: u32::try_from(self.peers_max).unwrap_or(u32::MAX),
            demands: desk.demands,
            information: desk.information.as_bytes(),
        }
    }
}

impl Endpoint {
    /// What this endpoint says of itself to anybody, and its channel table's hash, if it accepts connections.
    #[must_use]
    pub fn description(&self) -> Option<(Description<'_>, u64)> {
        let server = self.server.as_ref()?;
        Some((server.description(), server.table.hash()))
    }

    /// Changes the game's part of what queries are answered with.
    pub fn set_information(&mut self, information: Information) {
        if let Some(server) = &mut self.server {
            server.desk.information = information;
        }
    }

    pub(super) fn handle_info_query(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        let Some(server) = &mut self.server else { return };
        // The limit comes first: beyond it a datagram costs nothing but this. It has the length of a query, or a trickle of
        // tiny ones would use the limit up.
        if !server.common.lock().admit_query(now) {
            return self.statistics.handshake.drops.add(DropReason::Limited);
        }
        let Ok(HandshakeDatagram::InfoQuery(query)) = HandshakeDatagram::parse(datagram) else {
            return self.statistics.handshake.drops.add(DropReason::Malformed);
        };
        if self.shard.count() > 1 && server.common.lock().is_query_answered(now, path.remote, query.nonce) {
            return self.statistics.handshake.drops.add(DropReason::Repeated);
        }
        self.statistics.info_queries += 1;
        // Those who connect go first.
        if self.replies[usize::from(path.is_stream())].len() >= REPLIES_MAX / 2 {
            self.statistics.replies_dropped += 1;
            return;
        }
        let answer = InfoAnswer { nonce: query.nonce, description: server.description() };
        let mut reply = spare_buffer(&mut self.spare_buffers);
        answer.encode(&mut reply);
        debug_assert!(reply.len() <= datagram.len(), "bounded by its fields");
        self.queue_reply(path, reply);
    }
}
