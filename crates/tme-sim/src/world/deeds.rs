//! The script's deeds: joining, leaving, dying, cutting, stalling.

use tme_core::connection::{CloseMode, Farewell, Side};
use tme_core::crypto::keys::KeyPair;
use tme_core::crypto::suite::SuiteSet;
use tme_core::handshake::client::{ClientHandshakeConfig, Trust};
use tme_core::handshake::parameters::{ConnectionId, UserData};
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;
use tme_core::random::SeededRandom;

use super::agenda::Action;
use super::node::Node;
use super::session::Session;
use super::{SERVER, World, address_of, rebound};
use crate::config::{Deed, NewAddress, PortChoice, Rebinder, TableSource, Who};
use crate::mix::mix;
use crate::oracle::{Breach, EndState, Oracle, Parting};

impl World {
    pub(super) fn perform_deed(&mut self, deed: Deed) -> Result<(), Breach> {
        self.note(SERVER, || format!("script: {deed:?}"));
        match deed {
            Deed::Join { client } => {
                self.clients[client].wants_connection = true;
                self.join(client)
            }
            Deed::Leave { client, by, mode } => {
                if by == Side::Client {
                    self.clients[client].wants_connection = false;
                }
                self.leave(client, by, mode)
            }
            Deed::Crash { client } => self.crash(client),
            Deed::RestartServer => self.restart_server(),
            Deed::Partition { client, up, down } => {
                self.network.set_partitioned(client, up, down);
                Ok(())
            }
            Deed::Weather { client, path } => {
                self.can_be_forged |= path.up.corrupt + path.down.corrupt > 0.0;
                self.network
                    .set_conditions(self.now, client, *path)
                    .map_err(|error| Breach::new(Oracle::Setup, "links that work", error.to_string()))
            }
            Deed::Rebind { client, to, by } => {
                self.rebind(client, to, by);
                Ok(())
            }
            Deed::Read { who, reading } => {
                let place = &mut self.nodes[node_of(who)];
                place.reading = reading;
                place.is_dirty = true;
                Ok(())
            }
            Deed::Stall { who, time } => {
                let place = &mut self.nodes[node_of(who)];
                place.asleep_until = self.now + time;
                place.trouble_at = Some(self.now + time);
                Ok(())
            }
        }
    }

    fn rebind(&mut self, client: usize, to: NewAddress, by: Rebinder) {
        let now = self.now;
        let session = self.clients[client].session;
        let peer = session.and_then(|session| self.sessions[session].end(Side::Client).peer);
        // An attempt whose address changes is accepted twice, with other keys each time and the connection id that the client
        // has chosen once: the oracles could not tell the two apart. `tests/addresses.rs` of the core has that case.
        if peer.is_some_and(|peer| self.nodes[client + 1].endpoint.connection(peer).is_none()) {
            return;
        }
        self.clients[client].rebindings += 1;
        let count = self.clients[client].rebindings;
        let place = &mut self.nodes[client + 1];
        place.address = rebound(place.address, to, count);
        place.trouble_at = Some(now);
        place.is_dirty = true;
        if by == Rebinder::Program {
            place.endpoint.handle_rebind(now);
        }
        self.network.set_address(client, self.nodes[client + 1].address);
    }

    /// Begins to connect, unless there is a session already.
    pub(super) fn join(&mut self, client: usize) -> Result<(), Breach> {
        if self.clients[client].session.is_some_and(|session| !self.is_over_for_client(session)) {
            // What wants to join while the old connection is closing joins when that has ended.
            return Ok(());
        }
        let node = client + 1;
        let plan = &self.config.clients[client];
        let attempt = self.clients[client].attempts;
        self.clients[client].attempts += 1;
        let port = if plan.port == PortChoice::Next { attempt } else { 0 };
        let serial = self.sessions.len();
        let mut config = ClientHandshakeConfig::new(Trust::Unverified, ANY_ID);
        config.limits = plan.limits;
        config.suites = SuiteSet::only(self.config.suite);
        config.channels = (plan.table == TableSource::Declared).then(|| self.config.channels.clone());
        config.give_up_after = plan.give_up_after;
        config.user_data = UserData::new((serial as u64).to_le_bytes()).unwrap_or_default();
        if plan.has_identity {
            let seed = mix(mix(self.config.seed, 0x1DE), client as u64);
            config.identity = Some(KeyPair::generate(&mut SeededRandom::new(seed)));
        }
        let remote = self.nodes[SERVER].address;
        let place = &mut self.nodes[node];
        place.address = address_of(self.config.family, node, port);
        place.is_dirty = true;
        self.network.set_address(client, place.address);
        let peer = place
            .endpoint
            .connect(self.now, remote, config, &mut place.random)
            .map_err(|error| Breach::new(Oracle::Setup, "an attempt to connect", error.to_string()))?;
        place.sessions.insert(peer.as_u64(), serial);
        let mut session = Session::new(&self.config, serial, client, self.now);
        session.end_mut(Side::Client).peer = Some(peer);
        self.sessions.push(session);
        self.live.insert(serial);
        self.clients[client].session = Some(serial);
        Ok(())
    }

    pub(super) fn is_over_for_client(&self, session: usize) -> bool {
        let state = self.sessions[session].end(Side::Client).oracle.state();
        matches!(state, EndState::Ended | EndState::Vanished)
    }

    /// Closes the client's session from one side.
    pub(super) fn leave(&mut self, client: usize, by: Side, mode: CloseMode) -> Result<(), Breach> {
        let Some(index) = self.clients[client].session else { return Ok(()) };
        let session = &mut self.sessions[index];
        let end = session.end_mut(by);
        let Some(peer) = end.peer else { return Ok(()) };
        let is_over = !matches!(end.oracle.state(), EndState::Open | EndState::Unannounced);
        if end.parting.is_some() || is_over {
            return Ok(());
        }
        let code = 1 + self.random.below(1_000_000) as u32;
        let detail = format!("goodbye {code}");
        let reason = if by == Side::Client { Reason::Closed } else { Reason::Kicked };
        let node = if by == Side::Server { SERVER } else { client + 1 };
        let place = &mut self.nodes[node];
        place.is_dirty = true;
        let farewell = Farewell { reason, code, detail: Payload::from(detail.as_str()) };
        // The connection may be over already without the program having read of it.
        if place.endpoint.disconnect(self.now, peer, mode, farewell) {
            let is_flush = mode == CloseMode::Flush;
            end.parting = Some(Parting { at: self.now, reason, code, detail: detail.into_bytes(), is_flush });
        }
        Ok(())
    }

    /// The client's program dies; a new one with nothing but the address takes its place.
    fn crash(&mut self, client: usize) -> Result<(), Breach> {
        self.clients[client].wants_connection = false;
        if let Some(index) = self.clients[client].session {
            let now = self.now;
            let session = &mut self.sessions[index];
            session.end_mut(Side::Client).oracle.vanish(now);
            if session.is_over() {
                self.live.remove(&index);
            }
        }
        self.replace_program(client + 1)
    }

    fn restart_server(&mut self) -> Result<(), Breach> {
        for index in self.live.clone() {
            let now = self.now;
            let session = &mut self.sessions[index];
            if session.end(Side::Server).oracle.is_open() {
                session.end_mut(Side::Server).oracle.vanish(now);
            }
            if session.is_over() {
                self.live.remove(&index);
            }
        }
        self.replace_program(SERVER)
    }

    fn replace_program(&mut self, node: usize) -> Result<(), Breach> {
        let old = &self.nodes[node];
        let statistics = old.endpoint.statistics();
        self.tally.former_drops += statistics.drops.total() + statistics.handshake.drops.total();
        let mut new = Node::new(&self.config, node, old.epoch + 1, old.address, self.now)?;
        new.trouble_at = Some(self.now);
        new.due_flows = Vec::new();
        self.nodes[node] = new;
        self.network.forget_node(node);
        // Whoever lost the connection by this finds out and comes back by himself.
        if node != SERVER {
            self.agenda.add(self.now, Action::Rejoin(node - 1));
        }
        Ok(())
    }
}

const fn node_of(who: Who) -> usize {
    match who {
        Who::Server => SERVER,
        Who::Client(client) => client + 1,
    }
}

/// Replaced by the endpoint.
const ANY_ID: ConnectionId = match ConnectionId::new(1) {
    Some(id) => id,
    None => panic!("1 is not 0"),
};
