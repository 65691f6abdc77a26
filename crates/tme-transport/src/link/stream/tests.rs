//! Streams on loopback, with sockets of the standard library at the other end.

mod proxy;
mod tls;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use tme_core::stream::{STREAM_MAGIC, write_record};

use super::*;
use crate::poller::EVENTS_DEFAULT;

struct Rig {
    poller: Poller,
    streams: Streams,
    address: SocketAddr,
    now: Instant,
    datagrams: Vec<(StreamId, Vec<u8>)>,
    /// Where each of them came from.
    remotes: Vec<SocketAddr>,
    events: Vec<StreamEvent>,
}

impl Rig {
    fn new(config: StreamsConfig) -> Self {
        let poller = Poller::new(EVENTS_DEFAULT).unwrap();
        let mut streams = Streams::new(config);
        let address = streams.listen(SocketAddr::from(([127, 0, 0, 1], 0)), &poller).unwrap();
        let now = Instant::from_micros(1_000_000);
        Self { poller, streams, address, now, datagrams: Vec::new(), remotes: Vec::new(), events: Vec::new() }
    }

    fn turn(&mut self, wait: Duration) {
        let wait = if self.streams.is_any_receivable() { Duration::ZERO } else { wait };
        self.poller.wait(Some(wait)).unwrap();
        self.streams.handle_wait(&self.poller);
        let Self { datagrams, remotes, .. } = self;
        self.streams.receive(self.now, &self.poller, |bytes, path, _| {
            datagrams.push((path.stream.unwrap(), bytes.to_vec()));
            remotes.push(path.remote);
            Belongs::Here
        });
        self.streams.handle_timeout(self.now);
        self.streams.flush(self.now);
        self.events.extend(std::iter::from_fn(|| self.streams.poll_event()));
    }

    /// Goes on until it is so; fails after 20 s of real time.
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !is_so(self) {
            assert!(std::time::Instant::now() < deadline, "{what}: {:?}", self.streams.statistics());
            self.turn(Duration::from_millis(20));
        }
    }

    fn ended(&self, failure: StreamFailure) -> u64 {
        self.streams.statistics().ended.of(failure)
    }

    fn knock(&self, bytes: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(self.address).unwrap();
        client.write_all(bytes).unwrap();
        client
    }
}

fn to(remote: SocketAddr, kind: LinkKind) -> StreamTarget<'static> {
    StreamTarget { remote, kind, authority: "game.example:7777" }
}

fn stream_of(datagrams: &[&[u8]]) -> Vec<u8> {
    let mut stream = STREAM_MAGIC.to_vec();
    datagrams.iter().for_each(|datagram| assert!(write_record(datagram, &mut stream)));
    stream
}

#[test]
fn datagrams_go_in_and_out() {
    let mut rig = Rig::new(StreamsConfig::default());
    let mut client = rig.knock(&stream_of(&[b"hello", &[7; 16_384]]));
    rig.until("two datagrams", |rig| rig.datagrams.len() == 2);
    let id = rig.datagrams[0].0;
    assert_eq!(rig.datagrams[0].1, b"hello");
    assert_eq!(rig.datagrams[1], (id, vec![7; 16_384]));
    assert_eq!(rig.streams.send(id, b"answer"), Queued::Yes);
    rig.turn(Duration::ZERO);
    let mut answer = vec![0; stream_of(&[b"answer"]).len()];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, stream_of(&[b"answer"]));
    client.shutdown(Shutdown::Both).unwrap();
    rig.until("the end", |rig| rig.ended(StreamFailure::Closed) == 1);
    assert_eq!(rig.streams.send(id, b"too late"), Queued::Lost);
    assert_eq!(rig.events, [StreamEvent::Ended(id, StreamFailure::Closed)]);
}

#[test]
fn what_comes_in_single_bytes_comes_all_the_same() {
    let mut rig = Rig::new(StreamsConfig::default());
    let mut client = rig.knock(&[]);
    client.set_nodelay(true).unwrap();
    for byte in stream_of(&[b"one", b"two"]) {
        client.write_all(&[byte]).unwrap();
        rig.turn(Duration::from_millis(1));
    }
    rig.until("both", |rig| rig.datagrams.len() == 2);
}

#[test]
fn one_that_reads_nothing_is_stopped_and_then_ended_and_others_are_not_touched() {
    let mut rig = Rig::new(StreamsConfig::default());
    let slow = rig.knock(&stream_of(&[b"slow"]));
    rig.until("the first", |rig| rig.datagrams.len() == 1);
    let mut quick = rig.knock(&stream_of(&[b"quick"]));
    rig.until("the second", |rig| rig.datagrams.len() == 2);
    let [slow_id, quick_id] = [rig.datagrams[0].0, rig.datagrams[1].0];
    [slow_id, quick_id].into_iter().for_each(|id| rig.streams.claim(id));
    let (mut is_full, mut sent) = (false, 0);
    while !is_full {
        is_full = rig.streams.send(slow_id, &[1; 16_000]) == Queued::Full;
        rig.turn(Duration::ZERO);
        // What the system takes makes room again.
        is_full &= rig.events.is_empty();
        rig.events.clear();
        sent += 1;
        assert!(sent < 100_000, "the system takes everything");
    }
    let mut lost = 0;
    for _ in 0..100 {
        lost += usize::from(rig.streams.send(slow_id, &[1; 16_000]) == Queued::Lost);
    }
    assert!(lost > 80, "memory is bounded whatever a driver does: {lost}");
    assert_eq!(rig.streams.send(quick_id, b"still here"), Queued::Yes);
    rig.turn(Duration::ZERO);
    let mut answer = vec![0; stream_of(&[b"still here"]).len()];
    quick.read_exact(&mut answer).unwrap();

    rig.now += Duration::from_secs(29);
    rig.turn(Duration::ZERO);
    assert_eq!(rig.ended(StreamFailure::TooSlow), 0);
    rig.now += Duration::from_secs(2);
    rig.turn(Duration::ZERO);
    assert_eq!(rig.events, [StreamEvent::Ended(slow_id, StreamFailure::TooSlow)]);
    assert_eq!(rig.streams.statistics().open, 1);
    drop(slow);
}

#[test]
fn room_is_told_when_a_full_stream_is_read() {
    let mut rig = Rig::new(StreamsConfig::default());
    let mut client = rig.knock(&stream_of(&[b"hello"]));
    rig.until("hello", |rig| rig.datagrams.len() == 1);
    let id = rig.datagrams[0].0;
    rig.streams.claim(id);
    let mut sent = 0usize;
    // Full, and still so after the system has taken what it takes.
    loop {
        sent += 1;
        let is_full = rig.streams.send(id, &[1; 16_000]) == Queued::Full;
        rig.turn(Duration::ZERO);
        if is_full && rig.events.is_empty() {
            break;
        }
        rig.events.clear();
    }
    let reader = std::thread::spawn(move || {
        let mut left = 4 + sent * 16_004;
        let mut bytes = vec![0; 65_536];
        while left > 0 {
            let wanted = left.min(bytes.len());
            left -= client.read(&mut bytes[..wanted]).unwrap();
        }
    });
    rig.until("room", |rig| rig.events.contains(&StreamEvent::Room(id)));
    rig.until("all is written", |_| reader.is_finished());
    reader.join().unwrap();
}

#[test]
fn impossible_records_and_other_protocols_end_their_stream_and_no_other() {
    let mut rig = Rig::new(StreamsConfig::default());
    let _good = rig.knock(&stream_of(&[b"good"]));
    rig.until("good", |rig| rig.datagrams.len() == 1);
    let long = [&STREAM_MAGIC[..], &[0x01, 0x40, 0, 0]].concat();
    let empty = [&STREAM_MAGIC[..], &[0; 4]].concat();
    let strangers: [(&[u8], StreamFailure); 4] = [
        (&long, StreamFailure::RecordLength),
        (&empty, StreamFailure::RecordLength),
        (b"SSH-2.0-OpenSSH", StreamFailure::NotTme),
        (&[0x16, 0x03, 0x01, 0x02, 0x00], StreamFailure::NotTme),
    ];
    for (bytes, failure) in strangers {
        let before = rig.ended(failure);
        let mut stranger = rig.knock(bytes);
        rig.until("its end", |rig| rig.ended(failure) == before + 1);
        let mut rest = Vec::new();
        let _ = stranger.read_to_end(&mut rest);
        assert!(rest.is_empty(), "nothing is said to strangers");
    }
    assert_eq!(rig.streams.statistics().open, 1);
    assert_eq!(rig.datagrams.len(), 1);
}

#[test]
fn who_says_nothing_or_too_little_is_gone_in_time() {
    let mut rig = Rig::new(StreamsConfig::default());
    let _silent = rig.knock(b"");
    let _hesitant = rig.knock(b"TME");
    let _talker = rig.knock(&stream_of(&[b"talk and no connection"]));
    rig.until("all three", |rig| rig.streams.statistics().open == 3 && rig.datagrams.len() == 1);
    rig.until("the hesitant's bytes", |_| true);
    rig.now += Duration::from_millis(5_100);
    rig.turn(Duration::from_millis(20));
    assert_eq!((rig.ended(StreamFailure::Unclaimed), rig.streams.statistics().open), (2, 1));
    rig.now += Duration::from_secs(5);
    rig.turn(Duration::ZERO);
    assert_eq!((rig.ended(StreamFailure::Unclaimed), rig.streams.statistics().open), (3, 0));
}

#[test]
fn a_byte_a_second_buys_no_time_whatever_it_is_said_in() {
    let hello = stream_of(&[&[7; 100]]);
    let cases: [(&str, &[u8], u64); 4] = [
        // Four bytes in four seconds tell that it is TME, and a record that is never whole carries nobody.
        ("records", &hello, 10),
        ("half a record at once", &hello[..50], 10),
        ("a request", REQUEST.as_bytes(), 10),
        ("nonsense of three bytes", b"TME", 5),
    ];
    for (what, bytes, seconds) in cases {
        let mut rig = Rig::new(StreamsConfig::default());
        let mut player = rig.knock(&stream_of(&[b"player"]));
        rig.until("the player", |rig| rig.datagrams.len() == 1);
        let id = rig.datagrams[0].0;
        rig.streams.claim(id);
        let mut slow = rig.knock(&[]);
        rig.until("the slow one", |rig| rig.streams.statistics().open == 2);
        let is_at_once = what.ends_with("at once");
        for second in 0..seconds {
            assert_eq!(rig.ended(StreamFailure::Unclaimed), 0, "{what} after {second} s");
            let piece = if is_at_once {
                &bytes[..bytes.len() * usize::from(second == 0)]
            } else {
                bytes.get(second as usize..=second as usize).unwrap_or_default()
            };
            slow.write_all(piece).unwrap();
            let so_far = rig.streams.statistics().bytes_in + piece.len() as u64;
            rig.until("its bytes", |rig| rig.streams.statistics().bytes_in == so_far);
            rig.now += Duration::from_secs(1);
            // Somebody else plays on.
            player.write_all(&stream_of(&[b"on"])[4..]).unwrap();
            rig.until("the player's", |rig| rig.datagrams.len() as u64 == second + 2);
        }
        rig.turn(Duration::ZERO);
        assert_eq!(rig.ended(StreamFailure::Unclaimed), 1, "{what}");
        assert_eq!(rig.streams.statistics().open, 1, "{what}");
        assert_eq!(rig.streams.send(id, b"still here"), Queued::Yes);
    }
}

#[test]
fn a_storm_is_let_in_sixteen_at_a_time_and_beyond_the_limit_nobody() {
    let mut rig = Rig::new(StreamsConfig { streams_max: 40, ..StreamsConfig::default() });
    let clients: Vec<TcpStream> = (0..60).map(|_| rig.knock(&stream_of(&[b"x"]))).collect();
    rig.poller.wait(Some(Duration::from_secs(20))).unwrap();
    rig.streams.handle_wait(&rig.poller);
    rig.streams.receive(rig.now, &rig.poller, |_, _, _| Belongs::Here);
    assert_eq!(rig.streams.statistics().accepted, 16, "the others wait for the next turn");
    assert!(rig.streams.is_any_receivable());
    rig.until("all", |rig| rig.streams.statistics().accepted == 60);
    assert_eq!((rig.streams.statistics().open, rig.ended(StreamFailure::TooMany)), (40, 20));
    drop(clients);
    rig.until("all are gone", |rig| rig.streams.statistics().open == 0);
    assert_eq!(rig.streams.poll_timeout(), None, "no deadline is left behind");
}

#[test]
fn a_released_stream_sends_what_it_has_and_closes() {
    let mut rig = Rig::new(StreamsConfig::default());
    let mut client = rig.knock(&stream_of(&[b"hello"]));
    rig.until("hello", |rig| rig.datagrams.len() == 1);
    let id = rig.datagrams[0].0;
    rig.streams.claim(id);
    assert_eq!(rig.streams.send(id, b"goodbye"), Queued::Yes);
    rig.streams.release(rig.now, id);
    rig.until("its end", |rig| rig.ended(StreamFailure::Released) == 1);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, stream_of(&[b"goodbye"]));
}

#[test]
fn streams_are_opened_and_refused() {
    let mut server = Rig::new(StreamsConfig::default());
    let mut client = Rig::new(StreamsConfig::default());
    let id = client.streams.open(client.now, &to(server.address, LinkKind::Tcp), &client.poller).unwrap();
    assert_eq!(client.streams.send(id, b"sent before it is open"), Queued::Yes);
    client.until("open", |rig| rig.events.contains(&StreamEvent::Opened(id)));
    client.turn(Duration::ZERO);
    server.until("the datagram", |rig| rig.datagrams.len() == 1);

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = client.streams.open(client.now, &to(nobody, LinkKind::Tcp), &client.poller).unwrap();
    let end = StreamEvent::Ended(refused, StreamFailure::Unreachable);
    client.until("refused", |rig| rig.events.contains(&end));
}

#[test]
fn a_port_in_use_is_told() {
    let rig = Rig::new(StreamsConfig::default());
    let poller = Poller::new(EVENTS_DEFAULT).unwrap();
    let error = Streams::new(StreamsConfig::default()).listen(rig.address, &poller).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
}

#[test]
fn a_stream_opened_here_that_carries_nobody_is_closed_in_time() {
    // Whatever listens there takes what we say and answers nothing, for ever.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut rig = Rig::new(StreamsConfig::default());
    let id =
        rig.streams.open(rig.now, &to(silent.local_addr().unwrap(), LinkKind::Tcp), &rig.poller).unwrap();
    rig.until("open", |rig| rig.events.contains(&StreamEvent::Opened(id)));
    assert_eq!(rig.streams.send(id, b"is anybody there?"), Queued::Yes);
    rig.turn(Duration::ZERO);
    rig.now += Duration::from_millis(10_100);
    rig.turn(Duration::ZERO);
    assert_eq!((rig.ended(StreamFailure::Unclaimed), rig.streams.statistics().open), (1, 0));
}

#[test]
fn a_stranger_who_reads_no_answer_costs_little_memory() {
    let mut rig = Rig::new(StreamsConfig::default());
    let _stranger = rig.knock(&stream_of(&[b"hello"]));
    rig.until("hello", |rig| rig.datagrams.len() == 1);
    let id = rig.datagrams[0].0;
    let answers = (0..100).filter(|_| rig.streams.send(id, &[1; 1_200]) != Queued::Lost).count();
    assert!((10..=15).contains(&answers), "{answers} answers wait for a stranger");
    assert_eq!((rig.ended(StreamFailure::TooSlow), rig.streams.statistics().open), (1, 0));
}

#[test]
fn bytes_are_counted_with_what_is_around_them() {
    let mut rig = Rig::new(StreamsConfig::default());
    let mut client = rig.knock(&stream_of(&[b"hello"]));
    rig.until("hello", |rig| rig.datagrams.len() == 1);
    assert_eq!(rig.streams.send(rig.datagrams[0].0, b"answer"), Queued::Yes);
    rig.turn(Duration::ZERO);
    client.read_exact(&mut [0; 14]).unwrap();
    let statistics = rig.streams.statistics();
    assert_eq!((statistics.bytes_in, statistics.bytes_out), (13, 14));
}

#[test]
fn a_client_leaves_its_former_stream_for_the_server_to_close() {
    let mut server = Rig::new(StreamsConfig::default());
    let mut client = Rig::new(StreamsConfig::default());
    let id = client.streams.open(client.now, &to(server.address, LinkKind::Tcp), &client.poller).unwrap();
    assert_eq!(client.streams.send(id, b"hello"), Queued::Yes);
    client.streams.claim(id);
    client.until("open", |rig| rig.events.contains(&StreamEvent::Opened(id)));
    server.until("hello", |rig| rig.datagrams.len() == 1);
    let at_server = server.datagrams[0].0;
    server.streams.claim(at_server);

    client.streams.release(client.now, id);
    client.turn(Duration::ZERO);
    // The server has not heard of the other way, and goes on.
    assert_eq!(server.streams.send(at_server, b"still this way"), Queued::Yes);
    server.turn(Duration::ZERO);
    client.until("the datagram", |rig| rig.datagrams.len() == 1);
    server.streams.release(server.now, at_server);
    server.until("its end", |rig| rig.ended(StreamFailure::Released) == 1);
    client.until("its end", |rig| rig.ended(StreamFailure::Released) == 1);

    // One that does not close it does not keep it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let id = client
        .streams
        .open(client.now, &to(silent.local_addr().unwrap(), LinkKind::Tcp), &client.poller)
        .unwrap();
    client.until("open", |rig| rig.events.contains(&StreamEvent::Opened(id)));
    client.streams.claim(id);
    client.streams.release(client.now, id);
    client.turn(Duration::ZERO);
    assert_eq!(client.streams.statistics().open, 1);
    client.now += Duration::from_millis(5_100);
    client.turn(Duration::ZERO);
    assert_eq!((client.ended(StreamFailure::Released), client.streams.statistics().open), (2, 0));
}

#[test]
fn where_there_is_no_room_the_oldest_stranger_gives_way() {
    let mut rig = Rig::new(StreamsConfig::default());
    let mut knock = |datagrams| {
        let client = rig.knock(&stream_of(&[b"hello"]));
        rig.until("hello", |rig| rig.datagrams.len() == datagrams);
        rig.now += Duration::from_secs(1);
        client
    };
    let _clients = [1, 2, 3].map(&mut knock);
    let [first, second, third] = [0, 1, 2].map(|index| rig.datagrams[index].0);
    rig.streams.claim(first);
    rig.streams.make_room();
    rig.streams.make_room();
    rig.streams.make_room();
    rig.turn(Duration::ZERO);
    let gone = [second, third].map(|id| StreamEvent::Ended(id, StreamFailure::TooMany));
    assert_eq!(rig.events, gone, "and whoever plays stays");
}

const REQUEST: &str = "GET /tme HTTP/1.1\r\nHost: game.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: chat, tme1\r\n\r\n";

/// A masked frame of a client, shorter than 126 bytes.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0][..], payload].concat()
}

/// What comes before the other side closes, or up to `bytes`.
fn read_some(client: &mut TcpStream, rig: &mut Rig, bytes: usize) -> Vec<u8> {
    client.set_nonblocking(true).unwrap();
    let mut read = Vec::new();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while read.len() < bytes {
        assert!(std::time::Instant::now() < deadline, "{}", String::from_utf8_lossy(&read));
        rig.turn(Duration::from_millis(2));
        let mut some = [0; 4_096];
        match client.read(&mut some) {
            Ok(0) => break,
            Ok(count) => read.extend_from_slice(&some[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    read
}

#[test]
fn a_browser_is_answered_as_it_wants_to_be() {
    let mut rig = Rig::new(StreamsConfig::default());
    let mut client = rig.knock(REQUEST.as_bytes());
    let answer = String::from_utf8(read_some(&mut client, &mut rig, 150)).unwrap().to_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    // RFC 6455, section 1.3, has this key and this answer.
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
    assert!(answer.contains("sec-websocket-protocol: tme1"), "{answer}");

    client.write_all(&[frame(2, b"hello"), frame(9, b"are you there?")].concat()).unwrap();
    rig.until("hello", |rig| rig.datagrams.len() == 1);
    let (id, datagram) = rig.datagrams[0].clone();
    assert_eq!((id.kind, &datagram[..]), (LinkKind::WebSocket, &b"hello"[..]));
    let pong = read_some(&mut client, &mut rig, 16);
    assert_eq!(pong, [&[0x8A, 14][..], b"are you there?"].concat());
    assert_eq!(rig.streams.send(id, b"answer"), Queued::Yes);
    assert_eq!(read_some(&mut client, &mut rig, 8), [&[0x82, 6][..], b"answer"].concat());
}

#[test]
fn websockets_open_from_here_carry_datagrams_both_ways() {
    let mut server = Rig::new(StreamsConfig::default());
    let mut client = Rig::new(StreamsConfig::default());
    let target = to(server.address, LinkKind::WebSocket);
    let id = client.streams.open(client.now, &target, &client.poller).unwrap();
    assert_eq!(id.kind, LinkKind::WebSocket);
    for number in 0..10u8 {
        assert_eq!(client.streams.send(id, &[number; 1_000]), Queued::Yes, "kept until it is open");
    }
    server.until("the first", |rig| {
        client.turn(Duration::from_millis(1));
        !rig.datagrams.is_empty()
    });
    server.until("all", |rig| {
        client.turn(Duration::from_millis(1));
        rig.datagrams.len() == 10
    });
    let there: Vec<u8> = server.datagrams.iter().map(|(_, datagram)| datagram[0]).collect();
    assert_eq!(there, (0..10).collect::<Vec<_>>());
    let back = server.datagrams[0].0;
    assert_eq!(server.streams.send(back, &[9; 16_384]), Queued::Yes);
    server.turn(Duration::ZERO);
    client.until("the answer", |rig| {
        server.turn(Duration::from_millis(1));
        rig.datagrams.len() == 1
    });
    assert_eq!(client.datagrams[0], (id, vec![9; 16_384]));
}

#[test]
fn requests_for_something_else_and_messages_of_another_kind_end_their_websocket_with_a_reason() {
    let mut rig = Rig::new(StreamsConfig::default());
    let no_protocol = REQUEST.replace("Sec-WebSocket-Protocol: chat, tme1\r\n", "");
    for request in ["GET / HTTP/1.1\r\nHost: game.example\r\n\r\n", no_protocol.as_str(), "GET \r\n\r\n"] {
        let before = rig.ended(StreamFailure::BadUpgrade);
        let mut client = rig.knock(request.as_bytes());
        let answer = String::from_utf8(read_some(&mut client, &mut rig, usize::MAX)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer:?}");
        assert_eq!(rig.ended(StreamFailure::BadUpgrade), before + 1, "{request:?}");
    }
    let endless = [b"GET /".to_vec(), vec![b'a'; 20_000]].concat();
    let _endless = rig.knock(&endless);
    rig.until("its end", |rig| rig.ended(StreamFailure::BadUpgrade) == 4);

    let cases: [(Vec<u8>, StreamFailure, u16); 3] = [
        (frame(1, b"text"), StreamFailure::TextMessage, 1_003),
        (
            [&[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..]].concat(),
            StreamFailure::RecordLength,
            1_009,
        ),
        (vec![0x82, 2, 1, 2], StreamFailure::NotTme, 1_002),
    ];
    for (bytes, failure, code) in cases {
        let mut client = rig.knock(REQUEST.as_bytes());
        let upgrade = read_some(&mut client, &mut rig, 150);
        assert!(upgrade.starts_with(b"HTTP/1.1 101"), "{failure}");
        let before = rig.ended(failure);
        client.write_all(&bytes).unwrap();
        let farewell = read_some(&mut client, &mut rig, usize::MAX);
        let [0x88, _, high, low, ..] = farewell[..] else { panic!("{failure}: {farewell:02x?}") };
        assert_eq!(u16::from_be_bytes([high, low]), code, "{failure}");
        assert_eq!(rig.ended(failure), before + 1, "{failure}");
    }
    assert_eq!(rig.streams.statistics().open, 0);
}
