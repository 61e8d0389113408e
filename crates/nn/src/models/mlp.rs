//! A multilayer perceptron: the small classifier of the lab's experiments.
//!
//!     h₀ = x,   hᵢ₊₁ = relu(hᵢ·wᵢᵀ + bᵢ),   logits = h·headᵀ        x: [t, in]  wᵢ: [out, in]  head: [classes, d]
//!
//! The head has no bias, so that its cross-entropy is the one of language models (`ops::losses`) and needs no logits.

use super::{ImageClassifier, Model, kaiming, maps::flat, trained};
use crate::{Error, Kind, Parameter, Pass, Result, layers::Linear};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops::Activation};

/// Linear maps with relu between them.
pub struct Mlp {
    layers: Vec<Linear>,
    head: Linear,
    classes: usize,
}

impl Mlp {
    /// A network from `sizes[0]` inputs through hidden layers to the last of `sizes` classes, all of it trained.
    ///
    /// Weights start uniform with variance 2/in below a relu and 1/in at the head (kaiming), biases at 0; every
    /// weight draws from the stream of its own path.
    ///
    /// # Errors
    /// [`Error::Setting`] when there are fewer than two sizes or one of them is 0.
    pub fn new(sizes: &[usize], rng: &Rng) -> Result<Self> {
        let count = sizes.len().saturating_sub(1);
        if count == 0 || sizes.contains(&0) {
            let found = format!("{sizes:?}");
            return Err(Error::Setting { name: "sizes", expected: "two or more sizes above 0", found });
        }
        let layer =
            |(index, pair): (usize, &[usize])| linear(index, [pair[1], pair[0]], index + 1 < count, rng);
        let mut layers = sizes.windows(2).enumerate().map(layer).collect::<Result<Vec<_>>>()?;
        let head = layers.split_off(count - 1).remove(0);
        Ok(Self { layers, head, classes: sizes[count] })
    }

    /// What the head sees of x: [t, in]; [t, d].
    ///
    /// # Errors
    /// When x has not as many columns as the network has inputs.
    pub fn hidden(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.layers.iter().try_fold(x.clone(), |h, layer| layer.activated(&h, Activation::Relu, pass))
    }

    /// Scores of every class for x: [t, in]; [t, classes].
    ///
    /// # Errors
    /// As [`hidden`](Self::hidden).
    pub fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.head.forward(&self.hidden(x, pass)?, pass)
    }

    /// The last map; [classes, d].
    pub fn head(&self) -> &Parameter {
        &self.head.weight
    }
}

impl Model for Mlp {
    fn parameters(&self) -> Vec<&Parameter> {
        self.layers.iter().chain([&self.head]).flat_map(Linear::parameters).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.layers.iter_mut().chain([&mut self.head]).flat_map(Linear::parameters_mut).collect()
    }
}

impl ImageClassifier for Mlp {
    /// Hidden layers are blocks.
    fn logits<'m>(&'m self, images: &Tensor, pass: &mut Pass<'m>) -> Result<Tensor> {
        let hidden = self.layers.iter().try_fold(flat(images)?, |x, layer| {
            pass.block(x, move |x, pass| layer.activated(x, Activation::Relu, pass))
        })?;
        self.head.forward(&hidden, pass)
    }

    fn classes(&self) -> usize {
        self.classes
    }
}

/// Layer `index` of shape [out, in]: with a bias below a relu, without one at the head.
fn linear(index: usize, [outputs, inputs]: [usize; 2], relu: bool, rng: &Rng) -> Result<Linear> {
    let (kind, gain) = if relu { (Kind::Linear, 2.0) } else { (Kind::Head, 1.0) };
    let weight = kaiming(&format!("layers.{index}.weight"), kind, &[outputs, inputs], gain, rng)?;
    let bias = relu.then(|| trained(format!("layers.{index}.bias"), Kind::Bias, &Tensor::zeros(&[outputs])));
    Ok(Linear { weight, bias })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::for_each_trained;

    #[test]
    fn it_is_maps_with_relu_between() {
        let model = Mlp::new(&[2, 3, 2], &Rng::new(1)).unwrap();
        let paths: Vec<_> = model.parameters().iter().map(|p| (p.path().to_owned(), p.kind())).collect();
        let expected = [
            ("layers.0.weight", Kind::Linear),
            ("layers.0.bias", Kind::Bias),
            ("layers.1.weight", Kind::Head),
        ];
        assert_eq!(paths, expected.map(|(path, kind)| (path.to_owned(), kind)));
        let [w, _, head] = [0, 1, 2].map(|i| model.parameters()[i].weight.dense().unwrap().to_vec());
        let x = [0.7, -1.3];
        let h: Vec<f32> = w.chunks(2).map(|row| (row[0] * x[0] + row[1] * x[1]).max(0.0)).collect();
        let y: Vec<f32> = head.chunks(3).map(|row| row.iter().zip(&h).map(|(a, b)| a * b).sum()).collect();
        let found =
            model.forward(&Tensor::new(x.to_vec(), &[1, 2]).unwrap(), &Pass::quiet()).unwrap().to_vec();
        assert!(found.iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {y:?}");
    }

    #[test]
    fn every_parameter_is_trained_and_gets_a_gradient() {
        let model = Mlp::new(&[4, 8, 8, 3], &Rng::new(2)).unwrap();
        let x = Tensor::new(Rng::new(3).normals(20, 1.0), &[5, 4]).unwrap();
        let gradients = model.forward(&x, &Pass::quiet()).unwrap().sum().backward().unwrap();
        let mut found = 0;
        for_each_trained(&model, &mut |place, variable| {
            let gradient = gradients.of(variable).unwrap_or_else(|| panic!("{} has no gradient", place.name));
            assert!(gradient.to_vec().iter().any(|g| *g != 0.0), "{}", place.name);
            found += 1;
        });
        assert_eq!(found, 5);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for sizes in [&[][..], &[3], &[3, 0, 2]] {
            assert!(Mlp::new(sizes, &Rng::new(0)).is_err(), "{sizes:?}");
        }
    }
}
