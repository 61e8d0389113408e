//! The least-squares problems of one side: every line's vector, given those of the other side.
//!
//!     x = argmin Σ_t (b_t − ⟨a_t, x⟩)² + w²·‖B·x‖²        a_t: vectors at the known places of the line, b_t: entries there
//!
//! B: the bottom of the basis where there is a ridge; w² = places of the line / vectors of the other side. Conjugate gradients go
//! from the last solution on A itself (CGLS), 2·places·k multiply-adds a step, or on A·R⁻¹, R the triangle of a sketch of A with
//! c·k rows: places·k·log places + c·k³ more; normal equations cost places·k² + k³.

use crate::check::{at_least_one, within};
use crate::conjugate_gradient::Directions;
use crate::recovery::pattern::Lines;
use crate::recovery::vectors::{CHUNK, Vectors};
use crate::regression::triangle::Triangle;
use crate::vectors::{add, dot};
use crate::{Pulse, Result};
use faer::Mat;
use rankine_linalg::{Sketch as _, Srht, always, tall_triangle};
use rankine_random::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How exactly a line is solved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Regression {
    /// A number of steps of conjugate gradients, from the last solution: no floor under the error of the whole.
    Steps {
        /// Steps.
        count: usize,
        /// Steps in the first round, which has no solution to start from.
        first: usize,
    },
    /// Conjugate gradients from 0 until ‖Aᵀ(b − A·x)‖ ≤ epsilon·‖Aᵀb‖, as the theory has it: the error of the whole stays
    /// at about epsilon.
    Accuracy {
        /// Between 0 and 1.
        epsilon: f64,
    },
    /// The theory's own: a number of steps, from the last solution, in the basis that a Hadamard sketch of the line makes nearly
    /// orthonormal, so that each halves the error whatever the line. It pays where a line has far more than k² places; one with
    /// no more places than the sketch has rows is solved by all of them.
    Sketched {
        /// Steps in every round.
        count: usize,
        /// Rows of the sketch over k.
        oversampling: f64,
    },
    /// Normal equations.
    Exact,
}

impl Regression {
    /// [`Sketched`](Self::Sketched) by the page: 10 steps, which leave a thousandth of the error, and 4·k rows.
    pub const SKETCHED: Self = Self::Sketched { count: 10, oversampling: 4.0 };
}

/// What was done for one side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort {
    /// Σ (M − L·Rᵀ)² over the known entries.
    pub squares: f64,
    /// Multiply-adds.
    pub work: usize,
}

/// All lines of one side.
pub(super) struct Side<'a> {
    pub lines: &'a Lines<f64>,
    /// Orthonormal columns together with `bottom`; [vectors of the other side, k].
    pub basis: &'a Vectors,
    /// B; [k, k], or [0, k].
    pub bottom: &'a Vectors,
    /// Of the sketches.
    pub rng: Rng,
}

impl Regression {
    pub(super) fn check(&self) -> Result<()> {
        match *self {
            Self::Steps { count, first } => {
                at_least_one("count", count)?;
                at_least_one("first", first)
            }
            Self::Accuracy { epsilon } => {
                within("epsilon", epsilon, 0.0 < epsilon && epsilon < 1.0, "above 0 and below 1")
            }
            Self::Sketched { count, oversampling } => {
                at_least_one("count", count)?;
                within("oversampling", oversampling, 1.0 < oversampling, "a finite number above 1")
            }
            Self::Exact => Ok(()),
        }
    }

    /// Solves every line of a side from its vector in `moving`.
    ///
    /// # Errors
    /// When `pulse` stops.
    pub(super) fn solve(
        &self,
        side: &Side<'_>,
        moving: &mut Vectors,
        round: usize,
        pulse: &Pulse<'_>,
    ) -> Result<Effort> {
        let width = moving.width;
        let chunk = |(chunk, vectors): (usize, &mut [f64])| -> Result<Effort> {
            pulse.check()?;
            let mut effort = Effort::default();
            for (i, x) in vectors.chunks_mut(width).enumerate() {
                self.line(&side.line(chunk * CHUNK + i), x, round, &mut effort);
            }
            Ok(effort)
        };
        let efforts = moving.data.par_chunks_mut(CHUNK * width).enumerate().map(chunk);
        let efforts: Vec<Effort> = efforts.collect::<Result<_>>()?;
        Ok(efforts.iter().fold(Effort::default(), |sum, part| Effort {
            squares: sum.squares + part.squares,
            work: sum.work + part.work,
        }))
    }

    fn line(&self, line: &Line<'_>, x: &mut [f64], round: usize, effort: &mut Effort) {
        if line.values.is_empty() {
            return x.fill(0.0);
        }
        let products = match *self {
            Self::Steps { count, first } => {
                conjugate(line, x, (if round == 0 { first } else { count }, 0.0), None)
            }
            Self::Accuracy { epsilon } => {
                x.fill(0.0);
                conjugate(line, x, (LIMIT, epsilon), None)
            }
            Self::Sketched { count, oversampling } => match line.sketched(x.len(), oversampling, effort) {
                Some(basis) => conjugate(line, x, (count, 0.0), Some(&basis)),
                // Too few places, or some that say the same.
                None => {
                    effort.work += x.len().pow(3) / 6;
                    normal(line, x)
                }
            },
            Self::Exact => {
                effort.work += x.len().pow(3) / 6;
                normal(line, x)
            }
        };
        effort.work += products * line.rows() * x.len();
        effort.squares += line.apart(x)[..line.values.len()].iter().map(|r| r * r).sum::<f64>();
    }
}

/// Steps of conjugate gradients where an accuracy is asked for: more than any system with k ≤ 1000 takes.
const LIMIT: usize = 1000;

impl<'a> Side<'a> {
    fn line(&'a self, index: usize) -> Line<'a> {
        let (others, values) = self.lines.line(index);
        let weight = (others.len() as f64 / self.basis.count() as f64).sqrt();
        Line { side: self, index, others, values, weight }
    }
}

/// The system of one line.
struct Line<'a> {
    side: &'a Side<'a>,
    /// Its number.
    index: usize,
    others: &'a [u32],
    values: &'a [f64],
    /// w.
    weight: f64,
}

impl Line<'_> {
    /// Rows of A, those of the ridge included.
    fn rows(&self) -> usize {
        self.others.len() + self.side.bottom.count()
    }

    /// Every row of A as (factor, vector).
    fn each(&self) -> impl Iterator<Item = (f64, &[f64])> {
        let top = self.others.iter().map(|&other| (1.0, self.side.basis.row(other as usize)));
        top.chain((0..self.side.bottom.count()).map(|i| (self.weight, self.side.bottom.row(i))))
    }

    /// A·x; [rows].
    fn apply(&self, x: &[f64]) -> Vec<f64> {
        self.each().map(|(factor, a)| factor * dot(a, x)).collect()
    }

    /// Aᵀ·r; [k].
    fn back(&self, r: &[f64], sum: &mut [f64]) {
        sum.fill(0.0);
        self.each().zip(r).for_each(|((factor, a), r)| add(sum, factor * r, a));
    }

    /// R⁻ᵀ·Aᵀ·r and its squared length, and in the place of the first R⁻¹ times it; without R the slope itself.
    fn slope(&self, r: &[f64], basis: Option<&Triangle>, slope: &mut [f64]) -> f64 {
        self.back(r, slope);
        let Some(basis) = basis else { return dot(slope, slope) };
        basis.solve_transposed(slope);
        let steep = dot(slope, slope);
        basis.solve(slope);
        steep
    }

    /// R of a sketch of A; `None` where its columns depend on each other.
    fn sketched(&self, width: usize, oversampling: f64, effort: &mut Effort) -> Option<Triangle> {
        let rows = self.rows();
        if rows < width {
            return None;
        }
        let mut a = Mat::zeros(rows, width);
        for (i, (factor, row)) in self.each().enumerate() {
            row.iter().enumerate().for_each(|(c, x)| a[(i, c)] = factor * x);
        }
        let few = (oversampling * width as f64).ceil() as usize;
        if few < rows {
            let padded = rows.next_power_of_two();
            effort.work += padded * padded.ilog2() as usize * width;
            let rng = self.side.rng.fork_index("line", self.index);
            a = Srht::new(rows, few, &rng).ok()?.apply(&[a.as_ref()], &always).ok()?;
        }
        effort.work += a.nrows() * width * width;
        let r = tall_triangle(&[a.as_ref()], &always).ok()?;
        Triangle::new("a line of the matrix", r.as_ref(), width, a.nrows()).ok()
    }

    /// b − A·x; [rows].
    fn apart(&self, x: &[f64]) -> Vec<f64> {
        let mut r = self.apply(x);
        r.iter_mut().for_each(|r| *r = -*r);
        r.iter_mut().zip(self.values).for_each(|(r, b)| *r += b);
        r
    }
}

/// The squared slope over ‖A‖²·‖r‖² at which nothing but rounding is left of it: further steps would follow that.
const ROUNDING: f64 = 1e-29;

/// CGLS from x, in the basis of R where there is one; returns how often all rows were gone through.
fn conjugate(
    line: &Line<'_>,
    x: &mut [f64],
    (steps, epsilon): (usize, f64),
    basis: Option<&Triangle>,
) -> usize {
    let (mut r, mut slope) = (line.apart(x), vec![0.0; x.len()]);
    let mut along = Directions::new(x.len());
    along.turn(line.slope(&r, basis, &mut slope), &slope);
    let (enough, mut products) = (epsilon * epsilon * along.weight, 2);
    for _ in 0..steps {
        if along.weight <= enough {
            break;
        }
        let image = line.apply(&along.direction);
        let curvature = dot(&image, &image);
        if curvature < f64::MIN_POSITIVE {
            break;
        }
        let length = along.length(curvature);
        add(x, length, &along.direction);
        add(&mut r, -length, &image);
        let next = line.slope(&r, basis, &mut slope);
        // ‖A·R⁻¹‖ is about 1.
        let size = if basis.is_some() { 1.0 } else { curvature / dot(&along.direction, &along.direction) };
        products += 2;
        if next <= (ROUNDING * size * dot(&r, &r)).max(enough) {
            break;
        }
        along.turn(next, &slope);
    }
    products
}

/// Share of the trace that is added to the diagonal where there is no inverse. The solution is then the nearest to x, since the
/// equations are those of the change of x.
const JITTER: f64 = 1e-10;

/// Normal equations of the change of x; returns the multiply-adds in passes over the rows.
fn normal(line: &Line<'_>, x: &mut [f64]) -> usize {
    let width = x.len();
    let (mut gram, mut change) = (vec![0.0; width * width], vec![0.0; width]);
    for (factor, a) in line.each() {
        for (i, &ai) in a.iter().enumerate() {
            add(&mut gram[i * width..i * width + i + 1], factor * factor * ai, &a[..=i]);
        }
    }
    line.back(&line.apart(x), &mut change);
    let mut factor = gram.clone();
    if !cholesky(&mut factor, width) {
        let trace: f64 = (0..width).map(|i| gram[i * width + i]).sum();
        (0..width).for_each(|i| gram[i * width + i] += JITTER * trace);
        factor = gram;
        if !cholesky(&mut factor, width) {
            return 2 + width / 2;
        }
    }
    substitute(&factor, &mut change);
    add(x, 1.0, &change);
    2 + width / 2
}

/// The smallest pivot, as a share of the diagonal before, of what has an inverse.
const PIVOT: f64 = 1e-13;

/// The factor in the lower triangle; [width, width], row by row. False where there is no inverse.
fn cholesky(a: &mut [f64], width: usize) -> bool {
    for i in 0..width {
        let whole = a[i * width + i];
        for j in 0..=i {
            let (upper, lower) = a.split_at_mut(i * width);
            let (own, done) = (&mut lower[..width], if j < i { &upper[j * width..] } else { &[][..] });
            if j < i {
                own[j] = (own[j] - dot(&own[..j], &done[..j])) / done[j];
            } else {
                let rest = own[i] - dot(&own[..i], &own[..i]);
                if rest.is_nan() || rest <= PIVOT * whole {
                    return false;
                }
                own[i] = rest.sqrt();
            }
        }
    }
    true
}

/// x ← (L·Lᵀ)⁻¹·x.
fn substitute(factor: &[f64], x: &mut [f64]) {
    let width = x.len();
    for i in 0..width {
        let row = &factor[i * width..];
        x[i] = (x[i] - dot(&row[..i], &x[..i])) / row[i];
    }
    for i in (0..width).rev() {
        x[i] /= factor[i * width + i];
        let (done, value) = x.split_at_mut(i);
        add(done, -value[0], &factor[i * width..i * width + i]);
    }
}
