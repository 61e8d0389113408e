//! A symmetric matrix by its entries, and its checks.

use super::{Operator, sparse::Sparse};
use crate::{Error, Result};
use faer::MatRef;
use std::borrow::Cow;

/// Difference of two mirrored entries that is put down to rounding, relative to √(a_ii·a_jj), which bounds |a_ij|.
const SYMMETRY: f64 = 1e-10;

/// A sparse symmetric matrix; every row is empty or has a diagonal entry above 0, as positive definiteness asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseSymmetric(Sparse);

impl SparseSymmetric {
    /// A matrix from the entries (row, column, value) of both triangles, in any order; those of one place are added, zeros
    /// left out, and mirrored ones that differ by rounding are made equal.
    ///
    /// # Errors
    /// When it is empty, an entry is outside it or not finite, two mirrored entries differ, or a row that is not empty
    /// has no positive diagonal.
    pub fn new(size: usize, entries: Vec<(usize, usize, f64)>) -> Result<Self> {
        let what = "the matrix";
        if size == 0 {
            return Err(Error::Empty { what });
        }
        if size > u32::MAX as usize {
            return Err(Error::Large { what, unknowns: size, limit: u32::MAX as usize });
        }
        if let Some(&(row, column, _)) = entries.iter().find(|entry| entry.0.max(entry.1) >= size) {
            return Err(Error::OutsideMatrix { what, row, column, size });
        }
        let matrix = Sparse::from_entries(size, size, entries);
        for row in 0..size {
            if let Some((column, value)) = matrix.row(row).find(|entry| !entry.1.is_finite()) {
                return Err(Error::NotFinite { what, index: vec![row, column], value });
            }
        }
        Self::checked(matrix)
    }

    /// A matrix from the entries of one triangle, the diagonal among them.
    ///
    /// # Errors
    /// As [`SparseSymmetric::new`]; entries in both triangles are mirrored both ways and so added.
    pub fn from_triangle(size: usize, mut entries: Vec<(usize, usize, f64)>) -> Result<Self> {
        let mirrored: Vec<_> = entries.iter().filter(|entry| entry.0 != entry.1).copied().collect();
        entries.extend(mirrored.into_iter().map(|(row, column, value)| (column, row, value)));
        Self::new(size, entries)
    }

    /// A matrix from all its entries.
    ///
    /// # Errors
    /// As [`SparseSymmetric::new`], and when it is not square.
    pub fn from_dense(matrix: MatRef<'_, f64>) -> Result<Self> {
        let (rows, columns) = matrix.shape();
        if rows != columns {
            let reason = "it has so many rows";
            return Err(Error::Size {
                what: "the matrix",
                unit: "columns",
                found: columns,
                expected: rows,
                reason,
            });
        }
        let places = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
        let entries = places.map(|(row, column)| (row, column, matrix[(row, column)]));
        Self::new(rows, entries.filter(|entry| entry.2 != 0.0).collect())
    }

    /// What a generator made, which needs no checks.
    pub(super) fn from_sparse(matrix: Sparse) -> Self {
        Self(matrix)
    }

    /// Column and value of every entry of a row, columns ascending.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + Clone {
        self.0.row(row)
    }

    pub(super) fn sparse(&self) -> &Sparse {
        &self.0
    }

    pub(super) fn into_sparse(self) -> Sparse {
        self.0
    }

    fn checked(mut matrix: Sparse) -> Result<Self> {
        let diagonal = matrix.diagonal();
        let mirror = matrix.transpose();
        for row in 0..matrix.rows() {
            let empty = matrix.row(row).chain(mirror.row(row)).next().is_none();
            if !empty && diagonal[row] <= 0.0 {
                return Err(Error::NotPositive { what: "the matrix", pivot: row, value: diagonal[row] });
            }
            if let Some((column, value, mirror)) = asymmetry(&matrix, &mirror, row, &diagonal) {
                return Err(Error::NotSymmetric { row, column, value, mirror });
            }
        }
        if matrix.columns == mirror.columns && matrix.offsets == mirror.offsets {
            matrix
                .values
                .iter_mut()
                .zip(&mirror.values)
                .for_each(|(value, mirror)| *value += 0.5 * (mirror - *value));
            return Ok(Self(matrix));
        }
        let halves = [&matrix, &mirror].into_iter().flat_map(|half| {
            (0..half.rows())
                .flat_map(move |row| half.row(row).map(move |(column, value)| (row, column, 0.5 * value)))
        });
        Ok(Self(Sparse::from_entries(matrix.rows(), matrix.width, halves.collect())))
    }
}

impl Operator for SparseSymmetric {
    fn size(&self) -> usize {
        self.0.rows()
    }

    fn apply(&self, x: &[f64], product: &mut [f64]) {
        self.0.apply(x, product);
    }

    fn diagonal(&self) -> Option<Vec<f64>> {
        Some(self.0.diagonal())
    }

    fn matrix(&self) -> Option<Cow<'_, SparseSymmetric>> {
        Some(Cow::Borrowed(self))
    }
}

/// The first entry of a row that differs from its mirror: column, value and mirrored value.
fn asymmetry(matrix: &Sparse, mirror: &Sparse, row: usize, diagonal: &[f64]) -> Option<(usize, f64, f64)> {
    let (found, mirrored) = (matrix.row(row), mirror.row(row));
    let columns = found.map(|entry| entry.0).chain(mirrored.map(|entry| entry.0));
    let pairs = columns
        .map(|column| (column, matrix.at(row, column).unwrap_or(0.0), mirror.at(row, column).unwrap_or(0.0)));
    let differs = |&(column, value, mirror): &(usize, f64, f64)| {
        (value - mirror).abs() > SYMMETRY * (diagonal[row] * diagonal[column]).sqrt()
    };
    pairs.filter(differs).min_by_key(|pair| pair.0)
}
