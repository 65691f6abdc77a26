//! The types of the language and its library in the forms that they have by themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use super::error::Malformation;
use super::forms::{Countable, DecodeWith, EncodeWith, Spec, Varint};
use super::schema::{Describer, FieldForm, Form, IntegerKind, StructForm};
use super::{Decode, DecodeError, Encode, Reader, Writer};

/// As many values as an array has, or the first error.
#[inline]
pub(super) fn array<T, const N: usize>(
    mut next: impl FnMut() -> Result<T, DecodeError>,
) -> Result<[T; N], DecodeError> {
    let mut items = [const { None }; N];
    for place in &mut items {
        *place = Some(next()?);
    }
    Ok(items.map(|item| item.unwrap_or_else(|| unreachable!("every place was filled"))))
}

macro_rules! fixed {
    ($($name:ident $form:expr;)*) => {$(
        impl Encode for $name {
            #[inline]
            fn encode(&self, writer: &mut Writer<'_>) {
                writer.$name(*self);
            }

            fn form(_: &mut Describer) -> Form {
                $form
            }
        }

        impl Decode for $name {
            const BITS_MIN: usize = 8 * size_of::<Self>();

            #[inline]
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.$name()
            }

            fn decode_list(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Self>, DecodeError> {
                // The count was compared with what is left; all elements are there.
                let (chunks, _) = reader.raw(count * size_of::<Self>())?.as_chunks();
                Ok(chunks.iter().map(|chunk| Self::from_le_bytes(*chunk)).collect())
            }
        }
    )*};
}

fixed! {
    u16 Form::Fixed(IntegerKind::U16);
    u32 Form::Fixed(IntegerKind::U32);
    u64 Form::Fixed(IntegerKind::U64);
    i8 Form::Fixed(IntegerKind::I8);
    i16 Form::Fixed(IntegerKind::I16);
    i32 Form::Fixed(IntegerKind::I32);
    i64 Form::Fixed(IntegerKind::I64);
    f32 Form::Float32;
    f64 Form::Float64;
}

impl Encode for u8 {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u8(*self);
    }

    fn encode_list(items: &[Self], writer: &mut Writer<'_>) {
        writer.raw(items);
    }

    fn form(_: &mut Describer) -> Form {
        Form::Fixed(IntegerKind::U8)
    }
}

impl Decode for u8 {
    const BITS_MIN: usize = 8;

    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.u8()
    }

    fn decode_list(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Self>, DecodeError> {
        Ok(reader.raw(count)?.to_vec())
    }

    fn decode_array<const N: usize>(reader: &mut Reader<'_>) -> Result<[Self; N], DecodeError> {
        let bytes = reader.raw(N)?.first_chunk().copied();
        bytes.ok_or_else(|| reader.error(Malformation::End))
    }
}

/// Sizes are varints of 64 bits, so that machines of all sizes agree.
macro_rules! sizes {
    ($($name:ident)*) => {$(
        impl Encode for $name {
            #[inline]
            fn encode(&self, writer: &mut Writer<'_>) {
                self.encode_with(&Spec::new("", Varint), writer);
            }

            fn form(describer: &mut Describer) -> Form {
                Self::form_with(&Spec::new("", Varint), describer)
            }
        }

        impl Decode for $name {
            const BITS_MIN: usize = 8;

            #[inline]
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::decode_with(&Spec::new("", Varint), reader)
            }
        }
    )*};
}

sizes!(usize isize);

impl Encode for bool {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.bool(*self);
    }

    fn form(_: &mut Describer) -> Form {
        Form::Bool
    }
}

impl Decode for bool {
    const BITS_MIN: usize = 1;

    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.bool()
    }
}

impl Encode for char {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(u64::from(*self));
    }

    fn form(_: &mut Describer) -> Form {
        Form::Char
    }
}

impl Decode for char {
    const BITS_MIN: usize = 8;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = reader.varint()?;
        let scalar = u32::try_from(value).ok().and_then(Self::from_u32);
        scalar.ok_or_else(|| reader.error(Malformation::Range))
    }
}

impl Encode for str {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.text(self);
    }

    fn form(_: &mut Describer) -> Form {
        Form::Text { count_max: None }
    }
}

impl Encode for String {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.text(self);
    }

    fn form(describer: &mut Describer) -> Form {
        str::form(describer)
    }
}

impl Decode for String {
    const BITS_MIN: usize = 8;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_bounded(reader, usize::MAX)
    }
}

impl Countable for String {
    fn count(&self) -> usize {
        self.len()
    }

    fn decode_bounded(reader: &mut Reader<'_>, max: usize) -> Result<Self, DecodeError> {
        let text = reader.text(max)?;
        reader.justify(text.len(), 1)?;
        Ok(text.to_owned())
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        (**self).encode(writer);
    }

    fn form(describer: &mut Describer) -> Form {
        T::form(describer)
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.nested(|writer| (**self).encode(writer));
    }

    fn form(describer: &mut Describer) -> Form {
        T::form(describer)
    }
}

impl<T: Decode> Decode for Box<T> {
    // That of the content would be defined by itself where a type contains itself.
    const BITS_MIN: usize = 0;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.justify(1, size_of::<T>())?;
        reader.nested(T::decode).map(Self::new)
    }
}

impl<T: Encode> Encode for Option<T> {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.bool(self.is_some());
        if let Some(value) = self {
            value.encode(writer);
        }
    }

    fn form(describer: &mut Describer) -> Form {
        Form::Option(Box::new(T::form(describer)))
    }
}

impl<T: Decode> Decode for Option<T> {
    const BITS_MIN: usize = 1;

    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.bool()? { Ok(Some(T::decode(reader)?)) } else { Ok(None) }
    }
}

impl<T: Encode, const N: usize> Encode for [T; N] {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        T::encode_list(self, writer);
    }

    fn form(describer: &mut Describer) -> Form {
        Form::Array(Box::new(T::form(describer)), N)
    }
}

impl<T: Decode, const N: usize> Decode for [T; N] {
    const BITS_MIN: usize = N * T::BITS_MIN;

    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::decode_array(reader)
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.count(self.len());
        writer.nested(|writer| T::encode_list(self, writer));
    }

    fn form(describer: &mut Describer) -> Form {
        Form::List { element: Box::new(T::form(describer)), count_max: None }
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, writer: &mut Writer<'_>) {
        self.as_slice().encode(writer);
    }

    fn form(describer: &mut Describer) -> Form {
        <[T]>::form(describer)
    }
}

impl<T: Decode> Decode for Vec<T> {
    const BITS_MIN: usize = 8;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        decode_list(reader, usize::MAX)
    }
}

impl<T: Encode + Decode> Countable for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn decode_bounded(reader: &mut Reader<'_>, max: usize) -> Result<Self, DecodeError> {
        decode_list(reader, max)
    }
}

fn decode_list<T: Decode>(reader: &mut Reader<'_>, max: usize) -> Result<Vec<T>, DecodeError> {
    let count = reader.count(T::BITS_MIN, max)?;
    reader.justify(count, size_of::<T>())?;
    reader.nested(|reader| T::decode_list(reader, count))
}

/// A map of any kind, written by ascending keys.
fn encode_map<'a, K: Encode + 'a, V: Encode + 'a>(
    entries: impl ExactSizeIterator<Item = (&'a K, &'a V)>,
    writer: &mut Writer<'_>,
) {
    writer.count(entries.len());
    writer.nested(|writer| {
        for (key, value) in entries {
            key.encode(writer);
            value.encode(writer);
        }
    });
}

fn map_form<K: Encode, V: Encode>(describer: &mut Describer) -> Form {
    let (key, value) = (Box::new(K::form(describer)), Box::new(V::form(describer)));
    Form::Map { key, value, count_max: None }
}

/// The entries of a map, ascending. A tree has at most twice the room it needs, a table as much.
fn decode_map<K: Decode + Ord, V: Decode>(
    reader: &mut Reader<'_>,
    max: usize,
) -> Result<Vec<(K, V)>, DecodeError> {
    let count = reader.count(K::BITS_MIN + V::BITS_MIN, max)?;
    reader.justify(count, 2 * size_of::<(K, V)>())?;
    reader.nested(|reader| {
        let mut entries: Vec<(K, V)> = Vec::with_capacity(count);
        for _ in 0..count {
            let key = K::decode(reader)?;
            if entries.last().is_some_and(|(last, _)| *last >= key) {
                return Err(reader.error(Malformation::Order));
            }
            entries.push((key, V::decode(reader)?));
        }
        Ok(entries)
    })
}

fn encode_set<'a, T: Encode + 'a>(items: impl ExactSizeIterator<Item = &'a T>, writer: &mut Writer<'_>) {
    writer.count(items.len());
    writer.nested(|writer| items.for_each(|item| item.encode(writer)));
}

fn set_form<T: Encode>(describer: &mut Describer) -> Form {
    Form::Set { element: Box::new(T::form(describer)), count_max: None }
}

fn decode_set<T: Decode + Ord>(reader: &mut Reader<'_>, max: usize) -> Result<Vec<T>, DecodeError> {
    let count = reader.count(T::BITS_MIN, max)?;
    reader.justify(count, 2 * size_of::<T>())?;
    reader.nested(|reader| {
        let mut items: Vec<T> = Vec::with_capacity(count);
        for _ in 0..count {
            let item = T::decode(reader)?;
            if items.last().is_some_and(|last| *last >= item) {
                return Err(reader.error(Malformation::Order));
            }
            items.push(item);
        }
        Ok(items)
    })
}

/// The items of a table in the order that the encoding has.
fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> std::vec::IntoIter<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.into_iter()
}

impl<K: Encode + Ord, V: Encode> Encode for BTreeMap<K, V> {
    fn encode(&self, writer: &mut Writer<'_>) {
        encode_map(self.iter(), writer);
    }

    fn form(describer: &mut Describer) -> Form {
        map_form::<K, V>(describer)
    }
}

impl<K: Encode + Ord, V: Encode, S> Encode for HashMap<K, V, S> {
    fn encode(&self, writer: &mut Writer<'_>) {
        let mut entries: Vec<(&K, &V)> = self.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        encode_map(entries.into_iter(), writer);
    }

    fn form(describer: &mut Describer) -> Form {
        map_form::<K, V>(describer)
    }
}

impl<T: Encode + Ord> Encode for BTreeSet<T> {
    fn encode(&self, writer: &mut Writer<'_>) {
        encode_set(self.iter(), writer);
    }

    fn form(describer: &mut Describer) -> Form {
        set_form::<T>(describer)
    }
}

impl<T: Encode + Ord, S> Encode for HashSet<T, S> {
    fn encode(&self, writer: &mut Writer<'_>) {
        encode_set(sorted(self.iter()), writer);
    }

    fn form(describer: &mut Describer) -> Form {
        set_form::<T>(describer)
    }
}

/// Maps and sets that are collected from what was read in order.
macro_rules! collected {
    ($($name:ident <$($parameter:ident: $bound:path $(| $also:path)* ),+> by $decode:ident;)*) => {$(
        impl<$($parameter: $bound $(+ $also)*),+> Decode for $name<$($parameter),+> {
            const BITS_MIN: usize = 8;

            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok($decode(reader, usize::MAX)?.into_iter().collect())
            }
        }

        impl<$($parameter: $bound + Encode $(+ $also)*),+> Countable for $name<$($parameter),+> {
            fn count(&self) -> usize {
                self.len()
            }

            fn decode_bounded(reader: &mut Reader<'_>, max: usize) -> Result<Self, DecodeError> {
                Ok($decode(reader, max)?.into_iter().collect())
            }
        }
    )*};
}

collected! {
    BTreeMap<K: Decode | Ord, V: Decode> by decode_map;
    BTreeSet<T: Decode | Ord> by decode_set;
}

impl<K: Decode + Ord + Hash, V: Decode, S: BuildHasher + Default> Decode for HashMap<K, V, S> {
    const BITS_MIN: usize = 8;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(decode_map(reader, usize::MAX)?.into_iter().collect())
    }
}

impl<K, V, S> Countable for HashMap<K, V, S>
where
    K: Encode + Decode + Ord + Hash,
    V: Encode + Decode,
    S: BuildHasher + Default,
{
    fn count(&self) -> usize {
        self.len()
    }

    fn decode_bounded(reader: &mut Reader<'_>, max: usize) -> Result<Self, DecodeError> {
        Ok(decode_map(reader, max)?.into_iter().collect())
    }
}

impl<T: Decode + Ord + Hash, S: BuildHasher + Default> Decode for HashSet<T, S> {
    const BITS_MIN: usize = 8;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(decode_set(reader, usize::MAX)?.into_iter().collect())
    }
}

impl<T: Encode + Decode + Ord + Hash, S: BuildHasher + Default> Countable for HashSet<T, S> {
    fn count(&self) -> usize {
        self.len()
    }

    fn decode_bounded(reader: &mut Reader<'_>, max: usize) -> Result<Self, DecodeError> {
        Ok(decode_set(reader, max)?.into_iter().collect())
    }
}

impl Encode for () {
    fn encode(&self, _: &mut Writer<'_>) {}

    fn form(_: &mut Describer) -> Form {
        Form::Struct(StructForm { name: "", fields: Vec::new(), is_extensible: false })
    }
}

impl Decode for () {
    const BITS_MIN: usize = 0;

    fn decode(_: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($index:tt $name:ident)+))*) => {$(
        impl<$($name: Encode),+> Encode for ($($name,)+) {
            #[inline]
            fn encode(&self, writer: &mut Writer<'_>) {
                $(self.$index.encode(writer);)+
            }

            fn form(describer: &mut Describer) -> Form {
                let fields = vec![$(FieldForm::new(stringify!($index), $name::form(describer))),+];
                Form::Struct(StructForm { name: "", fields, is_extensible: false })
            }
        }

        impl<$($name: Decode),+> Decode for ($($name,)+) {
            const BITS_MIN: usize = 0 $(+ $name::BITS_MIN)+;

            #[inline]
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(($($name::decode(reader)?,)+))
            }
        }
    )*};
}

tuples! {
    (0 A 1 B)
    (0 A 1 B 2 C)
    (0 A 1 B 2 C 3 D)
    (0 A 1 B 2 C 3 D 4 E)
    (0 A 1 B 2 C 3 D 4 E 5 F)
    (0 A 1 B 2 C 3 D 4 E 5 F 6 G)
    (0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H)
}
