//! Reads `#[tme(…)]` off types, variants and fields.

use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprRange, Lit, LitInt, LitStr, Path, RangeLimits, Result, Type};

/// What is said of a type.
#[derive(Default)]
pub struct TypeAttributes {
    pub id: Option<Expr>,
    pub channel: Option<Lit>,
    pub name: Option<LitStr>,
    pub since: Option<LitInt>,
    pub is_extensible: bool,
    pub is_varint: bool,
    pub bits: Option<LitInt>,
    pub krate: Option<Path>,
}

/// What is said of a variant.
#[derive(Default)]
pub struct VariantAttributes {
    pub tag: Option<LitInt>,
    pub name: Option<LitStr>,
    pub since: Option<LitInt>,
    pub is_other: bool,
}

/// What is said of a field.
#[derive(Default)]
pub struct FieldAttributes {
    pub name: Option<LitStr>,
    pub since: Option<LitInt>,
    pub default: Option<Expr>,
    pub as_type: Option<Type>,
    pub is_skipped: bool,
    pub is_varint: bool,
    pub is_fixed: bool,
    pub is_quaternion: bool,
    pub range: Option<ExprRange>,
    pub precision: Option<Expr>,
    pub bits: Option<LitInt>,
    pub max_len: Option<Expr>,
}

/// Calls `one` for each entry of each `#[tme(…)]`, with its name.
fn each(
    attributes: &[Attribute],
    known: &str,
    mut one: impl FnMut(&str, &ParseNestedMeta<'_>) -> Result<bool>,
) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("tme")) {
        attribute.parse_nested_meta(|meta| {
            // `crate` and `as` are keywords, but may stand here.
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if one(&name, &meta)? {
                return Ok(());
            }
            Err(meta.error(format!("there is no such attribute here; there are {known}")))
        })?;
    }
    Ok(())
}

/// Takes a value that may be given once.
fn once<T>(place: &mut Option<T>, meta: &ParseNestedMeta<'_>, value: T) -> Result<bool> {
    if place.replace(value).is_some() {
        return Err(meta.error("this is given twice"));
    }
    Ok(true)
}

fn flag(place: &mut bool) -> Result<bool> {
    *place = true;
    Ok(true)
}

/// A version that can have brought something: 2 to 65,535.
fn version(meta: &ParseNestedMeta<'_>) -> Result<LitInt> {
    let version: LitInt = meta.value()?.parse()?;
    if version.base10_parse::<u16>().is_ok_and(|number| number >= 2) {
        return Ok(version);
    }
    Err(Error::new(
        version.span(),
        "what was added has a version from 2 to 65535; the first one has no number",
    ))
}

impl TypeAttributes {
    pub fn new(attributes: &[Attribute]) -> Result<Self> {
        let mut found = Self::default();
        let known = "id, channel, name, since, extensible, varint, bits, crate";
        each(attributes, known, |name, meta| match name {
            "id" => once(&mut found.id, meta, meta.value()?.parse()?),
            "channel" => once(&mut found.channel, meta, meta.value()?.parse()?),
            "name" => once(&mut found.name, meta, meta.value()?.parse()?),
            "since" => once(&mut found.since, meta, version(meta)?),
            "extensible" => flag(&mut found.is_extensible),
            "varint" => flag(&mut found.is_varint),
            "bits" => once(&mut found.bits, meta, meta.value()?.parse()?),
            "crate" => once(&mut found.krate, meta, meta.value()?.call(Path::parse_mod_style)?),
            _ => Ok(false),
        })?;
        if let Some(Lit::Int(id)) = found.id.as_ref().and_then(literal)
            && id.base10_parse::<u32>().is_ok_and(|id| id == 0)
        {
            return Err(Error::new(id.span(), "id 0 is reserved"));
        }
        Ok(found)
    }
}

/// The literal that an expression is.
fn literal(expression: &Expr) -> Option<&Lit> {
    match expression {
        Expr::Lit(literal) => Some(&literal.lit),
        _ => None,
    }
}

impl VariantAttributes {
    pub fn new(attributes: &[Attribute]) -> Result<Self> {
        let mut found = Self::default();
        each(attributes, "tag, name, since, other", |name, meta| match name {
            "tag" => once(&mut found.tag, meta, meta.value()?.parse()?),
            "name" => once(&mut found.name, meta, meta.value()?.parse()?),
            "since" => once(&mut found.since, meta, version(meta)?),
            "other" => flag(&mut found.is_other),
            _ => Ok(false),
        })?;
        Ok(found)
    }
}

impl FieldAttributes {
    pub fn new(attributes: &[Attribute]) -> Result<Self> {
        let mut found = Self::default();
        let known =
            "range, precision, bits, varint, fixed, quaternion, max_len, since, default, as, name, skip";
        each(attributes, known, |name, meta| match name {
            "range" => once(&mut found.range, meta, range(meta)?),
            "precision" => once(&mut found.precision, meta, meta.value()?.parse()?),
            "bits" => once(&mut found.bits, meta, meta.value()?.parse()?),
            "varint" => flag(&mut found.is_varint),
            "fixed" => flag(&mut found.is_fixed),
            "quaternion" => flag(&mut found.is_quaternion),
            "max_len" => once(&mut found.max_len, meta, meta.value()?.parse()?),
            "since" => once(&mut found.since, meta, version(meta)?),
            "default" => once(&mut found.default, meta, meta.value()?.parse()?),
            "as" => once(&mut found.as_type, meta, meta.value()?.parse()?),
            "name" => once(&mut found.name, meta, meta.value()?.parse()?),
            "skip" => flag(&mut found.is_skipped),
            _ => Ok(false),
        })?;
        found.check()?;
        Ok(found)
    }

    /// Refuses what contradicts itself.
    fn check(&self) -> Result<()> {
        let span = |condition: Option<proc_macro2::Span>| condition;
        let bits = self.bits.as_ref().map(LitInt::span);
        let precision = self.precision.as_ref().map(Spanned::span);
        let range = self.range.as_ref().map(Spanned::span);
        if let (Some(span), Some(_)) = (bits, precision) {
            return Err(Error::new(span, "bits and precision say the same thing; give one of them"));
        }
        let chosen = [self.is_varint, self.is_fixed, self.is_quaternion];
        let numeric = span(range).or(precision);
        let count = chosen.iter().filter(|&&chosen| chosen).count();
        if count > 1 {
            let message = "varint, fixed and quaternion exclude each other";
            return Err(Error::new(proc_macro2::Span::call_site(), message));
        }
        if count == 1
            && let Some(span) = numeric
        {
            return Err(Error::new(span, "varint, fixed and quaternion have no range and no precision"));
        }
        if (self.is_varint || self.is_fixed)
            && let Some(span) = bits
        {
            return Err(Error::new(span, "varint and fixed have no bits"));
        }
        if let Some(default) = &self.default
            && self.since.is_none()
            && !self.is_skipped
        {
            let message = "only fields with `since` or `skip` have a default";
            return Err(Error::new(default.span(), message));
        }
        Ok(())
    }
}

fn range(meta: &ParseNestedMeta<'_>) -> Result<ExprRange> {
    let expression: Expr = meta.value()?.parse()?;
    match expression {
        Expr::Range(range) if range.start.is_some() && range.end.is_some() => Ok(range),
        other => Err(Error::new(other.span(), "a range has both ends: 0..=3")),
    }
}

/// Whether the upper end of a range belongs to it.
pub const fn is_closed(range: &ExprRange) -> bool {
    matches!(range.limits, RangeLimits::Closed(_))
}

/// Whether a range is obviously one of floats.
pub fn is_of_floats(range: &ExprRange) -> bool {
    let ends = [&range.start, &range.end].into_iter().flatten();
    ends.map(AsRef::as_ref).any(|end| {
        let bare = match end {
            Expr::Unary(negative) => &negative.expr,
            other => other,
        };
        matches!(literal(bare), Some(Lit::Float(_)))
    })
}
