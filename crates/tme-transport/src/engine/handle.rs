//! What every thread of the game may ask of an engine.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::clock::ServerTime;
use tme_core::connection::{
    Applicant, ChannelStatistics, CloseMode, ConnectionStatistics, Farewell, PeerId, SendBudget, SendError,
    SendOptions, TokenInfo,
};
use tme_core::handshake::datagram::{DisplayName, Information};
use tme_core::handshake::parameters::{Refusal, UserData};
use tme_core::link::{ConditionsError, LinkConditions, LinkStatistics};

use super::crew::Crew;
use super::outbox::{Asked, Change, Ending, Judged, RateCap, Verdict};
use super::shared::Shared;
use super::{Broadcast, ClosingReport, Direction, EngineError, EngineStatistics, MessageBytes, PeerInfo};

/// An engine as other threads see it. Cheap to clone; every method may be called from any thread and none waits for
/// the network.
#[derive(Clone)]
pub struct Handle {
    pub(super) crew: Arc<Crew>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// Queues a message for a peer.
    ///
    /// # Errors
    /// [`SendError`]; nothing was queued then.
    pub fn send<'a>(
        &self,
        peer: PeerId,
        channel: impl Into<ChannelId>,
        message: impl Into<MessageBytes<'a>>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let shared = self.crew.of_peer(peer);
        shared.outbox.lock().send(peer, channel.into(), message.into(), asked(shared, options))?;
        announce(shared, options);
        Ok(())
    }

    /// Queues a message for the only peer there is: a client's server.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::NotConnected`] while there is none.
    pub fn send_to_server<'a>(
        &self,
        channel: impl Into<ChannelId>,
        message: impl Into<MessageBytes<'a>>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let shared = self.crew.first();
        let mut outbox = shared.outbox.lock();
        let peer = outbox.sole_peer().ok_or(SendError::NotConnected)?;
        outbox.send(peer, channel.into(), message.into(), asked(shared, options))?;
        drop(outbox);
        announce(shared, options);
        Ok(())
    }

    /// The only peer there is: a client's server.
    #[must_use]
    pub fn server(&self) -> Option<PeerId> {
        self.crew.first().outbox.lock().sole_peer()
    }

    /// Queues a message for several peers; it is stored once (for each network thread).
    ///
    /// # Errors
    /// [`SendError`] if nobody could take it: no such channel, larger than the channel takes, a key where none belongs.
    /// A single peer that cannot is no error but counted in the result.
    pub fn multicast<'a>(
        &self,
        peers: impl IntoIterator<Item = PeerId>,
        channel: impl Into<ChannelId>,
        message: impl Into<MessageBytes<'a>>,
        options: SendOptions,
    ) -> Result<Broadcast, SendError> {
        let (channel, message) = (channel.into(), message.into());
        let mut outcome = Broadcast::default();
        self.crew.by_thread(peers, |shared, peers| {
            let asked = asked(shared, options);
            outcome = outcome + shared.outbox.lock().multicast(peers, channel, message.clone(), asked)?;
            announce(shared, options);
            Ok(())
        })?;
        Ok(outcome)
    }

    /// Queues a message for all peers but `except`; it is stored once (for each network thread).
    ///
    /// # Errors
    /// As [`multicast`](Self::multicast).
    pub fn broadcast<'a>(
        &self,
        except: Option<PeerId>,
        channel: impl Into<ChannelId>,
        message: impl Into<MessageBytes<'a>>,
        options: SendOptions,
    ) -> Result<Broadcast, SendError> {
        let (channel, message) = (channel.into(), message.into());
        let mut outcome = Broadcast::default();
        for shared in self.crew.all() {
            let asked = asked(shared, options);
            outcome = outcome + shared.outbox.lock().broadcast(except, channel, message.clone(), asked)?;
            announce(shared, options);
        }
        Ok(outcome)
    }

    /// Ends the connection to a peer. `false`: nobody has this id (any more).
    pub fn disconnect(&self, peer: PeerId, mode: CloseMode, farewell: Farewell) -> bool {
        let shared = self.crew.of_peer(peer);
        let is_known = shared.outbox.lock().disconnect(Ending { peer, mode, farewell });
        if is_known {
            shared.handle_command();
        }
        is_known
    }

    /// Sets how many bytes of UDP payload may leave for a peer in a second, at least 1,200; `None` leaves it to the path.
    /// `false`: nobody has this id (any more).
    pub fn set_rate_cap(&self, peer: PeerId, rate: Option<u64>) -> bool {
        let shared = self.crew.of_peer(peer);
        let is_known = shared.outbox.lock().set_rate_cap(RateCap { peer, rate });
        if is_known {
            shared.handle_command();
        }
        is_known
    }

    /// Changes what those are told who only ask what this server is.
    pub fn set_information(&self, information: Information) {
        for shared in self.crew.all() {
            shared.outbox.lock().set_information(information.clone());
            shared.handle_command();
        }
    }

    /// Changes the name under which those find this server who look for servers.
    pub fn set_display_name(&self, name: DisplayName) {
        // The first network thread answers those who look for servers.
        let shared = self.crew.first();
        shared.outbox.lock().set_display_name(name);
        shared.handle_command();
    }

    /// Lets a client in that [`Event::Admission`](tme_core::connection::Event::Admission) has asked about; `user_data` reaches its game. `false`: nobody asks under
    /// this id (any more).
    pub fn accept(&self, peer: PeerId, user_data: UserData) -> bool {
        self.judge(peer, Verdict::Accept(user_data))
    }

    /// Turns a client away that [`Event::Admission`](tme_core::connection::Event::Admission) has asked about. `false`: nobody asks under this id (any more).
    pub fn refuse(&self, peer: PeerId, refusal: Refusal) -> bool {
        self.judge(peer, Verdict::Refuse(refusal))
    }

    fn judge(&self, peer: PeerId, verdict: Verdict) -> bool {
        let shared = self.crew.of_peer(peer);
        let is_asked = shared.outbox.lock().judge(Judged { peer, verdict });
        if is_asked {
            // Somebody waits for it: it does not gather with messages.
            shared.handle_command();
            shared.ask_flush();
        }
        is_asked
    }

    /// Switches modelled network conditions towards a peer on, changes them, or (`None`) off.
    ///
    /// # Errors
    /// [`ConditionsError`] if they cannot be. A peer that is gone is no error.
    pub fn set_conditions(
        &self,
        peer: PeerId,
        direction: Direction,
        conditions: Option<LinkConditions>,
    ) -> Result<(), ConditionsError> {
        if let Some(conditions) = &conditions {
            conditions.validate()?;
        }
        let shared = self.crew.of_peer(peer);
        shared.outbox.lock().set_conditions(Change { peer, direction, conditions });
        shared.handle_command();
        Ok(())
    }

    /// Somebody about whom the game has been asked and has not answered.
    #[must_use]
    pub fn applicant(&self, peer: PeerId) -> Option<Arc<Applicant>> {
        self.crew.outbox_of(peer).applicant(peer)
    }

    /// What a connected peer's token says of him, if he came with one.
    #[must_use]
    pub fn peer_token(&self, peer: PeerId) -> Option<Arc<TokenInfo>> {
        self.crew.outbox_of(peer).peer_token(peer)
    }

    /// This engine's own clock, which reads 0 when the engine starts and goes on evenly.
    #[must_use]
    pub fn time(&self) -> ServerTime {
        ServerTime::exact(self.crew.first().now())
    }

    /// A peer's clock, if it was asked for and has answered. Whoever reads it later reads no earlier time, on any thread.
    #[must_use]
    pub fn server_time(&self, peer: PeerId) -> Option<ServerTime> {
        let shared = self.crew.of_peer(peer);
        let mut outbox = shared.outbox.lock();
        outbox.server_time(shared.now(), peer)
    }

    /// Begins to ask for a peer's time, or to ask often again. `false`: nobody has this id.
    pub fn synchronise_clock(&self, peer: PeerId) -> bool {
        let shared = self.crew.of_peer(peer);
        let is_there = shared.outbox.lock().synchronise_clock(peer);
        if is_there {
            shared.handle_command();
        }
        is_there
    }

    /// Peers that are connected.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        let mut all = Vec::new();
        for shared in self.crew.all() {
            all.extend(shared.outbox.lock().peers());
        }
        all
    }

    /// One peer, if it is connected.
    #[must_use]
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.crew.outbox_of(peer).peer(peer)
    }

    /// The connected peer whose [`PeerInfo::number`] this is.
    #[must_use]
    pub fn peer_by_number(&self, number: u32) -> Option<PeerInfo> {
        self.crew.all().iter().find_map(|shared| shared.outbox.lock().peer_by_number(number))
    }

    /// The only peer there is, as [`peers`](Self::peers) lists it: a client's server.
    #[must_use]
    pub fn server_info(&self) -> Option<PeerInfo> {
        self.crew.first().outbox.lock().peers().next()
    }

    /// The channels towards a peer.
    #[must_use]
    pub fn channels(&self, peer: PeerId) -> Option<Arc<ChannelTable>> {
        self.crew.outbox_of(peer).channels(peer)
    }

    /// Figures of a peer, at most 100 ms older than its last datagram.
    #[must_use]
    pub fn peer_statistics(&self, peer: PeerId) -> Option<ConnectionStatistics> {
        self.crew.outbox_of(peer).statistics(peer)
    }

    /// What may be sent to a peer now, and how long messages would wait. `None`: nobody has this id.
    #[must_use]
    pub fn send_budget(&self, peer: PeerId) -> Option<SendBudget> {
        self.crew.outbox_of(peer).send_budget(peer)
    }

    /// Figures of one channel towards a peer, as old as those of the peer. `None`: nobody has this id, or the channel is
    /// not in the table, or nothing was reported yet.
    #[must_use]
    pub fn channel_statistics(
        &self,
        peer: PeerId,
        channel: impl Into<ChannelId>,
    ) -> Option<ChannelStatistics> {
        self.crew.outbox_of(peer).channel_statistics(peer, channel.into())
    }

    /// What a modelled link towards a peer has counted since [`set_conditions`](Self::set_conditions) switched it on, at
    /// most 100 ms old. `None`: nobody has this id, or that way is not modelled.
    #[must_use]
    pub fn condition_statistics(&self, peer: PeerId, direction: Direction) -> Option<LinkStatistics> {
        self.crew.outbox_of(peer).condition_statistics(peer, direction)
    }

    /// What the end has come to so far, at most 20 ms old. `None`: it has not begun.
    #[must_use]
    pub fn closing_report(&self) -> Option<ClosingReport> {
        self.crew.closing_report()
    }

    /// Figures of the whole engine.
    #[must_use]
    pub fn statistics(&self) -> EngineStatistics {
        let all = self.crew.all().iter().map(|shared| shared.statistics());
        all.reduce(|sum, one| sum + one).unwrap_or_default()
    }

    /// Figures of each network thread; of the engine as such where it has none or one.
    #[must_use]
    pub fn thread_statistics(&self) -> Vec<EngineStatistics> {
        self.crew.all().iter().map(|shared| shared.statistics()).collect()
    }

    /// The network thread that a peer belongs to: its index in [`thread_statistics`](Self::thread_statistics). `None`: nobody has
    /// this id.
    #[must_use]
    pub fn thread_of(&self, peer: PeerId) -> Option<usize> {
        self.peer(peer)?;
        Some(self.crew.index_of_peer(peer))
    }

    /// The address datagrams leave from.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.crew.first().rebinding.local()
    }

    /// Binds another socket for a client and goes on through it: at this address, or at any port of the former one's.
    /// Gives the new address; `None` if nobody is connected: a handshake holds for the address it began at.
    ///
    /// # Errors
    /// [`EngineError::Bind`]; [`EngineError::Config`] if the other side cannot be reached from there, and where an address
    /// cannot change: at a server, in memory, in plaintext. Nothing has changed then.
    pub fn rebind(&self, address: Option<SocketAddr>) -> Result<Option<SocketAddr>, EngineError> {
        let Some(PeerInfo { remote, .. }) = self.server_info() else { return Ok(None) };
        let shared = self.crew.first();
        let local = shared.rebinding.bind(address, remote)?;
        shared.handle_command();
        Ok(Some(local))
    }

    /// Lets queued messages leave without gathering more.
    pub fn flush(&self) {
        self.crew.all().iter().for_each(|shared| shared.ask_flush());
    }

    /// Makes a waiting [`Engine::update`](super::Engine::update) return.
    pub fn wake(&self) {
        self.crew.interrupt();
    }
}

/// A deadline counts from the call on; only those who set one pay for a look at the clock.
#[inline]
fn asked(shared: &Shared, options: SendOptions) -> Asked {
    Asked { options, expires_at: options.deadline.map(|deadline| shared.now() + deadline) }
}

/// Tells a network thread that there is something to send.
#[inline]
fn announce(shared: &Shared, options: SendOptions) {
    shared.handle_command();
    if options.flush {
        shared.ask_flush();
    }
}
