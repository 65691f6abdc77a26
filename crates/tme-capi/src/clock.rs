//! Clock: the server's time, and ticks counted on it.

use std::mem::size_of;
use std::time::Duration;

use tme::{ServerTime, TickPosition, TickRate};

use crate::boundary::{Versioned, guard, write_struct};
use crate::failure::Failure;
use crate::result::{TME_ERROR_ARGUMENT, TmeResult};

/// The server's time at one moment, and how far that can be trusted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeServerTime {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// 1 once enough answers came, else 0. Until then `time_us` can jump; from then on it only moves forwards, and
    /// TME_EVENT_CLOCK tells of the exception.
    pub is_synchronised: u32,
    /// Microseconds on the server's clock, which read 0 when the server started.
    pub time_us: u64,
    /// `time_us` is not off by more, whatever the path does: about half the fastest round trip. At the server 0.
    pub error_us: u64,
    /// `time_us` is usually not off by more where the path takes as long in both directions.
    pub error_likely_us: u64,
    /// How long inputs are under way to the server, hardly any longer, by this clock. Inputs that leave now are for the tick
    /// after the one that `time_us + input_delay_us` lies in.
    pub input_delay_us: u64,
    /// By how much the server's clock is faster than ours, in parts per million; already corrected for.
    pub drift_ppm: f64,
}

const _: () = assert!(size_of::<TmeServerTime>() == 48);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), numbers only.
unsafe impl Versioned for TmeServerTime {
    const FIRST_BYTES: usize = 48;

    fn defaults() -> Self {
        Self {
            struct_size: 0,
            is_synchronised: 0,
            time_us: 0,
            error_us: 0,
            error_likely_us: 0,
            input_delay_us: 0,
            drift_ppm: 0.0,
        }
    }
}

impl From<&ServerTime> for TmeServerTime {
    fn from(time: &ServerTime) -> Self {
        Self {
            struct_size: 0,
            is_synchronised: time.is_synchronised.into(),
            time_us: time.micros,
            error_us: micros(time.error),
            error_likely_us: micros(time.error_likely),
            input_delay_us: micros(time.input_delay),
            drift_ppm: time.drift_ppm,
        }
    }
}

/// Where a time lies among a game's ticks.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeTick {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// The tick that has begun.
    pub tick: u64,
    /// When it began, in microseconds of the server's clock.
    pub begin_us: u64,
    /// Time until the next one begins.
    pub until_next_us: u64,
    /// How much of it has passed, 0.0 to just below 1.0.
    pub phase: f64,
}

const _: () = assert!(size_of::<TmeTick>() == 40);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), numbers only.
unsafe impl Versioned for TmeTick {
    const FIRST_BYTES: usize = 40;

    fn defaults() -> Self {
        Self { struct_size: 0, reserved: 0, tick: 0, begin_us: 0, until_next_us: 0, phase: 0.0 }
    }
}

/// Tells where a time of the server's clock lies among ticks of a rate. Tick 0 begins at 0; ticks are counted in fractions, so
/// that 60 a second are 60 in every second for ever.
///
/// Parameters: `time_us`, such as TmeServerTime has it; `ticks_per_second`, 1 to 10,000, on which server and clients have
/// agreed; `tick` of `struct_size` bytes, which must be `sizeof *tick`.
/// Returns: TME_OK; TME_ERROR_ARGUMENT; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_tick_at(
    time_us: u64,
    ticks_per_second: u32,
    tick: *mut TmeTick,
    struct_size: usize,
) -> TmeResult {
    guard(|| {
        let rate = TickRate::new(ticks_per_second)
            .map_err(|error| Failure::text(TME_ERROR_ARGUMENT, format_args!("{error}")))?;
        let TickPosition { tick: number, phase, until_next } = rate.position(time_us);
        let position = TmeTick {
            struct_size: 0,
            reserved: 0,
            tick: number,
            begin_us: rate.begin_of(number),
            until_next_us: micros(until_next),
            phase,
        };
        write_struct(&position, tick, struct_size)
    })
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
