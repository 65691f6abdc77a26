//! What an endpoint tells about itself.

use std::ops::Add;

use crate::connection::PacketDrops;
use crate::handshake::drops::DropCounts;
use crate::handshake::server::HandshakeStatistics;

/// A snapshot of an endpoint's figures since its start.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndpointStatistics {
    /// Peers connected (or accepted and about to be).
    pub peers: usize,
    /// Of these, accepted and not heard of since.
    pub unconfirmed: usize,
    /// Clients about whom the game is being asked.
    pub applicants: usize,
    /// Peers accepted that gave way to others at a full server, because they had not been heard of.
    pub unconfirmed_evicted: u64,
    /// Peers that a newer connection of the same identity has replaced.
    pub peers_replaced: u64,
    /// Clients refused because the game did not decide in time.
    pub undecided: u64,
    /// Clients refused because this endpoint is on its way to its end.
    pub refused_parting: u64,
    /// Datagrams taken in, whatever became of them.
    pub datagrams_received: u64,
    /// Their bytes of UDP payload.
    pub bytes_received: u64,
    /// Datagrams handed out.
    pub datagrams_sent: u64,
    /// Their bytes of UDP payload.
    pub bytes_sent: u64,
    /// RESETs sent to peers of an earlier run.
    pub resets_sent: u64,
    /// Queries for server information, well-formed and within the limit; all are answered but those counted in
    /// `replies_dropped`.
    pub info_queries: u64,
    /// Answers to handshakes and queries dropped because too many waited.
    pub replies_dropped: u64,
    /// Data packets dropped, by reason; those of single connections are counted here too.
    pub drops: PacketDrops,
    /// What happened to handshakes, at a server; the drops are those of this endpoint's own attempts, too.
    pub handshake: HandshakeStatistics,
    /// Answers to this endpoint's own attempts to connect that had no effect, by reason.
    pub attempt_drops: DropCounts,
}

impl Add for EndpointStatistics {
    type Output = Self;

    /// The figures of two endpoints of one server together.
    fn add(mut self, other: Self) -> Self {
        let Self {
            peers,
            unconfirmed,
            applicants,
            unconfirmed_evicted,
            peers_replaced,
            undecided,
            refused_parting,
            datagrams_received,
            bytes_received,
            datagrams_sent,
            bytes_sent,
            resets_sent,
            info_queries,
            replies_dropped,
            drops,
            handshake,
            attempt_drops,
        } = other;
        self.peers += peers;
        self.unconfirmed += unconfirmed;
        self.applicants += applicants;
        self.unconfirmed_evicted += unconfirmed_evicted;
        self.peers_replaced += peers_replaced;
        self.undecided += undecided;
        self.refused_parting += refused_parting;
        self.datagrams_received += datagrams_received;
        self.bytes_received += bytes_received;
        self.datagrams_sent += datagrams_sent;
        self.bytes_sent += bytes_sent;
        self.resets_sent += resets_sent;
        self.info_queries += info_queries;
        self.replies_dropped += replies_dropped;
        self.drops.merge(&drops);
        self.handshake.merge(&handshake);
        self.attempt_drops.merge(&attempt_drops);
        self
    }
}
