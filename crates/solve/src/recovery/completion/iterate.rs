//! What the solvers of completion keep between steps: factors by rows, and the best of them.

use super::{Completion, Entries};
use crate::recovery::Factors;
use crate::recovery::pattern::Lines;
use crate::recovery::subspace::Products;
use crate::recovery::vectors::{CHUNK, Vectors};
use crate::vectors::dot;
use crate::{Pulse, Result, Step};
use faer::Mat;
use rankine_linalg::double::Triples;
use rankine_random::Rng;
use rayon::prelude::*;

/// Steps without progress that are borne, and what progress is.
const PATIENCE: usize = 5;
const PROGRESS: f64 = 1e-4;

/// Rounds of the subspace iteration of a spectral start: it need not be exact.
const ROUNDS: usize = 8;

/// An iterate.
#[derive(Clone, Debug)]
pub struct Iterand {
    /// L; [rows, k].
    pub(super) left: Vectors,
    /// R; [columns, k].
    pub(super) right: Vectors,
    /// The smallest residual at which progress was seen, and steps since.
    best: f64,
    since: usize,
    /// The iterate of the smallest residual with what was measured there, where entries are set aside to tell it.
    kept: Option<([f64; 2], Vectors, Vectors)>,
}

impl Iterand {
    pub(super) fn new(left: Vectors, right: Vectors) -> Self {
        Self { left, right, best: f64::INFINITY, since: 0, kept: None }
    }

    /// From the solution of a problem alike.
    pub(super) fn from(problem: &Completion, from: &Factors) -> Result<Self> {
        let (entries, rank) = (problem.entries(), problem.rank());
        from.check(entries.rows(), entries.columns(), rank)?;
        Ok(Self::new(Vectors::of(from.left.as_ref()), Vectors::of(from.right.as_ref())))
    }

    /// From the leading triples of known entries over their share, half the values on each side.
    pub(super) fn spectral(entries: &Entries, rank: usize, rng: Rng, pulse: &Pulse<'_>) -> Result<Self> {
        let Triples { u, s, v } = spectral(entries, rank, rng, pulse)?;
        let area = entries.rows() as f64 * entries.columns() as f64;
        let share = entries.count() as f64 / area;
        let part = |vectors: &Mat<f64>| {
            let scaled = Mat::from_fn(vectors.nrows(), rank, |i, c| vectors[(i, c)] * (s[c] / share).sqrt());
            Vectors::of(scaled.as_ref())
        };
        Ok(Self::new(part(&u), part(&v)))
    }

    /// The factors as they are now.
    pub fn factors(&self) -> Factors {
        Factors { left: self.left.matrix(), right: self.right.matrix() }
    }

    /// The factors that are the solution.
    pub(super) fn finish(self) -> Factors {
        match self.kept {
            Some((_, left, right)) => Factors { left: left.matrix(), right: right.matrix() },
            None => self.factors(),
        }
    }

    /// Objective and residual at the iterate.
    pub(super) fn measure(&mut self, problem: &Completion) -> Step {
        let squares = apart(&problem.entries().by_row, &self.left, &self.right);
        self.judge(problem, squares)
    }

    /// The same where Σ (M − L·Rᵀ)² over the known entries has been found on the way.
    pub(super) fn judge(&mut self, problem: &Completion, squares: f64) -> Step {
        let entries = problem.entries();
        let penalty = match problem.ridge() {
            0.0 => 0.0,
            ridge => ridge * (weight(&entries.by_row, &self.left) + weight(&entries.by_column, &self.right)),
        };
        let objective = (squares + penalty) / entries.count() as f64;
        let (apart, whole) = match problem.validation() {
            Some(held) => (apart(&held.by_row, &self.left, &self.right), held.squares()),
            None => (squares, entries.squares()),
        };
        let whole = if whole > 0.0 { whole } else { entries.count() as f64 };
        let residual = (apart / whole).sqrt();
        if residual < (1.0 - PROGRESS) * self.best {
            (self.best, self.since) = (residual, 0);
        } else {
            self.since += 1;
        }
        let better = self.kept.as_ref().is_none_or(|(least, ..)| residual < least[1]);
        if problem.validation().is_some() && better && residual.is_finite() {
            self.kept = Some(([objective, residual], self.left.clone(), self.right.clone()));
        }
        let best = self.kept.as_ref().map(|(least, ..)| *least);
        Step { objective, residual, stalled: PATIENCE <= self.since, best }
    }
}

/// The leading triples of the known entries, zeros elsewhere.
pub(super) fn spectral(entries: &Entries, rank: usize, rng: Rng, pulse: &Pulse<'_>) -> Result<Triples> {
    Products {
        rows: entries.rows(),
        columns: entries.columns(),
        times: &|thin| entries.by_row.times(&|value| value, &Vectors::of(thin)).matrix(),
        transposed: &|thin| entries.by_column.times(&|value| value, &Vectors::of(thin)).matrix(),
    }
    .leading(rank, ROUNDS, rng, &|| pulse.beats())
}

/// Σ (M − L·Rᵀ)² over entries.
fn apart(lines: &Lines<f64>, left: &Vectors, right: &Vectors) -> f64 {
    let line = |index: usize| -> f64 {
        let (own, (others, values)) = (left.row(index), lines.line(index));
        let apart = |(&other, &value): (&u32, &f64)| value - dot(own, right.row(other as usize));
        others.iter().zip(values).map(|place| apart(place).powi(2)).sum()
    };
    in_chunks(lines.len(), line)
}

/// Σ_i |Ω^i|·‖l_i‖².
fn weight(lines: &Lines<f64>, vectors: &Vectors) -> f64 {
    in_chunks(lines.len(), |index| {
        let own = vectors.row(index);
        lines.line(index).0.len() as f64 * dot(own, own)
    })
}

/// Σ of lines, by threads, in an order of its own.
fn in_chunks(count: usize, line: impl Fn(usize) -> f64 + Sync) -> f64 {
    let chunk = |chunk: usize| (chunk * CHUNK..count.min((chunk + 1) * CHUNK)).map(&line).sum::<f64>();
    let sums: Vec<f64> = (0..count.div_ceil(CHUNK)).into_par_iter().map(chunk).collect();
    sums.iter().sum()
}
