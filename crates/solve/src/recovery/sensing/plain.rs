//! Measurements by whole matrices A_i, row by row.

use super::{Adjoint, Measure, Pass, Respond, Storage, rows::sweep};
use crate::{Error, Result, check::finite};
use faer::{Mat, MatRef};
use rankine_linalg::double::multiply;
use rankine_random::Rng;
use rayon::prelude::*;

/// m matrices [rows, columns] one after another, kept in `E`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain<E> {
    rows: usize,
    columns: usize,
    gain: f64,
    /// [m, rows, columns], row by row.
    entries: Vec<E>,
}

impl<E: Storage> Plain<E> {
    /// Checks and keeps measurements; entries: [m, rows, columns], row by row.
    ///
    /// # Errors
    /// When there is none, their number is not a multiple of rows·columns, an entry is not finite, or all are 0.
    pub fn new(rows: usize, columns: usize, entries: Vec<E>) -> Result<Self> {
        let (width, what) = (rows * columns, "measurement matrices");
        if width == 0 || entries.is_empty() {
            return Err(Error::Empty { what });
        }
        if !entries.len().is_multiple_of(width) {
            let (found, expected) = (entries.len(), entries.len().next_multiple_of(width));
            let reason = "each has rows × columns";
            return Err(Error::Size { what, unit: "entries", found, expected, reason });
        }
        let square = |&entry: &E| Into::<f64>::into(entry).powi(2);
        let squares: Vec<f64> = entries.chunks(width).map(|row| row.iter().map(square).sum()).collect();
        finite(what, &squares)?;
        // Symmetric ones see nothing but symmetric matrices, which have fewer dimensions.
        let seen = if are_symmetric(&entries, rows, columns) { rows * (rows + 1) / 2 } else { width };
        let gain = squares.iter().sum::<f64>() / seen as f64;
        if gain == 0.0 {
            return Err(Error::Nothing { what });
        }
        Ok(Self { rows, columns, gain, entries })
    }

    /// m matrices with independent standard normal entries; the same ones in either precision.
    ///
    /// # Errors
    /// When a size is 0.
    pub fn gaussian(count: usize, rows: usize, columns: usize, seed: u64) -> Result<Self> {
        let rng = Rng::new(seed).fork("recovery/measurements");
        let draw = |index| {
            let mut rng = rng.fork_index("measurement", index);
            (0..rows * columns).map(move |_| E::narrow(rng.normal_f64())).collect::<Vec<_>>()
        };
        let entries: Vec<Vec<E>> = (0..count).into_par_iter().map(draw).collect();
        Self::new(rows, columns, entries.concat())
    }

    /// The matrices, row by row; [m, rows, columns].
    pub fn entries(&self) -> &[E] {
        &self.entries
    }
}

/// Whether all matrices [rows, columns] are symmetric.
fn are_symmetric<E: Storage>(entries: &[E], rows: usize, columns: usize) -> bool {
    let at = |matrix: &[E], i: usize, j: usize| -> f64 { matrix[i * columns + j].into() };
    let same = |matrix: &[E]| (0..rows).all(|i| (0..i).all(|j| at(matrix, i, j) == at(matrix, j, i)));
    rows == columns && entries.chunks(rows * columns).all(same)
}

impl<E: Storage> Measure for Plain<E> {
    fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    fn count(&self) -> usize {
        self.entries.len() / (self.rows * self.columns)
    }

    fn gain(&self) -> f64 {
        self.gain
    }

    fn pass(&self, left: MatRef<'_, f64>, right: MatRef<'_, f64>, respond: &Respond<'_>) -> Pass {
        // The columns of the transpose are the rows.
        let transposed = multiply(right, left.transpose());
        let x: Vec<f64> = transposed.col_iter().flat_map(|column| column.iter().copied()).collect();
        let (values, sum) = sweep(&self.entries, &x, respond);
        let adjoint = Mat::from_fn(self.rows, self.columns, |i, j| sum[i * self.columns + j]);
        Pass { values, adjoint: Adjoint::Dense(adjoint) }
    }
}
