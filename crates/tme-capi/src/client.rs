//! Client: connects to one server and talks to it.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::time::Duration;

use tme::{ChannelId, Client, ClientBuilder, ClientHandle, Error, SendError};

use crate::boundary::{
    Kind, Owner, destroy, enter, guard, input_bytes, input_text, must_not_be_null, output_text, put,
    required_text, write_struct,
};
use crate::channel::{channel_id, send_failure, unknown_channel};
use crate::clock::TmeServerTime;
use crate::conditions::{TmeConditions, direction, read_conditions};
use crate::event::TmeEvent;
use crate::failure::{Failure, Outcome};
use crate::message::{TmeMessage, hand_over};
use crate::peer_info::TmePeerInfo;
use crate::pump::Pump;
use crate::result::{
    TME_ERROR_NO_FIGURES, TME_ERROR_NOT_CONNECTED, TME_ERROR_UNKNOWN_CHANNEL, TME_OK, TmeResult,
};
use crate::server::{detail, rate_cap};
use crate::settings::{Plan, SendSettings, TmeClientConfig, TmeSendOptions, local_address, read_client};
use crate::statistics::{
    TmeChannelStatistics, TmeConditionStatistics, TmeEngineStatistics, TmePeerStatistics, TmeSendBudget,
};

/// A client. Made by tme_client_create or tme_client_create_echo, ended by tme_client_destroy.
pub struct TmeClient {
    _opaque: [u8; 0],
}

/// What stands behind a `TmeClient`.
pub(crate) struct Guest {
    handle: ClientHandle,
    pump: Pump<Client>,
}

impl Kind for Guest {
    type Public = TmeClient;
    const MAGIC: u64 = u64::from_ne_bytes(*b"TmeClint");
    const NAME: &'static str = "the pointer is not a TmeClient";
}

fn not_connected() -> Failure {
    Failure::with(
        TME_ERROR_NOT_CONNECTED,
        "the client is not connected: wait for TME_EVENT_CONNECTED, after TME_EVENT_DISCONNECTED make a new one",
    )
}

/// Starts a client. Whether the server answers is told by TME_EVENT_CONNECTED or TME_EVENT_DISCONNECTED.
///
/// Parameters: `config`, NULL for all defaults; `client` gets the client.
/// Ownership: the caller's, until tme_client_destroy. What `config` points to is copied.
/// Returns: TME_OK; TME_ERROR_ADDRESS; TME_ERROR_BIND; TME_ERROR_CHANNELS; TME_ERROR_KEY; TME_ERROR_TOKEN_TEXT;
/// TME_ERROR_FILE; TME_ERROR_CONFIG; TME_ERROR_SYSTEM; TME_ERROR_NULL; TME_ERROR_UTF8; TME_ERROR_FLAGS; TME_ERROR_ENUM; TME_ERROR_ARGUMENT;
/// TME_ERROR_LENGTH; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_create(
    config: *const TmeClientConfig,
    client: *mut *mut TmeClient,
) -> TmeResult {
    create(config, client, |plan| {
        if plan.is_threaded { plan.builder.start_threaded() } else { plan.builder.start() }
    })
}

/// Starts a client that needs no server: every message it sends comes back on the same channel with the same key.
///
/// For tests of bindings and for single-player modes: everything else is as with a real server, network conditions included.
///
/// Parameters: as tme_client_create; `address`, `server_key` and `known_hosts` do not matter.
/// Ownership: the caller's, until tme_client_destroy.
/// Returns: as tme_client_create.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_create_echo(
    config: *const TmeClientConfig,
    client: *mut *mut TmeClient,
) -> TmeResult {
    create(config, client, |plan| {
        if plan.is_threaded { plan.builder.start_echo_threaded() } else { plan.builder.start_echo() }
    })
}

unsafe fn create(
    config: *const TmeClientConfig,
    client: *mut *mut TmeClient,
    start: impl FnOnce(Plan<ClientBuilder>) -> Result<Client, Error>,
) -> TmeResult {
    put(client, null_mut());
    guard(|| {
        must_not_be_null(client, "there is no place for the client")?;
        let plan = match config.is_null() {
            true => Plan::new(Client::builder()),
            false => read_client(config)?,
        };
        let retained_max = plan.retained_max;
        let started = start(plan)?;
        let guest = Guest { handle: started.handle(), pump: Pump::new(started, retained_max)? };
        put(client, Owner::into_handle(guest));
        Ok(TME_OK)
    })
}

/// Ends a client. Its connection ends at once; tme_client_close before it does so politely.
///
/// Parameters: `client`; NULL does nothing. Retained messages stay.
/// Returns: TME_OK; TME_ERROR_HANDLE.
/// Threads: any, when no other call on the client is running or will come.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_destroy(client: *mut TmeClient) -> TmeResult {
    destroy::<Guest>(client)
}

/// Waits for news, at most the time given. Inline, all input and output happens here.
///
/// Parameters: `timeout_ms`; 0 does not wait. Returns early with events, or after tme_client_wake.
/// Returns: TME_OK; TME_ERROR_FILE if the server's key could not be remembered (the connection goes on); TME_ERROR_BUSY;
/// TME_ERROR_CLOSED; TME_ERROR_WAIT; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL;
/// TME_ERROR_HANDLE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_update(client: *mut TmeClient, timeout_ms: u32) -> TmeResult {
    enter(client, |guest: &Guest| guest.pump.update(timeout_ms))
}

/// Takes the oldest events.
///
/// Parameters: `events`, an array of `capacity`; `count` gets how many were taken, at most 4,096. 0 with TME_OK: none
/// waits. The data of events taken earlier ends here.
/// Returns: TME_OK; TME_ERROR_FILE if the server's key could not be remembered (once, at a threaded client that is not
/// updated; the connection goes on, and the next call takes the events); TME_ERROR_BUSY; TME_ERROR_CLOSED after close,
/// when all were taken; TME_ERROR_WAIT; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
/// TME_ERROR_LENGTH if the array is not aligned.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_poll(
    client: *mut TmeClient,
    events: *mut TmeEvent,
    capacity: u32,
    count: *mut u32,
) -> TmeResult {
    put(count, 0);
    enter(client, |guest: &Guest| guest.pump.poll(events, capacity, count))
}

/// Sends what is queued now instead of with the next update.
///
/// Returns: TME_OK; TME_ERROR_CLOSED; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_flush(client: *mut TmeClient) -> TmeResult {
    enter(client, |guest: &Guest| guest.pump.flush(|| guest.handle.flush()))
}

/// Makes a waiting tme_client_update return.
///
/// Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_wake(client: *mut TmeClient) -> TmeResult {
    enter(client, |guest: &Guest| {
        guest.handle.wake();
        Ok(TME_OK)
    })
}

/// Ends the connection after what is queued reliably went through.
///
/// Parameters: `patience_ms`, the longest that takes. Events of the last moments can still be polled.
/// Returns: TME_OK, also the second time; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_close(client: *mut TmeClient, patience_ms: u32) -> TmeResult {
    enter(client, |guest: &Guest| {
        guest.pump.close(|client| client.close(Duration::from_millis(u64::from(patience_ms))))
    })
}

/// Queues a message for the server. The bytes are copied.
///
/// Parameters: `channel`, an id; `data` of `length` bytes; `flags`, 0 or TME_SEND_FLUSH.
/// Returns: TME_OK; TME_ERROR_WOULD_BLOCK, then TME_EVENT_WRITABLE follows; TME_ERROR_NOT_CONNECTED;
/// TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_TOO_LARGE; TME_ERROR_TOO_MANY_KEYS on a reliable-latest channel, where this is key
/// 0; TME_ERROR_FLAGS; TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_send(
    client: *mut TmeClient,
    channel: u32,
    data: *const c_void,
    length: usize,
    flags: u32,
) -> TmeResult {
    enter(client, |guest: &Guest| {
        let settings = SendSettings::from_flags(flags)?;
        send(guest, channel, input_bytes(data, length)?, &settings)
    })
}

/// Queues a message for the server, with options. The bytes are copied.
///
/// Parameters: as tme_client_send; `options`, NULL for none.
/// Returns: as tme_client_send; TME_ERROR_KEY_NOT_ALLOWED; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_send_with(
    client: *mut TmeClient,
    channel: u32,
    data: *const c_void,
    length: usize,
    options: *const TmeSendOptions,
) -> TmeResult {
    enter(client, |guest: &Guest| {
        let settings = SendSettings::read(options)?;
        send(guest, channel, input_bytes(data, length)?, &settings)
    })
}

/// Hands a message over for the server, without a copy.
///
/// Parameters: `message`; the others as tme_client_send_with.
/// Ownership: on success the message is the library's; on failure it is still the caller's, but no longer writable.
/// Returns: as tme_client_send_with.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_send_message(
    client: *mut TmeClient,
    channel: u32,
    message: *mut TmeMessage,
    options: *const TmeSendOptions,
) -> TmeResult {
    enter(client, |guest: &Guest| {
        let settings = SendSettings::read(options)?;
        hand_over(message, |payload| send(guest, channel, payload, &settings))
    })
}

#[cold]
fn client_send_failure(channel: ChannelId, error: SendError) -> Failure {
    match error {
        SendError::NotConnected => not_connected(),
        error => send_failure(channel, error),
    }
}

#[inline]
fn send<'m>(
    guest: &Guest,
    channel: u32,
    message: impl Into<tme::MessageBytes<'m>>,
    settings: &SendSettings,
) -> Outcome {
    let channel = channel_id(channel)?;
    guest
        .handle
        .send_with(channel, message, settings.options)
        .map_err(|error| client_send_failure(channel, error))?;
    Ok(TME_OK)
}

/// Tells whether the server is connected. Compare with 1: what is not a client is neither.
///
/// Returns: 1 if it is, 0 if not, also for a poisoned client; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_is_connected(client: *const TmeClient) -> i32 {
    let mut is_connected = false;
    let result = enter(client, |guest: &Guest| {
        is_connected = guest.handle.is_connected();
        Ok(TME_OK)
    });
    match result {
        TME_OK | crate::result::TME_ERROR_POISONED => i32::from(is_connected),
        error => error,
    }
}

/// Tells who the server is: its id, address and key; the number is the client's own.
///
/// Parameters: `info` of `struct_size` bytes, which must be `sizeof *info`.
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_server_info(
    client: *const TmeClient,
    info: *mut TmePeerInfo,
    struct_size: usize,
) -> TmeResult {
    enter(client, |guest: &Guest| {
        let found = guest.handle.server_info().ok_or_else(not_connected)?;
        write_struct(&TmePeerInfo::from(&found), info, struct_size)
    })
}

/// Finds a channel by its name, for clients that take the server's table.
///
/// Parameters: `name`; `channel` gets the id.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_CHANNEL; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL;
/// TME_ERROR_HANDLE; TME_ERROR_UTF8.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_channel_by_name(
    client: *const TmeClient,
    name: *const c_char,
    channel: *mut u32,
) -> TmeResult {
    put(channel, 0);
    enter(client, |guest: &Guest| {
        must_not_be_null(channel, "there is no place for the channel")?;
        let name = required_text(name, "the name is NULL")?;
        let table = guest.handle.channels().ok_or_else(not_connected)?;
        let entry = table.entries().iter().find(|entry| entry.name == name);
        let unknown =
            || Failure::text(TME_ERROR_UNKNOWN_CHANNEL, format_args!("no channel is called {name:?}"));
        put(channel, u32::from(entry.ok_or_else(unknown)?.id.0));
        Ok(TME_OK)
    })
}

/// Ends the connection after queued reliable messages went through, for at most 3 s, with a code and bytes of the game's own.
///
/// TME_EVENT_DISCONNECTED follows.
///
/// Parameters: `code`; `detail` of `length` bytes, at most 512. The server finds them in its TME_EVENT_DISCONNECTED.
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_TOO_LARGE; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_disconnect(
    client: *mut TmeClient,
    code: u32,
    detail: *const c_void,
    length: usize,
) -> TmeResult {
    enter(client, |guest: &Guest| {
        let detail = self::detail("detail", detail, length)?;
        if guest.handle.disconnect(code, detail) { Ok(TME_OK) } else { Err(not_connected()) }
    })
}

/// The server's time, and how far that can be trusted. Of one reading after the other none is earlier, on any thread, once it is
/// synchronised and until TME_EVENT_CLOCK tells of a step.
///
/// Parameters: `time` of `struct_size` bytes, which must be `sizeof *time`.
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_NO_FIGURES before the first answer, also if nothing asked
/// (tme_client_synchronise_clock, TME_CONFIG_CLOCK); TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
/// TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_server_time(
    client: *const TmeClient,
    time: *mut TmeServerTime,
    struct_size: usize,
) -> TmeResult {
    enter(client, |guest: &Guest| {
        if !guest.handle.is_connected() {
            return Err(not_connected());
        }
        let none = || Failure::new(TME_ERROR_NO_FIGURES);
        let shown = guest.handle.server_time().ok_or_else(none)?;
        write_struct(&TmeServerTime::from(&shown), time, struct_size)
    })
}

/// Begins to ask for the server's time: ten times a second for 3 s, then once a second; some 90 bytes a second both ways
/// together. Called again, it asks often again for 3 s. TME_EVENT_CLOCK tells when the time is known.
///
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_synchronise_clock(client: *mut TmeClient) -> TmeResult {
    enter(
        client,
        |guest: &Guest| {
            if guest.handle.synchronise_clock() { Ok(TME_OK) } else { Err(not_connected()) }
        },
    )
}

/// Goes on through another socket, as after a change of the network: the session lives on, with all that is queued.
///
/// A client whose socket has broken, or through which nothing could be sent for a second, does this by itself.
///
/// Parameters: `address`, local address and port to send from; NULL for any port.
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED before TME_EVENT_CONNECTED; TME_ERROR_BIND; TME_ERROR_CONFIG where an address cannot
/// change: in plaintext, where nobody can prove to be the same, and at an echo client; TME_ERROR_ADDRESS; TME_ERROR_UTF8;
/// TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE. On failure nothing has changed.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_rebind(client: *mut TmeClient, address: *const c_char) -> TmeResult {
    enter(client, |guest: &Guest| {
        match input_text(address)? {
            None => guest.handle.rebind()?,
            Some(text) => guest.handle.rebind_to(local_address(text)?)?,
        };
        Ok(TME_OK)
    })
}

/// Sets how much may leave for the server.
///
/// Parameters: `bytes_per_second` of UDP payload; less than 1,200 counts as 1,200, and 0 leaves it to the path.
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_set_rate_cap(client: *mut TmeClient, bytes_per_second: u64) -> TmeResult {
    enter(client, |guest: &Guest| {
        let is_connected = guest.handle.set_rate_cap(rate_cap(bytes_per_second));
        if is_connected { Ok(TME_OK) } else { Err(not_connected()) }
    })
}

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
    enter(client, |guest: &Guest| {
        let figures = guest.handle.statistics().ok_or_else(not_connected)?;
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
    enter(client, |guest: &Guest| {
        let channel = channel_id(channel)?;
        let table = guest.handle.channels().ok_or_else(not_connected)?;
        if !table.entries().iter().any(|entry| entry.id == channel) {
            return Err(unknown_channel(channel.0.into()));
        }
        let none = || Failure::new(TME_ERROR_NO_FIGURES);
        let figures = guest.handle.channel_statistics(channel).ok_or_else(none)?;
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
    enter(client, |guest: &Guest| {
        let channel = channel_id(channel)?;
        let of_all = guest.handle.send_budget().ok_or_else(not_connected)?;
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
    enter(client, |guest: &Guest| {
        write_struct(&TmeEngineStatistics::from(&guest.handle.engine_statistics()), statistics, struct_size)
    })
}

/// Switches modelled network conditions on, changes them, or off. They end with the connection.
///
/// Parameters: `direction`, TME_DIRECTION_…; `conditions`, NULL to switch off.
/// Returns: TME_OK; TME_ERROR_CONDITIONS; TME_ERROR_NOT_CONNECTED; TME_ERROR_ENUM; TME_ERROR_FLAGS; TME_ERROR_POISONED;
/// TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_set_conditions(
    client: *mut TmeClient,
    direction: u32,
    conditions: *const TmeConditions,
) -> TmeResult {
    enter(client, |guest: &Guest| {
        let direction = self::direction(direction)?;
        let conditions = read_conditions(conditions)?;
        if !guest.handle.is_connected() {
            return Err(not_connected());
        }
        guest.handle.set_conditions(direction, conditions)?;
        Ok(TME_OK)
    })
}

/// What modelled network conditions have done.
///
/// Parameters: `direction`, TME_DIRECTION_…; `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_NO_FIGURES while none are switched on; TME_ERROR_NOT_CONNECTED; TME_ERROR_ENUM;
/// TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_condition_statistics(
    client: *const TmeClient,
    direction: u32,
    statistics: *mut TmeConditionStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(client, |guest: &Guest| {
        let direction = self::direction(direction)?;
        if !guest.handle.is_connected() {
            return Err(not_connected());
        }
        let none = || {
            let text = "no network conditions are on in this direction, or only just";
            Failure::with(TME_ERROR_NO_FIGURES, text)
        };
        let figures = guest.handle.condition_statistics(direction).ok_or_else(none)?;
        write_struct(&TmeConditionStatistics::from(&figures), statistics, struct_size)
    })
}

/// The address the client sends from.
///
/// Parameters: `buffer` of `capacity` bytes gets the text; `needed` (may be NULL) gets the bytes it takes with its NUL.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_local_address(
    client: *const TmeClient,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    put(needed, 0);
    enter(client, |guest: &Guest| {
        output_text(&guest.handle.local_addr().to_string(), buffer, capacity, needed)
    })
}

/// The port the client sends from.
///
/// Returns: the port; 0 if `client` is not a client, or poisoned.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_port(client: *const TmeClient) -> u16 {
    let mut port = 0;
    enter(client, |guest: &Guest| {
        port = guest.handle.local_addr().port();
        Ok(TME_OK)
    });
    port
}
