//! SORSA, SALT and LoLDU against the formulas of their released code, computed in f64: see `fixtures/PROVENANCE.md`.

use crate::support::{leaf, named, set, slopes, structure};
use rankine_nn::{Scope, Weight};
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures};

/// How many inputs each layer is shown.
const ROWS: usize = 5;

fn matrix(values: Vec<f32>, rows: usize) -> Tensor {
    let columns = values.len() / rows;
    Tensor::new(values, &[rows, columns]).unwrap()
}

/// x·wᵀ, and Σ (x·wᵀ)∘direction.
fn probed(structure: &dyn Weight, x: Vec<f32>, direction: Vec<f32>) -> [Tensor; 2] {
    let y = structure.apply(&matrix(x, ROWS), Scope::QUIET).unwrap();
    let probe = y.mul(&matrix(direction, ROWS)).unwrap().sum();
    [y, probe]
}

/// One step of gradient descent.
fn step(structure: &mut dyn Weight, found: Vec<(String, Vec<f32>, Vec<f32>)>, rate: f32) {
    for (name, values, slope) in found {
        let moved: Vec<f32> = values.iter().zip(&slope).map(|(value, slope)| value - rate * slope).collect();
        set(structure, &name, &moved);
    }
}

#[test]
fn sorsa_starts_and_learns_as_released() {
    for case in fixtures::items(&fixtures::json("sorsa.json")) {
        let numbers = |name: &str| fixtures::floats(&case[name]);
        let number = |name: &str| case[name].as_f64().unwrap();
        let alpha = case["alpha"].as_f64().map_or_else(String::new, |alpha| format!("alpha = {alpha:?}"));
        let (gamma, rate) = (number("gamma"), number("rate") as f32);
        let settings = format!("rank = {}\ngamma = {gamma:?}\n{alpha}", case["rank"]);
        let weight = matrix(numbers("weight"), fixtures::items(&case["weight"]).len());
        let mut structure = structure(&named("sorsa", &settings), &weight);
        let (base, dense) = (leaf(structure.as_ref(), "base"), structure.dense().unwrap());
        assert_close!(leaf(structure.as_ref(), "core").to_vec(), numbers("values"), relative = 1e-5);
        assert_close!(base.to_vec(), numbers("base"), absolute = 5e-6, "{settings}");
        assert_close!(dense.sub(&base).unwrap().to_vec(), numbers("product"), absolute = 5e-6, "{settings}");

        for name in ["a", "core", "b"] {
            set(structure.as_mut(), name, &fixtures::floats(&case["factors"][name]));
        }
        let [y, probe] = probed(structure.as_ref(), numbers("x"), numbers("direction"));
        assert_close!(y.to_vec(), numbers("y"), relative = 1e-5, absolute = 2e-5, "{settings}");
        let penalty = structure.penalty().unwrap().unwrap();
        assert_close!([penalty.item()], [gamma * number("orthonormality")], relative = 1e-5, "{settings}");
        let gradients = penalty.backward().unwrap();
        structure.leaves(&mut |name, leaf| {
            let slope = leaf.trained().and_then(|variable| gradients.of(variable));
            assert_eq!(slope.is_some(), ["a", "b"].contains(&name), "{name}");
            if let Some(slope) = slope {
                let expected = fixtures::doubles(&case["slopes"][name]).into_iter().map(|x| gamma * x);
                let expected: Vec<f64> = expected.collect();
                assert_close!(
                    slope.to_vec(),
                    expected,
                    relative = 1e-5,
                    absolute = 1e-5,
                    "{settings}: {name}"
                );
            }
        });
        let loss = probe.add(&structure.penalty().unwrap().unwrap()).unwrap();
        let found = slopes(structure.as_ref(), &loss);
        step(structure.as_mut(), found, rate);
        let merged = structure.dense().unwrap().to_vec();
        assert_close!(merged, numbers("merged"), relative = 1e-5, absolute = 1e-5, "{settings}");
    }
}

#[test]
fn salt_cuts_and_learns_as_released() {
    for case in fixtures::items(&fixtures::json("salt.json")) {
        let numbers = |name: &str| fixtures::floats(&case[name]);
        let number = |name: &str| case[name].as_f64().unwrap();
        let (lambda, rate) = (number("lambda"), number("rate") as f32);
        let settings = format!("top = {}\nrank = {}\nregularization = {lambda:?}", case["top"], case["rank"]);
        let weight = matrix(numbers("weight"), fixtures::items(&case["weight"]).len());
        let mut structure = structure(&named("salt", &settings), &weight);
        assert_close!(leaf(structure.as_ref(), "sigma").to_vec(), numbers("sigma"), relative = 1e-5);
        for name in ["alpha", "beta", "x", "y"] {
            set(structure.as_mut(), name, &fixtures::floats(&case["parts"][name]));
        }
        let [u, vt] = ["u", "vt"].map(|name| leaf(structure.as_ref(), name));
        let inside = u.t().unwrap().matmul(&structure.dense().unwrap()).unwrap();
        let inside = inside.matmul(&vt.t().unwrap()).unwrap().to_vec();
        let cut: Vec<f32> = numbers("m").into_iter().map(|m| m.max(0.0)).collect();
        assert_close!(inside, cut, absolute = 1e-5, "{settings}");

        let [output, probe] = probed(structure.as_ref(), numbers("input"), numbers("direction"));
        assert_close!(output.to_vec(), numbers("output"), relative = 1e-5, absolute = 2e-5, "{settings}");
        let penalty = structure.penalty().unwrap().unwrap();
        assert_close!([penalty.item()], [lambda * number("regulariser")], relative = 1e-5, "{settings}");
        let found = slopes(structure.as_ref(), &probe.add(&penalty).unwrap());
        assert_eq!(found.len(), 4);
        for (name, _, slope) in &found {
            let expected = fixtures::floats(&case["slopes"][name]);
            assert_close!(slope, expected, relative = 1e-5, absolute = 5e-5, "{settings}: {name}");
        }
        step(structure.as_mut(), found, rate);
        let merged = structure.dense().unwrap().to_vec();
        assert_close!(merged, numbers("merged"), relative = 1e-5, absolute = 1e-5, "{settings}");
    }
}

#[test]
fn loldu_factors_starts_and_scales_as_released() {
    for case in fixtures::items(&fixtures::json("loldu.json")) {
        let numbers = |name: &str| fixtures::floats(&case[name]);
        let alpha = case["alpha"].as_f64().unwrap();
        let settings = format!("rank = {}\nalpha = {alpha:?}\ntrain_scale = true", case["rank"]);
        let weight = matrix(numbers("weight"), fixtures::items(&case["weight"]).len());
        for name in ["lu", "constant", "ones", "zeros"] {
            let settings = format!("{settings}\ninit = '{name}'\nlegacy_residual = true");
            let started = structure(&named("loldu", &settings), &weight);
            let expected = |part: &str| fixtures::floats(&case["starts"][name][part]);
            let found = ["core", "base"].map(|name| leaf(started.as_ref(), name).to_vec());
            assert_close!(found[0], expected("z"), relative = 1e-5, absolute = 1e-6, "{name}");
            assert_close!(found[1], expected("base"), absolute = 1e-5, "{name}");
            assert_close!(started.dense().unwrap().to_vec(), expected("dense"), absolute = 1e-5, "{name}");
        }
        let mut structure = structure(&named("loldu", &settings), &weight);
        for (name, factor) in [("core", "d"), ("b", "b"), ("a", "a")] {
            let found = leaf(structure.as_ref(), name).to_vec();
            assert_close!(found, numbers(factor), relative = 1e-5, absolute = 2e-6, "{name}");
        }
        assert_close!(structure.dense().unwrap().to_vec(), numbers("weight"), absolute = 5e-6);

        set(structure.as_mut(), "core", &numbers("z"));
        set(structure.as_mut(), "scale", &numbers("scale"));
        let [y, probe] = probed(structure.as_ref(), numbers("x"), numbers("direction"));
        assert_close!(y.to_vec(), numbers("y"), relative = 1e-5, absolute = 5e-5);
        let merged = structure.dense().unwrap().to_vec();
        assert_close!(merged, numbers("merged"), relative = 1e-5, absolute = 1e-5);
        let found = slopes(structure.as_ref(), &probe);
        assert_eq!(found.len(), 2);
        for (name, _, slope) in found {
            let expected = fixtures::floats(&case["slopes"][&name]);
            assert_close!(slope, expected, relative = 2e-5, absolute = 1e-4, "{name}");
        }
    }
}
