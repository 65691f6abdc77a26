//! An allocator that counts, by thread and in all, and says where it happened when asked.
//!
//! Included by path in the tests that hold the engine to its memory budget. With `TME_TRACE_ALLOCATIONS=n` in the
//! environment, the first `n` allocations of every measured stretch are printed with their backtraces.
#![allow(dead_code, missing_docs, reason = "each test file uses its own part")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::ops::Sub;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);
/// Every thread's allocations are being measured.
static ARE_ALL_MEASURED: AtomicBool = AtomicBool::new(false);
/// Backtraces still to be printed.
static TRACES_LEFT: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static HERE: Cell<Counts> = const { Cell::new(Counts::ZERO) };
    static IS_MEASURED: Cell<bool> = const { Cell::new(false) };
    /// A backtrace allocates too; that is not counted.
    static IS_TRACING: Cell<bool> = const { Cell::new(false) };
}

/// What was allocated. Growing in place counts as an allocation: it may have to move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub allocations: u64,
    /// Bytes asked for, whether or not they were given back.
    pub bytes: u64,
    /// Bytes asked for and not yet given back.
    pub live_bytes: i64,
}

impl Counts {
    const ZERO: Self = Self { allocations: 0, bytes: 0, live_bytes: 0 };
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            allocations: self.allocations - earlier.allocations,
            bytes: self.bytes - earlier.bytes,
            live_bytes: self.live_bytes - earlier.live_bytes,
        }
    }
}

/// What this thread has allocated since it began.
pub fn of_this_thread() -> Counts {
    HERE.get()
}

/// What `work` allocates on this thread.
pub fn measure(work: impl FnOnce()) -> Counts {
    arm_traces();
    IS_MEASURED.set(true);
    let before = HERE.get();
    work();
    let counts = HERE.get() - before;
    IS_MEASURED.set(false);
    counts
}

/// What all threads allocate while `work` runs.
pub fn measure_all_threads(work: impl FnOnce()) -> Counts {
    arm_traces();
    ARE_ALL_MEASURED.store(true, Ordering::SeqCst);
    let before = of_all_threads();
    work();
    let counts = of_all_threads() - before;
    ARE_ALL_MEASURED.store(false, Ordering::SeqCst);
    counts
}

fn of_all_threads() -> Counts {
    Counts {
        allocations: ALLOCATIONS.load(Ordering::SeqCst),
        bytes: BYTES.load(Ordering::SeqCst),
        live_bytes: LIVE_BYTES.load(Ordering::SeqCst),
    }
}

fn arm_traces() {
    let traces = std::env::var("TME_TRACE_ALLOCATIONS").ok().and_then(|text| text.parse().ok());
    TRACES_LEFT.store(traces.unwrap_or(0), Ordering::SeqCst);
}

struct CountingAllocator;

impl CountingAllocator {
    fn count_taken(bytes: usize) {
        if IS_TRACING.try_with(Cell::get).unwrap_or(false) {
            return;
        }
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
        LIVE_BYTES.fetch_add(bytes as i64, Ordering::Relaxed);
        // A thread that ends may have lost its counters already; it is not measured then.
        let _ = HERE.try_with(|here| {
            let Counts { allocations, bytes: sum, live_bytes } = here.get();
            here.set(Counts {
                allocations: allocations + 1,
                bytes: sum + bytes as u64,
                live_bytes: live_bytes + bytes as i64,
            });
        });
        if TRACES_LEFT.load(Ordering::Relaxed) > 0 {
            Self::trace(bytes);
        }
    }

    fn count_given_back(bytes: usize) {
        if IS_TRACING.try_with(Cell::get).unwrap_or(false) {
            return;
        }
        LIVE_BYTES.fetch_sub(bytes as i64, Ordering::Relaxed);
        let _ = HERE.try_with(|here| {
            let counts = here.get();
            here.set(Counts { live_bytes: counts.live_bytes - bytes as i64, ..counts });
        });
    }

    #[cold]
    fn trace(bytes: usize) {
        let is_measured =
            ARE_ALL_MEASURED.load(Ordering::Relaxed) || IS_MEASURED.try_with(Cell::get).unwrap_or_default();
        if !is_measured || IS_TRACING.try_with(|tracing| tracing.replace(true)).unwrap_or(true) {
            return;
        }
        if TRACES_LEFT.fetch_sub(1, Ordering::Relaxed) > 0 {
            eprintln!("allocation of {bytes} bytes\n{}", Backtrace::force_capture());
        }
        let _ = IS_TRACING.try_with(|tracing| tracing.set(false));
    }
}

// SAFETY: every call is handed on to the system's allocator unchanged; counting touches no memory of the caller's
// and never unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count_taken(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count_taken(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::count_given_back(layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        Self::count_given_back(layout.size());
        Self::count_taken(bytes);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}
