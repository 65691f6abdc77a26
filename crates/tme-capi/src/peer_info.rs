//! Peers: who they are.

use std::ffi::c_char;
use std::mem::{offset_of, size_of};

use tme::PeerInfo;

use crate::boundary::{Versioned, copy_text};
use crate::event::TmePeer;
use crate::link::link_number;

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
    /// What carries the session at the moment: TME_LINK_UDP, TME_LINK_TCP or TME_LINK_WEBSOCKET.
    pub link: u32,
    /// 0.
    pub reserved: u32,
}

const _: () = assert!(size_of::<TmePeerInfo>() == 160);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), numbers only.
unsafe impl Versioned for TmePeerInfo {
    const FIRST_BYTES: usize = offset_of!(Self, link);

    fn defaults() -> Self {
        Self { struct_size: 0, number: 0, peer: 0, address: [0; 64], key: [0; 72], link: 0, reserved: 0 }
    }
}

impl From<&PeerInfo> for TmePeerInfo {
    fn from(of: &PeerInfo) -> Self {
        let (number, peer, link) = (of.number, of.peer.as_u64(), link_number(of.link));
        let mut info = Self { number, peer, link, ..Self::defaults() };
        // The longest address is [8 × 4 digits%10 digits]:5 digits.
        copy_text(of.remote.to_string().as_bytes(), &mut info.address);
        if let Some(key) = &of.key {
            copy_text(key.to_string().as_bytes(), &mut info.key);
        }
        info
    }
}
