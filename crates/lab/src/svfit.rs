//! [svfit]: singular values alone reach LoRA's accuracy with a sixteenth of its numbers.
//!
//! Transfer between classes of Fashion-MNIST: the hidden layers are trained in full, by LoRA and PiSSA, and by SVFit at
//! several ranks, each at the learning rates of its own sweep. Shows: SVFit's best accuracy is within noise of LoRA's
//! with at least 16 times fewer trained numbers.
//!
//! On a text encoder, where one is given, its query and value maps, as in the paper: all their singular values against LoRA
//! of rank 8, which is where 16 times comes from.
//!
//! Departure: the paper fine-tunes RoBERTa, ViT and Stable Diffusion.

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    encoder::{self, Bench, Tuning},
    findings::Finding,
    transfer::{self, Arm, Data, Finished, Setting, Story, Sweep, ranked, size_words},
};
use rankine_report::{Axis, Level, Lines, Page, Series, Style};

/// Accuracy of SVFit against LoRA, and how many numbers each trains.
#[derive(Clone, Copy, Debug, Default)]
pub struct SvfitExperiment;

impl Experiment for SvfitExperiment {
    fn paper(&self) -> &'static str {
        "svfit"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let data = Data::read(materials, watch)?;
        let tuning = encoder::run(materials, scale, |bench| encoder_arms(bench, scale), watch)?;
        measure(&Plan::of(scale), (&data, tuning.as_ref()), watch)
    }
}

/// What is tried.
struct Plan {
    setting: Setting,
    /// r of PiSSA, and of the LoRA that SVFit is compared with.
    rank: usize,
    /// Further ranks of LoRA, ascending.
    smaller_ranks: Vec<usize>,
    /// r of SVFit: all singular values of a weight.
    values: usize,
    /// Further ranks of SVFit, ascending.
    fewer_values: Vec<usize>,
    /// Whether SVFit also chooses its rank by the energy, as the paper does.
    by_energy: bool,
    factor_rates: Vec<f32>,
    value_rates: Vec<f32>,
}

impl Plan {
    fn of(scale: Scale) -> Self {
        let (smaller_ranks, fewer_values) = match scale {
            Scale::Quick => (vec![], vec![]),
            Scale::Full => (vec![1, 2, 4], vec![16, 64]),
        };
        Self {
            setting: Setting::of(scale, 2),
            rank: 8,
            smaller_ranks,
            values: 256,
            fewer_values,
            by_energy: scale == Scale::Full,
            factor_rates: transfer::factor_rates(scale),
            value_rates: transfer::value_rates(scale),
        }
    }

    /// Labels of SVFit and of the LoRA it is compared with.
    fn contestants(&self) -> [String; 2] {
        [ranked("SVFit", self.values), ranked("LoRA", self.rank)]
    }

    fn arms(&self) -> Result<Vec<Arm>> {
        let Self { factor_rates, value_rates, .. } = self;
        let mut arms = Arm::baselines(self.rank, factor_rates)?;
        for &rank in &self.smaller_ranks {
            arms.push(Arm::of_rank("LoRA", rank, factor_rates)?);
        }
        for &rank in self.fewer_values.iter().chain([&self.values]) {
            arms.push(Arm::of_rank("SVFit", rank, value_rates)?);
        }
        if self.by_energy {
            arms.push(Arm::new("SVFit 99 %", "svfit", "energy = 0.99", value_rates)?);
        }
        Ok(arms)
    }
}

/// What was learnt at the values of one weight, in the first seed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Learnt {
    rate: f32,
    path: String,
    /// s − σ; [r].
    change: Vec<f32>,
}

fn measure(
    plan: &Plan,
    (data, tuning): (&Data, Option<&Tuning>),
    watch: &mut dyn FnMut(&str),
) -> Result<Claim> {
    let [ours, theirs] = plan.contestants();
    let first = plan.setting.seeds.first();
    let mut learnt = Vec::new();
    let mut finished = |Finished { run, model, .. }: Finished<'_>| {
        if run.arm == ours && Some(&run.seed) == first {
            let found = transfer::leaves(model, "core").into_iter();
            learnt.extend(found.map(|(path, change)| Learnt { rate: run.rate, path, change }));
        }
        Ok(())
    };
    let sweep = transfer::run(&plan.setting, &plan.arms()?, data, &mut finished, watch)?;
    let mut found = findings(&sweep, [&ours, &theirs]);
    if let Some(tuning) = tuning {
        let lora = ranked("LoRA", encoder::RANK);
        found.extend(tuning.said(findings(&tuning.sweep, [encoder::SINGULAR_VALUES, &lora])));
    }
    let mut claim = transfer::claim(&STORY, &found, &sweep);
    show_smallest(plan, &sweep, &mut claim.page);
    let best = sweep.best_accuracy(&ours).rate;
    learnt.retain(|learnt| learnt.rate == best);
    claim.page.section("What is learnt").plot(changes(&learnt, &ours));
    claim.numbers["learnt"] = serde_json::json!(learnt);
    encoder::show(tuning, &mut claim);
    Ok(claim)
}

fn encoder_arms(bench: &Bench<'_>, scale: Scale) -> Result<Vec<Arm>> {
    let mut arms = encoder::baselines(&encoder::factor_rates(scale))?;
    arms.push(encoder::singular_values(bench, scale)?);
    Ok(arms)
}

const STORY: Story<'_> = Story {
    title: "SVFit: singular values alone",
    statement: "SVFit's best accuracy is within noise of LoRA's with at least 16 times fewer trained numbers",
    about: "SVFit freezes the singular vectors of every weight and trains its singular values, one number a direction.",
};

fn findings<S>(sweep: &Sweep<String, S>, [ours, theirs]: [&str; 2]) -> Vec<Finding> {
    let contest = sweep.contest(ours, theirs);
    vec![
        Finding::new(
            format!(
                "accuracy of {ours} not below that of {theirs} by more than the noise, each at its best rate"
            ),
            "above LoRA on three families of tasks (abstract)",
            contest.words(),
            contest.within_noise(),
        ),
        Finding::new(
            "at least 16 times fewer trained numbers than LoRA",
            "16 times",
            size_words(sweep, ours, theirs),
            sweep.times_fewer(ours, theirs) >= 16.0,
        ),
    ]
}

/// LoRA has small ranks too: how many numbers the smallest needs that is as good.
fn show_smallest(plan: &Plan, sweep: &Sweep, page: &mut Page) {
    let [ours, theirs] = plan.contestants();
    let mut smaller = plan.smaller_ranks.iter().map(|&rank| ranked("LoRA", rank));
    if let Some(smallest) = smaller.find(|label| sweep.contest(label, &theirs).within_noise()) {
        let contest = sweep.contest(&smallest, &theirs).words();
        let fewer = sweep.times_fewer(&ours, &smallest);
        page.note(
            Level::Note,
            format!("{smallest} is within noise of {theirs} too ({contest}): {ours} trains {fewer:.1} times fewer than it"),
        );
    }
}

fn changes(learnt: &[Learnt], label: &str) -> Lines {
    let title = format!("Learned change of the singular values, {label} at its best rate");
    let mut plot = Lines::new(title, Axis::linear("index"), Axis::linear("s − σ"));
    for Learnt { path, change, .. } in learnt {
        let points =
            change.iter().enumerate().map(|(index, &change)| (index as f64 + 1.0, f64::from(change)));
        plot = plot.series(Series::new(path, points).style(Style::Points));
    }
    plot
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::testing;

    fn plan() -> Plan {
        Plan {
            setting: testing::setting(),
            rank: 2,
            smaller_ranks: vec![1],
            values: 12,
            fewer_values: vec![4],
            by_energy: true,
            factor_rates: vec![2e-3],
            value_rates: vec![5e-3, 2e-2],
        }
    }

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let claim = measure(&plan(), (&testing::data(), None), &mut |_| {}).unwrap();
        testing::assert_complete(&claim);
        let trained = claim.numbers["transfer"]["runs"].as_array().unwrap().iter();
        let of = |arm: &str| trained.clone().find(|run| run["arm"] == arm).unwrap()["trained"].clone();
        assert_eq!((of("SVFit r=12"), of("LoRA r=2")), (24.into(), (2 * (20 + 16) + 2 * (16 + 12)).into()));
        let learnt = claim.numbers["learnt"].as_array().unwrap();
        let lengths: Vec<_> =
            learnt.iter().map(|weight| weight["change"].as_array().unwrap().len()).collect();
        assert_eq!(lengths, [12, 12]);
        assert!(claim.page.html().contains("layers.1.weight"));
    }

    #[test]
    fn the_scales_are_as_declared() {
        let [quick, full] = [Scale::Quick, Scale::Full].map(|scale| Plan::of(scale).arms().unwrap());
        let labels: Vec<_> = quick.iter().map(|arm| arm.label.as_str()).collect();
        assert_eq!(labels, ["full", "LoRA r=8", "PiSSA r=8", "SVFit r=256"]);
        assert!(full.iter().all(|arm| arm.rates.len() == 4));
        assert_eq!(full.len(), 10);
    }
}
