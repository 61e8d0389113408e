//! Modules of a graph, by Louvain's method.
//!
//!     Q = Σ_c [w_in(c)/W − γ·(deg(c)/2W)²]        W: the weight of all edges
//!
//! Nodes are moved, one after the other, into the module of a neighbour where Q grows most, until none moves; then modules
//! are nodes, and it begins anew. The best of ten walks, each in a random order. Costs a few times the number of edges a walk.

use super::Edges;
use rankine_random::Rng;
use std::collections::BTreeMap;

/// Walks from which the best is taken.
const ROUNDS: usize = 10;
/// Passes over the nodes of a level at most; a handful is usual.
const PASSES: usize = 100;
/// What Q must grow by for a move, so that rounding moves nothing for ever.
const LEAST: f64 = 1e-12;

/// An undirected graph with weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// Neighbours of every node with the weights of the edges, each edge at both of its ends.
    neighbours: Vec<Vec<(usize, f64)>>,
    /// Weight of the edge from every node to itself.
    loops: Vec<f64>,
    /// Layer and feature of every node; layers are counted on to the outputs.
    pub nodes: Vec<(usize, usize)>,
}

/// A partition of the nodes of a graph.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Modules {
    /// Layer and feature of every node; the outputs come behind the last layer.
    pub nodes: Vec<(usize, usize)>,
    /// The module of every node, from 0, in the order in which they are first met.
    pub module: Vec<usize>,
    /// Q.
    pub modularity: f64,
}

impl Graph {
    /// A graph of `nodes` nodes, all of one layer.
    pub fn new(nodes: usize, edges: impl IntoIterator<Item = (usize, usize, f64)>) -> Self {
        let mut graph = Self {
            neighbours: vec![Vec::new(); nodes],
            loops: vec![0.0; nodes],
            nodes: (0..nodes).map(|node| (0, node)).collect(),
        };
        for (one, other, weight) in edges {
            match one == other {
                true => graph.loops[one] += weight,
                false => {
                    graph.neighbours[one].push((other, weight));
                    graph.neighbours[other].push((one, weight));
                }
            }
        }
        graph
    }

    /// Of features: an edge weighs its share of Ê between its two layers, so that all pairs of layers weigh the same.
    pub fn of(edges: &[Edges]) -> Self {
        let mut places: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for Edges { from, features, strengths } in edges {
            let here = (0..*features).map(|feature| (*from, feature));
            for node in here.chain((0..strengths.len()).map(|feature| (from + 1, feature))) {
                let next = places.len();
                places.entry(node).or_insert(next);
            }
        }
        let weighted = edges.iter().flat_map(|pair| {
            let total = pair.total();
            pair.strongest(usize::MAX)
                .into_iter()
                .map(move |(to, from, edge)| ((pair.from, from), (pair.from + 1, to), edge / total))
        });
        let edges = weighted.map(|(from, to, weight)| (places[&from], places[&to], weight));
        let mut graph = Self::new(places.len(), edges);
        places.into_iter().for_each(|(node, place)| graph.nodes[place] = node);
        graph
    }

    /// Modules of large Q; γ above 0.
    pub fn modules(&self, resolution: f64, rng: &Rng) -> Modules {
        let mut best = Modules::default();
        for round in 0..ROUNDS {
            let module = self.walk(resolution, &mut rng.fork_index("round", round));
            let modularity = self.modularity(&module, resolution);
            if round == 0 || best.modularity + LEAST < modularity {
                best = Modules { nodes: self.nodes.clone(), module, modularity };
            }
        }
        best
    }

    /// Q of a partition; 0 of a graph without edges.
    pub fn modularity(&self, module: &[usize], resolution: f64) -> f64 {
        let (degrees, twice) = self.degrees();
        let count = module.iter().max().map_or(0, |last| last + 1);
        let (mut within, mut sums) = (vec![0.0; count], vec![0.0; count]);
        for (node, &own) in module.iter().enumerate() {
            let inside = self.neighbours[node].iter().filter(|(other, _)| module[*other] == own);
            within[own] += 2.0 * self.loops[node] + inside.map(|(_, weight)| weight).sum::<f64>();
            sums[own] += degrees[node];
        }
        let part = |(within, sum): (&f64, &f64)| within / twice - resolution * (sum / twice).powi(2);
        if 0.0 < twice { within.iter().zip(&sums).map(part).sum() } else { 0.0 }
    }

    /// Weight at every node, loops twice, and the sum of all, 2W.
    fn degrees(&self) -> (Vec<f64>, f64) {
        let nodes = self.neighbours.iter().zip(&self.loops);
        let degrees: Vec<f64> = nodes
            .map(|(edges, own)| edges.iter().map(|(_, weight)| weight).sum::<f64>() + 2.0 * own)
            .collect();
        let sum = degrees.iter().sum();
        (degrees, sum)
    }

    /// Levels of moves and merging; a module for every node.
    fn walk(&self, resolution: f64, rng: &mut Rng) -> Vec<usize> {
        let mut whole: Vec<usize> = (0..self.nodes.len()).collect();
        let mut level = self.clone();
        loop {
            let module = level.moved(resolution, rng);
            whole.iter_mut().for_each(|place| *place = module[*place]);
            let merged = level.merged(&module);
            if merged.nodes.len() == level.nodes.len() {
                return numbered(&whole);
            }
            level = merged;
        }
    }

    /// Moves single nodes until none gains.
    fn moved(&self, resolution: f64, rng: &mut Rng) -> Vec<usize> {
        let (degrees, twice) = self.degrees();
        let (mut module, mut sums) = ((0..degrees.len()).collect::<Vec<_>>(), degrees.clone());
        let mut order = module.clone();
        rng.shuffle(&mut order);
        for _ in 0..PASSES {
            let mut has_moved = false;
            for &node in &order {
                let own = module[node];
                sums[own] -= degrees[node];
                let mut shared: BTreeMap<usize, f64> = BTreeMap::from([(own, 0.0)]);
                for &(other, weight) in &self.neighbours[node] {
                    *shared.entry(module[other]).or_default() += weight;
                }
                let gain = |to: usize, shared: f64| shared - resolution * degrees[node] * sums[to] / twice;
                let stay = gain(own, shared.get(&own).copied().unwrap_or(0.0));
                let (mut best, mut most) = (own, stay + LEAST * twice);
                for (&to, &weight) in &shared {
                    let gain = gain(to, weight);
                    if most < gain {
                        (best, most) = (to, gain);
                    }
                }
                sums[best] += degrees[node];
                module[node] = best;
                has_moved |= best != own;
            }
            if !has_moved {
                break;
            }
        }
        numbered(&module)
    }

    /// The graph whose nodes are the modules.
    fn merged(&self, module: &[usize]) -> Self {
        let count = module.iter().max().map_or(0, |last| last + 1);
        let mut weights: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for (node, edges) in self.neighbours.iter().enumerate() {
            *weights.entry((module[node], module[node])).or_default() += self.loops[node];
            for &(other, weight) in edges.iter().filter(|(other, _)| node < *other) {
                let (one, two) = (module[node].min(module[other]), module[node].max(module[other]));
                *weights.entry((one, two)).or_default() += weight;
            }
        }
        Self::new(count, weights.into_iter().map(|((one, other), weight)| (one, other, weight)))
    }
}

/// The same partition with its modules counted in the order in which they are met.
fn numbered(module: &[usize]) -> Vec<usize> {
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    let number = |own: &usize| {
        let next = numbers.len();
        *numbers.entry(*own).or_insert(next)
    };
    module.iter().map(number).collect()
}

impl Modules {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.module.iter().max().map_or(0, |last| last + 1)
    }

    /// The nodes of every module: layer and feature.
    pub fn members(&self) -> Vec<Vec<(usize, usize)>> {
        let mut members = vec![Vec::new(); self.count()];
        self.module.iter().zip(&self.nodes).for_each(|(&module, &node)| members[module].push(node));
        members
    }
}
