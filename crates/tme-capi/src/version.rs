//! Version: which library was loaded.

use std::ffi::c_char;

/// The loaded library's version, which may be newer than that of the header a program was built with.
///
/// Returns: major × 1,000,000 + minor × 1,000 + patch.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tme_version() -> u32 {
    const VERSION: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
        + number(env!("CARGO_PKG_VERSION_PATCH"));
    VERSION
}

/// The loaded library's version as text, such as "0.1.0".
///
/// Returns: a text that never goes away.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tme_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Parses a decimal number at compile time.
const fn number(text: &str) -> u32 {
    let mut value = 0;
    let mut rest = text.as_bytes();
    while let [digit, after @ ..] = rest {
        value = value * 10 + (*digit - b'0') as u32;
        rest = after;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_and_the_text_agree() {
        let number = tme_version();
        let text = format!("{}.{}.{}", number / 1_000_000, number / 1_000 % 1_000, number % 1_000);
        assert_eq!(text, env!("CARGO_PKG_VERSION"));
    }
}
