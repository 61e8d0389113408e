//! Integrated gradients of edges: slopes along the way from the mean of a layer to what it holds.
//!
//!     A_ij = f̂_j·∫₀¹ ∂f̂ᵢ′/∂f̂_j (α·f̂) dα ≈ f̂_j·Σ_p w_p·∂f̂ᵢ′/∂f̂_j (α_p·f̂)        Σ_j A_ij = f̂ᵢ′(f̂) − f̂ᵢ′(0)
//!
//! On the way a layer holds f̄ + α·f̂·C⁺; what reaches the next one beside it, as a residual does, stays as it is. The sum is
//! over all features of all rows that reach the one of f̂ᵢ′. With n intervals there are n + 1 points: Gauss and Legendre's, right
//! where slopes are polynomials of degree 2n + 1, or evenly spaced ones from ε to 1 − ε, ε = 10⁻³/(n + 1). With n = 0 both are the
//! middle. Costs n + 1 times the passes of gradients at the point itself, and one more a batch and layer.
//!
//! Paper: [interaction], with the rules of the authors' code (`integration_method`, `n_intervals`). Departure: means are in the
//! bias here, so that the way begins at f̄; the code goes on to scale its constant direction, and begins at 0 without biases.

use super::{Derived, LayerFindings, Network, Of, Question};
use crate::{Error, Result};
use rankine_linalg::double::Mat;
use std::f64::consts::PI;

/// Where the slopes of edges are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum Integration {
    /// At the point itself: gradients.
    #[default]
    Gradient,
    /// Along the way there, by the trapezoidal rule.
    Trapezoidal {
        /// n; one point fewer than there are.
        intervals: usize,
    },
    /// Along the way there, by Gauss and Legendre's rule.
    GaussLegendre {
        /// n; one point fewer than there are.
        intervals: usize,
    },
}

/// A point of the way, and how much its slope weighs; the weights of all are 1 together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// α: 0 at the mean, 1 at what the layer holds.
    pub alpha: f64,
    /// w.
    pub weight: f64,
}

impl Integration {
    /// The points, by rising α.
    pub fn points(self) -> Vec<Point> {
        match self {
            Self::Gradient => vec![Point { alpha: 1.0, weight: 1.0 }],
            Self::Trapezoidal { intervals } => trapezoidal(intervals),
            Self::GaussLegendre { intervals } => gauss_legendre(intervals + 1),
        }
    }
}

/// The ends weigh half; no point is at an end, where a ReLU of a row at the mean would have no slope.
fn trapezoidal(intervals: usize) -> Vec<Point> {
    if intervals == 0 {
        return vec![Point { alpha: 0.5, weight: 1.0 }];
    }
    let edge = 1e-3 / (intervals + 1) as f64;
    let point = |at: usize| {
        let share = at as f64 / intervals as f64;
        let halves = if at == 0 || at == intervals { 0.5 } else { 1.0 };
        Point { alpha: edge + share * (1.0 - 2.0 * edge), weight: halves / intervals as f64 }
    };
    (0..=intervals).map(point).collect()
}

/// Roots of the Legendre polynomial of degree n by Newton's method, on [0, 1].
fn gauss_legendre(count: usize) -> Vec<Point> {
    let point = |at: usize| {
        // Close enough to converge to the root of this number.
        let mut x = -(PI * (at as f64 + 0.75) / (count as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..NEWTON {
            let (value, derivative) = legendre(count, x);
            (x, slope) = (x - value / derivative, derivative);
        }
        Point { alpha: (1.0 + x) / 2.0, weight: 1.0 / ((1.0 - x * x) * slope * slope) }
    };
    (0..count).map(point).collect()
}

/// Steps until the roots are right to the last digits; three are enough from there.
const NEWTON: usize = 8;

/// P_n(x) and its derivative, |x| < 1.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (0.0, 1.0);
    for k in 0..degree {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k + 1.0) * x * value - k * before) / (k + 1.0));
    }
    (value, degree as f64 * (x * value - before) / (x * x - 1.0))
}

/// The way of the rows of a batch from the mean of their layer to where they are.
pub struct Path<'a> {
    from: usize,
    layer: &'a LayerFindings,
    batch: usize,
    points: Vec<Point>,
    /// f and f̄ + f̂·C⁺, where slopes are taken elsewhere than at f; [rows, d].
    ends: Option<[Vec<f32>; 2]>,
}

impl<'a> Path<'a> {
    /// Costs a pass; for gradients at the point itself none.
    ///
    /// # Errors
    /// When the network cannot be run.
    pub fn new(
        network: &mut dyn Network,
        (from, layer): (usize, &'a LayerFindings),
        batch: usize,
        integration: Integration,
    ) -> Result<Self> {
        let mut path = Self { from, layer, batch, points: integration.points(), ends: None };
        if integration != Integration::Gradient {
            let held = path.derive(network, Of::Output(0), None)?.activations;
            let end = layer.basis.truncated(&held, &layer.mean, usize::MAX);
            path.ends = Some([held, end]);
        }
        Ok(path)
    }

    /// A of the first `features` for something that is derived, row by row; `passed` is called behind every pass. [rows, features].
    ///
    /// # Errors
    /// When the network cannot be run, or what `passed` returns.
    pub fn attributions(
        &self,
        network: &mut dyn Network,
        of: Of<'_>,
        features: usize,
        passed: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Mat<f64>> {
        let LayerFindings { basis, mean, .. } = self.layer;
        let (mut values, mut slopes) = (Mat::zeros(0, 0), Mat::<f64>::zeros(0, 0));
        for (at, Point { alpha, weight }) in self.points.iter().enumerate() {
            let shift = self.ends.as_ref().map(|ends| self.shift(ends, *alpha));
            let own = self.derive(network, of, shift.as_deref())?;
            let found = basis.derivatives(&own.gradients, features);
            let weighted = Mat::from_fn(found.nrows(), found.ncols(), |i, j| weight * found[(i, j)]);
            if at == 0 {
                values = basis.features(&own.activations, mean, features);
                slopes = weighted;
            } else {
                slopes += weighted;
            }
            passed()?;
        }
        Ok(Mat::from_fn(values.nrows(), values.ncols(), |i, j| values[(i, j)] * slopes[(i, j)]))
    }

    /// What leads from f to the point of α; [rows·d].
    fn shift(&self, [held, end]: &[Vec<f32>; 2], alpha: f64) -> Vec<f32> {
        let rows = held.iter().zip(end).zip(self.layer.mean.iter().cycle());
        let moved = |held: f32, end: f32, mean: f64| {
            (mean + alpha * (f64::from(end) - mean) - f64::from(held)) as f32
        };
        rows.map(|((&held, &end), &mean)| moved(held, end, mean)).collect()
    }

    fn derive(&self, network: &mut dyn Network, of: Of<'_>, shift: Option<&[f32]>) -> Result<Derived> {
        let question = Question { batch: self.batch, of, by: &[self.from], maps: false, shift };
        let derived = network.derive(&question).map_err(|source| Error::Network { source })?;
        Ok(derived.into_iter().next().unwrap_or_default())
    }
}
