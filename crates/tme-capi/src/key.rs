//! Keys: made, and turned into what others may know.

use std::ffi::c_char;

use tme::SecretKey;

use crate::boundary::{guard, output_text, put, required_text};
use crate::result::TmeResult;

/// Bytes that the text of a key takes: 64 hexadecimal digits and a NUL.
pub const TME_KEY_TEXT_BYTES: usize = 65;

/// Makes a secret key from the system's randomness: a server's, or a player's identity.
///
/// Parameters: `buffer` of `capacity` bytes gets 64 hexadecimal digits; `needed` (may be NULL) gets 65. Keep it secret.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_SYSTEM if the system has no randomness.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_key_generate(
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    put(needed, 0);
    guard(|| output_text(&tme::generate_key()?.to_hex(), buffer, capacity, needed))
}

/// The public half of a secret key: what a server's clients pin.
///
/// Parameters: `secret`, 64 hexadecimal digits; `buffer` of `capacity` bytes gets as many; `needed` (may be NULL) gets 65.
/// Returns: TME_OK; TME_ERROR_KEY; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_NULL; TME_ERROR_UTF8.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_key_public(
    secret: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    put(needed, 0);
    guard(|| {
        let secret = SecretKey::from_hex(required_text(secret, "the secret key is NULL")?)?;
        output_text(&secret.public_key().to_string(), buffer, capacity, needed)
    })
}
