//! The part of a GGUF file before the numbers.
//!
//!     "GGUF" · version: u32 · tensors: u64 · keys: u64
//!     keys ×    name: string · type: u32 · value
//!     tensors × name: string · dimensions: u32 · sizes: u64 each, innermost first · type: u32 · offset: u64
//!     padding to `general.alignment` (32), then the data, in which the offsets count
//!
//! A string is a length (u64) and UTF-8 without a terminator.

use super::reader::Reader;
use super::types::{StoredType, block};
use super::value::Metadata;
use super::{Fault, FileKind};
use crate::{Dtype, TensorInfo};
use indexmap::IndexMap;
use std::ops::Range;

/// ggml's limit.
pub(super) const MOST_DIMENSIONS: u32 = 4;

/// Where the data starts and every tensor is a multiple of this, unless the file says otherwise.
const ALIGNMENT: usize = 32;

/// Smallest entries that can be written: an empty name and one byte of value; an empty name and no dimensions.
const SMALLEST_KEY: usize = 8 + 4 + 1;
const SMALLEST_TENSOR: usize = 8 + 4 + 4 + 8;

/// A tensor as the file names it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) info: TensorInfo,
    /// Its bytes in the file; inside the file.
    pub(super) range: Range<usize>,
}

/// What precedes the numbers; every range has been checked against the file's length.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) tensors: IndexMap<String, Stored>,
}

/// A tensor's entry before its place is known.
struct Entry {
    name: String,
    info: TensorInfo,
    offset: u64,
}

impl Header {
    /// Reads the header of a whole file.
    pub(super) fn parse(file: &[u8]) -> Result<Self, Fault> {
        let Some(rest) = file.strip_prefix(b"GGUF") else {
            return Err(Fault::Magic { kind: FileKind::of(file) });
        };
        let mut reader = Reader::new(file);
        reader.u32()?;
        let version = reader.u32()?;
        match version {
            2 | 3 => {}
            _ if rest.starts_with(&[0, 0]) => return Err(Fault::BigEndian),
            found => return Err(Fault::Version { found }),
        }
        let tensors = reader.count("tensors", SMALLEST_TENSOR)?;
        let keys = reader.count("metadata keys", SMALLEST_KEY)?;
        let metadata = metadata(&mut reader, keys)?;
        let entries = entries(&mut reader, tensors)?;
        let alignment = alignment(&metadata)?;
        let data = reader.position().checked_next_multiple_of(alignment);
        let data = data.ok_or(Fault::Alignment { found: alignment })?;
        let tensors = place(entries, data, alignment, file.len())?;
        Ok(Self { version, metadata, tensors })
    }
}

fn metadata(reader: &mut Reader, keys: usize) -> Result<Metadata, Fault> {
    let mut metadata = Metadata::default();
    for _ in 0..keys {
        let key = reader.string()?;
        let value = reader.value()?;
        if metadata.0.contains_key(&key) {
            return Err(Fault::DuplicateKey { key });
        }
        metadata.0.insert(key, value);
    }
    match metadata.count("split.count")? {
        Some(parts @ 2..) => Err(Fault::Split { parts }),
        _ => Ok(metadata),
    }
}

/// `general.alignment`, a power of two.
pub(super) fn alignment(metadata: &Metadata) -> Result<usize, Fault> {
    let found = metadata.count("general.alignment")?.unwrap_or(ALIGNMENT);
    // An alignment above 2³² would be a lie, and could overflow the position of the data.
    if found.is_power_of_two() && u32::try_from(found).is_ok() {
        Ok(found)
    } else {
        Err(Fault::Alignment { found })
    }
}

fn entries(reader: &mut Reader, tensors: usize) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    for _ in 0..tensors {
        entries.push(entry(reader)?);
    }
    Ok(entries)
}

fn entry(reader: &mut Reader) -> Result<Entry, Fault> {
    let name = reader.string()?;
    let dimensions = reader.u32()?;
    if dimensions > MOST_DIMENSIONS {
        return Err(Fault::Dimensions { tensor: name, found: dimensions });
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        shape.push(reader.u64()?);
    }
    shape.reverse();
    let dtype = match StoredType::from_number(reader.u32()?) {
        StoredType::Read(dtype) => dtype,
        StoredType::Named(format) => return Err(Fault::Unsupported { tensor: name, name: format }),
        StoredType::Unknown(found) => return Err(Fault::UnknownType { tensor: name, found }),
    };
    let info = info(&name, &shape, dtype)?;
    Ok(Entry { name, info, offset: reader.u64()? })
}

/// The info of a tensor whose size in bytes fits into a `usize`.
pub(super) fn info(name: &str, shape: &[u64], dtype: Dtype) -> Result<TensorInfo, Fault> {
    let impossible = || Fault::Shape { tensor: name.to_owned(), shape: shape.to_vec() };
    let sizes: Result<Vec<usize>, _> = shape.iter().map(|&size| usize::try_from(size)).collect();
    let sizes = sizes.map_err(|_| impossible())?;
    // A zero must not hide an overflow from whoever multiplies in another order.
    let bound = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size.max(1)));
    bound.and_then(|bound| bound.checked_mul(8)).ok_or_else(impossible)?;
    let elements: usize = sizes.iter().product();
    let row = sizes.last().copied().unwrap_or(1);
    let (block, block_bytes) = block(dtype);
    if !row.is_multiple_of(block)
        && let Dtype::Quantized(format) = dtype
    {
        return Err(Fault::Row { tensor: name.to_owned(), row, block, format: format.name() });
    }
    let bytes = (elements / block).checked_mul(block_bytes).ok_or_else(impossible)? as u64;
    Ok(TensorInfo { shape: sizes, dtype, bytes })
}

/// Gives every tensor its bytes: inside the file, aligned, and its own.
fn place(
    entries: Vec<Entry>,
    data: usize,
    alignment: usize,
    length: usize,
) -> Result<IndexMap<String, Stored>, Fault> {
    let mut tensors = IndexMap::with_capacity(entries.len());
    for Entry { name, info, offset } in entries {
        if !offset.is_multiple_of(alignment as u64) {
            return Err(Fault::Misaligned { tensor: name, offset, alignment });
        }
        let start = (data as u64).checked_add(offset);
        let end = start.and_then(|start| start.checked_add(info.bytes));
        let (Some(start), Some(_)) = (start, end.filter(|&end| end <= length as u64)) else {
            let start = start.unwrap_or(u64::MAX);
            return Err(Fault::OutOfFile { tensor: name, start, bytes: info.bytes, length: length as u64 });
        };
        let range = start as usize..start as usize + info.bytes as usize;
        if tensors.contains_key(&name) {
            return Err(Fault::DuplicateTensor { tensor: name });
        }
        tensors.insert(name, Stored { info, range });
    }
    refuse_overlap(&tensors)?;
    Ok(tensors)
}

fn refuse_overlap(tensors: &IndexMap<String, Stored>) -> Result<(), Fault> {
    let mut sorted: Vec<(&String, &Range<usize>)> = tensors
        .iter()
        .map(|(name, stored)| (name, &stored.range))
        .filter(|(_, range)| !range.is_empty())
        .collect();
    sorted.sort_by_key(|(_, range)| range.start);
    for pair in sorted.windows(2) {
        let [(first, before), (second, after)] = pair else { continue };
        if after.start < before.end {
            return Err(Fault::Overlap { first: (*first).clone(), second: (*second).clone() });
        }
    }
    Ok(())
}
