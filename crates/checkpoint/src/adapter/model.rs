//! An adapter's numbers, by module.
//!
//!     linear       weight + scaling · b·a            a: [r, in]     b: [out, r]
//!     embedding    weight + scaling · (b·a)ᵀ         a: [r, rows]   b: [width, r]
//!     convolution  as linear, for taps [out, in·h·w] in the file a: [r, in, h, w]   b: [out, r, 1, 1]

use super::config::Scales;
use super::keys::{self, Part};
use super::{AdapterConfig, Bias, Fault, Mismatch, Misshapen, targets};
use crate::{Error, Result, TensorInfo, Tensors, open_tensors};
use indexmap::IndexMap;
use std::path::{Path, PathBuf};

/// A LoRA adapter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adapter {
    /// The file it was read from, for messages; empty for one that was made here.
    pub path: PathBuf,
    /// What it is.
    pub config: AdapterConfig,
    /// Module path → its change of low rank.
    pub low_rank: IndexMap<String, LowRank>,
    /// Tensor name, such as `lm_head.weight` → what stands in its place.
    pub replaced: IndexMap<String, Replacement>,
    /// Path of an embedding → rows that replace some of its own.
    pub new_rows: IndexMap<String, NewRows>,
    /// What did not fit when the file was read; [`check`](Self::check) refuses it.
    pub mismatch: Mismatch,
}

/// A change of low rank of one weight.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank {
    /// First factor; [rank, inputs].
    pub a: Vec<f32>,
    /// Second factor; [outputs, rank].
    pub b: Vec<f32>,
    /// Columns of `b` and rows of `a`.
    pub rank: usize,
    /// Columns of the weight; for an embedding, its rows; for a convolution, all taps of an output.
    pub inputs: usize,
    /// Rows of the weight; for an embedding, its width.
    pub outputs: usize,
    /// Factor of b·a.
    pub scaling: f32,
    /// DoRA's magnitudes, one an output.
    pub magnitude: Option<Vec<f32>>,
    /// Adds to the module's bias as scaling · output_bias; [outputs].
    pub output_bias: Option<Vec<f32>>,
    /// What kind of layer it changes.
    pub kind: LayerKind,
}

/// A layer that takes a change of low rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// Rows are outputs.
    Linear,
    /// Rows are tokens, so the product is transposed.
    Embedding,
    /// Rows are output channels; the columns are taps, input channels outermost.
    Convolution {
        /// Height and width.
        kernel: [usize; 2],
    },
}

/// A tensor that stands in the place of one of the base model.
#[derive(Clone, Debug, PartialEq)]
pub struct Replacement {
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Vec<f32>,
    /// Why it is in the file.
    pub origin: Origin,
}

/// Why a whole tensor is in an adapter. With tied weights it matters: a base that was saved along is the base of
/// embedding and head, a module that was trained whole is only itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The adapted module's own weight, saved along.
    Base,
    /// The module was trained whole.
    Module,
    /// A bias that was trained.
    Bias,
}

/// Rows that replace some of an embedding's.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRows {
    /// Which rows, in the order of `values`.
    pub tokens: Vec<u32>,
    /// Length of a row.
    pub width: usize,
    /// The rows; [tokens, width].
    pub values: Vec<f32>,
}

impl Adapter {
    /// Reads the adapter in `folder`. What does not fit the configuration is kept for [`check`](Self::check),
    /// which must follow before the adapter is used.
    pub fn open(folder: &Path) -> Result<Self> {
        let config = AdapterConfig::read(folder)?;
        let path = Self::weights(folder)?;
        Self::read(config, open_tensors(&path)?.as_ref(), &path)
    }

    /// The file with the weights in `folder`.
    pub(super) fn weights(folder: &Path) -> Result<PathBuf> {
        let (path, pickle) = (folder.join("adapter_model.safetensors"), folder.join("adapter_model.bin"));
        match (path.is_file(), pickle.is_file()) {
            (true, _) => Ok(path),
            (false, true) => Ok(pickle),
            (false, false) => Err(Error::Adapter { path: folder.to_owned(), fault: Fault::NoWeights }),
        }
    }

    /// The folder it was read from.
    pub fn folder(&self) -> Option<&Path> {
        self.path.parent().filter(|folder| *folder != Path::new(""))
    }

    /// The adapter in `tensors`; `path` is for messages.
    pub(super) fn read(mut config: AdapterConfig, tensors: &dyn Tensors, path: &Path) -> Result<Self> {
        let at = |fault: super::TargetFault| Error::Adapter { path: path.to_owned(), fault: fault.into() };
        let mut reader = Reader { tensors, path, mismatch: Mismatch::default(), modules: IndexMap::new() };
        let mut adapter = Self { path: path.to_owned(), ..Self::default() };
        let mut wrapped = Vec::new();
        for key in tensors.infos().keys() {
            match keys::parse(key) {
                None => reader.mismatch.unexpected.push(key.clone()),
                Some((_, Part::Unused)) => {}
                Some((module, Part::Wrapped(parameter))) => {
                    wrapped.push((key, format!("{module}.{parameter}")))
                }
                Some((module, Part::Tuned(parameter))) => {
                    if !config.targets.saved.iter().any(|saved| saved == module) {
                        config.targets.saved.push(module.to_owned());
                    }
                    reader.replace(&mut adapter, key, format!("{module}.{parameter}"), Origin::Module)?;
                }
                Some((module, Part::Base(parameter))) => {
                    let origin = if parameter == "bias" { Origin::Bias } else { Origin::Base };
                    reader.replace(&mut adapter, key, format!("{module}.{parameter}"), origin)?;
                }
                Some((module, Part::Plain(parameter))) => {
                    let origin = match targets::is_saved(&config.targets.saved, module) {
                        true => Origin::Module,
                        false if parameter == "bias" => Origin::Bias,
                        false => Origin::Base,
                    };
                    reader.replace(&mut adapter, key, format!("{module}.{parameter}"), origin)?;
                }
                Some((module, part)) => reader.part(module, part, key),
            }
        }
        // peft writes the trained tensor of a wrapped module a second time under its plain name.
        for (key, name) in wrapped {
            if !adapter.replaced.contains_key(&name) {
                reader.replace(&mut adapter, key, name, Origin::Module)?;
            }
        }
        let scales = config.scales().map_err(at)?;
        for (module, parts) in std::mem::take(&mut reader.modules) {
            reader.module(&mut adapter, module, &parts, &config, &scales)?;
        }
        drop(scales);
        adapter.mismatch = reader.mismatch;
        adapter.config = config;
        Ok(adapter)
    }
}

/// Keys of the file, by what they are to one module.
#[derive(Default)]
struct Parts<'a> {
    a: Option<&'a String>,
    b: Option<&'a String>,
    embedding_a: Option<&'a String>,
    embedding_b: Option<&'a String>,
    output_bias: Option<&'a String>,
    magnitude: Option<&'a String>,
    rows: Option<&'a String>,
}

struct Reader<'a> {
    tensors: &'a dyn Tensors,
    path: &'a Path,
    mismatch: Mismatch,
    modules: IndexMap<&'a str, Parts<'a>>,
}

impl<'a> Reader<'a> {
    /// Files a key under its module; a second one for the same place belongs to nothing.
    fn part(&mut self, module: &'a str, part: Part, key: &'a String) {
        let parts = self.modules.entry(module).or_default();
        let place = match part {
            Part::A => &mut parts.a,
            Part::B => &mut parts.b,
            Part::EmbeddingA => &mut parts.embedding_a,
            Part::EmbeddingB => &mut parts.embedding_b,
            Part::OutputBias => &mut parts.output_bias,
            Part::Magnitude => &mut parts.magnitude,
            Part::Rows => &mut parts.rows,
            Part::Base(_) | Part::Wrapped(_) | Part::Tuned(_) | Part::Unused | Part::Plain(_) => return,
        };
        match place {
            None => *place = Some(key),
            Some(_) => self.mismatch.unexpected.push(key.clone()),
        }
    }

    fn info(&self, key: &str) -> &'a TensorInfo {
        // Keys come from these very infos.
        &self.tensors.infos()[key]
    }

    fn values(&self, key: &str) -> Result<Vec<f32>> {
        finite(self.tensors, self.path, key)
    }

    fn replace(&mut self, adapter: &mut Adapter, key: &str, name: String, origin: Origin) -> Result<()> {
        if adapter.replaced.contains_key(&name) {
            self.mismatch.unexpected.push(key.to_owned());
            return Ok(());
        }
        let (shape, values) = (self.info(key).shape.clone(), self.values(key)?);
        adapter.replaced.insert(name, Replacement { shape, values, origin });
        Ok(())
    }

    fn module(
        &mut self,
        adapter: &mut Adapter,
        module: &str,
        parts: &Parts,
        config: &AdapterConfig,
        scales: &Scales,
    ) -> Result<()> {
        if let Some(key) = parts.rows {
            self.rows(adapter, module, key, config)?;
        }
        let embedding = parts.embedding_a.is_some() || parts.embedding_b.is_some();
        let (kind, a, b, names) = match embedding {
            true => (LayerKind::Embedding, parts.embedding_a, parts.embedding_b, EMBEDDING_FACTORS),
            false => (LayerKind::Linear, parts.a, parts.b, LINEAR_FACTORS),
        };
        if embedding {
            self.mismatch
                .unexpected
                .extend([parts.a, parts.b, parts.output_bias].into_iter().flatten().cloned());
        }
        let (Some(a), Some(b)) = (a, b) else {
            let extras = [a, b, parts.output_bias, parts.magnitude];
            if extras.iter().any(Option::is_some) {
                let absent = names.into_iter().zip([a, b]).filter(|(_, there)| there.is_none());
                self.mismatch.missing.extend(absent.map(|(name, _)| keys::key(module, name)));
            }
            return Ok(());
        };
        let rank = scales.rank(module)?;
        let taps = self.taps(a, kind);
        let kind = taps.map_or(kind, |[_, height, width]| LayerKind::Convolution { kernel: [height, width] });
        let inputs = self.inputs(a, rank, taps);
        let Some(outputs) = self.outputs(b, rank, taps) else { return Ok(()) };
        let output_bias = if embedding { None } else { parts.output_bias };
        let magnitude = self.vector(parts.magnitude, kind.magnitudes(outputs))?;
        let output_bias = self.vector(output_bias, vec![outputs])?;
        let Some(inputs) = inputs else { return Ok(()) };
        let scaling = scales.scaling(module)? as f32;
        let (a, b) = (self.values(a)?, self.values(b)?);
        let low_rank = LowRank { a, b, rank, inputs, outputs, scaling, magnitude, output_bias, kind };
        adapter.low_rank.insert(module.to_owned(), low_rank);
        Ok(())
    }

    /// Input channels, height and width of a convolution's first factor.
    fn taps(&self, a: &str, kind: LayerKind) -> Option<[usize; 3]> {
        match self.info(a).shape.as_slice() {
            &[_, channels, height, width] if kind == LayerKind::Linear => Some([channels, height, width]),
            _ => None,
        }
    }

    /// Inputs of a first factor; one of a wrong shape is noted.
    fn inputs(&mut self, a: &str, rank: usize, taps: Option<[usize; 3]>) -> Option<usize> {
        let (expected, inputs) = match taps {
            Some(taps) => ([&[rank], &taps[..]].concat(), taps.iter().product()),
            None => {
                let inputs = self.info(a).shape.get(1).copied().unwrap_or(1);
                (vec![rank, inputs], inputs)
            }
        };
        self.fits(a, expected).then_some(inputs)
    }

    /// Outputs of a second factor; one of a wrong shape is noted.
    fn outputs(&mut self, b: &str, rank: usize, taps: Option<[usize; 3]>) -> Option<usize> {
        let outputs = self.info(b).shape.first().copied().unwrap_or(1);
        let expected = if taps.is_some() { vec![outputs, rank, 1, 1] } else { vec![outputs, rank] };
        self.fits(b, expected).then_some(outputs)
    }

    fn fits(&mut self, key: &str, expected: Vec<usize>) -> bool {
        let found = self.info(key).shape.clone();
        let fits = found == expected;
        if !fits {
            self.mismatch.misshapen.push(Misshapen { key: key.to_owned(), expected, found });
        }
        fits
    }

    /// The numbers of a tensor of this shape; one of another shape is noted and left out.
    fn vector(&mut self, key: Option<&String>, shape: Vec<usize>) -> Result<Option<Vec<f32>>> {
        match key {
            Some(key) if self.fits(key, shape) => self.values(key).map(Some),
            _ => Ok(None),
        }
    }

    fn rows(&mut self, adapter: &mut Adapter, module: &str, key: &str, config: &AdapterConfig) -> Result<()> {
        let Some(tokens) = config.trainable_tokens.of(module) else {
            self.mismatch.unexpected.push(key.to_owned());
            return Ok(());
        };
        let width = self.info(key).shape.get(1).copied().unwrap_or(1);
        if self.fits(key, vec![tokens.len(), width]) {
            let rows = NewRows { tokens: tokens.to_vec(), width, values: self.values(key)? };
            adapter.new_rows.insert(module.to_owned(), rows);
        }
        Ok(())
    }
}

/// The numbers of the tensor `key`, which is there; `path` is for messages.
pub(super) fn finite(tensors: &dyn Tensors, path: &Path, key: &str) -> Result<Vec<f32>> {
    let mut values = vec![0.0; tensors.infos()[key].elements()];
    tensors.read_into(key, &mut values)?;
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(values),
        Some(&value) => {
            let fault = Fault::NotFinite { key: key.to_owned(), value };
            Err(Error::Adapter { path: path.to_owned(), fault })
        }
    }
}

pub(super) const LINEAR_FACTORS: [&str; 2] = ["lora_A.weight", "lora_B.weight"];
pub(super) const EMBEDDING_FACTORS: [&str; 2] = ["lora_embedding_A", "lora_embedding_B"];

impl LowRank {
    /// The keys of its factors.
    pub(super) fn factors(&self) -> [&'static str; 2] {
        match self.kind {
            LayerKind::Linear | LayerKind::Convolution { .. } => LINEAR_FACTORS,
            LayerKind::Embedding => EMBEDDING_FACTORS,
        }
    }

    /// The shapes of its factors in a file.
    pub(super) fn shapes(&self) -> [Vec<usize>; 2] {
        let &Self { rank, inputs, outputs, kind, .. } = self;
        match kind {
            LayerKind::Linear | LayerKind::Embedding => [vec![rank, inputs], vec![outputs, rank]],
            LayerKind::Convolution { kernel: [height, width] } => {
                let channels = inputs / (height * width).max(1);
                [vec![rank, channels, height, width], vec![outputs, rank, 1, 1]]
            }
        }
    }
}

impl LayerKind {
    /// The shape that DoRA's magnitudes have in files.
    pub(super) fn magnitudes(self, outputs: usize) -> Vec<usize> {
        match self {
            Self::Linear | Self::Embedding => vec![outputs],
            Self::Convolution { .. } => vec![1, outputs, 1, 1],
        }
    }
}

impl Bias {
    /// Whether a file must hold the bias of a module. All are those of the class that was trained, which may lack parts of
    /// the base's file: a classifier has no language head.
    pub(super) fn requires(self, adapted: bool) -> bool {
        self == Self::LoraOnly && adapted
    }
}
