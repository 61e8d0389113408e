//! Adapters before training, of models that tell texts or images apart.

use crate::{
    classify::Bench,
    starts::{on, start},
    support::run,
};
use rankine_checkpoint::{Adapter, Checkpoint, Existing, ImageCheckpoint};
use rankine_method::Choice;
use rankine_nn::{Pass, Tokens, models::Storage};
use rankine_run::{
    DataSection, Error, Modules, Recipe, Start, Started, TargetSection, init, load_classifier,
    load_classifier_model, load_images, open_adapter, open_image_adapter,
};
use rankine_surgery::{WriteOptions, merge};
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures, tiny};
use std::path::{Path, PathBuf};

fn made(start: &Start, model: &Path, output: &Path) -> Started {
    init(start, model, output, Existing::Refuse, &mut on).unwrap()
}

fn factors(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("adapter_model.safetensors")).unwrap()
}

fn text_logits(model: &Path, adapter: Option<&Path>) -> Vec<f32> {
    let (model, _) = load_classifier_model(model, adapter).unwrap();
    let tokens = Tokens::packed(&[2, 9, 4, 11, 3, 2, 5, 3], &[5, 3]);
    model.logits(&tokens, &mut Pass::quiet()).unwrap().to_vec()
}

fn opened(path: &Path) -> ImageCheckpoint {
    ImageCheckpoint::open(path).unwrap().unwrap()
}

fn image_logits(model: &Path, adapter: Option<&Path>) -> Vec<f32> {
    let pixels = (0..288).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let images = Tensor::new(pixels, &[2, 1, 12, 12]).unwrap();
    let loaded = load_images(opened(model), adapter, Storage::File).unwrap();
    loaded.model.logits(&images, &mut Pass::quiet()).unwrap().to_vec()
}

#[test]
fn a_start_on_its_base_is_the_classifier() {
    let folder = tempfile::tempdir().unwrap();
    for (name, classes, weights, head) in [
        ("bert", 3, 2 * 6 + 1, &["classifier"][..]),
        ("distilbert", 2, 6, &["classifier", "pre_classifier"][..]),
    ] {
        let model = fixtures::path(&format!("classifiers/{name}"));
        for (method, taken_out) in [("lora", false), ("pissa", true)] {
            let output = folder.path().join(format!("{name}-{method}"));
            let started = made(&start(method), &model, &output);
            assert_eq!(started.residual.is_some(), taken_out, "{name}, {method}");
            assert_eq!(started.classes.unwrap().len(), classes);
            assert_eq!(started.attached.trained, started.exported, "with the head");
            let base = started.residual.unwrap_or_else(|| model.clone());
            let (found, expected) = (text_logits(&base, Some(&output)), text_logits(&model, None));
            assert_close!(found, expected, absolute = 1e-4, "{name}, {method}");
            let adapter = open_adapter(&base, &output).unwrap();
            assert_eq!(adapter.config.task.as_deref(), Some("SEQ_CLS"));
            assert_eq!(adapter.config.targets.saved, head);
            assert_eq!((adapter.low_rank.len(), adapter.replaced.len()), (weights, 2 * head.len()));
            let other = open_adapter(&model, &output).err();
            assert_eq!(matches!(other, Some(Error::OtherBase { .. })), taken_out, "{name}, {method}");
        }
    }
}

#[test]
fn an_encoder_without_a_head_gets_none_without_data() {
    let folder = tempfile::tempdir().unwrap();
    let model = fixtures::path("classifiers/bert_bare");
    let base = Checkpoint::open(&model).unwrap();
    let bitfit = Start { method: Choice::named("bitfit").unwrap(), ..start("lora") };
    for (start, name) in [(start("lora"), "lora"), (start("pissa"), "pissa"), (bitfit, "bitfit")] {
        let output = folder.path().join(name);
        let started = made(&start, &model, &output);
        assert_eq!(started.classes, Some(Vec::new()), "{name}");
        assert!(!output.join("classes.json").exists());
        let place = started.residual.unwrap_or_else(|| model.clone());
        let error = load_classifier_model(&place, Some(&output)).err();
        assert!(matches!(error, Some(Error::NoHead { .. })), "{name}");
        let (adapter, place) = (open_adapter(&place, &output).unwrap(), Checkpoint::open(&place).unwrap());
        assert_eq!((&adapter.config.task, adapter.config.targets.saved.len()), (&None, 0), "{name}");
        assert!(adapter.replaced.keys().all(|name| base.contains(name)), "{name}");
        assert_eq!(adapter.replaced.contains_key("bert.pooler.dense.bias"), name == "bitfit");
        let merged = folder.path().join(format!("{name}-merged"));
        merge(&place, &adapter, &merged, &WriteOptions::default(), &mut on).unwrap();
        let merged = Checkpoint::open(&merged).unwrap();
        assert_eq!(merged.tensors().infos().len(), base.tensors().infos().len(), "{name}: no head");
        for tensor in base.tensors().infos().keys() {
            let (found, expected) = (merged.read(tensor).unwrap(), base.read(tensor).unwrap());
            assert_close!(found, expected, absolute = 1e-5, "{name}, {tensor}");
        }
    }
}

#[test]
fn a_start_on_labelled_texts_is_that_of_a_run() {
    let bench = Bench::new("bert_bare", ["bad", "good"]);
    let changes = ["train.steps=1", "train.learning_rate=1e-30"].map(str::to_owned);
    for method in ["lora", "eva"] {
        let start = Start { data: Some(bench.recipe.data.clone()), ..start(method) };
        let [output, again, other, trained] =
            ["", "-again", "-other", "-trained"].map(|end| bench.output(&format!("{method}{end}")));
        let started = made(&start, &bench.model, &output);
        assert_eq!(started.classes.unwrap(), ["bad", "good"]);
        let loaded = load_classifier(&bench.model, Some(&output), Storage::File).unwrap();
        assert_eq!(loaded.classes, ["bad", "good"]);
        made(&start, &bench.model, &again);
        assert!(factors(&output) == factors(&again), "{method}");
        made(&Start { seed: 6, ..start.clone() }, &bench.model, &other);
        assert!(factors(&output) != factors(&other), "{method}");
        let recipe = Recipe {
            seed: start.seed,
            data: bench.recipe.data.clone(),
            method: start.method,
            ..Recipe::new("tiny", "")
        };
        run(&bench.model, &recipe.with(&changes).unwrap(), &trained, false, None).unwrap();
        let [output, trained] = [output, trained].map(|folder| Adapter::open(&folder).unwrap());
        assert!(output.low_rank.keys().eq(trained.low_rank.keys()), "{method}");
        for (module, found) in &output.low_rank {
            let expected = &trained.low_rank[module];
            assert_close!(found.a, expected.a, absolute = 1e-20, "{method}, {module}");
            assert_close!(found.b, expected.b, absolute = 1e-20, "{method}, {module}");
        }
        assert!(output.replaced.keys().eq(trained.replaced.keys()) && output.replaced.len() == 2);
        for (name, found) in &output.replaced {
            assert_close!(found.values, trained.replaced[name].values, absolute = 1e-20, "{method}, {name}");
        }
    }
}

#[test]
fn a_start_on_its_base_is_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataSection::new(tiny::idx_images(folder.path(), 48, 12, 3));
    let with_data = Start { data: Some(data), ..start("eva") };
    let targets = TargetSection { modules: Modules::named("layer.*"), ..TargetSection::default() };
    let convolutions = Start { targets: targets.clone(), ..start("lora") };
    let seen = Start { targets, ..with_data.clone() };
    for (name, start, taken_out) in [
        ("vit", start("lora"), false),
        ("vit", start("pissa"), true),
        ("vit", with_data, false),
        ("resnet", convolutions, false),
        ("resnet", seen, false),
    ] {
        let model = fixtures::path(&format!("images/{name}"));
        let method = start.method.method().card().name;
        let [output, again] = ["", "-again"].map(|end| folder.path().join(format!("{name}-{method}{end}")));
        let started = made(&start, &model, &output);
        assert_eq!((started.residual.is_some(), started.classes.unwrap().len()), (taken_out, 3), "{method}");
        assert_eq!(started.attached.trained, started.exported, "{name}, {method}: with the head");
        let base = started.residual.unwrap_or_else(|| model.clone());
        let (found, expected) = (image_logits(&base, Some(&output)), image_logits(&model, None));
        assert_close!(found, expected, absolute = 1e-4, "{name}, {method}");
        let adapter = open_image_adapter(&mut opened(&base), &output).unwrap();
        let taken = (started.attached.sites.len(), 2);
        assert_eq!((adapter.low_rank.len(), adapter.replaced.len()), taken, "{name}, {method}");
        assert_eq!(adapter.config.task, None);
        made(&start, &model, &again);
        assert!(factors(&output) == factors(&again), "{name}, {method}");
        let other = open_image_adapter(&mut opened(&model), &output).err();
        assert_eq!(matches!(other, Some(Error::OtherBase { .. })), taken_out, "{name}, {method}");
    }
}

#[test]
fn a_network_gets_a_head_for_the_classes_of_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataSection::new(tiny::idx_images(folder.path(), 24, 12, 2));
    let (model, output) = (fixtures::path("images/vit"), folder.path().join("start"));
    let started = made(&Start { data: Some(data), ..start("pissa") }, &model, &output);
    assert_eq!(started.classes.unwrap(), ["0", "1"]);
    let base = started.residual.unwrap();
    assert_eq!(opened(&base).classes().unwrap(), ["0", "1"]);
    let loaded = load_images(opened(&base), Some(&output), Storage::File).unwrap();
    assert_eq!(loaded.model.classes(), 2);
}

#[test]
fn a_start_that_cannot_be_made_leaves_nothing() {
    let bench = Bench::new("bert_bare", ["bad", "good"]);
    let folder = bench.model.parent().unwrap();
    let (images, chats) = (tiny::idx_images(folder, 8, 12, 3), folder.join("chats.json"));
    std::fs::write(&chats, tiny::alpaca_json(8)).unwrap();
    let names = || {
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    };
    let (before, output, network) = (names(), folder.join("made/start"), fixtures::path("images/vit"));
    let refused = |model: &Path, start: &Start| {
        let error = init(start, model, &output, Existing::Refuse, &mut on).unwrap_err();
        assert_eq!(names(), before, "{error}");
        error
    };
    for (model, data) in [
        (&bench.model, &images),
        (&bench.model, &chats),
        (&network, &chats),
        (&network, &bench.recipe.data.path),
    ] {
        let error = refused(model, &Start { data: Some(DataSection::new(data)), ..start("eva") });
        assert!(matches!(error, Error::Data(_)), "{error}");
    }
    let rank = [("rank".to_owned(), 1000.into())].into_iter().collect();
    let wide = Start { method: Choice::named("pissa").unwrap().with(&rank).unwrap(), ..start("lora") };
    for model in [&bench.model, &network] {
        let error = refused(model, &wide);
        assert!(error.to_string().contains("rank 1000"), "{error}");
        let error = refused(model, &start("eva"));
        assert!(matches!(error, Error::NoCalibrationData { method: "eva" }), "{error}");
    }
}
