//! What a plan carries, as a full matrix or as the few entries that are not zero.

use faer::Mat;
use std::borrow::Cow;

/// Mass carried from each row to each column; [n, m].
#[derive(Clone, Debug, PartialEq)]
pub enum Coupling {
    /// Every entry.
    Dense(Mat<f64>),
    /// Those above zero.
    Sparse(Sparse),
}

/// A matrix by its entries that are not zero, column after column, rows ascending: compressed sparse columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sparse {
    rows: usize,
    /// Where each column begins, and where the last one ends; [columns + 1].
    starts: Vec<usize>,
    places: Vec<usize>,
    masses: Vec<f64>,
}

impl Sparse {
    /// From entries (row, column, mass) in any order. Entries at one place are added, zeros and what lies outside are left out.
    pub fn new(rows: usize, columns: usize, mut entries: Vec<(usize, usize, f64)>) -> Self {
        entries.retain(|&(row, column, mass)| row < rows && column < columns && mass != 0.0);
        entries.sort_by_key(|&(row, column, _)| (column, row));
        entries.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 += next.2;
            }
            same
        });
        let mut starts = vec![0; columns + 1];
        entries.iter().for_each(|&(_, column, _)| starts[column + 1] += 1);
        (0..columns).for_each(|column| starts[column + 1] += starts[column]);
        let (places, masses) = entries.into_iter().map(|(row, _, mass)| (row, mass)).unzip();
        Self { rows, starts, places, masses }
    }

    /// Of so many rows, and no columns yet.
    pub(super) fn without_columns(rows: usize) -> Self {
        Self { rows, starts: vec![0], places: Vec::new(), masses: Vec::new() }
    }

    /// Adds a column of entries (row, mass) above zero, which are sorted by row.
    pub(super) fn push(&mut self, entries: &mut [(usize, f64)]) {
        entries.sort_unstable_by_key(|entry| entry.0);
        for &(row, mass) in &*entries {
            self.places.push(row);
            self.masses.push(mass);
        }
        self.starts.push(self.masses.len());
    }

    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.starts.len().saturating_sub(1))
    }

    /// Rows and masses of a column, rows ascending.
    pub fn column(&self, column: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[column]..self.starts[column + 1];
        self.places[range.clone()].iter().copied().zip(self.masses[range].iter().copied())
    }

    /// How many entries there are.
    pub fn nonzeros(&self) -> usize {
        self.masses.len()
    }
}

impl Coupling {
    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Self::Dense(matrix) => (matrix.nrows(), matrix.ncols()),
            Self::Sparse(sparse) => sparse.shape(),
        }
    }

    /// Calls `visit` with row, column and mass of every entry that is not zero, column after column.
    pub fn each(&self, mut visit: impl FnMut(usize, usize, f64)) {
        for column in 0..self.shape().1 {
            match self {
                Self::Dense(matrix) => {
                    let entries = matrix.col_as_slice(column).iter().copied().enumerate();
                    entries.filter(|entry| entry.1 != 0.0).for_each(|(row, mass)| visit(row, column, mass));
                }
                Self::Sparse(sparse) => {
                    sparse.column(column).for_each(|(row, mass)| visit(row, column, mass));
                }
            }
        }
    }

    /// How many entries are not zero.
    pub fn nonzeros(&self) -> usize {
        let mut count = 0;
        self.each(|_, _, _| count += 1);
        count
    }

    /// P·1 and Pᵀ·1; [n], [m].
    pub fn sums(&self) -> (Vec<f64>, Vec<f64>) {
        let (rows, columns) = self.shape();
        let (mut source, mut target) = (vec![0.0; rows], vec![0.0; columns]);
        self.each(|row, column, mass| {
            source[row] += mass;
            target[column] += mass;
        });
        (source, target)
    }

    /// The full matrix; [n, m].
    pub fn dense(&self) -> Mat<f64> {
        let (rows, columns) = self.shape();
        let mut matrix = Mat::zeros(rows, columns);
        self.each(|row, column, mass| matrix[(row, column)] = mass);
        matrix
    }

    /// The same without a copy where it is there.
    pub fn whole(&self) -> Cow<'_, Mat<f64>> {
        match self {
            Self::Dense(matrix) => Cow::Borrowed(matrix),
            Self::Sparse(_) => Cow::Owned(self.dense()),
        }
    }

    /// Every entry times a factor of its row and one of its column.
    pub(super) fn scaled(mut self, row_factor: &[f64], column_factor: &[f64]) -> Self {
        match &mut self {
            Self::Dense(matrix) => {
                for (column, factor) in column_factor.iter().enumerate() {
                    let masses = matrix.col_as_slice_mut(column).iter_mut();
                    masses.zip(row_factor).for_each(|(mass, row)| *mass *= row * factor);
                }
            }
            Self::Sparse(sparse) => {
                for (column, factor) in column_factor.iter().enumerate() {
                    for entry in sparse.starts[column]..sparse.starts[column + 1] {
                        sparse.masses[entry] *= row_factor[sparse.places[entry]] * factor;
                    }
                }
            }
        }
        self
    }

    /// The same with these masses added.
    pub(super) fn plus(self, entries: Vec<(usize, usize, f64)>) -> Self {
        match self {
            Self::Dense(mut matrix) => {
                entries.into_iter().for_each(|(row, column, mass)| matrix[(row, column)] += mass);
                Self::Dense(matrix)
            }
            Self::Sparse(sparse) => {
                let (rows, columns) = sparse.shape();
                let mut all = entries;
                Self::Sparse(sparse).each(|row, column, mass| all.push((row, column, mass)));
                Self::Sparse(Sparse::new(rows, columns, all))
            }
        }
    }
}

impl From<Mat<f64>> for Coupling {
    fn from(matrix: Mat<f64>) -> Self {
        Self::Dense(matrix)
    }
}

impl From<Sparse> for Coupling {
    fn from(sparse: Sparse) -> Self {
        Self::Sparse(sparse)
    }
}
