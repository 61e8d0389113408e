//! PELA: thin layers and the penalty against torch, and what the page says must hold.

use crate::support::{attach_to, disturb_all, fixture, leaf, linear_modules, named, set, slopes, structure};
use rankine_linalg::singular_values;
use rankine_method::{Base, Error, Site, export};
use rankine_nn::{Kind, Model, Scope, weight::counts};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops::Activation};
use rankine_testkit::{assert_close, fixtures};

fn random(shape: [usize; 2]) -> Tensor {
    Tensor::new(Rng::new(5).normals(shape[0] * shape[1], 0.3), &shape).unwrap()
}

fn matrix(values: Vec<f32>, rows: usize) -> Tensor {
    let columns = values.len() / rows;
    Tensor::new(values, &[rows, columns]).unwrap()
}

#[test]
fn thin_layers_are_those_of_the_released_code() {
    for case in fixtures::items(&fixtures::json("pela.json")["compress"]) {
        let numbers = |name: &str| fixtures::floats(&case[name]);
        let weight = matrix(numbers("weight"), fixtures::items(&case["weight"]).len());
        let ratio = case["ratio"].as_f64().unwrap();
        let structure = structure(&named("pela", &format!("ratio = {ratio:?}")), &weight);
        let [a, b] = ["a", "b"].map(|name| leaf(structure.as_ref(), name));
        let rank = a.shape()[0];
        assert_eq!(rank as u64, case["rank"].as_u64().unwrap());
        let product = structure.dense().unwrap();
        assert_close!(product.to_vec(), numbers("product"), absolute = 1e-5);
        let (x, bias) =
            (matrix(numbers("x"), 3), Tensor::new(numbers("bias"), &[weight.shape()[0]]).unwrap());
        let y = structure.affine(&x, &bias, Activation::None, Scope::QUIET).unwrap();
        assert_close!(y.to_vec(), numbers("y"), absolute = 1e-5);
        // a·aᵀ = bᵀ·b = S_r.
        let s = numbers("s");
        let expected: Vec<f32> =
            (0..rank * rank).map(|at| if at / rank == at % rank { s[at % rank] } else { 0.0 }).collect();
        for gram in [a.matmul(&a.t().unwrap()), b.t().unwrap().matmul(&b)] {
            assert_close!(gram.unwrap().to_vec(), expected, absolute = 1e-5);
        }
        // What was left out is the tail of the spectrum, and no entry of it is larger than the next value.
        let off = product.sub(&weight).unwrap().to_vec();
        let square: f64 = off.iter().map(|&x| f64::from(x).powi(2)).sum();
        let tail: f64 = s[rank..].iter().map(|&s| f64::from(s).powi(2)).sum();
        assert_close!([square], [tail], relative = 1e-5);
        assert!(off.iter().all(|x| x.abs() <= s[rank]));
    }
}

/// The rank that is planned for a weight, and how many numbers it trains.
fn planned(settings: &str, shape: [usize; 2]) -> (usize, usize) {
    let (choice, weight) = (named("pela", settings), &Tensor::zeros(&shape).into());
    let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
    let rank = choice.method().plan(&[site]).unwrap()[0];
    (rank, choice.method().trained(&site, rank).unwrap())
}

#[test]
fn ranks_are_those_of_the_ratio() {
    for (settings, shape, rank) in [
        ("ratio = 2.0", [256, 784], 96),
        ("ratio = 4.0", [512, 784], 77),
        ("ratio = 4.0\nmultiple = 8", [512, 784], 72),
        ("ratio = 2.0\nmultiple = 8", [24, 16], 4),
        ("ratio = 1.5", [576, 576], 192),
        ("ratio = 2.0", [9, 700], 0),
        ("ratio = 2.0\nmin_outputs = 2", [9, 700], 4),
        ("ratio = 30.0", [24, 16], 0),
        ("ratio = 30.0\nrank = 12", [24, 16], 12),
    ] {
        assert_eq!(planned(settings, shape), (rank, rank * (shape[0] + shape[1])), "{settings} {shape:?}");
    }
    for ratio in [1.25, 2.0, 3.0, 7.0] {
        let (_, trained) = planned(&format!("ratio = {ratio:?}"), [61, 47]);
        assert!(trained as f64 <= 61.0 * 47.0 / ratio && trained > 0);
    }
}

#[test]
fn a_weight_of_that_rank_is_taken_over_exactly() {
    let weight = random([24, 16]);
    let whole = structure(&named("pela", "rank = 16"), &weight);
    assert_close!(whole.dense().unwrap().to_vec(), weight.to_vec(), absolute = 1e-5);
    // Compressed, trained elsewhere and compressed again: the stages of a run.
    let first = structure(&named("pela", "ratio = 3.0"), &weight).dense().unwrap().detach();
    let second = structure(&named("pela", "ratio = 3.0"), &first).dense().unwrap();
    assert_close!(second.to_vec(), first.to_vec(), absolute = 1e-5);
}

#[test]
fn nothing_of_the_weight_is_kept_unless_it_is_held_near() {
    let weight = random([24, 16]);
    let free = structure(&named("pela", "rank = 3"), &weight);
    assert_eq!(counts(free.as_ref()), (3 * 40, 3 * 40));
    assert!(free.penalty().unwrap().is_none());
    let held = structure(&named("pela", "rank = 3\nperturbation = 1.0"), &weight);
    assert_eq!(counts(held.as_ref()), (3 * 40, 3 * 40 + 24 * 16));
    assert_eq!(free.dense().unwrap().to_vec(), held.dense().unwrap().to_vec());
}

#[test]
fn the_penalty_is_that_of_the_page() {
    let case = &fixtures::json("pela.json")["perturbation"];
    let [weight, a, b] = ["weight", "a", "b"].map(|name| fixtures::floats(&case[name]));
    let check = |settings: &str, [loss, slope_a, slope_b]: [Vec<f64>; 3]| {
        for factor in [1.0, 0.25] {
            let settings = format!("rank = 2\nperturbation = {factor:?}\n{settings}");
            let mut held = structure(&named("pela", &settings), &matrix(weight.clone(), 7));
            set(held.as_mut(), "a", &a);
            set(held.as_mut(), "b", &b);
            let penalty = held.penalty().unwrap().unwrap();
            assert_close!([penalty.item()], [factor * loss[0]], relative = 1e-5, "{settings}");
            for (name, _, slope) in slopes(held.as_ref(), &penalty) {
                let expected = if name == "a" { &slope_a } else { &slope_b };
                let expected: Vec<f64> = expected.iter().map(|slope| factor * slope).collect();
                assert_close!(slope, expected, relative = 1e-5, absolute = 1e-5, "{settings}: {name}");
            }
        }
    };
    for largest in fixtures::items(&case["largest"]) {
        let epsilon = largest["epsilon"].as_f64().unwrap();
        let expected = ["loss", "a", "b"].map(|name| fixtures::doubles(&largest[name]));
        check(&format!("epsilon = {epsilon:?}"), expected);
    }
    for epsilon in ["", "\nepsilon = 0.5"] {
        let expected = ["loss", "a", "b"].map(|name| fixtures::doubles(&case["mean_square"][name]));
        check(&format!("norm = 'frobenius'{epsilon}"), expected);
    }
}

#[test]
fn the_penalty_has_no_slope_at_its_bound() {
    let weight = random([24, 16]);
    let held = |epsilon: f32| {
        let settings = format!("rank = 3\nperturbation = 1.0\nepsilon = {epsilon:?}");
        structure(&named("pela", &settings), &weight)
    };
    let largest = held(0.0).penalty().unwrap().unwrap().item().sqrt();
    let at_bound = held(largest);
    for (name, _, slope) in slopes(at_bound.as_ref(), &at_bound.penalty().unwrap().unwrap()) {
        assert!(slope.iter().all(|slope| slope.abs() < 1e-5), "{name}");
    }
    // ε² where the product is the weight.
    let settings = "rank = 16\nperturbation = 1.0\nepsilon = 0.5";
    let exact = structure(&named("pela", settings), &weight).penalty().unwrap().unwrap().item();
    assert_close!([exact], [0.25], relative = 1e-4);
}

#[test]
fn settings_outside_their_range_are_named() {
    for (settings, name) in [
        ("ratio = 1.0", "ratio"),
        ("ratio = nan", "ratio"),
        ("ratio = inf", "ratio"),
        ("multiple = 0", "multiple"),
        ("perturbation = -1.0", "perturbation"),
        ("epsilon = nan", "epsilon"),
    ] {
        let (choice, weight) = (named("pela", settings), &random([24, 16]).into());
        let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
        let error = choice.method().plan(&[site]).unwrap_err();
        assert!(matches!(error, Error::Setting { name: found, .. } if found == name), "{settings}: {error}");
    }
}

#[test]
fn what_was_learnt_is_exported_whole() {
    let mut model = fixture();
    let modules = linear_modules(&model);
    attach_to(&mut model, &named("pela", "ratio = 2.0"), &modules, 0).unwrap();
    disturb_all(&mut model);
    let adapter = export(&model, Base::Original, None).unwrap();
    assert!(adapter.low_rank.is_empty());
    for module in &modules {
        let name = format!("{module}.weight");
        let parameters = model.parameters();
        let parameter = parameters.iter().find(|parameter| parameter.path() == name).unwrap();
        assert_eq!(adapter.replaced[&name].values, parameter.weight.dense().unwrap().to_vec());
        let shape = parameter.weight.dense().unwrap().shape();
        let rank = leaf(parameter.weight.as_ref(), "a").shape()[0];
        let s = singular_values(&adapter.replaced[&name].values, shape[0], shape[1]).unwrap();
        assert!(s[rank] < 1e-5 * s[0], "{name}: {s:?}");
    }
}
