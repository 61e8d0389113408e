//! The gradient checker: central differences of fourth order along random directions and single coordinates.
//!
//! ```text
//! R(h)  = f(x + h·d) − f(x − h·d) − g·(x⁺ − x⁻)        0 to first order when g = ∇f(x)
//! error = |8·R(h) − R(2h)| / 12h                        third derivatives cancel; left is O(h⁴)
//! ```
//!
//! x⁺ and x⁻ are the points as f32 holds them, so rounding the points costs nothing. Directions have entries N(0, 1): a
//! direction moves every coordinate by about h and feels a wrong entry of g wherever it is. Coordinates are the one
//! with the largest entry of g and random ones.

use rankine_random::Rng;

/// How a gradient is checked. It passes when every error is at most `absolute + relative · scale`, where the scale is
/// the slope along the direction, or its typical size ‖g‖ (for a coordinate ‖g‖/√n) where that is larger.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientCheck {
    /// h, in units of x.
    pub step: f64,
    /// Random directions tried.
    pub directions: usize,
    /// Single coordinates tried.
    pub coordinates: usize,
    /// Relative tolerance.
    pub relative: f64,
    /// Absolute tolerance, in units of f per unit of x.
    pub absolute: f64,
    /// Seed of the directions and of the choice of coordinates.
    pub seed: u64,
}

impl Default for GradientCheck {
    fn default() -> Self {
        Self { step: 5e-3, directions: 4, coordinates: 6, relative: 2e-3, absolute: 1e-5, seed: 0 }
    }
}

/// The worst of all probes.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientReport {
    /// Such as `direction 2` or `coordinate 17`.
    pub probe: String,
    /// Slope that the gradient claims.
    pub claimed: f64,
    /// Slope that the differences show.
    pub measured: f64,
    /// Error over tolerance: at most 1 when the gradient passes.
    pub ratio: f64,
}

/// Panics unless `gradient` agrees with differences of `f` at `x`.
///
/// # Panics
/// With the worst probe, the slope it claims and the slope measured.
#[track_caller]
pub fn gradient_check(f: impl FnMut(&[f32]) -> f64, x: &[f32], gradient: &[f32], options: &GradientCheck) {
    let GradientReport { probe, claimed, measured, ratio } = gradient_report(f, x, gradient, options);
    assert!(
        ratio <= 1.0,
        "{probe}: the gradient says {claimed:e}, differences say {measured:e} ({ratio:.3} times the tolerance)"
    );
}

/// What [`gradient_check`] judges: the probe with the largest error.
///
/// # Panics
/// When `x` is empty or as long as `gradient` is not.
pub fn gradient_report(
    mut f: impl FnMut(&[f32]) -> f64,
    x: &[f32],
    gradient: &[f32],
    options: &GradientCheck,
) -> GradientReport {
    assert!(!x.is_empty(), "nothing to differentiate");
    assert_eq!(x.len(), gradient.len(), "the gradient is as long as the point");
    let norm = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
    let mut worst = GradientReport { probe: "nothing".into(), claimed: 0.0, measured: 0.0, ratio: 0.0 };
    for (probe, direction, typical) in probes(gradient, norm, options) {
        let (near, claimed) = residual(&mut f, x, gradient, &direction, options.step);
        let (far, _) = residual(&mut f, x, gradient, &direction, 2.0 * options.step);
        let error = (8.0 * near - far) / (12.0 * options.step);
        let tolerance = options.absolute + options.relative * claimed.abs().max(typical);
        let ratio = error.abs() / tolerance;
        let ratio = if ratio.is_nan() { f64::INFINITY } else { ratio };
        if ratio >= worst.ratio {
            worst = GradientReport { probe, claimed, measured: claimed + error, ratio };
        }
    }
    worst
}

/// Names, directions and typical slopes.
fn probes(gradient: &[f32], norm: f64, options: &GradientCheck) -> Vec<(String, Vec<f32>, f64)> {
    let rng = Rng::new(options.seed);
    let random = (0..options.directions).map(|index| {
        let direction = rng.fork_index("direction", index).normals(gradient.len(), 1.0);
        (format!("direction {index}"), direction, norm)
    });
    let largest = (0..gradient.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs()));
    let mut choice = rng.fork("coordinates");
    let chosen = (0..options.coordinates).map(|index| match (index, largest) {
        (0, Some(largest)) => largest,
        _ => choice.below(gradient.len()),
    });
    let typical = norm / (gradient.len() as f64).sqrt();
    let single = chosen.map(|coordinate| {
        let mut direction = vec![0.0; gradient.len()];
        direction[coordinate] = 1.0;
        (format!("coordinate {coordinate}"), direction, typical)
    });
    random.chain(single).collect()
}

/// R(step), and the slope that the gradient claims.
fn residual(
    f: &mut impl FnMut(&[f32]) -> f64,
    x: &[f32],
    gradient: &[f32],
    direction: &[f32],
    step: f64,
) -> (f64, f64) {
    let moved = |sign: f64| -> Vec<f32> {
        x.iter().zip(direction).map(|(&x, &d)| (f64::from(x) + sign * step * f64::from(d)) as f32).collect()
    };
    let (above, below) = (moved(1.0), moved(-1.0));
    let linear: f64 = above
        .iter()
        .zip(&below)
        .zip(gradient)
        .map(|((&above, &below), &g)| f64::from(g) * (f64::from(above) - f64::from(below)))
        .sum();
    (f(&above) - f(&below) - linear, linear / (2.0 * step))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ sin(x_i)·x_{i+1}, cyclic: smooth, with every third derivative at work.
    fn smooth(x: &[f32]) -> f64 {
        let at = |index: usize| f64::from(x[index % x.len()]);
        (0..x.len()).map(|i| at(i).sin() * at(i + 1)).sum()
    }

    fn smooth_gradient(x: &[f32]) -> Vec<f32> {
        let n = x.len();
        let at = |index: usize| f64::from(x[index % n]);
        (0..n).map(|i| (at(i).cos() * at(i + 1) + at(i + n - 1).sin()) as f32).collect()
    }

    fn point() -> Vec<f32> {
        Rng::new(5).normals(40, 1.0)
    }

    #[test]
    fn a_right_gradient_passes_tightly() {
        let x = point();
        let tight = GradientCheck { relative: 1e-6, absolute: 1e-7, ..GradientCheck::default() };
        gradient_check(smooth, &x, &smooth_gradient(&x), &tight);
    }

    #[test]
    fn one_wrong_entry_of_forty_is_found() {
        let x = point();
        for index in 0..x.len() {
            let mut gradient = smooth_gradient(&x);
            gradient[index] += 0.1;
            let report = gradient_report(smooth, &x, &gradient, &GradientCheck::default());
            assert!(report.ratio > 1.0, "entry {index}: {report:?}");
        }
    }

    #[test]
    fn a_missing_factor_a_zero_and_a_nan_are_found() {
        let x = point();
        let right = smooth_gradient(&x);
        let wrong = [
            right.iter().map(|g| g * 1.01).collect::<Vec<_>>(),
            right.iter().map(|g| -g).collect(),
            vec![0.0; x.len()],
            vec![f32::NAN; x.len()],
        ];
        for gradient in wrong {
            let report = gradient_report(smooth, &x, &gradient, &GradientCheck::default());
            assert!(report.ratio > 1.0, "{report:?}");
        }
        let report = gradient_report(|_| f64::NAN, &x, &right, &GradientCheck::default());
        assert!(report.ratio > 1.0, "{report:?}");
    }

    #[test]
    fn a_function_that_computes_in_f32_passes_with_the_defaults() {
        let x = point();
        let rounded = |x: &[f32]| f64::from(x.iter().zip(&x[1..]).map(|(a, b)| a.sin() * b).sum::<f32>());
        let mut gradient = vec![0.0_f32; x.len()];
        for i in 0..x.len() - 1 {
            gradient[i] += x[i].cos() * x[i + 1];
            gradient[i + 1] += x[i].sin();
        }
        gradient_check(rounded, &x, &gradient, &GradientCheck::default());
    }
}
