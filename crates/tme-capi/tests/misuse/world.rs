//! What the threads of a round share: handles, messages, and conversations that must not suffer.

use std::collections::BTreeSet;
use std::ffi::{CString, c_void};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU64};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

/// Threads that misuse the library at a time, at most.
pub const THREADS_MAX: usize = 4;
/// The channel of the conversations; no misdeed uses it.
pub const TALK_CHANNEL: u32 = 200;

/// The handles that a conversation depends on: nothing that would end them is done to these.
pub const WITNESS_SERVER: usize = 0;
pub const WITNESS_CLIENT: usize = 3;
pub const WITNESS_ECHO: usize = 7;
/// A server that asks the game, and clients who apply there.
pub const DOOR: usize = 9;
pub const APPLICANTS: [usize; 2] = [10, 11];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Server,
    Client,
    Echo,
}

/// A place for a handle. Who calls with it holds `handle` for reading; only who can have it for writing destroys.
#[derive(Debug)]
pub struct Slot {
    pub index: usize,
    pub kind: Kind,
    pub handle: RwLock<Option<Live>>,
    /// Polls whose data is looked at exclude other polls; the others may try to be in there together.
    pub data: RwLock<()>,
    /// Where clients find the server.
    pub port: AtomicU16,
}

impl Slot {
    pub const fn is_witness(&self) -> bool {
        matches!(self.index, WITNESS_SERVER | WITNESS_CLIENT | WITNESS_ECHO)
    }
}

/// A handle and what is known about it.
#[derive(Debug)]
pub struct Live {
    pub pointer: *mut c_void,
    pub peers: Mutex<Peers>,
    /// Message ids of the newest poll.
    pub newest: Mutex<Vec<u64>>,
    /// Message ids of earlier polls.
    pub stale: Mutex<Vec<u64>>,
}

impl Live {
    pub fn new(pointer: *mut c_void) -> Self {
        Self { pointer, peers: Mutex::default(), newest: Mutex::default(), stale: Mutex::default() }
    }
}

// SAFETY: handles may be used from any thread.
unsafe impl Send for Live {}
// SAFETY: as above.
unsafe impl Sync for Live {}

#[derive(Debug, Default)]
pub struct Peers {
    pub live: Vec<u64>,
    /// About whom an event has asked, until it is decided.
    pub applicants: Vec<u64>,
    /// Whose end was told by an event: their ids name nobody.
    pub gone: Vec<u64>,
    pub ever: BTreeSet<u64>,
}

/// A message in somebody's hands, and what it must contain.
#[derive(Debug)]
pub struct Held {
    pub pointer: *mut c_void,
    pub expected: Vec<u8>,
    pub state: State,
}

// SAFETY: messages may be used from any thread, by one at a time; a held one belongs to one.
unsafe impl Send for Held {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Draft,
    Final,
    /// A send refused it: whether that was before it was finished is nobody's business.
    Unknown,
}

/// Numbered messages in one direction, all of which must arrive in their order.
#[derive(Debug, Default)]
pub struct Line {
    pub sent: Mutex<u32>,
    pub received: Mutex<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Up,
    Down,
    Echo,
}

/// What a thread is doing, for whoever watches that nothing hangs.
#[derive(Debug)]
pub struct Desk {
    pub function: AtomicPtr<&'static str>,
    /// Milliseconds since the round began, plus one; 0: in no call.
    pub since: AtomicU64,
}

#[derive(Debug)]
pub struct World {
    pub began: Instant,
    pub slots: Vec<Slot>,
    pub messages: Mutex<Vec<Held>>,
    pub lines: [Line; 3],
    /// The witness client as the witness server knows it.
    pub witness_peer: AtomicU64,
    pub desks: [Desk; THREADS_MAX],
    pub is_over: AtomicBool,
    /// A token with which somebody may have applied.
    pub token: Mutex<Option<CString>>,
    pub folder: PathBuf,
}

impl World {
    pub fn new(folder: PathBuf) -> Self {
        let kinds = [
            [Kind::Server; 3].as_slice(),
            &[Kind::Client; 4],
            &[Kind::Echo; 2],
            &[Kind::Server],
            &[Kind::Client; 2],
        ]
        .concat();
        let slot = |(index, kind)| Slot {
            index,
            kind,
            handle: RwLock::new(None),
            data: RwLock::new(()),
            port: AtomicU16::new(1),
        };
        let desk = || Desk { function: AtomicPtr::default(), since: AtomicU64::new(0) };
        Self {
            began: Instant::now(),
            slots: kinds.into_iter().enumerate().map(slot).collect(),
            messages: Mutex::default(),
            lines: Default::default(),
            witness_peer: AtomicU64::new(0),
            desks: [desk(), desk(), desk(), desk()],
            is_over: AtomicBool::new(false),
            token: Mutex::default(),
            folder,
        }
    }

    pub const fn line(&self, direction: Direction) -> &Line {
        match direction {
            Direction::Up => &self.lines[0],
            Direction::Down => &self.lines[1],
            Direction::Echo => &self.lines[2],
        }
    }
}
