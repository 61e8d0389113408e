//! Attention over packed examples, windows and caches.

use crate::oracle::{close, gradients, normals, wide};
use rankine_kernels::attention::{Attention, Heads, Saved, Span};
use std::ops::Range;

fn span(queries: Range<usize>, keys: Range<usize>) -> Span {
    Span { queries, keys }
}

/// out and log-sum-exp from the definition, one pair at a time.
fn plain(layout: &Attention<'_>, q: &[f64], k: &[f64], v: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let Heads { query, key_value, size } = layout.heads;
    let rows = q.len() / (query * size);
    let (mut out, mut log_sum_exp) = (vec![0.0; q.len()], vec![f64::NEG_INFINITY; rows * query]);
    for span in layout.spans {
        let (n, m) = (span.queries.len(), span.keys.len());
        for (i, head) in (0..n).flat_map(|i| (0..query).map(move |head| (i, head))) {
            let own = m - n + i;
            let seen = match (layout.causal, layout.window) {
                (false, _) => 0..m,
                (true, window) => window.map_or(0, |window| (own + 1).saturating_sub(window))..own + 1,
            };
            let key = |j: usize| ((span.keys.start + j) * key_value + head / (query / key_value)) * size;
            let row = ((span.queries.start + i) * query + head) * size;
            let score = |j: usize| -> f64 {
                f64::from(layout.scale) * (0..size).map(|at| q[row + at] * k[key(j) + at]).sum::<f64>()
            };
            let scores: Vec<f64> = seen.clone().map(score).collect();
            let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
            log_sum_exp[(span.queries.start + i) * query + head] = max + sum.ln();
            for (j, s) in seen.zip(scores) {
                let p = (s - max).exp() / sum;
                (0..size).for_each(|at| out[row + at] += p * v[key(j) + at]);
            }
        }
    }
    (out, log_sum_exp)
}

fn check(heads: Heads, spans: &[Span], window: Option<usize>) {
    check_layout(&Attention { heads, spans, scale: 1.0 / (heads.size as f32).sqrt(), window, causal: true });
}

fn check_both_ways(heads: Heads, spans: &[Span]) {
    let scale = 1.0 / (heads.size as f32).sqrt();
    check_layout(&Attention { heads, spans, scale, window: None, causal: false });
}

fn check_layout(layout: &Attention<'_>) {
    let Attention { heads, spans, .. } = *layout;
    let rows = spans.last().map_or(0, |span| span.queries.end) + 2;
    let key_rows = spans.iter().map(|span| span.keys.end).max().unwrap_or(0) + 1;
    let (width, key_width) = (heads.query * heads.size, heads.key_value * heads.size);
    let (q, dout) = (normals("q", rows * width), normals("dout", rows * width));
    let (k, v) = (normals("k", key_rows * key_width), normals("v", key_rows * key_width));
    let (mut out, mut log_sum_exp) = (vec![f32::NAN; q.len()], vec![f32::NAN; rows * heads.query]);
    layout.forward(&q, &k, &v, &mut out, &mut log_sum_exp);

    let (plain_out, plain_sums) = plain(layout, &wide(&q), &wide(&k), &wide(&v));
    close(&format!("out {layout:?}"), &out, &plain_out, 2e-6);
    for (found, expected) in log_sum_exp.iter().zip(&plain_sums) {
        let same = f64::from(*found) == *expected || (f64::from(*found) - expected).abs() < 1e-5;
        assert!(same, "log-sum-exp {found} against {expected}");
    }

    let (mut dq, mut dk, mut dv) =
        (vec![f32::NAN; q.len()], vec![f32::NAN; k.len()], vec![f32::NAN; v.len()]);
    let saved = Saved { q: &q, k: &k, v: &v, out: &out, log_sum_exp: &log_sum_exp };
    layout.backward(saved, &dout, &mut dq, &mut dk, &mut dv);
    let f = |inputs: &[Vec<f64>]| plain(layout, &inputs[0], &inputs[1], &inputs[2]).0;
    gradients(&format!("{layout:?}"), &[&q, &k, &v], &dout, f, &[&dq, &dk, &dv]);
}

#[test]
fn one_span_of_many_lengths_head_counts_and_sizes() {
    for length in [1, 2, 7, 64, 65] {
        for (query, key_value) in [(4, 2), (3, 1), (2, 2)] {
            let heads = Heads { query, key_value, size: if length % 2 == 0 { 16 } else { 5 } };
            check(heads, &[span(0..length, 0..length)], None);
        }
    }
    check(Heads { query: 3, key_value: 1, size: 64 }, &[span(0..150, 0..150)], None);
    check(Heads { query: 4, key_value: 2, size: 16 }, &[span(0..150, 0..150)], Some(33));
}

#[test]
fn packed_examples_do_not_see_each_other() {
    let spans = [span(0..7, 0..7), span(7..77, 7..77), span(80..81, 80..81)];
    check(Heads { query: 4, key_value: 2, size: 16 }, &spans, None);
    check(Heads { query: 3, key_value: 1, size: 8 }, &spans, Some(5));
}

#[test]
fn queries_behind_a_cache() {
    let heads = Heads { query: 4, key_value: 2, size: 16 };
    check(heads, &[span(0..1, 0..100)], None);
    check(heads, &[span(0..1, 0..100)], Some(9));
    check(heads, &[span(0..70, 3..150)], None);
    check(heads, &[span(0..70, 3..150)], Some(20));
    // Two sequences, one of them reading the other's keys too.
    check(heads, &[span(1..4, 0..10), span(4..5, 4..30), span(5..5, 2..9)], None);
    // Long enough for the heads of one query to be shared between threads.
    check(Heads { query: 6, key_value: 2, size: 64 }, &[span(0..1, 0..1100)], None);
}

#[test]
fn both_ways_every_query_sees_all_of_its_span() {
    for length in [1, 2, 7, 65, 150] {
        let heads = Heads { query: 4, key_value: 2, size: if length % 2 == 0 { 16 } else { 5 } };
        check_both_ways(heads, &[span(0..length, 0..length)]);
    }
    let packed = [span(0..7, 0..7), span(7..77, 7..77), span(80..81, 80..81)];
    check_both_ways(Heads { query: 3, key_value: 3, size: 16 }, &packed);
    // Fewer queries than keys, and one query whose heads are shared between threads.
    check_both_ways(Heads { query: 2, key_value: 1, size: 8 }, &[span(0..3, 2..90)]);
    check_both_ways(Heads { query: 6, key_value: 2, size: 64 }, &[span(0..1, 0..1100)]);
}

#[test]
fn rows_of_keys_that_collide_in_cache() {
    check(Heads { query: 8, key_value: 4, size: 64 }, &[span(0..70, 0..70)], None);
}

#[test]
fn nothing_in_nothing_out() {
    let heads = Heads { query: 2, key_value: 1, size: 4 };
    let layout = Attention { heads, spans: &[], scale: 1.0, window: None, causal: true };
    layout.forward(&[], &[], &[], &mut [], &mut []);
    let saved = Saved { q: &[], k: &[], v: &[], out: &[], log_sum_exp: &[] };
    layout.backward(saved, &[], &mut [], &mut [], &mut []);
    check(layout.heads, &[], None);
}

#[test]
fn a_window_always_holds_the_query_itself() {
    let heads = Heads { query: 1, key_value: 1, size: 2 };
    let spans = [span(0..3, 0..3)];
    let v = normals("v", 6);
    let mut out = [0.0; 6];
    let layout = Attention { heads, spans: &spans, scale: 1.0, window: Some(0), causal: true };
    layout.forward(&v, &v, &v, &mut out, &mut [0.0; 3]);
    assert_eq!(out[..], v[..]);
}

#[test]
fn large_scores_do_not_overflow_and_nan_is_not_hidden() {
    let heads = Heads { query: 1, key_value: 1, size: 1 };
    let spans = [span(0..3, 0..3)];
    let layout = Attention { heads, spans: &spans, scale: 1.0, window: None, causal: true };
    let (mut out, mut sums) = ([0.0; 3], [0.0; 3]);
    layout.forward(&[300.0; 3], &[-300.0, 300.0, 0.0], &[1.0, 2.0, 3.0], &mut out, &mut sums);
    assert_eq!((out, sums), ([1.0, 2.0, 2.0], [-90_000.0, 90_000.0, 90_000.0]));
    layout.forward(&[1.0; 3], &[1.0, f32::NAN, 1.0], &[1.0; 3], &mut out, &mut sums);
    assert!(out[0] == 1.0 && out[1].is_nan() && out[2].is_nan(), "{out:?}");
}
