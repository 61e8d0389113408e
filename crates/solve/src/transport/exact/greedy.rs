//! A first basis: every column in turn takes what it can from its cheapest row.
//!
//! Where a row and a column run out together the column is closed and the row stays, as if every row had a little more
//! than it has and the last column took the rest: so arcs without flow lead towards that column.

use super::tree::Arc;

/// rows + columns − 1 arcs of a tree, strongly feasible as seen from the last column. `price` is taken off the costs of
/// a row.
pub(crate) fn basis<'a>(
    cost: impl Fn(usize) -> &'a [f64],
    price: &[f64],
    source: &[f64],
    target: &[f64],
) -> Vec<Arc> {
    let (rows, last) = (source.len(), target.len() - 1);
    let (mut left, mut wanted) = (source.to_vec(), target.to_vec());
    let mut open: Vec<usize> = (0..rows).collect();
    let mut columns: Vec<usize> = (0..last).collect();
    let mut arcs = Vec::with_capacity(rows + last);
    while !columns.is_empty() {
        columns.retain(|&column| {
            let costs = cost(column);
            let cheapest = cheapest(&open, |row| costs[row] - price[row]);
            let row = open[cheapest];
            let closes_row = open.len() > 1 && left[row] < wanted[column];
            let mass = if closes_row { left[row] } else { wanted[column] };
            arcs.push((row, column, mass));
            left[row] = (left[row] - mass).max(0.0);
            wanted[column] -= mass;
            if closes_row {
                open.swap_remove(cheapest);
            }
            closes_row
        });
    }
    arcs.extend(open.into_iter().map(|row| (row, last, left[row])));
    arcs
}

/// The place of the cheapest, the first of equals.
fn cheapest(open: &[usize], cost: impl Fn(usize) -> f64) -> usize {
    let mut best = (0, f64::INFINITY);
    for (place, &row) in open.iter().enumerate() {
        let found = cost(row);
        if found < best.1 {
            best = (place, found);
        }
    }
    best.0
}
