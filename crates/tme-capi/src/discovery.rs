//! Discoveries: find the servers on one's own network.

use std::ffi::c_char;
use std::mem::{MaybeUninit, size_of};
use std::ptr::{null, null_mut};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tme::discovery::{DISCOVERY_PORT, Discovery, DiscoveryConfig, DiscoveryEvent, FoundServer, no_network};

use crate::boundary::{
    Kind, Owner, Versioned, check_flags, check_reserved, copy_bytes, copy_text, destroy, enter, guard,
    init_struct, input_slice, input_text, must_not_be_null, output_text, put, read_struct, write_struct,
};
use crate::event::{TME_EVENT_FLAG_CHANGED, TME_EVENT_SERVER_FOUND, TME_EVENT_SERVER_LOST, TmeEvent};
use crate::failure::Failure;
use crate::inbox::check_event_room;
use crate::querier::server_flags;
use crate::result::{
    TME_ERROR_BUFFER_TOO_SMALL, TME_ERROR_BUSY, TME_ERROR_UNKNOWN_SERVER, TME_OK, TmeResult,
};
use crate::settings::port;

/// Look for servers on this machine alone: nothing leaves it.
pub const TME_DISCOVERY_THIS_MACHINE: u32 = 1;

/// Most bytes in the name of a server, without its NUL.
pub const TME_DISPLAY_NAME_BYTES_MAX: u32 = 64;

/// Looks for servers. Made by tme_discovery_create, ended by tme_discovery_destroy.
pub struct TmeDiscovery {
    _opaque: [u8; 0],
}

/// What to look for, and where. tme_discovery_config_init fills in the defaults; what is zero takes its default.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeDiscoveryConfig {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// TME_DISCOVERY_…. Default: on all networks of this machine, itself included.
    pub flags: u32,
    /// Name of the game whose servers are looked for, as their configs have it. Default: NULL, servers of all games.
    pub application: *const c_char,
    /// UDP port at which servers are asked; they must have the same. Default 7776.
    pub port: u32,
    /// 0.
    pub reserved: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<TmeDiscoveryConfig>() == 24);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), pointers and numbers only.
unsafe impl Versioned for TmeDiscoveryConfig {
    const FIRST_BYTES: usize = size_of::<Self>();

    fn defaults() -> Self {
        Self { struct_size: 0, flags: 0, application: null(), port: u32::from(DISCOVERY_PORT), reserved: 0 }
    }
}

/// A server that was found, and what it says of itself. Nothing of it is authenticated: anybody on the network may have said it
/// instead. The handshake proves who is there.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeFoundServer {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// TME_SERVER_….
    pub flags: u32,
    /// Names it within this discovery; the token of its events.
    pub id: u64,
    /// Which game it runs: tme_query_application_id of the game's name.
    pub application_id: u64,
    /// Hash of its channel table.
    pub channel_table: u64,
    /// The round trip of the question that was answered.
    pub rtt_us: u64,
    /// Peers connected.
    pub peers: u32,
    /// Most peers at a time.
    pub peers_max: u32,
    /// Where to connect to: address and port.
    pub address: [c_char; 64],
    /// All its addresses that have answered, at most eight, with a space between two; the first is `address`.
    pub addresses: [c_char; 512],
    /// Its name, without control characters.
    pub name: [c_char; 72],
    /// Bytes in `information`, at most 512.
    pub information_bytes: u32,
    /// 0.
    pub reserved: u32,
    /// What the game has added, with a NUL after it where that is text.
    pub information: [u8; 520],
}

const _: () = assert!(size_of::<TmeFoundServer>() == 1_224);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), numbers only.
unsafe impl Versioned for TmeFoundServer {
    const FIRST_BYTES: usize = 1_224;

    fn defaults() -> Self {
        Self {
            struct_size: 0,
            flags: 0,
            id: 0,
            application_id: 0,
            channel_table: 0,
            rtt_us: 0,
            peers: 0,
            peers_max: 0,
            address: [0; 64],
            addresses: [0; 512],
            name: [0; 72],
            information_bytes: 0,
            reserved: 0,
            information: [0; 520],
        }
    }
}

impl From<&FoundServer> for TmeFoundServer {
    fn from(of: &FoundServer) -> Self {
        let mut server = Self {
            flags: server_flags(&of.info),
            id: of.id.as_u64(),
            application_id: of.info.application_id,
            channel_table: of.table_hash,
            rtt_us: u64::try_from(of.info.rtt.as_micros()).unwrap_or(u64::MAX),
            peers: of.info.peers,
            peers_max: of.info.peers_max,
            ..Self::defaults()
        };
        copy_text(of.address().to_string().as_bytes(), &mut server.address);
        // An address has at most 58 bytes, so eight fit.
        let addresses: Vec<_> = of.addresses.iter().map(ToString::to_string).collect();
        copy_text(addresses.join(" ").as_bytes(), &mut server.addresses);
        copy_text(of.name.as_str().as_bytes(), &mut server.name);
        server.information_bytes = copy_bytes(of.info.information.as_bytes(), &mut server.information) as u32;
        server
    }
}

/// What stands behind a `TmeDiscovery`. All of it belongs to one thread at a time.
struct DiscoveryInner {
    state: Mutex<State>,
}

struct State {
    discovery: Discovery,
    /// What the newest poll gave: its events point in here.
    taken: Vec<DiscoveryEvent>,
}

impl Kind for DiscoveryInner {
    type Public = TmeDiscovery;
    const MAGIC: u64 = u64::from_ne_bytes(*b"TmeDscvr");
    const NAME: &'static str = "the pointer is not a TmeDiscovery";
}

impl DiscoveryInner {
    fn enter(&self) -> Result<MutexGuard<'_, State>, Failure> {
        self.state.try_lock().ok_or_else(|| Failure::new(TME_ERROR_BUSY))
    }
}

const fn server_of(event: &DiscoveryEvent) -> &FoundServer {
    match event {
        DiscoveryEvent::Found(server) | DiscoveryEvent::Changed(server) | DiscoveryEvent::Lost(server) => {
            server
        }
    }
}

fn event_of(event: &DiscoveryEvent) -> TmeEvent {
    let (r#type, flags) = match event {
        DiscoveryEvent::Found(_) => (TME_EVENT_SERVER_FOUND, 0),
        DiscoveryEvent::Changed(_) => (TME_EVENT_SERVER_FOUND, TME_EVENT_FLAG_CHANGED),
        DiscoveryEvent::Lost(_) => (TME_EVENT_SERVER_LOST, 0),
    };
    let server = server_of(event);
    let name = server.name.as_str();
    TmeEvent {
        r#type,
        flags,
        peer: 0,
        reason: 0,
        channel: 0,
        token: server.id.as_u64(),
        data: if name.is_empty() { null() } else { name.as_ptr() },
        length: name.len(),
        message: 0,
        reserved: 0,
    }
}

/// Fills in the defaults of a discovery.
///
/// Parameters: `config` of `struct_size` bytes, which must be `sizeof *config`.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_discovery_config_init(
    config: *mut TmeDiscoveryConfig,
    struct_size: usize,
) -> TmeResult {
    init_struct(config, struct_size)
}

/// Makes a discovery, which has sockets of its own. It asks for servers whenever it is updated.
///
/// Parameters: `config`, NULL for the defaults. `discovery` gets the discovery.
/// Ownership: the caller's, until tme_discovery_destroy.
/// Returns: TME_OK; TME_ERROR_CONFIG if the port is none; TME_ERROR_BIND; TME_ERROR_SYSTEM; TME_ERROR_NULL;
/// TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL; TME_ERROR_UTF8; TME_ERROR_FLAGS.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_discovery_create(
    config: *const TmeDiscoveryConfig,
    discovery: *mut *mut TmeDiscovery,
) -> TmeResult {
    put(discovery, null_mut());
    guard(|| {
        must_not_be_null(discovery, "there is no place for the discovery")?;
        let config = match config.is_null() {
            true => DiscoveryConfig::of_all(),
            false => read_config(config)?,
        };
        let started = Discovery::start(config).map_err(tme::Error::from)?;
        let state = State { discovery: started, taken: Vec::new() };
        put(discovery, Owner::into_handle(DiscoveryInner { state: Mutex::new(state) }));
        Ok(TME_OK)
    })
}

unsafe fn read_config(config: *const TmeDiscoveryConfig) -> Result<DiscoveryConfig, Failure> {
    let config = read_struct(config)?;
    check_flags(config.flags, TME_DISCOVERY_THIS_MACHINE)?;
    check_reserved(config.reserved)?;
    let mut settings = match input_text(config.application)? {
        Some(application) => DiscoveryConfig::of(application),
        None => DiscoveryConfig::of_all(),
    };
    if config.port != 0 {
        settings = settings.port(port(config.port)?);
    }
    if config.flags & TME_DISCOVERY_THIS_MACHINE != 0 {
        settings = settings.this_machine();
    }
    Ok(settings)
}

/// Ends a discovery.
///
/// Parameters: `discovery`; NULL does nothing.
/// Returns: TME_OK; TME_ERROR_HANDLE.
/// Threads: any, when no other call on the discovery is running or will come.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_discovery_destroy(discovery: *mut TmeDiscovery) -> TmeResult {
    destroy::<DiscoveryInner>(discovery)
}

/// Looks for servers for as long as it is told. tme_discovery_servers lists them then.
///
/// Parameters: `time_ms`; 2,000 find nearly all that there are.
/// Returns: TME_OK, also if none was found; TME_ERROR_NO_NETWORK if none was found and no interface took the question;
/// TME_ERROR_BUSY; TME_ERROR_WAIT; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: one at a time; it blocks this one.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_discovery_search(discovery: *mut TmeDiscovery, time_ms: u32) -> TmeResult {
    enter(discovery, |discovery: &DiscoveryInner| {
        let discovery = &mut discovery.enter()?.discovery;
        discovery.search_for(Duration::from_millis(u64::from(time_ms))).map_err(tme::Error::from)?;
        if discovery.asked_count() == 0 && discovery.servers().next().is_none() {
            return Err(no_network(discovery).into());
        }
        Ok(TME_OK)
    })
}

/// Asks when it is time, receives, and waits at most the time given for news.
///
/// Parameters: `timeout_ms`; 0 does not wait. Returns early with news.
/// Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_WAIT; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_discovery_update(discovery: *mut TmeDiscovery, timeout_ms: u32) -> TmeResult {
    enter(discovery, |discovery: &DiscoveryInner| {
        let timeout = Duration::from_millis(u64::from(timeout_ms));
        discovery.enter()?.discovery.update(timeout).map_err(tme::Error::from)?;
        Ok(TME_OK)
    })
}

/// Takes news: TME_EVENT_SERVER_FOUND and TME_EVENT_SERVER_LOST.
///
/// Parameters: `events`, an array of `capacity`; `count` gets how many were taken, at most 4,096. 0 with TME_OK: there are
/// none. The data of events taken earlier ends here.
/// Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_LENGTH if the array is
/// not aligned.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_discovery_poll(
    discovery: *mut TmeDiscovery,
    events: *mut TmeEvent,
    capacity: u32,
    count: *mut u32,
) -> TmeResult {
    put(count, 0);
    enter(discovery, |discovery: &DiscoveryInner| {
        let capacity = check_event_room(events, capacity, count)?;
        let state = &mut *discovery.enter()?;
        state.taken.clear();
        while state.taken.len() < capacity
            && let Some(event) = state.discovery.poll_event()
        {
            state.taken.push(event);
        }
        for (index, taken) in state.taken.iter().enumerate() {
            events.cast::<MaybeUninit<TmeEvent>>().add(index).write(MaybeUninit::new(event_of(taken)));
        }
        put(count, state.taken.len() as u32);
        Ok(TME_OK)
    })
}

/// Lists the servers that are there.
///
/// Parameters: `servers`, an array of `capacity`, gets as many ids as fit; `count` gets how many servers there are, at most
/// 1,024, also if they do not fit. NULL with capacity 0 asks for the count.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL if there are more; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL;
/// TME_ERROR_HANDLE; TME_ERROR_LENGTH.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_discovery_servers(
    discovery: *mut TmeDiscovery,
    servers: *mut u64,
    capacity: u32,
    count: *mut u32,
) -> TmeResult {
    put(count, 0);
    enter(discovery, |discovery: &DiscoveryInner| {
        must_not_be_null(count, "there is no place for the count")?;
        // Checks the array as any other; nothing is read from it.
        input_slice(servers.cast_const().cast::<MaybeUninit<u64>>(), capacity as usize)?;
        let state = discovery.enter()?;
        let mut found = 0;
        for (index, server) in state.discovery.servers().enumerate() {
            if index < capacity as usize {
                servers.add(index).write(server.id.as_u64());
            }
            found = index + 1;
        }
        put(count, found as u32);
        if found > capacity as usize {
            let text = format_args!("{found} servers, room for {capacity}");
            return Err(Failure::text(TME_ERROR_BUFFER_TOO_SMALL, text));
        }
        Ok(TME_OK)
    })
}

/// Tells what a server says of itself that is there, or that an event of the newest poll is about.
///
/// Parameters: `server`, an id of tme_discovery_servers or an event's token; `info` of `struct_size` bytes, which must be
/// `sizeof *info`.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_SERVER; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
/// TME_ERROR_STRUCT_SIZE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_discovery_server(
    discovery: *mut TmeDiscovery,
    server: u64,
    info: *mut TmeFoundServer,
    struct_size: usize,
) -> TmeResult {
    enter(discovery, |discovery: &DiscoveryInner| {
        let state = discovery.enter()?;
        let there = state.discovery.servers().chain(state.taken.iter().map(server_of));
        let found = { there }.find(|found| found.id.as_u64() == server);
        let found = found.ok_or_else(|| Failure::new(TME_ERROR_UNKNOWN_SERVER))?;
        write_struct(&TmeFoundServer::from(found), info, struct_size)
    })
}

/// Tells by which interfaces the newest question could not leave, and why: a line for each. While others took it there may be
/// nothing wrong, for a tunnel leads to no network.
///
/// Parameters: `buffer` of `capacity` bytes gets the text, empty if there are none; `needed` (may be NULL) gets the bytes it
/// takes with its NUL.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_discovery_problems(
    discovery: *mut TmeDiscovery,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    put(needed, 0);
    enter(discovery, |discovery: &DiscoveryInner| {
        let state = discovery.enter()?;
        let lines: Vec<_> = state.discovery.problems().iter().map(ToString::to_string).collect();
        output_text(&lines.join("\n"), buffer, capacity, needed)
    })
}
