//! Runs of classifiers, on a bare encoder and on one with a head.

use crate::{sequence::merged, support};
use rankine_method::Choice;
use rankine_nn::{Classifier, Pass, Tokens, models::Storage};
use rankine_run::{Outcome, Recipe, Result, TaskName, is_classifier, load_classifier, load_classifier_model};
use rankine_testkit::{assert_close, fixtures};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub struct Bench {
    folder: tempfile::TempDir,
    pub model: PathBuf,
    pub recipe: Recipe,
}

impl Bench {
    /// An encoder among the fixtures.
    pub fn new(name: &str, labels: [&str; 2]) -> Self {
        Self::of(&format!("classifiers/{name}"), labels)
    }

    /// A fixture with a tokenizer, and texts that are good or bad.
    pub fn of(fixture: &str, labels: [&str; 2]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (model, data) = (folder.path().join("model"), folder.path().join("data.csv"));
        std::fs::create_dir(&model).unwrap();
        for file in ["config.json", "model.safetensors"] {
            let from = fixtures::path(fixture).join(file);
            std::fs::copy(from, model.join(file)).unwrap();
        }
        std::fs::write(model.join("tokenizer.json"), tokenizer().to_string()).unwrap();
        std::fs::write(&data, texts(labels)).unwrap();
        let changes = [
            "train.steps=40",
            "train.batch_size=8",
            "train.evaluate_every=20",
            "train.learning_rate=0.01",
            "data.validation=0.2",
            "data.label_column=kind",
            "data.max_length=20",
        ];
        let mut recipe = Recipe::new(model.display().to_string(), data);
        recipe.method = Choice::named("lora").unwrap();
        let changes: Vec<String> =
            changes.into_iter().chain(["method.lora.rank=4"]).map(str::to_owned).collect();
        Self { recipe: recipe.with(&changes).unwrap(), folder, model }
    }

    pub fn output(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run that is asked to stop after `stop` steps.
    pub fn run(&self, output: &Path, resume: bool, stop: Option<usize>) -> Result<Outcome> {
        support::run(&self.model, &self.recipe, output, resume, stop)
    }
}

/// Of whole words, for a vocabulary of 96.
fn tokenizer() -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad"].map(str::to_owned);
    let words = special.into_iter().chain((0..90).map(|word| format!("w{word}")));
    let vocabulary: serde_json::Map<String, Value> =
        words.enumerate().map(|(id, word)| (word, json!(id))).collect();
    json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
}

/// Sixty texts, a third of them of the first label.
fn texts([bad, good]: [&str; 2]) -> String {
    let line = |at: usize| {
        let (word, label) = if at.is_multiple_of(3) { ("bad", bad) } else { ("good", good) };
        format!("w{} {word} w{} w{},{label}\n", at * 7 % 90, at * 11 % 90, at % 90)
    };
    std::iter::once("text,kind\n".to_owned()).chain((0..60).map(line)).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn logits(model: &dyn Classifier) -> Vec<f32> {
    model.logits(&Tokens::packed(&[2, 9, 4, 11, 3, 2, 5, 3], &[5, 3]), &mut Pass::quiet()).unwrap().to_vec()
}

#[test]
fn a_bare_encoder_learns_the_classes_of_the_data() {
    let bench = Bench::new("bert_bare", ["bad", "good"]);
    assert!(is_classifier(&bench.model, None).unwrap());
    let output = bench.output("run");
    let outcome = bench.run(&output, false, None).unwrap();
    assert_eq!(outcome.task, TaskName::Classify);
    let losses = outcome.losses.unwrap();
    assert!(losses.1 < 0.5 * losses.0, "{losses:?}");
    assert_eq!(json(&output.join("classes.json")), json!(["bad", "good"]));
    let config = json(&output.join("adapter_config.json"));
    assert_eq!(
        (&config["task_type"], &config["modules_to_save"]),
        (&json!("SEQ_CLS"), &json!(["classifier"]))
    );
    let metrics = std::fs::read_to_string(output.join("metrics.jsonl")).unwrap();
    let evaluations: Vec<Value> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["kind"] == "evaluation")
        .collect();
    let last = evaluations.last().unwrap();
    assert!(evaluations.len() == 3 && last["accuracy"].as_f64().unwrap() > 0.9, "{last}");
    assert!(["f1", "macro_f1", "matthews"].iter().all(|name| last[name].is_number()) && last["scored"] == 12);
    assert!(std::fs::read_to_string(output.join("report.html")).unwrap().contains("bad: 20, good: 40"));
    for place in [output.join("best"), output.clone()] {
        let loaded = load_classifier(&bench.model, Some(&place), Storage::File).unwrap();
        assert_eq!(loaded.classes, ["bad", "good"]);
    }
    let error = load_classifier(&bench.model, None, Storage::File).err().unwrap();
    assert!(error.to_string().contains("no classification head") && error.hint().is_some(), "{error}");
}

#[test]
fn a_resumed_run_ends_with_the_bytes_of_one_that_never_stopped() {
    let bench = Bench::new("bert_bare", ["0", "1"]);
    let (whole, parts) = (bench.output("whole"), bench.output("parts"));
    bench.run(&whole, false, None).unwrap();
    bench.run(&parts, false, Some(7)).unwrap();
    bench.run(&parts, true, None).unwrap();
    let adapter = |folder: &Path| std::fs::read(folder.join("adapter_model.safetensors")).unwrap();
    assert!(adapter(&whole) == adapter(&parts));
}

#[test]
fn a_merged_classifier_is_the_adapted_one_and_knows_its_classes() {
    let bench = Bench::new("bert_bare", ["bad", "good"]);
    let (run, whole) = (bench.output("run"), bench.output("merged"));
    bench.run(&run, false, None).unwrap();
    merged(&bench.model, &run, &whole);
    let expected = load_classifier(&bench.model, Some(&run), Storage::File).unwrap();
    let found = load_classifier(&whole, None, Storage::File).unwrap();
    assert_eq!(found.classes, ["bad", "good"]);
    assert_close!(logits(found.model.as_ref()), logits(expected.model.as_ref()), absolute = 1e-5);
    let config = json(&whole.join("config.json"));
    assert_eq!(config["architectures"], json!(["BertForSequenceClassification"]));
}

#[test]
fn a_head_that_is_there_keeps_its_classes() {
    let bench = Bench::new("roberta", ["LABEL_1", "LABEL_0"]);
    let output = bench.output("run");
    bench.run(&output, false, None).unwrap();
    assert_eq!(json(&output.join("classes.json")), json!(["LABEL_0", "LABEL_1"]));
    let config = json(&output.join("adapter_config.json"));
    assert_eq!(config["modules_to_save"], json!(["classifier"]), "dense and out_proj are one module of peft");
    assert!(load_classifier(&bench.model, Some(&output), Storage::File).is_ok());
    let named = Bench::new("bert", ["bad", "good"]);
    let error = named.run(&named.output("run"), false, None).unwrap_err();
    assert!(error.to_string().contains("`bad`") && error.hint().unwrap().contains("`ham`"), "{error}");
}

#[test]
fn a_head_without_names_takes_those_of_as_many_classes() {
    let mut bench = Bench::new("roberta", ["bad", "good"]);
    bench.recipe = bench.recipe.clone().with(&["train.steps=1".to_owned()]).unwrap();
    let [run, whole, other] = ["run", "merged", "other"].map(|name| bench.output(name));
    bench.run(&run, false, None).unwrap();
    assert_eq!(json(&run.join("classes.json")), json!(["bad", "good"]));
    assert_eq!(load_classifier(&bench.model, Some(&run), Storage::File).unwrap().classes, ["bad", "good"]);
    merged(&bench.model, &run, &whole);
    assert_eq!(json(&whole.join("config.json"))["id2label"], json!({"0": "bad", "1": "good"}));
    let path = &bench.recipe.data.path;
    let texts = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, texts.replacen(",good", ",fair", 1)).unwrap();
    let error = bench.run(&other, false, None).unwrap_err();
    assert!(error.to_string().contains("`bad` (classes of the data: 3, of the model: 2)"), "{error}");
    assert!(error.hint().unwrap().contains("`LABEL_0`") && !other.exists(), "{error}");
}

#[test]
fn adapters_of_peft_give_their_logits() {
    for name in ["bert_lora", "roberta_lora"] {
        let expected = fixtures::json(&format!("classifiers/{name}/expected.json"));
        let base = fixtures::path(&format!("classifiers/{}", expected["base"].as_str().unwrap()));
        let adapter = fixtures::path(&format!("classifiers/{name}"));
        let (model, _) = load_classifier_model(&base, Some(&adapter)).unwrap();
        let rows = |key: &str| fixtures::items(&expected[key]).iter();
        for ((ids, types), row) in rows("input_ids").zip(rows("token_types")).zip(rows("logits")) {
            let tokens = Tokens::single(&fixtures::tokens(ids)).with_types(&fixtures::tokens(types));
            let found = model.logits(&tokens, &mut Pass::quiet()).unwrap().to_vec();
            assert_close!(found, fixtures::floats(row), absolute = 1e-4, "{name}");
        }
    }
}

#[test]
fn an_encoder_does_not_write() {
    let mut bench = Bench::new("bert_bare", ["bad", "good"]);
    bench.recipe.task = Some(TaskName::Language);
    bench.recipe.data.answer_column = Some("text".to_owned());
    let error = bench.run(&bench.output("run"), false, None).unwrap_err();
    assert!(
        error.to_string().contains("is an encoder") && error.hint().unwrap().contains("classify"),
        "{error}"
    );
}
