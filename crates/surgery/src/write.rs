//! A model as a folder that transformers loads: `model.safetensors` or shards, `config.json`, the tokenizer.
//!
//! Weights go from source to file a block of rows at a time (`block.rs`). One file is written after the other, and the folder
//! appears when it is complete; what becomes of finished files before that stands in `unfinished.rs`.

use crate::merged::Squares;
use crate::unfinished::{Unfinished, broken_off};
use crate::{Error, Progress, Result, Resume, Stage, Watch, output};
use indexmap::IndexMap;
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{
    Config, Dtype, Existing, ImageCheckpoint, OutputFolder, ShardPlan, TensorInfo, Tensors, ThinLayers,
};
use serde_json::{Value, json};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How a model is written.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteOptions {
    /// Type of all weights: F32, F16 or Bf16. `None` keeps each as it is; a model with quantised weights becomes f32,
    /// the type that holds all of them exactly, and so does a weight of f64 that is computed and not copied: everything is
    /// computed in f32. Floats of eight bits become bf16, whatever is done with them ([`Dtype::written`]).
    pub dtype: Option<Dtype>,
    /// Most bytes of weights in a file; a larger tensor has a file to itself.
    pub shard_bytes: u64,
    /// What to do with an output that is there already.
    pub existing: Existing,
    /// Further files and folders that are read: an output that is one of them, or holds one, is not replaced.
    /// [`merge`](crate::merge) adds base and adapter, and the companions count too.
    pub inputs: Vec<PathBuf>,
    /// Files that are copied beside the weights under their own names.
    pub companions: Vec<PathBuf>,
    /// Name and content of further files; they go before companions of the same name.
    pub extra_files: Vec<(String, Vec<u8>)>,
    /// Layers of which the factors are written: `config.json` says so.
    pub thin: Option<ThinLayers>,
    /// How work goes on that broke off; without it nothing is left behind.
    pub resume: Option<Resume>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            dtype: None,
            // What transformers 4 used; its readers take any size.
            shard_bytes: 5_000_000_000,
            existing: Existing::Refuse,
            inputs: Vec::new(),
            companions: Vec::new(),
            extra_files: Vec::new(),
            thin: None,
            resume: None,
        }
    }
}

impl WriteOptions {
    /// Everything that is read.
    pub(crate) fn read(&self) -> impl Iterator<Item = &PathBuf> {
        self.inputs.iter().chain(&self.companions)
    }
}

/// What a written model consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of all weights.
    pub bytes: u64,
    /// Numbers of all weights.
    pub parameters: u64,
    /// Name of each weight file and the bytes of its weights.
    pub files: Vec<(String, u64)>,
}

/// Writes all tensors of `source` as a model with this configuration into the folder `target`. What `source` is read
/// from stands in [`WriteOptions::inputs`].
///
/// # Errors
/// When `target` exists and may not be replaced, a weight cannot be read, writing fails, or `watch` breaks off; nothing
/// is left behind then, but for finished files with [`WriteOptions::resume`].
pub fn write_model(
    source: &dyn Tensors,
    config: &Config,
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
) -> Result<Plan> {
    write_unchanged(source, &|plan| configured(source, plan, config, options), target, options, watch)
}

/// As [`write_model`], of an image classifier: the weights, and the files that tell what it is.
///
/// # Errors
/// As [`write_model`].
pub fn write_image_model(
    source: &dyn Tensors,
    model: &ImageCheckpoint,
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
) -> Result<Plan> {
    write_unchanged(source, &|plan| model.describe(first_dtype(plan)), target, options, watch)
}

/// Weights as they are read, beside `files`.
pub(crate) fn write_unchanged(
    source: &dyn Tensors,
    files: &Files<'_>,
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
) -> Result<Plan> {
    // Numbers of other types are the same after a way through f32.
    let copied = |name: &str| is_stored_double(source, name);
    let weights = Weights { source, copied: &copied, fill: &unchanged(source) };
    weights.write(files, target, options, watch).map(|written| written.plan)
}

/// Makes rows of a tensor by reading them.
pub(crate) fn unchanged(
    source: &dyn Tensors,
) -> impl Fn(&str, Range<usize>, &mut [f32]) -> Result<Squares> + Sync + '_ {
    move |name: &str, rows: Range<usize>, out: &mut [f32]| {
        source.read_rows(name, rows, out)?;
        Ok(Squares::default())
    }
}

/// Makes some rows of a tensor.
pub(crate) type Fill<'a> = dyn Fn(&str, Range<usize>, &mut [f32]) -> Result<Squares> + Sync + 'a;

/// Name and content of the files that tell what a model is whose weights are written so.
pub(crate) type Files<'a> = dyn Fn(&ShardPlan) -> Vec<(&'static str, Value)> + 'a;

/// The tensors of a file, in order.
pub(crate) type Shard = IndexMap<String, TensorInfo>;

/// How far tensors moved.
pub(crate) type Moved = IndexMap<String, Squares>;

/// Weights and how rows of them are made.
pub(crate) struct Weights<'a> {
    pub source: &'a dyn Tensors,
    /// Whether the bytes of the source can be taken as they are.
    pub copied: &'a dyn Fn(&str) -> bool,
    pub fill: &'a Fill<'a>,
}

/// What was written.
pub(crate) struct Written {
    pub plan: Plan,
    /// How far each tensor moved.
    pub moved: Moved,
}

impl Weights<'_> {
    pub fn write(
        &self,
        files: &Files<'_>,
        target: &Path,
        options: &WriteOptions,
        watch: &mut Watch,
    ) -> Result<Written> {
        let plan = shard_plan_of(&self.infos(), options)?;
        let files = (&plan, files(&plan));
        let moved = in_folder(files, target, options, watch, |writer, shard, progress, watch| {
            self.write_blocks(writer, shard.iter(), progress, watch)
        })?;
        Ok(Written { plan: summary(&plan), moved })
    }

    /// The tensors in the types of what is written.
    fn infos(&self) -> IndexMap<String, TensorInfo> {
        let written = |(name, info): (&String, &TensorInfo)| {
            let kept = info.dtype != Dtype::F64 || ((self.copied)(name) && self.source.raw(name).is_ok());
            (name.clone(), if kept { info.clone() } else { computed(info) })
        };
        self.source.infos().iter().map(written).collect()
    }
}

/// All tensors of a plan.
fn tensors(plan: &ShardPlan) -> impl Iterator<Item = (&String, &TensorInfo)> {
    plan.files().flat_map(|(_, shard)| shard)
}

/// Makes the folder `target`, with the files that tell what the model is; `write` gives the weights of each file, adds to the
/// bytes done, and says how far they moved. It is not asked for files that are finished already.
pub(crate) fn in_folder(
    (plan, files): (&ShardPlan, Vec<(&'static str, Value)>),
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
    write: impl FnMut(&TensorsWriter, &Shard, &mut Progress, &mut Watch) -> Result<Moved>,
) -> Result<Moved> {
    output::check(target, options.existing, options.read())?;
    let mut unfinished = Unfinished::begin(target, plan, options, watch)?;
    let written = fill_folder(&mut unfinished, (plan, files), options, watch, write);
    // Once more: writing took its time.
    let checked =
        written.and_then(|moved| output::check(target, options.existing, options.read()).map(|()| moved));
    match checked {
        Ok(moved) => unfinished.finish().map(|()| moved),
        Err(error) => Err(broken_off(error, unfinished.kept())),
    }
}

fn fill_folder(
    unfinished: &mut Unfinished,
    (plan, files): (&ShardPlan, Vec<(&'static str, Value)>),
    options: &WriteOptions,
    watch: &mut Watch,
    mut write: impl FnMut(&TensorsWriter, &Shard, &mut Progress, &mut Watch) -> Result<Moved>,
) -> Result<Moved> {
    let files = match &options.thin {
        Some(layers) => layers.mark(files),
        None => files,
    };
    write_companions(&unfinished.folder, &files, options)?;
    plan.write_index(&unfinished.folder)?;
    let mut progress = Progress { stage: Stage::Writing, done: 0, total: plan.bytes() };
    let (mut all, mut end) = (Moved::new(), 0);
    for (name, shard) in plan.files() {
        end += bytes_of(shard);
        if let Some(moved) = unfinished.finished(&name) {
            all.extend(moved.iter().map(|(name, squares)| (name.clone(), *squares)));
            progress.done = end;
            continue;
        }
        let writer = unfinished.open(&name, shard)?;
        let moved = write(&writer, shard, &mut progress, watch)?;
        unfinished.close(&name, writer, &moved)?;
        all.extend(moved);
        progress.done = end;
        progress.tell(watch)?;
    }
    Ok(all)
}

/// Whether numbers of this type are weights, and not counts or masks.
pub(crate) fn is_weight(dtype: Dtype) -> bool {
    dtype.is_float() || matches!(dtype, Dtype::Quantized(_))
}

/// A tensor of this shape whose numbers are computed, which is done in f32.
pub(crate) fn computed(info: &TensorInfo) -> TensorInfo {
    match info.dtype {
        Dtype::F64 => TensorInfo { dtype: Dtype::F32, bytes: info.bytes / 2, ..info.clone() },
        _ => info.clone(),
    }
}

/// Whether the tensor holds f64 as files do.
pub(crate) fn is_stored_double(source: &dyn Tensors, name: &str) -> bool {
    let is_double = source.infos().get(name).is_some_and(|info| info.dtype == Dtype::F64);
    is_double && matches!(source.encoded(name), Ok(Some((Dtype::F64, _))))
}

/// The one type that all weights get, if they are to get one.
fn common_dtype(infos: &IndexMap<String, TensorInfo>, options: &WriteOptions) -> Option<Dtype> {
    let quantised = infos.values().any(|info| matches!(info.dtype, Dtype::Quantized(_)));
    options.dtype.or(quantised.then_some(Dtype::F32))
}

/// The type in which numbers are written.
fn stored_dtype(found: Dtype, common: Option<Dtype>) -> Dtype {
    match common {
        Some(dtype) if is_weight(found) => dtype,
        _ => found.written(),
    }
}

/// Which tensor goes to which file, and as what.
pub(crate) fn shard_plan(source: &dyn Tensors, options: &WriteOptions) -> Result<ShardPlan> {
    shard_plan_of(source.infos(), options)
}

/// The same of tensors that are made of others; their types are those that they are made of.
pub(crate) fn shard_plan_of(
    infos: &IndexMap<String, TensorInfo>,
    options: &WriteOptions,
) -> Result<ShardPlan> {
    if let Some(dtype) = options.dtype
        && !matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::Bf16)
    {
        return Err(Error::Dtype { dtype });
    }
    let common = common_dtype(infos, options);
    let stored = |(name, info): (&String, &TensorInfo)| {
        let dtype = stored_dtype(info.dtype, common);
        (name.clone(), TensorInfo { dtype, ..info.clone() })
    };
    Ok(ShardPlan::new(infos.iter().map(stored).collect(), options.shard_bytes)?)
}

pub(crate) fn summary(plan: &ShardPlan) -> Plan {
    Plan {
        bytes: plan.bytes(),
        parameters: tensors(plan).map(|(_, info)| info.elements() as u64).sum(),
        files: plan.files().map(|(name, shard)| (name, bytes_of(shard))).collect(),
    }
}

pub(crate) fn bytes_of(shard: &Shard) -> u64 {
    shard.values().map(|info| info.bytes).sum()
}

/// The configuration with the type in which the weights are written: the common one, else what it said, else that of
/// the first tensor.
fn stored_config(source: &dyn Tensors, plan: &ShardPlan, config: &Config, options: &WriteOptions) -> Config {
    let kept = || {
        let mut written = tensors(plan).map(|(_, info)| info.dtype);
        // Where all that was f64 is computed, nothing is any more.
        let is_there = |dtype: &Dtype| *dtype != Dtype::F64 || written.any(|found| found == Dtype::F64);
        config.dtype.map(|dtype| stored_dtype(dtype, None)).filter(is_there).or_else(|| first_dtype(plan))
    };
    Config { dtype: common_dtype(source.infos(), options).or_else(kept), ..config.clone() }
}

/// In which type the first tensor is written that is one of weights.
pub(crate) fn first_dtype(plan: &ShardPlan) -> Option<Dtype> {
    tensors(plan).map(|(_, info)| info.dtype).find(|dtype| is_weight(*dtype))
}

/// `config.json` of a language model, or of an encoder.
pub(crate) fn configured(
    source: &dyn Tensors,
    plan: &ShardPlan,
    config: &Config,
    options: &WriteOptions,
) -> Vec<(&'static str, Value)> {
    let mut files = vec![("config.json", stored_config(source, plan, config, options).to_json())];
    let is_generation = |path: &PathBuf| path.file_name().is_some_and(|name| name == GENERATION);
    let generation = options.extra_files.iter().any(|(name, _)| name == GENERATION)
        || options.companions.iter().any(is_generation);
    // A model that came without a `config.json` has no such file either; transformers wants to know where to stop.
    if !generation && config.raw.is_null() {
        let eos = match config.eos.as_slice() {
            [one] => json!(one),
            ends => json!(ends),
        };
        files.push((GENERATION, json!({ "bos_token_id": config.bos, "eos_token_id": eos })));
    }
    files
}

/// Everything but the weights.
fn write_companions(
    folder: &OutputFolder,
    files: &[(&'static str, Value)],
    options: &WriteOptions,
) -> Result<()> {
    for (name, json) in files {
        folder.write_json(name, json)?;
    }
    for (name, bytes) in &options.extra_files {
        folder.write_file(name, bytes)?;
    }
    let extra = |name: &str| options.extra_files.iter().any(|(extra, _)| extra == name);
    for path in &options.companions {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !extra(name) {
            folder.copy_file(path, name)?;
        }
    }
    Ok(())
}

const GENERATION: &str = "generation_config.json";
