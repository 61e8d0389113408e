//! Matrices by their entries that are not zero, row after row.

use rayon::prelude::*;

/// Entries from which on a product is cut between threads.
const PARALLEL: usize = 1 << 16;
/// Rows of a piece.
const PIECE: usize = 1 << 11;

/// A sparse matrix; [rows, width]. The columns of a row ascend.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sparse {
    /// Where the entries of each row begin, and where the last ends; [rows + 1].
    pub offsets: Vec<usize>,
    /// Column of every entry.
    pub columns: Vec<u32>,
    /// Value of every entry.
    pub values: Vec<f64>,
    /// Columns of the matrix.
    pub width: usize,
}

impl Sparse {
    /// A matrix without rows.
    pub fn new(width: usize) -> Self {
        Self { offsets: vec![0], columns: Vec::new(), values: Vec::new(), width }
    }

    /// A matrix from entries in any order; those of one place are added, zeros left out. Rows and columns are below `rows` and `width`.
    pub fn from_entries(rows: usize, width: usize, mut entries: Vec<(usize, usize, f64)>) -> Self {
        entries.sort_by_key(|&(row, column, _)| (row, column));
        let mut matrix = Self::new(width);
        let mut entries = entries.into_iter().peekable();
        for row in 0..rows {
            while let Some((_, column, mut value)) = entries.next_if(|entry| entry.0 == row) {
                while let Some((_, _, more)) = entries.next_if(|entry| (entry.0, entry.1) == (row, column)) {
                    value += more;
                }
                if value != 0.0 {
                    matrix.push(column, value);
                }
            }
            matrix.end_row();
        }
        matrix
    }

    /// Adds an entry to the row that is being filled.
    pub fn push(&mut self, column: usize, value: f64) {
        self.columns.push(column as u32);
        self.values.push(value);
    }

    /// Ends the row that is being filled.
    pub fn end_row(&mut self) {
        self.offsets.push(self.columns.len());
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Column and value of every entry of a row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + Clone {
        let range = self.offsets[row]..self.offsets[row + 1];
        self.columns[range.clone()]
            .iter()
            .map(|&column| column as usize)
            .zip(self.values[range].iter().copied())
    }

    /// The entry at a place, where there is one.
    pub fn at(&self, row: usize, column: usize) -> Option<f64> {
        let range = self.offsets[row]..self.offsets[row + 1];
        let found = self.columns[range.clone()].binary_search(&(column as u32)).ok()?;
        Some(self.values[range.start + found])
    }

    /// The diagonal, zero where there is no entry.
    pub fn diagonal(&self) -> Vec<f64> {
        (0..self.rows()).map(|row| self.at(row, row).unwrap_or(0.0)).collect()
    }

    /// product = A·x; x: [width], product: [rows].
    pub fn apply(&self, x: &[f64], product: &mut [f64]) {
        let piece = |(index, product): (usize, &mut [f64])| {
            for (row, product) in (index * PIECE..).zip(product) {
                *product = self.row(row).map(|(column, value)| value * x[column]).sum();
            }
        };
        if self.values.len() < PARALLEL {
            product.chunks_mut(PIECE).enumerate().for_each(piece);
        } else {
            product.par_chunks_mut(PIECE).enumerate().for_each(piece);
        }
    }

    /// Aᵀ; [width, rows].
    pub fn transpose(&self) -> Self {
        let mut offsets = vec![0; self.width + 1];
        self.columns.iter().for_each(|&column| offsets[column as usize + 1] += 1);
        (0..self.width).for_each(|column| offsets[column + 1] += offsets[column]);
        let mut next = offsets.clone();
        let (mut columns, mut values) = (vec![0; self.columns.len()], vec![0.0; self.values.len()]);
        for row in 0..self.rows() {
            for (column, value) in self.row(row) {
                let place = next[column];
                (columns[place], values[place]) = (row as u32, value);
                next[column] += 1;
            }
        }
        Self { offsets, columns, values, width: self.rows() }
    }

    /// A·B; [rows, other.width].
    pub fn multiply(&self, other: &Self) -> Self {
        let mut product = Self::new(other.width);
        let (mut sums, mut last) = (vec![0.0; other.width], vec![usize::MAX; other.width]);
        let mut touched = Vec::new();
        for row in 0..self.rows() {
            touched.clear();
            for (middle, left) in self.row(row) {
                for (column, right) in other.row(middle) {
                    if last[column] != row {
                        (last[column], sums[column]) = (row, 0.0);
                        touched.push(column);
                    }
                    sums[column] += left * right;
                }
            }
            touched.sort_unstable();
            touched.iter().for_each(|&column| product.push(column, sums[column]));
            product.end_row();
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [[1, 2, 0], [0, 0, 3]]
    fn example() -> Sparse {
        Sparse::from_entries(2, 3, vec![(1, 2, 3.0), (0, 1, 1.5), (0, 0, 1.0), (0, 1, 0.5)])
    }

    #[test]
    fn entries_of_one_place_are_added() {
        let matrix = example();
        assert_eq!((matrix.offsets.clone(), matrix.columns.clone()), (vec![0, 2, 3], vec![0, 1, 2]));
        assert_eq!((matrix.at(0, 1), matrix.at(1, 1)), (Some(2.0), None));
    }

    #[test]
    fn products_and_transposes_are_those_of_the_dense_matrix() {
        let matrix = example();
        let mut product = [0.0; 2];
        matrix.apply(&[1.0, 10.0, 100.0], &mut product);
        assert_eq!(product, [21.0, 300.0]);
        assert_eq!(matrix.transpose().transpose(), matrix);
        let gram = matrix.multiply(&matrix.transpose());
        assert_eq!(gram, Sparse::from_entries(2, 2, vec![(0, 0, 5.0), (1, 1, 9.0)]));
    }
}
