//! Rotations of a weight's inputs, block by block.
//!
//!     cayley(Q) = (1 − Q)·(1 + Q)⁻¹       Q: [n, n], skew: Qᵀ = −Q
//!     W' = W·Rᵀ: every row w of W becomes R·w,  R[i, j] = D[order[i], order[j]],  D block-diagonal

/// (1 − Q)·(1 + Q)⁻¹; q: row-major [size, size], skew.
pub(super) fn cayley(q: &[f64], size: usize) -> Vec<f64> {
    let with = |sign: f64| {
        let mut matrix: Vec<f64> = q.iter().map(|x| sign * x).collect();
        matrix.iter_mut().step_by(size + 1).for_each(|x| *x += 1.0);
        matrix
    };
    // The two matrices commute: (1 + Q)·X = 1 − Q, solved by elimination. The pivots are 1 or more, because
    // xᵀ·(1 + Q)·x = xᵀ·x holds in all that is left after a step.
    let (mut left, mut right) = (with(1.0), with(-1.0));
    for k in 0..size {
        let rows = k * size..(k + 1) * size;
        let pivot = left[k * size + k];
        left[rows.clone()].iter_mut().chain(&mut right[rows.clone()]).for_each(|x| *x /= pivot);
        let (row_left, row_right) = (left[rows.clone()].to_vec(), right[rows].to_vec());
        for i in (0..size).filter(|&i| i != k) {
            let factor = left[i * size + k];
            let rows = i * size..(i + 1) * size;
            left[rows.clone()].iter_mut().zip(&row_left).for_each(|(x, y)| *x -= factor * y);
            right[rows].iter_mut().zip(&row_right).for_each(|(x, y)| *x -= factor * y);
        }
    }
    right
}

/// a·b; both row-major [size, size].
pub(super) fn times(a: &[f64], b: &[f64], size: usize) -> Vec<f64> {
    let mut product = vec![0.0; size * size];
    for (out, row) in product.chunks_exact_mut(size).zip(a.chunks_exact(size)) {
        for (x, other) in row.iter().zip(b.chunks_exact(size)) {
            out.iter_mut().zip(other).for_each(|(out, y)| *out += x * y);
        }
    }
    product
}

/// W·Rᵀ in the place of W; weight: rows as long as `order`; blocks: [·, size, size], those of D.
pub(super) fn rotate(weight: &mut [f32], blocks: &[f64], size: usize, order: &[usize]) {
    let (mut before, mut after) = (vec![0.0; order.len()], vec![0.0; order.len()]);
    for row in weight.chunks_exact_mut(order.len()) {
        order.iter().zip(row.iter()).for_each(|(&at, &w)| before[at] = f64::from(w));
        let parts = after.chunks_exact_mut(size).zip(before.chunks_exact(size));
        for ((after, before), block) in parts.zip(blocks.chunks_exact(size * size)) {
            for (y, row) in after.iter_mut().zip(block.chunks_exact(size)) {
                *y = row.iter().zip(before).map(|(r, x)| r * x).sum();
            }
        }
        row.iter_mut().zip(order).for_each(|(w, &at)| *w = after[at] as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_testkit::assert_close;

    fn skew(size: usize) -> Vec<f64> {
        let entry = |i: usize, j: usize| (i as f64 - j as f64) * (1.0 + (i * j) as f64 % 5.0);
        (0..size * size).map(|at| entry(at / size, at % size)).collect()
    }

    #[test]
    fn cayley_is_a_rotation_with_the_right_angle() {
        for size in [1, 2, 5, 8] {
            let r = cayley(&skew(size), size);
            let transposed: Vec<f64> = (0..size * size).map(|at| r[at % size * size + at / size]).collect();
            let one: Vec<f64> =
                (0..size * size).map(|at| f64::from(u8::from(at % (size + 1) == 0))).collect();
            assert_close!(times(&r, &transposed, size), one, absolute = 1e-12);
        }
        // tan(angle / 2) = q for Q = [[0, q], [−q, 0]].
        let angle = 2.0 * 0.25_f64.atan();
        let expected = [angle.cos(), -angle.sin(), angle.sin(), angle.cos()];
        assert_close!(cayley(&[0.0, 0.25, -0.25, 0.0], 2), expected, absolute = 1e-12);
    }

    #[test]
    fn rows_are_rotated_in_the_order_of_the_permutation() {
        let quarter = [0.0, -1.0, 1.0, 0.0];
        let blocks = [quarter, [1.0, 0.0, 0.0, 1.0]].concat();
        let mut weight = [1.0, 2.0, 3.0, 4.0];
        rotate(&mut weight, &blocks, 2, &[0, 1, 2, 3]);
        assert_eq!(weight, [-2.0, 1.0, 3.0, 4.0]);
        let mut weight = [1.0, 2.0, 3.0, 4.0];
        // Inputs 0 and 2 share the first block.
        rotate(&mut weight, &blocks, 2, &[0, 2, 1, 3]);
        assert_eq!(weight, [-3.0, 2.0, 1.0, 4.0]);
    }
}
