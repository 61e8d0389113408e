//! What neurons that are there twice change of a layer: nothing that matters.

use super::chain::Link;
use crate::findings::{self, Finding};
use rankine_analyze::interaction::{LayerFindings, Synchronised};

/// Neurons that are put there twice.
pub(super) const COUNT: usize = 4;

/// The first hidden layer as it is, and with some neurons twice.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Twice {
    functional: [usize; 2],
    activation_rank: [usize; 2],
    /// The largest difference of a Λ, over the largest Λ.
    apart: f64,
    pairs: [usize; 2],
    /// Directions of the map behind that change nothing.
    free: [usize; 2],
    /// Weights of that map that came with the neurons.
    added: usize,
}

impl Twice {
    pub fn of(layers: [&LayerFindings; 2], added: usize) -> Self {
        let [plain, doubled] = layers;
        let pairs = plain.importance.iter().zip(&doubled.importance);
        let largest = plain.importance.first().copied().unwrap_or(f64::NAN);
        let synchronised = |layer: &LayerFindings| layer.synchronised.as_ref().map_or(0, Synchronised::pairs);
        Self {
            functional: layers.map(LayerFindings::functional),
            activation_rank: layers.map(|layer| layer.activation_rank),
            apart: findings::largest(pairs.map(|(one, other)| (one - other).abs() / largest)),
            pairs: layers.map(synchronised),
            free: layers.map(|layer| layer.maps.iter().map(|map| map.free()).sum()),
            added,
        }
    }

    pub fn finding(&self) -> Finding {
        let Self { functional, activation_rank, apart, pairs, free, added } = self;
        Finding::new(
            "neurons that are there twice change no importance, fire together, and leave all their weights free",
            "degeneracies of the three kinds (theory)",
            format!(
                "Λ apart by {apart:.0e} of the largest, {} of {} directions matter; {} pairs that fire together after {}; {} free \
                 weights after {}, {added} added",
                functional[1], activation_rank[1], pairs[1], pairs[0], free[1], free[0]
            ),
            *apart < 1e-4
                && functional[0] == functional[1]
                && activation_rank[0] == activation_rank[1]
                && pairs[0] + COUNT <= pairs[1]
                && free[0] + added <= free[1],
        )
    }
}

/// The first neurons of the first hidden layer twice, each with half of what it gave.
pub(super) fn doubled(mut links: Vec<Link>) -> Vec<Link> {
    let [first, second, ..] = links.as_mut_slice() else { return links };
    let [outputs, inputs] = first.shape;
    first.weight.extend_from_within(..COUNT * inputs);
    if let Some(bias) = &mut first.bias {
        bias.extend_from_within(..COUNT);
    }
    first.shape = [outputs + COUNT, inputs];
    let share = |weights: &[f32]| {
        let halves: Vec<f32> = weights[..COUNT].iter().map(|weight| weight / 2.0).collect();
        [halves.as_slice(), &weights[COUNT..], halves.as_slice()].concat()
    };
    second.weight = second.weight.chunks(outputs).flat_map(share).collect();
    second.shape[1] = outputs + COUNT;
    links
}
