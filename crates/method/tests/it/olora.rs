//! OLoRA: what follows from its definition, and peft's numbers.

use crate::support::{distance, leaf, named, structure};
use rankine_method::Site;
use rankine_nn::{Kind, Weight};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures};

const SHAPES: [[usize; 2]; 3] = [[24, 16], [16, 24], [20, 20]];
const SETTINGS: [(usize, &str, f32); 4] = [
    (4, "rank = 4", 1.0),
    (4, "rank = 4\nalpha = 8.0", 2.0),
    (4, "rank = 4\nalpha = 6.0\nrslora = true", 3.0),
    (16, "rank = 16", 1.0),
];

fn weight(shape: [usize; 2]) -> Tensor {
    Tensor::new(Rng::new(11).normals(shape[0] * shape[1], 0.3), &shape).unwrap()
}

/// The structure's base, a and b.
fn parts(structure: &dyn Weight) -> [Tensor; 3] {
    ["base", "a", "b"].map(|name| leaf(structure, name))
}

#[test]
fn b_is_orthonormal_and_a_is_upper_triangular() {
    for (rank, settings, _) in SETTINGS {
        for shape in SHAPES {
            let [_, a, b] = parts(structure(&named("olora", settings), &weight(shape)).as_ref());
            let one: Vec<f32> =
                (0..rank * rank).map(|at| if at / rank == at % rank { 1.0 } else { 0.0 }).collect();
            assert_close!(b.t().unwrap().matmul(&b).unwrap().to_vec(), one, absolute = 1e-6, "{shape:?}");
            for (k, row) in a.to_vec().chunks(shape[1]).enumerate() {
                assert!(row[..k].iter().all(|&x| x == 0.0) && 0.0 < row[k], "{shape:?}, row {k}");
            }
        }
    }
}

/// bᵀ·W = a, so that bᵀ·base = (1 − s)·a; and the first r columns of W lie in the span of b.
#[test]
fn base_is_what_the_scale_leaves_of_the_weight() {
    for (rank, settings, scale) in SETTINGS {
        for shape in SHAPES {
            let original = weight(shape);
            let structure = structure(&named("olora", settings), &original);
            let whole = structure.dense().unwrap().to_vec();
            assert!(distance(&whole, &original.to_vec()) < 1e-6, "{settings}");
            let [base, a, b] = parts(structure.as_ref());
            let projected = b.t().unwrap().matmul(&base).unwrap().to_vec();
            assert_close!(projected, a.scale(1.0 - scale).to_vec(), absolute = 2e-6, "{settings} {shape:?}");
            let leading = |matrix: &Tensor| matrix.narrow(1, 0, rank).unwrap();
            let left = leading(&original).scale(1.0 - scale).to_vec();
            assert_close!(leading(&base).to_vec(), left, absolute = 2e-6, "{settings} {shape:?}");
        }
    }
}

#[test]
fn factors_and_residual_are_those_of_peft() {
    let json = fixtures::json("pissa.json");
    let weight = Tensor::new(fixtures::floats(&json["weight"]), &[24, 16]).unwrap();
    let cases: Vec<_> =
        fixtures::items(&json["cases"]).iter().filter(|case| case["init_lora_weights"] == "olora").collect();
    assert_eq!(cases.len(), 1);
    for case in cases {
        let rank = case["r"].as_u64().unwrap() as usize;
        let alpha = case["lora_alpha"].as_f64().unwrap();
        let [base, a, b] =
            parts(structure(&named("olora", &format!("rank = {rank}\nalpha = {alpha:?}")), &weight).as_ref());
        assert_close!(base.to_vec(), fixtures::floats(&case["residual"]), absolute = 2e-6);
        let (peft_a, peft_b) = (fixtures::floats(&case["a"]), fixtures::floats(&case["b"]));
        let signs: Vec<f32> = (0..rank).map(|k| peft_a[k * 16 + k].signum()).collect();
        let turned_a: Vec<f32> = peft_a.iter().enumerate().map(|(at, x)| x * signs[at / 16]).collect();
        let turned_b: Vec<f32> = peft_b.iter().enumerate().map(|(at, x)| x * signs[at % rank]).collect();
        assert_close!(a.to_vec(), turned_a, absolute = 2e-6);
        assert_close!(b.to_vec(), turned_b, absolute = 2e-6);
    }
}

#[test]
fn a_weight_of_zeros_and_one_with_nan() {
    let [base, a, b] = parts(structure(&named("olora", "rank = 2"), &Tensor::zeros(&[24, 16])).as_ref());
    assert!([base, a].iter().all(|part| part.to_vec().iter().all(|&x| x == 0.0)));
    assert!(b.to_vec().iter().all(|x| x.is_finite()));
    let broken = Tensor::new(vec![f32::NAN; 24 * 16], &[24, 16]).unwrap().into();
    let site = Site { path: "w.weight", kind: Kind::Linear, weight: &broken, statistics: None };
    let error = named("olora", "").method().attach(&site, 2, Rng::new(0)).err().unwrap();
    assert!(error.to_string().contains("w.weight"), "{error}");
}
