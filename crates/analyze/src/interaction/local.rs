//! The local interaction basis (LIB): directions of a layer by how much they influence the features of the next.
//!
//!     K = (1/n)·Σ JᵀJ, J = ∂f̂′/∂f        f̂′: [h′] features of the next layer, for the last layer the outputs
//!
//! From the last layer, whose basis is the one towards the outputs, back to the first. Where the next layer has more features
//! than the network has sources, K is estimated from as many of their sums with random signs. Costs a backward pass a batch,
//! layer and direction, and two decompositions of O(d³) a layer.
//!
//! Paper: [interaction], the companion's basis in the authors' code. Departure: the features of the outputs are these as they
//! are, where the code may rotate them.

use super::measure::Measured;
use super::{Basis, LayerFindings, Network, Of, Question, Settings, step};
use crate::{Error, Progress, Result, Watch};
use rankine_random::Rng;

/// Puts the local basis in the place of every layer's; their bases are those towards the outputs.
pub(super) fn localise(
    network: &mut dyn Network,
    found: &mut [LayerFindings],
    settings: &Settings,
    watch: &mut Watch,
) -> Result<()> {
    let (inner, batches, most) = (found.len().saturating_sub(1), network.batches(), network.sources().count);
    let mut progress = Progress { done: 0, total: (inner * batches * most) as u64 };
    let rng = Rng::new(settings.seed).fork("local");
    for at in (0..inner).rev() {
        let next = &found[at + 1].basis;
        let directions = directions(next, most, &rng.fork_index("layer", at));
        let factor = if next.dimension() <= most { directions.len() as f64 } else { 1.0 };
        let layer = found[at].layer.clone();
        let failed = |source| Error::Decomposition { name: layer.name.clone(), source };
        let mut measured = Measured::new(layer.clone(), factor);
        for batch in 0..batches {
            for (source, direction) in directions.iter().enumerate() {
                let question =
                    Question { batch, of: Of::Layer(at + 1, direction), by: &[at], maps: false, shift: None };
                let derived = network.derive(&question).map_err(|source| Error::Network { source })?;
                derived.iter().try_for_each(|derived| measured.see(derived, source == 0)).map_err(failed)?;
                step(&mut progress, watch)?;
            }
        }
        progress.done += (batches * (most - directions.len())) as u64;
        let moments = (measured.activations.covariance(), measured.gradients());
        let basis = Basis::interaction((&moments.0, &moments.1), layer.width, settings.tolerance);
        found[at].basis = basis.map_err(failed)?;
    }
    Ok(())
}

/// The features themselves, or `most` of their sums with random signs; [directions][d].
fn directions(next: &Basis, most: usize, rng: &Rng) -> Vec<Vec<f32>> {
    let (features, width) = (next.dimension(), next.forward.nrows());
    let weights = |source: usize| -> Vec<f32> {
        match features <= most {
            true => (0..features).map(|feature| f32::from(u8::from(feature == source))).collect(),
            false => rng.fork_index("source", source).signs(features),
        }
    };
    let along = |weights: Vec<f32>| -> Vec<f32> {
        let entry = |unit: usize| {
            let terms = weights.iter().enumerate();
            terms.map(|(feature, &weight)| next.forward[(unit, feature)] * f64::from(weight)).sum::<f64>()
        };
        (0..width).map(|unit| entry(unit) as f32).collect()
    };
    (0..features.min(most)).map(|source| along(weights(source))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_linalg::double::Mat;

    #[test]
    fn directions_are_features_or_sums_of_them_with_signs() {
        let columns = Mat::from_fn(2, 3, |i, j| (10 * i + j) as f64 + 1.0);
        let basis = Basis { importance: vec![3.0, 2.0, 1.0], forward: columns, back: Mat::zeros(3, 2) };
        let rng = Rng::new(1);
        assert_eq!(directions(&basis, 3, &rng), [[1.0, 11.0], [2.0, 12.0], [3.0, 13.0]]);
        let sums = directions(&basis, 2, &rng);
        assert_eq!(sums.len(), 2);
        for sum in sums {
            // One choice of signs makes both entries.
            let signs = [1.0_f32, -1.0];
            let all = signs.map(|a| {
                signs.map(|b| signs.map(|c| [a + 2.0 * b + 3.0 * c, 11.0 * a + 12.0 * b + 13.0 * c]))
            });
            assert!(all.as_flattened().as_flattened().contains(&[sum[0], sum[1]]), "{sum:?}");
        }
    }
}
