//! Σ w_i·A_i, as whole or as sparse as the A_i are.

use crate::Result;
use crate::recovery::{pattern::Lines, subspace, vectors::Vectors};
use faer::{Mat, MatRef};
use rankine_linalg::double::{Triples, multiply, thin_svd};
use rankine_random::Rng;
use std::sync::Arc;

/// Rounds of the subspace iteration: ratios of singular values to the power of twice as many.
const ROUNDS: usize = 20;

/// A matrix [rows, columns] that is multiplied with thin ones.
#[derive(Clone, Debug)]
pub enum Adjoint {
    /// All entries; [rows, columns].
    Dense(Mat<f64>),
    /// Weights at places.
    Sparse(Weighted),
}

/// Weights at the places of a pattern that is shared.
#[derive(Clone, Debug)]
pub struct Weighted {
    /// By row and by column; items are indices of weights.
    lines: Arc<[Lines<u32>; 2]>,
    weights: Vec<f64>,
}

impl Weighted {
    pub(super) fn new(lines: Arc<[Lines<u32>; 2]>, weights: Vec<f64>) -> Self {
        Self { lines, weights }
    }

    /// One row of the product for every line of a side.
    fn times(&self, side: usize, thin: MatRef<'_, f64>) -> Mat<f64> {
        let weight = |item: u32| self.weights[item as usize];
        self.lines[side].times(&weight, &Vectors::of(thin)).matrix()
    }
}

impl Adjoint {
    /// Z · thin; [rows, k].
    pub fn times(&self, thin: MatRef<'_, f64>) -> Mat<f64> {
        match self {
            Self::Dense(z) => multiply(z.as_ref(), thin),
            Self::Sparse(z) => z.times(0, thin),
        }
    }

    /// Zᵀ · thin; [columns, k].
    pub fn transposed_times(&self, thin: MatRef<'_, f64>) -> Mat<f64> {
        match self {
            Self::Dense(z) => multiply(z.transpose(), thin),
            Self::Sparse(z) => z.times(1, thin),
        }
    }

    /// (Z + Zᵀ)/2 · thin of a square matrix; [rows, k].
    pub fn symmetric_times(&self, thin: MatRef<'_, f64>) -> Mat<f64> {
        0.5 * (self.times(thin) + self.transposed_times(thin))
    }

    /// The leading singular triples: those of all entries, or of a sparse matrix by subspace iteration.
    pub(super) fn leading(&self, count: usize) -> Result<Triples> {
        match self {
            Self::Dense(z) => Ok(subspace::first(thin_svd(z.as_ref())?, count)),
            Self::Sparse(z) => subspace::Products {
                rows: z.lines[0].len(),
                columns: z.lines[1].len(),
                times: &|thin| z.times(0, thin),
                transposed: &|thin| z.times(1, thin),
            }
            .leading(
                count,
                ROUNDS,
                Rng::new(0).fork("recovery/leading"),
                &rankine_linalg::always,
            ),
        }
    }

    /// All entries; [rows, columns].
    pub fn dense(&self) -> Mat<f64> {
        match self {
            Self::Dense(z) => z.clone(),
            Self::Sparse(Weighted { lines: sides, weights }) => {
                let mut z = Mat::zeros(sides[0].len(), sides[1].len());
                for (row, column, item) in sides[0].places() {
                    z[(row, column)] += weights[item as usize];
                }
                z
            }
        }
    }
}
