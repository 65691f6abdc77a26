//! Simulated worlds: a server and its clients on a virtual clock, over links that fail as a seed says.
//!
//! A world runs in two phases. In the first one faults are on, and every event and datagram is watched by oracles that
//! know what the protocol promises (safety). Then the network heals, and everything promised must arrive within a
//! bounded time (liveness). Nothing here reads a clock, starts a thread or asks the system for randomness: a seed gives
//! the same world always, down to the last byte, and [`WorldReport::trace_hash`] shows it.
//!
//! ```
//! use tme_core::link::Preset;
//!
//! let report = tme_sim::run_world(1, Preset::Wifi)?;
//! assert_eq!(tme_sim::run_world(1, Preset::Wifi)?.trace_hash, report.trace_hash);
//! # Ok::<(), tme_sim::Failure>(())
//! ```
#![forbid(unsafe_code)]

pub mod config;
pub mod content;
pub mod dumbbell;
mod mix;
pub mod oracle;
mod report;
mod trace;
mod world;

pub use config::WorldConfig;
pub use mix::TraceHash;
pub use report::{Failure, LatencySamples, ModeTally, WorldReport};
pub use tme_core::link::Preset;
pub use trace::TraceLine;
pub use world::{Sabotage, World, WorldOptions};

/// Runs the world that belongs to this seed and preset.
///
/// # Errors
/// The first promise broken, with the command that replays the world.
pub fn run_world(seed: u64, preset: Preset) -> Result<WorldReport, Failure> {
    run_config(WorldConfig::from_seed(seed, preset), WorldOptions::default())
}

/// Runs a world, hand-made or derived, with options.
///
/// # Errors
/// As [`run_world`]; also a configuration that cannot work.
pub fn run_config(config: WorldConfig, options: WorldOptions) -> Result<WorldReport, Failure> {
    World::new(config, options)?.run()
}
