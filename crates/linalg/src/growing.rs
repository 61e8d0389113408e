//! A QR decomposition that grows column by column.
//!
//!     A = Q · R        A: [rows, k]  Q: [rows, k] orthonormal  R: [k, k] upper triangular
//!
//! Each new column is made orthogonal to the others twice, by Gram and Schmidt: twice is enough for a Q that is orthonormal to
//! rounding. A column costs O(rows · k).

use faer::Mat;
use faer::traits::ComplexField;
use faer::traits::math_utils::{abs2, conj, from_real};

/// Share of a column's length that must be new; below it, it counts as a combination of the others.
const NEW: f64 = 1e-12;

/// The decomposition of the columns so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GrowingQr<T> {
    /// Columns of Q; [k][rows].
    q: Vec<Vec<T>>,
    /// Columns of R, to the diagonal; [k][1..=k].
    r: Vec<Vec<T>>,
}

impl<T: ComplexField<Real = f64> + Copy> GrowingQr<T> {
    /// That of no columns.
    pub fn new() -> Self {
        Self { q: Vec::new(), r: Vec::new() }
    }

    /// Adds a column, as long as the others, unless it is a combination of them; whether it was added.
    pub fn push(&mut self, column: &[T]) -> bool {
        let (mut fresh, mut projections) = (column.to_vec(), vec![T::zero_impl(); self.q.len()]);
        for _ in 0..2 {
            for (q, projection) in self.q.iter().zip(&mut projections) {
                let along = inner(q, &fresh);
                fresh.iter_mut().zip(q).for_each(|(x, &q)| *x -= along * q);
                *projection += along;
            }
        }
        let (length, whole) = (norm(&fresh), norm(column));
        // NaN is not new either.
        let new = NEW * whole < length;
        if !new {
            return false;
        }
        let scale = from_real::<T>(&length.recip());
        fresh.iter_mut().for_each(|x| *x *= scale);
        projections.push(from_real(&length));
        self.q.push(fresh);
        self.r.push(projections);
        true
    }

    /// Qᴴ · y; [k].
    pub fn project(&self, y: &[T]) -> Vec<T> {
        self.q.iter().map(|q| inner(q, y)).collect()
    }

    /// The last column of Q, where there is one; [rows].
    pub fn last(&self) -> Option<&[T]> {
        self.q.last().map(Vec::as_slice)
    }

    /// The x that makes ‖A·x − y‖ least; [k].
    pub fn least_squares(&self, y: &[T]) -> Vec<T> {
        self.back_substitute(self.project(y))
    }

    /// R⁻¹ · c; [k].
    pub fn back_substitute(&self, mut c: Vec<T>) -> Vec<T> {
        for k in (0..self.r.len()).rev() {
            let column = &self.r[k];
            let value = c[k] / column[k];
            c[..k].iter_mut().zip(column).for_each(|(c, &r)| *c -= r * value);
            c[k] = value;
        }
        c
    }

    /// A⁺ = R⁻¹ · Qᴴ; [k, rows].
    pub fn pseudo_inverse(&self) -> Mat<T> {
        let rows = self.q.first().map_or(0, Vec::len);
        let mut inverse = Mat::zeros(self.q.len(), rows);
        for row in 0..rows {
            let column = self.back_substitute(self.q.iter().map(|q| conj(&q[row])).collect());
            column.into_iter().enumerate().for_each(|(k, value)| inverse[(k, row)] = value);
        }
        inverse
    }
}

/// xᴴ · y.
fn inner<T: ComplexField + Copy>(x: &[T], y: &[T]) -> T {
    x.iter().zip(y).fold(T::zero_impl(), |sum, (x, &y)| sum + conj(x) * y)
}

/// ‖x‖₂.
fn norm<T: ComplexField<Real = f64>>(x: &[T]) -> f64 {
    x.iter().map(abs2).sum::<f64>().sqrt()
}
