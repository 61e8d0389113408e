//! The same on a real text encoder, whose candidates are the maps of the attention, all of the same size.
//!
//! Of every layer half of its maps are picked by a search at every learning rate, or drawn, and LoRA is trained on them from
//! the beginning: what is compared is the choice alone. LoRA on query and value maps is one of these choices; on all maps
//! it has half the rank. All have the same number of trained numbers.

use super::{DIFFORA, RANDOM};
use crate::{
    Claim, Materials, Result, Scale,
    encoder::{self, Bench, Tuning},
    findings::Finding,
    transfer::{Arm, Treatment, ranked},
};
use rankine_method::{
    Choice,
    diffora::{Candidate, Diffora, candidates, is_gate},
};
use rankine_train::{Alternating, Classify, InTurn, Schedule, Shape, Turns};

/// r on half of the maps.
const RANK: usize = encoder::RANK;

/// Draws beside every pick.
const DRAWS: usize = 3;

/// Everything that was measured.
pub(super) struct Found {
    tuning: Tuning,
    picks: Vec<Pick>,
}

/// What a search at one learning rate picked.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Pick {
    seed: u64,
    rate: f32,
    candidates: Vec<Candidate>,
}

pub(super) fn run(
    materials: &Materials<'_>,
    scale: Scale,
    watch: &mut dyn FnMut(&str),
) -> Result<Option<Found>> {
    let Some(bench) = Bench::read(materials, scale, watch)? else { return Ok(None) };
    // What is best on half of the maps is too high for LoRA on all of them: every arm is tried at the same rates, from low ones
    // on.
    let rates = encoder::lower_factor_rates(scale);
    Found::measured(&bench, (encoder::baselines(&rates)?, &rates), watch).map(Some)
}

impl Found {
    fn measured(
        bench: &Bench<'_>,
        (mut arms, rates): (Vec<Arm>, &[f32]),
        watch: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        arms.push(Arm::of_rank("LoRA", RANK / 2, rates)?.on(&bench.attention));
        let (mut tuning, mut picks) = (bench.sweep(&arms, watch)?, Vec::new());
        let method = method(bench.setting.steps);
        for label in [DIFFORA, RANDOM] {
            let treatment = Treatment::Method(Choice::Diffora(method.clone()));
            tuning.sweep.arms.push(Arm { label: label.to_owned(), treatment, rates: rates.to_vec() });
        }
        for &seed in &bench.setting.seeds {
            for &rate in rates {
                watch(&format!("seed {seed}, learning rate {rate:e}: searching"));
                let mut candidates = search(bench, &method, (seed, rate))?;
                tuning.add(bench.tuned(&picked(DIFFORA, &candidates)?, (rate, seed), watch)?);
                picks.push(Pick { seed, rate, candidates: candidates.clone() });
                for draw in 0..DRAWS {
                    let mut rng = bench.rng(seed).fork_index("draw", draw);
                    candidates.iter_mut().for_each(|candidate| candidate.gate = rng.uniform());
                    method.pick(&mut candidates)?;
                    tuning.add(bench.tuned(&picked(RANDOM, &candidates)?, (rate, seed), watch)?);
                }
            }
        }
        Ok(Self { tuning, picks })
    }

    pub fn findings(&self) -> Vec<Finding> {
        let sweep = &self.tuning.sweep;
        let all = ranked("LoRA", RANK / 2);
        let [random, everywhere] = [RANDOM, all.as_str()].map(|theirs| sweep.contest(DIFFORA, theirs));
        let [ours, theirs] = [DIFFORA, all.as_str()].map(|arm| sweep.trained(arm));
        let findings = vec![
            Finding::new(
                "accuracy of the picks above that of a random choice, each at its best rate",
                "the choice matters (theory)",
                random.words(),
                random.gap.value > 0.0,
            ),
            Finding::new(
                format!(
                    "accuracy of the picks not below that of {all} on all candidates by more than the noise"
                ),
                "the best of all methods that are compared (abstract)",
                everywhere.words(),
                everywhere.within_noise(),
            ),
            Finding::new(
                format!("as many trained numbers as {all} on all candidates"),
                "equal sizes or fewer",
                format!("{ours} against {theirs}"),
                ours == theirs,
            ),
        ];
        self.tuning.said(findings).collect()
    }
}

/// Half of the maps of every layer.
fn method(steps: usize) -> Diffora {
    Diffora { rank: RANK, search_steps: Some(steps / 2), warmup_steps: steps / 6, ..Diffora::default() }
}

/// LoRA on the picked candidates, at whatever rate.
fn picked(label: &str, candidates: &[Candidate]) -> Result<Arm> {
    let picked = candidates.iter().filter(|candidate| candidate.picked);
    let modules: Vec<String> = picked.map(|candidate| candidate.module.clone()).collect();
    Ok(Arm { label: label.to_owned(), ..Arm::of_rank("LoRA", RANK, &[])?.on(&modules) })
}

/// Branches and gates in turn, each on every other text.
fn search(bench: &Bench<'_>, method: &Diffora, (seed, rate): (u64, f32)) -> Result<Vec<Candidate>> {
    let rng = bench.rng(seed);
    let (mut model, head) = bench.model(&rng)?;
    let half =
        |first: usize| bench.batches(bench.train.iter().skip(first).step_by(2).cloned().collect(), seed);
    let (lower, upper) = (half(0)?, half(1)?);
    let treatment = Treatment::Part(Choice::Diffora(method.clone()), bench.attention.clone());
    bench.attached(model.as_mut(), &treatment, &lower, &rng)?;
    let turns = Turns { warmup: method.warmup_steps };
    let steps = turns.steps(method.steps_before(bench.setting.steps));
    let schedule = Schedule { steps, shape: Shape::Constant, ..bench.schedule(rate) };
    let feed = Alternating { lower: &lower, upper: &upper, turns, accumulation: 1 };
    let inner = bench.optimizer(&head, rate);
    let mut optimizer = InTurn { inner, turns, is_upper: is_gate, upper_rate: method.gate_rate };
    encoder::follow::<Classify>(model.as_mut(), (&Classify, &feed), &mut optimizer, schedule, seed)?;
    let mut found = candidates(model.as_ref());
    method.pick(&mut found)?;
    Ok(found)
}

/// Adds what was measured to a claim.
pub(super) fn show(found: Option<&Found>, claim: &mut Claim) {
    encoder::show(found.map(|found| &found.tuning), claim);
    let Some(Found { tuning, picks }) = found else { return };
    claim.page.text(format!(
        "{} stands on all maps of the attention, {DIFFORA} and a random choice on half of those of every layer, at rank {RANK}.",
        ranked("LoRA", RANK / 2),
    ));
    let best = tuning.sweep.best_accuracy(DIFFORA).rate;
    if let Some(pick) = picks.iter().find(|pick| pick.rate == best) {
        let gates = pick.candidates.iter().map(|one| (one.module.as_str(), f64::from(one.gate)));
        claim.page.plot(encoder::heat("Gates at the end of the search, first seed", "gate", gates));
    }
    claim.numbers["picks"] = serde_json::json!(picks);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::{Setting, testing};

    #[test]
    fn half_of_the_maps_are_picked_by_gates_and_at_random() {
        let bed = testing::Bed::new();
        let bench = bed.bench(Setting { steps: 18, window: 6, ..testing::setting() });
        let found = Found::measured(&bench, (Vec::new(), &[1e-2]), &mut |_| {}).unwrap();
        let runs = &found.tuning.sweep.runs;
        let labels: Vec<&str> = runs.iter().map(|run| run.arm.as_str()).collect();
        assert_eq!(labels, ["LoRA r=4", DIFFORA, RANDOM, RANDOM, RANDOM]);
        assert!(runs.iter().all(|run| run.trained == 4 * 4 * 64 && run.late.is_finite()), "{runs:?}");
        assert!(found.tuning.sweep.arms.iter().all(|arm| arm.rates == [1e-2]), "the same sweep for all");
        let [pick] = found.picks.as_slice() else { panic!("{:?}", found.picks) };
        let mut gates: Vec<(f32, bool)> =
            pick.candidates.iter().map(|candidate| (candidate.gate, candidate.picked)).collect();
        gates.sort_by(|one, other| other.0.total_cmp(&one.0));
        assert_eq!(gates.iter().map(|gate| gate.1).collect::<Vec<_>>(), [true, true, false, false]);
        assert!(gates[3].0 < gates[0].0);
        let findings = found.findings();
        assert!(findings[2].holds && findings[2].claim.starts_with("tiny: "), "{findings:?}");
    }
}
