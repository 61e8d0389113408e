//! What a sweep measured, and the best of it.
//!
//! A fair comparison lets every method choose its learning rate: arms are compared by the best of their own sweeps, and
//! a gap of accuracies is set beside its noise.

use super::{Arm, Setting, mean};
use crate::gap::Gap;

/// One training run on the new classes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Run<L = String> {
    pub arm: L,
    pub rate: f32,
    pub seed: u64,
    /// Numbers trained in the hidden layers.
    pub trained: usize,
    /// Loss of every step; fewer than all where the last one is no number.
    pub losses: Vec<f64>,
    /// Mean loss of the first steps.
    pub early: f64,
    /// Mean loss of the last steps.
    pub late: f64,
    /// Share of new test images classified rightly.
    pub accuracy: f64,
}

/// What a page of a sweep asks of how models are trained.
pub(crate) trait Course {
    /// What they are judged on.
    const SAMPLES: &'static str;

    /// Steps at either end over which losses are averaged.
    fn window(&self) -> usize;
}

impl Course for Setting {
    const SAMPLES: &'static str = "test images";

    fn window(&self) -> usize {
        self.window
    }
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Sweep<L = String, S = Setting> {
    pub setting: S,
    pub arms: Vec<Arm<L>>,
    /// How many new images, or held-out texts, accuracies are measured on.
    pub samples: usize,
    /// Share of old test images classified rightly by the pretrained network, seed by seed; empty where it was not
    /// pretrained here.
    pub pretrained_accuracy: Vec<f64>,
    /// Every run: seeds, in them learning rates, in them arms.
    pub runs: Vec<Run<L>>,
}

/// The best of an arm's sweep; all NaN where it has no finite one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Best {
    /// Mean over the seeds.
    pub value: f64,
    /// The learning rate.
    pub rate: f32,
    /// The rate ends the sweep: a better one may lie beyond.
    pub edge: bool,
}

/// The best accuracies of two arms beside each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Contest {
    pub ours: Best,
    pub theirs: Best,
    pub gap: Gap,
}

impl<L: Clone, S: Clone> Sweep<L, S> {
    pub(crate) fn new(setting: &S, arms: &[Arm<L>], samples: usize) -> Self {
        let (setting, arms) = (setting.clone(), arms.to_vec());
        Self { setting, arms, samples, pretrained_accuracy: Vec::new(), runs: Vec::new() }
    }
}

impl<S> Sweep<String, S> {
    /// Runs of one arm at one learning rate, over the seeds.
    pub(crate) fn of(&self, arm: &str, rate: f32) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.arm == arm && run.rate == rate)
    }

    /// Mean over the seeds of something of them.
    pub(crate) fn mean(&self, arm: &str, rate: f32, figure: impl Fn(&Run) -> f64) -> f64 {
        let values: Vec<f64> = self.of(arm, rate).map(figure).collect();
        if values.is_empty() { f64::NAN } else { mean(&values) }
    }

    /// Numbers that an arm trains in the hidden layers.
    pub(crate) fn trained(&self, arm: &str) -> usize {
        self.runs.iter().find(|run| run.arm == arm).map_or(0, |run| run.trained)
    }

    /// Where the mean over the seeds of `figure` is lowest.
    pub(crate) fn lowest(&self, arm: &str, figure: impl Fn(&Run) -> f64) -> Best {
        let rates = self.arms.iter().find(|known| known.label == arm).map_or(&[][..], |arm| &arm.rates);
        let measured = rates.iter().map(|&rate| (self.mean(arm, rate, &figure), rate));
        let best = measured.filter(|(value, _)| value.is_finite()).min_by(|a, b| a.0.total_cmp(&b.0));
        let (value, rate) = best.unwrap_or((f64::NAN, f32::NAN));
        Best { value, rate, edge: [rates.first(), rates.last()].contains(&Some(&rate)) }
    }

    /// Where the mean accuracy is highest.
    pub(crate) fn best_accuracy(&self, arm: &str) -> Best {
        let best = self.lowest(arm, |run| 1.0 - run.accuracy);
        Best { value: 1.0 - best.value, ..best }
    }

    /// The best accuracies of two arms.
    pub(crate) fn contest(&self, ours: &str, theirs: &str) -> Contest {
        let [(ours, own), (theirs, others)] = [ours, theirs].map(|arm| {
            let best = self.best_accuracy(arm);
            (best, self.of(arm, best.rate).map(|run| run.accuracy).collect::<Vec<f64>>())
        });
        Contest { ours, theirs, gap: Gap::of_accuracies(&own, &others, self.samples) }
    }

    /// How many times fewer numbers `ours` trains.
    pub(crate) fn times_fewer(&self, ours: &str, theirs: &str) -> f64 {
        self.trained(theirs) as f64 / self.trained(ours) as f64
    }
}

impl Contest {
    /// Ours is not below theirs by more than the noise.
    pub(crate) fn within_noise(&self) -> bool {
        self.gap.not_below(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(accuracies: &[(&str, f32, u64, f64)]) -> Sweep {
        let run = |&(arm, rate, seed, accuracy): &(&str, f32, u64, f64)| Run {
            arm: arm.to_owned(),
            rate,
            seed,
            trained: if arm == "full" { 12 } else { 3 },
            losses: vec![],
            early: accuracy,
            late: 0.0,
            accuracy,
        };
        let arm = |label: &str| Arm { label: label.to_owned(), ..Arm::full(&[1.0, 2.0, 3.0]) };
        let runs = accuracies.iter().map(run).collect();
        let empty = Sweep::new(&Setting::default(), &[arm("full"), arm("thin")], 100);
        Sweep { runs, ..empty }
    }

    #[test]
    fn the_best_is_that_of_the_means_and_knows_whether_it_ends_the_sweep() {
        let runs =
            [("full", 1.0, 0, 0.9), ("full", 1.0, 1, 0.1), ("full", 2.0, 0, 0.6), ("full", 2.0, 1, 0.7)];
        let sweep = sweep(&runs);
        let best = sweep.best_accuracy("full");
        assert!((best.value - 0.65).abs() < 1e-12);
        assert_eq!((best.rate, best.edge), (2.0, false));
        assert_eq!(sweep.lowest("full", |run| run.early).rate, 1.0);
        assert!(sweep.best_accuracy("thin").value.is_nan());
        assert!(!sweep.contest("thin", "full").within_noise());
    }

    #[test]
    fn a_contest_is_of_the_best_rates_and_says_where_these_end_the_sweep() {
        let runs = [("full", 1.0, 0, 0.2), ("full", 2.0, 0, 0.9), ("thin", 3.0, 0, 0.8)];
        let sweep = sweep(&runs);
        let contest = sweep.contest("thin", "full");
        assert_eq!(contest.gap, Gap::of_accuracies(&[0.8], &[0.9], 100));
        assert!(contest.ours.edge && !contest.theirs.edge && !contest.within_noise());
        assert_eq!(contest.words(), "80.00 % at 3e0* against 90.00 % at 2e0: -10.00 points, noise 5.00");
        assert!(sweep.contest("full", "thin").within_noise());
        assert_eq!(sweep.times_fewer("thin", "full"), 4.0);
    }
}
