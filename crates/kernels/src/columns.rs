//! Columns of a matrix in f64 with a vector: what they add to it, and their products with it.
//!
//!     y ← y + C·w        p = Cᵀ·x        y ← y + A·x, A symmetric, of which the lower triangle is read
//!     y ← y + f·x        a·b
//!
//! C: [n, k] and A: [n, n] lie column by column, the beginnings of two a stride apart. Four columns are read at a time, so the vector
//! is read and written a quarter as often. Of a symmetric matrix every number that was read meets two numbers of x: a large one comes
//! from memory for every product, so half of it is half of the time.

use crate::vectorise::double::{Double, LANES};

/// Columns at a time.
const WIDTH: usize = 4;

/// y ← y + factor·x; y, x: [n].
///
/// # Panics
/// When the lengths differ.
pub fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    assert!(y.len() == x.len(), "y and x have one length");
    add_one(x, factor, y);
}

/// Σ a·b; a, b: [n].
///
/// # Panics
/// When the lengths differ.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert!(a.len() == b.len(), "a and b have one length");
    meet_one(a, b)
}

/// y ← y + C·w; columns: [n, k], weights: [k], y: [n].
///
/// # Panics
/// When columns overlap or are missing.
pub fn add(columns: &[f64], stride: usize, weights: &[f64], y: &mut [f64]) {
    let columns = Columns::new(columns, stride, y.len(), weights.len());
    let (fours, rest) = weights.as_chunks::<WIDTH>();
    for (at, weights) in fours.iter().enumerate() {
        add_four(columns.four(WIDTH * at, 0), *weights, y);
    }
    for (at, weight) in (WIDTH * fours.len()..).zip(rest) {
        add_one(columns.get(at, 0), *weight, y);
    }
}

/// p = Cᵀ·x; columns: [n, k], x: [n], products: [k].
///
/// # Panics
/// When columns overlap or are missing.
pub fn products(columns: &[f64], stride: usize, x: &[f64], products: &mut [f64]) {
    let columns = Columns::new(columns, stride, x.len(), products.len());
    let (fours, rest) = products.as_chunks_mut::<WIDTH>();
    let whole = WIDTH * fours.len();
    for (at, products) in fours.iter_mut().enumerate() {
        *products = meet_four(columns.four(WIDTH * at, 0), x);
    }
    for (at, product) in (whole..).zip(rest) {
        *product = meet_one(columns.get(at, 0), x);
    }
}

/// y ← y + A·x of a symmetric matrix, of which the lower triangle is read; a: [n, n], x: [n], y: [n].
///
/// # Panics
/// When lengths differ, or columns overlap or are missing.
pub fn add_symmetric(a: &[f64], stride: usize, x: &[f64], y: &mut [f64]) {
    assert!(x.len() == y.len(), "x and y have one length");
    let size = y.len();
    let columns = Columns::new(a, stride, size, size);
    for start in (0..size).step_by(WIDTH) {
        let width = WIDTH.min(size - start);
        for column in start..start + width {
            let entries = columns.get(column, 0);
            y[column] += entries[column] * x[column];
            for row in column + 1..start + width {
                y[row] += entries[row] * x[column];
                y[column] += entries[row] * x[row];
            }
        }
        // Fewer columns than that are the last ones, and nothing is below them.
        let below = start + WIDTH;
        if below < size {
            let weights = [x[start], x[start + 1], x[start + 2], x[start + 3]];
            let sums = mirror_four(columns.four(start, below), weights, &x[below..], &mut y[below..]);
            y[start..below].iter_mut().zip(sums).for_each(|(y, sum)| *y += sum);
        }
    }
}

/// [n, k], column by column.
#[derive(Clone, Copy)]
struct Columns<'a> {
    entries: &'a [f64],
    stride: usize,
    rows: usize,
}

impl<'a> Columns<'a> {
    fn new(entries: &'a [f64], stride: usize, rows: usize, count: usize) -> Self {
        let needed = count.checked_sub(1).map_or(0, |last| last * stride + rows);
        assert!(count < 2 || rows <= stride, "columns a stride apart do not overlap");
        assert!(needed <= entries.len(), "there are as many columns as numbers for them");
        Self { entries, stride, rows }
    }

    /// A column from this row on.
    fn get(self, column: usize, row: usize) -> &'a [f64] {
        &self.entries[column * self.stride..][row..self.rows]
    }

    fn four(self, column: usize, row: usize) -> [&'a [f64]; WIDTH] {
        std::array::from_fn(|at| self.get(column + at, row))
    }
}

vectorised! {
    fn add_four<V>(columns: [&[f64]; WIDTH], weights: [f64; WIDTH], y: &mut [f64]) {
        add_some::<V::Double, WIDTH>(columns, weights, y);
    }

    fn add_one<V>(column: &[f64], weight: f64, y: &mut [f64]) {
        add_some::<V::Double, 1>([column], [weight], y);
    }

    fn meet_four<V>(columns: [&[f64]; WIDTH], x: &[f64]) -> [f64; WIDTH] {
        let chunks = columns.map(|column| column.as_chunks::<LANES>());
        let (xs, x_rest) = x.as_chunks::<LANES>();
        let whole = chunks.map(|(whole, _)| &whole[..xs.len()]);
        let mut sums = [V::Double::splat(0.0); WIDTH];
        for (at, x) in xs.iter().enumerate() {
            let x = V::Double::load(x);
            for c in 0..WIDTH {
                sums[c] = V::Double::load(&whole[c][at]).mul_add(x, sums[c]);
            }
        }
        let mut sums = sums.map(Double::sum);
        for (sum, (_, rest)) in sums.iter_mut().zip(&chunks) {
            *sum += rest.iter().zip(x_rest).map(|(entry, x)| entry * x).sum::<f64>();
        }
        sums
    }

    fn meet_one<V>(column: &[f64], x: &[f64]) -> f64 {
        // One sum alone would wait for every addition.
        let (chunks, rest) = column.as_chunks::<LANES>();
        let (xs, x_rest) = x.as_chunks::<LANES>();
        let (pairs, last) = chunks.as_chunks::<2>();
        let (x_pairs, x_last) = xs.as_chunks::<2>();
        let mut sums = [V::Double::splat(0.0); 2];
        for (entries, x) in pairs.iter().zip(x_pairs) {
            sums[0] = V::Double::load(&entries[0]).mul_add(V::Double::load(&x[0]), sums[0]);
            sums[1] = V::Double::load(&entries[1]).mul_add(V::Double::load(&x[1]), sums[1]);
        }
        for (entries, x) in last.iter().zip(x_last) {
            sums[0] = V::Double::load(entries).mul_add(V::Double::load(x), sums[0]);
        }
        sums[0].add(sums[1]).sum() + rest.iter().zip(x_rest).map(|(entry, x)| entry * x).sum::<f64>()
    }

    /// Both at once: y ← y + C·w; returns Cᵀ·x.
    fn mirror_four<V>(columns: [&[f64]; WIDTH], weights: [f64; WIDTH], x: &[f64], y: &mut [f64]) -> [f64; WIDTH] {
        let chunks = columns.map(|column| column.as_chunks::<LANES>());
        let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks_mut::<LANES>());
        // Of one length, so that no bound is asked for inside.
        let (whole, xs) = (chunks.map(|(whole, _)| &whole[..ys.len()]), &xs[..ys.len()]);
        let by = weights.map(V::Double::splat);
        let mut sums = [V::Double::splat(0.0); WIDTH];
        for (at, y) in ys.iter_mut().enumerate() {
            let (x, mut total) = (V::Double::load(&xs[at]), V::Double::load(y));
            for c in 0..WIDTH {
                let entries = V::Double::load(&whole[c][at]);
                total = entries.mul_add(by[c], total);
                sums[c] = entries.mul_add(x, sums[c]);
            }
            total.store(y);
        }
        let mut sums = sums.map(Double::sum);
        for (c, (_, rest)) in chunks.iter().enumerate() {
            for ((entry, x), y) in rest.iter().zip(x_rest).zip(y_rest.iter_mut()) {
                *y += entry * weights[c];
                sums[c] += entry * x;
            }
        }
        sums
    }
}

/// y ← y + C·w.
#[inline(always)]
fn add_some<D: Double, const C: usize>(columns: [&[f64]; C], weights: [f64; C], y: &mut [f64]) {
    let chunks = columns.map(|column| column.as_chunks::<LANES>());
    let (ys, y_rest) = y.as_chunks_mut::<LANES>();
    let whole = chunks.map(|(whole, _)| &whole[..ys.len()]);
    let by = weights.map(D::splat);
    for (at, y) in ys.iter_mut().enumerate() {
        let mut total = D::load(y);
        for c in 0..C {
            total = D::load(&whole[c][at]).mul_add(by[c], total);
        }
        total.store(y);
    }
    for (c, (_, rest)) in chunks.iter().enumerate() {
        rest.iter().zip(y_rest.iter_mut()).for_each(|(entry, y)| *y += entry * weights[c]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::at_every_level;

    /// Whole numbers, whose sums are exact in any order.
    fn whole(count: usize, step: usize) -> Vec<f64> {
        (0..count).map(|i| ((i * step) % 13) as f64 - 6.0).collect()
    }

    #[test]
    fn columns_of_every_count_and_length() {
        at_every_level(|| {
            for (length, count) in [(1, 1), (7, 2), (8, 4), (9, 5), (31, 0), (40, 11)] {
                let stride = length + 3;
                let (columns, weights, x) = (whole(stride * count, 5), whole(count, 3), whole(length, 7));
                let entry = |row: usize, column: usize| columns[column * stride + row];
                let mut y = vec![1.0; length];
                add(&columns, stride, &weights, &mut y);
                for (row, found) in y.iter().enumerate() {
                    let sum: f64 = (0..count).map(|column| entry(row, column) * weights[column]).sum();
                    assert_eq!(*found, 1.0 + sum, "{length} × {count}");
                }
                let mut found = vec![9.0; count];
                products(&columns, stride, &x, &mut found);
                for (column, found) in found.iter().enumerate() {
                    assert_eq!(*found, (0..length).map(|row| entry(row, column) * x[row]).sum::<f64>());
                }
            }
        });
    }

    #[test]
    fn one_triangle_stands_for_both() {
        at_every_level(|| {
            for size in 0..40 {
                let (stride, x) = (size + size % 3, whole(size, 5));
                let entry = |i: usize, j: usize| ((i.min(j) * 7 + i.max(j) * 3) % 13) as f64 - 6.0;
                // Above the diagonal and behind a column stands what is not to be read.
                let mut a = vec![f64::NAN; stride * size];
                for j in 0..size {
                    (j..size).for_each(|i| a[j * stride + i] = entry(i, j));
                }
                let mut y = vec![1.0; size];
                add_symmetric(&a, stride, &x, &mut y);
                for (i, found) in y.iter().enumerate() {
                    assert_eq!(
                        *found,
                        1.0 + (0..size).map(|j| entry(i, j) * x[j]).sum::<f64>(),
                        "{size}: {i}"
                    );
                }
            }
        });
    }
}
