//! Links: one server that is reached by UDP and by TCP, and clients that say by which of them they came.
//!
//! ```console
//! $ cargo run -p tme-examples --bin links
//! ```
//!
//! A game does no more than `listen_tcp`: clients try UDP first, take TCP where nothing answers for a second, and go back to
//! UDP when that comes alive. Here one client is told to use TCP alone, to show that nothing else is different.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use tme::{Client, Event, LinkChoice, Server};

const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut server = Server::builder().listen("127.0.0.1:0").listen_tcp().start()?;
    let (udp, tcp) = (server.local_addr(), server.tcp_addr().ok_or("no TCP")?);
    println!("UDP and TCP at one port: {}", udp.port() == tcp.port());

    for choice in [LinkChoice::Any, LinkChoice::Tcp] {
        let mut client = Client::builder()
            .connect(udp.to_string())
            .server_key(server.public_key())
            .links(choice)
            .start()?;
        let began = Instant::now();
        let mut answer = None;
        while answer.is_none() {
            if began.elapsed() > PATIENCE {
                return Err("no answer".into());
            }
            server.update(Duration::from_millis(1))?;
            for event in server.events() {
                // Where a peer is and by which link it came may change in mid-game; `peer` knows the present ones.
                if let Event::Message { peer, channel, .. } = event
                    && let Some(info) = server.peer(peer)
                {
                    server.send(peer, channel, format!("you came over {}", info.link))?;
                }
            }
            client.update(Duration::from_millis(1))?;
            for event in client.events() {
                match event {
                    Event::Connected { .. } => client.send(0, "which way did I come?")?,
                    Event::Message { payload, .. } => {
                        answer = Some(String::from_utf8_lossy(&payload).into_owned());
                    }
                    Event::LinkChanged { link, .. } => println!("going on over {link}"),
                    Event::Disconnected { reason, .. } => return Err(reason.to_string().into()),
                    _ => {}
                }
            }
        }
        let link = client.link().ok_or("not connected")?;
        println!("{choice:?}: connected over {link}; the server says: {}", answer.unwrap_or_default());
    }
    let streams = server.statistics().streams;
    println!("streams accepted: {}", streams.accepted);
    Ok(())
}
