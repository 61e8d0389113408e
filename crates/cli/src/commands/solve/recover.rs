//! `rankine solve recover`.

use super::files;
use super::options::{at_least_zero, help, settings};
use super::question::{Facts, Posed, Question};
use crate::errors::Failure;
use anyhow::{Context as _, Result};
use rankine_data::arrays::npz::{Npz, Writer};
use rankine_data::arrays::{Array, Complex, npy};
use rankine_random::Rng;
use rankine_solve::kronecker::{Ensemble, Instance, IrsMimo, KroneckerRecovery, KroneckerSolver, Recovered};
use rankine_solve::{Mat, c64};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Find a sparse vector behind a dictionary that is a Kronecker product
///
/// The observation is (factor_1 ⊗ factor_2 ⊗ …) · x with noise, complex or real; the support of x is a product of small supports.
/// FILE: `.npz` with the arrays factor_1, factor_2, … [rows, columns] and observation [product of the rows]. --output: `.npz` with
/// coefficients [product of the columns], complex, and, of the Bayesian solvers, variances_1, … and noise; `.npy` with the
/// coefficients.
#[derive(clap::Args)]
#[command(after_help = help::<KroneckerSolver>(EXAMPLES))]
pub struct Recover {
    /// File of the factors and the observation
    #[arg(value_name = "FILE", required_unless_present_any = ["random", "channel"])]
    file: Option<PathBuf>,
    /// Variance of the noise; estimated without it
    #[arg(long, value_name = "NUMBER", value_parser = at_least_zero, allow_negative_numbers = true)]
    noise: Option<f64>,
    /// Draw a real problem with a known answer instead: rows, columns, nonzeros, decibels, seed
    #[arg(long, value_name = "KEY=VALUE", num_args = 0.., conflicts_with_all = ["file", "noise"])]
    random: Option<Vec<String>>,
    /// Draw the channel of a reflecting surface instead: mobile, base, elements, angles, pilots, patterns, spread, decibels, seed
    #[arg(long, value_name = "KEY=VALUE", num_args = 0.., conflicts_with_all = ["file", "noise", "random"])]
    channel: Option<Vec<String>>,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve recover problem.npz --noise 1e-3 --output x.npz
  rankine solve recover --random decibels=25 --solver svd-kro-sbl
  rankine solve recover --channel pilots=4 decibels=10
  rankine solve compare recover --random rows=[6,6] columns=[10,10] nonzeros=2";

/// A problem to draw.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Random {
    rows: Vec<usize>,
    columns: Vec<usize>,
    nonzeros: usize,
    decibels: f64,
    seed: u64,
}

impl Default for Random {
    fn default() -> Self {
        let Ensemble { rows, columns, nonzeros } = Ensemble::default();
        Self { rows, columns, nonzeros, decibels: 20.0, seed: 0 }
    }
}

/// A channel to draw.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Channel {
    mobile: usize,
    base: usize,
    elements: usize,
    angles: usize,
    pilots: usize,
    patterns: usize,
    spread: usize,
    decibels: f64,
    seed: u64,
}

impl Default for Channel {
    fn default() -> Self {
        let IrsMimo { mobile, base, elements, angles, pilots, patterns, spread } = IrsMimo::default();
        Self { mobile, base, elements, angles, pilots, patterns, spread, decibels: 20.0, seed: 0 }
    }
}

/// The problem of an instance, which keeps its answer.
fn drawn(instance: Instance, decibels: f64, rng: &Rng) -> Result<Posed<Recover>> {
    Ok(Posed { problem: instance.noisy(decibels, rng)?, known: Some(instance.coefficients) })
}

fn numbers(values: &[Complex]) -> Vec<c64> {
    values.iter().map(|&[real, imaginary]| c64::new(real, imaginary)).collect()
}

impl Recover {
    /// The problem of a file.
    fn read(&self, path: &Path) -> Result<KroneckerRecovery> {
        let mut archive = Npz::open(path)?;
        let (names, mut factors) = (archive.names(), Vec::new());
        let mut name = "factor_1".to_owned();
        // The first is asked for even where it is not there: then the archive says what is.
        while factors.is_empty() || names.contains(&name) {
            let array = archive.complex(&name)?;
            factors.push(
                factor(&array).with_context(|| format!("while reading `{name}` of `{}`", path.display()))?,
            );
            name = format!("factor_{}", factors.len() + 1);
        }
        let observation = numbers(&archive.complex("observation")?.values);
        Ok(KroneckerRecovery::new(factors, observation, self.noise)?)
    }
}

/// A matrix of complex numbers.
fn factor(array: &Array<Complex>) -> Result<Mat<c64>> {
    let [rows, columns] = array.shape[..] else {
        let message = format!("a factor has the shape {:?}", array.shape);
        return Err(Failure::with_hint(message, "give every factor as [rows, columns]").into());
    };
    let values = numbers(&array.values);
    Ok(Mat::from_fn(rows, columns, |i, j| values[i * columns + j]))
}

impl Question for Recover {
    type Solvers = KroneckerSolver;
    /// The coefficients, where they were drawn.
    type Known = Option<Vec<c64>>;
    const NAME: &'static str = "Kronecker recovery";
    const ENDINGS: &'static [&'static str] = &["npz", "npy"];

    fn solver(&self) -> &'static str {
        "am-kro-sbl"
    }

    fn inputs(&self) -> Vec<PathBuf> {
        self.file.iter().cloned().collect()
    }

    fn pose(&self) -> Result<Posed<Self>> {
        if let Some(changes) = &self.random {
            let random = settings("", changes).context("while reading `--random`")?;
            let Random { rows, columns, nonzeros, decibels, seed } = random;
            let rng = Rng::new(seed);
            return drawn(Ensemble { rows, columns, nonzeros }.draw(&rng)?, decibels, &rng);
        }
        if let Some(changes) = &self.channel {
            let channel = settings("", changes).context("while reading `--channel`")?;
            let Channel { mobile, base, elements, angles, pilots, patterns, spread, decibels, seed } =
                channel;
            let (rng, sizes) =
                (Rng::new(seed), IrsMimo { mobile, base, elements, angles, pilots, patterns, spread });
            return drawn(sizes.draw(&rng)?.instance, decibels, &rng);
        }
        // The command line asks for one of the three.
        let problem = self.read(self.file.as_deref().unwrap_or(Path::new("")))?;
        Ok(Posed { problem, known: None })
    }

    fn start(&self, posed: &mut Posed<Self>, path: &Path) -> Result<Recovered> {
        let mut archive = files::solution(path)?;
        let (names, unknowns) = (archive.names(), posed.problem.unknowns());
        let coefficients = archive.complex("coefficients")?;
        files::check_start(path, "coefficients", &coefficients, &[unknowns], |value| {
            value.iter().any(|part| part.is_nan())
        })?;
        // How many there are and of what size, the solver says.
        let mut stored = |name: &str| -> Result<Vec<f64>> {
            let array = archive.array(name)?;
            let is_wrong = |variance: &f64| !(0.0..f64::INFINITY).contains(variance);
            files::check_start(path, name, &array, &array.shape, is_wrong)?;
            Ok(array.values)
        };
        let mut variances = Vec::new();
        // Pursuits have none.
        for name in (1..).map(|place| format!("variances_{place}")).take_while(|name| names.contains(name)) {
            variances.push(stored(&name)?);
        }
        let noise = match names.iter().any(|name| name == "noise") {
            true => stored("noise")?.first().copied(),
            false => None,
        };
        Ok(Recovered { coefficients: numbers(&coefficients.values), variances, noise })
    }

    fn lead(&self, posed: &Posed<Self>, _: Option<&KroneckerSolver>) -> String {
        let factors = posed.problem.factors();
        let sizes: Vec<String> =
            factors.iter().map(|factor| format!("{} by {}", factor.nrows(), factor.ncols())).collect();
        format!(
            "{} observations, a dictionary of {}",
            posed.problem.observation().len(),
            sizes.join(" times ")
        )
    }

    fn facts(&self, posed: &Posed<Self>, solution: &Recovered) -> Facts {
        let mut facts = vec![("nonzeros", solution.support().len() as f64)];
        if let Some(truth) = &posed.known {
            facts.push(("relative error", solution.relative_error(truth)));
            facts.push(("support recovery", solution.support_recovery(truth)));
        }
        facts
    }

    fn write(&self, _: &Posed<Self>, solution: &Recovered, path: &Path) -> Result<()> {
        let coefficients = files::from_complex(&solution.coefficients);
        if files::ending(path) == "npy" {
            return files::write(path, &npy::encode(&coefficients));
        }
        let mut writer = Writer::new(path);
        writer.add("coefficients", &coefficients)?;
        for (variances, place) in solution.variances.iter().zip(1..) {
            writer.add(&format!("variances_{place}"), &files::from_vector(variances))?;
        }
        if let Some(noise) = solution.noise {
            writer.add("noise", &files::from_number(noise))?;
        }
        files::write(path, &writer.finish()?)
    }
}
