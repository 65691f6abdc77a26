//! Serialization through the derive macros, against `docs/SERIALIZATION.md` and its golden vectors.
#![forbid(unsafe_code)]
#![allow(missing_docs)]

mod hostile;
mod json;
mod properties;
mod types;
mod vectors;
mod versions;
