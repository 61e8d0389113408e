//! [eva]: a start in the directions in which inputs vary most learns faster than a random one.
//!
//! Transfer between classes of Fashion-MNIST: the hidden layers are trained in full, by LoRA, by PiSSA, and by EVA with
//! the same rank everywhere (ρ = 1) and with ranks given out by explained variance (ρ = 2). EVA sees some batches of the
//! new images before. Shows: its early loss is below LoRA's at every learning rate; its best accuracy is within noise of
//! LoRA's or above. On a text encoder, where one is given, all linear maps: the same once more, and where the ranks go.
//!
//! Departure: the paper fine-tunes language, vision and decision transformers.

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    encoder::{self, Bench, Tuning},
    findings::Finding,
    transfer::{self, Arm, Data, Finished, Setting, Story, Sweep, Treatment, ranked, size_words},
};
use rankine_report::{Axis, Cell, Column, Level, Lines, Page, Series, Style, Table};

/// Convergence and accuracy of EVA against LoRA, and where its ranks go.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvaExperiment;

impl Experiment for EvaExperiment {
    fn paper(&self) -> &'static str {
        "eva"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let (plan, data) = (Plan::of(scale), Data::read(materials, watch)?);
        let tuning = encoder::run(materials, scale, |bench| plan.encoder_arms(bench, scale), watch)?;
        measure(&plan, (&data, tuning.as_ref()), watch)
    }
}

/// What is tried.
struct Plan {
    setting: Setting,
    /// r of all methods.
    rank: usize,
    /// ρ, ascending.
    rhos: Vec<f32>,
    /// Learning rates of all methods.
    rates: Vec<f32>,
}

impl Plan {
    fn of(scale: Scale) -> Self {
        let rates = transfer::factor_rates(scale);
        Self { setting: Setting::of(scale, 3), rank: 8, rhos: vec![1.0, 2.0], rates }
    }

    fn arms(&self) -> Result<Vec<Arm>> {
        let mut arms = Arm::baselines(self.rank, &self.rates)?;
        for &rho in &self.rhos {
            arms.push(eva(rho, self.rank, &self.rates)?);
        }
        Ok(arms)
    }

    fn encoder_arms(&self, bench: &Bench<'_>, scale: Scale) -> Result<Vec<Arm>> {
        // On all linear maps every method is best at the lowest rate of the other papers.
        let rates = encoder::lower_factor_rates(scale);
        let mut arms = vec![Arm::of_rank("LoRA", ENCODER_RANK, &rates)?];
        for &rho in &self.rhos {
            arms.push(eva(rho, ENCODER_RANK, &rates)?);
        }
        Ok(arms.into_iter().map(|arm| arm.on(&bench.linear)).collect())
    }
}

/// r on all linear maps of an encoder.
const ENCODER_RANK: usize = 4;

fn eva(rho: f32, rank: usize, rates: &[f32]) -> Result<Arm> {
    Arm::new(label(rho), "eva", &format!("rank = {rank}\nrho = {rho:?}"), rates)
}

fn label(rho: f32) -> String {
    format!("EVA ρ={rho}")
}

/// What was seen of the inputs of one weight in the first seed, and the rank that it got.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Seen {
    arm: String,
    path: String,
    rank: usize,
    /// ξ; [K].
    shares: Vec<f64>,
    /// Whether directions had not converged.
    unsettled: bool,
}

fn measure(
    plan: &Plan,
    (data, tuning): (&Data, Option<&Tuning>),
    watch: &mut dyn FnMut(&str),
) -> Result<Claim> {
    let (arms, first) = (plan.arms()?, plan.setting.seeds.first());
    let mut seen = Vec::new();
    let mut finished = |finished: Finished<'_>| {
        if Some(&finished.run.seed) == first && Some(&finished.run.rate) == plan.rates.first() {
            let arm = arms.iter().find(|arm| arm.label == finished.run.arm);
            seen.extend(arm.map(|arm| inputs(&finished, arm)).transpose()?.into_iter().flatten());
        }
        Ok(())
    };
    let sweep = transfer::run(&plan.setting, &arms, data, &mut finished, watch)?;
    let mut found = findings(&plan.rhos, plan.rank, &sweep);
    if let Some(tuning) = tuning {
        found.extend(tuning.said(findings(&plan.rhos, ENCODER_RANK, &tuning.sweep)));
    }
    let mut claim = transfer::claim(&STORY, &found, &sweep);
    for &rate in &plan.rates {
        claim.page.plot(transfer::mean_losses(&sweep, rate));
    }
    show(plan, &sweep, &seen, &mut claim.page);
    claim.numbers["inputs"] = serde_json::json!(seen);
    encoder::show(tuning, &mut claim);
    if let Some(tuning) = tuning {
        show_ranks(plan, tuning, &mut claim.page);
    }
    Ok(claim)
}

/// What an arm saw before it took the network over; nothing for methods that look at no input.
fn inputs(finished: &Finished<'_>, arm: &Arm) -> Result<Vec<Seen>> {
    let Treatment::Method(choice) = &arm.treatment else {
        return Ok(Vec::new());
    };
    let calibration = finished.start.calibration(&mut finished.start.model()?, choice)?;
    let factors = transfer::leaves(finished.model, "a");
    let mut seen = Vec::new();
    for (path, statistics) in &calibration.sites {
        let Some(found) = &statistics.principal else {
            continue;
        };
        let shares = found.explained_variance_ratio.clone();
        let columns = found.vectors.len() / shares.len().max(1);
        let rank = factors.iter().find(|(own, _)| own == path).map_or(0, |(_, a)| a.len() / columns.max(1));
        let unsettled = 0 < calibration.unsettled;
        seen.push(Seen { arm: arm.label.clone(), path: path.clone(), rank, shares, unsettled });
    }
    Ok(seen)
}

const STORY: Story<'_> = Story {
    title: "EVA: a start where the inputs vary most",
    statement: "at the same learning rate EVA's early loss is below LoRA's, and its best accuracy is not below LoRA's by more \
                than the noise",
    about: "EVA is LoRA whose down projections start as principal components of the inputs of their weights, with \
            ranks where these explain most of the variance.",
};

fn findings<S>(rhos: &[f32], rank: usize, sweep: &Sweep<String, S>) -> Vec<Finding> {
    let lora = ranked("LoRA", rank);
    let mut findings: Vec<Finding> = rhos.iter().map(|&rho| early(sweep, &label(rho), &lora)).collect();
    for ours in rhos.iter().map(|&rho| label(rho)) {
        let contest = sweep.contest(&ours, &lora);
        findings.push(Finding::new(
            format!(
                "accuracy of {ours} not below that of {lora} by more than the noise, each at its best rate"
            ),
            "the highest average on language, vision and decision tasks (abstract)",
            contest.words(),
            contest.within_noise(),
        ));
    }
    findings
}

/// Early losses, run by run.
fn early<S>(sweep: &Sweep<String, S>, ours: &str, lora: &str) -> Finding {
    let rates = sweep.arms.iter().find(|arm| arm.label == ours).map_or(&[][..], |arm| &arm.rates);
    let order = sweep.early_order(&[ours, lora], rates);
    Finding::new(
        format!("early loss {ours} < {lora} at every rate"),
        "faster convergence than LoRA (loss curves, no number)",
        order.words(),
        order.holds(),
    )
}

fn show(plan: &Plan, sweep: &Sweep, seen: &[Seen], page: &mut Page) {
    page.section("What was seen of the inputs");
    let columns = [
        Column::text("Method"),
        Column::text("Weight"),
        Column::number("Rank"),
        Column::number("Variance kept").unit("%"),
        Column::number("ξ₁").unit("%"),
        Column::text("Converged"),
    ];
    let caption = "Ranks and the share of the variance of the inputs along the directions that are taken; the first seed";
    let mut table = Table::new(columns).caption(caption);
    let title = "Explained variance ratio of the inputs";
    let mut plot = Lines::new(title, Axis::linear("component"), Axis::log("share of the variance"));
    let widest = plan.rhos.last().map(|&rho| label(rho));
    for Seen { arm, path, rank, shares, unsettled } in seen {
        let kept: f64 = shares[..*rank].iter().sum();
        table.row([
            Cell::text(arm),
            Cell::text(path),
            Cell::from(*rank),
            Cell::fixed(100.0 * kept, 1),
            Cell::fixed(100.0 * shares.first().copied().unwrap_or(0.0), 1),
            Cell::text(if *unsettled { "not all weights" } else { "yes" }),
        ]);
        if Some(arm) == widest.as_ref() {
            let points = shares.iter().enumerate().map(|(index, &share)| (index as f64 + 1.0, share));
            plot = plot.series(Series::new(path, points).style(Style::Marked));
        }
    }
    page.table(table).plot(plot);
    if let Some(ours) = widest {
        let sizes = size_words(sweep, &ours, &ranked("LoRA", plan.rank));
        page.note(Level::Note, format!("{ours} and LoRA share out the same sum of ranks: {sizes}"));
    }
}

/// Of the largest ρ, in the first run.
fn show_ranks(plan: &Plan, tuning: &Tuning, page: &mut Page) {
    let widest = plan.rhos.last().map(|&rho| label(rho));
    let own = tuning.ranks.iter().find(|(arm, _)| Some(arm) == widest.as_ref());
    if let Some((arm, ranks)) = own {
        let numbers = ranks.iter().map(|(path, rank)| (path.as_str(), *rank as f64));
        page.plot(encoder::heat(&format!("Ranks of {arm}, {ENCODER_RANK} on average"), "rank", numbers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::testing;

    fn plan() -> Plan {
        Plan { setting: testing::setting(), rank: 2, rates: vec![2e-3], ..Plan::of(Scale::Quick) }
    }

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let claim = measure(&plan(), (&testing::data(), None), &mut |_| {}).unwrap();
        testing::assert_complete(&claim);
        let inputs = claim.numbers["inputs"].as_array().unwrap();
        assert_eq!(inputs.len(), 2 * 2);
        for (rho, components) in [("EVA ρ=1", 2), ("EVA ρ=2", 4)] {
            let own = inputs.iter().filter(|seen| seen["arm"] == rho);
            assert_eq!(own.clone().map(|seen| seen["rank"].as_u64().unwrap()).sum::<u64>(), 4, "{rho}");
            for seen in own {
                let shares: Vec<f64> =
                    seen["shares"].as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).collect();
                assert_eq!(shares.len(), components);
                assert!(
                    shares.is_sorted_by(|a, b| a >= b) && (0.1..1.0).contains(&shares.iter().sum::<f64>())
                );
            }
        }
        let runs = claim.numbers["transfer"]["runs"].as_array().unwrap();
        let of = |arm: &str| runs.iter().find(|run| run["arm"] == arm).unwrap();
        assert_eq!(of("EVA ρ=1")["trained"], of("LoRA r=2")["trained"]);
        assert_ne!(of("EVA ρ=1")["early"], of("LoRA r=2")["early"]);
        let first = |arm: &str| of(arm)["losses"][0].as_f64().unwrap();
        assert!((first("EVA ρ=1") - first("LoRA r=2")).abs() < 1e-6, "both begin at the pretrained network");
    }

    #[test]
    fn the_scales_are_as_declared() {
        let [quick, full] = [Scale::Quick, Scale::Full].map(Plan::of);
        let labels: Vec<_> = quick.arms().unwrap().into_iter().map(|arm| arm.label).collect();
        assert_eq!(labels, ["full", "LoRA r=8", "PiSSA r=8", "EVA ρ=1", "EVA ρ=2"]);
        assert_eq!((quick.setting.seeds.len(), full.setting.seeds.len()), (1, 3));
        assert_eq!((quick.rates.len(), full.rates.len()), (2, 4));
    }
}
