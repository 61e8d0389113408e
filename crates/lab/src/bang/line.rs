//! From a pretrained network to what it is fine-tuned to, trained in several ways.
//!
//! The pretrained one has seen damaged images of all kinds, with smoothed labels, so that it is as little sure of itself as a
//! network that was never tuned to the task; tuning is on clean images only. In distribution are clean test images, out of it
//! damaged ones.

use super::{
    judged::{Cells, Logits, accuracy},
    soft::Training,
};
use crate::{
    Images, Result,
    damage::{self, Damage},
    transfer::{self, Network, Setting, Split, mean},
    weights,
};
use rankine_random::Rng;

/// How networks are pretrained and fine-tuned.
pub(super) struct Plan {
    pub network: &'static str,
    pub setting: Setting,
    pub damages: Vec<Damage>,
    /// What is between them, without the ends; one half is among them.
    pub alphas: Vec<f64>,
    pub trainings: Vec<Training>,
}

/// The pretraining: neither mixed nor sure of itself.
const PRETRAINING: Training = Training { label: "pretrained", smoothing: 0.1, mixup: 0.0 };

/// All fine-tunes of one kind of network.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Tuned {
    pub network: &'static str,
    pub setting: Setting,
    pub lines: Vec<Line>,
}

/// One fine-tune, and the line to it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Line {
    pub seed: u64,
    pub training: &'static str,
    /// From the pretrained network to the fine-tuned one.
    pub points: Vec<Point>,
    /// Mean largest probability of the fine-tuned network on damaged images.
    pub confidence: f64,
    /// Length of the scores of the fine-tuned network over that of the pretrained one, on damaged images.
    pub balance: f64,
    /// The pretrained network, the fine-tuned one and the middle, on damaged images.
    pub cells: Cells,
}

/// Accuracies at a place of the line.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Point {
    pub alpha: f64,
    pub inside: f64,
    pub outside: f64,
}

impl Plan {
    pub(super) fn run<N: Network>(&self, images: &Split, watch: &mut dyn FnMut(&str)) -> Result<Tuned> {
        let (network, mut lines) = (self.network, Vec::new());
        let Setting { steps, batch, head_rate: rate, .. } = self.setting;
        for &seed in &self.setting.seeds {
            let rng = Rng::new(seed).fork("line");
            let sizes = [images.train.width, transfer::classes(&images.train)];
            let damaged = self.damaged(&images.test, &rng.fork("test"));
            watch(&format!("{network}, seed {seed}: pretraining on damaged images"));
            let mut start = N::build(&self.setting, sizes[0], sizes[1], &rng.fork("network"))?;
            let broad = damage::mixed(&images.train, &self.damages, &rng);
            let length = (self.setting.pretraining_steps, batch, rate);
            PRETRAINING.run(&mut start, &broad, &rng.fork("pretraining"), length)?;
            let (base, before) = (weights::numbers(&start)?, Logits::of(&start, &damaged)?);
            for &training in &self.trainings {
                watch(&format!("{network}, seed {seed}: {}", training.label));
                let mut model: N = weights::network(&self.setting, sizes, &base)?;
                training.run(&mut model, &images.train, &rng.fork("tuning"), (steps, batch, rate))?;
                let tuned = weights::numbers(&model)?;
                let (mut points, mut middle) = (Vec::new(), Vec::new());
                for alpha in [0.0].into_iter().chain(self.alphas.iter().copied()).chain([1.0]) {
                    let numbers = weights::sum(&[(1.0 - alpha, &base), (alpha, &tuned)]);
                    let model: N = weights::network(&self.setting, sizes, &numbers)?;
                    let [inside, outside] = [&images.test, &damaged]
                        .map(|images| Ok::<_, crate::Error>(Logits::of(&model, images)?.right(images)));
                    let (inside, outside) = (inside?, outside?);
                    points.push(Point { alpha, inside: accuracy(&inside), outside: accuracy(&outside) });
                    if alpha == 0.5 {
                        middle = outside;
                    }
                }
                let after = Logits::of(&model, &damaged)?;
                lines.push(Line {
                    seed,
                    training: training.label,
                    points,
                    confidence: after.confidence(),
                    balance: after.length() / before.length(),
                    cells: Cells::new(&before.right(&damaged), &after.right(&damaged), &middle),
                });
            }
        }
        Ok(Tuned { network, setting: self.setting.clone(), lines })
    }

    /// All images with every damage in turn.
    fn damaged(&self, images: &Images, rng: &Rng) -> Images {
        let mut all = Images { pixels: Vec::new(), width: images.width, labels: Vec::new() };
        for damage in &self.damages {
            all.pixels.extend(damage.apply(images, rng).pixels);
            all.labels.extend(&images.labels);
        }
        all
    }
}

/// Mean over the seeds of something of the lines of a training; NaN where there is none.
pub(super) fn mean_of(lines: &[Line], training: &str, figure: impl Fn(&Line) -> f64) -> f64 {
    let found: Vec<f64> = lines.iter().filter(|line| line.training == training).map(figure).collect();
    if found.is_empty() { f64::NAN } else { mean(&found) }
}

impl Line {
    /// What is measured at a place.
    pub(super) fn at(&self, alpha: f64) -> Point {
        let missing = Point { alpha, inside: f64::NAN, outside: f64::NAN };
        self.points.iter().find(|point| point.alpha == alpha).copied().unwrap_or(missing)
    }
}
