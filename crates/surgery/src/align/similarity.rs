//! How alike the units of a group are in two models.
//!
//!     C = Σ A·Bᵀ        A, B: [units, rest]  C: [units, units]
//!
//! over all axes of tensors with these units, brought to the front; B after the moves of all other groups. Products of blocks are
//! made in f32 and added in f64. Tensors are read a block of rows at a time, whole only where their rows are the units.

use super::permutations::Permutations;
use super::permuted::{Move, moves, read_moved};
use super::spec::{Layout, PermutationSpec};
use crate::Result;
use crate::merged::row_blocks;
use rankine_checkpoint::Tensors;
use rankine_kernels::gemm::{Matrix, matmul};
use std::ops::Range;

/// Rows and depth of a product that is made at a time.
const STRIP: usize = 1024;
const DEPTH: usize = 4096;

/// The similarities of a group; of heads that share keys and values, of either.
pub(super) struct Similarity {
    /// Of query heads, or of units of any other kind; [units, units].
    pub inner: Vec<f64>,
    /// Of key and value heads that several query heads share, else empty; [units / shared, units / shared].
    pub outer: Vec<f64>,
}

/// Two models and their specification.
#[derive(Clone, Copy)]
pub(super) struct Models<'a> {
    pub spec: &'a PermutationSpec,
    pub first: &'a dyn Tensors,
    pub second: &'a dyn Tensors,
}

/// Some rows of a tensor in both models.
struct Rows<'a> {
    name: &'a str,
    shape: &'a [usize],
    rows: Range<usize>,
    /// Of the second.
    moves: &'a [Move],
}

impl Models<'_> {
    /// That of a group, after the moves of all others.
    pub fn similarity(&self, group: usize, permutations: &Permutations) -> Result<Similarity> {
        let (units, shared) = (self.spec.groups()[group].units, self.spec.groups()[group].shared);
        let outer = if shared == 1 { 0 } else { units / shared };
        let mut found = Similarity { inner: vec![0.0; units * units], outer: vec![0.0; outer * outer] };
        for (name, axes) in self.spec.tensors() {
            let Some((axis, layout)) = axes.iter().find(|(_, layout)| layout.group == group) else {
                continue;
            };
            let Some(info) = self.first.infos().get(name) else { continue };
            let moves = moves(axes, Some(group), self.spec, permutations);
            let blocks = match axis {
                0 => std::iter::once(0..info.rows()).collect(),
                _ => row_blocks(info.rows(), info.row_elements()),
            };
            let (units, sum) = match layout.outer && shared != 1 {
                true => (outer, &mut found.outer),
                false => (units, &mut found.inner),
            };
            for rows in blocks {
                let rows = Rows { name, shape: &info.shape, rows, moves: &moves };
                self.add(&rows, (*axis, layout), units, sum)?;
            }
        }
        Ok(found)
    }

    fn add(
        &self,
        rows: &Rows<'_>,
        (axis, layout): (usize, &Layout),
        units: usize,
        sum: &mut [f64],
    ) -> Result<()> {
        let &Rows { name, shape, rows: ref range, moves } = rows;
        let width: usize = shape[1..].iter().product();
        let mut read = [vec![0.0; range.len() * width], vec![0.0; range.len() * width]];
        let [ours, theirs] = &mut read;
        self.first.read_rows(name, range.clone(), ours)?;
        read_moved(self.second, name, moves, range.clone(), theirs)?;
        self.first.release(name, range.clone());
        self.second.release(name, range.clone());
        let run = layout.width * shape[axis + 1..].iter().product::<usize>();
        let [a, b] = read.map(|values| unfolded(values, units, run));
        add_product(sum, &a, &b, units);
        Ok(())
    }
}

/// Numbers [outer, units, run] as [units, outer · run].
pub(super) fn unfolded(values: Vec<f32>, units: usize, run: usize) -> Vec<f32> {
    if values.len() == units * run || run == 0 || units == 0 {
        return values;
    }
    let rest = values.len() / units;
    let mut turned = vec![0.0; values.len()];
    for (outer, block) in values.chunks_exact(units * run).enumerate() {
        for (unit, numbers) in block.chunks_exact(run).enumerate() {
            let start = unit * rest + outer * run;
            turned[start..start + run].copy_from_slice(numbers);
        }
    }
    turned
}

/// sum += a·bᵀ; a, b: [units, rest].
pub(super) fn add_product(sum: &mut [f64], a: &[f32], b: &[f32], units: usize) {
    let rest = a.len().checked_div(units).unwrap_or(0);
    let mut product = Vec::new();
    for start in (0..units).step_by(STRIP) {
        let rows = STRIP.min(units - start);
        for first in (0..rest).step_by(DEPTH) {
            let columns = DEPTH.min(rest - first);
            let a = Matrix {
                data: &a[start * rest + first..],
                rows,
                columns,
                row_stride: rest,
                column_stride: 1,
            };
            let b = Matrix { data: &b[first..], rows: units, columns, row_stride: rest, column_stride: 1 };
            product.clear();
            product.resize(rows * units, 0.0_f32);
            matmul(&mut product, a, b.t(), 1.0, false);
            sum[start * units..].iter_mut().zip(&product).for_each(|(sum, &x)| *sum += f64::from(x));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    #[test]
    fn blocks_add_up_to_the_product_along_the_axis() {
        // Units in front, in the middle, at the end; the second with more than one strip.
        for [outer, units, run] in [[1, 5, 12], [7, 1030, 3], [4100, 6, 1]] {
            let mut rng = Rng::new(2).fork_index("units", units);
            let numbers = outer * units * run;
            let (a, b) = (rng.normals(numbers, 1.0), rng.normals(numbers, 1.0));
            let mut sum = vec![1.0; units * units];
            add_product(&mut sum, &unfolded(a.clone(), units, run), &unfolded(b.clone(), units, run), units);
            let at = |outer: usize, unit: usize, place: usize| (outer * units + unit) * run + place;
            for [i, j] in [[0, 0], [units - 1, 2], [3, units - 2]] {
                let places = (0..outer).flat_map(|outer| (0..run).map(move |place| (outer, place)));
                let term =
                    |(outer, place)| f64::from(a[at(outer, i, place)]) * f64::from(b[at(outer, j, place)]);
                let expected = 1.0 + places.map(term).sum::<f64>();
                assert!(
                    (sum[i * units + j] - expected).abs() < 1e-3,
                    "{units}: {} {expected}",
                    sum[i * units + j]
                );
            }
        }
    }
}
