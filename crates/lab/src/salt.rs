//! [salt]: the largest singular values rescaled, and a low-rank term in the rest, beat LoRA with fewer numbers.
//!
//! Masks of items on textured ground with few images, as the paper is about these: `salt/segmentation.rs`. Shows: SALT's Dice is
//! at least that of LoRA and of singular values alone, and how much more with fewer images.
//! Transfer between classes of Fashion-MNIST: the hidden layers are trained in full, by LoRA at two ranks and PiSSA, by
//! SVFit, which trains singular values and nothing else, and by SALT, each at every learning rate of its sweep. Shows:
//! SALT's best accuracy is at least LoRA's and SVFit's, with fewer trained numbers than LoRA. Such gaps are of the size of
//! the noise, which is shown beside them.
//! Few images, at full scale: the same with 20, 100 and 1000 images to learn from.
//! On a text encoder, where one is given: the same against LoRA of rank 8 and all singular values.
//!
//! Departure: the paper segments medical images with SAM.

mod few;
mod segmentation;

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    encoder::{self, Bench, Tuning},
    findings::{self, Finding},
    transfer::{self, Arm, Data, Setting, Story, Sweep, ranked, size_words},
};

/// Accuracy of SALT against LoRA and singular values alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct SaltExperiment;

impl Experiment for SaltExperiment {
    fn paper(&self) -> &'static str {
        "salt"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let items = segmentation::items(scale, materials)?;
        let masks = segmentation::measure(&segmentation::Plan::of(scale), &items, watch)?;
        let (plan, data) = (Plan::of(scale), Data::read(materials, watch)?);
        let tuning = encoder::run(materials, scale, |bench| plan.encoder_arms(bench, scale), watch)?;
        measure(&plan, (&masks, &data, tuning.as_ref()), watch)
    }
}

/// What is tried.
struct Plan {
    setting: Setting,
    /// d of SALT, and r of LoRA and PiSSA.
    rank: usize,
    /// A LoRA that trains no more than SALT.
    smaller_rank: usize,
    /// All singular values of a weight: r of SVFit.
    values: usize,
    /// Where SALT cuts negative entries; the paper's, which is claimed, first.
    relus: Vec<&'static str>,
    rates: Vec<f32>,
    svfit_rates: Vec<f32>,
    few: Option<few::Plan>,
}

impl Plan {
    fn of(scale: Scale) -> Self {
        let (width, relus, few) = match scale {
            Scale::Quick => (128, vec!["full"], None),
            Scale::Full => (256, vec!["full", "diag", "none"], Some(few::Plan::default())),
        };
        Self {
            // The gap is of the size of the noise between seeds: five of them.
            setting: Setting { hidden: vec![width; 2], ..Setting::of(scale, 5) },
            rank: 8,
            smaller_rank: width / 64,
            values: width,
            relus,
            rates: transfer::factor_rates(scale),
            svfit_rates: transfer::value_rates(scale),
            few,
        }
    }

    fn arms(&self) -> Result<Vec<Arm>> {
        let mut arms = Arm::baselines(self.rank, &self.rates)?;
        arms.push(Arm::of_rank("LoRA", self.smaller_rank, &self.rates)?);
        arms.push(Arm::of_rank("SVFit", self.values, &self.svfit_rates)?);
        for relu in &self.relus {
            arms.push(salt(relu, self.rank, &self.rates)?);
        }
        Ok(arms)
    }

    fn encoder_arms(&self, bench: &Bench<'_>, scale: Scale) -> Result<Vec<Arm>> {
        let mut arms = encoder::baselines(&encoder::factor_rates(scale))?;
        arms.push(encoder::singular_values(bench, scale)?);
        arms.push(salt(self.relu(), self.rank, &encoder::factor_rates(scale))?);
        Ok(arms)
    }

    /// The paper's.
    fn relu(&self) -> &'static str {
        self.relus.first().copied().unwrap_or_default()
    }

    /// Labels of SALT, of LoRA and of singular values alone.
    fn contestants(&self) -> [String; 3] {
        [label(self.relu()), ranked("LoRA", self.rank), ranked("SVFit", self.values)]
    }
}

/// A tenth of the singular values is scaled and shifted, as in the paper.
fn salt(relu: &str, rank: usize, rates: &[f32]) -> Result<Arm> {
    Arm::new(label(relu), "salt", &format!("top_ratio = 0.1\nrank = {rank}\nrelu = \"{relu}\""), rates)
}

fn label(relu: &str) -> String {
    match relu {
        "full" => "SALT".to_owned(),
        other => format!("SALT, relu {other}"),
    }
}

fn measure(
    plan: &Plan,
    (masks, data, tuning): (&segmentation::Found, &Data, Option<&Tuning>),
    watch: &mut dyn FnMut(&str),
) -> Result<Claim> {
    let sweep = transfer::run(&plan.setting, &plan.arms()?, data, &mut |_| Ok(()), watch)?;
    let mut found = masks.findings();
    found.extend(accuracies(&plan.contestants(), &sweep));
    if let Some(tuning) = tuning {
        let values = encoder::SINGULAR_VALUES.to_owned();
        let contestants = [label(plan.relu()), ranked("LoRA", encoder::RANK), values];
        found.extend(tuning.said(accuracies(&contestants, &tuning.sweep)));
    }
    let (holds, mut page) = (findings::hold(&found), findings::page(&STORY, &found));
    masks.show(&mut page);
    transfer::section(&sweep, &mut page);
    let numbers = serde_json::json!({ "holds": holds, "findings": found, "masks": masks, "transfer": sweep });
    let mut claim = Claim { statement: STORY.statement.to_owned(), holds, page, numbers };
    if let Some(plan) = &plan.few {
        let few = few::measure(plan, data, watch)?;
        few::show(&few, &mut claim.page);
        claim.numbers["few_images"] = serde_json::json!(few);
    }
    encoder::show(tuning, &mut claim);
    Ok(claim)
}

const STORY: Story<'_> = Story {
    title: "SALT: singular values scaled and shifted, and a low-rank term in the tail",
    statement: "SALT finds masks and tells classes apart at least as well as LoRA and singular values alone, with fewer \
                trained numbers than LoRA",
    about: "SALT adapts a weight inside its own singular basis: the largest values get a scale and a shift, the block of the \
            others a low-rank term.",
};

fn accuracies<S>([ours, lora, values]: &[String; 3], sweep: &Sweep<String, S>) -> Vec<Finding> {
    let at_least = |theirs: &str, published: &str| {
        let contest = sweep.contest(ours, theirs);
        let claim = format!("accuracy of {ours} at least that of {theirs}, each at its best rate");
        Finding::new(claim, published, contest.words(), contest.gap.value >= 0.0)
    };
    vec![
        at_least(lora, "Dice .74 against .70 (rank 256), .72 against .66 (rank 4)"),
        at_least(values, "Dice .74 against .71 of S-SAM, which scales singular values"),
        Finding::new(
            format!("fewer trained numbers than {lora}"),
            "9.4 M against 33.9 M (rank 256), 1.1 M against 1.5 M (rank 4)",
            size_words(sweep, ours, lora),
            sweep.trained(ours) < sweep.trained(lora),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::testing;

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let plan = Plan {
            setting: testing::setting(),
            rank: 2,
            smaller_rank: 1,
            values: 12,
            relus: vec!["full", "diag"],
            rates: vec![2e-3],
            svfit_rates: vec![2e-2],
            few: Some(few::Plan {
                setting: testing::setting(),
                images: vec![6, 30],
                small_rank: 1,
                large_rank: 4,
                values: 12,
                salt_rank: 2,
                rates: vec![2e-3],
                svfit_rates: vec![2e-2],
            }),
        };
        let (items, mut quiet) = (segmentation::testing::items(), |_: &str| {});
        let masks = segmentation::measure(&segmentation::testing::plan(), &items, &mut quiet).unwrap();
        let claim = measure(&plan, (&masks, &testing::data(), None), &mut quiet).unwrap();
        testing::assert_complete(&claim);
        // Two numbers of images against two methods, the gap to LoRA by images, sizes; then accuracies.
        let claims = claim.numbers["findings"].as_array().unwrap();
        assert_eq!(claims.len(), 6 + 3);
        assert!(claims[..6].iter().all(|claim| claim["claim"].as_str().unwrap().starts_with("masks: ")));
        assert_eq!(claim.numbers["masks"]["pretrained"].as_array().unwrap().len(), 2);
        let few = claim.numbers["few_images"].as_array().unwrap();
        assert_eq!(few.len(), 2);
        for (few, images) in few.iter().zip([6, 30]) {
            assert_eq!(few["images"], images);
            assert_eq!(few["sweep"]["runs"].as_array().unwrap().len(), 5);
        }
        let trained = claim.numbers["transfer"]["runs"].as_array().unwrap();
        let salt = trained.iter().find(|run| run["arm"] == "SALT").unwrap();
        // One value of each weight is scaled and shifted; 15 and 11 are left.
        assert_eq!(salt["trained"], 2 + 2 * 2 * 15 + 2 + 2 * 2 * 11);
    }

    #[test]
    fn the_scales_are_as_declared() {
        let [quick, full] = [Scale::Quick, Scale::Full].map(Plan::of);
        let labels = |plan: &Plan| plan.arms().unwrap().into_iter().map(|arm| arm.label).collect::<Vec<_>>();
        assert_eq!(labels(&quick), ["full", "LoRA r=8", "PiSSA r=8", "LoRA r=2", "SVFit r=128", "SALT"]);
        let expected = ["LoRA r=4", "SVFit r=256", "SALT", "SALT, relu diag", "SALT, relu none"];
        assert_eq!(labels(&full)[3..], expected);
        assert_eq!(full.setting.hidden, Setting::default().hidden);
        assert_eq!((full.setting.seeds.len(), quick.setting.seeds.len()), (5, 1));
    }
}
