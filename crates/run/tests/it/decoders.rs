//! GPT-2, whose files hold matrices as [in, out], and OPT: adapters of peft read and merged, adapters of ours written.

use rankine_checkpoint::adapter::{Selection, Targets};
use rankine_checkpoint::{Adapter, Checkpoint, Existing, OutputFolder};
use rankine_kernels::cpu;
use rankine_method::{Base, Choice, attach, export, train_whole};
use rankine_nn::{LanguageModel, Pass, Tokens, for_each_trained_mut, models};
use rankine_random::Rng;
use rankine_run::{Start, TargetSection, init, load_model, module_names};
use rankine_surgery::{Progress, WriteOptions, merge};
use rankine_testkit::{assert_close, fixtures};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const MODELS: [&str; 4] = ["gpt2", "gpt2_old", "opt", "opt_350m"];

fn folder(name: &str) -> PathBuf {
    // Products of bf16 round activations, which the tolerance does not allow for.
    cpu::limit(cpu::best().min(cpu::Level::Avx512)).unwrap();
    fixtures::path(&format!("decoders/{name}"))
}

fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The two texts of every fixture.
fn texts(name: &str) -> Vec<Vec<u32>> {
    let expected = fixtures::json(&format!("decoders/{name}/expected.json"));
    fixtures::items(&expected["input_ids"]).iter().map(fixtures::tokens).collect()
}

fn logits(model: &dyn LanguageModel, texts: &[Vec<u32>]) -> Vec<f32> {
    let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
    let hidden = model.hidden(&Tokens::packed(&texts.concat(), &lengths), &mut Pass::quiet()).unwrap();
    model.logits(&hidden).unwrap().to_vec()
}

fn logits_of(model: &Path, adapter: Option<&Path>, texts: &[Vec<u32>]) -> Vec<f32> {
    logits(load_model(model, adapter).unwrap().0.as_ref(), texts)
}

#[test]
fn adapters_of_peft_are_read_and_merged() {
    let mut count = 0;
    for name in MODELS {
        let (base, texts) = (folder(name), texts(name));
        let expected = fixtures::json(&format!("decoders/{name}/expected.json"));
        for (adapter, expected) in expected["adapters"].as_object().unwrap() {
            let (place, context) = (base.join(adapter), format!("{name}/{adapter}"));
            let expected = fixtures::floats(&expected["logits"]);
            assert_close!(logits_of(&base, Some(&place), &texts), expected, absolute = 1e-4, "{context}");
            let root = tempfile::tempdir().unwrap();
            let target = root.path().join("merged");
            let (opened, read) = (Checkpoint::open(&base).unwrap(), Adapter::open(&place).unwrap());
            merge(&opened, &read, &target, &WriteOptions::default(), &mut on).unwrap();
            assert_close!(logits_of(&target, None, &texts), expected, absolute = 1e-4, "{context}, merged");
            let merged = Checkpoint::open(&target).unwrap();
            for (tensor, info) in opened.tensors().infos() {
                assert_eq!(merged.tensors().infos()[tensor].shape, info.shape, "{context}: {tensor}");
            }
            count += 1;
        }
    }
    assert_eq!(count, 7);
}

#[test]
fn all_linear_modules_are_those_of_peft() {
    for name in ["gpt2", "opt", "opt_350m"] {
        let all = Targets { modules: Selection::AllLinear, ..Targets::default() };
        let mut selected = all.select(&module_names(&Checkpoint::open(folder(name)).unwrap())).unwrap();
        selected.sort();
        let expected = fixtures::json(&format!("decoders/{name}/expected.json"));
        assert_eq!(selected, fixtures::strings(&expected["adapters"]["lora"]["targeted"]), "{name}");
    }
}

#[test]
fn a_start_on_its_base_is_the_model() {
    for name in MODELS {
        for (method, taken_out) in [("lora", false), ("pissa", true)] {
            let rank = [("rank".to_owned(), 3.into())].into_iter().collect();
            let start = Start {
                model: name.to_owned(),
                method: Choice::named(method).unwrap().with(&rank).unwrap(),
                targets: TargetSection::default(),
                seed: 5,
                weights: models::Storage::File,
                data: None,
            };
            let root = tempfile::tempdir().unwrap();
            let output = root.path().join("start");
            init(&start, &folder(name), &output, Existing::Refuse, &mut on).unwrap();
            let base = if taken_out { output.join("residual") } else { folder(name) };
            let found = logits_of(&base, Some(&output), &texts(name));
            let expected = logits_of(&folder(name), None, &texts(name));
            assert_close!(found, expected, absolute = 1e-4, "{name}, {method}");
        }
    }
}

/// Factors, matrices trained whole, norms and biases: what is written on the base is the trained model.
#[test]
fn what_was_trained_is_written_as_the_base_holds_it() {
    let cases: [(&str, [&str; 2], [&str; 2]); 3] = [
        ("gpt2", ["attn.c_attn", "attn.c_proj"], ["mlp.c_proj", "ln_f"]),
        ("gpt2_old", ["mlp.c_fc", "attn.c_proj"], ["attn.c_attn", "wpe"]),
        ("opt", ["q_proj", "fc1"], ["fc2", "embed_positions"]),
    ];
    for (name, adapted, whole) in cases {
        let opened = Checkpoint::open(folder(name)).unwrap();
        let mut model = models::load(opened.config(), opened.tensors(), models::Storage::F32).unwrap();
        let names = adapted.map(str::to_owned).to_vec();
        let targets = Targets { modules: Selection::Names(names), ..Targets::default() };
        let modules = targets.select(&module_names(&opened)).unwrap();
        let rank = [("rank".to_owned(), 3.into())].into_iter().collect();
        let lora = Choice::named("lora").unwrap().with(&rank).unwrap();
        let rng = Rng::new(1);
        attach(model.as_mut(), lora.method(), &modules, &rng, &mut |_, _| {}).unwrap();
        train_whole(model.as_mut(), &whole.map(str::to_owned)).unwrap();
        for_each_trained_mut(&mut *model, &mut |place, variable| {
            let mut rng = rng.fork(&place.name);
            variable.update(|values| values.iter_mut().for_each(|value| *value += 0.2 * rng.uniform() - 0.1));
        });
        let adapter = export(model.as_ref(), Base::Original, Some(name.to_owned())).unwrap();
        assert_eq!(adapter.config.fan_in_fan_out, name.starts_with("gpt2"), "{name}");
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("adapter");
        let output = OutputFolder::create(&target, Existing::Refuse).unwrap();
        adapter.write(&output).unwrap();
        output.finish().unwrap();
        let texts = texts(name);
        let (found, trained) =
            (logits_of(&folder(name), Some(&target), &texts), logits(model.as_ref(), &texts));
        assert_close!(found, trained, absolute = 2e-4, "{name}");
        let before = logits_of(&folder(name), None, &texts);
        assert!(before.iter().zip(&found).any(|(x, y)| (x - y).abs() > 0.1), "{name}");
    }
}
