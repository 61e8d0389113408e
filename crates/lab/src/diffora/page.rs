//! Tables and plots: the gates, every choice by its accuracy, and the arms shift by shift.

use super::{DIFFORA, Plan, Shifted};
use crate::transfer::{percent, rate_words};
use rankine_report::{Axis, Cell, Column, Heat, Lines, Page, Series, Style, Table};

/// Adds them.
pub(super) fn show(plan: &Plan, found: &[Shifted], page: &mut Page) {
    page.section("Gates and choices").plot(gates(plan, found)).plot(choices(plan, found));
    if 1 < found.len() {
        page.section("Other shifts").table(shifts(found));
    }
}

/// At the end of every search.
fn gates(plan: &Plan, found: &[Shifted]) -> Heat {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for shifted in found {
        for pick in &shifted.picks {
            let shift = shifted.shift.words();
            names.push(format!("{shift}, seed {}, rate {}", pick.seed, rate_words(pick.rate)));
            values.push(pick.gates.iter().map(|&gate| f64::from(gate)).collect());
        }
    }
    Heat::new("Gates at the end of the search", Axis::linear("gate"), values).names(names, plan.candidates())
}

/// Where the pick stands among all choices: in the first seed, at the best rate of the picks.
fn choices(plan: &Plan, found: &[Shifted]) -> Lines {
    let title = "Every choice of modules, the best first; first seed";
    let mut plot = Lines::new(title, Axis::linear("place"), Axis::linear("accuracy on test images in %"));
    for shifted in found {
        let rate = shifted.sweep.best_accuracy(DIFFORA).rate;
        let Some(pick) = shifted.picks.iter().find(|pick| pick.rate == rate) else { continue };
        let (all, shift) = (shifted.sorted(plan, pick), shifted.shift.words());
        let place = |at: usize| (at as f64 + 1.0, 100.0 * all[at].1);
        let picked = all.iter().position(|(label, _)| *label == pick.choice);
        plot = plot
            .series(Series::new(shift, (0..all.len()).map(place)).style(Style::Marked))
            .series(Series::new(format!("{shift}, picked"), picked.map(place)).style(Style::Points));
    }
    plot
}

fn shifts(found: &[Shifted]) -> Table {
    let mut columns = vec![Column::text("Method"), Column::number("Trained numbers")];
    columns.extend(found.iter().map(|shifted| Column::number(shifted.shift.words())));
    let caption = "Best accuracy of the sweep for every shift, means over the seeds";
    let mut table = Table::new(columns).caption(caption);
    for arm in found.first().map_or(&[][..], |shifted| &shifted.sweep.arms) {
        let best = |shifted: &Shifted| Cell::text(percent(shifted.sweep.best_accuracy(&arm.label).value));
        let trained = found.first().map_or(0, |shifted| shifted.sweep.trained(&arm.label));
        let head = [Cell::text(&arm.label), Cell::from(trained)];
        table.row(head.into_iter().chain(found.iter().map(best)));
    }
    table
}
