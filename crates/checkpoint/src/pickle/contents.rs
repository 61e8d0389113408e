//! What a file of torch holds: tensors by name, each a view into bytes of the file.
//!
//!     zip      NAME/data.pkl   the pickle        NAME/data/KEY   the numbers of storage KEY
//!     old      pickles of a magic number, the version, the machine, the object, the keys; then, key by key,
//!              8 bytes: how many numbers · the numbers
//!
//! The old format is that of torch before 1.6. A tensor is accepted when all of its numbers lie in its storage and the
//! storage in the file, and when it has no more numbers than its storage: nothing larger than the file is ever asked for.

use super::archive::entries;
use super::cursor::Cursor;
use super::machine::{Pickled, unpickle};
use super::objects::{Storage, Strided, Value};
use super::view::View;
use super::{Contents, Fault};
use crate::convert::width;
use crate::fields::shorten;
use indexmap::IndexMap;
use std::ops::Range;

/// The number that an old file begins with, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const VERSION: i64 = 1001;

/// Reads and verifies what `file` holds.
pub(super) fn read(file: &[u8]) -> Result<Contents, Fault> {
    match file {
        [b'P', b'K', ..] => zipped(file),
        [0x80, ..] => old(file),
        _ => Err(Fault::NotTorch),
    }
}

fn zipped(file: &[u8]) -> Result<Contents, Fault> {
    let entries = entries(file)?;
    let missing = |name: &str| Fault::Missing { name: shorten(name) };
    let prefix =
        entries.keys().find_map(|name| name.strip_suffix("data.pkl")).ok_or_else(|| missing("data.pkl"))?;
    let entry = |name: &str| entries.get(format!("{prefix}{name}").as_str());
    if entry("byteorder").is_some_and(|range| &file[range.clone()] == b"big") {
        return Err(Fault::BigEndian);
    }
    let pickle = entry("data.pkl").ok_or_else(|| missing("data.pkl"))?;
    let pickled = unpickle(&file[pickle.clone()], 0)?;
    let mut ranges = Vec::new();
    for key in pickled.objects.storages.keys() {
        let name = format!("data/{key}");
        ranges.push(entry(&name).ok_or_else(|| missing(&name))?.clone());
    }
    contents(&pickled, &ranges)
}

fn old(file: &[u8]) -> Result<Contents, Fault> {
    let magic = unpickle(file, 0)?;
    if magic.value != Value::Long(&MAGIC) {
        return Err(Fault::NotTorch);
    }
    let version = unpickle(file, magic.end)?;
    if version.value != Value::Int(VERSION) {
        return Err(Fault::Version);
    }
    let machine = unpickle(file, version.end)?;
    let big = (Value::Text("little_endian"), Value::Bool(false));
    if machine.objects.dicts.iter().flatten().any(|entry| *entry == big) {
        return Err(Fault::BigEndian);
    }
    let pickled = unpickle(file, machine.end)?;
    let keys = unpickle(file, pickled.end)?;
    let mut found = vec![None; pickled.objects.storages.len()];
    let mut cursor = Cursor::new(file, keys.end);
    let Value::List(list) = keys.value else { return Err(Fault::Missing { name: "keys".to_owned() }) };
    for key in &keys.objects.sequences[list] {
        let unknown = Fault::Damaged { reason: "a storage that nothing refers to", at: cursor.position() };
        let Value::Text(key) = *key else { return Err(unknown) };
        let (index, _, storage) = pickled.objects.storages.get_full(key).ok_or(unknown)?;
        let (elements, start) = (cursor.number(8)?, cursor.position());
        if elements != storage.elements {
            let (key, expected) = (shorten(key), storage.elements);
            return Err(Fault::StorageSize { key, expected, found: elements });
        }
        cursor.take(elements.saturating_mul(width(storage.dtype).unwrap_or(1)))?;
        found[index] = Some(start..cursor.position());
    }
    let ranges = found.into_iter().zip(pickled.objects.storages.keys());
    let there = |(range, key): (Option<_>, &&str)| range.ok_or_else(|| Fault::Missing { name: shorten(key) });
    contents(&pickled, &ranges.map(there).collect::<Result<Vec<_>, _>>()?)
}

/// The tensors of the pickle, whose storages lie at `ranges`.
fn contents(pickled: &Pickled<'_>, ranges: &[Range<usize>]) -> Result<Contents, Fault> {
    let storages = &pickled.objects.storages;
    for ((key, storage), range) in storages.iter().zip(ranges) {
        let found = range.len() / width(storage.dtype).unwrap_or(1);
        if found < storage.elements {
            return Err(Fault::StorageSize { key: shorten(key), expected: storage.elements, found });
        }
    }
    let mut contents = IndexMap::new();
    for (name, tensor) in pickled.objects.named(pickled.value)? {
        let storage = &storages[tensor.storage];
        verify(name, tensor, storage)?;
        let view = View::new(tensor, storage.dtype, ranges[tensor.storage].start);
        contents.insert(name.to_owned(), view);
    }
    Ok(contents)
}

/// Whether every number of a tensor is one of its storage.
fn verify(name: &str, tensor: &Strided, storage: &Storage) -> Result<(), Fault> {
    let Strided { offset, shape, strides, .. } = tensor;
    let (name, elements) = (shorten(name), storage.elements);
    let Some(count) = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side)) else {
        return Err(Fault::Shape { name, shape: shape.clone() });
    };
    if elements < count {
        return Err(Fault::Expanded { name, shape: shape.clone(), elements });
    }
    let mut steps = shape.iter().zip(strides);
    let last = steps.try_fold(*offset, |last, (&side, &stride)| {
        last.checked_add(side.saturating_sub(1).checked_mul(stride)?)
    });
    if count == 0 || last.is_some_and(|last| last < elements) {
        return Ok(());
    }
    Err(Fault::Beyond { name, elements })
}
