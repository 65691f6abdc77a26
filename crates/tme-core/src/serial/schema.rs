//! Messages described as data: for the schema text and its hash, and for declarations in other languages.

use std::fmt;

use crate::crypto::name_hash;

/// What stands before the schema when it is hashed.
const PREFACE: &str = "TME schema 1\n";

/// The tag under which the handshake compares schema hashes (`docs/SERIALIZATION.md` §7).
pub const SCHEMA_TAG: u32 = 1;

/// Which integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IntegerKind {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
}

impl IntegerKind {
    /// How it is called in the schema, and in Rust.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
        }
    }

    /// Whether it has a sign.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64)
    }

    /// Its least and its greatest value.
    #[must_use]
    pub const fn bounds(self) -> (i128, i128) {
        let bits = match self {
            Self::U8 | Self::I8 => 8,
            Self::U16 | Self::I16 => 16,
            Self::U32 | Self::I32 => 32,
            Self::U64 | Self::I64 => 64,
        };
        let values = 1i128 << bits;
        if self.is_signed() { (-values / 2, values / 2 - 1) } else { (0, values - 1) }
    }
}

/// How a value is written: `docs/SERIALIZATION.md` §3–§5.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Form {
    /// A bit.
    Bool,
    /// A Unicode scalar value.
    Char,
    /// Text.
    Text {
        /// Most bytes that this program takes.
        count_max: Option<usize>,
    },
    /// An integer of fixed size.
    Fixed(IntegerKind),
    /// A varint.
    Varint(IntegerKind),
    /// A ranged integer.
    Range {
        /// The least value.
        low: i128,
        /// The greatest value.
        high: i128,
    },
    /// Four bytes of IEEE 754.
    Float32,
    /// Eight bytes of IEEE 754.
    Float64,
    /// A quantised float.
    Quantized {
        /// The least value.
        low: f64,
        /// The greatest value.
        high: f64,
        /// Steps between them.
        steps: u64,
    },
    /// A float counted in steps.
    Step {
        /// Size of a step.
        precision: f64,
    },
    /// A rotation.
    UnitQuaternion {
        /// Bits of a component.
        bits: u32,
    },
    /// Something or nothing.
    Option(Box<Form>),
    /// So many of one form.
    Array(Box<Form>, usize),
    /// A list.
    List {
        /// The form of its elements.
        element: Box<Form>,
        /// Most elements that this program takes.
        count_max: Option<usize>,
    },
    /// A set.
    Set {
        /// The form of its elements.
        element: Box<Form>,
        /// Most elements that this program takes.
        count_max: Option<usize>,
    },
    /// A map.
    Map {
        /// The form of its keys.
        key: Box<Form>,
        /// The form of its values.
        value: Box<Form>,
        /// Most entries that this program takes.
        count_max: Option<usize>,
    },
    /// A struct or a tuple.
    Struct(StructForm),
    /// An enum.
    Enum(EnumForm),
    /// A struct or enum that this one stands in: 0 is the innermost.
    Again {
        /// How many structs and enums are in between.
        up: usize,
    },
}

/// A struct or a tuple.
#[derive(Clone, Debug, PartialEq)]
pub struct StructForm {
    /// What its type is called; empty for tuples.
    pub name: &'static str,
    /// Its fields in order: those of the first version, then those added.
    pub fields: Vec<FieldForm>,
    /// Whether it can grow inside another form.
    pub is_extensible: bool,
}

/// A field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldForm {
    /// What it is called.
    pub name: &'static str,
    /// The version that brought it, if it was not there from the first one on.
    pub since: Option<u16>,
    /// How it is written.
    pub form: Form,
}

impl FieldForm {
    /// A field of the first version.
    #[must_use]
    pub const fn new(name: &'static str, form: Form) -> Self {
        Self { name, since: None, form }
    }

    /// A field that version `since` brought.
    #[must_use]
    pub const fn added(name: &'static str, since: u16, form: Form) -> Self {
        Self { name, since: Some(since), form }
    }
}

/// How the tag of an enum is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagForm {
    /// As a varint.
    Varint,
    /// In so many bits.
    Bits(u32),
}

/// An enum.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumForm {
    /// What its type is called.
    pub name: &'static str,
    /// How its tag is written.
    pub tag: TagForm,
    /// Its variants in the order in which they are declared.
    pub variants: Vec<VariantForm>,
}

/// A variant.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantForm {
    /// Its number.
    pub tag: u32,
    /// What it is called.
    pub name: &'static str,
    /// The version that brought it, if it was not there from the first one on.
    pub since: Option<u16>,
    /// Whether it stands for those that are not known.
    pub is_other: bool,
    /// Its fields.
    pub fields: Vec<FieldForm>,
}

impl Form {
    /// The same with a bound of its count; an option bounds what is in it.
    #[must_use]
    pub fn bounded(mut self, max: usize) -> Self {
        match &mut self {
            Self::Text { count_max }
            | Self::List { count_max, .. }
            | Self::Set { count_max, .. }
            | Self::Map { count_max, .. } => *count_max = Some(max),
            Self::Option(inner) => {
                let bounded = std::mem::replace(&mut **inner, Self::Bool).bounded(max);
                **inner = bounded;
            }
            _ => {}
        }
        self
    }

    /// The form as the schema has it, with everything that was added.
    #[must_use]
    pub fn text(&self) -> String {
        Text { form: self, extent: Extent::Whole }.to_string()
    }
}

/// Describes types; finds out which of them contain themselves.
#[derive(Debug, Default)]
pub struct Describer {
    /// The structs and enums that are being described, the innermost last.
    open: Vec<&'static str>,
}

impl Describer {
    /// A describer of anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn inside<T: ?Sized>(&mut self, describe: impl FnOnce(&mut Self) -> Form) -> Form {
        let name = std::any::type_name::<T>();
        if let Some(up) = self.open.iter().rev().position(|open| *open == name) {
            return Form::Again { up };
        }
        self.open.push(name);
        let form = describe(self);
        self.open.pop();
        form
    }

    /// Describes the struct `T`.
    pub fn structure<T: ?Sized>(
        &mut self,
        name: &'static str,
        growth: Growth,
        fields: impl FnOnce(&mut Self) -> Vec<FieldForm>,
    ) -> Form {
        let is_extensible = growth == Growth::Extensible;
        self.inside::<T>(|describer| {
            Form::Struct(StructForm { name, fields: fields(describer), is_extensible })
        })
    }

    /// Describes the enum `T`.
    pub fn enumeration<T: ?Sized>(
        &mut self,
        name: &'static str,
        tag: TagForm,
        variants: impl FnOnce(&mut Self) -> Vec<VariantForm>,
    ) -> Form {
        self.inside::<T>(|describer| Form::Enum(EnumForm { name, tag, variants: variants(describer) }))
    }
}

/// Whether a struct can grow inside another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// It stays as it is.
    Closed,
    /// It can.
    Extensible,
}

/// How much of a schema is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// The first version: what both sides must agree on.
    Base,
    /// All of it.
    Whole,
}

/// One message of a schema.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageForm {
    /// Its id.
    pub id: u32,
    /// What it is called.
    pub name: &'static str,
    /// The version that brought it, if it was not there from the first one on.
    pub since: Option<u16>,
    /// The channel it goes by, unless the sender says otherwise.
    pub channel: super::MessageChannel,
    /// Its body.
    pub body: Form,
}

/// The text of a schema: all of `messages`, ids ascending.
pub(super) fn text(messages: &[MessageForm]) -> String {
    lines(messages, Extent::Whole)
}

/// The text that both sides must agree on.
pub(super) fn base_text(messages: &[MessageForm]) -> String {
    lines(messages, Extent::Base)
}

fn lines(messages: &[MessageForm], extent: Extent) -> String {
    let told = messages.iter().filter(|message| extent == Extent::Whole || message.since.is_none());
    told.map(|MessageForm { id, name, body, .. }| format!("{id} {name} {}\n", Text { form: body, extent }))
        .collect()
}

/// The hash of a base schema.
#[must_use]
pub fn schema_hash(base_text: &str) -> u64 {
    // 0 is "no schema" in the C interface.
    name_hash(&format!("{PREFACE}{base_text}")).max(1)
}

/// A form on its way into a text.
struct Text<'a> {
    form: &'a Form,
    extent: Extent,
}

impl<'a> Text<'a> {
    const fn of(&self, form: &'a Form) -> Self {
        Self { form, extent: self.extent }
    }

    fn fields(&self, f: &mut fmt::Formatter<'_>, fields: &'a [FieldForm]) -> fmt::Result {
        f.write_str("{")?;
        let mut group = None;
        for (index, field) in fields.iter().enumerate() {
            if field.since.is_some() && self.extent == Extent::Base {
                break;
            }
            match field.since {
                Some(since) if field.since != group => write!(f, "|{since}:")?,
                _ if index > 0 => f.write_str(",")?,
                _ => {}
            }
            group = field.since;
            write!(f, "{}:{}", field.name, self.of(&field.form))?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Bool => f.write_str("bool"),
            Form::Char => f.write_str("char"),
            Form::Text { .. } => f.write_str("str"),
            Form::Fixed(kind) => f.write_str(kind.name()),
            Form::Varint(kind) => write!(f, "varint({})", kind.name()),
            Form::Range { low, high } => write!(f, "int({low}..{high})"),
            Form::Float32 => f.write_str("f32"),
            Form::Float64 => f.write_str("f64"),
            Form::Quantized { low, high, steps } => {
                write!(f, "q({:016x}..{:016x}/{steps})", low.to_bits(), high.to_bits())
            }
            Form::Step { precision } => write!(f, "step({:016x})", precision.to_bits()),
            Form::UnitQuaternion { bits } => write!(f, "quat({bits})"),
            Form::Option(inner) => write!(f, "opt({})", self.of(inner)),
            Form::Array(element, count) => write!(f, "[{};{count}]", self.of(element)),
            Form::List { element, .. } => write!(f, "list({})", self.of(element)),
            Form::Set { element, .. } => write!(f, "set({})", self.of(element)),
            Form::Map { key, value, .. } => write!(f, "map({},{})", self.of(key), self.of(value)),
            Form::Struct(StructForm { fields, is_extensible, .. }) => {
                self.fields(f, fields)?;
                f.write_str(if *is_extensible { "+" } else { "" })
            }
            Form::Enum(EnumForm { tag, variants, .. }) => {
                match tag {
                    TagForm::Varint => f.write_str("enum(varint;")?,
                    TagForm::Bits(bits) => write!(f, "enum({bits};")?,
                }
                let mut told: Vec<&VariantForm> = variants.iter().collect();
                told.retain(|variant| self.extent == Extent::Whole || variant.since.is_none());
                told.sort_by_key(|variant| variant.tag);
                for (index, variant) in told.into_iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{}", variant.tag)?;
                    if let Some(since) = variant.since {
                        write!(f, "@{since}")?;
                    }
                    write!(f, ":{}", variant.name)?;
                    if !variant.fields.is_empty() {
                        self.fields(f, &variant.fields)?;
                    }
                }
                f.write_str(")")
            }
            Form::Again { up } => write!(f, "^{up}"),
        }
    }
}
