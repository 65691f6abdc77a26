//! Streams that proxies pass on: whom they speak for, and who is believed.

use tme_core::stream::proxy::{ProxyHeader, TrustedProxies};

use super::*;

const CLIENT: &str = "192.0.2.1:40000";
const CLIENT_V6: &str = "[2001:db8::1]:40000";
const TEXT: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 7777\r\n";
const TEXT_V6: &[u8] = b"PROXY TCP6 2001:db8::1 2001:db8::2 40000 7777\r\n";
const BINARY_MAGIC: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A server that believes these.
fn behind(proxies: &[(&str, ProxyHeader)]) -> Rig {
    let networks = proxies.iter().map(|(network, header)| (network.parse().unwrap(), *header));
    let proxies = TrustedProxies::new(networks).unwrap();
    Rig::new(StreamsConfig { proxies, ..StreamsConfig::default() })
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    [BINARY_MAGIC, &[command, family, 0, rest.len() as u8], rest].concat()
}

fn binary_v4() -> Vec<u8> {
    let addresses = [192, 0, 2, 1, 198, 51, 100, 1, 0x9C, 0x40, 0x1E, 0x61];
    binary(0x21, 0x11, &[&addresses[..], &[0x04, 0, 3, 1, 2, 3]].concat())
}

/// A request for a WebSocket with these further lines.
fn request(lines: &str) -> Vec<u8> {
    REQUEST.replacen("Host:", &format!("{lines}Host:"), 1).into_bytes()
}

/// Sends this, and then a datagram: in a WebSocket once that is open.
fn say_hello(rig: &mut Rig, beginning: &[u8]) -> TcpStream {
    let before = rig.datagrams.len();
    let mut stream = rig.knock(beginning);
    if beginning.ends_with(b"\r\n\r\n") {
        let answer = read_some(&mut stream, rig, 150);
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
        stream.write_all(&frame(2, b"hello")).unwrap();
    } else {
        stream.write_all(&stream_of(&[b"hello"])).unwrap();
    }
    rig.until("hello", |rig| rig.datagrams.len() > before);
    assert_eq!(rig.datagrams.last().unwrap().1, b"hello");
    stream
}

#[test]
fn a_header_of_a_listed_proxy_names_the_client_of_each_kind_of_stream() {
    let mut rig = behind(&[("127.0.0.1", ProxyHeader::ProxyProtocol)]);
    let headers: [(Vec<u8>, Option<&str>); 6] = [
        (TEXT.to_vec(), Some(CLIENT)),
        (TEXT_V6.to_vec(), Some(CLIENT_V6)),
        (binary_v4(), Some(CLIENT)),
        // A proxy that asks for itself, and one that does not know.
        (binary(0x20, 0, &[]), None),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (binary(0x21, 0, &[]), None),
    ];
    for (header, client) in headers {
        for (kind, rest) in
            [(LinkKind::Tcp, vec![]), (LinkKind::WebSocket, request("X-Forwarded-For: 203.0.113.9\r\n"))]
        {
            let proxy = say_hello(&mut rig, &[&header[..], &rest].concat());
            let (id, _) = rig.datagrams.last().unwrap();
            assert_eq!((id.kind, id.is_local), (kind, true));
            let expected = client.map_or(proxy.local_addr().unwrap(), |client| client.parse().unwrap());
            assert_eq!(rig.remotes.last(), Some(&expected), "{}", String::from_utf8_lossy(&header));
        }
    }
    // Header and records in one piece.
    let before = rig.datagrams.len();
    let _proxy = rig.knock(&[TEXT, &stream_of(&[b"hello"])].concat());
    rig.until("hello", |rig| rig.datagrams.len() > before);
    assert_eq!(rig.remotes.last(), Some(&CLIENT.parse().unwrap()));
}

#[test]
fn a_header_that_comes_in_single_bytes_is_as_good() {
    let mut rig = behind(&[("127.0.0.0/8", ProxyHeader::ProxyProtocol)]);
    for (count, header) in [TEXT.to_vec(), binary_v4()].into_iter().enumerate() {
        let mut proxy = rig.knock(&[]);
        proxy.set_nodelay(true).unwrap();
        for byte in [&header[..], &stream_of(&[b"hello"])].concat() {
            proxy.write_all(&[byte]).unwrap();
            rig.turn(Duration::from_millis(1));
        }
        rig.until("hello", |rig| rig.datagrams.len() > count);
        assert_eq!(rig.remotes.last(), Some(&CLIENT.parse().unwrap()));
    }
}

#[test]
fn a_listed_web_server_names_the_client_in_its_request() {
    let mut rig =
        behind(&[("127.0.0.1", ProxyHeader::XForwardedFor), ("10.0.0.0/8", ProxyHeader::XForwardedFor)]);
    let cases = [
        ("X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"),
        ("x-forwarded-for: 203.0.113.1, 192.0.2.1, 10.0.0.1\r\n", "192.0.2.1"),
        ("X-Forwarded-For: nonsense\r\nX-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"),
        ("X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"),
    ];
    for (lines, client) in cases {
        let proxy = say_hello(&mut rig, &request(lines));
        let expected = SocketAddr::new(client.parse().unwrap(), proxy.local_addr().unwrap().port());
        assert_eq!(rig.remotes.last(), Some(&expected), "{lines}");
    }
}

#[test]
fn a_balancer_before_which_a_web_server_stands_names_it_and_it_the_client() {
    let mut rig =
        behind(&[("127.0.0.1", ProxyHeader::ProxyProtocol), ("192.0.2.0/24", ProxyHeader::XForwardedFor)]);
    let _proxy =
        say_hello(&mut rig, &[TEXT, &request("X-Forwarded-For: 203.0.113.7, 192.0.2.5\r\n")].concat());
    assert_eq!(rig.remotes, ["203.0.113.7:40000".parse().unwrap()]);
    let _silent_about_it = rig.knock(&[TEXT, &request("")].concat());
    rig.until("its end", |rig| rig.ended(StreamFailure::ForwardedFor) == 1);
    let _twice = rig.knock(&[TEXT, TEXT].concat());
    rig.until("its end", |rig| rig.ended(StreamFailure::UnlistedProxy) == 1);
}

#[test]
fn what_a_proxy_says_badly_or_not_at_all_ends_its_stream_and_no_other() {
    const DIRECT: &str = "198.51.100.0/24";
    let short = [BINARY_MAGIC, &[0x21, 0x11, 0, 11][..]].concat();
    let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
    let (by_header, by_request) = (ProxyHeader::ProxyProtocol, ProxyHeader::XForwardedFor);
    let two = request("X-Forwarded-For: 192.0.2.1, unknown\r\n");
    let cases: [(ProxyHeader, &str, Vec<u8>, StreamFailure); 12] = [
        (by_header, "127.0.0.1", stream_of(&[b"hello"]), StreamFailure::ProxyHeader),
        (by_header, "127.0.0.1", request("X-Forwarded-For: 192.0.2.1\r\n"), StreamFailure::ProxyHeader),
        (by_header, "127.0.0.1", b"PROXY TCP4 192.0.2.1\r\n".to_vec(), StreamFailure::ProxyHeader),
        (by_header, "127.0.0.1", endless, StreamFailure::ProxyHeader),
        (by_header, "127.0.0.1", short, StreamFailure::ProxyHeader),
        (by_header, "127.0.0.1", b"\x16\x03\x01".to_vec(), StreamFailure::ProxyHeader),
        (by_request, "127.0.0.1", request(""), StreamFailure::ForwardedFor),
        (by_request, "127.0.0.1", two, StreamFailure::ForwardedFor),
        (by_request, "127.0.0.1", stream_of(&[b"hello"]), StreamFailure::ForwardedFor),
        (by_request, "127.0.0.1", [TEXT, &request("")].concat(), StreamFailure::UnlistedProxy),
        (by_header, DIRECT, [TEXT, &stream_of(&[b"hello"])].concat(), StreamFailure::UnlistedProxy),
        (
            by_header,
            DIRECT,
            [&binary_v4()[..], &stream_of(&[b"hello"])].concat(),
            StreamFailure::UnlistedProxy,
        ),
    ];
    for (header, network, bytes, failure) in cases {
        let what = String::from_utf8_lossy(&bytes).into_owned();
        let mut rig = behind(&[(network, header)]);
        let (good, client) = match (network, header) {
            (DIRECT, _) => (vec![], None),
            (_, ProxyHeader::ProxyProtocol) => (TEXT.to_vec(), Some(CLIENT)),
            _ => (request("X-Forwarded-For: 192.0.2.1\r\n"), None),
        };
        let mut player = say_hello(&mut rig, &good);
        if let Some(client) = client {
            assert_eq!(rig.remotes, [client.parse().unwrap()]);
        }
        let mut bad = rig.knock(&bytes);
        rig.until("its end", |rig| rig.ended(failure) == 1);
        let mut answer = Vec::new();
        let _ = bad.read_to_end(&mut answer);
        let is_refused = answer.starts_with(b"HTTP/1.1 400 ");
        assert!(answer.is_empty() || is_refused && failure == StreamFailure::ForwardedFor, "{what}");
        assert_eq!((rig.streams.statistics().open, rig.datagrams.len()), (1, 1), "{what}");
        let id = rig.datagrams[0].0;
        assert_eq!(rig.streams.send(id, b"still here"), Queued::Yes);
        rig.turn(Duration::ZERO);
        assert!(!read_some(&mut player, &mut rig, 10).is_empty(), "{what}");
    }
}

#[test]
fn from_somebody_who_is_not_listed_x_forwarded_for_means_nothing() {
    let mut rig = behind(&[("198.51.100.0/24", ProxyHeader::XForwardedFor)]);
    let direct = say_hello(&mut rig, &request("X-Forwarded-For: 192.0.2.1\r\n"));
    assert_eq!(rig.remotes, [direct.local_addr().unwrap()]);
}

#[test]
fn a_header_that_does_not_come_has_the_time_of_first_bytes_and_no_more() {
    let mut rig = behind(&[("127.0.0.1", ProxyHeader::ProxyProtocol)]);
    let _half = rig.knock(&TEXT[..20]);
    let _half_binary = rig.knock(&binary_v4()[..20]);
    let _and_nothing_behind_it = rig.knock(TEXT);
    let _talker = rig.knock(&[TEXT, &stream_of(&[b"talk"])].concat());
    let all = |rig: &Rig| rig.streams.statistics().bytes_in == 20 + 20 + 2 * TEXT.len() as u64 + 12;
    rig.until("all bytes", all);
    rig.now += Duration::from_millis(5_100);
    rig.turn(Duration::from_millis(20));
    assert_eq!((rig.ended(StreamFailure::Unclaimed), rig.streams.statistics().open), (3, 1));
}

#[test]
fn a_header_of_all_its_bytes_is_taken_and_one_more_is_not() {
    let mut rig = behind(&[("127.0.0.1", ProxyHeader::ProxyProtocol)]);
    let header = |bytes: usize| {
        let length = ((bytes - 16) as u16).to_be_bytes();
        let start = [BINARY_MAGIC, &[0x21, 0x11], &length, &binary_v4()[16..28]].concat();
        [&start[..], &vec![0xEE; bytes - start.len()]].concat()
    };
    let _longest = rig.knock(&[&header(4_096)[..], &stream_of(&[b"hello"])].concat());
    rig.until("hello", |rig| rig.datagrams.len() == 1);
    assert_eq!(rig.remotes, [CLIENT.parse().unwrap()]);
    let _longer = rig.knock(&header(4_097));
    rig.until("its end", |rig| rig.ended(StreamFailure::ProxyHeader) == 1);
}
