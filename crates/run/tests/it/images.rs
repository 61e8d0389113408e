//! Image classifiers: runs, adapters of peft, merging.

use crate::support;
use rankine_checkpoint::{Checkpoint, Dtype, ImageCheckpoint};
use rankine_data::{Batches, Batching};
use rankine_method::Choice;
use rankine_nn::{ImageClassifier, Pass, models::Storage};
use rankine_run::{
    LoadedImages, Modules, Outcome, Recipe, Result, TaskName, count, load_images, open_image_adapter,
};
use rankine_surgery::{WriteOptions, merge_images};
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures, tiny};
use rankine_train::{ClassScore, ClassifyImages, Task as _};
use serde_json::{Value, json};
use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

fn open(path: &Path) -> ImageCheckpoint {
    ImageCheckpoint::open(path).unwrap().unwrap()
}

fn loaded(model: &Path, adapter: Option<&Path>) -> LoadedImages {
    load_images(open(model), adapter, Storage::File).unwrap()
}

fn merged(model: &Path, adapter: &Path, target: &Path) {
    let mut base = open(model);
    let adapter = open_image_adapter(&mut base, adapter).unwrap();
    let options = WriteOptions { dtype: Some(Dtype::F32), ..WriteOptions::default() };
    merge_images(&base, &adapter, target, &options, &mut |_| ControlFlow::Continue(())).unwrap();
}

/// The images that the fixtures were made with.
fn images(shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    Tensor::new((0..count).map(|at: usize| (at * 37 % 101) as f32 / 50.0 - 1.0).collect(), shape).unwrap()
}

fn logits(model: &dyn ImageClassifier, images: &Tensor) -> Vec<f32> {
    model.logits(images, &mut Pass::quiet()).unwrap().to_vec()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn base(name: &str) -> PathBuf {
    fixtures::path(if name == "mobilenet" { "images/mobilenet/model.pth" } else { name })
}

#[test]
fn adapters_of_peft_give_their_logits_beside_the_base_and_merged() {
    let root = tempfile::tempdir().unwrap();
    for name in ["mobilenet_lora", "resnet_lora", "resnet_stem", "vit_lora"] {
        let expected = fixtures::json(&format!("images/{name}/expected.json"));
        let base = match expected["base"].as_str().unwrap() {
            "mobilenet" => base("mobilenet"),
            other => base(&format!("images/{other}")),
        };
        let (adapter, target) = (fixtures::path(&format!("images/{name}")), root.path().join(name));
        let shape: Vec<usize> =
            fixtures::tokens(&expected["images"]).into_iter().map(|side| side as usize).collect();
        let images = images(&shape);
        let found = logits(loaded(&base, Some(&adapter)).model.as_ref(), &images);
        assert_close!(found, fixtures::floats(&expected["logits"]), absolute = 1e-4, "{name}");
        merged(&base, &adapter, &target);
        let found = logits(loaded(&target, None).model.as_ref(), &images);
        assert_close!(found, fixtures::floats(&expected["merged_logits"]), absolute = 1e-4, "{name}, merged");
        assert_eq!(target.join("config.json").is_file(), name == "vit_lora");
    }
}

#[test]
fn what_peft_cannot_merge_is_refused_by_name() {
    let mut base = open(&base("mobilenet"));
    let adapter = open_image_adapter(&mut base, &fixtures::path("images/mobilenet_grouped")).unwrap();
    let error = adapter.check(base.tensors()).unwrap_err();
    assert!(error.to_string().contains("features.1.conv.0.0.lora_B.weight"), "{error}");
    let error = Checkpoint::open(fixtures::path("images/vit")).unwrap_err();
    assert!(error.to_string().contains("`vit`"), "{error}");
}

struct Bench {
    folder: tempfile::TempDir,
    model: PathBuf,
    recipe: Recipe,
}

impl Bench {
    /// A copy of a fixture, and 48 images of `side` pixels and so many classes.
    fn new(model: &str, (side, classes): (usize, usize), method: &str, changes: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = base(model);
        let model = match from.is_dir() {
            true => {
                let place = folder.path().join("model");
                fs::create_dir(&place).unwrap();
                for file in fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path()) {
                    fs::copy(&file, place.join(file.file_name().unwrap())).unwrap();
                }
                place
            }
            false => {
                let place = folder.path().join("model.pth");
                fs::copy(from, &place).unwrap();
                place
            }
        };
        let data = tiny::idx_images(folder.path(), 48, side, classes);
        let mut recipe = Recipe::new(model.display().to_string(), data);
        recipe.method = Choice::named(method).unwrap();
        let usual = [
            "train.steps=30",
            "train.batch_size=8",
            "train.evaluate_every=10",
            "train.learning_rate=0.01",
            "data.validation=0.25",
            &format!("method.{method}.rank=2"),
        ];
        let changes: Vec<String> = usual.iter().chain(changes).map(|&change| change.to_owned()).collect();
        Self { recipe: recipe.with(&changes).unwrap(), folder, model }
    }

    fn output(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run that is asked to stop after `stop` steps.
    fn run(&self, output: &Path, resume: bool, stop: Option<usize>) -> Result<Outcome> {
        support::run(&self.model, &self.recipe, output, resume, stop)
    }

    /// How well all images are told apart.
    fn score(&self, model: &Path, adapter: Option<&Path>) -> ClassScore {
        let loaded = loaded(model, adapter);
        let samples = loaded.read(&self.recipe.data.path).unwrap().samples();
        let batches = Batches::new(samples, Batching::Examples(16), 0).unwrap();
        let task = ClassifyImages::default();
        task.score(loaded.model.as_ref(), &mut batches.sequential(), &mut |_| {}).unwrap()
    }
}

#[test]
fn a_vision_transformer_learns_other_classes() {
    let bench = Bench::new("images/vit", (16, 2), "lora", &[]);
    let output = bench.output("run");
    let outcome = bench.run(&output, false, None).unwrap();
    assert_eq!(outcome.task, TaskName::Classify);
    let losses = outcome.losses.unwrap();
    assert!(losses.1 < 0.5 * losses.0, "{losses:?}");
    assert_eq!(json(&output.join("classes.json")), json!(["0", "1"]));
    let config = json(&output.join("adapter_config.json"));
    assert_eq!((&config["task_type"], &config["modules_to_save"]), (&Value::Null, &json!(["classifier"])));
    let targets = fixtures::strings(&config["target_modules"]);
    assert_eq!(targets.len(), 2 * 6);
    assert!(targets.contains(&"vit.layers.1.attention.q_proj".to_owned()), "{targets:?}");
    let adapted = bench.score(&bench.model, Some(&output));
    assert!(adapted.confusion.accuracy() > 0.9, "{adapted:?}");
    let target = bench.output("merged");
    merged(&bench.model, &output, &target);
    assert_close!([bench.score(&target, None).nll], [adapted.nll], absolute = 1e-5);
    let config = json(&target.join("config.json"));
    assert_eq!((&config["id2label"], &config["hidden_size"]), (&json!({"0": "0", "1": "1"}), &json!(16)));
}

#[test]
fn a_resumed_run_ends_with_the_bytes_of_one_that_never_stopped() {
    let changes = ["data.augmentation.flip=true", "data.augmentation.padding=1"];
    let bench = Bench::new("images/vit", (12, 3), "lora", &changes);
    let (whole, parts, still) = (bench.output("whole"), bench.output("parts"), bench.output("still"));
    bench.run(&whole, false, None).unwrap();
    bench.run(&parts, false, Some(7)).unwrap();
    bench.run(&parts, true, None).unwrap();
    let adapter = |folder: &Path| fs::read(folder.join("adapter_model.safetensors")).unwrap();
    assert!(adapter(&whole) == adapter(&parts));
    assert_eq!(json(&whole.join("classes.json")), json!(["LABEL_0", "LABEL_1", "LABEL_2"]), "the head stays");
    let text = fs::read_to_string(whole.join("recipe.toml")).unwrap();
    assert!(text.contains("flip = true"), "{text}");
    let unchanged = Bench::new("images/vit", (12, 3), "lora", &[]);
    unchanged.run(&still, false, None).unwrap();
    assert!(adapter(&whole) != adapter(&still), "images were changed");
    assert!(!fs::read_to_string(still.join("recipe.toml")).unwrap().contains("augmentation"));
}

#[test]
fn convolutions_learn() {
    let mut bench = Bench::new("images/resnet", (12, 3), "flora", &[]);
    bench.recipe.targets.modules = Modules::named("layer.*");
    let output = bench.output("run");
    let losses = bench.run(&output, false, None).unwrap().losses.unwrap();
    assert!(losses.1 < 0.5 * losses.0, "{losses:?}");
    let adapted = bench.score(&bench.model, Some(&output));
    assert!(adapted.confusion.accuracy() > 0.9, "{adapted:?}");
    let adapter = open_image_adapter(&mut open(&bench.model), &output).unwrap();
    assert_eq!(adapter.low_rank.len(), 2 * 2 + 3 + 3, "all but the first convolution and the head");
}

#[test]
fn plain_chains_learn_and_are_merged() {
    // Larger images than those that fill the first matrix.
    let bench = Bench::new("images/lenet", (16, 3), "lora", &[]);
    let (output, target) = (bench.output("run"), bench.output("merged"));
    let losses = bench.run(&output, false, None).unwrap().losses.unwrap();
    assert!(losses.1 < losses.0, "{losses:?}");
    let config = json(&output.join("adapter_config.json"));
    assert_eq!((&config["target_modules"], &config["modules_to_save"]), (&json!(["fc1"]), &json!(["fc2"])));
    let adapted = bench.score(&bench.model, Some(&output));
    merged(&bench.model, &output, &target);
    assert_close!([bench.score(&target, None).nll], [adapted.nll], absolute = 1e-5);
    let config = json(&target.join("config.json"));
    assert_eq!(config["layers"], json!(["conv1", "conv2", "fc1", "fc2"]));
    assert_eq!((&config["model_type"], &config["padding"]), (&json!("lenet"), &json!([2, 0])));
    assert_eq!(json(&target.join("classes.json")), json!(["0", "1", "2"]));
}

#[test]
fn convolutions_in_groups_are_trained_and_merged_too() {
    let mut bench = Bench::new("mobilenet", (12, 2), "flora", &["train.steps=5"]);
    let preprocessor = json!({"size": 32, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]});
    fs::write(bench.folder.path().join("preprocessor_config.json"), preprocessor.to_string()).unwrap();
    bench.recipe.targets.modules = Modules::named(r"features\.[34]\.conv.*");
    let (output, target) = (bench.output("run"), bench.output("merged"));
    bench.run(&output, false, None).unwrap();
    let mut base = open(&bench.model);
    let adapter = open_image_adapter(&mut base, &output).unwrap();
    let mut original = vec![0.0; 24 * 9];
    base.tensors().read_into("features.3.conv.1.0.weight", &mut original).unwrap();
    assert_ne!(adapter.replaced["features.3.conv.1.0.weight"].values, original);
    let config = json(&output.join("adapter_config.json"));
    let block = |block: usize| ["0.0", "2"].map(|name| format!("features.{block}.conv.{name}"));
    assert_eq!(config["target_modules"], json!([block(3), block(4)].concat()));
    let whole = ["classifier.1", "features.3.conv.1.0", "features.4.conv.1.0"];
    assert_eq!(config["modules_to_save"], json!(whole));
    let adapted = bench.score(&bench.model, Some(&output));
    merged(&bench.model, &output, &target);
    let found = bench.score(&target, None);
    assert_close!([found.nll], [adapted.nll], absolute = 1e-4);
    assert_eq!(json(&target.join("classes.json")), json!(["0", "1"]));
    assert!(!target.join("config.json").exists() && target.join("preprocessor_config.json").is_file());
    let counted = count(&bench.model, &bench.recipe.method, &bench.recipe.targets).unwrap();
    assert_eq!((counted.weights, counted.numbers > counted.trained), (6, true));
}

#[test]
fn a_run_that_makes_no_sense_is_refused_before_it_begins() {
    let refused = |bench: &Bench| {
        let error = bench.run(&bench.output("run"), false, None).unwrap_err();
        assert!(!bench.output("run").exists());
        (error.to_string(), error.hint().unwrap_or_default())
    };
    let (_, hint) = refused(&Bench::new("images/resnet", (12, 3), "lora", &[]));
    assert!(hint.contains("convolutions"), "a network of convolutions has no other linear layer: {hint}");
    let named = |names: &str, method: &str| {
        let mut bench = Bench::new("images/resnet", (12, 3), method, &[]);
        bench.recipe.targets.modules = Modules::named(names);
        refused(&bench)
    };
    assert!(named("bn1", "lora").0.contains("a normalisation"));
    assert!(named("conv1", "pissa").0.contains("`conv1`"), "a method of matrices");
    let mut writing = Bench::new("images/vit", (12, 3), "lora", &[]);
    writing.recipe.task = Some(TaskName::Language);
    assert!(refused(&writing).0.contains("`task`"));
    let teacher = ["distill.own=1.0", "data.augmentation.flip=true"];
    assert!(refused(&Bench::new("images/vit", (12, 3), "lora", &teacher)).0.contains("augmentation"));
}

#[test]
fn images_of_unknown_classes_are_not_scored() {
    let folder = tempfile::tempdir().unwrap();
    let data = tiny::idx_images(folder.path(), 8, 12, 2);
    let error = loaded(&fixtures::path("images/resnet"), None).read(&data).unwrap_err();
    assert!(error.to_string().contains("has 2 classes") && error.hint().is_some(), "{error}");
    let three = tiny::idx_images(folder.path(), 9, 12, 3);
    let images = loaded(&fixtures::path("images/vit"), None).read(&three).unwrap();
    assert_eq!((images.classes[2].as_str(), images.sides), ("LABEL_2", [1, 12, 12]));
}
