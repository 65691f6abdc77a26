//! A type as its attributes describe it, checked.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{
    Data, DeriveInput, Error, Expr, Fields, GenericArgument, Generics, Ident, Lit, Member, Path,
    PathArguments, Result, Type, parse_quote,
};

use crate::attributes::{FieldAttributes, TypeAttributes, VariantAttributes, is_closed, is_of_floats};

/// A type that is to be written and read.
pub struct Model {
    pub ident: Ident,
    pub generics: Generics,
    /// The crate that has the module `serial`.
    pub krate: Path,
    /// What it is called in the schema.
    pub name: String,
    pub attributes: TypeAttributes,
    pub shape: Shape,
}

pub enum Shape {
    Struct(StructModel),
    Enum(EnumModel),
}

pub struct StructModel {
    pub fields: FieldList,
    /// A field without a name is all there is: the struct is written as that field.
    pub is_transparent: bool,
    /// It may grow inside another form.
    pub is_extensible: bool,
}

pub struct EnumModel {
    /// Bits of the tag; a varint if there are none.
    pub bits: Option<u32>,
    pub variants: Vec<VariantModel>,
}

pub struct VariantModel {
    pub ident: Ident,
    pub name: String,
    pub tag: u32,
    pub since: Option<u16>,
    pub is_other: bool,
    pub fields: FieldList,
}

/// Fields by the order in which they are written.
pub struct FieldList {
    /// Of the first version.
    pub base: Vec<FieldModel>,
    /// Added, by version.
    pub groups: Vec<(u16, Vec<FieldModel>)>,
    /// Not written at all.
    pub skipped: Vec<FieldModel>,
}

pub struct FieldModel {
    pub member: Member,
    /// A local variable for it.
    pub variable: Ident,
    pub name: String,
    pub ty: Type,
    pub default: Option<Expr>,
    /// The type by way of which it is written.
    pub as_type: Option<Type>,
    pub form: Option<FormModel>,
}

/// A form that the field has chosen: the type of it, and how one is made.
pub struct FormModel {
    pub ty: TokenStream,
    pub value: TokenStream,
    pub count_max: Option<Expr>,
}

impl Model {
    pub fn new(input: &DeriveInput) -> Result<Self> {
        let attributes = TypeAttributes::new(&input.attrs)?;
        let krate = attributes.krate.clone().unwrap_or_else(|| parse_quote!(::tme));
        let name = match &attributes.name {
            Some(name) => name.value(),
            None => input.ident.to_string(),
        };
        let context = Context { krate: krate.clone(), is_varint: attributes.is_varint };
        let shape = match &input.data {
            Data::Struct(data) => Shape::Struct(StructModel::new(&data.fields, &attributes, &context)?),
            Data::Enum(data) => {
                Shape::Enum(EnumModel::new(&input.ident, data.variants.iter(), &attributes, &context)?)
            }
            Data::Union(data) => {
                return Err(Error::new_spanned(data.union_token, "a union cannot be written"));
            }
        };
        Ok(Self {
            ident: input.ident.clone(),
            generics: input.generics.clone(),
            krate,
            name,
            attributes,
            shape,
        })
    }

    /// The generics with a bound on each type parameter.
    pub fn bounded_generics(&self, bound: &TokenStream) -> Generics {
        let mut generics = self.generics.clone();
        let names: Vec<Ident> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
        if !names.is_empty() {
            let clause = generics.make_where_clause();
            for name in names {
                clause.predicates.push(parse_quote!(#name: #bound));
            }
        }
        generics
    }
}

/// What fields inherit from their type.
struct Context {
    krate: Path,
    is_varint: bool,
}

impl StructModel {
    fn new(fields: &Fields, attributes: &TypeAttributes, context: &Context) -> Result<Self> {
        if let Some(bits) = &attributes.bits {
            return Err(Error::new(bits.span(), "bits of a type are those of an enum's tag"));
        }
        let is_extensible = attributes.is_extensible || attributes.id.is_some();
        let list = FieldList::new(fields, context)?;
        if !is_extensible && let Some(field) = list.groups.first().and_then(|(_, fields)| fields.first()) {
            let message = "fields can only be added to messages (`#[tme(id = …)]`) and to structs that were \
                           `#[tme(extensible)]` from the beginning: older programs could not skip them";
            return Err(Error::new_spanned(&field.ty, message));
        }
        let is_transparent = matches!(fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1)
            && !is_extensible
            && list.base.len() == 1;
        Ok(Self { fields: list, is_transparent, is_extensible })
    }
}

impl EnumModel {
    fn new<'a>(
        ident: &Ident,
        variants: impl Iterator<Item = &'a syn::Variant>,
        attributes: &TypeAttributes,
        context: &Context,
    ) -> Result<Self> {
        if attributes.is_extensible {
            let message = "an enum grows by variants with `since`; give it a variant `#[tme(other)]` for older programs";
            return Err(Error::new_spanned(ident, message));
        }
        let bits = match &attributes.bits {
            Some(bits) => Some((bits.base10_parse::<u32>()?, bits.span())),
            None => None,
        };
        if let Some((count, span)) = bits
            && !(1..=32).contains(&count)
        {
            return Err(Error::new(span, "a tag has 1 to 32 bits"));
        }
        let mut models: Vec<VariantModel> = Vec::new();
        for variant in variants {
            let model = VariantModel::new(variant, models.last(), context)?;
            if let Some(twin) = models.iter().find(|other| other.tag == model.tag) {
                let message = format!("{} has the same tag {}", twin.ident, twin.tag);
                return Err(Error::new_spanned(&variant.ident, message));
            }
            if let Some((count, _)) = bits
                && count < 32
                && model.tag >> count != 0
            {
                let message = format!("tag {} takes more than {count} bits", model.tag);
                return Err(Error::new_spanned(&variant.ident, message));
            }
            if model.is_other && models.iter().any(|other| other.is_other) {
                return Err(Error::new_spanned(&variant.ident, "only one variant can stand for others"));
            }
            models.push(model);
        }
        if models.is_empty() {
            return Err(Error::new_spanned(ident, "an enum without variants has no values to write"));
        }
        Ok(Self { bits: bits.map(|(count, _)| count), variants: models })
    }
}

impl VariantModel {
    fn new(variant: &syn::Variant, previous: Option<&Self>, context: &Context) -> Result<Self> {
        let attributes = VariantAttributes::new(&variant.attrs)?;
        let tag = match (&attributes.tag, &variant.discriminant) {
            (Some(tag), _) => tag.base10_parse()?,
            (None, Some((_, Expr::Lit(literal)))) if let Lit::Int(number) = &literal.lit => {
                number.base10_parse()?
            }
            (None, Some((_, other))) => {
                return Err(Error::new_spanned(other, "say the tag of this variant: #[tme(tag = 1)]"));
            }
            // As Rust counts discriminants.
            (None, None) => match previous {
                None => 0,
                Some(previous) => previous
                    .tag
                    .checked_add(1)
                    .ok_or_else(|| Error::new_spanned(&variant.ident, "there is no tag behind 4294967295"))?,
            },
        };
        let fields = FieldList::new(&variant.fields, context)?;
        if let Some((_, added)) = fields.groups.first()
            && let Some(field) = added.first()
        {
            let message =
                "a variant stays as it is; put its fields into an extensible struct, or add a variant";
            return Err(Error::new_spanned(&field.ty, message));
        }
        let since = attributes.since.as_ref().map(syn::LitInt::base10_parse).transpose()?;
        if attributes.is_other && (!variant.fields.is_empty() || since.is_some()) {
            let message = "the variant for others is there from the beginning and has no fields";
            return Err(Error::new_spanned(&variant.ident, message));
        }
        let name = attributes.name.as_ref().map_or_else(|| variant.ident.to_string(), syn::LitStr::value);
        let is_other = attributes.is_other;
        Ok(Self { ident: variant.ident.clone(), name, tag, since, is_other, fields })
    }
}

impl FieldList {
    fn new(fields: &Fields, context: &Context) -> Result<Self> {
        let mut list = Self { base: Vec::new(), groups: Vec::new(), skipped: Vec::new() };
        for (field, member) in fields.iter().zip(fields.members()) {
            let attributes = FieldAttributes::new(&field.attrs)?;
            let since = attributes.since.as_ref().map(syn::LitInt::base10_parse::<u16>).transpose()?;
            let is_skipped = attributes.is_skipped;
            let model = FieldModel::new(field, member, attributes, context)?;
            match since {
                _ if is_skipped => list.skipped.push(model),
                None => list.base.push(model),
                Some(since) => match list.groups.binary_search_by_key(&since, |(group, _)| *group) {
                    Ok(place) => list.groups[place].1.push(model),
                    Err(place) => list.groups.insert(place, (since, vec![model])),
                },
            }
        }
        Ok(list)
    }

    /// All fields that are written, in the order of the wire.
    pub fn written(&self) -> impl Iterator<Item = (Option<u16>, &FieldModel)> {
        let base = self.base.iter().map(|field| (None, field));
        let added = self
            .groups
            .iter()
            .flat_map(|(since, fields)| fields.iter().map(move |field| (Some(*since), field)));
        base.chain(added)
    }
}

impl FieldModel {
    fn new(
        field: &syn::Field,
        member: Member,
        attributes: FieldAttributes,
        context: &Context,
    ) -> Result<Self> {
        let bare = match &member {
            Member::Named(ident) => ident.to_string().trim_start_matches("r#").to_owned(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        let name = attributes.name.as_ref().map_or_else(|| bare.clone(), syn::LitStr::value);
        if let Some(given) = &attributes.name
            && !is_plain_name(&name)
        {
            return Err(Error::new(given.span(), "a name has letters, digits and underscores"));
        }
        let written = attributes.as_type.as_ref().unwrap_or(&field.ty);
        let form = FormModel::new(&attributes, written, context)?;
        Ok(Self {
            variable: format_ident!("field_{bare}", span = Span::mixed_site()),
            member,
            name,
            ty: field.ty.clone(),
            default: attributes.default,
            as_type: attributes.as_type,
            form,
        })
    }

    /// The type that is written: the field's own, or that by way of which it is.
    pub fn written_type(&self) -> &Type {
        self.as_type.as_ref().unwrap_or(&self.ty)
    }

    /// What the field is where there is nothing to read.
    pub fn default_value(&self) -> TokenStream {
        match &self.default {
            Some(default) => default.to_token_stream(),
            None => quote!(::core::default::Default::default()),
        }
    }

    /// The chosen form as a constant.
    pub fn spec(&self, krate: &Path, form: &FormModel) -> TokenStream {
        let FormModel { value, count_max, .. } = form;
        let name = &self.name;
        let bound = count_max.as_ref().map(|max| quote!(.bounded((#max) as usize)));
        quote!(&const { #krate::serial::form::Spec::new(#name, #value) #bound })
    }
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || character == '_')
}

impl FormModel {
    fn new(attributes: &FieldAttributes, ty: &Type, context: &Context) -> Result<Option<Self>> {
        let krate = &context.krate;
        let forms = quote!(#krate::serial::form);
        let count_max = attributes.max_len.clone();
        let form = |name: &str, value: TokenStream| {
            let name = Ident::new(name, Span::call_site());
            let ty = quote!(#forms::#name);
            Ok(Some(Self { value: quote!(#ty #value), ty, count_max: count_max.clone() }))
        };
        let kind = quote!(<#ty as #forms::Numbers>::KIND);
        if attributes.is_quaternion {
            let bits = attributes.bits.as_ref();
            let bits = bits.map_or(quote!(#forms::UnitQuaternion::BITS_DEFAULT), ToTokens::to_token_stream);
            return form("UnitQuaternion", quote!(::new(#bits)));
        }
        if let Some(range) = &attributes.range {
            let (low, high) = (&range.start, &range.end);
            if let Some(precision) = &attributes.precision {
                Self::check_closed(range)?;
                let value = quote!(::by_precision((#low) as f64, (#high) as f64, (#precision) as f64));
                return form("Quantized", value);
            }
            if let Some(bits) = &attributes.bits {
                Self::check_closed(range)?;
                return form("Quantized", quote!(::by_bits((#low) as f64, (#high) as f64, #bits)));
            }
            if is_of_floats(range) {
                let message = "a range of floats needs a precision, or bits: how finely is it divided?";
                return Err(Error::new_spanned(range, message));
            }
            let make = if is_closed(range) { quote!(new) } else { quote!(below) };
            return form("IntegerRange", quote!(::#make((#low) as i128, (#high) as i128).within(#kind)));
        }
        if let Some(precision) = &attributes.precision {
            return form("Steps", quote!(::new((#precision) as f64)));
        }
        if let Some(bits) = &attributes.bits {
            return form("IntegerRange", quote!(::of_bits(#bits, #kind).within(#kind)));
        }
        if attributes.is_fixed {
            return form("Fixed", quote!());
        }
        if attributes.is_varint || context.is_varint && is_of_wide_integers(ty) {
            return form("Varint", quote!());
        }
        if count_max.is_some() {
            return form("Plain", quote!());
        }
        Ok(None)
    }

    fn check_closed(range: &syn::ExprRange) -> Result<()> {
        if is_closed(range) {
            return Ok(());
        }
        Err(Error::new_spanned(range, "the ends of a range of floats both belong to it: write ..="))
    }
}

/// Whether a type is an integer of more than a byte, or an array, list, option or box of them: what `varint` of a whole type
/// reaches.
fn is_of_wide_integers(ty: &Type) -> bool {
    match ty {
        Type::Array(array) => is_of_wide_integers(&array.elem),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return false };
            match (last.ident.to_string().as_str(), &last.arguments) {
                ("u16" | "u32" | "u64" | "i16" | "i32" | "i64", PathArguments::None) => true,
                ("Vec" | "Option" | "Box", PathArguments::AngleBracketed(arguments)) => {
                    matches!(arguments.args.first(), Some(GenericArgument::Type(inner)) if is_of_wide_integers(inner))
                }
                _ => false,
            }
        }
        _ => false,
    }
}
