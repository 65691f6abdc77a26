//! Everything of the Travelers Multiplayer Engine that touches the operating system: sockets, clocks,
//! randomness, name resolution, waiting and log sinks.
//!
//! | module | question it answers |
//! | --- | --- |
//! | [`clock`] | what time is it? |
//! | [`random`] | where do keys, nonces and cookies get their bytes from? |
//! | [`link`] | how does an engine send and receive datagrams, whatever carries them? |
//! | [`link::udp`] | how do datagrams travel over UDP? |
//! | [`link::memory`] | how do they travel inside one process? |
//! | [`poller`] | how does a thread sleep until something happens? |
//! | [`wake`] | how does another thread end that sleep? |
//! | [`resolve`] | which addresses does `host:port` stand for? |
//! | [`query`] | what do servers say of themselves to those who only ask? |
//! | [`discovery`] | which servers are there on this network? |
//! | [`interfaces`] | which networks is this machine in? |
//! | [`relay`] | how does a bad network get between two programs? |
//! | [`engine`] | how do the game's threads and the protocol work together? |
//! | [`logging`] | where do log lines go? |
//!
//! The protocol itself is in `tme-core` and knows none of this.
#![forbid(unsafe_code)]

pub mod clock;
pub mod discovery;
pub mod engine;
pub mod interfaces;
pub mod link;
pub mod logging;
pub mod poller;
pub mod query;
pub mod random;
pub mod relay;
pub mod resolve;
pub mod wake;
