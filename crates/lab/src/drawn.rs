//! Images that are drawn here: ten classes of one outline with small marks of their own, in place of Fashion-MNIST.
//!
//!     image = moved(0.6·hill + 0.25·Σ ±spot)·factor + noise        28 × 28, six spots a class
//!
//! Small marks are what noise drowns and faint light hides, so that damage matters.

use crate::{Images, Materials, Result, Scale, damage, images::standardised, transfer::Split};
use rankine_random::Rng;

const CLASSES: usize = 10;
const SIDE: usize = 28;

/// Images to learn from and to be judged on: drawn here for a quick look, Fashion-MNIST in full.
pub(crate) fn split(scale: Scale, materials: &Materials<'_>) -> Result<Split> {
    let rng = Rng::new(0);
    let read = |part| Images::fashion_mnist(&materials.fashion_mnist, part);
    Ok(match scale {
        Scale::Quick => {
            Split { train: images(400, &rng.fork("train")), test: images(100, &rng.fork("test")) }
        }
        Scale::Full => {
            Split { train: read("train")?.of_each_class(1000), test: read("t10k")?.of_each_class(200) }
        }
    })
}

/// `each` images of every class, in turn; the classes are always the same.
pub(crate) fn images(each: usize, rng: &Rng) -> Images {
    let classes: Vec<Vec<f32>> = (0..CLASSES).map(class).collect();
    let mut rng = rng.fork("drawn");
    let (mut pixels, labels) = (Vec::new(), 0..each * CLASSES);
    for image in labels.clone() {
        let moved = damage::rolled(&classes[image % CLASSES], [rng.below(5), rng.below(5)]);
        let factor = 0.7 + 0.4 * rng.uniform();
        let seen = moved.iter().map(|pixel| (factor * pixel + 0.1 * rng.normal()).clamp(0.0, 1.0));
        pixels.extend(seen.map(standardised));
    }
    let labels = labels.map(|image| (image % CLASSES) as u32).collect();
    Images { pixels, width: SIDE * SIDE, labels }
}

/// The picture of a class.
fn class(number: usize) -> Vec<f32> {
    let mut rng = Rng::new(0).fork_index("class", number);
    let spots: Vec<(f32, [f32; 2], f32)> = (0..6)
        .map(|_| {
            let sign = if rng.below(2) == 0 { -0.25 } else { 0.25 };
            let centre = [5.0 + 18.0 * rng.uniform(), 5.0 + 18.0 * rng.uniform()];
            (sign, centre, 1.0 + 1.5 * rng.uniform())
        })
        .collect();
    let middle = (SIDE - 1) as f32 / 2.0;
    let pixel = |at: usize| {
        let place = [(at / SIDE) as f32, (at % SIDE) as f32];
        let marks = spots.iter().map(|&(sign, centre, width)| sign * hill(place, centre, width));
        0.6 * hill(place, [middle; 2], 7.0) + marks.sum::<f32>()
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

fn hill([y, x]: [f32; 2], centre: [f32; 2], width: f32) -> f32 {
    (-0.5 * ((y - centre[0]).powi(2) + (x - centre[1]).powi(2)) / width.powi(2)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_come_in_turn_and_differ() {
        let drawn = images(3, &Rng::new(1));
        assert_eq!((drawn.pixels.len(), drawn.labels.len()), (30 * 784, 30));
        assert_eq!(drawn.labels[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
        assert_eq!(drawn, images(3, &Rng::new(1)));
        assert_ne!(drawn.pixels, images(3, &Rng::new(2)).pixels);
        let apart: f32 = class(0).iter().zip(class(1)).map(|(x, y)| (x - y).powi(2)).sum();
        assert!(apart > 0.1, "{apart}");
    }
}
