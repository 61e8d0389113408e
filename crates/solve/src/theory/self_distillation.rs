//! Self-distillation of kernel ridge regression: all its steps and its limit from one spectrum.
//!
//!     step τ fits α·Y + (1 − α)·Ŷ^(τ−1), Ŷ^(0) = Y, with ridge λ        Ŷ^(τ) = V · diag(b^(τ)) · Vᵀ · Y
//!     a = d / (d + λ)        b^(0) = 1        b^(τ) = a·(α + (1 − α)·b^(τ−1))
//!     b^(τ) = α·a·(1 − ((1 − α)·a)^τ) / (1 − (1 − α)·a) + ((1 − α)·a)^τ  →  α·d / (α·d + λ)
//!
//! α: weight of the ground truth; d: eigenvalues of the kernel matrix. Without ground truth (α = 0) everything shrinks to 0; any
//! α above 0 ends at ridge regression with λ / α. λ is not divided by n.
//! The best α of a step, for squared error on validation data, is a projection: with g₁ the predictions of the fit to Y and g₀
//! those of the fit to the last step's values, α* = ⟨y − g₀, g₁ − g₀⟩ / ‖g₁ − g₀‖², which may leave [0, 1].
//! Paper: [self_distillation] §3.

use super::kernel::KernelRegression;
use crate::check::{not_negative, positive, within};
use crate::{Error, Result};
use faer::{Mat, MatRef};
use std::ops::RangeInclusive;

/// b after a number of steps with the same α.
///
/// # Errors
/// When λ is not above 0, α not in [0, 1], or an eigenvalue negative or not finite.
pub fn shrinkage(eigenvalues: &[f64], ridge: f64, truth: f64, steps: usize) -> Result<Vec<f64>> {
    check(eigenvalues, ridge, truth)?;
    let after = |&d: &f64| {
        let a = d / (d + ridge);
        let kept = (1.0 - truth) * a;
        let power = kept.powf(steps as f64);
        truth * a * (1.0 - power) / (1.0 - kept) + power
    };
    Ok(eigenvalues.iter().map(after).collect())
}

/// b after infinitely many steps.
///
/// # Errors
/// As [`shrinkage`].
pub fn limit(eigenvalues: &[f64], ridge: f64, truth: f64) -> Result<Vec<f64>> {
    check(eigenvalues, ridge, truth)?;
    Ok(eigenvalues.iter().map(|&d| truth * d / (truth * d + ridge)).collect())
}

/// The factor by which a step comes closer to the limit, at least: (1 − α)·max a.
///
/// # Errors
/// As [`shrinkage`].
pub fn rate(eigenvalues: &[f64], ridge: f64, truth: f64) -> Result<f64> {
    check(eigenvalues, ridge, truth)?;
    Ok((1.0 - truth) * eigenvalues.iter().map(|&d| d / (d + ridge)).fold(0.0, f64::max))
}

/// c of the step after b: (α + (1 − α)·b) / (d + λ), with which new inputs are predicted; b^(τ) = d·c. α may leave [0, 1].
///
/// # Errors
/// When λ is not above 0.
pub fn coefficients(eigenvalues: &[f64], ridge: f64, truth: f64, before: &[f64]) -> Result<Vec<f64>> {
    positive("ridge", ridge)?;
    Ok(eigenvalues.iter().zip(before).map(|(d, b)| (truth + (1.0 - truth) * b) / (d + ridge)).collect())
}

/// α* from validation targets and the predictions of the fits to the truth and to the teacher, all [m, q]; NaN where the two are
/// the same.
pub fn optimal_truth(targets: MatRef<'_, f64>, truth: MatRef<'_, f64>, teacher: MatRef<'_, f64>) -> f64 {
    let (mut along, mut length) = (0.0, 0.0);
    for ((y, one), zero) in targets.col_iter().zip(truth.col_iter()).zip(teacher.col_iter()) {
        for ((y, one), zero) in y.iter().zip(one.iter()).zip(zero.iter()) {
            along += (y - zero) * (one - zero);
            length += (one - zero).powi(2);
        }
    }
    along / length
}

/// One step of a chain in which every step has its best α.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// α*, which may leave [0, 1]; 1 of the first step, which has no teacher.
    pub raw: f64,
    /// The α that was taken.
    pub truth: f64,
    /// Mean squared error on the validation data.
    pub error: f64,
    /// b after the step; [n].
    pub shrinkage: Vec<f64>,
}

/// A chain of steps, each with the α of an interval that is best on validation data: `rotated` is K_x·V of their inputs,
/// `targets` is [m, q]. Each costs one product.
///
/// # Errors
/// When λ is not above 0 or sizes do not agree.
pub fn optimal_chain(
    regression: &KernelRegression,
    (rotated, targets): (MatRef<'_, f64>, MatRef<'_, f64>),
    ridge: f64,
    steps: usize,
    interval: RangeInclusive<f64>,
) -> Result<Vec<Link>> {
    let outputs = regression.projections().ncols();
    for (what, unit, found, expected) in [
        ("the validation targets", "rows", targets.nrows(), rotated.nrows()),
        ("the validation targets", "columns", targets.ncols(), outputs),
    ] {
        if found != expected {
            let reason = "the validation inputs and the training targets say so";
            return Err(Error::Size { what, unit, found, expected, reason });
        }
    }
    let d = regression.eigenvalues();
    let mut b = vec![1.0; d.len()];
    let first = regression.predicted(rotated, &coefficients(d, ridge, 1.0, &b)?);
    let mut chain = Vec::with_capacity(steps);
    for step in 0..steps {
        let teacher = regression.predicted(rotated, &coefficients(d, ridge, 0.0, &b)?);
        // The first teacher is the truth itself; so is one that has not changed.
        let best = optimal_truth(targets, first.as_ref(), teacher.as_ref());
        let raw = if step == 0 || best.is_nan() { 1.0 } else { best };
        let truth = raw.clamp(*interval.start(), *interval.end());
        let predicted = Mat::from_fn(targets.nrows(), outputs, |row, output| {
            truth * first[(row, output)] + (1.0 - truth) * teacher[(row, output)]
        });
        let error = mean_squared(predicted.as_ref(), targets);
        b = d.iter().zip(coefficients(d, ridge, truth, &b)?).map(|(d, c)| d * c).collect();
        chain.push(Link { raw, truth, error, shrinkage: b.clone() });
    }
    Ok(chain)
}

/// Mean squared difference over all entries.
pub fn mean_squared(found: MatRef<'_, f64>, targets: MatRef<'_, f64>) -> f64 {
    (found - targets).squared_norm_l2() / (targets.nrows() * targets.ncols()) as f64
}

fn check(eigenvalues: &[f64], ridge: f64, truth: f64) -> Result<()> {
    eigenvalues.iter().try_for_each(|&value| not_negative("eigenvalue", value))?;
    positive("ridge", ridge)?;
    within("truth", truth, (0.0..=1.0).contains(&truth), "from 0 to 1")
}
