//! Metadata as bytes: what [`reader`](super::reader) reads.

use super::value::{Array, Value};

/// A length and as many bytes of UTF-8.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    length(out, text.len());
    out.extend(text.as_bytes());
}

/// A count of bytes, entries, keys or tensors.
pub(super) fn length(out: &mut Vec<u8>, count: usize) {
    out.extend((count as u64).to_le_bytes());
}

/// The number of its type, then the value.
pub(super) fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(value) => number(out, 0, value.to_le_bytes()),
        Value::I8(value) => number(out, 1, value.to_le_bytes()),
        Value::U16(value) => number(out, 2, value.to_le_bytes()),
        Value::I16(value) => number(out, 3, value.to_le_bytes()),
        Value::U32(value) => number(out, 4, value.to_le_bytes()),
        Value::I32(value) => number(out, 5, value.to_le_bytes()),
        Value::F32(value) => number(out, 6, value.to_le_bytes()),
        Value::Bool(value) => number(out, 7, boolean(*value)),
        Value::String(text) => {
            kind(out, 8);
            string(out, text);
        }
        Value::Array(entries) => {
            kind(out, 9);
            array(out, entries);
        }
        Value::U64(value) => number(out, 10, value.to_le_bytes()),
        Value::I64(value) => number(out, 11, value.to_le_bytes()),
        Value::F64(value) => number(out, 12, value.to_le_bytes()),
    }
}

/// The number of the entries' type, how many there are, then the entries.
fn array(out: &mut Vec<u8>, array: &Array) {
    match array {
        Array::U8(entries) => numbers(out, 0, entries, u8::to_le_bytes),
        Array::I8(entries) => numbers(out, 1, entries, i8::to_le_bytes),
        Array::U16(entries) => numbers(out, 2, entries, u16::to_le_bytes),
        Array::I16(entries) => numbers(out, 3, entries, i16::to_le_bytes),
        Array::U32(entries) => numbers(out, 4, entries, u32::to_le_bytes),
        Array::I32(entries) => numbers(out, 5, entries, i32::to_le_bytes),
        Array::F32(entries) => numbers(out, 6, entries, f32::to_le_bytes),
        Array::Bool(entries) => numbers(out, 7, entries, boolean),
        Array::String(entries) => {
            kind(out, 8);
            length(out, entries.len());
            entries.iter().for_each(|entry| string(out, entry));
        }
        Array::Array(entries) => {
            kind(out, 9);
            length(out, entries.len());
            entries.iter().for_each(|entry| self::array(out, entry));
        }
        Array::U64(entries) => numbers(out, 10, entries, u64::to_le_bytes),
        Array::I64(entries) => numbers(out, 11, entries, i64::to_le_bytes),
        Array::F64(entries) => numbers(out, 12, entries, f64::to_le_bytes),
    }
}

/// The number of a type.
fn kind(out: &mut Vec<u8>, kind: u32) {
    out.extend(kind.to_le_bytes());
}

fn number<const N: usize>(out: &mut Vec<u8>, kind: u32, bytes: [u8; N]) {
    self::kind(out, kind);
    out.extend(bytes);
}

fn numbers<T: Copy, const N: usize>(
    out: &mut Vec<u8>,
    kind: u32,
    entries: &[T],
    bytes: impl Fn(T) -> [u8; N],
) {
    self::kind(out, kind);
    length(out, entries.len());
    out.extend(entries.iter().flat_map(|&entry| bytes(entry)));
}

fn boolean(value: bool) -> [u8; 1] {
    [value.into()]
}
