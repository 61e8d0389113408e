//! Rotary position embedding of half pairs, as Hugging Face's llama stores its heads.
//!
//!     a = x[i], b = x[i + size/2], angle = θ[position, i], i < size/2
//!     x[i] ← a·cos − b·sin        x[i + size/2] ← b·cos + a·sin
//!
//! The rotation is orthogonal: its backward pass is the rotation by −θ. In place, one pass over x.

use crate::tasks;

/// Rotates every head of every row; `inverse` turns back, which is also the gradient.
///
/// x: [positions.len(), heads · size] with any number of heads; cos, sin: [table rows, size / 2], read at the row's
/// position.
///
/// # Panics
/// When `size` is odd, the lengths do not fit together, or a position is beyond the tables.
pub fn rotate(x: &mut [f32], positions: &[u32], size: usize, cos: &[f32], sin: &[f32], inverse: bool) {
    if x.is_empty() {
        return;
    }
    assert!(size > 0 && size.is_multiple_of(2), "a rotated head has an even size; found {size}");
    assert!(!positions.is_empty(), "rows to rotate without positions");
    let width = x.len() / positions.len();
    assert!(
        width * positions.len() == x.len() && width.is_multiple_of(size),
        "{} numbers are not {} rows of heads of {size}",
        x.len(),
        positions.len()
    );
    assert_eq!(cos.len(), sin.len(), "lengths of the cosine and sine tables");
    let rows = cos.len() / (size / 2);
    let last = positions.iter().max().map_or(0, |&position| position as usize);
    assert!(last < rows, "position {last} is beyond a table of {rows} positions");

    let step = tasks::rows_per_task(width);
    let sign = if inverse { -1.0 } else { 1.0 };
    let tasks = x.chunks_mut(step * width).zip(positions.chunks(step)).collect();
    tasks::run(tasks, |(x, positions)| rotate_rows(x, positions, size, cos, sin, sign));
}

vectorised! {
    fn rotate_rows<V>(x: &mut [f32], positions: &[u32], size: usize, cos: &[f32], sin: &[f32], sign: f32) {
        let (half, width) = (size / 2, x.len() / positions.len());
        for (row, &position) in x.chunks_exact_mut(width).zip(positions) {
            let cos = &cos[position as usize * half..][..half];
            let sin = &sin[position as usize * half..][..half];
            for head in row.chunks_exact_mut(size) {
                let (a, b) = head.split_at_mut(half);
                for (((a, b), cos), sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                    let (x, y, sin) = (*a, *b, sin * sign);
                    *a = x * cos - y * sin;
                    *b = y * cos + x * sin;
                }
            }
        }
    }
}
