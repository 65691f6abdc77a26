//! Queriers: ask servers what they are before connecting to one, many at a time.

use std::ffi::{c_char, c_void};
use std::mem::{MaybeUninit, size_of};
use std::net::SocketAddr;
use std::ptr::{null, null_mut};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tme::query::{self, Answer, PATIENCE_DEFAULT, Querier, QueryError, ServerInfo};
use tme::{EngineError, Reason};

use crate::boundary::{
    Kind, Owner, Versioned, check_struct_place, copy_bytes, copy_text, destroy, enter, guard, input_text,
    must_not_be_null, put, required_text, write_struct,
};
use crate::event::{TME_EVENT_SERVER_INFO, TmeEvent};
use crate::executor::{HostExecutor, TmeExecutor};
use crate::failure::Failure;
use crate::inbox::check_event_room;
use crate::result::{TME_ERROR_BUSY, TME_ERROR_UNKNOWN_QUERY, TME_OK, TmeResult};

/// The server admits only clients that prove an identity key.
pub const TME_SERVER_REQUIRES_IDENTITY: u32 = 1;
/// The server admits only clients with a connect token.
pub const TME_SERVER_REQUIRES_TOKEN: u32 = 2;
/// The server neither encrypts nor authenticates, and takes only clients that do not either.
pub const TME_SERVER_IS_PLAINTEXT: u32 = 4;
/// Server and library have a protocol version in common.
pub const TME_SERVER_IS_COMPATIBLE: u32 = 8;

/// Most bytes of information that the game can add to what a server says of itself.
pub const TME_INFORMATION_BYTES_MAX: u32 = 512;

/// Asks servers what they are. Made by tme_querier_create, ended by tme_querier_destroy.
pub struct TmeQuerier {
    _opaque: [u8; 0],
}

/// What a server says of itself to anybody. Nothing of it is authenticated: somebody on the way may have said it instead. The
/// handshake proves who is there.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeServerInfo {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// TME_SERVER_….
    pub flags: u32,
    /// Which game it runs: tme_query_application_id of the game's name.
    pub application_id: u64,
    /// The round trip of the query that was answered.
    pub rtt_us: u64,
    /// Peers connected.
    pub peers: u32,
    /// Most peers at a time.
    pub peers_max: u32,
    /// The address that has answered, with its port.
    pub address: [c_char; 64],
    /// Bytes in `information`, at most 512.
    pub information_bytes: u32,
    /// 0.
    pub reserved: u32,
    /// What the game has added, with a NUL after it where that is text.
    pub information: [u8; 520],
}

const _: () = assert!(size_of::<TmeServerInfo>() == 624);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), numbers only.
unsafe impl Versioned for TmeServerInfo {
    const FIRST_BYTES: usize = 624;

    fn defaults() -> Self {
        Self {
            struct_size: 0,
            flags: 0,
            application_id: 0,
            rtt_us: 0,
            peers: 0,
            peers_max: 0,
            address: [0; 64],
            information_bytes: 0,
            reserved: 0,
            information: [0; 520],
        }
    }
}

/// TME_SERVER_… of what a server says.
pub(crate) fn server_flags(of: &ServerInfo) -> u32 {
    let flags = [
        (of.demands.identity, TME_SERVER_REQUIRES_IDENTITY),
        (of.demands.token, TME_SERVER_REQUIRES_TOKEN),
        (of.demands.plaintext, TME_SERVER_IS_PLAINTEXT),
        (of.is_compatible(), TME_SERVER_IS_COMPATIBLE),
    ];
    flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum()
}

impl TmeServerInfo {
    fn new(address: SocketAddr, of: &ServerInfo) -> Self {
        let mut info = Self {
            flags: server_flags(of),
            application_id: of.application_id,
            rtt_us: u64::try_from(of.rtt.as_micros()).unwrap_or(u64::MAX),
            peers: of.peers,
            peers_max: of.peers_max,
            ..Self::defaults()
        };
        copy_text(address.to_string().as_bytes(), &mut info.address);
        info.information_bytes = copy_bytes(of.information.as_bytes(), &mut info.information) as u32;
        info
    }
}

/// What stands behind a `TmeQuerier`. All of it belongs to one thread at a time.
struct QuerierInner {
    state: Mutex<State>,
}

struct State {
    querier: Querier,
    /// What the newest poll gave: its events point in here.
    taken: Vec<Taken>,
}

/// An answer, with the text of its error where it is one.
struct Taken {
    answer: Answer,
    text: String,
}

impl Kind for QuerierInner {
    type Public = TmeQuerier;
    const MAGIC: u64 = u64::from_ne_bytes(*b"TmeQuery");
    const NAME: &'static str = "the pointer is not a TmeQuerier";
}

impl QuerierInner {
    fn enter(&self) -> Result<MutexGuard<'_, State>, Failure> {
        self.state.try_lock().ok_or_else(|| Failure::new(TME_ERROR_BUSY))
    }
}

impl Taken {
    fn new(answer: Answer) -> Self {
        let text = answer.result.as_ref().map_or_else(ToString::to_string, |_| String::new());
        Self { answer, text }
    }

    fn event(&self) -> TmeEvent {
        let (reason, data) = match &self.answer.result {
            Ok((_, info)) => (0, info.information.as_bytes()),
            Err(QueryError::TimedOut) => (Reason::ConnectTimedOut.code(), self.text.as_bytes()),
            Err(_) => (Reason::Unresolved.code(), self.text.as_bytes()),
        };
        TmeEvent {
            r#type: TME_EVENT_SERVER_INFO,
            flags: 0,
            peer: 0,
            reason: u32::from(reason),
            channel: 0,
            token: self.answer.id.as_u64(),
            data: if data.is_empty() { null() } else { data.as_ptr() },
            length: data.len(),
            message: 0,
            reserved: 0,
        }
    }
}

fn patience(patience_ms: u32) -> Duration {
    if patience_ms == 0 { PATIENCE_DEFAULT } else { Duration::from_millis(u64::from(patience_ms)) }
}

/// Makes a querier, which has sockets of its own.
///
/// Parameters: `patience_ms`, how long each server has to answer; 0 is 3,000. `querier` gets the querier.
/// Ownership: the caller's, until tme_querier_destroy.
/// Returns: TME_OK; TME_ERROR_BIND; TME_ERROR_SYSTEM; TME_ERROR_NULL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_querier_create(patience_ms: u32, querier: *mut *mut TmeQuerier) -> TmeResult {
    put(querier, null_mut());
    guard(|| {
        must_not_be_null(querier, "there is no place for the querier")?;
        put(querier, into_handle(Querier::start(patience(patience_ms)))?);
        Ok(TME_OK)
    })
}

/// Makes a querier like tme_querier_create, for which the host looks names up.
///
/// Parameters: `patience_ms` as there; `executor`, NULL for threads of the library's own; `user_data` is handed to it. `querier` gets
/// the querier.
/// Ownership: the caller's, until tme_querier_destroy.
/// Returns: TME_OK; TME_ERROR_BIND; TME_ERROR_SYSTEM; TME_ERROR_NULL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_querier_create_with(
    patience_ms: u32,
    executor: TmeExecutor,
    user_data: *mut c_void,
    querier: *mut *mut TmeQuerier,
) -> TmeResult {
    put(querier, null_mut());
    guard(|| {
        must_not_be_null(querier, "there is no place for the querier")?;
        let started = match HostExecutor::new(executor, user_data) {
            Some(executor) => Querier::start_with(patience(patience_ms), executor),
            None => Querier::start(patience(patience_ms)),
        };
        put(querier, into_handle(started)?);
        Ok(TME_OK)
    })
}

fn into_handle(started: Result<Querier, EngineError>) -> Result<*mut TmeQuerier, Failure> {
    let state = State { querier: started.map_err(tme::Error::from)?, taken: Vec::new() };
    Ok(Owner::into_handle(QuerierInner { state: Mutex::new(state) }))
}

/// Ends a querier. Answers that have not come do not come.
///
/// Parameters: `querier`; NULL does nothing.
/// Returns: TME_OK; TME_ERROR_HANDLE.
/// Threads: any, when no other call on the querier is running or will come.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_querier_destroy(querier: *mut TmeQuerier) -> TmeResult {
    destroy::<QuerierInner>(querier)
}

/// Begins to ask a server. A TME_EVENT_SERVER_INFO follows, whether it answers or not.
///
/// Parameters: `address`, "host:port"; names are looked up without blocking. `query` (may be NULL) gets the id that the
/// event has as its token, or 0.
/// Returns: TME_OK; TME_ERROR_ADDRESS; TME_ERROR_TOO_MANY_QUERIES while 1,024 servers are being asked; TME_ERROR_BUSY;
/// TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_UTF8.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_querier_ask(
    querier: *mut TmeQuerier,
    address: *const c_char,
    query: *mut u64,
) -> TmeResult {
    put(query, 0);
    enter(querier, |querier: &QuerierInner| {
        let address = required_text(address, "the address is NULL")?;
        let id = querier.enter()?.querier.ask(address).map_err(tme::Error::from)?;
        put(query, id.as_u64());
        Ok(TME_OK)
    })
}

/// Sends, receives, and waits at most the time given for an answer to come.
///
/// Parameters: `timeout_ms`; 0 does not wait. Returns early with answers, or when none is awaited.
/// Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_WAIT; TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_querier_update(querier: *mut TmeQuerier, timeout_ms: u32) -> TmeResult {
    enter(querier, |querier: &QuerierInner| {
        let timeout = Duration::from_millis(u64::from(timeout_ms));
        querier.enter()?.querier.update(timeout).map_err(tme::Error::from)?;
        Ok(TME_OK)
    })
}

/// Takes the oldest answers, each a TME_EVENT_SERVER_INFO.
///
/// Parameters: `events`, an array of `capacity`; `count` gets how many were taken, at most 4,096. 0 with TME_OK: none has
/// come. The data of events taken earlier, and what tme_querier_server_info tells of them, ends here.
/// Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_LENGTH if the array is
/// not aligned.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_querier_poll(
    querier: *mut TmeQuerier,
    events: *mut TmeEvent,
    capacity: u32,
    count: *mut u32,
) -> TmeResult {
    put(count, 0);
    enter(querier, |querier: &QuerierInner| {
        let capacity = check_event_room(events, capacity, count)?;
        let state = &mut *querier.enter()?;
        state.taken.clear();
        while state.taken.len() < capacity
            && let Some(answer) = state.querier.poll_answer()
        {
            state.taken.push(Taken::new(answer));
        }
        for (index, taken) in state.taken.iter().enumerate() {
            events.cast::<MaybeUninit<TmeEvent>>().add(index).write(MaybeUninit::new(taken.event()));
        }
        put(count, state.taken.len() as u32);
        Ok(TME_OK)
    })
}

/// Tells what a server has answered that an event of the newest poll is about.
///
/// Parameters: `query`, the event's token; `info` of `struct_size` bytes, which must be `sizeof *info`.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_QUERY if no event of the newest poll has this token; TME_ERROR_UNRESOLVED and
/// TME_ERROR_NO_ANSWER if the event says so; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
/// TME_ERROR_STRUCT_SIZE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_querier_server_info(
    querier: *mut TmeQuerier,
    query: u64,
    info: *mut TmeServerInfo,
    struct_size: usize,
) -> TmeResult {
    enter(querier, |querier: &QuerierInner| {
        let state = querier.enter()?;
        let taken = state.taken.iter().find(|taken| taken.answer.id.as_u64() == query);
        let unknown = || Failure::new(TME_ERROR_UNKNOWN_QUERY);
        match &taken.ok_or_else(unknown)?.answer.result {
            Ok((address, answer)) => write_struct(&TmeServerInfo::new(*address, answer), info, struct_size),
            Err(error) => Err(tme::Error::from(error.clone()).into()),
        }
    })
}

/// Tells how many servers are being asked.
///
/// Parameters: `count` gets how many answers are still to come; those that wait to be polled have come.
/// Returns: TME_OK; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_querier_open_count(querier: *mut TmeQuerier, count: *mut u32) -> TmeResult {
    put(count, 0);
    enter(querier, |querier: &QuerierInner| {
        must_not_be_null(count, "there is no place for the count")?;
        put(count, querier.enter()?.querier.open_count() as u32);
        Ok(TME_OK)
    })
}

/// Asks one server what it is, and waits for its answer.
///
/// Parameters: `address`, "host:port"; `patience_ms`, the longest that takes, 0 is 3,000; `info` of `struct_size` bytes,
/// which must be `sizeof *info`.
/// Returns: TME_OK; TME_ERROR_ADDRESS; TME_ERROR_UNRESOLVED; TME_ERROR_NO_ANSWER; TME_ERROR_BIND; TME_ERROR_SYSTEM;
/// TME_ERROR_WAIT; TME_ERROR_SOCKET; TME_ERROR_NULL; TME_ERROR_UTF8; TME_ERROR_STRUCT_SIZE.
/// Threads: any; it blocks this one.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_query_ask(
    address: *const c_char,
    patience_ms: u32,
    info: *mut TmeServerInfo,
    struct_size: usize,
) -> TmeResult {
    guard(|| {
        let address = required_text(address, "the address is NULL")?;
        // Before anybody is asked: what cannot be answered need not be waited for.
        check_struct_place(info, struct_size)?;
        let (address, answer) = query::ask(address, patience(patience_ms))?;
        write_struct(&TmeServerInfo::new(address, &answer), info, struct_size)
    })
}

/// Gives the number by which servers tell which game they run.
///
/// Parameters: `application`, the name as configs have it, NULL for none; `id` gets the number, 0 for no name.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_UTF8.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_query_application_id(application: *const c_char, id: *mut u64) -> TmeResult {
    put(id, 0);
    guard(|| {
        must_not_be_null(id, "there is no place for the number")?;
        put(id, input_text(application)?.map_or(0, query::name_hash));
        Ok(TME_OK)
    })
}
