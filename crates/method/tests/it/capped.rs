//! Ranks that are cut to what a weight can have.

use crate::export::{agrees, through_a_folder};
use crate::support::{attach_by, disturb_all, fixture, linear_modules, named, statistics};
use rankine_method::{Capped, Choice, Cut, Error, Method, Site, count};
use rankine_nn::{Kind, Weight};
use rankine_random::Rng;
use rankine_tensor::{Frozen, Tensor};
use rankine_testkit::assert_close;

/// Every method that can be given a rank, with this one.
fn ranked(rank: usize) -> Vec<Choice> {
    let settings = format!("rank = {rank}").parse().unwrap();
    let ranked: Vec<Choice> =
        Choice::all().into_iter().filter_map(|choice| choice.with(&settings).ok()).collect();
    assert_eq!(ranked.len() + 2, Choice::all().len(), "all but `full` and `bitfit`");
    ranked
}

/// Whether a weight of the fixture has 16 rows; the smaller side of the others is 32.
fn is_narrow(path: &str) -> bool {
    path.contains("k_proj") || path.contains("v_proj")
}

fn leaves(weight: &dyn Weight) -> Vec<(String, Vec<f32>)> {
    let mut all = Vec::new();
    weight.leaves(&mut |name, leaf| all.push((name.to_owned(), leaf.tensor().to_vec())));
    all
}

#[test]
fn a_weight_of_a_cut_rank_is_what_the_method_makes_of_it_at_that_rank() {
    let shapes = [[24, 16], [20, 20], [16, 40]];
    let weights = shapes.map(|[outputs, inputs]| {
        let values = Rng::new(inputs as u64).normals(outputs * inputs, 0.3);
        Frozen::from(Tensor::new(values, &[outputs, inputs]).unwrap())
    });
    for choice in ranked(18) {
        let capped = Capped::of(&choice).unwrap();
        let seen = shapes.map(|[_, inputs]| statistics(&capped, inputs));
        let sites = [0, 1, 2].map(|at| {
            let (weight, statistics) = (&weights[at], Some(&seen[at]));
            Site { path: "w.weight", kind: Kind::Linear, weight, statistics }
        });
        assert_eq!(capped.plan(&sites).unwrap(), [16, 18, 16], "{choice:?}");
        for (site, rank) in sites.iter().zip([16, 18, 16]) {
            let alone = choice.clone().with(&format!("rank = {rank}").parse().unwrap()).unwrap();
            let of = |method: &dyn Method| {
                let structure = method.attach(site, rank, Rng::new(2)).unwrap();
                let dense = structure.dense().unwrap().to_vec();
                (method.trained(site, rank).unwrap(), leaves(structure.as_ref()), dense)
            };
            assert!(of(&capped) == of(alone.method()), "{choice:?}: {rank}");
        }
    }
}

#[test]
fn narrow_keys_and_values_get_their_smaller_side_and_are_counted_so() {
    for choice in ranked(20) {
        let (mut model, capped) = (fixture(), Capped::of(&choice).unwrap());
        let modules = linear_modules(&model);
        let cut = Cut { weights: 4, of: 14, rank: 20, given: [16, 16] };
        assert_eq!(capped.cut(&model, &modules).unwrap(), Some(cut), "{choice:?}");
        let counted = count(&model, &capped, &modules).unwrap();
        let attached = attach_by(&mut model, &capped, &modules, 0).unwrap();
        assert_eq!(counted.iter().map(|found| found.rank).sum::<usize>(), 10 * 20 + 4 * 16, "{choice:?}");
        assert_eq!(attached.sites.iter().map(|(_, rank)| rank).sum::<usize>(), 264, "{choice:?}");
        let moves = choice.method().needs().any();
        for (path, rank) in &attached.sites {
            let expected = if is_narrow(path) { 16 } else { 20 };
            // Data move ranks among those that can have 20.
            assert!(*rank == expected || moves && !is_narrow(path), "{choice:?}: {path}: {rank}");
        }
        let trained: usize = counted.iter().map(|found| found.trained).sum();
        assert!(trained == attached.trained || moves, "{choice:?}");
    }
}

#[test]
fn an_adapter_says_every_rank_and_scale() {
    let root = 20f32.sqrt();
    let cases = [
        ("", [1.0, 1.0]),
        ("alpha = 40.0", [2.0, 2.5]),
        ("alpha = 8.0\nrslora = true", [8.0 / root, 2.0]),
        ("rslora = true", [root, 4.0]),
    ];
    for (settings, [wide, narrow]) in cases {
        let choice = named("lora", &format!("rank = 20\n{settings}"));
        let (mut model, capped) = (fixture(), Capped::of(&choice).unwrap());
        let modules = linear_modules(&model);
        attach_by(&mut model, &capped, &modules, 0).unwrap();
        disturb_all(&mut model);
        let adapter = through_a_folder(&model);
        agrees(&adapter, &model);
        let patterns = &adapter.config.rank_pattern;
        assert_eq!((adapter.config.rank, patterns.len()), (20, 4), "{settings}");
        assert!(patterns.iter().all(|(module, rank)| is_narrow(module) && *rank == 16), "{patterns:?}");
        assert_eq!(adapter.config.alpha_pattern.is_empty(), settings == "alpha = 40.0", "{settings}");
        for (module, found) in &adapter.low_rank {
            let expected = if is_narrow(module) { narrow } else { wide };
            assert_close!([found.scaling], [expected], relative = 1e-6, "{module}");
        }
    }
    for name in ["pissa", "dora", "svfit", "flora", "sorsa"] {
        let choice = named(name, "rank = 20");
        let (mut model, capped) = (fixture(), Capped::of(&choice).unwrap());
        let modules = linear_modules(&model);
        attach_by(&mut model, &capped, &modules, 0).unwrap();
        disturb_all(&mut model);
        agrees(&through_a_folder(&model), &model);
    }
}

#[test]
fn what_needs_no_cut_gets_none() {
    for name in ["full", "bitfit", "svfit", "pela"] {
        assert!(Capped::of(&Choice::named(name).unwrap()).is_none(), "{name} is given no rank");
    }
    let (model, fitting) = (fixture(), named("pissa", "rank = 16"));
    assert_eq!(Capped::of(&fitting).unwrap().cut(&model, &linear_modules(&model)).unwrap(), None);
    let wrong = named("lora", "dropout = 1.0");
    assert!(matches!(Capped::of(&wrong).unwrap().plan(&[]), Err(Error::Setting { .. })));
}

#[test]
fn a_convolution_is_cut_as_the_matrix_it_is() {
    let (weight, choice) = (Frozen::from(Tensor::zeros(&[24, 2, 3, 3])), named("lora", "rank = 20"));
    let site = Site { path: "c.weight", kind: Kind::Convolution, weight: &weight, statistics: None };
    assert_eq!(Capped::of(&choice).unwrap().plan(&[site]).unwrap(), [18]);
}

#[test]
fn a_cut_is_told_in_words() {
    let cut = Cut { weights: 3, of: 14, rank: 20, given: [8, 16] };
    let said = cut.words();
    assert_eq!(said, "3 of 14 weights cannot have rank 20: they get the most they can, 8 to 16");
    assert!(Cut { given: [16, 16], ..cut }.words().ends_with("the most they can, 16"));
}
