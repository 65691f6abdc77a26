//! A server and a client over real loopback sockets: once warm, messages cost no allocation, on any thread.
#![allow(missing_docs)]

#[path = "../../../tests/support/allocations.rs"]
mod allocations;
mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::{client_of, server};
use tme::{Channel, Client, Decode, Encode, Event, Message, SendError, SendOptions, Server};

const SIZES: [usize; 5] = [64, 100, 256, 600, 1_024];
const KEYS: u32 = 50;
const LATEST: u8 = 4;

/// All threads are counted, so that one test must not run beside another.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn channels() -> [Channel; 5] {
    [
        Channel::unreliable("unreliable"),
        Channel::sequenced("sequenced"),
        Channel::reliable_unordered("unordered"),
        Channel::reliable_ordered("ordered"),
        Channel::reliable_latest("latest"),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Drive {
    Inline,
    Threaded,
}

/// A client that sends and a server that sends everything back.
struct Echo {
    server: Server,
    client: Client,
    bytes: Vec<u8>,
    sent: u64,
    echoed: u64,
    received: u64,
    refused: u64,
}

impl Echo {
    fn new(drive: Drive) -> Self {
        let builder = server().channels(channels());
        let server = if drive == Drive::Inline { builder.start() } else { builder.start_threaded() }.unwrap();
        let builder = client_of(&server).channels(channels());
        let client = if drive == Drive::Inline { builder.start() } else { builder.start_threaded() }.unwrap();
        let bytes = vec![0xA5; SIZES[4]];
        let mut echo = Self { server, client, bytes, sent: 0, echoed: 0, received: 0, refused: 0 };
        let start = Instant::now();
        while !echo.client.is_connected() || echo.server.peers().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(20), "not connected");
            echo.update(Duration::from_millis(1));
        }
        echo
    }

    /// One message, the next size on the next channel.
    fn send(&mut self) -> Result<(), SendError> {
        let channel = (self.sent % 5) as u8;
        let size = SIZES[(self.sent / 5 % 5) as usize];
        let key = (channel == LATEST).then_some(self.sent as u32 % KEYS);
        let options = key.map_or_else(SendOptions::default, SendOptions::with_key);
        self.client.send_with(channel, &self.bytes[..size], options)?;
        self.sent += 1;
        Ok(())
    }

    fn update(&mut self, wait: Duration) {
        self.client.update(wait).unwrap();
        for event in self.client.events() {
            self.received += u64::from(matches!(event, Event::Message { .. }));
        }
        self.server.update(wait).unwrap();
        for event in self.server.events() {
            let Event::Message { peer, channel, key, payload } = event else { continue };
            let key = (channel.0 == LATEST).then_some(key);
            let options = key.map_or_else(SendOptions::default, SendOptions::with_key);
            match self.server.send_with(peer, channel, payload, options) {
                Ok(()) => self.echoed += 1,
                Err(SendError::WouldBlock { .. }) => self.refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Ten messages a frame, 60 frames a second.
    fn play(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            let frame = Instant::now();
            for _ in 0..10 {
                self.send().unwrap();
            }
            self.update(Duration::ZERO);
            std::thread::sleep(Duration::from_micros(16_667).saturating_sub(frame.elapsed()));
        }
    }

    /// As many messages as the queues take.
    fn flood(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            for _ in 0..100 {
                if self.send().is_err() {
                    break;
                }
            }
            self.update(Duration::from_millis(1));
        }
    }
}

/// Does the work again and again until it allocates nothing once. What a busier moment than any before needs has to be
/// allocated, and on a machine with other work such moments come when they like; but they become rare, while an
/// allocation per packet or frame would be there every time.
fn settles(name: &str, echo: &mut Echo, work: impl Fn(&mut Echo)) {
    for _ in 0..10 {
        let (sent, received) = (echo.sent, echo.received);
        let counts = allocations::measure_all_threads(|| work(echo));
        let (sent, received) = (echo.sent - sent, echo.received - received);
        println!("{name}: {sent} messages sent, {received} came back, {counts:?}");
        assert!(received > sent / 2, "{name}: of {sent} messages only {received} came back");
        if counts.allocations == 0 {
            return;
        }
        assert!(counts.allocations < sent / 100, "{name}: {counts:?} for {sent} messages");
    }
    panic!("{name}: allocated every time");
}

#[test]
fn inline_echo_allocates_nothing() {
    let _alone = alone();
    let mut echo = Echo::new(Drive::Inline);
    let rounds = |echo: &mut Echo| {
        for _ in 0..5_000 {
            for _ in 0..10 {
                echo.send().unwrap();
            }
            echo.update(Duration::ZERO);
        }
    };
    rounds(&mut echo);
    settles("inline", &mut echo, rounds);
}

#[test]
fn threaded_play_at_60_hz_allocates_nothing() {
    let _alone = alone();
    let mut echo = Echo::new(Drive::Threaded);
    echo.flood(Duration::from_secs(1));
    settles("threaded, 60 Hz", &mut echo, |echo| echo.play(Duration::from_secs(4)));
}

#[test]
fn threaded_flood_allocates_nothing() {
    let _alone = alone();
    let mut echo = Echo::new(Drive::Threaded);
    echo.flood(Duration::from_secs(2));
    settles("threaded, flood", &mut echo, |echo| echo.flood(Duration::from_secs(1)));
}

#[derive(Debug, PartialEq, Encode, Decode, Message)]
#[tme(id = 5, channel = "ordered")]
struct Shot {
    #[tme(varint)]
    tick: u64,
    #[tme(range = -1.0..=1.0, precision = 0.001)]
    direction: [f32; 3],
    #[tme(quaternion)]
    aim: [f32; 4],
    is_charged: bool,
}

#[test]
fn typed_messages_allocate_nothing() {
    let _alone = alone();
    let mut echo = Echo::new(Drive::Inline);
    let rounds = |echo: &mut Echo| {
        for _ in 0..5_000 {
            for tick in 0..10 {
                let shot = Shot {
                    tick,
                    direction: [0.5, 0.0, 1.0],
                    aim: [0.0, 0.0, 0.0, 1.0],
                    is_charged: tick > 5,
                };
                echo.client.send_message(&shot).unwrap();
                echo.sent += 1;
            }
            echo.client.update(Duration::ZERO).unwrap();
            for event in echo.client.events() {
                let Event::Message { payload, .. } = event else { continue };
                let shot = payload.message::<Shot>().unwrap().expect("nothing else was sent");
                assert_eq!(shot.is_charged, shot.tick > 5);
                echo.received += 1;
            }
            echo.server.update(Duration::ZERO).unwrap();
            for event in echo.server.events() {
                let Event::Message { peer, payload, .. } = event else { continue };
                let shot = payload.message::<Shot>().unwrap().expect("nothing else was sent");
                echo.server.send_message(peer, &shot).unwrap();
            }
        }
    };
    rounds(&mut echo);
    settles("typed", &mut echo, rounds);
}
