//! Self-distillation: recursion, closed form and refits agree; the numbers of the toy.

use super::normal;
use faer::linalg::solvers::Solve as _;
use faer::{Mat, MatRef, Side};
use proptest::prelude::*;
use rankine_linalg::multiply;
use rankine_random::Rng;
use rankine_solve::Error;
use rankine_solve::theory::kernel::KernelRegression;
use rankine_solve::theory::self_distillation::{
    coefficients, limit, mean_squared, optimal_chain, optimal_truth, rate, shrinkage,
};
use serde_json::Value;

/// The eleven points of the toy.
const TARGETS: [f64; 11] = [
    0.38476636465198066,
    1.2333967683416893,
    1.33232242217057,
    0.6920159488889518,
    -0.29756145531871736,
    -0.24189291901377769,
    -0.7964485769175675,
    -0.9616480167034174,
    -0.49672509509916934,
    -0.3469066003991437,
    0.5589512650600734,
];
const RIDGE: f64 = 0.2;

fn gaussian(left: &[f64], right: &[f64]) -> Mat<f64> {
    Mat::from_fn(left.len(), right.len(), |i, j| (-80.0 * (left[i] - right[j]).powi(2)).exp())
}

/// The regression, K_x·V and the true values of the toy.
fn toy() -> (KernelRegression, Mat<f64>, Mat<f64>) {
    let x: Vec<f64> = (0..11).map(|i| f64::from(i) / 10.0).collect();
    let grid: Vec<f64> = (0..101).map(|i| f64::from(i) / 100.0).collect();
    let targets = MatRef::from_column_major_slice(&TARGETS, 11, 1);
    let regression = KernelRegression::new(gaussian(&x, &x).as_ref(), targets).unwrap();
    let rotated = regression.rotated(gaussian(&grid, &x).as_ref()).unwrap();
    let truth = Mat::from_fn(101, 1, |i, _| (2.0 * std::f64::consts::PI * grid[i]).sin());
    (regression, rotated, truth)
}

/// Errors of so many steps with the same α, and of the limit.
fn errors(truth: f64, steps: usize) -> (Vec<f64>, f64) {
    let (regression, rotated, targets) = toy();
    let d = regression.eigenvalues();
    let error = |before: &[f64]| {
        let c = coefficients(d, RIDGE, truth, before).unwrap();
        mean_squared(regression.predicted(rotated.as_ref(), &c).as_ref(), targets.as_ref())
    };
    let first = regression.predicted(rotated.as_ref(), &regression.ridge(RIDGE).unwrap());
    let mut found = vec![mean_squared(first.as_ref(), targets.as_ref())];
    found.extend((1..steps).map(|step| {
        error(&if step == 1 {
            shrinkage(d, RIDGE, 1.0, 1).unwrap()
        } else {
            // The first step has no teacher: α counts from the second.
            let mut b = shrinkage(d, RIDGE, 1.0, 1).unwrap();
            for _ in 1..step {
                b = d.iter().zip(coefficients(d, RIDGE, truth, &b).unwrap()).map(|(d, c)| d * c).collect();
            }
            b
        })
    }));
    (found, error(&limit(d, RIDGE, truth).unwrap()))
}

#[test]
fn the_toy_has_the_published_errors() {
    for (truth, expected, last) in [
        (0.0, [0.164773, 0.150756, 0.149154, 0.155605, 0.167352, 0.182511], 0.495050),
        (0.25, [0.164773, 0.153089, 0.149576, 0.149029, 0.149460, 0.150113], 0.152502),
        (0.35, [0.164773, 0.154241, 0.150885, 0.149834, 0.149535, 0.149477], 0.149588),
    ] {
        let (found, end) = errors(truth, 6);
        assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{truth}: {found:?}");
        assert!((end - last).abs() < 1e-6, "{truth}: {end}");
    }
}

#[test]
fn the_best_weights_of_the_toy_are_the_published_ones() {
    let (regression, rotated, targets) = toy();
    let data = (rotated.as_ref(), targets.as_ref());
    let all = f64::NEG_INFINITY..=f64::INFINITY;
    let chain = optimal_chain(&regression, data, RIDGE, 6, all).unwrap();
    let raw = [-0.6218, 0.33036, 0.33476, 0.33577, 0.33604];
    for (link, raw) in chain[1..].iter().zip(raw) {
        assert!((link.raw - raw).abs() < 1e-4, "{} {raw}", link.raw);
    }
    for (place, error) in [(0, 0.164773), (1, 0.148340), (2, 0.148890), (5, 0.149502)] {
        assert!((chain[place].error - error).abs() < 1e-6, "{place}: {}", chain[place].error);
    }
    let clipped = optimal_chain(&regression, data, RIDGE, 6, 0.0..=1.0).unwrap();
    assert!((clipped[1].raw - chain[1].raw).abs() < 1e-12 && clipped[1].truth == 0.0);
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn every_step_is_a_kernel_ridge_regression_of_scikit_learn() {
    let document: Value = serde_json::from_str(include_str!("../../fixtures/kernel_ridge.json")).unwrap();
    let near = |found: Mat<f64>, expected: &Value| {
        let expected = numbers(expected);
        let columns = found.ncols();
        let largest = expected.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        let apart =
            expected.iter().enumerate().map(|(at, x)| (found[(at / columns, at % columns)] - x).abs());
        apart.fold(0.0, f64::max) < 1e-11 * largest && expected.len() == found.nrows() * columns
    };
    for case in document["cases"].as_array().unwrap() {
        let name = &case["name"];
        let number = |key: &str| case[key].as_f64().unwrap();
        let (inputs, ridge, truth) = (number("inputs") as usize, number("ridge"), number("truth"));
        let matrix = |key: &str, columns: usize| {
            let values = numbers(&case[key]);
            Mat::from_fn(values.len() / columns, columns, |i, j| values[i * columns + j])
        };
        let (kernel, targets) = (matrix("kernel", inputs), matrix("targets", 2));
        let regression = KernelRegression::new(kernel.as_ref(), targets.as_ref()).unwrap();
        let rotated = regression.rotated(matrix("cross", inputs).as_ref()).unwrap();
        let d = regression.eigenvalues();
        let predicted = case["predicted"].as_array().unwrap();
        for (step, (fitted, predicted)) in
            case["fitted"].as_array().unwrap().iter().zip(predicted).enumerate()
        {
            let b = shrinkage(d, ridge, truth, step + 1).unwrap();
            assert!(near(regression.fitted(&b), fitted), "{name}, step {step}");
            let c = coefficients(d, ridge, truth, &shrinkage(d, ridge, truth, step).unwrap()).unwrap();
            assert!(near(regression.predicted(rotated.as_ref(), &c), predicted), "{name}, step {step}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn recursion_closed_form_and_refits_agree(seed in 0u64..1000, truth in 0.0f64..1.0, ridge in 0.01f64..2.0) {
        let mut rng = Rng::new(seed);
        let (half, targets) = (normal(9, 5, &mut rng), normal(9, 2, &mut rng));
        let kernel = multiply(half.as_ref(), half.transpose());
        let regression = KernelRegression::new(kernel.as_ref(), targets.as_ref()).unwrap();
        let d = regression.eigenvalues();
        let solver = (&kernel + faer::Scale(ridge) * Mat::<f64>::identity(9, 9)).llt(Side::Lower).unwrap();
        let (mut b, mut values, mut last) = (vec![1.0; 9], targets.clone(), vec![1.0; 9]);
        let end = limit(d, ridge, truth).unwrap();
        let rate = rate(d, ridge, truth).unwrap();
        for step in 1..8 {
            let mixed = faer::Scale(truth) * &targets + faer::Scale(1.0 - truth) * &values;
            values = multiply(kernel.as_ref(), solver.solve(&mixed).as_ref());
            b = d.iter().zip(coefficients(d, ridge, truth, &b).unwrap()).map(|(d, c)| d * c).collect();
            let closed = shrinkage(d, ridge, truth, step).unwrap();
            for (k, (b, closed)) in b.iter().zip(&closed).enumerate() {
                prop_assert!((b - closed).abs() < 1e-12);
                prop_assert!(0.0 <= *b && *b <= last[k] + 1e-15, "it falls with every step");
                prop_assert!((b - end[k]).abs() <= rate.powi(step as i32) * (1.0 - end[k]) + 1e-12);
            }
            prop_assert!(b.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12), "it rises with d");
            let more = shrinkage(d, ridge, (truth + 0.1).min(1.0), step).unwrap();
            prop_assert!(b.iter().zip(more).all(|(b, more)| *b <= more + 1e-12), "it rises with the truth");
            let apart = (regression.fitted(&closed) - &values).norm_l2();
            prop_assert!(apart < 1e-10 * (1.0 + targets.norm_l2()), "{apart}");
            last.clone_from(&b);
        }
        if 0.0 < truth {
            let weak = regression.ridge(ridge / truth).unwrap();
            prop_assert!(end.iter().zip(d.iter().zip(weak)).all(|(b, (d, c))| (b - d * c).abs() < 1e-12));
        }
    }

    #[test]
    fn no_other_weight_is_better(seed in 0u64..1000, other in -2.0f64..2.0) {
        let mut rng = Rng::new(seed);
        let [y, one, zero] = [0; 3].map(|_| normal(12, 3, &mut rng));
        let error = |truth: f64| {
            let mixed = faer::Scale(truth) * &one + faer::Scale(1.0 - truth) * &zero;
            mean_squared(mixed.as_ref(), y.as_ref())
        };
        let best = optimal_truth(y.as_ref(), one.as_ref(), zero.as_ref());
        prop_assert!(error(best) <= error(other) + 1e-14);
        let slope = (error(best + 1e-4) - error(best - 1e-4)) / 2e-4;
        prop_assert!(slope.abs() < 1e-8, "{slope}");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let error = shrinkage(&[1.0], 0.1, 1.5, 2).unwrap_err();
    assert_eq!(error.to_string(), "`truth` is 1.5; it must be from 0 to 1");
    assert!(matches!(limit(&[1.0], 0.0, 0.5), Err(Error::Setting { name: "ridge", .. })));
    let kernel = Mat::<f64>::identity(3, 3);
    let short = Mat::<f64>::zeros(2, 1);
    assert!(matches!(
        KernelRegression::new(kernel.as_ref(), short.as_ref()),
        Err(Error::Size { found: 2, .. })
    ));
    let nan = Mat::from_fn(3, 1, |i, _| if i == 1 { f64::NAN } else { 0.0 });
    let error = KernelRegression::new(kernel.as_ref(), nan.as_ref()).unwrap_err();
    assert!(matches!(&error, Error::NotFinite { index, .. } if *index == [1, 0]), "{error}");
}
