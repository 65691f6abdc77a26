//! The protocol of the Travelers Multiplayer Engine as a pure state machine.
//!
//! Bytes, monotonic time, Unix time and randomness go in as arguments; bytes, events and a wake-up time
//! come out. Nothing here knows a socket, a clock or a thread.
#![forbid(unsafe_code)]

pub mod channel;
pub mod clock;
pub mod codec;
pub mod connection;
pub mod crypto;
pub mod datagram;
pub mod discovery;
pub mod endpoint;
pub mod handshake;
pub mod link;
pub mod payload;
pub mod query;
pub mod random;
mod rate;
pub mod serial;
pub mod stream;
pub mod time;
pub mod token;
pub mod wire;
