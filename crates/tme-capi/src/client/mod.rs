//! Client: connects to one server.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::time::Duration;

use tme::{Client, ClientBuilder, ClientHandle, Error};

use crate::added::{added_bytes, rate_cap};
use crate::boundary::{
    Kind, Owner, destroy, enter, guard, input_text, must_not_be_null, output_text, put, required_text,
    write_struct,
};
use crate::event::TmeEvent;
use crate::failure::Failure;
use crate::link::link_number;
use crate::peer_info::TmePeerInfo;
use crate::pump::Pump;
use crate::result::{
    TME_ERROR_NOT_CONNECTED, TME_ERROR_POISONED, TME_ERROR_TOO_LARGE, TME_ERROR_UNKNOWN_CHANNEL, TME_OK,
    TmeResult,
};
use crate::settings::{Plan, TmeClientConfig, local_address, read_client};

mod clock;
mod conditions;
mod figures;
mod send;

pub use clock::*;
pub use conditions::*;
pub use figures::*;
pub use send::*;

/// A client. Made by tme_client_create or tme_client_create_echo, ended by tme_client_destroy.
pub struct TmeClient {
    _opaque: [u8; 0],
}

/// What stands behind a `TmeClient`.
pub(crate) struct ClientInner {
    handle: ClientHandle,
    pump: Pump<Client>,
}

impl Kind for ClientInner {
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
/// Parameters: as tme_client_create; `address`, `server_key`, `known_hosts` and those of TLS do not matter.
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
        let inner = ClientInner { handle: started.handle(), pump: Pump::new(started, retained_max)? };
        put(client, Owner::into_handle(inner));
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
    destroy::<ClientInner>(client)
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
    enter(client, |client: &ClientInner| client.pump.update(timeout_ms))
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
    enter(client, |client: &ClientInner| client.pump.poll(events, capacity, count))
}

/// Sends what is queued now instead of with the next update.
///
/// Returns: TME_OK; TME_ERROR_CLOSED; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_flush(client: *mut TmeClient) -> TmeResult {
    enter(client, |client: &ClientInner| client.pump.flush(|| client.handle.flush()))
}

/// Makes a waiting tme_client_update return.
///
/// Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_wake(client: *mut TmeClient) -> TmeResult {
    enter(client, |client: &ClientInner| {
        client.handle.wake();
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
    enter(client, |client: &ClientInner| {
        client.pump.close(|client| client.close(Duration::from_millis(u64::from(patience_ms))))
    })
}

/// Tells whether the server is connected. Compare with 1: what is not a client is neither.
///
/// Returns: 1 if it is, 0 if not, also for a poisoned client; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_is_connected(client: *const TmeClient) -> i32 {
    let mut is_connected = false;
    let result = enter(client, |client: &ClientInner| {
        is_connected = client.handle.is_connected();
        Ok(TME_OK)
    });
    match result {
        TME_OK | TME_ERROR_POISONED => i32::from(is_connected),
        error => error,
    }
}

/// Tells what carries the session at the moment.
///
/// Parameters: `link` gets TME_LINK_UDP, TME_LINK_TCP or TME_LINK_WEBSOCKET; 0 on failure.
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_link(client: *const TmeClient, link: *mut u32) -> TmeResult {
    put(link, 0);
    enter(client, |client: &ClientInner| {
        must_not_be_null(link, "there is no place for the link")?;
        put(link, link_number(client.handle.link().ok_or_else(not_connected)?));
        Ok(TME_OK)
    })
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
    enter(client, |client: &ClientInner| {
        let found = client.handle.server_info().ok_or_else(not_connected)?;
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
    enter(client, |client: &ClientInner| {
        must_not_be_null(channel, "there is no place for the channel")?;
        let name = required_text(name, "the name is NULL")?;
        let table = client.handle.channels().ok_or_else(not_connected)?;
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
    enter(client, |client: &ClientInner| {
        let detail = added_bytes("detail", detail, length, TME_ERROR_TOO_LARGE)?;
        if client.handle.disconnect(code, detail) { Ok(TME_OK) } else { Err(not_connected()) }
    })
}

/// Goes on through another socket, as after a change of the network: the session lives on, with all that is queued.
///
/// A client whose socket has broken, or through which nothing could be sent for a second, does this by itself. Before
/// TME_EVENT_CONNECTED there is no session to keep: destroy a client that is still connecting and create another.
///
/// Parameters: `address`, local address and port to send from; NULL for any port.
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED before TME_EVENT_CONNECTED; TME_ERROR_BIND; TME_ERROR_CONFIG where an address cannot
/// change: in plaintext, where nobody can prove to be the same, and at an echo client; TME_ERROR_ADDRESS; TME_ERROR_UTF8;
/// TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE. On failure nothing has changed.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_rebind(client: *mut TmeClient, address: *const c_char) -> TmeResult {
    enter(client, |client: &ClientInner| {
        match input_text(address)? {
            None => client.handle.rebind()?,
            Some(text) => client.handle.rebind_to(local_address(text)?)?,
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
    enter(client, |client: &ClientInner| {
        let is_connected = client.handle.set_rate_cap(rate_cap(bytes_per_second));
        if is_connected { Ok(TME_OK) } else { Err(not_connected()) }
    })
}

/// The address the client sends datagrams from, also while TCP carries the session.
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
    enter(client, |client: &ClientInner| {
        output_text(&client.handle.local_addr().to_string(), buffer, capacity, needed)
    })
}

/// The port the client sends datagrams from, also while TCP carries the session.
///
/// Returns: the port; 0 if `client` is not a client, or poisoned.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_port(client: *const TmeClient) -> u16 {
    let mut port = 0;
    enter(client, |client: &ClientInner| {
        port = client.handle.local_addr().port();
        Ok(TME_OK)
    });
    port
}
