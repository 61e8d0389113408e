//! The least-squares problems of one side: every line's vector, given those of the other side.
//!
//!     x = argmin Σ_t (b_t − ⟨a_t, x⟩)² + w²·‖B·x‖²        a_t: vectors at the known places of the line, b_t: entries there
//!
//! B: the bottom of the basis where there is a ridge; w² = places of the line / vectors of the other side. Conjugate gradients go
//! from the last solution on A itself (CGLS), 2·places·k multiply-adds a step; normal equations cost places·k² + k³.

use crate::Result;
use crate::check::{at_least_one, within};
use crate::recovery::pattern::Lines;
use crate::recovery::vectors::{CHUNK, Vectors, dot};
use crate::vectors::add;
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
    /// Normal equations.
    Exact,
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
            Self::Exact => Ok(()),
        }
    }

    /// Solves every line of a side from its vector in `moving`.
    pub(super) fn solve(&self, side: &Side<'_>, moving: &mut Vectors, round: usize) -> Effort {
        let width = moving.width;
        let chunk = |(chunk, vectors): (usize, &mut [f64])| {
            let mut effort = Effort::default();
            for (i, x) in vectors.chunks_mut(width).enumerate() {
                self.line(&side.line(chunk * CHUNK + i), x, round, &mut effort);
            }
            effort
        };
        let efforts: Vec<Effort> = moving.data.par_chunks_mut(CHUNK * width).enumerate().map(chunk).collect();
        efforts.iter().fold(Effort::default(), |sum, part| Effort {
            squares: sum.squares + part.squares,
            work: sum.work + part.work,
        })
    }

    fn line(&self, line: &Line<'_>, x: &mut [f64], round: usize, effort: &mut Effort) {
        if line.values.is_empty() {
            return x.fill(0.0);
        }
        let products = match *self {
            Self::Steps { count, first } => conjugate(line, x, if round == 0 { first } else { count }, 0.0),
            Self::Accuracy { epsilon } => {
                x.fill(0.0);
                conjugate(line, x, LIMIT, epsilon)
            }
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
        Line { side: self, others, values, weight }
    }
}

/// The system of one line.
struct Line<'a> {
    side: &'a Side<'a>,
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

/// CGLS from x; returns how often all rows were gone through.
fn conjugate(line: &Line<'_>, x: &mut [f64], steps: usize, epsilon: f64) -> usize {
    let mut r = line.apart(x);
    let mut slope = vec![0.0; x.len()];
    line.back(&r, &mut slope);
    let mut direction = slope.clone();
    let mut steep = dot(&slope, &slope);
    let (enough, mut products) = (epsilon * epsilon * steep, 2);
    for _ in 0..steps {
        if steep <= enough {
            break;
        }
        let image = line.apply(&direction);
        let curvature = dot(&image, &image);
        if curvature < f64::MIN_POSITIVE {
            break;
        }
        let length = steep / curvature;
        add(x, length, &direction);
        add(&mut r, -length, &image);
        line.back(&r, &mut slope);
        let next = dot(&slope, &slope);
        let floor = ROUNDING * curvature / dot(&direction, &direction) * dot(&r, &r);
        products += 2;
        if next <= floor.max(enough) {
            break;
        }
        direction.iter_mut().zip(&slope).for_each(|(d, s)| *d = s + next / steep * *d);
        steep = next;
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
