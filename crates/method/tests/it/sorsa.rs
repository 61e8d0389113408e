//! SORSA: what the page says must hold.

use crate::support::{distance, disturb, named};
use rankine_method::Site;
use rankine_nn::{Kind, Leaf, Weight};
use rankine_random::Rng;
use rankine_tensor::{Tensor, Var};
use rankine_testkit::{GradientCheck, assert_close, gradient_check};

const SHAPE: [usize; 2] = [24, 16];

fn original() -> Tensor {
    Tensor::new(Rng::new(5).normals(SHAPE[0] * SHAPE[1], 0.3), &SHAPE).unwrap()
}

fn attached(settings: &str) -> Box<dyn Weight> {
    let choice = named("sorsa", settings);
    let weight = &original().into();
    let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
    let rank = choice.method().plan(&[site]).unwrap()[0];
    choice.method().attach(&site, rank, Rng::new(2)).unwrap()
}

fn trained(structure: &dyn Weight) -> Vec<(String, Vec<f32>)> {
    let mut found = Vec::new();
    structure.leaves(&mut |name, leaf| {
        if let Some(variable) = leaf.trained() {
            found.push((name.to_owned(), variable.tensor().to_vec()));
        }
    });
    found
}

fn each_variable(structure: &mut dyn Weight, change: &mut dyn FnMut(&str, &mut Var)) {
    structure.leaves_mut(&mut |name, leaf| {
        if let Leaf::Trained(variable) = leaf {
            change(name, variable);
        }
    });
}

fn penalty(structure: &dyn Weight) -> f32 {
    structure.penalty().unwrap().unwrap().item()
}

#[test]
fn nothing_is_lost_whatever_the_scale() {
    for settings in
        ["rank = 4", "rank = 4\nalpha = 16.0", "rank = 16\nalpha = 1.0", "rank = 3\nsvd = 'randomized'"]
    {
        let structure = attached(settings);
        assert!(distance(&structure.dense().unwrap().to_vec(), &original().to_vec()) < 1e-6, "{settings}");
        let names: Vec<_> = trained(structure.as_ref()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "core"]);
    }
}

#[test]
fn the_values_are_those_of_the_weight_and_not_divided_by_the_scale() {
    let s = rankine_linalg::singular_values(&original().to_vec(), SHAPE[0], SHAPE[1]).unwrap();
    let core = trained(attached("rank = 4\nalpha = 16.0").as_ref()).pop().unwrap().1;
    assert_close!(core, s[..4].to_vec(), relative = 1e-5);
}

#[test]
fn the_penalty_starts_at_nothing_without_a_slope_of_noise() {
    let structure = attached("rank = 4\ngamma = 1.0");
    assert!(penalty(structure.as_ref()) < 1e-4);
    let gradients = structure.penalty().unwrap().unwrap().backward().unwrap();
    structure.leaves(&mut |name, leaf| {
        let Some(gradient) = leaf.trained().and_then(|variable| gradients.of(variable)) else {
            return;
        };
        let length: f32 = gradient.to_vec().iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!(length < 0.05, "{name}: the slope of rounding is {length}");
    });
    assert!(attached("rank = 4\ngamma = 0.0").penalty().unwrap().is_none());
}

#[test]
fn the_penalty_has_the_gradient_of_finite_differences_and_leaves_values_alone() {
    let mut structure = attached("rank = 3\ngamma = 2.0");
    disturb(structure.as_mut(), &Rng::new(3));
    let gradients = structure.penalty().unwrap().unwrap().backward().unwrap();
    let mut slopes = Vec::new();
    structure.leaves(&mut |name, leaf| {
        if let Some(variable) = leaf.trained() {
            let slope = gradients.of(variable).map(|gradient| gradient.to_vec());
            slopes.push((name.to_owned(), variable.tensor().to_vec(), slope));
        }
    });
    for (wanted, values, slope) in slopes {
        if wanted == "core" {
            assert!(slope.is_none());
            continue;
        }
        let mut at = |point: &[f32]| {
            each_variable(structure.as_mut(), &mut |name, variable| {
                if name == wanted {
                    variable.update(|values| values.copy_from_slice(point));
                }
            });
            f64::from(penalty(structure.as_ref()))
        };
        let options =
            GradientCheck { step: 1e-2, relative: 1e-2, absolute: 1e-2, ..GradientCheck::default() };
        gradient_check(&mut at, &values, &slope.unwrap(), &options);
        at(&values);
    }
}

#[test]
fn following_the_penalty_alone_makes_the_factors_orthonormal_again() {
    let mut structure = attached("rank = 4\ngamma = 1.0");
    disturb(structure.as_mut(), &Rng::new(3));
    let values = trained(structure.as_ref()).pop().unwrap().1;
    let mut last = penalty(structure.as_ref());
    let start = last;
    for _ in 0..20 {
        let gradients = structure.penalty().unwrap().unwrap().backward().unwrap();
        each_variable(structure.as_mut(), &mut |_, variable| {
            if let Some(gradient) = gradients.of(variable).map(|gradient| gradient.to_vec()) {
                variable.update(|values| {
                    values.iter_mut().zip(&gradient).for_each(|(value, slope)| *value -= 5e-3 * slope);
                });
            }
        });
        let now = penalty(structure.as_ref());
        assert!(now < last, "{now} after {last}");
        last = now;
    }
    assert!(last < 0.9 * start, "{start} to {last}");
    assert_eq!(trained(structure.as_ref()).pop().unwrap().1, values);
}

#[test]
fn what_was_learnt_is_exactly_of_twice_the_rank() {
    let mut structure = attached("rank = 3\nalpha = 6.0");
    disturb(structure.as_mut(), &Rng::new(3));
    let update = structure.update().unwrap();
    assert_eq!((update.rank, update.scale), (6, 2.0));
    let a = Tensor::new(update.a, &[6, SHAPE[1]]).unwrap();
    let b = Tensor::new(update.b, &[SHAPE[0], 6]).unwrap();
    let whole = original().add(&b.matmul(&a).unwrap().scale(2.0)).unwrap().to_vec();
    assert!(distance(&whole, &structure.dense().unwrap().to_vec()) < 1e-6);
    let (base, branch) = structure.residual().unwrap();
    let a = Tensor::new(branch.a, &[3, SHAPE[1]]).unwrap();
    let b = Tensor::new(branch.b, &[SHAPE[0], 3]).unwrap();
    let whole = base.tensor().add(&b.matmul(&a).unwrap().scale(2.0)).unwrap().to_vec();
    assert!(distance(&whole, &structure.dense().unwrap().to_vec()) < 1e-6);
}
