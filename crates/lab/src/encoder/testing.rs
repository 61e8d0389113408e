//! A tiny encoder with texts that a word tells apart, for the tests of experiments.

use super::{Bench, Setting};
use crate::Encoder;
use rankine_data::Tokenizer;
use rankine_testkit::fixtures;
use serde_json::{Map, Value, json};

/// An encoder with texts in a folder of its own.
pub(crate) struct Bed {
    pub folder: tempfile::TempDir,
    pub encoder: Encoder,
}

impl Bed {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let texts = folder.path().join("texts.csv");
        std::fs::write(&texts, lines()).unwrap();
        let tokenizer = Tokenizer::from_json(tokenizer().to_string().as_bytes(), &Value::Null, None).unwrap();
        let encoder = Encoder {
            name: "tiny".to_owned(),
            folder: fixtures::path("classifiers/bert_bare"),
            tokenizer,
            texts,
            runs: None,
        };
        Self { folder, encoder }
    }

    /// The encoder as it is fine-tuned with a setting.
    pub fn bench(&self, setting: Setting) -> Bench<'_> {
        Bench::new(&self.encoder, setting).unwrap()
    }
}

pub(crate) fn setting() -> Setting {
    Setting { steps: 60, window: 10, batch: 8, max_length: 20, held_out: 24, head_rate: 1e-2, seeds: vec![0] }
}

/// A hundred and twenty texts, a third of them bad.
fn lines() -> String {
    let line = |at: usize| {
        let word = if at.is_multiple_of(3) { "bad" } else { "good" };
        format!("w{} {word} w{} w{},{word}\n", at * 7 % 90, at * 11 % 90, at % 90)
    };
    std::iter::once("text,label\n".to_owned()).chain((0..120).map(line)).collect()
}

/// Of whole words, for a vocabulary of 96.
fn tokenizer() -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad"].map(str::to_owned);
    let words = special.into_iter().chain((0..90).map(|word| format!("w{word}")));
    let vocabulary: Map<String, Value> = words.enumerate().map(|(id, word)| (word, json!(id))).collect();
    json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
}
