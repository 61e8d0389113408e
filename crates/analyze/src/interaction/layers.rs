//! What was found in every layer by itself: ranks, the basis, what does nothing.

use super::local::localise;
use super::measure::{Measured, check, groups, measure};
use super::{Basis, Coordinates, Degeneracy, Layer, Network, Settings, Synchronised, rank};
use crate::{Error, Progress, Result, Watch};
use rankine_linalg::double::Mat;
use rankine_linalg::eigvalsh;
use rayon::prelude::*;

/// What was found in a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerFindings {
    /// The layer.
    pub layer: Layer,
    /// n: examples times positions.
    pub rows: usize,
    /// f̄; [d].
    pub mean: Vec<f64>,
    /// D, descending; [d].
    pub variances: Vec<f64>,
    /// Eigenvalues of K, descending; [d].
    pub gradients: Vec<f64>,
    /// How many of the variances count.
    pub activation_rank: usize,
    /// How many of the eigenvalues of K count.
    pub gradient_rank: usize,
    /// Λ of the interaction basis, descending; [h].
    pub importance: Vec<f64>,
    /// The coordinates that were asked for.
    pub basis: Basis,
    /// Which units fire together; `None` where they are no ReLUs.
    pub synchronised: Option<Synchronised>,
    /// The maps that read it, convolutions left out.
    pub maps: Vec<Degeneracy>,
}

impl LayerFindings {
    /// How many directions do something for the outputs.
    pub fn functional(&self) -> usize {
        self.importance.len()
    }

    fn new(measured: &Measured, settings: &Settings) -> rankine_linalg::Result<Self> {
        let (width, tolerance) = (measured.layer.width, settings.tolerance);
        let (covariance, k) = (measured.activations.covariance(), measured.gradients());
        let variances = eigenvalues(&covariance, width)?;
        let gradients = eigenvalues(&k, width)?;
        let activation_rank = rank(&variances, tolerance);
        let interaction = Basis::interaction((&covariance, &k), width, tolerance)?;
        let importance = interaction.importance.clone();
        let basis = match settings.coordinates {
            Coordinates::Interaction | Coordinates::Local => interaction,
            other => Basis::new(other, (&covariance, &k), width, tolerance)?,
        };
        let about_zero = rank(&eigenvalues(&measured.activations.second(), width)?, tolerance);
        let mut maps = Vec::new();
        for (map, gradients) in measured.layer.maps.iter().zip(measured.map_gradients()) {
            if let (Some(gradients), Some(outputs)) = (gradients, map.outputs) {
                let gradient_rank = rank(&eigenvalues(&gradients, outputs)?, tolerance);
                maps.extend(Degeneracy::new(map, width, [about_zero, activation_rank], gradient_rank));
            }
        }
        Ok(Self {
            layer: measured.layer.clone(),
            rows: measured.activations.rows(),
            mean: measured.activations.mean(),
            activation_rank,
            gradient_rank: rank(&gradients, tolerance),
            variances,
            gradients,
            importance,
            basis,
            synchronised: measured.firing.synchronised(),
            maps,
        })
    }
}

/// Descending; of a symmetric matrix [n, n].
fn eigenvalues(entries: &[f64], width: usize) -> rankine_linalg::Result<Vec<f64>> {
    let matrix = Mat::from_fn(width, width, |i, j| entries[i * width + j]);
    let mut values = eigvalsh(matrix.as_ref())?;
    values.reverse();
    Ok(values)
}

/// Looks into every layer of a network, as many in one walk over the data as fit into memory. Progress is counted in backward
/// passes.
///
/// # Errors
/// As [`analyse`](super::analyse).
pub fn layers(
    network: &mut dyn Network,
    settings: &Settings,
    watch: &mut Watch,
) -> Result<Vec<LayerFindings>> {
    let all = network.layers();
    check(&all, settings)?;
    let groups = groups(&all, settings.bytes);
    let passes = groups.len() * network.batches() * network.sources().count;
    let mut progress = Progress { done: 0, total: passes as u64 };
    let mut found = Vec::with_capacity(all.len());
    for group in &groups {
        let measured = measure(network, (&all, group), &mut progress, watch)?;
        let of = |measured: &Measured| {
            let found = LayerFindings::new(measured, settings);
            found.map_err(|source| Error::Decomposition { name: measured.layer.name.clone(), source })
        };
        found.extend(measured.par_iter().with_max_len(1).map(of).collect::<Result<Vec<_>>>()?);
    }
    if settings.coordinates == Coordinates::Local {
        localise(network, &mut found, settings, watch)?;
    }
    Ok(found)
}
