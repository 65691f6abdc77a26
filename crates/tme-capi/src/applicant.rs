//! Applicants: clients about whom the game is asked, to be let in or not.

use std::ffi::{c_char, c_void};
use std::mem::size_of;

use tme::{Applicant, PeerId, RefuseAs};

use crate::added::added_bytes;
use crate::boundary::{Versioned, copy_text, enter, write_struct};
use crate::event::TmePeer;
use crate::failure::Failure;
use crate::reason::{TME_REASON_BANNED, TME_REASON_DENIED, TME_REASON_FULL};
use crate::result::{TME_ERROR_ENUM, TME_ERROR_TOO_LARGE, TME_ERROR_UNKNOWN_PEER, TME_OK, TmeResult};
use crate::server::{ServerInner, TmeServer};
use crate::token::TmeTokenInfo;

/// Who asks to be let in.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeApplicantInfo {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Its id, which will be the peer's.
    pub peer: TmePeer,
    /// A peer that is connected with the same identity key, or the same user by a connect token; 0 if there is none.
    pub same_identity: TmePeer,
    /// Its address and port as text.
    pub address: [c_char; 64],
    /// Its identity key as 64 hexadecimal digits. Empty if it has none.
    pub key: [c_char; 72],
}

const _: () = assert!(size_of::<TmeApplicantInfo>() == 160);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), numbers only.
unsafe impl Versioned for TmeApplicantInfo {
    const FIRST_BYTES: usize = 160;

    fn defaults() -> Self {
        Self { struct_size: 0, reserved: 0, peer: 0, same_identity: 0, address: [0; 64], key: [0; 72] }
    }
}

impl TmeApplicantInfo {
    fn new(peer: PeerId, of: &Applicant) -> Self {
        let mut info = Self { peer: peer.as_u64(), ..Self::defaults() };
        info.same_identity = of.same_identity.map_or(0, PeerId::as_u64);
        copy_text(of.remote.to_string().as_bytes(), &mut info.address);
        if let Some(key) = &of.key {
            copy_text(key.to_string().as_bytes(), &mut info.key);
        }
        info
    }
}

#[cold]
fn unknown(peer: PeerId) -> Failure {
    Failure::text(TME_ERROR_UNKNOWN_PEER, format_args!("{peer} does not ask to be let in, any more or yet"))
}

#[cold]
fn unknown_player(peer: PeerId) -> Failure {
    let text = format_args!("{peer} neither asks to be let in nor is connected, any more or yet");
    Failure::text(TME_ERROR_UNKNOWN_PEER, text)
}

/// Lets a client in that TME_EVENT_ADMISSION has asked about.
///
/// TME_EVENT_CONNECTED follows, or TME_EVENT_DISCONNECTED if the client has gone or there is no room any more.
///
/// Parameters: `user_data` of `length` bytes, at most 512, which the client finds in its TME_EVENT_CONNECTED.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER if nobody asks under this id, any more or yet; TME_ERROR_TOO_LARGE;
/// TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_accept(
    server: *mut TmeServer,
    peer: TmePeer,
    user_data: *const c_void,
    length: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let user_data = added_bytes("user data", user_data, length, TME_ERROR_TOO_LARGE)?;
        if server.handle.accept_with(peer, user_data)? { Ok(TME_OK) } else { Err(unknown(peer)) }
    })
}

/// Turns a client away that TME_EVENT_ADMISSION has asked about. It is told at once, by a TME_EVENT_DISCONNECTED.
///
/// TME_EVENT_DISCONNECTED follows here, too.
///
/// Parameters: `reason`, TME_REASON_DENIED, TME_REASON_BANNED or TME_REASON_FULL; `detail` of `length` bytes, at most 512,
/// an explanation of the game's own.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER if nobody asks under this id, any more or yet; TME_ERROR_ENUM for another
/// reason; TME_ERROR_TOO_LARGE; TME_ERROR_LENGTH; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_refuse(
    server: *mut TmeServer,
    peer: TmePeer,
    reason: u32,
    detail: *const c_void,
    length: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let reason = match reason {
            TME_REASON_DENIED => RefuseAs::Denied,
            TME_REASON_BANNED => RefuseAs::Banned,
            TME_REASON_FULL => RefuseAs::Full,
            reason => {
                let text = format_args!(
                    "reason {reason} is none to refuse a client with; expected TME_REASON_DENIED, _BANNED or _FULL"
                );
                return Err(Failure::text(TME_ERROR_ENUM, text));
            }
        };
        let detail = added_bytes("detail", detail, length, TME_ERROR_TOO_LARGE)?;
        if server.handle.refuse(peer, reason, detail) { Ok(TME_OK) } else { Err(unknown(peer)) }
    })
}

/// Tells who asks to be let in, until that is decided.
///
/// Parameters: `info` of `struct_size` bytes, which must be `sizeof *info`.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER if nobody asks under this id, any more or yet; TME_ERROR_POISONED;
/// TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_applicant_info(
    server: *const TmeServer,
    peer: TmePeer,
    info: *mut TmeApplicantInfo,
    struct_size: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let applicant = server.handle.applicant(peer).ok_or_else(|| unknown(peer))?;
        write_struct(&TmeApplicantInfo::new(peer, &applicant), info, struct_size)
    })
}

/// Tells what the game's backend says of a player: of one who asks to be let in, and of a peer.
///
/// Parameters: `info` of `struct_size` bytes, which must be `sizeof *info`; `user_bytes` is 0 if the client came without a
/// connect token.
/// Returns: TME_OK; TME_ERROR_UNKNOWN_PEER; TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_peer_token(
    server: *const TmeServer,
    peer: TmePeer,
    info: *mut TmeTokenInfo,
    struct_size: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let peer = PeerId::from_u64(peer);
        let applicant = server.handle.applicant(peer);
        let token = match &applicant {
            Some(applicant) => applicant.token.as_deref().map(TmeTokenInfo::from),
            None => {
                // There before and after: only then is no token the truth about him.
                let is_there = || server.handle.peer(peer).is_some();
                let was_there = is_there();
                let token = server.handle.peer_token(peer);
                if token.is_none() && !(was_there && is_there()) {
                    return Err(unknown_player(peer));
                }
                token.as_deref().map(TmeTokenInfo::from)
            }
        };
        write_struct(&token.unwrap_or_else(TmeTokenInfo::defaults), info, struct_size)
    })
}
