//! Recorded values and the tiny tokenizers that go with them.

use std::sync::LazyLock;

use rankine_data::{Message, Tokenizer, Vocabulary};
use serde_json::{Value, json};

pub(crate) static TEMPLATES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/templates.json")).unwrap());
pub(crate) static TOKENIZERS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/tokenizers.json")).unwrap());

/// The source of a template of the fixtures.
pub(crate) fn source(name: &str) -> String {
    let path = format!("{}/tests/fixtures/templates/{name}.jinja", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// The byte-level tokenizer with `<s>` and `</s>`, and a chat template.
pub(crate) fn tokenizer(template: Option<&str>) -> Tokenizer {
    let file = serde_json::to_vec(&TOKENIZERS["bytes"]["file"]).unwrap();
    let config = json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}});
    Tokenizer::from_json(&file, &config, template.map(str::to_owned)).unwrap()
}

fn strings(values: &Value) -> Vec<String> {
    values.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// The byte-level tokenizer without a template.
pub(crate) static BYTES: LazyLock<Tokenizer> = LazyLock::new(|| tokenizer(None));
/// The byte-level tokenizer as built from a vocabulary, with a post-processor.
pub(crate) static WITH_BOS: LazyLock<Tokenizer> = LazyLock::new(|| {
    Tokenizer::from_vocabulary(Vocabulary { add_bos: Some(true), ..bytes("llama-bpe") }).unwrap()
});
/// The SentencePiece tokenizer.
pub(crate) static PIECES: LazyLock<Tokenizer> =
    LazyLock::new(|| Tokenizer::from_vocabulary(pieces()).unwrap());

/// The byte-level vocabulary as a GGUF file has it.
pub(crate) fn bytes(pre: &str) -> Vocabulary {
    let bytes = &TOKENIZERS["bytes"];
    Vocabulary {
        model: "gpt2".into(),
        pre: Some(pre.into()),
        tokens: strings(&bytes["tokens"]),
        kinds: serde_json::from_value(bytes["kinds"].clone()).unwrap(),
        merges: strings(&bytes["merges"]),
        add_bos: Some(false),
        bos: Some(3),
        eos: Some(4),
        ..Vocabulary::default()
    }
}

/// The SentencePiece vocabulary as a GGUF file has it.
pub(crate) fn pieces() -> Vocabulary {
    let pieces = &TOKENIZERS["pieces"];
    Vocabulary {
        model: "llama".into(),
        tokens: strings(&pieces["tokens"]),
        kinds: serde_json::from_value(pieces["kinds"].clone()).unwrap(),
        scores: serde_json::from_value(pieces["scores"].clone()).unwrap(),
        unknown: Some(0),
        bos: Some(1),
        eos: Some(2),
        ..Vocabulary::default()
    }
}

/// A conversation of the fixtures.
pub(crate) fn conversation(messages: &Value) -> Vec<Message> {
    let message = |value: &Value| {
        let mut extra = value.as_object().unwrap().clone();
        let role = extra.remove("role").unwrap().as_str().unwrap().to_owned();
        let content = extra.remove("content").unwrap().as_str().map(str::to_owned);
        Message { role, content, extra, learn: true }
    };
    messages.as_array().unwrap().iter().map(message).collect()
}
