//! Servers behind proxies that say for whom they speak, on real sockets.
#![allow(missing_docs)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tme::{
    Channel, Client, ClientBuilder, Error, Event, LinkChoice, PeerId, ProxyHeader, Reason, Server,
    ServerBuilder, StreamFailure, TlsTrust,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn builder() -> ServerBuilder {
    Server::builder().channel(Channel::reliable_ordered("chat")).listen("127.0.0.1:0").listen_tcp()
}

fn behind(header: ProxyHeader) -> ServerBuilder {
    builder().trusted_proxy("127.0.0.1", header)
}

/// What a proxy says of its client.
#[derive(Clone)]
enum Word {
    /// This, before all else.
    Header(Vec<u8>),
    /// This line in the request.
    Line(String),
}

impl Word {
    /// A header of version 1 for this client.
    fn text(client: &str) -> Self {
        let client: SocketAddr = client.parse().unwrap();
        let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
        let (ip, port) = (client.ip(), client.port());
        Self::Header(format!("PROXY {family} {ip} {ip} {port} 7777\r\n").into_bytes())
    }

    /// One of version 2, with a TLV.
    fn binary(client: &str) -> Self {
        let SocketAddr::V4(client) = client.parse().unwrap() else { panic!("{client}") };
        let port = client.port().to_be_bytes();
        let addresses = [&client.ip().octets()[..], &[198, 51, 100, 1], &port, &[0x1E, 0x61]].concat();
        let rest = [&addresses[..], &[0x04, 0, 2, 0, 0]].concat();
        Self::Header([b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0", &[rest.len() as u8][..], &rest].concat())
    }

    fn say(&self, client: &mut TcpStream, server: &mut TcpStream) -> std::io::Result<()> {
        match self {
            Self::Header(header) => server.write_all(header),
            Self::Line(line) => {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    client.read_exact(&mut byte)?;
                    request.extend(byte);
                }
                let request =
                    String::from_utf8(request).unwrap().replacen("\r\n", &format!("\r\n{line}\r\n"), 1);
                server.write_all(request.as_bytes())
            }
        }
    }
}

/// A proxy for TCP.
struct Proxy {
    address: SocketAddr,
    ends: Arc<Mutex<Vec<TcpStream>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    fn start(server: &Server, word: Word) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, server) = (listener.local_addr().unwrap(), server.tcp_addr().unwrap());
        let (ends, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (all, over) = (Arc::clone(&ends), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let mut pumps = Vec::new();
            for mut near in listener.incoming().map(Result::unwrap) {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let mut far = TcpStream::connect(server).unwrap();
                let again = |end: &TcpStream| end.try_clone().unwrap();
                all.lock().unwrap().extend([again(&near), again(&far)]);
                if word.say(&mut near, &mut far).is_err() {
                    continue;
                }
                for (mut from, mut to) in [(again(&near), again(&far)), (far, near)] {
                    pumps.push(std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    }));
                }
            }
            for pump in pumps {
                pump.join().unwrap();
            }
        });
        Self { address, ends, is_over, thread: Some(thread) }
    }

    fn client(&self, server: &Server, links: LinkChoice) -> ClientBuilder {
        Client::builder().connect(self.address.to_string()).server_key(server.public_key()).links(links)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Drives all until the server or a client is told of what is waited for. The server sends back what it gets.
fn until<T>(
    server: &mut Server,
    clients: &mut [&mut Client],
    mut wanted: impl FnMut(Side, &Event) -> Option<T>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "not told in time: {:?}", server.statistics().streams);
        server.update(Duration::from_millis(1)).unwrap();
        let events: Vec<Event> = server.events().collect();
        for event in events {
            if let Event::Message { peer, channel, payload, .. } = &event {
                server.send(*peer, *channel, &payload[..]).unwrap();
            }
            if let Some(found) = wanted(Side::Server, &event) {
                return found;
            }
        }
        for (index, client) in clients.iter_mut().enumerate() {
            let _ = client.update(Duration::from_millis(1));
            if let Some(found) = client.events().find_map(|event| wanted(Side::Client(index), &event)) {
                return found;
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Server,
    Client(usize),
}

/// Whom the server takes a client for.
fn joined(server: &mut Server, client: &mut Client) -> (PeerId, SocketAddr) {
    until(server, &mut [client], |side, event| match event {
        Event::Connected { peer, info, .. } if side == Side::Server => Some((*peer, info.remote)),
        _ => None,
    })
}

fn echo(server: &mut Server, client: &mut Client) {
    client.send(0, "echo").unwrap();
    until(server, &mut [client], |side, event| match event {
        Event::Message { .. } if side == Side::Client(0) => Some(()),
        _ => None,
    });
}

#[test]
fn a_client_has_the_address_that_its_proxy_tells() {
    let cases = [
        (Word::text("192.0.2.1:40000"), LinkChoice::Tcp, "192.0.2.1:40000"),
        (Word::text("[2001:db8::1]:40000"), LinkChoice::Tcp, "[2001:db8::1]:40000"),
        (Word::binary("192.0.2.1:40001"), LinkChoice::Tcp, "192.0.2.1:40001"),
        (Word::binary("192.0.2.1:40001"), LinkChoice::WebSocket, "192.0.2.1:40001"),
    ];
    for (word, links, expected) in cases {
        let mut server = behind(ProxyHeader::ProxyProtocol).start().unwrap();
        let proxy = Proxy::start(&server, word);
        let mut client = proxy.client(&server, links).start().unwrap();
        let (peer, remote) = joined(&mut server, &mut client);
        assert_eq!(remote.to_string(), expected);
        assert_eq!(server.peer(peer).unwrap().remote, remote);
        echo(&mut server, &mut client);
    }
}

#[test]
fn a_web_server_tells_the_address_in_its_request() {
    let mut server = behind(ProxyHeader::XForwardedFor).start().unwrap();
    let proxy = Proxy::start(&server, Word::Line("X-Forwarded-For: 203.0.113.5, 192.0.2.1".to_owned()));
    let mut client = proxy.client(&server, LinkChoice::WebSocket).start().unwrap();
    let (_, remote) = joined(&mut server, &mut client);
    assert_eq!(remote.ip().to_string(), "192.0.2.1");
    echo(&mut server, &mut client);
}

#[test]
fn a_server_with_several_threads_passes_the_address_on() {
    let mut server = behind(ProxyHeader::ProxyProtocol).network_threads(4).start_threaded().unwrap();
    let proxy = Proxy::start(&server, Word::text("192.0.2.1:40000"));
    let mut clients: Vec<Client> =
        (0..8).map(|_| proxy.client(&server, LinkChoice::Tcp).start().unwrap()).collect();
    let mut all: Vec<&mut Client> = clients.iter_mut().collect();
    let mut proxied = 0;
    until(&mut server, &mut all, |side, event| match event {
        Event::Connected { info, .. } if side == Side::Server => {
            assert_eq!(info.remote.to_string(), "192.0.2.1:40000");
            proxied += 1;
            (proxied == 8).then_some(())
        }
        _ => None,
    });
}

#[test]
fn the_header_comes_before_tls() {
    let folder = std::env::temp_dir().join(format!("tme-proxies-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let started = behind(ProxyHeader::ProxyProtocol).tls(&chain, &key).start();
    let trust = TlsTrust::Authorities(chain.into());
    let mut server = started.unwrap();
    let proxy = Proxy::start(&server, Word::text("192.0.2.1:40000"));
    for links in [LinkChoice::Tcp, LinkChoice::WebSocket] {
        let builder = proxy.client(&server, links).tls(trust.clone()).tls_name("localhost");
        let mut client = builder.start().unwrap();
        assert_eq!(joined(&mut server, &mut client).1.to_string(), "192.0.2.1:40000");
        echo(&mut server, &mut client);
    }
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn limits_count_the_address_that_was_forwarded() {
    // A quarter for each network: one. Whoever comes from this machine itself has no such limit.
    let builder = behind(ProxyHeader::ProxyProtocol).ask_before_admitting().max_applicants(4);
    let mut server = builder.start().unwrap();
    let words = ["192.0.2.1:40000", "192.0.2.77:40000", "198.51.100.1:40000"].map(Word::text);
    let proxies = words.map(|word| Proxy::start(&server, word));
    let client = |server: &Server, proxy: &Proxy| proxy.client(server, LinkChoice::Tcp).start().unwrap();
    let asked = |side: Side, event: &Event| match event {
        Event::Admission { info, .. } if side == Side::Server => Some(Ok(info.remote.to_string())),
        Event::Disconnected { reason, .. } => Some(Err(reason.reason)),
        _ => None,
    };
    let mut first = client(&server, &proxies[0]);
    assert_eq!(until(&mut server, &mut [&mut first], asked), Ok("192.0.2.1:40000".to_owned()));
    let mut neighbour = client(&server, &proxies[1]);
    assert_eq!(until(&mut server, &mut [&mut first, &mut neighbour], asked), Err(Reason::Busy));
    let mut other = client(&server, &proxies[2]);
    assert_eq!(until(&mut server, &mut [&mut first, &mut other], asked), Ok("198.51.100.1:40000".to_owned()));
}

#[test]
fn who_says_what_he_should_not_is_counted_and_touches_no_player() {
    let tcp = |server: &Server, bytes: &[u8]| {
        let mut stream = TcpStream::connect(server.tcp_addr().unwrap()).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    // Past the proxy, or with a bad header from it.
    let mut server = behind(ProxyHeader::ProxyProtocol).start().unwrap();
    let proxy = Proxy::start(&server, Word::text("192.0.2.1:40000"));
    let mut player = proxy.client(&server, LinkChoice::Tcp).start().unwrap();
    joined(&mut server, &mut player);
    let _past = tcp(&server, b"TME1");
    let _bad = tcp(&server, b"PROXY TCP4 1.2.3.4\r\n");
    ended(&mut server, &mut player, StreamFailure::ProxyHeader, 2);

    // By somebody who is not listed.
    let mut server = builder().trusted_proxy("198.51.100.0/24", ProxyHeader::ProxyProtocol).start().unwrap();
    let direct = Client::builder().connect(server.tcp_addr().unwrap().to_string());
    let mut player = direct.server_key(server.public_key()).links(LinkChoice::Tcp).start().unwrap();
    assert!(joined(&mut server, &mut player).1.ip().is_loopback());
    let _liar = tcp(&server, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nTME1");
    ended(&mut server, &mut player, StreamFailure::UnlistedProxy, 1);
}

/// So many streams end for this reason, and a player plays on.
fn ended(server: &mut Server, player: &mut Client, failure: StreamFailure, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    while server.statistics().streams.ended.of(failure) < count {
        assert!(Instant::now() < deadline, "{:?}", server.statistics().streams);
        server.update(Duration::from_millis(2)).unwrap();
    }
    echo(server, player);
    let streams = server.statistics().streams;
    assert_eq!((streams.open, streams.ended.of(failure)), (1, count));
}

#[test]
fn settings_that_cannot_be_are_told_at_the_start() {
    let start = |builder: ServerBuilder| builder.start().unwrap_err();
    let error = start(builder().trusted_proxy("10.0.0.0/40", ProxyHeader::ProxyProtocol));
    assert!(matches!(&error, Error::Address { text, .. } if text == "10.0.0.0/40"), "{error}");
    assert!(error.to_string().contains("at most 32 bits"), "{error}");
    let error = start(builder().trusted_proxy("proxy.example", ProxyHeader::ProxyProtocol));
    assert!(error.to_string().contains("expected an address or a network"), "{error}");
    let twice = behind(ProxyHeader::ProxyProtocol).trusted_proxy("127.0.0.1/32", ProxyHeader::XForwardedFor);
    let error = start(twice);
    assert!(matches!(&error, Error::Config(text) if text.contains("two ways")), "{error}");
    let no_tcp = Server::builder().listen("127.0.0.1:0");
    let error = start(no_tcp.trusted_proxy("127.0.0.1", ProxyHeader::ProxyProtocol));
    assert!(matches!(&error, Error::Config(text) if text.contains("does not listen for")), "{error}");
}
