//! How text is cut into words before byte-level BPE, by the name a GGUF file gives it (`tokenizer.ggml.pre`).
//!
//! Merges never cross a cut, so ids depend on it. The patterns are those of the models' own `tokenizer.json`.

use serde_json::{Value, json};

use crate::error::{Error, Result, names};

/// One family of byte-level tokenizers.
pub(super) struct PreTokenizer {
    /// The first is the one that is written.
    names: &'static [&'static str],
    cut: Cut,
    /// Words that are tokens stay whole, even where the merges lead elsewhere.
    pub(super) ignore_merges: bool,
    /// Text begins with the bos token unless the file says otherwise.
    pub(super) leads_with_bos: bool,
    /// Text is put into Unicode's composed form first.
    pub(super) composed: bool,
}

enum Cut {
    /// The pattern of GPT-2, built into the byte-level step.
    Gpt2,
    /// Every digit on its own, then GPT-2's pattern.
    DigitsThenGpt2,
    /// A pattern of its own.
    Pattern(&'static str),
}

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const FAMILIES: [PreTokenizer; 5] = [
    PreTokenizer {
        names: &["gpt-2", "default", "gpt2", "phi-2", "mpt", "olmo", "jais"],
        cut: Cut::Gpt2,
        ignore_merges: false,
        leads_with_bos: false,
        composed: false,
    },
    PreTokenizer {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell"],
        cut: Cut::DigitsThenGpt2,
        ignore_merges: false,
        leads_with_bos: false,
        composed: false,
    },
    PreTokenizer {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "smaug-bpe"],
        cut: Cut::Pattern(LLAMA3),
        ignore_merges: true,
        leads_with_bos: true,
        composed: false,
    },
    PreTokenizer {
        names: &["qwen2", "deepseek-r1-qwen", "megrez"],
        cut: Cut::Pattern(QWEN2),
        ignore_merges: false,
        leads_with_bos: false,
        composed: true,
    },
    PreTokenizer {
        names: &["tekken"],
        cut: Cut::Pattern(TEKKEN),
        ignore_merges: true,
        leads_with_bos: true,
        composed: false,
    },
];

impl PreTokenizer {
    /// The family of a name; files without a name are taken for GPT-2's.
    pub(super) fn find(name: Option<&str>) -> Result<&'static Self> {
        let name = name.unwrap_or("default");
        FAMILIES.iter().find(|family| family.names.contains(&name)).ok_or_else(|| {
            Error::UnsupportedPreTokenizer {
                found: name.to_owned(),
                supported: FAMILIES
                    .iter()
                    .map(|family| names(family.names.iter().copied()))
                    .collect::<Vec<_>>()
                    .join(", "),
            }
        })
    }

    /// The family that cuts and merges as this `tokenizer.json` says.
    pub(super) fn recognise(file: &Value) -> Option<&'static Self> {
        let composed = match file.get("normalizer") {
            None | Some(Value::Null) => false,
            Some(normalizer) if *normalizer == json!({"type": "NFC"}) => true,
            Some(_) => return None,
        };
        let ignore_merges = file["model"]["ignore_merges"] == true;
        let steps = steps(&file["pre_tokenizer"]);
        let is_it = |family: &&Self| {
            (family.composed, family.ignore_merges) == (composed, ignore_merges)
                && self::steps(&family.to_json()) == steps
        };
        FAMILIES.iter().find(is_it)
    }

    /// What a GGUF file calls it.
    pub(super) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// The `pre_tokenizer` part of a `tokenizer.json`.
    pub(super) fn to_json(&self) -> Value {
        let bytes = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex});
        let sequence =
            |first: Value, bytes: Value| json!({"type": "Sequence", "pretokenizers": [first, bytes]});
        match self.cut {
            Cut::Gpt2 => bytes(true),
            Cut::DigitsThenGpt2 => {
                sequence(json!({"type": "Digits", "individual_digits": true}), bytes(true))
            }
            Cut::Pattern(pattern) => sequence(
                json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false}),
                bytes(false),
            ),
        }
    }
}

/// The steps of a `pre_tokenizer`, each with what decides where it cuts; what is left out has its usual value.
fn steps(pre_tokenizer: &Value) -> Vec<Value> {
    if pre_tokenizer["type"] == "Sequence" {
        let inner = pre_tokenizer["pretokenizers"].as_array();
        return inner.into_iter().flatten().flat_map(steps).collect();
    }
    let keys = match pre_tokenizer["type"].as_str() {
        Some("ByteLevel") => vec![("add_prefix_space", json!(true)), ("use_regex", json!(true))],
        Some("Digits") => vec![("individual_digits", json!(false))],
        Some("Split") => vec![("pattern", Value::Null), ("behavior", Value::Null), ("invert", json!(false))],
        _ => return vec![pre_tokenizer.clone()],
    };
    let said = keys.iter().map(|(key, usual)| pre_tokenizer.get(key).unwrap_or(usual));
    vec![[&pre_tokenizer["type"]].into_iter().chain(said).cloned().collect()]
}
