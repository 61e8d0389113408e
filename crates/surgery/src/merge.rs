//! Merging: an adapter's changes written into a copy of its base.

use crate::merged::Merged;
use crate::output::check_target;
use crate::write::{Files, Plan, Weights, WriteOptions, configured, first_dtype, shard_plan, summary};
use crate::{Error, Result, Subject, Watch, base};
use rankine_checkpoint::{Adapter, Checkpoint, ImageCheckpoint, ShardPlan};
use std::ops::Range;
use std::path::Path;

/// What a merge did.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeReport {
    /// The files.
    pub plan: Plan,
    /// Every tensor that is not the base's, in the order of the model.
    pub changes: Vec<TensorChange>,
    /// Embedding and head of a tied base are two tensors now.
    pub untied: bool,
}

/// How far a tensor moved.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorChange {
    /// The tensor.
    pub name: String,
    /// ‖W' − W‖ / ‖W‖, Frobenius norms, before rounding to the stored type; `None` where the base has nothing or zeros.
    pub relative: Option<f64>,
}

/// Writes `base` with `adapter` merged into it to the folder `target`: weights, `config.json` and the base's tokenizer
/// and generation settings. For a GGUF base the caller gives the tokenizer in [`WriteOptions::extra_files`].
///
/// # Errors
/// When the base is not what its configuration says, the adapter does not fit it or the base it was trained on cannot be
/// recomputed, when `target` exists and may not be replaced (base and adapter never are) or lies inside one of them, writing
/// fails, or `watch` breaks off; nothing is left behind then.
pub fn merge(
    base: &Checkpoint,
    adapter: &Adapter,
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
) -> Result<MergeReport> {
    base::check(base)?;
    let options = complete(options, Subject::Texts(base), adapter);
    // The decompositions may take long: what can be known before comes before.
    check_target(target, &options)?;
    let mut merged = Merged::draft(base.tensors(), adapter)?;
    let config = merged.configure(base.config())?;
    shard_plan(&merged, &options)?;
    merged.prepare(watch)?;
    let files = &|plan: &ShardPlan| configured(&merged, plan, &config, &options);
    let report = write(&merged, files, target, &options, watch)?;
    Ok(MergeReport { untied: base.config().tied && !config.tied, ..report })
}

/// As [`merge`], of an image classifier; a network of torchvision gets no `config.json`, and names its classes in
/// `classes.json` where they are known.
///
/// # Errors
/// As [`merge`]; also when the adapter brings a bias to a module that has none.
pub fn merge_images(
    base: &ImageCheckpoint,
    adapter: &Adapter,
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
) -> Result<MergeReport> {
    base::check_images(base)?;
    let options = complete(options, Subject::Images(base), adapter);
    check_target(target, &options)?;
    let mut merged = draft_images(base, adapter)?;
    shard_plan(&merged, &options)?;
    merged.prepare(watch)?;
    write(&merged, &|plan: &ShardPlan| base.describe(first_dtype(plan)), target, &options, watch)
}

/// What [`merge_images`] would write, without making it.
///
/// # Errors
/// As [`merge_images`], as far as names and shapes tell.
pub fn plan_merge_images(base: &ImageCheckpoint, adapter: &Adapter, options: &WriteOptions) -> Result<Plan> {
    base::check_images(base)?;
    Ok(summary(&shard_plan(&draft_images(base, adapter)?, options)?))
}

fn draft_images<'a>(base: &'a ImageCheckpoint, adapter: &'a Adapter) -> Result<Merged<'a>> {
    let merged = Merged::draft(base.tensors(), adapter)?;
    let added = merged.added_biases().next().map(str::to_owned);
    match added {
        Some(name) => Err(Error::NewBias { name }),
        None => Ok(merged),
    }
}

/// With everything that is read, and the companions of the base.
fn complete(options: &WriteOptions, base: Subject<'_>, adapter: &Adapter) -> WriteOptions {
    let mut options = base.complete(options);
    options.inputs.extend(adapter.folder().into_iter().chain([adapter.path.as_path()]).map(Path::to_owned));
    options
}

fn write(
    merged: &Merged<'_>,
    files: &Files<'_>,
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
) -> Result<MergeReport> {
    let fill = |name: &str, rows: Range<usize>, out: &mut [f32]| merged.measured_rows(name, rows, out);
    let copied = |name: &str| !merged.is_changed(name);
    let written =
        Weights { source: merged, copied: &copied, fill: &fill }.write(files, target, options, watch)?;
    let change = |name: &str| {
        let squares = written.moved.get(name).copied().unwrap_or_default();
        TensorChange { name: name.to_owned(), relative: squares.relative() }
    };
    let changes = merged.changed().map(change).collect();
    Ok(MergeReport { plan: written.plan, changes, untied: false })
}

/// What [`merge`] would write, without making it.
///
/// # Errors
/// As [`merge`], as far as names and shapes tell.
pub fn plan_merge(base: &Checkpoint, adapter: &Adapter, options: &WriteOptions) -> Result<Plan> {
    base::check(base)?;
    let mut merged = Merged::draft(base.tensors(), adapter)?;
    merged.configure(base.config())?;
    Ok(summary(&shard_plan(&merged, options)?))
}
