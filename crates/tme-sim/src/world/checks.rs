//! What is looked at between events: figures, convergence, and that nothing is left at the end.

use tme_core::connection::{CloseMode, Side};
use tme_core::time::Duration;

use super::application::Wishes;
use super::session::index_of;
use super::{Phase, SERVER, World, name_of};
use crate::oracle::{Breach, EndState, Oracle};

/// Channels whose unreliable messages expire sooner may lose them to a slow program.
const PATIENT_QUEUE_AGE: Duration = Duration::from_millis(100);

/// Which channels are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reliability {
    Reliable,
    Unreliable,
}

/// A message sent after convergence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glimmer {
    session: usize,
    side: Side,
    position: usize,
    sequence: u64,
}

impl World {
    /// Looks at figures that must be right at any time.
    pub(super) fn tick(&mut self) -> Result<(), Breach> {
        self.sabotage_at_tick();
        let server = self.nodes[SERVER].endpoint.statistics();
        self.tally.peers_at_server_max = self.tally.peers_at_server_max.max(server.peers);
        // Who comes to replace a peer has a place beside it until its first packet shows that it is really there.
        let (peers_max, confirmed) = (self.config.server.peers_max, server.peers - server.unconfirmed);
        if confirmed > peers_max || server.peers > 2 * peers_max {
            self.subject = name_of(SERVER);
            let expected = format!("at most {peers_max} peers, and as many that are about to replace them");
            let found = format!("{confirmed} peers and {} unconfirmed", server.unconfirmed);
            return Err(Breach::new(Oracle::Lifecycle, expected, found));
        }
        for &index in &self.live {
            let session = &mut self.sessions[index];
            for (side, node) in [(Side::Client, session.client + 1), (Side::Server, SERVER)] {
                let end = session.end_mut(side);
                let Some(peer) = end.peer else { continue };
                let Some(statistics) = self.nodes[node].endpoint.peer_statistics(self.now, peer) else {
                    continue;
                };
                end.retransmissions = statistics.retransmitted;
                end.probe_timeouts = statistics.probe_timeouts;
                end.overflowed = statistics.messages_overflowed;
                let channels = self.config.channels.entries().iter();
                let channels =
                    channels.filter_map(|entry| self.nodes[node].endpoint.channel_statistics(peer, entry.id));
                (end.expired, end.superseded) = channels.fold((0, 0), |(expired, superseded), channel| {
                    (expired + channel.expired, superseded + channel.superseded)
                });
            }
        }
        Ok(())
    }

    /// Whether everybody who wants to be connected is, and everything promised has arrived.
    pub(super) fn check_converged(&mut self) -> Result<(), Breach> {
        for client in 0..self.clients.len() {
            let state = self.clients[client];
            let is_open = state.session.is_some_and(|session| self.sessions[session].is_open());
            if state.wants_connection && !is_open {
                self.subject = format!("client {client}");
                let ends = state
                    .session
                    .map(|session| self.sessions[session].ends.each_ref().map(|end| end.oracle.state()));
                return Err(Breach::new(Oracle::Convergence, "a connection", format!("{ends:?}")));
            }
        }
        for &index in &self.live {
            let client = self.sessions[index].client;
            self.subject = format!("session {index} of client {client}");
            self.sessions[index].check_settled()?;
            if self.sessions[index].is_open() {
                self.sessions[index].check_complete()?;
                self.check_queues_empty(index)?;
            }
        }
        Ok(())
    }

    fn check_queues_empty(&self, index: usize) -> Result<(), Breach> {
        let session = &self.sessions[index];
        for (side, node) in [(Side::Client, session.client + 1), (Side::Server, SERVER)] {
            let Some(peer) = session.end(side).peer else { continue };
            for entry in self.config.channels.entries() {
                let statistics = self.nodes[node].endpoint.channel_statistics(peer, entry.id);
                let queued = statistics.map_or(0, |statistics| statistics.queued_messages);
                if queued > 0 {
                    let found = format!("{queued} messages queued on channel {} of the {side:?}", entry.id);
                    return Err(Breach::new(Oracle::Convergence, "empty queues", found));
                }
            }
            if let Some(channel) = session.end(side).blocked.first() {
                let expected =
                    format!("Writable for channel {channel} at the {side:?}, whose queue is empty");
                return Err(Breach::new(Oracle::Convergence, expected, "none since WouldBlock"));
            }
        }
        Ok(())
    }

    /// On the healed network, a message on each channel must arrive, the unreliable ones too.
    pub(super) fn begin_afterglow(&mut self, reliability: Reliability) -> Result<(), Breach> {
        self.phase = Phase::Afterglow;
        let live: Vec<usize> = self.live.iter().copied().collect();
        for index in live {
            for side in [Side::Client, Side::Server] {
                for position in 0..self.config.channels.entries().len() {
                    let entry = &self.config.channels.entries()[position];
                    let is_patient = entry.settings.queue_age_max >= PATIENT_QUEUE_AGE
                        && entry.settings.queue_bytes_max >= 1_000;
                    let (id, mode) = (entry.id, entry.mode);
                    let is_wanted = match reliability {
                        Reliability::Reliable => mode.is_reliable(),
                        Reliability::Unreliable => !mode.is_reliable() && is_patient,
                    };
                    if is_wanted {
                        let sequence = self.sessions[index].end(side).channels[position].sent_count();
                        self.send_one(index, side, id, 40, 0, Wishes { deadline: None, has_receipts: true })?;
                        self.afterglow.push(Glimmer { session: index, side, position, sequence });
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn check_afterglow(&mut self) -> Result<(), Breach> {
        self.check_converged()?;
        for glimmer in &self.afterglow {
            let session = &self.sessions[glimmer.session];
            let channel = &session.end(glimmer.side).channels[glimmer.position];
            if session.is_open() && !channel.was_delivered(glimmer.sequence) {
                self.subject = format!("session {} of client {}", glimmer.session, session.client);
                let expected = format!("a {:?} message sent on a healed network", channel.mode());
                let found = format!("{} delivered, not {}", channel.delivered_count(), glimmer.sequence);
                return Err(Breach::new(Oracle::Convergence, expected, found));
            }
        }
        Ok(())
    }

    pub(super) fn begin_parting(&mut self) -> Result<(), Breach> {
        self.phase = Phase::Parting;
        for client in 0..self.clients.len() {
            let by = if self.random.below(2) == 0 { Side::Client } else { Side::Server };
            self.leave(client, by, CloseMode::Flush)?;
        }
        Ok(())
    }

    pub(super) fn check_parted(&mut self) -> Result<(), Breach> {
        let Some(&index) = self.live.first() else { return Ok(()) };
        let session = &self.sessions[index];
        self.subject = format!("session {index} of client {}", session.client);
        let states = session.ends.each_ref().map(|end| end.oracle.state());
        Err(Breach::new(Oracle::Convergence, "both ends over", format!("{states:?}")))
    }

    /// Nothing is left of anybody.
    pub(super) fn check_empty(&mut self) -> Result<(), Breach> {
        for node in 0..self.nodes.len() {
            self.subject = name_of(node);
            let endpoint = &self.nodes[node].endpoint;
            let left = (endpoint.connection_count(), endpoint.events_waiting(), endpoint.poll_timeout());
            if left != (0, 0, None) {
                let found = format!("(connections, events, deadline) = {left:?}");
                return Err(Breach::new(Oracle::Convergence, "nothing left after everybody left", found));
            }
        }
        for session in &self.sessions {
            let is_known = session.end(Side::Client).oracle.state() != EndState::Unannounced;
            let is_over = session.ends[index_of(Side::Server)].oracle.state() != EndState::Open;
            if !is_known || !is_over {
                return Err(Breach::new(
                    Oracle::Convergence,
                    "every attempt to have an end",
                    format!("{session:?}"),
                ));
            }
        }
        Ok(())
    }
}
