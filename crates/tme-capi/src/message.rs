//! Messages: bytes that are kept, passed on or filled in place.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use parking_lot::Mutex;
use tme::Payload;

use crate::boundary::{Kind, Owner, destroy, enter, guard, must_not_be_null, put};
use crate::failure::{Failure, Outcome};
use crate::inbox::{Inbox, Ticket};
use crate::result::{TME_ERROR_NOT_WRITABLE, TME_ERROR_TOO_LARGE, TME_OK, TmeResult};

/// Names the data of an event until the next poll of its handle. 0 names nothing.
pub type TmeMessageId = u64;

/// The bytes of a message: retained from an event, or made to be sent. Outlives the handle it came from.
pub struct TmeMessage {
    _opaque: [u8; 0],
}

/// Largest message that can be made: what a reliable channel can be set to.
const BYTES_MAX: usize = 16 << 20;

/// Messages up to this size are copied when they are retained: the buffer they came in holds their neighbours too.
const COPIED_BYTES_MAX: usize = 512;

/// What stands behind a `TmeMessage`.
pub(crate) struct Message {
    body: Mutex<Body>,
    /// A place among the retained messages of a handle.
    ticket: Option<Ticket>,
}

enum Body {
    /// Made by `tme_message_create` and not sent yet.
    Draft(Vec<u8>),
    Final(Payload),
}

impl Kind for Message {
    type Public = TmeMessage;
    const MAGIC: u64 = u64::from_ne_bytes(*b"TmeMessg");
    const NAME: &'static str = "the pointer is not a TmeMessage";
}

impl Message {
    /// The bytes for sending. From now on they are not writable.
    fn finish(&self) -> Payload {
        let mut body = self.body.lock();
        let payload = match &mut *body {
            Body::Draft(bytes) => Payload::from(std::mem::take(bytes)),
            Body::Final(payload) => return payload.clone(),
        };
        *body = Body::Final(payload.clone());
        payload
    }
}

/// Sends a message by `send` and takes it from the caller if that succeeds.
pub(crate) unsafe fn hand_over(message: *mut TmeMessage, send: impl FnOnce(Payload) -> Outcome) -> Outcome {
    let payload = {
        let owner = Owner::<Message>::borrow(message)?;
        owner.inner().finish()
    };
    let result = send(payload)?;
    destroy::<Message>(message);
    Ok(result)
}

/// Makes a message of `length` zero bytes to be filled and sent without a copy.
///
/// Parameters: `length`, at most 16 MiB; `message` gets the message.
/// Ownership: the caller's, until a send takes it; tme_message_release gives it back.
/// Returns: TME_OK; TME_ERROR_TOO_LARGE; TME_ERROR_NULL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_message_create(length: usize, message: *mut *mut TmeMessage) -> TmeResult {
    put(message, null_mut());
    guard(|| {
        must_not_be_null(message, "there is no place for the message")?;
        if length > BYTES_MAX {
            let text = format_args!("message of {length} bytes exceeds the limit of {BYTES_MAX}");
            return Err(Failure::text(TME_ERROR_TOO_LARGE, text));
        }
        let body = Mutex::new(Body::Draft(vec![0; length]));
        put(message, Owner::into_handle(Message { body, ticket: None }));
        Ok(TME_OK)
    })
}

/// Keeps the data of an event beyond the next poll.
///
/// Nothing is copied, except messages up to 512 bytes, which would hold on to their neighbours.
///
/// Parameters: `id`, the field `message` of an event; `message` gets the message.
/// Ownership: the caller's; tme_message_release gives it back, or a send takes it.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_MESSAGE if the handle was polled again or destroyed; TME_ERROR_TOO_MANY_RETAINED;
/// TME_ERROR_NULL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_message_retain(id: TmeMessageId, message: *mut *mut TmeMessage) -> TmeResult {
    put(message, null_mut());
    guard(|| {
        must_not_be_null(message, "there is no place for the message")?;
        let (mut payload, ticket) = Inbox::find(id)?;
        if payload.len() <= COPIED_BYTES_MAX {
            payload = payload.detach();
        }
        let body = Mutex::new(Body::Final(payload));
        put(message, Owner::into_handle(Message { body, ticket: Some(ticket) }));
        Ok(TME_OK)
    })
}

/// Makes a second owner of the same bytes, for instance to send them twice. Neither is writable afterwards.
///
/// Parameters: `copy` gets the second message.
/// Ownership: both are the caller's.
/// Returns: TME_OK; TME_ERROR_TOO_MANY_RETAINED, if the message was retained and its handle's limit is reached;
/// TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any, one at a time per message.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_message_clone(
    message: *const TmeMessage,
    copy: *mut *mut TmeMessage,
) -> TmeResult {
    put(copy, null_mut());
    enter(message, |message: &Message| {
        must_not_be_null(copy, "there is no place for the copy")?;
        let ticket = message.ticket.as_ref().map(Ticket::another).transpose()?;
        let body = Mutex::new(Body::Final(message.finish()));
        put(copy, Owner::into_handle(Message { body, ticket }));
        Ok(TME_OK)
    })
}

/// Gives a message back.
///
/// Parameters: `message`; NULL does nothing.
/// Returns: TME_OK; TME_ERROR_HANDLE.
/// Threads: any, one at a time per message.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_message_release(message: *mut TmeMessage) -> TmeResult {
    destroy::<Message>(message)
}

/// The bytes of a message.
///
/// Parameters: `data` gets where they are, NULL if there are none; `length` gets how many. They live as long as the message.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any, one at a time per message.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_message_bytes(
    message: *const TmeMessage,
    data: *mut *const c_void,
    length: *mut usize,
) -> TmeResult {
    put(data, null());
    put(length, 0);
    enter(message, |message: &Message| {
        must_not_be_null(data, "there is no place for the bytes")?;
        must_not_be_null(length, "there is no place for the length")?;
        let body = message.body.lock();
        let bytes = match &*body {
            Body::Draft(bytes) => bytes.as_slice(),
            Body::Final(payload) => payload.as_slice(),
        };
        if !bytes.is_empty() {
            put(data, bytes.as_ptr().cast());
            put(length, bytes.len());
        }
        Ok(TME_OK)
    })
}

/// Where the bytes of a made message are to be written, until it is sent or cloned.
///
/// Parameters: `data` gets where, NULL if there are none; `length` gets how many.
/// Returns: TME_OK; TME_ERROR_NOT_WRITABLE; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any, one at a time per message.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_message_writable(
    message: *mut TmeMessage,
    data: *mut *mut c_void,
    length: *mut usize,
) -> TmeResult {
    put(data, null_mut());
    put(length, 0);
    enter(message, |message: &Message| {
        must_not_be_null(data, "there is no place for the bytes")?;
        must_not_be_null(length, "there is no place for the length")?;
        let mut body = message.body.lock();
        let Body::Draft(bytes) = &mut *body else { return Err(Failure::new(TME_ERROR_NOT_WRITABLE)) };
        if !bytes.is_empty() {
            put(data, bytes.as_mut_ptr().cast());
            put(length, bytes.len());
        }
        Ok(TME_OK)
    })
}
