//! A little language model with texts, as a user would give them, for the tests of experiments.

use crate::Language;
use rankine_checkpoint::Checkpoint;
use rankine_data::Tokenizer;
use rankine_nn::models::{self, Storage};
use rankine_testkit::tiny::{self, TinyLlama};
use serde_json::Value;
use std::path::Path;

/// Hands them to a test.
pub(crate) fn with_given(test: impl FnOnce(&Language<'_>, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let [model, data] = ["model", "texts.txt"].map(|name| folder.path().join(name));
    std::fs::write(&data, "The sky is blue, the grass is green, and so on for ever.\n".repeat(40)).unwrap();
    tiny::llama(&model, &TinyLlama::default(), 1);
    let json = std::fs::read(model.join("tokenizer.json")).unwrap();
    let tokenizer = Tokenizer::from_json(&json, &Value::Null, None).unwrap();
    let checkpoint = Checkpoint::open(&model).unwrap();
    let load = move || {
        let model = models::load(checkpoint.config(), checkpoint.tensors(), Storage::F32)?;
        Ok((model, tokenizer.clone()))
    };
    test(&Language { name: "little".to_owned(), load: &load, data: Some(data.clone()) }, &data);
}
