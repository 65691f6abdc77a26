//! What writing and reading a game's own types costs: bytes, and nanoseconds a message.
//!
//! ```console
//! $ cargo run --release -p tme-benches --bin serial
//! ```
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use tme::serial::{encode_message, read_message};
use tme::{Decode, Encode, Message};

/// How long each figure is measured, in so many pieces; the median of them is printed.
const PIECES: usize = 15;
const PIECE: Duration = Duration::from_millis(40);

#[derive(Clone, Encode, Decode, Message)]
#[tme(id = 1)]
struct Fixed {
    tick: u32,
    position: [f32; 3],
    velocity: [f32; 3],
    health: u16,
    flags: u8,
}

#[derive(Clone, Encode, Decode, Message)]
#[tme(id = 2)]
struct Packed {
    #[tme(varint)]
    tick: u32,
    #[tme(range = -1000.0..=1000.0, precision = 0.01)]
    position: [f32; 3],
    #[tme(quaternion)]
    rotation: [f32; 4],
    #[tme(range = 0..=100)]
    health: u8,
    is_running: bool,
    is_crouching: bool,
    #[tme(range = 0..=7)]
    weapon: u8,
}

#[derive(Clone, Encode, Decode)]
struct Entity {
    #[tme(varint)]
    id: u32,
    #[tme(range = -1000.0..=1000.0, precision = 0.01)]
    position: [f32; 3],
    #[tme(range = 0..=100)]
    health: u8,
}

#[derive(Clone, Encode, Decode, Message)]
#[tme(id = 3)]
struct Snapshot {
    tick: u32,
    entities: Vec<Entity>,
}

#[derive(Clone, Encode, Decode, Message)]
#[tme(id = 4)]
struct Chat {
    text: String,
    to: Vec<u32>,
}

fn main() {
    println!("{:<34} {:>7} {:>12} {:>12}", "message", "bytes", "write ns", "read ns");
    let position = [1.25, -2.5, 300.0];
    measure(
        "fixed: 7 floats and integers",
        &Fixed { tick: 7, position, velocity: position, health: 90, flags: 3 },
    );
    let packed = Packed {
        tick: 70_000,
        position,
        rotation: [0.0, 0.6, 0.0, 0.8],
        health: 90,
        is_running: true,
        is_crouching: false,
        weapon: 3,
    };
    measure("packed: position, rotation, state", &packed);
    let entity = |id| Entity { id, position, health: 50 };
    measure("snapshot of 100 entities", &Snapshot { tick: 7, entities: (0..100).map(entity).collect() });
    measure("text of 40 bytes, to 3", &Chat { text: "x".repeat(40), to: vec![1, 2, 3] });
    measure("text of 4 KiB", &Chat { text: "x".repeat(4_096), to: Vec::new() });
}

fn measure<M: Message>(name: &str, message: &M) {
    let mut bytes = Vec::new();
    encode_message(message, &mut bytes).expect("it is in range");
    let length = bytes.len();
    let write = median(|| {
        bytes.clear();
        let _ = black_box(encode_message(black_box(message), &mut bytes));
    });
    let read = median(|| {
        let _ = black_box(read_message::<M>(black_box(&bytes)));
    });
    println!("{name:<34} {length:>7} {write:>12.1} {read:>12.1}");
}

/// Nanoseconds a call, the median of all pieces.
fn median(mut call: impl FnMut()) -> f64 {
    let mut pieces: Vec<f64> = (0..PIECES).map(|_| piece(&mut call)).collect();
    pieces.sort_by(f64::total_cmp);
    pieces[PIECES / 2]
}

fn piece(call: &mut impl FnMut()) -> f64 {
    const BATCH: u32 = 256;
    let (began, mut calls) = (Instant::now(), 0);
    while began.elapsed() < PIECE {
        (0..BATCH).for_each(|_| call());
        calls += BATCH;
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}
