//! Whether the C++ wrapper offers all that the C interface has, so that it cannot fall behind.

use std::collections::BTreeSet;
use std::fs;

use crate::tree;

/// Constants that the wrapper needs no word for, each with its reason.
const LEFT_OUT: [(&str, &str); 5] = [
    ("TME_VERSION_MAJOR", "a part of TME_VERSION"),
    ("TME_VERSION_MINOR", "a part of TME_VERSION"),
    ("TME_VERSION_PATCH", "a part of TME_VERSION"),
    ("TME_KEY_TEXT_BYTES", "texts are asked for their size"),
    ("TME_TOKEN_TEXT_BYTES", "texts are asked for their size"),
];

/// Structs that are translated field by field. Statistics are not: there the wrapper's structs are those of C.
const TRANSLATED: [&str; 15] = [
    "TmeApplicantInfo",
    "TmeBroadcast",
    "TmeChannelConfig",
    "TmeClientConfig",
    "TmeConditions",
    "TmeDiscoveryConfig",
    "TmeEvent",
    "TmeFoundServer",
    "TmeLogConfig",
    "TmePeerInfo",
    "TmeSendOptions",
    "TmeServerConfig",
    "TmeServerInfo",
    "TmeTokenConfig",
    "TmeTokenInfo",
];

/// Fields that say nothing.
const HOUSEKEEPING: [&str; 2] = ["struct_size", "reserved"];

/// A C or C++ text without its comments. Good for our headers: none has a comment's mark in a string.
fn code(text: &str) -> String {
    let blocks = text.split("/*").enumerate().map(|(index, part)| match (index, part.split_once("*/")) {
        (0, _) => part,
        (_, Some((_, code))) => code,
        (_, None) => "",
    });
    let without_blocks: String = blocks.collect();
    let lines = without_blocks.lines().map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// The words of a code.
fn words(code: &str) -> BTreeSet<&str> {
    code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect()
}

/// The constants that a header defines with a value.
fn constants(code: &str) -> Vec<&str> {
    let definitions = code.lines().filter_map(|line| line.strip_prefix("#define "));
    let with_value = definitions.filter_map(|definition| definition.split_once(' '));
    with_value.map(|(name, _)| name).filter(|name| name.starts_with("TME_") && *name != "TME_C_API").collect()
}

/// The names of a struct's fields.
fn fields<'a>(code: &'a str, name: &str) -> Vec<&'a str> {
    let Some((_, rest)) = code.split_once(&format!("typedef struct {name} {{")) else { return Vec::new() };
    let body = rest.split('}').next().unwrap_or_default();
    let declarations = body.split(';').map(|field| field.split('[').next().unwrap_or(field));
    let names = declarations.filter_map(|field| field.split([' ', '*', '\n']).next_back());
    names.filter(|name| !name.is_empty() && !HOUSEKEEPING.contains(name)).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(tree::root().join(path)).expect("the header is readable text")
}

#[test]
fn the_wrapper_offers_all_of_the_c_interface() {
    let (c, cpp) = (code(&read("include/tme.h")), code(&read("bindings/cpp/include/tme.hpp")));
    let (declared, used) = (words(&c), words(&cpp));
    let functions: Vec<&str> = declared.into_iter().filter(|word| word.starts_with("tme_")).collect();
    let constants = constants(&c);
    assert!(functions.len() > 60 && constants.len() > 100, "the header is read wrongly");

    let is_left_out = |name: &str| LEFT_OUT.iter().any(|(left_out, _)| *left_out == name);
    let mut missing: Vec<String> = functions
        .into_iter()
        .chain(constants)
        .filter(|name| !used.contains(name) && !is_left_out(name))
        .map(str::to_owned)
        .collect();
    for name in TRANSLATED {
        let fields = fields(&c, name);
        assert!(!fields.is_empty(), "{name} is read wrongly");
        let is_used = |field: &str| {
            let access = format!(".{field}");
            let is_whole = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            cpp.match_indices(&access).any(|(at, _)| cpp.get(at + access.len()..).is_some_and(is_whole))
        };
        let unused = fields.into_iter().filter(|field| !is_used(field));
        missing.extend(unused.map(|field| format!("{name}::{field}")));
    }
    assert!(missing.is_empty(), "tme.hpp has no words for: {}", missing.join(", "));
}

#[test]
fn the_wrapper_is_plain_ascii() {
    // Compilers that take a file for the system's code page warn about everything else, and games make that an error.
    for (index, line) in read("bindings/cpp/include/tme.hpp").lines().enumerate() {
        assert!(line.is_ascii(), "tme.hpp:{}: {line}", index + 1);
    }
}

#[test]
fn what_a_header_declares_is_found() {
    let text = "/* tme_in_a_comment( */\n#define TME_H\n#define TME_ONE 1u\nint tme_f(void); // tme_g(\n\
                typedef struct TmeX {\n    uint32_t struct_size;\n    const char *name;\n    char key[72];\n} TmeX;\n";
    let code = code(text);
    let functions: Vec<&str> = words(&code).into_iter().filter(|word| word.starts_with("tme_")).collect();
    assert_eq!(functions, ["tme_f"]);
    assert_eq!(constants(&code), ["TME_ONE"]);
    assert_eq!(fields(&code, "TmeX"), ["name", "key"]);
    assert!(fields(&code, "TmeY").is_empty());
}
