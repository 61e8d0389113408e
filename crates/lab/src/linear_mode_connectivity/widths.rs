//! ReLU networks of several widths, three of each that were trained apart; the second and the third are matched to the first.

use super::{
    line::{Judge, Line},
    second_order,
    stored::Training,
};
use crate::{
    Result,
    transfer::{self, Setting, Split},
    weights::{self, Numbers},
};
use rankine_analyze::{vector_alignment, vector_ratio};
use rankine_checkpoint::Tensors;
use rankine_nn::models::Mlp;
use rankine_random::Rng;
use rankine_surgery::{Alignment, Subject};
use std::ops::ControlFlow;

/// γ: singular vectors count from this share of the largest singular value of their matrix on.
pub(super) const THRESHOLDS: [f64; 2] = [0.0, 0.3];

/// Hidden layers of a network.
const DEPTH: usize = 2;

/// What is trained and measured.
pub(super) struct Plan {
    /// Of all widths; the hidden layers of its setting do not count.
    pub training: Training,
    /// Ascending.
    pub widths: Vec<usize>,
    /// On a line; odd.
    pub points: usize,
}

/// Three networks of one width; pairs of things are those of the networks as they are, and of the matched ones.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Trio {
    pub seed: u64,
    pub width: usize,
    /// From the first to the second.
    pub lines: [Line; 2],
    /// From the second to the third, which never saw each other.
    pub others: [Line; 2],
    /// ‖θ_a − θ_b‖/‖θ_a‖.
    pub distances: [f64; 2],
    /// R of the first and the second, for every γ.
    pub ratios: [[f64; 2]; 2],
    /// The rise of the loss in the middle of the first and the second, by the second-order expansion.
    pub estimates: [f64; 2],
}

impl Plan {
    pub(super) fn run(&self, images: &Split, watch: &mut dyn FnMut(&str)) -> Result<Vec<Trio>> {
        let mut found = Vec::new();
        for &seed in &self.training.setting.seeds {
            for &width in &self.widths {
                found.push(self.trio(seed, width, images, watch)?);
            }
        }
        Ok(found)
    }

    fn trio(&self, seed: u64, width: usize, images: &Split, watch: &mut dyn FnMut(&str)) -> Result<Trio> {
        let training = self.training.of_width(width);
        let rng = Rng::new(seed).fork("matching").fork_index("width", width);
        let place = format!("seed {seed}, width {width}");
        let [first, second, third] = training.three::<Mlp>(&place, &images.train, &rng, watch)?;
        let [anchor, second, third] = [&first, &second, &third].map(Subject::Bare);
        watch(&format!("{place}: matching and measuring"));
        let alignment = Alignment { seed, ..Alignment::default() };
        let aligned = alignment.find(anchor, second, &mut |_| ControlFlow::Continue(()))?;
        let other = alignment.find(anchor, third, &mut |_| ControlFlow::Continue(()))?;
        let (matched, other) = (aligned.applied(second), other.applied(third));
        let (anchor, second, third) = (anchor.tensors(), second.tensors(), third.tensors());
        let judge =
            Judge { setting: &training.setting, images: &images.test, points: self.points, seen: None };
        let vectors =
            vector_alignment(anchor, &[second, &matched], &THRESHOLDS, &mut |_| ControlFlow::Continue(()))?;
        let ratio =
            |which: usize, at: usize| vectors.get(which).map_or(f64::NAN, |all| vector_ratio(all, at));
        let line = |ends: [&dyn Tensors; 2]| judge.line::<Mlp>(ends);
        Ok(Trio {
            seed,
            width,
            lines: [line([anchor, second])?, line([anchor, &matched])?],
            others: [line([second, third])?, line([&matched, &other])?],
            distances: [aligned.before, aligned.after].map(|apart| apart.distance().unwrap_or(f64::NAN)),
            ratios: [0, 1].map(|which| [0, 1].map(|at| ratio(which, at))),
            estimates: [judge.estimate([anchor, second])?, judge.estimate([anchor, &matched])?],
        })
    }
}

impl Training {
    /// Of networks of one width.
    pub(super) fn of_width(&self, width: usize) -> Self {
        let setting = Setting { hidden: vec![width; DEPTH], ..self.setting.clone() };
        Self { setting, ..self.clone() }
    }
}

impl Judge<'_> {
    /// The rise of the loss in the middle by the second-order expansion.
    fn estimate(&self, ends: [&dyn Tensors; 2]) -> Result<f64> {
        let [one, other] = ends.map(|tensors| weights::numbers(&self.read::<Mlp>(tensors)?));
        let sizes = [self.images.width, transfer::classes(self.images)];
        let model = |numbers: &Numbers| weights::network::<Mlp>(self.setting, sizes, numbers);
        second_order::estimate([&one?, &other?], &model, self.images)
    }
}

impl Trio {
    /// The share of the distance that matching takes away.
    pub(super) fn nearer(&self) -> f64 {
        1.0 - self.distances[1] / self.distances[0]
    }
}

impl OfWidth for Trio {
    fn width(&self) -> usize {
        self.width
    }
}

/// What was found of networks of one width.
pub(super) trait OfWidth {
    fn width(&self) -> usize;
}

/// Mean over the seeds of something of a width; NaN where there is none.
pub(super) fn mean_of<T: OfWidth>(found: &[T], width: usize, figure: impl Fn(&T) -> f64) -> f64 {
    let found: Vec<f64> = found.iter().filter(|one| one.width() == width).map(figure).collect();
    if found.is_empty() { f64::NAN } else { transfer::mean(&found) }
}

/// The widths, ascending, once each.
pub(super) fn widths(found: &[impl OfWidth]) -> Vec<usize> {
    let mut widths: Vec<usize> = found.iter().map(OfWidth::width).collect();
    widths.sort_unstable();
    widths.dedup();
    widths
}
