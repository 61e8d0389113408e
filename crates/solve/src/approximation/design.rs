//! Points with weights, and how well they hold a space.

use super::Space;
use crate::{Error, Result};
use faer::{Mat, MatRef};
use rankine_linalg::double::multiply;
use rankine_linalg::{Going, ask, eigvalsh};
use rankine_random::Rng;

/// Points with weights, for a space.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// [n][dimensions].
    pub points: Vec<Vec<f64>>,
    /// w, of mean 1 under the density they are drawn from; [n].
    pub weights: Vec<f64>,
    /// √(w_i/n)·φ(x_i); [n, m].
    pub rows: Mat<f64>,
    /// Eigenvalues of G, ascending; [m].
    pub eigenvalues: Vec<f64>,
    /// The smallest of them; 0 where there are fewer points than functions.
    pub smallest: f64,
}

impl Design {
    /// The points with weights `weight(φ(x))`.
    ///
    /// # Errors
    /// When there is no point, or a weighted function is not finite at one; when `going` stops it.
    pub fn new(
        space: &dyn Space,
        points: Vec<Vec<f64>>,
        weight: impl Fn(&[f64]) -> f64,
        going: &Going<'_>,
    ) -> Result<Self> {
        if points.is_empty() {
            return Err(Error::Empty { what: "the set of points" });
        }
        let at = |point: &Vec<f64>| -> Result<Vec<f64>> {
            ask(going)?;
            Ok(space.features(point))
        };
        let features: Vec<Vec<f64>> = points.iter().map(at).collect::<Result<_>>()?;
        let weights: Vec<f64> = features.iter().map(|features| weight(features)).collect();
        let count = points.len() as f64;
        let rows = Mat::from_fn(points.len(), space.size(), |row, column| {
            (weights[row] / count).sqrt() * features[row][column]
        });
        for (index, weight) in weights.iter().enumerate() {
            let wrong = rows.row(index).iter().copied().find(|value| !value.is_finite());
            if let Some(value) = wrong.or((!weight.is_finite()).then_some(*weight)) {
                return Err(Error::NotFinite {
                    what: "the basis at a point drawn",
                    index: vec![index],
                    value,
                });
            }
        }
        let eigenvalues = eigvalsh(gram(rows.as_ref(), going)?.as_ref())?;
        let smallest = if points.len() < space.size() { 0.0 } else { eigenvalues[0].max(0.0) };
        Ok(Self { points, weights, rows, eigenvalues, smallest })
    }

    /// That of no points, for so many functions.
    pub(super) fn empty(size: usize) -> Self {
        let (rows, eigenvalues) = (Mat::zeros(0, size), vec![0.0; size]);
        Self { points: Vec::new(), weights: Vec::new(), rows, eigenvalues, smallest: 0.0 }
    }

    /// G; [m, m].
    pub fn gram(&self) -> Mat<f64> {
        multiply(self.rows.transpose(), self.rows.as_ref())
    }

    /// ‖G − 1‖₂.
    pub fn defect(&self) -> f64 {
        self.eigenvalues.iter().fold(1.0 - self.smallest, |defect, eigenvalue| (eigenvalue - 1.0).max(defect))
    }
}

/// m/‖φ‖²: the weight of points of the density ‖φ‖²/m.
pub(super) fn christoffel(features: &[f64]) -> f64 {
    mixed(features, 1.0)
}

/// The weight of points of the density θ·‖φ‖²/m + 1 − θ, at most 1/(1 − θ).
pub(super) fn mixed(features: &[f64], theta: f64) -> f64 {
    let mean = features.iter().map(|x| x * x).sum::<f64>() / features.len() as f64;
    (theta * mean + 1.0 - theta).recip()
}

/// A point of the density θ·‖φ‖²/m + 1 − θ.
pub(super) fn draw_mixed(space: &dyn Space, theta: f64, rng: &mut Rng) -> Vec<f64> {
    if rng.uniform_f64() < theta {
        space.draw_component(rng.below(space.size()), rng)
    } else {
        space.draw(rng)
    }
}

/// Columns of G between two questions.
const PANEL: usize = 128;

fn gram(rows: MatRef<'_, f64>, going: &Going<'_>) -> Result<Mat<f64>> {
    let size = rows.ncols();
    let mut gram = Mat::zeros(size, size);
    for start in (0..size).step_by(PANEL) {
        ask(going)?;
        let width = PANEL.min(size - start);
        let part = multiply(rows.transpose(), rows.subcols(start, width));
        gram.subcols_mut(start, width).copy_from(&part);
    }
    Ok(gram)
}
