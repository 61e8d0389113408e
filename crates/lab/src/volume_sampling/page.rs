//! Tables and plots.

use super::best::Case;
use super::trial::{Kind, Trial};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table};

pub(super) fn show(cases: &[Case], trials: &[Trial], points: &[(Kind, Vec<[f64; 2]>)], page: &mut Page) {
    for case in cases {
        let own: Vec<&Trial> = trials.iter().filter(|trial| trial.case == case.name).collect();
        page.section(format!("{}: m = {}, e = {:.3e}", case.name, case.best.len(), case.square.sqrt()));
        page.table(table(&own));
        page.plot(plot(&own, "Share of stable samples", Axis::linear("share with λ_min ≥ ½"), Trial::stable));
        page.plot(plot(&own, "Conditioning", Axis::log("median of 1/λ_min(G)"), Trial::condition));
        page.plot(plot(&own, "Error, median", Axis::log("‖f − f̂‖/e"), |trial| trial.error(0.5)));
        page.plot(plot(&own, "Error, nine of ten below", Axis::log("‖f − f̂‖/e"), |trial| {
            trial.error(0.9)
        }));
    }
    page.section("Points").text(
        "One sample of m points of every strategy on the square, for polynomials on a hyperbolic cross.",
    );
    for (kind, points) in points {
        let series = Series::new("points", points.iter().map(|&[x, y]| (x, y))).style(Style::Points);
        page.plot(Lines::new(kind.name(), Axis::linear("x"), Axis::linear("y")).series(series));
    }
}

fn table(trials: &[&Trial]) -> Table {
    let columns = [
        Column::text("Strategy"),
        Column::number("n/m"),
        Column::number("Stable").unit("%"),
        Column::number("Median 1/λ_min"),
        Column::number("Median error"),
        Column::number("Nine of ten below"),
    ];
    let mut table =
        Table::new(columns).caption("Errors are ‖f − f̂‖/e, e the distance of the best approximation");
    for trial in trials {
        table.row([
            Cell::text(trial.kind.name()),
            Cell::fixed(trial.points, 2),
            Cell::fixed(100.0 * trial.stable(), 0),
            Cell::number(trial.condition(), 3),
            Cell::number(trial.error(0.5), 3),
            Cell::number(trial.error(0.9), 3),
        ]);
    }
    table
}

fn plot(trials: &[&Trial], title: &str, axis: Axis, value: impl Fn(&Trial) -> f64) -> Lines {
    let mut plot = Lines::new(title, Axis::linear("n/m"), axis);
    for kind in Kind::ALL {
        let own = trials.iter().filter(|trial| trial.kind == kind);
        let points = own.map(|trial| (trial.points, value(trial)));
        plot = plot.series(Series::new(kind.name(), points).style(Style::Marked));
    }
    plot
}
