//! All tensors into the file, the blocks of all of them shared by all threads.

use super::entry::{Buffers, Entry};
use super::{GgufReport, GgufTarget, GgufTensor};
use crate::merged::Squares;
use crate::{Progress, Result, Stage, Watch, output};
use rankine_checkpoint::TensorInfo;
use rankine_checkpoint::gguf::{GgufWriter, Metadata};
use rayon::prelude::*;
use std::ops::Range;

/// Blocks a thread makes between two reports of progress: some 8 MiB of f32.
const BLOCKS_BETWEEN_REPORTS: usize = 8;

/// How far each tensor is from what was to be stored; `None` where its bytes were copied.
pub(super) type Made = Vec<Option<Squares>>;

/// Writes the file.
pub(super) fn write(
    metadata: &Metadata,
    entries: &[Entry<'_>],
    to: &GgufTarget,
    watch: &mut Watch,
) -> Result<Made> {
    check(to)?;
    let info = |dtype, shape: &[usize]| TensorInfo { shape: shape.to_vec(), dtype, bytes: 0 };
    let infos = entries.iter().map(|entry| (entry.name.clone(), info(entry.to, &entry.shape))).collect();
    let writer = GgufWriter::create(to.target, to.existing, metadata, &infos)?;
    let made = write_blocks(entries, &writer, watch)?;
    // Once more: writing took its time.
    check(to)?;
    writer.finish()?;
    Ok(made)
}

/// An error where the file may not be written.
pub(super) fn check(to: &GgufTarget) -> Result<()> {
    output::check_outside(to.target, &to.inputs)?;
    output::check_gguf(to.target, to.existing, &to.inputs)
}

fn write_blocks(entries: &[Entry<'_>], writer: &GgufWriter, watch: &mut Watch) -> Result<Made> {
    let of_entry = |(at, entry): (usize, &Entry<'_>)| {
        let blocks = entry.blocks().into_iter();
        blocks.map(move |rows| (at, rows))
    };
    let blocks: Vec<(usize, Range<usize>)> = entries.iter().enumerate().flat_map(of_entry).collect();
    let bytes = |(at, rows): &(usize, Range<usize>)| entries[*at].block_bytes(rows);
    let mut progress = Progress { stage: Stage::Writing, done: 0, total: blocks.iter().map(bytes).sum() };
    let (mut made, tensors) = (vec![None; entries.len()], writer.tensors());
    // In groups, so that the caller hears of progress on its own thread.
    for group in blocks.chunks(BLOCKS_BETWEEN_REPORTS * rayon::current_num_threads()) {
        let write = |buffers: &mut Buffers, (at, rows): &(usize, Range<usize>)| {
            entries[*at].write(rows, tensors, buffers)
        };
        let squares: Vec<_> = group.par_iter().map_init(Buffers::default, write).collect::<Result<_>>()?;
        // Added in the order of the rows: the sums do not depend on the threads.
        for ((at, rows), squares) in group.iter().zip(squares) {
            made[*at] = added(made[*at], squares);
            progress.done += entries[*at].block_bytes(rows);
        }
        progress.tell(watch)?;
    }
    Ok(made)
}

fn added(sum: Option<Squares>, one: Option<Squares>) -> Option<Squares> {
    match (sum, one) {
        (Some(sum), Some(one)) => Some(sum.plus(one)),
        (sum, one) => sum.or(one),
    }
}

/// What was written, or would be.
pub(super) fn report(entries: Vec<Entry<'_>>, made: Option<&Made>) -> GgufReport {
    let squares = |at: usize| made.and_then(|made| made.get(at).copied().flatten());
    let all = (0..entries.len()).map(squares).fold(None, added);
    let tensor = |(at, entry): (usize, Entry<'_>)| {
        let (before, bytes) = (entry.bytes(entry.from), entry.bytes(entry.to));
        let merged = entry.is_merged();
        let Entry { name, shape, from, to, instead_of, .. } = entry;
        let relative = squares(at).and_then(Squares::relative);
        GgufTensor { name, shape, from, to, instead_of, merged, before, bytes, relative }
    };
    GgufReport {
        tensors: entries.into_iter().enumerate().map(tensor).collect(),
        relative: all.and_then(Squares::relative),
    }
}
