//! Items on textured ground, and the masks of where they are.
//!
//!     image = mask∘item + (1 − mask)∘ground        mask = 1 where the item is brighter than a tenth, else 0
//!     ground = c + 0.15·Σ₂ sin(f·place + φ) + 0.05·noise        c in [0.2, 0.6), waves of 4 to 10 pixels
//!
//! Items are moved by up to two pixels and made darker or brighter: neither place nor brightness tells them from the ground.
//! They are those of Fashion-MNIST, or drawn here: ten shapes of any size and angle.

use crate::{Images, damage, images::standardised};
use rankine_data::{Sample, images::LabelledImages};
use rankine_random::Rng;
use std::{f32::consts::TAU, sync::Arc};

/// Pixels along a side.
pub(super) const SIDE: usize = 28;

/// Items are brighter.
const BRIGHT: f32 = 0.1;

/// Shapes that are drawn.
const SHAPES: u32 = 10;

/// Images, and where their items are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scenes {
    images: Images,
    /// 1 on the item, else 0; [images, pixels].
    masks: Vec<f32>,
}

/// One image with its mask.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    scenes: Arc<Scenes>,
    row: usize,
}

/// What a network sees at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SceneBatch {
    /// [images, pixels].
    pub pixels: Vec<f32>,
    /// 1 on the item, else 0; [images, pixels].
    pub masks: Vec<f32>,
    pub images: usize,
}

impl Scenes {
    /// Every item on a ground of its own.
    pub fn of(items: &Images, rng: &Rng) -> Self {
        let (mut masks, mut rng_of_grounds) = (Vec::with_capacity(items.pixels.len()), rng.fork("grounds"));
        let images = damage::moved(items, rng).changed(|image| {
            for (pixel, ground) in image.iter_mut().zip(ground(&mut rng_of_grounds)) {
                let inside = BRIGHT < *pixel;
                masks.push(f32::from(u8::from(inside)));
                *pixel = if inside { *pixel } else { ground };
            }
        });
        Self { images, masks }
    }

    /// The images for a classifier.
    pub fn labelled(&self) -> LabelledImages {
        let (pixels, labels) = (self.images.pixels.clone(), self.images.labels.clone());
        let classes =
            (0..=labels.iter().max().copied().unwrap_or(0)).map(|class| class.to_string()).collect();
        LabelledImages { sides: [1, SIDE, SIDE], pixels, labels, classes }
    }

    /// One by one; no number is copied.
    pub fn samples(self) -> Vec<Scene> {
        let scenes = Arc::new(self);
        (0..scenes.images.labels.len()).map(|row| Scene { scenes: scenes.clone(), row }).collect()
    }

    /// Two halves, images in turn.
    pub fn halves(self) -> (Vec<Scene>, Vec<Scene>) {
        self.samples().into_iter().partition(|scene| scene.row.is_multiple_of(2))
    }
}

impl Sample for Scene {
    type Batch = SceneBatch;

    /// One: images are counted.
    fn length(&self) -> usize {
        1
    }

    fn batch<'a>(samples: impl Iterator<Item = &'a Self>) -> SceneBatch {
        let mut batch = SceneBatch::default();
        for Self { scenes, row } in samples {
            let own = row * scenes.images.width..(row + 1) * scenes.images.width;
            batch.pixels.extend(&scenes.images.pixels[own.clone()]);
            batch.masks.extend(&scenes.masks[own]);
            batch.images += 1;
        }
        batch
    }
}

/// Two waves in any direction, and noise; [pixels].
fn ground(rng: &mut Rng) -> Vec<f32> {
    let level = 0.2 + 0.4 * rng.uniform();
    let waves = [0; 2].map(|_| {
        let (angle, length, phase) = (TAU * rng.uniform(), 4.0 + 6.0 * rng.uniform(), TAU * rng.uniform());
        let frequency = TAU / length;
        [frequency * angle.sin(), frequency * angle.cos(), phase]
    });
    let pixel = |at: usize| {
        let (y, x) = ((at / SIDE) as f32, (at % SIDE) as f32);
        let sum: f32 = waves.iter().map(|[down, right, phase]| (down * y + right * x + phase).sin()).sum();
        level + 0.15 * sum + 0.05 * rng.normal()
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

/// `each` images of every shape, in turn, on nothing.
pub(super) fn drawn(each: usize, rng: &Rng) -> Images {
    let mut rng = rng.fork("drawn");
    let labels: Vec<u32> = (0..each).flat_map(|_| 0..SHAPES).collect();
    let mut pixels = Vec::with_capacity(labels.len() * SIDE * SIDE);
    for &label in &labels {
        let (size, bright) = (6.0 + 4.0 * rng.uniform(), 0.4 + 0.5 * rng.uniform());
        let (sin, cos) = (TAU * rng.uniform()).sin_cos();
        for at in 0..SIDE * SIDE {
            let [y, x] = [at / SIDE, at % SIDE].map(|place| (place as f32 - 13.5) / size);
            let inside = covers(label, [cos * x - sin * y, sin * x + cos * y]);
            // Never as dark as what is not brighter than a tenth, however dark the image becomes.
            let pixel = if inside { (bright + 0.08 * rng.normal()).max(0.2) } else { 0.0 };
            pixels.push(standardised(pixel));
        }
    }
    Images { pixels, width: SIDE * SIDE, labels }
}

/// Whether a shape covers a place; each lies in about the disc of radius 1.
fn covers(shape: u32, [u, v]: [f32; 2]) -> bool {
    let radius = u.hypot(v);
    let (near, far) = (u.abs().min(v.abs()), u.abs().max(v.abs()));
    match shape {
        // Disc, ring, square, frame, ellipse.
        0 => radius < 1.0,
        1 => (0.5..1.0).contains(&radius),
        2 => far < 0.8,
        3 => (0.5..0.9).contains(&far),
        4 => u.hypot(2.0 * v) < 1.1,
        // Cross, bar, half a disc, triangle, two discs.
        5 => near < 0.3 && far < 1.0,
        6 => u.abs() < 1.1 && v.abs() < 0.3,
        7 => radius < 1.0 && 0.0 < v,
        8 => -0.7 < v && u.abs() < 0.6 * (0.9 - v),
        _ => (u.abs() - 0.6).hypot(v) < 0.4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_where_the_item_is_seen_and_all_else_is_ground() {
        let items = drawn(2, &Rng::new(1));
        assert_eq!(items.labels[8..12], [8, 9, 0, 1]);
        let scenes = Scenes::of(&items, &Rng::new(2));
        assert_eq!(scenes, Scenes::of(&items, &Rng::new(2)));
        assert_ne!(scenes.images.pixels, Scenes::of(&items, &Rng::new(3)).images.pixels);
        let alone = damage::moved(&items, &Rng::new(2));
        let (images, masks) = (scenes.images.pixels.chunks(784), scenes.masks.chunks(784));
        for ((image, mask), alone) in images.zip(masks).zip(alone.pixels.chunks(784)) {
            let share = mask.iter().sum::<f32>() / 784.0;
            assert!((0.03..0.6).contains(&share), "{share}");
            for ((pixel, mask), alone) in image.iter().zip(mask).zip(alone) {
                assert_eq!(*mask == 1.0, standardised(BRIGHT) < *alone);
                assert!(*mask == 0.0 || (pixel - alone).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn batches_are_rows_and_halves_are_of_all_classes() {
        let scenes = Scenes::of(&drawn(3, &Rng::new(1)).of_classes(&[0, 2, 4, 6, 8]).unwrap(), &Rng::new(1));
        let (images, masks) = (scenes.images.clone(), scenes.masks.clone());
        assert_eq!(scenes.labelled().classes.len(), 5);
        let (one, other) = scenes.halves();
        assert_eq!((one.len(), other.len()), (8, 7));
        let classes =
            |half: &[Scene]| -> Vec<u32> { half.iter().map(|scene| images.labels[scene.row]).collect() };
        assert_eq!(
            (classes(&one)[..5].to_vec(), classes(&other)[..2].to_vec()),
            (vec![0, 2, 4, 1, 3], vec![1, 3])
        );
        let batch = Scene::batch(other[..2].iter());
        assert_eq!((batch.images, &batch.pixels[784..]), (2, &images.pixels[3 * 784..4 * 784]));
        assert_eq!(batch.masks[..784], masks[784..2 * 784]);
    }
}
