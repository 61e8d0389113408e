//! Writes GGUF files byte by byte, right or wrong as a test wants them.

use crate::gguf::{Array, Value};

/// A tensor as it stands in the file: sizes innermost first, ggml's type number, where its bytes go.
#[derive(Clone)]
pub struct StoredTensor {
    pub name: String,
    pub sizes: Vec<u64>,
    pub kind: u32,
    pub bytes: Vec<u8>,
    /// In place of the true offset.
    pub offset: Option<u64>,
}

#[derive(Clone)]
pub struct Writer {
    pub magic: [u8; 4],
    pub version: u32,
    pub alignment: usize,
    pub metadata: Vec<(String, Value)>,
    pub tensors: Vec<StoredTensor>,
}

impl Writer {
    pub fn new() -> Self {
        Self { magic: *b"GGUF", version: 3, alignment: 32, metadata: Vec::new(), tensors: Vec::new() }
    }

    pub fn set(&mut self, key: &str, value: Value) -> &mut Self {
        self.metadata.retain(|(known, _)| known != key);
        self.metadata.push((key.to_owned(), value));
        self
    }

    pub fn remove(&mut self, key: &str) -> &mut Self {
        self.metadata.retain(|(known, _)| known != key);
        self
    }

    pub fn tensor(&mut self, name: &str, sizes: &[u64], kind: u32, bytes: Vec<u8>) -> &mut Self {
        let (name, sizes) = (name.to_owned(), sizes.to_vec());
        self.tensors.push(StoredTensor { name, sizes, kind, bytes, offset: None });
        self
    }

    /// An f32 tensor whose numbers are `first`, `first` + 1, ….
    pub fn floats(&mut self, name: &str, sizes: &[u64], first: usize) -> &mut Self {
        let count = sizes.iter().product::<u64>() as usize;
        self.tensor(name, sizes, 0, (first..first + count).flat_map(|i| (i as f32).to_le_bytes()).collect())
    }

    pub fn named(&mut self, name: &str) -> &mut StoredTensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
    }

    pub fn build(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            string(&mut out, key);
            out.extend(kind(value).to_le_bytes());
            scalar(&mut out, value);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            string(&mut out, &tensor.name);
            out.extend((tensor.sizes.len() as u32).to_le_bytes());
            tensor.sizes.iter().for_each(|size| out.extend(size.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend(tensor.offset.unwrap_or(offset as u64).to_le_bytes());
            offset = (offset + tensor.bytes.len()).next_multiple_of(self.alignment);
        }
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(self.alignment), 0);
            out.extend(&tensor.bytes);
        }
        out
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn kind(value: &Value) -> u32 {
    match value {
        Value::U8(_) => 0,
        Value::I8(_) => 1,
        Value::U16(_) => 2,
        Value::I16(_) => 3,
        Value::U32(_) => 4,
        Value::I32(_) => 5,
        Value::F32(_) => 6,
        Value::Bool(_) => 7,
        Value::String(_) => 8,
        Value::Array(_) => 9,
        Value::U64(_) => 10,
        Value::I64(_) => 11,
        Value::F64(_) => 12,
    }
}

fn scalar(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(value) => out.push(*value),
        Value::I8(value) => out.extend(value.to_le_bytes()),
        Value::U16(value) => out.extend(value.to_le_bytes()),
        Value::I16(value) => out.extend(value.to_le_bytes()),
        Value::U32(value) => out.extend(value.to_le_bytes()),
        Value::I32(value) => out.extend(value.to_le_bytes()),
        Value::U64(value) => out.extend(value.to_le_bytes()),
        Value::I64(value) => out.extend(value.to_le_bytes()),
        Value::F32(value) => out.extend(value.to_le_bytes()),
        Value::F64(value) => out.extend(value.to_le_bytes()),
        Value::Bool(value) => out.push((*value).into()),
        Value::String(value) => string(out, value),
        Value::Array(value) => array(out, value),
    }
}

fn array(out: &mut Vec<u8>, array: &Array) {
    let (kind, entries): (u32, Vec<Value>) = match array.clone() {
        Array::U8(entries) => (0, entries.into_iter().map(Value::U8).collect()),
        Array::I8(entries) => (1, entries.into_iter().map(Value::I8).collect()),
        Array::U16(entries) => (2, entries.into_iter().map(Value::U16).collect()),
        Array::I16(entries) => (3, entries.into_iter().map(Value::I16).collect()),
        Array::U32(entries) => (4, entries.into_iter().map(Value::U32).collect()),
        Array::I32(entries) => (5, entries.into_iter().map(Value::I32).collect()),
        Array::F32(entries) => (6, entries.into_iter().map(Value::F32).collect()),
        Array::Bool(entries) => (7, entries.into_iter().map(Value::Bool).collect()),
        Array::String(entries) => (8, entries.into_iter().map(Value::String).collect()),
        Array::Array(entries) => (9, entries.into_iter().map(Value::Array).collect()),
        Array::U64(entries) => (10, entries.into_iter().map(Value::U64).collect()),
        Array::I64(entries) => (11, entries.into_iter().map(Value::I64).collect()),
        Array::F64(entries) => (12, entries.into_iter().map(Value::F64).collect()),
    };
    out.extend(kind.to_le_bytes());
    out.extend((entries.len() as u64).to_le_bytes());
    entries.iter().for_each(|entry| scalar(out, entry));
}
