use crate::support::{
    attach_to, dense, distance, disturb, disturb_all, fixture, fixture_for, linear_modules, loss,
    modules_for, named, statistics,
};
use rankine_method::{Choice, Error, Site, count};
use rankine_nn::{Kind, Leaf, Model, Scope, Weight, for_each_trained, weight::counts};
use rankine_random::Rng;
use rankine_tensor::{Tensor, Var};
use rankine_testkit::{GradientCheck, assert_close, gradient_check};

/// Every method with several settings; a setting that a method has not is left out.
pub fn choices() -> Vec<Choice> {
    let settings = [
        "",
        "rank = 1",
        "rank = 12",
        "rank = 4\nalpha = 8.0",
        "rank = 4\nalpha = 8.0\nrslora = true",
        "rank = 3\ninit = 'gaussian'",
        "rank = 2\nsvd = 'randomized'\niterations = 1\noversampling = 2",
        "rank = 12\nsvd = 'randomized'",
        "energy = 0.9",
        "rank = 5\nparam = 'direct'",
        "rank = 5\nparam = 'ratio'",
        "rank = 3\ngamma = 0.0",
        "rank = 3\nrelu = 'none'",
        "rank = 5\nkernel_rank = 3\nscale = 0.5\ninit = 'kaiming_uniform'",
        "rank = 4\nkernel_rank = 1",
        "ratio = 1.5\nperturbation = 1.0",
        "rank = 4\nalpha = 8.0\ntrain_scale = true",
    ];
    let all: Vec<Choice> = Choice::all()
        .into_iter()
        .flat_map(|choice| settings.map(|text| choice.clone().with(&text.parse().unwrap()).ok()))
        .flatten()
        .collect();
    // Of the first seven settings every method with a rank has at least four.
    assert!(Choice::all().len() * 4 <= all.len());
    all
}

const SHAPES: [[usize; 2]; 3] = [[24, 16], [16, 40], [20, 20]];

fn weight(shape: [usize; 2]) -> Tensor {
    Tensor::new(Rng::new(1).fork(&format!("{shape:?}")).normals(shape[0] * shape[1], 0.3), &shape).unwrap()
}

fn attached(choice: &Choice, weight: &Tensor) -> Box<dyn Weight> {
    let (weight, statistics) = (&weight.clone().into(), statistics(choice.method(), weight.shape()[1]));
    let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: Some(&statistics) };
    let rank = choice.method().plan(&[site]).unwrap()[0];
    let structure = choice.method().attach(&site, rank, Rng::new(2)).unwrap();
    let (trained, _) = counts(structure.as_ref());
    assert_eq!(choice.method().trained(&site, rank).unwrap(), trained, "{choice:?}: declared and counted");
    structure
}

fn every(check: impl Fn(&Choice, &Tensor, Box<dyn Weight>)) {
    for choice in choices().into_iter().filter(|choice| choice.method().takes(Kind::Linear)) {
        for shape in SHAPES {
            let weight = weight(shape);
            check(&choice, &weight, attached(&choice, &weight));
        }
    }
}

#[test]
fn applying_is_multiplying_by_the_dense_weight() {
    every(|choice, original, mut structure| {
        disturb(structure.as_mut(), &Rng::new(3));
        let inputs = original.shape()[1];
        let x = Tensor::new(Rng::new(4).normals(7 * inputs, 1.0), &[7, inputs]).unwrap();
        let expected = x.matmul(&structure.dense().unwrap().t().unwrap()).unwrap().to_vec();
        let found = structure.apply(&x, Scope::QUIET).unwrap().to_vec();
        assert!(distance(&found, &expected) < 1e-5, "{choice:?}");
        let rows = structure.rows(&[0, 5, 3].into()).unwrap().to_vec();
        let dense = structure.dense().unwrap().to_vec();
        let expected: Vec<f32> =
            [0, 5, 3].iter().flat_map(|row| dense[row * inputs..][..inputs].to_vec()).collect();
        assert!(distance(&rows, &expected) < 1e-5, "{choice:?}");
    });
}

#[test]
fn an_exact_method_keeps_the_dense_weight() {
    every(|choice, original, structure| {
        if choice.card().exact {
            let error = distance(&structure.dense().unwrap().to_vec(), &original.to_vec());
            assert!(error < 1e-6, "{choice:?}: {error:e}");
        }
    });
}

/// Σ apply(x)∘c with fixed x and c.
fn probe(structure: &dyn Weight, inputs: usize) -> Tensor {
    let x = Tensor::new(Rng::new(4).normals(3 * inputs, 1.0), &[3, inputs]).unwrap();
    let y = structure.apply(&x, Scope::QUIET).unwrap();
    let c = Tensor::new(Rng::new(5).normals(y.elements(), 1.0), &y.shape()).unwrap();
    y.mul(&c).unwrap().sum()
}

/// Whether the structure is linear in each of its leaves: not where a norm is held constant (DoRA), nor across the kinks of
/// SALT, nor in the gates of DiffoRA. Tests of their own look at those.
pub fn is_linear(choice: &Choice) -> bool {
    !matches!(choice.card().name, "dora" | "salt" | "diffora")
}

#[test]
fn every_trained_leaf_has_the_gradient_of_finite_differences() {
    every(|choice, original, mut structure| {
        if !is_linear(choice) {
            return;
        }
        disturb(structure.as_mut(), &Rng::new(3));
        let inputs = original.shape()[1];
        let gradients = probe(structure.as_ref(), inputs).backward().unwrap();
        let mut leaves = Vec::new();
        structure.leaves(&mut |name, leaf| {
            if let Some(variable) = leaf.trained() {
                let gradient =
                    gradients.of(variable).unwrap_or_else(|| panic!("{choice:?}: `{name}` has no gradient"));
                leaves.push((name.to_owned(), variable.tensor().to_vec(), gradient.to_vec()));
            }
        });
        assert!(!leaves.is_empty(), "{choice:?}");
        for (wanted, values, gradient) in leaves {
            let mut at = |point: &[f32]| {
                set(structure.as_mut(), &wanted, point);
                f64::from(probe(structure.as_ref(), inputs).item())
            };
            // The probe is linear in each leaf, so a long step costs nothing but rounding.
            let options =
                GradientCheck { step: 0.5, relative: 1e-4, absolute: 1e-3, ..GradientCheck::default() };
            gradient_check(&mut at, &values, &gradient, &options);
            at(&values);
        }
    });
}

fn set(structure: &mut dyn Weight, wanted: &str, values: &[f32]) {
    structure.leaves_mut(&mut |name, leaf| {
        if let Leaf::Trained(variable) = leaf
            && name == wanted
        {
            variable.update(|numbers| numbers.copy_from_slice(values));
        }
    });
}

fn frozen(model: &dyn Model) -> Vec<Vec<f32>> {
    let mut all = Vec::new();
    for parameter in model.parameters() {
        parameter.weight.leaves(&mut |_, leaf| {
            if leaf.trained().is_none() {
                all.push(leaf.tensor().to_vec());
            }
        });
    }
    all
}

#[test]
fn a_step_changes_trained_leaves_only() {
    for choice in choices() {
        let mut model = fixture_for(&choice);
        let modules = modules_for(&model, &choice);
        let attached = attach_to(&mut model, &choice, &modules, 0).unwrap();
        assert_eq!(attached.sites.len(), modules.len());
        let mut counted = 0;
        for_each_trained(&model, &mut |_, variable| counted += variable.tensor().elements());
        assert_eq!(attached.trained, counted, "{choice:?}");
        let (before, dense_before) = (frozen(&model), dense(&model));
        let gradients = loss(&model).backward().unwrap();
        rankine_nn::for_each_trained_mut(&mut model, &mut |place, variable: &mut Var| {
            let gradient =
                gradients.of(variable).unwrap_or_else(|| panic!("{choice:?}: {}", place.name)).to_vec();
            variable.update(|values| {
                values.iter_mut().zip(&gradient).for_each(|(value, slope)| *value -= 1e-2 * slope)
            });
        });
        assert_eq!(before, frozen(&model), "{choice:?}");
        assert_ne!(dense_before, dense(&model), "{choice:?}");
    }
}

#[test]
fn a_card_names_the_leaves_that_are_trained() {
    for choice in Choice::all().into_iter().chain([named("loldu", "train_scale = true")]) {
        let mut model = fixture_for(&choice);
        let modules = modules_for(&model, &choice);
        attach_to(&mut model, &choice, &modules[..1], 0).unwrap();
        let mut names = Vec::new();
        for_each_trained(&model, &mut |place, _| {
            names.extend(place.name.rsplit('/').next().map(str::to_owned));
        });
        assert_eq!(names, choice.card().trains, "{choice:?}");
    }
}

#[test]
fn counting_is_attaching_without_it() {
    for choice in choices() {
        let mut model = fixture_for(&choice);
        let modules = modules_for(&model, &choice);
        let counted = count(&model, choice.method(), &modules).unwrap();
        let attached = attach_to(&mut model, &choice, &modules, 0).unwrap();
        let ranks = counted.iter().map(|found| found.rank).sum::<usize>();
        assert_eq!(ranks, attached.sites.iter().map(|(_, rank)| rank).sum::<usize>(), "{choice:?}");
        // Data move ranks to other weights, of other sizes.
        if !choice.method().needs().any() {
            let sites: Vec<_> = counted.iter().map(|found| (found.path.clone(), found.rank)).collect();
            assert_eq!(sites, attached.sites, "{choice:?}");
            let trained: usize = counted.iter().map(|found| found.trained).sum();
            assert_eq!(trained, attached.trained, "{choice:?}");
        }
    }
}

#[test]
fn a_seed_gives_the_same_weights_in_any_order_on_any_threads() {
    for choice in choices() {
        let run = |threads: usize, reversed: bool, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut model = fixture_for(&choice);
            let mut modules = modules_for(&model, &choice);
            if reversed {
                modules.reverse();
            }
            pool.install(|| {
                if reversed {
                    for module in modules {
                        attach_to(&mut model, &choice, &[module], seed).unwrap();
                    }
                } else {
                    attach_to(&mut model, &choice, &modules, seed).unwrap();
                }
            });
            let mut leaves = Vec::new();
            for_each_trained(&model, &mut |place, variable| {
                leaves.push((place.name, variable.tensor().to_vec()))
            });
            (leaves, frozen(&model))
        };
        let first = run(1, false, 7);
        assert!(first == run(3, false, 7), "{choice:?}: threads");
        assert!(first == run(3, true, 7), "{choice:?}: order");
    }
}

#[test]
fn another_seed_gives_another_start_where_there_are_draws() {
    let start = |seed| {
        let mut model = fixture();
        let modules = linear_modules(&model);
        attach_to(&mut model, &Choice::named("lora").unwrap(), &modules, seed).unwrap();
        let mut leaves = Vec::new();
        for_each_trained(&model, &mut |_, variable| leaves.push(variable.tensor().to_vec()));
        leaves
    };
    let (one, other) = (start(1), start(2));
    assert_ne!(one, other);
    assert_ne!(one[0], one[2], "every site draws from its own stream");
}

#[test]
fn hyperparameters_survive_toml() {
    for choice in choices() {
        let text = toml::to_string(&choice).unwrap();
        assert_eq!(toml::from_str::<Choice>(&text).unwrap(), choice, "{text}");
    }
    for choice in Choice::all() {
        let name = choice.card().name;
        assert_eq!(Choice::named(name).unwrap(), choice);
        assert!(toml::from_str::<Choice>(&format!("[{name}]\nrnak = 4")).is_err());
        let Err(Error::Of { method, source }) = choice.clone().with(&"rnak = 4".parse().unwrap()) else {
            panic!("{name} has no key `rnak`");
        };
        assert!(method == name && matches!(*source, Error::Read(_)), "{source}");
        assert_eq!(
            toml::from_str::<Choice>(&format!("[{name}]\n")).unwrap(),
            choice,
            "absent keys are the default"
        );
    }
    assert!(matches!(Choice::named("lroa"), Err(Error::Unknown { .. })));
    for (name, hint) in
        [("pisa", "did you mean `pissa`? there are: full, "), ("quetzal", "there are: full, ")]
    {
        assert!(Choice::named(name).unwrap_err().hint().unwrap().starts_with(hint), "{name}");
    }
}

#[test]
fn a_rank_that_no_weight_can_have_is_an_error() {
    for choice in Choice::all() {
        for rank in [0, 17, 1000] {
            let Ok(choice) = choice.clone().with(&format!("rank = {rank}").parse().unwrap()) else {
                continue;
            };
            // The smallest side of the key projections is 16.
            let (mut model, untouched) = (fixture(), fixture());
            let modules = linear_modules(&model);
            let attached = attach_to(&mut model, &choice, &modules, 0);
            // Factors that are drawn have any rank.
            if ["lora", "dora", "qlora"].contains(&choice.card().name) && rank != 0 {
                assert_eq!(attached.unwrap().sites.len(), modules.len(), "{choice:?}");
                continue;
            }
            let error = attached.unwrap_err();
            assert!(matches!(&error, Error::Rank { rank: found, .. } if *found == rank), "{error}");
            assert!(error.hint().is_some());
            assert_eq!(dense(&model), dense(&untouched));
        }
    }
}

#[test]
fn settings_outside_their_range_are_errors() {
    for choice in Choice::all() {
        for setting in [
            "dropout = 1.0",
            "dropout = -0.1",
            "dropout = nan",
            "alpha = 0.0",
            "alpha = -1.0",
            "alpha = nan",
            "alpha = inf",
        ] {
            let Ok(choice) = choice.clone().with(&setting.parse().unwrap()) else {
                continue;
            };
            let error = attach_to(&mut fixture(), &choice, &["model.layers.0.mlp.up_proj".to_owned()], 0);
            assert!(matches!(error, Err(Error::Setting { .. })), "{choice:?}");
            let error = choice.check().unwrap_err();
            let Error::Of { method, source } = &error else { panic!("{error:?}") };
            assert!(matches!(**source, Error::Setting { .. }), "without a weight: {choice:?}");
            assert!(error.hint().unwrap().contains(&format!("`rankine methods {method}`")));
        }
    }
}

#[test]
fn settings_are_told_without_a_weight() {
    for choice in choices() {
        choice.check().unwrap();
    }
    for choice in Choice::all() {
        let ranked = |rank: usize| choice.clone().with(&format!("rank = {rank}").parse().unwrap());
        let Ok(refused) = ranked(0) else {
            assert_eq!(choice.rank(), None, "{choice:?}");
            continue;
        };
        let Err(Error::Of { source, .. }) = refused.check() else { panic!("{choice:?}") };
        assert!(matches!(*source, Error::Setting { name: "rank", .. }), "{choice:?}");
        assert_eq!(ranked(3).unwrap().rank(), Some(3));
    }
}

#[test]
fn leaves_put_back_give_the_same_dense_bits() {
    for choice in choices() {
        let mut model = fixture_for(&choice);
        let modules = modules_for(&model, &choice);
        attach_to(&mut model, &choice, &modules, 0).unwrap();
        disturb_all(&mut model);
        let mut saved = Vec::new();
        for_each_trained(&model, &mut |_, variable| saved.push(variable.tensor().to_vec()));
        let mut again = fixture_for(&choice);
        attach_to(&mut again, &choice, &modules, 0).unwrap();
        rankine_nn::for_each_trained_mut(&mut again, &mut |place, variable| {
            variable.update(|values| values.copy_from_slice(&saved[place.index]));
        });
        assert!(dense(&model) == dense(&again), "{choice:?}");
    }
}

#[test]
fn dropout_leaves_the_dense_weight_alone() {
    for choice in Choice::all() {
        let Ok(wet) = choice.clone().with(&"dropout = 0.5\nrank = 4".parse().unwrap()) else {
            continue;
        };
        let dry = choice.with(&"rank = 4".parse().unwrap()).unwrap();
        let original = weight([24, 16]);
        let (wet, dry) = (attached(&wet, &original), attached(&dry, &original));
        assert_eq!(wet.dense().unwrap().to_vec(), dry.dense().unwrap().to_vec());
        let x = weight([16, 40]).narrow(1, 0, 16).unwrap();
        assert_close!(
            wet.apply(&x, Scope::QUIET).unwrap().to_vec(),
            dry.apply(&x, Scope::QUIET).unwrap().to_vec(),
            absolute = 0.0
        );
    }
}
