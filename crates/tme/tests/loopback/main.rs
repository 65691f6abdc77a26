//! Servers and clients over real sockets: what a game does with them.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod connecting;
mod ending;
mod figures;
mod messages;
mod rebinding;
