//! bf16 matrices multiplied as bf16, by the plain kernel and by those of this processor.

use super::*;
use crate::bf16::tests::with_every_kernel;
use rankine_random::Rng;

fn normals(name: &str, count: usize) -> Vec<f32> {
    Rng::new(17).fork(name).normals(count, 1.0)
}

/// x as it is after rounding to bf16.
fn rounded(x: &[f32]) -> Vec<f32> {
    x.iter().map(|&x| half::bf16::from_f32(x).to_f32()).collect()
}

/// a·b in f64; a: [m, k], b: [k, n].
fn product(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let pair = |i: usize, j: usize, q: usize| f64::from(a[i * k + q]) * f64::from(b[q * n + j]);
    (0..m * n).map(|at| (0..k).map(|q| pair(at / n, at % n, q)).sum()).collect()
}

/// ‖found − exact‖ / ‖exact‖.
fn error(found: &[f32], exact: &[f64]) -> f64 {
    let differences = found.iter().zip(exact).map(|(&found, exact)| (f64::from(found) - exact).powi(2));
    (differences.sum::<f64>() / exact.iter().map(|x| x * x).sum::<f64>()).sqrt()
}

/// W and Wᵀ, widened.
fn weights([rows, columns]: [usize; 2]) -> (Stored, Vec<f32>, Vec<f32>) {
    let stored = Stored::bf16(&normals("w", rows * columns), rows, columns);
    let mut w = vec![0.0; rows * columns];
    stored.widen(0..rows, &mut w);
    let turned = (0..rows * columns).map(|at| w[at % rows * columns + at / rows]).collect();
    (stored, w, turned)
}

#[test]
fn many_rows_are_multiplied_as_bf16() {
    for (t, shape @ [rows, columns]) in [(16, [33, 70]), (70, [150, 96]), (300, [40, 33]), (17, [64, 801])] {
        let (stored, w, turned) = weights(shape);
        let (x, dy) = (normals("x", t * columns), normals("dy", t * rows));
        let forward = |x: &[f32]| product(x, &turned, [t, columns, rows]);
        let backward = |dy: &[f32]| product(dy, &w, [t, rows, columns]);
        let exact = [forward(&x), backward(&dy)];
        let of_rounded = [forward(&rounded(&x)), backward(&rounded(&dy))];
        with_every_kernel(|| {
            let (mut y, mut dx) = (vec![f32::NAN; t * rows], vec![f32::NAN; t * columns]);
            stored.times_transposed(&x, &mut y);
            stored.times(&dy, &mut dx);
            for ((found, exact), of_rounded) in [y, dx].iter().zip(&exact).zip(&of_rounded) {
                let errors @ [tight, wide] = [error(found, of_rounded), error(found, exact)];
                assert!(tight < 1e-6 && 1e-4 < wide && wide < 4e-3, "{t} · {shape:?}: {errors:?}");
            }
        });
    }
}

#[test]
fn few_rows_meet_the_widened_matrix() {
    let (t, shape @ [rows, columns]) = (matvec::ROWS, [70, 45]);
    let (stored, w, turned) = weights(shape);
    let (x, dy) = (normals("x", t * columns), normals("dy", t * rows));
    with_every_kernel(|| {
        let (mut y, mut dx) = (vec![f32::NAN; t * rows], vec![f32::NAN; t * columns]);
        stored.times_transposed(&x, &mut y);
        stored.times(&dy, &mut dx);
        assert!(error(&y, &product(&x, &turned, [t, columns, rows])) < 1e-6);
        assert!(error(&dx, &product(&dy, &w, [t, rows, columns])) < 1e-6);
    });
}

#[test]
fn threads_change_no_byte_of_a_bf16_product() {
    let (t, shape @ [rows, columns]) = (290, [300, 130]);
    let x = normals("x", t * columns);
    let all = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = std::sync::Mutex::new(Vec::new());
        pool.install(|| {
            with_every_kernel(|| {
                // Packed anew, with this number of threads.
                let stored = weights(shape).0;
                let (mut y, mut dx) = (vec![0.0; t * rows], vec![0.0; t * columns]);
                stored.times_transposed(&x, &mut y);
                stored.times(&y, &mut dx);
                found.lock().unwrap().extend(y.iter().chain(&dx).map(|x| x.to_bits()));
            });
        });
        found.into_inner().unwrap()
    };
    let once = all(1);
    assert!(once == all(2) && once == all(5) && once == all(5));
}

#[test]
fn the_packed_copy_is_no_part_of_the_value() {
    let stored = weights([40, 20]).0;
    let fresh = stored.clone();
    with_every_kernel(|| stored.times(&[1.0; 40 * 40], &mut [0.0; 40 * 20]));
    assert!(stored.packed.get().is_some());
    assert!(stored == fresh && stored.clone().packed.get().is_none());
    assert_eq!((format!("{stored:?}"), stored.bytes()), (format!("{fresh:?}"), 1600));
}
