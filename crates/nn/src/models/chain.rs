//! Plain chains of layers with the names of their files: perceptrons, and networks in the manner of LeNet.
//!
//!     h = pool(f(wᵢ ⋆ h + bᵢ)) of convolutions, then h = f(h·wᵢᵀ + bᵢ) of matrices; logits = h·headᵀ + b
//!     images: [n, c, h, w]  wᵢ: [out, in, rows, columns] or [out, in]  head: [classes, d]
//!
//! The first matrix reads the pixels of every channel one after the other. Pooling takes the largest. Sizes are those of the file, as
//! is whether a layer has a bias.

use super::{ImageClassifier, Model, Storage, maps::flat, reader::Reader};
use crate::{
    Error, Kind, Parameter, Pass, Result,
    layers::{Conv2d, Linear, function},
};
use rankine_checkpoint::{
    Tensors,
    config::{self, Activation, ChainConvolution},
};
use rankine_tensor::{
    Tensor,
    ops::{self, Convolution},
};

/// A plain chain of layers.
pub struct Chain {
    convolutions: Vec<Maps>,
    hidden: Vec<Linear>,
    head: Linear,
    activation: Activation,
    /// Numbers that the first matrix reads.
    inputs: usize,
    classes: usize,
}

/// A convolution, and what stands behind it: relu and its pooling are part of the convolution.
struct Maps {
    convolution: Conv2d,
    /// Height and width of the windows behind f; 1: none.
    pool: usize,
}

impl Chain {
    /// Reads every weight, all frozen.
    ///
    /// # Errors
    /// When a tensor is missing, or is no matrix and no convolution where it should be one.
    pub fn load(chain: &config::Chain, tensors: &dyn Tensors, storage: Storage) -> Result<Self> {
        let reader = Reader { tensors, storage };
        let convolutions =
            chain.convolutions.iter().map(|layer| Maps::load(&reader, layer, chain.activation));
        let convolutions = convolutions.collect::<Result<_>>()?;
        let matrix = |module: &String| {
            let [outputs, inputs] = sides(tensors, module);
            reader.linear(module, outputs, inputs)
        };
        let (head, count) = (chain.head(), chain.matrices.len().saturating_sub(1));
        let hidden = chain.matrices[..count].iter().map(matrix).collect::<Result<_>>()?;
        let [classes, width] = sides(tensors, head);
        let weight = reader.parameter(&format!("{head}.weight"), Kind::Head, &[classes, width])?;
        Ok(Self {
            convolutions,
            hidden,
            head: Linear { weight, bias: reader.bias(head, classes)? },
            activation: chain.activation,
            inputs: chain.matrices.first().map_or(0, |first| sides::<2>(tensors, first)[1]),
            classes,
        })
    }
}

impl Maps {
    fn load(reader: &Reader<'_>, layer: &ChainConvolution, activation: Activation) -> Result<Self> {
        let &ChainConvolution { ref module, padding, stride, pool } = layer;
        let taps: [usize; 4] = sides(reader.tensors, module);
        let weight = reader.parameter(&format!("{module}.weight"), Kind::Convolution, &taps)?;
        let layout = Convolution { stride: [stride; 2], padding: [padding; 2], ..Convolution::default() };
        let (layout, pool) = match activation {
            Activation::Relu => (Convolution { activation: ops::Activation::Relu, pool, ..layout }, 1),
            _ => (layout, pool),
        };
        let convolution = Conv2d { weight, bias: reader.bias(module, taps[0])?, layout };
        Ok(Self { convolution, pool })
    }

    /// [n, c, h, w] → [n, k, i, j].
    fn forward(&self, activation: Activation, x: &Tensor) -> Result<Tensor> {
        let maps = self.convolution.forward(x)?;
        if activation == Activation::Relu {
            return Ok(maps);
        }
        let maps = function(activation, &maps)?;
        let window = [self.pool; 2];
        if self.pool == 1 { Ok(maps) } else { Ok(ops::max_pool2d(&maps, window, window, [0; 2])?) }
    }
}

/// The sides of a module's weight; zeros of one that is not there or has another number of them, which is named when it is read.
fn sides<const RANK: usize>(tensors: &dyn Tensors, module: &str) -> [usize; RANK] {
    let info = tensors.infos().get(&format!("{module}.weight"));
    info.and_then(|info| info.shape.as_slice().try_into().ok()).unwrap_or([0; RANK])
}

impl Model for Chain {
    fn parameters(&self) -> Vec<&Parameter> {
        let convolutions = self.convolutions.iter().flat_map(|maps| maps.convolution.parameters());
        convolutions.chain(self.hidden.iter().chain([&self.head]).flat_map(Linear::parameters)).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let Self { convolutions, hidden, head, .. } = self;
        let convolutions = convolutions.iter_mut().flat_map(|maps| maps.convolution.parameters_mut());
        convolutions.chain(hidden.iter_mut().chain([head]).flat_map(Linear::parameters_mut)).collect()
    }
}

impl ImageClassifier for Chain {
    /// Hidden matrices are blocks.
    fn logits<'m>(&'m self, images: &Tensor, pass: &mut Pass<'m>) -> Result<Tensor> {
        let activation = self.activation;
        let mut convolutions = self.convolutions.iter();
        let maps = convolutions.try_fold(images.clone(), |x, layer| layer.forward(activation, &x))?;
        let rows = flat(&maps)?;
        if rows.shape()[1] != self.inputs {
            let expected = "as large as the first matrix reads them";
            return Err(Error::Setting { name: "images", expected, found: format!("{:?}", images.shape()) });
        }
        let hidden = self.hidden.iter().try_fold(rows, |x, layer| {
            pass.block(x, move |x, pass| layer.followed_by(activation, x, pass))
        })?;
        self.head.forward(&hidden, pass)
    }

    fn classes(&self) -> usize {
        self.classes
    }
}
