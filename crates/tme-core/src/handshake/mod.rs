//! The handshake: four datagrams that turn two strangers into a connection with keys (`docs/PROTOCOL.md`
//! §2–§4).
//!
//! [`ClientHandshake`](client::ClientHandshake) is one attempt to connect;
//! [`ServerHandshake`](server::ServerHandshake) answers all strangers of one endpoint and stores nothing for
//! them before their address is proven. Either side spends about 100 µs per connection with pattern NK (one
//! key, two shared secrets), 180 µs with IK (one key, four shared secrets); see `crypto/noise.rs`.

mod attempts;
pub mod client;
pub mod datagram;
pub mod drops;
pub mod parameters;
pub mod reason;
pub mod server;

#[cfg(test)]
mod tests;
