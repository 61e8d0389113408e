//! Sketches: random matrices S that are much wider than tall, so that S·A stands in for a tall A.
//!
//!     E[SᵀS] = 1                             S: [m, n]
//!     Gaussian     S_ij ~ N(0, 1/m)                          O(m·n) numbers a column, made anew block by block
//!     Sparse       s entries ±1/√s in every column           O(s·n) a column; s = 1 is Count-Sketch, more is OSNAP
//!     RowSample    row i of A with chance p_i, over √(m·p_i)  O(m) a column
//!
//! [`crate::Srht`] is the fourth. Results do not depend on the number of threads: columns, and panels of a fixed number of
//! rows, are worked on by themselves. Paper: [sketched_regression]; Clarkson and Woodruff 2013; Nelson and Nguyên 2013,
//! whose block construction spreads the s entries of a column over s ranges of rows.

use crate::choice::Weighted;
use crate::going::ask;
use crate::hadamard::signs;
use crate::{Error, Going, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, ColRef, Mat, MatRef, Par};
use rankine_random::Rng;
use rayon::prelude::*;

/// A random matrix that is drawn once and applied as often as wanted.
pub trait Sketch: Send + Sync {
    /// m.
    fn rows(&self) -> usize;

    /// n.
    fn columns(&self) -> usize;

    /// S·[A B …], the parts side by side; parts: [n, _].
    ///
    /// # Errors
    /// When a part has not n rows, or `going` stops it.
    fn apply(&self, parts: &[MatRef<'_, f64>], going: &Going<'_>) -> Result<Mat<f64>>;
}

/// The columns of matrices side by side.
///
/// # Errors
/// When one has not `rows` rows.
pub(crate) fn columns_of<'a>(parts: &[MatRef<'a, f64>], rows: usize) -> Result<Vec<ColRef<'a, f64>>> {
    if let Some(part) = parts.iter().find(|part| part.nrows() != rows) {
        return Err(Error::Rows { found: part.nrows(), expected: rows });
    }
    Ok(parts.iter().flat_map(|part| part.col_iter()).collect())
}

/// Copies a column into a slice of its length.
pub(crate) fn copy(column: ColRef<'_, f64>, target: &mut [f64]) {
    match column.try_as_col_major() {
        Some(column) => target.copy_from_slice(column.as_slice()),
        None => target.iter_mut().zip(column.iter()).for_each(|(target, &x)| *target = x),
    }
}

/// Whether a sketch has rows and columns.
fn sides(rows: usize, columns: usize) -> Result<()> {
    for (what, found) in [("the rows of a sketch", rows), ("the columns of a sketch", columns)] {
        if found == 0 {
            return Err(Error::Count { what, found, least: 1, most: usize::MAX });
        }
    }
    Ok(())
}

/// Independent normal entries.
#[derive(Clone, Debug)]
pub struct Gaussian {
    rows: usize,
    columns: usize,
    rng: Rng,
}

/// Rows of a panel that is worked on by itself, and columns that are drawn at a time: 2 MB of numbers.
const PANEL: [usize; 2] = [256, 1024];

impl Gaussian {
    /// One that takes `columns` entries to `rows`.
    ///
    /// # Errors
    /// When either is 0.
    pub fn new(columns: usize, rows: usize, rng: &Rng) -> Result<Self> {
        sides(rows, columns)?;
        Ok(Self { rows, columns, rng: rng.clone() })
    }

    /// Some rows of S·[A B …].
    fn panel(&self, parts: &[MatRef<'_, f64>], first: usize, going: &Going<'_>) -> Result<Mat<f64>> {
        let rows = PANEL[0].min(self.rows - first);
        let scale = (self.rows as f64).sqrt().recip();
        let mut panel = Mat::zeros(rows, parts.iter().map(|part| part.ncols()).sum());
        let rng = self.rng.fork_index("row", first);
        for start in (0..self.columns).step_by(PANEL[1]) {
            ask(going)?;
            let width = PANEL[1].min(self.columns - start);
            let mut rng = rng.fork_index("column", start);
            let drawn = Mat::from_fn(rows, width, |_, _| scale * rng.normal_f64());
            let mut at = 0;
            for part in parts {
                let target = panel.subcols_mut(at, part.ncols());
                matmul(target, Accum::Add, drawn.as_ref(), part.subrows(start, width), 1.0, Par::Seq);
                at += part.ncols();
            }
        }
        Ok(panel)
    }
}

impl Sketch for Gaussian {
    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn apply(&self, parts: &[MatRef<'_, f64>], going: &Going<'_>) -> Result<Mat<f64>> {
        let columns = columns_of(parts, self.columns)?.len();
        let starts: Vec<usize> = (0..self.rows).step_by(PANEL[0]).collect();
        let panels = starts.par_iter().map(|&first| self.panel(parts, first, going));
        let panels: Vec<Mat<f64>> = panels.collect::<Result<_>>()?;
        let mut sketched = Mat::zeros(self.rows, columns);
        for (&first, panel) in starts.iter().zip(&panels) {
            sketched.subrows_mut(first, panel.nrows()).copy_from(panel);
        }
        Ok(sketched)
    }
}

/// A few entries in every column.
#[derive(Clone, Debug)]
pub struct Sparse {
    rows: usize,
    /// s.
    nonzeros: usize,
    /// Rows of the entries, column by column; [n·s].
    places: Vec<u32>,
    /// The entries; [n·s].
    values: Vec<f64>,
}

impl Sparse {
    /// One that takes `columns` entries to `rows`, with `nonzeros` entries in a column: 1 is Count-Sketch.
    ///
    /// # Errors
    /// When a number is 0, `rows` does not fit 32 bits, or there are more nonzeros than rows.
    pub fn new(columns: usize, rows: usize, nonzeros: usize, rng: &Rng) -> Result<Self> {
        sides(rows, columns)?;
        let most = rows.min(u32::MAX as usize);
        if nonzeros == 0 || most < nonzeros {
            return Err(Error::Count { what: "the nonzeros of a column", found: nonzeros, least: 1, most });
        }
        if most < rows {
            return Err(Error::Count { what: "the rows of a sketch", found: rows, least: 1, most });
        }
        let mut places = Vec::with_capacity(columns * nonzeros);
        let mut drawn = rng.fork("places");
        for _ in 0..columns {
            for part in 0..nonzeros {
                let (from, to) = (part * rows / nonzeros, (part + 1) * rows / nonzeros);
                places.push((from + drawn.below(to - from)) as u32);
            }
        }
        let scale = (nonzeros as f64).sqrt().recip();
        let values = signs(places.len(), &rng.fork("signs")).into_iter().map(|sign| sign * scale).collect();
        Ok(Self { rows, nonzeros, places, values })
    }

    /// Adds the images of entries of a column to `target`; [m].
    fn scatter<'a>(&self, column: impl Iterator<Item = &'a f64>, target: &mut [f64]) {
        let entries = self.places.chunks_exact(self.nonzeros).zip(self.values.chunks_exact(self.nonzeros));
        for (x, (places, values)) in column.zip(entries) {
            for (&place, value) in places.iter().zip(values) {
                target[place as usize] += value * x;
            }
        }
    }
}

impl Sketch for Sparse {
    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.places.len() / self.nonzeros
    }

    fn apply(&self, parts: &[MatRef<'_, f64>], going: &Going<'_>) -> Result<Mat<f64>> {
        let columns = columns_of(parts, self.columns())?;
        let mut sketched = Mat::zeros(self.rows, columns.len());
        let targets = sketched.par_col_iter_mut().zip(columns);
        targets.try_for_each_init(Vec::new, |buffer, (mut target, column)| {
            ask(going)?;
            buffer.clear();
            buffer.resize(self.rows, 0.0);
            match column.try_as_col_major() {
                Some(column) => self.scatter(column.as_slice().iter(), buffer),
                None => self.scatter(column.iter(), buffer),
            }
            target.copy_from(ColRef::from_slice(buffer));
            Ok::<_, Error>(())
        })?;
        Ok(sketched)
    }
}

/// Rows of A themselves, drawn with repetition.
#[derive(Clone, Debug)]
pub struct RowSample {
    columns: usize,
    /// The rows drawn; [m].
    picked: Vec<usize>,
    /// 1/√(m·p); [m].
    factors: Vec<f64>,
}

impl RowSample {
    /// `rows` rows drawn in proportion to `scores`: all alike for a uniform sample, or [`crate::leverage_scores`]; [n].
    ///
    /// # Errors
    /// When `rows` is 0, a score is negative or not finite, or all are zero.
    pub fn new(scores: &[f64], rows: usize, rng: &Rng) -> Result<Self> {
        sides(rows, scores.len())?;
        let (weighted, mut rng) = (Weighted::new(scores)?, rng.fork("rows"));
        let picked: Vec<usize> = (0..rows).map(|_| weighted.draw(&mut rng)).collect();
        let factor = |&row: &usize| (weighted.total() / (rows as f64 * scores[row])).sqrt();
        Ok(Self { columns: scores.len(), factors: picked.iter().map(factor).collect(), picked })
    }
}

impl Sketch for RowSample {
    fn rows(&self) -> usize {
        self.picked.len()
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn apply(&self, parts: &[MatRef<'_, f64>], _: &Going<'_>) -> Result<Mat<f64>> {
        let columns = columns_of(parts, self.columns)?;
        Ok(Mat::from_fn(self.picked.len(), columns.len(), |row, column| {
            self.factors[row] * columns[column][self.picked[row]]
        }))
    }
}
