//! What comes from outside: telling datagrams apart, and packets on their way to their connection.

use super::{Endpoint, PeerState};
use crate::connection::PacketDrop;
use crate::datagram::{Ecn, Path};
use crate::handshake::datagram::MAGIC;
use crate::random::Random;
use crate::time::{Instant, UnixTime};
use crate::wire::header::{connection_id_of, is_data_packet};

impl Endpoint {
    /// Learns what the wall clock says. A server that takes connect tokens wants to know it before each batch of datagrams,
    /// and refuses all tokens until it is told; the first time also tells when the server started.
    pub fn handle_unix_time(&mut self, now: UnixTime) {
        if let Some(server) = &mut self.server {
            server.handshake.handle_unix_time(now);
        }
    }

    /// Takes one datagram. It is decrypted in place.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        path: Path,
        ecn: Ecn,
        datagram: &mut [u8],
        random: &mut dyn Random,
    ) {
        self.handle_late_datagram(now, now, path, ecn, datagram, random);
    }

    /// Takes one datagram that reached this machine at `arrived_at`, some time before it was read. Only estimates of
    /// clocks look at that.
    pub fn handle_late_datagram(
        &mut self,
        now: Instant,
        arrived_at: Instant,
        path: Path,
        ecn: Ecn,
        datagram: &mut [u8],
        random: &mut dyn Random,
    ) {
        self.statistics.datagrams_received += 1;
        self.statistics.bytes_received += datagram.len() as u64;
        if is_data_packet(datagram) {
            self.handle_packet(now, arrived_at, path, ecn, datagram, random);
        } else if datagram.starts_with(&MAGIC) {
            self.handle_handshake(now, path, datagram, random);
        } else {
            self.statistics.drops.add(PacketDrop::NotTme);
        }
    }

    fn handle_packet(
        &mut self,
        now: Instant,
        arrived_at: Instant,
        path: Path,
        ecn: Ecn,
        datagram: &mut [u8],
        random: &mut dyn Random,
    ) {
        let Some(id) = connection_id_of(datagram) else {
            self.statistics.drops.add(PacketDrop::Malformed);
            return;
        };
        let index = self.slots.index_of_connection(id);
        let connection = index.and_then(|index| match &mut self.slots.get_mut(index)?.state {
            PeerState::Connected(connection) => Some(connection),
            PeerState::Connecting(_) | PeerState::Applying(_) => None,
        });
        let (Some(index), Some(connection)) = (index, connection) else {
            self.statistics.drops.add(PacketDrop::UnknownConnection);
            self.answer_unknown(now, path, id, datagram.len());
            return;
        };
        let was_unconfirmed = connection.is_unconfirmed();
        let former = connection.path().remote;
        let first_event = self.workspace.events.len();
        connection.note_arrival(arrived_at);
        let result = connection.handle_datagram(now, path, ecn, datagram, &mut self.workspace);
        let is_confirmed = was_unconfirmed && !connection.is_unconfirmed();
        let is_closing = connection.is_closing();
        if let Err(drop) = result {
            self.statistics.drops.add(drop);
            // One forgery too many for a key makes the connection say goodbye.
            if is_closing {
                self.make_ready(index);
            }
            return;
        }
        if connection.needs_challenge() {
            connection.challenge_path(random.next_u64().to_le_bytes());
        }
        let remote = connection.path().remote;
        if remote.ip() != former.ip()
            && let Some(server) = &self.server
        {
            connection.renew_reset_token(server.handshake.reset_token(id, remote.ip()));
        }
        if is_confirmed {
            self.confirm(now, index, first_event);
        }
        self.make_ready(index);
    }
}
