//! The leading singular triples to working precision, without the others.
//!
//!     G = A·Aᵀ or Aᵀ·A, whichever is smaller; [n, n]
//!     A vector of G, and s·u or s·v of the other side from A
//!
//! The eigenvectors of G come from its tridiagonal form, in 4/3·n³ multiply-adds, nearly all of which make that form. Of a large G
//! with far fewer wanted than it has, they are first sought in fewer:
//!
//!     X: [n, b], b > rank. Repeat:
//!         X = orth(X),  H = Xᵀ·G·X = Z·diag(λ)·Zᵀ,  X = X·Z           (Rayleigh–Ritz)
//!         vectors with ‖G·x − λ·x‖ ≤ TOLERANCE·√(λ·λ₁) are kept and taken out of X
//!         X = T_d((2·G − μ)/μ)·X,  μ the smallest λ                    (Chebyshev filter)
//!
//! The filter keeps [0, μ] within ±1 and lets what lies above grow as fast as a polynomial can. Its degree is held so low that the
//! first vector left does not drown the others. It ends where the values lie so close that the tridiagonal form is the shorter way.
//!
//! A kept vector is certified: with s = √λ and the other vector from A, ‖A·v − s·u‖ ≤ TOLERANCE·s₁, below the rounding of the result
//! to f32. That the iteration missed no larger triple is certain but for a random start orthogonal to it. G squares the spectrum:
//! where the last triple lies below 1e-5·s₁, the whole SVD answers.

use crate::dense::{self, Factors};
use crate::hermitian::Eigen;
use crate::{Result, Svd, orthonormal, tridiagonal};
use faer::{Mat, MatRef};
use rankine_random::Rng;

/// Residual of a kept vector, relative to s₁: a hundredth of the rounding of f32.
const TOLERANCE: f64 = 1e-9;

/// Directions beyond the rank: the filter's growth depends on the first one that is left out.
const BEYOND: usize = 24;

/// Columns of X that make the tridiagonal form as dear as so many products of G with X, over n: 4/3·n³ multiply-adds, half of them
/// at the speed of memory.
const COLUMNS: usize = 2;

/// Products below which no iteration ends.
const FEWEST: usize = 16;

/// Rounds after which the values are known well enough to foretell how many products are left.
const KNOWN: usize = 2;

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
    let iterated = by_iteration(gram.as_ref(), rank)?;
    let Eigen { values, vectors } = match iterated {
        Some(eigen) => eigen,
        None => tridiagonal::largest(gram.as_ref(), rank)?,
    };
    if !(0.0 < values[0] && FLOOR * values[0] <= values[rank - 1]) {
        return Ok(None);
    }
    // B = Uᵀ·A has the rows s·vᵀ; for a tall matrix A·V has the columns s·u.
    let (others, s) = dense::images(if wide { a.transpose() } else { a }, vectors.as_ref());
    let (u, v) = if wide { (vectors, others) } else { (others, vectors) };
    Svd::from_factors(&Factors { u, s, v }, rank, 1.0).map(Some)
}

/// The largest eigenvalues of a positive semidefinite matrix, descending, and their vectors; `None` where it is not the shorter way.
fn by_iteration(g: MatRef<'_, f64>, count: usize) -> Result<Option<Eigen<f64>>> {
    let (n, width) = (g.nrows(), count + BEYOND);
    let mut left = n / (COLUMNS * width);
    if left < FEWEST {
        return Ok(None);
    }
    let mut rng = Rng::new(0).fork("leading-triples");
    let start = rng.normals(n * width, 1.0);
    let mut x = Mat::from_fn(n, width, |row, column| f64::from(start[column * n + row]));
    let (mut kept, mut values) = (Mat::<f64>::zeros(n, 0), Vec::new());
    let mut round = 0;
    loop {
        let ritz = Ritz::of(g, without(x, kept.as_ref()))?;
        let first = values.first().copied().unwrap_or(ritz.values[0]);
        let good = ritz.converged(first, count - values.len());
        kept = dense::beside(kept.as_ref(), ritz.x.get(.., ..good));
        values.extend_from_slice(&ritz.values[..good]);
        if values.len() == count {
            return Ok(Some(Eigen { values, vectors: kept }));
        }
        let filter = Filter::new(&ritz.values[good..], count - values.len());
        let needed = if round < KNOWN { filter.degree } else { filter.needed() };
        left = match left.checked_sub(filter.degree) {
            Some(rest) if needed <= left => rest,
            _ => return Ok(None),
        };
        x = filter.apply(g, &ritz, good);
        round += 1;
    }
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
}

/// T_d((2·G − μ)/μ).
struct Filter {
    /// μ.
    edge: f64,
    /// d.
    degree: usize,
    /// How much the last wanted direction grows by one degree more, as a logarithm.
    rate: f64,
}

impl Filter {
    /// For these values, descending, of which the first `wanted` are sought.
    fn new(values: &[f64], wanted: usize) -> Self {
        let (largest, last, edge) = (values[0], values[wanted - 1], values[values.len() - 1]);
        // Where nothing is left but rounding, one product takes it away.
        if edge.is_nan() || edge <= FLOOR * largest {
            return Self { edge: 0.0, degree: 1, rate: f64::INFINITY };
        }
        let along = |value: f64| 2.0 * value / edge - 1.0;
        let growth = |degree: usize| chebyshev(along(largest), degree) / chebyshev(along(last), degree);
        let degree = (2..=DEGREE).take_while(|&degree| growth(degree) <= GROWTH).last().unwrap_or(1);
        Self { edge, degree, rate: along(last).max(1.0).acosh() }
    }

    /// Products with G until the last wanted vector is good, about.
    fn needed(&self) -> usize {
        (-TOLERANCE.ln() / self.rate).ceil() as usize
    }

    /// What it makes of the vectors after the first `good`.
    fn apply(&self, g: MatRef<'_, f64>, ritz: &Ritz, good: usize) -> Mat<f64> {
        let (x, gx) = (ritz.x.get(.., good..), ritz.gx.get(.., good..));
        if self.edge == 0.0 {
            return gx.to_owned();
        }
        // T₀ = 1, T₁ = t, T_{k+1} = 2·t·T_k − T_{k−1}, with t = (2·G − μ)/μ.
        let step = |gx: MatRef<'_, f64>, x: MatRef<'_, f64>, factor: f64| {
            Mat::from_fn(x.nrows(), x.ncols(), |row, column| {
                factor * (2.0 / self.edge * gx[(row, column)] - x[(row, column)])
            })
        };
        let (mut before, mut now) = (x.to_owned(), step(gx, x, 1.0));
        for _ in 1..self.degree {
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
