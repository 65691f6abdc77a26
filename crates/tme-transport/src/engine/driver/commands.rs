//! What the game's threads have asked for reaches the endpoint.

use std::sync::Arc;

use tme_core::channel::ChannelId;
use tme_core::connection::{PeerId, SendOptions};
use tme_core::payload::Payload;
use tme_core::random::Random;
use tme_core::time::Instant;

use super::Driver;
use crate::engine::arena::Place;
use crate::engine::links::PRIMARY;
use crate::engine::outbox::{
    Batch, Body, Change, Command, Ending, Judged, NOBODY, RateCap, Verdict, expired_unsent,
};
use crate::engine::shared::Consumed;

impl Driver {
    /// Does what the game has asked for, if it is time for that.
    pub(super) fn take_commands(&mut self, now: Instant) {
        if self.shared.commands_due_at(self.gathering).is_none_or(|at| at > now) {
            return;
        }
        if let Some(link) = self.shared.rebinding.take() {
            self.change_link(now, PRIMARY, link);
        }
        {
            let mut outbox = self.shared.outbox.lock();
            outbox.take(&mut self.batch);
            self.shared.handle_taken();
        }
        self.take_consumed();
        let mut batch = std::mem::take(&mut self.batch);
        self.touched.clear();
        self.obey_requests(now, &mut batch);
        self.obey_sends(now, &mut batch);
        for peer in batch.clocks.drain(..) {
            self.endpoint.synchronise_clock(now, peer);
        }
        for Ending { peer, mode, farewell } in batch.endings.drain(..) {
            self.endpoint.disconnect(now, peer, mode, farewell);
        }
        self.return_batch(now, batch);
    }

    /// Lets the other sides know how much the game has read.
    fn take_consumed(&mut self) {
        self.shared.take_consumed(&mut self.consumed);
        for consumed in self.consumed.drain(..) {
            let Consumed { peer, channel, bytes, messages, receipts } = consumed;
            if messages > 0 {
                self.endpoint.consume(peer, channel, bytes, messages);
            }
            if receipts > 0 {
                self.endpoint.consume_receipts(peer, channel, receipts);
            }
        }
    }

    /// What comes before the messages.
    fn obey_requests(&mut self, now: Instant, batch: &mut Batch) {
        for change in batch.changes.drain(..) {
            self.change_conditions(now, change);
        }
        if let Some(information) = batch.information.take() {
            self.endpoint.set_information(information);
        }
        if let (Some(name), Some(announcer)) = (batch.display_name.take(), &mut self.announcer) {
            announcer.set_name(name);
        }
        for RateCap { peer, rate } in batch.caps.drain(..) {
            self.endpoint.set_rate_max(peer, rate);
        }
        for Judged { peer, verdict } in batch.judged.drain(..) {
            // Its time may be up in the meantime; then `Disconnected` is on its way to the game.
            let _ = match verdict {
                Verdict::Accept(user_data) => self.endpoint.accept(now, peer, user_data),
                Verdict::Refuse(refusal) => self.endpoint.refuse(now, peer, refusal),
            };
        }
    }

    fn obey_sends(&mut self, now: Instant, batch: &mut Batch) {
        let mut commands = std::mem::take(&mut batch.commands);
        for command in commands.drain(..) {
            self.obey_send(now, command, batch);
        }
        batch.commands = commands;
    }

    /// Gives the batch's buffers back, and tells the outbox where its messages are now.
    fn return_batch(&mut self, now: Instant, mut batch: Batch) {
        batch.targets.clear();
        batch.wishes.clear();
        batch.bytes = 0;
        let shared = Arc::clone(&self.shared);
        let mut outbox = shared.outbox.lock();
        outbox.give_arenas(batch.arenas.drain(..));
        for &peer in &self.touched {
            if let Some(connection) = self.endpoint.connection(peer) {
                outbox.handle_arrived(connection);
            }
        }
        while let Some(peer) = outbox.poll_starved() {
            self.publish_peer(now, &mut outbox, peer);
        }
        drop(outbox);
        self.batch = batch;
    }

    // ---- commands ----

    fn obey_send(&mut self, now: Instant, command: Command, batch: &Batch) {
        match command {
            Command::Send { peer, channel, terms, body } => {
                if let Some(payload) = payload_of(body, &batch.arenas) {
                    self.send(now, peer, channel, payload, batch.options(terms, now));
                }
            }
            Command::Multicast { targets: range, channel, terms, body } => {
                let Some(payload) = payload_of(body, &batch.arenas) else { return };
                let options = batch.options(terms, now);
                for &peer in batch.targets.get(range.start as usize..range.end as usize).unwrap_or_default() {
                    self.send(now, peer, channel, payload.clone(), options);
                }
            }
        }
    }

    fn change_conditions(&mut self, now: Instant, change: Change) {
        let peer = change.peer;
        let seed = self.random.next_u64();
        let mut outbox = self.shared.outbox.lock();
        let Some(remote) = outbox.remote_of(peer) else { return };
        let result = self.conditions.set(now, remote, change, seed);
        outbox.set_condition_figures(peer, self.conditions.figures(remote));
        drop(outbox);
        if let Err(error) = result {
            log::warn!("{peer}: network conditions not changed: {error}");
        }
    }

    fn send(
        &mut self,
        now: Instant,
        peer: PeerId,
        channel: ChannelId,
        payload: Payload,
        options: SendOptions,
    ) {
        if self.touched.last() != Some(&peer) {
            self.touched.push(peer);
        }
        // The outbox has checked everything; what fails here lost its peer in between.
        if let Err(error) = self.endpoint.send(now, peer, channel, payload, options) {
            log::debug!("{peer}: message dropped on its way to the connection: {error}");
            self.shared.count_dropped_send();
            // The peer is leaving, and not gone for the game: that is told later. Of those gone the outbox has told.
            let receipt = options.receipt.filter(|_| peer != NOBODY);
            self.events.extend(receipt.map(|token| expired_unsent(peer, channel, token)));
        }
    }
}

fn payload_of(body: Body, arenas: &[Arc<Vec<u8>>]) -> Option<Payload> {
    match body {
        Body::Shared(payload) => Some(payload),
        Body::Copied(Place { arena, start, length }) => {
            let start = start as usize;
            Payload::from_shared(arenas.get(arena as usize)?, start..start + length as usize)
        }
    }
}
