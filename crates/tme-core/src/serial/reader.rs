//! Reads forms of `docs/SERIALIZATION.md`, one behind the other, out of bytes that may be anything.

use super::error::{DecodeError, Malformation};
use super::limits::{DEPTH_MAX, MEMORY_BYTES_FREE, MEMORY_BYTES_PER_BYTE};

/// Bits of the open byte that were not read yet: the lowest ones of `value`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftBits {
    /// The bits; those above them are zero.
    pub value: u8,
    /// How many: 0–7.
    pub count: u32,
}

impl LeftBits {
    /// What can be left of a byte of which at least one bit was read.
    const fn limited(self) -> Self {
        Self { value: self.value, count: if self.count > 7 { 7 } else { self.count } }
    }
}

/// A block under way: what [`Reader::begin_block`] gives and [`Reader::end_block`] takes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ReadBlock {
    outer_end: usize,
    outer_bits: LeftBits,
}

impl ReadBlock {
    /// The end and the open byte around the block, for a caller who keeps them in a form of his own.
    #[must_use]
    pub const fn parts(self) -> (usize, LeftBits) {
        (self.outer_end, self.outer_bits)
    }

    /// A block from [`parts`](Self::parts).
    pub const fn from_parts(outer_end: usize, outer_bits: LeftBits) -> Self {
        Self { outer_end, outer_bits }
    }
}

/// What later versions have added to a message or an extensible struct, under way.
#[derive(Debug)]
#[must_use]
pub struct Additions {
    /// The block they stand in; those of a message stand in none.
    block: Option<ReadBlock>,
    are_there: bool,
}

/// Reads values one behind the other. Every length and count is hostile until compared with what is left.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Where the innermost block ends.
    end: usize,
    open: LeftBits,
    depth: u32,
    /// What the values may still take.
    memory: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from the first one on.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        let memory = MEMORY_BYTES_FREE.saturating_add(bytes.len().saturating_mul(MEMORY_BYTES_PER_BYTE));
        Self { bytes, position: 0, end: bytes.len(), open: LeftBits { value: 0, count: 0 }, depth: 0, memory }
    }

    /// Goes on at a position of `bytes`, which end at `end`, with the open byte of before.
    #[must_use]
    pub fn resumed(bytes: &'a [u8], position: usize, end: usize, open: LeftBits) -> Self {
        let mut reader = Self::new(bytes);
        reader.end = end.min(bytes.len());
        reader.position = position.min(reader.end);
        reader.open = open.limited();
        reader
    }

    /// Bytes read so far, the open one among them.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Where the innermost block ends; else the message.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.end
    }

    /// Bits of the open byte that were not read yet.
    #[must_use]
    pub const fn left_bits(&self) -> LeftBits {
        self.open
    }

    /// Whole bytes that are left of the innermost block, or of the message.
    #[must_use]
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.end - self.position
    }

    /// The error for what was just read.
    #[cold]
    #[must_use]
    pub const fn error(&self, what: Malformation) -> DecodeError {
        DecodeError { what, at: self.position }
    }

    /// Takes `count` raw bytes.
    ///
    /// # Errors
    /// [`Malformation::End`]: there are not as many.
    #[inline]
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        if count > self.remaining() {
            return Err(self.error(Malformation::End));
        }
        let taken = self.bytes.get(self.position..self.position + count).unwrap_or_default();
        self.position += count;
        Ok(taken)
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.raw(N)?.first_chunk() {
            Some(chunk) => Ok(*chunk),
            None => Err(self.error(Malformation::End)),
        }
    }

    /// Takes `count` bits, at most 64.
    ///
    /// # Errors
    /// [`Malformation::End`]: there are not as many.
    #[inline]
    pub fn bits(&mut self, count: u32) -> Result<u64, DecodeError> {
        let count = count.min(64);
        let LeftBits { value: open, count: left } = self.open;
        if count <= left {
            let bits = u64::from(open) & ((1 << count) - 1);
            self.open = LeftBits { value: (u32::from(open) >> count) as u8, count: left - count };
            return Ok(bits);
        }
        let rest = count - left;
        let new = rest.div_ceil(8);
        let begin = self.position;
        let taken = self.raw(new as usize)?;
        // Eight bytes at once where there are as many, whosoever they are: the mask leaves those that were taken.
        let word = match self.bytes.get(begin..).and_then(|bytes| bytes.first_chunk()) {
            Some(chunk) => *chunk,
            None => {
                let mut chunk = [0; 8];
                chunk.iter_mut().zip(taken).for_each(|(place, &byte)| *place = byte);
                chunk
            }
        };
        let bits = u64::from_le_bytes(word) & (u64::MAX >> (64 - rest));
        let last = taken.last().copied().unwrap_or_default();
        let unread = 8 * new - rest;
        self.open = LeftBits { value: (u32::from(last) >> (8 - unread)) as u8, count: unread };
        Ok(u64::from(open) | bits << left)
    }

    /// Takes a bool.
    ///
    /// # Errors
    /// [`Malformation::End`].
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.bits(1)? != 0)
    }

    /// Takes a varint.
    ///
    /// # Errors
    /// [`Malformation::End`], [`Malformation::Varint`].
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let [first] = self.chunk()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let mut value = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let [byte] = self.chunk()?;
            // The tenth byte holds bit 63 alone, and the last one is never zero.
            if shift == 63 && byte > 1 || byte == 0 {
                return Err(self.error(Malformation::Varint));
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error(Malformation::Varint))
    }

    /// Takes a signed varint: zigzag.
    ///
    /// # Errors
    /// As [`varint`](Self::varint).
    #[inline]
    pub fn signed_varint(&mut self) -> Result<i64, DecodeError> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Takes a count of elements that take at least `bits_min` bits each.
    ///
    /// # Errors
    /// [`Malformation::Count`]: what is left cannot hold as many. [`Malformation::TooLong`]: more than `max`. And as
    /// [`varint`](Self::varint).
    #[inline]
    pub fn count(&mut self, bits_min: usize, max: usize) -> Result<usize, DecodeError> {
        let count = self.varint()?;
        let bits_left = (self.remaining() as u64).saturating_mul(8) + u64::from(self.open.count);
        if bits_min > 0 && count > bits_left / bits_min as u64 {
            return Err(self.error(Malformation::Count));
        }
        match usize::try_from(count) {
            Ok(count) if count <= max => Ok(count),
            _ => Err(self.error(Malformation::TooLong)),
        }
    }

    /// Counts memory that `count` elements of `bytes` each are about to take, one byte at least.
    ///
    /// # Errors
    /// [`Malformation::Memory`]: more than the message justifies.
    #[inline]
    pub fn justify(&mut self, count: usize, bytes: usize) -> Result<(), DecodeError> {
        match count.checked_mul(bytes.max(1)).and_then(|bytes| self.memory.checked_sub(bytes)) {
            Some(left) => {
                self.memory = left;
                Ok(())
            }
            None => Err(self.error(Malformation::Memory)),
        }
    }

    /// Takes a count of at most `max`, and so many bytes.
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], DecodeError> {
        let count = self.count(8, max)?;
        self.raw(count)
    }

    /// Takes a text of at most `max` bytes.
    ///
    /// # Errors
    /// [`Malformation::Utf8`], and as [`count`](Self::count).
    pub fn text(&mut self, max: usize) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes(max)?;
        std::str::from_utf8(bytes).map_err(|_| self.error(Malformation::Utf8))
    }

    /// Begins a block: until its end, nothing beyond it can be read.
    ///
    /// # Errors
    /// [`Malformation::Count`]: it is longer than what is left. And as [`varint`](Self::varint).
    pub fn begin_block(&mut self) -> Result<ReadBlock, DecodeError> {
        let length = self.count(8, usize::MAX)?;
        let block = ReadBlock { outer_end: self.end, outer_bits: self.open };
        self.end = self.position + length;
        self.open = LeftBits::default();
        Ok(block)
    }

    /// Ends the block that was begun last, which must have been read completely.
    ///
    /// # Errors
    /// [`Malformation::LeftOver`], [`Malformation::Padding`].
    pub fn end_block(&mut self, block: ReadBlock) -> Result<(), DecodeError> {
        self.check_end()?;
        self.leave(block);
        Ok(())
    }

    /// Ends the block that was begun last, whatever is left of it.
    pub fn skip_block(&mut self, block: ReadBlock) {
        self.position = self.end;
        self.leave(block);
    }

    fn leave(&mut self, block: ReadBlock) {
        // A caller may have kept the block in a form of his own, and brought back another.
        self.end = block.outer_end.clamp(self.position, self.bytes.len());
        self.open = block.outer_bits.limited();
    }

    fn check_end(&self) -> Result<(), DecodeError> {
        if self.position != self.end {
            return Err(self.error(Malformation::LeftOver));
        }
        if self.open.value != 0 {
            return Err(self.error(Malformation::Padding));
        }
        Ok(())
    }

    /// Begins what stands behind the fields of an extensible struct.
    ///
    /// # Errors
    /// As [`begin_block`](Self::begin_block); [`Malformation::Count`] also for an empty block.
    pub fn begin_additions(&mut self) -> Result<Additions, DecodeError> {
        if !self.bool()? {
            return Ok(Additions { block: None, are_there: false });
        }
        let block = self.begin_block()?;
        if self.remaining() == 0 {
            return Err(self.error(Malformation::Count));
        }
        Ok(Additions { block: Some(block), are_there: true })
    }

    /// Begins what stands behind the body of a message: everything that is left.
    ///
    /// # Errors
    /// [`Malformation::Padding`].
    pub fn begin_message_additions(&mut self) -> Result<Additions, DecodeError> {
        if self.open.value != 0 {
            return Err(self.error(Malformation::Padding));
        }
        Ok(Additions { block: None, are_there: true })
    }

    /// Begins the next group of additions, if there is one; [`end_block`](Self::end_block) ends it.
    ///
    /// # Errors
    /// [`Malformation::LeftOver`]: what is left is no group.
    pub fn next_addition(&mut self, additions: &Additions) -> Result<Option<ReadBlock>, DecodeError> {
        if additions.are_there { self.next_group() } else { Ok(None) }
    }

    /// Begins a block that has nothing in it and no bytes.
    pub fn begin_nothing(&mut self) -> ReadBlock {
        let block = ReadBlock { outer_end: self.end, outer_bits: self.open };
        self.end = self.position;
        self.open = LeftBits::default();
        block
    }

    /// Begins the next group, if anything is left of the innermost block, or of the message.
    ///
    /// # Errors
    /// [`Malformation::LeftOver`]: what is left is no group.
    pub fn next_group(&mut self) -> Result<Option<ReadBlock>, DecodeError> {
        if self.remaining() == 0 {
            return Ok(None);
        }
        let begin = self.position;
        match self.begin_block() {
            Ok(block) => Ok(Some(block)),
            Err(_) => Err(DecodeError { what: Malformation::LeftOver, at: begin }),
        }
    }

    /// Ends additions; groups that nobody has read are those of a later version.
    ///
    /// # Errors
    /// As [`next_addition`](Self::next_addition).
    pub fn end_additions(&mut self, additions: Additions) -> Result<(), DecodeError> {
        if additions.are_there {
            self.skip_additions()?;
        }
        if let Some(block) = additions.block {
            self.leave(block);
        }
        Ok(())
    }

    /// Skips the groups that are left of the innermost block, or of the message.
    ///
    /// # Errors
    /// As [`next_group`](Self::next_group).
    pub fn skip_additions(&mut self) -> Result<(), DecodeError> {
        while let Some(block) = self.next_group()? {
            self.skip_block(block);
        }
        Ok(())
    }

    /// Reads what is inside a list, a map, a set or a box, if it is not too deep.
    ///
    /// # Errors
    /// [`Malformation::Depth`], and those of the content.
    #[inline]
    pub fn nested<T>(
        &mut self,
        content: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error(Malformation::Depth));
        }
        self.depth += 1;
        let value = content(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Succeeds only if everything was read, and all that is unused is zero.
    ///
    /// # Errors
    /// [`Malformation::LeftOver`], [`Malformation::Padding`].
    pub fn finish(self) -> Result<(), DecodeError> {
        self.check_end()
    }
}

macro_rules! fixed {
    ($($name:ident)*) => {$(
        #[doc = concat!("Takes a fixed `", stringify!($name), "`, little-endian.")]
        ///
        /// # Errors
        /// [`Malformation::End`].
        #[inline]
        pub fn $name(&mut self) -> Result<$name, DecodeError> {
            Ok($name::from_le_bytes(self.chunk()?))
        }
    )*};
}

impl Reader<'_> {
    fixed!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_bytes_come_apart_again() {
        let mut reader = Reader::new(&[0x3B, 0x34, 0x12, 0x03]);
        assert_eq!(reader.bool(), Ok(true));
        assert_eq!(reader.u16(), Ok(0x1234));
        assert_eq!(reader.bits(3), Ok(5));
        assert_eq!(reader.bits(6), Ok(0b11_0011));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn unused_bits_must_be_zero_and_nothing_may_be_left() {
        let mut reader = Reader::new(&[0b10]);
        assert_eq!(reader.bool(), Ok(false));
        assert_eq!(reader.finish().map_err(|error| error.what), Err(Malformation::Padding));
        let mut reader = Reader::new(&[0, 0]);
        assert_eq!(reader.bool(), Ok(false));
        assert_eq!(reader.finish().map_err(|error| error.what), Err(Malformation::LeftOver));
    }

    #[test]
    fn a_block_ends_where_it_says() {
        let bytes = [0b1, 2, 0xAA, 0xBB, 0xCC];
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.bool(), Ok(true));
        let block = reader.begin_block().unwrap();
        assert_eq!(reader.u32().map_err(|error| error.what), Err(Malformation::End));
        assert_eq!(reader.u16(), Ok(0xBBAA));
        reader.end_block(block).unwrap();
        assert_eq!(reader.bool(), Ok(false), "the open byte is that of before");
        assert_eq!(reader.u8(), Ok(0xCC));
    }

    #[test]
    fn counts_that_lie_are_refused_before_anything_is_allocated() {
        let mut reader = Reader::new(&[200, 1, 0, 0]);
        assert_eq!(reader.count(8, usize::MAX).map_err(|error| error.what), Err(Malformation::Count));
        let mut reader = Reader::new(&[2, 0, 0]);
        assert_eq!(reader.count(8, 1).map_err(|error| error.what), Err(Malformation::TooLong));
        let mut reader = Reader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]);
        let count = reader.count(0, usize::MAX).unwrap();
        assert_eq!(reader.justify(count, 0).map_err(|error| error.what), Err(Malformation::Memory));
    }

    #[test]
    fn what_a_caller_has_kept_cannot_lead_out_of_the_bytes() {
        // A whole byte of open bits, which no reader leaves, once made room for a block of a byte too many.
        let nonsense = LeftBits { value: 0xFF, count: u32::MAX };
        let mut reader = Reader::resumed(&[1, 2, 3], 2, usize::MAX, nonsense);
        assert_eq!(reader.begin_block().map_err(|error| error.what).err(), Some(Malformation::Count));
        let mut reader = Reader::resumed(&[1, 7], 0, 2, nonsense);
        let _ = reader.begin_block().unwrap();
        reader.skip_block(ReadBlock::from_parts(usize::MAX, nonsense));
        assert_eq!((reader.position(), reader.end(), reader.remaining()), (2, 2, 0));
        assert_eq!(reader.u8().map_err(|error| error.what), Err(Malformation::End));
    }
}
