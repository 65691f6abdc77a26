//! Client: figures.

use super::{ClientInner, TmeClient, not_connected};
use crate::boundary::{enter, write_struct};
use crate::channel::{channel_id, unknown_channel};
use crate::failure::Failure;
use crate::result::{TME_ERROR_NO_FIGURES, TmeResult};
use crate::statistics::{TmeChannelStatistics, TmeEngineStatistics, TmePeerStatistics, TmeSendBudget};

/// Figures of the connection, at most 100 ms older than its last datagram.
///
/// Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_statistics(
    client: *const TmeClient,
    statistics: *mut TmePeerStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(client, |client: &ClientInner| {
        let figures = client.handle.statistics().ok_or_else(not_connected)?;
        write_struct(&TmePeerStatistics::from(&figures), statistics, struct_size)
    })
}

/// Figures of one channel: queue depth, queue time, resent, expired.
///
/// Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_NO_FIGURES; TME_ERROR_POISONED;
/// TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_channel_statistics(
    client: *const TmeClient,
    channel: u32,
    statistics: *mut TmeChannelStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(client, |client: &ClientInner| {
        let channel = channel_id(channel)?;
        let table = client.handle.channels().ok_or_else(not_connected)?;
        if !table.entries().iter().any(|entry| entry.id == channel) {
            return Err(unknown_channel(channel.0.into()));
        }
        let none = || Failure::new(TME_ERROR_NO_FIGURES);
        let figures = client.handle.channel_statistics(channel).ok_or_else(none)?;
        write_struct(&TmeChannelStatistics::from(&figures), statistics, struct_size)
    })
}

/// What may be sent now, and how long a message on one channel would wait: what was given to the send functions counts,
/// whether it has left or not.
///
/// Parameters: `budget` of `struct_size` bytes, which must be `sizeof *budget`.
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_POISONED; TME_ERROR_NULL;
/// TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_send_budget(
    client: *const TmeClient,
    channel: u32,
    budget: *mut TmeSendBudget,
    struct_size: usize,
) -> TmeResult {
    enter(client, |client: &ClientInner| {
        let channel = channel_id(channel)?;
        let of_all = client.handle.send_budget().ok_or_else(not_connected)?;
        let unknown = || unknown_channel(channel.0.into());
        let of_channel = TmeSendBudget::of(&of_all, channel).ok_or_else(unknown)?;
        write_struct(&of_channel, budget, struct_size)
    })
}

/// Figures of the client as a whole, its socket included.
///
/// Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_engine_statistics(
    client: *const TmeClient,
    statistics: *mut TmeEngineStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(client, |client: &ClientInner| {
        write_struct(&TmeEngineStatistics::from(&client.handle.engine_statistics()), statistics, struct_size)
    })
}
