//! A model as it is, in other files: of another container, in another type, in shards of another size. Names that older programs
//! gave to tensors become those of now; a thin model has whole weights.
//!
//! A vision transformer has the names that transformers 4 gives, which 5 reads and writes too, or those of the
//! [modules](rankine_checkpoint::module_names) of 5, which 4 does not know; all others have the same in both.

use crate::write::{Plan, WriteOptions, shard_plan, summary, write_unchanged};
use crate::{Result, Subject, Watch, output};
use rankine_checkpoint::Tensors;
use rankine_checkpoint::module_names::Named;
use std::path::Path;

/// Writes the model to the folder `target`. For a GGUF model the caller gives the tokenizer in [`WriteOptions::extra_files`].
///
/// # Errors
/// When the model is not what its configuration says, `target` exists and may not be replaced or lies in what is read, a number
/// does not fit into the type, writing fails, or `watch` breaks off; nothing is left behind then.
pub fn rewrite(model: Subject<'_>, target: &Path, options: &WriteOptions, watch: &mut Watch) -> Result<Plan> {
    written((model, model.tensors()), target, options, watch)
}

/// The same, under the names of the modules of transformers 5.
///
/// # Errors
/// As [`rewrite`].
pub fn rewrite_as_modules(
    model: Subject<'_>,
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
) -> Result<Plan> {
    written((model, &Named::as_modules(model.tensors())), target, options, watch)
}

fn written(
    (model, tensors): (Subject<'_>, &dyn Tensors),
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
) -> Result<Plan> {
    model.check()?;
    let options = model.complete(options);
    output::check_outside(target, options.read())?;
    write_unchanged(tensors, &|plan| model.describe(plan, &options), target, &options, watch)
}

/// What [`rewrite`] would write, under whatever names, without making it.
///
/// # Errors
/// As [`rewrite`], but for the output and the numbers.
pub fn plan_rewrite(model: Subject<'_>, options: &WriteOptions) -> Result<Plan> {
    model.check()?;
    Ok(summary(&shard_plan(model.tensors(), options)?))
}
