//! Everything of the Travelers Multiplayer Engine that touches the operating system: sockets, clocks,
//! randomness, name resolution, waiting and log sinks.
//!
//! | module | question it answers |
//! | --- | --- |
//! | [`clock`] | what time is it? |
//! | [`random`] | where do keys, nonces and cookies get their bytes from? |
//!
//! The protocol itself is in `tme-core` and knows none of this.
#![forbid(unsafe_code)]

pub mod clock;
pub mod random;
