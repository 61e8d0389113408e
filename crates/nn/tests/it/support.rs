use rankine_checkpoint::Checkpoint;
use rankine_kernels::cpu;
use rankine_nn::{
    Kind, LanguageModel, Model, Pass, Tokens, for_each_trained,
    models::{Llama, Storage},
    weight::{Dense, LowRank},
};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops};
use std::{collections::BTreeMap, sync::Arc};

pub fn fixture(name: &str) -> Llama {
    fixture_as(name, Storage::File)
}

/// The products of bf16 that newer processors make round activations, which the fixtures' tolerance does not allow for;
/// those products have tests of their own in the kernels.
pub fn fixture_as(name: &str, storage: Storage) -> Llama {
    cpu::limit(cpu::best().min(cpu::Level::Avx512)).unwrap();
    let opened = Checkpoint::open(rankine_testkit::fixtures::path(&format!("models/{name}"))).unwrap();
    Llama::load(opened.config(), opened.tensors(), storage).unwrap()
}

pub fn logits(model: &Llama, tokens: &Tokens) -> Vec<f32> {
    model.logits(&model.hidden(tokens, &mut Pass::quiet()).unwrap()).unwrap().to_vec()
}

/// Every parameter trained as a whole.
pub fn train_all(model: &mut Llama) {
    for parameter in model.parameters_mut() {
        parameter.weight = Box::new(Dense::trained(&parameter.weight.dense().unwrap()));
    }
}

/// A random branch with dropout on every linear map.
pub fn train_branches(model: &mut Llama, rank: usize, dropout: f32) {
    for parameter in model.parameters_mut().into_iter().filter(|parameter| parameter.kind() == Kind::Linear) {
        let weight = parameter.weight.dense().unwrap();
        let [outputs, inputs] = weight.matrix("test").unwrap();
        let mut rng = Rng::new(3).fork(parameter.path());
        let a = Tensor::new(rng.normals(rank * inputs, 0.2), &[rank, inputs]).unwrap();
        let b = Tensor::new(rng.normals(outputs * rank, 0.2), &[outputs, rank]).unwrap();
        parameter.weight = Box::new(LowRank::new(weight, &a, &b, 0.7).with_dropout(dropout));
    }
}

/// Every token predicts the next one of its text.
pub fn next_tokens(texts: &[Vec<u32>]) -> (Tokens, Arc<[u32]>) {
    let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
    let targets = texts.iter().flat_map(|text| text[1..].iter().copied().chain([ops::IGNORED]));
    (Tokens::packed(&texts.concat(), &lengths), targets.collect())
}

/// Mean loss over the scored tokens, and the gradient of every trained leaf by name.
pub fn gradients<'m>(
    model: &'m Llama,
    (tokens, targets): &(Tokens, Arc<[u32]>),
    mut pass: Pass<'m>,
) -> (f32, BTreeMap<String, Vec<f32>>) {
    let hidden = model.hidden(tokens, &mut pass).unwrap();
    let scored = targets.iter().filter(|&&target| target != ops::IGNORED).count();
    let losses = ops::losses(&hidden, &model.head().weight.dense().unwrap(), targets).unwrap();
    let loss = losses.sum().scale((scored as f32).recip());
    let value = loss.item();
    (value, slopes(model, pass, &loss))
}

/// Gradients of a loss that a pass led to, by the places of the leaves.
pub fn slopes(model: &impl Model, pass: Pass<'_>, loss: &Tensor) -> BTreeMap<String, Vec<f32>> {
    let mut sums: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    pass.backward(loss, &mut |part| {
        for_each_trained(model, &mut |place, variable| {
            if let Some(gradient) = part.of(variable) {
                let sum = sums.entry(place.name).or_insert_with(|| vec![0.0; gradient.elements()]);
                sum.iter_mut().zip(gradient.to_vec()).for_each(|(sum, value)| *sum += value);
            }
        });
    })
    .unwrap();
    sums
}
