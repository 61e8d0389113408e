//! The low-rank linear layer, with every kind of core.

use crate::oracle::{close, gradients, normals, product, wide};
use rankine_kernels::low_rank::{Core, Gradients, LowRank};

const SCALE: f32 = 0.75;

#[derive(Clone, Copy, Debug)]
struct Sizes {
    inputs: usize,
    outputs: usize,
    ranks: [usize; 2],
    diagonal: bool,
}

impl Sizes {
    fn core(self) -> usize {
        let [left, right] = self.ranks;
        if self.diagonal { right } else { left * right }
    }

    /// The core as a matrix; [left, right].
    fn matrix(self, core: &[f64]) -> Vec<f64> {
        let [left, right] = self.ranks;
        let at = |i: usize, j: usize| match (self.diagonal, i == j) {
            (true, true) => core[i],
            (true, false) => 0.0,
            (false, _) => core[i * right + j],
        };
        (0..left).flat_map(|i| (0..right).map(move |j| at(i, j))).collect()
    }
}

/// y from (x, x̃, a, core, b) and the frozen w.
fn plain(inputs: &[Vec<f64>], w: &[f64], sizes: Sizes) -> Vec<f64> {
    let [left, right] = sizes.ranks;
    let mut y = product(&inputs[0], w, sizes.inputs);
    let p = product(&inputs[1], &inputs[2], sizes.inputs);
    let m = product(&p, &sizes.matrix(&inputs[3]), right);
    for (at, y) in y.iter_mut().enumerate() {
        let (row, column) = (at / sizes.outputs, at % sizes.outputs);
        let branch: f64 = (0..left).map(|k| m[row * left + k] * inputs[4][column * left + k]).sum();
        *y += f64::from(SCALE) * branch;
    }
    y
}

fn check(rows: usize, sizes: Sizes) {
    let Sizes { inputs, outputs, ranks: [left, right], .. } = sizes;
    let (x, seen) = (normals("x", rows * inputs), normals("x~", rows * inputs));
    let (weight, a) = (normals("w", outputs * inputs), normals("a", right * inputs));
    let (b, dy) = (normals("b", outputs * left), normals("dy", rows * outputs));
    let c = normals("core", sizes.core());
    let core = if sizes.diagonal { Core::Diagonal(&c) } else { Core::Dense(&c) };
    let weight_operand = weight.as_slice().into();
    let layer = LowRank {
        weight: weight_operand,
        a: &a,
        core,
        b: &b,
        scale: SCALE,
        inputs,
        outputs,
        ranks: sizes.ranks,
    };
    let (mut y, mut projected) = (vec![f32::NAN; rows * outputs], vec![f32::NAN; rows * right]);
    let nans = |like: &[f32]| vec![f32::NAN; like.len()];
    let (mut dx, mut dseen) = (nans(&x), nans(&x));
    let (mut da, mut dc, mut db) = (nans(&a), nans(&c), nans(&b));
    let f = |inputs: &[Vec<f64>]| plain(inputs, &wide(&weight), sizes);

    layer.forward(&x, &seen, &mut y, &mut projected);
    close("y", &y, &f(&[wide(&x), wide(&seen), wide(&a), wide(&c), wide(&b)]), 3e-6);
    let all = Gradients {
        x: Some(&mut dx),
        branch_input: Some(&mut dseen),
        a: Some(&mut da),
        core: Some(&mut dc),
        b: Some(&mut db),
    };
    layer.backward(&seen, &projected, &dy, all);
    gradients("with dropout", &[&x, &seen, &a, &c, &b], &dy, f, &[&dx, &dseen, &da, &dc, &db]);

    layer.forward(&x, &x, &mut y, &mut projected);
    let together = |inputs: &[Vec<f64>]| f(&[&inputs[..1], inputs].concat());
    let all = Gradients {
        x: Some(&mut dx),
        branch_input: None,
        a: Some(&mut da),
        core: Some(&mut dc),
        b: Some(&mut db),
    };
    layer.backward(&x, &projected, &dy, all);
    gradients("without", &[&x, &a, &c, &b], &dy, together, &[&dx, &da, &dc, &db]);

    let (mut da_only, mut db_only, mut dc_only) = (nans(&a), nans(&b), nans(&c));
    let leaves = Gradients { a: Some(&mut da_only), b: Some(&mut db_only), ..Gradients::default() };
    layer.backward(&x, &projected, &dy, leaves);
    layer.backward(&x, &projected, &dy, Gradients { core: Some(&mut dc_only), ..Gradients::default() });
    assert!(da_only == da && db_only == db && dc_only == dc);
}

fn check_without_core(rows: usize, [inputs, outputs, rank]: [usize; 3]) {
    let (x, weight) = (normals("x", rows * inputs), normals("w", outputs * inputs));
    let (a, b) = (normals("a", rank * inputs), normals("b", outputs * rank));
    let dy = normals("dy", rows * outputs);
    let ones = vec![1.0; rank];
    let run = |core| {
        let ranks = [rank; 2];
        let weight = weight.as_slice().into();
        let layer = LowRank { weight, a: &a, core, b: &b, scale: SCALE, inputs, outputs, ranks };
        let (mut y, mut projected) = (vec![f32::NAN; rows * outputs], vec![f32::NAN; rows * rank]);
        layer.forward(&x, &x, &mut y, &mut projected);
        let mut made = [x.len(), a.len(), b.len()].map(|length| vec![f32::NAN; length]);
        let [dx, da, db] = &mut made;
        let all = Gradients { x: Some(dx), a: Some(da), b: Some(db), ..Gradients::default() };
        layer.backward(&x, &projected, &dy, all);
        (y, made)
    };
    assert!(run(Core::None) == run(Core::Diagonal(&ones)));
}

#[test]
fn agrees_with_the_definition_and_with_central_differences() {
    for (rows, inputs, outputs, left, right) in
        [(1, 5, 3, 2, 2), (7, 33, 17, 5, 3), (64, 48, 64, 16, 16), (150, 30, 130, 1, 4)]
    {
        check(rows, Sizes { inputs, outputs, ranks: [left, right], diagonal: false });
        check(rows, Sizes { inputs, outputs, ranks: [right, right], diagonal: true });
        check_without_core(rows, [inputs, outputs, left]);
    }
}

#[test]
fn no_rows_and_no_rank_are_allowed() {
    for (rows, rank) in [(0, 2), (9, 0)] {
        check(rows, Sizes { inputs: 4, outputs: 6, ranks: [rank; 2], diagonal: false });
        check(rows, Sizes { inputs: 4, outputs: 6, ranks: [rank; 2], diagonal: true });
        check_without_core(rows, [4, 6, rank]);
    }
}
