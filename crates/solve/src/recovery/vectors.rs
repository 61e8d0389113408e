//! One short vector for every row or column of a matrix, each in one piece.

use super::pattern::Lines;
use crate::vectors::add;
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// Lines that a thread takes at a time.
pub(super) const CHUNK: usize = 64;

/// [count, width], row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Vectors {
    pub width: usize,
    pub data: Vec<f64>,
}

impl Vectors {
    /// The rows of a matrix.
    pub fn of(matrix: MatRef<'_, f64>) -> Self {
        let width = matrix.ncols();
        let row = |i| (0..width).map(move |c| matrix[(i, c)]);
        Self { width, data: (0..matrix.nrows()).flat_map(row).collect() }
    }

    pub fn zeros(count: usize, width: usize) -> Self {
        Self { width, data: vec![0.0; count * width] }
    }

    pub fn row(&self, index: usize) -> &[f64] {
        &self.data[index * self.width..(index + 1) * self.width]
    }

    pub fn count(&self) -> usize {
        self.data.len() / self.width
    }

    /// [count, width].
    pub fn view(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.data, self.count(), self.width)
    }

    /// The same, column by column; [count, width].
    pub fn matrix(&self) -> Mat<f64> {
        self.view().to_owned()
    }

    pub fn is_finite(&self) -> bool {
        self.data.iter().all(|x| x.is_finite())
    }
}

impl<T: Copy + Default + Sync> Lines<T> {
    /// For every line, the sum of the vectors of its places times `weight` of their items.
    pub fn times(&self, weight: &(dyn Fn(T) -> f64 + Sync), thin: &Vectors) -> Vectors {
        let mut product = Vectors::zeros(self.len(), thin.width);
        product.data.par_chunks_mut(CHUNK * thin.width).enumerate().for_each(|(chunk, rows)| {
            for (i, sum) in rows.chunks_mut(thin.width).enumerate() {
                let (others, items) = self.line(chunk * CHUNK + i);
                for (&other, &item) in others.iter().zip(items) {
                    add(sum, weight(item), thin.row(other as usize));
                }
            }
        });
        product
    }
}
