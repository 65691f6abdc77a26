//! What a world is made of: peers, links, traffic and a script. All of it follows from a seed, or is written by hand.

mod derive;

use std::ops::RangeInclusive;

use tme_core::channel::{Channel, ChannelId, ChannelMode, ChannelTable, Redundancy};
use tme_core::connection::{CloseMode, ConnectionConfig, Side};
use tme_core::crypto::suite::Suite;
use tme_core::handshake::parameters::Limits;
use tme_core::link::{LinkConditions, PathConditions, Preset};
use tme_core::time::Duration;

/// A whole world: with the same configuration it goes the same way, to the last byte.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Where all chance in the world comes from.
    pub seed: u64,
    /// The network the world is modelled on; also part of its name in failures.
    pub preset: Preset,
    /// Which kind of addresses there are.
    pub family: Family,
    /// The server's channels.
    pub channels: ChannelTable,
    /// What all connections of all endpoints share.
    pub connection: ConnectionConfig,
    /// How packets are protected.
    pub suite: Suite,
    /// The server.
    pub server: ServerPlan,
    /// The clients.
    pub clients: Vec<ClientPlan>,
    /// Traffic.
    pub flows: Vec<Flow>,
    /// What happens besides, in any order.
    pub script: Vec<ScriptLine>,
    /// Mean time between datagrams that somebody else forges, replays or damages; `None`: nobody does.
    pub intrusion_interval: Option<Duration>,
    /// How long traffic, script and faults last. Then the network heals.
    pub faulty_time: Duration,
    /// After the healing, everything promised must arrive without a pause longer than this.
    pub converge_within: Duration,
}

/// A kind of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The server's side of a world.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// What it is willing to receive.
    pub limits: Limits,
    /// Most peers at a time.
    pub peers_max: usize,
    /// How its program runs.
    pub host: Host,
}

/// One client.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// Its network while faults are on.
    pub path: PathConditions,
    /// Its network after the healing.
    pub healed: PathConditions,
    /// What it is willing to receive.
    pub limits: Limits,
    /// Whether it declares the channel table or adopts the server's.
    pub table: TableSource,
    /// Whether it proves an identity (Noise IK).
    pub has_identity: bool,
    /// How its program runs.
    pub host: Host,
    /// Whether each attempt comes from another port.
    pub port: PortChoice,
    /// How long an attempt to connect may take.
    pub give_up_after: Duration,
}

/// Where a client has its channels from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableSource {
    /// It declares them; the hashes are compared.
    Declared,
    /// It takes over the server's.
    Adopted,
}

/// From which port a client connects again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    /// From the same as before.
    Same,
    /// From the next one.
    Next,
}

/// How a program drives its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// When it looks after it.
    pub pace: Pace,
    /// Most datagrams it takes at a time from `poll_transmit`.
    pub segments: usize,
    /// How it reports messages as consumed.
    pub consumption: Consumption,
}

impl Host {
    /// Looks after its endpoint at once, always.
    pub const PROMPT: Self = Self { pace: Pace::Prompt, segments: 8, consumption: Consumption::Each };
}

/// When a program looks after its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At every datagram and deadline.
    Prompt,
    /// Once per frame of this length.
    Frames(Duration),
}

/// How a program reports messages as consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumption {
    /// Each by itself.
    Each,
    /// All of a channel at once.
    Summed,
}

/// Messages of one channel from one end.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Index of the client at one end.
    pub client: usize,
    /// Which end sends.
    pub from: Side,
    /// On which channel.
    pub channel: ChannelId,
    /// Time from one burst to the next.
    pub interval: Duration,
    /// Whether the interval varies between nothing and its double.
    pub rhythm: Rhythm,
    /// Messages sent at once.
    pub burst: u32,
    /// Sizes; each message takes one of these ranges by chance, and a size in it.
    pub sizes: Vec<RangeInclusive<usize>>,
    /// Keys in use, in reliable-latest channels.
    pub keys: u32,
    /// Time that messages are given, in microseconds from the shortest to the longest; half of them get none.
    pub deadlines: Option<RangeInclusive<u64>>,
    /// Whether every message's fate is asked for.
    pub has_receipts: bool,
    /// Activity: so long it sends, so long it is quiet, over and over.
    pub active_and_quiet: Option<(Duration, Duration)>,
}

/// How regular a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// As a clock.
    Steady,
    /// Each interval is anything from nothing to its double.
    Random,
}

/// Something that happens at a time of the faulty phase.
#[derive(Clone, Debug)]
pub struct ScriptLine {
    /// When, after the start.
    pub at: Duration,
    /// What.
    pub deed: Deed,
}

/// Who a deed is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The server.
    Server,
    /// The client with this index.
    Client(usize),
}

/// How a program treats its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It takes and consumes them.
    Prompt,
    /// It takes them and consumes nothing.
    Hoarding,
    /// It does not even take them.
    Stopped,
}

/// What a client's new address has in common with the former.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewAddress {
    /// All but the port.
    Port,
    /// Nothing.
    Network,
}

/// Who changes a client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebinder {
    /// Its program, which binds another socket.
    Program,
    /// A NAT, which tells nobody.
    Nat,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A client begins to connect, unless it is connected.
    Join {
        /// Index of the client.
        client: usize,
    },
    /// One end closes a connection (or gives up the attempt).
    Leave {
        /// Index of the client.
        client: usize,
        /// Which end closes.
        by: Side,
        /// Whether queued messages go first.
        mode: CloseMode,
    },
    /// A client's program dies without a word. It may join again.
    Crash {
        /// Index of the client.
        client: usize,
    },
    /// The server's program dies and starts anew with the same key.
    RestartServer,
    /// A client's link is cut or mended, each direction by itself.
    Partition {
        /// Index of the client.
        client: usize,
        /// Whether datagrams to the server are refused.
        up: bool,
        /// Whether datagrams to the client are refused.
        down: bool,
    },
    /// The conditions of a client's link change.
    Weather {
        /// Index of the client.
        client: usize,
        /// The new conditions.
        path: Box<PathConditions>,
    },
    /// A client's address changes; what is sent to the former one arrives nowhere.
    Rebind {
        /// Index of the client.
        client: usize,
        /// What changes.
        to: NewAddress,
        /// Whether its program knows.
        by: Rebinder,
    },
    /// A program changes how it treats its events.
    Read {
        /// Whose program.
        who: Who,
        /// How from now on.
        reading: Reading,
    },
    /// A program does nothing at all for a while.
    Stall {
        /// Whose program.
        who: Who,
        /// For how long.
        time: Duration,
    },
}

/// The five modes, one channel each, with their wire number as id.
#[must_use]
pub fn five_channels() -> ChannelTable {
    five_channels_with(Redundancy::default())
}

/// The five modes with this redundancy.
#[must_use]
pub fn five_channels_with(redundancy: Redundancy) -> ChannelTable {
    let channels =
        ChannelMode::ALL.map(|mode| Channel::new(format!("{mode:?}"), mode).redundancy(redundancy));
    // Five distinct positions with short names and default settings are always a valid table.
    ChannelTable::new(channels).unwrap_or_default()
}

impl WorldConfig {
    /// A world with one client on a perfect link that joins at once, and nothing else: a base for hand-made worlds.
    #[must_use]
    pub fn quiet(seed: u64) -> Self {
        Self {
            seed,
            preset: Preset::Lan,
            family: Family::V4,
            channels: five_channels(),
            connection: ConnectionConfig::default(),
            suite: Suite::Aes256Gcm,
            server: ServerPlan { limits: Limits::default(), peers_max: 8, host: Host::PROMPT },
            clients: vec![ClientPlan::plain(both_ways(LinkConditions::default()))],
            flows: Vec::new(),
            script: vec![ScriptLine { at: Duration::ZERO, deed: Deed::Join { client: 0 } }],
            intrusion_interval: None,
            faulty_time: Duration::from_secs(5),
            converge_within: Duration::from_secs(60),
        }
    }
}

impl ClientPlan {
    /// A client like any other, on a path with these conditions.
    #[must_use]
    pub fn plain(path: PathConditions) -> Self {
        Self {
            path,
            healed: both_ways(LinkConditions {
                delay: Duration::from_millis(5),
                ..LinkConditions::default()
            }),
            limits: Limits::default(),
            table: TableSource::Declared,
            has_identity: false,
            host: Host::PROMPT,
            port: PortChoice::Same,
            give_up_after: Duration::from_secs(10),
        }
    }
}

impl Flow {
    /// One message of `bytes` bytes every `interval`.
    #[must_use]
    pub fn steady(client: usize, from: Side, channel: ChannelId, interval: Duration, bytes: usize) -> Self {
        Self {
            client,
            from,
            channel,
            interval,
            rhythm: Rhythm::Steady,
            burst: 1,
            sizes: vec![bytes..=bytes],
            keys: 1,
            deadlines: None,
            has_receipts: false,
            active_and_quiet: None,
        }
    }
}

/// The same conditions in both directions.
#[must_use]
pub const fn both_ways(conditions: LinkConditions) -> PathConditions {
    PathConditions { up: conditions, down: conditions }
}
