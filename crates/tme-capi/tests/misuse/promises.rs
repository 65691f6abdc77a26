//! What `include/tme.h` promises: its functions, its numbers, and which results each function can give.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The header, read.
#[derive(Debug)]
pub struct Promises {
    /// `TME_OK`, `TME_PARTIAL` and `TME_ERROR_…` by number.
    pub results: BTreeMap<i32, String>,
    /// `TME_REASON_…`.
    pub reasons: BTreeSet<u32>,
    /// Every function, with the results that its comment names. Empty for those that give no result.
    pub functions: BTreeMap<String, BTreeSet<i32>>,
}

impl Promises {
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include/tme.h");
        let text = std::fs::read_to_string(&path).expect("the header is readable");
        Self::of(&text)
    }

    fn of(header: &str) -> Self {
        let constants: BTreeMap<String, i64> = header.lines().filter_map(constant).collect();
        let mut results = BTreeMap::new();
        for (name, &number) in &constants {
            if name == "TME_OK" || name == "TME_PARTIAL" || name.starts_with("TME_ERROR_") {
                results.insert(number as i32, name.clone());
            }
        }
        let reasons = constants.iter().filter(|(name, _)| name.starts_with("TME_REASON_"));
        let reasons = reasons.map(|(_, &number)| number as u32).collect();
        let comments = comments(header);
        let mut functions =
            comments.keys().map(|name| (name.clone(), promised(name, &comments, &results))).collect();
        add_first_errors(&comments, &mut functions);
        Self { results, reasons, functions }
    }
}

/// `#define NAME 7u`, `#define NAME (-7)`.
fn constant(line: &str) -> Option<(String, i64)> {
    let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
    let value = value.trim_start_matches('(').trim_end_matches([')', 'u']);
    Some((name.to_owned(), value.parse().ok()?))
}

/// The comment of every function.
fn comments(header: &str) -> BTreeMap<String, String> {
    let mut comments = BTreeMap::new();
    let mut comment = String::new();
    for line in header.lines() {
        if line.starts_with("/**") {
            comment.clear();
        }
        if line.starts_with("/**") || line.starts_with(" *") {
            comment.push_str(line.trim_start_matches([' ', '*', '/']));
            comment.push('\n');
        } else if let Some(declaration) = line.strip_prefix("TME_C_API ") {
            let head = declaration.split('(').next().unwrap_or_default();
            let name = head.rsplit([' ', '*']).next().unwrap_or_default();
            comments.insert(name.to_owned(), std::mem::take(&mut comment));
        }
    }
    comments
}

/// The results that a function's comment names, those of the function it refers to included.
fn promised(
    name: &str,
    comments: &BTreeMap<String, String>,
    results: &BTreeMap<i32, String>,
) -> BTreeSet<i32> {
    let comment = comments.get(name).map_or("", String::as_str);
    let after = comment.split_once("Returns:").map_or("", |(_, after)| after);
    let text = after.split("Threads:").next().unwrap_or_default();
    let words = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let mut promised = BTreeSet::new();
    for word in text.split(words) {
        if let Some((number, _)) = results.iter().find(|(_, name)| *name == word) {
            promised.insert(*number);
        }
    }
    if let Some(other) = text.split_once("as tme_").and_then(|(_, rest)| rest.split(words).next()) {
        promised.extend(self::promised(&format!("tme_{other}"), comments, results));
    }
    promised
}

/// An error of a writer or a reader stays, so that any function of it can give what any other one can.
fn add_first_errors(comments: &BTreeMap<String, String>, functions: &mut BTreeMap<String, BTreeSet<i32>>) {
    for noun in ["tme_writer_", "tme_reader_"] {
        let of_noun = functions.iter().filter(|(name, _)| name.starts_with(noun));
        let errors: BTreeSet<i32> = of_noun.flat_map(|(_, results)| results.clone()).collect();
        for (name, results) in functions.iter_mut().filter(|(name, _)| name.starts_with(noun)) {
            if comments.get(name).is_some_and(|comment| {
                comment.replace('\n', " ").contains("first error") || comment.contains("as tme_")
            }) {
                results.extend(&errors);
            }
        }
    }
}

#[test]
fn the_header_is_understood() {
    let promises = Promises::read();
    assert_eq!(promises.results[&-203], "TME_ERROR_WOULD_BLOCK");
    assert!(promises.reasons.contains(&113));
    let kick = &promises.functions["tme_server_kick"];
    assert_eq!(*kick, [-402, -301, -302, -107, -202, 0].into(), "its own, and what it refers to");
    assert!(promises.functions["tme_version"].is_empty());
}
