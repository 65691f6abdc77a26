//! Peers: who they are.

use std::ffi::c_char;
use std::mem::size_of;

use tme::PeerInfo;

use crate::boundary::{Versioned, copy_text};
use crate::event::TmePeer;

/// Who a peer is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmePeerInfo {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// The number of the client in this connection: at least 2, below 2^31, never used twice in a server's run.
    pub number: u32,
    /// Its id.
    pub peer: TmePeer,
    /// Its address and port as text.
    pub address: [c_char; 64],
    /// Its public key as 64 hexadecimal digits: at a server the client's identity, at a client the server's key, which
    /// nothing proves with TME_CONFIG_PLAINTEXT. Empty if it has none.
    pub key: [c_char; 72],
}

const _: () = assert!(size_of::<TmePeerInfo>() == 152);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), numbers only.
unsafe impl Versioned for TmePeerInfo {
    const FIRST_BYTES: usize = 152;

    fn defaults() -> Self {
        Self { struct_size: 0, number: 0, peer: 0, address: [0; 64], key: [0; 72] }
    }
}

impl From<&PeerInfo> for TmePeerInfo {
    fn from(of: &PeerInfo) -> Self {
        let mut info = Self { number: of.number, peer: of.peer.as_u64(), ..Self::defaults() };
        // The longest address is [8 × 4 digits%10 digits]:5 digits.
        copy_text(of.remote.to_string().as_bytes(), &mut info.address);
        if let Some(key) = &of.key {
            copy_text(key.to_string().as_bytes(), &mut info.key);
        }
        info
    }
}
