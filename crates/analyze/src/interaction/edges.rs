//! How features of a layer act on those of the next.
//!
//!     Ê_ij = (1/n)·Σ A_ij²        A_ij = ∂f̂ᵢ′/∂f̂_j · f̂_j
//!
//! Slopes are gradients at the point itself, or integrated on the way there (`interaction/integration.rs`). Where a row of a layer
//! reaches several rows of the next, Ê is estimated with a random sign for each of these. The last layer acts on the outputs,
//! where the sources are these.

use super::{LayerFindings, Network, Of, Path, Settings, step};
use crate::{Progress, Result, Watch};

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
    let passes = batches * settings.integration.points().len();
    let mut progress = Progress { done: 0, total: (targets.iter().sum::<usize>() * passes) as u64 };
    let mut found = Vec::new();
    for ((from, layer), &count) in layers.iter().enumerate().zip(&targets) {
        let features = features(layer);
        if count == 0 || features == 0 {
            progress.done += (count * passes) as u64;
            continue;
        }
        let (mut strengths, mut rows) = (vec![vec![0.0; features]; count], 0);
        for batch in 0..batches {
            let path = Path::new(network, (from, layer), batch, settings.integration)?;
            for (to, sums) in strengths.iter_mut().enumerate() {
                let direction = layers.get(from + 1).map(|next| column(next, to));
                let of =
                    direction.as_ref().map_or(Of::Output(to), |direction| Of::Layer(from + 1, direction));
                let passed = &mut || step(&mut progress, watch);
                let attributed = path.attributions(network, of, features, passed)?;
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum += attributed.col(j).iter().map(|a| a.powi(2)).sum::<f64>();
                }
                rows += if to == 0 { attributed.nrows() } else { 0 };
            }
        }
        strengths.iter_mut().flatten().for_each(|sum| *sum /= rows.max(1) as f64);
        found.push(Edges { from, features, strengths });
    }
    Ok(found)
}

/// A column of C; [d].
fn column(layer: &LayerFindings, feature: usize) -> Vec<f32> {
    layer.basis.forward.col(feature).iter().map(|&x| x as f32).collect()
}
