//! Several endpoints that are one server: how they are made, and what they ask of each other.

use std::sync::Arc;

use super::common::Order;
use super::server_side::ServerSide;
use super::{Endpoint, EndpointConfig, Shard};
use crate::connection::PeerId;
use crate::handshake::server::ServerConfigError;
use crate::random::Random;
use crate::time::Instant;

impl Endpoint {
    /// The endpoints of one server behind one port, each for a network thread of its own: `count` of them, 1 to
    /// [`Shard::COUNT_MAX`]. What belongs to a connection must reach the endpoint that [`Shard::owner_elsewhere`] names; anything
    /// else may reach any.
    ///
    /// Limits, numbers of peers, used connect tokens and who gives way to whom hold for all of them together; bounds of handshakes
    /// are divided. A peer that gives way in another endpoint does so when that one is asked to
    /// [`handle_orders`](Self::handle_orders).
    pub fn siblings(
        config: EndpointConfig,
        count: u8,
        random: &mut dyn Random,
    ) -> Result<Vec<Self>, ServerConfigError> {
        let shards = Shard::all(count);
        let connection_config = Arc::new(config.connection);
        let first =
            config.server.as_ref().map(|setup| ServerSide::new(setup, shards.len(), random)).transpose()?;
        let endpoints = shards.map(|shard| {
            let server = first.as_ref().map(ServerSide::beside);
            Self::with(Arc::clone(&connection_config), server, shard, random)
        });
        Ok(endpoints.collect())
    }

    /// Which one of its server's endpoints this is.
    #[must_use]
    pub const fn shard(&self) -> Shard {
        self.shard
    }

    /// Does what other endpoints of the server have asked for.
    pub fn handle_orders(&mut self, now: Instant) {
        let Some(server) = &self.server else { return };
        for order in server.common.take_orders(self.shard) {
            match order {
                Order::Replace(peer) => self.replace_peer(now, peer),
                Order::Abandon(peer) => self.abandon_peer(now, peer),
            }
        }
    }

    /// Takes the index of an endpoint that has to [`handle_orders`](Self::handle_orders) now.
    pub fn poll_called(&mut self) -> Option<usize> {
        self.called.pop()
    }

    /// Asks something of the endpoint that has the peer.
    pub(super) fn call(&mut self, order: Order) {
        let Some(server) = &self.server else { return };
        let owner = server.common.order(self.shard, order);
        if !self.called.contains(&owner) {
            self.called.push(owner);
        }
    }

    fn replace_peer(&mut self, now: Instant, peer: PeerId) {
        if let Some(index) = self.slots.index_of_peer(peer) {
            let end = self.workspace.events.len();
            self.replace(now, index, end);
        }
    }

    fn abandon_peer(&mut self, now: Instant, peer: PeerId) {
        let Some(index) = self.slots.index_of_peer(peer) else { return };
        // It has come after all: that was found out when it confirmed.
        if self.slots.get_mut(index).is_some_and(|peer| peer.awaited.is_some()) {
            self.abandon(now, index);
        }
    }
}
