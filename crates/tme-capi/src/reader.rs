//! Reader: a game's values out of the bytes of a message (`docs/SERIALIZATION.md`).

use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::ptr::null;

use tme::DecodeError;
use tme::serial::{LeftBits, Malformation, ReadBlock, Reader, schema_hash};

use crate::boundary::{guard, input_bytes, must_not_be_null, put};
use crate::failure::Failure;
use crate::result::{TME_ERROR_ARGUMENT, TME_ERROR_NULL, TME_ERROR_UTF8, TME_OK, TmeResult};
use crate::writer::{TmeBlock, by_bits, by_precision, check_bit_count, own, quaternion, range, steps};

/// Reads values one behind the other. tme_reader_init fills it in; its fields are the library's, `position` (bytes so far) may be
/// read.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeReader {
    /// The bytes.
    pub data: *const u8,
    /// How many.
    pub length: usize,
    /// Bytes so far.
    pub position: usize,
    /// Where the innermost block ends.
    pub end: usize,
    /// Bits of the open byte that were not read yet.
    pub open_bits: u32,
    /// How many.
    pub open_count: u32,
    /// TME_OK, or the first error.
    pub error: TmeResult,
    /// 1 if it is a message, behind whose body there may be additions.
    pub is_message: u32,
    /// 0.
    pub reserved: [u64; 2],
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<TmeReader>() == 64);

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::text(-600 - error.kind() as TmeResult, format_args!("{error}"))
    }
}

/// Runs `body` on the reader that a caller's struct describes, and writes down how it is afterwards.
unsafe fn read(
    reader: *mut TmeReader,
    body: impl FnOnce(&mut Reader<'_>) -> Result<(), Failure>,
) -> TmeResult {
    guard(|| {
        must_not_be_null(reader, "there is no reader")?;
        let mut state = reader.read_unaligned();
        if state.error < 0 {
            // Not remembered anew: the detail of the first error says more.
            return Ok(state.error);
        }
        let result = run(&mut state, body);
        if let Err(failure) = &result {
            state.error = failure.result;
        }
        put(reader, state);
        result.map(|()| TME_OK)
    })
}

unsafe fn run(
    state: &mut TmeReader,
    body: impl FnOnce(&mut Reader<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let bytes = input_bytes(state.data.cast(), state.length)?;
    let open = LeftBits { value: state.open_bits as u8, count: state.open_count };
    let mut from = Reader::resumed(bytes, state.position, state.end, open);
    body(&mut from)?;
    let open = from.left_bits();
    (state.position, state.end) = (from.position(), from.end());
    (state.open_bits, state.open_count) = (open.value.into(), open.count);
    Ok(())
}

/// As [`read`], with one result.
unsafe fn read_into<T>(
    reader: *mut TmeReader,
    place: *mut T,
    body: impl FnOnce(&mut Reader<'_>) -> Result<T, Failure>,
) -> TmeResult {
    read(reader, |from| {
        must_not_be_null(place, "there is no place for the value")?;
        put(place, body(from)?);
        Ok(())
    })
}

/// Begins to read bytes, such as the data of a TME_EVENT_MESSAGE.
///
/// Parameters: `reader` is filled in; `data` of `length` bytes, which must stay where they are.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_LENGTH.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_init(
    reader: *mut TmeReader,
    data: *const c_void,
    length: usize,
) -> TmeResult {
    let empty = TmeReader {
        data: null(),
        length: 0,
        position: 0,
        end: 0,
        open_bits: 0,
        open_count: 0,
        error: TME_ERROR_NULL,
        is_message: 0,
        reserved: [0; 2],
    };
    put(reader, empty);
    guard(|| {
        must_not_be_null(reader, "there is no reader")?;
        input_bytes(data, length)?;
        put(reader, TmeReader { data: data.cast(), length, end: length, error: TME_OK, ..empty });
        Ok(TME_OK)
    })
}

/// Begins a message: reads its id.
///
/// Parameters: `id` gets which message it is, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_UNKNOWN_MESSAGE for id 0; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the
/// reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_message(reader: *mut TmeReader, id: *mut u32) -> TmeResult {
    put(id, 0);
    let result = read_into(reader, id, |from| {
        let id = from.varint()?;
        if id == 0 {
            return Err(from.error(Malformation::UnknownMessage { id: 0 }).into());
        }
        u32::try_from(id).map_err(|_| from.error(Malformation::Range).into())
    });
    if result == TME_OK {
        (&raw mut (*reader).is_message).write_unaligned(1);
    }
    result
}

/// Reads a fixed integer, little-endian: the form `u8`.
///
/// Parameters: `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_u8(reader: *mut TmeReader, value: *mut u8) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| Ok(from.u8()?))
}

/// Reads a fixed integer, little-endian: the form `u16`.
///
/// Parameters: `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_u16(reader: *mut TmeReader, value: *mut u16) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| Ok(from.u16()?))
}

/// Reads a fixed integer, little-endian: the form `u32`.
///
/// Parameters: `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_u32(reader: *mut TmeReader, value: *mut u32) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| Ok(from.u32()?))
}

/// Reads a fixed integer, little-endian: the form `u64`.
///
/// Parameters: `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_u64(reader: *mut TmeReader, value: *mut u64) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| Ok(from.u64()?))
}

/// Reads a fixed integer, little-endian: the form `i8`.
///
/// Parameters: `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_i8(reader: *mut TmeReader, value: *mut i8) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| Ok(from.i8()?))
}

/// Reads a fixed integer, little-endian: the form `i16`.
///
/// Parameters: `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_i16(reader: *mut TmeReader, value: *mut i16) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| Ok(from.i16()?))
}

/// Reads a fixed integer, little-endian: the form `i32`.
///
/// Parameters: `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_i32(reader: *mut TmeReader, value: *mut i32) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| Ok(from.i32()?))
}

/// Reads a fixed integer, little-endian: the form `i64`.
///
/// Parameters: `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_i64(reader: *mut TmeReader, value: *mut i64) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| Ok(from.i64()?))
}

/// Reads an IEEE 754 number: the form `f32`.
///
/// Parameters: `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_f32(reader: *mut TmeReader, value: *mut f32) -> TmeResult {
    put(value, 0.0);
    read_into(reader, value, |from| Ok(from.f32()?))
}

/// Reads an IEEE 754 number: the form `f64`.
///
/// Parameters: `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_f64(reader: *mut TmeReader, value: *mut f64) -> TmeResult {
    put(value, 0.0);
    read_into(reader, value, |from| Ok(from.f64()?))
}

/// Reads an unsigned varint.
///
/// Parameters: `max`, the most that it may be, such as UINT16_MAX of a `varint(u16)`; `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_VARINT, also if it is more than `max`; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_varint(reader: *mut TmeReader, max: u64, value: *mut u64) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| {
        let value = from.varint()?;
        if value <= max { Ok(value) } else { Err(from.error(Malformation::Varint).into()) }
    })
}

/// Reads a signed varint (zigzag).
///
/// Parameters: `low` and `high`, the least and the most that it may be; `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_VARINT, also if it is outside; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_signed_varint(
    reader: *mut TmeReader,
    low: i64,
    high: i64,
    value: *mut i64,
) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| {
        let value = from.signed_varint()?;
        if (low..=high).contains(&value) { Ok(value) } else { Err(from.error(Malformation::Varint).into()) }
    })
}

/// Reads a bool.
///
/// Parameters: `value` gets 1 or 0.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_bool(reader: *mut TmeReader, value: *mut u32) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| Ok(from.bool()?.into()))
}

/// Reads bits.
///
/// Parameters: `count`, at most 64; `value` gets them, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_bits(reader: *mut TmeReader, count: u32, value: *mut u64) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| {
        check_bit_count(count)?;
        Ok(from.bits(count)?)
    })
}

/// Reads a ranged integer: `int(low..high)`.
///
/// Parameters: `low` and `high` as when it was written; `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_range(
    reader: *mut TmeReader,
    low: i64,
    high: i64,
    value: *mut i64,
) -> TmeResult {
    put(value, 0);
    read_into(reader, value, |from| {
        let value = range(low, high)?.read(from)?;
        i64::try_from(value).map_err(|_| from.error(Malformation::Range).into())
    })
}

/// Reads a quantised float.
///
/// Parameters: range and precision as when it was written; `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_quantized(
    reader: *mut TmeReader,
    low: f64,
    high: f64,
    precision: f64,
    value: *mut f64,
) -> TmeResult {
    put(value, 0.0);
    read_into(reader, value, |from| Ok(by_precision(low, high, precision)?.read(from)?))
}

/// Reads a quantised float of so many bits.
///
/// Parameters: range and bits as when it was written; `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_quantized_bits(
    reader: *mut TmeReader,
    low: f64,
    high: f64,
    bits: u32,
    value: *mut f64,
) -> TmeResult {
    put(value, 0.0);
    read_into(reader, value, |from| Ok(by_bits(low, high, bits)?.read(from)?))
}

/// Reads a float counted in steps.
///
/// Parameters: `precision` as when it was written; `value` gets it, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_step(
    reader: *mut TmeReader,
    precision: f64,
    value: *mut f64,
) -> TmeResult {
    put(value, 0.0);
    read_into(reader, value, |from| Ok(steps(precision)?.read(from)?))
}

/// Reads a rotation.
///
/// Parameters: `bits` as when it was written; `xyzw` gets four numbers, no rotation (0, 0, 0, 1) on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_SERIAL_END; TME_ERROR_ARGUMENT; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_quaternion(
    reader: *mut TmeReader,
    bits: u32,
    xyzw: *mut f64,
) -> TmeResult {
    let place = xyzw.cast::<[f64; 4]>();
    put(place, [0.0, 0.0, 0.0, 1.0]);
    read_into(reader, place, |from| Ok(quaternion(bits)?.read(from)?))
}

/// Reads a text, which stays where it is.
///
/// Parameters: `max`, the most bytes that the program takes; `text` gets where it is, NULL on failure; `length` gets its bytes. It has
/// no NUL.
/// Returns: TME_OK; TME_ERROR_SERIAL_UTF8; TME_ERROR_SERIAL_COUNT; TME_ERROR_SERIAL_TOO_LONG; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the
/// reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_text(
    reader: *mut TmeReader,
    max: usize,
    text: *mut *const c_char,
    length: *mut usize,
) -> TmeResult {
    put(text, null());
    put(length, 0);
    read(reader, |from| {
        must_not_be_null(text, "there is no place for the text")?;
        must_not_be_null(length, "there is no place for the length")?;
        let found = from.text(max)?;
        put(text, found.as_ptr().cast());
        put(length, found.len());
        Ok(())
    })
}

/// Reads a count and so many bytes, which stay where they are: `list(u8)`.
///
/// Parameters: `max`, the most bytes that the program takes; `data` gets where they are, NULL on failure; `length` gets how many.
/// Returns: TME_OK; TME_ERROR_SERIAL_COUNT; TME_ERROR_SERIAL_TOO_LONG; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the reader's first error;
/// TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_bytes(
    reader: *mut TmeReader,
    max: usize,
    data: *mut *const u8,
    length: *mut usize,
) -> TmeResult {
    put(data, null());
    put(length, 0);
    read(reader, |from| {
        must_not_be_null(data, "there is no place for the bytes")?;
        must_not_be_null(length, "there is no place for the length")?;
        let found = from.bytes(max)?;
        put(data, found.as_ptr());
        put(length, found.len());
        Ok(())
    })
}

/// Reads bytes without a count, which stay where they are: `[u8;length]`.
///
/// Parameters: `length`; `data` gets where they are, NULL on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_raw(
    reader: *mut TmeReader,
    length: usize,
    data: *mut *const u8,
) -> TmeResult {
    put(data, null());
    read_into(reader, data, |from| Ok(from.raw(length)?.as_ptr()))
}

/// Reads how many elements follow, and checks that what is left can hold them.
///
/// Parameters: `bits_min`, the bits that each takes at least, 0 if it may take none; `max`, the most that the program takes; `count` gets
/// how many, 0 on failure.
/// Returns: TME_OK; TME_ERROR_SERIAL_COUNT; TME_ERROR_SERIAL_TOO_LONG; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the reader's first error;
/// TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_count(
    reader: *mut TmeReader,
    bits_min: u32,
    max: usize,
    count: *mut usize,
) -> TmeResult {
    put(count, 0);
    read_into(reader, count, |from| Ok(from.count(bits_min as usize, max)?))
}

/// Begins a block: nothing beyond its end can be read until it has ended. Blocks may lie in each other.
///
/// Parameters: `block` is filled in; tme_reader_block_end wants it.
/// Returns: TME_OK; TME_ERROR_SERIAL_COUNT if it is longer than what is left; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the reader's first
/// error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_block_begin(reader: *mut TmeReader, block: *mut TmeBlock) -> TmeResult {
    put(block, TmeBlock::NONE);
    read_into(reader, block, |from| Ok(told(from.begin_block()?)))
}

fn told(block: ReadBlock) -> TmeBlock {
    let (position, open) = block.parts();
    TmeBlock { position, open_bits: open.value.into(), open_count: open.count, ..TmeBlock::NONE }
}

/// A block as a caller has kept it. It cannot lead out of the message: the reader's bytes are its limit.
unsafe fn kept(block: *const TmeBlock, from: &Reader<'_>) -> Result<ReadBlock, Failure> {
    must_not_be_null(block, "there is no block")?;
    let block = block.read_unaligned();
    let open = LeftBits { value: block.open_bits as u8, count: block.open_count };
    if block.position < from.end() || open.count > 7 {
        return Err(Failure::with(TME_ERROR_ARGUMENT, "this block was not begun by this reader"));
    }
    Ok(ReadBlock::from_parts(block.position, open))
}

/// Ends the block or group that was begun last, all of which must have been read.
///
/// Parameters: `block`, which its beginning has filled in.
/// Returns: TME_OK; TME_ERROR_SERIAL_LEFT_OVER; TME_ERROR_SERIAL_PADDING; TME_ERROR_ARGUMENT if it is none of this reader's; the reader's first
/// error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_block_end(reader: *mut TmeReader, block: *const TmeBlock) -> TmeResult {
    read(reader, |from| Ok(from.end_block(kept(block, from)?)?))
}

/// Skips a block: the content of a variant that a later version has added.
///
/// Parameters: none but the reader.
/// Returns: as tme_reader_block_begin.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_block_skip(reader: *mut TmeReader) -> TmeResult {
    read(reader, |from| {
        let block = from.begin_block()?;
        from.skip_block(block);
        Ok(())
    })
}

/// Begins what stands behind the fields of an extensible struct. Groups follow, then tme_reader_additions_end.
///
/// Parameters: `block` is filled in, also if there is nothing.
/// Returns: TME_OK; TME_ERROR_SERIAL_COUNT; TME_ERROR_SERIAL_VARINT; TME_ERROR_SERIAL_END; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_additions_begin(
    reader: *mut TmeReader,
    block: *mut TmeBlock,
) -> TmeResult {
    put(block, TmeBlock::NONE);
    read_into(reader, block, |from| {
        if from.bool()? {
            let block = from.begin_block()?;
            if from.remaining() == 0 {
                return Err(from.error(Malformation::Count).into());
            }
            return Ok(told(block));
        }
        Ok(told(from.begin_nothing()))
    })
}

/// Ends what stands behind the fields of an extensible struct; groups that nobody has read are those of a later version.
///
/// Parameters: `block`, which tme_reader_additions_begin has filled in.
/// Returns: TME_OK; TME_ERROR_SERIAL_LEFT_OVER; TME_ERROR_ARGUMENT if it is none of this reader's; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_additions_end(
    reader: *mut TmeReader,
    block: *const TmeBlock,
) -> TmeResult {
    read(reader, |from| {
        let block = kept(block, from)?;
        from.skip_additions()?;
        from.skip_block(block);
        Ok(())
    })
}

/// Begins the next group of fields that a later version has added, if it is there: behind the body of a message, or within the
/// additions of an extensible struct. tme_reader_block_end ends it; without one the fields take their defaults.
///
/// Parameters: `block` is filled in; `is_there` gets 1 or 0.
/// Returns: TME_OK; TME_ERROR_SERIAL_LEFT_OVER if what is left is no group; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_group_begin(
    reader: *mut TmeReader,
    block: *mut TmeBlock,
    is_there: *mut u32,
) -> TmeResult {
    put(block, TmeBlock::NONE);
    put(is_there, 0);
    read(reader, |from| {
        must_not_be_null(block, "there is no place for the block")?;
        must_not_be_null(is_there, "there is no place for whether it is there")?;
        if let Some(group) = from.next_group()? {
            put(block, told(group));
            put(is_there, 1);
        }
        Ok(())
    })
}

/// Gives the reader an error of the program's own, if it has none yet: TME_ERROR_SERIAL_VARIANT for a tag that it does not know,
/// TME_ERROR_SERIAL_ORDER for keys that do not ascend.
///
/// Parameters: `error`, below 0.
/// Returns: the reader's first error; TME_ERROR_ARGUMENT if `error` is none; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_fail(reader: *mut TmeReader, error: TmeResult) -> TmeResult {
    read(reader, |_| Err(own(error)))
}

/// Tells whether everything could be read and nothing is left, but groups of a later version behind a message.
///
/// Parameters: none but the reader.
/// Returns: TME_OK; TME_ERROR_SERIAL_LEFT_OVER; TME_ERROR_SERIAL_PADDING; the reader's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per reader.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_reader_finish(reader: *mut TmeReader) -> TmeResult {
    let is_message = !reader.is_null() && (&raw const (*reader).is_message).read_unaligned() != 0;
    read(reader, |from| {
        if is_message {
            let additions = from.begin_message_additions()?;
            from.end_additions(additions)?;
        }
        Ok(from.clone().finish()?)
    })
}

/// The hash of a base schema, the text of docs/SERIALIZATION.md, section 7: for `schema_hash` of a server's and a client's config.
///
/// Parameters: `text` of `length` bytes; `hash` gets it, never 0 but on failure.
/// Returns: TME_OK; TME_ERROR_UTF8; TME_ERROR_LENGTH; TME_ERROR_NULL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_schema_hash(text: *const c_char, length: usize, hash: *mut u64) -> TmeResult {
    put(hash, 0);
    guard(|| {
        must_not_be_null(hash, "there is no place for the hash")?;
        let text = std::str::from_utf8(input_bytes(text.cast(), length)?)
            .map_err(|_| Failure::with(TME_ERROR_UTF8, "the schema is not UTF-8"))?;
        put(hash, schema_hash(text));
        Ok(TME_OK)
    })
}
