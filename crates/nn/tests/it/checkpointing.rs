use crate::support::{fixture, gradients, next_tokens, train_all, train_branches};
use rankine_nn::{Model, Parameter, Pass, models::Llama, weight::Dense};
use rankine_random::Rng;

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
