//! Two networks side by side that know nothing of each other, every hidden layer turned so that no neuron shows it.

use super::chain::{Chain, Link, Shown};
use crate::{Result, findings::Finding};
use rankine_analyze::interaction::{Coordinates, Edges, Integration, Interaction, Settings, analyse};
use rankine_linalg::double::{Mat, multiply, orthonormal_basis};
use rankine_random::Rng;
use rankine_report::{Axis, Heat, Page, format};
use rankine_tensor::Tensor;
use std::ops::ControlFlow;

/// Inputs, neurons of a hidden layer and outputs of each of the two.
const SIZES: [usize; 3] = [2, 4, 2];
/// Inputs of each; all pairs are shown, so that the two are independent.
const POINTS: usize = 10;
/// γ: so small that only what does not act on each other at all falls apart.
const RESOLUTION: f64 = 0.1;

/// Coordinates, and where the slopes of edges are taken.
const WAYS: [(&str, Coordinates, Integration); 3] = [
    ("interaction basis", Coordinates::Interaction, Integration::Gradient),
    (
        "interaction basis, integrated gradients",
        Coordinates::Interaction,
        Integration::GaussLegendre { intervals: 5 },
    ),
    ("neurons", Coordinates::Neurons, Integration::Gradient),
];

/// What was found of the two in one of the ways.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Found {
    way: String,
    modules: usize,
    /// Agreement of the modules with the two networks: 1 for the same, about 0 for nothing in common.
    adjusted_rand: f64,
    modularity: f64,
    /// Share of edges of more than 1e-8 of the strongest, from layer to layer.
    density: Vec<f64>,
    #[serde(skip)]
    edges: Vec<Edges>,
}

/// A hidden pair of networks.
struct Pair {
    links: Vec<Link>,
    /// How every layer is turned; f = turn·g.
    turns: Vec<Mat<f64>>,
    inputs: Vec<f32>,
}

/// In all ways, in their order.
pub(super) fn measure(rng: &Rng) -> Result<Vec<Found>> {
    let of = |(name, coordinates, integration)| -> Result<Found> {
        let Pair { links, turns, inputs } = Pair::new(rng);
        let x = Tensor::new(inputs, &[POINTS * POINTS, 2 * SIZES[0]])?;
        let mut shown = Shown::new(Chain::new(links)?, vec![x])?;
        let settings = Settings { coordinates, integration, resolution: RESOLUTION, ..Settings::default() };
        let interaction = analyse(&mut shown, &settings, &mut |_| ControlFlow::Continue(()))?;
        Ok(Found::of(name, interaction, &turns))
    };
    WAYS.into_iter().map(of).collect()
}

impl Pair {
    fn new(rng: &Rng) -> Self {
        let mut rng = rng.fork("pair");
        let [inputs, hidden, outputs] = SIZES;
        let mut blocks = |rows: usize, columns: usize| {
            let scale = (2.0 / columns as f64).sqrt();
            Mat::from_fn(2 * rows, 2 * columns, |i, j| match (i < rows) == (j < columns) {
                true => scale * rng.normal_f64(),
                false => 0.0,
            })
        };
        let [first, second, last] = [blocks(hidden, inputs), blocks(hidden, hidden), blocks(outputs, hidden)];
        let turn =
            |rng: &mut Rng| orthonormal_basis(Mat::from_fn(2 * hidden, 2 * hidden, |_, _| rng.normal_f64()));
        let [one, two] = [turn(&mut rng), turn(&mut rng)];
        let mut link = |weight: &Mat<f64>, relu: bool| Link {
            weight: (0..weight.nrows() * weight.ncols())
                .map(|at| weight[(at / weight.ncols(), at % weight.ncols())] as f32)
                .collect(),
            shape: [weight.nrows(), weight.ncols()],
            bias: relu.then(|| rng.normals(weight.nrows(), 0.5)),
            relu,
        };
        let links = vec![
            link(&first, true),
            link(&one, false),
            link(&multiply(second.as_ref(), one.transpose()), true),
            link(&two, false),
            link(&multiply(last.as_ref(), two.transpose()), false),
        ];
        let halves = ["left", "right"].map(|half| rng.fork(half).normals(POINTS * inputs, 1.0));
        let pairs =
            halves[0].chunks(inputs).flat_map(|one| halves[1].chunks(inputs).map(move |two| [one, two]));
        let straight = |half: usize| Mat::identity(2 * half, 2 * half);
        Self {
            links,
            inputs: pairs.flat_map(|pair| pair.concat()).collect(),
            turns: vec![straight(inputs), straight(hidden), one, straight(hidden), two],
        }
    }
}

impl Found {
    fn of(name: &str, interaction: Interaction, turns: &[Mat<f64>]) -> Self {
        let Interaction { layers, edges, modules } = interaction;
        let modules = modules.unwrap_or_default();
        // A feature belongs to the network that it looks at more, once its layer is turned back.
        let owner = |&(layer, feature): &(usize, usize)| -> usize {
            let Some((found, turn)) = layers.get(layer).zip(turns.get(layer)) else {
                return usize::from(SIZES[2] <= feature);
            };
            let direction = multiply(turn.transpose(), found.basis.forward.as_ref().subcols(feature, 1));
            let half = direction.nrows() / 2;
            let mass = |from: usize| (from..from + half).map(|i| direction[(i, 0)].powi(2)).sum::<f64>();
            usize::from(mass(0) < mass(half))
        };
        let owners: Vec<usize> = modules.nodes.iter().map(owner).collect();
        let density = |edges: &Edges| {
            let most = edges.strongest(1).first().map_or(0.0, |edge| edge.2);
            let all = edges.strengths.iter().flatten();
            let there = all.clone().filter(|&&edge| 1e-8 * most < edge).count();
            there as f64 / all.count().max(1) as f64
        };
        Self {
            way: name.to_owned(),
            modules: modules.count(),
            adjusted_rand: adjusted_rand(&modules.module, &owners),
            modularity: modules.modularity,
            density: edges.iter().map(density).collect(),
            edges,
        }
    }
}

/// Agreement of two partitions, beyond chance: Hubert and Arabie 1985. 1 where both put all into one.
fn adjusted_rand(one: &[usize], other: &[usize]) -> f64 {
    let parts = |labels: &[usize]| labels.iter().max().map_or(0, |last| last + 1);
    let (rows, columns) = (parts(one), parts(other));
    let mut counts = vec![vec![0.0_f64; columns]; rows];
    one.iter().zip(other).for_each(|(&i, &j)| counts[i][j] += 1.0);
    let pairs = |count: f64| count * (count - 1.0) / 2.0;
    let both: f64 = counts.iter().flatten().map(|&count| pairs(count)).sum();
    let of_one: f64 = counts.iter().map(|row| pairs(row.iter().sum())).sum();
    let of_other: f64 = (0..columns).map(|j| pairs(counts.iter().map(|row| row[j]).sum())).sum();
    let expected = of_one * of_other / pairs(one.len() as f64);
    let most = (of_one + of_other) / 2.0;
    if most == expected { 1.0 } else { (both - expected) / (most - expected) }
}

pub(super) fn findings(found: &[Found]) -> Vec<Finding> {
    let [interaction, integrated, neurons] = found else {
        return Vec::new();
    };
    let is_split = |found: &Found| found.modules == 2 && 0.999 < found.adjusted_rand;
    let most = |found: &Found| format::percent(crate::findings::largest(found.density.iter().copied()));
    let modules = |found: &Found| {
        let rand = format::fixed(found.adjusted_rand, 3);
        format!("{} modules with an adjusted Rand index of {rand}", found.modules)
    };
    vec![
        Finding::new(
            "two networks whose hidden layers were turned are the two modules in the interaction basis, and one in neurons",
            "planted here",
            format!(
                "{}, and {}; at most {} and {} of the edges between two layers are there",
                modules(interaction),
                neurons.modules,
                most(interaction),
                most(neurons),
            ),
            is_split(interaction) && neurons.modules == 1,
        ),
        Finding::new(
            "edges of integrated gradients split the two networks as well",
            "planted here",
            format!(
                "{}; at most {} of the edges between two layers are there",
                modules(integrated),
                most(integrated)
            ),
            is_split(integrated),
        ),
    ]
}

pub(super) fn show(found: &[Found], page: &mut Page) {
    page.section("B. Two networks, hidden").text(format!(
        "Two ReLU networks of {} inputs, two hidden layers of {} and {} outputs, side by side; behind each hidden layer stands a \
         random rotation of all of it, which the next map turns back. Shown are all pairs of {POINTS} inputs of the one and {POINTS} of \
         the other; γ = {RESOLUTION}.",
        SIZES[0], SIZES[1], SIZES[2],
    ));
    for Found { way, edges, .. } in found {
        if let Some(edges) = edges.get(2) {
            let title = format!("Edges from the first rotated layer to the next, {way}");
            page.plot(Heat::new(title, Axis::log("Ê"), edges.strengths.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_compared_beyond_chance() {
        assert_eq!(adjusted_rand(&[0, 0, 1, 1], &[1, 1, 0, 0]), 1.0);
        assert_eq!(adjusted_rand(&[0, 0, 0, 0], &[1, 1, 0, 0]), 0.0);
        assert_eq!(adjusted_rand(&[0; 3], &[0; 3]), 1.0);
        // One pair in both, 1·2/6 by chance, 3/2 at most.
        assert!((adjusted_rand(&[0, 0, 1, 2], &[0, 0, 1, 1]) - 4.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn the_two_are_found() {
        let found = measure(&Rng::new(21)).unwrap();
        let findings = findings(&found);
        assert_eq!(findings.len(), 2);
        assert!(findings.iter().all(|finding| finding.holds), "{found:?}");
    }
}
