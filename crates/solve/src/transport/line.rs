//! Transport on the line, in closed form.
//!
//!     W_p(μ, ν)^p = ∫₀¹ |F⁻¹(t) − G⁻¹(t)|^p dt        F, G: the distribution functions of μ and ν; p ≥ 1
//!
//! For weighted samples F⁻¹ is a staircase, for a histogram (a density that is constant between its edges) it is piecewise
//! linear; both are lists of pieces, and on each common piece the integral is known. O(n log n + m log m) for samples,
//! O(n + m) for histograms. The plan of samples is monotone and the same for every p.

use super::problem::balance;
use super::rounding::staircase;
use super::{Coupling, Sparse};
use crate::check::{finite, within};
use crate::{Error, Result};

/// A distribution of mass on the line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Ascending.
    pieces: Vec<Piece>,
}

/// A mass spread evenly between two places, which may be one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    mass: f64,
    from: f64,
    to: f64,
}

impl Line {
    /// Masses at places, in any order; both [n].
    ///
    /// # Errors
    /// When the lengths differ, there is no mass, an entry is not finite, or a mass is negative.
    pub fn samples(places: &[f64], masses: &[f64]) -> Result<Self> {
        check(places, masses, places.len(), "there are so many places")?;
        let pieces = order(places).into_iter();
        Ok(Self {
            pieces: pieces.map(|i| Piece { mass: masses[i], from: places[i], to: places[i] }).collect(),
        })
    }

    /// Masses of the cells between ascending edges, each spread evenly over its cell; [n + 1], [n].
    ///
    /// # Errors
    /// When there is not one edge more than masses, edges descend, there is no mass, an entry is not finite, or a mass is
    /// negative.
    pub fn histogram(edges: &[f64], masses: &[f64]) -> Result<Self> {
        check(edges, masses, edges.len().saturating_sub(1), "there are so many cells between the edges")?;
        if let Some(index) = edges.windows(2).position(|edge| edge[0] > edge[1]) {
            return Err(Error::Descending { what: "edges", index: index + 1 });
        }
        let cells = edges.windows(2).zip(masses);
        Ok(Self { pieces: cells.map(|(edge, &mass)| Piece { mass, from: edge[0], to: edge[1] }).collect() })
    }

    /// W_p of two distributions of the same mass: the p-th root of what moving one to the other costs.
    ///
    /// # Errors
    /// When the masses differ, or `power` is below 1 or not finite.
    pub fn distance(&self, other: &Self, power: f64) -> Result<f64> {
        within("power", power, 1.0 <= power, "a finite number of at least 1")?;
        let factor = balance(self.mass(), other.mass())?;
        let (mut source, mut target) = (Quantiles::of(self, 1.0), Quantiles::of(other, factor));
        let mut total = 0.0;
        while let (Some(left), Some(right)) = (source.piece(), target.piece()) {
            let mass = left.mass.min(right.mass);
            let (left, right) = (source.take(mass), target.take(mass));
            total += mass * mean_power(left.0 - right.0, left.1 - right.1, power);
        }
        Ok(total.powf(1.0 / power))
    }

    fn mass(&self) -> f64 {
        self.pieces.iter().map(|piece| piece.mass).sum()
    }
}

/// The plan between samples that is best for every cost |x − y|^p, p ≥ 1; at most n + m − 1 entries.
///
/// # Errors
/// As [`Line::samples`] for both sides, and when the masses differ.
pub fn monotone(source: (&[f64], &[f64]), target: (&[f64], &[f64])) -> Result<Coupling> {
    let factor =
        balance(Line::samples(source.0, source.1)?.mass(), Line::samples(target.0, target.1)?.mass())?;
    let (rows, columns) = (order(source.0), order(target.0));
    let left = rows.iter().map(|&row| source.1[row]).collect();
    let wanted = columns.iter().map(|&column| target.1[column] * factor).collect();
    let entries = staircase(left, wanted).into_iter();
    let entries = entries.map(|(row, column, mass)| (rows[row], columns[column], mass)).collect();
    Ok(Sparse::new(rows.len(), columns.len(), entries).into())
}

/// A distribution, read from its lower end.
struct Quantiles<'a> {
    pieces: std::slice::Iter<'a, Piece>,
    /// What is left of the piece that is being read.
    current: Option<Piece>,
    /// Of all masses.
    factor: f64,
}

impl<'a> Quantiles<'a> {
    fn of(line: &'a Line, factor: f64) -> Self {
        Self { pieces: line.pieces.iter(), current: None, factor }
    }

    /// The rest of the piece that is being read, or the next with mass.
    fn piece(&mut self) -> Option<Piece> {
        while self.current.is_none_or(|piece| piece.mass <= 0.0) {
            let piece = self.pieces.next()?;
            self.current = Some(Piece { mass: piece.mass * self.factor, ..*piece });
        }
        self.current
    }

    /// Where the next `mass` begins and ends.
    fn take(&mut self, mass: f64) -> (f64, f64) {
        let Some(piece) = &mut self.current else { return (0.0, 0.0) };
        let (from, whole) = (piece.from, mass >= piece.mass);
        let to = if whole { piece.to } else { from + (piece.to - from) * (mass / piece.mass) };
        (piece.from, piece.mass) = (to, piece.mass - mass);
        (from, to)
    }
}

/// ∫₀¹ |u + t·(v − u)|^p dt.
fn mean_power(u: f64, v: f64, power: f64) -> f64 {
    /// Relative difference of the ends below which Simpson's rule is exact to rounding and the primitive is not.
    const CLOSE: f64 = 1e-3;
    let size = u.abs().max(v.abs());
    if (v - u).abs() <= CLOSE * size {
        return (u.abs().powf(power) + 4.0 * ((u + v) / 2.0).abs().powf(power) + v.abs().powf(power)) / 6.0;
    }
    let primitive = |x: f64| x * x.abs().powf(power) / (power + 1.0);
    (primitive(v) - primitive(u)) / (v - u)
}

/// Places from the lowest on.
fn order(places: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&left, &right| places[left].total_cmp(&places[right]));
    order
}

fn check(places: &[f64], masses: &[f64], expected: usize, reason: &'static str) -> Result<()> {
    super::problem::size("masses", "entries", masses.len(), expected, reason)?;
    finite("places", places)?;
    super::problem::masses("masses", masses)?;
    let some = masses.iter().sum::<f64>() > 0.0;
    if some { Ok(()) } else { Err(Error::Empty { what: "masses" }) }
}
