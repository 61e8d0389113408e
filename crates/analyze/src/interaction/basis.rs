//! Coordinates of a layer: f̂ = (f − f̄)·C and back, f − f̄ = f̂·C⁺.
//!
//!     C⁺·C = 1        C: [d, h]  C⁺: [h, d]

use super::degeneracy::rank;
use rankine_linalg::double::{Mat, MatRef, multiply};
use rankine_linalg::{Eigen, Result, eigh};

/// How the directions of a layer are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coordinates {
    /// By how much they influence the outputs.
    #[default]
    Interaction,
    /// By how much they influence the features of the next layer.
    Local,
    /// By their variance.
    Principal,
    /// The units themselves, by their variance.
    Neurons,
}

/// Coordinates of a layer, the most important first.
#[derive(Clone, Debug, PartialEq)]
pub struct Basis {
    /// What each matters: Λ of an interaction basis, else a variance; descending, [h].
    pub importance: Vec<f64>,
    /// C; [d, h].
    pub forward: Mat<f64>,
    /// C⁺; [h, d].
    pub back: Mat<f64>,
}

impl Basis {
    /// Coordinates of activations with this covariance and these gradients, of the outputs or of the next layer; covariance and
    /// K: [d, d], both symmetric.
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn new(
        coordinates: Coordinates,
        (covariance, gradients): (&[f64], &[f64]),
        width: usize,
        tolerance: f64,
    ) -> Result<Self> {
        match coordinates {
            Coordinates::Interaction | Coordinates::Local => {
                Self::interaction((covariance, gradients), width, tolerance)
            }
            Coordinates::Principal => Self::principal(covariance, width, tolerance),
            Coordinates::Neurons => Ok(Self::neurons(covariance, width)),
        }
    }

    /// The interaction basis.
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn interaction(
        (covariance, gradients): (&[f64], &[f64]),
        width: usize,
        tolerance: f64,
    ) -> Result<Self> {
        let (variances, u) = leading(square(covariance, width).as_ref(), tolerance)?;
        let roots: Vec<f64> = variances.iter().map(|variance| variance.sqrt()).collect();
        // R = U·D^{−1/2} and R⁺ = D^{1/2}·Uᵀ.
        let whiten = Mat::from_fn(width, roots.len(), |i, j| u[(i, j)] / roots[j]);
        let unwhiten = Mat::from_fn(roots.len(), width, |i, j| u[(j, i)] * roots[i]);
        let image = multiply(unwhiten.as_ref(), square(gradients, width).as_ref());
        let (importance, v) = leading(multiply(image.as_ref(), unwhiten.transpose()).as_ref(), tolerance)?;
        let scales: Vec<f64> = importance.iter().map(|importance| importance.sqrt()).collect();
        let (c, back) = (multiply(whiten.as_ref(), v.as_ref()), multiply(v.transpose(), unwhiten.as_ref()));
        Ok(Self {
            forward: Mat::from_fn(width, scales.len(), |i, j| c[(i, j)] * scales[j]),
            back: Mat::from_fn(scales.len(), width, |i, j| back[(i, j)] / scales[i]),
            importance,
        })
    }

    /// Principal directions.
    ///
    /// # Errors
    /// When an entry is not finite.
    fn principal(covariance: &[f64], width: usize, tolerance: f64) -> Result<Self> {
        let (importance, forward) = leading(square(covariance, width).as_ref(), tolerance)?;
        Ok(Self { importance, back: forward.transpose().to_owned(), forward })
    }

    /// The units that vary.
    fn neurons(covariance: &[f64], width: usize) -> Self {
        let variance = |unit: usize| covariance[unit * width + unit];
        let mut units: Vec<usize> = (0..width).filter(|&unit| 0.0 < variance(unit)).collect();
        units.sort_by(|&one, &other| variance(other).total_cmp(&variance(one)));
        let is_chosen = |unit: usize, place: usize| f64::from(u8::from(units[place] == unit));
        Self {
            importance: units.iter().map(|&unit| variance(unit)).collect(),
            forward: Mat::from_fn(width, units.len(), is_chosen),
            back: Mat::from_fn(units.len(), width, |place, unit| is_chosen(unit, place)),
        }
    }

    /// h.
    pub fn dimension(&self) -> usize {
        self.importance.len()
    }

    /// The fewest leading directions with this share of all importance.
    pub fn energy(&self, share: f64) -> usize {
        let wanted = share * self.importance.iter().sum::<f64>();
        let mut sum = 0.0;
        let below = self.importance.iter().take_while(|&&importance| {
            let before = sum;
            sum += importance;
            before < wanted
        });
        below.count()
    }

    /// f̂ of the first `features`; f: [rows, d], f̄: [d] → [rows, features].
    pub fn features(&self, activations: &[f32], mean: &[f64], features: usize) -> Mat<f64> {
        let centred = centred(activations, mean);
        multiply(centred.as_ref(), self.forward.as_ref().subcols(0, features.min(self.dimension())))
    }

    /// Derivatives by the first `features` of something whose derivatives by f are given; [rows, d] → [rows, features].
    pub fn derivatives(&self, gradients: &[f32], features: usize) -> Mat<f64> {
        let gradients = centred(gradients, &vec![0.0; self.back.ncols()]);
        multiply(
            gradients.as_ref(),
            self.back.as_ref().subrows(0, features.min(self.dimension())).transpose(),
        )
    }

    /// Activations of which only the first `features` are left, f̄ + f̂·C⁺; f: [rows, d], f̄: [d] → [rows, d].
    pub fn truncated(&self, activations: &[f32], mean: &[f64], features: usize) -> Vec<f32> {
        let kept = self.features(activations, mean, features);
        let back = multiply(kept.as_ref(), self.back.as_ref().subrows(0, kept.ncols()));
        let rows = 0..back.nrows();
        rows.flat_map(|i| mean.iter().enumerate().map(move |(j, mean)| (i, j, mean)))
            .map(|(i, j, mean)| (back[(i, j)] + mean) as f32)
            .collect()
    }
}

/// Rows about a mean; [rows, d].
fn centred(rows: &[f32], mean: &[f64]) -> Mat<f64> {
    let width = mean.len();
    let count = rows.len().checked_div(width).unwrap_or(0);
    Mat::from_fn(count, width, |i, j| f64::from(rows[i * width + j]) - mean[j])
}

/// A row-major matrix; [d, d].
fn square(entries: &[f64], width: usize) -> Mat<f64> {
    Mat::from_fn(width, width, |i, j| entries[i * width + j])
}

/// Eigenvalues of a positive matrix above a share of the largest, descending, and their vectors; [r], [d, r].
fn leading(a: MatRef<'_, f64>, tolerance: f64) -> Result<(Vec<f64>, Mat<f64>)> {
    let width = a.nrows();
    if width == 0 {
        return Ok((Vec::new(), Mat::zeros(0, 0)));
    }
    let Eigen { mut values, vectors } = eigh(a)?;
    values.reverse();
    values.truncate(rank(&values, tolerance));
    let vectors = Mat::from_fn(width, values.len(), |i, j| vectors[(i, width - 1 - j)]);
    Ok((values, vectors))
}
