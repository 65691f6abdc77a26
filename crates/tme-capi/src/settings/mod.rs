//! Settings: what servers, clients and sends are told.

mod client;
mod common;
mod send;
mod server;

pub use client::*;
pub use common::*;
pub use send::*;
pub use server::*;
