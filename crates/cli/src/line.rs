//! The line between two models, for the commands that walk along it: its options, and how it is shown.

use crate::errors::Failure;
use crate::quality;
use crate::stages::Stages;
use anyhow::{Context as _, Result};
use rankine_checkpoint::Pair;
use rankine_report::{Axis, Cell, Column, Lines, Series, Style, Table};
use rankine_run::{DataSection, Examiner, PathPoint};
use rankine_surgery::Progress;
use std::path::Path;

// The help of a command is its own: a comment of documentation on this would stand in its place.
#[derive(clap::Args)]
pub struct LineArgs {
    /// How many models are measured: the two, and others between them at equal distances
    #[arg(long, default_value_t = 11, value_name = "N", value_parser = clap::value_parser!(u16).range(2..))]
    steps: u16,
    #[command(flatten)]
    pub measure: MeasureArgs,
}

// As above.
#[derive(clap::Args)]
pub struct MeasureArgs {
    /// Column of the texts that a classifier tells apart; `text` when absent
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,
    /// Column of the labels, names or numbers of classes; `label` when absent
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// Cut conversations, and window plain text, at this many tokens
    #[arg(long, default_value_t = quality::LENGTH, value_name = "N")]
    max_length: usize,
    /// Examples at a time
    #[arg(long, default_value_t = quality::BATCH, value_name = "N")]
    batch_size: usize,
    /// Between the two, count the statistics of batch norms anew on the data: those of an average fit neither (small ResNets)
    #[arg(long)]
    reset_norms: bool,
}

impl MeasureArgs {
    /// What measures models like the one at `model`.
    pub fn examiner(&self, model: &Path, data: &Path) -> Result<Examiner> {
        let section = DataSection {
            text_column: self.text_column.clone(),
            label_column: self.label_column.clone(),
            max_length: self.max_length,
            ..DataSection::new(data)
        };
        let mut examiner = Examiner::open(model, &section, self.batch_size)?;
        if self.reset_norms && !examiner.reset_norms() {
            let message = format!("`{}` has no norms whose statistics are counted anew", model.display());
            return Err(
                Failure::with_hint(message, "leave out `--reset-norms`: it is for small ResNets").into()
            );
        }
        Ok(examiner)
    }
}

impl LineArgs {
    /// Measures the models on the line.
    pub fn walk(
        &self,
        examiner: &Examiner,
        pair: Pair<'_>,
        stages: &mut Stages<'_>,
    ) -> Result<Vec<PathPoint>> {
        let watch = &mut |progress: Progress| stages.see(progress);
        let points = examiner.along(pair, usize::from(self.steps), watch);
        points.context("while evaluating the models between the two")
    }
}

/// The models of some lines with the same steps, each with its name.
pub fn table(lines: &[(&str, &[PathPoint])]) -> Table {
    let names = |(name, _): &(&str, &[PathPoint])| match lines.len() {
        1 => ["NLL".to_owned(), "accuracy".to_owned()],
        _ => [format!("NLL, {name}"), format!("accuracy, {name}")],
    };
    let numbers = lines.iter().flat_map(names).map(Column::number);
    let mut table = Table::new([Column::number("share of the second")].into_iter().chain(numbers));
    let steps = lines.first().map_or(&[][..], |(_, points)| *points);
    for (at, point) in steps.iter().enumerate() {
        let cells = lines.iter().filter_map(|(_, points)| points.get(at));
        let cells = cells.flat_map(|point| [Cell::fixed(point.nll, 4), Cell::Percent(point.accuracy)]);
        table.row([Cell::fixed(point.t, 3)].into_iter().chain(cells));
    }
    table
}

/// Loss and accuracy along them.
pub fn plots(lines: &[(&str, &[PathPoint])]) -> [Lines; 2] {
    let plot = |title: &str, unit: &str, value: fn(&PathPoint) -> f64| {
        let series = |(name, points): &(&str, &[PathPoint])| {
            let points = points.iter().map(|point| (point.t, value(point)));
            Series::new(*name, points).style(Style::Marked)
        };
        let empty = Lines::new(title, Axis::linear("share of the second model"), Axis::linear(unit));
        lines.iter().map(series).fold(empty, Lines::series)
    };
    [
        plot("Loss between the two models", "NLL in nats", |point| point.nll),
        plot("Accuracy between the two models", "accuracy", |point| point.accuracy),
    ]
}
