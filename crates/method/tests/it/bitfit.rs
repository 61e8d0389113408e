//! BitFit: biases as vectors, and how they are written.

use crate::export::read_back;
use crate::laws::choices;
use crate::support::{
    attach_to, dense, disturb_all, fixture_for, linear_modules, modules_for, named, slopes,
};
use rankine_checkpoint::{
    Checkpoint,
    adapter::{Bias, Origin},
};
use rankine_method::{Choice, Error, Site, train_whole};
use rankine_nn::{Kind, models::Llama, weight::counts};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::fixtures;

#[test]
fn a_vector_starts_as_it_was_and_all_of_it_is_trained() {
    let taking: Vec<Choice> =
        choices().into_iter().filter(|choice| choice.method().takes(Kind::Bias)).collect();
    assert!(!taking.is_empty());
    for choice in taking {
        for size in [1, 7, 40] {
            let original = Tensor::new(Rng::new(1).normals(size, 0.3), &[size]).unwrap();
            let weight = &original.clone().into();
            let site = Site { path: "w.bias", kind: Kind::Bias, weight, statistics: None };
            let rank = choice.method().plan(&[site]).unwrap()[0];
            let structure = choice.method().attach(&site, rank, Rng::new(2)).unwrap();
            let trained = counts(structure.as_ref());
            assert_eq!((choice.method().trained(&site, rank).unwrap(), trained), (size, (size, size)));
            let dense = structure.dense().unwrap();
            assert_eq!((dense.shape(), dense.to_vec()), (vec![size], original.to_vec()));
            // Σ b∘c has the slope c.
            let c = Tensor::new(Rng::new(5).normals(size, 1.0), &[size]).unwrap();
            let found = slopes(structure.as_ref(), &dense.mul(&c).unwrap().sum());
            assert_eq!((found.len(), &found[0].2), (1, &c.to_vec()));
        }
    }
}

#[test]
fn a_module_without_a_bias_is_named() {
    let bitfit = named("bitfit", "");
    let mut model = fixture_for(&bitfit);
    let modules = linear_modules(&model);
    let error = attach_to(&mut model, &bitfit, &modules, 0).unwrap_err();
    assert!(matches!(&error, Error::NoBias { place } if place.contains("o_proj")), "{error}");
    assert!(error.hint().unwrap().contains("`lora`"));
}

/// q, k and v of two layers have a bias, the first two of these are trained.
fn trained() -> (Llama, Vec<String>) {
    let bitfit = named("bitfit", "");
    let mut model = fixture_for(&bitfit);
    let biased = modules_for(&model, &bitfit);
    assert_eq!(biased.len(), 6);
    attach_to(&mut model, &bitfit, &biased[..2], 0).unwrap();
    disturb_all(&mut model);
    (model, biased)
}

#[test]
fn biases_are_written_all_of_them_beside_a_lora_of_zeros() {
    let (model, biased) = trained();
    let adapter = read_back(&model);
    let opened = Checkpoint::open(fixtures::path("models/qwen2")).unwrap();
    adapter.check(opened.tensors()).unwrap();
    assert_eq!((adapter.config.bias, adapter.config.targets.saved.len()), (Bias::All, 0));
    assert_eq!(adapter.low_rank.len(), 1);
    let update = &adapter.low_rank[0];
    assert!(update.rank == 1 && update.a.iter().chain(&update.b).all(|x| *x == 0.0));
    assert_eq!(adapter.replaced.len(), biased.len());
    let (before, now) = (dense(&fixture_for(&named("bitfit", ""))), dense(&model));
    for (index, module) in biased.iter().enumerate() {
        let path = format!("{module}.bias");
        let found = &adapter.replaced[&path];
        assert_eq!((&found.values, found.origin), (&now[&path], Origin::Bias), "{path}");
        assert_eq!(found.values != before[&path], index < 2, "{path}");
    }
}

#[test]
fn a_lora_takes_the_place_of_the_zeros_and_a_whole_module_brings_its_own() {
    let (mut model, biased) = trained();
    let up = ["model.layers.1.mlp.up_proj".to_owned()];
    attach_to(&mut model, &named("lora", "rank = 3"), &up, 0).unwrap();
    train_whole(&mut model, &biased[..1]).unwrap();
    let adapter = read_back(&model);
    assert_eq!(adapter.low_rank.keys().collect::<Vec<_>>(), [&up[0]]);
    assert_eq!((adapter.config.bias, &adapter.config.targets.saved[..]), (Bias::All, &biased[..1]));
    let origin = |module: &str, name: &str| adapter.replaced[&format!("{module}.{name}")].origin;
    assert_eq!(origin(&biased[0], "weight"), Origin::Module);
    assert_eq!(origin(&biased[0], "bias"), Origin::Module);
    assert_eq!(origin(&biased[1], "bias"), Origin::Bias);
    assert_eq!(adapter.replaced.len(), 1 + biased.len());
}
