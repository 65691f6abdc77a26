//! Writes `impl Message`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Lit, Result};

use crate::encode::option;
use crate::model::Model;

pub fn implementation(model: &Model) -> Result<TokenStream> {
    let Model { ident, krate, name, attributes, .. } = model;
    let Some(id) = &attributes.id else {
        return Err(Error::new_spanned(ident, "a message needs an id: #[tme(id = 7)]"));
    };
    let bound = quote!(#krate::serial::Encode + #krate::serial::Decode);
    let generics = model.bounded_generics(&bound);
    let (parameters, arguments, clause) = generics.split_for_impl();
    let channel = match &attributes.channel {
        None => None,
        Some(Lit::Int(number)) => {
            let number: u8 = number.base10_parse()?;
            Some(quote!(#krate::serial::MessageChannel::id(#number)))
        }
        Some(Lit::Str(name)) => Some(quote!(#krate::serial::MessageChannel::Named(#name))),
        Some(other) => {
            return Err(Error::new_spanned(
                other,
                "a channel is named (channel = \"state\") or numbered (channel = 1)",
            ));
        }
    };
    let channel = channel.map(|channel| quote!(const CHANNEL: #krate::serial::MessageChannel = #channel;));
    let since = attributes.since.as_ref().map(syn::LitInt::base10_parse::<u16>).transpose()?;
    let since = option(since);
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #krate::serial::Message for #ident #arguments #clause {
            const ID: u32 = {
                assert!((#id) as u64 != 0 && (#id) as u64 <= u32::MAX as u64, "an id is 1 to 4294967295");
                (#id) as u32
            };
            const NAME: &'static str = #name;
            const SINCE: ::core::option::Option<u16> = #since;
            #channel
        }
    })
}
