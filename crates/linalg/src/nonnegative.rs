//! Non-negative least squares.
//!
//!     minimise ‖A·x − b‖ subject to x ≥ 0        A: [rows, columns]  b: [rows]  x: [columns]
//!
//! Lawson and Hanson's active sets: the column of largest gradient becomes positive, and what turns negative in the least
//! squares of the positive ones returns to 0. It ends after finitely many exchanges; each costs O(rows · columns²).

use crate::{Error, GrowingQr, Result};
use faer::MatRef;

/// Gradients below this share of ‖A‖·‖b‖ count as 0.
const STILL: f64 = 1e-13;

/// The solution; one of them where columns depend on each other. [columns].
///
/// # Errors
/// When b does not have as many numbers as A has rows.
pub fn nonnegative_least_squares(a: MatRef<'_, f64>, b: &[f64]) -> Result<Vec<f64>> {
    let (rows, columns) = a.shape();
    if b.len() != rows {
        return Err(Error::Length { rows, columns: 1, found: b.len() });
    }
    let still = STILL * a.norm_l2() * b.iter().map(|b| b * b).sum::<f64>().sqrt();
    let (mut x, mut positive, mut refused) = (vec![0.0; columns], Vec::new(), vec![false; columns]);
    // Three times the columns is what Lawson and Hanson allow.
    for _ in 0..3 * columns {
        let gradient = gradient(a, b, &x);
        let free = (0..columns).filter(|j| !positive.contains(j) && !refused[*j]);
        let steepest = free.max_by(|&i, &j| gradient[i].total_cmp(&gradient[j]));
        let Some(steepest) = steepest.filter(|&j| still < gradient[j]) else { break };
        positive.push(steepest);
        match settle(a, b, &mut x, &mut positive) {
            true => refused.fill(false),
            false => refused[steepest] = true,
        }
    }
    Ok(x)
}

/// Aᵀ·(b − A·x); [columns].
fn gradient(a: MatRef<'_, f64>, b: &[f64], x: &[f64]) -> Vec<f64> {
    let mut residual = b.to_vec();
    for (column, x) in a.col_iter().zip(x).filter(|(_, x)| **x != 0.0) {
        residual.iter_mut().zip(column.iter()).for_each(|(r, a)| *r -= a * x);
    }
    a.col_iter().map(|column| column.iter().zip(&residual).map(|(a, r)| a * r).sum()).collect()
}

/// Moves x to the least squares of the positive columns, giving up those that reach 0 on the way; whether the newest stayed.
fn settle(a: MatRef<'_, f64>, b: &[f64], x: &mut [f64], positive: &mut Vec<usize>) -> bool {
    let newest = positive.last().copied();
    while !positive.is_empty() {
        let mut qr = GrowingQr::new();
        positive.retain(|&j| qr.push(&a.col(j).iter().copied().collect::<Vec<_>>()));
        let wanted = qr.least_squares(b);
        let reach = |(&j, &wanted): (&usize, &f64)| (wanted <= 0.0).then(|| x[j] / (x[j] - wanted));
        let step = positive.iter().zip(&wanted).filter_map(reach).fold(1.0, f64::min);
        let stays = |j: usize, wanted: f64| 1.0 <= step || 0.0 < wanted || step < x[j] / (x[j] - wanted);
        let kept: Vec<bool> = positive.iter().zip(&wanted).map(|(&j, &wanted)| stays(j, wanted)).collect();
        for ((&j, &wanted), &kept) in positive.iter().zip(&wanted).zip(&kept) {
            x[j] = if kept { x[j] + step * (wanted - x[j]) } else { 0.0 };
        }
        let mut kept_too = kept.iter().copied();
        positive.retain(|_| kept_too.next().unwrap_or(true));
        if kept.iter().all(|&kept| kept) {
            break;
        }
    }
    newest.is_some_and(|newest| positive.contains(&newest))
}
