//! Networks that can be moved to new classes.

use super::Setting;
use crate::Result;
use rankine_checkpoint::config::{self, Activation};
use rankine_nn::{
    Model, Parameter, Pass,
    models::{LeNet, Mlp, Vit},
};
use rankine_random::Rng;
use rankine_tensor::Tensor;

/// A classifier of images with a head of its own.
pub(crate) trait Network: Model + Sized {
    /// A new one for images of `width` pixels.
    fn build(setting: &Setting, width: usize, classes: usize, rng: &Rng) -> Result<Self>;

    /// The modules that an arm trains; everything else but the head stays.
    fn modules(setting: &Setting) -> Vec<String>;

    /// What the head sees of x: [t, width]; [t, d].
    fn hidden(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor>;

    /// The last map; [classes, d].
    fn head(&self) -> &Parameter;
}

/// All hidden layers are trained.
impl Network for Mlp {
    fn build(setting: &Setting, width: usize, classes: usize, rng: &Rng) -> Result<Self> {
        Ok(Self::new(&[&[width], setting.hidden.as_slice(), &[classes]].concat(), rng)?)
    }

    fn modules(setting: &Setting) -> Vec<String> {
        (0..setting.hidden.len()).map(|layer| format!("layers.{layer}")).collect()
    }

    fn hidden(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        Ok(Self::hidden(self, x, pass)?)
    }

    fn head(&self) -> &Parameter {
        Self::head(self)
    }
}

/// The convolutions are trained.
impl Network for LeNet {
    fn build(_: &Setting, _: usize, classes: usize, rng: &Rng) -> Result<Self> {
        Ok(Self::new(classes, rng)?)
    }

    fn modules(_: &Setting) -> Vec<String> {
        ["conv1", "conv2"].map(str::to_owned).into()
    }

    fn hidden(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        Ok(Self::hidden(self, x, pass)?)
    }

    fn head(&self) -> &Parameter {
        Self::head(self)
    }
}

/// Blocks of a small vision transformer.
const BLOCKS: usize = 4;

/// Linear maps of a block.
const MAPS: [&str; 6] = [
    "attention.attention.query",
    "attention.attention.key",
    "attention.attention.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
];

/// Four blocks of width 64 on square images in patches of 7 × 7. The maps of the blocks are trained; the added vector of the head
/// stays 0.
impl Network for Vit {
    fn build(_: &Setting, width: usize, classes: usize, rng: &Rng) -> Result<Self> {
        let sizes = config::Vit {
            hidden_size: 64,
            intermediate_size: 128,
            layers: BLOCKS,
            heads: 4,
            image_size: width.isqrt(),
            patch_size: 7,
            channels: 1,
            norm_epsilon: 1e-6,
            activation: Activation::Gelu,
        };
        Ok(Self::new(&sizes, classes, rng)?)
    }

    fn modules(_: &Setting) -> Vec<String> {
        let block = |layer| MAPS.map(|map| format!("vit.encoder.layer.{layer}.{map}"));
        (0..BLOCKS).flat_map(block).collect()
    }

    /// In a pass of its own, as blocks want one to themselves: what is trained in the lab draws nothing.
    fn hidden(&self, x: &Tensor, _: &Pass<'_>) -> Result<Tensor> {
        let ([images, _], side) = (x.matrix("images")?, self.config().image_size);
        Ok(Self::hidden(self, &x.reshape(&[images, 1, side, side])?, &mut Pass::quiet())?)
    }

    fn head(&self) -> &Parameter {
        Self::head(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::{self, Rates, testing};
    use rankine_nn::{ImageClassifier as _, Kind};
    use rankine_tensor::untaped;

    #[test]
    fn a_small_vision_transformer_learns_images_as_rows() {
        let (rng, setting, images) =
            (Rng::new(1), Setting::default(), testing::data_of(784).old.train.clone());
        let mut model = <Vit as Network>::build(&setting, images.width, 10, &rng).unwrap();
        let is_map = |parameter: &&&Parameter| parameter.kind() == Kind::Linear;
        let parameters = model.parameters();
        let maps: Vec<_> = parameters.iter().filter(is_map).map(|one| one.module()).collect();
        assert_eq!(maps, <Vit as Network>::modules(&setting));
        let rates = Rates { hidden: 2e-3, head: 2e-3 };
        let losses = transfer::train(&mut model, &images, &rng, (12, 24), rates).unwrap();
        assert!(losses[11] < 0.6 * losses[0], "{losses:?}");
        // What it learnt without the added vector of the head is what the classifier says.
        let (x, _) = images.batch(&[3, 14]).unwrap();
        let logits = untaped(|| {
            let hidden = Network::hidden(&model, &x, &Pass::quiet()).unwrap();
            hidden.matmul(&Network::head(&model).weight.dense().unwrap().t().unwrap()).unwrap().to_vec()
        });
        let x = x.reshape(&[2, 1, 28, 28]).unwrap();
        let expected = untaped(|| model.logits(&x, &mut Pass::quiet()).unwrap().to_vec());
        assert!(logits.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-4), "{logits:?} {expected:?}");
    }
}
