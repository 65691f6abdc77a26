//! What is watched from outside: panics, hanging calls, log lines, threads and file handles left behind.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::world::{Kind, World};

/// A call that takes longer hangs.
const HANG: Duration = Duration::from_secs(60);
/// How long a thread that was told to end may take to be gone.
const GOODBYE: Duration = Duration::from_secs(15);

/// Panics of any thread, also those that the library catches.
pub static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// What was wrong with log lines.
pub static LOG_FAULTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Log lines that came.
pub static LOG_LINES: AtomicU64 = AtomicU64::new(0);
/// What the log hands back.
pub static USER_DATA: u64 = 0x7E57;

/// Remembers every panic.
pub fn notice_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.lock().push(panic.to_string());
        print(panic);
    }));
}

/// Takes the library's log lines.
pub unsafe extern "C" fn log_line(
    level: u32,
    target: *const c_char,
    text: *const c_char,
    user_data: *mut c_void,
) {
    LOG_LINES.fetch_add(1, Ordering::Relaxed);
    // SAFETY: both live until this returns.
    let (target, text) = unsafe { (CStr::from_ptr(target), CStr::from_ptr(text)) };
    let is_clean = |text: &str| {
        let is_indented = |(at, _)| text[at + 1..].starts_with([' ', '\t']);
        let is_fine = |c: char| !c.is_control() || c == '\n';
        text.chars().all(is_fine) && text.match_indices('\n').all(is_indented)
    };
    let is_so = (1..=5).contains(&level)
        && user_data == (&raw const USER_DATA).cast_mut().cast()
        && target.to_str().is_ok_and(is_clean)
        && text.to_str().is_ok_and(is_clean);
    if !is_so {
        LOG_FAULTS.lock().push(format!("level {level}, {target:?}: {text:?}"));
    }
}

/// Wakes whoever waits, until the round is over, and ends the process if a call does not return.
pub fn keep_awake(world: &World) {
    while !world.is_over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(3));
        for slot in &world.slots {
            let Some(guard) = slot.handle.try_read_recursive() else { continue };
            let Some(live) = guard.as_ref() else { continue };
            // SAFETY: nobody destroys the handle while the guard is held.
            unsafe {
                match slot.kind {
                    Kind::Server => tme_capi::tme_server_wake(live.pointer.cast()),
                    Kind::Client | Kind::Echo => tme_capi::tme_client_wake(live.pointer.cast()),
                };
            }
        }
        let now = world.began.elapsed().as_millis() as u64 + 1;
        for (index, desk) in world.desks.iter().enumerate() {
            let since = desk.since.load(Ordering::Relaxed);
            if since != 0 && now.saturating_sub(since) > HANG.as_millis() as u64 {
                // SAFETY: only names of functions are put there, which live for ever.
                let function = unsafe { *desk.function.load(Ordering::Relaxed) };
                eprintln!("thread {index} hangs in {function}");
                std::process::abort();
            }
        }
    }
}

/// Threads and open files of this process, where the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    pub threads: usize,
    pub files: usize,
}

impl Census {
    pub fn take() -> Option<Self> {
        let count = |path| Some(std::fs::read_dir(Path::new(path)).ok()?.count());
        Some(Self { threads: count("/proc/self/task")?, files: count("/proc/self/fd")? })
    }

    /// Waits until nothing is left beyond what there was before.
    pub fn wait_for_return(self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let Some(now) = Self::take() else { return Ok(()) };
            if now.threads <= self.threads && now.files <= self.files {
                return Ok(());
            }
            if began.elapsed() > GOODBYE {
                return Err(format!("all handles are destroyed; before there was {self:?}, now {now:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
