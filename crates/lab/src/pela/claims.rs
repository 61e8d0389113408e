//! What is claimed of compressed networks, before and after they are fine-tuned.

use super::{
    LITTLE, Plan, label,
    recovery::{Recovered, Way},
};
use crate::{
    findings::Finding,
    gap::Gap,
    transfer::{self, Sweep, mean, percent},
};

/// Networks, and how many old test images their accuracies are measured on.
type Judged<'a> = (&'a [Recovered], usize);

pub(super) fn findings(plan: &Plan, judged: Judged<'_>, sweep: &Sweep) -> Vec<Finding> {
    vec![
        brought_back(plan, judged),
        held(plan, judged),
        still_better(plan, sweep),
        tuned(plan, sweep),
        sizes(plan, sweep),
    ]
}

fn brought_back(plan: &Plan, judged: Judged<'_>) -> Finding {
    let (mut better, mut words) = (true, Vec::new());
    for &ratio in &plan.ratios {
        let gap = gap(judged, [&Way::BOTH, &Way::LABELS], ratio);
        better &= 0.0 < gap.value;
        let ways = [Way::TRUNCATED, Way::LABELS, Way::BOTH];
        let shown = ways.map(|way| percent(accuracy(judged.0, &way, ratio))).join(" → ");
        words.push(format!("c={ratio}: {shown}: {}", gap.points()));
    }
    Finding::new(
        format!("brought back on {} images a class, labels and features are better than labels", plan.images),
        "features help (ablation; numbers not seen)",
        format!("truncated → labels → both: both above labels, {}", words.join("; ")),
        better,
    )
}

fn held(plan: &Plan, judged: Judged<'_>) -> Finding {
    let (mut lower, mut words) = (true, Vec::new());
    for &ratio in &plan.ratios {
        let [free, held] =
            [Way::BOTH, Way::HELD].map(|way| mean_of(judged.0, &way, ratio, |found| found.largest));
        lower &= held < free;
        let cost = gap(judged, [&Way::HELD, &Way::BOTH], ratio).points();
        words.push(format!("c={ratio}: {free:.3} → {held:.3}, accuracy {cost}"));
    }
    Finding::new(
        "the perturbation term lowers the largest change of a weight",
        "the weights stay near the original ones",
        words.join("; "),
        lower,
    )
}

/// A network that is fine-tuned anyway may not need the stage before.
fn still_better(plan: &Plan, sweep: &Sweep) -> Finding {
    let (mut better, mut words) = (true, Vec::new());
    for &ratio in &plan.ratios {
        let [features, truncated] = [Way::FEATURES, Way::TRUNCATED].map(|way| label(&way, ratio));
        let contest = sweep.contest(&features, &truncated);
        better &= 0.0 < contest.gap.value;
        words.push(format!("c={ratio}: {}", contest.words()));
    }
    Finding::new(
        "the recovery stage helps after fine-tuning: brought back by features, above truncated, each at its best rate",
        "features help (ablation; numbers not seen)",
        words.join("; "),
        better,
    )
}

fn tuned(plan: &Plan, sweep: &Sweep) -> Finding {
    let (mut near, mut words) = (true, Vec::new());
    for ratio in plan.claimed() {
        let contest = sweep.contest(&label(&Way::FEATURES, ratio), transfer::FULL);
        near &= contest.gap.not_below(LITTLE);
        words.push(format!("c={ratio}: {}", contest.words()));
    }
    Finding::new(
        format!(
            "brought back by features and fine-tuned, at most {:.1} points and the noise below the whole network",
            100.0 * LITTLE
        ),
        "about 0.6 points at 1/3 to 2/3 fewer parameters (abstract)",
        words.join("; "),
        near,
    )
}

fn sizes(plan: &Plan, sweep: &Sweep) -> Finding {
    let fewer = |ratio: f32| sweep.times_fewer(&label(&Way::FEATURES, ratio), transfer::FULL);
    let shown = plan.ratios.iter().map(|&ratio| format!("c={ratio}: {:.2} times fewer", fewer(ratio)));
    Finding::new(
        "the layers hold at least c times fewer numbers",
        "by the choice of the ranks",
        shown.collect::<Vec<_>>().join("; "),
        plan.ratios.iter().all(|&ratio| fewer(ratio) >= f64::from(ratio)),
    )
}

/// Something of the networks of a way, one a seed.
fn each(all: &[Recovered], way: &Way, ratio: f32, figure: impl Fn(&Recovered) -> f64) -> Vec<f64> {
    let found = all.iter().filter(|found| found.way == way.label && found.ratio == ratio);
    found.map(figure).collect()
}

/// Its mean over the seeds.
pub(super) fn mean_of(all: &[Recovered], way: &Way, ratio: f32, figure: impl Fn(&Recovered) -> f64) -> f64 {
    let values = each(all, way, ratio, figure);
    if values.is_empty() { f64::NAN } else { mean(&values) }
}

pub(super) fn accuracy(all: &[Recovered], way: &Way, ratio: f32) -> f64 {
    mean_of(all, way, ratio, |found| found.accuracy)
}

/// The accuracy of one way above that of another.
fn gap((all, images): Judged<'_>, [ours, theirs]: [&Way; 2], ratio: f32) -> Gap {
    let [ours, theirs] = [ours, theirs].map(|way| each(all, way, ratio, |found| found.accuracy));
    Gap::of_accuracies(&ours, &theirs, images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pela::tests::plan;

    #[test]
    fn every_ratio_must_agree() {
        let found = |ratio: f32, way: &Way, accuracy: f64, largest: f64| Recovered {
            ratio,
            way: way.label,
            seed: 0,
            rate: None,
            accuracy,
            largest,
        };
        let judged = |all: &[Recovered]| {
            let judged = (all, 100);
            [brought_back(&plan(), judged), held(&plan(), judged)]
        };
        let all = |last: f64| {
            let at = |ratio, labels, both| {
                [
                    found(ratio, &Way::TRUNCATED, 0.5, 0.2),
                    found(ratio, &Way::LABELS, labels, 0.2),
                    found(ratio, &Way::BOTH, both, 0.2),
                    found(ratio, &Way::HELD, both, last),
                ]
            };
            [at(2.0, 0.6, 0.7), at(4.0, 0.6, last + 0.5)].concat()
        };
        let [back, held] = judged(&all(0.15));
        assert!(back.holds && held.holds);
        assert!(!judged(&all(0.05))[0].holds && !judged(&all(0.25))[1].holds);
        assert!(!judged(&[])[0].holds);
        let words = back.here;
        assert!(words.contains("c=2: 50.00 % → 60.00 % → 70.00 %: +10.00 points, noise 6.71;"), "{words}");
        let remarked =
            "c=4: 50.00 % → 60.00 % → 65.00 %: +5.00 points, noise 6.84, a gap of the size of the noise";
        assert!(words.ends_with(remarked), "{words}");
    }

    #[test]
    fn a_stage_that_fine_tuning_makes_up_for_does_not_hold() {
        let run = |way: Way, ratio: f32, accuracy| transfer::Run {
            arm: label(&way, ratio),
            rate: 2e-3,
            seed: 0,
            trained: 0,
            losses: vec![],
            early: 0.0,
            late: 0.0,
            accuracy,
        };
        let holds = |last: f64| {
            let plan = plan();
            let runs = vec![
                run(Way::TRUNCATED, 2.0, 0.8),
                run(Way::FEATURES, 2.0, 0.9),
                run(Way::TRUNCATED, 4.0, 0.8),
                run(Way::FEATURES, 4.0, last),
            ];
            let empty = Sweep::new(&plan.setting, &plan.arms().unwrap(), 100);
            still_better(&plan, &Sweep { runs, ..empty }).holds
        };
        assert_eq!([0.9, 0.8, 0.7, f64::NAN].map(holds), [true, false, false, false]);
    }
}
