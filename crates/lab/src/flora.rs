//! [flora]: a small core between factors for every axis adapts convolutions better than a flattened low-rank update.
//!
//! A LeNet moves between classes of Fashion-MNIST: its convolutions are trained in full, by LoRA on the matrix
//! [out, in·height·width], which is peft's LoRA of a convolution, and by FLoRA with no more numbers, each at every learning
//! rate of its sweep. Shows: at the smallest size FLoRA's best accuracy is at least LoRA's; of what full training
//! changed, a Tucker form keeps more than a matrix of low rank with as many numbers (no training, no noise); at full scale
//! also how much the scale s matters to either. On a text encoder, where one is given, its query and value maps: a core
//! between factors against LoRA of the same rank, small and larger, and with the start and scale of the authors' code for
//! language models.
//!
//! Departure: the paper fine-tunes ConvNeXt-L, InternViT and language models; here the hidden layer stays and only the
//! convolutions are adapted.

mod scales;
mod structure;

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    encoder::{self, Tuning},
    findings::Finding,
    transfer::{self, Arm, Data, Finished, Setting, Split, Story, Sweep, ranked, size_words},
};
use rankine_nn::{Model as _, Parameter, models::LeNet};
use rankine_tensor::untaped;
use scales::Scales;
use std::sync::Arc;

/// Accuracy of FLoRA against LoRA on convolutions, and what either can hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct FloraExperiment;

impl Experiment for FloraExperiment {
    fn paper(&self) -> &'static str {
        "flora"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let plan = Plan::of(scale);
        let data = plan.data(&Data::read(materials, watch)?);
        let tuning = encoder::run(materials, scale, |_| encoder_arms(scale), watch)?;
        measure(&plan, (&data, tuning.as_ref()), watch)
    }
}

/// What is tried.
struct Plan {
    setting: Setting,
    /// Images of every class for the pretraining, for the transfer and for either test.
    images: [usize; 3],
    /// Ranks of LoRA, ascending, and of the FLoRA that trains no more.
    pairs: Vec<[usize; 2]>,
    rates: Vec<f32>,
    scales: Option<Scales>,
}

/// FLoRA's rank along the sides of a kernel of 5 × 5.
const KERNEL_RANK: usize = 3;

/// The convolution whose change is looked at: [64, 32, 5, 5].
const LARGEST: &str = "conv2.weight";

impl Plan {
    fn of(scale: Scale) -> Self {
        // A step takes ten times that of the networks of the other papers: fewer of them, of fewer images.
        let setting = |[pretraining_steps, steps, window, batch]: [usize; 4]| {
            let hidden = Vec::new();
            Setting { hidden, pretraining_steps, steps, window, batch, ..Setting::of(scale, 2) }
        };
        match scale {
            Scale::Quick => Self {
                setting: setting([80, 50, 10, 32]),
                images: [2000, 100, 150],
                pairs: vec![[1, 4]],
                rates: vec![2e-3, 1e-2],
                scales: None,
            },
            Scale::Full => Self {
                setting: setting([300, 200, 25, 64]),
                images: [6000, 400, 1000],
                pairs: vec![[1, 4], [2, 8], [4, 13]],
                rates: vec![2e-3, 1e-2, 3e-2],
                scales: Some(Scales { pair: [1, 4], scales: vec![0.04, 0.4, 1.0, 4.0], rate: 1e-2 }),
            },
        }
    }

    fn arms(&self) -> Result<Vec<Arm>> {
        let mut arms = vec![Arm::full(&self.rates)];
        for &[lora, flora] in &self.pairs {
            arms.push(Arm::of_rank("LoRA", lora, &self.rates)?);
            let fields = format!("rank = {flora}\nkernel_rank = {KERNEL_RANK}");
            arms.push(Arm::new(ranked("FLoRA", flora), "flora", &fields, &self.rates)?);
        }
        Ok(arms)
    }

    /// As many images as are wanted.
    fn data(&self, all: &Data) -> Data {
        let [old, new, test] = self.images;
        let fewer = |split: &Split, train| Split {
            train: split.train.of_each_class(train),
            test: split.test.of_each_class(test),
        };
        Data { old: Arc::new(fewer(&all.old, old)), new: fewer(&all.new, new) }
    }
}

/// What full training changed at one rate, in the first seed.
struct Moved {
    rate: f32,
    /// Row-major.
    change: Vec<f32>,
    shape: Vec<usize>,
}

fn measure(
    plan: &Plan,
    (data, tuning): (&Data, Option<&Tuning>),
    watch: &mut dyn FnMut(&str),
) -> Result<Claim> {
    let mut moved = Vec::new();
    let mut finished = |finished: Finished<'_, String, LeNet>| {
        if finished.run.arm == transfer::FULL && Some(&finished.run.seed) == plan.setting.seeds.first() {
            moved.extend(change(&finished)?);
        }
        Ok(())
    };
    let sweep = transfer::run_network::<_, LeNet>(&plan.setting, &plan.arms()?, data, &mut finished, watch)?;
    watch("decomposing what full training changed");
    let best = sweep.best_accuracy(transfer::FULL).rate;
    let ranks: Vec<usize> = plan.pairs.iter().map(|[lora, _]| *lora).collect();
    let fits = match moved.iter().find(|moved| moved.rate == best) {
        Some(Moved { change, shape, .. }) => structure::fits(change, shape, &ranks)?,
        None => Vec::new(),
    };
    let scales = plan.scales.as_ref().map(|scales| scales.measure(&plan.setting, data, watch)).transpose()?;
    let mut findings = findings(plan, &sweep);
    findings.push(structure::finding(&fits));
    findings.extend(plan.scales.as_ref().zip(scales.as_ref()).map(|(plan, sweep)| plan.finding(sweep)));
    if let Some(tuning) = tuning {
        let against_lora = |ours: &str| {
            let labels = [ours, "LoRA"].map(|name| ranked(name, SMALL_RANK));
            at_least(&tuning.sweep, &labels, PUBLISHED_SMALL)
        };
        findings.extend(tuning.said(["FLoRA", OF_LANGUAGE].map(against_lora).into()));
    }
    let mut claim = transfer::claim(&STORY, &findings, &sweep);
    structure::show(&fits, LARGEST, &mut claim.page);
    claim.numbers["structure"] = serde_json::json!(fits);
    if let Some((plan, sweep)) = plan.scales.as_ref().zip(scales) {
        plan.show(&sweep, &mut claim.page);
        claim.numbers["scales"] = serde_json::json!(sweep);
    }
    encoder::show(tuning, &mut claim);
    Ok(claim)
}

/// r on an encoder's maps where the claim is strongest.
const SMALL_RANK: usize = 2;

/// The gain is that of small ranks.
const PUBLISHED_SMALL: &str = "69.8 against 39.5 at rank 4, 74.3 against 74.7 at rank 32 (LLaMA-7B, mean of common-sense \
                               tasks; later comparison by the authors)";

/// FLoRA as the authors' code for language models has it.
const OF_LANGUAGE: &str = "FLoRA of language models";

/// Factors of N(0, 0.02²), and s = α/r with that code's example for GLUE: r = 2, α = 4.
const OF_LANGUAGE_FIELDS: &str = "init = \"normal\"\nscale = 2.0";

/// Both methods at the small rank and at that of the baseline, which is shown and not claimed.
fn encoder_arms(scale: Scale) -> Result<Vec<Arm>> {
    // Of the three rates of the other papers the middle one is far the best with a core: closer ones, for LoRA too. Small
    // factors move the weight less at first, and want higher ones.
    let (rates, small_factor_rates) = match scale {
        Scale::Quick => (encoder::factor_rates(scale), vec![1.5e-2]),
        Scale::Full => (vec![2e-3, 4e-3, 8e-3, 1.5e-2, 3e-2], vec![4e-3, 8e-3, 1.5e-2, 3e-2, 6e-2]),
    };
    let mut arms = encoder::baselines(&rates)?;
    arms.push(Arm::of_rank("LoRA", SMALL_RANK, &rates)?);
    for rank in [SMALL_RANK, encoder::RANK] {
        arms.push(Arm::of_rank("FLoRA", rank, &rates)?);
    }
    let fields = format!("rank = {SMALL_RANK}\n{OF_LANGUAGE_FIELDS}");
    arms.push(Arm::new(ranked(OF_LANGUAGE, SMALL_RANK), "flora", &fields, &small_factor_rates)?);
    Ok(arms)
}

const STORY: Story<'_> = Story {
    title: "FLoRA: convolutions in their own shape",
    statement: "with no more trained numbers FLoRA's best accuracy on convolutions is at least LoRA's, and a Tucker form keeps \
                more of what full training learns there than a matrix of low rank",
    about: "FLoRA's update of a kernel is a small core multiplied along each axis; LoRA flattens the kernel to a matrix.",
};

fn findings(plan: &Plan, sweep: &Sweep) -> Vec<Finding> {
    let [lora, flora] = plan.pairs.first().copied().unwrap_or_default();
    let labels = [ranked("FLoRA", flora), ranked("LoRA", lora)];
    let [ours, theirs] = &labels;
    let fewer = |&[lora, flora]: &[usize; 2]| {
        sweep.trained(&ranked("FLoRA", flora)) <= sweep.trained(&ranked("LoRA", lora))
    };
    vec![
        at_least(sweep, &labels, "above LoRA at equal sizes on ConvNeXt-L (abstract)"),
        Finding::new(
            "no FLoRA trains more numbers than the LoRA it is held against",
            "equal sizes",
            size_words(sweep, ours, theirs),
            plan.pairs.iter().all(fewer),
        ),
    ]
}

fn at_least<S>(sweep: &Sweep<String, S>, [ours, theirs]: &[String; 2], published: &str) -> Finding {
    let contest = sweep.contest(ours, theirs);
    Finding::new(
        format!("accuracy of {ours} at least that of {theirs}, each at its best rate"),
        published,
        contest.words(),
        contest.gap.value >= 0.0,
    )
}

/// Of the largest convolution.
fn change(finished: &Finished<'_, String, LeNet>) -> Result<Option<Moved>> {
    let before = finished.start.model()?;
    let [old, new] = [&before, finished.model].map(largest);
    let Some((old, new)) = old.zip(new) else { return Ok(None) };
    let change = untaped(|| Ok::<_, crate::Error>(new.weight.dense()?.sub(&old.weight.dense()?)?))?;
    Ok(Some(Moved { rate: finished.run.rate, change: change.to_vec(), shape: change.shape() }))
}

fn largest(model: &LeNet) -> Option<&Parameter> {
    model.parameters().into_iter().find(|parameter| parameter.path() == LARGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::testing;

    fn plan() -> Plan {
        let setting =
            Setting { hidden: Vec::new(), pretraining_steps: 6, steps: 4, window: 2, ..testing::setting() };
        let scales = Scales { pair: [1, 4], scales: vec![0.5, 2.0], rate: 2e-3 };
        Plan { setting, images: [20, 10, 10], scales: Some(scales), ..Plan::of(Scale::Quick) }
    }

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let plan = plan();
        let data = plan.data(&testing::data_of(28 * 28));
        assert_eq!((data.old.train.labels.len(), data.new.test.labels.len()), (4 * 20, 3 * 10));
        let claim = measure(&plan, (&data, None), &mut |_| {}).unwrap();
        testing::assert_complete(&claim);
        let runs = claim.numbers["transfer"]["runs"].as_array().unwrap();
        let trained = |arm: &str| runs.iter().find(|run| run["arm"] == arm).unwrap()["trained"].clone();
        assert_eq!(trained("full"), 25 * 32 + 32 + 25 * 32 * 64 + 64);
        assert_eq!(trained("LoRA r=1"), (32 + 25) + (64 + 800));
        assert_eq!(trained("FLoRA r=4"), (4 * 9 + 4 * 32 + 1 + 30) + (16 * 9 + 4 * 96 + 30));
        assert_eq!(runs.len(), 3 * 2);
        let fit = &claim.numbers["structure"][0];
        assert_eq!(fit["numbers"], 864);
        assert!(fit["tucker_numbers"].as_u64().unwrap() <= 864);
        for error in ["error", "tucker_error"] {
            assert!((0.0..1.0).contains(&fit[error].as_f64().unwrap()), "{fit}");
        }
        assert_eq!(claim.numbers["scales"]["runs"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn the_scales_are_as_declared() {
        let [quick, full] = [Scale::Quick, Scale::Full].map(|scale| Plan::of(scale).arms().unwrap());
        let labels: Vec<_> = quick.iter().map(|arm| arm.label.as_str()).collect();
        assert_eq!(labels, ["full", "LoRA r=1", "FLoRA r=4"]);
        assert_eq!(full.len(), 7);
        assert!(full.iter().all(|arm| arm.rates.len() == 3));
        let on_encoder = encoder_arms(Scale::Full).unwrap();
        let labels: Vec<_> = on_encoder[2..].iter().map(|arm| arm.label.as_str()).collect();
        assert_eq!(labels, ["LoRA r=2", "FLoRA r=2", "FLoRA r=8", "FLoRA of language models r=2"]);
        // Runs at the rates of all papers are shared with them.
        let shared = encoder::factor_rates(Scale::Full);
        assert!(on_encoder[2..5].iter().all(|arm| shared.iter().all(|rate| arm.rates.contains(rate))));
    }
}
