//! Experiment A: a small classifier moves to new classes.
//!
//! Per seed one network is pretrained on the old classes. Every arm starts from it with the same new head, sees the same
//! batches, and trains its hidden layers at the same learning rate; the head has a learning rate of its own.

use super::{
    Arm, mean,
    spectra::{Spectra, spectra, value},
};
use crate::{Error, Images, Result, Scale};
use rankine_method::{attach, lora::Lora, pissa::Pissa, train_whole};
use rankine_nn::{Kind, Model as _, Pass, for_each_trained_mut, models::Mlp, weight::Dense};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops, untaped};
use rankine_train::{AdamW, Optimizer as _};

/// How much is run, and how.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Settings {
    /// Sizes of the hidden layers.
    pub hidden: Vec<usize>,
    /// Steps on the old classes.
    pub pretraining_steps: usize,
    /// Steps on the new ones.
    pub steps: usize,
    /// Steps at either end over which losses are averaged.
    pub window: usize,
    /// Images a step.
    pub batch: usize,
    /// r of LoRA and PiSSA.
    pub rank: usize,
    /// Learning rates of the hidden layers.
    pub rates: Vec<f32>,
    /// Learning rate of the head, and of everything in the pretraining.
    pub head_rate: f32,
    /// The highest learning rate at which the claim is made.
    pub claimed_up_to: f32,
    /// One pretrained network each.
    pub seeds: Vec<u64>,
}

impl Settings {
    pub(super) fn of(scale: Scale) -> Self {
        let (rates, seeds) = match scale {
            Scale::Quick => (vec![5e-4, 2e-3], vec![0]),
            // At 1e-2 the principal directions themselves are damaged: shown, not claimed.
            Scale::Full => (vec![5e-4, 2e-3, 1e-2], vec![0, 1]),
        };
        Self {
            hidden: vec![256, 256],
            pretraining_steps: 1000,
            steps: 400,
            window: 50,
            batch: 128,
            rank: 8,
            rates,
            head_rate: 1e-3,
            claimed_up_to: 2e-3,
            seeds,
        }
    }
}

/// The old classes.
pub(super) struct Pretraining {
    pub train: Images,
    pub test: Images,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Transfer {
    pub settings: Settings,
    /// Share of old test images classified rightly by the pretrained network, seed by seed.
    pub pretrained_accuracy: Vec<f64>,
    /// Every run: seeds, in them learning rates, in them arms.
    pub runs: Vec<Run>,
    /// Of the second hidden layer, first seed.
    pub spectra: Option<Spectra>,
}

/// One training run on the new classes.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Run {
    pub arm: Arm,
    pub rate: f32,
    pub seed: u64,
    /// Numbers trained in the hidden layers.
    pub trained: usize,
    /// Loss of every step.
    pub losses: Vec<f64>,
    /// Mean loss of the first steps.
    pub early: f64,
    /// Mean loss of the last steps.
    pub late: f64,
    /// Share of new test images classified rightly.
    pub accuracy: f64,
}

impl Transfer {
    /// Runs of one arm at one learning rate, over the seeds.
    pub(super) fn of(&self, arm: Arm, rate: f32) -> Vec<&Run> {
        self.runs.iter().filter(|run| run.arm == arm && run.rate == rate).collect()
    }

    /// Mean over the seeds of something of them.
    pub(super) fn mean(&self, arm: Arm, rate: f32, figure: impl Fn(&Run) -> f64) -> f64 {
        mean(&self.of(arm, rate).into_iter().map(figure).collect::<Vec<_>>())
    }

    /// Whether early losses are in the claimed order, for every seed.
    pub(super) fn ordered(&self, rate: f32) -> bool {
        let early = |arm| self.of(arm, rate).into_iter().map(|run| run.early);
        let arms = early(Arm::Full).zip(early(Arm::Pissa)).zip(early(Arm::Lora));
        arms.into_iter().all(|((full, pissa), lora)| full < pissa && pissa < lora)
    }

    /// Whether the claim holds at every learning rate at which it is made.
    pub(super) fn holds(&self) -> bool {
        let Settings { rates, claimed_up_to, .. } = &self.settings;
        rates.iter().filter(|rate| *rate <= claimed_up_to).all(|&rate| self.ordered(rate))
    }
}

/// Pretrains and transfers.
pub(super) fn run(
    settings: &Settings,
    old: &Pretraining,
    new: (&Images, &Images),
    watch: &mut dyn FnMut(&str),
) -> Result<Transfer> {
    let mut transfer = Transfer {
        settings: settings.clone(),
        pretrained_accuracy: Vec::new(),
        runs: Vec::new(),
        spectra: None,
    };
    for &seed in &settings.seeds {
        let rng = Rng::new(seed).fork("pissa");
        watch(&format!("seed {seed}: pretraining"));
        let pretrained = pretrain(settings, &old.train, &rng)?;
        transfer.pretrained_accuracy.push(accuracy(&pretrained, &old.test)?);
        let start = Start::new(&pretrained, classes(new.0), &rng)?;
        if transfer.spectra.is_none() {
            transfer.spectra = start.spectra(settings)?;
        }
        for &rate in &settings.rates {
            for arm in [Arm::Full, Arm::Pissa, Arm::Lora] {
                watch(&format!("seed {seed}, learning rate {rate:e}: {}", arm.name()));
                transfer.runs.push(start.run((arm, rate, seed), settings, new)?);
            }
        }
    }
    Ok(transfer)
}

fn pretrain(settings: &Settings, images: &Images, rng: &Rng) -> Result<Mlp> {
    let sizes = [&[images.width], settings.hidden.as_slice(), &[classes(images)]].concat();
    let mut model = Mlp::new(&sizes, &rng.fork("network"))?;
    let rates = Rates { hidden: settings.head_rate, head: settings.head_rate };
    train(&mut model, images, &rng.fork("pretraining"), (settings.pretraining_steps, settings.batch), rates)?;
    Ok(model)
}

/// Where every arm starts: the pretrained hidden layers, and a new head.
struct Start {
    sizes: Vec<usize>,
    /// One a parameter, in the model's order.
    values: Vec<Tensor>,
    rng: Rng,
}

impl Start {
    fn new(pretrained: &Mlp, classes: usize, rng: &Rng) -> Result<Self> {
        let mut values = Vec::new();
        let mut sizes = Vec::new();
        for parameter in pretrained.parameters() {
            let value = untaped(|| parameter.weight.dense())?;
            if let Ok([_, inputs]) = value.matrix("start") {
                sizes.push(inputs);
            }
            values.push(value);
        }
        sizes.push(classes);
        Ok(Self { sizes, values, rng: rng.clone() })
    }

    /// The network with frozen hidden layers and a trained head.
    fn model(&self) -> Result<Mlp> {
        let mut model = Mlp::new(&self.sizes, &self.rng.fork("new head"))?;
        for (parameter, value) in model.parameters_mut().into_iter().zip(&self.values) {
            if parameter.kind() != Kind::Head {
                parameter.weight = Box::new(Dense::frozen(value.clone()));
            }
        }
        Ok(model)
    }

    fn attached(&self, arm: Arm, rank: usize) -> Result<(Mlp, usize)> {
        let mut model = self.model()?;
        let modules: Vec<String> =
            (0..self.sizes.len().saturating_sub(2)).map(|i| format!("layers.{i}")).collect();
        let rng = self.rng.fork("method");
        let trained = match arm {
            Arm::Full => train_whole(&mut model, &modules)?,
            Arm::Lora => {
                attach(&mut model, &Lora { rank, ..Lora::default() }, &modules, &rng, &mut |_, _| {})?.trained
            }
            Arm::Pissa => {
                attach(&mut model, &Pissa { rank, ..Pissa::default() }, &modules, &rng, &mut |_, _| {})?
                    .trained
            }
        };
        Ok((model, trained))
    }

    fn spectra(&self, settings: &Settings) -> Result<Option<Spectra>> {
        let path = format!("layers.{}.weight", settings.hidden.len().saturating_sub(1));
        let Some(before) = value(&self.model()?, &path)? else {
            return Ok(None);
        };
        spectra(&self.attached(Arm::Pissa, settings.rank)?.0, &path, &before)
    }

    fn run(
        &self,
        (arm, rate, seed): (Arm, f32, u64),
        settings: &Settings,
        (images, test): (&Images, &Images),
    ) -> Result<Run> {
        let (mut model, trained) = self.attached(arm, settings.rank)?;
        let rates = Rates { hidden: rate, head: settings.head_rate };
        let steps = (settings.steps, settings.batch);
        let losses = train(&mut model, images, &self.rng.fork("transfer"), steps, rates)?;
        let window = settings.window.min(losses.len());
        let (early, late) = (mean(&losses[..window]), mean(&losses[losses.len() - window..]));
        Ok(Run { arm, rate, seed, trained, early, late, accuracy: accuracy(&model, test)?, losses })
    }
}

#[derive(Clone, Copy)]
struct Rates {
    hidden: f32,
    head: f32,
}

/// Trains what is trained in `model` with AdamW at constant rates; the loss of every step.
fn train(
    model: &mut Mlp,
    images: &Images,
    rng: &Rng,
    (steps, batch): (usize, usize),
    rates: Rates,
) -> Result<Vec<f64>> {
    let mut optimizer = AdamW::default();
    let mut losses = Vec::with_capacity(steps);
    for (rows, step) in images.steps(batch, rng).zip(1..=steps) {
        let (x, targets) = images.batch(&rows)?;
        let hidden = model.hidden(&x, &Pass::quiet())?;
        let loss = ops::losses(&hidden, &model.head().weight.dense()?, &targets)?.mean();
        let value = f64::from(loss.item());
        if !value.is_finite() {
            return Err(Error::NotFinite { step, learning_rate: rates.hidden });
        }
        losses.push(value);
        let gradients = loss.backward()?;
        for_each_trained_mut(model, &mut |place, variable| {
            let rate = if place.kind == Kind::Head { rates.head } else { rates.hidden };
            if let Some(gradient) = gradients.of(variable) {
                gradient.read(|values| optimizer.update(&place, variable, values, step as u64, rate));
            }
        });
    }
    Ok(losses)
}

/// Share of images classified rightly.
fn accuracy(model: &Mlp, images: &Images) -> Result<f64> {
    let mut right = 0;
    let rows: Vec<usize> = (0..images.labels.len()).collect();
    for rows in rows.chunks(1024) {
        let (x, targets) = images.batch(rows)?;
        let (hidden, head) =
            untaped(|| model.hidden(&x, &Pass::quiet()).and_then(|h| Ok((h, model.head().weight.dense()?))))?;
        let scored = ops::score(&hidden, &head, &targets)?;
        right += scored.greedy.iter().zip(targets.iter()).filter(|(found, target)| found == target).count();
    }
    Ok(right as f64 / rows.len().max(1) as f64)
}

fn classes(images: &Images) -> usize {
    images.labels.iter().max().map_or(0, |&largest| largest as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noisy copies of one random pattern a class.
    fn images(seed: u64, classes: u32) -> Images {
        let (rng, width) = (Rng::new(seed), 20);
        let mut images = Images { pixels: Vec::new(), width, labels: Vec::new() };
        let mut noise = rng.fork("noise");
        for index in 0..240 {
            let label = index % classes;
            let pattern = rng.fork_index("class", label as usize).normals(width, 1.0);
            images.pixels.extend(pattern.iter().map(|p| p + 0.5 * noise.normal()));
            images.labels.push(label);
        }
        images
    }

    fn settings() -> Settings {
        Settings {
            hidden: vec![16, 12],
            pretraining_steps: 60,
            steps: 40,
            window: 10,
            batch: 24,
            rank: 2,
            rates: vec![2e-3],
            head_rate: 5e-3,
            ..Settings::of(Scale::Quick)
        }
    }

    fn transfer() -> Transfer {
        let old = Pretraining { train: images(1, 4), test: images(1, 4) };
        let new = images(2, 3);
        run(&settings(), &old, (&new, &new), &mut |_| {}).unwrap()
    }

    #[test]
    fn every_arm_starts_at_the_same_loss_and_learns() {
        let transfer = transfer();
        assert!(transfer.pretrained_accuracy[0] > 0.9, "{:?}", transfer.pretrained_accuracy);
        let first = transfer.runs[0].losses[0];
        for run in &transfer.runs {
            assert!(
                (run.losses[0] - first).abs() < 1e-5 * first,
                "{:?} starts at {}",
                run.arm,
                run.losses[0]
            );
            assert_eq!(run.losses.len(), 40);
            assert!(run.late < 0.7 * run.early, "{:?}: {} to {}", run.arm, run.early, run.late);
        }
        let trained: Vec<_> = transfer.runs.iter().map(|run| (run.arm, run.trained)).collect();
        let low_rank = 2 * (20 + 16) + 2 * (16 + 12);
        let full = 20 * 16 + 16 + 16 * 12 + 12;
        assert_eq!(trained, [(Arm::Full, full), (Arm::Pissa, low_rank), (Arm::Lora, low_rank)]);
    }

    #[test]
    fn the_residual_has_the_spectrum_without_its_head() {
        let spectra = transfer().spectra.unwrap();
        assert_eq!((spectra.path.as_str(), spectra.weight.len()), ("layers.1.weight", 12));
        let tail = spectra.weight[2..].iter().zip(&spectra.residual);
        tail.into_iter().for_each(|(w, r)| assert!((w - r).abs() < 1e-4 * spectra.weight[0], "{w} {r}"));
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        assert_eq!(transfer(), transfer());
    }

    #[test]
    fn the_claim_is_about_every_seed_and_the_claimed_rates() {
        let run = |arm, rate, seed, early| Run {
            arm,
            rate,
            seed,
            trained: 0,
            losses: vec![],
            early,
            late: 0.0,
            accuracy: 0.0,
        };
        let at = |rate, seed, [full, pissa, lora]: [f64; 3]| {
            [
                run(Arm::Full, rate, seed, full),
                run(Arm::Pissa, rate, seed, pissa),
                run(Arm::Lora, rate, seed, lora),
            ]
        };
        let holds = |runs: Vec<[Run; 3]>| {
            let settings = Settings::of(Scale::Full);
            Transfer { settings, pretrained_accuracy: vec![], runs: runs.concat(), spectra: None }.holds()
        };
        let good = [0.1, 0.2, 0.3];
        assert!(holds(vec![at(5e-4, 0, good), at(2e-3, 0, good), at(1e-2, 0, [0.3, 0.2, 0.1])]));
        assert!(!holds(vec![at(5e-4, 0, good), at(5e-4, 1, [0.1, 0.3, 0.2]), at(2e-3, 0, good)]));
        assert!(!holds(vec![at(2e-3, 0, [0.25, 0.2, 0.3])]));
        assert!(!holds(vec![at(2e-3, 0, [0.1, f64::NAN, 0.3])]));
    }
}
