//! The tokenizer inside a GGUF file.

use super::Fault;
use super::value::{Array, Metadata, Value, required};

/// What a token is for; ggml's `token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A piece of text.
    Normal,
    /// Stands for text that has no token.
    Unknown,
    /// Steers the model and is never text: `<|im_start|>`.
    Control,
    /// A piece of text added by hand, matched before all others.
    UserDefined,
    /// A place that nothing uses.
    Unused,
    /// A single byte, `<0x0A>`.
    Byte,
}

impl TokenKind {
    /// The kind with ggml's `number`.
    pub fn of(number: u32) -> Option<Self> {
        Some(match number {
            // 0 is "undefined": files whose tokenizer keeps no kinds.
            0 | 1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }

    /// ggml's number.
    pub fn number(self) -> u32 {
        match self {
            Self::Normal => 1,
            Self::Unknown => 2,
            Self::Control => 3,
            Self::UserDefined => 4,
            Self::Unused => 5,
            Self::Byte => 6,
        }
    }
}

/// The kind of a byte-level BPE.
const BYTE_LEVEL: &str = "gpt2";

/// Tokens, merges and special tokens of a tokenizer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vocabulary {
    /// The kind of tokenizer: `gpt2` is byte-level BPE, `llama` is SentencePiece.
    pub model: String,
    /// The name of the pattern that splits text before merging: `smollm`, `llama-bpe`, `qwen2`, ….
    pub pre: Option<String>,
    /// The tokens; a token's place is its number.
    pub tokens: Vec<String>,
    /// One for each token.
    pub kinds: Vec<TokenKind>,
    /// Pairs that merge, `left right`, the most important first; empty for SentencePiece.
    pub merges: Vec<String>,
    /// SentencePiece's scores, one for each token; empty for BPE.
    pub scores: Vec<f32>,
    /// The token that begins a text.
    pub bos: Option<u32>,
    /// The token that ends a text.
    pub eos: Option<u32>,
    /// The token that ends a turn of a conversation, where it is another one.
    pub end_of_turn: Option<u32>,
    /// The token for text that has none.
    pub unknown: Option<u32>,
    /// The token that fills short examples.
    pub padding: Option<u32>,
    /// Whether a text begins with `bos`.
    pub add_bos: Option<bool>,
    /// Whether a text ends with `eos`.
    pub add_eos: Option<bool>,
    /// Whether a space is put before a text.
    pub add_space_prefix: Option<bool>,
    /// The Jinja template of a conversation.
    pub chat_template: Option<String>,
}

impl Vocabulary {
    /// The tokenizer in `metadata`; lists of one entry a token have as many as there are tokens, and special tokens
    /// are among them.
    pub(super) fn from_metadata(metadata: &Metadata) -> Result<Self, Fault> {
        let text = |key| Ok(metadata.string(key)?.map(str::to_owned));
        let strings = |key| Ok(metadata.strings(key)?.map(<[String]>::to_vec));
        let tokens = required("tokenizer.ggml.tokens", strings("tokenizer.ggml.tokens")?)?;
        let special = |key| token(metadata, key, tokens.len());
        Ok(Self {
            model: required("tokenizer.ggml.model", text("tokenizer.ggml.model")?)?,
            pre: text("tokenizer.ggml.pre")?,
            kinds: kinds(metadata, tokens.len())?,
            merges: strings("tokenizer.ggml.merges")?.unwrap_or_default(),
            scores: scores(metadata, tokens.len())?,
            bos: special("tokenizer.ggml.bos_token_id")?,
            eos: special("tokenizer.ggml.eos_token_id")?,
            end_of_turn: special("tokenizer.ggml.eot_token_id")?,
            unknown: special("tokenizer.ggml.unknown_token_id")?,
            padding: special("tokenizer.ggml.padding_token_id")?,
            add_bos: metadata.boolean("tokenizer.ggml.add_bos_token")?,
            add_eos: metadata.boolean("tokenizer.ggml.add_eos_token")?,
            add_space_prefix: metadata.boolean("tokenizer.ggml.add_space_prefix")?,
            chat_template: text("tokenizer.chat_template")?,
            tokens,
        })
    }

    /// Adds the keys that say it to `metadata`.
    pub fn describe(&self, metadata: &mut Metadata) {
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                metadata.0.insert(key.to_owned(), value);
            }
        };
        let text = |text: &String| Value::String(text.clone());
        let kinds = self.kinds.iter().map(|kind| kind.number().cast_signed()).collect();
        set("tokenizer.ggml.model", Some(text(&self.model)));
        set("tokenizer.ggml.pre", self.pre.as_ref().map(text));
        set("tokenizer.ggml.tokens", Some(Value::Array(Array::String(self.tokens.clone()))));
        set("tokenizer.ggml.token_type", Some(Value::Array(Array::I32(kinds))));
        set("tokenizer.ggml.scores", list(&self.scores).map(|scores| Value::Array(Array::F32(scores))));
        // llama.cpp asks for the list of byte-level BPE even where it is empty.
        let merges = if self.model == BYTE_LEVEL { Some(self.merges.clone()) } else { list(&self.merges) };
        set("tokenizer.ggml.merges", merges.map(|merges| Value::Array(Array::String(merges))));
        set("tokenizer.ggml.bos_token_id", self.bos.map(Value::U32));
        set("tokenizer.ggml.eos_token_id", self.eos.map(Value::U32));
        set("tokenizer.ggml.eot_token_id", self.end_of_turn.map(Value::U32));
        set("tokenizer.ggml.unknown_token_id", self.unknown.map(Value::U32));
        set("tokenizer.ggml.padding_token_id", self.padding.map(Value::U32));
        set("tokenizer.ggml.add_bos_token", self.add_bos.map(Value::Bool));
        set("tokenizer.ggml.add_eos_token", self.add_eos.map(Value::Bool));
        set("tokenizer.ggml.add_space_prefix", self.add_space_prefix.map(Value::Bool));
        set("tokenizer.chat_template", self.chat_template.as_ref().map(text));
    }
}

/// A list that is written, where it is not empty.
fn list<T: Clone>(entries: &[T]) -> Option<Vec<T>> {
    (!entries.is_empty()).then(|| entries.to_vec())
}

/// The special token under `key`, one of `tokens`.
pub(super) fn token(metadata: &Metadata, key: &'static str, tokens: usize) -> Result<Option<u32>, Fault> {
    let Some(value) = metadata.get(key) else { return Ok(None) };
    let wrong = || Fault::KeyType { key: key.to_owned(), expected: "a token's number", found: value.kind() };
    let found = value.integer().ok_or_else(wrong)?;
    match u32::try_from(found) {
        // Writers that keep −1 for "none" in a signed or unsigned number.
        Ok(u32::MAX) => Ok(None),
        _ if found == -1 => Ok(None),
        Ok(id) if (id as usize) < tokens => Ok(Some(id)),
        _ => Err(Fault::TokenId { key, found, tokens }),
    }
}

fn kinds(metadata: &Metadata, tokens: usize) -> Result<Vec<TokenKind>, Fault> {
    let key = "tokenizer.ggml.token_type";
    let Some(numbers) = metadata.integers(key)? else { return Ok(vec![TokenKind::Normal; tokens]) };
    same_length(key, numbers.len(), tokens)?;
    numbers.into_iter().map(|number| kind(key, number)).collect()
}

fn kind(key: &str, number: i128) -> Result<TokenKind, Fault> {
    let wrong = || {
        let (key, found) = (key.to_owned(), number.to_string());
        Fault::KeyValue { key, found, expected: "kinds of tokens from 0 to 6" }
    };
    u32::try_from(number).ok().and_then(TokenKind::of).ok_or_else(wrong)
}

fn scores(metadata: &Metadata, tokens: usize) -> Result<Vec<f32>, Fault> {
    let key = "tokenizer.ggml.scores";
    let Some(scores) = metadata.floats(key)? else { return Ok(Vec::new()) };
    same_length(key, scores.len(), tokens)?;
    Ok(scores.to_vec())
}

fn same_length(key: &'static str, found: usize, tokens: usize) -> Result<(), Fault> {
    if found == tokens { Ok(()) } else { Err(Fault::VocabularyLength { key, found, tokens }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_read() {
        let kinds = [TokenKind::Unknown, TokenKind::Control, TokenKind::Normal, TokenKind::UserDefined];
        let given = Vocabulary {
            model: "gpt2".to_owned(),
            pre: Some("smollm".to_owned()),
            tokens: ["?", "<s>", "a", "b", "ab", "[PAD5]"].map(str::to_owned).to_vec(),
            kinds: [&kinds[..], &[TokenKind::Byte, TokenKind::Unused]].concat(),
            merges: vec!["a b".to_owned()],
            scores: Vec::new(),
            bos: Some(1),
            eos: Some(2),
            end_of_turn: Some(3),
            unknown: Some(0),
            padding: None,
            add_bos: Some(true),
            add_eos: Some(false),
            add_space_prefix: None,
            chat_template: Some("{{ messages }}".to_owned()),
        };
        let scored =
            Vocabulary { merges: Vec::new(), scores: vec![-0.5; 6], padding: Some(5), ..given.clone() };
        for vocabulary in [given, scored] {
            let mut metadata = Metadata::default();
            vocabulary.describe(&mut metadata);
            assert_eq!(Vocabulary::from_metadata(&metadata).unwrap(), vocabulary);
        }
    }

    #[test]
    fn a_byte_level_tokenizer_has_a_list_of_merges_even_where_there_are_none() {
        for (model, is_there) in [(BYTE_LEVEL, true), ("llama", false)] {
            let mut metadata = Metadata::default();
            let vocabulary = Vocabulary { model: model.to_owned(), ..Vocabulary::default() };
            vocabulary.describe(&mut metadata);
            assert_eq!(metadata.0.contains_key("tokenizer.ggml.merges"), is_there, "{model}");
        }
    }
}
