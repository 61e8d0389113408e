//! `rankine solve theory random-features`.

use super::super::files;
use super::super::options::{Pages, at_least_zero};
use super::super::show::number;
use crate::{Context, Exit};
use anyhow::Result;
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Table};
use rankine_solve::theory::random_features::{Features, Risk, Task};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Test and training errors of ridge regression on random features, or with their kernel, from its eigenvalues
///
/// The task is given by the eigenvalues of the kernel operator and the energies of the target along its eigenfunctions. Errors
/// are told for every number of samples with every number of features.
#[derive(clap::Args)]
pub struct RandomFeatures {
    /// Eigenvalues of the kernel operator, above 0; [n]
    #[arg(long, value_name = "FILE", required_unless_present = "powers", requires = "energies")]
    spectrum: Option<PathBuf>,
    /// Energies of the target along the eigenfunctions; [n]
    #[arg(long, value_name = "FILE", requires = "spectrum")]
    energies: Option<PathBuf>,
    /// Eigenvalues and energies that fall by these powers instead
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with = "spectrum")]
    powers: Vec<f64>,
    /// How many, with --powers
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "powers")]
    modes: usize,
    /// Variance of the noise of the targets
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, value_parser = at_least_zero)]
    #[arg(allow_negative_numbers = true)]
    noise: f64,
    /// Numbers of samples
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', required = true)]
    samples: Vec<usize>,
    /// Numbers of features; `inf` is the kernel itself
    #[arg(long, value_name = "K,K,…", value_delimiter = ',', default_value = "inf", value_parser = features)]
    features: Vec<Features>,
    /// Ridge; without it the best
    #[arg(long, value_name = "NUMBER", value_parser = at_least_zero, allow_negative_numbers = true)]
    ridge: Option<f64>,
    #[command(flatten)]
    pages: Pages,
}

/// A number of features.
fn features(text: &str) -> Result<Features, String> {
    match text {
        "inf" => Ok(Features::Infinite),
        _ => text.parse().map(Features::Count).map_err(|_| "should be a count, or `inf`".to_owned()),
    }
}

/// Errors of a fit.
#[derive(Serialize)]
struct Fit {
    samples: usize,
    /// None: infinitely many.
    features: Option<usize>,
    ridge: f64,
    #[serde(flatten)]
    risk: Risk,
}

impl RandomFeatures {
    /// Says it.
    pub fn run(&self, context: &Context) -> Result<Exit> {
        let read = [&self.spectrum, &self.energies].into_iter().flatten().cloned().collect();
        let file = self.pages.apart(None, read)?;
        let (task, mut fits) = (self.task()?, Vec::new());
        for &features in &self.features {
            for &samples in &self.samples {
                let (ridge, risk) = match self.ridge {
                    Some(ridge) => (ridge, task.risk(samples, features, ridge)?),
                    None => task.optimal_ridge(samples, features)?,
                };
                let features = match features {
                    Features::Count(count) => Some(count),
                    Features::Infinite => None,
                };
                fits.push(Fit { samples, features, ridge, risk });
            }
        }
        super::show(context, (&file, self.pages.json), self.page(&task, &fits), plot(&fits), &fits)
    }

    fn task(&self) -> Result<Task> {
        if let &[a, b] = self.powers.as_slice() {
            return Ok(Task::power_law(a, b, self.modes, self.noise)?);
        }
        // The command line asks for both.
        let [spectrum, energies] =
            [&self.spectrum, &self.energies].map(|path| path.as_deref().unwrap_or(Path::new("")));
        let eigenvalues = files::vector(spectrum, "eigenvalues")?;
        Ok(Task::new(eigenvalues, files::vector(energies, "energies")?, self.noise)?)
    }

    fn page(&self, task: &Task, fits: &[Fit]) -> Page {
        let mut page = Page::new("Ridge regression on random features");
        let ridge = if self.ridge.is_some() { "the ridge that was given" } else { "the best ridge for each" };
        page.lead(format!("{} eigenvalues, noise {}, {ridge}", task.eigenvalues().len(), self.noise));
        let names = ["samples", "features", "ridge", "test error", "training error", "κ", "γ"];
        let mut table = Table::new(names.map(Column::number));
        for Fit { samples, features, ridge, risk: Risk { test, train, kappa, gamma } } in fits {
            let features = features.map_or_else(|| Cell::text("∞"), |count| Cell::Count(count as u64));
            let numbers = [*ridge, *test, *train, *kappa, *gamma].map(number);
            table.row([Cell::Count(*samples as u64), features].into_iter().chain(numbers));
        }
        page.table(table);
        page
    }
}

/// Test errors over samples, a line a number of features.
fn plot(fits: &[Fit]) -> Lines {
    let lines = Lines::new("Test error", Axis::log("samples"), Axis::log("test error"));
    let same = |one: &Fit, other: &Fit| one.features == other.features;
    fits.chunk_by(same).fold(lines, |lines, group| {
        let name = match group.first().and_then(|fit| fit.features) {
            Some(count) => format!("{count} features"),
            None => "kernel".to_owned(),
        };
        let points = group.iter().map(|fit| (fit.samples as f64, fit.risk.test));
        lines.series(Series::new(name, points))
    })
}
