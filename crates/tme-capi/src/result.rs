//! Results: what a call gives back.

use std::ffi::{CStr, c_char};

use crate::boundary::{guard, output_text};
use crate::failure;

/// What a call gives back: negative if it did not do what was asked, TME_OK (0), or positive for done with a remark.
pub type TmeResult = i32;

/// Done.
pub const TME_OK: TmeResult = 0;
/// Done, but some peers could not take the message; the outcome says how many.
pub const TME_PARTIAL: TmeResult = 1;
/// An address does not parse.
pub const TME_ERROR_ADDRESS: TmeResult = -1;
/// The channels cannot form a table: an id twice, too many, a bad setting.
pub const TME_ERROR_CHANNELS: TmeResult = -2;
/// A key is not 64 hexadecimal digits.
pub const TME_ERROR_KEY: TmeResult = -3;
/// A file cannot be read or written, or its content is not what it should be.
pub const TME_ERROR_FILE: TmeResult = -4;
/// A setting is out of range or contradicts another.
pub const TME_ERROR_CONFIG: TmeResult = -5;
/// Network conditions that cannot be.
pub const TME_ERROR_CONDITIONS: TmeResult = -6;
/// This process has a log sink already.
pub const TME_ERROR_ALREADY_INSTALLED: TmeResult = -7;
/// This cannot be a connect token: no user, too much of something, a hint without a port.
pub const TME_ERROR_TOKEN: TmeResult = -8;
/// A text is no sealed token, or not one of the key given.
pub const TME_ERROR_TOKEN_TEXT: TmeResult = -9;
/// The name of a server that is asked leads to no address that can be reached from here.
pub const TME_ERROR_UNRESOLVED: TmeResult = -10;
/// A server that was asked has not answered in time. Retry later.
pub const TME_ERROR_NO_ANSWER: TmeResult = -11;
/// 1,024 servers are being asked. Retry after an answer.
pub const TME_ERROR_TOO_MANY_QUERIES: TmeResult = -12;
/// No interface of this machine took the question to the servers of its network. Retry when there is a network.
pub const TME_ERROR_NO_NETWORK: TmeResult = -13;
/// The socket cannot be bound: address in use, or not of this machine. Retry with another port, or later.
pub const TME_ERROR_BIND: TmeResult = -101;
/// The system refuses what an engine needs: file handles, threads, randomness. Retry later.
pub const TME_ERROR_SYSTEM: TmeResult = -103;
/// Waiting for the network failed; the engine has stopped. Make a new one.
pub const TME_ERROR_WAIT: TmeResult = -104;
/// The socket no longer works; the engine has stopped. Make a new one.
pub const TME_ERROR_SOCKET: TmeResult = -105;
/// The engine was closed, and all its events were taken. Make a new one.
pub const TME_ERROR_CLOSED: TmeResult = -106;
/// An internal error stopped this engine earlier; only destroy works.
pub const TME_ERROR_POISONED: TmeResult = -107;
/// The port at which a server is found cannot be bound: a foreign program keeps it for itself. Retry with another one, later, or
/// with TME_CONFIG_DISCOVERABLE_IF_POSSIBLE.
pub const TME_ERROR_DISCOVERY: TmeResult = -108;
/// The channel table has no such channel.
pub const TME_ERROR_UNKNOWN_CHANNEL: TmeResult = -201;
/// The message is larger than the channel, its mode or the other side takes. No retry helps: split it.
pub const TME_ERROR_TOO_LARGE: TmeResult = -202;
/// The send queue is full; nothing was queued. Retry after TME_EVENT_WRITABLE.
pub const TME_ERROR_WOULD_BLOCK: TmeResult = -203;
/// As many keys of the reliable-latest channel as may have values that were not acknowledged. Retry after
/// TME_EVENT_WRITABLE, or send a newer value of one of them.
pub const TME_ERROR_TOO_MANY_KEYS: TmeResult = -204;
/// A message key was given for a channel that has none.
pub const TME_ERROR_KEY_NOT_ALLOWED: TmeResult = -205;
/// The client is not connected, any more or yet; at a server: the peer is being disconnected. Retry after
/// TME_EVENT_CONNECTED.
pub const TME_ERROR_NOT_CONNECTED: TmeResult = -206;
/// A pointer is NULL that must not be.
pub const TME_ERROR_NULL: TmeResult = -301;
/// The pointer is not a handle of this kind: a client where a server belongs.
pub const TME_ERROR_HANDLE: TmeResult = -302;
/// struct_size is none that the struct ever had, or larger than any struct will be.
pub const TME_ERROR_STRUCT_SIZE: TmeResult = -303;
/// A field this library is too old to know is not zero. Retry with a newer library.
pub const TME_ERROR_STRUCT_TAIL: TmeResult = -304;
/// A text is not UTF-8.
pub const TME_ERROR_UTF8: TmeResult = -305;
/// A flag this library does not know.
pub const TME_ERROR_FLAGS: TmeResult = -306;
/// A value this library does not know.
pub const TME_ERROR_ENUM: TmeResult = -307;
/// A length or count that no buffer can have.
pub const TME_ERROR_LENGTH: TmeResult = -308;
/// The result does not fit. Retry with the size that was told.
pub const TME_ERROR_BUFFER_TOO_SMALL: TmeResult = -309;
/// Another argument is out of its range; tme_last_error says which.
pub const TME_ERROR_ARGUMENT: TmeResult = -310;
/// Another thread is in update, poll or shutdown of this engine. Retry when it is out.
pub const TME_ERROR_BUSY: TmeResult = -401;
/// Nobody has this id, any more or yet. Ids are never used twice.
pub const TME_ERROR_UNKNOWN_PEER: TmeResult = -402;
/// The event's data is gone: its engine was polled again, or destroyed.
pub const TME_ERROR_UNKNOWN_MESSAGE: TmeResult = -403;
/// The engine's limit of retained messages is reached. Retry after a release.
pub const TME_ERROR_TOO_MANY_RETAINED: TmeResult = -404;
/// The message came from the network or was handed to a send. Make a new one.
pub const TME_ERROR_NOT_WRITABLE: TmeResult = -405;
/// Nothing has been measured yet, or no network conditions are on, or nobody asks for the server's time. Retry some 100 ms
/// later.
pub const TME_ERROR_NO_FIGURES: TmeResult = -406;
/// No event of the querier's newest poll has this id. Ask before the next poll.
pub const TME_ERROR_UNKNOWN_QUERY: TmeResult = -407;
/// No server that is there, or that the newest poll told to be lost, has this id.
pub const TME_ERROR_UNKNOWN_SERVER: TmeResult = -408;
/// A bug in the library was caught in this call; the engine is poisoned. Please report it.
pub const TME_ERROR_INTERNAL: TmeResult = -501;
/// The message ends in the middle of a value.
pub const TME_ERROR_SERIAL_END: TmeResult = -601;
/// A varint is longer than necessary, or more than its integer holds.
pub const TME_ERROR_SERIAL_VARINT: TmeResult = -602;
/// A value outside its range: one to be written, or one that was read.
pub const TME_ERROR_SERIAL_RANGE: TmeResult = -603;
/// A text in a message, or for one, is not UTF-8.
pub const TME_ERROR_SERIAL_UTF8: TmeResult = -604;
/// A count or the length of a block that what is left cannot hold.
pub const TME_ERROR_SERIAL_COUNT: TmeResult = -605;
/// More elements or bytes than the program takes.
pub const TME_ERROR_SERIAL_TOO_LONG: TmeResult = -606;
/// Keys of a map or a set do not ascend.
pub const TME_ERROR_SERIAL_ORDER: TmeResult = -607;
/// A variant that the program does not know.
pub const TME_ERROR_SERIAL_VARIANT: TmeResult = -608;
/// Values too deep in each other.
pub const TME_ERROR_SERIAL_DEPTH: TmeResult = -609;
/// Values that would take more memory than their bytes justify.
pub const TME_ERROR_SERIAL_MEMORY: TmeResult = -610;
/// Bytes are left that are no additions of a later version.
pub const TME_ERROR_SERIAL_LEFT_OVER: TmeResult = -611;
/// An unused bit is not zero.
pub const TME_ERROR_SERIAL_PADDING: TmeResult = -612;
/// A message that the program does not know.
pub const TME_ERROR_SERIAL_UNKNOWN_MESSAGE: TmeResult = -613;
/// A number that its form cannot express: not a number, infinite, a rotation of length 0.
pub const TME_ERROR_SERIAL_NUMBER: TmeResult = -614;
/// A message of more than 16 MiB. No retry helps: split it.
pub const TME_ERROR_SERIAL_TOO_LARGE: TmeResult = -615;

/// A constant text for a result, for logs and messages.
///
/// Parameters: `result`, anything; numbers that are no result get a text that says so.
/// Returns: a text that is never NULL and never goes away.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tme_result_string(result: TmeResult) -> *const c_char {
    result_text(result).as_ptr()
}

/// Copies this thread's detail of its newest failed call, with the numbers in it.
///
/// Parameters: `buffer` of `capacity` bytes gets the text, empty if no call has failed yet on this thread; `needed`
/// (may be NULL) gets the bytes it takes with its NUL. 513 bytes always do. The call itself changes nothing of it.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL.
/// Threads: any; each has its own.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_last_error(
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    guard(|| {
        let detail = failure::detail();
        // A buffer that is too small must not replace what the caller wants to read with a larger one.
        Ok(output_text(&detail, buffer, capacity, needed).unwrap_or_else(|failure| failure.result))
    })
}

/// The text of a result.
pub(crate) fn result_text(result: TmeResult) -> &'static CStr {
    match result {
        TME_OK => c"done",
        TME_PARTIAL => c"done, but some peers could not take the message",
        TME_ERROR_ADDRESS => c"an address does not parse",
        TME_ERROR_CHANNELS => c"the channels cannot form a table",
        TME_ERROR_KEY => c"a key is not 64 hexadecimal digits",
        TME_ERROR_FILE => c"a file cannot be read or written, or has the wrong content",
        TME_ERROR_CONFIG => c"a setting is out of range or contradicts another",
        TME_ERROR_CONDITIONS => c"network conditions that cannot be",
        TME_ERROR_ALREADY_INSTALLED => c"this process has a log sink already",
        TME_ERROR_TOKEN => c"this cannot be a connect token",
        TME_ERROR_TOKEN_TEXT => c"a text is no sealed connect token of this key",
        TME_ERROR_UNRESOLVED => c"the server's name leads to no address that can be reached",
        TME_ERROR_NO_ANSWER => c"the server does not answer; check address, port and firewall",
        TME_ERROR_TOO_MANY_QUERIES => c"too many servers are being asked; wait for an answer",
        TME_ERROR_NO_NETWORK => c"this machine is in no network that can be asked",
        TME_ERROR_BIND => c"the socket cannot be bound: address in use, or not of this machine",
        TME_ERROR_SYSTEM => c"the system refuses what a network engine needs",
        TME_ERROR_WAIT => c"waiting for the network failed; the engine has stopped",
        TME_ERROR_SOCKET => c"the socket no longer works; the engine has stopped",
        TME_ERROR_CLOSED => c"the engine is closed",
        TME_ERROR_POISONED => c"an internal error stopped this engine earlier; destroy it",
        TME_ERROR_DISCOVERY => c"the discovery port cannot be bound",
        TME_ERROR_UNKNOWN_CHANNEL => c"the channel table has no such channel",
        TME_ERROR_TOO_LARGE => c"the message is too large for the channel",
        TME_ERROR_WOULD_BLOCK => c"the send queue is full; try again after TME_EVENT_WRITABLE",
        TME_ERROR_TOO_MANY_KEYS => c"too many keys of the channel wait for an answer",
        TME_ERROR_KEY_NOT_ALLOWED => c"the channel takes no message keys",
        TME_ERROR_NOT_CONNECTED => c"not connected, any more or yet",
        TME_ERROR_NULL => c"a pointer is NULL that must not be",
        TME_ERROR_HANDLE => c"the pointer is not a handle of this kind",
        TME_ERROR_STRUCT_SIZE => c"struct_size is wrong; call the init function of the struct",
        TME_ERROR_STRUCT_TAIL => c"a field unknown to this library is not zero; update the library",
        TME_ERROR_UTF8 => c"a text is not UTF-8",
        TME_ERROR_FLAGS => c"a flag is not known",
        TME_ERROR_ENUM => c"an enumeration value is not known",
        TME_ERROR_LENGTH => c"a length or count that no buffer can have",
        TME_ERROR_BUFFER_TOO_SMALL => c"the result does not fit into the buffer",
        TME_ERROR_ARGUMENT => c"an argument is out of its range",
        TME_ERROR_BUSY => c"another thread is updating or polling this engine",
        TME_ERROR_UNKNOWN_PEER => c"nobody has this peer id",
        TME_ERROR_UNKNOWN_MESSAGE => c"the event's data is gone; retain messages before the next poll",
        TME_ERROR_TOO_MANY_RETAINED => c"too many messages are retained; release some",
        TME_ERROR_NOT_WRITABLE => c"the message cannot be written; make a new one",
        TME_ERROR_NO_FIGURES => c"nothing has been measured yet, or nothing asked for it",
        TME_ERROR_UNKNOWN_QUERY => c"no event of the newest poll is about this query",
        TME_ERROR_UNKNOWN_SERVER => c"no server that was found has this id",
        TME_ERROR_INTERNAL => c"an internal error was caught; please report it",
        TME_ERROR_SERIAL_END => c"the message ends in the middle of a value",
        TME_ERROR_SERIAL_VARINT => c"a varint is longer than necessary, or more than its integer holds",
        TME_ERROR_SERIAL_RANGE => c"a value is outside its range",
        TME_ERROR_SERIAL_UTF8 => c"a text in a message is not UTF-8",
        TME_ERROR_SERIAL_COUNT => c"a count is more than the message holds",
        TME_ERROR_SERIAL_TOO_LONG => c"a count is more than the program takes",
        TME_ERROR_SERIAL_ORDER => c"keys do not ascend",
        TME_ERROR_SERIAL_VARIANT => c"an unknown variant",
        TME_ERROR_SERIAL_DEPTH => c"values are too deep in each other",
        TME_ERROR_SERIAL_MEMORY => c"values would take more memory than their bytes justify",
        TME_ERROR_SERIAL_LEFT_OVER => c"bytes are left over",
        TME_ERROR_SERIAL_PADDING => c"an unused bit is not zero",
        TME_ERROR_SERIAL_UNKNOWN_MESSAGE => c"a message that is not known",
        TME_ERROR_SERIAL_NUMBER => c"a number cannot be expressed in its form",
        TME_ERROR_SERIAL_TOO_LARGE => c"a message exceeds 16 MiB",
        _ => c"not a result of this version of the library",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_result_have_a_text_too() {
        for result in [TmeResult::MIN, -999, 2, TmeResult::MAX] {
            assert!(result_text(result).to_bytes().starts_with(b"not a result"));
        }
        assert_eq!(result_text(TME_ERROR_WOULD_BLOCK).to_bytes()[..20], *b"the send queue is fu");
    }
}
