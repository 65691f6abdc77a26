//! The derive macros of TME: a game's own types as messages.
//!
//! They come with the crate `tme`, whose module `serial` tells what they are for; `docs/SERIALIZATION.md` §9 lists the
//! attributes. `attributes` reads them, `model` is a type as they describe it, the others write the implementations.
#![forbid(unsafe_code)]

mod attributes;
mod decode;
mod encode;
mod message;
mod model;

use proc_macro::TokenStream;
use syn::DeriveInput;

use model::Model;

/// Implements `Encode`: the type can be written into messages.
#[proc_macro_derive(Encode, attributes(tme))]
pub fn derive_encode(input: TokenStream) -> TokenStream {
    expand(input, encode::implementation)
}

/// Implements `Decode`: the type can be read from messages.
#[proc_macro_derive(Decode, attributes(tme))]
pub fn derive_decode(input: TokenStream) -> TokenStream {
    expand(input, decode::implementation)
}

/// Implements `Message`: the type can be sent by itself. Needs `#[tme(id = …)]`, `Encode` and `Decode`.
#[proc_macro_derive(Message, attributes(tme))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    expand(input, message::implementation)
}

fn expand(
    input: TokenStream,
    implement: impl Fn(&Model) -> syn::Result<proc_macro2::TokenStream>,
) -> TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    let result = Model::new(&input).and_then(|model| implement(&model));
    result.unwrap_or_else(|error| error.to_compile_error()).into()
}
