//! Images with coloured patches that mostly agree with the class: features that do not last.
//!
//!     x = [2 × 2 means of the image + noise, one-hot colours of 16 patches]
//!     a patch has the colour of the class, with probability p any of ten, the right one among them
//!
//! Two networks from one start are trained with p = 0.5, each seeing its image and eight patches, and are tried where p is larger:
//! each, half of both outputs, and the network of half of both weights, which sees the patches of either.

use super::judged::{Cells, Logits, accuracy};
use crate::{
    Images, Result,
    transfer::{self, Network, Rates, Setting, Split},
    weights::{self, Numbers},
};
use rankine_nn::models::Mlp;
use rankine_random::Rng;
use std::ops::Range;

const PATCHES: usize = 16;
const COLOURS: usize = 10;
/// p while training.
const TRAINED: f64 = 0.5;
/// Standard deviation of the noise on the standardised image.
const NOISE: f32 = 1.0;

/// Patches of the first network and of the second, from apart to the same.
pub(super) const OVERLAPS: [(&str, Range<usize>); 3] = [("apart", 8..16), ("half", 4..12), ("same", 0..8)];
const FIRST: Range<usize> = 0..8;

/// How networks of coloured images are trained and tried.
pub(super) struct Plan {
    pub setting: Setting,
    /// p at the test, ascending.
    pub flips: Vec<f64>,
}

/// Two networks, and both together.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Ensemble {
    pub seed: u64,
    /// How far they see the same patches.
    pub overlap: &'static str,
    pub flip: f64,
    /// Accuracy of either.
    pub single: [f64; 2],
    /// Of half of both outputs.
    pub outputs: f64,
    /// Of the network of half of both weights.
    pub weights: f64,
    /// With that network as both together.
    pub cells: Cells,
}

impl Ensemble {
    /// Of outputs and of weights above the mean of the two networks.
    pub(super) fn gains(&self) -> [f64; 2] {
        [self.outputs, self.weights].map(|accuracy| accuracy - transfer::mean(&self.single))
    }
}

impl Plan {
    pub(super) fn run(&self, images: &Split, watch: &mut dyn FnMut(&str)) -> Result<Vec<Ensemble>> {
        let mut found = Vec::new();
        for &seed in &self.setting.seeds {
            watch(&format!("coloured images, seed {seed}"));
            let rng = Rng::new(seed).fork("colours");
            let train = coloured(&images.train, TRAINED, &rng.fork("train"));
            let test = |&flip: &f64| (flip, coloured(&images.test, flip, &rng.fork("test")));
            let tests: Vec<_> = self.flips.iter().map(test).collect();
            let first = self.train(&train, &FIRST, &rng, "first")?;
            for (overlap, patches) in OVERLAPS {
                let second = self.train(&train, &patches, &rng, "second")?;
                let both = weights::sum(&[(0.5, &first), (0.5, &second)]);
                let either = FIRST.start..patches.end;
                for (flip, test) in &tests {
                    let judge = |numbers: &Numbers, patches: &Range<usize>| {
                        let images = seen(test, patches);
                        let model: Mlp = weights::network(&self.setting, sizes(&train), numbers)?;
                        Logits::of(&model, &images)
                    };
                    let alone = [judge(&first, &FIRST)?, judge(&second, &patches)?];
                    let together = judge(&both, &either)?.right(test);
                    let outputs = accuracy(&alone[0].mean(&alone[1]).right(test));
                    let [x, y] = alone.each_ref().map(|logits| logits.right(test));
                    found.push(Ensemble {
                        seed,
                        overlap,
                        flip: *flip,
                        single: [accuracy(&x), accuracy(&y)],
                        outputs,
                        weights: accuracy(&together),
                        cells: Cells::new(&x, &y, &together),
                    });
                }
            }
        }
        Ok(found)
    }

    /// The start is the same for all networks of a seed, the order of the batches that of `name`.
    fn train(&self, images: &Images, patches: &Range<usize>, rng: &Rng, name: &str) -> Result<Numbers> {
        let [width, classes] = sizes(images);
        let mut model = Mlp::build(&self.setting, width, classes, &rng.fork("start"))?;
        let rates = Rates { hidden: self.setting.head_rate, head: self.setting.head_rate };
        let steps = (self.setting.steps, self.setting.batch);
        let losses = transfer::train(&mut model, &seen(images, patches), &rng.fork(name), steps, rates)?;
        transfer::finite(&losses, rates)?;
        weights::numbers(&model)
    }
}

fn sizes(images: &Images) -> [usize; 2] {
    [images.width, transfer::classes(images)]
}

/// Images with patches.
fn coloured(images: &Images, flip: f64, rng: &Rng) -> Images {
    let (side, mut rng) = (images.width.isqrt() / 2, rng.fork("coloured"));
    let mut pixels = Vec::new();
    for (image, &label) in images.pixels.chunks_exact(images.width).zip(&images.labels) {
        for at in 0..side * side {
            let corner = 2 * (at / side) * 2 * side + 2 * (at % side);
            let four = [0, 1, 2 * side, 2 * side + 1].map(|step| image[corner + step]);
            pixels.push(four.iter().sum::<f32>() / 4.0 + NOISE * rng.normal());
        }
        for _ in 0..PATCHES {
            let any = rng.uniform_f64() < flip;
            let colour = if any { rng.below(COLOURS) } else { label as usize };
            pixels.extend((0..COLOURS).map(|other| if other == colour { 1.0 } else { 0.0 }));
        }
    }
    Images { pixels, width: side * side + PATCHES * COLOURS, labels: images.labels.clone() }
}

/// Coloured images without the colours of the other patches.
fn seen(images: &Images, patches: &Range<usize>) -> Images {
    let mut images = images.clone();
    for image in images.pixels.chunks_exact_mut(images.width) {
        let colours = images.width - PATCHES * COLOURS;
        let (_, colours) = image.split_at_mut(colours);
        for (patch, colours) in colours.chunks_exact_mut(COLOURS).enumerate() {
            if !patches.contains(&patch) {
                colours.fill(0.0);
            }
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, transfer::testing};

    #[test]
    fn a_training_that_leaves_the_numbers_is_an_error() {
        let setting = Setting { head_rate: f32::NAN, ..testing::setting() };
        let plan = Plan { setting, flips: vec![0.5] };
        let found = plan.run(&testing::data().new, &mut |_| {});
        assert!(matches!(found, Err(Error::NotFinite { step: 2, .. })), "{found:?}");
    }

    #[test]
    fn patches_have_the_colour_of_the_class_or_any() {
        let images = Images { pixels: vec![0.0; 16 * 500], width: 16, labels: vec![3; 500] };
        let kept = |flip| {
            let coloured = coloured(&images, flip, &Rng::new(1));
            assert_eq!((coloured.width, coloured.pixels.len()), (4 + 160, 500 * 164));
            let colours = coloured.pixels.chunks(164).flat_map(|image| image[4..].chunks(10));
            let right = colours.filter(|patch| {
                assert_eq!(patch.iter().sum::<f32>(), 1.0);
                patch[3] == 1.0
            });
            right.count() as f64 / 8000.0
        };
        assert_eq!(kept(0.0), 1.0);
        assert!((kept(0.5) - 0.55).abs() < 0.03 && (kept(1.0) - 0.1).abs() < 0.02);
    }

    #[test]
    fn what_is_not_seen_is_dark() {
        let images = Images { pixels: vec![1.0; 164 * 2], width: 164, labels: vec![0; 2] };
        let dark = seen(&images, &(4..12));
        let second = &dark.pixels[164..];
        assert!(second[..4].iter().chain(&second[44..124]).all(|pixel| *pixel == 1.0));
        assert!(second[4..44].iter().chain(&second[124..]).all(|pixel| *pixel == 0.0));
    }
}
