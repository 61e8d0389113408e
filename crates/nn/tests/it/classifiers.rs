//! Language models that tell texts apart, against transformers: `classifiers/` among testkit's fixtures.

use crate::support::slopes;
use rankine_checkpoint::{Checkpoint, Config};
use rankine_nn::{
    Classifier, Error, Kind, Model, Parameter, Pass, Tokens,
    models::{self, SequenceClassifier, Storage, missing_head},
    weight::Dense,
};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops};
use rankine_testkit::{assert_close, fixtures};
use std::{collections::BTreeMap, sync::Arc};

const MODELS: [&str; 4] = ["llama", "qwen2", "gpt2", "opt"];

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(fixtures::path(name)).unwrap()
}

fn load(opened: &Checkpoint) -> SequenceClassifier {
    SequenceClassifier::load(opened.config(), opened.tensors(), Storage::File).unwrap()
}

fn packed(texts: &[Vec<u32>]) -> Tokens {
    let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
    Tokens::packed(&texts.concat(), &lengths)
}

fn logits(model: &dyn Classifier, texts: &[Vec<u32>]) -> Vec<f32> {
    model.logits(&packed(texts), &mut Pass::quiet()).unwrap().to_vec()
}

/// The texts of a fixture, and the logits of each.
fn expected(name: &str) -> (Vec<Vec<u32>>, Vec<f32>) {
    let json = fixtures::json(&format!("classifiers/{name}/expected.json"));
    let texts = fixtures::items(&json["input_ids"]).iter().map(fixtures::tokens).collect();
    (texts, fixtures::floats(&json["logits"]))
}

#[test]
fn logits_are_those_of_transformers_packed_and_alone() {
    for name in MODELS {
        let (model, (texts, expected)) = (load(&open(&format!("classifiers/{name}"))), expected(name));
        assert_close!(logits(&model, &texts), expected, absolute = 1e-4, "{name}, packed");
        let alone: Vec<f32> = texts.chunks(1).flat_map(|text| logits(&model, text)).collect();
        assert_close!(alone, expected, absolute = 1e-4, "{name}, alone");
        assert_eq!(model.classes(), expected.len() / texts.len(), "{name}");
        assert_eq!(model.context(), 24, "{name}");
    }
}

#[test]
fn a_text_is_read_at_its_last_token_that_is_no_padding() {
    let opened = open("classifiers/llama");
    let model = load(&opened);
    for (padded, bare) in [(vec![7, 30, 3, 14, 3, 3], vec![7, 30, 3, 14]), (vec![3, 3], vec![3])] {
        assert_close!(logits(&model, &[padded]), logits(&model, &[bare]), absolute = 1e-6);
    }
    let config = Config { padding: None, ..opened.config().clone() };
    let other = SequenceClassifier::load(&config, opened.tensors(), Storage::File).unwrap();
    let text = vec![vec![7, 30, 3, 14, 3, 3]];
    let (found, before) = (logits(&other, &text), logits(&model, &text));
    assert!(found.iter().zip(before).any(|(x, y)| (x - y).abs() > 0.1), "{found:?}");
}

#[test]
fn every_tensor_of_the_file_is_a_parameter_and_only_one_a_head() {
    for name in MODELS {
        let opened = open(&format!("classifiers/{name}"));
        let (model, infos) = (load(&opened), opened.tensors().infos());
        for (tensor, shape) in opened.config().tensors() {
            assert_eq!(infos[&tensor].shape, shape, "{name}: {tensor}");
        }
        let mut paths: Vec<&str> = model.parameters().into_iter().map(Parameter::path).collect();
        let mut tensors: Vec<&str> = infos.keys().map(String::as_str).collect();
        paths.sort_unstable();
        tensors.sort_unstable();
        assert_eq!(paths, tensors, "{name}");
        let heads = model.parameters().into_iter().filter(|parameter| parameter.kind() == Kind::Head);
        assert_eq!(heads.map(Parameter::path).collect::<Vec<_>>(), ["score.weight"], "{name}");
        let language = models::load(opened.config(), opened.tensors(), Storage::File).err().unwrap();
        assert!(matches!(language, Error::NoLanguageHead { .. }) && language.hint().is_some(), "{language}");
    }
}

/// Gradients of the mean loss of the texts, whose labels are 0, 1, 2 and 0.
fn gradients<'m>(
    model: &'m SequenceClassifier,
    texts: &[Vec<u32>],
    mut pass: Pass<'m>,
) -> BTreeMap<String, Vec<f32>> {
    let logits = model.logits(&packed(texts), &mut pass).unwrap();
    let one = Tensor::new(vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], &[3, 3]).unwrap();
    let labels: Arc<[u32]> = Arc::from([0, 1, 2, 0]);
    let loss = ops::losses(&logits, &one, &labels).unwrap().mean();
    slopes(model, pass, &loss)
}

#[test]
fn gradients_are_those_of_torch_and_reach_every_parameter() {
    let (mut model, (texts, _)) = (load(&open("classifiers/llama")), expected("llama"));
    for parameter in model.parameters_mut() {
        parameter.weight = Box::new(Dense::trained(&parameter.weight.dense().unwrap()));
    }
    let found = gradients(&model, &texts, Pass::quiet());
    assert_eq!(found.len(), model.parameters().len());
    let json = fixtures::json("classifiers/llama/expected.json");
    let expected = json["gradients"].as_object().unwrap();
    assert_eq!(expected.len(), 3);
    for (path, gradient) in expected {
        let gradient = fixtures::floats(gradient);
        let largest = gradient.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let tolerance = 1e-4 * f64::from(largest);
        assert_close!(found[&format!("{path}/value")], gradient, absolute = tolerance, "{path}");
    }
    let again = gradients(&model, &texts, Pass::training(Rng::new(0), true));
    assert_eq!(found, again, "computing blocks again changes no bit");
}

#[test]
fn a_language_model_gets_a_new_head_in_the_place_of_its_own() {
    let models = [("models/llama_tied", 32), ("models/llama_untied", 32), ("decoders/gpt2", 12)];
    for (name, width) in models.into_iter().chain([("decoders/opt_350m", 8)]) {
        let mut opened = open(name);
        let missing =
            models::load_classifier(opened.config(), opened.tensors(), Storage::File).err().unwrap();
        assert!(missing.to_string().contains("`score.weight`"), "{name}: {missing}");
        let names = ["a", "b", "c"].map(str::to_owned);
        let head = missing_head(opened.config(), opened.tensors(), names.len(), &Rng::new(1));
        let shapes: Vec<_> = head.iter().map(|(name, shape, _)| (name.as_str(), shape.clone())).collect();
        assert_eq!(shapes, [("score.weight", vec![3, width])], "{name}");
        opened.make_classifier(&names, head);
        assert_eq!(opened.classes().unwrap().unwrap(), names, "{name}");
        assert!(missing_head(opened.config(), opened.tensors(), names.len(), &Rng::new(1)).is_empty());
        let model = models::load_classifier(opened.config(), opened.tensors(), Storage::File).unwrap();
        assert_eq!(model.parameters().len(), opened.tensors().infos().len(), "{name}: no head for tokens");
        assert_eq!(logits(model.as_ref(), &[vec![5, 17], vec![3]]).len(), 6, "{name}");
    }
}

#[test]
fn a_head_of_another_width_and_a_text_of_nothing_are_refused() {
    let mut opened = open("models/llama_tied");
    let names = ["a", "b", "c"].map(str::to_owned);
    opened.make_classifier(&names, vec![("score.weight".to_owned(), vec![3, 31], vec![0.0; 93])]);
    let error = models::load_classifier(opened.config(), opened.tensors(), Storage::File).err().unwrap();
    let text = error.to_string();
    assert!(
        text.contains("`score.weight`") && text.contains("[3, 32]") && text.contains("[3, 31]"),
        "{text}"
    );
    let model = load(&open("classifiers/gpt2"));
    let fails = |tokens: Tokens| model.logits(&tokens, &mut Pass::quiet()).unwrap_err();
    assert!(matches!(fails(Tokens::packed(&[5], &[1, 0])), Error::Setting { name: "lengths", .. }));
    assert!(matches!(fails(Tokens::single(&[40])), Error::Token { token: 40, .. }));
    assert!(matches!(fails(Tokens::single(&[1; 25])), Error::Context { tokens: 25, context: 24 }));
}
