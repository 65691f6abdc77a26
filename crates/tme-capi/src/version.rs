//! Which version of the library this is.

/// Tells which version of the library was loaded.
///
/// Returns: major × 1,000,000 + minor × 1,000 + patch.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tme_version() -> u32 {
    1_000
}
