//! How alike units are by what they give on the same data: the correlation of their activations.
//!
//!     C_ij = Σ_k (a_ik − ā_ik)·(b_jk − b̄_jk) / (|a_i|·|b_j|)        |a_i|² = Σ_k (a_ik − ā_ik)²,  k < width
//!
//! summed over the data; a of the first model, b of the second. Most units give one number; a head gives several, each with a
//! mean of its own. Units that never change are like none: 0. The order of a group is one assignment on the sum of its C over the
//! places where it is seen; heads that share a key and value head stay together, and their own C is all that counts.
//!
//! Means of the first data are taken off all, so that products of large numbers that hardly change lose nothing; products of
//! blocks are made in f32 and added in f64.
//!
//! Paper: [matching], after Git Re-Basin (arXiv 2209.04836) §3.1. Departure: the correlation, which the released code has beside
//! E[ab].

use super::matching::best;
use super::similarity::{Similarity, add_product, unfolded};
use super::spec::{PermutationSpec, ReadUnits};
use crate::Result;

/// A unit that changes by less than this share of what it gives does not change: that is rounding.
const TOLERANCE: f64 = 1e-12;

/// The correlations of units at one place where they are read.
#[derive(Clone, Debug)]
pub struct Correlations {
    units: usize,
    width: usize,
    /// How often every number was seen.
    times: f64,
    /// Of the first model and of the second.
    sides: [Side; 2],
    /// Σ of products without the shifts; [units, units].
    products: Vec<f64>,
}

/// What one of the models gave.
#[derive(Clone, Debug, Default)]
struct Side {
    /// What is taken off; [units · width].
    shift: Vec<f32>,
    /// Σ of the rest; [units · width].
    sums: Vec<f64>,
    /// Σ of its squares; [units].
    squares: Vec<f64>,
}

impl Correlations {
    /// Nothing seen yet.
    pub fn new(ReadUnits { units, width, .. }: ReadUnits) -> Self {
        Self { units, width, times: 0.0, sides: Default::default(), products: vec![0.0; units * units] }
    }

    /// What both models gave on the same data; `pixels` are numbers of one channel, beside each other; both
    /// [rows, units, width, pixels].
    pub fn see(&mut self, ours: &[f32], theirs: &[f32], pixels: usize) {
        let &mut Self { units, width, .. } = self;
        let row = units * width * pixels;
        if row == 0 {
            return;
        }
        let [first, second] = &mut self.sides;
        let a = first.see(ours, [units, width, pixels]);
        let b = second.see(theirs, [units, width, pixels]);
        add_product(&mut self.products, &a, &b, units);
        self.times += (ours.len() / row * pixels) as f64;
    }

    /// C, added to `scores`; [units, units].
    fn add_to(&self, scores: &mut [f64]) {
        let &Self { units, width, times, .. } = self;
        let [ours, theirs] = &self.sides;
        let inverses = [ours, theirs].map(|side| side.inverse_lengths(width, times));
        for (at, (score, product)) in scores.iter_mut().zip(&self.products).enumerate() {
            let (i, j) = (at / units, at % units);
            let [Some(one), Some(other)] = [inverses[0].get(i), inverses[1].get(j)] else { continue };
            let sums = [&ours.sums[i * width..][..width], &theirs.sums[j * width..][..width]];
            let means: f64 = sums[0].iter().zip(sums[1]).map(|(a, b)| a * b).sum();
            *score += (product - means / times) * one * other;
        }
    }
}

impl Side {
    /// Counts numbers [rows, units, width, pixels]; what is left of them without the shift, unit by unit; [units, …].
    fn see(&mut self, values: &[f32], [units, width, pixels]: [usize; 3]) -> Vec<f32> {
        if self.shift.is_empty() {
            self.shift = means(values, units * width, pixels);
            self.sums = vec![0.0; units * width];
            self.squares = vec![0.0; units];
        }
        let mut values = values.to_vec();
        for (at, run) in values.chunks_exact_mut(pixels).enumerate() {
            let place = at % (units * width);
            let (mut sum, mut square) = (0.0, 0.0);
            for value in run {
                *value -= self.shift[place];
                sum += f64::from(*value);
                square += f64::from(*value) * f64::from(*value);
            }
            self.sums[place] += sum;
            self.squares[place / width] += square;
        }
        unfolded(values, units, width * pixels)
    }

    /// 1 / |a_i|; 0 where a unit does not change; [units].
    fn inverse_lengths(&self, width: usize, times: f64) -> Vec<f64> {
        let inverse = |(square, sums): (&f64, &[f64])| {
            let spread = square - sums.iter().map(|sum| sum * sum).sum::<f64>() / times;
            if TOLERANCE * square < spread { spread.sqrt().recip() } else { 0.0 }
        };
        self.squares.iter().zip(self.sums.chunks(width.max(1))).map(inverse).collect()
    }
}

/// The mean of every number; values: [rows, places, pixels] → [places].
fn means(values: &[f32], places: usize, pixels: usize) -> Vec<f32> {
    let mut sums = vec![0.0; places];
    for (at, run) in values.chunks_exact(pixels).enumerate() {
        sums[at % places] += run.iter().copied().map(f64::from).sum::<f64>();
    }
    let times = (values.len() / places).max(1) as f64;
    sums.into_iter().map(|sum| (sum / times) as f32).collect()
}

/// Orders of groups by what their units give.
#[derive(Clone, Debug)]
pub struct UnitOrders<'a> {
    pub(super) spec: &'a PermutationSpec,
    /// Sums of correlations of groups that are not settled; [units, units].
    scores: Vec<Vec<f64>>,
    /// By the place of the group; [units].
    pub(super) orders: Vec<Option<Vec<usize>>>,
}

impl<'a> UnitOrders<'a> {
    /// No group has one.
    pub fn new(spec: &'a PermutationSpec) -> Self {
        let groups = spec.groups().len();
        Self { spec, scores: vec![Vec::new(); groups], orders: vec![None; groups] }
    }

    /// What was seen of the group at a place.
    pub fn add(&mut self, group: usize, seen: &Correlations) {
        let scores = &mut self.scores[group];
        scores.resize(seen.products.len(), 0.0);
        seen.add_to(scores);
    }

    /// The order of a group of which all was seen; what it was found from is forgotten.
    ///
    /// # Errors
    /// When an activation was not finite.
    pub fn settle(&mut self, group: usize) -> Result<()> {
        let inner = std::mem::take(&mut self.scores[group]);
        let found = &self.spec.groups()[group];
        let outer = if found.shared == 1 { 0 } else { found.units / found.shared };
        let similarity = Similarity { inner, outer: vec![0.0; outer * outer] };
        self.orders[group] = Some(best(found, &similarity)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    /// Units of `width` numbers, far from 0 and each on its own scale; [rows, units, width, pixels].
    fn activations(shape: [usize; 4], seed: u64) -> Vec<f32> {
        let [rows, units, width, pixels] = shape;
        let mut rng = Rng::new(seed);
        let scale = |at: usize| (1 + at / (width * pixels) % units) as f32;
        (0..rows * units * width * pixels).map(|at| scale(at) * (3.0 + rng.normal())).collect()
    }

    #[test]
    fn they_are_those_of_all_numbers_at_once() {
        let shape @ [rows, units, width, pixels] = [20, 5, 3, 2];
        let (a, b) = (activations(shape, 1), activations(shape, 2));
        let read = ReadUnits { group: 0, units, width };
        let mut seen = Correlations::new(read);
        // In two parts.
        let half = 8 * units * width * pixels;
        seen.see(&a[..half], &b[..half], pixels);
        seen.see(&a[half..], &b[half..], pixels);
        let mut found = vec![0.5; units * units];
        seen.add_to(&mut found);
        let centred = |values: &[f32], unit: usize| -> Vec<f64> {
            let number = |k: usize| -> Vec<f64> {
                let at = |row: usize, pixel: usize| ((row * units + unit) * width + k) * pixels + pixel;
                let all = (0..rows).flat_map(|row| (0..pixels).map(move |pixel| (row, pixel)));
                let all: Vec<f64> = all.map(|(row, pixel)| f64::from(values[at(row, pixel)])).collect();
                let mean = all.iter().sum::<f64>() / all.len() as f64;
                all.into_iter().map(|value| value - mean).collect()
            };
            (0..width).flat_map(number).collect()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for (i, j) in (0..units).flat_map(|i| (0..units).map(move |j| (i, j))) {
            let (one, other) = (centred(&a, i), centred(&b, j));
            let expected = dot(&one, &other) / (dot(&one, &one) * dot(&other, &other)).sqrt();
            assert!((found[i * units + j] - 0.5 - expected).abs() < 1e-5, "{i} {j}: {found:?} {expected}");
        }
    }

    #[test]
    fn units_that_never_change_are_like_none() {
        let read = ReadUnits { group: 0, units: 2, width: 1 };
        let mut seen = Correlations::new(read);
        let constant = 0.1;
        seen.see(
            &[1.0, constant, 2.0, constant, 4.0, constant],
            &[constant, 1.0, constant, 2.0, constant, 4.0],
            1,
        );
        let mut found = vec![0.0; 4];
        seen.add_to(&mut found);
        assert_eq!(found.iter().map(|value| value.round()).collect::<Vec<_>>(), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!([found[0], found[2], found[3]], [0.0; 3]);
        // Of nothing at all too.
        Correlations::new(read).add_to(&mut found);
        assert!((found[1] - 1.0).abs() < 1e-6, "{found:?}");
    }
}
