use rankine_checkpoint::Checkpoint;
use rankine_method::{
    Attached, Calibration, Choice, Method, Result, Site, Statistics, attach, calibration::Collector,
};
use rankine_nn::{
    Kind, LanguageModel, Leaf, Model, Pass, Tokens, Weight,
    models::{Llama, Storage},
};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops};
use std::{collections::BTreeMap, sync::Arc};

pub fn fixture() -> Llama {
    let opened = Checkpoint::open(rankine_testkit::fixtures::path("models/llama_untied")).unwrap();
    Llama::load(opened.config(), opened.tensors(), Storage::File).unwrap()
}

/// A model that has what the method takes over: biases of q, k and v where it is those.
pub fn fixture_for(choice: &Choice) -> Llama {
    if choice.method().takes(Kind::Linear) {
        return fixture();
    }
    let opened = Checkpoint::open(rankine_testkit::fixtures::path("models/qwen2")).unwrap();
    Llama::load(opened.config(), opened.tensors(), Storage::File).unwrap()
}

/// The modules of a linear map that the method takes over, or of whatever else it is for.
pub fn modules_for(model: &Llama, choice: &Choice) -> Vec<String> {
    if choice.method().takes(Kind::Linear) {
        return linear_modules(model);
    }
    let taken = model.parameters().into_iter().filter(|parameter| choice.method().takes(parameter.kind()));
    taken.map(|parameter| parameter.module().to_owned()).collect()
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
    attach_by(model, choice.method(), modules, seed)
}

pub fn attach_by(model: &mut Llama, method: &dyn Method, modules: &[String], seed: u64) -> Result<Attached> {
    let calibration = calibration(model, method);
    attach(model, &calibration.inform(method), modules, &Rng::new(seed), &mut |_, _| ())
}

/// What a method asks of the inputs of a weight: those are ±0.8ʲ along axis j, so that the shares of variance are nearly
/// the same at every weight, whatever its size.
pub fn statistics(method: &dyn Method, inputs: usize) -> Statistics {
    let entry = |at: usize| match (at / inputs, at % inputs) {
        (row, column) if row == 2 * column => 0.8f32.powi(column as i32),
        (row, column) if row == 2 * column + 1 => -(0.8f32.powi(column as i32)),
        _ => 0.0,
    };
    let mut collector = Collector::new(&method.needs(), inputs, Rng::new(9));
    collector.see(&(0..2 * inputs * inputs).map(entry).collect::<Vec<_>>()).unwrap();
    collector.statistics()
}

/// The same for every matrix of a model.
fn calibration(model: &Llama, method: &dyn Method) -> Calibration {
    let (mut calibration, mut known) = (Calibration::default(), BTreeMap::new());
    for parameter in model.parameters().into_iter().filter(|_| method.needs().any()) {
        if let &[_, inputs] = parameter.weight.constant().unwrap().shape().as_slice() {
            let statistics = known.entry(inputs).or_insert_with(|| Arc::new(statistics(method, inputs)));
            calibration.sites.insert(parameter.path().to_owned(), statistics.clone());
        }
    }
    calibration
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

/// The structure that a method puts in the place of a weight of its own.
pub fn structure(choice: &Choice, weight: &Tensor) -> Box<dyn Weight> {
    let (weight, statistics) = (&weight.clone().into(), statistics(choice.method(), weight.shape()[1]));
    let site = Site { path: "w.weight", kind: Kind::Linear, weight, statistics: Some(&statistics) };
    let rank = choice.method().plan(&[site]).unwrap()[0];
    choice.method().attach(&site, rank, Rng::new(2)).unwrap()
}

/// A leaf by its name.
pub fn leaf(weight: &dyn Weight, wanted: &str) -> Tensor {
    let mut found = None;
    weight.leaves(&mut |name, leaf| {
        if name == wanted {
            found = Some(leaf.tensor().detach());
        }
    });
    found.unwrap_or_else(|| panic!("no leaf `{wanted}`"))
}

/// Gives a trained leaf other numbers.
pub fn set(weight: &mut dyn Weight, wanted: &str, values: &[f32]) {
    let mut found = false;
    weight.leaves_mut(&mut |name, leaf| {
        if let Leaf::Trained(variable) = leaf
            && name == wanted
        {
            variable.update(|numbers| numbers.copy_from_slice(values));
            found = true;
        }
    });
    assert!(found, "no trained leaf `{wanted}`");
}

/// Values and gradients of the trained leaves, by name.
pub fn slopes(weight: &dyn Weight, of: &Tensor) -> Vec<(String, Vec<f32>, Vec<f32>)> {
    let gradients = of.backward().unwrap();
    let mut found = Vec::new();
    weight.leaves(&mut |name, leaf| {
        if let Some(variable) = leaf.trained() {
            let slope = gradients.of(variable).unwrap_or_else(|| panic!("`{name}` has no gradient"));
            found.push((name.to_owned(), variable.tensor().to_vec(), slope.to_vec()));
        }
    });
    found
}
