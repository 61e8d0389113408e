//! Where the leading left singular vectors of a changed matrix lie among those of the matrix before.
//!
//!     W₀ = U₀·diag(s₀)·V₀ᵀ,  W = U·diag(s)·Vᵀ        W₀, W: [rows, columns]
//!     c_j = max_i |⟨u_j, u₀_i⟩|        inside_j = ‖U₀ᵀ·u_j‖
//!
//! Singular vectors of equal singular values are any basis of what they span: neighbours in s₀ that are within [`GAP`] of each
//! other count as one i, and |⟨u_j, u₀_i⟩| is the length of the projection on their span. Triples whose singular value is no
//! more than rounding are none, of W₀ or of W.
//! Paper: [intruder] §3. Both decompositions are those of f64, the triples of W by the certified iteration where that is the
//! shorter way: cosines are right to some 1e-6, as the vectors of W are rounded to f32.

use crate::dense::{self, Factors};
use crate::{Error, Result, Svd, Truncation, truncated};
use faer::Mat;
use std::ops::Range;

/// Relative distance of singular values below which their vectors are not told apart.
const GAP: f64 = 1e-4;

/// Singular values below this share of the largest are what rounding to f32 leaves.
const ROUNDING: f64 = 1e-6;

/// Where leading left singular vectors lie among those of another matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// Largest cosine with a left vector of the matrix before; one of each triple that is more than rounding.
    pub cosines: Vec<f64>,
    /// Which left vector of the matrix before that is, counted from 0.
    pub nearest: Vec<usize>,
    /// Length of the projection on all left vectors of the matrix before: 1 where these span the space.
    pub inside: Vec<f64>,
    /// |⟨u_j, u₀_i⟩| for the first vectors of both; rows are those of the changed matrix.
    pub similarity: Vec<Vec<f64>>,
}

/// The `top` leading triples of `after`, or all of them, and where they lie among those of `before`; both are row-major
/// [rows, columns]. Costs O(rows · columns · min(rows, columns)) in f64.
///
/// # Errors
/// As [`crate::svd`], and when `top` is 0.
pub fn alignment(
    before: &[f32],
    after: &[f32],
    rows: usize,
    columns: usize,
    top: usize,
) -> Result<(Svd, Alignment)> {
    dense::check(before, rows, columns)?;
    let limit = rows.min(columns);
    if top == 0 {
        return Err(Error::Rank { rank: top, limit, rows, columns });
    }
    let leading = truncated(after, rows, columns, top.min(limit), Truncation::Exact)?;
    let Factors { u, s, .. } = dense::thin_svd(dense::widen(before, rows, columns).as_ref())?;
    let clusters = clusters(&s[..significant(s.iter().copied())]);
    let examined = significant(leading.s.iter().map(|&s| f64::from(s)));
    let vectors = Mat::from_fn(rows, examined, |row, j| f64::from(leading.u[row * leading.rank + j]));
    let products = dense::multiply(u.transpose(), vectors.as_ref());
    let mut alignment = Alignment {
        cosines: Vec::with_capacity(examined),
        nearest: Vec::with_capacity(examined),
        inside: Vec::with_capacity(examined),
        similarity: Vec::with_capacity(examined),
    };
    for j in 0..examined {
        let product = |i: usize| products[(i, j)].abs();
        let length = |range: Range<usize>| range.map(|i| product(i).powi(2)).sum::<f64>().sqrt();
        let (mut cosine, mut nearest) = (0.0, 0);
        for cluster in &clusters {
            let found = length(cluster.clone());
            if cosine < found {
                let largest = cluster.clone().max_by(|&x, &y| product(x).total_cmp(&product(y)));
                (cosine, nearest) = (found, largest.unwrap_or(cluster.start));
            }
        }
        alignment.cosines.push(cosine.min(1.0));
        alignment.nearest.push(nearest);
        alignment.inside.push(length(0..clusters.last().map_or(0, |last| last.end)).min(1.0));
        alignment.similarity.push((0..top.min(limit)).map(product).collect());
    }
    Ok((leading, alignment))
}

impl Alignment {
    /// The triples among the first `top` that are nearly orthogonal to everything that was there: c_j < epsilon.
    pub fn intruders(&self, epsilon: f64, top: usize) -> Vec<usize> {
        let cosines = self.cosines.iter().take(top).enumerate();
        cosines.filter(|&(_, &cosine)| cosine < epsilon).map(|(j, _)| j).collect()
    }
}

/// How many of descending singular values are more than rounding.
fn significant(s: impl Iterator<Item = f64> + Clone) -> usize {
    let limit = s.clone().next().unwrap_or(0.0) * ROUNDING;
    s.take_while(|&s| limit < s).count()
}

/// Neighbours whose singular values are not told apart.
fn clusters(s: &[f64]) -> Vec<Range<usize>> {
    let mut clusters: Vec<Range<usize>> = Vec::new();
    let mut above = f64::INFINITY;
    for (i, &s) in s.iter().enumerate() {
        match clusters.last_mut() {
            Some(last) if above - s < GAP * above => last.end = i + 1,
            _ => clusters.push(i..i + 1),
        }
        above = s;
    }
    clusters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined_and_rounding_is_left_out() {
        let s = [3.0, 2.0, 2.0 - 1e-5, 2.0 - 2e-5, 1.0, 1e-9];
        assert_eq!(significant(s.into_iter()), 5);
        assert_eq!(clusters(&s[..5]), [0..1, 1..4, 4..5]);
        assert_eq!((significant([0.0, 0.0].into_iter()), clusters(&[]).len()), (0, 0));
        assert_eq!(significant([2.0, 1.0].into_iter()), 2);
    }
}
