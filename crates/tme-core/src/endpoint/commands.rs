//! What the application wants of an endpoint and its peers, admission apart.

use super::{Endpoint, PeerState};
use crate::channel::ChannelId;
use crate::connection::{CloseMode, Connection, Farewell, Origin, PeerId, SendError, SendOptions};
use crate::handshake::parameters::{Detail, Refusal};
use crate::handshake::reason::Reason;
use crate::payload::Payload;
use crate::time::Instant;

impl Endpoint {
    /// Queues a message for a peer. It leaves with the next [`poll_transmit`](Self::poll_transmit).
    pub fn send(
        &mut self,
        now: Instant,
        peer: PeerId,
        channel: ChannelId,
        payload: Payload,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let index = self.slots.index_of_peer(peer).ok_or(SendError::NotConnected)?;
        let connection = self.connection_mut(index).ok_or(SendError::NotConnected)?;
        connection.send(now, channel, payload, options)?;
        self.make_ready(index);
        Ok(())
    }

    /// Tells that the application took messages of a peer away, so that the peer may send more. Every message event
    /// has to be reported this way, one by one or summed up.
    pub fn consume(&mut self, peer: PeerId, channel: ChannelId, bytes: u64, messages: u64) {
        let Some(index) = self.slots.index_of_peer(peer) else { return };
        if let Some(connection) = self.connection_mut(index)
            && connection.consume(channel, bytes, messages)
        {
            self.make_ready(index);
        }
    }

    /// Tells that the application took `Delivered` and `Expired` events of a peer away: until then their messages count as
    /// queued on their channel, so that events nobody takes are bounded.
    pub fn consume_receipts(&mut self, peer: PeerId, channel: ChannelId, count: u64) {
        let Some(index) = self.slots.index_of_peer(peer) else { return };
        if let Some(PeerState::Connected(connection)) = self.slots.get_mut(index).map(|peer| &mut peer.state)
        {
            connection.consume_receipts(channel, count, &mut self.workspace);
            self.make_ready(index);
        }
    }

    /// Ends a connection or gives up an attempt; `Disconnected` follows. `false`: nobody has this id.
    pub fn disconnect(&mut self, now: Instant, peer: PeerId, mode: CloseMode, farewell: Farewell) -> bool {
        let Some(index) = self.slots.index_of_peer(peer) else { return false };
        match self.slots.get_mut(index).map(|peer| &mut peer.state) {
            Some(PeerState::Connected(connection)) => {
                connection.close(now, mode, farewell);
                self.uncount(index);
            }
            Some(PeerState::Connecting(_)) => {
                let farewell = Farewell { reason: Reason::Aborted, ..farewell };
                self.end_attempt(index, peer, Origin::Local, farewell);
            }
            Some(PeerState::Applying(_)) => {
                let detail = Detail::new(&farewell.detail[..]).unwrap_or_default();
                return self.refuse(now, peer, Refusal { reason: Reason::Denied, detail });
            }
            None => return false,
        }
        self.make_ready(index);
        true
    }

    /// Begins to ask for a peer's time, or to ask often again. `false`: nobody is connected under this id.
    pub fn synchronise_clock(&mut self, now: Instant, peer: PeerId) -> bool {
        self.change(peer, |connection| connection.synchronise_clock(now))
    }

    /// Sets how many bytes may leave for a peer in a second; see
    /// [`ConnectionConfig::rate_max`](crate::connection::ConnectionConfig::rate_max). `false`: nobody has this id.
    pub fn set_rate_max(&mut self, peer: PeerId, rate: Option<u64>) -> bool {
        self.change(peer, |connection| connection.set_rate_max(rate))
    }

    /// Gives peers that wait for reliable messages to go through before the goodbye until `until`, where the configured linger
    /// time is shorter: for an end that has more patience.
    pub fn extend_flushes(&mut self, until: Instant) {
        let indices: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
        for index in indices {
            if self.connection_mut(index).is_some_and(|connection| connection.extend_flush(until)) {
                self.make_ready(index);
            }
        }
    }

    /// Says goodbye, with the words they were given, to all peers that still wait for reliable messages to go through
    /// first: for an end that can wait no longer.
    pub fn cut_flushes_short(&mut self) {
        let indices: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
        for index in indices {
            if self.connection_mut(index).is_some_and(Connection::cut_flush_short) {
                self.make_ready(index);
            }
        }
    }

    /// Waits no longer for the other sides of connections that are closing: each that was announced ends with its
    /// `Disconnected`. What was to be said must have been sent.
    pub fn abandon_closing(&mut self) {
        let indices: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
        for index in indices {
            if let Some(PeerState::Connected(connection)) =
                self.slots.get_mut(index).map(|peer| &mut peer.state)
            {
                connection.abandon_closing(&mut self.workspace);
                self.make_ready(index);
            }
        }
    }

    /// Tells that datagrams leave from another socket from now on. Servers find out who sends, so that connections that
    /// are open live on; not in plaintext.
    pub fn handle_rebind(&mut self, now: Instant) {
        let indices: Vec<usize> = self.slots.iter().map(|(index, _)| index).collect();
        for index in indices {
            if let Some(connection) = self.connection_mut(index) {
                connection.handle_rebind(now);
                self.make_ready(index);
            }
        }
    }

    /// Opens or closes the door for new peers: while closed they are refused as `Full`.
    pub fn set_admitting(&mut self, is_admitting: bool) {
        self.is_admitting = is_admitting;
    }

    /// Changes a connection, which may have something to send then. `false`: nobody is connected under this id.
    fn change(&mut self, peer: PeerId, change: impl FnOnce(&mut Connection)) -> bool {
        let Some(index) = self.slots.index_of_peer(peer) else { return false };
        let Some(connection) = self.connection_mut(index) else { return false };
        change(connection);
        self.make_ready(index);
        true
    }
}
