//! Derivatives by what the maps of a model read and give: probes on its weights, and one backward pass after the other.
//!
//! Maps that read the same (q, k and v; gate and up) are one layer; the derivative by it is the sum over theirs. Rows are examples
//! times tokens or pixels. A model may be frozen or trained; nothing of it changes.

use crate::{
    Error, Kind, Model, Parameter, Result,
    weight::{Listen, Probe, Probed},
};
use rankine_random::Rng;
use rankine_tensor::{Gradients, Tensor, ops, untaped};
use std::{collections::HashSet, sync::Arc};

/// A map with a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbedMap {
    /// Its module.
    pub module: String,
    /// Rows of its matrix; `None` of a convolution.
    pub outputs: Option<usize>,
    /// It has a bias.
    pub bias: bool,
}

/// Maps that read the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbedLayer {
    /// Columns of what they read; channels of maps of images.
    pub width: usize,
    /// The maps, in the model's order.
    pub maps: Vec<ProbedMap>,
    /// Their places among the probes.
    sites: Vec<usize>,
}

/// Probes on the weights of a model.
pub struct Probes {
    sites: Vec<(ProbedMap, Arc<Probe>)>,
    layers: Vec<ProbedLayer>,
}

/// From where gradients flow back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// What the forward pass returns; [rows, k].
    Outputs,
    /// What a layer holds; [rows, d].
    Layer(usize),
}

/// What is derived: Σ over rows of ± y·direction.
#[derive(Clone, Copy, Debug)]
pub struct Seed<'a> {
    /// y.
    pub origin: Origin,
    /// [k] or [d].
    pub direction: &'a [f32],
    /// The stream of a random sign for every row; all are + without one.
    pub signs: Option<&'a Rng>,
}

/// By what it is derived.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// What these layers hold.
    pub layers: &'a [usize],
    /// What their maps give, too.
    pub outputs: bool,
    /// Added to what each of the layers holds before its maps read it: derivatives elsewhere than at what they hold; [rows, d].
    pub shift: Option<&'a [f32]>,
}

/// A layer in a pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivatives {
    /// What it holds, without what was added; [rows, d].
    pub inputs: Vec<f32>,
    /// The derivatives by it; [rows, d].
    pub by_inputs: Vec<f32>,
    /// The derivatives by what each map gives, empty where they are not wanted; [rows, outputs].
    pub by_outputs: Vec<Vec<f32>>,
}

impl Probes {
    /// Puts probes on the linear maps, heads and convolutions that are wanted; `forward` runs the model once, to show which
    /// of them read the same. Those that see nothing are left out.
    ///
    /// # Errors
    /// What `forward` returns; the probes are taken off then.
    pub fn put_on<M: Model + ?Sized>(
        model: &mut M,
        wanted: &dyn Fn(&Parameter) -> bool,
        forward: &dyn Fn(&M) -> Result<Tensor>,
    ) -> Result<Self> {
        let parameters = model.parameters().into_iter();
        let biases = parameters.filter(|parameter| parameter.kind() == Kind::Bias);
        let biased: HashSet<String> = biases.map(|bias| bias.module().to_owned()).collect();
        let map = |parameter: &Parameter| -> Result<Option<ProbedMap>> {
            let outputs = match parameter.kind() {
                _ if !wanted(parameter) => return Ok(None),
                Kind::Linear | Kind::Head => parameter.weight.constant()?.shape().first().copied(),
                Kind::Convolution => None,
                Kind::Embedding | Kind::Norm | Kind::Bias => return Ok(None),
            };
            let module = parameter.module().to_owned();
            Ok(Some(ProbedMap { bias: biased.contains(&module), module, outputs }))
        };
        let maps = model.parameters().into_iter().map(map).collect::<Result<Vec<_>>>()?;
        let mut probes = Self { sites: Vec::new(), layers: Vec::new() };
        for (parameter, map) in model.parameters_mut().into_iter().zip(maps) {
            if let Some(map) = map {
                let probe = Arc::new(Probe::default());
                Probed::put_on(&mut parameter.weight, probe.clone());
                probes.sites.push((map, probe));
            }
        }
        let listen = Listen { inputs: true, ..Listen::default() };
        probes.sites.iter().for_each(|(_, probe)| probe.listen(listen));
        if let Err(error) = untaped(|| forward(&*model)) {
            Self::take_off(model);
            return Err(error);
        }
        probes.layers = probes.grouped();
        probes.rest();
        Ok(probes)
    }

    /// Takes all probes off a model.
    pub fn take_off<M: Model + ?Sized>(model: &mut M) {
        model.parameters_mut().into_iter().for_each(|parameter| Probed::take_off(&mut parameter.weight));
    }

    /// What is read, in the order in which the model names its maps.
    pub fn layers(&self) -> &[ProbedLayer] {
        &self.layers
    }

    /// Runs `forward` once and derives by the chosen layers.
    ///
    /// # Errors
    /// What `forward` returns; [`Error::Setting`] when the direction has another length than the rows; a shift of another length.
    pub fn derive(
        &self,
        seed: Seed<'_>,
        by: By<'_>,
        forward: &mut dyn FnMut() -> Result<Tensor>,
    ) -> Result<Vec<Derivatives>> {
        for (layer, own) in by.layers.iter().filter_map(|&layer| Some((layer, self.layers.get(layer)?))) {
            for (place, &site) in own.sites.iter().enumerate() {
                let is_origin = seed.origin == Origin::Layer(layer);
                let by_outputs = by.outputs && own.maps[place].outputs.is_some();
                let listen = Listen { inputs: place == 0 || is_origin, by_inputs: true, by_outputs };
                self.sites[site].1.listen(listen);
                by.shift.iter().for_each(|shift| self.sites[site].1.shift(shift));
            }
        }
        if let Origin::Layer(layer) = seed.origin
            && !by.layers.contains(&layer)
            && let Some(probe) = self.first(layer)
        {
            probe.listen(Listen { inputs: true, ..Listen::default() });
        }
        let derived = forward().and_then(|y| self.finish(seed, by, &y));
        self.rest();
        derived
    }

    fn finish(&self, seed: Seed<'_>, by: By<'_>, y: &Tensor) -> Result<Vec<Derivatives>> {
        let y = match seed.origin {
            Origin::Outputs => rows(y)?,
            Origin::Layer(layer) => match self.first(layer).and_then(Probe::inputs) {
                Some(inputs) => rows(&inputs)?,
                None => Tensor::zeros(&[1, seed.direction.len()]),
            },
        };
        let [count, width] = y.matrix("derivative")?;
        if width != seed.direction.len() {
            let found = seed.direction.len().to_string();
            return Err(Error::Setting { name: "direction", expected: "as long as a row", found });
        }
        let direction = Tensor::new(seed.direction.to_vec(), &[1, width])?;
        let mut along = ops::linear(&y, &direction)?;
        if let Some(rng) = seed.signs {
            along = along.mul(&Tensor::new(rng.clone().signs(count), &[count, 1])?)?;
        }
        // What depends on none of the layers has no gradient.
        let gradients = along.is_tracked().then(|| along.sum().backward()).transpose()?;
        let layers = by.layers.iter().filter_map(|&layer| self.layers.get(layer));
        layers.map(|layer| self.read(layer, by.outputs, gradients.as_ref())).collect()
    }

    fn read(&self, layer: &ProbedLayer, outputs: bool, gradients: Option<&Gradients>) -> Result<Derivatives> {
        let probes = layer.sites.iter().map(|&site| &self.sites[site].1);
        let first = probes.clone().next().and_then(|probe| probe.inputs());
        let inputs = first.map_or(Ok(Vec::new()), |inputs| Ok::<_, Error>(rows(&inputs)?.to_vec()))?;
        let (mut by_inputs, mut by_outputs) = (vec![0.0; inputs.len()], Vec::new());
        for (probe, map) in probes.zip(&layer.maps) {
            let [before, behind] = gradients.map_or([None, None], |gradients| probe.gradients(gradients));
            if let Some(before) = before {
                let before = rows(&before)?.to_vec();
                by_inputs.iter_mut().zip(before).for_each(|(sum, gradient)| *sum += gradient);
            }
            let count = inputs.len() / layer.width.max(1);
            by_outputs.push(match (behind, map.outputs) {
                (Some(behind), _) => behind.to_vec(),
                (None, Some(columns)) if outputs => vec![0.0; count * columns],
                _ => Vec::new(),
            });
        }
        Ok(Derivatives { inputs, by_inputs, by_outputs })
    }

    fn first(&self, layer: usize) -> Option<&Probe> {
        let &site = self.layers.get(layer)?.sites.first()?;
        Some(self.sites[site].1.as_ref())
    }

    /// Nothing is kept between two passes.
    fn rest(&self) {
        self.sites.iter().for_each(|(_, probe)| probe.listen(Listen::default()));
    }

    /// Maps whose inputs were equal.
    fn grouped(&self) -> Vec<ProbedLayer> {
        let mut groups: Vec<(ProbedLayer, Tensor)> = Vec::new();
        for (site, (map, probe)) in self.sites.iter().enumerate() {
            let Some(inputs) = probe.inputs() else { continue };
            match groups.iter_mut().find(|(_, first)| first.is_equal(&inputs)) {
                Some((layer, _)) => {
                    layer.maps.push(map.clone());
                    layer.sites.push(site);
                }
                None => {
                    let shape = inputs.shape();
                    let width = shape.get(1).copied().unwrap_or(0);
                    groups.push((ProbedLayer { width, maps: vec![map.clone()], sites: vec![site] }, inputs));
                }
            }
        }
        groups.into_iter().map(|(layer, _)| layer).collect()
    }
}

/// A matrix as it is, maps of images pixel by pixel; [n, c, h, w] → [n·h·w, c].
fn rows(x: &Tensor) -> Result<Tensor> {
    match x.shape().as_slice() {
        &[images, channels, height, width] => {
            let pixels = images * height * width;
            Ok(x.permute(&[0, 2, 3, 1])?.reshape(&[pixels, channels])?)
        }
        _ => Ok(x.clone()),
    }
}
