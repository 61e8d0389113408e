//! Passes over a column of costs, eight numbers at a time.

/// max_i (potential_i − cost_i); −∞ of nothing.
pub(super) fn highest(potential: &[f64], cost: &[f64]) -> f64 {
    let mut lanes = [f64::NEG_INFINITY; 8];
    let (left, right) = (potential.chunks_exact(8), cost.chunks_exact(8));
    let rest = left.remainder().iter().zip(right.remainder());
    let rest = rest.fold(f64::NEG_INFINITY, |highest, (p, c)| larger(highest, p - c));
    for (left, right) in left.zip(right) {
        for ((lane, p), c) in lanes.iter_mut().zip(left).zip(right) {
            *lane = larger(*lane, p - c);
        }
    }
    lanes.into_iter().fold(rest, larger)
}

/// The larger of two numbers, as one instruction.
fn larger(left: f64, right: f64) -> f64 {
    if left > right { left } else { right }
}
