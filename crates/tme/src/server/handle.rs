//! What every thread may ask of a server: the methods that [`Server`] and [`ServerHandle`] have in common.

use std::sync::Arc;

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::clock::ServerTime;
use tme_core::connection::{
    Applicant, ChannelStatistics, CloseMode, ConnectionStatistics, Farewell, PeerId, SendBudget, SendError,
    SendOptions, TokenInfo,
};
use tme_core::handshake::parameters::{DETAIL_BYTES_MAX, Detail, Refusal, UserData};
use tme_core::handshake::reason::Reason;
use tme_core::link::{LinkConditions, LinkStatistics};
use tme_core::payload::Payload;
use tme_core::serial::Message;
use tme_transport::engine::{Broadcast, Direction, EngineStatistics, Handle, MessageBytes, PeerInfo};

use super::builder::{display_name, information};
use super::{Server, ShutdownReport};
use crate::typed::{channel_of, with_bytes};
use crate::{Error, SendMessageError};

/// A server as other threads see it. Cheap to clone; no method waits for the network.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    pub(super) handle: Handle,
    pub(super) channels: Arc<ChannelTable>,
}

/// What a client is told that the game does not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RefuseAs {
    /// The game refused ([`Reason::Denied`]).
    #[default]
    Denied,
    /// The player is banned ([`Reason::Banned`]).
    Banned,
    /// There is no room ([`Reason::Full`]).
    Full,
}

impl RefuseAs {
    const fn reason(self) -> Reason {
        match self {
            Self::Denied => Reason::Denied,
            Self::Banned => Reason::Banned,
            Self::Full => Reason::Full,
        }
    }
}

/// Methods that [`Server`] and [`ServerHandle`] share.
macro_rules! server_methods {
    () => {
        /// Queues a message for a peer. A slice is copied; a [`Payload`] is passed on.
        ///
        /// # Errors
        /// [`SendError`]: nothing was queued.
        pub fn send<'a>(
            &self,
            peer: PeerId,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
        ) -> Result<(), SendError> {
            self.raw().send(peer, channel, message, SendOptions::default())
        }

        /// Queues a message with options: a deadline, a receipt, the key of a reliable-latest channel, a flush.
        ///
        /// # Errors
        /// [`SendError`]: nothing was queued.
        pub fn send_with<'a>(
            &self,
            peer: PeerId,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
            options: SendOptions,
        ) -> Result<(), SendError> {
            self.raw().send(peer, channel, message, options)
        }

        /// Queues a message for every peer; it is stored once. The result says how many could not take it, now or ever.
        ///
        /// # Errors
        /// [`SendError`] if nobody could take it: larger than the channel takes, no such channel. What single peers
        /// cannot take is no error.
        pub fn broadcast<'a>(
            &self,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
        ) -> Result<Broadcast, SendError> {
            self.raw().broadcast(None, channel, message, SendOptions::default())
        }

        /// Queues a message for every peer but one.
        ///
        /// # Errors
        /// As [`broadcast`](Self::broadcast).
        pub fn broadcast_except<'a>(
            &self,
            except: PeerId,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
        ) -> Result<Broadcast, SendError> {
            self.raw().broadcast(Some(except), channel, message, SendOptions::default())
        }

        /// Queues a message for every peer (but one) with options. A receipt is given by every peer that took it.
        ///
        /// # Errors
        /// As [`broadcast`](Self::broadcast).
        pub fn broadcast_with<'a>(
            &self,
            except: Option<PeerId>,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
            options: SendOptions,
        ) -> Result<Broadcast, SendError> {
            self.raw().broadcast(except, channel, message, options)
        }

        /// Queues a message for the peers named; it is stored once.
        ///
        /// # Errors
        /// As [`broadcast`](Self::broadcast).
        pub fn multicast<'a>(
            &self,
            peers: impl IntoIterator<Item = PeerId>,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
        ) -> Result<Broadcast, SendError> {
            self.raw().multicast(peers, channel, message, SendOptions::default())
        }

        /// Queues a message for the peers named with options. A receipt is given by every peer that took it.
        ///
        /// # Errors
        /// As [`broadcast`](Self::broadcast).
        pub fn multicast_with<'a>(
            &self,
            peers: impl IntoIterator<Item = PeerId>,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
            options: SendOptions,
        ) -> Result<Broadcast, SendError> {
            self.raw().multicast(peers, channel, message, options)
        }

        /// Queues a message of the game's own types for a peer, on the channel that its type names.
        ///
        /// # Errors
        /// [`SendMessageError`]: nothing was queued.
        pub fn send_message<M: Message>(&self, peer: PeerId, message: &M) -> Result<(), SendMessageError> {
            self.send_message_with(peer, message, SendOptions::default())
        }

        /// As [`send_message`](Self::send_message), with options: a deadline, a receipt, a key, a flush.
        ///
        /// # Errors
        /// As [`send_message`](Self::send_message).
        pub fn send_message_with<M: Message>(
            &self,
            peer: PeerId,
            message: &M,
            options: SendOptions,
        ) -> Result<(), SendMessageError> {
            let channel = channel_of::<M>(Some(&self.channels))?;
            with_bytes(message, |bytes| self.raw().send(peer, channel, bytes, options))
        }

        /// Queues a message of the game's own types for every peer; it is written and stored once.
        ///
        /// # Errors
        /// [`SendMessageError`] if nobody could take it. What single peers cannot take is counted in the result.
        pub fn broadcast_message<M: Message>(&self, message: &M) -> Result<Broadcast, SendMessageError> {
            self.broadcast_message_with(None, message, SendOptions::default())
        }

        /// As [`broadcast_message`](Self::broadcast_message), for every peer but one.
        ///
        /// # Errors
        /// As [`broadcast_message`](Self::broadcast_message).
        pub fn broadcast_message_except<M: Message>(
            &self,
            except: PeerId,
            message: &M,
        ) -> Result<Broadcast, SendMessageError> {
            self.broadcast_message_with(Some(except), message, SendOptions::default())
        }

        /// As [`broadcast_message`](Self::broadcast_message), for every peer (but one) with options.
        ///
        /// # Errors
        /// As [`broadcast_message`](Self::broadcast_message).
        pub fn broadcast_message_with<M: Message>(
            &self,
            except: Option<PeerId>,
            message: &M,
            options: SendOptions,
        ) -> Result<Broadcast, SendMessageError> {
            let channel = channel_of::<M>(Some(&self.channels))?;
            with_bytes(message, |bytes| self.raw().broadcast(except, channel, bytes, options))
        }

        /// Queues a message of the game's own types for the peers named; it is written and stored once.
        ///
        /// # Errors
        /// As [`broadcast_message`](Self::broadcast_message).
        pub fn multicast_message<M: Message>(
            &self,
            peers: impl IntoIterator<Item = PeerId>,
            message: &M,
        ) -> Result<Broadcast, SendMessageError> {
            let channel = channel_of::<M>(Some(&self.channels))?;
            with_bytes(message, |bytes| self.raw().multicast(peers, channel, bytes, SendOptions::default()))
        }

        /// Ends the connection to a peer after its queued reliable messages went through, for at most 3 s.
        /// `Disconnected` follows. `false`: nobody has this id (any more).
        pub fn disconnect(&self, peer: PeerId) -> bool {
            self.raw().disconnect(peer, CloseMode::Flush, Farewell::new(Reason::Closed))
        }

        /// Ends the connection to a peer as [`disconnect`](Self::disconnect) does, with a code and up to 512 bytes of
        /// explanation of the game's own. `false`: nobody has this id (any more).
        pub fn disconnect_with(&self, peer: PeerId, code: u32, detail: impl Into<Payload>) -> bool {
            let farewell = Farewell { reason: Reason::Closed, code, detail: detail.into() };
            self.raw().disconnect(peer, CloseMode::Flush, farewell)
        }

        /// Throws a peer out at once, with a code and up to 512 bytes of explanation of the game's own. `false`: nobody
        /// has this id (any more).
        pub fn kick(&self, peer: PeerId, code: u32, detail: impl Into<Payload>) -> bool {
            let farewell = Farewell { reason: Reason::Kicked, code, detail: detail.into() };
            self.raw().disconnect(peer, CloseMode::Now, farewell)
        }

        /// Lets a client in that [`Event::Admission`](crate::Event::Admission) has asked about. `Connected` follows, or
        /// `Disconnected` if it has gone or the server is full. `false`: nobody asks under this id (any more).
        pub fn accept(&self, peer: PeerId) -> bool {
            self.raw().accept(peer, UserData::default())
        }

        /// As [`accept`](Self::accept), with up to 512 bytes that the client finds in its `Connected`.
        ///
        /// # Errors
        /// [`Error::Config`]: they are more; nothing is decided.
        pub fn accept_with(&self, peer: PeerId, user_data: impl Into<Vec<u8>>) -> Result<bool, Error> {
            let user_data = UserData::new(user_data);
            let user_data = user_data.map_err(|error| Error::Config(format!("user data: {error}")))?;
            Ok(self.raw().accept(peer, user_data))
        }

        /// Turns a client away that [`Event::Admission`](crate::Event::Admission) has asked about. It is told at once, with
        /// up to 512 bytes of explanation; `Disconnected` follows here, too. `false`: nobody asks under this id (any more).
        pub fn refuse(&self, peer: PeerId, reason: RefuseAs, detail: impl AsRef<[u8]>) -> bool {
            let detail = detail.as_ref();
            let detail = detail.get(..DETAIL_BYTES_MAX).unwrap_or(detail);
            let detail = Detail::new(detail).unwrap_or_default();
            self.raw().refuse(peer, Refusal { reason: reason.reason(), detail })
        }

        /// Who asks to be let in under this id, until that is decided: what [`Event::Admission`](crate::Event::Admission)
        /// told.
        #[must_use]
        pub fn applicant(&self, peer: PeerId) -> Option<Arc<Applicant>> {
            self.raw().applicant(peer)
        }

        /// What the game's backend says of a connected player: what [`Connected`](crate::Connected) told. `None` if he came
        /// without a connect token, or nobody has this id.
        #[must_use]
        pub fn peer_token(&self, peer: PeerId) -> Option<Arc<TokenInfo>> {
            self.raw().peer_token(peer)
        }

        /// Changes what the game tells those who only ask what this server is, at most 512 bytes.
        ///
        /// # Errors
        /// [`Error::Config`]: there are more; nothing is changed.
        pub fn set_information(&self, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
            self.raw().set_information(information(bytes.into())?);
            Ok(())
        }

        /// Changes the name under which players on the same network find this server, at most 64 bytes without control
        /// characters. Nothing happens if it is not [`discoverable`](crate::ServerBuilder::discoverable).
        ///
        /// # Errors
        /// [`Error::Config`]: it cannot be a name; nothing is changed.
        pub fn set_display_name(&self, name: impl Into<String>) -> Result<(), Error> {
            self.raw().set_display_name(display_name(name.into())?);
            Ok(())
        }

        /// Sets how many bytes of UDP payload may leave for a peer in a second, at least 1,200; `None` leaves it to the path.
        /// `false`: nobody has this id (any more).
        pub fn set_rate_cap(&self, peer: PeerId, bytes_per_second: Option<u64>) -> bool {
            self.raw().set_rate_cap(peer, bytes_per_second)
        }

        /// The server's own clock, which read 0 when the server started: what clients estimate by
        /// [`Client::server_time`](crate::Client::server_time). It goes on evenly, and its error is zero.
        ///
        /// A game whose ticks follow [`ServerTime::tick`] simulates the ticks that its clients count.
        #[must_use]
        pub fn time(&self) -> ServerTime {
            self.raw().time()
        }

        /// Peers that are connected.
        #[must_use]
        pub fn peers(&self) -> Vec<PeerInfo> {
            self.raw().peers()
        }

        /// One peer's address, number and identity key, if it is connected.
        #[must_use]
        pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
            self.raw().peer(peer)
        }

        /// The peer with this number, which `Connected` told both sides and which no other peer of this server ever
        /// gets. `None` if it is not connected (any more).
        #[must_use]
        pub fn peer_by_number(&self, number: u32) -> Option<PeerInfo> {
            self.raw().peer_by_number(number)
        }

        /// The channels towards a peer, if it is connected.
        #[must_use]
        pub fn channels(&self, peer: PeerId) -> Option<Arc<ChannelTable>> {
            self.raw().channels(peer)
        }

        /// Figures of one peer, at most 100 ms older than its last datagram.
        #[must_use]
        pub fn peer_statistics(&self, peer: PeerId) -> Option<ConnectionStatistics> {
            self.raw().peer_statistics(peer)
        }

        /// What may be sent to a peer now, and how long a message would wait on each channel: what this server has given
        /// to [`send`](Self::send) counts, whether it has left or not. `None` if nobody has this id.
        #[must_use]
        pub fn send_budget(&self, peer: PeerId) -> Option<SendBudget> {
            self.raw().send_budget(peer)
        }

        /// Figures of one channel towards a peer: queue depth, queue time, resent, expired. `None` if nobody has this
        /// id or the table has no such channel.
        #[must_use]
        pub fn channel_statistics(
            &self,
            peer: PeerId,
            channel: impl Into<ChannelId>,
        ) -> Option<ChannelStatistics> {
            self.raw().channel_statistics(peer, channel)
        }

        /// Figures of the whole server.
        #[must_use]
        pub fn statistics(&self) -> EngineStatistics {
            self.raw().statistics()
        }

        /// Figures of each network thread, of which [`statistics`](Self::statistics) is the sum; one entry where there are
        /// not several.
        #[must_use]
        pub fn thread_statistics(&self) -> Vec<EngineStatistics> {
            self.raw().thread_statistics()
        }

        /// Which network thread has a peer: its index in [`thread_statistics`](Self::thread_statistics). `None`: nobody has this
        /// id (any more). A peer stays with its thread for as long as it is connected.
        #[must_use]
        pub fn thread_of(&self, peer: PeerId) -> Option<usize> {
            self.raw().thread_of(peer)
        }

        /// Switches modelled network conditions towards a peer on, changes them, or (`None`) off. They end with the
        /// connection. A peer that is gone is no error.
        ///
        /// # Errors
        /// [`Error::Conditions`] if they cannot be.
        pub fn set_conditions(
            &self,
            peer: PeerId,
            direction: Direction,
            conditions: Option<LinkConditions>,
        ) -> Result<(), Error> {
            Ok(self.raw().set_conditions(peer, direction, conditions)?)
        }

        /// What the modelled network towards a peer has counted since it was switched on, at most 100 ms old. `None` if
        /// that way is not modelled, or nobody has this id.
        #[must_use]
        pub fn condition_statistics(&self, peer: PeerId, direction: Direction) -> Option<LinkStatistics> {
            self.raw().condition_statistics(peer, direction)
        }

        /// What the end of the server has come to so far, at most 20 ms old. `None`: it has not begun.
        #[must_use]
        pub fn shutdown_report(&self) -> Option<ShutdownReport> {
            self.raw().closing_report().map(ShutdownReport::from)
        }
    };
}

impl Server {
    server_methods!();

    fn raw(&self) -> &Handle {
        self.engine.handle()
    }
}

impl ServerHandle {
    server_methods!();

    fn raw(&self) -> &Handle {
        &self.handle
    }

    /// Makes a waiting [`Server::update`] return.
    pub fn wake(&self) {
        self.handle.wake();
    }

    /// Lets queued messages leave now instead of after the gathering time.
    pub fn flush(&self) {
        self.handle.flush();
    }
}
