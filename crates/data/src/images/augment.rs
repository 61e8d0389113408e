//! Small changes to images while they are learnt, drawn anew in every step: a mirror image, another cut.
//!
//!     y[c, i, j] = x[c, i + u − p, j′ + v − p],  0 outside        j′ = j, or width − 1 − j with probability ½ (`flip`)
//!
//! u and v are uniform in 0..=2p, p: `padding`. An image keeps its size. Departure from torchvision's `RandomCrop`: what lies
//! outside is 0 after the standardisation, the mean colour, and not black.

use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// What may be changed; by default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Every second image is mirrored, left to right.
    pub flip: bool,
    /// How far an image is moved at most, in pixels, up and down and to the sides.
    pub padding: usize,
}

impl Augmentation {
    /// Whether nothing is changed.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// Images with their changes, from the stream of a step; pixels: [images, colours, height, width], sides: the last three.
    pub fn apply(&self, pixels: &[f32], sides: [usize; 3], mut rng: Rng) -> Vec<f32> {
        let mut changed = vec![0.0; pixels.len()];
        let [colours, height, width] = sides;
        let size = (colours * height * width).max(1);
        for (image, out) in pixels.chunks_exact(size).zip(changed.chunks_exact_mut(size)) {
            let mirrored = self.flip && rng.uniform() < 0.5;
            let [down, right] = [(); 2].map(|()| rng.below(2 * self.padding + 1));
            let rows = image.chunks_exact(width).collect::<Vec<_>>();
            for (at, out) in out.chunks_exact_mut(width).enumerate() {
                let row = (at % height + down).checked_sub(self.padding).filter(|&row| row < height);
                if let Some(row) = row {
                    self.shift(rows[at - at % height + row], out, mirrored, right);
                }
            }
        }
        changed
    }

    /// One row, moved by `right` − p columns.
    fn shift(&self, row: &[f32], out: &mut [f32], mirrored: bool, right: usize) {
        let width = out.len();
        for (column, out) in out.iter_mut().enumerate() {
            let column = if mirrored { width - 1 - column } else { column };
            let from = (column + right).checked_sub(self.padding);
            *out = from.and_then(|from| row.get(from).copied()).unwrap_or(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Changed copies of the image 1…12 of two colours, as whole numbers.
    fn copies(augmentation: Augmentation, count: usize) -> Vec<Vec<i32>> {
        let image: Vec<f32> = (1..=12).map(|pixel| pixel as f32).collect();
        let changed = augmentation.apply(&image.repeat(count), [2, 2, 3], Rng::new(1));
        changed.chunks_exact(12).map(|image| image.iter().map(|&pixel| pixel as i32).collect()).collect()
    }

    #[test]
    fn nothing_changes_by_default() {
        assert!(Augmentation::default().is_off());
        assert_eq!(copies(Augmentation::default(), 1), [(1..=12).collect::<Vec<_>>()]);
    }

    #[test]
    fn a_mirror_image_has_its_rows_turned() {
        let flipped = vec![3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10];
        let found: HashSet<_> = copies(Augmentation { flip: true, padding: 0 }, 40).into_iter().collect();
        assert_eq!(found, HashSet::from([(1..=12).collect(), flipped]));
    }

    #[test]
    fn a_cut_moves_all_colours_alike() {
        let found: HashSet<_> = copies(Augmentation { flip: false, padding: 1 }, 400).into_iter().collect();
        assert_eq!(found.len(), 9, "three places down by three to the side");
        assert!(found.contains(&vec![5, 6, 0, 0, 0, 0, 11, 12, 0, 0, 0, 0]), "up and to the left");
        assert!(found.contains(&vec![0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 8]), "down and to the right");
    }
}
