//! Values of a game's own types as the bytes of a message, and back: `docs/SERIALIZATION.md`.
//!
//! Not the wire format of the engine itself, which is [`codec`](crate::codec) and [`wire`](crate::wire): that one has bytes only
//! and borrows what it reads; here bits share bytes, and what is read is a value that owns what it takes.
//!
//! Types become [`Encode`] and [`Decode`] by the derive macros of the same names, structs become messages by `Message`. Nothing
//! that is read panics, and nothing is allocated that the bytes do not justify.
//!
//! What an attribute asks for must fit its field, or the program does not compile: `#[tme(range = 0..=300)]` on a `u8`, `precision`
//! on an integer, a message of a set whose id another one has.

mod error;
mod forms;
mod limits;
mod message;
mod reader;
mod schema;
mod values;
mod writer;

pub use error::{DecodeError, EncodeError, Malformation};
pub use limits::{DEPTH_MAX, MEMORY_BYTES_FREE, MEMORY_BYTES_PER_BYTE, MESSAGE_BYTES_MAX};
pub use message::{
    Message, MessageChannel, MessageSet, Messages, RegistryError, assert_ids_differ, encode_message,
    message_id, read_message,
};
pub use reader::{Additions, LeftBits, ReadBlock, Reader};
pub use schema::{
    Describer, EnumForm, FieldForm, Form, Growth, IntegerKind, MessageForm, SCHEMA_TAG, StructForm, TagForm,
    VariantForm, schema_hash,
};
pub use writer::{OpenBlock, OpenByte, Writer};

/// Forms that attributes choose. The derive macros use them; a game rarely has to.
pub mod form {
    pub use super::forms::{
        Countable, DecodeWith, EncodeWith, Fixed, Float, Integer, IntegerRange, Leaf, Numbers, Plain,
        Quantized, Spec, Steps, UnitQuaternion, Varint,
    };
}

/// What can be written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written into a message",
    note = "add `#[derive(Encode, Decode)]` to it; a type of another crate goes by `#[tme(as = [f32; 3])]` if it converts into one that can"
)]
pub trait Encode {
    /// Appends the value. What cannot be written is remembered by the writer.
    fn encode(&self, writer: &mut Writer<'_>);

    /// Describes how it is written.
    fn form(describer: &mut Describer) -> Form;

    /// Appends the value as the body of a message, behind which there is nothing else: where additions need no bit.
    fn encode_body(&self, writer: &mut Writer<'_>) {
        self.encode(writer);
    }

    /// Appends many values without a count.
    #[inline]
    fn encode_list(items: &[Self], writer: &mut Writer<'_>)
    where
        Self: Sized,
    {
        items.iter().for_each(|item| item.encode(writer));
    }
}

/// What can be read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a message",
    note = "add `#[derive(Encode, Decode)]` to it; a type of another crate goes by `#[tme(as = [f32; 3])]` if it converts from one that can"
)]
pub trait Decode: Sized {
    /// Bits that every value takes at least. Counts are judged by it.
    const BITS_MIN: usize;

    /// Reads a value.
    ///
    /// # Errors
    /// [`DecodeError`]: the bytes are not an encoding of one.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads a value that is the body of a message, with what stands behind it.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_body(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = Self::decode(reader)?;
        let additions = reader.begin_message_additions()?;
        reader.end_additions(additions)?;
        Ok(value)
    }

    /// Reads `count` values, which were compared with what is left.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_list(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Self>, DecodeError> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(Self::decode(reader)?);
        }
        Ok(items)
    }

    /// Reads an array.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    #[inline]
    fn decode_array<const N: usize>(reader: &mut Reader<'_>) -> Result<[Self; N], DecodeError> {
        values::array(|| Self::decode(reader))
    }
}

/// The bytes of a value, without a message around it.
///
/// # Errors
/// [`EncodeError`]: it has none.
pub fn encode<T: Encode + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    value.encode(&mut writer);
    writer.finish()?;
    Ok(bytes)
}

/// The value that bytes are the encoding of, all of them.
///
/// # Errors
/// [`DecodeError`]: they are not.
pub fn decode<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::decode(&mut reader)?;
    reader.finish()?;
    Ok(value)
}
