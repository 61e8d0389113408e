//! y = (x − m) / √(v + ε) ∘ w + b, channel by channel of x: [n, c, h, w]
//!
//! A network that is trained from nothing takes m and v from the batch at hand. One that was read from a file keeps those of
//! its file, in training too: what a method adapts stands on a fixed base.
//!
//! Departure: torch averages m and v in passing while it trains, and what it ends with depends on the last hundred steps
//! and belongs to the state of the training. Here they are counted in a pass over the data after it ([`Statistics::Batch`],
//! [`BatchNorm2d::settle`]): exactly, by Σ (v + m²), and the training has no state but its weights.

use crate::{Error, Parameter, Result};
use rankine_tensor::{Tensor, ops};
use std::sync::{Mutex, PoisonError};

/// Batch norm of maps.
pub struct BatchNorm2d {
    /// Factors; [c].
    pub weight: Parameter,
    /// The added vector; [c].
    pub bias: Parameter,
    /// ε.
    pub epsilon: f32,
    /// m and v.
    pub statistics: Statistics,
}

/// Where mean and variance come from.
#[derive(Debug)]
pub enum Statistics {
    /// From the batch at hand; they are counted, image by image.
    Batch(Seen),
    /// From before.
    Kept {
        /// m; [c].
        mean: Box<Tensor>,
        /// v; [c].
        variance: Box<Tensor>,
    },
}

impl Default for Statistics {
    fn default() -> Self {
        Self::Batch(Seen::default())
    }
}

/// What passed since the count began.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Sums>);

#[derive(Debug, Default)]
struct Sums {
    images: f64,
    /// Σ m and Σ (v + m²), each batch as often as it has images; [c].
    moments: Vec<[f64; 2]>,
}

impl BatchNorm2d {
    /// y for x: [n, c, h, w]; [n, c, h, w].
    ///
    /// # Errors
    /// When x has other channels, or a batch that gives the statistics is empty.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Some([factor, shift]) = self.folded()? {
            let sides = [1, factor.elements(), 1, 1];
            return Ok(x.mul(&factor.reshape(&sides)?)?.add(&shift.reshape(&sides)?)?);
        }
        let (weight, bias) = (self.weight.weight.dense()?, self.bias.weight.dense()?);
        let (y, moments) = ops::batch_norm(x, &weight, &bias, self.epsilon)?;
        if let Statistics::Batch(seen) = &self.statistics {
            seen.count(x.shape()[0], &moments);
        }
        Ok(y)
    }

    /// Factor and shift of every channel where the statistics are kept: y = factor ∘ x + shift; [c] each.
    pub fn folded(&self) -> Result<Option<[Tensor; 2]>> {
        let Statistics::Kept { mean, variance } = &self.statistics else { return Ok(None) };
        let inverse = variance.shift(self.epsilon).sqrt().recip();
        let factor = self.weight.weight.dense()?.mul(&inverse)?;
        let shift = self.bias.weight.dense()?.sub(&mean.mul(&factor)?)?;
        Ok(Some([factor, shift]))
    }

    /// Keeps the statistics of what passed, from now on; those that are kept already stay.
    ///
    /// # Errors
    /// [`Error::Setting`] when nothing passed.
    pub fn settle(&mut self) -> Result<()> {
        let Statistics::Batch(seen) = &self.statistics else { return Ok(()) };
        let sums = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sums.images == 0.0 {
            let (expected, found) = ("one batch or more", "none".to_owned());
            return Err(Error::Setting { name: "statistics", expected, found });
        }
        let means = sums.moments.iter().map(|moments| moments.map(|sum| sum / sums.images));
        let (mean, variance): (Vec<f32>, Vec<f32>) =
            means.map(|[mean, square]| (mean as f32, (square - mean * mean).max(0.0) as f32)).unzip();
        drop(sums);
        let channels = [mean.len()];
        self.statistics = Statistics::Kept {
            mean: Box::new(Tensor::new(mean, &channels)?),
            variance: Box::new(Tensor::new(variance, &channels)?),
        };
        Ok(())
    }

    /// Its parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        [&self.weight, &self.bias].into_iter()
    }

    /// The same, to change them.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        [&mut self.weight, &mut self.bias].into_iter()
    }
}

impl Seen {
    fn count(&self, images: usize, moments: &[[f32; 2]]) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let images = images as f64;
        sums.images += images;
        sums.moments.resize(moments.len(), [0.0; 2]);
        for ([mean, square], moments) in sums.moments.iter_mut().zip(moments) {
            let [m, v] = moments.map(f64::from);
            *mean += images * m;
            *square += images * (v + m * m);
        }
    }
}
