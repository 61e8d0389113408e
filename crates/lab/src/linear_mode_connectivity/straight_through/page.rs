//! Its section of the page.

use super::{Searched, Way};
use crate::linear_mode_connectivity::{
    line::{Line, Point},
    page::{along, mean_line},
    widths::{mean_of, widths},
};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table};

pub(in crate::linear_mode_connectivity) fn show(found: &[Searched], page: &mut Page) {
    page.section("Matching by training").text(
        "Three networks of every width; the second and the third are matched to the first by weights, and by training for the least \
         loss half-way (STE): from weight matching on, and by the loss alone, where the search begins with units as they are and \
         knows no weights. Barriers are means over both lines from the first. R is that of vectors of large singular values, of the \
         first and the second.",
    );
    page.table(table(found));
    if let Some(&narrowest) = widths(found).first() {
        let plot = |what: &str, axis: &str, figure: fn(&Point) -> f64| {
            let title = format!("{what} between two networks of width {narrowest}");
            along(&title, axis, lines(found, narrowest, figure))
        };
        page.plot(plot("Loss", "loss in nats", |point| point.loss));
        page.plot(plot("Accuracy", "accuracy in %", |point| 100.0 * point.accuracy));
    }
    page.plot(over_width(found, "Barriers by how units were matched", Way::barrier)).plot(over_width(
        found,
        "Barriers between two that were matched to a third",
        |way| way.others.barrier(),
    ));
}

/// Something of a way, as the mean over the seeds of a width.
fn mean(found: &[Searched], width: usize, which: usize, figure: fn(&Way) -> f64) -> f64 {
    mean_of(found, width, |found| figure(found.ways()[which].1))
}

/// The ways by their places, with what they are called; none of nothing.
fn ways(found: &[Searched]) -> impl Iterator<Item = (usize, &'static str)> {
    let names = found.first().map(|found| found.ways().map(|(name, _)| name));
    names.into_iter().flatten().enumerate()
}

fn table(found: &[Searched]) -> Table {
    let columns = [
        Column::number("Width"),
        Column::text("Units"),
        Column::number("Accuracy").unit("%"),
        Column::number("in the middle").unit("%"),
        Column::number("Barrier").unit("nats"),
        Column::number("R of large"),
        Column::number("Second to third").unit("nats"),
    ];
    let mut table = Table::new(columns).caption("Between two networks; means over the seeds");
    for width in widths(found) {
        for (which, name) in ways(found) {
            let cell = |figure: fn(&Way) -> f64, decimals: usize| {
                Cell::fixed(mean(found, width, which, figure), decimals)
            };
            table.row([
                Cell::from(width),
                Cell::text(name),
                cell(|way| 100.0 * way.mean(Line::end_accuracy), 1),
                cell(|way| 100.0 * way.mean(Line::middle_accuracy), 1),
                cell(Way::barrier, 3),
                cell(|way| way.ratio, 3),
                cell(|way| way.others.barrier(), 3),
            ]);
        }
    }
    table
}

/// The lines from the first to the second, way by way.
fn lines(
    found: &[Searched],
    width: usize,
    figure: fn(&Point) -> f64,
) -> impl Iterator<Item = (&'static str, Vec<(f64, f64)>)> {
    ways(found).map(move |(which, name)| {
        let of_width = found.iter().filter(|found| found.width == width);
        (name, mean_line(of_width.map(|found| &found.ways()[which].1.lines[0]), figure))
    })
}

fn over_width(found: &[Searched], title: &str, figure: fn(&Way) -> f64) -> Lines {
    let plot = Lines::new(title, Axis::log("width"), Axis::linear("barrier in nats"));
    ways(found).fold(plot, |plot, (which, name)| {
        let points = widths(found).into_iter().map(|width| (width as f64, mean(found, width, which, figure)));
        plot.series(Series::new(name, points).style(Style::Marked))
    })
}
