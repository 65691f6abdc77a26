//! `libtme`: links the C interface of `tme-capi` into a shared and a static library.

// Without a use of it the crate would not be linked, and its functions would not be exported.
pub use tme_capi::*;
