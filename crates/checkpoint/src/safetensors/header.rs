//! The header of one safetensors file.
//!
//!     8 bytes      length N of the header, little-endian
//!     N bytes      JSON: { NAME: { "dtype", "shape", "data_offsets": [begin, end] }, …, "__metadata__": { … } }
//!     the rest     the numbers, little-endian, row-major; offsets count from here
//!
//! Accepted is only what cannot lie: every tensor has exactly the bytes its shape needs, and the tensors together
//! cover the data without gap or overlap.

use super::Fault;
use crate::{Dtype, TensorInfo};
use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::ops::Range;

/// The reference implementation refuses longer headers too.
const LIMIT: u64 = 100_000_000;

/// What one file holds, in the order of its data.
#[derive(Debug, Default)]
pub(crate) struct Header {
    /// Name → what it is, and where its bytes lie in the file.
    pub tensors: IndexMap<String, (TensorInfo, Range<usize>)>,
    /// Free text.
    pub metadata: IndexMap<String, String>,
}

impl Header {
    /// Reads and verifies the header of a file whose bytes are `file`.
    pub fn parse(file: &[u8]) -> Result<Self, Fault> {
        let (length, rest) =
            file.split_first_chunk::<8>().ok_or(Fault::Short { bytes: file.len() as u64 })?;
        let length = u64::from_le_bytes(*length);
        if LIMIT < length {
            return Err(Fault::HeaderLimit { bytes: length, limit: LIMIT });
        }
        let (json, data) = rest
            .split_at_checked(length as usize)
            .ok_or(Fault::HeaderLength { expected: length, found: rest.len() as u64 })?;
        let unparsed = |error: serde_json::Error| Fault::Header { reason: error.to_string() };
        let entries: Entries = serde_json::from_slice(json).map_err(unparsed)?;
        if let Some(name) = entries.repeated {
            return Err(Fault::Duplicate { name });
        }
        let mut places = Vec::with_capacity(entries.tensors.len());
        for (name, entry) in entries.tensors {
            places.push(entry.verify(name)?);
        }
        places.sort_by_key(|place| (place.begin, place.end));
        covers(&places, data.len() as u64)?;
        let data_start = file.len() - data.len();
        let in_file = |place: Place| {
            let range = data_start + place.begin as usize..data_start + place.end as usize;
            (place.name, (place.info, range))
        };
        Ok(Self { tensors: places.into_iter().map(in_file).collect(), metadata: entries.metadata })
    }
}

struct Place {
    name: String,
    info: TensorInfo,
    begin: u64,
    end: u64,
}

/// Sorted tensors must follow one another from byte 0 to the end of the data.
fn covers(places: &[Place], data: u64) -> Result<(), Fault> {
    let mut previous = 0;
    for Place { name, begin, end, .. } in places {
        if data < *end {
            return Err(Fault::Truncated { name: name.clone(), end: *end, found: data });
        }
        if *begin < previous {
            return Err(Fault::Overlap { name: name.clone(), begin: *begin, previous });
        }
        if previous < *begin {
            return Err(Fault::Gap { begin: previous, end: *begin });
        }
        previous = *end;
    }
    if previous < data { Err(Fault::Gap { begin: previous, end: data }) } else { Ok(()) }
}

#[derive(serde::Deserialize)]
struct Described {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Described {
    fn verify(self, name: String) -> Result<Place, Fault> {
        let Self { dtype, shape, data_offsets: (begin, end) } = self;
        let Some(dtype) = Dtype::by_name(&dtype) else { return Err(Fault::Dtype { name, found: dtype }) };
        let sides: Result<Vec<usize>, _> = shape.iter().map(|&side| usize::try_from(side)).collect();
        let Ok(sides) = sides else { return Err(Fault::Shape { name, shape }) };
        let elements = sides.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
        let Some(expected) = elements.and_then(|elements| dtype.plain_bytes(elements)) else {
            return Err(Fault::Shape { name, shape });
        };
        let Some(found) = end.checked_sub(begin) else { return Err(Fault::Backwards { name, begin, end }) };
        if found != expected {
            return Err(Fault::Size { name, expected, found });
        }
        Ok(Place { name, info: TensorInfo { shape: sides, dtype, bytes: found }, begin, end })
    }
}

/// The header's JSON object. serde's own maps would let a repeated name silently win.
#[derive(Default)]
struct Entries {
    tensors: IndexMap<String, Described>,
    metadata: IndexMap<String, String>,
    repeated: Option<String>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Entries::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        entries.metadata = map.next_value::<Option<_>>()?.unwrap_or_default();
                    } else if entries.tensors.contains_key(&name) {
                        map.next_value::<IgnoredAny>()?;
                        entries.repeated = Some(name);
                    } else {
                        entries.tensors.insert(name, map.next_value()?);
                    }
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Object)
    }
}
