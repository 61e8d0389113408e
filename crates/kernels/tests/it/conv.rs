//! Convolution and pooling against torch, against the definition, and across routes.

use crate::oracle::{close, normals, wide};
use rankine_kernels::affine::Activation;
use rankine_kernels::conv::{Conv, Gradients, Saved};
use rankine_kernels::pool::MaxPool;
use rankine_testkit::fixtures::{floats, items};
use serde_json::Value;

/// y, dx, dw, db.
fn run(conv: &Conv, x: &[f32], w: &[f32], b: &[f32], dy: &[f32]) -> [Vec<f32>; 4] {
    let (mut y, mut winners) = (vec![f32::NAN; dy.len()], vec![255; conv.winners()]);
    conv.forward(x, w, Some(b), &mut y, &mut winners);
    let (mut dx, mut dw, mut db) =
        (vec![f32::NAN; x.len()], vec![f32::NAN; w.len()], vec![f32::NAN; b.len()]);
    let into = Gradients { dx: Some(&mut dx), dw: Some(&mut dw), db: Some(&mut db) };
    conv.backward(Saved { x, w, y: &y, winners: &winners }, dy, into);
    let mut alone = vec![f32::NAN; w.len()];
    let into = Gradients { dw: Some(&mut alone), ..Gradients::default() };
    conv.backward(Saved { x, w, y: &y, winners: &winners }, dy, into);
    assert!(alone == dw, "dw alone differs from dw beside dx");
    [y, dx, dw, db]
}

/// The numbers of conv.py.
fn drawn(salt: usize, count: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 7919 + salt * 104_729) % 257) as f32 / 64.0 - 2.0).collect()
}

/// What a route's rounding is held to, of the largest number of a list: Winograd's transforms cost a digit.
fn tolerance(conv: &Conv) -> f64 {
    let whole = [conv.channels, conv.outputs].iter().all(|count| (count / conv.groups).is_multiple_of(16));
    let short = conv.stride == [1, 1] && [[3, 3], [5, 5]].contains(&conv.kernel);
    if whole && short { 1e-5 } else { 1e-6 }
}

#[test]
fn agrees_with_torch() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/conv.json")).unwrap();
    for case in items(&fixture["cases"]) {
        let number = |name: &str| case[name].as_u64().unwrap() as usize;
        let pair = |name: &str| [0, 1].map(|at| case[name][at].as_u64().unwrap() as usize);
        let conv = Conv {
            batch: number("batch"),
            channels: number("channels"),
            size: pair("size"),
            outputs: number("outputs"),
            kernel: pair("kernel"),
            stride: pair("stride"),
            padding: pair("padding"),
            groups: number("groups"),
            activation: if case["relu"].as_bool().unwrap() { Activation::Relu } else { Activation::None },
            pool: number("pool"),
        };
        let (x, w, b, dy) = (
            drawn(1, conv.batch * conv.channels * conv.size[0] * conv.size[1]),
            drawn(2, floats(&case["dw"]).len()),
            drawn(3, conv.outputs),
            drawn(4, floats(&case["y"]).len()),
        );
        let found = run(&conv, &x, &w, &b, &dy);
        for (name, found) in ["y", "dx", "dw", "db"].into_iter().zip(found) {
            close(&format!("{name} of {conv:?}"), &found, &wide(&floats(&case[name])), tolerance(&conv));
        }
    }
}

/// The definition, in f64: y, dx, dw, db without activation and pooling.
fn plain(conv: &Conv, x: &[f32], w: &[f32], b: &[f32], dy: &[f32]) -> [Vec<f64>; 4] {
    let [height, width] = conv.size;
    let [rows, columns] = conv.output().unwrap();
    let (c, k) = (conv.channels / conv.groups, conv.outputs / conv.groups);
    let (mut y, mut dx, mut dw, mut db) =
        (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()], vec![0.0; b.len()]);
    for at in 0..y.len() {
        let (j, i, output, n) = (
            at % columns,
            at / columns % rows,
            at / columns / rows % conv.outputs,
            at / columns / rows / conv.outputs,
        );
        let gradient = f64::from(dy[at]);
        y[at] = f64::from(b[output]);
        db[output] += gradient;
        for tap in 0..c * conv.kernel[0] * conv.kernel[1] {
            let (s, r) = (tap % conv.kernel[1], tap / conv.kernel[1] % conv.kernel[0]);
            let channel = output / k * c + tap / conv.kernel[1] / conv.kernel[0];
            let (row, column) = (i * conv.stride[0] + r, j * conv.stride[1] + s);
            let inside = |at: usize, axis: usize| {
                at.checked_sub(conv.padding[axis]).filter(|at| *at < conv.size[axis])
            };
            if let (Some(row), Some(column)) = (inside(row, 0), inside(column, 1)) {
                let from = ((n * conv.channels + channel) * height + row) * width + column;
                let weight = output * c * conv.kernel[0] * conv.kernel[1] + tap;
                y[at] += f64::from(x[from]) * f64::from(w[weight]);
                dx[from] += f64::from(w[weight]) * gradient;
                dw[weight] += f64::from(x[from]) * gradient;
            }
        }
    }
    [y, dx, dw, db]
}

fn conv(batch: usize, channels: usize, size: [usize; 2], outputs: usize, kernel: [usize; 2]) -> Conv {
    let padding = kernel.map(|kernel| kernel / 2);
    let (stride, groups, activation, pool) = ([1, 1], 1, Activation::None, 1);
    Conv { batch, channels, size, outputs, kernel, stride, padding, groups, activation, pool }
}

#[test]
fn every_route_agrees_with_the_definition() {
    let cases = [
        conv(3, 1, [9, 8], 5, [5, 5]),
        conv(18, 2, [6, 5], 17, [3, 3]),
        conv(2, 16, [7, 9], 32, [5, 5]),
        conv(2, 32, [13, 14], 48, [5, 5]),
        Conv { padding: [0, 1], ..conv(2, 32, [6, 9], 16, [3, 3]) },
        Conv { padding: [4, 3], ..conv(1, 16, [6, 9], 16, [5, 5]) },
        Conv { stride: [2, 3], padding: [0, 2], ..conv(2, 5, [11, 10], 7, [4, 3]) },
        Conv { stride: [2, 2], ..conv(2, 16, [8, 8], 16, [3, 3]) },
        Conv { groups: 2, ..conv(2, 32, [5, 6], 64, [3, 3]) },
        Conv { groups: 6, stride: [2, 1], ..conv(1, 6, [8, 7], 12, [3, 3]) },
        conv(1, 64, [33, 20], 16, [3, 3]),
        conv(1, 7, [1, 1], 3, [1, 1]),
        conv(0, 16, [5, 5], 16, [3, 3]),
    ];
    for conv in cases {
        let name = format!("{conv:?}");
        let x = normals("x", conv.batch * conv.channels * conv.size[0] * conv.size[1]);
        let w = normals("w", conv.outputs * conv.channels / conv.groups * conv.kernel[0] * conv.kernel[1]);
        let b = normals("b", conv.outputs);
        let dy = normals("dy", conv.batch * conv.outputs * conv.output().unwrap().iter().product::<usize>());
        let found = run(&conv, &x, &w, &b, &dy);
        for ((part, found), expected) in
            ["y", "dx", "dw", "db"].iter().zip(found).zip(plain(&conv, &x, &w, &b, &dy))
        {
            close(&format!("{part} of {name}"), &found, &expected, tolerance(&conv));
        }
    }
}

#[test]
fn fused_relu_and_pooling_are_those_of_their_own() {
    for base in [conv(2, 16, [7, 10], 32, [5, 5]), conv(3, 2, [6, 9], 5, [3, 3])] {
        for pool in [1, 2, 3] {
            let [x, w, b] = [
                normals("x", base.batch * base.channels * base.size[0] * base.size[1]),
                normals("w", base.outputs * base.channels * base.kernel[0] * base.kernel[1]),
                normals("b", base.outputs),
            ];
            let fused = Conv { activation: Activation::Relu, pool, ..base };
            let dy =
                normals("dy", base.batch * base.outputs * fused.output().unwrap().iter().product::<usize>());
            let [y, dx, dw, db] = run(&fused, &x, &w, &b, &dy);

            let full = base.output().unwrap();
            let mut z = vec![0.0; base.batch * base.outputs * full[0] * full[1]];
            base.forward(&x, &w, Some(&b), &mut z, &mut []);
            let relu: Vec<f32> = z.iter().map(|z| z.max(0.0)).collect();
            let pooling = MaxPool { size: full, window: [pool; 2], stride: [pool; 2], padding: [0; 2] };
            let (mut expected, mut winners) = (vec![0.0; dy.len()], vec![0; dy.len()]);
            pooling.forward(&relu, &mut expected, &mut winners);
            assert!(y == expected, "pooled maps of {fused:?}");
            let mut dz = vec![0.0; z.len()];
            pooling.backward(&winners, &dy, &mut dz);
            dz.iter_mut().zip(&z).for_each(|(dz, z)| *dz = if *z > 0.0 { *dz } else { 0.0 });
            let [_, dx2, dw2, db2] = run(&base, &x, &w, &b, &dz);
            close("dx", &dx, &wide(&dx2), 1e-6);
            close("dw", &dw, &wide(&dw2), 1e-6);
            close("db", &db, &wide(&db2), 1e-6);
        }
    }
}

#[test]
fn pooling_agrees_with_the_definition() {
    for pooling in [
        MaxPool { size: [8, 10], window: [2, 2], stride: [2, 2], padding: [0, 0] },
        MaxPool { size: [7, 9], window: [2, 2], stride: [2, 2], padding: [0, 0] },
        MaxPool { size: [7, 8], window: [3, 3], stride: [2, 2], padding: [1, 1] },
        MaxPool { size: [5, 6], window: [3, 2], stride: [1, 1], padding: [0, 1] },
    ] {
        let maps = 700;
        let [rows, columns] = pooling.output().unwrap();
        let x = normals("x", maps * pooling.size[0] * pooling.size[1]);
        let (mut y, mut winners) = (vec![0.0; maps * rows * columns], vec![0; maps * rows * columns]);
        pooling.forward(&x, &mut y, &mut winners);
        let area = pooling.size[0] * pooling.size[1];
        let mut dx = vec![f32::NAN; x.len()];
        let dy = normals("dy", y.len());
        pooling.backward(&winners, &dy, &mut dx);
        let mut expected = vec![0.0; x.len()];
        for (at, found) in y.iter().enumerate() {
            let (j, i, map) = (at % columns, at / columns % rows, at / columns / rows);
            let (mut best, mut winner) = (f32::NEG_INFINITY, 0);
            for a in 0..pooling.window[0] {
                for b in 0..pooling.window[1] {
                    let row = (i * pooling.stride[0] + a).checked_sub(pooling.padding[0]);
                    let column = (j * pooling.stride[1] + b).checked_sub(pooling.padding[1]);
                    if let (Some(row), Some(column)) = (row, column)
                        && row < pooling.size[0]
                        && column < pooling.size[1]
                        && x[map * area + row * pooling.size[1] + column] > best
                    {
                        winner = row * pooling.size[1] + column;
                        best = x[map * area + winner];
                    }
                }
            }
            assert_eq!((*found, winners[at] as usize), (best, winner), "{pooling:?} {at}");
            expected[map * area + winner] += f64::from(dy[at]);
        }
        close("dx", &dx, &expected, 1e-6);
    }
}

#[test]
fn a_nan_is_not_lost() {
    let pooling = MaxPool { size: [2, 2], window: [2, 2], stride: [2, 2], padding: [0, 0] };
    for at in 0..4 {
        let (mut x, mut y, mut winners) = ([1.0; 4], [0.0], [0]);
        x[at] = f32::NAN;
        pooling.forward(&x, &mut y, &mut winners);
        assert!(y[0].is_nan(), "{at}");
    }
    let fused = Conv { pool: 2, activation: Activation::Relu, ..conv(1, 1, [2, 2], 1, [1, 1]) };
    for at in 0..4 {
        let (mut x, mut y, mut winners) = ([1.0; 4], [0.0], vec![0; fused.winners()]);
        x[at] = f32::NAN;
        fused.forward(&x, &[1.0], None, &mut y, &mut winners);
        assert!(y[0].is_nan() && usize::from(winners[0]) == at, "{at}");
    }
    let mut y = [f32::NAN, -1.0];
    Activation::Relu.apply(&mut y, &[0.0, 0.5]);
    assert!(y[0].is_nan() && y[1] == 0.0);
}

#[test]
fn impossible_sizes_have_no_output() {
    let fine = conv(1, 4, [5, 5], 4, [3, 3]);
    assert_eq!(fine.output(), Some([5, 5]));
    for wrong in [
        Conv { groups: 3, ..fine },
        Conv { groups: 0, ..fine },
        Conv { channels: 0, ..fine },
        Conv { outputs: 0, ..fine },
        Conv { size: [0, 5], ..fine },
        Conv { stride: [0, 1], ..fine },
        Conv { padding: [3, 0], ..fine },
        Conv { padding: [0, 0], size: [2, 5], ..fine },
        Conv { pool: 0, ..fine },
        Conv { pool: 6, ..fine },
    ] {
        assert_eq!(wrong.output(), None, "{wrong:?}");
    }
    let pooling = MaxPool { size: [4, 4], window: [2, 2], stride: [2, 2], padding: [2, 0] };
    assert_eq!(pooling.output(), None);
}
