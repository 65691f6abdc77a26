//! Writes `impl Encode`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Path, Result};

use crate::model::{EnumModel, FieldList, FieldModel, Model, Shape, StructModel, VariantModel};

pub fn implementation(model: &Model) -> Result<TokenStream> {
    let Model { ident, krate, name, shape, .. } = model;
    let generics = model.bounded_generics(&quote!(#krate::serial::Encode));
    let (parameters, arguments, clause) = generics.split_for_impl();
    let parts = match shape {
        Shape::Struct(shape) => Parts::of_struct(krate, name, shape),
        Shape::Enum(shape) => Parts::of_enum(krate, name, shape),
    };
    let Parts { encode, encode_body, form } = parts;
    let encode_body = encode_body.map(|body| {
        quote! {
            fn encode_body(&self, writer: &mut #krate::serial::Writer<'_>) {
                #body
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #krate::serial::Encode for #ident #arguments #clause {
            #[inline]
            #[allow(unused_variables)]
            fn encode(&self, writer: &mut #krate::serial::Writer<'_>) {
                #encode
            }

            #encode_body

            #[allow(unused_variables)]
            fn form(describer: &mut #krate::serial::Describer) -> #krate::serial::Form {
                #form
            }
        }
    })
}

struct Parts {
    encode: TokenStream,
    encode_body: Option<TokenStream>,
    form: TokenStream,
}

impl Parts {
    fn of_struct(krate: &Path, name: &str, shape: &StructModel) -> Self {
        let StructModel { fields, is_transparent, is_extensible } = shape;
        let here = |field: &FieldModel| {
            let member = &field.member;
            quote!(&self.#member)
        };
        let base = fields.base.iter().map(|field| write(krate, field, &here(field)));
        let base = quote!(#(#base)*);
        if *is_transparent && let Some(field) = fields.base.first() {
            return Self { encode: base, encode_body: None, form: form(krate, field) };
        }
        let groups = fields.groups.iter().map(|(_, added)| {
            let writes = added.iter().map(|field| write(krate, field, &here(field)));
            quote!(writer.block(|writer| { #(#writes)* });)
        });
        let groups = quote!(#(#groups)*);
        let (mut encode, mut encode_body) = (base.clone(), None);
        if *is_extensible {
            let are_there = !fields.groups.is_empty();
            let block = are_there.then(|| quote!(writer.block(|writer| { #groups });));
            encode = quote!(#base writer.bool(#are_there); #block);
            encode_body = Some(quote!(#base #groups));
        }
        let growth = if *is_extensible { quote!(Extensible) } else { quote!(Closed) };
        let described = described(krate, fields);
        let form = quote! {
            describer.structure::<Self>(#name, #krate::serial::Growth::#growth, |describer| #described)
        };
        Self { encode, encode_body, form }
    }

    fn of_enum(krate: &Path, name: &str, shape: &EnumModel) -> Self {
        let arms = shape.variants.iter().map(|variant| {
            let VariantModel { ident, tag, since, fields, .. } = variant;
            let bound =
                fields.base.iter().map(|FieldModel { member, variable, .. }| quote!(#member: #variable,));
            let writes = fields.base.iter().map(|field| {
                let variable = &field.variable;
                write(krate, field, &quote!(#variable))
            });
            let mut content = quote!(#(#writes)*);
            if since.is_some() {
                content = quote!(writer.block(|writer| { #content }););
            }
            let tag = match shape.bits {
                None => quote!(writer.varint(#tag as u64);),
                Some(bits) => quote!(writer.bits(#tag as u64, #bits);),
            };
            quote!(Self::#ident { #(#bound)* .. } => { #tag #content })
        });
        let described = shape.variants.iter().map(|variant| {
            let VariantModel { name, tag, since, is_other, fields, .. } = variant;
            let since = option(*since);
            let fields = described(krate, fields);
            quote! {
                #krate::serial::VariantForm {
                    tag: #tag,
                    name: #name,
                    since: #since,
                    is_other: #is_other,
                    fields: #fields,
                }
            }
        });
        let tag = match shape.bits {
            None => quote!(#krate::serial::TagForm::Varint),
            Some(bits) => quote!(#krate::serial::TagForm::Bits(#bits)),
        };
        let form = quote! {
            describer.enumeration::<Self>(#name, #tag, |describer| ::std::vec![#(#described),*])
        };
        Self { encode: quote!(match self { #(#arms)* }), encode_body: None, form }
    }
}

/// The descriptions of all fields that are written.
fn described(krate: &Path, fields: &FieldList) -> TokenStream {
    let fields = fields.written().map(|(since, field)| {
        let (name, form, since) = (&field.name, form(krate, field), option(since));
        quote!(#krate::serial::FieldForm { name: #name, since: #since, form: #form })
    });
    quote!(::std::vec![#(#fields),*])
}

pub fn option(since: Option<u16>) -> TokenStream {
    match since {
        Some(since) => quote!(::core::option::Option::Some(#since)),
        None => quote!(::core::option::Option::None),
    }
}

/// Writes a field; `place` is a reference to it.
fn write(krate: &Path, field: &FieldModel, place: &TokenStream) -> TokenStream {
    let (before, place) = match &field.as_type {
        None => (quote!(), place.clone()),
        Some(ty) => {
            let converted = quote! {
                let converted: #ty = ::core::convert::Into::into(::core::clone::Clone::clone(#place));
            };
            (converted, quote!(&converted))
        }
    };
    let ty = field.written_type();
    match &field.form {
        None => quote!({ #before <#ty as #krate::serial::Encode>::encode(#place, writer); }),
        Some(form) => {
            let (leaf, spec) = (&form.ty, field.spec(krate, form));
            quote!({ #before <#ty as #krate::serial::form::EncodeWith<#leaf>>::encode_with(#place, #spec, writer); })
        }
    }
}

/// Describes the form of a field.
fn form(krate: &Path, field: &FieldModel) -> TokenStream {
    let ty = field.written_type();
    match &field.form {
        None => quote!(<#ty as #krate::serial::Encode>::form(describer)),
        Some(form) => {
            let (leaf, spec) = (&form.ty, field.spec(krate, form));
            quote!(<#ty as #krate::serial::form::EncodeWith<#leaf>>::form_with(#spec, describer))
        }
    }
}
