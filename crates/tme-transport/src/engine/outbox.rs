//! What the game's threads ask of the engine: a bounded queue of commands, with enough known about every peer to
//! answer a send at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::clock::{ClockModel, ServerTime};
use tme_core::connection::{
    Allowance, Applicant, Backlog, ChannelStatistics, CloseMode, Connected, ConnectionStatistics, Event,
    Expiry, Farewell, PeerId, SendBudget, SendError, SendOptions, TokenInfo,
};
use tme_core::crypto::keys::PublicKey;
use tme_core::handshake::datagram::Information;
use tme_core::handshake::parameters::{Refusal, UserData};
use tme_core::link::{LinkConditions, LinkStatistics};
use tme_core::payload::Payload;
use tme_core::time::Instant;
use tme_core::wire::frame::{RELIABLE_BYTES_MAX, UNRELIABLE_BYTES_MAX};

use super::arena::{Arenas, COPY_BYTES_MAX, Place};
use super::conditions::ConditionFigures;
use super::driver::Consumed;
use super::message::MessageBytes;

/// Bytes of queued messages that have not reached the engine yet, over all peers. Beyond it a send would block.
pub const OUTBOX_BYTES_MAX: usize = 64 << 20;

/// Bytes of a message on their way to the engine.
#[derive(Debug)]
pub(super) enum Body {
    /// In one of the batch's arenas.
    Copied(Place),
    /// A buffer of its own.
    Shared(Payload),
}

/// What the engine is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Send to one peer.
    Send { peer: PeerId, channel: ChannelId, terms: Terms, body: Body },
    /// Send to several: a range of [`Batch::targets`].
    Multicast { targets: Range<u32>, channel: ChannelId, terms: Terms, body: Body },
}

/// What a send asks for, with its deadline as a point in time: it counts from the call on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub options: SendOptions,
    pub expires_at: Option<Instant>,
}

/// How a queued message is to be treated. What few messages ask for stands elsewhere, so that the others are not larger
/// for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    key: Option<u32>,
    /// One more than the index in [`Batch::wishes`].
    wish: Option<NonZeroU32>,
}

/// What few messages ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueuedWish {
    expires_at: Option<Instant>,
    receipt: Option<u64>,
}

/// A connection to be ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub peer: PeerId,
    pub mode: CloseMode,
    pub farewell: Farewell,
}

/// What the game says of somebody who asks to be let in.
#[derive(Debug)]
pub(super) enum Verdict {
    Accept(UserData),
    Refuse(Refusal),
}

/// A decision about an applicant.
#[derive(Debug)]
pub(super) struct Judged {
    pub peer: PeerId,
    pub verdict: Verdict,
}

/// How much may leave for a peer in a second.
#[derive(Debug)]
pub(super) struct RateCap {
    pub peer: PeerId,
    pub rate: Option<u64>,
}

/// A change of the modelled network towards a peer.
#[derive(Debug)]
pub(super) struct Change {
    pub peer: PeerId,
    pub direction: Direction,
    pub conditions: Option<LinkConditions>,
}

/// Which way datagrams go, seen from this engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What this engine receives.
    Incoming,
    /// What this engine sends.
    Outgoing,
}

/// What was asked for since the engine last looked: messages in the order they were given, then what stands at most
/// once per peer and so needs no other bound.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub commands: Vec<Command>,
    /// Obeyed after the messages.
    pub endings: Vec<Ending>,
    /// Obeyed before the messages; the newest per peer and direction.
    pub changes: Vec<Change>,
    /// Obeyed before the messages; the newest per peer.
    pub caps: Vec<RateCap>,
    /// Obeyed before the messages; the newest.
    pub information: Option<Information>,
    /// Obeyed before the messages; one per applicant.
    pub judged: Vec<Judged>,
    /// Peers whose clocks are to be asked, each once.
    pub clocks: Vec<PeerId>,
    pub targets: Vec<PeerId>,
    pub wishes: Vec<QueuedWish>,
    /// Bytes of copied messages. Each is unshared while it stands here.
    pub arenas: Vec<Arc<Vec<u8>>>,
    pub bytes: usize,
}

impl Batch {
    /// The options of a message as its connection is to get them at `now`.
    pub fn options(&self, terms: Terms, now: Instant) -> SendOptions {
        let wish = terms.wish.and_then(|wish| self.wishes.get(wish.get() as usize - 1));
        SendOptions {
            key: terms.key,
            deadline: wish.and_then(|wish| Some(wish.expires_at?.saturating_since(now))),
            receipt: wish.and_then(|wish| wish.receipt),
            flush: false,
        }
    }

    fn terms(&mut self, asked: Asked) -> Terms {
        let Asked { options: SendOptions { key, receipt, .. }, expires_at } = asked;
        if expires_at.is_none() && receipt.is_none() {
            return Terms { key, wish: None };
        }
        self.wishes.push(QueuedWish { expires_at, receipt });
        Terms { key, wish: NonZeroU32::new(self.wishes.len() as u32) }
    }

    /// The peer is gone: whoever waits for word of a message to it gets it now, and not again.
    fn abandon_receipts(&mut self, gone: PeerId, events: &mut impl Extend<Event>) {
        let Self { commands, targets, wishes, .. } = self;
        if wishes.is_empty() {
            return;
        }
        for command in commands {
            let (channel, terms) = match command {
                Command::Send { peer, channel, terms, .. } if *peer == gone => (*channel, terms),
                Command::Multicast { targets: range, channel, terms, .. } => {
                    let range = range.start as usize..range.end as usize;
                    let targets = targets.get_mut(range).unwrap_or_default();
                    let Some(target) = targets.iter_mut().find(|target| **target == gone) else { continue };
                    *target = NOBODY;
                    (*channel, terms)
                }
                Command::Send { .. } => continue,
            };
            let wish = terms.wish.and_then(|wish| wishes.get(wish.get() as usize - 1));
            if let Command::Send { terms, .. } = command {
                terms.wish = None;
            }
            events.extend(wish.and_then(|wish| Some(expired_unsent(gone, channel, wish.receipt?))));
        }
    }
}

/// A peer id that nobody has.
pub(super) const NOBODY: PeerId = PeerId::from_u64(0);

/// Word of a message that never reached its connection.
pub(super) const fn expired_unsent(peer: PeerId, channel: ChannelId, token: u64) -> Event {
    Event::Expired { peer, channel, token, reason: Expiry::Disconnected, never_sent: true }
}

/// What the game's threads know about a peer.
#[derive(Debug)]
struct PeerEntry {
    peer: PeerId,
    remote: SocketAddr,
    number: u32,
    key: Option<PublicKey>,
    token: Option<Arc<TokenInfo>>,
    table: Arc<ChannelTable>,
    channels: Vec<ChannelDepth>,
    statistics: ConnectionStatistics,
    statistics_at: Option<Instant>,
    allowance: Allowance,
    /// Boxed, for hardly any peer has some.
    conditions: Option<Box<ConditionFigures>>,
    /// Boxed, for a server's peers have none.
    clock: Option<Box<PeerClock>>,
    /// Somebody has asked for the end of the connection: nothing more is taken for it.
    is_leaving: bool,
    /// The connection has changed since its figures were taken; somebody has been told to come back.
    is_stale: bool,
}

/// A peer's time as the game's threads read it.
#[derive(Debug)]
struct PeerClock {
    model: ClockModel,
    /// What was read last: threads read at other moments than the model is bent.
    read_micros: u64,
}

impl PeerClock {
    const fn new(model: ClockModel) -> Self {
        Self { model, read_micros: 0 }
    }

    fn follow(&mut self, model: ClockModel) {
        if model.epoch() != self.model.epoch() {
            self.read_micros = 0;
        }
        self.model = model;
    }

    fn read(&mut self, now: Instant) -> ServerTime {
        let mut time = self.model.at(now);
        if time.is_synchronised {
            let back = self.read_micros.saturating_sub(time.micros);
            time.micros += back;
            time.error += Duration::from_micros(back);
            self.read_micros = time.micros;
        }
        time
    }
}

/// How full a channel's send queue is, as far as the game's threads are concerned.
#[derive(Clone, Debug, Default)]
struct ChannelDepth {
    /// In the connection, as last reported.
    bytes: usize,
    messages: usize,
    /// In the outbox.
    pending_bytes: usize,
    pending_messages: usize,
    /// Taken from the outbox, not yet in the connection.
    transit_bytes: usize,
    transit_messages: usize,
    message_bytes_max: usize,
    /// A send was refused since the last `Writable`.
    is_refused: bool,
    /// Keys that have values under way, and such that have had (reliable-latest).
    keys: BTreeSet<u32>,
    /// From so many on it is worth while to look for those that have had.
    prune_keys_at: usize,
    /// A send was refused for its key since the last `Writable`.
    is_out_of_keys: bool,
    statistics: Option<ChannelStatistics>,
    /// In the connection and not sent, as last reported.
    backlog: Option<Backlog>,
}

/// What a send to several peers came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Peers for which it was queued.
    pub sent: usize,
    /// Peers whose queue is full, or has too many keys under way; `Writable` follows for each.
    pub would_block: usize,
    /// Ids that name nobody (any more).
    pub gone: usize,
    /// Peers that will not take it later either: it is larger than they allow.
    pub refused: usize,
}

/// A peer as [`Handle::peers`](super::Handle::peers) lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its id.
    pub peer: PeerId,
    /// Its address.
    pub remote: SocketAddr,
    /// The number of the client in this connection, at least 2.
    pub number: u32,
    /// Its static key: at a client the server's, at a server the client's identity, `None` if it has none. In plaintext
    /// nobody proves a key: there a client is told one and has to believe it.
    pub key: Option<PublicKey>,
}

/// The queue itself; lives in a mutex that is held for one copy, or for one pass over the peers (a broadcast, and what
/// the engine publishes once a turn).
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// By slot.
    peers: Vec<Option<PeerEntry>>,
    by_number: BTreeMap<u32, PeerId>,
    /// Clients about whom the game has been asked and has not answered.
    applicants: BTreeMap<PeerId, Arc<Applicant>>,
    pub pending: Batch,
    arenas: Arenas,
    /// Peers refused only because the outbox was full: nothing about them need change when it is emptied.
    starved: Vec<PeerId>,
}

impl Outbox {
    // ---- for the game's threads ----

    /// Queues a message for one peer.
    pub fn send(
        &mut self,
        peer: PeerId,
        channel: ChannelId,
        message: MessageBytes<'_>,
        asked: Asked,
    ) -> Result<(), SendError> {
        self.reserve(peer, channel, message.len(), asked.options)?;
        let terms = self.pending.terms(asked);
        let body = self.store(message);
        self.pending.commands.push(Command::Send { peer, channel, terms, body });
        Ok(())
    }

    /// Queues a message once for several peers. An error means that nobody could take it, whoever they are.
    pub fn multicast(
        &mut self,
        targets: impl IntoIterator<Item = PeerId>,
        channel: ChannelId,
        message: MessageBytes<'_>,
        asked: Asked,
    ) -> Result<Broadcast, SendError> {
        let start = self.pending.targets.len();
        self.pending.targets.extend(targets);
        self.send_to_targets(start, channel, message, asked)
    }

    /// Queues a message once for all peers but `except`.
    pub fn broadcast(
        &mut self,
        except: Option<PeerId>,
        channel: ChannelId,
        message: MessageBytes<'_>,
        asked: Asked,
    ) -> Result<Broadcast, SendError> {
        let start = self.pending.targets.len();
        let peers = self.peers.iter().flatten().map(|entry| entry.peer);
        self.pending.targets.extend(peers.filter(|&peer| Some(peer) != except));
        self.send_to_targets(start, channel, message, asked)
    }

    /// Sends to the candidates from `start` on in the batch's target list; keeps those there that can take it.
    fn send_to_targets(
        &mut self,
        start: usize,
        channel: ChannelId,
        message: MessageBytes<'_>,
        asked: Asked,
    ) -> Result<Broadcast, SendError> {
        let bytes = message.len();
        let mut outcome = Broadcast::default();
        let mut kept = start;
        for index in start..self.pending.targets.len() {
            let Some(&peer) = self.pending.targets.get(index) else { break };
            match self.reserve(peer, channel, bytes, asked.options) {
                Ok(()) => {
                    self.pending.targets.swap(kept, index);
                    kept += 1;
                }
                Err(SendError::WouldBlock { .. } | SendError::TooManyKeys { .. }) => outcome.would_block += 1,
                Err(SendError::NotConnected) => outcome.gone += 1,
                // A peer announces how large a message it takes: it must not decide for the others.
                Err(SendError::TooLarge { .. }) if bytes <= self.own_limit(peer, channel) => {
                    outcome.refused += 1;
                }
                Err(error) => {
                    self.pending.targets.truncate(kept);
                    for peer in self.pending.targets.split_off(start) {
                        self.release(peer, channel, bytes);
                    }
                    return Err(error);
                }
            }
        }
        self.pending.targets.truncate(kept);
        outcome.sent = kept - start;
        if outcome.sent > 0 {
            let terms = self.pending.terms(asked);
            let body = self.store(message);
            let targets = start as u32..kept as u32;
            self.pending.commands.push(Command::Multicast { targets, channel, terms, body });
        }
        Ok(outcome)
    }

    /// Checks everything that can be wrong with a send and takes the room for it.
    fn reserve(
        &mut self,
        peer: PeerId,
        channel: ChannelId,
        bytes: usize,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let is_outbox_full = self.pending.bytes + bytes > OUTBOX_BYTES_MAX && self.pending.bytes > 0;
        let entry = self.entry_mut(peer).filter(|entry| !entry.is_leaving).ok_or(SendError::NotConnected)?;
        let position = entry.table.position(channel).ok_or(SendError::UnknownChannel)?;
        let (Some(channel_entry), Some(depth)) =
            (entry.table.entries().get(position), entry.channels.get_mut(position))
        else {
            return Err(SendError::UnknownChannel);
        };
        let limit = depth.message_bytes_max;
        if bytes > limit {
            return Err(SendError::TooLarge { channel, bytes, limit });
        }
        if options.key.is_some() && !channel_entry.mode.is_keyed() {
            return Err(SendError::KeyNotAllowed { channel });
        }
        let settings = &channel_entry.settings;
        let (queued_bytes, queued_messages) = depth.queued();
        let is_full =
            queued_bytes + bytes > settings.queue_bytes_max || queued_messages >= settings.queue_messages_max;
        // An empty queue takes one message of any allowed size, else it could never be sent.
        if is_outbox_full || (is_full && queued_messages > 0) {
            let was_refused = std::mem::replace(&mut depth.is_refused, true);
            if is_outbox_full && !was_refused {
                self.starved.push(peer);
            }
            return Err(SendError::WouldBlock { channel });
        }
        if channel_entry.mode.is_keyed() {
            let (key, limit) = (options.key.unwrap_or(0), settings.keys_max);
            if depth.keys.len() >= limit as usize && !depth.keys.contains(&key) {
                depth.is_refused = true;
                depth.is_out_of_keys = true;
                return Err(SendError::TooManyKeys { channel, limit });
            }
            depth.keys.insert(key);
        }
        depth.pending_bytes += bytes;
        depth.pending_messages += 1;
        Ok(())
    }

    /// Largest message that this side's table allows on a channel, whatever the peer takes.
    fn own_limit(&self, peer: PeerId, channel: ChannelId) -> usize {
        let table = self.entry(peer).map(|entry| &entry.table);
        let entry = table.and_then(|table| table.entries().get(table.position(channel)?));
        entry.map_or(0, |entry| {
            let by_mode = if entry.mode.is_reliable() { RELIABLE_BYTES_MAX } else { UNRELIABLE_BYTES_MAX };
            entry.settings.message_bytes_max.min(by_mode)
        })
    }

    /// Gives room back that [`reserve`](Self::reserve) took.
    fn release(&mut self, peer: PeerId, channel: ChannelId, bytes: usize) {
        if let Some(depth) = self.depth_mut(peer, channel) {
            depth.pending_bytes = depth.pending_bytes.saturating_sub(bytes);
            depth.pending_messages = depth.pending_messages.saturating_sub(1);
        }
    }

    fn store(&mut self, message: MessageBytes<'_>) -> Body {
        self.pending.bytes += message.len();
        let bytes = match message {
            MessageBytes::Shared(payload) => return Body::Shared(payload),
            MessageBytes::Copied(bytes) if bytes.len() > COPY_BYTES_MAX => {
                return Body::Shared(Payload::from(bytes));
            }
            MessageBytes::Copied(bytes) => bytes,
        };
        match self.arenas.copy(bytes, &mut self.pending.arenas) {
            Some(place) => Body::Copied(place),
            None => Body::Shared(Payload::from(bytes)),
        }
    }

    /// A client's server.
    pub fn sole_peer(&self) -> Option<PeerId> {
        self.peers.iter().flatten().map(|entry| entry.peer).next()
    }

    /// Asks for the end of a connection. The first asking counts, unless a later one is in a greater hurry. `false`:
    /// nobody has this id.
    pub fn disconnect(&mut self, ending: Ending) -> bool {
        let Some(entry) = self.entry_mut(ending.peer) else { return false };
        let was_leaving = std::mem::replace(&mut entry.is_leaving, true);
        if was_leaving && ending.mode == CloseMode::Flush {
            return true;
        }
        let endings = &mut self.pending.endings;
        match endings.iter_mut().find(|pending| pending.peer == ending.peer) {
            Some(pending) => *pending = ending,
            None => endings.push(ending),
        }
        true
    }

    /// Decides about an applicant. `false`: nobody asks under this id (any more).
    pub fn judge(&mut self, judged: Judged) -> bool {
        let is_asked = self.applicants.remove(&judged.peer).is_some();
        if is_asked {
            self.pending.judged.push(judged);
        }
        is_asked
    }

    /// Limits what leaves for a peer; replaces what was asked for before. `false`: nobody has this id.
    pub fn set_rate_cap(&mut self, cap: RateCap) -> bool {
        if self.entry(cap.peer).is_none() {
            return false;
        }
        match self.pending.caps.iter_mut().find(|pending| pending.peer == cap.peer) {
            Some(pending) => *pending = cap,
            None => self.pending.caps.push(cap),
        }
        true
    }

    /// Changes what queries are answered with.
    pub fn set_information(&mut self, information: Information) {
        self.pending.information = Some(information);
    }

    /// Asks for other network conditions; replaces what was asked for before.
    pub fn set_conditions(&mut self, change: Change) {
        if self.entry(change.peer).is_none() {
            return;
        }
        let changes = &mut self.pending.changes;
        let same =
            |pending: &&mut Change| pending.peer == change.peer && pending.direction == change.direction;
        match changes.iter_mut().find(same) {
            Some(pending) => *pending = change,
            None => changes.push(change),
        }
    }

    /// Asks for a peer's time. `false`: nobody has this id.
    pub fn synchronise_clock(&mut self, peer: PeerId) -> bool {
        let is_there = self.entry(peer).is_some();
        if is_there && !self.pending.clocks.contains(&peer) {
            self.pending.clocks.push(peer);
        }
        is_there
    }

    /// A peer's time at `now`, which must have been read under this lock: of one reading after the other none is earlier.
    pub fn server_time(&mut self, now: Instant, peer: PeerId) -> Option<ServerTime> {
        Some(self.entry_mut(peer)?.clock.as_mut()?.read(now))
    }

    pub fn peers(&self) -> impl Iterator<Item = PeerInfo> {
        self.peers.iter().flatten().map(PeerEntry::info)
    }

    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.entry(peer).map(PeerEntry::info)
    }

    pub fn applicant(&self, peer: PeerId) -> Option<Arc<Applicant>> {
        self.applicants.get(&peer).cloned()
    }

    pub fn peer_token(&self, peer: PeerId) -> Option<Arc<TokenInfo>> {
        self.entry(peer)?.token.clone()
    }

    pub fn peer_by_number(&self, number: u32) -> Option<PeerInfo> {
        self.by_number.get(&number).and_then(|&peer| self.peer(peer))
    }

    pub fn statistics(&self, peer: PeerId) -> Option<ConnectionStatistics> {
        self.entry(peer).map(|entry| entry.statistics)
    }

    /// What may be sent to a peer: as the engine has last reported it, less what is on its way there.
    pub fn send_budget(&self, peer: PeerId) -> Option<SendBudget> {
        let entry = self.entry(peer)?;
        let backlogs = entry.channels.iter().filter_map(|depth| {
            let Backlog { bytes, .. } = depth.backlog?;
            let under_way = (depth.pending_bytes + depth.transit_bytes) as u64;
            Some(Backlog { bytes: bytes.map(|bytes| bytes + under_way), ..depth.backlog? })
        });
        Some(SendBudget::new(entry.allowance, backlogs))
    }

    pub fn channel_statistics(&self, peer: PeerId, channel: ChannelId) -> Option<ChannelStatistics> {
        let entry = self.entry(peer)?;
        entry.channels.get(entry.table.position(channel)?)?.statistics
    }

    pub fn condition_statistics(&self, peer: PeerId, direction: Direction) -> Option<LinkStatistics> {
        let figures = self.entry(peer)?.conditions.as_ref()?;
        match direction {
            Direction::Incoming => figures.incoming,
            Direction::Outgoing => figures.outgoing,
        }
    }

    /// Whether any of these messages came on a reliable channel.
    pub fn is_any_reliable(&self, consumed: &[Consumed]) -> bool {
        consumed.iter().filter(|consumed| consumed.messages > 0).any(|consumed| {
            let entry = self.entry(consumed.peer);
            let channel =
                entry.and_then(|entry| entry.table.entries().get(entry.table.position(consumed.channel)?));
            channel.is_some_and(|channel| channel.mode.is_reliable())
        })
    }

    pub fn channels(&self, peer: PeerId) -> Option<Arc<ChannelTable>> {
        self.entry(peer).map(|entry| Arc::clone(&entry.table))
    }

    // ---- for the engine ----

    /// Whether any of these receipts frees a queue that was found full.
    pub fn is_any_awaited(&self, consumed: &[Consumed]) -> bool {
        consumed.iter().filter(|consumed| consumed.receipts > 0).any(|consumed| {
            let entry = self.entry(consumed.peer);
            let depth = entry.and_then(|entry| entry.channels.get(entry.table.position(consumed.channel)?));
            depth.is_some_and(|depth| depth.is_refused)
        })
    }

    /// Swaps the pending commands with an empty batch, whose buffers are used again.
    pub fn take(&mut self, batch: &mut Batch) {
        std::mem::swap(&mut self.pending, batch);
        for depth in self.peers.iter_mut().flatten().flat_map(|entry| &mut entry.channels) {
            depth.transit_bytes += std::mem::take(&mut depth.pending_bytes);
            depth.transit_messages += std::mem::take(&mut depth.pending_messages);
        }
    }

    /// The connection has got all that was taken for it: from here on it counts there.
    pub fn handle_arrived(&mut self, connection: &tme_core::connection::Connection) {
        let Some(entry) = self.entry_mut(connection.peer()) else { return };
        for (position, depth) in entry.channels.iter_mut().enumerate() {
            depth.backlog = connection.backlog(position);
            (depth.bytes, depth.messages) = connection.queued(position);
            (depth.transit_bytes, depth.transit_messages) = (0, 0);
        }
    }

    /// A peer that the full outbox refused and that can be told now.
    pub fn poll_starved(&mut self) -> Option<PeerId> {
        self.starved.pop()
    }

    /// Forgets every peer: the engine has ended.
    pub fn clear_peers(&mut self) {
        self.peers.clear();
        self.by_number.clear();
        self.applicants.clear();
    }

    /// Gives a batch's arenas back for the next one.
    pub fn give_arenas(&mut self, arenas: impl Iterator<Item = Arc<Vec<u8>>>) {
        self.arenas.give(arenas);
    }

    pub fn insert_peer(
        &mut self,
        now: Instant,
        connection: &tme_core::connection::Connection,
        info: &Connected,
    ) {
        let peer = connection.peer();
        let table = Arc::clone(connection.table());
        let channels = (0..table.count()).map(|position| ChannelDepth {
            message_bytes_max: connection.message_bytes_max(position),
            backlog: connection.backlog(position),
            ..ChannelDepth::default()
        });
        let entry = PeerEntry {
            peer,
            remote: info.remote,
            number: info.number,
            key: info.key,
            token: info.token.as_deref().cloned().map(Arc::new),
            channels: channels.collect(),
            table,
            statistics: ConnectionStatistics::default(),
            statistics_at: None,
            allowance: connection.allowance(now),
            conditions: None,
            clock: connection.clock_model().map(|&model| Box::new(PeerClock::new(model))),
            is_leaving: false,
            is_stale: false,
        };
        let slot = peer.slot();
        if self.peers.len() <= slot {
            self.peers.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.peers.get_mut(slot) {
            *place = Some(entry);
            self.by_number.insert(info.number, peer);
        }
    }

    /// The game is being asked about a client.
    pub fn insert_applicant(&mut self, peer: PeerId, info: &Applicant) {
        self.applicants.insert(peer, Arc::new(info.clone()));
    }

    /// Forgets a peer. Whoever waits for word of messages that have not reached the engine gets it.
    pub fn remove_peer(&mut self, peer: PeerId, events: &mut impl Extend<Event>) -> Option<SocketAddr> {
        self.pending.abandon_receipts(peer, events);
        self.applicants.remove(&peer);
        let entry = self.peers.get_mut(peer.slot())?.take_if(|entry| entry.peer == peer)?;
        self.by_number.remove(&entry.number);
        Some(entry.remote)
    }

    pub fn remote_of(&self, peer: PeerId) -> Option<SocketAddr> {
        self.entry(peer).map(|entry| entry.remote)
    }

    /// A peer goes on from another address. Gives the former one.
    pub fn set_remote(&mut self, peer: PeerId, remote: SocketAddr) -> Option<SocketAddr> {
        self.entry_mut(peer).map(|entry| std::mem::replace(&mut entry.remote, remote))
    }

    pub fn set_condition_figures(&mut self, peer: PeerId, figures: ConditionFigures) {
        if let Some(entry) = self.entry_mut(peer) {
            **entry.conditions.get_or_insert_default() = figures;
        }
    }

    /// Takes over how full a peer's queues are now. Calls `writable` for every channel that had refused a message and
    /// is at most half full.
    /// Gives whether the figures are too young to be taken anew, for the first time since they were taken: come back
    /// when they are older.
    pub fn update_peer(
        &mut self,
        now: Instant,
        connection: &tme_core::connection::Connection,
        statistics_age_max: Duration,
        mut writable: impl FnMut(ChannelId),
    ) -> bool {
        let peer = connection.peer();
        let Self { peers, pending, .. } = self;
        let entry = peers.get_mut(peer.slot()).and_then(Option::as_mut).filter(|entry| entry.peer == peer);
        let Some(entry) = entry else { return false };
        entry.allowance = connection.allowance(now);
        for (position, (depth, channel)) in entry.channels.iter_mut().zip(entry.table.entries()).enumerate() {
            depth.backlog = connection.backlog(position);
            (depth.bytes, depth.messages) = connection.queued(position);
            let (bytes, messages) = depth.queued();
            let settings = &channel.settings;
            let keys_max = settings.keys_max as usize;
            let has_many_keys = depth.keys.len() >= depth.prune_keys_at.min(keys_max);
            if channel.mode.is_keyed() && (has_many_keys || depth.is_out_of_keys) {
                let pending: BTreeSet<u32> = match depth.pending_messages {
                    0 => BTreeSet::new(),
                    _ => pending_keys(pending, peer, channel.id).collect(),
                };
                depth.keys.retain(|&key| connection.is_key_in_use(position, key) || pending.contains(&key));
                depth.prune_keys_at = (depth.keys.len() + keys_max / 8 + 1).max(keys_max / 2);
            }
            let is_writable = bytes <= settings.queue_bytes_max / 2
                && messages <= settings.queue_messages_max / 2
                && (!depth.is_out_of_keys || depth.keys.len() <= keys_max / 2);
            if depth.is_refused && is_writable {
                depth.is_refused = false;
                depth.is_out_of_keys = false;
                writable(channel.id);
            }
        }
        if let Some(&model) = connection.clock_model() {
            match &mut entry.clock {
                Some(clock) => clock.follow(model),
                None => entry.clock = Some(Box::new(PeerClock::new(model))),
            }
        }
        if entry.statistics_at.is_none_or(|at| now.saturating_since(at) >= statistics_age_max) {
            entry.statistics = connection.statistics(now);
            entry.statistics_at = Some(now);
            for (depth, channel) in entry.channels.iter_mut().zip(entry.table.entries()) {
                depth.statistics = connection.channel_statistics(channel.id);
            }
            entry.is_stale = false;
            false
        } else {
            !std::mem::replace(&mut entry.is_stale, true)
        }
    }

    fn entry(&self, peer: PeerId) -> Option<&PeerEntry> {
        self.peers.get(peer.slot())?.as_ref().filter(|entry| entry.peer == peer)
    }

    fn entry_mut(&mut self, peer: PeerId) -> Option<&mut PeerEntry> {
        self.peers.get_mut(peer.slot())?.as_mut().filter(|entry| entry.peer == peer)
    }

    fn depth_mut(&mut self, peer: PeerId, channel: ChannelId) -> Option<&mut ChannelDepth> {
        let entry = self.entry_mut(peer)?;
        let position = entry.table.position(channel)?;
        entry.channels.get_mut(position)
    }
}

/// The keys of messages to a peer on a channel that the engine has not taken.
fn pending_keys(batch: &Batch, peer: PeerId, channel: ChannelId) -> impl Iterator<Item = u32> {
    batch.commands.iter().filter_map(move |command| match command {
        Command::Send { peer: to, channel: on, terms, .. } if (*to, *on) == (peer, channel) => {
            Some(terms.key.unwrap_or(0))
        }
        Command::Multicast { targets, channel: on, terms, .. } if *on == channel => {
            let targets = batch.targets.get(targets.start as usize..targets.end as usize)?;
            targets.contains(&peer).then(|| terms.key.unwrap_or(0))
        }
        _ => None,
    })
}

impl PeerEntry {
    const fn info(&self) -> PeerInfo {
        PeerInfo { peer: self.peer, remote: self.remote, number: self.number, key: self.key }
    }
}

impl ChannelDepth {
    const fn queued(&self) -> (usize, usize) {
        let bytes = self.bytes + self.pending_bytes + self.transit_bytes;
        (bytes, self.messages + self.pending_messages + self.transit_messages)
    }
}
