//! The golden vectors: each form of the file is a type here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;

use serde_json::{Value, json};
use tme::serial::{self, DecodeError};
use tme::{Decode, Encode, Message, MessageSet};

use crate::json::ToJson;
use crate::{to_json, transparent};

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).expect("hexadecimal digits") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn entries() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/serial.json");
    let text = std::fs::read_to_string(path).expect("the vectors are there");
    let mut content: Value = serde_json::from_str(&text).expect("vector files are JSON");
    serde_json::from_value(content["vectors"].take()).expect("a list")
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {entry}"))
}

/// Newtypes whose numbers take a form of their own.
macro_rules! forms {
    ($($name:ident($ty:ty) $(#[$attribute:meta])+;)*) => {
        $(
            #[derive(Clone, Debug, PartialEq, Encode, Decode)]
            struct $name($(#[$attribute])+ $ty);
        )*
        transparent!($($name)*);
    };
}

forms! {
    VarintU16(u16) #[tme(varint)];
    VarintU32(u32) #[tme(varint)];
    VarintU64(u64) #[tme(varint)];
    VarintI16(i16) #[tme(varint)];
    VarintI32(i32) #[tme(varint)];
    VarintI64(i64) #[tme(varint)];
    To3(u8) #[tme(range = 0..=3)];
    To4(u8) #[tme(range = 0..5)];
    Five(i64) #[tme(range = 5..=5)];
    FiveBits(i32) #[tme(bits = 5)];
    Thousand(u32) #[tme(range = 1..=1_000)];
    AllUnsigned(u64) #[tme(bits = 64)];
    AllSigned(i64) #[tme(range = i64::MIN..=i64::MAX)];
    Unit(f64) #[tme(range = -1.0..=1.0, precision = 0.001)];
    Percent(f64) #[tme(range = 0.0..=100.0, precision = 0.25)];
    Coarse(f64) #[tme(range = 0.0..=1.0, precision = 0.3)];
    Degrees(f64) #[tme(range = -180.0..=180.0, bits = 12)];
    Byte(f64) #[tme(range = 0.0..=1.0, bits = 8)];
    World(f64) #[tme(range = -1000.0..=1000.0, precision = 0.01)];
    Quarters(f64) #[tme(range = 0.0..=1.0, precision = 0.25)];
    Thousandths(f64) #[tme(precision = 0.001)];
    Fourths(f64) #[tme(precision = 0.25)];
    Ones(f64) #[tme(precision = 1.0)];
    Rotation2([f64; 4]) #[tme(quaternion, bits = 2)];
    Rotation10([f64; 4]) #[tme(quaternion)];
    Rotation15([f64; 4]) #[tme(quaternion, bits = 15)];
    Rotation21([f64; 4]) #[tme(quaternion, bits = 21)];
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
struct Mixed {
    a: bool,
    b: u16,
    #[tme(range = 0..=7)]
    c: u8,
    #[tme(range = 0..=63)]
    d: u8,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[tme(extensible)]
struct First {
    a: u8,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[tme(extensible)]
struct Second {
    a: u8,
    #[tme(since = 2)]
    b: String,
    #[tme(since = 2)]
    c: bool,
}

/// Structs that were there once and got one field.
macro_rules! grown {
    ($($name:ident($ty:ty))*) => {
        $(
            #[derive(Clone, Debug, PartialEq, Encode, Decode)]
            #[tme(extensible)]
            struct $name {
                a: u8,
                #[tme(since = 2)]
                b: $ty,
            }
            to_json!($name { a, b });
        )*
    };
}

grown!(GrownByte(u8) GrownBool(bool) GrownShort(u16));

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
enum Weapon {
    Fist,
    Bow {
        arrows: u8,
    },
    #[tme(tag = 5)]
    Wand(bool, bool),
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[tme(bits = 3)]
enum Direction {
    North,
    East,
    South,
    West,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
enum OldStone {
    #[tme(other)]
    Other,
    Pebble,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
enum Stone {
    #[tme(other)]
    Other,
    Pebble,
    #[tme(since = 2)]
    Gem {
        carat: u16,
    },
    #[tme(since = 3)]
    Dust,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
struct Tree {
    value: u8,
    children: Vec<Tree>,
}

to_json! {
    Mixed { a, b, c, d }
    First { a }
    Second { a, b, c }
    Tree { value, children }
    Fire { weapon, direction }
    Chat { text, to }
    Stack { item, count }
    Bag { items, gold, slots }
}

impl ToJson for Weapon {
    fn to_json(&self) -> Value {
        match self {
            Self::Fist => json!({ "Fist": {} }),
            Self::Bow { arrows } => json!({ "Bow": { "arrows": arrows } }),
            Self::Wand(first, second) => json!({ "Wand": { "0": first, "1": second } }),
        }
    }
}

impl ToJson for Stone {
    fn to_json(&self) -> Value {
        match self {
            Self::Other => json!({ "Other": {} }),
            Self::Pebble => json!({ "Pebble": {} }),
            Self::Gem { carat } => json!({ "Gem": { "carat": carat } }),
            Self::Dust => json!({ "Dust": {} }),
        }
    }
}

/// Enums without content.
macro_rules! units {
    ($($name:ident)*) => {$(
        impl ToJson for $name {
            fn to_json(&self) -> Value {
                json!({ format!("{self:?}"): {} })
            }
        }
    )*};
}

units!(Direction OldStone);

/// Decodes a vector, compares it, and encodes it again.
fn check<T: Encode + Decode + ToJson + Debug>(entry: &Value) {
    let (name, bytes) = (text(entry, "name"), unhex(text(entry, "bytes")));
    let form = T::form(&mut serial::Describer::new()).text();
    assert_eq!(form, text(entry, "form"), "{name}");
    check_decoded(entry, serial::decode::<T>(&bytes), |value| {
        // Two encodings may mean one rotation, and what an older program does not know it cannot write.
        if entry["older"] != true && !form.starts_with("quat") {
            assert_eq!(serial::encode(value).unwrap(), bytes, "{name}");
        }
    });
}

fn check_decoded<T: ToJson>(entry: &Value, decoded: Result<T, DecodeError>, again: impl Fn(&T)) {
    let name = text(entry, "name");
    match decoded {
        Ok(value) => {
            assert_ne!(entry["error"], true, "{name} is accepted");
            let expected = &entry["value"];
            let found = value.to_json();
            // A reader that knows more than there is has defaults in it, which the file leaves out.
            if entry["older"] == true {
                assert!(contains(&found, expected), "{name}: {found} has not {expected}");
            } else {
                assert_eq!(found, *expected, "{name}");
            }
            again(&value);
        }
        Err(error) => {
            assert_eq!(entry["error"], true, "{name} is refused: {error}");
            assert_eq!(entry["kind"], error.kind(), "{name}: {error}");
        }
    }
}

fn contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| found.get(name).is_some_and(|found| contains(found, value)))
        }
        _ => found == expected,
    }
}

/// What is written of the value that a vector was made of, which is not the value that is read.
fn check_written<T: Encode>(entry: &Value, value: &T) {
    let bytes = serial::encode(value).unwrap();
    assert_eq!(bytes, unhex(text(entry, "bytes")), "{}", text(entry, "name"));
}

fn double(value: &Value) -> f64 {
    f64::from_bits(u64::from_str_radix(value.as_str().expect("a double"), 16).expect("16 digits"))
}

/// As `check`, and what the vector was made of is written.
fn check_double<T: Encode + Decode + ToJson + Debug>(entry: &Value, wrap: fn(f64) -> T) {
    check::<T>(entry);
    if entry["error"] != true {
        check_written(entry, &wrap(double(&entry["of"])));
    }
}

fn check_rotation<T: Encode + Decode + ToJson + Debug>(entry: &Value, wrap: fn([f64; 4]) -> T) {
    check::<T>(entry);
    if entry["error"] != true {
        let parts: Vec<f64> = entry["of"].as_array().expect("four parts").iter().map(double).collect();
        check_written(entry, &wrap(parts.try_into().expect("four parts")));
    }
}

/// Finds the type of a form by what the type says of itself.
macro_rules! by_form {
    ($entry:ident; $($ty:ty),* $(,)?; $($of:expr => $with:ident),* $(,)?) => {{
        let form = text($entry, "form");
        $(if <$ty as Encode>::form(&mut serial::Describer::new()).text() == form {
            return check::<$ty>($entry);
        })*
        $(if form_of($of) == form {
            return $with($entry, $of);
        })*
        panic!("no type has the form {form}");
    }};
}

fn form_of<A, T: Encode>(_: fn(A) -> T) -> String {
    T::form(&mut serial::Describer::new()).text()
}

fn check_form(entry: &Value) {
    by_form!(entry;
        u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, bool, char, String,
        VarintU16, VarintU32, VarintU64, VarintI16, VarintI32, VarintI64,
        To3, To4, Five, FiveBits, Thousand, AllUnsigned, AllSigned,
        Option<u16>, Option<Option<bool>>, [u16; 3], [bool; 10], Vec<u16>, Vec<u8>, Vec<bool>, Vec<Vec<u8>>, Vec<()>,
        Vec<Option<u8>>, BTreeSet<u16>, BTreeSet<i8>, BTreeMap<String, bool>, BTreeMap<u8, u8>, (u8, bool, u8),
        Mixed, First, Second, GrownByte, GrownBool, GrownShort, Weapon, Direction, Stone, OldStone, Tree;
        Unit => check_double, Percent => check_double, Coarse => check_double, Degrees => check_double,
        Byte => check_double, World => check_double, Quarters => check_double, Thousandths => check_double,
        Fourths => check_double, Ones => check_double,
        Rotation2 => check_rotation, Rotation10 => check_rotation, Rotation15 => check_rotation,
        Rotation21 => check_rotation,
    );
}

#[test]
fn values_have_the_bytes_of_the_vectors() {
    let entries = entries();
    let values: Vec<&Value> = entries.iter().filter(|entry| entry.get("form").is_some()).collect();
    assert!(values.len() > 200, "only {} vectors were found", values.len());
    values.into_iter().for_each(check_form);
}

#[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
#[tme(id = 7)]
struct Fire {
    #[tme(range = 0..=3)]
    weapon: u8,
    #[tme(precision = 0.001)]
    direction: [f64; 3],
}

#[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
#[tme(id = 8)]
struct Chat {
    text: String,
    #[tme(varint)]
    to: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
enum Item {
    #[tme(other)]
    Other,
    Sword {
        damage: u16,
    },
    Potion,
}

impl ToJson for Item {
    fn to_json(&self) -> Value {
        match self {
            Self::Other => json!({ "Other": {} }),
            Self::Sword { damage } => json!({ "Sword": { "damage": damage } }),
            Self::Potion => json!({ "Potion": {} }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[tme(extensible)]
struct Stack {
    item: Item,
    count: u8,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
#[tme(id = 200)]
struct Bag {
    items: Vec<Stack>,
    #[tme(varint)]
    gold: u64,
    slots: BTreeMap<u8, String>,
}

mod newest {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
    #[tme(id = 1)]
    pub struct Move {
        #[tme(range = -1000.0..=1000.0, precision = 0.01)]
        position: [f64; 3],
        #[tme(quaternion)]
        rotation: [f64; 4],
        is_running: bool,
        #[tme(since = 2, range = 0..=100)]
        stamina: u8,
        #[tme(since = 2)]
        is_sneaking: bool,
        #[tme(since = 4)]
        mount: Option<u32>,
    }

    to_json!(Move { position, rotation, is_running, stamina, is_sneaking, mount });

    tme::messages! {
        pub enum Packet { Move, Fire, Chat, Bag }
    }
}

mod oldest {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Encode, Decode, Message)]
    #[tme(id = 1)]
    pub struct Move {
        #[tme(range = -1000.0..=1000.0, precision = 0.01)]
        position: [f64; 3],
        #[tme(quaternion)]
        rotation: [f64; 4],
        is_running: bool,
    }

    to_json!(Move { position, rotation, is_running });

    tme::messages! {
        pub enum Packet { Move, Fire, Chat, Bag }
    }
}

/// A packet in JSON, and its bytes.
macro_rules! packet {
    ($($module:ident)*) => {$(
        impl ToJson for $module::Packet {
            fn to_json(&self) -> Value {
                match self {
                    Self::Move(message) => json!({ "Move": message.to_json() }),
                    Self::Fire(message) => json!({ "Fire": message.to_json() }),
                    Self::Chat(message) => json!({ "Chat": message.to_json() }),
                    Self::Bag(message) => json!({ "Bag": message.to_json() }),
                }
            }
        }

        impl $module::Packet {
            fn bytes(&self) -> Vec<u8> {
                let mut bytes = Vec::new();
                match self {
                    Self::Move(message) => serial::encode_message(message, &mut bytes),
                    Self::Fire(message) => serial::encode_message(message, &mut bytes),
                    Self::Chat(message) => serial::encode_message(message, &mut bytes),
                    Self::Bag(message) => serial::encode_message(message, &mut bytes),
                }
                .unwrap();
                bytes
            }
        }
    )*};
}

packet!(newest oldest);

#[test]
fn messages_have_the_bytes_of_the_vectors() {
    let (newest, oldest) = (newest::Packet::messages(), oldest::Packet::messages());
    let entries = entries();
    let mut count = 0;
    for entry in entries.iter().filter(|entry| entry.get("schema").is_some()) {
        count += 1;
        let is_oldest = text(entry, "schema") == oldest.schema();
        if !is_oldest {
            assert_eq!(text(entry, "schema"), newest.schema());
        }
        let Some(bytes) = entry.get("bytes") else {
            assert_eq!(entry["base"], newest.base_schema());
            assert_eq!(entry["hash"], newest.hash());
            assert_eq!(oldest.hash(), newest.hash(), "additions do not change the hash");
            continue;
        };
        let bytes = unhex(bytes.as_str().expect("bytes"));
        let is_complete = entry["older"] != true;
        if is_oldest {
            check_decoded(entry, oldest::Packet::read(&bytes), |packet| {
                assert!(bytes.starts_with(&packet.bytes()), "what came first is as it was");
            });
        } else {
            check_decoded(entry, newest::Packet::read(&bytes), |packet| {
                if is_complete {
                    assert_eq!(packet.bytes(), bytes, "{}", text(entry, "name"));
                }
            });
        }
    }
    assert!(count > 10, "only {count} messages were found");
}
