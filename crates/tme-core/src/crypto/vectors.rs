//! Reads golden vectors for unit tests of what is private; `tests/vectors` of this crate checks the rest.

use serde_json::Value;

/// The vectors of a file, given as text.
pub(super) fn entries(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).expect("vector files are JSON");
    file["vectors"].as_array().expect("a list of vectors").clone()
}

/// The bytes of a hex field.
pub(super) fn bytes(entry: &Value, field: &str) -> Vec<u8> {
    unhex(entry[field].as_str().unwrap_or_else(|| panic!("no {field} in {entry}")))
}

/// The bytes of a hex field of known length.
pub(super) fn array<const N: usize>(entry: &Value, field: &str) -> [u8; N] {
    bytes(entry, field).try_into().unwrap_or_else(|_| panic!("{field} is not {N} bytes long in {entry}"))
}

/// The elements of a list of hex strings.
pub(super) fn byte_strings(entry: &Value, field: &str) -> Vec<Vec<u8>> {
    let list = entry[field].as_array().unwrap_or_else(|| panic!("no list {field} in {entry}"));
    list.iter().map(|text| unhex(text.as_str().expect("a string"))).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).expect("hexadecimal digits") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
