//! One thread that misuses the library: what it chooses, and what it expects of every answer.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::RwLockReadGuard;
use tme_capi::{
    TME_ERROR_BUFFER_TOO_SMALL, TME_ERROR_BUSY, TME_ERROR_HANDLE, TME_ERROR_INTERNAL, TME_ERROR_NULL,
    TME_ERROR_POISONED, TME_OK,
};

use crate::chance::Chance;
use crate::place::Place;
use crate::promises::Promises;
use crate::world::{Held, Kind, Live, Slot, World};

/// How often each function gave each result. `None`: it gives none.
pub type Tally = BTreeMap<(&'static str, Option<i32>), u64>;

/// What the tally calls events: by kind instead of by result.
pub const EVENT: &str = "event";

/// What calls and events have met that a random one seldom does: who and what, how often with which result.
pub type Encounters = BTreeMap<(&'static str, &'static str, i32), u64>;

/// Messages that one thread holds, at most.
const HELD_MAX: usize = 100;

/// Calls a function of the interface, with whatever arguments, and looks at its result.
macro_rules! call {
    ($misuser:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        let began = $misuser.enter(&stringify!($function));
        // SAFETY: what `docs/C_API.md` calls undefined is not among the misdeeds; each argument says why.
        #[allow(unused_unsafe, reason = "some functions are safe")]
        let result = unsafe { tme_capi::$function($($argument),*) };
        $misuser.leave(stringify!($function), began, Some(result));
        result
    }};
}
/// As `call`, for functions that give something else than a result.
macro_rules! ask {
    ($misuser:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        let began = $misuser.enter(&stringify!($function));
        // SAFETY: as above.
        #[allow(unused_unsafe, reason = "some functions are safe")]
        let value = unsafe { tme_capi::$function($($argument),*) };
        $misuser.leave(stringify!($function), began, None);
        value
    }};
}
pub(crate) use {ask, call};

/// How wrong a handle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guise {
    Right,
    Null,
    /// Another kind of handle, or memory that is none.
    Wrong,
}

/// What a handle is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    Harmless,
    /// Would end the handle or its connections: not a conversation's.
    Ending,
}

/// A handle as an argument. Nobody destroys it while this lives.
pub struct Given<'w> {
    pub pointer: *mut c_void,
    pub guise: Guise,
    pub slot: Option<&'w Slot>,
    guard: Option<RwLockReadGuard<'w, Option<Live>>>,
}

impl Given<'_> {
    /// What is known about the handle, if it is one of the right kind.
    pub fn live(&self) -> Option<&Live> {
        if self.guise == Guise::Right { self.guard.as_ref()?.as_ref() } else { None }
    }

    pub fn is_right(&self) -> bool {
        self.guise == Guise::Right
    }

    pub fn is_witness(&self) -> bool {
        self.slot.is_some_and(Slot::is_witness)
    }
}

/// Memory that is no handle, aligned as one.
#[repr(align(16))]
struct NoHandle([u64; 16]);
static NO_HANDLE: NoHandle = NoHandle([0; 16]);
static DEAD_HANDLE: NoHandle = NoHandle([0xDEAD_DEAD_DEAD_DEAD; 16]);

pub struct Misuser<'w> {
    pub world: &'w World,
    pub promises: &'w Promises,
    pub chance: Chance,
    pub tally: Tally,
    pub encounters: Encounters,
    pub messages: Vec<Held>,
    pub desk: usize,
    /// Nobody else is misusing the handles.
    pub is_alone: bool,
    pub slowest: (Duration, &'static str),
    /// The calls made before this one, for a failure's text.
    recent: [&'static str; 8],
    calls: u64,
}

impl<'w> Misuser<'w> {
    pub fn new(world: &'w World, promises: &'w Promises, seed: u64, desk: usize, is_alone: bool) -> Self {
        Self {
            world,
            promises,
            chance: Chance::new(seed),
            tally: Tally::new(),
            encounters: Encounters::new(),
            messages: Vec::new(),
            desk,
            is_alone,
            slowest: (Duration::ZERO, ""),
            recent: [""; 8],
            calls: 0,
        }
    }

    #[track_caller]
    pub fn fail(&self, what: std::fmt::Arguments<'_>) -> ! {
        let mut recent = self.recent;
        let oldest = self.calls as usize % recent.len();
        recent.rotate_left(oldest);
        panic!("{what}\n  thread {}, call {}, the last ones: {recent:?}", self.desk, self.calls);
    }

    #[track_caller]
    pub fn must(&self, is_so: bool, what: std::fmt::Arguments<'_>) {
        if !is_so {
            self.fail(what);
        }
    }

    // ---- around a call ----

    pub fn enter(&mut self, function: &'static &'static str) -> Instant {
        self.recent[self.calls as usize % self.recent.len()] = function;
        self.calls += 1;
        let desk = &self.world.desks[self.desk];
        desk.function.store(std::ptr::from_ref(function).cast_mut(), Ordering::Relaxed);
        let began = Instant::now();
        let since = began.saturating_duration_since(self.world.began).as_millis() as u64;
        desk.since.store(since + 1, Ordering::Relaxed);
        began
    }

    pub fn leave(&mut self, function: &'static str, began: Instant, result: Option<i32>) {
        self.world.desks[self.desk].since.store(0, Ordering::Relaxed);
        let took = began.elapsed();
        if took > self.slowest.0 {
            self.slowest = (took, function);
        }
        *self.tally.entry((function, result)).or_default() += 1;
        let Some(result) = result else { return };
        let name = self.promises.results.get(&result).map_or("no result at all", String::as_str);
        if result == TME_ERROR_INTERNAL || result == TME_ERROR_POISONED {
            self.fail(format_args!("{function} gave {name}: {}", self.last_error()));
        }
        let is_answer = function == "tme_client_is_connected" && matches!(result, 0 | 1);
        if !self.promises.functions[function].contains(&result) && !is_answer {
            let detail = self.last_error();
            self.fail(format_args!("{function} gave {result}, {name}, which its comment lacks: {detail}"));
        }
        if self.is_alone && result == TME_ERROR_BUSY {
            self.fail(format_args!("{function} was busy with nobody else there"));
        }
        if result < 0 && self.chance.one_in(64) && self.last_error().is_empty() {
            self.fail(format_args!("{function} gave {name} and no detail"));
        }
    }

    /// The library's own words.
    fn last_error(&self) -> String {
        let mut buffer = [0u8; 513];
        // SAFETY: the buffer has that many bytes.
        let result =
            unsafe { tme_capi::tme_last_error(buffer.as_mut_ptr().cast(), buffer.len(), null_mut()) };
        assert_eq!(result, TME_OK, "513 bytes always do");
        let text = CStr::from_bytes_until_nul(&buffer).expect("a text ends");
        text.to_str().expect("a text is UTF-8").to_owned()
    }

    /// What a wrong handle must lead to.
    #[track_caller]
    pub fn judge(&self, given: &Given<'_>, result: i32) {
        let is_so = match given.guise {
            Guise::Right => true,
            Guise::Null => result == TME_ERROR_NULL,
            Guise::Wrong => result == TME_ERROR_HANDLE,
        };
        self.must(is_so, format_args!("a handle of guise {:?} gave {result}", given.guise));
    }

    // ---- handles ----

    pub fn server(&mut self, intent: Intent) -> Given<'w> {
        self.handle(&[Kind::Server], intent)
    }

    pub fn client(&mut self, intent: Intent) -> Given<'w> {
        self.handle(&[Kind::Client, Kind::Echo], intent)
    }

    fn handle(&mut self, kinds: &[Kind], intent: Intent) -> Given<'w> {
        let nothing = |pointer, guise| Given { pointer, guise, slot: None, guard: None };
        match self.chance.below(40) {
            0 => return nothing(null_mut(), Guise::Null),
            1..=4 => return self.wrong_handle(kinds),
            _ => {}
        }
        let world = self.world;
        let first = self.chance.below(world.slots.len());
        for step in 0..world.slots.len() {
            let slot = &world.slots[(first + step) % world.slots.len()];
            if !kinds.contains(&slot.kind) || (intent == Intent::Ending && slot.is_witness()) {
                continue;
            }
            let Some(guard) = slot.handle.try_read_recursive() else { continue };
            let Some(live) = guard.as_ref() else { continue };
            let pointer = live.pointer;
            return Given { pointer, guise: Guise::Right, slot: Some(slot), guard: Some(guard) };
        }
        nothing(null_mut(), Guise::Null)
    }

    /// The handle in a slot that is never empty.
    pub fn given(&self, index: usize) -> Given<'w> {
        let slot = &self.world.slots[index];
        let guard = slot.handle.read_recursive();
        let pointer = guard.as_ref().expect("this slot is never empty").pointer;
        Given { pointer, guise: Guise::Right, slot: Some(slot), guard: Some(guard) }
    }

    /// A pointer that is no handle of these kinds, which the library can notice. With no kinds: no server or client.
    pub fn wrong_handle(&mut self, kinds: &[Kind]) -> Given<'w> {
        let nothing = |pointer| Given { pointer, guise: Guise::Wrong, slot: None, guard: None };
        let world = self.world;
        match self.chance.below(6) {
            0 => return nothing((&raw const NO_HANDLE.0).cast_mut().cast()),
            1 => return nothing((&raw const DEAD_HANDLE.0).cast_mut().cast()),
            // Not aligned: not looked at either.
            2 => {
                let start = (&raw const NO_HANDLE.0).cast::<u8>();
                return nothing(start.wrapping_add(1 + self.chance.below(7)).cast_mut().cast());
            }
            // A message is no server and no client.
            3 if !kinds.is_empty() => {
                if let Some(held) = self.messages.first() {
                    return nothing(held.pointer);
                }
            }
            _ => {}
        }
        for slot in world.slots.iter().filter(|slot| !kinds.contains(&slot.kind)) {
            let Some(guard) = slot.handle.try_read_recursive() else { continue };
            let Some(live) = guard.as_ref() else { continue };
            if self.chance.one_in(2) {
                let pointer = live.pointer;
                return Given { pointer, guise: Guise::Wrong, slot: None, guard: Some(guard) };
            }
        }
        nothing((&raw const NO_HANDLE.0).cast_mut().cast())
    }

    /// Somebody's id, or nobody's. Gives whether it must be unknown to this server.
    pub fn peer(&mut self, given: &Given<'_>) -> (u64, bool) {
        let peers = given.live().map(|live| live.peers.lock());
        match (self.chance.below(16), peers) {
            (0..=9, Some(peers)) if !peers.live.is_empty() => (self.chance.pick(&peers.live), false),
            (0..=12, Some(peers)) if !peers.gone.is_empty() => (self.chance.pick(&peers.gone), true),
            (13, _) => (0, true),
            _ => (self.chance.edgy_wide(), false),
        }
    }

    /// Somebody who asks to be let in, or has asked, or never did; and who that is, as far as events have told.
    pub fn applicant(&mut self, given: &Given<'_>) -> (u64, &'static str) {
        let applicants = given.live().map(|live| live.peers.lock().applicants.clone()).unwrap_or_default();
        if applicants.is_empty() || self.chance.one_in(8) {
            let id = self.peer(given).0;
            let is_peer = given.live().is_some_and(|live| live.peers.lock().live.contains(&id));
            return (id, if is_peer { "a peer" } else { "nobody" });
        }
        (self.chance.pick(&applicants), "an applicant")
    }

    /// Counts what a call or an event was about.
    pub fn meet(&mut self, what: &'static str, whom: &'static str, result: i32) {
        *self.encounters.entry((what, whom, result)).or_default() += 1;
    }

    pub fn channel(&mut self) -> u32 {
        let channel = match self.chance.below(10) {
            0 => self.chance.edgy(),
            _ => self.chance.below(6) as u32,
        };
        // That one belongs to the conversations.
        if channel == crate::world::TALK_CHANNEL { channel + 1 } else { channel }
    }

    pub fn send_flags(&mut self) -> u32 {
        if self.chance.one_in(20) { self.chance.edgy() } else { self.chance.below(2) as u32 }
    }

    pub fn direction(&mut self) -> u32 {
        if self.chance.one_in(12) { self.chance.edgy() } else { 1 + self.chance.below(2) as u32 }
    }

    /// How long an update may wait. Whoever watches wakes those that would wait for ever.
    pub fn timeout(&mut self) -> u32 {
        match self.chance.below(60) {
            0 => u32::MAX,
            1 => self.chance.below(6) as u32,
            2..10 => 1,
            _ => 0,
        }
    }

    // ---- places for results ----

    /// A place for one number or pointer, sometimes without alignment, sometimes none at all.
    pub fn out<T>(&mut self) -> Option<Place> {
        if self.chance.one_in(24) { None } else { Some(Place::careless(&mut self.chance, size_of::<T>())) }
    }

    /// Asks for a text with a buffer that may not do.
    pub fn text_out(
        &mut self,
        needs_most: usize,
        ask: impl FnOnce(&mut Self, *mut c_char, usize, *mut usize) -> i32,
    ) {
        let length = match self.chance.below(3) {
            0 => self.chance.below(needs_most + 4),
            _ => needs_most,
        };
        let place = Place::careless(&mut self.chance, length);
        let (buffer, capacity) = match self.chance.below(8) {
            0 => (null_mut(), self.chance.edgy_wide() as usize),
            1 => (place.at(), self.chance.below(length + 1)),
            _ => (place.at(), length),
        };
        let needed = self.out::<usize>();
        let result = ask(self, buffer, capacity, needed.as_ref().map_or(null_mut(), Place::at));
        let told = needed.as_ref().map(Place::read::<usize>);
        match result {
            TME_OK => {
                let text = CStr::from_bytes_until_nul(&place.bytes()[..capacity]);
                let Ok(text) = text else { self.fail(format_args!("a text without an end")) };
                let is_text = text.to_str().is_ok();
                let used = text.to_bytes().len() + 1;
                self.must(
                    !buffer.is_null() && is_text && place.is_intact_after(used),
                    format_args!("text {text:?}"),
                );
                self.must(told.is_none_or(|told| told == used), format_args!("{used} bytes, told {told:?}"));
            }
            TME_ERROR_BUFFER_TOO_SMALL => {
                let is_too_small = |told| told > capacity || buffer.is_null();
                self.must(
                    told.is_none_or(is_too_small),
                    format_args!("{capacity} bytes would do for {told:?}"),
                );
                let used = usize::from(!buffer.is_null() && capacity > 0);
                let is_empty = used == 0 || place.bytes()[0] == 0;
                self.must(
                    is_empty && place.is_intact_after(used),
                    format_args!("a text that did not fit was written"),
                );
            }
            _ => {
                self.must(place.is_intact_after(0), format_args!("a text was written on failure"));
                self.must(told.is_none_or(|told| told == 0), format_args!("a failed call needs {told:?}"));
            }
        }
        if let Some(needed) = &needed {
            self.must(needed.is_intact_after(size_of::<usize>()), format_args!("written beyond a size"));
        }
    }

    /// Asks for a struct of a size that may be a lie. Gives it if there is one and it is whole.
    pub fn struct_out<T: Copy>(&mut self, ask: impl FnOnce(&mut Self, *mut T, usize) -> i32) -> Option<T> {
        let known = size_of::<T>();
        let size = match self.chance.below(12) {
            0 => self.chance.below(5_001),
            1 => (known + self.chance.below(3)).saturating_sub(1),
            // No struct is that large: refused before anything is written.
            2 => (self.chance.edgy_wide() as usize).max(4_097),
            _ => known,
        };
        let place = Place::careless(&mut self.chance, size.min(5_000));
        let pointer = if self.chance.one_in(24) { null_mut() } else { place.at::<T>() };
        let result = ask(self, pointer, size);
        if result != TME_OK {
            self.must(place.is_intact_after(0), format_args!("a struct was written on failure"));
            return None;
        }
        self.must(
            !pointer.is_null() && (4..=4_096).contains(&size),
            format_args!("size {size} was accepted"),
        );
        self.must(place.is_intact_after(size), format_args!("written beyond a struct of {size} bytes"));
        self.must(place.read::<u32>() as usize == size, format_args!("struct_size is not {size}"));
        let tail = place.bytes().get(known..size).unwrap_or_default();
        self.must(tail.iter().all(|&byte| byte == 0), format_args!("the rest of {size} bytes is not zero"));
        (size >= known).then(|| place.read())
    }

    /// A struct that the caller fills in, of a size that may be a lie, in memory that is really there.
    pub fn struct_in<T: Copy>(&mut self, value: &T) -> Place {
        let known = size_of::<T>();
        let size = match self.chance.below(16) {
            0 => self.chance.below(5_001),
            1 => known + 8,
            2 => (known + self.chance.below(3)).saturating_sub(1),
            _ => known,
        };
        // SAFETY: callers pass structs without padding.
        let bytes = unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), known) };
        let mut whole = bytes[..known.min(size)].to_vec();
        if self.chance.one_in(4) && size > known {
            whole.extend(self.chance.bytes(size - known));
        }
        // The library has to read `struct_size` to know that it is too small.
        whole.resize(size.max(4), 0);
        let told = match self.chance.below(64) {
            // Refused before anything beyond the number itself is read.
            0 => self.chance.edgy().max(4_097),
            _ => size as u32,
        };
        whole[..4].copy_from_slice(&told.to_ne_bytes());
        Place::holding(&mut self.chance, &whole)
    }

    /// Bytes to send.
    pub fn cargo(&mut self) -> Cargo {
        let length = match self.chance.below(2_000) {
            0 => 1 << 20,
            1 => 16 << 20,
            2..10 => 70_000,
            10..200 => self.chance.below(6_000),
            _ => self.chance.below(200),
        };
        let place = if length <= 6_000 {
            let bytes = self.chance.bytes(length);
            Place::holding(&mut self.chance, &bytes)
        } else {
            Place::new(&mut self.chance, length)
        };
        let (pointer, length, fate) = match self.chance.below(40) {
            0 => (null(), 0, Fate::Fine),
            1 => (null(), (self.chance.edgy_wide() as usize).max(1), Fate::Refused),
            // Never read: more than any message may have.
            2 => {
                let length = (16 << 20) + 1 + self.chance.below(1 << 20);
                (place.at::<u8>().cast_const(), length, Fate::Refused)
            }
            3 => {
                let lengths =
                    [1 << 40, isize::MAX as usize, isize::MAX as usize + 1, usize::MAX - 7, usize::MAX];
                (place.at::<u8>().cast_const(), self.chance.pick(&lengths), Fate::Refused)
            }
            4 => (place.at::<u8>().cast_const(), self.chance.below(length + 1), Fate::Fine),
            _ => (place.at::<u8>().cast_const(), length, Fate::Fine),
        };
        Cargo { pointer: pointer.cast(), length, fate, _place: place }
    }

    // ---- messages ----

    pub fn hold(&mut self, held: Held) {
        self.messages.push(held);
        if self.messages.len() > HELD_MAX {
            let index = self.chance.below(self.messages.len());
            let held = self.messages.swap_remove(index);
            self.release(held);
        }
    }

    pub fn release(&mut self, held: Held) {
        self.inspect(&held);
        let result = call!(self, tme_message_release(held.pointer.cast()));
        self.must(result == TME_OK, format_args!("a message cannot be released: {result}"));
    }

    /// A message in our hands is still what it was.
    pub fn inspect(&mut self, held: &Held) {
        let (mut data, mut length) = (null(), 0);
        let result = call!(self, tme_message_bytes(held.pointer.cast(), &raw mut data, &raw mut length));
        self.must(result == TME_OK, format_args!("a message of ours gave {result}"));
        self.must(data.is_null() == (length == 0), format_args!("{length} bytes at {data:?}"));
        // SAFETY: the message lives, and has that many bytes.
        let bytes = unsafe { bytes_at(data, length) };
        self.must(bytes == held.expected, format_args!("the bytes of a message have changed"));
    }
}

/// Bytes for a send.
pub struct Cargo {
    pub pointer: *const c_void,
    pub length: usize,
    pub fate: Fate,
    _place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Fine,
    /// Must not be taken, and not be read.
    Refused,
}

/// The bytes that the library tells of.
///
/// # Safety
/// They live as long as they are used.
pub unsafe fn bytes_at<'a>(data: *const c_void, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts(data.cast(), length) }
}
