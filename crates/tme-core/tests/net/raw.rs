//! One end of a connection made by hand: it has the keys and says in its packets whatever a test wants.

use std::net::SocketAddr;

use tme_core::channel::ChannelTable;
use tme_core::crypto::SessionSecrets;
use tme_core::crypto::packet::{KeyLimits, PacketProtection};
use tme_core::crypto::suite::Suite;
use tme_core::datagram::Carrier;
use tme_core::handshake::client::{ClientEvent, ClientHandshake, Established};
use tme_core::handshake::parameters::{ConnectionId, PeerNumber, UserData};
use tme_core::handshake::server::{AcceptInfo, Outcome, ServerHandshake, ServerHandshakeConfig};
use tme_core::random::SeededRandom;
use tme_core::time::Instant;
use tme_core::wire::frame::{Frame, Frames};
use tme_core::wire::header::{Header, KeyPhase, TruncatedNumber, is_data_packet};

use super::{Net, SERVER, address_of, client_config, server_config};

pub struct Raw {
    pub address: SocketAddr,
    /// Stands in what we send.
    pub remote_id: u32,
    pub next_number: u64,
    protection: PacketProtection,
    largest_received: Option<u64>,
}

impl Raw {
    /// Connects to the net's server from an address that no node has, and sends a PING so that the server believes it.
    pub fn connect(net: &mut Net, address: SocketAddr, seed: u64) -> Self {
        let (mut raw, _) = Self::connect_recorded(net, address, seed);
        raw.send(net, &[1]);
        net.advance(|_, _, _| ());
        raw
    }

    /// Runs the handshake; gives the datagrams it took, too (HELLO and CONNECT).
    pub fn connect_recorded(net: &mut Net, address: SocketAddr, seed: u64) -> (Self, Vec<Vec<u8>>) {
        let mut random = SeededRandom::new(seed);
        let mut handshake = ClientHandshake::new(client_config(), net.now, &mut random).unwrap();
        let mut sent = Vec::new();
        let mut datagram = Vec::new();
        for _ in 0..10 {
            while handshake.poll_transmit(net.now, &mut datagram) {
                sent.push(datagram.clone());
                net.inject(address, SERVER, &mut datagram);
            }
            net.advance(|_, _, _| ());
            for answer in take_outside(net, address) {
                handshake.handle_datagram(net.now, &answer, &mut random);
            }
            if let Some(event) = handshake.poll_event() {
                let ClientEvent::Established(established) = event else { panic!("{event:?}") };
                let Established { suite, secrets, remote_connection_id, .. } = *established;
                return (Self::new(net.now, address, remote_connection_id, suite, &secrets), sent);
            }
        }
        panic!("no connection");
    }

    fn new(
        now: Instant,
        address: SocketAddr,
        remote_id: ConnectionId,
        suite: Suite,
        secrets: &SessionSecrets,
    ) -> Self {
        Self {
            address,
            remote_id: remote_id.get(),
            next_number: 0,
            protection: PacketProtection::new(suite, secrets, KeyLimits::default(), now),
            largest_received: None,
        }
    }

    /// An authentic packet with these frames.
    pub fn seal(&mut self, now: Instant, frames: &[u8]) -> Vec<u8> {
        let number = self.next_number;
        self.next_number += 1;
        let header = Header {
            connection_id: self.remote_id,
            number: TruncatedNumber::Long(number as u32),
            phase: KeyPhase(false),
        };
        let mut datagram = Vec::new();
        header.encode(&mut datagram);
        datagram.extend_from_slice(frames);
        datagram.resize(datagram.len() + self.protection.tag_bytes(), 0);
        self.protection.seal_in_place(now, number, &mut datagram, header.bytes());
        datagram
    }

    /// Sends an authentic packet with these frames to the server.
    pub fn send(&mut self, net: &mut Net, frames: &[u8]) {
        let mut datagram = self.seal(net.now, frames);
        net.inject(self.address, SERVER, &mut datagram);
    }

    /// Opens a packet that came; gives its payload.
    pub fn open(&mut self, now: Instant, mut datagram: Vec<u8>) -> Option<Vec<u8>> {
        let header = Header::decode(&datagram)?;
        let number = header.number.expand(self.largest_received);
        let payload = self.protection.open_in_place(now, number, &mut datagram, header.bytes()).ok()?;
        self.largest_received = self.largest_received.max(Some(number));
        Some(datagram[header.bytes()..][..payload].to_vec())
    }

    /// The reason of a CLOSE among what came from the server since the last look.
    pub fn close_reason(&mut self, net: &mut Net, table: &ChannelTable) -> Option<u16> {
        let datagrams = take_outside(net, self.address);
        let packets = datagrams.into_iter().filter(|datagram| is_data_packet(datagram));
        let payloads: Vec<Vec<u8>> = packets.filter_map(|packet| self.open(net.now, packet)).collect();
        payloads.iter().find_map(|payload| close_reason(payload, table))
    }
}

/// The reason of a CLOSE in the payload of a packet.
pub fn close_reason(payload: &[u8], table: &ChannelTable) -> Option<u16> {
    let modes: Vec<_> = table.entries().iter().map(|entry| entry.mode).collect();
    Frames::new(payload, &modes).find_map(|frame| match frame {
        Ok(Frame::Close { reason, .. }) => Some(reason),
        _ => None,
    })
}

/// What came for this address.
pub fn take_outside(net: &mut Net, address: SocketAddr) -> Vec<Vec<u8>> {
    let all = std::mem::take(&mut net.outside);
    let (ours, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(to, _)| *to == address);
    net.outside = others;
    ours.into_iter().map(|(_, bytes)| bytes).collect()
}

/// A server made by hand, to which the net's node `client` connects. It takes the server's place at its address.
pub fn serve(net: &mut Net, client: usize, table: &ChannelTable) -> Raw {
    let config = server_config(table.clone(), 1).server.unwrap().handshake;
    let mut random = SeededRandom::new(7);
    let mut handshake = ServerHandshake::new(ServerHandshakeConfig { ..config }, &mut random).unwrap();
    let (mut reply, address) = (Vec::new(), address_of(SERVER));
    net.connect(client);
    for _ in 0..10 {
        net.tap = Some(Vec::new());
        net.advance(|_, _, _| ());
        for mut tapped in net.tap.take().unwrap().into_iter().filter(|tapped| tapped.to == address) {
            let from = tapped.from;
            match handshake.handle_datagram(
                net.now,
                (from, Carrier::Datagrams),
                &tapped.bytes,
                &mut random,
                &mut reply,
            ) {
                Outcome::Reply => net.inject(address, client, &mut reply),
                Outcome::Request(request) => {
                    let info = AcceptInfo {
                        connection_id: ConnectionId::new(9).unwrap(),
                        peer_number: PeerNumber::new(2).unwrap(),
                        user_data: UserData::default(),
                    };
                    let accepted = handshake.accept(request, info).unwrap();
                    for datagram in accepted.datagrams.iter() {
                        tapped.bytes.clear();
                        tapped.bytes.extend_from_slice(datagram);
                        net.inject(address, client, &mut tapped.bytes);
                    }
                    let id = accepted.remote_connection_id;
                    return Raw::new(net.now, address, id, accepted.suite, &accepted.secrets);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("no connection");
}
