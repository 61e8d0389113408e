//! Metadata of a GGUF file: keys and typed values.
//!
//! Writers do not agree on the width of integers (a token id is an u32 here and an i32 there), so numbers are asked
//! for by what they mean, and any integer type that holds the value will do.

use super::Fault;
use indexmap::IndexMap;

/// One metadata value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the types")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(Array),
}

/// Values of one type; arrays may hold arrays.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the types of the entries")]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<Array>),
}

impl Value {
    /// What the value is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) | Self::U16(_) | Self::U32(_) | Self::U64(_) => "an unsigned integer",
            Self::I8(_) | Self::I16(_) | Self::I32(_) | Self::I64(_) => "an integer",
            Self::F32(_) | Self::F64(_) => "a float",
            Self::Bool(_) => "a boolean",
            Self::String(_) => "a string",
            Self::Array(Array::String(_)) => "an array of strings",
            Self::Array(Array::Array(_)) => "an array of arrays",
            Self::Array(Array::Bool(_)) => "an array of booleans",
            Self::Array(Array::F32(_) | Array::F64(_)) => "an array of floats",
            Self::Array(_) => "an array of integers",
        }
    }

    /// An integer of any width.
    pub fn integer(&self) -> Option<i128> {
        Some(match *self {
            Self::U8(value) => value.into(),
            Self::I8(value) => value.into(),
            Self::U16(value) => value.into(),
            Self::I16(value) => value.into(),
            Self::U32(value) => value.into(),
            Self::I32(value) => value.into(),
            Self::U64(value) => value.into(),
            Self::I64(value) => value.into(),
            _ => return None,
        })
    }
}

impl Array {
    /// Integers of any width.
    pub fn integers(&self) -> Option<Vec<i128>> {
        Some(match self {
            Self::U8(values) => widened(values),
            Self::I8(values) => widened(values),
            Self::U16(values) => widened(values),
            Self::I16(values) => widened(values),
            Self::U32(values) => widened(values),
            Self::I32(values) => widened(values),
            Self::U64(values) => widened(values),
            Self::I64(values) => widened(values),
            _ => return None,
        })
    }
}

fn widened<T: Copy + Into<i128>>(values: &[T]) -> Vec<i128> {
    values.iter().map(|&value| value.into()).collect()
}

/// Keys and values in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(pub IndexMap<String, Value>);

impl Metadata {
    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The text under `key`, if there is such a key.
    pub fn string(&self, key: &str) -> Result<Option<&str>, Fault> {
        self.typed(key, "a string", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The boolean under `key`, if there is such a key.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, Fault> {
        self.typed(key, "a boolean", |value| match *value {
            Value::Bool(value) => Some(value),
            _ => None,
        })
    }

    /// The float under `key`, if there is such a key.
    pub fn float(&self, key: &str) -> Result<Option<f64>, Fault> {
        self.typed(key, "a float", |value| match *value {
            Value::F32(value) => Some(value.into()),
            Value::F64(value) => Some(value),
            _ => None,
        })
    }

    /// The count under `key`, if there is such a key: an integer ≥ 0 of any width.
    pub fn count(&self, key: &str) -> Result<Option<usize>, Fault> {
        self.typed(key, "a count", |value| usize::try_from(value.integer()?).ok())
    }

    /// As [`count`](Self::count), where some writers give one number for every layer: they must all be equal.
    pub fn uniform_count(&self, key: &str) -> Result<Option<usize>, Fault> {
        self.typed(key, "a count, the same for every layer", |value| {
            let integer = match value {
                Value::Array(array) => {
                    let integers = array.integers()?;
                    let (&first, others) = integers.split_first()?;
                    others.iter().all(|&other| other == first).then_some(first)?
                }
                single => single.integer()?,
            };
            usize::try_from(integer).ok()
        })
    }

    /// The strings under `key`, if there is such a key.
    pub fn strings(&self, key: &str) -> Result<Option<&[String]>, Fault> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Array(Array::String(strings)) => Some(strings.as_slice()),
            _ => None,
        })
    }

    /// The integers under `key`, if there is such a key.
    pub fn integers(&self, key: &str) -> Result<Option<Vec<i128>>, Fault> {
        self.typed(key, "an array of integers", |value| match value {
            Value::Array(array) => array.integers(),
            _ => None,
        })
    }

    /// The f32 numbers under `key`, if there is such a key.
    pub fn floats(&self, key: &str) -> Result<Option<&[f32]>, Fault> {
        self.typed(key, "an array of f32", |value| match value {
            Value::Array(Array::F32(floats)) => Some(floats.as_slice()),
            _ => None,
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        let wrong = || Fault::KeyType { key: key.to_owned(), expected, found: value.kind() };
        read(value).map(Some).ok_or_else(wrong)
    }
}

/// `found`, or the fault that `key` is missing.
pub(super) fn required<T>(key: &str, found: Option<T>) -> Result<T, Fault> {
    found.ok_or_else(|| Fault::MissingKey { key: key.to_owned() })
}
