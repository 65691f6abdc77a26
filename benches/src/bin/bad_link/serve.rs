//! The receiving process: takes the time of every message.

use std::error::Error;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use tme::{Channel, Event, Redundancy, Server};

use crate::{child, clock};

/// The table of both sides.
pub fn channels(redundancy: Redundancy) -> [Channel; 2] {
    [Channel::reliable_ordered("stream").redundancy(redundancy), Channel::reliable_ordered("bulk")]
}

/// Serves until standard input ends; answers every line with the one-way delays since the last, in microseconds and in
/// one line, or with the time at which the last message came if the line is `last`.
pub fn run(redundancy: Redundancy) -> Result<(), Box<dyn Error>> {
    let mut server = Server::builder()
        .channels(channels(redundancy))
        .listen("127.0.0.1:0")
        .max_peers(64)
        .start_threaded()?;
    println!("{} {}", server.local_addr(), server.public_key());
    let handle = server.handle();
    let questions = child::questions(move || handle.wake());
    let mut delays = Vec::new();
    let mut last = 0;
    loop {
        server.update(Duration::from_secs(1))?;
        let now = clock::micros();
        for event in server.events() {
            if let Event::Message { payload, .. } = event
                && let Some(sent) = payload.first_chunk::<8>()
            {
                delays.push(now.saturating_sub(u64::from_le_bytes(*sent)));
                last = now;
            }
        }
        match questions.try_recv() {
            Ok(question) if question == "last" => println!("{} {last}", delays.len()),
            Ok(_) => {
                let words: Vec<_> = delays.drain(..).map(|delay| delay.to_string()).collect();
                println!("{}", words.join(" "));
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
    }
}
