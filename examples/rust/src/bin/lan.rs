//! LAN: a server that players in the same room find without anybody typing an address.
//!
//! ```console
//! $ cargo run -p tme-examples --bin lan -- serve "Bob's room"     on one machine
//! $ cargo run -p tme-examples --bin lan                           on another one, or on the same
//! ```
//!
//! `lan -- alone` plays both on this machine, and nothing leaves it.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use tme::discovery::{Discovery, DiscoveryConfig, FoundServer, discover};
use tme::{Client, Event, Server, Trust};

const GAME: &str = "tme example lan";
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => serve(arguments.get(1).map_or("A room", String::as_str)),
        Some("alone") => alone(),
        Some(other) => Err(format!("{other:?} is nothing this example does").into()),
        None => {
            let found = discover(DiscoveryConfig::of(GAME), Duration::from_secs(2))?;
            let server = found.first().ok_or("nobody is there; open a room with `lan -- serve NAME`")?;
            join(server, || Ok(()))
        }
    }
}

fn serve(name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut server = host(name, "0.0.0.0:7777")?;
    println!("{name} is open; end it with Ctrl-C");
    loop {
        greet(&mut server)?;
    }
}

/// Server and player in one program, which both do their part once a frame.
fn alone() -> Result<(), Box<dyn std::error::Error>> {
    let mut server = host("My own room", "127.0.0.1:0")?;
    let mut discovery = Discovery::start(DiscoveryConfig::of(GAME).this_machine())?;
    let own = server.local_addr();
    let began = Instant::now();
    loop {
        if began.elapsed() > PATIENCE {
            return Err("not even this machine's own server is found".into());
        }
        greet(&mut server)?;
        discovery.update(Duration::ZERO)?;
        let found = discovery.servers().find(|found| found.address() == own).cloned();
        if let Some(found) = found {
            return join(&found, || greet(&mut server));
        }
    }
}

/// A server under this name.
fn host(name: &str, listen: &str) -> Result<Server, tme::Error> {
    Server::builder().application(GAME).listen(listen).discoverable(name).start()
}

fn greet(server: &mut Server) -> Result<(), Box<dyn std::error::Error>> {
    server.update(Duration::from_millis(1))?;
    for event in server.events() {
        if let Event::Connected { peer, .. } = event {
            server.send(peer, 0, "welcome")?;
        }
    }
    Ok(())
}

/// Joins a server that was found, and waits for its welcome.
fn join(
    found: &FoundServer,
    mut meanwhile: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "{} at {}: {} of {} players",
        found.name,
        found.address(),
        found.info.peers,
        found.info.peers_max
    );
    // What was found is not proven to be anybody: a game keeps the keys it has seen (`Trust::KnownHosts`), and friends in one room
    // may do without.
    let mut client = Client::builder()
        .application(GAME)
        .connect(found.address().to_string())
        .trust(Trust::Unverified)
        .start()?;
    let began = Instant::now();
    loop {
        if began.elapsed() > PATIENCE {
            return Err("no welcome came".into());
        }
        meanwhile()?;
        client.update(Duration::from_millis(1))?;
        for event in client.events() {
            match event {
                Event::Message { payload, .. } => {
                    println!("the server says: {}", String::from_utf8_lossy(&payload));
                    return Ok(());
                }
                Event::Disconnected { reason, .. } => return Err(reason.to_string().into()),
                _ => {}
            }
        }
    }
}
