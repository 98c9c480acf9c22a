//! JSON text becomes a tree, checked.

use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};

use crate::{Code, Error, Result};

/// How deep values are nested at most: the parser's own limit, far below what the stack holds.
pub const MAX_DEPTH: usize = 127;

/// A JSON value. Keys of an object are unique and in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A finite number. Whole numbers over 2^53 are rounded to the nearest that a float holds.
    Number(f64),
    /// Any text.
    String(String),
    /// Items in order.
    Array(Vec<Value>),
    /// Keys and values.
    Object(Vec<(String, Value)>),
}

/// The value of a JSON text. Errors say where: "line 2, column 7: expected value".
///
/// Refused are, beside what is not JSON: keys that come twice in an object, numbers that no float holds (1e309), lone
/// surrogates ("\ud800"), and nesting deeper than [`MAX_DEPTH`].
pub fn parse(text: &[u8]) -> Result<Value> {
    parse_line(text, 1)
}

/// [`parse`] for a text that begins at line `first` of a file, counted from 1.
pub fn parse_line(text: &[u8], first: usize) -> Result<Value> {
    serde_json::from_slice(text).map_err(|error| {
        let what = error.to_string();
        // The parser puts the place behind; here it stands in front, as in every other error.
        let what = match what.rfind(" at line ") {
            Some(end) => &what[..end],
            None => &what,
        };
        let line = first + error.line().saturating_sub(1);
        Error::new(Code::Format, format!("line {line}, column {}: {what}", error.column()))
    })
}

impl Value {
    /// The same text for equal values, whatever the order of their keys: JSON without spaces, keys sorted.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, true);
        text
    }

    fn write(&self, text: &mut String, sorted: bool) {
        match self {
            Value::Null => text.push_str("null"),
            Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) => text.push_str(&number_text(*number)),
            Value::String(string) => text.push_str(&quoted(string)),
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    text.push(if i == 0 { '[' } else { ',' });
                    item.write(text, sorted);
                }
                text.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Value::Object(fields) => {
                let mut order: Vec<&(String, Value)> = fields.iter().collect();
                if sorted {
                    order.sort_by(|a, b| a.0.cmp(&b.0));
                }
                for (i, (key, value)) in order.into_iter().enumerate() {
                    text.push(if i == 0 { '{' } else { ',' });
                    text.push_str(&quoted(key));
                    text.push(':');
                    value.write(text, sorted);
                }
                text.push_str(if fields.is_empty() { "{}" } else { "}" });
            }
        }
    }
}

/// Whole numbers without a point, as JavaScript writes them.
fn number_text(number: f64) -> String {
    if number == libm::trunc(number) && libm::fabs(number) < 9_007_199_254_740_992.0 {
        format!("{}", number as i64)
    } else {
        serde_json::to_string(&number).unwrap_or_default()
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    // Writing a string to memory does not fail.
    serde_json::to_string(text).unwrap_or_default()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text, false);
        f.write_str(&text)
    }
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, s: S) -> core::result::Result<S::Ok, S::Error> {
        match self {
            Value::Null => s.serialize_unit(),
            Value::Bool(value) => s.serialize_bool(*value),
            Value::Number(number) => s.serialize_f64(*number),
            Value::String(text) => s.serialize_str(text),
            Value::Array(items) => s.collect_seq(items),
            Value::Object(fields) => s.collect_map(fields.iter().map(|(key, value)| (key, value))),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Value, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

/// Keys up to which duplicates are found by looking at all.
const FEW: usize = 16;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> core::result::Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> core::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, number: i64) -> core::result::Result<Value, E> {
        Ok(Value::Number(number as f64))
    }
    fn visit_u64<E>(self, number: u64) -> core::result::Result<Value, E> {
        Ok(Value::Number(number as f64))
    }
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> core::result::Result<Value, E> {
        if number.is_finite() { Ok(Value::Number(number)) } else { Err(E::custom("number out of range")) }
    }
    fn visit_str<E>(self, text: &str) -> core::result::Result<Value, E> {
        Ok(Value::String(text.into()))
    }
    fn visit_string<E>(self, text: String) -> core::result::Result<Value, E> {
        Ok(Value::String(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> core::result::Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> core::result::Result<Value, A::Error> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let twice = if fields.len() < FEW {
                fields.iter().any(|(other, _)| *other == key)
            } else {
                if seen.is_empty() {
                    seen.extend(fields.iter().map(|(key, _)| key.clone()));
                }
                !seen.insert(key.clone())
            };
            if twice {
                return Err(A::Error::custom(format_args!("duplicate key {}", quoted(&key))));
            }
            fields.push((key, entries.next_value()?));
        }
        Ok(Value::Object(fields))
    }
}
