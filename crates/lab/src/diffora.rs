//! [diffora]: modules with large gates beat other modules, and LoRA on all of them, at the same number of trained numbers.
//!
//! Transfer of a deep network between classes of Fashion-MNIST, and at full scale to inverted and to turned images. Its
//! equal hidden layers, all but the first, are the candidates. LoRA is trained on every choice of two of them, and on all of
//! them at a lower rank: always as many numbers. A search at every learning rate picks one of these choices, so that what
//! it is worth is known exactly; a pick from scratch is LoRA on it. With a warm start what was learnt in the search is kept,
//! and as many steps fewer are made afterwards. Shows: the picks against a random choice, against the smallest gates and
//! against LoRA on all candidates, each at its best learning rate, and the rank of the pick among all choices.
//! On a text encoder, where one is given: half of its maps of the attention, picked by a search, against as many at random,
//! against query and value maps, and against all of them at half the rank; `diffora/tuning.rs`.
//!
//! Departures: the paper fine-tunes DeBERTaV3 on GLUE and SQuAD. The first layer is wider and would have more numbers than
//! the others; it is no candidate.

mod claims;
mod page;
mod search;
mod shift;
mod tuning;

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    transfer::{self, Arm, Data, Finished, Run, Setting, Story, Sweep, Treatment, ranked},
};
use rankine_method::{
    Choice,
    diffora::{Diffora, Select},
};
use shift::Shift;
use tuning::Found;

/// Accuracy of the modules that trained gates pick, against other modules.
#[derive(Clone, Copy, Debug, Default)]
pub struct DifforaExperiment;

impl Experiment for DifforaExperiment {
    fn paper(&self) -> &'static str {
        "diffora"
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
    /// What it is moved to beside the new classes.
    further: Vec<Shift>,
    /// New images of every class to learn from.
    images: usize,
    /// How many candidates are picked.
    picks: usize,
    /// r of LoRA on all candidates.
    rank: usize,
    /// Learning rates of all arms, and of the branches in the search.
    rates: Vec<f32>,
    /// Steps of the branches in the search, and how many of them come before those of the gates.
    search: [usize; 2],
}

/// The arms that are made of others.
const DIFFORA: &str = "DiffoRA";
const WARM: &str = "DiffoRA, warm start";
const BOTTOM: &str = "smallest gates";
const RANDOM: &str = "a random choice";

impl Plan {
    fn of(scale: Scale) -> Self {
        let setting = |candidates: usize, seeds| Setting {
            hidden: vec![128; 1 + candidates],
            ..Setting::of(scale, seeds)
        };
        match scale {
            Scale::Quick => Self {
                setting: Setting { steps: 150, ..setting(4, 1) },
                further: Vec::new(),
                images: 800,
                picks: 2,
                rank: 2,
                rates: vec![2e-3, 1e-2],
                search: [75, 15],
            },
            Scale::Full => Self {
                setting: Setting { steps: 300, ..setting(6, 3) },
                further: vec![Shift::Inverted, Shift::Turned],
                images: 800,
                picks: 2,
                rank: 2,
                rates: vec![5e-4, 2e-3, 1e-2],
                search: [150, 30],
            },
        }
    }

    fn candidates(&self) -> Vec<String> {
        (1..self.setting.hidden.len()).map(|layer| format!("layers.{layer}")).collect()
    }

    /// Every choice of as many candidates as are picked.
    fn choices(&self) -> Vec<Vec<String>> {
        let all = self.candidates();
        let chosen = |set: &u32| set.count_ones() as usize == self.picks;
        let members = |set: u32| all.iter().enumerate().filter(move |(at, _)| set >> at & 1 == 1);
        let sets = (0..1 << all.len()).filter(chosen);
        sets.map(|set| members(set).map(|(_, module)| module.clone()).collect()).collect()
    }

    /// r on a choice: as many numbers as on all candidates.
    fn larger_rank(&self) -> usize {
        self.rank * (self.setting.hidden.len() - 1) / self.picks
    }

    fn method(&self) -> Diffora {
        let [search_steps, warmup_steps] = self.search;
        let ratio = self.picks as f32 / (self.setting.hidden.len() - 1) as f32;
        let (rank, select) = (self.larger_rank(), Select::Global);
        Diffora { rank, ratio, select, search_steps: Some(search_steps), warmup_steps, ..Diffora::default() }
    }

    /// LoRA on all candidates at both ranks, and on every choice.
    fn arms(&self) -> Result<Vec<Arm>> {
        let lora = |rank| Arm::of_rank("LoRA", rank, &self.rates);
        let all = self.candidates();
        let mut arms = vec![lora(self.rank)?.on(&all), lora(self.larger_rank())?.on(&all)];
        for choice in self.choices() {
            let arm = lora(self.larger_rank())?.on(&choice);
            arms.push(Arm { label: label(&choice), ..arm });
        }
        Ok(arms)
    }

    /// Labels of LoRA on all candidates, with as many numbers as a choice and with more.
    fn everywhere(&self) -> [String; 2] {
        [self.rank, self.larger_rank()].map(|rank| ranked("LoRA", rank))
    }
}

/// `layers.1 + layers.4`.
fn label(choice: &[String]) -> String {
    choice.join(" + ")
}

/// What a search at one learning rate picked.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Pick {
    seed: u64,
    rate: f32,
    /// Of every candidate.
    gates: Vec<f32>,
    /// Label of the choice.
    choice: String,
    /// Label of the choice of the smallest gates.
    bottom: String,
}

/// Everything about one shift.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Shifted {
    shift: Shift,
    picks: Vec<Pick>,
    /// Every choice.
    choices: Sweep,
    /// The arms that are compared.
    sweep: Sweep,
}

fn measure(
    plan: &Plan,
    (data, tuned): (&Data, Option<&Found>),
    watch: &mut dyn FnMut(&str),
) -> Result<Claim> {
    let main = shifted(plan, Shift::NewClasses, data, watch)?;
    let (sweep, mut found) = (main.sweep.clone(), vec![main]);
    for &shift in &plan.further {
        found.push(shifted(plan, shift, data, watch)?);
    }
    let mut findings = claims::findings(plan, &found);
    findings.extend(tuned.into_iter().flat_map(Found::findings));
    let mut claim = transfer::claim(&STORY, &findings, &sweep);
    page::show(plan, &found, &mut claim.page);
    claim.numbers["shifts"] = serde_json::json!(found);
    tuning::show(tuned, &mut claim);
    Ok(claim)
}

fn shifted(plan: &Plan, shift: Shift, all: &Data, watch: &mut dyn FnMut(&str)) -> Result<Shifted> {
    let data = shift.data(all, plan.images);
    let (mut picks, mut warm): (Vec<Pick>, Vec<Run>) = (Vec::new(), Vec::new());
    let mut finished = |finished: Finished<'_>| {
        let Run { seed, rate, .. } = *finished.run;
        if picks.last().is_none_or(|last| (last.seed, last.rate) != (seed, rate)) {
            let (pick, run) = search::search(plan, finished.start, &data.new, (seed, rate))?;
            picks.push(pick);
            warm.push(run);
        }
        Ok(())
    };
    let mut watch = |line: &str| watch(&format!("{}, {line}", shift.words()));
    let choices = transfer::run(&plan.setting, &plan.arms()?, &data, &mut finished, &mut watch)?;
    let sweep = compared(plan, &choices, &picks, warm);
    Ok(Shifted { shift, picks, choices, sweep })
}

/// The picks, what they are compared with, and LoRA on all candidates, as arms beside each other.
fn compared(plan: &Plan, choices: &Sweep, picks: &[Pick], warm: Vec<Run>) -> Sweep {
    let everywhere = plan.everywhere();
    let mut arms: Vec<Arm> =
        choices.arms.iter().filter(|arm| everywhere.contains(&arm.label)).cloned().collect();
    let mut runs: Vec<Run> =
        choices.runs.iter().filter(|run| everywhere.contains(&run.arm)).cloned().collect();
    for label in [DIFFORA, WARM, BOTTOM, RANDOM] {
        let treatment = Treatment::Method(Choice::Diffora(plan.method()));
        arms.push(Arm { label: label.to_owned(), treatment, rates: plan.rates.clone() });
    }
    for Pick { seed, rate, choice, bottom, .. } in picks {
        let of = |arm: &str| choices.of(arm, *rate).find(|run| run.seed == *seed);
        for (arm, choice) in [(DIFFORA, choice), (BOTTOM, bottom)] {
            runs.extend(of(choice).map(|run| Run { arm: arm.to_owned(), ..run.clone() }));
        }
        let all: Vec<&Run> = plan.choices().iter().filter_map(|choice| of(&label(choice))).collect();
        runs.extend(average(&all));
    }
    runs.extend(warm);
    Sweep { arms, runs, ..choices.clone() }
}

/// What a random one of some runs gives on average; it has no course.
fn average(runs: &[&Run]) -> Option<Run> {
    let mean =
        |figure: fn(&Run) -> f64| transfer::mean(&runs.iter().map(|run| figure(run)).collect::<Vec<_>>());
    Some(Run {
        arm: RANDOM.to_owned(),
        losses: Vec::new(),
        early: mean(|run| run.early),
        late: mean(|run| run.late),
        accuracy: mean(|run| run.accuracy),
        ..(*runs.first()?).clone()
    })
}

const STORY: Story<'_> = Story {
    title: "DiffoRA: modules picked by trained gates",
    statement: "LoRA on the modules with the largest gates is more accurate than on other modules, and no less than on all of \
                them, with as many trained numbers",
    about: "DiffoRA trains a gate in front of the branch of every module, and keeps the modules whose gates open most. All \
            hidden layers but the first are candidates; LoRA stands on two of them, or on all of them at a lower rank.",
};

impl Shifted {
    /// Every choice with its accuracy where a search picked, the best first.
    fn sorted(&self, plan: &Plan, pick: &Pick) -> Vec<(String, f64)> {
        let of = |label: String| {
            let run = self.choices.of(&label, pick.rate).find(|run| run.seed == pick.seed)?;
            Some((label, run.accuracy))
        };
        let mut all: Vec<_> = plan.choices().iter().filter_map(|choice| of(label(choice))).collect();
        all.sort_by(|one, other| other.1.total_cmp(&one.1));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::testing;

    fn plan() -> Plan {
        Plan {
            setting: Setting { hidden: vec![12; 4], ..testing::setting() },
            further: vec![Shift::Inverted],
            images: 40,
            picks: 1,
            rank: 1,
            rates: vec![2e-3, 1e-2],
            search: [20, 5],
        }
    }

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let claim = measure(&plan(), (&testing::data(), None), &mut |_| {}).unwrap();
        testing::assert_complete(&claim);
        for shift in claim.numbers["shifts"].as_array().unwrap() {
            // LoRA on all candidates at two ranks, and on each of the three.
            assert_eq!(shift["choices"]["runs"].as_array().unwrap().len(), 5 * 2);
            let runs = shift["sweep"]["runs"].as_array().unwrap();
            assert_eq!(runs.len(), 6 * 2);
            let of = |arm: &str| runs.iter().find(|run| run["arm"] == arm).unwrap();
            for arm in [DIFFORA, WARM, BOTTOM, RANDOM, "LoRA r=1"] {
                assert_eq!(of(arm)["trained"], 3 * (12 + 12), "{arm}");
            }
            for pick in shift["picks"].as_array().unwrap() {
                let gates: Vec<f64> =
                    pick["gates"].as_array().unwrap().iter().map(|gate| gate.as_f64().unwrap()).collect();
                let extreme = |sign: f64| {
                    (0..3)
                        .max_by(|&one, &other| (sign * gates[one]).total_cmp(&(sign * gates[other])))
                        .unwrap()
                };
                assert_eq!(pick["choice"], format!("layers.{}", 1 + extreme(1.0)));
                assert_eq!(pick["bottom"], format!("layers.{}", 1 + extreme(-1.0)));
            }
        }
        assert!(claim.page.html().contains("inverted, seed 0"));
    }

    #[test]
    fn a_pick_is_lora_on_its_modules() {
        let (plan, data) = (plan(), testing::data());
        let found = shifted(&plan, Shift::NewClasses, &data, &mut |_| {}).unwrap();
        let pick = &found.picks[1];
        let [ours, lora] = [(&found.sweep, DIFFORA), (&found.choices, pick.choice.as_str())]
            .map(|(sweep, arm)| sweep.of(arm, pick.rate).next().unwrap());
        assert_eq!((ours.accuracy, &ours.losses), (lora.accuracy, &lora.losses));
        let sorted = found.sorted(&plan, pick);
        assert!(sorted.len() == 3 && sorted.is_sorted_by(|one, other| one.1 >= other.1));
    }

    #[test]
    fn the_scales_are_as_declared() {
        let [quick, full] = [Scale::Quick, Scale::Full].map(Plan::of);
        assert_eq!((quick.choices().len(), quick.larger_rank()), (6, 4));
        assert_eq!((full.choices().len(), full.larger_rank()), (15, 6));
        assert_eq!(full.choices()[14], ["layers.5", "layers.6"]);
        assert_eq!(quick.arms().unwrap().len(), 8);
        let labels: Vec<String> = full.arms().unwrap().into_iter().take(3).map(|arm| arm.label).collect();
        assert_eq!(labels, ["LoRA r=2", "LoRA r=6", "layers.1 + layers.2"]);
    }
}
