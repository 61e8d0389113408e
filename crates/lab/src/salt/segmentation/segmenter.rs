//! A vision transformer with a linear decoder of masks, and the task of finding them.
//!
//!     z = states·wᵀ + b        states: [n·patches, d], behind the last norm  w: [p², d]  z: [n·patches, p²]
//!     loss = mean over pixels of ln(1 + eᶻ) − z·m        m = 1 on the item, else 0
//!     Dice = 2·|found ∩ item| / (|found| + |item|)        found: z > 0; image by image, 1 where both are empty

use super::scenes::{Scene, SceneBatch};
use crate::Result;
use rankine_nn::{
    ImageClassifier as _, Kind, Model, Parameter, Pass, layers::Linear, models::Vit, weight::Dense,
};
use rankine_random::Rng;
use rankine_tensor::{Tensor, untaped};
use rankine_train::{Count, Measured, Task};

/// A vision transformer with a mask for every patch.
pub(super) struct Segmenter {
    encoder: Vit,
    decoder: Linear,
}

impl Segmenter {
    /// A frozen encoder with a new decoder, which is trained.
    pub fn new(mut encoder: Vit, rng: &Rng) -> Result<Self> {
        for parameter in encoder.parameters_mut() {
            parameter.weight = Box::new(Dense::frozen(parameter.weight.constant()?));
        }
        let (pixels, inputs) = (encoder.config().patch_size.pow(2), encoder.config().hidden_size);
        let trained = |name: &str, kind, start: Tensor| {
            Parameter::new(format!("decoder.{name}"), kind, Box::new(Dense::trained(&start)))
        };
        let start = rng.fork("decoder").normals(pixels * inputs, (inputs as f32).sqrt().recip());
        let weight = trained("weight", Kind::Linear, Tensor::new(start, &[pixels, inputs])?);
        let bias = trained("bias", Kind::Bias, Tensor::zeros(&[pixels]));
        Ok(Self { encoder, decoder: Linear { weight, bias: Some(bias) } })
    }

    /// The same with every weight frozen.
    pub fn frozen(&self) -> Result<Self> {
        let (sizes, classes, rng) = (self.encoder.config(), self.encoder.classes(), Rng::new(0));
        let mut copy = Self::new(Vit::new(sizes, classes, &rng)?, &rng)?;
        for (new, old) in copy.parameters_mut().into_iter().zip(self.parameters()) {
            new.weight = Box::new(Dense::frozen(old.weight.constant()?));
        }
        Ok(copy)
    }

    /// Modules of a kind in the encoder.
    pub fn modules(&self, kind: Kind) -> Vec<String> {
        let parameters = self.encoder.parameters().into_iter();
        parameters.filter(|one| one.kind() == kind).map(|one| one.module().to_owned()).collect()
    }

    /// z, and m in the same order; [n·patches, p²] each.
    fn seen<'m>(&'m self, batch: &SceneBatch, pass: &mut Pass<'m>) -> rankine_train::Result<[Tensor; 2]> {
        let (side, patch) = (self.encoder.config().image_size, self.encoder.config().patch_size);
        let images = Tensor::new(batch.pixels.clone(), &[batch.images, 1, side, side])?;
        let logits = self.decoder.forward(&self.encoder.patch_states(&images, pass)?, pass)?;
        let masks = batch.masks.chunks_exact(side * side).flat_map(|mask| patched(mask, side, patch));
        let masks = Tensor::new(masks.collect(), &logits.shape())?;
        Ok([logits, masks])
    }
}

/// Pixels patch by patch; [side²] in both orders.
fn patched(pixels: &[f32], side: usize, patch: usize) -> impl Iterator<Item = f32> {
    let across = side / patch;
    (0..pixels.len()).map(move |at| {
        let (number, inside) = (at / patch.pow(2), at % patch.pow(2));
        let row = number / across * patch + inside / patch;
        let column = number % across * patch + inside % patch;
        pixels[row * side + column]
    })
}

impl Model for Segmenter {
    fn parameters(&self) -> Vec<&Parameter> {
        self.encoder.parameters().into_iter().chain(self.decoder.parameters()).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.encoder.parameters_mut().into_iter().chain(self.decoder.parameters_mut()).collect()
    }
}

/// Finding the pixels of items.
pub(super) struct Masks;

impl Task for Masks {
    type Model = Segmenter;
    type Sample = Scene;
    type Score = Overlap;

    /// Every pixel is a target, every image a token.
    fn count(&self, batch: &SceneBatch) -> Count {
        Count { targets: batch.masks.len(), tokens: batch.images }
    }

    fn losses<'m>(
        &self,
        model: &'m Segmenter,
        batch: &SceneBatch,
        pass: &mut Pass<'m>,
    ) -> rankine_train::Result<Tensor> {
        let [logits, masks] = model.seen(batch, pass)?;
        Ok(cross_entropy(&logits, &masks)?.reshape(&[batch.masks.len()])?)
    }

    fn score(
        &self,
        model: &Segmenter,
        batches: &mut dyn Iterator<Item = SceneBatch>,
        watch: &mut dyn FnMut(usize),
    ) -> rankine_train::Result<Overlap> {
        let mut score = Overlap::default();
        for batch in batches {
            let [logits, masks] = untaped(|| model.seen(&batch, &mut Pass::quiet()))?;
            let losses = cross_entropy(&logits, &masks)?;
            let pixels = batch.masks.len() / batch.images.max(1);
            let [logits, masks, losses] = [logits, masks, losses].map(|numbers| numbers.to_vec());
            let images = logits.chunks_exact(pixels).zip(masks.chunks_exact(pixels));
            for ((logits, mask), losses) in images.zip(losses.chunks_exact(pixels)) {
                score.add(dice(logits, mask), losses);
            }
            watch(score.images);
        }
        Ok(score)
    }
}

/// ln(1 + eᶻ) − z·m, which overflows nowhere.
fn cross_entropy(z: &Tensor, masks: &Tensor) -> rankine_tensor::Result<Tensor> {
    let softplus = z.relu().add(&z.abs().neg().exp().shift(1.0).ln())?;
    softplus.sub(&z.mul(masks)?)
}

fn dice(logits: &[f32], mask: &[f32]) -> f64 {
    let found = logits.iter().map(|&z| 0.0 < z);
    let (mut sizes, mut both) = (0_usize, 0_usize);
    for (found, item) in found.zip(mask.iter().map(|&m| 0.5 < m)) {
        sizes += usize::from(found) + usize::from(item);
        both += usize::from(found && item);
    }
    if sizes == 0 { 1.0 } else { 2.0 * both as f64 / sizes as f64 }
}

/// How well masks are found: means over the images.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Overlap {
    /// Cross-entropy of a pixel, in nats.
    nll: f64,
    pub dice: f64,
    images: usize,
}

impl Overlap {
    fn add(&mut self, dice: f64, losses: &[f32]) {
        let nll = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len() as f64;
        self.images += 1;
        let share = 1.0 / self.images as f64;
        self.nll += share * (nll - self.nll);
        self.dice += share * (dice - self.dice);
    }
}

impl Measured for Overlap {
    fn nll(&self) -> f64 {
        self.nll
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("dice", self.dice)]
    }

    fn scored(&self) -> usize {
        self.images
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_of_a_patch_stand_together() {
        let pixels: Vec<f32> = (0..16).map(|pixel| pixel as f32).collect();
        let expected = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15].map(|pixel| pixel as f32);
        assert_eq!(patched(&pixels, 4, 2).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn losses_are_those_of_the_sigmoid_and_stay_finite() {
        let z = Tensor::new(vec![0.0, 1.5, -2.0, 200.0, -200.0, -200.0], &[2, 3]).unwrap();
        let masks = Tensor::new(vec![1.0, 1.0, 0.0, 0.0, 0.0, 1.0], &[2, 3]).unwrap();
        let found = cross_entropy(&z, &masks).unwrap().to_vec();
        let sigmoid = |z: f32| 1.0 / (1.0 + (-z).exp());
        let expected = [2.0_f32.ln(), -sigmoid(1.5).ln(), -(1.0 - sigmoid(-2.0)).ln(), 200.0, 0.0, 200.0];
        assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-5), "{found:?}");
    }

    #[test]
    fn dice_counts_what_is_in_both_twice() {
        assert!((dice(&[1.0, 1.0, -1.0, 0.0], &[1.0, 0.0, 1.0, 1.0]) - 0.4).abs() < 1e-12);
        assert_eq!(dice(&[-1.0, f32::NAN], &[0.0, 0.0]), 1.0);
        let mut score = Overlap::default();
        score.add(0.4, &[1.0, 3.0]);
        score.add(0.8, &[0.0, 1.0]);
        assert!((score.dice - 0.6).abs() < 1e-12 && (score.nll() - 1.25).abs() < 1e-12);
        assert_eq!(score.scored(), 2);
    }
}
