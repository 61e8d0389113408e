//! The vocabulary inside a GGUF file, and the `tokenizer.json` that means the same.
//!
//! Byte-level BPE (`gpt2`): tokens are spelt in the 256 characters that stand for bytes, merges are listed.
//! SentencePiece (`llama`): tokens are spelt with `▁` for a space, merges follow from the scores, and bytes without
//! a piece have tokens of their own (`<0x0A>`).

use serde_json::{Map, Value, json};

use super::pieces;
use super::pre::PreTokenizer;
use crate::error::{Error, Result};

/// What `tokenizer.ggml.*` and `tokenizer.chat_template` say.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// `gpt2` (byte-level BPE) or `llama` (SentencePiece).
    pub model: String,
    /// How text is cut into words: `smollm`, `llama-bpe`, `qwen2`, …
    pub pre: Option<String>,
    /// The spelling of each token.
    pub tokens: Vec<String>,
    /// What each token is: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. May be empty.
    pub kinds: Vec<u32>,
    /// Pairs of pieces with a space between, best first.
    pub merges: Vec<String>,
    /// Log-probability-like scores of SentencePiece pieces.
    pub scores: Vec<f32>,
    /// The token that begins a text.
    pub bos: Option<u32>,
    /// The token that ends a text or an answer.
    pub eos: Option<u32>,
    /// The token for what cannot be spelt.
    pub unknown: Option<u32>,
    /// The token that fills up batches.
    pub padding: Option<u32>,
    /// Whether a text begins with `bos`; when not said, the model's kind decides.
    pub add_bos: Option<bool>,
    /// Whether a text ends with `eos`.
    pub add_eos: Option<bool>,
    /// Whether SentencePiece sees a space before the text.
    pub add_space_prefix: Option<bool>,
    /// The chat template, in Jinja.
    pub chat_template: Option<String>,
}

/// Kinds of tokens, by ggml's numbers.
pub(super) const NORMAL: u32 = 1;
pub(super) const UNKNOWN: u32 = 2;
pub(super) const CONTROL: u32 = 3;
pub(super) const USER_DEFINED: u32 = 4;
pub(super) const UNUSED: u32 = 5;
pub(super) const BYTE: u32 = 6;

impl Vocabulary {
    /// The `tokenizer.json` of this vocabulary.
    pub(super) fn to_tokenizer(&self) -> Result<Value> {
        self.check()?;
        let (parts, leads_with_bos) = match self.model.as_str() {
            "gpt2" => self.byte_level()?,
            "llama" => (self.sentence_pieces()?, true),
            other => {
                return Err(Error::UnsupportedVocabulary {
                    found: other.to_owned(),
                    supported: "`gpt2` (byte-level BPE), `llama` (SentencePiece BPE)".into(),
                });
            }
        };
        let mut file = json!({"version": "1.0", "added_tokens": self.added_tokens()});
        if let (Some(file), Value::Object(parts)) = (file.as_object_mut(), parts) {
            file.extend(parts);
            file.insert("post_processor".into(), self.post_processor(leads_with_bos));
        }
        Ok(file)
    }

    /// The `tokenizer_config.json` of this vocabulary.
    pub(super) fn to_config(&self) -> Value {
        let mut config = Map::new();
        config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
        config.insert("clean_up_tokenization_spaces".into(), json!(false));
        for (name, id) in [
            ("bos_token", self.bos),
            ("eos_token", self.eos),
            ("unk_token", self.unknown),
            ("pad_token", self.padding),
        ] {
            if let Some(token) = id.and_then(|id| self.spelling(id)) {
                config.insert(name.into(), json!(token));
            }
        }
        Value::Object(config)
    }

    fn spelling(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
    }

    fn check(&self) -> Result<()> {
        let tokens = self.tokens.len();
        for (list, found) in [("kinds", self.kinds.len()), ("scores", self.scores.len())] {
            if found != 0 && found != tokens {
                return Err(Error::VocabularyLength { list, expected: tokens, found });
            }
        }
        for (token, id) in
            [("bos", self.bos), ("eos", self.eos), ("unknown", self.unknown), ("padding", self.padding)]
        {
            if let Some(id) = id.filter(|&id| tokens <= id as usize) {
                return Err(Error::SpecialToken { token, id, tokens });
            }
        }
        Ok(())
    }

    fn byte_level(&self) -> Result<(Value, bool)> {
        let pre = PreTokenizer::find(self.pre.as_deref())?;
        let normalizer = if pre.composed { json!({"type": "NFC"}) } else { Value::Null };
        let bytes =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        let parts = json!({
            "normalizer": normalizer,
            "pre_tokenizer": pre.to_json(),
            "decoder": bytes,
            "model": {
                "type": "BPE", "ignore_merges": pre.ignore_merges, "fuse_unk": false, "byte_fallback": false,
                "vocab": self.ids(), "merges": self.listed_merges(),
            },
        });
        Ok((parts, pre.leads_with_bos))
    }

    fn sentence_pieces(&self) -> Result<Value> {
        let listed = !self.merges.is_empty();
        if !listed && self.scores.is_empty() {
            return Err(Error::VocabularyLength { list: "scores", expected: self.tokens.len(), found: 0 });
        }
        let merges = if listed {
            self.listed_merges()
        } else {
            pieces::merges(&self.tokens, &self.scores)
                .into_iter()
                .map(|(left, right)| json!([left, right]))
                .collect()
        };
        let prefix = self.add_space_prefix.unwrap_or(true);
        let mut decoders = vec![
            json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
            json!({"type": "ByteFallback"}),
            json!({"type": "Fuse"}),
        ];
        if prefix {
            decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        }
        let scheme = if prefix { "first" } else { "never" };
        Ok(json!({
            "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false},
            "decoder": {"type": "Sequence", "decoders": decoders},
            "model": {
                "type": "BPE", "unk_token": self.unknown.and_then(|id| self.spelling(id)), "fuse_unk": true,
                "byte_fallback": true, "ignore_merges": false, "vocab": self.ids(), "merges": merges,
            },
        }))
    }

    /// Spelling → id. Of two tokens with one spelling the first is the one that text becomes.
    fn ids(&self) -> Value {
        let mut ids = Map::with_capacity(self.tokens.len());
        for (id, token) in self.tokens.iter().enumerate() {
            ids.entry(token.as_str()).or_insert_with(|| json!(id));
        }
        Value::Object(ids)
    }

    /// The merges as pairs. The first piece may itself begin with a space, never be empty.
    fn listed_merges(&self) -> Vec<Value> {
        let pair = |merge: &String| {
            let first = merge.chars().next().map_or(0, char::len_utf8);
            let at = first + merge[first..].find(' ')?;
            Some(json!([merge[..at], merge[at + 1..]]))
        };
        self.merges.iter().map(|merge| pair(merge).unwrap_or_else(|| json!(merge))).collect()
    }

    /// Tokens matched whole in the text: control tokens (left out when decoding) and user-defined ones.
    fn added_tokens(&self) -> Vec<Value> {
        let named = [self.bos, self.eos, self.unknown, self.padding];
        let kind = |id: usize| self.kinds.get(id).copied().unwrap_or(1);
        self.tokens
            .iter()
            .enumerate()
            .filter_map(|(id, token)| {
                let special = kind(id) == CONTROL || named.contains(&u32::try_from(id).ok());
                (special || kind(id) == USER_DEFINED).then(|| {
                    json!({
                        "id": id, "content": token, "special": special, "normalized": false,
                        "single_word": false, "lstrip": false, "rstrip": false,
                    })
                })
            })
            .collect()
    }

    fn post_processor(&self, leads_with_bos: bool) -> Value {
        let bos = self.bos.filter(|_| self.add_bos.unwrap_or(leads_with_bos));
        let eos = self.eos.filter(|_| self.add_eos.unwrap_or(false));
        if bos.is_none() && eos.is_none() {
            return Value::Null;
        }
        let mut tokens = Map::new();
        let mut piece = |id: Option<u32>, kind: u32| {
            let token = self.spelling(id?)?;
            tokens.insert(token.into(), json!({"id": token, "ids": [id], "tokens": [token]}));
            Some(json!({"SpecialToken": {"id": token, "type_id": kind}}))
        };
        let mut wrap = |sequence: &str, kind: u32| {
            let text = json!({"Sequence": {"id": sequence, "type_id": kind}});
            [piece(bos, kind), Some(text), piece(eos, kind)].into_iter().flatten().collect::<Vec<_>>()
        };
        let single = wrap("A", 0);
        let pair = [single.clone(), wrap("B", 1)].concat();
        json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens})
    }
}
