//! Norms, activations, rotations and attention.

use super::agree;
use rankine_random::Rng;
use rankine_tensor::{
    Frozen, Result, Tensor,
    ops::{self, Attention, Branch, Heads, Rotation, Span, plain},
};
use std::sync::Arc;

#[test]
fn rms_norm() {
    for [t, width] in [[1, 3], [6, 16], [11, 70]] {
        let shapes: [&[usize]; 2] = [&[t, width], &[width]];
        let fused = |x: &[Tensor]| ops::rms_norm(&x[0], &x[1], 1e-5);
        agree("rms_norm", &fused, &|x| plain::rms_norm(&x[0], &x[1], 1e-5), &shapes);
    }
}

#[test]
fn layer_norm() {
    for [t, width] in [[2, 8], [6, 16], [11, 70]] {
        let shapes: [&[usize]; 3] = [&[t, width], &[width], &[width]];
        let fused = |x: &[Tensor]| ops::layer_norm(&x[0], &x[1], &x[2], 1e-3);
        agree("layer_norm", &fused, &|x| plain::layer_norm(&x[0], &x[1], &x[2], 1e-3), &shapes);
    }
}

/// A norm that is not trained passes its input's gradient on.
#[test]
fn a_frozen_layer_norm_has_the_gradient_of_its_input() {
    let constant = |seed| Tensor::new(Rng::new(seed).normals(9, 1.0), &[9]).unwrap();
    let (w, b) = (constant(1), constant(2));
    let fused = |x: &[Tensor]| ops::layer_norm(&x[0], &w, &b, 1e-3);
    agree("frozen layer_norm", &fused, &|x| plain::layer_norm(&x[0], &w, &b, 1e-3), &[&[4, 9]]);
}

#[test]
fn gelu() {
    agree("gelu", &|x| ops::gelu(&x[0]), &|x| plain::gelu(&x[0]), &[&[7, 33]]);
    agree("gelu_tanh", &|x| ops::gelu_tanh(&x[0]), &|x| plain::gelu_tanh(&x[0]), &[&[7, 33]]);
}

#[test]
fn swiglu() {
    let fused = |x: &[Tensor]| ops::swiglu(&x[0], &x[1]);
    agree("swiglu", &fused, &|x| plain::swiglu(&x[0], &x[1]), &[&[7, 33], &[7, 33]]);
}

#[test]
fn rotate() {
    let size = 8;
    let angles = Rng::new(4).uniforms(20 * size / 2, 3.0);
    let rotation = Rotation {
        size,
        cos: angles.iter().map(|a| a.cos()).collect(),
        sin: angles.iter().map(|a| a.sin()).collect(),
        positions: Arc::from([0, 1, 2, 0, 19]),
    };
    let fused = |x: &[Tensor]| ops::rotate(&x[0], &rotation);
    agree("rotate", &fused, &|x| plain::rotate(&x[0], &rotation), &[&[5, 3 * size]]);
}

#[test]
fn attention_inside_spans() {
    for (heads, lengths, window, causal) in [
        (Heads { query: 4, key_value: 2, size: 16 }, vec![7, 1, 64], None, true),
        (Heads { query: 3, key_value: 1, size: 8 }, vec![70, 5], Some(6), true),
        (Heads { query: 2, key_value: 2, size: 64 }, vec![33], None, true),
        (Heads { query: 4, key_value: 2, size: 16 }, vec![7, 1, 64], None, false),
    ] {
        let t: usize = lengths.iter().sum();
        let starts = lengths.iter().scan(0, |next, &length| Some(std::mem::replace(next, *next + length)));
        let spans = starts
            .zip(&lengths)
            .map(|(start, &length)| Span { queries: start..start + length, keys: start..start + length });
        let layout = Attention { heads, spans: spans.collect(), scale: 0.4, window, causal };
        let key_width = heads.key_value * heads.size;
        let shapes: [&[usize]; 3] = [&[t, heads.query * heads.size], &[t, key_width], &[t, key_width]];
        let fused = |x: &[Tensor]| ops::attention(&x[0], &x[1], &x[2], &layout);
        agree("attention", &fused, &|x| plain::attention(&x[0], &x[1], &x[2], &layout), &shapes);
    }
}

#[test]
fn attention_of_a_continued_text() {
    let heads = Heads { query: 2, key_value: 1, size: 8 };
    let spans = Arc::from([Span { queries: 0..3, keys: 0..10 }]);
    let layout = Attention { heads, spans, scale: 0.3, window: Some(5), causal: true };
    let shapes: [&[usize]; 3] = [&[3, 16], &[10, 8], &[10, 8]];
    let fused = |x: &[Tensor]| ops::attention(&x[0], &x[1], &x[2], &layout);
    agree("cached", &fused, &|x| plain::attention(&x[0], &x[1], &x[2], &layout), &shapes);
    let mut rng = Rng::new(8);
    let [q, k, v] = [48, 80, 80].map(|count| rng.normals(count, 1.0));
    let q = Tensor::new(q, &[3, 16]).unwrap();
    let cached = ops::attention_cached(&q, &k, &v, &layout).unwrap();
    let (k, v) = (Tensor::new(k, &[10, 8]).unwrap(), Tensor::new(v, &[10, 8]).unwrap());
    assert_eq!(cached.to_vec(), ops::attention(&q, &k, &v, &layout).unwrap().to_vec());
}

/// What a backward pass makes again, rather than keeps, is what was there: normed rows and gated units that others read.
#[test]
fn operations_read_the_same_numbers_in_the_backward_pass() {
    let chain = |normed: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>,
                 gated: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>,
                 inputs: &[Tensor]| {
        let [x, w, gate, up, a, b] = inputs else { panic!("six inputs") };
        let normed = normed(x, w)?;
        let inner = gated(&ops::linear(&normed, gate)?, &ops::linear(&normed, up)?)?;
        let branch = Branch { a, core: None, b, scale: 0.5, input: None };
        ops::low_rank(&inner, &Frozen::from(Tensor::new(vec![0.25; 3 * 7], &[3, 7])?), branch)
    };
    agree(
        "chain",
        &|inputs| chain(&|x, w| ops::rms_norm(x, w, 1e-5), &ops::swiglu, inputs),
        &|inputs| chain(&|x, w| plain::rms_norm(x, w, 1e-5), &plain::swiglu, inputs),
        &[&[9, 5], &[5], &[7, 5], &[7, 5], &[2, 7], &[3, 2]],
    );
}
