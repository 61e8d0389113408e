//! [loldu]: pivots alone reach LoRA's accuracy with far fewer numbers.
//!
//! Transfer between classes of Fashion-MNIST: the hidden layers are trained in full, by LoRA and PiSSA, by SVFit, which
//! trains singular values in the place of pivots, and by LoLDU, each at the learning rates of its own sweep. Shows: LoLDU's
//! best accuracy is within one point of LoRA's with 24 times fewer trained numbers.
//! Ablation, at full scale: starts that the released code does not take out of the base damage the model, and collapse
//! there as in the paper's table; the same starts taken out of it do not.
//! On a text encoder, where one is given, its query and value maps, as in the paper: all their pivots against LoRA of rank 8
//! and all their singular values; that is 16 times fewer numbers.
//!
//! Departure: the paper fine-tunes RoBERTa, LLaMA-2, ViT and Stable Diffusion.

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    encoder::{self, Bench, Tuning},
    findings::Finding,
    transfer::{self, Arm, Data, Finished, Setting, Story, Sweep, percent, ranked, size_words},
};
use rankine_linalg::singular_values;
use rankine_nn::{Kind, Model as _, Parameter};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Table};

/// Accuracy of LoLDU against LoRA, and how many numbers each trains.
#[derive(Clone, Copy, Debug, Default)]
pub struct LolduExperiment;

impl Experiment for LolduExperiment {
    fn paper(&self) -> &'static str {
        "loldu"
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
    /// r of LoRA and PiSSA.
    factor_rank: usize,
    /// r of LoLDU and SVFit.
    rank: usize,
    factor_rates: Vec<f32>,
    svfit_rates: Vec<f32>,
    rates: Vec<f32>,
    /// Starts of the ablation, with the accuracy that the paper reports for them, and their learning rates.
    starts: Vec<(&'static str, &'static str)>,
    start_rates: Vec<f32>,
}

impl Plan {
    fn of(scale: Scale) -> Self {
        let (rates, starts) = match scale {
            // A narrow range is good, lower than SVFit's.
            Scale::Quick => (vec![2e-3, 1e-2], vec![]),
            Scale::Full => (vec![5e-4, 2e-3, 1e-2, 5e-2], STARTS.to_vec()),
        };
        Self {
            setting: Setting::of(scale, 2),
            factor_rank: 8,
            rank: 256,
            factor_rates: transfer::factor_rates(scale),
            svfit_rates: transfer::value_rates(scale),
            rates,
            starts,
            start_rates: vec![2e-3, 1e-2],
        }
    }

    /// Labels of LoLDU and of the LoRA it is compared with.
    fn contestants(&self) -> [String; 2] {
        [ranked("LoLDU", self.rank), ranked("LoRA", self.factor_rank)]
    }

    fn arms(&self) -> Result<Vec<Arm>> {
        let mut arms = Arm::baselines(self.factor_rank, &self.factor_rates)?;
        arms.push(Arm::of_rank("SVFit", self.rank, &self.svfit_rates)?);
        arms.push(Arm::of_rank("LoLDU", self.rank, &self.rates)?);
        Ok(arms)
    }

    /// Every start, taken out of the base and as the released code has it.
    fn ablation(&self) -> Result<Vec<Arm>> {
        let arm = |&(init, _): &(&str, _), legacy: bool| {
            let fields = format!("rank = {}\ninit = \"{init}\"\nlegacy_residual = {legacy}", self.rank);
            Arm::new(start_label(init, legacy), "loldu", &fields, &self.start_rates)
        };
        self.starts.iter().flat_map(|start| [arm(start, false), arm(start, true)]).collect()
    }
}

/// [loldu]'s ablation of the start: mean accuracy of ViT-B.
const STARTS: [(&str, &str); 4] =
    [("lu", "82.08 %"), ("uniform", "82.74 %"), ("zeros", "45.59 %"), ("ones", "16.51 %")];

fn start_label(init: &str, legacy: bool) -> String {
    format!("{init}, {}", if legacy { "as released" } else { "taken out" })
}

/// The pivots of a pretrained weight beside its singular values, first seed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Pivots {
    path: String,
    /// In the order of elimination.
    pivots: Vec<f32>,
    /// Descending.
    singular_values: Vec<f32>,
}

fn measure(
    plan: &Plan,
    (data, tuning): (&Data, Option<&Tuning>),
    watch: &mut dyn FnMut(&str),
) -> Result<Claim> {
    let [ours, theirs] = plan.contestants();
    let arms = plan.arms()?;
    let mut pivots = Vec::new();
    let mut finished = |finished: Finished<'_>| {
        if let Some(arm) = arms.iter().find(|arm| arm.label == ours && pivots.is_empty()) {
            pivots = pivots_at_start(&finished, arm)?;
        }
        Ok(())
    };
    let sweep = transfer::run(&plan.setting, &arms, data, &mut finished, watch)?;
    let mut found = findings(&sweep, [&ours, &theirs], 24);
    if let Some(tuning) = tuning {
        let lora = ranked("LoRA", encoder::RANK);
        found.extend(tuning.said(findings(&tuning.sweep, [PIVOTS, &lora], 16)));
    }
    let mut claim = transfer::claim(&STORY, &found, &sweep);
    claim.page.section("Pivots");
    pivots.iter().for_each(|pivots| _ = claim.page.plot(pivots_plot(pivots)));
    claim.numbers["pivots"] = serde_json::json!(pivots);
    if !plan.starts.is_empty() {
        let ablation = transfer::run(&plan.setting, &plan.ablation()?, data, &mut |_| Ok(()), watch)?;
        show_ablation(plan, &ablation, &mut claim.page);
        claim.numbers["ablation"] = serde_json::json!(ablation);
    }
    encoder::show(tuning, &mut claim);
    Ok(claim)
}

/// Label of all pivots of an encoder's maps.
const PIVOTS: &str = "LoLDU";

fn encoder_arms(bench: &Bench<'_>, scale: Scale) -> Result<Vec<Arm>> {
    let (fields, rates) = (format!("rank = {}", bench.width), encoder::factor_rates(scale));
    let mut arms = encoder::baselines(&rates)?;
    arms.push(encoder::singular_values(bench, scale)?);
    arms.push(Arm::new(PIVOTS, "loldu", &fields, &rates)?);
    Ok(arms)
}

const STORY: Story<'_> = Story {
    title: "LoLDU: pivots alone",
    statement: "LoLDU's best accuracy is within one point of LoRA's with 24 times fewer trained numbers",
    about: "LoLDU decomposes every weight by elimination, freezes the triangular factors and trains the pivots.",
};

/// `times`: how many times fewer numbers are trained at least.
fn findings<S>(sweep: &Sweep<String, S>, [ours, theirs]: [&str; 2], times: u32) -> Vec<Finding> {
    let contest = sweep.contest(ours, theirs);
    vec![
        Finding::new(
            format!("accuracy of {ours} at most one point below that of {theirs}, each at its best rate"),
            "GLUE 85.8 % against 85.2 % (RoBERTa-base), MMLU 46.21 % against 45.64 % (LLaMA-2-7B)",
            contest.words(),
            contest.gap.value >= -0.01,
        ),
        Finding::new(
            format!("at least {times} times fewer trained numbers than LoRA"),
            "16 times (RoBERTa-base) to 2,600 times (LLaMA-2-7B)",
            size_words(sweep, ours, theirs),
            sweep.times_fewer(ours, theirs) >= f64::from(times),
        ),
    ]
}

fn pivots_at_start(finished: &Finished<'_>, arm: &Arm) -> Result<Vec<Pivots>> {
    let start = finished.start.model()?;
    let weights = start.parameters().into_iter().filter(|parameter| parameter.kind() == Kind::Linear);
    let cores = transfer::leaves(&finished.start.attached(&arm.treatment)?.0, "core");
    let beside = |(parameter, (path, pivots)): (&Parameter, _)| {
        let weight = parameter.weight.dense()?;
        let [rows, columns] = weight.matrix("pivots")?;
        let singular_values = weight.read(|values| singular_values(values, rows, columns))?;
        Ok(Pivots { path, pivots, singular_values })
    };
    weights.zip(cores).map(beside).collect()
}

fn pivots_plot(Pivots { path, pivots, singular_values }: &Pivots) -> Lines {
    let points = |values: &[f32]| -> Vec<(f64, f64)> {
        values
            .iter()
            .enumerate()
            .map(|(index, &value)| (index as f64 + 1.0, f64::from(value.abs())))
            .collect()
    };
    let title = format!("Pivots and singular values of {path}");
    Lines::new(title, Axis::linear("index"), Axis::log("magnitude"))
        .series(Series::new("pivots, in the order of elimination", points(pivots)))
        .series(Series::new("singular values", points(singular_values)))
}

fn show_ablation(plan: &Plan, ablation: &Sweep, page: &mut Page) {
    page.section("Ablation: how the trained numbers start").text(
        "The update does not depend on the start where that is taken out of the base, so that the model is unchanged at \
         step 0. The released code leaves the pivots in the base for zeros and ones: the model starts damaged.",
    );
    let columns = [
        Column::text("Start"),
        Column::number("First loss, taken out").unit("nats"),
        Column::number("First loss, as released").unit("nats"),
        Column::number("Best accuracy, taken out"),
        Column::number("Best accuracy, as released"),
        Column::number("Published (ViT-B)"),
    ];
    let mut table = Table::new(columns);
    for &(init, published) in &plan.starts {
        let labels = [false, true].map(|legacy| start_label(init, legacy));
        let first = labels.each_ref().map(|label| {
            let first = |run: &transfer::Run| run.losses.first().copied().unwrap_or(f64::NAN);
            Cell::number(ablation.lowest(label, first).value, 3)
        });
        let best = labels.each_ref().map(|label| Cell::text(percent(ablation.best_accuracy(label).value)));
        let cells = [vec![Cell::text(init)], first.into(), best.into(), vec![Cell::text(published)]];
        table.row(cells.concat());
    }
    page.table(table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::testing;

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let plan = Plan {
            setting: testing::setting(),
            factor_rank: 2,
            rank: 12,
            factor_rates: vec![2e-3],
            svfit_rates: vec![2e-2],
            rates: vec![2e-3, 5e-3],
            starts: STARTS[..3].to_vec(),
            start_rates: vec![2e-3],
        };
        let claim = measure(&plan, (&testing::data(), None), &mut |_| {}).unwrap();
        testing::assert_complete(&claim);
        let pivots = claim.numbers["pivots"].as_array().unwrap();
        let [first, second] = pivots.as_slice() else { panic!("{pivots:?}") };
        assert_eq!(first["path"], "layers.0.weight");
        assert_eq!(second["path"], "layers.1.weight");
        assert_eq!(first["pivots"].as_array().unwrap().len(), 12);
        assert_eq!(first["singular_values"].as_array().unwrap().len(), 16);

        let runs = claim.numbers["ablation"]["runs"].as_array().unwrap();
        let first_loss = |start: &str, legacy| {
            let run = runs.iter().find(|run| run["arm"] == start_label(start, legacy)).unwrap();
            run["losses"][0].as_f64().unwrap()
        };
        let whole = claim.numbers["transfer"]["runs"][0]["losses"][0].as_f64().unwrap();
        for start in ["lu", "zeros"] {
            assert!((first_loss(start, false) - whole).abs() < 1e-4 * whole, "{start}");
        }
        assert!((first_loss("zeros", true) - whole).abs() > 1e-2 * whole);
    }

    #[test]
    fn a_point_is_the_most_that_may_be_missing() {
        let plan = Plan { rates: vec![2e-3], factor_rates: vec![2e-3], ..Plan::of(Scale::Quick) };
        let [ours, theirs] = plan.contestants();
        let holds = |accuracy: f64| {
            let run = |arm: &str, trained, accuracy| transfer::Run {
                arm: arm.to_owned(),
                rate: 2e-3,
                seed: 0,
                trained,
                losses: vec![],
                early: 0.0,
                late: 0.0,
                accuracy,
            };
            let sweep = Sweep {
                setting: plan.setting.clone(),
                arms: plan.arms().unwrap(),
                samples: 5000,
                pretrained_accuracy: vec![],
                runs: vec![run(&ours, 512, accuracy), run(&theirs, 12_416, 0.95)],
            };
            findings(&sweep, [&ours, &theirs], 24).iter().map(|finding| finding.holds).collect::<Vec<_>>()
        };
        assert_eq!(holds(0.945), [true, true]);
        assert_eq!(holds(0.935), [false, true]);
        assert_eq!(holds(f64::NAN), [false, true]);
    }
}
