//! What network threads do for a server: inline, with one and with several, side by side.
//!
//! `cargo run --release -p tme-benches --bin threads -- --clients 100`
//!
//! Players send messages of 64 bytes and the server sends each one back. *Paced*, every player sends 60 times a second: what a
//! message costs and how long it is under way. *Flooded*, every player keeps 16 messages in the air: how many a server can take.
//! Server and players are processes of their own on this machine, which have to share its processors: with few of them a flood
//! says little about a server that has a machine to itself. The drives take turns, so that what the machine does
//! meanwhile meets all; medians are printed, with the range.
#![forbid(unsafe_code)]

mod players;
mod server;

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use clap::{Parser, Subcommand};

/// Compares a server inline, with one network thread and with several.
#[derive(Parser)]
#[command(disable_help_subcommand = true)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// Players.
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// Processes that the players are spread over.
    #[arg(long, default_value_t = 1)]
    processes: usize,
    /// Network threads of the last server.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Runs of each kind.
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// How long each lasts, in seconds.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

#[derive(Subcommand)]
enum Role {
    /// The server of one run; 0 threads: inline.
    #[command(hide = true)]
    Serve { threads: usize },
    /// The players of one run; a rate of 0 is a flood.
    #[command(hide = true)]
    Play { address: String, key: String, clients: usize, hz: u32, seconds: f64 },
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    match &options.role {
        Some(Role::Serve { threads }) => server::run(*threads),
        Some(Role::Play { address, key, clients, hz, seconds }) => {
            players::run(address, key, *clients, *hz, *seconds)
        }
        None => compare(&options),
    }
}

/// What a run came to.
struct Outcome {
    /// Messages that came back, per second.
    rate: f64,
    p50_us: f64,
    p99_us: f64,
    /// Processor time of the server for each.
    cost_us: f64,
}

fn compare(options: &Options) -> Result<(), Box<dyn Error>> {
    let processors = available_parallelism().map_or(0, usize::from);
    println!(
        "64-byte messages to the server and back: {} players in {} process(es), {} runs of {} s each, {processors} processors \
         for everybody",
        options.clients, options.processes, options.runs, options.seconds
    );
    let drives = [0, 1, options.threads];
    for (load, hz) in [("paced, 60 Hz", 60), ("flooded, 16 in the air", 0)] {
        println!("{load}");
        let mut outcomes: Vec<Vec<Outcome>> = drives.iter().map(|_| Vec::new()).collect();
        for run in 0..options.runs {
            for step in 0..drives.len() {
                let index = (run + step) % drives.len();
                outcomes[index].push(one_run(options, drives[index], hz)?);
            }
        }
        for (threads, outcomes) in drives.iter().zip(&outcomes) {
            let name = match threads {
                0 => "inline".to_owned(),
                1 => "1 thread".to_owned(),
                threads => format!("{threads} threads"),
            };
            println!(
                "  {name:10} {}   p50 {}   p99 {}   server's processor time {}",
                median(outcomes, "messages/s", 0, |one| one.rate),
                median(outcomes, "µs", 0, |one| one.p50_us),
                median(outcomes, "µs", 0, |one| one.p99_us),
                median(outcomes, "µs a message", 2, |one| one.cost_us),
            );
        }
    }
    Ok(())
}

fn median(outcomes: &[Outcome], unit: &str, digits: usize, of: impl Fn(&Outcome) -> f64) -> String {
    let mut values: Vec<f64> = outcomes.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let [low, median, high] = [0, values.len() / 2, values.len() - 1].map(|index| values[index]);
    format!("{median:.digits$} {unit} ({low:.digits$}–{high:.digits$})")
}

fn one_run(options: &Options, threads: usize, hz: u32) -> Result<Outcome, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let mut server = Command::new(&program)
        .args(["serve", &threads.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(server.stdout.take().ok_or("the server has no output")?);
    let mut hello = String::new();
    lines.read_line(&mut hello)?;
    let (address, key) = hello.trim().split_once(' ').ok_or("the server did not say where it is")?;
    let each = options.clients.div_ceil(options.processes.max(1));
    let mut players = Vec::new();
    for _ in 0..options.processes.max(1) {
        let numbers = [each.to_string(), hz.to_string(), options.seconds.to_string()];
        let player = Command::new(&program)
            .args(["play", address, key])
            .args(numbers)
            .stdout(Stdio::piped())
            .spawn()?;
        players.push(player);
    }
    let (mut rate, mut p50_us, mut p99_us) = (0.0, 0.0f64, 0.0f64);
    for player in players {
        let output = player.wait_with_output()?;
        let [its_rate, its_p50, its_p99] = numbers(std::str::from_utf8(&output.stdout)?)?;
        rate += its_rate;
        (p50_us, p99_us) = (p50_us.max(its_p50), p99_us.max(its_p99));
    }
    // The end of its input is the end of the server.
    drop(server.stdin.take());
    let mut report = String::new();
    lines.read_to_string(&mut report)?;
    server.wait()?;
    let [messages, cpu_us] = numbers(&report)?;
    Ok(Outcome { rate, p50_us, p99_us, cost_us: cpu_us / messages.max(1.0) })
}

/// What a process reports: so many numbers.
fn numbers<const N: usize>(text: &str) -> Result<[f64; N], Box<dyn Error>> {
    let numbers: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
    let numbers: Option<[f64; N]> = numbers?.try_into().ok();
    numbers.ok_or_else(|| format!("{text:?} is no report").into())
}
