//! [dcdm]: a direction that roughly points along A⁻¹·r keeps the steps few, whatever the size of the grid.
//!
//! Pressure solves on boxes, around a disk and between blocks, from four right-hand sides. In the place of the network stands
//! what it is trained to be: the exact inverse on the *box*, by sines, of a residual with noise, so that one step leaves a
//! known share of it (the loss of the page). As the network it has never seen an obstacle. Shows: conjugate gradients double
//! their steps with the side of the grid, the loop of the paper hardly adds any; without conjugacy it takes more, with more than
//! two directions hardly fewer.
//!
//! Waits for the network: that a convolutional network reaches such a loss without solutions, on sizes it was not trained on,
//! and better from Ritz vectors than from white noise. Departure: two axes in place of three, but for one cube.

mod page;
mod runs;

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    findings::{self, Finding},
};
use rankine_solve::linear::{Drive, Obstacle};
use runs::{Arm, Run};

/// Steps of conjugate directions against conjugate gradients on growing grids.
#[derive(Clone, Copy, Debug, Default)]
pub struct DcdmExperiment;

impl Experiment for DcdmExperiment {
    fn paper(&self) -> &'static str {
        "dcdm"
    }

    fn run(&self, scale: Scale, _: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        measure(&Plan::of(scale), watch)
    }
}

/// What is solved, and how.
struct Plan {
    /// Cells along a side of the grids with two axes, ascending.
    sides: Vec<usize>,
    /// The same of those with three.
    cubes: Vec<usize>,
    domains: Vec<Domain>,
    drives: Vec<Drive>,
    arms: Vec<Arm>,
}

/// A box with something in it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Domain {
    name: &'static str,
    obstacle: Obstacle,
}

/// The box, which the stand-in of the network knows.
const BOX: Domain = Domain { name: "box", obstacle: Obstacle::Nothing };
/// The page's domain that was not trained on.
const DISK: Domain = Domain { name: "disk", obstacle: Obstacle::Ball { radius: 0.2 } };
/// A further one.
const BLOCKS: Domain = Domain { name: "blocks", obstacle: Obstacle::Blocks { count: 6, seed: 1 } };

impl Plan {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Quick => Self {
                sides: vec![32, 64, 128],
                cubes: vec![],
                domains: vec![BOX, DISK],
                drives: vec![Drive::White, Drive::Smooth, Drive::Points],
                arms: Arm::few(),
            },
            Scale::Full => Self {
                sides: vec![32, 64, 128, 256],
                cubes: vec![32],
                domains: vec![BOX, DISK, BLOCKS],
                drives: Drive::ALL.to_vec(),
                arms: Arm::all(),
            },
        }
    }
}

fn measure(plan: &Plan, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
    let runs = runs::run(plan, watch)?;
    let findings = findings(plan, &runs);
    let (holds, page) = (findings::hold(&findings), page::page(plan, &runs, &findings));
    let numbers = serde_json::json!({ "holds": holds, "findings": findings, "runs": runs });
    Ok(Claim { statement: page::STORY.statement.to_owned(), holds, page, numbers })
}

fn findings(plan: &Plan, runs: &[Run]) -> Vec<Finding> {
    let (first, last) = (plan.sides[0], plan.sides[plan.sides.len() - 1]);
    let steps = |arm: &Arm, side| {
        page::mean(runs, (&arm.label(), DISK, 2, side), |run| run.steps as f64).unwrap_or(f64::NAN)
    };
    let ends = |arm: &Arm| [first, last].map(|side| steps(arm, side));
    let words = |[from, to]: [f64; 2]| {
        format!("{from:.1} steps at a side of {first}, {to:.1} at {last}, around the disk")
    };
    let doublings = (last as f64 / first as f64).log2();
    let (plain, ours) = (ends(&Arm::PLAIN), ends(&Arm::OURS));
    let growth = (plain[1] / plain[0]).powf(1.0 / doublings);
    let [none, ten] = [0, 10].map(|history| ends(&Arm::guided(history))[1]);
    vec![
        Finding::new(
            "conjugate gradients take about twice the steps on twice the side",
            "hundreds; prototype 51 to 58 at 32², 101 to 113 at 64²",
            format!("{}: {growth:.2} times a doubling", words(plain)),
            (1.6..=2.4).contains(&growth),
        ),
        Finding::new(
            "with directions of a given quality the steps hardly grow, on a domain that they do not know",
            "tens, nearly independent of the size; prototype 11 to 13 at 32², 16 to 17 at 64²",
            words(ours),
            ours[1] <= 1.5 * ours[0],
        ),
        Finding::new(
            "they are a small part of those of conjugate gradients",
            "16 to 17 against 101 to 113 at 64² with the disk (prototype)",
            format!("{:.1} against {:.1} at a side of {last}", ours[1], plain[1]),
            4.0 * ours[1] <= plain[1],
        ),
        Finding::new(
            "without conjugacy it takes more steps",
            "31 to 40 in place of 16 to 17 (prototype)",
            format!("{none:.1} in place of {:.1}", ours[1]),
            1.1 * ours[1] <= none,
        ),
        Finding::new(
            "ten directions instead of two save less than half of the steps",
            "14 to 15 in place of 16 to 17 (prototype)",
            format!("{ten:.1} in place of {:.1}", ours[1]),
            ten <= ours[1] + 1.0 && 0.5 * ours[1] <= ten,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let (sides, cubes) = (vec![8, 16], vec![6]);
        Plan {
            sides,
            cubes,
            domains: vec![BOX, DISK],
            drives: vec![Drive::White, Drive::Points],
            arms: Arm::all(),
        }
    }

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let claim = measure(&plan(), &mut |_| {}).unwrap();
        let (html, words) = (claim.page.html(), claim.page.terminal(120, false));
        assert!(html.contains("<table") && html.contains("<svg"), "{html}");
        assert!(!words.contains("NaN"), "{words}");
        assert_eq!(claim.numbers["holds"], claim.holds);
        let runs = claim.numbers["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 3 * 2 * 2 * Arm::all().len());
        let known = |run: &&serde_json::Value| run["arm"] == "exact inverse, h = 2" && run["domain"] == "box";
        assert!(runs.iter().filter(known).all(|run| run["steps"] == 1), "{runs:?}");
        assert!(runs.iter().all(|run| run["residual"].as_f64().unwrap() <= runs::TOLERANCE));
    }

    #[test]
    fn growth_is_what_tells_the_loop_from_conjugate_gradients() {
        let plan = Plan { sides: vec![32, 128], ..plan() };
        let holds = |plain: [usize; 2], ours: [usize; 2], none: usize, ten: usize| {
            let run = |arm: &Arm, side: usize, steps| Run::of(arm.label(), DISK.name, side, steps);
            let runs: Vec<Run> = [0, 1]
                .into_iter()
                .flat_map(|at| {
                    let side = plan.sides[at];
                    let guided = |history, steps| run(&Arm::guided(history), side, steps);
                    let (cg, dcdm) = (run(&Arm::PLAIN, side, plain[at]), run(&Arm::OURS, side, ours[at]));
                    [cg, dcdm, guided(0, none), guided(10, ten)]
                })
                .collect();
            findings(&plan, &runs).iter().map(|finding| finding.holds).collect::<Vec<_>>()
        };
        assert_eq!(holds([60, 240], [10, 12], 20, 11), [true; 5]);
        assert_eq!(holds([60, 100], [10, 40], 40, 5), [false, false, false, false, false]);
    }
}
