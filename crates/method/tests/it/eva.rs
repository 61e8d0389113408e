//! EVA: what the page says must hold, and peft's numbers.

use crate::export::through_a_folder;
use crate::support::{dense, fixture, leaf, linear_modules, named};
use rankine_method::{
    Calibration, Choice, Error, Shown, Site, Statistics, attach, calibrate, calibration::Collector,
};
use rankine_nn::{Kind, LanguageModel as _, Pass, Scope, Tokens, Weight, models::Llama};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures};

const OUTPUTS: usize = 12;
const INPUTS: usize = 20;

fn weight() -> Tensor {
    Tensor::new(Rng::new(11).normals(OUTPUTS * INPUTS, 0.3), &[OUTPUTS, INPUTS]).unwrap()
}

/// Rows about a mean, along `directions` random ones with falling variances; [count, INPUTS].
fn rows(count: usize, directions: usize, seed: u64) -> Vec<f32> {
    let rng = Rng::new(seed);
    let mixing = rng.fork("mixing").normals(directions * INPUTS, 1.0);
    let (mut draws, mean) = (rng.fork("rows"), rng.fork("mean").normals(INPUTS, 0.5));
    let mut all = Vec::new();
    for _ in 0..count {
        let along: Vec<f32> = (0..directions).map(|j| draws.normal() * 0.8f32.powi(j as i32)).collect();
        let mixed =
            |i: usize| along.iter().zip(mixing[i..].iter().step_by(INPUTS)).map(|(x, m)| x * m).sum::<f32>();
        all.extend((0..INPUTS).map(|i| mean[i] + mixed(i)));
    }
    all
}

fn seen(choice: &Choice, rows: &[f32]) -> Statistics {
    let mut collector = Collector::new(&choice.method().needs(), INPUTS, Rng::new(1));
    rows.chunks(40 * INPUTS).for_each(|batch| collector.see(batch).unwrap());
    collector.statistics()
}

/// The structure at a site of this statistics, with its rank.
fn attached(choice: &Choice, statistics: &Statistics) -> (Box<dyn Weight>, usize) {
    let weight = &weight().into();
    let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: Some(statistics) };
    let rank = choice.method().plan(&[site]).unwrap()[0];
    (choice.method().attach(&site, rank, Rng::new(2)).unwrap(), rank)
}

fn products(a: &Tensor) -> Vec<f32> {
    a.matmul(&a.t().unwrap()).unwrap().to_vec()
}

fn one(size: usize) -> Vec<f32> {
    (0..size * size).map(|at| if at / size == at % size { 1.0 } else { 0.0 }).collect()
}

#[test]
fn a_is_orthonormal_and_b_zero_so_that_nothing_changes() {
    for (settings, rank) in [("rank = 4", 4), ("rank = 4\nsvd = 'exact'\nrho = 1.0", 4), ("rank = 12", 12)] {
        let choice = named("eva", settings);
        let (structure, found) = attached(&choice, &seen(&choice, &rows(120, 20, 3)));
        assert_eq!(found, rank);
        let [a, b] = ["a", "b"].map(|name| leaf(structure.as_ref(), name));
        assert_close!(products(&a), one(rank), absolute = 1e-5, "{settings}");
        assert!(b.to_vec().iter().all(|&x| x == 0.0));
        assert_eq!(structure.dense().unwrap().to_vec(), weight().to_vec(), "{settings}");
        let x = Tensor::new(rows(7, 20, 4), &[7, INPUTS]).unwrap();
        let expected = x.matmul(&weight().t().unwrap()).unwrap().to_vec();
        assert_close!(structure.apply(&x, Scope::QUIET).unwrap().to_vec(), expected, absolute = 1e-5);
    }
}

#[test]
fn a_whitened_row_is_divided_by_the_root_of_its_singular_value() {
    let choice = named("eva", "rank = 4\nwhiten = true");
    let statistics = seen(&choice, &rows(120, 20, 3));
    let a = leaf(attached(&choice, &statistics).0.as_ref(), "a");
    let (plain, _) = attached(&named("eva", "rank = 4"), &statistics);
    let roots: Vec<f32> = statistics.principal.unwrap().singular_values.iter().map(|s| s.sqrt()).collect();
    let scaled: Vec<f32> = a.to_vec().iter().enumerate().map(|(at, x)| x * roots[at / INPUTS]).collect();
    assert_close!(scaled, leaf(plain.as_ref(), "a").to_vec(), absolute = 1e-6);
}

#[test]
fn no_rank_exceeds_the_dimension_of_the_inputs() {
    let choice = named("eva", "rank = 5\nrho = 2.0");
    assert_eq!(attached(&choice, &seen(&choice, &rows(120, 3, 3))).1, 3);
    let flat = seen(&choice, &[0.5; 40 * INPUTS]);
    let weight = &weight().into();
    let (constant, free) = (flat, seen(&choice, &rows(120, 20, 3)));
    let site =
        |statistics| Site { path: "w.weight", kind: Kind::Linear, weight, statistics: Some(statistics) };
    assert_eq!(choice.method().plan(&[site(&constant), site(&free)]).unwrap(), [0, 10], "K = 10 is the most");
}

/// Where G does not depend on X, ‖Gᵀ·X·Aᵀ‖ is largest along the directions of most variance; here X is centred.
#[test]
fn the_first_gradient_is_larger_than_that_of_random_rows() {
    let choice = named("eva", "rank = 4");
    let x = rows(120, 20, 3);
    let (structure, rank) = attached(&choice, &seen(&choice, &x));
    let mean: Vec<f32> = (0..INPUTS).map(|i| x.iter().skip(i).step_by(INPUTS).sum::<f32>() / 120.0).collect();
    let centred =
        x.chunks(INPUTS).flat_map(|row| row.iter().zip(&mean).map(|(x, m)| x - m).collect::<Vec<_>>());
    let centred = Tensor::new(centred.collect(), &[120, INPUTS]).unwrap();
    let squares = |a: &Tensor, g: &Tensor| {
        let gradient = g.t().unwrap().matmul(&centred.matmul(&a.t().unwrap()).unwrap()).unwrap();
        gradient.to_vec().iter().map(|x| f64::from(*x).powi(2)).sum::<f64>()
    };
    let ours = leaf(structure.as_ref(), "a");
    let (mut sum, mut orthonormal, mut kaiming) = (0.0, 0.0, 0.0);
    for draw in 0..100 {
        let rng = Rng::new(draw);
        let g = Tensor::new(rng.fork("g").normals(120 * OUTPUTS, 1.0), &[120, OUTPUTS]).unwrap();
        let random = rng.fork("a").uniforms(rank * INPUTS, 1.0);
        let basis = rankine_linalg::svd(&random, rank, INPUTS).unwrap().vt;
        let length = (random.iter().map(|x| x * x).sum::<f32>() / rank as f32).sqrt();
        let random = Tensor::new(random, &[rank, INPUTS]).unwrap().scale(length.recip());
        sum += squares(&ours, &g);
        orthonormal += squares(&Tensor::new(basis, &[rank, INPUTS]).unwrap(), &g);
        kaiming += squares(&random, &g);
    }
    assert!(1.5 * orthonormal < sum && 1.5 * kaiming < sum, "{sum}, {orthonormal}, {kaiming}");
}

#[test]
fn what_is_missing_is_said() {
    let weight = &weight().into();
    let choice = named("eva", "rank = 4\nrho = 2.0");
    let plan = |choice: &Choice, statistics: Option<&Statistics>| {
        choice.method().plan(&[Site { path: "w.weight", kind: Kind::Linear, weight, statistics }])
    };
    for statistics in [None, Some(&Statistics { rows: 100, ..Statistics::default() })] {
        let error = plan(&choice, statistics).unwrap_err();
        assert!(matches!(&error, Error::NotSeen { path } if path == "w.weight"), "{error}");
        assert!(error.hint().unwrap().contains("--data"));
    }
    let error = plan(&choice, Some(&seen(&choice, &rows(8, 20, 3)))).unwrap_err();
    assert!(matches!(error, Error::TooFewRows { rows: 8, components: 8, .. }), "{error}");
    assert!(error.hint().unwrap().contains("calibration text"));
    assert_eq!(plan(&choice, Some(&seen(&choice, &rows(9, 20, 3)))).unwrap(), [4]);
    let enough = seen(&choice, &rows(120, 20, 3));
    for setting in
        ["rho = 0.5", "rho = nan", "rho = inf", "tau = 0.0", "tau = 1.5", "tau = nan", "max_batches = 0"]
    {
        let error = plan(&named("eva", &format!("rank = 4\n{setting}")), Some(&enough));
        assert!(matches!(error, Err(Error::Setting { .. })), "{setting}");
    }
}

/// One batch of `eva.json`: its texts, and which of their tokens are answers.
struct Batch {
    texts: Vec<Vec<u32>>,
    answers: Vec<bool>,
}

fn batches() -> Vec<Batch> {
    let json = fixtures::json("eva.json");
    let pairs = fixtures::items(&json["batches"]).iter().zip(fixtures::items(&json["answers"]));
    pairs
        .map(|(texts, answers)| Batch {
            texts: fixtures::items(texts).iter().map(fixtures::tokens).collect(),
            answers: fixtures::tokens(answers).into_iter().map(|answer| answer == 1).collect(),
        })
        .collect()
}

/// The linear modules of a model, calibrated on the batches, which begin again when they are over.
fn calibrated(model: &mut Llama, choice: &Choice, batches: &[Batch]) -> Calibration {
    let (modules, mut rest) = (linear_modules(model), batches.iter().cycle());
    calibrate(model, &modules, &choice.method().needs(), &Rng::new(0), &mut |model: &Llama| {
        let Some(Batch { texts, answers }) = rest.next() else { return Ok(Shown::Nothing) };
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        model.hidden(&Tokens::packed(&texts.concat(), &lengths), &mut Pass::quiet())?;
        Ok::<_, Error>(Shown::Marked(answers.clone()))
    })
    .unwrap()
}

/// Modules with the same inputs.
const GROUPS: [&[&str]; 4] = [
    &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    &["self_attn.o_proj"],
    &["mlp.gate_proj", "mlp.up_proj"],
    &["mlp.down_proj"],
];

#[test]
fn ranks_and_directions_are_those_of_peft() {
    let (json, batches) = (fixtures::json("eva.json"), batches());
    for case in fixtures::items(&json["cases"]) {
        let settings = format!(
            "rank = {}\nrho = {:?}\ntau = {:?}\nsvd = 'exact'\nmax_batches = 50",
            case["r"],
            case["rho"].as_f64().unwrap(),
            case["tau"].as_f64().unwrap()
        );
        let (mut model, choice) = (fixture(), named("eva", &settings));
        let calibration = calibrated(&mut model, &choice, &batches);
        assert_eq!(calibration.batches, case["rounds"].as_u64().unwrap() as usize, "{settings}");
        assert_eq!(calibration.unsettled, 0);
        let informed = calibration.inform(choice.method());
        let modules = linear_modules(&model);
        let sites = attach(&mut model, &informed, &modules, &Rng::new(0), &mut |_, _| ()).unwrap().sites;
        let ours = |module: &str| {
            let path = format!("{module}.weight");
            sites.iter().find(|site| site.0 == path).map_or(0, |site| site.1)
        };
        let theirs = |module: &str| case["ranks"][module].as_u64().unwrap() as usize;
        for (layer, group) in [0, 1].iter().flat_map(|layer| GROUPS.map(|group| (layer, group))) {
            let modules = group.iter().map(|name| format!("model.layers.{layer}.{name}"));
            // Which one of equal shares comes first is left to chance in peft.
            let (mut found, mut expected): (Vec<_>, Vec<_>) =
                modules.map(|module| (ours(&module), theirs(&module))).unzip();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{settings}: {layer}, {group:?}");
        }
        let directions = case["a"].as_object().unwrap();
        assert_eq!(directions.len(), 8);
        for (module, a) in directions {
            let expected = fixtures::floats(a);
            let found = &calibration.sites[&format!("{module}.weight")].principal.as_ref().unwrap().vectors;
            assert_close!(found[..expected.len()], expected, absolute = 1e-4, "{settings}: {module}");
        }
    }
}

#[test]
fn ranks_keep_the_budget_and_scalings_are_all_the_same() {
    let batches = batches();
    for (adjusted, settings) in
        [(true, "rank = 4\nalpha = 8.0"), (false, "rank = 4\nalpha = 8.0\nadjust_scaling_factors = false")]
    {
        let (mut model, choice) = (fixture(), named("eva", settings));
        let (modules, before) = (linear_modules(&model), dense(&model));
        let calibration = calibrated(&mut model, &choice, &batches);
        let informed = calibration.inform(choice.method());
        attach(&mut model, &informed, &modules, &Rng::new(0), &mut |_, _| ()).unwrap();
        assert_eq!(dense(&model), before);
        let adapter = through_a_folder(&model);
        assert_eq!(adapter.low_rank.values().map(|found| found.rank).sum::<usize>(), 4 * 14);
        assert!(!adapter.config.rank_pattern.is_empty());
        assert_eq!(adapter.config.alpha_pattern.is_empty(), !adjusted);
        for (module, found) in &adapter.low_rank {
            let expected = if adjusted { 2.0 } else { 8.0 / found.rank as f32 };
            assert_close!([found.scaling], [expected], relative = 1e-6, "{module}");
            let statistics = &calibration.sites[&format!("{module}.weight")];
            let vectors = &statistics.principal.as_ref().unwrap().vectors;
            assert_eq!(found.a, vectors[..found.rank * found.inputs], "the same inputs have the same rows");
        }
    }
}
