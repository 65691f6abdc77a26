//! Writes `impl Decode`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Path, Result};

use crate::model::{EnumModel, FieldList, FieldModel, Model, Shape, StructModel, VariantModel};

pub fn implementation(model: &Model) -> Result<TokenStream> {
    let Model { ident, krate, shape, .. } = model;
    let generics = model.bounded_generics(&quote!(#krate::serial::Decode));
    let (parameters, arguments, clause) = generics.split_for_impl();
    let Parts { bits_min, decode, decode_body } = match shape {
        Shape::Struct(shape) => Parts::of_struct(krate, shape),
        Shape::Enum(shape) => Parts::of_enum(krate, shape),
    };
    let error = quote!(#krate::serial::DecodeError);
    let decode_body = decode_body.map(|body| {
        quote! {
            fn decode_body(
                reader: &mut #krate::serial::Reader<'_>,
            ) -> ::core::result::Result<Self, #error> {
                #body
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #krate::serial::Decode for #ident #arguments #clause {
            const BITS_MIN: usize = #bits_min;

            #[inline]
            #[allow(unused_variables)]
            fn decode(
                reader: &mut #krate::serial::Reader<'_>,
            ) -> ::core::result::Result<Self, #error> {
                #decode
            }

            #decode_body
        }
    })
}

struct Parts {
    bits_min: TokenStream,
    decode: TokenStream,
    decode_body: Option<TokenStream>,
}

impl Parts {
    fn of_struct(krate: &Path, shape: &StructModel) -> Self {
        let StructModel { fields, is_extensible, .. } = shape;
        let base = fields.base.iter().map(|field| take(krate, field));
        let base = quote!(#(#base)*);
        let made = made(fields);
        let sizes = fields.base.iter().map(|field| bits_min(krate, field));
        let own = usize::from(*is_extensible);
        let bits_min = quote!(#own #(+ #sizes)*);
        if !is_extensible {
            let decode = quote!(#base ::core::result::Result::Ok(Self #made));
            return Self { bits_min, decode, decode_body: None };
        }
        let groups = fields.groups.iter().map(|(_, added)| {
            let variables: Vec<_> = added.iter().map(|field| &field.variable).collect();
            let takes = added.iter().map(|field| take(krate, field));
            let defaults = added.iter().map(FieldModel::default_value);
            quote! {
                let (#(#variables,)*) = match reader.next_addition(&additions)? {
                    ::core::option::Option::Some(block) => {
                        #(#takes)*
                        reader.end_block(block)?;
                        (#(#variables,)*)
                    }
                    ::core::option::Option::None => (#(#defaults,)*),
                };
            }
        });
        let groups = quote! {
            #(#groups)*
            reader.end_additions(additions)?;
            ::core::result::Result::Ok(Self #made)
        };
        let decode = quote!(#base let additions = reader.begin_additions()?; #groups);
        let decode_body = quote!(#base let additions = reader.begin_message_additions()?; #groups);
        Self { bits_min, decode, decode_body: Some(decode_body) }
    }

    fn of_enum(krate: &Path, shape: &EnumModel) -> Self {
        let arms = shape.variants.iter().map(|variant| {
            let VariantModel { ident, tag, since, fields, .. } = variant;
            let takes = fields.base.iter().map(|field| take(krate, field));
            let made = made(fields);
            let (begin, end) = match since {
                None => (quote!(), quote!()),
                Some(_) => (quote!(let block = reader.begin_block()?;), quote!(reader.end_block(block)?;)),
            };
            let tag = u64::from(*tag);
            quote!(#tag => { #begin #(#takes)* #end ::core::result::Result::Ok(Self::#ident #made) })
        });
        let unknown = match shape.variants.iter().find(|variant| variant.is_other) {
            Some(VariantModel { ident, .. }) => quote! {
                let block = reader.begin_block()?;
                reader.skip_block(block);
                ::core::result::Result::Ok(Self::#ident)
            },
            None => quote! {
                ::core::result::Result::Err(reader.error(#krate::serial::Malformation::Variant))
            },
        };
        let (bits_min, tag) = match shape.bits {
            None => (8, quote!(reader.varint()?)),
            Some(bits) => (bits as usize, quote!(reader.bits(#bits)?)),
        };
        let decode = quote!(match #tag { #(#arms)* _ => { #unknown } });
        Self { bits_min: quote!(#bits_min), decode, decode_body: None }
    }
}

/// The braces with which a value is made of the variables of its fields.
fn made(fields: &FieldList) -> TokenStream {
    let defaults = fields.skipped.iter().map(|field| {
        let (member, default) = (&field.member, field.default_value());
        quote!(#member: #default,)
    });
    let read = fields.written().map(|(_, FieldModel { member, variable, .. })| quote!(#member: #variable,));
    quote!({ #(#read)* #(#defaults)* })
}

/// Reads a field into its variable.
fn take(krate: &Path, field: &FieldModel) -> TokenStream {
    let (variable, own) = (&field.variable, &field.ty);
    let ty = field.written_type();
    let value = match &field.form {
        None => quote!(<#ty as #krate::serial::Decode>::decode(reader)?),
        Some(form) => {
            let (leaf, spec) = (&form.ty, field.spec(krate, form));
            quote!(<#ty as #krate::serial::form::DecodeWith<#leaf>>::decode_with(#spec, reader)?)
        }
    };
    if field.as_type.is_some() {
        quote!(let #variable: #own = ::core::convert::From::<#ty>::from(#value);)
    } else {
        quote!(let #variable: #own = #value;)
    }
}

/// Bits that a field takes at least.
fn bits_min(krate: &Path, field: &FieldModel) -> TokenStream {
    let ty = field.written_type();
    match &field.form {
        None => quote!(<#ty as #krate::serial::Decode>::BITS_MIN),
        Some(form) => {
            let (leaf, value) = (&form.ty, &form.value);
            let with = quote!(<#ty as #krate::serial::form::DecodeWith<#leaf>>);
            quote!((#with::LEAVES * (#value).min_bits() + #with::BITS))
        }
    }
}
