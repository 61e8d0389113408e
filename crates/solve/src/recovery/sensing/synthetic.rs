//! Problems with a known answer.

use super::{Measure, Sensing};
use crate::Result;
use crate::check::{fits, positive, within};
use crate::recovery::{orthonormal, spectrum};
use faer::Mat;
use rankine_linalg::double::multiply;
use rankine_random::Rng;
use std::sync::Arc;

/// A matrix to be planted, and how its measurements are disturbed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planted {
    /// Its rank.
    pub rank: usize,
    /// Its largest singular value, 1, over its smallest; those between are in equal ratios.
    pub condition: f64,
    /// Columns of the factors that are sought.
    pub bound: usize,
    /// What is added to the measurements.
    pub noise: Noise,
    /// Seed of matrix and noise.
    pub seed: u64,
}

/// What is added to measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// Nothing.
    None,
    /// Normal numbers at a share of the measurements, chosen one by one.
    Outliers {
        /// Probability of a measurement to be disturbed.
        share: f64,
        /// Of the disturbance.
        deviation: f64,
    },
    /// Normal numbers at all measurements.
    Gaussian {
        /// Of the disturbance.
        deviation: f64,
    },
}

/// A planted matrix with its problem.
#[derive(Clone, Debug)]
pub struct Plant {
    /// M; [rows, columns].
    pub truth: Mat<f64>,
    /// The problem that hides it.
    pub problem: Sensing,
}

impl Planted {
    /// A positive semidefinite matrix in front of a square operator.
    ///
    /// # Errors
    /// When the operator is not square, or a setting is outside its range.
    pub fn positive(&self, operator: Arc<dyn Measure>) -> Result<Plant> {
        let (rows, columns) = operator.shape();
        if rows != columns {
            return Err(crate::Error::NotSquare { rows, columns });
        }
        self.check(rows)?;
        let vectors = orthonormal(rows, self.rank, self.rng().fork("left"));
        self.plant(operator, &vectors, &vectors)
    }

    /// A matrix in front of any operator.
    ///
    /// # Errors
    /// When a setting is outside its range.
    pub fn rectangular(&self, operator: Arc<dyn Measure>) -> Result<Plant> {
        let (rows, columns) = operator.shape();
        self.check(rows.min(columns))?;
        let left = orthonormal(rows, self.rank, self.rng().fork("left"));
        let right = orthonormal(columns, self.rank, self.rng().fork("right"));
        self.plant(operator, &left, &right)
    }

    fn rng(&self) -> Rng {
        Rng::new(self.seed).fork("recovery/planted")
    }

    fn check(&self, side: usize) -> Result<()> {
        fits("rank", self.rank, 1, side)?;
        within("condition", self.condition, 1.0 <= self.condition, "a finite number of at least 1")?;
        match self.noise {
            Noise::None => Ok(()),
            Noise::Gaussian { deviation } => positive("deviation", deviation),
            Noise::Outliers { share, deviation } => {
                within("share", share, (0.0..=1.0).contains(&share), "from 0 to 1")?;
                positive("deviation", deviation)
            }
        }
    }

    fn plant(&self, operator: Arc<dyn Measure>, left: &Mat<f64>, right: &Mat<f64>) -> Result<Plant> {
        let values = spectrum(self.rank, self.condition);
        let scaled = Mat::from_fn(left.nrows(), self.rank, |i, c| left[(i, c)] * values[c]);
        let mut measured = operator.pass(scaled.as_ref(), right.as_ref(), &|_, _| 0.0).values;
        self.disturb(&mut measured);
        let truth = multiply(scaled.as_ref(), right.transpose());
        Ok(Plant { truth, problem: Sensing::new(operator, measured, self.bound)? })
    }

    fn disturb(&self, measured: &mut [f64]) {
        let mut rng = self.rng().fork("noise");
        for y in measured {
            match self.noise {
                Noise::None => {}
                Noise::Gaussian { deviation } => *y += deviation * rng.normal_f64(),
                Noise::Outliers { share, deviation } => {
                    // Both are drawn, so that another share disturbs the same measurements alike.
                    let (hit, disturbance) = (rng.uniform_f64() < share, deviation * rng.normal_f64());
                    *y += if hit { disturbance } else { 0.0 };
                }
            }
        }
    }
}
