//! The command line.

use std::net::SocketAddr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use tme::Preset;

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
