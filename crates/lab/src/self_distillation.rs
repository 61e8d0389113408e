//! [self_distillation]: without the truth distillation shrinks to nothing, with any of it to ridge regression.
//!
//! A. The toy of the paper, eleven points of a noisy sine: errors step by step against the released numbers. B. Kernel ridge
//! regression on images of Fashion-MNIST with a fifth of the labels wrong and a ridge that is deliberately small: error on clean
//! images over the steps for several weights of the truth, the chain of best weights, and ridge regression with the best λ.
//!
//! Departure: the paper's second half, distillation of convolutional networks, is not run here.

mod toy;

use crate::{
    Claim, Experiment, Images, Materials, Result, Scale,
    findings::{self, Finding},
};
use rankine_linalg::multiply;
use rankine_random::Rng;
use rankine_report::{Axis, Level, Lines, Page, Series, Style, format};
use rankine_solve::Mat;
use rankine_solve::theory::kernel::KernelRegression;
use rankine_solve::theory::self_distillation::{coefficients, limit, mean_squared, optimal_chain};
use toy::Toy;

/// What self-distillation of kernel ridge regression ends at.
#[derive(Clone, Copy, Debug, Default)]
pub struct SelfDistillationExperiment;

impl Experiment for SelfDistillationExperiment {
    fn paper(&self) -> &'static str {
        "self_distillation"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        watch("reading images");
        let [train, test] =
            ["train", "t10k"].map(|part| Images::fashion_mnist(&materials.fashion_mnist, part));
        measure(&Plan::of(scale), &train?, &test?, watch)
    }
}

/// What is tried on images.
struct Plan {
    /// Training images of every class; the same number is for validation.
    each: usize,
    /// Test images of every class.
    tests: usize,
    /// λ.
    ridge: f64,
    steps: usize,
    seeds: u64,
}

impl Plan {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Quick => Self { each: 40, tests: 50, ridge: 5e-2, steps: 40, seeds: 1 },
            Scale::Full => Self { each: 200, tests: 200, ridge: 5e-2, steps: 40, seeds: 3 },
        }
    }
}

/// Weights of the truth.
const TRUTHS: [f64; 5] = [0.0, 0.1, 0.35, 0.6, 1.0];
/// Share of the labels that are drawn anew.
const WRONG: f64 = 0.2;

/// Errors of steps with the same weight of the truth, and where they end.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Path {
    truth: f64,
    errors: Vec<f64>,
    limit: f64,
}

/// A kernel regression with data to judge it by.
struct Case {
    regression: KernelRegression,
    /// K_x·V of the judging inputs.
    rotated: Mat<f64>,
    targets: Mat<f64>,
}

impl Case {
    fn error(&self, coefficients: &[f64]) -> f64 {
        mean_squared(
            self.regression.predicted(self.rotated.as_ref(), coefficients).as_ref(),
            self.targets.as_ref(),
        )
    }

    /// The first step fits the truth; from the second on it has the weight `truth`.
    fn path(&self, ridge: f64, truth: f64, steps: usize) -> Result<Path> {
        let d = self.regression.eigenvalues();
        let (mut b, mut errors) = (vec![1.0; d.len()], Vec::with_capacity(steps));
        for step in 0..steps {
            let c = coefficients(d, ridge, if step == 0 { 1.0 } else { truth }, &b)?;
            errors.push(self.error(&c));
            b = d.iter().zip(&c).map(|(d, c)| d * c).collect();
        }
        let end = coefficients(d, ridge, truth, &limit(d, ridge, truth)?)?;
        Ok(Path { truth, errors, limit: self.error(&end) })
    }

    /// The best λ of a grid, and its error.
    fn best_ridge(&self) -> Result<(f64, f64)> {
        let mut best = (f64::NAN, f64::INFINITY);
        for step in 0..=80 {
            let ridge = 10f64.powf(-4.0 + 0.1 * f64::from(step));
            let error = self.error(&self.regression.ridge(ridge)?);
            if error < best.1 {
                best = (ridge, error);
            }
        }
        Ok(best)
    }
}

fn measure(plan: &Plan, train: &Images, test: &Images, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
    let toy = Toy::measure()?;
    let mut runs = Vec::new();
    for seed in 0..plan.seeds {
        watch(&format!("images, seed {seed}"));
        runs.push(Pictures::measure(plan, train, test, &Rng::new(22).fork_index("seed", seed as usize))?);
    }
    let mut findings = toy.findings();
    findings.extend(image_findings(&runs));
    let holds = findings::hold(&findings);
    let mut page = Page::new("Self-distillation in kernel regression");
    page.lead(
        "A model that is trained on its own predictions again and again shrinks to nothing; mixed with the true targets it \
         settles at ridge regression with a stronger ridge.",
    );
    page.section("Claims").table(findings::table(&findings));
    toy.show(&mut page);
    runs.iter().for_each(|run| run.show(plan, &mut page));
    let statement =
        "self-distillation without true targets over-regularises; with them it converges to ridge regression with λ/α"
            .to_owned();
    let numbers = serde_json::json!({ "findings": findings, "toy": toy, "images": runs });
    Ok(Claim { statement, holds, page, numbers })
}

/// Images with wrong labels.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Pictures {
    paths: Vec<Path>,
    /// The weights that are best on validation images, in [0, 1], and errors on test images.
    chain: Vec<(f64, f64)>,
    /// λ of the least error on test images, and that error.
    best_ridge: (f64, f64),
}

impl Pictures {
    fn measure(plan: &Plan, train: &Images, test: &Images, rng: &Rng) -> Result<Self> {
        let chosen = train.of_each_class(2 * plan.each);
        let mut order: Vec<usize> = (0..chosen.labels.len()).collect();
        rng.fork("order").shuffle(&mut order);
        let (fitted, validated) = order.split_at(order.len() / 2);
        let judged = test.of_each_class(plan.tests);
        let all: Vec<usize> = (0..judged.labels.len()).collect();
        let inputs = chosen.matrix(fitted);
        let noisy = labels(&chosen, fitted, Some(&mut rng.fork("labels")));
        let regression = KernelRegression::new(kernel(&inputs, &inputs).as_ref(), noisy.as_ref())?;
        let case = |images: &Images, rows: &[usize], targets| -> Result<Case> {
            let rotated = regression.rotated(kernel(&images.matrix(rows), &inputs).as_ref())?;
            Ok(Case { regression: regression.clone(), rotated, targets })
        };
        // Validation labels are as noisy as those of training.
        let wrong = labels(&chosen, validated, Some(&mut rng.fork("validation")));
        let validation = case(&chosen, validated, wrong)?;
        let testing = case(&judged, &all, labels(&judged, &all, None))?;
        let path = |truth| testing.path(plan.ridge, truth, plan.steps);
        let paths = TRUTHS.into_iter().map(path).collect::<Result<_>>()?;
        let data = (validation.rotated.as_ref(), validation.targets.as_ref());
        let links = optimal_chain(&regression, data, plan.ridge, plan.steps, 0.0..=1.0)?;
        let (d, mut before, mut chain) =
            (regression.eigenvalues(), vec![1.0; regression.eigenvalues().len()], vec![]);
        for link in links {
            chain.push((link.truth, testing.error(&coefficients(d, plan.ridge, link.truth, &before)?)));
            before = link.shrinkage;
        }
        Ok(Self { paths, chain, best_ridge: testing.best_ridge()? })
    }

    /// Errors of a weight of the truth.
    fn errors(&self, truth: f64) -> &[f64] {
        self.paths.iter().find(|path| path.truth == truth).map_or(&[], |path| &path.errors)
    }

    fn least(&self, truth: f64) -> f64 {
        self.errors(truth).iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn last(&self, truth: f64) -> f64 {
        self.errors(truth).last().copied().unwrap_or(f64::NAN)
    }

    fn chained(&self) -> f64 {
        self.chain.iter().map(|(_, error)| *error).fold(f64::INFINITY, f64::min)
    }

    fn show(&self, plan: &Plan, page: &mut Page) {
        page.section("B. Images with wrong labels").text(format!(
            "{} images of every class of Fashion-MNIST, a fifth of the labels drawn anew, a Gaussian kernel, λ = {}: one \
             decomposition gives all steps, weights and ridges. Errors are those to the clean one-hot labels of test images.",
            plan.each, plan.ridge,
        ));
        let chain = self.chain.iter().enumerate().map(|(step, (_, error))| (step as f64 + 1.0, *error));
        let title = "Mean squared error on test images";
        page.plot(curves(title, &self.paths).series(Series::new("best weights", chain).style(Style::Marked)));
        let weights: Vec<String> =
            self.chain.iter().skip(1).map(|(truth, _)| format::number(*truth, 2)).collect();
        page.note(
            Level::Note,
            format!(
                "weights of the truth that are best on validation images, from the second step on: {}; the best ridge alone, \
                 λ = {}, has the error {}",
                weights.join(", "),
                format::number(self.best_ridge.0, 2),
                format::number(self.best_ridge.1, 4),
            ),
        );
    }
}

fn image_findings(runs: &[Pictures]) -> Vec<Finding> {
    let mean = |of: &dyn Fn(&Pictures) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
    let four = |value: f64| format::number(value, 4);
    let (first, least, last) = (
        mean(&|run| run.errors(0.0).first().copied().unwrap_or(f64::NAN)),
        mean(&|run| run.least(0.0)),
        mean(&|run| run.last(0.0)),
    );
    let (chained, ridge) = (mean(&Pictures::chained), mean(&|run| run.best_ridge.1));
    vec![
        Finding::new(
            "where the ridge is too small distillation without the truth first helps, then harms",
            "a valley over the steps",
            format!("{} at first, {} at best, {} at the end", four(first), four(least), four(last)),
            least < 0.99 * first && 1.01 * least < last,
        ),
        Finding::new(
            "the chain of best weights is at least as good as every fixed weight at its best step, within 2 %",
            "close to the best of a grid",
            format!(
                "{} against {}",
                four(chained),
                TRUTHS
                    .map(|truth| format!("{} (α = {truth})", four(mean(&|run| run.least(truth)))))
                    .join(", ")
            ),
            TRUTHS.iter().all(|&truth| chained <= 1.02 * mean(&|run| run.least(truth))),
        ),
        Finding::new(
            "no step is better than ridge regression with the best λ by more than 5 %",
            "the limit is ridge regression",
            format!("{} against {}", four(chained), four(ridge)),
            0.95 * ridge <= chained
                && TRUTHS.iter().all(|&truth| 0.95 * ridge <= mean(&|run| run.least(truth))),
        ),
    ]
}

/// exp(−‖x − y‖² / width), rows of images.
fn kernel(left: &Mat<f64>, right: &Mat<f64>) -> Mat<f64> {
    let squares =
        |points: &Mat<f64>| (0..points.nrows()).map(|i| points.row(i).squared_norm_l2()).collect::<Vec<_>>();
    let (of_left, of_right) = (squares(left), squares(right));
    let inner = multiply(left.as_ref(), right.transpose());
    let width = left.ncols() as f64 / 2.0;
    Mat::from_fn(left.nrows(), right.nrows(), |i, j| {
        (-(of_left[i] + of_right[j] - 2.0 * inner[(i, j)]).max(0.0) / width).exp()
    })
}

/// One-hot labels, a share of them drawn anew where there is noise.
fn labels(images: &Images, rows: &[usize], mut noise: Option<&mut Rng>) -> Mat<f64> {
    let classes = images.labels.iter().max().map_or(1, |&label| label as usize + 1);
    let mut targets = Mat::zeros(rows.len(), classes);
    for (place, &row) in rows.iter().enumerate() {
        let drawn = noise.as_mut().and_then(|rng| (rng.uniform_f64() < WRONG).then(|| rng.below(classes)));
        targets[(place, drawn.unwrap_or(images.labels[row] as usize))] = 1.0;
    }
    targets
}

fn curves(title: &str, paths: &[Path]) -> Lines {
    let mut plot = Lines::new(title, Axis::linear("step"), Axis::linear("mean squared error"));
    for Path { truth, errors, .. } in paths {
        let points = errors.iter().enumerate().map(|(step, &error)| (step as f64 + 1.0, error));
        plot = plot.series(Series::new(format!("α = {truth}"), points));
    }
    plot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let mut rng = Rng::new(1);
        let mut images = || Images {
            pixels: (0..60 * 5).map(|i| rng.normal() + (i / 5 % 3) as f32).collect(),
            width: 5,
            labels: (0..60).map(|i| i % 3).collect(),
        };
        let (train, test) = (images(), images());
        let plan = Plan { each: 8, tests: 10, ridge: 1e-2, steps: 5, seeds: 2 };
        let claim = measure(&plan, &train, &test, &mut |_| {}).unwrap();
        assert_eq!(claim.numbers["images"].as_array().unwrap().len(), 2);
        assert_eq!(claim.numbers["findings"][0]["holds"], true);
        assert!(claim.page.html().contains("Eleven points"));
    }
}
