//! Servers and clients over TCP, and from UDP to TCP and back, on real sockets.
#![allow(missing_docs)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tme::memory::{MemoryConfig, MemoryHub, WhenFull};
use tme::{
    Channel, Client, ClientBuilder, Event, LinkChoice, LinkConditions, LinkKind, PathConditions, PeerId,
    Reason, Server, ServerBuilder,
};
use tme_transport::relay::{Relay, RelayConfig};

const PATIENCE: Duration = Duration::from_secs(30);

fn builder() -> ServerBuilder {
    Server::builder()
        .channel(Channel::reliable_ordered("ordered"))
        .channel(Channel::reliable_unordered("unordered"))
        .channel(Channel::unreliable("unreliable"))
        .listen("127.0.0.1:0")
}

/// A client of this server that wants nothing but TCP.
fn over_tcp(server: &Server) -> ClientBuilder {
    Client::builder()
        .connect(server.local_addr().to_string())
        .server_key(server.public_key())
        .links(LinkChoice::Tcp)
}

/// A relay for UDP at a port where somebody else may listen for TCP: a firewall that can be opened and closed.
struct Firewall {
    address: SocketAddr,
    /// Whether it is to be closed, and whom to tell that it is so. Without a sender it ends.
    orders: Option<Sender<(bool, Sender<()>)>>,
    thread: Option<JoinHandle<()>>,
}

impl Firewall {
    /// The relay has to be told where the server is, and the server where the relay is: the server's UDP port is known first.
    fn start(server: SocketAddr, listen: SocketAddr) -> Self {
        let none = LinkConditions::default();
        let conditions = PathConditions { up: none, down: none };
        let mut relay =
            Relay::bind(RelayConfig { listen, server, conditions, seed: 1, rebind_every: None }).unwrap();
        let address = relay.local_address();
        let (orders, received) = channel::<(bool, Sender<()>)>();
        let thread = std::thread::spawn(move || {
            loop {
                match received.try_recv() {
                    Ok((is_closed, done)) => {
                        relay.set_cut(is_closed);
                        done.send(()).unwrap();
                    }
                    Err(TryRecvError::Empty) => relay.run(Duration::from_millis(5)).unwrap(),
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        });
        Self { address, orders: Some(orders), thread: Some(thread) }
    }

    /// Returns when it is so.
    fn close(&self, is_closed: bool) {
        let (done, is_done) = channel();
        self.orders.as_ref().unwrap().send((is_closed, done)).unwrap();
        is_done.recv_timeout(PATIENCE).unwrap();
    }
}

impl Drop for Firewall {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A server whose UDP is behind a firewall and whose TCP is not, at one port number.
fn behind_firewall() -> (Server, Firewall) {
    for _ in 0..16 {
        // A port for TCP that UDP can have, too.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        if let Ok(server) = builder().listen_tcp_on(port.to_string()).start()
            && std::net::UdpSocket::bind(port).is_ok()
        {
            let firewall = Firewall::start(server.local_addr(), port);
            return (server, firewall);
        }
    }
    panic!("no port is free for both");
}

/// A relay for TCP that cuts off what goes through it.
struct Wire {
    address: SocketAddr,
    ends: Arc<Mutex<Vec<TcpStream>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    fn start(server: SocketAddr) -> Self {
        Self::filtering(server, b"")
    }

    /// Lets only those through who begin like this, as a firewall does that knows the web and nothing else.
    fn filtering(server: SocketAddr, beginning: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ends, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (all, over) = (Arc::clone(&ends), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let mut pumps = Vec::new();
            for near in listener.incoming().map(Result::unwrap) {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let mut first = vec![0; beginning.len()];
                if (&near).read_exact(&mut first).is_err() || first != beginning {
                    continue;
                }
                let mut far = TcpStream::connect(server).unwrap();
                far.write_all(&first).unwrap();
                let again = |end: &TcpStream| end.try_clone().unwrap();
                all.lock().unwrap().extend([again(&near), again(&far)]);
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

    fn cut(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        self.cut();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct World {
    server: Server,
    client: Client,
    peer: Option<PeerId>,
    sent: u32,
    at_server: Vec<u32>,
    at_client: Vec<u32>,
    /// What each side was told, in its order: the server's first.
    links: [Vec<LinkKind>; 2],
    ends: Vec<Reason>,
}

impl World {
    fn new(server: Server, client: Client) -> Self {
        Self {
            server,
            client,
            peer: None,
            sent: 0,
            at_server: Vec::new(),
            at_client: Vec::new(),
            links: Default::default(),
            ends: Vec::new(),
        }
    }

    fn step(&mut self) {
        self.server.update(Duration::from_millis(2)).unwrap();
        self.client.update(Duration::from_millis(2)).unwrap();
        let events = self.server.events().map(|event| (0, event));
        let events: Vec<_> = events.chain(self.client.events().map(|event| (1, event))).collect();
        for (side, event) in events {
            match event {
                Event::Connected { peer, .. } if side == 0 => self.peer = Some(peer),
                Event::Message { payload, .. } => {
                    let number = u32::from_le_bytes(*payload.first_chunk().unwrap());
                    if side == 0 { &mut self.at_server } else { &mut self.at_client }.push(number);
                }
                Event::LinkChanged { link, .. } => self.links[side].push(link),
                Event::Disconnected { reason, .. } => self.ends.push(reason.reason),
                _ => {}
            }
        }
    }

    /// Both sides send a number each.
    fn talk(&mut self) {
        self.client.send(0, &self.sent.to_le_bytes()).unwrap();
        self.server.send(self.peer.unwrap(), 0, &self.sent.to_le_bytes()).unwrap();
        self.sent += 1;
        self.step();
    }

    fn until(&mut self, what: &str, mut step: impl FnMut(&mut Self), is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?}, {:?}", self.links, self.ends);
            step(self);
        }
    }

    fn connect(&mut self) {
        self.until("connected", Self::step, |world| world.client.is_connected() && world.peer.is_some());
    }

    /// Everything that was sent came once and in order.
    fn check(&mut self) {
        self.until("everything arrives", Self::step, |world| {
            world.at_server.len() >= world.sent as usize && world.at_client.len() >= world.sent as usize
        });
        let all: Vec<u32> = (0..self.sent).collect();
        assert_eq!(self.at_server, all);
        assert_eq!(self.at_client, all);
        assert_eq!(self.ends, []);
    }
}

#[test]
fn a_client_that_wants_tcp_gets_it() {
    let server = builder().listen_tcp().start().unwrap();
    assert_eq!(server.tcp_addr(), Some(server.local_addr()), "one port number for both");
    let client = over_tcp(&server).start().unwrap();
    let mut world = World::new(server, client);
    world.connect();
    assert_eq!(world.client.link(), Some(LinkKind::Tcp));
    assert_eq!(world.server.peer(world.peer.unwrap()).unwrap().link, LinkKind::Tcp);
    for _ in 0..200 {
        world.talk();
    }
    world.check();
    assert_eq!(world.links, [vec![], vec![]]);
    let streams = world.server.statistics().streams;
    assert_eq!((streams.accepted, streams.open), (1, 1));

    world.client.disconnect(7, "bye");
    world.until("both ends", World::step, |world| world.ends.len() == 2);
    assert_eq!(world.ends, [Reason::Closed; 2]);
    world.until("the stream is closed", World::step, |world| world.server.statistics().streams.open == 0);
}

#[test]
fn where_only_the_web_gets_through_the_client_comes_by_a_websocket_and_finds_another_when_it_is_cut() {
    let server = builder().listen_tcp().start().unwrap();
    let wire = Wire::filtering(server.tcp_addr().unwrap(), b"GET ");
    // Nobody answers over UDP there.
    let client =
        Client::builder().connect(wire.address.to_string()).server_key(server.public_key()).start().unwrap();
    let mut world = World::new(server, client);
    world.connect();
    assert_eq!(world.client.link(), Some(LinkKind::WebSocket));
    assert_eq!(world.server.peer(world.peer.unwrap()).unwrap().link, LinkKind::WebSocket);
    for _ in 0..100 {
        world.talk();
    }
    wire.cut();
    world.until("another one", World::talk, |world| world.links.iter().all(|links| links.len() == 1));
    for _ in 0..100 {
        world.talk();
    }
    world.check();
    assert_eq!(world.links, [vec![LinkKind::WebSocket], vec![LinkKind::WebSocket]]);
}

#[test]
fn a_large_message_goes_through_tcp_while_small_ones_do() {
    let server = builder().listen_tcp().start_threaded().unwrap();
    let client = over_tcp(&server).start_threaded().unwrap();
    let mut world = World::new(server, client);
    world.connect();
    let large = vec![0xFF; 1 << 20];
    let (mut sent, mut arrived) = (0, 0);
    let start = Instant::now();
    while arrived < 16 {
        assert!(start.elapsed() < PATIENCE, "{sent} sent, {arrived} arrived");
        if sent < 16 && world.client.send(1, &large).is_ok() {
            sent += 1;
        }
        world.talk();
        let is_large = |number: &u32| *number == u32::MAX;
        arrived += world.at_server.iter().filter(|number| is_large(number)).count();
        world.at_server.retain(|number| !is_large(number));
    }
    world.check();
}

#[test]
fn where_udp_is_blocked_the_client_comes_by_tcp_and_changes_when_it_is_not() {
    let (server, firewall) = behind_firewall();
    firewall.close(true);
    let client = Client::builder()
        .connect(firewall.address.to_string())
        .server_key(server.public_key())
        .start()
        .unwrap();
    let mut world = World::new(server, client);
    world.connect();
    assert_eq!(world.client.link(), Some(LinkKind::Tcp));
    for _ in 0..100 {
        world.talk();
    }
    firewall.close(false);
    world.until("UDP is found", World::talk, |world| world.links.iter().all(|links| links.len() == 1));
    assert_eq!(world.client.link(), Some(LinkKind::Udp));
    assert_eq!(world.server.peer(world.peer.unwrap()).unwrap().link, LinkKind::Udp);
    for _ in 0..100 {
        world.talk();
    }
    firewall.close(true);
    world.until("TCP takes over", World::talk, |world| world.links.iter().all(|links| links.len() == 2));
    for _ in 0..100 {
        world.talk();
    }
    world.check();
    assert_eq!(world.links, [vec![LinkKind::Udp, LinkKind::Tcp], vec![LinkKind::Udp, LinkKind::Tcp]]);
}

#[test]
fn a_link_without_room_for_datagrams_does_not_hold_up_those_who_come_by_tcp() {
    // Whoever sends to a link in memory that is not read has to wait, as with a socket whose buffer is full.
    let hub = MemoryHub::new(MemoryConfig {
        queue_datagrams_max: 4,
        links_max: 2,
        when_full: WhenFull::Block,
        ..MemoryConfig::hub()
    });
    let link = hub.bind().unwrap();
    let in_memory = link.local_address();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = builder().listen_tcp_on(port.to_string()).start_in_memory(link).unwrap();
    let key = server.public_key();
    let mut reader = Client::builder()
        .connect(in_memory.to_string())
        .server_key(key)
        .start_in_memory(hub.bind().unwrap())
        .unwrap();
    let start = Instant::now();
    let mut slow = None;
    while slow.is_none() {
        assert!(start.elapsed() < PATIENCE, "no connection in memory");
        server.update(Duration::from_millis(2)).unwrap();
        reader.update(Duration::from_millis(2)).unwrap();
        slow = server.events().find_map(|event| match event {
            Event::Connected { peer, .. } => Some(peer),
            _ => None,
        });
    }
    // From here on it reads nothing.
    let slow = slow.unwrap();
    let large = [7; 60_000];
    server.send(slow, 0, &large).unwrap();
    let client = Client::builder().connect(port.to_string()).server_key(key).links(LinkChoice::Tcp);
    let mut world = World::new(server, client.start().unwrap());
    world.connect();
    for _ in 0..100 {
        world.talk();
    }
    world.check();
    assert_ne!(world.peer, Some(slow));
    let start = Instant::now();
    let mut arrived = None;
    while arrived.is_none() {
        assert!(start.elapsed() < PATIENCE, "what waited did not come");
        world.step();
        reader.update(Duration::from_millis(2)).unwrap();
        arrived = reader.events().find_map(|event| match event {
            Event::Message { payload, .. } => Some(payload.to_vec()),
            _ => None,
        });
    }
    assert_eq!(arrived.unwrap(), large);
}

#[test]
fn a_port_taken_for_tcp_is_told_and_tcp_that_nobody_listens_for_too() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = builder().listen_tcp_on(&address).start().unwrap_err();
    assert!(error.to_string().starts_with(&format!("TCP: address {address} is in use")), "{error}");

    let server = builder().start().unwrap();
    let client = over_tcp(&server).start().unwrap();
    let mut world = World::new(server, client);
    world.until("the refusal", World::step, |world| !world.ends.is_empty());
    assert_eq!(world.ends, [Reason::ConnectTimedOut]);
}

#[test]
fn where_one_of_two_links_cannot_be_had_the_server_says_which_and_leaves_no_other_behind() {
    let (taken, address) = free_for_both();
    let at = |address: SocketAddr| builder().listen(address.to_string()).listen_tcp();
    let error = at(address).start().unwrap_err();
    assert_eq!((error.kind(), error.to_string().find(&format!("TCP: address {address}"))), (101, Some(0)));
    // Its socket for UDP was bound before, and is free again.
    let udp = std::net::UdpSocket::bind(address).unwrap();
    drop(taken);
    let error = at(address).start().unwrap_err();
    assert_eq!((error.kind(), error.to_string().find(&format!("UDP: address {address}"))), (101, Some(0)));
    drop(TcpListener::bind(address).unwrap());
    drop(udp);
    let server = at(address).start().unwrap();
    assert_eq!((server.local_addr(), server.tcp_addr()), (address, Some(address)));
}

/// A port that is taken for TCP and free for UDP.
fn free_for_both() -> (TcpListener, SocketAddr) {
    for _ in 0..16 {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        if std::net::UdpSocket::bind(address).is_ok() {
            return (taken, address);
        }
    }
    panic!("no port is free for both");
}

#[test]
fn a_client_that_wants_tcp_comes_back_by_tcp_when_its_stream_is_cut_off() {
    let server = builder().listen_tcp().start().unwrap();
    let wire = Wire::start(server.tcp_addr().unwrap());
    let client = Client::builder()
        .connect(wire.address.to_string())
        .server_key(server.public_key())
        .links(LinkChoice::Tcp)
        .start()
        .unwrap();
    let mut world = World::new(server, client);
    world.connect();
    for cuts in 1..=2 {
        for _ in 0..20 {
            world.talk();
        }
        wire.cut();
        world.until("another stream", World::talk, |world| {
            world.links.iter().all(|links| links.len() == cuts)
        });
    }
    for _ in 0..20 {
        world.talk();
    }
    world.check();
    assert_eq!(world.links, [vec![LinkKind::Tcp; 2], vec![LinkKind::Tcp; 2]]);
}

/// How a client's attempt ends.
fn end_of(server: &mut Server, client: &mut Client) -> Reason {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "the attempt goes on");
        server.update(Duration::from_millis(1)).unwrap();
        client.update(Duration::from_millis(1)).unwrap();
        for event in client.events() {
            match event {
                Event::Disconnected { reason, .. } => return reason.reason,
                Event::Connected { .. } => panic!("it was let in"),
                _ => {}
            }
        }
    }
}

#[test]
fn what_a_server_says_is_told_whatever_the_other_link_does() {
    // Over UDP, where nobody listens for TCP.
    let mut server = builder().application("a game").start().unwrap();
    let other_game = |address: SocketAddr, server: &Server| {
        Client::builder()
            .connect(address.to_string())
            .application("another game")
            .server_key(server.public_key())
            .start()
            .unwrap()
    };
    let mut client = other_game(server.local_addr(), &server);
    assert_eq!(end_of(&mut server, &mut client), Reason::Application);
    let streams = client.handle().engine_statistics().streams;
    assert_eq!(streams.ended.of(tme::StreamFailure::Unreachable), 0, "who has answered is not asked again");

    // Over TCP, where UDP is blocked.
    let (mut server, firewall) = behind_firewall();
    firewall.close(true);
    let mut client = other_game(firewall.address, &server);
    assert_eq!(end_of(&mut server, &mut client), Reason::Application);
    assert_eq!(client.handle().engine_statistics().streams.opened, 1);
}

#[test]
fn the_time_to_connect_is_that_of_all_links() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut server = builder().start().unwrap();
    let mut client = Client::builder()
        .connect(listener.local_addr().unwrap().to_string())
        .server_key(server.public_key())
        .connect_timeout(Duration::from_millis(300))
        .start()
        .unwrap();
    assert_eq!(end_of(&mut server, &mut client), Reason::ConnectTimedOut);
    let knock = listener.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(knock, Err(std::io::ErrorKind::WouldBlock), "nobody came after the time was over");
}

#[test]
fn a_refusal_over_udp_is_told_where_nobody_listens_for_tcp() {
    let mut server = builder().max_peers(1).start().unwrap();
    let connect = |server: &Server| {
        let builder = Client::builder().connect(server.local_addr().to_string());
        builder.server_key(server.public_key()).start().unwrap()
    };
    let mut clients = [connect(&server), connect(&server)];
    let (mut is_connected, mut end, start) = (false, None, Instant::now());
    while end.is_none() || !is_connected {
        assert!(start.elapsed() < PATIENCE, "{end:?}");
        server.update(Duration::from_millis(2)).unwrap();
        server.events().for_each(drop);
        for client in &mut clients {
            let _ = client.update(Duration::from_millis(2));
            for event in client.events() {
                match event {
                    Event::Connected { .. } => is_connected = true,
                    Event::Disconnected { reason, .. } => end = Some(reason.reason),
                    _ => {}
                }
            }
        }
    }
    assert_eq!(end, Some(Reason::Full));
}

#[test]
fn every_client_over_tcp_hears_that_the_server_shuts_down_though_it_talks() {
    let mut server = builder().listen_tcp().start_threaded().unwrap();
    let mut clients: Vec<Client> = (0..20)
        .map(|_| {
            let builder = Client::builder().connect(server.local_addr().to_string());
            builder.server_key(server.public_key()).links(LinkChoice::Tcp).start_threaded().unwrap()
        })
        .collect();
    let start = Instant::now();
    // Whoever is not confirmed at the server yet hears by a reset.
    let mut confirmed = 0;
    while confirmed < clients.len() {
        assert!(start.elapsed() < PATIENCE, "not all have connected");
        server.update(Duration::from_millis(1)).unwrap();
        confirmed += server.events().filter(|event| matches!(event, Event::Connected { .. })).count();
        clients.iter_mut().for_each(|client| client.update(Duration::from_millis(1)).unwrap());
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let talk = std::thread::spawn(move || {
        let mut ends = vec![None; clients.len()];
        let start = Instant::now();
        while ends.iter().any(Option::is_none) && start.elapsed() < PATIENCE {
            for (client, end) in clients.iter_mut().zip(&mut ends) {
                let _ = client.send(0, &[7; 1_000]);
                let _ = client.update(Duration::from_millis(1));
                let told = client.events().find_map(|event| match event {
                    Event::Disconnected { reason, .. } => Some(reason.reason),
                    _ => None,
                });
                *end = end.or(told);
            }
            over.store(true, Ordering::SeqCst);
        }
        ends
    });
    while !is_over.load(Ordering::SeqCst) {
        server.update(Duration::from_millis(1)).unwrap();
    }
    server.shutdown(Duration::from_secs(5));
    assert_eq!(talk.join().unwrap(), vec![Some(Reason::Shutdown); 20]);
}
