//! From a request to a peer: who is let in, who decides it, and who has to leave for it.
//!
//! A client becomes a peer in two steps. Its request is accepted (by the endpoint, or by the game that was asked), which
//! takes a slot. Its first packet *confirms* it: only then is it proven to be there now, its connect token is used up, an
//! older peer with the same identity gives way, and `Connected` is reported.

use std::sync::Arc;

use super::common::{Filed, Order};
use super::config::{Decision, Newcomers};
use super::identities::Identity;
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
    pub(super) filed: Filed,
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
            (Newcomers::Refuse, Some(peer)) if !self.is_interrupted(peer) => {
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

    /// Whether a peer, of this endpoint or another one of the server, is not heard of.
    fn is_interrupted(&self, peer: PeerId) -> bool {
        match self.connection(peer) {
            Some(connection) => connection.is_interrupted(),
            None => self.server.as_ref().is_some_and(|server| server.common.lock().is_interrupted(peer)),
        }
    }

    /// The first peer that has something of this identity.
    fn find_same(&self, identity: &Identity) -> Option<PeerId> {
        self.server.as_ref()?.common.lock().identities.find(identity).into_iter().flatten().next()
    }

    fn is_replacing(&self, identity: &Identity) -> bool {
        let newcomers = self.server.as_ref().map_or(Newcomers::Allow, |server| server.admission.newcomers);
        newcomers != Newcomers::Allow && self.find_same(identity).is_some()
    }

    /// Reserves a place for one more peer, if need be somebody else's who has not been heard of.
    fn make_room(&mut self, now: Instant, path: Path, identity: &Identity) -> Result<(), Refusal> {
        let is_replacing = self.is_replacing(identity);
        let network = Network::of(path.remote.ip());
        loop {
            let Some(server) = &self.server else { return Err(self.full()) };
            let mut whole = server.common.lock();
            if whole.has_room(is_replacing) {
                whole.reserve();
                return Ok(());
            }
            let victim = whole.evict(now, network);
            drop(whole);
            let Some(victim) = victim else { return Err(self.full()) };
            self.statistics.unconfirmed_evicted += 1;
            match self.slots.index_of_peer(victim) {
                Some(index) => self.abandon(now, index),
                None => self.call(Order::Abandon(victim)),
            }
        }
    }

    fn full(&self) -> Refusal {
        let (peers, limit) = self.server.as_ref().map_or((0, 0), |server| {
            let whole = server.common.lock();
            (whole.peers(), whole.peers_max())
        });
        refusal(Reason::Full, &format!("{peers} of {limit} players"))
    }

    /// Whether the game can be asked about one more.
    fn check_application(&self, now: Instant, path: Path, identity: &Identity) -> Result<(), Refusal> {
        let Some(server) = &self.server else { return Err(self.full()) };
        let network = Network::of(path.remote.ip());
        let is_replacing = self.is_replacing(identity);
        let limit = server.admission.applicants_max;
        let (is_full, applicants, from_network) = {
            let whole = server.common.lock();
            let is_full = !whole.has_room(is_replacing) && !whole.is_anybody_evictable(now, network);
            (is_full, whole.applicants(), whole.applicants_from(network))
        };
        if is_full || self.slots.vacancy().is_none() {
            return Err(self.full());
        }
        if applicants >= limit {
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
    fn ask(&mut self, now: Instant, path: Path, request: Box<ConnectRequest>, same: Option<PeerId>) {
        let Some(server) = &mut self.server else { return };
        let deadline = now + server.admission.decision_time;
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
        server.applicants += 1;
        server.common.lock().add_applicant(Network::of(path.remote.ip()));
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
            server.applicants -= 1;
            server.common.lock().remove_applicant(Network::of(path.remote.ip()));
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

    /// Answers a request with ACCEPT and gives it a connection, in the slot that it has or in a new one. Its place is reserved
    /// already.
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
        let number = server.common.lock().take_number();
        let connection_id = place.and_then(|place| ConnectionId::new(place.connection_id));
        let (Some(place), Some(number), Some(connection_id)) = (place, number, connection_id) else {
            let mut whole = server.common.lock();
            whole.unreserve();
            number.into_iter().for_each(|number| whole.give_number(number));
            drop(whole);
            let refusal = self.full();
            self.turn_away(now, path, request, refusal.clone());
            return Err(refusal);
        };
        let info = AcceptInfo { connection_id, peer_number: number, user_data };
        let accepted = match server.handshake.accept(request, info) {
            Ok(accepted) => accepted,
            Err(error) => {
                let mut whole = server.common.lock();
                whole.unreserve();
                whole.give_number(number);
                log::debug!("{}: {error}", path.remote);
                let reason = match error {
                    AcceptError::Stale => Reason::Busy,
                    AcceptError::Failed => Reason::Internal,
                };
                return Err(refusal(reason, &error.to_string()));
            }
        };
        server.peers += 1;
        server.unconfirmed += 1;
        let filed = Filed { peer: place.peer, since: now, network: Network::of(path.remote.ip()) };
        server.common.lock().file(filed);
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
        let awaited = Awaited { filed, number, is_announced: slot.is_some() };
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
        server.unconfirmed -= 1;
        let latecomer = self.refuse_latecomer();
        let Some(server) = &mut self.server else { return };
        let newcomers = server.admission.newcomers;
        let identity = identity.filter(|_| newcomers != Newcomers::Allow);
        let admitted = attempt.filter(|_| latecomer.is_none());
        let used_up = admitted.map_or(Ok(()), |attempt| server.handshake.confirm(&attempt));
        // Of two with one identity that come at the same time to two endpoints, one is the second from here on.
        let common = Arc::clone(&server.common);
        let mut whole = common.lock();
        let is_placed = whole.confirm(&awaited.filed);
        let older = identity.as_ref().map_or([None; 2], |identity| whole.identities.find(identity));
        let older = older.into_iter().flatten();
        let is_heard_of = |peer: PeerId| match self.connection(peer) {
            Some(connection) => !connection.is_interrupted(),
            None => !whole.is_interrupted(peer),
        };
        let problem = match used_up {
            Err(problem) => Some(refusal(Reason::Token, problem.text())),
            Ok(()) if newcomers == Newcomers::Refuse && older.clone().any(is_heard_of) => {
                Some(refusal(Reason::Denied, ALREADY_CONNECTED))
            }
            // Its place was given to somebody else a moment ago; or it was let in for the place of somebody who has left
            // meanwhile, and that is taken.
            Ok(())
                if !is_placed
                    || (whole.confirmed() > whole.peers_max() && older.clone().next().is_none()) =>
            {
                let text = format!("{} of {} players", whole.peers(), whole.peers_max());
                Some(refusal(Reason::Full, &text))
            }
            Ok(()) => None,
        };
        let unwelcome = latecomer.or_else(|| problem.as_ref().map(farewell));
        if let (None, Some(identity)) = (&unwelcome, &identity) {
            whole.identities.insert(identity, awaited.filed.peer);
        }
        drop(whole);
        if !is_placed && let (Some(peer), Some(server)) = (self.slots.get_mut(index), &mut self.server) {
            peer.is_counted = false;
            server.peers -= 1;
        }
        if let Some(farewell) = unwelcome {
            return self.send_away(now, index, first_event, &awaited, &farewell);
        }
        for older in older {
            match self.slots.index_of_peer(older) {
                Some(older) => self.replace(now, older, first_event),
                None => self.call(Order::Replace(older)),
            }
        }
        if let Some(peer) = self.slots.get_mut(index) {
            peer.identity = identity.map(Box::new);
        }
    }

    /// A newer connection of the same identity takes over. The older peer is most likely gone already, so its end is
    /// reported now, before the newer one.
    pub(super) fn replace(&mut self, now: Instant, index: usize, first_event: usize) {
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
    pub(super) fn abandon(&mut self, now: Instant, index: usize) {
        self.deadlines.set(index, None);
        self.uncount(index);
        self.clear_away(now, index);
    }

    /// A peer that never confirmed has left its place.
    pub(super) fn forget_awaited(&mut self, peer: PeerId, awaited: &Awaited) {
        let Some(server) = &self.server else { return };
        server.common.lock().give_number(awaited.number);
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
