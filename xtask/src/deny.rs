//! Reads the allowed licences and the banned crates from `deny.toml`.
//!
//! Not a TOML parser: it reads three lists written with one entry a line, and refuses the file when it meets
//! anything else in them. A full parser would be one more dependency to explain.

use std::collections::{BTreeMap, BTreeSet};

/// The part of `deny.toml` that the policy check uses.
#[derive(Debug, PartialEq)]
pub struct Deny {
    /// `licenses.allow`: SPDX identifiers.
    pub allowed_licences: BTreeSet<String>,
    /// `licenses.exceptions`: by the name of a crate, a licence that it alone may have.
    pub exceptions: BTreeMap<String, String>,
    /// `bans.deny`: names of crates.
    pub banned_crates: BTreeSet<String>,
}

impl Deny {
    /// Reads the text of the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self {
            allowed_licences: list(text, "licenses", "allow", |entry| quoted(entry, ""))?,
            exceptions: list(text, "licenses", "exceptions", exception)?,
            banned_crates: list(text, "bans", "deny", |entry| {
                quoted(entry, "{ crate = ").or_else(|| quoted(entry, ""))
            })?,
        })
    }
}

/// The entries of the list `key` in `section`. It must be there and hold something: an empty list of bans
/// would look like a check that passes.
fn list<T, C: FromIterator<T>>(
    text: &str,
    section: &str,
    key: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<C, String> {
    let unreadable = |line: &str| format!("deny.toml: cannot read {line:?} in {section}.{key}");
    let entries = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != format!("[{section}]"))
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .skip_while(|line| *line != format!("{key} = ["))
        .skip(1)
        .take_while(|line| *line != "]")
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| read(line).ok_or_else(|| unreadable(line)))
        .collect::<Result<Vec<_>, _>>()?;
    if entries.is_empty() {
        return Err(format!("deny.toml has no list {section}.{key}"));
    }
    Ok(entries.into_iter().collect())
}

/// The crate and the licence in `{ allow = ["…"], crate = "…" }`.
fn exception(entry: &str) -> Option<(String, String)> {
    let licence = quoted(entry, "{ allow = [")?;
    let (_, rest) = entry.split_once(&format!("[\"{licence}\"], "))?;
    Some((quoted(rest, "crate = ")?, licence))
}

/// The string in quotes that follows `prefix`.
fn quoted(entry: &str, prefix: &str) -> Option<String> {
    let (text, _) = entry.strip_prefix(prefix)?.strip_prefix('"')?.split_once('"')?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [licenses]
        allow = [
            # the usual
            "MIT",
            "ISC", # ring
        ]
        exceptions = [
            { allow = ["MPL-2.0"], crate = "cbindgen" },
        ]
        [licenses.private]
        ignore = false
        [bans]
        multiple-versions = "warn"
        deny = [
            { crate = "openssl", reason = "no" },
            "boring",
        ]
    "#;

    #[test]
    fn all_lists_are_read() {
        let deny = Deny::parse(FILE).unwrap();
        assert_eq!(deny.allowed_licences, ["ISC", "MIT"].map(str::to_owned).into());
        assert_eq!(deny.exceptions, [("cbindgen".to_owned(), "MPL-2.0".to_owned())].into());
        assert_eq!(deny.banned_crates, ["boring", "openssl"].map(str::to_owned).into());
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let broken = [
            FILE.replace("{ crate = \"openssl\"", "{ name = \"openssl\""),
            FILE.replace("\"MIT\",", "'MIT',"),
            FILE.replace("deny = [", "deny=["),
            FILE.replace("[licenses]", "[licences]"),
            FILE.replace("[\"MPL-2.0\"]", "[\"MPL-2.0\", \"GPL-3.0\"]"),
            String::new(),
        ];
        for text in broken {
            assert!(Deny::parse(&text).is_err(), "accepted:\n{text}");
        }
    }

    #[test]
    fn the_file_of_this_repository_is_readable() {
        let deny = Deny::parse(include_str!("../../deny.toml")).unwrap();
        assert!(deny.allowed_licences.contains("MIT"));
        assert!(deny.banned_crates.contains("openssl-sys"));
    }
}
