//! Where the singular values of noise end: the law of Marchenko and Pastur.
//!
//!     A: [rows, columns] of independent numbers of variance σ²;  n = max(rows, columns), β = min(rows, columns) / n
//!     s² / (σ²·n) has the density √((λ₊ − λ)(λ − λ₋)) / (2πβλ),  λ± = (1 ± √β)²
//!     edge = σ·(√rows + √columns)
//!     σ = median(s) / √(n·μ_β),  μ_β the median of that density        few large directions hardly move it
//!     σ² = (‖A‖² − Σ_{i≤j} s_i²) / ((rows − j)·(columns − j)),  j the count above the edge        where the median is not known
//!
//! μ_β is found by bisection: with λ = 1 + β − 2√β·cos θ the integral of the density has a closed form. Of a matrix of noise
//! alone the largest singular value lies above the edge one time in six, and then by little.
//! Source: Gavish and Donoho 2014, for the median.

use std::f64::consts::{FRAC_PI_2, PI};

/// The noise in a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// σ: standard deviation of an entry.
    pub deviation: f64,
    /// The largest singular value of a matrix of such noise, nearly.
    pub edge: f64,
}

impl Noise {
    /// From all singular values; s: descending [min(rows, columns)]. `None` where half of them are 0, as there is no noise then.
    pub fn by_median(s: &[f32], rows: usize, columns: usize) -> Option<Self> {
        let middle = |at: usize| s.get(at).copied().map(f64::from);
        let median = (middle(s.len().checked_sub(1)? / 2)? + middle(s.len() / 2)?) / 2.0;
        let (short, long) = (rows.min(columns) as f64, rows.max(columns) as f64);
        let deviation = median / (long * median_of_law(short / long)).sqrt();
        (0.0 < deviation).then(|| Self::new(deviation, rows, columns))
    }

    /// From the leading singular values and ‖A‖²; s: descending. `None` where they leave nothing of it.
    pub fn by_energy(s: &[f32], squares: f64, rows: usize, columns: usize) -> Option<Self> {
        let (mut above, mut left) = (0, squares);
        loop {
            let places = rows.checked_sub(above)?.checked_mul(columns.checked_sub(above)?)?;
            let deviation = (left / places as f64).sqrt();
            if !(0.0 < deviation && deviation.is_finite()) {
                return None;
            }
            let noise = Self::new(deviation, rows, columns);
            match s.get(above) {
                Some(&next) if noise.edge < f64::from(next) => left -= f64::from(next).powi(2),
                _ => return Some(noise),
            }
            above += 1;
        }
    }

    /// How many singular values lie above the edge; s: descending.
    pub fn outliers(self, s: &[f32]) -> usize {
        s.partition_point(|&s| self.edge < f64::from(s))
    }

    fn new(deviation: f64, rows: usize, columns: usize) -> Self {
        Self { deviation, edge: deviation * ((rows as f64).sqrt() + (columns as f64).sqrt()) }
    }
}

/// The edge alone, of the values of [`Noise::by_median`]; 0 where there is no noise, so that every direction lies above it.
pub fn noise_edge(s: &[f32], rows: usize, columns: usize) -> f64 {
    Noise::by_median(s, rows, columns).map_or(0.0, |noise| noise.edge)
}

/// μ_β, the median of the law for the ratio β of the sides, above 0 and at most 1.
fn median_of_law(ratio: f64) -> f64 {
    let (mut low, mut high) = (0.0, PI);
    // As many halvings as a double has bits.
    for _ in 0..f64::MANTISSA_DIGITS {
        let middle = 0.5 * (low + high);
        if share_below(middle, ratio) < 0.5 { low = middle } else { high = middle }
    }
    1.0 + ratio - 2.0 * ratio.sqrt() * (0.5 * (low + high)).cos()
}

/// (2/π)·∫₀^θ sin²t / (1 + β − 2√β·cos t) dt, for θ above 0.
fn share_below(angle: f64, ratio: f64) -> f64 {
    let root = ratio.sqrt();
    let turned = ((1.0 + root) / (1.0 - root) * (0.5 * angle).tan()).atan();
    // (1 − β)·2·turned: at β = 1 the first factor is 0, whatever the angle.
    let last = (1.0 - ratio) * 2.0 * turned.min(FRAC_PI_2);
    (2.0 * root * angle.sin() + (1.0 + ratio) * angle - last) / (2.0 * PI * ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    #[test]
    fn medians_agree_with_sums_over_the_density() {
        for ratio in [1e-3_f64, 0.1, 0.37, 0.9, 1.0] {
            let parts = 1 << 16;
            let width = PI / f64::from(parts);
            let (mut share, mut part) = (0.0, 0);
            while share < 0.5 {
                let angle = width * (f64::from(part) + 0.5);
                share +=
                    width * 2.0 / PI * angle.sin().powi(2) / (1.0 + ratio - 2.0 * ratio.sqrt() * angle.cos());
                part += 1;
            }
            let expected = 1.0 + ratio - 2.0 * ratio.sqrt() * (width * f64::from(part)).cos();
            assert!((median_of_law(ratio) - expected).abs() < 2e-4 * expected, "{ratio}");
        }
        // Gavish and Donoho: ω(1) = (4/√3) / √μ₁ = 2.858.
        assert!((4.0 / (3.0 * median_of_law(1.0)).sqrt() - 2.858).abs() < 1e-3);
    }

    #[test]
    fn noise_is_found_beside_a_direction_that_stands_out() {
        let (rows, columns) = (60, 150);
        let mut rng = Rng::new(4).fork("noise");
        let mut a = rng.normals(rows * columns, 0.5);
        let squares = |a: &[f32]| a.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let edge = 0.5 * (60.0_f64.sqrt() + 150.0_f64.sqrt());
        for spike in [0.0, 4.0 * edge] {
            let each = (spike / (rows as f64 * columns as f64).sqrt()) as f32;
            a.iter_mut().for_each(|x| *x += each);
            let s = crate::singular_values(&a, rows, columns).unwrap();
            let known = Noise::by_median(&s, rows, columns).unwrap();
            let guessed = Noise::by_energy(&s[..10], squares(&a), rows, columns).unwrap();
            for noise in [known, guessed] {
                assert!(
                    (noise.deviation - 0.5).abs() < 0.02 && (noise.edge / edge - 1.0).abs() < 0.04,
                    "{noise:?}"
                );
                // What is left beside the direction is noise again, the largest of which may lie a little above.
                let beyond = if spike == 0.0 { 1 } else { 2 };
                assert_eq!(noise.outliers(&s[beyond..]), 0, "{noise:?}");
            }
            assert!(spike == 0.0 || 1 <= known.outliers(&s).min(guessed.outliers(&s)));
        }
    }

    #[test]
    fn where_nothing_is_left_there_is_no_noise() {
        assert_eq!(Noise::by_median(&[2.0, 0.0, 0.0], 3, 3), None);
        assert_eq!(Noise::by_median(&[], 0, 3), None);
        assert_eq!(Noise::by_energy(&[10.0], 100.0, 50, 50), None);
        assert_eq!(Noise::by_energy(&[], 0.0, 2, 2), None);
    }
}
