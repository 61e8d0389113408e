//! How far two models are from each other, tensor by tensor.

use crate::merged::row_blocks;
use crate::write::is_weight;
use crate::{Progress, Result, Stage, Watch};
use indexmap::IndexMap;
use rankine_checkpoint::Tensors;
use rankine_kernels::reduce;
use rayon::prelude::*;
use std::ops::Range;

/// Blocks a thread reads between two reports of progress.
const BLOCKS_BETWEEN_REPORTS: usize = 16;

/// Sums over the numbers of a tensor a and its counterpart b, in f64.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Overlap {
    /// ⟨a, b⟩.
    pub inner: f64,
    /// ‖a − b‖².
    pub apart: f64,
    /// ‖a‖².
    pub squares: f64,
}

impl Overlap {
    /// ‖a − b‖ / ‖a‖; `None` where a is zeros.
    pub fn distance(self) -> Option<f64> {
        (self.squares != 0.0).then(|| (self.apart / self.squares).sqrt())
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            inner: self.inner + other.inner,
            apart: self.apart + other.apart,
            squares: self.squares + other.squares,
        }
    }
}

/// Of all tensors of weights, which both models have in the same shapes.
pub(super) fn overlaps(
    first: &dyn Tensors,
    second: &dyn Tensors,
    watch: &mut Watch,
) -> Result<IndexMap<String, Overlap>> {
    let infos = first.infos().iter().filter(|(_, info)| is_weight(info.dtype));
    let blocks: Vec<(&String, Range<usize>, usize)> = infos
        .flat_map(|(name, info)| {
            let width = info.row_elements();
            row_blocks(info.rows(), width).into_iter().map(move |rows| (name, rows, width))
        })
        .collect();
    let mut progress = Progress { stage: Stage::Comparing, done: 0, total: blocks.len() as u64 };
    let mut found: IndexMap<String, Overlap> = IndexMap::new();
    // In groups, so that the caller hears of progress on its own thread.
    for group in blocks.chunks(BLOCKS_BETWEEN_REPORTS * rayon::current_num_threads()) {
        let one = |[ours, theirs]: &mut [Vec<f32>; 2],
                   (name, rows, width): &(&String, Range<usize>, usize)| {
            for (tensors, values) in [(first, &mut *ours), (second, &mut *theirs)] {
                values.resize(rows.len() * width, 0.0);
                tensors.read_rows(name, rows.clone(), values)?;
                tensors.release(name, rows.clone());
            }
            let (inner, squares) = (reduce::dot(ours, theirs), reduce::sum_of_squares(ours));
            reduce::axpy(-1.0, ours, theirs);
            Ok::<_, crate::Error>(Overlap { inner, apart: reduce::sum_of_squares(theirs), squares })
        };
        let sums: Result<Vec<Overlap>> = group.par_iter().map_init(<[Vec<f32>; 2]>::default, one).collect();
        // Added in the order of the rows: the sums do not depend on the threads.
        for ((name, ..), sum) in group.iter().zip(sums?) {
            let total = found.entry((*name).clone()).or_default();
            *total = total.plus(sum);
        }
        progress.done += group.len() as u64;
        progress.tell(watch)?;
    }
    Ok(found)
}
