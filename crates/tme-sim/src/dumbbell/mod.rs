//! Flows that share one bottleneck (a dumbbell): what congestion control is judged by.
//!
//! One server sends to any number of clients, and TCP may send beside it. Everything downward passes one
//! [`tme_core::link::Link`] with the rate and the queue; behind it every flow has a link of its own with its delay
//! and its losses, and another one back. Figures are IP and UDP bytes that have passed the bottleneck.

mod config;
mod cubic;
mod flow;
mod report;

use std::net::{Ipv4Addr, SocketAddr};

use tme_core::connection::{Event, TransmitLimits};
use tme_core::datagram::{Ecn, Path};
use tme_core::endpoint::{Endpoint, EndpointConfig, ServerSetup};
use tme_core::handshake::server::ServerHandshakeConfig;
use tme_core::link::{Bottleneck, IPV4_UDP_HEADER_BYTES, Link, LinkConditions};
use tme_core::random::SeededRandom;
use tme_core::time::{Duration, Instant};

use self::flow::{End, Flow, Segment, Tcp};
use crate::mix::mix;

pub use self::config::{Bulk, DumbbellConfig, FlowPlan, Stream, Traffic};
pub use self::flow::{BACKGROUND, BULK, STREAM, UNRELIABLE};
pub use self::report::{FlowReport, Report};

/// The clock of a dumbbell begins here.
const START: Instant = Instant::from_micros(1_000_000);
const LIMITS: TransmitLimits = TransmitLimits { segments: 1, bytes: 65_000 };
const SERVER_PORT: u16 = 7_777;

/// Flows behind one bottleneck, on a virtual clock.
#[derive(Debug)]
pub struct Dumbbell {
    now: Instant,
    server: Endpoint,
    random: SeededRandom,
    /// What travels beside a datagram is the flow it belongs to, and the segment if it is TCP's.
    bottleneck: Link<(usize, Segment)>,
    flows: Vec<Flow>,
    report: Report,
    buffer: Vec<u8>,
}

impl Dumbbell {
    /// Everybody in place; flows start when their plan says.
    ///
    /// # Panics
    /// If the configuration cannot work.
    #[must_use]
    pub fn new(config: &DumbbellConfig) -> Self {
        let mut random = SeededRandom::new(mix(config.seed, 0xD0B));
        let key = tme_core::crypto::keys::KeyPair::generate(&mut random);
        let setup = ServerSetup::new(ServerHandshakeConfig::new(key, flow::channels()));
        let endpoint_config = EndpointConfig { connection: config.connection, server: Some(setup) };
        let server = Endpoint::new(endpoint_config, &mut random).expect("the setup is a valid one");
        let conditions = LinkConditions {
            bottleneck: config
                .bytes_per_second
                .map(|bytes_per_second| Bottleneck { bytes_per_second, queue_bytes: config.queue_bytes }),
            ..LinkConditions::default()
        };
        let flows: Vec<Flow> =
            config.flows.iter().enumerate().map(|(index, plan)| Flow::new(config, index, plan)).collect();
        Self {
            now: START,
            server,
            random,
            bottleneck: Link::new(conditions, mix(config.seed, 1)).expect("the bottleneck is a valid one"),
            report: Report::new(config, flows.len()),
            flows,
            buffer: Vec::new(),
        }
    }

    /// Time since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.saturating_since(START)
    }

    /// The server's end of a flow, once it is connected.
    #[must_use]
    pub fn connection(&self, flow: usize) -> Option<&tme_core::connection::Connection> {
        self.server.connection(self.flows.get(flow)?.peer()?)
    }

    /// Runs until this long after the beginning, and gives the figures so far.
    pub fn run_until(&mut self, end: Duration) -> &Report {
        self.run_while(end, |_| true)
    }

    /// As [`run_until`](Self::run_until), at most as long as `wants_more` says.
    pub fn run_while(&mut self, end: Duration, mut wants_more: impl FnMut(&Self) -> bool) -> &Report {
        let end = START + end;
        while self.now < end && wants_more(self) {
            self.step(end);
        }
        &self.report
    }

    /// The bottleneck has another rate from now on; its queue holds as many bytes as before.
    ///
    /// # Panics
    /// If there is no bottleneck, or this rate is none.
    pub fn set_rate(&mut self, bytes_per_second: u64) {
        let mut conditions = *self.bottleneck.conditions();
        if let Some(bottleneck) = &mut conditions.bottleneck {
            bottleneck.bytes_per_second = bytes_per_second;
        }
        self.bottleneck.set_conditions(self.now, conditions).expect("the rate is a valid one");
    }

    /// Virtual time, as connections see it.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The figures so far.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Sends a message of its own now; gives whether the engine took it.
    pub fn send_now(&mut self, flow: usize, channel: tme_core::channel::ChannelId, bytes: usize) -> bool {
        let Some(Flow { end: End::Engine(engine), .. }) = self.flows.get(flow) else { return false };
        engine.send(self.now, &mut self.server, channel, bytes)
    }

    fn step(&mut self, end: Instant) {
        self.deliver_downward();
        self.deliver_to_receivers();
        self.run_senders();
        let wakes = self.flows.iter().filter_map(Flow::next_wake);
        let own = [self.bottleneck.poll_timeout(), self.server.poll_timeout()];
        let next = wakes.chain(own.into_iter().flatten()).min().unwrap_or(end);
        self.now = next.clamp(self.now + Duration::from_micros(1), end);
    }

    /// From the bottleneck to the links behind it.
    fn deliver_downward(&mut self) {
        while let Some(delivery) = self.bottleneck.poll_delivery(self.now) {
            let (index, segment) = delivery.meta;
            let wire_bytes = delivery.bytes.len() + IPV4_UDP_HEADER_BYTES as usize;
            self.report.count_passed(index, delivery.arrived_at.saturating_since(START), wire_bytes);
            if let Some(flow) = self.flows.get_mut(index) {
                flow.down.handle_datagram(delivery.arrived_at, delivery.bytes, segment);
            }
        }
    }

    fn deliver_to_receivers(&mut self) {
        let now = self.now;
        for (index, flow) in self.flows.iter_mut().enumerate() {
            let report = &mut self.report;
            flow.run_receiver(now, |sent_at, channel, bytes| {
                report.count_message(index, now.saturating_since(START), channel, bytes, sent_at);
            });
        }
    }

    /// What came back up goes to the senders, and they send.
    fn run_senders(&mut self) {
        let now = self.now;
        for (index, flow) in self.flows.iter_mut().enumerate() {
            while let Some(delivery) = flow.up.poll_delivery(now) {
                match &mut flow.end {
                    End::Engine(_) => {
                        let path = Path::to(address_of(index));
                        let random = &mut self.random;
                        self.server.handle_datagram(now, path, Ecn::NotCapable, delivery.bytes, random);
                    }
                    End::Tcp(tcp) => tcp.handle_ack(now, delivery.meta),
                }
            }
        }
        if self.server.poll_timeout().is_some_and(|at| at <= now) {
            self.server.handle_timeout(now);
        }
        while let Some(event) = self.server.poll_event() {
            let connected = match &event {
                Event::Connected { peer, info } => Some((*peer, info.remote)),
                Event::Writable { peer, .. } => {
                    self.connection_flow(*peer).into_iter().for_each(|engine| engine.is_writable = true);
                    None
                }
                _ => None,
            };
            if let Some((peer, remote)) = connected
                && let Some(Flow { end: End::Engine(engine), .. }) = self.flows.get_mut(index_of(remote))
            {
                engine.peer = Some(peer);
                self.report.count_connected(index_of(remote), now.saturating_since(START));
            }
        }
        for flow in &mut self.flows {
            if let End::Engine(engine) = &mut flow.end {
                engine.send_due(now, &mut self.server);
            }
        }
        self.transmit();
    }

    fn connection_flow(&mut self, peer: tme_core::connection::PeerId) -> Option<&mut flow::Engine> {
        self.flows.iter_mut().find_map(|flow| match &mut flow.end {
            End::Engine(engine) if engine.peer == Some(peer) => Some(&mut **engine),
            _ => None,
        })
    }

    fn transmit(&mut self) {
        let now = self.now;
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(transmit) = self.server.poll_transmit(now, LIMITS, &mut buffer) {
            let index = index_of(transmit.path.remote);
            self.put_into_bottleneck(index, &buffer, Segment::default());
        }
        self.buffer = buffer;
        for index in 0..self.flows.len() {
            while let Some(Flow { end: End::Tcp(tcp), .. }) = self.flows.get_mut(index) {
                let Some(segment) = tcp.poll_transmit(now) else { break };
                self.put_into_bottleneck(index, &[0; Tcp::DATAGRAM_BYTES], segment);
            }
        }
    }

    fn put_into_bottleneck(&mut self, index: usize, bytes: &[u8], segment: Segment) {
        let before = self.bottleneck.statistics().queue_dropped;
        self.bottleneck.handle_datagram(self.now, bytes, (index, segment));
        let dropped = self.bottleneck.statistics().queue_dropped - before;
        self.report.count_offered(
            index,
            self.now.saturating_since(START),
            dropped,
            self.bottleneck.queued_bytes(),
        );
    }
}

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), SERVER_PORT);

fn address_of(flow: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 1, 0, 1), 10_000 + flow as u16))
}

fn index_of(address: SocketAddr) -> usize {
    usize::from(address.port()).wrapping_sub(10_000)
}
