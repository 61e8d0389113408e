//! Tables and plots.

use super::spread::{Kind, Spread};
use super::work::{Descent, Time};
use super::{instances, work};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table};

pub(super) fn show(spreads: &[Spread], times: &[Time], descents: &[Descent], page: &mut Page) {
    page.section("The largest error of a coefficient").text(
        "q is the largest error of a coefficient in units of OPT·‖A⁺‖/√d. The counterexample has the unit vectors as rows and \
         its target in as many others, so that two rows in one bucket of a Count-Sketch are an error of one coefficient that no \
         other shares.",
    );
    page.table(spread_table(spreads));
    let mut names: Vec<&str> = spreads.iter().map(|spread| spread.instance).collect();
    names.dedup();
    names.iter().for_each(|name| _ = page.plot(against_rows(spreads, name)));
    page.plot(coefficients(spreads));
    page.section("Time").text(
        "The same matrix in memory, all threads, sketches drawn anew; the second of two runs. Where the condition allows it and \
         the whole matrix fits, the normal equations are hard to beat: what a sketch gives is the guarantee, and the basis for \
         conjugate gradients where the condition does not allow them.",
    );
    page.table(time_table(times));
    page.section("Condition").plot(descent_plot(descents));
}

fn spread_table(spreads: &[Spread]) -> Table {
    let mut columns = vec![Column::text("Instance"), Column::number("m/d")];
    columns.extend(Kind::ALL.map(|kind| Column::number(kind.name())));
    let mut table = Table::new(columns).caption("Median of q over the draws; – where half of them lack rank");
    for first in spreads.iter().filter(|spread| spread.kind == Kind::Srht) {
        let alike = |spread: &&Spread| (spread.instance, spread.factor) == (first.instance, first.factor);
        let cells = Kind::ALL.map(|kind| {
            let own = spreads.iter().filter(alike).find(|spread| spread.kind == kind);
            own.map(Spread::median)
                .filter(|median| median.is_finite())
                .map_or(Cell::Missing, |q| Cell::fixed(q, 2))
        });
        table.row([Cell::text(first.instance), Cell::from(first.factor)].into_iter().chain(cells));
    }
    table
}

fn against_rows(spreads: &[Spread], instance: &str) -> Lines {
    let title = format!("Largest error of a coefficient, {instance}");
    let mut plot =
        Lines::new(title, Axis::log("rows of the sketch to a column, m/d"), Axis::log("median of q"));
    for kind in Kind::ALL {
        let own = spreads.iter().filter(|spread| spread.kind == kind && spread.instance == instance);
        let points = own.map(|spread| (spread.factor as f64, spread.median()));
        plot = plot.series(Series::new(kind.name(), points).style(Style::Marked));
    }
    plot
}

/// The coefficients of one draw at the largest size.
fn coefficients(spreads: &[Spread]) -> Lines {
    let title = "Errors of the coefficients in one draw, counterexample, largest sketch";
    let mut plot = Lines::new(
        title,
        Axis::linear("coefficient, by error"),
        Axis::linear("error in units of OPT·‖A⁺‖/√d"),
    );
    for kind in [Kind::Srht, Kind::CountSketch, Kind::Osnap] {
        let own = spreads.iter().filter(|spread| spread.kind == kind && spread.instance == instances::HARD);
        if let Some(spread) = own.max_by_key(|spread| spread.factor) {
            let errors = spread.coefficients.iter().enumerate();
            let points = errors.map(|(place, &error)| (place as f64 + 1.0, error));
            plot = plot.series(Series::new(kind.name(), points).style(Style::Marked));
        }
    }
    plot
}

fn time_table(times: &[Time]) -> Table {
    let columns = [
        Column::number("n"),
        Column::number("d"),
        Column::text("Solver"),
        Column::number("Time"),
        Column::number("Distance over the least"),
    ];
    let mut table = Table::new(columns);
    for time in times {
        table.row([
            Cell::from(time.rows),
            Cell::from(time.columns),
            Cell::text(time.solver),
            Cell::Seconds(time.seconds),
            Cell::fixed(time.excess, 4),
        ]);
    }
    table
}

fn descent_plot(descents: &[Descent]) -> Lines {
    let title = "Conjugate gradients with the basis of a sketch and without";
    let mut plot = Lines::new(title, Axis::linear("step"), Axis::log("residual"));
    for Descent { condition, solver, residuals, .. } in descents {
        let points = residuals.iter().enumerate().map(|(step, &residual)| (step as f64 + 1.0, residual));
        let name = match *solver {
            work::SKETCHED => format!("after a sketch, condition {condition:e}"),
            other => format!("{other}, condition {condition:e}"),
        };
        plot = plot.series(Series::new(name, points));
    }
    plot
}
