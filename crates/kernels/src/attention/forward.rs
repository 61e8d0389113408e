//! out and L, a block of queries at a time.
//!
//! A task owns some rows of `out` (or, for the lone query of a cached sequence, one group of heads of a row), so
//! no two tasks write the same number. Inside a task, the rows that are multiplied together are one head of the
//! block's queries; of a lone query, the heads that share keys, which are then read once.

use super::{Attention, Span, blocks};
use crate::exponential::{exponentials, maximum};
use crate::gemm::{Matrix, MatrixMut, matmul_alone};
use crate::tasks;
use std::ops::Range;

/// Numbers in the keys from which the heads of a lone query are shared between threads.
const SHARED: usize = 1 << 17;

/// Some queries of a span, some heads of them, and where their results go.
struct Task<'a> {
    span: &'a Span,
    /// Counted from the start of the span.
    queries: Range<usize>,
    heads: Range<usize>,
    /// [queries, heads · size].
    out: &'a mut [f32],
    /// [queries, heads].
    log_sum_exp: &'a mut [f32],
}

/// Rows that are multiplied together, and what they meet.
struct Tile<'a> {
    /// [rows, size].
    q: Matrix<'a>,
    /// [keys, size].
    k: Matrix<'a>,
    /// [keys, size].
    v: Matrix<'a>,
}

impl Attention<'_> {
    /// Overwrites out: [rows, query · size] and log_sum_exp: [rows, query] for q: [rows, query · size] and k, v:
    /// [key rows, key_value · size]. Rows in no span get out 0 and log_sum_exp −∞.
    ///
    /// # Panics
    /// When lengths, heads and spans do not fit together.
    pub fn forward(&self, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32], log_sum_exp: &mut [f32]) {
        let rows = self.check(q, k, v);
        assert_eq!(out.len(), q.len(), "length of attention's output");
        assert_eq!(log_sum_exp.len(), rows * self.heads.query, "length of attention's log-sum-exp");
        tasks::run(self.cut(out, log_sum_exp), |task| self.run(task, q, k, v));
    }

    /// Cuts the output into tasks, and clears the rows between the spans.
    fn cut<'t>(&'t self, mut out: &'t mut [f32], mut log_sum_exp: &'t mut [f32]) -> Vec<Task<'t>> {
        let heads = self.heads;
        let mut take = |rows: usize| {
            let out = out.split_off_mut(..rows * heads.query_width()).unwrap_or_default();
            (out, log_sum_exp.split_off_mut(..rows * heads.query).unwrap_or_default())
        };
        let mut tasks = Vec::new();
        let mut row = 0;
        for span in self.spans {
            clear(take(span.queries.start - row));
            for queries in blocks(span.queries.len()) {
                let (out, log_sum_exp) = take(queries.len());
                if queries.len() == 1 && span.keys.len() * heads.key_width() >= SHARED {
                    let groups = out.chunks_mut(heads.group() * heads.size);
                    for (group, (out, log_sum_exp)) in
                        groups.zip(log_sum_exp.chunks_mut(heads.group())).enumerate()
                    {
                        let heads = group * heads.group()..(group + 1) * heads.group();
                        tasks.push(Task { span, queries: queries.clone(), heads, out, log_sum_exp });
                    }
                } else {
                    tasks.push(Task { span, queries, heads: 0..heads.query, out, log_sum_exp });
                }
            }
            row = span.queries.end;
        }
        clear((out, log_sum_exp));
        tasks
    }

    fn run(&self, task: Task<'_>, q: &[f32], k: &[f32], v: &[f32]) {
        let Task { span, queries, heads, out, log_sum_exp } = task;
        let (size, group, lone) = (self.heads.size, self.heads.group(), queries.len() == 1);
        let mut scores = Vec::new();
        for head in heads.clone().step_by(if lone { group } else { 1 }) {
            let block = self.block(span, head, &queries);
            let (k, v) = (self.keys_of(k, &block), self.keys_of(v, &block));
            let mut tile = Tile { q: self.queries_of(q, &block), k, v };
            let mut stride = heads.len() * size;
            if lone {
                (tile.q.rows, tile.q.row_stride, stride) = (group, size, size);
            }
            let at = head - heads.start;
            let out = MatrixMut { data: &mut out[at * size..], rows: tile.q.rows, columns: size, stride };
            let visible = |row: usize| self.visible_in(&block, if lone { 0 } else { row });
            let values = attend(&tile, self.scale, visible, &mut scores, out);
            for (row, value) in values.into_iter().enumerate() {
                log_sum_exp[at + row * stride / size] = value;
            }
        }
    }
}

/// Fills the tile's part of the output; the log-sum-exp of each of its rows.
fn attend(
    tile: &Tile<'_>,
    scale: f32,
    visible: impl Fn(usize) -> Range<usize>,
    scores: &mut Vec<f32>,
    out: MatrixMut<'_>,
) -> Vec<f32> {
    let Tile { q, k, v } = *tile;
    let MatrixMut { data, rows, columns, stride } = out;
    scores.resize(rows * k.rows, 0.0);
    matmul_alone(MatrixMut::new(scores, rows, k.rows), q, k.t(), scale, false);
    let row_sums: Vec<_> = scores
        .chunks_exact_mut(k.rows)
        .enumerate()
        .map(|(row, scores)| soften(scores, visible(row)))
        .collect();
    let p = Matrix::new(scores, rows, k.rows);
    matmul_alone(MatrixMut { data, rows, columns, stride }, p, v, 1.0, false);
    for (row, (_, sum)) in data.chunks_mut(stride).zip(&row_sums) {
        row[..columns].iter_mut().for_each(|x| *x /= sum);
    }
    row_sums.into_iter().map(|(maximum, sum)| maximum + sum.ln()).collect()
}

fn clear((out, log_sum_exp): (&mut [f32], &mut [f32])) {
    out.fill(0.0);
    log_sum_exp.fill(f32::NEG_INFINITY);
}

/// Replaces the visible scores by exp(score − maximum), the others by 0; the maximum and the sum.
fn soften(scores: &mut [f32], visible: Range<usize>) -> (f32, f32) {
    scores[..visible.start].fill(0.0);
    scores[visible.end..].fill(0.0);
    let visible = &mut scores[visible];
    let maximum = maximum(visible);
    (maximum, exponentials(visible, maximum))
}
