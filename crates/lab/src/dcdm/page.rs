//! The page: the claim, steps and seconds, and how the residual falls.

use super::runs::{Arm, Run};
use super::{DISK, Domain, Plan};
use crate::findings::{self, Finding, Story};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table};

pub(super) const STORY: Story<'_> = Story {
    title: "DCDM: conjugate directions that a network proposes",
    statement: "conjugate directions of a given quality need steps that hardly grow with the grid, where those of conjugate \
                gradients double with its side",
    about: "DCDM makes what a network proposes conjugate to the last two directions and goes along it exactly as far as pays. \
            Here the exact inverse of the box, with noise, stands for the network.",
};

pub(super) fn page(plan: &Plan, runs: &[Run], findings: &[Finding]) -> Page {
    let mut page = findings::page(&STORY, findings);
    page.section("Steps and seconds").text(
        "Means over the right-hand sides. Steps to a relative residual of 1e-4 and 1e-6; seconds to 1e-6, the set-up among \
         them. h: how many directions a new one is made conjugate to.",
    );
    page.table(steps_table(plan, runs));
    page.plot(against_side(plan, runs, "Steps to 1e-4 around a disk", "steps", |run| run.steps as f64));
    page.plot(against_side(plan, runs, "Seconds to 1e-6 around a disk", "seconds", |run| run.seconds));
    page.text(
        "Seconds do not speak for the method: here a direction costs a sine transform, while a network costs some 30 Gflop on \
         64³ cells, hundreds of steps of conjugate gradients on a CPU. Multigrid needs about as few steps, without training.",
    );
    page.section("How the residual falls").plot(residuals(plan, runs));
    page
}

/// Mean of what a run has, over the right-hand sides of a grid; `None` where there is no such run.
pub(super) fn mean(
    runs: &[Run],
    place: (&str, Domain, usize, usize),
    value: impl Fn(&Run) -> f64,
) -> Option<f64> {
    let (arm, domain, axes, side) = place;
    let of = |run: &&Run| run.arm == arm && run.domain == domain.name && (run.axes, run.side) == (axes, side);
    let values: Vec<f64> = runs.iter().filter(of).map(value).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn steps_table(plan: &Plan, runs: &[Run]) -> Table {
    let columns = [
        Column::text("Domain"),
        Column::text("Cells"),
        Column::text("Solver"),
        Column::number("Loss of the first direction"),
        Column::number("Steps to 1e-4"),
        Column::number("Steps to 1e-6"),
        Column::number("Whole").unit("s"),
        Column::number("Set-up").unit("s"),
    ];
    let mut table = Table::new(columns);
    let largest = plan.sides.last().map(|&side| (2, side));
    let grids = largest.into_iter().chain(plan.cubes.iter().map(|&side| (3, side)));
    for (axes, side) in grids {
        for &domain in &plan.domains {
            for label in plan.arms.iter().map(Arm::label) {
                let place = (label.as_str(), domain, axes, side);
                let number = |value: fn(&Run) -> f64, digits| {
                    mean(runs, place, value).map_or(Cell::Missing, |value| Cell::number(value, digits))
                };
                let loss =
                    mean(runs, place, |run| run.loss.unwrap_or(f64::NAN)).filter(|loss| loss.is_finite());
                table.row([
                    Cell::text(domain.name),
                    Cell::text(vec![side.to_string(); axes].join(" × ")),
                    Cell::text(&label),
                    loss.map_or(Cell::Missing, |loss| Cell::number(loss, 2)),
                    number(|run| run.steps as f64, 3),
                    number(|run| run.all_steps as f64, 3),
                    number(|run| run.seconds, 2),
                    number(|run| run.setup_seconds, 2),
                ]);
            }
        }
    }
    table
}

fn against_side(plan: &Plan, runs: &[Run], title: &str, label: &str, value: impl Fn(&Run) -> f64) -> Lines {
    let mut plot = Lines::new(title, Axis::log("cells a side"), Axis::log(label));
    for arm in plan.arms.iter().map(Arm::label) {
        let point = |&side: &usize| Some((side as f64, mean(runs, (&arm, DISK, 2, side), &value)?));
        plot = plot.series(Series::new(&arm, plan.sides.iter().filter_map(point)).style(Style::Marked));
    }
    plot
}

/// Relative residuals of the first right-hand side on the largest grid with a disk.
fn residuals(plan: &Plan, runs: &[Run]) -> Lines {
    let side = plan.sides.last().copied();
    let title = "Relative residual around a disk, largest grid, first right-hand side";
    let mut plot = Lines::new(title, Axis::log("step"), Axis::log("‖b − A·x‖ / ‖b‖"));
    for arm in plan.arms.iter().map(Arm::label) {
        let of =
            |run: &&Run| run.arm == arm && run.domain == DISK.name && run.axes == 2 && Some(run.side) == side;
        let Some(run) = runs.iter().find(of) else { continue };
        let points = run.residuals.iter().enumerate().map(|(step, &residual)| (step as f64 + 1.0, residual));
        plot = plot.series(Series::new(&arm, points));
    }
    plot
}
