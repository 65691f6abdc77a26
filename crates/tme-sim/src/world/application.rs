//! The games: what they do with events, and what they send.

use std::ops::RangeInclusive;

use tme_core::channel::{ChannelId, ChannelMode};
use tme_core::connection::{
    Connected, Connection, Disconnected, Event, Expiry, PeerId, SendError, SendOptions, Side,
};
use tme_core::handshake::reason::Reason;
use tme_core::payload::Payload;
use tme_core::time::Duration;

use super::agenda::Action;
use super::network::{down, up};
use super::session::{channel_of, index_of, other};
use super::{Phase, SERVER, START, Sabotage, World, name_of};
use crate::config::{Consumption, Reading, Rhythm};
use crate::content::NAMED_BYTES_MIN;
use crate::oracle::{Breach, EndFacts, EndState, Oracle, ReceiptOracle, SendFacts, judge_end, judge_send};

/// What a message asks for beside being sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes {
    pub(super) deadline: Option<Duration>,
    pub(super) has_receipts: bool,
}

/// A client whose connection ended tries again after this time.
const REJOIN_AFTER: Duration = Duration::from_millis(500);

impl World {
    /// Takes events as the node's program does at the moment, and gives credit back accordingly.
    pub(super) fn read_events(&mut self, node: usize) -> Result<(), Breach> {
        if self.nodes[node].reading == Reading::Stopped {
            return Ok(());
        }
        while let Some(event) = self.nodes[node].endpoint.poll_event() {
            let peer = event.peer();
            let events = self.sabotage_event(event).into_iter().flatten();
            let outcome = events.map(|event| self.handle_event(node, event)).find(Result::is_err);
            if let Some(Err(breach)) = outcome {
                let client =
                    self.nodes[node].sessions.get(&peer.as_u64()).map(|&index| self.sessions[index].client);
                self.subject = match client {
                    Some(client) if node == SERVER => format!("server, about client {client}"),
                    _ => name_of(node),
                };
                return Err(breach);
            }
        }
        if self.nodes[node].reading == Reading::Prompt {
            self.consume_hoard(node);
        }
        Ok(())
    }

    fn consume_hoard(&mut self, node: usize) {
        let mut hoard = std::mem::take(&mut self.nodes[node].hoard);
        let mut rest = hoard.as_slice();
        while let Some(&(peer, channel, _)) = rest.first() {
            let count = match self.nodes[node].host.consumption {
                Consumption::Each => 1,
                Consumption::Summed => {
                    rest.iter().take_while(|next| (next.0, next.1) == (peer, channel)).count()
                }
            };
            let (now, later) = rest.split_at(count);
            let bytes = now.iter().map(|message| message.2).sum();
            self.consume(node, peer, channel, bytes, count as u64);
            rest = later;
        }
        hoard.clear();
        self.nodes[node].hoard = hoard;
        let place = &mut self.nodes[node];
        for (peer, channel) in place.receipt_hoard.drain(..) {
            place.endpoint.consume_receipts(peer, channel, 1);
        }
    }

    fn consume(&mut self, node: usize, peer: PeerId, channel: ChannelId, bytes: u64, messages: u64) {
        if !self.is_sabotaged(Sabotage::NeverConsume) {
            self.nodes[node].endpoint.consume(peer, channel, bytes, messages);
        }
        if self.is_sabotaged(Sabotage::ForgetConsumption) {
            return;
        }
        let Some(&index) = self.nodes[node].sessions.get(&peer.as_u64()) else { return };
        if let Some((_, mode)) = channel_of(&self.config.channels, channel) {
            let end = self.sessions[index].end_mut(side_of(node));
            end.memory.handle_consumed(channel, mode, bytes, messages);
        }
    }

    fn handle_event(&mut self, node: usize, event: Event) -> Result<(), Breach> {
        let peer = event.peer();
        self.hash.add(self.now.as_micros());
        self.hash.add(peer.as_u64() << 8 | node as u64);
        self.note(node, || match &event {
            Event::Message { peer, channel, key, payload } => {
                format!("gets {} bytes on channel {channel} (key {key}) from {peer}", payload.len())
            }
            event => format!("{event:?}"),
        });
        let sight = match &event {
            Event::Writable { .. } => Some("Writable"),
            Event::Interrupted { .. } => Some("Interrupted"),
            Event::Resumed { .. } => Some("Resumed"),
            Event::AddressChanged { .. } => Some("address changed"),
            Event::Delivered { .. } => Some("delivered receipt"),
            Event::Expired { reason, .. } => Some(match reason {
                Expiry::Deadline => "deadline receipt",
                Expiry::Superseded => "superseded receipt",
                Expiry::Lost => "lost receipt",
                _ => "disconnected receipt",
            }),
            _ => None,
        };
        sight.into_iter().for_each(|name| *self.tally.sights.entry(name.into()).or_default() += 1);
        if let Event::Connected { peer, info } = &event {
            return self.handle_connected(node, *peer, info);
        }
        let Some(&index) = self.nodes[node].sessions.get(&peer.as_u64()) else {
            return Err(Breach::new(
                Oracle::Lifecycle,
                "events of peers that were announced",
                format!("{event:?}"),
            ));
        };
        let side = side_of(node);
        match event {
            Event::Message { channel, key, payload, .. } => {
                self.hash.add_bytes(&payload);
                self.sessions[index].end(side).oracle.handle_activity("a message")?;
                self.handle_message(node, index, (peer, channel, key), &payload)
            }
            Event::Writable { channel, .. } => {
                let end = self.sessions[index].end_mut(side);
                end.oracle.handle_activity("Writable")?;
                if !end.blocked.remove(&channel) {
                    let found = format!("Writable on channel {channel}");
                    return Err(Breach::new(Oracle::Lifecycle, "Writable only after WouldBlock", found));
                }
                Ok(())
            }
            Event::Delivered { channel, .. } | Event::Expired { channel, .. } => {
                let end = self.sessions[index].end_mut(side);
                end.oracle.handle_activity("a receipt")?;
                if let Some((position, _)) = channel_of(&self.config.channels, channel) {
                    end.receipts[position].handle_word(self.now, &event, &end.channels[position])?;
                }
                self.nodes[node].receipt_hoard.push((peer, channel));
                Ok(())
            }
            Event::Interrupted { .. } => self.sessions[index].end_mut(side).oracle.handle_interrupted(),
            Event::Resumed { .. } => self.sessions[index].end_mut(side).oracle.handle_resumed(),
            Event::Disconnected { reason, .. } => {
                self.hash.add(u64::from(reason.reason.code()));
                self.handle_disconnected(node, index, &reason)
            }
            _ => Ok(()),
        }
    }

    fn handle_connected(&mut self, node: usize, peer: PeerId, info: &Connected) -> Result<(), Breach> {
        let side = side_of(node);
        let index = match side {
            Side::Client => self.nodes[node].sessions.get(&peer.as_u64()).copied(),
            // The client's user data tell which attempt this is.
            Side::Server => {
                let serial = info.user_data.first_chunk().map(|bytes| u64::from_le_bytes(*bytes) as usize);
                serial.filter(|&serial| serial < self.sessions.len())
            }
        };
        let unknown =
            || Breach::new(Oracle::Lifecycle, "somebody who has connected", format!("{peer} {info:?}"));
        let index = index.ok_or_else(unknown)?;
        let local_id = self.nodes[node].endpoint.connection(peer).map(Connection::local_id);
        let session = &mut self.sessions[index];
        session.note_number(info.number)?;
        let end = session.end_mut(side);
        end.oracle.handle_connected(self.now)?;
        end.peer = Some(peer);
        end.local_id = local_id;
        if side == Side::Server {
            let has_identity = self.config.clients[session.client].has_identity;
            if info.key.is_some() != has_identity {
                let expected = if has_identity { "the client's identity" } else { "no identity" };
                return Err(Breach::new(Oracle::Lifecycle, expected, format!("{:?}", info.key)));
            }
            self.nodes[node].sessions.insert(peer.as_u64(), index);
            self.live.insert(index);
            if self.sessions[index].is_open() {
                self.tally.connections += 1;
            }
        }
        Ok(())
    }

    fn handle_message(
        &mut self,
        node: usize,
        index: usize,
        (peer, channel, key): (PeerId, ChannelId, u32),
        payload: &Payload,
    ) -> Result<(), Breach> {
        let side = side_of(node);
        let Some((position, mode)) = channel_of(&self.config.channels, channel) else {
            return Err(Breach::new(
                Oracle::Lifecycle,
                "a channel of the table",
                format!("channel {channel}"),
            ));
        };
        let session = &mut self.sessions[index];
        let delivered = session
            .end_mut(other(side))
            .channels
            .get_mut(position)
            .map(|oracle| oracle.handle_delivered(self.now, key, payload));
        let delivered = delivered.transpose().map_err(|breach| Breach {
            expected: format!("{} on channel {channel}", breach.expected),
            ..breach
        })?;
        if let Some(delivered) = delivered {
            session.end_mut(other(side)).receipts[position].handle_delivered(delivered.sequence)?;
        }
        session.end_mut(side).memory.handle_delivered(channel, mode, payload.len())?;
        self.tally.messages[mode as usize].delivered += 1;
        if let (ChannelMode::ReliableOrdered, Some(delivered), Phase::Faulty) = (mode, delivered, self.phase)
        {
            self.tally.ordered_latency.add(delivered.latency);
        }
        self.nodes[node].hoard.push((peer, channel, payload.len() as u64));
        Ok(())
    }

    fn handle_disconnected(&mut self, node: usize, index: usize, end: &Disconnected) -> Result<(), Breach> {
        let side = side_of(node);
        let facts = self.facts_of_end(node, index);
        judge_end(&facts, end)?;
        self.tally.endings += 1;
        let sight = format!("end {:?} {:?}", end.origin, end.reason);
        *self.tally.sights.entry(sight).or_default() += 1;
        let linger = self.config.connection.linger;
        let now = self.now;
        let session = &mut self.sessions[index];
        let client = session.client;
        let this = session.end_mut(side);
        this.oracle.handle_disconnected(now)?;
        this.receipts.iter().try_for_each(ReceiptOracle::check_answered)?;
        if let Some(parting) = &this.parting {
            let is_own = (end.reason, end.code) == (parting.reason, parting.code) && facts.was_open;
            let is_in_time = now.saturating_since(parting.at) < linger;
            this.has_flushed =
                parting.is_flush && is_own && is_in_time && end.origin == tme_core::connection::Origin::Local;
        }
        this.blocked.clear();
        session.check_flush()?;
        if session.is_over() {
            self.live.remove(&index);
        }
        if side == Side::Client {
            let is_hopeless =
                end.reason == Reason::Full && self.config.server.peers_max < self.config.clients.len();
            if is_hopeless {
                self.clients[client].wants_connection = false;
            }
            if self.clients[client].wants_connection {
                self.agenda.add(now + REJOIN_AFTER, Action::Rejoin(client));
            }
        }
        Ok(())
    }

    fn facts_of_end(&self, node: usize, index: usize) -> EndFacts {
        let session = &self.sessions[index];
        let side = side_of(node);
        let (this, that) = (session.end(side), session.end(other(side)));
        let other_node = if side == Side::Client { SERVER } else { session.client + 1 };
        let heard = this.local_id.and_then(|id| self.nodes[node].heard.get(&id));
        let last_sign = heard.map(|heard| heard.at);
        let since = last_sign.unwrap_or(session.started_at);
        let is_later = |at: Option<tme_core::time::Instant>| at.is_some_and(|at| at >= since);
        let is_live = that
            .peer
            .and_then(|peer| self.nodes[other_node].endpoint.connection(peer))
            .is_some_and(|connection| !connection.is_closing());
        let pipes = [up(session.client), down(session.client)];
        let has_successor = self.config.clients[session.client].has_identity
            && self.sessions[index + 1..].iter().any(|later| {
                later.client == session.client && later.end(Side::Client).oracle.opened_at().is_some()
            });
        EndFacts {
            has_successor,
            was_open: this.oracle.is_open(),
            is_client: side == Side::Client,
            parting: this.parting.clone(),
            other_parting: that.parting.clone(),
            other_is_gone: !is_live || matches!(that.oracle.state(), EndState::Ended | EndState::Vanished),
            silence: last_sign.map(|at| self.now.saturating_since(at)),
            was_disturbed: pipes.iter().any(|&pipe| is_later(self.network.pipes[pipe].trouble_at))
                || is_later(self.nodes[SERVER].trouble_at)
                || is_later(self.nodes[session.client + 1].trouble_at),
            idle_timeout: session.idle_timeout,
            waited: self.now.saturating_since(session.started_at),
            give_up_after: self.config.clients[session.client].give_up_after,
            can_be_forged: self.can_be_forged,
            was_full: self.tally.peers_at_server_max.max(self.nodes[SERVER].endpoint.statistics().peers)
                >= self.config.server.peers_max,
        }
    }

    // ---- sending ----

    /// The node that a flow sends from.
    pub(super) fn sender_of(&self, flow: usize) -> usize {
        let plan = &self.config.flows[flow];
        if plan.from == Side::Server { SERVER } else { plan.client + 1 }
    }

    /// Plans a flow's next burst.
    pub(super) fn plan_flow(&mut self, flow: usize) {
        let plan = &self.config.flows[flow];
        let interval = plan.interval.as_micros() as u64;
        let wait = match plan.rhythm {
            Rhythm::Steady => interval,
            Rhythm::Random => self.random.below(2 * interval + 1),
        };
        let mut at = self.now + Duration::from_micros(wait.max(1));
        if let Some((active, quiet)) = plan.active_and_quiet {
            let period = (active + quiet).as_micros().max(1) as u64;
            let into = at.saturating_since(START).as_micros() as u64 % period;
            if into >= active.as_micros() as u64 {
                at += Duration::from_micros(period - into);
            }
        }
        self.agenda.add(at, Action::Flow(flow));
    }

    /// Sends what has become due since the program's last turn.
    pub(super) fn send_due_flows(&mut self, node: usize) -> Result<(), Breach> {
        let mut due = std::mem::take(&mut self.nodes[node].due_flows);
        for &flow in &due {
            self.send_burst(flow)?;
        }
        due.clear();
        self.nodes[node].due_flows = due;
        Ok(())
    }

    fn send_burst(&mut self, flow: usize) -> Result<(), Breach> {
        let (client, from) = (self.config.flows[flow].client, self.config.flows[flow].from);
        let Some(index) = self.clients[client].session else { return Ok(()) };
        for _ in 0..self.config.flows[flow].burst {
            let end = self.sessions[index].end(from);
            let plan = &self.config.flows[flow];
            let is_ready =
                end.oracle.is_open() && end.parting.is_none() && !end.blocked.contains(&plan.channel);
            if !is_ready {
                return Ok(());
            }
            let (channel, keys) = (plan.channel, plan.keys);
            let choice = self.random.below(plan.sizes.len() as u64) as usize;
            let (least, most) = plan.sizes.get(choice).map_or((0, 0), |range| (*range.start(), *range.end()));
            let bytes = least + self.random.below((most - least + 1) as u64) as usize;
            let key = self.random.below(keys.into()) as u32;
            let (deadlines, has_receipts) = (plan.deadlines.clone(), plan.has_receipts);
            let wishes =
                Wishes { deadline: deadlines.and_then(|range| self.draw_deadline(range)), has_receipts };
            self.send_one(index, from, channel, bytes, key, wishes)?;
        }
        Ok(())
    }

    /// Half of a flow's messages have all the time in the world.
    fn draw_deadline(&mut self, range: RangeInclusive<u64>) -> Option<Duration> {
        let micros = range.start() + self.random.below(range.end() - range.start() + 1);
        (self.random.below(2) == 0).then(|| Duration::from_micros(micros))
    }

    /// Sends a message and checks the answer of the call.
    pub(super) fn send_one(
        &mut self,
        index: usize,
        from: Side,
        channel: ChannelId,
        bytes: usize,
        key: u32,
        wishes: Wishes,
    ) -> Result<(), Breach> {
        let is_refused = self.is_sabotaged(Sabotage::RefuseToSend);
        let session = &mut self.sessions[index];
        let node = if from == Side::Server { SERVER } else { session.client + 1 };
        let end = &mut session.ends[index_of(from)];
        let Some(peer) = end.peer else { return Ok(()) };
        let Some((position, mode)) = channel_of(&self.config.channels, channel) else { return Ok(()) };
        let Some(oracle) = end.channels.get_mut(position) else { return Ok(()) };
        let receiver = if from == Side::Client {
            &self.config.server.limits
        } else {
            &self.config.clients[session.client].limits
        };
        let bytes_max =
            if mode.is_reliable() { receiver.reliable_message_bytes_max as usize } else { 17_600 };
        let endpoint = &mut self.nodes[node].endpoint;
        let is_open = endpoint.connection(peer).is_some_and(Connection::is_open);
        let queued = endpoint.channel_statistics(peer, channel).map_or(0, |channel| channel.queued_messages);

        let mut options = if mode.is_keyed() { SendOptions::with_key(key) } else { SendOptions::default() };
        let sequence = oracle.sent_count();
        // What is too short to name itself cannot be missed.
        if bytes >= NAMED_BYTES_MIN {
            options.deadline = wishes.deadline;
            options.receipt = wishes.has_receipts.then_some(sequence);
        }
        let payload = Payload::from(oracle.next_message(bytes));
        let answer = endpoint.send(self.now, peer, channel, payload, options);
        let answer = if is_refused { Err(SendError::WouldBlock { channel }) } else { answer };
        let facts = SendFacts { is_open, bytes, bytes_max, queued: if is_refused { 0 } else { queued } };
        if let Err(breach) = judge_send(&facts, &answer) {
            self.subject = format!("{} on channel {channel}", name_of(node));
            return Err(breach);
        }
        match answer {
            Ok(()) => {
                let expires_at = options.deadline.map(|deadline| self.now + deadline);
                let key = if mode.is_keyed() { key } else { 0 };
                oracle.handle_sent_until(self.now, bytes, key, expires_at);
                if options.receipt.is_some() {
                    end.receipts[position].handle_asked(sequence, expires_at);
                }
                let tally = &mut self.tally.messages[mode as usize];
                tally.sent += 1;
                tally.sent_bytes += bytes as u64;
                if self.phase == Phase::Faulty {
                    self.tally.faulty_message_bytes += bytes as u64;
                }
            }
            Err(SendError::WouldBlock { .. } | SendError::TooManyKeys { .. }) => {
                end.blocked.insert(channel);
            }
            Err(_) => {}
        }
        self.nodes[node].is_dirty = true;
        Ok(())
    }
}

/// Which side of its sessions a node is.
const fn side_of(node: usize) -> Side {
    if node == SERVER { Side::Server } else { Side::Client }
}
