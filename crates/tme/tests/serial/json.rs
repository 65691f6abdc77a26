//! Values as the vector files have them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub trait ToJson {
    fn to_json(&self) -> Value;
}

macro_rules! plain {
    ($($name:ty)*) => {$(
        impl ToJson for $name {
            fn to_json(&self) -> Value {
                json!(self)
            }
        }
    )*};
}

plain!(u8 u16 u32 u64 i8 i16 i32 i64 bool char String);

impl ToJson for f32 {
    fn to_json(&self) -> Value {
        json!(format!("{:08x}", self.to_bits()))
    }
}

impl ToJson for f64 {
    fn to_json(&self) -> Value {
        json!(format!("{:016x}", self.to_bits()))
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, |value| json!([value.to_json()]))
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self) -> Value {
        self.iter().map(ToJson::to_json).collect()
    }
}

impl<T: ToJson, const N: usize> ToJson for [T; N] {
    fn to_json(&self) -> Value {
        self.iter().map(ToJson::to_json).collect()
    }
}

impl<T: ToJson> ToJson for BTreeSet<T> {
    fn to_json(&self) -> Value {
        self.iter().map(ToJson::to_json).collect()
    }
}

impl<K: ToJson, V: ToJson> ToJson for BTreeMap<K, V> {
    fn to_json(&self) -> Value {
        self.iter().map(|(key, value)| json!([key.to_json(), value.to_json()])).collect()
    }
}

impl ToJson for () {
    fn to_json(&self) -> Value {
        json!({})
    }
}

impl<A: ToJson, B: ToJson, C: ToJson> ToJson for (A, B, C) {
    fn to_json(&self) -> Value {
        json!({ "0": self.0.to_json(), "1": self.1.to_json(), "2": self.2.to_json() })
    }
}

/// Fields by name, as an object.
#[macro_export]
macro_rules! to_json {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl $crate::json::ToJson for $name {
            fn to_json(&self) -> serde_json::Value {
                let mut object = serde_json::Map::new();
                $(object.insert(stringify!($field).to_owned(), $crate::json::ToJson::to_json(&self.$field));)*
                object.into()
            }
        }
    )*};
}

/// A struct with one field without a name, as that field.
#[macro_export]
macro_rules! transparent {
    ($($name:ident)*) => {$(
        impl $crate::json::ToJson for $name {
            fn to_json(&self) -> serde_json::Value {
                $crate::json::ToJson::to_json(&self.0)
            }
        }
    )*};
}
