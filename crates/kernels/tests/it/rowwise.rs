//! Norm, rotation, gate, sums.

use crate::oracle::{close, gradients, normals, wide};
use rankine_kernels::layer_norm::{self, Gradients, Saved};
use rankine_kernels::{norm, reduce, rope, swiglu};

fn plain_norm(x: &[f64], w: &[f64], eps: f64) -> Vec<f64> {
    let rows = x.chunks(w.len()).flat_map(|row| {
        let s = (row.iter().map(|x| x * x).sum::<f64>() / w.len() as f64 + eps).sqrt();
        row.iter().zip(w).map(move |(x, w)| x / s * w)
    });
    rows.collect()
}

#[test]
fn rms_norm_agrees_with_the_definition_and_with_central_differences() {
    for (rows, width) in [(0, 5), (1, 1), (1, 16), (7, 33), (64, 48), (150, 20), (3, 40_000)] {
        let (x, w, dy) = (normals("x", rows * width), normals("w", width), normals("dy", rows * width));
        let eps = 1e-2;
        let (mut y, mut s) = (vec![f32::NAN; x.len()], vec![f32::NAN; rows]);
        norm::rms_norm(&x, &w, eps, &mut y, &mut s);
        let f = |inputs: &[Vec<f64>]| plain_norm(&inputs[0], &inputs[1], f64::from(eps));
        close("y", &y, &f(&[wide(&x), wide(&w)]), 1e-6);
        let (mut dx, mut dw, mut alone) =
            (vec![f32::NAN; x.len()], vec![f32::NAN; width], vec![f32::NAN; x.len()]);
        norm::rms_norm_backward(&x, &w, &s, &dy, &mut dx, Some(&mut dw));
        norm::rms_norm_backward(&x, &w, &s, &dy, &mut alone, None);
        assert_eq!(dx, alone);
        gradients("norm", &[&x, &w], &dy, f, &[&dx, &dw]);
    }
}

fn plain_layer_norm(x: &[f64], w: &[f64], b: &[f64], eps: f64) -> Vec<f64> {
    let count = w.len() as f64;
    let rows = x.chunks(w.len()).flat_map(|row| {
        let mean = row.iter().sum::<f64>() / count;
        let deviation = (row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count + eps).sqrt();
        row.iter().zip(w).zip(b).map(move |((x, w), b)| (x - mean) / deviation * w + b)
    });
    rows.collect()
}

#[test]
fn layer_norm_agrees_with_the_definition_and_with_central_differences() {
    for (rows, width) in [(0, 5), (1, 8), (1, 16), (7, 33), (64, 48), (150, 20), (3, 40_000)] {
        let (x, dy) = (normals("x", rows * width), normals("dy", rows * width));
        let (w, b) = (normals("w", width), normals("b", width));
        let eps = 1e-2;
        let (mut y, mut moments) = (vec![f32::NAN; x.len()], vec![[f32::NAN; 2]; rows]);
        layer_norm::layer_norm(&x, &w, &b, eps, &mut y, &mut moments);
        let f = |inputs: &[Vec<f64>]| plain_layer_norm(&inputs[0], &inputs[1], &inputs[2], f64::from(eps));
        close("y", &y, &f(&[wide(&x), wide(&w), wide(&b)]), 2e-6);
        let saved = Saved { x: &x, w: &w, moments: &moments };
        let (mut dx, mut dw) = (vec![f32::NAN; x.len()], vec![f32::NAN; width]);
        let (mut db, mut alone) = (dw.clone(), dw.clone());
        let all = Gradients { dx: Some(&mut dx), dw: Some(&mut dw), db: Some(&mut db) };
        layer_norm::layer_norm_backward(saved, &dy, all);
        layer_norm::layer_norm_backward(
            saved,
            &dy,
            Gradients { db: Some(&mut alone), ..Gradients::default() },
        );
        assert_eq!(db, alone);
        gradients("layer norm", &[&x, &w, &b], &dy, f, &[&dx, &dw, &db]);
    }
}

/// A mean far from 0 costs no digits of the deviation.
#[test]
fn layer_norm_of_rows_far_from_zero() {
    let shifted: Vec<f32> = (0..64).map(|at| 4096.0 + (at % 8) as f32).collect();
    let (mut y, mut moments) = (vec![0.0; 64], vec![[0.0; 2]; 1]);
    layer_norm::layer_norm(&shifted, &[1.0; 64], &[0.0; 64], 1e-5, &mut y, &mut moments);
    let expected = plain_layer_norm(&wide(&shifted), &[1.0; 64], &[0.0; 64], 1e-5);
    close("y", &y, &expected, 1e-6);
}

#[test]
fn rotation_agrees_with_the_definition_and_its_inverse_with_its_transpose() {
    for (rows, heads, size) in [(0, 2, 4), (1, 1, 2), (7, 3, 16), (64, 2, 64), (150, 9, 10)] {
        let half = size / 2;
        let angles: Vec<f32> = normals("angles", 200 * half);
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.iter().map(|angle| (angle.cos(), angle.sin())).unzip();
        let positions: Vec<u32> = (0..rows as u32).map(|row| (row * 37) % 200).collect();
        let f = |inputs: &[Vec<f64>]| {
            let mut y = inputs[0].clone();
            for (row, &position) in y.chunks_mut(heads * size).zip(&positions) {
                for head in row.chunks_mut(size) {
                    for i in 0..half {
                        let at = position as usize * half + i;
                        let (c, s) = (f64::from(cos[at]), f64::from(sin[at]));
                        let (a, b) = (head[i], head[i + half]);
                        (head[i], head[i + half]) = (a * c - b * s, b * c + a * s);
                    }
                }
            }
            y
        };
        let x = normals("x", rows * heads * size);
        let mut y = x.clone();
        rope::rotate(&mut y, &positions, size, &cos, &sin, false);
        close("rotated", &y, &f(&[wide(&x)]), 1e-6);
        let dy = normals("dy", x.len());
        let mut dx = dy.clone();
        rope::rotate(&mut dx, &positions, size, &cos, &sin, true);
        gradients("rotation", &[&x], &dy, f, &[&dx]);
        rope::rotate(&mut y, &positions, size, &cos, &sin, true);
        close("turned back", &y, &wide(&x), 1e-6);
    }
}

#[test]
fn swiglu_agrees_with_the_definition_and_with_central_differences() {
    let f = |inputs: &[Vec<f64>]| {
        inputs[0].iter().zip(&inputs[1]).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect::<Vec<_>>()
    };
    for count in [0, 1, 15, 16, 17, 1000, 70_001] {
        let (gate, up, dy) = (normals("g", count), normals("u", count), normals("dy", count));
        let (mut y, mut dgate, mut dup) =
            (vec![f32::NAN; count], vec![f32::NAN; count], vec![f32::NAN; count]);
        swiglu::swiglu(&gate, &up, &mut y);
        close("y", &y, &f(&[wide(&gate), wide(&up)]), 3e-7);
        swiglu::swiglu_backward(&gate, &up, &dy, &mut dgate, &mut dup);
        gradients("swiglu", &[&gate, &up], &dy, f, &[&dgate, &dup]);
    }
}

#[test]
fn swiglu_stays_finite_at_the_ends_and_keeps_nan() {
    let gate = [-1e4, -100.0, -88.0, 0.0, 88.0, 1e4, f32::NAN];
    let mut y = [0.0; 7];
    swiglu::swiglu(&gate, &[1.0; 7], &mut y);
    assert!(y[..2].iter().all(|y| y.abs() < 1e-30) && y[3] == 0.0, "{y:?}");
    assert!(y[4] == 88.0 && y[5] == 1e4 && y[6].is_nan(), "{y:?}");
    let (mut dgate, mut dup) = ([0.0; 6], [0.0; 6]);
    swiglu::swiglu_backward(&gate[..6], &[1.0; 6], &[1.0; 6], &mut dgate, &mut dup);
    assert!(dgate.iter().chain(&dup).all(|x| x.is_finite()), "{dgate:?} {dup:?}");
    assert!((dgate[5] - 1.0).abs() < 1e-6 && dgate[0] == 0.0, "{dgate:?}");
}

#[test]
fn sums_and_vector_updates_agree_with_f64() {
    for count in [0, 1, 127, 128, 129, 100_003] {
        let (x, y) = (normals("x", count), normals("y", count));
        let exact: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        assert!((reduce::sum_of_squares(&x) - exact).abs() <= 1e-12 * exact);
        let exact: f64 = x.iter().zip(&y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
        assert!((reduce::dot(&x, &y) - exact).abs() <= 1e-9, "{count}");
        let (mut scaled, mut moved) = (x.clone(), y.clone());
        reduce::scale(&mut scaled, -0.5);
        reduce::axpy(2.0, &x, &mut moved);
        for at in 0..count {
            assert_eq!(scaled[at], x[at] * -0.5);
            assert_eq!(moved[at], y[at] + 2.0 * x[at]);
        }
    }
}
