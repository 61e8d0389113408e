//! A factored weight computes as its dense weight does, with two thin products.

use rankine_nn::{
    Leaf, Leaves, Scope, Weight,
    weight::{Dense, Distance, Factored, counts},
};
use rankine_random::Rng;
use rankine_tensor::{
    Frozen, Stored, Tensor,
    ops::{Activation, Convolution},
};
use rankine_testkit::{GradientCheck, assert_close, gradient_check};

const OUTPUTS: usize = 9;
const INPUTS: usize = 6;
const RANK: usize = 2;

fn random(name: &str, shape: &[usize]) -> Tensor {
    Tensor::new(Rng::new(5).fork(name).normals(shape.iter().product(), 0.5), shape).unwrap()
}

fn factored(outputs: usize) -> Factored {
    Factored::new(&random("a", &[RANK, INPUTS]), &random("b", &[outputs, RANK]))
}

#[test]
fn products_are_those_of_the_dense_weight() {
    let weight = factored(OUTPUTS);
    let dense = Dense::frozen(weight.dense().unwrap().detach());
    let (x, bias, targets) = (random("x", &[5, INPUTS]), random("bias", &[OUTPUTS]), [0, 8, 3, 3, 1]);
    let answers = |weight: &dyn Weight| {
        [
            weight.apply(&x, Scope::QUIET).unwrap(),
            weight.affine(&x, &bias, Activation::Relu, Scope::QUIET).unwrap(),
            weight.rows(&[3, 0, 8, 3].into()).unwrap(),
            weight.losses(&x, &targets.into()).unwrap(),
            Tensor::new(weight.score(&x, &targets).unwrap().losses, &[targets.len()]).unwrap(),
        ]
    };
    for (found, expected) in answers(&weight).iter().zip(answers(&dense)) {
        assert_eq!(found.shape(), expected.shape());
        assert_close!(found.to_vec(), expected.to_vec(), relative = 1e-5, absolute = 1e-5);
    }
    assert_eq!(
        counts(&weight),
        (RANK * (OUTPUTS + INPUTS), RANK * (OUTPUTS + INPUTS)),
        "nothing is beside it"
    );
    assert!(weight.update().is_none() && weight.residual().is_none() && weight.penalty().unwrap().is_none());
}

#[test]
fn frozen_factors_stay_in_their_type() {
    let [a, b] = factored(OUTPUTS).factors().unwrap().map(|factor| factor.detach());
    let stored = |factor: &Tensor| Stored::bf16(&factor.to_vec(), factor.shape()[0], factor.shape()[1]);
    let weight = Factored::frozen(stored(&a), stored(&b));
    let dense = Dense::frozen(weight.dense().unwrap());
    let (x, targets) = (random("x", &[5, INPUTS]), [0, 8, 3, 3, 1]);
    let answers = |weight: &dyn Weight| {
        let losses = weight.losses(&x, &targets.into()).unwrap();
        [weight.apply(&x, Scope::QUIET).unwrap(), weight.rows(&[3, 0].into()).unwrap(), losses]
    };
    for (found, expected) in answers(&weight).iter().zip(answers(&dense)) {
        assert_close!(found.to_vec(), expected.to_vec(), relative = 1e-5, absolute = 1e-5);
    }
    assert_eq!(counts(&weight), (0, RANK * (OUTPUTS + INPUTS)));
    weight.leaves(&mut |name, leaf| assert!(matches!(leaf, Leaf::Frozen(Frozen::Stored(_))), "{name}"));
}

#[test]
fn every_way_of_use_gives_both_factors_a_gradient() {
    let (x, bias) = (random("x", &[5, INPUTS]), random("bias", &[OUTPUTS]));
    let targets = [0, 8, 3, 3, 1];
    let weight = factored(OUTPUTS);
    for used in [
        weight.apply(&x, Scope::QUIET).unwrap(),
        weight.affine(&x, &bias, Activation::Relu, Scope::QUIET).unwrap(),
        weight.rows(&[3, 0].into()).unwrap(),
        weight.losses(&x, &targets.into()).unwrap(),
        weight.dense().unwrap(),
    ] {
        let gradients = used.sum().backward().unwrap();
        weight.leaves(&mut |name, leaf| {
            let gradient = leaf.trained().and_then(|variable| gradients.of(variable)).unwrap();
            assert!(gradient.to_vec().iter().any(|slope| *slope != 0.0), "{name}");
        });
    }
}

/// The entry that is looked for may lie in any of the pieces, and the original in any type.
#[test]
fn the_largest_difference_is_found_wherever_it_is() {
    let outputs = 700;
    let near = random("noise", &[outputs, INPUTS]).scale(0.01);
    for row in [0, 255, 256, 511, 699] {
        for stored in [false, true] {
            let mut original = factored(outputs).dense().unwrap().add(&near).unwrap().detach();
            original.update(|values| values[row * INPUTS + 4] -= 3.0);
            let original = match stored {
                true => Stored::bf16(&original.to_vec(), outputs, INPUTS).into(),
                false => Frozen::from(original),
            };
            let wide = original.tensor();
            let weight = factored(outputs).held_near(original, 0.5, Distance::Largest { tolerance: 0.25 });
            let off = weight.dense().unwrap().sub(&wide).unwrap().to_vec();
            let largest = off.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
            let penalty = weight.penalty().unwrap().unwrap();
            assert_eq!(penalty.shape(), [1]);
            assert_close!([penalty.item()], [0.5 * (largest - 0.25).powi(2)], relative = 1e-4, "row {row}");
            let gradients = penalty.backward().unwrap();
            weight.leaves(&mut |name, leaf| {
                let Leaf::Trained(variable) = leaf else { return };
                let gradient = gradients.of(variable).unwrap().to_vec();
                let there = |at: usize| if name == "a" { at % INPUTS == 4 } else { at / RANK == row };
                assert!(
                    gradient.iter().enumerate().all(|(at, slope)| there(at) == (*slope != 0.0)),
                    "{name}"
                );
            });
        }
    }
}

#[test]
fn what_it_is_held_near_is_a_frozen_leaf() {
    let original = random("w", &[OUTPUTS, INPUTS]);
    let weight = factored(OUTPUTS).held_near(original.clone(), 2.0, Distance::MeanSquare);
    let off = weight.dense().unwrap().sub(&original).unwrap().to_vec();
    let mean = off.iter().map(|x| x * x).sum::<f32>() / off.len() as f32;
    assert_close!([weight.penalty().unwrap().unwrap().item()], [2.0 * mean], relative = 1e-5);
    let numbers = RANK * (OUTPUTS + INPUTS);
    assert_eq!(counts(&weight), (numbers, numbers + OUTPUTS * INPUTS));
    let mut names = Vec::new();
    weight.leaves(&mut |name, leaf| names.push((name.to_owned(), leaf.trained().is_some())));
    assert_eq!(names, [("a", true), ("b", true), ("original", false)].map(|(n, t)| (n.to_owned(), t)));
}

/// Taps [9, 2, 3, 2] of rank 2.
fn taps() -> Factored {
    let (a, b) = (random("a", &[RANK, 12]), random("b", &[OUTPUTS, RANK]));
    Factored::new(&a, &b).folded(&[OUTPUTS, 2, 3, 2])
}

const LAYOUTS: [Convolution; 3] = [
    Convolution { stride: [1; 2], padding: [0; 2], groups: 1, activation: Activation::None, pool: 1 },
    Convolution { stride: [2, 1], padding: [1; 2], groups: 1, activation: Activation::Relu, pool: 2 },
    // In groups it is built whole: every output sees a third of the inputs.
    Convolution { stride: [1; 2], padding: [1, 0], groups: 3, activation: Activation::None, pool: 1 },
];

fn images(layout: &Convolution) -> Tensor {
    random("images", &[2, 2 * layout.groups, 8, 7])
}

#[test]
fn convolutions_are_those_of_the_dense_taps() {
    let weight = taps();
    assert_eq!(weight.dense().unwrap().shape(), [OUTPUTS, 2, 3, 2]);
    assert_eq!(weight.layers().unwrap().map(|layer| layer.shape()), [[RANK, 2, 3, 2], [OUTPUTS, RANK, 1, 1]]);
    let dense = Dense::frozen(weight.dense().unwrap().detach());
    let (factor, bias) = (random("factor", &[OUTPUTS]), random("bias", &[OUTPUTS]));
    for layout in &LAYOUTS {
        for (factor, bias) in [(None, None), (None, Some(&bias)), (Some(&factor), Some(&bias))] {
            let y = |weight: &dyn Weight| weight.convolve(&images(layout), factor, bias, layout).unwrap();
            let (found, expected) = (y(&weight), y(&dense));
            assert_eq!(found.shape(), expected.shape());
            assert_close!(found.to_vec(), expected.to_vec(), relative = 1e-4, absolute = 1e-5, "{layout:?}");
        }
    }
}

/// A sum over the maps behind the convolution, which is linear in either factor.
fn probe(weight: &dyn Weight, layout: &Convolution) -> Tensor {
    let y = weight.convolve(&images(layout), None, None, layout).unwrap();
    y.mul(&random("c", &y.shape())).unwrap().sum()
}

#[test]
fn gradients_through_a_convolution_are_those_of_differences() {
    for layout in [&LAYOUTS[0], &LAYOUTS[2]] {
        let mut weight = taps();
        let gradients = probe(&weight, layout).backward().unwrap();
        let mut leaves = Vec::new();
        weight.leaves(&mut |name, leaf| {
            let variable = leaf.trained().unwrap();
            let slope = gradients.of(variable).unwrap().to_vec();
            leaves.push((name.to_owned(), variable.tensor().to_vec(), slope));
        });
        for (name, values, slope) in leaves {
            let mut at = |point: &[f32]| {
                weight.leaves_mut(&mut |leaf_name, leaf| {
                    if let Leaf::Trained(variable) = leaf
                        && leaf_name == name
                    {
                        variable.update(|numbers| numbers.copy_from_slice(point));
                    }
                });
                f64::from(probe(&weight, layout).item())
            };
            // Linear: a long step costs nothing but rounding.
            let options =
                GradientCheck { step: 0.5, relative: 1e-3, absolute: 5e-3, ..GradientCheck::default() };
            gradient_check(&mut at, &values, &slope, &options);
            at(&values);
        }
    }
}
