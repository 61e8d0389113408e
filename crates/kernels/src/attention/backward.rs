//! dq, dk, dv: one task per span and query head, which walks the blocks of queries.
//!
//! A task keeps its own dq, dk and dv, [queries or keys, size]; heads that share keys meet in order afterwards.
//! Together they are as large as three times q (with as many keys as queries).

use super::{Attention, Block, Span, blocks};
use crate::exponential::exp;
use crate::gemm::{Matrix, MatrixMut, matmul_alone};
use crate::tasks::{self, rows_per_task};
use crate::vectorise::{LANES, dot, load, store};
use std::ops::Range;

/// What the forward pass read and made.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// [rows, query · size].
    pub q: &'a [f32],
    /// [key rows, key_value · size].
    pub k: &'a [f32],
    /// [key rows, key_value · size].
    pub v: &'a [f32],
    /// [rows, query · size].
    pub out: &'a [f32],
    /// [rows, query].
    pub log_sum_exp: &'a [f32],
}

/// The gradients of one head of one span.
struct Part {
    /// [queries, size].
    dq: Vec<f32>,
    /// [keys, size].
    dk: Vec<f32>,
    /// [keys, size].
    dv: Vec<f32>,
}

/// p and ds of a block of queries; [queries, keys].
#[derive(Default)]
struct Scores {
    p: Vec<f32>,
    ds: Vec<f32>,
}

impl Attention<'_> {
    /// Gradients of [`forward`](Self::forward) for dout: [rows, query · size]. Overwrites dq, laid out as q, and
    /// dk, dv, laid out as k.
    ///
    /// # Panics
    /// When lengths, heads and spans do not fit together.
    pub fn backward(&self, saved: Saved<'_>, dout: &[f32], dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]) {
        let rows = self.check(saved.q, saved.k, saved.v);
        let (width, key_width) = (saved.q.len(), saved.k.len());
        assert!(
            saved.out.len() == width && dout.len() == width,
            "length of attention's output or its gradient"
        );
        assert_eq!(saved.log_sum_exp.len(), rows * self.heads.query, "length of attention's log-sum-exp");
        assert!(dq.len() == width, "length of the gradient of attention's queries");
        assert!(dk.len() == key_width && dv.len() == key_width, "length of the gradient of attention's keys");

        let heads = 0..self.heads.query;
        let pairs = self.spans.iter().flat_map(|span| heads.clone().map(move |head| (span, head))).collect();
        let parts = tasks::collect(pairs, |(span, head)| self.part(span, head, &saved, dout));
        dq.fill(0.0);
        dk.fill(0.0);
        dv.fill(0.0);
        for (span, parts) in self.spans.iter().zip(parts.chunks(self.heads.query)) {
            self.gather(dq, &span.queries, 1, parts, |part| &part.dq);
            self.gather(dk, &span.keys, self.heads.group(), parts, |part| &part.dk);
            self.gather(dv, &span.keys, self.heads.group(), parts, |part| &part.dv);
        }
    }

    fn part(&self, span: &Span, head: usize, saved: &Saved<'_>, dout: &[f32]) -> Part {
        let size = self.heads.size;
        let [queries, keys] = [&span.queries, &span.keys].map(|rows| rows.len() * size);
        let mut part = Part { dq: vec![0.0; queries], dk: vec![0.0; keys], dv: vec![0.0; keys] };
        let mut scores = Scores::default();
        for queries in blocks(span.queries.len()) {
            let block = self.block(span, head, &queries);
            self.score(&block, saved, dout, &mut scores);
            let (q, k) = (self.queries_of(saved.q, &block), self.keys_of(saved.k, &block));
            let p = Matrix::new(&scores.p, q.rows, k.rows);
            let ds = Matrix::new(&scores.ds, q.rows, k.rows);
            matmul_alone(rows_mut(&mut part.dq, &queries, size), ds, k, self.scale, false);
            matmul_alone(rows_mut(&mut part.dk, &block.keys, size), ds.t(), q, self.scale, true);
            let dout = self.queries_of(dout, &block);
            matmul_alone(rows_mut(&mut part.dv, &block.keys, size), p.t(), dout, 1.0, true);
        }
        part
    }

    /// p and ds of a block.
    fn score(&self, block: &Block<'_>, saved: &Saved<'_>, dout: &[f32], scores: &mut Scores) {
        let [q, out, dout] = [saved.q, saved.out, dout].map(|x| self.queries_of(x, block));
        let [k, v] = [saved.k, saved.v].map(|x| self.keys_of(x, block));
        let all = 0..q.rows;
        scores.p.resize(q.rows * k.rows, 0.0);
        scores.ds.resize(q.rows * k.rows, 0.0);
        matmul_alone(rows_mut(&mut scores.p, &all, k.rows), q, k.t(), self.scale, false);
        matmul_alone(rows_mut(&mut scores.ds, &all, k.rows), dout, v.t(), 1.0, false);
        let rows = scores.p.chunks_exact_mut(k.rows).zip(scores.ds.chunks_exact_mut(k.rows));
        for (row, (p, ds)) in rows.enumerate() {
            let query = block.span.queries.start + block.queries.start + row;
            let log_sum_exp = saved.log_sum_exp[query * self.heads.query + block.head];
            let [out, dout] = [out, dout].map(|x| &x.data[row * x.row_stride..][..x.columns]);
            derive(p, ds, self.visible_in(block, row), log_sum_exp, inner(out, dout));
        }
    }

    /// Adds the heads' parts to rows `rows` of a gradient; `group` heads of q to each of its own.
    fn gather(
        &self,
        gradient: &mut [f32],
        rows: &Range<usize>,
        group: usize,
        parts: &[Part],
        of: impl Fn(&Part) -> &[f32] + Sync,
    ) {
        let size = self.heads.size;
        let width = parts.len() / group * size;
        let step = rows_per_task(width);
        let tasks =
            gradient[rows.start * width..rows.end * width].chunks_mut(step * width).enumerate().collect();
        tasks::run(tasks, |(task, gradient): (usize, &mut [f32])| {
            for (at, row) in gradient.chunks_exact_mut(width).enumerate() {
                for (head, part) in parts.iter().enumerate() {
                    let part = &of(part)[(task * step + at) * size..][..size];
                    let sum = &mut row[head / group * size..][..size];
                    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                }
            }
        });
    }
}

/// Some rows of a matrix with `width` numbers a row.
fn rows_mut<'x>(x: &'x mut [f32], rows: &Range<usize>, width: usize) -> MatrixMut<'x> {
    MatrixMut::new(&mut x[rows.start * width..rows.end * width], rows.len(), width)
}

vectorised! {
    fn inner<V>(a: &[f32], b: &[f32]) -> f32 {
        dot::<V>(a, b)
    }

    /// From scores s and dp to p = exp(s − log_sum_exp) and ds = p · (dp − along); 0 outside `visible`.
    fn derive<V>(p: &mut [f32], ds: &mut [f32], visible: Range<usize>, log_sum_exp: f32, along: f32) {
        for hidden in [0..visible.start, visible.end..p.len()] {
            p[hidden.clone()].fill(0.0);
            ds[hidden].fill(0.0);
        }
        let chunks = p[visible.clone()].chunks_mut(LANES).zip(ds[visible].chunks_mut(LANES));
        for (p, ds) in chunks {
            let probability = exp(load::<V>(p).sub(V::splat(log_sum_exp)));
            store(probability, p);
            store(probability.mul(load::<V>(ds).sub(V::splat(along))), ds);
        }
    }
}
