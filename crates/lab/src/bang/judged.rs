//! What networks say to images, and how often which of them are right.

use crate::{Images, Result, transfer::Network};
use rankine_nn::Pass;
use rankine_tensor::{Tensor, untaped};

/// Scores of classes for images.
pub(super) struct Logits {
    /// [images, classes].
    values: Vec<f32>,
    classes: usize,
}

impl Logits {
    pub(super) fn of(model: &impl Network, images: &Images) -> Result<Self> {
        let (mut values, mut classes) = (Vec::new(), 1);
        let rows: Vec<usize> = (0..images.labels.len()).collect();
        for rows in rows.chunks(1024) {
            let (x, _) = images.batch(rows)?;
            let logits = untaped(|| scores(model, &x))?;
            classes = logits.matrix("logits")?[1];
            logits.read(|logits| values.extend_from_slice(logits));
        }
        Ok(Self { values, classes })
    }

    /// Half of both.
    pub(super) fn mean(&self, other: &Self) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(x, y)| 0.5 * (x + y));
        Self { values: values.collect(), classes: self.classes }
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.classes.max(1))
    }

    /// Whether the largest score is that of the label, image by image.
    pub(super) fn right(&self, images: &Images) -> Vec<bool> {
        let best = |row: &[f32]| {
            let scores = row.iter().zip(0_u32..);
            scores.max_by(|(x, _), (y, _)| x.total_cmp(y)).map_or(0, |(_, class)| class)
        };
        self.rows().zip(&images.labels).map(|(row, &label)| best(row) == label).collect()
    }

    /// Mean of the largest probability.
    pub(super) fn confidence(&self) -> f64 {
        let largest = |row: &[f32]| {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            1.0 / row.iter().map(|score| f64::from(score - most).exp()).sum::<f64>()
        };
        mean(self.rows().map(largest))
    }

    /// Mean length of the scores of an image.
    pub(super) fn length(&self) -> f64 {
        mean(self.rows().map(|row| row.iter().map(|&score| f64::from(score).powi(2)).sum::<f64>().sqrt()))
    }
}

/// Scores of every class for x: [t, width]; [t, classes].
fn scores(model: &impl Network, x: &Tensor) -> Result<Tensor> {
    let (head, pass) = (model.head(), Pass::quiet());
    Ok(head.weight.apply(&model.hidden(x, &pass)?, pass.scope(head.path()))?)
}

/// How often two networks and what is made of them are right, in shares of the images.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Cells {
    /// [first right][second right][both together right], 1 for right.
    pub shares: [[[f64; 2]; 2]; 2],
}

impl Cells {
    pub(super) fn new(first: &[bool], second: &[bool], together: &[bool]) -> Self {
        let mut shares = [[[0.0; 2]; 2]; 2];
        let share = 1.0 / first.len().max(1) as f64;
        for ((&first, &second), &together) in first.iter().zip(second).zip(together) {
            shares[usize::from(first)][usize::from(second)][usize::from(together)] += share;
        }
        Self { shares }
    }

    /// Both are wrong, and together they are right.
    pub(super) fn false_false_true(&self) -> f64 {
        self.shares[0][0][1]
    }
}

/// Share of images that are classified rightly.
pub(super) fn accuracy(right: &[bool]) -> f64 {
    mean(right.iter().map(|&right| f64::from(u8::from(right))))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    #[test]
    fn scores_are_judged_row_by_row() {
        let logits = Logits { values: vec![1.0, 2.0, 0.0, 3.0, 0.0, 4.0], classes: 3 };
        let images = Images { pixels: Vec::new(), width: 1, labels: vec![1, 0] };
        assert_eq!(logits.right(&images), [true, false]);
        assert!((logits.length() - (5_f64.sqrt() + 5.0) / 2.0).abs() < 1e-12);
        let even = Logits { values: vec![0.7; 8], classes: 4 };
        assert!((even.confidence() - 0.25).abs() < 1e-12);
        let mean = logits.mean(&Logits { values: vec![3.0, 0.0, 0.0, 3.0, 0.0, 0.0], classes: 3 });
        assert_eq!(mean.right(&images), [false, true]);
    }

    #[test]
    fn cells_add_to_one_and_to_the_accuracies() {
        let mut rng = Rng::new(1);
        let [first, second, together] =
            [0; 3].map(|_| (0..1000).map(|_| rng.below(2) == 0).collect::<Vec<_>>());
        let cells = Cells::new(&first, &second, &together);
        let all = cells.shares.iter().flatten().flatten().sum::<f64>();
        let of_second = cells.shares.iter().flat_map(|of_first| of_first[1]).sum::<f64>();
        assert!((all - 1.0).abs() < 1e-9 && (of_second - accuracy(&second)).abs() < 1e-9);
        let odd = first.iter().zip(&second).zip(&together).filter(|((x, y), z)| !**x && !**y && **z);
        assert!((cells.false_false_true() - odd.count() as f64 / 1000.0).abs() < 1e-9);
    }
}
