//! Writes forms of `docs/SERIALIZATION.md`, one behind the other.

use super::error::EncodeError;
use super::limits::{DEPTH_MAX, MESSAGE_BYTES_MAX};
use crate::codec::varint_bytes;

/// Where the bytes go.
#[derive(Debug)]
enum Sink<'a> {
    /// A buffer that grows.
    Growing(&'a mut Vec<u8>),
    /// A caller's buffer, and how much of it is filled.
    Fixed(&'a mut [u8], usize),
}

/// The byte that bits go into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenByte {
    /// Where it is.
    pub index: usize,
    /// How many of its bits, the highest ones, are still free: 0–8.
    pub free: u32,
}

/// A block under way: what [`Writer::begin_block`] gives and [`Writer::end_block`] takes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct OpenBlock {
    begin: usize,
    outer: OpenByte,
}

impl OpenBlock {
    /// Where the content begins, and the open byte around it, for a caller who keeps them in a form of his own.
    #[must_use]
    pub const fn parts(self) -> (usize, OpenByte) {
        (self.begin, self.outer)
    }

    /// A block from [`parts`](Self::parts).
    pub const fn from_parts(begin: usize, outer: OpenByte) -> Self {
        Self { begin, outer }
    }
}

/// Writes values one behind the other.
///
/// Nothing has to be checked in between: the first value that cannot be written is remembered, what follows is left out, and
/// [`finish`](Self::finish) tells.
#[derive(Debug)]
pub struct Writer<'a> {
    sink: Sink<'a>,
    /// Most bytes; nothing more goes in after a failure.
    bytes_max: usize,
    open: OpenByte,
    depth: u32,
    failure: Option<EncodeError>,
}

impl<'a> Writer<'a> {
    /// Appends to `bytes`, which may grow to [`MESSAGE_BYTES_MAX`] beyond what is there.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        let bytes_max = bytes.len().saturating_add(MESSAGE_BYTES_MAX);
        Self::over(Sink::Growing(bytes), bytes_max, OpenByte::default())
    }

    /// Fills a buffer from its first byte on, and allocates nothing.
    pub fn fixed(buffer: &'a mut [u8]) -> Self {
        Self::resumed(buffer, 0, OpenByte::default())
    }

    /// Goes on behind `filled` bytes of a buffer, with the open byte of before.
    pub fn resumed(buffer: &'a mut [u8], filled: usize, open: OpenByte) -> Self {
        let bytes_max = buffer.len();
        Self::over(Sink::Fixed(buffer, filled.min(bytes_max)), bytes_max, open)
    }

    const fn over(sink: Sink<'a>, bytes_max: usize, open: OpenByte) -> Self {
        Self { sink, bytes_max, open, depth: 0, failure: None }
    }

    /// Bytes so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.sink {
            Sink::Growing(bytes) => bytes.len(),
            Sink::Fixed(_, filled) => *filled,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The byte that the next bits go into.
    #[must_use]
    pub const fn open_byte(&self) -> OpenByte {
        self.open
    }

    /// How many bytes there are, if every value could be written.
    ///
    /// # Errors
    /// The first value that could not.
    pub fn finish(self) -> Result<usize, EncodeError> {
        match self.failure {
            None => Ok(self.len()),
            Some(error) => Err(error),
        }
    }

    /// What went wrong first, if something did.
    #[must_use]
    pub const fn failure(&self) -> Option<&EncodeError> {
        self.failure.as_ref()
    }

    /// Gives up: for what cannot be written. Only the first call counts.
    #[cold]
    pub fn fail(&mut self, error: EncodeError) {
        self.failure.get_or_insert(error);
        self.bytes_max = 0;
    }

    #[cold]
    fn fail_full(&mut self) {
        let max = self.bytes_max;
        self.fail(EncodeError::TooLarge { max });
    }

    /// Writes raw bytes.
    #[inline]
    pub fn raw(&mut self, new: &[u8]) {
        match &mut self.sink {
            Sink::Growing(bytes) if bytes.len() + new.len() <= self.bytes_max => bytes.extend_from_slice(new),
            Sink::Fixed(buffer, filled) if *filled + new.len() <= self.bytes_max => {
                if let Some(place) = buffer.get_mut(*filled..*filled + new.len()) {
                    place.copy_from_slice(new);
                    *filled += new.len();
                }
            }
            _ => self.fail_full(),
        }
    }

    /// Writes the lowest `count` bits of `value`, at most 64.
    #[inline]
    pub fn bits(&mut self, value: u64, count: u32) {
        let count = count.min(64);
        if count == 0 {
            return;
        }
        let value = value & (u64::MAX >> (64 - count));
        let OpenByte { index, free } = self.open;
        if free > 0 {
            let byte = match &mut self.sink {
                Sink::Growing(bytes) => bytes.get_mut(index),
                Sink::Fixed(buffer, _) => buffer.get_mut(index),
            };
            // There is none only after a failure.
            let Some(byte) = byte else { return };
            *byte |= (value << (8 - free)) as u8;
            if count <= free {
                self.open.free -= count;
                return;
            }
        }
        // What the open byte has no room for goes into whole bytes at once; the last of them is the open one then.
        let rest = count - free;
        let new = rest.div_ceil(8);
        let index = self.len() + new as usize - 1;
        self.raw((value >> free).to_le_bytes().get(..new as usize).unwrap_or_default());
        self.open = OpenByte { index, free: 8 * new - rest };
    }

    /// Writes a bool, a bit.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.bits(value.into(), 1);
    }

    /// Writes a varint in its shortest form.
    #[inline]
    pub fn varint(&mut self, mut value: u64) {
        if value < 0x80 {
            return self.raw(&[value as u8]);
        }
        let mut bytes = [0; 10];
        let count = varint_bytes(value);
        for (index, byte) in bytes.iter_mut().take(count).enumerate() {
            let more = if index + 1 < count { 0x80 } else { 0 };
            *byte = value as u8 & 0x7F | more;
            value >>= 7;
        }
        self.raw(bytes.get(..count).unwrap_or_default());
    }

    /// Writes a signed varint: zigzag.
    #[inline]
    pub fn signed_varint(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Writes how many elements follow.
    #[inline]
    pub fn count(&mut self, count: usize) {
        self.varint(count as u64);
    }

    /// Writes a text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes a count and so many bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    /// Begins a block: what is written until its end has a length in front and bits of its own.
    pub fn begin_block(&mut self) -> OpenBlock {
        let outer = std::mem::take(&mut self.open);
        // Most blocks are short: room for their length now, more of it when it turns out to be needed.
        self.raw(&[0]);
        OpenBlock { begin: self.len(), outer }
    }

    /// Ends the block that was begun last.
    pub fn end_block(&mut self, block: OpenBlock) {
        self.open = block.outer;
        let Some(length) = self.len().checked_sub(block.begin) else { return };
        if self.failure.is_some() || block.begin == 0 {
            return;
        }
        let length_bytes = varint_bytes(length as u64);
        let end = self.len();
        self.raw(&[0; 9][..length_bytes - 1]);
        if self.failure.is_some() {
            return;
        }
        let buffer = match &mut self.sink {
            Sink::Growing(bytes) => bytes.as_mut_slice(),
            Sink::Fixed(buffer, _) => &mut **buffer,
        };
        let moved_to = block.begin + length_bytes - 1;
        buffer.copy_within(block.begin..end, moved_to);
        let mut rest = length;
        for (index, byte) in buffer.iter_mut().skip(block.begin - 1).take(length_bytes).enumerate() {
            *byte = rest as u8 & 0x7F | if index + 1 < length_bytes { 0x80 } else { 0 };
            rest >>= 7;
        }
    }

    /// Writes a block.
    #[inline]
    pub fn block(&mut self, content: impl FnOnce(&mut Self)) {
        let block = self.begin_block();
        content(self);
        self.end_block(block);
    }

    /// Writes what is inside a list, a map, a set or a box, if it is not too deep.
    #[inline]
    pub fn nested(&mut self, content: impl FnOnce(&mut Self)) {
        if self.depth == DEPTH_MAX {
            return self.fail(EncodeError::TooDeep);
        }
        self.depth += 1;
        content(self);
        self.depth -= 1;
    }
}

macro_rules! fixed {
    ($($name:ident)*) => {$(
        #[doc = concat!("Writes a fixed `", stringify!($name), "`, little-endian.")]
        #[inline]
        pub fn $name(&mut self, value: $name) {
            self.raw(&value.to_le_bytes());
        }
    )*};
}

impl Writer<'_> {
    fixed!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_fill_their_byte_while_bytes_are_appended() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.bool(true);
        writer.u16(0x1234);
        writer.bits(5, 3);
        writer.bits(0b11_0011, 6);
        assert_eq!(writer.finish(), Ok(4));
        assert_eq!(bytes, [0x3B, 0x34, 0x12, 0x03]);
    }

    #[test]
    fn a_fixed_buffer_gets_the_same_bytes_and_is_not_left() {
        for room in 0..300 {
            let write = |writer: &mut Writer<'_>| {
                writer.bits(3, 2);
                writer.block(|writer| {
                    writer.bits(1, 1);
                    writer.bytes(&[7; 200]);
                });
                writer.bits(u64::MAX, 64);
            };
            let mut grown = Vec::new();
            let mut writer = Writer::new(&mut grown);
            write(&mut writer);
            assert_eq!(writer.finish(), Ok(214));
            let mut place = vec![0xA5; 300];
            let mut writer = Writer::fixed(&mut place[..room]);
            write(&mut writer);
            let expected = if room < 214 { Err(EncodeError::TooLarge { max: room }) } else { Ok(214) };
            assert_eq!(writer.finish(), expected);
            assert!(place[room..].iter().all(|&byte| byte == 0xA5));
            if room >= 214 {
                assert_eq!(place[..214], grown);
            }
        }
    }

    #[test]
    fn the_first_failure_is_told_and_nothing_follows_it() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.u8(1);
        writer.fail(EncodeError::TooDeep);
        writer.fail(EncodeError::TooLarge { max: 1 });
        writer.u64(2);
        writer.bits(3, 9);
        writer.block(|writer| writer.u8(4));
        assert_eq!(writer.finish(), Err(EncodeError::TooDeep));
        assert_eq!(bytes, [1]);
    }
}
