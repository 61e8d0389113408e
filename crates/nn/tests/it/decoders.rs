//! GPT-2 and OPT against transformers: `decoders/` among testkit's fixtures.

use rankine_checkpoint::Checkpoint;
use rankine_kernels::cpu;
use rankine_nn::{
    Error, Kind, LanguageModel, Pass, Tokens, for_each_trained,
    generate::{Ending, Request, Sampling, generate},
    models::{self, Decoder, Llama, Storage},
    weight::Dense,
};
use rankine_tensor::ops;
use rankine_testkit::{assert_close, fixtures};
use std::{collections::BTreeMap, sync::Arc};

const MODELS: [&str; 4] = ["gpt2", "gpt2_old", "opt", "opt_350m"];

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(fixtures::path(&format!("decoders/{name}"))).unwrap()
}

fn model(name: &str, storage: Storage) -> Box<dyn LanguageModel> {
    // As in `support`: products of bf16 round activations.
    cpu::limit(cpu::best().min(cpu::Level::Avx512)).unwrap();
    let opened = open(name);
    models::load(opened.config(), opened.tensors(), storage).unwrap()
}

struct Expected {
    texts: Vec<Vec<u32>>,
    logits: Vec<Vec<f32>>,
    greedy: Vec<u32>,
}

fn expected(name: &str) -> Expected {
    let json = fixtures::json(&format!("decoders/{name}/expected.json"));
    Expected {
        texts: fixtures::items(&json["input_ids"]).iter().map(fixtures::tokens).collect(),
        logits: fixtures::items(&json["logits"]).iter().map(fixtures::floats).collect(),
        greedy: fixtures::tokens(&json["greedy"]),
    }
}

fn logits(model: &dyn LanguageModel, tokens: &Tokens) -> Vec<f32> {
    model.logits(&model.hidden(tokens, &mut Pass::quiet()).unwrap()).unwrap().to_vec()
}

#[test]
fn logits_are_those_of_transformers_packed_and_alone() {
    for name in MODELS {
        let (model, expected) = (model(name, Storage::File), expected(name));
        let lengths: Vec<usize> = expected.texts.iter().map(Vec::len).collect();
        let packed = logits(model.as_ref(), &Tokens::packed(&expected.texts.concat(), &lengths));
        assert_close!(packed, expected.logits.concat(), absolute = 1e-4, "{name}, packed");
        for (text, alone) in expected.texts.iter().zip(&expected.logits) {
            let found = logits(model.as_ref(), &Tokens::single(text));
            assert_close!(found, alone, absolute = 1e-4, "{name}, alone");
        }
    }
}

#[test]
fn a_text_is_continued_from_the_cache_as_from_scratch() {
    for name in MODELS {
        let (model, expected) = (model(name, Storage::File), expected(name));
        let prompt = &expected.texts[0];
        let sampling = Sampling::default();
        let mut said = Vec::new();
        let request = Request { prompt, limit: 8, stops: &[], sampling: &sampling };
        let ending = generate(model.as_ref(), &request, &mut |token| {
            said.push(token);
            true
        });
        assert_eq!(ending.unwrap(), Ending::Length, "{name}");
        assert_eq!(said, expected.greedy, "{name}");
        let mut cache = model.cache();
        model.extend(&prompt[..4], &mut cache).unwrap();
        let state = model.extend(&prompt[4..], &mut cache).unwrap();
        let whole = model.hidden(&Tokens::single(prompt), &mut Pass::quiet()).unwrap();
        let last = whole.narrow(0, prompt.len() - 1, 1).unwrap();
        assert_close!(state.to_vec(), last.to_vec(), absolute = 1e-5, "{name}");
    }
}

#[test]
fn every_tensor_of_the_file_is_a_parameter_of_its_shape() {
    for name in MODELS {
        let (opened, model) = (open(name), model(name, Storage::File));
        let parameters = model.parameters();
        for parameter in &parameters {
            let mut shape = parameter.weight.dense().unwrap().shape();
            if parameter.is_transposed() {
                shape.reverse();
            }
            assert_eq!(opened.tensors().infos()[parameter.path()].shape, shape, "{}", parameter.path());
        }
        assert_eq!(parameters.len(), opened.tensors().infos().len(), "{name}");
        let transposed = parameters.iter().filter(|parameter| parameter.is_transposed()).count();
        let linear = parameters.iter().filter(|parameter| parameter.kind() == Kind::Linear).count();
        assert_eq!(transposed, if name.starts_with("gpt2") { linear } else { 0 }, "{name}");
    }
}

#[test]
fn a_matrix_of_two_bytes_is_turned_as_it_is() {
    let tokens = Tokens::single(&[5, 17, 39, 3]);
    let [stored, wide] = [Storage::File, Storage::F32].map(|storage| model("gpt2_old", storage));
    assert_close!(logits(stored.as_ref(), &tokens), logits(wide.as_ref(), &tokens), absolute = 1e-5);
    let bytes = |model: &dyn LanguageModel| -> usize {
        let linear = model.parameters().into_iter().filter(|parameter| parameter.kind() == Kind::Linear);
        linear.map(|parameter| parameter.weight.constant().unwrap().bytes()).sum()
    };
    assert_eq!(2 * bytes(stored.as_ref()), bytes(wide.as_ref()));
}

#[test]
fn every_parameter_gets_a_gradient_with_and_without_recomputation() {
    for name in MODELS {
        let mut model = model(name, Storage::F32);
        for parameter in model.parameters_mut() {
            parameter.weight = Box::new(Dense::trained(&parameter.weight.dense().unwrap()));
        }
        let gradients = |recompute: bool| {
            let mut pass = Pass::training(rankine_random::Rng::new(1), recompute);
            let hidden = model.hidden(&Tokens::single(&[5, 17, 39, 3]), &mut pass).unwrap();
            let targets: Arc<[u32]> = Arc::from([17, 39, 3, ops::IGNORED]);
            let loss = model.head().weight.losses(&hidden, &targets).unwrap().sum();
            let mut sums: BTreeMap<String, Vec<f32>> = BTreeMap::new();
            pass.backward(&loss, &mut |part| {
                for_each_trained(&*model, &mut |place, variable| {
                    if let Some(gradient) = part.of(variable) {
                        let sum = sums.entry(place.name).or_insert_with(|| vec![0.0; gradient.elements()]);
                        sum.iter_mut().zip(gradient.to_vec()).for_each(|(sum, value)| *sum += value);
                    }
                });
            })
            .unwrap();
            assert_eq!(sums.len(), model.parameters().len(), "{name}");
            sums.into_values().flatten().collect::<Vec<f32>>()
        };
        assert_close!(gradients(true), gradients(false), absolute = 1e-5, "{name}");
    }
}

#[test]
fn what_a_model_cannot_do_is_an_error() {
    let opened = open("gpt2");
    let llama = Llama::load(opened.config(), opened.tensors(), Storage::File).err().unwrap();
    assert!(matches!(llama, Error::Family { found: "gpt2" }) && llama.hint().is_some(), "{llama}");
    let opt = Decoder::opt(opened.config(), opened.tensors(), Storage::File).err().unwrap();
    assert!(matches!(opt, Error::Checkpoint(_)), "{opt}");
    for name in MODELS {
        let model = model(name, Storage::File);
        let long = vec![1; model.context() + 1];
        let hidden = model.hidden(&Tokens::single(&long), &mut Pass::quiet());
        assert!(matches!(hidden, Err(Error::Context { .. })), "{name}");
        assert!(model.hidden(&Tokens::single(&long[1..]), &mut Pass::quiet()).is_ok(), "{name}");
        let mut cache = model.cache();
        assert!(matches!(model.extend(&[40], &mut cache), Err(Error::Token { .. })), "{name}");
        assert!(model.extend(&[], &mut cache).is_err(), "{name}");
        let short = model.hidden(&Tokens::packed(&[1, 2, 3], &[1]), &mut Pass::quiet());
        assert!(matches!(short, Err(Error::Setting { .. })), "{name}");
    }
}
