//! Conditions: a bad network, made on purpose.

use std::ffi::c_char;
use std::mem::size_of;
use std::time::Duration;

use tme::{Bottleneck, BurstLoss, Direction, Jitter, LinkConditions, Preset};

use crate::boundary::{Versioned, check_flags, guard, init_struct, read_struct, required_text, write_struct};
use crate::failure::Failure;
use crate::result::{TME_ERROR_ARGUMENT, TME_ERROR_ENUM, TME_ERROR_NO_FIGURES, TmeResult};

/// What this handle receives.
pub const TME_DIRECTION_INCOMING: u32 = 1;
/// What this handle sends.
pub const TME_DIRECTION_OUTGOING: u32 = 2;

/// From a client to its server.
pub const TME_PATH_UP: u32 = 1;
/// From a server to its client.
pub const TME_PATH_DOWN: u32 = 2;

/// Every datagram takes the same time.
pub const TME_JITTER_NONE: u32 = 0;
/// Uniform in delay ± `jitter_us`.
pub const TME_JITTER_UNIFORM: u32 = 1;
/// An extra delay with the median `jitter_us`, the 99th percentile `jitter_p99_us` and the maximum `jitter_max_us`.
pub const TME_JITTER_SKEWED: u32 = 2;

/// Every datagram has its own jitter and may overtake. Without it jitter keeps the order.
pub const TME_CONDITIONS_JITTER_REORDERS: u32 = 1;

/// A network's behaviour in one direction. All probabilities are 0.0–1.0; what is zero takes its default, which is none
/// unless another is given.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeConditions {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// TME_CONDITIONS_….
    pub flags: u32,
    /// Probability that a datagram is lost, independently of the others.
    pub loss: f64,
    /// Probability per datagram to enter a bad spell, on top of `loss`.
    pub burst_enter: f64,
    /// Probability per datagram to leave it.
    pub burst_leave: f64,
    /// Probability of loss outside bad spells.
    pub burst_loss_good: f64,
    /// Probability of loss in a bad spell.
    pub burst_loss_bad: f64,
    /// One-way delay in microseconds, at most 60 s.
    pub delay_us: u64,
    /// TME_JITTER_….
    pub jitter_kind: u32,
    /// Header bytes that rate, queue and MTU count per datagram. Default 28 (IPv4 and UDP).
    pub header_bytes: u32,
    /// Microseconds; by kind.
    pub jitter_us: u64,
    /// Microseconds (skewed).
    pub jitter_p99_us: u64,
    /// Microseconds (skewed).
    pub jitter_max_us: u64,
    /// Probability that a datagram is held back, so that others overtake it.
    pub reorder: f64,
    /// For how long, in microseconds. Default 10,000.
    pub reorder_delay_us: u64,
    /// Probability that a datagram arrives twice.
    pub duplicate: f64,
    /// The copy comes up to this much later, in microseconds. Default 10,000.
    pub duplicate_delay_max_us: u64,
    /// Probability that bits of a datagram are flipped.
    pub corrupt: f64,
    /// From 1 to this many bits are flipped, at most 64. Default 3.
    pub corrupt_bits_max: u32,
    /// Largest packet with headers; larger ones are dropped. Default: any.
    pub mtu_bytes: u32,
    /// Rate of the narrowest place of the path. Default: any rate.
    pub bottleneck_bytes_per_second: u64,
    /// Bytes that may queue in front of it; more are dropped.
    pub bottleneck_queue_bytes: u64,
}

// SAFETY: `repr(C)`, a `u32` first, numbers only, no padding (checked below).
unsafe impl Versioned for TmeConditions {
    const FIRST_BYTES: usize = 152;

    fn defaults() -> Self {
        from_conditions(&LinkConditions::default())
    }
}

const _: () = assert!(size_of::<TmeConditions>() == 152);

/// Prepares conditions of a perfect network.
///
/// Parameters: `conditions` of `struct_size` bytes, which must be `sizeof *conditions`.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_conditions_init(
    conditions: *mut TmeConditions,
    struct_size: usize,
) -> TmeResult {
    init_struct(conditions, struct_size)
}

/// Fills in the conditions of a kind of network: "lan", "wifi", "wifi_bad", "lte", "transatlantic" or "satellite".
///
/// Parameters: `preset`; `path`, TME_PATH_UP or TME_PATH_DOWN: a client sends up and receives down, a server the other way
/// round; `conditions` of `struct_size` bytes.
/// Returns: TME_OK; TME_ERROR_ARGUMENT for an unknown preset; TME_ERROR_ENUM; TME_ERROR_NULL; TME_ERROR_UTF8;
/// TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_conditions_preset(
    preset: *const c_char,
    path: u32,
    conditions: *mut TmeConditions,
    struct_size: usize,
) -> TmeResult {
    guard(|| {
        let preset: Preset = required_text(preset, "the preset is NULL")?
            .parse()
            .map_err(|error| Failure::text(TME_ERROR_ARGUMENT, format_args!("{error}")))?;
        let both = preset.conditions();
        let one = match path {
            TME_PATH_UP => both.up,
            TME_PATH_DOWN => both.down,
            path => return Err(Failure::text(TME_ERROR_ENUM, format_args!("{path} is no path"))),
        };
        write_struct(&from_conditions(&one), conditions, struct_size)
    })
}

/// The direction with this number.
pub(crate) fn direction(number: u32) -> Result<Direction, Failure> {
    match number {
        TME_DIRECTION_INCOMING => Ok(Direction::Incoming),
        TME_DIRECTION_OUTGOING => Ok(Direction::Outgoing),
        _ => Err(Failure::text(TME_ERROR_ENUM, format_args!("{number} is no direction"))),
    }
}

/// A caller's conditions; NULL switches them off.
pub(crate) unsafe fn read_conditions(
    pointer: *const TmeConditions,
) -> Result<Option<LinkConditions>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    to_conditions(&read_struct(pointer)?).map(Some)
}

fn to_conditions(given: &TmeConditions) -> Result<LinkConditions, Failure> {
    check_flags(given.flags, TME_CONDITIONS_JITTER_REORDERS)?;
    let defaults = LinkConditions::default();
    let or = |value: u64, default: Duration| match value {
        0 => default,
        us => Duration::from_micros(us),
    };
    let jitter = Duration::from_micros(given.jitter_us);
    let jitter = match given.jitter_kind {
        TME_JITTER_NONE => Jitter::None,
        TME_JITTER_UNIFORM => Jitter::Uniform { half_width: jitter },
        TME_JITTER_SKEWED => Jitter::Skewed {
            median: jitter,
            p99: Duration::from_micros(given.jitter_p99_us),
            max: Duration::from_micros(given.jitter_max_us),
        },
        kind => return Err(Failure::text(TME_ERROR_ENUM, format_args!("{kind} is no kind of jitter"))),
    };
    let burst = BurstLoss {
        enter_bad: given.burst_enter,
        leave_bad: given.burst_leave,
        loss_in_good: given.burst_loss_good,
        loss_in_bad: given.burst_loss_bad,
    };
    let has_burst =
        [burst.enter_bad, burst.leave_bad, burst.loss_in_good, burst.loss_in_bad].iter().any(|&p| p != 0.0);
    let has_bottleneck = given.bottleneck_bytes_per_second != 0 || given.bottleneck_queue_bytes != 0;
    Ok(LinkConditions {
        loss: given.loss,
        burst: has_burst.then_some(burst),
        delay: Duration::from_micros(given.delay_us),
        jitter,
        jitter_reorders: given.flags & TME_CONDITIONS_JITTER_REORDERS != 0,
        reorder: given.reorder,
        reorder_delay: or(given.reorder_delay_us, defaults.reorder_delay),
        duplicate: given.duplicate,
        duplicate_delay_max: or(given.duplicate_delay_max_us, defaults.duplicate_delay_max),
        corrupt: given.corrupt,
        corrupt_bits_max: if given.corrupt_bits_max == 0 {
            defaults.corrupt_bits_max
        } else {
            given.corrupt_bits_max
        },
        bottleneck: has_bottleneck.then_some(Bottleneck {
            bytes_per_second: given.bottleneck_bytes_per_second,
            queue_bytes: given.bottleneck_queue_bytes,
        }),
        header_bytes: if given.header_bytes == 0 { defaults.header_bytes } else { given.header_bytes },
        mtu_bytes: (given.mtu_bytes != 0).then_some(given.mtu_bytes),
    })
}

/// There are no figures of conditions that are not on.
#[cold]
pub(crate) fn no_conditions() -> Failure {
    Failure::with(TME_ERROR_NO_FIGURES, "no network conditions are on in this direction, or only just")
}

fn from_conditions(conditions: &LinkConditions) -> TmeConditions {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (jitter_kind, jitter_us, jitter_p99_us, jitter_max_us) = match conditions.jitter {
        Jitter::None => (TME_JITTER_NONE, 0, 0, 0),
        Jitter::Uniform { half_width } => (TME_JITTER_UNIFORM, us(half_width), 0, 0),
        Jitter::Skewed { median, p99, max } => (TME_JITTER_SKEWED, us(median), us(p99), us(max)),
    };
    let burst = conditions.burst;
    TmeConditions {
        struct_size: 0,
        flags: if conditions.jitter_reorders { TME_CONDITIONS_JITTER_REORDERS } else { 0 },
        loss: conditions.loss,
        burst_enter: burst.map_or(0.0, |burst| burst.enter_bad),
        burst_leave: burst.map_or(0.0, |burst| burst.leave_bad),
        burst_loss_good: burst.map_or(0.0, |burst| burst.loss_in_good),
        burst_loss_bad: burst.map_or(0.0, |burst| burst.loss_in_bad),
        delay_us: us(conditions.delay),
        jitter_kind,
        header_bytes: conditions.header_bytes,
        jitter_us,
        jitter_p99_us,
        jitter_max_us,
        reorder: conditions.reorder,
        reorder_delay_us: us(conditions.reorder_delay),
        duplicate: conditions.duplicate,
        duplicate_delay_max_us: us(conditions.duplicate_delay_max),
        corrupt: conditions.corrupt,
        corrupt_bits_max: conditions.corrupt_bits_max,
        mtu_bytes: conditions.mtu_bytes.unwrap_or(0),
        bottleneck_bytes_per_second: conditions
            .bottleneck
            .map_or(0, |bottleneck| bottleneck.bytes_per_second),
        bottleneck_queue_bytes: conditions.bottleneck.map_or(0, |bottleneck| bottleneck.queue_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_survives_the_way_through_the_struct() {
        for preset in Preset::ALL {
            let both = preset.conditions();
            for conditions in [both.up, both.down] {
                assert_eq!(to_conditions(&from_conditions(&conditions)).unwrap(), conditions, "{preset:?}");
            }
        }
    }

    #[test]
    fn a_zeroed_struct_is_a_perfect_network() {
        let mut zeroed = TmeConditions { header_bytes: 0, corrupt_bits_max: 0, ..TmeConditions::defaults() };
        (zeroed.reorder_delay_us, zeroed.duplicate_delay_max_us) = (0, 0);
        assert_eq!(to_conditions(&zeroed).unwrap(), LinkConditions::default());
    }
}
