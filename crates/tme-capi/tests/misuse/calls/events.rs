//! Polling, and what every event must be like.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use tme_capi::{
    TME_ERROR_LENGTH, TME_ERROR_NULL, TME_ERROR_TOO_MANY_RETAINED, TME_ERROR_UNKNOWN_MESSAGE,
    TME_EVENT_ADDRESS_CHANGED, TME_EVENT_ADMISSION, TME_EVENT_CLOCK, TME_EVENT_CONNECTED,
    TME_EVENT_DELIVERED, TME_EVENT_DISCONNECTED, TME_EVENT_EXPIRED, TME_EVENT_FLAG_FIRST_USE,
    TME_EVENT_FLAG_HAS_KEY, TME_EVENT_FLAG_HAS_TOKEN, TME_EVENT_FLAG_NEVER_SENT, TME_EVENT_FLAG_REMOTE,
    TME_EVENT_FLAG_STEPPED, TME_EVENT_FLAG_UNAUTHENTICATED, TME_EVENT_INTERRUPTED, TME_EVENT_LINK_CHANGED,
    TME_EVENT_MESSAGE, TME_EVENT_RESUMED, TME_EVENT_WRITABLE, TME_EXPIRED_DEADLINE, TME_EXPIRED_DISCONNECTED,
    TME_OK, TME_REASON_TOKEN, TME_TOKEN_PROBLEM_EXPIRED, TME_TOKEN_PROBLEM_INVALID,
    TME_TOKEN_PROBLEM_MISSING, TME_TOKEN_PROBLEM_NOT_YET_VALID, TME_TOKEN_PROBLEM_USED,
    TME_TOKEN_PROBLEM_WRONG_AUDIENCE, TmeEvent,
};

use super::message::adopt;
use super::talk;
use crate::misuser::{EVENT, Given, Misuser, bytes_at, call};
use crate::place::Place;
use crate::world::{Held, Live, Slot, State, TALK_CHANNEL, WITNESS_SERVER};

/// Most events of one poll.
const EVENTS_MAX: u32 = 4_096;
/// Message ids remembered as stale.
const STALE_MAX: usize = 64;

/// Polls a handle by `ask`, into an array that may be too small, badly aligned or not there.
pub fn poll<'w>(
    m: &mut Misuser<'w>,
    given: &Given<'w>,
    ask: impl FnOnce(&mut Misuser<'w>, *mut c_void, *mut TmeEvent, u32, *mut u32) -> i32,
) -> i32 {
    let (mut alone, mut shared) = (None, None);
    if let Some(slot) = given.slot {
        let is_careful = given.is_witness() || m.chance.one_in(2);
        if is_careful {
            alone = slot.data.try_write();
        } else {
            shared = slot.data.try_read();
        }
        if alone.is_none() && shared.is_none() {
            return TME_OK;
        }
    }
    let room = match m.chance.below(12) {
        0 => 0,
        1 => m.chance.below(5_000),
        _ => m.chance.below(40),
    };
    let place = if m.chance.one_in(16) {
        Place::careless(&mut m.chance, room * size_of::<TmeEvent>())
    } else {
        Place::new(&mut m.chance, room * size_of::<TmeEvent>())
    };
    let capacity = if m.chance.one_in(4) { m.chance.below(room + 1) as u32 } else { room as u32 };
    let events = if m.chance.one_in(24) { null_mut() } else { place.at::<TmeEvent>() };
    let count = m.out::<u32>();
    let result = ask(m, given.pointer, events, capacity, count.as_ref().map_or(null_mut(), Place::at));
    m.judge(given, result);

    let taken = count.as_ref().map_or(0, Place::read::<u32>);
    m.must(
        count.as_ref().is_none_or(|count| count.is_intact_after(4)),
        format_args!("written beyond a count"),
    );
    let is_wrong = if result == TME_OK {
        m.must(
            count.is_some() && taken <= capacity.min(EVENTS_MAX),
            format_args!("{taken} of {capacity} events"),
        );
        (events.is_null() && capacity > 0) || !events.is_aligned()
    } else {
        m.must(taken == 0, format_args!("{taken} events with {result}"));
        let is_known = matches!(result, TME_ERROR_NULL | TME_ERROR_LENGTH);
        given.is_right() && is_known && count.is_some() && events.is_aligned() && !events.is_null()
    };
    m.must(!is_wrong, format_args!("{capacity} events at {events:?} gave {result}"));
    let written = taken as usize * size_of::<TmeEvent>();
    m.must(place.is_intact_after(written), format_args!("written beyond {taken} events"));

    let (Some(live), Some(slot), TME_OK) = (given.live(), given.slot, result) else { return result };
    let ids = std::mem::take(&mut *live.newest.lock());
    if alone.is_some()
        && let Some(&id) = ids.first()
    {
        let mut message = null_mut();
        let result = call!(m, tme_message_retain(id, &raw mut message));
        m.must(
            result == TME_ERROR_UNKNOWN_MESSAGE,
            format_args!("a message of an earlier poll gave {result}"),
        );
    }
    {
        let mut stale = live.stale.lock();
        stale.extend(ids);
        let surplus = stale.len().saturating_sub(STALE_MAX);
        stale.drain(..surplus);
    }
    for index in 0..taken as usize {
        // SAFETY: that many were written.
        let event = unsafe { events.add(index).read() };
        check(m, &event);
        *m.tally.entry((EVENT, Some(event.r#type as i32))).or_default() += 1;
        note(m, live, &event);
        meet(m, &event);
        if alone.is_some() {
            look(m, slot, &event);
        }
    }
    result
}

/// The fields of an event are as its kind has them.
fn check(m: &Misuser<'_>, event: &TmeEvent) {
    let is_message = event.r#type == TME_EVENT_MESSAGE;
    let is_about_somebody = (1..1 << 53).contains(&event.peer);
    let has_no_data = event.data.is_null() && event.message == 0;
    let is_right = match event.r#type {
        TME_EVENT_CONNECTED => {
            let known = TME_EVENT_FLAG_HAS_KEY | TME_EVENT_FLAG_HAS_TOKEN | TME_EVENT_FLAG_FIRST_USE;
            is_about_somebody
                && event.flags & !known == 0
                && (2..1 << 31).contains(&event.token)
                && event.channel == 0
                && event.length <= 512
        }
        TME_EVENT_ADMISSION => {
            let known = TME_EVENT_FLAG_HAS_KEY | TME_EVENT_FLAG_HAS_TOKEN;
            is_about_somebody
                && event.flags & !known == 0
                && event.token < 1 << 53
                && event.token != event.peer
                && event.channel == 0
                && event.length <= 512
        }
        TME_EVENT_MESSAGE => {
            is_about_somebody && event.flags == 0 && event.channel <= 255 && event.message != 0
        }
        TME_EVENT_WRITABLE => {
            is_about_somebody && event.flags == 0 && event.channel <= 255 && event.token == 0 && has_no_data
        }
        TME_EVENT_DELIVERED => {
            is_about_somebody && event.flags == 0 && event.channel <= 255 && event.token != 0 && has_no_data
        }
        TME_EVENT_EXPIRED => {
            is_about_somebody
                && event.flags & !TME_EVENT_FLAG_NEVER_SENT == 0
                && (TME_EXPIRED_DEADLINE..=TME_EXPIRED_DISCONNECTED).contains(&event.reason)
                && event.channel <= 255
                && event.token != 0
                && has_no_data
        }
        TME_EVENT_INTERRUPTED | TME_EVENT_RESUMED | TME_EVENT_ADDRESS_CHANGED => {
            is_about_somebody && event.flags == 0 && event.channel == 0 && event.token == 0 && has_no_data
        }
        TME_EVENT_LINK_CHANGED => {
            is_about_somebody
                && event.flags == 0
                && event.channel == 0
                && matches!(event.token, 1 | 2)
                && has_no_data
        }
        TME_EVENT_CLOCK => {
            let is_stepped = event.flags == TME_EVENT_FLAG_STEPPED;
            is_about_somebody
                && (is_stepped || (event.flags == 0 && event.token == 0))
                && event.channel == 0
                && has_no_data
        }
        TME_EVENT_DISCONNECTED => {
            let known = TME_EVENT_FLAG_REMOTE | TME_EVENT_FLAG_UNAUTHENTICATED;
            event.peer < 1 << 53
                && event.flags & !known == 0
                && event.flags != known
                && m.promises.reasons.contains(&event.reason)
                && event.channel == 0
        }
        _ => false,
    };
    let is_right = is_right
        && event.reserved == 0
        && (event.token <= u64::from(u32::MAX)
            || matches!(
                event.r#type,
                TME_EVENT_ADMISSION | TME_EVENT_CLOCK | TME_EVENT_DELIVERED | TME_EVENT_EXPIRED
            ))
        && (event.reason == 0 || matches!(event.r#type, TME_EVENT_DISCONNECTED | TME_EVENT_EXPIRED))
        && event.data.is_null() == (event.length == 0)
        && (event.message != 0) == (is_message || event.length > 0)
        && event.length <= 16 << 20;
    m.must(is_right, format_args!("{event:?}"));
}

/// Remembers peers and message ids.
fn note(m: &Misuser<'_>, live: &Live, event: &TmeEvent) {
    let mut peers = live.peers.lock();
    match event.r#type {
        TME_EVENT_CONNECTED => {
            m.must(peers.ever.insert(event.peer), format_args!("the id {} was used twice", event.peer));
            peers.live.push(event.peer);
            peers.applicants.retain(|&peer| peer != event.peer);
        }
        TME_EVENT_ADMISSION => peers.applicants.push(event.peer),
        TME_EVENT_DISCONNECTED => {
            peers.live.retain(|&peer| peer != event.peer);
            peers.applicants.retain(|&peer| peer != event.peer);
            peers.gone.push(event.peer);
        }
        _ => {}
    }
    if event.message != 0 {
        live.newest.lock().push(event.message);
    }
}

/// Counts who came, or why somebody was turned away.
fn meet(m: &mut Misuser<'_>, event: &TmeEvent) {
    let what = match event.r#type {
        TME_EVENT_ADMISSION => "admission",
        TME_EVENT_CONNECTED => "connected",
        TME_EVENT_DISCONNECTED if event.reason == TME_REASON_TOKEN => {
            let problem = match event.token as u32 {
                TME_TOKEN_PROBLEM_MISSING => "missing",
                TME_TOKEN_PROBLEM_INVALID => "invalid",
                TME_TOKEN_PROBLEM_WRONG_AUDIENCE => "for another server",
                TME_TOKEN_PROBLEM_NOT_YET_VALID => "not yet valid",
                TME_TOKEN_PROBLEM_EXPIRED => "expired",
                TME_TOKEN_PROBLEM_USED => "used",
                problem => m.fail(format_args!("a token has the problem {problem}")),
            };
            return m.meet("disconnected for its token", problem, TME_OK);
        }
        _ => return,
    };
    let (has_token, has_key) =
        (event.flags & TME_EVENT_FLAG_HAS_TOKEN != 0, event.flags & TME_EVENT_FLAG_HAS_KEY != 0);
    let whom = match (has_token, has_key) {
        (true, true) => "with a token and a key",
        (true, false) => "with a token",
        (false, true) => "with a key",
        (false, false) => "with neither",
    };
    m.meet(what, whom, TME_OK);
}

/// Looks at the data of an event, which nobody else can end now.
fn look(m: &mut Misuser<'_>, slot: &Slot, event: &TmeEvent) {
    // SAFETY: nobody polls or destroys this handle meanwhile.
    let bytes = unsafe { bytes_at(event.data.cast(), event.length) };
    let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
    m.must(sum <= 255 * bytes.len() as u64, format_args!("the bytes cannot be added up"));
    if slot.is_witness() {
        let is_over = event.r#type == TME_EVENT_DISCONNECTED;
        let is_ours =
            slot.index != WITNESS_SERVER || event.peer == m.world.witness_peer.load(Ordering::Relaxed);
        m.must(!(is_over && is_ours), format_args!("a conversation ended: {event:?} {:?}", slot.kind));
        if event.r#type == TME_EVENT_MESSAGE && event.channel == TALK_CHANNEL && is_ours {
            talk::hear(m, slot, bytes);
        }
    }
    if event.message != 0 && m.chance.one_in(8) {
        let mut message = null_mut();
        let result = call!(m, tme_message_retain(event.message, &raw mut message));
        let is_so = matches!(result, TME_OK | TME_ERROR_TOO_MANY_RETAINED);
        m.must(is_so, format_args!("a message of the newest poll gave {result}"));
        if result == TME_OK {
            let held: Held = adopt(m, message.cast(), State::Final);
            m.must(held.expected == bytes, format_args!("a retained message has other bytes"));
            m.hold(held);
        }
    }
}
