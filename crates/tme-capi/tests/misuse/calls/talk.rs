//! Conversations that go on amid the misuse: numbered messages, all of which must arrive, in their order.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tme_capi::{TME_DIRECTION_INCOMING, TME_DIRECTION_OUTGOING, TME_ERROR_WOULD_BLOCK, TME_OK};

use super::{Call, client, server};
use crate::misuser::{Misuser, call};
use crate::world::{Direction, Kind, Slot, TALK_CHANNEL, WITNESS_CLIENT, WITNESS_ECHO, WITNESS_SERVER};

pub const CALLS: &[Call] = &[(10, say_something), (8, let_all_work)];

const DIRECTIONS: [Direction; 3] = [Direction::Up, Direction::Down, Direction::Echo];
/// A conversation that takes longer to come to its end has broken off.
const PATIENCE: Duration = Duration::from_secs(60);

fn say_something(m: &mut Misuser<'_>) {
    let direction = m.chance.pick(&DIRECTIONS);
    say(m, direction);
}

/// Lets every handle do its work, as a sane program would: else hardly anybody is ever connected.
fn let_all_work(m: &mut Misuser<'_>) {
    let world = m.world;
    for slot in &world.slots {
        let Some(guard) = slot.handle.try_read_recursive() else { continue };
        let Some(live) = guard.as_ref() else { continue };
        if slot.kind == Kind::Server {
            call!(m, tme_server_update(live.pointer.cast(), 0));
        } else {
            call!(m, tme_client_update(live.pointer.cast(), 0));
        }
    }
}

/// The `number`-th message: as long as it happens to be, and different from all others.
fn text(number: u32) -> Vec<u8> {
    let length = 8 + number.wrapping_mul(2_654_435_761) as usize % 1_400;
    let mut bytes = vec![number as u8; length];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Sends the next message. Gives whether it was taken.
fn say(m: &mut Misuser<'_>, direction: Direction) -> bool {
    let world = m.world;
    let Some(mut sent) = world.line(direction).sent.try_lock() else { return false };
    let sender = match direction {
        Direction::Up => WITNESS_CLIENT,
        Direction::Down => WITNESS_SERVER,
        Direction::Echo => WITNESS_ECHO,
    };
    let guard = world.slots[sender].handle.read_recursive();
    let handle = guard.as_ref().expect("nobody destroys a conversation's handles").pointer;
    let bytes = text(*sent);
    let (data, length) = (bytes.as_ptr().cast(), bytes.len());
    let result = match direction {
        Direction::Down => {
            let peer = world.witness_peer.load(Ordering::Relaxed);
            call!(m, tme_server_send(handle.cast(), peer, TALK_CHANNEL, data, length, 0))
        }
        _ => call!(m, tme_client_send(handle.cast(), TALK_CHANNEL, data, length, 0)),
    };
    let is_so = matches!(result, TME_OK | TME_ERROR_WOULD_BLOCK);
    m.must(is_so, format_args!("the conversation {direction:?} gave {result}"));
    *sent += u32::from(result == TME_OK);
    result == TME_OK
}

/// A message of the conversation has come to this handle.
pub fn hear(m: &Misuser<'_>, slot: &Slot, bytes: &[u8]) {
    let direction = match slot.index {
        WITNESS_SERVER => Direction::Up,
        WITNESS_CLIENT => Direction::Down,
        _ => Direction::Echo,
    };
    let mut received = m.world.line(direction).received.lock();
    let is_so = bytes == text(*received);
    m.must(is_so, format_args!("message {received} of {direction:?} came as {bytes:?}"));
    *received += 1;
}

/// Lets every conversation come to its end: what was said has to be heard.
pub fn finish(m: &mut Misuser<'_>) {
    let world = m.world;
    let peer = world.witness_peer.load(Ordering::Relaxed);
    for direction in [TME_DIRECTION_INCOMING, TME_DIRECTION_OUTGOING] {
        for index in [WITNESS_CLIENT, WITNESS_ECHO] {
            let client = pointer(m, index).cast();
            let result = call!(m, tme_client_set_conditions(client, direction, std::ptr::null()));
            m.must(result == TME_OK, format_args!("a conversation's client gave {result}"));
        }
        let server = pointer(m, WITNESS_SERVER).cast();
        let result = call!(m, tme_server_set_conditions(server, peer, direction, std::ptr::null()));
        m.must(result == TME_OK, format_args!("the conversations' server gave {result}"));
    }
    let began = Instant::now();
    let mut is_last_said = [false; 3];
    loop {
        for index in [WITNESS_SERVER, WITNESS_CLIENT, WITNESS_ECHO] {
            turn(m, index);
        }
        for (is_said, direction) in is_last_said.iter_mut().zip(DIRECTIONS) {
            *is_said = *is_said || say(m, direction);
        }
        let open: Vec<_> = DIRECTIONS
            .into_iter()
            .map(|direction| {
                (direction, *world.line(direction).sent.lock(), *world.line(direction).received.lock())
            })
            .filter(|(_, sent, received)| sent != received)
            .collect();
        if open.is_empty() && is_last_said == [true; 3] {
            return;
        }
        let is_in_time = began.elapsed() < PATIENCE;
        m.must(is_in_time, format_args!("said and not heard: {open:?}, last ones said: {is_last_said:?}"));
    }
}

fn pointer(m: &Misuser<'_>, index: usize) -> *mut std::ffi::c_void {
    let guard = m.world.slots[index].handle.read_recursive();
    guard.as_ref().expect("nobody destroys a conversation's handles").pointer
}

/// Updates and polls one handle of the conversations.
fn turn(m: &mut Misuser<'_>, index: usize) {
    if index == WITNESS_SERVER { server::turn(m, index) } else { client::turn(m, index) }
}
