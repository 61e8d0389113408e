//! Measurements that are single entries: cost and adjoint in proportion to their number.

use super::{Adjoint, Measure, Pass, Respond, adjoint::Weighted};
use crate::{Error, Result, recovery::pattern::Lines};
use faer::MatRef;
use rayon::prelude::*;
use std::sync::Arc;

/// Entries at m places.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    rows: usize,
    columns: usize,
    places: Vec<(usize, usize)>,
    lines: Arc<[Lines<u32>; 2]>,
}

impl Sampled {
    /// Checks and keeps places (row, column).
    ///
    /// # Errors
    /// When there is none, or one is outside the sizes, or a size is 0 or beyond 32 bits.
    pub fn new(rows: usize, columns: usize, places: Vec<(usize, usize)>) -> Result<Self> {
        if places.is_empty() {
            return Err(Error::Empty { what: "places" });
        }
        let indexed = places.iter().zip(0..).map(|(&(row, column), index)| (row, column, index));
        let lines = Arc::new(Lines::both(rows, columns, indexed)?);
        Ok(Self { rows, columns, places, lines })
    }
}

impl Measure for Sampled {
    fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    fn count(&self) -> usize {
        self.places.len()
    }

    fn gain(&self) -> f64 {
        self.places.len() as f64 / (self.rows * self.columns) as f64
    }

    fn pass(&self, left: MatRef<'_, f64>, right: MatRef<'_, f64>, respond: &Respond<'_>) -> Pass {
        let entry = |&(i, j): &(usize, usize)| -> f64 {
            (0..left.ncols()).map(|c| left[(i, c)] * right[(j, c)]).sum()
        };
        let values: Vec<f64> = self.places.par_iter().map(entry).collect();
        let weights = values.par_iter().enumerate().map(|(i, &value)| respond(i, value)).collect();
        Pass { values, adjoint: Adjoint::Sparse(Weighted::new(Arc::clone(&self.lines), weights)) }
    }
}
