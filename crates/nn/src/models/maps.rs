//! What networks of maps have in common: layers from named tensors, the mean over pixels, and a start from nothing.

use super::{Model, reader::Reader};
use crate::{
    Kind, Result,
    layers::{BatchNorm2d, ConvNorm, Following, Linear, Statistics},
    weight::Dense,
};
use indexmap::IndexMap;
use rankine_checkpoint::{TensorInfo, Tensors};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops::Convolution};
use std::borrow::Cow;

/// torch's ε of a batch norm, which is in no file.
const EPSILON: f32 = 1e-5;

impl Reader<'_> {
    /// A convolution and its norm by their modules, the norm with the statistics of the file; taps: [k, c/groups, r, s].
    /// Padding keeps the size where the stride is 1.
    pub fn conv_norm(
        &self,
        [conv, norm]: [String; 2],
        taps: [usize; 4],
        (stride, groups): (usize, usize),
        following: Following,
    ) -> Result<ConvNorm> {
        let [outputs, _, rows, columns] = taps;
        let layout = Convolution {
            stride: [stride; 2],
            padding: [rows / 2, columns / 2],
            groups,
            ..Convolution::default()
        };
        let named = |name: &str| format!("{norm}.{name}");
        Ok(ConvNorm {
            weight: self.parameter(&format!("{conv}.weight"), Kind::Convolution, &taps)?.grouped(groups),
            layout,
            norm: BatchNorm2d {
                weight: self.parameter(&named("weight"), Kind::Norm, &[outputs])?,
                bias: self.parameter(&named("bias"), Kind::Bias, &[outputs])?,
                epsilon: EPSILON,
                statistics: Statistics::Kept {
                    mean: Box::new(self.statistic(&named("running_mean"), outputs)?),
                    variance: Box::new(self.statistic(&named("running_var"), outputs)?),
                },
            },
            following,
        })
    }

    fn statistic(&self, name: &str, channels: usize) -> Result<Tensor> {
        self.parameter(name, Kind::Norm, &[channels])?.weight.dense()
    }

    /// The output head with its bias; [classes, inputs].
    pub fn head(&self, module: &str, classes: usize, inputs: usize) -> Result<Linear> {
        let weight = self.parameter(&format!("{module}.weight"), Kind::Head, &[classes, inputs])?;
        let bias = self.parameter(&format!("{module}.bias"), Kind::Bias, &[classes])?;
        Ok(Linear { weight, bias: Some(bias) })
    }

    /// The first side of a tensor; 0 of one that is not there, which is named when it is read.
    pub fn rows(&self, name: &str) -> usize {
        self.tensors.infos().get(name).map_or(0, TensorInfo::rows)
    }
}

/// The mean over the pixels of every map; [n, c, h, w] → [n, c].
pub(super) fn pooled(x: &Tensor) -> Result<Tensor> {
    let means = x.mean_axis(2)?.mean_axis(3)?;
    let shape = means.shape();
    Ok(means.reshape(&shape[..2])?)
}

/// Tensors of zeros, whatever is asked for: a network that starts from nothing is built like one from a file, and then
/// [drawn](start). It names those that a reader takes only where they are there.
pub(super) struct Blank(pub IndexMap<String, TensorInfo>);

impl Tensors for Blank {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.0
    }

    /// Leaves the buffer as it is: readers come with zeros.
    fn read_into(&self, _: &str, _: &mut [f32]) -> rankine_checkpoint::Result<()> {
        Ok(())
    }

    fn raw(&self, _: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(&[]))
    }
}

/// Images as rows of numbers; [n, c, h, w] → [n, c·h·w].
pub(super) fn flat(images: &Tensor) -> Result<Tensor> {
    let count = images.shape()[0];
    Ok(images.reshape(&[count, images.elements() / count.max(1)])?)
}

/// Trains every parameter, from a start of its own: factors of norms from 1, biases from 0, everything else normal with a
/// standard deviation by its shape, each from the stream of its path.
pub(super) fn start(model: &mut dyn Model, rng: &Rng, deviation: impl Fn(&[usize]) -> f32) -> Result<()> {
    for parameter in model.parameters_mut() {
        let shape = parameter.weight.dense()?.shape();
        let count = shape.iter().product();
        let numbers = match parameter.kind() {
            Kind::Norm => vec![1.0; count],
            Kind::Bias => vec![0.0; count],
            _ => rng.fork(parameter.path()).normals(count, deviation(&shape)),
        };
        parameter.weight = Box::new(Dense::trained(&Tensor::new(numbers, &shape)?));
    }
    Ok(())
}
