//! W4: a light, regular stream.

use std::error::Error;
use std::time::{Duration, Instant};

use tme::{ChannelId, Client, PublicKey, Redundancy};

use crate::child::Process;
use crate::{clock, serve};

const HZ: u32 = 60;
const MESSAGE_BYTES: usize = 100;
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);
const DRAIN_PATIENCE: Duration = Duration::from_secs(20);

/// Runs all connections at once and gives a row of the table.
pub fn measure(
    redundancy: Redundancy,
    loss: f64,
    seeds: usize,
    seconds: u64,
) -> Result<String, Box<dyn Error>> {
    let (mut server, hello) = Process::start(&["serve".to_owned(), format!("{redundancy:?}")])?;
    let (address, key) = hello.split_once(' ').ok_or("the server said no key")?;
    let arguments = ["relay", address, "1", &loss.to_string(), "5"].map(str::to_owned);
    let (mut relay, address) = Process::start(&arguments)?;
    let mut clients = connect(&address, key.parse()?, redundancy, seeds)?;
    let before: u64 = relay.ask("bytes")?.parse()?;

    let sent = stream(&mut clients, Duration::from_secs(seconds))?;
    let delays = collect(&mut server, &mut clients, sent)?;
    let wire_bytes = relay.ask("bytes")?.parse::<u64>()? - before;
    Ok(row(redundancy, loss, delays, wire_bytes, sent))
}

fn connect(
    address: &str,
    key: PublicKey,
    redundancy: Redundancy,
    count: usize,
) -> Result<Vec<Client>, Box<dyn Error>> {
    // One after the other: the relay's seeds go by the order in which clients come.
    let mut clients = Vec::new();
    for _ in 0..count {
        let builder =
            Client::builder().channels(serve::channels(redundancy)).connect(address).server_key(key);
        let mut client = builder.start_threaded()?;
        let start = Instant::now();
        while !client.is_connected() {
            if start.elapsed() > CONNECT_PATIENCE {
                return Err("a client does not get connected".into());
            }
            client.update(Duration::from_millis(10))?;
            client.events().for_each(drop);
        }
        clients.push(client);
    }
    Ok(clients)
}

/// Sends on all connections, the ticks of one spread between those of the others; gives the number of messages.
fn stream(clients: &mut [Client], time: Duration) -> Result<usize, Box<dyn Error>> {
    let period = Duration::from_secs(1) / HZ;
    let count = clients.len();
    let start = Instant::now();
    let mut sent = 0;
    for tick in 0.. {
        for (index, client) in clients.iter_mut().enumerate() {
            let at = period * tick + period * u32::try_from(index)? / u32::try_from(count)?;
            if at >= time {
                return Ok(sent);
            }
            std::thread::sleep(at.saturating_sub(start.elapsed()));
            let mut message = [0; MESSAGE_BYTES];
            message[..8].copy_from_slice(&clock::micros().to_le_bytes());
            client.send(ChannelId(0), &message)?;
            client.flush()?;
            client.events().for_each(drop);
            sent += 1;
        }
    }
    Ok(sent)
}

/// Waits until everything has arrived.
fn collect(server: &mut Process, clients: &mut [Client], sent: usize) -> Result<Vec<u64>, Box<dyn Error>> {
    let start = Instant::now();
    let mut delays: Vec<u64> = Vec::new();
    while delays.len() < sent {
        if start.elapsed() > DRAIN_PATIENCE {
            return Err(format!("{} of {sent} messages arrived", delays.len()).into());
        }
        std::thread::sleep(Duration::from_millis(50));
        for word in server.ask("delays")?.split_whitespace() {
            delays.push(word.parse()?);
        }
        clients.iter_mut().for_each(|client| client.events().for_each(drop));
    }
    Ok(delays)
}

fn row(redundancy: Redundancy, loss: f64, mut delays: Vec<u64>, wire_bytes: u64, sent: usize) -> String {
    delays.sort_unstable();
    let millis = |share: f64| {
        let index = ((delays.len() as f64 * share).ceil() as usize).clamp(1, delays.len()) - 1;
        delays[index] as f64 / 1_000.0
    };
    let ratio = wire_bytes as f64 / (sent * MESSAGE_BYTES) as f64;
    format!(
        "{:6} {:4.0} % {:8.1} {:8.1} {:8.1} {:8.1}   {ratio:.3}",
        format!("{redundancy:?}"),
        loss * 100.0,
        millis(0.5),
        millis(0.95),
        millis(0.99),
        millis(1.0)
    )
}
