//! What must go out, peer by peer, and what becomes of a slot when its peer had its say.

use super::{Endpoint, PeerState};
use crate::connection::TransmitLimits;
use crate::datagram::Transmit;
use crate::time::Instant;

impl Endpoint {
    /// Puts the next datagrams for one peer into `buffer` (which is cleared). `None`: nothing more to send now. Peers
    /// take turns, each with at most as much as `limits` allows. Where they allow no datagrams, those who need some are left
    /// until they do, and peers in streams are served as ever.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        limits: TransmitLimits,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        buffer.clear();
        if limits.segments > 0 {
            self.resume_withheld();
        }
        let transmit = self.poll_reply(limits, buffer).or_else(|| self.poll_peers(now, limits, buffer))?;
        let datagrams = transmit.segment_bytes.map_or(1, |segment| transmit.bytes.div_ceil(segment.max(1)));
        self.statistics.datagrams_sent += datagrams as u64;
        self.statistics.bytes_sent += transmit.bytes as u64;
        Some(transmit)
    }

    fn poll_peers(&mut self, now: Instant, limits: TransmitLimits, buffer: &mut Vec<u8>) -> Option<Transmit> {
        while let Some(index) = self.ready.pop_front() {
            let index = index as usize;
            let Some(peer) = self.slots.get_mut(index) else { continue };
            let transmit = match &mut peer.state {
                PeerState::Connected(connection) => {
                    connection.poll_transmit(now, limits, buffer, &mut self.workspace)
                }
                PeerState::Connecting(connecting) if !limits.permit(&connecting.path) => None,
                PeerState::Connecting(connecting) => connecting.poll_transmit(now, buffer),
                PeerState::Applying(_) => None,
            };
            if transmit.is_some() {
                self.ready.push_back(index as u32);
                return transmit;
            }
            peer.is_ready = false;
            let is_waiting = limits.segments == 0 && self.withhold(index);
            if !is_waiting {
                self.settle(now, index);
            }
        }
        None
    }

    /// Keeps a peer in mind that may have datagrams to send while there is no room for any. `true`: it has nothing else to
    /// do, and its deadline with that: one that is due already would wake the driver again and again.
    fn withhold(&mut self, index: usize) -> bool {
        let Some(peer) = self.slots.get_mut(index) else { return false };
        let (is_affected, is_waiting) = match &peer.state {
            PeerState::Connected(connection) => {
                let is_over = connection.is_closed();
                (!is_over && connection.uses_datagrams(), !is_over && !connection.path().is_stream())
            }
            PeerState::Connecting(connecting) => {
                let waits = !connecting.path.is_stream();
                (waits, waits)
            }
            PeerState::Applying(_) => (false, false),
        };
        if is_affected && !std::mem::replace(&mut peer.is_withheld, true) {
            self.withheld.push(index as u32);
        }
        is_waiting
    }

    /// There is room for datagrams again.
    fn resume_withheld(&mut self) {
        let mut withheld = std::mem::take(&mut self.withheld);
        for index in withheld.drain(..) {
            let index = index as usize;
            if self.slots.get_mut(index).is_some_and(|peer| std::mem::take(&mut peer.is_withheld)) {
                self.make_ready(index);
            }
        }
        self.withheld = withheld;
    }

    /// After a peer had its say: files its deadline, or clears its place away.
    pub(super) fn settle(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.slots.get(index) else { return };
        let (is_over, is_leaving, deadline) = match &peer.state {
            PeerState::Connected(connection) => {
                (connection.is_closed(), connection.is_closing(), connection.poll_timeout())
            }
            PeerState::Connecting(connecting) => (false, false, connecting.handshake.poll_timeout()),
            PeerState::Applying(applying) => (false, false, Some(applying.deadline)),
        };
        if is_leaving {
            self.uncount(index);
        } else {
            self.tell_interruption(index);
        }
        if !is_over {
            self.deadlines.set(index, deadline);
            if let Some(peer) = self.slots.get_mut(index).filter(|peer| !peer.is_changed) {
                peer.is_changed = true;
                self.changed.push(index as u32);
            }
            return;
        }
        self.deadlines.set(index, None);
        self.clear_away(now, index);
    }

    /// Frees the slot of a connection that is over.
    pub(super) fn clear_away(&mut self, now: Instant, index: usize) {
        let place = self.slots.place_of(index);
        let (Some(place), Some(peer)) = (place, self.slots.remove(index)) else { return };
        if let PeerState::Connected(connection) = &peer.state {
            self.carried.change(index, connection.path().stream, None);
            if peer.is_parting {
                self.count_parted(connection);
            }
        }
        if let (Some(server), Some(attempt)) = (&mut self.server, peer.attempt) {
            server.handshake.forget(now, &attempt);
        }
        if let Some(awaited) = peer.awaited {
            self.forget_awaited(place.peer, &awaited);
        }
    }

    /// A connection that is closing makes room for another player at once.
    pub(super) fn uncount(&mut self, index: usize) {
        let Some(place) = self.slots.place_of(index) else { return };
        let (Some(peer), Some(server)) = (self.slots.get_mut(index), &mut self.server) else { return };
        if !std::mem::take(&mut peer.is_counted) {
            return;
        }
        server.peers -= 1;
        server.unconfirmed -= usize::from(peer.awaited.is_some());
        let identity = peer.identity.take();
        let filed = peer.awaited.as_ref().map(|awaited| awaited.filed);
        server.common.lock().release(place.peer, filed.as_ref(), identity.as_deref());
    }

    /// Lets the other endpoints of a server know whether a peer with an identity is heard of, for they may have to decide
    /// whether somebody else takes its place.
    fn tell_interruption(&mut self, index: usize) {
        let (Some(peer), Some(server)) = (self.slots.get_mut(index), &self.server) else { return };
        let PeerState::Connected(connection) = &peer.state else { return };
        let is_interrupted = connection.is_interrupted();
        if peer.identity.is_some() && peer.is_interrupted != is_interrupted {
            peer.is_interrupted = is_interrupted;
            server.common.lock().set_interrupted(connection.peer(), is_interrupted);
        }
    }
}
