use crate::support::{attach_to, dense, distance, disturb_all, fixture, linear_modules, named, structure};
use rankine_linalg::singular_values;
use rankine_method::{Base, Error, Site, check_base, export};
use rankine_nn::{Kind, Leaf, Model as _, Weight};
use rankine_random::Rng;
use rankine_tensor::{Encoding, Frozen, Stored, Tensor};
use rankine_testkit::{assert_close, fixtures};
use std::sync::Arc;

/// Methods whose base is in NF4.
pub const METHODS: [&str; 3] = ["qpissa", "loftq", "qlora"];

/// ‖·‖_* and ‖·‖_F of weight − base − s·b·a, as a method attaches them.
fn errors(method: &str, settings: &str, weight: &Tensor) -> [f64; 2] {
    let structure = structure(&named(method, settings), weight);
    norms(&weight.sub(&structure.dense().unwrap()).unwrap())
}

fn norms(error: &Tensor) -> [f64; 2] {
    let [rows, columns] = error.matrix("norms").unwrap();
    let values = singular_values(&error.to_vec(), rows, columns).unwrap();
    let square = |values: &[f32]| values.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
    [values.iter().map(|&s| f64::from(s)).sum(), square(&values).sqrt()]
}

fn base(structure: &dyn Weight) -> Frozen {
    let mut found = None;
    structure.leaves(&mut |name, leaf| {
        if let Leaf::Frozen(base) = leaf
            && name == "base"
        {
            found = Some(base.clone());
        }
    });
    found.unwrap()
}

/// A flat and a steep matrix of the fixture.
fn matrices() -> Vec<(&'static str, Tensor)> {
    let json = fixtures::json("qpissa.json");
    let matrix = |name: &'static str| {
        (name, Tensor::new(fixtures::floats(&json["matrices"][name]["weight"]), &[32, 64]).unwrap())
    };
    ["flat", "steep"].map(matrix).into_iter().collect()
}

#[test]
fn a_number_that_is_not_finite_is_named_before_it_spoils_its_block_or_length() {
    let mut values = vec![0.5; 32 * 64];
    values[3 * 64 + 5] = f32::INFINITY;
    let weight = Frozen::from(Tensor::new(values, &[32, 64]).unwrap());
    let site = Site { path: "w", kind: Kind::Linear, weight: &weight, statistics: None };
    for name in METHODS.into_iter().chain(["dora"]) {
        let error = named(name, "").method().attach(&site, 4, Rng::new(0)).err().unwrap();
        assert!(error.to_string().contains("`inf` in row 3, column 5"), "{name}: {error}");
    }
}

#[test]
fn what_is_left_is_what_peft_and_bitsandbytes_leave() {
    let json = fixtures::json("qpissa.json");
    for (name, weight) in matrices() {
        let expected = &json["matrices"][name];
        let nf4 = errors("qlora", "double_quantization = false", &weight);
        assert_close!(nf4, fixtures::doubles(&expected["nf4"]), relative = 1e-5, "{name}: NF4 alone");
        for case in fixtures::items(&expected["cases"]) {
            let (method, turns) = (case["method"].as_str().unwrap(), &case["turns"]);
            let settings = format!("rank = 4\nturns = {turns}");
            let found = errors(method, &settings, &weight);
            let left = fixtures::doubles(&case["error"]);
            assert_close!(found, left, relative = 1e-4, "{name}: {method}, {turns} turns");
            if *turns == 1 {
                let structure = structure(&named(method, &settings), &weight);
                let ones = Tensor::new(vec![1.0; 64], &[64, 1]).unwrap();
                let base = base(structure.as_ref()).tensor();
                let branch = structure.dense().unwrap().sub(&base).unwrap();
                for (found, key) in [(base, "base_of_ones"), (branch, "branch_of_ones")] {
                    let (found, expected) = (found.matmul(&ones).unwrap(), fixtures::floats(&case[key]));
                    assert_close!(found.to_vec(), expected, absolute = 1e-4, "{name}: {method}, {key}");
                }
            }
        }
    }
}

#[test]
fn qpissa_leaves_less_than_loftq_and_loftq_less_than_qlora() {
    for (name, weight) in matrices() {
        let after = |method| errors(method, "rank = 4\nturns = 5", &weight);
        let plain = errors("qlora", "double_quantization = false", &weight);
        let (loftq, qpissa) = (after("loftq"), after("qpissa"));
        for norm in 0..2 {
            let all = [qpissa[norm], loftq[norm], plain[norm]];
            assert!(all.is_sorted_by(|less, more| less < more), "{name}: {all:?}");
        }
    }
}

/// Not a theorem: the page claims it of five turns against one.
#[test]
fn more_turns_leave_less() {
    let random =
        |shape: [usize; 2]| Tensor::new(Rng::new(3).normals(shape[0] * shape[1], 0.2), &shape).unwrap();
    let known = matrices().into_iter().map(|(_, weight)| weight);
    for weight in known.chain([[40, 48], [24, 130]].map(random)) {
        let plain = errors("qlora", "double_quantization = false", &weight)[0];
        for method in ["qpissa", "loftq"] {
            let after = |turns: usize| errors(method, &format!("rank = 4\nturns = {turns}"), &weight)[0];
            let left = [plain, after(1), after(2), after(5)];
            assert!(left.is_sorted_by(|more, less| less < more), "{method}, {:?}: {left:?}", weight.shape());
        }
    }
}

#[test]
fn after_one_turn_loftq_leaves_less_of_a_flat_matrix_and_more_of_a_steep_one() {
    for (name, weight) in matrices() {
        let [qpissa, loftq] =
            ["qpissa", "loftq"].map(|method| errors(method, "rank = 4\nturns = 1", &weight)[0]);
        assert_eq!(qpissa < loftq, name == "steep", "{name}: {qpissa} {loftq}");
    }
}

#[test]
fn the_scale_and_the_randomised_svd_change_little() {
    let (_, weight) = matrices().remove(1);
    let [plain, _] = errors("qpissa", "rank = 4", &weight);
    for settings in ["alpha = 9.0", "alpha = 9.0\nrslora = true", "svd = 'randomized'\niterations = 8"] {
        let [found, _] = errors("qpissa", &format!("rank = 4\n{settings}"), &weight);
        assert!((found / plain - 1.0).abs() < 2e-2, "{settings}: {found} {plain}");
    }
    let [doubled, _] = errors("qpissa", "rank = 4\ndouble_quantization = true", &weight);
    assert!(doubled != plain && (doubled / plain - 1.0).abs() < 5e-2, "{doubled} {plain}");
}

#[test]
fn the_base_alone_stays_in_memory_in_four_bits() {
    let weight = Tensor::new(Rng::new(4).normals(64 * 128, 0.2), &[64, 128]).unwrap();
    for method in METHODS {
        for (double, encoding, bytes) in
            [(false, Encoding::Nf4, 36 * 128), (true, Encoding::Nf4Double, 33 * 128 + 8)]
        {
            let choice = named(method, &format!("rank = 2\ndouble_quantization = {double}"));
            let structure = structure(&choice, &weight);
            let Frozen::Stored(stored) = base(structure.as_ref()) else { panic!("{method}: in f32") };
            assert_eq!((stored.encoding(), stored.bytes()), (encoding, bytes));
            // The structure's, and this one: nothing else holds it.
            assert_eq!(Arc::strong_count(&stored), 2);
            let mut names = Vec::new();
            structure.leaves(&mut |name, _| names.push(name.to_owned()));
            assert_eq!(names, ["base", "a", "b"]);
        }
    }
}

#[test]
fn what_was_learnt_stands_on_the_quantised_base_alone() {
    for method in METHODS {
        let mut model = fixture();
        let modules = linear_modules(&model);
        attach_to(&mut model, &named(method, "rank = 3\nalpha = 5.0"), &modules, 0).unwrap();
        disturb_all(&mut model);
        let error = check_base(&model, Base::Original).unwrap_err();
        assert!(matches!(error, Error::Quantized { .. }), "{error}");
        assert!(error.hint().unwrap().contains("keep_residual"));
        assert!(export(&model, Base::Original, None).is_err());
        check_base(&model, Base::Residual).unwrap();
        let adapter = export(&model, Base::Residual, None).unwrap();
        assert!(adapter.replaced.is_empty());
        let expected = dense(&model);
        for parameter in model.parameters() {
            let Some((base, _)) = parameter.weight.residual() else { continue };
            let factors = &adapter.low_rank[parameter.module()];
            assert_eq!(factors.rank, 3);
            let a = Tensor::new(factors.a.clone(), &[3, factors.inputs]).unwrap();
            let b = Tensor::new(factors.b.clone(), &[factors.outputs, 3]).unwrap();
            let branch = b.matmul(&a).unwrap().scale(factors.scaling);
            let whole = base.tensor().add(&branch).unwrap().to_vec();
            assert!(distance(&whole, &expected[parameter.path()]) < 1e-6, "{}", parameter.path());
        }
        assert_eq!(adapter.low_rank.len(), modules.len());
    }
}

#[test]
fn no_turn_and_numbers_that_are_none_are_errors() {
    let modules = ["model.layers.0.mlp.up_proj".to_owned()];
    for method in ["qpissa", "loftq"] {
        let error =
            attach_to(&mut fixture(), &named(method, "turns = 0\nrank = 2"), &modules, 0).unwrap_err();
        assert!(matches!(error, Error::Setting { name: "turns", .. }), "{error}");
        let broken = Tensor::new(vec![f32::NAN; 64], &[8, 8]).unwrap().into();
        let site = Site { path: "w.weight", kind: Kind::Linear, weight: &broken, statistics: None };
        let error = named(method, "rank = 2").method().attach(&site, 2, Rng::new(0)).err().unwrap();
        assert!(error.to_string().contains("w.weight"), "{error}");
    }
}

/// Rounded by whoever read it: it is not rounded again, which with scales in eight bits would change it.
#[test]
fn a_base_that_is_rounded_already_stays_as_it_is() {
    for (settings, double) in [("double_quantization = true", true), ("double_quantization = false", false)] {
        let choice = named("qlora", &format!("rank = 4\n{settings}"));
        for (name, weight) in matrices() {
            let [rows, columns] = weight.matrix("test").unwrap();
            let pack = if double { Stored::nf4_double } else { Stored::nf4 };
            let rounded = Frozen::from(pack(&weight.to_vec(), rows, columns));
            let attached = |weight: &Frozen| {
                let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: None };
                choice.method().attach(&site, 4, Rng::new(2)).unwrap()
            };
            let (early, late) = (attached(&rounded), attached(&Frozen::from(weight)));
            let (Frozen::Stored(early_base), Frozen::Stored(late_base)) =
                (base(early.as_ref()), base(late.as_ref()))
            else {
                panic!("{name}: not in NF4")
            };
            assert!(early_base == late_base, "{name}, {settings}");
            assert_eq!(early.dense().unwrap().to_vec(), late.dense().unwrap().to_vec(), "{name}");
        }
    }
}
