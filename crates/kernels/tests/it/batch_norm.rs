//! Batch norm.

use crate::oracle::{close, gradients, normals, wide};
use rankine_kernels::batch_norm::{BatchNorm, Gradients, Saved};

const EPSILON: f32 = 1e-2;

/// Every channel by itself.
fn plain(sizes: BatchNorm, x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for (channel, (w, b)) in w.iter().zip(b).enumerate() {
        let places = (0..x.len()).filter(|at| at / sizes.area % sizes.channels == channel);
        let places: Vec<usize> = places.collect();
        let mean =
            |f: &dyn Fn(f64) -> f64| places.iter().map(|&at| f(x[at])).sum::<f64>() / places.len() as f64;
        let m = mean(&|x| x);
        let deviation = (mean(&|x| (x - m).powi(2)) + f64::from(EPSILON)).sqrt();
        places.iter().for_each(|&at| y[at] = (x[at] - m) / deviation * w + b);
    }
    y
}

/// y, dx, dw, db.
fn run(sizes: BatchNorm, [x, w, b, dy]: [&[f32]; 4]) -> [Vec<f32>; 4] {
    let moments = sizes.moments(x);
    let saved = Saved { x, w, moments: &moments, epsilon: EPSILON };
    let [mut y, mut dx, mut dw, mut db] = [x, x, w, w].map(|like| vec![f32::NAN; like.len()]);
    sizes.forward(saved, b, &mut y);
    sizes.backward(saved, dy, Gradients { dx: Some(&mut dx), dw: &mut dw, db: &mut db });
    [y, dx, dw, db]
}

#[test]
fn batch_norm_agrees_with_the_definition_and_with_central_differences() {
    for (images, channels, area) in [(2, 3, 5), (4, 1, 16), (3, 5, 49), (40, 2, 33), (1, 7, 64)] {
        let sizes = BatchNorm { channels, area };
        let count = images * channels * area;
        let (x, dy) = (normals("x", count), normals("dy", count));
        let (w, b) = (normals("w", channels), normals("b", channels));
        let [y, dx, dw, db] = run(sizes, [&x, &w, &b, &dy]);
        let f = |inputs: &[Vec<f64>]| plain(sizes, &inputs[0], &inputs[1], &inputs[2]);
        close("y", &y, &f(&[wide(&x), wide(&w), wide(&b)]), 2e-6);
        gradients("batch norm", &[&x, &w, &b], &dy, f, &[&dx, &dw, &db]);
    }
}

/// A mean far from 0 costs no digits of the deviation.
#[test]
fn channels_far_from_zero() {
    let sizes = BatchNorm { channels: 1, area: 64 };
    let x: Vec<f32> = (0..64).map(|at| 4096.3 + (at % 8) as f32).collect();
    let [y, ..] = run(sizes, [&x, &[1.0], &[0.0], &x]);
    close("y", &y, &plain(sizes, &wide(&x), &[1.0], &[0.0]), 2e-3);
    assert!((sizes.moments(&x)[0][1] - 5.25).abs() < 1e-3);
}

#[test]
fn threads_give_the_same_bytes() {
    crate::levels::limited();
    let sizes = BatchNorm { channels: 24, area: 200 };
    let (x, dy) = (normals("x", 24 * 200 * 30), normals("dy", 24 * 200 * 30));
    let (w, b) = (normals("w", 24), normals("b", 24));
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(sizes, [&x, &w, &b, &dy]))
    };
    assert_eq!(with(1), with(5));
}
