//! What is known of some rows after a part of the vocabulary.
//!
//!     maximum M   sum S = Σ exp(z − M)   accumulator Σ exp(z − M)·w
//!
//! When M grows, S and the accumulator shrink by exp(M_old − M_new). Two parts meet in the same way.

use crate::exponential::{exp, exponentials, maximum};
use crate::vectorise::{LANES, load, store};
use std::ops::Range;

#[derive(Default)]
pub(super) struct Segment {
    /// [rows].
    maxima: Vec<f32>,
    /// [rows].
    sums: Vec<f32>,
    /// The logit of each row's target, once it was met, 0 before; [rows].
    pub target_logits: Vec<f32>,
    /// Where the maximum was; [rows].
    pub best: Vec<u32>,
    /// [rows, width], or empty.
    pub accumulator: Vec<f32>,
}

impl Segment {
    pub fn new(rows: usize, width: usize) -> Self {
        Self {
            maxima: vec![f32::NEG_INFINITY; rows],
            sums: vec![0.0; rows],
            target_logits: vec![0.0; rows],
            best: vec![0; rows],
            accumulator: vec![0.0; rows * width],
        }
    }

    /// Takes in the logits of a chunk of words, [rows, words], and leaves exp(z − M) in their place.
    pub fn absorb(&mut self, logits: &mut [f32], words: &Range<usize>, targets: &[u32]) {
        let width = self.width();
        for (row, z) in logits.chunks_exact_mut(words.len()).enumerate() {
            let target = targets[row] as usize;
            if words.contains(&target) {
                self.target_logits[row] = z[target - words.start];
            }
            let largest = maximum(z);
            if largest > self.maxima[row] {
                let at = z.iter().position(|&z| z == largest).unwrap_or(0);
                self.best[row] = (words.start + at) as u32;
                let shrink = (self.maxima[row] - largest).exp();
                self.sums[row] *= shrink;
                scale(&mut self.accumulator[row * width..][..width], shrink);
                self.maxima[row] = largest;
            }
            self.sums[row] += exponentials(z, self.maxima[row]);
        }
    }

    /// Both parts' words; `later` are the words that come later.
    pub fn merge(mut self, later: Self) -> Self {
        let width = self.width();
        for row in 0..self.maxima.len() {
            let largest =
                if later.maxima[row] > self.maxima[row] { later.maxima[row] } else { self.maxima[row] };
            let [shrink, theirs] =
                [self.maxima[row], later.maxima[row]].map(|maximum| (maximum - largest).exp());
            if later.maxima[row] > self.maxima[row] {
                self.best[row] = later.best[row];
            }
            self.sums[row] = self.sums[row] * shrink + later.sums[row] * theirs;
            self.maxima[row] = largest;
            self.target_logits[row] += later.target_logits[row];
            let span = row * width..(row + 1) * width;
            combine(&mut self.accumulator[span.clone()], shrink, &later.accumulator[span], theirs);
        }
        self
    }

    /// More rows.
    pub fn append(&mut self, other: Self) {
        self.maxima.extend(other.maxima);
        self.sums.extend(other.sums);
        self.target_logits.extend(other.target_logits);
        self.best.extend(other.best);
        self.accumulator.extend(other.accumulator);
    }

    /// ln Σ exp(z) of a row.
    pub fn log_sum_exp(&self, row: usize) -> f32 {
        self.maxima[row] + self.sums[row].ln()
    }

    /// Σ softmax(z)·w − own, for a row whose target has the weight `own`; dx: [width].
    pub fn gradient(&self, row: usize, own: &[f32], dx: &mut [f32]) {
        let (width, sum) = (self.width(), self.sums[row]);
        for ((dx, total), own) in dx.iter_mut().zip(&self.accumulator[row * width..][..width]).zip(own) {
            *dx = total / sum - own;
        }
    }

    fn width(&self) -> usize {
        self.accumulator.len().checked_div(self.maxima.len()).unwrap_or(0)
    }
}

vectorised! {
    fn scale<V>(x: &mut [f32], factor: f32) {
        x.iter_mut().for_each(|x| *x *= factor);
    }

    fn combine<V>(ours: &mut [f32], by: f32, theirs: &[f32], and_by: f32) {
        ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours = *ours * by + theirs * and_by);
    }

    /// Replaces z by factor · exp(z − log_sum_exp).
    pub(super) fn probabilities<V>(z: &mut [f32], log_sum_exp: f32, factor: f32) {
        for chunk in z.chunks_mut(LANES) {
            store(exp(load::<V>(chunk).sub(V::splat(log_sum_exp))).mul(V::splat(factor)), chunk);
        }
    }
}
