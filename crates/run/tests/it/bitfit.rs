//! Runs that train biases alone, and their adapters beside peft's.

use rankine_checkpoint::{Adapter, AdapterConfig, Checkpoint};
use rankine_kernels::cpu;
use rankine_method::{Base, Choice, attach, export};
use rankine_nn::{Kind, Model, Pass, Tokens, for_each_trained_mut, models, weight::counts};
use rankine_random::Rng;
use rankine_run::{Modules, Recipe, Source, TargetSection, count, fine_tune, load_model};
use rankine_testkit::{assert_close, fixtures, tiny};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// GPT-2 with a bias in every linear map and norm.
fn base() -> PathBuf {
    // Products of bf16 round activations, which the tolerance does not allow for.
    cpu::limit(cpu::best().min(cpu::Level::Avx512)).unwrap();
    fixtures::path("decoders/gpt2")
}

/// In the form that `export` writes, and read by peft.
fn adapter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bitfit")
}

#[test]
fn biases_are_read_as_peft_reads_them() {
    let expected: Value = serde_json::from_str(include_str!("../fixtures/bitfit/expected.json")).unwrap();
    let texts: Vec<Vec<u32>> = fixtures::items(&expected["input_ids"]).iter().map(fixtures::tokens).collect();
    let logits = |adapter: Option<&Path>| {
        let (model, lengths) = (load_model(&base(), adapter).unwrap().0, texts.iter().map(Vec::len));
        let tokens = Tokens::packed(&texts.concat(), &lengths.collect::<Vec<_>>());
        let hidden = model.hidden(&tokens, &mut Pass::quiet()).unwrap();
        model.logits(&hidden).unwrap().to_vec()
    };
    let found = logits(Some(&adapter()));
    assert_close!(found, fixtures::floats(&expected["logits"]), absolute = 1e-4);
    assert!(found.iter().zip(logits(None)).any(|(x, y)| (x - y).abs() > 0.1));
}

#[test]
fn biases_are_written_as_peft_reads_them() {
    let (read, opened) = (Adapter::open(&adapter()).unwrap(), Checkpoint::open(base()).unwrap());
    let mut model = models::load(opened.config(), opened.tensors(), models::Storage::F32).unwrap();
    assert_eq!(attached(model.as_mut(), |_| true).0, 13);
    for_each_trained_mut(&mut *model, &mut |place, variable| {
        let values = &read.replaced[place.name.strip_suffix("/value").unwrap()].values;
        variable.update(|numbers| numbers.copy_from_slice(values));
    });
    let written = export(model.as_ref(), Base::Original, Some("gpt2".to_owned())).unwrap();
    assert_eq!((&written.low_rank, &written.replaced), (&read.low_rank, &read.replaced));
    let settings = |config: &AdapterConfig| {
        let AdapterConfig { base_model, task, rank, alpha, targets, fan_in_fan_out, bias, .. } =
            config.clone();
        ((base_model, task, targets), (rank, alpha, fan_in_fan_out, bias))
    };
    assert_eq!(settings(&written.config), settings(&read.config));
}

/// Hands over the biases of the modules that are `targeted`: how many, and how many numbers of the model are trained then.
fn attached(model: &mut dyn Model, targeted: impl Fn(&str) -> bool) -> (usize, usize) {
    let biases = model.parameters().into_iter().filter(|parameter| parameter.kind() == Kind::Bias);
    let modules = biases.map(|parameter| parameter.module().to_owned()).filter(|module| targeted(module));
    let modules: Vec<String> = modules.collect();
    let bitfit = Choice::named("bitfit").unwrap();
    attach(model, bitfit.method(), &modules, &Rng::new(0), &mut |_, _| ()).unwrap();
    let trained = model.parameters().into_iter().map(|parameter| counts(parameter.weight.as_ref()).0);
    (modules.len(), trained.sum())
}

/// The same as `rankine methods` has it, and the modules beside that are trained whole.
fn counted(model: &Path, names: &str) -> ((usize, usize), Vec<String>) {
    let targets = TargetSection { modules: Modules::named(names), ..TargetSection::default() };
    let found = count(model, &Choice::named("bitfit").unwrap(), &targets).unwrap();
    ((found.weights, found.trained), found.whole)
}

#[test]
fn what_is_counted_is_what_is_trained_of_an_attached_model() {
    let opened = Checkpoint::open(base()).unwrap();
    for (names, biases) in [("all-linear", 13), ("c_proj", 4), ("ln_1,ln_f", 3)] {
        let mut model = models::load(opened.config(), opened.tensors(), models::Storage::F32).unwrap();
        let targeted = |module: &str| {
            names == "all-linear" || names.split(',').any(|name| module.ends_with(&format!(".{name}")))
        };
        let expected = attached(model.as_mut(), targeted);
        assert_eq!((expected.0, counted(&base(), names)), (biases, (expected, Vec::new())), "{names}");
    }
}

/// But for its head: that is trained whole.
#[test]
fn of_a_classifier_every_bias_is_counted() {
    let bert = fixtures::path("classifiers/bert");
    let opened = Checkpoint::open(&bert).unwrap();
    let mut model = models::load_classifier(opened.config(), opened.tensors(), models::Storage::F32).unwrap();
    let expected = attached(model.as_mut(), |module| module != "classifier");
    assert_eq!(expected.0, 1 + 2 * 8 + 1, "norms, maps and the pooler");
    assert_eq!(counted(&bert, "all-linear"), (expected, vec!["classifier".to_owned()]));
}

/// A recipe that trains the biases of a model of the llama family, at `folder`.
fn recipe(folder: &Path, biases: bool) -> Recipe {
    let (model, data) = (folder.join("model"), folder.join("data.json"));
    tiny::llama(&model, &tiny::TinyLlama { biases, ..tiny::TinyLlama::default() }, 3);
    tiny::tokenizer(&model);
    std::fs::write(&data, tiny::alpaca_json(24)).unwrap();
    let mut recipe = Recipe::new(model.display().to_string(), data);
    recipe.method = Choice::named("bitfit").unwrap();
    let changes = ["train.steps=4", "train.batch_size=2", "data.max_length=200", "train.learning_rate=0.01"];
    recipe.with(&changes.map(str::to_owned)).unwrap()
}

fn run(recipe: &Recipe, output: &Path) -> rankine_run::Result<rankine_run::Outcome> {
    let source = Source { model: Path::new(&recipe.model), resume: false, force: false };
    fine_tune(recipe, source, output, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn a_run_trains_the_biases_that_are_targeted() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = recipe(folder.path(), true);
    for (names, expected) in [("all-linear", 14), ("q_proj,down_proj", 4)] {
        recipe.targets = TargetSection { modules: Modules::named(names), ..TargetSection::default() };
        let output = folder.path().join(names);
        run(&recipe, &output).unwrap();
        let (model, adapter) = (Path::new(&recipe.model), Adapter::open(&output).unwrap());
        let base = Checkpoint::open(model).unwrap();
        assert_eq!(adapter.replaced.len(), 14, "peft's `all` is every bias");
        let values = adapter.replaced.iter().map(|(name, found)| (base.read(name).unwrap(), &found.values));
        let moved: Vec<usize> = values.filter(|(old, new)| old != *new).map(|(old, _)| old.len()).collect();
        assert_eq!(moved.len(), expected, "{names}");
        load_model(model, Some(&output)).unwrap();
        let counted = count(model, &recipe.method, &recipe.targets).unwrap();
        let numbers: usize = moved.iter().sum();
        assert_eq!((counted.weights, counted.trained), (expected, numbers), "{names}");
        assert_eq!(counted.written, Some(counted.trained));
    }
}

#[test]
fn a_model_without_biases_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe(folder.path(), false);
    let output = folder.path().join("run");
    for error in [
        run(&recipe, &output).map(|_| ()).unwrap_err(),
        count(Path::new(&recipe.model), &recipe.method, &recipe.targets).map(|_| ()).unwrap_err(),
    ] {
        assert!(error.to_string().contains("the model has no bias"), "{error}");
        assert!(error.hint().unwrap().contains("llama"));
    }
    assert!(!output.exists());
}
