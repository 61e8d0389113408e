//! The inner loop of dense measurements: every row is read once for its value and for its share of the adjoint.
//!
//!     v_i = ⟨a_i, x⟩        z = Σ respond(i, v_i)·a_i
//!
//! Rows are taken by four while they are in the cache, blocks of rows by threads; the shares of the blocks are added in
//! their order, so the result depends on the sizes only. Cost: 2·m·width multiply-adds for m·width numbers read.

use super::{Respond, Storage};
use crate::vectors::dot;
use rayon::prelude::*;

/// Blocks at most: each holds a sum of the size of one row.
const BLOCKS: usize = 16;

/// Rows that are read together.
const GROUP: usize = 4;

/// Rows of a block at least.
const LEAST: usize = 16 * GROUP;

/// Values [m] and their weighted sum of rows [width].
pub(super) fn sweep<E: Storage>(rows: &[E], x: &[f64], respond: &Respond<'_>) -> (Vec<f64>, Vec<f64>) {
    let (width, count) = (x.len(), rows.len() / x.len());
    let block = count.div_ceil(BLOCKS).next_multiple_of(GROUP).max(LEAST);
    let blocks: Vec<_> = rows
        .par_chunks(block * width)
        .enumerate()
        .map(|(index, rows)| read(rows, x, &|i, value| respond(index * block + i, value)))
        .collect();
    let (mut values, mut sum) = (Vec::with_capacity(count), vec![0.0; width]);
    for (part, share) in blocks {
        values.extend(part);
        sum.iter_mut().zip(share).for_each(|(sum, share)| *sum += share);
    }
    (values, sum)
}

fn read<E: Storage>(rows: &[E], x: &[f64], respond: &Respond<'_>) -> (Vec<f64>, Vec<f64>) {
    let width = x.len();
    let (mut values, mut sum) = (Vec::with_capacity(rows.len() / width), vec![0.0; width]);
    for group in rows.chunks(GROUP * width) {
        let first = values.len();
        values.extend(group.chunks(width).map(|row| dot(row, x)));
        let weight = |i: usize| respond(first + i, values[first + i]);
        if group.len() == GROUP * width {
            add_four(&mut sum, group, [0, 1, 2, 3].map(weight));
            continue;
        }
        for (i, row) in group.chunks(width).enumerate() {
            let weight = weight(i);
            sum.iter_mut().zip(row).for_each(|(sum, &a)| *sum += weight * a.into());
        }
    }
    (values, sum)
}

/// sum += Σ w_i·row_i of four rows.
fn add_four<E: Storage>(sum: &mut [f64], rows: &[E], w: [f64; GROUP]) {
    let (a, rest) = rows.split_at(sum.len());
    let (b, rest) = rest.split_at(sum.len());
    let (c, d) = rest.split_at(sum.len());
    for ((((sum, &a), &b), &c), &d) in sum.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *sum += w[0] * a.into() + w[1] * b.into() + w[2] * c.into() + w[3] * d.into();
    }
}
