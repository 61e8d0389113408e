//! Functions, the spaces they are approximated in, and the best approximations, by quadrature.

use crate::{Images, Result};
use rankine_solve::approximation::{Family, LeastSquaresInSpace, Space, TensorSpace};
use std::path::Path;

/// A function in a space, with its best approximation.
pub(super) struct Case {
    pub name: &'static str,
    pub problem: LeastSquaresInSpace,
    /// Coefficients of the best.
    pub best: Vec<f64>,
    /// e²: the squared distance of the best.
    pub square: f64,
}

/// Nodes of the quadrature in one variable, and in each of two.
const NODES: [usize; 2] = [40_000, 280];

/// Half the length of the interval that stands for the line under a Gaussian.
const LINE: f64 = 12.0;

impl Case {
    fn new(
        name: &'static str,
        space: TensorSpace,
        function: impl Fn(&[f64]) -> f64 + Clone + Send + Sync + 'static,
    ) -> Result<Self> {
        let nodes = NODES[space.dimensions().min(2) - 1];
        let (mut best, mut whole) = (vec![0.0; space.size()], 0.0);
        let axis: Vec<(f64, f64)> = (0..nodes).map(|node| rule(space.family(), node, nodes)).collect();
        let mut add = |point: &[f64], weight: f64| {
            let value = function(point);
            whole += weight * value * value;
            let features = space.features(point);
            best.iter_mut().zip(&features).for_each(|(c, feature)| *c += weight * value * feature);
        };
        for &(x, weight) in &axis {
            if space.dimensions() == 1 {
                add(&[x], weight);
            } else {
                axis.iter().for_each(|&(y, other)| add(&[x, y], weight * other));
            }
        }
        let square = whole - best.iter().map(|c| c * c).sum::<f64>();
        let problem = LeastSquaresInSpace::new(space, function)?;
        Ok(Self { name, problem, best, square })
    }

    /// ‖f − Σ c φ‖ / e.
    pub(super) fn error(&self, coefficients: &[f64]) -> f64 {
        let off = coefficients.iter().zip(&self.best).map(|(c, best)| (c - best).powi(2)).sum::<f64>();
        (1.0 + off / self.square).sqrt()
    }
}

/// A node of the midpoint rule of a family's measure, with its weight.
fn rule(family: Family, node: usize, nodes: usize) -> (f64, f64) {
    let share = (node as f64 + 0.5) / nodes as f64;
    match family {
        Family::Legendre => (2.0 * share - 1.0, 1.0 / nodes as f64),
        Family::Fourier => (share, 1.0 / nodes as f64),
        Family::Hermite => {
            let x = LINE * (2.0 * share - 1.0);
            (x, 2.0 * LINE / nodes as f64 * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt())
        }
    }
}

/// |x − 0.1| + sin 5x in Legendre's polynomials.
pub(super) fn kink(size: usize) -> Result<Case> {
    let function = |point: &[f64]| (point[0] - 0.1).abs() + (5.0 * point[0]).sin();
    let name = if size == super::PROTOTYPE { "kink, m = 8" } else { "kink" };
    Case::new(name, TensorSpace::univariate(Family::Legendre, size)?, function)
}

/// 1/(1 + 25x²) in Legendre's polynomials.
pub(super) fn runge(size: usize) -> Result<Case> {
    let function = |point: &[f64]| 1.0 / (1.0 + 25.0 * point[0] * point[0]);
    Case::new("Runge's function", TensorSpace::univariate(Family::Legendre, size)?, function)
}

/// exp(−x²/4) in Hermite's polynomials.
pub(super) fn bell(size: usize) -> Result<Case> {
    let function = |point: &[f64]| (-point[0] * point[0] / 4.0).exp();
    Case::new("bell", TensorSpace::univariate(Family::Hermite, size)?, function)
}

/// Genz's oscillatory function of two variables, in Legendre's polynomials on a hyperbolic cross.
pub(super) fn waves(level: usize) -> Result<Case> {
    let function = |point: &[f64]| (1.0 + 4.0 * point[0] + 6.0 * point[1]).cos();
    Case::new("waves in two variables", TensorSpace::hyperbolic_cross(Family::Legendre, 2, level)?, function)
}

/// The first test image of Fashion-MNIST as a function on the square, between pixels bilinear.
pub(super) fn image(folder: &Path, level: usize) -> Result<Case> {
    let images = Images::fashion_mnist(folder, "t10k")?;
    let side = images.width.isqrt();
    let pixels: Vec<f64> = images.pixels.iter().take(images.width).map(|&pixel| f64::from(pixel)).collect();
    let function = move |point: &[f64]| {
        let at = |x: f64| (x + 1.0) / 2.0 * (side - 1) as f64;
        let (row, column) = (at(point[0]), at(point[1]));
        let [top, left] = [row, column].map(|place| (place as usize).min(side - 2));
        let (down, right) = (row - top as f64, column - left as f64);
        let pixel = |i: usize, j: usize| pixels[(top + i) * side + left + j];
        let along = |i: usize| (1.0 - right) * pixel(i, 0) + right * pixel(i, 1);
        (1.0 - down) * along(0) + down * along(1)
    };
    Case::new("image", TensorSpace::hyperbolic_cross(Family::Legendre, 2, level)?, function)
}
