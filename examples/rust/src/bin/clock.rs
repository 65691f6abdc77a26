//! The server's clock at a client: inputs that arrive just in time for the tick they are meant for. Needs no other program;
//! the server simulates in a thread of this one.
//!
//! ```console
//! $ cargo run -p tme-examples --bin clock
//! ```
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use tme::{Channel, Client, ClockChange, Direction, Event, Jitter, LinkConditions, Server, TickRate};

const TICKS_PER_SECOND: u32 = 60;
const INPUTS: u64 = 120;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rate = TickRate::new(TICKS_PER_SECOND)?;
    let server = Server::builder().channel(Channel::unreliable("inputs")).listen("127.0.0.1:0").start()?;
    let client = Client::builder()
        .channel(Channel::unreliable("inputs"))
        .connect(server.local_addr().to_string())
        .server_key(server.public_key())
        .synchronise_clock()
        .start()?;
    let simulation = thread::spawn(move || simulate(server, rate));
    play(client, rate)?;
    let (in_time, late) = simulation.join().map_err(|_| "the simulation panicked")??;
    println!("of {INPUTS} inputs {in_time} came in time, {late} late");
    Ok(())
}

/// Simulates tick after tick until the player leaves. Gives how many inputs were there when their tick began, and how many
/// came later.
fn simulate(mut server: Server, rate: TickRate) -> Result<(u64, u64), tme::Error> {
    let mut inputs = BTreeSet::new();
    let (mut in_time, mut late) = (0, 0);
    let mut next_tick = server.time().tick(rate).tick + 1;
    loop {
        server.update(server.time().tick(rate).until_next)?;
        for event in server.events() {
            match event {
                Event::Message { payload, .. } => {
                    let Ok(bytes) = <[u8; 8]>::try_from(&payload[..]) else { continue };
                    let tick = u64::from_le_bytes(bytes);
                    if tick < next_tick {
                        late += 1;
                    } else {
                        inputs.insert(tick);
                    }
                }
                Event::Disconnected { .. } => return Ok((in_time + inputs.len() as u64, late)),
                _ => {}
            }
        }
        // A game would move its world here, by the inputs of `next_tick`.
        while next_tick <= server.time().tick(rate).tick {
            in_time += u64::from(inputs.remove(&next_tick));
            next_tick += 1;
        }
    }
}

/// Sends an input for each tick, each so early that it is there when the server's tick begins.
fn play(mut client: Client, rate: TickRate) -> Result<(), Box<dyn std::error::Error>> {
    let (mut sent, mut last_tick) = (0, 0);
    while sent < INPUTS {
        let time = client.server_time().filter(|time| time.is_synchronised);
        client.update(time.map_or(Duration::from_millis(5), |time| time.input_tick(rate).until_next))?;
        for event in client.events() {
            match event {
                Event::Connected { .. } => {
                    // As over a real distance: 20 to 30 ms each way.
                    let far = LinkConditions {
                        delay: Duration::from_millis(25),
                        jitter: Jitter::Uniform { half_width: Duration::from_millis(5) },
                        ..Default::default()
                    };
                    client.set_conditions(Direction::Outgoing, Some(far))?;
                    client.set_conditions(Direction::Incoming, Some(far))?;
                }
                Event::Clock { change: ClockChange::Synchronised, .. } => {
                    println!("the clock is synchronised");
                }
                Event::Disconnected { reason, .. } => return Err(reason.to_string().into()),
                _ => {}
            }
        }
        let Some(time) = client.server_time().filter(|time| time.is_synchronised) else { continue };
        let tick = time.input_tick(rate).tick;
        if tick > last_tick {
            client.send(0, &tick.to_le_bytes())?;
            (last_tick, sent) = (tick, sent + 1);
        }
    }
    if let Some(time) = client.server_time() {
        println!(
            "{:.3} s at the server, off by at most {:.1?}; inputs leave {:.1?} ahead of their tick",
            time.micros as f64 / 1e6,
            time.error,
            time.input_lead(rate)
        );
    }
    client.close(Duration::from_secs(5));
    Ok(())
}
