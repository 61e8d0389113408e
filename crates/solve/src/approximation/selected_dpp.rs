//! The best of several samples of repeated determinantal draws, thinned as far as it stays stable.
//!
//!     of M samples the one of least ‖G − 1‖; then drop the point of least leverage while λ_min(G) ≥ 1 − δ
//!
//! Leverage w·φᵀG⁻¹φ/n is what the logarithm of det G loses by a point, G⁻¹ after a drop comes by a rank-one formula: O(m³) a
//! drop, for λ_min. Few values of the function for much drawing. Paper: [volume_sampling]; selection and thinning are
//! Haberstich, Nouy and Perrin's 2022. Departure: they drop the point that leaves ‖G − 1‖ least, at the cost of n
//! eigenvalue problems a drop.

use super::Space;
use super::design::{Design, christoffel};
use super::repeated_dpp::repeated;
use super::strategy::Strategy;
use crate::regression::triangle::Triangle;
use crate::vectors::dot;
use crate::{Error, Result};
use faer::Mat;
use rankine_linalg::{Going, ask, eigvalsh, tall_triangle};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// The strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelectedDpp {
    /// r: draws of the process in a sample.
    pub repetitions: usize,
    /// M: samples of which the best is taken.
    pub candidates: usize,
    /// δ: how far λ_min may be below 1 for points to be dropped.
    pub delta: f64,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for SelectedDpp {
    fn default() -> Self {
        Self { repetitions: 4, candidates: 5, delta: 0.5, seed: 0 }
    }
}

impl Strategy for SelectedDpp {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn draw(&self, space: &dyn Space, rng: &Rng, going: &Going<'_>) -> Result<Design> {
        if !(0.0 < self.delta && self.delta < 1.0) {
            return Err(Error::Setting { name: "delta", found: self.delta, range: "between 0 and 1" });
        }
        let mut best: Option<Design> = None;
        for candidate in 0..self.candidates {
            let drawn = repeated(space, self.repetitions, &rng.fork_index("candidate", candidate), going)?;
            if best.as_ref().is_none_or(|best| drawn.defect() < best.defect()) {
                best = Some(drawn);
            }
        }
        let none = Error::Fit { name: "candidates", found: self.candidates, least: 1, most: usize::MAX };
        thinned(space, best.ok_or(none)?, 1.0 - self.delta, going)
    }
}

/// The design without points that λ_min(G) ≥ `least` can spare.
fn thinned(space: &dyn Space, design: Design, least: f64, going: &Going<'_>) -> Result<Design> {
    if design.smallest < least {
        return Ok(design);
    }
    let (count, size) = design.rows.shape();
    // Σ w·φ·φᵀ/n of the points that are left, and its inverse.
    let mut sum = design.gram();
    let mut inverse = inverse(&design, going)?;
    let rows: Vec<Vec<f64>> = (0..count).map(|row| design.rows.row(row).iter().copied().collect()).collect();
    let mut kept: Vec<usize> = (0..count).collect();
    while size < kept.len() {
        let of = |&row: &usize| -> Result<Vec<f64>> {
            ask(going)?;
            Ok(image(&inverse, &rows[row]))
        };
        let images: Vec<Vec<f64>> = kept.iter().map(of).collect::<Result<_>>()?;
        let leverage = |place: usize| dot(&images[place], &rows[kept[place]]);
        let spare = (0..kept.len()).map(|place| (place, leverage(place))).min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((place, leverage)) = spare.filter(|(_, leverage)| *leverage < 1.0) else { break };
        let mut smaller = sum.clone();
        rank_one(&mut smaller, -1.0, |i| rows[kept[place]][i]);
        let scale = count as f64 / (kept.len() - 1) as f64;
        if eigvalsh(smaller.as_ref())?[0] * scale < least {
            break;
        }
        rank_one(&mut inverse, (1.0 - leverage).recip(), |i| images[place][i]);
        sum = smaller;
        kept.remove(place);
    }
    let points = kept.into_iter().map(|row| design.points[row].clone()).collect();
    Design::new(space, points, christoffel, going)
}

/// G⁻¹ = R⁻¹·R⁻ᵀ.
fn inverse(design: &Design, going: &Going<'_>) -> Result<Mat<f64>> {
    let (count, size) = design.rows.shape();
    let whole = tall_triangle(&[design.rows.as_ref()], going)?;
    let triangle = Triangle::new("the basis at the points drawn", whole.as_ref(), size, count)?;
    let columns: Vec<Vec<f64>> = (0..size)
        .map(|column| -> Result<Vec<f64>> {
            ask(going)?;
            let mut unit = vec![0.0; size];
            unit[column] = 1.0;
            triangle.solve_transposed(&mut unit);
            triangle.solve(&mut unit);
            Ok(unit)
        })
        .collect::<Result<_>>()?;
    Ok(Mat::from_fn(size, size, |row, column| columns[column][row]))
}

/// inverse · row.
fn image(inverse: &Mat<f64>, row: &[f64]) -> Vec<f64> {
    (0..inverse.ncols()).map(|column| dot(inverse.col_as_slice(column), row)).collect()
}

/// matrix += factor · x·xᵀ.
fn rank_one(matrix: &mut Mat<f64>, factor: f64, x: impl Fn(usize) -> f64) {
    for column in 0..matrix.ncols() {
        for row in 0..matrix.nrows() {
            matrix[(row, column)] += factor * x(row) * x(column);
        }
    }
}
