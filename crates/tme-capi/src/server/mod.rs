//! Server: listens and admits peers.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;

use tme::{PeerId, Server, ServerHandle};

use crate::added::added_bytes;
use crate::boundary::{
    Kind, Owner, destroy, enter, guard, must_not_be_null, output_text, put, required_text, write_struct,
};
use crate::clock::TmeServerTime;
use crate::event::TmeEvent;
use crate::failure::Failure;
use crate::pump::Pump;
use crate::result::{TME_ERROR_TOO_LARGE, TME_ERROR_UNKNOWN_PEER, TME_OK, TmeResult};
use crate::settings::{Plan, TmeServerConfig, read_server};

mod conditions;
mod figures;
mod peers;
mod send;
mod shutdown;

pub use conditions::*;
pub use figures::*;
pub use peers::*;
pub use send::*;
pub use shutdown::*;

/// A server. Made by tme_server_create, ended by tme_server_destroy.
pub struct TmeServer {
    _opaque: [u8; 0],
}

/// What stands behind a `TmeServer`.
pub(crate) struct ServerInner {
    pub handle: ServerHandle,
    pump: Pump<Server>,
    port: u16,
    address: String,
    /// 0 and empty: it does not listen for TCP.
    tcp_port: u16,
    tcp_address: String,
    /// 0: it is not found.
    discovery_port: u16,
    public_key: String,
    pub network_threads: u32,
}

impl Kind for ServerInner {
    type Public = TmeServer;
    const MAGIC: u64 = u64::from_ne_bytes(*b"TmeServr");
    const NAME: &'static str = "the pointer is not a TmeServer";
}

#[cold]
pub(crate) fn unknown(peer: PeerId) -> Failure {
    Failure::text(TME_ERROR_UNKNOWN_PEER, format_args!("{peer} is not connected, any more or yet"))
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
        let tcp = started.tcp_addr();
        let inner = ServerInner {
            handle: started.handle(),
            port: started.local_addr().port(),
            address: started.local_addr().to_string(),
            tcp_port: tcp.map_or(0, |address| address.port()),
            tcp_address: tcp.map(|address| address.to_string()).unwrap_or_default(),
            discovery_port: started.discovery_port().unwrap_or(0),
            public_key: started.public_key().to_string(),
            network_threads: u32::try_from(started.network_threads()).unwrap_or(u32::MAX),
            pump: Pump::new(started, plan.retained_max)?,
        };
        put(server, Owner::into_handle(inner));
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
    destroy::<ServerInner>(server)
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
    enter(server, |server: &ServerInner| server.pump.update(timeout_ms))
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
    enter(server, |server: &ServerInner| server.pump.poll(events, capacity, count))
}

/// Sends what is queued now instead of with the next update.
///
/// Returns: TME_OK; TME_ERROR_CLOSED; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_flush(server: *mut TmeServer) -> TmeResult {
    enter(server, |server: &ServerInner| server.pump.flush(|| server.handle.flush()))
}

/// Makes a waiting tme_server_update return.
///
/// Returns: TME_OK; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_wake(server: *mut TmeServer) -> TmeResult {
    enter(server, |server: &ServerInner| {
        server.handle.wake();
        Ok(TME_OK)
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
    enter(server, |server: &ServerInner| output_text(&server.address, buffer, capacity, needed))
}

/// The port the server listens on.
///
/// Returns: the port; 0 if `server` is not a server, or poisoned.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_port(server: *const TmeServer) -> u16 {
    let mut port = 0;
    enter(server, |server: &ServerInner| {
        port = server.port;
        Ok(TME_OK)
    });
    port
}

/// The address the server listens on for TCP, with the real port. Empty if it does not.
///
/// Parameters: `buffer` of `capacity` bytes gets the text; `needed` (may be NULL) gets the bytes it takes with its NUL.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_tcp_address(
    server: *const TmeServer,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    put(needed, 0);
    enter(server, |server: &ServerInner| output_text(&server.tcp_address, buffer, capacity, needed))
}

/// The port the server listens on for TCP.
///
/// Returns: the port; 0 if it does not, or if `server` is not a server, or poisoned.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_tcp_port(server: *const TmeServer) -> u16 {
    let mut port = 0;
    enter(server, |server: &ServerInner| {
        port = server.tcp_port;
        Ok(TME_OK)
    });
    port
}

/// The UDP port at which the server answers those who look for servers.
///
/// Returns: the port; 0 if it does not, or if `server` is not a server, or poisoned.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_discovery_port(server: *const TmeServer) -> u16 {
    let mut port = 0;
    enter(server, |server: &ServerInner| {
        port = server.discovery_port;
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
    enter(server, |server: &ServerInner| output_text(&server.public_key, buffer, capacity, needed))
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
    enter(server, |server: &ServerInner| {
        write_struct(&TmeServerTime::from(&server.handle.time()), time, struct_size)
    })
}

/// Changes the name under which players on the same network find this server. Nothing happens if it is not found at all.
///
/// Parameters: `name`, at most 64 bytes without control characters.
/// Returns: TME_OK; TME_ERROR_CONFIG if it cannot be a name; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
/// TME_ERROR_UTF8.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_set_display_name(
    server: *mut TmeServer,
    name: *const c_char,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        server.handle.set_display_name(required_text(name, "the name is NULL")?)?;
        Ok(TME_OK)
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
    enter(server, |server: &ServerInner| {
        server.handle.set_information(added_bytes(
            "information",
            information,
            length,
            TME_ERROR_TOO_LARGE,
        )?)?;
        Ok(TME_OK)
    })
}
