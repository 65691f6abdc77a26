//! The layout of data packets (`docs/PROTOCOL.md`, sections 5 to 7): header and frames, nothing else.

pub mod ack;
pub mod frame;
pub mod header;
