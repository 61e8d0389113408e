//! [pela]: a network made smaller first, and fine-tuned afterwards, loses little; features of the original bring it back.
//!
//! A network that knows the old classes of Fashion-MNIST is compressed, brought back in several ways on a few of the old
//! images, and moved to the new classes as the whole network is. All ways leave equally many numbers. Shows: with few
//! images features bring back more than labels alone; the perturbation term lowers the largest change of a weight and
//! little else; fine-tuned, the smaller network is within 0.6 points of the whole one at up to 3 times fewer numbers; and
//! whether it is then better for having been brought back.
//! On a text encoder, where one is given: all linear maps at half their numbers, brought back by features of texts without
//! labels, and fine-tuned; `pela/tuning.rs`.
//!
//! Departure: the paper compresses DeiT, Swin and ALBEF and brings them back on all of their data.

mod claims;
mod recovery;
mod tuning;

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    transfer::{self, Arm, Data, Setting, Start, Story, Sweep, mean, percent, rate_words},
};
use claims::{accuracy, mean_of};
use rankine_nn::models::Mlp;
use rankine_random::Rng;
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table};
use recovery::{Recovered, Teacher, Way};
use tuning::Found;

/// Accuracy of compressed networks, brought back in several ways, before and after they are fine-tuned.
#[derive(Clone, Copy, Debug, Default)]
pub struct PelaExperiment;

impl Experiment for PelaExperiment {
    fn paper(&self) -> &'static str {
        "pela"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let data = Data::read(materials, watch)?;
        let tuned = tuning::run(materials, scale, watch)?;
        measure(&Plan::of(scale), (&data, tuned.as_ref()), watch)
    }
}

/// What is tried.
struct Plan {
    setting: Setting,
    /// How many times fewer numbers, ascending.
    ratios: Vec<f32>,
    /// Old images of every class to bring a network back with: all of them leave labels nothing to be helped with.
    images: usize,
    /// Steps of bringing back, and their learning rates.
    steps: usize,
    recovery_rates: Vec<f32>,
    /// What is fine-tuned.
    tuned: Vec<Way>,
    rates: Vec<f32>,
}

/// Up to so many times fewer numbers little should be lost: the paper has 1.5 to 3.
const CLAIMED: f32 = 3.0;

/// How little, as a share of the images: the paper's 0.6 points.
const LITTLE: f64 = 0.006;

impl Plan {
    fn of(scale: Scale) -> Self {
        let (ratios, recovery_rates, tuned) = match scale {
            Scale::Quick => (vec![2.0], vec![3e-4], vec![Way::TRUNCATED, Way::FEATURES]),
            Scale::Full => (
                vec![2.0, 3.0, 4.0, 8.0],
                vec![1e-4, 3e-4, 1e-3],
                vec![Way::TRUNCATED, Way::FEATURES, Way::BOTH],
            ),
        };
        let (setting, rates) = (Setting::of(scale, 2), transfer::factor_rates(scale));
        Self { setting, ratios, images: 400, steps: 300, recovery_rates, tuned, rates }
    }

    /// The whole network, and for every ratio what is fine-tuned.
    fn arms(&self) -> Result<Vec<Arm>> {
        let mut arms = vec![Arm::full(&self.rates)];
        for &ratio in &self.ratios {
            for way in &self.tuned {
                arms.push(Arm::new(label(way, ratio), "pela", &format!("ratio = {ratio:?}"), &self.rates)?);
            }
        }
        Ok(arms)
    }

    fn claimed(&self) -> impl Iterator<Item = f32> {
        self.ratios.iter().copied().filter(|ratio| *ratio <= CLAIMED)
    }
}

fn label(way: &Way, ratio: f32) -> String {
    format!("{} c={ratio}", way.label)
}

fn measure(
    plan: &Plan,
    (data, tuned_encoder): (&Data, Option<&Found>),
    watch: &mut dyn FnMut(&str),
) -> Result<Claim> {
    let (setting, arms) = (&plan.setting, plan.arms()?);
    let mut sweep = Sweep::new(setting, &arms, data.new.test.labels.len());
    let mut all = Vec::new();
    let few = data.old.train.of_each_class(plan.images);
    for &seed in &setting.seeds {
        let rng = Rng::new(seed).fork(transfer::STREAM);
        watch(&format!("seed {seed}: pretraining"));
        let network: Mlp = transfer::pretrain(setting, &data.old.train, &rng)?;
        sweep.pretrained_accuracy.push(transfer::accuracy(&network, &data.old.test)?);
        let mut tune = |network: &Mlp, wanted: &str, watch: &mut dyn FnMut(&str)| -> Result<()> {
            for arm in arms.iter().filter(|arm| arm.label == wanted) {
                // The weights of a student are of the rank that they are compressed to: as an arm they are what they were.
                let start = Start::new(network, setting, &data.new.train, &rng)?;
                for &rate in &arm.rates {
                    watch(&format!("seed {seed}, learning rate {rate:e}: {wanted}"));
                    sweep.runs.push(start.run((arm, rate, seed), setting, &data.new)?.0);
                }
            }
            Ok(())
        };
        tune(&network, transfer::FULL, watch)?;
        let teacher = Teacher {
            network: &network,
            setting,
            images: &few,
            test: &data.old.test,
            steps: plan.steps,
            rates: &plan.recovery_rates,
            seed,
            rng: &rng,
        };
        for &ratio in &plan.ratios {
            for way in &Way::ALL {
                watch(&format!("seed {seed}: {}", label(way, ratio)));
                let (student, recovered) = teacher.student(way, ratio)?;
                all.push(recovered);
                tune(&student, &label(way, ratio), watch)?;
            }
        }
    }
    let mut findings = claims::findings(plan, (&all, data.old.test.labels.len()), &sweep);
    findings.extend(tuned_encoder.into_iter().flat_map(Found::findings));
    let mut claim = transfer::claim(&STORY, &findings, &sweep);
    show(plan, &sweep, &all, &mut claim.page);
    claim.numbers["recovered"] = serde_json::json!(all);
    tuning::show(tuned_encoder, &mut claim);
    Ok(claim)
}

const STORY: Story<'_> = Story {
    title: "PELA: smaller before it is fine-tuned",
    statement: "a compressed network is brought back better by the features of the original than by a few labels alone, is the \
                better for it after fine-tuning too, and is then within 0.6 points of the whole network with up to 3 times \
                fewer numbers in its layers",
    about: "PELA replaces every weight by two thin matrices, brings the network back, and fine-tunes what is left.",
};

/// Every way at every ratio, before anything is fine-tuned.
fn show(plan: &Plan, sweep: &Sweep, all: &[Recovered], page: &mut Page) {
    let columns = [
        Column::text("Brought back by"),
        Column::number("c"),
        Column::number("Accuracy on old classes").unit("%"),
        Column::number("at rate, first seed"),
        Column::number("Largest change of a weight"),
    ];
    let caption = format!(
        "Compressed networks after {} steps on {} old images a class, everything trained, at the best learning rate of {}; \
         the original classifies {} rightly. Means over the seeds",
        plan.steps,
        plan.images,
        plan.recovery_rates.iter().map(|&rate| rate_words(rate)).collect::<Vec<_>>().join(", "),
        percent(mean(&sweep.pretrained_accuracy)),
    );
    let mut table = Table::new(columns).caption(caption);
    let axis = Axis::linear("accuracy on old test images in %");
    let mut plot = Lines::new("Accuracy against the ratio", Axis::log("times fewer numbers"), axis);
    for way in &Way::ALL {
        for &ratio in &plan.ratios {
            let first = all.iter().find(|found| found.way == way.label && found.ratio == ratio);
            let rate = first.and_then(|found| found.rate);
            table.row([
                Cell::text(way.label),
                Cell::number(ratio, 2),
                Cell::fixed(100.0 * accuracy(all, way, ratio), 2),
                rate.map_or(Cell::Missing, |rate| Cell::text(rate_words(rate))),
                Cell::fixed(mean_of(all, way, ratio, |found| found.largest), 3),
            ]);
        }
        let point = |&ratio: &f32| (f64::from(ratio), 100.0 * accuracy(all, way, ratio));
        plot = plot.series(Series::new(way.label, plan.ratios.iter().map(point)).style(Style::Marked));
    }
    page.section("Compressed and brought back").table(table).plot(plot);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::testing;

    pub(super) fn plan() -> Plan {
        Plan {
            setting: testing::setting(),
            ratios: vec![2.0, 4.0],
            images: 12,
            steps: 30,
            rates: vec![2e-3],
            ..Plan::of(Scale::Quick)
        }
    }

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let claim = measure(&plan(), (&testing::data(), None), &mut |_| {}).unwrap();
        testing::assert_complete(&claim);
        let recovered = claim.numbers["recovered"].as_array().unwrap();
        assert_eq!(recovered.len(), 2 * Way::ALL.len());
        for found in recovered {
            assert!((0.0..=1.0).contains(&found["accuracy"].as_f64().unwrap()), "{found}");
            assert!(found["largest"].as_f64().unwrap() > 0.0, "{found}");
            assert_eq!(found["rate"].is_null(), found["way"] == "truncated", "{found}");
        }
        let runs = claim.numbers["transfer"]["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 1 + 2 * 2);
        let trained = |arm: &str| runs.iter().find(|run| run["arm"] == arm).unwrap()["trained"].clone();
        // Layers of 20 → 16 → 12: ranks 4 and 3, then 2 and 1.
        assert_eq!(trained("full"), 20 * 16 + 16 + 16 * 12 + 12);
        assert_eq!(trained("features c=2"), 4 * 36 + 3 * 28);
        assert_eq!(trained("features c=4"), 2 * 36 + 28);
    }

    #[test]
    fn the_scales_are_as_declared() {
        let [quick, full] = [Scale::Quick, Scale::Full].map(Plan::of);
        let labels: Vec<_> = quick.arms().unwrap().into_iter().map(|arm| arm.label).collect();
        assert_eq!(labels, ["full", "truncated c=2", "features c=2"]);
        assert_eq!(full.arms().unwrap().len(), 1 + 4 * 3);
        assert_eq!(full.claimed().collect::<Vec<_>>(), [2.0, 3.0]);
    }
}
