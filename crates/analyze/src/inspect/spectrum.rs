//! The spectrum of a matrix, and what is read off it.
//!
//!     W: [rows, columns], a convolution as [out, rest]        s: singular values, λ = s²
//!     exact: all of them, from the smaller Gram matrix in f64; those below 1e-4·s₁ to 1e-7·s₁
//!     leading: the first k by random projection, and a bound ε: s̃_i ≤ s_i ≤ √(s̃_i² + ε²), s_i ≤ ε beyond the k-th
//!
//! The projection has UᵀW = diag(s̃)·Vᵀ, so that WᵀW = W̃ᵀW̃ + RᵀR for what is left, R, and ε ≥ ‖R‖₂ but for one chance in 10¹⁰.
//! What needs all values (the effective rank, the tail) is missing of a leading spectrum. Noise is then fitted to the energy that
//! the leading values leave, again and again without those above its edge; where all of them lie above, more may follow, and what
//! was fitted is an upper bound.

use super::power_law::Tail;
use rankine_linalg::{Error, Noise, Truncation, effective_rank, gram_singular_values, truncated};
use rankine_random::Rng;
use serde::Serialize;

/// Shares of the energy for which ranks are told.
pub const SHARES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

/// What is left beside the directions of a matrix of low rank is rounding: of all values at most this share of s₁ each, of the
/// energy at most this share where it is a difference.
const ROUNDING: f64 = 1e-6;

/// A spectrum and its measures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spectrum {
    /// Descending; all of them where there is no bound.
    pub singular_values: Vec<f32>,
    /// ε, where only the leading values are known.
    pub bound: Option<f64>,
    /// s₁.
    pub spectral_norm: f64,
    /// ‖W‖² / s₁²; 0 of zeros.
    pub stable_rank: f64,
    /// exp of the entropy of s / Σ s.
    pub effective_rank: Option<f64>,
    /// The fewest directions with these [`SHARES`] of ‖W‖²; `None` where they are more than are known.
    pub energy_ranks: [Option<usize>; SHARES.len()],
    /// What looks like noise, and what stands out of it.
    pub noise: Option<Bulk>,
    /// The power law of the tail; `None` where only the leading values are known, as a tail that begins further down would be cut short.
    pub tail: Option<Tail>,
    /// α·log₁₀ λ₁ (WeightWatcher's weighted alpha, α̂).
    pub weighted_alpha: Option<f64>,
    /// log₁₀ ‖W‖²; `None` of zeros.
    pub log_norm: Option<f64>,
    /// log₁₀ λ₁; `None` of zeros.
    pub log_spectral_norm: Option<f64>,
}

/// The bulk of a spectrum as Marchenko and Pastur's law has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bulk {
    /// σ of an entry.
    pub deviation: f64,
    /// Where the singular values of such noise end.
    pub edge: f64,
    /// How many lie above.
    pub outliers: usize,
    /// Their share of ‖W‖².
    pub energy: f64,
    /// Whether only the leading values are known, and all lie above: there are at least so many outliers with so much energy, and
    /// at most so much noise.
    pub at_least: bool,
}

/// Which singular values are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    All,
    Leading(usize),
}

impl Spectrum {
    /// Of a matrix of finite numbers; w: row-major [rows, columns], squares: ‖W‖².
    pub(super) fn of(
        w: &[f32],
        sides: [usize; 2],
        squares: f64,
        extent: Extent,
        rng: &mut Rng,
    ) -> Result<Self, Error> {
        let [rows, columns] = sides;
        match extent {
            Extent::Leading(rank) if rank.saturating_add(Truncation::OVERSAMPLING) < rows.min(columns) => {
                let svd = truncated(w, rows, columns, rank, Truncation::randomized(rng.bits()))?;
                let bound = svd.error_estimate(w, rng.bits())?.spectral;
                Ok(Self::measured(svd.s, Some(bound), squares, sides))
            }
            _ => Ok(Self::measured(gram_singular_values(w, rows, columns)?, None, squares, sides)),
        }
    }

    fn measured(s: Vec<f32>, bound: Option<f64>, squares: f64, [rows, columns]: [usize; 2]) -> Self {
        let eigenvalues: Vec<f64> = s.iter().map(|&s| f64::from(s).powi(2)).collect();
        let first = eigenvalues.first().copied().unwrap_or_default();
        // Of all values the sum is ‖W‖², and reaches a share of itself whatever the rounding.
        let total = if bound.is_none() { eigenvalues.iter().sum() } else { squares };
        let noise = match bound {
            None => Noise::by_median(&s, rows, columns),
            Some(_) => Noise::by_energy(&s, squares, rows, columns),
        };
        let (short, long) = (rows.min(columns) as f64, rows.max(columns) as f64);
        let rounding = if bound.is_none() { ROUNDING.powi(2) * first } else { ROUNDING * total / short };
        let noise = noise.filter(|noise| rounding < noise.deviation.powi(2) * long);
        let bulk = |noise: Noise| {
            let outliers = noise.outliers(&s);
            // The sum of nothing is −0.
            let energy = (eigenvalues[..outliers].iter().sum::<f64>() / total).abs();
            let at_least = bound.is_some() && outliers == s.len();
            Bulk { deviation: noise.deviation, edge: noise.edge, outliers, energy, at_least }
        };
        let tail = if bound.is_none() { Tail::of(&eigenvalues) } else { None };
        let logarithm = |value: f64| (0.0 < value).then(|| value.log10());
        Self {
            spectral_norm: first.sqrt(),
            stable_rank: if 0.0 < first { total / first } else { 0.0 },
            effective_rank: bound.is_none().then(|| effective_rank(&s)),
            energy_ranks: SHARES.map(|share| energy_rank(&eigenvalues, share * total)),
            noise: noise.map(bulk),
            tail,
            weighted_alpha: tail.zip(logarithm(first)).map(|(tail, logarithm)| tail.alpha * logarithm),
            log_norm: logarithm(total),
            log_spectral_norm: logarithm(first),
            bound,
            singular_values: s,
        }
    }
}

/// The fewest of the first eigenvalues whose sum reaches `wanted`.
fn energy_rank(eigenvalues: &[f64], wanted: f64) -> Option<usize> {
    if wanted == 0.0 {
        return Some(0);
    }
    let mut sum = 0.0;
    let reached = eigenvalues.iter().position(|value| {
        sum += value;
        wanted <= sum
    });
    reached.map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_testkit::assert_close;

    const ALL: Extent = Extent::All;

    fn spectrum(w: &[f32], sides: [usize; 2], extent: Extent) -> Spectrum {
        let squares = w.iter().map(|&x| f64::from(x).powi(2)).sum();
        Spectrum::of(w, sides, squares, extent, &mut Rng::new(0).fork("test")).unwrap()
    }

    fn diagonal(values: &[f32], sides: [usize; 2]) -> Vec<f32> {
        let mut w = vec![0.0; sides[0] * sides[1]];
        values.iter().enumerate().for_each(|(at, &s)| w[at * sides[1] + at] = s);
        w
    }

    #[test]
    fn an_identity_a_rank_one_and_a_known_diagonal() {
        let identity = spectrum(&diagonal(&[1.0; 12], [12, 12]), [12, 12], ALL);
        let ranks = [identity.stable_rank, identity.effective_rank.unwrap(), identity.spectral_norm];
        assert_close!(ranks, [12.0, 12.0, 1.0], relative = 1e-6);
        assert_eq!((identity.energy_ranks, identity.tail), ([Some(6), Some(11), Some(12), Some(12)], None));

        let one: Vec<f32> = (0..60).map(|at| [1.0_f32, -2.0, 2.0][at / 20]).collect();
        let one = spectrum(&one, [3, 20], ALL);
        let found = [one.stable_rank, one.effective_rank.unwrap(), one.spectral_norm];
        assert_close!(found, [1.0, 1.0, 180.0_f64.sqrt()], relative = 1e-5);
        assert_eq!(one.energy_ranks, [Some(1); 4]);
        // Beside the one direction there is rounding, and no noise.
        let thirds: Vec<f32> =
            (0..1200).map(|at| (at % 40 + 1) as f32 / 3.0 * ((at / 40) as f32).sin()).collect();
        for extent in [ALL, Extent::Leading(2)] {
            let one = spectrum(&thirds, [30, 40], extent);
            assert!(one.noise.is_none() && (one.stable_rank - 1.0).abs() < 1e-5, "{one:?}");
        }

        // Energies 16, 4, 4, 1 of 25.
        let known = spectrum(&diagonal(&[1.0, 4.0, 2.0, 2.0], [4, 9]), [4, 9], ALL);
        assert_close!(known.singular_values, [4.0_f32, 2.0, 2.0, 1.0], relative = 1e-6);
        assert_eq!(known.energy_ranks, [Some(1), Some(3), Some(3), Some(4)]);
        assert_close!([known.stable_rank], [25.0 / 16.0], relative = 1e-6);
        let logarithms = [known.log_norm.unwrap(), known.log_spectral_norm.unwrap()];
        assert_close!(logarithms, [25.0_f64.log10(), 16.0_f64.log10()], absolute = 1e-6);
    }

    #[test]
    fn zeros_have_no_direction() {
        for extent in [ALL, Extent::Leading(2)] {
            let zero = spectrum(&[0.0; 40 * 30], [40, 30], extent);
            assert_eq!((zero.stable_rank, zero.energy_ranks), (0.0, [Some(0); 4]), "{extent:?}");
            assert_eq!((zero.noise, zero.tail, zero.log_norm, zero.weighted_alpha), (None, None, None, None));
        }
    }

    /// Tracy and Widom: one time in six the largest value of noise is a little above the edge, so most of twenty draws count.
    #[test]
    fn of_noise_and_a_direction_one_stands_out() {
        let flat = spectrum(&diagonal(&[1.0; 12], [12, 12]), [12, 12], ALL).noise.unwrap();
        assert!(flat.outliers == 0 && flat.energy.is_sign_positive(), "{flat:?}");
        const SIDES: [usize; 2] = [80, 50];
        let edge = 0.1 * (80.0_f32.sqrt() + 50.0_f32.sqrt());
        let draws = |spike: f32, extent: Extent| -> Vec<Spectrum> {
            let each = spike / 4000.0_f32.sqrt();
            let noise = |draw| Rng::new(6).fork_index("noise", draw).normals(4000, 0.1);
            let raised = |draw| noise(draw).iter().map(|x| x + each).collect::<Vec<f32>>();
            (0..20).map(|draw| spectrum(&raised(draw), SIDES, extent)).collect()
        };
        for (spike, outliers) in [(0.0, 0), (3.0 * edge, 1)] {
            for extent in [ALL, Extent::Leading(8)] {
                let found = draws(spike, extent);
                let bulks: Vec<Bulk> = found.iter().map(|found| found.noise.unwrap()).collect();
                assert!(bulks.iter().all(|bulk| (bulk.deviation - 0.1).abs() < 0.007), "{bulks:?}");
                assert!(bulks.iter().all(|bulk| bulk.outliers <= outliers + 2), "{bulks:?}");
                assert!(12 <= bulks.iter().filter(|bulk| bulk.outliers == outliers).count(), "{bulks:?}");
                for (found, bulk) in found.iter().zip(bulks).filter(|(_, bulk)| bulk.outliers == 1) {
                    // Its energy is s₁² of ‖W‖².
                    assert!((bulk.energy * found.stable_rank - 1.0).abs() < 1e-6, "{found:?}");
                }
            }
        }
    }

    /// Twenty directions stand out, eight are known.
    #[test]
    fn where_all_leading_values_stand_out_there_are_at_least_so_many() {
        const SIDE: usize = 120;
        let mut w = Rng::new(7).fork("noise").normals(SIDE * SIDE, 0.1);
        (0..20).for_each(|at| w[at * (SIDE + 1)] += 10.0);
        let [all, leading] = [ALL, Extent::Leading(8)].map(|extent| spectrum(&w, [SIDE; 2], extent));
        let (known, guessed) = (all.noise.unwrap(), leading.noise.unwrap());
        assert_eq!(
            [(known.outliers, known.at_least), (guessed.outliers, guessed.at_least)],
            [(20, false), (8, true)]
        );
        assert!(known.edge < guessed.edge && guessed.energy < known.energy, "{known:?} {guessed:?}");
        assert!(known.deviation < guessed.deviation, "{known:?} {guessed:?}");
        // What follows may be the tail of a power law.
        assert!(all.tail.is_some() && all.weighted_alpha.is_some());
        assert_eq!((leading.tail, leading.weighted_alpha), (None, None));
        // One more than stand out.
        let enough = spectrum(&w, [SIDE; 2], Extent::Leading(21)).noise.unwrap();
        assert_eq!((enough.outliers, enough.at_least), (20, false));
        assert!((enough.deviation - 0.1).abs() < 0.01, "{enough:?}");
    }

    #[test]
    fn the_leading_values_lie_within_their_bound() {
        let [rows, columns] = [90, 120];
        let w = Rng::new(8).fork("flat").normals(rows * columns, 1.0);
        let (all, leading) =
            (spectrum(&w, [rows, columns], ALL), spectrum(&w, [rows, columns], Extent::Leading(6)));
        let bound = leading.bound.unwrap();
        assert_eq!((leading.singular_values.len(), leading.effective_rank), (6, None));
        for (exact, found) in all.singular_values.iter().zip(&leading.singular_values) {
            let (exact, found) = (f64::from(*exact), f64::from(*found));
            assert!(
                found <= exact * (1.0 + 1e-5) && exact <= found.hypot(bound) * (1.0 + 1e-5),
                "{found} {exact}"
            );
        }
        assert!(f64::from(all.singular_values[6]) <= bound, "{bound}");
        assert!((leading.stable_rank / all.stable_rank - 1.0).abs() < 0.1);
        assert_eq!(leading.energy_ranks[3], None);
        // Where nothing is saved, all are found.
        assert_eq!(spectrum(&w, [rows, columns], Extent::Leading(80)).bound, None);
    }
}
