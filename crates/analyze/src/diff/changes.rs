//! How far every tensor moved.
//!
//!     ‖W − W₀‖ / ‖W₀‖        Frobenius norms, over all numbers of a tensor, in f64
//!
//! Both models are read a block of rows at a time, the blocks of all tensors shared by all threads. Tensors of types whose numbers
//! are not read are passed over, and named; of whole numbers, such as counters and positions, it is only told whether they changed:
//! they are no weights, and one counter would outweigh a model.

use crate::{Progress, Result, Watch};
use indexmap::IndexMap;
use rankine_checkpoint::{Layer, Pair, Place};
use rankine_kernels::reduce;
use rayon::prelude::*;
use serde::Serialize;
use std::ops::Range;

/// Numbers of a block: 1 MiB.
const BLOCK: usize = 1 << 18;

/// Blocks a thread reads between two reports of progress.
const BLOCKS_BETWEEN_REPORTS: usize = 16;

/// How far one tensor moved.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorChange {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its layer; `None` outside of all layers.
    pub layer: Option<Layer>,
    /// What it is in its layer, such as `mlp.up_proj`; outside of all layers its own name.
    pub kind: String,
    /// ‖W₀‖²; 0 of whole numbers.
    pub before: f64,
    /// ‖W − W₀‖²; 0 of whole numbers.
    pub moved: f64,
    changed: bool,
}

impl TensorChange {
    /// Whether any number is another one.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// ‖W − W₀‖ / ‖W₀‖; `None` where the base has zeros, and of whole numbers.
    pub fn relative(&self) -> Option<f64> {
        (self.before != 0.0).then(|| (self.moved / self.before).sqrt())
    }
}

/// Tensors that are not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotCompared {
    /// The type in which one of the two models stores them, whose numbers are not read.
    pub dtype: String,
    /// Their names.
    pub tensors: Vec<String>,
}

/// Some rows of a tensor.
struct Block<'a> {
    /// Which tensor.
    index: usize,
    name: &'a str,
    rows: Range<usize>,
    /// Numbers of a row.
    width: usize,
    whole: bool,
}

/// What [`changes`] passes over, by type as they are met.
pub fn not_compared(pair: Pair<'_>) -> Vec<NotCompared> {
    let mut found: IndexMap<&str, Vec<String>> = IndexMap::new();
    for (name, _) in pair.tensors() {
        if let Some(dtype) = pair.unread(name) {
            found.entry(dtype.name()).or_default().push(name.to_owned());
        }
    }
    let of = |(dtype, tensors): (&str, Vec<String>)| NotCompared { dtype: dtype.to_owned(), tensors };
    found.into_iter().map(of).collect()
}

/// Every tensor whose numbers are read, in the order of the base; progress is counted in blocks of rows.
///
/// # Errors
/// When a tensor cannot be read, or `watch` breaks off.
pub fn changes(pair: Pair<'_>, watch: &mut Watch) -> Result<Vec<TensorChange>> {
    let (mut found, mut blocks) = (Vec::new(), Vec::new());
    let read = pair.tensors().filter(|(name, _)| pair.unread(name).is_none());
    for (index, (name, info)) in read.enumerate() {
        let place = Place::of_tensor(name);
        let alone = name.strip_suffix(".weight").unwrap_or(name);
        found.push(TensorChange {
            name: name.to_owned(),
            shape: info.shape.clone(),
            layer: place.map(Place::to_layer),
            kind: place.map_or(alone, |place| place.role).to_owned(),
            before: 0.0,
            moved: 0.0,
            changed: false,
        });
        let (height, width, whole) = (info.rows(), info.row_elements(), info.dtype.is_whole());
        if let Some(rows) = BLOCK.checked_div(width) {
            let step = rows.max(1);
            let rows = (0..height).step_by(step).map(|start| start..height.min(start + step));
            blocks.extend(rows.map(|rows| Block { index, name, rows, width, whole }));
        }
    }
    let mut progress = Progress { done: 0, total: blocks.len() as u64 };
    // In groups, so that the caller hears of progress on its own thread.
    for group in blocks.chunks(BLOCKS_BETWEEN_REPORTS * rayon::current_num_threads()) {
        let squares: Result<Vec<[f64; 2]>> = group
            .par_iter()
            .map_init(<[Vec<f32>; 2]>::default, |buffers, block| block.squares(pair, buffers))
            .collect();
        // Added in the order of the rows: the sums do not depend on the threads.
        for (block, [before, moved]) in group.iter().zip(squares?) {
            let change = &mut found[block.index];
            change.changed |= moved != 0.0;
            if !block.whole {
                change.before += before;
                change.moved += moved;
            }
        }
        progress.done += group.len() as u64;
        progress.tell(watch)?;
    }
    Ok(found)
}

impl Block<'_> {
    /// ‖W₀‖² and ‖W − W₀‖² of these rows.
    fn squares(&self, pair: Pair<'_>, [before, after]: &mut [Vec<f32>; 2]) -> Result<[f64; 2]> {
        let numbers = self.rows.len() * self.width;
        before.resize(numbers, 0.0);
        after.resize(numbers, 0.0);
        pair.read_rows(self.name, self.rows.clone(), [before, after])?;
        reduce::axpy(-1.0, before, after);
        Ok([reduce::sum_of_squares(before), reduce::sum_of_squares(after)])
    }
}
