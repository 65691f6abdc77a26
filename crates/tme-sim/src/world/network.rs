//! Links between the server and its clients, and everything an observer of them checks.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tme_core::connection::ConnectionConfig;
use tme_core::crypto::packet::KEY_PHASE_BIT;
use tme_core::link::{ConditionsError, Link, PathConditions};
use tme_core::time::Instant;
use tme_core::wire::header::connection_id_of;

use super::{SERVER, address_of};
use crate::config::WorldConfig;
use crate::mix::{TraceHash, mix};
use crate::oracle::{Amplification, Breach, DatagramKind, PacketNumbers, check_datagram_size};

/// What travels beside a datagram: what it was when it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    pub(super) pipe: usize,
    /// Counts the datagrams of a pipe.
    pub(super) serial: u64,
    pub(super) hash: u64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) kind: DatagramKind,
    /// Connection id and full number of a data packet.
    pub(super) packet: Option<(u32, u64)>,
    /// How often the keys of its connection had been renewed when it was sealed.
    pub(super) generation: u64,
}

/// One direction of a client's path.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) link: Link<Meta>,
    /// Limit of data packets on it.
    limit_bytes: usize,
    sent: u64,
    /// Bit per datagram: a copy was delivered.
    delivered: Vec<u64>,
    /// Datagrams lost or damaged, and when the last one was noticed.
    troubles: u64,
    pub(super) trouble_at: Option<Instant>,
}

impl Pipe {
    /// Marks a datagram as delivered; gives whether it was the first copy.
    pub(super) fn mark_delivered(&mut self, serial: u64) -> bool {
        let (word, bit) = ((serial / 64) as usize, 1 << (serial % 64));
        if self.delivered.len() <= word {
            self.delivered.resize(word + 1, 0);
        }
        let was_delivered = self.delivered[word] & bit != 0;
        self.delivered[word] |= bit;
        !was_delivered
    }

    /// What was delivered was not looked at: another copy may be.
    pub(super) fn unmark_delivered(&mut self, serial: u64) {
        if let Some(word) = self.delivered.get_mut((serial / 64) as usize) {
            *word &= !(1 << (serial % 64));
        }
    }

    /// Looks whether anything was lost or damaged since the last look.
    pub(super) fn watch(&mut self, now: Instant) {
        let statistics = self.link.statistics();
        let troubles = statistics.dropped() + statistics.corrupted;
        if troubles != self.troubles {
            self.troubles = troubles;
            self.trouble_at = Some(now);
        }
    }
}

/// Everything between the nodes.
#[derive(Debug)]
pub(super) struct Network {
    /// Two per client: up, then down.
    pub(super) pipes: Vec<Pipe>,
    /// Sealed numbers, per node.
    numbers: Vec<PacketNumbers>,
    amplification: Amplification,
    /// Client of each address in use, now or formerly.
    clients: BTreeMap<SocketAddr, usize>,
    /// By client, an address that stands for all it has had.
    homes: Vec<SocketAddr>,
    /// The newest datagrams, for an intruder to choose from.
    captured: Vec<(Meta, Vec<u8>)>,
    captured_count: usize,
    first_number: u64,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    pub(super) packet_bytes: u64,
    /// Key phase of the last packet to each address and connection id, and how often it has changed.
    phases: BTreeMap<(SocketAddr, u32), (u8, u64)>,
    pub(super) key_updates: u64,
}

const CAPTURED_MAX: usize = 64;
/// Handshake datagrams are never larger.
const HANDSHAKE_BYTES_MAX: usize = 1_200;

/// The pipe from a client to the server.
pub(super) const fn up(client: usize) -> usize {
    2 * client
}

/// The pipe from the server to a client.
pub(super) const fn down(client: usize) -> usize {
    2 * client + 1
}

impl Network {
    pub(super) fn new(config: &WorldConfig) -> Result<Self, ConditionsError> {
        let first_number = config.connection.start.packet;
        let ConnectionConfig { datagram_bytes, datagram_bytes_max, .. } = config.connection;
        let datagram_bytes_max = datagram_bytes.max(datagram_bytes_max);
        let mut pipes = Vec::new();
        for (client, plan) in config.clients.iter().enumerate() {
            let ends = [
                (plan.path.up, config.server.limits.datagram_bytes_max),
                (plan.path.down, plan.limits.datagram_bytes_max),
            ];
            for (direction, (conditions, limit)) in ends.into_iter().enumerate() {
                let seed = mix(mix(config.seed, 0x11FE), (2 * client + direction) as u64);
                pipes.push(Pipe {
                    link: Link::new(conditions, seed)?,
                    limit_bytes: datagram_bytes_max.min(limit.into()),
                    sent: 0,
                    delivered: Vec::new(),
                    troubles: 0,
                    trouble_at: None,
                });
            }
        }
        Ok(Self {
            pipes,
            numbers: vec![PacketNumbers::new(first_number); config.clients.len() + 1],
            amplification: Amplification::default(),
            clients: BTreeMap::new(),
            homes: (0..config.clients.len()).map(|client| address_of(config.family, client + 1, 0)).collect(),
            captured: Vec::new(),
            captured_count: 0,
            first_number,
            datagrams: 0,
            bytes: 0,
            packet_bytes: 0,
            phases: BTreeMap::new(),
            key_updates: 0,
        })
    }

    /// A client uses this address from now on; datagrams to its older ones still go to it.
    pub(super) fn set_address(&mut self, client: usize, address: SocketAddr) {
        self.clients.insert(address, client);
    }

    /// A node's program started anew: what it seals has new keys, and nobody is known to it.
    pub(super) fn forget_node(&mut self, node: usize) {
        self.numbers[node] = PacketNumbers::new(self.first_number);
        if node == SERVER {
            self.amplification = Amplification::default();
        }
    }

    pub(super) fn set_conditions(
        &mut self,
        now: Instant,
        client: usize,
        path: PathConditions,
    ) -> Result<(), ConditionsError> {
        self.pipes[up(client)].link.set_conditions(now, path.up)?;
        self.pipes[down(client)].link.set_conditions(now, path.down)
    }

    pub(super) fn set_partitioned(&mut self, client: usize, is_up_cut: bool, is_down_cut: bool) {
        self.pipes[up(client)].link.set_partitioned(is_up_cut);
        self.pipes[down(client)].link.set_partitioned(is_down_cut);
    }

    /// A node sends a datagram.
    pub(super) fn send(
        &mut self,
        now: Instant,
        node: usize,
        (from, to): (SocketAddr, SocketAddr),
        datagram: &[u8],
        hash: &mut TraceHash,
    ) -> Result<(), Breach> {
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
        let digest = TraceHash::of(datagram);
        for number in [now.as_micros(), node as u64, digest] {
            hash.add(number);
        }
        let kind = DatagramKind::of(datagram);
        let packet = match kind {
            DatagramKind::Data => {
                let receiver = self.receiver(node, to, datagram);
                Some(self.numbers[node].handle_sent(receiver, datagram)?)
            }
            _ => None,
        };
        let mut generation = 0;
        if let (Some((id, _)), Some(&flags)) = (packet, datagram.first()) {
            let phase = flags & KEY_PHASE_BIT;
            let (known, count) = self
                .phases
                .entry((self.clients.get(&to).map_or(to, |&client| self.homes[client]), id))
                .or_insert((phase, 0));
            let is_renewed = std::mem::replace(known, phase) != phase;
            *count += u64::from(is_renewed);
            self.key_updates += u64::from(is_renewed);
            generation = *count;
        }
        if node == SERVER {
            self.amplification.handle_sent(to, datagram)?;
        }
        let client = if node == SERVER { self.clients.get(&to).copied() } else { Some(node - 1) };
        // Answers to an intruder's addresses lead nowhere.
        let Some(client) = client else { return Ok(()) };
        let pipe = if node == SERVER { down(client) } else { up(client) };
        let place = &mut self.pipes[pipe];
        let limit = if packet.is_some() { place.limit_bytes } else { HANDSHAKE_BYTES_MAX };
        check_datagram_size(datagram.len(), limit)?;
        self.packet_bytes += if packet.is_some() { datagram.len() as u64 } else { 0 };
        let meta = Meta { pipe, serial: place.sent, hash: digest, from, to, kind, packet, generation };
        place.sent += 1;
        place.link.handle_datagram(now, datagram, meta);
        place.watch(now);
        self.capture(meta, datagram);
        Ok(())
    }

    /// Whose packets are numbered together: a client's, whatever its address. A challenge may go to an intruder's.
    fn receiver(&self, node: usize, to: SocketAddr, datagram: &[u8]) -> SocketAddr {
        let home = self.clients.get(&to).and_then(|&client| self.homes.get(client)).copied();
        let by_id = || self.numbers[node].receiver_of(connection_id_of(datagram)?);
        if node == SERVER { home.or_else(by_id).unwrap_or(to) } else { to }
    }

    /// Whether the server may send as much as it likes to this address.
    pub(super) fn is_proven(&self, address: SocketAddr) -> bool {
        self.amplification.is_proven(address)
    }

    /// A client's connection has moved to this address; gives whether it is the client's.
    pub(super) fn note_moved(&mut self, client: usize, address: SocketAddr) -> bool {
        self.amplification.handle_moved(address);
        self.clients.get(&address) == Some(&client)
    }

    /// The server is about to take in a datagram from `from`.
    pub(super) fn note_received_by_server(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.amplification.handle_received(from, datagram);
    }

    fn capture(&mut self, meta: Meta, datagram: &[u8]) {
        // Half of the places are for the newest; the other half ages, each place 64 times more slowly than the first.
        let half = CAPTURED_MAX / 2;
        let count = self.captured_count;
        self.captured_count += 1;
        let index = if count.is_multiple_of(64) { half + (count / 64) % half } else { count % half };
        let index = index.min(self.captured.len());
        match self.captured.get_mut(index) {
            Some(place) => {
                place.0 = meta;
                place.1.clear();
                place.1.extend_from_slice(datagram);
            }
            None => self.captured.push((meta, datagram.to_vec())),
        }
    }

    /// The captured datagrams, in no particular order.
    pub(super) fn captured(&self) -> &[(Meta, Vec<u8>)] {
        &self.captured
    }

    /// Datagrams that the links lost or refused.
    pub(super) fn lost(&self) -> u64 {
        self.pipes.iter().map(|pipe| pipe.link.statistics().dropped()).sum()
    }
}
