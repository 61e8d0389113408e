//! Grouped-query attention inside spans of a batch, causal or both ways.
//!
//!     out = softmax(scale·q·kᵀ + mask)·v        q: [t, hq·d]  k, v: [s, hkv·d]  out: [t, hq·d]
//!
//! Query head h reads key head h / (hq / hkv). Of the scores only the log-sum-exp of every row is kept.

use super::numbers;
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record_array},
    tensor::flex,
};
use burn::backend::flex::FlexTensor;
use rankine_kernels::attention::{self as kernel, Heads, Span};
use std::sync::Arc;

/// What is attended to by whom.
#[derive(Clone, Debug)]
pub struct Attention {
    /// Heads and their size.
    pub heads: Heads,
    /// Which rows of q see which rows of k and v.
    pub spans: Arc<[Span]>,
    /// Factor of the scores, usually 1/√d.
    pub scale: f32,
    /// How many keys back a query sees where `causal`, itself included; all when `None`.
    pub window: Option<usize>,
    /// A query sees itself and what lies before it; else all of its span.
    pub causal: bool,
}

impl Attention {
    fn kernel(&self) -> kernel::Attention<'_> {
        let Self { heads, spans, scale, window, causal } = self;
        kernel::Attention { heads: *heads, spans, scale: *scale, window: *window, causal: *causal }
    }

    fn check(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<[usize; 2]> {
        self.check_shapes(&q.matrix("attention")?, &k.matrix("attention")?, &v.matrix("attention")?)
    }

    fn check_shapes(&self, q: &[usize; 2], k: &[usize; 2], v: &[usize; 2]) -> Result<[usize; 2]> {
        let Heads { query, key_value, size } = self.heads;
        let rows_fit = |span: &Span| {
            span.queries.end <= q[0] && span.keys.end <= k[0] && span.queries.len() <= span.keys.len()
        };
        let fits = q[1] == query * size
            && k == v
            && k[1] == key_value * size
            && key_value > 0
            && query % key_value == 0
            && self.spans.iter().all(rows_fit);
        if !fits {
            let expected =
                format!("q: [t, {}], k and v: [s, {}], spans inside them", query * size, key_value * size);
            return Err(Error::shape("attention", expected, &[q, k, v]));
        }
        Ok(*q)
    }
}

/// softmax(scale·q·kᵀ + mask)·v; q: [t, hq·d], k and v: [s, hkv·d] → [t, hq·d].
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, layout: &Attention) -> Result<Tensor> {
    let shape = layout.check(q, k, v)?;
    let Some([q_array, k_array, v_array]) = arrays([q, k, v]) else {
        return plain(q, k, v, layout);
    };
    let mut out = vec![0.0; shape[0] * shape[1]];
    let mut log_sum_exp = vec![0.0; shape[0] * layout.heads.query];
    layout.kernel().forward(
        numbers(&q_array),
        numbers(&k_array),
        numbers(&v_array),
        &mut out,
        &mut log_sum_exp,
    );
    let out = flex(out, &shape);
    Ok(record_array([q, k, v], out.clone(), || Saved {
        inputs: [q_array, k_array, v_array],
        out,
        log_sum_exp,
        layout: layout.clone(),
    }))
}

/// Attention over keys and values that lie in slices, off the tape: a text that is continued token by token.
/// q: [t, hq·d], keys and values: [s, hkv·d] → [t, hq·d].
pub fn attention_cached(q: &Tensor, keys: &[f32], values: &[f32], layout: &Attention) -> Result<Tensor> {
    let width = layout.heads.key_value * layout.heads.size;
    let rows = keys.len().checked_div(width).unwrap_or(0);
    let shape = layout.check_shapes(
        &q.matrix("attention")?,
        &[rows, width],
        &[values.len() / width.max(1), width],
    )?;
    let (mut out, mut log_sum_exp) =
        (vec![0.0; shape[0] * shape[1]], vec![0.0; shape[0] * layout.heads.query]);
    q.read(|q| layout.kernel().forward(q, keys, values, &mut out, &mut log_sum_exp));
    Tensor::new(out, &shape)
}

/// The same from backend operations: every span and head by itself, with its whole score matrix.
pub fn plain(q: &Tensor, k: &Tensor, v: &Tensor, layout: &Attention) -> Result<Tensor> {
    let shape = layout.check(q, k, v)?;
    let Heads { query, key_value, size } = layout.heads;
    let mut rows = Vec::new();
    let mut next = 0;
    for span in layout.spans.iter() {
        if span.queries.start > next {
            rows.push(Tensor::zeros(&[span.queries.start - next, shape[1]]));
        }
        next = span.queries.end;
        let mask = mask(span, layout);
        let heads = (0..query)
            .map(|head| {
                let from = |x: &Tensor, rows: &std::ops::Range<usize>, head: usize| {
                    x.narrow(0, rows.start, rows.len())?.narrow(1, head * size, size)
                };
                let group = head / (query / key_value);
                let scores = from(q, &span.queries, head)?.matmul(&from(k, &span.keys, group)?.t()?)?;
                let scores = scores.scale(layout.scale).add(&mask)?;
                scores.sub(&scores.log_sum_exp(1)?)?.exp().matmul(&from(v, &span.keys, group)?)
            })
            .collect::<Result<Vec<_>>>()?;
        rows.push(Tensor::concat(&heads, 1)?);
    }
    if next < shape[0] {
        rows.push(Tensor::zeros(&[shape[0] - next, shape[1]]));
    }
    Tensor::concat(&rows, 0)
}

/// 0 where a query sees a key, a large negative number elsewhere; [queries, keys].
fn mask(span: &Span, layout: &Attention) -> Tensor {
    let (queries, keys) = (span.queries.len(), span.keys.len());
    let offset = keys - queries;
    let entry = |query: usize, key: usize| {
        let place = query + offset;
        let before = || key <= place && layout.window.is_none_or(|window| place - key < window);
        let seen = !layout.causal || before();
        if seen { 0.0 } else { -1e30 }
    };
    let values = (0..queries).flat_map(|query| (0..keys).map(move |key| entry(query, key))).collect();
    Tensor::constant(values, &[queries, keys])
}

#[derive(Clone, Debug)]
struct Saved {
    inputs: [FlexTensor; 3],
    out: FlexTensor,
    log_sum_exp: Vec<f32>,
    layout: Attention,
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], _: &[bool]) -> Vec<Option<Vec<f32>>> {
        let [q, k, v] = self.inputs.each_ref().map(numbers);
        let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
        let saved = kernel::Saved { q, k, v, out: numbers(&self.out), log_sum_exp: &self.log_sum_exp };
        self.layout.kernel().backward(saved, output, &mut dq, &mut dk, &mut dv);
        vec![Some(dq), Some(dk), Some(dv)]
    }
}
