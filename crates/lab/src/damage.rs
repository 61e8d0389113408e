//! Damage to images: what a camera, a wire or bad light does to them.
//!
//! Pixels are from 0 to 1 and are cut off there. The strengths are those of the fifth of five levels, as in [signature].

use crate::Images;
use rankine_random::Rng;

/// A kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Damage {
    /// Gaussian, standard deviation 0.35.
    Noise,
    /// A quarter of it, about the mean of the image.
    Contrast,
    /// 0.4 more.
    Brightness,
    /// Gaussian, standard deviation 1.5 pixels, square images only; edges go on outside.
    Blur,
}

impl Damage {
    /// What it is called on a page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Contrast => "contrast",
            Self::Brightness => "brightness",
            Self::Blur => "blur",
        }
    }

    /// Every image damaged.
    pub(crate) fn apply(self, images: &Images, rng: &Rng) -> Images {
        let mut rng = rng.fork(self.name());
        images.changed(|image| self.spoil(image, &mut rng))
    }

    fn spoil(self, image: &mut [f32], rng: &mut Rng) {
        match self {
            Self::Noise => image.iter_mut().for_each(|pixel| *pixel += 0.35 * rng.normal()),
            Self::Contrast => {
                let mean = image.iter().sum::<f32>() / image.len() as f32;
                image.iter_mut().for_each(|pixel| *pixel = mean + 0.25 * (*pixel - mean));
            }
            Self::Brightness => image.iter_mut().for_each(|pixel| *pixel += 0.4),
            Self::Blur => blur(image, 1.5),
        }
    }
}

/// Every image with one of these kinds of damage or none, equally often.
pub(crate) fn mixed(images: &Images, damages: &[Damage], rng: &Rng) -> Images {
    let mut rng = rng.fork("mixed");
    images.changed(|image| {
        if let Some(damage) = damages.get(rng.below(damages.len() + 1)) {
            damage.spoil(image, &mut rng);
        }
    })
}

/// Every image moved by up to two pixels and made darker or brighter by up to three tenths.
pub(crate) fn moved(images: &Images, rng: &Rng) -> Images {
    let mut rng = rng.fork("moved");
    images.changed(|image| {
        let (down, right) = (rng.below(5), rng.below(5));
        let factor = 0.7 + 0.6 * rng.uniform();
        let still = rolled(image, [down, right]);
        image.iter_mut().zip(still).for_each(|(pixel, moved)| *pixel = factor * moved);
    })
}

/// A square image moved down and to the right by so many pixels less two; what leaves comes in on the other side.
pub(crate) fn rolled(image: &[f32], [down, right]: [usize; 2]) -> Vec<f32> {
    let side = image.len().isqrt();
    let from = |place: usize, by: usize| (place + 2 * side + 2 - by) % side;
    let mut moved = image.to_vec();
    for (at, pixel) in moved.iter_mut().enumerate().take(side * side) {
        *pixel = image[from(at / side, down) * side + from(at % side, right)];
    }
    moved
}

fn blur(image: &mut [f32], deviation: f32) {
    let (side, reach) = (image.len().isqrt(), (3.0 * deviation).ceil() as usize);
    let weight = |at: usize| (-0.5 * ((at as f32 - reach as f32) / deviation).powi(2)).exp();
    let weights: Vec<f32> = (0..=2 * reach).map(weight).collect();
    let sum: f32 = weights.iter().sum();
    // Each turn goes along the rows and makes columns of them.
    for _ in 0..2 {
        let sharp = image.to_vec();
        for at in 0..side * side {
            let (row, column) = (at / side, at % side);
            let near = |by: usize| sharp[row * side + (column + by).saturating_sub(reach).min(side - 1)];
            let weighed = weights.iter().enumerate().map(|(by, weight)| weight * near(by));
            image[column * side + row] = weighed.sum::<f32>() / sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::standardised;

    fn grey(pixels: &[f32]) -> Images {
        let pixels: Vec<f32> = pixels.iter().map(|&pixel| standardised(pixel)).collect();
        Images { width: pixels.len(), pixels, labels: vec![0] }
    }

    fn seen(images: &Images) -> Vec<f32> {
        let mut pixels = Vec::new();
        images.changed(|image| pixels.extend_from_slice(image));
        pixels
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-5), "{found:?} {expected:?}");
    }

    #[test]
    fn contrast_and_brightness_are_what_they_say() {
        let (images, rng) = (grey(&[0.0, 0.2, 0.8, 1.0]), Rng::new(1));
        assert_near(&seen(&Damage::Contrast.apply(&images, &rng)), &[0.375, 0.425, 0.575, 0.625]);
        assert_near(&seen(&Damage::Brightness.apply(&images, &rng)), &[0.4, 0.6, 1.0, 1.0]);
    }

    #[test]
    fn blurring_keeps_what_is_even_and_is_the_same_both_ways() {
        let rng = Rng::new(1);
        assert_near(&seen(&Damage::Blur.apply(&grey(&[0.3; 49]), &rng)), &[0.3; 49]);
        let mut dot = vec![0.0; 169];
        dot[6 * 13 + 6] = 1.0;
        let blurred = seen(&Damage::Blur.apply(&grey(&dot), &rng));
        assert!((blurred.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        let transposed: Vec<f32> = (0..169).map(|at| blurred[at % 13 * 13 + at / 13]).collect();
        assert_near(&blurred, &transposed);
        // exp(−½·(1/1.5)²) from the middle to its neighbour.
        assert!((blurred[6 * 13 + 7] / blurred[6 * 13 + 6] - 0.800_737).abs() < 1e-3);
    }

    #[test]
    fn rolling_moves_by_less_two() {
        let image: Vec<f32> = (0..9).map(|pixel| pixel as f32).collect();
        assert_eq!(rolled(&image, [2, 2]), image);
        assert_eq!(rolled(&image, [3, 2]), [6.0, 7.0, 8.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(rolled(&image, [2, 1]), [1.0, 2.0, 0.0, 4.0, 5.0, 3.0, 7.0, 8.0, 6.0]);
    }

    #[test]
    fn draws_are_those_of_the_stream() {
        let images = Images { pixels: vec![0.3; 400 * 4], width: 4, labels: vec![0; 400] };
        let rng = Rng::new(7);
        let noisy = Damage::Noise.apply(&images, &rng);
        assert_eq!(noisy, Damage::Noise.apply(&images, &rng));
        assert_ne!(noisy, Damage::Noise.apply(&images, &Rng::new(8)));
        // Two of three are damaged, and brightness moves every pixel by as much.
        let damaged = mixed(&images, &[Damage::Brightness, Damage::Noise], &rng);
        let same = damaged.pixels.chunks(4).filter(|image| (image[0] - 0.3).abs() < 1e-5).count();
        assert!((90..180).contains(&same), "{same}");
    }
}
