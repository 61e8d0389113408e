//! The page: claims, the two networks together, the lines.

use super::{
    claims,
    colours::{Ensemble, OVERLAPS},
    line::{Line, Point, Tuned, mean_of},
};
use crate::{
    Claim,
    findings::{self, Story},
    transfer::mean,
};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table};

const STORY: Story<'_> = Story {
    title: "WiSE-FT and BANG: between pretrained and fine-tuned",
    statement: "networks that lean on different features that do not last gain by being averaged; so the middle of a pretrained \
                network and its fine-tune is better out of distribution than both, and better still after smoothed labels and \
                mixed images",
    about: "WiSE-FT averages the weights of a pretrained network and its fine-tune; BANG fine-tunes with smoothed labels and mixed \
            images before.",
};

pub(super) fn claim(ensembles: &[Ensemble], tuned: &[Tuned]) -> Claim {
    let findings = claims::findings(ensembles, tuned);
    let mut page = findings::page(&STORY, &findings);
    together(ensembles, &mut page);
    tuned.iter().for_each(|tuned| show(tuned, &mut page));
    let holds = findings::hold(&findings);
    let numbers = serde_json::json!({ "holds": holds, "findings": findings, "ensembles": ensembles, "networks": tuned });
    Claim { statement: STORY.statement.to_owned(), holds, page, numbers }
}

fn together(ensembles: &[Ensemble], page: &mut Page) {
    page.section("Two networks that lean on coloured patches").text(
        "Beside a noisy image stand 16 patches whose colour agrees with the class, or with probability p is any. Either network sees \
         eight of them, while p is 0.5; at the test p is larger. Both start alike.",
    );
    let columns = [
        Column::text("Patches"),
        Column::number("p"),
        Column::number("First").unit("%"),
        Column::number("second").unit("%"),
        Column::number("both outputs").unit("%"),
        Column::number("both weights").unit("%"),
        Column::number("both wrong, weights right").unit("%"),
    ];
    let mut table = Table::new(columns).caption("Accuracy on test images, means over the seeds");
    let mut seen: Vec<(&str, f64)> = Vec::new();
    for Ensemble { overlap, flip, .. } in ensembles {
        if seen.contains(&(*overlap, *flip)) {
            continue;
        }
        seen.push((*overlap, *flip));
        let cell = |figure: fn(&Ensemble) -> f64| {
            let of = |found: &&Ensemble| found.overlap == *overlap && found.flip == *flip;
            let values: Vec<f64> = ensembles.iter().filter(of).map(figure).collect();
            Cell::fixed(100.0 * mean(&values), 2)
        };
        table.row([
            Cell::text(*overlap),
            Cell::fixed(*flip, 1),
            cell(|found| found.single[0]),
            cell(|found| found.single[1]),
            cell(|found| found.outputs),
            cell(|found| found.weights),
            cell(|found| found.cells.false_false_true()),
        ]);
    }
    let mut plot = Lines::new("What two networks gain together", Axis::linear("p"), Axis::linear("points"));
    for (overlap, _) in OVERLAPS {
        for (which, name) in ["outputs", "weights"].into_iter().enumerate() {
            let of = seen.iter().filter(|(found, _)| *found == overlap).map(|(_, flip)| {
                let found = ensembles.iter().filter(|found| found.overlap == overlap && found.flip == *flip);
                let gains: Vec<f64> = found.map(|found| 100.0 * found.gains()[which]).collect();
                (*flip, mean(&gains))
            });
            plot = plot.series(Series::new(format!("{overlap}, {name}"), of).style(Style::Marked));
        }
    }
    page.table(table).plot(plot);
}

fn show(Tuned { network, setting, lines }: &Tuned, page: &mut Page) {
    page.section(format!("From pretrained to fine-tuned: {network}")).text(format!(
        "Pretrained for {} steps with smoothed labels on images of which most are damaged, fine-tuned for {} on clean images. Inside \
         the distribution are clean test images, outside of it damaged ones. Length is that of the scores of the fine-tuned network \
         over those of the pretrained one, outside. Seeds: {}.",
        setting.pretraining_steps,
        setting.steps,
        setting.seeds.len(),
    ));
    let [over, along] = plots(network, lines);
    page.table(table(lines)).plot(over).plot(along);
}

/// The ways of fine-tuning, once each.
fn trainings(lines: &[Line]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for Line { training, .. } in lines {
        if !found.contains(training) {
            found.push(*training);
        }
    }
    found
}

fn table(lines: &[Line]) -> Table {
    let columns = [
        Column::text("Fine-tuning"),
        Column::number("Fine-tuned, inside").unit("%"),
        Column::number("outside").unit("%"),
        Column::number("middle, inside").unit("%"),
        Column::number("outside").unit("%"),
        Column::number("both wrong, middle right").unit("%"),
        Column::number("Largest probability"),
        Column::number("Length"),
    ];
    let mut table = Table::new(columns).caption("Accuracy on test images, means over the seeds");
    for training in trainings(lines) {
        let share = |of: fn(&Line) -> f64| Cell::fixed(100.0 * mean_of(lines, training, of), 2);
        table.row([
            Cell::text(training),
            share(|line| line.at(1.0).inside),
            share(|line| line.at(1.0).outside),
            share(|line| line.at(0.5).inside),
            share(|line| line.at(0.5).outside),
            share(|line| line.cells.false_false_true()),
            Cell::fixed(mean_of(lines, training, |line| line.confidence), 3),
            Cell::fixed(mean_of(lines, training, |line| line.balance), 2),
        ]);
    }
    table
}

/// Accuracy out of distribution over that in it, and along the line.
fn plots(network: &str, lines: &[Line]) -> [Lines; 2] {
    let outside = || Axis::linear("accuracy outside, %");
    let inside = Axis::linear("accuracy inside, %");
    let mut over = Lines::new(format!("From pretrained to fine-tuned, {network}"), inside, outside());
    let mut along = Lines::new(format!("Out of distribution, {network}"), Axis::linear("α"), outside());
    for training in trainings(lines) {
        let line = lines.iter().find(|line| line.training == training);
        let alphas = line.into_iter().flat_map(|line| &line.points).map(|point| point.alpha);
        let mean = |alpha: f64| {
            let percent = |of: fn(Point) -> f64| 100.0 * mean_of(lines, training, |line| of(line.at(alpha)));
            [alpha, percent(|point| point.inside), percent(|point| point.outside)]
        };
        let points: Vec<[f64; 3]> = alphas.map(mean).collect();
        let series = |which: usize| {
            Series::new(training, points.iter().map(move |point| (point[which], point[2])))
                .style(Style::Marked)
        };
        over = over.series(series(1));
        along = along.series(series(0));
    }
    [over, along]
}
