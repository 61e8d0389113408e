//! The transfer of [pissa]'s page, for any method: a small classifier moves to new classes of Fashion-MNIST.
//!
//! Per seed one network is pretrained on the old classes. Every arm starts from it with the same new head and sees the
//! same batches; its hidden layers are trained as a whole or by a method, at every learning rate of the arm's own sweep;
//! the head has a learning rate of its own. What a method adds to the loss is minimised but not reported, so that losses
//! of different methods are the same quantity.
//!
//! A run whose loss is no number ends there: it is a result of that learning rate, and the sweep goes on.

mod network;
mod order;
mod page;
mod start;
mod sweep;
#[cfg(test)]
pub(crate) mod testing;
mod training;

pub(crate) use crate::findings::Story;
pub(crate) use network::Network;
pub(crate) use order::Order;
pub(crate) use page::{claim, mean_losses, percent, rate_words, section, show, size_words};
pub(crate) use start::{Finished, Start, leaves};
pub(crate) use sweep::{Contest, Course, Run, Sweep};
pub(crate) use training::{
    Batch, Rates, accuracy, classes, finite, follow, loss, minimise, pretrain, score, train,
};

use crate::{Images, Materials, Result, Scale};
use rankine_method::{Choice, Fields};
use rankine_nn::models::Mlp;
use rankine_random::Rng;
use std::{fmt::Display, sync::Arc};

/// How networks are pretrained and moved; `Default` is [pissa]'s page A with one seed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Setting {
    /// Sizes of the hidden layers; none where the network has sizes of its own.
    pub hidden: Vec<usize>,
    /// Steps on the old classes.
    pub pretraining_steps: usize,
    /// Steps on the new ones.
    pub steps: usize,
    /// Steps at either end over which losses are averaged.
    pub window: usize,
    /// Images a step.
    pub batch: usize,
    /// Learning rate of the head, and of everything in the pretraining.
    pub head_rate: f32,
    /// One pretrained network each.
    pub seeds: Vec<u64>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            hidden: vec![256, 256],
            pretraining_steps: 1000,
            steps: 400,
            window: 50,
            batch: 128,
            head_rate: 1e-3,
            seeds: vec![0],
        }
    }
}

impl Setting {
    /// One seed and a quarter of the images for a quick look, `seeds` of them for everything.
    pub(crate) fn of(scale: Scale, seeds: u64) -> Self {
        match scale {
            Scale::Quick => {
                Self { pretraining_steps: 500, steps: 200, window: 25, batch: 64, ..Self::default() }
            }
            Scale::Full => Self { seeds: (0..seeds).collect(), ..Self::default() },
        }
    }
}

/// Something that trains the hidden layers, and the learning rates it is tried at.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Arm<L = String> {
    /// What it is called.
    pub label: L,
    /// What is done to the hidden layers.
    pub treatment: Treatment,
    /// Its sweep, ascending.
    pub rates: Vec<f32>,
}

/// What is done to the hidden layers.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Treatment {
    /// They are trained as a whole, biases too.
    Whole,
    /// A method takes their weights over; biases stay.
    Method(Choice),
    /// The same in some modules only.
    Part(Choice, Vec<String>),
}

impl Treatment {
    /// The method, and the modules that it takes over: its own, or all of them; `None` of training as a whole.
    pub(crate) fn method<'a>(&'a self, all: &'a [String]) -> Option<(&'a Choice, &'a [String])> {
        match self {
            Self::Whole => None,
            Self::Method(choice) => Some((choice, all)),
            Self::Part(choice, modules) => Some((choice, modules)),
        }
    }
}

impl Arm {
    /// Training as a whole.
    pub(crate) fn full(rates: &[f32]) -> Self {
        Self { label: FULL.to_owned(), treatment: Treatment::Whole, rates: rates.to_vec() }
    }

    /// A method by its name, with the hyperparameters `fields` as a recipe has them: `rank = 8`.
    pub(crate) fn new(label: impl Into<String>, method: &str, fields: &str, rates: &[f32]) -> Result<Self> {
        let fields: Fields = fields.parse().map_err(rankine_method::Error::from)?;
        let treatment = Treatment::Method(Choice::named(method)?.with(&fields)?);
        Ok(Self { label: label.into(), treatment, rates: rates.to_vec() })
    }

    /// A method whose only hyperparameter here is its rank, labelled as [`ranked`] does.
    pub(crate) fn of_rank(name: &str, rank: usize, rates: &[f32]) -> Result<Self> {
        Self::new(ranked(name, rank), &name.to_lowercase(), &format!("rank = {rank}"), rates)
    }

    /// The same method in these modules only.
    pub(crate) fn on(self, modules: &[String]) -> Self {
        let treatment = match self.treatment {
            Treatment::Method(choice) => Treatment::Part(choice, modules.to_vec()),
            other => other,
        };
        Self { treatment, ..self }
    }

    /// What every method is compared with: training as a whole, LoRA and PiSSA.
    pub(crate) fn baselines(rank: usize, rates: &[f32]) -> Result<Vec<Self>> {
        let [lora, pissa] = ["LoRA", "PiSSA"].map(|name| Self::of_rank(name, rank, rates));
        Ok(vec![Self::full(rates), lora?, pissa?])
    }
}

/// Label of training as a whole.
pub(crate) const FULL: &str = "full";

/// Label of a method at a rank.
pub(crate) fn ranked(name: &str, rank: usize) -> String {
    format!("{name} r={rank}")
}

/// Learning rates for whole weights and for factors; the grid of [sorsa]'s page.
pub(crate) fn factor_rates(scale: Scale) -> Vec<f32> {
    match scale {
        Scale::Quick => vec![5e-4, 2e-3],
        Scale::Full => vec![1e-4, 5e-4, 2e-3, 1e-2],
    }
}

/// As many for SVFit, which wants 10 to 100 times more. Its page goes to 5e-2, where it is best here: one beyond, so that
/// the best does not end the sweep.
pub(crate) fn value_rates(scale: Scale) -> Vec<f32> {
    match scale {
        Scale::Quick => vec![1e-2, 5e-2],
        Scale::Full => vec![2e-3, 1e-2, 5e-2, 2e-1],
    }
}

/// Images of the same classes to learn from, and to be judged on.
pub(crate) struct Split {
    pub train: Images,
    pub test: Images,
}

/// The old classes and the new ones.
pub(crate) struct Data {
    pub old: Arc<Split>,
    pub new: Split,
}

/// Classes of the pretraining: tops, coats and a dress.
pub(crate) const OLD: [u8; 5] = [0, 2, 4, 6, 3];

/// Classes of the transfer: trousers, shoes and bags.
pub(crate) const NEW: [u8; 5] = [1, 5, 7, 8, 9];

impl Data {
    /// Fashion-MNIST.
    pub(crate) fn read(materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Self> {
        watch("reading Fashion-MNIST");
        let folder = &materials.fashion_mnist;
        let (train, test) = (Images::fashion_mnist(folder, "train")?, Images::fashion_mnist(folder, "t10k")?);
        let split = |classes: &[u8]| {
            Ok::<_, crate::Error>(Split {
                train: train.of_classes(classes)?,
                test: test.of_classes(classes)?,
            })
        };
        Ok(Self { old: Arc::new(split(&OLD)?), new: split(&NEW)? })
    }
}

/// The stream from which everything is drawn: one for all papers, so that they start from the same networks.
pub(crate) const STREAM: &str = "pissa";

/// Pretrains and transfers an [`Mlp`]; `finished` sees every network at the end of its run.
pub(crate) fn run<L: Clone + Display>(
    setting: &Setting,
    arms: &[Arm<L>],
    data: &Data,
    finished: &mut dyn FnMut(Finished<'_, L>) -> Result<()>,
    watch: &mut dyn FnMut(&str),
) -> Result<Sweep<L>> {
    run_network::<L, Mlp>(setting, arms, data, finished, watch)
}

/// The same for any network.
pub(crate) fn run_network<L: Clone + Display, N: Network>(
    setting: &Setting,
    arms: &[Arm<L>],
    data: &Data,
    finished: &mut dyn FnMut(Finished<'_, L, N>) -> Result<()>,
    watch: &mut dyn FnMut(&str),
) -> Result<Sweep<L>> {
    let mut sweep = Sweep::new(setting, arms, data.new.test.labels.len());
    let mut tried: Vec<(&Arm<L>, f32)> =
        arms.iter().flat_map(|arm| arm.rates.iter().map(move |&rate| (arm, rate))).collect();
    // Learning rates, in them arms: the sort is stable.
    tried.sort_by(|a, b| a.1.total_cmp(&b.1));
    for &seed in &setting.seeds {
        let rng = Rng::new(seed).fork(STREAM);
        watch(&format!("seed {seed}: pretraining"));
        let pretrained: N = training::pretrain(setting, &data.old.train, &rng)?;
        sweep.pretrained_accuracy.push(training::accuracy(&pretrained, &data.old.test)?);
        let start = Start::new(&pretrained, setting, &data.new.train, &rng)?;
        for &(arm, rate) in &tried {
            watch(&format!("seed {seed}, learning rate {rate:e}: {}", arm.label));
            let (run, model) = start.run((arm, rate, seed), setting, &data.new)?;
            finished(Finished { run: &run, start: &start, model: &model })?;
            sweep.runs.push(run);
        }
    }
    Ok(sweep)
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(arms: &[Arm]) -> Sweep {
        run(&testing::setting(), arms, &testing::data(), &mut |_| Ok(()), &mut |_| {}).unwrap()
    }

    #[test]
    fn every_arm_has_its_own_sweep_and_the_same_start() {
        let mut arms = Arm::baselines(2, &[2e-3]).unwrap();
        arms[1].rates = vec![1e-3, 4e-3];
        let sweep = sweep(&arms);
        let order: Vec<_> = sweep.runs.iter().map(|run| (run.arm.as_str(), run.rate)).collect();
        assert_eq!(order, [("LoRA r=2", 1e-3), ("full", 2e-3), ("PiSSA r=2", 2e-3), ("LoRA r=2", 4e-3)]);
        let first = sweep.runs[0].losses[0];
        assert!(sweep.runs.iter().all(|run| (run.losses[0] - first).abs() < 1e-5 * first));
        assert_eq!(sweep.samples, 240);
    }

    #[test]
    fn an_arm_of_its_own_gives_the_numbers_it_gives_among_others() {
        let arms = Arm::baselines(2, &[2e-3]).unwrap();
        assert_eq!(sweep(&arms).runs[1], sweep(&arms[1..2]).runs[0]);
    }

    #[test]
    fn a_run_that_leaves_the_numbers_ends_and_is_never_the_best() {
        let sweep = sweep(&[Arm::full(&[2e-3, 1e30])]);
        let [sane, wild] = sweep.runs.as_slice() else { panic!("{} runs", sweep.runs.len()) };
        assert_eq!(sane.losses.len(), 40);
        assert!(wild.losses.len() < 40 && !wild.late.is_finite(), "{:?}", wild.losses);
        assert_eq!(sweep.lowest(FULL, |run| run.late).rate, 2e-3);
    }

    #[test]
    fn a_penalty_is_minimised_and_not_reported() {
        let rates = [2e-3];
        let sorsa = |gamma: &str| Arm::new(gamma, "sorsa", &format!("rank = 2\ngamma = {gamma}"), &rates);
        let sweep = sweep(&[sorsa("0.0").unwrap(), sorsa("10.0").unwrap()]);
        let [free, held] = sweep.runs.as_slice() else { panic!("{} runs", sweep.runs.len()) };
        assert_eq!(free.losses[0], held.losses[0]);
        assert_ne!(free.losses[39], held.losses[39]);
    }

    #[test]
    fn a_misspelt_hyperparameter_or_method_is_refused() {
        assert!(Arm::new("a", "lora", "rnak = 2", &[]).is_err());
        assert!(Arm::new("a", "lora", "rank = ", &[]).is_err());
        assert!(Arm::new("a", "loora", "rank = 2", &[]).is_err());
    }
}
