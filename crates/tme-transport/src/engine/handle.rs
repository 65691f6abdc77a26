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

use super::outbox::{Asked, Change, Ending, Judged, RateCap, Verdict};
use super::shared::Shared;
use super::{Broadcast, Direction, EngineError, EngineStatistics, MessageBytes, PeerInfo};

/// An engine as other threads see it. Cheap to clone; every method may be called from any thread and none waits for
/// the network.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
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
        self.shared.outbox.lock().send(peer, channel.into(), message.into(), self.asked(options))?;
        self.announce(options);
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
        let mut outbox = self.shared.outbox.lock();
        let peer = outbox.sole_peer().ok_or(SendError::NotConnected)?;
        outbox.send(peer, channel.into(), message.into(), self.asked(options))?;
        drop(outbox);
        self.announce(options);
        Ok(())
    }

    /// A deadline counts from the call on; only those who set one pay for a look at the clock.
    #[inline]
    fn asked(&self, options: SendOptions) -> Asked {
        Asked { options, expires_at: options.deadline.map(|deadline| self.shared.now() + deadline) }
    }

    /// Tells the engine that there is something to send.
    #[inline]
    fn announce(&self, options: SendOptions) {
        self.shared.handle_command();
        if options.flush {
            self.shared.ask_flush();
        }
    }

    /// The only peer there is: a client's server.
    #[must_use]
    pub fn server(&self) -> Option<PeerId> {
        self.shared.outbox.lock().sole_peer()
    }

    /// Queues a message for several peers; it is stored once.
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
        let outcome = self.shared.outbox.lock().multicast(
            peers,
            channel.into(),
            message.into(),
            self.asked(options),
        )?;
        self.announce(options);
        Ok(outcome)
    }

    /// Queues a message for all peers but `except`; it is stored once.
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
        let outcome = self.shared.outbox.lock().broadcast(
            except,
            channel.into(),
            message.into(),
            self.asked(options),
        )?;
        self.announce(options);
        Ok(outcome)
    }

    /// Ends the connection to a peer. `false`: nobody has this id (any more).
    pub fn disconnect(&self, peer: PeerId, mode: CloseMode, farewell: Farewell) -> bool {
        let is_known = self.shared.outbox.lock().disconnect(Ending { peer, mode, farewell });
        if is_known {
            self.shared.handle_command();
        }
        is_known
    }

    /// Sets how many bytes of UDP payload may leave for a peer in a second, at least 1,200; `None` leaves it to the path.
    /// `false`: nobody has this id (any more).
    pub fn set_rate_cap(&self, peer: PeerId, rate: Option<u64>) -> bool {
        let is_known = self.shared.outbox.lock().set_rate_cap(RateCap { peer, rate });
        if is_known {
            self.shared.handle_command();
        }
        is_known
    }

    /// Changes what those are told who only ask what this server is.
    pub fn set_information(&self, information: Information) {
        self.shared.outbox.lock().set_information(information);
        self.shared.handle_command();
    }

    /// Changes the name under which those find this server who look for servers.
    pub fn set_display_name(&self, name: DisplayName) {
        self.shared.outbox.lock().set_display_name(name);
        self.shared.handle_command();
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
        let is_asked = self.shared.outbox.lock().judge(Judged { peer, verdict });
        if is_asked {
            // Somebody waits for it: it does not gather with messages.
            self.shared.handle_command();
            self.shared.ask_flush();
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
        self.shared.outbox.lock().set_conditions(Change { peer, direction, conditions });
        self.shared.handle_command();
        Ok(())
    }

    /// Somebody about whom the game has been asked and has not answered.
    #[must_use]
    pub fn applicant(&self, peer: PeerId) -> Option<Arc<Applicant>> {
        self.shared.outbox.lock().applicant(peer)
    }

    /// What a connected peer's token says of him, if he came with one.
    #[must_use]
    pub fn peer_token(&self, peer: PeerId) -> Option<Arc<TokenInfo>> {
        self.shared.outbox.lock().peer_token(peer)
    }

    /// This engine's own clock, which reads 0 when the engine starts and goes on evenly.
    #[must_use]
    pub fn time(&self) -> ServerTime {
        ServerTime::exact(self.shared.now())
    }

    /// A peer's clock, if it was asked for and has answered. Whoever reads it later reads no earlier time, on any thread.
    #[must_use]
    pub fn server_time(&self, peer: PeerId) -> Option<ServerTime> {
        let mut outbox = self.shared.outbox.lock();
        outbox.server_time(self.shared.now(), peer)
    }

    /// Begins to ask for a peer's time, or to ask often again. `false`: nobody has this id.
    pub fn synchronise_clock(&self, peer: PeerId) -> bool {
        let is_there = self.shared.outbox.lock().synchronise_clock(peer);
        if is_there {
            self.shared.handle_command();
        }
        is_there
    }

    /// Peers that are connected.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.shared.outbox.lock().peers().collect()
    }

    /// One peer, if it is connected.
    #[must_use]
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.shared.outbox.lock().peer(peer)
    }

    /// The connected peer whose [`PeerInfo::number`] this is.
    #[must_use]
    pub fn peer_by_number(&self, number: u32) -> Option<PeerInfo> {
        self.shared.outbox.lock().peer_by_number(number)
    }

    /// The only peer there is, as [`peers`](Self::peers) lists it: a client's server.
    #[must_use]
    pub fn server_info(&self) -> Option<PeerInfo> {
        self.shared.outbox.lock().peers().next()
    }

    /// The channels towards a peer.
    #[must_use]
    pub fn channels(&self, peer: PeerId) -> Option<Arc<ChannelTable>> {
        self.shared.outbox.lock().channels(peer)
    }

    /// Figures of a peer, at most 100 ms older than its last datagram.
    #[must_use]
    pub fn peer_statistics(&self, peer: PeerId) -> Option<ConnectionStatistics> {
        self.shared.outbox.lock().statistics(peer)
    }

    /// What may be sent to a peer now, and how long messages would wait. `None`: nobody has this id.
    #[must_use]
    pub fn send_budget(&self, peer: PeerId) -> Option<SendBudget> {
        self.shared.outbox.lock().send_budget(peer)
    }

    /// Figures of one channel towards a peer, as old as those of the peer. `None`: nobody has this id, or the channel is
    /// not in the table, or nothing was reported yet.
    #[must_use]
    pub fn channel_statistics(
        &self,
        peer: PeerId,
        channel: impl Into<ChannelId>,
    ) -> Option<ChannelStatistics> {
        self.shared.outbox.lock().channel_statistics(peer, channel.into())
    }

    /// What a modelled link towards a peer has counted since [`set_conditions`](Self::set_conditions) switched it on, at
    /// most 100 ms old. `None`: nobody has this id, or that way is not modelled.
    #[must_use]
    pub fn condition_statistics(&self, peer: PeerId, direction: Direction) -> Option<LinkStatistics> {
        self.shared.outbox.lock().condition_statistics(peer, direction)
    }

    /// Figures of the whole engine.
    #[must_use]
    pub fn statistics(&self) -> EngineStatistics {
        self.shared.statistics()
    }

    /// The address datagrams leave from.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.shared.rebinding.local()
    }

    /// Binds another socket for a client and goes on through it: at this address, or at any port of the former one's.
    /// Gives the new address; `None` if nobody is connected: a handshake holds for the address it began at.
    ///
    /// # Errors
    /// [`EngineError::Bind`]; [`EngineError::Config`] if the other side cannot be reached from there, and where an address
    /// cannot change: at a server, in memory, in plaintext. Nothing has changed then.
    pub fn rebind(&self, address: Option<SocketAddr>) -> Result<Option<SocketAddr>, EngineError> {
        let Some(PeerInfo { remote, .. }) = self.server_info() else { return Ok(None) };
        let local = self.shared.rebinding.bind(address, remote)?;
        self.shared.handle_command();
        Ok(Some(local))
    }

    /// Lets queued messages leave without gathering more.
    pub fn flush(&self) {
        self.shared.ask_flush();
    }

    /// Makes a waiting [`Engine::update`](super::Engine::update) return.
    pub fn wake(&self) {
        self.shared.interrupt();
    }
}
