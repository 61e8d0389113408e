//! A factored weight computes as its dense weight does, with two thin products.

use rankine_nn::{
    Leaf, Leaves, Scope, Weight,
    weight::{Dense, Distance, Factored, counts},
};
use rankine_random::Rng;
use rankine_tensor::{Frozen, Stored, Tensor, ops::Activation};
use rankine_testkit::assert_close;

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
