//! The nearest matrix of a rank, where some columns matter more than others.
//!
//!     ‖A‖_C² = tr(A·C·Aᵀ), the mean of ‖A·x‖² over inputs with the second moment C     A: [rows, columns]  C: [columns, columns]
//!     A·S = U·diag(s)·Vᵀ,  S·Sᵀ = C   ⇒   L·R = U_r·U_rᵀ·A,  ‖A − L·R‖_C² = Σ_{i>r} s_i²
//!
//! By Eckart–Young no product of rank r is nearer. U_rᵀ·A is diag(s_r)·V_rᵀ·S⁻¹ without the inverse: no small eigenvalue of
//! C is divided by, and where C is singular the directions that it does not know are approximated too. U comes from A·C·Aᵀ
//! where that is the smaller matrix, else from A·Q·√Λ with C = Q·Λ·Qᵀ.
//! Paper: [eora] §3.

use crate::svd::fix_sign;
use crate::{Eigen, Error, Result, Truncation, dense, eigh, truncated};
use faer::{Mat, MatRef};
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_kernels::reduce;

/// What a matrix is measured with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric<'a> {
    /// C = 1: the Frobenius norm.
    Plain,
    /// C = diag(d²); d: [columns].
    Scales(&'a [f64]),
    /// C, symmetric and positive semidefinite; row-major [columns, columns].
    Moment(&'a [f64]),
}

/// left·right; column k of the one and row k of the other are as long as each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Left factor, row-major; [rows, rank].
    pub left: Vec<f32>,
    /// Right factor, row-major, the largest entry of every row positive; [rank, columns].
    pub right: Vec<f32>,
}

impl Metric<'_> {
    /// The nearest product of rank `rank`; a: row-major [rows, columns].
    ///
    /// # Errors
    /// As [`norm`](Self::norm); when the rank is 0 or above the smaller side.
    pub fn truncated(self, a: &[f32], [rows, columns]: [usize; 2], rank: usize) -> Result<Pair> {
        self.check(a, [rows, columns])?;
        let limit = rows.min(columns);
        if rank == 0 || limit < rank {
            return Err(Error::Rank { rank, limit, rows, columns });
        }
        let leading = |a: &[f32]| truncated(a, rows, columns, rank, Truncation::Exact).map(|svd| svd.u);
        let u = match self {
            Self::Plain => leading(a)?,
            Self::Scales(scales) => leading(&scaled(a, scales))?,
            Self::Moment(moment) if rows <= columns => of_gram(a, [rows, columns], rank, moment)?,
            Self::Moment(moment) => leading(&rooted(a, [rows, columns], moment)?)?,
        };
        Ok(Pair::projected(a, u, [rows, columns], rank))
    }

    /// ‖a‖_C; a: row-major [rows, columns].
    ///
    /// # Errors
    /// When a slice does not fit the shape, the matrix is empty or an entry is not finite.
    pub fn norm(self, a: &[f32], [rows, columns]: [usize; 2]) -> Result<f64> {
        self.check(a, [rows, columns])?;
        let squares: f64 = match self {
            Self::Plain => reduce::sum_of_squares(a),
            Self::Scales(scales) => {
                let row = |row: &[f32]| -> f64 {
                    row.iter().zip(scales).map(|(x, d)| (f64::from(*x) * d).powi(2)).sum()
                };
                a.chunks_exact(columns).map(row).sum()
            }
            Self::Moment(moment) => {
                let wide = dense::widen(a, rows, columns);
                let product = dense::multiply(wide.as_ref(), symmetric(moment, columns));
                let columns = wide.col_iter().zip(product.col_iter());
                columns.map(|(x, y)| x.iter().zip(y.iter()).map(|(x, y)| x * y).sum::<f64>()).sum()
            }
        };
        // Where little is left, rounding can turn it below 0.
        Ok(squares.max(0.0).sqrt())
    }

    fn check(self, a: &[f32], [rows, columns]: [usize; 2]) -> Result<()> {
        dense::check(a, rows, columns)?;
        let (values, height) = match self {
            Self::Plain => return Ok(()),
            Self::Scales(scales) => (scales, 1),
            Self::Moment(moment) => (moment, columns),
        };
        if values.len() != height * columns {
            return Err(Error::Length { rows: height, columns, found: values.len() });
        }
        match values.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(at) => {
                Err(Error::NotFinite { row: at / columns, column: at % columns, value: values[at] as f32 })
            }
        }
    }
}

impl Pair {
    /// U·(Uᵀ·A), the length of every term shared by both sides; u: [rows, rank], orthonormal.
    fn projected(a: &[f32], u: Vec<f32>, [rows, columns]: [usize; 2], rank: usize) -> Self {
        let mut right = vec![0.0; rank * columns];
        let basis = Matrix::new(&u, rows, rank);
        matmul(&mut right, basis.t(), Matrix::new(a, rows, columns), 1.0, false);
        let mut left = u;
        for (k, row) in right.chunks_exact_mut(columns).enumerate() {
            let root = reduce::sum_of_squares(row).sqrt().sqrt() as f32;
            let sign = fix_sign(row);
            let down = if root == 0.0 { 0.0 } else { root.recip() };
            row.iter_mut().for_each(|x| *x *= down);
            left.iter_mut().skip(k).step_by(rank).for_each(|x| *x *= sign * root);
        }
        Self { left, right }
    }
}

/// A matrix that is its own transpose, so that the order of its numbers does not matter.
fn symmetric(moment: &[f64], columns: usize) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(moment, columns, columns)
}

/// A·diag(d); [rows, columns].
fn scaled(a: &[f32], scales: &[f64]) -> Vec<f32> {
    let row = |row: &[f32]| -> Vec<f32> {
        row.iter().zip(scales).map(|(x, d)| (f64::from(*x) * d) as f32).collect()
    };
    a.chunks_exact(scales.len()).flat_map(row).collect()
}

/// The leading eigenvectors of A·C·Aᵀ; [rows, rank].
fn of_gram(a: &[f32], [rows, columns]: [usize; 2], rank: usize, moment: &[f64]) -> Result<Vec<f32>> {
    let wide = dense::widen(a, rows, columns);
    let half = dense::multiply(wide.as_ref(), symmetric(moment, columns));
    let gram = dense::multiply(half.as_ref(), wide.transpose());
    let vectors = eigh(gram.as_ref())?.vectors;
    // They ascend.
    let row = |row: usize| (0..rank).map(move |k| (row, rows - 1 - k));
    Ok((0..rows).flat_map(row).map(|at| vectors[at] as f32).collect())
}

/// A·Q·√Λ; [rows, columns]. Rounding is relative to every direction's own size.
fn rooted(a: &[f32], [rows, columns]: [usize; 2], moment: &[f64]) -> Result<Vec<f32>> {
    let Eigen { values, vectors } = eigh(symmetric(moment, columns))?;
    let roots: Vec<f64> = values.iter().map(|value| value.max(0.0).sqrt()).collect();
    let root = Mat::from_fn(columns, columns, |row, column| vectors[(row, column)] * roots[column]);
    let product = dense::multiply(dense::widen(a, rows, columns).as_ref(), root.as_ref());
    Ok(dense::row_major(product.as_ref()))
}
