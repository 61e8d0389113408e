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

/// A layer in a pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivatives {
    /// What it holds; [rows, d].
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

    /// Runs `forward` once and derives by the chosen layers, with `outputs` also by what their maps give.
    ///
    /// # Errors
    /// What `forward` returns; [`Error::Setting`] when the direction has another length than the rows.
    pub fn derive(
        &self,
        seed: Seed<'_>,
        (layers, outputs): (&[usize], bool),
        forward: &mut dyn FnMut() -> Result<Tensor>,
    ) -> Result<Vec<Derivatives>> {
        for (layer, own) in layers.iter().filter_map(|&layer| Some((layer, self.layers.get(layer)?))) {
            for (place, &site) in own.sites.iter().enumerate() {
                let is_origin = seed.origin == Origin::Layer(layer);
                let by_outputs = outputs && own.maps[place].outputs.is_some();
                let listen = Listen { inputs: place == 0 || is_origin, by_inputs: true, by_outputs };
                self.sites[site].1.listen(listen);
            }
        }
        if let Origin::Layer(layer) = seed.origin
            && !layers.contains(&layer)
            && let Some(probe) = self.first(layer)
        {
            probe.listen(Listen { inputs: true, ..Listen::default() });
        }
        let derived = forward().and_then(|y| self.finish(seed, (layers, outputs), &y));
        self.rest();
        derived
    }

    fn finish(
        &self,
        seed: Seed<'_>,
        (layers, outputs): (&[usize], bool),
        y: &Tensor,
    ) -> Result<Vec<Derivatives>> {
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
            let mut rng = rng.clone();
            let signs = (0..count).map(|_| if rng.bits() & 1 == 0 { 1.0 } else { -1.0 }).collect();
            along = along.mul(&Tensor::new(signs, &[count, 1])?)?;
        }
        // What depends on none of the layers has no gradient.
        let gradients = along.is_tracked().then(|| along.sum().backward()).transpose()?;
        let layers = layers.iter().filter_map(|&layer| self.layers.get(layer));
        layers.map(|layer| self.read(layer, outputs, gradients.as_ref())).collect()
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
            match groups.iter_mut().find(|(_, first)| are_equal(first, &inputs)) {
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

fn are_equal(a: &Tensor, b: &Tensor) -> bool {
    a.shape() == b.shape() && a.read(|a| b.read(|b| a == b))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ImageClassifier as _, Pass,
        models::{LeNet, Mlp},
    };

    fn everything(_: &Parameter) -> bool {
        true
    }

    /// Seeds the class `source` and derives by all layers.
    fn derived<M: Model>(
        model: &mut M,
        forward: &dyn Fn(&M) -> Result<Tensor>,
        direction: &[f32],
    ) -> (Vec<ProbedLayer>, Vec<Derivatives>) {
        let probes = Probes::put_on(model, &everything, forward).unwrap();
        let seed = Seed { origin: Origin::Outputs, direction, signs: None };
        let all: Vec<usize> = (0..probes.layers().len()).collect();
        let found = probes.derive(seed, (&all, true), &mut || forward(&*model)).unwrap();
        Probes::take_off(model);
        (probes.layers().to_vec(), found)
    }

    #[test]
    fn derivatives_are_those_of_the_formula() {
        let mut model = Mlp::new(&[4, 6, 5, 3], &Rng::new(1)).unwrap();
        let x = Tensor::new(Rng::new(2).normals(28, 1.0), &[7, 4]).unwrap();
        let before = model.forward(&x, &Pass::quiet()).unwrap().to_vec();
        let forward = |model: &Mlp| model.forward(&x, &Pass::quiet());
        let direction = [1.0, -2.0, 0.5];
        let (layers, found) = derived(&mut model, &forward, &direction);
        assert_eq!(layers.iter().map(|layer| layer.width).collect::<Vec<_>>(), [4, 6, 5]);
        assert_eq!(layers[1].maps[0].module, "layers.1");
        assert_eq!(layers.iter().map(|layer| layer.maps[0].bias).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(model.forward(&x, &Pass::quiet()).unwrap().to_vec(), before, "nothing changed");
        assert_eq!(found[0].inputs, x.to_vec());
        // The last layer: directionᵀ·head; what the head gives: the direction itself.
        let head = model.head().weight.dense().unwrap().to_vec();
        let expected: Vec<f32> =
            (0..5).map(|j| (0..3).map(|i| direction[i] * head[5 * i + j]).sum()).collect();
        for row in 0..7 {
            let (by_inputs, by_outputs) =
                (&found[2].by_inputs[5 * row..], &found[2].by_outputs[0][3 * row..]);
            assert!(by_inputs.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6));
            assert!(by_outputs.iter().zip(&direction).all(|(a, b)| a == b));
        }
        // The inputs, by finite differences.
        let score = |x: Vec<f32>| -> f64 {
            let y = model.forward(&Tensor::new(x, &[7, 4]).unwrap(), &Pass::quiet()).unwrap().to_vec();
            y.iter().zip(direction.iter().cycle()).map(|(y, d)| f64::from(*y) * f64::from(*d)).sum()
        };
        let step = 1e-3;
        for at in [0, 5, 13, 27] {
            let moved = |step: f32| {
                let mut x = x.to_vec();
                x[at] += step;
                score(x)
            };
            let slope = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            assert!(
                (slope - f64::from(found[0].by_inputs[at])).abs() < 1e-2,
                "{slope} {:?}",
                found[0].by_inputs[at]
            );
        }
    }

    #[test]
    fn a_layer_is_derived_by_the_one_before() {
        let mut model = Mlp::new(&[4, 6, 3], &Rng::new(3)).unwrap();
        let x = Tensor::new(Rng::new(4).normals(80, 1.0), &[20, 4]).unwrap();
        let forward = |model: &Mlp| model.forward(&x, &Pass::quiet());
        let probes = Probes::put_on(&mut model, &everything, &forward).unwrap();
        let direction = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let seed = Seed { origin: Origin::Layer(1), direction: &direction, signs: None };
        let plain = probes.derive(seed, (&[0], false), &mut || forward(&model)).unwrap().remove(0);
        let hidden = model.hidden(&x, &Pass::quiet()).unwrap().to_vec();
        let weight = model.parameters()[0].weight.dense().unwrap().to_vec();
        for (row, gradient) in plain.by_inputs.chunks(4).enumerate() {
            let fires = if 0.0 < hidden[6 * row + 1] { 1.0 } else { 0.0 };
            assert!(gradient.iter().zip(&weight[4..8]).all(|(a, b)| (a - fires * b).abs() < 1e-6));
        }
        assert!(plain.by_outputs[0].is_empty());
        // A sign for every row, the same for all of its gradient.
        let rng = Rng::new(5);
        let signed =
            probes.derive(Seed { signs: Some(&rng), ..seed }, (&[0], false), &mut || forward(&model));
        let signed = signed.unwrap().remove(0).by_inputs;
        let rows = signed.chunks(4).zip(plain.by_inputs.chunks(4));
        assert!(rows.clone().all(|(a, b)| a == b || a.iter().zip(b).all(|(a, b)| *a == -b)));
        assert!(rows.clone().any(|(a, b)| a != b));
        // Nothing of the layer behind reaches the one before.
        let seed = Seed { origin: Origin::Layer(0), direction: &[1.0; 4], signs: None };
        let none = probes.derive(seed, (&[1], true), &mut || forward(&model)).unwrap().remove(0);
        assert!(none.by_inputs.iter().all(|&g| g == 0.0) && none.by_outputs[0] == [0.0; 60]);
        let wrong = Seed { direction: &[1.0], ..seed };
        assert!(probes.derive(wrong, (&[0], false), &mut || forward(&model)).is_err());
    }

    #[test]
    fn pixels_of_maps_are_rows() {
        let mut model = LeNet::new(10, &Rng::new(6)).unwrap();
        let x = Tensor::new(Rng::new(7).normals(2 * 784, 1.0), &[2, 1, 28, 28]).unwrap();
        let forward = |model: &LeNet| model.logits(&x, &mut Pass::quiet());
        let mut direction = [0.0; 10];
        direction[3] = 1.0;
        let (layers, found) = derived(&mut model, &forward, &direction);
        assert_eq!(layers[0].width, 1);
        assert_eq!(layers[0].maps[0].outputs, None);
        assert_eq!(found[0].by_inputs.len(), 2 * 784);
        for (layer, found) in layers.iter().zip(&found) {
            assert_eq!(found.inputs.len(), found.by_inputs.len(), "{}", layer.maps[0].module);
            assert_eq!(found.inputs.len() % layer.width, 0);
            assert!(found.by_inputs.iter().any(|g| *g != 0.0), "{}", layer.maps[0].module);
        }
        assert!(found[0].by_outputs[0].is_empty());
    }
}
