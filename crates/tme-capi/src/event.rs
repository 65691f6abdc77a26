//! Events: what polling gives.

use std::ffi::c_char;
use std::mem::{offset_of, size_of};
use std::ptr::null;

use tme::{ClockChange, Event, Origin, Payload, PeerId, Reason};

use crate::link::link_number;
use crate::message::TmeMessageId;
use crate::token::problem_number;

/// A peer's id. 0 is nobody; ids are below 2^53 and never used twice.
pub type TmePeer = u64;

/// A peer is connected: messages can be sent and will come.
pub const TME_EVENT_CONNECTED: u32 = 1;
/// A message came.
pub const TME_EVENT_MESSAGE: u32 = 2;
/// A channel that had answered TME_ERROR_WOULD_BLOCK or TME_ERROR_TOO_MANY_KEYS takes messages again.
pub const TME_EVENT_WRITABLE: u32 = 3;
/// The peer has been silent for 3 s although an answer is due; RESUMED or DISCONNECTED follows.
pub const TME_EVENT_INTERRUPTED: u32 = 4;
/// The peer is heard again.
pub const TME_EVENT_RESUMED: u32 = 5;
/// The connection is over, or was never made. The peer's id names nobody from now on.
pub const TME_EVENT_DISCONNECTED: u32 = 6;
/// The other side's library has received a message that was sent with a receipt: the game there has it or will, unless it
/// closes or stops polling; sequenced and unreliable messages may still be dropped there.
pub const TME_EVENT_DELIVERED: u32 = 7;
/// A message that was sent with a receipt was given up; `reason` says why. It may have arrived all the same, unless
/// TME_EVENT_FLAG_NEVER_SENT is set.
pub const TME_EVENT_EXPIRED: u32 = 8;
/// Somebody asks to be let in (with TME_CONFIG_ASK or TME_NEWCOMERS_ASK); answer by tme_server_accept or tme_server_refuse.
/// CONNECTED or DISCONNECTED follows in any case.
pub const TME_EVENT_ADMISSION: u32 = 9;
/// A server that was asked what it is has answered, or has not.
pub const TME_EVENT_SERVER_INFO: u32 = 12;

/// A server on this network was found, or (TME_EVENT_FLAG_CHANGED) says something else: tme_discovery_server.
pub const TME_EVENT_SERVER_FOUND: u32 = 14;
/// A server that was found has not answered for 7 s.
pub const TME_EVENT_SERVER_LOST: u32 = 15;

/// The server's time is known now, or was set where it only ran until then: tme_client_server_time.
pub const TME_EVENT_CLOCK: u32 = 13;
/// At a server: a client goes on from another address, in the same session. tme_server_peer_info has the address.
pub const TME_EVENT_ADDRESS_CHANGED: u32 = 10;
/// The session goes on by another link, or another stream; `token` is TME_LINK_UDP, TME_LINK_TCP or
/// TME_LINK_WEBSOCKET. tme_server_peer_info and
/// tme_client_server_info have the other side's address from now on.
pub const TME_EVENT_LINK_CHANGED: u32 = 11;

/// CONNECTED, ADMISSION: the other side has a key, which the peer's info tells.
pub const TME_EVENT_FLAG_HAS_KEY: u32 = 1;
/// CONNECTED at a client with known hosts: this server was not known before.
pub const TME_EVENT_FLAG_FIRST_USE: u32 = 2;
/// DISCONNECTED: the other side ended it, proven. Without this flag and the next, this side did.
pub const TME_EVENT_FLAG_REMOTE: u32 = 4;
/// DISCONNECTED: somebody who could see our datagrams said so; not proven to be the server.
pub const TME_EVENT_FLAG_UNAUTHENTICATED: u32 = 8;
/// CONNECTED at a server, ADMISSION: the client has a connect token, which tme_server_peer_token tells.
pub const TME_EVENT_FLAG_HAS_TOKEN: u32 = 16;

/// CLOCK: the time shown was further off than is corrected by and by, and was set; `token` is by how many microseconds, as an
/// int64_t. Without this flag it is known for the first time.
pub const TME_EVENT_FLAG_STEPPED: u32 = 32;

/// EXPIRED: nothing of the message was ever sent, so it certainly does not arrive.
pub const TME_EVENT_FLAG_NEVER_SENT: u32 = 64;

/// SERVER_FOUND: it was found before, and says something else now, or has one more address.
pub const TME_EVENT_FLAG_CHANGED: u32 = 128;

/// EXPIRED: its deadline, or the age that its channel allows in the queue, passed before it was acknowledged.
pub const TME_EXPIRED_DEADLINE: u32 = 1;
/// EXPIRED: a newer value of its key, or a newer message of a sequenced channel, took its place.
pub const TME_EXPIRED_SUPERSEDED: u32 = 2;
/// EXPIRED: it was sent unreliably, and a packet that carried it counts as lost.
pub const TME_EXPIRED_LOST: u32 = 3;
/// EXPIRED: the connection ended first; DISCONNECTED follows.
pub const TME_EXPIRED_DISCONNECTED: u32 = 4;

/// One piece of news. Which fields mean something depends on `type`; the others are 0.
///
/// `data` lives until the next poll of the same handle, or its end; tme_message_retain keeps it beyond.
/// Skip kinds you do not know: newer libraries have more.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeEvent {
    /// TME_EVENT_….
    pub r#type: u32,
    /// TME_EVENT_FLAG_…, by kind.
    pub flags: u32,
    /// Whom it is about; 0 if nobody.
    pub peer: TmePeer,
    /// TME_REASON_… (DISCONNECTED; SERVER_INFO, where it is 0 if the server has answered), TME_EXPIRED_… (EXPIRED).
    pub reason: u32,
    /// The channel's id (MESSAGE, WRITABLE, DELIVERED, EXPIRED).
    pub channel: u32,
    /// MESSAGE: its key, in reliable-latest channels. CONNECTED: the client's number. DISCONNECTED: the game's own code, with
    /// TME_REASON_TOKEN a TME_TOKEN_PROBLEM_…. ADMISSION: the peer that is connected with the same identity, or 0.
    /// SERVER_INFO: the query. SERVER_FOUND and SERVER_LOST: the server's id.
    /// CLOCK: by how many microseconds it was set, as an int64_t. LINK_CHANGED: TME_LINK_….
    /// DELIVERED and EXPIRED: the receipt of the send.
    pub token: u64,
    /// The message (MESSAGE), user data of the other side (CONNECTED, ADMISSION), the game's own bytes or an explanation
    /// (DISCONNECTED, SERVER_INFO), the server's name (SERVER_FOUND, SERVER_LOST). NULL if there are none.
    pub data: *const u8,
    /// Bytes in `data`.
    pub length: usize,
    /// Names the data for tme_message_retain; 0 if there is none.
    pub message: TmeMessageId,
    /// 0.
    pub reserved: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<TmeEvent>() == 64);
    assert!(offset_of!(TmeEvent, peer) == 8);
    assert!(offset_of!(TmeEvent, reason) == 16);
    assert!(offset_of!(TmeEvent, channel) == 20);
    assert!(offset_of!(TmeEvent, token) == 24);
    assert!(offset_of!(TmeEvent, data) == 32);
    assert!(offset_of!(TmeEvent, length) == 40);
    assert!(offset_of!(TmeEvent, message) == 48);
    assert!(offset_of!(TmeEvent, reserved) == 56);
};

/// A constant name for a kind of event, such as "connected".
///
/// Parameters: `type`, anything; unknown kinds are "unknown".
/// Returns: a text that is never NULL and never goes away.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tme_event_string(r#type: u32) -> *const c_char {
    let name = match r#type {
        TME_EVENT_CONNECTED => c"connected",
        TME_EVENT_MESSAGE => c"message",
        TME_EVENT_WRITABLE => c"writable",
        TME_EVENT_INTERRUPTED => c"interrupted",
        TME_EVENT_RESUMED => c"resumed",
        TME_EVENT_DISCONNECTED => c"disconnected",
        TME_EVENT_ADMISSION => c"admission",
        TME_EVENT_SERVER_INFO => c"server info",
        TME_EVENT_CLOCK => c"clock",
        TME_EVENT_SERVER_FOUND => c"server found",
        TME_EVENT_SERVER_LOST => c"server lost",
        TME_EVENT_ADDRESS_CHANGED => c"address changed",
        TME_EVENT_LINK_CHANGED => c"link changed",
        TME_EVENT_DELIVERED => c"delivered",
        TME_EVENT_EXPIRED => c"expired",
        _ => c"unknown",
    };
    name.as_ptr()
}

/// The event as C sees it, but for its data. `None`: a kind this interface does not know yet.
pub(crate) fn translate(event: Event) -> Option<(TmeEvent, Option<Payload>)> {
    let mut news = TmeEvent {
        r#type: 0,
        flags: 0,
        peer: event.peer().as_u64(),
        reason: 0,
        channel: 0,
        token: 0,
        data: null(),
        length: 0,
        message: 0,
        reserved: 0,
    };
    let data = match event {
        Event::Admission { info, .. } => {
            news.r#type = TME_EVENT_ADMISSION;
            news.token = info.same_identity.map_or(0, PeerId::as_u64);
            news.flags |= if info.key.is_some() { TME_EVENT_FLAG_HAS_KEY } else { 0 };
            news.flags |= if info.token.is_some() { TME_EVENT_FLAG_HAS_TOKEN } else { 0 };
            Some(info.user_data)
        }
        Event::Connected { info, .. } => {
            news.r#type = TME_EVENT_CONNECTED;
            news.token = u64::from(info.number);
            news.flags |= if info.key.is_some() { TME_EVENT_FLAG_HAS_KEY } else { 0 };
            news.flags |= if info.token.is_some() { TME_EVENT_FLAG_HAS_TOKEN } else { 0 };
            news.flags |= if info.is_first_use { TME_EVENT_FLAG_FIRST_USE } else { 0 };
            Some(info.user_data)
        }
        Event::Message { channel, key, payload, .. } => {
            news.r#type = TME_EVENT_MESSAGE;
            news.channel = u32::from(channel.0);
            news.token = u64::from(key);
            Some(payload)
        }
        Event::Writable { channel, .. } => {
            news.r#type = TME_EVENT_WRITABLE;
            news.channel = u32::from(channel.0);
            None
        }
        Event::Delivered { channel, token, .. } => {
            news.r#type = TME_EVENT_DELIVERED;
            news.channel = u32::from(channel.0);
            news.token = token;
            None
        }
        Event::Expired { channel, token, reason, never_sent, .. } => {
            news.r#type = TME_EVENT_EXPIRED;
            news.channel = u32::from(channel.0);
            news.token = token;
            news.reason = reason.kind();
            news.flags |= if never_sent { TME_EVENT_FLAG_NEVER_SENT } else { 0 };
            None
        }
        Event::Interrupted { .. } => {
            news.r#type = TME_EVENT_INTERRUPTED;
            None
        }
        Event::Resumed { .. } => {
            news.r#type = TME_EVENT_RESUMED;
            None
        }
        Event::Clock { change, .. } => {
            news.r#type = TME_EVENT_CLOCK;
            if let ClockChange::Stepped { micros } = change {
                news.flags |= TME_EVENT_FLAG_STEPPED;
                news.token = micros.cast_unsigned();
            }
            None
        }
        Event::AddressChanged { .. } => {
            news.r#type = TME_EVENT_ADDRESS_CHANGED;
            None
        }
        Event::LinkChanged { link, .. } => {
            news.r#type = TME_EVENT_LINK_CHANGED;
            news.token = u64::from(link_number(link));
            None
        }
        Event::Disconnected { reason, .. } => {
            news.r#type = TME_EVENT_DISCONNECTED;
            news.reason = u32::from(reason.reason.code());
            news.token = match reason.reason {
                Reason::Token => u64::from(reason.token_problem().map_or(0, problem_number)),
                _ => u64::from(reason.code),
            };
            news.flags |= match reason.origin {
                Origin::Local => 0,
                Origin::Remote => TME_EVENT_FLAG_REMOTE,
                Origin::Unauthenticated => TME_EVENT_FLAG_UNAUTHENTICATED,
            };
            Some(reason.detail)
        }
        _ => return None,
    };
    Some((news, data))
}
