//! Transposes a row-major matrix into scratch memory, in blocks that fit the registers.

use crate::vectorise::LANES;

/// out = xᵀ; x: [rows, columns] with rows `stride` apart, out: [columns, rows].
pub(crate) fn transpose(x: &[f32], rows: usize, columns: usize, stride: usize, out: &mut [f32]) {
    transpose_into(x, [rows, columns], stride, out, rows);
}

vectorised! {
    /// out = xᵀ; x: [rows, columns] with rows `stride` apart, out: [columns, rows] with rows `out_stride` apart.
    pub(crate) fn transpose_into<V>(
        x: &[f32],
        shape: [usize; 2],
        stride: usize,
        out: &mut [f32],
        out_stride: usize,
    ) {
        let [rows, columns] = shape;
        let (even_rows, even_columns) = (rows / LANES * LANES, columns / LANES * LANES);
        for first in (0..even_rows).step_by(LANES) {
            for left in (0..even_columns).step_by(LANES) {
                V::turn(
                    &x[first * stride + left..],
                    stride,
                    &mut out[left * out_stride + first..],
                    out_stride,
                );
            }
        }
        for row in 0..rows {
            let done = if row < even_rows { even_columns } else { 0 };
            for column in done..columns {
                out[column * out_stride + row] = x[row * stride + column];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::at_every_level;

    #[test]
    fn turns_matrices_that_are_no_multiple_of_a_block() {
        for (rows, columns, stride) in [(1, 1, 1), (16, 32, 32), (17, 5, 9), (3, 40, 40), (33, 47, 50)] {
            let x: Vec<f32> = (0..rows * stride).map(|x| x as f32).collect();
            at_every_level(|| {
                let mut out = vec![0.0; rows * columns];
                transpose(&x, rows, columns, stride, &mut out);
                for row in 0..rows {
                    for column in 0..columns {
                        assert_eq!(out[column * rows + row], x[row * stride + column]);
                    }
                }
            });
        }
    }
}
