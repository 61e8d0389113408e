//! The leading singular triples to working precision, without the others.
//!
//!     G = A·Aᵀ or Aᵀ·A, whichever is smaller; [n, n]
//!     X: [n, b], b > rank. Repeat:
//!         X = orth(X),  H = Xᵀ·G·X = Z·diag(λ)·Zᵀ,  X = X·Z           (Rayleigh–Ritz)
//!         vectors with ‖G·x − λ·x‖ ≤ TOLERANCE·√(λ·λ₁) are kept and taken out of X
//!         X = T_d((2·G − μ)/μ)·X,  μ the smallest λ                    (Chebyshev filter)
//!
//! The filter keeps [0, μ] within ±1 and lets what lies above grow as fast as a polynomial can. Its degree is held so
//! low that the first vector left does not drown the others. Costs one product of A with itself and some tens of products
//! G·X.
//!
//! A kept vector is certified: with s = √λ and the other vector from A, ‖A·v − s·u‖ ≤ TOLERANCE·s₁, below the
//! rounding of the result to f32. G squares the spectrum: where the last triple lies below 1e-5·s₁, and where the
//! iteration does not end, the whole SVD answers. That no larger triple was missed is certain but for a random start orthogonal to it.

use crate::dense::{self, Factors};
use crate::{Result, Svd, orthonormal};
use faer::{Mat, MatRef};
use rankine_random::Rng;

/// Residual of a kept vector, relative to s₁: a hundredth of the rounding of f32.
const TOLERANCE: f64 = 1e-9;

/// Directions beyond the rank: the filter's growth depends on the first one that is left out.
const BEYOND: usize = 24;

/// Rounds after which the whole SVD is the better way.
const ROUNDS: usize = 40;

/// Highest degree of the filter.
const DEGREE: usize = 16;

/// How much more the first direction may grow than the last one in one filter.
const GROWTH: f64 = 1e10;

/// λ relative to λ₁ from which on G, in f64, knows it well enough.
const FLOOR: f64 = 1e-10;

/// Whether this way is the shorter one.
pub(crate) fn applies(rows: usize, columns: usize, rank: usize) -> bool {
    4 * (rank + BEYOND) <= rows.min(columns)
}

/// The first `rank` triples of `a`; `None` where they have to come from the whole SVD.
pub(crate) fn triples(a: MatRef<'_, f64>, rank: usize) -> Result<Option<Svd>> {
    let wide = a.nrows() <= a.ncols();
    let gram = dense::gram(if wide { a } else { a.transpose() });
    let Some((vectors, _)) = eigenvectors(gram.as_ref(), rank)? else { return Ok(None) };
    // B = Uᵀ·A has the rows s·vᵀ; for a tall matrix A·V has the columns s·u.
    let (others, s) = dense::images(if wide { a.transpose() } else { a }, vectors.as_ref());
    let (u, v) = if wide { (vectors, others) } else { (others, vectors) };
    Svd::from_factors(&Factors { u, s, v }, rank, 1.0).map(Some)
}

/// The first `count` eigenvectors of a positive semidefinite matrix, with their eigenvalues, descending.
fn eigenvectors(g: MatRef<'_, f64>, count: usize) -> Result<Option<(Mat<f64>, Vec<f64>)>> {
    let n = g.nrows();
    let mut rng = Rng::new(0).fork("leading-triples");
    let start = rng.normals(n * (count + BEYOND), 1.0);
    let mut x = Mat::from_fn(n, count + BEYOND, |row, column| f64::from(start[column * n + row]));
    let (mut kept, mut values) = (Mat::<f64>::zeros(n, 0), Vec::new());
    for round in 0..ROUNDS {
        let ritz = Ritz::of(g, without(x, kept.as_ref()))?;
        let first = values.first().copied().unwrap_or(ritz.values[0]);
        let wanted = count - values.len();
        // The first rounds know the small ones too little.
        if first.is_nan() || first <= 0.0 || (round > 2 && ritz.values[wanted - 1] < FLOOR * first) {
            return Ok(None);
        }
        let good = ritz.converged(first, wanted);
        kept = beside(kept.as_ref(), ritz.x.get(.., ..good));
        values.extend_from_slice(&ritz.values[..good]);
        if values.len() == count {
            return Ok((values[count - 1] >= FLOOR * first).then_some((kept, values)));
        }
        x = ritz.filtered(g, good, count - values.len());
    }
    Ok(None)
}

/// Orthonormal columns that span x, without what lies along `kept`.
fn without(mut x: Mat<f64>, kept: MatRef<'_, f64>) -> Mat<f64> {
    // A second time where something was taken out: its rounding is left.
    for _ in 0..if kept.ncols() > 0 { 2 } else { 1 } {
        if kept.ncols() > 0 {
            x -= dense::multiply(kept, dense::multiply(kept.transpose(), x.as_ref()).as_ref());
        }
        x = orthonormal::wholly(x.as_ref());
    }
    x
}

fn beside(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let columns = left.ncols();
    Mat::from_fn(left.nrows(), columns + right.ncols(), |row, column| {
        if column < columns { left[(row, column)] } else { right[(row, column - columns)] }
    })
}

/// Approximate eigenpairs in a space.
struct Ritz {
    /// Orthonormal; [n, b].
    x: Mat<f64>,
    /// G·x; [n, b].
    gx: Mat<f64>,
    /// Descending; [b].
    values: Vec<f64>,
}

impl Ritz {
    fn of(g: MatRef<'_, f64>, x: Mat<f64>) -> Result<Self> {
        let gx = dense::multiply(g, x.as_ref());
        let h = dense::multiply(x.transpose(), gx.as_ref());
        // Positive semidefinite: its singular triples are its eigenpairs.
        let Factors { u, s, .. } = dense::thin_svd(h.as_ref())?;
        let rotate = |x: Mat<f64>| dense::multiply(x.as_ref(), u.as_ref());
        Ok(Self { x: rotate(x), gx: rotate(gx), values: s })
    }

    /// How many of the first vectors are good enough, at most `wanted`.
    fn converged(&self, first: f64, wanted: usize) -> usize {
        (0..wanted)
            .take_while(|&column| {
                let value = self.values[column];
                let (x, gx) = (self.x.col(column), self.gx.col(column));
                let residual = x.iter().zip(gx.iter()).map(|(x, gx)| (gx - value * x).powi(2)).sum::<f64>();
                residual.sqrt() <= TOLERANCE * (value * first).sqrt()
            })
            .count()
    }

    /// The vectors after the first `good`, with what belongs to large eigenvalues made larger; `wanted` are sought.
    fn filtered(&self, g: MatRef<'_, f64>, good: usize, wanted: usize) -> Mat<f64> {
        let rest = &self.values[good..];
        let (largest, last, edge) = (rest[0], rest[wanted - 1], rest[rest.len() - 1]);
        let x = self.x.get(.., good..).to_owned();
        if edge <= FLOOR * largest {
            return self.gx.get(.., good..).to_owned();
        }
        let along = |value: f64| 2.0 * value / edge - 1.0;
        let growth = |degree: usize| chebyshev(along(largest), degree) / chebyshev(along(last), degree);
        let degree = (2..=DEGREE).take_while(|&degree| growth(degree) <= GROWTH).last().unwrap_or(1);
        // T₀ = 1, T₁ = t, T_{k+1} = 2·t·T_k − T_{k−1}, with t = (2·G − μ)/μ.
        let step = |gx: MatRef<'_, f64>, x: MatRef<'_, f64>, factor: f64| {
            Mat::from_fn(x.nrows(), x.ncols(), |row, column| {
                factor * (2.0 / edge * gx[(row, column)] - x[(row, column)])
            })
        };
        let (mut before, mut now) = (x.clone(), step(self.gx.get(.., good..), x.as_ref(), 1.0));
        for _ in 1..degree {
            let next = step(dense::multiply(g, now.as_ref()).as_ref(), now.as_ref(), 2.0) - before;
            (before, now) = (now, next);
        }
        now
    }
}

/// T_degree(x) for x ≥ 1.
fn chebyshev(x: f64, degree: usize) -> f64 {
    (degree as f64 * x.max(1.0).acosh()).cosh()
}
