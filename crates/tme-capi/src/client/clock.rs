//! Client: the server's time.

use super::{ClientInner, TmeClient, not_connected};
use crate::boundary::{enter, write_struct};
use crate::clock::TmeServerTime;
use crate::failure::Failure;
use crate::result::{TME_ERROR_NO_FIGURES, TME_OK, TmeResult};

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
    enter(client, |client: &ClientInner| {
        if !client.handle.is_connected() {
            return Err(not_connected());
        }
        let none = || Failure::new(TME_ERROR_NO_FIGURES);
        let shown = client.handle.server_time().ok_or_else(none)?;
        write_struct(&TmeServerTime::from(&shown), time, struct_size)
    })
}

/// Begins to ask for the server's time: ten times a second at first, then more and more seldom, once a second from 45 s on;
/// some 90 bytes both ways together each time. Called again, it begins anew. TME_EVENT_CLOCK tells when the time is known, on
/// most paths after 3 s.
///
/// Returns: TME_OK; TME_ERROR_NOT_CONNECTED; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_synchronise_clock(client: *mut TmeClient) -> TmeResult {
    enter(
        client,
        |client: &ClientInner| {
            if client.handle.synchronise_clock() { Ok(TME_OK) } else { Err(not_connected()) }
        },
    )
}
