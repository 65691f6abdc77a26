//! W4 and W4-bulk through a real relay: clients, relay and server are processes, over sockets and the system's clock.
//!
//! `cargo run --release -p tme-benches --bin bad_link`
//!
//! A steady stream of 60 reliable-ordered messages of 100 bytes a second at 25 ± 5 ms each way, for several losses, and a
//! bulk transfer of 5 MiB at 25 ms and 1 % loss. The same in simulated time is printed by `cargo test --release -p tme-sim
//! --test latency` and `--test congestion`. Seeds of the steady stream run side by side, a connection each.
#![forbid(unsafe_code)]

mod bulk;
mod child;
mod clock;
mod serve;
mod steady;

use std::error::Error;
use std::net::SocketAddr;

use clap::{Parser, Subcommand};
use tme::Redundancy;

#[derive(Parser)]
#[command(
    about = "Measures what a bad link does to a stream and to a bulk transfer",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Connections of the steady stream, each with a seed of its own.
    #[arg(long, default_value_t = 10)]
    seeds: usize,
    /// How long the steady stream lasts, in seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Bulk transfers.
    #[arg(long, default_value_t = 9)]
    bulks: u64,
}

#[derive(Clone, Subcommand)]
enum Role {
    /// The server of one measurement.
    Serve {
        /// `Auto` or `Off`.
        redundancy: String,
    },
    /// The relay of one measurement.
    Relay {
        server: SocketAddr,
        seed: u64,
        loss: f64,
        /// Of the uniform jitter around 25 ms, in milliseconds.
        jitter: u64,
    },
}

const LOSSES: [f64; 4] = [0.0, 0.01, 0.05, 0.20];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    match &arguments.role {
        Some(Role::Serve { redundancy }) => return serve::run(redundancy_of(redundancy)?),
        Some(Role::Relay { server, seed, loss, jitter }) => {
            return child::relay(*server, *seed, *loss, *jitter);
        }
        None => {}
    }
    println!(
        "W4: 60 × 100 bytes/s, reliable-ordered, 25 ± 5 ms each way, {} × {} s; one-way delay in ms",
        arguments.seeds, arguments.seconds
    );
    println!("copies   loss      p50      p95      p99      max   wire bytes per payload byte");
    for redundancy in [Redundancy::Auto, Redundancy::Off] {
        for loss in LOSSES {
            println!("{}", steady::measure(redundancy, loss, arguments.seeds, arguments.seconds)?);
        }
    }
    println!(
        "W4-bulk: 5 MiB in 16 KiB reliable messages, 25 ms each way, no jitter, 1 % loss, no rate configured"
    );
    println!("{}", bulk::measure(arguments.bulks)?);
    Ok(())
}

fn redundancy_of(text: &str) -> Result<Redundancy, String> {
    match text {
        "Auto" => Ok(Redundancy::Auto),
        "Off" => Ok(Redundancy::Off),
        _ => Err(format!("no such redundancy: {text}")),
    }
}
