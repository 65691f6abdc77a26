//! Server: its end.

use std::ffi::c_void;
use std::mem::size_of;
use std::time::Duration;

use tme::ShutdownReport;

use super::{ServerInner, TmeServer};
use crate::added::added_bytes;
use crate::boundary::{Versioned, check_struct_place, enter, write_struct};
use crate::failure::Failure;
use crate::result::{TME_ERROR_NO_FIGURES, TME_ERROR_TOO_LARGE, TME_OK, TmeResult};

/// What the end of a server has come to.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeShutdownReport {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// 1 once it is over, else 0.
    pub is_over: u32,
    /// Peers that were connected when it began: the sum of the next four.
    pub peers: u32,
    /// That have acknowledged the goodbye: they know why.
    pub told: u32,
    /// That left of their own meanwhile.
    pub left: u32,
    /// That have not answered until time was up, or were lost before. The goodbye was sent to them, and they may have read it.
    pub unanswered: u32,
    /// That are still waited for; 0 when it is over.
    pub waiting: u32,
    /// 0.
    pub reserved: u32,
    /// Reliable messages that were not acknowledged, of whomever; they may have arrived. While it is going on those are among
    /// them that still may be.
    pub messages_undelivered: u64,
    /// Their bytes.
    pub bytes_undelivered: u64,
    /// Clients that came meanwhile and were refused.
    pub refused: u64,
}

const _: () = assert!(size_of::<TmeShutdownReport>() == 56);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), numbers only.
unsafe impl Versioned for TmeShutdownReport {
    const FIRST_BYTES: usize = 56;

    fn defaults() -> Self {
        (&ShutdownReport::default()).into()
    }
}

impl From<&ShutdownReport> for TmeShutdownReport {
    fn from(of: &ShutdownReport) -> Self {
        let count = |peers: usize| u32::try_from(peers).unwrap_or(u32::MAX);
        Self {
            struct_size: 0,
            is_over: of.is_over.into(),
            peers: count(of.peers),
            told: count(of.told),
            left: count(of.left),
            unanswered: count(of.unanswered),
            waiting: count(of.waiting),
            reserved: 0,
            messages_undelivered: of.messages_undelivered,
            bytes_undelivered: of.bytes_undelivered,
            refused: of.refused,
        }
    }
}

fn ms(limit_ms: u32) -> Duration {
    Duration::from_millis(u64::from(limit_ms))
}

/// Tells every client that the server shuts down, after what is queued reliably went through, and waits for that.
///
/// Nobody is let in any more: who comes now is refused with TME_REASON_SHUTDOWN. Events of the last moments can still be polled.
///
/// Parameters: `patience_ms`, the longest that takes; a quarter of it, at most a second, is kept for the goodbye itself, which may
/// have to be repeated. With 0 everybody is told once and nothing is waited for.
/// Returns: TME_OK, also the second time; TME_ERROR_BUSY; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_shutdown(server: *mut TmeServer, patience_ms: u32) -> TmeResult {
    tme_server_shutdown_with(server, patience_ms, 0, std::ptr::null(), 0)
}

/// Shuts a server down like tme_server_shutdown, with a code and bytes of the game's own: where to go, when to come back.
///
/// Parameters: `patience_ms` as there; `code`; `detail` of `length` bytes, at most 512. Clients find them in their
/// TME_EVENT_DISCONNECTED; those that are refused meanwhile find the bytes alone. tme_server_shutdown_report tells what came of it.
/// Returns: as tme_server_shutdown; TME_ERROR_TOO_LARGE; TME_ERROR_LENGTH.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_shutdown_with(
    server: *mut TmeServer,
    patience_ms: u32,
    code: u32,
    detail: *const c_void,
    length: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let detail = added_bytes("detail", detail, length, TME_ERROR_TOO_LARGE)?;
        server.pump.close(|server| {
            server.shutdown_with(ms(patience_ms), code, detail);
        })
    })
}

/// Begins what tme_server_shutdown_with does and waits for nothing, for a game that goes on drawing.
///
/// Go on updating (or, threaded, just polling) until that gives TME_ERROR_CLOSED. Sends are refused from now on; messages still
/// come. Begun again, it can only be over sooner: the first words count, and the shorter time.
///
/// Parameters: as tme_server_shutdown_with.
/// Returns: TME_OK; TME_ERROR_TOO_LARGE; TME_ERROR_LENGTH; TME_ERROR_BUSY; TME_ERROR_CLOSED if the server has ended;
/// TME_ERROR_SOCKET; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: one at a time.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_shutdown_begin(
    server: *mut TmeServer,
    patience_ms: u32,
    code: u32,
    detail: *const c_void,
    length: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let detail = added_bytes("detail", detail, length, TME_ERROR_TOO_LARGE)?;
        server.pump.with(|server| server.begin_shutdown(ms(patience_ms), code, detail))
    })
}

/// What the end of a server has come to so far, at most 20 ms old.
///
/// Parameters: `report` of `struct_size` bytes, which must be `sizeof *report`.
/// Returns: TME_OK; TME_ERROR_NO_FIGURES if no shutdown has begun; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
/// TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_shutdown_report(
    server: *const TmeServer,
    report: *mut TmeShutdownReport,
    struct_size: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        check_struct_place(report, struct_size)?;
        let told = server.handle.shutdown_report();
        let told = told.ok_or_else(|| Failure::with(TME_ERROR_NO_FIGURES, "no shutdown has begun"))?;
        write_struct(&(&told).into(), report, struct_size)?;
        Ok(TME_OK)
    })
}
