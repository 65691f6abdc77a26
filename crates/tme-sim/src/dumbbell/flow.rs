//! One flow of a dumbbell: its links, its receiver, and what its sender wants.

use tme_core::channel::{Channel, ChannelId, ChannelTable};
use tme_core::connection::{Event, PeerId, SendOptions};
use tme_core::datagram::{Ecn, Path};
use tme_core::endpoint::{Endpoint, EndpointConfig};
use tme_core::handshake::client::{ClientHandshakeConfig, Trust};
use tme_core::handshake::parameters::ConnectionId;
use tme_core::link::{Jitter, Link, LinkConditions};
use tme_core::payload::Payload;
use tme_core::random::SeededRandom;
use tme_core::time::{Duration, Instant};

use super::config::{Bulk, DumbbellConfig, FlowPlan, Stream, Traffic};
pub(super) use super::cubic::{Segment, Tcp};
use super::{LIMITS, SERVER, START};
use crate::mix::mix;

/// The channel of the steady stream: reliable and ordered.
pub const STREAM: ChannelId = ChannelId(0);
/// The channel of the bulk transfer: reliable and ordered, of the same priority.
pub const BULK: ChannelId = ChannelId(1);
/// Unreliable, of the same priority.
pub const UNRELIABLE: ChannelId = ChannelId(2);
/// Reliable and unordered, of lower priority.
pub const BACKGROUND: ChannelId = ChannelId(3);

pub(super) fn channels() -> ChannelTable {
    let channels = [
        Channel::reliable_ordered("stream"),
        Channel::reliable_ordered("bulk"),
        Channel::unreliable("unreliable"),
        Channel::reliable_unordered("background").priority(1),
    ];
    ChannelTable::new(channels).expect("the table is a valid one")
}

/// Both directions of a flow behind the bottleneck, and who sits at its ends.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) down: Link<Segment>,
    pub(super) up: Link<Segment>,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) enum End {
    Engine(Box<Engine>),
    Tcp(Box<Tcp>),
}

/// A client, and what the server sends to it.
#[derive(Debug)]
pub(super) struct Engine {
    client: Endpoint,
    random: SeededRandom,
    starts_at: Instant,
    has_started: bool,
    pub(super) peer: Option<PeerId>,
    pub(super) is_writable: bool,
    bulk: Option<Bulk>,
    bulk_sent: u64,
    bulk_payload: Payload,
    stream: Option<Stream>,
    next_message: Instant,
    buffer: Vec<u8>,
}

impl Flow {
    pub(super) fn new(config: &DumbbellConfig, index: usize, plan: &FlowPlan) -> Self {
        let seed = mix(config.seed, index as u64 + 100);
        let delay = LinkConditions { delay: plan.rtt / 2, ..LinkConditions::default() };
        let link =
            |conditions, salt| Link::new(conditions, mix(seed, salt)).expect("the link is a valid one");
        let starts_at = START + plan.starts_at;
        let end = match plan.traffic {
            Traffic::Engine { bulk, stream } => {
                End::Engine(Box::new(Engine::new(config, seed, starts_at, bulk, stream)))
            }
            Traffic::Tcp => End::Tcp(Box::new(Tcp::new(starts_at))),
        };
        let mut down = LinkConditions { loss: plan.loss, ..delay };
        if plan.jitter > Duration::ZERO {
            down.jitter = Jitter::Uniform { half_width: plan.jitter };
            down.jitter_reorders = true;
        }
        Self { down: link(down, 1), up: link(delay, 2), end }
    }

    pub(super) fn peer(&self) -> Option<PeerId> {
        match &self.end {
            End::Engine(engine) => engine.peer,
            End::Tcp(_) => None,
        }
    }

    /// The receiver takes in what has arrived, and answers. `report` gets every message: its age, channel and size.
    pub(super) fn run_receiver(&mut self, now: Instant, report: impl FnMut(Duration, ChannelId, usize)) {
        match &mut self.end {
            End::Engine(engine) => engine.run_client(now, &mut self.down, &mut self.up, report),
            End::Tcp(tcp) => {
                while let Some(delivery) = self.down.poll_delivery(now) {
                    if let Some(ack) = tcp.handle_segment(now, delivery.meta) {
                        self.up.handle_datagram(now, &[0; Tcp::ACK_BYTES], ack);
                    }
                }
                if let Some(ack) = tcp.poll_delayed_ack(now) {
                    self.up.handle_datagram(now, &[0; Tcp::ACK_BYTES], ack);
                }
            }
        }
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        let links = [self.down.poll_timeout(), self.up.poll_timeout()];
        let end = match &self.end {
            End::Engine(engine) => engine.next_wake(),
            End::Tcp(tcp) => tcp.poll_timeout(),
        };
        links.into_iter().flatten().chain(end).min()
    }
}

impl Engine {
    fn new(
        config: &DumbbellConfig,
        seed: u64,
        starts_at: Instant,
        bulk: Option<Bulk>,
        stream: Option<Stream>,
    ) -> Self {
        let mut random = SeededRandom::new(seed);
        let endpoint_config = EndpointConfig { connection: config.connection, ..EndpointConfig::default() };
        Self {
            client: Endpoint::new(endpoint_config, &mut random).expect("a client needs no setup"),
            random,
            starts_at,
            has_started: false,
            peer: None,
            is_writable: true,
            bulk_payload: Payload::from(vec![0xA5; bulk.map_or(0, |bulk| bulk.message_bytes)]),
            bulk,
            bulk_sent: 0,
            stream,
            next_message: starts_at,
            buffer: Vec::new(),
        }
    }

    fn run_client(
        &mut self,
        now: Instant,
        down: &mut Link<Segment>,
        up: &mut Link<Segment>,
        mut report: impl FnMut(Duration, ChannelId, usize),
    ) {
        if !self.has_started && self.starts_at <= now {
            self.has_started = true;
            let id = ConnectionId::new(1).expect("1 is an id");
            let config = ClientHandshakeConfig::new(Trust::Unverified, id);
            self.client.connect(now, SERVER, config, &mut self.random).expect("a slot is free");
        }
        let path = Path::to(SERVER);
        while let Some(delivery) = down.poll_delivery(now) {
            self.client.handle_datagram(now, path, Ecn::NotCapable, delivery.bytes, &mut self.random);
        }
        if self.client.poll_timeout().is_some_and(|at| at <= now) {
            self.client.handle_timeout(now);
        }
        while let Some(event) = self.client.poll_event() {
            if let Event::Message { peer, channel, payload, .. } = event {
                let sent_at = payload.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
                report(now.saturating_since(Instant::from_micros(sent_at)), channel, payload.len());
                self.client.consume(peer, channel, payload.len() as u64, 1);
            }
        }
        while self.client.poll_transmit(now, LIMITS, &mut self.buffer).is_some() {
            up.handle_datagram(now, &self.buffer, Segment::default());
        }
    }

    /// The server's game sends what is due.
    pub(super) fn send_due(&mut self, now: Instant, server: &mut Endpoint) {
        let Some(peer) = self.peer else {
            self.next_message = now;
            return;
        };
        if let Some(Stream { interval, message_bytes }) = self.stream {
            while self.next_message <= now {
                self.send(now, server, STREAM, message_bytes);
                self.next_message += interval;
            }
        }
        let Some(bulk) = self.bulk else { return };
        if self.starts_at + bulk.after > now {
            return;
        }
        while self.is_writable && bulk.messages.is_none_or(|messages| self.bulk_sent < messages) {
            let payload = self.bulk_payload.clone();
            match server.send(now, peer, BULK, payload, SendOptions::default()) {
                Ok(()) => self.bulk_sent += 1,
                Err(_) => self.is_writable = false,
            }
        }
    }

    /// Sends one message that tells when it was sent.
    pub(super) fn send(&self, now: Instant, server: &mut Endpoint, channel: ChannelId, bytes: usize) -> bool {
        let Some(peer) = self.peer else { return false };
        let mut message = now.as_micros().to_le_bytes().to_vec();
        message.resize(bytes.max(8), 0xA5);
        server.send(now, peer, channel, Payload::from(message), SendOptions::default()).is_ok()
    }

    fn next_wake(&self) -> Option<Instant> {
        let start = (!self.has_started).then_some(self.starts_at);
        let is_streaming = self.stream.is_some() && self.peer.is_some();
        let message = is_streaming.then_some(self.next_message);
        let bulk_start = self.bulk.map(|bulk| self.starts_at + bulk.after);
        let bulk_start =
            bulk_start.filter(|_| self.bulk_sent == 0 && self.peer.is_some() && self.is_writable);
        [start, message, bulk_start, self.client.poll_timeout()].into_iter().flatten().min()
    }
}
