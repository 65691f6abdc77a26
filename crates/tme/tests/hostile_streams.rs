//! Bad input at a server's TCP port: each kind ends its own stream for a reason that is counted, and those who play go on
//! as if nothing had happened. (What only takes too long is told with a virtual clock, in `tme-transport`.)
#![allow(missing_docs)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{World, messages};
use tme::{Channel, Client, ClientBuilder, Event, LinkChoice, Server, StreamFailure, TlsTrust};

const PATIENCE: Duration = Duration::from_secs(30);

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: game.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: tme1\r\n\r\n";

/// A folder with a certificate for `localhost` that vouches for itself; gone with this.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tme-hostile-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self(folder)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn client(server: &Server) -> ClientBuilder {
    Client::builder().connect(server.local_addr().to_string()).server_key(server.public_key())
}

/// A server with a certificate, and a player by each link.
fn world(files: &Files) -> World {
    let server = Server::builder()
        .channel(Channel::reliable_ordered("chat"))
        .listen("127.0.0.1:0")
        .listen_tcp()
        .tls(files.0.join("chain.pem"), files.0.join("key.pem"))
        .start()
        .unwrap();
    let trust = TlsTrust::Authorities(files.0.join("chain.pem").into());
    let clients = [
        client(&server).links(LinkChoice::Udp),
        client(&server).links(LinkChoice::Tcp),
        client(&server).links(LinkChoice::WebSocket),
        client(&server).links(LinkChoice::Tcp).tls(trust).tls_name("localhost"),
    ];
    let mut world = World::new(server, clients.map(|builder| builder.start().unwrap()).into());
    world.run_until(|world| {
        world.connected_peers().len() == 4 && world.clients.iter().all(Client::is_connected)
    });
    world
}

/// Every player says something, and gets it back.
fn play(world: &mut World, text: &str) {
    let heard =
        |world: &World| world.client_events.iter().map(|events| messages(events).len()).collect::<Vec<_>>();
    let before = heard(world);
    world.clients.iter().for_each(|client| client.send(0, text).unwrap());
    let mut answered = world.server_events.len();
    let start = Instant::now();
    while heard(world).iter().zip(&before).any(|(now, before)| now == before) {
        assert!(start.elapsed() < PATIENCE, "{text}: {:?}", world.server.statistics().streams);
        world.step();
        for event in &world.server_events[answered..] {
            match event {
                Event::Message { peer, payload, .. } => world.server.send(*peer, 0, &payload[..]).unwrap(),
                Event::Disconnected { .. } | Event::Interrupted { .. } | Event::LinkChanged { .. } => {
                    panic!("{text}: {event:?}")
                }
                _ => {}
            }
        }
        answered = world.server_events.len();
    }
}

/// A masked WebSocket frame of a client, shorter than 126 bytes.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0][..], payload].concat()
}

/// What it is, what is said at once, what once that was answered, why the stream ends, and how its last words begin if it has
/// any.
type Case<'a> = (&'a str, &'a [u8], &'a [u8], StreamFailure, &'a [u8]);

#[test]
fn each_kind_of_bad_input_is_counted_and_touches_no_player() {
    use StreamFailure::*;
    let files = Files::new("kinds");
    let mut world = world(&files);
    let upgrade = UPGRADE.as_bytes();
    let no_protocol = UPGRADE.replace("Sec-WebSocket-Protocol: tme1\r\n", "");
    let endless = [b"GET /".to_vec(), vec![b'a'; 20_000]].concat();
    let text = frame(1, b"{\"hello\": 1}");
    let too_long = [0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let cases: [Case<'_>; 15] = [
        ("a record of 16,385 bytes", b"TME1\x01\x40\0\0", b"", RecordLength, b""),
        ("a record of no byte", b"TME1\0\0\0\0", b"", RecordLength, b""),
        ("a fourth byte other than 0", b"TME1\x05\0\0\x01hello", b"", RecordLength, b""),
        ("half a record, and the end", b"TME1\x05\0\0\0he", b"", Closed, b""),
        ("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n", b"", NotTme, b""),
        ("another way of HTTP", b"POST / HTTP/1.1\r\n\r\n", b"", NotTme, b""),
        ("a page", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"", BadUpgrade, b"HTTP/1.1 400 "),
        ("no subprotocol", no_protocol.as_bytes(), b"", BadUpgrade, b"HTTP/1.1 400 "),
        ("an endless request", &endless, b"", BadUpgrade, b""),
        ("text", upgrade, &text, TextMessage, b"\x88"),
        ("a message of 65,536 bytes", upgrade, &too_long, RecordLength, b"\x88"),
        ("a frame without a mask", upgrade, b"\x82\x02hi", NotTme, b"\x88"),
        ("TLS that is none", b"\x16\x03\x01\0\x05hello", b"", TlsFailed, b""),
        ("a PROXY header", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nTME1", b"", UnlistedProxy, b""),
        ("a binary one", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0TME1", b"", UnlistedProxy, b""),
    ];
    for (what, first, then, failure, last_words) in cases {
        let before = world.server.statistics().streams.ended;
        let mut stream = TcpStream::connect(world.server.tcp_addr().unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        stream.write_all(first).unwrap();
        let mut answer = Vec::new();
        if failure == Closed {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        if !then.is_empty() {
            listen(&mut world, &mut stream, &mut answer, |_, answer| answer.ends_with(b"\r\n\r\n"));
            assert!(answer.starts_with(b"HTTP/1.1 101 "), "{what}: {}", String::from_utf8_lossy(&answer));
            answer.clear();
            stream.write_all(then).unwrap();
        }
        listen(&mut world, &mut stream, &mut answer, |world, _| {
            world.server.statistics().streams.ended.of(failure) > before.of(failure)
        });
        // What it had to say is there; a system may take it back where something was left unread.
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.starts_with(last_words), "{what}: {answer:02x?}");
        assert!(
            !last_words.is_empty() || answer.is_empty() || failure == BadUpgrade,
            "{what}: {answer:02x?}"
        );
        let after = world.server.statistics().streams.ended;
        for other in StreamFailure::ALL {
            let expected = before.of(other) + u64::from(other == failure);
            assert_eq!(after.of(other), expected, "{what}: {other}");
        }
        play(&mut world, what);
    }
    assert_eq!(world.server.statistics().streams.open, 3, "the players'");
    assert_eq!(world.connected_peers().len(), 4, "and nobody came twice");
}

/// Drives the world until it is so, and takes in what is said meanwhile.
fn listen(
    world: &mut World,
    stream: &mut TcpStream,
    answer: &mut Vec<u8>,
    is_so: impl Fn(&World, &[u8]) -> bool,
) {
    let start = Instant::now();
    while !is_so(world, answer) {
        assert!(start.elapsed() < PATIENCE, "{:?}", world.server.statistics().streams);
        world.step();
        let mut some = [0; 4_096];
        if let Ok(count) = stream.read(&mut some) {
            answer.extend_from_slice(&some[..count]);
        }
    }
}

#[test]
fn many_who_say_nothing_or_half_of_something_keep_nobody_from_playing_or_coming() {
    let files = Files::new("silent");
    let mut world = world(&files);
    let beginnings: [&[u8]; 6] =
        [b"", b"TM", b"TME1", b"TME1\x00\x40\0\0half a record", b"GET / HT", b"\x16\x03\x01"];
    let silent: Vec<TcpStream> = (0..120)
        .map(|number| {
            let mut stream = TcpStream::connect(world.server.tcp_addr().unwrap()).unwrap();
            stream.write_all(beginnings[number % beginnings.len()]).unwrap();
            stream
        })
        .collect();
    let all = 3 + silent.len() as u64;
    world.run_until(|world| world.server.statistics().streams.accepted == all);
    play(&mut world, "among the silent");
    let builder = client(&world.server).links(LinkChoice::Tcp);
    world.clients.push(builder.start().unwrap());
    world.client_events.push(Vec::new());
    world.run_until(|world| {
        world.connected_peers().len() == 5 && world.clients.iter().all(Client::is_connected)
    });
    play(&mut world, "with one more");
}

#[test]
fn a_client_that_does_not_believe_the_certificate_leaves_the_others_alone() {
    let files = Files::new("certificate");
    let mut world = world(&files);
    let doubtful = client(&world.server)
        .links(LinkChoice::Tcp)
        .tls(TlsTrust::Fingerprint([7; 32]))
        .connect_timeout(Duration::from_secs(2));
    let mut doubtful = doubtful.start().unwrap();
    let start = Instant::now();
    let end = loop {
        assert!(start.elapsed() < PATIENCE, "{:?}", world.server.statistics().streams);
        world.step();
        let _ = doubtful.update(Duration::ZERO);
        let end = doubtful.events().find_map(|event| match event {
            Event::Disconnected { reason, .. } => Some(reason),
            _ => None,
        });
        if let Some(end) = end {
            break end;
        }
    };
    assert!(end.to_string().contains("certificate is not trusted"), "{end}");
    world.run_until(|world| world.server.statistics().streams.ended.of(StreamFailure::TlsFailed) == 1);
    play(&mut world, "after the doubtful one");
}
