//! The same bytes whatever the number of threads.

use crate::levels;
use crate::oracle::normals;
use rankine_kernels::adamw::AdamW;
use rankine_kernels::affine::Activation;
use rankine_kernels::attention::{Attention, Heads, Saved, Span};
use rankine_kernels::conv::{self, Conv, Gradients};
use rankine_kernels::cross_entropy::Head;
use rankine_kernels::gelu::Gelu;
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_kernels::skinny::Packed;
use rankine_kernels::stored::{Operand, Stored};
use rankine_kernels::{layer_norm, norm, reduce, swiglu};

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

fn products(out: &mut Vec<u32>) {
    let (x, w) = (normals("x", 140 * 256), normals("w", 300 * 256));
    for rows in [1, 3, 15, 140] {
        let mut y = vec![0.0; rows * 300];
        let x = &x[..rows * 256];
        matmul(&mut y, Matrix::new(x, rows, 256), Matrix::new(&w, 300, 256).t(), 1.0, false);
        out.extend(bits(&y));
        let mut back = vec![0.0; rows * 256];
        matmul(&mut back, Matrix::new(&y, rows, 300), Matrix::new(&w, 300, 256), 1.0, false);
        out.extend(bits(&back));
    }
    for rows in [1, 26, 140] {
        out.extend(bits(&Packed::new(Matrix::new(&w, 300, 256).t()).product(&x[..rows * 256], rows)));
    }
}

fn stored(out: &mut Vec<u32>) {
    let weight = Stored::bf16(&normals("w", 300 * 130), 300, 130);
    for rows in [3, 300] {
        let x = normals("x", rows * 130);
        let (mut y, mut dx) = (vec![0.0; rows * 300], vec![0.0; x.len()]);
        weight.times_transposed(&x, &mut y);
        weight.times(&y, &mut dx);
        out.extend(bits(&y).into_iter().chain(bits(&dx)));
    }
}

fn attention(out: &mut Vec<u32>) {
    let (q, k, v) = (normals("q", 200 * 32), normals("k", 200 * 16), normals("v", 200 * 16));
    let spans = [Span { queries: 0..130, keys: 0..130 }, Span { queries: 130..200, keys: 130..200 }];
    let heads = Heads { query: 4, key_value: 2, size: 8 };
    let layout = Attention { heads, spans: &spans, scale: 0.3, window: None, causal: true };
    let (mut y, mut sums) = (vec![0.0; q.len()], vec![0.0; 800]);
    layout.forward(&q, &k, &v, &mut y, &mut sums);
    let (mut dq, mut dk, mut dv) = (q.clone(), k.clone(), v.clone());
    let saved = Saved { q: &q, k: &k, v: &v, out: &y, log_sum_exp: &sums };
    layout.backward(saved, &q, &mut dq, &mut dk, &mut dv);
    for x in [&y, &sums, &dq, &dk, &dv] {
        out.extend(bits(x));
    }
}

fn head(out: &mut Vec<u32>) {
    let (x, weight) = (normals("x", 300 * 8), normals("w", 5000 * 8));
    let targets: Vec<u32> = (0..300).map(|row| row * 11).collect();
    let head = Head { weight: weight.as_slice().into(), vocabulary: 5000, width: 8 };
    let (mut losses, mut dx, mut dw) = (vec![0.0; 300], vec![0.0; x.len()], vec![0.0; weight.len()]);
    head.losses(&x, &targets, &mut losses, Some(&mut dx), None);
    head.weight_gradient(&x, &targets, &losses, &mut dw);
    let stored = Stored::bf16(&weight, 5000, 8);
    let (mut stored_losses, mut stored_dx) = (losses.clone(), x.clone());
    let head = Head { weight: Operand::Stored(&stored), ..head };
    head.losses(&x, &targets, &mut stored_losses, Some(&mut stored_dx), None);
    for x in [&losses, &dx, &dw, &stored_losses, &stored_dx] {
        out.extend(bits(x));
    }
}

fn rows(out: &mut Vec<u32>) {
    let (x, w) = (normals("x", 500 * 200), normals("w", 200));
    let (mut y, mut s, mut dx, mut dw) = (x.clone(), vec![0.0; 500], x.clone(), w.clone());
    norm::rms_norm(&x, &w, 1e-5, &mut y, &mut s);
    norm::rms_norm_backward(&x, &w, &s, &y, &mut dx, Some(&mut dw));
    let (mut moments, mut units, mut db) = (vec![[0.0; 2]; 500], x.clone(), w.clone());
    layer_norm::layer_norm(&x, &w, &w, 1e-5, &mut units, &mut moments);
    let into = layer_norm::Gradients { dx: None, dw: None, db: Some(&mut db) };
    layer_norm::layer_norm_backward(layer_norm::Saved { x: &x, w: &w, moments: &moments }, &y, into);
    Gelu::Exact.forward(&y, &mut units);
    for x in [&units, &db] {
        out.extend(bits(x));
    }
    let mut gated = x.clone();
    swiglu::swiglu(&x, &y, &mut gated);
    let (mut p, mut m, mut v) = (x.clone(), vec![0.0; x.len()], vec![0.0; x.len()]);
    AdamW::default().update(1, 1e-2, 0.1, &mut p, &y, &mut m, &mut v);
    for x in [&y, &dx, &dw, &gated, &p, &m, &v] {
        out.extend(bits(x));
    }
    let sum = reduce::sum_of_squares(&x).to_bits();
    out.extend([sum as u32, (sum >> 32) as u32]);
}

fn convolutions(out: &mut Vec<u32>) {
    for (channels, outputs) in [(3, 5), (16, 32)] {
        let conv = Conv {
            batch: 37,
            channels,
            size: [9, 10],
            outputs,
            kernel: [3, 3],
            stride: [1, 1],
            padding: [1, 1],
            groups: 1,
            activation: Activation::Relu,
            pool: 2,
        };
        let (x, w) = (normals("x", 37 * channels * 90), normals("w", outputs * channels * 9));
        let (mut y, mut winners) = (vec![0.0; 37 * outputs * 20], vec![0; conv.winners()]);
        conv.forward(&x, &w, None, &mut y, &mut winners);
        let (mut dx, mut dw, mut db) = (x.clone(), w.clone(), vec![0.0; outputs]);
        let into = Gradients { dx: Some(&mut dx), dw: Some(&mut dw), db: Some(&mut db) };
        conv.backward(conv::Saved { x: &x, w: &w, y: &y, winners: &winners }, &y, into);
        for x in [&y, &dx, &dw, &db] {
            out.extend(bits(x));
        }
    }
    let (y, dy) = (normals("y", 300 * 200), normals("dy", 300 * 200));
    let mut db = vec![0.0; 200];
    out.extend(Activation::Relu.backward(&y, &dy, &mut db).iter().flat_map(|dz| bits(dz)));
    out.extend(bits(&db));
}

#[test]
fn one_two_and_five_threads_give_the_same_bytes() {
    levels::limited();
    let all = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut out = Vec::new();
            products(&mut out);
            stored(&mut out);
            attention(&mut out);
            head(&mut out);
            rows(&mut out);
            convolutions(&mut out);
            out
        })
    };
    let once = all(1);
    assert!(once == all(2) && once == all(5) && once == all(5));
}
