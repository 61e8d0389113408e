//! y = scale · x · Wᵀ (+ y) for a few rows of x: what one generated token costs in a layer.
//!
//!     y: [rows, out]  x: [rows, in], rows ≤ ROWS  W: [out, in], row-major
//!
//! Reads every row of W once, for all rows of x together, so it runs at the speed of memory. Up to [`STREAM`] rows
//! of x meet one row of W at a time, which walks W as a single stream, as prefetchers like it. More rows of x are
//! bound by arithmetic: four of them meet four rows of W, with sixteen sums in registers. Threads share the rows of
//! W; each output is one dot product in a fixed order.

use crate::gemm::{Matrix, MatrixMut};
use crate::tasks;
use crate::vectorise::{LANES, Vector, dot, load};
use std::ops::Range;

/// Most rows of x for which this beats a packing GEMM.
pub(crate) const ROWS: usize = 15;

/// Most rows of x whose products wait for memory.
pub(crate) const STREAM: usize = 2;

/// Rows of W that are multiplied abreast beyond that.
const WIDTH: usize = 4;

/// Numbers of W in a task: 256 KiB.
const TASK: usize = 64 * 1024;

/// Whether a · b has the shape and layout of few rows times a transposed row-major weight.
pub(crate) fn applies(a: &Matrix<'_>, b: &Matrix<'_>) -> bool {
    (1..=ROWS).contains(&a.rows) && a.column_stride == 1 && b.row_stride == 1
}

/// `y = scale · x · wᵀ`, plus the old `y` when `accumulate`, shared between threads; w: [out, in].
pub(crate) fn shared(y: MatrixMut<'_>, x: Matrix<'_>, w: Matrix<'_>, scale: f32, accumulate: bool) {
    let step = (TASK / w.columns.max(1)).next_multiple_of(WIDTH).max(WIDTH);
    put(y, &in_parts(w.rows, step, |range| part(x, w, &range)), scale, accumulate);
}

/// `y = x · wᵀ` with rows of w that are made when they are needed, in a buffer of the thread; y: [x.rows, rows].
pub(crate) fn made(
    y: &mut [f32],
    x: Matrix<'_>,
    rows: usize,
    make: impl Fn(Range<usize>, &mut [f32]) + Send + Sync,
) {
    let parts = in_parts(rows, (TASK / x.columns.max(1)).max(1), |range| {
        tasks::with_buffer(range.len() * x.columns, |piece| {
            make(range.clone(), piece);
            part(x, Matrix::new(piece, range.len(), x.columns), &(0..range.len()))
        })
    });
    put(MatrixMut::new(y, x.rows, rows), &parts, 1.0, false);
}

/// `y = x · wᵀ` with rows of w that `dots` multiplies as they are stored: it gets some of them and the number of a row of
/// x, and writes their products; y: [x.rows, rows].
pub(crate) fn stored(
    y: &mut [f32],
    [x_rows, rows, columns]: [usize; 3],
    dots: impl Fn(Range<usize>, usize, &mut [f32]) + Send + Sync,
) {
    let parts = in_parts(rows, (TASK / columns.max(1)).max(1), |range| {
        let (mut part, mut products) = (vec![0.0; range.len() * x_rows], vec![0.0; range.len()]);
        for row in 0..x_rows {
            dots(range.clone(), row, &mut products);
            for (part, product) in part.iter_mut().skip(row).step_by(x_rows).zip(&products) {
                *part = *product;
            }
        }
        part
    });
    put(MatrixMut::new(y, x_rows, rows), &parts, 1.0, false);
}

/// `part` of every `step` of the rows of w.
fn in_parts(
    rows: usize,
    step: usize,
    part: impl Fn(Range<usize>) -> Vec<f32> + Send + Sync,
) -> Vec<Vec<f32>> {
    tasks::collect((0..rows).step_by(step).map(|start| start..(start + step).min(rows)).collect(), part)
}

/// The same on the calling thread.
pub(crate) fn alone(y: MatrixMut<'_>, x: Matrix<'_>, w: Matrix<'_>, scale: f32, accumulate: bool) {
    put(y, &[part(x, w, &(0..w.rows))], scale, accumulate);
}

/// The products of some rows of w; [range, x.rows].
fn part(x: Matrix<'_>, w: Matrix<'_>, range: &Range<usize>) -> Vec<f32> {
    let mut part = vec![0.0; range.len() * x.rows];
    dots(&mut part, x, w, range.start);
    part
}

/// Writes the parts' products where they belong.
fn put(y: MatrixMut<'_>, parts: &[Vec<f32>], scale: f32, accumulate: bool) {
    let products = parts.iter().flat_map(|part| part.chunks_exact(y.rows));
    for (column, products) in products.enumerate() {
        for (row, product) in products.iter().enumerate() {
            let y = &mut y.data[row * y.stride + column];
            *y = scale * product + if accumulate { *y } else { 0.0 };
        }
    }
}

vectorised! {
    /// The dot products of rows `first..` of w with every row of x; part: [_, x.rows].
    fn dots<V>(part: &mut [f32], x: Matrix<'_>, w: Matrix<'_>, first: usize) {
        let count = part.len() / x.rows;
        let mut at = 0;
        if x.rows > STREAM {
            while at + WIDTH <= count {
                let mut w_rows = [row_of(w, first + at); WIDTH];
                for (ahead, row) in w_rows.iter_mut().enumerate() {
                    *row = row_of(w, first + at + ahead);
                }
                meet::<V, WIDTH>(&mut part[at * x.rows..][..WIDTH * x.rows], x, w_rows);
                at += WIDTH;
            }
        }
        while at < count {
            meet::<V, 1>(&mut part[at * x.rows..][..x.rows], x, [row_of(w, first + at)]);
            at += 1;
        }
    }
}

/// All rows of x with C rows of W; products: [C, x.rows].
#[inline(always)]
fn meet<V: Vector, const C: usize>(products: &mut [f32], x: Matrix<'_>, w: [&[f32]; C]) {
    let mut row = 0;
    while row < x.rows {
        row += match (x.rows - row).min(V::SUMS / C) {
            1 if C == 1 => keep(products, x.rows, row, [[dot::<V>(row_of(x, row), w[0])]]),
            1 => keep(products, x.rows, row, tile::<V, 1, C>(x, row, w)),
            2 | 3 => keep(products, x.rows, row, tile::<V, 2, C>(x, row, w)),
            _ => keep(products, x.rows, row, tile::<V, 4, C>(x, row, w)),
        };
    }
}

#[inline(always)]
fn row_of(x: Matrix<'_>, row: usize) -> &[f32] {
    &x.data[row * x.row_stride..][..x.columns]
}

/// Writes the products of R rows of x, from `row` on, into products: [_, rows]; R.
#[inline(always)]
fn keep<const R: usize, const C: usize>(
    products: &mut [f32],
    rows: usize,
    row: usize,
    found: [[f32; R]; C],
) -> usize {
    for (products, found) in products.chunks_exact_mut(rows).zip(found) {
        products[row..row + R].copy_from_slice(&found);
    }
    R
}

/// The dot products of R rows of x, from `first` on, with C rows of W.
#[inline(always)]
fn tile<V: Vector, const R: usize, const C: usize>(
    x: Matrix<'_>,
    first: usize,
    w: [&[f32]; C],
) -> [[f32; R]; C] {
    let mut rows = [w[0]; R];
    for (at, row) in rows.iter_mut().enumerate() {
        *row = row_of(x, first + at);
    }
    let mut sums = [[V::splat(0.0); R]; C];
    let length = w[0].len();
    let (whole, rest) = (length / LANES, length / LANES * LANES..length);
    for at in 0..whole {
        let here = at * LANES..(at + 1) * LANES;
        for (sums, w) in sums.iter_mut().zip(w) {
            if C > 1 {
                prefetch(w, at * LANES + C * length);
            }
            let w = load::<V>(&w[here.clone()]);
            for (sum, x) in sums.iter_mut().zip(rows) {
                *sum = w.mul_add(load(&x[here.clone()]), *sum);
            }
        }
    }
    if !rest.is_empty() {
        for (sums, w) in sums.iter_mut().zip(w) {
            let w = load::<V>(&w[rest.clone()]);
            for (sum, x) in sums.iter_mut().zip(rows) {
                *sum = w.mul_add(load(&x[rest.clone()]), *sum);
            }
        }
    }
    let mut found = [[0.0; R]; C];
    for (found, sums) in found.iter_mut().zip(sums) {
        for (found, sum) in found.iter_mut().zip(sums) {
            *found = sum.sum();
        }
    }
    found
}

/// Asks for the number `ahead` of the start of `x`, which need not lie in `x`.
#[inline(always)]
pub(crate) fn prefetch(x: &[f32], ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[expect(unsafe_code, reason = "a processor instruction")]
        // SAFETY: prefetching reads nothing, and any address may be asked for.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().wrapping_add(ahead).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (x, ahead);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::at_every_level;

    #[test]
    fn every_level_and_every_shape_of_tile_agrees_with_f64() {
        let number = |at: usize| ((at * 37) % 101) as f32 / 50.0 - 1.0;
        for (rows, inputs, outputs) in
            [(1, 1, 1), (1, 40, 9), (2, 33, 7), (3, 16, 5), (7, 70, 8), (15, 31, 13)]
        {
            let x: Vec<f32> = (0..rows * inputs).map(number).collect();
            let w: Vec<f32> = (0..outputs * inputs).map(|at| number(at + 5)).collect();
            at_every_level(|| {
                let mut y = vec![1.0; rows * outputs];
                let view = MatrixMut::new(&mut y, rows, outputs);
                alone(view, Matrix::new(&x, rows, inputs), Matrix::new(&w, outputs, inputs), 2.0, true);
                for (at, y) in y.into_iter().enumerate() {
                    let (row, column) = (at / outputs, at % outputs);
                    let pairs = x[row * inputs..][..inputs].iter().zip(&w[column * inputs..][..inputs]);
                    let exact = 1.0 + 2.0 * pairs.map(|(&x, &w)| f64::from(x) * f64::from(w)).sum::<f64>();
                    assert!((f64::from(y) - exact).abs() < 1e-5, "{y} {exact}");
                }
            });
        }
    }
}
