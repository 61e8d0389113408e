//! Models as GGUF files: quantised, in other types, or with an adapter merged into quantised weights.
//!
//! A file of Hugging Face's becomes what llama.cpp's converter makes of it: its names, its order of query and key rows, norms and
//! biases in f32, the shape as metadata, the tokenizer beside it. Of a GGUF file only types of tensors change; metadata, order,
//! alignment and all bytes that need not change stay. Weights go through in blocks of rows, shared by all threads; the error of
//! each tensor is measured on the way, against the numbers that were to be stored.

mod entry;
mod file;
mod requantize;
mod types;

pub use requantize::{merge_gguf, plan_merge_gguf};
pub use types::Types;

use crate::{Error, Result, Watch, base};
use entry::{Entry, Rows};
use indexmap::IndexSet;
use rankine_checkpoint::gguf::{self, Gguf, Layout, Metadata, ROPE_FACTORS, Value, Vocabulary};
use rankine_checkpoint::{Checkpoint, Dtype, Error as FileError, Existing, TensorInfo};
use std::path::{Path, PathBuf};
use types::Tensor;

/// What becomes a GGUF file.
pub enum GgufSource<'a> {
    /// Such a file, of any family.
    File(&'a Gguf),
    /// A model of the llama family, and its tokenizer where it has one.
    Model(&'a Checkpoint, Option<&'a Vocabulary>),
}

/// Where a GGUF model is written. The file appears whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufTarget<'a> {
    /// The file.
    pub target: &'a Path,
    /// What to do with one that is there already.
    pub existing: Existing,
    /// Files and folders that are read beside the model, and so neither replaced nor written into.
    pub inputs: Vec<PathBuf>,
}

/// In which types the tensors of a model are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantization {
    /// Of matrices in general.
    pub types: Types,
    /// Of the head, or of an embedding that is one; Q6_K beside smaller block formats where nothing is said.
    pub output: Option<Dtype>,
    /// Of the embedding.
    pub embedding: Option<Dtype>,
}

/// What was written, or would be.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufReport {
    /// Every tensor, in the order of the file.
    pub tensors: Vec<GgufTensor>,
    /// ‖W − W'‖ / ‖W‖ over all tensors that were measured; `None` where none was.
    pub relative: Option<f64>,
}

/// A tensor of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufTensor {
    /// Its name in the file.
    pub name: String,
    /// Its shape, outermost first.
    pub shape: Vec<usize>,
    /// The type that it had.
    pub from: Dtype,
    /// The type that it has now.
    pub to: Dtype,
    /// The type that it would have had, if its rows divided into blocks of it.
    pub instead_of: Option<Dtype>,
    /// Whether an adapter changed it.
    pub merged: bool,
    /// Its size in the model before.
    pub before: u64,
    /// Its size in the file.
    pub bytes: u64,
    /// ‖W − W'‖ / ‖W‖, W: the numbers that were to be stored; `None` where nothing was made, its bytes are those that
    /// were there, or W is zeros.
    pub relative: Option<f64>,
}

impl GgufReport {
    /// How many numbers there are.
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>() as u64).sum()
    }

    /// Bytes of all tensors before.
    pub fn before(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.before).sum()
    }

    /// Bytes of all tensors in the file.
    pub fn bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.bytes).sum()
    }

    /// Bits of the file for each number.
    pub fn bits(&self) -> f64 {
        8.0 * self.bytes() as f64 / (self.parameters() as f64).max(1.0)
    }
}

impl GgufSource<'_> {
    /// The folder or the file.
    fn path(&self) -> &Path {
        match self {
            Self::File(gguf) => gguf.path(),
            Self::Model(model, _) => model.path(),
        }
    }
}

impl Quantization {
    /// Writes the model.
    ///
    /// # Errors
    /// When the model is not what its configuration says or something of it has no place in a GGUF file, a number does not fit
    /// into a type, the file may not be replaced or is read, writing fails, or `watch` breaks off; nothing is left behind then.
    pub fn run(&self, source: &GgufSource, to: &GgufTarget, watch: &mut Watch) -> Result<GgufReport> {
        let entries = self.entries(source)?;
        let mut to = to.clone();
        to.inputs.push(source.path().to_owned());
        let made = file::write(&self.metadata(source)?, &entries, &to, watch)?;
        Ok(file::report(entries, Some(&made)))
    }

    /// What [`run`](Self::run) would write, without making it.
    ///
    /// # Errors
    /// As [`run`](Self::run), but for the output and the numbers.
    pub fn plan(&self, source: &GgufSource) -> Result<GgufReport> {
        self.metadata(source)?;
        Ok(file::report(self.entries(source)?, None))
    }

    fn metadata(&self, source: &GgufSource) -> Result<Metadata> {
        let mut metadata = match source {
            GgufSource::File(gguf) => gguf.metadata().clone(),
            GgufSource::Model(model, vocabulary) => {
                let fault = |fault| FileError::Gguf { path: model.path().to_owned(), fault };
                let (mut metadata, _) = gguf::describe(model.config()).map_err(fault)?;
                if let Some(name) = model.path().file_name().and_then(|name| name.to_str()) {
                    metadata.0.insert("general.name".to_owned(), Value::String(name.to_owned()));
                }
                if let Some(vocabulary) = vocabulary {
                    vocabulary.describe(&mut metadata);
                }
                metadata
            }
        };
        if let Some(number) = self.types.file_type() {
            metadata.0.insert("general.file_type".to_owned(), Value::U32(number));
            // What llama.cpp calls the present block formats.
            metadata.0.insert("general.quantization_version".to_owned(), Value::U32(2));
        }
        Ok(metadata)
    }

    fn entries<'a>(&self, source: &'a GgufSource) -> Result<Vec<Entry<'a>>> {
        let mut entries = match source {
            GgufSource::File(gguf) => stored(gguf),
            GgufSource::Model(model, _) => named(model)?,
        };
        let names: IndexSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        for entry in &mut entries {
            let tensor = Tensor { name: &entry.name, shape: &entry.shape, stored: entry.to };
            let [wanted, to] = self.types_of(&tensor, &names);
            (entry.to, entry.instead_of) = (to, (to != wanted).then_some(wanted));
        }
        Ok(entries)
    }
}

/// The tensors of a GGUF file, each as it is.
fn stored(gguf: &Gguf) -> Vec<Entry<'_>> {
    let entry = |(name, info, bytes): (&str, &TensorInfo, _)| {
        let rows = Rows::Stored { gguf, outside: gguf.name_of(name), bytes };
        Entry::new(name, &info.shape, [info.dtype; 2], rows)
    };
    gguf.stored_tensors().map(entry).collect()
}

/// The tensors of a model as llama.cpp's converter names and orders them, vectors and f64 as f32.
fn named(model: &Checkpoint) -> Result<Vec<Entry<'_>>> {
    base::check(model)?;
    let (config, tensors) = (model.config(), model.tensors());
    let fault = |fault| FileError::Gguf { path: model.path().to_owned(), fault };
    let mut entries = Vec::new();
    if let (_, Some(factors)) = gguf::describe(config).map_err(fault)? {
        let shape = [factors.len()];
        entries.push(Entry::new(ROPE_FACTORS, &shape, [Dtype::F32; 2], Rows::Given(factors)));
    }
    for (name, info) in tensors.infos() {
        // Old files of transformers keep the frequencies, which follow from the configuration.
        if name.ends_with(".rotary_emb.inv_freq") {
            continue;
        }
        let unplaced = || Error::NoPlaceInGguf { name: name.clone() };
        let layout = Layout::of(config, name).ok_or_else(unplaced)?;
        let to = match info.dtype {
            _ if info.shape.len() < 2 => Dtype::F32,
            Dtype::F64 => Dtype::F32,
            kept => kept.written(),
        };
        let (file_name, step) = (layout.name.clone(), layout.step(info.rows()).map_err(fault)?);
        let rows = Rows::Named { tensors, name: name.clone(), layout, step };
        entries.push(Entry::new(&file_name, &info.shape, [info.dtype, to], rows));
    }
    Ok(entries)
}
