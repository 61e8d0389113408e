//! Weights on their way from source to file, a block of rows at a time, the blocks of all tensors shared by all threads.
//!
//! A tensor that is stored as it was read is copied byte for byte; rows of others are made in f32, and stored in their type.

use crate::merged::{Squares, row_blocks};
use crate::write::{Fill, Moved, Weights, is_weight};
use crate::{Progress, Result, Watch};
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Dtype, TensorInfo, Tensors};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Blocks a thread makes between two reports of progress: some 16 MiB of f32.
const BLOCKS_BETWEEN_REPORTS: usize = 16;

/// Some rows of a tensor.
struct Block<'a> {
    name: &'a str,
    info: &'a TensorInfo,
    rows: Range<usize>,
    copied: bool,
}

impl Weights<'_> {
    /// Some tensors of a file, a block of rows at a time.
    pub fn write_blocks<'p>(
        &self,
        writer: &TensorsWriter,
        tensors: impl Iterator<Item = (&'p String, &'p TensorInfo)>,
        progress: &mut Progress,
        watch: &mut Watch,
    ) -> Result<Moved> {
        let blocks = self.blocks(tensors);
        let mut moved = Moved::new();
        let fill = self.fill;
        // In groups, so that the caller hears of progress on its own thread.
        for group in blocks.chunks(BLOCKS_BETWEEN_REPORTS * rayon::current_num_threads()) {
            let write = |buffer: &mut Vec<f32>, block: &Block| block.write(self.source, fill, writer, buffer);
            let squares: Result<Vec<Squares>> = group.par_iter().map_init(Vec::new, write).collect();
            // Added in the order of the rows: the sums do not depend on the threads.
            for (block, squares) in group.iter().zip(squares?) {
                let sum = moved.entry(block.name.to_owned()).or_default();
                *sum = sum.plus(squares);
                progress.done += block.stored_bytes();
            }
            progress.tell(watch)?;
        }
        Ok(moved)
    }

    fn blocks<'p>(&self, tensors: impl Iterator<Item = (&'p String, &'p TensorInfo)>) -> Vec<Block<'p>> {
        let of_tensor = |(name, info): (&'p String, &'p TensorInfo)| {
            let same = self.source.infos().get(name).is_some_and(|stored| stored.dtype == info.dtype);
            let plain = !is_weight(info.dtype) || (self.copied)(name);
            let (copied, blocks) = match (same && plain).then(|| self.source.raw(name)) {
                Some(Ok(Cow::Borrowed(_))) => (true, row_blocks(info.rows(), info.row_elements())),
                // f64 does not go through f32; bytes that have to be made are made once.
                Some(Ok(Cow::Owned(_))) if info.dtype == Dtype::F64 => {
                    (true, std::iter::once(0..info.rows()).collect())
                }
                _ => (false, row_blocks(info.rows(), info.row_elements())),
            };
            blocks.into_iter().map(move |rows| Block { name, info, rows, copied })
        };
        tensors.flat_map(of_tensor).collect()
    }
}

impl Block<'_> {
    fn stored_bytes(&self) -> u64 {
        self.rows.len() as u64 * self.row_bytes() as u64
    }

    fn row_bytes(&self) -> usize {
        // Checked when the plan was made.
        (self.info.bytes as usize).checked_div(self.info.rows()).unwrap_or(0)
    }

    fn write(
        &self,
        source: &dyn Tensors,
        fill: &Fill,
        writer: &TensorsWriter,
        buffer: &mut Vec<f32>,
    ) -> Result<Squares> {
        let &Self { name, info, ref rows, copied } = self;
        let start = rows.start * self.row_bytes();
        // Rows of numbers of less than eight bits may end within a byte.
        let end = if rows.end == info.rows() { info.bytes as usize } else { rows.end * self.row_bytes() };
        if copied && let Some(bytes) = source.raw(name)?.get(start..end) {
            writer.write_raw_part(name, start, bytes)?;
            source.release(name, rows.clone());
            return Ok(Squares::default());
        }
        buffer.clear();
        buffer.resize(rows.len() * info.row_elements(), 0.0);
        let squares = fill(name, rows.clone(), buffer)?;
        source.release(name, rows.clone());
        writer.write_part(name, rows.start * info.row_elements(), buffer)?;
        Ok(squares)
    }
}
