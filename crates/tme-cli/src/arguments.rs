//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tme::Preset;

use crate::logs::LogOptions;

/// What `tme` was asked to do.
#[derive(Debug, Parser)]
#[command(name = "tme", version, about, long_about = None, after_help = EXIT_CODES, propagate_version = true)]
pub struct Arguments {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and everything checked is as it should be
  1  a check failed: a reliable message lost, a simulated promise broken
  2  the command line is wrong
  3  the address to listen on cannot be had
  4  no answer from the server, or its name leads nowhere
  5  the server refused
  6  the connection was lost, or ended by the other side
  7  a file cannot be read or written
  8  something else
130  ended by a second Ctrl-C";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the engine at work: a server and bots over encrypted loopback sockets
    Demo(DemoOptions),
    /// Runs a chat server
    Serve(ServeOptions),
    /// Connects to a chat server
    Connect(ConnectOptions),
    /// Measures throughput and latency between two processes
    Bench(BenchOptions),
    /// Runs simulated worlds and checks that every promise is kept
    Sim(SimOptions),
    /// Makes a server's key
    Keygen(KeygenOptions),
    /// Puts a bad network between any two UDP programs
    Relay(RelayOptions),
    /// The server process of `tme bench`
    #[command(hide = true)]
    BenchServer(BenchServerOptions),
}

const DEMO_EXAMPLES: &str = "\
Every tick each bot sends an unreliable 48-byte input, and the server sends each bot an unreliable 300-byte
snapshot; once a second each bot sends a reliable 32-byte message, and gets a reliable 64-byte one.

Examples:
  tme demo                                 32 bots for 10 s
  tme demo --net wifi                      the same over modelled Wi-Fi
  tme demo --bots 1000 --threads --json    1,000 bots, network threads, one JSON object at the end

Exit code 0: every reliable message was delivered, once and in order.";

/// Options of `tme demo`.
#[derive(Args, Clone, Debug)]
#[command(after_help = DEMO_EXAMPLES)]
pub struct DemoOptions {
    /// Number of bots
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub bots: u32,
    /// Ticks per second
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub hz: u32,
    /// How long to run
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// Network conditions to model between bots and server [default: none]
    #[arg(long, value_name = "PRESET", value_parser = preset_parser())]
    pub net: Option<Preset>,
    /// Give the server and every bot a network thread, instead of doing input and output in `update`
    #[arg(long)]
    pub threads: bool,
    /// UDP port of the server on 127.0.0.1; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Print one JSON object at the end; progress goes to standard error
    #[arg(long)]
    pub json: bool,
}

impl DemoOptions {
    /// Where the server listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

const SERVE_EXAMPLES: &str = "\
Commands while it runs: /list, /kick N [WHY], /stats, /help, /quit; anything else is said to everybody.
Without standard input it runs until it is told to end (Ctrl-C, SIGTERM).

Examples:
  tme serve                                       port 7777 on all interfaces, a new key every time
  tme serve --key-file server.key                 the same key every time, made the first time
  tme serve --listen 127.0.0.1:0 --net wifi_bad   this machine only, a free port, over modelled Wi-Fi";

/// Options of `tme serve`.
#[derive(Args, Clone, Debug)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct ServeOptions {
    /// Address and port to listen on; port 0 lets the system choose, `[::]:7777` takes IPv6 and IPv4
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:7777")]
    pub listen: String,
    /// Port to listen on, instead of the one in --listen
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// File with the server's secret key; made, readable by you only, if there is none
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// How many clients there can be at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=524_287))]
    pub max_peers: u32,
    /// Network conditions to model towards every client [default: none]
    #[arg(long, value_name = "PRESET", value_parser = preset_parser())]
    pub net: Option<Preset>,
    /// Where log lines go.
    #[command(flatten)]
    pub logs: LogOptions,
}

impl ServeOptions {
    /// The address to listen on. One that does not parse is left for the engine to complain about.
    #[must_use]
    pub fn listen_address(&self) -> String {
        match (self.listen.parse::<SocketAddr>(), self.port) {
            (Ok(mut address), Some(port)) => {
                address.set_port(port);
                address.to_string()
            }
            _ => self.listen.clone(),
        }
    }
}

const CONNECT_EXAMPLES: &str = "\
Type to chat; /stats, /help, /quit. Where standard input is no terminal, its lines are sent and the program
ends after the last one was delivered.

Examples:
  tme connect game.example:7777 --key 3f2a...                   the line that `tme serve` prints
  tme connect game.example:7777 --known-hosts known_hosts.txt   trust the first key seen, refuse another one later
  echo hello | tme connect localhost:7777 --name bot            say one thing";

/// Options of `tme connect`.
#[derive(Args, Clone, Debug)]
#[command(after_help = CONNECT_EXAMPLES)]
pub struct ConnectOptions {
    /// The server: a name or address, and a port
    #[arg(value_name = "HOST:PORT")]
    pub server: String,
    /// The server's public key, 64 hexadecimal digits
    #[arg(long, value_name = "HEX", conflicts_with = "known_hosts")]
    pub key: Option<String>,
    /// File that remembers servers' keys: the first one seen is written down, another one later refused
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Name to appear under [default: your user name]
    #[arg(long)]
    pub name: Option<String>,
    /// Send this file's lines as messages and leave once they are delivered
    #[arg(long, value_name = "FILE")]
    pub send: Option<PathBuf>,
    /// How long to try to connect, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub timeout: u32,
    /// Network conditions to model on this side [default: none]
    #[arg(long, value_name = "PRESET", value_parser = preset_parser())]
    pub net: Option<Preset>,
    /// Where log lines go.
    #[command(flatten)]
    pub logs: LogOptions,
}

const BENCH_EXAMPLES: &str = "\
Starts a second process of this program as the server, on a free port of 127.0.0.1. Everything is encrypted.

Workloads:
  flood-unreliable   64-byte messages as fast as the engine takes them, a window of 4,096
  flood-reliable     the same, reliable and in order: 64 B, 1 KiB and 64 KiB, windows of 4,096, 2,048 and 64
  latency            a reliable 100-byte message 60 times a second, there and back

Examples:
  tme bench
  tme bench --workload latency --seconds 30 --json";

/// Options of `tme bench`.
#[derive(Args, Clone, Debug)]
#[command(after_help = BENCH_EXAMPLES)]
pub struct BenchOptions {
    /// How long each workload runs
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// Which workloads to run; may be repeated [default: all]
    #[arg(long, value_name = "WORKLOAD")]
    pub workload: Vec<WorkloadKind>,
    /// Give both processes a network thread, instead of doing input and output in `update`
    #[arg(long)]
    pub threads: bool,
    /// Print one JSON object at the end; progress goes to standard error
    #[arg(long)]
    pub json: bool,
}

/// What `tme bench` can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WorkloadKind {
    /// Unreliable messages as fast as the engine takes them
    FloodUnreliable,
    /// Reliable messages in order as fast as the engine takes them
    FloodReliable,
    /// A light, regular stream, there and back
    Latency,
}

impl WorkloadKind {
    /// The name on the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FloodUnreliable => "flood-unreliable",
            Self::FloodReliable => "flood-reliable",
            Self::Latency => "latency",
        }
    }
}

/// Options of the server process of `tme bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchServerOptions {
    /// Use a network thread
    #[arg(long)]
    pub threads: bool,
}

const SIM_EXAMPLES: &str = "\
A world is a server and clients on a virtual clock, over links that lose, delay, reorder, repeat and damage
datagrams as its seed says; then the network heals and everything promised must arrive. The same seed gives the
same world, always. A failure names its seed and the command that replays it.

Examples:
  tme sim                                                  20 seeds on every preset
  tme sim --seeds 1000 --net wifi_bad,satellite            1,000 seeds on two presets
  tme sim --seeds 1 --start-seed 42 --net wifi --trace     one world, told line by line";

/// Options of `tme sim`.
#[derive(Args, Clone, Debug)]
#[command(after_help = SIM_EXAMPLES)]
pub struct SimOptions {
    /// Number of seeds; each is run on every preset chosen
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// First seed
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub start_seed: u64,
    /// Presets, separated by commas, or `all`
    #[arg(long, value_name = "PRESETS", default_value = "all", value_delimiter = ',', value_parser = net_parser())]
    pub net: Vec<Net>,
    /// Print everything that happens in the worlds, one after the other
    #[arg(long)]
    pub trace: bool,
    /// Number of worlds to run at a time [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Print one JSON object at the end; progress goes to standard error
    #[arg(long)]
    pub json: bool,
}

/// A preset, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// Every preset.
    All,
    /// This one.
    One(Preset),
}

impl SimOptions {
    /// The presets chosen, each once, from the best network to the slowest.
    #[must_use]
    pub fn presets(&self) -> Vec<Preset> {
        let is_chosen =
            |preset: &Preset| self.net.iter().any(|net| matches!(net, Net::All) || *net == Net::One(*preset));
        Preset::ALL.into_iter().filter(is_chosen).collect()
    }

    /// How many worlds run at a time.
    #[must_use]
    pub fn jobs(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.map_or_else(processors, usize::from)
    }
}

fn net_parser() -> impl TypedValueParser<Value = Net> {
    let names = std::iter::once("all").chain(Preset::ALL.map(Preset::name));
    PossibleValuesParser::new(names).try_map(|name| match name.as_str() {
        "all" => Ok(Net::All),
        name => name.parse().map(Net::One),
    })
}

const KEYGEN_EXAMPLES: &str = "\
Clients recognise a server by its public key. `tme serve --key-file FILE` and a game's server take the file.

Examples:
  tme keygen --out server.key
  tme keygen";

/// Options of `tme keygen`.
#[derive(Args, Clone, Debug)]
#[command(after_help = KEYGEN_EXAMPLES)]
pub struct KeygenOptions {
    /// File to write the secret key to, readable by you only; one that exists is not overwritten. Without it the
    /// secret key is printed
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

const RELAY_EXAMPLES: &str = "\
Clients connect to the relay instead of the server. Everybody's datagrams meet the same conditions, each by chance of
their own that follows from the seed. Commands while it runs: /stats, /rebind, /cut, /heal, /quit.

Examples:
  tme relay 127.0.0.1:7777                                     a free port, and nothing goes wrong
  tme relay 127.0.0.1:7777 --net wifi_bad                      the network of a preset
  tme relay 127.0.0.1:7777 --delay 25 --jitter 5 --loss 5      25 ± 5 ms each way, 5 % loss
  tme relay 127.0.0.1:7777 --rebind 10                         a NAT that gives another port every ten seconds";

/// Options of `tme relay`.
#[derive(Args, Clone, Debug)]
#[command(after_help = RELAY_EXAMPLES)]
pub struct RelayOptions {
    /// The server: a name or address, and a port
    #[arg(value_name = "HOST:PORT")]
    pub server: String,
    /// Where clients connect to; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Conditions to begin with; the other options change them in both directions [default: nothing goes wrong]
    #[arg(long, value_name = "PRESET", value_parser = preset_parser())]
    pub net: Option<Preset>,
    /// Share of the datagrams that is lost, each for itself
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub loss: Option<f64>,
    /// Delay each way, in milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub delay: Option<Duration>,
    /// How far the delay varies up and down, uniformly and from datagram to datagram; at most the delay
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub jitter: Option<Duration>,
    /// Share of the datagrams that arrives twice
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub duplicate: Option<f64>,
    /// Rate in kbit/s, headers counted, with a queue of 100 ms
    #[arg(long, value_name = "KBIT", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub rate: Option<u64>,
    /// Largest packet, headers (28 bytes) included
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(100..=65_535))]
    pub mtu: Option<u32>,
    /// The same seed treats the n-th datagram of the k-th client the same way
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Give every client another address towards the server so often, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub rebind: Option<Duration>,
    /// How long to run [default: until told to end]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: Option<u32>,
    /// Print one JSON object at the end; what it says meanwhile goes to standard error
    #[arg(long)]
    pub json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("not a number from 0 to 100".to_owned()),
    }
}

/// Up to a minute, the longest time that a link takes.
fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(count) if (0.0..=60_000.0).contains(&count) => Ok(Duration::from_secs_f64(count / 1e3)),
        _ => Err("not a number from 0 to 60000".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(count) if (0.01..=86_400.0).contains(&count) => Ok(Duration::from_secs_f64(count)),
        _ => Err("not a number from 0.01 to 86400".to_owned()),
    }
}

fn preset_parser() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::ALL.map(Preset::name)).try_map(|name| name.parse::<Preset>())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
