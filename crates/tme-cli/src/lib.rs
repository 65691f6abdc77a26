//! The `tme` program, as a library: each subcommand is a function that takes its options, so that tests can call it.
//!
//! [`run`] parses nothing: `main` does, and turns what comes back into an exit code ([`ExitReason`]).
#![forbid(unsafe_code)]

pub mod arguments;
pub mod bench;
pub mod chat;
pub mod demo;
pub mod discover;
mod failure;
mod format;
mod input;
mod interrupt;
pub mod keys;
mod latency;
mod logs;
mod network;
mod process;
pub mod query;
pub mod relay;
pub mod sim;
mod sparkline;
pub mod token;
mod view;

pub use arguments::{Arguments, Command, DemoOptions};
pub use failure::{ExitReason, Failure};
pub use view::Output;

/// Does what the command line asks.
///
/// # Errors
/// [`Failure`]: what to print after `error: `, and the exit code. It is also how a measurement tells that what it
/// measured is not as it should be.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Demo(options) => demo::run(&options),
        Command::Serve(options) => chat::serve::run(&options),
        Command::Connect(options) => chat::connect::run(&options),
        Command::Query(options) => query::run(&options),
        Command::Discover(options) => discover::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Sim(options) => sim::run(&options),
        Command::Keygen(options) => keys::run(&options),
        Command::Token(command) => token::run(&command),
        Command::Relay(options) => relay::run(&options),
        Command::BenchServer(options) => bench::child::run(&options),
    }
}
