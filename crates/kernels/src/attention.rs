//! Grouped-query attention over spans, causal or both ways, with memory linear in the length.
//!
//!     s_ij = scale · q_i·k_j     p_ij = exp(s_ij − L_i)     L_i = ln Σ_j exp(s_ij)     out_i = Σ_j p_ij v_j
//!     q, out: [rows, heads.query · size]   k, v: [key rows, heads.key_value · size]   L: [rows, heads.query]
//!
//!     D_i = dout_i·out_i   dp_ij = dout_i·v_j   ds_ij = p_ij·(dp_ij − D_i)
//!     dq_i = scale · Σ_j ds_ij k_j   dk_j = scale · Σ_i ds_ij q_i   dv_j = Σ_i p_ij dout_i
//!
//! Query head h reads key/value head h / (query / key_value). A [`Span`] is one example of a packed batch, or one
//! sequence with its cache: its queries are the last rows of its keys. j runs over the keys that query i sees: where
//! attention is causal, its own position and what lies before it in the span, at most `window` keys in all; else every
//! key of the span.
//!
//! Work is cut into `BLOCK` queries; a block meets all keys it sees at once, so BLOCK · keys scores are alive per
//! thread and never [rows, rows]. Only L is kept for the backward pass, which makes p again. Products go through
//! the GEMM on views of single heads.

mod backward;
mod forward;

use crate::gemm::Matrix;
use std::ops::Range;

pub use backward::Saved;

/// Queries that meet their keys together: the scores of 64 queries and 2048 keys fill half a MiB.
const BLOCK: usize = 64;

/// Queries and the keys they may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Rows of q.
    pub queries: Range<usize>,
    /// Rows of k and v; the last `queries.len()` of them are the queries' own positions.
    pub keys: Range<usize>,
}

/// How many heads, and how wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Heads of q; a multiple of `key_value`.
    pub query: usize,
    /// Heads of k and v.
    pub key_value: usize,
    /// Numbers in a head.
    pub size: usize,
}

impl Heads {
    /// Query heads that share a key/value head.
    fn group(self) -> usize {
        self.query / self.key_value.max(1)
    }

    /// Numbers in a row of q.
    fn query_width(self) -> usize {
        self.query * self.size
    }

    /// Numbers in a row of k or v.
    fn key_width(self) -> usize {
        self.key_value * self.size
    }
}

/// Attention's shape: everything but the numbers.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// The heads of every row.
    pub heads: Heads,
    /// In ascending order of queries, which do not overlap. Rows of q in no span get zeros.
    pub spans: &'a [Span],
    /// Factor of q·k; 1/√size as a rule.
    pub scale: f32,
    /// The most keys a query sees where `causal`, its own included, which it always sees; `None` for all.
    pub window: Option<usize>,
    /// A query sees its own position and what lies before it; else all of its span.
    pub causal: bool,
}

impl Attention<'_> {
    /// Keys, counted from the start of the span, that its query number `query` sees.
    fn visible(&self, span: &Span, query: usize) -> Range<usize> {
        if !self.causal {
            return 0..span.keys.len();
        }
        let end = span.keys.len() - span.queries.len() + query + 1;
        end.saturating_sub(self.window.unwrap_or(end).max(1))..end
    }

    /// A head of some of a span's queries, with the keys that any of them sees.
    fn block<'s>(&self, span: &'s Span, head: usize, queries: &Range<usize>) -> Block<'s> {
        let keys = self.visible(span, queries.start).start..self.visible(span, queries.end - 1).end;
        Block { span, head, queries: queries.clone(), keys }
    }

    /// Keys, counted from the first of the block, that its query number `query` sees.
    fn visible_in(&self, block: &Block<'_>, query: usize) -> Range<usize> {
        let seen = self.visible(block.span, block.queries.start + query);
        seen.start - block.keys.start..seen.end - block.keys.start
    }

    /// Checks heads, spans and lengths against each other; the number of query rows.
    fn check(&self, q: &[f32], k: &[f32], v: &[f32]) -> usize {
        let Heads { query, key_value, size } = self.heads;
        assert!(
            key_value > 0 && query.is_multiple_of(key_value),
            "{query} query heads do not share {key_value} key/value heads evenly"
        );
        assert!(size > 0, "attention heads have no numbers");
        assert_eq!(k.len(), v.len(), "lengths of attention's keys and values");
        let (rows, key_rows) = (rows_of(q, self.heads.query_width()), rows_of(k, self.heads.key_width()));
        let mut free = 0;
        for Span { queries, keys } in self.spans {
            assert!(
                free <= queries.start,
                "spans overlap or are out of order at query row {}",
                queries.start
            );
            assert!(
                queries.start <= queries.end && queries.end <= rows,
                "span {queries:?} of {rows} queries"
            );
            assert!(keys.start <= keys.end && keys.end <= key_rows, "span {keys:?} of {key_rows} keys");
            assert!(
                queries.len() <= keys.len(),
                "a span has {} queries but {} keys",
                queries.len(),
                keys.len()
            );
            free = queries.end;
        }
        rows
    }

    /// The block's queries in a matrix laid out as q; [queries, size].
    fn queries_of<'x>(&self, x: &'x [f32], block: &Block<'_>) -> Matrix<'x> {
        let row_stride = self.heads.query_width();
        let start =
            (block.span.queries.start + block.queries.start) * row_stride + block.head * self.heads.size;
        let (rows, columns) = (block.queries.len(), self.heads.size);
        Matrix { data: &x[start..], rows, columns, row_stride, column_stride: 1 }
    }

    /// What the block reads of a matrix laid out as k; [keys, size].
    fn keys_of<'x>(&self, x: &'x [f32], block: &Block<'_>) -> Matrix<'x> {
        let row_stride = self.heads.key_width();
        let head = block.head / self.heads.group();
        let start = (block.span.keys.start + block.keys.start) * row_stride + head * self.heads.size;
        let (rows, columns) = (block.keys.len(), self.heads.size);
        Matrix { data: &x[start..], rows, columns, row_stride, column_stride: 1 }
    }
}

/// One head of some queries of a span, and the keys they meet; both counted from the start of the span.
struct Block<'a> {
    span: &'a Span,
    /// Of q.
    head: usize,
    queries: Range<usize>,
    keys: Range<usize>,
}

/// How many rows of `width` numbers; they must come out even.
fn rows_of(x: &[f32], width: usize) -> usize {
    assert!(width > 0 && x.len().is_multiple_of(width), "{} numbers are not rows of {width}", x.len());
    x.len() / width
}

/// 0..length in pieces of `BLOCK`.
fn blocks(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(length))
}
