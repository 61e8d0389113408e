//! Language models that tell texts apart: runs from one without a head for it, adapters of peft, merging.

use crate::{
    classify::Bench,
    starts::{on, start},
};
use rankine_checkpoint::{Checkpoint, Existing, open_tensors};
use rankine_nn::{Classifier, Pass, Tokens, models::Storage};
use rankine_run::{
    Error, Start, TargetSection, TaskName, count, fit_head, init, is_classifier, load_classifier,
    load_classifier_model, open_adapter,
};
use rankine_surgery::{WriteOptions, merge};
use rankine_testkit::{assert_close, fixtures};
use serde_json::{Value, json};
use std::path::Path;

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn logits(model: &dyn Classifier, texts: &[Vec<u32>]) -> Vec<f32> {
    let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
    model.logits(&Tokens::packed(&texts.concat(), &lengths), &mut Pass::quiet()).unwrap().to_vec()
}

fn logits_of(model: &Path, adapter: Option<&Path>, texts: &[Vec<u32>]) -> Vec<f32> {
    logits(load_classifier_model(model, adapter).unwrap().0.as_ref(), texts)
}

/// Merges an adapter, which may bring a head, into its base.
pub fn merged(model: &Path, adapter: &Path, output: &Path) {
    let (mut base, read) = (Checkpoint::open(model).unwrap(), open_adapter(model, adapter).unwrap());
    fit_head(&mut base, &read, adapter).unwrap();
    merge(&base, &read, output, &WriteOptions::default(), &mut on).unwrap();
}

#[test]
fn a_language_model_learns_the_classes_of_the_data() {
    for name in ["llama_tied", "llama_untied"] {
        let bench = Bench::of(&format!("models/{name}"), ["bad", "good"]);
        let [run, whole] = ["run", "merged"].map(|name| bench.output(name));
        let outcome = bench.run(&run, false, None).unwrap();
        assert_eq!(outcome.task, TaskName::Classify, "{name}");
        let losses = outcome.losses.unwrap();
        assert!(losses.1 < 0.5 * losses.0, "{name}: {losses:?}");
        let config = read(&run.join("adapter_config.json"));
        assert_eq!(
            (&config["task_type"], &config["modules_to_save"]),
            (&json!("SEQ_CLS"), &json!(["score"]))
        );
        let tensors = open_tensors(&run.join("adapter_model.safetensors")).unwrap();
        let (head, factors): (Vec<_>, Vec<_>) =
            tensors.infos().iter().partition(|(key, _)| !key.contains(".lora_"));
        assert_eq!(factors.len(), 2 * 2 * 7, "{name}");
        assert!(
            matches!(head[..], [(key, info)] if key == "base_model.model.score.weight" && info.shape == [2, 32])
        );
        let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let mut lines = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let last = lines.rfind(|line| line["kind"] == "evaluation").unwrap();
        // 8 of the 12 held-out texts are good.
        assert!(last["accuracy"].as_f64().unwrap() > 0.7 && last["matthews"].is_number(), "{last}");
        assert!(
            !is_classifier(&bench.model, None).unwrap() && is_classifier(&bench.model, Some(&run)).unwrap()
        );
        let loaded = load_classifier(&bench.model, Some(&run), Storage::File).unwrap();
        assert_eq!(loaded.classes, ["bad", "good"]);
        let bare = load_classifier(&bench.model, None, Storage::File).err().unwrap();
        assert!(matches!(bare, Error::NoHead { .. }) && bare.hint().is_some(), "{bare}");
        merged(&bench.model, &run, &whole);
        let texts = [vec![2, 9, 4, 11, 3], vec![2, 5, 3]];
        let found = load_classifier(&whole, None, Storage::File).unwrap();
        let expected = logits(loaded.model.as_ref(), &texts);
        assert_close!(logits(found.model.as_ref(), &texts), expected, absolute = 1e-4, "{name}");
        assert_eq!(found.classes, ["bad", "good"]);
        let config = read(&whole.join("config.json"));
        assert_eq!(config["architectures"], json!(["LlamaForSequenceClassification"]));
        assert_eq!(config["id2label"], json!({"0": "bad", "1": "good"}));
        assert!(!Checkpoint::open(&whole).unwrap().contains("lm_head.weight"), "{name}");
    }
}

/// Whichever column is named: data with one are texts with labels, for a start as for a run.
#[test]
fn a_column_of_texts_alone_makes_a_classifier() {
    let mut bench = Bench::of("models/llama_tied", ["bad", "good"]);
    let data = &mut bench.recipe.data;
    let texts = std::fs::read_to_string(&data.path).unwrap();
    std::fs::write(&data.path, texts.replacen("text,kind", "body,label", 1)).unwrap();
    (data.text_column, data.label_column) = (Some("body".to_owned()), None);
    bench.recipe = bench.recipe.clone().with(&["train.steps=1".to_owned()]).unwrap();
    let [begun, run] = ["start", "run"].map(|name| bench.output(name));
    let start = Start { data: Some(bench.recipe.data.clone()), ..start("lora") };
    let started = init(&start, &bench.model, &begun, Existing::Refuse, &mut on).unwrap();
    assert_eq!(started.classes.unwrap(), ["bad", "good"]);
    assert_eq!(bench.run(&run, false, None).unwrap().task, TaskName::Classify);
    for adapter in [begun, run] {
        assert_eq!(load_classifier(&bench.model, Some(&adapter), Storage::File).unwrap().classes.len(), 2);
    }
}

#[test]
fn adapters_of_peft_make_classifiers_of_language_models() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["llama_scored", "gpt2_scored"] {
        let expected = fixtures::json(&format!("classifiers/{name}/expected.json"));
        let base = fixtures::path(expected["base"].as_str().unwrap());
        let (adapter, output) = (fixtures::path(&format!("classifiers/{name}")), folder.path().join(name));
        let texts: Vec<Vec<u32>> =
            fixtures::items(&expected["input_ids"]).iter().map(fixtures::tokens).collect();
        let expected = fixtures::floats(&expected["logits"]);
        assert!(is_classifier(&base, Some(&adapter)).unwrap(), "{name}");
        assert_close!(logits_of(&base, Some(&adapter), &texts), expected, absolute = 1e-4, "{name}");
        merged(&base, &adapter, &output);
        assert_close!(logits_of(&output, None, &texts), expected, absolute = 1e-4, "{name}, merged");
    }
}

#[test]
fn a_classifier_is_counted_and_started_with_its_head() {
    let folder = tempfile::tempdir().unwrap();
    let (model, output) = (fixtures::path("classifiers/llama"), folder.path().join("start"));
    let start = start("lora");
    let counted = count(&model, &start.method, &TargetSection::default()).unwrap();
    assert_eq!(counted.weights, 14);
    let started = init(&start, &model, &output, Existing::Refuse, &mut on).unwrap();
    assert_eq!(started.classes.unwrap(), ["ham", "spam", "other"]);
    assert_eq!(started.attached.trained, counted.trained + 3 * 12);
    assert_eq!(open_adapter(&model, &output).unwrap().config.targets.saved, ["score"]);
    let texts = [vec![5, 17, 39], vec![7, 3]];
    assert_close!(logits_of(&model, Some(&output), &texts), logits_of(&model, None, &texts), absolute = 1e-5);
}
