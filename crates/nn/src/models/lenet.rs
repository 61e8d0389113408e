//! A small convolutional classifier of 28 × 28 images, in the manner of LeNet.
//!
//!     h₁ = pool(relu(w₁ ⋆ x + b₁)),  h₂ = pool(relu(w₂ ⋆ h₁ + b₂)),  h = relu(h₂·w₃ᵀ + b₃),  logits = h·headᵀ
//!     x: [t, 784]  w₁: [32, 1, 5, 5]  w₂: [64, 32, 5, 5]  w₃: [512, 3136]  head: [classes, 512]
//!
//! Kernels are padded by 2 and pooling windows are 2 × 2. The head has no bias, as in [`Mlp`](super::Mlp).

use super::{ImageClassifier, Model, kaiming, maps::flat, trained};
use crate::{
    Error, Kind, Parameter, Pass, Result,
    layers::{Conv2d, Linear},
};
use rankine_random::Rng;
use rankine_tensor::{
    Tensor,
    ops::{Activation, Convolution},
};

/// Height and width of an image.
const SIDE: usize = 28;

/// Two convolutions, a hidden layer and a head.
pub struct LeNet {
    convolutions: [Conv2d; 2],
    linear: Linear,
    head: Linear,
    classes: usize,
}

impl LeNet {
    /// A network of `classes`, all of it trained. It starts like [`Mlp`](super::Mlp).
    ///
    /// # Errors
    /// [`Error::Setting`] when there is no class.
    pub fn new(classes: usize, rng: &Rng) -> Result<Self> {
        if classes == 0 {
            return Err(Error::Setting { name: "classes", expected: "one or more", found: "0".to_owned() });
        }
        let bias =
            |module: &str, outputs| trained(format!("{module}.bias"), Kind::Bias, &Tensor::zeros(&[outputs]));
        let convolution = |module: &str, [outputs, channels]: [usize; 2]| {
            let layout = Convolution {
                padding: [2, 2],
                activation: Activation::Relu,
                pool: 2,
                ..Convolution::default()
            };
            let shape = [outputs, channels, 5, 5];
            let weight = kaiming(&format!("{module}.weight"), Kind::Convolution, &shape, 2.0, rng)?;
            Ok::<_, Error>(Conv2d { weight, bias: Some(bias(module, outputs)), layout })
        };
        Ok(Self {
            convolutions: [convolution("conv1", [32, 1])?, convolution("conv2", [64, 32])?],
            linear: Linear {
                weight: kaiming("linear.weight", Kind::Linear, &[512, 64 * 49], 2.0, rng)?,
                bias: Some(bias("linear", 512)),
            },
            head: Linear {
                weight: kaiming("head.weight", Kind::Head, &[classes, 512], 1.0, rng)?,
                bias: None,
            },
            classes,
        })
    }

    /// What the head sees of x: [t, 784]; [t, 512].
    ///
    /// # Errors
    /// When x has not 784 columns.
    pub fn hidden(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let [images, _] = x.matrix("images")?;
        let [first, second] = &self.convolutions;
        let maps = second.forward(&first.forward(&x.reshape(&[images, 1, SIDE, SIDE])?)?)?;
        self.linear.activated(&maps.reshape(&[images, 64 * 49])?, Activation::Relu, pass)
    }

    /// Scores of every class for x: [t, 784]; [t, classes].
    ///
    /// # Errors
    /// As [`hidden`](Self::hidden).
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.head.forward(&self.hidden(x, pass)?, pass)
    }

    /// The last map; [classes, 512].
    pub fn head(&self) -> &Parameter {
        &self.head.weight
    }
}

impl Model for LeNet {
    fn parameters(&self) -> Vec<&Parameter> {
        let convolutions = self.convolutions.iter().flat_map(Conv2d::parameters);
        convolutions.chain([&self.linear, &self.head].into_iter().flat_map(Linear::parameters)).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let Self { convolutions, linear, head, .. } = self;
        let convolutions = convolutions.iter_mut().flat_map(Conv2d::parameters_mut);
        convolutions.chain([linear, head].into_iter().flat_map(Linear::parameters_mut)).collect()
    }
}

impl ImageClassifier for LeNet {
    fn logits<'m>(&'m self, images: &Tensor, pass: &mut Pass<'m>) -> Result<Tensor> {
        self.forward(&flat(images)?, pass)
    }

    fn classes(&self) -> usize {
        self.classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::for_each_trained;
    use rankine_tensor::ops::plain;

    fn model() -> (LeNet, Tensor) {
        let x = Tensor::new(Rng::new(3).normals(3 * 784, 1.0), &[3, 784]).unwrap();
        (LeNet::new(10, &Rng::new(1)).unwrap(), x)
    }

    #[test]
    fn it_is_the_composition_of_backend_operations() {
        let (model, x) = model();
        let value = |at: usize| model.parameters()[at].weight.dense().unwrap();
        let layout = model.convolutions[0].layout;
        let mut h = x.reshape(&[3, 1, 28, 28]).unwrap();
        for at in [0, 2] {
            h = plain::conv2d(&h, &value(at), Some(&value(at + 1)), &layout).unwrap();
        }
        h = plain::affine(&h.reshape(&[3, 3136]).unwrap(), &value(4), &value(5), Activation::Relu).unwrap();
        let expected = plain::linear(&h, &value(6)).unwrap().to_vec();
        let found = model.forward(&x, &Pass::quiet()).unwrap();
        assert_eq!(found.shape(), [3, 10]);
        for (found, expected) in found.to_vec().iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn every_parameter_is_trained_and_gets_a_gradient() {
        let (model, x) = model();
        let gradients = model.forward(&x, &Pass::quiet()).unwrap().sum().backward().unwrap();
        let mut names = Vec::new();
        for_each_trained(&model, &mut |place, variable| {
            let gradient = gradients.of(variable).unwrap_or_else(|| panic!("{} has no gradient", place.name));
            assert!(gradient.to_vec().iter().any(|g| *g != 0.0), "{}", place.name);
            names.push((place.name, place.kind));
        });
        assert_eq!(names.len(), 7);
        assert_eq!(names[2], ("conv2.weight/value".to_owned(), Kind::Convolution));
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let (model, _) = model();
        assert!(model.hidden(&Tensor::zeros(&[2, 783]), &Pass::quiet()).is_err());
        assert!(LeNet::new(0, &Rng::new(0)).is_err());
    }
}
