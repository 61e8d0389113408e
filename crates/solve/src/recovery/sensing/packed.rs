//! Measurements by the symmetric parts of matrices, for a positive semidefinite M.
//!
//!     ⟨A, X⟩ = Σ_i A_ii·X_ii + Σ_{i<j} (A_ij + A_ji)·X_ij        X symmetric
//!
//! Half the numbers of [`Plain`], and half its time. Of a product L·Rᵀ that is not symmetric only the symmetric part would be
//! measured, and the rest would stay free: solvers with two factors keep them one.

use super::{Adjoint, Measure, Pass, Plain, Respond, Storage, rows::sweep};
use crate::{Error, Result};
use faer::{Mat, MatRef};
use rankine_linalg::double::multiply;

/// The upper triangles of m matrices A + Aᵀ, diagonals halved, kept in `E`.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed<E> {
    side: usize,
    gain: f64,
    /// [m, side·(side + 1)/2], row by row.
    entries: Vec<E>,
}

impl<E: Storage> Packed<E> {
    /// The symmetric parts of measurements.
    ///
    /// # Errors
    /// When they are not square.
    pub fn new(plain: &Plain<E>) -> Result<Self> {
        let (side, columns) = plain.shape();
        if side != columns {
            return Err(Error::NotSquare { rows: side, columns });
        }
        let mut entries = Vec::with_capacity(plain.count() * side * (side + 1) / 2);
        for matrix in plain.entries().chunks(side * side) {
            for i in 0..side {
                entries.push(matrix[i * side + i]);
                let pair = |j: usize| -> f64 { matrix[i * side + j].into() + matrix[j * side + i].into() };
                entries.extend((i + 1..side).map(|j| E::narrow(pair(j))));
            }
        }
        Ok(Self { side, gain: plain.gain(), entries })
    }

    /// The symmetric parts of [`Plain::gaussian`].
    ///
    /// # Errors
    /// When a size is 0.
    pub fn gaussian(count: usize, side: usize, seed: u64) -> Result<Self> {
        Self::new(&Plain::gaussian(count, side, side, seed)?)
    }
}

impl<E: Storage> Measure for Packed<E> {
    fn shape(&self) -> (usize, usize) {
        (self.side, self.side)
    }

    fn count(&self) -> usize {
        2 * self.entries.len() / (self.side * (self.side + 1))
    }

    fn gain(&self) -> f64 {
        self.gain
    }

    fn positive(&self) -> bool {
        true
    }

    fn pass(&self, left: MatRef<'_, f64>, right: MatRef<'_, f64>, respond: &Respond<'_>) -> Pass {
        let (product, side) = (multiply(left, right.transpose()), self.side);
        let pairs = (0..side).flat_map(|i| (i..side).map(move |j| (i, j)));
        let x: Vec<f64> = pairs.map(|(i, j)| 0.5 * (product[(i, j)] + product[(j, i)])).collect();
        let (values, sum) = sweep(&self.entries, &x, respond);
        let adjoint = Mat::from_fn(side, side, |i, j| {
            let (low, high) = (i.min(j), i.max(j));
            // Rows above row `low` have side, side − 1, … numbers.
            let entry = sum[low * (2 * side - low + 1) / 2 + high - low];
            if i == j { entry } else { 0.5 * entry }
        });
        Pass { values, adjoint: Adjoint::Dense(adjoint) }
    }
}
