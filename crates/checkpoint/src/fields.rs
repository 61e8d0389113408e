//! Typed reading of JSON objects: `null` is the same as absent, as everywhere in Hugging Face's files.

use indexmap::IndexMap;
use serde_json::{Map, Value};

/// A key holds something else than it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key `{key}` should be {expected}; found `{found}`")]
pub struct WrongValue {
    /// The key, dotted where nested.
    pub key: String,
    /// What it may hold.
    pub expected: &'static str,
    /// What it holds, shortened.
    pub found: String,
}

impl WrongValue {
    pub(crate) fn new(key: &str, expected: &'static str, found: &Value) -> Self {
        Self { key: key.to_owned(), expected, found: shorten(&found.to_string()) }
    }
}

/// The first 60 characters, for messages.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

type Read<T> = Result<Option<T>, WrongValue>;

/// One JSON object, read by key.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The object in `value`.
    pub fn of(key: &str, value: &'a Value) -> Result<Self, WrongValue> {
        value.as_object().map(Self).ok_or_else(|| WrongValue::new(key, "an object", value))
    }

    /// The value of `key`, unless absent or null.
    pub fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn read<T>(self, key: &str, expected: &'static str, as_t: impl Fn(&'a Value) -> Option<T>) -> Read<T> {
        let read = |value| as_t(value).ok_or_else(|| WrongValue::new(key, expected, value));
        self.get(key).map(read).transpose()
    }

    pub fn bool(self, key: &str) -> Read<bool> {
        self.read(key, "true or false", Value::as_bool)
    }

    pub fn string(self, key: &str) -> Read<&'a str> {
        self.read(key, "a string", Value::as_str)
    }

    pub fn count(self, key: &str) -> Read<usize> {
        self.read(key, "a whole number that is not negative", as_count)
    }

    pub fn number(self, key: &str) -> Read<f64> {
        self.read(key, "a finite number", as_number)
    }

    pub fn object(self, key: &str) -> Read<Fields<'a>> {
        self.read(key, "an object", |value| value.as_object().map(Fields))
    }

    /// A string or a list of strings.
    pub fn strings(self, key: &str) -> Read<Vec<String>> {
        self.read(key, "a string or a list of strings", |value| match value {
            Value::String(one) => Some(vec![one.clone()]),
            _ => as_list(value, |item| item.as_str().map(str::to_owned)),
        })
    }

    /// A count or a list of counts.
    pub fn counts(self, key: &str) -> Read<Vec<usize>> {
        self.read(key, "a whole number or a list of them", |value| match value {
            Value::Number(_) => Some(vec![as_count(value)?]),
            _ => as_list(value, as_count),
        })
    }

    /// An object of numbers, in file order.
    pub fn numbers(self, key: &str) -> Read<IndexMap<String, f64>> {
        self.read(key, "an object of finite numbers", |value| {
            let entry = |(key, value): (&String, &Value)| Some((key.clone(), as_number(value)?));
            value.as_object()?.iter().map(entry).collect()
        })
    }
}

/// A whole number; one written as a float (`2.0`) counts.
pub(crate) fn as_count(value: &Value) -> Option<usize> {
    let whole =
        |number: f64| (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64);
    let count = value.as_u64().or_else(|| value.as_f64().and_then(whole))?;
    usize::try_from(count).ok()
}

fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite())
}

pub(crate) fn as_list<T>(value: &Value, item: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(item).collect()
}
