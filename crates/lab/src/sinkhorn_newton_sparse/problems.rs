//! The problems: a random assignment, and images as densities.

use crate::{Error, Images, Result, Scale};
use rankine_random::Rng;
use rankine_solve::Mat;
use rankine_solve::transport::Transport;
use std::path::Path;

/// A problem without its regularisation; costs from 0 to 1.
pub struct Cloud {
    /// What it is called.
    pub label: String,
    cost: Mat<f64>,
    source: Vec<f64>,
    target: Vec<f64>,
}

/// Points of the random assignment.
const POINTS: usize = 500;

impl Cloud {
    /// The problem at ε = 1/η.
    pub fn problem(&self, eta: f64) -> Result<Transport> {
        let (source, target) = (self.source.clone(), self.target.clone());
        Ok(Transport::new(self.cost.clone(), source, target, 1.0 / eta)?)
    }
}

/// Every problem of a scale.
pub fn all(scale: Scale, fashion_mnist: &Path) -> Result<Vec<Cloud>> {
    let read = Images::fashion_mnist(fashion_mnist, "t10k")?;
    let mut each = read.pixels.chunks_exact(read.width);
    let (Some(first), Some(second)) = (each.next(), each.next()) else {
        return Err(Error::NoImages { classes: (0..10).collect() });
    };
    let mut clouds = vec![random(POINTS), images([first, second], 28, true)];
    if scale == Scale::Full {
        clouds.push(images([first, second], 28, false));
    }
    Ok(clouds)
}

/// Costs drawn uniformly from [0, 1), equal masses.
pub fn random(points: usize) -> Cloud {
    let mut rng = Rng::new(0).fork("sinkhorn_newton_sparse");
    let cost = Mat::from_fn(points, points, |_, _| rng.uniform_f64());
    let masses = vec![1.0 / points as f64; points];
    Cloud { label: "random assignment".to_owned(), cost, source: masses.clone(), target: masses }
}

/// Two images of `side` × `side` pixels; costs are squared Euclidean distances of pixels, or L1 distances.
pub fn images(pixels: [&[f32]; 2], side: usize, squared: bool) -> Cloud {
    let apart = |i: usize, j: usize, along: fn(usize, usize) -> usize| {
        (along(i, side) as f64 - along(j, side) as f64).abs()
    };
    let distance = |i: usize, j: usize| {
        let apart = [apart(i, j, |at, side| at / side), apart(i, j, |at, side| at % side)];
        if squared { apart.iter().map(|x| x * x).sum() } else { apart.iter().sum::<f64>() }
    };
    let count = side * side;
    let farthest: f64 = distance(0, count - 1);
    let cost = Mat::from_fn(count, count, |i, j| distance(i, j) / farthest);
    let [source, target] = pixels.map(density);
    let label = if squared { "images, squared distance" } else { "images, L1 distance" };
    Cloud { label: label.to_owned(), cost, source, target }
}

/// Shares of the mass; the darkest pixel has a thousandth of the brightest.
fn density(pixels: &[f32]) -> Vec<f64> {
    let darkest = pixels.iter().copied().fold(f32::INFINITY, f32::min);
    let above: Vec<f64> = pixels.iter().map(|pixel| f64::from(pixel - darkest)).collect();
    let brightest = above.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let total: f64 = above.iter().map(|pixel| pixel + 1e-3 * brightest).sum();
    above.iter().map(|pixel| (pixel + 1e-3 * brightest) / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_and_costs_are_scaled() {
        for squared in [true, false] {
            let cloud = images([&[-1.0, 3.0, 1.0, -1.0], &[0.5; 4]], 2, squared);
            let largest = (0..4).flat_map(|i| (0..4).map(move |j| (i, j))).map(|at| cloud.cost[at]);
            assert_eq!(largest.fold(0.0, f64::max), 1.0);
            for masses in [&cloud.source, &cloud.target] {
                assert!((masses.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                assert!(masses.iter().all(|mass| 0.0 < *mass));
            }
            assert!(cloud.problem(100.0).is_ok());
        }
        assert!((random(7).source.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
