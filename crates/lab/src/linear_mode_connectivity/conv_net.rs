//! A small convolutional network with batch norm, of square images.
//!
//!     hᵢ₊₁ = relu(norm(wᵢ ⋆ hᵢ)),  logits = mean over pixels of h · headᵀ        x: [t, side²]  wᵢ: [out, in, 3, 3]
//!
//! Every convolution halves height and width. The head has no bias, as in [`Mlp`](rankine_nn::models::Mlp).

use super::stored::{Stored, read_parameters, read_tensor};
use crate::{
    Images, Result,
    language::Held,
    transfer::{Network, Setting},
};
use rankine_checkpoint::Tensors;
use rankine_nn::{
    Kind, Model, Parameter, Pass,
    layers::{BatchNorm2d, ConvNorm, Following, Linear, Statistics},
    weight::Dense,
};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops::Convolution, untaped};

/// Images that norms see at once where their statistics are counted.
const BATCH: usize = 500;

/// Convolutions of the channels in [`Setting::hidden`], and a head.
pub(super) struct ConvNet {
    layers: Vec<ConvNorm>,
    head: Linear,
}

impl Network for ConvNet {
    fn build(setting: &Setting, _: usize, classes: usize, rng: &Rng) -> Result<Self> {
        let (mut layers, mut inputs) = (Vec::new(), 1);
        for (at, &outputs) in setting.hidden.iter().enumerate() {
            layers.push(layer(at, [outputs, inputs], rng)?);
            inputs = outputs;
        }
        let path = "head.weight";
        let values = rng.fork(path).normals(classes * inputs, (inputs as f32).sqrt().recip());
        let weight = trained(path.to_owned(), Kind::Head, values, &[classes, inputs])?;
        Ok(Self { layers, head: Linear { weight, bias: None } })
    }

    fn modules(setting: &Setting) -> Vec<String> {
        (0..setting.hidden.len()).map(|at| format!("convolutions.{at}")).collect()
    }

    fn hidden(&self, x: &Tensor, _: &Pass<'_>) -> Result<Tensor> {
        let [images, pixels] = x.matrix("images")?;
        let side = pixels.isqrt();
        let maps = x.reshape(&[images, 1, side, side])?;
        let maps = self.layers.iter().try_fold(maps, |maps, layer| layer.forward(&maps))?;
        let means = maps.mean_axis(2)?.mean_axis(3)?;
        Ok(means.reshape(&means.shape()[..2])?)
    }

    fn head(&self) -> &Parameter {
        &self.head.weight
    }
}

impl Model for ConvNet {
    fn parameters(&self) -> Vec<&Parameter> {
        self.layers.iter().flat_map(ConvNorm::parameters).chain(self.head.parameters()).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let Self { layers, head } = self;
        layers.iter_mut().flat_map(ConvNorm::parameters_mut).chain(head.parameters_mut()).collect()
    }
}

impl Stored for ConvNet {
    /// With the statistics that norms keep.
    fn held(&self) -> Result<Held> {
        let mut held = Held::of(self, &|_| true)?;
        for (at, layer) in self.layers.iter().enumerate() {
            if let Statistics::Kept { mean, variance } = &layer.norm.statistics {
                for (name, value) in statistics(at).iter().zip([mean, variance]) {
                    held.insert(name, &value.shape(), value.to_vec());
                }
            }
        }
        Ok(held)
    }

    fn read(setting: &Setting, sizes: [usize; 2], tensors: &dyn Tensors) -> Result<Self> {
        let mut model: Self = read_parameters(setting, sizes, tensors)?;
        for ((at, layer), &channels) in model.layers.iter_mut().enumerate().zip(&setting.hidden) {
            let [mean, variance] = statistics(at).map(|name| read_tensor(tensors, &name, &[channels]));
            let (mean, variance) = (Box::new(mean?), Box::new(variance?));
            layer.norm.statistics = Statistics::Kept { mean, variance };
        }
        Ok(model)
    }

    fn reset(&mut self, images: &Images) -> Result<()> {
        self.layers.iter_mut().for_each(|layer| layer.norm.statistics = Statistics::default());
        let rows: Vec<usize> = (0..images.labels.len()).collect();
        for rows in rows.chunks(BATCH) {
            let (x, _) = images.batch(rows)?;
            untaped(|| self.hidden(&x, &Pass::quiet()))?;
        }
        Ok(self.layers.iter_mut().try_for_each(|layer| layer.norm.settle())?)
    }
}

/// Names of mean and variance of a norm.
fn statistics(at: usize) -> [String; 2] {
    ["running_mean", "running_var"].map(|name| format!("norms.{at}.{name}"))
}

/// Taps start normal with variance 2/in, each from the stream of its path.
fn layer(at: usize, [outputs, inputs]: [usize; 2], rng: &Rng) -> Result<ConvNorm> {
    let (path, taps) = (format!("convolutions.{at}.weight"), [outputs, inputs, 3, 3]);
    let deviation = (2.0 / (9 * inputs) as f32).sqrt();
    let values = rng.fork(&path).normals(taps.iter().product(), deviation);
    let vector = |name: &str, kind, value| {
        trained(format!("norms.{at}.{name}"), kind, vec![value; outputs], &[outputs])
    };
    Ok(ConvNorm {
        weight: trained(path, Kind::Convolution, values, &taps)?,
        layout: Convolution { stride: [2; 2], padding: [1; 2], ..Convolution::default() },
        norm: BatchNorm2d {
            weight: vector("weight", Kind::Norm, 1.0)?,
            bias: vector("bias", Kind::Bias, 0.0)?,
            epsilon: 1e-5,
            statistics: Statistics::default(),
        },
        following: Following::Relu,
    })
}

fn trained(path: String, kind: Kind, values: Vec<f32>, shape: &[usize]) -> Result<Parameter> {
    Ok(Parameter::new(path, kind, Box::new(Dense::trained(&Tensor::new(values, shape)?))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{drawn, transfer};
    use rankine_checkpoint::Bare;
    use rankine_surgery::{PermutationSpec, Permutations, Permuted, Subject, UnitKind};

    #[test]
    fn it_comes_back_from_its_tensors_in_whatever_order_of_channels() {
        let setting = Setting { hidden: vec![4, 6, 5], ..Setting::default() };
        let (images, rng) = (drawn::images(3, &Rng::new(1)), Rng::new(2));
        let mut model = ConvNet::build(&setting, images.width, 10, &rng).unwrap();
        model.reset(&images).unwrap();
        let expected = transfer::score(&model, &images).unwrap();
        let bare = Bare::new("model", Box::new(model.held().unwrap()));
        let score = |tensors: &dyn Tensors| {
            transfer::score(&ConvNet::read(&setting, [images.width, 10], tensors).unwrap(), &images).unwrap()
        };
        assert_eq!(score(bare.tensors()), expected);
        let spec = PermutationSpec::of(Subject::Bare(&bare), &UnitKind::ALL).unwrap();
        let units: Vec<usize> = spec.groups().iter().map(|group| group.units).collect();
        assert_eq!((units, spec.strangers().len()), (vec![4, 6, 5], 0));
        let permuted = Permuted::new(bare.tensors(), &spec, &Permutations::random(&spec, &rng));
        assert!(permuted.is_changed("norms.1.running_var"));
        assert!((score(&permuted)[0] - expected[0]).abs() < 1e-5);
    }

    #[test]
    fn statistics_are_those_of_the_images() {
        let setting = Setting { hidden: vec![3], ..Setting::default() };
        let images = drawn::images(2, &Rng::new(1));
        let mut model = ConvNet::build(&setting, images.width, 10, &Rng::new(2)).unwrap();
        // In training they are those of the batch at hand: the same where that is all.
        let expected = transfer::score(&model, &images).unwrap();
        model.reset(&images).unwrap();
        let found = transfer::score(&model, &images).unwrap();
        assert!((found[0] - expected[0]).abs() < 1e-4, "{found:?} {expected:?}");
    }
}
