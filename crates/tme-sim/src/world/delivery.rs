//! Datagrams on their last metre: from a link into an endpoint, with an eye on its drop counters.

use std::net::SocketAddr;

use tme_core::connection::PacketDrop;
use tme_core::datagram::{Ecn, Path};
use tme_core::time::Duration;

use super::network::Meta;
use super::node::Heard;
use super::{SERVER, Sabotage, World, name_of};
use crate::mix::TraceHash;
use crate::oracle::{Breach, DatagramKind, DropFacts, DropTally, judge_drop};

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
        let path = Path { remote: from, local: None };
        if !is_lost {
            place.endpoint.handle_datagram(now, path, Ecn::NotCapable, bytes, &mut place.random);
        }
        let statistics = place.endpoint.statistics();
        let after = DropTally::of(&statistics);

        let (id, number) = meta.packet.unwrap_or_default();
        let heard = place.heard.get(&id).copied();
        let is_unknown = after.of_reason(PacketDrop::UnknownConnection) + after.of_reason(PacketDrop::Closed)
            != before.of_reason(PacketDrop::UnknownConnection) + before.of_reason(PacketDrop::Closed);
        let is_open = is_unknown
            && place.endpoint.peers().any(|peer| {
                place.endpoint.connection(peer).is_some_and(|connection| connection.local_id() == id)
            });
        let facts = DropFacts {
            kind: meta.kind,
            is_intact,
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
        self.note(node, || {
            let outcome = if was_taken { "takes" } else { "drops" };
            format!("{outcome} {} bytes of {:?} from {from}, {:?}", bytes.len(), meta.kind, meta.packet)
        });
        Ok(())
    }
}
