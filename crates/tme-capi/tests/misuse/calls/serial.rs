//! Writers and readers: values in any order, with any arguments, in structs with nonsense in them.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use tme_capi::{TME_ERROR_NULL, TME_ERROR_SERIAL_RANGE, TME_OK, TmeBlock, TmeReader, TmeWriter};

use super::Call;
use crate::misuser::{Misuser, call};
use crate::place::Place;

pub const CALLS: &[Call] = &[(6, write), (6, read), (1, schema_hash), (1, nobody)];

/// Most calls on one writer or reader.
const STEPS: usize = 24;

/// A struct of the library's with a field that the library has not put there. Where the memory is, and how much, is the caller's word.
fn spoil_writer(m: &mut Misuser<'_>, writer: &mut TmeWriter) {
    match m.chance.below(5) {
        0 => writer.length = m.chance.edgy_wide() as usize,
        1 => writer.open_index = m.chance.edgy_wide() as usize,
        2 => writer.open_free = m.chance.edgy(),
        3 => writer.reserved[0] = m.chance.next(),
        _ => {}
    }
}

fn spoil_reader(m: &mut Misuser<'_>, reader: &mut TmeReader) {
    match m.chance.below(6) {
        0 => reader.position = m.chance.edgy_wide() as usize,
        1 => reader.end = m.chance.edgy_wide() as usize,
        2 => reader.open_bits = m.chance.edgy(),
        3 => reader.open_count = m.chance.edgy(),
        4 => reader.is_message = m.chance.edgy(),
        _ => {}
    }
}

fn any_block(m: &mut Misuser<'_>) -> TmeBlock {
    let mut number = || if m.chance.one_in(2) { m.chance.edgy_wide() } else { m.chance.below(40) as u64 };
    let (position, open_index) = (number() as usize, number() as usize);
    TmeBlock { position, open_index, open_bits: number() as u32, open_count: number() as u32, reserved: 0 }
}

/// Bytes with their true length, or with one that nobody has.
fn some_bytes(m: &mut Misuser<'_>) -> (Place, usize) {
    let length = m.chance.below(40);
    let mut bytes = m.chance.bytes(length);
    if m.chance.one_in(2) {
        bytes.iter_mut().for_each(|byte| *byte &= 0x7F);
    }
    let place = Place::holding(&mut m.chance, &bytes);
    let told = if m.chance.one_in(16) { usize::MAX } else { length };
    (place, told)
}

fn write(m: &mut Misuser<'_>) {
    let capacity = if m.chance.one_in(4) { m.chance.below(8) } else { m.chance.below(200) };
    let place = Place::new(&mut m.chance, capacity);
    let mut state = TmeWriter {
        data: null_mut(),
        capacity: 0,
        length: 0,
        open_index: 0,
        open_free: 0,
        error: 0,
        reserved: [0; 3],
    };
    let writer = &raw mut state;
    call!(m, tme_writer_init(writer, place.at::<c_void>(), capacity));
    let is_spoilt = m.chance.one_in(3);
    let mut blocks: Vec<TmeBlock> = Vec::new();
    for _ in 0..m.chance.below(STEPS) {
        if is_spoilt {
            spoil_writer(m, &mut state);
        }
        let before = state.error;
        let (number, wide, double) = (m.chance.edgy(), m.chance.edgy_wide(), m.chance.edgy_double());
        let (low, high) = (m.chance.edgy_wide() as i64, m.chance.edgy_wide() as i64);
        let bits = m.chance.below(70) as u32;
        let result = match m.chance.below(29) {
            0 => call!(m, tme_writer_message(writer, number)),
            1 => call!(m, tme_writer_bool(writer, number)),
            2 => call!(m, tme_writer_u8(writer, number as u8)),
            3 => call!(m, tme_writer_u16(writer, number as u16)),
            4 => call!(m, tme_writer_u32(writer, number)),
            5 => call!(m, tme_writer_u64(writer, wide)),
            6 => call!(m, tme_writer_i8(writer, number as i8)),
            7 => call!(m, tme_writer_i16(writer, number as i16)),
            8 => call!(m, tme_writer_i32(writer, number as i32)),
            9 => call!(m, tme_writer_i64(writer, low)),
            10 => call!(m, tme_writer_f32(writer, double as f32)),
            11 => call!(m, tme_writer_f64(writer, double)),
            12 => call!(m, tme_writer_varint(writer, wide)),
            13 => call!(m, tme_writer_signed_varint(writer, low)),
            14 => call!(m, tme_writer_bits(writer, wide, bits)),
            15 => call!(m, tme_writer_bits(writer, wide & 1, bits)),
            16 => call!(m, tme_writer_range(writer, low / 2, low, high)),
            17 => call!(m, tme_writer_quantized(writer, double, -1.0, 1.0, m.chance.edgy_double())),
            18 => {
                let (low, high) = (m.chance.edgy_double(), m.chance.edgy_double());
                call!(m, tme_writer_quantized_bits(writer, double, low, high, bits))
            }
            19 => call!(m, tme_writer_step(writer, double, m.chance.edgy_double())),
            20 => {
                let parts = [double, m.chance.edgy_double(), m.chance.edgy_double(), 0.5];
                let parts = if m.chance.one_in(16) { null() } else { parts.as_ptr() };
                call!(m, tme_writer_quaternion(writer, parts, bits / 2))
            }
            21 => {
                let (bytes, length) = some_bytes(m);
                call!(m, tme_writer_text(writer, bytes.at(), length))
            }
            22 => {
                let (bytes, length) = some_bytes(m);
                call!(m, tme_writer_bytes(writer, bytes.at(), length))
            }
            23 => {
                let (bytes, length) = some_bytes(m);
                call!(m, tme_writer_raw(writer, bytes.at(), length))
            }
            24 => call!(m, tme_writer_count(writer, wide as usize)),
            25 | 26 => {
                let mut block = any_block(m);
                let result = call!(m, tme_writer_block_begin(writer, &raw mut block));
                blocks.push(block);
                result
            }
            27 => {
                let own = blocks.pop();
                let block = own.filter(|_| !m.chance.one_in(8)).unwrap_or_else(|| any_block(m));
                let block = if m.chance.one_in(32) { null() } else { &raw const block };
                call!(m, tme_writer_block_end(writer, block))
            }
            _ if m.chance.one_in(4) => call!(m, tme_writer_fail(writer, TME_ERROR_SERIAL_RANGE)),
            _ => call!(m, tme_writer_finish(writer, null_mut())),
        };
        m.must(before == TME_OK || result == before, format_args!("{before} became {result}"));
        m.must(place.is_intact_after(capacity), format_args!("written beyond {capacity} bytes"));
    }
    let mut length = 0xA5;
    let result = call!(m, tme_writer_finish(writer, &raw mut length));
    let is_so = if result == TME_OK { is_spoilt || length <= capacity } else { length == 0 };
    m.must(is_so, format_args!("{result} with {length} of {capacity} bytes"));
}

fn read(m: &mut Misuser<'_>) {
    let length = m.chance.below(120);
    let mut bytes = m.chance.bytes(length);
    if m.chance.one_in(2) {
        // Small numbers, which counts and lengths are.
        bytes.iter_mut().for_each(|byte| *byte &= 3);
    }
    let place = Place::holding(&mut m.chance, &bytes);
    let mut state = TmeReader {
        data: null(),
        length: 0,
        position: 0,
        end: 0,
        open_bits: 0,
        open_count: 0,
        error: 0,
        is_message: 0,
        reserved: [0; 2],
    };
    let reader = &raw mut state;
    call!(m, tme_reader_init(reader, place.at::<c_void>(), length));
    let is_spoilt = m.chance.one_in(3);
    let is_within = |data: *const u8, count: usize| {
        let begin = data as usize;
        data.is_null() && count == 0
            || begin >= place.at::<u8>() as usize && begin + count <= place.at::<u8>() as usize + length
    };
    let mut blocks: Vec<TmeBlock> = Vec::new();
    for _ in 0..m.chance.below(STEPS) {
        if is_spoilt {
            spoil_reader(m, &mut state);
        }
        let before = state.error;
        let (number, wide) = (m.chance.edgy(), m.chance.edgy_wide());
        let (low, high) = (m.chance.edgy_wide() as i64, m.chance.edgy_wide() as i64);
        let bits = m.chance.below(70) as u32;
        let mut found = 0xA5A5_A5A5_A5A5_A5A5u64;
        // Every place is large enough for every kind of value, and one in thirty-two is not there.
        let out: *mut u64 = if m.chance.one_in(32) { null_mut() } else { &raw mut found };
        let (mut data, mut count) = (null(), 0usize);
        let result = match m.chance.below(34) {
            0 => call!(m, tme_reader_message(reader, out.cast())),
            1 => call!(m, tme_reader_bool(reader, out.cast())),
            2 => call!(m, tme_reader_u8(reader, out.cast())),
            3 => call!(m, tme_reader_u16(reader, out.cast())),
            4 => call!(m, tme_reader_u32(reader, out.cast())),
            5 => call!(m, tme_reader_u64(reader, out)),
            6 => call!(m, tme_reader_i8(reader, out.cast())),
            7 => call!(m, tme_reader_i16(reader, out.cast())),
            8 => call!(m, tme_reader_i32(reader, out.cast())),
            9 => call!(m, tme_reader_i64(reader, out.cast())),
            10 => call!(m, tme_reader_f32(reader, out.cast())),
            11 => call!(m, tme_reader_f64(reader, out.cast())),
            12 => call!(m, tme_reader_varint(reader, wide, out)),
            13 => call!(m, tme_reader_signed_varint(reader, low, high, out.cast())),
            14 => call!(m, tme_reader_bits(reader, bits, out)),
            15 => call!(m, tme_reader_range(reader, low, high, out.cast())),
            16 => {
                let precision = m.chance.edgy_double();
                call!(m, tme_reader_quantized(reader, -1.0, 1.0, precision, out.cast()))
            }
            17 => {
                let (low, high) = (m.chance.edgy_double(), m.chance.edgy_double());
                call!(m, tme_reader_quantized_bits(reader, low, high, bits, out.cast()))
            }
            18 => {
                let precision = m.chance.edgy_double();
                call!(m, tme_reader_step(reader, precision, out.cast()))
            }
            19 => {
                let mut parts = [0.0; 4];
                call!(m, tme_reader_quaternion(reader, bits / 2, parts.as_mut_ptr()))
            }
            20 | 21 => {
                let mut text = null();
                let result = call!(m, tme_reader_text(reader, wide as usize, &raw mut text, &raw mut count));
                data = text.cast();
                result
            }
            22 => call!(m, tme_reader_bytes(reader, wide as usize, &raw mut data, &raw mut count)),
            23 => {
                let asked = if m.chance.one_in(4) { wide as usize } else { m.chance.below(20) };
                let result = call!(m, tme_reader_raw(reader, asked, &raw mut data));
                count = if result == TME_OK { asked } else { 0 };
                result
            }
            24 => call!(m, tme_reader_count(reader, number, wide as usize, &raw mut count)),
            25 | 26 => {
                let mut block = any_block(m);
                let result = call!(m, tme_reader_block_begin(reader, &raw mut block));
                blocks.push(block);
                result
            }
            27 | 28 => {
                let own = blocks.pop();
                let block = own.filter(|_| !m.chance.one_in(8)).unwrap_or_else(|| any_block(m));
                let block = if m.chance.one_in(32) { null() } else { &raw const block };
                if m.chance.one_in(2) {
                    call!(m, tme_reader_block_end(reader, block))
                } else {
                    call!(m, tme_reader_additions_end(reader, block))
                }
            }
            29 => call!(m, tme_reader_block_skip(reader)),
            30 => {
                let mut block = any_block(m);
                let result = call!(m, tme_reader_additions_begin(reader, &raw mut block));
                blocks.push(block);
                result
            }
            31 => {
                let mut block = any_block(m);
                let result = call!(m, tme_reader_group_begin(reader, &raw mut block, out.cast()));
                blocks.push(block);
                result
            }
            32 if m.chance.one_in(4) => call!(m, tme_reader_fail(reader, TME_ERROR_SERIAL_RANGE)),
            _ => call!(m, tme_reader_finish(reader)),
        };
        m.must(before == TME_OK || result == before, format_args!("{before} became {result}"));
        // A count of elements is no count of bytes.
        if !data.is_null() {
            m.must(is_within(data, count), format_args!("{count} bytes from outside the message"));
        }
    }
    m.must(place.bytes() == bytes, format_args!("a message was written to"));
}

fn schema_hash(m: &mut Misuser<'_>) {
    let (bytes, length) = some_bytes(m);
    let mut hash = 0xA5;
    let result = call!(m, tme_schema_hash(bytes.at(), length, &raw mut hash));
    m.must((result == TME_OK) == (hash != 0), format_args!("{result} and hash {hash}"));
}

/// Without a writer, a reader or memory.
fn nobody(m: &mut Misuser<'_>) {
    let mut byte = 0u8;
    let results = [
        call!(m, tme_writer_init(null_mut(), null_mut(), 0)),
        call!(m, tme_writer_u8(null_mut(), 1)),
        call!(m, tme_writer_finish(null(), null_mut())),
        call!(m, tme_reader_init(null_mut(), null(), 0)),
        call!(m, tme_reader_u8(null_mut(), &raw mut byte)),
        call!(m, tme_reader_finish(null_mut())),
    ];
    m.must(results == [TME_ERROR_NULL; 6], format_args!("{results:?}"));
}
