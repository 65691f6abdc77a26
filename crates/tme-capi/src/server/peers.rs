//! Server: who is connected, and ending that.

use std::ffi::c_void;

use tme::PeerId;

use super::{ServerInner, TmeServer, unknown};
use crate::added::{added_bytes, rate_cap};
use crate::boundary::{enter, input_slice, must_not_be_null, put, write_struct};
use crate::event::TmePeer;
use crate::failure::Failure;
use crate::peer_info::TmePeerInfo;
use crate::result::{
    TME_ERROR_BUFFER_TOO_SMALL, TME_ERROR_TOO_LARGE, TME_ERROR_UNKNOWN_PEER, TME_OK, TmeResult,
};

/// Lists the peers that are connected.
///
/// Parameters: `peers`, an array of `capacity`, gets as many ids as fit; `count` gets how many peers there are, also if
/// they do not fit. NULL with capacity 0 asks for the count.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL if there are more; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE;
/// TME_ERROR_LENGTH.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_peers(
    server: *const TmeServer,
    peers: *mut TmePeer,
    capacity: u32,
    count: *mut u32,
) -> TmeResult {
    put(count, 0);
    enter(server, |server: &ServerInner| {
        must_not_be_null(count, "there is no place for the count")?;
        // Checks the array as any other; nothing is read from it.
        input_slice(peers.cast_const().cast::<std::mem::MaybeUninit<TmePeer>>(), capacity as usize)?;
        let connected = server.handle.peers();
        for (index, info) in connected.iter().take(capacity as usize).enumerate() {
            peers.add(index).write(info.peer.as_u64());
        }
        put(count, u32::try_from(connected.len()).unwrap_or(u32::MAX));
        if connected.len() > capacity as usize {
            let text = format_args!("{} peers, room for {capacity}", connected.len());
            return Err(Failure::text(TME_ERROR_BUFFER_TOO_SMALL, text));
        }
        Ok(TME_OK)
    })
}

/// Tells who a peer is.
///
/// Parameters: `info` of `struct_size` bytes, which must be `sizeof *info`.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_peer_info(
    server: *const TmeServer,
    peer: TmePeer,
    info: *mut TmePeerInfo,
    struct_size: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let found = server.handle.peer(peer).ok_or_else(|| unknown(peer))?;
        write_struct(&TmePeerInfo::from(&found), info, struct_size)
    })
}

/// Finds the peer with a number, for engines whose ids have 32 bits.
///
/// Parameters: `number`; `peer` gets its id, or 0.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_peer_by_number(
    server: *const TmeServer,
    number: u32,
    peer: *mut TmePeer,
) -> TmeResult {
    put(peer, 0);
    enter(server, |server: &ServerInner| {
        must_not_be_null(peer, "there is no place for the peer")?;
        let unknown =
            || Failure::text(TME_ERROR_UNKNOWN_PEER, format_args!("nobody has the number {number}"));
        put(peer, server.handle.peer_by_number(number).ok_or_else(unknown)?.peer.as_u64());
        Ok(TME_OK)
    })
}

/// Sets how much may leave for a peer.
///
/// Parameters: `bytes_per_second` of UDP payload; less than 1,200 counts as 1,200, and 0 leaves it to the path.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_set_rate_cap(
    server: *mut TmeServer,
    peer: TmePeer,
    bytes_per_second: u64,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let is_known = server.handle.set_rate_cap(peer, rate_cap(bytes_per_second));
        if is_known { Ok(TME_OK) } else { Err(unknown(peer)) }
    })
}

/// Ends the connection to a peer after its queued reliable messages went through, for at most 3 s.
///
/// TME_EVENT_DISCONNECTED follows.
///
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_disconnect(server: *mut TmeServer, peer: TmePeer) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        if server.handle.disconnect(peer) { Ok(TME_OK) } else { Err(unknown(peer)) }
    })
}

/// Ends the connection to a peer like tme_server_disconnect, with a code and bytes of the game's own.
///
/// Parameters: `code`; `detail` of `length` bytes, at most 512. The client finds them in its TME_EVENT_DISCONNECTED.
/// Returns: as tme_server_disconnect; TME_ERROR_TOO_LARGE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_disconnect_with(
    server: *mut TmeServer,
    peer: TmePeer,
    code: u32,
    detail: *const c_void,
    length: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let detail = added_bytes("detail", detail, length, TME_ERROR_TOO_LARGE)?;
        if server.handle.disconnect_with(peer, code, detail) { Ok(TME_OK) } else { Err(unknown(peer)) }
    })
}

/// Throws a peer out at once, with a code and bytes of the game's own. Nothing it sends is taken any more.
///
/// TME_EVENT_DISCONNECTED follows when the client has acknowledged, or some 5 s later; until then the peer is listed and
/// sends to it get TME_ERROR_NOT_CONNECTED.
///
/// Parameters: as tme_server_disconnect_with.
/// Returns: as tme_server_disconnect_with.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_kick(
    server: *mut TmeServer,
    peer: TmePeer,
    code: u32,
    detail: *const c_void,
    length: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let detail = added_bytes("detail", detail, length, TME_ERROR_TOO_LARGE)?;
        if server.handle.kick(peer, code, detail) { Ok(TME_OK) } else { Err(unknown(peer)) }
    })
}
