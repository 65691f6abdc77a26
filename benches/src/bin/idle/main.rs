//! What a thousand clients cost a server that only keeps their connections alive.
//!
//! `cargo run --release -p tme-benches --bin idle -- --clients 1000 --seconds 20`
//!
//! The server runs here, the clients in a process of their own, each with a socket of its own. What is printed is the
//! processor time of the server's network thread, as the kernel accounts it (Linux only).
#![forbid(unsafe_code)]

mod clients;
mod usage;

use std::error::Error;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use tme::{Event, LinkStats, Server};
use usage::Usage;

#[derive(Parser)]
#[command(about = "Measures what idle clients cost a server", disable_help_subcommand = true)]
struct Arguments {
    /// How many clients connect.
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// How long to measure, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Be the clients of the server at this address until standard input ends.
    #[arg(long, hide = true)]
    connect: Option<SocketAddr>,
}

/// Time for a keep-alive of every client before measuring begins.
const SETTLING: Duration = Duration::from_secs(7);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    match arguments.connect {
        Some(server) => clients::run(server, arguments.clients),
        None => measure(arguments.clients, Duration::from_secs(arguments.seconds)),
    }
}

fn measure(clients: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let alone = usage::resident_bytes()
        .map_err(|error| format!("processor time is read from /proc, which only Linux has: {error}"))?;
    let mut server = Server::builder().listen("127.0.0.1:0").max_peers(clients).start_threaded()?;
    let mut crowd = Crowd::start(server.local_addr(), clients)?;
    let start = Instant::now();
    let mut connected = 0;
    while connected < clients {
        if start.elapsed() > CONNECT_TIME_MAX {
            return Err(format!("only {connected} of {clients} clients connected").into());
        }
        server.update(Duration::from_millis(100))?;
        connected += server.events().filter(|event| matches!(event, Event::Connected { .. })).count();
    }
    println!("{clients} clients connected in {:.1} s", start.elapsed().as_secs_f64());
    wait(&mut server, SETTLING)?;

    let (begin, before, links_before) = (Instant::now(), Usage::now()?, server.statistics().link);
    wait(&mut server, time)?;
    let (elapsed, after, links) = (begin.elapsed(), Usage::now()?, server.statistics().link);
    let peers = server.peers().len();
    crowd.end();
    if peers < clients {
        return Err(format!("only {peers} of {clients} clients are left").into());
    }
    let memory = usage::resident_bytes()?.saturating_sub(alone);
    print(elapsed, &before, &after, &links_before, &links);
    println!(
        "memory           {:.1} KiB per client, buffers of the server included",
        memory as f64 / 1_024.0 / clients as f64
    );
    Ok(())
}

/// Takes events as a game would that has nothing else to do.
fn wait(server: &mut Server, time: Duration) -> Result<(), Box<dyn Error>> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        server.update(left)?;
        for event in server.events() {
            if let Event::Disconnected { peer, reason } = event {
                println!("{peer} left: {reason}");
            }
        }
    }
}

fn print(elapsed: Duration, before: &Usage, after: &Usage, links_before: &LinkStats, links: &LinkStats) {
    let seconds = elapsed.as_secs_f64();
    let percent = |time: Duration| 100.0 * time.as_secs_f64() / seconds;
    let network = after.network_thread.saturating_sub(before.network_thread);
    let process = after.process.saturating_sub(before.process);
    let per_second = |after: u64, before: u64| (after - before) as f64 / seconds;
    let datagrams = per_second(links.datagrams_in, links_before.datagrams_in);
    let wakes = after.network_switches - before.network_switches;
    println!("measured for     {seconds:.1} s");
    println!("network thread   {:.2} % of a core", percent(network));
    println!("whole process    {:.2} % of a core", percent(process));
    println!(
        "datagrams        {datagrams:.0}/s in, {:.0}/s out",
        per_second(links.datagrams_out, links_before.datagrams_out)
    );
    println!("time slices      {:.0}/s", wakes as f64 / seconds);
    if datagrams > 0.0 {
        println!("a keep-alive     {:.1} us", network.as_secs_f64() * 1e6 / seconds / datagrams);
    }
}

/// The process of the clients; ends with its standard input.
struct Crowd(Child);

impl Crowd {
    fn start(server: SocketAddr, clients: usize) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--clients", &clients.to_string(), "--connect", &server.to_string()]);
        Ok(Self(command.stdin(Stdio::piped()).spawn()?))
    }

    fn end(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.end();
    }
}
