//! A difference of what was measured beside its noise, put into words for all pages in one place.
//!
//!     value = mean(ours) − mean(theirs)        noise: one standard error of it
//!
//! Where a difference is no larger than its noise, its sign says little: the words say so, whatever the verdict.

/// Ours above theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gap {
    pub value: f64,
    /// One standard error; none of one seed.
    pub noise: Option<f64>,
}

impl Gap {
    /// Of pairs, one a seed.
    pub(crate) fn of_pairs(ours: &[f64], theirs: &[f64]) -> Self {
        let gaps: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours - theirs).collect();
        Self { value: mean(&gaps), noise: between(&gaps).map(f64::sqrt) }
    }

    /// Of accuracies on as many samples, one a seed: a variance is that of a share of the samples, which all seeds have in
    /// common, or that between seeds, whichever is larger.
    pub(crate) fn of_accuracies(ours: &[f64], theirs: &[f64], samples: usize) -> Self {
        let variance = |accuracies: &[f64]| {
            let accuracy = mean(accuracies);
            let share = accuracy * (1.0 - accuracy) / samples.max(1) as f64;
            between(accuracies).map_or(share, |between| share.max(between))
        };
        let noise = (variance(ours) + variance(theirs)).sqrt();
        Self { value: mean(ours) - mean(theirs), noise: Some(noise) }
    }

    /// Ours is not below theirs by more than `slack` and the noise.
    pub(crate) fn not_below(self, slack: f64) -> bool {
        -slack - self.noise.unwrap_or(0.0) <= self.value
    }

    /// Of shares, in per cent: `+0.72 points, noise 0.77, a gap of the size of the noise`.
    pub(crate) fn points(self) -> String {
        let noise = self.noise.map(|noise| format!("{:.2}", 100.0 * noise));
        self.remarked(format!("{:+.2} points", 100.0 * self.value), noise)
    }

    /// Of other numbers: `+0.200, noise 0.100`.
    pub(crate) fn plain(self) -> String {
        self.remarked(format!("{:+.3}", self.value), self.noise.map(|noise| format!("{noise:.3}")))
    }

    fn remarked(self, value: String, noise: Option<String>) -> String {
        let small = self.noise.is_some_and(|noise| self.value.abs() <= noise);
        match noise {
            None => format!("{value}, of one seed"),
            Some(noise) if small => format!("{value}, noise {noise}, a gap of the size of the noise"),
            Some(noise) => format!("{value}, noise {noise}"),
        }
    }
}

/// NaN of none.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Variance of the mean of some numbers by how far they are apart; none of one.
fn between(values: &[f64]) -> Option<f64> {
    let (count, mean) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (1 < values.len()).then(|| squares / (count - 1.0) / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_of_the_size_of_its_noise_is_remarked() {
        let large = Gap::of_pairs(&[0.6, 0.8], &[0.5, 0.5]);
        assert_eq!(large.plain(), "+0.200, noise 0.100");
        let small = Gap::of_pairs(&[0.6, 0.4], &[0.5, 0.5]);
        assert_eq!(small.plain(), "+0.000, noise 0.100, a gap of the size of the noise");
        let below = Gap { value: -0.0071, noise: Some(0.0083) };
        assert_eq!(below.points(), "-0.71 points, noise 0.83, a gap of the size of the noise");
        assert_eq!(Gap::of_pairs(&[0.5], &[0.25]).points(), "+25.00 points, of one seed");
    }

    #[test]
    fn noise_is_that_of_the_samples_or_of_the_seeds() {
        let one = Gap::of_accuracies(&[0.8], &[0.9], 100);
        assert!((one.noise.unwrap() - (0.0016_f64 + 0.0009).sqrt()).abs() < 1e-12, "{one:?}");
        assert!((one.value + 0.1).abs() < 1e-12);
        assert!(!one.not_below(0.0) && !one.not_below(0.04) && one.not_below(0.06));
        // Seeds 0.4 apart: variance 0.08 of one, 0.04 of the mean of two.
        let two = Gap::of_accuracies(&[0.8], &[0.5, 0.9], 100);
        assert!((two.noise.unwrap() - (0.04_f64 + 0.0016).sqrt()).abs() < 1e-12, "{two:?}");
        assert!(!Gap::of_accuracies(&[], &[0.9], 100).not_below(1.0));
    }
}
