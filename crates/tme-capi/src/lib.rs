//! The C interface of TME, as a Rust library so that Rust tests and fuzzers reach it too.
//!
//! `docs/C_API.md` is its contract; `include/tme.h` is generated from this crate.
#![allow(missing_docs)]

mod version;
pub use version::*;
