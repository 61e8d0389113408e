//! The low-rank linear layer.

use crate::oracle::{close, gradients, normals, product, wide};
use rankine_kernels::low_rank::LowRank;

const SCALE: f32 = 0.75;

/// y from (x, x̃, a, b) and the frozen w.
fn plain(inputs: &[Vec<f64>], w: &[f64], [width, out, rank]: [usize; 3]) -> Vec<f64> {
    let mut y = product(&inputs[0], w, width);
    let p = product(&inputs[1], &inputs[2], width);
    for (at, y) in y.iter_mut().enumerate() {
        let (row, column) = (at / out, at % out);
        let branch: f64 = (0..rank).map(|k| p[row * rank + k] * inputs[3][column * rank + k]).sum();
        *y += f64::from(SCALE) * branch;
    }
    y
}

fn check(rows: usize, [inputs, outputs, rank]: [usize; 3]) {
    let (x, seen) = (normals("x", rows * inputs), normals("x~", rows * inputs));
    let (weight, a) = (normals("w", outputs * inputs), normals("a", rank * inputs));
    let (b, dy) = (normals("b", outputs * rank), normals("dy", rows * outputs));
    let layer =
        LowRank { weight: weight.as_slice().into(), a: &a, b: &b, scale: SCALE, inputs, outputs, rank };
    let (mut y, mut projected) = (vec![f32::NAN; rows * outputs], vec![f32::NAN; rows * rank]);
    let nans = |like: &[f32]| vec![f32::NAN; like.len()];
    let (mut dx, mut dseen, mut da, mut db) = (nans(&x), nans(&x), nans(&a), nans(&b));
    let f = |inputs_: &[Vec<f64>]| plain(inputs_, &wide(&weight), [inputs, outputs, rank]);

    layer.forward(&x, &seen, &mut y, &mut projected);
    close("y", &y, &f(&[wide(&x), wide(&seen), wide(&a), wide(&b)]), 3e-6);
    layer.backward(&seen, &projected, &dy, Some(&mut dx), Some(&mut dseen), &mut da, &mut db);
    gradients("with dropout", &[&x, &seen, &a, &b], &dy, f, &[&dx, &dseen, &da, &db]);

    layer.forward(&x, &x, &mut y, &mut projected);
    layer.backward(&x, &projected, &dy, Some(&mut dx), None, &mut da, &mut db);
    let together = |inputs: &[Vec<f64>]| {
        f(&[inputs[0].clone(), inputs[0].clone(), inputs[1].clone(), inputs[2].clone()])
    };
    gradients("without", &[&x, &a, &b], &dy, together, &[&dx, &da, &db]);

    let (mut da_only, mut db_only) = (nans(&a), nans(&b));
    layer.backward(&x, &projected, &dy, None, None, &mut da_only, &mut db_only);
    assert!(da_only == da && db_only == db);
}

#[test]
fn agrees_with_the_definition_and_with_central_differences() {
    for (rows, sizes) in [(1, [5, 3, 2]), (7, [33, 17, 5]), (64, [48, 64, 16]), (150, [30, 130, 1])] {
        check(rows, sizes);
    }
}

#[test]
fn no_rows_and_no_rank_are_allowed() {
    check(0, [4, 6, 2]);
    check(9, [4, 6, 0]);
}
