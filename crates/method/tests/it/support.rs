use rankine_checkpoint::Checkpoint;
use rankine_method::{Attached, Choice, Result, attach};
use rankine_nn::{
    Kind, LanguageModel, Leaf, Model, Pass, Tokens, Weight,
    models::{Llama, Storage},
};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops};
use std::collections::BTreeMap;

pub fn fixture() -> Llama {
    let opened = Checkpoint::open(rankine_testkit::fixtures::path("models/llama_untied")).unwrap();
    Llama::load(opened.config(), opened.tensors(), Storage::File).unwrap()
}

pub fn linear_modules(model: &Llama) -> Vec<String> {
    let linear = model.parameters().into_iter().filter(|parameter| parameter.kind() == Kind::Linear);
    linear.map(|parameter| parameter.module().to_owned()).collect()
}

/// A method with some of its fields given as TOML.
pub fn named(name: &str, settings: &str) -> Choice {
    Choice::named(name).unwrap().with(&settings.parse().unwrap()).unwrap()
}

pub fn attach_to(model: &mut Llama, choice: &Choice, modules: &[String], seed: u64) -> Result<Attached> {
    attach(model, choice.method(), modules, &Rng::new(seed), &mut |_, _| ())
}

/// Dense weights by path.
pub fn dense(model: &Llama) -> BTreeMap<String, Vec<f32>> {
    let entry = |parameter: &rankine_nn::Parameter| {
        (parameter.path().to_owned(), parameter.weight.dense().unwrap().to_vec())
    };
    model.parameters().into_iter().map(entry).collect()
}

/// Moves every trained number a little.
pub fn disturb(weight: &mut dyn Weight, rng: &Rng) {
    weight.leaves_mut(&mut |name, leaf| {
        if let Leaf::Trained(variable) = leaf {
            let moves = rng.fork(name).normals(variable.tensor().elements(), 0.05);
            variable.update(|values| values.iter_mut().zip(moves).for_each(|(value, by)| *value += by));
        }
    });
}

pub fn disturb_all(model: &mut Llama) {
    for parameter in model.parameters_mut() {
        let rng = Rng::new(8).fork(parameter.path());
        disturb(parameter.weight.as_mut(), &rng);
    }
}

/// Loss of a small text, to differentiate.
pub fn loss(model: &Llama) -> Tensor {
    let text = [5, 17, 80, 3, 3, 41, 95];
    let hidden = model.hidden(&Tokens::single(&text), &mut Pass::quiet()).unwrap();
    let targets = text[1..].iter().copied().chain([ops::IGNORED]).collect();
    ops::losses(&hidden, &model.head().weight.dense().unwrap(), &targets).unwrap().sum()
}

/// ‖a − b‖/‖b‖.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(x, y)| f64::from(*x) - f64::from(*y)));
    difference / norm(&mut b.iter().map(|&y| f64::from(y))).max(f64::MIN_POSITIVE)
}
