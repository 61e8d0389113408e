//! An adapter merged into a GGUF model, each tensor in the type that it has there.
//!
//!     W' = encode(decode(W) + s·B·A), block by block of rows; rows that the adapter does not move keep their bytes
//!
//! Everything else is copied: metadata with tokenizer and chat template, the order and the alignment of the tensors, the tensors
//! that are not adapted. An adapter that changes nothing gives the file it was merged into. Where it parts embedding and head, or
//! brings a bias, the new tensor stands behind the others: a head in the type of the embedding, a bias in f32.

use super::entry::{Entry, Rows};
use super::{GgufReport, GgufTarget, file};
use crate::merged::Merged;
use crate::{Error, Result, Watch, base};
use rankine_checkpoint::gguf::{Gguf, Layout};
use rankine_checkpoint::{Adapter, Checkpoint, Dtype, Error as FileError, TensorInfo, Tensors};
use std::path::Path;

/// Writes the GGUF model `base` with `adapter` merged into it. Errors of the report are those against the merged weights as f32.
///
/// # Errors
/// When `base` is no GGUF file or not what its metadata say, the adapter does not fit it or the base it was trained on cannot be
/// recomputed, when the file may not be replaced (base and adapter never are), a number does not fit into its type, writing
/// fails, or `watch` breaks off; nothing is left behind then.
pub fn merge_gguf(
    base: &Checkpoint,
    adapter: &Adapter,
    to: &GgufTarget,
    watch: &mut Watch,
) -> Result<GgufReport> {
    let (gguf, mut merged) = draft(base, adapter)?;
    let mut to = to.clone();
    to.inputs.push(base.path().to_owned());
    to.inputs.extend(adapter.folder().into_iter().chain([adapter.path.as_path()]).map(Path::to_owned));
    // The decompositions may take long: what can be known before comes before.
    file::check(&to)?;
    merged.prepare(watch)?;
    let entries = entries(base, gguf, &merged)?;
    let made = file::write(gguf.metadata(), &entries, &to, watch)?;
    Ok(file::report(entries, Some(&made)))
}

/// What [`merge_gguf`] would write, without making it.
///
/// # Errors
/// As [`merge_gguf`], as far as names and shapes tell.
pub fn plan_merge_gguf(base: &Checkpoint, adapter: &Adapter) -> Result<GgufReport> {
    let (gguf, merged) = draft(base, adapter)?;
    Ok(file::report(entries(base, gguf, &merged)?, None))
}

fn draft<'a>(base: &'a Checkpoint, adapter: &'a Adapter) -> Result<(&'a Gguf, Merged<'a>)> {
    let gguf = base.gguf().ok_or_else(|| Error::NotGguf { path: base.path().to_owned() })?;
    base::check(base)?;
    let mut merged = Merged::draft(base.tensors(), adapter)?;
    merged.configure(base.config())?;
    Ok((gguf, merged))
}

/// The tensors of the file in their order, then those that it lacks.
fn entries<'a>(base: &'a Checkpoint, gguf: &'a Gguf, merged: &'a Merged<'a>) -> Result<Vec<Entry<'a>>> {
    let changed = |name: &str, dtype: Dtype, stored: Option<&'a [u8]>| {
        let unplaced = || Error::NoPlaceInGguf { name: name.to_owned() };
        let (layout, info) =
            Layout::of(base.config(), name).zip(merged.infos().get(name)).ok_or_else(unplaced)?;
        let fault = |fault| FileError::Gguf { path: base.path().to_owned(), fault };
        let step = layout.step(info.rows()).map_err(fault)?;
        let file_name = layout.name.clone();
        let rows = Rows::Merged { merged, name: name.to_owned(), layout, step, stored };
        Ok::<_, Error>(Entry::new(&file_name, &info.shape, [dtype; 2], rows))
    };
    let mut entries = Vec::new();
    for (name, info, bytes) in gguf.stored_tensors() {
        let outside = gguf.name_of(name);
        entries.push(match merged.is_changed(&outside) {
            true => changed(&outside, info.dtype, Some(bytes))?,
            false => Entry::new(name, &info.shape, [info.dtype; 2], Rows::Stored { gguf, outside, bytes }),
        });
    }
    let embedding = gguf.infos().get(base.config().architecture.embedding());
    let matrix = embedding.map_or(Dtype::F32, |info: &TensorInfo| info.dtype);
    for (name, info) in merged.infos().iter().filter(|(name, _)| !gguf.infos().contains_key(*name)) {
        entries.push(changed(name, if info.shape.len() < 2 { Dtype::F32 } else { matrix }, None)?);
    }
    Ok(entries)
}
