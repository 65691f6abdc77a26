//! A world's configuration from a seed: every choice is made here, by chance, within bounds that keep it honest.

use std::ops::RangeInclusive;

use tme_core::channel::{
    CHANNEL_NAME_BYTES_MAX, CHANNELS_MAX, Channel, ChannelId, ChannelMode, ChannelTable, Redundancy,
};
use tme_core::connection::{CloseMode, ConnectionConfig, Side, StartNumbers};
use tme_core::crypto::packet::KeyLimits;
use tme_core::crypto::suite::Suite;
use tme_core::handshake::parameters::Limits;
use tme_core::link::{Bottleneck, BurstLoss, Jitter, LinkConditions, PathConditions, Preset};
use tme_core::random::SeededRandom;
use tme_core::time::Duration;

use super::{
    ClientPlan, Consumption, Deed, Family, Flow, Host, NewAddress, Pace, PortChoice, Reading, Rebinder,
    Rhythm, ScriptLine, ServerPlan, TableSource, Who, WorldConfig, both_ways,
};
use crate::mix::mix;

/// How bad the network is made beyond the preset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Severity {
    /// As the preset.
    None,
    Moderate,
    Terrible,
}

struct Dice(SeededRandom);

impl Dice {
    fn in_range(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.0.below(range.end() - range.start() + 1)
    }

    fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.in_range(range))
    }

    /// From one millisecond to `usual_ms`, and in one case of five to `rare_ms`.
    fn seldom_longer(&mut self, usual_ms: u64, rare_ms: u64) -> Duration {
        let most = if self.chance(0.2) { rare_ms } else { usual_ms };
        self.millis(1..=most)
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.0.chance(probability)
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.below(choices.len() as u64) as usize].clone()
    }

    fn up_to(&mut self, limit: f64) -> f64 {
        self.0.unit() * limit
    }
}

impl WorldConfig {
    /// The world that belongs to a seed and a preset.
    #[must_use]
    pub fn from_seed(seed: u64, preset: Preset) -> Self {
        let mut dice = Dice(SeededRandom::new(mix(seed, preset as u64)));
        let severity =
            dice.pick(&[Severity::None, Severity::Moderate, Severity::Moderate, Severity::Terrible]);
        let is_long = dice.chance(0.1);
        let faulty_time = dice.millis(if is_long { 30_000..=60_000 } else { 4_000..=14_000 });
        let idle_timeout = Duration::from_secs(dice.pick(&[6, 8, 10, 30]));
        let client_count = dice.in_range(1..=8) as usize;
        let family = dice.pick(&[Family::V4, Family::V4, Family::V6]);
        let has_largest_table = dice.chance(0.05);
        let channels = if has_largest_table { largest_table(&mut dice) } else { channels(&mut dice) };
        let mut connection = connection(&mut dice, preset);
        let suite = dice.pick(&[
            Suite::Aes256Gcm,
            Suite::Aes256Gcm,
            Suite::Aes256Gcm,
            Suite::ChaCha20Poly1305,
            Suite::Plaintext,
        ]);
        let is_crowded = dice.chance(0.05) && client_count > 1;
        let server = ServerPlan {
            limits: limits(&mut dice, idle_timeout),
            peers_max: if is_crowded {
                client_count - 1
            } else {
                client_count + dice.in_range(0..=4) as usize
            },
            host: host(&mut dice),
        };
        let mut clients: Vec<ClientPlan> = (0..client_count)
            .map(|_| ClientPlan {
                path: path(&mut dice, preset, severity),
                healed: healed(&mut dice, preset),
                // Both sides use the smaller of their time-outs.
                limits: later_limits(&mut dice, idle_timeout),
                table: dice.pick(&[TableSource::Declared, TableSource::Adopted]),
                has_identity: suite != Suite::Plaintext && dice.chance(0.3),
                host: host(&mut dice),
                port: dice.pick(&[PortChoice::Same, PortChoice::Next]),
                give_up_after: Duration::from_secs(dice.pick(&[10, 10, 4])),
            })
            .collect();
        let mut flows = flows(&mut dice, &channels, &clients, &server);
        add_wishes(
            &mut Dice(SeededRandom::new(mix(mix(seed, preset as u64), 0xDEAD))),
            &mut flows,
            &channels,
        );
        let mut script = script(&mut dice, client_count, faulty_time, idle_timeout);
        for client in 0..client_count {
            if dice.chance(0.2) {
                let at = dice.millis(0..=faulty_time.as_millis() as u64);
                let severity = dice.pick(&[Severity::None, Severity::Moderate, Severity::Terrible]);
                let path = Box::new(path(&mut dice, preset, severity));
                script.push(ScriptLine { at, deed: Deed::Weather { client, path } });
            }
        }
        if preset == Preset::Lan && dice.chance(0.2) {
            jumbo(&mut dice, &mut connection, &mut clients, &mut script);
        }
        let is_jumbo = connection.datagram_bytes > 1_500;
        if !is_jumbo {
            connection.datagram_bytes_max = dice.pick(&[1_452, 1_452, 1_452, 1_200, 1_400, 9_000]);
            narrow_paths(&mut dice, &mut clients, &mut script);
        }
        if suite != Suite::Plaintext {
            for client in 0..client_count {
                if dice.chance(0.3) {
                    rebindings(&mut dice, client, faulty_time, &mut script);
                }
            }
        }
        let intrusion_interval = dice.chance(0.4).then(|| dice.millis(5..=200));
        Self {
            seed,
            preset,
            family,
            channels,
            connection,
            suite,
            server,
            clients,
            flows,
            script,
            intrusion_interval,
            faulty_time,
            converge_within: idle_timeout + Duration::from_secs(90),
        }
    }
}

/// All five modes and sometimes some of them twice, with ids, priorities, weights and queues of all kinds.
fn channels(dice: &mut Dice) -> ChannelTable {
    let mut modes = ChannelMode::ALL.to_vec();
    for _ in 0..dice.in_range(0..=5) {
        modes.push(dice.pick(&ChannelMode::ALL));
    }
    let count = modes.len() as u64;
    for index in 0..modes.len() {
        modes.swap(index, dice.0.below(count) as usize);
    }
    let first_id = dice.in_range(0..=200) as u8;
    let has_ids = dice.chance(0.5);
    let channels = modes.into_iter().zip(0u8..).map(|(mode, position)| {
        let mut channel = Channel::new(format!("channel {position}"), mode)
            .priority(dice.pick(&[0, 0, 0, 1, 2]))
            .weight(dice.pick(&[1, 1, 2, 10, 1_000]));
        if has_ids {
            channel = channel.id(first_id + position * 3);
        }
        if dice.chance(0.2) {
            channel = channel.queue_max(dice.pick(&[1, 2_000, 50_000]), dice.pick(&[1, 4, 64, 1_000]));
        }
        if dice.chance(0.1) {
            channel = channel.queue_age_max(dice.millis(1..=2_000));
        }
        if dice.chance(0.4) {
            channel = channel.redundancy(dice.pick(&[
                Redundancy::Off,
                Redundancy::Copies(1),
                Redundancy::Copies(3),
            ]));
        }
        channel
    });
    // Ids rise in steps of three from at most 200 over at most ten positions, so they are distinct and fit a byte.
    ChannelTable::new(channels).unwrap_or_default()
}

/// As many channels as there can be, with the longest names: an ACCEPT in several datagrams.
fn largest_table(dice: &mut Dice) -> ChannelTable {
    let channels = (0..CHANNELS_MAX).map(|position| {
        let mode = ChannelMode::ALL.get(position).copied().unwrap_or_else(|| dice.pick(&ChannelMode::ALL));
        Channel::new(format!("{position:0>CHANNEL_NAME_BYTES_MAX$}"), mode)
    });
    // As many as a table takes, with names as long as it takes and their positions as ids.
    ChannelTable::new(channels).unwrap_or_default()
}

fn connection(dice: &mut Dice, preset: Preset) -> ConnectionConfig {
    // What the path's MTU leaves after the headers that links count.
    let largest = if preset == Preset::Lte { 1_330 } else { 1_452 };
    let packet = dice.pick(&[0, 0, 0, (1 << 15) - 200, (1 << 16) - 200, (1 << 32) - 200, (1 << 40) - 1]);
    let sequence = dice.pick(&[0, 0, 0, (1 << 23) - 100, (1 << 24) - 100, (1 << 32) - 100, (1 << 40) - 1]);
    let mut key_limits = KeyLimits::default();
    if dice.chance(0.25) {
        key_limits.packets_max = dice.pick(&[20, 100, 500]);
    }
    if dice.chance(0.1) {
        key_limits.generation_time_max = dice.millis(200..=3_000);
    }
    ConnectionConfig {
        datagram_bytes: dice.pick(&[1_200, 1_200, 1_250, largest]),
        key_limits,
        start: StartNumbers { packet, sequence },
        unreliable_backlog_max: dice.pick(&[65_536, 65_536, 64]),
        keep_alive: Duration::from_secs(dice.pick(&[5, 5, 5, 1, 60])),
        ..ConnectionConfig::default()
    }
}

/// A network without an MTU, and datagrams far beyond Ethernet's.
fn jumbo(
    dice: &mut Dice,
    connection: &mut ConnectionConfig,
    clients: &mut [ClientPlan],
    script: &mut [ScriptLine],
) {
    connection.datagram_bytes = dice.pick(&[8_000, 9_000, 60_000]);
    let of_clients = clients.iter_mut().flat_map(|client| [&mut client.path, &mut client.healed]);
    let of_script = script.iter_mut().filter_map(|line| match &mut line.deed {
        Deed::Weather { path, .. } => Some(path.as_mut()),
        _ => None,
    });
    for path in of_clients.chain(of_script) {
        (path.up.mtu_bytes, path.down.mtu_bytes) = (None, None);
    }
}

/// Some paths carry less than Ethernet, and less still after a while.
fn narrow_paths(dice: &mut Dice, clients: &mut [ClientPlan], script: &mut [ScriptLine]) {
    let of_clients = clients.iter_mut().map(|client| &mut client.path);
    let of_script = script.iter_mut().filter_map(|line| match &mut line.deed {
        Deed::Weather { path, .. } => Some(path.as_mut()),
        _ => None,
    });
    for path in of_clients.chain(of_script) {
        for link in [&mut path.up, &mut path.down] {
            if dice.chance(0.3) {
                link.mtu_bytes = Some(link.header_bytes + dice.pick(&[1_200, 1_252, 1_280, 1_372, 1_400]));
            }
        }
    }
}

/// A client whose address changes now and then, at times every few hundred milliseconds.
fn rebindings(dice: &mut Dice, client: usize, faulty_time: Duration, script: &mut Vec<ScriptLine>) {
    let interval = dice.pick(&[300, 1_000, 3_000, 10_000]);
    let by = dice.pick(&[Rebinder::Program, Rebinder::Nat]);
    let mut at = dice.millis(0..=interval);
    while at < faulty_time {
        let to = dice.pick(&[NewAddress::Port, NewAddress::Network]);
        script.push(ScriptLine { at, deed: Deed::Rebind { client, to, by } });
        at += dice.millis(interval / 2..=interval * 2);
    }
}

fn later_limits(dice: &mut Dice, idle_timeout: Duration) -> Limits {
    let later = idle_timeout + Duration::from_secs(dice.pick(&[0, 0, 5]));
    limits(dice, later)
}

fn limits(dice: &mut Dice, idle_timeout: Duration) -> Limits {
    let message: u64 = dice.pick(&[1_100, 20_000, 300_000, 1 << 20, 1 << 20]);
    // From no room to spare at all to plenty.
    let slack = |dice: &mut Dice| dice.pick(&[0, 1, 1_000, 1 << 20]);
    let channel = message + slack(dice);
    let connection = channel + slack(dice);
    let is_default = dice.chance(0.5);
    let defaults = Limits::default();
    Limits {
        idle_timeout,
        datagram_bytes_max: dice.pick(&[1_200, 1_452, 9_000, 65_527]),
        ..if is_default {
            defaults
        } else {
            Limits {
                reliable_message_bytes_max: message as u32,
                channel_credit_bytes: channel as u32,
                connection_credit_bytes: connection as u32,
                channel_credit_messages: dice.pick(&[1, 2, 3, 16, 256, 8_192]),
                ..defaults
            }
        }
    }
}

fn host(dice: &mut Dice) -> Host {
    Host {
        pace: dice.pick(&[
            Pace::Prompt,
            Pace::Prompt,
            Pace::Frames(Duration::from_micros(16_667)),
            Pace::Frames(Duration::from_micros(4_000)),
            Pace::Frames(Duration::from_micros(50_000)),
        ]),
        segments: dice.pick(&[1, 2, 8, 40]),
        consumption: dice.pick(&[Consumption::Each, Consumption::Summed]),
    }
}

fn path(dice: &mut Dice, preset: Preset, severity: Severity) -> PathConditions {
    let PathConditions { up, down } = preset.conditions();
    PathConditions { up: worsen(dice, up, severity), down: worsen(dice, down, severity) }
}

fn worsen(dice: &mut Dice, base: LinkConditions, severity: Severity) -> LinkConditions {
    let scale = match severity {
        Severity::None => return base,
        Severity::Moderate => 0.2,
        Severity::Terrible => 1.0,
    };
    let mut worse = base;
    let some = |dice: &mut Dice, limit: f64| if dice.chance(0.5) { dice.up_to(limit * scale) } else { 0.0 };
    worse.loss = (base.loss + some(dice, 0.3)).min(0.3);
    worse.duplicate = base.duplicate + some(dice, 0.3);
    worse.duplicate_delay_max = dice.millis(0..=500);
    worse.reorder = base.reorder + some(dice, 0.2);
    worse.reorder_delay = dice.seldom_longer(200, 3_000);
    worse.corrupt = some(dice, 0.05);
    worse.jitter_reorders = dice.chance(0.3);
    if dice.chance(0.2) {
        worse.burst = BurstLoss::from_mean(some(dice, 0.15), 10.0).ok();
    }
    if dice.chance(0.2) {
        let half_width = dice.millis(1..=100);
        worse.delay += half_width;
        worse.jitter = Jitter::Uniform { half_width };
    }
    if dice.chance(0.1) {
        // A line that is far too slow for the traffic, with a queue of up to a second.
        let queue = dice.millis(20..=1_000);
        worse.bottleneck = Some(Bottleneck::with_queue_time(dice.in_range(25_000..=250_000), queue));
    }
    worse
}

/// After the healing: perfect, or the preset without its losses.
fn healed(dice: &mut Dice, preset: Preset) -> PathConditions {
    if dice.chance(0.5) {
        return both_ways(LinkConditions { delay: dice.millis(0..=50), ..LinkConditions::default() });
    }
    let mild = |conditions: LinkConditions| LinkConditions {
        loss: 0.0,
        burst: None,
        duplicate: 0.0,
        reorder: 0.0,
        ..conditions
    };
    let PathConditions { up, down } = preset.conditions();
    PathConditions { up: mild(up), down: mild(down) }
}

/// Traffic on every channel in both directions, bounded by what the slowest preset can carry.
fn flows(dice: &mut Dice, channels: &ChannelTable, clients: &[ClientPlan], server: &ServerPlan) -> Vec<Flow> {
    let mut flows = Vec::new();
    let load = Load {
        // A table of many channels sends as much as one of few.
        thinning: channels.entries().len().div_ceil(10) as u32,
        is_busy: dice.chance(0.2),
    };
    for (client, plan) in clients.iter().enumerate() {
        for (from, receiver) in [(Side::Client, &server.limits), (Side::Server, &plan.limits)] {
            for entry in channels.entries() {
                if dice.chance(0.15) {
                    continue;
                }
                let largest = receiver.reliable_message_bytes_max as usize;
                flows.push(flow(dice, load, (client, from), (entry.id, entry.mode), largest));
            }
        }
    }
    flows
}

/// What some senders ask for beside. By dice of their own, so that everything else is as without.
fn add_wishes(dice: &mut Dice, flows: &mut [Flow], channels: &ChannelTable) {
    for flow in flows {
        flow.has_receipts = dice.chance(0.5);
        flow.deadlines = dice.pick(&[None, None, Some(0..=50_000), Some(0..=500_000), Some(0..=5_000_000)]);
        let entry = channels.entries().iter().find(|entry| entry.id == flow.channel);
        // A key for every thing ever made.
        if entry.is_some_and(|entry| entry.mode.is_keyed()) && dice.chance(0.3) {
            flow.keys = u32::MAX;
        }
    }
}

/// How much is sent.
#[derive(Clone, Copy)]
struct Load {
    /// Each channel sends less often by this factor.
    thinning: u32,
    /// Far more than usual, until queues are full.
    is_busy: bool,
}

fn flow(
    dice: &mut Dice,
    load: Load,
    (client, from): (usize, Side),
    (channel, mode): (ChannelId, ChannelMode),
    largest: usize,
) -> Flow {
    let mut sizes = vec![8..=200];
    if dice.chance(0.4) {
        sizes.push(0..=12);
    }
    if dice.chance(0.3) {
        sizes.push(1_090..=1_110);
    }
    // What travels rarely, so that it does not fill the line.
    let mut long = Vec::new();
    if dice.chance(0.3) {
        long.push(1_101..=if mode.is_reliable() { 30_000.min(largest) } else { 17_600 });
    }
    if mode.is_reliable() && dice.chance(0.15) {
        long.push(1_100..=largest.min(300_000));
    }
    if mode.is_reliable() && dice.chance(0.03) {
        long.push(largest..=largest);
    }
    let has_long = !long.is_empty();
    sizes.extend(long.into_iter().filter(|range| range.start() <= range.end()));
    let interval = dice.millis(match (has_long, load.is_busy) {
        (true, true) => 50..=500,
        (true, false) => 200..=2_000,
        (false, true) => 2..=50,
        (false, false) => 8..=300,
    });
    Flow {
        client,
        from,
        channel,
        interval: interval * load.thinning,
        rhythm: dice.pick(&[Rhythm::Steady, Rhythm::Random]),
        burst: if has_long { 1 } else { dice.pick(&[1, 1, 1, 2, 10]) },
        sizes,
        keys: dice.pick(&[1, 3, 50, 1_024]),
        deadlines: None,
        has_receipts: false,
        active_and_quiet: dice.chance(0.3).then(|| (dice.millis(100..=3_000), dice.millis(100..=8_000))),
    }
}

fn script(dice: &mut Dice, clients: usize, faulty_time: Duration, idle_timeout: Duration) -> Vec<ScriptLine> {
    let mut script = Script { lines: Vec::new(), end: faulty_time.as_millis() as u64 };
    for client in 0..clients {
        let joins_late = dice.chance(0.5);
        let at = if joins_late { dice.in_range(0..=3_000) } else { 0 };
        script.add(at, Deed::Join { client });
        if dice.chance(0.35) {
            script.partition(dice, client, idle_timeout);
        }
        if dice.chance(0.3) {
            script.departure(dice, client);
        }
        if dice.chance(0.25) {
            script.slow_reader(dice, Who::Client(client));
        }
        if dice.chance(0.1) {
            let time = dice.millis(50..=4_000);
            script.add(script.any_time(dice), Deed::Stall { who: Who::Client(client), time });
        }
    }
    if dice.chance(0.15) {
        script.slow_reader(dice, Who::Server);
    }
    if dice.chance(0.1) {
        let time = dice.millis(50..=2_000);
        script.add(script.any_time(dice), Deed::Stall { who: Who::Server, time });
    }
    if dice.chance(0.07) {
        script.add(script.any_time(dice), Deed::RestartServer);
    }
    script.lines
}

struct Script {
    lines: Vec<ScriptLine>,
    /// End of the faulty phase in milliseconds.
    end: u64,
}

impl Script {
    fn add(&mut self, at_ms: u64, deed: Deed) {
        self.lines.push(ScriptLine { at: Duration::from_millis(at_ms), deed });
    }

    fn any_time(&self, dice: &mut Dice) -> u64 {
        dice.in_range(0..=self.end)
    }

    /// Mostly short ones that a connection must survive; some outlast it.
    fn partition(&mut self, dice: &mut Dice, client: usize, idle_timeout: Duration) {
        let at = self.any_time(dice);
        let idle = idle_timeout.as_millis() as u64;
        let time = if dice.chance(0.2) { idle + 1_500 } else { dice.in_range(50..=idle / 2) };
        let (up, down) = dice.pick(&[(true, true), (true, true), (true, false), (false, true)]);
        self.add(at, Deed::Partition { client, up, down });
        self.add(at + time, Deed::Partition { client, up: false, down: false });
    }

    fn departure(&mut self, dice: &mut Dice, client: usize) {
        let at = self.any_time(dice);
        let by = dice.pick(&[Side::Client, Side::Client, Side::Server]);
        let mode = dice.pick(&[CloseMode::Flush, CloseMode::Now]);
        let deed = if dice.chance(0.25) { Deed::Crash { client } } else { Deed::Leave { client, by, mode } };
        self.add(at, deed);
        let pause = dice.pick(&[0, 1, 20, 300, 2_000]);
        self.add(at + pause, Deed::Join { client });
    }

    fn slow_reader(&mut self, dice: &mut Dice, who: Who) {
        let at = self.any_time(dice);
        let reading = dice.pick(&[Reading::Hoarding, Reading::Stopped]);
        self.add(at, Deed::Read { who, reading });
        self.add(at + dice.in_range(50..=6_000), Deed::Read { who, reading: Reading::Prompt });
    }
}
