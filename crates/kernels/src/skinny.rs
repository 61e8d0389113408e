//! y = x · W for some tens of rows of x and a W that is met many times: the products of an iteration on subspaces.
//!
//!     y: [rows, columns]  x: [rows, depth]  W: [depth, columns]
//!
//! A general product packs W into panels each time, which costs a good part of multiplying it by so few rows. Here it
//! is packed once: strips of 16 columns, each of them one stream of vectors. Up to `HEIGHT` rows of x meet a strip
//! at a time, with their sums in registers. Rows are shared out evenly, so that 26 of them cost 26 and not 32.
//!
//! Threads share the strips; each number of y is one sum over the depth, in order.

use crate::gemm::Matrix;
use crate::matvec::prefetch;
use crate::tasks;
use crate::vectorise::{LANES, Vector};
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

/// Most rows of x that are multiplied at once: twelve registers of sums with AVX2, which has sixteen.
const HEIGHT: usize = 6;

/// Vectors of a strip that stay in the first cache (12 KiB) while all rows of x meet them.
const DEPTH: usize = 128;

/// Numbers of W in a task: 256 KiB.
const TASK: usize = 64 * 1024;

/// Sixteen numbers in one line of the cache.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Lane([f32; LANES]);

/// A matrix laid out for products with few rows from the left.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Zeros fill the last strip; [⌈columns/16⌉, depth].
    strips: Vec<Lane>,
    depth: usize,
    columns: usize,
}

impl Packed {
    /// Packs `w`: [depth, columns], a row-major matrix or the transpose of one.
    ///
    /// # Panics
    /// When it is neither, or shorter than its shape.
    pub fn new(w: Matrix<'_>) -> Self {
        let (depth, columns) = (w.rows, w.columns);
        assert!(
            w.column_stride == 1 || w.row_stride == 1,
            "a packed matrix is row-major or the transpose of such"
        );
        assert!(w.fits(), "the packed matrix is shorter than its [{depth}, {columns}]");
        let mut strips = Vec::with_capacity(columns.div_ceil(LANES) * depth);
        for first in (0..columns).step_by(LANES) {
            let strip = first..columns.min(first + LANES);
            if w.column_stride == 1 {
                take_columns(w, strip, &mut strips);
            } else {
                take_rows(w.t(), strip, &mut strips);
            }
        }
        Self { strips, depth, columns }
    }

    /// x · W; x: [rows, depth]; [rows, columns].
    ///
    /// # Panics
    /// When x has another length.
    pub fn product(&self, x: &[f32], rows: usize) -> Vec<f32> {
        let &Self { depth, columns, .. } = self;
        assert_eq!(x.len(), rows * depth, "length of a [{rows}, {depth}] factor");
        let mut y = vec![0.0; rows * columns];
        if y.is_empty() || depth == 0 {
            return y;
        }
        let x = Tiles::of(x, rows, depth);
        let together = (TASK / (depth * LANES)).max(1);
        let ranges: Vec<Range<usize>> = (0..columns.div_ceil(LANES))
            .step_by(together)
            .map(|first| first..columns.div_ceil(LANES).min(first + together))
            .collect();
        let parts = tasks::collect(ranges, |strips: Range<usize>| {
            let mut sums = vec![Lane([0.0; LANES]); strips.len() * rows];
            multiply(&mut sums, &self.strips[strips.start * depth..strips.end * depth], &x);
            sums
        });
        for (strip, sums) in parts.iter().flat_map(|part| part.chunks_exact(rows)).enumerate() {
            let at = strip * LANES..columns.min((strip + 1) * LANES);
            for (y, sums) in y.chunks_exact_mut(columns).zip(sums) {
                y[at.clone()].copy_from_slice(&sums.0[..at.len()]);
            }
        }
        y
    }
}

/// Some columns of a row-major matrix as a strip.
fn take_columns(w: Matrix<'_>, columns: Range<usize>, strips: &mut Vec<Lane>) {
    strips.extend((0..w.rows).map(|row| {
        let here = &w.data[row * w.row_stride..][columns.clone()];
        match here.first_chunk() {
            Some(whole) => Lane(*whole),
            None => {
                let mut lane = [0.0; LANES];
                lane[..here.len()].copy_from_slice(here);
                Lane(lane)
            }
        }
    }));
}

/// Some rows of a row-major matrix as a strip.
fn take_rows(w: Matrix<'_>, rows: Range<usize>, strips: &mut Vec<Lane>) {
    let from = w.data.get(rows.start * w.row_stride..).unwrap_or_default();
    for first in (0..w.columns).step_by(LANES) {
        let columns = LANES.min(w.columns - first);
        let mut turned = [Lane([0.0; LANES]); LANES];
        turn(&from[first..], rows.len(), columns, w.row_stride, &mut turned);
        strips.extend_from_slice(&turned[..columns]);
    }
}

vectorised! {
    /// turned[column][row] = x[row][column]; rows of x lie `stride` apart.
    fn turn<V>(x: &[f32], rows: usize, columns: usize, stride: usize, turned: &mut [Lane; LANES]) {
        if rows == LANES && columns == LANES {
            V::turn(x, stride, bytemuck::cast_slice_mut(turned), LANES);
        } else {
            for row in 0..rows {
                for (turned, x) in turned.iter_mut().zip(&x[row * stride..][..columns]) {
                    turned.0[row] = *x;
                }
            }
        }
    }
}

/// The rows of x in groups that are multiplied at once, each with its rows side by side.
struct Tiles {
    /// Group after group; [depth, height] each.
    numbers: Vec<f32>,
    rows: usize,
    depth: usize,
}

impl Tiles {
    fn of(x: &[f32], rows: usize, depth: usize) -> Self {
        let mut numbers = vec![0.0; rows * depth];
        for (first, height) in heights(rows) {
            let tile = &mut numbers[first * depth..][..height * depth];
            for (row, x) in x[first * depth..][..height * depth].chunks_exact(depth).enumerate() {
                tile[row..].iter_mut().step_by(height).zip(x).for_each(|(tile, x)| *tile = *x);
            }
        }
        Self { numbers, rows, depth }
    }
}

/// First row and height of every group: as few groups as there can be, and as even.
#[inline(always)]
fn heights(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(HEIGHT);
    let start = move |group: usize| group * rows / count;
    (0..count).map(move |group| (start(group), start(group + 1) - start(group)))
}

vectorised! {
    /// Adds to the sums the products of all rows of x with some strips; sums: [strips, rows], w: [strips, depth].
    fn multiply<V>(sums: &mut [Lane], w: &[Lane], x: &Tiles) {
        let &Tiles { ref numbers, rows, depth } = x;
        for start in (0..depth).step_by(DEPTH) {
            let length = DEPTH.min(depth - start);
            for (sums, w) in sums.chunks_exact_mut(rows).zip(w.chunks_exact(depth)) {
                let w = &w[start..start + length];
                for (first, height) in heights(rows) {
                    let x = &numbers[first * depth + start * height..][..length * height];
                    let sums = &mut sums[first..first + height];
                    // While the first rows meet this part of a strip, the same part of the next one is asked for.
                    let ahead = if first == 0 { depth * LANES } else { 0 };
                    match height {
                        6 => meet::<V, 6>(sums, w, x, ahead),
                        5 => meet::<V, 5>(sums, w, x, ahead),
                        4 => meet::<V, 4>(sums, w, x, ahead),
                        3 => meet::<V, 3>(sums, w, x, ahead),
                        2 => meet::<V, 2>(sums, w, x, ahead),
                        _ => meet::<V, 1>(sums, w, x, ahead),
                    }
                }
            }
        }
    }
}

/// R rows of x with a part of a strip; sums: [R], w: [_], x: [_, R].
#[inline(always)]
fn meet<V: Vector, const R: usize>(sums: &mut [Lane], w: &[Lane], x: &[f32], ahead: usize) {
    let mut found = [V::splat(0.0); R];
    for (found, sum) in found.iter_mut().zip(sums.iter()) {
        *found = V::load(&sum.0);
    }
    for (w, x) in w.iter().zip(x.as_chunks::<R>().0) {
        prefetch(&w.0, ahead);
        let w = V::load(&w.0);
        for (found, x) in found.iter_mut().zip(x) {
            *found = V::splat(*x).mul_add(w, *found);
        }
    }
    for (found, sum) in found.iter().zip(sums) {
        found.store(&mut sum.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::at_every_level;

    #[test]
    fn every_level_and_every_shape_of_tile_agrees_with_f64() {
        let number = |at: usize| ((at * 37) % 101) as f32 / 50.0 - 1.0;
        for (rows, depth, columns) in [
            (1, 1, 1),
            (2, 40, 9),
            (3, 33, 70),
            (4, 16, 16),
            (5, 31, 33),
            (6, 17, 48),
            (7, 200, 19),
            (26, 390, 35),
        ] {
            let x: Vec<f32> = (0..rows * depth).map(number).collect();
            let w: Vec<f32> = (0..depth * columns).map(|at| number(at + 5)).collect();
            let turned: Vec<f32> =
                (0..depth * columns).map(|at| w[at % depth * columns + at / depth]).collect();
            at_every_level(|| {
                let y = Packed::new(Matrix::new(&w, depth, columns)).product(&x, rows);
                assert_eq!(y, Packed::new(Matrix::new(&turned, columns, depth).t()).product(&x, rows));
                for (at, y) in y.into_iter().enumerate() {
                    let (row, column) = (at / columns, at % columns);
                    let terms = (0..depth)
                        .map(|k| f64::from(x[row * depth + k]) * f64::from(w[k * columns + column]));
                    let exact: f64 = terms.sum();
                    assert!((f64::from(y) - exact).abs() < 2e-5, "[{rows}, {depth}, {columns}]: {y} {exact}");
                }
            });
        }
    }

    #[test]
    fn groups_of_rows_are_few_and_even() {
        let of = |rows| heights(rows).map(|(_, height)| height).collect::<Vec<_>>();
        assert_eq!(of(26), [5, 5, 5, 5, 6]);
        assert_eq!(of(6), [6]);
        assert_eq!(of(7), [3, 4]);
        assert!((1..100).all(|rows| of(rows).iter().sum::<usize>() == rows));
    }

    #[test]
    fn nothing_times_nothing_is_nothing() {
        assert_eq!(Packed::new(Matrix::new(&[], 0, 3)).product(&[], 2), [0.0; 6]);
        assert!(Packed::new(Matrix::new(&[], 3, 0)).product(&[1.0; 6], 2).is_empty());
        assert!(Packed::new(Matrix::new(&[1.0; 6], 2, 3)).product(&[], 0).is_empty());
    }
}
