//! Whether an output may be replaced: it is not what is being read, and it is something that we could have written.

use crate::write::WriteOptions;
use crate::{Error, Result, unfinished};
use rankine_checkpoint::safetensors::Safetensors;
use rankine_checkpoint::writer::OutputFile;
use rankine_checkpoint::{Existing, OutputFolder};
use std::io::Read;
use std::path::{Path, PathBuf};

/// An error where `target` is there, may be replaced as far as `existing` says, and yet should not be: it is one of the
/// `inputs`, holds one, or is nothing that we write.
pub fn check<'a>(
    target: &Path,
    existing: Existing,
    inputs: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<()> {
    check_kind(target, existing, inputs, is_ours)
}

/// An error where `target` lies inside one of the folders that are read.
pub(crate) fn check_outside<'a>(target: &Path, inputs: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let Ok(whole) = std::path::absolute(target) else { return Ok(()) };
    // The target is not there yet, nor perhaps the folders above it.
    let Some(above) = whole.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok()) else {
        return Ok(());
    };
    let holds = |input: &&PathBuf| {
        input.is_dir() && input.canonicalize().is_ok_and(|folder| above.starts_with(folder))
    };
    match inputs.into_iter().find(holds) {
        Some(input) => Err(Error::OutputInInput { output: target.to_owned(), input: input.clone() }),
        None => Ok(()),
    }
}

/// An error where something is to be written to `target` and would touch what is read: it is one of the `inputs`, holds one, or
/// lies inside of one. Whether it may be replaced otherwise is not asked.
///
/// # Errors
/// [`Error::OutputInInput`], [`Error::OutputIsInput`].
pub fn check_apart(target: &Path, inputs: &[PathBuf]) -> Result<()> {
    check_outside(target, inputs)?;
    check_unread(target, inputs)
}

/// An error unless the folder `target` can be written, outside of everything that is read, before the work is done.
pub(crate) fn check_target(target: &Path, options: &WriteOptions) -> Result<()> {
    check_outside(target, options.read())?;
    check(target, options.existing, options.read())?;
    drop(OutputFolder::create(target, options.existing)?);
    unfinished::check(target, options)
}

/// As [`check`], for a GGUF file: only such a file is replaced.
pub(crate) fn check_gguf<'a>(
    target: &Path,
    existing: Existing,
    inputs: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<()> {
    check_kind(target, existing, inputs, is_gguf)
}

/// As [`check`], for a file of tensors, before the work is done: only such a file is replaced, and none inside of what is read.
///
/// # Errors
/// That it is not replaced, or cannot be made.
pub fn check_file(target: &Path, existing: Existing, inputs: &[PathBuf]) -> Result<()> {
    check_outside(target, inputs)?;
    check_kind(target, existing, inputs, |target| Safetensors::open(target).is_ok())?;
    drop(OutputFile::create(target, existing)?);
    Ok(())
}

fn check_kind<'a>(
    target: &Path,
    existing: Existing,
    inputs: impl IntoIterator<Item = &'a PathBuf>,
    is_ours: impl Fn(&Path) -> bool,
) -> Result<()> {
    if existing != Existing::Replace || target.symlink_metadata().is_err() {
        return Ok(());
    }
    check_unread(target, inputs)?;
    if is_ours(target) { Ok(()) } else { Err(Error::OutputIsForeign { output: target.to_owned() }) }
}

/// An error where `target` is one of the `inputs`, or holds one.
fn check_unread<'a>(target: &Path, inputs: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let Ok(whole) = target.canonicalize() else { return Ok(()) };
    let is_held = |input: &&PathBuf| places(input).iter().any(|place| place.starts_with(&whole));
    match inputs.into_iter().find(is_held) {
        Some(input) => Err(Error::OutputIsInput { output: target.to_owned(), input: input.clone() }),
        None => Ok(()),
    }
}

/// Where `input` lies, and where it leads to if it is a link.
fn places(input: &Path) -> Vec<PathBuf> {
    let parent = match input.parent() {
        Some(parent) if parent == Path::new("") => Path::new("."),
        Some(parent) => parent,
        None => input,
    };
    let beside = parent.canonicalize().ok().zip(input.file_name()).map(|(parent, name)| parent.join(name));
    input.canonicalize().into_iter().chain(beside).collect()
}

/// Whether this is a GGUF file.
fn is_gguf(target: &Path) -> bool {
    let mut magic = [0; 4];
    let read = std::fs::File::open(target).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"GGUF"
}

/// Whether this is a folder with a model, an adapter or a run in it, or with nothing.
fn is_ours(target: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(target) else { return false };
    let names: Vec<PathBuf> = entries.flatten().map(|entry| entry.file_name().into()).collect();
    let known = ["config.json", "adapter_config.json", "recipe.toml", "state.json"].map(Path::new);
    let is_known = |name: &PathBuf| {
        known.contains(&name.as_path())
            || name.extension().is_some_and(|extension| extension == "safetensors")
    };
    names.is_empty() || names.iter().any(is_known)
}
