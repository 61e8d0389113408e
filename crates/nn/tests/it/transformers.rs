use crate::support::{fixture, fixture_as, gradients, logits, next_tokens, train_all};
use rankine_nn::models::{Llama, Storage};
use rankine_nn::{
    LanguageModel, Model as _, Pass, Tokens,
    generate::{Ending, Reading, Request, Sampling, generate},
};
use rankine_tensor::ops;
use rankine_testkit::{assert_close, fixtures};

const MODELS: [&str; 11] = [
    "llama3_rope",
    "llama_bf16",
    "llama_linear_rope",
    "llama_old_config",
    "llama_sharded",
    "llama_tied",
    "llama_untied",
    "mistral",
    "qwen2",
    "qwen2_window",
    "qwen3",
];

struct Expected {
    texts: Vec<Vec<u32>>,
    logits: Vec<Vec<f32>>,
    nll: Vec<f32>,
    nll_of_all: f32,
    greedy: Vec<u32>,
}

fn expected(name: &str) -> Expected {
    let json = fixtures::json(&format!("models/{name}/expected.json"));
    Expected {
        texts: fixtures::items(&json["input_ids"]).iter().map(fixtures::tokens).collect(),
        logits: fixtures::items(&json["logits"]).iter().map(fixtures::floats).collect(),
        nll: fixtures::floats(&json["mean_nll"]),
        nll_of_all: fixtures::floats(&json["mean_nll_of_all_tokens"])[0],
        greedy: fixtures::tokens(&json["greedy"]),
    }
}

#[test]
fn every_fixture_is_in_the_list() {
    let folders = std::fs::read_dir(fixtures::path("models")).unwrap();
    let mut names: Vec<String> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, MODELS);
}

#[test]
fn logits_are_those_of_transformers_packed_and_alone() {
    for name in MODELS {
        let (model, expected) = (fixture(name), expected(name));
        let lengths: Vec<usize> = expected.texts.iter().map(Vec::len).collect();
        let packed = logits(&model, &Tokens::packed(&expected.texts.concat(), &lengths));
        assert_close!(packed, expected.logits.concat(), absolute = 1e-4, "{name}, packed");
        for (text, logits_of_text) in expected.texts.iter().zip(&expected.logits) {
            assert_close!(
                logits(&model, &Tokens::single(text)),
                logits_of_text,
                absolute = 1e-4,
                "{name}, alone"
            );
        }
    }
}

#[test]
fn losses_are_those_of_transformers() {
    for name in MODELS {
        let (model, expected) = (fixture(name), expected(name));
        let (tokens, targets) = next_tokens(&expected.texts);
        let hidden = model.hidden(&tokens, &mut Pass::quiet()).unwrap();
        let scored = ops::score(&hidden, &model.head().weight.dense().unwrap(), &targets).unwrap();
        let mut start = 0;
        for (text, &nll) in expected.texts.iter().zip(&expected.nll) {
            let mean = scored.losses[start..start + text.len()].iter().sum::<f32>() / (text.len() - 1) as f32;
            assert_close!([mean], [nll], absolute = 1e-5, "{name}");
            start += text.len();
        }
        let live = targets.iter().filter(|&&target| target != ops::IGNORED).count();
        assert_close!(
            [scored.losses.iter().sum::<f32>() / live as f32],
            [expected.nll_of_all],
            absolute = 1e-5,
            "{name}"
        );
    }
}

#[test]
fn greedy_continuations_are_those_of_transformers() {
    for name in MODELS {
        let (model, expected) = (fixture(name), expected(name));
        let sampling = Sampling::default();
        let limit = expected.greedy.len();
        let request = Request { prompt: &expected.texts[0], limit, stops: &[], sampling: &sampling };
        let mut said = Vec::new();
        let ending = generate(&model, &request, &mut |token| {
            said.push(token);
            true
        });
        assert_eq!((ending.unwrap(), said), (Ending::Length, expected.greedy), "{name}");
    }
}

#[test]
fn token_by_token_is_the_packed_forward() {
    for name in MODELS {
        let (model, expected) = (fixture(name), expected(name));
        for text in &expected.texts {
            let whole = model.hidden(&Tokens::single(text), &mut Pass::quiet()).unwrap();
            // One token at a time, and a first piece of several.
            for first in [1, 4] {
                let mut cache = model.cache();
                let mut row = model.extend(&text[..first], &mut cache).unwrap();
                for place in first..=text.len() {
                    assert_eq!(cache.tokens(), place);
                    let same = whole.narrow(0, place - 1, 1).unwrap().to_vec();
                    assert_close!(
                        row.to_vec(),
                        same,
                        relative = 1e-5,
                        absolute = 1e-5,
                        "{name}, row {place}"
                    );
                    if place < text.len() {
                        row = model.extend(&text[place..=place], &mut cache).unwrap();
                    }
                }
            }
        }
    }
}

#[test]
fn gradients_are_those_of_torch() {
    let mut model = fixture("llama_untied");
    train_all(&mut model);
    let (_, found) = gradients(&model, &next_tokens(&expected("llama_untied").texts), Pass::quiet());
    let json = fixtures::json("models/llama_untied/gradients.json");
    let parameters = json.as_object().unwrap();
    assert!(parameters.len() >= 6);
    for (path, gradient) in parameters {
        let gradient = fixtures::floats(gradient);
        let largest = gradient.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        assert_close!(
            found[&format!("{path}/value")],
            gradient,
            absolute = 1e-4 * f64::from(largest),
            "{path}"
        );
    }
}

#[test]
fn generation_ends_where_it_is_told_to() {
    let (model, expected) = (fixture("llama_untied"), expected("llama_untied"));
    let sampling = Sampling::default();
    let run = |limit, stops: &[u32], patience: usize| {
        let request = Request { prompt: &expected.texts[0], limit, stops, sampling: &sampling };
        let mut said = Vec::new();
        let ending = generate(&model, &request, &mut |token| {
            said.push(token);
            said.len() < patience
        });
        (ending.unwrap(), said)
    };
    assert_eq!(run(0, &[], 9), (Ending::Length, vec![]));
    assert_eq!(run(2, &[], 9), (Ending::Length, expected.greedy[..2].to_vec()));
    assert_eq!(run(5, &[], 2), (Ending::Interrupted, expected.greedy[..2].to_vec()));
    let stop = expected.greedy.iter().position(|token| *token == expected.greedy[3]).unwrap();
    assert_eq!(run(8, &[expected.greedy[3]], 9), (Ending::Stop, expected.greedy[..stop].to_vec()));
}

#[test]
fn a_seed_gives_the_same_text() {
    let model = fixture("llama_untied");
    let text = |seed| {
        let sampling = Sampling { temperature: 1.5, top_k: 40, top_p: 0.95, repetition_penalty: 1.1, seed };
        let request = Request { prompt: &[5, 17], limit: 20, stops: &[], sampling: &sampling };
        let mut said = Vec::new();
        generate(&model, &request, &mut |token| {
            said.push(token);
            true
        })
        .unwrap();
        said
    };
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn a_conversation_goes_on_as_if_it_were_read_anew() {
    let model = fixture("llama_untied");
    let mut reading = Reading::new(&model);
    let prompts: [&[u32]; 4] = [&[5, 17, 3], &[5, 17, 3, 9, 8, 7], &[5, 17, 4], &[5, 17, 4]];
    for prompt in prompts {
        let request = Request { prompt, limit: 6, stops: &[], sampling: &Sampling::default() };
        let (mut fresh, mut gone_on) = (Vec::new(), Vec::new());
        let listen = |said: &mut Vec<u32>, token| {
            said.push(token);
            true
        };
        generate(&model, &request, &mut |token| listen(&mut fresh, token)).unwrap();
        reading.generate(&model, &request, &mut |token| listen(&mut gone_on, token)).unwrap();
        assert_eq!((fresh.len(), &gone_on), (6, &fresh), "{prompt:?}");
    }
}

/// The same model in f32 and rounded to bf16: as close as the rounding is small, and half the size.
#[test]
fn matrices_lie_in_memory_in_the_type_that_is_asked_for() {
    let bytes = |model: &Llama| -> usize {
        model.parameters().iter().map(|parameter| parameter.weight.constant().unwrap().bytes()).sum()
    };
    let tokens = Tokens::single(&expected("llama_tied").texts[0]);
    let [wide, rounded] = [Storage::F32, Storage::Bf16].map(|storage| fixture_as("llama_tied", storage));
    assert!(bytes(&rounded) < bytes(&wide) * 6 / 10, "{} {}", bytes(&rounded), bytes(&wide));
    let [wide, rounded] = [&wide, &rounded].map(|model| logits(model, &tokens));
    let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let error = norm(&mut wide.iter().zip(&rounded).map(|(a, b)| a - b)) / norm(&mut wide.iter().copied());
    assert!(error > 0.0 && error < 2e-2, "{error}");
    let stored = fixture_as("llama_bf16", Storage::File);
    assert_eq!(bytes(&stored), bytes(&fixture_as("llama_bf16", Storage::Bf16)));
}
