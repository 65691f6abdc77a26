//! Writer: a game's values into a buffer of the caller's (`docs/SERIALIZATION.md`).

use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::ptr::null_mut;
use std::slice;

use tme::EncodeError;
use tme::serial::form::{IntegerRange, Quantized, Steps, UnitQuaternion};
use tme::serial::{MESSAGE_BYTES_MAX, OpenBlock, OpenByte, Writer};

use crate::boundary::{guard, input_bytes, must_not_be_null, put};
use crate::failure::Failure;
use crate::result::{
    TME_ERROR_ARGUMENT, TME_ERROR_BUFFER_TOO_SMALL, TME_ERROR_LENGTH, TME_ERROR_NULL, TME_ERROR_SERIAL_RANGE,
    TME_ERROR_SERIAL_UTF8, TME_OK, TmeResult,
};

/// Writes values one behind the other into a buffer of the caller's. tme_writer_init fills it in; its fields are the library's,
/// `length` (bytes so far) may be read.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeWriter {
    /// The buffer.
    pub data: *mut u8,
    /// Its size in bytes.
    pub capacity: usize,
    /// Bytes so far.
    pub length: usize,
    /// The byte that the next bits go into.
    pub open_index: usize,
    /// How many of its bits are free.
    pub open_free: u32,
    /// TME_OK, or the first error.
    pub error: TmeResult,
    /// 0.
    pub reserved: [u64; 3],
}

/// A block under way, of a writer or a reader. Its fields are the library's.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeBlock {
    /// Where it begins, or where what it stands in ends.
    pub position: usize,
    /// The open byte around it.
    pub open_index: usize,
    /// Its bits.
    pub open_bits: u32,
    /// How many.
    pub open_count: u32,
    /// 0.
    pub reserved: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<TmeWriter>() == 64 && size_of::<TmeBlock>() == 32);

impl TmeBlock {
    /// No block.
    pub(crate) const NONE: Self =
        Self { position: 0, open_index: 0, open_bits: 0, open_count: 0, reserved: 0 };
}

/// Runs `body` on the writer that a caller's struct describes, and writes down how it is afterwards.
unsafe fn write_or_fail(
    writer: *mut TmeWriter,
    body: impl FnOnce(&mut Writer<'_>) -> Result<(), Failure>,
) -> TmeResult {
    guard(|| {
        must_not_be_null(writer, "there is no writer")?;
        let mut state = writer.read_unaligned();
        if state.error < 0 {
            // Not remembered anew: the detail of the first error says more.
            return Ok(state.error);
        }
        let result = run(&mut state, body);
        if let Err(failure) = &result {
            state.error = failure.result;
        }
        put(writer, state);
        result.map(|()| TME_OK)
    })
}

unsafe fn write(writer: *mut TmeWriter, body: impl FnOnce(&mut Writer<'_>)) -> TmeResult {
    write_or_fail(writer, |to| {
        body(to);
        Ok(())
    })
}

unsafe fn run(
    state: &mut TmeWriter,
    body: impl FnOnce(&mut Writer<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if state.capacity > 0 && state.data.is_null() {
        return Err(Failure::with(TME_ERROR_NULL, "the writer has no buffer"));
    }
    if state.capacity > isize::MAX as usize {
        return Err(Failure::with(TME_ERROR_LENGTH, "no buffer can be that long"));
    }
    let buffer = match state.capacity {
        0 => &mut [],
        capacity => slice::from_raw_parts_mut(state.data, capacity.min(MESSAGE_BYTES_MAX)),
    };
    // Whatever a caller has put there, it must not lead out of what was written.
    let index = state.open_index.min(state.length);
    let free = if index < state.length { state.open_free.min(8) } else { 0 };
    let mut to = Writer::resumed(buffer, state.length, OpenByte { index, free });
    body(&mut to)?;
    let open = to.open_byte();
    (state.open_index, state.open_free) = (open.index, open.free);
    state.length = to.finish().map_err(failure)?;
    Ok(())
}

fn failure(error: EncodeError) -> Failure {
    match error {
        EncodeError::TooLarge { max } => Failure::text(
            TME_ERROR_BUFFER_TOO_SMALL,
            format_args!("the values take more than the {max} bytes of the buffer"),
        ),
        error => Failure::text(-600 - error.kind() as TmeResult, format_args!("{error}")),
    }
}

/// Bits that one value can have.
pub(crate) fn check_bit_count(count: u32) -> Result<(), Failure> {
    if count <= 64 {
        return Ok(());
    }
    Err(Failure::text(TME_ERROR_ARGUMENT, format_args!("{count} bits are more than 64")))
}

pub(crate) fn range(low: i64, high: i64) -> Result<IntegerRange, Failure> {
    if low <= high {
        return Ok(IntegerRange::new(low.into(), high.into()));
    }
    Err(Failure::text(TME_ERROR_ARGUMENT, format_args!("there is nothing from {low} to {high}")))
}

pub(crate) fn by_precision(low: f64, high: f64, precision: f64) -> Result<Quantized, Failure> {
    Quantized::try_by_precision(low, high, precision).ok_or_else(|| {
        let text = format_args!("{low} to {high} cannot be divided by {precision} into 1 to 2^32 - 1 steps");
        Failure::text(TME_ERROR_ARGUMENT, text)
    })
}

pub(crate) fn by_bits(low: f64, high: f64, bits: u32) -> Result<Quantized, Failure> {
    Quantized::try_by_bits(low, high, bits).ok_or_else(|| {
        let text =
            format_args!("{low} to {high} cannot be written in {bits} bits: 1-32, 2 if 0 is in the middle");
        Failure::text(TME_ERROR_ARGUMENT, text)
    })
}

pub(crate) fn steps(precision: f64) -> Result<Steps, Failure> {
    Steps::try_new(precision).ok_or_else(|| {
        Failure::text(
            TME_ERROR_ARGUMENT,
            format_args!("a precision of {precision} is not above 0 and finite"),
        )
    })
}

pub(crate) fn quaternion(bits: u32) -> Result<UnitQuaternion, Failure> {
    UnitQuaternion::try_new(bits).ok_or_else(|| {
        Failure::text(TME_ERROR_ARGUMENT, format_args!("{bits} bits of a component are not 2-21"))
    })
}

/// Begins to write into a buffer.
///
/// Parameters: `writer` is filled in; `buffer` of `capacity` bytes, of which at most 16 MiB are used. It must stay where it is.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_LENGTH.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_init(
    writer: *mut TmeWriter,
    buffer: *mut c_void,
    capacity: usize,
) -> TmeResult {
    let empty = TmeWriter {
        data: null_mut(),
        capacity: 0,
        length: 0,
        open_index: 0,
        open_free: 0,
        error: TME_ERROR_NULL,
        reserved: [0; 3],
    };
    put(writer, empty);
    guard(|| {
        must_not_be_null(writer, "there is no writer")?;
        input_bytes(buffer, capacity)?;
        put(writer, TmeWriter { data: buffer.cast(), capacity, error: TME_OK, ..empty });
        Ok(TME_OK)
    })
}

/// Begins a message: writes its id. The fields of its body follow, then groups that later versions have added.
///
/// Parameters: `id`, not 0.
/// Returns: TME_OK; TME_ERROR_ARGUMENT; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_message(writer: *mut TmeWriter, id: u32) -> TmeResult {
    write_or_fail(writer, |to| {
        if id == 0 {
            return Err(Failure::with(TME_ERROR_ARGUMENT, "id 0 is no message's"));
        }
        to.varint(id.into());
        Ok(())
    })
}

/// Writes a fixed integer, little-endian: the form `u8`.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_u8(writer: *mut TmeWriter, value: u8) -> TmeResult {
    write(writer, |to| to.u8(value))
}

/// Writes a fixed integer, little-endian: the form `u16`.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_u16(writer: *mut TmeWriter, value: u16) -> TmeResult {
    write(writer, |to| to.u16(value))
}

/// Writes a fixed integer, little-endian: the form `u32`.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_u32(writer: *mut TmeWriter, value: u32) -> TmeResult {
    write(writer, |to| to.u32(value))
}

/// Writes a fixed integer, little-endian: the form `u64`.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_u64(writer: *mut TmeWriter, value: u64) -> TmeResult {
    write(writer, |to| to.u64(value))
}

/// Writes a fixed integer, little-endian: the form `i8`.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_i8(writer: *mut TmeWriter, value: i8) -> TmeResult {
    write(writer, |to| to.i8(value))
}

/// Writes a fixed integer, little-endian: the form `i16`.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_i16(writer: *mut TmeWriter, value: i16) -> TmeResult {
    write(writer, |to| to.i16(value))
}

/// Writes a fixed integer, little-endian: the form `i32`.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_i32(writer: *mut TmeWriter, value: i32) -> TmeResult {
    write(writer, |to| to.i32(value))
}

/// Writes a fixed integer, little-endian: the form `i64`.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_i64(writer: *mut TmeWriter, value: i64) -> TmeResult {
    write(writer, |to| to.i64(value))
}

/// Writes an IEEE 754 number: the form `f32`.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_f32(writer: *mut TmeWriter, value: f32) -> TmeResult {
    write(writer, |to| to.f32(value))
}

/// Writes an IEEE 754 number: the form `f64`.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_f64(writer: *mut TmeWriter, value: f64) -> TmeResult {
    write(writer, |to| to.f64(value))
}

/// Writes an unsigned varint, in its shortest form: also characters, tags and whatever counts.
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_varint(writer: *mut TmeWriter, value: u64) -> TmeResult {
    write(writer, |to| to.varint(value))
}

/// Writes a signed varint (zigzag).
///
/// Parameters: `value`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_signed_varint(writer: *mut TmeWriter, value: i64) -> TmeResult {
    write(writer, |to| to.signed_varint(value))
}

/// Writes a bool, one bit.
///
/// Parameters: `value`: 0 is false, everything else true.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_bool(writer: *mut TmeWriter, value: u32) -> TmeResult {
    write(writer, |to| to.bool(value != 0))
}

/// Writes bits, the lowest first: `int(0..2^count - 1)`, or the tag of an enum.
///
/// Parameters: `value`, which must fit; `count`, at most 64.
/// Returns: TME_OK; TME_ERROR_SERIAL_RANGE if it does not fit; TME_ERROR_ARGUMENT; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error;
/// TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_bits(writer: *mut TmeWriter, value: u64, count: u32) -> TmeResult {
    write_or_fail(writer, |to| {
        check_bit_count(count)?;
        if count < 64 && value >> count != 0 {
            let text = format_args!("{value} takes more than {count} bits");
            return Err(Failure::text(TME_ERROR_SERIAL_RANGE, text));
        }
        to.bits(value, count);
        Ok(())
    })
}

/// Writes a ranged integer: `int(low..high)`, in as few bits as the range needs.
///
/// Parameters: `value`; `low` and `high`, both allowed.
/// Returns: TME_OK; TME_ERROR_SERIAL_RANGE; TME_ERROR_ARGUMENT if `low` is above `high`; TME_ERROR_BUFFER_TOO_SMALL; the writer's first
/// error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_range(
    writer: *mut TmeWriter,
    value: i64,
    low: i64,
    high: i64,
) -> TmeResult {
    write_or_fail(writer, |to| {
        range(low, high)?.write("", value.into(), to);
        Ok(())
    })
}

/// Writes a quantised float: `q(low..high/steps)`, as many steps as `precision` asks for. A value outside is limited to the range.
///
/// Parameters: `value`; `low` below `high`; `precision`, the size of a step at most.
/// Returns: TME_OK; TME_ERROR_SERIAL_NUMBER if `value` is not a number; TME_ERROR_ARGUMENT for a range or precision that cannot be;
/// TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_quantized(
    writer: *mut TmeWriter,
    value: f64,
    low: f64,
    high: f64,
    precision: f64,
) -> TmeResult {
    write_or_fail(writer, |to| {
        by_precision(low, high, precision)?.write("", value, to);
        Ok(())
    })
}

/// Writes a quantised float in so many bits.
///
/// Parameters: as tme_writer_quantized; `bits`, 1-32.
/// Returns: as tme_writer_quantized.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_quantized_bits(
    writer: *mut TmeWriter,
    value: f64,
    low: f64,
    high: f64,
    bits: u32,
) -> TmeResult {
    write_or_fail(writer, |to| {
        by_bits(low, high, bits)?.write("", value, to);
        Ok(())
    })
}

/// Writes a float counted in steps of `precision`, without a range: `step(precision)`, a varint.
///
/// Parameters: `value`; `precision`, above 0.
/// Returns: TME_OK; TME_ERROR_SERIAL_NUMBER if `value` is not a number, infinite, or more than 2^53 steps; TME_ERROR_ARGUMENT;
/// TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_step(writer: *mut TmeWriter, value: f64, precision: f64) -> TmeResult {
    write_or_fail(writer, |to| {
        steps(precision)?.write("", value, to);
        Ok(())
    })
}

/// Writes a rotation: `quat(bits)`, of 2 + 3 x bits bits. It need not have length 1.
///
/// Parameters: `xyzw`, four numbers; `bits`, 2-21: 10 is 0.1 degrees.
/// Returns: TME_OK; TME_ERROR_SERIAL_NUMBER if its length is 0 or not finite; TME_ERROR_ARGUMENT; TME_ERROR_BUFFER_TOO_SMALL; the
/// writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_quaternion(
    writer: *mut TmeWriter,
    xyzw: *const f64,
    bits: u32,
) -> TmeResult {
    write_or_fail(writer, |to| {
        must_not_be_null(xyzw, "there is no rotation")?;
        quaternion(bits)?.write("", xyzw.cast::<[f64; 4]>().read_unaligned(), to);
        Ok(())
    })
}

/// Writes a text: its length in bytes, and its bytes.
///
/// Parameters: `text` of `length` bytes, without a NUL.
/// Returns: TME_OK; TME_ERROR_SERIAL_UTF8; TME_ERROR_LENGTH; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_text(
    writer: *mut TmeWriter,
    text: *const c_char,
    length: usize,
) -> TmeResult {
    write_or_fail(writer, |to| {
        let bytes = input_bytes(text.cast(), length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => to.text(text),
            Err(error) => {
                let text = format_args!("a text is not UTF-8 after {} bytes", error.valid_up_to());
                return Err(Failure::text(TME_ERROR_SERIAL_UTF8, text));
            }
        }
        Ok(())
    })
}

/// Writes a count and so many bytes: `list(u8)`.
///
/// Parameters: `data` of `length` bytes.
/// Returns: TME_OK; TME_ERROR_LENGTH; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_bytes(
    writer: *mut TmeWriter,
    data: *const c_void,
    length: usize,
) -> TmeResult {
    write_or_fail(writer, |to| {
        to.bytes(input_bytes(data, length)?);
        Ok(())
    })
}

/// Writes bytes without a count: `[u8;length]`.
///
/// Parameters: `data` of `length` bytes.
/// Returns: as tme_writer_bytes.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_raw(
    writer: *mut TmeWriter,
    data: *const c_void,
    length: usize,
) -> TmeResult {
    write_or_fail(writer, |to| {
        to.raw(input_bytes(data, length)?);
        Ok(())
    })
}

/// Writes how many elements follow, of a list, a set or a map.
///
/// Parameters: `count`.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_count(writer: *mut TmeWriter, count: usize) -> TmeResult {
    write(writer, |to| to.count(count))
}

/// Begins a block: a group of fields that a later version has added, or the content of a variant that one has. It has a length in
/// front and bits of its own. Blocks may lie in each other.
///
/// Parameters: `block` is filled in; tme_writer_block_end wants it.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_block_begin(writer: *mut TmeWriter, block: *mut TmeBlock) -> TmeResult {
    put(block, TmeBlock::NONE);
    write_or_fail(writer, |to| {
        must_not_be_null(block, "there is no place for the block")?;
        let (position, open) = to.begin_block().parts();
        let (open_index, open_count) = (open.index, open.free);
        put(block, TmeBlock { position, open_index, open_count, ..TmeBlock::NONE });
        Ok(())
    })
}

/// Ends the block that was begun last.
///
/// Parameters: `block`, which tme_writer_block_begin has filled in.
/// Returns: TME_OK; TME_ERROR_ARGUMENT if it is none of this writer's; TME_ERROR_BUFFER_TOO_SMALL; the writer's first error;
/// TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_block_end(writer: *mut TmeWriter, block: *const TmeBlock) -> TmeResult {
    write_or_fail(writer, |to| {
        must_not_be_null(block, "there is no block")?;
        let block = block.read_unaligned();
        let open = OpenByte { index: block.open_index, free: block.open_count };
        let is_open_before = open.free == 0 || open.index < block.position;
        if !(1..=to.len()).contains(&block.position) || open.free > 8 || !is_open_before {
            return Err(Failure::with(TME_ERROR_ARGUMENT, "this block was not begun by this writer"));
        }
        to.end_block(OpenBlock::from_parts(block.position, open));
        Ok(())
    })
}

/// Gives the writer an error of the program's own, if it has none yet.
///
/// Parameters: `error`, below 0.
/// Returns: the writer's first error; TME_ERROR_ARGUMENT if `error` is none; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_fail(writer: *mut TmeWriter, error: TmeResult) -> TmeResult {
    write_or_fail(writer, |_| Err(own(error)))
}

/// An error that a program gives its own writer or reader.
pub(crate) const fn own(error: TmeResult) -> Failure {
    if error < 0 { Failure::new(error) } else { Failure::with(TME_ERROR_ARGUMENT, "an error is below 0") }
}

/// Tells whether everything could be written, and how many bytes it takes.
///
/// Parameters: `length` (may be NULL) gets how many, 0 on failure.
/// Returns: TME_OK; the writer's first error; TME_ERROR_NULL.
/// Threads: any, one at a time per writer.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_writer_finish(writer: *const TmeWriter, length: *mut usize) -> TmeResult {
    put(length, 0);
    guard(|| {
        must_not_be_null(writer, "there is no writer")?;
        let state = writer.read_unaligned();
        if state.error < 0 {
            return Ok(state.error);
        }
        put(length, state.length);
        Ok(TME_OK)
    })
}
