//! What the tests share: numbers, closeness, central differences in f64.

use rankine_random::Rng;

/// Standard normal numbers that depend on `name` only.
pub fn normals(name: &str, count: usize) -> Vec<f32> {
    Rng::new(17).fork(name).normals(count, 1.0)
}

/// The same numbers in f64.
pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Asserts |found − expected| ≤ tolerance · (largest |expected|), element by element.
pub fn close(name: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}: lengths");
    let scale = expected.iter().fold(1e-30f64, |max, x| max.max(x.abs()));
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / scale;
        assert!(
            error <= tolerance,
            "{name}: number {at} is {found}, expected {expected} ({error:e} of the largest)"
        );
    }
}

/// Compares gradients of Σ weights · f(inputs) with central differences of `f`, along three random directions for
/// each input and along every axis where there are few. The error is measured against the gradient's length.
pub fn gradients(
    name: &str,
    inputs: &[&[f32]],
    weights: &[f32],
    f: impl Fn(&[Vec<f64>]) -> Vec<f64>,
    found: &[&[f32]],
) {
    let inputs: Vec<_> = inputs.iter().map(|x| wide(x)).collect();
    let objective = |inputs: &[Vec<f64>]| -> f64 {
        f(inputs).iter().zip(weights).map(|(y, &weight)| y * f64::from(weight)).sum()
    };
    for (which, gradient) in found.iter().enumerate() {
        assert_eq!(gradient.len(), inputs[which].len(), "{name}: length of gradient {which}");
        let gradient = wide(gradient);
        let length = gradient.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
        for direction in directions(&format!("{name}-{which}"), gradient.len()) {
            let size = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
            let step = 1e-4 / size;
            let at = |sign: f64| {
                let mut moved = inputs.clone();
                moved[which].iter_mut().zip(&direction).for_each(|(x, d)| *x += sign * step * d);
                objective(&moved)
            };
            let numeric = (at(1.0) - at(-1.0)) / (2.0 * step * size);
            let analytic = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum::<f64>() / size;
            let error = (numeric - analytic).abs() / length;
            assert!(error <= 2e-6, "{name}: input {which}: {analytic} against {numeric} ({error:e})");
        }
    }
}

fn directions(name: &str, count: usize) -> Vec<Vec<f64>> {
    let axes = (0..if count <= 12 { count } else { 0 }).map(|axis| {
        let mut direction = vec![0.0; count];
        direction[axis] = 1.0;
        direction
    });
    (0..if count == 0 { 0 } else { 3 })
        .map(|trial| wide(&normals(&format!("{name}-{trial}"), count)))
        .chain(axes)
        .collect()
}

/// a · bᵀ in f64; a: [m, k], b: [n, k] → [m, n].
pub fn product(a: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    let rows = |x: &[f64]| x.len().checked_div(k).unwrap_or(0);
    let mut c = Vec::new();
    for i in 0..rows(a) {
        for j in 0..rows(b) {
            c.push((0..k).map(|depth| a[i * k + depth] * b[j * k + depth]).sum());
        }
    }
    c
}
