use crate::support::{fixture, gradients, next_tokens, slopes, train_all, train_branches};
use rankine_nn::{
    ImageClassifier as _, LanguageModel as _, Model, Parameter, Pass, Tokens,
    models::{Llama, Mlp},
    weight::Dense,
};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::assert_close;
use std::collections::BTreeMap;

/// Gradients of a step with and without computing blocks again.
fn same_bits(model: &Llama) {
    let batch = next_tokens(&[vec![5, 17, 80, 3, 3, 41, 95], vec![5, 17, 33, 70, 2]]);
    let rng = Rng::new(11).fork("step");
    let (loss, kept) = gradients(model, &batch, Pass::training(rng.clone(), false));
    let (loss_again, again) = gradients(model, &batch, Pass::training(rng.clone(), true));
    assert_eq!(loss.to_bits(), loss_again.to_bits());
    assert!(!kept.is_empty());
    assert_eq!(kept.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
    for (name, gradient) in &kept {
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert!(gradient.iter().any(|&value| value != 0.0), "{name}");
        assert!(bits(gradient) == bits(&again[name]), "{name}: bits differ");
    }
}

fn train_only(model: &mut Llama, wanted: impl Fn(&Parameter) -> bool) {
    for parameter in model.parameters_mut().into_iter().filter(|parameter| wanted(parameter)) {
        parameter.weight = Box::new(Dense::trained(&parameter.weight.dense().unwrap()));
    }
}

#[test]
fn branches_with_and_without_dropout() {
    for dropout in [0.0, 0.3] {
        let mut model = fixture("llama_untied");
        train_branches(&mut model, 3, dropout);
        same_bits(&model);
    }
}

#[test]
fn every_parameter_whole() {
    for name in ["llama_untied", "llama_tied", "qwen3"] {
        let mut model = fixture(name);
        train_all(&mut model);
        same_bits(&model);
    }
}

#[test]
fn only_some_parts() {
    for wanted in
        ["embed_tokens", "lm_head", "layers.0.mlp.up_proj.weight", "layers.1.self_attn.q_proj", "model.norm"]
    {
        let mut model = fixture("llama_untied");
        train_only(&mut model, |parameter| parameter.path().contains(wanted));
        same_bits(&model);
    }
}

#[test]
fn dropout_follows_the_stream_of_the_step() {
    let mut model = fixture("llama_untied");
    train_branches(&mut model, 3, 0.3);
    let batch = next_tokens(&[vec![5, 17, 80, 3, 3, 41, 95]]);
    let loss = |seed| gradients(&model, &batch, Pass::training(Rng::new(seed), false)).0;
    assert_eq!(loss(1), loss(1));
    assert_ne!(loss(1), loss(2));
    let quiet = || gradients(&model, &batch, Pass::quiet()).0;
    assert_eq!(quiet(), quiet());
    assert_ne!(quiet(), loss(1));
}

/// Gradients of a loss of the features of every block, and of the end.
fn of_features(model: &Llama, recompute: bool) -> BTreeMap<String, Vec<f32>> {
    let mut pass = Pass::training(Rng::new(3), recompute);
    pass.keep_features();
    let end = model.hidden(&Tokens::single(&[5, 17, 80, 3, 3]), &mut pass).unwrap();
    let features = pass.take_features();
    assert_eq!(features.iter().map(Tensor::shape).collect::<Vec<_>>(), [[5, 32], [5, 32]]);
    assert!(pass.take_features().is_empty());
    let squares = features.iter().map(|block| block.mul(block).unwrap().mean());
    let loss = squares.fold(end.exp().mean(), |sum, square| sum.add(&square).unwrap());
    slopes(model, pass, &loss)
}

#[test]
fn features_have_a_slope_of_their_own() {
    let mut model = fixture("llama_untied");
    train_all(&mut model);
    let (kept, again) = (of_features(&model, false), of_features(&model, true));
    assert_eq!(kept.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
    for (name, gradient) in &kept {
        let largest = gradient.iter().fold(0.0f32, |largest, slope| largest.max(slope.abs()));
        assert_close!(again[name], gradient, absolute = f64::from(2e-5 * largest), "{name}");
    }
}

#[test]
fn hidden_layers_of_a_perceptron_are_its_blocks() {
    let model = Mlp::new(&[4, 6, 5, 3], &Rng::new(1)).unwrap();
    let x = Tensor::new(Rng::new(2).normals(8, 1.0), &[2, 4]).unwrap();
    let mut pass = Pass::quiet();
    pass.keep_features();
    let logits = model.logits(&x, &mut pass).unwrap();
    let features = pass.take_features();
    assert_eq!(features.iter().map(Tensor::shape).collect::<Vec<_>>(), [[2, 6], [2, 5]]);
    assert_eq!(features[1].to_vec(), model.hidden(&x, &Pass::quiet()).unwrap().to_vec());
    assert_eq!(logits.to_vec(), model.forward(&x, &Pass::quiet()).unwrap().to_vec());
}
