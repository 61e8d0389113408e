//! [random_features]: with the best ridge more features and more samples never hurt, and low noise wants interpolation.
//!
//! A. Gaussian features of a power-law task: test errors over the number of features and of samples, theory and simulation, for
//! several ridges and the best one. B. ReLU features of images of Fashion-MNIST: errors that are predicted from the spectrum of
//! the kernel of infinitely many of them, against ridge regressions. C. How close to interpolation the best fit is, for the
//! exponents that the paper measures.
//!
//! Departure: the images of the paper are CIFAR-10's.

use crate::{
    Claim, Experiment, Images, Materials, Result, Scale,
    findings::{self, Finding},
};
use rankine_linalg::multiply;
use rankine_random::Rng;
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table, format};
use rankine_solve::Mat;
use rankine_solve::theory::kernel::KernelRegression;
use rankine_solve::theory::power_law::PowerLaw;
use rankine_solve::theory::random_features::{Features, Task};
use std::f64::consts::PI;

/// Theory and measurements of random features.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomFeaturesExperiment;

impl Experiment for RandomFeaturesExperiment {
    fn paper(&self) -> &'static str {
        "random_features"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        watch("reading images");
        let images = Images::fashion_mnist(&materials.fashion_mnist, "train")?;
        measure(&Plan::of(scale), &images, watch)
    }
}

/// What is tried.
struct Plan {
    /// Eigenvalues of the Gaussian task.
    modes: usize,
    /// The number that stays while the other goes over `counts`.
    fixed: usize,
    counts: Vec<usize>,
    trials: usize,
    /// Images of every class for the spectrum, samples of a fit, and numbers of features.
    each: usize,
    samples: usize,
    widths: Vec<usize>,
}

impl Plan {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Quick => Self {
                modes: 1000,
                fixed: 128,
                counts: vec![16, 64, 128, 512],
                trials: 4,
                each: 160,
                samples: 64,
                widths: vec![16, 64, 256],
            },
            Scale::Full => Self {
                modes: 4000,
                fixed: 256,
                counts: vec![16, 32, 64, 128, 256, 512, 1024, 4096],
                trials: 8,
                each: 300,
                samples: 128,
                widths: vec![16, 32, 64, 128, 256, 512, 2048],
            },
        }
    }
}

/// Ridges that are drawn beside the best one.
const RIDGES: [f64; 3] = [1e-2, 1e-1, 1.0];
/// Variance of the noise of the Gaussian task, as in the released code.
const NOISE: f64 = 0.5;
/// Exponents that the paper measures, and the best fitting ratios that follow for noise of [`RELATIVE`].
const MEASURED: [(&str, f64, f64); 3] =
    [("CIFAR-10", 1.17, 1.14), ("SVHN", 1.22, 1.20), ("MNIST", 1.12, 1.36)];
const RELATIVE: [f64; 4] = [0.0, 1.0, 5.0, 50.0];

/// Errors over a count at one ridge.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Curve {
    ridge: f64,
    counts: Vec<usize>,
    theory: Vec<f64>,
    measured: Vec<f64>,
}

/// Curves over a count, and the errors with the best ridge.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Family {
    curves: Vec<Curve>,
    best: Vec<f64>,
}

impl Family {
    /// Theory and means over the trials at every count, which gives samples and features.
    fn measure(
        task: &Task,
        (counts, trials): (&[usize], usize),
        sizes: impl Fn(usize) -> (usize, usize),
        errors: impl Fn(usize, usize) -> Result<[f64; RIDGES.len()]>,
    ) -> Result<Self> {
        let mut curves =
            RIDGES.map(|ridge| Curve { ridge, counts: counts.to_vec(), theory: vec![], measured: vec![] });
        let mut best = Vec::new();
        for &count in counts {
            let (n, k) = sizes(count);
            best.push(task.optimal_ridge(n, Features::Count(k))?.1.test);
            let mut sums = [0.0; RIDGES.len()];
            for trial in 0..trials {
                let found = errors(count, trial)?;
                sums.iter_mut().zip(found).for_each(|(sum, error)| *sum += error / trials as f64);
            }
            for (curve, sum) in curves.iter_mut().zip(sums) {
                curve.theory.push(task.risk(n, Features::Count(k), curve.ridge)?.test);
                curve.measured.push(sum);
            }
        }
        Ok(Self { curves: curves.into(), best })
    }

    /// The largest relative difference of theory and measurement.
    fn apart(&self) -> f64 {
        let pairs = self.curves.iter().flat_map(|curve| curve.measured.iter().zip(&curve.theory));
        findings::largest(pairs.map(|(x, y)| (x / y - 1.0).abs()))
    }

    /// Whether the error with the best ridge falls with every count.
    fn falls(&self) -> bool {
        self.best.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-9))
    }

    fn plot(&self, title: &str, axis: &str) -> Lines {
        let mut plot = Lines::new(title, Axis::log(axis), Axis::log("test error"));
        for Curve { ridge, counts, theory, measured } in &self.curves {
            let points = |values: &[f64]| {
                counts.iter().map(|&count| count as f64).zip(values.to_vec()).collect::<Vec<_>>()
            };
            plot = plot.series(Series::new(format!("ridge {ridge}"), points(theory))).series(
                Series::new(format!("ridge {ridge}, measured"), points(measured)).style(Style::Points),
            );
        }
        let counts = self.curves.first().map_or(&[][..], |curve| &curve.counts);
        let best = counts.iter().map(|&count| count as f64).zip(self.best.iter().copied());
        plot.series(Series::new("best ridge", best))
    }
}

fn measure(plan: &Plan, images: &Images, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
    let rng = Rng::new(31);
    let task = Task::power_law(1.5, 1.5, plan.modes, NOISE)?;
    watch("Gaussian features, over their number");
    let features = gaussian(plan, &task, |count| (plan.fixed, count), &rng.fork("features"))?;
    watch("Gaussian features, over the samples");
    let samples = gaussian(plan, &task, |count| (count, plan.fixed), &rng.fork("samples"))?;
    watch("features of images");
    let pictures = pictures(plan, images, &rng.fork("images"))?;
    let ratios = MEASURED.map(|(name, a, b)| {
        let ratio = |noise| PowerLaw::new(a, b, noise).map(|law| law.optimal_fitting_ratio());
        (name, RELATIVE.map(|noise| ratio(noise).unwrap_or(f64::NAN)))
    });
    let findings = findings(&features, &samples, &pictures, &ratios);
    let holds = findings::hold(&findings);
    let mut page = Page::new("Random features: more is better");
    page.lead(
        "Two equations for two numbers predict the error of ridge regression on random features from the spectrum of their \
         kernel. With the best ridge there is no peak: more features and more samples never hurt.",
    );
    page.section("Claims").table(findings::table(&findings));
    page.section("A. Gaussian features of a power-law task");
    page.plot(features.plot(&format!("{} samples", plan.fixed), "features"));
    page.plot(samples.plot(&format!("{} features", plan.fixed), "samples"));
    page.section("B. ReLU features of Fashion-MNIST").text(format!(
        "Five classes against the other five, ±1; predictions from the kernel matrix of {} images, fits to {} of them, errors on \
         the others. A kernel matrix of finitely many images leaves out the tail of the spectrum: predictions at small ridges are \
         somewhat too low.",
        10 * plan.each,
        plan.samples
    ));
    page.plot(pictures.plot("Images", "features"));
    page.section("C. How close to interpolation the best fit is")
        .table(ratio_table(&ratios))
        .plot(ratio_plot()?);
    let statement = "with the best ridge more random features and more samples never hurt, as two scalar equations predict; \
                     tasks of power laws with little noise want near-interpolation"
        .to_owned();
    let numbers = serde_json::json!({
        "findings": findings, "features": features, "samples": samples, "images": pictures, "fitting_ratios": ratios,
    });
    Ok(Claim { statement, holds, page, numbers })
}

fn findings(
    features: &Family,
    samples: &Family,
    pictures: &Family,
    ratios: &[(&str, [f64; 4])],
) -> Vec<Finding> {
    let apart = findings::largest([features, samples].map(Family::apart));
    let range = |family: &Family| {
        let end = |value: Option<&f64>| format::number(value.copied().unwrap_or(f64::NAN), 3);
        format!("{} to {}", end(family.best.first()), end(family.best.last()))
    };
    let (clean, noisy) = (ratios.iter().map(|(_, r)| r[0]), ratios.iter().map(|(_, r)| r[3]));
    let (clean, noisy) = (clean.fold(0.0, f64::max), noisy.fold(1.0, f64::min));
    vec![
        Finding::new(
            "with the best ridge the test error falls with every feature and every sample",
            "never rises (theorem 1)",
            format!("{} over the features, {} over the samples", range(features), range(samples)),
            features.falls() && samples.falls(),
        ),
        Finding::new(
            "errors of Gaussian features are within 15 % of the theory",
            "lines through points (figures)",
            format!("{} at most", format::percent(apart)),
            apart < 0.15,
        ),
        Finding::new(
            "errors of ReLU features of images are within 20 % of the theory",
            "lines through points, CIFAR-10 (figures)",
            format!("{} at most", format::percent(pictures.apart())),
            pictures.apart() < 0.2,
        ),
        Finding::new(
            "without added noise the best fit of the measured power laws nearly interpolates, with much noise it does not",
            "fitting ratio near 0 and near 1",
            format!("at most {clean:.3} without noise, at least {noisy:.2} with 50 times the error"),
            ratios.iter().all(|(_, ratios)| ratios[0] < 0.05 && 0.5 < ratios[3]),
        ),
    ]
}

/// Theory and simulation over a count, which gives samples and features.
fn gaussian(plan: &Plan, task: &Task, sizes: impl Fn(usize) -> (usize, usize), rng: &Rng) -> Result<Family> {
    let one = |count: usize, trial: usize| {
        let (n, k) = sizes(count);
        simulate(task, n, k, &mut rng.fork_index("count", count).fork_index("trial", trial))
    };
    Family::measure(task, (&plan.counts, plan.trials), &sizes, one)
}

/// Test errors for all ridges of k Gaussian features fitted to n Gaussian inputs, exactly over new inputs.
fn simulate(task: &Task, n: usize, k: usize, rng: &mut Rng) -> Result<[f64; RIDGES.len()]> {
    let (values, modes) = (task.eigenvalues(), task.eigenvalues().len());
    let inputs = Mat::from_fn(n, modes, |_, _| rng.normal_f64());
    let mixing = Mat::from_fn(modes, k, |i, _| (values[i] / k as f64).sqrt() * rng.normal_f64());
    let features = multiply(inputs.as_ref(), mixing.as_ref());
    let target = Mat::from_fn(modes, 1, |i, _| task.energies()[i].sqrt());
    let clean = multiply(inputs.as_ref(), target.as_ref());
    let y = Mat::from_fn(n, 1, |i, _| clean[(i, 0)] + NOISE.sqrt() * rng.normal_f64());
    let regression =
        KernelRegression::new(multiply(features.as_ref(), features.transpose()).as_ref(), y.as_ref())?;
    let mut errors = [0.0; RIDGES.len()];
    for (error, ridge) in errors.iter_mut().zip(RIDGES) {
        let dual = regression.predicted(regression.vectors(), &regression.ridge(ridge)?);
        let found = multiply(mixing.as_ref(), multiply(features.transpose(), dual.as_ref()).as_ref());
        *error = (&found - &target).squared_norm_l2() + NOISE;
    }
    Ok(errors)
}

/// ReLU features of images, five classes against five.
fn pictures(plan: &Plan, images: &Images, rng: &Rng) -> Result<Family> {
    let chosen = images.of_each_class(plan.each);
    let mut order: Vec<usize> = (0..chosen.labels.len()).collect();
    rng.fork("order").shuffle(&mut order);
    let x = unit_rows(&chosen, &order);
    let sign = |row: usize| if chosen.labels[row].is_multiple_of(2) { 1.0 } else { -1.0 };
    let y = Mat::from_fn(order.len(), 1, |i, _| sign(order[i]));
    let kernel = arc_cosine(&multiply(x.as_ref(), x.transpose()));
    let task = Task::from_samples(&KernelRegression::new(kernel.as_ref(), y.as_ref())?, 0.0)?;
    let one = |width: usize, trial: usize| {
        let rng = rng.fork_index("width", width).fork_index("trial", trial);
        fit_features(&x, &y, (plan.samples, width), rng)
    };
    Family::measure(&task, (&plan.widths, plan.trials), |width| (plan.samples, width), one)
}

/// Errors on the images that a fit to some of them does not see, for all ridges.
fn fit_features(
    x: &Mat<f64>,
    y: &Mat<f64>,
    (samples, width): (usize, usize),
    rng: Rng,
) -> Result<[f64; RIDGES.len()]> {
    let (mut weights, mut order) = (rng.fork("weights"), (0..x.nrows()).collect::<Vec<_>>());
    rng.fork("split").shuffle(&mut order);
    let directions = Mat::from_fn(x.ncols(), width, |_, _| weights.normal_f64());
    let scale = (2.0 / width as f64).sqrt();
    let features = multiply(x.as_ref(), directions.as_ref()).map(|value| scale * value.max(0.0));
    let (fitted, judged) = order.split_at(samples.min(order.len()));
    let rows = |of: &Mat<f64>, rows: &[usize]| Mat::from_fn(rows.len(), of.ncols(), |i, j| of[(rows[i], j)]);
    let (inputs, others) = (rows(&features, fitted), rows(&features, judged));
    let kernel = multiply(inputs.as_ref(), inputs.transpose());
    let regression = KernelRegression::new(kernel.as_ref(), rows(y, fitted).as_ref())?;
    let rotated = regression.rotated(multiply(others.as_ref(), inputs.transpose()).as_ref())?;
    let targets = rows(y, judged);
    let mut errors = [0.0; RIDGES.len()];
    for (error, ridge) in errors.iter_mut().zip(RIDGES) {
        let found = regression.predicted(rotated.as_ref(), &regression.ridge(ridge)?);
        *error = (found - &targets).squared_norm_l2() / judged.len() as f64;
    }
    Ok(errors)
}

/// Images as rows of length 1.
fn unit_rows(images: &Images, order: &[usize]) -> Mat<f64> {
    let raw = images.matrix(order);
    let lengths: Vec<f64> = (0..raw.nrows()).map(|i| raw.row(i).norm_l2()).collect();
    Mat::from_fn(raw.nrows(), raw.ncols(), |i, j| raw[(i, j)] / lengths[i])
}

/// The kernel of infinitely many ReLU features √2·(w·x)⁺ of inputs of length 1: (sin φ + (π − φ)·cos φ) / π, φ their angle.
fn arc_cosine(inner: &Mat<f64>) -> Mat<f64> {
    inner.map(|&cosine| {
        let cosine = cosine.clamp(-1.0, 1.0);
        let angle = cosine.acos();
        (angle.sin() + (PI - angle) * cosine) / PI
    })
}

fn ratio_table(ratios: &[(&str, [f64; 4])]) -> Table {
    let mut columns = vec![Column::text("Exponents of")];
    columns.extend(RELATIVE.map(|noise| Column::number(format!("noise {noise}"))));
    let caption =
        "Training over test error of the best fit; noise in units of the test error without noise and ridge";
    let mut table = Table::new(columns).caption(caption);
    for (name, ratios) in ratios {
        table.row([Cell::text(*name)].into_iter().chain(ratios.map(|ratio| Cell::fixed(ratio, 3))));
    }
    table
}

fn ratio_plot() -> Result<Lines> {
    let title = "Test error over that of interpolation, CIFAR-10's exponents";
    let mut plot =
        Lines::new(title, Axis::linear("training over test error"), Axis::log("test error / interpolation"));
    let (_, a, b) = MEASURED[0];
    for noise in RELATIVE {
        let law = PowerLaw::new(a, b, noise)?;
        let points =
            (0..99).map(|i| f64::from(i) / 100.0).map(|ratio| (ratio, law.relative_error(ratio.sqrt())));
        plot = plot.series(Series::new(format!("noise {noise}"), points));
    }
    Ok(plot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let mut rng = Rng::new(1);
        let images = Images {
            pixels: (0..60 * 5).map(|_| rng.normal()).collect(),
            width: 5,
            labels: (0..60).map(|i| i % 10).collect(),
        };
        let plan = Plan {
            modes: 60,
            fixed: 16,
            counts: vec![8, 24],
            trials: 2,
            each: 5,
            samples: 20,
            widths: vec![10, 30],
        };
        let claim = measure(&plan, &images, &mut |_| {}).unwrap();
        assert_eq!(claim.numbers["features"]["curves"].as_array().unwrap().len(), 3);
        assert_eq!(claim.numbers["findings"][0]["holds"], true);
    }
}
