//! A server and clients over real loopback sockets, driven until something happened.
#![allow(dead_code, missing_docs, reason = "each test file uses its own part")]

use std::time::{Duration, Instant};

use tme::{Client, ClientBuilder, Event, PeerId, Server, ServerBuilder};

const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(2);

pub fn server() -> ServerBuilder {
    Server::builder().listen("127.0.0.1:0")
}

pub fn client_of(server: &Server) -> ClientBuilder {
    Client::builder().connect(server.local_addr().to_string()).server_key(server.public_key())
}

/// A server, its clients and everything they were told.
pub struct World {
    pub server: Server,
    pub clients: Vec<Client>,
    pub server_events: Vec<Event>,
    pub client_events: Vec<Vec<Event>>,
}

impl World {
    pub fn new(server: Server, clients: Vec<Client>) -> Self {
        let client_events = clients.iter().map(|_| Vec::new()).collect();
        Self { server, clients, server_events: Vec::new(), client_events }
    }

    /// A server and `count` clients, all connected.
    pub fn connected(server: Server, count: usize) -> Self {
        let clients = (0..count).map(|_| client_of(&server).start().unwrap()).collect();
        let mut world = Self::new(server, clients);
        world.run_until(|world| {
            world.connected_peers().len() == count && world.clients.iter().all(Client::is_connected)
        });
        world
    }

    pub fn step(&mut self) {
        self.server.update(STEP).unwrap();
        self.server_events.extend(self.server.events());
        for (client, events) in self.clients.iter_mut().zip(&mut self.client_events) {
            // A client that has ended says so; its events stay readable.
            let _ = client.update(Duration::ZERO);
            events.extend(client.events());
        }
    }

    pub fn run_until(&mut self, is_done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_done(self) {
            assert!(start.elapsed() < PATIENCE, "not done after {PATIENCE:?}: {:?}", self.server_events);
            self.step();
        }
    }

    pub fn connected_peers(&self) -> Vec<PeerId> {
        let connected = self.server_events.iter().filter_map(|event| match event {
            Event::Connected { peer, .. } => Some(*peer),
            _ => None,
        });
        connected.collect()
    }
}

pub fn messages(events: &[Event]) -> Vec<Vec<u8>> {
    let messages = events.iter().filter_map(|event| match event {
        Event::Message { payload, .. } => Some(payload.to_vec()),
        _ => None,
    });
    messages.collect()
}

pub fn end_of(events: &[Event]) -> Option<&tme::Disconnected> {
    events.iter().find_map(|event| match event {
        Event::Disconnected { reason, .. } => Some(&**reason),
        _ => None,
    })
}
