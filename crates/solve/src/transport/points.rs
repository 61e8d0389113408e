//! Costs between the points of two clouds.
//!
//! Nothing but the cost and, for the cosine, the lengths of the points is held. Squares of differences are summed as they
//! are, O(n·m·d), and not by way of products, so that points close to each other keep all digits.

use crate::{Error, Result};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How far apart two points are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Σ (x − y)².
    #[default]
    SqEuclidean,
    /// √Σ (x − y)².
    Euclidean,
    /// Σ |x − y|.
    CityBlock,
    /// 1 − x·y / (‖x‖·‖y‖).
    Cosine,
}

/// Cost between the rows of two matrices; source: [n, d], target: [m, d], cost: [n, m].
///
/// # Errors
/// When the points are of different dimensions, an entry is not finite, or a point without direction meets the cosine.
pub fn cost(source: MatRef<'_, f64>, target: MatRef<'_, f64>, metric: Metric) -> Result<Mat<f64>> {
    let (found, expected) = (target.ncols(), source.ncols());
    if found != expected {
        let (what, unit, reason) = ("target", "coordinates", "the source has so many");
        return Err(Error::Size { what, unit, found, expected, reason });
    }
    crate::check::finite_matrix("source", source)?;
    crate::check::finite_matrix("target", target)?;
    let mut cost = Mat::zeros(source.nrows(), target.nrows());
    let lengths = match metric {
        Metric::Cosine => Some((lengths("source", source)?, lengths("target", target)?)),
        _ => None,
    };
    cost.par_col_iter_mut().enumerate().for_each(|(j, mut column)| {
        for axis in 0..expected {
            let y = target[(j, axis)];
            let pairs = column.as_mut().iter_mut().zip(source.col(axis).iter());
            match metric {
                Metric::SqEuclidean | Metric::Euclidean => pairs.for_each(|(c, x)| *c += (x - y) * (x - y)),
                Metric::CityBlock => pairs.for_each(|(c, x)| *c += (x - y).abs()),
                Metric::Cosine => pairs.for_each(|(c, x)| *c += x * y),
            }
        }
        match (&lengths, metric) {
            (Some((x, y)), _) => column
                .iter_mut()
                .zip(x)
                .for_each(|(c, x): (&mut f64, &f64)| *c = (1.0 - *c / (x * y[j])).max(0.0)),
            (None, Metric::Euclidean) => column.iter_mut().for_each(|c: &mut f64| *c = c.sqrt()),
            (None, _) => {}
        }
    });
    Ok(cost)
}

/// ‖x‖ of every point; [points].
fn lengths(what: &'static str, points: MatRef<'_, f64>) -> Result<Vec<f64>> {
    let lengths: Vec<f64> = points.row_iter().map(|point| point.norm_l2()).collect();
    match lengths.iter().position(|&length| length == 0.0) {
        Some(index) => Err(Error::NoDirection { what, index }),
        None => Ok(lengths),
    }
}
