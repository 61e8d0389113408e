//! `rankine solve theory distillation`.

use super::super::files;
use super::super::options::{Pages, at_least_zero};
use super::super::show::number;
use crate::{Context, Exit};
use anyhow::Result;
use rankine_data::arrays::Array;
use rankine_report::{Axis, Column, Lines, Page, Series, Table};
use rankine_solve::theory::random_features::Task;
use rankine_solve::theory::self_distillation::{limit, rate, shrinkage};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What self-distillation makes of kernel ridge regression, step by step and in the limit
///
/// Every step fits a mixture of the truth and the last step's predictions. Along an eigenvector of the kernel matrix the predictions
/// are the targets times a factor, which is what is shown. --output: `.npz` with the arrays eigenvalues [n], shrinkage [steps, n]
/// and limit [n].
#[derive(clap::Args)]
pub struct Distillation {
    /// Eigenvalues of the kernel matrix; [n]
    #[arg(long, value_name = "FILE", required_unless_present = "power")]
    spectrum: Option<PathBuf>,
    /// Eigenvalues that fall by this power instead
    #[arg(long, value_name = "NUMBER", conflicts_with = "spectrum")]
    power: Option<f64>,
    /// How many, with --power
    #[arg(long, value_name = "N", default_value_t = 100, requires = "power")]
    modes: usize,
    /// Ridge of every step, not divided by n
    #[arg(long, value_name = "NUMBER")]
    ridge: f64,
    /// Weight of the truth in the targets of a step, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = at_least_zero)]
    #[arg(allow_negative_numbers = true)]
    truth: f64,
    /// Steps; the first is plain ridge regression
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    steps: u16,
    /// File to write the factors to, .npz
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    pages: Pages,
}

/// Eigenvalues in the table at most.
const SHOWN: usize = 12;

/// What the form says.
#[derive(Serialize)]
struct Answer {
    eigenvalues: Vec<f64>,
    /// [steps][n].
    shrinkage: Vec<Vec<f64>>,
    limit: Vec<f64>,
    /// By which every step comes closer to the limit, at least.
    rate: f64,
}

impl Distillation {
    /// Says it.
    pub fn run(&self, context: &Context) -> Result<Exit> {
        let &Self { ridge, truth, .. } = self;
        let file = self.pages.apart(self.output.as_deref(), self.spectrum.iter().cloned().collect())?;
        let eigenvalues = match (&self.spectrum, self.power) {
            (Some(path), _) => files::vector(path, "eigenvalues")?,
            (None, power) => {
                Task::power_law(power.unwrap_or(1.0), 0.0, self.modes, 0.0)?.eigenvalues().to_vec()
            }
        };
        let steps = (1..=usize::from(self.steps)).map(|step| shrinkage(&eigenvalues, ridge, truth, step));
        let answer = Answer {
            shrinkage: steps.collect::<rankine_solve::Result<_>>()?,
            limit: limit(&eigenvalues, ridge, truth)?,
            rate: rate(&eigenvalues, ridge, truth)?,
            eigenvalues,
        };
        if let Some(path) = &self.output {
            write(path, &answer)?;
        }
        super::show(context, (&file, self.pages.json), self.page(&answer), plot(&answer), &answer)
    }

    fn page(&self, answer: &Answer) -> Page {
        let Answer { eigenvalues, shrinkage, limit, rate } = answer;
        let mut page = Page::new("Self-distillation of kernel ridge regression");
        let (count, ridge, truth) = (eigenvalues.len(), self.ridge, self.truth);
        page.lead(format!("{count} eigenvalues, ridge {ridge}, weight of the truth {truth}"));
        page.facts(&[("closer to the limit by every step", number(*rate))]);
        let steps = (1..=shrinkage.len()).map(|step| format!("step {step}"));
        let names = ["eigenvalue".to_owned()].into_iter().chain(steps).chain(["limit".to_owned()]);
        let mut table = Table::new(names.map(Column::number));
        for at in (0..count).step_by(count.div_ceil(SHOWN).max(1)) {
            let factors = shrinkage.iter().map(|factors| factors[at]);
            table.row([eigenvalues[at]].into_iter().chain(factors).chain([limit[at]]).map(number));
        }
        page.table(table);
        page
    }
}

/// Factors over eigenvalues, a line a step.
fn plot(answer: &Answer) -> Lines {
    let lines =
        Lines::new("Factor of the targets", Axis::log("eigenvalue"), Axis::linear("factor of the targets"));
    let over = |factors: &[f64]| -> Vec<(f64, f64)> {
        answer.eigenvalues.iter().copied().zip(factors.iter().copied()).collect()
    };
    let steps = answer.shrinkage.iter().zip(1..);
    let lines = steps.fold(lines, |lines, (factors, step)| {
        lines.series(Series::new(format!("step {step}"), over(factors)))
    });
    lines.series(Series::new("limit", over(&answer.limit)))
}

fn write(path: &Path, answer: &Answer) -> Result<()> {
    let shape = vec![answer.shrinkage.len(), answer.eigenvalues.len()];
    let steps = Array { shape, values: answer.shrinkage.concat() };
    files::write_npz(
        path,
        &[
            ("eigenvalues", files::from_vector(&answer.eigenvalues)),
            ("shrinkage", steps),
            ("limit", files::from_vector(&answer.limit)),
        ],
    )
}
