//! The C interface of TME, as a Rust library so that Rust tests and fuzzers reach it too.
//!
//! `docs/C_API.md` is its contract, `include/tme.h` is generated from it by `cargo xtask header`: the comments of the
//! exported functions are written for C programmers. There is one file per C noun; `boundary` is what they have in
//! common.
// The whole body of an exported function follows a C caller's pointers; what callers owe is in `docs/C_API.md`, once
// for all of them.
#![allow(unsafe_op_in_unsafe_fn, clippy::missing_safety_doc)]
// Comments for C programmers have brackets that are no links.
#![allow(rustdoc::broken_intra_doc_links)]

mod added;
mod boundary;
mod failure;
mod inbox;
mod pump;

mod applicant;
mod channel;
mod client;
mod clock;
mod conditions;
mod discovery;
mod event;
mod executor;
mod key;
mod link;
mod log_sink;
mod message;
#[cfg(feature = "panic-injection")]
mod panic_injection;
mod peer_info;
mod querier;
mod reader;
mod reason;
mod result;
mod server;
mod settings;
mod statistics;
mod token;
mod version;
mod writer;

pub use applicant::*;
pub use channel::*;
pub use client::*;
pub use clock::*;
pub use conditions::*;
pub use discovery::*;
pub use event::*;
pub use executor::*;
pub use key::*;
pub use link::*;
pub use log_sink::*;
pub use message::*;
#[cfg(feature = "panic-injection")]
pub use panic_injection::*;
pub use peer_info::*;
pub use querier::*;
pub use reader::*;
pub use reason::*;
pub use result::*;
pub use server::*;
pub use settings::*;
pub use statistics::*;
pub use token::*;
pub use version::*;
pub use writer::*;
