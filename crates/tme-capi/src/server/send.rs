//! Server: sending to one peer, to several, to all.

use std::ffi::c_void;

use tme::{ChannelId, PeerId, SendError};

use super::{ServerInner, TmeServer, unknown};
use crate::boundary::{enter, input_bytes, input_slice, put};
use crate::channel::{channel_id, send_failure};
use crate::event::TmePeer;
use crate::failure::{Failure, Outcome};
use crate::message::{TmeMessage, hand_over};
use crate::result::{TME_ERROR_NOT_CONNECTED, TME_OK, TME_PARTIAL, TmeResult};
use crate::settings::{SendSettings, TmeSendOptions};
use crate::statistics::TmeBroadcast;

impl ServerInner {
    /// A peer that is leaving is not connected; one that nobody knows is unknown.
    #[cold]
    fn send_failure(&self, peer: PeerId, channel: ChannelId, error: SendError) -> Failure {
        match error {
            SendError::NotConnected if self.handle.peer(peer).is_none() => unknown(peer),
            SendError::NotConnected => {
                Failure::with(TME_ERROR_NOT_CONNECTED, "the peer is being disconnected")
            }
            error => send_failure(channel, error),
        }
    }
}

unsafe fn outcome(
    channel: ChannelId,
    result: Result<tme::Broadcast, SendError>,
    out: *mut TmeBroadcast,
) -> Outcome {
    let broadcast = result.map_err(|error| send_failure(channel, error))?;
    put(out, broadcast.into());
    let is_whole = broadcast.would_block == 0 && broadcast.gone == 0 && broadcast.refused == 0;
    Ok(if is_whole { TME_OK } else { TME_PARTIAL })
}

/// Queues a message for a peer. The bytes are copied.
///
/// Parameters: `peer`; `channel`, an id; `data` of `length` bytes; `flags`, 0 or TME_SEND_FLUSH.
/// Returns: TME_OK; TME_ERROR_WOULD_BLOCK, then TME_EVENT_WRITABLE follows; TME_ERROR_UNKNOWN_PEER; TME_ERROR_NOT_CONNECTED
/// for a peer that is being disconnected; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_TOO_LARGE; TME_ERROR_TOO_MANY_KEYS on a
/// reliable-latest channel, where this is key 0; TME_ERROR_FLAGS; TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL;
/// TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_send(
    server: *mut TmeServer,
    peer: TmePeer,
    channel: u32,
    data: *const c_void,
    length: usize,
    flags: u32,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let settings = SendSettings::from_flags(flags)?;
        send(server, peer, channel, input_bytes(data, length)?, &settings)
    })
}

/// Queues a message for a peer, with options. The bytes are copied.
///
/// Parameters: as tme_server_send; `options`, NULL for none.
/// Returns: as tme_server_send; TME_ERROR_KEY_NOT_ALLOWED; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_send_with(
    server: *mut TmeServer,
    peer: TmePeer,
    channel: u32,
    data: *const c_void,
    length: usize,
    options: *const TmeSendOptions,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let settings = SendSettings::read(options)?;
        send(server, peer, channel, input_bytes(data, length)?, &settings)
    })
}

/// Hands a message over for a peer, without a copy.
///
/// Parameters: `message`; the others as tme_server_send_with.
/// Ownership: on success the message is the library's; on failure it is still the caller's, but no longer writable.
/// Returns: as tme_server_send_with.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_send_message(
    server: *mut TmeServer,
    peer: TmePeer,
    channel: u32,
    message: *mut TmeMessage,
    options: *const TmeSendOptions,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let settings = SendSettings::read(options)?;
        hand_over(message, |payload| send(server, peer, channel, payload, &settings))
    })
}

#[inline]
fn send<'m>(
    server: &ServerInner,
    peer: TmePeer,
    channel: u32,
    message: impl Into<tme::MessageBytes<'m>>,
    settings: &SendSettings,
) -> Outcome {
    let peer = PeerId::from_u64(peer);
    let channel = channel_id(channel)?;
    server
        .handle
        .send_with(peer, channel, message, settings.options)
        .map_err(|error| server.send_failure(peer, channel, error))?;
    Ok(TME_OK)
}

/// Queues a message for every peer; it is stored once.
///
/// Parameters: `channel`, an id; `data` of `length` bytes; `flags`, 0 or TME_SEND_FLUSH; `outcome` (may be NULL) gets counts.
/// Returns: TME_OK if every peer took it, also if there is none; TME_PARTIAL if somebody did not; TME_ERROR_UNKNOWN_CHANNEL;
/// TME_ERROR_TOO_LARGE; TME_ERROR_FLAGS; TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL;
/// TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_broadcast(
    server: *mut TmeServer,
    channel: u32,
    data: *const c_void,
    length: usize,
    flags: u32,
    outcome: *mut TmeBroadcast,
) -> TmeResult {
    put(outcome, TmeBroadcast::default());
    enter(server, |server: &ServerInner| {
        let settings = SendSettings::from_flags(flags)?;
        broadcast(server, channel, input_bytes(data, length)?, &settings, outcome)
    })
}

/// Queues a message for every peer but one.
///
/// Parameters: `except`, a peer, connected or not; the others as tme_server_broadcast.
/// Returns: as tme_server_broadcast.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_broadcast_except(
    server: *mut TmeServer,
    except: TmePeer,
    channel: u32,
    data: *const c_void,
    length: usize,
    flags: u32,
    outcome: *mut TmeBroadcast,
) -> TmeResult {
    put(outcome, TmeBroadcast::default());
    enter(server, |server: &ServerInner| {
        let mut settings = SendSettings::from_flags(flags)?;
        settings.except = Some(PeerId::from_u64(except));
        broadcast(server, channel, input_bytes(data, length)?, &settings, outcome)
    })
}

/// Queues a message for every peer, with options: a key, and whom to leave out.
///
/// Parameters: `options`, NULL for none; the others as tme_server_broadcast.
/// Returns: as tme_server_broadcast; TME_ERROR_KEY_NOT_ALLOWED; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_broadcast_with(
    server: *mut TmeServer,
    channel: u32,
    data: *const c_void,
    length: usize,
    options: *const TmeSendOptions,
    outcome: *mut TmeBroadcast,
) -> TmeResult {
    put(outcome, TmeBroadcast::default());
    enter(server, |server: &ServerInner| {
        let settings = SendSettings::read(options)?;
        broadcast(server, channel, input_bytes(data, length)?, &settings, outcome)
    })
}

/// Hands a message over for every peer, without a copy.
///
/// Parameters: `message`; the others as tme_server_broadcast_with.
/// Ownership: on success, TME_PARTIAL included, the message is the library's; on failure it is still the caller's, but no
/// longer writable.
/// Returns: as tme_server_broadcast_with.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_broadcast_message(
    server: *mut TmeServer,
    channel: u32,
    message: *mut TmeMessage,
    options: *const TmeSendOptions,
    outcome: *mut TmeBroadcast,
) -> TmeResult {
    put(outcome, TmeBroadcast::default());
    enter(server, |server: &ServerInner| {
        let settings = SendSettings::read(options)?;
        hand_over(message, |payload| broadcast(server, channel, payload, &settings, outcome))
    })
}

unsafe fn broadcast<'m>(
    server: &ServerInner,
    channel: u32,
    message: impl Into<tme::MessageBytes<'m>>,
    settings: &SendSettings,
    out: *mut TmeBroadcast,
) -> Outcome {
    let channel = channel_id(channel)?;
    outcome(channel, server.handle.broadcast_with(settings.except, channel, message, settings.options), out)
}

/// Queues a message for the peers named; it is stored once.
///
/// Parameters: `peers`, an array of `peer_count`; `options`, NULL for none; the others as tme_server_broadcast. An id that
/// names nobody is counted in `outcome`; a peer that is named twice gets the message twice.
/// Returns: as tme_server_broadcast_with.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_multicast(
    server: *mut TmeServer,
    peers: *const TmePeer,
    peer_count: u32,
    channel: u32,
    data: *const c_void,
    length: usize,
    options: *const TmeSendOptions,
    outcome: *mut TmeBroadcast,
) -> TmeResult {
    put(outcome, TmeBroadcast::default());
    enter(server, |server: &ServerInner| {
        let settings = SendSettings::read(options)?;
        let channel = channel_id(channel)?;
        let bytes = input_bytes(data, length)?;
        let peers = input_slice(peers, peer_count as usize)?.iter().map(|&peer| PeerId::from_u64(peer));
        let peers = peers.filter(|&peer| settings.except != Some(peer));
        let result = server.handle.multicast_with(peers, channel, bytes, settings.options);
        self::outcome(channel, result, outcome)
    })
}
