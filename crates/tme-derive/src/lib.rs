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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a type that cannot be, by whichever macro notices.
    fn refused(source: &str) -> String {
        let input: DeriveInput = syn::parse_str(source).expect("it is a type");
        let implementations = [encode::implementation, decode::implementation, message::implementation];
        let result = Model::new(&input)
            .and_then(|model| implementations.iter().try_for_each(|implement| implement(&model).map(|_| ())));
        result.expect_err(source).to_string()
    }

    #[test]
    fn what_cannot_be_is_explained() {
        let table = [
            ("struct A { x: u8 }", "a message needs an id: #[tme(id = 7)]"),
            ("#[tme(id = 0)] struct A;", "id 0 is reserved"),
            ("#[tme(id = 1, id = 2)] struct A;", "this is given twice"),
            (
                "#[tme(di = 1)] struct A;",
                "there is no such attribute here; there are id, channel, name, since, extensible",
            ),
            (
                "#[tme(id = 1, channel = 1.5)] struct A;",
                "a channel is named (channel = \"state\") or numbered",
            ),
            (
                "#[tme(id = 1)] struct A { #[tme(ranje = 0..=3)] x: u8 }",
                "there is no such attribute here; there are range",
            ),
            ("#[tme(id = 1)] struct A { #[tme(range = 0..)] x: u8 }", "a range has both ends: 0..=3"),
            ("#[tme(id = 1)] struct A { #[tme(range = 3)] x: u8 }", "a range has both ends: 0..=3"),
            (
                "#[tme(id = 1)] struct A { #[tme(range = 0.0..=1.0)] x: f32 }",
                "a range of floats needs a precision, or bits",
            ),
            (
                "#[tme(id = 1)] struct A { #[tme(range = 0.0..1.0, bits = 8)] x: f32 }",
                "the ends of a range of floats both",
            ),
            (
                "#[tme(id = 1)] struct A { #[tme(bits = 8, precision = 0.1)] x: f32 }",
                "bits and precision say the same",
            ),
            (
                "#[tme(id = 1)] struct A { #[tme(varint, fixed)] x: u32 }",
                "varint, fixed and quaternion exclude each other",
            ),
            (
                "#[tme(id = 1)] struct A { #[tme(varint, range = 0..=3)] x: u32 }",
                "have no range and no precision",
            ),
            ("#[tme(id = 1)] struct A { #[tme(varint, bits = 3)] x: u32 }", "varint and fixed have no bits"),
            (
                "#[tme(id = 1)] struct A { #[tme(default = 3)] x: u32 }",
                "only fields with `since` or `skip` have a default",
            ),
            ("#[tme(id = 1)] struct A { #[tme(since = 1)] x: u32 }", "a version from 2 to 65535"),
            (
                "#[tme(id = 1)] struct A { #[tme(name = \"a b\")] x: u32 }",
                "a name has letters, digits and underscores",
            ),
            ("struct A { #[tme(since = 2)] x: u32 }", "fields can only be added to messages"),
            ("#[tme(id = 1, bits = 3)] struct A { x: u32 }", "bits of a type are those of an enum's tag"),
            ("#[tme(id = 1)] union A { x: u32 }", "a union cannot be written"),
            ("#[tme(id = 1)] enum A {}", "an enum without variants has no values to write"),
            ("#[tme(id = 1, extensible)] enum A { B }", "an enum grows by variants with `since`"),
            ("#[tme(id = 1, bits = 33)] enum A { B }", "a tag has 1 to 32 bits"),
            ("#[tme(id = 1, bits = 1)] enum A { B, C, D }", "tag 2 takes more than 1 bits"),
            ("#[tme(id = 1)] enum A { #[tme(tag = 1)] B, #[tme(tag = 1)] C }", "B has the same tag 1"),
            ("#[tme(id = 1)] enum A { B = 1, #[tme(tag = 0)] C, D }", "B has the same tag 1"),
            ("#[tme(id = 1)] enum A { B = -1 }", "say the tag of this variant"),
            (
                "#[tme(id = 1)] enum A { #[tme(other)] B, #[tme(other)] C }",
                "only one variant can stand for others",
            ),
            (
                "#[tme(id = 1)] enum A { #[tme(other)] B(u8) }",
                "the variant for others is there from the beginning",
            ),
            ("#[tme(id = 1)] enum A { B { #[tme(since = 2)] x: u8 } }", "a variant stays as it is"),
        ];
        for (source, expected) in table {
            let found = refused(source);
            assert!(found.starts_with(expected) || found.contains(expected), "{source}: {found}");
        }
    }
}
