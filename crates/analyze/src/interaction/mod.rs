//! The interaction basis: coordinates of the layers of a network in which what does nothing is left out.
//!
//!     G = (1/n)·Σ (f − f̄)(f − f̄)ᵀ = U·D·Uᵀ        K = (1/n)·Σ JᵀJ, J = ∂y/∂f        f: [d] activations, y: [k] outputs
//!     R = U·D^{−1/2},  R⁺·K·R⁺ᵀ = V·Λ·Vᵀ,  C = R·V·Λ^{1/2}        f̂ = (f − f̄)·C: [h]
//!
//! In it (1/n)·Σ f̂ᵀf̂ = Λ and a change of any feature by 1 changes the outputs by as much: Λ_i is what feature i matters, whatever
//! invertible map was put between two layers. Directions without variance and directions without gradient are gone.
//!
//!     Ê_ij = (1/n)·Σ (∂f̂ᵢ′/∂f̂_j · f̂_j)²        from feature j of a layer to feature i of the next
//!     Q = Σ_c [w_in(c)/W − γ·(deg(c)/2W)²]      of the modules c of that graph
//!
//! What else does nothing: of a map [out, in] at least in·out − rank(f)·rank(∂y/∂pre) directions, and of p units that fire
//! together p·(p − 1), since any p × p matrix near 1 may be put before them and its inverse behind.
//!
//! A layer is what one or more maps read: the inputs of q, k and v are one. Positions of texts and pixels of maps of images
//! are rows like examples, n counts them all, and gradients are sums over all outputs. What runs the network is a
//! [`Network`]; where its outputs are many, K is estimated from random signs. Costs one backward pass a batch and source of
//! gradients, O(d²) a row, and two decompositions of O(d³) a layer; edges cost as many passes as there are features.
//!
//! Paper: [interaction] §3 and §4, with the basis of the authors' code (`jacobian` formula, to the outputs, gradients at the
//! point itself). Departures: means are moved into the bias and the constant direction is left out, where the code keeps it
//! first; thresholds are relative to the largest eigenvalue; weights of the graph are the shares of Ê of a pair of layers;
//! modules are Louvain's; what a row adds to an edge is squared by itself, where the code adds the positions of an example
//! first. The basis towards the next layer is in `interaction/local.rs`, integrated gradients in `interaction/integration.rs`.

mod basis;
mod degeneracy;
mod edges;
mod firing;
mod integration;
mod layers;
mod local;
mod measure;
mod modules;
mod moments;
mod network;

pub use basis::{Basis, Coordinates};
pub use degeneracy::{Degeneracy, rank};
pub use edges::{Edges, edges};
pub use firing::{Firing, Synchronised};
pub use integration::{Integration, Path, Point};
pub use layers::{LayerFindings, layers};
pub use modules::{Graph, Modules};
pub use moments::Moments;
pub use network::{Derived, Layer, Map, Network, Of, Question, Sources};

use crate::{Progress, Result, Watch};
use rankine_random::Rng;

/// How it is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Eigenvalues up to this share of the largest count as none.
    pub tolerance: f64,
    /// In which coordinates features and edges are.
    pub coordinates: Coordinates,
    /// Features of a layer between which edges are measured, at most; without edges where 0.
    pub features: usize,
    /// Batches that edges are measured on, at most.
    pub edge_batches: usize,
    /// Where the slopes of edges are taken.
    pub integration: Integration,
    /// γ of the modules.
    pub resolution: f64,
    /// Bytes of Gram matrices that are held together: more layers take more passes.
    pub bytes: usize,
    /// Of the order in which nodes are moved into modules.
    pub seed: u64,
}

impl Default for Settings {
    /// The tolerance of the authors' runs on transformers, their γ, and half a gigabyte.
    fn default() -> Self {
        Self {
            tolerance: 1e-6,
            coordinates: Coordinates::Interaction,
            features: 16,
            edge_batches: 4,
            integration: Integration::Gradient,
            resolution: 1.0,
            bytes: 512 << 20,
            seed: 0,
        }
    }
}

/// What was found in a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Interaction {
    /// Layer by layer, in the order in which they are computed.
    pub layers: Vec<LayerFindings>,
    /// From every layer to the next, and from the last to the outputs where these are few.
    pub edges: Vec<Edges>,
    /// Modules of the features that edges join, where there are any.
    pub modules: Option<Modules>,
}

/// Looks into a network. Progress is counted in backward passes.
///
/// # Errors
/// When a setting is out of its range, the network cannot be run, an activation or gradient is not finite, or `watch` breaks off.
pub fn analyse(network: &mut dyn Network, settings: &Settings, watch: &mut Watch) -> Result<Interaction> {
    let found = layers(network, settings, watch)?;
    let edges = edges(network, &found, settings, watch)?;
    let modules = (!edges.is_empty()).then(|| {
        let graph = Graph::of(&edges);
        graph.modules(settings.resolution, &Rng::new(settings.seed).fork("modules"))
    });
    Ok(Interaction { layers: found, edges, modules })
}

/// One more pass is done.
fn step(progress: &mut Progress, watch: &mut Watch) -> Result<()> {
    progress.done += 1;
    progress.tell(watch)
}
