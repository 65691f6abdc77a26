//! Datagrams between the links and the endpoint, over modelled conditions where the game has asked for such.

use std::fmt;

use tme_core::connection::TransmitLimits;
use tme_core::datagram::Transmit;
use tme_core::time::Instant;

use super::mail::Mail;
use super::{Driver, TRANSMIT_BYTES_MAX};
use crate::engine::EngineError;
use crate::engine::conditions::Meta;
use crate::engine::links::Handover;
use crate::engine::outbox::Direction;
use crate::link::{Link, SendError};

/// Datagrams of one peer in one system call, where segmentation offload takes them.
const SEGMENTS_MAX: usize = 64;

impl Driver {
    /// Takes a batch of datagrams from every link that may have some.
    pub(super) fn receive(&mut self, now: Instant) -> Result<(), EngineError> {
        for index in 0..self.links.count() {
            self.receive_from(now, index)?;
        }
        Ok(())
    }

    fn receive_from(&mut self, now: Instant, index: usize) -> Result<(), EngineError> {
        let Self { links, endpoint, random, conditions, clock, post, posted, .. } = self;
        let Some(link) = links.get_mut(index) else { return Ok(()) };
        let mut mail = Mail { shard: endpoint.shard(), post: post.as_deref(), statistics: posted };
        let received = link.receive(now, clock, |bytes, path, ecn, arrived_at| {
            if mail.passes_on(bytes, path, ecn, arrived_at) {
                return;
            }
            let is_modelled = !conditions.is_empty() && {
                // Whoever comes from another address than before is still the same on a modelled path.
                let known = endpoint.remote_of_packet(bytes).unwrap_or(path.remote);
                conditions.handle(now, (Direction::Incoming, known), bytes, Meta { path, ecn })
            };
            if !is_modelled {
                endpoint.handle_late_datagram(now, arrived_at, path, ecn, bytes, random);
            }
        });
        match received {
            Err(error) if !self.survives(index, &error) => Err(EngineError::Socket(error.to_string())),
            _ => Ok(()),
        }
    }

    /// Sends what the endpoint has to send.
    pub(super) fn flush(&mut self, now: Instant) -> Result<(), EngineError> {
        loop {
            // A stream that is claimed takes more than one that is not.
            self.handle_claims(now);
            self.flush_datagrams(now)?;
            // What a stream has room for again is sent in the same turn.
            if !self.flush_streams(now) {
                return Ok(());
            }
        }
    }

    fn flush_datagrams(&mut self, now: Instant) -> Result<(), EngineError> {
        loop {
            // What has no room here waits where it is put in order; those who come by streams do not wait for it.
            let segments = match self.links.is_any_blocked() {
                true => 0,
                false => self.links.segments_max().min(SEGMENTS_MAX),
            };
            let limits = TransmitLimits { segments, bytes: TRANSMIT_BYTES_MAX };
            let Some(transmit) = self.endpoint.poll_transmit(now, limits, &mut self.transmit_buffer) else {
                return Ok(());
            };
            if let Some(stream) = transmit.path.stream {
                self.send_in_stream(stream, &transmit);
            } else if self.conditions.is_empty() || !self.model_outgoing(now, &transmit) {
                self.send_datagrams(transmit)?;
            }
        }
    }

    /// Sends what links had no room for and now have.
    pub(super) fn send_kept(&mut self) -> Result<(), EngineError> {
        for index in 0..self.links.count() {
            let Some(link) = self.links.get_mut(index) else { continue };
            let handover = link.send_kept(&self.clock, &self.poller);
            self.handle_handover(index, handover)?;
        }
        Ok(())
    }

    /// Hands what modelled links let through by now to the endpoint, and to the real ones.
    pub(super) fn deliver_modelled(&mut self, now: Instant) -> Result<(), EngineError> {
        let Self { conditions, endpoint, links, random, .. } = self;
        let mut result = Ok(());
        conditions.deliver(now, |direction, bytes, meta| match direction {
            Direction::Incoming => endpoint.handle_datagram(now, meta.path, meta.ecn, bytes, random),
            Direction::Outgoing => {
                let transmit =
                    Transmit { path: meta.path, ecn: meta.ecn, bytes: bytes.len(), segment_bytes: None };
                let Some(link) = links.get_mut(links.route(&meta.path)) else { return };
                if let Err(error) = link.send_or_drop(&transmit, bytes) {
                    result = Err(EngineError::Socket(error.to_string()));
                }
            }
        });
        result
    }

    /// Whether modelled links have taken all of the transmit.
    fn model_outgoing(&mut self, now: Instant, transmit: &Transmit) -> bool {
        let meta = Meta { path: transmit.path, ecn: transmit.ecn };
        let segment = transmit.segment_bytes.unwrap_or(transmit.bytes).max(1);
        let mut datagrams = self.transmit_buffer.chunks(segment);
        datagrams
            .all(|bytes| self.conditions.handle(now, (Direction::Outgoing, meta.path.remote), bytes, meta))
    }

    /// Hands the transmit buffer to the link of its path.
    fn send_datagrams(&mut self, transmit: Transmit) -> Result<(), EngineError> {
        let index = self.links.route(&transmit.path);
        let Some(link) = self.links.get_mut(index) else { return Ok(()) };
        let handover = link.send(&self.clock, &self.poller, transmit, &mut self.transmit_buffer);
        self.handle_handover(index, handover)
    }

    fn handle_handover(
        &mut self,
        index: usize,
        handover: Result<Handover, SendError>,
    ) -> Result<(), EngineError> {
        match handover {
            Ok(Handover::Done | Handover::Blocked) => Ok(()),
            Ok(Handover::Hopeless) => {
                self.replace_link(self.clock.now(), index);
                Ok(())
            }
            Err(SendError::Socket(error)) if self.survives(index, &error) => Ok(()),
            Err(error) => Err(EngineError::Socket(error.to_string())),
        }
    }

    /// Whether the engine goes on, through another link, after this one has broken.
    fn survives(&mut self, index: usize, error: &dyn fmt::Display) -> bool {
        let now = self.clock.now();
        let may_be_replaced = self.links.get_mut(index).is_some_and(|link| link.may_be_replaced(now));
        let is_replaced = may_be_replaced && self.replace_link(now, index);
        if is_replaced {
            log::warn!("the socket no longer works: {error}");
        }
        is_replaced
    }

    /// Replaces a link that is of no use any more; `false`: there is no other to be had, or it may not be.
    fn replace_link(&mut self, now: Instant, index: usize) -> bool {
        let Some(connection) = self.endpoint.peers().next().and_then(|peer| self.endpoint.connection(peer))
        else {
            return false;
        };
        match self.shared.rebinding.bind(None, connection.path().remote) {
            Ok(_) => {
                if let Some(link) = self.shared.rebinding.take() {
                    self.change_link(now, index, link);
                }
                true
            }
            Err(error) => {
                log::debug!("no other socket: {error}");
                false
            }
        }
    }

    /// Goes on through another link.
    pub(super) fn change_link(&mut self, now: Instant, index: usize, next: Link) {
        let Some(link) = self.links.get_mut(index) else { return };
        let (former, address) = (link.local_address(), next.local_address());
        if let Err(error) = link.replace(next, &self.poller) {
            return log::warn!("{address}: cannot wait for this socket: {error}");
        }
        log::info!("sending from {address} instead of {former}");
        self.endpoint.handle_rebind(now);
    }
}
