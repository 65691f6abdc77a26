//! Client: sending.

use std::ffi::c_void;

use tme::{ChannelId, SendError};

use super::{ClientInner, TmeClient, not_connected};
use crate::boundary::{enter, input_bytes};
use crate::channel::{channel_id, send_failure};
use crate::failure::{Failure, Outcome};
use crate::message::{TmeMessage, hand_over};
use crate::result::{TME_OK, TmeResult};
use crate::settings::{SendSettings, TmeSendOptions};

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
    enter(client, |client: &ClientInner| {
        let settings = SendSettings::from_flags(flags)?;
        send(client, channel, input_bytes(data, length)?, &settings)
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
    enter(client, |client: &ClientInner| {
        let settings = SendSettings::read(options)?;
        send(client, channel, input_bytes(data, length)?, &settings)
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
    enter(client, |client: &ClientInner| {
        let settings = SendSettings::read(options)?;
        hand_over(message, |payload| send(client, channel, payload, &settings))
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
    client: &ClientInner,
    channel: u32,
    message: impl Into<tme::MessageBytes<'m>>,
    settings: &SendSettings,
) -> Outcome {
    let channel = channel_id(channel)?;
    client
        .handle
        .send_with(channel, message, settings.options)
        .map_err(|error| client_send_failure(channel, error))?;
    Ok(TME_OK)
}
