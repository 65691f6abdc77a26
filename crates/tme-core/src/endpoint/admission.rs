//! From a request to a peer: who is let in, who decides it, and who has to leave for it.
//!
//! A client becomes a peer in two steps. Its request is accepted (by the endpoint, or by the game that was asked), which
//! takes a slot. Its first packet *confirms* it: only then is it proven to be there now, its connect token is used up, an
//! older peer with the same identity gives way, and `Connected` is reported.

use std::sync::Arc;

use super::config::{Decision, Newcomers};
use super::identities::Identity;
use super::server_side::SPARE_NUMBERS_MAX;
use super::unconfirmed::Network;
use super::{Endpoint, Peer, PeerState};
use crate::channel::ChannelTable;
use crate::connection::{
    Applicant, CloseMode, Connected, Connection, Event, Farewell, Negotiated, Origin, PeerId, Side, TokenInfo,
};
use crate::datagram::Path;
use crate::handshake::parameters::{ConnectionId, Detail, PeerNumber, Refusal, UserData};
use crate::handshake::reason::Reason;
use crate::handshake::server::{AcceptError, AcceptInfo, Accepted, ConnectRequest};
use crate::payload::Payload;
use crate::time::Instant;

/// A request that the game has been asked about.
pub(super) struct Applying {
    /// Taken when it is decided.
    request: Option<Box<ConnectRequest>>,
    path: Path,
    pub(super) deadline: Instant,
}

/// A peer whose first packet is awaited.
pub(super) struct Awaited {
    pub(super) since: Instant,
    pub(super) network: Network,
    number: PeerNumber,
    /// The game was told of it by `Admission`, and hears how it goes on.
    is_announced: bool,
}

fn refusal(reason: Reason, text: &str) -> Refusal {
    Refusal { reason, detail: Detail::from_text(text) }
}

fn farewell(refusal: &Refusal) -> Farewell {
    Farewell { reason: refusal.reason, code: 0, detail: Payload::from(refusal.detail.as_bytes()) }
}

/// What a refusal has room for: it has none for the application's code.
fn refusal_of(farewell: &Farewell) -> Refusal {
    Refusal { reason: farewell.reason, detail: Detail::new(&farewell.detail[..]).unwrap_or_default() }
}

fn identity_of(request: &ConnectRequest) -> Identity {
    Identity { key: request.identity(), user: request.token().map(|token| token.user.clone()) }
}

impl Endpoint {
    // ---- what the application wants ----

    /// Lets a client in that [`Event::Admission`] has asked about. `user_data` reaches its game. `Connected` follows, or
    /// `Disconnected` if it does not confirm or there is no room any more. `false`: nobody asks under this id (any more).
    pub fn accept(&mut self, now: Instant, peer: PeerId, user_data: UserData) -> bool {
        let Some((index, path, request)) = self.take_applicant(peer) else { return false };
        let identity = identity_of(&request);
        let problem = match self.make_room(now, path, &identity) {
            Ok(()) => self.establish_peer(now, path, request, user_data, Some(index)).err(),
            Err(refusal) => {
                self.turn_away(now, path, request, refusal.clone());
                Some(refusal)
            }
        };
        if let Some(problem) = problem {
            self.drop_applicant(index, peer, farewell(&problem));
        }
        true
    }

    /// Turns a client away that [`Event::Admission`] has asked about; it is told reason and detail at once.
    /// `Disconnected` follows. `false`: nobody asks under this id (any more).
    pub fn refuse(&mut self, now: Instant, peer: PeerId, refusal: Refusal) -> bool {
        let Some((index, path, request)) = self.take_applicant(peer) else { return false };
        let farewell = farewell(&refusal);
        self.turn_away(now, path, request, refusal);
        self.drop_applicant(index, peer, farewell);
        true
    }

    /// Turns everybody away about whom the game has not decided.
    pub fn refuse_applicants(&mut self, now: Instant, reason: Reason) {
        let applicants = self.slots.iter().filter(|(_, peer)| matches!(peer.state, PeerState::Applying(_)));
        let indices: Vec<usize> = applicants.map(|(index, _)| index).collect();
        for index in indices {
            let latecomer = self.refuse_latecomer().as_ref().map(refusal_of);
            self.refuse_at(now, index, latecomer.unwrap_or_else(|| refusal(reason, "")));
        }
    }

    /// Forgets those that were accepted and have not been heard of: nobody waits for them any more.
    pub fn abandon_unconfirmed(&mut self, now: Instant) {
        let awaited = self.slots.iter().filter(|(_, peer)| peer.awaited.is_some());
        let indices: Vec<usize> = awaited.map(|(index, _)| index).collect();
        for index in indices {
            self.abandon(now, index);
        }
    }

    pub(super) fn refuse_at(&mut self, now: Instant, index: usize, refusal: Refusal) {
        if let Some(place) = self.slots.place_of(index) {
            self.refuse(now, place.peer, refusal);
        }
    }

    /// The time for a decision is up.
    pub(super) fn handle_undecided(&mut self, now: Instant, index: usize) {
        self.statistics.undecided += 1;
        self.refuse_at(now, index, refusal(Reason::Busy, "the game did not decide in time"));
    }

    // ---- requests ----

    /// Somebody whose address is proven wants to connect.
    pub(super) fn admit(&mut self, now: Instant, path: Path, request: Box<ConnectRequest>) {
        if let Some(farewell) = self.refuse_latecomer() {
            return self.turn_away(now, path, request, refusal_of(&farewell));
        }
        let Some(server) = &self.server else { return };
        let policy = &server.admission;
        let identity = identity_of(&request);
        let same = self.find_same(&identity);
        let is_asked =
            policy.decision == Decision::Ask || (policy.newcomers == Newcomers::Ask && same.is_some());
        let checked = match (policy.newcomers, same) {
            _ if !self.is_admitting => Err(self.full()),
            (Newcomers::Refuse, Some(index)) if !self.is_interrupted(index) => {
                Err(refusal(Reason::Denied, ALREADY_CONNECTED))
            }
            _ if is_asked => self.check_application(now, path, &identity),
            _ => self.make_room(now, path, &identity),
        };
        match checked {
            Err(refusal) => self.turn_away(now, path, request, refusal),
            Ok(()) if is_asked => self.ask(now, path, request, same),
            Ok(()) => {
                // Whoever could not be accepted was told so.
                let _ = self.establish_peer(now, path, request, UserData::default(), None);
            }
        }
    }

    fn is_interrupted(&self, index: usize) -> bool {
        let state = self.slots.get(index).map(|peer| &peer.state);
        matches!(state, Some(PeerState::Connected(connection)) if connection.is_interrupted())
    }

    /// The first peer that has something of this identity.
    fn find_same(&self, identity: &Identity) -> Option<usize> {
        self.server.as_ref()?.identities.find(identity).into_iter().flatten().next()
    }

    fn has_room(&self, identity: &Identity) -> bool {
        let Some(server) = &self.server else { return false };
        // Whoever replaces a peer needs no more room than that has, once it is confirmed.
        let is_replacing =
            server.admission.newcomers != Newcomers::Allow && self.find_same(identity).is_some();
        server.peers < if is_replacing { 2 * server.peers_max } else { server.peers_max }
    }

    /// Sees to it that one more peer can be accepted.
    fn make_room(&mut self, now: Instant, path: Path, identity: &Identity) -> Result<(), Refusal> {
        while !self.has_room(identity) {
            let victim = self
                .server
                .as_ref()
                .and_then(|server| server.unconfirmed.victim(now, Network::of(path.remote.ip())));
            let Some(victim) = victim else { return Err(self.full()) };
            self.statistics.unconfirmed_evicted += 1;
            self.abandon(now, victim);
        }
        Ok(())
    }

    fn full(&self) -> Refusal {
        let (peers, limit) = self.server.as_ref().map_or((0, 0), |server| (server.peers, server.peers_max));
        refusal(Reason::Full, &format!("{peers} of {limit} players"))
    }

    /// Whether the game can be asked about one more.
    fn check_application(&self, now: Instant, path: Path, identity: &Identity) -> Result<(), Refusal> {
        let Some(server) = &self.server else { return Err(self.full()) };
        let network = Network::of(path.remote.ip());
        let is_full = !self.has_room(identity) && server.unconfirmed.victim(now, network).is_none();
        if is_full || self.slots.vacancy().is_none() {
            return Err(self.full());
        }
        let limit = server.admission.applicants_max;
        let from_network = server.applicants.get(&network).copied().unwrap_or(0);
        if server.applicants.values().sum::<usize>() >= limit {
            return Err(refusal(Reason::Busy, "too many wait to be let in"));
        }
        // A quarter for each network, so that one line cannot use up the whole. This machine is no line: bots of the game's
        // own all come at once, and nobody else can have its address.
        let is_far = !path.remote.ip().to_canonical().is_loopback();
        if is_far && from_network >= limit.div_ceil(4) {
            return Err(refusal(Reason::Busy, "too many of one network wait to be let in"));
        }
        Ok(())
    }

    /// Asks the game.
    fn ask(&mut self, now: Instant, path: Path, request: Box<ConnectRequest>, same: Option<usize>) {
        let Some(server) = &mut self.server else { return };
        let deadline = now + server.admission.decision_time;
        let same = same.and_then(|index| self.slots.place_of(index)).map(|place| place.peer);
        let info = Box::new(Applicant {
            remote: path.remote,
            key: request.identity(),
            user_data: Payload::from(request.user_data().as_bytes()),
            token: request.token().cloned().map(|token| Box::new(TokenInfo::from(token))),
            same_identity: same,
        });
        let state = PeerState::Applying(Box::new(Applying { request: Some(request), path, deadline }));
        // The vacancy was there when this was checked; the handshake forgets a request that gets no answer.
        let Some(place) = self.slots.insert(Peer::new(state)) else { return };
        *server.applicants.entry(Network::of(path.remote.ip())).or_default() += 1;
        self.deadlines.set(place.index, Some(deadline));
        self.workspace.events.push_back(Event::Admission { peer: place.peer, info });
    }

    /// Takes the request out of the slot of somebody the game was asked about; the slot waits for what comes of it.
    fn take_applicant(&mut self, peer: PeerId) -> Option<(usize, Path, Box<ConnectRequest>)> {
        let index = self.slots.index_of_peer(peer)?;
        let PeerState::Applying(applying) = &mut self.slots.get_mut(index)?.state else { return None };
        let (path, request) = (applying.path, applying.request.take()?);
        self.deadlines.set(index, None);
        if let Some(server) = &mut self.server {
            let network = Network::of(path.remote.ip());
            if let Some(count) = server.applicants.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    server.applicants.remove(&network);
                }
            }
        }
        Some((index, path, request))
    }

    fn drop_applicant(&mut self, index: usize, peer: PeerId, farewell: Farewell) {
        self.slots.remove(index);
        self.workspace.events.push_back(Event::disconnected(peer, Origin::Local, farewell));
    }

    fn turn_away(&mut self, now: Instant, path: Path, request: Box<ConnectRequest>, refusal: Refusal) {
        let Some(server) = &mut self.server else { return };
        match server.handshake.refuse(now, request, refusal) {
            Ok(answer) => self.queue_answer(path, &answer),
            Err(error) => log::debug!("{}: {error}", path.remote),
        }
    }

    /// Answers a request with ACCEPT and gives it a connection, in the slot that it has or in a new one.
    fn establish_peer(
        &mut self,
        now: Instant,
        path: Path,
        request: Box<ConnectRequest>,
        user_data: UserData,
        slot: Option<usize>,
    ) -> Result<(), Refusal> {
        let Some(server) = &mut self.server else { return Err(refusal(Reason::Internal, "")) };
        let place = slot.map_or_else(|| self.slots.vacancy(), |index| self.slots.place_of(index));
        let spare = server.spare_numbers.pop();
        let number = spare.or_else(|| PeerNumber::new(server.next_number));
        let connection_id = place.and_then(|place| ConnectionId::new(place.connection_id));
        let (Some(place), Some(number), Some(connection_id)) = (place, number, connection_id) else {
            let refusal = self.full();
            self.turn_away(now, path, request, refusal.clone());
            return Err(refusal);
        };
        let info = AcceptInfo { connection_id, peer_number: number, user_data };
        let accepted = match server.handshake.accept(request, info) {
            Ok(accepted) => accepted,
            Err(error) => {
                server.spare_numbers.extend(spare);
                log::debug!("{}: {error}", path.remote);
                let reason = match error {
                    AcceptError::Stale => Reason::Busy,
                    AcceptError::Failed => Reason::Internal,
                };
                return Err(refusal(reason, &error.to_string()));
            }
        };
        if spare.is_none() {
            server.next_number += 1;
        }
        server.peers += 1;
        let network = Network::of(path.remote.ip());
        server.unconfirmed.insert(now, place.index, network);
        let attempt = accepted.id;
        let datagrams = accepted.datagrams.clone();
        let negotiated = negotiated(path, number, Arc::clone(&server.table), accepted);
        let connection = Connection::new(
            now,
            place.peer,
            Arc::clone(&self.connection_config),
            negotiated,
            &mut self.workspace,
        );
        let awaited = Awaited { since: now, network, number, is_announced: slot.is_some() };
        let peer = Peer {
            is_counted: true,
            attempt: Some(attempt),
            awaited: Some(Box::new(awaited)),
            ..Peer::new(PeerState::Connected(Box::new(connection)))
        };
        match slot.and_then(|index| self.slots.get_mut(index)) {
            Some(waiting) => *waiting = peer,
            None => {
                self.slots.insert(peer);
            }
        }
        self.queue_answer(path, &datagrams);
        self.make_ready(place.index);
        Ok(())
    }

    // ---- confirmation ----

    /// The first packet of a client has opened. What it came to stands in the event queue from `first_event` on, and is
    /// taken back if the client cannot stay.
    pub(super) fn confirm(&mut self, now: Instant, index: usize, first_event: usize) {
        let Some(peer) = self.slots.get_mut(index) else { return };
        let Some(awaited) = peer.awaited.take() else { return };
        let attempt = peer.attempt;
        let identity = self.workspace.events.range(first_event..).find_map(|event| match event {
            Event::Connected { info, .. } => Identity::of(info),
            _ => None,
        });
        let Some(server) = &mut self.server else { return };
        server.unconfirmed.remove(awaited.since, index, awaited.network);
        if let Some(farewell) = self.refuse_latecomer() {
            return self.send_away(now, index, first_event, &awaited, &farewell);
        }
        let Some(server) = &mut self.server else { return };
        let used_up = attempt.map_or(Ok(()), |attempt| server.handshake.confirm(&attempt));
        let newcomers = server.admission.newcomers;
        let older = match (&identity, newcomers) {
            (None, _) | (_, Newcomers::Allow) => [None; 2],
            (Some(identity), _) => server.identities.find(identity),
        };
        let mut older = older.into_iter().flatten();
        let confirmed = server.peers - server.unconfirmed.count();
        let peers_max = server.peers_max;
        let problem = match used_up {
            Err(problem) => Some(refusal(Reason::Token, problem.text())),
            Ok(())
                if newcomers == Newcomers::Refuse
                    && older.clone().any(|index| !self.is_interrupted(index)) =>
            {
                Some(refusal(Reason::Denied, ALREADY_CONNECTED))
            }
            // It was let in for the place of somebody who has left meanwhile, and that is taken.
            Ok(()) if confirmed > peers_max && older.clone().next().is_none() => Some(self.full()),
            Ok(()) => None,
        };
        if let Some(problem) = problem {
            return self.send_away(now, index, first_event, &awaited, &farewell(&problem));
        }
        older.by_ref().for_each(|older| self.replace(now, older, first_event));
        if let (Some(identity), Some(server)) = (identity, &mut self.server)
            && newcomers != Newcomers::Allow
        {
            server.identities.insert(&identity, index);
            if let Some(peer) = self.slots.get_mut(index) {
                peer.identity = Some(Box::new(identity));
            }
        }
    }

    /// A newer connection of the same identity takes over. The older peer is most likely gone already, so its end is
    /// reported now, before the newer one.
    fn replace(&mut self, now: Instant, index: usize, first_event: usize) {
        let Some(PeerState::Connected(connection)) = self.slots.get_mut(index).map(|peer| &mut peer.state)
        else {
            return;
        };
        let end = self.workspace.events.len();
        if connection.replace(now, Farewell::new(Reason::Replaced), &mut self.workspace) {
            self.statistics.peers_replaced += 1;
        }
        // What it reports comes first.
        if let Some(events) = self.workspace.events.make_contiguous().get_mut(first_event..) {
            events.rotate_left(end - first_event);
        }
        self.uncount(index);
        self.make_ready(index);
    }

    /// Closes a connection that its first packet has opened, before the game hears of it.
    fn send_away(
        &mut self,
        now: Instant,
        index: usize,
        first_event: usize,
        awaited: &Awaited,
        farewell: &Farewell,
    ) {
        let info = self.workspace.events.drain(first_event..).find_map(|event| match event {
            Event::Connected { info, .. } => Some(info),
            _ => None,
        });
        let Some(connection) = self.connection_mut(index) else { return };
        let peer = connection.peer();
        connection.withdraw(info);
        connection.close(now, CloseMode::Now, farewell.clone());
        self.uncount(index);
        self.make_ready(index);
        if awaited.is_announced {
            self.workspace.events.push_back(Event::disconnected(peer, Origin::Local, farewell.clone()));
        }
    }

    /// Forgets a peer that has not confirmed. If it comes after all, RESET tells it.
    fn abandon(&mut self, now: Instant, index: usize) {
        self.deadlines.set(index, None);
        self.uncount(index);
        self.clear_away(now, index);
    }

    /// A peer that never confirmed has left its place.
    pub(super) fn forget_awaited(&mut self, peer: PeerId, awaited: &Awaited) {
        let Some(server) = &mut self.server else { return };
        // Nobody but the client that never came knows of the number.
        if server.spare_numbers.len() < SPARE_NUMBERS_MAX {
            server.spare_numbers.push(awaited.number);
        }
        if awaited.is_announced {
            let farewell = Farewell {
                detail: Payload::from("the client did not confirm"),
                ..Farewell::new(Reason::TimedOut)
            };
            self.workspace.events.push_back(Event::disconnected(peer, Origin::Local, farewell));
        }
    }
}

/// What a client is told that is not let in beside itself.
const ALREADY_CONNECTED: &str = "already connected";

fn negotiated(path: Path, number: PeerNumber, table: Arc<ChannelTable>, accepted: Accepted) -> Negotiated {
    Negotiated {
        side: Side::Server,
        path,
        local_id: accepted.local_connection_id.get(),
        remote_id: accepted.remote_connection_id.get(),
        suite: accepted.suite,
        secrets: accepted.secrets,
        local_limits: accepted.local_limits,
        remote_limits: accepted.remote_limits,
        table,
        reset_token: None,
        rtt: None,
        info: Box::new(Connected {
            remote: path.remote,
            number: number.get(),
            key: accepted.identity,
            is_first_use: false,
            user_data: Payload::from(accepted.user_data.into_bytes()),
            token: accepted.token.map(|token| Box::new(TokenInfo::from(token))),
        }),
    }
}
