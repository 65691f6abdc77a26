use std::net::UdpSocket;
use std::time::Instant as SystemInstant;

use tme_core::link::LinkConditions;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn relay(server: &UdpSocket, conditions: LinkConditions) -> Relay {
    Relay::bind(RelayConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        server: server.local_addr().unwrap(),
        conditions: PathConditions { up: conditions, down: conditions },
        seed: 7,
        rebind_every: None,
    })
    .unwrap()
}

/// Lets the relay work until the socket has something.
fn receive(relay: &mut Relay, socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0xA5; 2_048];
    let end = SystemInstant::now() + PATIENCE;
    while SystemInstant::now() < end {
        relay.run(Duration::from_millis(1)).unwrap();
        if let Ok((bytes, from)) = socket.recv_from(&mut buffer) {
            return (buffer[..bytes].to_vec(), from);
        }
    }
    panic!("nothing came");
}

#[test]
fn datagrams_find_their_way_there_and_back_for_every_client() {
    let server = socket();
    let mut relay = relay(&server, LinkConditions::default());
    let clients = [socket(), socket()];
    for (index, client) in clients.iter().enumerate() {
        let question = [index as u8; 100];
        client.send_to(&question, relay.local_address()).unwrap();
        let (bytes, from) = receive(&mut relay, &server);
        assert_eq!(bytes, question);
        server.send_to(b"answer", from).unwrap();
        let (bytes, from) = receive(&mut relay, client);
        assert_eq!((bytes.as_slice(), from), (&b"answer"[..], relay.local_address()));
    }
    let statistics = relay.statistics();
    assert_eq!(statistics.clients, 2);
    assert_eq!((statistics.up.datagrams, statistics.up.bytes, statistics.up.delivered), (2, 200, 2));
    assert_eq!((statistics.down.datagrams, statistics.down.bytes, statistics.down.delivered), (2, 12, 2));
}

#[test]
fn what_is_lost_is_counted_and_does_not_arrive() {
    let server = socket();
    let mut relay = relay(&server, LinkConditions { loss: 1.0, ..LinkConditions::default() });
    let client = socket();
    client.send_to(b"lost", relay.local_address()).unwrap();
    let end = SystemInstant::now() + PATIENCE;
    while relay.statistics().up.dropped == 0 {
        assert!(SystemInstant::now() < end);
        relay.run(Duration::from_millis(1)).unwrap();
    }
    assert!(server.recv_from(&mut [0; 16]).is_err());
    assert_eq!(relay.statistics().up.delivered, 0);
}

#[test]
fn after_a_rebind_the_server_sees_another_address_and_reaches_the_client_there() {
    let server = socket();
    let mut relay = relay(&server, LinkConditions::default());
    let client = socket();
    client.send_to(b"one", relay.local_address()).unwrap();
    let (_, before) = receive(&mut relay, &server);
    relay.rebind();
    client.send_to(b"two", relay.local_address()).unwrap();
    let (_, after) = receive(&mut relay, &server);
    assert_ne!(before, after);
    server.send_to(b"to the old one", before).unwrap();
    server.send_to(b"to the new one", after).unwrap();
    let (bytes, _) = receive(&mut relay, &client);
    assert_eq!(bytes, b"to the new one");
    assert_eq!(relay.statistics().rebound, 1);
}

#[test]
fn strangers_cannot_answer_for_the_server() {
    let server = socket();
    let mut relay = relay(&server, LinkConditions::default());
    let client = socket();
    client.send_to(b"one", relay.local_address()).unwrap();
    let (_, address) = receive(&mut relay, &server);
    socket().send_to(b"forged", address).unwrap();
    server.send_to(b"genuine", address).unwrap();
    let (bytes, _) = receive(&mut relay, &client);
    assert_eq!(bytes, b"genuine");
}

#[test]
fn impossible_conditions_are_refused() {
    let server = socket();
    let bad = LinkConditions { loss: 2.0, ..LinkConditions::default() };
    let config = RelayConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        server: server.local_addr().unwrap(),
        conditions: PathConditions { up: LinkConditions::default(), down: bad },
        seed: 0,
        rebind_every: None,
    };
    assert!(matches!(Relay::bind(config), Err(RelayError::Conditions(_))));
}
