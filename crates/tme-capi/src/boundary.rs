//! What every exported function does at its edge: check handles, read and write a caller's memory, stop panics.
//!
//! Everything here is `unsafe` for one reason: the pointers come from C. What can be checked is; the rest is the
//! caller's promise in `docs/C_API.md`.

use std::any::Any;
use std::ffi::{CStr, c_char, c_void};
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::failure::{self, Failure, Outcome};
use crate::result::{
    TME_ERROR_BUFFER_TOO_SMALL, TME_ERROR_FLAGS, TME_ERROR_HANDLE, TME_ERROR_INTERNAL, TME_ERROR_LENGTH,
    TME_ERROR_NULL, TME_ERROR_POISONED, TME_ERROR_STRUCT_SIZE, TME_ERROR_STRUCT_TAIL, TME_ERROR_UTF8, TME_OK,
    TmeResult,
};

/// No struct of this interface will ever be larger; a size beyond it was never a `sizeof`.
const STRUCT_BYTES_MAX: usize = 4_096;

/// What stands where the magic number stood once a handle is destroyed. Only a chance to notice, no promise.
const DEAD: u64 = 0xDEAD_DEAD_DEAD_DEAD;

/// A kind of handle. C may use it from any thread, several at once, which the compiler cannot see.
pub trait Kind: Sized + Send + Sync {
    /// The opaque type that C sees.
    type Public;
    /// Tells a handle of this kind from others.
    const MAGIC: u64;
    /// What the handle is called in messages.
    const NAME: &'static str;
}

/// What a handle's pointer points to.
#[repr(C)]
pub struct Owner<T> {
    magic: AtomicU64,
    is_poisoned: AtomicBool,
    inner: T,
}

impl<T: Kind> Owner<T> {
    /// Puts `inner` where C can hold on to it.
    pub fn into_handle(inner: T) -> *mut T::Public {
        let owner = Self { magic: AtomicU64::new(T::MAGIC), is_poisoned: AtomicBool::new(false), inner };
        Box::into_raw(Box::new(owner)).cast()
    }

    /// The owner behind a handle.
    pub unsafe fn borrow<'a>(handle: *const T::Public) -> Result<&'a Self, Failure> {
        if handle.is_null() {
            return Err(Failure::with(TME_ERROR_NULL, "the handle is NULL"));
        }
        if !handle.cast::<u64>().is_aligned() {
            return Err(Failure::with(TME_ERROR_HANDLE, "the pointer is no handle"));
        }
        // The magic number is the first field of every handle, of whatever kind.
        let magic = (*handle.cast::<AtomicU64>()).load(Ordering::Relaxed);
        if magic != T::MAGIC {
            return Err(Failure::with(TME_ERROR_HANDLE, T::NAME));
        }
        Ok(&*handle.cast::<Self>())
    }

    /// What the handle stands for.
    pub const fn inner(&self) -> &T {
        &self.inner
    }

    /// Takes the owner back from C.
    pub unsafe fn take(handle: *mut T::Public) -> Result<T, Failure> {
        Self::borrow(handle)?;
        let owner = Box::from_raw(handle.cast::<Self>());
        owner.magic.store(DEAD, Ordering::Relaxed);
        Ok(owner.inner)
    }
}

/// Runs the body of a function that has no handle.
#[inline]
pub fn guard(body: impl FnOnce() -> Outcome) -> TmeResult {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => failure::remember(error),
        Err(panic) => {
            log::error!("a panic was caught at the border of the C interface: {}", words_of(panic));
            failure::remember(Failure::new(TME_ERROR_INTERNAL))
        }
    }
}

/// What a panic said, which is what its reporter can tell us.
#[cold]
fn words_of(panic: Box<dyn Any + Send>) -> String {
    let panic = match panic.downcast::<&'static str>() {
        Ok(words) => return (*words).to_owned(),
        Err(panic) => panic,
    };
    match panic.downcast::<String>() {
        Ok(words) => *words,
        Err(panic) => {
            // Anything else may panic again when it is dropped.
            std::mem::forget(panic);
            "it said nothing".to_owned()
        }
    }
}

/// Runs the body of a function of a handle. A panic poisons the handle.
#[inline]
pub unsafe fn enter<'a, T: Kind + 'a>(
    handle: *const T::Public,
    body: impl FnOnce(&'a T) -> Outcome,
) -> TmeResult {
    let owner = match Owner::<T>::borrow(handle) {
        Ok(owner) => owner,
        Err(error) => return failure::remember(error),
    };
    if owner.is_poisoned.load(Ordering::Relaxed) {
        return failure::remember(Failure::new(TME_ERROR_POISONED));
    }
    let result = guard(|| body(&owner.inner));
    if result == TME_ERROR_INTERNAL {
        owner.is_poisoned.store(true, Ordering::Relaxed);
    }
    result
}

/// Destroys a handle. NULL is nothing to destroy.
pub unsafe fn destroy<T: Kind>(handle: *mut T::Public) -> TmeResult {
    if handle.is_null() {
        return TME_OK;
    }
    guard(|| {
        drop(Owner::<T>::take(handle)?);
        Ok(TME_OK)
    })
}

/// Writes what a function gives back to where the caller wants it, which need not be aligned. NULL: it is not wanted.
///
/// Also how outputs get a safe value before anything can fail.
pub unsafe fn put<T>(out: *mut T, value: T) {
    if !out.is_null() {
        out.write_unaligned(value);
    }
}

/// Checks that a result has a place to go.
pub fn must_not_be_null<T>(pointer: *const T, what: &'static str) -> Result<(), Failure> {
    if pointer.is_null() { Err(Failure::with(TME_ERROR_NULL, what)) } else { Ok(()) }
}

/// Checks that only known flags are set.
pub fn check_flags(flags: u32, known: u32) -> Result<(), Failure> {
    let unknown = flags & !known;
    if unknown == 0 {
        return Ok(());
    }
    Err(Failure::text(
        TME_ERROR_FLAGS,
        format_args!("flags {unknown:#x} mean nothing here; a newer header, or flags of something else?"),
    ))
}

/// Checks a field that is kept for later versions.
pub fn check_reserved(reserved: u32) -> Result<(), Failure> {
    if reserved == 0 {
        return Ok(());
    }
    Err(Failure::with(TME_ERROR_STRUCT_TAIL, "a reserved field is not zero"))
}

/// A caller's array.
pub unsafe fn input_slice<'a, T>(pointer: *const T, count: usize) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Failure::with(TME_ERROR_NULL, "NULL with a length that is not 0"));
    }
    if count.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Failure::with(TME_ERROR_LENGTH, "no buffer can be that long"));
    }
    if !pointer.is_aligned() {
        return Err(Failure::with(TME_ERROR_LENGTH, "an array is not aligned for its elements"));
    }
    Ok(std::slice::from_raw_parts(pointer, count))
}

/// A caller's bytes.
pub unsafe fn input_bytes<'a>(data: *const c_void, length: usize) -> Result<&'a [u8], Failure> {
    input_slice(data.cast(), length)
}

/// A caller's text; NULL is none.
pub unsafe fn input_text<'a>(text: *const c_char) -> Result<Option<&'a str>, Failure> {
    if text.is_null() {
        return Ok(None);
    }
    match CStr::from_ptr(text).to_str() {
        Ok(text) => Ok(Some(text)),
        Err(error) => Err(Failure::text(
            TME_ERROR_UTF8,
            format_args!("a text is not UTF-8 after {} bytes", error.valid_up_to()),
        )),
    }
}

/// A caller's text that has to be there.
pub unsafe fn required_text<'a>(text: *const c_char, what: &'static str) -> Result<&'a str, Failure> {
    input_text(text)?.ok_or_else(|| Failure::with(TME_ERROR_NULL, what))
}

/// Hands a text out: whole or not at all, with the size it needs.
pub unsafe fn output_text(text: &str, buffer: *mut c_char, capacity: usize, needed: *mut usize) -> Outcome {
    let bytes = text.as_bytes();
    put(needed, bytes.len() + 1);
    if buffer.is_null() || capacity <= bytes.len() {
        if !buffer.is_null() && capacity > 0 {
            buffer.write(0);
        }
        return Err(Failure::text(
            TME_ERROR_BUFFER_TOO_SMALL,
            format_args!("the text takes {} bytes, the buffer has {capacity}", bytes.len() + 1),
        ));
    }
    std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), buffer, bytes.len());
    buffer.add(bytes.len()).write(0);
    Ok(TME_OK)
}

/// Copies a text that fits into a field that is all zero, of which the last byte stays so. Gives its length.
pub fn copy_text<const N: usize>(text: &[u8], out: &mut [c_char; N]) -> usize {
    let places = out.iter_mut().take(N - 1).zip(text);
    places.map(|(place, &byte)| *place = byte as c_char).count()
}

/// Copies bytes that fit. Gives how many.
pub fn copy_bytes<const N: usize>(bytes: &[u8], out: &mut [u8; N]) -> usize {
    let places = out.iter_mut().zip(bytes);
    places.map(|(place, &byte)| *place = byte).count()
}

/// A struct that grows at its end and begins with `struct_size`.
///
/// # Safety
/// The type is `repr(C)`, begins with a `u32`, has no padding, and every pattern of its bytes is a value.
pub unsafe trait Versioned: Copy {
    /// Its size in the first version that had it.
    const FIRST_BYTES: usize;
    /// Its sizes in released versions between the first and this one. No other size between them was ever a `sizeof`, and
    /// would cut a pointer in half.
    const BETWEEN_BYTES: &'static [usize] = &[];

    /// What a caller who sets nothing gets. `struct_size` does not matter.
    fn defaults() -> Self;
}

fn check_struct_size<T: Versioned>(size: usize) -> Result<(), Failure> {
    let (first, current) = (T::FIRST_BYTES, size_of::<T>());
    let is_known = size == first || T::BETWEEN_BYTES.contains(&size);
    if is_known || (current..=STRUCT_BYTES_MAX).contains(&size) {
        return Ok(());
    }
    Err(Failure::text(
        TME_ERROR_STRUCT_SIZE,
        format_args!(
            "struct_size {size} is neither {first} nor {current}–{STRUCT_BYTES_MAX}; call the init function"
        ),
    ))
}

/// Reads a caller's struct of whatever version.
pub unsafe fn read_struct<T: Versioned>(pointer: *const T) -> Result<T, Failure> {
    must_not_be_null(pointer, "the struct is NULL")?;
    let bytes = pointer.cast::<u8>();
    let size = pointer.cast::<u32>().read_unaligned() as usize;
    check_struct_size::<T>(size)?;
    let known = size.min(size_of::<T>());
    let tail = std::slice::from_raw_parts(bytes.add(known), size - known);
    if tail.iter().any(|&byte| byte != 0) {
        return Err(Failure::with(TME_ERROR_STRUCT_TAIL, "a field unknown to this library is not zero"));
    }
    let mut value = T::defaults();
    std::ptr::copy_nonoverlapping(bytes, (&raw mut value).cast::<u8>(), known);
    Ok(value)
}

/// Checks the place for a struct that a function gives.
pub fn check_struct_place<T: Versioned>(pointer: *const T, size: usize) -> Result<(), Failure> {
    must_not_be_null(pointer, "the struct is NULL")?;
    check_struct_size::<T>(size)
}

/// Writes a struct into a caller's of whatever version, and its size into `struct_size`.
pub unsafe fn write_struct<T: Versioned>(value: &T, pointer: *mut T, size: usize) -> Outcome {
    check_struct_place(pointer, size)?;
    let bytes = pointer.cast::<u8>();
    let known = size.min(size_of::<T>());
    std::ptr::copy_nonoverlapping((&raw const *value).cast::<u8>(), bytes, known);
    bytes.add(known).write_bytes(0, size - known);
    pointer.cast::<u32>().write_unaligned(size as u32);
    Ok(TME_OK)
}

/// The body of every init function.
pub unsafe fn init_struct<T: Versioned>(pointer: *mut T, size: usize) -> TmeResult {
    guard(|| write_struct(&T::defaults(), pointer, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Grown {
        struct_size: u32,
        first: u32,
        added: u64,
    }

    // SAFETY: `repr(C)`, a `u32` first, no padding, integers only.
    unsafe impl Versioned for Grown {
        const FIRST_BYTES: usize = 8;

        fn defaults() -> Self {
            Self { struct_size: 0, first: 7, added: 9 }
        }
    }

    fn read(words: &[u32]) -> Result<Grown, TmeResult> {
        let mut aligned = [0u64; 16];
        for (place, word) in aligned.iter_mut().zip(words.chunks(2)) {
            *place = u64::from(word[0]) | u64::from(*word.get(1).unwrap_or(&0)) << 32;
        }
        // SAFETY: the array is larger than any size in the table below.
        unsafe { read_struct(aligned.as_ptr().cast::<Grown>()) }.map_err(|failure| failure.result)
    }

    #[test]
    fn older_structs_get_defaults_and_newer_ones_must_end_in_zeros() {
        assert_eq!(read(&[8, 1]).unwrap().added, 9, "the missing field has its default");
        assert_eq!(read(&[16, 1, 2, 0]).unwrap().added, 2);
        assert_eq!(read(&[24, 1, 2, 0, 0, 0]).unwrap().added, 2);
        assert_eq!(read(&[24, 1, 2, 0, 0, 1]), Err(TME_ERROR_STRUCT_TAIL));
        assert_eq!(read(&[7, 1]), Err(TME_ERROR_STRUCT_SIZE));
        assert_eq!(read(&[12, 1, 2]), Err(TME_ERROR_STRUCT_SIZE), "half of a field");
        assert_eq!(read(&[0, 1]), Err(TME_ERROR_STRUCT_SIZE));
        assert_eq!(read(&[4_097, 1]), Err(TME_ERROR_STRUCT_SIZE));
    }

    #[test]
    fn writing_stays_within_the_callers_size() {
        let mut place = [0xA5u8; 32];
        // SAFETY: the sizes are within the array.
        unsafe {
            assert_eq!(init_struct(place.as_mut_ptr().cast::<Grown>(), 8), TME_OK);
            assert_eq!(place[..8], [8, 0, 0, 0, 7, 0, 0, 0]);
            assert!(place[8..].iter().all(|&byte| byte == 0xA5));
            assert_eq!(init_struct(place.as_mut_ptr().cast::<Grown>(), 24), TME_OK);
        }
        assert_eq!(place[16..24], [0; 8]);
        assert!(place[24..].iter().all(|&byte| byte == 0xA5));
    }

    #[test]
    fn results_find_their_place_without_alignment() {
        let mut place = [0xA5u8; 16];
        // SAFETY: eight bytes from the first on are within the array.
        unsafe {
            put(place.as_mut_ptr().add(1).cast::<u64>(), 7);
            put(std::ptr::null_mut::<u64>(), 7);
        }
        assert_eq!(place[1..9], 7u64.to_ne_bytes());
        assert_eq!((place[0], place[9]), (0xA5, 0xA5));
    }

    #[test]
    fn a_panic_is_caught_with_its_words() {
        let texts = [
            catch_unwind(|| panic!("constant")),
            catch_unwind(|| panic!("made of {}", 2)),
            catch_unwind(|| std::panic::panic_any(3)),
        ];
        let words = texts.map(|panic| words_of(panic.unwrap_err()));
        assert_eq!(words, ["constant", "made of 2", "it said nothing"]);
        assert_eq!(guard(|| panic!("inside")), TME_ERROR_INTERNAL);
    }

    #[test]
    fn texts_come_whole_or_not_at_all() {
        let mut buffer = [0x5A as c_char; 8];
        let mut needed = 0;
        // SAFETY: the capacities are within the buffer.
        unsafe {
            let fits = output_text("abc", buffer.as_mut_ptr(), 4, &raw mut needed);
            assert_eq!((fits.is_ok(), needed), (true, 4));
            assert_eq!(CStr::from_ptr(buffer.as_ptr()).to_str(), Ok("abc"));
            let cut = output_text("abcd", buffer.as_mut_ptr(), 4, &raw mut needed);
            assert_eq!((cut.unwrap_err().result, needed, buffer[0]), (TME_ERROR_BUFFER_TOO_SMALL, 5, 0));
            let asked = output_text("abcd", std::ptr::null_mut(), 0, &raw mut needed);
            assert_eq!((asked.unwrap_err().result, needed), (TME_ERROR_BUFFER_TOO_SMALL, 5));
        }
    }
}
