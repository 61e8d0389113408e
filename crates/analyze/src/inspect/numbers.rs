//! The numbers of a tensor, without their spectrum.

use serde::Serialize;

/// What the numbers of a tensor are like; those that are not finite are counted, and left out of all else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Numbers {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// The largest magnitude.
    pub largest: f64,
    /// ‖W‖, the Frobenius norm.
    pub norm: f64,
    /// How many are 0.
    pub zeros: u64,
    /// How many are infinite or not a number.
    pub not_finite: u64,
    /// Rows of zeros; 0 of a vector.
    pub dead_rows: u64,
    /// Columns of zeros, all axes but the first taken together; 0 of a vector.
    pub dead_columns: u64,
    /// Tensors of other numbers have another one, but for one chance in 2⁶⁴.
    #[serde(skip)]
    pub(super) fingerprint: u64,
}

impl Numbers {
    /// Of a tensor; values: row-major [rows, columns], where a vector has one column.
    pub(super) fn of(values: &[f32], columns: usize) -> Self {
        let (mut sum, mut squares, mut largest) = (0.0, 0.0, 0.0_f32);
        let (mut zeros, mut not_finite, mut dead_rows) = (0, 0, 0);
        let mut alive = vec![false; columns];
        let mut fingerprint = Fingerprint::default();
        for row in values.chunks_exact(columns.max(1)) {
            let (mut row_sum, mut row_squares, mut row_zeros) = (0.0, 0.0, 0);
            for (&x, alive) in row.iter().zip(&mut alive) {
                let finite = if x.is_finite() { x } else { 0.0 };
                let wide = f64::from(finite);
                row_sum += wide;
                row_squares += wide * wide;
                largest = largest.max(finite.abs());
                row_zeros += u64::from(x == 0.0);
                not_finite += u64::from(!x.is_finite());
                *alive |= x != 0.0;
                fingerprint.add(x);
            }
            sum += row_sum;
            squares += row_squares;
            zeros += row_zeros;
            dead_rows += u64::from(row_zeros == row.len() as u64);
        }
        let counted = (values.len() as u64 - not_finite).max(1) as f64;
        let mean = sum / counted;
        let is_matrix = 1 < columns;
        Self {
            mean,
            // Rounding can turn the variance of equal numbers below 0.
            deviation: (squares / counted - mean * mean).max(0.0).sqrt(),
            largest: f64::from(largest),
            norm: squares.sqrt(),
            zeros,
            not_finite,
            dead_rows: if is_matrix { dead_rows } else { 0 },
            dead_columns: if is_matrix { alive.iter().filter(|&&alive| !alive).count() as u64 } else { 0 },
            fingerprint: fingerprint.0,
        }
    }

    /// Whether the norm is above the largest float of 32 bits, so that singular values may be.
    pub(super) fn is_vast(&self) -> bool {
        f64::from(f32::MAX) < self.norm
    }
}

/// FNV-1a over words of 32 bits.
struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    fn add(&mut self, x: f32) {
        self.0 = (self.0 ^ u64::from(x.to_bits())).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_matrix_by_hand() {
        let numbers = Numbers::of(&[1.0, 0.0, -3.0, 0.0, 0.0, 0.0], 3);
        assert!((numbers.mean + 1.0 / 3.0).abs() < 1e-15);
        assert!((numbers.deviation - (10.0_f64 / 6.0 - 1.0 / 9.0).sqrt()).abs() < 1e-15);
        assert_eq!((numbers.largest, numbers.norm), (3.0, 10.0_f64.sqrt()));
        assert_eq!((numbers.zeros, numbers.dead_rows, numbers.dead_columns), (4, 1, 1));
        let vector = Numbers::of(&[0.0, 2.0], 1);
        assert_eq!((vector.zeros, vector.dead_rows, vector.dead_columns), (1, 0, 0));
    }

    #[test]
    fn what_is_not_finite_is_counted_and_left_out() {
        let numbers = Numbers::of(&[f32::NAN, 2.0, f32::INFINITY, 4.0], 2);
        assert_eq!(
            (numbers.not_finite, numbers.mean, numbers.deviation, numbers.largest),
            (2, 3.0, 1.0, 4.0)
        );
        // A column of NaN is broken, not dead.
        assert_eq!((numbers.zeros, numbers.dead_rows, numbers.dead_columns), (0, 0, 0));
        let empty = Numbers::of(&[], 0);
        assert_eq!((empty.mean, empty.norm, empty.dead_columns), (0.0, 0.0, 0));
    }

    #[test]
    fn fingerprints_tell_tensors_apart() {
        let print = |values: &[f32]| Numbers::of(values, 2).fingerprint;
        assert_eq!(print(&[1.0, 2.0]), print(&[1.0, 2.0]));
        assert_ne!(print(&[1.0, 2.0]), print(&[2.0, 1.0]));
    }
}
