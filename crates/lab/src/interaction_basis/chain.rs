//! Maps one after the other, some with relu behind them, and what the analysis asks of them.

use crate::Result;
use rankine_analyze::interaction::{Derived, Layer, Map, Network, Of, Question, Sources};
use rankine_nn::{By, Kind, Model, Origin, Parameter, Pass, Probes, Seed, layers::Linear, models::Mlp};
use rankine_tensor::{Tensor, ops::Activation};

/// A frozen network.
pub(super) struct Chain {
    layers: Vec<Linear>,
    /// Whether each has a relu behind it.
    relu: Vec<bool>,
}

/// A map of a chain.
pub(super) struct Link {
    /// [out, in], row-major.
    pub weight: Vec<f32>,
    pub shape: [usize; 2],
    /// [out].
    pub bias: Option<Vec<f32>>,
    pub relu: bool,
}

impl Chain {
    pub fn new(links: Vec<Link>) -> Result<Self> {
        let relu = links.iter().map(|link| link.relu).collect();
        let layer = |(at, Link { weight, shape, bias, .. }): (usize, Link)| -> Result<Linear> {
            let frozen = |what: &str, kind, values: Vec<f32>, shape: &[usize]| -> Result<_> {
                Ok(Parameter::frozen(format!("maps.{at}.{what}"), kind, Tensor::new(values, shape)?))
            };
            let bias = bias.map(|bias| frozen("bias", Kind::Bias, bias, &shape[..1])).transpose()?;
            Ok(Linear { weight: frozen("weight", Kind::Linear, weight, &shape)?, bias })
        };
        Ok(Self { layers: links.into_iter().enumerate().map(layer).collect::<Result<_>>()?, relu })
    }

    /// The maps of a trained network, for a chain of one's own.
    pub fn links(model: &Mlp) -> Result<Vec<Link>> {
        let mut links: Vec<Link> = Vec::new();
        for parameter in model.parameters() {
            let value = parameter.weight.dense()?;
            match links.last_mut() {
                Some(link) if parameter.kind() == Kind::Bias => link.bias = Some(value.to_vec()),
                _ => {
                    let shape = value.matrix("map")?;
                    let relu = parameter.kind() != Kind::Head;
                    links.push(Link { weight: value.to_vec(), shape, bias: None, relu });
                }
            }
        }
        Ok(links)
    }

    /// How many maps there are.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// What these maps make of x: [rows, in]; [rows, out].
    pub fn run(&self, maps: std::ops::Range<usize>, x: &Tensor) -> rankine_nn::Result<Tensor> {
        let mut maps = self.layers[maps.clone()].iter().zip(&self.relu[maps]);
        maps.try_fold(x.clone(), |x, (layer, &relu)| {
            let activation = if relu { Activation::Relu } else { Activation::None };
            layer.activated(&x, activation, &Pass::quiet())
        })
    }
}

impl Model for Chain {
    fn parameters(&self) -> Vec<&Parameter> {
        self.layers.iter().flat_map(Linear::parameters).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.layers.iter_mut().flat_map(Linear::parameters_mut).collect()
    }
}

/// A chain that is shown data, [rows, in] each, and derived output by output.
pub(super) struct Shown {
    chain: Chain,
    probes: Probes,
    batches: Vec<Tensor>,
    outputs: usize,
}

impl Shown {
    pub fn new(mut chain: Chain, batches: Vec<Tensor>) -> Result<Self> {
        let depth = chain.depth();
        let first = batches.first().cloned().unwrap_or_else(|| Tensor::zeros(&[1, 1]));
        let outputs = chain.run(0..depth, &first)?.matrix("outputs")?[1];
        let forward = |chain: &Chain| chain.run(0..depth, &first);
        let probes = Probes::put_on(&mut chain, &|_: &Parameter| true, &forward)?;
        Ok(Self { chain, probes, batches, outputs })
    }
}

impl Network for Shown {
    fn layers(&self) -> Vec<Layer> {
        let layers = self.probes.layers().iter().map(|layer| {
            let maps = layer.maps.iter();
            let maps = maps.map(|map| Map { name: map.module.clone(), outputs: map.outputs, bias: map.bias });
            Layer { name: layer.maps[0].module.clone(), width: layer.width, maps: maps.collect() }
        });
        layers.collect()
    }

    fn batches(&self) -> usize {
        self.batches.len()
    }

    fn sources(&self) -> Sources {
        Sources { count: self.outputs, exact: true }
    }

    fn derive(
        &mut self,
        question: &Question<'_>,
    ) -> Result<Vec<Derived>, Box<dyn std::error::Error + Send + Sync>> {
        let unit: Vec<f32>;
        let (origin, direction) = match question.of {
            Of::Output(source) => {
                unit = (0..self.outputs).map(|output| f32::from(u8::from(output == source))).collect();
                (Origin::Outputs, unit.as_slice())
            }
            Of::Layer(layer, direction) => (Origin::Layer(layer), direction),
        };
        // Rows do not act on each other: no signs are needed.
        let seed = Seed { origin, direction, signs: None };
        let forward = &mut || self.chain.run(0..self.chain.depth(), &self.batches[question.batch]);
        let by = By { layers: question.by, outputs: question.maps, shift: question.shift };
        let derivatives = self.probes.derive(seed, by, forward)?;
        let derived = derivatives.into_iter().map(|derivatives| Derived {
            activations: derivatives.inputs,
            gradients: derivatives.by_inputs,
            maps: derivatives.by_outputs,
        });
        Ok(derived.collect())
    }
}
