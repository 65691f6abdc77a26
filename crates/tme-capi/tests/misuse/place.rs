//! Memory lent to the library, of exactly the size it is told or of one it must find out about.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::slice;

use crate::chance::Chance;

/// What a place holds before the library writes to it.
const POISON: u8 = 0xA5;
const ALIGNMENT: usize = 16;

/// A piece of memory between two guards. Half of all places have none: an address sanitizer, which sees one byte too
/// many, sees more than guards do.
#[derive(Debug)]
pub struct Place {
    start: *mut u8,
    whole: usize,
    offset: usize,
    length: usize,
}

impl Place {
    /// Poisoned memory for `length` bytes, aligned for everything.
    pub fn new(chance: &mut Chance, length: usize) -> Self {
        let guard = if chance.one_in(2) { 64 } else { 0 };
        Self::with(guard, guard, length)
    }

    /// As [`new`](Self::new), now and then aligned for nothing.
    pub fn careless(chance: &mut Chance, length: usize) -> Self {
        if chance.one_in(8) {
            return Self::with(1 + chance.below(7), 0, length);
        }
        Self::new(chance, length)
    }

    fn with(offset: usize, tail: usize, length: usize) -> Self {
        let whole = offset + length + tail;
        let layout = layout(whole);
        // SAFETY: the layout is not of size 0.
        let start = unsafe { alloc(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: that many bytes were allocated.
        unsafe { start.write_bytes(POISON, whole) };
        Self { start, whole, offset, length }
    }

    /// A place with these bytes in it, and no other.
    pub fn holding(chance: &mut Chance, bytes: &[u8]) -> Self {
        let mut place = Self::careless(chance, bytes.len());
        place.bytes_mut().copy_from_slice(bytes);
        place
    }

    pub fn at<T>(&self) -> *mut T {
        // SAFETY: the offset is within the allocation, or one past it.
        unsafe { self.start.add(self.offset) }.cast()
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the memory is initialised, and nobody else writes to it now.
        unsafe { slice::from_raw_parts(self.at(), self.length) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.at(), self.length) }
    }

    /// Whether nothing was written but the first `used` bytes.
    pub fn is_intact_after(&self, used: usize) -> bool {
        // SAFETY: the whole allocation is initialised.
        let whole = unsafe { slice::from_raw_parts(self.start, self.whole) };
        let used = self.offset..self.offset + used.min(self.length);
        whole.iter().enumerate().all(|(index, &byte)| used.contains(&index) || byte == POISON)
    }

    /// Reads a value from the beginning.
    pub fn read<T: Copy>(&self) -> T {
        assert!(size_of::<T>() <= self.length);
        // SAFETY: it is long enough; callers ask for plain numbers and pointers only.
        unsafe { self.at::<T>().read_unaligned() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout.
        unsafe { dealloc(self.start, layout(self.whole)) };
    }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes.max(1), ALIGNMENT).expect("a small size")
}
