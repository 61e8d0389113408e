//! The page: claims, the networks of several widths, those with norms.

use super::{
    claims,
    line::{Line, Point},
    norms::{self, Twins},
    straight_through::{self, Searched},
    widths::{THRESHOLDS, Trio, mean_of, widths},
};
use crate::{
    Claim,
    findings::{self, Story},
    transfer::mean,
};
use rankine_report::{Axis, Bars, Cell, Column, Group, Lines, Page, Series, Style, Table};

const STORY: Story<'_> = Story {
    title: "Linear mode connectivity by weight matching",
    statement: "networks that were trained apart are joined by a line of good ones once the units of one are in the order of the \
                other's; not because they come near to each other, but because singular vectors of large singular values agree",
    about: "Weight matching permutes the hidden units of a network so that its weights come as near as can be to those of another; \
            it sees no data.",
};

/// Networks as they are, and matched.
const WAYS: [&str; 2] = ["as they are", "matched"];

/// Beside lines of losses.
const LOSS: &str = "loss in nats";

pub(super) fn claim(trios: &[Trio], twins: &[Twins], searched: &[Searched]) -> Claim {
    let mut findings = claims::findings(trios, twins);
    findings.extend(straight_through::findings(searched));
    let mut page = findings::page(&STORY, &findings);
    show_widths(trios, &mut page);
    show_norms(twins, &mut page);
    straight_through::show(searched, &mut page);
    let holds = findings::hold(&findings);
    let numbers = serde_json::json!({
        "holds": holds, "findings": findings, "trios": trios, "twins": twins, "searched": searched,
    });
    Claim { statement: STORY.statement.to_owned(), holds, page, numbers }
}

fn show_widths(trios: &[Trio], page: &mut Page) {
    page.section("Networks of several widths").text(
        "Three ReLU networks of two hidden layers, with starts and orders of images of their own; the second and the third are matched \
         to the first. Barriers are the highest rise of the loss on test images above the line between the losses of the ends; the \
         third barrier is between the second and the third. R is the agreement of singular vectors, of all and of those with at least \
         0.3 of the largest singular value. The estimate is that of a second-order expansion about the ends, for the middle.",
    );
    page.table(barriers(trios)).table(reasons(trios));
    if let Some(&widest) = widths(trios).last() {
        let lines = |which: usize| {
            trios.iter().filter(move |trio| trio.width == widest).map(move |trio| &trio.lines[which])
        };
        let title = format!("Loss between two networks of width {widest}");
        let ways = WAYS.into_iter().enumerate();
        page.plot(along(&title, LOSS, ways.map(|(which, way)| (way, mean_line(lines(which), loss)))));
    }
    page.plot(over_width(trios)).plot(shares(trios)).plot(agreement(trios)).plot(estimates(trios));
}

fn barriers(trios: &[Trio]) -> Table {
    let columns = [
        Column::number("Width"),
        Column::number("Accuracy").unit("%"),
        Column::number("in the middle").unit("%"),
        Column::number("matched").unit("%"),
        Column::number("Barrier").unit("nats"),
        Column::number("matched").unit("nats"),
        Column::number("Second to third").unit("nats"),
        Column::number("matched").unit("nats"),
    ];
    let mut table = Table::new(columns).caption("Between two networks; means over the seeds");
    for width in widths(trios) {
        let mean = |figure: &dyn Fn(&Trio) -> f64| mean_of(trios, width, figure);
        let percent = |figure: &dyn Fn(&Trio) -> f64| Cell::fixed(100.0 * mean(figure), 1);
        let nats = |figure: &dyn Fn(&Trio) -> f64| Cell::fixed(mean(figure), 3);
        table.row([
            Cell::from(width),
            percent(&|trio| trio.lines[0].end_accuracy()),
            percent(&|trio| trio.lines[0].middle_accuracy()),
            percent(&|trio| trio.lines[1].middle_accuracy()),
            nats(&|trio| trio.lines[0].barrier()),
            nats(&|trio| trio.lines[1].barrier()),
            nats(&|trio| trio.others[0].barrier()),
            nats(&|trio| trio.others[1].barrier()),
        ]);
    }
    table
}

fn reasons(trios: &[Trio]) -> Table {
    let columns = [
        Column::number("Width"),
        Column::number("Nearer by").unit("%"),
        Column::number("R of all"),
        Column::number("matched"),
        Column::number("R of large"),
        Column::number("matched"),
        Column::number("Estimate").unit("nats"),
        Column::number("rise").unit("nats"),
        Column::number("Estimate, matched").unit("nats"),
        Column::number("rise").unit("nats"),
    ];
    let mut table = Table::new(columns).caption("What changes; means over the seeds");
    for width in widths(trios) {
        let cell = |figure: &dyn Fn(&Trio) -> f64| Cell::fixed(mean_of(trios, width, figure), 3);
        table.row([
            Cell::from(width),
            Cell::fixed(100.0 * mean_of(trios, width, Trio::nearer), 1),
            cell(&|trio| trio.ratios[0][0]),
            cell(&|trio| trio.ratios[1][0]),
            cell(&|trio| trio.ratios[0][1]),
            cell(&|trio| trio.ratios[1][1]),
            cell(&|trio| trio.estimates[0]),
            cell(&|trio| trio.lines[0].middle_rise()),
            cell(&|trio| trio.estimates[1]),
            cell(&|trio| trio.lines[1].middle_rise()),
        ]);
    }
    table
}

/// Means of something over the width.
fn series(name: &str, trios: &[Trio], figure: &dyn Fn(&Trio) -> f64) -> Series {
    let points = widths(trios).into_iter().map(|width| (width as f64, mean_of(trios, width, figure)));
    Series::new(name, points).style(Style::Marked)
}

fn over_width(trios: &[Trio]) -> Lines {
    let [naive, matched] = WAYS;
    Lines::new("Barriers", Axis::log("width"), Axis::linear("barrier in nats"))
        .series(series(naive, trios, &|trio| trio.lines[0].barrier()))
        .series(series(matched, trios, &|trio| trio.lines[1].barrier()))
        .series(series("second to third", trios, &|trio| trio.others[0].barrier()))
        .series(series("second to third, matched to the first", trios, &|trio| trio.others[1].barrier()))
}

fn shares(trios: &[Trio]) -> Lines {
    let gone = |trio: &Trio| 1.0 - trio.lines[1].barrier() / trio.lines[0].barrier();
    Lines::new("What matching takes away", Axis::log("width"), Axis::linear("%"))
        .series(series("of the barrier", trios, &|trio| 100.0 * gone(trio)))
        .series(series("of the distance", trios, &|trio| 100.0 * trio.nearer()))
}

fn agreement(trios: &[Trio]) -> Bars {
    let mut bars = Bars::new("Agreement of singular vectors", Axis::linear("R"));
    bars.categories = widths(trios).into_iter().map(|width| format!("width {width}")).collect();
    for (which, way) in WAYS.into_iter().enumerate() {
        for (at, threshold) in THRESHOLDS.into_iter().enumerate() {
            let ratio = |width: usize| mean_of(trios, width, |trio| trio.ratios[which][at]);
            let values = widths(trios).into_iter().map(ratio).collect();
            bars.groups.push(Group { name: format!("{way}, γ = {threshold}"), values });
        }
    }
    bars
}

fn estimates(trios: &[Trio]) -> Lines {
    let title = "The loss in the middle, by a second-order expansion";
    let mut plot = Lines::new(title, Axis::log("width"), Axis::linear("rise in nats"));
    for (which, way) in WAYS.into_iter().enumerate() {
        plot = plot.series(series(way, trios, &|trio| trio.lines[which].middle_rise())).series(series(
            &format!("{way}, estimate"),
            trios,
            &|trio| trio.estimates[which],
        ));
    }
    plot
}

fn show_norms(twins: &[Twins], page: &mut Page) {
    page.section("Networks with norms").text(
        "Two networks of three convolutions with batch norm. Between the two, means and variances of the norms are averaged as weights \
         are, or counted anew on a hundred training images of every class.",
    );
    let columns = [
        Column::text("Networks"),
        Column::text("Statistics"),
        Column::number("Barrier").unit("nats"),
        Column::number("Accuracy").unit("%"),
        Column::number("in the middle").unit("%"),
    ];
    let mut table = Table::new(columns).caption("Between two networks; means over the seeds");
    let mut lines = Vec::new();
    for (which, way) in WAYS.into_iter().enumerate() {
        let averaged: fn(&Twins) -> &[Line; 2] = |twins| &twins.averaged;
        let counted: fn(&Twins) -> &[Line; 2] = |twins| &twins.counted;
        for (statistics, of) in [("averaged", averaged), ("counted anew", counted)] {
            let mean = |figure: fn(&Line) -> f64| norms::mean_of(twins, |twins| figure(&of(twins)[which]));
            table.row([
                Cell::text(way),
                Cell::text(statistics),
                Cell::fixed(mean(Line::barrier), 3),
                Cell::fixed(100.0 * mean(Line::end_accuracy), 1),
                Cell::fixed(100.0 * mean(Line::middle_accuracy), 1),
            ]);
            lines.push((
                format!("{way}, {statistics}"),
                mean_line(twins.iter().map(|twins| &of(twins)[which]), loss),
            ));
        }
    }
    page.table(table).plot(along("Loss between two networks with batch norm", LOSS, lines));
}

fn loss(point: &Point) -> f64 {
    point.loss
}

/// Means of something over the share of the second network.
pub(super) fn mean_line<'a>(
    lines: impl Iterator<Item = &'a Line>,
    figure: fn(&Point) -> f64,
) -> Vec<(f64, f64)> {
    let lines: Vec<&Line> = lines.collect();
    let shares = lines.first().into_iter().flat_map(|line| &line.points).map(|point| point.share);
    let value = |at: usize| {
        let points = lines.iter().filter_map(|line| line.points.get(at));
        mean(&points.map(figure).collect::<Vec<_>>())
    };
    shares.enumerate().map(|(at, share)| (share, value(at))).collect()
}

pub(super) fn along<S: Into<String>>(
    title: &str,
    axis: &str,
    lines: impl IntoIterator<Item = (S, Vec<(f64, f64)>)>,
) -> Lines {
    let plot = Lines::new(title, Axis::linear("share of the second network"), Axis::linear(axis));
    lines.into_iter().fold(plot, |plot, (name, points)| plot.series(Series::new(name, points)))
}
