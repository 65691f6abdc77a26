//! Forms that a field chooses for its numbers: varints, ranges, quantised floats, quaternions, bounds of counts.

use super::error::{EncodeError, Malformation};
use super::schema::{Describer, Form, IntegerKind};
use super::{Decode, DecodeError, Encode, Reader, Writer};

/// Half the square root of two: no three components of a unit quaternion but the largest exceed it.
const QUATERNION_HIGH: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// Steps beyond which a double no longer counts by ones.
const STEPS_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// How a field is written whose type alone does not say it. The derive macros make these.
#[derive(Clone, Copy, Debug)]
pub struct Spec<S> {
    /// The form of the numbers.
    pub leaf: S,
    /// Most elements or bytes of the outermost list, map, set or text.
    pub count_max: usize,
    /// What the field is called, for errors.
    pub field: &'static str,
}

impl<S> Spec<S> {
    /// A form without a bound of counts.
    pub const fn new(field: &'static str, leaf: S) -> Self {
        Self { leaf, count_max: usize::MAX, field }
    }

    /// The same with such a bound.
    #[must_use]
    pub const fn bounded(self, count_max: usize) -> Self
    where
        S: Copy,
    {
        Self { leaf: self.leaf, count_max, field: self.field }
    }

    fn inner(&self) -> Self
    where
        S: Copy,
    {
        Self { leaf: self.leaf, count_max: usize::MAX, field: self.field }
    }

    fn check_count(&self, count: usize, writer: &mut Writer<'_>) -> bool {
        let is_good = count <= self.count_max;
        if !is_good {
            writer.fail(EncodeError::TooLong { field: self.field, count, max: self.count_max });
        }
        is_good
    }

    fn form_max(&self) -> Option<usize> {
        (self.count_max != usize::MAX).then_some(self.count_max)
    }
}

/// The form of a number itself.
pub trait Leaf: Copy {
    /// Bits that every number takes in it at least.
    fn bits_min(&self) -> usize;
}

/// What can be written in a form that its field chooses.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written in the form that `#[tme(…)]` asks for",
    label = "this field's attribute does not fit its type",
    note = "`range` and `bits` are for integers and floats, `precision` for floats, `varint` for integers, `quaternion` for `[f32; 4]`; \
            they reach into arrays, `Vec`, `Option` and `Box`. `max_len` is for lists, maps, sets and texts"
)]
pub trait EncodeWith<S> {
    /// Appends the value.
    fn encode_with(&self, spec: &Spec<S>, writer: &mut Writer<'_>);
    /// Describes the form.
    fn form_with(spec: &Spec<S>, describer: &mut Describer) -> Form;
}

/// What can be read in a form that its field chooses.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read in the form that `#[tme(…)]` asks for",
    label = "this field's attribute does not fit its type"
)]
pub trait DecodeWith<S>: Sized {
    /// How many numbers it has at least.
    const LEAVES: usize;
    /// Bits it takes beside them at least.
    const BITS: usize = 0;

    /// Reads a value.
    ///
    /// # Errors
    /// [`DecodeError`]: the bytes are not an encoding of one.
    fn decode_with(spec: &Spec<S>, reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// An integer that forms can be chosen for.
pub trait Integer: Copy {
    /// Which it is.
    const KIND: IntegerKind;
    /// Its value.
    fn widen(self) -> i128;
    /// The integer with a value, if it holds it.
    fn narrow(value: i128) -> Option<Self>;
}

macro_rules! integers {
    ($($name:ident $kind:ident)*) => {$(
        impl Integer for $name {
            const KIND: IntegerKind = IntegerKind::$kind;

            #[inline]
            #[allow(clippy::cast_lossless, reason = "sizes have no `From`")]
            fn widen(self) -> i128 {
                self as i128
            }

            #[inline]
            fn narrow(value: i128) -> Option<Self> {
                Self::try_from(value).ok()
            }
        }
    )*};
}

integers!(u8 U8 u16 U16 u32 U32 u64 U64 i8 I8 i16 I16 i32 I32 i64 I64);

// Sizes are as large as any machine's, so that programs of 32 and 64 bits agree.
integers!(usize U64 isize I64);

/// What has integers in it: which.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no integers that a range could be chosen for",
    label = "`range` and `bits` need an integer here, or a float with a `precision`"
)]
pub trait Numbers {
    /// Their kind.
    const KIND: IntegerKind;
}

impl<T: Numbers, const N: usize> Numbers for [T; N] {
    const KIND: IntegerKind = T::KIND;
}

impl<T: Numbers> Numbers for Option<T> {
    const KIND: IntegerKind = T::KIND;
}

impl<T: Numbers> Numbers for Vec<T> {
    const KIND: IntegerKind = T::KIND;
}

impl<T: Numbers> Numbers for Box<T> {
    const KIND: IntegerKind = T::KIND;
}

/// A float that forms can be chosen for.
pub trait Float: Copy {
    /// As a double.
    fn widen(self) -> f64;
    /// The nearest one to a double.
    fn nearest(value: f64) -> Self;
}

impl Float for f32 {
    #[inline]
    fn widen(self) -> f64 {
        self.into()
    }

    #[inline]
    fn nearest(value: f64) -> Self {
        value as Self
    }
}

impl Float for f64 {
    #[inline]
    fn widen(self) -> f64 {
        self
    }

    #[inline]
    fn nearest(value: f64) -> Self {
        value
    }
}

/// No form of its own: that of the type. For fields that only bound a count.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Plain {
    /// Bits of numbers in a form of the field's: there are none.
    #[must_use]
    pub const fn min_bits(&self) -> usize {
        0
    }
}

/// `#[tme(fixed)]`: as many bytes as the integer has.
#[derive(Clone, Copy, Debug)]
pub struct Fixed;

/// `#[tme(varint)]`.
#[derive(Clone, Copy, Debug)]
pub struct Varint;

impl Fixed {
    /// Bits that every number takes at least, as a constant.
    #[must_use]
    pub const fn min_bits(&self) -> usize {
        0
    }
}

impl Leaf for Fixed {
    fn bits_min(&self) -> usize {
        self.min_bits()
    }
}

impl Varint {
    /// Bits that every number takes at least, as a constant.
    #[must_use]
    pub const fn min_bits(&self) -> usize {
        8
    }
}

impl Leaf for Varint {
    fn bits_min(&self) -> usize {
        self.min_bits()
    }
}

/// Bits that a value of up to `highest` needs.
const fn bits_for(highest: u64) -> u32 {
    u64::BITS - highest.leading_zeros()
}

/// `#[tme(range = 0..=3)]` of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegerRange {
    low: i128,
    span: u64,
    bits: u32,
}

impl IntegerRange {
    /// From `low` to `high`, both allowed.
    ///
    /// # Panics
    /// When compiled: if that is no range that 64 bits hold.
    #[must_use]
    pub const fn new(low: i128, high: i128) -> Self {
        assert!(low <= high, "the range is empty");
        assert!(low >= i64::MIN as i128 && high <= u64::MAX as i128, "the range is not within 64 bits");
        assert!(high - low <= u64::MAX as i128, "the range has more than 2^64 values");
        let span = (high - low) as u64;
        Self { low, span, bits: bits_for(span) }
    }

    /// From `low` to just below `end`.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    pub const fn below(low: i128, end: i128) -> Self {
        Self::new(low, end - 1)
    }

    /// What `bits` bits hold: from 0 on, or in two's complement.
    ///
    /// # Panics
    /// When compiled: if they are not 1–64.
    #[must_use]
    pub const fn of_bits(bits: u32, kind: IntegerKind) -> Self {
        assert!(bits >= 1 && bits <= 64, "the number of bits must be 1-64");
        let values = 1i128 << bits;
        if kind.is_signed() { Self::new(-values / 2, values / 2 - 1) } else { Self::new(0, values - 1) }
    }

    /// The same, if an integer of this kind holds all of it.
    ///
    /// # Panics
    /// When compiled: if it does not.
    #[must_use]
    pub const fn within(self, kind: IntegerKind) -> Self {
        let (low, high) = kind.bounds();
        assert!(low <= self.low && self.high() <= high, "the field's type does not hold the whole range");
        self
    }

    /// The least value.
    #[must_use]
    pub const fn low(&self) -> i128 {
        self.low
    }

    /// The greatest value.
    #[must_use]
    pub const fn high(&self) -> i128 {
        self.low + self.span as i128
    }

    /// Bits that each value takes.
    #[must_use]
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// Appends a value.
    #[inline]
    pub fn write(&self, field: &'static str, value: i128, writer: &mut Writer<'_>) {
        match u64::try_from(value - self.low) {
            Ok(offset) if offset <= self.span => writer.bits(offset, self.bits),
            _ => {
                writer.fail(EncodeError::OutOfRange { field, value, low: self.low, high: self.high() });
            }
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`Malformation::Range`], [`Malformation::End`].
    #[inline]
    pub fn read(&self, reader: &mut Reader<'_>) -> Result<i128, DecodeError> {
        let offset = reader.bits(self.bits)?;
        if offset > self.span {
            return Err(reader.error(Malformation::Range));
        }
        Ok(self.low + i128::from(offset))
    }
}

impl IntegerRange {
    /// Bits that every number takes at least, as a constant.
    #[must_use]
    pub const fn min_bits(&self) -> usize {
        self.bits as usize
    }
}

impl Leaf for IntegerRange {
    fn bits_min(&self) -> usize {
        self.min_bits()
    }
}

/// `#[tme(range = -1.0..=1.0, precision = 0.001)]` of a float, or `bits = …` in place of the precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantized {
    low: f64,
    high: f64,
    steps: u64,
    bits: u32,
}

impl Quantized {
    /// Most steps.
    pub const STEPS_MAX: u64 = u32::MAX as u64;

    /// Between `low` and `high`, or nothing if that cannot be.
    #[must_use]
    pub const fn try_new(low: f64, high: f64, steps: u64) -> Option<Self> {
        let is_good = low < high && (high - low).is_finite() && steps >= 1 && steps <= Self::STEPS_MAX;
        if is_good { Some(Self { low, high, steps, bits: bits_for(steps) }) } else { None }
    }

    /// As fine as `precision`, or nothing if that cannot be.
    #[must_use]
    pub const fn try_by_precision(low: f64, high: f64, precision: f64) -> Option<Self> {
        let ratio = (high - low) / precision;
        if !(ratio > 0.0 && ratio <= Self::STEPS_MAX as f64) {
            return None;
        }
        let below = ratio as u64;
        let steps = if (below as f64) < ratio { below + 1 } else { below };
        // Zero is kept exactly where the range has it in the middle.
        Self::try_new(low, high, if low == -high { steps + steps % 2 } else { steps })
    }

    /// As fine as `bits` allow, or nothing if that cannot be.
    #[must_use]
    pub const fn try_by_bits(low: f64, high: f64, bits: u32) -> Option<Self> {
        if bits == 0 || bits > 32 {
            return None;
        }
        let steps = (1u64 << bits) - 1;
        Self::try_new(low, high, if low == -high { steps - 1 } else { steps })
    }

    /// As fine as `precision`.
    ///
    /// # Panics
    /// When compiled: if that cannot be.
    #[must_use]
    pub const fn by_precision(low: f64, high: f64, precision: f64) -> Self {
        match Self::try_by_precision(low, high, precision) {
            Some(form) => form,
            None => panic!("the range or its precision cannot be: low < high, and 1 to 2^32 - 1 steps"),
        }
    }

    /// As fine as `bits` allow.
    ///
    /// # Panics
    /// When compiled: if that cannot be.
    #[must_use]
    pub const fn by_bits(low: f64, high: f64, bits: u32) -> Self {
        match Self::try_by_bits(low, high, bits) {
            Some(form) => form,
            None => panic!("the range or its bits cannot be: low < high, 1 to 32 bits, 2 where low = -high"),
        }
    }

    /// Bits that each value takes.
    #[must_use]
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// Into how many steps the range is divided.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Appends a value, limited to the range.
    #[inline]
    pub fn write(&self, field: &'static str, value: f64, writer: &mut Writer<'_>) {
        if value.is_nan() {
            return writer.fail(EncodeError::NotExpressible { field, value });
        }
        let limited = value.max(self.low).min(self.high);
        let share = (limited - self.low) / (self.high - self.low);
        // Cut off, which is rounded down here, for nothing is below 0. `floor` is a call on processors of 2003.
        let step = (share * self.steps as f64 + 0.5) as u64;
        writer.bits(step.min(self.steps), self.bits);
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`Malformation::Range`], [`Malformation::End`].
    #[inline]
    pub fn read(&self, reader: &mut Reader<'_>) -> Result<f64, DecodeError> {
        let step = reader.bits(self.bits)?;
        match step {
            0 => Ok(self.low),
            step if step == self.steps => Ok(self.high),
            step if step < self.steps => {
                let (below, above) = ((self.steps - step) as f64, step as f64);
                Ok((self.low * below + self.high * above) / self.steps as f64)
            }
            _ => Err(reader.error(Malformation::Range)),
        }
    }

    fn form(&self) -> Form {
        Form::Quantized { low: self.low, high: self.high, steps: self.steps }
    }
}

impl Quantized {
    /// Bits that every number takes at least, as a constant.
    #[must_use]
    pub const fn min_bits(&self) -> usize {
        self.bits as usize
    }
}

impl Leaf for Quantized {
    fn bits_min(&self) -> usize {
        self.min_bits()
    }
}

/// `#[tme(precision = 0.001)]` of a float without a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    precision: f64,
}

impl Steps {
    /// Of this size, or nothing if that cannot be.
    #[must_use]
    pub const fn try_new(precision: f64) -> Option<Self> {
        if precision > 0.0 && precision.is_finite() { Some(Self { precision }) } else { None }
    }

    /// Of this size.
    ///
    /// # Panics
    /// When compiled: if that cannot be.
    #[must_use]
    pub const fn new(precision: f64) -> Self {
        match Self::try_new(precision) {
            Some(form) => form,
            None => panic!("a precision must be above 0 and finite"),
        }
    }

    /// Appends a value.
    #[inline]
    pub fn write(&self, field: &'static str, value: f64, writer: &mut Writer<'_>) {
        let steps = (value / self.precision + 0.5).floor();
        // Not a number is in no range.
        if steps.abs() <= STEPS_EXACT_MAX {
            writer.signed_varint(steps as i64);
        } else {
            writer.fail(EncodeError::NotExpressible { field, value });
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`Malformation::Range`], and those of a varint.
    #[inline]
    pub fn read(&self, reader: &mut Reader<'_>) -> Result<f64, DecodeError> {
        let steps = reader.signed_varint()?;
        if steps.unsigned_abs() > STEPS_EXACT_MAX as u64 {
            return Err(reader.error(Malformation::Range));
        }
        Ok(steps as f64 * self.precision)
    }
}

impl Steps {
    /// Bits that every number takes at least, as a constant.
    #[must_use]
    pub const fn min_bits(&self) -> usize {
        8
    }
}

impl Leaf for Steps {
    fn bits_min(&self) -> usize {
        self.min_bits()
    }
}

/// `#[tme(quaternion)]` of `[f32; 4]` or `[f64; 4]` (x, y, z, w): a rotation in smallest-three form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitQuaternion {
    bits: u32,
    component: Quantized,
}

impl UnitQuaternion {
    /// Bits of a component where the field does not say: 32 in all, 0.1° of error.
    pub const BITS_DEFAULT: u32 = 10;

    /// With so many bits a component, or nothing if they are not 2–21.
    #[must_use]
    pub const fn try_new(bits: u32) -> Option<Self> {
        if bits < 2 || bits > 21 {
            return None;
        }
        match Quantized::try_by_bits(-QUATERNION_HIGH, QUATERNION_HIGH, bits) {
            Some(component) => Some(Self { bits, component }),
            None => None,
        }
    }

    /// With so many bits a component.
    ///
    /// # Panics
    /// When compiled: if they are not 2–21.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        match Self::try_new(bits) {
            Some(form) => form,
            None => panic!("a component of a quaternion has 2 to 21 bits"),
        }
    }

    /// Appends a rotation, made one of length 1.
    pub fn write(&self, field: &'static str, [x, y, z, w]: [f64; 4], writer: &mut Writer<'_>) {
        let length = (x * x + y * y + z * z + w * w).sqrt();
        if !(length > 0.0 && length.is_finite()) {
            return writer.fail(EncodeError::NotExpressible { field, value: length });
        }
        let unit = [x, y, z, w].map(|component| component / length);
        let (mut largest, mut size, mut sign) = (0, -1.0, 1.0);
        for (index, component) in unit.into_iter().enumerate() {
            if component.abs() > size {
                (largest, size, sign) = (index, component.abs(), if component < 0.0 { -1.0 } else { 1.0 });
            }
        }
        writer.bits(largest as u64, 2);
        for (index, component) in unit.into_iter().enumerate() {
            if index != largest {
                self.component.write(field, component * sign, writer);
            }
        }
    }

    /// Reads a rotation.
    ///
    /// # Errors
    /// [`Malformation::Range`], [`Malformation::End`].
    pub fn read(&self, reader: &mut Reader<'_>) -> Result<[f64; 4], DecodeError> {
        let largest = reader.bits(2)?;
        let a = self.component.read(reader)?;
        let b = self.component.read(reader)?;
        let c = self.component.read(reader)?;
        let rest = (1.0 - a * a - b * b - c * c).max(0.0).sqrt();
        Ok(match largest {
            0 => [rest, a, b, c],
            1 => [a, rest, b, c],
            2 => [a, b, rest, c],
            _ => [a, b, c, rest],
        })
    }
}

impl UnitQuaternion {
    /// Bits that every number takes at least, as a constant.
    #[must_use]
    pub const fn min_bits(&self) -> usize {
        2 + 3 * self.bits as usize
    }
}

impl Leaf for UnitQuaternion {
    fn bits_min(&self) -> usize {
        self.min_bits()
    }
}

// Numbers; by macros, for blanket implementations could meet a box of a type that somebody else calls a number.

macro_rules! integer_forms {
    ($($name:ident)*) => {$(
        impl Numbers for $name {
            const KIND: IntegerKind = <Self as Integer>::KIND;
        }

        impl EncodeWith<Varint> for $name {
            #[inline]
            #[allow(clippy::cast_lossless, reason = "sizes have no `From`")]
            fn encode_with(&self, _: &Spec<Varint>, writer: &mut Writer<'_>) {
                if <Self as Integer>::KIND.is_signed() {
                    writer.signed_varint(*self as i64);
                } else {
                    writer.varint(*self as u64);
                }
            }

            fn form_with(_: &Spec<Varint>, _: &mut Describer) -> Form {
                Form::Varint(<Self as Integer>::KIND)
            }
        }

        impl DecodeWith<Varint> for $name {
            const LEAVES: usize = 1;

            #[inline]
            fn decode_with(_: &Spec<Varint>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let value = if <Self as Integer>::KIND.is_signed() {
                    Self::try_from(reader.signed_varint()?).ok()
                } else {
                    Self::try_from(reader.varint()?).ok()
                };
                value.ok_or_else(|| reader.error(Malformation::Varint))
            }
        }

        impl EncodeWith<Fixed> for $name {
            #[inline]
            fn encode_with(&self, _: &Spec<Fixed>, writer: &mut Writer<'_>) {
                self.encode(writer);
            }

            fn form_with(_: &Spec<Fixed>, describer: &mut Describer) -> Form {
                Self::form(describer)
            }
        }

        impl DecodeWith<Fixed> for $name {
            const LEAVES: usize = 0;
            const BITS: usize = <Self as Decode>::BITS_MIN;

            #[inline]
            fn decode_with(_: &Spec<Fixed>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::decode(reader)
            }
        }

        impl EncodeWith<IntegerRange> for $name {
            #[inline]
            fn encode_with(&self, spec: &Spec<IntegerRange>, writer: &mut Writer<'_>) {
                spec.leaf.write(spec.field, self.widen(), writer);
            }

            fn form_with(spec: &Spec<IntegerRange>, _: &mut Describer) -> Form {
                Form::Range { low: spec.leaf.low(), high: spec.leaf.high() }
            }
        }

        impl DecodeWith<IntegerRange> for $name {
            const LEAVES: usize = 1;

            #[inline]
            fn decode_with(spec: &Spec<IntegerRange>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let value = spec.leaf.read(reader)?;
                Self::narrow(value).ok_or_else(|| reader.error(Malformation::Range))
            }
        }
    )*};
}

integer_forms!(u8 u16 u32 u64 i8 i16 i32 i64 usize isize);

macro_rules! floats {
    ($($name:ident)*) => {$(
        impl EncodeWith<Quantized> for $name {
            #[inline]
            fn encode_with(&self, spec: &Spec<Quantized>, writer: &mut Writer<'_>) {
                spec.leaf.write(spec.field, self.widen(), writer);
            }

            fn form_with(spec: &Spec<Quantized>, _: &mut Describer) -> Form {
                spec.leaf.form()
            }
        }

        impl DecodeWith<Quantized> for $name {
            const LEAVES: usize = 1;

            #[inline]
            fn decode_with(spec: &Spec<Quantized>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::nearest(spec.leaf.read(reader)?))
            }
        }

        impl EncodeWith<Steps> for $name {
            #[inline]
            fn encode_with(&self, spec: &Spec<Steps>, writer: &mut Writer<'_>) {
                spec.leaf.write(spec.field, self.widen(), writer);
            }

            fn form_with(spec: &Spec<Steps>, _: &mut Describer) -> Form {
                Form::Step { precision: spec.leaf.precision }
            }
        }

        impl DecodeWith<Steps> for $name {
            const LEAVES: usize = 1;

            #[inline]
            fn decode_with(spec: &Spec<Steps>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::nearest(spec.leaf.read(reader)?))
            }
        }

        impl EncodeWith<UnitQuaternion> for [$name; 4] {
            fn encode_with(&self, spec: &Spec<UnitQuaternion>, writer: &mut Writer<'_>) {
                spec.leaf.write(spec.field, self.map(Float::widen), writer);
            }

            fn form_with(spec: &Spec<UnitQuaternion>, _: &mut Describer) -> Form {
                Form::UnitQuaternion { bits: spec.leaf.bits }
            }
        }

        impl DecodeWith<UnitQuaternion> for [$name; 4] {
            const LEAVES: usize = 1;

            fn decode_with(spec: &Spec<UnitQuaternion>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(spec.leaf.read(reader)?.map(Float::nearest))
            }
        }
    )*};
}

floats!(f32 f64);

// Containers pass the form on to what is in them.

impl<T: EncodeWith<S>, S: Leaf, const N: usize> EncodeWith<S> for [T; N] {
    #[inline]
    fn encode_with(&self, spec: &Spec<S>, writer: &mut Writer<'_>) {
        self.iter().for_each(|item| item.encode_with(spec, writer));
    }

    fn form_with(spec: &Spec<S>, describer: &mut Describer) -> Form {
        Form::Array(Box::new(T::form_with(spec, describer)), N)
    }
}

impl<T: DecodeWith<S>, S: Leaf, const N: usize> DecodeWith<S> for [T; N] {
    const LEAVES: usize = N * T::LEAVES;
    const BITS: usize = N * T::BITS;

    #[inline]
    fn decode_with(spec: &Spec<S>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        super::values::array(|| T::decode_with(spec, reader))
    }
}

impl<T: EncodeWith<S>, S: Leaf> EncodeWith<S> for Option<T> {
    #[inline]
    fn encode_with(&self, spec: &Spec<S>, writer: &mut Writer<'_>) {
        writer.bool(self.is_some());
        if let Some(value) = self {
            value.encode_with(spec, writer);
        }
    }

    fn form_with(spec: &Spec<S>, describer: &mut Describer) -> Form {
        Form::Option(Box::new(T::form_with(spec, describer)))
    }
}

impl<T: DecodeWith<S>, S: Leaf> DecodeWith<S> for Option<T> {
    const LEAVES: usize = 0;
    const BITS: usize = 1;

    #[inline]
    fn decode_with(spec: &Spec<S>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.bool()? { Ok(Some(T::decode_with(spec, reader)?)) } else { Ok(None) }
    }
}

impl<T: EncodeWith<S>, S: Leaf> EncodeWith<S> for Box<T> {
    fn encode_with(&self, spec: &Spec<S>, writer: &mut Writer<'_>) {
        writer.nested(|writer| (**self).encode_with(spec, writer));
    }

    fn form_with(spec: &Spec<S>, describer: &mut Describer) -> Form {
        T::form_with(spec, describer)
    }
}

impl<T: DecodeWith<S>, S: Leaf> DecodeWith<S> for Box<T> {
    const LEAVES: usize = 0;

    fn decode_with(spec: &Spec<S>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.justify(1, size_of::<T>())?;
        reader.nested(|reader| T::decode_with(spec, reader)).map(Self::new)
    }
}

impl<T: EncodeWith<S>, S: Leaf> EncodeWith<S> for Vec<T> {
    fn encode_with(&self, spec: &Spec<S>, writer: &mut Writer<'_>) {
        if !spec.check_count(self.len(), writer) {
            return;
        }
        writer.count(self.len());
        let inner = spec.inner();
        writer.nested(|writer| self.iter().for_each(|item| item.encode_with(&inner, writer)));
    }

    fn form_with(spec: &Spec<S>, describer: &mut Describer) -> Form {
        let element = Box::new(T::form_with(&spec.inner(), describer));
        Form::List { element, count_max: spec.form_max() }
    }
}

impl<T: DecodeWith<S>, S: Leaf> DecodeWith<S> for Vec<T> {
    const LEAVES: usize = 0;
    const BITS: usize = 8;

    fn decode_with(spec: &Spec<S>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bits_min = T::LEAVES * spec.leaf.bits_min() + T::BITS;
        let count = reader.count(bits_min, spec.count_max)?;
        reader.justify(count, size_of::<T>())?;
        let inner = spec.inner();
        reader.nested(|reader| (0..count).map(|_| T::decode_with(&inner, reader)).collect_with(count))
    }
}

/// Collects what may fail, with room for all of it from the start.
trait CollectWith<T> {
    fn collect_with(self, count: usize) -> Result<Vec<T>, DecodeError>;
}

impl<T, I: Iterator<Item = Result<T, DecodeError>>> CollectWith<T> for I {
    fn collect_with(self, count: usize) -> Result<Vec<T>, DecodeError> {
        let mut items = Vec::with_capacity(count);
        for item in self {
            items.push(item?);
        }
        Ok(items)
    }
}

// Bounds of counts alone.

/// What has a count that a field can bound, and elements in their own forms.
pub trait Countable: Encode + Decode {
    /// How many elements or bytes.
    fn count(&self) -> usize;
    /// Reads one of at most `max`.
    ///
    /// # Errors
    /// [`DecodeError`].
    fn decode_bounded(reader: &mut Reader<'_>, max: usize) -> Result<Self, DecodeError>;
}

impl<T: Countable> EncodeWith<Plain> for T {
    fn encode_with(&self, spec: &Spec<Plain>, writer: &mut Writer<'_>) {
        if spec.check_count(self.count(), writer) {
            self.encode(writer);
        }
    }

    fn form_with(spec: &Spec<Plain>, describer: &mut Describer) -> Form {
        T::form(describer).bounded(spec.count_max)
    }
}

impl<T: Countable> DecodeWith<Plain> for T {
    const LEAVES: usize = 0;
    const BITS: usize = T::BITS_MIN;

    fn decode_with(spec: &Spec<Plain>, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::decode_bounded(reader, spec.count_max)
    }
}

impl<T: Countable> Countable for Option<T> {
    fn count(&self) -> usize {
        self.as_ref().map_or(0, T::count)
    }

    fn decode_bounded(reader: &mut Reader<'_>, max: usize) -> Result<Self, DecodeError> {
        if reader.bool()? { Ok(Some(T::decode_bounded(reader, max)?)) } else { Ok(None) }
    }
}
