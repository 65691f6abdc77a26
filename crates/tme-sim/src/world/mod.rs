//! The world itself: virtual time, and everybody's turn in it.

mod agenda;
mod application;
mod checks;
mod deeds;
mod delivery;
mod intruder;
mod network;
mod node;
mod sabotage;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tme_core::connection::{PacketDrop, TransmitLimits};
use tme_core::handshake::drops::DropReason;
use tme_core::link::Jitter;
use tme_core::random::SeededRandom;
use tme_core::time::{Duration, Instant};

use self::agenda::{Action, Agenda};
use self::checks::Reliability;
use self::network::Network;
use self::node::Node;
pub use self::sabotage::Sabotage;
use self::session::Session;
use crate::config::{Family, NewAddress, Pace, Reading, WorldConfig};
use crate::mix::{TraceHash, mix};
use crate::oracle::{Breach, Oracle, check_deadline};
use crate::report::{Failure, LatencySamples, ModeTally, WorldReport};
use crate::trace::TraceLine;

/// Index of the server among the nodes; client `n` is node `n + 1`.
const SERVER: usize = 0;
/// Worlds do not begin at the origin of their clock.
const START: Instant = Instant::from_micros(1_000_000);
/// How often everything that is not an event is looked at.
const TICK: Duration = Duration::from_millis(50);
/// After convergence, and at the end, so much time is given.
const AFTERGLOW_TIME: Duration = Duration::from_secs(10);
const PARTING_TIME: Duration = Duration::from_secs(60);
/// Stragglers are waited for through three probe time-outs, which are long after a stall; then 6 s for attempts.
const EMPTY_AFTER: Duration = Duration::from_secs(120);

/// No world takes longer to converge, however steadily.
const CONVERGENCE_TIME_MAX: Duration = Duration::from_secs(4 * 3_600);

/// What a world is run with.
#[derive(Default)]
pub struct WorldOptions {
    /// Gets every line of the world's story.
    pub trace: Option<Box<dyn FnMut(TraceLine)>>,
    /// An error to make, for tests of the oracles.
    pub sabotage: Option<Sabotage>,
}

impl fmt::Debug for WorldOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldOptions")
            .field("trace", &self.trace.is_some())
            .field("sabotage", &self.sabotage)
            .finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Faulty,
    Converging,
    Afterglow,
    Parting,
}

/// A client's wish to be connected, and its newest session.
#[derive(Clone, Copy, Debug, Default)]
struct ClientState {
    wants_connection: bool,
    session: Option<usize>,
    attempts: u16,
    rebindings: u16,
}

#[derive(Debug, Default)]
struct Tally {
    messages: [ModeTally; tme_core::channel::ChannelMode::ALL.len()],
    ordered_latency: LatencySamples,
    connections: u64,
    endings: u64,
    faulty_packet_bytes: u64,
    faulty_message_bytes: u64,
    /// Drops of programs that are gone.
    former_drops: u64,
    peers_at_server_max: usize,
    sights: BTreeMap<String, u64>,
}

/// A server, its clients and the network between them.
pub struct World {
    config: WorldConfig,
    now: Instant,
    phase: Phase,
    nodes: Vec<Node>,
    network: Network,
    sessions: Vec<Session>,
    clients: Vec<ClientState>,
    agenda: Agenda,
    random: SeededRandom,
    can_be_forged: bool,
    hash: TraceHash,
    tally: Tally,
    /// Sessions that ends of programs may still report about.
    live: BTreeSet<usize>,
    /// Messages sent after convergence, all of which must arrive.
    afterglow: Vec<checks::Glimmer>,
    options: WorldOptions,
    sabotage_chances: u32,
    buffer: Vec<u8>,
    /// Whom a breach is about.
    subject: String,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.config.seed)
            .field("preset", &self.config.preset)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl World {
    /// A world at its beginning.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn new(config: WorldConfig, options: WorldOptions) -> Result<Self, Failure> {
        let failure = |breach: Breach| Failure {
            seed: config.seed,
            preset: config.preset,
            at: START,
            who: "setup".into(),
            breach,
        };
        let network = Network::new(&config)
            .map_err(|error| failure(Breach::new(Oracle::Setup, "links that work", error.to_string())))?;
        let nodes = (0..=config.clients.len())
            .map(|node| Node::new(&config, node, 0, address_of(config.family, node, 0), START))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failure)?;
        let mut agenda = Agenda::default();
        for (line, scripted) in config.script.iter().enumerate() {
            if scripted.at <= config.faulty_time {
                agenda.add(START + scripted.at, Action::Script(line));
            }
        }
        for (flow, plan) in config.flows.iter().enumerate() {
            agenda.add(START + plan.interval, Action::Flow(flow));
        }
        if let Some(interval) = config.intrusion_interval {
            agenda.add(START + interval, Action::Intrude);
        }
        agenda.add(START + TICK, Action::Tick);
        let is_damaged =
            |plan: &crate::config::ClientPlan| plan.path.up.corrupt + plan.path.down.corrupt > 0.0;
        Ok(Self {
            now: START,
            phase: Phase::Faulty,
            nodes,
            network,
            sessions: Vec::new(),
            clients: vec![ClientState::default(); config.clients.len()],
            agenda,
            random: SeededRandom::new(mix(config.seed, 0x7A11)),
            can_be_forged: config.intrusion_interval.is_some() || config.clients.iter().any(is_damaged),
            hash: TraceHash::default(),
            tally: Tally::default(),
            live: BTreeSet::new(),
            afterglow: Vec::new(),
            options,
            sabotage_chances: 0,
            buffer: Vec::new(),
            subject: String::new(),
            config,
        })
    }

    /// Virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Runs the world from its beginning to its end.
    ///
    /// # Errors
    /// The first promise broken.
    pub fn run(mut self) -> Result<WorldReport, Failure> {
        match self.run_phases() {
            Ok(report) => Ok(report),
            Err(breach) => Err(Failure {
                seed: self.config.seed,
                preset: self.config.preset,
                at: self.now,
                who: std::mem::take(&mut self.subject),
                breach,
            }),
        }
    }

    fn run_phases(&mut self) -> Result<WorldReport, Breach> {
        let end = START + self.config.faulty_time;
        while self.step(end)? {}
        self.tally.faulty_packet_bytes = self.network.packet_bytes;
        let healed_at = self.now;
        self.heal()?;
        self.run_until(self.config.converge_within, Self::check_converged)?;
        let converged_after = self.now.saturating_since(healed_at);
        // First what is sent until it arrives, so that senders know that the network is back.
        for reliability in [Reliability::Reliable, Reliability::Unreliable] {
            self.begin_afterglow(reliability)?;
            self.run_until(AFTERGLOW_TIME, Self::check_afterglow)?;
        }
        self.begin_parting()?;
        self.run_until(PARTING_TIME, Self::check_parted)?;
        let end = self.now + EMPTY_AFTER;
        while self.step(end)? {}
        self.check_empty()?;
        Ok(self.report(converged_after))
    }

    fn report(&mut self, converged_after: Duration) -> WorldReport {
        let drops = self.nodes.iter().map(|node| node.endpoint.statistics());
        let drops = drops.map(|statistics| statistics.drops.total() + statistics.handshake.drops.total());
        let ends = || self.sessions.iter().flat_map(|session| &session.ends);
        WorldReport {
            seed: self.config.seed,
            preset: self.config.preset,
            trace_hash: self.hash.value(),
            virtual_time: self.now.saturating_since(START),
            converged_after,
            connections: self.tally.connections,
            endings: self.tally.endings,
            datagrams: self.network.datagrams,
            bytes: self.network.bytes,
            faulty_packet_bytes: self.tally.faulty_packet_bytes,
            faulty_message_bytes: self.tally.faulty_message_bytes,
            lost: self.network.lost(),
            drops: drops.sum::<u64>() + self.tally.former_drops,
            retransmissions: ends().map(|end| end.retransmissions).sum(),
            probe_timeouts: ends().map(|end| end.probe_timeouts).sum(),
            messages: self.tally.messages,
            ordered_latency: std::mem::take(&mut self.tally.ordered_latency),
            sights: self.sights(),
        }
    }

    /// What this world has seen that not every world sees.
    fn sights(&mut self) -> BTreeMap<String, u64> {
        let mut sights = std::mem::take(&mut self.tally.sights);
        let mut see = |name: &str, count: u64| {
            if count > 0 {
                *sights.entry(name.into()).or_default() += count;
            }
        };
        for node in &self.nodes {
            let statistics = node.endpoint.statistics();
            PacketDrop::ALL
                .iter()
                .for_each(|&reason| see(&format!("packet {reason}"), statistics.drops.of(reason)));
            let handshake = &statistics.handshake;
            DropReason::ALL
                .iter()
                .for_each(|&reason| see(&format!("handshake {reason}"), handshake.drops.of(reason)));
            see("answers repeated", handshake.answers_repeated);
            see("resets", statistics.resets_sent);
        }
        for pipe in &self.network.pipes {
            let link = pipe.link.statistics();
            see("lost", link.lost + link.burst_lost);
            see("queue full", link.queue_dropped);
            see("cut", link.partition_dropped);
            see("duplicated", link.duplicated);
            see("corrupted", link.corrupted);
            see("reordered", link.reordered);
        }
        see("key updates", self.network.key_updates);
        see(
            "overflowed",
            self.sessions.iter().flat_map(|session| &session.ends).map(|end| end.overflowed).sum(),
        );
        see("expired", self.sessions.iter().flat_map(|session| &session.ends).map(|end| end.expired).sum());
        see(
            "superseded",
            self.sessions.iter().flat_map(|session| &session.ends).map(|end| end.superseded).sum(),
        );
        sights
    }

    /// Runs until `check` is content. It must be once nothing has been delivered or opened or ended for `patience`.
    fn run_until(
        &mut self,
        patience: Duration,
        check: impl Fn(&mut Self) -> Result<(), Breach>,
    ) -> Result<(), Breach> {
        let begun = self.now;
        let (mut progress, mut progress_at) = (self.progress(), self.now);
        loop {
            let until = self.now + TICK;
            while self.step(until)? {}
            if self.progress() != progress {
                (progress, progress_at) = (self.progress(), self.now);
            }
            let is_stuck = self.now >= progress_at + patience || self.now >= begun + CONVERGENCE_TIME_MAX;
            match check(self) {
                Ok(()) => return Ok(()),
                Err(breach) if is_stuck => return Err(breach),
                Err(_) => {}
            }
        }
    }

    /// Rises with everything that brings a world nearer to its end.
    fn progress(&self) -> u64 {
        let delivered = self.tally.messages.iter().map(|tally| tally.delivered).sum::<u64>();
        delivered + self.tally.connections + self.tally.endings
    }

    /// Gives everybody who is due their turn, then moves time on, at most to `until`; `false` once that is reached.
    fn step(&mut self, until: Instant) -> Result<bool, Breach> {
        while let Some(action) = self.agenda.pop_due(self.now) {
            self.perform(action)?;
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].is_due(self.now, self.next_arrival(node)) {
                self.run_node(node)?;
            }
        }
        let wakes = (0..self.nodes.len())
            .filter_map(|node| self.nodes[node].next_wake(self.now, self.next_arrival(node)));
        let next = wakes.chain(self.agenda.next()).min().unwrap_or(until);
        let soonest = self.now + Duration::from_micros(1);
        self.now = next.clamp(soonest, until.max(soonest));
        Ok(self.now < until)
    }

    fn perform(&mut self, action: Action) -> Result<(), Breach> {
        match action {
            Action::Script(line) => {
                if self.phase == Phase::Faulty {
                    self.perform_deed(self.config.script[line].deed.clone())?;
                }
            }
            Action::Flow(flow) => {
                if self.phase == Phase::Faulty {
                    let node = self.sender_of(flow);
                    self.nodes[node].due_flows.push(flow);
                    self.plan_flow(flow);
                }
            }
            Action::Rejoin(client) => {
                if self.phase != Phase::Parting && self.clients[client].wants_connection {
                    self.join(client)?;
                }
            }
            Action::Intrude => self.intrude(),
            Action::Tick => {
                self.tick()?;
                self.agenda.add(self.now + TICK, Action::Tick);
            }
        }
        Ok(())
    }

    /// When the next datagram arrives at a node.
    fn next_arrival(&self, node: usize) -> Option<Instant> {
        self.pipes_into(node).filter_map(|pipe| self.network.pipes[pipe].link.poll_timeout()).min()
    }

    fn pipes_into(&self, node: usize) -> impl Iterator<Item = usize> + use<> {
        let (first, step) = if node == SERVER { (0, 2) } else { (2 * node - 1, self.network.pipes.len()) };
        (first..self.network.pipes.len()).step_by(step)
    }

    /// One turn of a program: datagrams, deadlines, events, sending.
    fn run_node(&mut self, node: usize) -> Result<(), Breach> {
        let now = self.now;
        if let Pace::Frames(frame) = self.nodes[node].host.pace {
            self.nodes[node].next_frame = now + frame;
        }
        self.nodes[node].is_dirty = false;
        self.take_in(node)?;
        self.handle_timeout(node);
        self.read_events(node)?;
        self.send_due_flows(node)?;
        // What reading gives back may have to go out, and what was taken in may have brought a deadline that has
        // passed already: a program that is late asks again at once.
        let mut turns = 0;
        loop {
            self.transmit(node)?;
            self.read_events(node)?;
            self.transmit(node)?;
            let is_due = self.handle_timeout(node) || self.is_sabotaged(Sabotage::KeepDeadline);
            if !is_due {
                return Ok(());
            }
            turns += 1;
            let deadline = self.nodes[node].endpoint.poll_timeout();
            if let Err(breach) = check_deadline(turns, deadline) {
                self.subject = name_of(node);
                return Err(breach);
            }
        }
    }

    /// Lets the endpoint do what is due; `false` if nothing is.
    fn handle_timeout(&mut self, node: usize) -> bool {
        let endpoint = &mut self.nodes[node].endpoint;
        let is_due = endpoint.poll_timeout().is_some_and(|at| at <= self.now);
        if is_due {
            endpoint.handle_timeout(self.now);
        }
        is_due
    }

    fn transmit(&mut self, node: usize) -> Result<(), Breach> {
        let segments = self.nodes[node].host.segments;
        let limits = TransmitLimits { segments, bytes: 65_000 };
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(transmit) = self.nodes[node].endpoint.poll_transmit(self.now, limits, &mut buffer) {
            let from = self.nodes[node].address;
            let remote = transmit.path.remote;
            let segment = transmit.segment_bytes.unwrap_or(transmit.bytes).max(1);
            for datagram in buffer.chunks(segment) {
                if let Err(breach) = self.put_on_network(node, (from, remote), datagram) {
                    self.subject = format!("{} to {remote}", name_of(node));
                    return Err(breach);
                }
            }
            self.note(node, || {
                let kind = match buffer.first() {
                    Some(0x80..) => "packet",
                    _ => "handshake",
                };
                format!("sends {} bytes ({kind}) to {remote}", transmit.bytes)
            });
        }
        self.buffer = buffer;
        Ok(())
    }

    fn put_on_network(
        &mut self,
        node: usize,
        path: (SocketAddr, SocketAddr),
        datagram: &[u8],
    ) -> Result<(), Breach> {
        match self.sabotage_datagram(node, datagram) {
            (1, 0) => self.network.send(self.now, node, path, datagram, &mut self.hash),
            (count, more) => {
                let mut datagram = datagram.to_vec();
                datagram.resize(datagram.len() + more, 0);
                (0..count)
                    .try_for_each(|_| self.network.send(self.now, node, path, &datagram, &mut self.hash))
            }
        }
    }

    /// Ends all faults.
    fn heal(&mut self) -> Result<(), Breach> {
        self.phase = Phase::Converging;
        self.note(SERVER, || "the network heals".into());
        for client in 0..self.clients.len() {
            self.network.set_partitioned(client, false, false);
            let healed = self.config.clients[client].healed;
            debug_assert!(
                ![healed.up, healed.down]
                    .iter()
                    .any(|link| link.loss > 0.0 || link.jitter_reorders && link.jitter != Jitter::None)
            );
            self.network
                .set_conditions(self.now, client, healed)
                .map_err(|error| Breach::new(Oracle::Setup, "links that work", error.to_string()))?;
            let has_begun = self.clients[client].attempts > 0;
            self.clients[client].wants_connection |= has_begun;
            let is_idle = self.clients[client].session.is_none_or(|session| self.is_over_for_client(session));
            if has_begun && is_idle {
                self.agenda.add(self.now, Action::Rejoin(client));
            }
        }
        for node in &mut self.nodes {
            node.reading = Reading::Prompt;
            node.asleep_until = self.now;
            node.is_dirty = true;
        }
        Ok(())
    }

    fn note(&mut self, node: usize, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.options.trace {
            trace(TraceLine { at: self.now, node, text: text() });
        }
    }
}

fn name_of(node: usize) -> String {
    if node == SERVER { "server".into() } else { format!("client {}", node - 1) }
}

/// The `count`-th other address of a client.
fn rebound(address: SocketAddr, to: NewAddress, count: u16) -> SocketAddr {
    let ip = match (to, address.ip()) {
        (NewAddress::Port, ip) => ip,
        (NewAddress::Network, IpAddr::V4(ip)) => {
            let [a, _, c, d] = ip.octets();
            IpAddr::V4(Ipv4Addr::new(a, 100 + (count % 100) as u8, c, d))
        }
        (NewAddress::Network, IpAddr::V6(ip)) => {
            let [a, _, rest @ ..] = ip.segments();
            let [c, d, e, f, g, h] = rest;
            IpAddr::V6(Ipv6Addr::new(a, 100 + count, c, d, e, f, g, h))
        }
    };
    SocketAddr::new(ip, 20_000 + count)
}

/// Where a node's socket is bound the `attempt`-th time.
fn address_of(family: Family, node: usize, attempt: u16) -> SocketAddr {
    let (last, port) = if node == SERVER { (0, 7_777) } else { (node as u8, 5_000 + attempt) };
    let ip = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(10, 0, 1, last)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 1, last.into())),
    };
    SocketAddr::new(ip, port)
}
