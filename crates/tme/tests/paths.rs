//! Real sockets with somebody in between: a NAT that changes its mind, and a server that dies behind it.
#![allow(missing_docs)]

mod common;

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use common::{World, end_of, messages, server};
use tme::{Client, Event, KeyPair, Origin, Reason, Security};

/// Stands between a client and its server, which knows the client by the address of `outside`.
struct Nat {
    inside: UdpSocket,
    outside: UdpSocket,
    client: Option<SocketAddr>,
    server: SocketAddr,
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

impl Nat {
    fn new(server: SocketAddr) -> Self {
        Self { inside: socket(), outside: socket(), client: None, server }
    }

    /// The client's datagrams leave from another port from now on; what comes to the former one is lost.
    fn rebind(&mut self) {
        self.outside = socket();
    }

    /// What waits on this socket.
    fn waiting(socket: &UdpSocket) -> Vec<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0xA5; 65_536];
        let mut datagrams = Vec::new();
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((bytes, from)) => datagrams.push((buffer[..bytes].to_vec(), from)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return datagrams,
                // Somebody has told that a datagram of ours found nobody.
                Err(_) => {}
            }
        }
    }

    fn forward(&mut self) {
        for (bytes, from) in Self::waiting(&self.inside) {
            self.client = Some(from);
            let _ = self.outside.send_to(&bytes, self.server);
        }
        for (bytes, _) in Self::waiting(&self.outside) {
            let _ = self.client.map(|client| self.inside.send_to(&bytes, client));
        }
    }

    /// What is on its way arrives nowhere.
    fn discard(&self) {
        let _ = Self::waiting(&self.inside);
        let _ = Self::waiting(&self.outside);
    }
}

fn run_until(world: &mut World, nat: &mut Nat, is_done: impl Fn(&World) -> bool) {
    let start = std::time::Instant::now();
    while !is_done(world) {
        assert!(start.elapsed().as_secs() < 20, "not done: {:?}", world.server_events);
        world.step();
        nat.forward();
    }
}

fn behind_nat(server: tme::Server, security: Security) -> (World, Nat) {
    let mut nat = Nat::new(server.local_addr());
    let client = Client::builder()
        .connect(nat.inside.local_addr().unwrap().to_string())
        .server_key(server.public_key())
        .security(security);
    let mut world = World::new(server, vec![client.start().unwrap()]);
    run_until(&mut world, &mut nat, |world| {
        world.clients[0].is_connected() && !world.connected_peers().is_empty()
    });
    (world, nat)
}

#[test]
fn a_client_whose_nat_changes_its_port_keeps_its_session() {
    let (mut world, mut nat) = behind_nat(server().start().unwrap(), Security::Encrypted);
    let peer = world.connected_peers()[0];
    for number in 0..120u32 {
        if number % 40 == 20 {
            nat.rebind();
        }
        world.clients[0].send(0, &number.to_le_bytes()).unwrap();
        world.server.send(peer, 0, &number.to_le_bytes()).unwrap();
        world.step();
        nat.forward();
    }
    run_until(&mut world, &mut nat, |world| {
        messages(&world.server_events).len() >= 120 && messages(&world.client_events[0]).len() >= 120
    });
    let expected: Vec<Vec<u8>> = (0..120u32).map(|number| number.to_le_bytes().to_vec()).collect();
    assert_eq!(messages(&world.server_events), expected);
    assert_eq!(messages(&world.client_events[0]), expected);
    run_until(&mut world, &mut nat, |world| {
        let moved = world.server_events.iter().any(|event| matches!(event, Event::AddressChanged { .. }));
        moved && world.server.peers().len() == 1
    });
    assert_eq!(world.server.peer(peer).unwrap().remote, nat.outside.local_addr().unwrap());
}

#[test]
fn in_plaintext_another_address_is_a_stranger() {
    let server = server().security(Security::Plaintext).start().unwrap();
    let (mut world, mut nat) = behind_nat(server, Security::Plaintext);
    let peer = world.connected_peers()[0];
    let home = world.server.peer(peer).unwrap().remote;
    nat.rebind();
    world.clients[0].send(0, "who am I?").unwrap();
    run_until(&mut world, &mut nat, |world| {
        let statistics = world.server.peer_statistics(peer).unwrap();
        statistics.drops.of(tme::PacketDrop::ForeignAddress) >= 2
    });
    assert_eq!(world.server.peer(peer).unwrap().remote, home);
    assert!(messages(&world.server_events).is_empty());
}

#[test]
fn a_server_that_died_and_came_back_is_noticed_with_the_next_packet() {
    let key = KeyPair::from(tme::generate_key().unwrap());
    let restarted = || server().key(key.secret().clone()).start().unwrap();
    let (mut world, mut nat) = behind_nat(restarted(), Security::Encrypted);
    // It dies without a word: what it says at its end is lost.
    let new = restarted();
    nat.server = new.local_addr();
    world.server = new;
    nat.discard();
    world.clients[0].send(0, "still there?").unwrap();
    run_until(&mut world, &mut nat, |world| end_of(&world.client_events[0]).is_some());
    let end = end_of(&world.client_events[0]).unwrap();
    assert_eq!((end.reason, end.origin), (Reason::Reset, Origin::Remote));
}
