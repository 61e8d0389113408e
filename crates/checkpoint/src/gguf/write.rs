//! Writing a GGUF file, version 3.
//!
//!     header     as in `header`: metadata, then the tensors in the order given
//!     data       every tensor at the next multiple of `general.alignment` (32), zeros between and behind
//!
//! The header is written first, each tensor in its place when it comes, in any order and from any thread: no more of them is
//! in memory than the caller holds. Metadata is written as given, so that another file's stays what it was, with its
//! types and its order; so are block formats, as bytes.

use super::value::Metadata;
use super::{Fault, encode, header, types};
use crate::writer::{self, Existing, OutputFile, Plan, TensorsWriter};
use crate::{Error, Result, TensorInfo};
use indexmap::IndexMap;
use std::path::Path;

/// A GGUF file under construction, written beside its target. Dropped before [`finish`](Self::finish), it leaves nothing
/// behind.
#[derive(Debug)]
pub struct GgufWriter {
    tensors: TensorsWriter,
    output: OutputFile,
    bytes: u64,
}

impl GgufWriter {
    /// Begins `target` with its metadata and its tensors, under ggml's names; `bytes` of the infos is ignored, shape
    /// (outermost first) and dtype decide.
    ///
    /// # Errors
    /// When the format cannot hold a tensor (a type that ggml does not have, more than four dimensions, rows that do not
    /// divide into blocks), `general.alignment` is none, or the target cannot be made ([`OutputFile::create`]).
    pub fn create(
        target: &Path,
        existing: Existing,
        metadata: &Metadata,
        infos: &IndexMap<String, TensorInfo>,
    ) -> Result<Self> {
        let fault = |fault| Error::Output { path: target.to_owned(), fault };
        let (header, plan, bytes) = lay_out(metadata, infos).map_err(fault)?;
        let io = |source| Error::io(target, source);
        let output = OutputFile::create(target, existing)?;
        // llama.cpp reads the zeros behind the last tensor too.
        output.file().set_len(bytes).map_err(io)?;
        let file = output.file().try_clone().map_err(io)?;
        Ok(Self { tensors: TensorsWriter::begin(target, file, &header, plan)?, output, bytes })
    }

    /// Size of the file that [`create`](Self::create) begins, without beginning it; `target` is for messages.
    ///
    /// # Errors
    /// As [`create`](Self::create), as far as the format says.
    pub fn size(target: &Path, metadata: &Metadata, infos: &IndexMap<String, TensorInfo>) -> Result<u64> {
        let fault = |fault| Error::Output { path: target.to_owned(), fault };
        lay_out(metadata, infos).map(|(_, _, bytes)| bytes).map_err(fault)
    }

    /// Takes the tensors, whole or in parts: f32 numbers for F32, F16 and BF16, bytes for any type.
    pub fn tensors(&self) -> &TensorsWriter {
        &self.tensors
    }

    /// Size of the whole file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// When a tensor never came, or the file cannot take its place ([`OutputFile::finish`]).
    pub fn finish(self) -> Result<()> {
        self.tensors.finish()?;
        self.output.finish()
    }
}

/// The header, padded; where each tensor begins; bytes of the whole file.
fn lay_out(
    metadata: &Metadata,
    infos: &IndexMap<String, TensorInfo>,
) -> Result<(Vec<u8>, Plan, u64), writer::Fault> {
    let alignment = header::alignment(metadata)?;
    let mut bytes = [&b"GGUF"[..], &3_u32.to_le_bytes()].concat();
    encode::length(&mut bytes, infos.len());
    encode::length(&mut bytes, metadata.0.len());
    for (key, value) in &metadata.0 {
        encode::string(&mut bytes, key);
        encode::value(&mut bytes, value);
    }
    let (mut plan, mut end) = (Plan::new(), 0_u64);
    for (name, info) in infos {
        let (info, begin) = (entry(&mut bytes, name, info, end)?, end);
        let next = end.checked_add(info.bytes).and_then(|end| end.checked_next_multiple_of(alignment as u64));
        let too_large = || writer::Fault::Shape { name: name.clone(), shape: info.shape.clone() };
        end = next.ok_or_else(too_large)?;
        plan.insert(name.clone(), (info, begin));
    }
    bytes.resize(bytes.len().next_multiple_of(alignment), 0);
    let data = bytes.len() as u64;
    plan.values_mut().for_each(|(_, begin)| *begin = begin.saturating_add(data));
    Ok((bytes, plan, data.saturating_add(end)))
}

/// Appends the entry of a tensor that lies at `offset` in the data; returns its info with its size.
fn entry(out: &mut Vec<u8>, name: &str, info: &TensorInfo, offset: u64) -> Result<TensorInfo, writer::Fault> {
    let dtype = info.dtype;
    let unknown = || writer::Fault::Dtype { name: name.to_owned(), dtype };
    let number = types::number(dtype).ok_or_else(unknown)?;
    let dimensions = info.shape.len() as u32;
    if header::MOST_DIMENSIONS < dimensions {
        return Err(Fault::Dimensions { tensor: name.to_owned(), found: dimensions }.into());
    }
    let shape: Vec<u64> = info.shape.iter().map(|&side| side as u64).collect();
    let info = header::info(name, &shape, dtype)?;
    encode::string(out, name);
    out.extend(dimensions.to_le_bytes());
    out.extend(shape.iter().rev().flat_map(|side| side.to_le_bytes()));
    out.extend(number.to_le_bytes());
    out.extend(offset.to_le_bytes());
    Ok(info)
}
