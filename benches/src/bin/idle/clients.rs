//! The other side: many clients in one thread, each an endpoint with a socket of its own.

use std::error::Error;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use tme_core::connection::{Event, TransmitLimits};
use tme_core::datagram::{Ecn, Path};
use tme_core::endpoint::{Endpoint, EndpointConfig};
use tme_core::handshake::client::{ClientHandshakeConfig, Trust};
use tme_core::handshake::parameters::ConnectionId;
use tme_core::time::Instant;
use tme_transport::clock::Clock;
use tme_transport::random::SystemRandom;

/// Connection attempts begin this far apart: a crowd at the door is not what is measured.
const ARRIVAL: Duration = Duration::from_millis(2);
/// How late a timer may be noticed.
const TICK: Duration = Duration::from_millis(5);

struct Client {
    endpoint: Endpoint,
    socket: UdpSocket,
}

/// Connects `count` clients to the server and keeps them alive until standard input ends.
pub fn run(server: SocketAddr, count: usize) -> Result<(), Box<dyn Error>> {
    let is_over = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_over);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        flag.store(true, Ordering::SeqCst);
    });
    let (clock, mut random) = (Clock::start(), SystemRandom::new()?);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1_024);
    let mut clients: Vec<Client> = Vec::with_capacity(count);
    let mut next_arrival = clock.now();
    while !is_over.load(Ordering::SeqCst) {
        let now = clock.now();
        while clients.len() < count && next_arrival <= now {
            next_arrival += ARRIVAL;
            let mut client = Client::connect(now, server, &mut random)?;
            let token = Token(clients.len());
            poll.registry().register(&mut client.socket, token, Interest::READABLE)?;
            clients.push(client);
        }
        poll.poll(&mut events, Some(TICK))?;
        let now = clock.now();
        for event in &events {
            if let Some(client) = clients.get_mut(event.token().0) {
                client.receive(now, server, &mut random)?;
            }
        }
        for client in &mut clients {
            client.handle_due(now)?;
        }
    }
    Ok(())
}

impl Client {
    fn connect(now: Instant, server: SocketAddr, random: &mut SystemRandom) -> Result<Self, Box<dyn Error>> {
        let mut endpoint = Endpoint::new(EndpointConfig::default(), random)?;
        let id = ConnectionId::new(1).ok_or("1 is not 0")?;
        endpoint.connect(now, server, ClientHandshakeConfig::new(Trust::Unverified, id), random)?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let mut client = Self { endpoint, socket };
        client.send(now)?;
        Ok(client)
    }

    fn receive(
        &mut self,
        now: Instant,
        server: SocketAddr,
        random: &mut SystemRandom,
    ) -> std::io::Result<()> {
        let mut buffer = [0; 2_048];
        let path = Path::to(server);
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((count, _)) => {
                    let datagram = buffer.get_mut(..count).unwrap_or_default();
                    self.endpoint.handle_datagram(now, path, Ecn::NotCapable, datagram, random);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.send(now)
    }

    fn handle_due(&mut self, now: Instant) -> std::io::Result<()> {
        if self.endpoint.poll_timeout().is_none_or(|at| at > now) {
            return Ok(());
        }
        self.endpoint.handle_timeout(now);
        self.send(now)
    }

    fn send(&mut self, now: Instant) -> std::io::Result<()> {
        let limits = TransmitLimits { segments: 1, bytes: 2_048 };
        let mut buffer = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit(now, limits, &mut buffer) {
            self.socket.send_to(&buffer, transmit.path.remote)?;
        }
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::Disconnected { reason, .. } = event {
                eprintln!("a client is out: {reason}");
            }
        }
        Ok(())
    }
}
