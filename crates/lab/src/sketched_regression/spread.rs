//! The largest error of a coefficient, in units of the bound, for several draws of a sketch.

use super::instances::Instance;
use crate::{Error, Result};
use rankine_linalg::tall_singular_values;
use rankine_solve::regression::{Fit, Regression, qr::Qr, sketched};
use rankine_solve::{Silent, Solve, Stop};

/// A kind of sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Srht,
    Gaussian,
    CountSketch,
    Osnap,
    LeverageRows,
    UniformRows,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Srht, Self::Gaussian, Self::CountSketch, Self::Osnap, Self::LeverageRows, Self::UniformRows];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Srht => "SRHT",
            Self::Gaussian => "Gaussian sketch",
            Self::CountSketch => "Count-Sketch",
            Self::Osnap => "OSNAP, 8 entries",
            Self::LeverageRows => "rows by leverage",
            Self::UniformRows => "rows alike",
        }
    }

    /// The solver with a number of rows.
    fn solver(self, rows: usize, seed: u64) -> Box<dyn Solve<Regression, Solution = Fit>> {
        let rows = Some(rows);
        match self {
            Self::Srht => Box::new(sketched::Srht { rows, seed, ..Default::default() }),
            Self::Gaussian => Box::new(sketched::Gaussian { rows, seed, ..Default::default() }),
            Self::CountSketch => Box::new(sketched::CountSketch { rows, seed, ..Default::default() }),
            Self::Osnap => Box::new(sketched::Osnap { rows, seed, ..Default::default() }),
            Self::LeverageRows => Box::new(sketched::LeverageRows { rows, seed, ..Default::default() }),
            Self::UniformRows => Box::new(sketched::UniformRows { rows, seed, ..Default::default() }),
        }
    }
}

/// What one kind does with one instance at one size.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Spread {
    pub instance: &'static str,
    pub kind: Kind,
    /// m/d.
    pub factor: usize,
    /// d.
    pub columns: usize,
    /// q of every draw that has full rank, ascending.
    pub errors: Vec<f64>,
    /// Draws without, twice the rows of which lack it too.
    pub deficient: usize,
    /// |x′ − x*| of every coefficient in the first of these draws, descending, in units of OPT·‖A⁺‖/√d.
    pub coefficients: Vec<f64>,
}

impl Spread {
    /// The middle of all draws; ∞ where that lacks rank.
    pub(super) fn median(&self) -> f64 {
        let all = self.errors.len() + self.deficient;
        self.errors.get(all / 2).copied().unwrap_or(f64::INFINITY)
    }

    /// Draws within 4.5·√(2·log 2d)·√(d/m).
    pub(super) fn within_bound(&self) -> usize {
        let bound = 4.5 * (2.0 * (2.0 * self.columns as f64).ln() / self.factor as f64).sqrt();
        self.errors.iter().filter(|&&error| error <= bound).count()
    }
}

/// Every kind at every size, as far as an instance has rows.
pub(super) fn measure(instance: &Instance, factors: &[usize], draws: u64) -> Result<Vec<Spread>> {
    let (problem, stop) = (&instance.problem, Stop { steps: 1, tolerance: 1.0 });
    let (rows, columns) = problem.design().shape();
    let best = Qr::default().solve(problem, None, stop, &mut Silent::watch)?.solution;
    let smallest = tall_singular_values(problem.design())?.last().copied().unwrap_or_default();
    let scale = (columns as f64).sqrt() * smallest / best.distance;
    let mut spreads = Vec::new();
    for kind in Kind::ALL {
        for &factor in factors.iter().filter(|&&factor| factor * columns <= rows) {
            let mut spread = Spread {
                instance: instance.name,
                kind,
                factor,
                columns,
                errors: Vec::new(),
                deficient: 0,
                coefficients: Vec::new(),
            };
            for seed in 0..draws {
                let solver = kind.solver(factor * columns, seed);
                match solver.solve(problem, None, stop, &mut Silent::watch) {
                    Ok(report) => spread.add(scale, &report.solution.coefficients, &best.coefficients),
                    Err(rankine_solve::Error::Dependent { .. }) => spread.deficient += 1,
                    Err(error) => return Err(Error::from(error)),
                }
            }
            spread.errors.sort_by(f64::total_cmp);
            spreads.push(spread);
        }
    }
    Ok(spreads)
}

impl Spread {
    fn add(&mut self, scale: f64, found: &[f64], best: &[f64]) {
        let mut errors: Vec<f64> = found.iter().zip(best).map(|(x, y)| scale * (x - y).abs()).collect();
        errors.sort_by(|a, b| b.total_cmp(a));
        self.errors.extend(errors.first());
        if self.coefficients.is_empty() {
            self.coefficients = errors;
        }
    }
}

/// The median of a kind; NaN where it was not measured.
pub(super) fn median(spreads: &[Spread], kind: Kind, instance: &str, factor: usize) -> f64 {
    let own =
        |spread: &&Spread| spread.kind == kind && spread.instance == instance && spread.factor == factor;
    spreads.iter().find(own).map_or(f64::NAN, Spread::median)
}

/// A median in words.
pub(super) fn words(median: f64) -> String {
    if median.is_finite() { format!("{median:.2}") } else { "none, as most draws lack rank,".to_owned() }
}
