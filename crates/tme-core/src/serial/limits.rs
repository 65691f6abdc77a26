//! What reading and writing are bounded by; `docs/SERIALIZATION.md` §8.

/// How deep lists, maps, sets and boxes may lie in each other. Each level of a decoder takes some hundred bytes of
/// stack, so that the whole stays below what a thread with 64 KiB has.
pub const DEPTH_MAX: u32 = 64;

/// Memory that the values of any message may take, however short it is.
pub const MEMORY_BYTES_FREE: usize = 64 * 1_024;

/// Memory that each byte of a message justifies beyond that: eight bytes for each bit. A list of bools takes one for
/// each bit, a list of empty `Option<[f32; 2]>` twelve.
pub const MEMORY_BYTES_PER_BYTE: usize = 64;

/// Largest encoding: what a reliable channel can be set to.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
