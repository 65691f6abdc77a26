//! Functions of messages.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use tme_capi::{
    TME_ERROR_HANDLE, TME_ERROR_NOT_WRITABLE, TME_ERROR_NULL, TME_ERROR_TOO_LARGE,
    TME_ERROR_TOO_MANY_RETAINED, TME_OK, TmeMessage, TmeSendOptions,
};

use super::Call;
use crate::misuser::{Guise, Misuser, bytes_at, call};
use crate::place::Place;
use crate::settings::Kept;
use crate::world::{Held, State};

pub const CALLS: &[Call] =
    &[(10, create), (6, retain), (6, clone), (4, release), (6, bytes), (8, writable), (4, exchange)];

fn at<T>(place: Option<&Place>) -> *mut T {
    place.map_or(null_mut(), Place::at)
}

/// What a function that makes a message must have done with the place for it.
fn made(m: &Misuser<'_>, result: i32, out: Option<&Place>) -> Option<*mut c_void> {
    let Some(out) = out else {
        m.must(result != TME_OK, format_args!("a message was made for nobody"));
        return None;
    };
    let pointer: *mut c_void = out.read();
    m.must(out.is_intact_after(size_of::<*mut c_void>()), format_args!("written beyond a pointer"));
    m.must(pointer.is_null() == (result != TME_OK), format_args!("result {result} with message {pointer:?}"));
    (!pointer.is_null()).then_some(pointer)
}

fn create(m: &mut Misuser<'_>) {
    let length = match m.chance.below(200) {
        0 => 16 << 20,
        1 => 1 << 20,
        2..20 => (16 << 20) + 1 + (m.chance.edgy_wide() >> 1) as usize,
        20..60 => m.chance.below(5_000),
        _ => m.chance.below(300),
    };
    let out = m.out::<*mut TmeMessage>();
    let result = call!(m, tme_message_create(length, at(out.as_ref())));
    let is_too_large = length > 16 << 20;
    let expected = if out.is_none() { TME_ERROR_NULL } else { TME_ERROR_TOO_LARGE };
    let is_fine = out.is_some() && !is_too_large;
    m.must(result == if is_fine { TME_OK } else { expected }, format_args!("{length} bytes gave {result}"));
    if let Some(pointer) = made(m, result, out.as_ref()) {
        m.hold(Held { pointer, expected: vec![0; length], state: State::Draft });
    }
}

fn retain(m: &mut Misuser<'_>) {
    let world = m.world;
    let slot = &world.slots[m.chance.below(world.slots.len())];
    let guard = slot.handle.try_read_recursive();
    let live = guard.as_ref().and_then(|guard| guard.as_ref());
    let some = |ids: &Vec<u64>, m: &mut Misuser<'_>| if ids.is_empty() { 0 } else { m.chance.pick(ids) };
    let id = match (m.chance.below(8), live) {
        (0..4, Some(live)) => some(&live.newest.lock(), m),
        (4..6, Some(live)) => some(&live.stale.lock(), m),
        (6, Some(live)) => some(&live.newest.lock(), m) ^ 1 << m.chance.below(64),
        _ => m.chance.edgy_wide(),
    };
    let out = m.out::<*mut TmeMessage>();
    let result = call!(m, tme_message_retain(id, at(out.as_ref())));
    if let Some(pointer) = made(m, result, out.as_ref()) {
        let held = adopt(m, pointer, State::Final);
        m.hold(held);
    }
}

/// A message whose bytes we see for the first time.
pub fn adopt(m: &mut Misuser<'_>, pointer: *mut c_void, state: State) -> Held {
    let (mut data, mut length) = (null(), 0);
    let result = call!(m, tme_message_bytes(pointer.cast(), &raw mut data, &raw mut length));
    m.must(result == TME_OK, format_args!("the bytes of a new message gave {result}"));
    // SAFETY: the message lives.
    let expected = unsafe { bytes_at(data, length) }.to_vec();
    Held { pointer, expected, state }
}

/// A message as an argument: one of ours, taken out of our hands, or a pointer that is none.
fn argument<'w>(
    m: &mut Misuser<'w>,
) -> (*mut TmeMessage, Guise, Option<Held>, Option<crate::misuser::Given<'w>>) {
    match m.chance.below(20) {
        0 => (null_mut(), Guise::Null, None, None),
        1 | 2 => {
            let wrong = m.wrong_handle(&[]);
            (wrong.pointer.cast(), Guise::Wrong, None, Some(wrong))
        }
        _ if m.messages.is_empty() => (null_mut(), Guise::Null, None, None),
        _ => {
            let index = m.chance.below(m.messages.len());
            let held = m.messages.swap_remove(index);
            (held.pointer.cast(), Guise::Right, Some(held), None)
        }
    }
}

fn judge(m: &Misuser<'_>, guise: Guise, result: i32) {
    let is_so = match guise {
        Guise::Right => true,
        Guise::Null => result == TME_ERROR_NULL,
        Guise::Wrong => result == TME_ERROR_HANDLE,
    };
    m.must(is_so, format_args!("a message of guise {guise:?} gave {result}"));
}

fn clone(m: &mut Misuser<'_>) {
    let (pointer, guise, held, _given) = argument(m);
    let out = m.out::<*mut TmeMessage>();
    let result = call!(m, tme_message_clone(pointer, at(out.as_ref())));
    judge(m, guise, result);
    let copy = made(m, result, out.as_ref());
    let Some(mut held) = held else { return };
    if let Some(pointer) = copy {
        held.state = State::Final;
        let copy = Held { pointer, expected: held.expected.clone(), state: State::Final };
        m.inspect(&copy);
        m.hold(copy);
    } else {
        let is_so = out.is_none() || result == TME_ERROR_TOO_MANY_RETAINED;
        m.must(is_so, format_args!("cloning a good message gave {result}"));
        if held.state == State::Draft {
            held.state = State::Unknown;
        }
    }
    m.inspect(&held);
    m.hold(held);
}

fn release(m: &mut Misuser<'_>) {
    let (pointer, guise, held, _given) = argument(m);
    if let Some(held) = &held {
        m.inspect(held);
    }
    let result = call!(m, tme_message_release(pointer));
    let expected = if guise == Guise::Wrong { TME_ERROR_HANDLE } else { TME_OK };
    m.must(result == expected, format_args!("releasing a message of guise {guise:?} gave {result}"));
}

fn bytes(m: &mut Misuser<'_>) {
    let (pointer, guise, held, _given) = argument(m);
    let (data, length) = (m.out::<*const c_void>(), m.out::<usize>());
    let result = call!(m, tme_message_bytes(pointer, at(data.as_ref()), at(length.as_ref())));
    let is_whole = data.is_some() && length.is_some();
    if is_whole {
        judge(m, guise, result);
    }
    m.must((result == TME_OK) == (is_whole && guise == Guise::Right), format_args!("bytes gave {result}"));
    check_pair(m, result, data.as_ref(), length.as_ref());
    if let Some(held) = held {
        m.inspect(&held);
        m.hold(held);
    }
}

/// Bytes told by two results: both there, or neither.
fn check_pair(m: &Misuser<'_>, result: i32, data: Option<&Place>, length: Option<&Place>) {
    let start = data.map_or(null_mut(), Place::read::<*mut c_void>);
    let count = length.map_or(0, Place::read::<usize>);
    let is_so =
        if result == TME_OK { start.is_null() == (count == 0) } else { start.is_null() && count == 0 };
    m.must(is_so, format_args!("result {result} with {count} bytes at {start:?}"));
}

fn writable(m: &mut Misuser<'_>) {
    let (pointer, guise, held, _given) = argument(m);
    let (data, length) = (m.out::<*mut c_void>(), m.out::<usize>());
    let result = call!(m, tme_message_writable(pointer, at(data.as_ref()), at(length.as_ref())));
    let is_whole = data.is_some() && length.is_some();
    if is_whole {
        judge(m, guise, result);
    }
    check_pair(m, result, data.as_ref(), length.as_ref());
    let Some(mut held) = held else { return };
    if is_whole {
        let is_so = match held.state {
            State::Draft => result == TME_OK,
            State::Final => result == TME_ERROR_NOT_WRITABLE,
            State::Unknown => result == TME_OK || result == TME_ERROR_NOT_WRITABLE,
        };
        m.must(is_so, format_args!("writing a message that is {:?} gave {result}", held.state));
    }
    if let (TME_OK, Some(data), Some(length)) = (result, data, length) {
        let (start, count) = (data.read::<*mut u8>(), length.read::<usize>());
        m.must(count == held.expected.len(), format_args!("{count} bytes are writable"));
        let fresh = m.chance.bytes(count.min(100));
        held.expected[..fresh.len()].copy_from_slice(&fresh);
        if !start.is_null() {
            // SAFETY: that many bytes were given to be written.
            unsafe { start.copy_from_nonoverlapping(fresh.as_ptr(), fresh.len()) };
        }
    }
    m.inspect(&held);
    m.hold(held);
}

/// Messages change hands between threads.
fn exchange(m: &mut Misuser<'_>) {
    let mut shared = m.world.messages.lock();
    if m.chance.one_in(2) && shared.len() < 100 {
        shared.extend(m.messages.pop());
    } else if let Some(held) = shared.pop() {
        drop(shared);
        m.inspect(&held);
        m.hold(held);
    }
}

/// Hands a message over by `send`, which gives how it went. It is ours still if that failed.
pub fn hand_over<'w>(
    m: &mut Misuser<'w>,
    is_handle_right: bool,
    send: impl FnOnce(&mut Misuser<'w>, *mut TmeMessage, *const TmeSendOptions) -> i32,
) -> i32 {
    let mut kept = Kept::default();
    let options = m.options(&mut kept);
    let (pointer, guise, held, _given) = argument(m);
    let result = send(m, pointer, options);
    if is_handle_right && guise != Guise::Right {
        m.must(result < 0, format_args!("a message of guise {guise:?} was sent"));
    }
    if let Some(mut held) = held
        && result < 0
    {
        if held.state == State::Draft {
            held.state = State::Unknown;
        }
        m.inspect(&held);
        m.hold(held);
    }
    result
}
