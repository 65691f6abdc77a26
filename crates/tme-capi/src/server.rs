//! Server: listens, admits peers, talks to them.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::time::Duration;

use tme::{ChannelId, PeerId, SendError, Server, ServerHandle};

use crate::boundary::{
    Kind, Owner, destroy, enter, guard, input_bytes, input_slice, must_not_be_null, output_text, put,
    write_struct,
};
use crate::channel::{channel_id, send_failure, unknown_channel};
use crate::clock::TmeServerTime;
use crate::conditions::{TmeConditions, direction, read_conditions};
use crate::event::{TmeEvent, TmePeer};
use crate::failure::{Failure, Outcome};
use crate::message::{TmeMessage, hand_over};
use crate::peer_info::TmePeerInfo;
use crate::pump::Pump;
use crate::result::{
    TME_ERROR_BUFFER_TOO_SMALL, TME_ERROR_NO_FIGURES, TME_ERROR_NOT_CONNECTED, TME_ERROR_TOO_LARGE,
    TME_ERROR_UNKNOWN_PEER, TME_OK, TME_PARTIAL, TmeResult,
};
use crate::settings::{Plan, SendSettings, TmeSendOptions, TmeServerConfig, read_server};
use crate::statistics::{
    TmeBroadcast, TmeChannelStatistics, TmeConditionStatistics, TmeEngineStatistics, TmePeerStatistics,
    TmeSendBudget,
};

/// A server. Made by tme_server_create, ended by tme_server_destroy.
pub struct TmeServer {
    _opaque: [u8; 0],
}

/// What stands behind a `TmeServer`.
pub(crate) struct Host {
    pub handle: ServerHandle,
    pump: Pump<Server>,
    port: u16,
    address: String,
    public_key: String,
}

impl Kind for Host {
    type Public = TmeServer;
    const MAGIC: u64 = u64::from_ne_bytes(*b"TmeServr");
    const NAME: &'static str = "the pointer is not a TmeServer";
}

/// Most bytes that the game adds to a greeting, a goodbye, or what a server says of itself.
const DETAIL_BYTES_MAX: usize = 512;

/// Such bytes of a caller; `what` they are goes into a failure's text.
pub(crate) unsafe fn detail<'a>(
    what: &str,
    bytes: *const c_void,
    length: usize,
) -> Result<&'a [u8], Failure> {
    if length > DETAIL_BYTES_MAX {
        let text = format_args!("{what} of {length} bytes exceeds the limit of {DETAIL_BYTES_MAX}");
        return Err(Failure::text(TME_ERROR_TOO_LARGE, text));
    }
    input_bytes(bytes, length)
}

/// A rate as the engine has it: 0 is none.
pub(crate) fn rate_cap(bytes_per_second: u64) -> Option<u64> {
    (bytes_per_second != 0).then_some(bytes_per_second)
}

impl Host {
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

#[cold]
fn unknown(peer: PeerId) -> Failure {
    Failure::text(TME_ERROR_UNKNOWN_PEER, format_args!("{peer} is not connected, any more or yet"))
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

/// Starts a server.
///
/// Parameters: `config`, NULL for all defaults; `server` gets the server.
/// Ownership: the caller's, until tme_server_destroy. What `config` points to is copied.
/// Returns: TME_OK; TME_ERROR_ADDRESS; TME_ERROR_BIND; TME_ERROR_CHANNELS; TME_ERROR_KEY; TME_ERROR_TOKEN;
/// TME_ERROR_FILE; TME_ERROR_CONFIG; TME_ERROR_SYSTEM; TME_ERROR_NULL; TME_ERROR_UTF8; TME_ERROR_FLAGS; TME_ERROR_ENUM; TME_ERROR_ARGUMENT;
/// TME_ERROR_LENGTH; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_create(
    config: *const TmeServerConfig,
    server: *mut *mut TmeServer,
) -> TmeResult {
    put(server, null_mut());
    guard(|| {
        must_not_be_null(server, "there is no place for the server")?;
        let plan = match config.is_null() {
            true => Plan::new(Server::builder()),
            false => read_server(config)?,
        };
        let started = if plan.is_threaded { plan.builder.start_threaded() } else { plan.builder.start() }?;
        let host = Host {
            handle: started.handle(),
            port: started.local_addr().port(),
            address: started.local_addr().to_string(),
            public_key: started.public_key().to_string(),
            pump: Pump::new(started, plan.retained_max)?,
        };
        put(server, Owner::into_handle(host));
        Ok(TME_OK)
    })
}

/// Ends a server. Its connections end at once, with TME_REASON_CLOSED; tme_server_shutdown before it does so politely, with
/// TME_REASON_SHUTDOWN.
///
/// Parameters: `server`; NULL does nothing. Retained messages stay.
/// Returns: TME_OK; TME_ERROR_HANDLE.
/// Threads: any, when no other call on the server is running or will come.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_destroy(server: *mut TmeServer) -> TmeResult {
    destroy::<Host>(server)
}

/// Waits for news, at most the time given. Inline, all input and output happens here.
///
/// Parameters: `timeout_ms`; 0 does not wait. Returns early with events, or after tme_server_wake.
/// Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_CLOSED; TME_ERROR_WAIT; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL;
/// TME_ERROR_HANDLE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_update(server: *mut TmeServer, timeout_ms: u32) -> TmeResult {
    enter(server, |host: &Host| host.pump.update(timeout_ms))
}

/// Takes the oldest events.
///
/// Parameters: `events`, an array of `capacity`; `count` gets how many were taken, at most 4,096. 0 with TME_OK: none
/// waits. The data of events taken earlier ends here.
/// Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_CLOSED after shutdown, when all were taken; TME_ERROR_WAIT; TME_ERROR_SOCKET;
/// TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_LENGTH if the array is not aligned.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_poll(
    server: *mut TmeServer,
    events: *mut TmeEvent,
    capacity: u32,
    count: *mut u32,
) -> TmeResult {
    put(count, 0);
    enter(server, |host: &Host| host.pump.poll(events, capacity, count))
}

/// Sends what is queued now instead of with the next update.
///
/// Returns: TME_OK; TME_ERROR_CLOSED; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_flush(server: *mut TmeServer) -> TmeResult {
    enter(server, |host: &Host| host.pump.flush(|| host.handle.flush()))
}

/// Makes a waiting tme_server_update return.
///
/// Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_wake(server: *mut TmeServer) -> TmeResult {
    enter(server, |host: &Host| {
        host.handle.wake();
        Ok(TME_OK)
    })
}

/// Tells every client that the server shuts down, after what is queued reliably went through.
///
/// Parameters: `patience_ms`, the longest that takes. Events of the last moments can still be polled.
/// Returns: TME_OK, also the second time; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_shutdown(server: *mut TmeServer, patience_ms: u32) -> TmeResult {
    enter(server, |host: &Host| {
        host.pump.close(|server| server.shutdown(Duration::from_millis(u64::from(patience_ms))))
    })
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
    enter(server, |host: &Host| {
        let settings = SendSettings::from_flags(flags)?;
        send(host, peer, channel, input_bytes(data, length)?, &settings)
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
    enter(server, |host: &Host| {
        let settings = SendSettings::read(options)?;
        send(host, peer, channel, input_bytes(data, length)?, &settings)
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
    enter(server, |host: &Host| {
        let settings = SendSettings::read(options)?;
        hand_over(message, |payload| send(host, peer, channel, payload, &settings))
    })
}

#[inline]
fn send<'m>(
    host: &Host,
    peer: TmePeer,
    channel: u32,
    message: impl Into<tme::MessageBytes<'m>>,
    settings: &SendSettings,
) -> Outcome {
    let peer = PeerId::from_u64(peer);
    let channel = channel_id(channel)?;
    host.handle
        .send_with(peer, channel, message, settings.options)
        .map_err(|error| host.send_failure(peer, channel, error))?;
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
    enter(server, |host: &Host| {
        let settings = SendSettings::from_flags(flags)?;
        broadcast(host, channel, input_bytes(data, length)?, &settings, outcome)
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
    enter(server, |host: &Host| {
        let mut settings = SendSettings::from_flags(flags)?;
        settings.except = Some(PeerId::from_u64(except));
        broadcast(host, channel, input_bytes(data, length)?, &settings, outcome)
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
    enter(server, |host: &Host| {
        let settings = SendSettings::read(options)?;
        broadcast(host, channel, input_bytes(data, length)?, &settings, outcome)
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
    enter(server, |host: &Host| {
        let settings = SendSettings::read(options)?;
        hand_over(message, |payload| broadcast(host, channel, payload, &settings, outcome))
    })
}

unsafe fn broadcast<'m>(
    host: &Host,
    channel: u32,
    message: impl Into<tme::MessageBytes<'m>>,
    settings: &SendSettings,
    out: *mut TmeBroadcast,
) -> Outcome {
    let channel = channel_id(channel)?;
    outcome(channel, host.handle.broadcast_with(settings.except, channel, message, settings.options), out)
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
    enter(server, |host: &Host| {
        let settings = SendSettings::read(options)?;
        let channel = channel_id(channel)?;
        let bytes = input_bytes(data, length)?;
        let peers = input_slice(peers, peer_count as usize)?.iter().map(|&peer| PeerId::from_u64(peer));
        let peers = peers.filter(|&peer| settings.except != Some(peer));
        let result = host.handle.multicast_with(peers, channel, bytes, settings.options);
        self::outcome(channel, result, outcome)
    })
}

/// Ends the connection to a peer after its queued reliable messages went through, for at most 3 s.
///
/// TME_EVENT_DISCONNECTED follows.
///
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_disconnect(server: *mut TmeServer, peer: TmePeer) -> TmeResult {
    enter(server, |host: &Host| {
        let peer = PeerId::from_u64(peer);
        if host.handle.disconnect(peer) { Ok(TME_OK) } else { Err(unknown(peer)) }
    })
}

/// Ends the connection to a peer like tme_server_disconnect, with a code and bytes of the game's own.
///
/// Parameters: `code`; `detail` of `length` bytes, at most 512. The client finds them in its TME_EVENT_DISCONNECTED.
/// Returns: as tme_server_disconnect; TME_ERROR_TOO_LARGE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_disconnect_with(
    server: *mut TmeServer,
    peer: TmePeer,
    code: u32,
    detail: *const c_void,
    length: usize,
) -> TmeResult {
    enter(server, |host: &Host| {
        let peer = PeerId::from_u64(peer);
        let detail = self::detail("detail", detail, length)?;
        if host.handle.disconnect_with(peer, code, detail) { Ok(TME_OK) } else { Err(unknown(peer)) }
    })
}

/// Throws a peer out at once, with a code and bytes of the game's own. Nothing it sends is taken any more.
///
/// TME_EVENT_DISCONNECTED follows when the client has acknowledged, or some 5 s later; until then the peer is listed and
/// sends to it get TME_ERROR_NOT_CONNECTED.
///
/// Parameters: as tme_server_disconnect_with.
/// Returns: as tme_server_disconnect_with.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_kick(
    server: *mut TmeServer,
    peer: TmePeer,
    code: u32,
    detail: *const c_void,
    length: usize,
) -> TmeResult {
    enter(server, |host: &Host| {
        let peer = PeerId::from_u64(peer);
        let detail = self::detail("detail", detail, length)?;
        if host.handle.kick(peer, code, detail) { Ok(TME_OK) } else { Err(unknown(peer)) }
    })
}

/// Sets how much may leave for a peer.
///
/// Parameters: `bytes_per_second` of UDP payload; less than 1,200 counts as 1,200, and 0 leaves it to the path.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_set_rate_cap(
    server: *mut TmeServer,
    peer: TmePeer,
    bytes_per_second: u64,
) -> TmeResult {
    enter(server, |host: &Host| {
        let peer = PeerId::from_u64(peer);
        let is_known = host.handle.set_rate_cap(peer, rate_cap(bytes_per_second));
        if is_known { Ok(TME_OK) } else { Err(unknown(peer)) }
    })
}

/// Changes what the game tells those who only ask what this server is.
///
/// Parameters: `information` of `length` bytes, at most 512. Anybody can read it.
/// Returns: TME_OK; TME_ERROR_TOO_LARGE; TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_set_information(
    server: *mut TmeServer,
    information: *const c_void,
    length: usize,
) -> TmeResult {
    enter(server, |host: &Host| {
        host.handle.set_information(detail("information", information, length)?)?;
        Ok(TME_OK)
    })
}

/// Lists the peers that are connected.
///
/// Parameters: `peers`, an array of `capacity`, gets as many ids as fit; `count` gets how many peers there are, also if
/// they do not fit. NULL with capacity 0 asks for the count.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL if there are more; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
/// TME_ERROR_LENGTH.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_peers(
    server: *const TmeServer,
    peers: *mut TmePeer,
    capacity: u32,
    count: *mut u32,
) -> TmeResult {
    put(count, 0);
    enter(server, |host: &Host| {
        must_not_be_null(count, "there is no place for the count")?;
        // Checks the array as any other; nothing is read from it.
        input_slice(peers.cast_const().cast::<std::mem::MaybeUninit<TmePeer>>(), capacity as usize)?;
        let connected = host.handle.peers();
        for (index, info) in connected.iter().take(capacity as usize).enumerate() {
            peers.add(index).write(info.peer.as_u64());
        }
        put(count, u32::try_from(connected.len()).unwrap_or(u32::MAX));
        if connected.len() > capacity as usize {
            let text = format_args!("{} peers, room for {capacity}", connected.len());
            return Err(Failure::text(TME_ERROR_BUFFER_TOO_SMALL, text));
        }
        Ok(TME_OK)
    })
}

/// Tells who a peer is.
///
/// Parameters: `info` of `struct_size` bytes, which must be `sizeof *info`.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_peer_info(
    server: *const TmeServer,
    peer: TmePeer,
    info: *mut TmePeerInfo,
    struct_size: usize,
) -> TmeResult {
    enter(server, |host: &Host| {
        let peer = PeerId::from_u64(peer);
        let found = host.handle.peer(peer).ok_or_else(|| unknown(peer))?;
        write_struct(&TmePeerInfo::from(&found), info, struct_size)
    })
}

/// Finds the peer with a number, for engines whose ids have 32 bits.
///
/// Parameters: `number`; `peer` gets its id, or 0.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_peer_by_number(
    server: *const TmeServer,
    number: u32,
    peer: *mut TmePeer,
) -> TmeResult {
    put(peer, 0);
    enter(server, |host: &Host| {
        must_not_be_null(peer, "there is no place for the peer")?;
        let unknown =
            || Failure::text(TME_ERROR_UNKNOWN_PEER, format_args!("nobody has the number {number}"));
        put(peer, host.handle.peer_by_number(number).ok_or_else(unknown)?.peer.as_u64());
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
    enter(server, |host: &Host| {
        let peer = PeerId::from_u64(peer);
        let figures = host.handle.peer_statistics(peer).ok_or_else(|| unknown(peer))?;
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
    enter(server, |host: &Host| {
        let peer = PeerId::from_u64(peer);
        let channel = channel_id(channel)?;
        let table = host.handle.channels(peer).ok_or_else(|| unknown(peer))?;
        if !table.entries().iter().any(|entry| entry.id == channel) {
            return Err(unknown_channel(channel.0.into()));
        }
        let none = || Failure::new(TME_ERROR_NO_FIGURES);
        let figures = host.handle.channel_statistics(peer, channel).ok_or_else(none)?;
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
    enter(server, |host: &Host| {
        let peer = PeerId::from_u64(peer);
        let channel = channel_id(channel)?;
        let of_all = host.handle.send_budget(peer).ok_or_else(|| unknown(peer))?;
        let no_such = || unknown_channel(channel.0.into());
        let of_channel = TmeSendBudget::of(&of_all, channel).ok_or_else(no_such)?;
        write_struct(&of_channel, budget, struct_size)
    })
}

/// The server's own clock, which read 0 when the server started: what clients estimate by tme_client_server_time. Its errors
/// are 0.
///
/// Parameters: `time` of `struct_size` bytes, which must be `sizeof *time`.
/// Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_time(
    server: *const TmeServer,
    time: *mut TmeServerTime,
    struct_size: usize,
) -> TmeResult {
    enter(server, |host: &Host| write_struct(&TmeServerTime::from(&host.handle.time()), time, struct_size))
}

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
    enter(server, |host: &Host| {
        write_struct(&TmeEngineStatistics::from(&host.handle.statistics()), statistics, struct_size)
    })
}

/// Switches modelled network conditions towards a peer on, changes them, or off. They end with the connection.
///
/// Parameters: `direction`, TME_DIRECTION_…; `conditions`, NULL to switch off.
/// Returns: TME_OK; TME_ERROR_CONDITIONS; TME_ERROR_UNKNOWN_PEER; TME_ERROR_ENUM; TME_ERROR_FLAGS; TME_ERROR_POISONED;
/// TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_set_conditions(
    server: *mut TmeServer,
    peer: TmePeer,
    direction: u32,
    conditions: *const TmeConditions,
) -> TmeResult {
    enter(server, |host: &Host| {
        let direction = self::direction(direction)?;
        let conditions = read_conditions(conditions)?;
        let peer = PeerId::from_u64(peer);
        host.handle.peer(peer).ok_or_else(|| unknown(peer))?;
        host.handle.set_conditions(peer, direction, conditions)?;
        Ok(TME_OK)
    })
}

/// What modelled network conditions towards a peer have done.
///
/// Parameters: `direction`, TME_DIRECTION_…; `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_NO_FIGURES while none are switched on; TME_ERROR_UNKNOWN_PEER; TME_ERROR_ENUM;
/// TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_condition_statistics(
    server: *const TmeServer,
    peer: TmePeer,
    direction: u32,
    statistics: *mut TmeConditionStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(server, |host: &Host| {
        let direction = self::direction(direction)?;
        let peer = PeerId::from_u64(peer);
        host.handle.peer(peer).ok_or_else(|| unknown(peer))?;
        let none = || {
            let text = "no network conditions are on in this direction, or only just";
            Failure::with(TME_ERROR_NO_FIGURES, text)
        };
        let figures = host.handle.condition_statistics(peer, direction).ok_or_else(none)?;
        write_struct(&TmeConditionStatistics::from(&figures), statistics, struct_size)
    })
}

/// The address the server listens on, with the real port if port 0 was asked for.
///
/// Parameters: `buffer` of `capacity` bytes gets the text; `needed` (may be NULL) gets the bytes it takes with its NUL.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_local_address(
    server: *const TmeServer,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    put(needed, 0);
    enter(server, |host: &Host| output_text(&host.address, buffer, capacity, needed))
}

/// The port the server listens on.
///
/// Returns: the port; 0 if `server` is not a server, or poisoned.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_port(server: *const TmeServer) -> u16 {
    let mut port = 0;
    enter(server, |host: &Host| {
        port = host.port;
        Ok(TME_OK)
    });
    port
}

/// The key that clients pin, 64 hexadecimal digits.
///
/// Parameters: `buffer` of `capacity` bytes gets the text; `needed` (may be NULL) gets 65.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_public_key(
    server: *const TmeServer,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    put(needed, 0);
    enter(server, |host: &Host| output_text(&host.public_key, buffer, capacity, needed))
}
