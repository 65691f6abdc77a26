//! UDP links talk over loopback: sizes, addresses, marks, bounds and what the network says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tme_core::datagram::{Ecn, Path, Transmit};
use tme_transport::link::udp::{Arrivals, BindError, Segmentation, UdpConfig, UdpLink};
use tme_transport::link::{HintKind, Link, Received, SendOutcome, Watch};
use tme_transport::poller::{EVENTS_DEFAULT, Poller, Token};

const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);
const V4_ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
const V6_ANY: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
const LONG: Option<Duration> = Some(Duration::from_secs(20));
const TOKEN: Token = Token(7);

/// A link with the poller it is registered with.
struct Endpoint {
    link: Link,
    poller: Poller,
}

/// A datagram as it arrived.
#[derive(Debug, PartialEq)]
struct Arrived {
    bytes: Vec<u8>,
    path: Path,
    ecn: Ecn,
}

impl Endpoint {
    fn new(config: &UdpConfig) -> Self {
        let mut link = Link::from(UdpLink::bind(config).unwrap());
        let poller = Poller::new(EVENTS_DEFAULT).unwrap();
        link.register(&poller, TOKEN).unwrap();
        Self { link, poller }
    }

    fn server(address: SocketAddr) -> Self {
        Self::new(&UdpConfig::server(address))
    }

    fn client(address: SocketAddr) -> Self {
        Self::new(&UdpConfig::client(address))
    }

    fn port(&self) -> u16 {
        self.link.local_address().port()
    }

    fn send(&mut self, remote: SocketAddr, bytes: &[u8]) {
        let path = Path::to(remote);
        let transmit = Transmit { path, ecn: Ecn::NotCapable, bytes: bytes.len(), segment_bytes: None };
        assert_eq!(self.link.send(&transmit, bytes).unwrap(), SendOutcome::Sent);
    }

    /// Waits for `count` datagrams.
    fn receive(&mut self, count: usize) -> Vec<Arrived> {
        let mut arrived = Vec::new();
        while arrived.len() < count {
            let Received { more, .. } = self
                .link
                .receive(100, |bytes, path, ecn| arrived.push(Arrived { bytes: bytes.to_vec(), path, ecn }))
                .unwrap();
            if !more && arrived.len() < count {
                let woken = self.poller.wait(LONG).unwrap();
                assert!(woken.ready_count > 0, "{} of {count} datagrams came", arrived.len());
            }
        }
        arrived
    }

    fn receive_one(&mut self) -> Arrived {
        let mut arrived = self.receive(1);
        assert_eq!(arrived.len(), 1);
        arrived.remove(0)
    }
}

/// Whether `::1` can be bound; says so if not.
fn has_ipv6() -> bool {
    match UdpLink::bind(&UdpConfig::client(V6)) {
        Ok(_) => true,
        Err(error) => {
            println!("skipped: {error}");
            false
        }
    }
}

/// Bytes that tell a datagram's place.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index % 251) as u8).collect()
}

#[test]
fn a_datagram_and_its_echo_arrive_with_addresses() {
    for address in [V4, V6] {
        if address == V6 && !has_ipv6() {
            continue;
        }
        let (mut server, mut client) = (Endpoint::server(address), Endpoint::client(address));
        client.send(server.link.local_address(), b"ping");
        let ping = server.receive_one();
        assert_eq!(ping.bytes, b"ping");
        assert_eq!(ping.path, Path { local: Some(address.ip()), ..Path::to(client.link.local_address()) });
        server.send(ping.path.remote, b"pong");
        let pong = client.receive_one();
        assert_eq!((pong.bytes.as_slice(), pong.path.remote), (&b"pong"[..], server.link.local_address()));
    }
}

#[test]
fn a_server_on_all_addresses_answers_from_the_one_that_was_asked() {
    let mut server = Endpoint::server(V4_ANY);
    // Linux answers on all of 127.0.0.0/8; elsewhere there is only 127.0.0.1.
    let asked = if cfg!(target_os = "linux") { Ipv4Addr::new(127, 0, 0, 2) } else { Ipv4Addr::LOCALHOST };
    let mut client = Endpoint::client(V4);
    client.send((asked, server.port()).into(), b"ping");
    let ping = server.receive_one();
    assert_eq!(ping.path.local, Some(asked.into()));
    let answer = Transmit { path: ping.path, ecn: Ecn::NotCapable, bytes: 4, segment_bytes: None };
    assert_eq!(server.link.send(&answer, b"pong").unwrap(), SendOutcome::Sent);
    assert_eq!(client.receive_one().path.remote, SocketAddr::from((asked, server.port())));
}

#[test]
fn ecn_marks_travel() {
    for address in [V4, V6] {
        if address == V6 && !has_ipv6() {
            continue;
        }
        let (mut server, mut client) = (Endpoint::server(address), Endpoint::client(address));
        for ecn in [Ecn::NotCapable, Ecn::Ect0, Ecn::Ect1, Ecn::CongestionExperienced] {
            let path = Path::to(server.link.local_address());
            let transmit = Transmit { path, ecn, bytes: 1, segment_bytes: None };
            assert_eq!(client.link.send(&transmit, &[1]).unwrap(), SendOutcome::Sent);
            assert_eq!(server.receive_one().ecn, ecn, "over {address}");
        }
    }
}

#[test]
fn a_batch_arrives_as_the_datagrams_it_was_made_of() {
    let worlds = [
        (V4, V4, Segmentation::Auto),
        (V4, V4, Segmentation::Off),
        (V6, V6, Segmentation::Auto),
        (V6_ANY, V4, Segmentation::Auto),
        (V6_ANY, V6, Segmentation::Auto),
    ];
    for (bound, from, segmentation) in worlds {
        if bound.is_ipv6() && !has_ipv6() {
            continue;
        }
        let mut server = Endpoint::server(bound);
        let mut config = UdpConfig::client(from);
        config.segmentation = segmentation;
        let mut client = Endpoint::new(&config);
        let buffer = pattern(9 * 1_200 + 77);
        let path = Path { local: Some(from.ip()), ..Path::to((from.ip(), server.port()).into()) };
        let transmit = Transmit { path, ecn: Ecn::Ect0, bytes: buffer.len(), segment_bytes: Some(1_200) };
        assert_eq!(client.link.send(&transmit, &buffer).unwrap(), SendOutcome::Sent);

        // With a merged delivery all of its marks and addresses must still arrive.
        let path = Path { local: Some(from.ip()), ..Path::to(client.link.local_address()) };
        let expected: Vec<_> = buffer
            .chunks(1_200)
            .map(|chunk| Arrived { bytes: chunk.to_vec(), path, ecn: Ecn::Ect0 })
            .collect();
        assert_eq!(server.receive(10), expected, "{from} to {bound}, {segmentation:?}");
        let stats = client.link.stats();
        assert_eq!((stats.datagrams_out, stats.bytes_out), (10, buffer.len() as u64));
        if client.link.max_gso_segments() > 1 {
            assert_eq!((stats.syscalls_out, stats.gso_batches), (1, 1));
        } else {
            assert_eq!((stats.syscalls_out, stats.gso_batches), (10, 0));
        }
        if cfg!(target_os = "linux") && segmentation == Segmentation::Auto {
            assert_eq!(server.link.stats().gro_batches, client.link.stats().gso_batches);
        }
    }
}

#[test]
fn a_batch_larger_than_the_system_takes_is_cut_and_arrives_whole() {
    // 100 datagrams of 1,300 bytes: more than 64 segments and more than 64 KiB.
    let (mut server, mut client) = (Endpoint::server(V4), Endpoint::client(V4));
    let buffer = pattern(100 * 1_300);
    let path = Path::to(server.link.local_address());
    let transmit = Transmit { path, ecn: Ecn::NotCapable, bytes: buffer.len(), segment_bytes: Some(1_300) };
    assert_eq!(client.link.send(&transmit, &buffer).unwrap(), SendOutcome::Sent);
    let arrived: Vec<u8> = server.receive(100).into_iter().flat_map(|arrived| arrived.bytes).collect();
    assert_eq!(arrived, buffer);
    if client.link.max_gso_segments() > 1 {
        assert_eq!(client.link.stats().syscalls_out, 2, "50 segments of 1,300 bytes fit in 65,507");
    }
}

#[test]
fn one_call_hands_on_no_more_than_asked_and_says_there_is_more() {
    let (mut server, mut client) = (Endpoint::server(V4), Endpoint::client(V4));
    let path = Path::to(server.link.local_address());
    let transmit = Transmit { path, ecn: Ecn::NotCapable, bytes: 1_000, segment_bytes: Some(100) };
    assert_eq!(client.link.send(&transmit, &pattern(1_000)).unwrap(), SendOutcome::Sent);
    client.send(server.link.local_address(), b"last");
    server.poller.wait(LONG).unwrap();
    let mut calls = Vec::new();
    loop {
        let received = server.link.receive(4, |_, _, _| ()).unwrap();
        calls.push(received.datagrams);
        assert!(received.datagrams <= 4);
        if !received.more {
            break;
        }
    }
    assert_eq!(calls.iter().sum::<usize>(), 11, "{calls:?}");
    assert!(!server.link.has_waiting());
    assert_eq!(server.link.receive(4, |_, _, _| ()).unwrap(), Received { datagrams: 0, more: false });
}

#[test]
fn a_dual_stack_socket_speaks_ipv4_as_ipv4() {
    if !has_ipv6() {
        return;
    }
    let mut server = Endpoint::server(V6_ANY);
    let Link::Udp(udp) = &server.link else { unreachable!("made as UDP") };
    if !udp.is_dual_stack() {
        println!("skipped: this system has no dual-stack sockets");
        return;
    }
    for address in [V4, V6] {
        let mut client = Endpoint::client(address);
        let asked = SocketAddr::new(address.ip(), server.port());
        assert!(server.link.can_reach(asked) && client.link.can_reach(asked));
        let path = Path::to(asked);
        let ping = Transmit { path, ecn: Ecn::Ect1, bytes: 4, segment_bytes: None };
        assert_eq!(client.link.send(&ping, b"ping").unwrap(), SendOutcome::Sent);
        let arrived = server.receive_one();
        assert_eq!(arrived.path, Path { local: Some(address.ip()), ..Path::to(client.link.local_address()) });
        assert_eq!(arrived.ecn, Ecn::Ect1, "from {address}");

        let pong = Transmit { path: arrived.path, ecn: Ecn::Ect0, bytes: 20, segment_bytes: Some(8) };
        assert_eq!(server.link.send(&pong, &[0xA5; 20]).unwrap(), SendOutcome::Sent);
        let answers = client.receive(3);
        let sizes: Vec<_> = answers.iter().map(|answer| answer.bytes.len()).collect();
        assert_eq!(sizes, [8, 8, 4]);
        assert!(answers.iter().all(|answer| answer.path.remote == asked && answer.ecn == Ecn::Ect0));
    }
    let stats = server.link.stats();
    assert_eq!((stats.hints.total(), stats.source_replaced), (0, 0), "no detours: {stats:?}");
}

#[test]
fn an_address_of_the_wrong_family_is_an_error_of_the_caller() {
    let mut client = Endpoint::client(V4);
    let remote = SocketAddr::new(V6.ip(), 7);
    assert!(!client.link.can_reach(remote));
    let path = Path::to(remote);
    let transmit = Transmit { path, ecn: Ecn::NotCapable, bytes: 1, segment_bytes: None };
    assert_eq!(client.link.send(&transmit, &[1]).unwrap_err().kind(), 3);
}

#[test]
fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let server = Endpoint::server(V4);
    let address = server.link.local_address();
    assert_ne!(address.port(), 0);
    let error = UdpLink::bind(&UdpConfig::server(address)).unwrap_err();
    assert!(matches!(error, BindError::InUse { address: named } if named == address), "{error:?}");
    let message = error.to_string();
    assert!(message.contains(&address.to_string()) && message.contains("another port"), "{message}");
}

#[test]
fn an_address_of_another_machine_is_an_error_that_says_what_to_do() {
    // From the block for documentation.
    let error = UdpLink::bind(&UdpConfig::server("192.0.2.77:0".parse().unwrap())).unwrap_err();
    assert_eq!(error.kind(), 2);
    assert!(error.to_string().contains("no address 192.0.2.77; bind to 0.0.0.0"), "{error}");
}

/// A port where nobody listens and nobody else will: its socket talks to port 9 only.
fn port_of_nobody(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.connect((ip, 9)).unwrap();
    socket
}

#[test]
fn a_refused_datagram_is_a_hint_and_sending_goes_on() {
    for (bound, gone) in [(V4, V4), (V6, V6), (V6_ANY, V4)] {
        if bound.is_ipv6() && !has_ipv6() {
            continue;
        }
        let mut client = Endpoint::client(bound);
        let reserved = port_of_nobody(gone.ip());
        let nobody = reserved.local_addr().unwrap();
        client.send(nobody, b"anybody?");
        if cfg!(not(any(target_os = "linux", target_os = "android"))) {
            println!("this system does not tell unconnected sockets");
            continue;
        }
        // The socket becomes ready because of the error.
        assert!(client.poller.wait(LONG).unwrap().ready_count > 0);
        let received = client.link.receive(10, |_, _, _| panic!("nothing was sent to us")).unwrap();
        assert_eq!(received, Received { datagrams: 0, more: false });
        let hint = client.link.poll_hint().unwrap();
        assert_eq!((hint.kind, hint.from), (HintKind::Refused, Some(gone.ip())));
        assert!(client.link.poll_hint().is_none());

        // Now the error is found by sending: it must not take the place of somebody else's datagram.
        let mut server = Endpoint::server(gone);
        client.send(nobody, b"anybody?");
        client.poller.wait(LONG).unwrap();
        client.send(server.link.local_address(), b"somebody");
        assert_eq!(server.receive_one().bytes, b"somebody");
        assert_eq!(client.link.poll_hint().map(|hint| hint.kind), Some(HintKind::Refused));
        assert_eq!(client.link.stats().hints.of(HintKind::Refused), 2);
    }
}

#[test]
fn a_server_is_not_told_what_its_clients_refuse() {
    let mut server = Endpoint::server(V4);
    let reserved = port_of_nobody(V4.ip());
    let nobody = reserved.local_addr().unwrap();
    for _ in 0..3 {
        server.send(nobody, b"still there?");
    }
    assert_eq!(server.link.receive(10, |_, _, _| ()).unwrap(), Received { datagrams: 0, more: false });
    if cfg!(target_os = "linux") {
        assert_eq!(server.link.stats().hints.total(), 0);
    }
}

#[test]
fn a_datagram_larger_than_the_network_takes_is_a_hint() {
    let mut client = Endpoint::client(V4_ANY);
    let mut server = Endpoint::server(V4);
    // Loopback takes 65,536 bytes with headers: the largest datagram passes, whole.
    client.send(server.link.local_address(), &pattern(65_507));
    assert_eq!(server.receive_one().bytes, pattern(65_507));
    if cfg!(not(target_os = "linux")) {
        return;
    }
    // The largest one over IPv6 would not fit a smaller link. There is no such link on loopback, so its own
    // limit must do: fragments are forbidden, and 65,536 bytes do not hold this datagram and both headers.
    if has_ipv6() {
        let mut client = Endpoint::client(V6);
        let server = Endpoint::server(V6);
        let path = Path::to(server.link.local_address());
        let transmit = Transmit { path, ecn: Ecn::NotCapable, bytes: 65_507, segment_bytes: None };
        let outcome = client.link.send(&transmit, &pattern(65_507)).unwrap();
        let SendOutcome::Dropped(hint) = outcome else { panic!("{outcome:?}") };
        assert_eq!(hint.kind, HintKind::TooLarge);
        assert_eq!(client.link.stats().hints.of(HintKind::TooLarge), 1);
    }
}

#[test]
fn a_lone_datagram_costs_a_server_one_system_call() {
    let (mut server, mut client) = (Endpoint::server(V4), Endpoint::client(V4));
    client.send(server.link.local_address(), b"ping");
    server.poller.wait(LONG).unwrap();
    let received = server.link.receive(100, |_, _, _| ()).unwrap();
    assert_eq!(received, Received { datagrams: 1, more: false });
    let expected = if cfg!(any(target_os = "linux", target_os = "android")) { 1 } else { 2 };
    assert_eq!(server.link.stats().syscalls_in, expected);
}

#[test]
fn writability_is_reported_only_while_it_is_watched() {
    let (server, mut client) = (Endpoint::server(V4), Endpoint::client(V4));
    client.send(server.link.local_address(), b"ping");
    assert_eq!(client.poller.wait(Some(Duration::ZERO)).unwrap().ready_count, 0);
    client.link.watch_writable(&client.poller, Watch::On).unwrap();
    assert_eq!(client.poller.wait(LONG).unwrap().ready_count, 1);
    assert!(client.poller.events().all(|event| event.token() == TOKEN && event.is_writable()));
    client.link.watch_writable(&client.poller, Watch::Off).unwrap();
    client.send(server.link.local_address(), b"ping");
    assert_eq!(client.poller.wait(Some(Duration::ZERO)).unwrap().ready_count, 0);
}

#[test]
fn the_system_gives_buffers_and_the_link_tells_their_size() {
    let link = UdpLink::bind(&UdpConfig::server(V4)).unwrap();
    assert!(link.buffers().receive_bytes > 0 && link.buffers().send_bytes > 0, "{:?}", link.buffers());
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_tells_how_long_a_datagram_has_waited() {
    let config = UdpConfig::server(SocketAddr::from(([127, 0, 0, 1], 0)));
    let mut server = UdpLink::bind(&UdpConfig { arrivals: Arrivals::Noted, ..config }).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let pause = Duration::from_millis(30);
    // The system begins to note times only shortly after the first socket asked for them.
    let has_told = (0..100).any(|_| {
        client.send_to(b"early", server.local_address()).unwrap();
        std::thread::sleep(pause);
        let mut waited = None;
        while waited.is_none() {
            server.receive_timed(1, |_, _, _, time| waited = Some(time)).unwrap();
        }
        waited >= Some(pause)
    });
    assert!(has_told);
}
