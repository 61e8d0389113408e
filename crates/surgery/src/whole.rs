//! A thin model with whole weights: what its factors make, as every program reads it.

use crate::write::{Plan, WriteOptions};
use crate::{Error, Result, Subject, Watch, plan_rewrite, rewrite};
use rankine_checkpoint::thin::is_thin;
use std::path::Path;

/// Writes a thin model with its factors multiplied out to the folder `target`.
///
/// # Errors
/// When the model has no thin layers or lacks a tensor, `target` exists and may not be replaced (the model never is), writing
/// fails, or `watch` breaks off; nothing is left behind then.
pub fn write_whole(
    thin: Subject<'_>,
    target: &Path,
    options: &WriteOptions,
    watch: &mut Watch,
) -> Result<Plan> {
    check(thin)?;
    rewrite(thin, target, options, watch)
}

/// What [`write_whole`] would write, without making it.
///
/// # Errors
/// As [`write_whole`], but for the output.
pub fn plan_whole(thin: Subject<'_>, options: &WriteOptions) -> Result<Plan> {
    check(thin)?;
    plan_rewrite(thin, options)
}

fn check(thin: Subject<'_>) -> Result<()> {
    thin.check()?;
    match is_thin(thin.tensors()) {
        true => Ok(()),
        false => Err(Error::NotThin { path: thin.path().to_owned() }),
    }
}
