//! What the game adds in its own words: to a request to connect, a goodbye, or what a server says of itself.

use std::ffi::c_void;

use crate::boundary::input_bytes;
use crate::failure::Failure;
use crate::result::TmeResult;

/// Most bytes of it.
const ADDED_BYTES_MAX: usize = 512;

/// Such bytes of a caller; `what` they are goes into a failure's text. More than may be sent is refused, with `too_large`,
/// before it is read: the length may be garbage.
pub(crate) unsafe fn added_bytes<'a>(
    what: &str,
    bytes: *const c_void,
    length: usize,
    too_large: TmeResult,
) -> Result<&'a [u8], Failure> {
    if length > ADDED_BYTES_MAX {
        let text = format_args!("{what} of {length} bytes exceeds the limit of {ADDED_BYTES_MAX}");
        return Err(Failure::text(too_large, text));
    }
    input_bytes(bytes, length)
}

/// A rate as the engine has it: 0 is none.
pub(crate) fn rate_cap(bytes_per_second: u64) -> Option<u64> {
    (bytes_per_second != 0).then_some(bytes_per_second)
}
