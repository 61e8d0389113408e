//! Cross-entropy of a linear head, without the [rows, vocabulary] logits.
//!
//!     z_ij = x_i·w_j    loss_i = ln Σ_j exp(z_ij) − z_i,t(i)    d loss_i / dx_i = Σ_j softmax(z_i)_j w_j − w_t(i)
//!     x, dx: [rows, width]  W: [vocabulary, width]  t, losses: [rows]
//!
//! Read the gradient as attention of x over the vocabulary, and it can be made in the forward pass: for each chunk
//! of `COLUMNS` words, the logits, a running maximum and sum, and Σ exp(z − maximum)·w scaled along with them. Two
//! products in all, and `ROWS` · COLUMNS logits alive per thread. The vocabulary is cut into at most `SEGMENTS`
//! that threads walk side by side; their maxima, sums and accumulators then meet in order.
//!
//! Rows without a target ([`IGNORED`]) are left out before anything is computed.
//!
//! Where W is stored as bf16 and the processor multiplies bf16, both products of 16 rows or more round their other operand (x, and the
//! exp(z − maximum), which lie between 0 and 1) to bf16; logits, maxima, exponentials and sums stay in f32, and so does
//! the w_t(i) that is taken off.

mod products;
mod segment;
#[cfg(test)]
mod tests;

use crate::gemm::{Matrix, MatrixMut, matmul_alone};
use crate::stored::Operand;
use crate::tasks;
use products::{Products, Scratch};
use segment::Segment;
use std::ops::Range;

/// The target of a row that does not count: loss 0, gradient 0.
pub const IGNORED: u32 = u32::MAX;

/// Rows that meet a chunk of the vocabulary together.
const ROWS: usize = 256;

/// Words in a chunk: with ROWS, half a MiB of logits.
const COLUMNS: usize = 512;

/// The most parts of the vocabulary; each holds an accumulator of BATCH rows.
const SEGMENTS: usize = 8;

/// Rows whose accumulators are alive at a time, which bounds memory at SEGMENTS · BATCH · width.
const BATCH: usize = 1024;

/// A language model's head.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// W; [vocabulary, width].
    pub weight: Operand<'a>,
    /// Rows of W.
    pub vocabulary: usize,
    /// Numbers in a row of W.
    pub width: usize,
}

/// The rows that count, side by side.
struct Live {
    /// Where each row was.
    rows: Vec<usize>,
    /// [rows, width].
    x: Vec<f32>,
    /// [rows].
    targets: Vec<u32>,
}

impl Head<'_> {
    /// Overwrites `losses: [rows]`; and, where wanted, `dx: [rows, width]` with d loss_i / dx_i (to be multiplied by
    /// the gradient of each loss), `greedy: [rows]` with the most probable word (the first of equals). Ignored rows
    /// get 0.
    ///
    /// `x: [rows, width]`; `targets: [rows]`, words or [`IGNORED`].
    ///
    /// # Panics
    /// When lengths do not fit together, or a target is beyond the vocabulary.
    pub fn losses(
        &self,
        x: &[f32],
        targets: &[u32],
        losses: &mut [f32],
        mut dx: Option<&mut [f32]>,
        mut greedy: Option<&mut [u32]>,
    ) {
        self.check(x, targets);
        assert_eq!(losses.len(), targets.len(), "length of the losses");
        losses.fill(0.0);
        if let Some(dx) = dx.as_deref_mut() {
            assert_eq!(dx.len(), x.len(), "length of the gradient of a head's input");
            dx.fill(0.0);
        }
        if let Some(greedy) = greedy.as_deref_mut() {
            assert_eq!(greedy.len(), targets.len(), "length of the predictions");
            greedy.fill(0);
        }
        let mut buffer = Vec::new();
        for batch in live_rows(targets).chunks(BATCH) {
            let live = self.gather(batch, x, targets);
            let products = self.products(&live);
            let total = self.walk(&live, &products, dx.is_some());
            for (at, &row) in live.rows.iter().enumerate() {
                losses[row] = total.log_sum_exp(at) - total.target_logits[at];
                if let Some(greedy) = greedy.as_deref_mut() {
                    greedy[row] = total.best[at];
                }
                if let Some(dx) = dx.as_deref_mut() {
                    let own = live.targets[at] as usize;
                    let own = self.weight.rows(own..own + 1, self.width, &mut buffer);
                    total.gradient(at, own, &mut dx[row * self.width..][..self.width]);
                }
            }
        }
    }

    /// Adds Σ_i row_scale_i · d loss_i / dW to `dw: [vocabulary, width]`, making the logits again.
    ///
    /// `x: [rows, width]`; `targets: [rows]`; `row_scale: [rows]`, the gradient of each loss.
    ///
    /// # Panics
    /// When lengths do not fit together, or a target is beyond the vocabulary.
    pub fn weight_gradient(&self, x: &[f32], targets: &[u32], row_scale: &[f32], dw: &mut [f32]) {
        self.check(x, targets);
        assert_eq!(row_scale.len(), targets.len(), "length of the gradient of the losses");
        assert_eq!(dw.len(), self.weight.elements(), "length of the gradient of a head's weight");
        for batch in live_rows(targets).chunks(BATCH) {
            let live = self.gather(batch, x, targets);
            let products = self.products(&live);
            let total = self.walk(&live, &products, false);
            let scales = live.rows.iter().map(|&row| row_scale[row]);
            let scales: Vec<_> =
                scales.enumerate().map(|(at, scale)| (total.log_sum_exp(at), scale)).collect();
            let chunks = dw.chunks_mut((COLUMNS * self.width).max(1)).enumerate().collect();
            tasks::run(chunks, |(chunk, dw): (usize, &mut [f32])| {
                let words = chunk * COLUMNS..((chunk + 1) * COLUMNS).min(self.vocabulary);
                self.chunk_gradient(&live, &products, words, &scales, dw);
            });
        }
    }

    /// Adds the gradient of some words' weights to dw: [words, width]; scales: [rows], log-sum-exp and factor of each.
    fn chunk_gradient(
        &self,
        live: &Live,
        products: &Products<'_>,
        words: Range<usize>,
        scales: &[(f32, f32)],
        dw: &mut [f32],
    ) {
        let (mut logits, mut scratch) = (Vec::new(), Scratch::default());
        let chunk = products.chunk(words.clone(), &mut scratch);
        for start in (0..live.rows.len()).step_by(ROWS) {
            let rows = start..(start + ROWS).min(live.rows.len());
            chunk.logits(&rows, &mut logits);
            for (z, row) in logits.chunks_exact_mut(words.len()).zip(rows.clone()) {
                let (log_sum_exp, factor) = scales[row];
                segment::probabilities(z, log_sum_exp, factor);
                let target = live.targets[row] as usize;
                if words.contains(&target) {
                    z[target - words.start] -= factor;
                }
            }
            let p = Matrix::new(&logits, rows.len(), words.len());
            let dw = MatrixMut::new(dw, words.len(), self.width);
            let x = &live.x[rows.start * self.width..rows.end * self.width];
            matmul_alone(dw, p.t(), Matrix::new(x, rows.len(), self.width), 1.0, true);
        }
    }

    /// Walks the whole vocabulary for some rows.
    fn walk(&self, live: &Live, products: &Products<'_>, accumulate: bool) -> Segment {
        if accumulate {
            products.prepare_to_add();
        }
        let length = self.vocabulary.div_ceil(SEGMENTS).next_multiple_of(COLUMNS);
        let starts = (0..self.vocabulary).step_by(length);
        let blocks = (0..live.rows.len()).step_by(ROWS);
        let tasks = blocks.clone().flat_map(|row| starts.clone().map(move |word| (row, word))).collect();
        let parts = tasks::collect(tasks, |(row, word)| {
            let rows = row..(row + ROWS).min(live.rows.len());
            let words = word..(word + length).min(self.vocabulary);
            segment(products, &live.targets[rows.clone()], rows, words, accumulate)
        });
        let mut parts = parts.into_iter();
        let mut total = Segment::default();
        for _ in blocks {
            let merged = parts.by_ref().take(starts.len()).reduce(Segment::merge);
            total.append(merged.unwrap_or_default());
        }
        total
    }

    fn products<'a>(&'a self, live: &'a Live) -> Products<'a> {
        Products::new(self.weight, &live.x, self.width)
    }

    fn gather(&self, rows: &[usize], x: &[f32], targets: &[u32]) -> Live {
        Live {
            rows: rows.to_vec(),
            x: rows.iter().flat_map(|row| &x[row * self.width..][..self.width]).copied().collect(),
            targets: rows.iter().map(|&row| targets[row]).collect(),
        }
    }

    fn check(&self, x: &[f32], targets: &[u32]) {
        assert_eq!(self.weight.elements(), self.vocabulary * self.width, "length of a head's weight");
        assert_eq!(x.len(), targets.len() * self.width, "length of a head's input");
        let known = |&target: &u32| target == IGNORED || (target as usize) < self.vocabulary;
        assert!(targets.iter().all(known), "a target is beyond the vocabulary of {}", self.vocabulary);
    }
}

/// Walks some of the vocabulary for some rows; targets: [rows].
fn segment(
    products: &Products<'_>,
    targets: &[u32],
    rows: Range<usize>,
    words: Range<usize>,
    accumulate: bool,
) -> Segment {
    let mut segment = Segment::new(rows.len(), if accumulate { products.width } else { 0 });
    let (mut logits, mut scratch) = (Vec::new(), Scratch::default());
    for start in words.clone().step_by(COLUMNS) {
        let words = start..(start + COLUMNS).min(words.end);
        let mut chunk = products.chunk(words.clone(), &mut scratch);
        chunk.logits(&rows, &mut logits);
        segment.absorb(&mut logits, &words, targets);
        if accumulate {
            chunk.add(&logits, rows.len(), &mut segment.accumulator);
        }
    }
    segment
}

fn live_rows(targets: &[u32]) -> Vec<usize> {
    (0..targets.len()).filter(|&row| targets[row] != IGNORED).collect()
}
