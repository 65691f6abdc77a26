//! W4-bulk: five mebibytes as fast as the connection finds right.

use std::error::Error;
use std::time::{Duration, Instant};

use tme::{ChannelId, Client, Redundancy, SendError};

use crate::child::Process;
use crate::{clock, serve};

const MESSAGE_BYTES: usize = 16 << 10;
const MESSAGES: usize = (5 << 20) / MESSAGE_BYTES;
const PATIENCE: Duration = Duration::from_secs(120);

/// The transfers, one after the other, each with a seed of its own.
pub fn measure(runs: u64) -> Result<String, Box<dyn Error>> {
    let mut seconds = (1..=runs).map(transfer).collect::<Result<Vec<_>, _>>()?;
    seconds.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (seconds.first(), seconds.last()) else {
        return Ok("no runs".to_owned());
    };
    Ok(format!("{runs} runs: median {:.2} s ({least:.2}–{most:.2})", seconds[seconds.len() / 2]))
}

/// Seconds from the first send to the last message at the other side.
fn transfer(seed: u64) -> Result<f64, Box<dyn Error>> {
    let (mut server, hello) = Process::start(&["serve", "Auto"].map(str::to_owned))?;
    let (address, key) = hello.split_once(' ').ok_or("the server said no key")?;
    let arguments = ["relay", address, &seed.to_string(), "0.01", "0"].map(str::to_owned);
    let (_relay, address) = Process::start(&arguments)?;
    let builder = Client::builder().channels(serve::channels(Redundancy::Auto)).connect(&*address);
    let mut client = builder.server_key(key.parse()?).start_threaded()?;
    let start = Instant::now();
    let mut first = None;
    let mut sent = 0;
    loop {
        if start.elapsed() > PATIENCE {
            return Err("a bulk transfer does not end".into());
        }
        client.update(Duration::from_millis(1))?;
        client.events().for_each(drop);
        while client.is_connected() && sent < MESSAGES {
            let now = clock::micros();
            let mut message = [0; MESSAGE_BYTES];
            message[..8].copy_from_slice(&now.to_le_bytes());
            match client.send(ChannelId(1), &message) {
                Ok(()) => sent += 1,
                Err(SendError::WouldBlock { .. }) => break,
                Err(error) => return Err(error.into()),
            }
            first.get_or_insert(now);
        }
        if let (MESSAGES, Some(first)) = (sent, first) {
            let answer = server.ask("last")?;
            let (count, last) = answer.split_once(' ').ok_or("no answer")?;
            if count.parse::<usize>()? == MESSAGES {
                return Ok((last.parse::<u64>()? - first) as f64 / 1e6);
            }
        }
    }
}
