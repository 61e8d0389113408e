//! Merging: an adapter's changes written into a copy of its base.

use crate::merged::{Merged, Squares};
use crate::write::{Plan, Watch, Weights, WriteOptions, shard_plan, summary};
use crate::{Result, base, output};
use rankine_checkpoint::{Adapter, Checkpoint};
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
/// recomputed, when `target` exists and may not be replaced (base and adapter never are), writing fails, or `watch`
/// breaks off; nothing is left behind then.
pub fn merge(
    base: &Checkpoint,
    adapter: &Adapter,
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
) -> Result<MergeReport> {
    base::check(base)?;
    let mut options = options.clone();
    options.inputs.push(base.path().to_owned());
    options.inputs.extend(adapter.folder().into_iter().chain([adapter.path.as_path()]).map(Path::to_owned));
    options.companions.extend(base.companions());
    // The decompositions may take long: what can be known before comes before.
    output::check(target, options.existing, options.read())?;
    drop(rankine_checkpoint::OutputFolder::create(target, options.existing)?);
    let mut merged = Merged::draft(base.tensors(), adapter)?;
    let config = merged.configure(base.config())?;
    shard_plan(&merged, &options)?;
    merged.prepare(watch)?;
    let fill = |name: &str, rows: Range<usize>, out: &mut [f32]| merged.measured_rows(name, rows, out);
    let copied = |name: &str| !merged.is_changed(name);
    let written =
        Weights { source: &merged, copied: &copied, fill: &fill }.write(&config, target, &options, watch)?;
    let change = |name: &str| {
        let squares = written.moved.get(name).copied().unwrap_or_default();
        TensorChange { name: name.to_owned(), relative: relative(squares) }
    };
    let changes = merged.changed().map(change).collect();
    Ok(MergeReport { plan: written.plan, changes, untied: base.config().tied && !config.tied })
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

fn relative(squares: Squares) -> Option<f64> {
    (squares.before != 0.0).then(|| (squares.moved / squares.before).sqrt())
}
