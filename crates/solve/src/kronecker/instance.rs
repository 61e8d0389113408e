//! Problems whose answer is known: dictionaries and coefficients drawn at random.

use super::KroneckerRecovery;
use super::problem::energy;
use crate::check::fits;
use crate::{Error, Result};
use faer::{Mat, c64};
use rankine_linalg::{kronecker_apply, outer};
use rankine_random::Rng;

/// A dictionary, a sparse vector, and what would be observed without noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// A_i; [M_i, N_i].
    pub factors: Vec<Mat<c64>>,
    /// x; [Π N_i].
    pub coefficients: Vec<c64>,
    /// The support of every factor, ascending; x is 0 outside of their product.
    pub supports: Vec<Vec<usize>>,
    /// H·x; [Π M_i].
    pub clean: Vec<c64>,
    /// Whether everything is real, the noise too.
    pub real: bool,
}

/// Real dictionaries and factors of x with standard normal entries, as in the paper's experiments.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// M_i.
    pub rows: Vec<usize>,
    /// N_i; as many.
    pub columns: Vec<usize>,
    /// Nonzeros of every factor of x.
    pub nonzeros: usize,
}

impl Default for Ensemble {
    /// The paper's sizes.
    fn default() -> Self {
        Self { rows: vec![8, 12, 15], columns: vec![15; 3], nonzeros: 3 }
    }
}

impl Ensemble {
    /// One instance.
    ///
    /// # Errors
    /// When there are not as many sizes of rows as of columns, or fewer columns than nonzeros.
    pub fn draw(&self, rng: &Rng) -> Result<Instance> {
        let (found, expected) = (self.columns.len(), self.rows.len());
        if found != expected {
            let reason = "there are so many sizes of rows";
            return Err(Error::Size {
                what: "the ensemble",
                unit: "sizes of columns",
                found,
                expected,
                reason,
            });
        }
        let most = self.columns.iter().copied().min().unwrap_or(0);
        fits("nonzeros", self.nonzeros, 0, most)?;
        let sizes = self.rows.iter().zip(&self.columns).enumerate();
        let factors = sizes.map(|(place, (&rows, &columns))| {
            let mut rng = rng.fork_index("factor", place);
            Mat::from_fn(rows, columns, |_, _| c64::from(rng.normal_f64()))
        });
        let drawn = self.columns.iter().enumerate().map(|(place, &columns)| {
            let mut rng = rng.fork_index("coefficients", place);
            let mut order: Vec<usize> = (0..columns).collect();
            rng.shuffle(&mut order);
            order.truncate(self.nonzeros);
            order.sort_unstable();
            let mut x = vec![c64::ZERO; columns];
            order.iter().for_each(|&index| x[index] = c64::from(rng.normal_f64()));
            (x, order)
        });
        let (parts, supports): (Vec<_>, Vec<_>) = drawn.unzip();
        let coefficients = outer(&parts);
        Instance::new(factors.collect(), coefficients, supports, true)
    }
}

impl Instance {
    pub(super) fn new(
        factors: Vec<Mat<c64>>,
        coefficients: Vec<c64>,
        supports: Vec<Vec<usize>>,
        real: bool,
    ) -> Result<Self> {
        let clean = kronecker_apply(&factors.iter().map(Mat::as_ref).collect::<Vec<_>>(), &coefficients)?;
        Ok(Self { factors, coefficients, supports, clean, real })
    }

    /// Variance of the noise at a ratio of signal to noise, in decibels of mean powers.
    pub fn noise(&self, decibels: f64) -> f64 {
        energy(&self.clean) / self.clean.len() as f64 / 10f64.powf(decibels / 10.0)
    }

    /// The problem with noise of a known variance.
    ///
    /// # Errors
    /// When the signal is 0 or the ratio not finite.
    pub fn noisy(&self, decibels: f64, rng: &Rng) -> Result<KroneckerRecovery> {
        let (noise, mut rng) = (self.noise(decibels), rng.fork("noise"));
        let mut draw = || match self.real {
            true => c64::from(noise.sqrt() * rng.normal_f64()),
            false => {
                let deviation = (noise / 2.0).sqrt();
                c64::new(deviation * rng.normal_f64(), deviation * rng.normal_f64())
            }
        };
        let observation = self.clean.iter().map(|y| y + draw()).collect();
        KroneckerRecovery::new(self.factors.clone(), observation, Some(noise))
    }
}
