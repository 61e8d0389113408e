//! Networks that can be moved to new classes.

use super::Setting;
use crate::Result;
use rankine_nn::{
    Model, Parameter, Pass,
    models::{LeNet, Mlp},
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
