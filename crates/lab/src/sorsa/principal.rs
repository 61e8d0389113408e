//! The principal part of a weight after training: [sorsa]'s condition number and its ΔΣ and ΔD.
//!
//!     κ = σ₁/σ_r of the trained part
//!     ΔΣ = mean_j |σ_j − σ_j⁰|,   ΔD = 1 − ½·mean_j(|⟨u_j, u_j⁰⟩| + |⟨v_j, v_j⁰⟩|)        of the whole weight, j ≤ r

use crate::{
    Result,
    transfer::{Finished, mean},
};
use rankine_linalg::{LowRank, Svd, Truncation, truncated};
use rankine_nn::{Kind, Model as _, Parameter};
use rankine_tensor::untaped;

/// One weight at the end of one run.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Principal {
    pub arm: String,
    pub seed: u64,
    pub path: String,
    /// κ of the pretrained weight's first r directions; `None` where the arm trains no part taken out of the weight.
    pub condition_before: Option<f64>,
    /// κ at the end.
    pub condition: Option<f64>,
    /// ΔΣ.
    pub values_change: f64,
    /// ΔD.
    pub directions_change: f64,
}

/// Of every hidden layer.
pub(super) fn of(finished: &Finished<'_>, rank: usize) -> Result<Vec<Principal>> {
    let before = finished.start.model()?;
    let linear = |parameter: &&Parameter| parameter.kind() == Kind::Linear;
    let pairs = before.parameters().into_iter().zip(finished.model.parameters());
    let pairs = pairs.filter(|(before, _)| linear(before));
    pairs.map(|(before, after)| compared(finished, (before, after), rank)).collect()
}

fn compared(
    finished: &Finished<'_>,
    (before, after): (&Parameter, &Parameter),
    rank: usize,
) -> Result<Principal> {
    let [old, new] = [top(before, rank)?, top(after, rank)?];
    let condition = condition(after)?;
    let changes: Vec<f64> = old.s.iter().zip(&new.s).map(|(old, new)| f64::from((old - new).abs())).collect();
    Ok(Principal {
        arm: finished.run.arm.clone(),
        seed: finished.run.seed,
        path: after.path().to_owned(),
        condition_before: condition.and_then(|_| ratio(&old.s)),
        condition,
        values_change: mean(&changes),
        directions_change: 1.0
            - (cosine(&left(&old), &left(&new), old.rows) + cosine(&old.vt, &new.vt, old.columns)) / 2.0,
    })
}

/// The first triples of a weight.
fn top(parameter: &Parameter, rank: usize) -> Result<Svd> {
    let weight = untaped(|| parameter.weight.dense())?;
    let [rows, columns] = weight.matrix("principal part")?;
    Ok(weight.read(|values| truncated(values, rows, columns, rank, Truncation::Exact))?)
}

/// κ of the part that was taken out of the weight and trained.
fn condition(parameter: &Parameter) -> Result<Option<f64>> {
    let Some((base, part)) = parameter.weight.residual() else {
        return Ok(None);
    };
    let [rows, columns] = base.matrix("principal part")?;
    let (rank, scale) = (part.rank, f64::from(part.scale));
    let values = LowRank { b: &part.b, a: &part.a, rows, columns, rank, scale }.singular_values()?;
    Ok(ratio(&values))
}

/// Of the largest to the smallest.
fn ratio(values: &[f32]) -> Option<f64> {
    Some(f64::from(*values.first()?) / f64::from(*values.last()?))
}

/// Left vectors, one a row.
fn left(svd: &Svd) -> Vec<f32> {
    let column = |k: usize| svd.u.iter().skip(k).step_by(svd.rank).copied();
    (0..svd.rank).flat_map(column).collect()
}

/// Mean |⟨x_j, y_j⟩| over rows of unit length.
fn cosine(x: &[f32], y: &[f32], length: usize) -> f64 {
    let dot = |(x, y): (&[f32], &[f32])| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>().abs();
    mean(&x.chunks_exact(length).zip(y.chunks_exact(length)).map(dot).collect::<Vec<_>>())
}

/// Paths of the weights, each once.
pub(super) fn paths(principals: &[Principal]) -> Vec<String> {
    let mut paths: Vec<String> = principals.iter().map(|part| part.path.clone()).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Mean over the seeds of something of one weight of an arm; NaN where there is nothing.
pub(super) fn mean_of(
    principals: &[Principal],
    (arm, path): (&str, &str),
    figure: impl Fn(&Principal) -> Option<f64>,
) -> f64 {
    let found = principals.iter().filter(|part| part.arm == arm && part.path == path);
    let values: Vec<f64> = found.filter_map(figure).collect();
    if values.is_empty() { f64::NAN } else { mean(&values) }
}
