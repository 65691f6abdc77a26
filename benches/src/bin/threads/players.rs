//! The players of one run, all on one thread.

use std::error::Error;
use std::time::{Duration, Instant};

use tme::{ChannelId, Client, Event, SendError};

const MESSAGE_BYTES: usize = 64;
const RELIABLE: ChannelId = ChannelId(0);
const UNRELIABLE: ChannelId = ChannelId(1);
/// Messages that a player of a flood has in the air.
const IN_THE_AIR: usize = 16;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);
/// The first part of a run is not measured: estimates of paths settle.
const SETTLING: Duration = Duration::from_millis(500);

/// Prints how many messages came back in a second, and the median and the 99th percentile of the time that took.
pub fn run(address: &str, key: &str, count: usize, hz: u32, seconds: f64) -> Result<(), Box<dyn Error>> {
    let key = key.parse()?;
    let start = Instant::now();
    let mut players = Vec::with_capacity(count);
    for _ in 0..count {
        players.push(Client::builder().connect(address).server_key(key).start()?);
    }
    while !players.iter().all(Client::is_connected) {
        if start.elapsed() > CONNECT_TIME_MAX {
            return Err("not all players are connected in time".into());
        }
        for player in &mut players {
            player.update(Duration::ZERO)?;
            drop(player.events());
        }
    }
    let mut times = Times { start: Instant::now(), micros: Vec::new() };
    let end = SETTLING + Duration::from_secs_f64(seconds);
    match hz {
        0 => flood(&mut players, &mut times, end)?,
        hz => pace(&mut players, &mut times, end, Duration::from_secs(1) / hz)?,
    }
    times.micros.sort_unstable();
    let at = |share: f64| {
        let index = (times.micros.len() as f64 * share) as usize;
        times.micros.get(index.min(times.micros.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    println!("{} {} {}", times.micros.len() as f64 / seconds, at(0.5), at(0.99));
    Ok(())
}

/// How long messages were under way.
struct Times {
    start: Instant,
    micros: Vec<u32>,
}

impl Times {
    fn now(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    fn note(&mut self, message: &[u8]) {
        let Some(sent_at) = message.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else { return };
        if sent_at >= SETTLING.as_micros() as u64 {
            self.micros.push(self.now().saturating_sub(sent_at) as u32);
        }
    }

    /// Sends a message that says when that was.
    fn send(&self, player: &Client, channel: ChannelId) -> Result<(), SendError> {
        let mut message = [0; MESSAGE_BYTES];
        message[..8].copy_from_slice(&self.now().to_le_bytes());
        player.send(channel, &message)
    }
}

/// Everybody sends once a tick, one after the other over the tick, as players do.
fn pace(
    players: &mut [Client],
    times: &mut Times,
    end: Duration,
    tick: Duration,
) -> Result<(), Box<dyn Error>> {
    let mut turn = 0;
    let step = tick / players.len() as u32;
    let mut next = Duration::ZERO;
    while times.start.elapsed() < end {
        while times.start.elapsed() >= next {
            // A full queue is the loss of a message, which the rate shows.
            let _ = times.send(&players[turn], UNRELIABLE);
            players[turn].flush()?;
            turn = (turn + 1) % players.len();
            next += step;
        }
        receive(players, times, |_, _| ())?;
    }
    Ok(())
}

fn flood(players: &mut [Client], times: &mut Times, end: Duration) -> Result<(), Box<dyn Error>> {
    for player in players.iter() {
        for _ in 0..IN_THE_AIR {
            times.send(player, RELIABLE)?;
        }
    }
    while times.start.elapsed() < end {
        receive(players, times, |times, player| {
            // There is room: what it replaces has come back.
            let _ = times.send(player, RELIABLE);
        })?;
    }
    Ok(())
}

/// Lets everybody receive once.
fn receive(
    players: &mut [Client],
    times: &mut Times,
    mut then: impl FnMut(&Times, &Client),
) -> Result<(), Box<dyn Error>> {
    for player in players {
        player.update(Duration::ZERO)?;
        for event in player.events() {
            if let Event::Message { payload, .. } = event {
                times.note(&payload);
                then(times, player);
            }
        }
    }
    Ok(())
}
