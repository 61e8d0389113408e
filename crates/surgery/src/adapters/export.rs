//! An adapter as a GGUF file, for llama.cpp's `--lora`.
//!
//!     llama.cpp     y = W·x + (alpha / r)·b'·a'·x        a': [r, in]  b': [out, r]
//!     wanted        y = W·x + s·b·a·x
//!     hence         a' = a    b' = P·b·(s·r / alpha)
//!
//! alpha is one number of the file, r the columns of the module's own `lora_b`, s the module's own scale: what rslora and the
//! patterns of ranks and alphas make of it goes into b'; where s = alpha / r already, the numbers stay as they are. P puts
//! the rows of query and key in ggml's order, in families where the model's own are (llama, mistral). An embedding's a' is
//! looked up by rows and stored so: [rows, r]. An alpha of 0 would mean no scale at all, so the rank takes its place.
//!
//! Departure: convert_lora_to_gguf.py, whose names, shapes and order these are, scales every module by alpha / r.

use super::change;
use super::obstacle::{self, Obstacle};
use super::product::transposed;
use crate::{Result, output};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::{LayerKind, LowRank};
use rankine_checkpoint::gguf::{self, GgufWriter, Layout, Metadata, Value};
use rankine_checkpoint::{Adapter, Checkpoint, Dtype, Error as FileError, Existing, TensorInfo};
use std::path::{Path, PathBuf};

/// Where and how a GGUF adapter is written. The file appears whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufOutput<'a> {
    /// The file.
    pub target: &'a Path,
    /// What to do with one that is there already.
    pub existing: Existing,
    /// Files and folders that are read and so not replaced, the base aside.
    pub inputs: Vec<PathBuf>,
    /// Type of the numbers: F32, F16 or BF16.
    pub dtype: Dtype,
}

/// What was written, or would be.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufExport {
    /// `general.architecture`, which must be the model's.
    pub architecture: &'static str,
    /// `adapter.lora.alpha`.
    pub alpha: f32,
    /// Every adapted module, in the order of the file; two tensors each.
    pub modules: Vec<ExportedModule>,
    /// Size of the file.
    pub bytes: u64,
}

/// A module in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedModule {
    /// Its path in the adapter.
    pub module: String,
    /// ggml's name of its weight; the file has `NAME.lora_a` and `NAME.lora_b`.
    pub tensor: String,
    /// Rank of its factors.
    pub rank: usize,
    /// Factor of b·a.
    pub scale: f32,
    /// What b was multiplied by so that llama.cpp arrives at that scale; 1 where it does by itself.
    pub folded: f64,
}

/// Writes `adapter` for llama.cpp. Of `base` only configuration, names and shapes are read.
///
/// # Errors
/// When the base is not the model that its configuration describes, the adapter does not fit it, the adapter has something
/// that llama.cpp cannot use ([`Obstacle`]), a number does not fit into the type, the file lies inside base or adapter, or it
/// cannot be written.
pub fn export(base: &Checkpoint, adapter: &Adapter, output: &GgufOutput) -> Result<GgufExport> {
    let draft = Draft::new(base, adapter, output.dtype)?;
    let inputs = output.read(base);
    output::check_outside(output.target, &inputs)?;
    output::check_gguf(output.target, output.existing, &inputs)?;
    let writer = GgufWriter::create(output.target, output.existing, &draft.metadata, &draft.infos)?;
    for part in &draft.parts {
        part.write(&writer)?;
    }
    let bytes = writer.bytes();
    writer.finish()?;
    Ok(draft.report(bytes))
}

/// What [`export`] would write, without writing it.
///
/// # Errors
/// As [`export`], as far as the file that may be there already and the numbers do not matter.
pub fn plan_export(base: &Checkpoint, adapter: &Adapter, output: &GgufOutput) -> Result<GgufExport> {
    let draft = Draft::new(base, adapter, output.dtype)?;
    output::check_apart(output.target, &output.read(base))?;
    let bytes = GgufWriter::size(output.target, &draft.metadata, &draft.infos)?;
    Ok(draft.report(bytes))
}

impl GgufOutput<'_> {
    /// Everything that is read.
    fn read(&self, base: &Checkpoint) -> Vec<PathBuf> {
        self.inputs.iter().cloned().chain([base.path().to_owned()]).collect()
    }
}

/// All of the file but its numbers.
struct Draft<'a> {
    architecture: &'static str,
    alpha: f32,
    parts: Vec<Part<'a>>,
    metadata: Metadata,
    infos: IndexMap<String, TensorInfo>,
}

impl<'a> Draft<'a> {
    fn new(base: &'a Checkpoint, adapter: &'a Adapter, dtype: Dtype) -> Result<Self> {
        let config = base.config();
        let obstacle = match config.architecture.is_encoder() {
            true => Obstacle::NoLanguageModel,
            false => Obstacle::Family,
        };
        let unknown = || obstacle.at(config.architecture.name());
        let architecture = gguf::family(config.architecture).ok_or_else(unknown)?;
        crate::base::check(base)?;
        adapter.check(base.tensors())?;
        obstacle::check(base, adapter)?;
        let alpha = alpha(adapter);
        let parts = adapter.low_rank.iter().map(|(path, low_rank)| Part::new(base, path, low_rank, alpha));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let infos = parts.iter().flat_map(|part| part.infos(dtype)).collect();
        Ok(Self { architecture, alpha, parts, metadata: metadata(architecture, alpha), infos })
    }

    fn report(self, bytes: u64) -> GgufExport {
        let modules = self.parts.into_iter().map(Part::report).collect();
        GgufExport { architecture: self.architecture, alpha: self.alpha, modules, bytes }
    }
}

/// The configuration's, where llama.cpp takes it for a scale.
fn alpha(adapter: &Adapter) -> f32 {
    let alpha = adapter.config.alpha as f32;
    if alpha.is_normal() { alpha } else { adapter.config.rank as f32 }
}

/// The keys that llama.cpp looks for.
fn metadata(architecture: &str, alpha: f32) -> Metadata {
    let text = |text: &str| Value::String(text.to_owned());
    let keys = [
        ("general.architecture", text(architecture)),
        ("general.type", text("adapter")),
        ("adapter.type", text("lora")),
        ("adapter.lora.alpha", Value::F32(alpha)),
    ];
    Metadata(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A module on its way into the file.
struct Part<'a> {
    path: &'a str,
    low_rank: &'a LowRank,
    layout: Layout,
    folded: f64,
    base: &'a Checkpoint,
}

impl<'a> Part<'a> {
    fn new(base: &'a Checkpoint, path: &'a str, low_rank: &'a LowRank, alpha: f32) -> Result<Self> {
        change::check(path, low_rank)?;
        let place = Layout::of(base.config(), &format!("{path}.weight"));
        let is_table = base.config().architecture.embedding().strip_suffix(".weight") == Some(path);
        let fits = match low_rank.kind {
            LayerKind::Linear => !is_table,
            LayerKind::Embedding => is_table,
            LayerKind::Convolution { .. } => false,
        };
        let layout = place.filter(|_| fits).ok_or_else(|| Obstacle::Module.at(path))?;
        let theirs = alpha / low_rank.rank as f32;
        let folded = match theirs == low_rank.scaling {
            true => 1.0,
            false => f64::from(low_rank.scaling) / f64::from(theirs),
        };
        Ok(Self { path, low_rank, layout, folded, base })
    }

    /// Names of the two tensors.
    fn names(&self) -> [String; 2] {
        ["lora_a", "lora_b"].map(|factor| format!("{}.{factor}", self.layout.name))
    }

    fn infos(&self, dtype: Dtype) -> impl Iterator<Item = (String, TensorInfo)> + use<> {
        let &LowRank { rank, inputs, outputs, kind, .. } = self.low_rank;
        let a = if kind == LayerKind::Embedding { [inputs, rank] } else { [rank, inputs] };
        let info = move |shape: [usize; 2]| TensorInfo { shape: shape.to_vec(), dtype, bytes: 0 };
        self.names().into_iter().zip([a, [outputs, rank]].map(info))
    }

    fn write(&self, writer: &GgufWriter) -> Result<()> {
        let &LowRank { ref a, ref b, rank, inputs, outputs, kind, .. } = self.low_rank;
        let [name_a, name_b] = self.names();
        match kind {
            LayerKind::Embedding => writer.tensors().write(&name_a, &transposed(a, rank, inputs))?,
            _ => writer.tensors().write(&name_a, a)?,
        }
        let scaled = match self.folded == 1.0 {
            true => b.clone(),
            false => b.iter().map(|&x| (f64::from(x) * self.folded) as f32).collect(),
        };
        let path = || self.base.path().to_owned();
        let rows =
            self.layout.rows(scaled, outputs).map_err(|fault| FileError::Gguf { path: path(), fault })?;
        Ok(writer.tensors().write(&name_b, &rows)?)
    }

    fn report(self) -> ExportedModule {
        let LowRank { rank, scaling, .. } = *self.low_rank;
        let (module, tensor) = (self.path.to_owned(), self.layout.name);
        ExportedModule { module, tensor, rank, scale: scaling, folded: self.folded }
    }
}
