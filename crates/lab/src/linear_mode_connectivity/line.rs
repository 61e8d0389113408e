//! How good the networks on the line between two others are.
//!
//!     θ(λ) = (1 − λ)·θ_a + λ·θ_b
//!
//! Loss is the mean −ln p on test images.

use super::stored::Stored;
use crate::{
    Images, Result,
    transfer::{self, Setting},
};
use rankine_analyze::{barrier, rises};
use rankine_checkpoint::Tensors;
use rankine_surgery::{Interpolated, pair};
use std::path::Path;

/// What it takes to judge networks of one kind.
pub(super) struct Judge<'a> {
    pub setting: &'a Setting,
    /// Those that losses are of.
    pub images: &'a Images,
    /// On a line, with its ends; odd, so that the middle is one.
    pub points: usize,
    /// On these the statistics of norms are counted anew between the ends; else they are averaged as weights are.
    pub seen: Option<&'a Images>,
}

/// From one network to another.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Line {
    pub points: Vec<Point>,
}

/// A network on the line.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Point {
    /// λ.
    pub share: f64,
    pub loss: f64,
    pub accuracy: f64,
}

impl Judge<'_> {
    /// The network of these tensors.
    pub fn read<N: Stored>(&self, tensors: &dyn Tensors) -> Result<N> {
        N::read(self.setting, [self.images.width, transfer::classes(self.images)], tensors)
    }

    pub fn line<N: Stored>(&self, ends: [&dyn Tensors; 2]) -> Result<Line> {
        let pair = pair(ends, [Path::new("first"), Path::new("second")])?;
        let last = self.points.saturating_sub(1);
        let point = |step: usize| -> Result<Point> {
            let share = step as f64 / last as f64;
            let mut model: N = self.read(&Interpolated::new(pair, share))?;
            if let Some(images) = self.seen.filter(|_| 0 < step && step < last) {
                model.reset(images)?;
            }
            let [loss, accuracy] = transfer::score(&model, self.images)?;
            Ok(Point { share, loss, accuracy })
        };
        Ok(Line { points: (0..self.points).map(point).collect::<Result<_>>()? })
    }
}

impl Line {
    /// The highest rise above the line between the losses of the ends, 0 where there is none; NaN where a loss is not finite.
    pub fn barrier(&self) -> f64 {
        barrier(&self.losses())
    }

    /// The rise in the middle, which may be a fall.
    pub fn middle_rise(&self) -> f64 {
        rises(&self.losses()).get(self.points.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Accuracy in the middle.
    pub fn middle_accuracy(&self) -> f64 {
        self.middle().map_or(f64::NAN, |middle| middle.accuracy)
    }

    /// Mean accuracy of the ends.
    pub fn end_accuracy(&self) -> f64 {
        match self.points.as_slice() {
            [first, .., last] => (first.accuracy + last.accuracy) / 2.0,
            _ => f64::NAN,
        }
    }

    fn middle(&self) -> Option<&Point> {
        self.points.get(self.points.len() / 2)
    }

    fn losses(&self) -> Vec<(f64, f64)> {
        self.points.iter().map(|point| (point.share, point.loss)).collect()
    }
}

#[cfg(test)]
pub(super) fn line(losses: &[f64]) -> Line {
    let last = losses.len().saturating_sub(1) as f64;
    let point =
        |(at, &loss): (usize, &f64)| Point { share: at as f64 / last, loss, accuracy: 1.0 / (1.0 + loss) };
    Line { points: losses.iter().enumerate().map(point).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_barrier_is_what_stands_above_the_line_between_the_ends() {
        assert_eq!(line(&[1.0, 4.0, 3.0]).barrier(), 2.0);
        let valley = line(&[1.0, 0.5, 3.0]);
        assert_eq!((valley.barrier(), valley.middle_rise(), valley.end_accuracy()), (0.0, -1.5, 0.375));
        for losses in [&[1.0, f64::NAN, 3.0][..], &[1.0, f64::INFINITY, 3.0], &[f64::INFINITY; 3], &[]] {
            assert!(line(losses).barrier().is_nan(), "{losses:?}");
        }
    }
}
