//! DiffoRA: what the page says must hold.

use crate::support::{
    attach_to, dense, distance, disturb, disturb_all, fixture, leaf, linear_modules, named, set, slopes,
    structure,
};
use rankine_method::{
    Base, Choice, Error, Site,
    diffora::{Candidate, Diffora, Select, candidates, is_gate, settle},
    export,
};
use rankine_nn::{
    Kind, Model, Place, Scope, Weight, for_each_trained,
    weight::{Gated, LowRank},
};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::{GradientCheck, assert_close, gradient_check};
use std::collections::BTreeSet;

const SHAPE: [usize; 2] = [24, 16];

/// A logit whose sigmoid is 1 in f32.
const OPEN: f32 = 40.0;

fn random(name: &str, shape: [usize; 2]) -> Tensor {
    Tensor::new(Rng::new(5).fork(name).normals(shape[0] * shape[1], 0.3), &shape).unwrap()
}

fn attached(settings: &str, gate: f32) -> Box<dyn Weight> {
    let mut structure = structure(&named("diffora", settings), &random("w", SHAPE));
    disturb(structure.as_mut(), &Rng::new(3));
    set(structure.as_mut(), "gate", &[gate]);
    structure
}

/// Σ apply(x)∘c with fixed x and c.
fn probe(structure: &dyn Weight) -> Tensor {
    let y = structure.apply(&random("x", [7, SHAPE[1]]), Scope::QUIET).unwrap();
    y.mul(&random("c", [7, SHAPE[0]])).unwrap().sum()
}

fn slope(structure: &dyn Weight, wanted: &str) -> Vec<f32> {
    let found = slopes(structure, &probe(structure)).into_iter().find(|(name, ..)| name == wanted);
    found.unwrap().2
}

#[test]
fn an_open_gate_is_lora_and_a_closed_one_learns_nothing() {
    let open = attached("rank = 3\nalpha = 6.0", OPEN);
    let [a, b] = ["a", "b"].map(|name| leaf(open.as_ref(), name));
    let lora = LowRank::new(random("w", SHAPE), &a, &b, 2.0);
    let apply =
        |weight: &dyn Weight| weight.apply(&random("x", [7, SHAPE[1]]), Scope::QUIET).unwrap().to_vec();
    assert_close!(apply(open.as_ref()), apply(&lora), absolute = 1e-6);
    for name in ["a", "b"] {
        assert_close!(slope(open.as_ref(), name), slope(&lora, name), absolute = 1e-6, "{name}");
    }
    let closed = attached("rank = 3\nalpha = 6.0", -OPEN);
    for name in ["a", "b", "gate"] {
        assert!(slope(closed.as_ref(), name).iter().all(|slope| slope.abs() < 1e-12), "{name}");
    }
    assert!(distance(&closed.dense().unwrap().to_vec(), &random("w", SHAPE).to_vec()) < 1e-7);
}

#[test]
fn the_slope_of_a_gate_is_that_of_differences_and_of_the_formula() {
    for gate in [-1.5, 0.0, 0.7] {
        let mut structure = attached("rank = 3\nalpha = 6.0", gate);
        let found = slope(structure.as_ref(), "gate");
        let [a, b] = ["a", "b"].map(|name| leaf(structure.as_ref(), name));
        // s·⟨dyᵀ·x, b·a⟩·g·(1 − g)
        let outer = random("c", [7, SHAPE[0]]).t().unwrap().matmul(&random("x", [7, SHAPE[1]])).unwrap();
        let inner = outer.mul(&b.matmul(&a).unwrap()).unwrap().sum().item();
        let opening = 1.0 / (1.0 + (-gate).exp());
        let expected = 2.0 * inner * opening * (1.0 - opening);
        assert_close!(found, [expected], relative = 1e-4, absolute = 1e-6, "t = {gate}");
        let mut at = |point: &[f32]| {
            set(structure.as_mut(), "gate", point);
            f64::from(probe(structure.as_ref()).item())
        };
        let options = GradientCheck { step: 0.1, relative: 5e-3, absolute: 1e-4, ..GradientCheck::default() };
        gradient_check(&mut at, &[gate], &found, &options);
    }
}

#[test]
fn every_other_leaf_has_the_gradient_of_finite_differences() {
    let mut structure = attached("rank = 3\nalpha = 6.0", 0.4);
    for name in ["a", "b"] {
        let (found, values) = (slope(structure.as_ref(), name), leaf(structure.as_ref(), name).to_vec());
        let mut at = |point: &[f32]| {
            set(structure.as_mut(), name, point);
            f64::from(probe(structure.as_ref()).item())
        };
        // Linear in each of the two.
        let options = GradientCheck { step: 0.5, relative: 1e-4, absolute: 1e-3, ..GradientCheck::default() };
        gradient_check(&mut at, &values, &found, &options);
        at(&values);
    }
}

#[test]
fn without_its_gate_a_branch_computes_the_same() {
    for gate in [-OPEN, -0.6, 1.1, OPEN] {
        let structure = attached("rank = 3\nalpha = 6.0", gate);
        let settled = Gated::of(structure.as_ref()).unwrap().settled();
        let [with, without] =
            [structure.as_ref(), &settled as &dyn Weight].map(|weight| weight.dense().unwrap().to_vec());
        assert_close!(without, with, absolute = 1e-6, "t = {gate}");
        let update = structure.update().unwrap();
        assert_eq!((update.rank, update.scale), (3, 2.0));
        assert_eq!(update, settled.update().unwrap());
    }
}

fn candidate(module: &str, gate: f32, numbers: usize) -> Candidate {
    Candidate { module: module.to_owned(), gate, numbers, picked: false }
}

fn picks(settings: Diffora, mut candidates: Vec<Candidate>) -> Vec<bool> {
    settings.pick(&mut candidates).unwrap();
    candidates.iter().map(|candidate| candidate.picked).collect()
}

#[test]
fn as_many_are_picked_as_were_asked_for() {
    // Layers of 3 modules; layer 1 has all the large gates.
    let gates = [0.3, 0.2, 0.4, 0.9, 0.7, 0.8];
    let all: Vec<Candidate> = gates
        .into_iter()
        .enumerate()
        .map(|(index, gate)| candidate(&format!("h.{}.m{}", index / 3, index % 3), gate, 10))
        .collect();
    let pick = |ratio, select| picks(Diffora { ratio, select, ..Diffora::default() }, all.clone());
    assert_eq!(pick(0.5, Select::PerLayer), [true, false, true, true, false, true]);
    assert_eq!(pick(0.1, Select::PerLayer), [false, false, true, true, false, false]);
    assert_eq!(pick(0.5, Select::Global), [false, false, false, true, true, true]);
    assert_eq!(pick(0.51, Select::Global), [false, false, true, true, true, true]);
    assert_eq!(pick(1.0, Select::PerLayer), [true; 6]);
    for modules in 1..40 {
        for ratio in [0.1_f32, 0.3, 0.5, 0.7, 1.0] {
            let all = (0..modules).map(|index| candidate(&format!("m{index}"), 0.5, 1)).collect();
            let found = picks(Diffora { ratio, select: Select::Global, ..Diffora::default() }, all);
            let tenths = (10.0 * ratio).round() as usize;
            let expected = (tenths * modules).div_ceil(10);
            assert_eq!(found.iter().filter(|picked| **picked).count(), expected, "{ratio} of {modules}");
            assert!(found.is_sorted_by(|a, b| a >= b), "of equal gates the earlier ones");
        }
    }
}

#[test]
fn a_budget_of_numbers_is_kept() {
    let all = vec![candidate("big", 0.9, 60), candidate("small", 0.5, 20), candidate("middle", 0.8, 40)];
    let settings = |ratio| Diffora { ratio, select: Select::Budget, ..Diffora::default() };
    // For their numbers: small 0.025, middle 0.02, big 0.015.
    assert_eq!(picks(settings(0.5), all.clone()), [false, true, true]);
    let mixed = vec![candidate("a", 0.9, 10), candidate("b", 0.8, 100), candidate("c", 0.1, 20)];
    assert_eq!(picks(settings(0.3), mixed), [true, false, true], "what does not fit is passed over");
    let error = settings(0.1).pick(&mut all.clone()).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "ratio", .. }), "{error}");
}

#[test]
fn gates_are_told_by_their_names() {
    let leaf = |name: &str| Place { index: 0, name: format!("layers.0.weight/{name}"), kind: Kind::Linear };
    assert!(is_gate(&leaf("gate")) && !is_gate(&leaf("a")));
}

#[test]
fn settling_keeps_the_picked_and_gives_the_others_back() {
    let (untouched, mut model) = (dense(&fixture()), fixture());
    let modules = linear_modules(&model);
    attach_to(&mut model, &named("diffora", "rank = 3"), &modules, 0).unwrap();
    assert_eq!(dense(&model), untouched, "nothing is changed before the first step");
    disturb_all(&mut model);
    let mut found = candidates(&model);
    assert_eq!(found.iter().map(|candidate| candidate.module.clone()).collect::<Vec<_>>(), modules);
    Diffora { ratio: 0.4, ..Diffora::default() }.pick(&mut found).unwrap();
    // ⌈0.4·7⌉ of the 7 modules of both layers.
    let picked: Vec<&Candidate> = found.iter().filter(|candidate| candidate.picked).collect();
    assert_eq!(picked.len(), 2 * 3);
    let gated = dense(&model);
    let attached = settle(&mut model, &found);
    let numbers: usize = picked.iter().map(|candidate| candidate.numbers).sum();
    let mut counted = 0;
    for_each_trained(&model, &mut |_, variable| counted += variable.tensor().elements());
    assert_eq!((attached.sites.len(), attached.trained, counted), (6, numbers, numbers));
    for (path, settled) in dense(&model) {
        let kept = picked.iter().any(|candidate| path == format!("{}.weight", candidate.module));
        let expected = if kept { &gated[&path] } else { &untouched[&path] };
        assert_close!(settled, expected, absolute = 1e-6, "{path}");
    }
    let adapter = export(&model, Base::Original, None).unwrap();
    let written: BTreeSet<&str> = adapter.low_rank.keys().map(String::as_str).collect();
    let expected: BTreeSet<&str> = picked.iter().map(|candidate| candidate.module.as_str()).collect();
    assert_eq!(written, expected, "picked modules only");
    assert!(candidates(&model).is_empty());
}

#[test]
fn untrained_it_settles_into_the_start_of_lora() {
    let (mut searched, mut plain) = (fixture(), fixture());
    let modules = linear_modules(&plain);
    attach_to(&mut searched, &named("diffora", "rank = 4\nratio = 1.0"), &modules, 7).unwrap();
    attach_to(&mut plain, &named("lora", "rank = 4"), &modules, 7).unwrap();
    let mut found = candidates(&searched);
    Diffora { ratio: 1.0, ..Diffora::default() }.pick(&mut found).unwrap();
    settle(&mut searched, &found);
    let leaves = |model: &dyn Model| {
        let mut leaves = Vec::new();
        for_each_trained(model, &mut |place, variable| leaves.push((place.name, variable.tensor().to_vec())));
        leaves
    };
    assert!(leaves(&searched) == leaves(&plain));
}

#[test]
fn what_it_cannot_do_is_said() {
    let weight = &random("w", SHAPE).into();
    let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
    for settings in [
        "ratio = 0.0",
        "ratio = 1.1",
        "ratio = nan",
        "gate_rate = 0.0",
        "gate_rate = inf",
        "search_steps = 30",
        "search_steps = 10\nwarmup_steps = 10",
    ] {
        let error = named("diffora", settings).method().plan(&[site]);
        assert!(matches!(error, Err(Error::Setting { .. })), "{settings}");
    }
    assert!(named("diffora", "search_steps = 31").method().plan(&[site]).is_ok());
    let Choice::Diffora(default) = named("diffora", "") else { panic!("another method") };
    assert_eq!([10, 1000].map(|steps| default.steps_before(steps)), [60, 150]);
    let given = Diffora { search_steps: Some(40), ..default };
    assert_eq!(given.steps_before(1000), 40);
}
