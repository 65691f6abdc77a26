//! Channels: how messages are treated.

use std::ffi::c_char;
use std::mem::size_of;
use std::time::Duration;

use tme::{Channel, ChannelId, ChannelMode, Redundancy, SendError};

use crate::boundary::{check_flags, input_slice, input_text};
use crate::failure::Failure;
use crate::result::{TME_ERROR_ARGUMENT, TME_ERROR_CHANNELS, TME_ERROR_ENUM, TME_ERROR_UNKNOWN_CHANNEL};

/// May be lost or reordered, never delivered twice.
pub const TME_CHANNEL_UNRELIABLE: u32 = 1;
/// Newest wins: a message older than the last delivered one is dropped.
pub const TME_CHANNEL_SEQUENCED: u32 = 2;
/// Every message once, in any order.
pub const TME_CHANNEL_RELIABLE_UNORDERED: u32 = 3;
/// Every message once, in the order of sending.
pub const TME_CHANNEL_RELIABLE_ORDERED: u32 = 4;
/// Per key only the newest value is guaranteed.
pub const TME_CHANNEL_RELIABLE_LATEST: u32 = 5;

/// The channel's id is `id`, not its position in the table.
pub const TME_CHANNEL_FLAG_ID: u32 = 1;

/// Small reliable messages ride again in following packets as the loss on the way asks for.
pub const TME_REDUNDANCY_AUTO: u32 = 0;
/// No message rides again before it is known to be lost.
pub const TME_REDUNDANCY_OFF: u32 = 255;

/// Most channels of a table.
pub const TME_CHANNELS_MAX: u32 = 32;

/// One channel of a table. Frozen: it is an element of an array. What is zero takes its default.
///
/// Both sides must agree on ids, names and modes; the rest is this side's own.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeChannelConfig {
    /// Name, at most 64 bytes. NULL is an empty name.
    pub name: *const c_char,
    /// TME_CHANNEL_…; there is no default.
    pub mode: u32,
    /// TME_CHANNEL_FLAG_….
    pub flags: u32,
    /// 0–255, with TME_CHANNEL_FLAG_ID. Default: the position in the table.
    pub id: u32,
    /// Strict priority, 0–255; lower goes first. Default 0.
    pub priority: u32,
    /// Share among channels of equal priority, 1–1,000. Default 1.
    pub weight: u32,
    /// Different keys of a reliable-latest channel that may have values under way, 1–65,536; a key whose newest value was
    /// acknowledged is given back by itself. Default 1,024.
    pub keys_max: u32,
    /// Largest message this side will send here, in bytes. Default: what mode and peer allow.
    pub message_bytes_max: u64,
    /// Bytes that may wait before a send gets TME_ERROR_WOULD_BLOCK. Default 4 MiB.
    pub queue_bytes_max: u64,
    /// Messages that may wait. Default 16,384.
    pub queue_messages_max: u32,
    /// Age at which a queued unreliable or sequenced message expires, in milliseconds. Default 100.
    pub queue_age_max_ms: u32,
    /// How often small messages of a reliable channel ride again in following packets, so that a loss need not cost a round
    /// trip: 1-3, TME_REDUNDANCY_OFF, or TME_REDUNDANCY_AUTO, which is the default.
    pub redundancy: u32,
    /// 0.
    pub reserved: [u32; 7],
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<TmeChannelConfig>() == 88);

unsafe fn channel(config: &TmeChannelConfig) -> Result<Channel, Failure> {
    check_flags(config.flags, TME_CHANNEL_FLAG_ID)?;
    if config.reserved != [0; 7] {
        return Err(Failure::with(TME_ERROR_ARGUMENT, "a reserved field of a channel is not zero"));
    }
    let mode = match config.mode {
        TME_CHANNEL_UNRELIABLE => ChannelMode::Unreliable,
        TME_CHANNEL_SEQUENCED => ChannelMode::Sequenced,
        TME_CHANNEL_RELIABLE_UNORDERED => ChannelMode::ReliableUnordered,
        TME_CHANNEL_RELIABLE_ORDERED => ChannelMode::ReliableOrdered,
        TME_CHANNEL_RELIABLE_LATEST => ChannelMode::ReliableLatest,
        mode => return Err(Failure::text(TME_ERROR_ENUM, format_args!("{mode} is no channel mode"))),
    };
    let byte = |value: u32, what: &str| {
        u8::try_from(value)
            .map_err(|_| Failure::text(TME_ERROR_ARGUMENT, format_args!("{what} {value} is beyond 255")))
    };
    let name = input_text(config.name)?.unwrap_or_default();
    let mut channel = Channel::new(name, mode).priority(byte(config.priority, "channel priority")?);
    if config.flags & TME_CHANNEL_FLAG_ID != 0 {
        channel = channel.id(byte(config.id, "channel id")?);
    } else if config.id != 0 {
        return Err(Failure::with(TME_ERROR_ARGUMENT, "a channel id without TME_CHANNEL_FLAG_ID"));
    }
    if config.weight != 0 {
        let weight = u16::try_from(config.weight).unwrap_or(u16::MAX);
        channel = channel.weight(weight);
    }
    if config.keys_max != 0 {
        channel = channel.keys_max(config.keys_max);
    }
    if config.message_bytes_max != 0 {
        channel = channel.message_bytes_max(bytes(config.message_bytes_max));
    }
    if config.queue_bytes_max != 0 || config.queue_messages_max != 0 {
        let defaults = tme::ChannelSettings::default();
        let queue_bytes = match config.queue_bytes_max {
            0 => defaults.queue_bytes_max,
            given => bytes(given),
        };
        let queue_messages = match config.queue_messages_max {
            0 => defaults.queue_messages_max,
            given => given as usize,
        };
        channel = channel.queue_max(queue_bytes, queue_messages);
    }
    if config.queue_age_max_ms != 0 {
        channel = channel.queue_age_max(Duration::from_millis(u64::from(config.queue_age_max_ms)));
    }
    let redundancy = match config.redundancy {
        TME_REDUNDANCY_AUTO => Redundancy::Auto,
        TME_REDUNDANCY_OFF => Redundancy::Off,
        copies @ 1..=3 => Redundancy::Copies(copies as u8),
        other => {
            let text = format_args!("a redundancy of {other} is neither 0-3 nor TME_REDUNDANCY_OFF");
            return Err(Failure::text(TME_ERROR_ARGUMENT, text));
        }
    };
    Ok(channel.redundancy(redundancy))
}

/// The channel with this id, which the table may not have.
pub(crate) fn channel_id(id: u32) -> Result<ChannelId, Failure> {
    match u8::try_from(id) {
        Ok(id) => Ok(ChannelId(id)),
        Err(_) => Err(unknown_channel(id)),
    }
}

/// No channel has this id.
#[cold]
pub(crate) fn unknown_channel(id: u32) -> Failure {
    Failure::text(TME_ERROR_UNKNOWN_CHANNEL, format_args!("the channel table has no channel {id}"))
}

/// A send that failed, told with the channel that the caller named.
#[cold]
pub(crate) fn send_failure(channel: ChannelId, error: SendError) -> Failure {
    match error {
        SendError::UnknownChannel => unknown_channel(channel.0.into()),
        error => error.into(),
    }
}

/// A size that may be beyond what this system can address.
fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// A caller's array of channels.
pub(crate) unsafe fn read_channels(
    channels: *const TmeChannelConfig,
    count: u32,
) -> Result<Vec<Channel>, Failure> {
    if count > TME_CHANNELS_MAX {
        let text = format_args!("{count} channels exceed the limit of {TME_CHANNELS_MAX}");
        return Err(Failure::text(TME_ERROR_CHANNELS, text));
    }
    input_slice(channels, count as usize)?.iter().map(|config| channel(config)).collect()
}
