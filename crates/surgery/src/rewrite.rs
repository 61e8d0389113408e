//! A model as it is, in other files: of another container, in another type, in shards of another size. Names that older programs
//! gave to tensors become those of now; a thin model has whole weights.

use crate::write::{Plan, WriteOptions, shard_plan, summary, write_unchanged};
use crate::{Result, Subject, Watch, output};
use std::path::Path;

/// Writes the model to the folder `target`. For a GGUF model the caller gives the tokenizer in [`WriteOptions::extra_files`].
///
/// # Errors
/// When the model is not what its configuration says, `target` exists and may not be replaced or lies in what is read, a number
/// does not fit into the type, writing fails, or `watch` breaks off; nothing is left behind then.
pub fn rewrite(model: Subject<'_>, target: &Path, options: &WriteOptions, watch: &mut Watch) -> Result<Plan> {
    model.check()?;
    let options = model.complete(options);
    output::check_outside(target, options.read())?;
    write_unchanged(model.tensors(), &|plan| model.describe(plan, &options), target, &options, watch)
}

/// What [`rewrite`] would write, without making it.
///
/// # Errors
/// As [`rewrite`], but for the output and the numbers.
pub fn plan_rewrite(model: Subject<'_>, options: &WriteOptions) -> Result<Plan> {
    model.check()?;
    Ok(summary(&shard_plan(model.tensors(), options)?))
}
