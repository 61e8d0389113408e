//! `rankine connect`: whether two models are joined by a line of good ones, before and after alignment, and why.

use crate::alignment::{self, AlignmentArgs, Matching};
use crate::line::{self, LineArgs};
use crate::pages::PageFile;
use crate::stages::Stages;
use crate::{Context, Exit, model, tokenizers};
use anyhow::Context as _;
use rankine_analyze::{VectorAlignment, vector_alignment, vector_ratio};
use rankine_checkpoint::Tensors;
use rankine_report::{Axis, Bars, Cell, Column, Group, Page, Table};
use rankine_run::{PathPoint, barrier};
use rankine_surgery::{Progress, Stage, Subject};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Show whether a line of good models joins two, before and after alignment
///
/// Loss and accuracy along the line between the two, and how well the singular vectors of their matrices go together: R = 1 for a
/// model and itself, near 0 for independent ones. With --align both also after the units of the second were brought into the
/// order of the first: by weight matching, which takes barriers away by making the vectors of large singular values agree, or by
/// what the two do on the data, which need not.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, mut_group("AlignmentArgs", |group| group.requires("align")))]
pub struct Connect {
    /// Known name, hub repository, directory or file of the first model
    first: String,
    /// The same of the second
    second: String,
    /// The data to measure on, as of `rankine evaluate`
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Align the second to the first, and measure again
    #[arg(long)]
    align: bool,
    #[command(flatten)]
    matching: AlignmentArgs,
    /// For `straight-through`: batches to learn from; 300 when nothing is said
    #[arg(long, value_name = "N", requires = "align", value_parser = clap::value_parser!(u32).range(1..))]
    search_steps: Option<u32>,
    #[command(flatten)]
    line: LineArgs,
    /// Write a page with the plots here
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine connect ./first ./second --data digits --align
  rankine connect ./first ./second --data digits --align --starts 5 --steps 25 --html connect.html
  rankine connect ./first ./second --data digits --align --method activations
  rankine connect smollm2-135m ./tuned --data held_out.jsonl --json";

/// Singular values count from this share of the largest of their matrix on: all of them, and the large ones.
const THRESHOLDS: [f64; 2] = [0.0, 0.3];

/// What is said of the second model as it is, or aligned.
struct Measured {
    points: Vec<PathPoint>,
    vectors: Vec<VectorAlignment>,
}

/// The same in JSON.
#[derive(Serialize)]
struct Line<'a> {
    barrier: f64,
    points: &'a [PathPoint],
    vector_alignment: Vec<Vectors>,
}

#[derive(Serialize)]
struct Vectors {
    threshold: f64,
    ratio: f64,
}

/// The result in JSON.
#[derive(Serialize)]
struct Report<'a> {
    first: &'a str,
    second: &'a str,
    data: &'a Path,
    naive: Line<'a>,
    aligned: Option<Line<'a>>,
    matching: Option<Matching<'a>>,
}

/// What was found.
struct Found {
    naive: Measured,
    aligned: Option<(Measured, alignment::Found)>,
}

impl Connect {
    /// Measures.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let connecting = || format!("while connecting `{}` and `{}`", self.first, self.second);
        let paths = [model::find(context, &self.first)?, model::find(context, &self.second)?];
        let read = paths.iter().cloned().chain([self.data.clone()]).collect();
        let file = PageFile::html(self.html.as_deref(), read)?;
        let found = self.found(context, &paths).with_context(connecting)?;
        file.write(|| self.page(&found))?;
        match self.json {
            true => context.show_json(&self.report(&found))?,
            false => context.show(&self.page(&found))?,
        }
        Ok(Exit::Done)
    }

    fn found(&self, context: &Context, paths: &[PathBuf; 2]) -> anyhow::Result<Found> {
        let [first, second] = [model::open(context, &paths[0])?, model::open(context, &paths[1])?];
        tokenizers::warn(context, &first, &second)?;
        let (ours, theirs) = (Subject::from(&first), Subject::from(&second));
        let pair = ours.pair(theirs)?;
        let matcher = self.matching.matcher(self.search_steps)?;
        let examiner = self.line.measure.examiner(&paths[0], &self.data)?;
        let mut stages = Stages::new(context);
        // The order is found first: models that cannot be aligned are refused before the data are read several times.
        let aligned = match self.align {
            true => Some(matcher.find((ours, theirs), Some(&examiner), &mut stages)?),
            false => None,
        };
        let permuted = aligned.as_ref().map(|found| found.aligned.applied(theirs));
        let others: Vec<&dyn Tensors> = [theirs.tensors()]
            .into_iter()
            .chain(permuted.as_ref().map(|model| model as &dyn Tensors))
            .collect();
        let watch = &mut |rankine_analyze::Progress { done, total }| {
            stages.see(Progress { stage: Stage::Decomposing, done, total })
        };
        let mut vectors = vector_alignment(ours.tensors(), &others, &THRESHOLDS, watch)?.into_iter();
        let naive = self.line.walk(&examiner, pair, &mut stages)?;
        let naive = Measured { points: naive, vectors: vectors.next().unwrap_or_default() };
        let Some((aligned, permuted)) = aligned.zip(permuted.as_ref()) else {
            return Ok(Found { naive, aligned: None });
        };
        let pair = rankine_surgery::pair([ours.tensors(), permuted], [ours.path(), theirs.path()])?;
        let points = self.line.walk(&examiner, pair, &mut stages)?;
        let measured = Measured { points, vectors: vectors.next().unwrap_or_default() };
        Ok(Found { naive, aligned: Some((measured, aligned)) })
    }

    fn report<'a>(&'a self, found: &'a Found) -> Report<'a> {
        Report {
            first: &self.first,
            second: &self.second,
            data: &self.data,
            naive: found.naive.line(),
            aligned: found.aligned.as_ref().map(|(measured, _)| measured.line()),
            matching: found.aligned.as_ref().map(|(_, found)| Matching::of(found)),
        }
    }

    fn page(&self, found: &Found) -> Page {
        let mut lines: Vec<(&str, &[PathPoint])> = vec![("as they are", found.naive.points.as_slice())];
        let mut measured = vec![("as they are", &found.naive)];
        let mut page = Page::new(format!("{} and {}", self.first, self.second));
        let mut facts = vec![
            ("measured on", Cell::text(self.data.display().to_string())),
            ("barrier", Cell::fixed(barrier(&found.naive.points), 4)),
        ];
        if let Some((after, matched)) = &found.aligned {
            lines.push(("aligned", after.points.as_slice()));
            measured.push(("aligned", after));
            facts.push(("barrier when aligned", Cell::fixed(barrier(&after.points), 4)));
            facts.extend(alignment::facts(matched));
        }
        page.facts(&facts).table(line::table(&lines));
        for plot in line::plots(&lines) {
            page.plot(plot);
        }
        page.section("Singular vectors").text(
            "R is the mean agreement of the singular vectors of a matrix in the two models, over those whose singular values are \
             at least so large a share of the largest: 1 for the same vectors, 0 for unrelated ones.",
        );
        page.table(vectors_table(&measured)).plot(vectors_plot(&measured));
        if let Some((_, matched)) = &found.aligned {
            page.section("What changed places").table(alignment::table(&matched.aligned));
        }
        page
    }
}

impl Measured {
    fn line(&self) -> Line<'_> {
        let of =
            |(at, threshold): (usize, f64)| Vectors { threshold, ratio: vector_ratio(&self.vectors, at) };
        Line {
            barrier: barrier(&self.points),
            points: &self.points,
            vector_alignment: THRESHOLDS.into_iter().enumerate().map(of).collect(),
        }
    }
}

fn vectors_table(measured: &[(&str, &Measured)]) -> Table {
    let columns = measured.iter().map(|(name, _)| Column::number(format!("R, {name}")));
    let mut table = Table::new([Column::text("singular values")].into_iter().chain(columns));
    for (at, threshold) in THRESHOLDS.into_iter().enumerate() {
        let ratios = measured.iter().map(|(_, measured)| Cell::fixed(vector_ratio(&measured.vectors, at), 4));
        table.row([Cell::text(words(threshold))].into_iter().chain(ratios));
    }
    table
}

fn vectors_plot(measured: &[(&str, &Measured)]) -> Bars {
    let mut bars = Bars::new("Agreement of singular vectors", Axis::linear("R"));
    bars.categories = THRESHOLDS.into_iter().map(words).collect();
    bars.groups = measured
        .iter()
        .map(|(name, measured)| Group {
            name: (*name).to_owned(),
            values: (0..THRESHOLDS.len()).map(|at| vector_ratio(&measured.vectors, at)).collect(),
        })
        .collect();
    bars
}

fn words(threshold: f64) -> String {
    match threshold {
        0.0 => "all".to_owned(),
        share => format!("{share} of the largest and more"),
    }
}
