//! The options of `tme relay`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use tme::Preset;

use crate::arguments::preset_parser;

const EXAMPLES: &str = "\
Clients connect to the relay instead of the server. Everybody's datagrams meet the same conditions, each by chance of
their own that follows from the seed. Commands while it runs: /stats, /rebind, /cut, /heal, /quit.

Examples:
  tme relay 127.0.0.1:7777                                     a free port, and nothing goes wrong
  tme relay 127.0.0.1:7777 --net wifi_bad                      the network of a preset
  tme relay 127.0.0.1:7777 --delay 25 --jitter 5 --loss 5      25 ± 5 ms each way, 5 % loss
  tme relay 127.0.0.1:7777 --rebind 10                         a NAT that gives another port every ten seconds";

/// Options of `tme relay`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
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
