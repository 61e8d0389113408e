//! How features of a layer act on those of the next.
//!
//!     Ê_ij = (1/n)·Σ A_ij²        A_ij = ∂f̂ᵢ′/∂f̂_j · f̂_j
//!
//! Gradients at the point itself. Where a row of a layer reaches several rows of the next, Ê is estimated with a random sign for
//! each of these. The last layer acts on the outputs, where the sources are these.

use super::{LayerFindings, Network, Of, Question, Settings, step};
use crate::{Error, Progress, Result, Watch};

/// From the features of a layer to those of the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Edges {
    /// Which layer.
    pub from: usize,
    /// How many of its features, the most important ones.
    pub features: usize,
    /// Ê, a row for each feature of the next layer, or each output; [h′, h].
    pub strengths: Vec<Vec<f64>>,
}

impl Edges {
    /// The strongest ones, the strongest first: feature of the next layer, feature of the layer, Ê.
    pub fn strongest(&self, count: usize) -> Vec<(usize, usize, f64)> {
        let rows = self.strengths.iter().enumerate();
        let all =
            rows.flat_map(|(to, row)| row.iter().enumerate().map(move |(from, &edge)| (to, from, edge)));
        let mut edges: Vec<_> = all.filter(|(.., edge)| 0.0 < *edge).collect();
        edges.sort_by(|one, other| other.2.total_cmp(&one.2));
        edges.truncate(count);
        edges
    }

    /// Σ Ê.
    pub fn total(&self) -> f64 {
        self.strengths.iter().flatten().sum()
    }
}

/// Edges between the leading features of every layer and the next. Progress is counted in backward passes.
///
/// # Errors
/// As [`analyse`](super::analyse).
pub fn edges(
    network: &mut dyn Network,
    layers: &[LayerFindings],
    settings: &Settings,
    watch: &mut Watch,
) -> Result<Vec<Edges>> {
    let features = |layer: &LayerFindings| layer.basis.dimension().min(settings.features);
    let (sources, batches) = (network.sources(), network.batches().min(settings.edge_batches));
    let outputs = if sources.exact && 0 < settings.features { sources.count } else { 0 };
    let targets: Vec<usize> = layers.iter().skip(1).map(features).chain([outputs]).collect();
    let total = (targets.iter().sum::<usize>() * batches) as u64;
    let mut progress = Progress { done: 0, total };
    let mut found = Vec::new();
    for ((from, layer), &count) in layers.iter().enumerate().zip(&targets) {
        if count == 0 || features(layer) == 0 {
            progress.done += (count * batches) as u64;
            continue;
        }
        let mut edges = Edges { from, features: features(layer), strengths: Vec::with_capacity(count) };
        for to in 0..count {
            let direction = layers.get(from + 1).map(|next| column(next, to));
            let of = direction.as_ref().map_or(Of::Output(to), |direction| Of::Layer(from + 1, direction));
            let (mut sums, mut rows) = (vec![0.0; edges.features], 0);
            for batch in 0..batches {
                let question = Question { batch, of, by: &[from], maps: false };
                let derived = network.derive(&question).map_err(|source| Error::Network { source })?;
                for derived in &derived {
                    let values = layer.basis.features(&derived.activations, &layer.mean, edges.features);
                    let slopes = layer.basis.derivatives(&derived.gradients, edges.features);
                    for (j, sum) in sums.iter_mut().enumerate() {
                        let products = values.col(j).iter().zip(slopes.col(j).iter());
                        *sum += products.map(|(value, slope)| (value * slope).powi(2)).sum::<f64>();
                    }
                    rows += values.nrows();
                }
                step(&mut progress, watch)?;
            }
            edges.strengths.push(sums.iter().map(|sum| sum / rows.max(1) as f64).collect());
        }
        found.push(edges);
    }
    Ok(found)
}

/// A column of C; [d].
fn column(layer: &LayerFindings, feature: usize) -> Vec<f32> {
    layer.basis.forward.col(feature).iter().map(|&x| x as f32).collect()
}
