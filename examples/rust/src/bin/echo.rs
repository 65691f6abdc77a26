//! Echo: a server that sends back whatever it gets, and a client that says one thing and goes.
//!
//! ```console
//! $ cargo run -p tme-examples --bin echo -- server            # prints the line for the other terminal
//! $ cargo run -p tme-examples --bin echo -- client 127.0.0.1:7777 KEY hello
//! ```
#![forbid(unsafe_code)]

use std::time::Duration;

use tme::{Client, Event, Server};

const WAIT: Duration = Duration::from_millis(5);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server"] => serve("127.0.0.1:7777"),
        ["server", listen] => serve(listen),
        ["client", address, key, text] => say(address, key, text),
        _ => Err("usage: echo server [ADDRESS:PORT] | echo client ADDRESS:PORT KEY TEXT".into()),
    }
}

fn serve(listen: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut server = Server::builder().listen(listen).start()?;
    println!("echo client {} {} hello", server.local_addr(), server.public_key());
    loop {
        server.update(WAIT)?;
        for event in server.events() {
            match event {
                Event::Connected { peer, info } => println!("{peer} came from {}", info.remote),
                // The payload goes back as it came, without a copy. A peer may be gone by now, or take nothing.
                Event::Message { peer, channel, payload, .. } => {
                    if let Err(error) = server.send(peer, channel, payload) {
                        println!("no echo for {peer}: {error}");
                    }
                }
                Event::Disconnected { peer, reason } => println!("{peer} left: {reason}"),
                _ => {}
            }
        }
    }
}

fn say(address: &str, key: &str, text: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut client = Client::builder().connect(address).server_key(key.parse()?).start()?;
    loop {
        client.update(WAIT)?;
        for event in client.events() {
            match event {
                Event::Connected { .. } => client.send(0, text)?,
                Event::Message { payload, .. } => {
                    println!("{}", String::from_utf8_lossy(&payload));
                    client.close(Duration::from_secs(1));
                    return Ok(());
                }
                Event::Disconnected { reason, .. } => return Err(reason.to_string().into()),
                _ => {}
            }
        }
    }
}
