//! The calibration pass: what is seen of the inputs of a model's weights.

use crate::support::{dense, fixture, linear_modules, named};
use rankine_method::{
    Calibration, Error, Needs, Result, Shown, Statistics, calibrate,
    calibration::{Collector, Converge, Principal, allocate},
    pissa::Decomposition,
};
use rankine_nn::{
    Kind, LanguageModel as _, Model, Parameter, Pass, Scope, Tokens, models::Llama, weight::Dense,
};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::assert_close;
use std::sync::Arc;

static BATCHES: [[u32; 12]; 3] = [
    [5, 17, 80, 3, 3, 41, 95, 12, 62, 29, 11, 54],
    [8, 33, 70, 2, 90, 46, 7, 1, 66, 20, 51, 9],
    [44, 13, 6, 77, 31, 85, 60, 4, 19, 58, 37, 72],
];

fn principal(components: usize) -> Principal {
    Principal {
        components,
        rank: components,
        capped: false,
        tolerance: 1.0,
        converge: Converge::Vectors,
        svd: Decomposition::Exact,
        iterations: 0,
    }
}

/// Everything that can be seen, of all three batches.
fn everything() -> Needs {
    Needs {
        second_moment: true,
        magnitude: true,
        square: true,
        principal: Some(principal(6)),
        batches: 3,
        answers_only: false,
    }
}

fn read(model: &Llama, text: &[u32]) -> Result<()> {
    model.hidden(&Tokens::single(text), &mut Pass::quiet())?;
    Ok(())
}

/// One batch after the other, in which the rows `marked` by their tokens count.
fn calibrated(model: &mut Llama, needs: &Needs, marked: impl Fn(u32) -> bool) -> Result<Calibration> {
    let (modules, mut batches) = (linear_modules(model), BATCHES.iter());
    calibrate(model, &modules, needs, &Rng::new(1), &mut |model: &Llama| {
        let Some(batch) = batches.next() else { return Ok(Shown::Nothing) };
        read(model, batch)?;
        Ok(Shown::Marked(batch.iter().map(|&token| marked(token)).collect()))
    })
}

fn site<'a>(calibration: &'a Calibration, name: &str) -> &'a Arc<Statistics> {
    &calibration.sites[&format!("model.layers.{name}_proj.weight")]
}

#[test]
fn means_are_those_of_the_rows_that_were_seen() {
    let calibration = calibrated(&mut fixture(), &everything(), |_| true).unwrap();
    assert_eq!((calibration.batches, calibration.sites.len()), (3, 14));
    let model = fixture();
    let mut rows: Vec<f32> = Vec::new();
    for batch in BATCHES {
        let embedded = model.parameters()[0].weight.rows(&batch.into()).unwrap();
        let norm =
            model.parameters().into_iter().find(|found| found.path().ends_with("0.input_layernorm.weight"));
        let factors = norm.unwrap().weight.dense().unwrap().to_vec();
        for row in embedded.to_vec().chunks(32) {
            let mean = row.iter().map(|x| x * x).sum::<f32>() / 32.0;
            rows.extend(row.iter().zip(&factors).map(|(x, factor)| factor * x / (mean + 1e-5).sqrt()));
        }
    }
    let found = site(&calibration, "0.self_attn.q");
    let product =
        |i: usize, j: usize| rows.chunks(32).map(|row| f64::from(row[i]) * f64::from(row[j])).sum::<f64>();
    let moment: Vec<f64> = (0..32 * 32).map(|at| product(at / 32, at % 32) / 36.0).collect();
    let magnitude: Vec<f64> =
        (0..32).map(|j| rows.chunks(32).map(|row| f64::from(row[j].abs())).sum::<f64>() / 36.0).collect();
    assert_eq!(found.rows, 36);
    assert_close!(found.second_moment.clone().unwrap(), moment, absolute = 1e-5);
    assert_close!(found.magnitude.clone().unwrap(), magnitude, absolute = 1e-5);
    let square: Vec<f64> = moment.iter().step_by(33).copied().collect();
    assert_close!(found.square.clone().unwrap(), square, absolute = 1e-5);
    let mut alone = Collector::new(&everything(), 32, Rng::new(2));
    rows.chunks(12 * 32).for_each(|batch| alone.see(batch).unwrap());
    let (found, alone) = (found.principal.clone().unwrap(), alone.statistics().principal.unwrap());
    assert_close!(found.vectors, alone.vectors, absolute = 1e-4);
    assert_close!(found.singular_values, alone.singular_values, relative = 1e-5);
}

#[test]
fn weights_with_the_same_inputs_share_what_was_seen() {
    let calibration = calibrated(&mut fixture(), &everything(), |_| true).unwrap();
    for layer in 0..2 {
        let at = |name: &str| site(&calibration, &format!("{layer}.{name}"));
        assert!(Arc::ptr_eq(at("self_attn.q"), at("self_attn.k")));
        assert!(Arc::ptr_eq(at("self_attn.q"), at("self_attn.v")));
        assert!(Arc::ptr_eq(at("mlp.gate"), at("mlp.up")));
        assert!(!Arc::ptr_eq(at("self_attn.q"), at("self_attn.o")));
        assert!(!Arc::ptr_eq(at("mlp.gate"), at("mlp.down")));
    }
    assert_ne!(site(&calibration, "0.self_attn.q"), site(&calibration, "1.self_attn.q"));
}

/// Attention is causal: what stands behind the marked rows must not be seen in any way.
#[test]
fn rows_that_are_not_marked_have_no_influence() {
    let run = |last: [u32; 4]| {
        let (mut model, mut rest) = (fixture(), BATCHES.iter());
        let modules = linear_modules(&model);
        calibrate(&mut model, &modules, &everything(), &Rng::new(1), &mut |model: &Llama| {
            let Some(batch) = rest.next() else { return Ok::<_, Error>(Shown::Nothing) };
            read(model, &[batch.as_slice(), &last].concat())?;
            Ok(Shown::Marked((0..16).map(|row| row < 12).collect()))
        })
        .unwrap()
    };
    let (one, other) = (run([1, 2, 3, 4]), run([90, 80, 70, 60]));
    let plain = calibrated(&mut fixture(), &everything(), |_| true).unwrap();
    for (path, found) in &one.sites {
        assert_eq!(found.rows, 36);
        for others in [&other, &plain] {
            let (a, b) = (found.magnitude.clone().unwrap(), others.sites[path].magnitude.clone().unwrap());
            assert_close!(a, b, absolute = 1e-5, "{path}");
        }
    }
    let some = calibrated(&mut fixture(), &everything(), |token| token < 50).unwrap();
    let count = BATCHES.as_flattened().iter().filter(|token| **token < 50).count();
    assert!(some.sites.values().all(|found| found.rows == count));
    assert_ne!(some.sites, plain.sites);
}

#[test]
fn the_model_is_as_it_was_also_after_an_error() {
    let (mut model, before) = (fixture(), dense(&fixture()));
    let modules = linear_modules(&model);
    let mut seen = 0;
    let failed: Result<Calibration> =
        calibrate(&mut model, &modules, &everything(), &Rng::new(1), &mut |model: &Llama| {
            seen += 1;
            read(model, &BATCHES[0])?;
            // No token of the vocabulary.
            read(model, &[1000])?;
            Ok(Shown::All)
        });
    assert!(matches!(failed, Err(Error::Model(rankine_nn::Error::Token { .. }))));
    assert_eq!(seen, 1);
    assert_eq!(dense(&model), before);
    let whole = calibrated(&mut model, &everything(), |_| true).unwrap();
    assert_eq!(whole, calibrated(&mut fixture(), &everything(), |_| true).unwrap(), "nothing of it is left");
    assert_eq!(dense(&model), before);
}

#[test]
fn only_what_is_needed_is_looked_at() {
    let nothing =
        calibrated(&mut fixture(), &Needs { batches: 3, ..Needs::default() }, |_| unreachable!()).unwrap();
    assert_eq!(nothing, Calibration::default());
    let magnitude = Needs { magnitude: true, batches: 2, ..Needs::default() };
    let found = calibrated(&mut fixture(), &magnitude, |_| true).unwrap();
    assert_eq!((found.batches, found.unsettled), (2, 0));
    let one = site(&found, "1.mlp.down");
    assert_eq!((one.rows, one.magnitude.as_ref().map(Vec::len)), (24, Some(48)));
    assert!(one.second_moment.is_none() && one.principal.is_none());
}

#[test]
fn it_ends_when_all_directions_have_converged() {
    let (mut model, modules) = (fixture(), linear_modules(&fixture()));
    let mut run = |tolerance: f32, batches: usize| {
        let principal = Principal { tolerance, ..principal(2) };
        let needs = Needs { principal: Some(principal), batches, ..Needs::default() };
        let same = |model: &Llama| -> Result<Shown> { read(model, &BATCHES[0]).map(|()| Shown::All) };
        calibrate(&mut model, &modules, &needs, &Rng::new(1), &mut { same }).unwrap()
    };
    let found = run(0.999, 10);
    assert_eq!((found.batches, found.unsettled), (2, 0), "the same rows again have the same directions");
    assert_eq!(run(0.999, 1).unsettled, 14, "one batch cannot tell");
    assert_eq!(run(2.0, 5).batches, 5);
}

/// Two equal singular values: their vectors may turn, the plane stays.
#[test]
fn a_subspace_converges_where_its_vectors_turn() {
    let turned = |angle: f32| {
        let (sine, cosine) = angle.sin_cos();
        [[cosine, sine, 0.0], [-cosine, -sine, 0.0], [-sine, cosine, 0.0], [sine, -cosine, 0.0]].concat()
    };
    // The second batch makes its own first direction the first one: 30° from that of the first batch.
    let (first, second) = ([turned(0.0), vec![0.1, 0.0, 0.0, -0.1, 0.0, 0.0]].concat(), turned(0.5));
    let stretched: Vec<f32> =
        second.chunks(6).zip([1.5, 1.0]).flat_map(|(two, by)| two.iter().map(move |x| x * by)).collect();
    for (converge, settled) in [(Converge::Vectors, false), (Converge::Subspace, true)] {
        let principal = Principal { tolerance: 0.95, converge, ..principal(2) };
        let needs = Needs { principal: Some(principal), batches: 2, ..Needs::default() };
        let found = batches_of_one_weight(&needs, &[first.clone(), stretched.clone()]);
        assert_eq!(found.unsettled == 0, settled, "{converge:?}");
    }
}

/// The calibration of a model that is one weight, applied to these rows of three numbers.
fn batches_of_one_weight(needs: &Needs, batches: &[Vec<f32>]) -> Calibration {
    let mut model = One(Parameter::frozen("w.weight".to_owned(), Kind::Linear, Tensor::zeros(&[2, 3])));
    let mut rest = batches.iter();
    calibrate(&mut model, &["w".to_owned()], needs, &Rng::new(1), &mut |model: &One| {
        let Some(rows) = rest.next() else { return Ok::<_, Error>(Shown::Nothing) };
        let x = Tensor::new(rows.clone(), &[rows.len() / 3, 3])?;
        model.0.weight.apply(&x, Scope::QUIET)?;
        Ok(Shown::All)
    })
    .unwrap()
}

struct One(Parameter);

impl Model for One {
    fn parameters(&self) -> Vec<&Parameter> {
        vec![&self.0]
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        vec![&mut self.0]
    }
}

#[test]
fn inputs_that_are_no_numbers_name_their_weight() {
    let needs = everything();
    let mut model = fixture();
    for parameter in model.parameters_mut() {
        if parameter.path().ends_with("0.input_layernorm.weight") {
            let broken = Tensor::new(vec![f32::NAN; 32], &[32]).unwrap();
            parameter.weight = Box::new(Dense::frozen(broken));
        }
    }
    let error = calibrated(&mut model, &needs, |_| true).unwrap_err();
    assert!(matches!(&error, Error::Inputs { path, .. } if path.starts_with("model.layers.")), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_budget_goes_to_the_largest_shares() {
    let spectra: [&[f64]; 4] = [&[0.5, 0.2, 0.1], &[0.4, 0.3, 0.2], &[0.2, 0.2, 0.2], &[1e-14]];
    assert_eq!(allocate(&spectra, 0), [0, 0, 0, 0]);
    assert_eq!(allocate(&spectra, 3), [1, 2, 0, 0]);
    // Five of 0.2 for three places: the earlier weights' come first.
    assert_eq!(allocate(&spectra, 6), [2, 3, 1, 0]);
    assert_eq!(allocate(&spectra, 100), [3, 3, 3, 0], "what has no variance is never taken");
    let mut rng = Rng::new(3);
    let random: Vec<Vec<f64>> = (0..20)
        .map(|_| {
            let mut shares: Vec<f64> = (0..8).map(|_| rng.uniform_f64()).collect();
            shares.sort_by(|a, b| b.total_cmp(a));
            shares
        })
        .collect();
    let slices: Vec<&[f64]> = random.iter().map(Vec::as_slice).collect();
    let ranks = allocate(&slices, 70);
    assert_eq!(ranks.iter().sum::<usize>(), 70);
    let taken = random.iter().zip(&ranks).flat_map(|(shares, &rank)| &shares[..rank]);
    let left = random.iter().zip(&ranks).flat_map(|(shares, &rank)| &shares[rank..]);
    let least = taken.fold(f64::INFINITY, |least, &share| least.min(share));
    assert!(left.fold(0.0, |most: f64, &share| most.max(share)) <= least);
}

#[test]
fn a_method_without_needs_needs_no_calibration() {
    let quiet = ["lora", "pissa", "full"].map(|name| named(name, "").method().needs().any());
    assert_eq!(quiet, [false; 3]);
    assert!(named("eva", "").method().needs().any());
}
