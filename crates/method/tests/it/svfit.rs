//! SVFit: what the page says must hold.

use crate::support::{distance, disturb, named};
use rankine_method::Site;
use rankine_nn::{Kind, Leaf, Scope, Weight};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::assert_close;

const SHAPE: [usize; 2] = [24, 16];

fn original() -> Tensor {
    Tensor::new(Rng::new(5).normals(SHAPE[0] * SHAPE[1], 0.3), &SHAPE).unwrap()
}

fn attached(settings: &str) -> Box<dyn Weight> {
    let choice = named("svfit", settings);
    let weight = &original().into();
    let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
    let rank = choice.method().plan(&[site]).unwrap()[0];
    choice.method().attach(&site, rank, Rng::new(2)).unwrap()
}

fn values(structure: &dyn Weight, wanted: &str) -> Vec<f32> {
    let mut found = Vec::new();
    structure.leaves(&mut |name, leaf| {
        if name == wanted {
            found = leaf.tensor().to_vec();
        }
    });
    found
}

fn set_core(structure: &mut dyn Weight, core: &[f32]) {
    structure.leaves_mut(&mut |name, leaf| {
        if let ("core", Leaf::Trained(variable)) = (name, leaf) {
            variable.update(|values| values.copy_from_slice(core));
        }
    });
}

fn spectrum(weight: &dyn Weight) -> Vec<f32> {
    rankine_linalg::singular_values(&weight.dense().unwrap().to_vec(), SHAPE[0], SHAPE[1]).unwrap()
}

#[test]
fn the_spectrum_becomes_what_is_trained() {
    let start = spectrum(attached("rank = 4").as_ref());
    let wanted = [9.0, 7.0, 5.0, 4.5];
    for (param, core) in [
        ("delta", std::array::from_fn(|j| wanted[j] - start[j])),
        ("direct", wanted),
        ("ratio", std::array::from_fn(|j| wanted[j] / start[j] - 1.0)),
    ] {
        let mut structure = attached(&format!("rank = 4\nparam = '{param}'"));
        set_core(structure.as_mut(), &core);
        let expected = [&wanted[..], &start[4..]].concat();
        assert_close!(spectrum(structure.as_ref()), expected, absolute = 2e-5, "{param}");
        let change = structure.dense().unwrap().sub(&original()).unwrap().to_vec();
        let moved: f32 = wanted.iter().zip(&start).map(|(w, s)| (w - s).powi(2)).sum();
        let length: f32 = change.iter().map(|x| x * x).sum();
        assert_close!([length.sqrt()], [moved.sqrt()], relative = 1e-5, "{param}: |w - W| = |s - s0|");
    }
}

#[test]
fn nothing_changes_at_the_start_and_delta_keeps_every_bit() {
    let x = Tensor::new(Rng::new(4).normals(7 * SHAPE[1], 1.0), &[7, SHAPE[1]]).unwrap();
    for param in ["delta", "ratio"] {
        let structure = attached(&format!("rank = 9\nparam = '{param}'"));
        assert_eq!(values(structure.as_ref(), "base"), original().to_vec(), "{param}");
        assert_eq!(structure.dense().unwrap().to_vec(), original().to_vec(), "{param}");
    }
    let direct = attached("rank = 16\nparam = 'direct'");
    let base = values(direct.as_ref(), "base");
    assert!(base.iter().all(|x| x.abs() < 1e-5), "all of W is taken out at full rank");
    let expected = x.matmul(&original().t().unwrap()).unwrap().to_vec();
    assert!(distance(&direct.apply(&x, Scope::QUIET).unwrap().to_vec(), &expected) < 1e-5);
}

#[test]
fn bases_are_orthonormal_and_the_residual_is_orthogonal_to_them() {
    let structure = attached("rank = 6\nparam = 'direct'");
    let [base, a, b] = ["base", "a", "b"].map(|name| values(structure.as_ref(), name));
    let base = Tensor::new(base, &SHAPE).unwrap();
    let (a, b) = (Tensor::new(a, &[6, SHAPE[1]]).unwrap(), Tensor::new(b, &[SHAPE[0], 6]).unwrap());
    let one: Vec<f32> = (0..36).map(|at| if at / 6 == at % 6 { 1.0 } else { 0.0 }).collect();
    assert_close!(a.matmul(&a.t().unwrap()).unwrap().to_vec(), one.clone(), absolute = 1e-5);
    assert_close!(b.t().unwrap().matmul(&b).unwrap().to_vec(), one, absolute = 1e-5);
    let parts = [b.t().unwrap().matmul(&base).unwrap(), base.matmul(&a.t().unwrap()).unwrap()];
    assert!(parts.iter().all(|part| part.to_vec().iter().all(|x| x.abs() < 1e-5)));
}

/// ds_j = u_jᵀ · dL/dW · v_j.
#[test]
fn the_gradient_is_the_projection_of_the_dense_one() {
    let structure = attached("rank = 5");
    let inputs = SHAPE[1];
    let x = Tensor::new(Rng::new(4).normals(7 * inputs, 1.0), &[7, inputs]).unwrap();
    let y = structure.apply(&x, Scope::QUIET).unwrap();
    let direction = Tensor::new(Rng::new(6).normals(y.elements(), 1.0), &y.shape()).unwrap();
    let gradients = y.mul(&direction).unwrap().sum().backward().unwrap();
    let dense = direction.t().unwrap().matmul(&x).unwrap();
    let [a, b] = ["a", "b"].map(|name| values(structure.as_ref(), name));
    let (a, b) = (Tensor::new(a, &[5, inputs]).unwrap(), Tensor::new(b, &[SHAPE[0], 5]).unwrap());
    let projected = b.t().unwrap().matmul(&dense).unwrap().matmul(&a.t().unwrap()).unwrap().to_vec();
    structure.leaves(&mut |name, leaf| {
        if let Some(variable) = leaf.trained() {
            assert_eq!(name, "core");
            let found = gradients.of(variable).unwrap().to_vec();
            let diagonal: Vec<f32> = projected.iter().copied().step_by(6).collect();
            assert_close!(found, diagonal, relative = 1e-5, absolute = 1e-4);
        }
    });
}

#[test]
fn the_rank_is_the_smallest_that_holds_the_energy() {
    let s = spectrum(attached("rank = 1").as_ref());
    for (energy, power) in [(0.5, 2), (0.99, 2), (0.9, 1), (1.0, 2)] {
        let structure = attached(&format!("energy = {energy:?}\nenergy_power = {power}"));
        let rank = values(structure.as_ref(), "core").len();
        let share = |k: usize| {
            let sum = |s: &[f32]| s.iter().map(|&s| f64::from(s).powi(power)).sum::<f64>();
            sum(&s[..k]) / sum(&s)
        };
        let wanted = f64::from(energy as f32) - 1e-7;
        assert!(share(rank) >= wanted && share(rank - 1) < wanted, "{energy} {power}: {rank}");
    }
}

#[test]
fn what_was_learnt_is_exactly_a_lora_of_that_rank() {
    for param in ["delta", "direct", "ratio"] {
        let mut structure = attached(&format!("rank = 4\nparam = '{param}'"));
        disturb(structure.as_mut(), &Rng::new(3));
        let update = structure.update().unwrap();
        assert_eq!((update.rank, update.scale), (4, 1.0));
        let (a, b) =
            (Tensor::new(update.a, &[4, SHAPE[1]]).unwrap(), Tensor::new(update.b, &[SHAPE[0], 4]).unwrap());
        let whole = original().add(&b.matmul(&a).unwrap()).unwrap().to_vec();
        assert!(distance(&whole, &structure.dense().unwrap().to_vec()) < 1e-6, "{param}");
    }
}

#[test]
fn settings_outside_their_range_are_errors() {
    for settings in ["energy = 0.0", "energy = 1.5", "energy = nan", "energy_power = 3"] {
        let weight = &original().into();
        let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
        assert!(named("svfit", settings).method().plan(&[site]).is_err(), "{settings}");
    }
}
