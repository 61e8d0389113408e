//! `rankine solve theory fitting`.

use super::super::options::{Pages, at_least_zero};
use super::super::show::number;
use crate::{Context, Exit};
use anyhow::Result;
use rankine_report::{Axis, Column, Lines, Page, Series, Table};
use rankine_solve::theory::power_law::PowerLaw;
use serde::Serialize;

/// How closely the best kernel regression fits its samples, where eigenvalues and energies fall by powers
///
/// The fitting ratio is the training error over the test error: 0 is interpolation. Noise is relative to the test error without noise
/// and ridge.
#[derive(clap::Args)]
pub struct Fitting {
    /// Powers by which eigenvalues and energies fall: 1 < A, 1 < B < 2·A + 1
    #[arg(long, num_args = 2, value_names = ["A", "B"], required = true)]
    powers: Vec<f64>,
    /// Noises
    #[arg(long, value_name = "S,S,…", value_delimiter = ',', value_parser = at_least_zero)]
    #[arg(default_values_t = [0.0, 1.0, 5.0, 50.0])]
    noise: Vec<f64>,
    #[command(flatten)]
    pages: Pages,
}

/// What the form says.
#[derive(Serialize)]
struct Answer {
    /// The most noise at which interpolation is best; negative where it never is.
    interpolation_threshold: f64,
    best: Vec<Best>,
}

#[derive(Clone, Copy, Serialize)]
struct Best {
    noise: f64,
    fitting_ratio: f64,
    /// Its test error over that of interpolation.
    relative_error: f64,
}

impl Fitting {
    /// Says it.
    pub fn run(&self, context: &Context) -> Result<Exit> {
        let file = self.pages.apart(None, Vec::new())?;
        // The command line asks for two.
        let (a, b) = (self.powers[0], self.powers[1]);
        // The same for every noise.
        let interpolation_threshold = PowerLaw::new(a, b, 0.0)?.interpolation_threshold();
        let mut answer = Answer { interpolation_threshold, best: Vec::new() };
        for &noise in &self.noise {
            let law = PowerLaw::new(a, b, noise)?;
            let fitting_ratio = law.optimal_fitting_ratio();
            let relative_error = law.relative_error(fitting_ratio.sqrt());
            answer.best.push(Best { noise, fitting_ratio, relative_error });
        }
        let mut page = Page::new("The best fit of kernel regression");
        page.lead(format!("Eigenvalues fall by the power {a}, energies by {b}"));
        page.facts(&[("interpolation is best up to the noise", number(interpolation_threshold))]);
        let names = ["noise", "best fitting ratio", "its error over that of interpolation"];
        let mut table = Table::new(names.map(Column::number));
        for &Best { noise, fitting_ratio, relative_error } in &answer.best {
            table.row([noise, fitting_ratio, relative_error].map(number));
        }
        page.table(table);
        let points = answer.best.iter().map(|best| (best.noise, best.fitting_ratio));
        let plot = Lines::new("Best fit", Axis::linear("noise"), Axis::linear("fitting ratio"))
            .series(Series::new("best fitting ratio", points));
        super::show(context, (&file, self.pages.json), page, plot, &answer)
    }
}
