//! Time that all processes of a machine read alike.

use nix::time::{ClockId, clock_gettime};

/// Microseconds of the system's monotonic clock.
pub fn micros() -> u64 {
    // The monotonic clock is there on every Unix, and positive.
    let now =
        clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or_else(|error| panic!("no monotonic clock: {error}"));
    now.tv_sec() as u64 * 1_000_000 + now.tv_nsec() as u64 / 1_000
}
