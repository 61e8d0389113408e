//! GGUF files, version 2 and 3: weights, hyperparameters, tokenizer and chat template in one file; written as version 3.
//!
//! Read by memory map. Everything the header claims is checked against the file before it is used, so that a damaged
//! or hostile file is an error and never a panic or a large allocation. Tensors of the llama family come under their
//! Hugging Face names, with shapes outermost first and the rows of query and key in Hugging Face's order; tensors
//! without a counterpart, and those of other families, keep their ggml names.

mod config;
mod describe;
mod encode;
mod fault;
mod header;
mod heads;
mod kind;
mod layout;
mod names;
mod reader;
mod rope;
mod types;
mod value;
mod vocabulary;
mod write;

pub use describe::describe;
pub use fault::Fault;
pub use kind::FileKind;
pub use layout::{Layout, family};
pub use value::{Array, Metadata, Value};
pub use vocabulary::{TokenKind, Vocabulary};
pub use write::GgufWriter;

use crate::safetensors::part;
use crate::{Config, Dtype, Error, Result, TensorInfo, Tensors, convert, mapping};
use header::Header;
use indexmap::IndexMap;
use memmap2::Mmap;
use rankine_kernels::dequantize::dequantize;
use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Factors of the rotary frequencies, which are part of the configuration and no weight.
pub const ROPE_FACTORS: &str = "rope_freqs.weight";

/// An open GGUF file.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    bytes: Bytes,
    header: Header,
    infos: IndexMap<String, TensorInfo>,
    /// Where the tensor of the same index in `infos` lies.
    places: Vec<Place>,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

#[derive(Debug)]
struct Place {
    range: Range<usize>,
    /// Heads whose rows the file keeps in ggml's order.
    heads: Option<usize>,
}

impl Gguf {
    /// Maps the file and reads its header.
    ///
    /// The file must not be shortened or overwritten while it is open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::new(path, Bytes::Mapped(mapping::map(path)?))
    }

    /// A file that is in memory already; `path` is for messages.
    pub fn from_bytes(path: impl AsRef<Path>, bytes: Vec<u8>) -> Result<Self> {
        Self::new(path.as_ref(), Bytes::Owned(bytes))
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// 2 or 3.
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// Every key and value, in file order.
    pub fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    /// The tensors as they stand in the file: ggml's names, rows in ggml's order, and their bytes.
    pub fn stored_tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo, &[u8])> {
        let bytes = self.bytes();
        let tensors = self.header.tensors.iter();
        tensors.map(move |(name, stored)| (name.as_str(), &stored.info, &bytes[stored.range.clone()]))
    }

    /// What [`Tensors`] calls the tensor that stands as `stored` in the file.
    pub fn name_of(&self, stored: &str) -> String {
        outside(config::architecture(self.metadata()).is_ok(), stored)
    }

    /// Shape and constants of the model; an error for families that are not built here.
    pub fn config(&self) -> Result<Config> {
        let factors = match self.header.tensors.get(ROPE_FACTORS) {
            Some(stored) => {
                Some(self.decode(ROPE_FACTORS, &stored.info, &self.bytes()[stored.range.clone()])?)
            }
            None => None,
        };
        let config =
            config::from_header(&self.header, factors.as_deref()).map_err(|fault| self.fault(fault))?;
        config.check(&self.path)?;
        Ok(config)
    }

    /// The tokenizer.
    pub fn vocabulary(&self) -> Result<Vocabulary> {
        Vocabulary::from_metadata(self.metadata()).map_err(|fault| self.fault(fault))
    }

    fn new(path: &Path, bytes: Bytes) -> Result<Self> {
        let fault = |fault| Error::Gguf { path: path.to_owned(), fault };
        let header = Header::parse(bytes.as_slice()).map_err(fault)?;
        let (infos, places) = index(&header).map_err(fault)?;
        Ok(Self { path: path.to_owned(), bytes, header, infos, places })
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    fn fault(&self, fault: Fault) -> Error {
        Error::Gguf { path: self.path.clone(), fault }
    }

    fn place(&self, name: &str) -> Result<(&TensorInfo, &Place)> {
        let missing = || Error::missing_tensor(&self.path, name, self.infos.keys());
        let (index, _, info) = self.infos.get_full(name).ok_or_else(missing)?;
        Ok((info, &self.places[index]))
    }

    /// Info and stored bytes of `rows` of `name`, in Hugging Face's order; all rows for `None`.
    fn stored(&self, name: &str, rows: Option<Range<usize>>) -> Result<(&TensorInfo, Cow<'_, [u8]>)> {
        let (info, Place { range, heads }) = self.place(name)?;
        let (bytes, height) = (&self.bytes()[range.clone()], info.rows());
        Ok(match (heads, rows) {
            (Some(heads), rows) => {
                (info, heads::restored(bytes, height, *heads, rows.unwrap_or(0..height)).into())
            }
            (None, Some(rows)) => (info, bytes[part(bytes.len(), height, &rows)].into()),
            (None, None) => (info, bytes.into()),
        })
    }

    fn decode(&self, name: &str, info: &TensorInfo, bytes: &[u8]) -> Result<Vec<f32>> {
        let mut out = vec![0.0; info.elements()];
        decode_into(name, info.dtype, bytes, &mut out)?;
        Ok(out)
    }
}

impl Tensors for Gguf {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        let (info, bytes) = self.stored(name, None)?;
        decode_into(name, info.dtype, &bytes, out)
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let info = self.place(name)?.0;
        info.check_rows(name, &rows, out.len())?;
        if info.shape.len() < 2 {
            // The rows are single numbers, which need not fill a block.
            let whole = self.decode(name, info, &self.stored(name, None)?.1)?;
            out.copy_from_slice(&whole[rows]);
            return Ok(());
        }
        let (info, bytes) = self.stored(name, Some(rows))?;
        decode_into(name, info.dtype, &bytes, out)
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        let Ok((info, Place { range, heads })) = self.place(name) else { return };
        let Bytes::Mapped(map) = &self.bytes else { return };
        if info.rows() < rows.end {
            return;
        }
        // The rows of a head lie among each other.
        let head = heads.map_or(1, |heads| info.rows() / heads).max(1);
        let rows = rows.start / head * head..rows.end.next_multiple_of(head);
        if rows.start <= rows.end && rows.end <= info.rows() {
            let part = part(range.len(), info.rows(), &rows);
            mapping::release(map, range.start + part.start..range.start + part.end);
        }
    }

    fn encoded(&self, name: &str) -> Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        let (info, bytes) = self.stored(name, None)?;
        Ok(Some((info.dtype, bytes)))
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        match self.stored(name, None)? {
            (TensorInfo { dtype: Dtype::Quantized(_), .. }, _) => {
                Err(Error::NotPlain { path: self.path.clone(), name: name.to_owned() })
            }
            (_, bytes) => Ok(bytes),
        }
    }
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// The tensors under the names that the world outside uses.
fn index(header: &Header) -> Result<(IndexMap<String, TensorInfo>, Vec<Place>), Fault> {
    let family = config::architecture(&header.metadata).is_ok();
    let mut infos = IndexMap::with_capacity(header.tensors.len());
    let mut places = Vec::with_capacity(header.tensors.len());
    for (name, stored) in &header.tensors {
        if family && name == ROPE_FACTORS {
            continue;
        }
        let heads = heads::reordered(header, name, &stored.info)?;
        if infos.insert(outside(family, name), stored.info.clone()).is_some() {
            return Err(Fault::DuplicateTensor { tensor: name.clone() });
        }
        places.push(Place { range: stored.range.clone(), heads });
    }
    Ok((infos, places))
}

/// The name of a tensor to the world outside, in a file of the llama family or of another.
fn outside(family: bool, name: &str) -> String {
    names::hugging_face(name).filter(|_| family).unwrap_or_else(|| name.to_owned())
}

/// The numbers of stored bytes as f32; `name` is for messages.
///
/// # Errors
/// When there is room for another count than the bytes hold.
pub fn decode_into(name: &str, dtype: Dtype, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    let Dtype::Quantized(format) = dtype else { return convert::to_f32(name, dtype, bytes, out) };
    let (found, expected) = (out.len(), bytes.len() / format.block_bytes() * format.block_elements());
    let wrong = |_| Error::Length { name: name.to_owned(), expected, found };
    dequantize(format, bytes, out).map_err(wrong)
}

#[cfg(test)]
mod tests;
