use crate::support::slopes;
use rankine_checkpoint::Checkpoint;
use rankine_nn::{
    Classifier, Error, Model, Parameter, Pass, Tokens,
    models::{self, Encoder, Storage, missing_head},
    weight::Dense,
};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops};
use rankine_testkit::{assert_close, fixtures};
use std::{collections::BTreeMap, sync::Arc};

const MODELS: [&str; 3] = ["bert", "roberta", "distilbert"];

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(fixtures::path(&format!("classifiers/{name}"))).unwrap()
}

struct Expected {
    /// Each sequence by itself.
    alone: Vec<Tokens>,
    packed: Tokens,
    logits: Vec<f32>,
    /// States of each sequence, of a bare encoder.
    hidden: Vec<Vec<f32>>,
    gradients: BTreeMap<String, Vec<f32>>,
}

fn expected(name: &str) -> Expected {
    let json = fixtures::json(&format!("classifiers/{name}/expected.json"));
    let rows =
        |key: &str| -> Vec<Vec<u32>> { fixtures::items(&json[key]).iter().map(fixtures::tokens).collect() };
    let (ids, types) = (rows("input_ids"), rows("token_types"));
    let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
    let gradients = json["gradients"].as_object().into_iter().flatten();
    Expected {
        alone: ids.iter().zip(&types).map(|(ids, types)| Tokens::single(ids).with_types(types)).collect(),
        packed: Tokens::packed(&ids.concat(), &lengths).with_types(&types.concat()),
        logits: json.get("logits").map(fixtures::floats).unwrap_or_default(),
        hidden: json["hidden"].as_array().into_iter().flatten().map(fixtures::floats).collect(),
        gradients: gradients.map(|(path, values)| (path.clone(), fixtures::floats(values))).collect(),
    }
}

fn load(opened: &Checkpoint) -> Encoder {
    Encoder::load(opened.config(), opened.tensors(), Storage::File).unwrap()
}

fn logits(model: &Encoder, tokens: &Tokens) -> Vec<f32> {
    model.logits(tokens, &mut Pass::quiet()).unwrap().to_vec()
}

#[test]
fn logits_are_those_of_transformers_packed_and_alone() {
    for name in MODELS {
        let (model, expected) = (load(&open(name)), expected(name));
        let found: Vec<f32> = expected.alone.iter().flat_map(|tokens| logits(&model, tokens)).collect();
        assert_close!(found, expected.logits, absolute = 1e-4, "{name}, alone");
        assert_close!(logits(&model, &expected.packed), found, absolute = 1e-5, "{name}, packed");
        assert_eq!(model.classes(), found.len() / expected.alone.len());
    }
}

#[test]
fn classes_have_the_names_of_the_file() {
    assert_eq!(open("bert").classes().unwrap().unwrap(), ["ham", "spam", "other"]);
    assert_eq!(open("roberta").classes().unwrap().unwrap(), ["LABEL_0", "LABEL_1"]);
    assert_eq!(open("bert_bare").classes().unwrap(), None);
}

#[test]
fn a_bare_encoder_gets_a_new_head_for_its_classes() {
    let mut opened = open("bert_bare");
    assert!(Encoder::load(opened.config(), opened.tensors(), Storage::File).is_err());
    let names = ["a", "b", "c", "d"].map(str::to_owned);
    let head = missing_head(opened.config(), opened.tensors(), names.len(), &Rng::new(1));
    let shapes: Vec<_> = head.iter().map(|(name, shape, _)| (name.as_str(), shape.clone())).collect();
    assert_eq!(shapes, [("classifier.weight", vec![4, 32]), ("classifier.bias", vec![4])]);
    opened.make_classifier(&names, head);
    assert_eq!(opened.classes().unwrap().unwrap(), names);
    let (model, expected) = (load(&opened), expected("bert_bare"));
    assert_eq!(expected.hidden.len(), 2);
    for (tokens, state) in expected.alone.iter().zip(&expected.hidden) {
        let hidden = model.hidden(tokens, &mut Pass::quiet()).unwrap();
        assert_close!(hidden.to_vec(), state, absolute = 1e-4);
        assert_eq!(logits(&model, tokens).len(), 4);
    }
    let deviation = model.parameters()[model.parameters().len() - 2].weight.dense().unwrap().to_vec();
    let square = deviation.iter().map(|x| x * x).sum::<f32>() / deviation.len() as f32;
    assert!((square.sqrt() - 0.02).abs() < 0.004, "{square}");
}

fn train_all(model: &mut Encoder) {
    for parameter in model.parameters_mut() {
        parameter.weight = Box::new(Dense::trained(&parameter.weight.dense().unwrap()));
    }
}

/// Gradients of the mean loss of the packed sequences.
fn gradients<'m>(model: &'m Encoder, tokens: &Tokens, mut pass: Pass<'m>) -> BTreeMap<String, Vec<f32>> {
    let logits = model.logits(tokens, &mut pass).unwrap();
    let one = Tensor::new(vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], &[3, 3]).unwrap();
    let labels: Arc<[u32]> = Arc::from([2, 0]);
    let loss = ops::losses(&logits, &one, &labels).unwrap().mean();
    slopes(model, pass, &loss)
}

#[test]
fn gradients_are_those_of_torch_and_reach_every_parameter() {
    let (mut model, expected) = (load(&open("bert")), expected("bert"));
    train_all(&mut model);
    let found = gradients(&model, &expected.packed, Pass::quiet());
    assert_eq!(expected.gradients.len(), 6);
    for (path, gradient) in &expected.gradients {
        let largest = gradient.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let tolerance = 1e-4 * f64::from(largest);
        assert_close!(found[&format!("{path}/value")], gradient, absolute = tolerance, "{path}");
    }
    let paths: Vec<String> = model.parameters().into_iter().map(Parameter::path).map(str::to_owned).collect();
    for path in &paths {
        // A key's bias moves all scores of a query alike.
        let silent = path.ends_with("attention.self.key.bias");
        let gradient = found.get(&format!("{path}/value"));
        let moved = gradient.is_some_and(|gradient| gradient.iter().any(|g| g.abs() > 1e-5));
        assert!(moved != silent, "{path}");
    }
    let again = gradients(&model, &expected.packed, Pass::training(Rng::new(0), true));
    assert_eq!(found, again, "computing blocks again changes no bit");
}

#[test]
fn what_an_encoder_cannot_read_is_refused() {
    let opened = open("bert");
    let model = load(&opened);
    let fails = |tokens: Tokens| model.logits(&tokens, &mut Pass::quiet()).unwrap_err();
    assert!(matches!(fails(Tokens::single(&[96])), Error::Token { token: 96, .. }));
    assert!(matches!(fails(Tokens::single(&[1; 41])), Error::Context { tokens: 41, context: 40 }));
    assert!(matches!(fails(Tokens::single(&[1]).with_types(&[2])), Error::Token { token: 2, vocabulary: 2 }));
    assert_eq!(Classifier::context(&load(&open("roberta"))), 38, "two rows before the first position");
    let language = models::load(opened.config(), opened.tensors(), Storage::File).err().unwrap();
    assert!(matches!(language, Error::NotLanguage { found: "bert" }) && language.hint().is_some());
    let llama = Checkpoint::open(fixtures::path("models/llama_tied")).unwrap();
    let encoder = Encoder::load(llama.config(), llama.tensors(), Storage::File).err().unwrap();
    assert!(matches!(encoder, Error::Family { found: "llama" }));
}
