//! What every thread may ask of a client: the methods that [`Client`] and [`ClientHandle`] have in common.

use std::net::SocketAddr;
use std::sync::Arc;

use tme_core::channel::{ChannelId, ChannelTable};
use tme_core::clock::ServerTime;
use tme_core::connection::{
    ChannelStatistics, CloseMode, ConnectionStatistics, Farewell, PeerId, SendBudget, SendError, SendOptions,
};
use tme_core::datagram::LinkKind;
use tme_core::handshake::reason::Reason;
use tme_core::link::{LinkConditions, LinkStatistics};
use tme_core::payload::Payload;
use tme_core::serial::{Message, MessageChannel};
use tme_transport::engine::{Direction, EngineStatistics, Handle, MessageBytes, PeerInfo};

use super::Client;
use crate::typed::{channel_of, with_bytes};
use crate::{Error, SendMessageError};

/// A client as other threads see it. Cheap to clone; no method waits for the network.
#[derive(Clone, Debug)]
pub struct ClientHandle {
    pub(super) handle: Handle,
}

/// Methods that [`Client`] and [`ClientHandle`] share.
macro_rules! client_methods {
    () => {
        /// Queues a message for the server. A slice is copied; a [`Payload`] is passed on.
        ///
        /// # Errors
        /// [`SendError`]: nothing was queued. [`SendError::NotConnected`] before `Connected`.
        pub fn send<'a>(
            &self,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
        ) -> Result<(), SendError> {
            self.raw().send_to_server(channel, message, SendOptions::default())
        }

        /// Queues a message with options: a deadline, a receipt, the key of a reliable-latest channel, a flush.
        ///
        /// # Errors
        /// As [`send`](Self::send).
        pub fn send_with<'a>(
            &self,
            channel: impl Into<ChannelId>,
            message: impl Into<MessageBytes<'a>>,
            options: SendOptions,
        ) -> Result<(), SendError> {
            self.raw().send_to_server(channel, message, options)
        }

        /// Queues a message of the game's own types for the server, on the channel that its type names.
        ///
        /// # Errors
        /// [`SendMessageError`]: nothing was queued. [`SendError::NotConnected`] in it before `Connected`.
        pub fn send_message<M: Message>(&self, message: &M) -> Result<(), SendMessageError> {
            self.send_message_with(message, SendOptions::default())
        }

        /// As [`send_message`](Self::send_message), with options: a deadline, a receipt, a key, a flush.
        ///
        /// # Errors
        /// As [`send_message`](Self::send_message).
        pub fn send_message_with<M: Message>(
            &self,
            message: &M,
            options: SendOptions,
        ) -> Result<(), SendMessageError> {
            let channel = match M::CHANNEL {
                MessageChannel::Id(id) => id,
                MessageChannel::Named(_) => channel_of::<M>(self.channels().as_deref())?,
            };
            with_bytes(message, |bytes| self.raw().send_to_server(channel, bytes, options))
        }

        /// Whether the server is connected.
        #[must_use]
        pub fn is_connected(&self) -> bool {
            self.raw().server().is_some()
        }

        /// The server's id in this client, while it is connected.
        #[must_use]
        pub fn server(&self) -> Option<PeerId> {
            self.raw().server()
        }

        /// The server's id, address and key, and the number it gave this client, while it is connected.
        #[must_use]
        pub fn server_info(&self) -> Option<PeerInfo> {
            self.raw().server_info()
        }

        /// The channels of the connection, while there is one: the server's table, if the client declared none.
        #[must_use]
        pub fn channels(&self) -> Option<Arc<ChannelTable>> {
            let handle = self.raw();
            handle.server().and_then(|peer| handle.channels(peer))
        }

        /// Ends the connection after queued reliable messages went through, for at most 3 s; `Disconnected` follows.
        /// `code` and up to 512 bytes of `detail` are the game's own. `false`: there is no connection.
        pub fn disconnect(&self, code: u32, detail: impl Into<Payload>) -> bool {
            let handle = self.raw();
            let farewell = Farewell { reason: Reason::Closed, code, detail: detail.into() };
            handle.server().is_some_and(|peer| handle.disconnect(peer, CloseMode::Flush, farewell))
        }

        /// What carries the connection at the moment; `None` while there is none.
        #[must_use]
        pub fn link(&self) -> Option<LinkKind> {
            let handle = self.raw();
            Some(handle.peer(handle.server()?)?.link)
        }

        /// The address datagrams leave from.
        #[must_use]
        pub fn local_addr(&self) -> SocketAddr {
            self.raw().local_address()
        }

        /// Goes on through another socket, at any port, as after a change of the network: the session lives on, with all
        /// that is queued. Gives the new local address. A client whose socket has broken, or through which nothing could
        /// be sent for a second, does this by itself.
        ///
        /// Before `Connected` there is no session to keep, and what the server has said so far holds for the old address
        /// alone: drop a client that is still connecting and start another.
        ///
        /// # Errors
        /// [`SendError::NotConnected`] before `Connected`; [`Error::Engine`] if no socket can be bound from which
        /// the server can be reached, or none may be: in plaintext, where nobody can prove to be the same, and over a link
        /// in memory. Nothing has changed then.
        pub fn rebind(&self) -> Result<SocketAddr, Error> {
            self.rebind_as(None)
        }

        /// As [`rebind`](Self::rebind), with the local address to send from.
        ///
        /// # Errors
        /// As [`rebind`](Self::rebind).
        pub fn rebind_to(&self, address: SocketAddr) -> Result<SocketAddr, Error> {
            self.rebind_as(Some(address))
        }

        fn rebind_as(&self, address: Option<SocketAddr>) -> Result<SocketAddr, Error> {
            Ok(self.raw().rebind(address)?.ok_or(SendError::NotConnected)?)
        }

        /// Sets how many bytes of UDP payload may leave in a second, at least 1,200; `None` leaves it to the path. `false`:
        /// there is no connection.
        pub fn set_rate_cap(&self, bytes_per_second: Option<u64>) -> bool {
            let handle = self.raw();
            handle.server().is_some_and(|peer| handle.set_rate_cap(peer, bytes_per_second))
        }

        /// The server's time, a bound of its error, and the server's ticks counted on it. `None` before the first answer,
        /// without a connection, and if nothing asked for it: [`synchronise_clock`](Self::synchronise_clock).
        ///
        /// Once it [is synchronised](ServerTime::is_synchronised) no reading is earlier than one before, on whichever
        /// thread, until an [`Event::Clock`](crate::Event::Clock) tells of a step. Reading costs a lock and no datagram, and works between
        /// updates as well as in them.
        #[must_use]
        pub fn server_time(&self) -> Option<ServerTime> {
            let handle = self.raw();
            handle.server_time(handle.server()?)
        }

        /// Begins to ask for the server's time: ten times a second at first, then more and more seldom, once a second from
        /// 45 s on; some 90 bytes both ways together each time. Called again, it begins anew: after a pause, say. `false`:
        /// there is no connection.
        ///
        /// [`Event::Clock`](crate::Event::Clock) tells when the time is known.
        pub fn synchronise_clock(&self) -> bool {
            let handle = self.raw();
            handle.server().is_some_and(|peer| handle.synchronise_clock(peer))
        }

        /// Figures of the connection, at most 100 ms older than its last datagram.
        #[must_use]
        pub fn statistics(&self) -> Option<ConnectionStatistics> {
            let handle = self.raw();
            handle.server().and_then(|peer| handle.peer_statistics(peer))
        }

        /// What may be sent now, and how long a message would wait on each channel: what was given to
        /// [`send`](Self::send) counts, whether it has left or not. `None` if not connected.
        #[must_use]
        pub fn send_budget(&self) -> Option<SendBudget> {
            let handle = self.raw();
            handle.server().and_then(|peer| handle.send_budget(peer))
        }

        /// Figures of one channel: queue depth, queue time, resent, expired. `None` if not connected or the table has no
        /// such channel.
        #[must_use]
        pub fn channel_statistics(&self, channel: impl Into<ChannelId>) -> Option<ChannelStatistics> {
            let handle = self.raw();
            handle.server().and_then(|peer| handle.channel_statistics(peer, channel))
        }

        /// Figures of the client as a whole, socket included.
        #[must_use]
        pub fn engine_statistics(&self) -> EngineStatistics {
            self.raw().statistics()
        }

        /// Switches modelled network conditions on, changes them, or (`None`) off. They end with the connection; while
        /// there is none, the call does nothing.
        ///
        /// # Errors
        /// [`Error::Conditions`] if they cannot be.
        pub fn set_conditions(
            &self,
            direction: Direction,
            conditions: Option<LinkConditions>,
        ) -> Result<(), Error> {
            let handle = self.raw();
            match handle.server() {
                Some(peer) => Ok(handle.set_conditions(peer, direction, conditions)?),
                None => Ok(()),
            }
        }

        /// What the modelled network has counted since it was switched on, at most 100 ms old. `None` if that way is
        /// not modelled, or there is no connection.
        #[must_use]
        pub fn condition_statistics(&self, direction: Direction) -> Option<LinkStatistics> {
            let handle = self.raw();
            handle.server().and_then(|peer| handle.condition_statistics(peer, direction))
        }
    };
}

impl Client {
    client_methods!();

    fn raw(&self) -> &Handle {
        self.engine.handle()
    }
}

impl ClientHandle {
    client_methods!();

    fn raw(&self) -> &Handle {
        &self.handle
    }

    /// Makes a waiting [`Client::update`] return.
    pub fn wake(&self) {
        self.handle.wake();
    }

    /// Lets queued messages leave now instead of after the gathering time.
    pub fn flush(&self) {
        self.handle.flush();
    }
}
