//! One file whose tensors are known beforehand: the header is written first, each tensor in its place when it comes, in
//! any order and from any thread. The header is that of safetensors, or another's.

use super::{Fault, OutputFile};
use crate::convert::{self, Unstorable};
use crate::{Dtype, Error, Result, TensorInfo};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// f32 values converted and written at a time: 1 MiB of f32.
const CHUNK: usize = 1 << 18;

/// A file of tensors under construction.
#[derive(Debug)]
pub struct TensorsWriter {
    path: PathBuf,
    plan: Plan,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// Bytes of each tensor that came, as in the plan.
    written: Vec<u64>,
}

impl TensorsWriter {
    /// Creates the safetensors file `path` with the header for `infos`; `bytes` of the infos is ignored, shape and dtype decide. The
    /// data lies in the order of the infos, wide numbers before narrow ones, which keeps every tensor aligned.
    pub fn create<'a>(
        path: &Path,
        infos: impl IntoIterator<Item = (&'a String, &'a TensorInfo)>,
    ) -> Result<Self> {
        let (header, plan) = laid_out(path, infos, None)?;
        let file = File::create(path).map_err(|source| Error::io(path, source))?;
        Self::begin(path, file, &header, plan)
    }

    /// The same into a file under construction, whose owner finishes it after this; `note` is a word more in the metadata, with
    /// what it says.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn within<'a>(
        output: &OutputFile,
        infos: impl IntoIterator<Item = (&'a String, &'a TensorInfo)>,
        note: (&str, &str),
    ) -> Result<Self> {
        let path = output.target();
        let (header, plan) = laid_out(path, infos, Some(note))?;
        let file = output.file().try_clone().map_err(|source| Error::io(path, source))?;
        Self::begin(path, file, &header, plan)
    }

    /// Any format with all tensors behind a header, which `file` gets now; `path` is for messages.
    pub(crate) fn begin(path: &Path, mut file: File, header: &[u8], plan: Plan) -> Result<Self> {
        file.write_all(header).map_err(|source| Error::io(path, source))?;
        let written = vec![0; plan.len()];
        Ok(Self { path: path.to_owned(), plan, state: Mutex::new(State { file, written }) })
    }

    /// Whether a tensor of this name was planned.
    pub fn has(&self, name: &str) -> bool {
        self.plan.contains_key(name)
    }

    /// Converts `values` to the planned dtype (F32, F16, BF16; nearest, ties to even) and writes them.
    pub fn write(&self, name: &str, values: &[f32]) -> Result<()> {
        let (_, info, _) = self.planned(name)?;
        self.check_length(name, info.elements() as u64, values.len())?;
        self.write_part(name, 0, values)
    }

    /// Writes a part of `name` that begins at its element `first`, as [`write`](Self::write) does. The parts may come
    /// in any order, each once.
    pub fn write_part(&self, name: &str, first: usize, values: &[f32]) -> Result<()> {
        let (index, info, begin) = self.planned(name)?;
        let width = convert::width(info.dtype).unwrap_or(0);
        self.check_part(name, info, first.saturating_add(values.len()).saturating_mul(width))?;
        let mut offset = begin + (first * width) as u64;
        let mut bytes = Vec::with_capacity(CHUNK.min(values.len()) * 4);
        for values in values.chunks(CHUNK) {
            bytes.clear();
            convert::from_f32(info.dtype, values, &mut bytes).map_err(|why| {
                let (name, dtype) = (name.to_owned(), info.dtype);
                output(
                    &self.path,
                    match why {
                        Unstorable::Overflow(value) => Fault::Overflow { name, value, dtype },
                        Unstorable::Dtype => Fault::Dtype { name, dtype },
                    },
                )
            })?;
            self.put(index, offset, &bytes)?;
            offset += bytes.len() as u64;
        }
        Ok(())
    }

    /// Writes bytes that are in the planned dtype already.
    pub fn write_raw(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (_, info, _) = self.planned(name)?;
        self.check_length(name, info.bytes, bytes.len())?;
        self.write_raw_part(name, 0, bytes)
    }

    /// Writes a part of `name` that begins at its byte `first`; the parts may come in any order, each once.
    pub fn write_raw_part(&self, name: &str, first: usize, bytes: &[u8]) -> Result<()> {
        let (index, info, begin) = self.planned(name)?;
        self.check_part(name, info, first.saturating_add(bytes.len()))?;
        self.put(index, begin + first as u64, bytes)
    }

    /// Closes the file once every planned tensor is on the disk.
    pub fn finish(self) -> Result<()> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unwritten =
            self.plan.iter().zip(state.written).filter(|((_, (info, _)), written)| *written != info.bytes);
        let names: Vec<_> = unwritten.map(|((name, _), _)| name.clone()).collect();
        if !names.is_empty() {
            return Err(output(&self.path, Fault::Unwritten { names }));
        }
        state.file.sync_all().map_err(|source| Error::io(&self.path, source))
    }

    fn planned(&self, name: &str) -> Result<(usize, &TensorInfo, u64)> {
        let unplanned = || output(&self.path, Fault::Unplanned { name: name.to_owned() });
        let (index, _, (info, offset)) = self.plan.get_full(name).ok_or_else(unplanned)?;
        Ok((index, info, *offset))
    }

    fn check_length(&self, name: &str, expected: u64, found: usize) -> Result<()> {
        let (found, name) = (found as u64, name.to_owned());
        if found == expected {
            return Ok(());
        }
        Err(output(&self.path, Fault::Length { name, expected, found }))
    }

    /// Whether a part that reaches to byte `end` lies inside the tensor.
    fn check_part(&self, name: &str, info: &TensorInfo, end: usize) -> Result<()> {
        let (expected, found, name) = (info.bytes, end as u64, name.to_owned());
        if found <= expected {
            return Ok(());
        }
        Err(output(&self.path, Fault::Length { name, expected, found }))
    }

    fn put(&self, index: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let there = state.file.seek(SeekFrom::Start(offset));
        there.and_then(|_| state.file.write_all(bytes)).map_err(|source| Error::io(&self.path, source))?;
        state.written[index] += bytes.len() as u64;
        Ok(())
    }
}

fn output(path: &Path, fault: Fault) -> Error {
    Error::Output { path: path.to_owned(), fault }
}

/// shape × width, where both are known and fit.
pub(super) fn stored_bytes(name: &str, info: &TensorInfo) -> Result<u64, Fault> {
    let TensorInfo { shape, dtype, .. } = info;
    if let Dtype::Quantized(_) = dtype {
        return Err(Fault::Dtype { name: name.to_owned(), dtype: *dtype });
    }
    let elements = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
    let too_large = || Fault::Shape { name: name.to_owned(), shape: shape.clone() };
    elements.and_then(|elements| dtype.plain_bytes(elements)).ok_or_else(too_large)
}

/// Tensors, each with the offset of its first byte in the file.
pub(crate) type Plan = IndexMap<String, (TensorInfo, u64)>;

/// Header and plan of a safetensors file: wide numbers before narrow ones.
fn laid_out<'a>(
    path: &Path,
    infos: impl IntoIterator<Item = (&'a String, &'a TensorInfo)>,
    note: Option<(&str, &str)>,
) -> Result<(Vec<u8>, Plan)> {
    let mut tensors = Vec::new();
    for (name, info) in infos {
        let bytes = stored_bytes(name, info).map_err(|fault| output(path, fault))?;
        tensors.push((name.clone(), TensorInfo { bytes, ..info.clone() }));
    }
    tensors.sort_by_key(|(_, info)| std::cmp::Reverse(info.dtype.plain_bytes(8)));
    let (header, mut plan) = header(tensors, note);
    plan.values_mut().for_each(|(_, offset)| *offset += header.len() as u64);
    Ok((header, plan))
}

/// Length and JSON, padded to eight bytes, and where each tensor begins in the data.
fn header(tensors: Vec<(String, TensorInfo)>, note: Option<(&str, &str)>) -> (Vec<u8>, Plan) {
    let mut json = Map::new();
    let mut metadata = json!({ "format": "pt" });
    if let Some((word, said)) = note {
        metadata[word] = said.into();
    }
    json.insert("__metadata__".to_owned(), metadata);
    let (mut plan, mut end) = (IndexMap::new(), 0_u64);
    for (name, info) in tensors {
        let begin = end;
        end = end.saturating_add(info.bytes);
        let entry = json!({ "dtype": info.dtype.name(), "shape": info.shape, "data_offsets": [begin, end] });
        json.insert(name.clone(), entry);
        plan.insert(name, (info, begin));
    }
    let mut text = Value::Object(json).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let header = [&(text.len() as u64).to_le_bytes()[..], &text].concat();
    (header, plan)
}
