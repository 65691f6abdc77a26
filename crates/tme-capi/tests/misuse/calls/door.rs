//! A server that asks the game and takes connect tokens, and clients who apply there: all of it as a sane program would do
//! it, so that what misuses applicants and tokens meets some.

use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use tme_capi::{
    TME_CONFIG_ASK, TME_CONFIG_THREADED, TME_ERROR_CLOSED, TME_OK, TME_TOKEN_TEXT_BYTES, TmeClientConfig,
    TmeServerConfig, TmeTokenConfig,
};

use super::Call;
use crate::misuser::{Misuser, ask, call};
use crate::settings::KEYS;
use crate::world::{APPLICANTS, DOOR, Live};

pub const CALLS: &[Call] = &[(6, apply)];

/// One in so many calls lets a client that applied give way to another.
const TURNOVER: usize = 4;

/// Lets somebody apply, with a token that is good, used, expired, for another server or of another key, or with none.
fn apply(m: &mut Misuser<'_>) {
    let Some(port) = door(m) else { return };
    let world = m.world;
    let slot = &world.slots[m.chance.pick(&APPLICANTS)];
    let Some(mut place) = slot.handle.try_write() else { return };
    if place.is_some() && !m.chance.one_in(TURNOVER) {
        return;
    }
    if let Some(live) = place.take() {
        let result = call!(m, tme_client_destroy(live.pointer.cast()));
        m.must(result == TME_OK, format_args!("destroying a client gave {result}"));
    }
    let address = CString::new(format!("127.0.0.1:{port}")).expect("no NUL");
    let token = if m.chance.one_in(4) { None } else { Some(token(m)) };
    let identity = CString::new(m.chance.pick(&KEYS[..2])).expect("no NUL");
    let user_data = m.chance.bytes(20);
    // SAFETY: zero is a value of every field.
    let mut config: TmeClientConfig = unsafe { std::mem::zeroed() };
    config.struct_size = size_of_val(&config) as u32;
    config.flags = if m.chance.one_in(3) { TME_CONFIG_THREADED } else { 0 };
    config.address = address.as_ptr();
    config.token = token.as_ref().map_or(null(), |token| token.as_ptr());
    config.identity = if m.chance.one_in(3) { identity.as_ptr() } else { null() };
    (config.user_data, config.user_data_bytes) = (user_data.as_ptr().cast(), user_data.len() as u32);
    let mut client = null_mut();
    let result = call!(m, tme_client_create(&raw const config, &raw mut client));
    m.must(result == TME_OK, format_args!("an applicant gave {result}"));
    *place = Some(Live::new(client.cast()));
}

/// The port of the server, which is opened again when somebody has shut it down.
fn door(m: &mut Misuser<'_>) -> Option<u16> {
    let slot = &m.world.slots[DOOR];
    if let Some(live) = slot.handle.try_read_recursive().as_deref().and_then(Option::as_ref)
        && call!(m, tme_server_update(live.pointer.cast(), 0)) != TME_ERROR_CLOSED
    {
        return Some(slot.port.load(Ordering::Relaxed));
    }
    let mut place = slot.handle.try_write()?;
    if let Some(live) = place.take() {
        let result = call!(m, tme_server_destroy(live.pointer.cast()));
        m.must(result == TME_OK, format_args!("destroying a server gave {result}"));
    }
    let key = CString::new(KEYS[0]).expect("no NUL");
    // SAFETY: zero is a value of every field.
    let mut config: TmeServerConfig = unsafe { std::mem::zeroed() };
    config.struct_size = size_of_val(&config) as u32;
    config.flags = TME_CONFIG_ASK | if m.chance.one_in(2) { TME_CONFIG_THREADED } else { 0 };
    config.listen = c"127.0.0.1:0".as_ptr();
    (config.key, config.token_keys, config.server_name) = (key.as_ptr(), key.as_ptr(), c"door".as_ptr());
    config.newcomers = m.chance.below(5) as u32;
    config.decision_time_ms = m.chance.pick(&[0, 20, 1_000]);
    config.max_peers = m.chance.pick(&[1, 8]);
    let mut server = null_mut();
    let result = call!(m, tme_server_create(&raw const config, &raw mut server));
    m.must(result == TME_OK, format_args!("a server that asks gave {result}"));
    let port = ask!(m, tme_server_port(server));
    slot.port.store(port, Ordering::Relaxed);
    *place = Some(Live::new(server.cast()));
    Some(port)
}

/// The text of a token: mostly one that the server takes.
fn token(m: &mut Misuser<'_>) -> CString {
    let kind = m.chance.below(10);
    let world = m.world;
    if kind == 0
        && let Some(used) = world.token.lock().clone()
    {
        return used;
    }
    let key = CString::new(if kind == 1 { KEYS[1] } else { KEYS[0] }).expect("no NUL");
    // SAFETY: zero is a value of every field.
    let mut config: TmeTokenConfig = unsafe { std::mem::zeroed() };
    config.struct_size = size_of_val(&config) as u32;
    config.user = m.chance.pick(&[c"alice", c"bob", c"carol"]).as_ptr();
    config.server_name = match kind {
        2 => c"another".as_ptr(),
        3 => c"door".as_ptr(),
        _ => null(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    (config.issued, config.lifetime_s) = match kind {
        4 => (now - 1_000, 1),
        5 => (now + 1_000, 1),
        _ => (0, 0),
    };
    let mut text = [0u8; TME_TOKEN_TEXT_BYTES];
    let place = text.as_mut_ptr().cast();
    let result = call!(m, tme_token_make(key.as_ptr(), &raw const config, place, text.len(), null_mut()));
    m.must(result == TME_OK, format_args!("a good token gave {result}"));
    let text = CString::new(text.split(|&byte| byte == 0).next().unwrap_or_default()).expect("no NUL");
    if kind > 5 {
        *world.token.lock() = Some(text.clone());
    }
    text
}
