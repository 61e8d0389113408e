//! Images of Fashion-MNIST from a part of their pixels: a matrix that is of low rank only about.

use crate::{Images, Materials, Result, findings::Finding};
use rankine_random::Rng;
use rankine_report::{Axis, Bars, Page};
use rankine_solve::recovery::completion::{
    Completion, CompletionSolver, Entries, Entry, alternating::Alternating, soft_impute::SoftImpute,
};
use rankine_solve::{Error, Silent, Stop};

/// Share of the pixels that are shown, and of the others that are judged by.
const SHOWN: f64 = 0.2;
const JUDGED: f64 = 0.1;

/// λ; the damping of biases.
const RIDGE: f64 = 0.05;
const DAMPING: f64 = 5.0;

/// Pixels that are shown, and pixels that are to be found.
pub(super) struct Pixels {
    shown: Entries,
    hidden: Entries,
}

/// Root mean square errors of the hidden pixels, in standard deviations of a pixel.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Found {
    images: usize,
    rank: usize,
    /// The mean of image and pixel.
    means: f64,
    alternating: f64,
    soft_impute: f64,
}

impl Pixels {
    /// Of some images of every class.
    pub(super) fn read(materials: &Materials<'_>, each: usize) -> Result<Self> {
        let images = Images::fashion_mnist(&materials.fashion_mnist, "train")?.of_each_class(each);
        let value = |row: usize, column: usize| f64::from(images.pixels[row * images.width + column]);
        Ok(Self::chosen(images.labels.len(), images.width, value)?)
    }

    fn chosen(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Result<Self, Error> {
        let mut rng = Rng::new(1).fork("robust_completion/pixels");
        let (mut shown, mut hidden) = (Vec::new(), Vec::new());
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let entry = Entry { row, column, value: value(row, column) };
            match rng.uniform_f64() {
                place if place < SHOWN => shown.push(entry),
                place if place < SHOWN + JUDGED => hidden.push(entry),
                _ => {}
            }
        }
        let entries = |list: &[Entry]| Entries::new(rows, columns, list);
        Ok(Self { shown: entries(&shown)?, hidden: entries(&hidden)? })
    }

    /// A product instead of images.
    #[cfg(test)]
    pub(super) fn planted() -> Self {
        Self::chosen(60, 50, |row, column| (1.0 + row as f64 / 60.0) * (column as f64 / 10.0).sin()).unwrap()
    }

    pub(super) fn complete(&self, rank: usize, watch: &mut dyn FnMut(&str)) -> Result<Found> {
        watch("completing images");
        let problem = Completion::new(self.shown.clone(), rank, RIDGE)?.centred(DAMPING)?;
        let means = self.hidden.rmse(|i, j| problem.biases().map_or(0.0, |biases| biases.predict(i, j)));
        let stopping = problem.clone().validated(0.05, 1)?;
        let error = |choice: CompletionSolver| -> Result<f64> {
            let stop = Stop { steps: 60, tolerance: 1e-6 };
            let report = choice.solver().solve(&stopping, None, stop, &mut Silent::watch)?;
            Ok(problem.holdout_rmse(&report.solution, &self.hidden))
        };
        let alternating = error(CompletionSolver::Alternating(Alternating::default()))?;
        let soft_impute = error(CompletionSolver::SoftImpute(SoftImpute::default()))?;
        Ok(Found { images: self.shown.rows(), rank, means, alternating, soft_impute })
    }
}

impl Found {
    pub(super) fn finding(&self) -> Finding {
        Finding::new(
            format!(
                "hidden pixels of {} images are found nearer than by means, from {:.0} % of them",
                self.images,
                100.0 * SHOWN
            ),
            "no experiments",
            format!("{:.3} against {:.3} standard deviations", self.alternating, self.means),
            self.alternating < self.means,
        )
    }

    pub(super) fn show(&self, page: &mut Page) {
        page.section("Images of Fashion-MNIST").text(format!(
            "{} images of 784 pixels, {:.0} % of them shown, biases of images and pixels taken out, k = {}, λ = {RIDGE}. Solvers \
             stop by 5 % of the shown pixels.",
            self.images,
            100.0 * SHOWN,
            self.rank,
        ));
        let title = "Root mean square error of hidden pixels";
        let bars = Bars::new(title, Axis::linear("standard deviations"));
        let bars = bars.bar("means", self.means).bar("alternating", self.alternating);
        page.plot(bars.bar("soft-impute", self.soft_impute));
    }
}
