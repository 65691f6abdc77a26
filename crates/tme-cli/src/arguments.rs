//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tme::discovery::DISCOVERY_PORT;
use tme::{Browsers, LinkChoice, LinkKind, Preset, ProxyHeader};

use crate::logs::LogOptions;
use crate::relay::RelayOptions;

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
    /// Asks servers what they are, without connecting
    Query(QueryOptions),
    /// Lists the servers on this network
    Discover(DiscoverOptions),
    /// Measures throughput and latency between two processes
    Bench(BenchOptions),
    /// Runs simulated worlds and checks that every promise is kept
    Sim(SimOptions),
    /// Makes a server's key
    Keygen(KeygenOptions),
    /// Makes and shows connect tokens, by which a backend tells servers who may connect
    #[command(subcommand)]
    Token(TokenCommand),
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
  tme demo --link tcp                      the same over TCP, where nothing is lost and everything may wait
  tme demo --bots 1000 --threads --json    1,000 bots, network threads, one JSON object at the end
  tme demo --watch --seconds 600           for ten minutes, and web pages may watch

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
    /// What carries the bots' connections; network conditions are modelled on UDP only
    #[arg(long, value_name = "LINK", value_enum, default_value_t = DemoLink::Udp)]
    pub link: DemoLink,
    /// Give the server and every bot a network thread, instead of doing input and output in `update`
    #[arg(long)]
    pub threads: bool,
    /// Network threads of the server, 1 to 64; several take effect on Linux [default: 1 with --threads, else none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub network_threads: Option<u32>,
    /// Port of the server on 127.0.0.1; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Let web pages of this machine watch the bots (bindings/web/example), by WebSocket at the same port
    #[arg(long)]
    pub watch: bool,
    /// Print one JSON object at the end; progress goes to standard error
    #[arg(long)]
    pub json: bool,
}

impl DemoOptions {
    /// Network threads of the server; 0: it does its input and output in `update`.
    #[must_use]
    pub fn server_threads(&self) -> u32 {
        self.network_threads.unwrap_or(u32::from(self.threads))
    }

    /// Where the server listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

/// What carries the connections of `tme demo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoLink {
    /// Datagrams
    Udp,
    /// Streams
    Tcp,
    /// Streams as the web uses them
    Websocket,
}

impl DemoLink {
    /// What a bot asks for.
    #[must_use]
    pub const fn choice(self) -> LinkChoice {
        match self {
            Self::Udp => LinkChoice::Udp,
            Self::Tcp => LinkChoice::Tcp,
            Self::Websocket => LinkChoice::WebSocket,
        }
    }

    /// What it gets.
    #[must_use]
    pub const fn kind(self) -> LinkKind {
        match self {
            Self::Udp => LinkKind::Udp,
            Self::Tcp => LinkKind::Tcp,
            Self::Websocket => LinkKind::WebSocket,
        }
    }
}

/// By what `tme connect` may reach its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Link {
    /// UDP; where that does not get through, TCP or a WebSocket, until UDP does
    Any,
    /// UDP only
    Udp,
    /// TCP only
    Tcp,
    /// WebSockets over TCP only
    Websocket,
}

impl Link {
    /// As the library calls it.
    #[must_use]
    pub const fn choice(self) -> LinkChoice {
        match self {
            Self::Any => LinkChoice::Any,
            Self::Udp => LinkChoice::Udp,
            Self::Tcp => LinkChoice::Tcp,
            Self::Websocket => LinkChoice::WebSocket,
        }
    }
}

/// From where browsers may connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BrowserPlaces {
    /// No browser may
    Never,
    /// This machine
    #[default]
    Loopback,
    /// Anywhere: what they say can be read and changed on the way
    Anywhere,
}

impl BrowserPlaces {
    /// As the library calls it.
    #[must_use]
    pub const fn browsers(self) -> Browsers {
        match self {
            Self::Never => Browsers::Never,
            Self::Loopback => Browsers::Loopback,
            Self::Anywhere => Browsers::Anywhere,
        }
    }
}

const SERVE_EXAMPLES: &str = "\
Commands while it runs: /list, /kick N [WHY], /stats, /help, /quit; anything else is said to everybody.
Without standard input it runs until it is told to end (Ctrl-C, SIGTERM).

Examples:
  tme serve                                       port 7777 on all interfaces, a new key every time
  tme serve --key-file server.key                 the same key every time, made the first time
  tme serve --discoverable \"Bob's room\"           found by `tme discover` on the same network
  tme serve --tcp                                 TCP at the same port, too, for those whose network lets no UDP through
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
    /// Listen for TCP, too, at the same address and port number
    #[arg(long)]
    pub tcp: bool,
    /// Listen for TCP, too, at an address and port of its own
    #[arg(long, value_name = "ADDRESS", conflicts_with = "tcp")]
    pub tcp_listen: Option<String>,
    /// From where browsers may connect, which needs TCP
    #[arg(long, value_enum, value_name = "WHERE", default_value_t)]
    pub browsers: BrowserPlaces,
    /// PEM file with a certificate chain, to speak TLS on the TCP port, too
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_chain: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_chain")]
    pub tls_key: Option<PathBuf>,
    /// Proxies to believe about whom they speak for, and how they say it: `10.0.0.0/8=proxy-protocol` or
    /// `127.0.0.1=x-forwarded-for`; needs TCP, may be repeated
    #[arg(long, value_name = "NETWORK=HOW", value_parser = trusted_proxy)]
    pub trusted_proxy: Vec<TrustedProxy>,
    /// File with the server's secret key; made, readable by you only, if there is none
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// File with a key for connect tokens, as `tme token new-key` writes it; may be repeated
    #[arg(long, value_name = "FILE")]
    pub token_key: Vec<PathBuf>,
    /// Admit only clients with a connect token
    #[arg(long, requires = "token_key")]
    pub require_token: bool,
    /// What this server is called in tokens for it alone
    #[arg(long, value_name = "NAME", requires = "token_key")]
    pub server_name: Option<String>,
    /// Let those find this server who look for servers on the same network, under this name
    #[arg(long, value_name = "NAME")]
    pub discoverable: Option<String>,
    /// UDP port at which they ask; all servers on a machine share it
    #[arg(long, value_name = "PORT", default_value_t = DISCOVERY_PORT, requires = "discoverable")]
    pub discovery_port: u16,
    /// How many clients there can be at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=524_287))]
    pub max_peers: u32,
    /// How long clients may take to get what is queued, and to hear of the end, when the server stops
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub drain: u32,
    /// Network threads, 1 to 64; several take effect on Linux [default: none, the program's own thread does it all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub network_threads: Option<u32>,
    /// Network conditions to model towards every client that comes by UDP [default: none]
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

/// A network of proxies, and how they say for whom they speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxy {
    /// Left for the engine to complain about.
    pub network: String,
    /// How they say it.
    pub header: ProxyHeader,
}

fn trusted_proxy(text: &str) -> Result<TrustedProxy, String> {
    let (network, how) = text.split_once('=').unwrap_or((text, ""));
    let header = how.parse().map_err(|error| format!("{error} behind a network and ="))?;
    Ok(TrustedProxy { network: network.to_owned(), header })
}

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
    /// Connect token, as `tme token make` prints it
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub token: Option<String>,
    /// File with a connect token, where other users of this machine cannot see it
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Name to appear under [default: your user name]
    #[arg(long)]
    pub name: Option<String>,
    /// Send this file's lines as messages and leave once they are delivered
    #[arg(long, value_name = "FILE")]
    pub send: Option<PathBuf>,
    /// How long to try to connect, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub timeout: u32,
    /// By what the server may be reached
    #[arg(long, value_name = "LINK", value_enum, default_value_t = Link::Any)]
    pub link: Link,
    /// Put TLS around TCP and WebSockets; the certificate must be of an authority that this system trusts
    #[arg(long)]
    pub tls: bool,
    /// As --tls, but the certificate must be of an authority in this PEM file
    #[arg(long, value_name = "FILE", conflicts_with = "tls")]
    pub tls_authorities: Option<PathBuf>,
    /// Name that the certificate must be for [default: the server's host]
    #[arg(long, value_name = "NAME")]
    pub tls_name: Option<String>,
    /// Network conditions to model on this side, for what goes by UDP [default: none]
    #[arg(long, value_name = "PRESET", value_parser = preset_parser())]
    pub net: Option<Preset>,
    /// Where log lines go.
    #[command(flatten)]
    pub logs: LogOptions,
}

const QUERY_EXAMPLES: &str = "\
What a server says here is not authenticated. Servers limit how many queries they answer.

Examples:
  tme query game.example:7777
  tme query 192.0.2.1:7777 192.0.2.2:7777 [2001:db8::1]:7777 --json";

/// Options of `tme query`.
#[derive(Args, Clone, Debug)]
#[command(after_help = QUERY_EXAMPLES)]
pub struct QueryOptions {
    /// The servers: each a name or address, and a port
    #[arg(value_name = "HOST:PORT", required = true)]
    pub servers: Vec<String>,
    /// How long each has to answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub timeout: u32,
    /// Print one JSON object for each
    #[arg(long)]
    pub json: bool,
}

const DISCOVER_EXAMPLES: &str = "\
Asks by broadcast and multicast on every network this machine is in; no router passes it on. What a server says
here is not authenticated. Servers are found if they want to be: `tme serve --discoverable NAME`.

Examples:
  tme discover                                      servers of all games
  tme discover --application \"tme chat\" --seconds 5   those of `tme serve`, for longer
  tme discover --json                               one JSON object a line for each";

/// Options of `tme discover`.
#[derive(Args, Clone, Debug)]
#[command(after_help = DISCOVER_EXAMPLES)]
pub struct DiscoverOptions {
    /// Only servers of this game, by the name it gives its servers [default: all]
    #[arg(long, value_name = "NAME")]
    pub application: Option<String>,
    /// How long to look, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// UDP port at which servers are asked
    #[arg(long, value_name = "PORT", default_value_t = DISCOVERY_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Look on this machine alone; nothing leaves it
    #[arg(long)]
    pub this_machine: bool,
    /// Print one JSON object for each
    #[arg(long)]
    pub json: bool,
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

const TOKEN_NEW_KEY_EXAMPLES: &str = "\
The backend that signs players in and the game's servers share the key; it belongs nowhere else. A server may have
several: to replace a key, give the servers the new one, then the backend, then take the old one from the servers.

Examples:
  tme token new-key --out token.key
  tme serve --token-key token.key --require-token";

const TOKEN_MAKE_EXAMPLES: &str = "\
Prints the token. It admits its player once, to any server that has the key unless it is made for one.

Examples:
  tme token make --key-file token.key --user 42
  tme token make --key-file token.key --user alice --data role=admin --lifetime 60 --server-name eu-1
  tme connect game.example:7777 --token $(tme token make --key-file token.key --user 42)";

const TOKEN_SHOW_EXAMPLES: &str = "\
Without the key only what stands in clear is shown: which key has sealed the token, and where it leads.

Examples:
  tme token show AXkN...
  tme token make --key-file token.key --user 42 | tme token show - --key-file token.key";

/// What `tme token` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Makes a token key
    NewKey(TokenNewKeyOptions),
    /// Makes a token
    Make(TokenMakeOptions),
    /// Shows what a token says
    Show(TokenShowOptions),
}

/// Options of `tme token new-key`.
#[derive(Args, Clone, Debug)]
#[command(after_help = TOKEN_NEW_KEY_EXAMPLES)]
pub struct TokenNewKeyOptions {
    /// File to write the key to, readable by you only; one that exists is not overwritten. Without it the key is printed
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Options of `tme token make`.
#[derive(Args, Clone, Debug)]
#[command(after_help = TOKEN_MAKE_EXAMPLES)]
pub struct TokenMakeOptions {
    /// File with the token key
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// Who the player is: a number, or up to 64 bytes of text
    #[arg(long, value_name = "ID")]
    pub user: String,
    /// Up to 256 bytes for the server's game
    #[arg(long, value_name = "TEXT")]
    pub data: Option<String>,
    /// How long the token is valid, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub lifetime: u32,
    /// Only the server of this name may take it
    #[arg(long, value_name = "NAME", conflicts_with = "server_key")]
    pub server_name: Option<String>,
    /// Only the server with this public key may take it
    #[arg(long, value_name = "HEX")]
    pub server_key: Option<String>,
    /// Address of a server, for the client; may be repeated, up to eight times
    #[arg(long, value_name = "ADDRESS")]
    pub hint: Vec<SocketAddr>,
}

/// Options of `tme token show`.
#[derive(Args, Clone, Debug)]
#[command(after_help = TOKEN_SHOW_EXAMPLES)]
pub struct TokenShowOptions {
    /// The token; `-` reads it from standard input
    #[arg(value_name = "TOKEN")]
    pub token: String,
    /// File with the token key, to show what is sealed as well
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn preset_parser() -> impl TypedValueParser<Value = Preset> {
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
