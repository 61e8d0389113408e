//! One walk over the data: moments of activations and gradients, and patterns of firing, layer by layer.

use super::{Firing, Layer, Moments, Network, Of, Question, Settings, step};
use crate::{Error, Progress, Result, Watch};
use rankine_linalg::SecondMoment;
use rayon::prelude::*;

/// What was seen of a layer.
pub(super) struct Measured {
    pub layer: Layer,
    pub activations: Moments,
    pub firing: Firing,
    /// Of the derivatives by what the layer holds, and by what its maps give.
    gradients: SecondMoment,
    maps: Vec<Option<SecondMoment>>,
    /// From means over rows and sources to sums over the outputs.
    factor: f64,
}

impl Measured {
    pub fn new(layer: Layer, factor: f64) -> Self {
        Self {
            activations: Moments::new(layer.width),
            firing: Firing::new(layer.width),
            gradients: SecondMoment::new(layer.width),
            maps: layer.maps.iter().map(|map| map.outputs.map(SecondMoment::new)).collect(),
            layer,
            factor,
        }
    }

    /// K; [d, d].
    pub fn gradients(&self) -> Vec<f64> {
        self.scaled(&self.gradients)
    }

    /// That of what each map gives, in their order, where it has one; [outputs, outputs].
    pub fn map_gradients(&self) -> Vec<Option<Vec<f64>>> {
        self.maps.iter().map(|moment| Some(self.scaled(moment.as_ref()?))).collect()
    }

    fn scaled(&self, moment: &SecondMoment) -> Vec<f64> {
        let mut mean = moment.mean();
        mean.iter_mut().for_each(|entry| *entry *= self.factor);
        mean
    }

    pub fn see(&mut self, derived: &super::Derived, is_first: bool) -> rankine_linalg::Result<()> {
        let width = self.layer.width.max(1);
        if is_first {
            self.activations.see(&derived.activations)?;
            self.firing.see(&derived.activations);
        }
        fit(&mut self.gradients, &derived.gradients, width)?;
        for ((moment, map), gradients) in self.maps.iter_mut().zip(&self.layer.maps).zip(&derived.maps) {
            if let (Some(moment), Some(outputs)) = (moment, map.outputs) {
                fit(moment, gradients, outputs)?;
            }
        }
        Ok(())
    }

    /// Bytes of Gram matrices of a layer.
    fn bytes(layer: &Layer) -> usize {
        let outputs = layer.maps.iter().filter_map(|map| map.outputs);
        let squares = 2 * layer.width.pow(2) + outputs.map(|outputs| outputs.pow(2)).sum::<usize>();
        squares * size_of::<f64>()
    }
}

fn fit(moment: &mut SecondMoment, rows: &[f32], width: usize) -> rankine_linalg::Result<()> {
    if rows.is_empty() { Ok(()) } else { moment.partial_fit(rows, rows.len() / width.max(1)) }
}

/// Layers that are measured in one walk: as many as fit, at least one.
pub(super) fn groups(layers: &[Layer], bytes: usize) -> Vec<Vec<usize>> {
    let (mut groups, mut held) = (Vec::<Vec<usize>>::new(), 0);
    for (index, layer) in layers.iter().enumerate() {
        held += Measured::bytes(layer);
        match groups.last_mut() {
            Some(group) if held <= bytes => group.push(index),
            _ => {
                groups.push(vec![index]);
                held = Measured::bytes(layer);
            }
        }
    }
    groups
}

/// Runs the network on every batch, for the layers of a group.
pub(super) fn measure(
    network: &mut dyn Network,
    (all, group): (&[Layer], &[usize]),
    progress: &mut Progress,
    watch: &mut Watch,
) -> Result<Vec<Measured>> {
    let sources = network.sources();
    let factor = if sources.exact { sources.count as f64 } else { 1.0 };
    let mut measured: Vec<Measured> =
        group.iter().map(|&index| Measured::new(all[index].clone(), factor)).collect();
    for batch in 0..network.batches() {
        for source in 0..sources.count {
            let question = Question { batch, of: Of::Output(source), by: group, maps: true, shift: None };
            let derived = network.derive(&question).map_err(|source| Error::Network { source })?;
            measured.par_iter_mut().with_max_len(1).zip(&derived).try_for_each(|(measured, derived)| {
                let seen = measured.see(derived, source == 0);
                seen.map_err(|source| Error::Decomposition { name: measured.layer.name.clone(), source })
            })?;
            step(progress, watch)?;
        }
    }
    Ok(measured)
}

/// What a network must have to be looked into.
pub(super) fn check(layers: &[Layer], settings: &Settings) -> Result<()> {
    let refuse = |name, expected, found: String| Err(Error::Setting { name, expected, found });
    if !(0.0..1.0).contains(&settings.tolerance) {
        return refuse("tolerance", "from 0 to 1, 1 left out", settings.tolerance.to_string());
    }
    if !(0.0 < settings.resolution && settings.resolution.is_finite()) {
        return refuse("resolution", "above 0", settings.resolution.to_string());
    }
    if layers.is_empty() {
        return refuse("layers", "one or more", "none that see these data".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::Map;

    #[test]
    fn a_walk_holds_what_fits() {
        let layer = |width: usize, outputs: Option<usize>| Layer {
            name: String::new(),
            width,
            maps: vec![Map { name: String::new(), outputs, bias: false }],
        };
        // 8·(2·4 + 4), 8·2·4 and 8·(2·16 + 1) bytes.
        let layers = [layer(2, Some(2)), layer(2, None), layer(4, Some(1)), layer(2, None)];
        assert_eq!(groups(&layers, 160), [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(groups(&layers, 1 << 20), [vec![0, 1, 2, 3]]);
        assert_eq!(groups(&layers, 0).len(), 4);
    }
}
