//! Chat: everybody reads what everybody types. The first line a client sends is its name.
//!
//! ```console
//! $ cargo run -p tme-examples --bin chat -- server            # prints the line for the other terminals
//! $ cargo run -p tme-examples --bin chat -- client 127.0.0.1:7777 KEY ada
//! ```
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::BufRead;
use std::time::Duration;

use tme::{Channel, Client, Event, PeerId, Server};

const CHAT: u8 = 0;
const WAIT: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server"] => serve("127.0.0.1:7777"),
        ["server", listen] => serve(listen),
        ["client", address, key, name] => join(address, key, name),
        _ => Err("usage: chat server [ADDRESS:PORT] | chat client ADDRESS:PORT KEY NAME".into()),
    }
}

fn serve(listen: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut server = Server::builder().channel(Channel::reliable_ordered("chat")).listen(listen).start()?;
    println!("chat client {} {} NAME", server.local_addr(), server.public_key());
    let mut names: HashMap<PeerId, String> = HashMap::new();
    loop {
        server.update(WAIT)?;
        for event in server.events() {
            let line = match event {
                Event::Message { peer, payload, .. } => {
                    let text = text(&payload);
                    match names.get(&peer) {
                        Some(name) => format!("{name}: {text}"),
                        None => {
                            names.insert(peer, text.clone());
                            format!("* {text} is here")
                        }
                    }
                }
                Event::Disconnected { peer, reason } => match names.remove(&peer) {
                    Some(name) => format!("* {name} has left: {reason}"),
                    None => continue,
                },
                _ => continue,
            };
            println!("{line}");
            let outcome = server.broadcast(CHAT, &line)?;
            if outcome.would_block > 0 {
                println!("* {} cannot keep up and missed this", outcome.would_block);
            }
        }
    }
}

fn join(address: &str, key: &str, name: &str) -> Result<(), Box<dyn std::error::Error>> {
    // With a network thread the connection lives while this thread waits for lines; sending works from any thread.
    let mut client = Client::builder()
        .channel(Channel::reliable_ordered("chat"))
        .connect(address)
        .server_key(key.parse()?)
        .start_threaded()?;
    let handle = client.handle();
    loop {
        client.update(WAIT)?;
        for event in client.events() {
            match event {
                Event::Connected { .. } => {
                    handle.send(CHAT, name)?;
                    let handle = handle.clone();
                    std::thread::spawn(move || {
                        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                            if let Err(error) = handle.send(CHAT, &line) {
                                eprintln!("not sent: {error}");
                            }
                        }
                        handle.disconnect(0, "end of input");
                    });
                }
                Event::Message { payload, .. } => println!("{}", text(&payload)),
                Event::Disconnected { reason, .. } => {
                    println!("* {reason}");
                    return Ok(());
                }
                _ => {}
            }
        }
    }
}

/// What somebody typed, without characters that would play with other people's terminals.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).collect()
}
