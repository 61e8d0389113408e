//! Products with matrices: dense, stored, and with a low-rank branch.

use super::{agree, distance, equal};
use rankine_random::Rng;
use rankine_tensor::{
    Frozen, Result, Stored, Tensor, Var,
    ops::{self, Activation, Branch, IGNORED, plain},
};
use std::sync::Arc;

#[test]
fn linear() {
    for [t, inputs, outputs] in [[1, 5, 3], [7, 16, 9], [33, 40, 24]] {
        let shapes: [&[usize]; 2] = [&[t, inputs], &[outputs, inputs]];
        agree("linear", &|x| ops::linear(&x[0], &x[1]), &|x| plain::linear(&x[0], &x[1]), &shapes);
    }
}

#[test]
fn affine() {
    for [t, inputs, outputs] in [[1, 5, 3], [7, 16, 9], [70, 40, 530]] {
        let shapes: [&[usize]; 3] = [&[t, inputs], &[outputs, inputs], &[outputs]];
        let fused = |x: &[Tensor], f| ops::affine(&x[0], &x[1], &x[2], f);
        let oracle = |x: &[Tensor], f| plain::affine(&x[0], &x[1], &x[2], f);
        let (linear, relu) = (Activation::None, Activation::Relu);
        agree("affine", &|x| fused(x, linear), &|x| oracle(x, linear), &shapes);
        equal("affine, relu", &|x| fused(x, relu), &|x| oracle(x, relu), &shapes);
    }
}

#[test]
fn low_rank_with_a_frozen_weight() {
    for [t, inputs, outputs, rank] in [[1, 5, 3, 1], [7, 16, 9, 4], [40, 48, 64, 16], [9, 64, 32, 5]] {
        let weight = Tensor::new(Rng::new(3).normals(outputs * inputs, 0.3), &[outputs, inputs]).unwrap();
        let shapes: [&[usize]; 3] = [&[t, inputs], &[rank, inputs], &[outputs, rank]];
        let fused = |x: &[Tensor]| {
            ops::low_rank(
                &x[0],
                &weight.clone().into(),
                Branch { a: &x[1], core: None, b: &x[2], scale: 0.5, input: None },
            )
        };
        let oracle = |x: &[Tensor]| {
            plain::low_rank(
                &x[0],
                &weight,
                Branch { a: &x[1], core: None, b: &x[2], scale: 0.5, input: None },
            )
        };
        agree("low_rank", &fused, &oracle, &shapes);
    }
}

#[test]
fn low_rank_with_a_core() {
    let [t, inputs, outputs, left, right] = [7, 16, 9, 3, 4];
    let weight = Tensor::new(Rng::new(3).normals(outputs * inputs, 0.3), &[outputs, inputs]).unwrap();
    for core in [vec![right], vec![left, right]] {
        let left = if core.len() == 1 { right } else { left };
        let shapes: [&[usize]; 5] = [&[t, inputs], &[right, inputs], &core, &[outputs, left], &[t, inputs]];
        for own_input in [false, true] {
            let branch = |x: &[Tensor], f: &dyn Fn(Branch<'_>) -> Result<Tensor>| {
                let input = own_input.then_some(&x[4]);
                let y = f(Branch { a: &x[1], core: Some(&x[2]), b: &x[3], scale: 1.5, input })?;
                // Every input has a gradient.
                y.add(&x[4].sum().scale(0.5).reshape(&[1, 1])?)
            };
            let fused =
                |x: &[Tensor]| branch(x, &|branch| ops::low_rank(&x[0], &weight.clone().into(), branch));
            let oracle = |x: &[Tensor]| branch(x, &|branch| plain::low_rank(&x[0], &weight, branch));
            agree("low_rank core", &fused, &oracle, &shapes);
        }
    }
}

/// Factors that are not trained, as a diagonal between frozen bases has them.
#[test]
fn constants_of_a_branch_get_no_gradient() {
    let tensor = |seed, shape: &[usize]| {
        Tensor::new(Rng::new(seed).normals(shape.iter().product(), 0.5), shape).unwrap()
    };
    let (x, w, a, b) = (tensor(1, &[5, 6]), tensor(2, &[4, 6]), tensor(3, &[2, 6]), tensor(4, &[4, 2]));
    let core = Var::from_tensor(&tensor(5, &[2]));
    let run = |f: &dyn Fn(Branch<'_>) -> Result<Tensor>| {
        let core_tensor = core.tensor();
        let branch = Branch { a: &a, core: Some(&core_tensor), b: &b, scale: 2.0, input: None };
        f(branch).unwrap().sum().backward().unwrap().of(&core).unwrap().to_vec()
    };
    let found = run(&|branch| ops::low_rank(&x, &w.clone().into(), branch));
    let expected = run(&|branch| plain::low_rank(&x, &w, branch));
    assert!(distance(&found, &expected) < 1e-5, "{found:?} {expected:?}");
}

#[test]
fn low_rank_with_another_branch_input() {
    let weight = Tensor::new(Rng::new(3).normals(9 * 16, 0.3), &[9, 16]).unwrap();
    let shapes: [&[usize]; 4] = [&[7, 16], &[4, 16], &[9, 4], &[7, 16]];
    let branch = |x: &[Tensor], f: &dyn Fn(Branch<'_>) -> Result<Tensor>| {
        f(Branch { a: &x[1], core: None, b: &x[2], scale: 1.5, input: Some(&x[3]) })
    };
    let fused = |x: &[Tensor]| branch(x, &|branch| ops::low_rank(&x[0], &weight.clone().into(), branch));
    let oracle = |x: &[Tensor]| branch(x, &|branch| plain::low_rank(&x[0], &weight, branch));
    agree("low_rank dropout", &fused, &oracle, &shapes);
}

#[test]
fn a_stored_matrix_counts_as_the_numbers_it_holds() {
    let (columns, rows) = (24, 70);
    let values = Rng::new(4).normals(rows * columns, 1.0);
    let stored = Frozen::from(Stored::bf16(&values, rows, columns));
    let wide = stored.tensor();
    let targets: Arc<[u32]> = Arc::from([1, IGNORED, 4, 69, 0, 7, 7, 2, 3]);
    let x: &[usize] = &[9, columns];
    agree("frozen linear", &|x| ops::frozen_linear(&x[0], &stored), &|x| plain::linear(&x[0], &wide), &[x]);
    let losses = |x: &[Tensor]| ops::frozen_losses(&x[0], &stored, &targets);
    agree("frozen losses", &losses, &|x| plain::losses(&x[0], &wide, &targets), &[x]);
    let branch = |x: &[Tensor], then: &dyn Fn(Branch<'_>) -> Result<Tensor>| {
        then(Branch { a: &x[1], core: None, b: &x[2], scale: 0.5, input: None })
    };
    let fused = |x: &[Tensor]| branch(x, &|branch| ops::low_rank(&x[0], &stored, branch));
    let oracle = |x: &[Tensor]| branch(x, &|branch| plain::low_rank(&x[0], &wide, branch));
    agree("frozen low rank", &fused, &oracle, &[x, &[3, columns], &[rows, 3]]);
    let x = Tensor::new(Rng::new(5).normals(9 * columns, 1.0), &[9, columns]).unwrap();
    let (found, expected) = (ops::frozen_score(&x, &stored, &targets), ops::score(&x, &wide, &targets));
    assert_eq!(found.unwrap().greedy, expected.unwrap().greedy);
    let ids: Arc<[u32]> = Arc::from([2, 69, 2]);
    let picked = ops::frozen_rows(&stored, &ids).unwrap();
    assert_eq!(picked.to_vec(), ops::embedding(&wide, &ids).unwrap().to_vec());
    assert!(ops::frozen_rows(&stored, &Arc::from([70])).is_err());
    assert!(ops::frozen_linear(&x, &Frozen::from(Stored::bf16(&values, columns, rows))).is_err());
}

#[test]
fn a_product_taken_away_in_one_pass() {
    let tensor = |shape: &[usize], seed| {
        Tensor::new(Rng::new(seed).normals(shape.iter().product(), 1.0), shape).unwrap()
    };
    let (w, b, a) = (tensor(&[40, 24], 1), tensor(&[40, 3], 2), tensor(&[3, 24], 3));
    let expected = w.sub(&b.matmul(&a).unwrap().scale(0.75)).unwrap();
    let found = w.minus_product(&b, &a, 0.75).unwrap();
    assert!(distance(&found.to_vec(), &expected.to_vec()) < 1e-6);
    assert!(w.minus_product(&a, &b, 1.0).is_err());
}
