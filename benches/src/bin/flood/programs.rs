//! The Rust half; `benches/c/flood.c` is the other, line by line the same.

use std::io::Write;
use std::time::{Duration, Instant};

use tme::{Client, Event, SendError, Server};

const BATCH: usize = 64;
const MESSAGE_BYTES: usize = 64;

type Failure = Box<dyn std::error::Error>;

/// Prints "port key", counts until the client leaves, prints "messages microseconds".
pub fn serve() -> Result<(), Failure> {
    let mut server = Server::builder().listen("127.0.0.1:0").start()?;
    println!("{} {}", server.local_addr().port(), server.public_key());
    std::io::stdout().flush()?;
    let (mut messages, mut first_at, mut last_at) = (0u64, None, Instant::now());
    loop {
        server.update(Duration::from_millis(50))?;
        let before = messages;
        for event in server.events() {
            match event {
                Event::Message { .. } => messages += 1,
                Event::Disconnected { .. } => {
                    let span = last_at.saturating_duration_since(first_at.unwrap_or(last_at));
                    println!("{messages} {}", span.as_micros());
                    return Ok(());
                }
                _ => {}
            }
        }
        if messages > before {
            last_at = Instant::now();
            first_at.get_or_insert(last_at);
        }
    }
}

/// Floods messages and prints how many were taken.
pub fn send(port: u16, key: &str, seconds: f64, channel: u8) -> Result<(), Failure> {
    let mut client =
        Client::builder().connect(format!("127.0.0.1:{port}")).server_key(key.parse()?).start()?;
    while !client.is_connected() {
        turn(&mut client, Duration::from_millis(5))?;
    }
    let message = [0xA5; MESSAGE_BYTES];
    let mut sent = 0u64;
    let end_at = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end_at {
        let mut is_full = false;
        for _ in 0..BATCH {
            match client.send(channel, &message) {
                Ok(()) => sent += 1,
                Err(SendError::WouldBlock { .. }) => {
                    is_full = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        turn(&mut client, Duration::from_millis(if is_full { 5 } else { 0 }))?;
    }
    client.close(Duration::from_secs(2));
    println!("{sent}");
    Ok(())
}

/// Lets the engine work and takes what has come.
fn turn(client: &mut Client, timeout: Duration) -> Result<(), Failure> {
    client.update(timeout)?;
    for event in client.events() {
        if let Event::Disconnected { reason, .. } = event {
            return Err(reason.to_string().into());
        }
    }
    Ok(())
}
