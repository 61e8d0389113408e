//! The problem, its solution, and the checks of both.

use crate::check::within;
use crate::{Error, Result};
use faer::{Mat, MatRef, c64};
use rankine_linalg::kronecker_apply;

/// Magnitudes below this share of the largest do not count as part of the support, as in the released code.
const SUPPORT: f64 = 1e-3;

/// A problem of Kronecker recovery; see the module.
#[derive(Clone, Debug)]
pub struct KroneckerRecovery {
    factors: Vec<Mat<c64>>,
    observation: Vec<c64>,
    noise: Option<f64>,
}

/// What was recovered.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// x; [Π N_i].
    pub coefficients: Vec<c64>,
    /// Prior variances of every factor, 0 where an entry was given up; their outer product belongs to the coefficients. One
    /// vector for all of x from a solver that knows no factors, none from a pursuit.
    pub variances: Vec<Vec<f64>>,
    /// Variance of the noise, given or estimated; none from a pursuit.
    pub noise: Option<f64>,
}

impl KroneckerRecovery {
    /// Checks and keeps a problem: the factors A_i, [M_i, N_i] each, y, [Π M_i], and the variance of the noise where it is
    /// known.
    ///
    /// # Errors
    /// When there is no factor or one is empty, the sizes do not agree, an entry is not finite, or the noise is not above 0.
    pub fn new(factors: Vec<Mat<c64>>, observation: Vec<c64>, noise: Option<f64>) -> Result<Self> {
        if factors.is_empty() || factors.iter().any(|factor| factor.nrows() == 0 || factor.ncols() == 0) {
            return Err(Error::Empty { what: "a factor of the dictionary" });
        }
        let expected = factors.iter().map(Mat::nrows).product();
        if observation.len() != expected {
            let reason = "the rows of the factors have this product";
            let (what, unit, found) = ("the observation", "entries", observation.len());
            return Err(Error::Size { what, unit, found, expected, reason });
        }
        factors.iter().enumerate().try_for_each(|(place, factor)| finite_factor(place, factor.as_ref()))?;
        finite_vector("the observation", &observation)?;
        if let Some(noise) = noise {
            within("noise", noise, 0.0 < noise, "a finite number above 0; left out, it is estimated")?;
        }
        Ok(Self { factors, observation, noise })
    }

    /// The same of real numbers.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn real(factors: &[Mat<f64>], observation: &[f64], noise: Option<f64>) -> Result<Self> {
        let factors = factors.iter().map(|factor| factor.map(|&x| c64::from(x))).collect();
        Self::new(factors, observation.iter().map(|&x| c64::from(x)).collect(), noise)
    }

    /// A_1, …, A_d; [M_i, N_i].
    pub fn factors(&self) -> &[Mat<c64>] {
        &self.factors
    }

    /// y; [Π M_i].
    pub fn observation(&self) -> &[c64] {
        &self.observation
    }

    /// Variance of the noise, where it is known.
    pub fn noise(&self) -> Option<f64> {
        self.noise
    }

    /// How many numbers are looked for: Π N_i.
    pub fn unknowns(&self) -> usize {
        self.factors.iter().map(Mat::ncols).product()
    }

    /// H·x; [Π M_i].
    ///
    /// # Errors
    /// When x does not have Π N_i numbers.
    pub fn fitted(&self, coefficients: &[c64]) -> Result<Vec<c64>> {
        let views: Vec<_> = self.factors.iter().map(Mat::as_ref).collect();
        Ok(kronecker_apply(&views, coefficients)?)
    }

    /// A solution of the right size, to start from.
    ///
    /// # Errors
    /// When it is of another size.
    pub(super) fn fitting<'a>(&self, from: Option<&'a Recovered>) -> Result<Option<&'a Recovered>> {
        let (what, unit, expected) = ("the solution to start from", "coefficients", self.unknowns());
        let reason = "the columns of the factors have this product";
        match from {
            Some(from) if from.coefficients.len() != expected => {
                Err(Error::Size { what, unit, found: from.coefficients.len(), expected, reason })
            }
            _ => Ok(from),
        }
    }
}

impl Recovered {
    /// ‖x̂ − x‖² / ‖x‖²; NaN where x is 0 and recovered.
    pub fn relative_error(&self, truth: &[c64]) -> f64 {
        let apart: f64 = self.coefficients.iter().zip(truth).map(|(found, x)| (found - x).norm_sqr()).sum();
        apart / energy(truth)
    }

    /// Entries above a thousandth of the largest, ascending.
    pub fn support(&self) -> Vec<usize> {
        let magnitudes = self.coefficients.iter().map(|x| x.norm());
        let largest = magnitudes.clone().fold(0.0, f64::max);
        magnitudes.enumerate().filter(|(_, x)| SUPPORT * largest < *x).map(|(index, _)| index).collect()
    }

    /// |found ∩ true| / |found ∪ true| of the supports; 1 where both are empty.
    pub fn support_recovery(&self, truth: &[c64]) -> f64 {
        let found = self.support();
        let real = |index: &&usize| truth.get(**index).is_some_and(|x| 0.0 < x.norm_sqr());
        let shared = found.iter().filter(real).count();
        let all = found.len() + truth.iter().filter(|x| 0.0 < x.norm_sqr()).count() - shared;
        if all == 0 { 1.0 } else { shared as f64 / all as f64 }
    }
}

/// ‖v‖².
pub(super) fn energy(vector: &[c64]) -> f64 {
    vector.iter().map(|x| x.norm_sqr()).sum()
}

/// Where the entries of a smaller array stand in the whole, row after row: those of every axis that are left, and how many
/// there were.
pub(super) fn places<'a>(left: impl Iterator<Item = (&'a [usize], usize)>) -> Vec<usize> {
    left.fold(vec![0], |places, (kept, whole)| {
        places.iter().flat_map(|place| kept.iter().map(move |kept| place * whole + kept)).collect()
    })
}

/// Whether every entry of a factor is finite.
fn finite_factor(place: usize, factor: MatRef<'_, c64>) -> Result<()> {
    for (column, entries) in factor.col_iter().enumerate() {
        if let Some((row, x)) = entries.iter().enumerate().find(|(_, x)| !x.is_finite()) {
            let (what, index) = ("a factor of the dictionary", vec![place, row, column]);
            return Err(Error::NotFinite { what, index, value: culprit(*x) });
        }
    }
    Ok(())
}

/// Whether every entry is finite.
fn finite_vector(what: &'static str, vector: &[c64]) -> Result<()> {
    match vector.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        Some((index, x)) => Err(Error::NotFinite { what, index: vec![index], value: culprit(*x) }),
        None => Ok(()),
    }
}

/// The part that is not finite.
fn culprit(x: c64) -> f64 {
    if x.re.is_finite() { x.im } else { x.re }
}
