//! Datagrams on their last metre: from a link into an endpoint, with an eye on its drop counters.

use std::net::SocketAddr;

use tme_core::connection::{PacketDrop, PeerId};
use tme_core::datagram::{Ecn, Path};
use tme_core::time::Duration;

use super::network::Meta;
use super::node::{Heard, Node};
use super::{SERVER, Sabotage, World, name_of};
use crate::mix::TraceHash;
use crate::oracle::{Breach, DatagramKind, DropFacts, DropTally, Oracle, judge_drop};

/// Old keys are kept at least so long: three probe time-outs of at least 30 ms.
const KEY_RETENTION: Duration = Duration::from_millis(90);

impl World {
    /// Hands a node everything that has arrived for it.
    pub(super) fn take_in(&mut self, node: usize) -> Result<(), Breach> {
        let mut bytes = std::mem::take(&mut self.buffer);
        for pipe in self.pipes_into(node) {
            while let Some(delivery) = self.network.pipes[pipe].link.poll_delivery(self.now) {
                let meta = delivery.meta;
                bytes.clear();
                bytes.extend_from_slice(delivery.bytes);
                self.hand_over(node, &meta, meta.from, &mut bytes)?;
            }
            let now = self.now;
            self.network.pipes[pipe].watch(now);
        }
        while let Some((meta, from, mut bytes)) = self.nodes[node].injected.pop_front() {
            self.hand_over(node, &meta, from, &mut bytes)?;
        }
        self.buffer = bytes;
        Ok(())
    }

    fn hand_over(
        &mut self,
        node: usize,
        meta: &Meta,
        from: SocketAddr,
        bytes: &mut [u8],
    ) -> Result<(), Breach> {
        let now = self.now;
        // Another program, or none, has the port by now.
        if meta.to != self.nodes[node].address {
            return Ok(());
        }
        let digest = TraceHash::of(bytes);
        let is_intact = digest == meta.hash && from == meta.from;
        let is_forwarded =
            digest == meta.hash && from != meta.from && node == SERVER && meta.kind == DatagramKind::Data;
        let is_first = is_intact && self.network.pipes[meta.pipe].mark_delivered(meta.serial);
        if node == SERVER {
            self.network.note_received_by_server(from, bytes);
        }
        for number in [now.as_micros(), node as u64, digest] {
            self.hash.add(number);
        }

        let is_lost = self.is_sabotaged(Sabotage::LoseDatagram);
        let place = &mut self.nodes[node];
        let before = DropTally::of(&place.endpoint.statistics());
        let path = Path::to(from);
        if !is_lost {
            place.endpoint.handle_datagram(now, path, Ecn::NotCapable, bytes, &mut place.random);
        }
        let statistics = place.endpoint.statistics();
        let after = DropTally::of(&statistics);

        let (id, number) = meta.packet.unwrap_or_default();
        let heard = place.heard.get(&id).copied();
        // An address changes only while the connection is open.
        let is_unknown = [PacketDrop::UnknownConnection, PacketDrop::Closed, PacketDrop::ForeignAddress]
            .into_iter()
            .any(|reason| after.of_reason(reason) != before.of_reason(reason));
        let is_open = is_unknown
            && place.endpoint.peers().any(|peer| {
                place.endpoint.connection(peer).is_some_and(|connection| connection.local_id() == id)
            });
        let facts = DropFacts {
            kind: meta.kind,
            is_intact,
            is_forwarded,
            is_first,
            is_open,
            behind: heard.map_or(0, |heard| heard.largest.saturating_sub(number)),
            generations_behind: heard.map_or(0, |heard| heard.generation.saturating_sub(meta.generation)),
            is_key_fresh: heard
                .is_none_or(|heard| now.saturating_since(heard.generation_since) < KEY_RETENTION),
        };
        if let Err(breach) = judge_drop(&facts, &before, &after) {
            self.subject = format!("{} taking {} bytes from {from}", name_of(node), bytes.len());
            return Err(breach);
        }
        let was_taken = after.total() == before.total();
        if is_first
            && after.of_reason(PacketDrop::ForeignAddress) != before.of_reason(PacketDrop::ForeignAddress)
        {
            self.network.pipes[meta.pipe].unmark_delivered(meta.serial);
        }
        let is_first = is_first || (was_taken && is_forwarded);
        if was_taken && is_forwarded && !self.network.pipes[meta.pipe].mark_delivered(meta.serial) {
            self.subject = format!("{} taking {} bytes from {from}", name_of(node), bytes.len());
            return Err(Breach::new(Oracle::Drops, "a repeated packet to be dropped", "it was taken"));
        }
        if was_taken && is_first && meta.kind == DatagramKind::Data {
            let mut newer = heard.unwrap_or(Heard {
                at: now,
                largest: number,
                generation: meta.generation,
                generation_since: now,
            });
            newer.at = now;
            newer.largest = newer.largest.max(number);
            if meta.generation > newer.generation {
                (newer.generation, newer.generation_since) = (meta.generation, now);
            }
            place.heard.insert(id, newer);
        }
        if node == SERVER {
            self.check_move(from)?;
        }
        self.note(node, || {
            let outcome = if was_taken { "takes" } else { "drops" };
            format!("{outcome} {} bytes of {:?} from {from}, {:?}", bytes.len(), meta.kind, meta.packet)
        });
        Ok(())
    }

    /// Whether a connection of the server is with somebody at an address that has proven nothing yet: then it must have
    /// moved there, and the address must be its client's.
    fn check_move(&mut self, address: SocketAddr) -> Result<(), Breach> {
        if self.network.is_proven(address) {
            return Ok(());
        }
        let Node { endpoint, sessions, .. } = &self.nodes[SERVER];
        let moved = sessions.iter().find(|(peer, _)| {
            let connection = endpoint.connection(PeerId::from_u64(**peer));
            connection.is_some_and(|connection| connection.path().remote == address)
        });
        let Some((_, &session)) = moved else { return Ok(()) };
        let client = self.sessions[session].client;
        if !self.network.note_moved(client, address) {
            self.subject = name_of(SERVER);
            let expected = format!("a session that stays with client {client}");
            return Err(Breach::new(Oracle::Lifecycle, expected, format!("it moved to {address}")));
        }
        Ok(())
    }
}
