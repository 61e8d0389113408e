//! What is claimed of the picks, and what was found of it.

use super::{BOTTOM, DIFFORA, Plan, RANDOM, Shift, Shifted};
use crate::{
    findings::Finding,
    transfer::{self, Contest},
};

pub(super) fn findings(plan: &Plan, found: &[Shifted]) -> Vec<Finding> {
    let [equal, _] = plan.everywhere();
    let (mean, expected) = ranks(plan, found);
    let trained = |arm: &str| found.iter().map(|shifted| shifted.sweep.trained(arm)).collect::<Vec<_>>();
    vec![
        above(found, RANDOM, "that of a random choice"),
        above(found, BOTTOM, "that of the smallest gates"),
        Finding::new(
            format!(
                "accuracy of the picks not below that of {equal} on all candidates by more than the noise"
            ),
            "the best of all methods that are compared (abstract)",
            words(found, &equal),
            contests(found, &equal).all(|(_, contest)| contest.within_noise()),
        ),
        Finding::new(
            format!("the pick is above the middle of all {} choices", plan.choices().len()),
            "no number",
            format!("rank {mean:.1} on average, where {expected:.1} is that of a random choice"),
            mean < expected,
        ),
        Finding::new(
            format!("as many trained numbers as {equal} on all candidates"),
            "equal sizes or fewer",
            format!("{:?} against {:?}", trained(DIFFORA), trained(&equal)),
            trained(DIFFORA) == trained(&equal),
        ),
    ]
}

/// The picks are more accurate on every shift.
fn above(found: &[Shifted], theirs: &str, what: &str) -> Finding {
    Finding::new(
        format!("accuracy of the picks above {what}, each at its best rate"),
        "the choice matters (theory)",
        words(found, theirs),
        contests(found, theirs).all(|(_, contest)| contest.gap.value > 0.0),
    )
}

/// The picks against another arm, shift by shift.
fn contests(found: &[Shifted], theirs: &str) -> impl Iterator<Item = (Shift, Contest)> {
    found.iter().map(move |shifted| (shifted.shift, shifted.sweep.contest(DIFFORA, theirs)))
}

fn words(found: &[Shifted], theirs: &str) -> String {
    let words = contests(found, theirs).map(|(shift, found)| format!("{}: {}", shift.words(), found.words()));
    words.collect::<Vec<_>>().join("; ")
}

/// The place of the pick at its best rate among all choices in the same seed, from 1, on average; and that of a random one.
fn ranks(plan: &Plan, found: &[Shifted]) -> (f64, f64) {
    let mut ranks = Vec::new();
    for shifted in found {
        let rate = shifted.sweep.best_accuracy(DIFFORA).rate;
        for pick in shifted.picks.iter().filter(|pick| pick.rate == rate) {
            let sorted = shifted.sorted(plan, pick);
            ranks
                .extend(sorted.iter().position(|(label, _)| *label == pick.choice).map(|at| at as f64 + 1.0));
        }
    }
    (transfer::mean(&ranks), (plan.choices().len() as f64 + 1.0) / 2.0)
}
