//! x
pub mod parameters;
pub mod reason;
