//! Encrypted, reliable game networking over UDP: a server, its clients, messages on channels.
//!
//! ```no_run
//! use std::time::Duration;
//! use tme::{Channel, Event, Server};
//!
//! fn main() -> Result<(), tme::Error> {
//!     let mut server = Server::builder()
//!         .channel(Channel::reliable_ordered("chat"))
//!         .channel(Channel::sequenced("state").priority(1))
//!         .listen("0.0.0.0:7777")
//!         .max_peers(1_000)
//!         .start()?; // .start_threaded() for a network thread
//!
//!     loop {
//!         server.update(Duration::from_millis(5))?; // waits at most this long for news
//!         for event in server.events() {
//!             match event {
//!                 Event::Connected { peer, .. } => println!("{peer} joined"),
//!                 Event::Message { peer, channel, payload, .. } => {
//!                     server.broadcast_except(peer, channel, payload)?; // says who could not take it now
//!                 }
//!                 Event::Disconnected { peer, reason } => println!("{peer} left: {reason}"),
//!                 _ => {}
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! # The pieces
//! - [`Server`] and [`Client`], each made by a builder, driven *inline* (`start`: `update` does the input and output)
//!   or *threaded* (`start_threaded`: a network thread does, and connections survive a game that loads for 20 s).
//! - [`ClientBuilder::start_echo`] needs no server: what the client sends comes back.
//! - [`Channel`]s: five modes, priorities, limits. Both sides must agree on ids, names and modes; a client that
//!   declares none takes the server's.
//! - [`Event`]s are polled and own what they carry.
//! - Sending takes `&self` and works from any thread through [`ServerHandle`] and [`ClientHandle`]; it answers at once,
//!   and a full queue is [`SendError::WouldBlock`], followed by [`Event::Writable`] when there is room again.
//! - [`token`]: a backend's word for a player, which servers can require; [`ServerBuilder::ask_before_admitting`] lets the
//!   game decide about each client.
//! - [`workers`]: who does what takes long, such as looking names up: a pool of threads, or a host's own job system.
//! - [`query`]: what servers say of themselves to those who only ask, many at a time.
//! - [`discovery`]: which servers there are on one's own network.
//! - [`Client::server_time`] is the server's clock at the client, with a bound of its error, and counts the server's ticks.
//! - [`SendOptions`] give a message a deadline, after which it is neither sent nor sent again, and ask for a receipt:
//!   [`Event::Delivered`] or [`Event::Expired`], one of them, once.
//! - [`serial`]: a game's own types as messages. `#[derive(Encode, Decode, Message)]`, [`Server::send_message`],
//!   [`Payload::message`].
//! - Everything is encrypted unless both sides say otherwise; whom a client trusts is [`Trust`].
//!
//! Logging goes through the `log` crate; [`logging`] installs sinks for hosts that have none.
#![forbid(unsafe_code)]

mod client;
pub mod discovery;
mod error;
mod known_hosts;
pub mod query;
mod server;
mod settings;
pub mod token;
mod typed;

pub use client::{Client, ClientBuilder, ClientHandle, Trust};
pub use error::Error;
pub use server::{NETWORK_THREADS_MAX, RefuseAs, Server, ServerBuilder, ServerHandle, ShutdownReport};
pub use settings::Security;
pub use typed::SendMessageError;

pub use tme_core::channel::{
    Channel, ChannelEntry, ChannelId, ChannelMode, ChannelSettings, ChannelTable, ChannelTableError,
    Redundancy,
};
pub use tme_core::clock::{
    ClockChange, ClockStatistics, InvalidTickRate, ServerTime, TickPosition, TickRate,
};
pub use tme_core::connection::congestion::Congestion;
pub use tme_core::connection::{
    Applicant, ChannelStatistics, CloseMode, Connected, ConnectionStatistics, Disconnected, Event, Expiry,
    Origin, PacketDrop, PacketDrops, PeerId, SendBudget, SendError, SendOptions, TokenInfo,
};
pub use tme_core::crypto::keys::{KeyPair, KeyParseError, PublicKey, SecretKey};
pub use tme_core::crypto::suite::Suite;
pub use tme_core::datagram::LinkKind;
pub use tme_core::endpoint::{EndpointStatistics, Newcomers};
pub use tme_core::handshake::parameters::Limits;
pub use tme_core::handshake::reason::Reason;
pub use tme_core::handshake::server::Browsers;
pub use tme_core::link::{
    Bottleneck, BurstLoss, ConditionsError, Jitter, LinkConditions, LinkStatistics, ParsePresetError,
    PathConditions, Preset,
};
pub use tme_core::messages;
pub use tme_core::payload::Payload;
pub use tme_core::serial::{
    self, Decode, DecodeError, Encode, EncodeError, Message, MessageChannel, MessageSet, Messages,
};
pub use tme_core::stream::proxy::ProxyHeader;
pub use tme_derive::{Decode, Encode, Message};
pub use tme_transport::engine::{
    Broadcast, Direction, EngineError, EngineStatistics, Events, LinkChoice, MessageBytes, PeerInfo,
    PostStatistics,
};
pub use tme_transport::link::LinkStats;
pub use tme_transport::link::memory::{self, MemoryLink};
pub use tme_transport::link::stream::{
    FailureCounts as StreamFailureCounts, StreamFailure, StreamStatistics, TlsTrust,
};
pub use tme_transport::{logging, workers};

/// Makes a secret key from the system's randomness: a server's, or a player's identity.
///
/// # Errors
/// [`Error::Engine`] if the system has no randomness to give.
pub fn generate_key() -> Result<SecretKey, Error> {
    let mut random =
        tme_transport::random::SystemRandom::new().map_err(|error| EngineError::System(error.to_string()))?;
    Ok(SecretKey::generate(&mut random))
}

/// What does not fit does not compile, each for one reason:
///
/// ```
/// #[derive(tme::Encode, tme::Decode)]
/// struct Good(#[tme(range = 0..=255)] u8, #[tme(precision = 0.5)] f32, #[tme(max_len = 3)] String);
/// ```
/// ```compile_fail,E0080
/// #[derive(tme::Encode, tme::Decode)]
/// struct TooWide(#[tme(range = 0..=256)] u8);
/// fn main() { let _ = tme::serial::encode(&TooWide(0)); }
/// ```
/// ```compile_fail,E0277
/// #[derive(tme::Encode, tme::Decode)]
/// struct NoFloat(#[tme(precision = 0.5)] u8);
/// ```
/// ```compile_fail,E0277
/// #[derive(tme::Encode, tme::Decode)]
/// struct NoCount(#[tme(max_len = 3)] u8);
/// ```
/// ```compile_fail,E0277
/// #[derive(tme::Encode, tme::Decode)]
/// struct NotWritten(std::time::Instant);
/// ```
/// ```compile_fail,E0080
/// #[derive(tme::Encode, tme::Decode, tme::Message)]
/// #[tme(id = 1)]
/// struct First;
/// #[derive(tme::Encode, tme::Decode, tme::Message)]
/// #[tme(id = 1)]
/// struct Second;
/// tme::messages! { enum Both { First, Second } }
/// fn main() { <Both as tme::MessageSet>::messages(); }
/// ```
#[cfg(doctest)]
struct Derived;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
