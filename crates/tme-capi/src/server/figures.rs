//! Server: figures.

use tme::PeerId;

use super::{ServerInner, TmeServer, unknown};
use crate::boundary::{enter, must_not_be_null, put, write_struct};
use crate::channel::{channel_id, unknown_channel};
use crate::event::TmePeer;
use crate::failure::Failure;
use crate::result::{TME_ERROR_ARGUMENT, TME_ERROR_NO_FIGURES, TME_OK, TmeResult};
use crate::statistics::{TmeChannelStatistics, TmeEngineStatistics, TmePeerStatistics, TmeSendBudget};

/// Figures of the whole server.
///
/// Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_statistics(
    server: *const TmeServer,
    statistics: *mut TmeEngineStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        write_struct(&TmeEngineStatistics::from(&server.handle.statistics()), statistics, struct_size)
    })
}

/// How many network threads the server has: 0 if it is inline, else as many as its config asked for, or 1 where the system
/// cannot share a port among several.
///
/// Returns: the number; 0 also if `server` is not a server, or poisoned.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_network_threads(server: *const TmeServer) -> u32 {
    let mut threads = 0;
    enter(server, |server: &ServerInner| {
        threads = server.network_threads;
        Ok(TME_OK)
    });
    threads
}

/// Figures of one of the server's network threads; an inline server has one set of figures, too. Those of all together are what
/// tme_server_statistics gives, and `tokens_used` and its like are counted where a client asked to be let in.
///
/// Parameters: `thread` counts from 0; `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_ARGUMENT if there is no such thread; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
/// TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_thread_statistics(
    server: *const TmeServer,
    thread: u32,
    statistics: *mut TmeEngineStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let all = server.handle.thread_statistics();
        let none = || {
            let count = all.len();
            Failure::text(TME_ERROR_ARGUMENT, format_args!("there is no network thread {thread} of {count}"))
        };
        let figures = all.get(thread as usize).ok_or_else(none)?;
        write_struct(&TmeEngineStatistics::from(figures), statistics, struct_size)
    })
}

/// Which network thread has a peer, for as long as it is connected.
///
/// Parameters: `thread` gets its number from 0, as for tme_server_thread_statistics.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_peer_thread(
    server: *const TmeServer,
    peer: TmePeer,
    thread: *mut u32,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        must_not_be_null(thread, "there is no place for the thread")?;
        let peer = PeerId::from_u64(peer);
        let index = server.handle.thread_of(peer).ok_or_else(|| unknown(peer))?;
        put(thread, u32::try_from(index).unwrap_or(u32::MAX));
        Ok(TME_OK)
    })
}

/// Figures of one peer, at most 100 ms older than its last datagram.
///
/// Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_peer_statistics(
    server: *const TmeServer,
    peer: TmePeer,
    statistics: *mut TmePeerStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let figures = server.handle.peer_statistics(peer).ok_or_else(|| unknown(peer))?;
        write_struct(&TmePeerStatistics::from(&figures), statistics, struct_size)
    })
}

/// Figures of one channel towards a peer: queue depth, queue time, resent, expired.
///
/// Parameters: `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_NO_FIGURES; TME_ERROR_POISONED;
/// TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_channel_statistics(
    server: *const TmeServer,
    peer: TmePeer,
    channel: u32,
    statistics: *mut TmeChannelStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let channel = channel_id(channel)?;
        let table = server.handle.channels(peer).ok_or_else(|| unknown(peer))?;
        if !table.entries().iter().any(|entry| entry.id == channel) {
            return Err(unknown_channel(channel.0.into()));
        }
        let none = || Failure::new(TME_ERROR_NO_FIGURES);
        let figures = server.handle.channel_statistics(peer, channel).ok_or_else(none)?;
        write_struct(&TmeChannelStatistics::from(&figures), statistics, struct_size)
    })
}

/// What may be sent to a peer now, and how long a message on one channel would wait: what was given to the send functions
/// counts, whether it has left or not.
///
/// Parameters: `budget` of `struct_size` bytes, which must be `sizeof *budget`.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_POISONED; TME_ERROR_NULL;
/// TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_send_budget(
    server: *const TmeServer,
    peer: TmePeer,
    channel: u32,
    budget: *mut TmeSendBudget,
    struct_size: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let channel = channel_id(channel)?;
        let of_all = server.handle.send_budget(peer).ok_or_else(|| unknown(peer))?;
        let no_such = || unknown_channel(channel.0.into());
        let of_channel = TmeSendBudget::of(&of_all, channel).ok_or_else(no_such)?;
        write_struct(&of_channel, budget, struct_size)
    })
}
