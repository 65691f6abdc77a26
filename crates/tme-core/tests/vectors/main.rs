//! The golden vectors of `tests/vectors`, through the public interface of this crate.
//!
//! What decodes must give what the file says, and, where a value has one encoding, encode to the same bytes. What the
//! file marks as an error must be refused. A vector that only private parts can answer (nonces, derived keys, Noise
//! messages of any content) is checked by a unit test beside them.
#![forbid(unsafe_code)]

mod encodings;
mod frames;
mod handshake;
mod packets;
mod streams;

use std::fmt;
use std::path::Path;

use serde_json::Value;

/// Why input was refused; which error it is does not matter to the vectors.
type Checked = Result<(), String>;

/// One vector. Fields are asked for by name; a missing one is a bug in the file or in the test.
#[derive(Clone, Copy)]
struct Entry<'a>(&'a Value);

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text("name"))
    }
}

impl<'a> Entry<'a> {
    fn field(self, name: &str) -> &'a Value {
        self.0.get(name).unwrap_or_else(|| panic!("no field {name} in {}", self.0))
    }

    fn text(self, name: &str) -> &'a str {
        self.field(name).as_str().unwrap_or_else(|| panic!("{name} is no string in {}", self.0))
    }

    fn number(self, name: &str) -> u64 {
        self.field(name).as_u64().unwrap_or_else(|| panic!("{name} is no number in {}", self.0))
    }

    /// `None` for `null`.
    fn maybe_number(self, name: &str) -> Option<u64> {
        (!self.field(name).is_null()).then(|| self.number(name))
    }

    fn bytes(self, name: &str) -> Vec<u8> {
        unhex(self.text(name))
    }

    fn array<const N: usize>(self, name: &str) -> [u8; N] {
        let bytes = self.bytes(name);
        bytes.try_into().unwrap_or_else(|_| panic!("{name} is not {N} bytes long in {}", self.0))
    }

    fn list(self, name: &str) -> Vec<Entry<'a>> {
        let values = self.field(name).as_array().unwrap_or_else(|| panic!("{name} is no list in {}", self.0));
        values.iter().map(Entry).collect()
    }

    /// The elements of a list of hex strings.
    fn byte_strings(self, name: &str) -> Vec<Vec<u8>> {
        self.list(name).iter().map(|entry| unhex(entry.0.as_str().expect("a string"))).collect()
    }

    fn is_error(self) -> bool {
        self.0.get("error").is_some_and(|error| error.as_bool().expect("a bool"))
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).expect("hexadecimal digits") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs `check` on every vector of a file: it must refuse those marked as errors and no other one.
fn for_each(file: &str, mut check: impl FnMut(Entry<'_>) -> Checked) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let content: Value = serde_json::from_str(&text).expect("vector files are JSON");
    let vectors = Entry(&content).list("vectors");
    assert!(!vectors.is_empty());
    for entry in vectors {
        match check(entry) {
            Ok(()) => assert!(!entry.is_error(), "{file}: {entry}: accepted, but it is malformed"),
            Err(error) => assert!(entry.is_error(), "{file}: {entry}: refused: {error}"),
        }
    }
}

/// The error of a refusal in words.
fn refused(error: impl fmt::Debug) -> String {
    format!("{error:?}")
}

/// A refusal unless the condition holds.
fn require(condition: bool, why: &str) -> Checked {
    if condition { Ok(()) } else { Err(why.to_owned()) }
}
