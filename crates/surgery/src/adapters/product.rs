//! A change of a weight as a product of two factors.
//!
//!     Δ = b·a                 b: [outputs, rank]  a: [rank, inputs]
//!     b = Q₁·R₁, aᵀ = Q₂·R₂, R₁·R₂ᵀ = U·diag(s)·Vᵀ   ⇒   Δ = (Q₁·U)·diag(s)·(Q₂·V)ᵀ
//!     ‖Δ‖² = Σ (bᵀb) ∘ (a·aᵀ)
//!
//! Both cost O((outputs + inputs)·rank²) where the product itself would cost outputs·inputs·rank.

use rankine_checkpoint::adapter::LowRank;
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_linalg::{Result, Svd, qr, svd};

/// A sum of terms of f64 is nothing where it is no more than this share of their sizes: terms of f32 factors that cancel leave
/// some 1e-16 of them.
const CANCELLED: f64 = 1e-15;

/// b·a.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Product {
    /// Left factor; [outputs, rank].
    pub b: Vec<f32>,
    /// Right factor; [rank, inputs].
    pub a: Vec<f32>,
    /// Inner size, 1 or more.
    pub rank: usize,
    /// Rows of the product.
    pub outputs: usize,
    /// Columns of the product.
    pub inputs: usize,
}

impl Product {
    /// factor · scaling · b·a; both factors go into b.
    pub fn of(low_rank: &LowRank, factor: f64) -> Self {
        let &LowRank { ref a, ref b, rank, outputs, inputs, scaling, .. } = low_rank;
        let b = times(b, factor * f64::from(scaling));
        Self { b, a: a.clone(), rank, outputs, inputs }
    }

    /// The leading `rank` triples, the roots of the singular values on either side.
    pub fn leading(svd: &Svd, rank: usize) -> Self {
        let rank = rank.min(svd.rank);
        let roots: Vec<f32> = svd.s[..rank].iter().map(|s| s.sqrt()).collect();
        let b = svd.u.chunks_exact(svd.rank).flat_map(|row| row.iter().zip(&roots).map(|(u, root)| u * root));
        let rows = svd.vt.chunks_exact(svd.columns).zip(&roots);
        let a = rows.flat_map(|(row, root)| row.iter().map(move |v| v * root)).collect();
        Self { b: b.collect(), a, rank, outputs: svd.rows, inputs: svd.columns }
    }

    /// factor · b·a, its root on either side; `factor` above 0.
    pub fn balanced(mut self, factor: f64) -> Self {
        if factor != 1.0 {
            self.b = times(&self.b, factor.sqrt());
            self.a = times(&self.a, factor.sqrt());
        }
        self
    }

    /// factor · b·a.
    pub fn times(mut self, factor: f64) -> Self {
        self.b = times(&self.b, factor);
        self
    }

    /// (b·a)ᵀ.
    pub fn turned(self) -> Self {
        let b = transposed(&self.a, self.rank, self.inputs);
        let a = transposed(&self.b, self.outputs, self.rank);
        Self { b, a, rank: self.rank, outputs: self.inputs, inputs: self.outputs }
    }

    /// The sum of two changes of one weight, their factors side by side.
    pub fn beside(self, other: &Self) -> Self {
        let rows = self.b.chunks_exact(self.rank).zip(other.b.chunks_exact(other.rank));
        let b = rows.flat_map(|(left, right)| [left, right].concat()).collect();
        let a = [self.a, other.a.clone()].concat();
        Self { b, a, rank: self.rank + other.rank, ..self }
    }

    /// The same change with zeros up to `rank`, where it has less.
    pub fn padded(mut self, rank: usize) -> Self {
        if self.rank < rank {
            let (zeros, rows) = (vec![0.0; rank - self.rank], self.b.chunks_exact(self.rank));
            self.b = rows.flat_map(|row| [row, &zeros].concat()).collect();
            self.a.resize(rank * self.inputs, 0.0);
            self.rank = rank;
        }
        self
    }

    /// The product; row-major [outputs, inputs].
    pub fn dense(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.outputs * self.inputs];
        self.add_to(&mut dense, 1.0);
        dense
    }

    /// dense += factor · b·a.
    pub fn add_to(&self, dense: &mut [f32], factor: f32) {
        let b = Matrix::new(&self.b, self.outputs, self.rank);
        matmul(dense, b, Matrix::new(&self.a, self.rank, self.inputs), factor, true);
    }

    /// ‖b·a‖², in f64; 0 where the numbers cancel to what rounding leaves of them.
    pub fn squares(&self) -> f64 {
        let rank = self.rank;
        let mut left = vec![0.0; rank * rank];
        for row in self.b.chunks_exact(rank) {
            for (x, sums) in row.iter().zip(left.chunks_exact_mut(rank)) {
                let x = f64::from(*x);
                sums.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * f64::from(*y));
            }
        }
        let dot = |x: &[f32], y: &[f32]| -> f64 {
            x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        let rows = |k: usize| &self.a[k * self.inputs..(k + 1) * self.inputs];
        let pairs = (0..rank).flat_map(|i| (0..=i).map(move |j| (i, j)));
        let terms = pairs.map(|(i, j)| {
            let twice = if i == j { 1.0 } else { 2.0 };
            twice * left[i * rank + j] * dot(rows(i), rows(j))
        });
        let with = |(sum, size): (f64, f64), term: f64| (sum + term, size + term.abs());
        let (sum, size) = terms.fold((0.0, 0.0), with);
        if sum <= CANCELLED * size { 0.0 } else { sum }
    }

    /// All min(rank, outputs, inputs) singular triples.
    pub fn svd(&self) -> Result<Svd> {
        let (rank, outputs, inputs) = (self.rank, self.outputs, self.inputs);
        let left = qr(&self.b, outputs, rank, rank.min(outputs))?;
        let right = qr(&transposed(&self.a, rank, inputs), inputs, rank, rank.min(inputs))?;
        let core = core(&left.r, &right.r, rank);
        let core = svd(&core, left.rank, right.rank)?;
        let (mut u, mut vt) = (vec![0.0; outputs * core.rank], vec![0.0; core.rank * inputs]);
        let vectors = Matrix::new(&core.u, left.rank, core.rank);
        matmul(&mut u, Matrix::new(&left.q, outputs, left.rank), vectors, 1.0, false);
        let vectors = Matrix::new(&core.vt, core.rank, right.rank);
        matmul(&mut vt, vectors, Matrix::new(&right.q, inputs, right.rank).t(), 1.0, false);
        Ok(Svd { u, s: core.s, vt, rows: outputs, columns: inputs, rank: core.rank })
    }
}

/// R₁·R₂ᵀ, summed in f64; R₁: [·, rank], R₂: [·, rank].
fn core(left: &[f32], right: &[f32], rank: usize) -> Vec<f32> {
    let entry = |(x, y): (&[f32], &[f32])| {
        x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>() as f32
    };
    let rows = left.chunks_exact(rank);
    rows.flat_map(|row| right.chunks_exact(rank).map(move |other| (row, other))).map(entry).collect()
}

/// factor · x, rounded once.
pub(super) fn times(x: &[f32], factor: f64) -> Vec<f32> {
    x.iter().map(|&x| (f64::from(x) * factor) as f32).collect()
}

/// The transpose of a row-major [rows, columns] matrix.
pub(crate) fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| x[row * columns + column])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;
    use rankine_testkit::assert_close;

    fn random(outputs: usize, rank: usize, inputs: usize) -> Product {
        let mut rng = Rng::new(5).fork("product");
        let (b, a) = (rng.normals(outputs * rank, 1.0), rng.normals(rank * inputs, 1.0));
        Product { b, a, rank, outputs, inputs }
    }

    #[test]
    fn all_triples_give_the_product_back() {
        for (outputs, rank, inputs) in [(7, 3, 5), (5, 1, 9), (4, 6, 3), (3, 8, 9), (1, 1, 1)] {
            let product = random(outputs, rank, inputs);
            let svd = product.svd().unwrap();
            assert_eq!(svd.rank, rank.min(outputs).min(inputs));
            assert!(svd.orthonormality_defect().unwrap() < 1e-6);
            let back = Product::leading(&svd, svd.rank);
            assert_close!(back.dense(), product.dense(), absolute = 1e-5);
        }
    }

    #[test]
    fn the_norm_is_that_of_the_dense_matrix() {
        let product = random(7, 3, 5);
        let dense: f64 = product.dense().iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((product.squares() / dense - 1.0).abs() < 1e-6);
        let nothing = product.clone().beside(&product.clone().times(-1.0));
        assert_eq!(nothing.squares(), 0.0);
        let mut small = random(7, 3, 5);
        small.a.iter_mut().for_each(|x| *x *= 1e-6);
        let little = nothing.beside(&small);
        assert!((little.squares() / small.squares() - 1.0).abs() < 0.1, "{}", little.squares());
    }

    #[test]
    fn zeros_change_nothing() {
        let product = random(4, 2, 3);
        let padded = product.clone().padded(5);
        assert_eq!((padded.rank, padded.a.len(), padded.b.len()), (5, 15, 20));
        assert_close!(padded.dense(), product.dense());
        assert_close!(product.clone().balanced(4.0).dense(), product.times(4.0).dense(), absolute = 1e-5);
    }
}
