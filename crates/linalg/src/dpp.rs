//! Projection determinantal point processes: points that repel each other, and volume sampling made of them.
//!
//!     P(set J) = det(V_J)²                V: [N, m], VᵀV = 1; sets of m rows, as likely as the volume they span is large
//!
//! One by one, exactly: row j is drawn with a chance in proportion to what is left of ‖v_j‖² beside the rows drawn before.
//! That is done by proposals from ‖v‖²/m and rejection, m·(1 + 1/2 + … + 1/m) of them on average, O(m³·log m) whatever N, so
//! that there may as well be infinitely many: functions φ_j with their mean density ‖φ‖²/m. A volume sample of n ≥ m rows is
//! a draw of the process with n − m independent ones of the density ν = ‖v‖²/m, in random order; its law is
//! ∝ det(Σ v·vᵀ/ν)·ν(j₁)⋯ν(jₙ).
//! Paper: [volume_sampling]. Departure: its page updates all N residuals at every row drawn, O(N·m²).

use crate::choice::Weighted;
use crate::going::ask;
use crate::{Error, Going, GrowingQr, Result, always, dense};
use faer::linalg::matmul::matmul;
use faer::{Accum, ColMut, ColRef, Mat, MatRef, Par};
use rankine_random::Rng;

/// How far from orthonormal columns may be.
const DEFECT: f64 = 1e-8;

/// The share of a vector that rounding may leave beside others that span it.
const ROUNDING: f64 = 1e-12;

/// Proposals for one point before the proposer is held to be wrong: the chance of a right one is at least 1/m each.
const PROPOSALS: usize = 1000;

/// The process of m rows out of N, with the projection V·Vᵀ as its kernel.
#[derive(Clone, Debug)]
pub struct ProjectionDpp {
    /// Vᵀ; [m, N].
    turned: Mat<f64>,
    marginal: Weighted,
}

impl ProjectionDpp {
    /// The process of a basis; rows: [N, m] with orthonormal columns.
    ///
    /// # Errors
    /// When the matrix is empty, or its columns are not orthonormal.
    pub fn new(rows: MatRef<'_, f64>) -> Result<Self> {
        let (candidates, size) = rows.shape();
        if candidates == 0 || size == 0 {
            return Err(Error::Empty { rows: candidates, columns: size });
        }
        let defect = (dense::multiply(rows.transpose(), rows) - Mat::<f64>::identity(size, size)).norm_max();
        // The largest of some numbers passes over those that are none.
        if !rows.is_all_finite() || DEFECT < defect {
            return Err(Error::NotOrthonormal { defect });
        }
        let marginal = Weighted::new(&squared_lengths(rows))?;
        Ok(Self { marginal, turned: rows.transpose().to_owned() })
    }

    /// m rows, in the order in which they were drawn.
    ///
    /// # Errors
    /// When proposals never bring a new row, which they do where columns are orthonormal.
    pub fn sample(&self, rng: &mut Rng) -> Result<Vec<usize>> {
        dpp_by_rejection(self.turned.nrows(), rng, &always, |rng| {
            let row = self.marginal.draw(rng);
            (row, self.turned.col(row).iter().copied().collect())
        })
    }

    /// `count` ≥ m rows of a volume sample, with repetitions, in random order.
    ///
    /// # Errors
    /// When `count` is below m.
    pub fn volume_sample(&self, count: usize, rng: &mut Rng) -> Result<Vec<usize>> {
        let least = self.turned.nrows();
        if count < least {
            return Err(Error::Count {
                what: "the size of a volume sample",
                found: count,
                least,
                most: usize::MAX,
            });
        }
        let mut rows = self.sample(rng)?;
        rows.extend((least..count).map(|_| self.marginal.draw(rng)));
        rng.shuffle(&mut rows);
        Ok(rows)
    }
}

/// The `count` rows that are each the farthest from the span of those before, the first of equal ones: what a QR decomposition
/// with pivots takes. Fewer where no more are independent; rows: [N, m].
///
/// # Errors
/// When `going` stops it.
pub fn greedy_rows(rows: MatRef<'_, f64>, count: usize, going: &Going<'_>) -> Result<Vec<usize>> {
    let squares = squared_lengths(rows);
    let floor =
        squares.iter().copied().fold(0.0, f64::max) * f64::EPSILON * rows.nrows().max(rows.ncols()) as f64;
    let farther = |rest: &[f64], best: usize, row: usize| if rest[best] < rest[row] { row } else { best };
    let (mut rest, mut picked) = (squares, Vec::with_capacity(count.min(rows.nrows())));
    let (mut directions, mut images) = (GrowingQr::<f64>::new(), vec![0.0; rest.len()]);
    while picked.len() < count.min(rows.nrows()) {
        ask(going)?;
        let row = (0..rest.len()).fold(0, |best, row| farther(&rest, best, row));
        if rest[row].is_nan() || rest[row] <= floor {
            break;
        }
        // Rounding must not bring a row back.
        rest[row] = 0.0;
        let vector: Vec<f64> = rows.row(row).iter().copied().collect();
        let (true, Some(direction)) = (directions.push(&vector), directions.last()) else { continue };
        picked.push(row);
        let (direction, target) =
            (ColRef::from_slice(direction).as_mat(), ColMut::from_slice_mut(&mut images).as_mat_mut());
        matmul(target, Accum::Replace, rows, direction, 1.0, Par::Seq);
        rest.iter_mut().zip(&images).for_each(|(rest, image)| *rest = (*rest - image * image).max(0.0));
    }
    Ok(picked)
}

/// ‖v_j‖²; [N].
fn squared_lengths(rows: MatRef<'_, f64>) -> Vec<f64> {
    let mut squares = vec![0.0; rows.nrows()];
    for column in rows.col_iter() {
        squares.iter_mut().zip(column.iter()).for_each(|(square, x)| *square += x * x);
    }
    squares
}

/// m points of the process of m functions with the kernel φ(x)·φ(y), by rejection. `propose` draws a point from the mean
/// density ‖φ‖²/m and gives it with φ; [m].
///
/// # Errors
/// When features are no finite numbers of that count, or proposals never bring a new direction: the functions are not
/// orthonormal, or the density is another; when `going` stops it.
pub fn dpp_by_rejection<X>(
    size: usize,
    rng: &mut Rng,
    going: &Going<'_>,
    mut propose: impl FnMut(&mut Rng) -> (X, Vec<f64>),
) -> Result<Vec<X>> {
    let (mut points, mut directions) = (Vec::with_capacity(size), GrowingQr::<f64>::new());
    let mut proposals = 0;
    while points.len() < size {
        if PROPOSALS.saturating_mul(size) < proposals {
            return Err(Error::NoProposal { found: points.len(), wanted: size });
        }
        ask(going)?;
        proposals += 1;
        let (point, features) = propose(rng);
        if features.len() != size {
            return Err(Error::Rows { found: features.len(), expected: size });
        }
        if let Some(&value) = features.iter().find(|x| !x.is_finite()) {
            return Err(Error::Feature { value });
        }
        let length: f64 = features.iter().map(|x| x * x).sum();
        let left = length - directions.project(&features).iter().map(|x| x * x).sum::<f64>();
        // What rounding leaves of a point drawn before is not drawn again.
        if ROUNDING * length < left && rng.uniform_f64() * length < left && directions.push(&features) {
            points.push(point);
            proposals = 0;
        }
    }
    Ok(points)
}
