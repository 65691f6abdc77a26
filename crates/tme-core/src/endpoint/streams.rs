//! Connections that streams carry: which stream belongs to whom, and what its end means (`docs/PROTOCOL.md`, section 12).

use std::collections::{BTreeMap, VecDeque};

use super::{Endpoint, PeerState};
use crate::connection::{PeerId, StreamEnd};
use crate::datagram::{Path, StreamId};
use crate::random::Random;
use crate::time::Instant;

/// Who is carried by which stream. A stream carries one connection, from its first authentic packet on.
#[derive(Debug, Default)]
pub(super) struct Carried {
    slots: BTreeMap<StreamId, u32>,
    /// Streams that carry somebody now.
    claimed: VecDeque<StreamId>,
    /// Streams that carry nobody any more.
    released: VecDeque<StreamId>,
}

impl Carried {
    /// Whether somebody else is carried by the stream of this path.
    pub fn is_taken(&self, path: &Path, index: Option<usize>) -> bool {
        let carried = path.stream.and_then(|stream| self.slots.get(&stream));
        carried.is_some_and(|&slot| Some(slot as usize) != index)
    }

    /// The connection in this slot has gone from one path to another, or to none.
    pub fn change(&mut self, index: usize, former: Option<StreamId>, path: Option<StreamId>) {
        if let Some(former) = former.filter(|former| Some(*former) != path)
            && self.slots.remove(&former).is_some()
        {
            self.released.push_back(former);
        }
        if let Some(stream) = path {
            self.slots.insert(stream, index as u32);
            self.claimed.push_back(stream);
        }
    }
}

impl Endpoint {
    /// The peer that a stream carries, from its first authentic packet on.
    #[must_use]
    pub fn peer_in_stream(&self, stream: StreamId) -> Option<PeerId> {
        let index = *self.carried.slots.get(&stream)? as usize;
        match &self.slots.get(index)?.state {
            PeerState::Connected(connection) => Some(connection.peer()),
            PeerState::Connecting(_) | PeerState::Applying(_) => None,
        }
    }

    /// Takes a stream that carries a connection since not long ago: it is to live as long as that.
    pub fn poll_claimed_stream(&mut self) -> Option<StreamId> {
        self.carried.claimed.pop_front()
    }

    /// Takes a stream that carries nobody any more: its connection is over, or goes on another way. What it was given is to
    /// be sent still, then it is to be closed.
    pub fn poll_released_stream(&mut self) -> Option<StreamId> {
        self.carried.released.pop_front()
    }

    /// Tells that a stream takes nothing more for now, or takes something again. Its connection keeps what it has to say
    /// meanwhile, with unreliable messages growing stale.
    pub fn set_stream_blocked(&mut self, stream: StreamId, is_blocked: bool) {
        let Some(&slot) = self.carried.slots.get(&stream) else { return };
        let index = slot as usize;
        if let Some(connection) = self.connection_mut(index) {
            connection.set_stream_blocked(is_blocked);
            self.make_ready(index);
        }
    }

    /// Tells that a stream has ended. A connection that it carried waits for its client to come another way, or ends if it
    /// cannot; an attempt to connect through it goes on until its time is up, so that others may make it good.
    pub fn handle_stream_end(&mut self, now: Instant, stream: StreamId, end: StreamEnd) {
        // Whoever only tries it stands in no list; there are few at a client, and none at a server that matter.
        let carried = self.carried.slots.remove(&stream).map(|slot| slot as usize);
        let trying = self.server.is_none().then(|| self.slots.iter().map(|(index, _)| index).collect());
        let indices: Vec<usize> = trying.unwrap_or_else(|| carried.into_iter().collect());
        for index in indices {
            if let Some(PeerState::Connected(connection)) =
                self.slots.get_mut(index).map(|peer| &mut peer.state)
            {
                connection.handle_stream_end(now, stream, end, &mut self.workspace);
                self.make_ready(index);
            }
        }
    }

    /// Asks whether another way leads to a client's server, too; if it does, the connection goes on there and
    /// [`Event::LinkChanged`](crate::connection::Event::LinkChanged) tells. `false`: not possible now, or there already.
    pub fn try_path(&mut self, now: Instant, peer: PeerId, path: Path, random: &mut dyn Random) -> bool {
        let data = random.next_u64().to_le_bytes();
        let mut is_tried = false;
        self.change(peer, |connection| is_tried = connection.try_path(now, path, data));
        is_tried
    }
}
